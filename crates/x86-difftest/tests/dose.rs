//! A small dose of random instructions; the kept seeds come first.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use openwhp_x86_difftest::filter::Class;
use openwhp_x86_difftest::session::Session;

const KEPT: &str = include_str!("kept.txt");

#[test]
fn software_and_host_agree() {
    let mut s = Session::new().expect("host side");
    let kept = s.kept(KEPT);
    assert!(kept.is_empty(), "{}", kept.iter().map(ToString::to_string).collect::<String>());
    for (n, class) in Class::ALL.into_iter().enumerate() {
        s.many(&[class], 64, "", if class == Class::Int { 20_000 } else { 5_000 }, 0x5eed + n as u64);
    }
    s.many(&[Class::Int], 32, "", 10_000, 0x5eed);
    assert!(s.report.compared + s.report.host_lacks > 35_000, "only {} cases", s.report.compared);
    let found: String = s.report.mismatches.values().map(|(_, m)| m.to_string()).collect();
    assert!(found.is_empty(), "add these lines to kept.txt once fixed:\n{found}");
}
