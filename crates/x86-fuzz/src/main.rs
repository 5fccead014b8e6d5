//! `fuzz-cpu [--seconds N] [--seed S]`: random programs against the software processor until the time is up.

use openwhp_x86_fuzz::case;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

/// Programs finished.
static DONE: AtomicU64 = AtomicU64::new(0);

/// Ends the process when a program runs for longer than any should.
fn watch(first: u64) {
    let mut seen = u64::MAX;
    loop {
        let now = DONE.load(Ordering::Relaxed);
        if now == seen {
            eprintln!("finding: seed {} does not end", first.wrapping_add(now));
            std::process::exit(1);
        }
        seen = now;
        std::thread::sleep(Duration::from_secs(30));
    }
}

fn main() {
    let mut seconds = 60;
    let mut seed =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64);
    let mut only = false;
    let mut args = std::env::args().skip(1);
    while let Some(a) = args.next() {
        let value = args.next().and_then(|v| v.parse().ok());
        match (a.as_str(), value) {
            ("--seconds", Some(v)) => seconds = v,
            ("--seed", Some(v)) => {
                seed = v;
                only = seconds == 0;
            }
            _ => {
                eprintln!(
                    "usage: fuzz-cpu [--seconds N] [--seed S]   (--seconds 0 --seed S runs that seed once)"
                );
                std::process::exit(2);
            }
        }
    }
    let start = Instant::now();
    let mut n = 0u64;
    eprintln!("starting at seed {seed}");
    std::thread::spawn(move || watch(seed));
    loop {
        let s = seed.wrapping_add(n);
        if std::panic::catch_unwind(|| case(s)).is_err() {
            eprintln!("finding: seed {s}");
            std::process::exit(1);
        }
        n += 1;
        DONE.store(n, Ordering::Relaxed);
        if only || start.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
        if n.is_multiple_of(20_000) {
            eprintln!("{n} programs, {} s", start.elapsed().as_secs());
        }
    }
    println!("{n} random programs, no finding");
}
