//! Several processors: threads, scheduler locking, one breakpoint for all.

use super::client::Client;
use super::client::RCX;
use super::client::RIP;
use super::client::Run;
use super::guests::*;

fn thread_of(stop: &str) -> usize {
    let text = stop.split("thread:").nth(1).and_then(|rest| rest.split(';').next());
    text.and_then(|text| usize::from_str_radix(text, 16).ok())
        .unwrap_or_else(|| panic!("no thread in {stop}"))
}

/// Both processors in their loop, at its count.
fn counting() -> (Run, Client) {
    let run = Run::start(Some(TWO_COUNTERS), &["--paused", "--cpus", "2"]);
    let mut gdb = Client::connect(&run);
    // The second processor's registers are reset by INIT; its breakpoint must not be.
    gdb.order(&format!("Z1,{COUNTERS_ENTRY:x},1"));
    let mut arrived = [false; 2];
    while arrived != [true; 2] {
        let stop = gdb.resume("vCont;c");
        assert!(stop.contains("hwbreak"), "{stop}");
        arrived[thread_of(&stop) - 1] = true;
    }
    gdb.order(&format!("z1,{COUNTERS_ENTRY:x},1"));
    (run, gdb)
}

#[test]
fn threads_are_processors() {
    let run = Run::start(Some(TWO_COUNTERS), &["--paused", "--cpus", "2"]);
    let mut gdb = Client::connect(&run);
    assert_eq!(gdb.ask("qfThreadInfo"), "m01,02");
    assert_eq!(gdb.ask("qsThreadInfo"), "l");
    assert_eq!(gdb.ask("T2"), "OK");
    assert_eq!(gdb.ask("T3"), "E01");
    let text = super::client::bytes_of(&gdb.ask("qThreadExtraInfo,2"));
    assert_eq!(String::from_utf8_lossy(&text), "processor 1, waiting for start-up");
    gdb.order("Hg2");
    assert_eq!(gdb.register(RIP), 0xfff0);
    assert!(gdb.monitor("info vps").contains("processor 1: waiting for start-up, real code at 0xf000"));
}

#[test]
fn one_thread_moves_while_the_other_stands() {
    let (_run, mut gdb) = counting();
    for (moving, standing) in [("1", "2"), ("2", "1")] {
        gdb.order(&format!("Hg{standing}"));
        let before = (gdb.register(RIP), gdb.register(RCX));
        gdb.order(&format!("Hg{moving}"));
        let start = gdb.register(RCX);
        for _ in 0..6 {
            let stop = gdb.resume(&format!("vCont;s:{moving}"));
            assert_eq!(thread_of(&stop).to_string(), moving);
        }
        assert_eq!(gdb.register(RCX) & 0xffff, (start + 2) & 0xffff);
        // Running, too, and stopped from outside.
        gdb.send(&format!("vCont;c:{moving}"));
        std::thread::sleep(std::time::Duration::from_millis(20));
        let stop = gdb.interrupt();
        assert!(stop.starts_with("T02"), "{stop}");
        gdb.order(&format!("Hg{standing}"));
        assert_eq!((gdb.register(RIP), gdb.register(RCX)), before);
    }
    // One steps while the other runs, sooner or later.
    gdb.order("Hg2");
    let before = gdb.register(RCX);
    let moved = (0..5000).any(|_| {
        assert_eq!(thread_of(&gdb.resume("vCont;s:1;c")), 1);
        gdb.order("Hg2");
        gdb.register(RCX) != before
    });
    assert!(moved);
}

#[test]
fn no_processor_misses_a_breakpoint_that_both_pass() {
    let (_run, mut gdb) = counting();
    for thread in ["1", "2"] {
        gdb.order(&format!("Hg{thread}"));
        gdb.order("P2=0000000000000000");
        // From the loop's first instruction.
        let start = if thread == "1" { COUNTERS_ENTRY } else { 0 };
        let hex: String = start.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        gdb.order(&format!("P10={hex}"));
    }
    gdb.order(&format!("Z0,{COUNTERS_COUNT:x},1"));
    let mut told = [0_u64; 2];
    // Whoever the host lets run first, both get on.
    for _ in 0..2000 {
        if told.iter().all(|told| *told >= 20) {
            return;
        }
        let stop = gdb.resume("vCont;c");
        assert!(stop.contains("swbreak"), "{stop}");
        let thread = thread_of(&stop);
        gdb.order(&format!("Hg{thread}"));
        // Every count passed the breakpoint, and was told.
        assert_eq!(gdb.register(RCX), told[thread - 1]);
        told[thread - 1] += 1;
    }
    panic!("one was kept waiting: {told:?}");
}

#[test]
fn the_builtin_guest_runs_to_its_end_under_a_debugger() {
    let run = Run::start(None, &["--paused", "--cpus", "2"]);
    let mut gdb = Client::connect(&run);
    // Where the second processor comes up.
    gdb.order("Z1,8000,1");
    let stop = gdb.resume("vCont;c");
    assert!(stop.contains("hwbreak") && thread_of(&stop) == 2, "{stop}");
    for _ in 0..3 {
        assert_eq!(thread_of(&gdb.resume("vCont;s:2")), 2);
    }
    gdb.order("z1,8000,1");
    assert_eq!(gdb.resume("vCont;c"), "W00");
    assert_eq!(run.end().0, Some(0));
}
