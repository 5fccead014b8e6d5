//! A PC emulator with the engine's APIC: firmware at the reset vector, an 8259 beside the APIC, state that is saved and
//! restored, a debugger that steps.

use std::ptr::null_mut;
use std::time::Duration;
use std::time::Instant;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::habits::*;
use crate::Engine;
use crate::Item;
use crate::Machine;
use crate::call;
use crate::machine::CODE;
use crate::machine::MEMORY;
use crate::machine::word;
use crate::running::assert_no_faster;

cases! { "habits of QEMU":
    a_modern_host_has_the_perfmon_capability from "clients.md 3 QEMU, functions.md 1.1",
    firmware_runs_from_the_reset_vector from "clients.md 2 QEMU, state.md 6, Q34",
    read_only_memory_is_unmapped_twice from "clients.md 3 QEMU, functions.md 2.3",
    features_are_read_right_after_creation from "functions.md 1.6, clients.md 2 QEMU",
    apic_state_follows_the_base from "state.md 7.1, clients.md 3 QEMU",
    an_8259_interrupt_kicks_out_of_the_halt from "clients.md 3 QEMU, exits.md 2.9, 5.3",
    an_8259_interrupt_waits_for_its_window from "exits.md 5.4, Q7",
    an_8259_interrupt_written_too_early_stays_pending from "exits.md 5.3, Q41",
    messages_become_interrupts from "interrupts-and-notifications.md 1",
    time_stands_still_while_state_is_read from "interrupts-and-notifications.md 9.1, functions.md 1.8",
    only_listed_leaves_exit from "clients.md 2 QEMU, exits.md 2.12",
    a_debugger_steps_without_interrupts from "exits.md 2.11, 5.5, 5.6",
    without_the_apic_interrupts_are_injected_when_possible from "clients.md 4 QEMU None",
    unknown_msrs_are_answered_with_a_fault from "exits.md 2.10, 5.3" covers [Item::Ability("Q6")],
}

fn apic(machine: &Machine) {
    configure(machine, WHvPartitionPropertyCodeLocalApicEmulationMode, &WHvX64LocalApicEmulationModeXApic);
}

/// Set up as that client does, with the engine's APIC.
fn with_apic(engine: &Engine, code: &[u8]) -> Machine {
    let machine = Machine::created(engine);
    configure(&machine, WHvPartitionPropertyCodeProcessorCount, &1_u32);
    apic(&machine);
    let wanted = exits(engine, |exits| {
        exits.set_X64MsrExit(1);
        exits.set_X64CpuidExit(1);
    });
    configure(&machine, WHvPartitionPropertyCodeExtendedVmExits, &wanted);
    configure(&machine, WHvPartitionPropertyCodeX64MsrExitBitmap, &1_u64);
    let leaves = [1_u32, 0x8000_0001];
    assert_eq!(machine.set_property(WHvPartitionPropertyCodeCpuidExitList, &leaves), S_OK);
    assert_eq!(call!(engine.api, WHvSetupPartition(machine.partition)), S_OK);
    machine.map_all();
    machine.memory.write(CODE, code);
    machine.create_vp(0);
    machine.enter_real_mode(0);
    change_apic(&machine, 0, &[(0xF0, 0x1FF)]);
    machine
}

fn a_modern_host_has_the_perfmon_capability(engine: &Engine) {
    let mut value = 0_u64;
    let (code, start) = (WHvCapabilityCodeProcessorPerfmonFeatures, (&raw mut value).cast());
    assert_eq!(call!(engine.api, WHvGetCapability(code, start, 8, null_mut())), S_OK);
}

fn firmware_runs_from_the_reset_vector(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, apic);
    machine.map_all();
    // The last 64 KiB of the address space are the first of our memory's upper half, read and execute only.
    assert_eq!(machine.map(0xFFFF_0000, 0x8_0000, 0x1_0000, WHV_MAP_GPA_RANGE_FLAGS(5)), S_OK);
    machine.memory.write(0x8_FFF0, &[0xEA, 0x00, 0xE0, 0x00, 0xF0]); // jmp F000:E000
    assert_eq!(machine.map(0xF_0000, 0x8_0000, 0x1_0000, WHV_MAP_GPA_RANGE_FLAGS(5)), S_OK);
    machine.memory.write(0x8_E000, &[0xB0, b'B', 0xBA, 0x02, 0x04, 0xEE, 0xF4]); // mov al, 'B'; mov dx, 0x402; out dx, al; hlt
    machine.create_vp(0);
    assert_eq!(run_to_output(&machine, 0), (0x402, u64::from(b'B')));
    assert_eq!(machine.get(0, WHvX64RegisterCs).Segment().Base(), 0xF_0000);
}

fn read_only_memory_is_unmapped_twice(engine: &Engine) {
    let machine = with_apic(engine, &[0xF4]);
    for _ in 0..2 {
        for (start, size) in [(0xC_0000, 0x4_0000), (0xFFFC_0000, 0x4_0000), (0x1_0000_0000, 0x10_0000)] {
            assert_eq!(call!(engine.api, WHvUnmapGpaRange(machine.partition, start, size)), S_OK);
        }
    }
    assert_eq!(call!(engine.api, WHvUnmapGpaRange(machine.partition, 0, MEMORY)), S_OK);
}

fn features_are_read_right_after_creation(engine: &Engine) {
    let machine = Machine::created(engine);
    let features: u64 = machine.property(WHvPartitionPropertyCodeProcessorXsaveFeatures);
    assert_eq!(features, engine.capability(WHvCapabilityCodeProcessorXsaveFeatures)[0]);
    configure(&machine, WHvPartitionPropertyCodeProcessorXsaveFeatures, &features);
    let banks: [u64; 3] = machine.property(WHvPartitionPropertyCodeProcessorFeaturesBanks);
    configure(&machine, WHvPartitionPropertyCodeProcessorFeaturesBanks, &banks);
    configure(&machine, WHvPartitionPropertyCodeProcessorCount, &1_u32);
    assert_eq!(call!(engine.api, WHvSetupPartition(machine.partition)), S_OK);
}

fn apic_state_follows_the_base(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |machine| {
        configure(
            machine,
            WHvPartitionPropertyCodeLocalApicEmulationMode,
            &WHvX64LocalApicEmulationModeX2Apic,
        );
    });
    machine.create_vp(0);
    machine.set64(0, WHvX64RegisterApicBase, 0xFEE0_0D00);
    let mut page = apic_page(&machine, 0);
    assert_eq!(apic_word(&page, 0x20), 0, "the whole identifier, not shifted");
    for (offset, value) in [(0x80, 0x30_u32), (0xF0, 0x1FF), (0x320, 0x2_00EC), (0x380, 1_000_000)] {
        page[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
    set_apic_page(&machine, 0, &page);
    assert_eq!(machine.get64(0, WHvX64RegisterCr8), 3, "loaded from the task priority");
    assert_eq!(machine.get64(0, WHvX64RegisterApicLvtTimer), 0x2_00EC);
    let again = apic_page(&machine, 0);
    assert_eq!(apic_word(&again, 0x380), 1_000_000);
    assert_eq!(machine.get64(0, WHvX64RegisterApicBase), 0xFEE0_0D00);
}

/// sti; L: hlt; jmp L, with a handler for 0x70 that writes to port 0x70.
fn halting(engine: &Engine) -> Machine {
    let machine = with_apic(engine, &[0xFB, 0xF4, 0xEB, 0xFD]);
    real_gate(&machine, 0x70, 0x6000, &[0xE6, 0x70, 0xCF]); // out 0x70, al; iret
    machine
}

fn an_8259_interrupt_kicks_out_of_the_halt(engine: &Engine) {
    let machine = halting(engine);
    for _ in 0..3 {
        let context = machine.while_parked(0, || machine.cancel(0));
        assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
        assert_eq!(context.VpContext().Rip(), CODE + 2);
        assert_eq!(machine.get64(0, WHvRegisterInternalActivityState), 2, "halted");
        // The event alone does not wake it; the client also takes it out of the halt.
        machine.set(0, &[(WHvRegisterPendingEvent, external(0x70))]);
        machine.set64(0, WHvRegisterInternalActivityState, 0);
        assert_eq!(run_to_output(&machine, 0).0, 0x70);
        assert_eq!(apic_word(&apic_page(&machine, 0), 0x130), 0, "the APIC has not seen it");
    }
}

fn an_8259_interrupt_waits_for_its_window(engine: &Engine) {
    // out 0x80, al; sti; nop; nop; hlt
    let machine = with_apic(engine, &[0xE6, 0x80, 0xFB, 0x90, 0x90, 0xF4]);
    real_gate(&machine, 0x70, 0x6000, &[0xE6, 0x70, 0xCF]);
    machine.set64(0, WHvX64RegisterDeliverabilityNotifications, 2);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
    let context = machine.run_to(0, WHvRunVpExitReasonX64InterruptWindow);
    assert_eq!(context.VpContext().Rip(), CODE + 4);
    assert_eq!(machine.get64(0, WHvX64RegisterDeliverabilityNotifications), 0);
    machine.set(0, &[(WHvRegisterPendingEvent, external(0x70))]);
    assert_eq!(run_to_output(&machine, 0).0, 0x70);
}

fn an_8259_interrupt_written_too_early_stays_pending(engine: &Engine) {
    // out 0x80, al; sti; nop; hlt
    let machine = with_apic(engine, &[0xE6, 0x80, 0xFB, 0x90, 0xF4]);
    real_gate(&machine, 0x70, 0x6000, &[0xE6, 0x70, 0xCF]);
    machine.set(0, &[(WHvRegisterPendingEvent, external(0x70))]);
    assert_eq!(run_to_output(&machine, 0).0, 0x80, "interrupts are still off");
    assert_eq!(machine.get(0, WHvRegisterPendingEvent), external(0x70));
    assert_eq!(run_to_output(&machine, 0).0, 0x70);
    assert_eq!(machine.get(0, WHvRegisterPendingEvent), WHV_REGISTER_VALUE::default());
}

fn messages_become_interrupts(engine: &Engine) {
    let machine = halting(engine);
    // An MSI to 0xFEE00000 with data 0x70: destination bits 19:12, delivery mode 0, vector 0x70.
    let (address, data) = (0xFEE0_0000_u32, 0x70_u32);
    let context = machine.while_parked(0, || {
        let mut control = WHV_INTERRUPT_CONTROL::default();
        control.set_Type(u64::from(data >> 8 & 7));
        control.set_DestinationMode(u64::from(address >> 2 & 1));
        control.set_TriggerMode(u64::from(data >> 15 & 1));
        control.set_Destination(address >> 12 & 0xFF);
        control.set_Vector(data & 0xFF);
        assert_eq!(machine.request_control(&control), S_OK);
    });
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonX64IoPortAccess);
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x130), 1 << 16, "in service");
    for unsupported in [2, 3, 7] {
        let mut control = WHV_INTERRUPT_CONTROL::default();
        control.set_Type(unsupported);
        assert_eq!(machine.request_control(&control), E_INVALIDARG, "delivery mode {unsupported}");
    }
}

fn time_stands_still_while_state_is_read(engine: &Engine) {
    const PAUSE: Duration = Duration::from_millis(20);
    let machine = with_apic(engine, &[0xE6, 0x80, 0xE6, 0x80]);
    run_to_output(&machine, 0);
    assert_eq!(call!(engine.api, WHvSuspendPartitionTime(machine.partition)), S_OK);
    let first = machine.get64(0, WHvX64RegisterTsc);
    std::thread::sleep(PAUSE);
    assert_eq!(machine.get64(0, WHvX64RegisterTsc), first);
    machine.set64(0, WHvX64RegisterTsc, first);
    let start = Instant::now();
    run_to_output(&machine, 0); // resumes it
    std::thread::sleep(Duration::from_millis(1));
    let later = machine.get64(0, WHvX64RegisterTsc);
    assert!(later > first);
    let frequency: u64 = machine.property(WHvPartitionPropertyCodeProcessorClockFrequency);
    let passed = u128::from(later - first) * 10_000_000 / u128::from(frequency);
    assert_no_faster(passed as u64, start, PAUSE / 2);
}

fn only_listed_leaves_exit(engine: &Engine) {
    // mov eax, 0; cpuid; mov eax, 1; cpuid; mov eax, 0x80000001; cpuid; out 0x80, al
    let mut code = Vec::new();
    for leaf in [0_u32, 1, 0x8000_0001] {
        code.extend([0x66, 0xB8]);
        code.extend(leaf.to_le_bytes());
        code.extend([0x0F, 0xA2]);
    }
    code.extend([0xE6, 0x80]);
    let machine = with_apic(engine, &code);
    for leaf in [1, 0x8000_0001] {
        let context = machine.run_to(0, WHvRunVpExitReasonX64Cpuid);
        let access = context.CpuidAccess();
        assert_eq!(access.Rax, leaf);
        machine.set(
            0,
            &[
                (WHvX64RegisterRax, word(access.DefaultResultRax)),
                (WHvX64RegisterRbx, word(access.DefaultResultRbx)),
                (WHvX64RegisterRcx, word(access.DefaultResultRcx & !(1 << 31))),
                (WHvX64RegisterRdx, word(access.DefaultResultRdx)),
            ],
        );
        skip_instruction(&machine, 0, &context);
    }
    run_to_output(&machine, 0);
}

fn a_debugger_steps_without_interrupts(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xFB, 0x90, 0x90, 0x90, 0xF4], |machine| {
        apic(machine);
        configure(
            machine,
            WHvPartitionPropertyCodeExtendedVmExits,
            &exits(engine, |e| e.set_ExceptionExit(1)),
        );
        configure(machine, WHvPartitionPropertyCodeExceptionExitBitmap, &(1_u64 << 1));
    });
    change_apic(&machine, 0, &[(0xF0, 0x1FF)]);
    real_gate(&machine, 0x70, 0x6000, &[0xF4]);
    machine.set64(0, WHvX64RegisterRflags, 0x202);
    assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, 0x70), S_OK);
    for step in 1..=3 {
        let flags = machine.get64(0, WHvX64RegisterRflags);
        machine.set64(0, WHvX64RegisterRflags, flags | 0x100);
        machine.set64(0, WHvRegisterInterruptState, 1); // keeps the interrupt out for one instruction
        let context = machine.run_to(0, WHvRunVpExitReasonException);
        assert_eq!((context.VpException().ExceptionType, context.VpContext().Rip()), (1, CODE + step));
        assert_ne!(machine.get64(0, WHvX64RegisterDr6) & 0x4000, 0);
        let flags = machine.get64(0, WHvX64RegisterRflags);
        machine.set64(0, WHvX64RegisterRflags, flags & !0x100);
        machine.set64(0, WHvX64RegisterPendingDebugException, 0);
    }
    machine.set64(0, WHvRegisterInterruptState, 0);
    let context = machine.while_parked(0, || machine.cancel(0));
    assert_eq!(context.VpContext().Rip(), 0x6001, "the interrupt was delivered, and its handler halted");
}

fn without_the_apic_interrupts_are_injected_when_possible(engine: &Engine) {
    // out 0x80, al; sti; nop; L: hlt; jmp L
    let machine = Machine::real_mode(engine, &[0xE6, 0x80, 0xFB, 0x90, 0xF4, 0xEB, 0xFD], |_| ());
    real_gate(&machine, 0x20, 0x6000, &[0xE6, 0x20, 0xCF]);
    let mut is_pending = true; // the emulated 8259's line
    let mut outputs = Vec::new();
    while outputs.len() < 2 {
        let state = machine.get(0, WHvRegisterInterruptState).InterruptState();
        let is_open = machine.get64(0, WHvX64RegisterRflags) & 0x200 != 0 && state.InterruptShadow() == 0;
        if is_pending && is_open && machine.get64(0, WHvRegisterPendingInterruption) == 0 {
            machine.set(0, &[(WHvRegisterPendingInterruption, interruption(WHvX64PendingInterrupt, 0x20))]);
            is_pending = false;
        } else if is_pending {
            machine.set64(0, WHvX64RegisterDeliverabilityNotifications, 2);
        }
        let context = machine.try_run(0).expect("the processor runs");
        match context.ExitReason() {
            WHvRunVpExitReasonX64IoPortAccess => {
                outputs.push(context.IoPortAccess().PortNumber);
                skip_instruction(&machine, 0, &context);
            }
            WHvRunVpExitReasonX64InterruptWindow => assert!(is_pending),
            _ => panic!("{context:?}"),
        }
    }
    assert_eq!(outputs, [0x80, 0x20]);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn unknown_msrs_are_answered_with_a_fault(engine: &Engine) {
    // mov ecx, 0x12345; rdmsr
    let machine = with_apic(engine, &[0x66, 0xB9, 0x45, 0x23, 0x01, 0x00, 0x0F, 0x32]);
    real_gate(&machine, 13, 0x6000, &[0xE6, 0x0D]);
    let context = machine.run_to(0, WHvRunVpExitReasonX64MsrAccess);
    assert_eq!(context.MsrAccess().MsrNumber, 0x1_2345);
    machine.set(0, &[(WHvRegisterPendingEvent, exception(13, None, 0))]);
    assert_eq!(run_to_output(&machine, 0).0, 0x0D);
    assert_eq!(machine.memory.read(0x7FFA, 2), [6, 0x10], "it returns to the instruction");
}
