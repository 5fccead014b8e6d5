//! SynIC, doorbells, notification ports and triggers.

#![expect(unsafe_code, reason = "exports C functions")]

use std::ffi::c_void;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::IntoRawFd;

use openwhp::DoorbellMatch;
use openwhp::Event;
use openwhp::Gpa;
use openwhp::PortId;
use openwhp::PortProperty;
use openwhp::PortSource;
use openwhp::SynicEvent;
use openwhp::TriggerAction;
use openwhp::TriggerId;
use openwhp::VpIndex;
use openwhp_abi::hresult::E_FAIL;
use openwhp_abi::hresult::E_HANDLE;
use openwhp_abi::windows::BOOL;
use openwhp_abi::windows::HANDLE;
use openwhp_abi::x64::*;

use crate::boundary::Outcome;
use crate::boundary::exports;
use crate::error::Failure;
use crate::handles;

exports! {
    /// Rings an event when the guest writes to an address.
    fn WHvRegisterPartitionDoorbellEvent(
        partition: WHV_PARTITION_HANDLE,
        match_data: *const WHV_DOORBELL_MATCH_DATA,
        event: HANDLE,
    ) {
        let partition = handles::set_up(partition)?;
        let on = doorbell(&match_data.required()?.get(0).unwrap_or_default())?;
        on.check()?;
        Ok(partition.register_doorbell(on, &event_of(event.address())?)?)
    }

    /// Removes a doorbell.
    fn WHvUnregisterPartitionDoorbellEvent(
        partition: WHV_PARTITION_HANDLE,
        match_data: *const WHV_DOORBELL_MATCH_DATA,
    ) {
        let partition = handles::set_up(partition)?;
        let on = doorbell(&match_data.required()?.get(0).unwrap_or_default())?;
        Ok(partition.unregister_doorbell(&on)?)
    }

    /// Sets an event flag of a processor's SynIC.
    fn WHvSignalVirtualProcessorSynicEvent(
        partition: WHV_PARTITION_HANDLE,
        event: WHV_SYNIC_EVENT_PARAMETERS,
        newly_signaled: *mut BOOL,
    ) {
        let partition = handles::set_up(partition)?;
        let is_new = partition.signal_synic_event(synic_event(&event)?)?;
        newly_signaled.set(BOOL::from(is_new));
        Ok(())
    }

    /// Posts a message to a processor's SynIC.
    fn WHvPostVirtualProcessorSynicMessage(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        sint: u32,
        message: *const c_void [size],
        size: u32,
    ) {
        let partition = handles::set_up(partition)?;
        let message = message.required()?;
        handles::processor(&partition, vp_index)?;
        // One byte more than a slot has tells the platform that the message is too long.
        let most = WHV_SYNIC_MESSAGE_SIZE as usize + 1;
        let bytes: Vec<u8> = message.elements::<u8>().iter().take(most).collect();
        Ok(partition.post_synic_message(VpIndex(vp_index), sint, &bytes)?)
    }

    /// Makes a port that signals an event when the guest does something.
    fn WHvCreateNotificationPort(
        partition: WHV_PARTITION_HANDLE,
        parameters: *const WHV_NOTIFICATION_PORT_PARAMETERS,
        event: HANDLE,
        port: *mut WHV_NOTIFICATION_PORT_HANDLE,
    ) {
        let partition = handles::set_up(partition)?;
        let parameters = parameters.required()?.get(0).unwrap_or_default();
        let port = port.required()?;
        let source = port_source(&parameters)?;
        if let PortSource::Doorbell(on) = &source {
            on.check()?;
        }
        let id = partition.create_port(source, &event_of(event.address())?)?;
        port.set(pointer(id.number()));
        Ok(())
    }

    /// Sets a property of a port.
    fn WHvSetNotificationPortProperty(
        partition: WHV_PARTITION_HANDLE,
        port: WHV_NOTIFICATION_PORT_HANDLE,
        code: WHV_NOTIFICATION_PORT_PROPERTY_CODE,
        value: u64,
    ) {
        let partition = handles::set_up(partition)?;
        Ok(partition.set_port_property(port_id(port.address()), port_property(code, value)?)?)
    }

    /// Removes a port.
    fn WHvDeleteNotificationPort(partition: WHV_PARTITION_HANDLE, port: WHV_NOTIFICATION_PORT_HANDLE) {
        let partition = handles::set_up(partition)?;
        Ok(partition.delete_port(port_id(port.address()))?)
    }

    /// Makes an event that performs an action when it is signalled.
    fn WHvCreateTrigger(
        partition: WHV_PARTITION_HANDLE,
        parameters: *const WHV_TRIGGER_PARAMETERS,
        trigger: *mut WHV_TRIGGER_HANDLE,
        event: *mut HANDLE,
    ) {
        let partition = handles::set_up(partition)?;
        let parameters = parameters.required()?.get(0).unwrap_or_default();
        let trigger = trigger.required()?;
        let event = event.required()?;
        let (id, its_event) = partition.create_trigger(trigger_action(&parameters)?)?;
        match handle_of(&its_event) {
            Ok(handle) => {
                trigger.set(pointer(id.number()));
                event.set(handle);
                Ok(())
            }
            Err(failure) => {
                partition.delete_trigger(id)?;
                Err(failure)
            }
        }
    }

    /// Changes what a trigger does.
    fn WHvUpdateTriggerParameters(
        partition: WHV_PARTITION_HANDLE,
        parameters: *const WHV_TRIGGER_PARAMETERS,
        trigger: WHV_TRIGGER_HANDLE,
    ) {
        let partition = handles::set_up(partition)?;
        let action = trigger_action(&parameters.required()?.get(0).unwrap_or_default())?;
        Ok(partition.update_trigger(trigger_id(trigger.address()), action)?)
    }

    /// Removes a trigger.
    fn WHvDeleteTrigger(partition: WHV_PARTITION_HANDLE, trigger: WHV_TRIGGER_HANDLE) {
        let partition = handles::set_up(partition)?;
        Ok(partition.delete_trigger(trigger_id(trigger.address()))?)
    }
}

/// A name as a handle.
fn pointer(number: u64) -> *mut c_void {
    std::ptr::without_provenance_mut(usize::try_from(number).unwrap_or_default())
}

fn port_id(handle: usize) -> PortId {
    PortId::from_number(handle as u64)
}

fn trigger_id(handle: usize) -> TriggerId {
    TriggerId::from_number(handle as u64)
}

/// A reference of the library's own to the event behind a handle.
fn event_of(handle: usize) -> Outcome<Event> {
    let event = crate::extension::event(handle)
        .ok_or_else(|| Failure::new(E_HANDLE, format!("event handle {handle:#x} is no eventfd")))?;
    Ok(Event::from(event.try_clone_to_owned().map_err(host)?))
}

/// A handle of the caller's own to an event.
fn handle_of(event: &Event) -> Outcome<HANDLE> {
    let mut descriptor = event.as_fd().try_clone_to_owned().map_err(host)?;
    if descriptor.as_raw_fd() == 0 {
        // A handle is never zero.
        descriptor = descriptor.try_clone().map_err(host)?;
    }
    let number = u64::try_from(descriptor.into_raw_fd()).unwrap_or_default();
    Ok(pointer(number))
}

fn host(error: std::io::Error) -> Failure {
    Failure::new(E_FAIL, format!("the host refused a descriptor: {error}"))
}

fn doorbell(data: &WHV_DOORBELL_MATCH_DATA) -> Outcome<DoorbellMatch> {
    let (on_length, on_value) = (data.MatchOnLength() != 0, data.MatchOnValue() != 0);
    if data.Reserved() != 0 {
        return Err(Failure::invalid("a doorbell sets reserved bits"));
    }
    if !on_length && data.Length() != 0 || !on_value && data.Value() != 0 {
        return Err(Failure::invalid("a doorbell gives a length or value that it does not match"));
    }
    let length = u8::try_from(data.Length()).unwrap_or(u8::MAX);
    Ok(DoorbellMatch {
        gpa: Gpa(data.GuestAddress()),
        length: on_length.then_some(length),
        value: on_value.then_some(data.Value()),
    })
}

fn synic_event(event: &WHV_SYNIC_EVENT_PARAMETERS) -> Outcome<SynicEvent> {
    if event.TargetVtl != 0 {
        return Err(Failure::invalid("the event names another trust level"));
    }
    Ok(SynicEvent {
        vp: VpIndex(event.VpIndex),
        sint: u32::from(event.TargetSint),
        flag: u32::from(event.FlagNumber),
    })
}

fn port_source(parameters: &WHV_NOTIFICATION_PORT_PARAMETERS) -> Outcome<PortSource> {
    if parameters.Reserved() != 0 || parameters.Reserved1() != 0 || parameters.ConnectionVtl() != 0 {
        return Err(Failure::invalid("a port names another trust level or sets reserved fields"));
    }
    match parameters.NotificationPortType() {
        WHvNotificationPortTypeEvent => Ok(PortSource::Connection(parameters.Event_ConnectionId())),
        WHvNotificationPortTypeDoorbell => Ok(PortSource::Doorbell(doorbell(&parameters.Doorbell())?)),
        other => Err(Failure::invalid(format!("port type {} is not known", other.0))),
    }
}

fn port_property(code: WHV_NOTIFICATION_PORT_PROPERTY_CODE, value: u64) -> Outcome<PortProperty> {
    match code {
        WHvNotificationPortPropertyPreferredTargetVp => {
            let index = u32::try_from(value)
                .map_err(|_| Failure::invalid(format!("{value:#x} is no processor index")))?;
            let target = (index != WHV_ANY_VP).then_some(VpIndex(index));
            Ok(PortProperty::PreferredTarget(target))
        }
        WHvNotificationPortPropertyPreferredTargetDuration => Ok(PortProperty::PreferredDuration(value)),
        other => Err(Failure::invalid(format!("port property {} is not known", other.0))),
    }
}

fn trigger_action(parameters: &WHV_TRIGGER_PARAMETERS) -> Outcome<TriggerAction> {
    if parameters.Reserved() != 0 {
        return Err(Failure::invalid("a trigger sets reserved fields"));
    }
    match parameters.TriggerType() {
        WHvTriggerTypeInterrupt => {
            Ok(TriggerAction::Interrupt(crate::interrupt::request(parameters.Interrupt())?))
        }
        WHvTriggerTypeSynicEvent => Ok(TriggerAction::SynicEvent(synic_event(&parameters.SynicEvent())?)),
        WHvTriggerTypeDeviceInterrupt => {
            if parameters.DeviceInterrupt_Reserved() != 0 {
                return Err(Failure::invalid("a trigger sets reserved fields"));
            }
            Ok(TriggerAction::DeviceInterrupt {
                device: parameters.DeviceInterrupt_LogicalDeviceId(),
                address: parameters.DeviceInterrupt_MsiAddress(),
                data: parameters.DeviceInterrupt_MsiData(),
            })
        }
        other => Err(Failure::invalid(format!("trigger type {} is not known", other.0))),
    }
}
