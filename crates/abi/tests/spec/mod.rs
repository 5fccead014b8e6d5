//! Reads the tables of the specification, for the layout tests.

use std::path::Path;
use std::path::PathBuf;

/// The folder of tables: `OPENWHP_SPEC_DIR`, or `../shared/spec/abi` beside the workspace. `None` after saying so.
pub(crate) fn directory() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/spec/abi");
    let folder = std::env::var_os("OPENWHP_SPEC_DIR").map_or(beside, PathBuf::from);
    if folder.join("types-x64.csv").is_file() {
        return Some(folder);
    }
    eprintln!(
        "SKIPPED: no layout tables in {}; set OPENWHP_SPEC_DIR to the folder that has them",
        folder.display()
    );
    None
}

/// The rows of one table, without the heading.
pub(crate) fn rows(folder: &Path, file: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(folder.join(file)).expect("the table is readable");
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// A decimal or `0x` hexadecimal number.
pub(crate) fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .unwrap_or_else(|_| panic!("{text:?} is a number"))
}
