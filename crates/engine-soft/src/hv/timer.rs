//! Synthetic timers, messages that wait, guest idle, and ends of interrupts that are waived.

use std::sync::atomic::Ordering;

use openwhp_x86::state::Activity;

use crate::env::VpEnv;
use crate::vp::SoftVp;
use crate::vp_shared::lock;

impl VpEnv {
    /// Guest time of the next synthetic timer. A processor that sleeps leaves lazy ones late.
    pub(crate) fn synthetic_deadline(&self) -> Option<u64> {
        let state = self.vp.hv.as_ref()?.state();
        let next = if self.is_asleep { state.timers.next_wake() } else { state.timers.next_deadline() };
        Some(self.shared.clock.guest_time_of(next?.saturating_mul(100)))
    }

    /// Goes to sleep or wakes: lazy timers wake nobody in time.
    pub(crate) fn set_asleep(&mut self, is_asleep: bool) {
        if self.vp.hv.is_some() {
            self.is_asleep = is_asleep;
            self.rearm();
        }
    }

    /// The reference time may have been set since the last run: synthetic timers move against guest time.
    pub(crate) fn follow_reference(&mut self) {
        if self.vp.hv.is_some() {
            let offset = self.shared.clock.reference_offset();
            if std::mem::replace(&mut self.reference_offset, offset) != offset {
                self.rearm();
            }
        }
    }

    /// Lets the synthetic timers catch up with reference time.
    pub(crate) fn advance_timers(&mut self, icount: u64) {
        let Some(hv) = &self.vp.hv else { return };
        let mut state = hv.state();
        if state.timers.next_deadline().is_none() {
            hv.note(&state);
            return;
        }
        let now = self.reference_100ns(icount);
        let raised = state.advance(now, &*hv.messages);
        hv.note(&state);
        drop(state);
        self.vp.raise_all(&raised);
    }

    /// The guest may have emptied a message slot, or made it usable.
    pub(crate) fn slots_freed(&mut self, icount: u64) {
        let Some(hv) = &self.vp.hv else { return };
        let mut state = hv.state();
        let now = self.reference_100ns(icount);
        let raised = state.end_of_message(now, &*hv.messages);
        hv.note(&state);
        drop(state);
        self.vp.raise_all(&raised);
        if hv.wanted() != 0 {
            // The run loop looks whether the client can have its turn.
            self.wants_look = true;
            self.vp.nudge();
        }
    }

    /// The guest ended an interrupt by a write.
    pub(crate) fn ended_interrupt(&mut self, icount: u64) {
        let Some(hv) = &self.vp.hv else { return };
        if hv.is_eoi_waived.swap(false, Ordering::SeqCst) {
            // It did not rely on what it was told.
            hv.state().require_eoi(&*hv.assist);
        }
        if hv.has_interest() {
            self.slots_freed(icount);
        }
    }

    /// The processor takes an interrupt of its local APIC.
    pub(crate) fn take_interrupt(&mut self, vector: u8) {
        let Some(mut apic) = self.vp.apic() else { return };
        let Some(hv) = &self.vp.hv else {
            apic.take(vector);
            return;
        };
        drop(apic);
        let mut state = hv.state();
        state.require_eoi(&*hv.assist);
        hv.is_eoi_waived.store(false, Ordering::SeqCst);
        let is_auto_eoi = state.synic.is_auto_eoi(vector);
        let may_wait = hv.has_interest() && state.synic.has_vector(vector);
        let Some(mut apic) = self.vp.apic() else { return };
        if is_auto_eoi {
            apic.take_auto_eoi(vector);
            return;
        }
        apic.take(vector);
        let mut others = apic.isr();
        others.remove(vector);
        let is_alone = others.highest().is_none() && apic.irr().highest().is_none();
        if is_alone && !may_wait && !apic.tmr().contains(vector) && state.assist_page().is_some() {
            state.waive_eoi(&*hv.assist);
            hv.is_eoi_waived.store(true, Ordering::SeqCst);
        }
    }

    /// Sets the TSC's offset as a restored time orders it.
    pub(crate) fn order_tsc(&mut self, offset: u64) {
        self.tsc_adjust = self.tsc_adjust.wrapping_add(offset.wrapping_sub(self.tsc_offset));
        self.set_tsc_offset(offset);
        self.rearm();
    }

    /// Ends an interrupt whose end the guest was allowed to leave out, if it has done with it. Takes the permission back
    /// if something waits behind the interrupt, or if `is_last_call`.
    pub(crate) fn settle_eoi(&mut self, is_last_call: bool) {
        let Some(hv) = &self.vp.hv else { return };
        if !hv.is_eoi_waived.load(Ordering::SeqCst) {
            return;
        }
        let mut state = hv.state();
        let Some(mut apic) = self.vp.apic() else { return };
        if state.take_silent_eoi(&*hv.assist) {
            // Edge-triggered: nobody has to hear of it.
            let _ = apic.end_of_interrupt();
        } else if is_last_call || apic.irr().highest().is_some() && apic.pending().is_none() {
            state.require_eoi(&*hv.assist);
        }
        hv.is_eoi_waived.store(state.is_eoi_waived(), Ordering::SeqCst);
    }
}

impl SoftVp {
    /// Takes the TSC that a guest has restored for all processors.
    pub(crate) fn take_ordered_tsc(&mut self) {
        let Some(offset) = lock(&self.vp.ordered_tsc).take() else { return };
        self.env().order_tsc(offset);
    }

    /// Parks after a read of the guest idle register; wakes from there whatever the interrupt flag says.
    pub(crate) fn take_idle(&mut self, wants_idle: bool) {
        if wants_idle {
            self.env().wants_idle = false;
            self.cpu.s.activity = Activity::Halted;
            self.is_idle = true;
            self.suspended = 0;
        }
        if self.cpu.s.activity != Activity::Halted {
            self.is_idle = false;
        }
        if self.is_idle && self.has_interrupt() {
            self.cpu.s.activity = Activity::Active;
            self.is_idle = false;
        }
    }

    /// An interrupt or NMI waits, deliverable or not.
    fn has_interrupt(&mut self) -> bool {
        use openwhp_x86::env::Env;
        let lines = self.env().lines();
        lines.nmi || lines.interrupt.is_some()
    }

    /// Sources for which the client waits and that can take a message now. They are reported once.
    pub(crate) fn take_deliverable_sints(&mut self) -> Option<u16> {
        let hv = self.vp.hv.as_ref()?;
        let wanted = hv.wanted();
        if wanted == 0 {
            return None;
        }
        let found = hv.state().deliverable(wanted, &*hv.messages);
        hv.set_wanted(wanted & !found);
        (found != 0).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use openwhp_engine::Engine;
    use openwhp_engine::EngineVp;
    use openwhp_engine::Exit;
    use openwhp_engine::ExitReason;
    use openwhp_engine::PartitionConfig;
    use openwhp_engine::RegisterName;
    use openwhp_engine::RegisterValue;
    use openwhp_engine::VpIndex;

    use crate::SoftEngine;
    use crate::partition::SoftPartition;

    #[test]
    fn a_processor_canceled_as_it_reads_its_idle_register_is_idle() {
        let engine = SoftEngine::new();
        let partition = SoftPartition::new(PartitionConfig::new(1, engine.capabilities()), None);
        let mut vp = partition.make_vp(VpIndex(0)).expect("a processor");
        vp.env().wants_idle = true;
        vp.remote().cancel();
        let mut exit = Exit::default();
        vp.run(&mut exit).expect("runs");
        assert_eq!(exit.reason, ExitReason::Canceled);
        let mut activity = [RegisterValue::default()];
        vp.get_registers(&[RegisterName::INTERNAL_ACTIVITY_STATE], &mut activity).expect("the activity");
        assert_eq!(activity[0], RegisterValue::from_u64(4));
    }
}
