//! Whether a state that came from outside can be entered.
//!
//! Intel SDM 3C "Checks on the Guest State Area", without the parts that only virtual-machine control structures have.

use crate::cpu::Cpu;
use crate::state::*;

impl Cpu {
    /// Whether the processor could be in its present state: control registers agree with each other, bases are
    /// canonical, usable segments have types and limits that a descriptor could have given them.
    ///
    /// The owner asks after it has written registers; a state that fails must not be run.
    pub fn check_state(&self) -> bool {
        self.check_control() && self.check_segments()
    }

    fn check_control(&self) -> bool {
        let s = &self.s;
        let pg = s.cr0 & cr0::PG != 0;
        let lma = s.efer & efer::LMA != 0;
        let high = |v: u64| v >> 32 != 0;
        let no_write_through = s.cr0 & (cr0::CD | cr0::NW) == cr0::NW;
        if high(s.cr0) || pg && !s.protected() || no_write_through {
            return false;
        }
        if s.efer & !(self.model.efer_mask() | efer::LMA) != 0 || lma != (pg && s.efer & efer::LME != 0) {
            return false;
        }
        if s.cr4 & !self.model.cr4_mask() != 0 || lma && s.cr4 & cr4::PAE == 0 {
            return false;
        }
        if !lma && s.cr4 & cr4::PCIDE != 0 {
            return false;
        }
        if lma && (s.cr3 & !(1 << 63)) >> self.model.phys_bits != 0 {
            return false;
        }
        if s.v86() && (lma || !s.protected()) {
            return false;
        }
        // A RIP that is not canonical is the guest's affair: the fetch raises #GP.
        if !s.is64() && high(s.rip) {
            return false;
        }
        !high(s.dr7) && self.model.xcr0_valid(s.xcr0)
    }

    fn check_segments(&self) -> bool {
        let s = &self.s;
        let based = [s.seg[FS].base, s.seg[GS].base, s.seg[TR].base, s.seg[LDTR].base];
        if !based.into_iter().chain([s.gdtr.base, s.idtr.base]).all(|b| self.canonical_base(b)) {
            return false;
        }
        if s.v86() {
            // The cached parts are fixed.
            return (0..6).all(|i| {
                let g = s.seg[i];
                g.base == u64::from(g.selector) << 4 && g.limit == 0xffff && g.attrs & 0xff == 0xf3
            });
        }
        let cs = s.seg[CS];
        if !cs.present() || !cs.is_code_or_data() || !(cs.is_code() || cs.kind() == 3) || !granular(&cs) {
            return false;
        }
        if s.long_mode() && cs.long() && cs.big() || cs.base >> 32 != 0 {
            return false;
        }
        for i in [SS, DS, ES, FS, GS] {
            let g = &s.seg[i];
            if !g.present() {
                continue;
            }
            let kind = if i == SS { g.writable() } else { g.readable() };
            if !kind || !granular(g) || matches!(i, SS | DS | ES) && g.base >> 32 != 0 {
                return false;
            }
        }
        let tr = &s.seg[TR];
        // An available TSS is taken as busy.
        let types = if s.long_mode() { [9, 11, 9, 11] } else { [1, 3, 9, 11] };
        if !tr.present() || tr.is_code_or_data() || !types.contains(&tr.kind()) || !granular(tr) {
            return false;
        }
        let ldt = &s.seg[LDTR];
        !ldt.present() || !ldt.is_code_or_data() && ldt.kind() == 2 && granular(ldt)
    }
}

/// Whether a descriptor can express the limit with the segment's granularity.
fn granular(s: &Segment) -> bool {
    let g = s.attrs & 0x8000 != 0;
    if g { s.limit & 0xfff == 0xfff } else { s.limit >> 20 == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    #[test]
    fn the_states_of_every_mode_pass() {
        assert!(Machine::new().cpu.check_state());
        for m in [Machine::real_mode(&[]), Machine::protected(16, &[]), Machine::protected(32, &[])] {
            assert!(m.cpu.check_state());
        }
        assert!(Machine::long_mode(&[]).cpu.check_state());
        assert!(Machine::long_mode(&[]).user().cpu.check_state());
    }

    #[test]
    fn contradictions_are_refused() {
        type Break = fn(&mut VpState);
        let breaks: [Break; 16] = [
            |s| s.cr0 &= !cr0::PE,
            |s| s.cr0 |= 1 << 32,
            |s| s.efer &= !efer::LMA,
            |s| s.efer &= !efer::LME,
            |s| s.efer |= 1 << 40,
            |s| s.cr4 |= 1 << 40,
            |s| s.cr4 &= !cr4::PAE,
            |s| s.cr3 |= 1 << 60,
            |s| s.sys_flags |= rflags::VM,
            |s| s.seg[FS].base = 1 << 60,
            |s| s.gdtr.base = 1 << 60,
            |s| s.seg[CS].attrs |= 0x4000,
            |s| s.seg[SS].limit = 0,
            |s| s.seg[SS].attrs = 0xc09b,
            |s| s.seg[TR].attrs = 0x82,
            |s| s.xcr0 = 4,
        ];
        for (n, f) in breaks.into_iter().enumerate() {
            let mut m = Machine::long_mode(&[]);
            f(&mut m.cpu.s);
            assert!(!m.cpu.check_state(), "case {n}");
        }
        let mut m = Machine::protected(32, &[]);
        m.cpu.s.rip = 1 << 32;
        assert!(!m.cpu.check_state());
    }
}
