//! Suspending partition time, and what the host's clock says about it.

use std::sync::Arc;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use openwhp::TimeError;

use super::Host;
use super::lock;

/// Time goes on by the call, not by the next run.
const BY_CALL: u64 = 0;

/// Counts on the host's clock how long partition time was suspended: certainly (between the calls), and at most
/// (with the calls). Reference times are in units of 100 ns, others in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    certain: u64,
    possible: u64,
    /// Since when time may be suspended, if no call has ended that.
    open: Option<u64>,
    /// Reference time at the start and the end of the latest suspension, and after it.
    at: u64,
    still: u64,
    after: u64,
    /// From before the call that let time go on until after the reading of `after`.
    slack: u64,
    /// How often suspending was refused because a processor ran.
    refused: u64,
}

/// The host's clock, from an arbitrary start.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

impl Stopwatch {
    pub(super) fn read(&mut self, output: &mut [u64; 8]) {
        *output =
            [now(), self.certain, self.possible, self.at, self.still, self.after, self.slack, self.refused];
    }

    /// True if the next run lets time go on.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// A processor has run, so time goes on at the latest now.
    pub(super) fn close(&mut self) {
        if let Some(start) = self.open.take() {
            self.possible += now() - start;
        }
    }
}

impl Host {
    /// Suspends time for some milliseconds, with all processors outside.
    pub(super) fn suspend(&self, milliseconds: u64, how: u64) -> Result<()> {
        self.gate.close(|| self.cancel_all());
        let done = self.suspend_stopped(milliseconds, how);
        self.gate.open();
        done
    }

    fn suspend_stopped(&self, milliseconds: u64, how: u64) -> Result<()> {
        let mut stopwatch = lock(&self.stopwatch);
        let before = now();
        self.partition.suspend_time()?;
        let start = now();
        stopwatch.at = self.partition.reference_time_100ns();
        thread::sleep(Duration::from_millis(milliseconds));
        stopwatch.still = self.partition.reference_time_100ns();
        let end = now();
        stopwatch.certain += end - start;
        if how == BY_CALL {
            self.partition.resume_time()?;
            stopwatch.after = self.partition.reference_time_100ns();
            let after = now();
            stopwatch.slack = after - end;
            stopwatch.possible += after - before;
        } else {
            (stopwatch.after, stopwatch.slack) = (stopwatch.still, 0);
            stopwatch.open = Some(before);
        }
        Ok(())
    }

    /// Has another thread suspend time while the program runs: `[milliseconds, how, word that the program sets once
    /// it runs without exits, word to set at the end]`.
    pub(super) fn suspend_later(self: &Arc<Self>, input: &[u64; 7]) {
        let [milliseconds, how, running, done, ..] = *input;
        let host = Arc::clone(self);
        self.helper(move || {
            let mut flag = [0; 4];
            while flag == [0; 4] {
                thread::sleep(Duration::from_millis(1));
                if host.is_over() || host.memory.read(running, &mut flag).is_err() {
                    return;
                }
            }
            match host.partition.suspend_time() {
                Err(TimeError::Running) => lock(&host.stopwatch).refused += 1,
                other => panic!("suspending under a running processor: {other:?}"),
            }
            host.suspend(milliseconds, how).expect("suspension");
            host.memory.write(done, &1_u32.to_le_bytes()).expect("a word in memory");
        });
    }
}
