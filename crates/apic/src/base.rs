//! `IA32_APIC_BASE` and the three modes it selects.

use crate::access::GeneralProtection;

/// How the local APIC can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Switched off in `IA32_APIC_BASE`: no registers, no messages.
    Disabled,
    /// Memory page, 8-bit IDs.
    XApic,
    /// MSRs, 32-bit IDs.
    X2Apic,
}

/// The value of `IA32_APIC_BASE` (MSR 0x1B).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApicBase(u64);

impl ApicBase {
    /// Physical address of the page at reset.
    pub const RESET_ADDRESS: u64 = 0xFEE0_0000;
    const BOOT_PROCESSOR: u64 = 1 << 8;
    const X2APIC: u64 = 1 << 10;
    const ENABLE: u64 = 1 << 11;

    /// The value at reset: enabled, xAPIC mode, page at [`Self::RESET_ADDRESS`].
    pub const fn reset(is_boot_processor: bool) -> Self {
        let flag = if is_boot_processor { Self::BOOT_PROCESSOR } else { 0 };
        Self(Self::RESET_ADDRESS | Self::ENABLE | flag)
    }

    /// Wraps a raw MSR value.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The raw MSR value.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Guest physical address of the 4 KiB register page.
    pub const fn address(self) -> u64 {
        self.0 & !0xFFF
    }

    /// Whether this is the boot processor.
    pub const fn is_boot_processor(self) -> bool {
        self.0 & Self::BOOT_PROCESSOR != 0
    }

    /// The mode the two enable bits select; the illegal combination counts as disabled.
    pub const fn mode(self) -> Mode {
        match (self.0 & Self::ENABLE != 0, self.0 & Self::X2APIC != 0) {
            (true, true) => Mode::X2Apic,
            (true, false) => Mode::XApic,
            (false, _) => Mode::Disabled,
        }
    }

    /// Checks a value on its own: reserved bits clear, no x2APIC without the enable bit or the feature.
    pub(crate) fn check(self, physical_bits: u32, x2apic: bool) -> Result<(), GeneralProtection> {
        let page = if physical_bits >= 64 { u64::MAX } else { (1 << physical_bits) - 1 } & !0xFFF;
        let allowed = page | Self::BOOT_PROCESSOR | Self::ENABLE | if x2apic { Self::X2APIC } else { 0 };
        let extended_alone = self.0 & (Self::X2APIC | Self::ENABLE) == Self::X2APIC;
        if self.0 & !allowed != 0 || extended_alone { Err(GeneralProtection) } else { Ok(()) }
    }

    /// Whether a guest may go from one mode to the other in one write.
    ///
    /// # Source
    /// Intel SDM 3A "x2APIC State Transitions".
    pub(crate) const fn may_change(from: Mode, to: Mode) -> bool {
        !matches!((from, to), (Mode::X2Apic, Mode::XApic) | (Mode::Disabled, Mode::X2Apic))
    }
}

impl core::fmt::Debug for ApicBase {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ApicBase")
            .field("address", &format_args!("{:#x}", self.address()))
            .field("mode", &self.mode())
            .field("is_boot_processor", &self.is_boot_processor())
            .finish()
    }
}
