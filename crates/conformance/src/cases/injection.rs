//! Injection of events and interrupt windows.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::machine::CODE;
use crate::machine::word;

cases! { "injection":
    a_pending_interrupt_is_delivered_first from "exits.md 5.2",
    a_pending_interrupt_with_interrupts_off_cannot_run from "exits.md 5.2, Q38",
    a_pending_nmi_masks_further_ones from "exits.md 5.2",
    a_pending_exception_event_is_delivered from "exits.md 5.3",
    a_pending_event_can_be_taken_back from "exits.md 5.3",
    an_external_interrupt_needs_an_apic from "exits.md 5.3",
    an_open_interrupt_window_exits_at_once from "exits.md 5.4",
    an_interrupt_window_opens_with_the_flag from "exits.md 5.4",
    an_armed_window_survives_other_exits from "exits.md 5.4",
    the_shadow_delays_a_window from "exits.md 5.4, 5.5",
    an_nmi_window_says_so from "exits.md 2.8, 5.4",
    the_priority_is_compared_with_cr8 from "exits.md 5.4",
    the_shadow_of_sti_is_seen from "exits.md 5.5",
}

/// Vector `vector` leads to a HLT at 0x5000 + 16 * vector.
fn handler(machine: &Machine, vector: u8) -> u64 {
    let target = 0x5000 + u16::from(vector) * 16;
    machine.memory.write(u64::from(vector) * 4, &target.to_le_bytes());
    machine.memory.write(u64::from(vector) * 4 + 2, &[0, 0]);
    machine.memory.write(u64::from(target), &[0xF4]);
    u64::from(target)
}

fn interruption(kind: WHV_X64_PENDING_INTERRUPTION_TYPE, vector: u8) -> WHV_REGISTER_VALUE {
    let mut pending = WHV_X64_PENDING_INTERRUPTION_REGISTER::default();
    pending.set_InterruptionPending(1);
    pending.set_InterruptionType(kind.0);
    pending.set_InterruptionVector(u32::from(vector));
    let mut value = WHV_REGISTER_VALUE::default();
    value.set_PendingInterruption(pending);
    value
}

fn a_pending_interrupt_is_delivered_first(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0x40, 0xF4], |_| ()); // inc ax; hlt
    let target = handler(&machine, 0x20);
    machine.set64(0, WHvX64RegisterRflags, 0x202);
    machine.set(0, &[(WHvRegisterPendingInterruption, interruption(WHvX64PendingInterrupt, 0x20))]);
    let context = machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(context.VpContext().Rip(), target + 1);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0);
    assert_eq!(machine.get64(0, WHvRegisterPendingInterruption), 0);
    assert_eq!(machine.memory.read(0x8000 - 6, 2), (CODE as u16).to_le_bytes(), "the return address");
}

fn a_pending_interrupt_with_interrupts_off_cannot_run(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    machine.set(0, &[(WHvRegisterPendingInterruption, interruption(WHvX64PendingInterrupt, 0x20))]);
    assert_eq!(machine.try_run(0), Err(WHV_E_INVALID_VP_STATE));
    machine.set64(0, WHvRegisterPendingInterruption, 0);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn a_pending_nmi_masks_further_ones(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    let target = handler(&machine, 2);
    machine.set(0, &[(WHvRegisterPendingInterruption, interruption(WHvX64PendingNmi, 2))]);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), target + 1);
    assert_eq!(machine.get(0, WHvRegisterInterruptState).InterruptState().NmiMasked(), 1);
}

fn exception_event(vector: u8) -> WHV_REGISTER_VALUE {
    let mut event = WHV_X64_PENDING_EXCEPTION_EVENT::default();
    event.set_EventPending(1);
    event.set_EventType(WHvX64PendingEventException.0);
    event.set_Vector(u32::from(vector));
    let mut value = WHV_REGISTER_VALUE::default();
    value.set_ExceptionEvent(event);
    value
}

fn a_pending_exception_event_is_delivered(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    let target = handler(&machine, 6);
    machine.set(0, &[(WHvRegisterPendingEvent, exception_event(6))]);
    assert_eq!(machine.get(0, WHvRegisterPendingEvent), exception_event(6));
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), target + 1);
    assert_eq!(machine.get(0, WHvRegisterPendingEvent), WHV_REGISTER_VALUE::default());
}

fn a_pending_event_can_be_taken_back(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    machine.set(0, &[(WHvRegisterPendingEvent, exception_event(6))]);
    machine.set64(0, WHvRegisterPendingEvent, 0);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), CODE + 1);
}

fn an_external_interrupt_needs_an_apic(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    machine.set64(0, WHvRegisterPendingEvent, 1 | 5 << 1 | 0x20 << 8);
    machine.run_to(0, WHvRunVpExitReasonInvalidVpRegisterValue);
}

fn arm(machine: &Machine, bits: u64) {
    machine.set64(0, WHvX64RegisterDeliverabilityNotifications, bits);
}

fn an_open_interrupt_window_exits_at_once(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    machine.set64(0, WHvX64RegisterRflags, 0x202);
    arm(&machine, 2);
    let context = machine.run_to(0, WHvRunVpExitReasonX64InterruptWindow);
    assert_eq!(context.VpContext().Rip(), CODE);
    assert_eq!(context.InterruptWindow().DeliverableType, WHvX64PendingInterrupt);
    assert_eq!(machine.get64(0, WHvX64RegisterDeliverabilityNotifications), 0);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn an_interrupt_window_opens_with_the_flag(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0x40, 0xFB, 0x40, 0x40, 0xF4], |_| ()); // inc; sti; inc; inc; hlt
    arm(&machine, 2);
    let context = machine.run_to(0, WHvRunVpExitReasonX64InterruptWindow);
    assert_eq!(context.VpContext().Rip(), CODE + 3, "behind the instruction after STI");
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 2);
}

fn an_armed_window_survives_other_exits(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xE6, 0x80, 0xFB, 0x90, 0xF4], |_| ()); // out; sti; nop; hlt
    arm(&machine, 2);
    machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    machine.set64(0, WHvX64RegisterRip, CODE + 2);
    machine.run_to(0, WHvRunVpExitReasonX64InterruptWindow);
}

fn the_shadow_delays_a_window(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0x40, 0x40, 0xF4], |_| ()); // inc ax; inc ax; hlt
    machine.set64(0, WHvX64RegisterRflags, 0x202);
    machine.set64(0, WHvRegisterInterruptState, 1);
    arm(&machine, 2);
    let context = machine.run_to(0, WHvRunVpExitReasonX64InterruptWindow);
    assert_eq!(context.VpContext().Rip(), CODE + 1);
}

fn an_nmi_window_says_so(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    arm(&machine, 1);
    let context = machine.run_to(0, WHvRunVpExitReasonX64InterruptWindow);
    assert_eq!(context.InterruptWindow().DeliverableType, WHvX64PendingNmi);
}

fn the_priority_is_compared_with_cr8(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4, 0xF4], |_| ());
    machine.set(0, &[(WHvX64RegisterRflags, word(0x202)), (WHvX64RegisterCr8, word(4))]);
    arm(&machine, 2 | 4 << 2);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    machine.set64(0, WHvX64RegisterCr8, 3);
    machine.run_to(0, WHvRunVpExitReasonX64InterruptWindow);
}

fn the_shadow_of_sti_is_seen(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xFB, 0xE6, 0x80], |_| ()); // sti; out 0x80, al
    let context = machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    assert_eq!(context.VpContext().ExecutionState().InterruptShadow(), 1);
    assert_eq!(machine.get(0, WHvRegisterInterruptState).InterruptState().InterruptShadow(), 1);
}
