//! Any order of calls of the C interface with any arguments.

#![no_main]

use libfuzzer_sys::fuzz_target;
use openwhp_conformance::Engine;
use openwhp_conformance::fuzz;

fuzz_target!(|input: &[u8]| {
    fuzz::run(&Engine::soft(), input);
});
