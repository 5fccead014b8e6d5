//! Doorbells, ports and triggers that mostly make sense, and the handles that came of them.

use std::ffi::c_void;
use std::ptr::without_provenance_mut;
use std::sync::Mutex;
use std::sync::PoisonError;

use openwhp_abi::windows::HANDLE;
use openwhp_abi::x64::*;
use zerocopy::IntoBytes;

use super::input::Input;
use crate::event::Event;

/// Events of triggers that are kept open at most.
const EVENTS: usize = 64;

/// Handles that were given out.
#[derive(Default)]
pub(super) struct Notifications {
    event: Event,
    names: Mutex<Vec<usize>>,
    triggers: Mutex<Vec<Event>>,
}

impl Notifications {
    /// The handle of an event, or of none.
    pub(super) fn event(&self, input: &mut Input<'_>) -> HANDLE {
        if input.once_in(8) { without_provenance_mut(input.long() as usize) } else { self.event.handle() }
    }

    /// The handle of a port or trigger, or of none.
    pub(super) fn name(&self, input: &mut Input<'_>) -> *mut c_void {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let any = input.long() as usize;
        match names.len() {
            0 => without_provenance_mut(any),
            count if input.once_in(8) => without_provenance_mut(any.wrapping_add(count)),
            count => without_provenance_mut(names[any % count]),
        }
    }

    /// Keeps what a call gave out.
    pub(super) fn keep(&self, name: *mut c_void, event: HANDLE) {
        if !name.is_null() {
            self.names.lock().unwrap_or_else(PoisonError::into_inner).push(name.addr());
        }
        if !event.is_null() {
            let mut triggers = self.triggers.lock().unwrap_or_else(PoisonError::into_inner);
            if triggers.len() == EVENTS {
                triggers.remove(0);
            }
            triggers.push(Event::adopt(event));
        }
    }

    /// Pulls every trigger.
    pub(super) fn set_all(&self) {
        self.triggers.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(Event::set);
    }
}

pub(super) fn doorbell(input: &mut Input<'_>) -> WHV_DOORBELL_MATCH_DATA {
    let mut data = WHV_DOORBELL_MATCH_DATA::default();
    if input.once_in(8) {
        input.fill(data.as_mut_bytes());
        return data;
    }
    data.set_GuestAddress(u64::from(input.below(64)) << 12 | u64::from(input.below(8)) << 3);
    if !input.once_in(3) {
        data.set_MatchOnLength(1);
        data.set_Length(1 << input.below(4));
        if input.once_in(2) {
            data.set_MatchOnValue(1);
            data.set_Value(u64::from(input.below(4)));
        }
    }
    data
}

pub(super) fn port(input: &mut Input<'_>) -> WHV_NOTIFICATION_PORT_PARAMETERS {
    let mut port = WHV_NOTIFICATION_PORT_PARAMETERS::default();
    if input.once_in(8) {
        input.fill(port.as_mut_bytes());
    } else if input.once_in(2) {
        port.set_NotificationPortType(WHvNotificationPortTypeEvent);
        port.set_Event_ConnectionId(input.below(16));
    } else {
        port.set_NotificationPortType(WHvNotificationPortTypeDoorbell);
        port.set_Doorbell(doorbell(input));
    }
    port
}

pub(super) fn trigger(input: &mut Input<'_>) -> WHV_TRIGGER_PARAMETERS {
    let mut trigger = WHV_TRIGGER_PARAMETERS::default();
    if input.once_in(8) {
        input.fill(trigger.as_mut_bytes());
    } else if input.once_in(2) {
        let mut control = WHV_INTERRUPT_CONTROL::default();
        control.set_Type(u64::from(input.below(7)));
        control.set_Destination(input.below(4));
        control.set_Vector(input.below(0x100));
        trigger.set_TriggerType(WHvTriggerTypeInterrupt);
        trigger.set_Interrupt(control);
    } else {
        trigger.set_TriggerType(WHvTriggerTypeSynicEvent);
        trigger.set_SynicEvent(WHV_SYNIC_EVENT_PARAMETERS {
            VpIndex: input.below(4),
            TargetSint: input.below(17) as u8,
            TargetVtl: 0,
            FlagNumber: input.below(2049) as u16,
        });
    }
    trigger
}
