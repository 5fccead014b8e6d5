//! The command's promises to scripts: exit statuses, what goes where, and one clear line for what is wrong.
//!
//! Guests are a few bytes of 32-bit code in a multiboot image made here.

use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

const LOAD_ADDRESS: u32 = 0x10_0000;

/// Ends every guest that does not end itself, long after it should have.
const LIMIT: &str = "60";

/// A multiboot image of 32-bit code.
fn image(code: &[u8]) -> Vec<u8> {
    let flags = 1_u32 << 16;
    let magic = 0x1bad_b002_u32;
    let checksum = 0_u32.wrapping_sub(magic.wrapping_add(flags));
    let entry = LOAD_ADDRESS + 32;
    let words = [magic, flags, checksum, LOAD_ADDRESS, LOAD_ADDRESS, 0, 0, entry];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend_from_slice(code);
    bytes
}

/// A folder with a guest of the given code in it.
fn guest(code: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("guest");
    std::fs::write(&path, image(code)).expect("room for a small file");
    (folder, path)
}

fn openwhp() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openwhp"));
    command.stdin(Stdio::null());
    command
}

fn run(kernel: &Path, arguments: &[&str]) -> Output {
    let mut command = openwhp();
    command.args(["run", "--net", "none", "--memory", "16M", "--timeout", LIMIT, "--kernel"]).arg(kernel);
    command.args(arguments).output().expect("the command starts")
}

fn status(output: &Output) -> Option<i32> {
    output.status.code()
}

/// mov dx, port; mov al, value; out dx, al
fn out(port: u16, value: u8) -> Vec<u8> {
    let [low, high] = port.to_le_bytes();
    vec![0x66, 0xba, low, high, 0xb0, value, 0xee]
}

/// mov dx, 604h; mov ax, 3400h; out dx, ax; jmp $
const POWER_OFF: &[u8] = &[0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x34, 0x66, 0xef, 0xeb, 0xfe];
/// jmp $
const SPIN: &[u8] = &[0xeb, 0xfe];

#[test]
fn power_off_is_status_0_and_serial_output_is_standard_output() {
    let code = [out(0x3f8, b'h'), out(0x3f8, b'i'), POWER_OFF.to_vec()].concat();
    let (_folder, kernel) = guest(&code);
    let output = run(&kernel, &[]);
    assert_eq!(status(&output), Some(0));
    assert_eq!(output.stdout, b"hi");
    assert_eq!(output.stderr, b"");
}

#[test]
fn debug_exit_gives_the_value_shifted_and_one() {
    for (value, expected) in [(0x00, 1), (0x10, 33), (0x7f, 255)] {
        let (_folder, kernel) = guest(&[out(0xf4, value), SPIN.to_vec()].concat());
        assert_eq!(status(&run(&kernel, &["--debug-exit", "0xf4"])), Some(expected));
    }
}

#[test]
fn a_time_limit_is_status_124() {
    for code in [SPIN, &[0xfa, 0xf4, 0xeb, 0xfc]] {
        let (_folder, kernel) = guest(code);
        let output = run(&kernel, &["--timeout", "0.5"]);
        assert_eq!(status(&output), Some(124));
        assert!(String::from_utf8_lossy(&output.stderr).contains("time limit"));
    }
}

#[test]
fn a_reset_ends_the_run_with_no_reboot_and_boots_again_without() {
    for reset in [out(0xcf9, 6), out(0x64, 0xfe), out(0x92, 1)] {
        let (_folder, kernel) = guest(&[out(0x3f8, b'.'), reset, SPIN.to_vec()].concat());
        let once = run(&kernel, &["--no-reboot"]);
        assert_eq!((status(&once), once.stdout.len()), (Some(0), 1));
        // A busy host takes longer for two boots.
        let is_again = ["1.5", "15", "60"].into_iter().any(|limit| {
            let again = run(&kernel, &["--timeout", limit]);
            assert_eq!(status(&again), Some(124));
            again.stdout.len() > 1
        });
        assert!(is_again, "the guest booted once only");
    }
}

#[test]
fn a_triple_fault_is_status_3_with_registers_and_code() {
    // mov ebx, 12345678h; lidt [zeros behind the code]; ud2
    let entry = LOAD_ADDRESS + 32;
    let mut code = vec![0xbb, 0x78, 0x56, 0x34, 0x12, 0x0f, 0x01, 0x1d];
    code.extend((entry + 16).to_le_bytes());
    code.extend([0x0f, 0x0b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let (_folder, kernel) = guest(&code);
    let output = run(&kernel, &[]);
    let report = String::from_utf8_lossy(&output.stderr);
    assert_eq!(status(&output), Some(3), "{report}");
    for part in ["triple fault", "0000000012345678", "000000000010002c", "code 0f 0b", "cr0"] {
        assert!(report.contains(part), "{part} is missing from: {report}");
    }
}

#[test]
fn memory_that_is_not_there_reads_as_ones_and_takes_writes() {
    // mov esi, b0000000h; mov dword [esi], 0; mov eax, [esi]; out f4h, al
    let code = [
        &[0xbe, 0x00, 0x00, 0x00, 0xb0, 0xc7, 0x06, 0, 0, 0, 0, 0x8b, 0x06, 0x24, 0x0f, 0xe6, 0xf4][..],
        SPIN,
    ]
    .concat();
    let (_folder, kernel) = guest(&code);
    assert_eq!(status(&run(&kernel, &["--debug-exit", "0xf4"])), Some(31));
}

#[test]
fn serial_input_reaches_the_guest() {
    // poll: in al, 3fdh; test al, 1; jz poll; in al, 3f8h; out 3f8h, al; cmp al, 'q'; jne poll
    let code = [
        &[0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xf7][..],
        &[0x66, 0xba, 0xf8, 0x03, 0xec, 0xee, 0x3c, b'q', 0x75, 0xec],
        POWER_OFF,
    ]
    .concat();
    let (_folder, kernel) = guest(&code);
    let mut child = openwhp()
        .args(["run", "--net", "none", "--memory", "16M", "--timeout", LIMIT, "--kernel"])
        .arg(&kernel)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // Ctrl-A x is a command of a terminal only; a pipe's bytes pass unchanged.
    let text = b"a long line of input, longer than any FIFO \x01x is, then q";
    child.stdin.take().expect("a pipe").write_all(text).expect("the command reads");
    let output = child.wait_with_output().expect("the command ends");
    let expected = &text[..=text.iter().position(|byte| *byte == b'q').expect("there is one")];
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, expected);
}

#[test]
fn serial_output_goes_to_a_file_or_nowhere() {
    let (folder, kernel) = guest(&[out(0x3f8, b'x'), POWER_OFF.to_vec()].concat());
    let log = folder.path().join("log");
    let option = format!("file={}", log.display());
    let output = run(&kernel, &["--serial", &option]);
    assert_eq!((status(&output), output.stdout.len()), (Some(0), 0));
    assert_eq!(std::fs::read(&log).expect("the file was made"), b"x");
    let output = run(&kernel, &["--serial", "none"]);
    assert_eq!((status(&output), output.stdout.len()), (Some(0), 0));
}

#[test]
fn deterministic_runs_repeat() {
    // rdtsc; out 3f8h: all four bytes of the counter after a loop.
    let code = [
        &[0xb9, 0x00, 0x10, 0x00, 0x00, 0xe2, 0xfe, 0x0f, 0x31, 0x89, 0xc3, 0x66, 0xba, 0xf8, 0x03][..],
        &[0x88, 0xd8, 0xee, 0xc1, 0xeb, 0x08, 0x88, 0xd8, 0xee, 0xc1, 0xeb, 0x08, 0x88, 0xd8, 0xee],
        POWER_OFF,
    ]
    .concat();
    let (_folder, kernel) = guest(&code);
    let first = run(&kernel, &["--deterministic"]);
    assert_eq!((status(&first), first.stdout.len()), (Some(0), 3));
    for _ in 0..3 {
        assert_eq!(run(&kernel, &["--deterministic"]).stdout, first.stdout);
    }
}

#[test]
fn a_disk_in_use_is_refused_and_left_alone() {
    let (folder, kernel) = guest(SPIN);
    let disk = folder.path().join("disk");
    std::fs::write(&disk, [7; 4096]).expect("room for a small file");
    let option = format!("path={}", disk.display());
    let mut holder = openwhp()
        .args(["run", "--net", "none", "--memory", "16M", "--timeout", LIMIT, "--disk", &option, "--kernel"])
        .arg(&kernel)
        .stdout(Stdio::null())
        .spawn()
        .expect("the command starts");
    let locked = || std::fs::File::open(&disk).is_ok_and(|file| file.try_lock().is_err());
    while !locked() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let output = run(&kernel, &["--disk", &option]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(status(&output), Some(2), "{message}");
    assert!(message.contains("in use by another run"), "{message}");
    holder.kill().expect("it still runs");
    holder.wait().expect("it was started here");
    assert_eq!(std::fs::read(&disk).expect("readable"), [7; 4096]);
}

/// What is wrong, the arguments, and words that the message holds.
struct Wrong {
    arguments: Vec<String>,
    words: &'static str,
}

fn with<'a>(kernel: &'a str, extra: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--kernel", kernel], extra].concat()
}

fn wrong_usage(folder: &Path) -> Vec<Wrong> {
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("room for a small file");
        path.display().to_string()
    };
    let kernel = file("kernel", &image(SPIN));
    let text = file("text", b"this is no kernel");
    let script = file("script", b"#!/bin/sh\n");
    let empty = file("empty", b"");
    let odd = file("odd", &[0; 700]);
    let mut cut = image(SPIN);
    cut[0x14..0x18].copy_from_slice(&(LOAD_ADDRESS + 4096).to_le_bytes());
    let cut = file("cut", &cut);
    let folder = folder.display().to_string();
    let cases: Vec<(Vec<&str>, &'static str)> = vec![
        (vec![], "command is missing"),
        (vec!["fly"], "fly"),
        (vec!["run", "--kernel"], "--kernel"),
        (vec!["run", "--kernel", "/nonexistent/kernel"], "/nonexistent/kernel"),
        (vec!["run", "--kernel", &folder], "cannot read"),
        (vec!["run", "--kernel", &text], "not a kernel"),
        (vec!["run", "--kernel", &script], "script"),
        (vec!["run", "--kernel", &empty], "empty"),
        (vec!["run", "--kernel", &cut], "cut off"),
        (vec!["run", "--initrd", "x"], "--kernel"),
        (with(&kernel, &["--initrd", "/nonexistent/initrd"]), "/nonexistent/initrd"),
        (with(&kernel, &["--memory", "1M"]), "4M"),
        (with(&kernel, &["--memory", "huge"]), "512M"),
        (with(&kernel, &["--cpus", "0"]), "1..=64"),
        (with(&kernel, &["--cpus", "many"]), "many"),
        (with(&kernel, &["--disk", "path=/nonexistent/disk"]), "/nonexistent/disk"),
        (with(&kernel, &["--disk", "/tmp/x"]), "path=FILE"),
        (with(&kernel, &["--disk", "path=x,cache=on"]), "cache"),
        (vec!["run", "--kernel", &kernel, "--disk", "path=ODD"], "multiple of 512"),
        (with(&kernel, &["--net", "bridge"]), "bridge"),
        (with(&kernel, &["--serial", "pty"]), "stdio"),
        (with(&kernel, &["--serial", "file=/nonexistent/folder/log"]), "/nonexistent/folder/log"),
        (with(&kernel, &["--engine", "kvm"]), "kvm"),
        (with(&kernel, &["--engine", "warp"]), "soft"),
        (with(&kernel, &["--timeout", "-1"]), "positive"),
        (with(&kernel, &["--debug-exit", "0x10000"]), "0xffff"),
        (with(&kernel, &["--deterministic", "--cpus", "2"]), "--cpus"),
        (with(&kernel, &["--frobnicate"]), "--frobnicate"),
        (with(&kernel, &["--no-reboot=yes"]), "no-reboot"),
    ];
    let own = |argument: &&str| argument.replace("ODD", &odd);
    cases
        .into_iter()
        .map(|(arguments, words)| Wrong { arguments: arguments.iter().map(own).collect(), words })
        .collect()
}

#[test]
fn what_is_wrong_is_said_in_one_line_with_status_2() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for Wrong { arguments, words } in wrong_usage(folder.path()) {
        let output = openwhp().args(&arguments).output().expect("the command starts");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(status(&output), Some(2), "{arguments:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{arguments:?}: {message}");
        assert!(message.starts_with("openwhp: ") && message.contains(words), "{arguments:?}: {message}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn nothing_is_written_when_something_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let kernel = folder.path().join("kernel");
    std::fs::write(&kernel, b"no kernel").expect("room for a small file");
    let log = folder.path().join("log");
    let option = format!("file={}", log.display());
    assert_eq!(status(&run(&kernel, &["--serial", &option])), Some(2));
    assert!(!log.exists());
}

#[test]
fn help_version_check_and_caps_are_status_0() {
    for arguments in
        [&["--help"][..], &["--version"], &["run", "--help"], &["check"], &["caps"], &["caps", "--json"]]
    {
        let output = openwhp().args(arguments).output().expect("the command starts");
        assert_eq!(status(&output), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty(), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn capabilities_in_json_can_be_read_by_programs() {
    let output = openwhp().args(["caps", "--json"]).output().expect("the command starts");
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("valid JSON");
    assert_eq!(value["engine"], "soft");
    assert!(value["tsc_hz"].as_u64().is_some_and(|hz| hz > 0));
}

#[test]
fn a_termination_signal_ends_the_run() {
    let (_folder, kernel) = guest(SPIN);
    let mut child = openwhp()
        .args(["run", "--net", "none", "--memory", "16M", "--timeout", LIMIT, "--kernel"])
        .arg(&kernel)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // Once the signal is caught, or waits to be read.
    let takes_signal = || {
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let sets = text.lines().filter(|line| line.starts_with("SigCgt:") || line.starts_with("SigBlk:"));
        sets.filter_map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok())
            .any(|set| set >> (15 - 1) & 1 != 0)
    };
    for _ in 0..3000 {
        if takes_signal() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let sent = Command::new("kill").arg(child.id().to_string()).status().expect("kill is everywhere");
    assert!(sent.success());
    assert_eq!(child.wait().expect("it was started here").code(), Some(143));
}
