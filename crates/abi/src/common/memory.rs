//! Guest memory: mapping, translation, advice, direct access.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;
use crate::layout::record;

/// Guest physical address, in bytes.
pub type WHV_GUEST_PHYSICAL_ADDRESS = u64;

/// Guest virtual (linear) address, in bytes.
pub type WHV_GUEST_VIRTUAL_ADDRESS = u64;

enumeration! {
    /// Permissions and options of a mapping.
    pub struct WHV_MAP_GPA_RANGE_FLAGS {
        WHvMapGpaRangeFlagNone = 0,
        WHvMapGpaRangeFlagRead = 1,
        WHvMapGpaRangeFlagWrite = 2,
        WHvMapGpaRangeFlagExecute = 4,
        WHvMapGpaRangeFlagTrackDirtyPages = 8,
    }
}

enumeration! {
    /// Outcome of a translation.
    pub struct WHV_TRANSLATE_GVA_RESULT_CODE {
        WHvTranslateGvaResultSuccess = 0,
        WHvTranslateGvaResultPageNotPresent = 1,
        WHvTranslateGvaResultPrivilegeViolation = 2,
        WHvTranslateGvaResultInvalidPageTableFlags = 3,
        WHvTranslateGvaResultGpaUnmapped = 4,
        WHvTranslateGvaResultGpaNoReadAccess = 5,
        WHvTranslateGvaResultGpaNoWriteAccess = 6,
        WHvTranslateGvaResultGpaIllegalOverlayAccess = 7,
        WHvTranslateGvaResultIntercept = 8,
    }
}

record! {
    /// Outcome of a translation, as `WHvTranslateGva` stores it.
    pub struct WHV_TRANSLATE_GVA_RESULT {
        ResultCode: WHV_TRANSLATE_GVA_RESULT_CODE,
        Reserved: u32,
    }
}

record! {
    /// Range of guest physical memory, in bytes.
    pub struct WHV_MEMORY_RANGE_ENTRY {
        GuestAddress: u64,
        SizeInBytes: u64,
    }
}

block! {
    /// Options of the populate advice.
    pub struct WHV_ADVISE_GPA_RANGE_POPULATE_FLAGS: 4 bytes, align 4 {
        AsUINT32, set_AsUINT32: u32 = 0;
        Prefetch, set_Prefetch: u32 = 0 bits 0, 1;
        AvoidHardFaults, set_AvoidHardFaults: u32 = 0 bits 1, 1;
        Reserved, set_Reserved: u32 = 0 bits 2, 30;
    }
}

enumeration! {
    /// Kind of memory access.
    pub struct WHV_MEMORY_ACCESS_TYPE {
        WHvMemoryAccessRead = 0,
        WHvMemoryAccessWrite = 1,
        WHvMemoryAccessExecute = 2,
    }
}

record! {
    /// Parameters of the populate advice.
    pub struct WHV_ADVISE_GPA_RANGE_POPULATE {
        Flags: WHV_ADVISE_GPA_RANGE_POPULATE_FLAGS,
        AccessType: WHV_MEMORY_ACCESS_TYPE,
    }
}

block! {
    /// Parameters of any advice.
    pub struct WHV_ADVISE_GPA_RANGE: 8 bytes, align 4 {
        Populate, set_Populate: WHV_ADVISE_GPA_RANGE_POPULATE = 0;
    }
}

enumeration! {
    /// Kind of advice about guest memory.
    pub struct WHV_ADVISE_GPA_RANGE_CODE {
        WHvAdviseGpaRangeCodePopulate = 0,
        WHvAdviseGpaRangeCodePin = 1,
        WHvAdviseGpaRangeCodeUnpin = 2,
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_GUEST_PHYSICAL_ADDRESS>("WHV_GUEST_PHYSICAL_ADDRESS"),
    Record::plain::<WHV_GUEST_VIRTUAL_ADDRESS>("WHV_GUEST_VIRTUAL_ADDRESS"),
    Record::plain::<WHV_MAP_GPA_RANGE_FLAGS>("WHV_MAP_GPA_RANGE_FLAGS"),
    Record::plain::<WHV_TRANSLATE_GVA_RESULT_CODE>("WHV_TRANSLATE_GVA_RESULT_CODE"),
    WHV_TRANSLATE_GVA_RESULT::RECORD,
    WHV_MEMORY_RANGE_ENTRY::RECORD,
    WHV_ADVISE_GPA_RANGE_POPULATE_FLAGS::RECORD,
    Record::plain::<WHV_MEMORY_ACCESS_TYPE>("WHV_MEMORY_ACCESS_TYPE"),
    WHV_ADVISE_GPA_RANGE_POPULATE::RECORD,
    WHV_ADVISE_GPA_RANGE::RECORD,
    Record::plain::<WHV_ADVISE_GPA_RANGE_CODE>("WHV_ADVISE_GPA_RANGE_CODE"),
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[
    WHV_MAP_GPA_RANGE_FLAGS::ENUMERATION,
    WHV_TRANSLATE_GVA_RESULT_CODE::ENUMERATION,
    WHV_MEMORY_ACCESS_TYPE::ENUMERATION,
    WHV_ADVISE_GPA_RANGE_CODE::ENUMERATION,
];
