//! Counts the processors inside run, and keeps new ones out while the partition is being reset.

use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Set in the gate's word while it is closed; the other bits count who is inside.
const CLOSED: u32 = 1 << 31;

/// The gate every run passes. Passing an open gate takes one atomic operation each way.
#[derive(Debug, Default)]
pub(crate) struct RunGate {
    word: AtomicU32,
    /// Held to close the gate, to open it, and to wait for either.
    meeting: Mutex<()>,
    changed: Condvar,
}

impl RunGate {
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.meeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.word.load(Ordering::SeqCst) & CLOSED != 0
    }

    fn runners(&self) -> u32 {
        self.word.load(Ordering::SeqCst) & !CLOSED
    }

    /// Enters; waits while the gate is closed.
    pub(crate) fn enter(&self) -> Inside<'_> {
        while self.word.fetch_add(1, Ordering::SeqCst) & CLOSED != 0 {
            self.leave();
            drop(self.wait_open());
        }
        Inside(self)
    }

    fn leave(&self) {
        if self.word.fetch_sub(1, Ordering::SeqCst) & CLOSED != 0 {
            drop(self.lock());
            self.changed.notify_all();
        }
    }

    /// Waits until the gate is open; nobody closes it while the guard lives.
    fn wait_open(&self) -> MutexGuard<'_, ()> {
        let mut guard = self.lock();
        while self.is_closed() {
            guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        guard
    }

    /// Closes the gate and gets everybody out: `nudge` is called again and again until nobody is inside.
    pub(crate) fn close(&self, mut nudge: impl FnMut()) -> Closed<'_> {
        drop(self.shut());
        while self.runners() > 0 {
            nudge();
            let guard = self.lock();
            if self.runners() > 0 {
                let wait = self.changed.wait_timeout(guard, Duration::from_millis(5));
                drop(wait.unwrap_or_else(PoisonError::into_inner));
            }
        }
        Closed(self)
    }

    /// Closes an open gate, whoever is inside.
    fn shut(&self) -> MutexGuard<'_, ()> {
        let guard = self.wait_open();
        self.word.fetch_or(CLOSED, Ordering::SeqCst);
        guard
    }

    /// Closes the gate if nobody is inside.
    pub(crate) fn try_close(&self) -> Option<Closed<'_>> {
        let guard = self.wait_open();
        let closed = self.word.compare_exchange(0, CLOSED, Ordering::SeqCst, Ordering::SeqCst);
        drop(guard);
        closed.is_ok().then_some(Closed(self))
    }
}

/// Proof of being inside; leaves when dropped.
#[derive(Debug)]
pub(crate) struct Inside<'a>(&'a RunGate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Proof that nobody is inside and nobody gets in; opens when dropped.
#[derive(Debug)]
pub(crate) struct Closed<'a>(&'a RunGate);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        let guard = self.0.lock();
        self.0.word.fetch_and(!CLOSED, Ordering::SeqCst);
        drop(guard);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_gate_closes_only_when_nobody_is_inside() {
        let gate = RunGate::default();
        let inside = gate.enter();
        assert!(gate.try_close().is_none());
        drop(inside);
        let closed = gate.try_close().expect("empty");
        drop(closed);
        assert!(gate.try_close().is_some());
    }

    #[test]
    fn nobody_is_inside_a_closed_gate() {
        let gate = RunGate::default();
        let is_over = AtomicBool::new(false);
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::SeqCst) {
                        let _pass = gate.enter();
                        inside.fetch_add(1, Ordering::SeqCst);
                        std::hint::spin_loop();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
            for round in 0..2000 {
                let closed = if round % 2 == 0 { Some(gate.close(|| ())) } else { gate.try_close() };
                if closed.is_some() {
                    assert_eq!(inside.load(Ordering::SeqCst), 0);
                }
            }
            is_over.store(true, Ordering::SeqCst);
        });
    }
}
