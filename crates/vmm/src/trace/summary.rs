//! Counts and times by reason.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use openwhp::ExitReason;

use super::format;

/// Totals of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    rows: BTreeMap<&'static str, Row>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    count: u64,
    time: Duration,
}

impl Summary {
    pub(super) fn add(&mut self, reason: &ExitReason, took: Duration) {
        let row = self.rows.entry(format::reason(reason)).or_default();
        row.count += 1;
        row.time += took;
    }
}

impl fmt::Display for Summary {
    /// A table, the most frequent reason first; times are those of the answers, in host time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.count));
        writeln!(f, "openwhp: exits by reason, with the time their answers took")?;
        writeln!(f, "{:>12} {:>12} {:>10}  reason", "count", "time/us", "mean/ns")?;
        let mut total = Row::default();
        for (reason, row) in rows {
            write_row(f, reason, row)?;
            total.count += row.count;
            total.time += row.time;
        }
        write_row(f, "total", &total)
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, reason: &str, row: &Row) -> fmt::Result {
    let mean = row.time.as_nanos() / u128::from(row.count.max(1));
    writeln!(f, "{:>12} {:>12} {:>10}  {reason}", row.count, row.time.as_micros(), mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_summed() {
        let mut summary = Summary::default();
        summary.add(&ExitReason::Canceled, Duration::from_micros(5));
        for _ in 0..2 {
            summary.add(&ExitReason::ApicEoi(3), Duration::from_micros(2));
        }
        let text = summary.to_string();
        let lines: Vec<_> =
            text.lines().skip(2).map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
        assert_eq!(
            lines,
            [["2", "4", "2000", "apic-eoi"], ["1", "5", "5000", "canceled"], ["3", "9", "3000", "total"]]
        );
    }
}
