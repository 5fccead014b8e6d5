//! The reference TSC page: one line through the TSCs of all processors.

use std::sync::atomic::Ordering;

use openwhp_hyperv::Features;
use openwhp_hyperv::PageMemory;
use openwhp_hyperv::ReferencePage;
use openwhp_hyperv::hypercall::RestoredTime;
use openwhp_hyperv::next_sequence;

use crate::shared::Shared;

impl Shared {
    /// Writes the reference TSC page anew if the offsets behind it have changed, or if `is_forced`.
    ///
    /// The page is valid while all processors' TSCs agree.
    pub(crate) fn refresh_reference(&self, is_forced: bool) {
        let Some(hv) = &self.hv else { return };
        if !hv.features.contains(Features::REFERENCE_TSC) {
            return;
        }
        let mut state = hv.state();
        let mut offset = None;
        let mut is_uniform = true;
        self.each_vp(|vp| {
            let own = vp.tsc_offset.load(Ordering::SeqCst);
            is_uniform &= *offset.get_or_insert(own) == own;
        });
        let key = offset.filter(|_| is_uniform).map(|offset| (offset, self.clock.reference_offset()));
        if key == state.key && !is_forced {
            return;
        }
        state.key = key;
        let page = match key {
            Some((offset, _)) if !state.is_void => {
                state.registers.sequence = next_sequence(state.registers.sequence);
                let ns = self.clock.now();
                let tsc = self.tsc_rate.ticks_at(ns).wrapping_add(offset);
                let reference = self.clock.reference(ns) / 100;
                ReferencePage::new(state.registers.sequence, self.config.tsc_hz, tsc, reference)
            }
            _ => ReferencePage::default(),
        };
        page.write(&*hv.reference_page);
    }

    /// Sequence number that the page shows.
    pub(crate) fn reference_sequence(&self) -> u32 {
        self.hv.as_ref().map_or(0, |hv| hv.reference_page.load(0))
    }

    /// Makes the page show a sequence number, as a client saved it.
    pub(crate) fn set_reference_sequence(&self, sequence: u32) {
        let Some(hv) = &self.hv else { return };
        let mut state = hv.state();
        state.registers.sequence = sequence;
        hv.reference_page.store(0, sequence);
    }

    /// The guest has enabled, moved or disabled the page: it may be valid again.
    pub(crate) fn revive_reference(&self) {
        let Some(hv) = &self.hv else { return };
        let was_void = std::mem::take(&mut hv.state().is_void);
        self.refresh_reference(was_void);
    }

    /// The sequence a guest restores; the page is void if there is none.
    pub(crate) fn restore_reference(&self, time: RestoredTime) {
        let Some(hv) = &self.hv else { return };
        let mut state = hv.state();
        state.registers.sequence = time.sequence;
        state.is_void = time.sequence == 0;
        drop(state);
        self.refresh_reference(true);
    }
}
