//! Large doses of differential testing.
//!
//! `--count N` cases (default 100000), `--seed S`, `--class int,sse,...` (default int), `--code PREFIX`,
//! `--bits 32` for compatibility mode, `--strict` to compare undefined flags too, `--case NAME SEED BITS` for a single kept case.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn main() -> std::process::ExitCode {
    use openwhp_x86_difftest::filter::Class;
    use openwhp_x86_difftest::session::Session;

    let number = |s: &str| match s.strip_prefix("0x") {
        Some(h) => u64::from_str_radix(h, 16).ok(),
        None => s.parse().ok(),
    };
    let (mut count, mut seed, mut strict, mut only) = (100_000, 1, false, String::new());
    let mut classes = vec![Class::Int];
    let mut bits = 64;
    let mut kept = String::new();
    let mut args = std::env::args().skip(1);
    while let Some(a) = args.next() {
        let mut value = || args.next().unwrap_or_default();
        match a.as_str() {
            "--count" => count = number(&value()).unwrap_or(count),
            "--seed" => seed = number(&value()).unwrap_or(seed),
            "--code" => only = value(),
            "--bits" => bits = if value() == "32" { 32 } else { 64 },
            "--strict" => strict = true,
            "--class" => {
                let v = value();
                classes = if v == "all" {
                    Class::ALL.to_vec()
                } else {
                    v.split(',').filter_map(Class::from_name).collect()
                };
            }
            "--case" => {
                let (name, seed, bits) = (value(), value(), value());
                kept = format!("{name} {seed} {bits}");
            }
            _ => {
                eprintln!("unknown argument {a}");
                return std::process::ExitCode::from(2);
            }
        }
    }
    let mut s = match Session::new() {
        Ok(s) => s,
        Err(e) => {
            eprintln!("cannot set up: {e}");
            return std::process::ExitCode::from(2);
        }
    };
    s.strict = strict;
    if kept.is_empty() {
        s.many(&classes, bits, &only, count, seed);
    } else {
        s.kept(&kept);
    }
    let r = &s.report;
    let bad: u64 = r.mismatches.values().map(|(n, _)| n).sum();
    for (name, (n, first)) in &r.mismatches {
        println!("{name}: {n}\n  {first}");
    }
    println!(
        "compared {}, host lacks {}, not encodable {}, mismatches {bad} in {} codes",
        r.compared,
        r.host_lacks,
        r.discarded,
        r.mismatches.len()
    );
    std::process::ExitCode::from(u8::from(bad != 0))
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn main() {
    eprintln!("differential tests need a 64-bit x86 Linux host");
}
