//! Exits and parking of processors with an emulated local APIC.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::exits::protected_mode;
use crate::Engine;
use crate::Machine;
use crate::machine::CODE;
use crate::machine::word;

cases! { "apic_exits":
    a_halted_processor_parks_until_an_interrupt from "exits.md 2.9",
    a_cancel_wakes_a_halted_processor from "exits.md 2.2, 2.9",
    clearing_halt_suspend_resumes from "exits.md 2.9, state.md 5",
    an_nmi_wakes_a_halted_processor from "exits.md 2.9",
    level_interrupts_report_their_end from "exits.md 2.15",
    edge_interrupts_end_silently from "exits.md 2.15",
    trapped_writes_are_already_applied from "exits.md 2.15",
    trapped_init_is_not_delivered from "exits.md 2.15",
    smi_commands_can_be_trapped from "exits.md 2.15",
    application_processors_wait_for_startup from "exits.md 3",
    a_startup_interrupt_starts_at_its_page from "exits.md 3",
    clearing_startup_suspend_starts_a_processor from "exits.md 3",
    an_external_interrupt_ignores_the_apic from "exits.md 5.3",
    a_window_priority_is_refused_with_an_apic from "exits.md 5.4, Q7",
    the_apic_page_is_no_memory_access from "exits.md 2.3",
    x2apic_registers_need_x2apic_mode from "state.md 2.4, 2.5",
}

const XAPIC: u32 = 0xFEE0_0000;

fn apic(machine: &Machine) {
    machine.use_apic(WHvX64LocalApicEmulationModeXApic);
}

/// 32-bit code that stores `value` at an offset of the APIC page: mov dword [page + offset], value.
fn store(offset: u32, value: u32) -> Vec<u8> {
    let mut code = vec![0xC7, 0x05];
    code.extend((XAPIC + offset).to_le_bytes());
    code.extend(value.to_le_bytes());
    code
}

/// Protected-mode code after the APIC was enabled by software, ending in HLT.
fn enabled(parts: &[&[u8]]) -> Vec<u8> {
    let mut code = store(0xF0, 0x1FF);
    for part in parts {
        code.extend_from_slice(part);
    }
    code.push(0xF4);
    code
}

/// A table of interrupts at 0x20000, whose gate `vector` leads to `code` at 0x21000.
pub(super) fn gate(machine: &Machine, vector: u8, code: &[u8]) {
    machine.memory.write(0x21000, code);
    let entry = [0x00, 0x10, 0x08, 0x00, 0x00, 0x8E, 0x02, 0x00];
    machine.memory.write(0x20000 + u64::from(vector) * 8, &entry);
    // Descriptors: null, flat code, flat data.
    machine.memory.write(0x22008, &[0xFF, 0xFF, 0, 0, 0, 0x9B, 0xCF, 0]);
    machine.memory.write(0x22010, &[0xFF, 0xFF, 0, 0, 0, 0x93, 0xCF, 0]);
    for (name, base, limit) in [(WHvX64RegisterIdtr, 0x20000, 0x7FF), (WHvX64RegisterGdtr, 0x22000, 0x17)] {
        let table = WHV_X64_TABLE_REGISTER { Base: base, Limit: limit, ..Default::default() };
        let mut value = WHV_REGISTER_VALUE::default();
        value.set_Table(table);
        machine.set(0, &[(name, value)]);
    }
}

fn a_halted_processor_parks_until_an_interrupt(engine: &Engine) {
    let code = enabled(&[&[0xFB]]); // enable; sti; hlt
    let machine = protected_mode(engine, &code, apic);
    gate(&machine, 0x40, &[0xE6, 0x80]); // out 0x80, al
    let context = machine.while_parked(0, || {
        assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, 0x40), S_OK);
    });
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonX64IoPortAccess, "{context:#?}");
    assert_eq!(context.VpContext().Rip(), 0x21000);
    assert_eq!(machine.get64(0, WHvRegisterInternalActivityState), 0);
}

fn a_cancel_wakes_a_halted_processor(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], apic);
    for _ in 0..2 {
        let context = machine.while_parked(0, || machine.cancel(0));
        assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
        assert_eq!(context.VpContext().Rip(), CODE + 1);
        let activity = machine.get(0, WHvRegisterInternalActivityState).InternalActivity();
        assert_eq!(activity.HaltSuspend(), 1, "running again parks again");
    }
}

fn clearing_halt_suspend_resumes(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4, 0xE6, 0x80], apic); // hlt; out 0x80, al
    machine.while_parked(0, || machine.cancel(0));
    machine.set64(0, WHvRegisterInternalActivityState, 0);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess).VpContext().Rip(), CODE + 1);
}

fn an_nmi_wakes_a_halted_processor(engine: &Engine) {
    let machine = protected_mode(engine, &[0xF4], apic); // hlt, interrupts off, APIC off
    gate(&machine, 2, &[0xE6, 0x80]);
    let context = machine.while_parked(0, || {
        assert_eq!(machine.request(WHvX64InterruptTypeNmi, 0, 0), S_OK);
    });
    assert_eq!(context.VpContext().Rip(), 0x21000);
    assert_eq!(machine.get(0, WHvRegisterInterruptState).InterruptState().NmiMasked(), 1);
}

/// Takes vector 0x40 of the given trigger mode in a handler that ends it and then writes to port 0x80.
fn take_interrupt(engine: &Engine, trigger: u64) -> Machine {
    let machine = protected_mode(engine, &enabled(&[&[0xFB]]), apic);
    let mut body = store(0xB0, 0);
    body.extend([0xE6, 0x80]);
    gate(&machine, 0x40, &body);
    // Get past the software enable first: requests to a disabled APIC are dropped.
    machine.while_parked(0, || machine.cancel(0));
    let mut control = WHV_INTERRUPT_CONTROL::default();
    control.set_TriggerMode(trigger);
    control.set_Vector(0x40);
    assert_eq!(machine.request_control(&control), S_OK);
    machine
}

fn level_interrupts_report_their_end(engine: &Engine) {
    let machine = take_interrupt(engine, 1);
    let context = machine.run_to(0, WHvRunVpExitReasonX64ApicEoi);
    assert_eq!(context.ApicEoi().InterruptVector, 0x40);
    assert_eq!(context.VpContext().Rip(), 0x2100A, "behind the write");
    machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
}

fn edge_interrupts_end_silently(engine: &Engine) {
    let machine = take_interrupt(engine, 0);
    machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
}

fn trapped_writes_are_already_applied(engine: &Engine) {
    let lint0 = store(0x350, 0x700);
    let machine = protected_mode(engine, &enabled(&[&lint0]), |machine| {
        apic(machine);
        machine.enable_exits(|exits| {
            exits.set_X64ApicWriteLint0ExitTrap(1);
            exits.set_X64ApicWriteSvrExitTrap(1);
        });
    });
    let svr = machine.run_to(0, WHvRunVpExitReasonX64ApicWriteTrap);
    assert_eq!((svr.ApicWrite().Type, svr.ApicWrite().WriteValue), (WHvX64ApicWriteTypeSvr, 0x1FF));
    assert_eq!(svr.VpContext().Rip(), CODE + 10);
    let context = machine.run_to(0, WHvRunVpExitReasonX64ApicWriteTrap);
    assert_eq!((context.ApicWrite().Type, context.ApicWrite().WriteValue), (WHvX64ApicWriteTypeLint0, 0x700));
    assert_eq!(context.VpContext().Rip(), CODE + 20);
}

fn trapped_init_is_not_delivered(engine: &Engine) {
    let (high, low) = (store(0x310, 1 << 24), store(0x300, 0x4500));
    let machine = protected_mode(engine, &enabled(&[&high, &low]), |machine| {
        apic(machine);
        machine.enable_exits(|exits| exits.set_X64ApicInitSipiExitTrap(1));
    });
    let context = machine.run_to(0, WHvRunVpExitReasonX64ApicInitSipiTrap);
    assert_eq!(context.ApicInitSipi().ApicIcr & 0xFF00_0000_0000_C700, 1 << 56 | 0x4500);
    assert_eq!(context.VpContext().Rip(), CODE + 30);
}

fn smi_commands_can_be_trapped(engine: &Engine) {
    let low = store(0x300, 0x4200);
    let machine = protected_mode(engine, &enabled(&[&low]), |machine| {
        apic(machine);
        machine.enable_exits(|exits| exits.set_X64ApicSmiExitTrap(1));
    });
    let context = machine.run_to(0, WHvRunVpExitReasonX64ApicSmiTrap);
    assert_eq!(context.ApicSmi().ApicIcr & 0x700, 0x200);
}

/// Two processors with APICs; the second has never been started.
fn two(engine: &Engine) -> Machine {
    let machine = Machine::set_up(engine, 2, apic);
    machine.map_all();
    machine.create_vp(0);
    machine.create_vp(1);
    machine
}

fn application_processors_wait_for_startup(engine: &Engine) {
    let machine = two(engine);
    let activity = |vp: u32| machine.get(vp, WHvRegisterInternalActivityState).InternalActivity();
    assert_eq!((activity(0).StartupSuspend(), activity(1).StartupSuspend()), (0, 1));
    let context = machine.while_parked(1, || machine.cancel(1));
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
    assert_eq!(activity(1).StartupSuspend(), 1);
}

fn a_startup_interrupt_starts_at_its_page(engine: &Engine) {
    let machine = two(engine);
    machine.memory.write(0x9000, &[0xE6, 0x80]); // out 0x80, al
    let context = machine.while_parked(1, || {
        assert_eq!(machine.request(WHvX64InterruptTypeInit, 1, 0), S_OK);
        assert_eq!(machine.request(WHvX64InterruptTypeSipi, 1, 9), S_OK);
    });
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonX64IoPortAccess);
    assert_eq!(context.VpContext().Rip(), 0);
    assert_eq!((context.VpContext().Cs().Selector(), context.VpContext().Cs().Base()), (0x900, 0x9000));
}

fn clearing_startup_suspend_starts_a_processor(engine: &Engine) {
    let machine = two(engine);
    machine.memory.write(CODE, &[0xE6, 0x80]); // out 0x80, al
    machine.enter_real_mode(1);
    machine.set64(1, WHvRegisterInternalActivityState, 0);
    machine.run_to(1, WHvRunVpExitReasonX64IoPortAccess);
}

fn an_external_interrupt_ignores_the_apic(engine: &Engine) {
    let machine = protected_mode(engine, &[0xFB, 0x90, 0x90], apic); // sti; nop; nop
    gate(&machine, 0x33, &[0xE6, 0x80]);
    machine.set(0, &[(WHvX64RegisterRflags, word(0x202))]);
    machine.set64(0, WHvRegisterPendingEvent, 1 | 5 << 1 | 0x33 << 8);
    let context = machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    assert_eq!(context.VpContext().Rip(), 0x21000);
}

fn a_window_priority_is_refused_with_an_apic(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], apic);
    let name = WHvX64RegisterDeliverabilityNotifications;
    assert_eq!(machine.try_set(0, &[(name, word(2 | 4 << 2))]), ERROR_HV_INVALID_PARAMETER);
    machine.set(0, &[(WHvX64RegisterRflags, word(0x202)), (name, word(2))]);
    machine.run_to(0, WHvRunVpExitReasonX64InterruptWindow);
}

fn the_apic_page_is_no_memory_access(engine: &Engine) {
    let mut code = vec![0xA1];
    code.extend((XAPIC + 0x30).to_le_bytes());
    code.extend([0xE6, 0x80]); // mov eax, [version]; out 0x80, al
    let machine = protected_mode(engine, &code, apic);
    machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0x5_0014);
    let without = protected_mode(engine, &code, |_| ());
    let access = without.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!(access.Gpa, u64::from(XAPIC) + 0x30);
}

fn x2apic_registers_need_x2apic_mode(engine: &Engine) {
    let xapic = Machine::real_mode(engine, &[0xF4], apic);
    let x2apic = word(0xFEE0_0D00);
    assert_eq!(xapic.try_set(0, &[(WHvX64RegisterApicBase, x2apic)]), ERROR_HV_INVALID_PARAMETER);
    assert_eq!(xapic.try_get(0, &[WHvX64RegisterApicTpr]), Err(ERROR_HV_INVALID_PARAMETER));
    assert_eq!(xapic.get64(0, WHvX64RegisterApicVersion), 0x5_0014);
    let machine =
        Machine::real_mode(engine, &[0xF4], |machine| machine.use_apic(WHvX64LocalApicEmulationModeX2Apic));
    machine.set(0, &[(WHvX64RegisterApicBase, x2apic)]);
    machine.set64(0, WHvX64RegisterApicTpr, 0x50);
    assert_eq!(machine.get64(0, WHvX64RegisterCr8), 5);
}
