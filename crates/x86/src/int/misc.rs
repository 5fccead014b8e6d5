//! Flag instructions, no-operations, fences, cache hints, random numbers, BOUND.

use super::size_of;
use crate::cpu::Cpu;
use crate::cpu::vector;
use crate::decode::Lowered;
use crate::decode::op_nop;
use crate::exit::Flow;
use crate::exit::Step;
use crate::mem::Access;
use crate::op::Op;
use crate::op::Word;
use crate::state::*;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;

/// PAUSEs in a row after which the owner is told.
const SPINS: u32 = 64;

fn clc(c: &mut Cpu, _: &Op) -> Step {
    c.s.flags.set_cf(false);
    Ok(Flow::Next)
}

fn stc(c: &mut Cpu, _: &Op) -> Step {
    c.s.flags.set_cf(true);
    Ok(Flow::Next)
}

fn cmc(c: &mut Cpu, _: &Op) -> Step {
    let cf = c.s.flags.cf();
    c.s.flags.set_cf(!cf);
    Ok(Flow::Next)
}

fn cld(c: &mut Cpu, _: &Op) -> Step {
    c.s.sys_flags &= !rflags::DF;
    Ok(Flow::Next)
}

fn std(c: &mut Cpu, _: &Op) -> Step {
    c.s.sys_flags |= rflags::DF;
    Ok(Flow::Next)
}

fn salc(c: &mut Cpu, _: &Op) -> Step {
    let v = if c.s.flags.cf() { 0xff } else { 0u8 };
    c.set_reg(RAX as u8, v);
    Ok(Flow::Next)
}

fn serialize(c: &mut Cpu, _: &Op) -> Step {
    c.distrust_code();
    c.end_block();
    Ok(Flow::Next)
}

fn pause(c: &mut Cpu, _: &Op) -> Step {
    // What is waited for may be a transfer to memory with code.
    c.distrust_code();
    c.end_block();
    c.pauses += 1;
    if c.pauses >= SPINS {
        c.pauses = 0;
        c.env.pause();
    }
    Ok(Flow::Next)
}

/// CLFLUSH and its kin: the address is checked as a byte read.
fn flush_line(c: &mut Cpu, op: &Op) -> Step {
    let la = c.la(op, 1, Access::Read)?;
    c.probe(la, 1, Access::Read, op.seg & 7)?;
    Ok(Flow::Next)
}

/// MFENCE: the stores of this processor reach the others before later loads are made.
fn mfence(_: &mut Cpu, _: &Op) -> Step {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    Ok(Flow::Next)
}

fn random<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.env.random();
    c.set_reg(op.dst, T::from_u64(v));
    c.s.flags.set_bits(rflags::CF);
    Ok(Flow::Next)
}

fn rdpid(c: &mut Cpu, op: &Op) -> Step {
    c.s.gpr[usize::from(op.dst & 15)] = c.s.msr.tsc_aux & 0xffff_ffff;
    Ok(Flow::Next)
}

/// BOUND: #BR unless lower <= index <= upper, all signed.
fn bound<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let la = c.la(op, 2 * T::BYTES, Access::Read)?;
    let seg = op.seg & 7;
    let low = c.read::<T>(la, seg)?.sext() as i64;
    let v = c.reg::<T>(op.dst).sext() as i64;
    // Intel's processors compare with the first bound before they read the second.
    if v < low && !c.model.is_amd() {
        return c.fault(vector::BR, None);
    }
    let high = c.read::<T>(c.wrap_la(la.wrapping_add(T::BYTES)), seg)?.sext() as i64;
    if v < low || v > high {
        return c.fault(vector::BR, None);
    }
    Ok(Flow::Next)
}

fn ud(c: &mut Cpu, _: &Op) -> Step {
    c.ud()
}

/// Chooses the handler.
pub(super) fn lower(i: &Instruction) -> Option<Lowered> {
    use Mnemonic::*;
    let run = match i.mnemonic() {
        Nop | Reservednop | Endbr32 | Endbr64 | Cldemote | Prefetch | Prefetchw | Prefetchwt1
        | Prefetchnta | Prefetcht0 | Prefetcht1 | Prefetcht2 | Prefetchit0 | Prefetchit1 | Lfence
        | Sfence => op_nop,
        Serialize => serialize,
        // Shadow stacks are not offered: the register keeps its value.
        Rdsspd | Rdsspq => op_nop,
        Clc => clc,
        Stc => stc,
        Cmc => cmc,
        Cld => cld,
        Std => std,
        Salc => salc,
        Pause => pause,
        Clflush | Clflushopt | Clwb => flush_line,
        Mfence => mfence,
        Rdrand | Rdseed => wide!(size_of(i, 0), random),
        Rdpid => rdpid,
        Bound if i.op_kind(1) == OpKind::Memory => {
            if size_of(i, 0) == 2 {
                bound::<u16>
            } else {
                bound::<u32>
            }
        }
        Ud0 | Ud1 | Ud2 => ud,
        _ => return None,
    };
    Lowered::next(run)
}
