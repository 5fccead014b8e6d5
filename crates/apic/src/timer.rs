//! The timer as arithmetic over the guest's time.

use crate::lvt::TimerMode;

/// A moment of the guest's time, in the two units the timer knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GuestTime {
    /// Ticks of the APIC timer's input clock (before division) since the machine was made. Must not go
    /// backwards; a moment before an earlier one counts as that earlier one.
    pub ticks: u64,
    /// What RDTSC would read on this processor.
    pub tsc: u64,
}

/// The next moment at which [`LocalApic::advance`](crate::LocalApic::advance) has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deadline {
    /// When [`GuestTime::ticks`] reaches this value.
    Ticks(u64),
    /// When [`GuestTime::tsc`] reaches this value.
    Tsc(u64),
}

/// What passing time did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Advance {
    /// The timer expired and its interrupt was put into IRR (or merged with one already there).
    pub fired: bool,
    /// Expiries since the last call, masked ones included. More than one means that periods were merged.
    pub expiries: u64,
}

/// A clock rate, converting nanoseconds to ticks and back without accumulating error.
///
/// The two directions fit together: `ticks_at(ns_when(t)) >= t`, so an owner who sleeps until
/// [`ns_when`](Self::ns_when) a deadline finds it reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frequency {
    hz: u64,
}

impl Frequency {
    /// A rate in Hz; zero is taken as one.
    pub const fn from_hz(hz: u64) -> Self {
        Self { hz: if hz == 0 { 1 } else { hz } }
    }

    /// The rate in Hz.
    pub const fn hz(self) -> u64 {
        self.hz
    }

    /// Whole ticks that have passed after `ns` nanoseconds (rounded down, saturating).
    pub const fn ticks_at(self, ns: u64) -> u64 {
        saturate(ns as u128 * self.hz as u128 / 1_000_000_000)
    }

    /// The first nanosecond at which `ticks` ticks have passed (rounded up, saturating).
    pub const fn ns_when(self, ticks: u64) -> u64 {
        saturate((ticks as u128 * 1_000_000_000).div_ceil(self.hz as u128))
    }
}

const fn saturate(value: u128) -> u64 {
    if value > u64::MAX as u128 { u64::MAX } else { value as u64 }
}

/// The counter's registers. The mode lives in the LVT entry and is passed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timer {
    pub(crate) initial: u32,
    /// Divide configuration register: bits 3, 1, 0.
    pub(crate) divide: u32,
    /// Ticks at which the count was `count`.
    pub(crate) start: u64,
    /// The count at `start`: what is left of the present count-down. 0 = stopped or (one-shot) expired.
    pub(crate) count: u32,
    /// `IA32_TSC_DEADLINE`, 0 = disarmed.
    pub(crate) deadline: u64,
}

impl Timer {
    /// Input ticks per count.
    pub(crate) const fn divisor(&self) -> u64 {
        let code = (self.divide & 3) | (self.divide >> 1 & 4);
        1 << ((code + 1) & 7)
    }

    /// Ticks from `start` to the end of the present count-down.
    fn remaining(&self) -> u64 {
        u64::from(self.count) * self.divisor()
    }

    /// Ticks of a whole count-down.
    fn period(&self) -> u64 {
        u64::from(self.initial) * self.divisor()
    }

    /// Writes the initial count: starts, or with 0 stops.
    pub(crate) fn start(&mut self, initial: u32, now: GuestTime) {
        self.initial = initial;
        self.resume(initial, now);
    }

    /// Continues a count-down from `count`.
    pub(crate) fn resume(&mut self, count: u32, now: GuestTime) {
        self.count = count;
        self.start = now.ticks;
    }

    /// Changes the divisor, keeping the present count.
    pub(crate) fn set_divide(&mut self, divide: u32, mode: TimerMode, now: GuestTime) {
        let count = self.current(mode, now);
        self.divide = divide;
        if self.count != 0 {
            self.resume(count, now);
        }
    }

    pub(crate) fn stop(&mut self) {
        self.initial = 0;
        self.count = 0;
        self.deadline = 0;
    }

    /// The current-count register.
    pub(crate) fn current(&self, mode: TimerMode, now: GuestTime) -> u32 {
        let elapsed = now.ticks.saturating_sub(self.start);
        let remaining = self.remaining();
        let (count, elapsed) = match mode {
            TimerMode::OneShot | TimerMode::Periodic if elapsed < remaining => (self.count, elapsed),
            TimerMode::Periodic if self.count != 0 => (self.initial, (elapsed - remaining) % self.period()),
            _ => return 0,
        };
        count - (elapsed / self.divisor()) as u32
    }

    /// `IA32_TSC_DEADLINE` as the guest reads it.
    pub(crate) fn read_deadline(&self, mode: TimerMode, now: GuestTime) -> u64 {
        if mode == TimerMode::TscDeadline && now.tsc < self.deadline { self.deadline } else { 0 }
    }

    pub(crate) fn next(&self, mode: TimerMode) -> Option<Deadline> {
        match mode {
            TimerMode::OneShot | TimerMode::Periodic if self.count != 0 => {
                Some(Deadline::Ticks(self.start.saturating_add(self.remaining())))
            }
            TimerMode::TscDeadline if self.deadline != 0 => Some(Deadline::Tsc(self.deadline)),
            _ => None,
        }
    }

    /// Consumes the expiries up to `now` and returns how many there were.
    pub(crate) fn expire(&mut self, mode: TimerMode, now: GuestTime) -> u64 {
        let elapsed = now.ticks.saturating_sub(self.start);
        let remaining = self.remaining();
        match mode {
            TimerMode::OneShot if self.count != 0 && elapsed >= remaining => {
                self.count = 0;
                1
            }
            TimerMode::Periodic if self.count != 0 && elapsed >= remaining => {
                let more = (elapsed - remaining) / self.period();
                self.start += remaining + more * self.period();
                self.count = self.initial;
                1 + more
            }
            TimerMode::TscDeadline if self.deadline != 0 && now.tsc >= self.deadline => {
                self.deadline = 0;
                1
            }
            _ => 0,
        }
    }
}
