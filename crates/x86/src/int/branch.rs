//! Near jumps, calls and returns, conditional jumps, loops.
//!
//! Targets of direct branches are in `op.imm`. Where a target could lie outside the code segment or not be
//! canonical it is checked before anything changes; 64-bit targets that are canonical in every paging mode and
//! targets in a flat 4 GiB segment need no check.

use super::cc;
use super::flat;
use super::size_of;
use super::stack::pop_at;
use super::stack::push;
use super::stack::push_flat;
use super::stack::sp_add;
use super::stack::top_flat;
use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::op::Handler;
use crate::op::Op;
use crate::op::Word;
use crate::state::*;
use iced_x86::Code;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;

impl Cpu {
    /// #GP(0) when RIP cannot become `target`.
    #[inline(always)]
    fn check_target(&mut self, target: u64) -> R<()> {
        if target > self.cs_limit || !self.canonical(target) {
            return self.gp(0);
        }
        Ok(())
    }
}

fn jmp(c: &mut Cpu, op: &Op) -> Step {
    c.s.rip = op.imm;
    Ok(Flow::End)
}

fn jmp_checked(c: &mut Cpu, op: &Op) -> Step {
    c.check_target(op.imm)?;
    c.s.rip = op.imm;
    Ok(Flow::End)
}

fn jcc<const CC: u8>(c: &mut Cpu, op: &Op) -> Step {
    if !c.s.flags.cond::<CC>() {
        return Ok(Flow::Next);
    }
    c.s.rip = op.imm;
    Ok(Flow::Jump)
}

fn jcc_checked<const CC: u8>(c: &mut Cpu, op: &Op) -> Step {
    if !c.s.flags.cond::<CC>() {
        return Ok(Flow::Next);
    }
    c.check_target(op.imm)?;
    c.s.rip = op.imm;
    Ok(Flow::Jump)
}

/// JCXZ, JECXZ, JRCXZ by counter width.
fn jcxz<A: Word>(c: &mut Cpu, op: &Op) -> Step {
    if c.reg::<A>(RCX as u8).to_u64() == 0 { jmp_checked(c, op) } else { Ok(Flow::End) }
}

/// LOOP (`KIND` 2), LOOPE (1), LOOPNE (0).
fn looping<A: Word, const KIND: u8>(c: &mut Cpu, op: &Op) -> Step {
    let n = A::from_u64(c.reg::<A>(RCX as u8).to_u64().wrapping_sub(1));
    let taken = n.to_u64() != 0
        && match KIND {
            0 => !c.s.flags.zf(),
            1 => c.s.flags.zf(),
            _ => true,
        };
    if taken {
        c.check_target(op.imm)?;
        c.s.rip = op.imm;
    }
    c.set_reg(RCX as u8, n);
    Ok(Flow::End)
}

/// CALL rel: operand size `T`, stack pointer `S`; `op.disp` is the return address.
#[inline(never)]
fn call<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    push::<T, S>(c, op.aux, T::from_u64(op.disp))?;
    c.s.rip = op.imm;
    Ok(Flow::End)
}

/// [`call`] on a flat stack.
fn call_flat<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    match push_flat::<T, S>(c, T::from_u64(op.disp)) {
        Some(()) => jmp(c, op),
        None => call::<T, S>(c, op),
    }
}

fn call_checked<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    c.check_target(op.imm)?;
    call::<T, S>(c, op)
}

fn jmp_r<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let target = c.reg::<T>(op.dst).to_u64();
    c.check_target(target)?;
    c.s.rip = target;
    Ok(Flow::End)
}

fn jmp_m<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let target = c.load::<T>(op)?.to_u64();
    c.check_target(target)?;
    c.s.rip = target;
    Ok(Flow::End)
}

/// CALL r/m; the return address is in `op.imm`.
fn call_r<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let target = c.reg::<T>(op.dst).to_u64();
    c.check_target(target)?;
    push::<T, S>(c, op.aux, T::from_u64(op.imm))?;
    c.s.rip = target;
    Ok(Flow::End)
}

fn call_m<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let target = c.load::<T>(op)?.to_u64();
    c.check_target(target)?;
    push::<T, S>(c, op.aux, T::from_u64(op.imm))?;
    c.s.rip = target;
    Ok(Flow::End)
}

/// [`ret`] on a flat stack.
fn ret_flat<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    match top_flat::<T, S>(c).map(T::to_u64) {
        // Canonical in every paging mode, or inside the segment.
        Some(v) if (v as i64) << 16 >> 16 == v as i64 && v <= c.cs_limit => {
            sp_add::<S>(c, T::BYTES + op.imm);
            c.s.rip = v;
            Ok(Flow::End)
        }
        _ => ret::<T, S>(c, op),
    }
}

/// RET and RET imm16.
#[inline(never)]
fn ret<T: Word, S: Word>(c: &mut Cpu, op: &Op) -> Step {
    let target = pop_at::<T, S>(c, op.aux, 0)?.to_u64();
    c.check_target(target)?;
    sp_add::<S>(c, T::BYTES + op.imm);
    c.s.rip = target;
    Ok(Flow::End)
}

/// Whether a direct target needs no check.
fn free(c: &Ctx, target: u64) -> bool {
    if c.is64() { (target as i64) << 16 >> 16 == target as i64 } else { c.key >> (4 + CS) & 1 != 0 }
}

fn pick_loop(i: &Instruction) -> Option<Handler> {
    use Code::*;
    Some(match i.code() {
        Jcxz_rel8_16 | Jcxz_rel8_32 => jcxz::<u16>,
        Jecxz_rel8_16 | Jecxz_rel8_32 | Jecxz_rel8_64 => jcxz::<u32>,
        Jrcxz_rel8_16 | Jrcxz_rel8_64 => jcxz::<u64>,
        Loopne_rel8_16_CX | Loopne_rel8_32_CX => looping::<u16, 0>,
        Loopne_rel8_16_ECX | Loopne_rel8_32_ECX | Loopne_rel8_64_ECX => looping::<u32, 0>,
        Loopne_rel8_16_RCX | Loopne_rel8_64_RCX => looping::<u64, 0>,
        Loope_rel8_16_CX | Loope_rel8_32_CX => looping::<u16, 1>,
        Loope_rel8_16_ECX | Loope_rel8_32_ECX | Loope_rel8_64_ECX => looping::<u32, 1>,
        Loope_rel8_16_RCX | Loope_rel8_64_RCX => looping::<u64, 1>,
        Loop_rel8_16_CX | Loop_rel8_32_CX => looping::<u16, 2>,
        Loop_rel8_16_ECX | Loop_rel8_32_ECX | Loop_rel8_64_ECX => looping::<u32, 2>,
        Loop_rel8_16_RCX | Loop_rel8_64_RCX => looping::<u64, 2>,
        _ => return None,
    })
}

/// Chooses the handler.
pub(super) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    if let Some(run) = pick_loop(i) {
        return Lowered::end(run);
    }
    if i.is_jcc_short_or_near() {
        let code = cc(i)?;
        let run = if free(c, op.imm) { by_cc!(code, jcc) } else { by_cc!(code, jcc_checked) };
        // A branch that is not taken goes on inside the block.
        return Lowered::next(run);
    }
    let near = matches!(i.op_kind(0), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64);
    let sb = c.stack_bits();
    let run = match i.mnemonic() {
        Mnemonic::Jmp if near => {
            if free(c, op.imm) {
                jmp
            } else {
                jmp_checked
            }
        }
        Mnemonic::Jmp if i.is_jmp_near_indirect() => {
            let n = size_of(i, 0);
            if i.op_kind(0) == OpKind::Memory { wide!(n, jmp_m) } else { wide!(n, jmp_r) }
        }
        Mnemonic::Call if near => {
            op.disp = c.next;
            let n = match i.op_kind(0) {
                OpKind::NearBranch16 => 2,
                OpKind::NearBranch32 => 4,
                _ => 8,
            };
            match (free(c, op.imm), flat(c.stack_seg())) {
                (true, true) => by_stack!(n, sb, call_flat),
                (true, false) => by_stack!(n, sb, call),
                (false, _) => by_stack!(n, sb, call_checked),
            }
        }
        Mnemonic::Call if i.is_call_near_indirect() => {
            op.imm = c.next;
            let n = size_of(i, 0);
            if i.op_kind(0) == OpKind::Memory { by_stack!(n, sb, call_m) } else { by_stack!(n, sb, call_r) }
        }
        Mnemonic::Ret => {
            let n = match i.code() {
                Code::Retnw | Code::Retnw_imm16 => 2,
                Code::Retnd | Code::Retnd_imm16 => 4,
                _ => 8,
            };
            if flat(c.stack_seg()) { by_stack!(n, sb, ret_flat) } else { by_stack!(n, sb, ret) }
        }
        _ => return None,
    };
    op.aux = c.stack_seg();
    Lowered::end(run)
}
