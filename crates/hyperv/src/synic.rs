//! The synthetic interrupt controller of one processor.

use crate::Fault;
use crate::PageMemory;
use crate::page;
use crate::partition::PAGE_MASK;

/// Number of synthetic interrupt sources.
pub const SINT_COUNT: usize = 16;
/// Size of a message slot, and of a message at most.
pub const MESSAGE_SIZE: usize = 256;
/// Event flags of one source.
pub(crate) const FLAG_COUNT: u16 = 2048;
/// Bytes of one source's event flags.
const FLAG_BYTES: usize = 256;

const ENABLE: u64 = 1 << 0;
const VECTOR: u64 = 0xFF;
const MASKED: u64 = 1 << 16;
const AUTO_EOI: u64 = 1 << 17;
const POLLING: u64 = 1 << 18;
/// SCONTROL after reset.
const CONTROL_RESET: u64 = ENABLE;

/// Offset of the word with a message's flags, and the flag that asks for an end of message.
const FLAGS_WORD: usize = 4;
const MESSAGE_PENDING: u32 = 1 << 8;

/// An interrupt that a source raises in its processor's local APIC: edge-triggered, fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SintInterrupt {
    /// The vector.
    pub vector: u8,
    /// Ended by the local APIC when the processor takes it.
    pub auto_eoi: bool,
}

/// Interrupts raised by one operation, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Interrupts {
    list: [Option<SintInterrupt>; 8],
    count: usize,
}

impl Interrupts {
    pub(crate) fn push(&mut self, interrupt: Option<SintInterrupt>) {
        if interrupt.is_some()
            && let Some(place) = self.list.get_mut(self.count)
        {
            *place = interrupt;
            self.count += 1;
        }
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = SintInterrupt> + '_ {
        self.list.iter().flatten().copied()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Controller, page or source do not take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotReady;

/// A message was not posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PostError {
    /// Controller or page are off.
    NotReady,
    /// The slot holds a message; the guest has been asked to say when it is empty.
    Occupied,
}

/// What a signal did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signaled {
    /// The flag was clear before.
    pub is_new: bool,
    /// What to raise.
    pub interrupt: Option<SintInterrupt>,
}

/// Registers of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synic {
    control: u64,
    events: u64,
    messages: u64,
    sints: [u64; SINT_COUNT],
}

impl Default for Synic {
    fn default() -> Self {
        Self::new()
    }
}

impl Synic {
    /// Registers after reset. The controller itself is on, as clients expect it; pages and sources are off.
    pub fn new() -> Self {
        Self { control: CONTROL_RESET, events: 0, messages: 0, sints: [MASKED; SINT_COUNT] }
    }

    /// SCONTROL.
    pub fn control(&self) -> u64 {
        self.control
    }

    /// Sets SCONTROL.
    pub fn set_control(&mut self, value: u64) {
        self.control = value;
    }

    /// SIEFP.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Sets SIEFP.
    pub fn set_events(&mut self, value: u64) {
        self.events = value;
    }

    /// SIMP.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Sets SIMP.
    pub fn set_messages(&mut self, value: u64) {
        self.messages = value;
    }

    /// Guest address of the event flag page, while it is on.
    pub fn event_page(&self) -> Option<u64> {
        (self.events & ENABLE != 0).then_some(self.events & PAGE_MASK)
    }

    /// Guest address of the message page, while it is on.
    pub fn message_page(&self) -> Option<u64> {
        (self.messages & ENABLE != 0).then_some(self.messages & PAGE_MASK)
    }

    /// A source's register.
    pub fn sint(&self, number: u8) -> u64 {
        self.sints[usize::from(number) % SINT_COUNT]
    }

    /// Writes a source's register.
    ///
    /// # Errors
    /// [`Fault`] for a vector below 16; a source that raises nothing may have vector 0.
    pub fn set_sint(&mut self, number: u8, value: u64) -> Result<(), Fault> {
        let is_silent = value & (MASKED | POLLING) != 0;
        let vector = value & VECTOR;
        if vector < 16 && !(is_silent && vector == 0) {
            return Err(Fault);
        }
        self.sints[usize::from(number) % SINT_COUNT] = value;
        Ok(())
    }

    /// What a source raises, if it may.
    fn interrupt(&self, number: u8) -> Option<SintInterrupt> {
        let sint = self.sint(number);
        (sint & (MASKED | POLLING) == 0)
            .then_some(SintInterrupt { vector: sint as u8, auto_eoi: sint & AUTO_EOI != 0 })
    }

    /// Whether some unmasked source ends its interrupt by itself when this vector is taken.
    pub fn is_auto_eoi(&self, vector: u8) -> bool {
        (0..SINT_COUNT as u8)
            .filter_map(|number| self.interrupt(number))
            .any(|interrupt| interrupt.auto_eoi && interrupt.vector == vector)
    }

    /// Whether some source uses the vector: its end may make room for a message.
    pub fn has_vector(&self, vector: u8) -> bool {
        self.sints.iter().any(|sint| sint & MASKED == 0 && *sint as u8 == vector)
    }

    /// Sets an event flag of a source.
    ///
    /// # Errors
    /// [`NotReady`] if the controller or the page is off or the source is masked; nothing has changed.
    ///
    /// # Source
    /// TLFS "SynIC Event Flags"; WHP `WHvSignalVirtualProcessorSynicEvent`.
    pub fn signal(&self, number: u8, flag: u16, page: &dyn PageMemory) -> Result<Signaled, NotReady> {
        let is_ready = self.control & ENABLE != 0 && self.events & ENABLE != 0;
        if !is_ready || self.sint(number) & MASKED != 0 {
            return Err(NotReady);
        }
        let flag = usize::from(flag % FLAG_COUNT);
        let offset = usize::from(number) % SINT_COUNT * FLAG_BYTES + flag / 32 * 4;
        let bit = 1 << (flag % 32);
        let is_new = page.fetch_or(offset, bit) & bit == 0;
        let interrupt = if is_new { self.interrupt(number) } else { None };
        Ok(Signaled { is_new, interrupt })
    }

    /// Whether messages can arrive at all.
    pub(crate) fn takes_messages(&self) -> bool {
        self.control & ENABLE != 0 && self.messages & ENABLE != 0
    }

    /// Puts a message (header and payload, 1 to 256 bytes, type not 0) into a source's slot.
    ///
    /// `has_queue`: others wait for this slot already, so this one may not pass them.
    ///
    /// # Errors
    /// [`PostError`]; an occupied slot has its message-pending flag set, so that the guest writes EOM.
    ///
    /// # Source
    /// TLFS "SynIC Message Page", "Message Flags".
    pub fn post(
        &self,
        number: u8,
        message: &[u8],
        has_queue: bool,
        page: &dyn PageMemory,
    ) -> Result<Option<SintInterrupt>, PostError> {
        if !self.takes_messages() {
            return Err(PostError::NotReady);
        }
        let slot = slot(number);
        if has_queue || !is_empty_for(slot, page) {
            page.fetch_or(slot + FLAGS_WORD, MESSAGE_PENDING);
            return Err(PostError::Occupied);
        }
        let length = message.len().min(MESSAGE_SIZE);
        page::write_bytes(page, slot, &message[..length]);
        Ok(self.interrupt(number))
    }

    /// Which of the wanted sources could take a message now. Sources in `busy` have messages of our own waiting.
    /// Whoever empties the slots of the others is asked to tell.
    pub fn deliverable(&self, wanted: u16, busy: u16, page: &dyn PageMemory) -> u16 {
        if wanted == 0 || !self.takes_messages() {
            return 0;
        }
        let is_free = |number: &u8| is_empty_for(slot(*number), page);
        let candidates = (0..SINT_COUNT as u8).filter(|number| wanted & !busy & 1 << number != 0);
        candidates.filter(is_free).fold(0, |found, number| found | 1 << number)
    }
}

fn slot(number: u8) -> usize {
    usize::from(number) % SINT_COUNT * MESSAGE_SIZE
}

/// Whether a slot is empty; if it is not, whoever empties it is asked to tell.
fn is_empty_for(slot: usize, page: &dyn PageMemory) -> bool {
    if page.load(slot) == 0 {
        return true;
    }
    page.fetch_or(slot + FLAGS_WORD, MESSAGE_PENDING);
    // The guest may have emptied it before it could see the flag.
    page.load(slot) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HeapPage;

    const UNMASKED: u64 = 0x50;

    fn ready() -> (Synic, HeapPage) {
        let mut synic = Synic::new();
        synic.set_events(0x1001);
        synic.set_messages(0x2001);
        synic.set_sint(2, UNMASKED).expect("legal");
        (synic, HeapPage::new())
    }

    fn message(kind: u32) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..=255).collect();
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].fill(0);
        bytes
    }

    #[test]
    fn sources_refuse_low_vectors_unless_silent() {
        let mut synic = Synic::new();
        assert_eq!(synic.sint(15), MASKED);
        for bad in [0, 15, MASKED | 15, AUTO_EOI | 1] {
            assert_eq!(synic.set_sint(1, bad), Err(Fault));
        }
        for good in [16, 255, MASKED, POLLING, MASKED | 0x40 | AUTO_EOI, 0x40 | 1 << 40] {
            assert_eq!(synic.set_sint(1, good), Ok(()));
            assert_eq!(synic.sint(1), good);
        }
    }

    #[test]
    fn a_flag_raises_an_interrupt_once() {
        let (synic, page) = ready();
        let raised = SintInterrupt { vector: 0x50, auto_eoi: false };
        assert_eq!(synic.signal(2, 100, &page), Ok(Signaled { is_new: true, interrupt: Some(raised) }));
        assert_eq!(synic.signal(2, 100, &page), Ok(Signaled { is_new: false, interrupt: None }));
        assert_eq!(page.load(2 * 256 + 12), 1 << 4);
        assert_eq!(synic.signal(2, 2047, &page).map(|signal| signal.is_new), Ok(true));
        assert_eq!(page.load(2 * 256 + 252), 1 << 31);
    }

    #[test]
    fn signals_need_controller_page_and_source() {
        let (good, page) = ready();
        let change = |change: fn(&mut Synic)| {
            let mut synic = good;
            change(&mut synic);
            synic.signal(2, 0, &page)
        };
        assert_eq!(change(|synic| synic.set_control(0)), Err(NotReady));
        assert_eq!(change(|synic| synic.set_events(0x1000)), Err(NotReady));
        assert_eq!(change(|synic| synic.set_sint(2, MASKED).expect("legal")), Err(NotReady));
        assert_eq!(page.load(512), 0);
        let polled = change(|synic| synic.set_sint(2, POLLING).expect("legal"));
        assert_eq!(polled, Ok(Signaled { is_new: true, interrupt: None }));
    }

    #[test]
    fn a_message_fills_its_slot_and_the_next_must_wait() {
        let (synic, page) = ready();
        let interrupt = synic.post(2, &message(1), false, &page);
        assert_eq!(interrupt, Ok(Some(SintInterrupt { vector: 0x50, auto_eoi: false })));
        assert_eq!(page.load(512), 1);
        assert_eq!(page.load(512 + 252).to_le_bytes(), [252, 253, 254, 255]);
        assert_eq!(page.load(768), 0);
        assert_eq!(page.load(516) & MESSAGE_PENDING, 0);
        assert_eq!(synic.post(2, &message(2), false, &page), Err(PostError::Occupied));
        assert_eq!(page.load(516), MESSAGE_PENDING);
        page.store(512, 0);
        assert!(synic.post(2, &message(2), false, &page).is_ok());
        assert_eq!((page.load(512), page.load(516)), (2, 0));
    }

    #[test]
    fn masked_sources_receive_messages_silently() {
        let (synic, page) = ready();
        assert_eq!(synic.post(3, &message(9), false, &page), Ok(None));
        assert_eq!(page.load(768), 9);
    }

    #[test]
    fn short_messages_leave_the_rest_of_the_slot() {
        let (synic, page) = ready();
        page.store(512 + 20, 0xAAAA_AAAA);
        assert!(synic.post(2, &message(1)[..21], false, &page).is_ok());
        assert_eq!(page.load(512 + 20), 0xAAAA_AA14);
    }

    #[test]
    fn messages_do_not_pass_those_that_wait() {
        let (synic, page) = ready();
        assert_eq!(synic.post(2, &message(1), true, &page), Err(PostError::Occupied));
        assert_eq!(page.load(512), 0);
    }

    #[test]
    fn messages_need_controller_and_page() {
        let (good, page) = ready();
        for change in [|synic: &mut Synic| synic.set_control(0), |synic: &mut Synic| synic.set_messages(0)] {
            let mut synic = good;
            change(&mut synic);
            assert_eq!(synic.post(2, &message(1), false, &page), Err(PostError::NotReady));
            assert_eq!(synic.deliverable(u16::MAX, 0, &page), 0);
        }
    }

    #[test]
    fn deliverable_sources_have_an_empty_slot_and_no_queue() {
        let (synic, page) = ready();
        page.store(512, 1);
        assert_eq!(synic.deliverable(0b1111, 0b1000, &page), 0b0011);
        assert_eq!(page.load(516), MESSAGE_PENDING);
        assert_eq!(synic.deliverable(0, 0, &page), 0);
    }

    #[test]
    fn vectors_know_their_sources() {
        let (mut synic, _) = ready();
        assert!(synic.has_vector(0x50) && !synic.is_auto_eoi(0x50) && !synic.has_vector(0));
        synic.set_sint(4, 0x50 | AUTO_EOI).expect("legal");
        assert!(synic.is_auto_eoi(0x50) && !synic.is_auto_eoi(0x51));
    }
}
