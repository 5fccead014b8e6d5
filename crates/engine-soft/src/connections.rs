//! Connections: numbers by which a guest signals events of the host.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::PoisonError;
use std::sync::RwLock;

use openwhp_engine::Event;

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signalled {
    /// The event is set.
    Done,
    /// The connection has one flag, number 0.
    BadFlag,
    /// Nobody has this connection.
    Unknown,
}

/// The connections of a partition.
#[derive(Debug, Default)]
pub(crate) struct Connections(RwLock<BTreeMap<u32, Event>>);

impl Connections {
    /// Adds one; false if it exists.
    pub(crate) fn insert(&self, connection: u32, event: Event) -> bool {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match all.entry(connection) {
            Entry::Vacant(place) => {
                place.insert(event);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Removes one, whose event is not set any more afterwards; false if it does not exist.
    pub(crate) fn remove(&self, connection: u32) -> bool {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&connection).is_some()
    }

    /// The guest signals a connection.
    pub(crate) fn signal(&self, connection: u32, flag: u16) -> Signalled {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match all.get(&connection) {
            Some(_) if flag != 0 => Signalled::BadFlag,
            Some(event) => {
                event.signal();
                Signalled::Done
            }
            None => Signalled::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::EventfdFlags;

    use super::*;

    fn event() -> Event {
        let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        Event::from(rustix::event::eventfd(0, flags).expect("an event"))
    }

    #[test]
    fn a_connection_signals_its_event_until_it_is_removed() {
        let all = Connections::default();
        let (one, two) = (event(), event());
        assert!(all.insert(7, one.clone()));
        assert!(!all.insert(7, two.clone()), "one port for each");
        assert!(all.insert(8, two.clone()));
        assert_eq!(all.signal(7, 0), Signalled::Done);
        assert_eq!(all.signal(7, 1), Signalled::BadFlag);
        assert_eq!(all.signal(9, 0), Signalled::Unknown);
        assert_eq!(one.take().expect("set"), 1);
        assert!(two.take().is_err(), "not set");
        assert!(all.remove(7) && !all.remove(7));
        assert_eq!(all.signal(7, 0), Signalled::Unknown);
    }
}
