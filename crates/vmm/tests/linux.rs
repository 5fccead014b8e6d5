//! Boots of the distribution's own kernels, obtained by `scripts/boot-linux.sh` as packages.
//!
//! A machine that cannot obtain them says so and passes: there is nothing to test then. The boots take turns, so
//! that each has the machine for itself. `OPENWHP_BOOTS=N` sets how often the repeated boot is repeated.

use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

/// Longest time one boot may take; a busy machine without optimisation needs minutes.
const LIMIT: &str = "900";

static TURN: Mutex<()> = Mutex::new(());

/// A kernel and an initramfs that runs a script, with the exclusive right to boot.
struct Guest {
    kernel: PathBuf,
    initramfs: PathBuf,
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// Obtains a kernel of the given flavour with an initramfs that runs `script`; says why when it cannot be had.
fn guest(flavour: &str, script: &str) -> Option<Guest> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script_path = folder.path().join("script");
    std::fs::write(&script_path, script).expect("room for a small file");
    let prepare = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/boot-linux.sh");
    let prepared = Command::new("sh")
        .arg(prepare)
        .args(["--prepare", "--flavour", flavour, "--script"])
        .arg(&script_path)
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    if !prepared.status.success() {
        let reason = String::from_utf8_lossy(&prepared.stderr);
        eprintln!("skipped: no {flavour} kernel to be had here: {}", reason.trim());
        return None;
    }
    let text = String::from_utf8(prepared.stdout).expect("paths in UTF-8");
    let mut lines = text.lines().map(PathBuf::from);
    let (kernel, made) = lines.next().zip(lines.next()).expect("the script prints two paths");
    let initramfs = folder.path().join("initramfs");
    std::fs::copy(&made, &initramfs).expect("room for the initramfs");
    // It was made for this script alone.
    std::fs::remove_file(&made).expect("the script made it");
    Some(Guest { kernel, initramfs, folder, _turn: turn })
}

impl Guest {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openwhp"));
        command.args(["run", "--timeout", LIMIT, "--cmdline", "console=ttyS0", "--kernel"]);
        command.arg(&self.kernel).arg("--initrd").arg(&self.initramfs).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// Boots to the end of the script; returns what it printed.
    fn boot(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the command starts");
        let text = text_of(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        text
    }

    /// An ext4 image in the guest's folder, as the option that names it.
    fn disk(&self) -> (PathBuf, String) {
        let path = self.folder.path().join("disk");
        let file = std::fs::File::create(&path).expect("a new file");
        file.set_len(64 << 20).expect("room for an image");
        let option = format!("path={}", path.display());
        (path, option)
    }
}

fn text_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A line that the script printed, by its first word.
fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("the guest did not print {name}=: {text}"))
}

/// Serves one file over HTTP on loopback, to as many as ask.
fn serve(body: Vec<u8>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("a bound socket").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    port
}

#[test]
fn the_cloud_kernel_runs_on_one_two_and_four_processors() {
    // Lines that the guest can make too, so that a lost, doubled or changed byte shows.
    let body: Vec<u8> = (1..=60_000).flat_map(|number| format!("{number}\n").into_bytes()).collect();
    let port = serve(body.clone());
    let script = format!(
        "echo PROCESSORS=$(nproc)
         echo ADDRESS=$(ip -4 -o addr show eth0 | awk '{{print $4}}')
         wget -q -O /tmp/file http://10.0.2.2:{port}/file && echo LENGTH=$(wc -c </tmp/file)
         seq 1 60000 | cmp - /tmp/file && echo SAME=yes
         echo ENTROPY=$(head -c 64 /dev/hwrng | wc -c)
         echo APPLETS=$(seq 1 100 | sort -r | head -n 1 | tr 1 x; echo hello | gzip | gunzip | rev)
         echo console-text >/dev/hvc0
         echo CLOCK=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)
         echo TIMER=$(grep -c 'Clock Event Device: Hyper-V clockevent' /proc/timer_list)
         echo TICKS=$(grep -c 'HVS: *[1-9]' /proc/interrupts)
         echo SHOOTDOWNS=$(awk '/TLB:/ {{print $2}}' /proc/interrupts)
         dmesg | grep Hyper-V
         echo BAD=$(dmesg | grep -cE 'BUG|Oops|Call Trace|stall|soft lockup')\n"
    );
    let Some(guest) = guest("cloud", &script) else { return };
    for processors in ["1", "2", "4"] {
        let text = guest.boot(&["--cpus", processors]);
        assert_eq!(value(&text, "PROCESSORS"), processors);
        assert_eq!(value(&text, "ADDRESS"), "10.0.2.15/24");
        assert_eq!(value(&text, "LENGTH"), body.len().to_string());
        assert_eq!(value(&text, "SAME"), "yes");
        assert_eq!(value(&text, "ENTROPY"), "64");
        assert_eq!(value(&text, "APPLETS"), "99 olleh");
        assert_eq!(value(&text, "BAD"), "0", "{text}");
        assert!(text.contains("console-text"), "{text}");
        assert_eq!(value(&text, "CLOCK"), "hyperv_clocksource_tsc_page");
        assert_eq!(value(&text, "TIMER"), processors);
        assert_eq!(value(&text, "TICKS"), "1");
        // Processors flush one another by hypercall.
        assert_eq!(value(&text, "SHOOTDOWNS"), "0");
        for enlightenment in [
            "Hypervisor detected: Microsoft Hyper-V",
            "Using hypercall for remote TLB flush",
            "Using IPI hypercalls",
            "Using enlightened APIC",
        ] {
            assert!(text.contains(enlightenment), "{enlightenment}: {text}");
        }
    }
}

#[test]
fn a_disk_keeps_what_was_written_across_boots_resets_and_a_killed_run() {
    let script = "
        if ! mount -t ext4 /dev/vda /mnt 2>/dev/null; then
            mke2fs /dev/vda >/dev/null 2>&1
            mount -t ext4 /dev/vda /mnt
        fi
        boots=$(cat /mnt/boots 2>/dev/null || echo 0)
        echo BOOTS=$boots
        echo $((boots + 1)) >/mnt/boots
        case $boots in
            0) head -c 3000000 /dev/urandom >/mnt/data; (cd /mnt; sha256sum data >sum); umount /mnt; reboot -f ;;
            1) umount /mnt ;;
            2) sync; echo READY; while true; do head -c 100000 /dev/urandom >>/mnt/noise; sync; done ;;
            *) echo DATA=$(cd /mnt; sha256sum -c sum) ; umount /mnt ;;
        esac\n";
    let Some(guest) = guest("cloud", script) else { return };
    let (path, option) = guest.disk();
    // The host's tool makes a real ext4 with a journal; without it the guest makes what it can.
    let has_journal =
        tool("mkfs.ext4").args(["-q", "-F"]).arg(&path).status().is_ok_and(|made| made.success());
    // The first boot resets, which boots again.
    let text = guest.boot(&["--disk", &option]);
    assert!(text.contains("BOOTS=0") && text.contains("BOOTS=1"), "{text}");
    kill_when_ready(&guest, &option);
    let text = guest.boot(&["--disk", &option]);
    assert_eq!(value(&text, "BOOTS"), "3");
    assert_eq!(value(&text, "DATA"), "data: OK");
    if has_journal {
        let checked = tool("e2fsck").args(["-f", "-n"]).arg(&path).output().expect("it comes with mkfs.ext4");
        assert!(checked.status.success(), "{}", text_of(&checked));
    }
}

/// A program that may be among those for administrators.
fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    command
}

/// Boots, and kills the command while the guest writes.
fn kill_when_ready(guest: &Guest, disk: &str) {
    let mut child =
        guest.command(&["--disk", disk]).stdout(Stdio::piped()).spawn().expect("the command starts");
    let mut seen = Vec::new();
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut bytes = [0; 4096];
    while !String::from_utf8_lossy(&seen).contains("READY") {
        let len = stdout.read(&mut bytes).expect("a pipe can be read");
        assert_ne!(len, 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&bytes[..len]);
    }
    std::thread::sleep(Duration::from_secs(2));
    child.kill().expect("it still runs");
    child.wait().expect("it was started here");
}

#[test]
fn the_generic_kernel_boots() {
    let Some(guest) = guest("generic", "echo MACHINE=$(uname -m); echo PROCESSORS=$(nproc)\n") else {
        return;
    };
    let text = guest.boot(&["--cpus", "2", "--memory", "1G"]);
    assert_eq!((value(&text, "MACHINE"), value(&text, "PROCESSORS")), ("x86_64", "2"));
}

#[test]
fn a_32_bit_kernel_with_pae_boots() {
    let Some(guest) = guest("pae", "echo MACHINE=$(uname -m); echo PROCESSORS=$(nproc)\n") else { return };
    let text = guest.boot(&["--cpus", "2"]);
    assert_eq!((value(&text, "MACHINE"), value(&text, "PROCESSORS")), ("i686", "2"));
}

#[test]
fn deterministic_boots_repeat_byte_for_byte() {
    let script = "cat /proc/uptime /proc/interrupts; head -c 32 /dev/urandom | sha256sum\n";
    let Some(guest) = guest("cloud", script) else { return };
    let first = guest.boot(&["--deterministic"]);
    let second = guest.boot(&["--deterministic"]);
    assert!(first.contains("LOC:"), "{first}");
    assert!(first == second, "two boots differ:\n{first}\n-----\n{second}");
}

#[test]
fn boots_succeed_again_and_again() {
    let Some(guest) = guest("cloud", "echo PROCESSORS=$(nproc)\n") else { return };
    let boots = std::env::var("OPENWHP_BOOTS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_u32);
    for boot in 0..boots {
        let processors = ["2", "4"][boot as usize % 2];
        let text = guest.boot(&["--cpus", processors]);
        assert_eq!(value(&text, "PROCESSORS"), processors, "boot {boot}");
    }
}
