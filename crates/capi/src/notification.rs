//! SynIC, doorbells, notification ports and triggers.
//!
//! The engines have no SynIC and no doorbells yet. Arguments are checked as documented; then the function answers
//! that the ability is absent: the SynIC cannot receive, ports and triggers are no entry points of this library.

#![expect(unsafe_code, reason = "exports C functions")]

use std::ffi::c_void;

use openwhp::Partition;
use openwhp_abi::hresult::E_HANDLE;
use openwhp_abi::hresult::ERROR_HV_INVALID_PARAMETER;
use openwhp_abi::hresult::ERROR_HV_INVALID_SYNIC_STATE;
use openwhp_abi::hresult::HRESULT_FROM_WIN32_ERROR_NOT_FOUND;
use openwhp_abi::hresult::HRESULT_FROM_WIN32_ERROR_PROC_NOT_FOUND;
use openwhp_abi::windows::BOOL;
use openwhp_abi::windows::HANDLE;
use openwhp_abi::x64::*;

use crate::boundary::Outcome;
use crate::boundary::exports;
use crate::error::Failure;
use crate::handles;

/// Sources of a SynIC.
const SINTS: u32 = 16;
/// Event flags of one source.
const EVENT_FLAGS: u16 = 2048;
/// Smallest vector that an interrupt can have.
const FIRST_VECTOR: u32 = 16;

exports! {
    /// Rings an event when the guest writes to an address.
    fn WHvRegisterPartitionDoorbellEvent(
        partition: WHV_PARTITION_HANDLE,
        match_data: *const WHV_DOORBELL_MATCH_DATA,
        event: HANDLE,
    ) {
        handles::set_up(partition)?;
        check_doorbell(&match_data.required()?.get(0).unwrap_or_default())?;
        check_event(event.address())?;
        Err(no_entry("doorbells"))
    }

    /// Removes a doorbell.
    fn WHvUnregisterPartitionDoorbellEvent(
        partition: WHV_PARTITION_HANDLE,
        match_data: *const WHV_DOORBELL_MATCH_DATA,
    ) {
        handles::set_up(partition)?;
        check_doorbell(&match_data.required()?.get(0).unwrap_or_default())?;
        Err(Failure::new(HRESULT_FROM_WIN32_ERROR_NOT_FOUND, "no doorbell has this match data"))
    }

    /// Sets an event flag of a processor's SynIC.
    fn WHvSignalVirtualProcessorSynicEvent(
        partition: WHV_PARTITION_HANDLE,
        event: WHV_SYNIC_EVENT_PARAMETERS,
        newly_signaled: *mut BOOL,
    ) {
        let partition = handles::set_up(partition)?;
        if event.TargetVtl != 0 {
            return Err(Failure::invalid("the event names another trust level"));
        }
        handles::processor(&partition, event.VpIndex)?;
        check_sint(u32::from(event.TargetSint))?;
        if event.FlagNumber >= EVENT_FLAGS {
            let text = format!("event flag {} is not below {EVENT_FLAGS}", event.FlagNumber);
            return Err(Failure::new(ERROR_HV_INVALID_PARAMETER, text));
        }
        Err(no_synic())
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
        if !(1..=WHV_SYNIC_MESSAGE_SIZE as usize).contains(&message.len()) {
            return Err(Failure::invalid(format!("a message has 1 to 256 bytes, not {}", message.len())));
        }
        check_sint(sint)?;
        Err(no_synic())
    }

    /// Makes a port that signals an event when the guest does something.
    fn WHvCreateNotificationPort(
        partition: WHV_PARTITION_HANDLE,
        parameters: *const WHV_NOTIFICATION_PORT_PARAMETERS,
        event: HANDLE,
        port: *mut WHV_NOTIFICATION_PORT_HANDLE,
    ) {
        handles::set_up(partition)?;
        let parameters = parameters.required()?.get(0).unwrap_or_default();
        port.required()?;
        check_port(&parameters)?;
        check_event(event.address())?;
        Err(no_entry("notification ports"))
    }

    /// Sets a property of a port.
    fn WHvSetNotificationPortProperty(
        partition: WHV_PARTITION_HANDLE,
        port: WHV_NOTIFICATION_PORT_HANDLE,
        code: WHV_NOTIFICATION_PORT_PROPERTY_CODE,
        value: u64,
    ) {
        handles::set_up(partition)?;
        let codes =
            [WHvNotificationPortPropertyPreferredTargetVp, WHvNotificationPortPropertyPreferredTargetDuration];
        if !codes.contains(&code) {
            return Err(Failure::invalid(format!("port property {} is not known", code.0)));
        }
        Err(Failure::invalid(format!("no port has the handle {:#x}", port.address())))
    }

    /// Removes a port.
    fn WHvDeleteNotificationPort(partition: WHV_PARTITION_HANDLE, port: WHV_NOTIFICATION_PORT_HANDLE) {
        handles::set_up(partition)?;
        Err(Failure::invalid(format!("no port has the handle {:#x}", port.address())))
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
        trigger.required()?;
        event.required()?;
        check_trigger(&partition, &parameters)?;
        Err(no_entry("triggers"))
    }

    /// Changes what a trigger does.
    fn WHvUpdateTriggerParameters(
        partition: WHV_PARTITION_HANDLE,
        parameters: *const WHV_TRIGGER_PARAMETERS,
        trigger: WHV_TRIGGER_HANDLE,
    ) {
        let partition = handles::set_up(partition)?;
        check_trigger(&partition, &parameters.required()?.get(0).unwrap_or_default())?;
        Err(Failure::invalid(format!("no trigger has the handle {:#x}", trigger.address())))
    }

    /// Removes a trigger.
    fn WHvDeleteTrigger(partition: WHV_PARTITION_HANDLE, trigger: WHV_TRIGGER_HANDLE) {
        handles::set_up(partition)?;
        Err(Failure::invalid(format!("no trigger has the handle {:#x}", trigger.address())))
    }
}

fn no_entry(what: &str) -> Failure {
    let text = format!("{what} are not available on the engine in use");
    Failure::new(HRESULT_FROM_WIN32_ERROR_PROC_NOT_FOUND, text)
}

fn no_synic() -> Failure {
    Failure::new(ERROR_HV_INVALID_SYNIC_STATE, "the partition has no SynIC that could receive")
}

fn check_sint(sint: u32) -> Outcome {
    if sint < SINTS {
        return Ok(());
    }
    Err(Failure::new(ERROR_HV_INVALID_PARAMETER, format!("SINT {sint} is not below {SINTS}")))
}

fn check_event(handle: usize) -> Outcome {
    crate::extension::event(handle).map_or_else(
        || Err(Failure::new(E_HANDLE, format!("event handle {handle:#x} is no eventfd"))),
        |_| Ok(()),
    )
}

fn check_doorbell(data: &WHV_DOORBELL_MATCH_DATA) -> Outcome {
    let (on_length, on_value) = (data.MatchOnLength() != 0, data.MatchOnValue() != 0);
    let length = data.Length();
    if data.Reserved() != 0 {
        return Err(Failure::invalid("a doorbell sets reserved bits"));
    }
    if on_value && !on_length {
        return Err(Failure::invalid("a doorbell that matches a value must match a length"));
    }
    if !on_length && length != 0 || !on_value && data.Value() != 0 {
        return Err(Failure::invalid("a doorbell gives a length or value that it does not match"));
    }
    if on_length && ![1, 2, 4, 8].contains(&length) {
        return Err(Failure::invalid(format!("a doorbell's length is 1, 2, 4 or 8, not {length}")));
    }
    if on_value && length < 8 && data.Value() >> (length * 8) != 0 {
        return Err(Failure::invalid("a doorbell's value does not fit its length"));
    }
    if u64::from(length) + data.GuestAddress() % openwhp::PAGE_SIZE > openwhp::PAGE_SIZE {
        return Err(Failure::invalid("a doorbell crosses a page"));
    }
    Ok(())
}

fn check_port(parameters: &WHV_NOTIFICATION_PORT_PARAMETERS) -> Outcome {
    if parameters.Reserved() != 0 || parameters.Reserved1() != 0 || parameters.ConnectionVtl() != 0 {
        return Err(Failure::invalid("a port names another trust level or sets reserved fields"));
    }
    match parameters.NotificationPortType() {
        WHvNotificationPortTypeEvent => Ok(()),
        WHvNotificationPortTypeDoorbell => check_doorbell(&parameters.Doorbell()),
        other => Err(Failure::invalid(format!("port type {} is not known", other.0))),
    }
}

fn check_trigger(partition: &Partition, parameters: &WHV_TRIGGER_PARAMETERS) -> Outcome {
    if parameters.Reserved() != 0 {
        return Err(Failure::invalid("a trigger sets reserved fields"));
    }
    match parameters.TriggerType() {
        WHvTriggerTypeInterrupt => {
            let interrupt = parameters.Interrupt();
            if (FIRST_VECTOR..=0xFF).contains(&interrupt.Vector()) && interrupt.TargetVtl() == 0 {
                return Ok(());
            }
            Err(Failure::invalid("a trigger's interrupt has no vector from 16 to 255"))
        }
        WHvTriggerTypeSynicEvent => {
            let event = parameters.SynicEvent();
            let is_fine = event.TargetVtl == 0
                && event.VpIndex < partition.processor_count()
                && u32::from(event.TargetSint) < SINTS
                && event.FlagNumber < EVENT_FLAGS;
            if is_fine { Ok(()) } else { Err(Failure::invalid("a trigger's SynIC event is out of range")) }
        }
        WHvTriggerTypeDeviceInterrupt => {
            Err(crate::vpci::no_device(parameters.DeviceInterrupt_LogicalDeviceId()))
        }
        other => Err(Failure::invalid(format!("trigger type {} is not known", other.0))),
    }
}
