//! Linux on two processors under a debugger, from its first instruction to power-off.

use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use super::client::Client;
use super::client::RIP;
use super::client::Run;

/// Tells where a function is, then calls it a few times.
const SCRIPT: &str = "
    echo SYMBOL=$(grep ' T __x64_sys_sethostname$' /proc/kallsyms | cut -d' ' -f1)
    for i in $(seq 1 20); do hostname name$i; sleep 0.1; done
    echo NAME=$(hostname) BAD=$(dmesg | grep -cE 'BUG|Oops|Call Trace|stall|soft lockup')\n";

fn command(folder: &Path) -> Option<Command> {
    let script = folder.join("script");
    std::fs::write(&script, SCRIPT).expect("room for a small file");
    let prepare = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/boot-linux.sh");
    let mut prepare_command = Command::new("sh");
    prepare_command.arg(prepare).args(["--prepare", "--flavour", "cloud", "--script"]).arg(&script);
    let prepared = prepare_command.stdin(Stdio::null()).output().expect("a shell");
    if !prepared.status.success() {
        eprintln!("skipped: no kernel to be had here: {}", String::from_utf8_lossy(&prepared.stderr).trim());
        return None;
    }
    let text = String::from_utf8(prepared.stdout).expect("paths in UTF-8");
    let mut lines = text.lines().map(PathBuf::from);
    let (kernel, made) = lines.next().zip(lines.next()).expect("the script prints two paths");
    let initramfs = folder.join("initramfs");
    std::fs::copy(&made, &initramfs).expect("room for the initramfs");
    // It was made for this script alone.
    std::fs::remove_file(&made).expect("the script made it");
    let mut command = Command::new(env!("CARGO_BIN_EXE_openwhp"));
    command.args(["run", "--timeout", "600", "--cpus", "2", "--net", "none", "--paused"]);
    command.args(["--cmdline", "console=ttyS0 nokaslr", "--kernel"]).arg(kernel);
    command.arg("--initrd").arg(initramfs);
    Some(command)
}

#[test]
fn linux_boots_breaks_and_ends_under_a_debugger() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(command) = command(folder.path()) else { return };
    let mut run = Run::spawn(command, folder);
    let mut output = BufReader::new(run.child.stdout.take().expect("a pipe"));
    let mut gdb = Client::connect(&run);
    let entry = gdb.register(RIP);
    for _ in 0..20 {
        assert!(gdb.resume("vCont;s:1").starts_with("T05"));
    }
    assert_ne!(gdb.register(RIP), entry);
    gdb.send("vCont;c");
    let mut line = String::new();
    let symbol = loop {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap_or(1), 0, "the guest ended");
        if let Some(symbol) = line.trim().strip_prefix("SYMBOL=") {
            break u64::from_str_radix(symbol, 16).expect("an address");
        }
    };
    let rest = std::thread::spawn(move || {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut output, &mut text)
            .map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    assert!(gdb.interrupt().starts_with("T02"));
    for kind in ["Z0", "Z1"] {
        gdb.order(&format!("{kind},{symbol:x},1"));
        for _ in 0..3 {
            let stop = gdb.resume("vCont;c");
            assert!(stop.contains("break"), "{stop}");
            let thread = stop["T05thread:".len()..].split(';').next().expect("a thread").to_owned();
            gdb.order(&format!("Hg{thread}"));
            assert_eq!(gdb.register(RIP), symbol);
            for _ in 0..10 {
                gdb.resume(&format!("vCont;s:{thread};c"));
            }
        }
        gdb.order(&format!("{},{symbol:x},1", kind.to_lowercase()));
    }
    assert_eq!(gdb.resume("vCont;c"), "W00");
    let text = rest.join().expect("a reader").expect("a pipe can be read");
    assert!(text.contains("NAME=name20 BAD=0"), "{text}");
}
