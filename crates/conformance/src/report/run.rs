//! Runs cases, each in a process of its own, so that a crash or a hang of one says nothing about the others.

use std::io::Read;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::channel;
use std::time::Duration;
use std::time::Instant;

use openwhp_abi::hresult;
use openwhp_abi::hresult::HRESULT;
use serde_json::Value;
use serde_json::json;

use super::inventory::Key;
use crate::Engine;
use crate::cases::Case;
use crate::coverage;
use crate::coverage::Outcome;

/// What starts the line on which a child reports.
const MARK: &str = "conformance-case ";

/// A case and what became of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Engine it ran on.
    pub engine: &'static str,
    /// The case.
    pub case: Case,
    /// How it ended.
    pub outcome: Outcome,
    /// What it covers, with the names of the results seen; declared items have none.
    pub seen: Vec<(Key, String)>,
}

/// Runs one case in this process and prints what the parent needs.
pub fn child(engine: &Engine, case: &Case) {
    let (outcome, seen) = coverage::record(|| Outcome::of(|| (case.body)(engine)));
    let (word, text) = match outcome {
        Outcome::Passed => ("passed", String::new()),
        Outcome::Failed(text) => ("failed", text),
        Outcome::Skipped(text) => ("skipped", text),
    };
    let seen: Vec<Value> = seen
        .into_iter()
        .map(|(item, result)| {
            let key = Key::from(item);
            json!([key.kind, key.name, result_name(result)])
        })
        .collect();
    println!("\n{MARK}{}", json!({ "outcome": word, "text": text, "seen": seen }));
}

/// The name of a result code, or its number.
pub fn result_name(result: HRESULT) -> String {
    let entry = hresult::NAMES.iter().find(|entry| entry.1 == result);
    entry.map_or_else(|| format!("{:#010x}", result.bits()), |entry| entry.0.to_owned())
}

/// Runs cases, `jobs` at a time, each in a process of `program`.
pub fn all(program: &Path, engine: &Engine, cases: &[Case], jobs: usize, limit: Duration) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = one(program, engine, case, limit);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push(report);
                }
            });
        }
    });
    let mut reports = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let place =
        |case: &Case| cases.iter().position(|other| (other.subject, other.name) == (case.subject, case.name));
    reports.sort_by_key(|report| place(&report.case));
    reports
}

fn one(program: &Path, engine: &Engine, case: &Case, limit: Duration) -> Report {
    let name = format!("{}::{}", case.subject, case.name);
    let child = Command::new(program)
        .args(["--engine", engine.name, "--case", &name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let (outcome, mut seen) = match child {
        Ok(child) => watch(child, limit),
        Err(error) => (Outcome::Failed(format!("cannot start a process: {error}")), Vec::new()),
    };
    seen.extend(case.covers.iter().map(|item| (Key::from(*item), String::new())));
    seen.extend(questions(case.source));
    Report { engine: engine.name, case: *case, outcome, seen }
}

/// The open questions that a source names: "Q31".
fn questions(source: &str) -> impl Iterator<Item = (Key, String)> {
    let words = source.split(|letter: char| !letter.is_ascii_alphanumeric());
    let is_question =
        |word: &&str| word.strip_prefix('Q').is_some_and(|number| number.parse::<u32>().is_ok());
    words.filter(is_question).filter_map(|word| Some((Key::new("ability", word)?, String::new())))
}

/// Waits for a child and reads its report.
fn watch(mut child: Child, limit: Duration) -> (Outcome, Vec<(Key, String)>) {
    let output = reader(child.stdout.take());
    let errors = reader(child.stderr.take());
    let end = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) => break Err(format!("no end after {} s", limit.as_secs())),
            Err(error) => break Err(error.to_string()),
        }
    };
    let status = status.inspect_err(|_| {
        let _ = child.kill();
        let _ = child.wait();
    });
    let status = match status {
        Ok(status) => status,
        Err(reason) => return (Outcome::Failed(reason), Vec::new()),
    };
    let text = output.recv_timeout(limit).unwrap_or_default();
    match text.lines().find_map(|line| line.strip_prefix(MARK)).and_then(parse) {
        Some(report) if status.success() => report,
        _ => {
            let errors = errors.recv_timeout(limit).unwrap_or_default();
            let last = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            (Outcome::Failed(format!("the process ended with {status}: {last}")), Vec::new())
        }
    }
}

/// Reads to the end in a thread of its own.
fn reader(source: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut source) = source {
            let _ = source.read_to_end(&mut bytes);
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

fn parse(line: &str) -> Option<(Outcome, Vec<(Key, String)>)> {
    let value: Value = serde_json::from_str(line).ok()?;
    let text = value["text"].as_str()?.to_owned();
    let outcome = match value["outcome"].as_str()? {
        "passed" => Outcome::Passed,
        "failed" => Outcome::Failed(text),
        _ => Outcome::Skipped(text),
    };
    let seen = value["seen"].as_array()?.iter().filter_map(|entry| {
        let key = Key::new(entry[0].as_str()?, entry[1].as_str()?)?;
        Some((key, entry[2].as_str()?.to_owned()))
    });
    Some((outcome, seen.collect()))
}

/// The whole run as JSON.
pub fn json(reports: &[Report]) -> Value {
    let cases: Vec<Value> = reports
        .iter()
        .map(|report| {
            let (outcome, text) = match &report.outcome {
                Outcome::Passed => ("passed", ""),
                Outcome::Failed(text) => ("failed", text.as_str()),
                Outcome::Skipped(text) => ("skipped", text.as_str()),
            };
            let covers: Vec<Value> = report
                .seen
                .iter()
                .map(|(key, result)| json!({ "kind": key.kind, "name": key.name, "result": result }))
                .collect();
            json!({
                "engine": report.engine,
                "subject": report.case.subject,
                "name": report.case.name,
                "source": report.case.source,
                "outcome": outcome,
                "reason": text,
                "covers": covers,
            })
        })
        .collect();
    json!({ "cases": cases, "passed": count(reports, |outcome| *outcome == Outcome::Passed),
        "failed": count(reports, |outcome| matches!(outcome, Outcome::Failed(_))),
        "skipped": count(reports, |outcome| matches!(outcome, Outcome::Skipped(_))) })
}

/// Cases with such an outcome.
pub fn count(reports: &[Report], is_such: impl Fn(&Outcome) -> bool) -> usize {
    reports.iter().filter(|report| is_such(&report.outcome)).count()
}
