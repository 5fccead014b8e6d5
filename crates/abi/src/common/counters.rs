//! Counters.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::enumeration;
use crate::layout::record;

enumeration! {
    /// Set of partition counters.
    pub struct WHV_PARTITION_COUNTER_SET {
        WHvPartitionCounterSetMemory = 0,
    }
}

record! {
    /// Mapped pages by size.
    pub struct WHV_PARTITION_MEMORY_COUNTERS {
        Mapped4KPageCount: u64,
        Mapped2MPageCount: u64,
        Mapped1GPageCount: u64,
    }
}

record! {
    /// Run time, in 100 ns.
    pub struct WHV_PROCESSOR_RUNTIME_COUNTERS {
        TotalRuntime100ns: u64,
        HypervisorRuntime100ns: u64,
    }
}

record! {
    /// How often an intercept occurred and how long it took, in 100 ns.
    pub struct WHV_PROCESSOR_INTERCEPT_COUNTER {
        Count: u64,
        Time100ns: u64,
    }
}

record! {
    /// Events delivered to the guest.
    pub struct WHV_PROCESSOR_EVENT_COUNTERS {
        PageFaultCount: u64,
        ExceptionCount: u64,
        InterruptCount: u64,
    }
}

/// Older name of [`WHV_PROCESSOR_EVENT_COUNTERS`].
pub type WHV_PROCESSOR_GUEST_EVENT_COUNTERS = WHV_PROCESSOR_EVENT_COUNTERS;

record! {
    /// Uses of the synthetic interface.
    pub struct WHV_PROCESSOR_SYNTHETIC_FEATURES_COUNTERS {
        SyntheticInterruptsCount: u64,
        LongSpinWaitHypercallsCount: u64,
        OtherHypercallsCount: u64,
        SyntheticInterruptHypercallsCount: u64,
        VirtualInterruptHypercallsCount: u64,
        VirtualMmuHypercallsCount: u64,
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_PARTITION_COUNTER_SET>("WHV_PARTITION_COUNTER_SET"),
    WHV_PARTITION_MEMORY_COUNTERS::RECORD,
    WHV_PROCESSOR_RUNTIME_COUNTERS::RECORD,
    WHV_PROCESSOR_INTERCEPT_COUNTER::RECORD,
    WHV_PROCESSOR_EVENT_COUNTERS::RECORD,
    Record::plain::<WHV_PROCESSOR_GUEST_EVENT_COUNTERS>("WHV_PROCESSOR_GUEST_EVENT_COUNTERS"),
    WHV_PROCESSOR_SYNTHETIC_FEATURES_COUNTERS::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[WHV_PARTITION_COUNTER_SET::ENUMERATION];
