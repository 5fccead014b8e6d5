//! Virtual trust levels.

use super::register::{WHV_X64_SEGMENT_REGISTER, WHV_X64_TABLE_REGISTER};
use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::record;

record! {
    /// Start state of a processor in a trust level.
    pub struct WHV_INITIAL_VP_CONTEXT {
        Rip: u64,
        Rsp: u64,
        Rflags: u64,
        Cs: WHV_X64_SEGMENT_REGISTER,
        Ds: WHV_X64_SEGMENT_REGISTER,
        Es: WHV_X64_SEGMENT_REGISTER,
        Fs: WHV_X64_SEGMENT_REGISTER,
        Gs: WHV_X64_SEGMENT_REGISTER,
        Ss: WHV_X64_SEGMENT_REGISTER,
        Tr: WHV_X64_SEGMENT_REGISTER,
        Ldtr: WHV_X64_SEGMENT_REGISTER,
        Idtr: WHV_X64_TABLE_REGISTER,
        Gdtr: WHV_X64_TABLE_REGISTER,
        Efer: u64,
        Cr0: u64,
        Cr3: u64,
        Cr4: u64,
        MsrCrPat: u64,
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[WHV_INITIAL_VP_CONTEXT::RECORD];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[];
