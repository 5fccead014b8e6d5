//! PUSH and POP, ENTER and LEAVE, PUSHA and POPA, PUSHF and POPF.
//!
//! The stack pointer is written after the memory access has succeeded. `op.aux` holds the segment encoding of the
//! stack ([`Op::seg`] stays that of an explicit memory operand).

use super::flat;
use super::size_of;
use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::mem::Access;
use crate::mem::host;
use crate::op::Op;
use crate::op::Word;
use crate::state::*;
use iced_x86::Code;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;

const SP: u8 = RSP as u8;
const BP: u8 = RBP as u8;

/// Stack pointer moved by `n`, wrapped to its width.
#[inline(always)]
fn moved<S: Word>(c: &Cpu, n: u64) -> u64 {
    S::from_u64(c.s.gpr[RSP].wrapping_add(n)).to_u64()
}

/// Adds to the stack pointer.
#[inline(always)]
pub(super) fn sp_add<S: Word>(c: &mut Cpu, n: u64) {
    let sp = moved::<S>(c, n);
    c.set_reg(SP, S::from_u64(sp));
}

/// Writes at offset `sp` of the stack segment.
#[inline(always)]
fn put<T: Word>(c: &mut Cpu, seg: u8, sp: u64, v: T) -> R<()> {
    let la = c.seg_la(seg, sp, T::BYTES, Access::Write)?;
    c.write::<T>(la, v, SS as u8)
}

/// Reads `off` bytes above the stack pointer.
#[inline(always)]
pub(super) fn pop_at<T: Word, S: Word>(c: &mut Cpu, seg: u8, off: u64) -> R<T> {
    let sp = moved::<S>(c, off);
    let la = c.seg_la(seg, sp, T::BYTES, Access::Read)?;
    c.read::<T>(la, SS as u8)
}

/// Pushes a value.
#[inline(always)]
pub(super) fn push<T: Word, S: Word>(c: &mut Cpu, seg: u8, v: T) -> R<()> {
    let sp = moved::<S>(c, T::BYTES.wrapping_neg());
    put::<T>(c, seg, sp, v)?;
    c.set_reg(SP, S::from_u64(sp));
    Ok(())
}

/// [`push`] on a flat stack if the TLB has it.
#[inline(always)]
pub(super) fn push_flat<T: Word, S: Word>(c: &mut Cpu, v: T) -> Option<()> {
    let sp = moved::<S>(c, T::BYTES.wrapping_neg());
    host::store::<T>(c.tlb_write(sp, T::BYTES)?, v)?;
    c.set_reg(SP, S::from_u64(sp));
    Some(())
}

/// Reads the top of a flat stack if the TLB has it.
#[inline(always)]
pub(super) fn top_flat<T: Word, S: Word>(c: &Cpu) -> Option<T> {
    host::load::<T>(c.tlb_read(moved::<S>(c, 0), T::BYTES)?)
}

fn push_r_flat<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.reg::<T>(op.dst);
    match push_flat::<T, S>(c, v) {
        Some(()) => Ok(Flow::Next),
        None => push_r::<T, S>(c, op),
    }
}

fn pop_r_flat<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    match top_flat::<T, S>(c) {
        Some(v) => {
            sp_add::<S>(c, T::BYTES);
            c.set_reg(op.dst, v);
            Ok(Flow::Next)
        }
        None => pop_r::<T, S>(c, op),
    }
}

#[inline(never)]
fn push_r<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.reg::<T>(op.dst);
    push::<T, S>(c, op.aux, v)?;
    Ok(Flow::Next)
}

fn push_i<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    push::<T, S>(c, op.aux, T::from_u64(op.imm))?;
    Ok(Flow::Next)
}

fn push_m<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.load::<T>(op)?;
    push::<T, S>(c, op.aux, v)?;
    Ok(Flow::Next)
}

#[inline(never)]
fn pop_r<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = pop_at::<T, S>(c, op.aux, 0)?;
    sp_add::<S>(c, T::BYTES);
    // After the increment: POP rSP gives the popped value.
    c.set_reg(op.dst, v);
    Ok(Flow::Next)
}

fn pop_m<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = pop_at::<T, S>(c, op.aux, 0)?;
    let old = c.s.gpr[RSP];
    // An address that uses rSP sees it incremented.
    sp_add::<S>(c, T::BYTES);
    if let Err(t) = c.store(op, v) {
        c.s.gpr[RSP] = old;
        return Err(t);
    }
    Ok(Flow::Next)
}

fn leave<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let bp = c.reg::<S>(BP).to_u64();
    let la = c.seg_la(op.aux, bp, T::BYTES, Access::Read)?;
    let v = c.read::<T>(la, SS as u8)?;
    c.set_reg(SP, S::from_u64(bp.wrapping_add(T::BYTES)));
    c.set_reg(BP, v);
    Ok(Flow::Next)
}

/// ENTER: locals in `op.imm`, nesting level in `op.dst`.
fn enter<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let level = u64::from(op.dst & 31);
    let seg = op.aux;
    let mut sp = moved::<S>(c, T::BYTES.wrapping_neg());
    let bp = c.reg::<T>(BP);
    // On a 16-bit stack the frame pointer keeps the upper bits of ESP.
    let frame = if S::BITS == 16 { c.s.gpr[RSP] & !0xffff | sp } else { sp };
    put::<T>(c, seg, sp, bp)?;
    if level > 0 {
        let mut p = c.reg::<S>(BP).to_u64();
        for _ in 1..level {
            p = S::from_u64(p.wrapping_sub(T::BYTES)).to_u64();
            let la = c.seg_la(seg, p, T::BYTES, Access::Read)?;
            let v = c.read::<T>(la, SS as u8)?;
            sp = S::from_u64(sp.wrapping_sub(T::BYTES)).to_u64();
            put::<T>(c, seg, sp, v)?;
        }
        sp = S::from_u64(sp.wrapping_sub(T::BYTES)).to_u64();
        put::<T>(c, seg, sp, T::from_u64(frame))?;
    }
    // The new top of the stack must be writable before the registers change.
    let end = S::from_u64(sp.wrapping_sub(op.imm)).to_u64();
    let la = c.seg_la(seg, end, T::BYTES, Access::Write)?;
    c.probe(la, T::BYTES, Access::Write, SS as u8)?;
    if c.alignment_armed() && la & (T::BYTES - 1) != 0 {
        return c.ac_fault();
    }
    c.set_reg(BP, T::from_u64(frame));
    c.set_reg(SP, S::from_u64(end));
    Ok(Flow::Next)
}

fn pusha<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    // Every slot is checked before the first is written.
    for n in 1..=8u64 {
        let sp = moved::<S>(c, (n * T::BYTES).wrapping_neg());
        let la = c.seg_la(op.aux, sp, T::BYTES, Access::Write)?;
        c.probe(la, T::BYTES, Access::Write, SS as u8)?;
    }
    for n in 0..8u64 {
        let sp = moved::<S>(c, ((n + 1) * T::BYTES).wrapping_neg());
        let v = c.reg::<T>(n as u8);
        put::<T>(c, op.aux, sp, v)?;
    }
    sp_add::<S>(c, (8 * T::BYTES).wrapping_neg());
    Ok(Flow::Next)
}

fn popa<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let mut v = [T::from_u64(0); 8];
    for (n, v) in v.iter_mut().enumerate() {
        *v = pop_at::<T, S>(c, op.aux, n as u64 * T::BYTES)?;
    }
    for (n, v) in v.into_iter().enumerate() {
        let r = 7 - n;
        if r != RSP {
            c.set_reg(r as u8, v);
        }
    }
    sp_add::<S>(c, 8 * T::BYTES);
    Ok(Flow::Next)
}

/// PUSHF, PUSHFD, PUSHFQ.
fn pushf<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let mut v = c.s.rflags() & !(rflags::RF | rflags::VM);
    if c.s.v86() && c.s.iopl() < 3 {
        if c.s.cr4 & cr4::VME == 0 || T::BITS != 16 {
            return c.gp(0);
        }
        v = v & !rflags::IF | rflags::IOPL | if v & rflags::VIF != 0 { rflags::IF } else { 0 };
    }
    push::<T, S>(c, op.aux, T::from_u64(v))?;
    Ok(Flow::Next)
}

/// POPF, POPFD, POPFQ.
fn popf<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    use rflags::*;
    let v86 = c.s.v86();
    let virtual_if = v86 && c.s.iopl() < 3;
    if virtual_if && (c.s.cr4 & cr4::VME == 0 || T::BITS != 16) {
        return c.gp(0);
    }
    let mut v = pop_at::<T, S>(c, op.aux, 0)?.to_u64();
    let old = c.s.rflags();
    let mut writable = ARITH | TF | DF | NT;
    if T::BITS != 16 {
        writable |= AC | ID;
    }
    if virtual_if {
        if v & TF != 0 || (v & IF != 0 && old & VIP != 0) {
            return c.gp(0);
        }
        writable |= VIF;
        v = v & !VIF | if v & IF != 0 { VIF } else { 0 };
    } else {
        if !c.s.protected() || (c.s.cpl == 0 && !v86) {
            writable |= IOPL;
        }
        if v86 || !c.s.protected() || c.s.cpl <= c.s.iopl() {
            writable |= IF;
        }
    }
    // RF is cleared by the 32- and 64-bit forms.
    let keep = !writable & if T::BITS == 16 { !0 } else { !RF };
    let new = (v & writable) | (old & keep);
    sp_add::<S>(c, T::BYTES);
    c.s.set_rflags(new);
    let changed = (old ^ new) & !ARITH;
    if changed & (TF | AC | VM | RF) != 0 {
        c.refresh();
        return Ok(Flow::End);
    }
    if changed & IF != 0 && new & IF != 0 {
        c.recheck_events();
    }
    Ok(Flow::Next)
}

fn lahf(c: &mut Cpu, _: &Op) -> Step {
    let v = c.s.flags.bits() as u8 | 2;
    c.set_reg(0x20, v);
    Ok(Flow::Next)
}

fn sahf(c: &mut Cpu, _: &Op) -> Step {
    let low = rflags::ARITH & 0xff;
    let ah = u64::from(c.reg::<u8>(0x20));
    let v = c.s.flags.bits() & !low | ah & low;
    c.s.flags.set_bits(v);
    Ok(Flow::Next)
}

/// Chooses the handler.
pub(super) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    let sb = c.stack_bits();
    let kind = i.op_kind(0);
    let is_gpr = kind == OpKind::Register && i.op_register(0).is_gpr();
    let plain = flat(c.stack_seg());
    let run = match i.mnemonic() {
        Mnemonic::Push if is_gpr && plain => by_stack!(size_of(i, 0), sb, push_r_flat),
        Mnemonic::Pop if is_gpr && plain => by_stack!(size_of(i, 0), sb, pop_r_flat),
        Mnemonic::Push if is_gpr => by_stack!(size_of(i, 0), sb, push_r),
        Mnemonic::Push if kind == OpKind::Memory => by_stack!(size_of(i, 0), sb, push_m),
        Mnemonic::Push if kind != OpKind::Register => {
            let n = match i.code() {
                Code::Push_imm16 | Code::Pushw_imm8 => 2,
                Code::Pushd_imm32 | Code::Pushd_imm8 => 4,
                _ => 8,
            };
            by_stack!(n, sb, push_i)
        }
        Mnemonic::Pop if is_gpr => by_stack!(size_of(i, 0), sb, pop_r),
        Mnemonic::Pop if kind == OpKind::Memory => by_stack!(size_of(i, 0), sb, pop_m),
        Mnemonic::Leave => {
            let n = match i.code() {
                Code::Leavew => 2,
                Code::Leaved => 4,
                _ => 8,
            };
            by_stack!(n, sb, leave)
        }
        Mnemonic::Enter => {
            op.imm = u64::from(i.immediate16());
            op.dst = i.immediate8_2nd() & 31;
            let n = match i.code() {
                Code::Enterw_imm16_imm8 => 2,
                Code::Enterd_imm16_imm8 => 4,
                _ => 8,
            };
            by_stack!(n, sb, enter)
        }
        Mnemonic::Pusha => by_stack!(2, sb, pusha),
        Mnemonic::Pushad => by_stack!(4, sb, pusha),
        Mnemonic::Popa => by_stack!(2, sb, popa),
        Mnemonic::Popad => by_stack!(4, sb, popa),
        Mnemonic::Pushf => by_stack!(2, sb, pushf),
        Mnemonic::Pushfd => by_stack!(4, sb, pushf),
        Mnemonic::Pushfq => by_stack!(8, sb, pushf),
        Mnemonic::Popf => by_stack!(2, sb, popf),
        Mnemonic::Popfd => by_stack!(4, sb, popf),
        Mnemonic::Popfq => by_stack!(8, sb, popf),
        Mnemonic::Lahf => return Lowered::next(lahf),
        Mnemonic::Sahf => return Lowered::next(sahf),
        _ => return None,
    };
    op.aux = c.stack_seg();
    Lowered::next(run)
}
