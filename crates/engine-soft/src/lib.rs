//! Runs virtual processors on the software CPU: threads, the guest memory map, timers and kicks.
//!
//! [`SoftEngine`] is the door; everything else is private. A partition holds the memory map, the clock and the list of
//! processors. Each processor owns an `openwhp_x86::Cpu` whose surroundings look things up in the partition. Others
//! reach a processor through its mailbox only: they post a request and kick it. Start reading at `vp`, the run loop.
//!
//! | module | idea |
//! | --- | --- |
//! | `vp`, `exits`, `events` | the run loop, its exits, injection |
//! | `env` | what the CPU asks for: pages, APIC, time, registers of the platform |
//! | `registers`, `xsave`, `apic_state` | state in the interface's forms |
//! | `vp_shared`, `shared` | mailboxes, kicks, waiting for one another |
//! | `map`, `zeroed`, `guest`, `fault` | guest memory and host faults |
//! | `overlay`, `doorbells` | what lies in front of guest memory |
//! | `notifications`, `connections` | doorbells and event ports of clients |
//! | `hypercall` | who answers hypercalls |
//! | `clock`, `timers` | guest time and deadlines |
//! | `interrupts` | routing between local APICs |
//! | `placement`, `limiter` | what the host's scheduler is asked for, and the limit it need not be |
//! | `features`, `cpuid` | what the processor offers |
//! | `hv`, `hypercall` | the hypervisor's interface for guests |

mod apic_state;
mod bus;
mod clock;
mod connections;
mod counters;
mod cpuid;
mod doorbells;
mod env;
mod events;
mod exits;
mod extended;
mod fault;
mod features;
mod guest;
mod hv;
mod hypercall;
mod interrupts;
mod limiter;
mod map;
mod notifications;
mod overlay;
mod partition;
mod placement;
mod random;
mod registers;
mod remote;
mod residency;
mod shared;
mod timers;
mod vp;
mod vp_shared;
mod xsave;
mod zeroed;

use std::sync::Arc;

use openwhp_engine::ApicMode;
use openwhp_engine::Capabilities;
use openwhp_engine::CapabilityFeatures;
use openwhp_engine::CreateError;
use openwhp_engine::Engine;
use openwhp_engine::EnginePartition;
use openwhp_engine::ExtendedVmExits;
use openwhp_engine::MsrExitBitmap;
use openwhp_engine::PartitionConfig;
use openwhp_engine::PopulateFlags;
use openwhp_engine::ProcessorVendor;
use openwhp_hyperv::Features;
use openwhp_x86::CpuModel;
use openwhp_x86::model::Vendor;

use crate::hv::HvPartition;
use crate::partition::SoftPartition;

/// Rate of the TSC: a tick a nanosecond keeps every conversion exact.
const TSC_HZ: u64 = 1_000_000_000;
/// Rate of the APIC timer before division.
const APIC_HZ: u64 = 200_000_000;
/// Exceptions that can exit: all that exist.
const EXCEPTIONS: u64 = 0x2F_7DFB;
/// Highest number of processors.
const MAX_PROCESSORS: u32 = 1024;

/// The software engine.
#[derive(Debug)]
pub struct SoftEngine {
    capabilities: Capabilities,
}

impl Default for SoftEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl SoftEngine {
    /// Finds out what the engine can offer on this machine.
    pub fn new() -> Self {
        let model = CpuModel::host(TSC_HZ);
        let (processor_features, xsave_features) = features::of_model(&model);
        let mut capabilities = Capabilities::default();
        capabilities.features = CapabilityFeatures::PARTIAL_UNMAP
            | CapabilityFeatures::LOCAL_APIC_EMULATION
            | CapabilityFeatures::XSAVE
            | CapabilityFeatures::DIRTY_PAGE_TRACKING
            | CapabilityFeatures::SPECULATION_CONTROL
            | CapabilityFeatures::APIC_REMOTE_READ
            | CapabilityFeatures::IDLE_SUSPEND
            | CapabilityFeatures::VP_HOT_ADD_REMOVE;
        capabilities.extended_vm_exits = ExtendedVmExits::all();
        capabilities.exception_exit_bitmap = EXCEPTIONS;
        capabilities.msr_exit_bitmap = MsrExitBitmap::all();
        capabilities.populate_flags = PopulateFlags::all();
        capabilities.vendor = match model.vendor {
            Vendor::Intel => ProcessorVendor::Intel,
            Vendor::Amd => ProcessorVendor::Amd,
            Vendor::Hygon => ProcessorVendor::Hygon,
        };
        capabilities.processor_features = processor_features;
        capabilities.xsave_features = xsave_features;
        capabilities.synthetic_features = Features::IMPLEMENTED.bits();
        capabilities.cl_flush_size = 8;
        capabilities.tsc_hz = TSC_HZ;
        capabilities.apic_hz = APIC_HZ;
        capabilities.can_scale_tsc = true;
        capabilities.physical_address_width = model.phys_bits;
        capabilities.max_processor_count = MAX_PROCESSORS;
        capabilities.scheduler_features = placement::scheduler_features();
        capabilities.numa_nodes = placement::nodes();
        Self { capabilities }
    }
}

impl Engine for SoftEngine {
    fn name(&self) -> &'static str {
        "soft"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn create(&self, config: &PartitionConfig) -> Result<Arc<dyn EnginePartition>, CreateError> {
        fault::install();
        let is_deterministic = matches!(config.clock, openwhp_engine::ClockMode::Deterministic { .. });
        if is_deterministic && config.processor_count > 1 {
            return Err(CreateError::NotAvailable {
                engine: "soft",
                ability: "a deterministic clock with more than one processor",
                advice: "use one processor or the host's clock",
            });
        }
        if is_deterministic && config.scheduling.cpu_cap != 0 {
            return Err(CreateError::NotAvailable {
                engine: "soft",
                ability: "a processor limit with a deterministic clock",
                advice: "real time has no part in it: leave the limit at 0",
            });
        }
        let synthetic = Features::from_bits_retain(config.synthetic_features);
        if let Some(unmet) = synthetic.unmet(config.apic_mode != ApicMode::None) {
            return Err(CreateError::Unmet { features: unmet.features.bits(), need: unmet.need });
        }
        let calls_by = if self.capabilities.vendor == ProcessorVendor::Intel {
            openwhp_hyperv::Vendor::Intel
        } else {
            openwhp_hyperv::Vendor::Amd
        };
        let hv = HvPartition::new(config, calls_by);
        let hv = hv.map_err(|_| CreateError::OutOfMemory { what: "the partition's synthetic pages" })?;
        debug_assert!(config.apic_mode != ApicMode::None || config.processor_count > 0);
        Ok(Arc::new(SoftPartition::new(config.clone(), hv)))
    }
}
