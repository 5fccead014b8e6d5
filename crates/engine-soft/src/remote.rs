//! The part of a processor that any thread may use at any time.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use openwhp_engine::CpuidOutput;
use openwhp_engine::VpCounters;
use openwhp_engine::VpRemote;
use openwhp_x86::CpuModel;

use crate::cpuid;
use crate::vp_shared::VpShared;
use crate::vp_shared::lock;

pub(crate) struct Remote {
    vp: Arc<VpShared>,
    /// A copy of the processor's model, to answer without the processor.
    model: Mutex<CpuModel>,
}

impl Remote {
    pub(crate) fn new(vp: Arc<VpShared>, model: CpuModel) -> Self {
        Self { vp, model: Mutex::new(model) }
    }

    pub(crate) fn set_apic_id(&self, id: u32) {
        lock(&self.model).apic_id = id;
    }
}

impl VpRemote for Remote {
    fn cancel(&self) {
        self.vp.cancel();
    }

    fn cpuid(&self, function: u32, index: u32) -> CpuidOutput {
        let cr4 = self.vp.cr4.load(Ordering::Relaxed);
        let xcr0 = self.vp.xcr0.load(Ordering::Relaxed);
        cpuid::answer(&lock(&self.model), &self.vp, function, index, cr4, xcr0)
    }

    fn counters(&self) -> VpCounters {
        let mut counters = self.vp.counters.snapshot();
        counters.synthetic_interrupts =
            self.vp.hv.as_ref().map_or(0, |hv| hv.interrupts.load(Ordering::Relaxed));
        counters
    }
}
