//! Whole Linux guests: the same kernel and programs on every competitor, round by round.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::bail;

use crate::Options;
use crate::Part;
use crate::programs::Programs;
use crate::samples::Samples;

/// The first process prints this when the kernel is up.
const INIT_MARKER: &str = "OPENWHP-INIT-OK";
const PROGRAM_BEGIN: &str = "OPENWHP-BENCH-BEGIN ";
const PROGRAM_END: &str = "OPENWHP-BENCH-END ";
/// Name of the measurement that is not a program's.
const BOOT: &str = "boot";

/// Who runs the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Competitor {
    /// The host, without any guest.
    Native,
    /// QEMU's software engine with every processor feature it has.
    TcgMax,
    /// The same with its plain processor, which makes C libraries choose simpler routines.
    TcgPlain,
    /// Our command.
    OpenWhp,
}

impl Competitor {
    fn name(self) -> &'static str {
        match self {
            Competitor::Native => "native",
            Competitor::TcgMax => "QEMU TCG, -cpu max",
            Competitor::TcgPlain => "QEMU TCG, -cpu qemu64",
            Competitor::OpenWhp => "openwhp",
        }
    }
}

/// One group of programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) part: Part,
    pub(crate) title: &'static str,
    /// Program file and what it measures; BOOT has no program.
    pub(crate) program: Option<&'static str>,
    pub(crate) names: &'static [&'static str],
}

const WORKLOADS: [Workload; 5] = [
    Workload { part: Part::Boot, title: "BOOT", program: None, names: &[BOOT] },
    Workload {
        part: Part::K8,
        title: "K8",
        program: Some("kernels"),
        names: &["sha", "sort", "tree", "vm", "fib", "str", "lz", "virt"],
    },
    Workload { part: Part::Fp2, title: "FP2", program: Some("float"), names: &["mat", "stream"] },
    Workload { part: Part::Sql, title: "SQL", program: Some("sql"), names: &["sql"] },
    Workload {
        part: Part::Os5,
        title: "OS5",
        program: Some("os"),
        names: &["getppid", "touch", "mmap", "pipe", "fork"],
    },
];

/// The workloads that are wanted and whose programs exist.
pub(crate) fn workloads(wants: impl Fn(Part) -> bool, programs: &Programs) -> Vec<Workload> {
    WORKLOADS
        .into_iter()
        .filter(|w| wants(w.part))
        .filter(|w| w.program.is_none_or(|program| programs.has(program)))
        .collect()
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Results {
    times: BTreeMap<(Competitor, String), Samples>,
    checksums: BTreeMap<String, String>,
    /// What went wrong, one line each.
    pub(crate) failures: Vec<String>,
    /// What was left out and why, one line each.
    pub(crate) notes: Vec<String>,
}

impl Results {
    /// Measurements of one program, if there are any.
    pub(crate) fn times(&self, competitor: Competitor, name: &str) -> Option<&Samples> {
        self.times.get(&(competitor, name.to_owned()))
    }

    /// The faster of the two processor models of QEMU.
    pub(crate) fn best_tcg(&self, name: &str) -> Option<&Samples> {
        let max = self.times(Competitor::TcgMax, name);
        let plain = self.times(Competitor::TcgPlain, name);
        match (max, plain) {
            (Some(a), Some(b)) if b.min() < a.min() => Some(b),
            (None, b) => b,
            (a, _) => a,
        }
    }

    fn add_time(&mut self, competitor: Competitor, name: &str, seconds: f64) {
        self.times.entry((competitor, name.to_owned())).or_default().push(seconds);
    }

    /// Takes a line that a program printed, with the time it took if somebody else has measured it. The first
    /// competitor's checksum is what the others must give.
    fn add_line(&mut self, competitor: Competitor, line: &str, seconds: Option<f64>) {
        let Some(line) = Line::parse(line) else { return };
        self.add_time(competitor, line.name, seconds.unwrap_or(line.seconds));
        let expected = self.checksums.entry(line.name.to_owned()).or_insert_with(|| line.checksum.to_owned());
        if expected != line.checksum {
            let failure = format!(
                "{}: {} gives checksum {}, not {expected}",
                competitor.name(),
                line.name,
                line.checksum
            );
            self.failures.push(failure);
        }
    }

    fn fail(&mut self, competitor: Competitor, what: &str) {
        self.failures.push(format!("{}: {what}", competitor.name()));
    }
}

/// `NAME SECONDS ITERATIONS CHECKSUM`, as the programs print it.
#[derive(Debug, PartialEq)]
struct Line<'a> {
    name: &'a str,
    seconds: f64,
    checksum: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, seconds, iterations, checksum] = words[..] else { return None };
        iterations.parse::<u64>().ok()?;
        Some(Self { name, seconds: seconds.parse().ok()?, checksum })
    }
}

/// Runs every competitor in turn, `options.rounds()` times.
pub(crate) fn measure(
    options: &Options,
    programs: &Programs,
    workloads: &[Workload],
) -> anyhow::Result<Results> {
    let mut results = Results::default();
    let machines = machines(options, programs, workloads, &mut results);
    for round in 1..=options.rounds() {
        eprintln!("round {round} of {}", options.rounds());
        for workload in workloads {
            run_native(options, programs, workload, &mut results)?;
        }
        for machine in &machines {
            eprintln!("  {}", machine.competitor.name());
            machine.run(Duration::from_secs(options.timeout), &mut results)?;
        }
    }
    Ok(results)
}

fn run_native(
    options: &Options,
    programs: &Programs,
    workload: &Workload,
    results: &mut Results,
) -> anyhow::Result<()> {
    let Some(program) = workload.program else { return Ok(()) };
    let path = programs.path(program);
    let output = Command::new(&path)
        .arg(options.scale().to_string())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", path.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", path.display(), output.status);
    }
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        results.add_line(Competitor::Native, line, None);
    }
    Ok(())
}

/// A command that boots the guest with its console on standard output.
#[derive(Debug)]
struct Machine {
    competitor: Competitor,
    command: PathBuf,
    arguments: Vec<String>,
    wants_boot: bool,
    is_cpu_timed: bool,
}

/// The virtual machines that can run here; why the others cannot goes to the notes.
fn machines(
    options: &Options,
    programs: &Programs,
    workloads: &[Workload],
    results: &mut Results,
) -> Vec<Machine> {
    let Some(kernel) = find_kernel(options) else {
        results
            .notes
            .push("no Linux kernel: name one with --kernel, or run scripts/boot-linux.sh once".to_owned());
        return Vec::new();
    };
    let guest = GuestFiles {
        kernel: kernel.display().to_string(),
        initramfs: programs.initramfs().display().to_string(),
        command_line: command_line(options, workloads),
    };
    let is_cpu_timed = options.cpu_time;
    let wants_boot = workloads.iter().any(|w| w.part == Part::Boot);
    let mut machines = Vec::new();
    match find_openwhp(options) {
        Some(command) => {
            let arguments = guest.openwhp_arguments(options);
            machines.push(Machine {
                competitor: Competitor::OpenWhp,
                command,
                arguments,
                wants_boot,
                is_cpu_timed,
            });
        }
        None => {
            results.notes.push("no openwhp command: build crates/vmm or name one with --openwhp".to_owned())
        }
    }
    if options.no_qemu {
        return machines;
    }
    if !answers(&options.qemu) {
        results.notes.push(format!("no QEMU to compare with: {} does not run", options.qemu.display()));
        return machines;
    }
    for (competitor, model) in [(Competitor::TcgMax, "max"), (Competitor::TcgPlain, "qemu64")] {
        let arguments = guest.qemu_arguments(model);
        machines.push(Machine {
            competitor,
            command: options.qemu.clone(),
            arguments,
            wants_boot,
            is_cpu_timed,
        });
    }
    machines
}

struct GuestFiles {
    kernel: String,
    initramfs: String,
    command_line: String,
}

impl GuestFiles {
    fn openwhp_arguments(&self, options: &Options) -> Vec<String> {
        let timeout = options.timeout.to_string();
        let GuestFiles { kernel, initramfs, command_line } = self;
        strings(&[
            "run",
            "--kernel",
            kernel,
            "--initrd",
            initramfs,
            "--cmdline",
            command_line,
            "--memory",
            "512M",
            "--cpus",
            "1",
            "--net",
            "none",
            "--engine",
            "soft",
            "--no-reboot",
            "--timeout",
            &timeout,
        ])
    }

    fn qemu_arguments(&self, model: &str) -> Vec<String> {
        let GuestFiles { kernel, initramfs, command_line } = self;
        strings(&[
            "-accel",
            "tcg",
            "-M",
            "q35",
            "-cpu",
            model,
            "-m",
            "512",
            "-nodefaults",
            "-display",
            "none",
            "-serial",
            "stdio",
            "-no-reboot",
            "-kernel",
            kernel,
            "-initrd",
            initramfs,
            "-append",
            command_line,
        ])
    }
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn command_line(options: &Options, workloads: &[Workload]) -> String {
    let scale = options.scale();
    let list: Vec<String> =
        workloads.iter().filter_map(|w| w.program).map(|program| format!("{program}:{scale}")).collect();
    format!("console=ttyS0 quiet panic=-1 owhp.bench={}", list.join(","))
}

/// The kernel named, or the one that scripts/boot-linux.sh keeps.
fn find_kernel(options: &Options) -> Option<PathBuf> {
    if options.kernel.is_some() {
        return options.kernel.clone();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let kernel = cache.join("openwhp/cloud/vmlinuz");
    kernel.is_file().then_some(kernel)
}

fn find_openwhp(options: &Options) -> Option<PathBuf> {
    if options.openwhp.is_some() {
        return options.openwhp.clone();
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("openwhp")));
    let candidates = beside.into_iter().chain([PathBuf::from("openwhp")]);
    candidates.into_iter().find(|command| answers(command))
}

fn answers(command: &Path) -> bool {
    let status = Command::new(command).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl Machine {
    fn run(&self, timeout: Duration, results: &mut Results) -> anyhow::Result<()> {
        let mut child = Command::new(&self.command)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.command.display()))?;
        let outcome = self.follow(&mut child, timeout, results);
        // Already gone when the guest has switched itself off; otherwise it must not stay behind.
        let _ = child.kill();
        child.wait()?;
        if let Err(error) = outcome {
            results.fail(self.competitor, &format!("{error:#}"));
        }
        Ok(())
    }

    /// Reads the console until the guest is off, and takes the figures out of it.
    fn follow(&self, child: &mut Child, timeout: Duration, results: &mut Results) -> anyhow::Result<()> {
        let lines = console_lines(child)?;
        let deadline = Instant::now() + timeout;
        let mut program: Option<String> = None;
        let mut is_up = false;
        let mut last = None;
        loop {
            let Console { line, cpu } =
                match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(line) => line,
                    Err(RecvTimeoutError::Timeout) => bail!("gave up after {} s", timeout.as_secs()),
                    Err(RecvTimeoutError::Disconnected) => break,
                };
            if line.contains(INIT_MARKER) && !is_up {
                is_up = true;
                if let Some(seconds) = cpu.filter(|_| self.wants_boot) {
                    results.add_time(self.competitor, BOOT, seconds);
                }
            } else if let Some(name) = line.strip_prefix(PROGRAM_BEGIN) {
                program = Some(name.to_owned());
            } else if let Some(status) = line.strip_prefix(PROGRAM_END) {
                let name = program.take().unwrap_or_default();
                if status != "0" {
                    results.fail(self.competitor, &format!("{name} ended with status {status}"));
                }
            } else if program.is_some() {
                let lap = cpu.zip(last).map(|(now, before): (f64, f64)| now - before);
                results.add_line(self.competitor, &line, lap.filter(|&lap| self.is_cpu_timed && lap > 0.0));
            }
            last = cpu;
        }
        match program {
            Some(name) => bail!("the guest ended inside {name}"),
            None if is_up => Ok(()),
            None => bail!("the guest ended before its first process"),
        }
    }
}

/// A line of the guest's console, and the processor time the machine's process had used when it came.
#[derive(Debug)]
struct Console {
    line: String,
    cpu: Option<f64>,
}

/// The lines of the guest's console, read by a thread so that waiting for them can end.
fn console_lines(child: &mut Child) -> anyhow::Result<mpsc::Receiver<Console>> {
    let output = child.stdout.take().context("the console has no pipe")?;
    let process = child.id();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if sender.send(Console { line, cpu: cpu_seconds(process) }).is_err() {
                return;
            }
            bytes.clear();
        }
    });
    Ok(receiver)
}

/// Processor time that all threads of a process have used.
fn cpu_seconds(process: u32) -> Option<f64> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task")).ok()? {
        let statistics = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanoseconds += statistics.split_whitespace().next()?.parse::<f64>().ok()?;
    }
    Some(nanoseconds * 1e-9)
}

#[cfg(test)]
mod tests {
    use super::Competitor;
    use super::Line;
    use super::Results;

    #[test]
    fn lines_of_programs_are_told_from_other_output() {
        let line = Line::parse("sha 0.25 60 00ff");
        assert_eq!(line, Some(Line { name: "sha", seconds: 0.25, checksum: "00ff" }));
        assert_eq!(Line::parse("[    1.0] some kernel message"), None);
        assert_eq!(Line::parse("a b c d"), None);
    }

    #[test]
    fn a_different_checksum_is_a_failure() {
        let mut results = Results::default();
        results.add_line(Competitor::Native, "sha 0.25 60 00ff", None);
        results.add_line(Competitor::OpenWhp, "sha 2.25 60 00ff", None);
        assert!(results.failures.is_empty());
        results.add_line(Competitor::OpenWhp, "sha 2.25 60 00fe", None);
        assert_eq!(results.failures, ["openwhp: sha gives checksum 00fe, not 00ff"]);
    }

    #[test]
    fn the_faster_model_of_qemu_counts() {
        let mut results = Results::default();
        results.add_line(Competitor::TcgMax, "sha 2 1 0", None);
        assert_eq!(results.best_tcg("sha").and_then(|s| s.min()), Some(2.0));
        results.add_line(Competitor::TcgPlain, "sha 1 1 0", None);
        assert_eq!(results.best_tcg("sha").and_then(|s| s.min()), Some(1.0));
    }
}
