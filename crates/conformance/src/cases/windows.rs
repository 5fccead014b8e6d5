//! Injected events and windows: what waits, what comes first, what is left.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::habits::apic_page;
use super::habits::apic_word;
use super::habits::change_apic;
use super::habits::exception;
use super::habits::external;
use super::habits::gate;
use super::habits::interruption;
use super::habits::long_mode;
use super::habits::real_gate;
use super::habits::run_to_output;
use crate::Engine;
use crate::Machine;
use crate::machine::CODE;
use crate::machine::word;

cases! { "windows":
    events_do_not_wake_a_halted_processor from "exits.md 2.9",
    an_idle_processor_wakes_with_interrupts_off from "exits.md 2.9, state.md 5",
    an_interrupt_wakes_to_the_events_that_wait from "exits.md 2.9, 5.1",
    an_interrupt_written_before_the_halt_ends_it from "exits.md 2.9, Q41",
    a_halt_comes_out_before_a_window from "exits.md 2.9, 5.4",
    a_single_step_ends_a_halt from "exits.md 2.9, 5.6",
    a_parked_processor_has_a_window from "exits.md 5.4",
    a_window_comes_before_interrupts from "exits.md 5.1",
    an_injected_interrupt_comes_before_a_window from "exits.md 5.1, 5.3",
    a_window_that_fires_disarms_both from "exits.md 5.4",
    a_window_is_kept_by_cancels_and_init from "exits.md 5.4",
    a_window_waits_for_a_lower_task_priority from "exits.md 5.4",
    an_nmi_window_opens_with_iret from "exits.md 5.4, 5.5",
    the_shadow_of_the_client_holds_everything_for_one_instruction from "exits.md 5.5",
    the_nmi_mask_of_the_client_holds_nmis from "exits.md 5.5",
    undeliverable_interruptions_fail_the_run from "exits.md 5.2, Q38",
    error_codes_are_pushed_where_there_are_some from "exits.md 5.2",
    interruptions_are_read_back_until_delivered from "exits.md 5.2, 5.3",
    two_events_are_delivered_in_their_order from "exits.md 5.3",
    page_faults_and_debug_exceptions_bring_their_parameter from "exits.md 5.3",
    external_interrupts_of_every_vector from "exits.md 5.3",
    without_an_apic_an_external_interrupt_is_invalid_until_taken_back from "exits.md 2.5, 5.3",
    pending_debug_causes_become_an_exception from "exits.md 5.6",
    nested_events_are_refused from "exits.md 5.3",
}

const IF: u64 = 0x202;
const NMI: WHV_X64_PENDING_INTERRUPTION_TYPE = WHvX64PendingNmi;
const INTERRUPT: WHV_X64_PENDING_INTERRUPTION_TYPE = WHvX64PendingInterrupt;
const NOTIFICATIONS: WHV_REGISTER_NAME = WHvX64RegisterDeliverabilityNotifications;

/// One processor in real mode with an enabled xAPIC; vector n writes n to port n and returns.
fn with_apic(engine: &Engine, code: &[u8]) -> Machine {
    let machine =
        Machine::real_mode(engine, code, |machine| machine.use_apic(WHvX64LocalApicEmulationModeXApic));
    change_apic(&machine, 0, &[(0xF0, 0x1FF)]);
    handlers(&machine);
    machine
}

fn without_apic(engine: &Engine, code: &[u8]) -> Machine {
    let machine = Machine::real_mode(engine, code, |_| ());
    handlers(&machine);
    machine
}

fn handlers(machine: &Machine) {
    for vector in [1, 2, 6, 0x20, 0x41] {
        real_gate(machine, vector, 0x6000 + u16::from(vector) * 16, &[0xE6, vector, 0xCF]); // out n, al; iret
    }
}

fn arm(machine: &Machine, bits: u64) {
    machine.set64(0, NOTIFICATIONS, bits);
}

fn activity(machine: &Machine) -> u64 {
    machine.get64(0, WHvRegisterInternalActivityState)
}

fn run_to_window(machine: &Machine) -> (WHV_X64_PENDING_INTERRUPTION_TYPE, u64) {
    let context = machine.run_to(0, WHvRunVpExitReasonX64InterruptWindow);
    assert_eq!(context.VpContext().InstructionLength(), 0);
    (context.InterruptWindow().DeliverableType, context.VpContext().Rip())
}

fn cancelled(machine: &Machine) {
    machine.cancel(0);
    machine.run_to(0, WHvRunVpExitReasonCanceled);
}

/// The address an event returns to, from the stack in real mode.
fn return_address(machine: &Machine, depth: u64) -> u64 {
    let bytes = machine.memory.read(0x8000 - 6 * depth, 2);
    u64::from(u16::from_le_bytes([bytes[0], bytes[1]]))
}

/// A processor that has parked in HLT with interrupts on; `out 0x80, al` follows.
fn halted(engine: &Engine) -> Machine {
    let machine = with_apic(engine, &[0xF4, 0xE6, 0x80]);
    machine.set64(0, WHvX64RegisterRflags, IF);
    machine.while_parked(0, || machine.cancel(0));
    assert_eq!(activity(&machine), 2);
    machine
}

fn events_do_not_wake_a_halted_processor(engine: &Engine) {
    let events = [
        (WHvRegisterPendingEvent, external(0x20), 0x20),
        (WHvRegisterPendingEvent, exception(6, None, 0), 6),
        (WHvRegisterPendingInterruption, interruption(INTERRUPT, 0x20), 0x20),
        (WHvRegisterPendingInterruption, interruption(NMI, 2), 2),
    ];
    for (name, value, port) in events {
        let machine = halted(engine);
        machine.set(0, &[(name, value)]);
        let context = machine.while_parked(0, || machine.cancel(0));
        assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled, "{port}");
        assert_eq!((activity(&machine), machine.get(0, name)), (2, value), "it waits");
        machine.set64(0, WHvRegisterInternalActivityState, 0);
        assert_eq!(run_to_output(&machine, 0).0, port);
        assert_eq!(return_address(&machine, 1), CODE + 1);
        assert_eq!(machine.get(0, name), WHV_REGISTER_VALUE::default());
        assert_eq!(run_to_output(&machine, 0).0, 0x80);
    }
}

fn an_idle_processor_wakes_with_interrupts_off(engine: &Engine) {
    let machine = with_apic(engine, &[0xE6, 0x80]);
    for bits in [4, 6] {
        machine.set64(0, WHvRegisterInternalActivityState, bits);
        machine.set(0, &[(WHvRegisterPendingEvent, exception(6, None, 0))]);
        machine.while_parked(0, || machine.cancel(0));
        assert_eq!(machine.get64(0, WHvRegisterInternalActivityState) & 4, 4, "an event does not wake it");
        machine.set64(0, WHvRegisterPendingEvent, 0);
        assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, 0x41), S_OK);
        assert_eq!(run_to_output(&machine, 0).0, 0x80, "the interrupt is not taken");
        assert_eq!(activity(&machine), 0);
        machine.set64(0, WHvX64RegisterRip, CODE);
        change_apic(&machine, 0, &[(0x220, 0)]);
    }
}

fn an_interrupt_wakes_to_the_events_that_wait(engine: &Engine) {
    let events = [
        (WHvRegisterPendingEvent, external(0x20), 0x20),
        (WHvRegisterPendingEvent, exception(6, None, 0), 6),
        (WHvRegisterPendingInterruption, interruption(INTERRUPT, 0x20), 0x20),
    ];
    for (name, value, port) in events {
        let machine = halted(engine);
        machine.set(0, &[(name, value)]);
        assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, 0x41), S_OK);
        let mut ports = [run_to_output(&machine, 0).0, run_to_output(&machine, 0).0];
        ports.sort_unstable();
        assert_eq!((ports, run_to_output(&machine, 0).0), ([port.min(0x41), 0x41], 0x80));
    }
}

fn an_interrupt_written_before_the_halt_ends_it(engine: &Engine) {
    let machine = with_apic(engine, &[0x90, 0xFB, 0xF4, 0xE6, 0x80]); // nop; sti; hlt; out 0x80, al
    machine.set(0, &[(WHvRegisterPendingEvent, external(0x20))]);
    assert_eq!(run_to_output(&machine, 0).0, 0x20);
    assert_eq!(return_address(&machine, 1), CODE + 3);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
}

fn a_halt_comes_out_before_a_window(engine: &Engine) {
    let machine = without_apic(engine, &[0xFB, 0xF4, 0xE6, 0x80]); // sti; hlt; out 0x80, al
    arm(&machine, 2);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), CODE + 2);
    assert_eq!(activity(&machine), 0);
    assert_eq!(run_to_window(&machine), (INTERRUPT, CODE + 2));
    machine.set(0, &[(WHvRegisterPendingInterruption, interruption(INTERRUPT, 0x20))]);
    assert_eq!(run_to_output(&machine, 0).0, 0x20);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
}

fn a_single_step_ends_a_halt(engine: &Engine) {
    let machine = with_apic(engine, &[0xF4, 0xE6, 0x80]);
    machine.set64(0, WHvX64RegisterRflags, 0x102);
    assert_eq!(run_to_output(&machine, 0).0, 1);
    assert_eq!((return_address(&machine, 1), activity(&machine)), (CODE + 1, 0));
    let plain = without_apic(engine, &[0xF4, 0xE6, 0x80]);
    plain.set64(0, WHvX64RegisterRflags, 0x102);
    assert_eq!(plain.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), CODE + 1);
    assert_eq!(plain.get64(0, WHvX64RegisterPendingDebugException), 1 << 4);
    assert_eq!(run_to_output(&plain, 0).0, 1);
    assert_eq!(return_address(&plain, 1), CODE + 1);
}

fn a_parked_processor_has_a_window(engine: &Engine) {
    let machine = halted(engine);
    arm(&machine, 2);
    assert_eq!(run_to_window(&machine), (INTERRUPT, CODE + 1));
    assert_eq!(activity(&machine), 2, "still halted");
    arm(&machine, 1);
    assert_eq!(run_to_window(&machine), (NMI, CODE + 1));
    machine.set64(0, WHvX64RegisterRflags, 2);
    arm(&machine, 2);
    machine.while_parked(0, || machine.cancel(0));
    assert_eq!(machine.get64(0, NOTIFICATIONS), 2, "interrupts are off");
    machine.set(0, &[(WHvX64RegisterRflags, word(IF)), (WHvRegisterInterruptState, word(1))]);
    assert_eq!(run_to_window(&machine), (INTERRUPT, CODE + 1), "HLT was the instruction of the shadow");
    assert_eq!(activity(&machine), 2);
}

fn a_window_comes_before_interrupts(engine: &Engine) {
    let machine = with_apic(engine, &[0x90, 0xE6, 0x80]);
    machine.set64(0, WHvX64RegisterRflags, IF);
    assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, 0x41), S_OK);
    assert_eq!(machine.request(WHvX64InterruptTypeNmi, 0, 0), S_OK);
    arm(&machine, 2);
    assert_eq!(run_to_window(&machine), (INTERRUPT, CODE));
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x200), 4);
    machine.set(0, &[(WHvRegisterPendingEvent, external(0x20))]);
    let ports: Vec<_> = (0..4).map(|_| run_to_output(&machine, 0).0).collect();
    assert_eq!(ports, [2, 0x20, 0x41, 0x80], "the NMI interrupts the first instruction of the handler");
}

fn an_injected_interrupt_comes_before_a_window(engine: &Engine) {
    let machine = with_apic(engine, &[0xE6, 0x80]);
    machine.set(0, &[(WHvX64RegisterRflags, word(IF)), (WHvRegisterPendingEvent, external(0x20))]);
    arm(&machine, 2);
    assert_eq!(run_to_output(&machine, 0).0, 0x20);
    assert_eq!(machine.get64(0, NOTIFICATIONS), 2, "interrupts were off in the handler");
    assert_eq!(run_to_window(&machine), (INTERRUPT, CODE), "with its return");
    for value in [interruption(INTERRUPT, 0x20), interruption(NMI, 2)] {
        machine.set(0, &[(WHvRegisterPendingInterruption, value)]);
        arm(&machine, 2);
        assert_ne!(run_to_output(&machine, 0).0, 0x80);
        assert_eq!(run_to_window(&machine), (INTERRUPT, CODE));
    }
}

fn a_window_that_fires_disarms_both(engine: &Engine) {
    let machine = without_apic(engine, &[0xE6, 0x80, 0xE6, 0x81]);
    machine.set64(0, WHvX64RegisterRflags, IF);
    arm(&machine, 3 | 2 << 2);
    assert_eq!(machine.get64(0, NOTIFICATIONS), 3 | 2 << 2);
    run_to_window(&machine);
    assert_eq!(machine.get64(0, NOTIFICATIONS), 0);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
    // Only the bits of windows, and only known ones.
    assert_eq!(machine.try_set(0, &[(NOTIFICATIONS, word(1 << 6))]), ERROR_HV_INVALID_PARAMETER);
    arm(&machine, 2);
    arm(&machine, 0);
    assert_eq!(run_to_output(&machine, 0).0, 0x81, "disarmed");
}

fn a_window_is_kept_by_cancels_and_init(engine: &Engine) {
    let machine = with_apic(engine, &[0xE6, 0x80, 0x0F, 0xA2, 0xFB, 0x90, 0x90]); // out; cpuid; sti; nop
    arm(&machine, 2);
    cancelled(&machine);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
    cancelled(&machine);
    assert_eq!(machine.get64(0, NOTIFICATIONS), 2);
    assert_eq!(machine.request(WHvX64InterruptTypeInit, 0, 0), S_OK);
    assert_eq!(machine.get64(0, NOTIFICATIONS), 2);
    machine.enter_real_mode(0);
    machine.set64(0, WHvX64RegisterRip, CODE + 2);
    assert_eq!(run_to_window(&machine), (INTERRUPT, CODE + 6));
}

fn a_window_waits_for_a_lower_task_priority(engine: &Engine) {
    // mov rax, 6; mov cr8, rax; dec al; mov cr8, rax; out 0x80, al
    let code =
        [0x6A, 6, 0x58, 0x44, 0x0F, 0x22, 0xC0, 0xFE, 0xC8, 0x44, 0x0F, 0x22, 0xC0, 0xE6, 0x80, 0xE6, 0x81];
    let machine = long_mode(engine, &code, |_| ());
    machine.set(0, &[(WHvX64RegisterRflags, word(IF)), (WHvX64RegisterCr8, word(15))]);
    arm(&machine, 2 | 6 << 2);
    assert_eq!(run_to_window(&machine), (INTERRUPT, CODE + 13), "6 is above 5, but not above 6");
    machine.set64(0, WHvX64RegisterCr8, 15);
    arm(&machine, 2 | 15 << 2);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
    arm(&machine, 2);
    run_to_window(&machine);
}

fn an_nmi_window_opens_with_iret(engine: &Engine) {
    let machine = without_apic(engine, &[0xE6, 0x80, 0xF4]);
    machine.set(0, &[(WHvRegisterPendingInterruption, interruption(NMI, 2))]);
    arm(&machine, 1);
    assert_eq!(run_to_output(&machine, 0).0, 2);
    assert_eq!(machine.get64(0, WHvRegisterInterruptState), 2);
    assert_eq!(run_to_window(&machine), (NMI, CODE));
    assert_eq!(machine.get64(0, WHvRegisterInterruptState), 0);
    machine.set64(0, WHvRegisterInterruptState, 1);
    arm(&machine, 1);
    machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    assert_eq!(machine.get64(0, NOTIFICATIONS), 1, "the shadow still covers the port write");
}

fn the_shadow_of_the_client_holds_everything_for_one_instruction(engine: &Engine) {
    let machine = with_apic(engine, &[0x40, 0xE6, 0x80]); // inc ax; out 0x80, al
    assert_eq!(machine.request(WHvX64InterruptTypeNmi, 0, 0), S_OK);
    assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, 0x41), S_OK);
    machine.set(0, &[(WHvX64RegisterRflags, word(IF)), (WHvRegisterInterruptState, word(1))]);
    machine.set(0, &[(WHvRegisterPendingEvent, external(0x20))]);
    assert_eq!(machine.get64(0, WHvRegisterInterruptState), 1);
    let outputs: Vec<_> = (0..4).map(|_| run_to_output(&machine, 0)).collect();
    assert_eq!(outputs, [(2, 1), (0x20, 1), (0x41, 1), (0x80, 1)]);
    // Moving RIP does not end it, writing it does.
    machine.set64(0, WHvX64RegisterRip, CODE);
    machine.set64(0, WHvRegisterInterruptState, 1);
    machine.set64(0, WHvX64RegisterRip, CODE + 1);
    assert_eq!(machine.get64(0, WHvRegisterInterruptState), 1);
    arm(&machine, 2);
    machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    machine.set64(0, WHvRegisterInterruptState, 0);
    assert_eq!(run_to_window(&machine), (INTERRUPT, CODE + 1));
    assert_eq!(machine.try_set(0, &[(WHvRegisterInterruptState, word(4))]), ERROR_HV_INVALID_PARAMETER);
}

fn the_nmi_mask_of_the_client_holds_nmis(engine: &Engine) {
    let machine = with_apic(engine, &[0xE6, 0x80, 0xE6, 0x81]);
    assert_eq!(machine.request(WHvX64InterruptTypeNmi, 0, 0), S_OK);
    machine.set64(0, WHvRegisterInterruptState, 2);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
    machine.set64(0, WHvRegisterInterruptState, 0);
    assert_eq!(run_to_output(&machine, 0).0, 2);
    assert_eq!(run_to_output(&machine, 0).0, 0x81);
}

fn undeliverable_interruptions_fail_the_run(engine: &Engine) {
    for machine in [without_apic(engine, &[0xE6, 0x80]), with_apic(engine, &[0xE6, 0x80])] {
        let mut with_error = interruption(WHvX64PendingException, 6).PendingInterruption();
        with_error.set_DeliverErrorCode(1);
        let mut coded = WHV_REGISTER_VALUE::default();
        coded.set_PendingInterruption(with_error);
        let cases = [
            (2, 0, interruption(INTERRUPT, 0x20)),
            (IF, 1, interruption(INTERRUPT, 0x20)),
            (IF, 2, interruption(NMI, 2)),
            (IF, 0, coded),
        ];
        for (flags, state, value) in cases {
            machine.set(0, &[(WHvX64RegisterRflags, word(flags)), (WHvRegisterInterruptState, word(state))]);
            machine.set(0, &[(WHvRegisterPendingInterruption, value)]);
            for _ in 0..2 {
                assert_eq!(machine.try_run(0), Err(WHV_E_INVALID_VP_STATE), "{flags:#x} {state}");
                assert_eq!(machine.get(0, WHvRegisterPendingInterruption), value, "it stays");
                assert_eq!(machine.get64(0, WHvX64RegisterRip), CODE);
            }
        }
        machine.set(0, &[(WHvRegisterPendingInterruption, word(0)), (WHvRegisterInterruptState, word(0))]);
        assert_eq!(run_to_output(&machine, 0).0, 0x80);
    }
}

fn error_codes_are_pushed_where_there_are_some(engine: &Engine) {
    let machine = long_mode(engine, &[0xE6, 0x80], |_| ());
    gate(&machine, 13, 0x9000, &[0x58, 0xE7, 13, 0x48, 0xCF]); // pop rax; out 13, eax; iretq
    gate(&machine, 6, 0x9100, &[0xE6, 6, 0x48, 0xCF]);
    let mut pending = interruption(WHvX64PendingException, 13).PendingInterruption();
    pending.set_DeliverErrorCode(1);
    pending.set_ErrorCode(0x1234_5678);
    let mut value = WHV_REGISTER_VALUE::default();
    value.set_PendingInterruption(pending);
    machine.set(0, &[(WHvRegisterPendingInterruption, value)]);
    assert_eq!(run_to_output(&machine, 0), (13, 0x1234_5678));
    machine.set(0, &[(WHvRegisterPendingEvent, exception(13, Some(0x1_0008), 0))]);
    assert_eq!(run_to_output(&machine, 0), (13, 0x1_0008));
    machine.set(0, &[(WHvRegisterPendingEvent, exception(6, None, 0))]);
    assert_eq!(run_to_output(&machine, 0).0, 6);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
}

fn interruptions_are_read_back_until_delivered(engine: &Engine) {
    let machine = with_apic(engine, &[0xE6, 0x80]);
    let events = [
        (WHvRegisterPendingInterruption, interruption(INTERRUPT, 0x41)),
        (WHvRegisterPendingInterruption, interruption(NMI, 2)),
        (WHvRegisterPendingInterruption, interruption(WHvX64PendingException, 6)),
        (WHvRegisterPendingEvent, exception(6, Some(3), 0x77)),
        (WHvRegisterPendingEvent, external(0xFE)),
    ];
    for (name, value) in events {
        machine.set(0, &[(name, value)]);
        assert_eq!(machine.get(0, name), value);
        machine.set(0, &[(WHvX64RegisterRflags, word(IF)), (name, value)]);
        cancelled(&machine);
        assert_eq!(machine.get(0, name), value, "a cancel comes first");
        machine.set64(0, name, 0);
        assert_eq!(machine.get(0, name), WHV_REGISTER_VALUE::default());
    }
    assert_eq!(run_to_output(&machine, 0).0, 0x80, "all were taken back");
    for bits in [1 | 1 << 10, 1 | 1 << 15, 1 | 1 << 1, 1 | 3 << 1 | 32 << 16, 1 | 0x100 << 16] {
        let result = machine.try_set(0, &[(WHvRegisterPendingInterruption, word(bits))]);
        assert_eq!(result, ERROR_HV_INVALID_PARAMETER, "{bits:#x}");
    }
}

fn two_events_are_delivered_in_their_order(engine: &Engine) {
    for (event, port) in [(exception(6, None, 0), 6), (external(0x41), 0x41)] {
        let machine = with_apic(engine, &[0xE6, 0x80]);
        machine.set(0, &[(WHvX64RegisterRflags, word(IF)), (WHvRegisterPendingEvent, event)]);
        machine.set(0, &[(WHvRegisterPendingInterruption, interruption(INTERRUPT, 0x20))]);
        let first = run_to_output(&machine, 0).0;
        if port == 6 {
            assert_eq!(
                (first, return_address(&machine, 2)),
                (6, 0x6200),
                "at the handler's first instruction"
            );
            assert_eq!(run_to_output(&machine, 0).0, 0x20);
        } else {
            assert_eq!((first, machine.get(0, WHvRegisterPendingEvent)), (0x20, event), "interrupts are off");
            assert_eq!((run_to_output(&machine, 0).0, return_address(&machine, 1)), (port, CODE));
        }
        assert_eq!(run_to_output(&machine, 0).0, 0x80);
    }
}

fn page_faults_and_debug_exceptions_bring_their_parameter(engine: &Engine) {
    let machine = long_mode(engine, &[0xE6, 0x80], |_| ());
    gate(&machine, 14, 0x9000, &[0x58, 0xE7, 14, 0x48, 0xCF]); // pop rax; out 14, eax; iretq
    gate(&machine, 1, 0x9100, &[0xE6, 1, 0x48, 0xCF]);
    machine.set(0, &[(WHvRegisterPendingEvent, exception(14, Some(6), 0x1234_5678_9ABC))]);
    assert_eq!(machine.get64(0, WHvX64RegisterCr2), 0, "not before delivery");
    assert_eq!(run_to_output(&machine, 0), (14, 6));
    assert_eq!(machine.get64(0, WHvX64RegisterCr2), 0x1234_5678_9ABC);
    machine.set(0, &[(WHvRegisterPendingEvent, exception(1, None, 0x4002))]);
    assert_eq!(run_to_output(&machine, 0).0, 1);
    assert_eq!(machine.get64(0, WHvX64RegisterDr6), 0xFFFF_4FF2);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
}

fn external_interrupts_of_every_vector(engine: &Engine) {
    let machine = with_apic(engine, &[0xEB, 0xFE]);
    change_apic(&machine, 0, &[(0x80, 0xFF), (0x350, 0x1_0700)]);
    machine.set64(0, WHvX64RegisterRflags, IF);
    for vector in [0, 8, 15, 0x30, 0xFF] {
        real_gate(&machine, vector, 0x6800, &[0xE6, 0x77, 0xCF]);
        machine.set(0, &[(WHvRegisterPendingEvent, external(vector))]);
        assert_eq!(run_to_output(&machine, 0).0, 0x77, "neither task priority nor LVT0 matter");
        let page = apic_page(&machine, 0);
        assert!((0x100..0x180).step_by(16).all(|offset| apic_word(&page, offset) == 0), "not in service");
        cancelled(&machine);
        machine.set(0, &[(WHvX64RegisterRip, word(CODE)), (WHvX64RegisterRflags, word(IF))]);
    }
}

fn without_an_apic_an_external_interrupt_is_invalid_until_taken_back(engine: &Engine) {
    let machine = without_apic(engine, &[0xE6, 0x80]);
    machine.set(0, &[(WHvX64RegisterRflags, word(IF)), (WHvRegisterPendingEvent, external(0x20))]);
    for _ in 0..2 {
        let context = machine.run_to(0, WHvRunVpExitReasonInvalidVpRegisterValue);
        assert_eq!(context.VpContext().Rip(), CODE);
        assert_eq!(machine.get(0, WHvRegisterPendingEvent), external(0x20));
    }
    machine.set64(0, WHvRegisterPendingEvent, 0);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
}

fn pending_debug_causes_become_an_exception(engine: &Engine) {
    let machine = without_apic(engine, &[0xE6, 0x80, 0xE6, 0x81]);
    let name = WHvX64RegisterPendingDebugException;
    machine.set64(0, name, 1 << 4 | 4);
    assert_eq!(machine.get64(0, name), 1 << 4 | 4);
    assert_eq!((run_to_output(&machine, 0).0, return_address(&machine, 1)), (1, CODE));
    assert_eq!((machine.get64(0, name), machine.get64(0, WHvX64RegisterDr6)), (0, 0xFFFF_4FF4));
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
    machine.set64(0, name, 1);
    machine.set64(0, name, 0);
    assert_eq!(run_to_output(&machine, 0).0, 0x81);
}

fn nested_events_are_refused(engine: &Engine) {
    let machine = with_apic(engine, &[0xE6, 0x80]);
    for kind in [1, 2, 3, 4, 6, 7] {
        let event = word(1 | kind << 1);
        assert_eq!(machine.try_set(0, &[(WHvRegisterPendingEvent, event)]), ERROR_HV_INVALID_PARAMETER);
    }
    for name in [WHvRegisterPendingEvent1, WHvRegisterPendingEvent2, WHvRegisterPendingEvent3] {
        assert_eq!(machine.get(0, name), WHV_REGISTER_VALUE::default());
    }
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
}
