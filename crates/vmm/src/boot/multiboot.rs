//! Multiboot 1 kernels: 32-bit ELF files, or images that carry their own load addresses.
//!
//! # Source
//! GNU "Multiboot Specification" version 0.6.96.

use openwhp::RegisterName;

use super::LoadError;
use super::Payload;
use super::Ram;
use super::elf32;
use super::elf32::Segment;
use super::elf32::u32_at;
use super::entry;
use crate::layout;
use crate::layout::Region;

const HEADER_MAGIC: u32 = 0x1bad_b002;
const LOADER_MAGIC: u64 = 0x2bad_b002;
/// The header lies in this many first bytes.
const SEARCH: usize = 8192;
const FLAG_ADDRESSES: u32 = 1 << 16;
/// Required features that are met: page-aligned modules, memory information, addresses.
const KNOWN_REQUIRED: u32 = 0x0003;

const INFO_MEMORY: u32 = 1;
const INFO_COMMAND_LINE: u32 = 1 << 2;
const INFO_MODULES: u32 = 1 << 3;
const INFO_MEMORY_MAP: u32 = 1 << 6;

const MODULES: u64 = layout::START_INFO + 0x100;
const MEMORY_MAP: u64 = layout::START_INFO + 0x200;

/// Finds the header; returns its offset.
pub(super) fn find_header(image: &[u8]) -> Option<usize> {
    let window = &image[..image.len().min(SEARCH)];
    (0..window.len().saturating_sub(11)).step_by(4).find(|&at| {
        let word = |index: usize| u32_at(window, at + 4 * index).unwrap_or(0);
        word(0) == HEADER_MAGIC && word(0).wrapping_add(word(1)).wrapping_add(word(2)) == 0
    })
}

fn malformed(reason: &str) -> LoadError {
    LoadError::Malformed { kind: "multiboot", reason: reason.to_owned() }
}

pub(super) fn load(payload: &Payload, ram: &Ram) -> Result<entry::Registers, LoadError> {
    let image = &payload.kernel[..];
    let at = find_header(image).ok_or_else(|| malformed("it has no header"))?;
    let flags = u32_at(image, at + 4).unwrap_or(0);
    if flags & 0xffff & !KNOWN_REQUIRED != 0 {
        return Err(malformed("it requires a feature that is not offered"));
    }
    let (start, segments) =
        if flags & FLAG_ADDRESSES != 0 { from_addresses(image, at) } else { elf32::segments(image) }
            .ok_or_else(|| malformed("its addresses or program headers make no sense"))?;
    let end = elf32::put(image, &segments, ram)?.ok_or_else(|| malformed("it is cut off"))?;
    super::put_command_line(payload, ram, usize::MAX)?;
    let initrd = super::put_initrd(payload, ram, end, 1 << 32)?;
    put_info(ram, initrd)?;
    let mut registers = entry::protected(ram, start)?;
    registers.push((RegisterName::RAX, LOADER_MAGIC.into()));
    registers.push((RegisterName::RBX, layout::START_INFO.into()));
    Ok(registers)
}

fn from_addresses(image: &[u8], at: usize) -> Option<(u64, Vec<Segment>)> {
    let field = |index: usize| u32_at(image, at + 12 + 4 * index);
    let (header, load, load_end, bss_end, start) = (field(0)?, field(1)?, field(2)?, field(3)?, field(4)?);
    let offset = at.checked_sub(header.checked_sub(load)? as usize)?;
    let file_len = match load_end {
        0 => image.len() - offset,
        end => end.checked_sub(load)? as usize,
    };
    let memory_len = u64::from(bss_end.saturating_sub(load)).max(file_len as u64);
    Some((u64::from(start), vec![Segment { offset, file_len, gpa: u64::from(load), memory_len }]))
}

fn put_info(ram: &Ram, initrd: Option<(u64, u64)>) -> Result<(), LoadError> {
    let map = memory_map(&layout::memory_map(ram.len()));
    let mut words = [0_u32; 29];
    words[0] = INFO_MEMORY | INFO_COMMAND_LINE | INFO_MEMORY_MAP;
    words[1] = (layout::CONVENTIONAL_END >> 10) as u32;
    words[2] = ((ram.low() - layout::ONE_MIB) >> 10) as u32;
    words[4] = layout::COMMAND_LINE as u32;
    words[11] = map.len() as u32;
    words[12] = MEMORY_MAP as u32;
    if let Some((start, len)) = initrd {
        words[0] |= INFO_MODULES;
        words[5] = 1;
        words[6] = MODULES as u32;
        ram.put(MODULES, &bytes_of(&[start as u32, (start + len) as u32, 0, 0]))?;
    }
    ram.put(layout::START_INFO, &bytes_of(&words))?;
    ram.put(MEMORY_MAP, &map)
}

fn memory_map(regions: &[Region]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for region in regions {
        bytes.extend_from_slice(&20_u32.to_le_bytes());
        bytes.extend_from_slice(&region.start.to_le_bytes());
        bytes.extend_from_slice(&region.len.to_le_bytes());
        bytes.extend_from_slice(&(region.kind as u32).to_le_bytes());
    }
    bytes
}

fn bytes_of(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
