//! Debug registers and breakpoints (Intel SDM 3B "Debug Registers").

use crate::cpu::Cpu;
use crate::cpu::vector;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::decode::gpr_index;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::exit::Trap;
use crate::exit::TrapKind;
use crate::op::Op;
use crate::state::*;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;

/// DR6.BD.
const BD: u64 = 1 << 13;
/// DR7.GD.
const GD: u64 = 1 << 13;

/// Chooses the handler.
pub(crate) fn lower(i: &Instruction, op: &mut Op, _c: &Ctx) -> Option<Lowered> {
    if i.mnemonic() != Mnemonic::Mov {
        return None;
    }
    if i.op_kind(0) == OpKind::Register && i.op0_register().is_dr() {
        op.aux = i.op0_register().number() as u8;
        op.src = gpr_index(i.op1_register());
        return Lowered::end(op_mov_to_dr);
    }
    if i.op_kind(1) == OpKind::Register && i.op1_register().is_dr() {
        op.aux = i.op1_register().number() as u8;
        op.dst = gpr_index(i.op0_register());
        return Lowered::next(op_mov_from_dr);
    }
    None
}

impl Cpu {
    /// Instruction breakpoints that match RIP, as DR6 bits.
    pub(crate) fn code_breakpoints(&mut self) -> u64 {
        let la = self.wrap_la(self.cs_base.wrapping_add(self.s.rip));
        let mut hit = 0;
        for n in 0..4 {
            let enabled = self.s.dr7 >> (n * 2) & 3 != 0;
            let kind = self.s.dr7 >> (16 + n * 4) & 3;
            if enabled && kind == 0 && self.s.dr[n] == la {
                hit |= 1 << n;
            }
        }
        hit
    }

    /// Whether #AC is armed.
    pub(crate) fn alignment_armed(&self) -> bool {
        self.s.cpl == 3 && self.s.cr0 & cr0::AM != 0 && self.s.sys_flags & rflags::AC != 0
    }

    /// Notes a data access for the debug registers; the trap comes after the instruction.
    pub(crate) fn note_data_access(&mut self, la: u64, size: u64, write: bool) {
        let hit = self.data_breakpoints(la, size, write);
        if hit != 0 {
            self.pend_debug(hit);
        }
    }

    fn data_breakpoints(&self, la: u64, size: u64, write: bool) -> u64 {
        let mut hit = 0;
        for n in 0..4 {
            if self.s.dr7 >> (n * 2) & 3 == 0 {
                continue;
            }
            let kind = self.s.dr7 >> (16 + n * 4) & 3;
            if kind == 3 || kind == 1 && write {
                let len = [1, 2, 8, 4][(self.s.dr7 >> (18 + n * 4) & 3) as usize];
                let at = self.s.dr[n] & !(len - 1);
                if la < at.wrapping_add(len) && at < la.wrapping_add(size) {
                    hit |= 1 << n;
                }
            }
        }
        hit
    }

    /// Notes a port access for I/O breakpoints (CR4.DE).
    pub(crate) fn note_io_access(&mut self, port: u16, size: u64) {
        if self.s.cr4 & cr4::DE == 0 {
            return;
        }
        let mut hit = 0;
        for n in 0..4 {
            if self.s.dr7 >> (n * 2) & 3 != 0 && self.s.dr7 >> (16 + n * 4) & 3 == 2 {
                let len = [1, 2, 8, 4][(self.s.dr7 >> (18 + n * 4) & 3) as usize];
                let at = self.s.dr[n] & !(len - 1);
                if u64::from(port) < at + len && at < u64::from(port) + size {
                    hit |= 1 << n;
                }
            }
        }
        if hit != 0 {
            self.pend_debug(hit);
        }
    }

    /// Checks common to both directions; gives the register number.
    fn dr_checks(&mut self, n: u8) -> R<u8> {
        let n = match n {
            4 | 5 if self.s.cr4 & cr4::DE != 0 => return self.ud(),
            4 | 5 => n + 2,
            0..=7 => n,
            _ => return self.ud(),
        };
        self.need_cpl0()?;
        if self.s.dr7 & GD != 0 {
            self.trap = TrapKind::Event(Event {
                kind: EventKind::Exception,
                vector: vector::DB,
                error: None,
                param: BD,
                length: 0,
            });
            return Err(Trap);
        }
        Ok(n)
    }
}

fn op_mov_to_dr(cpu: &mut Cpu, op: &Op) -> Step {
    let n = cpu.dr_checks(op.aux)?;
    let v = if cpu.s.is64() { cpu.reg::<u64>(op.src) } else { u64::from(cpu.reg::<u32>(op.src)) };
    match n {
        // Any value: what is no address matches none (Intel SDM 3B "Debug Registers and Intel 64 Processors").
        0..=3 => cpu.s.dr[usize::from(n)] = v,
        6 => {
            if v >> 32 != 0 {
                return cpu.gp(0);
            }
            cpu.s.dr6 = v & 0xe00f | 0xffff_0ff0;
        }
        _ => {
            if v >> 32 != 0 {
                return cpu.gp(0);
            }
            cpu.s.dr7 = v & 0xffff_2fff & !0xc000 | 0x400;
        }
    }
    cpu.refresh();
    cpu.handled.debug_registers += 1;
    Ok(Flow::End)
}

fn op_mov_from_dr(cpu: &mut Cpu, op: &Op) -> Step {
    let n = cpu.dr_checks(op.aux)?;
    let v = match n {
        0..=3 => cpu.s.dr[usize::from(n)],
        6 => cpu.s.dr6,
        _ => cpu.s.dr7,
    };
    if cpu.s.is64() {
        cpu.set_reg::<u64>(op.dst, v);
    } else {
        cpu.set_reg::<u32>(op.dst, v as u32);
    }
    cpu.handled.debug_registers += 1;
    Ok(Flow::Next)
}
