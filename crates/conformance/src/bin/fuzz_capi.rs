//! Calls the C interface in random order with random arguments for a while.
//!
//!     fuzz-capi --seconds N --seed S

use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use openwhp_conformance::Engine;
use openwhp_conformance::fuzz;

/// Bytes of random input for one sequence of calls.
const INPUT: usize = 4096;

fn main() -> ExitCode {
    let Some((seconds, seed)) = arguments() else {
        eprintln!("usage: fuzz-capi [--seconds N] [--seed S]");
        return ExitCode::from(2);
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut generator = fuzz::Generator::new(seed);
    let mut calls = 0;
    let mut sequences = 0_u64;
    while Instant::now() < end {
        // The seed of each sequence is printed before it runs, so that a crash names its input.
        let seed = generator.bits();
        if std::env::var_os("FUZZ_CAPI_VERBOSE").is_some() {
            eprintln!("sequence {seed:#x}");
        }
        calls += fuzz::run(&Engine::soft(), &fuzz::Generator::new(seed).bytes(INPUT));
        sequences += 1;
    }
    println!("{sequences} sequences, {calls} calls, no finding");
    ExitCode::SUCCESS
}

/// Seconds to run and the first seed.
fn arguments() -> Option<(u64, u64)> {
    let (mut seconds, mut seed) = (10, 1);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?.parse().ok()?;
        match word.as_str() {
            "--seconds" => seconds = value,
            "--seed" => seed = value,
            _ => return None,
        }
    }
    Some((seconds, seed))
}
