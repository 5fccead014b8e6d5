//! What no debugger sends: damaged packets, wrong ones, noise.

use std::io::Write;

use super::client::Client;
use super::client::RIP;
use super::client::Run;
use super::guests::*;

#[test]
fn wrong_packets_are_answered_and_forgotten() {
    let run = Run::start(Some(LOOP), &["--paused"]);
    let mut gdb = Client::connect(&run);
    for packet in [
        "vCont;s",
        "vCont;x:1",
        "vCont;c:99",
        "vCont;s:99",
        "vCont",
        "vCont;",
        "m",
        "mzz,4",
        "m0",
        "M0,4:00",
        "p",
        "pfff",
        "p99999999999999999999",
        "P0",
        "P10=00",
        "G00",
        "Z0",
        "Z9,0,1",
        "Z2,0,0",
        "z0,7,1",
        "Hgx",
        "HgFFFFFFFF",
        "qRcmd,xyz",
        "qXfer:features:read:other:0,10",
        "qXfer:features:read:target.xml:zz,10",
        "X0,4:a",
        "T",
    ] {
        let answer = gdb.ask(packet);
        assert!(
            answer.is_empty() || answer.starts_with('E') || answer.starts_with('O'),
            "{packet}: {answer}"
        );
    }
    for packet in ["vUnknown", "qUnknown", "!", "R", "", "bc", "qC", "qOffsets"] {
        assert_eq!(gdb.ask(packet), "", "{packet}");
    }
    // The stub still knows what it knew.
    gdb.order("Hg1");
    assert_eq!(gdb.register(RIP), ENTRY);
    let long = format!("M200000,2000:{}", "00".repeat(0x2000));
    assert_eq!(gdb.ask(&long), "E01");
    // While the guest runs there is nothing to answer with.
    gdb.send("vCont;c");
    assert_eq!(gdb.ask("g"), "E01");
    assert!(gdb.interrupt().starts_with("T02"));
}

#[test]
fn packets_are_acknowledged_until_that_is_switched_off() {
    let run = Run::start(Some(LOOP), &["--paused"]);
    let mut gdb = Client::connect_raw(run.port);
    gdb.stream.write_all(b"$?#00").expect("a connection");
    assert_eq!(gdb.byte(), Some(b'-'));
    gdb.send("?");
    assert_eq!(gdb.byte(), Some(b'+'));
    let first = gdb.receive();
    assert!(first.starts_with("T05"));
    gdb.stream.write_all(b"-").expect("a connection");
    assert_eq!(gdb.receive(), first);
    gdb.send("QStartNoAckMode");
    assert_eq!((gdb.byte(), gdb.receive()), (Some(b'+'), "OK".to_owned()));
    gdb.send("?");
    assert_eq!(gdb.byte(), Some(b'$'));
}

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.next() as usize % list.len()]
    }
}

/// A packet that begins like a real one and goes on at random.
fn almost(numbers: &mut Numbers) -> String {
    const STARTS: [&str; 24] = [
        "m",
        "M",
        "X",
        "p",
        "P",
        "g",
        "G",
        "Z0,",
        "Z1,",
        "Z2,",
        "z0,",
        "z2,",
        "Hg",
        "Hc",
        "T",
        "vCont;",
        "vCont;s:",
        "qXfer:features:read:target.xml:",
        "qRcmd,",
        "qThreadExtraInfo,",
        "qSupported:",
        "c",
        "s",
        "D;",
    ];
    const PIECES: [&str; 18] = [
        "0",
        "1",
        "2",
        "f",
        "ffffffffffffffff",
        "100031",
        "200000",
        ",",
        ":",
        ";",
        "=",
        "c",
        "s",
        "-1",
        "p1.1",
        "00",
        "*",
        "}",
    ];
    let mut text = (*numbers.pick(&STARTS)).to_owned();
    for _ in 0..numbers.next() % 8 {
        text.push_str(numbers.pick::<&str>(&PIECES));
    }
    text
}

#[test]
fn noise_neither_breaks_nor_holds_the_run() {
    let run = Run::start(Some(LOOP), &["--cpus", "2"]);
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    for round in 0..30 {
        let mut gdb = Client::connect_raw(run.port);
        gdb.stream.set_nodelay(true).expect("a socket option");
        for _ in 0..60 {
            let sent = match numbers.next() % 5 {
                0 => {
                    let noise: Vec<u8> = (0..numbers.next() % 64).map(|_| numbers.next() as u8).collect();
                    gdb.stream.write_all(&noise)
                }
                1 => gdb.stream.write_all(&[3]),
                _ => {
                    let body = almost(&mut numbers);
                    let sum = body.bytes().fold(0_u8, |sum, byte| sum.wrapping_add(byte));
                    gdb.stream.write_all(format!("${body}#{sum:02x}").as_bytes())
                }
            };
            // Detaching ends the connection.
            if sent.is_err() {
                break;
            }
        }
        if round % 2 == 0 {
            continue;
        }
        drop(gdb);
        let mut gdb = Client::connect(&run);
        gdb.order("Hg1");
        assert!(gdb.resume("vCont;s:1").starts_with("T05"));
        gdb.order("D");
    }
    let mut gdb = Client::connect(&run);
    gdb.order("vKill;1");
    let (status, messages) = run.end();
    assert_eq!((status, messages.contains("panicked")), (Some(0), false), "{messages}");
}
