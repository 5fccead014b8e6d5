//! Register values: words and 128-bit unions behind the register names.

use crate::common::{WHV_INTERNAL_ACTIVITY_REGISTER, WHV_UINT128};
use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;

block! {
    /// Requests for an exit when something becomes deliverable.
    pub struct WHV_DELIVERABILITY_NOTIFICATIONS_REGISTER: 8 bytes, align 8 {
        Reserved, set_Reserved: u64 = 0 bits 0, 48;
        Sint, set_Sint: u64 = 0 bits 48, 16;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

/// Older name of [`WHV_DELIVERABILITY_NOTIFICATIONS_REGISTER`].
pub type WHV_X64_DELIVERABILITY_NOTIFICATIONS_REGISTER = WHV_DELIVERABILITY_NOTIFICATIONS_REGISTER;

enumeration! {
    /// Kind of event held in a pending-event register.
    pub struct WHV_ARM64_PENDING_EVENT_TYPE {
        WHvArm64PendingEventException = 0,
        WHvArm64PendingEventSyntheticException = 1,
    }
}

block! {
    /// Pending synchronous exception with its syndrome.
    pub struct WHV_ARM64_PENDING_EXCEPTION_EVENT: 24 bytes, align 8 {
        AsUINT64, set_AsUINT64: [u64; 3] = 0;
        EventPending, set_EventPending: u8 = 0 bits 0, 1;
        EventType, set_EventType: u8 = 0 bits 1, 3;
        Reserved, set_Reserved: u8 = 0 bits 4, 4;
        Reserved1, set_Reserved1: u8 = 1;
        Reserved2, set_Reserved2: u16 = 2;
        Reserved3, set_Reserved3: u32 = 4;
        EsrElx, set_EsrElx: u64 = 8;
        FarElx, set_FarElx: u64 = 16;
    }
}

enumeration! {
    /// Kind of synthetic exception.
    pub struct WHV_ARM64_SYNTHETIC_EXCEPTION_TYPE {
        WHvArm64SyntheticExceptionTypeSmc = 0,
        WHvArm64SyntheticExceptionTypeSecure = 1,
        WHvArm64SyntheticExceptionTypeCrashdump = 2,
        WHvArm64SyntheticExceptionTypeVirtualizationFault = 3,
        WHvArm64SyntheticExceptionTypeMax = 0x40,
    }
}

block! {
    /// Pending synthetic exception.
    pub struct WHV_ARM64_PENDING_SYNTHETIC_EXCEPTION_EVENT: 16 bytes, align 8 {
        AsUINT64, set_AsUINT64: [u64; 2] = 0;
        EventPending, set_EventPending: u8 = 0 bits 0, 1;
        EventType, set_EventType: u8 = 0 bits 1, 3;
        Reserved, set_Reserved: u8 = 0 bits 4, 4;
        Reserved1, set_Reserved1: u8 = 1;
        Reserved2, set_Reserved2: u16 = 2;
        ExceptionType, set_ExceptionType: u32 = 4;
        Context, set_Context: u64 = 8;
    }
}

block! {
    /// Any pending event, as two 128-bit registers.
    pub struct WHV_ARM64_PENDING_EVENT: 32 bytes, align 16 {
        Reg0, set_Reg0: WHV_UINT128 = 0;
        Reg1, set_Reg1: WHV_UINT128 = 16;
        EventPending, set_EventPending: u8 = 0 bits 0, 1;
        EventType, set_EventType: u8 = 0 bits 1, 3;
        Reserved, set_Reserved: u8 = 0 bits 4, 4;
        EventData, set_EventData: [u8; 15] = 1;
        Exception, set_Exception: WHV_ARM64_PENDING_EXCEPTION_EVENT = 0;
        SyntheticException, set_SyntheticException: WHV_ARM64_PENDING_SYNTHETIC_EXCEPTION_EVENT = 0;
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
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    WHV_DELIVERABILITY_NOTIFICATIONS_REGISTER::RECORD,
    Record::plain::<WHV_X64_DELIVERABILITY_NOTIFICATIONS_REGISTER>(
        "WHV_X64_DELIVERABILITY_NOTIFICATIONS_REGISTER",
    ),
    Record::plain::<WHV_ARM64_PENDING_EVENT_TYPE>("WHV_ARM64_PENDING_EVENT_TYPE"),
    WHV_ARM64_PENDING_EXCEPTION_EVENT::RECORD,
    Record::plain::<WHV_ARM64_SYNTHETIC_EXCEPTION_TYPE>("WHV_ARM64_SYNTHETIC_EXCEPTION_TYPE"),
    WHV_ARM64_PENDING_SYNTHETIC_EXCEPTION_EVENT::RECORD,
    WHV_ARM64_PENDING_EVENT::RECORD,
    WHV_REGISTER_VALUE::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] =
    &[WHV_ARM64_PENDING_EVENT_TYPE::ENUMERATION, WHV_ARM64_SYNTHETIC_EXCEPTION_TYPE::ENUMERATION];
