//! Loading kernels: which kind an image is, where its parts go, and the state it is entered with.
//!
//! [`load`] recognises Linux bzImages, multiboot 1 kernels and ELF kernels with a PVH entry, puts them, the
//! initial ramdisk and the protocol's data into guest memory, and returns the first processor's
//! registers.

mod bzimage;
mod elf32;
mod entry;
mod multiboot;
mod pvh;
mod ram;

use std::path::Path;

use openwhp::RegisterName;
use openwhp::RegisterValue;

pub use ram::Ram;

/// What is to be loaded.
#[derive(Clone, Debug)]
pub struct Payload {
    /// The kernel image.
    pub kernel: Vec<u8>,
    /// The initial ramdisk.
    pub initrd: Option<Vec<u8>>,
    /// The command line.
    pub command_line: String,
}

/// How a kernel is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Linux, entered in long mode.
    Linux64,
    /// Linux, entered in protected mode.
    Linux32,
    /// ELF with a PVH note.
    Pvh,
    /// Multiboot 1.
    Multiboot,
}

/// A loaded guest.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The protocol that was recognised.
    pub protocol: Protocol,
    /// Registers of the first processor.
    pub registers: Vec<(RegisterName, RegisterValue)>,
}

/// Why a guest cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The image is none of the known kinds.
    #[error(
        "not a kernel: {0}; known kinds are Linux bzImage, ELF with a PVH note (vmlinux) and multiboot 1"
    )]
    Unknown(&'static str),
    /// The image claims a kind but is malformed.
    #[error("the {kind} kernel is malformed: {reason}")]
    Malformed {
        /// The kind it claims.
        kind: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The guest has too little memory.
    #[error("too little memory: {what} needs {needed} MiB, the guest has {given} MiB; use --memory")]
    TooLittleMemory {
        /// What does not fit.
        what: &'static str,
        /// Memory needed in MiB.
        needed: u64,
        /// Memory given in MiB.
        given: u64,
    },
    /// The command line is too long for the kernel.
    #[error("the command line has {len} bytes, the kernel takes {max}")]
    CommandLine {
        /// Its length.
        len: usize,
        /// The longest that is possible.
        max: usize,
    },
}

/// Recognises an image by its first bytes.
///
/// # Errors
/// [`LoadError::Unknown`] when it is no kernel.
pub fn recognise(image: &[u8]) -> Result<Protocol, LoadError> {
    if let Some(protocol) = bzimage::recognise(image) {
        return Ok(protocol);
    }
    if multiboot::find_header(image).is_some() {
        return Ok(Protocol::Multiboot);
    }
    if image.starts_with(b"\x7fELF") {
        return match image.get(4) {
            Some(2) => Ok(Protocol::Pvh),
            Some(1) if elf32::pvh_entry(image).is_some() => Ok(Protocol::Pvh),
            _ => Err(LoadError::Unknown("it is a 32-bit ELF file without multiboot header and PVH note")),
        };
    }
    Err(LoadError::Unknown(match image {
        [] => "the file is empty",
        [0x1f, 0x8b, ..] => "it is gzip-compressed data",
        [0xfd, b'7', b'z', ..] => "it is xz-compressed data",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is zstd-compressed data",
        [b'#', b'!', ..] => "it is a script",
        _ => "its format is not recognised",
    }))
}

/// Loads a guest into memory of which nothing is in use yet.
///
/// # Errors
/// [`LoadError`] says what is wrong with the kernel or the size of memory.
pub fn load(payload: &Payload, ram: &Ram) -> Result<Loaded, LoadError> {
    let protocol = recognise(&payload.kernel)?;
    let registers = match protocol {
        Protocol::Linux64 | Protocol::Linux32 => bzimage::load(payload, ram, protocol)?,
        Protocol::Pvh => pvh::load(payload, ram)?,
        Protocol::Multiboot => multiboot::load(payload, ram)?,
    };
    Ok(Loaded { protocol, registers })
}

/// Text of an I/O failure with the file's name.
#[must_use]
pub fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

/// Writes the command line with its final zero.
fn put_command_line(payload: &Payload, ram: &Ram, max: usize) -> Result<(), LoadError> {
    let max = max.min(crate::layout::COMMAND_LINE_MAX - 1);
    let text = payload.command_line.as_bytes();
    if text.len() > max {
        return Err(LoadError::CommandLine { len: text.len(), max });
    }
    ram.put(crate::layout::COMMAND_LINE, &[text, &[0]].concat())
}

/// Puts the initial ramdisk at the highest place below `limit`; returns its address and length.
fn put_initrd(
    payload: &Payload,
    ram: &Ram,
    kernel_end: u64,
    limit: u64,
) -> Result<Option<(u64, u64)>, LoadError> {
    let Some(initrd) = &payload.initrd else { return Ok(None) };
    let len = initrd.len() as u64;
    let top = ram.low().min(limit);
    let start = top.checked_sub(len).map(|start| start & !0xfff).filter(|start| *start >= kernel_end);
    let start =
        start.ok_or_else(|| ram.too_little("the kernel with its initial ramdisk", kernel_end + len))?;
    ram.put(start, initrd)?;
    Ok(Some((start, len)))
}

#[cfg(test)]
mod tests;
