//! What a case is about: the parts of the interface, by their names in the header.
//!
//! Most of it is observed: while [`record`] runs a case, every call made through [`call!`](crate::call) and every
//! code passed to it is noted with its result. What cannot be seen at the interface (a hypercall, a synthetic register,
//! a client's habit) is declared beside the case as `covers [Item::Ability("...")]`.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use openwhp_abi::hresult::HRESULT;

/// A part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// A function, by name.
    Function(&'static str),
    /// An exit reason.
    Exit(u32),
    /// A capability code.
    Capability(u32),
    /// A partition property, read.
    PropertyGet(u32),
    /// A partition property, written.
    PropertySet(u32),
    /// A register, read.
    RegisterGet(u32),
    /// A register, written.
    RegisterSet(u32),
    /// A type of processor state, read.
    StateGet(u32),
    /// A type of processor state, written.
    StateSet(u32),
    /// A set of partition counters.
    PartitionCounters(u32),
    /// A set of processor counters.
    ProcessorCounters(u32),
    /// Anything else that has a name: "hypercalls", "doorbells", "Q31".
    Ability(&'static str),
}

/// An item and what a call about it returned.
pub type Observation = (Item, HRESULT);

static IS_RECORDING: AtomicBool = AtomicBool::new(false);
static SEEN: Mutex<BTreeSet<(Item, u32)>> = Mutex::new(BTreeSet::new());

/// Runs `body` and lists what its calls were about. One caller at a time: the record is one for the process.
pub fn record<T>(body: impl FnOnce() -> T) -> (T, Vec<Observation>) {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).clear();
    IS_RECORDING.store(true, Ordering::SeqCst);
    let result = body();
    IS_RECORDING.store(false, Ordering::SeqCst);
    let seen = std::mem::take(&mut *SEEN.lock().unwrap_or_else(PoisonError::into_inner));
    (result, seen.into_iter().map(|(item, code)| (item, HRESULT::from_bits(code))).collect())
}

/// Notes an item, if a record is being made.
pub fn note(item: Item, result: HRESULT) {
    if IS_RECORDING.load(Ordering::Relaxed) {
        SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert((item, result.bits()));
    }
}

/// Notes that a function returned; gives its result back. [`call!`](crate::call) uses it.
pub fn returned(function: &'static str, result: HRESULT) -> HRESULT {
    note(Item::Function(function), result);
    result
}

/// Why a case could not be tried.
#[derive(Clone, Debug)]
pub struct Skipped(pub String);

/// Ends a case that cannot be tried on this engine or host, without failing it.
///
/// # Panics
/// Always: that is how the case ends. The runner tells it from a failure.
pub fn skip(reason: impl Into<String>) -> ! {
    std::panic::resume_unwind(Box::new(Skipped(reason.into())))
}

/// Ends a case without failing it unless the engine has what it needs.
pub fn need(is_there: bool, what: &str) {
    if !is_there {
        skip(format!("needs {what}"));
    }
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As the specification says.
    Passed,
    /// Otherwise; with the first thing that was wrong.
    Failed(String),
    /// Not tried, and why.
    Skipped(String),
}

impl Outcome {
    /// Runs a body in this thread.
    pub fn of(body: impl FnOnce()) -> Self {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)) {
            Ok(()) => Self::Passed,
            Err(cause) => match cause.downcast::<Skipped>() {
                Ok(skipped) => Self::Skipped(skipped.0),
                Err(cause) => Self::Failed(message(&*cause)),
            },
        }
    }
}

fn message(cause: &(dyn std::any::Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().cloned();
    text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "the case failed".to_owned())
}

#[cfg(test)]
mod tests {
    use openwhp_abi::hresult::S_OK;

    use super::*;
    use crate::Engine;
    use crate::Machine;

    #[test]
    fn calls_are_recorded_with_their_results() {
        let engine = Engine::soft().observed();
        let ((), seen) = record(|| {
            let machine = Machine::real_mode(&engine, &[0xF4], |_| ());
            machine.run_to(0, openwhp_abi::x64::WHvRunVpExitReasonX64Halt);
        });
        for item in [
            Item::Function("WHvRunVirtualProcessor"),
            Item::Exit(openwhp_abi::x64::WHvRunVpExitReasonX64Halt.0),
            Item::PropertySet(openwhp_abi::x64::WHvPartitionPropertyCodeProcessorCount.0),
            Item::RegisterSet(openwhp_abi::x64::WHvX64RegisterRip.0),
        ] {
            assert!(seen.contains(&(item, S_OK)), "{item:?} of {seen:?}");
        }
    }

    #[test]
    fn outcomes_tell_skipping_from_failing() {
        assert_eq!(Outcome::of(|| ()), Outcome::Passed);
        assert_eq!(Outcome::of(|| need(false, "luck")), Outcome::Skipped("needs luck".to_owned()));
        assert!(matches!(Outcome::of(|| panic!("{}", "no")), Outcome::Failed(text) if text == "no"));
    }
}
