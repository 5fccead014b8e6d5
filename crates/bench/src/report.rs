//! Laying figures out as tables on standard output.

use crate::c_interface::CResults;
use crate::guest::Competitor;
use crate::guest::Results;
use crate::guest::Workload;
use crate::latency::LatencyResult;
use crate::micro::ClassResult;
use crate::micro::ExitResult;
use crate::micro::Unit;
use crate::samples::Samples;
use crate::samples::geometric_mean;

/// Says where the figures come from.
pub(crate) fn print_host() {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    println!("host: {model}, {count} processors");
}

/// Instructions per second by class.
pub(crate) fn print_classes(results: &[ClassResult]) {
    println!("\nInstructions by class (one processor, in process)");
    println!("  {:<12} {:>12} {:>12}", "class", "best", "median");
    for result in results {
        let unit = match result.unit {
            Unit::Instructions => "M/s",
            Unit::Bytes => "MB/s",
        };
        let rate = |seconds: Option<f64>| number(seconds.map(|s| result.amount / s * 1e-6), 1);
        let (best, median) = (rate(result.seconds.min()), rate(result.seconds.median()));
        println!("  {:<12} {best:>12} {median:>12} {unit}", result.name);
    }
    let rates: Vec<f64> = results
        .iter()
        .filter(|r| r.unit == Unit::Instructions)
        .filter_map(|r| Some(r.amount / r.seconds.min()? * 1e-6))
        .collect();
    println!("  {:<12} {:>12} {:>12} M/s", "geomean", number(geometric_mean(&rates), 1), "");
}

/// Exit round trips by kind, through both interfaces.
pub(crate) fn print_exits(rust: &[ExitResult], c: &CResults) {
    println!("\nExit round trip in ns: run, then the answer by register writes (best [median])");
    let rust: Vec<_> = rust.iter().map(|result| (result.name.as_str(), &result.nanoseconds)).collect();
    print_both(&rust, c, 1.0, 0);
}

/// Events between guest and host, through both interfaces.
pub(crate) fn print_latencies(rust: &[LatencyResult], c: &CResults) {
    println!("\nEvents in us of the wall clock (best [median])");
    let rust: Vec<_> = rust.iter().map(|result| (result.name, &result.nanoseconds)).collect();
    print_both(&rust, c, 1e-3, 1);
}

/// A row for each kind: through the Rust API, and through the C interface.
fn print_both(rust: &[(&str, &Samples)], c: &CResults, factor: f64, digits: usize) {
    println!("  {:<20} {:>17} {:>17}", "kind", "Rust API", "C interface");
    for &(name, nanoseconds) in rust {
        let in_process = with_median(Some(nanoseconds), factor, digits);
        let through_c = with_median(c.of(name), factor, digits);
        println!("  {name:<20} {in_process:>17} {through_c:>17}");
    }
    for note in &c.notes {
        println!("  note: {note}");
    }
}

/// Whole guests.
pub(crate) fn print_guests(workloads: &[Workload], results: &Results) {
    println!("\nWhole guests (one processor; least of all rounds in ms, median in brackets)");
    println!(
        "  {:<5} {:<8} {:>17} {:>17} {:>17} {:>9} {:>9}",
        "", "", "native", "QEMU TCG", "openwhp", "TCG/ours", "ours/nat."
    );
    for workload in workloads {
        print_workload(workload, results);
    }
    for note in &results.notes {
        println!("  note: {note}");
    }
}

/// What went wrong anywhere.
pub(crate) fn print_failures(failures: &[String]) {
    if !failures.is_empty() {
        println!();
    }
    for failure in failures {
        println!("FAILED: {failure}");
    }
}

fn print_workload(workload: &Workload, results: &Results) {
    let mut to_tcg = Vec::new();
    let mut to_native = Vec::new();
    for name in workload.names {
        let native = results.times(Competitor::Native, name);
        let tcg = results.best_tcg(name);
        let ours = results.times(Competitor::OpenWhp, name);
        let against_tcg = ratio(tcg, ours);
        let against_native = ratio(ours, native);
        to_tcg.extend(against_tcg);
        to_native.extend(against_native);
        println!(
            "  {:<5} {name:<8} {:>17} {:>17} {:>17} {:>9} {:>9}",
            workload.title,
            milliseconds(native),
            milliseconds(tcg),
            milliseconds(ours),
            number(against_tcg, 3),
            number(against_native, 1)
        );
    }
    if workload.names.len() > 1 {
        println!(
            "  {:<5} {:<8} {:>53} {:>9} {:>9}",
            workload.title,
            "geomean",
            "",
            number(geometric_mean(&to_tcg), 3),
            number(geometric_mean(&to_native), 1)
        );
    }
}

fn ratio(above: Option<&Samples>, below: Option<&Samples>) -> Option<f64> {
    Some(above?.min()? / below?.min()?)
}

fn milliseconds(samples: Option<&Samples>) -> String {
    with_median(samples, 1e3, 1)
}

/// Minimum and median, both times `factor`.
fn with_median(samples: Option<&Samples>, factor: f64, digits: usize) -> String {
    match samples.and_then(|s| Some((s.min()?, s.median()?))) {
        Some((min, median)) => format!("{:.digits$} [{:.digits$}]", min * factor, median * factor),
        None => "-".to_owned(),
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{v:.digits$}"))
}
