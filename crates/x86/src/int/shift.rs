//! Shifts, rotates and double shifts.
//!
//! Undefined flags follow what current AMD and Intel processors agree on where they do: OF of a shift by more
//! than one is computed as for the last single-bit step.

use super::Shape;
use super::rmw;
use super::shape;
use super::size_of;
use crate::cpu::Cpu;
use crate::decode::Lowered;
use crate::exit::Flow;
use crate::exit::Step;
use crate::flags::Flags;
use crate::op::Handler;
use crate::op::Op;
use crate::op::Word;
use crate::state::RCX;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;

/// Masked shift count.
#[inline(always)]
fn masked<T: Word>(n: u64) -> u32 {
    n as u32 & if T::BITS == 64 { 63 } else { 31 }
}

/// Top bit.
#[inline(always)]
fn msb<T: Word>(v: T) -> bool {
    v.to_u64() >> (T::BITS - 1) & 1 != 0
}

/// A shift or rotate by a masked count.
trait Shift: 'static {
    /// Rotates through carry.
    const THROUGH: bool = false;
    /// The result for a count that is not zero (counts may exceed the operand width); `cf` is the carry before.
    fn calc<T: Word>(a: T, n: u32, cf: bool) -> T;
    /// Flags after it.
    fn flags<T: Word>(f: &mut Flags, a: T, n: u32, r: T);
}

/// Left shift that tolerates any count.
#[inline(always)]
fn shl64(v: u64, n: u32) -> u64 {
    v.checked_shl(n).unwrap_or(0)
}

/// Right shift that tolerates any count.
#[inline(always)]
fn shr64(v: u64, n: u32) -> u64 {
    v.checked_shr(n).unwrap_or(0)
}

/// Flags of a shift; AF is undefined and comes out set.
#[inline(always)]
fn shifted<T: Word>(f: &mut Flags, r: T, cf: bool, of: bool) {
    f.set_result(r, cf, of);
    f.set_af(true);
}

struct Shl;
impl Shift for Shl {
    #[inline(always)]
    fn calc<T: Word>(a: T, n: u32, _: bool) -> T {
        T::from_u64(a.to_u64() << (n & 63))
    }
    #[inline(always)]
    fn flags<T: Word>(f: &mut Flags, a: T, n: u32, r: T) {
        // Bit (width - n) of the source: the last one out; zero beyond the width.
        let cf = if n <= T::BITS { a.to_u64() >> ((T::BITS - n) & 63) & 1 != 0 } else { false };
        shifted(f, r, cf, cf != msb(r));
    }
}

struct Shr;
impl Shift for Shr {
    #[inline(always)]
    fn calc<T: Word>(a: T, n: u32, _: bool) -> T {
        T::from_u64(a.to_u64() >> (n & 63))
    }
    #[inline(always)]
    fn flags<T: Word>(f: &mut Flags, a: T, n: u32, r: T) {
        let last = a.to_u64() >> ((n - 1) & 63);
        // The sign before the last step.
        let of = last >> (T::BITS - 1) & 1 != 0;
        shifted(f, r, last & 1 != 0, of);
    }
}

struct Sar;
impl Shift for Sar {
    #[inline(always)]
    fn calc<T: Word>(a: T, n: u32, _: bool) -> T {
        T::from_u64((a.sext() as i64 >> (n & 63)) as u64)
    }
    #[inline(always)]
    fn flags<T: Word>(f: &mut Flags, a: T, n: u32, r: T) {
        shifted(f, r, a.sext() as i64 >> ((n - 1) & 63) & 1 != 0, false);
    }
}

/// CF and OF only.
#[inline(always)]
fn rotated(f: &mut Flags, cf: bool, of: bool) {
    f.set_cf(cf);
    f.set_of(of);
}

struct Rol;
impl Shift for Rol {
    #[inline(always)]
    fn calc<T: Word>(a: T, n: u32, _: bool) -> T {
        let (v, n) = (a.to_u64(), n & (T::BITS - 1));
        T::from_u64(v << n | shr64(v, T::BITS - n))
    }
    #[inline(always)]
    fn flags<T: Word>(f: &mut Flags, _: T, _: u32, r: T) {
        let cf = r.to_u64() & 1 != 0;
        rotated(f, cf, cf != msb(r));
    }
}

struct Ror;
impl Shift for Ror {
    #[inline(always)]
    fn calc<T: Word>(a: T, n: u32, _: bool) -> T {
        let (v, n) = (a.to_u64(), n & (T::BITS - 1));
        T::from_u64(v >> n | shl64(v, T::BITS - n))
    }
    #[inline(always)]
    fn flags<T: Word>(f: &mut Flags, _: T, _: u32, r: T) {
        let second = r.to_u64() >> (T::BITS - 2) & 1 != 0;
        rotated(f, msb(r), msb(r) != second);
    }
}

/// Count of a rotate through carry: modulo the width plus one.
#[inline(always)]
fn through<T: Word>(n: u32) -> u32 {
    if T::BITS < 32 { n % (T::BITS + 1) } else { n }
}

struct Rcl;
impl Shift for Rcl {
    const THROUGH: bool = true;
    #[inline(always)]
    fn calc<T: Word>(a: T, n: u32, cf: bool) -> T {
        let (v, n) = (a.to_u64(), through::<T>(n));
        if n == 0 {
            return a;
        }
        T::from_u64(shl64(v, n) | u64::from(cf) << (n - 1) | shr64(v, T::BITS + 1 - n))
    }
    #[inline(always)]
    fn flags<T: Word>(f: &mut Flags, a: T, n: u32, r: T) {
        let n = through::<T>(n);
        let cf = if n == 0 { f.cf() } else { a.to_u64() >> (T::BITS - n) & 1 != 0 };
        rotated(f, cf, cf != msb(r));
    }
}

struct Rcr;
impl Shift for Rcr {
    const THROUGH: bool = true;
    #[inline(always)]
    fn calc<T: Word>(a: T, n: u32, cf: bool) -> T {
        let (v, n) = (a.to_u64(), through::<T>(n));
        if n == 0 {
            return a;
        }
        T::from_u64(shr64(v, n) | u64::from(cf) << (T::BITS - n) | shl64(v, T::BITS + 1 - n))
    }
    #[inline(always)]
    fn flags<T: Word>(f: &mut Flags, a: T, n: u32, r: T) {
        let n = through::<T>(n);
        let cf = if n == 0 { f.cf() } else { a.to_u64() >> (n - 1) & 1 != 0 };
        let second = r.to_u64() >> (T::BITS - 2) & 1 != 0;
        rotated(f, cf, msb(r) != second);
    }
}

/// Whether a rotate through carry comes full circle: AMD's processors set OF even then, Intel's leave the flags alone.
#[inline(always)]
fn keeps_flags<T: Word, A: Shift>(c: &Cpu, n: u32) -> bool {
    A::THROUGH && T::BITS < 32 && through::<T>(n) == 0 && !c.model.is_amd()
}

#[inline(always)]
fn on_reg<T: Word, A: Shift>(c: &mut Cpu, op: &Op, n: u64) -> Step {
    let n = masked::<T>(n);
    let a = c.reg::<T>(op.dst);
    if n == 0 {
        // A 32-bit destination is zero-extended all the same.
        c.set_reg(op.dst, a);
        return Ok(Flow::Next);
    }
    let r = A::calc(a, n, c.s.flags.cf());
    c.set_reg(op.dst, r);
    if !keeps_flags::<T, A>(c, n) {
        A::flags(&mut c.s.flags, a, n, r);
    }
    Ok(Flow::Next)
}

#[inline(always)]
fn on_mem<T: Word, A: Shift>(c: &mut Cpu, op: &Op, n: u64) -> Step {
    let n = masked::<T>(n);
    let cf = c.s.flags.cf();
    let (a, r) = rmw::<T>(c, op, |a| if n == 0 { a } else { A::calc(a, n, cf) })?;
    if n != 0 && !keeps_flags::<T, A>(c, n) {
        A::flags(&mut c.s.flags, a, n, r);
    }
    Ok(Flow::Next)
}

fn r_i<T: Word, A: Shift>(c: &mut Cpu, op: &Op) -> Step {
    on_reg::<T, A>(c, op, op.imm)
}

fn r_cl<T: Word, A: Shift>(c: &mut Cpu, op: &Op) -> Step {
    let n = c.s.gpr[RCX];
    on_reg::<T, A>(c, op, n)
}

fn m_i<T: Word, A: Shift>(c: &mut Cpu, op: &Op) -> Step {
    on_mem::<T, A>(c, op, op.imm)
}

fn m_cl<T: Word, A: Shift>(c: &mut Cpu, op: &Op) -> Step {
    let n = c.s.gpr[RCX];
    on_mem::<T, A>(c, op, n)
}

fn pick<A: Shift>(i: &Instruction) -> Option<Handler> {
    let n = size_of(i, 0);
    Some(match shape(i)? {
        Shape::Ri => sized!(n, r_i, A),
        Shape::Rr => sized!(n, r_cl, A),
        Shape::Mi => sized!(n, m_i, A),
        Shape::Mr => sized!(n, m_cl, A),
        _ => return None,
    })
}

/// Result of SHLD (`LEFT`) or SHRD, and the last bit shifted out.
///
/// 16-bit counts above 16 are undefined: after the source, AMD's processors shift it in again, Intel's the destination.
#[inline(always)]
fn double<T: Word, const LEFT: bool>(a: T, b: T, n: u32, amd: bool) -> (T, bool) {
    let w = T::BITS;
    let (x, y) = (u128::from(a.to_u64()), u128::from(b.to_u64()));
    let z = if amd { y } else { x };
    if LEFT {
        let wide = if w == 16 { x << 32 | y << 16 | z } else { x << w | y };
        let top = if w == 16 { 48 } else { 2 * w };
        (T::from_u64((wide >> (top - w - n)) as u64), wide >> (top - n) & 1 != 0)
    } else {
        let wide = if w == 16 { z << 32 | y << 16 | x } else { y << w | x };
        (T::from_u64((wide >> n) as u64), wide >> (n - 1) & 1 != 0)
    }
}

#[inline(always)]
fn double_flags<T: Word>(f: &mut Flags, r: T, n: u32, last: bool, left: bool, amd: bool) {
    // OF: the sign changed in the last step.
    let of = if left { last != msb(r) } else { msb(r) != (r.to_u64() >> (T::BITS - 2) & 1 != 0) };
    shifted(f, r, last && (n <= T::BITS || !amd), of);
}

/// The vendor, for the one width at which it matters.
#[inline(always)]
fn doubles_as_amd<T: Word>(c: &Cpu) -> bool {
    T::BITS != 16 || c.model.is_amd()
}

fn double_r<T: Word, const LEFT: bool, const CL: bool>(c: &mut Cpu, op: &Op) -> Step {
    let amd = doubles_as_amd::<T>(c);
    let n = masked::<T>(if CL { c.s.gpr[RCX] } else { op.imm });
    let (a, b) = (c.reg::<T>(op.dst), c.reg::<T>(op.src));
    if n == 0 {
        c.set_reg(op.dst, a);
        return Ok(Flow::Next);
    }
    let (r, last) = double::<T, LEFT>(a, b, n, amd);
    c.set_reg(op.dst, r);
    double_flags(&mut c.s.flags, r, n, last, LEFT, amd);
    Ok(Flow::Next)
}

fn double_m<T: Word, const LEFT: bool, const CL: bool>(c: &mut Cpu, op: &Op) -> Step {
    let n = masked::<T>(if CL { c.s.gpr[RCX] } else { op.imm });
    let (b, amd) = (c.reg::<T>(op.src), doubles_as_amd::<T>(c));
    let (a, r) = rmw::<T>(c, op, |a| if n == 0 { a } else { double::<T, LEFT>(a, b, n, amd).0 })?;
    if n != 0 {
        let (_, last) = double::<T, LEFT>(a, b, n, amd);
        double_flags(&mut c.s.flags, r, n, last, LEFT, amd);
    }
    Ok(Flow::Next)
}

fn pick_double(i: &Instruction, left: bool) -> Handler {
    macro_rules! go {
        ($f:ident, $l:literal, $c:literal) => {
            match size_of(i, 0) {
                2 => $f::<u16, $l, $c> as Handler,
                4 => $f::<u32, $l, $c>,
                _ => $f::<u64, $l, $c>,
            }
        };
    }
    let mem = i.op_kind(0) == OpKind::Memory;
    let cl = i.op_kind(2) == OpKind::Register;
    match (mem, left, cl) {
        (false, true, true) => go!(double_r, true, true),
        (false, true, false) => go!(double_r, true, false),
        (false, false, true) => go!(double_r, false, true),
        (false, false, false) => go!(double_r, false, false),
        (true, true, true) => go!(double_m, true, true),
        (true, true, false) => go!(double_m, true, false),
        (true, false, true) => go!(double_m, false, true),
        (true, false, false) => go!(double_m, false, false),
    }
}

/// Chooses the handler.
pub(super) fn lower(i: &Instruction) -> Option<Lowered> {
    let run = match i.mnemonic() {
        Mnemonic::Shl | Mnemonic::Sal => pick::<Shl>(i)?,
        Mnemonic::Shr => pick::<Shr>(i)?,
        Mnemonic::Sar => pick::<Sar>(i)?,
        Mnemonic::Rol => pick::<Rol>(i)?,
        Mnemonic::Ror => pick::<Ror>(i)?,
        Mnemonic::Rcl => pick::<Rcl>(i)?,
        Mnemonic::Rcr => pick::<Rcr>(i)?,
        Mnemonic::Shld => pick_double(i, true),
        Mnemonic::Shrd => pick_double(i, false),
        _ => return None,
    };
    Lowered::next(run)
}
