//! Notification ports.

use std::ptr::null_mut;
use std::ptr::without_provenance_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::windows::HANDLE;
use openwhp_abi::x64::*;

use super::cases;
use super::doorbell::doorbell;
use super::long;
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
    a_signalled_connection_sets_its_event from "interrupts-and-notifications.md 5",
    an_unknown_connection_exits_when_asked_for from "interrupts-and-notifications.md 5",
    after_deletion_the_connection_is_unknown from "interrupts-and-notifications.md 5",
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

/// Synthetic features with which a guest signals events.
pub(super) fn with_signals(machine: &Machine) {
    let mut features = WHV_SYNTHETIC_PROCESSOR_FEATURES::default();
    features.set_HypervisorPresent(1);
    features.set_Hv1(1);
    features.set_AccessHypercallRegs(1);
    features.set_AccessSynicRegs(1);
    features.set_SignalEvents(1);
    machine.use_apic(WHvX64LocalApicEmulationModeXApic);
    machine.configure(WHvPartitionPropertyCodeSyntheticProcessorFeaturesBanks, &[1, features.AsUINT64()]);
}

/// Writes a model-specific register: mov ecx, index; mov eax, low; xor edx, edx; wrmsr.
fn write_msr(code: &mut Vec<u8>, index: u32, low: u32) {
    code.push(0xB9);
    code.extend(index.to_le_bytes());
    code.push(0xB8);
    code.extend(low.to_le_bytes());
    code.extend([0x31, 0xD2, 0x0F, 0x30]);
}

/// A machine whose guest signals a connection by each hypercall of `signals` (connection, flag) and writes each result
/// to port 0x10.
fn signaller(engine: &Engine, signals: &[(u32, u16)], configure: impl FnOnce(&Machine)) -> Machine {
    let mut code = Vec::new();
    write_msr(&mut code, 0x4000_0000, 1);
    write_msr(&mut code, 0x4000_0001, 0x3001);
    for (connection, flag) in signals {
        // mov rcx, 0x1005D (fast SignalEvent); mov rdx, connection and flag; vmcall; out 0x10, al
        code.extend([0x48, 0xB9]);
        code.extend(0x1_005D_u64.to_le_bytes());
        code.extend([0x48, 0xBA]);
        code.extend((u64::from(*flag) << 32 | u64::from(*connection)).to_le_bytes());
        code.extend([0x0F, 0x01, 0xC1, 0xE6, 0x10]);
    }
    long::machine_with(engine, 1, &code, |machine| {
        with_signals(machine);
        configure(machine);
    })
}

/// Runs to the next result and steps over its port access.
fn result(machine: &Machine) -> u64 {
    let context = machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    machine.set64(0, WHvX64RegisterRip, context.VpContext().Rip() + 2);
    context.IoPortAccess().Rax
}

fn a_signalled_connection_sets_its_event(engine: &Engine) {
    const INVALID_PARAMETER: u64 = 5;
    const INVALID_CONNECTION: u64 = 0x12;
    let machine = signaller(engine, &[(7, 0), (7, 1), (8, 0), (9, 0)], |_| ());
    let (one, two) = (Event::new(), Event::new());
    create(&machine, &connection(7), one.handle()).expect("a port");
    create(&machine, &connection(8), two.handle()).expect("a port");
    assert_eq!(result(&machine), 0);
    assert_eq!((one.take(), two.take()), (true, false));
    assert_eq!(result(&machine), INVALID_PARAMETER, "a port has one flag");
    assert_eq!((one.take(), two.take()), (false, false));
    assert_eq!(result(&machine), 0);
    assert_eq!((one.take(), two.take()), (false, true));
    assert_eq!(result(&machine), INVALID_CONNECTION);
}

fn an_unknown_connection_exits_when_asked_for(engine: &Engine) {
    let machine = signaller(engine, &[(7, 0)], |machine| {
        machine.enable_exits(|exits| {
            exits.set_HypercallExit(1);
            exits.set_UnknownSynicConnection(1);
        });
    });
    let context = machine.run_to(0, WHvRunVpExitReasonHypercall);
    assert_eq!((context.Hypercall().Rcx, context.Hypercall().Rdx), (0x1_005D, 7));
    // The port comes, and the guest tries again.
    let event = Event::new();
    create(&machine, &connection(7), event.handle()).expect("a port");
    assert_eq!(result(&machine), 0);
    assert!(event.take());
}

fn after_deletion_the_connection_is_unknown(engine: &Engine) {
    let machine = signaller(engine, &[(7, 0), (7, 0)], |_| ());
    let event = Event::new();
    let port = create(&machine, &connection(7), event.handle()).expect("a port");
    assert_eq!(result(&machine), 0);
    assert!(event.take());
    assert_eq!(delete(&machine, port), S_OK);
    assert_eq!(result(&machine), 0x12);
    assert!(!event.take());
}
