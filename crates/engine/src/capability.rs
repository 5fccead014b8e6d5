//! What an engine offers on this machine.

use crate::ExtendedVmExits;
use crate::FeatureBanks;
use crate::MsrExitBitmap;

bitflags::bitflags! {
    /// Platform abilities (`WHV_CAPABILITY_FEATURES`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct CapabilityFeatures: u64 {
        /// Parts of a mapping can be unmapped.
        const PARTIAL_UNMAP = 1 << 0;
        /// The local APIC can be emulated.
        const LOCAL_APIC_EMULATION = 1 << 1;
        /// XSAVE state can be read and written.
        const XSAVE = 1 << 2;
        /// Dirty pages can be tracked.
        const DIRTY_PAGE_TRACKING = 1 << 3;
        /// Speculation controls can be offered.
        const SPECULATION_CONTROL = 1 << 4;
        /// APIC remote read can be offered.
        const APIC_REMOTE_READ = 1 << 5;
        /// The guest idle register parks a processor.
        const IDLE_SUSPEND = 1 << 6;
        /// Virtual PCI devices.
        const VIRTUAL_PCI_DEVICES = 1 << 7;
        /// IOMMU.
        const IOMMU = 1 << 8;
        /// Processors can be added and removed while the partition runs.
        const VP_HOT_ADD_REMOVE = 1 << 9;
        /// Device accesses are tracked.
        const DEVICE_ACCESS_TRACKING = 1 << 10;
    }

    /// What of the host's scheduler partitions can ask for (`WHV_SCHEDULER_FEATURES`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct SchedulerFeatures: u64 {
        /// A guaranteed share of processor time.
        const CPU_RESERVE = 1 << 0;
        /// An upper limit of processor time.
        const CPU_CAP = 1 << 1;
        /// A weight against others.
        const CPU_WEIGHT = 1 << 2;
        /// Membership of a group of processors.
        const CPU_GROUP_ID = 1 << 3;
        /// No other work on the sibling threads of a processor's core.
        const DISABLE_SMT = 1 << 4;
    }

    /// Populate advice the engine honours (`WHV_ADVISE_GPA_RANGE_POPULATE_FLAGS`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct PopulateFlags: u32 {
        /// May be done in the background.
        const PREFETCH = 1 << 0;
        /// Skip pages that need input or output.
        const AVOID_HARD_FAULTS = 1 << 1;
    }
}

/// Maker of the processor a guest sees (`WHV_PROCESSOR_VENDOR`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum ProcessorVendor {
    /// AMD.
    Amd = 0,
    /// Intel.
    #[default]
    Intel = 1,
    /// Hygon.
    Hygon = 2,
}

/// What an engine offers on this machine; the same for the life of the process.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Capabilities {
    /// Platform abilities.
    pub features: CapabilityFeatures,
    /// Exits that can be switched on.
    pub extended_vm_exits: ExtendedVmExits,
    /// Exceptions that can exit, one bit per vector.
    pub exception_exit_bitmap: u64,
    /// MSR exits that can be switched on.
    pub msr_exit_bitmap: MsrExitBitmap,
    /// Populate advice honoured.
    pub populate_flags: PopulateFlags,
    /// What is honoured of scheduling properties.
    pub scheduler_features: SchedulerFeatures,
    /// NUMA nodes that processors can be placed on.
    pub numa_nodes: Vec<u16>,
    /// Processor maker.
    pub vendor: ProcessorVendor,
    /// Processor features guests can get.
    pub processor_features: FeatureBanks,
    /// XSAVE features guests can get.
    pub xsave_features: u64,
    /// Synthetic features guests can get.
    pub synthetic_features: u64,
    /// Performance monitoring features.
    pub perfmon_features: u64,
    /// Cache line size in units of 8 bytes, as CPUID leaf 1 gives it.
    pub cl_flush_size: u8,
    /// TSC rate in Hz.
    pub tsc_hz: u64,
    /// APIC timer rate before division, in Hz.
    pub apic_hz: u64,
    /// The TSC rate of a partition may differ from `tsc_hz`.
    pub can_scale_tsc: bool,
    /// Bits of a guest physical address.
    pub physical_address_width: u32,
    /// Highest number of processors of a partition in x2APIC mode.
    pub max_processor_count: u32,
}
