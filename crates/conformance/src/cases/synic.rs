//! Events, messages, timers and the state of the synthetic interrupt controller.

use std::ptr::null_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::synthetic::*;
use super::synthetic_msr::isr;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::word;

cases! { "synic":
    event_arguments_are_checked from "functions.md 7.1",
    message_arguments_are_checked from "functions.md 7.2",
    a_partition_without_synic_cannot_receive from "functions.md 7.1, 7.2",
    an_event_needs_controller_page_and_source from "interrupts-and-notifications.md 3.2",
    an_event_sets_its_flag_and_interrupts_once from "interrupts-and-notifications.md 3.2",
    a_polled_source_takes_events_silently from "interrupts-and-notifications.md 3.2",
    an_event_wakes_a_halted_processor from "exits.md 2.9, interrupts-and-notifications.md 3.2",
    auto_eoi_leaves_nothing_in_service from "interrupts-and-notifications.md 3.2",
    a_message_fills_its_slot from "interrupts-and-notifications.md 3.3",
    an_occupied_slot_refuses_and_asks_for_its_end from "interrupts-and-notifications.md 3.3",
    a_masked_source_receives_messages_silently from "interrupts-and-notifications.md 3.3",
    a_free_slot_is_reported_when_asked_for from "exits.md 2.16, 5.4",
    an_emptied_slot_is_reported_after_its_end from "exits.md 2.16, interrupts-and-notifications.md 3.3",
    notifications_of_sources_need_a_synic from "exits.md 5.4",
    a_timer_sends_a_message from "interrupts-and-notifications.md 3.4",
    a_direct_timer_interrupts from "interrupts-and-notifications.md 3.4",
    a_periodic_timer_goes_on from "interrupts-and-notifications.md 3.4",
    the_assist_page_waives_an_end from "interrupts-and-notifications.md 3.1",
    pages_are_saved_and_restored from "state.md 7.3, 7.5",
    timers_are_saved_and_restored from "state.md 7.5",
    state_without_synic_is_absent from "state.md 7.3",
}

const SINT2: u32 = 0x4000_0092;
const SLOT2: u64 = MESSAGE_PAGE + 2 * 256;

fn try_signal(machine: &Machine, event: WHV_SYNIC_EVENT_PARAMETERS) -> Result<bool, HRESULT> {
    let mut is_new = openwhp_abi::windows::BOOL::from(false);
    let result =
        call!(machine.api, WHvSignalVirtualProcessorSynicEvent(machine.partition, event, &raw mut is_new));
    if result == S_OK { Ok(is_new != openwhp_abi::windows::BOOL::from(false)) } else { Err(result) }
}

fn signal(machine: &Machine, flag: u16) -> Result<bool, HRESULT> {
    let event = WHV_SYNIC_EVENT_PARAMETERS { TargetSint: 2, FlagNumber: flag, ..Default::default() };
    try_signal(machine, event)
}

fn post_bytes(machine: &Machine, vp: u32, sint: u32, message: &[u8]) -> HRESULT {
    let (start, size) = (message.as_ptr().cast(), message.len() as u32);
    call!(machine.api, WHvPostVirtualProcessorSynicMessage(machine.partition, vp, sint, start, size))
}

/// Posts a whole message of a type to source 2.
fn post(machine: &Machine, kind: u32) -> HRESULT {
    let mut message = [0x77_u8; 256];
    message[..4].copy_from_slice(&kind.to_le_bytes());
    message[4..8].copy_from_slice(&[240, 0, 0, 0]);
    post_bytes(machine, 0, 2, &message)
}

/// A machine whose guest has switched pages and source 2 on (vector 0x50, plus these bits), and goes on with `then`.
fn receiving(engine: &Engine, bits: u64, then: Code) -> Machine {
    let mut code = Code::default()
        .enable_apic()
        .wrmsr(0x4000_0082, EVENT_PAGE | 1)
        .wrmsr(0x4000_0083, MESSAGE_PAGE | 1)
        .wrmsr(SINT2, 0x50 | bits)
        .out();
    code.0.extend(then.0);
    let machine = machine(engine, USUAL, code);
    run(&machine);
    machine
}

fn event_arguments_are_checked(engine: &Engine) {
    let machine = receiving(engine, 0, Code::default());
    let event = WHV_SYNIC_EVENT_PARAMETERS { TargetSint: 2, ..Default::default() };
    assert_eq!(try_signal(&machine, event), Ok(true));
    let bad = |event| try_signal(&machine, event).err();
    assert_eq!(bad(WHV_SYNIC_EVENT_PARAMETERS { TargetVtl: 1, ..event }), Some(E_INVALIDARG));
    assert_eq!(bad(WHV_SYNIC_EVENT_PARAMETERS { VpIndex: 5, ..event }), Some(WHV_E_VP_DOES_NOT_EXIST));
    assert_eq!(bad(WHV_SYNIC_EVENT_PARAMETERS { TargetSint: 16, ..event }), Some(ERROR_HV_INVALID_PARAMETER));
    assert_eq!(
        bad(WHV_SYNIC_EVENT_PARAMETERS { FlagNumber: 2048, ..event }),
        Some(ERROR_HV_INVALID_PARAMETER)
    );
}

fn message_arguments_are_checked(engine: &Engine) {
    let machine = receiving(engine, 0, Code::default());
    let message = [1_u8; 300];
    assert_eq!(post_bytes(&machine, 0, 16, &message[..16]), ERROR_HV_INVALID_PARAMETER);
    assert_eq!(post_bytes(&machine, 0, 2, &message[..0]), E_INVALIDARG);
    assert_eq!(post_bytes(&machine, 0, 2, &message[..257]), E_INVALIDARG);
    assert_eq!(post_bytes(&machine, 1, 2, &message[..16]), WHV_E_VP_DOES_NOT_EXIST);
    assert_eq!(post(&machine, 0), E_INVALIDARG, "type 0 is an empty slot");
    let null =
        call!(engine.api, WHvPostVirtualProcessorSynicMessage(machine.partition, 0, 2, null_mut(), 16));
    assert_eq!(null, E_POINTER);
}

fn a_partition_without_synic_cannot_receive(engine: &Engine) {
    let machine = machine(engine, 0, Code::default());
    assert_eq!(signal(&machine, 0), Err(ERROR_HV_INVALID_SYNIC_STATE));
    assert_eq!(post(&machine, 1), ERROR_HV_INVALID_SYNIC_STATE);
}

fn an_event_needs_controller_page_and_source(engine: &Engine) {
    let machine = receiving(engine, 0, Code::default());
    for (name, off) in [(WHvRegisterScontrol, 0), (WHvRegisterSiefp, EVENT_PAGE), (WHvRegisterSint2, 0x10050)]
    {
        let on = machine.get64(0, name);
        machine.set64(0, name, off);
        assert_eq!(signal(&machine, 9), Err(ERROR_HV_INVALID_SYNIC_STATE), "{name:?}");
        machine.set64(0, name, on);
    }
    assert_eq!(word_at(&machine, EVENT_PAGE + 512), 0);
    assert_eq!(signal(&machine, 9), Ok(true));
}

fn an_event_sets_its_flag_and_interrupts_once(engine: &Engine) {
    let machine = receiving(engine, 0, Code::default().wait());
    assert_eq!(signal(&machine, 70), Ok(true));
    assert_eq!(signal(&machine, 70), Ok(false));
    assert_eq!(word_at(&machine, EVENT_PAGE + 512 + 8), 1 << 6);
    assert_eq!(machine.memory.read(EVENT_PAGE + 512, 16), [0; 16], "the page is the engine's own");
    run_to_handler(&machine);
    assert_eq!(isr(&machine)[2], 1 << 16);
}

fn a_polled_source_takes_events_silently(engine: &Engine) {
    let machine = receiving(engine, 1 << 18, Code::default().sti_nop().out());
    assert_eq!(signal(&machine, 1), Ok(true));
    run(&machine);
    assert_eq!(word_at(&machine, EVENT_PAGE + 512), 2);
}

fn an_event_wakes_a_halted_processor(engine: &Engine) {
    let machine = receiving(engine, 0, Code::default().wait());
    let context = machine.while_parked(0, || assert_eq!(signal(&machine, 3), Ok(true)));
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonX64IoPortAccess);
    assert_eq!(context.IoPortAccess().PortNumber, 0x81, "the handler");
}

fn auto_eoi_leaves_nothing_in_service(engine: &Engine) {
    let machine = receiving(engine, 1 << 17, Code::default().wait());
    assert_eq!(signal(&machine, 0), Ok(true));
    run_to_handler(&machine);
    assert_eq!(isr(&machine), [0; 8]);
}

fn a_message_fills_its_slot(engine: &Engine) {
    let machine = receiving(engine, 0, Code::default().wait());
    assert_eq!(post(&machine, 5), S_OK);
    assert_eq!(word_at(&machine, SLOT2), 240 << 32 | 5);
    assert_eq!(word_at(&machine, SLOT2 + 248), 0x7777_7777_7777_7777);
    assert_eq!(word_at(&machine, SLOT2 + 256), 0);
    run_to_handler(&machine);
    assert_eq!(post_bytes(&machine, 0, 3, &[1, 2, 3]), S_OK, "short messages are fine");
    assert_eq!(word_at(&machine, SLOT2 + 256), 0x03_0201);
}

fn an_occupied_slot_refuses_and_asks_for_its_end(engine: &Engine) {
    let machine = receiving(engine, 0, Code::default().store(SLOT2, 0).out());
    assert_eq!(post(&machine, 1), S_OK);
    assert_eq!(post(&machine, 2), ERROR_HV_OBJECT_IN_USE);
    assert_eq!(word_at(&machine, SLOT2), 1 << 40 | 240 << 32 | 1, "the message-pending flag");
    run(&machine);
    assert_eq!(post(&machine, 2), S_OK);
}

fn a_masked_source_receives_messages_silently(engine: &Engine) {
    let machine = receiving(engine, 1 << 16, Code::default().sti_nop().out());
    assert_eq!(post(&machine, 4), S_OK);
    run(&machine);
    assert_eq!(word_at(&machine, SLOT2) as u32, 4);
}

/// Asks for the report of sources.
fn ask_for(machine: &Machine, sints: u64) {
    machine.set64(0, WHvX64RegisterDeliverabilityNotifications, sints << 48);
}

fn a_free_slot_is_reported_when_asked_for(engine: &Engine) {
    let machine = receiving(engine, 0, Code::default().out());
    assert_eq!(post(&machine, 1), S_OK);
    ask_for(&machine, 0b1110);
    let context = machine.run_to(0, WHvRunVpExitReasonSynicSintDeliverable);
    assert_eq!(context.SynicSintDeliverable().DeliverableSints, 0b1010);
    assert_eq!(machine.get64(0, WHvX64RegisterDeliverabilityNotifications), 0b0100 << 48);
    run(&machine);
}

fn an_emptied_slot_is_reported_after_its_end(engine: &Engine) {
    let then = Code::default().out().store(SLOT2, 0).out().wrmsr(0x4000_0084, 0).out();
    let machine = receiving(engine, 0, then);
    assert_eq!(post(&machine, 1), S_OK);
    assert_eq!(post(&machine, 2), ERROR_HV_OBJECT_IN_USE);
    ask_for(&machine, 0b100);
    run(&machine);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess).IoPortAccess().PortNumber, 0x80);
    // Emptied before the next run: reported at once.
    let context = machine.run_to(0, WHvRunVpExitReasonSynicSintDeliverable);
    assert_eq!(context.SynicSintDeliverable().DeliverableSints, 0b100);
    assert_eq!(post(&machine, 2), S_OK);
    // And in the middle of a run, when the guest says so.
    let then = Code::default().store(SLOT2, 0).wrmsr(0x4000_0084, 0).out();
    let machine = receiving(engine, 0, then);
    assert_eq!(post(&machine, 1), S_OK);
    ask_for(&machine, 0b100);
    machine.run_to(0, WHvRunVpExitReasonSynicSintDeliverable);
    run(&machine);
}

fn notifications_of_sources_need_a_synic(engine: &Engine) {
    let machine = machine(engine, INTERFACE, Code::default());
    let asked = machine.try_set(0, &[(WHvX64RegisterDeliverabilityNotifications, word(1 << 50))]);
    assert_eq!(asked, ERROR_HV_INVALID_PARAMETER);
}

fn a_timer_sends_a_message(engine: &Engine) {
    // Source 2, enabled by its count; one millisecond of absolute time has long passed or soon will.
    let then = Code::default().wrmsr(0x4000_00B0, 2 << 16 | 1 << 3).wrmsr(0x4000_00B1, 10_000).wait();
    let machine = receiving(engine, 0, then);
    run_to_handler(&machine);
    assert_eq!(word_at(&machine, SLOT2), 24 << 32 | 0x8000_0010);
    assert_eq!(word_at(&machine, SLOT2 + 16), 0, "timer 0");
    assert_eq!(word_at(&machine, SLOT2 + 24), 10_000, "when it expired");
    let delivered = word_at(&machine, SLOT2 + 32);
    let now: u64 = machine.property(WHvPartitionPropertyCodeReferenceTime);
    assert!((10_000..=now).contains(&delivered));
}

fn a_direct_timer_interrupts(engine: &Engine) {
    let direct = 1 << 12 | 0x50 << 4;
    let then = Code::default().wrmsr(0x4000_00B2, direct | 1 << 3).wrmsr(0x4000_00B3, 1).wait();
    let machine = receiving(engine, 1 << 16, then);
    run_to_handler(&machine);
    assert_eq!(word_at(&machine, SLOT2), 0);
    let without = Code::default().wrmsr(0x4000_00B2, direct);
    let machine = configured(engine, USUAL & !(1 << 22), without, |machine| {
        machine.enable_exits(|exits| exits.set_ExceptionExit(1));
        machine.configure(WHvPartitionPropertyCodeExceptionExitBitmap, &(1_u64 << 13));
    });
    machine.run_to(0, WHvRunVpExitReasonException);
}

fn a_periodic_timer_goes_on(engine: &Engine) {
    let periodic = 1 << 12 | 0x50 << 4 | 1 << 1 | 1 << 3;
    let then = Code::default().wrmsr(0x4000_00B6, periodic).wrmsr(0x4000_00B7, 5_000).wait();
    let machine = receiving(engine, 1 << 16, then);
    // The handler: leave, end the interrupt, go back.
    let mut handler = vec![0xE6, 0x81];
    handler.extend(Code::default().wrmsr(0x4000_0070, 0).0);
    handler.push(0xCF);
    super::apic_exits::gate(&machine, 0x50, &handler);
    for _ in 0..3 {
        run_to_handler(&machine);
        step_over_port(&machine);
    }
}

fn the_assist_page_waives_an_end(engine: &Engine) {
    let then = Code::default().wrmsr(0x4000_0073, 0x8001).wait();
    let machine = receiving(engine, 0, then);
    // The handler: leave with the interrupt in service, take note that no end is required, go back.
    let handler = [0xE6, 0x81, 0x0F, 0xBA, 0x35, 0, 0x80, 0, 0, 0, 0xCF]; // out; btr dword [0x8000], 0; iret
    super::apic_exits::gate(&machine, 0x50, &handler);
    assert_eq!(signal(&machine, 1), Ok(true));
    run_to_handler(&machine);
    assert_eq!(word_at(&machine, 0x8000) as u32, 1);
    step_over_port(&machine);
    let context = std::thread::scope(|scope| {
        let runner = scope.spawn(|| machine.try_run(0));
        while word_at(&machine, 0x8000) as u32 == 1 {
            std::thread::yield_now();
        }
        machine.cancel(0);
        runner.join().expect("the thread ends").expect("the processor runs")
    });
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
    assert_eq!(isr(&machine), [0; 8], "the end was taken as said");
    assert_eq!(signal(&machine, 2), Ok(true));
    run_to_handler(&machine);
    assert_eq!(isr(&machine)[2], 1 << 16);
    assert_eq!(word_at(&machine, 0x8000) as u32, 0, "who reads the state gets a guest that ends it");
}

fn state(machine: &Machine, kind: WHV_VIRTUAL_PROCESSOR_STATE_TYPE, size: usize) -> Result<Vec<u8>, HRESULT> {
    let mut bytes = vec![0; size];
    let mut written = 0;
    let (start, len) = (bytes.as_mut_ptr().cast(), size as u32);
    let result = call!(
        machine.api,
        WHvGetVirtualProcessorState(machine.partition, 0, kind, start, len, &raw mut written)
    );
    if result != S_OK {
        return Err(result);
    }
    assert_eq!(written as usize, size);
    Ok(bytes)
}

fn set_state(machine: &Machine, kind: WHV_VIRTUAL_PROCESSOR_STATE_TYPE, bytes: &[u8]) -> HRESULT {
    let (start, len) = (bytes.as_ptr().cast(), bytes.len() as u32);
    call!(machine.api, WHvSetVirtualProcessorState(machine.partition, 0, kind, start, len))
}

fn pages_are_saved_and_restored(engine: &Engine) {
    let machine = receiving(engine, 0, Code::default());
    assert_eq!(post(&machine, 6), S_OK);
    assert_eq!(signal(&machine, 8), Ok(true));
    let messages = state(&machine, WHvVirtualProcessorStateTypeSynicMessagePage, 4096).expect("messages");
    let events = state(&machine, WHvVirtualProcessorStateTypeSynicEventFlagPage, 4096).expect("events");
    assert_eq!((messages[512], messages[512 + 255], events[513]), (6, 0x77, 1));
    let other = super::synthetic::machine(engine, USUAL, Code::default());
    assert_eq!(set_state(&other, WHvVirtualProcessorStateTypeSynicMessagePage, &messages), S_OK);
    assert_eq!(set_state(&other, WHvVirtualProcessorStateTypeSynicEventFlagPage, &events), S_OK);
    assert_eq!(word_at(&other, SLOT2), 0, "the pages are off");
    other.set64(0, WHvRegisterSimp, MESSAGE_PAGE | 1);
    other.set64(0, WHvRegisterSiefp, EVENT_PAGE | 1);
    assert_eq!(word_at(&other, SLOT2) as u32, 6);
    assert_eq!(word_at(&other, EVENT_PAGE + 512), 1 << 8);
    assert_eq!(
        set_state(&other, WHvVirtualProcessorStateTypeSynicMessagePage, &messages[..100]),
        E_INVALIDARG
    );
}

fn timers_are_saved_and_restored(engine: &Engine) {
    let far = u64::MAX / 1000;
    let then = Code::default()
        .wrmsr(0x4000_00B0, 2 << 16 | 1 << 3)
        .wrmsr(0x4000_00B1, far)
        .wrmsr(0x4000_00B4, 3 << 16 | 2)
        .out();
    let machine = receiving(engine, 0, then);
    run(&machine);
    let saved = state(&machine, WHvVirtualProcessorStateTypeSynicTimerState, 200).expect("timers");
    let word = |at: usize| u64::from_le_bytes(saved[at..at + 8].try_into().expect("8 bytes"));
    assert_eq!((word(8), word(16), word(88)), (2 << 16 | 1 << 3 | 1, far, 3 << 16 | 2));
    let other = super::synthetic::machine(engine, USUAL, Code::default());
    assert_eq!(set_state(&other, WHvVirtualProcessorStateTypeSynicTimerState, &saved), S_OK);
    assert_eq!(state(&other, WHvVirtualProcessorStateTypeSynicTimerState, 200), Ok(saved.clone()));
    assert_eq!(set_state(&other, WHvVirtualProcessorStateTypeSynicTimerState, &saved[..199]), E_INVALIDARG);
}

fn state_without_synic_is_absent(engine: &Engine) {
    let machine = machine(engine, INTERFACE, Code::default());
    for (kind, size) in [
        (WHvVirtualProcessorStateTypeSynicMessagePage, 4096),
        (WHvVirtualProcessorStateTypeSynicEventFlagPage, 4096),
        (WHvVirtualProcessorStateTypeSynicTimerState, 200),
    ] {
        assert_eq!(state(&machine, kind, size), Err(ERROR_HV_FEATURE_UNAVAILABLE));
        assert_eq!(set_state(&machine, kind, &vec![0; size]), ERROR_HV_FEATURE_UNAVAILABLE);
    }
}
