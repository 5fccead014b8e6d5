//! The exit context and its payloads.

use super::register::WHV_REGISTER_VALUE;
use super::register_name::WHV_REGISTER_NAME;
use crate::common::WHV_RUN_VP_CANCELED_CONTEXT;
use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;
use crate::layout::record;

enumeration! {
    /// Why `WHvRunVirtualProcessor` returned.
    pub struct WHV_RUN_VP_EXIT_REASON {
        WHvRunVpExitReasonNone = 0,
        WHvRunVpExitReasonUnmappedGpa = 0x8000_0000,
        WHvRunVpExitReasonGpaIntercept = 0x8000_0001,
        WHvRunVpExitReasonUnrecoverableException = 0x8000_0021,
        WHvRunVpExitReasonInvalidVpRegisterValue = 0x8000_0020,
        WHvRunVpExitReasonUnsupportedFeature = 0x8000_0022,
        WHvRunVpExitReasonSynicSintDeliverable = 0x8000_0062,
        WHvMessageTypeRegisterIntercept = 0x8001_0006,
        WHvRunVpExitReasonArm64Reset = 0x8001_000C,
        WHvRunVpExitReasonHypercall = 0x8000_0050,
        WHvRunVpExitReasonCanceled = 0xFFFF_FFFF,
    }
}

block! {
    /// Execution state at an exit.
    pub struct WHV_VP_EXECUTION_STATE: 2 bytes, align 2 {
        AsUINT16, set_AsUINT16: u16 = 0;
        Cpl, set_Cpl: u16 = 0 bits 0, 2;
        DebugActive, set_DebugActive: u16 = 0 bits 2, 1;
        InterruptionPending, set_InterruptionPending: u16 = 0 bits 3, 1;
        Vtl, set_Vtl: u16 = 0 bits 4, 4;
        VirtualizationFaultActive, set_VirtualizationFaultActive: u16 = 0 bits 8, 1;
        Reserved, set_Reserved: u16 = 0 bits 9, 7;
    }
}

record! {
    /// State that most Arm64 exits carry.
    pub struct WHV_INTERCEPT_MESSAGE_HEADER {
        VpIndex: u32,
        InstructionLength: u8,
        InterceptAccessType: u8,
        ExecutionState: WHV_VP_EXECUTION_STATE,
        Pc: u64,
        Cpsr: u64,
    }
}

block! {
    /// Facts about an intercepted memory access.
    pub struct WHV_MEMORY_ACCESS_INFO: 1 bytes, align 1 {
        AsUINT8, set_AsUINT8: u8 = 0;
        GvaValid, set_GvaValid: u8 = 0 bits 0, 1;
        GvaGpaValid, set_GvaGpaValid: u8 = 0 bits 1, 1;
        HypercallOutputPending, set_HypercallOutputPending: u8 = 0 bits 2, 1;
        Reserved, set_Reserved: u8 = 0 bits 3, 5;
    }
}

record! {
    /// Payload of the memory-access exit.
    pub struct WHV_MEMORY_ACCESS_CONTEXT {
        Header: WHV_INTERCEPT_MESSAGE_HEADER,
        Reserved0: u32,
        InstructionByteCount: u8,
        AccessInfo: WHV_MEMORY_ACCESS_INFO,
        Reserved1: u16,
        InstructionBytes: [u8; 4],
        Reserved2: u32,
        Gva: u64,
        Gpa: u64,
        Syndrome: u64,
    }
}

record! {
    /// Payload of the unrecoverable-exception exit.
    pub struct WHV_UNRECOVERABLE_EXCEPTION_CONTEXT {
        Header: WHV_INTERCEPT_MESSAGE_HEADER,
    }
}

record! {
    /// Payload of the invalid-register exit.
    pub struct WHV_INVALID_VP_REGISTER_CONTEXT {
        VpIndex: u32,
        Reserved: u32,
    }
}

record! {
    /// Payload of the exit that reports free message slots.
    pub struct WHV_SYNIC_SINT_DELIVERABLE_CONTEXT {
        Header: WHV_INTERCEPT_MESSAGE_HEADER,
        DeliverableSints: u16,
        Reserved1: u16,
        Reserved2: u32,
    }
}

block! {
    /// Value written to, or register read from, by an intercepted register access.
    pub struct WHV_REGISTER_ACCESS_INFO: 16 bytes, align 16 {
        SourceValue, set_SourceValue: WHV_REGISTER_VALUE = 0;
        DestinationRegister, set_DestinationRegister: WHV_REGISTER_NAME = 0;
    }
}

block! {
    /// Payload of the register-intercept exit.
    pub struct WHV_REGISTER_CONTEXT: 48 bytes, align 16 {
        Header, set_Header: WHV_INTERCEPT_MESSAGE_HEADER = 0;
        IsMemoryOp, set_IsMemoryOp: u8 = 24 bits 0, 1;
        Reserved, set_Reserved: u8 = 24 bits 1, 7;
        Reserved8, set_Reserved8: u8 = 25;
        Reserved16, set_Reserved16: u16 = 26;
        RegisterName, set_RegisterName: WHV_REGISTER_NAME = 28;
        AccessInfo, set_AccessInfo: WHV_REGISTER_ACCESS_INFO = 32;
    }
}

enumeration! {
    /// Power-off or restart.
    pub struct WHV_ARM64_RESET_TYPE {
        WHvArm64ResetTypePowerOff = 0,
        WHvArm64ResetTypeReboot = 1,
    }
}

record! {
    /// Payload of the reset exit.
    pub struct WHV_ARM64_RESET_CONTEXT {
        Header: WHV_INTERCEPT_MESSAGE_HEADER,
        ResetType: WHV_ARM64_RESET_TYPE,
        Reserved: u32,
    }
}

record! {
    /// Payload of the Arm64 hypercall exit.
    pub struct WHV_ARM64_HYPERCALL_CONTEXT {
        Header: WHV_INTERCEPT_MESSAGE_HEADER,
        Immediate: u16,
        Reserved1: u16,
        Reserved2: u32,
        X: [u64; 18],
    }
}

/// Payload of the hypercall exit.
pub type WHV_HYPERCALL_CONTEXT = WHV_ARM64_HYPERCALL_CONTEXT;

/// Pointer to [`WHV_HYPERCALL_CONTEXT`].
pub type PWHV_HYPERCALL_CONTEXT = *mut WHV_ARM64_HYPERCALL_CONTEXT;

block! {
    /// Exit context that `WHvRunVirtualProcessor` fills.
    pub struct WHV_RUN_VP_EXIT_CONTEXT: 272 bytes, align 16 {
        ExitReason, set_ExitReason: WHV_RUN_VP_EXIT_REASON = 0;
        Reserved, set_Reserved: u32 = 4;
        Reserved1, set_Reserved1: u64 = 8;
        MemoryAccess, set_MemoryAccess: WHV_MEMORY_ACCESS_CONTEXT = 16;
        CancelReason, set_CancelReason: WHV_RUN_VP_CANCELED_CONTEXT = 16;
        Hypercall, set_Hypercall: WHV_HYPERCALL_CONTEXT = 16;
        SynicSintDeliverable, set_SynicSintDeliverable: WHV_SYNIC_SINT_DELIVERABLE_CONTEXT = 16;
        UnrecoverableException, set_UnrecoverableException: WHV_UNRECOVERABLE_EXCEPTION_CONTEXT = 16;
        InvalidVpRegister, set_InvalidVpRegister: WHV_INVALID_VP_REGISTER_CONTEXT = 16;
        Register, set_Register: WHV_REGISTER_CONTEXT = 16;
        Arm64Reset, set_Arm64Reset: WHV_ARM64_RESET_CONTEXT = 16;
        AsUINT64, set_AsUINT64: [u64; 32] = 16;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_RUN_VP_EXIT_REASON>("WHV_RUN_VP_EXIT_REASON"),
    WHV_VP_EXECUTION_STATE::RECORD,
    WHV_INTERCEPT_MESSAGE_HEADER::RECORD,
    WHV_MEMORY_ACCESS_INFO::RECORD,
    WHV_MEMORY_ACCESS_CONTEXT::RECORD,
    WHV_UNRECOVERABLE_EXCEPTION_CONTEXT::RECORD,
    WHV_INVALID_VP_REGISTER_CONTEXT::RECORD,
    WHV_SYNIC_SINT_DELIVERABLE_CONTEXT::RECORD,
    WHV_REGISTER_ACCESS_INFO::RECORD,
    WHV_REGISTER_CONTEXT::RECORD,
    Record::plain::<WHV_ARM64_RESET_TYPE>("WHV_ARM64_RESET_TYPE"),
    WHV_ARM64_RESET_CONTEXT::RECORD,
    WHV_ARM64_HYPERCALL_CONTEXT::RECORD,
    Record::plain::<WHV_HYPERCALL_CONTEXT>("WHV_HYPERCALL_CONTEXT"),
    Record::plain::<PWHV_HYPERCALL_CONTEXT>("PWHV_HYPERCALL_CONTEXT"),
    WHV_RUN_VP_EXIT_CONTEXT::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] =
    &[WHV_RUN_VP_EXIT_REASON::ENUMERATION, WHV_ARM64_RESET_TYPE::ENUMERATION];
