//! Capabilities.

use super::features::{
    WHV_PROCESSOR_FEATURES, WHV_PROCESSOR_FEATURES_BANKS, WHV_PROCESSOR_PERFMON_FEATURES,
    WHV_PROCESSOR_XSAVE_FEATURES, WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS,
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
        WHvCapabilityCodeExceptionExitBitmap = 3,
        WHvCapabilityCodeX64MsrExitBitmap = 4,
        WHvCapabilityCodeGpaRangePopulateFlags = 5,
        WHvCapabilityCodeSchedulerFeatures = 6,
        WHvCapabilityCodeProcessorVendor = 0x1000,
        WHvCapabilityCodeProcessorFeatures = 0x1001,
        WHvCapabilityCodeProcessorClFlushSize = 0x1002,
        WHvCapabilityCodeProcessorXsaveFeatures = 0x1003,
        WHvCapabilityCodeProcessorClockFrequency = 0x1004,
        WHvCapabilityCodeInterruptClockFrequency = 0x1005,
        WHvCapabilityCodeProcessorFeaturesBanks = 0x1006,
        WHvCapabilityCodeProcessorFrequencyCap = 0x1007,
        WHvCapabilityCodeSyntheticProcessorFeaturesBanks = 0x1008,
        WHvCapabilityCodeProcessorPerfmonFeatures = 0x1009,
        WHvCapabilityCodePhysicalAddressWidth = 0x100A,
        WHvCapabilityCodeVmxBasic = 0x2000,
        WHvCapabilityCodeVmxPinbasedCtls = 0x2001,
        WHvCapabilityCodeVmxProcbasedCtls = 0x2002,
        WHvCapabilityCodeVmxExitCtls = 0x2003,
        WHvCapabilityCodeVmxEntryCtls = 0x2004,
        WHvCapabilityCodeVmxMisc = 0x2005,
        WHvCapabilityCodeVmxCr0Fixed0 = 0x2006,
        WHvCapabilityCodeVmxCr0Fixed1 = 0x2007,
        WHvCapabilityCodeVmxCr4Fixed0 = 0x2008,
        WHvCapabilityCodeVmxCr4Fixed1 = 0x2009,
        WHvCapabilityCodeVmxVmcsEnum = 0x200A,
        WHvCapabilityCodeVmxProcbasedCtls2 = 0x200B,
        WHvCapabilityCodeVmxEptVpidCap = 0x200C,
        WHvCapabilityCodeVmxTruePinbasedCtls = 0x200D,
        WHvCapabilityCodeVmxTrueProcbasedCtls = 0x200E,
        WHvCapabilityCodeVmxTrueExitCtls = 0x200F,
        WHvCapabilityCodeVmxTrueEntryCtls = 0x2010,
    }
}

block! {
    /// Platform features.
    pub struct WHV_CAPABILITY_FEATURES: 8 bytes, align 8 {
        PartialUnmap, set_PartialUnmap: u64 = 0 bits 0, 1;
        LocalApicEmulation, set_LocalApicEmulation: u64 = 0 bits 1, 1;
        Xsave, set_Xsave: u64 = 0 bits 2, 1;
        DirtyPageTracking, set_DirtyPageTracking: u64 = 0 bits 3, 1;
        SpeculationControl, set_SpeculationControl: u64 = 0 bits 4, 1;
        ApicRemoteRead, set_ApicRemoteRead: u64 = 0 bits 5, 1;
        IdleSuspend, set_IdleSuspend: u64 = 0 bits 6, 1;
        VirtualPciDeviceSupport, set_VirtualPciDeviceSupport: u64 = 0 bits 7, 1;
        IommuSupport, set_IommuSupport: u64 = 0 bits 8, 1;
        VpHotAddRemove, set_VpHotAddRemove: u64 = 0 bits 9, 1;
        DeviceAccessTracking, set_DeviceAccessTracking: u64 = 0 bits 10, 1;
        ReservedX640, set_ReservedX640: u64 = 0 bits 11, 1;
        Reserved, set_Reserved: u64 = 0 bits 12, 52;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

block! {
    /// Exits that exist only when switched on.
    pub struct WHV_EXTENDED_VM_EXITS: 8 bytes, align 8 {
        X64CpuidExit, set_X64CpuidExit: u64 = 0 bits 0, 1;
        X64MsrExit, set_X64MsrExit: u64 = 0 bits 1, 1;
        ExceptionExit, set_ExceptionExit: u64 = 0 bits 2, 1;
        X64RdtscExit, set_X64RdtscExit: u64 = 0 bits 3, 1;
        X64ApicSmiExitTrap, set_X64ApicSmiExitTrap: u64 = 0 bits 4, 1;
        HypercallExit, set_HypercallExit: u64 = 0 bits 5, 1;
        X64ApicInitSipiExitTrap, set_X64ApicInitSipiExitTrap: u64 = 0 bits 6, 1;
        X64ApicWriteLint0ExitTrap, set_X64ApicWriteLint0ExitTrap: u64 = 0 bits 7, 1;
        X64ApicWriteLint1ExitTrap, set_X64ApicWriteLint1ExitTrap: u64 = 0 bits 8, 1;
        X64ApicWriteSvrExitTrap, set_X64ApicWriteSvrExitTrap: u64 = 0 bits 9, 1;
        UnknownSynicConnection, set_UnknownSynicConnection: u64 = 0 bits 10, 1;
        RetargetUnknownVpciDevice, set_RetargetUnknownVpciDevice: u64 = 0 bits 11, 1;
        X64ApicWriteLdrExitTrap, set_X64ApicWriteLdrExitTrap: u64 = 0 bits 12, 1;
        X64ApicWriteDfrExitTrap, set_X64ApicWriteDfrExitTrap: u64 = 0 bits 13, 1;
        GpaAccessFaultExit, set_GpaAccessFaultExit: u64 = 0 bits 14, 1;
        Reserved, set_Reserved: u64 = 0 bits 15, 49;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

block! {
    /// Groups of MSR accesses that exit.
    pub struct WHV_X64_MSR_EXIT_BITMAP: 8 bytes, align 8 {
        AsUINT64, set_AsUINT64: u64 = 0;
        UnhandledMsrs, set_UnhandledMsrs: u64 = 0 bits 0, 1;
        TscMsrWrite, set_TscMsrWrite: u64 = 0 bits 1, 1;
        TscMsrRead, set_TscMsrRead: u64 = 0 bits 2, 1;
        ApicBaseMsrWrite, set_ApicBaseMsrWrite: u64 = 0 bits 3, 1;
        MiscEnableMsrRead, set_MiscEnableMsrRead: u64 = 0 bits 4, 1;
        McUpdatePatchLevelMsrRead, set_McUpdatePatchLevelMsrRead: u64 = 0 bits 5, 1;
        Reserved, set_Reserved: u64 = 0 bits 6, 58;
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
        ProcessorXsaveFeatures, set_ProcessorXsaveFeatures: WHV_PROCESSOR_XSAVE_FEATURES = 0;
        InterruptClockFrequency, set_InterruptClockFrequency: u64 = 0;
        ProcessorPerfmonFeatures, set_ProcessorPerfmonFeatures: WHV_PROCESSOR_PERFMON_FEATURES = 0;
        X64MsrExitBitmap, set_X64MsrExitBitmap: WHV_X64_MSR_EXIT_BITMAP = 0;
        ExceptionExitBitmap, set_ExceptionExitBitmap: u64 = 0;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_CAPABILITY_CODE>("WHV_CAPABILITY_CODE"),
    WHV_CAPABILITY_FEATURES::RECORD,
    WHV_EXTENDED_VM_EXITS::RECORD,
    WHV_X64_MSR_EXIT_BITMAP::RECORD,
    WHV_CAPABILITY::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[WHV_CAPABILITY_CODE::ENUMERATION];
