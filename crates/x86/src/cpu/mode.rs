//! How code is decoded and addressed, and the key that blocks are found by.

use crate::state::*;

/// The bit of a mode key that says that a segment is flat.
pub(super) const fn flat_bit(segment: usize) -> u32 {
    1 << (4 + segment)
}

/// How code is decoded and addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Mode {
    /// Real-address mode.
    Real = 0,
    /// Virtual-8086 mode.
    V86 = 1,
    /// 16-bit protected mode.
    Prot16 = 2,
    /// 32-bit protected mode.
    Prot32 = 3,
    /// 16-bit compatibility mode.
    Compat16 = 4,
    /// 32-bit compatibility mode.
    Compat32 = 5,
    /// 64-bit mode.
    Long = 6,
    /// Real mode with a 32-bit code segment left over from protected mode.
    Real32 = 7,
}

impl Mode {
    /// The mode a state is in.
    pub fn of(s: &VpState) -> Mode {
        let big = s.seg[CS].big();
        if !s.protected() {
            if big { Mode::Real32 } else { Mode::Real }
        } else if s.v86() {
            Mode::V86
        } else if s.long_mode() {
            if s.seg[CS].long() {
                Mode::Long
            } else if big {
                Mode::Compat32
            } else {
                Mode::Compat16
            }
        } else if big {
            Mode::Prot32
        } else {
            Mode::Prot16
        }
    }

    /// Mode bits of a mode key.
    pub fn from_key(key: u32) -> Mode {
        match key & 7 {
            0 => Mode::Real,
            1 => Mode::V86,
            2 => Mode::Prot16,
            3 => Mode::Prot32,
            4 => Mode::Compat16,
            5 => Mode::Compat32,
            6 => Mode::Long,
            _ => Mode::Real32,
        }
    }

    /// Whether a mode key tells that code has base 0 and no limit.
    pub(crate) fn is_flat(key: u32) -> bool {
        key & 7 == Mode::Long as u32 || key & flat_bit(CS) != 0
    }

    /// Decoder bitness.
    pub fn bitness(self) -> u32 {
        match self {
            Mode::Real | Mode::V86 | Mode::Prot16 | Mode::Compat16 => 16,
            Mode::Prot32 | Mode::Compat32 | Mode::Real32 => 32,
            Mode::Long => 64,
        }
    }
}
