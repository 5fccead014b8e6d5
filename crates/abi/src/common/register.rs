//! Register values: words and 128-bit unions behind the register names.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;

block! {
    /// 128-bit value, 16-byte aligned.
    pub struct WHV_UINT128: 16 bytes, align 16 {
        Low64, set_Low64: u64 = 0;
        High64, set_High64: u64 = 8;
        Dword, set_Dword: [u32; 4] = 0;
    }
}

block! {
    /// Why a processor does not execute: start-up, halt or idle.
    pub struct WHV_INTERNAL_ACTIVITY_REGISTER: 8 bytes, align 8 {
        StartupSuspend, set_StartupSuspend: u64 = 0 bits 0, 1;
        HaltSuspend, set_HaltSuspend: u64 = 0 bits 1, 1;
        IdleSuspend, set_IdleSuspend: u64 = 0 bits 2, 1;
        Reserved, set_Reserved: u64 = 0 bits 3, 61;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[WHV_UINT128::RECORD, WHV_INTERNAL_ACTIVITY_REGISTER::RECORD];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[];
