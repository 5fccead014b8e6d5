//! A monitor that gives its guest a whole processor model by a list, and treats the first form of interrupt-controller
//! state as a page.

use std::ptr::null_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::habits::*;
use crate::Engine;
use crate::Item;
use crate::Machine;
use crate::call;
use crate::machine::CODE;

cases! { "habits of crosvm":
    a_processor_model_comes_from_a_list from "clients.md 2 crosvm, state.md 9.1",
    listed_results_are_the_defaults_of_exits from "state.md 9.1, clients.md 2 crosvm",
    the_first_apic_state_is_a_page_of_slots from "clients.md 3 crosvm, Q3",
    unhandled_msrs_exit_without_a_bitmap from "clients.md 3 crosvm, Q6",
    hypervisor_msrs_are_answered_by_the_client from "clients.md 2 crosvm, exits.md 4",
    halts_exit_only_without_the_apic from "clients.md 3 crosvm, exits.md 2.9",
    the_size_of_vector_state_is_asked_for from "clients.md 3 crosvm, functions.md 3.8",
    bad_msrs_fault_through_the_pending_event from "clients.md 4 crosvm",
    registers_are_saved_as_one_list from "clients.md 3 crosvm" covers [Item::Ability("save and restore")],
}

fn entry(leaf: u32, registers: [u32; 4]) -> WHV_X64_CPUID_RESULT {
    let [eax, ebx, ecx, edx] = registers;
    WHV_X64_CPUID_RESULT { Function: leaf, Reserved: [0; 3], Eax: eax, Ebx: ebx, Ecx: ecx, Edx: edx }
}

/// Set up as that client does; `results` is the processor model.
fn machine(engine: &Engine, code: &[u8], mode: WHV_X64_LOCAL_APIC_EMULATION_MODE) -> Machine {
    long_mode(engine, code, |machine| {
        let results = [
            entry(0x15, [2, 100, 24_000_000, 0]),
            entry(0x4000_0000, [0x4000_0003, 0x7263_694D, 0x666F_736F, 0x7648_2074]),
            entry(0x4000_0003, [0xA00, 0, 0, 0x100]),
        ];
        assert_eq!(machine.set_property(WHvPartitionPropertyCodeCpuidResultList, &results), S_OK);
        let leaves = [1_u32, 4, 0xB, 0x1F, 0x15];
        assert_eq!(machine.set_property(WHvPartitionPropertyCodeCpuidExitList, &leaves), S_OK);
        let wanted = exits(engine, |exits| {
            exits.set_X64CpuidExit(1);
            exits.set_X64MsrExit(1);
        });
        configure(machine, WHvPartitionPropertyCodeExtendedVmExits, &wanted);
        configure(machine, WHvPartitionPropertyCodeLocalApicEmulationMode, &mode);
    })
}

/// mov eax, leaf; cpuid; hlt.
fn cpuid(leaf: u32) -> Vec<u8> {
    let mut code = vec![0xB8];
    code.extend(leaf.to_le_bytes());
    code.extend([0x0F, 0xA2, 0xF4]);
    code
}

fn a_processor_model_comes_from_a_list(engine: &Engine) {
    let machine = machine(engine, &cpuid(0x4000_0000), WHvX64LocalApicEmulationModeNone);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0x4000_0003);
    assert_eq!(machine.get64(0, WHvX64RegisterRbx), 0x7263_694D);
    assert_eq!(machine.get64(0, WHvX64RegisterRcx), 0x666F_736F);
    assert_eq!(machine.get64(0, WHvX64RegisterRdx), 0x7648_2074);
}

fn listed_results_are_the_defaults_of_exits(engine: &Engine) {
    let machine = machine(engine, &cpuid(0x15), WHvX64LocalApicEmulationModeNone);
    let context = machine.run_to(0, WHvRunVpExitReasonX64Cpuid);
    let access = context.CpuidAccess();
    assert_eq!((access.DefaultResultRax, access.DefaultResultRbx), (2, 100));
    assert_eq!((access.DefaultResultRcx, access.DefaultResultRdx), (24_000_000, 0));
    for leaf in [1, 4, 0xB, 0x1F] {
        machine.memory.write(CODE, &cpuid(leaf));
        machine.set64(0, WHvX64RegisterRip, CODE);
        assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Cpuid).CpuidAccess().Rax, u64::from(leaf));
    }
}

fn the_first_apic_state_is_a_page_of_slots(engine: &Engine) {
    let machine = machine(engine, &[0xF4], WHvX64LocalApicEmulationModeXApic);
    let (api, partition) = (engine.api, machine.partition);
    let mut page = vec![0_u8; 4096];
    let mut written = 0;
    let start = page.as_mut_ptr().cast();
    let get = call!(
        api,
        WHvGetVirtualProcessorInterruptControllerState(partition, 0, start, 4096, &raw mut written)
    );
    assert_eq!((get, written), (S_OK, 4096));
    // One register in each 16 bytes, by the numbers of the manual.
    assert_eq!(apic_word(&page, 3 << 4) & 0xFF, 0x14);
    assert_eq!(apic_word(&page, 0xF << 4), 0xFF);
    assert_eq!(apic_word(&page, 0x32 << 4), 0x1_0000);
    for (register, value) in [(0xF, 0x1FF_u32), (0x32, 0x31), (0x35, 0x700), (0x8, 0x20), (0x3E, 0xB)] {
        page[register << 4..(register << 4) + 4].copy_from_slice(&value.to_le_bytes());
    }
    let set =
        call!(api, WHvSetVirtualProcessorInterruptControllerState(partition, 0, page.as_ptr().cast(), 4096));
    assert_eq!(set, S_OK);
    let other = apic_page(&machine, 0);
    for register in [0xF, 0x32, 0x35, 0x8, 0x3E] {
        assert_eq!(apic_word(&other, register << 4), apic_word(&page, register << 4), "{register:#x}");
    }
    assert_eq!(machine.get64(0, WHvX64RegisterCr8), 2);
}

/// mov ecx, msr; rdmsr; hlt.
fn rdmsr(msr: u32) -> Vec<u8> {
    let mut code = vec![0xB9];
    code.extend(msr.to_le_bytes());
    code.extend([0x0F, 0x32, 0xF4]);
    code
}

fn unhandled_msrs_exit_without_a_bitmap(engine: &Engine) {
    for mode in [WHvX64LocalApicEmulationModeNone, WHvX64LocalApicEmulationModeXApic] {
        let machine = machine(engine, &rdmsr(0x1_2345), mode);
        let context = machine.run_to(0, WHvRunVpExitReasonX64MsrAccess);
        assert_eq!(context.MsrAccess().MsrNumber, 0x1_2345);
    }
}

fn hypervisor_msrs_are_answered_by_the_client(engine: &Engine) {
    for msr in [0x4000_0000, 0x4000_0021, 0x4000_0022, 0x4000_0023] {
        let machine = machine(engine, &rdmsr(msr), WHvX64LocalApicEmulationModeNone);
        let context = machine.run_to(0, WHvRunVpExitReasonX64MsrAccess);
        assert_eq!(context.MsrAccess().MsrNumber, msr);
        machine.set64(0, WHvX64RegisterRax, 0x1234);
        machine.set64(0, WHvX64RegisterRdx, 0);
        skip_instruction(&machine, 0, &context);
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
        assert_eq!(machine.get64(0, WHvX64RegisterRax), 0x1234);
    }
}

fn halts_exit_only_without_the_apic(engine: &Engine) {
    machine(engine, &[0xF4], WHvX64LocalApicEmulationModeNone).run_to(0, WHvRunVpExitReasonX64Halt);
    let machine = machine(engine, &[0xF4], WHvX64LocalApicEmulationModeXApic);
    let context = machine.while_parked(0, || machine.cancel(0));
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
    assert_eq!(context.VpContext().Rip(), CODE + 1);
}

fn the_size_of_vector_state_is_asked_for(engine: &Engine) {
    let machine = machine(engine, &[0xF4], WHvX64LocalApicEmulationModeNone);
    let image = xsave(&machine, 0);
    assert!(image.len() >= 576);
    assert_eq!(set_xsave(&machine, 0, &image), S_OK);
    let mut size = 0;
    let code = WHvVirtualProcessorStateTypeXsaveState;
    let probe = call!(
        engine.api,
        WHvGetVirtualProcessorState(machine.partition, 0, code, null_mut(), 0, &raw mut size)
    );
    assert_eq!((probe, size as usize), (WHV_E_INSUFFICIENT_BUFFER, image.len()));
}

fn bad_msrs_fault_through_the_pending_event(engine: &Engine) {
    let machine = machine(engine, &rdmsr(0x1_2345), WHvX64LocalApicEmulationModeNone);
    gate(&machine, 13, 0x9000, &[0x58, 0xE6, 0x0D]); // pop rax; out 0x0D, al
    machine.run_to(0, WHvRunVpExitReasonX64MsrAccess);
    machine.set(0, &[(WHvRegisterPendingEvent, exception(13, Some(0), 0))]);
    assert_eq!(run_to_output(&machine, 0), (0x0D, 0));
}

fn registers_are_saved_as_one_list(engine: &Engine) {
    let code = [0xFF, 0xC0, 0xE6, 0x80, 0xEB, 0xFA]; // L: inc eax; out 0x80, al; jmp L
    let first = machine(engine, &code, WHvX64LocalApicEmulationModeXApic);
    assert_eq!(run_to_output(&first, 0), (0x80, 1));
    let mut names: Vec<_> =
        (0..0x2C).chain(0x1000..0x101A).chain(0x2001..0x200C).map(WHV_REGISTER_NAME).collect();
    names.retain(|name| first.try_get(0, &[*name]).is_ok());
    // What only mirrors other registers is not restored.
    names.retain(|name| !(0x28..0x2C).contains(&name.0));
    let values = first.try_get(0, &names).expect("registers");
    let (page, image) = (apic_page(&first, 0), xsave(&first, 0));
    let second = machine(engine, &code, WHvX64LocalApicEmulationModeXApic);
    let pairs: Vec<_> = names.iter().copied().zip(values).collect();
    second.set(0, &pairs);
    assert_eq!(set_xsave(&second, 0, &image), S_OK);
    set_apic_page(&second, 0, &page);
    assert_eq!(run_to_output(&second, 0), (0x80, 2));
}
