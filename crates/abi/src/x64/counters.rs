//! Counters.

use crate::common::WHV_PROCESSOR_INTERCEPT_COUNTER;
use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::enumeration;
use crate::layout::record;

enumeration! {
    /// Set of processor counters.
    pub struct WHV_PROCESSOR_COUNTER_SET {
        WHvProcessorCounterSetRuntime = 0,
        WHvProcessorCounterSetIntercepts = 1,
        WHvProcessorCounterSetEvents = 2,
        WHvProcessorCounterSetApic = 3,
        WHvProcessorCounterSetSyntheticFeatures = 4,
    }
}

record! {
    /// Intercepts by kind.
    pub struct WHV_PROCESSOR_INTERCEPT_COUNTERS {
        PageInvalidations: WHV_PROCESSOR_INTERCEPT_COUNTER,
        ControlRegisterAccesses: WHV_PROCESSOR_INTERCEPT_COUNTER,
        IoInstructions: WHV_PROCESSOR_INTERCEPT_COUNTER,
        HaltInstructions: WHV_PROCESSOR_INTERCEPT_COUNTER,
        CpuidInstructions: WHV_PROCESSOR_INTERCEPT_COUNTER,
        MsrAccesses: WHV_PROCESSOR_INTERCEPT_COUNTER,
        OtherIntercepts: WHV_PROCESSOR_INTERCEPT_COUNTER,
        PendingInterrupts: WHV_PROCESSOR_INTERCEPT_COUNTER,
        EmulatedInstructions: WHV_PROCESSOR_INTERCEPT_COUNTER,
        DebugRegisterAccesses: WHV_PROCESSOR_INTERCEPT_COUNTER,
        PageFaultIntercepts: WHV_PROCESSOR_INTERCEPT_COUNTER,
        NestedPageFaultIntercepts: WHV_PROCESSOR_INTERCEPT_COUNTER,
        Hypercalls: WHV_PROCESSOR_INTERCEPT_COUNTER,
        RdpmcInstructions: WHV_PROCESSOR_INTERCEPT_COUNTER,
    }
}

/// Older name of [`WHV_PROCESSOR_INTERCEPT_COUNTERS`].
pub type WHV_PROCESSOR_ACTIVITY_COUNTERS = WHV_PROCESSOR_INTERCEPT_COUNTERS;

record! {
    /// Local-APIC accesses.
    pub struct WHV_PROCESSOR_APIC_COUNTERS {
        MmioAccessCount: u64,
        EoiAccessCount: u64,
        TprAccessCount: u64,
        SentIpiCount: u64,
        SelfIpiCount: u64,
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_PROCESSOR_COUNTER_SET>("WHV_PROCESSOR_COUNTER_SET"),
    WHV_PROCESSOR_INTERCEPT_COUNTERS::RECORD,
    Record::plain::<WHV_PROCESSOR_ACTIVITY_COUNTERS>("WHV_PROCESSOR_ACTIVITY_COUNTERS"),
    WHV_PROCESSOR_APIC_COUNTERS::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[WHV_PROCESSOR_COUNTER_SET::ENUMERATION];
