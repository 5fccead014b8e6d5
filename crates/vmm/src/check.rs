//! `openwhp check`: what this machine offers, engine by engine, and what to do about what is missing.

use std::fmt::Write;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

use openwhp::EngineChoice;

/// Prints the report.
///
/// # Errors
/// What went wrong, as one line.
pub fn print() -> Result<(), String> {
    print!("{}", report()?);
    Ok(())
}

fn report() -> Result<String, String> {
    let capabilities = openwhp::capabilities(EngineChoice::Soft).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let _ = writeln!(text, "engine soft: available");
    let _ = writeln!(text, "  runs on any machine and needs no privilege");
    let _ = writeln!(text, "  up to {} processors per guest", capabilities.max_processor_count);
    let _ = writeln!(text, "  time stamp counter at {} MHz", capabilities.tsc_hz / 1_000_000);
    let _ = writeln!(text, "engine kvm: not in this version");
    let _ = writeln!(text, "  {}", kvm_device());
    let guest = if crate::run::BUILTIN_GUEST.is_some() {
        "included"
    } else {
        "not included; install gcc and binutils and build again, or give --kernel FILE"
    };
    let _ = writeln!(text, "built-in guest: {guest}");
    let network = match std::net::UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0)) {
        Ok(_) => "available, no privilege needed".to_owned(),
        Err(error) => format!("not available: {error}; run guests with --net none"),
    };
    let _ = writeln!(text, "user-mode network: {network}");
    Ok(text)
}

fn kvm_device() -> String {
    let path = Path::new("/dev/kvm");
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => "/dev/kvm can be opened, for the day it is".to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            "/dev/kvm is missing: no hardware virtualization here, or its kernel module is not loaded"
                .to_owned()
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            "/dev/kvm may not be opened; adding the user to group kvm would help".to_owned()
        }
        Err(error) => format!("/dev/kvm cannot be opened: {error}"),
    }
}
