//! Processors that run on threads of their own, met in the state that a case is about.
//!
//! When a new thread begins is up to the host, so nothing here trusts a sleep: everything waits for what it needs.

#![expect(unsafe_code, reason = "calls C functions")]

use std::thread::ScopedJoinHandle;
use std::time::Duration;
use std::time::Instant;

use openwhp_abi::hresult::HRESULT;
use openwhp_abi::hresult::S_OK;
use openwhp_abi::hresult::WHV_E_INVALID_VP_STATE;
use openwhp_abi::x64::*;

use crate::Machine;
use crate::call;

/// What a run on another thread gives.
type Outcome = Result<WHV_RUN_VP_EXIT_CONTEXT, HRESULT>;

/// How long a condition may take that must come true; a busy host may be very slow.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until a condition is met.
///
/// # Panics
/// If it is not met within [`PATIENCE`].
pub fn until(what: &str, mut is_met: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_met() {
        assert!(start.elapsed() < PATIENCE, "still waiting: {what}");
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// Guest time must not pass faster than real time: of the former, in units of 100 ns, no more may have passed than of
/// the latter since `start`. A clock that makes up for a pause passes faster; `slack` is less than the pause.
///
/// # Panics
/// If more time has passed for the guest.
pub fn assert_no_faster(passed_100ns: u64, start: Instant, slack: Duration) {
    let real = start.elapsed();
    let passed = Duration::from_nanos(passed_100ns.saturating_mul(100));
    assert!(passed <= real + slack, "{passed:?} for the guest in {real:?}");
}

/// Ends the runs of processors when a case fails, which otherwise would wait for them forever.
struct Rescue<'a> {
    machine: &'a Machine,
    processors: u32,
}

impl Drop for Rescue<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for vp in 0..self.processors {
                let (api, partition) = (self.machine.api, self.machine.partition);
                let _ = call!(api, WHvCancelRunVirtualProcessor(partition, vp, 0));
            }
        }
    }
}

impl Machine {
    /// Whether a thread is inside a run of a processor.
    pub fn is_running(&self, vp: u32) -> bool {
        self.try_get(vp, &[WHvX64RegisterRax]) == Err(WHV_E_INVALID_VP_STATE)
    }

    /// Waits until a thread is inside a run of a processor whose guest does not leave it.
    pub fn until_running(&self, vp: u32) {
        until("the processor runs", || self.is_running(vp));
    }

    /// Times a processor has halted; it may be running.
    pub fn halts(&self, vp: u32) -> u64 {
        let mut counters = [0_u64; 28];
        let (start, size) = (counters.as_mut_ptr().cast(), size_of_val(&counters) as u32);
        let (set, written) = (WHvProcessorCounterSetIntercepts, std::ptr::null_mut());
        let result =
            call!(self.api, WHvGetVirtualProcessorCounters(self.partition, vp, set, start, size, written));
        assert_eq!(result, S_OK);
        counters[6]
    }

    /// Runs the first `processors` processors on threads of their own, each with a guest that does not leave the run
    /// by itself, does `work` once all are inside, and gives how each of them ended.
    pub fn while_all_run(&self, processors: u32, work: impl FnOnce()) -> Vec<Outcome> {
        std::thread::scope(|scope| {
            let _rescue = Rescue { machine: self, processors };
            let threads: Vec<_> = (0..processors).map(|vp| scope.spawn(move || self.try_run(vp))).collect();
            for (vp, thread) in (0..).zip(&threads) {
                self.until_inside("the processor runs", thread, || self.is_running(vp));
            }
            work();
            threads.into_iter().map(|thread| thread.join().expect("the thread ends")).collect()
        })
    }

    /// Runs a processor, whose guest does not leave the run by itself, on a thread of its own, does `work` once it is
    /// inside, and gives the exit.
    pub fn while_running(&self, vp: u32, work: impl FnOnce()) -> WHV_RUN_VP_EXIT_CONTEXT {
        self.beside(vp, "the processor runs", || self.is_running(vp), work)
    }

    /// Runs a processor on a thread of its own, does `work` once its guest has halted inside the run, and gives the
    /// exit. A processor that waits for its startup is met as soon as it runs.
    pub fn while_parked(&self, vp: u32, work: impl FnOnce()) -> WHV_RUN_VP_EXIT_CONTEXT {
        let activity = self.get(vp, WHvRegisterInternalActivityState).InternalActivity();
        if activity.StartupSuspend() != 0 {
            return self.while_running(vp, work);
        }
        let before = self.halts(vp);
        self.beside(vp, "the processor halts", || self.halts(vp) != before, work)
    }

    fn beside(
        &self,
        vp: u32,
        what: &str,
        is_met: impl FnMut() -> bool,
        work: impl FnOnce(),
    ) -> WHV_RUN_VP_EXIT_CONTEXT {
        std::thread::scope(|scope| {
            let _rescue = Rescue { machine: self, processors: vp + 1 };
            let runner = scope.spawn(|| self.try_run(vp));
            self.until_inside(what, &runner, is_met);
            work();
            runner.join().expect("the thread ends").expect("the processor runs")
        })
    }

    /// Waits for a condition that only a run on this thread can bring about.
    fn until_inside(
        &self,
        what: &str,
        runner: &ScopedJoinHandle<'_, Outcome>,
        mut is_met: impl FnMut() -> bool,
    ) {
        until(what, || {
            let is_over = runner.is_finished();
            let is_met = is_met();
            assert!(is_met || !is_over, "the run ended before this: {what}");
            is_met
        });
    }
}
