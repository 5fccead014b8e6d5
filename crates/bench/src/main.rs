//! Benchmarks of OpenWHP, as one command that prints tables.
//!
//! Three questions are asked: how many guest instructions a second of each class (module `micro`), what one exit to
//! the client costs (also `micro`; `latency` for events; both through the C interface in `c_interface`), and how long
//! whole Linux guests take (module `guest`), beside QEMU's software engine and the host itself. Guest programs are
//! built from `guests/bench` by module `programs`; `report` lays the figures out. Rounds of the competitors are
//! interleaved, and minimum and median are shown: nothing here is a timed test, so nothing fails for being slow. A
//! wrong checksum does fail.

#![forbid(unsafe_code)]

mod archive;
mod c_interface;
mod guest;
mod latency;
mod micro;
mod programs;
mod report;
mod samples;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use clap::ValueEnum;

use programs::Programs;

/// Measures OpenWHP: instructions, exits and whole guests.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Options {
    /// One short round of everything
    #[arg(long)]
    quick: bool,
    /// Rounds of each measurement; the competitors take turns in each
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Amount of work in guest programs, percent
    #[arg(long, default_value_t = 100)]
    scale: u32,
    /// What to measure; everything when left out
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Linux kernel for whole guests; otherwise the one that scripts/boot-linux.sh has fetched
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// The openwhp command; otherwise the one beside this program, then the one on PATH
    #[arg(long, value_name = "FILE")]
    openwhp: Option<PathBuf>,
    /// QEMU to compare with
    #[arg(long, value_name = "FILE", default_value = "qemu-system-x86_64")]
    qemu: PathBuf,
    /// Leave QEMU out
    #[arg(long)]
    no_qemu: bool,
    /// Time guest programs by the processor time of the virtual machine's process, for a busy host
    #[arg(long)]
    cpu_time: bool,
    /// Seconds after which a guest is given up
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// Where guest programs are built; a temporary folder when left out
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

/// A group of measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Instructions per second by class
    Instructions,
    /// Exit round trips by kind
    Exits,
    /// Time that events take between guest and host
    Latency,
    /// CPU time to the first process of a Linux guest
    Boot,
    /// Eight integer programs
    K8,
    /// Two floating-point programs
    Fp2,
    /// `SQLite` in memory
    Sql,
    /// Five requests to the kernel
    Os5,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds.max(1) }
    }

    fn scale(&self) -> u32 {
        if self.quick { self.scale.min(20) } else { self.scale.max(1) }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("openwhp-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs what was asked for; false when a result was wrong or a guest did not finish.
fn run(options: &Options) -> anyhow::Result<bool> {
    let programs = Programs::build(options.work.as_deref()).context("cannot build the guest programs")?;
    report::print_host();
    let (rounds, quick) = (options.rounds(), options.quick);
    let mut failures = Vec::new();
    if options.wants(Part::Instructions) || options.wants(Part::Exits) {
        let image = micro::Image::load(&programs.path("micro.bin"))?;
        if options.wants(Part::Instructions) {
            report::print_classes(&micro::measure_classes(&image, rounds, quick, &mut failures)?);
        }
        if options.wants(Part::Exits) {
            let rust = micro::measure_exits(&image, rounds, quick, &mut failures)?;
            report::print_exits(&rust, &c_interface::measure_exits(&programs, rounds, quick));
        }
    }
    if options.wants(Part::Latency) {
        let rust = latency::measure(rounds, quick, &mut failures);
        report::print_latencies(&rust, &c_interface::measure_events(&programs, rounds, quick));
    }
    let workloads = guest::workloads(|part| options.wants(part), &programs);
    if !workloads.is_empty() {
        let mut results = guest::measure(options, &programs, &workloads)?;
        report::print_guests(&workloads, &results);
        failures.append(&mut results.failures);
    }
    report::print_failures(&failures);
    Ok(failures.is_empty())
}
