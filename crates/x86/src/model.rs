//! The processor model: what CPUID says and which features instructions may rely on.

/// Static description of a processor, fixed at creation.
#[derive(Clone, Debug)]
pub struct CpuModel {
    /// MAXPHYADDR.
    pub phys_bits: u32,
    /// 1 GiB pages.
    pub has_1g: bool,
    /// XCR0 bits the guest may set.
    pub xcr0_mask: u64,
}

impl CpuModel {
    /// CPUID.1:EAX.
    pub fn signature(&self) -> u32 {
        0x000a_0f11
    }

    /// Whether the model offers the features an instruction needs.
    pub fn allows(&self, _i: &iced_x86::Instruction) -> bool {
        true
    }
}
