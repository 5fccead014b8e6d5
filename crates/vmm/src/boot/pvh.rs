//! ELF kernels with a PVH entry point.
//!
//! # Source
//! Xen "x86/HVM direct boot ABI".

use std::io::Cursor;

use linux_loader::loader::KernelLoader;
use linux_loader::loader::elf::Elf;
use linux_loader::loader::elf::PvhBootCapability;
use linux_loader::loader::elf::start_info::hvm_memmap_table_entry;
use linux_loader::loader::elf::start_info::hvm_modlist_entry;
use linux_loader::loader::elf::start_info::hvm_start_info;
use openwhp::RegisterName;
use vm_memory::ByteValued;

use super::LoadError;
use super::Payload;
use super::Ram;
use super::elf32;
use super::entry;
use super::ram::Scratch;
use crate::layout;

const MAGIC: u32 = 0x336e_c578;
const MODULES: u64 = layout::START_INFO + 0x100;
const MEMORY_MAP: u64 = layout::START_INFO + 0x200;

fn malformed(reason: &str) -> LoadError {
    LoadError::Malformed { kind: "ELF", reason: reason.to_owned() }
}

pub(super) fn load(payload: &Payload, ram: &Ram) -> Result<entry::Registers, LoadError> {
    let (start, end) = match elf32::pvh_entry(&payload.kernel) {
        Some(start) => (start, put_32(&payload.kernel, ram)?),
        None => put_64(&payload.kernel, ram)?,
    };
    super::put_command_line(payload, ram, usize::MAX)?;
    let initrd = super::put_initrd(payload, ram, end, 1 << 32)?;
    put_start_info(ram, initrd)?;
    let mut registers = entry::protected(ram, start)?;
    registers.push((RegisterName::RBX, layout::START_INFO.into()));
    Ok(registers)
}

fn put_32(image: &[u8], ram: &Ram) -> Result<u64, LoadError> {
    let (_, segments) = elf32::segments(image).ok_or_else(|| malformed("it has no segments"))?;
    elf32::put(image, &segments, ram)?.ok_or_else(|| malformed("it is cut off"))
}

/// Loads a 64-bit kernel; returns its PVH entry and its end.
fn put_64(image: &[u8], ram: &Ram) -> Result<(u64, u64), LoadError> {
    let scratch = Scratch::new(ram)?;
    let end = memory_end(image).ok_or_else(|| malformed("its headers are cut off"))?;
    if end > ram.low() {
        return Err(ram.too_little("the kernel", end));
    }
    let loaded = Elf::load(&scratch.memory, None, &mut Cursor::new(image), None)
        .map_err(|error| malformed(&error.to_string()))?;
    let PvhBootCapability::PvhEntryPresent(start) = loaded.pvh_boot_cap else {
        return Err(LoadError::Unknown("it is a 64-bit ELF file without a PVH note"));
    };
    scratch.copy_to(ram, 0, loaded.kernel_end)?;
    Ok((start.0, end))
}

/// End of the highest loaded segment, zeros included.
fn memory_end(image: &[u8]) -> Option<u64> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(image.get(at..at + 2)?.try_into().ok()?));
    let u64_at = |at: usize| Some(u64::from_le_bytes(image.get(at..at.checked_add(8)?)?.try_into().ok()?));
    let (table, size, count) = (u64_at(32)?, u16_at(54)?, u16_at(56)?);
    let mut end = 0;
    for index in 0..usize::from(count) {
        let at = usize::try_from(table).ok()?.checked_add(index * usize::from(size))?;
        let kind = u32::from_le_bytes(image.get(at..at.checked_add(4)?)?.try_into().ok()?);
        if kind == 1 {
            end = end.max(u64_at(at + 24)?.checked_add(u64_at(at + 40)?)?);
        }
    }
    Some(end)
}

fn put_start_info(ram: &Ram, initrd: Option<(u64, u64)>) -> Result<(), LoadError> {
    let map = layout::memory_map(ram.len());
    let mut info = hvm_start_info {
        magic: MAGIC,
        version: 1,
        cmdline_paddr: layout::COMMAND_LINE,
        rsdp_paddr: layout::ACPI_TABLES,
        memmap_paddr: MEMORY_MAP,
        memmap_entries: map.len() as u32,
        ..Default::default()
    };
    if let Some((start, len)) = initrd {
        info.nr_modules = 1;
        info.modlist_paddr = MODULES;
        let module = hvm_modlist_entry { paddr: start, size: len, ..Default::default() };
        ram.put(MODULES, module.as_slice())?;
    }
    ram.put(layout::START_INFO, info.as_slice())?;
    for (index, region) in map.iter().enumerate() {
        let entry = hvm_memmap_table_entry {
            addr: region.start,
            size: region.len,
            type_: region.kind as u32,
            reserved: 0,
        };
        let at = MEMORY_MAP + (index * size_of::<hvm_memmap_table_entry>()) as u64;
        ram.put(at, entry.as_slice())?;
    }
    Ok(())
}
