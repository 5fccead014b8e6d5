//! Partition properties and the lists they take.

use core::ffi::c_void;

use crate::layout::Enumeration;
use crate::layout::Record;

/// Opaque handle of a partition.
pub type WHV_PARTITION_HANDLE = *mut c_void;

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[Record::plain::<WHV_PARTITION_HANDLE>("WHV_PARTITION_HANDLE")];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[];
