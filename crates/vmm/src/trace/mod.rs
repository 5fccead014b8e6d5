//! `--trace`: every exit as one line, and what they cost in sum.
//!
//! A processor's loop holds an [`ExitTrace`] when it is asked for; without one there is nothing to pay.

pub mod format;
pub mod options;
mod summary;

use std::io::BufWriter;
use std::io::Write;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use openwhp::Exit;

use self::format::Record;
use self::options::Format;
use self::options::TraceOptions;
use self::summary::Summary;

/// Bytes collected before they are written.
const BUFFER: usize = 64 << 10;

/// Where exits are recorded.
pub struct ExitTrace {
    state: Mutex<State>,
}

struct State {
    lines: Option<Lines>,
    summary: Option<Summary>,
    sequence: u64,
}

struct Lines {
    out: BufWriter<Box<dyn Write + Send>>,
    format: Format,
    /// Writing failed; the guest runs on without a trace.
    is_broken: bool,
}

impl ExitTrace {
    /// Opens what the options name; `None` when nothing is to be traced.
    ///
    /// # Errors
    /// One line that says which file cannot be written.
    pub fn open(options: &TraceOptions) -> Result<Option<Self>, String> {
        let lines = match &options.exits {
            None => None,
            Some(exits) => {
                let out: Box<dyn Write + Send> = match &exits.file {
                    None => Box::new(std::io::stderr()),
                    Some(path) => {
                        let file = std::fs::File::create(path);
                        Box::new(file.map_err(|error| format!("cannot write {}: {error}", path.display()))?)
                    }
                };
                Some(Lines::new(out, exits.format))
            }
        };
        if lines.is_none() && !options.has_summary {
            return Ok(None);
        }
        let summary = options.has_summary.then(Summary::default);
        Ok(Some(Self { state: Mutex::new(State { lines, summary, sequence: 0 }) }))
    }

    /// Records an exit of processor `vp` at guest time `guest_ns`.
    pub fn record(&self, vp: u32, guest_ns: u64, exit: &Exit) {
        let mut state = self.lock();
        let sequence = state.sequence;
        state.sequence += 1;
        if let Some(lines) = &mut state.lines {
            lines.write(&Record { sequence, guest_ns, vp, exit });
        }
    }

    /// Adds the time that the answer to an exit took.
    pub fn answered(&self, exit: &Exit, took: Duration) {
        if let Some(summary) = &mut self.lock().summary {
            summary.add(&exit.reason, took);
        }
    }

    /// Writes what is still in the buffer, and the summary to standard error.
    pub fn finish(&self) {
        let mut state = self.lock();
        if let Some(lines) = &mut state.lines {
            lines.is_broken |= lines.out.flush().is_err();
            if lines.is_broken {
                eprintln!("openwhp: the trace of exits could not be written completely");
            }
        }
        if let Some(summary) = &state.summary {
            eprint!("{summary}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn new(out: Box<dyn Write + Send>, format: Format) -> Self {
        let mut lines = Self { out: BufWriter::with_capacity(BUFFER, out), format, is_broken: false };
        if format == Format::Text {
            lines.is_broken |= writeln!(lines.out, "{}", format::HEADER).is_err();
        }
        lines
    }

    fn write(&mut self, record: &Record<'_>) {
        if self.is_broken {
            return;
        }
        let written = match self.format {
            Format::Text => writeln!(self.out, "{record}"),
            Format::Json => writeln!(self.out, "{}", record.json()),
        };
        self.is_broken = written.is_err();
    }
}

impl std::fmt::Debug for ExitTrace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExitTrace").field("sequence", &self.lock().sequence).finish_non_exhaustive()
    }
}
