//! Register numbers, the same for every way in: the xAPIC offset is the number times 16, the x2APIC MSR is
//! `0x800` plus the number, and the platform's register name is `0x3000` plus the number.

/// The number of a local APIC register, 0 to 0x3F.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register(pub u8);

impl Register {
    /// The register at a byte offset of the xAPIC page, if the offset lies in the first KiB.
    pub const fn at_offset(offset: u16) -> Option<Self> {
        if offset < 0x400 { Some(Self((offset >> 4) as u8)) } else { None }
    }

    /// The register behind an x2APIC MSR, if the number lies in `0x800..=0x83F`.
    pub const fn at_msr(msr: u32) -> Option<Self> {
        if msr >= 0x800 && msr < 0x840 { Some(Self((msr - 0x800) as u8)) } else { None }
    }

    /// Byte offset in the xAPIC page.
    pub const fn offset(self) -> u16 {
        (self.0 as u16) << 4
    }

    /// Number of the x2APIC MSR.
    pub const fn msr(self) -> u32 {
        0x800 + self.0 as u32
    }
}

/// Local APIC ID.
pub const ID: Register = Register(0x02);
/// Version and number of LVT entries.
pub const VERSION: Register = Register(0x03);
/// Task priority.
pub const TPR: Register = Register(0x08);
/// Arbitration priority (xAPIC only).
pub const APR: Register = Register(0x09);
/// Processor priority.
pub const PPR: Register = Register(0x0A);
/// End of interrupt.
pub const EOI: Register = Register(0x0B);
/// Remote read data (xAPIC only, when remote reads are on).
pub const REMOTE_READ: Register = Register(0x0C);
/// Logical destination.
pub const LDR: Register = Register(0x0D);
/// Destination format (xAPIC only).
pub const DFR: Register = Register(0x0E);
/// Spurious interrupt vector and software enable.
pub const SVR: Register = Register(0x0F);
/// First of eight in-service words.
pub const ISR0: Register = Register(0x10);
/// First of eight trigger-mode words.
pub const TMR0: Register = Register(0x18);
/// First of eight interrupt-request words.
pub const IRR0: Register = Register(0x20);
/// Error status.
pub const ESR: Register = Register(0x28);
/// LVT entry: corrected machine checks.
pub const LVT_CMCI: Register = Register(0x2F);
/// Interrupt command (low half in xAPIC mode).
pub const ICR: Register = Register(0x30);
/// High half of the interrupt command register (xAPIC only).
pub const ICR_HIGH: Register = Register(0x31);
/// LVT entry: timer.
pub const LVT_TIMER: Register = Register(0x32);
/// LVT entry: thermal sensor.
pub const LVT_THERMAL: Register = Register(0x33);
/// LVT entry: performance counters.
pub const LVT_PERFMON: Register = Register(0x34);
/// LVT entry: LINT0 pin.
pub const LVT_LINT0: Register = Register(0x35);
/// LVT entry: LINT1 pin.
pub const LVT_LINT1: Register = Register(0x36);
/// LVT entry: error.
pub const LVT_ERROR: Register = Register(0x37);
/// Timer initial count.
pub const INITIAL_COUNT: Register = Register(0x38);
/// Timer current count.
pub const CURRENT_COUNT: Register = Register(0x39);
/// Timer divide configuration.
pub const DIVIDE: Register = Register(0x3E);
/// Self IPI (x2APIC only).
pub const SELF_IPI: Register = Register(0x3F);
