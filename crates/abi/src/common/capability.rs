//! Capabilities.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;

enumeration! {
    /// Processor vendor.
    pub struct WHV_PROCESSOR_VENDOR {
        WHvProcessorVendorAmd = 0,
        WHvProcessorVendorIntel = 1,
        WHvProcessorVendorHygon = 2,
        WHvProcessorVendorArm = 0x10,
    }
}

block! {
    /// Limits of processor-frequency capping, in MHz.
    pub struct WHV_CAPABILITY_PROCESSOR_FREQUENCY_CAP: 20 bytes, align 4 {
        IsSupported, set_IsSupported: u32 = 0 bits 0, 1;
        Reserved, set_Reserved: u32 = 0 bits 1, 31;
        HighestFrequencyMhz, set_HighestFrequencyMhz: u32 = 4;
        NominalFrequencyMhz, set_NominalFrequencyMhz: u32 = 8;
        LowestFrequencyMhz, set_LowestFrequencyMhz: u32 = 12;
        FrequencyStepMhz, set_FrequencyStepMhz: u32 = 16;
    }
}

block! {
    /// Scheduler controls that the host honours.
    pub struct WHV_SCHEDULER_FEATURES: 8 bytes, align 8 {
        CpuReserve, set_CpuReserve: u64 = 0 bits 0, 1;
        CpuCap, set_CpuCap: u64 = 0 bits 1, 1;
        CpuWeight, set_CpuWeight: u64 = 0 bits 2, 1;
        CpuGroupId, set_CpuGroupId: u64 = 0 bits 3, 1;
        DisableSmt, set_DisableSmt: u64 = 0 bits 4, 1;
        Reserved, set_Reserved: u64 = 0 bits 5, 59;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_PROCESSOR_VENDOR>("WHV_PROCESSOR_VENDOR"),
    WHV_CAPABILITY_PROCESSOR_FREQUENCY_CAP::RECORD,
    WHV_SCHEDULER_FEATURES::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[WHV_PROCESSOR_VENDOR::ENUMERATION];
