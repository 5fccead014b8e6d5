//! Exit round trips and events through the C interface, measured by C programs that are built against our headers and
//! libraries.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::ensure;

use crate::programs::Programs;
use crate::samples::Samples;

/// A library: its file beside this program, and the name by which programs ask for it when they start.
struct Library {
    file: &'static str,
    soname: &'static str,
}

const PLATFORM: Library = Library { file: "libWinHvPlatform.so", soname: "libWinHvPlatform.so.1" };
const EMULATION: Library = Library { file: "libWinHvEmulation.so", soname: "libWinHvEmulation.so.1" };

/// A program that prints lines of a name and a number of nanoseconds.
struct Program {
    name: &'static str,
    source: &'static str,
    flags: &'static [&'static str],
    libraries: &'static [Library],
}

const EXITS: Program = Program { name: "exits", source: "c/exits.c", flags: &[], libraries: &[PLATFORM] };
const EMULATED: Program = Program {
    name: "emulated-exits",
    source: "c/exits.c",
    flags: &["-DEMULATED"],
    libraries: &[PLATFORM, EMULATION],
};
const EVENTS: Program =
    Program { name: "events", source: "c/events.c", flags: &["-pthread"], libraries: &[PLATFORM] };

/// What one kind takes.
#[derive(Debug)]
pub(crate) struct CResult {
    pub(crate) name: String,
    pub(crate) nanoseconds: Samples,
}

/// What was measured, and why other things were not.
#[derive(Debug, Default)]
pub(crate) struct CResults {
    results: Vec<CResult>,
    pub(crate) notes: Vec<String>,
}

impl CResults {
    /// The measurements of one kind.
    pub(crate) fn of(&self, name: &str) -> Option<&Samples> {
        self.results.iter().find(|result| result.name == name).map(|result| &result.nanoseconds)
    }

    fn take(&mut self, name: &str, nanoseconds: f64) {
        match self.results.iter_mut().find(|result| result.name == name) {
            Some(result) => result.nanoseconds.push(nanoseconds),
            None => self
                .results
                .push(CResult { name: name.to_owned(), nanoseconds: Samples::from_iter([nanoseconds]) }),
        }
    }

    fn measure(&mut self, program: &Program, programs: &Programs, rounds: u32, count: u32) {
        let done = build(program, programs).and_then(|file| self.run(&file, rounds, count));
        if let Err(error) = done {
            self.notes.push(format!("C interface, {}: {error:#}", program.name));
        }
    }

    fn run(&mut self, file: &Path, rounds: u32, count: u32) -> anyhow::Result<()> {
        for _ in 0..rounds {
            let output = Command::new(file).arg(count.to_string()).output()?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim_end());
            for line in String::from_utf8_lossy(&output.stdout).lines() {
                if let Some((name, nanoseconds)) = parse(line) {
                    self.take(name, nanoseconds);
                }
            }
        }
        Ok(())
    }
}

/// Round trips of exits, answered by register writes and by the instruction emulator.
pub(crate) fn measure_exits(programs: &Programs, rounds: u32, quick: bool) -> CResults {
    let count = if quick { 20_000 } else { 200_000 };
    let mut results = CResults::default();
    results.measure(&EXITS, programs, rounds, count);
    results.measure(&EMULATED, programs, rounds, count);
    results
}

/// Events between guest and host.
pub(crate) fn measure_events(programs: &Programs, rounds: u32, quick: bool) -> CResults {
    let mut results = CResults::default();
    results.measure(&EVENTS, programs, rounds, if quick { 200 } else { 5_000 });
    results
}

/// The library, under the name that programs ask for.
fn link(library: &Library, programs: &Programs) -> anyhow::Result<PathBuf> {
    let file = std::env::current_exe()?.with_file_name(library.file);
    ensure!(file.is_file(), "no {} beside this program: build its crate in the same profile", library.file);
    let link = programs.path(library.soname);
    // A link of an earlier run may point elsewhere; that there is none is no error.
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(file, &link).with_context(|| format!("cannot make {}", link.display()))?;
    Ok(link)
}

fn build(program: &Program, programs: &Programs) -> anyhow::Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = programs.path(program.name);
    let links: Vec<_> =
        program.libraries.iter().map(|library| link(library, programs)).collect::<anyhow::Result<_>>()?;
    let output = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .args(["-std=gnu11", "-O2", "-o"])
        .arg(&file)
        .args(program.flags)
        .arg(here.join(program.source))
        .arg("-I")
        .arg(here.join("../../include"))
        .args(&links)
        .arg("-Wl,-rpath,$ORIGIN")
        .output()
        .context("cannot run the C compiler")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim_end());
    Ok(file)
}

/// `KIND NANOSECONDS`.
fn parse(line: &str) -> Option<(&str, f64)> {
    let (name, value) = line.split_once(' ')?;
    Some((name, value.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::CResults;
    use super::parse;

    #[test]
    fn lines_are_a_kind_and_a_number() {
        assert_eq!(parse("mmio-read 180.5"), Some(("mmio-read", 180.5)));
        assert_eq!(parse("something"), None);
        assert_eq!(parse("some thing"), None);
    }

    #[test]
    fn rounds_add_up() {
        let mut results = CResults::default();
        for (name, nanoseconds) in [("port", 2.0), ("msr", 5.0), ("port", 1.0)] {
            results.take(name, nanoseconds);
        }
        assert_eq!(results.of("port").and_then(|samples| samples.min()), Some(1.0));
        assert_eq!(results.of("msr").and_then(|samples| samples.median()), Some(5.0));
        assert!(results.of("hlt").is_none());
    }
}
