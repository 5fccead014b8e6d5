//! Bit tests, scans and counts, BMI1 and BMI2, ADX, CRC32.

use super::rm;
use super::rmw_at;
use super::size_of;
use super::vex_allowed;
use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::decode::gpr_index;
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

/// BT, BTS, BTR, BTC by number.
const TEST: u8 = 0;
const SET: u8 = 1;
const RESET: u8 = 2;

#[inline(always)]
fn changed<T: Word, const K: u8>(v: T, bit: u32) -> T {
    let m = 1u64 << bit;
    let v = v.to_u64();
    T::from_u64(match K {
        TEST => v,
        SET => v | m,
        RESET => v & !m,
        _ => v ^ m,
    })
}

#[inline(always)]
fn bit_to_cf<T: Word>(c: &mut Cpu, v: T, bit: u32) {
    c.s.flags.set_cf(v.to_u64() >> bit & 1 != 0);
}

/// Register destination; the bit number comes from a register or the immediate.
fn bt_r<T: Word, const K: u8, const IMM: bool>(c: &mut Cpu, op: &Op) -> Step {
    let n = if IMM { op.imm } else { c.reg::<T>(op.src).to_u64() };
    let bit = n as u32 & (T::BITS - 1);
    let v = c.reg::<T>(op.dst);
    if K != TEST {
        c.set_reg(op.dst, changed::<T, K>(v, bit));
    }
    bit_to_cf(c, v, bit);
    Ok(Flow::Next)
}

/// Memory destination: a register bit number is signed and reaches beyond the operand.
fn bt_m<T: Word, const K: u8, const IMM: bool, const LOCK: bool>(c: &mut Cpu, op: &Op) -> Step {
    let (bit, ea) = if IMM {
        (op.imm as u32 & (T::BITS - 1), c.ea(op))
    } else {
        let n = c.reg::<T>(op.src).sext() as i64;
        let step = n.div_euclid(i64::from(T::BITS)) as u64;
        (n as u32 & (T::BITS - 1), c.ea(op).wrapping_add(step.wrapping_mul(T::BYTES)) & op.amask)
    };
    let seg = op.seg & 7;
    if K == TEST {
        let la = c.seg_la(op.seg, ea, T::BYTES, Access::Read)?;
        let v = c.read::<T>(la, seg)?;
        bit_to_cf(c, v, bit);
        return Ok(Flow::Next);
    }
    let la = c.seg_la(op.seg, ea, T::BYTES, Access::Write)?;
    let (old, _) = if LOCK {
        c.atomic::<T>(la, seg, |v| changed::<T, K>(v, bit))?
    } else {
        rmw_at::<T>(c, la, seg, |v| changed::<T, K>(v, bit))?
    };
    bit_to_cf(c, old, bit);
    Ok(Flow::Next)
}

fn pick_bt<const K: u8>(i: &Instruction) -> Handler {
    macro_rules! go {
        ($t:ty) => {
            match (i.op_kind(0) == OpKind::Memory, i.op_kind(1) != OpKind::Register, i.has_lock_prefix()) {
                (false, false, _) => bt_r::<$t, K, false> as Handler,
                (false, true, _) => bt_r::<$t, K, true>,
                (true, false, false) => bt_m::<$t, K, false, false>,
                (true, true, false) => bt_m::<$t, K, true, false>,
                (true, false, true) => bt_m::<$t, K, false, true>,
                (true, true, true) => bt_m::<$t, K, true, true>,
            }
        };
    }
    match size_of(i, 0) {
        2 => go!(u16),
        4 => go!(u32),
        _ => go!(u64),
    }
}

/// BSF (`REV` = false) and BSR.
fn scan<T: Word, const MEM: bool, const REV: bool>(c: &mut Cpu, op: &Op) -> Step {
    let v = rm::<T, MEM>(c, op)?.to_u64();
    if v == 0 {
        // The destination keeps its value.
        c.s.flags.set_bits(rflags::ZF | rflags::PF);
        return Ok(Flow::Next);
    }
    let r = if REV { 63 - v.leading_zeros() } else { v.trailing_zeros() };
    c.set_reg(op.dst, T::from_u64(u64::from(r)));
    // All but ZF are undefined: cleared, PF by the result.
    c.s.flags.set_bits(if r.count_ones() & 1 == 0 { rflags::PF } else { 0 });
    Ok(Flow::Next)
}

/// TZCNT and LZCNT (`REV`).
fn count_zeros<T: Word, const MEM: bool, const REV: bool>(c: &mut Cpu, op: &Op) -> Step {
    let v = rm::<T, MEM>(c, op)?.to_u64();
    let r = if v == 0 {
        T::BITS
    } else if REV {
        v.leading_zeros() - (64 - T::BITS)
    } else {
        v.trailing_zeros()
    };
    c.set_reg(op.dst, T::from_u64(u64::from(r)));
    c.s.flags.set_cf(v == 0);
    // OF is undefined and stays; SF, PF and AF come out clear.
    c.s.flags.keep_carries(r == 0, false, false, false);
    Ok(Flow::Next)
}

fn popcnt<T: Word, const MEM: bool>(c: &mut Cpu, op: &Op) -> Step {
    let v = rm::<T, MEM>(c, op)?.to_u64();
    c.set_reg(op.dst, T::from_u64(u64::from(v.count_ones())));
    c.s.flags.set_bits(if v == 0 { rflags::ZF } else { 0 });
    Ok(Flow::Next)
}

/// An instruction of two sources, one of them possibly memory (`a`), the other in `op.aux` (`b`).
trait Pair: 'static {
    /// AF comes out set and SF clear (they are undefined).
    const AF: bool = false;
    /// The result, and the carry if the instruction sets flags.
    fn calc<T: Word>(a: T, b: T) -> (T, Option<bool>);
}

macro_rules! pair {
    ($name:ident, $t:ident, |$a:ident, $b:ident| $r:expr, $cf:expr) => {
        struct $name;
        impl Pair for $name {
            #[inline(always)]
            fn calc<$t: Word>(a: $t, b: $t) -> ($t, Option<bool>) {
                let ($a, $b) = (a.to_u64(), b.to_u64());
                let _ = ($a, $b);
                ($t::from_u64($r), $cf)
            }
        }
    };
}

pair!(Andn, T, |a, b| a & !b, Some(false));
pair!(Blsi, T, |a, _b| a & a.wrapping_neg(), Some(a != 0));
pair!(Blsmsk, T, |a, _b| a ^ a.wrapping_sub(1), Some(a == 0));
pair!(Blsr, T, |a, _b| a & a.wrapping_sub(1), Some(a == 0));
pair!(Bzhi, T, |a, b| bzhi(a, b, T::BITS), Some(b & 0xff >= u64::from(T::BITS)));
pair!(Pdep, T, |a, b| pdep(b, a), None);
pair!(Pext, T, |a, b| pext(b, a), None);
pair!(Rorx, T, |a, b| rotate_right(a, b as u32 & (T::BITS - 1), T::BITS), None);
pair!(Shlx, T, |a, b| a << (b & u64::from(T::BITS - 1)), None);
pair!(Shrx, T, |a, b| a >> (b & u64::from(T::BITS - 1)), None);

struct Bextr;
impl Pair for Bextr {
    const AF: bool = true;
    #[inline(always)]
    fn calc<T: Word>(a: T, b: T) -> (T, Option<bool>) {
        (T::from_u64(bextr(a.to_u64(), b.to_u64())), Some(false))
    }
}

struct Sarx;
impl Pair for Sarx {
    #[inline(always)]
    fn calc<T: Word>(a: T, b: T) -> (T, Option<bool>) {
        let n = b.to_u64() & u64::from(T::BITS - 1);
        (T::from_u64((a.sext() as i64 >> n) as u64), None)
    }
}

fn bextr(v: u64, control: u64) -> u64 {
    let (start, len) = (control as u32 & 0xff, (control >> 8) as u32 & 0xff);
    let v = v.checked_shr(start).unwrap_or(0);
    if len < 64 { v & ((1 << len) - 1) } else { v }
}

fn bzhi(v: u64, n: u64, bits: u32) -> u64 {
    let n = n as u32 & 0xff;
    if n < bits { v & ((1 << n) - 1) } else { v }
}

fn rotate_right(v: u64, n: u32, bits: u32) -> u64 {
    if bits == 64 { v.rotate_right(n) } else { u64::from((v as u32).rotate_right(n)) }
}

/// Scatters the low bits of `v` to the set bits of `mask`.
fn pdep(v: u64, mut mask: u64) -> u64 {
    let (mut r, mut k) = (0, 1u64);
    while mask != 0 {
        if v & k != 0 {
            r |= mask & mask.wrapping_neg();
        }
        mask &= mask - 1;
        k <<= 1;
    }
    r
}

/// Gathers the bits of `v` at the set bits of `mask`.
fn pext(v: u64, mut mask: u64) -> u64 {
    let (mut r, mut k) = (0, 1u64);
    while mask != 0 {
        if v & mask & mask.wrapping_neg() != 0 {
            r |= k;
        }
        mask &= mask - 1;
        k <<= 1;
    }
    r
}

fn pair<T: Word, A: Pair, const MEM: bool, const IMM: bool>(c: &mut Cpu, op: &Op) -> Step {
    let a = rm::<T, MEM>(c, op)?;
    let b = if IMM { T::from_u64(op.imm) } else { c.reg::<T>(op.aux) };
    let (r, cf) = A::calc(a, b);
    c.set_reg(op.dst, r);
    if let Some(cf) = cf {
        c.s.flags.set_result(r, cf, false);
        if A::AF {
            c.s.flags.keep_carries(c.s.flags.zf(), false, c.s.flags.pf(), true);
        }
    }
    Ok(Flow::Next)
}

/// Operand positions of a [`Pair`] instruction: the r/m operand and the other one.
fn pick_pair<A: Pair>(i: &Instruction, op: &mut Op, c: &Ctx, rm_at: u32, other: u32) -> Option<Handler> {
    if !vex_allowed(c) {
        return None;
    }
    let mem = i.op_kind(rm_at) == OpKind::Memory;
    let imm = other < i.op_count() && i.op_kind(other) != OpKind::Register;
    if !mem {
        op.src = gpr_index(i.op_register(rm_at));
    }
    op.aux = if imm || other >= i.op_count() { 0 } else { gpr_index(i.op_register(other)) };
    macro_rules! go {
        ($t:ty) => {
            match (mem, imm) {
                (false, false) => pair::<$t, A, false, false> as Handler,
                (false, true) => pair::<$t, A, false, true>,
                (true, false) => pair::<$t, A, true, false>,
                (true, true) => pair::<$t, A, true, true>,
            }
        };
    }
    // BLSI and its kin name the destination in VEX.vvvv: operand 0 all the same.
    Some(if size_of(i, 0) == 4 { go!(u32) } else { go!(u64) })
}

/// ADCX (`OVERFLOW` = false, through CF) and ADOX (through OF).
fn adx<T: Word, const MEM: bool, const OVERFLOW: bool>(c: &mut Cpu, op: &Op) -> Step {
    let b = u128::from(rm::<T, MEM>(c, op)?.to_u64());
    let a = u128::from(c.reg::<T>(op.dst).to_u64());
    let carry = if OVERFLOW { c.s.flags.of() } else { c.s.flags.cf() };
    let v = a + b + u128::from(carry);
    c.set_reg(op.dst, T::from_u64(v as u64));
    let out = v >> T::BITS != 0;
    if OVERFLOW {
        c.s.flags.set_of(out);
    } else {
        c.s.flags.set_cf(out);
    }
    Ok(Flow::Next)
}

/// CRC-32C by bytes (polynomial 11EDC6F41h, reflected).
const CRC: [u32; 256] = {
    let mut t = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut v = i as u32;
        let mut k = 0;
        while k < 8 {
            v = if v & 1 != 0 { v >> 1 ^ 0x82f6_3b78 } else { v >> 1 };
            k += 1;
        }
        t[i] = v;
        i += 1;
    }
    t
};

fn crc32<T: Word, const MEM: bool>(c: &mut Cpu, op: &Op) -> Step {
    let v = rm::<T, MEM>(c, op)?.to_u64();
    let mut crc = c.reg::<u32>(op.dst);
    for b in &v.to_le_bytes()[..T::BYTES as usize] {
        crc = crc >> 8 ^ CRC[usize::from(crc as u8 ^ b)];
    }
    c.set_reg(op.dst, crc);
    Ok(Flow::Next)
}

macro_rules! by_mem {
    ($i:expr, $n:expr, $f:ident $(, $k:literal)*) => {
        match (size_of($i, $n), $i.op_kind(1) == OpKind::Memory) {
            (2, false) => $f::<u16, false $(, $k)*> as Handler,
            (4, false) => $f::<u32, false $(, $k)*>,
            (_, false) => $f::<u64, false $(, $k)*>,
            (2, true) => $f::<u16, true $(, $k)*>,
            (4, true) => $f::<u32, true $(, $k)*>,
            (_, true) => $f::<u64, true $(, $k)*>,
        }
    };
}

/// Chooses the handler.
pub(super) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    let run = match i.mnemonic() {
        Mnemonic::Bt => pick_bt::<TEST>(i),
        Mnemonic::Bts => pick_bt::<SET>(i),
        Mnemonic::Btr => pick_bt::<RESET>(i),
        Mnemonic::Btc => pick_bt::<3>(i),
        Mnemonic::Bsf => by_mem!(i, 0, scan, false),
        Mnemonic::Bsr => by_mem!(i, 0, scan, true),
        Mnemonic::Tzcnt => by_mem!(i, 0, count_zeros, false),
        Mnemonic::Lzcnt => by_mem!(i, 0, count_zeros, true),
        Mnemonic::Popcnt => by_mem!(i, 0, popcnt),
        Mnemonic::Andn => pick_pair::<Andn>(i, op, c, 2, 1)?,
        Mnemonic::Bextr => pick_pair::<Bextr>(i, op, c, 1, 2)?,
        Mnemonic::Blsi => pick_pair::<Blsi>(i, op, c, 1, 9)?,
        Mnemonic::Blsmsk => pick_pair::<Blsmsk>(i, op, c, 1, 9)?,
        Mnemonic::Blsr => pick_pair::<Blsr>(i, op, c, 1, 9)?,
        Mnemonic::Bzhi => pick_pair::<Bzhi>(i, op, c, 1, 2)?,
        Mnemonic::Pdep => pick_pair::<Pdep>(i, op, c, 2, 1)?,
        Mnemonic::Pext => pick_pair::<Pext>(i, op, c, 2, 1)?,
        Mnemonic::Rorx => pick_pair::<Rorx>(i, op, c, 1, 2)?,
        Mnemonic::Sarx => pick_pair::<Sarx>(i, op, c, 1, 2)?,
        Mnemonic::Shlx => pick_pair::<Shlx>(i, op, c, 1, 2)?,
        Mnemonic::Shrx => pick_pair::<Shrx>(i, op, c, 1, 2)?,
        Mnemonic::Adcx => by_mem!(i, 0, adx, false),
        Mnemonic::Adox => by_mem!(i, 0, adx, true),
        Mnemonic::Crc32 => match (size_of(i, 1), i.op_kind(1) == OpKind::Memory) {
            (1, false) => crc32::<u8, false> as Handler,
            (1, true) => crc32::<u8, true>,
            _ => by_mem!(i, 1, crc32),
        },
        _ => return None,
    };
    Lowered::next(run)
}
