//! The command line. Its words are a promise to scripts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;
use openwhp::EngineChoice;

#[cfg(feature = "gdb")]
use crate::debug::address::Address;
use crate::disk::DiskOptions;
use crate::layout;
use crate::trace::options as trace;
use crate::trace::options::TraceOptions;
use crate::trace::options::TraceWord;

const RUN_EXAMPLES: &str = "\
Examples:
  openwhp run
      Boot the built-in guest, which shows what the machine offers.
  openwhp run --kernel vmlinuz --initrd initrd.img --cmdline 'console=ttyS0' --memory 1G --cpus 2
      Boot Linux with its console on this terminal; Ctrl-A x leaves.
  openwhp run --kernel vmlinuz --disk path=root.img --disk path=data.img,readonly=on \\
              --cmdline 'console=ttyS0 root=/dev/vda'
      Boot Linux from a disk image, with a second one that is only read.
  openwhp run --gdb tcp:1234 --paused --kernel vmlinux --cmdline 'console=ttyS0 nokaslr'
      Wait for `gdb vmlinux` with `target remote :1234` before the first instruction.
  openwhp run --trace exits=exits.log --trace summary
      Write a line per exit to a file, and a table of them at the end.
  openwhp run --kernel test.elf --serial file=log.txt --net none --debug-exit 0xf4 --timeout 60
      Run a test kernel: a byte V written to port 0xf4 ends the run with status (V << 1) | 1.

Exit status:
  0    the guest powered off, or reset with --no-reboot; 0 too when Ctrl-A x leaves the console
  1-255, odd  with --debug-exit: (V << 1) | 1 for a byte V written to the port
  2    wrong usage, or a kernel, disk or size that cannot be used
  3    the guest died: triple fault or invalid state
  124  the time limit was reached
  128+N  signal N ended the run";

/// Runs virtual machines in software, on the OpenWHP platform.
#[derive(Clone, Debug, Parser)]
#[command(name = "openwhp", version, max_term_width = 100)]
struct Line {
    #[command(subcommand)]
    command: Words,
}

#[derive(Clone, Debug, Subcommand)]
enum Words {
    /// Boot a kernel, or the built-in guest
    #[command(after_help = RUN_EXAMPLES, args_override_self = true)]
    Run(RunWords),
    /// Say what this machine offers, engine by engine, and what to do about what is missing
    Check,
    /// Show the platform's capabilities as a table
    Caps {
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Write the manual pages into a directory
    #[command(hide = true)]
    Man {
        /// The directory
        directory: PathBuf,
    },
}

#[derive(Clone, Debug, Args)]
struct RunWords {
    /// Kernel: Linux bzImage, ELF with a PVH note, or multiboot 1; without it the built-in guest boots
    #[arg(short, long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// Initial ramdisk
    #[arg(short, long, alias = "initramfs", value_name = "FILE", requires = "kernel")]
    initrd: Option<PathBuf>,
    /// Kernel command line
    #[arg(
        short,
        long,
        alias = "append",
        value_name = "TEXT",
        default_value = "",
        allow_hyphen_values = true
    )]
    cmdline: String,
    /// Guest memory, with K, M or G; a plain number is in MiB
    #[arg(short, long, value_name = "SIZE", default_value = "512M", value_parser = memory_size)]
    memory: u64,
    /// Number of virtual processors
    #[arg(long, alias = "smp", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=64))]
    cpus: u32,
    /// Disk image; may be repeated: the first is /dev/vda
    #[arg(short, long, value_name = "path=FILE[,readonly=on]", value_parser = disk_options)]
    disk: Vec<DiskOptions>,
    /// Network card behind user-mode networking, or none [default: user]
    #[arg(long, value_name = "user|none")]
    net: Option<NetWord>,
    /// Where the serial port goes
    #[arg(long, value_name = "stdio|file=PATH|none", default_value = "stdio", value_parser = serial_options)]
    serial: Serial,
    /// Engine that runs the processors
    #[arg(long, value_name = "auto|soft", default_value = "auto", value_parser = engine_choice)]
    engine: EngineChoice,
    /// Hyper-V's interface for guests: clock source, timers, interrupts and flushes that cost less
    #[arg(long, value_name = "on|off", default_value = "on")]
    hyperv: Switch,
    /// End the run after this many seconds, with status 124
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    timeout: Option<Duration>,
    /// End the run when the guest writes a byte V to this port, with status (V << 1) | 1
    #[arg(long, value_name = "PORT", value_parser = port)]
    debug_exit: Option<u16>,
    /// Add the device that test suites expect: interrupt lines that the guest pulls, ports and memory that keep bytes
    #[arg(long)]
    test_device: bool,
    /// End the run when the guest resets, instead of booting again
    #[arg(long)]
    no_reboot: bool,
    /// Take time from the count of executed instructions, so that runs without input repeat exactly
    #[arg(long)]
    deterministic: bool,
    /// Write a line per exit (to FILE, or standard error), or counts and times at the end; may be repeated
    #[arg(long, value_name = "exits[=FILE][,format=text|json]|summary", value_parser = trace::parse)]
    trace: Vec<TraceWord>,
    /// Let a debugger connect there
    #[cfg(feature = "gdb")]
    #[arg(long, value_name = "tcp:PORT|tcp:HOST:PORT|unix:PATH", value_parser = Address::parse)]
    gdb: Option<Address>,
    /// Wait for the debugger before the first instruction
    #[cfg(feature = "gdb")]
    #[arg(long, requires = "gdb")]
    paused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NetWord {
    User,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Where the serial port goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serial {
    /// Standard input and output.
    Stdio,
    /// A file; there is no input.
    File(PathBuf),
    /// Nowhere.
    None,
}

/// What to run, with every option checked for itself.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Kernel image; the built-in guest when absent.
    pub kernel: Option<PathBuf>,
    /// Initial ramdisk.
    pub initrd: Option<PathBuf>,
    /// Kernel command line.
    pub command_line: String,
    /// Guest memory in bytes.
    pub memory: u64,
    /// Number of processors.
    pub processors: u32,
    /// Disks in order.
    pub disks: Vec<DiskOptions>,
    /// A network card with user-mode networking.
    pub has_network: bool,
    /// The serial port.
    pub serial: Serial,
    /// The engine.
    pub engine: EngineChoice,
    /// Time limit.
    pub timeout: Option<Duration>,
    /// Debug-exit port.
    pub debug_exit: Option<u16>,
    /// The device for test suites is there.
    pub has_test_device: bool,
    /// A reset boots again.
    pub reboots: bool,
    /// The guest finds Hyper-V's interface.
    pub has_hyperv: bool,
    /// Time comes from the instruction count.
    pub is_deterministic: bool,
    /// What is recorded of exits.
    pub trace: TraceOptions,
    /// Where a debugger connects.
    #[cfg(feature = "gdb")]
    pub gdb: Option<Address>,
    /// The guest waits for the debugger.
    #[cfg(feature = "gdb")]
    pub is_paused: bool,
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Run a guest.
    Run(Box<RunOptions>),
    /// Say what this machine offers.
    Check,
    /// Show capabilities.
    Caps {
        /// As JSON.
        json: bool,
    },
    /// Write manual pages.
    Man {
        /// Where to.
        directory: PathBuf,
    },
}

/// A command line that does not lead to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Help or version was shown; the exit status.
    Shown(u8),
    /// It is wrong; why.
    Message(String),
}

/// Reads the command line, the program's name first.
///
/// # Errors
/// [`Refusal`] when there is nothing to be done.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Refusal> {
    let line = Line::try_parse_from(arguments).map_err(|error| refusal(&error))?;
    Ok(match line.command {
        Words::Run(words) => Command::Run(Box::new(run_options(words).map_err(Refusal::Message)?)),
        Words::Check => Command::Check,
        Words::Caps { json } => Command::Caps { json },
        Words::Man { directory } => Command::Man { directory },
    })
}

/// The description that manual pages are made from.
#[must_use]
pub fn description() -> clap::Command {
    <Line as clap::CommandFactory>::command()
}

fn refusal(error: &clap::Error) -> Refusal {
    if !error.use_stderr() {
        // Nothing can be done when nobody reads the help.
        let _ = error.print();
        return Refusal::Shown(0);
    }
    let text = error.to_string();
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Refusal::Message("a command is missing: run, check or caps (see openwhp --help)".to_owned());
    }
    // The first paragraph says what is wrong, the rest how to use the command.
    let paragraph: Vec<_> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let message = paragraph.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    Refusal::Message(format!("{message} (see openwhp run --help)"))
}

fn run_options(words: RunWords) -> Result<RunOptions, String> {
    if words.deterministic && words.cpus > 1 {
        return Err("--deterministic works with one processor only; drop it or --cpus".to_owned());
    }
    let has_network = match words.net {
        Some(NetWord::User) if words.deterministic => {
            return Err("--deterministic cannot repeat a network; use --net none".to_owned());
        }
        Some(net) => net == NetWord::User,
        None => !words.deterministic,
    };
    Ok(RunOptions {
        kernel: words.kernel,
        initrd: words.initrd,
        command_line: words.cmdline,
        memory: words.memory,
        processors: words.cpus,
        disks: words.disk,
        has_network,
        serial: words.serial,
        engine: words.engine,
        timeout: words.timeout,
        debug_exit: words.debug_exit,
        has_test_device: words.test_device,
        reboots: !words.no_reboot,
        has_hyperv: words.hyperv == Switch::On,
        is_deterministic: words.deterministic,
        trace: words.trace.into_iter().collect(),
        #[cfg(feature = "gdb")]
        gdb: words.gdb,
        #[cfg(feature = "gdb")]
        is_paused: words.paused,
    })
}

fn memory_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "m" | "mb" | "mib" => 1_u64 << 20,
        "k" | "kb" | "kib" => 1 << 10,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err("not a size; write it like 512M or 2G".to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| "not a size; write it like 512M or 2G".to_owned())?;
    let bytes = count.saturating_mul(unit);
    if !(layout::MEMORY_MIN..=layout::MEMORY_MAX).contains(&bytes) {
        return Err("a guest has between 4M and 64G of memory".to_owned());
    }
    // Memory is mapped in pages.
    Ok(bytes & !0xfff)
}

fn disk_options(text: &str) -> Result<DiskOptions, String> {
    let (mut path, mut is_read_only) = (None, false);
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("path", "")) => return Err("path= names no file".to_owned()),
            Some(("path", file)) => path = Some(PathBuf::from(file)),
            Some(("readonly", "on")) => is_read_only = true,
            Some(("readonly", "off")) => is_read_only = false,
            Some(("readonly", other)) => return Err(format!("readonly is on or off, not '{other}'")),
            Some((key, _)) => return Err(format!("unknown key '{key}'; the keys are path and readonly")),
            None => return Err(format!("'{part}' is not key=value; write path=FILE[,readonly=on]")),
        }
    }
    let path = path.ok_or_else(|| "path=FILE is missing".to_owned())?;
    Ok(DiskOptions { path, is_read_only })
}

fn serial_options(text: &str) -> Result<Serial, String> {
    match text.split_once('=') {
        None if text == "stdio" => Ok(Serial::Stdio),
        None if text == "none" => Ok(Serial::None),
        Some(("file", "")) => Err("file= names no file".to_owned()),
        Some(("file", path)) => Ok(Serial::File(PathBuf::from(path))),
        _ => Err("the choices are stdio, file=PATH and none".to_owned()),
    }
}

fn engine_choice(text: &str) -> Result<EngineChoice, String> {
    match text {
        "auto" => Ok(EngineChoice::Auto),
        "soft" => Ok(EngineChoice::Soft),
        "kvm" => Err("this version has no kvm engine; use auto or soft".to_owned()),
        _ => Err("the choices are auto and soft".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    let limit = Duration::try_from_secs_f64(number).ok().filter(|limit| !limit.is_zero());
    limit.ok_or_else(|| "the limit is a positive number of seconds".to_owned())
}

fn port(text: &str) -> Result<u16, String> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "a port is a number from 0 to 0xffff".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<RunOptions, Refusal> {
        let all = ["openwhp", "run"].iter().chain(arguments).map(OsString::from);
        match parse(all)? {
            Command::Run(options) => Ok(*options),
            other => panic!("not a run: {other:?}"),
        }
    }

    #[test]
    fn the_description_is_consistent() {
        description().debug_assert();
    }

    #[test]
    fn defaults_boot_the_builtin_guest() {
        let options = run(&[]).expect("no option is needed");
        assert_eq!(options.kernel, None);
        assert_eq!((options.memory, options.processors), (512 << 20, 1));
        assert_eq!(options.serial, Serial::Stdio);
        assert!(options.has_network && options.reboots && !options.is_deterministic && options.has_hyperv);
    }

    #[test]
    fn every_promised_option_is_understood() {
        let options = run(&[
            "--kernel",
            "k",
            "--initrd",
            "i",
            "--cmdline",
            "-a b=c",
            "--memory",
            "1G",
            "--cpus",
            "4",
            "--disk",
            "path=a",
            "--disk",
            "path=b,readonly=on",
            "--net",
            "none",
            "--serial",
            "file=s",
            "--engine",
            "soft",
            "--timeout",
            "2.5",
            "--debug-exit",
            "0xf4",
            "--no-reboot",
            "--trace",
            "exits=t",
            "--trace",
            "summary",
        ])
        .expect("all are promised");
        assert_eq!(options.command_line, "-a b=c");
        assert_eq!((options.memory, options.processors), (1 << 30, 4));
        assert_eq!(options.disks.len(), 2);
        assert!(options.disks[1].is_read_only && !options.disks[0].is_read_only);
        assert!(!options.has_network && !options.reboots);
        assert_eq!(options.timeout, Some(Duration::from_millis(2500)));
        assert_eq!(options.debug_exit, Some(0xf4));
        assert!(options.trace.exits.is_some() && options.trace.has_summary);
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("512M", 512 << 20), ("512", 512 << 20), ("2g", 2 << 30), ("65536K", 64 << 20)]
        {
            assert_eq!(memory_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "1T", "0", "3M", "65G", "-1", "1.5G", "99999999999999999999G"] {
            assert!(memory_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn wrong_values_say_what_is_right() {
        for (arguments, hint) in [
            (vec!["--memory", "lots"], "512M"),
            (vec!["--cpus", "0"], "1..=64"),
            (vec!["--disk", "a.img"], "path=FILE"),
            (vec!["--disk", "path=a,readonly=maybe"], "on or off"),
            (vec!["--disk", "path=a,cache=none"], "path and readonly"),
            (vec!["--serial", "tty"], "stdio"),
            (vec!["--engine", "kvm"], "soft"),
            (vec!["--net", "tap"], "user"),
            (vec!["--timeout", "0"], "positive"),
            (vec!["--debug-exit", "70000"], "0xffff"),
            (vec!["--trace", "everything"], "summary"),
            (vec!["--initrd", "i"], "--kernel"),
            (vec!["--deterministic", "--cpus", "2"], "one processor"),
            (vec!["--nonsense"], "--nonsense"),
        ] {
            match run(&arguments) {
                Err(Refusal::Message(message)) => {
                    assert!(message.contains(hint), "{arguments:?}: {message}");
                    assert!(!message.contains('\n'), "{message}");
                }
                other => panic!("{arguments:?} was taken: {other:?}"),
            }
        }
    }
}
