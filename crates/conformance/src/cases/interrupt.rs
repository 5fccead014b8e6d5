//! Interrupt requests.

use std::ptr::null_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::call;

cases! { "interrupt":
    requests_need_an_apic from "functions.md 4.1",
    vectors_below_sixteen_are_reserved from "functions.md 4.1",
    undefined_fields_are_refused from "functions.md 4.1, interrupts-and-notifications.md 1",
    the_structure_must_be_whole from "functions.md 4.1",
    nobody_addressed_is_a_success from "functions.md 4.1",
    a_disabled_apic_drops_fixed_interrupts from "interrupts-and-notifications.md 1.2",
    a_fixed_interrupt_lands_in_the_request_register from "interrupts-and-notifications.md 1.2",
    an_nmi_needs_vector_zero from "functions.md 4.1, Q14",
    local_interrupt_1_must_not_fail from "interrupts-and-notifications.md 1.2",
    targets_are_listed_in_order from "functions.md 4.2",
    a_small_target_list_is_insufficient from "functions.md 4.2, Q8",
    targets_need_an_apic from "functions.md 4.2",
}

fn with_apic(engine: &Engine, processors: u32) -> Machine {
    let machine =
        Machine::set_up(engine, processors, |machine| machine.use_apic(WHvX64LocalApicEmulationModeXApic));
    machine.map_all();
    for index in 0..processors {
        machine.create_vp(index);
    }
    machine
}

/// Word of the APIC page at `offset`.
fn apic_word(machine: &Machine, vp: u32, offset: usize) -> u32 {
    let mut page = vec![0_u8; 4096];
    let start = page.as_mut_ptr().cast();
    let result = call!(
        machine.api,
        WHvGetVirtualProcessorInterruptControllerState2(machine.partition, vp, start, 4096, null_mut())
    );
    assert_eq!(result, S_OK);
    u32::from_le_bytes(page[offset..offset + 4].try_into().expect("four bytes"))
}

/// Enables the APIC of a processor by software.
fn enable(machine: &Machine, vp: u32) {
    let mut page = vec![0_u8; 4096];
    let start = page.as_mut_ptr().cast();
    let get = call!(
        machine.api,
        WHvGetVirtualProcessorInterruptControllerState2(machine.partition, vp, start, 4096, null_mut())
    );
    assert_eq!(get, S_OK);
    page[0xF0..0xF4].copy_from_slice(&0x1FF_u32.to_le_bytes());
    let set = call!(
        machine.api,
        WHvSetVirtualProcessorInterruptControllerState2(machine.partition, vp, page.as_ptr().cast(), 4096)
    );
    assert_eq!(set, S_OK);
}

fn requests_need_an_apic(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, 0x40), ERROR_HV_OPERATION_DENIED);
    assert_eq!(machine.request(WHV_INTERRUPT_TYPE(3), 0, 0x40), ERROR_HV_OPERATION_DENIED);
}

fn vectors_below_sixteen_are_reserved(engine: &Engine) {
    let machine = with_apic(engine, 1);
    for kind in [WHvX64InterruptTypeFixed, WHvX64InterruptTypeLowestPriority] {
        for vector in [0, 15] {
            assert_eq!(machine.request(kind, 0, vector), ERROR_HV_INVALID_PARAMETER, "{kind:?} {vector}");
        }
        assert_eq!(machine.request(kind, 0, 16), S_OK);
        assert_eq!(machine.request(kind, 0, 256), E_INVALIDARG);
    }
}

fn undefined_fields_are_refused(engine: &Engine) {
    let machine = with_apic(engine, 1);
    for kind in [2, 3, 7, 8, 10, 0xFF] {
        assert_eq!(machine.request(WHV_INTERRUPT_TYPE(kind), 0, 0x40), E_INVALIDARG, "{kind}");
    }
    let mut control = WHV_INTERRUPT_CONTROL::default();
    control.set_Vector(0x40);
    let mut destination = control;
    destination.set_DestinationMode(2);
    assert_eq!(machine.request_control(&destination), E_INVALIDARG);
    let mut trigger = control;
    trigger.set_TriggerMode(2);
    assert_eq!(machine.request_control(&trigger), E_INVALIDARG);
    let mut vtl = control;
    vtl.set_TargetVtl(1);
    assert_eq!(machine.request_control(&vtl), E_INVALIDARG);
    assert_eq!(machine.request_control(&control), S_OK);
}

fn the_structure_must_be_whole(engine: &Engine) {
    let machine = with_apic(engine, 1);
    let mut control = WHV_INTERRUPT_CONTROL::default();
    control.set_Vector(0x40);
    let first = &raw const control;
    assert_eq!(call!(engine.api, WHvRequestInterrupt(machine.partition, first, 15)), E_INVALIDARG);
    assert_eq!(call!(engine.api, WHvRequestInterrupt(machine.partition, first, 32)), S_OK);
    assert_eq!(call!(engine.api, WHvRequestInterrupt(machine.partition, null_mut(), 16)), E_POINTER);
}

fn nobody_addressed_is_a_success(engine: &Engine) {
    let machine = with_apic(engine, 1);
    assert_eq!(machine.request(WHvX64InterruptTypeFixed, 77, 0x40), S_OK);
}

fn a_disabled_apic_drops_fixed_interrupts(engine: &Engine) {
    let machine = with_apic(engine, 1);
    assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, 0x45), S_OK);
    assert_eq!(apic_word(&machine, 0, 0x220), 0);
}

fn a_fixed_interrupt_lands_in_the_request_register(engine: &Engine) {
    let machine = with_apic(engine, 2);
    enable(&machine, 0);
    enable(&machine, 1);
    assert_eq!(machine.request(WHvX64InterruptTypeFixed, 1, 0x45), S_OK);
    assert_eq!(apic_word(&machine, 1, 0x220), 1 << 5);
    assert_eq!(apic_word(&machine, 0, 0x220), 0);
    assert_eq!(apic_word(&machine, 1, 0x1A0), 0, "edge-triggered");
    let mut level = WHV_INTERRUPT_CONTROL::default();
    level.set_TriggerMode(1);
    level.set_Vector(0x46);
    level.set_Destination(0xFF);
    assert_eq!(machine.request_control(&level), S_OK);
    for vp in 0..2 {
        assert_eq!(apic_word(&machine, vp, 0x1A0), 1 << 6, "level-triggered, broadcast to {vp}");
    }
}

fn an_nmi_needs_vector_zero(engine: &Engine) {
    let machine = with_apic(engine, 1);
    assert_eq!(machine.request(WHvX64InterruptTypeNmi, 0, 2), E_INVALIDARG);
    assert_eq!(machine.request(WHvX64InterruptTypeNmi, 0, 0), S_OK);
    assert_eq!(apic_word(&machine, 0, 0x200) & 4, 4, "the pending NMI shows in the page");
}

fn local_interrupt_1_must_not_fail(engine: &Engine) {
    let machine = with_apic(engine, 1);
    assert_eq!(machine.request(WHvX64InterruptTypeLocalInt1, 0, 0), S_OK);
}

fn targets(machine: &Machine, destination: u64, mode: u32, room: usize) -> (HRESULT, Vec<u32>, u32) {
    let (mut found, mut count) = (vec![0xAA; room], 0xDEAD);
    let mode = WHV_INTERRUPT_DESTINATION_MODE(mode);
    let first = found.as_mut_ptr();
    let result = call!(
        machine.api,
        WHvGetInterruptTargetVpSet(machine.partition, destination, mode, first, room as u32, &raw mut count)
    );
    (result, found, count)
}

fn targets_are_listed_in_order(engine: &Engine) {
    let machine = with_apic(engine, 3);
    assert_eq!(targets(&machine, 2, 0, 3), (S_OK, vec![2, 0xAA, 0xAA], 1));
    assert_eq!(targets(&machine, 0xFF, 0, 3), (S_OK, vec![0, 1, 2], 3));
    assert_eq!(targets(&machine, 50, 0, 3), (S_OK, vec![0xAA; 3], 0));
    assert_eq!(targets(&machine, 0, 2, 3).0, E_INVALIDARG);
}

fn a_small_target_list_is_insufficient(engine: &Engine) {
    let machine = with_apic(engine, 3);
    assert_eq!(targets(&machine, 0xFF, 0, 2), (WHV_E_INSUFFICIENT_BUFFER, vec![0xAA; 2], 3));
    assert_eq!(
        targets(&machine, 1, 0, 1),
        (S_OK, vec![1], 1),
        "less room than processors is fine if it fits"
    );
}

fn targets_need_an_apic(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    assert_eq!(targets(&machine, 0, 0, 1).0, ERROR_HV_OPERATION_DENIED);
}
