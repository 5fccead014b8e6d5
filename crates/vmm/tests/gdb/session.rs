//! One processor: a session from its paused start to detaching, and the guest's own use of what debuggers use.

use super::client::Client;
use super::client::RAX;
use super::client::RBX;
use super::client::RCX;
use super::client::RIP;
use super::client::Run;
use super::client::bytes_of;
use super::guests::*;

/// Enough for a guest to get somewhere.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Lets the guest go on until its count is beyond `before`; returns the count, with the guest stopped.
fn count_beyond(gdb: &mut Client, before: u64) -> u64 {
    for _ in 0..400 {
        let count = gdb.register(RCX);
        if count > before {
            return count;
        }
        gdb.send("vCont;c");
        std::thread::sleep(PAUSE);
        let stop = gdb.interrupt();
        assert!(stop.starts_with("T02thread:01"), "{stop}");
    }
    panic!("the guest does not count beyond {before}");
}

fn paused(code: &[u8]) -> (Run, Client) {
    let run = Run::start(Some(code), &["--paused"]);
    let client = Client::connect(&run);
    (run, client)
}

#[test]
fn a_paused_guest_stands_at_its_entry_and_steps() {
    for more in [&["--paused"][..], &["--paused", "--deterministic"]] {
        let run = Run::start(Some(LOOP), more);
        let mut gdb = Client::connect(&run);
        assert!(gdb.ask("?").starts_with("T05thread:"));
        assert_eq!(gdb.register(RIP), ENTRY);
        assert!(gdb.resume("vCont;s:1").starts_with("T05thread:"));
        assert_eq!((gdb.register(RIP), gdb.register(RBX)), (ENTRY + 5, 0x1122_3344));
        // A register written is the one the guest goes on with.
        gdb.order("P1=7856341200000000");
        for _ in 0..2 {
            gdb.resume("vCont;s:1");
        }
        assert_eq!(gdb.word(WATCHED), 0x1234_5678);
        // A range: up to the jump back to its start.
        gdb.order(&format!("P10={}", hex_word(0x10_0025)));
        gdb.resume(&format!("vCont;r{:x},{:x}:1", 0x10_0025, 0x10_0032));
        assert_eq!(gdb.register(RIP), 0x10_0032);
        let flags = gdb.register(17);
        assert_eq!(flags & 0x100, 0, "no borrowed flag is shown");
        gdb.send("k");
        assert_eq!(gdb.receive(), "closed");
        assert_eq!(run.end(), (Some(0), "openwhp: the debugger ended the run\n".to_owned()));
    }
}

fn hex_word(value: u64) -> String {
    value.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn breakpoints_in_memory_stop_and_cannot_be_seen() {
    let (_run, mut gdb) = paused(LOOP);
    gdb.order(&format!("Z0,{LOOP_COUNT:x},1"));
    for count in 0..3 {
        let stop = gdb.resume("vCont;c");
        assert!(stop.starts_with("T05thread:01") && stop.contains("swbreak"), "{stop}");
        assert_eq!((gdb.register(RIP), gdb.register(RCX)), (LOOP_COUNT, count));
        assert_eq!(gdb.ask(&format!("m{LOOP_COUNT:x},2")), "41eb");
    }
    // A step from a breakpoint executes what was there.
    gdb.resume("vCont;s:1");
    assert_eq!((gdb.register(RIP), gdb.register(RCX)), (LOOP_COUNT + 1, 3));
    gdb.order(&format!("z0,{LOOP_COUNT:x},1"));
    gdb.order(&format!("Z1,{LOOP_READ:x},1"));
    for _ in 0..2 {
        let stop = gdb.resume("vCont;c");
        assert!(stop.contains("hwbreak"), "{stop}");
        assert_eq!(gdb.register(RIP), LOOP_READ);
    }
    gdb.resume("vCont;s:1");
    assert_eq!(gdb.register(RAX), 0x1122_3344);
    assert_eq!(gdb.ask("z1,123,1"), "E16");
}

#[test]
fn a_breakpoint_waits_for_its_page_to_be_mapped() {
    let (_run, mut gdb) = paused(PAGED);
    assert_eq!(gdb.ask(&format!("m{PAGED_COUNT:x},1")), "E0e");
    gdb.order(&format!("Z0,{PAGED_COUNT:x},1"));
    for count in 0..3 {
        assert!(gdb.resume("vCont;c").contains("swbreak"));
        assert_eq!((gdb.register(RIP), gdb.register(RCX)), (PAGED_COUNT, count));
    }
    assert_eq!(gdb.ask(&format!("m{PAGED_COUNT:x},1")), "41");
    gdb.order(&format!("z0,{PAGED_COUNT:x},1"));
    // A breakpoint of another address in the same byte of memory is passed without a word.
    gdb.order(&format!("Z0,{:x},1", PAGED_COUNT - 0x4000_0000));
    count_beyond(&mut gdb, 3);
    // Where nothing will ever be mapped there are as many as there are registers.
    for index in 0..4 {
        gdb.order(&format!("Z0,{:x},1", 0x8000_0000_u64 + index));
    }
    assert_eq!(gdb.ask("Z0,90000000,1"), "E16");
}

#[test]
fn watchpoints_tell_reads_from_writes() {
    let (_run, mut gdb) = paused(LOOP);
    gdb.order(&format!("Z2,{WATCHED:x},4"));
    let stop = gdb.resume("vCont;c");
    assert!(stop.contains(";watch:200000;"), "{stop}");
    assert_eq!(gdb.register(RIP), LOOP_READ);
    gdb.order(&format!("z2,{WATCHED:x},4"));
    gdb.order(&format!("Z3,{WATCHED:x},2"));
    let stop = gdb.resume("vCont;c");
    assert!(stop.contains("rwatch:200000;"), "{stop}");
    assert_eq!(gdb.register(RIP), LOOP_COUNT);
    gdb.order(&format!("z3,{WATCHED:x},2"));
    gdb.order(&format!("Z4,{:x},1", WATCHED + 3));
    for at in [LOOP_READ, LOOP_COUNT] {
        assert!(gdb.resume("vCont;c").contains("awatch:200003;"));
        assert_eq!(gdb.register(RIP), at);
    }
    // Four registers are all there are.
    gdb.order(&format!("Z2,{WATCHED:x},18"));
    assert_eq!(gdb.ask("Z1,100000,1"), "E16");
    assert_eq!(gdb.ask("Z2,300000,100"), "E16");
}

#[test]
fn memory_is_read_and_written_as_far_as_there_is_any() {
    let (_run, mut gdb) = paused(LOOP);
    gdb.order("M200100,3:010203");
    assert_eq!(gdb.ask("m200100,4"), "01020300");
    // 16 MiB of memory end here.
    assert_eq!(gdb.ask("mfffffe,8"), "0000");
    assert_eq!(gdb.ask("m1000000,4"), "E0e");
    assert_eq!(gdb.ask("M1000000,1:00"), "E0e");
    assert_eq!(bytes_of(&gdb.ask("m200000,ffffffffffffffff")).len(), 0x1fc0);
    gdb.order("Qqemu.PhyMemMode:1");
    assert_eq!(gdb.ask("qqemu.PhyMemMode"), "1");
    assert_eq!(gdb.ask("m200100,2"), "0102");
    gdb.order("Qqemu.PhyMemMode:0");
    let text = gdb.monitor("phys 0x200100 16");
    assert!(text.contains("01 02 03 00"), "{text}");
}

#[test]
fn a_debugger_comes_and_goes_while_the_guest_runs() {
    let run = Run::start(Some(LOOP), &[]);
    let mut count = 0;
    for _ in 0..3 {
        let mut gdb = Client::connect(&run);
        count = count_beyond(&mut gdb, count);
        gdb.order(&format!("Z0,{LOOP_COUNT:x},1"));
        assert!(gdb.resume("vCont;c").contains("swbreak"));
        gdb.order("D");
        // Nothing is left behind: the guest counts on.
    }
    // A connection that is cut is a debugger that went.
    let mut gdb = Client::connect(&run);
    gdb.order(&format!("Z0,{LOOP_COUNT:x},1"));
    gdb.order(&format!("Z2,{WATCHED:x},4"));
    gdb.send("vCont;c");
    drop(gdb);
    std::thread::sleep(PAUSE);
    let mut gdb = Client::connect(&run);
    assert_eq!(gdb.ask(&format!("m{LOOP_COUNT:x},1")), "41");
    count = count_beyond(&mut gdb, count);
    count_beyond(&mut gdb, count);
}

#[test]
fn a_guest_that_debugs_itself_does_not_notice() {
    let (_run, mut gdb) = paused(OWN_DEBUGGER);
    gdb.order(&format!("Z1,{OWN_LAST:x},1"));
    gdb.order(&format!("Z0,{:x},1", OWN_LOOP + 1));
    gdb.order("Z2,200100,4");
    for round in 1..=5 {
        assert!(gdb.resume("vCont;c").contains("swbreak"));
        assert_eq!((gdb.register(RIP), gdb.word(OWN_BREAK_COUNT)), (OWN_LOOP + 1, round));
        assert!(gdb.resume("vCont;c").contains("hwbreak"));
        assert_eq!(gdb.register(RIP), OWN_LAST);
        assert_eq!((gdb.word(OWN_DEBUG_COUNT), gdb.word(OWN_LOOPS)), (2 * round, round - 1));
    }
    assert_eq!(gdb.word(OWN_DR7), 0xd_0402);
    assert_eq!(gdb.word(OWN_DR6) & 0xf00f, 0x4001);
    assert_eq!(gdb.word(OWN_FLAGS) & 0x100, 0);
}

#[test]
fn stepping_through_handlers_leaks_no_flag() {
    let (_run, mut gdb) = paused(OWN_DEBUGGER);
    let mut seen = [false; 2];
    let mut last = 0;
    for _ in 0..220 {
        let stop = gdb.resume("vCont;s:1");
        assert!(stop.starts_with("T05"), "{stop}");
        let at = gdb.register(RIP);
        assert_ne!(at, last, "every step goes somewhere");
        last = at;
        seen[0] |= at == OWN_DEBUG_HANDLER;
        seen[1] |= at == OWN_BREAK_HANDLER;
    }
    assert_eq!(seen, [true; 2], "steps go into handlers");
    let loops = gdb.word(OWN_LOOPS);
    assert!(loops >= 4, "{loops}");
    gdb.order(&format!("Z0,{OWN_LAST:x},1"));
    gdb.resume("vCont;c");
    let loops = gdb.word(OWN_LOOPS);
    assert_eq!((gdb.word(OWN_BREAK_COUNT), gdb.word(OWN_DEBUG_COUNT)), (loops + 1, 2 * loops + 2));
    assert_eq!(gdb.word(OWN_FLAGS) & 0x100, 0);
    assert_eq!(gdb.word(OWN_DR6) & 0xf00f, 0x4001);
}

#[test]
fn ends_are_told() {
    let (run, mut gdb) = paused(POWER_OFF);
    assert_eq!(gdb.resume("vCont;c"), "W00");
    assert_eq!(run.end().0, Some(0));

    let (run, mut gdb) = paused(TRIPLE_FAULT);
    let stop = gdb.resume("vCont;c");
    assert!(stop.starts_with("T06thread:01"), "{stop}");
    assert_eq!(gdb.register(RIP), ENTRY + 7);
    assert_eq!(gdb.resume("vCont;c"), "W03");
    let (status, messages) = run.end();
    assert!(status == Some(3) && messages.contains("triple fault"), "{messages}");

    let (_run, mut gdb) = paused(RESET);
    for _ in 0..2 {
        let stop = gdb.resume("vCont;c");
        assert!(stop.starts_with("T05thread:01"), "{stop}");
        assert_eq!(gdb.register(RIP), ENTRY);
    }

    let (run, mut gdb) = paused(LOOP);
    gdb.order("vKill;1");
    assert_eq!(run.end().0, Some(0));
}

#[test]
fn monitor_commands_tell_what_the_protocol_does_not() {
    let (_run, mut gdb) = paused(LOOP);
    assert!(gdb.monitor("help").contains("info vps"));
    let text = gdb.monitor("info vps");
    assert!(text.contains("processor 0: running, 32-bit code at") && text.contains("0x100020"), "{text}");
    assert!(gdb.monitor("info registers").contains("gdtr"));
    assert!(gdb.monitor("exits").contains("processor 0: ran for"));
    assert!(gdb.monitor("cpuid 0").contains("00000000.0x0: eax"));
    assert!(gdb.monitor("translate 0x1234").contains("0x1234"));
    assert!(gdb.monitor("dance").contains("unknown command"));
    gdb.resume("vCont;s:1");
    assert!(gdb.monitor("reset").contains("reset"));
    assert_eq!(gdb.register(RIP), ENTRY);
    assert!(gdb.monitor("arch i386").contains("connect again"));
    assert!(gdb.ask("qXfer:features:read:target.xml:0,fff").contains("i386:x86-64"));
    gdb.order("D");
    let mut gdb = Client::connect(&_run);
    let description = gdb.ask("qXfer:features:read:target.xml:0,fff");
    assert!(description.contains("<architecture>i386</architecture>"), "{description}");
    assert_eq!(gdb.ask("p8").len(), 8);
}

#[test]
fn all_registers_are_one_string() {
    let (_run, mut gdb) = paused(LOOP);
    let all = gdb.ask("g");
    let bytes = bytes_of(&all);
    assert_eq!(bytes[128..136], ENTRY.to_le_bytes());
    let mut changed = all.clone();
    changed.replace_range(0..4, "3412");
    gdb.order(&format!("G{changed}"));
    assert_eq!(gdb.register(RAX) & 0xffff, 0x1234);
    gdb.order(&format!("G{all}"));
    assert_eq!(gdb.ask("g"), all);
}

/// The number of a register by its name, from the target's description.
fn number_of(gdb: &mut Client, name: &str) -> u32 {
    let mut description = String::new();
    loop {
        let part = gdb.ask(&format!("qXfer:features:read:target.xml:{:x},800", description.len()));
        description.push_str(&part[1..]);
        if !part.starts_with('m') {
            break;
        }
    }
    let (_, rest) = description.split_once(&format!("name=\"{name}\"")).expect("the register");
    let (_, rest) = rest.split_once("regnum=\"").expect("a number");
    rest.split('"').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// The line of a segment in the list of registers.
fn segment(gdb: &mut Client, name: &str) -> String {
    let text = gdb.monitor("info registers");
    let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{name} ")));
    line.expect("the segment").trim().to_owned()
}

#[test]
fn a_selector_loads_its_descriptor() {
    const CS: u32 = 18;
    const SS: u32 = 19;
    const DS: u32 = 20;
    const ES: u32 = 21;
    let (_run, mut gdb) = paused(LOOP);
    let descriptors: [u64; 8] = [
        0,
        0x00cf_9b00_0000_ffff, // 08: code
        0x00cf_9300_0000_ffff, // 10: data
        0x0040_9212_3000_0fff, // 18: data, small, at 123000h
        0x00cf_1300_0000_ffff, // 20: data, not present
        0x0000_8900_0000_0067, // 28: a task
        0x00cf_9900_0000_ffff, // 30: code that cannot be read
        0x00cf_f300_0000_ffff, // 38: data of level 3
    ];
    let hex: String = descriptors.into_iter().map(hex_word).collect();
    gdb.order(&format!("M200200,40:{hex}"));
    let (base, limit) = (number_of(&mut gdb, "gdtr_base"), number_of(&mut gdb, "gdtr_limit"));
    gdb.order(&format!("P{base:x}={}", hex_word(0x20_0200)));
    gdb.order(&format!("P{limit:x}=3f000000"));
    let write = |gdb: &mut Client, number: u32, selector: u8| {
        gdb.ask(&format!("P{number:x}={selector:02x}000000")) == "OK"
    };
    // The selector that is there keeps what it has.
    let flat = segment(&mut gdb, "ds");
    assert!(flat.starts_with("ds 0018") && write(&mut gdb, DS, 0x18));
    assert_eq!(segment(&mut gdb, "ds"), flat);
    assert!(write(&mut gdb, DS, 0x10) && write(&mut gdb, DS, 0x18));
    let line = segment(&mut gdb, "ds");
    assert_eq!(line, "ds 0018 base 0000000000123000 limit 00000fff attributes 4093");
    assert_eq!(gdb.ask("m20021d,1"), "93", "accessed");
    // Not present, a task, not readable, behind the table, in an LDT that is not there.
    for selector in [0x20, 0x28, 0x30, 0x40, 0x0c] {
        assert!(!write(&mut gdb, DS, selector), "{selector:x}");
    }
    assert_eq!(segment(&mut gdb, "ds"), line);
    assert!(write(&mut gdb, DS, 0x3b) && write(&mut gdb, ES, 0));
    assert_eq!(segment(&mut gdb, "es"), "es 0000 base 0000000000000000 limit 00000000 attributes 0000");
    assert!(!write(&mut gdb, SS, 0x3b) && !write(&mut gdb, SS, 0) && write(&mut gdb, SS, 0x10));
    assert!(!write(&mut gdb, CS, 0x18) && !write(&mut gdb, CS, 0) && write(&mut gdb, CS, 0x30));
    // The guest goes on with them.
    for _ in 0..3 {
        gdb.resume("vCont;s:1");
    }
    assert_eq!(gdb.word(WATCHED), 0x1122_3344);
}

#[test]
fn a_socket_in_the_file_system_serves_as_well() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("gdb");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_openwhp"))
        .args(["run", "--net", "none", "--memory", "16M", "--timeout", "60", "--paused", "--gdb"])
        .arg(format!("unix:{}", path.display()))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the command starts");
    let mut stream = loop {
        match std::os::unix::net::UnixStream::connect(&path) {
            Ok(stream) => break stream,
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
        assert!(child.try_wait().expect("it was started here").is_none(), "it runs");
    };
    std::io::Write::write_all(&mut stream, b"$vKill;1#6e").expect("a connection");
    assert_eq!(child.wait().expect("it was started here").code(), Some(0));
    assert!(!path.exists(), "the socket goes with the run");
}
