//! Port I/O: IN, OUT, INS, OUTS (Intel SDM 1 "Input/Output").
//!
//! Ports belong to the owner: a permitted access always leaves with [`CpuExit::Io`], unless
//! [`Cpu::emulate_one`] runs the instruction against a bus.

use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::decode::addr_bits;
use crate::decode::seg_index;
use crate::exit::CpuExit;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::mem::Access;
use crate::op::Op;
use crate::state::*;
use iced_x86::Code;
use iced_x86::Instruction;

/// Chooses the handler.
pub(crate) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    use Code::*;
    let (size, run): (u8, crate::op::Handler) = match i.code() {
        In_AL_imm8 => (1, op_in::<true>),
        In_AX_imm8 => (2, op_in::<true>),
        In_EAX_imm8 => (4, op_in::<true>),
        In_AL_DX => (1, op_in::<false>),
        In_AX_DX => (2, op_in::<false>),
        In_EAX_DX => (4, op_in::<false>),
        Out_imm8_AL => (1, op_out::<true>),
        Out_imm8_AX => (2, op_out::<true>),
        Out_imm8_EAX => (4, op_out::<true>),
        Out_DX_AL => (1, op_out::<false>),
        Out_DX_AX => (2, op_out::<false>),
        Out_DX_EAX => (4, op_out::<false>),
        Insb_m8_DX => (1, op_ins),
        Insw_m16_DX => (2, op_ins),
        Insd_m32_DX => (4, op_ins),
        Outsb_DX_m8 => (1, op_outs),
        Outsw_DX_m16 => (2, op_outs),
        Outsd_DX_m32 => (4, op_outs),
        _ => return None,
    };
    op.aux = size;
    // The string forms: INS always uses ES, OUTS the overridable DS.
    let bits = addr_bits(i, c.mode.bitness());
    op.amask = crate::decode::addr_mask(bits);
    op.seg = match i.code() {
        Insb_m8_DX | Insw_m16_DX | Insd_m32_DX => c.seg(ES),
        Outsb_DX_m8 | Outsw_DX_m16 | Outsd_DX_m32 => c.seg(seg_index(i.memory_segment())),
        _ => op.seg,
    };
    op.src = u8::from(i.has_rep_prefix() || i.has_repne_prefix());
    Lowered::end(run)
}

impl Cpu {
    /// IOPL and the I/O permission bitmap of the TSS; #GP(0) when refused.
    fn io_allowed(&mut self, port: u16, size: u8) -> R<()> {
        if self.bus.owns_memory() {
            // The access has exited, so it was permitted.
            return Ok(());
        }
        let v86 = self.s.v86();
        if !self.s.protected() || (!v86 && self.s.cpl <= self.s.iopl()) {
            return Ok(());
        }
        let tr = self.s.seg[TR];
        // Only a 32-bit (or 64-bit) TSS has a bitmap.
        if !tr.present() || tr.kind() & 0xd != 9 || tr.limit < 103 {
            return self.gp(0);
        }
        let map = u32::from(self.read_sys::<u16>(tr.base.wrapping_add(102))?);
        let byte = map + u32::from(port) / 8;
        // Two bytes are read, so the limit must cover both.
        if byte + 1 > tr.limit {
            return self.gp(0);
        }
        let bits = self.read_sys::<u16>(tr.base.wrapping_add(u64::from(byte)))?;
        let mask = ((1u16 << size) - 1) << (port & 7);
        if bits & mask != 0 { self.gp(0) } else { Ok(()) }
    }

    fn io_exit<T>(&mut self, op: &Op, port: u16, write: bool, string: bool) -> R<T> {
        self.exit(CpuExit::Io {
            port,
            size: op.aux,
            write,
            string,
            rep: string && op.src != 0,
            length: op.len,
        })
    }

    /// Reads a port through the bus.
    fn bus_in(&mut self, port: u16, size: u8) -> R<u32> {
        match self.bus.io_read(port, size) {
            Ok(v) => Ok(v),
            Err(_) => self.exit(CpuExit::BusFailed),
        }
    }

    /// Writes a port through the bus.
    fn bus_out(&mut self, port: u16, size: u8, value: u32) -> R<()> {
        match self.bus.io_write(port, size, value) {
            Ok(()) => Ok(()),
            Err(_) => self.exit(CpuExit::BusFailed),
        }
    }

    fn index_reg(&self, r: usize, op: &Op) -> u64 {
        self.s.gpr[r] & op.amask
    }

    fn step_index(&mut self, r: usize, op: &Op) {
        let d = u64::from(op.aux);
        let v = if self.s.sys_flags & rflags::DF != 0 {
            self.s.gpr[r].wrapping_sub(d)
        } else {
            self.s.gpr[r].wrapping_add(d)
        };
        self.put_masked(r, v, op.amask);
    }

    /// Writes a register at address size: 16 bits merge, 32 bits zero-extend.
    fn put_masked(&mut self, r: usize, v: u64, mask: u64) {
        self.s.gpr[r] = if mask == 0xffff { self.s.gpr[r] & !0xffff | v & 0xffff } else { v & mask };
    }
}

fn op_in<const IMM: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    let port = if IMM { op.imm as u16 & 0xff } else { cpu.s.gpr[RDX] as u16 };
    cpu.io_allowed(port, op.aux)?;
    if !cpu.bus.is_attached() {
        return cpu.io_exit(op, port, false, false);
    }
    let v = cpu.bus_in(port, op.aux)?;
    match op.aux {
        1 => cpu.set_reg::<u8>(RAX as u8, v as u8),
        2 => cpu.set_reg::<u16>(RAX as u8, v as u16),
        _ => cpu.set_reg::<u32>(RAX as u8, v),
    }
    cpu.note_io_access(port, u64::from(op.aux));
    Ok(Flow::End)
}

fn op_out<const IMM: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    let port = if IMM { op.imm as u16 & 0xff } else { cpu.s.gpr[RDX] as u16 };
    cpu.io_allowed(port, op.aux)?;
    if !cpu.bus.is_attached() {
        return cpu.io_exit(op, port, true, false);
    }
    let v = cpu.s.gpr[RAX] as u32;
    let v = if op.aux == 4 { v } else { v & ((1 << (op.aux * 8)) - 1) };
    cpu.bus_out(port, op.aux, v)?;
    cpu.note_io_access(port, u64::from(op.aux));
    Ok(Flow::End)
}

/// Elements handled before a REP INS/OUTS lets events in.
const BATCH: u32 = 256;

fn op_ins(cpu: &mut Cpu, op: &Op) -> Step {
    string_io(cpu, op, |cpu, op, port| {
        let di = cpu.index_reg(RDI, op);
        let la = cpu.seg_la(op.seg, di, u64::from(op.aux), Access::Write)?;
        // The destination is checked before the port is read.
        cpu.probe_data(la, u64::from(op.aux), Access::Write)?;
        if !cpu.bus.is_attached() {
            return cpu.io_exit(op, port, false, true);
        }
        let v = cpu.bus_in(port, op.aux)?;
        cpu.write_bytes(la, &v.to_le_bytes()[..usize::from(op.aux)], ES as u8)?;
        cpu.step_index(RDI, op);
        Ok(())
    })
}

fn op_outs(cpu: &mut Cpu, op: &Op) -> Step {
    string_io(cpu, op, |cpu, op, port| {
        let si = cpu.index_reg(RSI, op);
        let la = cpu.seg_la(op.seg, si, u64::from(op.aux), Access::Read)?;
        let mut b = [0u8; 4];
        cpu.read_bytes(la, &mut b[..usize::from(op.aux)], op.seg & 7)?;
        if !cpu.bus.is_attached() {
            return cpu.io_exit(op, port, true, true);
        }
        cpu.bus_out(port, op.aux, u32::from_le_bytes(b))?;
        cpu.step_index(RSI, op);
        Ok(())
    })
}

impl Cpu {
    /// Checks a data access without making it; unmapped memory is left to the access itself.
    fn probe_data(&mut self, la: u64, len: u64, access: Access) -> R<()> {
        self.probe(la, len, access, ES as u8)
    }
}

fn string_io(cpu: &mut Cpu, op: &Op, one: impl Fn(&mut Cpu, &Op, u16) -> R<()>) -> Step {
    let port = cpu.s.gpr[RDX] as u16;
    cpu.io_allowed(port, op.aux)?;
    if op.src == 0 {
        one(cpu, op, port)?;
        cpu.note_io_access(port, u64::from(op.aux));
        return Ok(Flow::End);
    }
    let single = cpu.s.sys_flags & rflags::TF != 0;
    for _ in 0..BATCH {
        let count = cpu.s.gpr[RCX] & op.amask;
        if count == 0 {
            return Ok(Flow::End);
        }
        one(cpu, op, port)?;
        cpu.note_io_access(port, u64::from(op.aux));
        cpu.put_masked(RCX, count - 1, op.amask);
        if single {
            break;
        }
    }
    if cpu.s.gpr[RCX] & op.amask != 0 {
        cpu.partial = true;
    }
    Ok(Flow::End)
}
