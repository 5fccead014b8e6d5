//! Virtual trust levels.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::record;

record! {
    /// Start state of a processor in a trust level.
    pub struct WHV_INITIAL_VP_CONTEXT {
        Pc: u64,
        Sp_ELh: u64,
        SCTLR_EL1: u64,
        MAIR_EL1: u64,
        TCR_EL1: u64,
        VBAR_EL1: u64,
        TTBR0_EL1: u64,
        TTBR1_EL1: u64,
        X18: u64,
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[WHV_INITIAL_VP_CONTEXT::RECORD];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[];
