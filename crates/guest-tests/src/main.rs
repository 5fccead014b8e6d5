//! Runs one guest test program and prints what it says.

use std::env;
use std::process::ExitCode;

use anyhow::Result;
use anyhow::bail;
use openwhp::ApicMode;
use openwhp_guest_tests::End;
use openwhp_guest_tests::Machine;
use openwhp_guest_tests::Program;
use openwhp_guest_tests::build;

fn main() -> Result<ExitCode> {
    let mut arguments = env::args().skip(1);
    let (Some(path), count, mode) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: openwhp-guest-tests FOLDER/PROGRAM [PROCESSORS [none|xapic|x2apic]]");
        return Ok(ExitCode::from(2));
    };
    let apic = match mode.as_deref() {
        Some("none") => ApicMode::None,
        Some("xapic") => ApicMode::XApic,
        None | Some("x2apic") => ApicMode::X2Apic,
        Some(other) => bail!("no APIC mode {other}"),
    };
    let processors = count.map_or(Ok(1), |text| text.parse())?;
    let folder = env::temp_dir().join(format!("openwhp-guest-test-{}", std::process::id()));
    let image = build(Program::named(&path)?, &folder);
    // The folder holds nothing that is needed any more.
    let _ = std::fs::remove_dir_all(&folder);
    let report = Machine { processors, apic, ..Machine::default() }.run(&image?)?;
    print!("{}", report.text);
    println!("{:?}", report.end);
    Ok(if report.end == End::Status(0) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
