//! Event registers: their bits, and the events they stand for.

use openwhp_x86::state::Event;
use openwhp_x86::state::EventKind;

/// What the PendingEvent register asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PendingEvent {
    /// An exception at the current instruction.
    Exception(Event),
    /// An interrupt of an external controller.
    ExtInt(u8),
}

/// Reads the register; `None` if it asks for something that does not exist.
pub(crate) fn decode_pending_event(value: u128) -> Option<PendingEvent> {
    let low = value as u64;
    match (low >> 1) & 7 {
        0 => {
            let vector = u8::try_from((low >> 16) & 0xFFFF).ok().filter(|vector| *vector < 32)?;
            let has_error = low & 1 << 8 != 0;
            Some(PendingEvent::Exception(Event {
                kind: EventKind::Exception,
                vector,
                error: has_error.then_some((low >> 32) as u32),
                param: (value >> 64) as u64,
                length: 0,
            }))
        }
        5 => Some(PendingEvent::ExtInt((low >> 8) as u8)),
        _ => None,
    }
}

/// PendingInterruption: the event is nested in the delivery of another. Nothing follows from it here.
pub(crate) const NESTED: u64 = 1 << 9;

/// Interruption types of the PendingInterruption register.
const TYPES: [(u64, EventKind); 6] = [
    (0, EventKind::Interrupt),
    (2, EventKind::Nmi),
    (3, EventKind::Exception),
    (4, EventKind::SoftInt),
    (5, EventKind::PrivSoftException),
    (6, EventKind::SoftException),
];

/// The register of an event that waits for delivery.
pub(crate) fn encode_interruption(event: Option<&Event>) -> u64 {
    let Some(event) = event else { return 0 };
    let kind = TYPES.iter().find(|(_, kind)| *kind == event.kind).map_or(0, |(code, _)| *code);
    let error = event.error.map_or(0, |error| u64::from(error) << 32 | 1 << 4);
    1 | kind << 1 | u64::from(event.length & 15) << 5 | u64::from(event.vector) << 16 | error
}

/// The event a client writes; `Err` if the register cannot hold the value.
pub(crate) fn decode_interruption(value: u64) -> Result<Option<Event>, ()> {
    if value & 1 == 0 {
        return Ok(None);
    }
    let code = (value >> 1) & 7;
    let kind = TYPES.iter().find(|(number, _)| *number == code).map(|(_, kind)| *kind).ok_or(())?;
    let vector = u8::try_from((value >> 16) & 0xFFFF).map_err(|_| ())?;
    let is_exception = kind == EventKind::Exception;
    if value & 0xFC00 != 0 || is_exception && vector > 31 {
        return Err(());
    }
    let error = (value & 1 << 4 != 0).then_some((value >> 32) as u32);
    let vector = if kind == EventKind::Nmi { 2 } else { vector };
    Ok(Some(Event { kind, vector, error, param: 0, length: ((value >> 5) & 15) as u8 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interruptions_survive_the_register() {
        for (kind, vector, error, length) in [
            (EventKind::Interrupt, 0x30, None, 0),
            (EventKind::Nmi, 2, None, 0),
            (EventKind::Exception, 14, Some(7), 0),
            (EventKind::SoftInt, 0x80, None, 2),
        ] {
            let event = Event { kind, vector, error, param: 0, length };
            assert_eq!(decode_interruption(encode_interruption(Some(&event))), Ok(Some(event)));
        }
        assert_eq!(encode_interruption(None), 0);
        assert_eq!(decode_interruption(0xFFFF_FFFE), Ok(None));
    }

    #[test]
    fn impossible_interruptions_are_refused() {
        let reserved_bit = 1 | 1 << 12;
        let reserved_type = 1 | 1 << 1;
        let high_exception = 1 | 3 << 1 | 40 << 16;
        let wide_vector = 1 | 256 << 16;
        for value in [reserved_bit, reserved_type, high_exception, wide_vector] {
            assert_eq!(decode_interruption(value), Err(()));
        }
    }

    #[test]
    fn pending_events_decode_by_type() {
        let page_fault = 1_u128 | 1 << 8 | 14 << 16 | 5 << 32 | 0xDEAD_u128 << 64;
        let Some(PendingEvent::Exception(event)) = decode_pending_event(page_fault) else {
            panic!("an exception")
        };
        assert_eq!((event.vector, event.error, event.param), (14, Some(5), 0xDEAD));
        assert_eq!(decode_pending_event(1 | 5 << 1 | 0x31 << 8), Some(PendingEvent::ExtInt(0x31)));
        assert_eq!(decode_pending_event(1 | 7 << 1), None);
    }
}
