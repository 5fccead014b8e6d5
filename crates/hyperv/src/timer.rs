//! Synthetic timers. All times are reference time in units of 100 ns.

use crate::Fault;
use crate::Features;
use crate::Interrupts;
use crate::PageMemory;
use crate::SintInterrupt;
use crate::Synic;

/// Timers of a processor.
pub const TIMER_COUNT: usize = 4;
/// Size of the saved form in bytes.
pub const SAVED_TIMERS_SIZE: usize = 200;
/// Bytes of one timer in the saved form.
const SAVED_TIMER: usize = 40;

const ENABLED: u64 = 1 << 0;
const PERIODIC: u64 = 1 << 1;
const LAZY: u64 = 1 << 2;
const AUTO_ENABLE: u64 = 1 << 3;
const VECTOR_SHIFT: u32 = 4;
const DIRECT: u64 = 1 << 12;
const SINT_SHIFT: u32 = 16;

/// Type of the message that a timer sends.
const EXPIRED: u32 = 0x8000_0010;
const HEADER: usize = 16;
const PAYLOAD: usize = 24;

/// How long a lazy timer of a processor that sleeps may be late: it fires with the next thing that wakes the processor,
/// or after this long.
const LAZINESS: u64 = 500_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Timer {
    config: u64,
    count: u64,
    /// When it fires next, while enabled.
    due: Option<u64>,
    /// When the message that waits for its slot expired.
    waiting: Option<u64>,
}

/// The timers of one processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Timers([Timer; TIMER_COUNT]);

impl Timer {
    fn has(&self, bit: u64) -> bool {
        self.config & bit != 0
    }

    fn sint(&self) -> u8 {
        (self.config >> SINT_SHIFT & 15) as u8
    }

    /// Starts or stops after a register changed.
    fn restart(&mut self, now: u64) {
        if !self.has(DIRECT) && self.sint() == 0 {
            self.config &= !ENABLED;
        }
        self.due = match (self.has(ENABLED), self.has(PERIODIC)) {
            (false, _) => None,
            // Enabled before it has a count: it waits for one.
            (true, _) if self.count == 0 => None,
            (true, false) => Some(self.count),
            (true, true) => Some(now.saturating_add(self.count)),
        };
    }

    /// Fires if it is due. Missed periods are skipped.
    fn expire(&mut self, now: u64) -> Option<u64> {
        let due = self.due.filter(|due| *due <= now)?;
        if self.has(PERIODIC) {
            let missed = (now - due) / self.count.max(1);
            self.due = Some(due.saturating_add((missed + 1).saturating_mul(self.count)));
        } else {
            self.due = None;
            self.config &= !ENABLED;
        }
        Some(due)
    }
}

impl Timers {
    /// A timer's configuration register.
    pub fn config(&self, number: u8) -> u64 {
        self.0[usize::from(number) % TIMER_COUNT].config
    }

    /// A timer's count register.
    pub fn count(&self, number: u8) -> u64 {
        self.0[usize::from(number) % TIMER_COUNT].count
    }

    /// Writes a configuration register. A message that waits is dropped.
    ///
    /// # Errors
    /// [`Fault`] for direct mode where it is not offered.
    pub fn set_config(&mut self, number: u8, value: u64, features: Features, now: u64) -> Result<(), Fault> {
        if value & DIRECT != 0 && !features.contains(Features::DIRECT_TIMERS) {
            return Err(Fault);
        }
        let timer = &mut self.0[usize::from(number) % TIMER_COUNT];
        timer.config = value;
        timer.waiting = None;
        timer.restart(now);
        Ok(())
    }

    /// Writes a count register: absolute time, or period. Zero stops.
    pub fn set_count(&mut self, number: u8, value: u64, now: u64) {
        let timer = &mut self.0[usize::from(number) % TIMER_COUNT];
        timer.count = value;
        timer.waiting = None;
        if value == 0 {
            timer.config &= !ENABLED;
        } else if timer.has(AUTO_ENABLE) {
            timer.config |= ENABLED;
        }
        timer.restart(now);
    }

    /// Reference time at which [`Timers::advance`] has something to do.
    pub fn next_deadline(&self) -> Option<u64> {
        self.0.iter().filter_map(|timer| timer.due).min()
    }

    /// As [`Timers::next_deadline`] for a processor that sleeps: lazy timers may be late.
    pub fn next_wake(&self) -> Option<u64> {
        let wake = |timer: &Timer| {
            let slack = if timer.has(LAZY) { LAZINESS } else { 0 };
            Some(timer.due?.saturating_add(slack))
        };
        self.0.iter().filter_map(wake).min()
    }

    /// Fires what is due by `now` and sends the messages that can be sent.
    ///
    /// # Source
    /// TLFS "Synthetic Timers", "Periodic Timers", "Direct Synthetic Timers".
    pub fn advance(&mut self, now: u64, synic: &Synic, page: &dyn PageMemory) -> Interrupts {
        let mut raised = Interrupts::default();
        for timer in &mut self.0 {
            let Some(expiration) = timer.expire(now) else { continue };
            if timer.has(DIRECT) {
                let vector = (timer.config >> VECTOR_SHIFT) as u8;
                raised.push(Some(SintInterrupt { vector, auto_eoi: false }));
            } else {
                // One message waits at most; those after it are lost.
                timer.waiting.get_or_insert(expiration);
            }
        }
        self.send(now, synic, page, &mut raised);
        raised
    }

    /// Sends the messages that wait for a slot: after EOM, EOI, and when the message page appears.
    pub fn send_waiting(&mut self, now: u64, synic: &Synic, page: &dyn PageMemory) -> Interrupts {
        let mut raised = Interrupts::default();
        self.send(now, synic, page, &mut raised);
        raised
    }

    fn send(&mut self, now: u64, synic: &Synic, page: &dyn PageMemory, raised: &mut Interrupts) {
        for (number, timer) in self.0.iter_mut().enumerate() {
            let Some(expiration) = timer.waiting else { continue };
            let message = message(number as u32, expiration, now);
            if let Ok(interrupt) = synic.post(timer.sint(), &message, false, page) {
                timer.waiting = None;
                raised.push(interrupt);
            }
        }
    }

    /// Sources whose slot a message waits for, a bit each.
    pub fn waiting(&self) -> u16 {
        let waiting = self.0.iter().filter(|timer| timer.waiting.is_some());
        waiting.fold(0, |bits, timer| bits | 1 << timer.sint())
    }

    /// The 200-byte form.
    ///
    /// # Notes
    /// The adjustment of a timer is the reference time at which a periodic timer fires next; 0 for others.
    ///
    /// # Source
    /// WHP `WHvGetVirtualProcessorState`, synthetic timer state.
    pub fn save(&self) -> [u8; SAVED_TIMERS_SIZE] {
        let mut bytes = [0; SAVED_TIMERS_SIZE];
        for (timer, piece) in self.0.iter().zip(bytes.chunks_exact_mut(SAVED_TIMER)) {
            let adjustment = if timer.has(PERIODIC) { timer.due.unwrap_or(0) } else { 0 };
            piece[..4].copy_from_slice(&u32::from(timer.waiting.is_some()).to_le_bytes());
            piece[8..16].copy_from_slice(&timer.config.to_le_bytes());
            piece[16..24].copy_from_slice(&timer.count.to_le_bytes());
            piece[24..32].copy_from_slice(&adjustment.to_le_bytes());
            piece[32..40].copy_from_slice(&timer.waiting.unwrap_or(0).to_le_bytes());
        }
        bytes
    }

    /// Loads the 200-byte form; `now` starts periodic timers that were saved without a next time.
    ///
    /// # Errors
    /// [`Fault`] for direct mode where it is not offered; nothing has changed.
    pub fn load(
        &mut self,
        bytes: &[u8; SAVED_TIMERS_SIZE],
        features: Features,
        now: u64,
    ) -> Result<(), Fault> {
        let mut timers = [Timer::default(); TIMER_COUNT];
        for (timer, piece) in timers.iter_mut().zip(bytes.chunks_exact(SAVED_TIMER)) {
            let word = |at: usize| {
                let mut word = [0; 8];
                word.copy_from_slice(&piece[at..at + 8]);
                u64::from_le_bytes(word)
            };
            timer.config = word(8);
            timer.count = word(16);
            if timer.has(DIRECT) && !features.contains(Features::DIRECT_TIMERS) {
                return Err(Fault);
            }
            timer.restart(now);
            let adjustment = word(24);
            if timer.has(PERIODIC) && timer.due.is_some() && adjustment != 0 {
                timer.due = Some(adjustment);
            }
            timer.waiting = (word(0) as u32 != 0).then_some(word(32));
        }
        self.0 = timers;
        Ok(())
    }
}

/// The message of an expiry.
fn message(timer: u32, expiration: u64, delivery: u64) -> [u8; HEADER + PAYLOAD] {
    let mut message = [0; HEADER + PAYLOAD];
    message[..4].copy_from_slice(&EXPIRED.to_le_bytes());
    message[4] = PAYLOAD as u8;
    message[16..20].copy_from_slice(&timer.to_le_bytes());
    message[24..32].copy_from_slice(&expiration.to_le_bytes());
    message[32..40].copy_from_slice(&delivery.to_le_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HeapPage;

    const ALL: Features = Features::IMPLEMENTED;
    const SINT2: u64 = 2 << SINT_SHIFT;

    fn machine() -> (Timers, Synic, HeapPage) {
        let mut synic = Synic::new();
        synic.set_messages(0x2001);
        synic.set_sint(2, 0x50).expect("legal");
        (Timers::default(), synic, HeapPage::new())
    }

    fn vectors(raised: &Interrupts) -> Vec<u8> {
        raised.iter().map(|interrupt| interrupt.vector).collect()
    }

    fn long(page: &HeapPage, offset: usize) -> u64 {
        u64::from(page.load(offset + 4)) << 32 | u64::from(page.load(offset))
    }

    #[test]
    fn a_one_shot_fires_once_and_disables_itself() {
        let (mut timers, synic, page) = machine();
        timers.set_count(1, 1000, 0);
        timers.set_config(1, SINT2 | ENABLED, ALL, 10).expect("legal");
        assert_eq!(timers.next_deadline(), Some(1000));
        assert!(timers.advance(999, &synic, &page).is_empty());
        assert_eq!(vectors(&timers.advance(1007, &synic, &page)), [0x50]);
        assert_eq!((page.load(512), page.load(516)), (EXPIRED, 24));
        assert_eq!((page.load(512 + 16), long(&page, 512 + 24), long(&page, 512 + 32)), (1, 1000, 1007));
        assert_eq!((timers.config(1), timers.next_deadline()), (SINT2, None));
    }

    #[test]
    fn a_count_in_the_past_fires_at_once() {
        let (mut timers, synic, page) = machine();
        timers.set_config(0, SINT2 | AUTO_ENABLE, ALL, 500).expect("legal");
        timers.set_count(0, 400, 500);
        assert_eq!(timers.next_deadline(), Some(400));
        assert_eq!(vectors(&timers.advance(500, &synic, &page)), [0x50]);
    }

    #[test]
    fn zero_stops_and_auto_enable_starts() {
        let (mut timers, ..) = machine();
        timers.set_config(0, SINT2 | AUTO_ENABLE | PERIODIC, ALL, 0).expect("legal");
        timers.set_count(0, 50, 100);
        assert_eq!((timers.config(0) & ENABLED, timers.next_deadline()), (ENABLED, Some(150)));
        timers.set_count(0, 0, 120);
        assert_eq!((timers.config(0) & ENABLED, timers.next_deadline()), (0, None));
        timers.set_config(0, SINT2, ALL, 0).expect("legal");
        timers.set_count(0, 50, 100);
        assert_eq!(timers.next_deadline(), None);
    }

    #[test]
    fn a_source_of_zero_disables() {
        let (mut timers, ..) = machine();
        timers.set_count(0, 50, 0);
        timers.set_config(0, ENABLED, ALL, 0).expect("legal");
        assert_eq!(timers.config(0), 0);
        timers.set_config(0, ENABLED | DIRECT | 0x40 << VECTOR_SHIFT, ALL, 0).expect("legal");
        assert_eq!(timers.next_deadline(), Some(50));
    }

    #[test]
    fn periodic_timers_keep_their_phase_and_skip_what_was_missed() {
        let (mut timers, synic, page) = machine();
        timers.set_count(0, 100, 0);
        timers.set_config(0, DIRECT | PERIODIC | ENABLED | 0x60 << VECTOR_SHIFT, ALL, 1000).expect("legal");
        assert_eq!(timers.next_deadline(), Some(1100));
        assert_eq!(vectors(&timers.advance(1130, &synic, &page)), [0x60]);
        assert_eq!(timers.next_deadline(), Some(1200));
        assert_eq!(vectors(&timers.advance(1555, &synic, &page)), [0x60]);
        assert_eq!(timers.next_deadline(), Some(1600));
        assert_eq!(timers.config(0) & ENABLED, ENABLED);
    }

    #[test]
    fn direct_mode_needs_its_feature() {
        let (mut timers, ..) = machine();
        assert_eq!(timers.set_config(0, DIRECT, ALL - Features::DIRECT_TIMERS, 0), Err(Fault));
    }

    #[test]
    fn a_message_waits_for_its_slot_and_later_ones_are_lost() {
        let (mut timers, synic, page) = machine();
        page.store(512, 77);
        timers.set_count(0, 10, 0);
        timers.set_config(0, SINT2 | PERIODIC | ENABLED, ALL, 0).expect("legal");
        assert!(timers.advance(10, &synic, &page).is_empty());
        assert!(timers.advance(20, &synic, &page).is_empty());
        assert_eq!((page.load(512), page.load(516), timers.waiting()), (77, 1 << 8, 1 << 2));
        page.store(512, 0);
        assert_eq!(vectors(&timers.send_waiting(25, &synic, &page)), [0x50]);
        assert_eq!((long(&page, 512 + 24), long(&page, 512 + 32)), (10, 25));
        assert_eq!(timers.waiting(), 0);
        page.store(512, 0);
        assert!(timers.send_waiting(26, &synic, &page).is_empty());
    }

    #[test]
    fn timers_of_one_source_share_its_slot() {
        let (mut timers, synic, page) = machine();
        for number in 0..2 {
            timers.set_count(number, 10, 0);
            timers.set_config(number, SINT2 | ENABLED, ALL, 0).expect("legal");
        }
        assert_eq!(vectors(&timers.advance(10, &synic, &page)), [0x50]);
        assert_eq!((page.load(512 + 16), page.load(516) & 1 << 8), (0, 1 << 8));
        page.store(512, 0);
        assert_eq!(vectors(&timers.send_waiting(11, &synic, &page)), [0x50]);
        assert_eq!(page.load(512 + 16), 1);
    }

    #[test]
    fn lazy_timers_wake_nobody_in_time() {
        let (mut timers, ..) = machine();
        timers.set_count(0, 10, 0);
        timers.set_config(0, SINT2 | LAZY | ENABLED, ALL, 0).expect("legal");
        assert_eq!((timers.next_deadline(), timers.next_wake()), (Some(10), Some(10 + LAZINESS)));
        timers.set_count(1, 30, 0);
        timers.set_config(1, SINT2 | ENABLED, ALL, 0).expect("legal");
        assert_eq!(timers.next_wake(), Some(30));
    }

    #[test]
    fn rewriting_a_register_drops_the_waiting_message() {
        let (mut timers, synic, page) = machine();
        page.store(512, 1);
        timers.set_count(0, 10, 0);
        timers.set_config(0, SINT2 | ENABLED, ALL, 0).expect("legal");
        let _ = timers.advance(10, &synic, &page);
        assert_ne!(timers.waiting(), 0);
        timers.set_config(0, SINT2, ALL, 11).expect("legal");
        assert_eq!(timers.waiting(), 0);
    }

    #[test]
    fn the_saved_form_has_the_documented_layout() {
        let (mut timers, synic, page) = machine();
        page.store(512, 1);
        timers.set_count(3, 10, 0);
        timers.set_config(3, SINT2 | PERIODIC | ENABLED, ALL, 5).expect("legal");
        let _ = timers.advance(15, &synic, &page);
        let saved = timers.save();
        let word = |at: usize| u64::from_le_bytes(saved[at..at + 8].try_into().expect("8 bytes"));
        let at = 3 * 40;
        let seen = [at, at + 8, at + 16, at + 24, at + 32].map(word);
        assert_eq!(seen, [1, SINT2 | PERIODIC | ENABLED, 10, 25, 15]);
        assert!(saved[160..].iter().all(|byte| *byte == 0));
    }

    proptest::proptest! {
        #[test]
        fn saved_timers_come_back(
            writes in proptest::collection::vec((0_u8..4, 0_u64..1 << 20, 0_u64..2000, 0_u64..100), 0..12),
            is_slot_taken: bool,
        ) {
            let (mut timers, synic, page) = machine();
            page.store(512, u32::from(is_slot_taken));
            let mut now = 0;
            for (number, config, count, pause) in writes {
                timers.set_config(number, config, ALL, now).expect("all features");
                timers.set_count(number, count, now);
                now += pause;
                let _ = timers.advance(now, &synic, &page);
            }
            let mut restored = Timers::default();
            restored.load(&timers.save(), ALL, now).expect("legal");
            proptest::prop_assert_eq!(restored, timers);
        }

        #[test]
        fn nothing_stays_due(
            config in 0_u64..1 << 20, count: u64, start in 0..u64::MAX / 2, later in 0_u64..1 << 40,
        ) {
            let (mut timers, synic, page) = machine();
            timers.set_config(0, config, ALL, start).expect("all features");
            timers.set_count(0, count, start);
            let now = start + later;
            let _ = timers.advance(now, &synic, &page);
            proptest::prop_assert!(timers.next_deadline().is_none_or(|due| due > now));
        }
    }
}
