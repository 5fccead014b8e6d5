//! Installs the library into a temporary folder and uses it as a C program would: pkg-config, compiler, run.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

use openwhp_abi::functions::x64::FUNCTIONS;

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

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{messages}");
    output
}

fn is_installed(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: no {tool}");
    }
    found
}

/// An installation below a folder.
struct Installation {
    root: tempfile::TempDir,
}

impl Installation {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        // What the tests were built from is built already.
        let profile = if cfg!(debug_assertions) { "PROFILE=dev" } else { "PROFILE=release" };
        run(Command::new("make")
            .current_dir(workspace())
            .args(["install-lib", profile, "PREFIX=/usr"])
            .arg(format!("DESTDIR={}", root.path().display())));
        Self { root }
    }

    fn library_folder(&self) -> PathBuf {
        self.root.path().join("usr/lib")
    }

    fn flags(&self, package: &str, question: &[&str]) -> Vec<String> {
        let output = run(Command::new("pkg-config")
            .env("PKG_CONFIG_PATH", self.library_folder().join("pkgconfig"))
            .env("PKG_CONFIG_SYSROOT_DIR", self.root.path())
            .args(question)
            .arg(package));
        String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
    }

    /// Compiles an example with the flags of pkg-config; returns what it prints.
    fn output_of(
        &self,
        compiler: &str,
        language: (&str, &str),
        example: &str,
        libraries: &[String],
    ) -> String {
        let binary = self.root.path().join(format!("{example}-{compiler}"));
        run(Command::new(compiler)
            .args([
                "-x",
                language.0,
                &format!("-std={}", language.1),
                "-Wall",
                "-Wextra",
                "-Werror",
                "-pedantic",
            ])
            .args(self.flags("winhvplatform", &["--cflags"]))
            .arg(workspace().join("examples/c").join(format!("{example}.c")))
            .args(["-x", "none", "-o"])
            .arg(&binary)
            .args(libraries));
        let output = run(Command::new(&binary).env("LD_LIBRARY_PATH", self.library_folder()));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn an_installed_library_serves_c_programs() {
    if !["make", "pkg-config", "gcc"].into_iter().all(is_installed) {
        return;
    }
    let installation = Installation::new();
    let shared = installation.flags("winhvplatform", &["--libs"]);
    let emulation = installation.flags("winhvemulation", &["--libs"]);
    for (compiler, language) in [("gcc", ("c", "c11")), ("clang", ("c", "c17")), ("g++", ("c++", "c++20"))] {
        if !is_installed(compiler) {
            continue;
        }
        assert_eq!(installation.output_of(compiler, language, "real_mode", &shared), REAL_MODE_OUTPUT);
        assert_eq!(installation.output_of(compiler, language, "long_mode", &shared), LONG_MODE_OUTPUT);
        let printed = installation.output_of(compiler, language, "mmio_device", &emulation);
        assert_eq!(printed, MMIO_DEVICE_OUTPUT);
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
    assert_eq!(installation.output_of("gcc", ("c", "c11"), "real_mode", &one), REAL_MODE_OUTPUT);
    let both = [&[archive("WinHvEmulation"), archive("WinHvPlatform")], system.as_slice()].concat();
    assert_eq!(installation.output_of("gcc", ("c", "c11"), "mmio_device", &both), MMIO_DEVICE_OUTPUT);
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
