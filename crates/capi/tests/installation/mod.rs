//! An installation in a temporary folder, used as a program's author would: pkg-config, compiler, run.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

/// A compiler, a language and a standard of it.
pub(crate) type Choice<'a> = (&'a str, &'a str, &'a str);

pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let messages = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?}:\n{messages}{printed}");
    output
}

pub(crate) fn is_installed(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: no {tool}");
    }
    found
}

/// An installation below a folder.
pub(crate) struct Installation {
    pub(crate) root: tempfile::TempDir,
}

impl Installation {
    /// Installs, if there are the tools for it.
    pub(crate) fn new() -> Option<Self> {
        if !["make", "pkg-config", "gcc"].into_iter().all(is_installed) {
            return None;
        }
        let root = tempfile::tempdir().expect("a temporary folder");
        // What the tests were built from is built already.
        let profile = if cfg!(debug_assertions) { "PROFILE=dev" } else { "PROFILE=release" };
        run(Command::new("make")
            .current_dir(workspace())
            .args(["install-lib", profile, "PREFIX=/usr"])
            .arg(format!("DESTDIR={}", root.path().display())));
        Some(Self { root })
    }

    pub(crate) fn library_folder(&self) -> PathBuf {
        self.root.path().join("usr/lib")
    }

    /// What pkg-config answers.
    pub(crate) fn flags(&self, package: &str, question: &[&str]) -> Vec<String> {
        let output = run(Command::new("pkg-config")
            .env("PKG_CONFIG_PATH", self.library_folder().join("pkgconfig"))
            .env("PKG_CONFIG_SYSROOT_DIR", self.root.path())
            .args(question)
            .arg(package));
        String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
    }

    /// Compiles a program without a warning; returns where it is.
    pub(crate) fn compile(
        &self,
        (compiler, language, standard): Choice<'_>,
        flags: &[String],
        source: &Path,
    ) -> PathBuf {
        let stem = source.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let binary = self.root.path().join(format!("{stem}-{compiler}-{standard}"));
        run(Command::new(compiler)
            .args(["-x", language, &format!("-std={standard}"), "-Wall", "-Wextra", "-Werror"])
            .arg(source)
            .args(["-x", "none", "-o"])
            .arg(&binary)
            .args(flags));
        binary
    }

    /// What a program prints.
    pub(crate) fn output_of(&self, binary: &Path) -> String {
        let output = run(Command::new(binary).env("LD_LIBRARY_PATH", self.library_folder()));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
