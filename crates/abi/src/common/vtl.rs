//! Virtual trust levels.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;

/// Virtual trust level.
pub type WHV_VTL = u8;

block! {
    /// Virtual trust level that a call addresses.
    pub struct WHV_INPUT_VTL: 1 bytes, align 1 {
        AsUINT8, set_AsUINT8: u8 = 0;
        TargetVtl, set_TargetVtl: u8 = 0 bits 0, 4;
        UseTargetVtl, set_UseTargetVtl: u8 = 0 bits 4, 1;
        Reserved, set_Reserved: u8 = 0 bits 5, 3;
    }
}

block! {
    /// Options for enabling a trust level on a partition.
    pub struct WHV_ENABLE_PARTITION_VTL_FLAGS: 1 bytes, align 1 {
        AsUINT8, set_AsUINT8: u8 = 0;
        EnableMbec, set_EnableMbec: u8 = 0 bits 0, 1;
        EnableSupervisorShadowStack, set_EnableSupervisorShadowStack: u8 = 0 bits 1, 1;
        EnableHardwareHvpt, set_EnableHardwareHvpt: u8 = 0 bits 2, 1;
        Reserved, set_Reserved: u8 = 0 bits 3, 5;
    }
}

block! {
    /// Options for disabling a trust level on a partition.
    pub struct WHV_DISABLE_PARTITION_VTL_FLAGS: 1 bytes, align 1 {
        AsUINT8, set_AsUINT8: u8 = 0;
        ScrubOnly, set_ScrubOnly: u8 = 0 bits 0, 1;
        Reserved, set_Reserved: u8 = 0 bits 1, 7;
    }
}

block! {
    /// Options for disabling a trust level on a processor.
    pub struct WHV_DISABLE_VP_VTL_FLAGS: 1 bytes, align 1 {
        AsUINT8, set_AsUINT8: u8 = 0;
        ScrubOnly, set_ScrubOnly: u8 = 0 bits 0, 1;
        Reserved, set_Reserved: u8 = 0 bits 1, 7;
    }
}

block! {
    /// Page permissions by trust level.
    pub struct WHV_VTL_PERMISSION_SET: 4 bytes, align 4 {
        AsUINT32, set_AsUINT32: u32 = 0;
        VtlPermissionFrom1, set_VtlPermissionFrom1: [u16; 2] = 0;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_VTL>("WHV_VTL"),
    WHV_INPUT_VTL::RECORD,
    WHV_ENABLE_PARTITION_VTL_FLAGS::RECORD,
    WHV_DISABLE_PARTITION_VTL_FLAGS::RECORD,
    WHV_DISABLE_VP_VTL_FLAGS::RECORD,
    WHV_VTL_PERMISSION_SET::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[];
