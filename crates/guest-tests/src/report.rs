//! What a program said.

use crate::End;

/// The lines of a program and how its run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Everything written to port 0xE9.
    pub text: String,
    /// Why the run ended.
    pub end: End,
}

impl Report {
    /// The names of the checks that passed.
    pub fn passed(&self) -> usize {
        self.lines("ok ").count()
    }

    /// The names of the checks the machine could not run.
    pub fn skipped(&self) -> Vec<&str> {
        self.lines("skip ").collect()
    }

    /// The failures, as the program put them.
    pub fn failures(&self) -> Vec<&str> {
        self.lines("FAIL ").collect()
    }

    /// The number behind the final `done`.
    pub fn announced(&self) -> Option<usize> {
        self.lines("done ").next()?.parse().ok()
    }

    fn lines(&self, kind: &'static str) -> impl Iterator<Item = &str> {
        self.text.lines().filter_map(move |line| line.strip_prefix(kind))
    }

    /// Says what is wrong with a report that should be all good with this many checks.
    ///
    /// # Errors
    /// A text for people.
    pub fn expect_all_good(&self, checks: usize) -> Result<(), String> {
        let failures = self.failures();
        let done = self.passed() + self.skipped().len();
        if failures.is_empty()
            && self.end == End::Status(0)
            && done == checks
            && self.announced() == Some(checks)
        {
            return Ok(());
        }
        Err(format!(
            "{} of {checks} checks passed, {} skipped; the run ended by {:?}; failures:\n  {}\nlast lines:\n{}",
            self.passed(),
            self.skipped().len(),
            self.end,
            failures.join("\n  "),
            self.last_lines(5),
        ))
    }

    fn last_lines(&self, count: usize) -> String {
        let lines: Vec<&str> = self.text.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str, end: End) -> Report {
        Report { text: text.to_owned(), end }
    }

    #[test]
    fn good_reports_have_every_check() {
        let good = report("ok a\nskip b\ndone 2\n", End::Status(0));
        assert_eq!(good.expect_all_good(2), Ok(()));
        assert!(good.expect_all_good(3).is_err());
        assert_eq!(good.skipped(), ["b"]);
    }

    #[test]
    fn failures_and_bad_ends_are_told() {
        let bad = report("ok a\nFAIL b: expected 0x1 got 0x2\ndone 2\n", End::Status(1));
        let text = bad.expect_all_good(2).unwrap_err();
        assert!(text.contains("b: expected 0x1 got 0x2"), "{text}");
        assert!(report("ok a\n", End::TimeOut).expect_all_good(1).is_err());
        assert!(report("ok a\ndone 1\n", End::TripleFault { rip: 0 }).expect_all_good(1).is_err());
    }
}
