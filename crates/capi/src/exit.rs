//! Lays out exits as the C exit context.

use openwhp::ApicWrite;
use openwhp::CpuidAccess;
use openwhp::Exit;
use openwhp::ExitReason;
use openwhp::HypercallAccess;
use openwhp::IoPortAccess;
use openwhp::MemoryAccess;
use openwhp::MsrAccess;
use openwhp::RdtscAccess;
use openwhp::SegmentRegister;
use openwhp::UnsupportedFeature;
use openwhp::VpContext;
use openwhp::VpException;
use openwhp_abi::x64::*;

/// Writes an exit in its C form into a cleared structure. What the reason does not use of the union stays zero.
pub(crate) fn lay_out(exit: &Exit, context: &mut WHV_RUN_VP_EXIT_CONTEXT) {
    context.set_ExitReason(WHV_RUN_VP_EXIT_REASON(exit.reason.code()));
    context.set_VpContext(vp_context(&exit.vp));
    match &exit.reason {
        ExitReason::MemoryAccess(access) => context.set_MemoryAccess(memory_access(access)),
        ExitReason::IoPort(access) => context.set_IoPortAccess(io_port(access)),
        ExitReason::UnsupportedFeature(feature) => context.set_UnsupportedFeature(unsupported(feature)),
        ExitReason::InterruptWindow(kind) => {
            let DeliverableType = WHV_X64_PENDING_INTERRUPTION_TYPE(*kind as u32);
            context.set_InterruptWindow(WHV_X64_INTERRUPTION_DELIVERABLE_CONTEXT { DeliverableType });
        }
        ExitReason::ApicEoi(vector) => {
            context.set_ApicEoi(WHV_X64_APIC_EOI_CONTEXT { InterruptVector: u32::from(*vector) });
        }
        ExitReason::SynicSintDeliverable(sints) => {
            let context_of =
                WHV_SYNIC_SINT_DELIVERABLE_CONTEXT { DeliverableSints: *sints, ..Default::default() };
            context.set_SynicSintDeliverable(context_of);
        }
        ExitReason::Msr(access) => context.set_MsrAccess(msr(access)),
        ExitReason::Cpuid(access) => context.set_CpuidAccess(cpuid(access)),
        ExitReason::Exception(exception) => context.set_VpException(vp_exception(exception)),
        ExitReason::Rdtsc(access) => context.set_ReadTsc(rdtsc(access)),
        ExitReason::ApicSmi(icr) => context.set_ApicSmi(WHV_X64_APIC_SMI_CONTEXT { ApicIcr: *icr }),
        ExitReason::Hypercall(access) => context.set_Hypercall(hypercall(access)),
        ExitReason::ApicInitSipi(icr) => {
            context.set_ApicInitSipi(WHV_X64_APIC_INIT_SIPI_CONTEXT { ApicIcr: *icr });
        }
        ExitReason::ApicWrite(write) => context.set_ApicWrite(apic_write(write)),
        // The rest has no union member; the only cancel reason is zero.
        _ => {}
    }
}

fn segment(from: &SegmentRegister) -> WHV_X64_SEGMENT_REGISTER {
    let mut to = WHV_X64_SEGMENT_REGISTER::default();
    to.set_Base(from.base);
    to.set_Limit(from.limit);
    to.set_Selector(from.selector);
    to.set_Attributes(from.attributes);
    to
}

fn vp_context(from: &VpContext) -> WHV_X64_VP_EXIT_CONTEXT {
    let mut execution = WHV_X64_VP_EXECUTION_STATE::default();
    execution.set_AsUINT16(from.execution.bits());
    let mut to = WHV_X64_VP_EXIT_CONTEXT::default();
    to.set_ExecutionState(execution);
    to.set_InstructionLength(from.instruction_length);
    to.set_Cr8(from.cr8);
    to.set_Cs(segment(&from.cs));
    to.set_Rip(from.rip);
    to.set_Rflags(from.rflags);
    to
}

fn memory_access(from: &MemoryAccess) -> WHV_MEMORY_ACCESS_CONTEXT {
    let mut info = WHV_MEMORY_ACCESS_INFO::default();
    info.set_AccessType(from.access as u32);
    info.set_GpaUnmapped(u32::from(from.is_gpa_unmapped));
    info.set_GvaValid(u32::from(from.gva.is_some()));
    WHV_MEMORY_ACCESS_CONTEXT {
        InstructionByteCount: from.instruction.count,
        InstructionBytes: from.instruction.bytes,
        AccessInfo: info,
        Gpa: from.gpa.0,
        Gva: from.gva.map_or(0, |gva| gva.0),
        ..Default::default()
    }
}

fn io_port(from: &IoPortAccess) -> WHV_X64_IO_PORT_ACCESS_CONTEXT {
    let mut info = WHV_X64_IO_PORT_ACCESS_INFO::default();
    info.set_IsWrite(u32::from(from.is_write));
    info.set_AccessSize(u32::from(from.size));
    info.set_StringOp(u32::from(from.is_string));
    info.set_RepPrefix(u32::from(from.has_rep_prefix));
    WHV_X64_IO_PORT_ACCESS_CONTEXT {
        InstructionByteCount: from.instruction.count,
        InstructionBytes: from.instruction.bytes,
        AccessInfo: info,
        PortNumber: from.port,
        Rax: from.rax,
        Rcx: from.rcx,
        Rsi: from.rsi,
        Rdi: from.rdi,
        Ds: segment(&from.ds),
        Es: segment(&from.es),
        ..Default::default()
    }
}

fn msr(from: &MsrAccess) -> WHV_X64_MSR_ACCESS_CONTEXT {
    let mut info = WHV_X64_MSR_ACCESS_INFO::default();
    info.set_IsWrite(u32::from(from.is_write));
    WHV_X64_MSR_ACCESS_CONTEXT { AccessInfo: info, MsrNumber: from.msr, Rax: from.rax, Rdx: from.rdx }
}

fn cpuid(from: &CpuidAccess) -> WHV_X64_CPUID_ACCESS_CONTEXT {
    WHV_X64_CPUID_ACCESS_CONTEXT {
        Rax: from.rax,
        Rcx: from.rcx,
        Rdx: from.rdx,
        Rbx: from.rbx,
        DefaultResultRax: u64::from(from.default.eax),
        DefaultResultRcx: u64::from(from.default.ecx),
        DefaultResultRdx: u64::from(from.default.edx),
        DefaultResultRbx: u64::from(from.default.ebx),
    }
}

fn vp_exception(from: &VpException) -> WHV_VP_EXCEPTION_CONTEXT {
    let mut info = WHV_VP_EXCEPTION_INFO::default();
    info.set_ErrorCodeValid(u32::from(from.error_code.is_some()));
    info.set_SoftwareException(u32::from(from.is_software));
    WHV_VP_EXCEPTION_CONTEXT {
        InstructionByteCount: from.instruction.count,
        InstructionBytes: from.instruction.bytes,
        ExceptionInfo: info,
        ExceptionType: from.vector,
        ErrorCode: from.error_code.unwrap_or(0),
        ExceptionParameter: from.parameter,
        ..Default::default()
    }
}

fn rdtsc(from: &RdtscAccess) -> WHV_X64_RDTSC_CONTEXT {
    let mut info = WHV_X64_RDTSC_INFO::default();
    info.set_IsRdtscp(u64::from(from.is_rdtscp));
    WHV_X64_RDTSC_CONTEXT {
        TscAux: from.tsc_aux,
        VirtualOffset: from.virtual_offset,
        Tsc: from.tsc,
        ReferenceTime: from.reference_time_100ns,
        RdtscInfo: info,
    }
}

fn hypercall(from: &HypercallAccess) -> WHV_X64_HYPERCALL_CONTEXT {
    let xmm = from.xmm.map(|value| {
        let mut register = WHV_UINT128::default();
        register.set_Low64(value as u64);
        register.set_High64((value >> 64) as u64);
        register
    });
    WHV_X64_HYPERCALL_CONTEXT {
        Rax: from.rax,
        Rbx: from.rbx,
        Rcx: from.rcx,
        Rdx: from.rdx,
        R8: from.r8,
        Rsi: from.rsi,
        Rdi: from.rdi,
        XmmRegisters: xmm,
        ..Default::default()
    }
}

fn apic_write(from: &ApicWrite) -> WHV_X64_APIC_WRITE_CONTEXT {
    let register = WHV_X64_APIC_WRITE_TYPE(from.register as u32);
    WHV_X64_APIC_WRITE_CONTEXT { Type: register, Reserved: 0, WriteValue: from.value }
}

fn unsupported(from: &UnsupportedFeature) -> WHV_X64_UNSUPPORTED_FEATURE_CONTEXT {
    let code = WHV_X64_UNSUPPORTED_FEATURE_CODE(from.code);
    WHV_X64_UNSUPPORTED_FEATURE_CONTEXT { FeatureCode: code, Reserved: 0, FeatureParameter: from.parameter }
}
