//! Processor state categories, interrupt-controller and nested state.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;
use crate::layout::record;

enumeration! {
    /// Category of processor state.
    pub struct WHV_VIRTUAL_PROCESSOR_STATE_TYPE {
        WHvVirtualProcessorStateTypeInterruptControllerState = 0x8000_0000,
        WHvVirtualProcessorStateTypeSynicMessagePage = 0x8000_0002,
        WHvVirtualProcessorStateTypeSynicEventFlagPage = 0x8000_0003,
        WHvVirtualProcessorStateTypeSynicTimerState = 4,
        WHvVirtualProcessorStateTypeGlobalInterruptState = 0xC000_0006,
        WHvVirtualProcessorStateTypeSveState = 0x8000_0007,
    }
}

block! {
    /// State of one interrupt.
    pub struct WHV_ARM64_INTERRUPT_STATE: 4 bytes, align 1 {
        Enabled, set_Enabled: u8 = 0 bits 0, 1;
        EdgeTriggered, set_EdgeTriggered: u8 = 0 bits 1, 1;
        Asserted, set_Asserted: u8 = 0 bits 2, 1;
        SetPending, set_SetPending: u8 = 0 bits 3, 1;
        Active, set_Active: u8 = 0 bits 4, 1;
        Direct, set_Direct: u8 = 0 bits 5, 1;
        Reserved0, set_Reserved0: u8 = 0 bits 6, 2;
        GicrIpriorityrConfigured, set_GicrIpriorityrConfigured: u8 = 1;
        GicrIpriorityrActive, set_GicrIpriorityrActive: u8 = 2;
        Reserved1, set_Reserved1: u8 = 3;
    }
}

block! {
    /// State of one shared interrupt.
    pub struct WHV_ARM64_GLOBAL_INTERRUPT_STATE: 16 bytes, align 4 {
        InterruptId, set_InterruptId: u32 = 0;
        ActiveVpIndex, set_ActiveVpIndex: u32 = 4;
        TargetMpidr, set_TargetMpidr: u32 = 8;
        TargetVpIndex, set_TargetVpIndex: u32 = 8;
        InterruptState, set_InterruptState: WHV_ARM64_INTERRUPT_STATE = 12;
    }
}

record! {
    /// Distributor state. `Interrupts` has `NumInterrupts` entries.
    pub struct WHV_ARM64_GLOBAL_INTERRUPT_CONTROLLER_STATE {
        Version: u8,
        GicVersion: u8,
        Reserved0: [u8; 2],
        NumInterrupts: u32,
        GicdCtlrEnableGrp1A: u64,
        Interrupts: [WHV_ARM64_GLOBAL_INTERRUPT_STATE; 1],
    }
}

record! {
    /// Redistributor and CPU-interface state of one processor.
    pub struct WHV_ARM64_LOCAL_INTERRUPT_CONTROLLER_STATE {
        Version: u8,
        GicVersion: u8,
        Reserved0: [u8; 6],
        IccIgrpen1El1: u64,
        GicrCtlrEnableLpis: u64,
        IccBpr1El1: u64,
        IccPmrEl1: u64,
        GicrPropbaser: u64,
        GicrPendbaser: u64,
        IchAp1REl2: [u32; 4],
        BankedInterruptState: [WHV_ARM64_INTERRUPT_STATE; 32],
    }
}

record! {
    /// Header of the SVE state.
    pub struct WHV_ARM64_VP_STATE_SVE {
        Version: u16,
        RegisterDataOffset: u16,
        VectorLength: u32,
        Reserved0: u64,
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_VIRTUAL_PROCESSOR_STATE_TYPE>("WHV_VIRTUAL_PROCESSOR_STATE_TYPE"),
    WHV_ARM64_INTERRUPT_STATE::RECORD,
    WHV_ARM64_GLOBAL_INTERRUPT_STATE::RECORD,
    WHV_ARM64_GLOBAL_INTERRUPT_CONTROLLER_STATE::RECORD,
    WHV_ARM64_LOCAL_INTERRUPT_CONTROLLER_STATE::RECORD,
    WHV_ARM64_VP_STATE_SVE::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[WHV_VIRTUAL_PROCESSOR_STATE_TYPE::ENUMERATION];
