//! Manual pages, made from the command line's own description.

use std::path::Path;

use crate::cli;

/// Writes `openwhp.1` and a page per command into a directory.
///
/// # Errors
/// What went wrong, as one line.
pub fn write(directory: &Path) -> Result<(), String> {
    let refused = |error: std::io::Error| format!("cannot write to {}: {error}", directory.display());
    std::fs::create_dir_all(directory).map_err(refused)?;
    for (name, page) in pages().map_err(refused)? {
        std::fs::write(directory.join(name), page).map_err(refused)?;
    }
    Ok(())
}

/// Every page with its file name.
///
/// # Errors
/// Never in practice: pages are written to memory.
pub fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = cli::description();
    command.build();
    let mut pages = vec![page(command.clone(), "openwhp".to_owned())?];
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let name = format!("openwhp-{}", sub.get_name());
        pages.push(page(sub.clone(), name)?);
    }
    Ok(pages)
}

fn page(command: clap::Command, name: String) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command).render(&mut bytes)?;
    Ok((format!("{name}.1"), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_pages_are_up_to_date() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man");
        for (name, page) in pages().expect("pages are written to memory") {
            let path = directory.join(&name);
            let found = std::fs::read(&path).unwrap_or_default();
            assert!(found == page, "{name} differs; run: cargo run -p openwhp-vmm -- man docs/man");
        }
    }
}
