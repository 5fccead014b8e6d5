//! Where things are in the guest's physical address space, and the memory map that guests are told.

/// First address above the low memory: memory beyond it continues at [`HIGH_MEMORY`].
pub const LOW_MEMORY_END: u64 = 0xc000_0000;
/// Where memory continues above the holes for devices.
pub const HIGH_MEMORY: u64 = 1 << 32;
/// The window in which PCI functions have their registers.
pub const PCI_WINDOW: u64 = 0xc000_0000;
/// Last byte of the window.
pub const PCI_WINDOW_LAST: u64 = 0xdfff_ffff;
/// The memory-mapped PCI configuration space.
pub const ECAM: u64 = 0xe000_0000;
/// The I/O APIC's page.
pub const IO_APIC: u64 = 0xfec0_0000;
/// The local APICs' page.
pub const LOCAL_APIC: u64 = 0xfee0_0000;

/// Smallest memory a guest gets.
pub const MEMORY_MIN: u64 = 4 << 20;
/// Largest memory a guest gets.
pub const MEMORY_MAX: u64 = 64 << 30;

/// Descriptor table that the loader leaves for entries in protected and long mode.
pub const BOOT_GDT: u64 = 0x500;
/// Start information of the PVH and multiboot protocols.
pub const START_INFO: u64 = 0x6000;
/// The zero page of the Linux boot protocol.
pub const ZERO_PAGE: u64 = 0x7000;
/// Identity-mapping page tables for the 64-bit entry.
pub const PAGE_TABLES: u64 = 0x9000;
/// The command line.
pub const COMMAND_LINE: u64 = 0x2_0000;
/// Bytes kept for the command line with its final zero.
pub const COMMAND_LINE_MAX: usize = 0x1_0000;
/// End of conventional memory.
pub const CONVENTIONAL_END: u64 = 0x9_fc00;
/// ACPI tables; the root pointer is the first of them, where firmware would put it.
pub const ACPI_TABLES: u64 = 0xe_0000;
/// End of the first mebibyte.
pub const ONE_MIB: u64 = 0x10_0000;

/// Kinds of memory as E820 numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum RegionKind {
    /// Usable memory.
    Usable = 1,
    /// Not to be touched.
    Reserved = 2,
}

/// One line of the memory map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// Kind.
    pub kind: RegionKind,
}

/// Bytes of memory below the device hole.
#[must_use]
pub fn low_memory(memory: u64) -> u64 {
    memory.min(LOW_MEMORY_END)
}

/// Bytes of memory above the device hole.
#[must_use]
pub fn high_memory(memory: u64) -> u64 {
    memory.saturating_sub(LOW_MEMORY_END)
}

/// The memory map of a guest with `memory` bytes, in ascending order.
#[must_use]
pub fn memory_map(memory: u64) -> Vec<Region> {
    let region = |start, end, kind| Region { start, len: end - start, kind };
    let mut map = vec![
        region(0, CONVENTIONAL_END, RegionKind::Usable),
        region(CONVENTIONAL_END, 0xa_0000, RegionKind::Reserved),
        region(ACPI_TABLES, ONE_MIB, RegionKind::Reserved),
        region(ONE_MIB, low_memory(memory), RegionKind::Usable),
        region(ECAM, ECAM + openwhp_devices::pci::ECAM_LENGTH, RegionKind::Reserved),
    ];
    if high_memory(memory) > 0 {
        map.push(region(HIGH_MEMORY, HIGH_MEMORY + high_memory(memory), RegionKind::Usable));
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_ordered_and_counts_the_memory() {
        for memory in [MEMORY_MIN, 512 << 20, 3 << 30, 5 << 30] {
            let map = memory_map(memory);
            assert!(map.windows(2).all(|pair| pair[0].start + pair[0].len <= pair[1].start));
            let usable: u64 =
                map.iter().filter(|region| region.kind == RegionKind::Usable).map(|region| region.len).sum();
            assert_eq!(usable, memory - (ONE_MIB - CONVENTIONAL_END));
        }
    }
}
