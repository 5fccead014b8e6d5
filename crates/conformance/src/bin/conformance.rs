//! Runs the conformance cases, each in a process of its own, and reports.
//!
//! ```text
//! conformance [--engine NAME] [--format text|json] [--table markdown|full] [--gaps] [--check] [--jobs N]
//!             [--timeout SECONDS] [--list] [--write] [FILTER]
//! ```
//!
//! Exit status: 0 if nothing failed, 1 if a case failed (with `--gaps` and `--check`: if something has no case or a table
//! is old), 2 usage.

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use openwhp_conformance::Engine;
use openwhp_conformance::cases;
use openwhp_conformance::cases::Case;
use openwhp_conformance::coverage::Outcome;
use openwhp_conformance::report::run;
use openwhp_conformance::report::run::Report;
use openwhp_conformance::report::standing::Standing;
use openwhp_conformance::report::table;

const USAGE: &str =
    "usage: conformance [--engine NAME] [--format text|json] [--table markdown|full] [--gaps] [--check]
                   [--jobs N] [--timeout SECONDS] [--list] [--write] [FILTER]

  --engine NAME     soft, or `library` with OPENWHP_CONFORMANCE_LIBRARY naming a shared library
  --format FORMAT   text (default) or json: every case with outcome, reason and what it covers
  --table KIND      print the table of the README (markdown) or the whole page (full) instead of the cases
  --check           compare README.md and docs/compatibility.md with the run, and what is covered with what there is
  --gaps            print what has no case; status 1 if there is something
  --write           bring README.md and docs/compatibility.md of this source tree up to date
  --list            print the names of the cases
  FILTER            only cases whose name contains it";

/// What the command line asks for.
#[derive(Default)]
struct Options {
    engine: Option<String>,
    is_json: bool,
    table: Option<String>,
    gaps: bool,
    check: bool,
    write: bool,
    list: bool,
    jobs: Option<usize>,
    timeout: Option<u64>,
    filter: String,
    case: Option<String>,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--engine" => options.engine = Some(words.next()?),
                "--format" => {
                    options.is_json = match words.next()?.as_str() {
                        "json" => true,
                        "text" => false,
                        _ => return None,
                    }
                }
                "--table" => {
                    options.table = Some(words.next().filter(|kind| kind == "markdown" || kind == "full")?);
                }
                "--check" => options.check = true,
                "--gaps" => options.gaps = true,
                "--write" => options.write = true,
                "--list" => options.list = true,
                "--jobs" => options.jobs = Some(words.next()?.parse().ok()?),
                "--timeout" => options.timeout = Some(words.next()?.parse().ok()?),
                // What a parent passes to its children.
                "--case" => options.case = Some(words.next()?),
                _ if word.starts_with('-') => return None,
                _ => options.filter = word,
            }
        }
        Some(options)
    }
}

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match work(&options) {
        Ok(status) => status,
        Err(reason) => {
            eprintln!("conformance: {reason}");
            ExitCode::from(2)
        }
    }
}

fn work(options: &Options) -> Result<ExitCode, String> {
    let engines = Engine::all()?;
    let engine = match &options.engine {
        Some(name) => engines.iter().find(|engine| engine.name == name),
        None => engines.first(),
    };
    let engine = engine.ok_or_else(|| {
        let names: Vec<_> = engines.iter().map(|engine| engine.name).collect();
        format!("no such engine; there is {}", names.join(", "))
    })?;
    let full_name = |case: &Case| format!("{}::{}", case.subject, case.name);
    if let Some(name) = &options.case {
        let case = cases::all().find(|case| full_name(case) == *name).ok_or("no such case")?;
        run::child(&engine.observed(), &case);
        return Ok(ExitCode::SUCCESS);
    }
    let cases: Vec<Case> = cases::all().filter(|case| full_name(case).contains(&options.filter)).collect();
    if options.list {
        cases.iter().for_each(|case| println!("{} [{}]", full_name(case), case.source));
        return Ok(ExitCode::SUCCESS);
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let jobs = options.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let limit = Duration::from_secs(options.timeout.unwrap_or(60));
    let reports = run::all(&program, engine, &cases, jobs, limit);
    let standing = Standing::new(engine, &reports);
    print(options, &reports, &standing)?;
    let gaps = match options {
        _ if options.check => check(&standing)?,
        _ if options.gaps => table::gaps(&standing).len(),
        _ => 0,
    };
    let failed = run::count(&reports, |outcome| matches!(outcome, Outcome::Failed(_)));
    Ok(if failed + gaps == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(options: &Options, reports: &[Report], standing: &Standing) -> Result<(), String> {
    if options.write {
        write(standing)?;
    }
    if options.gaps {
        table::gaps(standing).iter().for_each(|gap| println!("{gap}"));
        println!("absent on purpose:");
        table::meant(standing).iter().for_each(|line| println!("  {line}"));
        return Ok(());
    }
    if options.check {
        reports.iter().filter(|report| matches!(report.outcome, Outcome::Failed(_))).for_each(line);
        return Ok(());
    }
    match options.table.as_deref() {
        Some("markdown") => print!("{}", table::summary(standing)),
        Some(_) => print!("{}", table::full(standing)),
        None if options.is_json => println!("{:#}", run::json(reports)),
        None => text(reports),
    }
    Ok(())
}

fn line(report: &Report) {
    let (subject, name, source) = (report.case.subject, report.case.name, report.case.source);
    match &report.outcome {
        Outcome::Passed => println!("passed   {subject}::{name}"),
        Outcome::Skipped(reason) => println!("skipped  {subject}::{name}: {reason}"),
        Outcome::Failed(reason) => println!("FAILED   {subject}::{name} [{source}]: {reason}"),
    }
}

fn text(reports: &[Report]) {
    reports.iter().for_each(line);
    let (passed, failed) = (
        run::count(reports, |outcome| *outcome == Outcome::Passed),
        run::count(reports, |outcome| matches!(outcome, Outcome::Failed(_))),
    );
    println!("{passed} passed, {failed} failed, {} skipped", reports.len() - passed - failed);
}

/// The two files of the source tree: where they are, what they hold, what they should hold.
fn files(standing: &Standing) -> Result<[(PathBuf, String, String); 2], String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (readme, page) = (root.join("README.md"), root.join("docs/compatibility.md"));
    let old = std::fs::read_to_string(&readme).map_err(|error| error.to_string())?;
    let new =
        table::replace(&old, &table::summary(standing)).ok_or("README.md has no place for the table")?;
    let old_page = std::fs::read_to_string(&page).unwrap_or_default();
    Ok([(readme, old, new), (page, old_page, table::full(standing))])
}

/// Brings the two files up to date.
fn write(standing: &Standing) -> Result<(), String> {
    for (path, _, new) in files(standing)? {
        std::fs::write(&path, new).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Prints what is missing and what is old; gives how much that is.
fn check(standing: &Standing) -> Result<usize, String> {
    let mut found = 0;
    for (path, old, new) in files(standing)? {
        if old != new {
            found += 1;
            println!("{} is not what the cases say; run with --write", path.display());
            let changed = new.lines().filter(|line| !old.lines().any(|other| other == *line));
            changed.for_each(|line| println!("  {line}"));
        }
    }
    let gaps = table::gaps(standing);
    for gap in table::unexpected(&gaps) {
        found += 1;
        println!("not covered: {gap}");
    }
    println!("{} known gaps; absent on purpose:", gaps.len() - table::unexpected(&gaps).len());
    table::meant(standing).iter().for_each(|line| println!("  {line}"));
    Ok(found)
}
