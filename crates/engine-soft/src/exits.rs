//! What the software CPU reports, as the interface's exits.

use openwhp_engine::AccessType;
use openwhp_engine::ApicWrite;
use openwhp_engine::ApicWriteType;
use openwhp_engine::CpuidAccess;
use openwhp_engine::ExecutionState;
use openwhp_engine::ExitReason;
use openwhp_engine::Gpa;
use openwhp_engine::Gva;
use openwhp_engine::HypercallAccess;
use openwhp_engine::InstructionBytes;
use openwhp_engine::IoPortAccess;
use openwhp_engine::MemoryAccess;
use openwhp_engine::MsrAccess;
use openwhp_engine::RdtscAccess;
use openwhp_engine::TranslateFlags;
use openwhp_engine::TranslateResult;
use openwhp_engine::Translation;
use openwhp_engine::UnsupportedFeature;
use openwhp_engine::VpContext;
use openwhp_engine::VpException;
use openwhp_hyperv::hypercall::Registers;
use openwhp_x86::CpuExit;
use openwhp_x86::env::Page;
use openwhp_x86::exit::MemAccess;
use openwhp_x86::mem::WalkError;
use openwhp_x86::mem::WalkMode;
use openwhp_x86::mem::pf;
use openwhp_x86::state::CS;
use openwhp_x86::state::DS;
use openwhp_x86::state::ES;
use openwhp_x86::state::EventKind;
use openwhp_x86::state::RAX;
use openwhp_x86::state::RBX;
use openwhp_x86::state::RCX;
use openwhp_x86::state::RDI;
use openwhp_x86::state::RDX;
use openwhp_x86::state::RSI;
use openwhp_x86::state::cr0;
use openwhp_x86::state::rflags;

use crate::cpuid;
use crate::env::apic_exit;
use crate::registers::segment_out;
use crate::vp::SoftVp;

impl SoftVp {
    /// What every exit reports.
    pub(crate) fn context(&mut self, reason: &ExitReason) -> VpContext {
        let s = &self.cpu.s;
        let mut execution = ExecutionState::from_bits_retain(u16::from(s.cpl & 3));
        execution.set(ExecutionState::CR0_PE, s.cr0 & cr0::PE != 0);
        execution.set(ExecutionState::CR0_AM, s.cr0 & cr0::AM != 0);
        execution.set(ExecutionState::EFER_LMA, s.long_mode());
        execution.set(ExecutionState::DEBUG_ACTIVE, s.dr7 & 0xFF != 0);
        execution.set(ExecutionState::INTERRUPTION_PENDING, s.events.inject.is_some());
        execution.set(ExecutionState::INTERRUPT_SHADOW, s.events.shadow);
        let has_length = matches!(
            reason,
            ExitReason::IoPort(_)
                | ExitReason::Msr(_)
                | ExitReason::Cpuid(_)
                | ExitReason::Rdtsc(_)
                | ExitReason::Hypercall(_)
                | ExitReason::Exception(_)
        );
        let (rip, rflags, cs) = (s.rip, s.rflags(), segment_out(&s.seg[CS]));
        VpContext {
            execution,
            instruction_length: if has_length { self.exit_length } else { 0 },
            cr8: self.cpu.env.tpr() >> 4,
            cs,
            rip,
            rflags,
        }
    }

    /// Turns an exit of the CPU into one of the interface, in the place that is meant for it.
    #[inline(never)]
    pub(crate) fn describe(&mut self, exit: CpuExit, reason: &mut ExitReason) {
        self.exit_length = 0;
        match exit {
            CpuExit::Memory { gpa, gva, access, unmapped } => {
                let (access, instruction) = match access {
                    MemAccess::Read => (AccessType::Read, self.instruction_bytes()),
                    MemAccess::Write => (AccessType::Write, self.instruction_bytes()),
                    MemAccess::Execute => (AccessType::Execute, InstructionBytes::default()),
                };
                *reason = ExitReason::MemoryAccess(MemoryAccess {
                    instruction,
                    access,
                    is_gpa_unmapped: unmapped,
                    gpa: Gpa(gpa),
                    gva: gva.map(Gva),
                });
            }
            CpuExit::Io { port, size, write, string, rep, length } => {
                self.exit_length = length;
                let instruction = self.instruction_bytes();
                let s = &self.cpu.s;
                *reason = ExitReason::IoPort(IoPortAccess {
                    instruction,
                    is_write: write,
                    size,
                    is_string: string,
                    has_rep_prefix: rep,
                    port,
                    rax: s.gpr[RAX],
                    rcx: s.gpr[RCX],
                    rsi: s.gpr[RSI],
                    rdi: s.gpr[RDI],
                    ds: segment_out(&s.seg[DS]),
                    es: segment_out(&s.seg[ES]),
                });
            }
            CpuExit::Msr { index, write, length } => {
                self.exit_length = length;
                let (rax, rdx) = (self.cpu.s.gpr[RAX], self.cpu.s.gpr[RDX]);
                *reason = ExitReason::Msr(MsrAccess { is_write: write, msr: index, rax, rdx });
            }
            CpuExit::Cpuid { length } => {
                self.exit_length = length;
                *reason = ExitReason::Cpuid(self.cpuid_access());
            }
            CpuExit::Rdtsc { rdtscp, length } => {
                self.exit_length = length;
                *reason = ExitReason::Rdtsc(self.rdtsc_access(rdtscp));
            }
            CpuExit::Hypercall { length } => {
                self.exit_length = length;
                *reason = ExitReason::Hypercall(self.hypercall());
            }
            CpuExit::Exception { event, param } => {
                let is_software =
                    matches!(event.kind, EventKind::SoftException | EventKind::PrivSoftException);
                self.exit_length = if is_software { event.length } else { 0 };
                *reason = ExitReason::Exception(VpException {
                    instruction: self.instruction_bytes(),
                    vector: event.vector,
                    error_code: event.error,
                    is_software,
                    parameter: param,
                });
            }
            CpuExit::TripleFault => *reason = ExitReason::UnrecoverableException,
            CpuExit::InvalidState => *reason = ExitReason::InvalidVpRegisterValue,
            CpuExit::Env { code, value } => *reason = apic_reason(code, value),
            // The run loop handles these itself, and runs have no bus.
            CpuExit::Stopped
            | CpuExit::Limit
            | CpuExit::Halt
            | CpuExit::InterruptWindow { .. }
            | CpuExit::BusFailed => {
                *reason = ExitReason::UnsupportedFeature(UnsupportedFeature { code: 1, parameter: 0 });
            }
        }
    }

    fn cpuid_access(&mut self) -> CpuidAccess {
        let gpr = &self.cpu.s.gpr;
        let (rax, rcx, rdx, rbx) = (gpr[RAX], gpr[RCX], gpr[RDX], gpr[RBX]);
        let default = cpuid::output(self.cpu.cpuid(rax as u32, rcx as u32));
        CpuidAccess { rax, rcx, rdx, rbx, default }
    }

    fn rdtsc_access(&mut self, is_rdtscp: bool) -> RdtscAccess {
        let tsc_aux = self.cpu.s.msr.tsc_aux;
        let icount = self.cpu.s.icount;
        let env = self.env();
        let ns = env.ns(icount);
        RdtscAccess {
            tsc_aux,
            virtual_offset: env.tsc_offset,
            tsc: env.tsc_at(ns),
            reference_time_100ns: env.shared.clock.reference(ns) / 100,
            is_rdtscp,
        }
    }

    fn hypercall(&self) -> HypercallAccess {
        let Registers { rax, rbx, rcx, rdx, rsi, rdi, r8, xmm, .. } = self.call_registers();
        HypercallAccess { rax, rbx, rcx, rdx, r8, rsi, rdi, xmm }
    }

    /// Up to 16 bytes at RIP, as far as they can be fetched.
    pub(crate) fn instruction_bytes(&mut self) -> InstructionBytes {
        let mut bytes = [0; 16];
        let count = self.cpu.peek_code(&mut bytes);
        if count < bytes.len() {
            bytes[count..].fill(0);
        }
        InstructionBytes { count: count as u8, bytes }
    }

    /// Translates a linear address for a client.
    pub(crate) fn translate_address(&mut self, gva: Gva, flags: TranslateFlags) -> Translation {
        let fail = |result| Translation { result, gpa: Gpa(0) };
        let s = &self.cpu.s;
        let is_paging = s.cr0 & cr0::PG != 0;
        if !is_paging {
            return Translation { result: TranslateResult::Success, gpa: Gpa(gva.0) };
        }
        if !self.cpu.canonical(gva.0) {
            return fail(TranslateResult::PageNotPresent);
        }
        let user = s.cpl == 3 && !flags.contains(TranslateFlags::PRIVILEGE_EXEMPT);
        let ac = if flags.contains(TranslateFlags::ENFORCE_SMAP) {
            false
        } else {
            flags.contains(TranslateFlags::OVERRIDE_SMAP) || s.sys_flags & rflags::AC != 0
        };
        let mut accesses = Vec::with_capacity(3);
        for (flag, access) in [
            (TranslateFlags::VALIDATE_READ, MemAccess::Read),
            (TranslateFlags::VALIDATE_EXECUTE, MemAccess::Execute),
            (TranslateFlags::VALIDATE_WRITE, MemAccess::Write),
        ] {
            if flags.contains(flag) {
                accesses.push(access);
            }
        }
        let no_rights = accesses.is_empty();
        if no_rights {
            accesses.push(MemAccess::Read);
        }
        let wants_bits = flags.contains(TranslateFlags::SET_PAGE_TABLE_BITS);
        let mut gpa = 0;
        // All checks pass before any bit is set.
        for set_bits in [false, true] {
            if set_bits && !wants_bits {
                continue;
            }
            for &access in &accesses {
                let mode = WalkMode { access, user, ac, no_rights, set_bits };
                match self.cpu.walk(gva.0, mode) {
                    Ok(walk) => gpa = walk.gpa,
                    Err(error) => return fail(self.translation_error(&error)),
                }
            }
        }
        Translation { result: TranslateResult::Success, gpa: Gpa(gpa) }
    }

    /// The result code of a walk that failed.
    fn translation_error(&mut self, error: &WalkError) -> TranslateResult {
        match error {
            WalkError::Fault(code) if code & pf::RSVD != 0 => TranslateResult::InvalidPageTableFlags,
            WalkError::Fault(code) if code & pf::P != 0 => TranslateResult::PrivilegeViolation,
            WalkError::Fault(_) => TranslateResult::PageNotPresent,
            WalkError::Exit(CpuExit::Memory { unmapped: true, gpa, .. }) => {
                // No table can lie in the register page of the local APIC.
                match self.cpu.env.page(gpa & !0xFFF) {
                    Page::Apic => TranslateResult::GpaIllegalOverlayAccess,
                    _ => TranslateResult::GpaUnmapped,
                }
            }
            WalkError::Exit(CpuExit::Memory { access: MemAccess::Write, .. }) => {
                TranslateResult::GpaNoWriteAccess
            }
            WalkError::Exit(_) => TranslateResult::GpaNoReadAccess,
        }
    }
}

fn apic_reason(code: u32, value: u64) -> ExitReason {
    match code {
        apic_exit::EOI => ExitReason::ApicEoi(value as u8),
        apic_exit::INIT_SIPI => ExitReason::ApicInitSipi(value),
        apic_exit::SMI => ExitReason::ApicSmi(value),
        apic_exit::WRITE => {
            let register = match value >> 32 {
                0xD0 => ApicWriteType::Ldr,
                0xE0 => ApicWriteType::Dfr,
                0xF0 => ApicWriteType::Svr,
                0x350 => ApicWriteType::Lint0,
                _ => ApicWriteType::Lint1,
            };
            ExitReason::ApicWrite(ApicWrite { register, value: value & 0xFFFF_FFFF })
        }
        _ => ExitReason::UnsupportedFeature(UnsupportedFeature { code: 1, parameter: u64::from(code) }),
    }
}
