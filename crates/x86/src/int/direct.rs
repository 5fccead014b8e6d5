//! Direct stores, line zeroing and waiting: MOVDIRI, MOVDIR64B, CLZERO, UMONITOR, UMWAIT, TPAUSE.

use super::size_of;
use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::decode::addr_mask;
use crate::decode::seg_index;
use crate::exit::Flow;
use crate::exit::Step;
use crate::mem::Access;
use crate::op::Op;
use crate::op::Word;
use crate::state::*;
use iced_x86::Code;
use iced_x86::Instruction;
use iced_x86::Mnemonic;

/// Bytes of a line.
const LINE: usize = 64;

fn movdiri<T: Word>(c: &mut Cpu, op: &Op) -> Step {
    let v = c.reg::<T>(op.src);
    c.store::<T>(op, v)?;
    Ok(Flow::Next)
}

/// MOVDIR64B: 64 bytes from memory to the line that a register points to, in ES (Intel SDM 2 "MOVDIR64B").
fn movdir64b(c: &mut Cpu, op: &Op) -> Step {
    // The manual leaves the order of faults open: as on Intel's processors, the source is read first.
    let from = c.la(op, LINE as u64, Access::Read)?;
    let mut line = [0; LINE];
    c.read_bytes(from, &mut line, op.seg & 7)?;
    let to = c.seg_la(op.aux, c.s.gpr[usize::from(op.dst & 15)] & op.amask, LINE as u64, Access::Write)?;
    if to % LINE as u64 != 0 {
        return c.gp(0);
    }
    c.write_bytes(to, &line, ES as u8)?;
    Ok(Flow::Next)
}

/// CLZERO: zeroes the line that holds the address in rAX (AMD APM 3 "CLZERO").
fn clzero(c: &mut Cpu, op: &Op) -> Step {
    let address = c.s.gpr[RAX] & op.amask & !(LINE as u64 - 1);
    let to = c.seg_la(op.seg, address, LINE as u64, Access::Write)?;
    c.write_bytes(to, &[0; LINE], op.seg & 7)?;
    Ok(Flow::Next)
}

/// UMONITOR: the address is checked as a byte read. Nothing is remembered, because waiting may end at any time.
fn umonitor(c: &mut Cpu, op: &Op) -> Step {
    let address = c.s.gpr[usize::from(op.dst & 15)] & op.amask;
    let la = c.seg_la(op.seg, address, 1, Access::Read)?;
    c.probe(la, 1, Access::Read, op.seg & 7)?;
    Ok(Flow::Next)
}

/// UMWAIT and TPAUSE: the wait ends at once, as it may for reasons of the processor's own, after letting other threads of
/// the host go first (Intel SDM 2 "TPAUSE").
fn wait(c: &mut Cpu, op: &Op) -> Step {
    if c.s.cr4 & cr4::TSD != 0 && c.s.cpl != 0 || c.reg::<u32>(op.dst) & !1 != 0 {
        return c.gp(0);
    }
    c.env.pause();
    // CF clear: the operating system's limit did not end it.
    c.s.flags.set_bits(0);
    Ok(Flow::Next)
}

/// Chooses the handler.
pub(super) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    let of_register = |op: &mut Op| {
        let register = i.op0_register();
        let bits = if register.is_gpr64() {
            64
        } else if register.is_gpr32() {
            32
        } else {
            16
        };
        op.amask = addr_mask(bits);
    };
    let run = match i.mnemonic() {
        Mnemonic::Movdiri if size_of(i, 1) == 8 => movdiri::<u64>,
        Mnemonic::Movdiri => movdiri::<u32>,
        Mnemonic::Movdir64b => {
            of_register(op);
            op.aux = c.seg(ES);
            movdir64b
        }
        Mnemonic::Clzero => {
            op.amask = addr_mask(match i.code() {
                Code::Clzerow => 16,
                Code::Clzerod => 32,
                _ => 64,
            });
            op.seg = c.seg(seg_index(i.segment_prefix()));
            clzero
        }
        Mnemonic::Umonitor => {
            of_register(op);
            op.seg = c.seg(seg_index(i.segment_prefix()));
            umonitor
        }
        Mnemonic::Umwait | Mnemonic::Tpause => wait,
        _ => return None,
    };
    Lowered::next(run)
}
