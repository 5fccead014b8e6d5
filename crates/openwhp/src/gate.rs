//! Keeps runs out while the partition is being reset or changed.

use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long somebody who waits sleeps before he looks again by himself.
const RECHECK: Duration = Duration::from_millis(5);

/// The gate every run passes.
///
/// Each processor has a word that says whether somebody runs it. A runner sets its word and then looks at the gate; who
/// closes the gate looks at the words afterwards. All of this has one order, so that one of the two sees the other. An
/// open gate costs a runner one atomic operation.
#[derive(Debug, Default)]
pub(crate) struct RunGate {
    is_closed: AtomicBool,
    /// Held to close the gate, to open it, and to wait for either.
    meeting: Mutex<()>,
    changed: Condvar,
}

impl RunGate {
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.meeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Goes in, if the gate is open.
    pub(crate) fn pass<'a>(&self, is_running: &'a AtomicBool) -> Option<Inside<'a>> {
        is_running.store(true, Ordering::SeqCst);
        let inside = Inside(is_running);
        if self.is_closed() { None } else { Some(inside) }
    }

    /// Tells who waits that somebody has left. The caller holds no processor.
    pub(crate) fn left(&self) {
        if self.is_closed() {
            drop(self.lock());
            self.changed.notify_all();
        }
    }

    /// Waits until the gate is open; nobody closes it while the guard lives.
    pub(crate) fn wait_open(&self) -> MutexGuard<'_, ()> {
        let mut guard = self.lock();
        while self.is_closed() {
            guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        guard
    }

    /// Closes the gate and gets everybody out: `nudge` is called again and again until nobody is inside.
    pub(crate) fn close(&self, is_anybody_inside: impl Fn() -> bool, nudge: impl Fn()) -> Closed<'_> {
        let guard = self.wait_open();
        self.is_closed.store(true, Ordering::SeqCst);
        drop(guard);
        while is_anybody_inside() {
            nudge();
            let guard = self.lock();
            if is_anybody_inside() {
                let wait = self.changed.wait_timeout(guard, RECHECK);
                drop(wait.unwrap_or_else(PoisonError::into_inner));
            }
        }
        Closed(self)
    }

    /// Closes the gate if nobody is inside.
    pub(crate) fn try_close(&self, is_anybody_inside: impl Fn() -> bool) -> Option<Closed<'_>> {
        let guard = self.wait_open();
        self.is_closed.store(true, Ordering::SeqCst);
        drop(guard);
        let closed = Closed(self);
        if is_anybody_inside() { None } else { Some(closed) }
    }
}

/// Proof of being inside; out when dropped.
#[derive(Debug)]
pub(crate) struct Inside<'a>(&'a AtomicBool);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Proof that nobody is inside and nobody gets in; opens when dropped.
#[derive(Debug)]
pub(crate) struct Closed<'a>(&'a RunGate);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        let guard = self.0.lock();
        self.0.is_closed.store(false, Ordering::SeqCst);
        drop(guard);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn a_gate_closes_only_when_nobody_is_inside() {
        let gate = RunGate::default();
        let word = AtomicBool::new(false);
        let is_inside = || word.load(Ordering::SeqCst);
        let inside = gate.pass(&word).expect("open");
        assert!(gate.try_close(is_inside).is_none());
        drop(inside);
        let closed = gate.try_close(is_inside).expect("empty");
        assert!(gate.pass(&word).is_none());
        drop(closed);
        assert!(gate.pass(&word).is_some());
        assert!(gate.try_close(is_inside).is_some());
    }

    #[test]
    fn nobody_is_inside_a_closed_gate() {
        let gate = RunGate::default();
        let words = [const { AtomicBool::new(false) }; 3];
        let is_anybody_inside = || words.iter().any(|word| word.load(Ordering::SeqCst));
        let is_over = AtomicBool::new(false);
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for word in &words {
                let (gate, is_over, inside) = (&gate, &is_over, &inside);
                scope.spawn(move || {
                    while !is_over.load(Ordering::SeqCst) {
                        let Some(pass) = gate.pass(word) else {
                            drop(gate.wait_open());
                            continue;
                        };
                        inside.fetch_add(1, Ordering::SeqCst);
                        std::hint::spin_loop();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(pass);
                        gate.left();
                    }
                });
            }
            for round in 0..2000 {
                let closed = if round % 2 == 0 {
                    Some(gate.close(is_anybody_inside, || ()))
                } else {
                    gate.try_close(is_anybody_inside)
                };
                if closed.is_some() {
                    assert_eq!(inside.load(Ordering::SeqCst), 0);
                }
            }
            is_over.store(true, Ordering::SeqCst);
        });
    }
}
