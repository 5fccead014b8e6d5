//! Fast system calls, SWAPGS and the FS/GS base instructions.
//!
//! Intel SDM 2B "SYSCALL", "SYSRET", "SYSENTER", "SYSEXIT", "SWAPGS"; AMD APM 3, whose processors also have SYSCALL outside
//! 64-bit mode but no SYSENTER in long mode, and check no address in SYSRET.

use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::decode::gpr_index;
use crate::exit::Flow;
use crate::exit::Step;
use crate::op::Op;
use crate::state::*;
use iced_x86::Code;
use iced_x86::Instruction;
use iced_x86::Mnemonic;

/// Chooses the handler.
pub(crate) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    match i.mnemonic() {
        Mnemonic::Syscall => Lowered::end(op_syscall),
        Mnemonic::Sysret | Mnemonic::Sysretq => {
            op.aux = u8::from(i.code() == Code::Sysretq);
            Lowered::end(op_sysret)
        }
        Mnemonic::Sysenter => Lowered::end(op_sysenter),
        Mnemonic::Sysexit | Mnemonic::Sysexitq => {
            op.aux = u8::from(i.code() == Code::Sysexitq);
            Lowered::end(op_sysexit)
        }
        Mnemonic::Swapgs if c.is64() => Lowered::next(op_swapgs),
        Mnemonic::Rdfsbase | Mnemonic::Rdgsbase | Mnemonic::Wrfsbase | Mnemonic::Wrgsbase if c.is64() => {
            let r = i.op0_register();
            op.dst = gpr_index(r);
            let wide = r.is_gpr64();
            op.aux =
                if matches!(i.mnemonic(), Mnemonic::Rdfsbase | Mnemonic::Wrfsbase) { FS } else { GS } as u8;
            Lowered::next(match (i.mnemonic(), wide) {
                (Mnemonic::Rdfsbase | Mnemonic::Rdgsbase, true) => op_read_base::<true>,
                (Mnemonic::Rdfsbase | Mnemonic::Rdgsbase, false) => op_read_base::<false>,
                (_, true) => op_write_base::<true>,
                (_, false) => op_write_base::<false>,
            })
        }
        _ => None,
    }
}

/// Attributes of the flat code segments that these instructions load, without DPL: 32-bit and 64-bit.
const CODE32: u16 = 0xc09b;
const CODE64: u16 = 0xa09b;
/// Attributes of the flat stack segment, without DPL.
const STACK: u16 = 0xc093;

/// A flat segment with DPL `level`.
fn flat(selector: u16, attrs: u16, level: u8) -> Segment {
    Segment { base: 0, limit: u32::MAX, selector, attrs: attrs | u16::from(level) << 5 }
}

impl Cpu {
    /// Commits a system call or return: flat segments, privilege and RIP.
    fn enter_flat(&mut self, cs: u16, code: u16, level: u8, rip: u64) -> Step {
        self.s.seg[CS] = flat(cs, code, level);
        self.s.cpl = level;
        self.s.rip = rip;
        self.refresh();
        Ok(Flow::End)
    }
}

/// SYSCALL.
fn op_syscall(cpu: &mut Cpu, op: &Op) -> Step {
    let long = cpu.s.long_mode();
    if cpu.s.efer & efer::SCE == 0 || !cpu.model.is_amd() && !cpu.s.is64() {
        return cpu.ud();
    }
    let next = cpu.op_next(op);
    let star = cpu.s.msr.star;
    let cs = (star >> 32) as u16;
    cpu.s.gpr[RCX] = next;
    let flags = cpu.s.rflags() & !rflags::RF;
    cpu.s.seg[SS] = flat(cs.wrapping_add(8), STACK, 0);
    if !long {
        cpu.s.sys_flags &= !(rflags::VM | rflags::IF | rflags::RF);
        return cpu.enter_flat(cs & !3, CODE32, 0, star & 0xffff_ffff);
    }
    cpu.s.gpr[R11] = flags;
    let rip = if cpu.s.is64() { cpu.s.msr.lstar } else { cpu.s.msr.cstar };
    cpu.s.set_rflags(flags & !cpu.s.msr.sfmask);
    // A single-step trap is due after SYSCALL only if TF survived the mask.
    cpu.resample_tf();
    cpu.s.seg[SS].selector = (cs & !3).wrapping_add(8);
    cpu.enter_flat(cs & !3, CODE64, 0, rip)
}

/// SYSRET.
fn op_sysret(cpu: &mut Cpu, op: &Op) -> Step {
    let amd = cpu.model.is_amd();
    let long = cpu.s.long_mode();
    if cpu.s.efer & efer::SCE == 0 || !amd && !cpu.s.is64() {
        return cpu.ud();
    }
    if !cpu.s.protected() || cpu.s.cpl != 0 {
        return cpu.gp(0);
    }
    let wide = op.aux != 0;
    let rcx = cpu.s.gpr[RCX];
    if wide && !amd && !cpu.canonical(rcx) {
        return cpu.gp(0);
    }
    let sel = (cpu.s.msr.star >> 48) as u16;
    let ss = sel.wrapping_add(8) | 3;
    if amd {
        // Only the selector changes (and the privilege that goes with it).
        cpu.s.seg[SS].selector = ss;
        cpu.s.seg[SS].attrs |= 0x60;
    } else {
        cpu.s.seg[SS] = flat(ss, STACK, 3);
    }
    if long {
        cpu.s.set_rflags(cpu.s.gpr[R11] & 0x3c_7fd7);
        cpu.resample_tf();
    } else {
        cpu.s.sys_flags |= rflags::IF;
    }
    if wide {
        cpu.enter_flat(sel.wrapping_add(16) | 3, CODE64, 3, rcx)
    } else {
        cpu.enter_flat(sel | 3, CODE32, 3, rcx & 0xffff_ffff)
    }
}

/// SYSENTER.
fn op_sysenter(cpu: &mut Cpu, _: &Op) -> Step {
    let long = cpu.s.long_mode();
    if long && cpu.model.is_amd() {
        return cpu.ud();
    }
    let m = &cpu.s.msr;
    let (cs, esp, eip) = (m.sysenter_cs as u16 & !3, m.sysenter_esp, m.sysenter_eip);
    if !cpu.s.protected() || cs == 0 {
        return cpu.gp(0);
    }
    let mask = if long { !0 } else { 0xffff_ffff };
    cpu.s.sys_flags &= !(rflags::VM | rflags::IF | rflags::RF);
    cpu.s.gpr[RSP] = esp & mask;
    cpu.s.seg[SS] = flat(cs.wrapping_add(8), STACK, 0);
    cpu.enter_flat(cs, if long { CODE64 } else { CODE32 }, 0, eip & mask)
}

/// SYSEXIT.
fn op_sysexit(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.long_mode() && cpu.model.is_amd() {
        return cpu.ud();
    }
    let cs = cpu.s.msr.sysenter_cs as u16 & !3;
    if !cpu.s.protected() || cs == 0 || cpu.s.cpl != 0 {
        return cpu.gp(0);
    }
    let (rcx, rdx) = (cpu.s.gpr[RCX], cpu.s.gpr[RDX]);
    let (first, code, mask) = if op.aux != 0 {
        if !cpu.canonical(rcx) || !cpu.canonical(rdx) {
            return cpu.gp(0);
        }
        (cs.wrapping_add(32), CODE64, !0)
    } else {
        (cs.wrapping_add(16), CODE32, 0xffff_ffff)
    };
    cpu.s.gpr[RSP] = rcx & mask;
    cpu.s.seg[SS] = flat(first.wrapping_add(8) | 3, STACK, 3);
    cpu.enter_flat(first | 3, code, 3, rdx & mask)
}

/// SWAPGS.
fn op_swapgs(cpu: &mut Cpu, _: &Op) -> Step {
    if cpu.s.cpl != 0 {
        return cpu.gp(0);
    }
    std::mem::swap(&mut cpu.s.seg[GS].base, &mut cpu.s.msr.kernel_gs_base);
    Ok(Flow::Next)
}

/// RDFSBASE, RDGSBASE.
fn op_read_base<const WIDE: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.cr4 & cr4::FSGSBASE == 0 {
        return cpu.ud();
    }
    let base = cpu.s.seg[usize::from(op.aux)].base;
    cpu.set_reg::<u64>(op.dst, if WIDE { base } else { base & 0xffff_ffff });
    Ok(Flow::Next)
}

/// WRFSBASE, WRGSBASE.
fn op_write_base<const WIDE: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.cr4 & cr4::FSGSBASE == 0 {
        return cpu.ud();
    }
    let v = cpu.reg::<u64>(op.dst);
    let v = if WIDE { v } else { v & 0xffff_ffff };
    if !cpu.canonical_base(v) {
        return cpu.gp(0);
    }
    cpu.s.seg[usize::from(op.aux)].base = v;
    Ok(Flow::Next)
}

/// Index of R11 in [`VpState::gpr`].
const R11: usize = 11;
