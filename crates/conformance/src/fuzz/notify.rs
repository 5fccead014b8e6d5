//! Doorbells, ports, triggers and SynIC calls, with handles that exist as well as invented ones.

use std::ptr::null_mut;
use std::ptr::without_provenance_mut;

use openwhp_abi::hresult::HRESULT;
use openwhp_abi::hresult::S_OK;
use openwhp_abi::windows::HANDLE;
use openwhp_abi::x64::*;
use zerocopy::IntoBytes;

use super::calls::Session;
use super::calls::index;
use super::input::Input;
use crate::call;

/// Events, ports or triggers kept at a time.
const KEPT: usize = 12;

/// Handles that calls have given, by kind.
#[derive(Debug, Default)]
pub(super) struct Handles {
    events: Vec<usize>,
    ports: Vec<usize>,
    triggers: Vec<usize>,
}

impl Drop for Handles {
    fn drop(&mut self) {
        self.events.drain(..).for_each(close);
    }
}

fn close(event: usize) {
    // SAFETY: the function takes no pointers to memory; the event is this module's own.
    let _ = unsafe { WinHvPlatform::openwhp_event_close(without_provenance_mut(event)) };
}

/// One of the handles, or now and then any number; events are never invented below those that exist, for they name
/// descriptors of this process.
fn pick(list: &[usize], input: &mut Input<'_>) -> HANDLE {
    if list.is_empty() || input.once_in(16) {
        return without_provenance_mut(0x4000_0000 | input.long() as usize);
    }
    without_provenance_mut(list[usize::from(input.byte()) % list.len()])
}

/// A doorbell in one of few places, mostly valid.
fn doorbell(input: &mut Input<'_>) -> WHV_DOORBELL_MATCH_DATA {
    let mut data = WHV_DOORBELL_MATCH_DATA::default();
    if input.once_in(16) {
        input.fill(data.as_mut_bytes());
        return data;
    }
    data.set_GuestAddress(match input.byte() % 4 {
        0 => u64::from(input.below(64)) << 12 | u64::from(input.below(8)) << 3,
        _ => input.pick(&[0x5_0000, 0x5_0004, 0x6_0000, 0x2_0FF8, 0xFEE0_0080, 0x3000_0000]),
    });
    if input.once_in(2) {
        data.set_MatchOnLength(1);
        data.set_Length(input.pick(&[1, 2, 4, 8]));
        if input.once_in(2) {
            data.set_MatchOnValue(1);
            data.set_Value(u64::from(input.byte() % 4));
        }
    }
    data
}

fn synic_event(input: &mut Input<'_>) -> WHV_SYNIC_EVENT_PARAMETERS {
    WHV_SYNIC_EVENT_PARAMETERS {
        VpIndex: index(input),
        TargetSint: input.byte() % 18,
        TargetVtl: input.byte() / 250,
        FlagNumber: (input.below(2050)) as u16,
    }
}

fn trigger(input: &mut Input<'_>) -> WHV_TRIGGER_PARAMETERS {
    let mut parameters = WHV_TRIGGER_PARAMETERS::default();
    parameters.set_TriggerType(WHV_TRIGGER_TYPE(input.below(4)));
    if input.once_in(2) {
        let mut control = WHV_INTERRUPT_CONTROL::default();
        control.set_Type(input.pick(&[0, 1, 4, 5, 6, 9]));
        control.set_Destination(input.pick(&[0, 1, 2, 3, 0xFF]));
        control.set_Vector(input.below(256));
        parameters.set_Interrupt(control);
    } else {
        parameters.set_SynicEvent(synic_event(input));
    }
    parameters
}

impl Session<'_> {
    /// One call about doorbells, ports, triggers, events or SynIC.
    pub(super) fn notify(&self, input: &mut Input<'_>) -> HRESULT {
        match input.byte() % 12 {
            0 => self.make_event(),
            1 => self.set_event(input),
            2 | 3 => self.doorbells(input),
            4 | 5 => self.ports(input),
            6..9 => self.triggers(input),
            _ => self.synic(input),
        }
    }

    fn make_event(&self) -> HRESULT {
        let mut handles = self.handles();
        if handles.events.len() >= KEPT {
            close(handles.events.remove(0));
        }
        let mut event = null_mut();
        // SAFETY: the pointer is a local variable.
        let result = unsafe { WinHvPlatform::openwhp_event_create(&raw mut event) };
        if result == S_OK {
            handles.events.push(event as usize);
        }
        result
    }

    fn set_event(&self, input: &mut Input<'_>) -> HRESULT {
        // The lock is kept, so that nobody closes the event meanwhile.
        let handles = self.handles();
        let event = pick(&handles.events, input);
        // SAFETY: the function takes no pointers to memory.
        unsafe { WinHvPlatform::openwhp_event_set(event) }
    }

    fn doorbells(&self, input: &mut Input<'_>) -> HRESULT {
        let (api, partition) = (self.api(), self.partition(input));
        let data = doorbell(input);
        if input.once_in(3) {
            return call!(api, WHvUnregisterPartitionDoorbellEvent(partition, &raw const data));
        }
        let handles = self.handles();
        let event = pick(&handles.events, input);
        call!(api, WHvRegisterPartitionDoorbellEvent(partition, &raw const data, event))
    }

    fn ports(&self, input: &mut Input<'_>) -> HRESULT {
        let (api, partition) = (self.api(), self.partition(input));
        let mut handles = self.handles();
        match input.byte() % 4 {
            0 => {
                let port = pick(&handles.ports, input);
                handles.ports.retain(|kept| *kept != port as usize);
                drop(handles);
                call!(api, WHvDeleteNotificationPort(partition, port))
            }
            1 => {
                let (port, code) = (pick(&handles.ports, input), input.below(8));
                drop(handles);
                let code = WHV_NOTIFICATION_PORT_PROPERTY_CODE(code);
                call!(api, WHvSetNotificationPortProperty(partition, port, code, input.long()))
            }
            _ => {
                let mut parameters = WHV_NOTIFICATION_PORT_PARAMETERS::default();
                parameters.set_NotificationPortType(WHV_NOTIFICATION_PORT_TYPE(input.pick(&[2, 4, 4, 1])));
                if input.once_in(2) {
                    parameters.set_Event_ConnectionId(input.below(4));
                } else {
                    parameters.set_Doorbell(doorbell(input));
                }
                let (event, mut port) = (pick(&handles.events, input), null_mut());
                let first = &raw const parameters;
                let result = call!(api, WHvCreateNotificationPort(partition, first, event, &raw mut port));
                if result == S_OK {
                    handles.ports.push(port as usize);
                }
                result
            }
        }
    }

    fn triggers(&self, input: &mut Input<'_>) -> HRESULT {
        let (api, partition) = (self.api(), self.partition(input));
        let parameters = trigger(input);
        let first = &raw const parameters;
        let mut handles = self.handles();
        match input.byte() % 4 {
            0 => {
                let trigger = pick(&handles.triggers, input);
                handles.triggers.retain(|kept| *kept != trigger as usize);
                drop(handles);
                call!(api, WHvDeleteTrigger(partition, trigger))
            }
            1 => {
                let trigger = pick(&handles.triggers, input);
                drop(handles);
                call!(api, WHvUpdateTriggerParameters(partition, first, trigger))
            }
            _ => {
                let (mut trigger, mut event) = (null_mut(), null_mut());
                let result = call!(api, WHvCreateTrigger(partition, first, &raw mut trigger, &raw mut event));
                if result == S_OK {
                    handles.triggers.push(trigger as usize);
                    if handles.events.len() >= KEPT {
                        close(handles.events.remove(0));
                    }
                    handles.events.push(event as usize);
                }
                result
            }
        }
    }

    fn synic(&self, input: &mut Input<'_>) -> HRESULT {
        let (api, partition) = (self.api(), self.partition(input));
        if input.once_in(2) {
            let mut is_new = 0;
            let place = if input.once_in(2) { null_mut() } else { &raw mut is_new };
            return call!(api, WHvSignalVirtualProcessorSynicEvent(partition, synic_event(input), place));
        }
        let mut message = [0_u8; 512];
        input.fill(&mut message[..16]);
        let size = input.pick(&[16, 24, 256, 0, 257, 512]);
        let (vp, sint, start) = (index(input), input.below(18), message.as_ptr().cast());
        call!(api, WHvPostVirtualProcessorSynicMessage(partition, vp, sint, start, size))
    }
}
