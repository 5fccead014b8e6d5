//! Installs the library into a temporary folder and uses it as a C program would: pkg-config, compiler, run.

mod installation;

use std::path::Path;
use std::process::Command;

use installation::Choice;
use installation::Installation;
use installation::is_installed;
use installation::run;
use installation::workspace;
use openwhp_abi::functions::x64::FUNCTIONS;

const C11: Choice<'_> = ("gcc", "c", "c11");

const REAL_MODE_OUTPUT: &str = "\
page 0x5000 is touched
page 0x8000 is touched
exception 3 at 0x100e
ax = 55, bx = 55, cx = 0, ip = 0x100e
stored sum = 55
";

const LONG_MODE_OUTPUT: &str = "\
code at linear 0xffff800000001000 is at physical 0x1000
exception 3, long mode active
rax = 0x1122334455667788
rbx = 0x8877665544332211
r8  = 0x9999999999999999
rip = 0xffff80000000101d
stored sum = 0x9999999999999999
";

const MMIO_DEVICE_OUTPUT: &str = "\
display: a text, straight from memory
counter set to 40
counter set to 42
port 0x80: 42
exit reason 8
";

/// Compiles an example with the flags of pkg-config; returns what it prints.
fn output_of(installation: &Installation, choice: Choice<'_>, example: &str, libraries: &[String]) -> String {
    let headers = installation.flags("winhvplatform", &["--cflags"]);
    let flags = [&["-pedantic".to_owned()], headers.as_slice(), libraries].concat();
    let source = workspace().join("examples/c").join(format!("{example}.c"));
    installation.output_of(&installation.compile(choice, &flags, &source))
}

#[test]
fn an_installed_library_serves_c_programs() {
    let Some(installation) = Installation::new() else { return };
    let shared = installation.flags("winhvplatform", &["--libs"]);
    let emulation = installation.flags("winhvemulation", &["--libs"]);
    for choice in [C11, ("clang", "c", "c17"), ("g++", "c++", "c++20")] {
        if !is_installed(choice.0) {
            continue;
        }
        assert_eq!(output_of(&installation, choice, "real_mode", &shared), REAL_MODE_OUTPUT);
        assert_eq!(output_of(&installation, choice, "long_mode", &shared), LONG_MODE_OUTPUT);
        assert_eq!(output_of(&installation, choice, "mmio_device", &emulation), MMIO_DEVICE_OUTPUT);
    }
    links_to_the_static_libraries(&installation);
    exports_only_the_interface(&installation.library_folder(), "WinHvPlatform", &["openwhp_"]);
    exports_only_the_interface(&installation.library_folder(), "WinHvEmulation", &[]);
}

fn links_to_the_static_libraries(installation: &Installation) {
    let folder = installation.library_folder();
    let archive = |name: &str| folder.join(format!("lib{name}.a")).display().to_string();
    let private = installation.flags("winhvemulation", &["--static", "--libs"]);
    let system: Vec<String> =
        private.into_iter().filter(|flag| flag.starts_with("-l") && !flag.starts_with("-lWin")).collect();
    let one = [&[archive("WinHvPlatform")], system.as_slice()].concat();
    assert_eq!(output_of(installation, C11, "real_mode", &one), REAL_MODE_OUTPUT);
    let both = [&[archive("WinHvEmulation"), archive("WinHvPlatform")], system.as_slice()].concat();
    assert_eq!(output_of(installation, C11, "mmio_device", &both), MMIO_DEVICE_OUTPUT);
}

/// Each function of the table that names this library is exported, and nothing else but what has one of `prefixes`.
fn exports_only_the_interface(folder: &Path, library: &str, prefixes: &[&str]) {
    let file = folder.join(format!("lib{library}.so.1"));
    let listing = run(Command::new("nm").args(["-D", "--defined-only", "--format=just-symbols"]).arg(&file));
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let exported: Vec<&str> = listing.lines().collect();
    let is_emulation = library == "WinHvEmulation";
    let functions: Vec<&str> = FUNCTIONS
        .iter()
        .map(|function| function.name)
        .filter(|name| name.starts_with("WHvEmulator") == is_emulation)
        .collect();
    for function in &functions {
        assert!(exported.contains(function), "{library}: {function} is not exported");
    }
    for symbol in exported {
        let is_extension = prefixes.iter().any(|prefix| symbol.starts_with(prefix));
        assert!(functions.contains(&symbol) || is_extension, "{library}: {symbol} is exported");
    }
    let dynamic = run(Command::new("readelf").arg("-d").arg(&file));
    let dynamic = String::from_utf8_lossy(&dynamic.stdout).into_owned();
    assert!(dynamic.contains(&format!("[lib{library}.so.1]")), "{dynamic}");
}
