//! The local vector table.

use crate::icr::DeliveryMode;

/// One entry of the local vector table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LvtEntry {
    /// Timer (offset 0x320).
    Timer = 0,
    /// Thermal sensor (0x330).
    Thermal = 1,
    /// Performance counters (0x340).
    Perfmon = 2,
    /// LINT0 pin (0x350).
    Lint0 = 3,
    /// LINT1 pin (0x360).
    Lint1 = 4,
    /// APIC error (0x370).
    Error = 5,
    /// Corrected machine checks (0x2F0), only when configured.
    Cmci = 6,
}

/// Number of entries including the optional one.
pub(crate) const COUNT: usize = 7;
/// The mask bit.
pub(crate) const MASKED: u32 = 1 << 16;
/// Delivery status, never set here: delivery is immediate.
const DELIVERY_STATUS: u32 = 1 << 12;
/// A level-triggered LINT interrupt was accepted and not yet ended.
pub(crate) const REMOTE_IRR: u32 = 1 << 14;
const POLARITY: u32 = 1 << 13;
pub(crate) const LEVEL: u32 = 1 << 15;
const VECTOR: u32 = 0xFF;
const DELIVERY_MODE: u32 = 0x700;
const PERIODIC: u32 = 1 << 17;
const TSC_DEADLINE: u32 = 1 << 18;

impl LvtEntry {
    /// Every entry, in the order of the enumeration.
    pub const ALL: [Self; COUNT] =
        [Self::Timer, Self::Thermal, Self::Perfmon, Self::Lint0, Self::Lint1, Self::Error, Self::Cmci];

    /// Bits software can store.
    pub(crate) const fn writable(self, tsc_deadline: bool) -> u32 {
        match self {
            Self::Timer => VECTOR | MASKED | PERIODIC | if tsc_deadline { TSC_DEADLINE } else { 0 },
            Self::Error => VECTOR | MASKED,
            Self::Thermal | Self::Perfmon | Self::Cmci => VECTOR | DELIVERY_MODE | MASKED,
            Self::Lint0 | Self::Lint1 => VECTOR | DELIVERY_MODE | POLARITY | LEVEL | MASKED,
        }
    }

    /// Bits that exist but ignore writes.
    pub(crate) const fn read_only(self) -> u32 {
        match self {
            Self::Lint0 | Self::Lint1 => DELIVERY_STATUS | REMOTE_IRR,
            _ => DELIVERY_STATUS,
        }
    }
}

/// The delivery mode of an entry's value; timer and error are always fixed.
pub(crate) const fn delivery_mode(entry: LvtEntry, value: u32) -> DeliveryMode {
    match entry {
        LvtEntry::Timer | LvtEntry::Error => DeliveryMode::Fixed,
        _ => DeliveryMode::from_bits(value >> 8),
    }
}

/// What the timer's entry makes of the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimerMode {
    OneShot,
    Periodic,
    TscDeadline,
    /// Both mode bits set: reserved, the timer stands still.
    Reserved,
}

pub(crate) const fn timer_mode(value: u32) -> TimerMode {
    match (value & TSC_DEADLINE != 0, value & PERIODIC != 0) {
        (false, false) => TimerMode::OneShot,
        (false, true) => TimerMode::Periodic,
        (true, false) => TimerMode::TscDeadline,
        (true, true) => TimerMode::Reserved,
    }
}
