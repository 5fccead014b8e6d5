//! Guest memory: mapping, translation, advice, direct access.

use crate::common::WHV_INPUT_VTL;
use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;

enumeration! {
    /// What a translation validates.
    pub struct WHV_TRANSLATE_GVA_FLAGS {
        WHvTranslateGvaFlagNone = 0,
        WHvTranslateGvaFlagValidateRead = 1,
        WHvTranslateGvaFlagValidateWrite = 2,
        WHvTranslateGvaFlagValidateExecute = 4,
        WHvTranslateGvaFlagSetPageTableBits = 0x10,
    }
}

block! {
    /// Translation flags as a word; no function takes it.
    pub struct WHV_TRANSLATE_GVA_2_FLAGS: 8 bytes, align 8 {
        ValidateRead, set_ValidateRead: u64 = 0 bits 0, 1;
        ValidateWrite, set_ValidateWrite: u64 = 0 bits 1, 1;
        ValidateExecute, set_ValidateExecute: u64 = 0 bits 2, 1;
        Reserved0, set_Reserved0: u64 = 0 bits 3, 1;
        SetPageTableBits, set_SetPageTableBits: u64 = 0 bits 4, 1;
        Reserved1, set_Reserved1: u64 = 0 bits 5, 3;
        Reserved2, set_Reserved2: u64 = 0 bits 8, 1;
        Reserved3, set_Reserved3: u64 = 0 bits 9, 1;
        Reserved4, set_Reserved4: u64 = 0 bits 10, 46;
        InputVtl, set_InputVtl: u64 = 0 bits 56, 8;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

enumeration! {
    /// Cache type of an access.
    pub struct WHV_CACHE_TYPE {
        WHvCacheTypeUncached = 0,
        WHvCacheTypeWriteCombining = 1,
        WHvCacheTypeWriteThrough = 4,
        WHvCacheTypeWriteBack = 6,
    }
}

block! {
    /// Cache type and trust level of an access, passed by value.
    pub struct WHV_ACCESS_GPA_CONTROLS: 8 bytes, align 8 {
        AsUINT64, set_AsUINT64: u64 = 0;
        CacheType, set_CacheType: WHV_CACHE_TYPE = 0;
        InputVtl, set_InputVtl: WHV_INPUT_VTL = 4;
        Reserved, set_Reserved: u8 = 5;
        Reserved1, set_Reserved1: u16 = 6;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_TRANSLATE_GVA_FLAGS>("WHV_TRANSLATE_GVA_FLAGS"),
    WHV_TRANSLATE_GVA_2_FLAGS::RECORD,
    Record::plain::<WHV_CACHE_TYPE>("WHV_CACHE_TYPE"),
    WHV_ACCESS_GPA_CONTROLS::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] =
    &[WHV_TRANSLATE_GVA_FLAGS::ENUMERATION, WHV_CACHE_TYPE::ENUMERATION];
