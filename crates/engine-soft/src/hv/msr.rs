//! Synthetic registers as a guest reaches them.

use std::sync::atomic::Ordering;

use openwhp_apic::Mode;
use openwhp_apic::register;
use openwhp_hyperv::ApicMsr;
use openwhp_hyperv::Fact;
use openwhp_hyperv::Msr;
use openwhp_hyperv::PartitionChange;
use openwhp_hyperv::VpChange;
use openwhp_x86::env::Effect;

use crate::env::VpEnv;

impl VpEnv {
    /// RDMSR of a synthetic register; `None` if the partition has no such register.
    pub(crate) fn read_synthetic(&mut self, index: u32, icount: u64) -> Option<Effect<u64>> {
        let msr = Msr::find(self.shared.features(), index)?;
        let (shared, vp) = (self.shared.clone(), self.vp.clone());
        let (partition, own) = (shared.hv.as_ref()?, vp.hv.as_ref()?);
        Some(match msr {
            Msr::Partition(msr) => Effect::Done(partition.state().registers.read(msr)),
            Msr::Vp(msr) => Effect::Done(own.state().read(msr)),
            Msr::Fact(fact) => Effect::Done(self.fact(fact, icount)),
            Msr::Apic(msr) => self.read_apic_shortcut(msr, icount),
            Msr::GuestIdle => {
                self.wants_idle = true;
                self.vp.nudge();
                Effect::Done(0)
            }
        })
    }

    /// WRMSR of a synthetic register; `None` if the partition has no such register.
    pub(crate) fn write_synthetic(&mut self, index: u32, value: u64, icount: u64) -> Option<Effect<()>> {
        let features = self.shared.features();
        let msr = Msr::find(features, index)?;
        let (shared, vp) = (self.shared.clone(), self.vp.clone());
        let (partition, own) = (shared.hv.as_ref()?, vp.hv.as_ref()?);
        Some(match msr {
            Msr::Partition(msr) => {
                let bits = shared.config.physical_address_width;
                let written = partition.state().registers.write(msr, value, bits);
                match written {
                    Ok(change) => self.partition_changed(change),
                    Err(_) => return Some(Effect::Fault),
                }
                Effect::Done(())
            }
            Msr::Vp(msr) => {
                let now = self.reference_100ns(icount);
                let written = own.state().write(features, msr, value, now);
                match written {
                    Ok(change) => self.processor_changed(change, icount),
                    Err(_) => return Some(Effect::Fault),
                }
                Effect::Done(())
            }
            Msr::Apic(msr) => self.write_apic_shortcut(msr, value, icount),
            Msr::Fact(_) | Msr::GuestIdle => Effect::Fault,
        })
    }

    fn fact(&mut self, fact: Fact, icount: u64) -> u64 {
        match fact {
            Fact::VpIndex => u64::from(self.vp.index),
            Fact::VpRuntime => self.runtime_100ns(icount),
            Fact::ReferenceCount => self.reference_100ns(icount),
            Fact::TscFrequency => self.shared.config.tsc_hz,
            Fact::ApicFrequency => self.shared.config.apic_hz,
        }
    }

    /// Reference time in 100 ns.
    pub(crate) fn reference_100ns(&self, icount: u64) -> u64 {
        self.shared.clock.reference(self.ns(icount)) / 100
    }

    /// Run time of this processor in 100 ns.
    pub(crate) fn runtime_100ns(&self, icount: u64) -> u64 {
        let measured = if self.shared.clock.is_deterministic() {
            self.shared.clock.time_of(icount)
        } else {
            self.vp.runtime_ns()
        };
        let offset = self.vp.hv.as_ref().map_or(0, |hv| hv.runtime_offset.load(Ordering::SeqCst));
        (measured / 100).wrapping_add_signed(offset)
    }

    /// Makes the run time read `value` now.
    pub(crate) fn set_runtime(&mut self, icount: u64, value: u64) {
        let now = self.runtime_100ns(icount);
        if let Some(hv) = &self.vp.hv {
            hv.runtime_offset.fetch_add(value.wrapping_sub(now) as i64, Ordering::SeqCst);
        }
    }

    /// Acts on a change of the partition's registers.
    pub(crate) fn partition_changed(&mut self, change: PartitionChange) {
        let shared = self.shared.clone();
        let Some(hv) = &shared.hv else { return };
        let (overlay, address) = match change {
            PartitionChange::HypercallPage => (&hv.hypercall_page, hv.state().registers.hypercall_page()),
            PartitionChange::ReferencePage => {
                shared.revive_reference();
                (&hv.reference_page, hv.state().registers.reference_page())
            }
            // A report stays readable; there is no exit for it.
            PartitionChange::None | PartitionChange::Crash => return,
        };
        self.lay_overlay(overlay, shared.page_at(address));
    }

    /// Acts on a change of the processor's registers.
    pub(crate) fn processor_changed(&mut self, change: VpChange, icount: u64) {
        let vp = self.vp.clone();
        let Some(hv) = &vp.hv else { return };
        match change {
            VpChange::None => {}
            VpChange::MessagePage => {
                let address = hv.state().synic.message_page();
                self.lay_overlay(&hv.messages, self.shared.page_at(address));
                self.slots_freed(icount);
            }
            VpChange::EventPage => {
                let address = hv.state().synic.event_page();
                self.lay_overlay(&hv.events, self.shared.page_at(address));
            }
            VpChange::AssistPage => {
                let address = hv.state().assist_page();
                self.lay_overlay(&hv.assist, self.shared.page_at(address));
            }
            VpChange::EndOfMessage | VpChange::Sources => self.slots_freed(icount),
            VpChange::Timers => {
                self.advance_timers(icount);
                self.rearm();
            }
        }
    }

    fn read_apic_shortcut(&mut self, msr: ApicMsr, icount: u64) -> Effect<u64> {
        let now = self.guest_time(icount);
        let Some(mut apic) = self.vp.apic() else { return Effect::Fault };
        match (msr, apic.mode()) {
            (ApicMsr::Eoi, _) | (_, Mode::Disabled) => Effect::Fault,
            (ApicMsr::Tpr, _) => Effect::Done(u64::from(apic.tpr())),
            (ApicMsr::Icr, Mode::X2Apic) => {
                apic.msr_read(register::ICR.msr(), now).map_or(Effect::Fault, Effect::Done)
            }
            (ApicMsr::Icr, Mode::XApic) => {
                let high = apic.mmio_read(register::ICR_HIGH.offset(), now);
                let low = apic.mmio_read(register::ICR.offset(), now);
                Effect::Done(u64::from(high) << 32 | u64::from(low))
            }
        }
    }

    fn write_apic_shortcut(&mut self, msr: ApicMsr, value: u64, icount: u64) -> Effect<()> {
        let now = self.guest_time(icount);
        let Some(mut apic) = self.vp.apic() else { return Effect::Fault };
        let effect = match (msr, apic.mode()) {
            (_, Mode::Disabled) => return Effect::Fault,
            (ApicMsr::Tpr, _) if value > 0xFF => return Effect::Fault,
            (ApicMsr::Tpr, _) => {
                self.vp.counters.apic_tpr.add(1);
                apic.set_tpr(value as u8);
                openwhp_apic::Effect::None
            }
            (ApicMsr::Eoi, Mode::X2Apic) => match apic.msr_write(register::EOI.msr(), 0, now) {
                Ok(effect) => effect,
                Err(_) => return Effect::Fault,
            },
            (ApicMsr::Eoi, Mode::XApic) => apic.mmio_write(register::EOI.offset(), 0, now),
            (ApicMsr::Icr, Mode::X2Apic) => match apic.msr_write(register::ICR.msr(), value, now) {
                Ok(effect) => effect,
                Err(_) => return Effect::Fault,
            },
            (ApicMsr::Icr, Mode::XApic) => {
                let _ = apic.mmio_write(register::ICR_HIGH.offset(), (value >> 32) as u32, now);
                apic.mmio_write(register::ICR.offset(), value as u32, now)
            }
        };
        drop(apic);
        if msr == ApicMsr::Eoi {
            self.vp.counters.apic_eoi.add(1);
            self.ended_interrupt(icount);
        }
        self.apic_effect(effect, now)
    }
}
