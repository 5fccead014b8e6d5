//! Keeps the processors out of their runs while partition time is suspended: the next run would let it go on.

use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use super::lock;

#[derive(Debug, Default)]
struct State {
    is_closed: bool,
    inside: u32,
}

#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

/// Proof of being inside.
pub(super) struct Inside<'a>(&'a Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).inside -= 1;
        self.0.changed.notify_all();
    }
}

impl Gate {
    /// Waits while the gate is closed.
    pub(super) fn enter(&self) -> Inside<'_> {
        let state = lock(&self.state);
        let wait = self.changed.wait_while(state, |state| state.is_closed);
        wait.unwrap_or_else(PoisonError::into_inner).inside += 1;
        Inside(self)
    }

    /// Closes the gate and gets everybody out by nudging.
    pub(super) fn close(&self, nudge: impl Fn()) {
        let state = lock(&self.state);
        let wait = self.changed.wait_while(state, |state| state.is_closed);
        let mut state = wait.unwrap_or_else(PoisonError::into_inner);
        state.is_closed = true;
        while state.inside > 0 {
            nudge();
            let wait = self.changed.wait_timeout(state, Duration::from_millis(5));
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn open(&self) {
        lock(&self.state).is_closed = false;
        self.changed.notify_all();
    }
}
