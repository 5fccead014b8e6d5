//! The command `openwhp`. See the library for how it works.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use openwhp_vmm::caps;
use openwhp_vmm::check;
use openwhp_vmm::cli;
use openwhp_vmm::cli::Command;
use openwhp_vmm::manual;
use openwhp_vmm::outcome::STATUS_USAGE;
use openwhp_vmm::run;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(cli::Refusal::Shown(status)) => return ExitCode::from(status),
        Err(cli::Refusal::Message(message)) => return refuse(&message),
    };
    let result = match command {
        Command::Run(options) => run::run(&options).map(|outcome| outcome.status()),
        Command::Check => check::print().map(|()| 0),
        Command::Caps { json } => caps::print(json).map(|()| 0),
        Command::Man { directory } => manual::write(&directory).map(|()| 0),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(message) => refuse(&message),
    }
}

/// One line on standard error, and the status of a wrong command line or unusable input.
fn refuse(message: &str) -> ExitCode {
    eprintln!("openwhp: {}", message.split_whitespace().collect::<Vec<_>>().join(" "));
    ExitCode::from(STATUS_USAGE)
}
