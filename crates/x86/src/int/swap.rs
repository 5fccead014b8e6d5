//! Exchanges: XCHG, XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B.

use super::Shape;
use super::locked;
use super::rmw;
use super::shape;
use super::size_of;
use crate::cpu::Cpu;
use crate::decode::Lowered;
use crate::exit::Flow;
use crate::exit::Step;
use crate::mem::Access;
use crate::mem::host;
use crate::op::Op;
use crate::op::Word;
use crate::state::*;
use iced_x86::Instruction;
use iced_x86::Mnemonic;

const A: u8 = RAX as u8;

fn xchg_rr<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let (a, b) = (c.reg::<T>(op.dst), c.reg::<T>(op.src));
    c.set_reg(op.dst, b);
    c.set_reg(op.src, a);
    Ok(Flow::Next)
}

/// XCHG with memory is locked with or without the prefix. `REG_FIRST`: the register is operand 0.
fn xchg_m<T: Word, const REG_FIRST: bool>(c: &mut Cpu, op: &Op) -> Step {
    let r = if REG_FIRST { op.dst } else { op.src };
    let v = c.reg::<T>(r);
    let (old, _) = locked::<T>(c, op, |_| v)?;
    c.set_reg(r, old);
    Ok(Flow::Next)
}

fn xadd_rr<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let (a, b) = (c.reg::<T>(op.dst), c.reg::<T>(op.src));
    let r = T::from_u64(a.to_u64().wrapping_add(b.to_u64()));
    c.set_reg(op.src, a);
    // Last: the sum stays when both are the same register.
    c.set_reg(op.dst, r);
    c.s.flags.set_add(a, b, r);
    Ok(Flow::Next)
}

fn xadd_m<T: Word, const LOCK: bool>(c: &mut Cpu, op: &Op) -> Step {
    let b = c.reg::<T>(op.src);
    let sum = |a: T| T::from_u64(a.to_u64().wrapping_add(b.to_u64()));
    let (a, r) = if LOCK { locked::<T>(c, op, sum)? } else { rmw::<T>(c, op, sum)? };
    c.set_reg(op.src, a);
    c.s.flags.set_add(a, b, r);
    Ok(Flow::Next)
}

#[inline(always)]
fn compare_flags<T: Word>(c: &mut Cpu, acc: T, old: T) {
    let r = T::from_u64(acc.to_u64().wrapping_sub(old.to_u64()));
    c.s.flags.set_sub(acc, old, r);
}

fn cmpxchg_rr<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let (acc, old, new) = (c.reg::<T>(A), c.reg::<T>(op.dst), c.reg::<T>(op.src));
    if acc == old {
        c.set_reg(op.dst, new);
    } else {
        c.set_reg(A, old);
    }
    compare_flags(c, acc, old);
    Ok(Flow::Next)
}

fn cmpxchg_m<T: Word, const LOCK: bool>(c: &mut Cpu, op: &Op) -> Step {
    let (acc, new) = (c.reg::<T>(A), c.reg::<T>(op.src));
    // Memory is written in either case: it needs the right to.
    let f = |old: T| if old == acc { new } else { old };
    let (old, _) = if LOCK { locked::<T>(c, op, f)? } else { rmw::<T>(c, op, f)? };
    if old != acc {
        c.set_reg(A, old);
    }
    compare_flags(c, acc, old);
    Ok(Flow::Next)
}

fn cmpxchg8b<const LOCK: bool>(c: &mut Cpu, op: &Op) -> Step {
    let pair = |c: &Cpu, lo: usize, hi: usize| c.s.gpr[lo] & 0xffff_ffff | c.s.gpr[hi] << 32;
    let (acc, new) = (pair(c, RAX, RDX), pair(c, RBX, RCX));
    let f = |old: u64| if old == acc { new } else { old };
    let (old, _) = if LOCK { locked::<u64>(c, op, f)? } else { rmw::<u64>(c, op, f)? };
    if old != acc {
        c.s.gpr[RAX] = old & 0xffff_ffff;
        c.s.gpr[RDX] = old >> 32;
    }
    c.s.flags.set_zf(old == acc);
    Ok(Flow::Next)
}

fn cmpxchg16b(c: &mut Cpu, op: &Op) -> Step {
    let pair = |c: &Cpu, lo: usize, hi: usize| u128::from(c.s.gpr[lo]) | u128::from(c.s.gpr[hi]) << 64;
    let (acc, new) = (pair(c, RAX, RDX), pair(c, RBX, RCX));
    let la = c.la(op, 16, Access::Write)?;
    if la & 15 != 0 {
        return c.gp(0);
    }
    let hit = match c.tlb_write(la, 16) {
        Some(p) if p & 15 == 0 => host::cmpxchg16(p, acc, new),
        _ => None,
    };
    let old = match hit {
        Some(v) => v,
        None => c.cmpxchg16(la, op.seg & 7, acc, new)?,
    };
    if old != acc {
        c.s.gpr[RAX] = old as u64;
        c.s.gpr[RDX] = (old >> 64) as u64;
    }
    c.s.flags.set_zf(old == acc);
    Ok(Flow::Next)
}

/// Chooses the handler.
pub(super) fn lower(i: &Instruction) -> Option<Lowered> {
    let n = size_of(i, 0);
    let lock = i.has_lock_prefix();
    macro_rules! flagged {
        ($f:ident, $k:literal) => {
            match n {
                1 => $f::<u8, $k> as crate::op::Handler,
                2 => $f::<u16, $k>,
                4 => $f::<u32, $k>,
                _ => $f::<u64, $k>,
            }
        };
    }
    let run = match (i.mnemonic(), shape(i)) {
        (Mnemonic::Xchg, Some(Shape::Rr)) => sized!(n, xchg_rr),
        (Mnemonic::Xchg, Some(Shape::Rm)) => flagged!(xchg_m, true),
        (Mnemonic::Xchg, Some(Shape::Mr)) => flagged!(xchg_m, false),
        (Mnemonic::Xadd, Some(Shape::Rr)) => sized!(n, xadd_rr),
        (Mnemonic::Xadd, _) if lock => flagged!(xadd_m, true),
        (Mnemonic::Xadd, _) => flagged!(xadd_m, false),
        (Mnemonic::Cmpxchg, Some(Shape::Rr)) => sized!(n, cmpxchg_rr),
        (Mnemonic::Cmpxchg, _) if lock => flagged!(cmpxchg_m, true),
        (Mnemonic::Cmpxchg, _) => flagged!(cmpxchg_m, false),
        (Mnemonic::Cmpxchg8b, _) if lock => cmpxchg8b::<true>,
        (Mnemonic::Cmpxchg8b, _) => cmpxchg8b::<false>,
        (Mnemonic::Cmpxchg16b, _) => cmpxchg16b,
        _ => return None,
    };
    Lowered::next(run)
}
