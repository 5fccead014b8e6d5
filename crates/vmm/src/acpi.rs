//! The ACPI tables that describe the machine.
//!
//! # Source
//! ACPI Specification 6.5; PCI Firmware Specification 3.3 for MCFG.

use acpi_tables::Aml;
use acpi_tables::aml;
use acpi_tables::aml::AddressSpace;
use acpi_tables::aml::AddressSpaceCacheable;
use acpi_tables::aml::Device;
use acpi_tables::aml::EISAName;
use acpi_tables::aml::Name;
use acpi_tables::aml::Package;
use acpi_tables::aml::PackageBuilder;
use acpi_tables::aml::Path;
use acpi_tables::aml::ResourceTemplate;
use acpi_tables::aml::Scope;
use acpi_tables::facs::FACS;
use acpi_tables::fadt::FADTBuilder;
use acpi_tables::fadt::Flags;
use acpi_tables::gas;
use acpi_tables::gas::GAS;
use acpi_tables::mcfg::MCFG;
use acpi_tables::rsdp::Rsdp;
use acpi_tables::sdt::Sdt;
use acpi_tables::xsdt::XSDT;
use openwhp_devices::pm;
use openwhp_devices::rtc;

use crate::boot::LoadError;
use crate::boot::Ram;
use crate::layout;

const OEM: [u8; 6] = *b"OPNWHP";
const TABLE: [u8; 8] = *b"OWHPPC  ";
const REVISION: u32 = 1;

/// Interrupt of the power management block.
pub const SCI: u8 = 9;
/// First I/O APIC pin that PCI functions use.
pub const PCI_FIRST_GSI: u8 = 16;
/// PCI functions share this many pins.
const PCI_GSIS: u8 = 8;

/// The I/O APIC pin of the function in `slot`.
#[must_use]
pub fn gsi_of_slot(slot: u8) -> u8 {
    PCI_FIRST_GSI + slot % PCI_GSIS
}

/// Writes all tables for a machine with `processors` processors; the root pointer is the first.
///
/// # Errors
/// [`LoadError`] when they do not fit, which takes more processors than there can be.
pub fn put_tables(ram: &Ram, processors: u32) -> Result<(), LoadError> {
    for (gpa, bytes) in tables(processors) {
        ram.put(gpa, &bytes)?;
    }
    Ok(())
}

/// Every table with its address.
fn tables(processors: u32) -> Vec<(u64, Vec<u8>)> {
    let mut placed = Placed { next: layout::ACPI_TABLES + 64, tables: Vec::new() };
    let facs = placed.add(bytes_of(&FACS::new()));
    let dsdt = placed.add(dsdt(processors));
    let fadt = placed.add(fadt(facs, dsdt));
    let madt = placed.add(madt(processors));
    let mut mcfg = MCFG::new(OEM, TABLE, REVISION);
    mcfg.add_ecam(layout::ECAM, 0, 0, 0);
    let mcfg = placed.add(bytes_of(&mcfg));
    let mut xsdt = XSDT::new(OEM, TABLE, REVISION);
    [fadt, madt, mcfg].into_iter().for_each(|table| xsdt.add_entry(table));
    let xsdt = placed.add(bytes_of(&xsdt));
    placed.tables.push((layout::ACPI_TABLES, bytes_of(&Rsdp::new(OEM, xsdt))));
    placed.tables
}

struct Placed {
    next: u64,
    tables: Vec<(u64, Vec<u8>)>,
}

impl Placed {
    fn add(&mut self, bytes: Vec<u8>) -> u64 {
        let at = self.next;
        self.next = (at + bytes.len() as u64).next_multiple_of(64);
        self.tables.push((at, bytes));
        at
    }
}

fn bytes_of(table: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    table.to_aml_bytes(&mut bytes);
    bytes
}

fn io_register(port: u16, bits: u8) -> GAS {
    GAS::new(gas::AddressSpace::SystemIo, bits, 0, gas::AccessSize::Undefined, u64::from(port))
}

fn fadt(facs: u64, dsdt: u64) -> Vec<u8> {
    let mut table = FADTBuilder::new(OEM, TABLE, REVISION)
        .dsdt_32(dsdt as u32)
        .dsdt_64(dsdt)
        .firmware_ctrl_32(facs as u32)
        .flag(Flags::Wbinvd)
        .flag(Flags::ProcC1)
        .flag(Flags::SlpButton)
        .flag(Flags::TmrValExt)
        .flag(Flags::ResetRegSup);
    table.sci_int = u16::from(SCI).into();
    table.pm1a_evt_blk = u32::from(pm::BASE + pm::EVENT).into();
    table.pm1a_cnt_blk = u32::from(pm::BASE + pm::CONTROL).into();
    table.pm_tmr_blk = u32::from(pm::BASE + pm::TIMER).into();
    (table.pm1_evt_len, table.pm1_cnt_len, table.pm_tmr_len) = (4, 2, 4);
    table.x_pm1a_evt_blk = io_register(pm::BASE + pm::EVENT, 32);
    table.x_pm1a_cnt_blk = io_register(pm::BASE + pm::CONTROL, 16);
    table.x_pm_tmr_blk = io_register(pm::BASE + pm::TIMER, 32);
    // No C2 and C3: latencies above the limits of the standard.
    (table.p_lvl2_lat, table.p_lvl3_lat) = (101.into(), 1001.into());
    table.century = rtc::CENTURY;
    // Legacy devices yes, keyboard controller not to be probed, no VGA.
    table.iapc_boot_arch = 0x0005.into();
    table.reset_reg = io_register(0xcf9, 8);
    table.reset_value = 0x06;
    bytes_of(&table.finalize())
}

fn madt(processors: u32) -> Vec<u8> {
    let mut table = Sdt::new(*b"APIC", 36, 5, OEM, TABLE, REVISION);
    table.append_slice(&(layout::LOCAL_APIC as u32).to_le_bytes());
    // The machine has 8259 interrupt controllers too.
    table.append_slice(&1_u32.to_le_bytes());
    for id in 0..processors as u8 {
        table.append_slice(&[0, 8, id, id, 1, 0, 0, 0]);
    }
    let mut io_apic = vec![1, 12, 0, 0];
    io_apic.extend_from_slice(&(layout::IO_APIC as u32).to_le_bytes());
    io_apic.extend_from_slice(&0_u32.to_le_bytes());
    table.append_slice(&io_apic);
    // The timer's interrupt 0 arrives at pin 2; the power management interrupt is level-triggered.
    table.append_slice(&override_entry(0, 2, 0));
    table.append_slice(&override_entry(SCI, SCI, 0x000d));
    // Local interrupt 1 of every processor is NMI.
    table.append_slice(&[4, 6, 0xff, 0, 0, 1]);
    table.as_slice().to_vec()
}

fn override_entry(source: u8, gsi: u8, flags: u16) -> [u8; 10] {
    let flags = flags.to_le_bytes();
    [2, 10, 0, source, gsi, 0, 0, 0, flags[0], flags[1]]
}

fn dsdt(processors: u32) -> Vec<u8> {
    let mut table = Sdt::new(*b"DSDT", 36, 2, OEM, TABLE, REVISION);
    let sleep = Package::new(vec![&pm::SLEEP_TYPE_OFF, &pm::SLEEP_TYPE_OFF, &0_u8, &0_u8]);
    table.append_slice(&bytes_of(&Name::new(Path::new("_S5_"), &sleep)));
    table.append_slice(&pci_bridge());
    table.append_slice(&isa_devices());
    table.append_slice(&processor_devices(processors));
    table.as_slice().to_vec()
}

/// Wraps a device into the scope of the system bus.
fn in_system_bus(device: &Device<'_>) -> Vec<u8> {
    bytes_of(&Scope::new(Path::new("\\_SB_"), vec![device]))
}

fn pci_bridge() -> Vec<u8> {
    let bus = AddressSpace::new_bus_number(0_u16, 0_u16);
    let config_ports = aml::IO::new(0xcf8, 0xcf8, 1, 8);
    let low_ports = AddressSpace::new_io(0_u16, 0x0cf7, None);
    let high_ports = AddressSpace::new_io(0x0d00_u16, 0xffff, None);
    let (first, last) = (layout::PCI_WINDOW as u32, layout::PCI_WINDOW_LAST as u32);
    let window = AddressSpace::new_memory(AddressSpaceCacheable::NotCacheable, true, first, last, None);
    let resources = ResourceTemplate::new(vec![&bus, &config_ports, &low_ports, &high_ports, &window]);
    let mut routes = PackageBuilder::new();
    for slot in 0..openwhp_devices::pci::SLOTS as u32 {
        let gsi = gsi_of_slot(slot as u8);
        routes.add_element(&Package::new(vec![&(slot << 16 | 0xffff), &0_u8, &0_u8, &gsi]));
    }
    in_system_bus(&Device::new(
        Path::new("PCI0"),
        vec![
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0A08")),
            &Name::new(Path::new("_CID"), &EISAName::new("PNP0A03")),
            &Name::new(Path::new("_SEG"), &0_u8),
            &Name::new(Path::new("_BBN"), &0_u8),
            &Name::new(Path::new("_UID"), &0_u8),
            &Name::new(Path::new("_CRS"), &resources),
            &Name::new(Path::new("_PRT"), &routes),
        ],
    ))
}

fn isa_devices() -> Vec<u8> {
    let ecam_length = openwhp_devices::pci::ECAM_LENGTH as u32;
    let ecam = aml::Memory32Fixed::new(true, layout::ECAM as u32, ecam_length);
    let pm_ports = aml::IO::new(pm::BASE, pm::BASE, 1, pm::LENGTH as u8);
    let board = in_system_bus(&Device::new(
        Path::new("MBRD"),
        vec![
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0C02")),
            &Name::new(Path::new("_UID"), &0_u8),
            &Name::new(Path::new("_CRS"), &ResourceTemplate::new(vec![&ecam, &pm_ports])),
        ],
    ));
    let uart_ports = aml::IO::new(0x3f8, 0x3f8, 1, 8);
    let uart_interrupt = aml::Interrupt::new(true, true, false, false, 4);
    let uart = in_system_bus(&Device::new(
        Path::new("COM1"),
        vec![
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0501")),
            &Name::new(Path::new("_UID"), &0_u8),
            &Name::new(Path::new("_CRS"), &ResourceTemplate::new(vec![&uart_ports, &uart_interrupt])),
        ],
    ));
    let clock_ports = aml::IO::new(0x70, 0x70, 1, 2);
    let clock_interrupt = aml::Interrupt::new(true, true, false, false, 8);
    let clock = in_system_bus(&Device::new(
        Path::new("RTC0"),
        vec![
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0B00")),
            &Name::new(Path::new("_CRS"), &ResourceTemplate::new(vec![&clock_ports, &clock_interrupt])),
        ],
    ));
    [board, uart, clock].concat()
}

fn processor_devices(processors: u32) -> Vec<u8> {
    (0..processors)
        .flat_map(|id| {
            let name = format!("C{id:03X}");
            in_system_bus(&Device::new(
                Path::new(&name),
                vec![&Name::new(Path::new("_HID"), &"ACPI0007"), &Name::new(Path::new("_UID"), &id)],
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
    }

    #[test]
    fn checksums_and_lengths_hold() {
        for processors in [1, 2, 64] {
            let tables = tables(processors);
            for (gpa, bytes) in &tables {
                match &bytes[..4] {
                    b"RSD " => {
                        assert_eq!((*gpa, sum(&bytes[..20]), sum(bytes)), (layout::ACPI_TABLES, 0, 0));
                    }
                    b"FACS" => assert_eq!(bytes.len(), 64),
                    signature => {
                        assert_eq!(sum(bytes), 0, "{signature:?}");
                        let len = u32::from_le_bytes(bytes[4..8].try_into().expect("four bytes"));
                        assert_eq!(len as usize, bytes.len(), "{signature:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn tables_do_not_overlap_and_stay_below_one_mebibyte() {
        let mut spans: Vec<_> =
            tables(64).iter().map(|(gpa, bytes)| (*gpa, *gpa + bytes.len() as u64)).collect();
        spans.sort_unstable();
        assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        assert!(spans.last().is_some_and(|span| span.1 <= layout::ONE_MIB));
    }

    #[test]
    fn the_madt_names_every_processor() {
        let madt = madt(4);
        let entries = madt[44..].chunks(8).take(4).map(|entry| entry[3]).collect::<Vec<_>>();
        assert_eq!(entries, [0, 1, 2, 3]);
    }
}
