//! Runs many cases and gathers what went wrong.

use crate::case::End;
use crate::compare::compare;
use crate::compare::decode;
use crate::filter::Class;
use crate::filter::code_named;
use crate::filter::codes;
use crate::generate::make;
use crate::guest::Guest;
use crate::native::Native;
use crate::rng::Rng;
use iced_x86::Code;
use std::collections::BTreeMap;
use std::io;

/// A case whose two executions differ.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// Code it was made from; with `seed` and `bits`, this is what a line of the kept seeds holds.
    pub code: Code,
    /// Width of the code.
    pub bits: u32,
    /// Seed of the case.
    pub seed: u64,
    /// Instruction bytes.
    pub bytes: Vec<u8>,
    /// What differs.
    pub lines: Vec<String>,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:?} {:#x} {}  bytes {:02x?}", self.code, self.seed, self.bits, self.bytes)?;
        for l in &self.lines {
            writeln!(f, "    {l}")?;
        }
        Ok(())
    }
}

/// Totals of a session.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases compared.
    pub compared: u64,
    /// Cases the host cannot execute.
    pub host_lacks: u64,
    /// Draws that made no encodable instruction.
    pub discarded: u64,
    /// Differences by code: how many, and the first.
    pub mismatches: BTreeMap<String, (u64, Mismatch)>,
}

/// Both executors.
#[derive(Debug)]
pub struct Session {
    native: Native,
    guests: [Guest; 2],
    /// Compare flags the manuals leave undefined.
    pub strict: bool,
    /// Totals so far.
    pub report: Report,
}

impl Session {
    /// Sets up both sides.
    ///
    /// # Errors
    /// The host side cannot be set up.
    pub fn new() -> io::Result<Session> {
        Ok(Session {
            native: Native::new()?,
            guests: [Guest::new(64), Guest::new(32)],
            strict: false,
            report: Report::default(),
        })
    }

    /// Runs the case of this code and seed; gives the mismatch, if there is one.
    pub fn one(&mut self, code: Code, bits: u32, seed: u64) -> Option<Mismatch> {
        let Some(case) = make(code, bits, seed) else {
            self.report.discarded += 1;
            return None;
        };
        let host = self.native.run(&case);
        let ours = self.guests[usize::from(bits == 32)].run(&case);
        if host.1 == End::Fault(6, 0) && ours.1 == End::Done {
            self.report.host_lacks += 1;
            return None;
        }
        self.report.compared += 1;
        let lines = compare(&case, &host, &ours, self.strict);
        if lines.is_empty() {
            return None;
        }
        let m = Mismatch { code, bits, seed, bytes: case.bytes.clone(), lines };
        let name = format!("{:?}", decode(&case).code());
        self.report.mismatches.entry(name).or_insert_with(|| (0, m.clone())).0 += 1;
        Some(m)
    }

    /// Runs `count` random cases over these classes in code of `bits` (64 or 32; 32-bit code is integer only).
    pub fn many(&mut self, classes: &[Class], bits: u32, only: &str, count: u64, seed: u64) {
        let classes = if bits == 32 { &[Class::Int] } else { classes };
        let mut list = codes(classes, bits);
        list.retain(|c| format!("{c:?}").starts_with(only));
        if list.is_empty() {
            return;
        }
        let mut r = Rng::new(seed);
        for _ in 0..count {
            let code = r.pick(&list);
            self.one(code, bits, r.bits());
        }
    }

    /// Runs kept cases, a line each: code name, seed in hexadecimal, width of the code (64 if absent); `#` starts a comment.
    pub fn kept(&mut self, text: &str) -> Vec<Mismatch> {
        let mut out = Vec::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            let mut words = line.split_whitespace();
            if let (Some(name), Some(seed)) = (words.next(), words.next())
                && let Some(code) = code_named(name)
                && let Ok(seed) = u64::from_str_radix(seed.trim_start_matches("0x"), 16)
            {
                let bits = words.next().and_then(|w| w.parse().ok()).unwrap_or(64);
                out.extend(self.one(code, bits, seed));
            }
        }
        out
    }
}
