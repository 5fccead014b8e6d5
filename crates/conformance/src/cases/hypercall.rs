//! Hypercalls: those the engine answers, and the three kinds of exits.

use std::ptr::null_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::synthetic::*;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::event::Event;

cases! { "hypercall":
    the_call_page_calls_and_returns from "interrupts-and-notifications.md 3.5",
    stores_to_the_call_page_fault from "interrupts-and-notifications.md 3.5",
    calls_nobody_answers_exit_when_asked_for from "exits.md 2.14, Q46",
    calls_nobody_answers_fail_otherwise from "interrupts-and-notifications.md 3.5",
    calls_before_the_identity_are_undefined from "exits.md 2.14",
    an_unknown_connection_exits_or_fails from "interrupts-and-notifications.md 5",
    a_signal_sets_the_event_of_its_port from "interrupts-and-notifications.md 5",
    retargeting_an_unknown_device_exits_or_fails from "interrupts-and-notifications.md 7.5",
    an_ipi_reaches_its_processors from "interrupts-and-notifications.md 3.5",
    a_flush_drops_translations_of_every_processor from "interrupts-and-notifications.md 3.5",
    processors_that_flush_each_other_do_not_wait_for_ever from "interrupts-and-notifications.md 3.5",
    registers_of_the_caller_are_readable_by_call from "interrupts-and-notifications.md 3.5",
    malformed_calls_have_their_status from "interrupts-and-notifications.md 3.5",
    answered_calls_are_counted from "interrupts-and-notifications.md 10",
}

/// Register-based call.
const FAST: u64 = 1 << 16;

fn calling(engine: &Engine, control: u64, input: u64, output: u64, exits: u64) -> Machine {
    let code = Code::default().establish_calls().hypercall(control, input, output).out();
    configured(engine, USUAL | 1 << 38, code, |machine| {
        machine.configure(WHvPartitionPropertyCodeExtendedVmExits, &exits);
    })
}

/// The result of a call that is answered inside.
fn result_of(engine: &Engine, control: u64, input: u64, output: u64) -> u64 {
    let machine = calling(engine, control, input, output, 0);
    run(&machine);
    machine.get64(0, WHvX64RegisterRdx) << 32 | machine.get64(0, WHvX64RegisterRax) & 0xFFFF_FFFF
}

const HYPERCALL: u64 = 1 << 5;
const UNKNOWN_CONNECTION: u64 = 1 << 10;
const UNKNOWN_DEVICE: u64 = 1 << 11;

fn the_call_page_calls_and_returns(engine: &Engine) {
    assert_eq!(result_of(engine, FAST | 8, 5, 0), 0);
}

fn stores_to_the_call_page_fault(engine: &Engine) {
    let code = Code::default().establish_calls().store(CALL_PAGE, 0);
    let machine = configured(engine, USUAL, code, |machine| {
        machine.enable_exits(|exits| exits.set_ExceptionExit(1));
        machine.configure(WHvPartitionPropertyCodeExceptionExitBitmap, &(1_u64 << 13));
    });
    let context = machine.run_to(0, WHvRunVpExitReasonException);
    assert_eq!(context.VpException().ExceptionType, 13);
}

fn calls_nobody_answers_exit_when_asked_for(engine: &Engine) {
    for code in [0x5C, 0x99] {
        let machine = calling(engine, FAST | code, 0x1234, 0x5678, HYPERCALL);
        let context = machine.run_to(0, WHvRunVpExitReasonHypercall);
        assert_eq!(context.VpContext().Rip(), CALL_PAGE);
        assert_eq!(context.VpContext().InstructionLength(), 3);
        assert_eq!((context.Hypercall().Rax, context.Hypercall().Rcx), (FAST | code, 0x1234));
        // The client completes it.
        machine.set64(0, WHvX64RegisterRax, 0x42);
        machine.set64(0, WHvX64RegisterRip, CALL_PAGE + 3);
        run(&machine);
        assert_eq!(machine.get64(0, WHvX64RegisterRax), 0x42);
    }
    let answered = calling(engine, FAST | 8, 0, 0, HYPERCALL);
    run(&answered);
}

fn calls_nobody_answers_fail_otherwise(engine: &Engine) {
    assert_eq!(result_of(engine, FAST | 0x99, 0, 0), 2);
    assert_eq!(result_of(engine, FAST | 0x5C, 0, 0), 6);
    let code = Code::default().establish_calls().hypercall(FAST | 8, 0, 0).out();
    let without = machine(engine, USUAL & !(1 << 27), code);
    run(&without);
    assert_eq!(without.get64(0, WHvX64RegisterRax), 6, "the privilege is missing");
}

fn calls_before_the_identity_are_undefined(engine: &Engine) {
    let amd = engine.capability(WHvCapabilityCodeProcessorVendor)[0] as u32 != 1;
    let call = || Code(vec![0x0F, 0x01, if amd { 0xD9 } else { 0xC1 }]);
    let machine = configured(engine, USUAL, call(), |machine| {
        machine.enable_exits(|exits| exits.set_ExceptionExit(1));
        machine.configure(WHvPartitionPropertyCodeExceptionExitBitmap, &(1_u64 << 6));
    });
    machine.run_to(0, WHvRunVpExitReasonException);
    let machine = configured(engine, USUAL, call(), |machine| {
        machine.enable_exits(|exits| exits.set_HypercallExit(1));
    });
    machine.run_to(0, WHvRunVpExitReasonHypercall);
}

fn an_unknown_connection_exits_or_fails(engine: &Engine) {
    assert_eq!(result_of(engine, FAST | 0x5D, 77, 0), 0x12);
    let machine = calling(engine, FAST | 0x5D, 77, 0, HYPERCALL);
    run(&machine);
    let machine = calling(engine, FAST | 0x5D, 77, 0, UNKNOWN_CONNECTION);
    let context = machine.run_to(0, WHvRunVpExitReasonHypercall);
    assert_eq!(context.Hypercall().Rcx, 77);
}

fn a_signal_sets_the_event_of_its_port(engine: &Engine) {
    let machine = calling(engine, FAST | 0x5D, 77, 0, UNKNOWN_CONNECTION);
    let event = Event::new();
    let mut parameters = WHV_NOTIFICATION_PORT_PARAMETERS::default();
    parameters.set_NotificationPortType(WHvNotificationPortTypeEvent);
    parameters.set_Event_ConnectionId(77);
    let mut port = null_mut();
    let created = call!(
        engine.api,
        WHvCreateNotificationPort(machine.partition, &raw const parameters, event.handle(), &raw mut port)
    );
    assert_eq!(created, S_OK);
    run(&machine);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0);
    assert!(event.take());
}

fn retargeting_an_unknown_device_exits_or_fails(engine: &Engine) {
    let prepare = |exits| {
        let machine = calling(engine, 0x7E, 0xA000, 0, exits);
        for (at, value) in [(0, u64::MAX), (8, 5), (16, 1), (24, 1), (40, 0x55), (48, 1)] {
            machine.memory.write_u64(0xA000 + at, value);
        }
        machine
    };
    let machine = prepare(0);
    run(&machine);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0x57);
    prepare(UNKNOWN_DEVICE).run_to(0, WHvRunVpExitReasonHypercall);
}

fn an_ipi_reaches_its_processors(engine: &Engine) {
    let code = Code::default().enable_apic().establish_calls().hypercall(FAST | 0xB, 0x50, 1).sti_nop();
    let machine = machine(engine, USUAL, code);
    run_to_handler(&machine);
    assert_eq!(result_of(engine, FAST | 0xB, 0x0F, 1), 5, "vectors start at 16");
}

/// Page tables at 0x10000: the first 4 MiB one to one; the entry of 0x30000 is at 0x11000 + 0x30 * 4.
fn enable_paging(machine: &Machine, vp: u32) {
    for page in 0..1024_u32 {
        machine.memory.write(0x11000 + u64::from(page) * 4, &(page << 12 | 3).to_le_bytes());
    }
    machine.memory.write(0x10000, &0x11003_u32.to_le_bytes());
    machine.set64(vp, WHvX64RegisterCr3, 0x10000);
    machine.set64(vp, WHvX64RegisterCr0, 0x8000_0011);
}

fn a_flush_drops_translations_of_every_processor(engine: &Engine) {
    // Input of the flush at 0xA000: everything, everywhere.
    let flush = |code: Code| code.hypercall(2, 0xA000, 0);
    // Read through the page, exchange its entry, flush, read again.
    let code = flush(
        Code::default()
            .establish_calls()
            .store(0x11000 + 0x30 * 4, 0x3_0003)
            .out()
            .store(0x11000 + 0x30 * 4, 0x3_1003),
    )
    .out();
    let machine = configured(engine, USUAL, code, |_| ());
    enable_paging(&machine, 0);
    machine.memory.write_u64(0xA008, 1);
    machine.memory.write_u64(0x30000, 0x11);
    machine.memory.write_u64(0x31000, 0x22);
    run(&machine);
    run(&machine);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0, "success");
    // mov eax, [0x30000]; out
    machine.memory.write(0xB000, &[0xA1, 0, 0, 3, 0, 0xE7, 0x80]);
    machine.set64(0, WHvX64RegisterRip, 0xB000);
    run(&machine);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0x22);
}

fn processors_that_flush_each_other_do_not_wait_for_ever(engine: &Engine) {
    let machine = Machine::set_up(engine, 2, |machine| {
        machine.use_apic(WHvX64LocalApicEmulationModeXApic);
        offer(machine, USUAL);
    });
    machine.map_all();
    // A flush of everything on both, 2000 times, then the port.
    let mut code = Code::default().establish_calls().0;
    code.extend([0xBD, 0xD0, 0x07, 0, 0]); // mov ebp, 2000
    let start = code.len();
    let code = Code(code).hypercall(2, 0xA000, 0).0;
    let mut code = code;
    code.push(0x4D); // dec ebp
    let back = start as i32 - (code.len() as i32 + 2);
    code.extend([0x75, back as u8]); // jnz start
    code.extend([0xE7, 0x80]);
    machine.memory.write(crate::machine::CODE, &code);
    machine.memory.write_u64(0xA008, 1);
    let data = crate::machine::flat_segment(0x10, 0, 0xFFFF_FFFF, 0xC093);
    for vp in 0..2 {
        machine.create_vp(vp);
        machine.set(
            vp,
            &[
                (WHvX64RegisterCr0, crate::machine::word(0x11)),
                (WHvX64RegisterCs, crate::machine::flat_segment(8, 0, 0xFFFF_FFFF, 0xC09B)),
                (WHvX64RegisterDs, data),
                (WHvX64RegisterEs, data),
                (WHvX64RegisterSs, data),
            ],
        );
        machine.set64(vp, WHvX64RegisterRip, crate::machine::CODE);
        machine.set64(vp, WHvX64RegisterRsp, 0x8000 - u64::from(vp) * 0x800);
        machine.set64(vp, WHvRegisterInternalActivityState, 0);
    }
    std::thread::scope(|scope| {
        for vp in 0..2 {
            let machine = &machine;
            scope.spawn(move || machine.run_to(vp, WHvRunVpExitReasonX64IoPortAccess));
        }
    });
}

fn registers_of_the_caller_are_readable_by_call(engine: &Engine) {
    let machine = calling(engine, 2 << 32 | 0x50, 0xA000, 0xB000, 0);
    machine.memory.write_u64(0xA000, u64::MAX);
    machine.memory.write_u64(0xA008, 0xFFFF_FFFE);
    machine.memory.write_u64(0xA010, 0x9_0003 | 0x9_0002 << 32);
    machine.memory.write_u64(0xB000, u64::MAX);
    run(&machine);
    assert_eq!(machine.get64(0, WHvX64RegisterRdx), 2, "both done");
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0);
    assert_eq!(word_at(&machine, 0xB000), 0, "the index");
    assert_eq!(word_at(&machine, 0xB010), 1 << 48, "the identity");
}

fn malformed_calls_have_their_status(engine: &Engine) {
    assert_eq!(result_of(engine, FAST | 8 | 1 << 32, 0, 0), 3, "a list for a simple call");
    assert_eq!(result_of(engine, FAST | 8 | 1 << 27, 0, 0), 3, "a reserved bit");
    assert_eq!(result_of(engine, 2, 0xA004, 0), 4, "not aligned");
    assert_eq!(result_of(engine, 2, 0xAFF8, 0), 4, "over two pages");
    assert_eq!(result_of(engine, 2, 0x80_0000, 0), 4, "no memory");
}

fn answered_calls_are_counted(engine: &Engine) {
    let code = Code::default()
        .establish_calls()
        .hypercall(FAST | 8, 0, 0)
        .hypercall(FAST | 8, 0, 0)
        .hypercall(2, 0xA000, 0)
        .hypercall(FAST | 0x5D, 1, 0)
        .hypercall(FAST | 0xB, 0x50, 1)
        .hypercall(FAST | 0x99, 0, 0)
        .out();
    let machine = machine(engine, USUAL, code);
    machine.memory.write_u64(0xA008, 1);
    run(&machine);
    let mut counters = WHV_PROCESSOR_SYNTHETIC_FEATURES_COUNTERS::default();
    let (start, size) = ((&raw mut counters).cast(), 48);
    let set = WHvProcessorCounterSetSyntheticFeatures;
    let result =
        call!(engine.api, WHvGetVirtualProcessorCounters(machine.partition, 0, set, start, size, null_mut()));
    assert_eq!(result, S_OK);
    let seen = (
        counters.LongSpinWaitHypercallsCount,
        counters.VirtualMmuHypercallsCount,
        counters.SyntheticInterruptHypercallsCount,
        counters.VirtualInterruptHypercallsCount,
        counters.OtherHypercallsCount,
    );
    assert_eq!(seen, (2, 1, 1, 1, 1));
}
