//! Capabilities.

use super::features::{
    WHV_PROCESSOR_FEATURES, WHV_PROCESSOR_FEATURES_BANKS, WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS,
};
use crate::common::{
    WHV_ADVISE_GPA_RANGE_POPULATE_FLAGS, WHV_CAPABILITY_PROCESSOR_FREQUENCY_CAP, WHV_PROCESSOR_VENDOR,
    WHV_SCHEDULER_FEATURES,
};
use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;
use crate::windows::BOOL;

enumeration! {
    /// What `WHvGetCapability` is asked for.
    pub struct WHV_CAPABILITY_CODE {
        WHvCapabilityCodeHypervisorPresent = 0,
        WHvCapabilityCodeFeatures = 1,
        WHvCapabilityCodeExtendedVmExits = 2,
        WHvCapabilityCodeGpaRangePopulateFlags = 5,
        WHvCapabilityCodeSchedulerFeatures = 6,
        WHvCapabilityCodeProcessorVendor = 0x1000,
        WHvCapabilityCodeProcessorFeatures = 0x1001,
        WHvCapabilityCodeProcessorClFlushSize = 0x1002,
        WHvCapabilityCodeProcessorClockFrequency = 0x1004,
        WHvCapabilityCodeProcessorFeaturesBanks = 0x1006,
        WHvCapabilityCodeProcessorFrequencyCap = 0x1007,
        WHvCapabilityCodeSyntheticProcessorFeaturesBanks = 0x1008,
        WHvCapabilityCodePhysicalAddressWidth = 0x100A,
        WHvCapabilityCodeGicLpiIntIdBits = 0x2011,
        WHvCapabilityCodeMaxSveVectorLength = 0x2012,
    }
}

block! {
    /// Platform features.
    pub struct WHV_CAPABILITY_FEATURES: 8 bytes, align 8 {
        PartialUnmap, set_PartialUnmap: u64 = 0 bits 0, 1;
        ReservedArm0, set_ReservedArm0: u64 = 0 bits 1, 2;
        DirtyPageTracking, set_DirtyPageTracking: u64 = 0 bits 3, 1;
        SpeculationControl, set_SpeculationControl: u64 = 0 bits 4, 1;
        ReservedArm1, set_ReservedArm1: u64 = 0 bits 5, 1;
        IdleSuspend, set_IdleSuspend: u64 = 0 bits 6, 1;
        VirtualPciDeviceSupport, set_VirtualPciDeviceSupport: u64 = 0 bits 7, 1;
        IommuSupport, set_IommuSupport: u64 = 0 bits 8, 1;
        VpHotAddRemove, set_VpHotAddRemove: u64 = 0 bits 9, 1;
        DeviceAccessTracking, set_DeviceAccessTracking: u64 = 0 bits 10, 1;
        Arm64Support, set_Arm64Support: u64 = 0 bits 11, 1;
        Reserved, set_Reserved: u64 = 0 bits 12, 52;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

block! {
    /// Exits that exist only when switched on.
    pub struct WHV_EXTENDED_VM_EXITS: 8 bytes, align 8 {
        ReservedArm0, set_ReservedArm0: u64 = 0 bits 0, 5;
        HypercallExit, set_HypercallExit: u64 = 0 bits 5, 1;
        ReservedArm1, set_ReservedArm1: u64 = 0 bits 6, 4;
        UnknownSynicConnection, set_UnknownSynicConnection: u64 = 0 bits 10, 1;
        RetargetUnknownVpciDevice, set_RetargetUnknownVpciDevice: u64 = 0 bits 11, 1;
        ReservedArm2, set_ReservedArm2: u64 = 0 bits 12, 2;
        GpaAccessFaultExit, set_GpaAccessFaultExit: u64 = 0 bits 14, 1;
        Reserved, set_Reserved: u64 = 0 bits 15, 49;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

block! {
    /// Answer of `WHvGetCapability`.
    pub struct WHV_CAPABILITY: 24 bytes, align 8 {
        HypervisorPresent, set_HypervisorPresent: BOOL = 0;
        Features, set_Features: WHV_CAPABILITY_FEATURES = 0;
        ExtendedVmExits, set_ExtendedVmExits: WHV_EXTENDED_VM_EXITS = 0;
        ProcessorVendor, set_ProcessorVendor: WHV_PROCESSOR_VENDOR = 0;
        ProcessorFeatures, set_ProcessorFeatures: WHV_PROCESSOR_FEATURES = 0;
        SyntheticProcessorFeaturesBanks, set_SyntheticProcessorFeaturesBanks: WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS = 0;
        ProcessorClFlushSize, set_ProcessorClFlushSize: u8 = 0;
        ProcessorClockFrequency, set_ProcessorClockFrequency: u64 = 0;
        ProcessorFeaturesBanks, set_ProcessorFeaturesBanks: WHV_PROCESSOR_FEATURES_BANKS = 0;
        GpaRangePopulateFlags, set_GpaRangePopulateFlags: WHV_ADVISE_GPA_RANGE_POPULATE_FLAGS = 0;
        ProcessorFrequencyCap, set_ProcessorFrequencyCap: WHV_CAPABILITY_PROCESSOR_FREQUENCY_CAP = 0;
        SchedulerFeatures, set_SchedulerFeatures: WHV_SCHEDULER_FEATURES = 0;
        PhysicalAddressWidth, set_PhysicalAddressWidth: u32 = 0;
        NestedFeatureRegister, set_NestedFeatureRegister: u64 = 0;
        GicLpiIntIdBits, set_GicLpiIntIdBits: u32 = 0;
        MaxSveVectorLength, set_MaxSveVectorLength: u32 = 0;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_CAPABILITY_CODE>("WHV_CAPABILITY_CODE"),
    WHV_CAPABILITY_FEATURES::RECORD,
    WHV_EXTENDED_VM_EXITS::RECORD,
    WHV_CAPABILITY::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[WHV_CAPABILITY_CODE::ENUMERATION];
