//! Doorbells.

use std::ptr::null_mut;
use std::ptr::without_provenance_mut;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use openwhp_abi::hresult::*;
use openwhp_abi::windows::HANDLE;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::Item;
use crate::Machine;
use crate::call;
use crate::event::Event;
use crate::machine::CODE;
use crate::machine::RWX;

cases! { "doorbell":
    match_data_is_checked from "functions.md 6.1, interrupts-and-notifications.md 4",
    conflicting_doorbells_are_refused from "interrupts-and-notifications.md 4",
    only_exact_match_data_unregisters from "functions.md 6.2",
    a_matching_store_sets_the_event_and_completes from "interrupts-and-notifications.md 4",
    length_and_value_decide from "interrupts-and-notifications.md 4",
    several_values_at_one_address_have_their_own_events from "interrupts-and-notifications.md 4",
    everything_else_in_the_page_exits_as_unmapped from "interrupts-and-notifications.md 4, Q42"
        covers [Item::Ability("Q42")],
    read_modify_writes_exit_and_ring_nothing from "interrupts-and-notifications.md 4, Q43"
        covers [Item::Ability("Q43")],
    what_is_mapped_beneath_comes_back from "interrupts-and-notifications.md 4",
    the_event_handle_may_be_closed_at_once from "functions.md 6.1",
    signals_of_a_set_event_coalesce from "interrupts-and-notifications.md 4, Q1" covers [Item::Ability("Q1")],
    doorbells_survive_a_reset from "interrupts-and-notifications.md 4, 9.2",
    clients_do_not_read_or_write_doorbell_pages from "functions.md 2.7",
    after_unregistering_nothing_rings from "functions.md 6.2",
    processors_ring_while_registrations_change from "functions.md 0.4",
}

/// The page of the doorbells.
const PAGE: u64 = 0x5000;

pub(super) fn doorbell(address: u64, length: Option<u32>, value: Option<u64>) -> WHV_DOORBELL_MATCH_DATA {
    let mut data = WHV_DOORBELL_MATCH_DATA::default();
    data.set_GuestAddress(address);
    data.set_Length(length.unwrap_or(0));
    data.set_Value(value.unwrap_or(0));
    data.set_MatchOnLength(u32::from(length.is_some()));
    data.set_MatchOnValue(u32::from(value.is_some()));
    data
}

fn register(machine: &Machine, data: &WHV_DOORBELL_MATCH_DATA, event: HANDLE) -> HRESULT {
    let data = std::ptr::from_ref(data);
    call!(machine.api, WHvRegisterPartitionDoorbellEvent(machine.partition, data, event))
}

fn unregister(machine: &Machine, data: &WHV_DOORBELL_MATCH_DATA) -> HRESULT {
    call!(machine.api, WHvUnregisterPartitionDoorbellEvent(machine.partition, std::ptr::from_ref(data)))
}

/// Runs `code`, which ends with HLT, to that end.
fn run(machine: &Machine, code: &[u8]) {
    machine.memory.write(CODE, code);
    machine.set64(0, WHvX64RegisterRip, CODE);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

/// Runs `code`, whose first instruction exits as an access to unmapped memory.
fn exits(machine: &Machine, code: &[u8], gpa: u64, access: WHV_MEMORY_ACCESS_TYPE) {
    machine.memory.write(CODE, code);
    machine.set64(0, WHvX64RegisterRip, CODE);
    let context = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!(context.Gpa, gpa);
    let info = context.AccessInfo;
    assert_eq!((info.GpaUnmapped(), info.AccessType()), (1, access.0));
}

fn match_data_is_checked(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    let event = Event::new();
    let mut reserved = doorbell(PAGE, Some(4), None);
    reserved.set_Reserved(1);
    let mut length_unmatched = doorbell(PAGE, None, None);
    length_unmatched.set_Length(4);
    let mut value_unmatched = doorbell(PAGE, Some(4), None);
    value_unmatched.set_Value(1);
    for bad in [
        reserved,
        length_unmatched,
        value_unmatched,
        doorbell(PAGE, Some(0), None),
        doorbell(PAGE, Some(3), None),
        doorbell(PAGE, Some(16), None),
        doorbell(PAGE, Some(1), Some(0x100)),
        doorbell(PAGE, Some(4), Some(1 << 32)),
        doorbell(PAGE, None, Some(5)),
        doorbell(PAGE + 0xFFE, Some(4), None),
    ] {
        assert_eq!(register(&machine, &bad, event.handle()), E_INVALIDARG, "{bad:?}");
        assert_eq!(unregister(&machine, &bad), E_INVALIDARG, "{bad:?}");
    }
    let good = doorbell(PAGE, Some(4), None);
    assert_eq!(register(&machine, &good, without_provenance_mut(0x7FFF_0000)), E_HANDLE);
    assert_eq!(register(&machine, &good, null_mut()), E_HANDLE);
    let null =
        call!(engine.api, WHvRegisterPartitionDoorbellEvent(machine.partition, null_mut(), null_mut()));
    assert_eq!(null, E_POINTER);
    let null = call!(engine.api, WHvUnregisterPartitionDoorbellEvent(machine.partition, null_mut()));
    assert_eq!(null, E_POINTER);
    assert_eq!(register(&machine, &good, event.handle()), S_OK);
    let odd = doorbell(PAGE + 0x801, Some(8), Some(u64::MAX));
    assert_eq!(register(&machine, &odd, event.handle()), S_OK, "any alignment");
}

fn conflicting_doorbells_are_refused(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    let event = Event::new();
    let register = |data: &WHV_DOORBELL_MATCH_DATA| register(&machine, data, event.handle());
    let one = doorbell(PAGE, Some(4), Some(1));
    assert_eq!(register(&one), S_OK);
    assert_eq!(register(&one), ERROR_HV_INVALID_PARAMETER, "identical");
    assert_eq!(register(&doorbell(PAGE, Some(2), Some(2))), ERROR_HV_INVALID_PARAMETER, "another length");
    assert_eq!(register(&doorbell(PAGE, Some(4), None)), ERROR_HV_INVALID_PARAMETER, "any value");
    assert_eq!(register(&doorbell(PAGE, None, None)), ERROR_HV_INVALID_PARAMETER, "anything");
    assert_eq!(register(&doorbell(PAGE, Some(4), Some(2))), S_OK, "another value");
    assert_eq!(register(&doorbell(PAGE + 2, Some(4), None)), S_OK, "another address, overlapping");
    assert_eq!(register(&doorbell(PAGE + 2, Some(4), Some(1))), ERROR_HV_INVALID_PARAMETER);
    assert_eq!(unregister(&machine, &one), S_OK);
    assert_eq!(register(&one), S_OK);
}

fn only_exact_match_data_unregisters(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    let event = Event::new();
    let data = doorbell(PAGE, Some(4), Some(1));
    let not_found = HRESULT_FROM_WIN32_ERROR_NOT_FOUND;
    assert_eq!(unregister(&machine, &data), not_found);
    assert_eq!(register(&machine, &data, event.handle()), S_OK);
    for other in [
        doorbell(PAGE, Some(4), Some(2)),
        doorbell(PAGE, Some(4), None),
        doorbell(PAGE, None, None),
        doorbell(PAGE + 4, Some(4), Some(1)),
        doorbell(PAGE, Some(8), Some(1)),
    ] {
        assert_eq!(unregister(&machine, &other), not_found, "{other:?}");
    }
    assert_eq!(unregister(&machine, &data), S_OK);
    assert_eq!(unregister(&machine, &data), not_found);
}

/// A machine with a doorbell of 2 bytes in the middle of its memory.
fn with_doorbell(engine: &Engine, data: &WHV_DOORBELL_MATCH_DATA, event: &Event) -> Machine {
    let machine = Machine::real_mode(engine, &[], |_| ());
    assert_eq!(register(&machine, data, event.handle()), S_OK);
    machine
}

fn a_matching_store_sets_the_event_and_completes(engine: &Engine) {
    let event = Event::new();
    let machine = with_doorbell(engine, &doorbell(PAGE, Some(2), None), &event);
    machine.memory.write(PAGE, &[0xEE; 8]);
    // mov [0x5000], ax; inc bx; hlt
    let code = [0xA3, 0, 0x50, 0x43, 0xF4];
    run(&machine, &code);
    assert!(event.take() && !event.take());
    assert_eq!(machine.get64(0, WHvX64RegisterRip), CODE + code.len() as u64);
    assert_eq!(machine.get64(0, WHvX64RegisterRbx), 1);
    assert_eq!(machine.memory.read(PAGE, 8), [0xEE; 8], "nothing is written beneath");
}

fn length_and_value_decide(engine: &Engine) {
    let (any, sized, valued) = (Event::new(), Event::new(), Event::new());
    let machine = with_doorbell(engine, &doorbell(PAGE, None, None), &any);
    assert_eq!(register(&machine, &doorbell(PAGE + 0x10, Some(2), None), sized.handle()), S_OK);
    assert_eq!(register(&machine, &doorbell(PAGE + 0x20, Some(4), Some(0x0102_0304)), valued.handle()), S_OK);
    let rung = || [any.take(), sized.take(), valued.take()];
    // mov byte [0x5000], 1; hlt - mov word [0x5000], 1; hlt - mov dword [0x5000], 1; hlt
    for code in [
        &[0xC6, 6, 0, 0x50, 1, 0xF4][..],
        &[0xC7, 6, 0, 0x50, 1, 0, 0xF4],
        &[0x66, 0xC7, 6, 0, 0x50, 1, 0, 0, 0, 0xF4],
    ] {
        run(&machine, code);
        assert_eq!(rung(), [true, false, false]);
    }
    // mov [0x5010], ax; hlt - mov [0x5010], al
    run(&machine, &[0xA3, 0x10, 0x50, 0xF4]);
    assert_eq!(rung(), [false, true, false]);
    exits(&machine, &[0xA2, 0x10, 0x50], PAGE + 0x10, WHvMemoryAccessWrite);
    // mov dword [0x5020], 0x01020304; hlt - the same with another value, and as a word
    run(&machine, &[0x66, 0xC7, 6, 0x20, 0x50, 4, 3, 2, 1, 0xF4]);
    assert_eq!(rung(), [false, false, true]);
    exits(&machine, &[0x66, 0xC7, 6, 0x20, 0x50, 5, 3, 2, 1], PAGE + 0x20, WHvMemoryAccessWrite);
    exits(&machine, &[0xC7, 6, 0x20, 0x50, 4, 3], PAGE + 0x20, WHvMemoryAccessWrite);
    assert_eq!(rung(), [false; 3]);
}

fn several_values_at_one_address_have_their_own_events(engine: &Engine) {
    let events = [Event::new(), Event::new(), Event::new()];
    let machine = Machine::real_mode(engine, &[], |_| ());
    for (value, event) in (0_u8..).zip(&events) {
        let data = doorbell(PAGE, Some(1), Some(u64::from(value)));
        assert_eq!(register(&machine, &data, event.handle()), S_OK);
    }
    // mov byte [0x5000], 2; mov byte [0x5000], 0; hlt
    run(&machine, &[0xC6, 6, 0, 0x50, 2, 0xC6, 6, 0, 0x50, 0, 0xF4]);
    assert_eq!(events.each_ref().map(Event::take), [true, false, true]);
}

fn everything_else_in_the_page_exits_as_unmapped(engine: &Engine) {
    let event = Event::new();
    let machine = with_doorbell(engine, &doorbell(PAGE + 8, Some(2), None), &event);
    // A load at the doorbell and elsewhere in the page.
    exits(&machine, &[0xA1, 8, 0x50], PAGE + 8, WHvMemoryAccessRead);
    exits(&machine, &[0xA0, 0, 0x5F], PAGE + 0xF00, WHvMemoryAccessRead);
    // Stores beside it, into it, and across the end of the page.
    exits(&machine, &[0xA2, 0, 0x50], PAGE, WHvMemoryAccessWrite);
    exits(&machine, &[0xA2, 9, 0x50], PAGE + 9, WHvMemoryAccessWrite);
    exits(&machine, &[0xA3, 7, 0x50], PAGE + 7, WHvMemoryAccessWrite);
    exits(&machine, &[0xA3, 0xFF, 0x5F], PAGE + 0xFFF, WHvMemoryAccessWrite);
    // A fetch.
    machine.set64(0, WHvX64RegisterRip, PAGE + 8);
    let context = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!(context.AccessInfo.AccessType(), WHvMemoryAccessExecute.0);
    assert_eq!(context.AccessInfo.GpaUnmapped(), 1);
    // The pages around it are what they were.
    run(&machine, &[0xA3, 0xFE, 0x4F, 0xA3, 0, 0x60, 0xF4]);
    assert!(!event.take());
}

fn read_modify_writes_exit_and_ring_nothing(engine: &Engine) {
    let event = Event::new();
    let machine = with_doorbell(engine, &doorbell(PAGE, Some(2), None), &event);
    machine.set64(0, WHvX64RegisterRax, 0);
    // inc word [0x5000] - xchg [0x5000], ax - lock add [0x5000], ax
    for code in [&[0xFF, 6, 0, 0x50][..], &[0x87, 6, 0, 0x50], &[0xF0, 1, 6, 0, 0x50]] {
        machine.memory.write(CODE, code);
        machine.set64(0, WHvX64RegisterRip, CODE);
        let context = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
        assert_eq!(context.MemoryAccess().AccessInfo.GpaUnmapped(), 1);
        assert_eq!(context.VpContext().Rip(), CODE);
    }
    assert!(!event.take());
}

fn what_is_mapped_beneath_comes_back(engine: &Engine) {
    let event = Event::new();
    let (one, two) = (doorbell(PAGE, Some(2), None), doorbell(PAGE + 4, None, None));
    let machine = with_doorbell(engine, &one, &event);
    assert_eq!(register(&machine, &two, event.handle()), S_OK);
    machine.memory.write(PAGE, &[0x34, 0x12]);
    machine.memory.write(0x9000, &[0x78, 0x56]);
    // mov ax, [0x5000]; hlt
    let load = [0xA1, 0, 0x50, 0xF4];
    exits(&machine, &load, PAGE, WHvMemoryAccessRead);
    assert_eq!(unregister(&machine, &one), S_OK);
    exits(&machine, &load, PAGE, WHvMemoryAccessRead);
    assert_eq!(unregister(&machine, &two), S_OK);
    run(&machine, &load);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0x1234);
    // What is mapped and unmapped meanwhile counts.
    assert_eq!(register(&machine, &one, event.handle()), S_OK);
    assert_eq!(machine.map(PAGE, 0x9000, 0x1000, RWX), S_OK);
    exits(&machine, &load, PAGE, WHvMemoryAccessRead);
    assert_eq!(unregister(&machine, &one), S_OK);
    run(&machine, &load);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0x5678);
    assert_eq!(register(&machine, &one, event.handle()), S_OK);
    assert_eq!(call!(engine.api, WHvUnmapGpaRange(machine.partition, PAGE, 0x1000)), S_OK);
    assert_eq!(unregister(&machine, &one), S_OK);
    exits(&machine, &load, PAGE, WHvMemoryAccessRead);
}

fn the_event_handle_may_be_closed_at_once(engine: &Engine) {
    let event = Event::new();
    // SAFETY: a new descriptor of the same event.
    let twin = unsafe { libc::dup(event.handle().addr() as i32) };
    let twin = Event::adopt(without_provenance_mut(usize::try_from(twin).expect("a descriptor")));
    let machine = with_doorbell(engine, &doorbell(PAGE, None, None), &event);
    drop(event);
    run(&machine, &[0xA3, 0, 0x50, 0xF4]);
    assert!(twin.take());
}

fn signals_of_a_set_event_coalesce(engine: &Engine) {
    let event = Event::new();
    let machine = with_doorbell(engine, &doorbell(PAGE, None, None), &event);
    // mov cx, 100; l: mov [0x5000], ax; loop l; hlt
    run(&machine, &[0xB9, 100, 0, 0xA3, 0, 0x50, 0xE2, 0xFB, 0xF4]);
    assert!(event.take());
    assert!(!event.take());
}

fn doorbells_survive_a_reset(engine: &Engine) {
    let event = Event::new();
    let data = doorbell(PAGE, None, None);
    let machine = with_doorbell(engine, &data, &event);
    assert_eq!(call!(engine.api, WHvResetPartition(machine.partition)), S_OK);
    machine.enter_real_mode(0);
    machine.set(0, &[(WHvX64RegisterDs, crate::machine::segment(0, 0x93))]);
    run(&machine, &[0xA3, 0, 0x50, 0xF4]);
    assert!(event.take());
    assert_eq!(unregister(&machine, &data), S_OK);
}

fn clients_do_not_read_or_write_doorbell_pages(engine: &Engine) {
    let event = Event::new();
    let data = doorbell(PAGE, None, None);
    let machine = with_doorbell(engine, &data, &event);
    let mut bytes = [0_u8; 2];
    let controls = WHV_ACCESS_GPA_CONTROLS::default();
    let mut access = |is_write: bool| {
        let (partition, start) = (machine.partition, bytes.as_mut_ptr().cast());
        if is_write {
            call!(engine.api, WHvWriteGpaRange(partition, 0, PAGE, controls, start, 2))
        } else {
            call!(engine.api, WHvReadGpaRange(partition, 0, PAGE, controls, start, 2))
        }
    };
    assert_eq!([access(false), access(true)], [E_ACCESSDENIED; 2]);
    assert!(!event.take());
    assert_eq!(unregister(&machine, &data), S_OK);
    assert_eq!([access(false), access(true)], [S_OK; 2]);
}

fn after_unregistering_nothing_rings(engine: &Engine) {
    let event = Event::new();
    let data = doorbell(PAGE, None, None);
    let machine = with_doorbell(engine, &data, &event);
    // l: mov [0x5000], ax; jmp l
    machine.memory.write(CODE, &[0xA3, 0, 0x50, 0xEB, 0xFB]);
    machine.set64(0, WHvX64RegisterRip, CODE);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                machine.run_to(0, WHvRunVpExitReasonCanceled);
            }
        });
        for _ in 0..50 {
            while !event.take() {
                std::thread::yield_now();
            }
            assert_eq!(unregister(&machine, &data), S_OK);
            event.take();
            std::thread::yield_now();
            assert!(!event.take(), "rung after it was unregistered");
            assert_eq!(register(&machine, &data, event.handle()), S_OK);
        }
        is_over.store(true, Ordering::SeqCst);
        machine.cancel(0);
    });
}

fn processors_ring_while_registrations_change(engine: &Engine) {
    const PROCESSORS: u32 = 3;
    let machine = Machine::set_up(engine, PROCESSORS, |_| ());
    machine.map_all();
    // l: mov [bx], ax; jmp l
    machine.memory.write(CODE, &[0x89, 7, 0xEB, 0xFC]);
    let bells: Vec<_> = (0..PROCESSORS)
        .map(|vp| (doorbell(PAGE + u64::from(vp) * 0x1000, Some(2), None), Event::new(), Event::new()))
        .collect();
    for vp in 0..PROCESSORS {
        machine.create_vp(vp);
        machine.enter_real_mode(vp);
        machine.set64(vp, WHvX64RegisterRbx, PAGE + u64::from(vp) * 0x1000);
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for vp in 0..PROCESSORS {
            let (machine, is_over) = (&machine, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    machine.run_to(vp, WHvRunVpExitReasonCanceled);
                }
            });
        }
        for round in 0..60 {
            let (data, event, other) = &bells[round % bells.len()];
            let rung = if round % 2 == 0 { event } else { other };
            assert_eq!(register(&machine, data, rung.handle()), S_OK);
            assert!(rung.wait(30_000), "the processor rings");
            assert_eq!(unregister(&machine, data), S_OK);
            rung.take();
            assert!(bells.iter().all(|(_, event, other)| !event.take() && !other.take()));
        }
        is_over.store(true, Ordering::SeqCst);
        for vp in 0..PROCESSORS {
            machine.cancel(vp);
        }
    });
}
