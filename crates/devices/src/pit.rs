//! The 8254 interval timer and the speaker gate of port 61h that belongs to its third counter.
//!
//! # Source
//! Intel 8254 data sheet; port 61h as on Intel's ISA bridges.

/// Input clock in hertz.
pub const FREQUENCY_HZ: u64 = 1_193_182;

const NS_PER_SECOND: u128 = 1_000_000_000;

/// Ticks of the input clock that have passed at `ns`.
fn ticks_at(ns: u64) -> u64 {
    (u128::from(ns) * u128::from(FREQUENCY_HZ) / NS_PER_SECOND) as u64
}

/// First nanosecond at which `ticks` ticks have passed.
fn ns_at(ticks: u64) -> u64 {
    (u128::from(ticks) * NS_PER_SECOND).div_ceil(u128::from(FREQUENCY_HZ)) as u64
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Access {
    #[default]
    LowHigh,
    Low,
    High,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Counter {
    mode: u8,
    is_bcd: bool,
    access: Access,
    write_low: Option<u8>,
    read_high_next: bool,
    /// Count register, 1 to 65536.
    reload: u64,
    is_loaded: bool,
    /// Tick at which counting began, or the gate last rose.
    start: u64,
    /// Ticks counted when the gate fell, for the modes that pause.
    paused_at: Option<u64>,
    gate: bool,
    latched_count: Option<u16>,
    latched_status: Option<u8>,
}

impl Counter {
    fn new(gate: bool) -> Self {
        Self {
            mode: 3,
            is_bcd: false,
            access: Access::LowHigh,
            write_low: None,
            read_high_next: false,
            reload: 0x1_0000,
            is_loaded: false,
            start: 0,
            paused_at: None,
            gate,
            latched_count: None,
            latched_status: None,
        }
    }

    fn elapsed(&self, now: u64) -> u64 {
        self.paused_at.unwrap_or_else(|| now.saturating_sub(self.start))
    }

    /// Whether the counter has begun to count: a count is loaded and, in the modes that need it, the gate has risen.
    fn is_counting(&self) -> bool {
        self.is_loaded && self.start != u64::MAX
    }

    fn count(&self, now: u64) -> u16 {
        if !self.is_counting() {
            return self.reload as u16;
        }
        let gone = self.elapsed(now);
        let value = match self.mode {
            2 => self.reload - gone % self.reload,
            3 => self.reload - (gone * 2) % self.reload,
            _ => self.reload.wrapping_sub(gone) & 0xffff,
        };
        if self.is_bcd { to_bcd(value % 10_000) } else { value as u16 }
    }

    fn output(&self, now: u64) -> bool {
        if !self.is_counting() {
            return self.mode != 0;
        }
        let gone = self.elapsed(now);
        match self.mode {
            0 | 1 => gone >= self.reload,
            2 => gone % self.reload != self.reload - 1,
            3 => gone % self.reload < self.reload.div_ceil(2),
            _ => gone != self.reload,
        }
    }

    /// Number of rising edges of the output in ticks `(from, to]`.
    fn rising_edges(&self, from: u64, to: u64) -> u64 {
        if !self.is_counting() || self.paused_at.is_some() {
            return 0;
        }
        let (from, to) = (from.max(self.start) - self.start, to.max(self.start) - self.start);
        match self.mode {
            2 | 3 => to / self.reload - from / self.reload,
            // Modes 4 and 5 strobe low for one tick.
            4 | 5 => u64::from(from <= self.reload && to > self.reload),
            _ => u64::from(from < self.reload && to >= self.reload),
        }
    }

    /// Tick of the next rising edge after `now`.
    fn next_edge(&self, now: u64) -> Option<u64> {
        if !self.is_counting() || self.paused_at.is_some() {
            return None;
        }
        let gone = now.saturating_sub(self.start);
        let edge = match self.mode {
            2 | 3 => (gone / self.reload + 1) * self.reload,
            4 | 5 => self.reload + 1,
            _ => self.reload,
        };
        (edge > gone).then_some(self.start + edge)
    }

    fn set_mode(&mut self, control: u8) {
        self.access = match (control >> 4) & 3 {
            1 => Access::Low,
            2 => Access::High,
            _ => Access::LowHigh,
        };
        // Modes 6 and 7 are 2 and 3 with a don't-care bit set.
        self.mode = match (control >> 1) & 7 {
            mode @ 6.. => mode - 4,
            mode => mode,
        };
        self.is_bcd = control & 1 != 0;
        (self.write_low, self.read_high_next) = (None, false);
        (self.latched_count, self.latched_status) = (None, None);
        (self.is_loaded, self.paused_at) = (false, None);
    }

    fn write(&mut self, value: u8, now: u64) {
        let word = match (self.access, self.write_low.take()) {
            (Access::Low, _) => u16::from(value),
            (Access::High, _) => u16::from(value) << 8,
            (Access::LowHigh, Some(low)) => u16::from_le_bytes([low, value]),
            (Access::LowHigh, None) => {
                self.write_low = Some(value);
                return;
            }
        };
        self.load(word, now);
    }

    fn load(&mut self, word: u16, now: u64) {
        let limit = if self.is_bcd { 10_000 } else { 0x1_0000 };
        let count = if self.is_bcd { from_bcd(word) } else { u64::from(word) };
        let was_loaded = core::mem::replace(&mut self.is_loaded, true);
        // A count of 1 has no meaning in the periodic modes; 2 is the smallest.
        let smallest = if matches!(self.mode, 2 | 3) { 2 } else { 1 };
        self.reload = if count == 0 { limit } else { count.max(smallest) };
        if matches!(self.mode, 1 | 5) {
            if !was_loaded {
                self.start = u64::MAX;
            }
            return;
        }
        self.start = now;
        self.paused_at = (!self.gate).then_some(0);
    }

    fn set_gate(&mut self, gate: bool, now: u64) {
        let rose = gate && !self.gate;
        let fell = !gate && self.gate;
        self.gate = gate;
        if !self.is_loaded {
            return;
        }
        match self.mode {
            1 | 5 if rose => self.start = now,
            2 | 3 if rose => (self.start, self.paused_at) = (now, None),
            0 | 4 if rose => {
                self.start = now - self.paused_at.take().unwrap_or(0).min(now);
            }
            0 | 2 | 3 | 4 if fell => self.paused_at = Some(self.elapsed(now)),
            _ => {}
        }
    }

    fn read(&mut self, now: u64) -> u8 {
        if let Some(status) = self.latched_status.take() {
            return status;
        }
        let word = self.latched_count.unwrap_or_else(|| self.count(now)).to_le_bytes();
        let (byte, is_last) = match self.access {
            Access::Low => (word[0], true),
            Access::High => (word[1], true),
            Access::LowHigh if self.read_high_next => (word[1], true),
            Access::LowHigh => (word[0], false),
        };
        self.read_high_next = !is_last;
        if is_last {
            self.latched_count = None;
        }
        byte
    }

    fn latch_count(&mut self, now: u64) {
        if self.latched_count.is_none() {
            self.latched_count = Some(self.count(now));
        }
    }

    fn latch_status(&mut self, now: u64) {
        let access = match self.access {
            Access::Low => 1,
            Access::High => 2,
            Access::LowHigh => 3,
        };
        let status = (u8::from(self.output(now)) << 7)
            | (u8::from(!self.is_loaded) << 6)
            | (access << 4)
            | (self.mode << 1)
            | u8::from(self.is_bcd);
        self.latched_status.get_or_insert(status);
    }
}

fn from_bcd(word: u16) -> u64 {
    (0..4).rev().fold(0, |sum, digit| sum * 10 + u64::from((word >> (digit * 4)) & 0xf))
}

fn to_bcd(mut value: u64) -> u16 {
    let mut word = 0;
    for digit in 0..4 {
        word |= ((value % 10) as u16) << (digit * 4);
        value /= 10;
    }
    word
}

/// The timer chip. `Clone` exports its whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pit {
    counters: [Counter; 3],
    seen: u64,
    speaker: u8,
}

impl Default for Pit {
    fn default() -> Self {
        Self::new()
    }
}

impl Pit {
    /// Makes a chip with no counter loaded. Counters 0 and 1 have their gates tied high.
    #[must_use]
    pub fn new() -> Self {
        Self { counters: [Counter::new(true), Counter::new(true), Counter::new(false)], seen: 0, speaker: 0 }
    }

    /// Whether `port` belongs to the chip or its gate.
    #[must_use]
    pub fn owns_port(port: u16) -> bool {
        matches!(port, 0x40..=0x43 | 0x61)
    }

    /// Reads a port at guest time `now_ns`.
    pub fn read(&mut self, port: u16, now_ns: u64) -> u8 {
        let now = ticks_at(now_ns);
        match port {
            0x40..=0x42 => self.counters[usize::from(port - 0x40)].read(now),
            // Bit 4 is the refresh toggle of counter 1, which runs at about 15 microseconds.
            0x61 => {
                let refresh = u8::from((now_ns / 15_085) & 1 != 0) << 4;
                let output = u8::from(self.counters[2].output(now)) << 5;
                self.speaker | refresh | output
            }
            _ => 0xff,
        }
    }

    /// Writes a port at guest time `now_ns`. Call [`Self::advance`] first, so that no edge is lost.
    pub fn write(&mut self, port: u16, value: u8, now_ns: u64) {
        let now = ticks_at(now_ns);
        match port {
            0x40..=0x42 => self.counters[usize::from(port - 0x40)].write(value, now),
            0x43 => self.write_control(value, now),
            0x61 => {
                self.speaker = value & 0x0f;
                self.counters[2].set_gate(value & 1 != 0, now);
            }
            _ => {}
        }
    }

    /// Moves to guest time `now_ns`; returns how often the interrupt line rose meanwhile.
    pub fn advance(&mut self, now_ns: u64) -> u64 {
        let now = ticks_at(now_ns);
        let edges = self.counters[0].rising_edges(self.seen, now.max(self.seen));
        self.seen = self.seen.max(now);
        edges
    }

    /// Guest time in nanoseconds of the next rise of the interrupt line.
    #[must_use]
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.counters[0].next_edge(self.seen).map(ns_at)
    }

    fn write_control(&mut self, value: u8, now: u64) {
        let selected = value >> 6;
        if selected == 3 {
            for (index, counter) in self.counters.iter_mut().enumerate() {
                if value & (2 << index) == 0 {
                    continue;
                }
                if value & 0x20 == 0 {
                    counter.latch_count(now);
                }
                if value & 0x10 == 0 {
                    counter.latch_status(now);
                }
            }
            return;
        }
        let counter = &mut self.counters[usize::from(selected)];
        if value & 0x30 == 0 {
            counter.latch_count(now);
        } else {
            counter.set_mode(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(pit: &mut Pit, control: u8, port: u16, count: u16, now_ns: u64) {
        pit.write(0x43, control, now_ns);
        pit.write(port, count as u8, now_ns);
        pit.write(port, (count >> 8) as u8, now_ns);
    }

    #[test]
    fn a_periodic_counter_interrupts_at_its_rate() {
        let mut pit = Pit::new();
        program(&mut pit, 0x34, 0x40, 11_932, 0);
        let edges = pit.advance(1_000_000_000);
        assert_eq!(edges, FREQUENCY_HZ / 11_932);
    }

    #[test]
    fn the_deadline_is_the_first_nanosecond_with_the_edge() {
        let mut pit = Pit::new();
        program(&mut pit, 0x34, 0x40, 1000, 0);
        let deadline = pit.next_deadline_ns().expect("a periodic counter always has one");
        assert_eq!(pit.advance(deadline - 1), 0);
        assert_eq!(pit.advance(deadline), 1);
    }

    #[test]
    fn a_one_shot_counter_interrupts_once() {
        let mut pit = Pit::new();
        program(&mut pit, 0x30, 0x40, 1000, 0);
        assert_eq!(pit.advance(10_000_000_000), 1);
        assert_eq!(pit.next_deadline_ns(), None);
        program(&mut pit, 0x30, 0x40, 1000, 10_000_000_000);
        assert_eq!(pit.advance(20_000_000_000), 1);
    }

    #[test]
    fn mode_zero_output_of_channel_two_shows_in_port_61() {
        let mut pit = Pit::new();
        pit.write(0x61, 0x01, 0);
        program(&mut pit, 0xb0, 0x42, 0x2e9c, 0);
        assert_eq!(pit.read(0x61, 1_000) & 0x20, 0);
        assert_ne!(pit.read(0x61, 10_100_000) & 0x20, 0);
        assert_eq!(pit.read(0x61, 1_000) & 0x0f, 1);
    }

    #[test]
    fn the_gate_pauses_mode_zero() {
        let mut pit = Pit::new();
        program(&mut pit, 0xb0, 0x42, 1000, 0);
        assert_eq!(pit.read(0x61, 1_000_000_000) & 0x20, 0);
        pit.write(0x61, 1, 1_000_000_000);
        assert_eq!(pit.read(0x61, 1_000_500_000) & 0x20, 0);
        assert_ne!(pit.read(0x61, 1_001_000_000) & 0x20, 0);
    }

    #[test]
    fn a_latched_count_does_not_move() {
        let mut pit = Pit::new();
        program(&mut pit, 0x34, 0x40, 0, 0);
        pit.write(0x43, 0x00, 1_000_000);
        let low = pit.read(0x40, 2_000_000);
        let high = pit.read(0x40, 3_000_000);
        assert_eq!(u16::from_le_bytes([low, high]), (0x1_0000 - ticks_at(1_000_000)) as u16);
    }

    #[test]
    fn read_back_gives_status_then_count() {
        let mut pit = Pit::new();
        program(&mut pit, 0x34, 0x40, 0x1234, 0);
        pit.write(0x43, 0xc2, 0);
        assert_eq!(pit.read(0x40, 0), 0x80 | 0x34);
        assert_eq!(pit.read(0x40, 0), 0x34);
        assert_eq!(pit.read(0x40, 0), 0x12);
    }

    #[test]
    fn square_wave_counts_down_by_two() {
        let mut pit = Pit::new();
        program(&mut pit, 0x36, 0x40, 1000, 0);
        let at = ns_at(100);
        pit.write(0x43, 0x00, at);
        let count = u16::from_le_bytes([pit.read(0x40, at), pit.read(0x40, at)]);
        assert_eq!(count, 800);
        assert_eq!(pit.advance(ns_at(1000)), 1);
    }

    #[test]
    fn bcd_counts_in_decimal() {
        let mut pit = Pit::new();
        program(&mut pit, 0x35, 0x40, 0x1000, 0);
        let at = ns_at(1);
        pit.write(0x43, 0x00, at);
        assert_eq!([pit.read(0x40, at), pit.read(0x40, at)], [0x99, 0x09]);
    }
}
