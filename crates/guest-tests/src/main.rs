//! Runs one guest test program and prints what it says.

use std::env;
use std::process::ExitCode;

use anyhow::Result;
use openwhp_guest_tests::End;
use openwhp_guest_tests::Machine;
use openwhp_guest_tests::Program;
use openwhp_guest_tests::build;

fn main() -> Result<ExitCode> {
    let mut arguments = env::args().skip(1);
    let (Some(path), count) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: openwhp-guest-tests FOLDER/PROGRAM [PROCESSORS]");
        return Ok(ExitCode::from(2));
    };
    let processors = count.map_or(Ok(1), |text| text.parse())?;
    let folder = env::temp_dir().join(format!("openwhp-guest-test-{}", std::process::id()));
    let image = build(Program::named(&path)?, &folder);
    // The folder holds nothing that is needed any more.
    let _ = std::fs::remove_dir_all(&folder);
    let report = Machine { processors, ..Machine::default() }.run(&image?)?;
    print!("{}", report.text);
    println!("{:?}", report.end);
    Ok(if report.end == End::Status(0) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
