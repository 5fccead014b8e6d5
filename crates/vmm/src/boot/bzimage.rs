//! Linux bzImages, entered in long mode when they can be, else in protected mode.
//!
//! # Source
//! Linux "The Linux/x86 Boot Protocol".

use std::io::Cursor;

use linux_loader::bootparam::boot_e820_entry;
use linux_loader::bootparam::boot_params;
use linux_loader::bootparam::setup_header;
use linux_loader::loader::KernelLoader;
use linux_loader::loader::bzimage::BzImage;
use openwhp::RegisterName;
use vm_memory::ByteValued;

use super::LoadError;
use super::Payload;
use super::Protocol;
use super::Ram;
use super::entry;
use super::ram::Scratch;
use crate::layout;

const MAGIC: &[u8] = b"HdrS";
const LOADED_HIGH: u8 = 1;
const CAN_USE_HEAP: u8 = 0x80;
const KERNEL_64: u16 = 1;
const LOADER_UNDEFINED: u8 = 0xff;
const ENTRY_64: u64 = 0x200;

pub(super) fn recognise(image: &[u8]) -> Option<Protocol> {
    if image.get(0x202..0x206)? != MAGIC {
        return None;
    }
    let xloadflags = u16::from_le_bytes(image.get(0x236..0x238)?.try_into().ok()?);
    let version = u16::from_le_bytes(image.get(0x206..0x208)?.try_into().ok()?);
    let is_64 = version >= 0x20c && xloadflags & KERNEL_64 != 0;
    Some(if is_64 { Protocol::Linux64 } else { Protocol::Linux32 })
}

pub(super) fn load(payload: &Payload, ram: &Ram, protocol: Protocol) -> Result<entry::Registers, LoadError> {
    let malformed = |reason: String| LoadError::Malformed { kind: "bzImage", reason };
    let scratch = Scratch::new(ram)?;
    let loaded = BzImage::load(&scratch.memory, None, &mut Cursor::new(&payload.kernel[..]), None)
        .map_err(|error| malformed(error.to_string()))?;
    let header = loaded.setup_header.ok_or_else(|| malformed("it has no setup header".to_owned()))?;
    let start = loaded.kernel_load.0;
    let version = header.version;
    if version < 0x0206 || header.loadflags & LOADED_HIGH == 0 || start < layout::ONE_MIB {
        return Err(malformed(format!("boot protocol {version:#x} is too old")));
    }
    let end = memory_end(&header, start, loaded.kernel_end);
    if end > ram.low() {
        return Err(ram.too_little("the kernel", end));
    }
    scratch.copy_to(ram, start, loaded.kernel_end)?;
    super::put_command_line(payload, ram, header.cmdline_size as usize)?;
    let initrd = super::put_initrd(payload, ram, end, u64::from(header.initrd_addr_max) + 1)?;
    let zero_page = zero_page(header, initrd, ram.len());
    ram.put(layout::ZERO_PAGE, zero_page.as_slice())?;
    let mut registers = match protocol {
        Protocol::Linux64 => entry::long(ram, start + ENTRY_64)?,
        _ => entry::protected(ram, start)?,
    };
    registers.push((RegisterName::RSI, layout::ZERO_PAGE.into()));
    Ok(registers)
}

/// End of the memory that the kernel uses before it reads the memory map.
fn memory_end(header: &setup_header, start: u64, image_end: u64) -> u64 {
    let is_relocatable = header.relocatable_kernel != 0;
    let run = if is_relocatable { start.max(header.pref_address) } else { header.pref_address };
    image_end.max(run + u64::from(header.init_size))
}

fn zero_page(header: setup_header, initrd: Option<(u64, u64)>, memory: u64) -> boot_params {
    let mut page = boot_params { hdr: header, ..boot_params::default() };
    page.hdr.type_of_loader = LOADER_UNDEFINED;
    page.hdr.loadflags |= CAN_USE_HEAP;
    page.hdr.heap_end_ptr = 0xe000;
    page.hdr.cmd_line_ptr = layout::COMMAND_LINE as u32;
    if let Some((start, len)) = initrd {
        page.hdr.ramdisk_image = start as u32;
        page.hdr.ramdisk_size = len as u32;
    }
    page.acpi_rsdp_addr = layout::ACPI_TABLES;
    let map = layout::memory_map(memory);
    page.e820_entries = map.len() as u8;
    for (slot, region) in page.e820_table.iter_mut().zip(map) {
        *slot = boot_e820_entry { addr: region.start, size: region.len, r#type: region.kind as u32 };
    }
    page
}
