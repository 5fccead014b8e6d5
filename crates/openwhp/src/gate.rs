//! Counts the processors inside run, and keeps new ones out while the partition is being reset.

use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

#[derive(Debug, Default)]
struct State {
    runners: u32,
    is_closed: bool,
}

/// The gate every run passes.
#[derive(Debug, Default)]
pub(crate) struct RunGate {
    state: Mutex<State>,
    changed: Condvar,
}

impl RunGate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters; waits while the gate is closed.
    pub(crate) fn enter(&self) -> Inside<'_> {
        let mut state = self.lock();
        while state.is_closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.runners += 1;
        Inside(self)
    }

    /// Closes the gate and gets everybody out: `nudge` is called again and again until nobody is inside.
    pub(crate) fn close(&self, mut nudge: impl FnMut()) -> Closed<'_> {
        let mut state = self.lock();
        while state.is_closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_closed = true;
        while state.runners > 0 {
            drop(state);
            nudge();
            state = self.lock();
            if state.runners > 0 {
                let wait = self.changed.wait_timeout(state, Duration::from_millis(5));
                state = wait.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        Closed(self)
    }

    /// Closes the gate if nobody is inside.
    pub(crate) fn try_close(&self) -> Option<Closed<'_>> {
        let mut state = self.lock();
        while state.is_closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.runners > 0 {
            return None;
        }
        state.is_closed = true;
        Some(Closed(self))
    }
}

/// Proof of being inside; leaves when dropped.
#[derive(Debug)]
pub(crate) struct Inside<'a>(&'a RunGate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.runners -= 1;
        if state.is_closed {
            self.0.changed.notify_all();
        }
    }
}

/// Proof that nobody is inside and nobody gets in; opens when dropped.
#[derive(Debug)]
pub(crate) struct Closed<'a>(&'a RunGate);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.lock().is_closed = false;
        self.0.changed.notify_all();
    }
}
