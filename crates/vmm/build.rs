//! Builds the built-in guest from `guests/builtin`, when the machine has a C compiler.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(builtin_guest)");
    let Some(out) = std::env::var_os("OUT_DIR").map(PathBuf::from) else { return };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/builtin");
    println!("cargo::rerun-if-changed={}", source.display());
    let built = Command::new("sh").arg(source.join("build.sh")).arg(out.join("builtin.elf")).output();
    match built {
        Ok(output) if output.status.success() => println!("cargo::rustc-cfg=builtin_guest"),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            let reason = text.lines().next().unwrap_or("no reason given");
            println!("cargo::warning=the built-in guest is not included: {reason}");
        }
        Err(error) => println!("cargo::warning=the built-in guest is not included: {error}"),
    }
}
