//! The chips of a PC and a few virtio devices as pure state machines.
//!
//! Every device is arithmetic: it is given register accesses and the guest's time in nanoseconds, and
//! answers with values, interrupt line levels and [`InterruptMessage`]s. There are no threads, no
//! clocks and no file descriptors, so a device can be tested in a few lines, replayed exactly and
//! copied (`Clone`) to export its state. Input from outside (a disk's bytes, network frames,
//! console text) comes through small backend traits.
//!
//! Where to start: [`ioapic`] shows the shape all chips have; [`virtio::queue`] shows how memory that a
//! guest wrote is treated.
//!
//! | module | chip |
//! |---|---|
//! | [`ioapic`] | I/O APIC, 24 pins |
//! | [`pic`] | the two 8259A interrupt controllers |
//! | [`pit`] | 8254 timer, with the speaker gate of port 61h |
//! | [`pm`] | ACPI power management block and its timer |
//! | [`rtc`] | MC146818 clock and CMOS memory |
//! | [`i8042`] | keyboard controller, mostly for its reset line |
//! | [`serial`] | 16550A UART |
//! | [`testdev`] | interrupt lines, ports and memory for test suites |
//! | [`pci`] | PCI bus 0: configuration space, BARs, MSI-X |
//! | [`virtio`] | virtio 1.x over PCI: block, network, console, entropy |
//!
//! # Example
//!
//! ```
//! use openwhp_devices::ioapic::IoApic;
//!
//! let mut chip = IoApic::new(0);
//! let mut out = Vec::new();
//! // Pin 4: vector 0x31, edge, physical destination 0, unmasked.
//! chip.write(0x00, 0x10 + 2 * 4, &mut out);
//! chip.write(0x10, 0x31, &mut out);
//! chip.set_line(4, true, &mut out);
//! assert_eq!(out[0].vector, 0x31);
//! ```

#![forbid(unsafe_code)]

pub mod i8042;
pub mod ioapic;
pub mod message;
pub mod pci;
pub mod pic;
pub mod pit;
pub mod pm;
pub mod ram;
pub mod rtc;
pub mod serial;
pub mod testdev;
pub mod virtio;

pub use message::DeliveryMode;
pub use message::InterruptMessage;
pub use ram::GuestRam;
pub use ram::RamError;
