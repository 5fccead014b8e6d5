//! Exit round trips through the C interface, measured by a C program that is built against our headers and library.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::ensure;

use crate::micro::ExitResult;
use crate::programs::Programs;
use crate::samples::Samples;

const LIBRARY: &str = "libWinHvPlatform.so";
/// The name by which programs ask for it when they start.
const LIBRARY_SONAME: &str = "libWinHvPlatform.so.1";

/// What was measured, or why nothing was.
#[derive(Debug, Default)]
pub(crate) struct CExits {
    pub(crate) results: Vec<ExitResult>,
    pub(crate) note: Option<String>,
}

/// Builds and runs the program.
pub(crate) fn measure(programs: &Programs, rounds: u32, quick: bool) -> CExits {
    let Some(library) = library() else {
        let note = format!("no {LIBRARY} beside this program: build crates/capi in the same profile");
        return CExits { note: Some(note), ..CExits::default() };
    };
    let count = if quick { 20_000 } else { 200_000 };
    match build(programs, &library).and_then(|program| run(&program, rounds, count)) {
        Ok(results) => CExits { results, note: None },
        Err(error) => CExits { note: Some(format!("C interface: {error:#}")), ..CExits::default() },
    }
}

fn library() -> Option<PathBuf> {
    let library = std::env::current_exe().ok()?.with_file_name(LIBRARY);
    library.is_file().then_some(library)
}

fn build(programs: &Programs, library: &Path) -> anyhow::Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = programs.path("exits");
    let link = programs.path(LIBRARY_SONAME);
    // A link of an earlier run may point elsewhere; that there is none is no error.
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(library, &link).with_context(|| format!("cannot make {}", link.display()))?;
    let output = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .args(["-std=gnu11", "-O2", "-o"])
        .arg(&program)
        .arg(here.join("c/exits.c"))
        .arg("-I")
        .arg(here.join("../../include"))
        .arg(&link)
        .arg("-Wl,-rpath,$ORIGIN")
        .output()
        .context("cannot run the C compiler")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim_end());
    Ok(program)
}

fn run(program: &Path, rounds: u32, count: u32) -> anyhow::Result<Vec<ExitResult>> {
    let mut results: Vec<ExitResult> = Vec::new();
    for _ in 0..rounds {
        let output = Command::new(program).arg(count.to_string()).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim_end());
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Some((name, nanoseconds)) = parse(line) else { continue };
            match results.iter_mut().find(|r| r.name == name) {
                Some(result) => result.nanoseconds.push(nanoseconds),
                None => results.push(ExitResult {
                    name: name.to_owned(),
                    nanoseconds: Samples::from_iter([nanoseconds]),
                }),
            }
        }
    }
    Ok(results)
}

/// `KIND NANOSECONDS`.
fn parse(line: &str) -> Option<(&str, f64)> {
    let (name, value) = line.split_once(' ')?;
    Some((name, value.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lines_are_a_kind_and_a_number() {
        assert_eq!(parse("mmio-read 180.5"), Some(("mmio-read", 180.5)));
        assert_eq!(parse("something"), None);
        assert_eq!(parse("some thing"), None);
    }
}
