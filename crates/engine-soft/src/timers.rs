//! The timer thread of a partition: kicks processors when guest time reaches their deadlines.
//!
//! Only for the host's clock; with the deterministic clock deadlines become instruction limits. The thread starts with the
//! first deadline and ends with the partition.

use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use crate::clock::Clock;
use crate::vp_shared::VpShared;
use crate::vp_shared::lock;

/// Shortest sleep between two rounds, in nanoseconds.
const SHORTEST_NS: u64 = 10_000;

#[derive(Debug, Default)]
struct State {
    /// Guest time at which each processor wants to be kicked.
    deadlines: Vec<Option<(u64, Arc<VpShared>)>>,
    /// The time the thread sleeps until.
    sleeps_until: u64,
    has_thread: bool,
    is_over: bool,
}

#[derive(Debug)]
struct Inner {
    clock: Arc<Clock>,
    state: Mutex<State>,
    changed: Condvar,
}

/// Handle of the timer thread.
#[derive(Debug)]
pub(crate) struct Timers(Arc<Inner>);

impl Timers {
    pub(crate) fn new(clock: Arc<Clock>, count: usize) -> Self {
        let state = State { deadlines: vec![None; count], ..State::default() };
        Self(Arc::new(Inner { clock, state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// Sets or removes the deadline of a processor.
    pub(crate) fn arm(&self, vp: &Arc<VpShared>, at: Option<u64>) {
        let mut state = lock(&self.0.state);
        let Some(place) = state.deadlines.get_mut(vp.index as usize) else { return };
        *place = at.map(|at| (at, vp.clone()));
        let Some(at) = at else { return };
        if !state.has_thread {
            let inner = self.0.clone();
            let thread = std::thread::Builder::new().name("owhp-timers".into()).spawn(move || inner.serve());
            state.has_thread = thread.is_ok();
        } else if at < state.sleeps_until {
            self.0.changed.notify_one();
        }
    }
}

impl Timers {
    /// Guest time jumped or goes on: all waits are void.
    pub(crate) fn wake(&self) {
        let guard = lock(&self.0.state);
        self.0.changed.notify_one();
        drop(guard);
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        lock(&self.0.state).is_over = true;
        self.0.changed.notify_one();
    }
}

impl Inner {
    fn serve(&self) {
        let mut state = lock(&self.state);
        while !state.is_over {
            let now = self.clock.now();
            let mut next = u64::MAX;
            for place in &mut state.deadlines {
                match place {
                    Some((at, vp)) if *at <= now => {
                        vp.kick();
                        *place = None;
                    }
                    Some((at, _)) => next = next.min(*at),
                    None => {}
                }
            }
            // While time is frozen nothing comes due; processors arm their deadlines anew when they start.
            state.sleeps_until = next;
            let guard = if next == u64::MAX || self.clock.is_frozen() {
                state.sleeps_until = u64::MAX;
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                // A guest may ask for absurdly short periods; they are merged.
                let wait =
                    self.changed.wait_timeout(state, Duration::from_nanos((next - now).max(SHORTEST_NS)));
                wait.unwrap_or_else(PoisonError::into_inner).0
            };
            state = guard;
        }
    }
}
