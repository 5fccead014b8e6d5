//! Installs the library into a temporary folder, compiles programs written for Windows with pkg-config's flags, and
//! runs them.

#[path = "../../capi/tests/installation/mod.rs"]
mod installation;

use std::path::Path;
use std::process::Command;

use installation::Choice;
use installation::Installation;
use installation::is_installed;
use installation::run;
use installation::workspace;

/// Compilers, each with a language and a standard; everything is compiled and run with these.
const COMPILERS: [Choice<'_>; 4] =
    [("gcc", "c", "c11"), ("clang", "c", "c17"), ("g++", "c++", "c++17"), ("clang++", "c++", "c++20")];

/// With these the headers are compiled, as the functions are the same.
const STANDARDS: [Choice<'_>; 4] =
    [("gcc", "c", "c17"), ("clang", "c", "c11"), ("g++", "c++", "c++20"), ("clang++", "c++", "c++17")];

/// Programs of this crate: each says what is wrong and returns whether anything is.
const CHECKS: [&str; 6] = ["types", "waits", "locks", "memory", "runtime", "console"];

const REAL_MODE_OUTPUT: &str = "\
page 0x5000 is touched
page 0x8000 is touched
port 0xe9: 55
halted at 0x1013, 55 is stored
";

const TWO_PROCESSORS_OUTPUT: &str = "\
both processors are started
counted to 1000000
the second processor still spins
the second processor left: cancelled
the first processor left: halted
";

const DOORBELL_OUTPUT: &str = "\
the device squares 3
the guest reads 9
the device squares 2
the guest reads 4
the device squares 1
the guest reads 1
done
";

const MMIO_OUTPUT: &str = "\
write 5 at 0
read 5 at 0
write 8 at 0
read 8 at 0
read 1 at 16
read 4 at 20
read 9 at 24
read 16 at 28
stored 8, copied 1 4 9 16, 4 exits
";

/// Examples with what they print.
const EXAMPLES: [(&str, &str); 4] = [
    ("c/win_real_mode.c", REAL_MODE_OUTPUT),
    ("c/win_two_processors.c", TWO_PROCESSORS_OUTPUT),
    ("c/win_doorbell.c", DOORBELL_OUTPUT),
    ("cpp/win_mmio_device.cpp", MMIO_OUTPUT),
];

#[test]
fn windows_programs_compile_unchanged_and_run() {
    let Some(installation) = Installation::new() else { return };
    // The one command that the documentation names.
    let flags = installation.flags("winhvplatform-windows", &["--cflags", "--libs"]);
    for choice in COMPILERS {
        if is_installed(choice.0) {
            checks_hold(&installation, &flags, choice);
            examples_print_what_they_say(&installation, &flags, choice);
        }
    }
    every_header_stands_alone(&installation, &flags);
    let headers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/types.c");
    for choice in STANDARDS.into_iter().filter(|choice| is_installed(choice.0)) {
        installation.compile(choice, &flags, &headers);
    }
}

/// Each header, the first of a program, with narrow and wide names.
fn every_header_stands_alone(installation: &Installation, flags: &[String]) {
    let folder = installation.root.path().join("usr/include/openwhp/windows");
    let source = installation.root.path().join("alone.c");
    for header in std::fs::read_dir(folder).expect("the headers") {
        let header = header.expect("a header").file_name();
        let Some(name) = header.to_str().filter(|name| name.ends_with(".h")) else { continue };
        std::fs::write(&source, format!("#include <{name}>\n")).expect("a program");
        run(Command::new("gcc")
            .args(["-fsyntax-only", "-std=c11", "-Wall", "-Wextra", "-Werror", "-DUNICODE", "-D_UNICODE"])
            .arg(&source)
            .args(flags));
    }
}

fn checks_hold(installation: &Installation, flags: &[String], choice: Choice<'_>) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c");
    for check in CHECKS {
        let binary = installation.compile(choice, flags, &sources.join(format!("{check}.c")));
        assert_eq!(installation.output_of(&binary), "", "{check} with {choice:?}");
    }
}

fn examples_print_what_they_say(installation: &Installation, flags: &[String], choice: Choice<'_>) {
    for (example, expected) in EXAMPLES {
        if example.ends_with(".cpp") && choice.1 != "c++" {
            continue;
        }
        let binary = installation.compile(choice, flags, &workspace().join("examples").join(example));
        assert_eq!(installation.output_of(&binary), expected, "{example} with {choice:?}");
    }
}
