//! Partition properties and the lists they take.

use super::capability::{WHV_EXTENDED_VM_EXITS, WHV_X64_MSR_EXIT_BITMAP};
use super::features::{
    WHV_PROCESSOR_FEATURES, WHV_PROCESSOR_FEATURES_BANKS, WHV_PROCESSOR_PERFMON_FEATURES,
    WHV_PROCESSOR_XSAVE_FEATURES, WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS,
};
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
        WHvPartitionPropertyCodeExceptionExitBitmap = 2,
        WHvPartitionPropertyCodeSeparateSecurityDomain = 3,
        WHvPartitionPropertyCodeNestedVirtualization = 4,
        WHvPartitionPropertyCodeX64MsrExitBitmap = 5,
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
        WHvPartitionPropertyCodeCpuidExitList = 0x1003,
        WHvPartitionPropertyCodeCpuidResultList = 0x1004,
        WHvPartitionPropertyCodeLocalApicEmulationMode = 0x1005,
        WHvPartitionPropertyCodeProcessorXsaveFeatures = 0x1006,
        WHvPartitionPropertyCodeProcessorClockFrequency = 0x1007,
        WHvPartitionPropertyCodeInterruptClockFrequency = 0x1008,
        WHvPartitionPropertyCodeApicRemoteReadSupport = 0x1009,
        WHvPartitionPropertyCodeProcessorFeaturesBanks = 0x100A,
        WHvPartitionPropertyCodeReferenceTime = 0x100B,
        WHvPartitionPropertyCodeSyntheticProcessorFeaturesBanks = 0x100C,
        WHvPartitionPropertyCodeCpuidResultList2 = 0x100D,
        WHvPartitionPropertyCodeProcessorPerfmonFeatures = 0x100E,
        WHvPartitionPropertyCodeMsrActionList = 0x100F,
        WHvPartitionPropertyCodeUnimplementedMsrAction = 0x1010,
        WHvPartitionPropertyCodePhysicalAddressWidth = 0x1011,
        WHvPartitionPropertyCodeProcessorCount = 0x1FFF,
    }
}

record! {
    /// Fixed CPUID result for a whole function.
    pub struct WHV_X64_CPUID_RESULT {
        Function: u32,
        Reserved: [u32; 3],
        Eax: u32,
        Ebx: u32,
        Ecx: u32,
        Edx: u32,
    }
}

enumeration! {
    /// What a [`WHV_X64_CPUID_RESULT2`] is limited to.
    pub struct WHV_X64_CPUID_RESULT2_FLAGS {
        WHvX64CpuidResult2FlagSubleafSpecific = 1,
        WHvX64CpuidResult2FlagVpSpecific = 2,
    }
}

record! {
    /// Output of CPUID.
    pub struct WHV_CPUID_OUTPUT {
        Eax: u32,
        Ebx: u32,
        Ecx: u32,
        Edx: u32,
    }
}

record! {
    /// Masked CPUID result for a function, sub-leaf or processor.
    pub struct WHV_X64_CPUID_RESULT2 {
        Function: u32,
        Index: u32,
        VpIndex: u32,
        Flags: WHV_X64_CPUID_RESULT2_FLAGS,
        Output: WHV_CPUID_OUTPUT,
        Mask: WHV_CPUID_OUTPUT,
    }
}

record! {
    /// What to do with one MSR.
    pub struct WHV_MSR_ACTION_ENTRY {
        Index: u32,
        ReadAction: u8,
        WriteAction: u8,
        Reserved: u16,
    }
}

enumeration! {
    /// What an MSR access does.
    pub struct WHV_MSR_ACTION {
        WHvMsrActionArchitectureDefault = 0,
        WHvMsrActionIgnoreWriteReadZero = 1,
        WHvMsrActionExit = 2,
    }
}

enumeration! {
    /// Exception vector.
    pub struct WHV_EXCEPTION_TYPE {
        WHvX64ExceptionTypeDivideErrorFault = 0,
        WHvX64ExceptionTypeDebugTrapOrFault = 1,
        WHvX64ExceptionTypeBreakpointTrap = 3,
        WHvX64ExceptionTypeOverflowTrap = 4,
        WHvX64ExceptionTypeBoundRangeFault = 5,
        WHvX64ExceptionTypeInvalidOpcodeFault = 6,
        WHvX64ExceptionTypeDeviceNotAvailableFault = 7,
        WHvX64ExceptionTypeDoubleFaultAbort = 8,
        WHvX64ExceptionTypeInvalidTaskStateSegmentFault = 0xA,
        WHvX64ExceptionTypeSegmentNotPresentFault = 0xB,
        WHvX64ExceptionTypeStackFault = 0xC,
        WHvX64ExceptionTypeGeneralProtectionFault = 0xD,
        WHvX64ExceptionTypePageFault = 0xE,
        WHvX64ExceptionTypeFloatingPointErrorFault = 0x10,
        WHvX64ExceptionTypeAlignmentCheckFault = 0x11,
        WHvX64ExceptionTypeMachineCheckAbort = 0x12,
        WHvX64ExceptionTypeSimdFloatingPointFault = 0x13,
        WHvX64ExceptionTypeControlProtectionFault = 0x15,
    }
}

enumeration! {
    /// Kind of local APIC that the platform emulates.
    pub struct WHV_X64_LOCAL_APIC_EMULATION_MODE {
        WHvX64LocalApicEmulationModeNone = 0,
        WHvX64LocalApicEmulationModeXApic = 1,
        WHvX64LocalApicEmulationModeX2Apic = 2,
    }
}

block! {
    /// Value of any partition property.
    pub struct WHV_PARTITION_PROPERTY: 48 bytes, align 8 {
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
        ProcessorXsaveFeatures, set_ProcessorXsaveFeatures: WHV_PROCESSOR_XSAVE_FEATURES = 0;
        CpuidExitList, set_CpuidExitList: [u32; 1] = 0;
        ExceptionExitBitmap, set_ExceptionExitBitmap: u64 = 0;
        ApicRemoteRead, set_ApicRemoteRead: BOOL = 0;
        X64MsrExitBitmap, set_X64MsrExitBitmap: WHV_X64_MSR_EXIT_BITMAP = 0;
        ProcessorPerfmonFeatures, set_ProcessorPerfmonFeatures: WHV_PROCESSOR_PERFMON_FEATURES = 0;
        InterruptClockFrequency, set_InterruptClockFrequency: u64 = 0;
        CpuidResultList, set_CpuidResultList: [WHV_X64_CPUID_RESULT; 1] = 0;
        CpuidResultList2, set_CpuidResultList2: [WHV_X64_CPUID_RESULT2; 1] = 0;
        MsrActionList, set_MsrActionList: [WHV_MSR_ACTION_ENTRY; 1] = 0;
        UnimplementedMsrAction, set_UnimplementedMsrAction: WHV_MSR_ACTION = 0;
        LocalApicEmulationMode, set_LocalApicEmulationMode: WHV_X64_LOCAL_APIC_EMULATION_MODE = 0;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_PARTITION_PROPERTY_CODE>("WHV_PARTITION_PROPERTY_CODE"),
    WHV_X64_CPUID_RESULT::RECORD,
    Record::plain::<WHV_X64_CPUID_RESULT2_FLAGS>("WHV_X64_CPUID_RESULT2_FLAGS"),
    WHV_CPUID_OUTPUT::RECORD,
    WHV_X64_CPUID_RESULT2::RECORD,
    WHV_MSR_ACTION_ENTRY::RECORD,
    Record::plain::<WHV_MSR_ACTION>("WHV_MSR_ACTION"),
    Record::plain::<WHV_EXCEPTION_TYPE>("WHV_EXCEPTION_TYPE"),
    Record::plain::<WHV_X64_LOCAL_APIC_EMULATION_MODE>("WHV_X64_LOCAL_APIC_EMULATION_MODE"),
    WHV_PARTITION_PROPERTY::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[
    WHV_PARTITION_PROPERTY_CODE::ENUMERATION,
    WHV_X64_CPUID_RESULT2_FLAGS::ENUMERATION,
    WHV_MSR_ACTION::ENUMERATION,
    WHV_EXCEPTION_TYPE::ENUMERATION,
    WHV_X64_LOCAL_APIC_EMULATION_MODE::ENUMERATION,
];
