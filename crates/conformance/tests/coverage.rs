//! The cases cover the whole interface, and the tables of the repository are those of a run.
//!
//! What is missing, and what is absent on purpose, is printed.

use std::process::Command;

#[test]
fn everything_is_covered_and_the_tables_are_current() {
    if std::env::var_os("OPENWHP_CONFORMANCE_LIBRARY").is_some() {
        println!("not tried: the tables are those of the library built here");
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_conformance")).arg("--check").output();
    let output = output.expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{text}");
}
