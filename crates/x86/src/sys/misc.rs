//! CPUID, time stamps, MSR instructions, HLT, CLI and STI, hypercalls.

use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::env::Effect;
use crate::exit::CpuExit;
use crate::exit::Flow;
use crate::exit::Step;
use crate::op::Op;
use crate::state::*;
use iced_x86::Instruction;
use iced_x86::Mnemonic;

/// Chooses the handler.
pub(crate) fn lower(i: &Instruction, _op: &mut Op, _c: &Ctx) -> Option<Lowered> {
    match i.mnemonic() {
        Mnemonic::Cpuid => Lowered::next(op_cpuid),
        Mnemonic::Rdtsc => Lowered::next(op_rdtsc::<false>),
        Mnemonic::Rdtscp => Lowered::next(op_rdtsc::<true>),
        Mnemonic::Rdpmc => Lowered::next(op_rdpmc),
        Mnemonic::Rdpru => Lowered::next(op_rdpru),
        Mnemonic::Rdmsr => Lowered::end(op_rdmsr),
        Mnemonic::Wrmsr => Lowered::end(op_wrmsr),
        Mnemonic::Hlt => Lowered::end(op_hlt),
        Mnemonic::Cli => Lowered::next(op_cli),
        Mnemonic::Sti => Lowered::end(op_sti),
        Mnemonic::Vmcall | Mnemonic::Vmmcall => Lowered::end(op_hypercall),
        _ => None,
    }
}

impl Cpu {
    /// Retired instructions when `op` starts.
    #[inline]
    pub(crate) fn now(&self, op: &Op) -> u64 {
        self.s.icount + u64::from(op.idx)
    }
}

fn op_cpuid(cpu: &mut Cpu, op: &Op) -> Step {
    let (leaf, sub) = (cpu.s.gpr[RAX] as u32, cpu.s.gpr[RCX] as u32);
    if cpu.intercepts.cpuid
        && (cpu.intercepts.cpuid_list.is_empty() || cpu.intercepts.cpuid_list.contains(&leaf))
    {
        return cpu.exit(CpuExit::Cpuid { length: op.len });
    }
    let r = cpu.cpuid(leaf, sub);
    cpu.s.gpr[RAX] = u64::from(r[0]);
    cpu.s.gpr[RBX] = u64::from(r[1]);
    cpu.s.gpr[RCX] = u64::from(r[2]);
    cpu.s.gpr[RDX] = u64::from(r[3]);
    cpu.handled.cpuid += 1;
    // Serializing.
    cpu.distrust_code();
    cpu.end_block();
    Ok(Flow::Next)
}

fn op_rdtsc<const P: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.cr4 & cr4::TSD != 0 && cpu.s.cpl != 0 {
        return cpu.gp(0);
    }
    if cpu.intercepts.rdtsc {
        return cpu.exit(CpuExit::Rdtsc { rdtscp: P, length: op.len });
    }
    let now = cpu.now(op);
    let t = cpu.env.tsc(now);
    cpu.s.gpr[RAX] = t & 0xffff_ffff;
    cpu.s.gpr[RDX] = t >> 32;
    if P {
        cpu.s.gpr[RCX] = cpu.s.msr.tsc_aux & 0xffff_ffff;
    }
    Ok(Flow::Next)
}

/// No performance counters: every index is invalid.
fn op_rdpmc(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.handled.rdpmc += 1;
    cpu.gp(0)
}

/// RDPRU: register 0 is MPERF, 1 APERF; others read zero (AMD APM 3 "RDPRU").
fn op_rdpru(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.cr4 & cr4::TSD != 0 && cpu.s.cpl != 0 {
        return cpu.ud();
    }
    let now = cpu.now(op);
    let v = match cpu.s.gpr[RCX] as u32 {
        0 => cpu.mperf(now),
        1 => cpu.aperf(now),
        _ => 0,
    };
    cpu.s.gpr[RAX] = v & 0xffff_ffff;
    cpu.s.gpr[RDX] = v >> 32;
    Ok(Flow::Next)
}

fn op_rdmsr(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.need_cpl0()?;
    let index = cpu.s.gpr[RCX] as u32;
    let now = cpu.now(op);
    let e = match cpu.env.rdmsr(index, now) {
        Some(e) => e,
        None => match cpu.own_rdmsr(index, now) {
            Some(Ok(v)) => Effect::Done(v),
            Some(Err(_)) => return cpu.gp(0),
            None => cpu.env.unknown_rdmsr(index),
        },
    };
    match e {
        Effect::Done(v) | Effect::DoneExit(v, ..) => {
            cpu.handled.msr += 1;
            cpu.s.gpr[RAX] = v & 0xffff_ffff;
            cpu.s.gpr[RDX] = v >> 32;
            if let Effect::DoneExit(_, code, value) = e {
                cpu.exit_after(CpuExit::Env { code, value });
            }
            Ok(Flow::End)
        }
        Effect::Fault => cpu.gp(0),
        Effect::Exit => cpu.exit(CpuExit::Msr { index, write: false, length: op.len }),
    }
}

fn op_wrmsr(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.need_cpl0()?;
    let index = cpu.s.gpr[RCX] as u32;
    let value = cpu.s.gpr[RDX] << 32 | cpu.s.gpr[RAX] & 0xffff_ffff;
    let now = cpu.now(op);
    let e = match cpu.env.wrmsr(index, value, now) {
        Some(e) => e,
        None => match cpu.own_wrmsr(index, value, now) {
            Some(Ok(())) => Effect::Done(()),
            Some(Err(_)) => return cpu.gp(0),
            None => cpu.env.unknown_wrmsr(index, value),
        },
    };
    match e {
        Effect::Done(()) => {
            cpu.handled.msr += 1;
            cpu.recheck_events();
            Ok(Flow::End)
        }
        Effect::DoneExit((), code, value) => {
            cpu.exit_after(CpuExit::Env { code, value });
            cpu.handled.msr += 1;
            cpu.recheck_events();
            Ok(Flow::End)
        }
        Effect::Fault => cpu.gp(0),
        Effect::Exit => cpu.exit(CpuExit::Msr { index, write: true, length: op.len }),
    }
}

fn op_hlt(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.need_cpl0()?;
    cpu.s.activity = Activity::Halted;
    if cpu.intercepts.halt {
        cpu.exit_after(CpuExit::Halt);
    }
    cpu.recheck_events();
    Ok(Flow::End)
}

/// How CLI and STI act at the present privilege (Intel SDM 2 "CLI", table of VIF handling).
enum FlagRule {
    Real,
    Virtual,
    Fault,
}

fn flag_rule(cpu: &Cpu) -> FlagRule {
    let s = &cpu.s;
    if !s.protected() {
        FlagRule::Real
    } else if s.v86() {
        if s.iopl() == 3 {
            FlagRule::Real
        } else if s.cr4 & cr4::VME != 0 {
            FlagRule::Virtual
        } else {
            FlagRule::Fault
        }
    } else if s.cpl <= s.iopl() {
        FlagRule::Real
    } else if s.cpl == 3 && s.cr4 & cr4::PVI != 0 {
        FlagRule::Virtual
    } else {
        FlagRule::Fault
    }
}

fn op_cli(cpu: &mut Cpu, _: &Op) -> Step {
    match flag_rule(cpu) {
        FlagRule::Real => cpu.s.sys_flags &= !rflags::IF,
        FlagRule::Virtual => cpu.s.sys_flags &= !rflags::VIF,
        FlagRule::Fault => return cpu.gp(0),
    }
    Ok(Flow::Next)
}

fn op_sti(cpu: &mut Cpu, _: &Op) -> Step {
    match flag_rule(cpu) {
        FlagRule::Real => {
            if cpu.s.sys_flags & rflags::IF == 0 {
                cpu.s.sys_flags |= rflags::IF;
                cpu.start_shadow(false);
                cpu.recheck_events();
            }
        }
        FlagRule::Virtual => {
            if cpu.s.sys_flags & rflags::VIP != 0 {
                return cpu.gp(0);
            }
            cpu.s.sys_flags |= rflags::VIF;
        }
        FlagRule::Fault => return cpu.gp(0),
    }
    Ok(Flow::End)
}

fn op_hypercall(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.intercepts.hypercall {
        return cpu.exit(CpuExit::Hypercall { length: op.len });
    }
    cpu.ud()
}
