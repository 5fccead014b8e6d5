//! Notification ports.

use std::ptr::null_mut;
use std::ptr::without_provenance_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::windows::HANDLE;
use openwhp_abi::x64::*;

use super::cases;
use super::doorbell::doorbell;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::event::Event;
use crate::machine::CODE;

cases! { "port":
    parameters_are_checked from "functions.md 8.1",
    a_connection_has_one_port from "functions.md 8.1, interrupts-and-notifications.md 5",
    a_doorbell_port_is_a_doorbell from "interrupts-and-notifications.md 4",
    a_doorbell_unregistered_by_its_data_leaves_its_port from "interrupts-and-notifications.md 4",
    properties_are_checked from "functions.md 8.2",
    deleted_ports_are_unknown from "functions.md 8.3",
    ports_are_of_one_partition from "functions.md 8.3",
}

fn create(
    machine: &Machine,
    parameters: &WHV_NOTIFICATION_PORT_PARAMETERS,
    event: HANDLE,
) -> Result<WHV_NOTIFICATION_PORT_HANDLE, HRESULT> {
    let mut port = null_mut();
    let first = std::ptr::from_ref(parameters);
    match call!(machine.api, WHvCreateNotificationPort(machine.partition, first, event, &raw mut port)) {
        S_OK => Ok(port),
        code => {
            assert!(port.is_null(), "nothing is written on failure");
            Err(code)
        }
    }
}

fn delete(machine: &Machine, port: WHV_NOTIFICATION_PORT_HANDLE) -> HRESULT {
    call!(machine.api, WHvDeleteNotificationPort(machine.partition, port))
}

fn connection(id: u32) -> WHV_NOTIFICATION_PORT_PARAMETERS {
    let mut parameters = WHV_NOTIFICATION_PORT_PARAMETERS::default();
    parameters.set_NotificationPortType(WHvNotificationPortTypeEvent);
    parameters.set_Event_ConnectionId(id);
    parameters
}

fn bell(data: WHV_DOORBELL_MATCH_DATA) -> WHV_NOTIFICATION_PORT_PARAMETERS {
    let mut parameters = WHV_NOTIFICATION_PORT_PARAMETERS::default();
    parameters.set_NotificationPortType(WHvNotificationPortTypeDoorbell);
    parameters.set_Doorbell(data);
    parameters
}

fn parameters_are_checked(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    let event = Event::new();
    let good = connection(7);
    let with = |change: fn(&mut WHV_NOTIFICATION_PORT_PARAMETERS)| {
        let mut parameters = good;
        change(&mut parameters);
        parameters
    };
    for bad in [
        WHV_NOTIFICATION_PORT_PARAMETERS::default(),
        with(|it| it.set_NotificationPortType(WHV_NOTIFICATION_PORT_TYPE(3))),
        with(|it| it.set_ConnectionVtl(1)),
        with(|it| it.set_Reserved(1)),
        with(|it| it.set_Reserved1(1)),
        bell(doorbell(0x1000, Some(3), None)),
    ] {
        assert_eq!(create(&machine, &bad, event.handle()), Err(E_INVALIDARG), "{bad:?}");
    }
    assert_eq!(create(&machine, &good, without_provenance_mut(0x7FFF_0000)), Err(E_HANDLE));
    let mut port = null_mut();
    let first = &raw const good;
    let calls = [
        call!(
            engine.api,
            WHvCreateNotificationPort(machine.partition, null_mut(), event.handle(), &raw mut port)
        ),
        call!(engine.api, WHvCreateNotificationPort(machine.partition, first, event.handle(), null_mut())),
    ];
    assert_eq!(calls, [E_POINTER; 2]);
    assert!(create(&machine, &good, event.handle()).is_ok());
}

fn a_connection_has_one_port(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    let event = Event::new();
    let port = create(&machine, &connection(7), event.handle()).expect("a port");
    assert_eq!(create(&machine, &connection(7), event.handle()), Err(ERROR_HV_OBJECT_IN_USE));
    let other = create(&machine, &connection(0xFF00_0007), event.handle()).expect("another connection");
    assert_ne!(port, other);
    assert_eq!(delete(&machine, port), S_OK);
    assert!(create(&machine, &connection(7), event.handle()).is_ok());
}

fn a_doorbell_port_is_a_doorbell(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[], |_| ());
    let event = Event::new();
    let data = doorbell(0x5000, Some(2), None);
    let port = create(&machine, &bell(data), event.handle()).expect("a port");
    assert_eq!(create(&machine, &bell(data), event.handle()), Err(ERROR_HV_INVALID_PARAMETER));
    let twin = call!(
        engine.api,
        WHvRegisterPartitionDoorbellEvent(machine.partition, &raw const data, event.handle())
    );
    assert_eq!(twin, ERROR_HV_INVALID_PARAMETER);
    // mov [0x5000], ax; hlt
    machine.memory.write(CODE, &[0xA3, 0, 0x50, 0xF4]);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert!(event.take());
    assert_eq!(delete(&machine, port), S_OK);
    machine.set64(0, WHvX64RegisterRip, CODE);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert!(!event.take());
}

fn a_doorbell_unregistered_by_its_data_leaves_its_port(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    let event = Event::new();
    let data = doorbell(0x5000, Some(2), None);
    let port = create(&machine, &bell(data), event.handle()).expect("a port");
    let unregister =
        || call!(engine.api, WHvUnregisterPartitionDoorbellEvent(machine.partition, &raw const data));
    assert_eq!(unregister(), S_OK);
    let second = create(&machine, &bell(data), event.handle()).expect("the place is free");
    assert_eq!(delete(&machine, port), S_OK);
    assert_eq!(create(&machine, &bell(data), event.handle()), Err(ERROR_HV_INVALID_PARAMETER));
    assert_eq!(delete(&machine, second), S_OK);
    assert_eq!(unregister(), HRESULT_FROM_WIN32_ERROR_NOT_FOUND);
}

fn properties_are_checked(engine: &Engine) {
    let machine = Machine::set_up(engine, 2, |_| ());
    let event = Event::new();
    let port = create(&machine, &connection(1), event.handle()).expect("a port");
    let set = |port, code, value: u64| {
        call!(engine.api, WHvSetNotificationPortProperty(machine.partition, port, code, value))
    };
    let target = WHvNotificationPortPropertyPreferredTargetVp;
    let duration = WHvNotificationPortPropertyPreferredTargetDuration;
    for value in [0, 1, u64::from(WHV_ANY_VP)] {
        assert_eq!(set(port, target, value), S_OK);
    }
    assert_eq!(set(port, target, 2), E_INVALIDARG, "no such processor");
    assert_eq!(set(port, target, 1 << 32), E_INVALIDARG);
    assert_eq!(set(port, duration, 10), S_OK);
    assert_eq!(set(port, duration, u64::MAX), S_OK);
    assert_eq!(set(port, WHV_NOTIFICATION_PORT_PROPERTY_CODE(2), 0), E_INVALIDARG);
    assert_eq!(set(without_provenance_mut(0x10_0000), target, 0), E_INVALIDARG);
    assert_eq!(set(null_mut(), target, 0), E_INVALIDARG);
}

fn deleted_ports_are_unknown(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    let event = Event::new();
    let port = create(&machine, &connection(1), event.handle()).expect("a port");
    assert_eq!(delete(&machine, port), S_OK);
    assert_eq!(delete(&machine, port), E_INVALIDARG);
    assert_eq!(delete(&machine, null_mut()), E_INVALIDARG);
    let again = create(&machine, &connection(1), event.handle()).expect("a port");
    assert_ne!(again, port, "handles are not used again");
}

fn ports_are_of_one_partition(engine: &Engine) {
    let (one, two) = (Machine::set_up(engine, 1, |_| ()), Machine::set_up(engine, 1, |_| ()));
    let event = Event::new();
    let port = create(&one, &connection(1), event.handle()).expect("a port");
    assert!(create(&two, &connection(1), event.handle()).is_ok());
    assert_eq!(delete(&two, port), E_INVALIDARG);
    assert_eq!(delete(&one, port), S_OK);
}
