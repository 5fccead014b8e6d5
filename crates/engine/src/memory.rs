//! Mapping flags, host ranges, and what address translation answers.

use crate::Gpa;

bitflags::bitflags! {
    /// Rights and options of a mapping (`WHV_MAP_GPA_RANGE_FLAGS`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct MapFlags: u32 {
        /// The guest may read.
        const READ = 1;
        /// The guest may write.
        const WRITE = 2;
        /// The guest may fetch instructions.
        const EXECUTE = 4;
        /// Keep a dirty bit per page. Adds no right.
        const TRACK_DIRTY = 8;
    }

    /// Options of a translation (`WHV_TRANSLATE_GVA_FLAGS`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct TranslateFlags: u32 {
        /// Check that the guest may read.
        const VALIDATE_READ = 1;
        /// Check that the guest may write.
        const VALIDATE_WRITE = 2;
        /// Check that the guest may execute.
        const VALIDATE_EXECUTE = 4;
        /// Check as for supervisor mode.
        const PRIVILEGE_EXEMPT = 8;
        /// Set accessed and dirty bits as an access would.
        const SET_PAGE_TABLE_BITS = 0x10;
        /// Apply SMAP as if RFLAGS.AC were 0.
        const ENFORCE_SMAP = 0x100;
        /// Apply SMAP as if RFLAGS.AC were 1.
        const OVERRIDE_SMAP = 0x200;
    }
}

/// A range of the embedding process's memory that a guest may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostRange {
    start: usize,
    len: usize,
}

impl HostRange {
    /// Vouches for `len` bytes at `start`.
    ///
    /// # Safety
    /// For as long as the range is mapped into a partition, no Rust reference may point into it and no other use
    /// of this address range may begin: guests read and write it at any time. The memory need not be
    /// accessible; an access that the host refuses becomes an exit.
    #[expect(unsafe_code, reason = "the one place where a caller promises that a guest may have this memory")]
    pub const unsafe fn new(start: usize, len: usize) -> Self {
        Self { start, len }
    }

    /// First address.
    pub const fn start(&self) -> usize {
        self.start
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True if the range has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Outcome of a translation (`WHV_TRANSLATE_GVA_RESULT_CODE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum TranslateResult {
    /// Translated.
    Success = 0,
    /// An entry is not present, or the address is not canonical.
    PageNotPresent = 1,
    /// The access is not permitted.
    PrivilegeViolation = 2,
    /// A reserved bit is set.
    InvalidPageTableFlags = 3,
    /// A page table is not mapped.
    GpaUnmapped = 4,
    /// A page table cannot be read.
    GpaNoReadAccess = 5,
    /// A page table cannot be written.
    GpaNoWriteAccess = 6,
    /// An overlay page refuses the access.
    GpaIllegalOverlayAccess = 7,
}

/// A translated address: the outcome, and the address if it is [`TranslateResult::Success`] (else 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Outcome.
    pub result: TranslateResult,
    /// Guest physical address with the page offset preserved.
    pub gpa: Gpa,
}
