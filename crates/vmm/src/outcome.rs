//! How a run ends, and the one place where its end is announced.

use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use openwhp::VpCanceller;

/// Exit status of a run that reached its time limit.
pub const STATUS_TIMEOUT: u8 = 124;
/// Exit status of a wrong command line or unusable input.
pub const STATUS_USAGE: u8 = 2;
/// Exit status of a guest that died.
pub const STATUS_DIED: u8 = 3;

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest switched the machine off.
    PowerOff,
    /// The guest reset the machine.
    Reset,
    /// The guest wrote this byte to the debug-exit port.
    DebugExit(u8),
    /// The time limit was reached.
    Timeout,
    /// The person at the console left.
    Left,
    /// A signal asked for the end.
    Signal(u8),
    /// A debugger ended the run.
    Killed,
    /// The guest cannot go on; a report with the reason.
    Died(String),
}

impl Outcome {
    /// The exit status that the command line promises.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::PowerOff | Self::Reset | Self::Left | Self::Killed => 0,
            // The status of a process has eight bits.
            Self::DebugExit(value) => (value << 1) | 1,
            Self::Timeout => STATUS_TIMEOUT,
            Self::Died(_) => STATUS_DIED,
            Self::Signal(number) => 128 | number,
        }
    }
}

/// The end of a run: the first outcome announced stands, and every processor is called back.
#[derive(Debug, Default)]
pub struct Ending {
    state: Mutex<State>,
    announced: Condvar,
}

#[derive(Debug, Default)]
struct State {
    outcome: Option<Outcome>,
    processors: Vec<VpCanceller>,
}

impl Ending {
    /// Makes the ending of a run that goes on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a processor that is to be called back.
    pub fn add_processor(&self, canceller: VpCanceller) {
        self.lock().processors.push(canceller);
    }

    /// Announces an outcome.
    pub fn end(&self, outcome: Outcome) {
        let mut state = self.lock();
        // A reset may boot again, which is not what the other outcomes want.
        if matches!(state.outcome, None | Some(Outcome::Reset)) {
            state.outcome = Some(outcome);
        }
        state.processors.iter().for_each(VpCanceller::cancel);
        self.announced.notify_all();
    }

    /// Forgets a reset and its processors, for the next boot; any other outcome stands.
    pub fn restart(&self) {
        let mut state = self.lock();
        state.processors.clear();
        if state.outcome == Some(Outcome::Reset) {
            state.outcome = None;
        }
    }

    /// Whether an outcome has been announced.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.lock().outcome.is_some()
    }

    /// Waits for the outcome; when `limit` passes first, announces [`Outcome::Timeout`].
    pub fn wait(&self, limit: Option<Duration>) -> Outcome {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut state = self.lock();
        loop {
            if let Some(outcome) = &state.outcome {
                return outcome.clone();
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                drop(state);
                self.end(Outcome::Timeout);
                state = self.lock();
                continue;
            }
            let wait = left.unwrap_or(Duration::from_secs(3600));
            let waited = self.announced.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the run when the thread that holds it panics, so that the other threads do not wait for ever.
#[derive(Debug)]
pub struct EndOnPanic<'a>(pub &'a Ending);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end(Outcome::Died("internal error: a thread of the monitor panicked".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_the_promised_ones() {
        let statuses: Vec<u8> = [
            Outcome::PowerOff,
            Outcome::Reset,
            Outcome::DebugExit(0),
            Outcome::DebugExit(0x31),
            Outcome::Timeout,
            Outcome::Died(String::new()),
        ]
        .iter()
        .map(Outcome::status)
        .collect();
        assert_eq!(statuses, [0, 0, 1, 0x63, 124, 3]);
    }

    #[test]
    fn the_first_outcome_stands() {
        let ending = Ending::new();
        ending.end(Outcome::PowerOff);
        ending.end(Outcome::Reset);
        assert_eq!(ending.wait(None), Outcome::PowerOff);
        ending.restart();
        assert!(ending.is_over());
    }

    #[test]
    fn a_signal_overrides_a_reset() {
        let ending = Ending::new();
        ending.end(Outcome::Reset);
        ending.end(Outcome::Signal(15));
        assert_eq!(ending.wait(None), Outcome::Signal(15));
        let ending = Ending::new();
        ending.end(Outcome::Reset);
        ending.restart();
        assert!(!ending.is_over());
    }

    #[test]
    fn a_panicking_thread_ends_the_run() {
        let ending = Ending::new();
        let thread = std::thread::scope(|scope| {
            let body = || {
                let _guard = EndOnPanic(&ending);
                std::panic::resume_unwind(Box::new("on purpose"));
            };
            scope.spawn(body).join()
        });
        assert!(thread.is_err());
        assert!(matches!(ending.wait(None), Outcome::Died(_)));
    }

    #[test]
    fn the_limit_ends_the_run() {
        let ending = Ending::new();
        assert_eq!(ending.wait(Some(Duration::from_millis(10))), Outcome::Timeout);
        assert!(ending.is_over());
    }
}
