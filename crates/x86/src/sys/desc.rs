//! Descriptor-table registers and descriptor queries.
//!
//! Intel SDM 2 "LGDT/LIDT", "LLDT", "LTR", "SGDT" to "STR", "LAR", "LSL", "VERR/VERW", "ARPL".

use super::seg::code_of;
use super::seg::is_null;
use crate::cpu::Cpu;
use crate::cpu::vector;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::decode::gpr_index;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::mem::Access;
use crate::op::Op;
use crate::state::*;
use iced_x86::Code;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;

/// Chooses the handler.
pub(crate) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    let selectors =
        !matches!(c.mode, crate::cpu::Mode::Real | crate::cpu::Mode::Real32 | crate::cpu::Mode::V86);
    // Size of the register operand, 0 for memory.
    let size = |n: u32| if i.op_kind(n) == OpKind::Register { i.op_register(n).size() as u8 } else { 0 };
    match i.mnemonic() {
        Mnemonic::Lgdt | Mnemonic::Lidt => {
            // Bytes of base that are loaded.
            op.aux = match i.code() {
                Code::Lgdt_m1632_16 | Code::Lidt_m1632_16 => 3,
                Code::Lgdt_m1664 | Code::Lidt_m1664 => 8,
                _ => 4,
            };
            Lowered::end(if i.mnemonic() == Mnemonic::Lgdt {
                op_load_table::<false>
            } else {
                op_load_table::<true>
            })
        }
        Mnemonic::Sgdt | Mnemonic::Sidt => {
            op.aux = if c.is64() { 8 } else { 4 };
            Lowered::next(if i.mnemonic() == Mnemonic::Sgdt {
                op_store_table::<false>
            } else {
                op_store_table::<true>
            })
        }
        Mnemonic::Lldt | Mnemonic::Ltr if selectors => {
            op.aux = size(0);
            op.src = op.dst;
            Lowered::next(if i.mnemonic() == Mnemonic::Lldt { op_lldt } else { op_ltr })
        }
        Mnemonic::Sldt | Mnemonic::Str if selectors => {
            op.aux = size(0);
            op.imm = if i.mnemonic() == Mnemonic::Sldt { LDTR } else { TR } as u64;
            Lowered::next(op_store_selector)
        }
        Mnemonic::Lar | Mnemonic::Lsl if selectors => {
            op.aux = size(1);
            op.src = gpr_index(i.op1_register());
            op.imm = size(0).into();
            Lowered::next(if i.mnemonic() == Mnemonic::Lar { op_lar } else { op_lsl })
        }
        Mnemonic::Verr | Mnemonic::Verw if selectors => {
            op.aux = size(0);
            op.src = op.dst;
            Lowered::next(if i.mnemonic() == Mnemonic::Verr { op_verify::<false> } else { op_verify::<true> })
        }
        Mnemonic::Arpl if selectors => {
            op.aux = size(0);
            op.src = gpr_index(i.op1_register());
            Lowered::next(op_arpl)
        }
        _ => None,
    }
}

impl Cpu {
    /// The selector operand: a register when `op.aux` is not 0.
    fn selector_operand(&mut self, op: &Op) -> R<u16> {
        if op.aux != 0 { Ok(self.reg::<u16>(op.src)) } else { self.load::<u16>(op) }
    }

    /// #GP(0) when CR4.UMIP forbids the instruction.
    fn check_umip(&mut self) -> R<()> {
        if self.s.cr4 & cr4::UMIP != 0 && self.s.cpl != 0 { self.gp(0) } else { Ok(()) }
    }

    /// Loads a system segment register: the type must be one of `kinds` (a bit per type).
    fn system_segment(&mut self, sel: u16, kinds: u32) -> R<(Segment, u64)> {
        let code = code_of(sel);
        if sel & 4 != 0 {
            return self.gp(code);
        }
        let long = self.s.long_mode();
        let Some(d) = self.descriptor(sel, if long { 16 } else { 8 })? else { return self.gp(code) };
        if d.is_segment() || kinds >> d.kind() & 1 == 0 {
            return self.gp(code);
        }
        let mut s = d.segment(sel);
        if long {
            let high = self.read_sys::<u64>(d.la.wrapping_add(8))?;
            s.base |= high << 32;
            if high >> 40 & 0x1f != 0 || !self.canonical_base(s.base) {
                return self.gp(code);
            }
        }
        if !d.present() {
            return self.fault(vector::NP, Some(code));
        }
        Ok((s, d.la))
    }

    /// The high word of the descriptor that LAR and LSL look at, when it is visible and its system type is one of
    /// `kinds`.
    fn visible(&mut self, sel: u16, kinds: u32) -> R<Option<super::seg::Desc>> {
        if is_null(sel) {
            return Ok(None);
        }
        let Some(d) = self.descriptor(sel, 8)? else { return Ok(None) };
        if !d.is_segment() {
            if kinds >> d.kind() & 1 == 0 {
                return Ok(None);
            }
            if self.s.long_mode() && self.descriptor(sel, 16)?.is_none() {
                return Ok(None);
            }
        }
        let hidden = d.dpl() < self.s.cpl || d.dpl() < (sel & 3) as u8;
        Ok(if hidden && !d.conforming() { None } else { Some(d) })
    }

    /// Writes a register of `size` bytes.
    fn put_sized(&mut self, reg: u8, size: u64, v: u64) {
        match size {
            2 => self.set_reg::<u16>(reg, v as u16),
            4 => self.set_reg::<u32>(reg, v as u32),
            _ => self.set_reg::<u64>(reg, v),
        }
    }
}

/// LGDT, LIDT.
fn op_load_table<const IDT: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.need_cpl0()?;
    let width = u64::from(op.aux.max(4));
    let la = cpu.la(op, 2 + width, Access::Read)?;
    let seg = op.seg & 7;
    let limit = cpu.read::<u16>(la, seg)?;
    let at = cpu.wrap_la(la.wrapping_add(2));
    let base = match op.aux {
        3 => u64::from(cpu.read::<u32>(at, seg)? & 0xff_ffff),
        4 => u64::from(cpu.read::<u32>(at, seg)?),
        _ => cpu.read::<u64>(at, seg)?,
    };
    if cpu.s.long_mode() && !cpu.canonical_base(base) {
        return cpu.gp(0);
    }
    let t = Table { base, limit };
    if IDT {
        cpu.s.idtr = t;
    } else {
        cpu.s.gdtr = t;
    }
    Ok(Flow::Next)
}

/// SGDT, SIDT.
fn op_store_table<const IDT: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.check_umip()?;
    let t = if IDT { cpu.s.idtr } else { cpu.s.gdtr };
    let len = 2 + usize::from(op.aux);
    let mut b = [0u8; 10];
    b[..2].copy_from_slice(&t.limit.to_le_bytes());
    b[2..].copy_from_slice(&t.base.to_le_bytes());
    let la = cpu.la(op, len as u64, Access::Write)?;
    cpu.write_bytes(la, &b[..len], op.seg & 7)?;
    Ok(Flow::Next)
}

/// LLDT.
fn op_lldt(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.need_cpl0()?;
    let sel = cpu.selector_operand(op)?;
    cpu.s.seg[LDTR] = if is_null(sel) {
        Segment { base: 0, limit: 0, selector: sel, attrs: 0 }
    } else {
        cpu.system_segment(sel, 1 << 2)?.0
    };
    Ok(Flow::Next)
}

/// LTR.
fn op_ltr(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.need_cpl0()?;
    let sel = cpu.selector_operand(op)?;
    if is_null(sel) {
        return cpu.gp(0);
    }
    let kinds = if cpu.s.long_mode() { 1 << 9 } else { 1 << 1 | 1 << 9 };
    let (mut s, la) = cpu.system_segment(sel, kinds)?;
    cpu.update_sys(la.wrapping_add(5), |b| b | 2)?;
    s.attrs |= 2;
    cpu.s.seg[TR] = s;
    Ok(Flow::Next)
}

/// SLDT, STR.
fn op_store_selector(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.check_umip()?;
    let sel = cpu.s.seg[op.imm as usize & 7].selector;
    if op.aux == 0 {
        cpu.store::<u16>(op, sel)?;
    } else {
        cpu.put_sized(op.dst, op.aux.into(), sel.into());
    }
    Ok(Flow::Next)
}

/// LAR.
fn op_lar(cpu: &mut Cpu, op: &Op) -> Step {
    let sel = cpu.selector_operand(op)?;
    // LDT, TSS, call gates; outside long mode also 16-bit forms and task gates.
    let kinds = if cpu.s.long_mode() { 0x1a04 } else { 0x1a3e };
    let d = cpu.visible(sel, kinds)?;
    if let Some(d) = d {
        cpu.put_sized(op.dst, op.imm, u64::from(d.hi & 0x00ff_ff00));
    }
    cpu.s.flags.set_zf(d.is_some());
    Ok(Flow::Next)
}

/// LSL.
fn op_lsl(cpu: &mut Cpu, op: &Op) -> Step {
    let sel = cpu.selector_operand(op)?;
    // LDT and TSS.
    let kinds = if cpu.s.long_mode() { 0x0a04 } else { 0x0a0e };
    let d = cpu.visible(sel, kinds)?;
    if let Some(d) = d {
        cpu.put_sized(op.dst, op.imm, u64::from(d.limit()));
    }
    cpu.s.flags.set_zf(d.is_some());
    Ok(Flow::Next)
}

/// VERR, VERW.
fn op_verify<const WRITE: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    let sel = cpu.selector_operand(op)?;
    let d = cpu.visible(sel, 0)?;
    let ok = d.is_some_and(|d| d.is_segment() && if WRITE { d.writable() } else { d.readable() });
    cpu.s.flags.set_zf(ok);
    Ok(Flow::Next)
}

/// ARPL.
fn op_arpl(cpu: &mut Cpu, op: &Op) -> Step {
    let rpl = cpu.reg::<u16>(op.src) & 3;
    if op.aux != 0 {
        let old = cpu.reg::<u16>(op.dst);
        if old & 3 < rpl {
            cpu.set_reg::<u16>(op.dst, old & !3 | rpl);
        }
        cpu.s.flags.set_zf(old & 3 < rpl);
        return Ok(Flow::Next);
    }
    let la = cpu.la(op, 2, Access::Write)?;
    let seg = op.seg & 7;
    let old = cpu.read_for_write::<u16>(la, seg)?;
    if old & 3 < rpl {
        cpu.write_back::<u16>(la, old & !3 | rpl, seg)?;
    }
    cpu.s.flags.set_zf(old & 3 < rpl);
    Ok(Flow::Next)
}
