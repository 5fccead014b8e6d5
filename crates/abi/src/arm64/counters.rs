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
        WHvProcessorCounterSetSyntheticFeatures = 4,
    }
}

record! {
    /// Intercepts by kind.
    pub struct WHV_PROCESSOR_INTERCEPT_COUNTERS {
        OtherIntercepts: WHV_PROCESSOR_INTERCEPT_COUNTER,
        PendingInterrupts: WHV_PROCESSOR_INTERCEPT_COUNTER,
        NestedPageFaultIntercepts: WHV_PROCESSOR_INTERCEPT_COUNTER,
        Hypercalls: WHV_PROCESSOR_INTERCEPT_COUNTER,
        Reserved: [WHV_PROCESSOR_INTERCEPT_COUNTER; 10],
    }
}

/// Older name of [`WHV_PROCESSOR_INTERCEPT_COUNTERS`].
pub type WHV_PROCESSOR_ACTIVITY_COUNTERS = WHV_PROCESSOR_INTERCEPT_COUNTERS;

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_PROCESSOR_COUNTER_SET>("WHV_PROCESSOR_COUNTER_SET"),
    WHV_PROCESSOR_INTERCEPT_COUNTERS::RECORD,
    Record::plain::<WHV_PROCESSOR_ACTIVITY_COUNTERS>("WHV_PROCESSOR_ACTIVITY_COUNTERS"),
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[WHV_PROCESSOR_COUNTER_SET::ENUMERATION];
