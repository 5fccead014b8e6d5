//! State of the local APIC as clients save and restore it.

use openwhp_engine::ApicState;
use openwhp_engine::StateError;

use crate::vp::SoftVp;

impl SoftVp {
    fn apic_time(&mut self) -> openwhp_apic::GuestTime {
        let icount = self.cpu.s.icount;
        self.env().guest_time(icount)
    }
}

impl ApicState for SoftVp {
    fn page(&mut self) -> Box<[u8; 4096]> {
        self.attend(|vp| {
            vp.env().settle_eoi(true);
            let now = vp.apic_time();
            Box::new(vp.vp.apic().map_or([0; 4096], |apic| apic.page(now)))
        })
    }

    fn set_page(&mut self, page: &[u8; 4096]) -> Result<(), StateError> {
        self.attend(|vp| {
            let now = vp.apic_time();
            vp.vp.apic().ok_or(StateError::NoApic)?.set_page(page, now);
            vp.env().rearm();
            Ok(())
        })
    }

    fn packed(&mut self) -> [u32; 44] {
        self.attend(|vp| {
            vp.env().settle_eoi(true);
            let now = vp.apic_time();
            vp.vp.apic().map_or([0; 44], |apic| apic.packed(now))
        })
    }

    fn set_packed(&mut self, words: &[u32; 44]) -> Result<(), StateError> {
        self.attend(|vp| {
            let now = vp.apic_time();
            vp.vp.apic().ok_or(StateError::NoApic)?.set_packed(words, now);
            vp.env().rearm();
            Ok(())
        })
    }
}
