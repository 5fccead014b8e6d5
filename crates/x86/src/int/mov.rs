//! Moves, extensions, address computation, conditional moves and sets.

use super::Shape;
use super::cc;
use super::flat;
use super::load_flat;
use super::shape;
use super::size_of;
use super::store_flat;
use crate::cpu::Cpu;
use crate::decode::Lowered;
use crate::exit::Flow;
use crate::exit::Step;
use crate::mem::Access;
use crate::op::Handler;
use crate::op::Op;
use crate::op::Word;
use crate::state::*;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;

fn mov_rr<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.reg::<T>(op.src);
    c.set_reg(op.dst, v);
    Ok(Flow::Next)
}

fn mov_ri<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    c.set_reg(op.dst, T::from_u64(op.imm));
    Ok(Flow::Next)
}

/// [`mov_rm`] in a flat segment, and so on.
fn mov_rm_flat<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    match load_flat::<T>(c, op) {
        Some(v) => {
            c.set_reg(op.dst, v);
            Ok(Flow::Next)
        }
        None => mov_rm::<T>(c, op),
    }
}

fn mov_mr_flat<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.reg::<T>(op.src);
    match store_flat(c, op, v) {
        Some(()) => Ok(Flow::Next),
        None => mov_mr::<T>(c, op),
    }
}

fn mov_mi_flat<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    match store_flat(c, op, T::from_u64(op.imm)) {
        Some(()) => Ok(Flow::Next),
        None => mov_mi::<T>(c, op),
    }
}

fn movzx_rm_flat<D: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    match load_flat::<S>(c, op) {
        Some(v) => {
            c.set_reg(op.dst, D::from_u64(v.to_u64()));
            Ok(Flow::Next)
        }
        None => movzx_rm::<D, S>(c, op),
    }
}

fn movsx_rm_flat<D: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    match load_flat::<S>(c, op) {
        Some(v) => {
            c.set_reg(op.dst, D::from_u64(v.sext()));
            Ok(Flow::Next)
        }
        None => movsx_rm::<D, S>(c, op),
    }
}

#[inline(never)]
fn mov_rm<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.load::<T>(op)?;
    c.set_reg(op.dst, v);
    Ok(Flow::Next)
}

#[inline(never)]
fn mov_mr<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.reg::<T>(op.src);
    c.store(op, v)?;
    Ok(Flow::Next)
}

#[inline(never)]
fn mov_mi<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    c.store(op, T::from_u64(op.imm))?;
    Ok(Flow::Next)
}

fn movzx_rr<D: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.reg::<S>(op.src);
    c.set_reg(op.dst, D::from_u64(v.to_u64()));
    Ok(Flow::Next)
}

#[inline(never)]
fn movzx_rm<D: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.load::<S>(op)?;
    c.set_reg(op.dst, D::from_u64(v.to_u64()));
    Ok(Flow::Next)
}

fn movsx_rr<D: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.reg::<S>(op.src);
    c.set_reg(op.dst, D::from_u64(v.sext()));
    Ok(Flow::Next)
}

#[inline(never)]
fn movsx_rm<D: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.load::<S>(op)?;
    c.set_reg(op.dst, D::from_u64(v.sext()));
    Ok(Flow::Next)
}

/// Byte-swaps a word.
#[inline(always)]
fn swapped<T: Word>(v: T) -> T {
    T::from_u64(v.to_u64().swap_bytes() >> (64 - T::BITS))
}

/// MOVSXD with a 16-bit destination: AMD's processors read memory as 32 bits, Intel's as 16.
fn movsxd_16(c: &mut Cpu, op: &Op) -> Step {
    let v = if c.model.is_amd() { c.load::<u32>(op)? as u16 } else { c.load::<u16>(op)? };
    c.set_reg(op.dst, v);
    Ok(Flow::Next)
}

fn movbe_rm<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.load::<T>(op)?;
    c.set_reg(op.dst, swapped(v));
    Ok(Flow::Next)
}

fn movbe_mr<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = swapped(c.reg::<T>(op.src));
    c.store(op, v)?;
    Ok(Flow::Next)
}

fn bswap<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    // A 16-bit BSWAP is undefined; processors clear the register's low word.
    let v = if T::BITS == 16 { T::from_u64(0) } else { swapped(c.reg::<T>(op.dst)) };
    c.set_reg(op.dst, v);
    Ok(Flow::Next)
}

fn lea<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let ea = c.ea(op);
    c.set_reg(op.dst, T::from_u64(ea));
    Ok(Flow::Next)
}

fn cmov_rr<T: Word, const CC: u8>(c: &mut Cpu, op: &Op) -> Step {
    let v = if c.s.flags.cond::<CC>() { c.reg::<T>(op.src) } else { c.reg::<T>(op.dst) };
    // A 32-bit destination is zero-extended either way.
    c.set_reg(op.dst, v);
    Ok(Flow::Next)
}

fn cmov_rm<T: Word, const CC: u8>(c: &mut Cpu, op: &Op) -> Step {
    let m = c.load::<T>(op)?;
    let v = if c.s.flags.cond::<CC>() { m } else { c.reg::<T>(op.dst) };
    c.set_reg(op.dst, v);
    Ok(Flow::Next)
}

fn setcc_r<const CC: u8>(c: &mut Cpu, op: &Op) -> Step {
    let v = u8::from(c.s.flags.cond::<CC>());
    c.set_reg(op.dst, v);
    Ok(Flow::Next)
}

fn setcc_m<const CC: u8>(c: &mut Cpu, op: &Op) -> Step {
    let v = u8::from(c.s.flags.cond::<CC>());
    c.store(op, v)?;
    Ok(Flow::Next)
}

fn cbw(c: &mut Cpu, _: &Op) -> Step {
    let v = c.reg::<u8>(RAX as u8).sext();
    c.set_reg(RAX as u8, v as u16);
    Ok(Flow::Next)
}

fn cwde(c: &mut Cpu, _: &Op) -> Step {
    let v = c.reg::<u16>(RAX as u8).sext();
    c.set_reg(RAX as u8, v as u32);
    Ok(Flow::Next)
}

fn cdqe(c: &mut Cpu, _: &Op) -> Step {
    c.s.gpr[RAX] = c.reg::<u32>(RAX as u8).sext();
    Ok(Flow::Next)
}

/// CWD, CDQ, CQO: the sign of the accumulator into rDX.
fn sign_to_dx<T: Word>(c: &mut Cpu, _: &Op) -> Step {
    let v = (c.reg::<T>(RAX as u8).sext() as i64 >> 63) as u64;
    c.set_reg(RDX as u8, T::from_u64(v));
    Ok(Flow::Next)
}

fn xlat(c: &mut Cpu, op: &Op) -> Step {
    let ea = c.s.gpr[RBX].wrapping_add(c.s.gpr[RAX] & 0xff) & op.amask;
    let la = c.seg_la(op.seg, ea, 1, Access::Read)?;
    let v = c.read::<u8>(la, op.seg & 7)?;
    c.set_reg(RAX as u8, v);
    Ok(Flow::Next)
}

fn pick_mov(i: &Instruction, op: &Op) -> Option<Handler> {
    let n = size_of(i, 0);
    let plain = flat(op.seg);
    Some(match shape(i)? {
        Shape::Rm if plain => sized!(n, mov_rm_flat),
        Shape::Mr if plain => sized!(n, mov_mr_flat),
        Shape::Mi if plain => sized!(n, mov_mi_flat),
        Shape::Rr => sized!(n, mov_rr),
        Shape::Ri => sized!(n, mov_ri),
        Shape::Rm => sized!(n, mov_rm),
        Shape::Mr => sized!(n, mov_mr),
        Shape::Mi => sized!(n, mov_mi),
        Shape::R | Shape::M => return None,
    })
}

fn pick_extend(i: &Instruction, op: &Op, signed: bool) -> Option<Handler> {
    let (d, s) = (size_of(i, 0), size_of(i, 1));
    let mem = i.op_kind(1) == OpKind::Memory;
    if mem && flat(op.seg) {
        return Some(match (signed, s) {
            (false, 1) => wide!(d, movzx_rm_flat, u8),
            (false, _) => wide!(d, movzx_rm_flat, u16),
            (true, 1) => wide!(d, movsx_rm_flat, u8),
            (true, 2) => wide!(d, movsx_rm_flat, u16),
            (true, _) => wide!(d, movsx_rm_flat, u32),
        });
    }
    Some(match (signed, mem, s) {
        (false, false, 1) => wide!(d, movzx_rr, u8),
        (false, false, _) => wide!(d, movzx_rr, u16),
        (false, true, 1) => wide!(d, movzx_rm, u8),
        (false, true, _) => wide!(d, movzx_rm, u16),
        (true, false, 1) => wide!(d, movsx_rr, u8),
        (true, false, 2) => wide!(d, movsx_rr, u16),
        (true, false, _) => wide!(d, movsx_rr, u32),
        (true, true, 1) => wide!(d, movsx_rm, u8),
        (true, true, 2) => wide!(d, movsx_rm, u16),
        (true, true, _) => wide!(d, movsx_rm, u32),
    })
}

fn pick_conditional(i: &Instruction) -> Option<Handler> {
    let code = cc(i)?;
    let mem = |n| i.op_kind(n) == OpKind::Memory;
    if i.is_jcc_short_or_near() {
        return None;
    }
    if i.op_count() == 1 {
        return match i.mnemonic() {
            Mnemonic::Seta
            | Mnemonic::Setae
            | Mnemonic::Setb
            | Mnemonic::Setbe
            | Mnemonic::Sete
            | Mnemonic::Setg
            | Mnemonic::Setge
            | Mnemonic::Setl
            | Mnemonic::Setle
            | Mnemonic::Setne
            | Mnemonic::Setno
            | Mnemonic::Setnp
            | Mnemonic::Setns
            | Mnemonic::Seto
            | Mnemonic::Setp
            | Mnemonic::Sets => Some(if mem(0) { by_cc!(code, setcc_m) } else { by_cc!(code, setcc_r) }),
            _ => None,
        };
    }
    if !matches!(
        i.mnemonic(),
        Mnemonic::Cmova
            | Mnemonic::Cmovae
            | Mnemonic::Cmovb
            | Mnemonic::Cmovbe
            | Mnemonic::Cmove
            | Mnemonic::Cmovg
            | Mnemonic::Cmovge
            | Mnemonic::Cmovl
            | Mnemonic::Cmovle
            | Mnemonic::Cmovne
            | Mnemonic::Cmovno
            | Mnemonic::Cmovnp
            | Mnemonic::Cmovns
            | Mnemonic::Cmovo
            | Mnemonic::Cmovp
            | Mnemonic::Cmovs
    ) {
        return None;
    }
    Some(match (mem(1), size_of(i, 0)) {
        (false, 2) => by_cc!(code, cmov_rr, u16),
        (false, 4) => by_cc!(code, cmov_rr, u32),
        (false, _) => by_cc!(code, cmov_rr, u64),
        (true, 2) => by_cc!(code, cmov_rm, u16),
        (true, 4) => by_cc!(code, cmov_rm, u32),
        (true, _) => by_cc!(code, cmov_rm, u64),
    })
}

/// Chooses the handler.
pub(super) fn lower(i: &Instruction, op: &mut Op) -> Option<Lowered> {
    let run = match i.mnemonic() {
        Mnemonic::Mov => pick_mov(i, op)?,
        Mnemonic::Movzx => pick_extend(i, op, false)?,
        Mnemonic::Movsx | Mnemonic::Movsxd if size_of(i, 1) == size_of(i, 0) => {
            // MOVSXD without REX.W is a plain move.
            match (i.op_kind(1) == OpKind::Memory, size_of(i, 0)) {
                (true, 2) if i.mnemonic() == Mnemonic::Movsxd => movsxd_16,
                (true, n) => wide!(n, mov_rm),
                (false, n) => wide!(n, mov_rr),
            }
        }
        Mnemonic::Movsx | Mnemonic::Movsxd => pick_extend(i, op, true)?,
        Mnemonic::Movnti => dual!(size_of(i, 1), mov_mr),
        Mnemonic::Movbe if i.op_kind(0) == OpKind::Memory => wide!(size_of(i, 0), movbe_mr),
        Mnemonic::Movbe => wide!(size_of(i, 0), movbe_rm),
        Mnemonic::Bswap => wide!(size_of(i, 0), bswap),
        Mnemonic::Lea => wide!(size_of(i, 0), lea),
        Mnemonic::Cbw => cbw,
        Mnemonic::Cwde => cwde,
        Mnemonic::Cdqe => cdqe,
        Mnemonic::Cwd => sign_to_dx::<u16>,
        Mnemonic::Cdq => sign_to_dx::<u32>,
        Mnemonic::Cqo => sign_to_dx::<u64>,
        Mnemonic::Xlatb => xlat,
        _ => pick_conditional(i)?,
    };
    Lowered::next(run)
}
