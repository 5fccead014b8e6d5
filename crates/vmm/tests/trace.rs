//! `--trace`: lines that repeat exactly with the deterministic clock, in both formats, and the summary.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

const LOAD_ADDRESS: u32 = 0x10_0000;

/// out 80h, al; in al, 80h; mov eax, [b0000000h]; mov dx, 604h; mov ax, 3400h; out dx, ax; jmp $
const CODE: &[u8] = &[
    0xb0, 0x12, 0xe6, 0x80, 0xe4, 0x80, 0xa1, 0x00, 0x00, 0x00, 0xb0, 0x66, 0xba, 0x04, 0x06, 0x66, 0xb8,
    0x00, 0x34, 0x66, 0xef, 0xeb, 0xfe,
];

/// What it does, from its first instruction at 0x100020.
const GOLDEN: &str = "\
# sequence guest-seconds vp rip reason details
         0     0.000000010  0 0x0000000000100022 port access=write port=0x80 size=1 value=0x12
         1     0.000000020  0 0x0000000000100024 port access=read port=0x80 size=1
         2     0.000000030  0 0x0000000000100026 memory access=read gpa=0xb0000000 gva=0xb0000000 why=unmapped code=a1000000b066ba040666b8003466efeb
         3     0.000000060  0 0x0000000000100033 port access=write port=0x604 size=2 value=0x3400
";

fn guest(folder: &Path) -> PathBuf {
    let magic = 0x1bad_b002_u32;
    let flags = 1_u32 << 16;
    let checksum = 0_u32.wrapping_sub(magic.wrapping_add(flags));
    let words = [magic, flags, checksum, LOAD_ADDRESS, LOAD_ADDRESS, 0, 0, LOAD_ADDRESS + 32];
    let mut image: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    image.extend_from_slice(CODE);
    let path = folder.join("guest");
    std::fs::write(&path, image).expect("room for a small file");
    path
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openwhp"));
    command.args(["run", "--deterministic", "--memory", "16M", "--timeout", "60", "--kernel"]);
    command.arg(guest(folder)).args(arguments).stdin(Stdio::null());
    let output = command.output().expect("the command starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn the_text_is_the_golden_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("trace");
    run(folder.path(), &["--trace", &format!("exits={}", file.display())]);
    assert_eq!(std::fs::read_to_string(&file).expect("the file was made"), GOLDEN);
    let output = run(folder.path(), &["--trace", "exits"]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), GOLDEN);
}

#[test]
fn json_lines_say_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("trace");
    run(folder.path(), &["--trace", &format!("exits={},format=json", file.display())]);
    let text = std::fs::read_to_string(&file).expect("the file was made");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["reason"], "port");
    assert_eq!((&lines[2]["gpa"], &lines[2]["rip"]), (&"0xb0000000".into(), &"0x100026".into()));
    assert_eq!(lines[3]["sequence"], 3);
}

#[test]
fn the_summary_counts_by_reason() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = run(folder.path(), &["--trace", "summary"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let row = |reason: &str| {
        let line = text.lines().find(|line| line.ends_with(reason));
        line.and_then(|line| line.split_whitespace().next()).map(str::to_owned)
    };
    assert_eq!(row(" port").as_deref(), Some("3"), "{text}");
    assert_eq!(row(" memory").as_deref(), Some("1"), "{text}");
    assert_eq!(row(" total").as_deref(), Some("4"), "{text}");
}

#[test]
fn a_trace_that_cannot_be_written_is_refused_first() {
    let output = Command::new(env!("CARGO_BIN_EXE_openwhp"))
        .args(["run", "--trace", "exits=/nonexistent/trace"])
        .stdin(Stdio::null())
        .output()
        .expect("the command starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/trace"));
}
