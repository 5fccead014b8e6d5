//! What a partition is made of: everything the platform has decided before it asks an engine for one.

use crate::CpuidOutput;
use crate::VpIndex;

/// Local APIC emulation of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum ApicMode {
    /// None: the client owns interrupt delivery and HLT exits.
    #[default]
    None = 0,
    /// xAPIC only.
    XApic = 1,
    /// xAPIC, and x2APIC when the guest switches to it.
    X2Apic = 2,
}

/// Where guest time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ClockMode {
    /// The host's monotonic clock.
    #[default]
    Host,
    /// The count of retired instructions: two runs of the same guest give the same trace, bit for bit.
    Deterministic {
        /// Guest instructions that make one microsecond of guest time; at least 1.
        instructions_per_us: u32,
    },
}

bitflags::bitflags! {
    /// Additional exits (`WHV_EXTENDED_VM_EXITS`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct ExtendedVmExits: u64 {
        /// CPUID.
        const X64_CPUID = 1 << 0;
        /// RDMSR and WRMSR.
        const X64_MSR = 1 << 1;
        /// Selected exceptions.
        const EXCEPTION = 1 << 2;
        /// RDTSC and RDTSCP.
        const X64_RDTSC = 1 << 3;
        /// Interrupt commands of type SMI.
        const X64_APIC_SMI = 1 << 4;
        /// Hypercalls.
        const HYPERCALL = 1 << 5;
        /// Interrupt commands of type INIT or start-up.
        const X64_APIC_INIT_SIPI = 1 << 6;
        /// Writes of LVT0.
        const X64_APIC_WRITE_LINT0 = 1 << 7;
        /// Writes of LVT1.
        const X64_APIC_WRITE_LINT1 = 1 << 8;
        /// Writes of the spurious vector register.
        const X64_APIC_WRITE_SVR = 1 << 9;
        /// Signals to unknown connections.
        const UNKNOWN_SYNIC_CONNECTION = 1 << 10;
        /// Interrupt retargeting of unknown devices.
        const RETARGET_UNKNOWN_VPCI_DEVICE = 1 << 11;
        /// Writes of the logical destination register.
        const X64_APIC_WRITE_LDR = 1 << 12;
        /// Writes of the destination format register.
        const X64_APIC_WRITE_DFR = 1 << 13;
        /// First access to a page that was not populated.
        const GPA_ACCESS_FAULT = 1 << 14;
    }

    /// Which register accesses exit while `X64_MSR` is on (`WHV_X64_MSR_EXIT_BITMAP`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct MsrExitBitmap: u64 {
        /// Registers the platform does not implement.
        const UNHANDLED = 1 << 0;
        /// Writes of the TSC and of TSC_ADJUST.
        const TSC_WRITE = 1 << 1;
        /// Reads of the TSC.
        const TSC_READ = 1 << 2;
        /// Writes of APIC_BASE.
        const APIC_BASE_WRITE = 1 << 3;
        /// Reads of MISC_ENABLE.
        const MISC_ENABLE_READ = 1 << 4;
        /// Reads of the microcode revision.
        const MICROCODE_READ = 1 << 5;
    }
}

impl Default for MsrExitBitmap {
    /// Unhandled registers exit until a client says otherwise.
    fn default() -> Self {
        Self::UNHANDLED
    }
}

/// The exit switches of a partition; they may change while it is set up.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ExitControls {
    /// Which additional exits are on.
    pub extended: ExtendedVmExits,
    /// One bit per exception vector.
    pub exceptions: u64,
    /// Which MSR accesses exit.
    pub msrs: MsrExitBitmap,
    /// CPUID functions that exit; empty means all.
    pub cpuid_functions: Vec<u32>,
}

/// One entry of the first CPUID result list: every sub-leaf of a function gives this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct CpuidResult {
    /// CPUID function (EAX).
    pub function: u32,
    /// What it gives.
    pub output: CpuidOutput,
}

/// One entry of the second CPUID result list: replaces the bits of `mask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct CpuidResult2 {
    /// CPUID function (EAX).
    pub function: u32,
    /// The one sub-leaf (ECX) it is for, or all.
    pub index: Option<u32>,
    /// The one processor it is for, or all.
    pub vp: Option<VpIndex>,
    /// New values of the masked bits.
    pub output: CpuidOutput,
    /// Which bits are replaced.
    pub mask: CpuidOutput,
}

/// What happens on an access to a model-specific register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum MsrAction {
    /// As the processor does it.
    #[default]
    Architecture = 0,
    /// Drop writes, read zero.
    Ignore = 1,
    /// Exit to the client.
    Exit = 2,
}

/// Action for one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct MsrActionEntry {
    /// The register's number.
    pub msr: u32,
    /// For RDMSR.
    pub read: MsrAction,
    /// For WRMSR.
    pub write: MsrAction,
}

/// What happens on an access to a register nobody implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum UnimplementedMsrAction {
    /// General-protection fault.
    #[default]
    Fault = 0,
    /// Drop writes, read zero.
    Ignore = 1,
    /// Exit to the client.
    Exit = 2,
}

/// What a partition asks of the host's scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scheduling {
    /// Most processor time each virtual processor may use, in 65536ths of a host processor; 0 for no limit.
    pub cpu_cap: u32,
    /// Weight against others, 1 to 10000; 100 is the usual one.
    pub cpu_weight: u32,
    /// The node whose processors run the virtual ones.
    pub numa_node: Option<u16>,
}

impl Default for Scheduling {
    fn default() -> Self {
        Self { cpu_cap: 0, cpu_weight: 100, numa_node: None }
    }
}

/// The two words of processor features (`WHV_X64_PROCESSOR_FEATURES1` and `..2`).
pub type FeatureBanks = [u64; 2];

/// Everything an engine needs to make a partition. The platform has checked the values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionConfig {
    /// Highest number of processors; indices are below it.
    pub processor_count: u32,
    /// Local APIC emulation.
    pub apic_mode: ApicMode,
    /// Offer the remote-read delivery mode.
    pub apic_remote_read: bool,
    /// Processor features to offer.
    pub features: FeatureBanks,
    /// XSAVE features to offer.
    pub xsave_features: u64,
    /// Synthetic features to offer.
    pub synthetic_features: u64,
    /// Replacements of whole CPUID functions.
    pub cpuid_results: Vec<CpuidResult>,
    /// Bit-wise replacements.
    pub cpuid_results2: Vec<CpuidResult2>,
    /// Per-register actions.
    pub msr_actions: Vec<MsrActionEntry>,
    /// For all other registers that are not implemented.
    pub unimplemented_msr: UnimplementedMsrAction,
    /// Bits of a guest physical address.
    pub physical_address_width: u32,
    /// Rate of the guest's TSC in Hz.
    pub tsc_hz: u64,
    /// Rate of the APIC timer before division, in Hz.
    pub apic_hz: u64,
    /// Initial exit switches.
    pub exits: ExitControls,
    /// Source of guest time.
    pub clock: ClockMode,
    /// How the host's scheduler treats it.
    pub scheduling: Scheduling,
}

impl PartitionConfig {
    /// A configuration for `processor_count` processors with everything `capabilities` offers, no APIC and no
    /// additional exits.
    pub fn new(processor_count: u32, capabilities: &crate::Capabilities) -> Self {
        Self {
            processor_count,
            apic_mode: ApicMode::None,
            apic_remote_read: false,
            features: capabilities.processor_features,
            xsave_features: capabilities.xsave_features,
            synthetic_features: 0,
            cpuid_results: Vec::new(),
            cpuid_results2: Vec::new(),
            msr_actions: Vec::new(),
            unimplemented_msr: UnimplementedMsrAction::Fault,
            physical_address_width: capabilities.physical_address_width,
            tsc_hz: capabilities.tsc_hz,
            apic_hz: capabilities.apic_hz,
            exits: ExitControls::default(),
            clock: ClockMode::Host,
            scheduling: Scheduling::default(),
        }
    }
}
