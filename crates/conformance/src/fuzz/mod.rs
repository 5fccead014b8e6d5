//! Any order of calls with any arguments, decoded from bytes.
//!
//! Pointers are valid or null and sizes tell the truth about them; everything else is arbitrary, including handles
//! of deleted partitions. The only failure is a crash, a hang or a panic inside the library (`E_FAIL`).
//!
//! [`run`] is the body of both drivers: the program `fuzz-capi`, which makes inputs from a seed, and the libFuzzer
//! target in `fuzz/` of the workspace.

#![expect(unsafe_code, reason = "calls C functions")]

mod calls;
mod input;
mod notifications;
mod watchdog;

pub use input::Generator;

use crate::Engine;
use calls::Session;
use input::Input;
use watchdog::Watchdog;

/// Longest sequence of calls.
const CALLS: usize = 300;

/// Runs one sequence of calls, in one thread or two; returns how many there were.
///
/// # Panics
/// If a call reports an internal failure.
pub fn run(engine: &Engine, input: &[u8]) -> u64 {
    let watchdog = Watchdog::default();
    let (first, rest) = input.split_at(input.len().min(1));
    let (seed, rest) = rest.split_at(rest.len().min(8));
    let seed = seed.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    let session = Session::new(engine, &watchdog, seed);
    let is_parallel = first.first().is_some_and(|byte| byte & 3 == 0);
    watchdog.guard(engine.api, || {
        if !is_parallel {
            return sequence(&session, rest);
        }
        let (left, right) = rest.split_at(rest.len() / 2);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| sequence(&session, right));
            sequence(&session, left) + other.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
        })
    })
}

fn sequence(session: &Session<'_>, bytes: &[u8]) -> u64 {
    let mut input = Input::new(bytes);
    let mut calls = 0;
    while calls < CALLS && !input.is_empty() {
        session.call(&mut input);
        calls += 1;
    }
    calls as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_sequences_run_without_a_finding() {
        let mut generator = Generator::new(0x0123_4567);
        let mut calls = 0;
        for _ in 0..40 {
            calls += run(&Engine::soft(), &generator.bytes(2048));
        }
        assert!(calls > 1000, "{calls}");
    }

    #[test]
    fn a_seed_always_gives_the_same_bytes() {
        assert_eq!(Generator::new(7).bytes(100), Generator::new(7).bytes(100));
        assert_ne!(Generator::new(7).bytes(100), Generator::new(8).bytes(100));
    }
}
