//! The one source of guest time: behind the TSC, the APIC timers, the reference time and alarms.
//!
//! With the host's clock, guest time is host time plus an offset that hides pauses. With the deterministic clock it
//! follows from the number of instructions retired, plus the time that halted processors skipped.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use openwhp_engine::ClockMode;

/// Host monotonic time in nanoseconds.
pub(crate) fn host_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// Host monotonic time in nanoseconds, cheap and coarse: right on average over many short measurements.
pub(crate) fn coarse_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// Guest time of a partition. Changes of state happen only while no processor runs, or by the first that starts.
#[derive(Debug)]
pub(crate) struct Clock {
    mode: ClockMode,
    is_frozen: AtomicBool,
    /// Host mode: guest time = host time + this. Deterministic mode: guest time = time of the instructions + this.
    offset: AtomicU64,
    /// Guest time while frozen.
    frozen_at: AtomicU64,
    /// Reference time = guest time + this. A client that sets the reference time moves neither TSC nor timers.
    reference_offset: AtomicU64,
    /// Deterministic mode: instructions retired by all processors.
    retired: AtomicU64,
    change: Mutex<()>,
}

impl Clock {
    pub(crate) fn new(mode: ClockMode) -> Self {
        Self {
            mode,
            is_frozen: AtomicBool::new(true),
            offset: AtomicU64::new(0),
            frozen_at: AtomicU64::new(0),
            reference_offset: AtomicU64::new(0),
            retired: AtomicU64::new(0),
            change: Mutex::new(()),
        }
    }

    pub(crate) fn is_deterministic(&self) -> bool {
        matches!(self.mode, ClockMode::Deterministic { .. })
    }

    /// Instructions per microsecond, deterministic mode.
    fn rate(&self) -> u64 {
        match self.mode {
            ClockMode::Host => 1,
            ClockMode::Deterministic { instructions_per_us } => u64::from(instructions_per_us.max(1)),
        }
    }

    /// Time of a count of instructions, without the offset.
    pub(crate) fn time_of(&self, retired: u64) -> u64 {
        (u128::from(retired) * 1000 / u128::from(self.rate())) as u64
    }

    fn source(&self) -> u64 {
        match self.mode {
            ClockMode::Host => host_ns(),
            ClockMode::Deterministic { .. } => self.time_of(self.retired.load(Ordering::SeqCst)),
        }
    }

    /// Guest time now.
    pub(crate) fn now(&self) -> u64 {
        if self.is_frozen.load(Ordering::SeqCst) {
            self.frozen_at.load(Ordering::SeqCst)
        } else {
            self.source().wrapping_add(self.offset.load(Ordering::SeqCst))
        }
    }

    /// Guest time for a processor that is running, when all processors have retired `retired` instructions.
    pub(crate) fn at(&self, retired: u64) -> u64 {
        match self.mode {
            ClockMode::Host => host_ns().wrapping_add(self.offset.load(Ordering::Relaxed)),
            ClockMode::Deterministic { .. } => {
                self.time_of(retired).wrapping_add(self.offset.load(Ordering::Relaxed))
            }
        }
    }

    /// Deterministic mode: the first count of instructions at which guest time is `ns` or later.
    pub(crate) fn retired_at(&self, ns: u64) -> u64 {
        let past = ns.saturating_sub(self.offset.load(Ordering::Relaxed));
        u64::try_from((u128::from(past) * u128::from(self.rate())).div_ceil(1000)).unwrap_or(u64::MAX)
    }

    /// Deterministic mode: publishes the count of instructions of all processors.
    pub(crate) fn set_retired(&self, retired: u64) {
        self.retired.store(retired, Ordering::SeqCst);
    }

    /// Deterministic mode: the published count.
    pub(crate) fn retired(&self) -> u64 {
        self.retired.load(Ordering::SeqCst)
    }

    /// Deterministic mode: lets time jump to `ns` because everybody waits for it.
    pub(crate) fn skip_to(&self, ns: u64) {
        let _guard = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        if ns > now && !self.is_frozen.load(Ordering::SeqCst) {
            self.offset.fetch_add(ns - now, Ordering::SeqCst);
        }
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.is_frozen.load(Ordering::SeqCst)
    }

    /// Reference time at a moment of guest time, in nanoseconds.
    pub(crate) fn reference(&self, ns: u64) -> u64 {
        ns.wrapping_add(self.reference_offset.load(Ordering::SeqCst))
    }

    /// The moment of guest time at which reference time is `ns`; 0 if that was before guest time began.
    pub(crate) fn guest_time_of(&self, ns: u64) -> u64 {
        let past = i128::from(ns) - i128::from(self.reference_offset.load(Ordering::SeqCst) as i64);
        u64::try_from(past.max(0)).unwrap_or(u64::MAX)
    }

    /// Sets the reference time.
    pub(crate) fn set_reference(&self, ns: u64) {
        self.set_reference_at(self.now(), ns);
    }

    /// Makes the reference time `reference_ns` at a moment of guest time.
    pub(crate) fn set_reference_at(&self, ns: u64, reference_ns: u64) {
        self.reference_offset.store(reference_ns.wrapping_sub(ns), Ordering::SeqCst);
    }

    /// What is added to guest time to get reference time; changes whenever the reference time is set.
    pub(crate) fn reference_offset(&self) -> u64 {
        self.reference_offset.load(Ordering::SeqCst)
    }

    pub(crate) fn freeze(&self) {
        let _guard = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_frozen() {
            self.frozen_at.store(self.now(), Ordering::SeqCst);
            self.is_frozen.store(true, Ordering::SeqCst);
        }
    }

    /// Lets time go on; true if it stood.
    pub(crate) fn thaw(&self) -> bool {
        if !self.is_frozen.load(Ordering::Relaxed) {
            return false;
        }
        let _guard = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_frozen() {
            let at = self.frozen_at.load(Ordering::SeqCst);
            self.offset.store(at.wrapping_sub(self.source()), Ordering::SeqCst);
            self.is_frozen.store(false, Ordering::SeqCst);
        }
        true
    }

    pub(crate) fn reset(&self) {
        let _guard = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        self.frozen_at.store(0, Ordering::SeqCst);
        self.reference_offset.store(0, Ordering::SeqCst);
        self.is_frozen.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_clock_stands_at_zero() {
        let clock = Clock::new(ClockMode::Host);
        assert_eq!(clock.now(), 0);
        assert!(clock.is_frozen());
    }

    #[test]
    fn pauses_are_hidden() {
        let clock = Clock::new(ClockMode::Host);
        clock.thaw();
        clock.freeze();
        let frozen = clock.now();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!(clock.now(), frozen);
        clock.thaw();
        assert!(clock.now() - frozen < 15_000_000);
    }

    #[test]
    fn the_reference_moves_alone() {
        let clock = Clock::new(ClockMode::Host);
        clock.set_reference(5_000);
        assert_eq!((clock.now(), clock.reference(clock.now())), (0, 5_000));
        assert_eq!((clock.guest_time_of(7_000), clock.guest_time_of(4_000)), (2_000, 0));
        clock.thaw();
        std::thread::sleep(std::time::Duration::from_millis(2));
        clock.set_reference(0);
        let now = clock.now();
        assert!(now >= 2_000_000 && clock.reference(now) < now);
        clock.reset();
        assert_eq!(clock.reference(clock.now()), 0);
    }

    #[test]
    fn counted_time_is_exact_and_invertible() {
        let clock = Clock::new(ClockMode::Deterministic { instructions_per_us: 3 });
        clock.thaw();
        assert_eq!(clock.at(3_000_000), 1_000_000_000);
        for ns in [0, 1, 333, 334, 1_000_003] {
            let count = clock.retired_at(ns);
            assert!(clock.at(count) >= ns);
            assert!(count == 0 || clock.at(count - 1) < ns);
        }
        clock.skip_to(7_000);
        assert_eq!(clock.now(), 7_000);
        assert_eq!(clock.at(3), 8_000);
    }
}
