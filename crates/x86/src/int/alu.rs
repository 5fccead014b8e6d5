//! ADD ADC SUB SBB CMP AND OR XOR TEST, NOT NEG INC DEC, with and without LOCK.

use super::Shape;
use super::flat;
use super::load_flat;
use super::locked;
use super::rmw;
use super::rmw_flat;
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
use iced_x86::Instruction;
use iced_x86::Mnemonic;

/// A two-operand operation.
trait Binary: 'static {
    /// The result goes to the destination.
    const STORES: bool = true;
    /// The result; `cf` is the carry before.
    fn calc<T: Word>(a: T, b: T, cf: bool) -> T;
    /// Flags after it.
    fn flags<T: Word>(f: &mut Flags, a: T, b: T, r: T);
}

macro_rules! binary {
    ($name:ident, $stores:literal, |$a:ident, $b:ident, $cf:ident| $calc:expr, $set:ident) => {
        struct $name;
        impl Binary for $name {
            const STORES: bool = $stores;
            #[inline(always)]
            fn calc<T: Word>(a: T, b: T, $cf: bool) -> T {
                let ($a, $b) = (a.to_u64(), b.to_u64());
                T::from_u64($calc)
            }
            #[inline(always)]
            fn flags<T: Word>(f: &mut Flags, a: T, b: T, r: T) {
                binary!(@ $set f a b r)
            }
        }
    };
    (@ add $f:ident $a:ident $b:ident $r:ident) => { $f.set_add($a, $b, $r) };
    (@ sub $f:ident $a:ident $b:ident $r:ident) => { $f.set_sub($a, $b, $r) };
    (@ logic $f:ident $a:ident $b:ident $r:ident) => {{ let _ = ($a, $b); $f.set_logic($r) }};
}

binary!(Add, true, |a, b, _cf| a.wrapping_add(b), add);
binary!(Adc, true, |a, b, cf| a.wrapping_add(b).wrapping_add(u64::from(cf)), add);
binary!(Sub, true, |a, b, _cf| a.wrapping_sub(b), sub);
binary!(Sbb, true, |a, b, cf| a.wrapping_sub(b).wrapping_sub(u64::from(cf)), sub);
binary!(Cmp, false, |a, b, _cf| a.wrapping_sub(b), sub);
binary!(And, true, |a, b, _cf| a & b, logic);
binary!(Or, true, |a, b, _cf| a | b, logic);
binary!(Xor, true, |a, b, _cf| a ^ b, logic);
binary!(Test, false, |a, b, _cf| a & b, logic);

#[inline(always)]
fn on_reg<T: Word, A: Binary>(c: &mut Cpu, op: &Op, b: T) -> Step {
    let a = c.reg::<T>(op.dst);
    let r = A::calc(a, b, c.s.flags.cf());
    if A::STORES {
        c.set_reg(op.dst, r);
    }
    A::flags(&mut c.s.flags, a, b, r);
    Ok(Flow::Next)
}

#[inline(always)]
fn on_mem<T: Word, A: Binary>(c: &mut Cpu, op: &Op, b: T) -> Step {
    if A::STORES {
        let cf = c.s.flags.cf();
        let (a, r) = rmw::<T>(c, op, |a| A::calc(a, b, cf))?;
        A::flags(&mut c.s.flags, a, b, r);
    } else {
        let a = c.load::<T>(op)?;
        let r = A::calc(a, b, false);
        A::flags(&mut c.s.flags, a, b, r);
    }
    Ok(Flow::Next)
}

fn rr<T: Word, A: Binary>(c: &mut Cpu, op: &Op) -> Step {
    let b = c.reg::<T>(op.src);
    on_reg::<T, A>(c, op, b)
}

fn ri<T: Word, A: Binary>(c: &mut Cpu, op: &Op) -> Step {
    on_reg::<T, A>(c, op, T::from_u64(op.imm))
}

/// [`rm`] in a flat segment.
fn rm_flat<T: Word, A: Binary>(c: &mut Cpu, op: &Op) -> Step {
    match load_flat::<T>(c, op) {
        Some(b) => on_reg::<T, A>(c, op, b),
        None => rm::<T, A>(c, op),
    }
}

/// [`on_mem`] in a flat segment; `None` leaves it to the ordinary handler.
#[inline(always)]
fn on_mem_flat<T: Word, A: Binary>(c: &mut Cpu, op: &Op, b: T) -> Option<Step> {
    let (a, r) = if A::STORES {
        let cf = c.s.flags.cf();
        rmw_flat::<T>(c, op, |a| A::calc(a, b, cf))?
    } else {
        let a = load_flat::<T>(c, op)?;
        (a, A::calc(a, b, false))
    };
    A::flags(&mut c.s.flags, a, b, r);
    Some(Ok(Flow::Next))
}

fn mr_flat<T: Word, A: Binary>(c: &mut Cpu, op: &Op) -> Step {
    let b = c.reg::<T>(op.src);
    match on_mem_flat::<T, A>(c, op, b) {
        Some(s) => s,
        None => mr::<T, A>(c, op),
    }
}

fn mi_flat<T: Word, A: Binary>(c: &mut Cpu, op: &Op) -> Step {
    match on_mem_flat::<T, A>(c, op, T::from_u64(op.imm)) {
        Some(s) => s,
        None => mi::<T, A>(c, op),
    }
}

#[inline(never)]
fn rm<T: Word, A: Binary>(c: &mut Cpu, op: &Op) -> Step {
    let b = c.load::<T>(op)?;
    on_reg::<T, A>(c, op, b)
}

#[inline(never)]
fn mr<T: Word, A: Binary>(c: &mut Cpu, op: &Op) -> Step {
    let b = c.reg::<T>(op.src);
    on_mem::<T, A>(c, op, b)
}

#[inline(never)]
fn mi<T: Word, A: Binary>(c: &mut Cpu, op: &Op) -> Step {
    on_mem::<T, A>(c, op, T::from_u64(op.imm))
}

#[inline(always)]
fn lock<T: Word, A: Binary>(c: &mut Cpu, op: &Op, b: T) -> Step {
    let cf = c.s.flags.cf();
    let (a, r) = locked::<T>(c, op, |a| A::calc(a, b, cf))?;
    A::flags(&mut c.s.flags, a, b, r);
    Ok(Flow::Next)
}

fn lock_mr<T: Word, A: Binary>(c: &mut Cpu, op: &Op) -> Step {
    let b = c.reg::<T>(op.src);
    lock::<T, A>(c, op, b)
}

fn lock_mi<T: Word, A: Binary>(c: &mut Cpu, op: &Op) -> Step {
    lock::<T, A>(c, op, T::from_u64(op.imm))
}

fn pick<A: Binary>(i: &Instruction, op: &Op) -> Option<Handler> {
    let n = size_of(i, 0);
    let plain = flat(op.seg);
    let locked = i.has_lock_prefix();
    Some(match shape(i)? {
        Shape::Rr => sized!(n, rr, A),
        Shape::Ri => sized!(n, ri, A),
        Shape::Rm if plain => sized!(n, rm_flat, A),
        Shape::Rm => sized!(n, rm, A),
        Shape::Mr if locked && A::STORES => sized!(n, lock_mr, A),
        Shape::Mi if locked && A::STORES => sized!(n, lock_mi, A),
        Shape::Mr if plain => sized!(n, mr_flat, A),
        Shape::Mi if plain => sized!(n, mi_flat, A),
        Shape::Mr => sized!(n, mr, A),
        Shape::Mi => sized!(n, mi, A),
        Shape::R | Shape::M => return None,
    })
}

/// A one-operand operation.
trait Unary: 'static {
    fn calc<T: Word>(a: T) -> T;
    fn flags<T: Word>(f: &mut Flags, a: T, r: T);
}

struct Not;
impl Unary for Not {
    #[inline(always)]
    fn calc<T: Word>(a: T) -> T {
        T::from_u64(!a.to_u64())
    }
    #[inline(always)]
    fn flags<T: Word>(_: &mut Flags, _: T, _: T) {}
}

struct Neg;
impl Unary for Neg {
    #[inline(always)]
    fn calc<T: Word>(a: T) -> T {
        T::from_u64(a.to_u64().wrapping_neg())
    }
    #[inline(always)]
    fn flags<T: Word>(f: &mut Flags, a: T, r: T) {
        f.set_sub(T::from_u64(0), a, r);
    }
}

struct Inc;
impl Unary for Inc {
    #[inline(always)]
    fn calc<T: Word>(a: T) -> T {
        T::from_u64(a.to_u64().wrapping_add(1))
    }
    #[inline(always)]
    fn flags<T: Word>(f: &mut Flags, a: T, r: T) {
        let cf = f.cf();
        f.set_add(a, T::from_u64(1), r);
        f.keep_cf(cf);
    }
}

struct Dec;
impl Unary for Dec {
    #[inline(always)]
    fn calc<T: Word>(a: T) -> T {
        T::from_u64(a.to_u64().wrapping_sub(1))
    }
    #[inline(always)]
    fn flags<T: Word>(f: &mut Flags, a: T, r: T) {
        let cf = f.cf();
        f.set_sub(a, T::from_u64(1), r);
        f.keep_cf(cf);
    }
}

fn un_r<T: Word, A: Unary>(c: &mut Cpu, op: &Op) -> Step {
    let a = c.reg::<T>(op.dst);
    let r = A::calc(a);
    c.set_reg(op.dst, r);
    A::flags(&mut c.s.flags, a, r);
    Ok(Flow::Next)
}

fn un_m<T: Word, A: Unary>(c: &mut Cpu, op: &Op) -> Step {
    let (a, r) = rmw::<T>(c, op, A::calc)?;
    A::flags(&mut c.s.flags, a, r);
    Ok(Flow::Next)
}

fn un_lock<T: Word, A: Unary>(c: &mut Cpu, op: &Op) -> Step {
    let (a, r) = locked::<T>(c, op, A::calc)?;
    A::flags(&mut c.s.flags, a, r);
    Ok(Flow::Next)
}

fn pick_unary<A: Unary>(i: &Instruction) -> Option<Handler> {
    let n = size_of(i, 0);
    Some(match shape(i)? {
        Shape::R => sized!(n, un_r, A),
        Shape::M if i.has_lock_prefix() => sized!(n, un_lock, A),
        Shape::M => sized!(n, un_m, A),
        _ => return None,
    })
}

/// Chooses the handler.
pub(super) fn lower(i: &Instruction, op: &Op) -> Option<Lowered> {
    let run = match i.mnemonic() {
        Mnemonic::Add => pick::<Add>(i, op),
        Mnemonic::Adc => pick::<Adc>(i, op),
        Mnemonic::Sub => pick::<Sub>(i, op),
        Mnemonic::Sbb => pick::<Sbb>(i, op),
        Mnemonic::Cmp => pick::<Cmp>(i, op),
        Mnemonic::And => pick::<And>(i, op),
        Mnemonic::Or => pick::<Or>(i, op),
        Mnemonic::Xor => pick::<Xor>(i, op),
        Mnemonic::Test => pick::<Test>(i, op),
        Mnemonic::Not => pick_unary::<Not>(i),
        Mnemonic::Neg => pick_unary::<Neg>(i),
        Mnemonic::Inc => pick_unary::<Inc>(i),
        Mnemonic::Dec => pick_unary::<Dec>(i),
        _ => None,
    };
    Lowered::next(run?)
}
