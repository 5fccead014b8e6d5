//! Counters of partitions and processors.

#![expect(unsafe_code, reason = "exports C functions")]

use std::ffi::c_void;

use openwhp::InterceptCounter;
use openwhp::VpCounters;
use openwhp_abi::hresult::WHV_E_UNKNOWN_PROPERTY;
use openwhp_abi::x64::*;
use zerocopy::IntoBytes;

use crate::boundary::Outcome;
use crate::boundary::answer;
use crate::boundary::exports;
use crate::error::Failure;
use crate::handles;

/// Size of the intercept counters in older headers, which lack the last three.
const OLDER_INTERCEPTS: usize = 176;

exports! {
    /// Reads counters of a partition.
    fn WHvGetPartitionCounters(
        partition: WHV_PARTITION_HANDLE,
        set: WHV_PARTITION_COUNTER_SET,
        buffer: *mut c_void [size],
        size: u32,
        written: *mut u32,
    ) {
        let partition = handles::set_up(partition)?;
        buffer.required_unless_empty()?;
        if set != WHvPartitionCounterSetMemory {
            return Err(unknown(set.0));
        }
        let [small, large, huge] = partition.mapped_pages_by_size();
        let counters = WHV_PARTITION_MEMORY_COUNTERS {
            Mapped4KPageCount: small,
            Mapped2MPageCount: large,
            Mapped1GPageCount: huge,
        };
        answer(buffer, written, counters.as_bytes())
    }

    /// Reads counters of a processor.
    fn WHvGetVirtualProcessorCounters(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        set: WHV_PROCESSOR_COUNTER_SET,
        buffer: *mut c_void [size],
        size: u32,
        written: *mut u32,
    ) {
        let partition = handles::set_up(partition)?;
        buffer.required_unless_empty()?;
        // The set is checked before the processor is looked up.
        counters(set, &VpCounters::default())?;
        let mut bytes = counters(set, &handles::processor(&partition, vp_index)?.counters())?;
        if set == WHvProcessorCounterSetIntercepts && buffer.len() == OLDER_INTERCEPTS {
            bytes.truncate(OLDER_INTERCEPTS);
        }
        answer(buffer, written, &bytes)
    }
}

fn unknown(set: u32) -> Failure {
    Failure::new(WHV_E_UNKNOWN_PROPERTY, format!("counter set {set} is not known"))
}

fn counters(set: WHV_PROCESSOR_COUNTER_SET, from: &VpCounters) -> Outcome<Vec<u8>> {
    Ok(match set {
        WHvProcessorCounterSetRuntime => runtime(from).as_bytes().to_vec(),
        WHvProcessorCounterSetIntercepts => intercepts(from).as_bytes().to_vec(),
        WHvProcessorCounterSetEvents => events(from).as_bytes().to_vec(),
        WHvProcessorCounterSetApic => apic(from).as_bytes().to_vec(),
        WHvProcessorCounterSetSyntheticFeatures => synthetic(from).as_bytes().to_vec(),
        other => return Err(unknown(other.0)),
    })
}

fn runtime(from: &VpCounters) -> WHV_PROCESSOR_RUNTIME_COUNTERS {
    WHV_PROCESSOR_RUNTIME_COUNTERS {
        TotalRuntime100ns: from.total_runtime_100ns,
        HypervisorRuntime100ns: from.hypervisor_runtime_100ns,
    }
}

fn intercept(from: InterceptCounter) -> WHV_PROCESSOR_INTERCEPT_COUNTER {
    WHV_PROCESSOR_INTERCEPT_COUNTER { Count: from.count, Time100ns: from.time_100ns }
}

fn intercepts(from: &VpCounters) -> WHV_PROCESSOR_INTERCEPT_COUNTERS {
    WHV_PROCESSOR_INTERCEPT_COUNTERS {
        PageInvalidations: intercept(from.page_invalidations),
        ControlRegisterAccesses: intercept(from.control_register_accesses),
        IoInstructions: intercept(from.io_instructions),
        HaltInstructions: intercept(from.halt_instructions),
        CpuidInstructions: intercept(from.cpuid_instructions),
        MsrAccesses: intercept(from.msr_accesses),
        OtherIntercepts: intercept(from.other_intercepts),
        PendingInterrupts: intercept(from.pending_interrupts),
        EmulatedInstructions: intercept(from.emulated_instructions),
        DebugRegisterAccesses: intercept(from.debug_register_accesses),
        PageFaultIntercepts: intercept(from.page_fault_intercepts),
        NestedPageFaultIntercepts: intercept(from.nested_page_fault_intercepts),
        Hypercalls: intercept(from.hypercalls),
        RdpmcInstructions: intercept(from.rdpmc_instructions),
    }
}

fn events(from: &VpCounters) -> WHV_PROCESSOR_EVENT_COUNTERS {
    WHV_PROCESSOR_EVENT_COUNTERS {
        PageFaultCount: from.page_faults,
        ExceptionCount: from.exceptions,
        InterruptCount: from.interrupts,
    }
}

fn synthetic(from: &VpCounters) -> WHV_PROCESSOR_SYNTHETIC_FEATURES_COUNTERS {
    WHV_PROCESSOR_SYNTHETIC_FEATURES_COUNTERS {
        SyntheticInterruptsCount: from.synthetic_interrupts,
        LongSpinWaitHypercallsCount: from.long_spin_wait_hypercalls,
        OtherHypercallsCount: from.other_hypercalls,
        SyntheticInterruptHypercallsCount: from.synthetic_interrupt_hypercalls,
        VirtualInterruptHypercallsCount: from.virtual_interrupt_hypercalls,
        VirtualMmuHypercallsCount: from.virtual_mmu_hypercalls,
    }
}

fn apic(from: &VpCounters) -> WHV_PROCESSOR_APIC_COUNTERS {
    WHV_PROCESSOR_APIC_COUNTERS {
        MmioAccessCount: from.apic_mmio_accesses,
        EoiAccessCount: from.apic_eoi_accesses,
        TprAccessCount: from.apic_tpr_accesses,
        SentIpiCount: from.apic_sent_ipis,
        SelfIpiCount: from.apic_self_ipis,
    }
}
