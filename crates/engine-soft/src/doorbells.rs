//! Doorbells: stores of the guest that set events of the host.

use openwhp_engine::DoorbellMatch;
use openwhp_engine::Event;
use openwhp_engine::Gpa;

#[derive(Clone, Debug)]
struct Doorbell {
    on: DoorbellMatch,
    event: Event,
}

/// All doorbells of a partition, ascending by address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doorbells(Vec<Doorbell>);

impl Doorbells {
    /// Number of the first doorbell at this address or behind it.
    fn first(&self, gpa: Gpa) -> usize {
        self.0.partition_point(|bell| bell.on.gpa < gpa)
    }

    fn at(&self, gpa: Gpa) -> impl Iterator<Item = &Doorbell> {
        self.0[self.first(gpa)..].iter().take_while(move |bell| bell.on.gpa == gpa)
    }

    /// True if a doorbell lies in the page.
    pub(crate) fn has_page(&self, page: u64) -> bool {
        let first = self.0.partition_point(|bell| bell.on.gpa.page() < page);
        self.0.get(first).is_some_and(|bell| bell.on.gpa.page() == page)
    }

    /// Those with one more; `None` if it conflicts.
    pub(crate) fn with(&self, on: DoorbellMatch, event: Event) -> Option<Self> {
        if self.at(on.gpa).any(|bell| bell.on.conflicts(&on)) {
            return None;
        }
        let mut bells = self.clone();
        bells.0.insert(self.first(on.gpa), Doorbell { on, event });
        Some(bells)
    }

    /// Those without one; `None` if it is not among them.
    pub(crate) fn without(&self, on: &DoorbellMatch) -> Option<Self> {
        let at = self.first(on.gpa) + self.at(on.gpa).position(|bell| bell.on == *on)?;
        let mut bells = self.clone();
        bells.0.remove(at);
        Some(bells)
    }

    /// A store: sets the event of the doorbell it rings, if there is one.
    pub(crate) fn ring(&self, gpa: Gpa, data: &[u8]) -> bool {
        let mut value = [0; 8];
        let Some(bytes) = value.get_mut(..data.len()) else { return false };
        bytes.copy_from_slice(data);
        let value = u64::from_le_bytes(value);
        let found = self.at(gpa).find(|bell| bell.on.matches(gpa, data.len() as u8, value));
        if let Some(bell) = found {
            bell.event.signal();
        }
        found.is_some()
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

    fn on(gpa: u64, length: Option<u8>, value: Option<u64>) -> DoorbellMatch {
        DoorbellMatch { gpa: Gpa(gpa), length, value }
    }

    #[test]
    fn a_store_rings_the_one_doorbell_it_matches() {
        let (one, two, three) = (event(), event(), event());
        let bells = Doorbells::default();
        let bells = bells.with(on(0x2004, Some(4), Some(1)), one.clone()).expect("free");
        let bells = bells.with(on(0x2004, Some(4), Some(2)), two.clone()).expect("another value");
        let bells = bells.with(on(0x2002, None, None), three.clone()).expect("another address");
        assert!(bells.with(on(0x2004, None, None), one.clone()).is_none());
        assert!(bells.with(on(0x2004, Some(4), Some(2)), one.clone()).is_none());
        assert!(bells.ring(Gpa(0x2004), &2_u32.to_le_bytes()));
        assert!(!bells.ring(Gpa(0x2004), &3_u32.to_le_bytes()));
        assert!(!bells.ring(Gpa(0x2004), &2_u16.to_le_bytes()));
        assert!(bells.ring(Gpa(0x2002), &[0xFF]));
        assert!(bells.ring(Gpa(0x2002), &[0; 8]));
        assert!(one.take().is_err());
        assert_eq!((two.take().ok(), three.take().ok()), (Some(1), Some(2)));
    }

    #[test]
    fn pages_are_doorbell_pages_while_one_is_left() {
        let (one, two) = (on(0x2FFF, Some(1), None), on(0x2000, None, None));
        let bells = Doorbells::default().with(one, event()).expect("free");
        let bells = bells.with(two, event()).expect("free");
        let page = |bells: &Doorbells| [1, 2, 3].map(|page| bells.has_page(page));
        assert_eq!(page(&bells), [false, true, false]);
        assert!(bells.without(&on(0x2FFF, Some(1), Some(0))).is_none(), "exact match data only");
        let bells = bells.without(&one).expect("there");
        assert!(bells.without(&one).is_none());
        assert_eq!(page(&bells), [false, true, false]);
        assert_eq!(page(&bells.without(&two).expect("there")), [false; 3]);
    }
}
