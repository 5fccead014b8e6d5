//! Integer instructions: everything a program without privileges, vectors or x87 executes.
//!
//! [`lower`] picks, once per decoded instruction, the function that fits its operand kinds and sizes; what
//! runs later neither matches nor asks. Files by subject: `mov`, `alu`, `shift`, `muldiv`, `bits`, `swap`
//! (exchanges), `stack`, `branch`, `string`, `misc`.

macro_rules! sized {
    ($size:expr, $f:ident $(, $p:ty)*) => {
        match $size {
            1 => $f::<u8 $(, $p)*> as $crate::op::Handler,
            2 => $f::<u16 $(, $p)*>,
            4 => $f::<u32 $(, $p)*>,
            _ => $f::<u64 $(, $p)*>,
        }
    };
}

/// As `sized!` for instructions without a byte form.
macro_rules! wide {
    ($size:expr, $f:ident $(, $p:ty)*) => {
        match $size {
            2 => $f::<u16 $(, $p)*> as $crate::op::Handler,
            4 => $f::<u32 $(, $p)*>,
            _ => $f::<u64 $(, $p)*>,
        }
    };
}

/// As `sized!` for instructions with 32- and 64-bit forms only.
macro_rules! dual {
    ($size:expr, $f:ident $(, $p:ty)*) => {
        match $size {
            4 => $f::<u32 $(, $p)*> as $crate::op::Handler,
            _ => $f::<u64 $(, $p)*>,
        }
    };
}

/// Picks by condition code: `$f::<T, CC>` for the operand type `$t`.
macro_rules! by_cc {
    ($cc:expr, $f:ident $(, $t:ty)*) => {
        match $cc {
            0 => $f::<$($t,)* 0> as $crate::op::Handler,
            1 => $f::<$($t,)* 1>,
            2 => $f::<$($t,)* 2>,
            3 => $f::<$($t,)* 3>,
            4 => $f::<$($t,)* 4>,
            5 => $f::<$($t,)* 5>,
            6 => $f::<$($t,)* 6>,
            7 => $f::<$($t,)* 7>,
            8 => $f::<$($t,)* 8>,
            9 => $f::<$($t,)* 9>,
            10 => $f::<$($t,)* 10>,
            11 => $f::<$($t,)* 11>,
            12 => $f::<$($t,)* 12>,
            13 => $f::<$($t,)* 13>,
            14 => $f::<$($t,)* 14>,
            _ => $f::<$($t,)* 15>,
        }
    };
}

/// Picks by operand size in bytes and stack-pointer width in bits.
macro_rules! by_stack {
    ($size:expr, $bits:expr, $f:ident) => {
        match ($size, $bits) {
            (2, 16) => $f::<u16, u16> as $crate::op::Handler,
            (2, 32) => $f::<u16, u32>,
            (2, _) => $f::<u16, u64>,
            (4, 16) => $f::<u32, u16>,
            (4, 32) => $f::<u32, u32>,
            (4, _) => $f::<u32, u64>,
            _ => $f::<u64, u64>,
        }
    };
}

mod alu;
mod bits;
mod branch;
mod direct;
mod misc;
mod mov;
mod muldiv;
mod shift;
mod stack;
mod string;
mod swap;
#[cfg(test)]
mod tests;

use crate::cpu::Cpu;
use crate::cpu::Mode;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::exit::R;
use crate::mem::Access;
use crate::mem::host;
use crate::op::Op;
use crate::op::SEG_BASE;
use crate::op::SEG_CHECK;
use crate::op::Word;
use iced_x86::ConditionCode;
use iced_x86::Instruction;
use iced_x86::OpKind;

/// Chooses the handler of an integer instruction.
pub(crate) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    mov::lower(i, op)
        .or_else(|| alu::lower(i, op))
        .or_else(|| branch::lower(i, op, c))
        .or_else(|| stack::lower(i, op, c))
        .or_else(|| shift::lower(i))
        .or_else(|| muldiv::lower(i, op, c))
        .or_else(|| bits::lower(i, op, c))
        .or_else(|| swap::lower(i))
        .or_else(|| string::lower(i, op, c))
        .or_else(|| direct::lower(i, op, c))
        .or_else(|| misc::lower(i))
}

/// Kinds of the first two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// One register.
    R,
    /// One memory operand.
    M,
    /// Register, register.
    Rr,
    /// Register, immediate.
    Ri,
    /// Register, memory.
    Rm,
    /// Memory, register.
    Mr,
    /// Memory, immediate.
    Mi,
}

/// Shape of an instruction whose operands are general registers, memory and immediates.
fn shape(i: &Instruction) -> Option<Shape> {
    #[derive(PartialEq)]
    enum K {
        R,
        M,
        I,
        None,
    }
    let kind = |n: u32| {
        if n >= i.op_count() {
            return Some(K::None);
        }
        match i.op_kind(n) {
            OpKind::Register if i.op_register(n).is_gpr() => Some(K::R),
            OpKind::Register => None,
            OpKind::Memory => Some(K::M),
            OpKind::Immediate8
            | OpKind::Immediate16
            | OpKind::Immediate32
            | OpKind::Immediate64
            | OpKind::Immediate8to16
            | OpKind::Immediate8to32
            | OpKind::Immediate8to64
            | OpKind::Immediate32to64 => Some(K::I),
            _ => None,
        }
    };
    match (kind(0)?, kind(1)?) {
        (K::R, K::None) => Some(Shape::R),
        (K::M, K::None) => Some(Shape::M),
        (K::R, K::R) => Some(Shape::Rr),
        (K::R, K::I) => Some(Shape::Ri),
        (K::R, K::M) => Some(Shape::Rm),
        (K::M, K::R) => Some(Shape::Mr),
        (K::M, K::I) => Some(Shape::Mi),
        _ => None,
    }
}

/// Size in bytes of operand `n`, a register or memory.
fn size_of(i: &Instruction, n: u32) -> usize {
    match i.op_kind(n) {
        OpKind::Register => i.op_register(n).size(),
        _ => i.memory_size().size(),
    }
}

/// Condition code number (0 = O ... 15 = G) of a Jcc, SETcc or CMOVcc.
fn cc(i: &Instruction) -> Option<u8> {
    Some(match i.condition_code() {
        ConditionCode::None => return None,
        ConditionCode::o => 0,
        ConditionCode::no => 1,
        ConditionCode::b => 2,
        ConditionCode::ae => 3,
        ConditionCode::e => 4,
        ConditionCode::ne => 5,
        ConditionCode::be => 6,
        ConditionCode::a => 7,
        ConditionCode::s => 8,
        ConditionCode::ns => 9,
        ConditionCode::p => 10,
        ConditionCode::np => 11,
        ConditionCode::l => 12,
        ConditionCode::ge => 13,
        ConditionCode::le => 14,
        ConditionCode::g => 15,
    })
}

/// VEX encodings exist in protected mode only.
fn vex_allowed(c: &Ctx) -> bool {
    !matches!(c.mode, Mode::Real | Mode::Real32 | Mode::V86)
}

/// Register (`src`) or memory operand, by a constant.
#[inline(always)]
fn rm<T: Word, const MEM: bool>(c: &mut Cpu, op: &Op) -> R<T> {
    if MEM { c.load::<T>(op) } else { Ok(c.reg::<T>(op.src)) }
}

/// Whether an encoded segment needs neither base nor check: the `*_flat` handlers then take the fast path without
/// any, and go to the ordinary handler for everything else.
fn flat(seg: u8) -> bool {
    seg & (SEG_CHECK | SEG_BASE) == 0
}

/// Loads the memory operand of a flat segment if the TLB has it.
#[inline(always)]
fn load_flat<T: Word>(c: &Cpu, op: &Op) -> Option<T> {
    host::load::<T>(c.tlb_read(c.ea(op), T::BYTES)?)
}

/// Stores to the memory operand of a flat segment if the TLB has it.
#[inline(always)]
fn store_flat<T: Word>(c: &Cpu, op: &Op, v: T) -> Option<()> {
    host::store::<T>(c.tlb_write(c.ea(op), T::BYTES)?, v)
}

/// Read-modify-write of the memory operand of a flat segment if the TLB has it.
#[inline(always)]
fn rmw_flat<T: Word>(c: &Cpu, op: &Op, f: impl Fn(T) -> T) -> Option<(T, T)> {
    let p = c.tlb_write(c.ea(op), T::BYTES)?;
    let old = host::load::<T>(p)?;
    let new = f(old);
    host::store::<T>(p, new)?;
    Some((old, new))
}

/// Read-modify-write of the memory operand without LOCK; returns the old and the new value.
#[inline(always)]
fn rmw<T: Word>(c: &mut Cpu, op: &Op, f: impl Fn(T) -> T) -> R<(T, T)> {
    let la = c.la(op, T::BYTES, Access::Write)?;
    rmw_at(c, la, op.seg & 7, f)
}

/// [`rmw`] at a linear address.
#[inline(always)]
fn rmw_at<T: Word>(c: &mut Cpu, la: u64, seg: u8, f: impl Fn(T) -> T) -> R<(T, T)> {
    if let Some(p) = c.tlb_write(la, T::BYTES)
        && let Some(old) = host::load::<T>(p)
    {
        let new = f(old);
        if host::store::<T>(p, new).is_some() {
            return Ok((old, new));
        }
    }
    let old = c.read_for_write_slow::<T>(la, seg)?;
    let new = f(old);
    c.write_back::<T>(la, new, seg)?;
    Ok((old, new))
}

/// LOCKed read-modify-write of the memory operand.
#[inline(always)]
fn locked<T: Word>(c: &mut Cpu, op: &Op, f: impl FnMut(T) -> T) -> R<(T, T)> {
    let la = c.la(op, T::BYTES, Access::Write)?;
    c.atomic::<T>(la, op.seg & 7, f)
}
