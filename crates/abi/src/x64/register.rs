//! Register values: words and 128-bit unions behind the register names.

use crate::common::{WHV_INTERNAL_ACTIVITY_REGISTER, WHV_UINT128};
use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;
use crate::layout::record;

block! {
    /// One x87 register: 64-bit mantissa, 15-bit exponent, sign.
    pub struct WHV_X64_FP_REGISTER: 16 bytes, align 16 {
        Mantissa, set_Mantissa: u64 = 0;
        BiasedExponent, set_BiasedExponent: u64 = 8 bits 0, 15;
        Sign, set_Sign: u64 = 8 bits 15, 1;
        Reserved, set_Reserved: u64 = 8 bits 16, 48;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// x87 control, status, abridged tag and last-instruction words.
    pub struct WHV_X64_FP_CONTROL_STATUS_REGISTER: 16 bytes, align 16 {
        FpControl, set_FpControl: u16 = 0;
        FpStatus, set_FpStatus: u16 = 2;
        FpTag, set_FpTag: u8 = 4;
        Reserved, set_Reserved: u8 = 5;
        LastFpOp, set_LastFpOp: u16 = 6;
        LastFpRip, set_LastFpRip: u64 = 8;
        LastFpEip, set_LastFpEip: u32 = 8;
        LastFpCs, set_LastFpCs: u16 = 12;
        Reserved2, set_Reserved2: u16 = 14;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// x87 last-data pointer, MXCSR and its mask.
    pub struct WHV_X64_XMM_CONTROL_STATUS_REGISTER: 16 bytes, align 16 {
        LastFpRdp, set_LastFpRdp: u64 = 0;
        LastFpDp, set_LastFpDp: u32 = 0;
        LastFpDs, set_LastFpDs: u16 = 4;
        Reserved, set_Reserved: u16 = 6;
        XmmStatusControl, set_XmmStatusControl: u32 = 8;
        XmmStatusControlMask, set_XmmStatusControlMask: u32 = 12;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// Segment register with its hidden part. `Limit` counts bytes, already expanded.
    pub struct WHV_X64_SEGMENT_REGISTER: 16 bytes, align 8 {
        Base, set_Base: u64 = 0;
        Limit, set_Limit: u32 = 8;
        Selector, set_Selector: u16 = 12;
        SegmentType, set_SegmentType: u16 = 14 bits 0, 4;
        NonSystemSegment, set_NonSystemSegment: u16 = 14 bits 4, 1;
        DescriptorPrivilegeLevel, set_DescriptorPrivilegeLevel: u16 = 14 bits 5, 2;
        Present, set_Present: u16 = 14 bits 7, 1;
        Reserved, set_Reserved: u16 = 14 bits 8, 4;
        Available, set_Available: u16 = 14 bits 12, 1;
        Long, set_Long: u16 = 14 bits 13, 1;
        Default, set_Default: u16 = 14 bits 14, 1;
        Granularity, set_Granularity: u16 = 14 bits 15, 1;
        Attributes, set_Attributes: u16 = 14;
    }
}

record! {
    /// GDTR or IDTR.
    pub struct WHV_X64_TABLE_REGISTER {
        Pad: [u16; 3],
        Limit: u16,
        Base: u64,
    }
}

block! {
    /// Interrupt shadow and NMI mask.
    pub struct WHV_X64_INTERRUPT_STATE_REGISTER: 8 bytes, align 8 {
        InterruptShadow, set_InterruptShadow: u64 = 0 bits 0, 1;
        NmiMasked, set_NmiMasked: u64 = 0 bits 1, 1;
        Reserved, set_Reserved: u64 = 0 bits 2, 62;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

block! {
    /// Event that the next run delivers before the first instruction.
    pub struct WHV_X64_PENDING_INTERRUPTION_REGISTER: 8 bytes, align 8 {
        InterruptionPending, set_InterruptionPending: u32 = 0 bits 0, 1;
        InterruptionType, set_InterruptionType: u32 = 0 bits 1, 3;
        DeliverErrorCode, set_DeliverErrorCode: u32 = 0 bits 4, 1;
        InstructionLength, set_InstructionLength: u32 = 0 bits 5, 4;
        NestedEvent, set_NestedEvent: u32 = 0 bits 9, 1;
        Reserved, set_Reserved: u32 = 0 bits 10, 6;
        InterruptionVector, set_InterruptionVector: u32 = 0 bits 16, 16;
        ErrorCode, set_ErrorCode: u32 = 4;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

enumeration! {
    /// Kind of event held in a pending-event register.
    pub struct WHV_X64_PENDING_EVENT_TYPE {
        WHvX64PendingEventException = 0,
        WHvX64PendingEventExtInt = 5,
        WHvX64PendingEventSvmNestedExit = 7,
        WHvX64PendingEventVmxNestedExit = 8,
    }
}

block! {
    /// Pending exception in the pending-event register.
    pub struct WHV_X64_PENDING_EXCEPTION_EVENT: 16 bytes, align 16 {
        EventPending, set_EventPending: u32 = 0 bits 0, 1;
        EventType, set_EventType: u32 = 0 bits 1, 3;
        Reserved0, set_Reserved0: u32 = 0 bits 4, 4;
        DeliverErrorCode, set_DeliverErrorCode: u32 = 0 bits 8, 1;
        Reserved1, set_Reserved1: u32 = 0 bits 9, 7;
        Vector, set_Vector: u32 = 0 bits 16, 16;
        ErrorCode, set_ErrorCode: u32 = 4;
        ExceptionParameter, set_ExceptionParameter: u64 = 8;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// Pending 8259-style interrupt in the pending-event register.
    pub struct WHV_X64_PENDING_EXT_INT_EVENT: 16 bytes, align 16 {
        EventPending, set_EventPending: u64 = 0 bits 0, 1;
        EventType, set_EventType: u64 = 0 bits 1, 3;
        Reserved0, set_Reserved0: u64 = 0 bits 4, 4;
        Vector, set_Vector: u64 = 0 bits 8, 8;
        Reserved1, set_Reserved1: u64 = 0 bits 16, 48;
        Reserved2, set_Reserved2: u64 = 8;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// Pending nested SVM exit, first slice.
    pub struct WHV_X64_PENDING_SVM_NESTED_EXIT_EVENT0: 16 bytes, align 16 {
        EventPending, set_EventPending: u64 = 0 bits 0, 1;
        EventType, set_EventType: u64 = 0 bits 1, 4;
        Reserved0, set_Reserved0: u64 = 0 bits 5, 3;
        InstructionBytesValid, set_InstructionBytesValid: u64 = 0 bits 8, 1;
        Reserved1, set_Reserved1: u64 = 0 bits 9, 55;
        ExitCode, set_ExitCode: u64 = 8;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// Pending nested SVM exit, second slice.
    pub struct WHV_X64_PENDING_SVM_NESTED_EXIT_EVENT1: 16 bytes, align 16 {
        ExitInfo1, set_ExitInfo1: u64 = 0;
        ExitInfo2, set_ExitInfo2: u64 = 8;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// Pending nested SVM exit, third slice.
    pub struct WHV_X64_PENDING_SVM_NESTED_EXIT_EVENT2: 16 bytes, align 16 {
        NextRip, set_NextRip: u64 = 0;
        InstructionBytesFetchedCount, set_InstructionBytesFetchedCount: u8 = 8;
        InstructionBytes, set_InstructionBytes: [u8; 7] = 9;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// Pending nested SVM exit, fourth slice.
    pub struct WHV_X64_PENDING_SVM_NESTED_EXIT_EVENT3: 16 bytes, align 16 {
        InstructionBytes, set_InstructionBytes: [u8; 8] = 0;
        Reserved2, set_Reserved2: u64 = 8;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// Pending nested VMX exit, first slice.
    pub struct WHV_X64_PENDING_VMX_NESTED_EXIT_EVENT0: 16 bytes, align 16 {
        EventPending, set_EventPending: u32 = 0 bits 0, 1;
        EventType, set_EventType: u32 = 0 bits 1, 4;
        Reserved0, set_Reserved0: u32 = 0 bits 5, 27;
        ExitReason, set_ExitReason: u32 = 4;
        ExitQualification, set_ExitQualification: u64 = 8;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// Pending nested VMX exit, second slice.
    pub struct WHV_X64_PENDING_VMX_NESTED_EXIT_EVENT1: 16 bytes, align 16 {
        InstructionLength, set_InstructionLength: u32 = 0;
        InstructionInfo, set_InstructionInfo: u32 = 4;
        ExitInterruptionInfo, set_ExitInterruptionInfo: u32 = 8;
        ExitExceptionErrorCode, set_ExitExceptionErrorCode: u32 = 12;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// Pending nested VMX exit, third slice.
    pub struct WHV_X64_PENDING_VMX_NESTED_EXIT_EVENT2: 16 bytes, align 16 {
        GuestLinearAddress, set_GuestLinearAddress: u64 = 0;
        GuestPhysicalAddress, set_GuestPhysicalAddress: u64 = 8;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// Command register: nested INVEPT.
    pub struct WHV_X64_NESTED_INVEPT_REGISTER: 16 bytes, align 16 {
        Type, set_Type: u8 = 0;
        Reserved, set_Reserved: [u8; 7] = 1;
        Eptp, set_Eptp: u64 = 8;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// Command register: nested INVVPID.
    pub struct WHV_X64_NESTED_INVVPID_REGISTER: 16 bytes, align 16 {
        Type, set_Type: u8 = 0;
        Reserved, set_Reserved: [u8; 3] = 1;
        Vpid, set_Vpid: u32 = 4;
        LinearAddress, set_LinearAddress: u64 = 8;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// Where a processor with nested virtualization stands.
    pub struct WHV_X64_NESTED_GUEST_STATE: 16 bytes, align 16 {
        NestedVirtActive, set_NestedVirtActive: u64 = 0 bits 0, 1;
        NestedGuestMode, set_NestedGuestMode: u64 = 0 bits 1, 1;
        VmEntryPending, set_VmEntryPending: u64 = 0 bits 2, 1;
        Reserved0, set_Reserved0: u64 = 0 bits 3, 61;
        Reserved1, set_Reserved1: u64 = 8;
        AsUINT128, set_AsUINT128: WHV_UINT128 = 0;
    }
}

block! {
    /// Requests for an exit when something becomes deliverable.
    pub struct WHV_DELIVERABILITY_NOTIFICATIONS_REGISTER: 8 bytes, align 8 {
        NmiNotification, set_NmiNotification: u64 = 0 bits 0, 1;
        InterruptNotification, set_InterruptNotification: u64 = 0 bits 1, 1;
        InterruptPriority, set_InterruptPriority: u64 = 0 bits 2, 4;
        Reserved, set_Reserved: u64 = 0 bits 6, 42;
        Sint, set_Sint: u64 = 0 bits 48, 16;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

/// Older name of [`WHV_DELIVERABILITY_NOTIFICATIONS_REGISTER`].
pub type WHV_X64_DELIVERABILITY_NOTIFICATIONS_REGISTER = WHV_DELIVERABILITY_NOTIFICATIONS_REGISTER;

block! {
    /// Trap-type debug causes not yet delivered.
    pub struct WHV_X64_PENDING_DEBUG_EXCEPTION: 8 bytes, align 8 {
        AsUINT64, set_AsUINT64: u64 = 0;
        Breakpoint0, set_Breakpoint0: u64 = 0 bits 0, 1;
        Breakpoint1, set_Breakpoint1: u64 = 0 bits 1, 1;
        Breakpoint2, set_Breakpoint2: u64 = 0 bits 2, 1;
        Breakpoint3, set_Breakpoint3: u64 = 0 bits 3, 1;
        SingleStep, set_SingleStep: u64 = 0 bits 4, 1;
        Reserved0, set_Reserved0: u64 = 0 bits 5, 59;
    }
}

block! {
    /// Value of any register. Narrow registers use the low bytes, the rest reads zero.
    pub struct WHV_REGISTER_VALUE: 16 bytes, align 16 {
        Reg128, set_Reg128: WHV_UINT128 = 0;
        Reg64, set_Reg64: u64 = 0;
        Reg32, set_Reg32: u32 = 0;
        Reg16, set_Reg16: u16 = 0;
        Reg8, set_Reg8: u8 = 0;
        InternalActivity, set_InternalActivity: WHV_INTERNAL_ACTIVITY_REGISTER = 0;
        DeliverabilityNotifications, set_DeliverabilityNotifications: WHV_DELIVERABILITY_NOTIFICATIONS_REGISTER = 0;
        Fp, set_Fp: WHV_X64_FP_REGISTER = 0;
        FpControlStatus, set_FpControlStatus: WHV_X64_FP_CONTROL_STATUS_REGISTER = 0;
        XmmControlStatus, set_XmmControlStatus: WHV_X64_XMM_CONTROL_STATUS_REGISTER = 0;
        Segment, set_Segment: WHV_X64_SEGMENT_REGISTER = 0;
        Table, set_Table: WHV_X64_TABLE_REGISTER = 0;
        InterruptState, set_InterruptState: WHV_X64_INTERRUPT_STATE_REGISTER = 0;
        PendingInterruption, set_PendingInterruption: WHV_X64_PENDING_INTERRUPTION_REGISTER = 0;
        ExceptionEvent, set_ExceptionEvent: WHV_X64_PENDING_EXCEPTION_EVENT = 0;
        ExtIntEvent, set_ExtIntEvent: WHV_X64_PENDING_EXT_INT_EVENT = 0;
        PendingDebugException, set_PendingDebugException: WHV_X64_PENDING_DEBUG_EXCEPTION = 0;
        NestedState, set_NestedState: WHV_X64_NESTED_GUEST_STATE = 0;
        InvEpt, set_InvEpt: WHV_X64_NESTED_INVEPT_REGISTER = 0;
        InvVpid, set_InvVpid: WHV_X64_NESTED_INVVPID_REGISTER = 0;
        SvmNestedExit0, set_SvmNestedExit0: WHV_X64_PENDING_SVM_NESTED_EXIT_EVENT0 = 0;
        SvmNestedExit1, set_SvmNestedExit1: WHV_X64_PENDING_SVM_NESTED_EXIT_EVENT1 = 0;
        SvmNestedExit2, set_SvmNestedExit2: WHV_X64_PENDING_SVM_NESTED_EXIT_EVENT2 = 0;
        SvmNestedExit3, set_SvmNestedExit3: WHV_X64_PENDING_SVM_NESTED_EXIT_EVENT3 = 0;
        VmxNestedExit0, set_VmxNestedExit0: WHV_X64_PENDING_VMX_NESTED_EXIT_EVENT0 = 0;
        VmxNestedExit1, set_VmxNestedExit1: WHV_X64_PENDING_VMX_NESTED_EXIT_EVENT1 = 0;
        VmxNestedExit2, set_VmxNestedExit2: WHV_X64_PENDING_VMX_NESTED_EXIT_EVENT2 = 0;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    WHV_X64_FP_REGISTER::RECORD,
    WHV_X64_FP_CONTROL_STATUS_REGISTER::RECORD,
    WHV_X64_XMM_CONTROL_STATUS_REGISTER::RECORD,
    WHV_X64_SEGMENT_REGISTER::RECORD,
    WHV_X64_TABLE_REGISTER::RECORD,
    WHV_X64_INTERRUPT_STATE_REGISTER::RECORD,
    WHV_X64_PENDING_INTERRUPTION_REGISTER::RECORD,
    Record::plain::<WHV_X64_PENDING_EVENT_TYPE>("WHV_X64_PENDING_EVENT_TYPE"),
    WHV_X64_PENDING_EXCEPTION_EVENT::RECORD,
    WHV_X64_PENDING_EXT_INT_EVENT::RECORD,
    WHV_X64_PENDING_SVM_NESTED_EXIT_EVENT0::RECORD,
    WHV_X64_PENDING_SVM_NESTED_EXIT_EVENT1::RECORD,
    WHV_X64_PENDING_SVM_NESTED_EXIT_EVENT2::RECORD,
    WHV_X64_PENDING_SVM_NESTED_EXIT_EVENT3::RECORD,
    WHV_X64_PENDING_VMX_NESTED_EXIT_EVENT0::RECORD,
    WHV_X64_PENDING_VMX_NESTED_EXIT_EVENT1::RECORD,
    WHV_X64_PENDING_VMX_NESTED_EXIT_EVENT2::RECORD,
    WHV_X64_NESTED_INVEPT_REGISTER::RECORD,
    WHV_X64_NESTED_INVVPID_REGISTER::RECORD,
    WHV_X64_NESTED_GUEST_STATE::RECORD,
    WHV_DELIVERABILITY_NOTIFICATIONS_REGISTER::RECORD,
    Record::plain::<WHV_X64_DELIVERABILITY_NOTIFICATIONS_REGISTER>(
        "WHV_X64_DELIVERABILITY_NOTIFICATIONS_REGISTER",
    ),
    WHV_X64_PENDING_DEBUG_EXCEPTION::RECORD,
    WHV_REGISTER_VALUE::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[WHV_X64_PENDING_EVENT_TYPE::ENUMERATION];
