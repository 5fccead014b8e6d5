//! Triggers.

use std::ptr::null_mut;
use std::ptr::without_provenance_mut;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openwhp_abi::hresult::*;
use openwhp_abi::windows::HANDLE;
use openwhp_abi::x64::*;

use super::cases;
use super::long;
use super::port::with_signals;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::event::Event;
use crate::machine::CODE;
use crate::running::PATIENCE;

cases! { "trigger":
    parameters_are_checked from "functions.md 8.4, interrupts-and-notifications.md 6",
    an_interrupt_trigger_needs_an_apic from "interrupts-and-notifications.md 6",
    synic_triggers_need_no_processor_and_no_synic from "interrupts-and-notifications.md 6",
    a_signal_wakes_a_parked_processor from "interrupts-and-notifications.md 6",
    a_signal_before_the_run_is_seen_by_it from "interrupts-and-notifications.md 6",
    the_library_consumes_the_signal from "interrupts-and-notifications.md 6",
    an_update_changes_the_vector from "functions.md 8.5",
    an_update_keeps_the_type from "functions.md 8.5",
    after_deletion_the_event_is_dead_but_open from "functions.md 8.6, interrupts-and-notifications.md 6",
    closing_the_event_leaves_the_trigger from "interrupts-and-notifications.md 6",
    triggers_survive_a_reset from "interrupts-and-notifications.md 6",
    a_synic_trigger_sets_the_flag_and_interrupts from "interrupts-and-notifications.md 6, 3.2",
    a_partition_with_triggers_can_be_deleted from "interrupts-and-notifications.md 6",
}

/// Where interrupt handlers are.
const HANDLERS: u64 = 0x3000;

fn interrupt(vector: u32) -> WHV_TRIGGER_PARAMETERS {
    let mut control = WHV_INTERRUPT_CONTROL::default();
    control.set_Vector(vector);
    let mut parameters = WHV_TRIGGER_PARAMETERS::default();
    parameters.set_TriggerType(WHvTriggerTypeInterrupt);
    parameters.set_Interrupt(control);
    parameters
}

fn synic(event: WHV_SYNIC_EVENT_PARAMETERS) -> WHV_TRIGGER_PARAMETERS {
    let mut parameters = WHV_TRIGGER_PARAMETERS::default();
    parameters.set_TriggerType(WHvTriggerTypeSynicEvent);
    parameters.set_SynicEvent(event);
    parameters
}

fn create(
    machine: &Machine,
    parameters: &WHV_TRIGGER_PARAMETERS,
) -> Result<(WHV_TRIGGER_HANDLE, Event), HRESULT> {
    let (mut trigger, mut event): (_, HANDLE) = (null_mut(), null_mut());
    let first = std::ptr::from_ref(parameters);
    match call!(machine.api, WHvCreateTrigger(machine.partition, first, &raw mut trigger, &raw mut event)) {
        S_OK => Ok((trigger, Event::adopt(event))),
        code => {
            assert!(trigger.is_null() && event.is_null(), "nothing is written on failure");
            Err(code)
        }
    }
}

fn update(machine: &Machine, parameters: &WHV_TRIGGER_PARAMETERS, trigger: WHV_TRIGGER_HANDLE) -> HRESULT {
    let first = std::ptr::from_ref(parameters);
    call!(machine.api, WHvUpdateTriggerParameters(machine.partition, first, trigger))
}

fn delete(machine: &Machine, trigger: WHV_TRIGGER_HANDLE) -> HRESULT {
    call!(machine.api, WHvDeleteTrigger(machine.partition, trigger))
}

/// Switches the APIC of the processor on, as its software does.
fn enable_apic(machine: &Machine) {
    let mut page = vec![0_u8; 4096];
    let (partition, start) = (machine.partition, page.as_mut_ptr().cast());
    let get = call!(
        machine.api,
        WHvGetVirtualProcessorInterruptControllerState2(partition, 0, start, 4096, null_mut())
    );
    page[0xF0..0xF4].copy_from_slice(&0x1FF_u32.to_le_bytes());
    let start = page.as_ptr().cast();
    let set = call!(machine.api, WHvSetVirtualProcessorInterruptControllerState2(partition, 0, start, 4096));
    assert_eq!((get, set), (S_OK, S_OK));
}

/// A processor with an APIC that waits in HLT with interrupts on; the handler of vector v writes v - 0x40 to port 0x10
/// and stops interrupts.
fn waiting(engine: &Engine) -> Machine {
    // sti; l: hlt; jmp l
    let machine = Machine::real_mode(engine, &[0xFB, 0xF4, 0xEB, 0xFD], |machine| {
        machine.use_apic(WHvX64LocalApicEmulationModeXApic);
    });
    enable_apic(&machine);
    for vector in 0..8_u8 {
        let at = HANDLERS + u64::from(vector) * 0x10;
        machine.memory.write((0x40 + u64::from(vector)) * 4, &(at as u32).to_le_bytes());
        // mov al, vector; out 0x10, al; hlt
        machine.memory.write(at, &[0xB0, vector, 0xE6, 0x10, 0xF4]);
    }
    machine
}

/// Runs to the handler's port access; gives what it wrote.
fn handled(machine: &Machine) -> u64 {
    machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess).IoPortAccess().Rax & 0xFF
}

/// Lets the processor wait again, its APIC idle.
fn again(machine: &Machine) {
    enable_idle(machine);
    machine.set64(0, WHvX64RegisterRip, CODE);
}

/// Clears what is in service.
fn enable_idle(machine: &Machine) {
    let mut page = vec![0_u8; 4096];
    let (partition, start) = (machine.partition, page.as_mut_ptr().cast());
    let get = call!(
        machine.api,
        WHvGetVirtualProcessorInterruptControllerState2(partition, 0, start, 4096, null_mut())
    );
    page[0x100..0x180].fill(0);
    let start = page.as_ptr().cast();
    let set = call!(machine.api, WHvSetVirtualProcessorInterruptControllerState2(partition, 0, start, 4096));
    assert_eq!((get, set), (S_OK, S_OK));
}

fn parameters_are_checked(engine: &Engine) {
    let machine = Machine::set_up(engine, 2, |machine| machine.use_apic(WHvX64LocalApicEmulationModeXApic));
    let with = |change: fn(&mut WHV_TRIGGER_PARAMETERS)| {
        let mut parameters = interrupt(0x40);
        change(&mut parameters);
        parameters
    };
    let control = |change: fn(&mut WHV_INTERRUPT_CONTROL)| {
        let mut control = interrupt(0x40).Interrupt();
        change(&mut control);
        let mut parameters = interrupt(0x40);
        parameters.set_Interrupt(control);
        parameters
    };
    let good = WHV_SYNIC_EVENT_PARAMETERS { VpIndex: 1, TargetSint: 15, TargetVtl: 0, FlagNumber: 2047 };
    for bad in [
        with(|it| it.set_TriggerType(WHV_TRIGGER_TYPE(3))),
        with(|it| it.set_Reserved(1)),
        interrupt(15),
        interrupt(256),
        control(|it| it.set_Type(3)),
        control(|it| it.set_DestinationMode(2)),
        control(|it| it.set_TriggerMode(2)),
        control(|it| it.set_TargetVtl(1)),
        control(|it| it.set_Type(4)),
        synic(WHV_SYNIC_EVENT_PARAMETERS { VpIndex: 2, ..good }),
        synic(WHV_SYNIC_EVENT_PARAMETERS { TargetSint: 16, ..good }),
        synic(WHV_SYNIC_EVENT_PARAMETERS { TargetVtl: 1, ..good }),
        synic(WHV_SYNIC_EVENT_PARAMETERS { FlagNumber: 2048, ..good }),
    ] {
        assert_eq!(create(&machine, &bad).map(|_| ()), Err(E_INVALIDARG), "{bad:?}");
    }
    let mut device = WHV_TRIGGER_PARAMETERS::default();
    device.set_TriggerType(WHvTriggerTypeDeviceInterrupt);
    device.set_DeviceInterrupt_LogicalDeviceId(5);
    assert_eq!(create(&machine, &device).map(|_| ()), Err(ERROR_HV_INVALID_DEVICE_ID));
    let (parameters, mut trigger, mut event) = (interrupt(0x40), null_mut(), null_mut());
    let (first, partition) = (&raw const parameters, machine.partition);
    let calls = [
        call!(engine.api, WHvCreateTrigger(partition, null_mut(), &raw mut trigger, &raw mut event)),
        call!(engine.api, WHvCreateTrigger(partition, first, null_mut(), &raw mut event)),
        call!(engine.api, WHvCreateTrigger(partition, first, &raw mut trigger, null_mut())),
        call!(engine.api, WHvUpdateTriggerParameters(partition, null_mut(), null_mut())),
    ];
    assert_eq!(calls, [E_POINTER; 4]);
    for fine in [interrupt(16), interrupt(255), synic(good), control(|it| it.set_Reserved(1))] {
        assert!(create(&machine, &fine).is_ok(), "{fine:?}");
    }
}

fn an_interrupt_trigger_needs_an_apic(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    assert_eq!(create(&machine, &interrupt(0x40)).map(|_| ()), Err(ERROR_HV_OPERATION_DENIED));
}

fn synic_triggers_need_no_processor_and_no_synic(engine: &Engine) {
    let machine = Machine::set_up(engine, 4, |_| ());
    let (trigger, event) =
        create(&machine, &synic(WHV_SYNIC_EVENT_PARAMETERS::default())).expect("a trigger");
    for vp in 0..4 {
        let other = synic(WHV_SYNIC_EVENT_PARAMETERS { VpIndex: vp, ..Default::default() });
        assert_eq!(update(&machine, &other, trigger), S_OK);
        event.set();
    }
    assert_eq!(
        update(&machine, &synic(WHV_SYNIC_EVENT_PARAMETERS { VpIndex: 4, ..Default::default() }), trigger),
        E_INVALIDARG
    );
    assert_eq!(delete(&machine, trigger), S_OK);
}

fn a_signal_wakes_a_parked_processor(engine: &Engine) {
    let machine = waiting(engine);
    let (_, event) = create(&machine, &interrupt(0x43)).expect("a trigger");
    for _ in 0..10 {
        let context = machine.while_parked(0, || event.set());
        assert_eq!(context.ExitReason(), WHvRunVpExitReasonX64IoPortAccess);
        assert_eq!(context.IoPortAccess().Rax & 0xFF, 3);
        again(&machine);
    }
}

fn a_signal_before_the_run_is_seen_by_it(engine: &Engine) {
    let machine = waiting(engine);
    let (_, event) = create(&machine, &interrupt(0x41)).expect("a trigger");
    event.set();
    assert!(is_consumed(&event));
    assert_eq!(handled(&machine), 1);
}

/// Whether the library takes a signal from an event in the end.
fn is_consumed(event: &Event) -> bool {
    let start = std::time::Instant::now();
    // SAFETY: the handle is an open descriptor.
    let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(event.handle().addr() as i32) };
    while start.elapsed() < PATIENCE {
        let mut set = [rustix::event::PollFd::new(&fd, rustix::event::PollFlags::IN)];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        if rustix::event::poll(&mut set, Some(&now)).expect("poll") == 0 {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

fn the_library_consumes_the_signal(engine: &Engine) {
    let machine = waiting(engine);
    let (_, event) = create(&machine, &interrupt(0x42)).expect("a trigger");
    for _ in 0..5 {
        event.set();
    }
    assert!(is_consumed(&event));
    assert_eq!(handled(&machine), 2);
}

fn an_update_changes_the_vector(engine: &Engine) {
    let machine = waiting(engine);
    let (trigger, event) = create(&machine, &interrupt(0x40)).expect("a trigger");
    for vector in [5, 2, 7] {
        assert_eq!(update(&machine, &interrupt(0x40 + vector), trigger), S_OK);
        event.set();
        assert_eq!(handled(&machine), u64::from(vector));
        again(&machine);
    }
}

fn an_update_keeps_the_type(engine: &Engine) {
    let machine = waiting(engine);
    let (trigger, event) = create(&machine, &interrupt(0x40)).expect("a trigger");
    assert_eq!(update(&machine, &synic(WHV_SYNIC_EVENT_PARAMETERS::default()), trigger), E_INVALIDARG);
    assert_eq!(update(&machine, &interrupt(3), trigger), E_INVALIDARG);
    assert_eq!(update(&machine, &interrupt(0x40), without_provenance_mut(0x10_0000)), E_INVALIDARG);
    event.set();
    assert_eq!(handled(&machine), 0, "refused updates change nothing");
}

fn after_deletion_the_event_is_dead_but_open(engine: &Engine) {
    let machine = waiting(engine);
    let (trigger, event) = create(&machine, &interrupt(0x40)).expect("a trigger");
    let (other, live) = create(&machine, &interrupt(0x41)).expect("a trigger");
    assert_eq!(delete(&machine, trigger), S_OK);
    assert_eq!(delete(&machine, trigger), E_INVALIDARG);
    assert_eq!(update(&machine, &interrupt(0x40), trigger), E_INVALIDARG);
    event.set();
    live.set();
    assert_eq!(handled(&machine), 1);
    assert!(event.take(), "nobody consumed it");
    assert_eq!(delete(&machine, other), S_OK);
    assert_eq!(delete(&machine, null_mut()), E_INVALIDARG);
}

fn closing_the_event_leaves_the_trigger(engine: &Engine) {
    let machine = waiting(engine);
    let (trigger, event) = create(&machine, &interrupt(0x40)).expect("a trigger");
    drop(event);
    assert_eq!(update(&machine, &interrupt(0x41), trigger), S_OK);
    assert_eq!(delete(&machine, trigger), S_OK);
}

fn triggers_survive_a_reset(engine: &Engine) {
    let machine = waiting(engine);
    let (_, event) = create(&machine, &interrupt(0x44)).expect("a trigger");
    assert_eq!(call!(engine.api, WHvResetPartition(machine.partition)), S_OK);
    enable_apic(&machine);
    machine.enter_real_mode(0);
    event.set();
    assert_eq!(handled(&machine), 4);
}

fn a_partition_with_triggers_can_be_deleted(engine: &Engine) {
    for _ in 0..5 {
        let machine = waiting(engine);
        let (_, event) = create(&machine, &interrupt(0x40)).expect("a trigger");
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    event.set();
                }
            });
            drop(machine);
            is_over.store(true, Ordering::SeqCst);
        });
    }
}

fn a_synic_trigger_sets_the_flag_and_interrupts(engine: &Engine) {
    const EVENT_PAGE: u64 = 0x7_0000;
    // sti; l: hlt; jmp l
    let machine = long::machine_with(engine, 1, &[0xFB, 0xF4, 0xEB, 0xFD], with_signals);
    enable_apic(&machine);
    // The handler: out 0x10, al
    machine.memory.write(long::HANDLER, &[0xE6, 0x10]);
    let event = WHV_SYNIC_EVENT_PARAMETERS { TargetSint: 2, FlagNumber: 77, ..Default::default() };
    // The trigger exists before the guest has switched anything on; what comes too early is lost.
    let (_, signal) = create(&machine, &synic(event)).expect("a trigger");
    signal.set();
    assert!(is_consumed(&signal));
    for (name, value) in [
        (WHvRegisterScontrol, 1),
        (WHvRegisterSiefp, EVENT_PAGE | 1),
        (WHvRegisterSint2, 0x45),
        (WHvX64RegisterRip, CODE),
    ] {
        machine.set64(0, name, value);
    }
    let context = machine.while_parked(0, || signal.set());
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonX64IoPortAccess);
    let mut flags = [0_u8; 16];
    let (partition, controls) = (machine.partition, WHV_ACCESS_GPA_CONTROLS::default());
    let start = flags.as_mut_ptr().cast();
    let read = call!(engine.api, WHvReadGpaRange(partition, 0, EVENT_PAGE + 0x200, controls, start, 16));
    assert_eq!(read, S_OK);
    assert_eq!(flags[77 / 8], 1 << (77 % 8));
    assert!(flags.iter().enumerate().all(|(index, byte)| index == 9 || *byte == 0));
}
