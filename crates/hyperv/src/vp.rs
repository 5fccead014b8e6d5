//! Registers of one processor.

use crate::Fault;
use crate::Features;
use crate::Interrupts;
use crate::PageMemory;
use crate::PostError;
use crate::SintInterrupt;
use crate::Synic;
use crate::Timers;
use crate::VpMsr;
use crate::partition::PAGE_MASK;

/// The assist page is on.
const ENABLE: u64 = 1 << 0;
/// Offset of the assist page's word, and its bit "no EOI required".
const ASSIST_WORD: usize = 0;
const NO_EOI_REQUIRED: u32 = 1 << 0;
/// SVERSION.
const VERSION: u64 = 1;

/// What a write changed for the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VpChange {
    /// Nothing beyond the value.
    None,
    /// [`Synic::message_page`] may be another; waiting messages may go.
    MessagePage,
    /// [`Synic::event_page`] may be another.
    EventPage,
    /// [`Vp::assist_page`] may be another.
    AssistPage,
    /// The guest has emptied a slot: call [`Vp::end_of_message`].
    EndOfMessage,
    /// Deadlines may have moved: call [`Vp::advance`], then arm [`Timers::next_deadline`].
    Timers,
    /// A source or the controller changed: waiting messages may go.
    Sources,
}

/// The synthetic registers of one processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Vp {
    /// The interrupt controller.
    pub synic: Synic,
    /// The timers.
    pub timers: Timers,
    assist: u64,
    /// The guest has been told that it need not end the interrupt in service.
    is_eoi_waived: bool,
}

impl Vp {
    /// Registers after reset.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a guest, or a client, reads.
    pub fn read(&self, msr: VpMsr) -> u64 {
        match msr {
            VpMsr::Assist => self.assist,
            VpMsr::Scontrol => self.synic.control(),
            VpMsr::Sversion => VERSION,
            VpMsr::Siefp => self.synic.events(),
            VpMsr::Simp => self.synic.messages(),
            VpMsr::Eom => 0,
            VpMsr::Sint(number) => self.synic.sint(number),
            VpMsr::TimerConfig(number) => self.timers.config(number),
            VpMsr::TimerCount(number) => self.timers.count(number),
        }
    }

    /// A write at reference time `now`.
    ///
    /// # Errors
    /// [`Fault`] for the version, a vector below 16, and direct timers where they are not offered.
    ///
    /// # Source
    /// TLFS "SynIC Registers", "Synthetic Timer MSRs", "VP Assist Page".
    pub fn write(&mut self, features: Features, msr: VpMsr, value: u64, now: u64) -> Result<VpChange, Fault> {
        Ok(match msr {
            VpMsr::Assist => {
                self.assist = value;
                self.is_eoi_waived &= value & ENABLE != 0;
                VpChange::AssistPage
            }
            VpMsr::Scontrol => {
                self.synic.set_control(value);
                VpChange::Sources
            }
            VpMsr::Sversion => return Err(Fault),
            VpMsr::Siefp => {
                self.synic.set_events(value);
                VpChange::EventPage
            }
            VpMsr::Simp => {
                self.synic.set_messages(value);
                VpChange::MessagePage
            }
            VpMsr::Eom => VpChange::EndOfMessage,
            VpMsr::Sint(number) => {
                self.synic.set_sint(number, value)?;
                VpChange::Sources
            }
            VpMsr::TimerConfig(number) => {
                self.timers.set_config(number, value, features, now)?;
                VpChange::Timers
            }
            VpMsr::TimerCount(number) => {
                self.timers.set_count(number, value, now);
                VpChange::Timers
            }
        })
    }

    /// Runs the timers up to `now`; the message page is `page`.
    pub fn advance(&mut self, now: u64, page: &dyn PageMemory) -> Interrupts {
        self.timers.advance(now, &self.synic, page)
    }

    /// The guest has emptied a slot, or ended an interrupt of a source: messages that wait may go.
    pub fn end_of_message(&mut self, now: u64, page: &dyn PageMemory) -> Interrupts {
        if self.timers.waiting() == 0 {
            return Interrupts::default();
        }
        self.timers.send_waiting(now, &self.synic, page)
    }

    /// Posts a message of a client.
    ///
    /// # Errors
    /// [`PostError`]; messages of timers that wait go first.
    pub fn post(
        &self,
        sint: u8,
        message: &[u8],
        page: &dyn PageMemory,
    ) -> Result<Option<SintInterrupt>, PostError> {
        let has_queue = self.timers.waiting() & 1 << (sint & 15) != 0;
        self.synic.post(sint, message, has_queue, page)
    }

    /// Which of the wanted sources could take a client's message now.
    pub fn deliverable(&self, wanted: u16, page: &dyn PageMemory) -> u16 {
        self.synic.deliverable(wanted, self.timers.waiting(), page)
    }

    /// Guest address of the assist page, while it is on.
    pub fn assist_page(&self) -> Option<u64> {
        (self.assist & ENABLE != 0).then_some(self.assist & PAGE_MASK)
    }

    /// The processor takes an edge-triggered interrupt and nothing lower waits: tells the guest that it need not end it.
    pub fn waive_eoi(&mut self, page: &dyn PageMemory) {
        if self.assist & ENABLE != 0 {
            page.fetch_or(ASSIST_WORD, NO_EOI_REQUIRED);
            self.is_eoi_waived = true;
        }
    }

    /// Whether the guest has been told so and nothing has been heard of it since.
    pub fn is_eoi_waived(&self) -> bool {
        self.is_eoi_waived
    }

    /// The guest has taken note that it need not end the interrupt: the owner ends it. True once.
    pub fn take_silent_eoi(&mut self, page: &dyn PageMemory) -> bool {
        let is_taken = self.is_eoi_waived && page.load(ASSIST_WORD) & NO_EOI_REQUIRED == 0;
        self.is_eoi_waived &= !is_taken;
        is_taken
    }

    /// Something waits behind the interrupt in service, or the guest ended it after all: an end is required again.
    pub fn require_eoi(&mut self, page: &dyn PageMemory) {
        if std::mem::take(&mut self.is_eoi_waived) {
            page.fetch_and(ASSIST_WORD, !NO_EOI_REQUIRED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HeapPage;

    const ALL: Features = Features::IMPLEMENTED;

    #[test]
    fn registers_read_what_was_written() {
        let mut vp = Vp::new();
        for (msr, value, change) in [
            (VpMsr::Assist, 0x3001, VpChange::AssistPage),
            (VpMsr::Scontrol, 0, VpChange::Sources),
            (VpMsr::Siefp, 0x4FFF, VpChange::EventPage),
            (VpMsr::Simp, 0x5001, VpChange::MessagePage),
            (VpMsr::Sint(7), 0x2_0031, VpChange::Sources),
            (VpMsr::TimerConfig(2), 3 << 16, VpChange::Timers),
            (VpMsr::TimerCount(2), 99, VpChange::Timers),
        ] {
            assert_eq!(vp.write(ALL, msr, value, 0), Ok(change));
            assert_eq!(vp.read(msr), value);
        }
        assert_eq!((vp.assist_page(), vp.synic.event_page()), (Some(0x3000), Some(0x4000)));
    }

    #[test]
    fn reset_values_are_those_clients_expect() {
        let vp = Vp::new();
        assert_eq!((vp.read(VpMsr::Scontrol), vp.read(VpMsr::Sversion), vp.read(VpMsr::Eom)), (1, 1, 0));
        assert_eq!((vp.read(VpMsr::Sint(0)), vp.read(VpMsr::Simp)), (0x10000, 0));
    }

    #[test]
    fn the_version_is_read_only_and_eom_scans() {
        let mut vp = Vp::new();
        assert_eq!(vp.write(ALL, VpMsr::Sversion, 1, 0), Err(Fault));
        assert_eq!(vp.write(ALL, VpMsr::Eom, 5, 0), Ok(VpChange::EndOfMessage));
    }

    #[test]
    fn client_messages_do_not_pass_those_of_timers() {
        let (mut vp, page) = (Vp::new(), HeapPage::new());
        let _ = vp.write(ALL, VpMsr::Simp, 1, 0);
        let _ = vp.write(ALL, VpMsr::TimerConfig(0), 4 << 16 | 1 << 3, 0);
        let _ = vp.write(ALL, VpMsr::TimerCount(0), 5, 0);
        page.store(4 * 256, 1);
        let _ = vp.advance(5, &page);
        page.store(4 * 256, 0);
        assert_eq!(vp.deliverable(u16::MAX, &page), !(1 << 4));
        assert_eq!(vp.post(4, &[1; 16], &page), Err(PostError::Occupied));
        let _ = vp.end_of_message(6, &page);
        assert_eq!(page.load(4 * 256), 0x8000_0010);
    }

    #[test]
    fn a_waived_end_is_noticed_once() {
        let (mut vp, page) = (Vp::new(), HeapPage::new());
        vp.waive_eoi(&page);
        assert!(!vp.is_eoi_waived());
        let _ = vp.write(ALL, VpMsr::Assist, 0x1001, 0);
        vp.waive_eoi(&page);
        assert!(vp.is_eoi_waived() && page.load(0) == 1 && !vp.take_silent_eoi(&page));
        page.store(0, 0);
        assert!(vp.take_silent_eoi(&page) && !vp.take_silent_eoi(&page));
        vp.waive_eoi(&page);
        vp.require_eoi(&page);
        assert!(page.load(0) == 0 && !vp.take_silent_eoi(&page));
    }
}
