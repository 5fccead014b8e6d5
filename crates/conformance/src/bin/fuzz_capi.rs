//! Calls the C interface in random order with random arguments for a while.
//!
//! ```text
//! fuzz-capi [--seconds N] [--seed S] [--threads T]
//! fuzz-capi --replay SEED [--threads T]
//! ```
//!
//! A sequence has one script of calls per thread, all from its seed; with more than one thread two more run processors
//! meanwhile. Without `--threads` sequences have one to four.
//!
//! With `FUZZ_CAPI_VERBOSE` set the seed of each sequence is printed before it runs, so that a crash names its
//! input for `--replay`.

use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use openwhp_conformance::Engine;
use openwhp_conformance::fuzz;
use openwhp_conformance::fuzz::Generator;

/// Bytes of random input for one sequence of calls.
const INPUT: usize = 4096;

/// What the command line asks for.
struct Options {
    seconds: u64,
    seed: u64,
    replay: Option<u64>,
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("usage: fuzz-capi [--seconds N] [--seed S] [--threads T] | --replay SEED [--threads T]");
        return ExitCode::from(2);
    };
    if let Some(seed) = options.replay {
        println!("{} calls, no finding", sequence(seed, options.threads));
        return ExitCode::SUCCESS;
    }
    let is_verbose = std::env::var_os("FUZZ_CAPI_VERBOSE").is_some();
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let mut generator = Generator::new(options.seed);
    let (mut sequences, mut calls) = (0_u64, 0);
    while Instant::now() < end {
        let seed = generator.bits();
        if is_verbose {
            eprintln!("sequence {seed}");
        }
        calls += sequence(seed, options.threads);
        sequences += 1;
    }
    println!("{sequences} sequences, {calls} calls, no finding");
    ExitCode::SUCCESS
}

fn sequence(seed: u64, threads: Option<usize>) -> u64 {
    let threads = threads.unwrap_or(1 + (seed % 4) as usize);
    fuzz::run_with(&Engine::soft(), &Generator::new(seed).bytes(INPUT * threads), threads)
}

fn options() -> Option<Options> {
    let mut options = Options { seconds: 10, seed: 1, replay: None, threads: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?.parse().ok()?;
        match word.as_str() {
            "--seconds" => options.seconds = value,
            "--seed" => options.seed = value,
            "--replay" => options.replay = Some(value),
            "--threads" => options.threads = Some(value as usize),
            _ => return None,
        }
    }
    Some(options)
}
