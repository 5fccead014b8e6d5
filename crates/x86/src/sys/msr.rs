//! Model-specific registers the processor implements itself (Intel SDM 4, AMD APM 2 appendix A).
//!
//! The environment is asked first ([`crate::env::Env::rdmsr`]): APIC, Hyper-V and filtered registers are its business.

use crate::cpu::Cpu;
use crate::exit::R;
use crate::model::PRED_CMD;
use crate::model::SPEC_CTRL;
use crate::model::Vendor;
use crate::state::*;

/// Why a register refused a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsrFault;

/// Fixed-range MTRRs in the order of [`MsrBlock::mtrr_fix`].
const MTRR_FIX: [u32; 11] = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];
/// Variable ranges (MTRRCAP.VCNT).
const VCNT: u32 = 8;
/// MTRRCAP: the variable ranges, fixed ranges, write combining.
const MTRR_CAP: u64 = 0x500 | VCNT as u64;
/// Bits of IA32_MISC_ENABLE that say what there is: performance monitoring, branch trace, precise events.
const MISC_READ_ONLY: u64 = 1 << 7 | 1 << 11 | 1 << 12;

impl Cpu {
    /// IA32_MPERF: ticks of the TSC's rate while not halted.
    pub(crate) fn mperf(&mut self, icount: u64) -> u64 {
        self.env.active_ticks(icount).wrapping_add(self.s.msr.mperf_offset)
    }

    /// IA32_APERF: the processor always runs at the TSC's rate.
    pub(crate) fn aperf(&mut self, icount: u64) -> u64 {
        self.env.active_ticks(icount).wrapping_add(self.s.msr.aperf_offset)
    }

    /// Reads an MSR of the processor's own; `None` when it has no such register.
    ///
    /// # Errors
    /// (inside) `MsrFault` for a register that can only be written.
    pub fn own_rdmsr(&mut self, index: u32, icount: u64) -> Option<Result<u64, MsrFault>> {
        if index == PRED_CMD && self.model.has_msr(PRED_CMD) {
            return Some(Err(MsrFault));
        }
        self.readable(index, icount).map(Ok)
    }

    fn readable(&mut self, index: u32, icount: u64) -> Option<u64> {
        let amd = self.model.vendor != Vendor::Intel;
        let m = &self.s.msr;
        Some(match index {
            0x0 | 0x1 => 0,
            0x10 => self.env.tsc(icount),
            0x17 => 0,
            0x3a if !amd => m.feature_control,
            0x3b if self.model.has_msr(0x3b) => m.tsc_adjust,
            SPEC_CTRL if self.model.has_msr(SPEC_CTRL) => m.spec_ctrl,
            0x8b => m.ucode_rev,
            0xce if !amd => (self.model.tsc_hz / 100_000_000).min(255) << 8,
            0xe1 if self.model.has_msr(0xe1) => m.umwait_control,
            0xe7 if self.model.has_msr(0xe7) => self.mperf(icount),
            0xe8 if self.model.has_msr(0xe8) => self.aperf(icount),
            0xfe => MTRR_CAP,
            0x10a if !amd => self.model.arch_capabilities(),
            0x174 => m.sysenter_cs,
            0x175 => m.sysenter_esp,
            0x176 => m.sysenter_eip,
            0x179 => 0,
            0x17a => m.mcg_status,
            0x198 if !amd => 0,
            0x1a0 => m.misc_enable,
            0x1d9 => m.debugctl,
            0x200..=0x20f => m.mtrr_var[((index - 0x200) / 2) as usize][(index & 1) as usize],
            0x277 => m.pat,
            0x2ff => m.mtrr_def_type,
            0xda0 if self.model.has_xsaves() => m.xss,
            0xc000_0080 => self.s.efer,
            0xc000_0081 => m.star,
            0xc000_0082 => m.lstar,
            0xc000_0083 => m.cstar,
            0xc000_0084 => m.sfmask,
            0xc000_0100 => self.s.seg[FS].base,
            0xc000_0101 => self.s.seg[GS].base,
            0xc000_0102 => m.kernel_gs_base,
            0xc000_0103 if self.model.has_tsc_aux() => m.tsc_aux,
            // AMD: SYSCFG, HWCR (TscFreqSel set: TSC counts at P0), NB_CFG, TOP_MEM, OSVW, DE_CFG (LFENCE serialises).
            0xc001_0010 if amd => 0,
            0xc001_0015 if amd => 1 << 24,
            0xc001_001f if amd => 0,
            0xc001_0055 if amd => 0,
            0xc001_0058 if amd => 0,
            0xc001_0114 if amd => 1 << 4,
            0xc001_0117 if amd => 0,
            0xc001_0140 | 0xc001_0141 if amd => 0,
            0xc001_1022 | 0xc001_1023 if amd => 0,
            0xc001_1029 if amd => 2,
            _ => match MTRR_FIX.iter().position(|&f| f == index) {
                Some(n) => m.mtrr_fix[n],
                None => return None,
            },
        })
    }

    /// Whether [`Cpu::own_wrmsr`] would take a value, for a register that lives in the [`MsrBlock`].
    pub fn accepts_msr(&mut self, index: u32, v: u64) -> bool {
        let before = self.s.msr.clone();
        let result = self.own_wrmsr(index, v, self.s.icount);
        self.s.msr = before;
        result == Some(Ok(()))
    }

    /// Writes an MSR of the processor's own; `None` when it has no such register.
    pub fn own_wrmsr(&mut self, index: u32, v: u64, icount: u64) -> Option<Result<(), MsrFault>> {
        let amd = self.model.vendor != Vendor::Intel;
        let canonical = self.canonical_base(v);
        let physical = v >> self.model.phys_bits == 0;
        let want = |ok: bool| if ok { Ok(()) } else { Err(MsrFault) };
        let m = &mut self.s.msr;
        Some(match index {
            // Machine-check address and type, and the microcode revision, are written by old kernels.
            0x0 | 0x1 => Ok(()),
            0x8b => {
                m.ucode_rev = v;
                Ok(())
            }
            0x10 => {
                let old = self.env.tsc(icount);
                self.s.msr.tsc_adjust = self.s.msr.tsc_adjust.wrapping_add(v.wrapping_sub(old));
                self.env.set_tsc(icount, v);
                Ok(())
            }
            // The lock bit of IA32_FEATURE_CONTROL is set from reset.
            0x3a if !amd => Err(MsrFault),
            0x3b if self.model.has_msr(0x3b) => {
                let delta = v.wrapping_sub(m.tsc_adjust);
                m.tsc_adjust = v;
                let now = self.env.tsc(icount);
                self.env.set_tsc(icount, now.wrapping_add(delta));
                Ok(())
            }
            SPEC_CTRL if self.model.has_msr(SPEC_CTRL) => {
                let ok = v & !self.model.msr_bits(SPEC_CTRL) == 0;
                if ok {
                    m.spec_ctrl = v;
                }
                want(ok)
            }
            // There is nothing to predict: a barrier has no effect.
            PRED_CMD if self.model.has_msr(PRED_CMD) => want(v & !(1 | self.model.msr_bits(PRED_CMD)) == 0),
            0x79 if !amd => Ok(()),
            0xe1 if self.model.has_msr(0xe1) => {
                let ok = v >> 32 == 0 && v & 2 == 0;
                if ok {
                    m.umwait_control = v;
                }
                want(ok)
            }
            0xe7 | 0xe8 if self.model.has_msr(index) => {
                let offset = v.wrapping_sub(self.env.active_ticks(icount));
                let m = &mut self.s.msr;
                *(if index == 0xe7 { &mut m.mperf_offset } else { &mut m.aperf_offset }) = offset;
                Ok(())
            }
            0x174 => {
                m.sysenter_cs = v & 0xffff_ffff;
                Ok(())
            }
            0x175 => {
                if canonical {
                    m.sysenter_esp = v;
                }
                want(canonical)
            }
            0x176 => {
                if canonical {
                    m.sysenter_eip = v;
                }
                want(canonical)
            }
            0x17a => {
                m.mcg_status = v & 7;
                Ok(())
            }
            0x1a0 => {
                m.misc_enable = v & !MISC_READ_ONLY | m.misc_enable & MISC_READ_ONLY;
                Ok(())
            }
            0x1d9 => {
                if v & !0xffff == 0 {
                    m.debugctl = v;
                }
                want(v & !0xffff == 0)
            }
            0x200..=0x20f if index < 0x200 + VCNT * 2 => {
                let slot = &mut m.mtrr_var[((index - 0x200) / 2) as usize][(index & 1) as usize];
                let ok = physical
                    && if index & 1 == 1 { v & 0x7ff == 0 } else { v & 0xf00 == 0 && memory_type(v as u8) };
                if ok {
                    *slot = v;
                }
                want(ok)
            }
            0x277 => {
                let ok = v.to_le_bytes().iter().all(|&t| matches!(t, 0 | 1 | 4..=7));
                if ok {
                    m.pat = v;
                }
                want(ok)
            }
            0x2ff => {
                let ok = v & !0xcff == 0 && memory_type(v as u8);
                if ok {
                    m.mtrr_def_type = v;
                }
                want(ok)
            }
            0xda0 if self.model.has_xsaves() => {
                let ok = v & !self.model.xss_mask == 0;
                if ok {
                    m.xss = v;
                }
                want(ok)
            }
            0xc000_0080 => self.load_efer(v).map_err(|_| MsrFault),
            0xc000_0081 => {
                m.star = v;
                Ok(())
            }
            0xc000_0082 => {
                if canonical {
                    m.lstar = v;
                }
                want(canonical)
            }
            0xc000_0083 => {
                if canonical {
                    m.cstar = v;
                }
                want(canonical)
            }
            0xc000_0084 => {
                m.sfmask = v & 0xffff_ffff;
                Ok(())
            }
            0xc000_0100 | 0xc000_0101 => {
                if canonical {
                    self.s.seg[if index & 1 == 0 { FS } else { GS }].base = v;
                }
                want(canonical)
            }
            0xc000_0102 => {
                if canonical {
                    m.kernel_gs_base = v;
                }
                want(canonical)
            }
            0xc000_0103 if self.model.has_tsc_aux() => {
                if v >> 32 == 0 {
                    m.tsc_aux = v;
                }
                want(v >> 32 == 0)
            }
            0xc001_0010 | 0xc001_0015 | 0xc001_001f | 0xc001_0020 | 0xc001_0055 | 0xc001_0058
            | 0xc001_0140 | 0xc001_0141 | 0xc001_1022 | 0xc001_1023 | 0xc001_1029
                if amd =>
            {
                Ok(())
            }
            // Registers that can only be read.
            0x17 | 0xfe | 0x179 => Err(MsrFault),
            0xce | 0x10a | 0x198 if !amd => Err(MsrFault),
            0xc001_0114 if amd => Ok(()),
            0xc001_0117 if amd => want(v & 0xfff == 0),
            _ => match MTRR_FIX.iter().position(|&f| f == index) {
                Some(n) => {
                    let ok = v.to_le_bytes().iter().all(|&t| memory_type(t));
                    if ok {
                        m.mtrr_fix[n] = v;
                    }
                    want(ok)
                }
                None => return None,
            },
        })
    }

    /// Writes EFER with the checks of WRMSR.
    fn load_efer(&mut self, v: u64) -> R<()> {
        let mask = self.model.efer_mask();
        let old = self.s.efer;
        let v = v & !efer::LMA | old & efer::LMA;
        if v & !(mask | efer::LMA) != 0 {
            return self.gp(0);
        }
        if (old ^ v) & efer::LME != 0 && self.s.cr0 & cr0::PG != 0 {
            return self.gp(0);
        }
        self.s.efer = v;
        if (old ^ v) & efer::NXE != 0 {
            self.flush_tlb();
        }
        self.refresh();
        Ok(())
    }
}

/// A memory type an MTRR accepts.
fn memory_type(t: u8) -> bool {
    matches!(t, 0 | 1 | 4 | 5 | 6)
}
