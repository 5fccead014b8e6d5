//! Registers with which kernels are entered, and the tables in memory that go with them.

use openwhp::RegisterName as Name;
use openwhp::RegisterValue;
use openwhp::SegmentRegister;
use openwhp::TableRegister;

use super::LoadError;
use super::Ram;
use crate::layout;

const CODE_32: u64 = 0x00cf_9b00_0000_ffff;
const CODE_64: u64 = 0x00af_9b00_0000_ffff;
const DATA: u64 = 0x00cf_9300_0000_ffff;

/// Selectors of the Linux boot protocol; the others do not care.
const CODE_SELECTOR: u16 = 0x10;
const DATA_SELECTOR: u16 = 0x18;

const CR0_PE: u64 = 1;
const CR0_ET: u64 = 1 << 4;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const EFER_LONG: u64 = 1 << 8 | 1 << 10;

const PRESENT_WRITABLE: u64 = 3;
const LARGE_PAGE: u64 = 1 << 7;
const TWO_MIB: u64 = 2 << 20;

/// A list of registers to be written.
pub(super) type Registers = Vec<(Name, RegisterValue)>;

fn flat(selector: u16, attributes: u16) -> RegisterValue {
    SegmentRegister { base: 0, limit: 0xffff_ffff, selector, attributes }.into()
}

/// Writes the descriptor table and returns the registers that entries in either mode share.
fn common(ram: &Ram, code: u64, code_attributes: u16) -> Result<Registers, LoadError> {
    // Selector 8 repeats the code segment: some kernels reload it from there.
    let table: Vec<u8> = [0, code, code, DATA].iter().flat_map(|entry| entry.to_le_bytes()).collect();
    ram.put(layout::BOOT_GDT, &table)?;
    let gdtr = TableRegister { base: layout::BOOT_GDT, limit: table.len() as u16 - 1 };
    let mut registers = vec![
        (Name::GDTR, gdtr.into()),
        (Name::CS, flat(CODE_SELECTOR, code_attributes)),
        (Name::RFLAGS, 2.into()),
    ];
    for name in [Name::DS, Name::ES, Name::FS, Name::GS, Name::SS] {
        registers.push((name, flat(DATA_SELECTOR, 0xc093)));
    }
    Ok(registers)
}

/// Entry in 32-bit protected mode without paging.
pub(super) fn protected(ram: &Ram, rip: u64) -> Result<Registers, LoadError> {
    let mut registers = common(ram, CODE_32, 0xc09b)?;
    registers.extend([(Name::CR0, (CR0_PE | CR0_ET).into()), (Name::RIP, rip.into())]);
    Ok(registers)
}

/// Entry in long mode with the first 4 GiB mapped to themselves.
pub(super) fn long(ram: &Ram, rip: u64) -> Result<Registers, LoadError> {
    let mut registers = common(ram, CODE_64, 0xa09b)?;
    put_page_tables(ram)?;
    registers.extend([
        (Name::CR3, layout::PAGE_TABLES.into()),
        (Name::CR4, CR4_PAE.into()),
        (Name::EFER, EFER_LONG.into()),
        (Name::CR0, (CR0_PE | CR0_ET | CR0_PG).into()),
        (Name::RIP, rip.into()),
    ]);
    Ok(registers)
}

fn put_page_tables(ram: &Ram) -> Result<(), LoadError> {
    let (top, middle, low) =
        (layout::PAGE_TABLES, layout::PAGE_TABLES + 0x1000, layout::PAGE_TABLES + 0x2000);
    ram.put(top, &(middle | PRESENT_WRITABLE).to_le_bytes())?;
    for gib in 0..4 {
        let table = low + 0x1000 * gib;
        ram.put(middle + 8 * gib, &(table | PRESENT_WRITABLE).to_le_bytes())?;
        let entries: Vec<u8> = (0..512)
            .map(|index| (gib << 30) + index * TWO_MIB)
            .flat_map(|address| (address | LARGE_PAGE | PRESENT_WRITABLE).to_le_bytes())
            .collect();
        ram.put(table, &entries)?;
    }
    Ok(())
}
