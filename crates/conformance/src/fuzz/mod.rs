//! Any order of calls with any arguments, decoded from bytes.
//!
//! Pointers are valid or null and sizes tell the truth about them; everything else is arbitrary, including handles
//! of deleted partitions. The only failure is a crash, a hang or a panic inside the library (`E_FAIL`).
//!
//! [`run`] is the body of both drivers: the program `fuzz-capi`, which makes inputs from a seed, and the libFuzzer
//! target in `fuzz/` of the workspace.

#![expect(unsafe_code, reason = "calls C functions")]

mod calls;
mod emulator;
mod guest;
mod input;
mod notify;
mod watchdog;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub use input::Generator;

use crate::Engine;
use calls::Session;
use input::Input;
use watchdog::Watchdog;

/// Longest sequence of calls of a thread.
const CALLS: usize = 300;
/// Most threads that make calls.
const THREADS: usize = 8;
/// Time after which a sequence counts as hanging.
const HANG: Duration = Duration::from_secs(120);

/// Runs one sequence of calls, in one thread or more, by the input's first byte; returns how many there were.
///
/// # Panics
/// If a call reports an internal failure. A sequence that hangs ends the process.
pub fn run(engine: &Engine, input: &[u8]) -> u64 {
    let (first, rest) = input.split_at(input.len().min(1));
    let threads = match first.first() {
        Some(byte) if byte & 3 == 0 => 2,
        _ => 1,
    };
    run_with(engine, rest, threads)
}

/// Runs one sequence of calls in `threads` threads, each with its share of the input as its script. With more than one,
/// two more threads run processors all the time.
///
/// # Panics
/// As [`run`].
pub fn run_with(engine: &Engine, input: &[u8], threads: usize) -> u64 {
    let watchdog = Watchdog::new(HANG);
    let (seed, rest) = input.split_at(input.len().min(8));
    let seed = seed.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    let session = Session::new(engine, &watchdog, seed);
    let threads = threads.clamp(1, THREADS);
    watchdog.guard(engine.api, || {
        if threads == 1 {
            return sequence(&session, rest);
        }
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for number in 0..2 {
                let (session, is_over) = (&session, &is_over);
                scope.spawn(move || keep_running(session, seed ^ number, is_over));
            }
            let share = rest.len().div_ceil(threads).max(1);
            let _end = watchdog::End(&is_over);
            let session = &session;
            let scripts: Vec<_> =
                rest.chunks(share).map(|script| scope.spawn(move || sequence(session, script))).collect();
            let ends = scripts.into_iter().map(std::thread::ScopedJoinHandle::join);
            ends.map(|end| end.unwrap_or_else(|cause| std::panic::resume_unwind(cause))).sum()
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

/// Runs any processors until the scripts have ended.
fn keep_running(session: &Session<'_>, seed: u64, is_over: &AtomicBool) {
    let mut generator = Generator::new(seed);
    while !is_over.load(Ordering::Relaxed) {
        session.run(&mut Input::new(&generator.bytes(32)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_sequences_run_without_a_finding() {
        let mut generator = Generator::new(0x0123_4567);
        let mut calls = 0;
        for round in 0..40 {
            calls += run_with(&Engine::soft(), &generator.bytes(2048), 1 + round % 3);
        }
        assert!(calls > 1000, "{calls}");
    }

    #[test]
    fn a_seed_always_gives_the_same_bytes() {
        assert_eq!(Generator::new(7).bytes(100), Generator::new(7).bytes(100));
        assert_ne!(Generator::new(7).bytes(100), Generator::new(8).bytes(100));
    }
}
