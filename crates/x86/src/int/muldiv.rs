//! Multiplication, division and decimal arithmetic.

use super::rm;
use super::size_of;
use crate::cpu::Cpu;
use crate::cpu::vector;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::decode::gpr_index;
use crate::exit::Flow;
use crate::exit::Step;
use crate::op::Handler;
use crate::op::Op;
use crate::op::Word;
use crate::state::*;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;

const A: u8 = RAX as u8;
const D: u8 = RDX as u8;
const AH: u8 = 0x20;

/// Stores a double-width product in AX or rDX:rAX.
#[inline(always)]
fn set_product<T: Word>(c: &mut Cpu, v: u128) {
    if T::BITS == 8 {
        c.set_reg(A, v as u16);
    } else {
        c.set_reg(A, T::from_u64(v as u64));
        c.set_reg(D, T::from_u64((v >> T::BITS) as u64));
    }
}

/// The double-width accumulator.
#[inline(always)]
fn dividend<T: Word>(c: &Cpu) -> u128 {
    if T::BITS == 8 {
        u128::from(c.reg::<u16>(A))
    } else {
        u128::from(c.reg::<T>(A).to_u64()) | u128::from(c.reg::<T>(D).to_u64()) << T::BITS
    }
}

/// CF = OF = `big`; the other flags are undefined and stay.
#[inline(always)]
fn carry_both(c: &mut Cpu, big: bool) {
    c.s.flags.set_cf(big);
    c.s.flags.set_of(big);
}

fn mul<T: Word, const MEM: bool>(c: &mut Cpu, op: &Op) -> Step {
    let b = source::<T, MEM>(c, op)?;
    let v = u128::from(c.reg::<T>(A).to_u64()) * u128::from(b.to_u64());
    set_product::<T>(c, v);
    carry_both(c, v >> T::BITS != 0);
    Ok(Flow::Next)
}

fn imul<T: Word, const MEM: bool>(c: &mut Cpu, op: &Op) -> Step {
    let b = source::<T, MEM>(c, op)?;
    let v = i128::from(c.reg::<T>(A).sext() as i64) * i128::from(b.sext() as i64);
    set_product::<T>(c, v as u128);
    carry_both(c, i128::from(T::from_u64(v as u64).sext() as i64) != v);
    Ok(Flow::Next)
}

/// The explicit operand of a one-operand form is operand 0.
#[inline(always)]
fn source<T: Word, const MEM: bool>(c: &mut Cpu, op: &Op) -> Result<T, crate::exit::Trap> {
    if MEM { c.load::<T>(op) } else { Ok(c.reg::<T>(op.dst)) }
}

/// IMUL with two or three operands: `IMM` takes the second factor from the instruction.
fn imul_2<T: Word, const MEM: bool, const IMM: bool>(c: &mut Cpu, op: &Op) -> Step {
    let a = rm::<T, MEM>(c, op)?;
    let b = if IMM { T::from_u64(op.imm) } else { c.reg::<T>(op.dst) };
    let v = i128::from(a.sext() as i64) * i128::from(b.sext() as i64);
    let r = T::from_u64(v as u64);
    c.set_reg(op.dst, r);
    carry_both(c, i128::from(r.sext() as i64) != v);
    Ok(Flow::Next)
}

fn div<T: Word, const MEM: bool>(c: &mut Cpu, op: &Op) -> Step {
    let b = u128::from(source::<T, MEM>(c, op)?.to_u64());
    let a = dividend::<T>(c);
    if b == 0 {
        return c.fault(vector::DE, None);
    }
    // Most dividends fit 64 bits, whose division is much faster.
    let (q, r) = match (u64::try_from(a), u64::try_from(b)) {
        (Ok(a), Ok(b)) => (u128::from(a / b), u128::from(a % b)),
        _ => (a / b, a % b),
    };
    if q >> T::BITS != 0 {
        return c.fault(vector::DE, None);
    }
    set_quotient::<T>(c, q as u64, r as u64);
    Ok(Flow::Next)
}

fn idiv<T: Word, const MEM: bool>(c: &mut Cpu, op: &Op) -> Step {
    let b = i128::from(source::<T, MEM>(c, op)?.sext() as i64);
    let w = 2 * T::BITS;
    let a = (dividend::<T>(c) << (128 - w)) as i128 >> (128 - w);
    if b == 0 {
        return c.fault(vector::DE, None);
    }
    let (q, r) = match (i64::try_from(a), i64::try_from(b)) {
        (Ok(a), Ok(b)) if a != i64::MIN => (i128::from(a / b), i128::from(a % b)),
        _ => (a.wrapping_div(b), a.wrapping_rem(b)),
    };
    let t = T::from_u64(q as u64);
    if i128::from(t.sext() as i64) != q {
        return c.fault(vector::DE, None);
    }
    set_quotient::<T>(c, q as u64, r as u64);
    Ok(Flow::Next)
}

#[inline(always)]
fn set_quotient<T: Word>(c: &mut Cpu, q: u64, r: u64) {
    c.set_reg(A, T::from_u64(q));
    c.set_reg(if T::BITS == 8 { AH } else { D }, T::from_u64(r));
    // Undefined flags as current processors leave them.
    c.s.flags.keep_carries(false, false, false, true);
}

/// MULX: `op.src` or memory times rDX; high half to `op.dst`, low half to `op.aux`.
fn mulx<T: Word, const MEM: bool>(c: &mut Cpu, op: &Op) -> Step {
    let b = rm::<T, MEM>(c, op)?;
    let v = u128::from(c.reg::<T>(D).to_u64()) * u128::from(b.to_u64());
    c.set_reg(op.aux, T::from_u64(v as u64));
    // The high half wins when both destinations are the same.
    c.set_reg(op.dst, T::from_u64((v >> T::BITS) as u64));
    Ok(Flow::Next)
}

/// DAA (`SUB` = false) and DAS.
fn decimal<const SUB: bool>(c: &mut Cpu, _: &Op) -> Step {
    let old = c.reg::<u8>(A);
    let (cf, af) = (c.s.flags.cf(), c.s.flags.af());
    let low = old & 15 > 9 || af;
    let high = old > 0x99 || cf;
    let by = if low { 6 } else { 0 } + if high { 0x60 } else { 0 };
    let al = if SUB { old.wrapping_sub(by) } else { old.wrapping_add(by) };
    // DAS also sets CF when the low adjustment borrows.
    let carry = high || (SUB && low && old < 6);
    c.set_reg(A, al);
    c.s.flags.set_result(al, carry, false);
    c.s.flags.set_af(low);
    Ok(Flow::Next)
}

/// AAA (`SUB` = false) and AAS.
fn ascii<const SUB: bool>(c: &mut Cpu, _: &Op) -> Step {
    let ax = c.reg::<u16>(A);
    let adjust = ax & 15 > 9 || c.s.flags.af();
    let r = match (adjust, SUB) {
        (false, _) => ax,
        (true, false) => ax.wrapping_add(0x106),
        (true, true) => ax.wrapping_sub(6).wrapping_sub(0x100),
    } & 0xff0f;
    c.set_reg(A, r);
    c.s.flags.set_result(r as u8, adjust, false);
    c.s.flags.set_af(adjust);
    Ok(Flow::Next)
}

fn aam(c: &mut Cpu, op: &Op) -> Step {
    let base = op.imm as u8;
    if base == 0 {
        return c.fault(vector::DE, None);
    }
    let al = c.reg::<u8>(A);
    c.set_reg(A, u16::from(al / base) << 8 | u16::from(al % base));
    c.s.flags.set_logic(al % base);
    Ok(Flow::Next)
}

fn aad(c: &mut Cpu, op: &Op) -> Step {
    let ax = c.reg::<u16>(A);
    let al = (ax as u8).wrapping_add(((ax >> 8) as u8).wrapping_mul(op.imm as u8));
    c.set_reg(A, u16::from(al));
    c.s.flags.set_logic(al);
    Ok(Flow::Next)
}

macro_rules! one_operand {
    ($i:expr, $f:ident) => {
        match (size_of($i, 0), $i.op_kind(0) == OpKind::Memory) {
            (1, false) => $f::<u8, false> as Handler,
            (2, false) => $f::<u16, false>,
            (4, false) => $f::<u32, false>,
            (_, false) => $f::<u64, false>,
            (1, true) => $f::<u8, true>,
            (2, true) => $f::<u16, true>,
            (4, true) => $f::<u32, true>,
            (_, true) => $f::<u64, true>,
        }
    };
}

/// Chooses the handler.
pub(super) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    let run = match i.mnemonic() {
        Mnemonic::Mul => one_operand!(i, mul),
        Mnemonic::Imul if i.op_count() == 1 => one_operand!(i, imul),
        Mnemonic::Imul => {
            macro_rules! go {
                ($t:ty) => {
                    match (i.op_kind(1) == OpKind::Memory, i.op_count() == 3) {
                        (false, false) => imul_2::<$t, false, false> as Handler,
                        (false, true) => imul_2::<$t, false, true>,
                        (true, false) => imul_2::<$t, true, false>,
                        (true, true) => imul_2::<$t, true, true>,
                    }
                };
            }
            match size_of(i, 0) {
                2 => go!(u16),
                4 => go!(u32),
                _ => go!(u64),
            }
        }
        Mnemonic::Div => one_operand!(i, div),
        Mnemonic::Idiv => one_operand!(i, idiv),
        Mnemonic::Mulx if super::vex_allowed(c) => {
            op.aux = op.src;
            let mem = i.op_kind(2) == OpKind::Memory;
            if !mem {
                op.src = gpr_index(i.op_register(2));
            }
            match (size_of(i, 0), mem) {
                (4, false) => mulx::<u32, false> as Handler,
                (4, true) => mulx::<u32, true>,
                (_, false) => mulx::<u64, false>,
                (_, true) => mulx::<u64, true>,
            }
        }
        Mnemonic::Daa => decimal::<false>,
        Mnemonic::Das => decimal::<true>,
        Mnemonic::Aaa => ascii::<false>,
        Mnemonic::Aas => ascii::<true>,
        Mnemonic::Aam => aam,
        Mnemonic::Aad => aad,
        _ => return None,
    };
    Lowered::next(run)
}
