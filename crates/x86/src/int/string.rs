//! MOVS, STOS, LODS, CMPS, SCAS with every REP form.
//!
//! A repeated instruction does at most [`CHUNK`] bytes per call and then asks to be continued, so that events are
//! seen between chunks; under TF or with breakpoints armed it does one iteration. Registers are updated after
//! whole iterations, so a fault in the middle leaves exactly the iterations before it done. Forward runs inside
//! plain pages take a bulk path.

use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::decode::seg_index;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::exit::TrapKind;
use crate::mem::Access;
use crate::mem::VIEW_SLOW;
use crate::mem::host;
use crate::op::Handler;
use crate::op::Op;
use crate::op::Word;
use crate::state::*;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;

/// Bytes one call of a repeated instruction handles.
const CHUNK: u64 = 4096;
/// Below this many bytes a word loop beats the host's own string instructions.
const SMALL: u64 = 256;

const SI: u8 = RSI as u8;
const DI: u8 = RDI as u8;
const CX: u8 = RCX as u8;
const A: u8 = RAX as u8;

/// No REP; REP or REPE; REPNE.
const ONCE: u8 = 0;
const REPE: u8 = 1;

#[inline(always)]
fn backward(c: &Cpu) -> bool {
    c.s.sys_flags & rflags::DF != 0
}

/// Moves an index register by one element.
#[inline(always)]
fn step<T: Word, W: Word>(c: &mut Cpu, r: u8) {
    let by = if backward(c) { T::BYTES.wrapping_neg() } else { T::BYTES };
    let v = c.reg::<W>(r).to_u64().wrapping_add(by);
    c.set_reg(r, W::from_u64(v));
}

/// Moves an index register forward by `n` elements.
#[inline(always)]
fn skip<T: Word, W: Word>(c: &mut Cpu, r: u8, n: u64) {
    if n == 0 {
        return;
    }
    let v = c.reg::<W>(r).to_u64().wrapping_add(n * T::BYTES);
    c.set_reg(r, W::from_u64(v));
}

#[inline(always)]
fn load_si<T: Word, W: Word>(c: &mut Cpu, op: &Op) -> R<T> {
    let ea = c.reg::<W>(SI).to_u64();
    let la = c.seg_la(op.seg, ea, T::BYTES, Access::Read)?;
    c.read::<T>(la, op.seg & 7)
}

#[inline(always)]
fn load_di<T: Word, W: Word>(c: &mut Cpu, op: &Op) -> R<T> {
    let ea = c.reg::<W>(DI).to_u64();
    let la = c.seg_la(op.aux, ea, T::BYTES, Access::Read)?;
    c.read::<T>(la, ES as u8)
}

#[inline(always)]
fn store_di<T: Word, W: Word>(c: &mut Cpu, op: &Op, v: T) -> R<()> {
    let ea = c.reg::<W>(DI).to_u64();
    let la = c.seg_la(op.aux, ea, T::BYTES, Access::Write)?;
    c.write::<T>(la, v, ES as u8)
}

#[inline(always)]
fn compare<T: Word>(c: &mut Cpu, a: T, b: T) {
    let r = T::from_u64(a.to_u64().wrapping_sub(b.to_u64()));
    c.s.flags.set_sub(a, b, r);
}

/// Whether REPE (or REPNE) ends after comparing `a` and `b`.
#[inline(always)]
fn ends<T: Word, const REP: u8>(a: T, b: T) -> bool {
    (a == b) != (REP == REPE)
}

// ---- one iteration ---------------------------------------------------------------------------------

#[inline(always)]
fn movs_one<T: Word, W: Word>(c: &mut Cpu, op: &Op) -> R<bool> {
    let v = load_si::<T, W>(c, op)?;
    store_di::<T, W>(c, op, v)?;
    step::<T, W>(c, SI);
    step::<T, W>(c, DI);
    Ok(false)
}

#[inline(always)]
fn stos_one<T: Word, W: Word>(c: &mut Cpu, op: &Op) -> R<bool> {
    let v = c.reg::<T>(A);
    store_di::<T, W>(c, op, v)?;
    step::<T, W>(c, DI);
    Ok(false)
}

#[inline(always)]
fn lods_one<T: Word, W: Word>(c: &mut Cpu, op: &Op) -> R<bool> {
    let v = load_si::<T, W>(c, op)?;
    c.set_reg(A, v);
    step::<T, W>(c, SI);
    Ok(false)
}

#[inline(always)]
fn cmps_one<T: Word, W: Word, const REP: u8>(c: &mut Cpu, op: &Op) -> R<bool> {
    let a = load_si::<T, W>(c, op)?;
    let b = load_di::<T, W>(c, op)?;
    compare(c, a, b);
    step::<T, W>(c, SI);
    step::<T, W>(c, DI);
    Ok(ends::<T, REP>(a, b))
}

#[inline(always)]
fn scas_one<T: Word, W: Word, const REP: u8>(c: &mut Cpu, op: &Op) -> R<bool> {
    let a = c.reg::<T>(A);
    let b = load_di::<T, W>(c, op)?;
    compare(c, a, b);
    step::<T, W>(c, DI);
    Ok(ends::<T, REP>(a, b))
}

// ---- runs inside pages -----------------------------------------------------------------------------

/// Host address for a forward run of at most `n` elements at offset `ea`, and how many fit: inside the page, the
/// segment and the address width. Zero elements means: go one by one.
#[inline(always)]
fn span<T: Word, W: Word>(c: &mut Cpu, seg: u8, r: u8, n: u64, write: bool) -> R<(u64, u64)> {
    let ea = c.reg::<W>(r).to_u64();
    let n = n.min((u64::MAX >> (64 - W::BITS)).wrapping_sub(ea) / T::BYTES);
    if n == 0 {
        return Ok((0, 0));
    }
    let access = if write { Access::Write } else { Access::Read };
    let Ok(la) = c.seg_la(seg, ea, n * T::BYTES, access) else {
        // The run does not fit the segment: the single iterations find out where.
        c.trap = TrapKind::None;
        return Ok((0, 0));
    };
    Ok(match c.host_span(la, write, seg & 7)? {
        Some((p, left)) => (p, n.min(left / T::BYTES)),
        None => (0, 0),
    })
}

/// Copies `len` bytes forward by words; gives the bytes done.
#[inline(always)]
fn copy_small(dst: u64, src: u64, len: u64) -> u64 {
    let mut i = 0;
    while i + 8 <= len {
        let Some(v) = host::load::<u64>(src + i) else { return i };
        if host::store::<u64>(dst + i, v).is_none() {
            return i;
        }
        i += 8;
    }
    while i < len {
        let Some(v) = host::load::<u8>(src + i) else { return i };
        if host::store::<u8>(dst + i, v).is_none() {
            return i;
        }
        i += 1;
    }
    i
}

#[inline(always)]
fn movs_run<T: Word, W: Word>(c: &mut Cpu, op: &Op, n: u64) -> R<(u64, bool)> {
    let (src, n) = span::<T, W>(c, op.seg, SI, n, false)?;
    if n == 0 {
        return Ok((0, false));
    }
    let (dst, n) = span::<T, W>(c, op.aux, DI, n, true)?;
    // Bytes the destination is ahead of the source; a huge number when behind.
    let ahead = dst.wrapping_sub(src);
    if n == 0 || (ahead != 0 && ahead < T::BYTES) {
        return Ok((0, false));
    }
    let bytes = n * T::BYTES;
    let done = if bytes < SMALL && (ahead >= 8 || ahead == 0) {
        copy_small(dst, src, bytes)
    } else {
        // Forward by bytes equals forward by elements as long as no element overlaps itself.
        bytes - host::copy(dst, src, bytes as usize) as u64
    };
    let n = done / T::BYTES;
    skip::<T, W>(c, SI, n);
    skip::<T, W>(c, DI, n);
    Ok((n, false))
}

#[inline(always)]
fn stos_run<T: Word, W: Word>(c: &mut Cpu, op: &Op, n: u64) -> R<(u64, bool)> {
    let v = c.reg::<T>(A).to_u64();
    let (dst, n) = span::<T, W>(c, op.aux, DI, n, true)?;
    if n == 0 {
        return Ok((0, false));
    }
    let bytes = n * T::BYTES;
    // The element repeated over eight bytes.
    let mut word = v;
    let mut width = T::BITS;
    while width < 64 {
        word |= word << width;
        width *= 2;
    }
    let done = if word == word.rotate_left(8) && bytes >= SMALL {
        bytes - host::fill(dst, word as u8, bytes as usize) as u64
    } else {
        let mut i = 0;
        while i + 8 <= bytes && host::store::<u64>(dst + i, word).is_some() {
            i += 8;
        }
        while i + 8 > bytes && i < bytes && host::store::<T>(dst + i, T::from_u64(v)).is_some() {
            i += T::BYTES;
        }
        i
    };
    let n = done / T::BYTES;
    skip::<T, W>(c, DI, n);
    Ok((n, false))
}

#[inline(always)]
fn cmps_run<T: Word, W: Word, const REP: u8>(c: &mut Cpu, op: &Op, n: u64) -> R<(u64, bool)> {
    let (x, n) = span::<T, W>(c, op.seg, SI, n, false)?;
    if n == 0 {
        return Ok((0, false));
    }
    let (y, n) = span::<T, W>(c, op.aux, DI, n, false)?;
    let mut last = None;
    let mut done = 0;
    let mut stop = false;
    while done < n && !stop {
        let at = done * T::BYTES;
        let (Some(a), Some(b)) = (host::load::<T>(x + at), host::load::<T>(y + at)) else { break };
        last = Some((a, b));
        stop = ends::<T, REP>(a, b);
        done += 1;
    }
    if let Some((a, b)) = last {
        compare(c, a, b);
    }
    skip::<T, W>(c, SI, done);
    skip::<T, W>(c, DI, done);
    Ok((done, stop))
}

#[inline(always)]
fn scas_run<T: Word, W: Word, const REP: u8>(c: &mut Cpu, op: &Op, n: u64) -> R<(u64, bool)> {
    let a = c.reg::<T>(A);
    let (y, n) = span::<T, W>(c, op.aux, DI, n, false)?;
    let mut last = None;
    let mut done = 0;
    let mut stop = false;
    while done < n && !stop {
        let Some(b) = host::load::<T>(y + done * T::BYTES) else { break };
        last = Some(b);
        stop = ends::<T, REP>(a, b);
        done += 1;
    }
    if let Some(b) = last {
        compare(c, a, b);
    }
    skip::<T, W>(c, DI, done);
    Ok((done, stop))
}

/// What Intel's processors do to registers of a repeated instruction before its first iteration, even if that faults or
/// none is to come: 32-bit addresses (prefix 67h) zero-extend the count, and the indices of MOVS and STOS. AMD's
/// processors do so as they write the registers.
#[inline(always)]
fn extend<W: Word>(c: &mut Cpu, index: &[u8]) {
    if W::BITS == 32 && !c.model.is_amd() {
        for r in index.iter().chain(&[CX]) {
            let v = c.reg::<W>(*r);
            c.set_reg(*r, v);
        }
    }
}

/// Drives a repeated instruction: `run` does up to n iterations forward (0 = none possible), `one` does one; both
/// say whether the repetition's condition ended it.
#[inline(always)]
fn repeat<T: Word, W: Word>(
    c: &mut Cpu,
    op: &Op,
    index: &[u8],
    run: impl Fn(&mut Cpu, &Op, u64) -> R<(u64, bool)>,
    one: impl Fn(&mut Cpu, &Op) -> R<bool>,
) -> Step {
    extend::<W>(c, index);
    let single = c.s.sys_flags & rflags::TF != 0 || c.s.view == VIEW_SLOW;
    let mut left = if single { 1 } else { CHUNK / T::BYTES };
    loop {
        let count = c.reg::<W>(CX).to_u64();
        if count == 0 {
            return Ok(Flow::Next);
        }
        if left == 0 {
            c.partial = true;
            return Ok(Flow::End);
        }
        let n = left.min(count);
        let (mut done, mut stop) = if n > 1 && !backward(c) { run(c, op, n)? } else { (0, false) };
        if done == 0 {
            stop = one(c, op)?;
            done = 1;
        }
        c.set_reg(CX, W::from_u64(count - done));
        left -= done;
        if stop {
            return Ok(Flow::Next);
        }
    }
}

/// [`repeat`] for instructions that compare: on Intel's processors a fault gives back the flags from before the instruction
/// (Intel SDM 2, "REP/REPE/REPZ/REPNE/REPNZ"), on AMD's they are those of the last iteration.
#[inline(always)]
fn repeat_compare<T: Word, W: Word>(
    c: &mut Cpu,
    op: &Op,
    run: impl Fn(&mut Cpu, &Op, u64) -> R<(u64, bool)>,
    one: impl Fn(&mut Cpu, &Op) -> R<bool>,
) -> Step {
    let flags = c.s.flags;
    let r = repeat::<T, W>(c, op, &[], run, one);
    if r.is_err() && !c.model.is_amd() {
        c.s.flags = flags;
    }
    r
}

fn none_run(_: &mut Cpu, _: &Op, _: u64) -> R<(u64, bool)> {
    Ok((0, false))
}

fn movs<T: Word, W: Word, const REP: u8>(c: &mut Cpu, op: &Op) -> Step {
    if REP == ONCE {
        return movs_one::<T, W>(c, op).map(|_| Flow::Next);
    }
    repeat::<T, W>(c, op, &[SI, DI], movs_run::<T, W>, movs_one::<T, W>)
}

fn stos<T: Word, W: Word, const REP: u8>(c: &mut Cpu, op: &Op) -> Step {
    if REP == ONCE {
        return stos_one::<T, W>(c, op).map(|_| Flow::Next);
    }
    repeat::<T, W>(c, op, &[DI], stos_run::<T, W>, stos_one::<T, W>)
}

fn lods<T: Word, W: Word, const REP: u8>(c: &mut Cpu, op: &Op) -> Step {
    if REP == ONCE {
        return lods_one::<T, W>(c, op).map(|_| Flow::Next);
    }
    repeat::<T, W>(c, op, &[], none_run, lods_one::<T, W>)
}

fn cmps<T: Word, W: Word, const REP: u8>(c: &mut Cpu, op: &Op) -> Step {
    if REP == ONCE {
        return cmps_one::<T, W, REP>(c, op).map(|_| Flow::Next);
    }
    repeat_compare::<T, W>(c, op, cmps_run::<T, W, REP>, cmps_one::<T, W, REP>)
}

fn scas<T: Word, W: Word, const REP: u8>(c: &mut Cpu, op: &Op) -> Step {
    if REP == ONCE {
        return scas_one::<T, W, REP>(c, op).map(|_| Flow::Next);
    }
    repeat_compare::<T, W>(c, op, scas_run::<T, W, REP>, scas_one::<T, W, REP>)
}

/// Width of the index registers in bits.
fn index_bits(i: &Instruction) -> u32 {
    for n in 0..i.op_count() {
        match i.op_kind(n) {
            OpKind::MemorySegSI | OpKind::MemorySegDI | OpKind::MemoryESDI => return 16,
            OpKind::MemorySegESI | OpKind::MemorySegEDI | OpKind::MemoryESEDI => return 32,
            _ => {}
        }
    }
    64
}

/// Chooses the handler.
pub(super) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    use Mnemonic::*;
    // CMPSD and MOVSD are also vector mnemonics.
    if !i.is_string_instruction() {
        return None;
    }
    let compares = matches!(i.mnemonic(), Cmpsb | Cmpsw | Cmpsd | Cmpsq | Scasb | Scasw | Scasd | Scasq);
    let rep = match (i.has_repe_prefix(), i.has_repne_prefix()) {
        (false, false) => ONCE,
        // F2 repeats the instructions that do not compare as F3 does.
        (true, _) => REPE,
        (_, true) => {
            if compares {
                2
            } else {
                REPE
            }
        }
    };
    let (w, n) = (index_bits(i), i.memory_size().size());
    macro_rules! by_rep {
        ($f:ident, $t:ty, $w:ty) => {
            match rep {
                ONCE => $f::<$t, $w, ONCE> as Handler,
                REPE => $f::<$t, $w, REPE>,
                _ => $f::<$t, $w, 2>,
            }
        };
    }
    macro_rules! go {
        ($f:ident) => {
            match (n, w) {
                (1, 16) => by_rep!($f, u8, u16),
                (2, 16) => by_rep!($f, u16, u16),
                (4, 16) => by_rep!($f, u32, u16),
                (_, 16) => by_rep!($f, u64, u16),
                (1, 32) => by_rep!($f, u8, u32),
                (2, 32) => by_rep!($f, u16, u32),
                (4, 32) => by_rep!($f, u32, u32),
                (_, 32) => by_rep!($f, u64, u32),
                (1, _) => by_rep!($f, u8, u64),
                (2, _) => by_rep!($f, u16, u64),
                (4, _) => by_rep!($f, u32, u64),
                _ => by_rep!($f, u64, u64),
            }
        };
    }
    let run = match i.mnemonic() {
        Movsb | Movsw | Movsd | Movsq => go!(movs),
        Stosb | Stosw | Stosd | Stosq => go!(stos),
        Lodsb | Lodsw | Lodsd | Lodsq => go!(lods),
        Cmpsb | Cmpsw | Cmpsd | Cmpsq => go!(cmps),
        Scasb | Scasw | Scasd | Scasq => go!(scas),
        _ => return None,
    };
    op.seg = c.seg(seg_index(i.memory_segment()));
    op.aux = c.seg(ES);
    Lowered::next(run)
}
