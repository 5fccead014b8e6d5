//! Registers whose bits are stored one by one: what was written reads back, reserved bits do not.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::apic_state::X2APIC;
use super::apic_state::XAPIC;
use super::apic_state::guest;
use super::apic_state::store;
use super::cases;
use super::habits::apic_page;
use super::habits::apic_word;
use super::habits::change_apic;
use super::habits::interruption;
use super::habits::real_gate;
use super::habits::run_to_output;
use crate::Engine;
use crate::Machine;
use crate::machine::CODE;
use crate::machine::word;

cases! { "stored bits":
    a_nested_event_reads_back_until_delivered from "exits.md 5.2",
    an_interrupted_delivery_is_not_nested from "exits.md 5.2",
    every_combination_of_suspensions_reads_back from "state.md 5",
    a_processor_runs_when_nothing_suspends_it from "state.md 5",
    init_and_startup_leave_no_other_suspension from "state.md 5, exits.md 3",
    reserved_bits_of_a_command_are_dropped_in_xapic_mode from "state.md 2.5, 7.1",
    reserved_bits_of_a_command_fault_in_x2apic_mode from "state.md 2.5",
    reserved_bits_of_a_command_are_not_the_clients_either from "state.md 2.5, 7.1",
}

const NESTED: u64 = 1 << 9;
const PENDING: WHV_REGISTER_NAME = WHvRegisterPendingInterruption;
const ACTIVITY: WHV_REGISTER_NAME = WHvRegisterInternalActivityState;

/// Interrupt 20h, nested.
fn nested() -> u64 {
    NESTED | u64::from(interruption(WHvX64PendingInterrupt, 0x20).Reg32())
}

fn a_nested_event_reads_back_until_delivered(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xE6, 0x80], |_| ());
    real_gate(&machine, 0x20, 0x6000, &[0xE6, 0x20, 0xCF]); // out 20h, al; iret
    machine.set(0, &[(WHvX64RegisterRflags, word(0x202)), (PENDING, word(nested()))]);
    assert_eq!(machine.get64(0, PENDING), nested());
    machine.set64(0, PENDING, nested() & !NESTED);
    assert_eq!(machine.get64(0, PENDING), nested() & !NESTED);
    machine.set64(0, PENDING, nested());
    // A cancel comes first.
    machine.cancel(0);
    machine.run_to(0, WHvRunVpExitReasonCanceled);
    assert_eq!(machine.get64(0, PENDING), nested());
    assert_eq!(run_to_output(&machine, 0).0, 0x20);
    assert_eq!(machine.get64(0, PENDING), 0);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
    // Nothing is pending, so nothing is nested.
    machine.set64(0, PENDING, NESTED);
    assert_eq!(machine.get64(0, PENDING), 0);
}

fn an_interrupted_delivery_is_not_nested(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0x90, 0xE6, 0x80], |_| ());
    real_gate(&machine, 0x20, 0x6000, &[0xCF]); // iret
    machine.set(0, &[(WHvX64RegisterRflags, word(0x202)), (PENDING, word(nested()))]);
    // The stack lies where nothing is: the delivery exits and stays what it was.
    let mut stack = WHV_X64_SEGMENT_REGISTER::default();
    stack.set_Base(0x20_0000);
    stack.set_Limit(0xFFFF);
    stack.set_Attributes(0x93);
    let mut value = WHV_REGISTER_VALUE::default();
    value.set_Segment(stack);
    let before = machine.get(0, WHvX64RegisterSs);
    machine.set(0, &[(WHvX64RegisterSs, value)]);
    machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    assert_eq!(machine.get64(0, PENDING), nested());
    machine.set(0, &[(WHvX64RegisterSs, before)]);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
    // The same interrupt again, by the processor itself this time.
    machine.set(0, &[(WHvX64RegisterSs, value), (WHvX64RegisterRip, word(CODE))]);
    machine.memory.write(CODE, &[0xCD, 0x20]); // int 20h
    machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    let pending = machine.get64(0, PENDING);
    assert_eq!((pending & NESTED, pending >> 16 & 0xFF), (0, 0x20));
}

/// One processor with an enabled xAPIC that writes to port 80h.
fn with_apic(engine: &Engine) -> Machine {
    let machine = Machine::real_mode(engine, &[0xE6, 0x80], |machine| machine.use_apic(XAPIC));
    change_apic(&machine, 0, &[(0xF0, 0x1FF)]);
    machine
}

fn every_combination_of_suspensions_reads_back(engine: &Engine) {
    let machine = with_apic(engine);
    for bits in [0, 1, 2, 3, 4, 5, 6, 7, 3, 0, 6, 2, 7, 4, 1] {
        machine.set64(0, ACTIVITY, bits);
        assert_eq!(machine.get64(0, ACTIVITY), bits);
        if bits != 0 {
            machine.while_parked(0, || machine.cancel(0));
            assert_eq!(machine.get64(0, ACTIVITY), bits, "after a run");
        }
    }
    for bits in [8, 1 << 32, 1 << 63] {
        assert_eq!(machine.try_set(0, &[(ACTIVITY, word(bits))]), ERROR_HV_INVALID_PARAMETER);
    }
}

fn a_processor_runs_when_nothing_suspends_it(engine: &Engine) {
    let machine = with_apic(engine);
    for order in [[7, 6, 4], [7, 5, 1], [7, 3, 2]] {
        for bits in order {
            machine.set64(0, ACTIVITY, bits);
            machine.while_parked(0, || machine.cancel(0));
        }
        machine.set64(0, ACTIVITY, 0);
        assert_eq!(run_to_output(&machine, 0).0, 0x80);
        machine.set64(0, WHvX64RegisterRip, CODE);
    }
}

fn init_and_startup_leave_no_other_suspension(engine: &Engine) {
    let machine = Machine::set_up(engine, 2, |machine| machine.use_apic(XAPIC));
    machine.map_all();
    machine.create_vp(0);
    machine.create_vp(1);
    machine.memory.write(0x2000, &[0xE6, 0x80]);
    machine.set64(1, ACTIVITY, 7);
    assert_eq!(machine.request(WHvX64InterruptTypeInit, 1, 0), S_OK);
    assert_eq!(machine.get64(1, ACTIVITY), 1);
    machine.set64(1, ACTIVITY, 7);
    assert_eq!(machine.request(WHvX64InterruptTypeSipi, 1, 2), S_OK);
    assert_eq!(machine.get64(1, ACTIVITY), 0);
    assert_eq!(run_to_output(&machine, 1).0, 0x80);
}

/// Bits of a command that a guest can set; all of them together ask for nothing.
const COMMAND: u32 = 0x000C_CFFF;

fn reserved_bits_of_a_command_are_dropped_in_xapic_mode(engine: &Engine) {
    let read = |offset: u32| [&[0xA1][..], &(0xFEE0_0000 + offset).to_le_bytes(), &[0xE7, 0x80]].concat();
    let pieces = [store(0x310, u32::MAX), store(0x300, u32::MAX), read(0x300), read(0x310)];
    let machine = guest(engine, XAPIC, &pieces, |_| ());
    assert_eq!(run_to_output(&machine, 0).1 as u32, COMMAND);
    assert_eq!(run_to_output(&machine, 0).1 as u32, 0xFF00_0000);
}

fn reserved_bits_of_a_command_fault_in_x2apic_mode(engine: &Engine) {
    // wrmsr; rdmsr; out 80h, al
    let machine = guest(engine, X2APIC, &[vec![0x0F, 0x30, 0x0F, 0x32]], |exits| exits.set_ExceptionExit(1));
    machine.configure(WHvPartitionPropertyCodeExceptionExitBitmap, &(1_u64 << 13));
    let start = |low: u32| {
        let registers = [
            (WHvX64RegisterRcx, word(0x830)),
            (WHvX64RegisterRax, word(low.into())),
            (WHvX64RegisterRdx, word(u32::MAX.into())),
            (WHvX64RegisterRip, word(CODE)),
        ];
        machine.set(0, &registers);
    };
    for bit in (0..32).filter(|bit| COMMAND >> bit & 1 == 0) {
        start(COMMAND | 1 << bit);
        let context = machine.run_to(0, WHvRunVpExitReasonException);
        assert_eq!(context.VpException().ExceptionType, 13, "bit {bit}");
        assert_eq!(context.VpContext().Rip(), CODE);
        assert_eq!(machine.get64(0, WHvX64RegisterApicIcr), 0, "bit {bit}");
    }
    start(COMMAND);
    run_to_output(&machine, 0);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), u64::from(COMMAND));
    assert_eq!(machine.get64(0, WHvX64RegisterRdx), u64::from(u32::MAX));
}

fn reserved_bits_of_a_command_are_not_the_clients_either(engine: &Engine) {
    // What an APIC answered to a remote read is there for clients to restore.
    let stored = COMMAND | 3 << 16;
    let machine = guest(engine, X2APIC, &[], |_| ());
    machine.set64(0, WHvX64RegisterApicIcr, u64::MAX);
    assert_eq!(machine.get64(0, WHvX64RegisterApicIcr), u64::from(u32::MAX) << 32 | u64::from(stored));
    let machine = with_apic(engine);
    change_apic(&machine, 0, &[(0x300, u32::MAX), (0x310, u32::MAX)]);
    let page = apic_page(&machine, 0);
    assert_eq!((apic_word(&page, 0x300), apic_word(&page, 0x310)), (stored, 0xFF00_0000));
}
