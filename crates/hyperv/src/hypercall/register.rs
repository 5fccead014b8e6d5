//! Registers that a processor reaches by hypercall.

use crate::cpuid;

/// Where a register's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// A CPUID leaf, read-only, 128 bits.
    Leaf(u32),
    /// A synthetic MSR.
    Msr(u32),
}

/// What a register name (`HV_REGISTER_NAME`) stands for. Those of the local APIC have shorter ways.
///
/// # Source
/// TLFS "Virtual Processor Register Names".
pub(crate) fn source(name: u32) -> Option<Source> {
    Some(match name {
        0x100 => Source::Leaf(cpuid::FIRST + 2),
        0x200..=0x203 => Source::Leaf(cpuid::FIRST + 3 + (name - 0x200)),
        0x210..=0x215 => Source::Msr(0x4000_0100 + (name - 0x210)),
        0x9_0000 => Source::Msr(0x4000_0010),
        0x9_0001 => Source::Msr(0x4000_0001),
        0x9_0002 => Source::Msr(0x4000_0000),
        0x9_0003 => Source::Msr(0x4000_0002),
        0x9_0004 => Source::Msr(0x4000_0020),
        0x9_0013 => Source::Msr(0x4000_0073),
        0x9_0017 => Source::Msr(0x4000_0021),
        0xA_0000..=0xA_000F => Source::Msr(0x4000_0090 + (name - 0xA_0000)),
        0xA_0010..=0xA_0014 => Source::Msr(0x4000_0080 + (name - 0xA_0010)),
        0xB_0000..=0xB_0007 => Source::Msr(0x4000_00B0 + (name - 0xB_0000)),
        _ => return None,
    })
}
