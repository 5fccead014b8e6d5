//! Partition properties and the lists they take.

use super::capability::WHV_EXTENDED_VM_EXITS;
use super::features::{
    WHV_PROCESSOR_FEATURES, WHV_PROCESSOR_FEATURES_BANKS, WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS,
};
use crate::common::WHV_GUEST_PHYSICAL_ADDRESS;
use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;
use crate::layout::record;
use crate::windows::BOOL;

enumeration! {
    /// Partition property.
    pub struct WHV_PARTITION_PROPERTY_CODE {
        WHvPartitionPropertyCodeExtendedVmExits = 1,
        WHvPartitionPropertyCodeSeparateSecurityDomain = 3,
        WHvPartitionPropertyCodeNestedVirtualization = 4,
        WHvPartitionPropertyCodePrimaryNumaNode = 6,
        WHvPartitionPropertyCodeCpuReserve = 7,
        WHvPartitionPropertyCodeCpuCap = 8,
        WHvPartitionPropertyCodeCpuWeight = 9,
        WHvPartitionPropertyCodeCpuGroupId = 0xA,
        WHvPartitionPropertyCodeProcessorFrequencyCap = 0xB,
        WHvPartitionPropertyCodeAllowDeviceAssignment = 0xC,
        WHvPartitionPropertyCodeDisableSmt = 0xD,
        WHvPartitionPropertyCodeProcessorFeatures = 0x1001,
        WHvPartitionPropertyCodeProcessorClFlushSize = 0x1002,
        WHvPartitionPropertyCodeProcessorClockFrequency = 0x1007,
        WHvPartitionPropertyCodeProcessorFeaturesBanks = 0x100A,
        WHvPartitionPropertyCodeReferenceTime = 0x100B,
        WHvPartitionPropertyCodeSyntheticProcessorFeaturesBanks = 0x100C,
        WHvPartitionPropertyCodePhysicalAddressWidth = 0x1011,
        WHvPartitionPropertyCodeArm64IcParameters = 0x1012,
        WHvPartitionPropertyCodeProcessorCount = 0x1FFF,
    }
}

enumeration! {
    /// Kind of interrupt controller that the platform emulates.
    pub struct WHV_ARM64_IC_EMULATION_MODE {
        WHvArm64IcEmulationModeNone = 0,
        WHvArm64IcEmulationModeGicV3 = 1,
    }
}

/// Interrupt identifier.
pub type WHV_ARM64_INTERRUPT_VECTOR = u32;

record! {
    /// Addresses and interrupt numbers of the emulated GICv3.
    pub struct WHV_ARM64_IC_GIC_V3_PARAMETERS {
        GicdBaseAddress: WHV_GUEST_PHYSICAL_ADDRESS,
        GitsTranslaterBaseAddress: WHV_GUEST_PHYSICAL_ADDRESS,
        Reserved: u32,
        GicLpiIntIdBits: u32,
        GicPpiOverflowInterruptFromCntv: WHV_ARM64_INTERRUPT_VECTOR,
        GicPpiPerformanceMonitorsInterrupt: WHV_ARM64_INTERRUPT_VECTOR,
        Reserved1: [u32; 6],
    }
}

record! {
    /// Emulated interrupt controller and its parameters.
    pub struct WHV_ARM64_IC_PARAMETERS {
        EmulationMode: WHV_ARM64_IC_EMULATION_MODE,
        Reserved: u32,
        GicV3Parameters: WHV_ARM64_IC_GIC_V3_PARAMETERS,
    }
}

block! {
    /// Value of any partition property.
    pub struct WHV_PARTITION_PROPERTY: 64 bytes, align 8 {
        ExtendedVmExits, set_ExtendedVmExits: WHV_EXTENDED_VM_EXITS = 0;
        ProcessorFeatures, set_ProcessorFeatures: WHV_PROCESSOR_FEATURES = 0;
        SyntheticProcessorFeaturesBanks, set_SyntheticProcessorFeaturesBanks: WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS = 0;
        ProcessorClFlushSize, set_ProcessorClFlushSize: u8 = 0;
        ProcessorCount, set_ProcessorCount: u32 = 0;
        SeparateSecurityDomain, set_SeparateSecurityDomain: BOOL = 0;
        NestedVirtualization, set_NestedVirtualization: BOOL = 0;
        ProcessorClockFrequency, set_ProcessorClockFrequency: u64 = 0;
        ProcessorFeaturesBanks, set_ProcessorFeaturesBanks: WHV_PROCESSOR_FEATURES_BANKS = 0;
        ReferenceTime, set_ReferenceTime: u64 = 0;
        PrimaryNumaNode, set_PrimaryNumaNode: u16 = 0;
        CpuReserve, set_CpuReserve: u32 = 0;
        CpuCap, set_CpuCap: u32 = 0;
        CpuWeight, set_CpuWeight: u32 = 0;
        CpuGroupId, set_CpuGroupId: u64 = 0;
        ProcessorFrequencyCap, set_ProcessorFrequencyCap: u32 = 0;
        AllowDeviceAssignment, set_AllowDeviceAssignment: BOOL = 0;
        DisableSmt, set_DisableSmt: BOOL = 0;
        PhysicalAddressWidth, set_PhysicalAddressWidth: u32 = 0;
        Arm64IcParameters, set_Arm64IcParameters: WHV_ARM64_IC_PARAMETERS = 0;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_PARTITION_PROPERTY_CODE>("WHV_PARTITION_PROPERTY_CODE"),
    Record::plain::<WHV_ARM64_IC_EMULATION_MODE>("WHV_ARM64_IC_EMULATION_MODE"),
    Record::plain::<WHV_ARM64_INTERRUPT_VECTOR>("WHV_ARM64_INTERRUPT_VECTOR"),
    WHV_ARM64_IC_GIC_V3_PARAMETERS::RECORD,
    WHV_ARM64_IC_PARAMETERS::RECORD,
    WHV_PARTITION_PROPERTY::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] =
    &[WHV_PARTITION_PROPERTY_CODE::ENUMERATION, WHV_ARM64_IC_EMULATION_MODE::ENUMERATION];
