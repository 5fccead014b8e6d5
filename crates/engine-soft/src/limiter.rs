//! Limits how much of one host processor a virtual processor uses.
//!
//! A virtual processor earns processor time at the rate of its share and spends what its thread uses inside run. One in debt
//! rests until the debt is earned; one with credit runs until it is spent, in slices that the timer ends. Only time
//! inside run counts, so a client that handles exits for long does not pay for it, but earns meanwhile.

use std::time::Duration;
use std::time::Instant;

/// A whole host processor.
pub(crate) const WHOLE: u32 = 0x1_0000;
/// A nanosecond, in units of credit.
const WHOLE_TIME: i64 = WHOLE as i64;
/// Longest time looked at in one go: the unit must not overflow.
const LONGEST_NS: i64 = 10_000_000_000;
/// Longest time of credit: what a processor that has rested may use at once, in nanoseconds of real time.
const BURST_NS: i64 = 10_000_000;
/// Shortest slice, so that the timer is not the only thing that runs.
const SLICE_NS: i64 = 500_000;

/// The account of one processor.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// In 65536ths of a host processor.
    share: i64,
    /// In 65536ths of a nanosecond, so that nothing is lost to rounding.
    credit: i64,
    earned_at: Instant,
    /// Processor time of the running thread when it was last looked at.
    used_at: Option<u64>,
}

fn thread_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

impl Limiter {
    /// `None` for no limit.
    pub(crate) fn new(cap: u32) -> Option<Self> {
        let is_limit = (1..WHOLE).contains(&cap);
        is_limit.then(|| Self { share: i64::from(cap), credit: 0, earned_at: Instant::now(), used_at: None })
    }

    /// Run begins on this thread.
    pub(crate) fn enter(&mut self) {
        self.used_at = Some(thread_ns());
    }

    /// Run ends on this thread.
    pub(crate) fn leave(&mut self) {
        self.settle(Instant::now(), thread_ns());
        self.used_at = None;
    }

    /// Brings the account up to date.
    fn settle(&mut self, now: Instant, used: u64) {
        let real = i64::try_from(now.duration_since(self.earned_at).as_nanos()).unwrap_or(i64::MAX);
        let earned = real.min(LONGEST_NS) * self.share;
        let spent = self.used_at.map_or(0, |before| used.saturating_sub(before) as i64).min(LONGEST_NS);
        self.credit = (self.credit + earned - spent * WHOLE_TIME).min(BURST_NS * self.share);
        self.earned_at = now;
        self.used_at = self.used_at.map(|_| used);
    }

    /// What to do now.
    pub(crate) fn decide(&mut self) -> Turn {
        self.settle(Instant::now(), thread_ns());
        self.turn()
    }

    fn turn(&self) -> Turn {
        if self.credit < 0 {
            let rest = self.credit.unsigned_abs().div_ceil(self.share.unsigned_abs());
            return Turn::Rest(Duration::from_nanos(rest));
        }
        // While it runs it earns too, but not enough.
        let until_spent = self.credit / (WHOLE_TIME - self.share);
        Turn::Run(Duration::from_nanos(until_spent.max(SLICE_NS) as u64))
    }
}

/// What a limited processor does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Runs for this long at most.
    Run(Duration),
    /// Waits for this long.
    Rest(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processor time used in a simulated stretch of real time, with a timer that is late by `late_ns`.
    fn simulate(cap: u32, real_ms: u64, late_ns: u64) -> f64 {
        let mut limiter = Limiter::new(cap).expect("a limit");
        let start = limiter.earned_at;
        let (mut now, mut used) = (0, 0);
        limiter.used_at = Some(0);
        while now < real_ms * 1_000_000 {
            limiter.settle(start + Duration::from_nanos(now), used);
            match limiter.turn() {
                Turn::Run(time) => {
                    let time = time.as_nanos() as u64 + late_ns;
                    (now, used) = (now + time, used + time);
                }
                Turn::Rest(time) => now += time.as_nanos() as u64 + late_ns,
            }
        }
        used as f64 / now as f64
    }

    #[test]
    fn the_share_is_kept_to_a_few_percent() {
        for cap in [WHOLE / 100, WHOLE / 10, WHOLE / 4, WHOLE / 2, WHOLE * 9 / 10] {
            for late_ns in [0, 50_000, 2_000_000] {
                let share = f64::from(cap) / f64::from(WHOLE);
                let got = simulate(cap, 20_000, late_ns);
                assert!((got / share - 1.0).abs() < 0.04, "{share} -> {got}, late {late_ns}");
            }
        }
    }

    #[test]
    fn what_was_not_used_is_kept_for_a_moment_only() {
        let mut limiter = Limiter::new(WHOLE / 2).expect("a limit");
        let start = limiter.earned_at;
        limiter.settle(start + Duration::from_secs(5), 0);
        assert_eq!(limiter.turn(), Turn::Run(Duration::from_nanos(BURST_NS as u64)));
    }

    #[test]
    fn no_limit_and_a_whole_processor_are_no_limit() {
        assert!(Limiter::new(0).is_none());
        assert!(Limiter::new(WHOLE).is_none());
    }
}
