//! gdb itself, where it is installed.

use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use super::client::Run;
use super::client::has_program;
use super::guests::*;

/// Runs gdb on a script; `None`, with the reason printed, where there is none.
fn gdb(run: &Run, script: &[&str]) -> Option<String> {
    if !has_program("gdb") {
        eprintln!("skipped: there is no gdb here; the protocol is tested without it");
        return None;
    }
    let mut command = Command::new("timeout");
    command.args([
        "100",
        "gdb",
        "-nx",
        "-nh",
        "-batch",
        "-ex",
        "set confirm off",
        "-ex",
        "set pagination off",
    ]);
    command.arg("-ex").arg(format!("target remote 127.0.0.1:{}", run.port));
    for line in script {
        command.args(["-ex", line]);
    }
    let output: Output = command.stdin(Stdio::null()).output().expect("gdb starts");
    Some(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

fn assert_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is missing from:\n{text}");
    }
}

#[test]
fn gdb_breaks_watches_steps_and_kills() {
    let run = Run::start(Some(LOOP), &["--paused", "--cpus", "2"]);
    let script = [
        "info threads",
        "break *0x100031",
        "continue",
        "print/x $rbx",
        "print $cr0 & 1",
        "x/2i $pc",
        "continue",
        "print $rcx",
        "delete",
        "watch *(int *)0x200000",
        "set $rbx = 0x55",
        "continue",
        "delete",
        "hbreak *0x10002c",
        "continue",
        "stepi",
        "print/x $rip",
        "set scheduler-locking on",
        "stepi",
        "thread 2",
        "print/x $cs_base",
        "monitor info vps",
        "maintenance packet Qqemu.PhyMemMode:1",
        "x/1xw 0x200000",
        "info registers",
        "print $xmm15",
        "kill",
    ];
    let Some(text) = gdb(&run, &script) else { return };
    assert_all(
        &text,
        &[
            "processor 1, waiting for start-up",
            "Breakpoint 1, 0x0000000000100031",
            "= 0x11223344",
            "=> 0x100031:",
            "Hardware watchpoint 2",
            "New value = 85",
            "Breakpoint 3, 0x000000000010002c",
            "= 0x100031",
            "= 0xf0000",
            "processor 0: running, 32-bit code",
            "0x200000:\t0x00000055",
            "gdtr_limit",
            "v8_int16 = {0, 0, 0, 0, 0, 0, 0, 0}",
        ],
    );
    assert_eq!(run.end().0, Some(0));
}

#[test]
fn gdb_comes_back_with_32_bit_registers() {
    let run = Run::start(Some(LOOP), &["--paused"]);
    let reconnect = format!("target remote 127.0.0.1:{}", run.port);
    let script = [
        "break *0x100031",
        "continue",
        "monitor arch i386",
        "delete",
        "disconnect",
        "set architecture auto",
        &reconnect,
        "print $eip > 0x100000",
        "show architecture",
        "x/1i 0x100026",
        "print/x $xmm0.uint128",
        "info registers eflags",
        "detach",
    ];
    let Some(text) = gdb(&run, &script) else { return };
    assert_all(&text, &["= 1", "i386", "mov    %ebx,0x200000", "eflags", "detached"]);
}
