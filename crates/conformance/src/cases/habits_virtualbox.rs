//! A PC emulator that brings its own APIC: it emulates halts, ports and memory-mapped devices by itself and injects
//! what its own interrupt controllers deliver.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::habits::*;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::CODE;
use crate::machine::MEMORY;
use crate::machine::PAGE;
use crate::machine::RWX;
use crate::machine::word;
use crate::running::until;

cases! { "habits of VirtualBox":
    features_are_set_to_what_the_capability_says from "clients.md 2 VirtualBox, functions.md 1.7",
    unknown_capabilities_are_probed from "functions.md 1.1",
    one_call_gets_128_registers_with_duplicates from "clients.md 3 VirtualBox, functions.md 3.5",
    stopped_processors_can_be_poked from "clients.md 3 VirtualBox, functions.md 3.4",
    unused_processors_are_deleted from "functions.md 3.2",
    windows_are_armed_again_at_every_run from "clients.md 3 VirtualBox, exits.md 5.4",
    a_hypercall_instruction_is_found_in_the_bytes_of_its_fault from "exits.md 2.11",
    an_access_during_delivery_is_completed_by_the_client from "exits.md 2.3",
    pages_change_their_rights_by_unmapping_and_mapping from "memory.md 1.3",
    time_stamps_are_set_one_processor_after_another from "state.md 2.1",
    video_memory_is_asked_for_changes_while_the_guest_draws from "memory.md 2" covers [Item::Ability("Q29")],
    a_whole_run_with_devices_and_interrupts from "clients.md 4 VirtualBox",
}

use crate::Item;

/// Set up as that client does: no APIC, exits for CPUID, MSRs and three exceptions.
fn machine(engine: &Engine, code: &[u8], processors: u32) -> Machine {
    let machine = Machine::created(engine);
    configure(&machine, WHvPartitionPropertyCodeProcessorCount, &processors);
    let wanted = exits(engine, |exits| {
        exits.set_X64CpuidExit(1);
        exits.set_X64MsrExit(1);
        exits.set_ExceptionExit(1);
    });
    configure(&machine, WHvPartitionPropertyCodeExtendedVmExits, &wanted);
    configure(&machine, WHvPartitionPropertyCodeExceptionExitBitmap, &(1_u64 << 1 | 1 << 3 | 1 << 6));
    let features = engine.capability(WHvCapabilityCodeProcessorFeatures)[0];
    configure(&machine, WHvPartitionPropertyCodeProcessorFeatures, &features);
    let line = engine.capability(WHvCapabilityCodeProcessorClFlushSize)[0] as u8;
    configure(&machine, WHvPartitionPropertyCodeProcessorClFlushSize, &line);
    assert_eq!(call!(engine.api, WHvSetupPartition(machine.partition)), S_OK);
    machine.map_all();
    machine.memory.write(CODE, code);
    for vp in 0..processors {
        machine.create_vp(vp);
        machine.enter_real_mode(vp);
    }
    machine
}

fn features_are_set_to_what_the_capability_says(engine: &Engine) {
    let machine = machine(engine, &[0xF4], 1);
    let features = engine.capability(WHvCapabilityCodeProcessorFeatures)[0];
    assert_eq!(machine.property::<u64>(WHvPartitionPropertyCodeProcessorFeatures), features);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn unknown_capabilities_are_probed(engine: &Engine) {
    let ranges = [0x0..0x10, 0x1000..0x1010, 0x2000..0x2010, 0x3000..0x3010, 0x4000..0x4010];
    let mut known = 0;
    for code in ranges.into_iter().flatten() {
        let mut buffer = [0xAA_u8; 64];
        let mut written = 0;
        let start = buffer.as_mut_ptr().cast();
        let number = WHV_CAPABILITY_CODE(code);
        let result = call!(engine.api, WHvGetCapability(number, start, 64, &raw mut written));
        if result == S_OK {
            assert!((1..=64).contains(&written), "{code:#x}");
            assert!(buffer[written as usize..].iter().all(|byte| *byte == 0xAA), "{code:#x}");
            known += 1;
        } else {
            assert_eq!(result, WHV_E_UNKNOWN_CAPABILITY, "{code:#x}");
        }
    }
    assert!(known >= 17, "{known}");
}

fn one_call_gets_128_registers_with_duplicates(engine: &Engine) {
    let machine = machine(engine, &[0xF4], 1);
    let some = [WHvX64RegisterRip, WHvX64RegisterRax, WHvX64RegisterCs, WHvX64RegisterCr0, WHvX64RegisterRip];
    let names: Vec<_> = some.into_iter().cycle().take(128).collect();
    let values = machine.try_get(0, &names).expect("128 registers");
    for (name, value) in names.iter().zip(&values) {
        assert_eq!(*value, machine.get(0, *name), "{name:?}");
    }
}

fn stopped_processors_can_be_poked(engine: &Engine) {
    let machine = machine(engine, &[0xF4], 2);
    for _ in 0..3 {
        machine.cancel(1);
    }
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    machine.run_to(1, WHvRunVpExitReasonCanceled);
    machine.run_to(1, WHvRunVpExitReasonX64Halt);
}

fn unused_processors_are_deleted(engine: &Engine) {
    let machine = machine(engine, &[0xF4], 4);
    for vp in (0..4).rev() {
        assert_eq!(call!(engine.api, WHvDeleteVirtualProcessor(machine.partition, vp)), S_OK);
    }
    assert_eq!(call!(engine.api, WHvUnmapGpaRange(machine.partition, 0, MEMORY)), S_OK);
}

fn windows_are_armed_again_at_every_run(engine: &Engine) {
    // out 0x80, al; out 0x80, al; sti; nop; nop; hlt
    let machine = machine(engine, &[0xE6, 0x80, 0xE6, 0x80, 0xFB, 0x90, 0x90, 0xF4], 1);
    let armed = 2 | (0x31 >> 4) << 2; // for vector 0x31
    for _ in 0..2 {
        machine.set64(0, WHvX64RegisterDeliverabilityNotifications, armed);
        run_to_output(&machine, 0);
    }
    machine.set64(0, WHvX64RegisterDeliverabilityNotifications, armed);
    let context = machine.run_to(0, WHvRunVpExitReasonX64InterruptWindow);
    assert_eq!(context.VpContext().Rip(), CODE + 6);
    real_gate(&machine, 0x31, 0x6000, &[0xF4]);
    machine.set(0, &[(WHvRegisterPendingInterruption, interruption(WHvX64PendingInterrupt, 0x31))]);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), 0x6001);
}

fn a_hypercall_instruction_is_found_in_the_bytes_of_its_fault(engine: &Engine) {
    for code in [[0x0F, 0x01, 0xC1, 0xF4], [0x0F, 0x01, 0xD9, 0xF4]] {
        let machine = machine(engine, &code, 1);
        let context = machine.run_to(0, WHvRunVpExitReasonException);
        let exception = context.VpException();
        assert_eq!((exception.ExceptionType, context.VpContext().Rip()), (6, CODE));
        assert_eq!(exception.InstructionBytes[..3], code[..3]);
        machine.set64(0, WHvX64RegisterRip, CODE + 3);
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
    }
}

fn an_access_during_delivery_is_completed_by_the_client(engine: &Engine) {
    let machine = machine(engine, &[0xCD, 0x40], 1); // int 0x40
    real_gate(&machine, 0x40, 0x6000, &[0xF4]);
    assert_eq!(call!(engine.api, WHvUnmapGpaRange(machine.partition, 0x7000, PAGE)), S_OK);
    let context = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    assert_eq!(context.VpContext().ExecutionState().InterruptionPending(), 1);
    assert_eq!(context.MemoryAccess().Gpa & !0xFFF, 0x7000);
    // The client pushes flags, CS and IP by its own means, jumps, and takes the event back.
    machine.set64(0, WHvRegisterPendingInterruption, 0);
    machine.set(0, &[(WHvX64RegisterRip, word(0x6000)), (WHvX64RegisterRsp, word(0x7FFA))]);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), 0x6001);
}

fn pages_change_their_rights_by_unmapping_and_mapping(engine: &Engine) {
    let code = [0xC6, 0x06, 0x00, 0x50, 0x01, 0xF4]; // mov byte [0x5000], 1; hlt
    let machine = machine(engine, &code, 1);
    for _ in 0..20 {
        assert_eq!(call!(engine.api, WHvUnmapGpaRange(machine.partition, 0x5000, PAGE)), S_OK);
        assert_eq!(machine.map(0x5000, 0x5000, PAGE, WHV_MAP_GPA_RANGE_FLAGS(5)), S_OK);
        machine.enter_real_mode(0);
        let context = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
        assert_eq!(context.MemoryAccess().AccessInfo.GpaUnmapped(), 0);
        assert_eq!(call!(engine.api, WHvUnmapGpaRange(machine.partition, 0x5000, PAGE)), S_OK);
        assert_eq!(machine.map(0x5000, 0x5000, PAGE, RWX), S_OK);
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
    }
}

fn time_stamps_are_set_one_processor_after_another(engine: &Engine) {
    let machine = machine(engine, &[0xF4], 3);
    for vp in 0..3 {
        machine.set64(vp, WHvX64RegisterTsc, 1 << 45);
    }
    let values: Vec<_> = (0..3).map(|vp| machine.get64(vp, WHvX64RegisterTsc)).collect();
    assert!(values.iter().all(|value| (1 << 45..1 << 46).contains(value)), "{values:?}");
}

fn video_memory_is_asked_for_changes_while_the_guest_draws(engine: &Engine) {
    // L: mov [bx], al; add bx, 0x1000; and bx, 0x3FFF; or bx, 0x8000; jmp L
    let code = [0x88, 0x07, 0x81, 0xC3, 0, 0x10, 0x81, 0xE3, 0xFF, 0x3F, 0x81, 0xCB, 0, 0x80, 0xEB, 0xF0];
    let machine = machine(engine, &code, 1);
    assert_eq!(machine.map(0x8000, 0x8000, 4 * PAGE, WHV_MAP_GPA_RANGE_FLAGS(0xB)), S_OK);
    let query = || {
        let mut bitmap = u64::MAX;
        let result = call!(
            engine.api,
            WHvQueryGpaRangeDirtyBitmap(machine.partition, 0x8000, 4 * PAGE, &raw mut bitmap, 8)
        );
        assert_eq!(result, S_OK);
        bitmap
    };
    let mut seen = Vec::new();
    let context = machine.while_running(0, || {
        until("every page is drawn to", || {
            seen.push(query());
            seen.len() >= 50 && seen.iter().fold(0, |all, bits| all | bits) == 0xF
        });
        machine.cancel(0);
    });
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
    seen.push(query());
    assert_eq!(seen.iter().fold(0, |all, bits| all | bits), 0xF);
    assert_eq!(query(), 0, "nothing is drawn any more");
}

/// A loop as that client's: ports, CPUID and halts are answered, and a timer interrupt is injected when it may be.
fn a_whole_run_with_devices_and_interrupts(engine: &Engine) {
    let code = [
        0x31, 0xC0, 0x0F, 0xA2, // xor ax, ax; cpuid
        0x88, 0xD8, 0xE6, 0x61, // mov al, bl; out 0x61, al
        0xFB, // sti
        0xF4, // L: hlt
        0x80, 0x3E, 0x00, 0x30, 0x03, // cmp byte [0x3000], 3
        0x72, 0xF8, // jb L
        0xB0, 0xFE, 0xE6, 0x64, // mov al, 0xFE; out 0x64, al
    ];
    let machine = machine(engine, &code, 1);
    real_gate(&machine, 8, 0x6000, &[0xFE, 0x06, 0x00, 0x30, 0xCF]); // inc byte [0x3000]; iret
    let mut output = Vec::new();
    for _ in 0..100 {
        let context = machine.try_run(0).expect("the processor runs");
        match context.ExitReason() {
            WHvRunVpExitReasonX64Cpuid => {
                machine.set64(0, WHvX64RegisterRbx, u64::from(b'V'));
                skip_instruction(&machine, 0, &context);
            }
            WHvRunVpExitReasonX64IoPortAccess => {
                let access = context.IoPortAccess();
                output.push((access.PortNumber, access.Rax as u8));
                if access.PortNumber == 0x64 {
                    break;
                }
                skip_instruction(&machine, 0, &context);
            }
            WHvRunVpExitReasonX64Halt => {
                assert_ne!(context.VpContext().Rflags() & 0x200, 0, "interrupts are on");
                let state = machine.get(0, WHvRegisterInterruptState).InterruptState();
                assert_eq!(state.InterruptShadow(), 0, "the halt consumed the shadow");
                machine.set(0, &[(WHvRegisterPendingInterruption, interruption(WHvX64PendingInterrupt, 8))]);
            }
            _ => panic!("{context:?}"),
        }
    }
    assert_eq!(output, [(0x61, b'V'), (0x64, 0xFE)]);
    assert_eq!(machine.memory.read(0x3000, 1), [3]);
}
