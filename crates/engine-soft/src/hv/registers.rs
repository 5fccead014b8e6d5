//! Synthetic registers as a client reaches them.

use openwhp_engine::RegisterError;
use openwhp_engine::RegisterName as Name;
use openwhp_engine::RegisterValue;
use openwhp_hyperv::Features;
use openwhp_hyperv::Msr;
use openwhp_hyperv::PartitionMsr;
use openwhp_hyperv::VpMsr;

use crate::vp::SoftVp;

/// Sequence number of the reference TSC page, which no MSR shows.
const SEQUENCE: u32 = 0x501A;
/// Run time of the processor.
const VP_RUNTIME: u32 = 0x5000;

/// The MSR behind a register name.
fn msr_of(number: u32) -> Option<u32> {
    Some(match number {
        0x4000..=0x400F => 0x4000_0090 + (number - 0x4000),
        0x4010..=0x4014 => 0x4000_0080 + (number - 0x4010),
        VP_RUNTIME => 0x4000_0010,
        0x5001 => 0x4000_0001,
        0x5002 => 0x4000_0000,
        0x5013 => 0x4000_0073,
        0x5017 => 0x4000_0021,
        _ => return None,
    })
}

/// Whether a register name belongs here.
pub(crate) fn is_synthetic(number: u32) -> bool {
    number == SEQUENCE || msr_of(number).is_some()
}

impl SoftVp {
    fn synthetic(&self, name: Name) -> Result<Msr, RegisterError> {
        let features = self.shared.features();
        let index = if name.0 == SEQUENCE { msr_of(0x5017) } else { msr_of(name.0) };
        index.and_then(|index| Msr::find(features, index)).ok_or(RegisterError::NotAvailable(name))
    }

    /// Reads a synthetic register.
    pub(crate) fn get_synthetic(&mut self, name: Name) -> Result<RegisterValue, RegisterError> {
        let msr = self.synthetic(name)?;
        if name.0 == SEQUENCE {
            return Ok(u64::from(self.shared.reference_sequence()).into());
        }
        let icount = self.cpu.s.icount;
        let value = match msr {
            Msr::Partition(msr) => self.shared.hv.as_ref().map_or(0, |hv| hv.state().registers.read(msr)),
            Msr::Vp(msr) => self.vp.hv.as_ref().map_or(0, |hv| hv.state().read(msr)),
            _ => self.env().runtime_100ns(icount),
        };
        Ok(value.into())
    }

    /// Whether a synthetic register takes a value.
    pub(crate) fn check_synthetic(&mut self, name: Name, value: RegisterValue) -> Result<(), RegisterError> {
        let msr = self.synthetic(name)?;
        let is_fine = match msr {
            // Read-only, but what was read can be written back.
            Msr::Vp(VpMsr::Sversion) => value.low() == 1,
            Msr::Vp(msr) => self.vp.hv.as_ref().is_some_and(|hv| {
                let mut state = *hv.state();
                state.write(Features::IMPLEMENTED, msr, value.low(), 0).is_ok()
            }),
            _ if name.0 == SEQUENCE => value.low() >> 32 == 0,
            _ => true,
        };
        if is_fine { Ok(()) } else { Err(RegisterError::InvalidValue { name, value }) }
    }

    /// Writes a synthetic register whose value has been checked.
    pub(crate) fn set_synthetic(&mut self, name: Name, value: u64) {
        let Ok(msr) = self.synthetic(name) else { return };
        let icount = self.cpu.s.icount;
        if name.0 == SEQUENCE {
            self.shared.set_reference_sequence(value as u32);
            return;
        }
        match msr {
            Msr::Partition(msr) => self.set_partition_register(msr, value),
            Msr::Vp(VpMsr::Sversion) => {}
            Msr::Vp(msr) => {
                let features = self.shared.features();
                let now = self.env().reference_100ns(icount);
                let written = self.vp.hv.as_ref().map(|hv| hv.state().write(features, msr, value, now));
                if let Some(Ok(change)) = written {
                    self.env().processor_changed(change, icount);
                }
            }
            _ => self.env().set_runtime(icount, value),
        }
    }

    fn set_partition_register(&mut self, msr: PartitionMsr, value: u64) {
        let change = self.shared.hv.as_ref().map(|hv| hv.state().registers.set(msr, value));
        if let Some(change) = change {
            self.env().partition_changed(change);
        }
    }
}
