//! Control registers, XCR0, TLB management (Intel SDM 3A "Control Registers", 2 "MOV CR", "INVPCID").

use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::decode::gpr_index;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::mem::Access;
use crate::op::Op;
use crate::state::*;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;
use iced_x86::Register;

/// Chooses the handler.
pub(crate) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    match i.mnemonic() {
        Mnemonic::Mov if i.op_kind(0) == OpKind::Register && i.op0_register().is_cr() => {
            op.aux = i.op0_register().number() as u8;
            op.src = gpr_index(i.op1_register());
            Lowered::end(op_mov_to_cr)
        }
        Mnemonic::Mov if i.op_kind(1) == OpKind::Register && i.op1_register().is_cr() => {
            op.aux = i.op1_register().number() as u8;
            op.dst = gpr_index(i.op0_register());
            Lowered::next(if c.is64() { op_mov_from_cr::<true> } else { op_mov_from_cr::<false> })
        }
        Mnemonic::Clts => Lowered::end(op_clts),
        Mnemonic::Lmsw => Lowered::end(op_lmsw),
        Mnemonic::Smsw => {
            op.aux = match (i.op_kind(0), i.op0_register()) {
                (OpKind::Register, r) if r.is_gpr64() => 8,
                (OpKind::Register, r) if r.is_gpr32() => 4,
                (OpKind::Register, _) => 2,
                _ => 0,
            };
            Lowered::next(op_smsw)
        }
        Mnemonic::Invlpg => Lowered::end(op_invlpg),
        Mnemonic::Invpcid => {
            op.dst = gpr_index(i.op0_register());
            op.aux = u8::from(matches!(i.op0_register(), r if r.is_gpr64()));
            Lowered::end(op_invpcid)
        }
        Mnemonic::Invd | Mnemonic::Wbinvd | Mnemonic::Wbnoinvd => Lowered::next(op_cache),
        Mnemonic::Xsetbv => Lowered::end(op_xsetbv),
        Mnemonic::Stac => Lowered::end(op_ac::<true>),
        Mnemonic::Clac => Lowered::end(op_ac::<false>),
        Mnemonic::Rdpkru => Lowered::next(op_rdpkru),
        Mnemonic::Wrpkru => Lowered::end(op_wrpkru),
        _ => {
            let _ = Register::None;
            None
        }
    }
}

impl Cpu {
    /// #GP(0) unless CPL is 0.
    #[inline]
    pub(crate) fn need_cpl0(&mut self) -> R<()> {
        if self.s.cpl != 0 { self.gp(0) } else { Ok(()) }
    }

    /// Loads the four PAE page-directory pointers; #GP(0) on reserved bits.
    ///
    /// # Errors
    /// #GP(0), or an exit when the table lies in unmapped memory.
    pub(crate) fn load_pdptrs(&mut self, cr3: u64) -> R<()> {
        let base = cr3 & 0xffff_ffe0;
        let resv = (!0u64 << self.model.phys_bits) | 0x1e6;
        let mut e = [0u64; 4];
        for (n, slot) in e.iter_mut().enumerate() {
            let v = self.read_phys(base + n as u64 * 8)?;
            if v & 1 != 0 && v & resv != 0 {
                return self.gp(0);
            }
            *slot = v;
        }
        self.s.pdptr = e;
        Ok(())
    }

    /// Whether PAE paging (three levels) is in use for the given control values.
    fn pae_paging(cr0v: u64, cr4v: u64, efer: u64) -> bool {
        cr0v & cr0::PG != 0 && cr4v & cr4::PAE != 0 && efer & efer::LMA == 0
    }

    /// Loads CR3 as MOV CR3 and task switches do: checks, PDPTEs, TLB.
    ///
    /// # Errors
    /// #GP(0) for reserved bits; an exit when PDPTEs lie in unmapped memory.
    pub(crate) fn load_cr3(&mut self, value: u64) -> R<()> {
        let pcide = self.s.cr4 & cr4::PCIDE != 0;
        let v = if pcide { value & !(1 << 63) } else { value };
        if self.s.long_mode() {
            if v >> self.model.phys_bits != 0 {
                return self.gp(0);
            }
        } else if Self::pae_paging(self.s.cr0, self.s.cr4, self.s.efer) {
            self.load_pdptrs(v)?;
        }
        self.s.cr3 = v;
        self.flush_tlb_non_global();
        Ok(())
    }

    /// Writes CR0 with all checks.
    ///
    /// # Errors
    /// #GP(0).
    pub(crate) fn load_cr0(&mut self, value: u64) -> R<()> {
        let old = self.s.cr0;
        if value >> 32 != 0 {
            return self.gp(0);
        }
        let v = value & 0xe005_003f | cr0::ET;
        let pg = v & cr0::PG != 0;
        if (pg && v & cr0::PE == 0) || (v & cr0::NW != 0 && v & cr0::CD == 0) {
            return self.gp(0);
        }
        let mut efer = self.s.efer;
        if pg && old & cr0::PG == 0 {
            if efer & efer::LME != 0 {
                if self.s.cr4 & cr4::PAE == 0 || self.s.seg[CS].long() {
                    return self.gp(0);
                }
                efer |= efer::LMA;
            }
        } else if !pg && old & cr0::PG != 0 {
            if self.s.is64() || self.s.cr4 & cr4::PCIDE != 0 {
                return self.gp(0);
            }
            efer &= !efer::LMA;
        }
        let changed = old ^ v;
        if Self::pae_paging(v, self.s.cr4, efer) && changed & (cr0::PG | cr0::CD | cr0::NW) != 0 {
            self.load_pdptrs(self.s.cr3)?;
        }
        self.s.cr0 = v;
        self.s.efer = efer;
        if changed & (cr0::PG | cr0::WP | cr0::PE) != 0 {
            self.flush_tlb();
        }
        self.refresh();
        Ok(())
    }

    /// Writes CR4 with all checks.
    ///
    /// # Errors
    /// #GP(0).
    pub(crate) fn load_cr4(&mut self, v: u64) -> R<()> {
        let old = self.s.cr4;
        if v & !self.model.cr4_mask() != 0 {
            return self.gp(0);
        }
        let changed = old ^ v;
        if self.s.long_mode() && (v & cr4::PAE == 0 || changed & cr4::LA57 != 0) {
            return self.gp(0);
        }
        if changed & v & cr4::PCIDE != 0 && (!self.s.long_mode() || self.s.cr3 & 0xfff != 0) {
            return self.gp(0);
        }
        if Self::pae_paging(self.s.cr0, v, self.s.efer)
            && changed & (cr4::PAE | cr4::PGE | cr4::PSE | cr4::SMEP) != 0
        {
            self.load_pdptrs(self.s.cr3)?;
        }
        self.s.cr4 = v;
        let flush =
            cr4::PGE | cr4::PAE | cr4::PSE | cr4::PCIDE | cr4::SMEP | cr4::SMAP | cr4::PKE | cr4::LA57;
        if changed & flush != 0 {
            self.flush_tlb();
        }
        self.refresh();
        Ok(())
    }

    /// Brings cached and derived state in line after registers were set from outside (paging mode, PDPTEs, TLB).
    pub fn sync(&mut self) {
        if Self::pae_paging(self.s.cr0, self.s.cr4, self.s.efer) && self.load_pdptrs(self.s.cr3).is_err() {
            self.trap = crate::exit::TrapKind::None;
            self.s.pdptr = [0; 4];
        }
        self.flush_tlb();
        self.refresh();
    }

    /// Reads a quadword of guest-physical memory.
    fn read_phys(&mut self, gpa: u64) -> R<u64> {
        use crate::env::Page;
        if self.bus.owns_memory() {
            return match self.bus.number(gpa, 8) {
                Ok(value) => Ok(value),
                Err(_) => self.exit(crate::exit::CpuExit::BusFailed),
            };
        }
        let exit = crate::exit::CpuExit::Memory { gpa, gva: None, access: Access::Read, unmapped: true };
        match self.env.page(gpa & !0xfff) {
            Page::Ram(r) if r.read => match crate::mem::host::load::<u64>(r.host as u64 + (gpa & 0xfff)) {
                Some(v) => Ok(v),
                None => self.exit(exit),
            },
            _ => self.exit(exit),
        }
    }
}

fn op_mov_to_cr(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.need_cpl0()?;
    let v = if cpu.s.is64() { cpu.reg::<u64>(op.src) } else { u64::from(cpu.reg::<u32>(op.src)) };
    match op.aux {
        0 => cpu.load_cr0(v)?,
        2 => cpu.s.cr2 = v,
        3 => {
            cpu.load_cr3(v)?;
            cpu.handled.control_registers += 1;
            return Ok(Flow::End);
        }
        4 => cpu.load_cr4(v)?,
        8 => {
            if v > 15 {
                return cpu.gp(0);
            }
            cpu.env.set_tpr((v as u8) << 4);
            cpu.recheck_events();
        }
        _ => return cpu.ud(),
    }
    cpu.handled.control_registers += 1;
    Ok(Flow::End)
}

fn op_mov_from_cr<const LONG: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.need_cpl0()?;
    let v = match op.aux {
        0 => cpu.s.cr0,
        2 => cpu.s.cr2,
        3 => cpu.s.cr3,
        4 => cpu.s.cr4,
        8 => u64::from(cpu.env.tpr() >> 4),
        _ => return cpu.ud(),
    };
    if LONG {
        cpu.set_reg::<u64>(op.dst, v);
    } else {
        cpu.set_reg::<u32>(op.dst, v as u32);
    }
    cpu.handled.control_registers += 1;
    Ok(Flow::Next)
}

fn op_clts(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.need_cpl0()?;
    cpu.s.cr0 &= !cr0::TS;
    cpu.refresh();
    cpu.handled.control_registers += 1;
    Ok(Flow::End)
}

fn op_lmsw(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.need_cpl0()?;
    let v = if cpu.insn(op).op0_kind() == OpKind::Register {
        cpu.reg::<u16>(op.dst)
    } else {
        cpu.load::<u16>(op)?
    };
    // PE can be set but not cleared.
    let old = cpu.s.cr0;
    let new = old & !0xe | u64::from(v) & 0xe | (old | u64::from(v)) & cr0::PE;
    cpu.load_cr0(new)?;
    cpu.handled.control_registers += 1;
    Ok(Flow::End)
}

fn op_smsw(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.cpl > 0 && cpu.s.cr4 & cr4::UMIP != 0 {
        return cpu.gp(0);
    }
    let v = cpu.s.cr0;
    match op.aux {
        8 => cpu.set_reg::<u64>(op.dst, v),
        4 => cpu.set_reg::<u32>(op.dst, v as u32),
        2 => cpu.set_reg::<u16>(op.dst, v as u16),
        _ => cpu.store::<u16>(op, v as u16)?,
    }
    cpu.handled.control_registers += 1;
    Ok(Flow::Next)
}

fn op_invlpg(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.need_cpl0()?;
    let ea = cpu.ea(op);
    let base = if cpu.s.is64() && usize::from(op.seg & 7) < FS {
        0
    } else {
        cpu.s.seg[usize::from(op.seg & 7)].base
    };
    let la = cpu.wrap_la(base.wrapping_add(ea));
    // A non-canonical address does nothing.
    if cpu.canonical(la) {
        cpu.flush_page(la);
    }
    cpu.handled.invalidations += 1;
    Ok(Flow::End)
}

fn op_invpcid(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.need_cpl0()?;
    let kind = if op.aux != 0 { cpu.reg::<u64>(op.dst) } else { u64::from(cpu.reg::<u32>(op.dst)) };
    let la = cpu.la(op, 16, Access::Read)?;
    let mut d = [0u8; 16];
    cpu.read_bytes(la, &mut d, op.seg & 7)?;
    let d = u128::from_le_bytes(d);
    let (pcid, addr) = (d as u64, (d >> 64) as u64);
    if kind > 3 || pcid >> 12 != 0 {
        return cpu.gp(0);
    }
    let pcide = cpu.s.cr4 & cr4::PCIDE != 0;
    match kind {
        0 => {
            if !cpu.canonical_base(addr) || (!pcide && pcid != 0) {
                return cpu.gp(0);
            }
            cpu.flush_page(addr);
        }
        1 => {
            if !pcide && pcid != 0 {
                return cpu.gp(0);
            }
            cpu.flush_tlb_non_global();
        }
        2 => cpu.flush_tlb(),
        _ => cpu.flush_tlb_non_global(),
    }
    cpu.handled.invalidations += 1;
    Ok(Flow::End)
}

/// INVD, WBINVD, WBNOINVD: there is no cache to write back.
fn op_cache(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.need_cpl0()?;
    Ok(Flow::Next)
}

fn op_xsetbv(cpu: &mut Cpu, _: &Op) -> Step {
    if cpu.s.cr4 & cr4::OSXSAVE == 0 {
        return cpu.ud();
    }
    cpu.need_cpl0()?;
    let v = cpu.s.gpr[RDX] << 32 | cpu.s.gpr[RAX] & 0xffff_ffff;
    if cpu.s.gpr[RCX] as u32 != 0 || !cpu.model.xcr0_valid(v) {
        return cpu.gp(0);
    }
    cpu.s.xcr0 = v;
    cpu.refresh();
    cpu.handled.control_registers += 1;
    Ok(Flow::End)
}

fn op_ac<const SET: bool>(cpu: &mut Cpu, _: &Op) -> Step {
    if cpu.s.cpl != 0 {
        return cpu.ud();
    }
    if SET {
        cpu.s.sys_flags |= rflags::AC;
    } else {
        cpu.s.sys_flags &= !rflags::AC;
    }
    cpu.refresh();
    Ok(Flow::End)
}

fn op_rdpkru(cpu: &mut Cpu, _: &Op) -> Step {
    if cpu.s.cr4 & cr4::PKE == 0 {
        return cpu.ud();
    }
    if cpu.s.gpr[RCX] as u32 != 0 {
        return cpu.gp(0);
    }
    cpu.s.gpr[RAX] = u64::from(cpu.s.vec.pkru);
    cpu.s.gpr[RDX] = 0;
    Ok(Flow::Next)
}

fn op_wrpkru(cpu: &mut Cpu, _: &Op) -> Step {
    if cpu.s.cr4 & cr4::PKE == 0 {
        return cpu.ud();
    }
    if cpu.s.gpr[RCX] as u32 != 0 || cpu.s.gpr[RDX] as u32 != 0 {
        return cpu.gp(0);
    }
    cpu.set_pkru(cpu.s.gpr[RAX] as u32);
    Ok(Flow::End)
}

impl Cpu {
    /// Changes PKRU and drops the translations it governs.
    pub(crate) fn set_pkru(&mut self, v: u32) {
        if self.s.vec.pkru != v {
            self.s.vec.pkru = v;
            if self.s.cr4 & cr4::PKE != 0 {
                self.flush_tlb();
            }
        }
    }
}
