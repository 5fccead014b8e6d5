//! The exit context and its payloads.

use super::register::WHV_X64_SEGMENT_REGISTER;
use crate::common::{
    WHV_GUEST_PHYSICAL_ADDRESS, WHV_GUEST_VIRTUAL_ADDRESS, WHV_RUN_VP_CANCELED_CONTEXT, WHV_UINT128,
};
use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;
use crate::layout::record;

enumeration! {
    /// Why `WHvRunVirtualProcessor` returned.
    pub struct WHV_RUN_VP_EXIT_REASON {
        WHvRunVpExitReasonNone = 0,
        WHvRunVpExitReasonMemoryAccess = 1,
        WHvRunVpExitReasonX64IoPortAccess = 2,
        WHvRunVpExitReasonUnrecoverableException = 4,
        WHvRunVpExitReasonInvalidVpRegisterValue = 5,
        WHvRunVpExitReasonUnsupportedFeature = 6,
        WHvRunVpExitReasonX64InterruptWindow = 7,
        WHvRunVpExitReasonX64Halt = 8,
        WHvRunVpExitReasonX64ApicEoi = 9,
        WHvRunVpExitReasonSynicSintDeliverable = 0xA,
        WHvRunVpExitReasonX64MsrAccess = 0x1000,
        WHvRunVpExitReasonX64Cpuid = 0x1001,
        WHvRunVpExitReasonException = 0x1002,
        WHvRunVpExitReasonX64Rdtsc = 0x1003,
        WHvRunVpExitReasonX64ApicSmiTrap = 0x1004,
        WHvRunVpExitReasonHypercall = 0x1005,
        WHvRunVpExitReasonX64ApicInitSipiTrap = 0x1006,
        WHvRunVpExitReasonX64ApicWriteTrap = 0x1007,
        WHvRunVpExitReasonCanceled = 0x2001,
    }
}

block! {
    /// Execution state at an exit.
    pub struct WHV_X64_VP_EXECUTION_STATE: 2 bytes, align 2 {
        Cpl, set_Cpl: u16 = 0 bits 0, 2;
        Cr0Pe, set_Cr0Pe: u16 = 0 bits 2, 1;
        Cr0Am, set_Cr0Am: u16 = 0 bits 3, 1;
        EferLma, set_EferLma: u16 = 0 bits 4, 1;
        DebugActive, set_DebugActive: u16 = 0 bits 5, 1;
        InterruptionPending, set_InterruptionPending: u16 = 0 bits 6, 1;
        Reserved0, set_Reserved0: u16 = 0 bits 7, 5;
        InterruptShadow, set_InterruptShadow: u16 = 0 bits 12, 1;
        Reserved1, set_Reserved1: u16 = 0 bits 13, 3;
        AsUINT16, set_AsUINT16: u16 = 0;
    }
}

block! {
    /// State that every x64 exit carries.
    pub struct WHV_X64_VP_EXIT_CONTEXT: 40 bytes, align 8 {
        ExecutionState, set_ExecutionState: WHV_X64_VP_EXECUTION_STATE = 0;
        InstructionLength, set_InstructionLength: u8 = 2 bits 0, 4;
        Cr8, set_Cr8: u8 = 2 bits 4, 4;
        Reserved, set_Reserved: u8 = 3;
        Reserved2, set_Reserved2: u32 = 4;
        Cs, set_Cs: WHV_X64_SEGMENT_REGISTER = 8;
        Rip, set_Rip: u64 = 24;
        Rflags, set_Rflags: u64 = 32;
    }
}

/// State that every exit carries.
pub type WHV_VP_EXIT_CONTEXT = WHV_X64_VP_EXIT_CONTEXT;

record! {
    /// Payload of the exit that reports free message slots.
    pub struct WHV_SYNIC_SINT_DELIVERABLE_CONTEXT {
        DeliverableSints: u16,
        Reserved1: u16,
        Reserved2: u32,
    }
}

block! {
    /// Facts about an intercepted memory access.
    pub struct WHV_MEMORY_ACCESS_INFO: 4 bytes, align 4 {
        AccessType, set_AccessType: u32 = 0 bits 0, 2;
        GpaUnmapped, set_GpaUnmapped: u32 = 0 bits 2, 1;
        GvaValid, set_GvaValid: u32 = 0 bits 3, 1;
        Reserved, set_Reserved: u32 = 0 bits 4, 28;
        AsUINT32, set_AsUINT32: u32 = 0;
    }
}

record! {
    /// Payload of the memory-access exit.
    pub struct WHV_MEMORY_ACCESS_CONTEXT {
        InstructionByteCount: u8,
        Reserved: [u8; 3],
        InstructionBytes: [u8; 16],
        AccessInfo: WHV_MEMORY_ACCESS_INFO,
        Gpa: WHV_GUEST_PHYSICAL_ADDRESS,
        Gva: WHV_GUEST_VIRTUAL_ADDRESS,
    }
}

block! {
    /// Facts about an intercepted port access.
    pub struct WHV_X64_IO_PORT_ACCESS_INFO: 4 bytes, align 4 {
        IsWrite, set_IsWrite: u32 = 0 bits 0, 1;
        AccessSize, set_AccessSize: u32 = 0 bits 1, 3;
        StringOp, set_StringOp: u32 = 0 bits 4, 1;
        RepPrefix, set_RepPrefix: u32 = 0 bits 5, 1;
        Reserved, set_Reserved: u32 = 0 bits 6, 26;
        AsUINT32, set_AsUINT32: u32 = 0;
    }
}

record! {
    /// Payload of the port-access exit.
    pub struct WHV_X64_IO_PORT_ACCESS_CONTEXT {
        InstructionByteCount: u8,
        Reserved: [u8; 3],
        InstructionBytes: [u8; 16],
        AccessInfo: WHV_X64_IO_PORT_ACCESS_INFO,
        PortNumber: u16,
        Reserved2: [u16; 3],
        Rax: u64,
        Rcx: u64,
        Rsi: u64,
        Rdi: u64,
        Ds: WHV_X64_SEGMENT_REGISTER,
        Es: WHV_X64_SEGMENT_REGISTER,
    }
}

block! {
    /// Direction of an intercepted MSR access.
    pub struct WHV_X64_MSR_ACCESS_INFO: 4 bytes, align 4 {
        IsWrite, set_IsWrite: u32 = 0 bits 0, 1;
        Reserved, set_Reserved: u32 = 0 bits 1, 31;
        AsUINT32, set_AsUINT32: u32 = 0;
    }
}

record! {
    /// Payload of the MSR-access exit.
    pub struct WHV_X64_MSR_ACCESS_CONTEXT {
        AccessInfo: WHV_X64_MSR_ACCESS_INFO,
        MsrNumber: u32,
        Rax: u64,
        Rdx: u64,
    }
}

record! {
    /// Payload of the CPUID exit.
    pub struct WHV_X64_CPUID_ACCESS_CONTEXT {
        Rax: u64,
        Rcx: u64,
        Rdx: u64,
        Rbx: u64,
        DefaultResultRax: u64,
        DefaultResultRcx: u64,
        DefaultResultRdx: u64,
        DefaultResultRbx: u64,
    }
}

block! {
    /// Facts about an intercepted exception.
    pub struct WHV_VP_EXCEPTION_INFO: 4 bytes, align 4 {
        ErrorCodeValid, set_ErrorCodeValid: u32 = 0 bits 0, 1;
        SoftwareException, set_SoftwareException: u32 = 0 bits 1, 1;
        Reserved, set_Reserved: u32 = 0 bits 2, 30;
        AsUINT32, set_AsUINT32: u32 = 0;
    }
}

record! {
    /// Payload of the exception exit.
    pub struct WHV_VP_EXCEPTION_CONTEXT {
        InstructionByteCount: u8,
        Reserved: [u8; 3],
        InstructionBytes: [u8; 16],
        ExceptionInfo: WHV_VP_EXCEPTION_INFO,
        ExceptionType: u8,
        Reserved2: [u8; 3],
        ErrorCode: u32,
        ExceptionParameter: u64,
    }
}

enumeration! {
    /// Feature that could not be virtualised.
    pub struct WHV_X64_UNSUPPORTED_FEATURE_CODE {
        WHvUnsupportedFeatureIntercept = 1,
        WHvUnsupportedFeatureTaskSwitchTss = 2,
    }
}

record! {
    /// Payload of the unsupported-feature exit.
    pub struct WHV_X64_UNSUPPORTED_FEATURE_CONTEXT {
        FeatureCode: WHV_X64_UNSUPPORTED_FEATURE_CODE,
        Reserved: u32,
        FeatureParameter: u64,
    }
}

enumeration! {
    /// Kind of pending interruption.
    pub struct WHV_X64_PENDING_INTERRUPTION_TYPE {
        WHvX64PendingInterrupt = 0,
        WHvX64PendingNmi = 2,
        WHvX64PendingException = 3,
    }
}

/// Pointer to [`WHV_X64_PENDING_INTERRUPTION_TYPE`].
pub type PWHV_X64_PENDING_INTERRUPTION_TYPE = *mut WHV_X64_PENDING_INTERRUPTION_TYPE;

record! {
    /// Payload of the interrupt-window exit.
    pub struct WHV_X64_INTERRUPTION_DELIVERABLE_CONTEXT {
        DeliverableType: WHV_X64_PENDING_INTERRUPTION_TYPE,
    }
}

/// Pointer to [`WHV_X64_INTERRUPTION_DELIVERABLE_CONTEXT`].
pub type PWHV_X64_INTERRUPTION_DELIVERABLE_CONTEXT = *mut WHV_X64_INTERRUPTION_DELIVERABLE_CONTEXT;

record! {
    /// Payload of the exit after an EOI of a level-triggered vector.
    pub struct WHV_X64_APIC_EOI_CONTEXT {
        InterruptVector: u32,
    }
}

block! {
    /// Which time-stamp instruction exited.
    pub struct WHV_X64_RDTSC_INFO: 8 bytes, align 8 {
        IsRdtscp, set_IsRdtscp: u64 = 0 bits 0, 1;
        Reserved, set_Reserved: u64 = 0 bits 1, 63;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

record! {
    /// Payload of the RDTSC exit. `ReferenceTime` counts 100 ns.
    pub struct WHV_X64_RDTSC_CONTEXT {
        TscAux: u64,
        VirtualOffset: u64,
        Tsc: u64,
        ReferenceTime: u64,
        RdtscInfo: WHV_X64_RDTSC_INFO,
    }
}

record! {
    /// Payload of the exit for an SMI written to the ICR.
    pub struct WHV_X64_APIC_SMI_CONTEXT {
        ApicIcr: u64,
    }
}

record! {
    /// Payload of the x64 hypercall exit.
    pub struct WHV_X64_HYPERCALL_CONTEXT {
        Rax: u64,
        Rbx: u64,
        Rcx: u64,
        Rdx: u64,
        R8: u64,
        Rsi: u64,
        Rdi: u64,
        Reserved0: u64,
        XmmRegisters: [WHV_UINT128; 6],
        Reserved1: [u64; 2],
    }
}

/// Payload of the hypercall exit.
pub type WHV_HYPERCALL_CONTEXT = WHV_X64_HYPERCALL_CONTEXT;

/// Pointer to [`WHV_HYPERCALL_CONTEXT`].
pub type PWHV_HYPERCALL_CONTEXT = *mut WHV_X64_HYPERCALL_CONTEXT;

record! {
    /// Payload of the exit for an INIT or SIPI written to the ICR.
    pub struct WHV_X64_APIC_INIT_SIPI_CONTEXT {
        ApicIcr: u64,
    }
}

enumeration! {
    /// APIC register whose write exited, by its offset in the page.
    pub struct WHV_X64_APIC_WRITE_TYPE {
        WHvX64ApicWriteTypeLdr = 0xD0,
        WHvX64ApicWriteTypeDfr = 0xE0,
        WHvX64ApicWriteTypeSvr = 0xF0,
        WHvX64ApicWriteTypeLint0 = 0x350,
        WHvX64ApicWriteTypeLint1 = 0x360,
    }
}

record! {
    /// Payload of the APIC-write exit.
    pub struct WHV_X64_APIC_WRITE_CONTEXT {
        Type: WHV_X64_APIC_WRITE_TYPE,
        Reserved: u32,
        WriteValue: u64,
    }
}

block! {
    /// Exit context that `WHvRunVirtualProcessor` fills.
    pub struct WHV_RUN_VP_EXIT_CONTEXT: 224 bytes, align 16 {
        ExitReason, set_ExitReason: WHV_RUN_VP_EXIT_REASON = 0;
        Reserved, set_Reserved: u32 = 4;
        VpContext, set_VpContext: WHV_VP_EXIT_CONTEXT = 8;
        MemoryAccess, set_MemoryAccess: WHV_MEMORY_ACCESS_CONTEXT = 48;
        CancelReason, set_CancelReason: WHV_RUN_VP_CANCELED_CONTEXT = 48;
        Hypercall, set_Hypercall: WHV_HYPERCALL_CONTEXT = 48;
        SynicSintDeliverable, set_SynicSintDeliverable: WHV_SYNIC_SINT_DELIVERABLE_CONTEXT = 48;
        IoPortAccess, set_IoPortAccess: WHV_X64_IO_PORT_ACCESS_CONTEXT = 48;
        MsrAccess, set_MsrAccess: WHV_X64_MSR_ACCESS_CONTEXT = 48;
        CpuidAccess, set_CpuidAccess: WHV_X64_CPUID_ACCESS_CONTEXT = 48;
        VpException, set_VpException: WHV_VP_EXCEPTION_CONTEXT = 48;
        InterruptWindow, set_InterruptWindow: WHV_X64_INTERRUPTION_DELIVERABLE_CONTEXT = 48;
        UnsupportedFeature, set_UnsupportedFeature: WHV_X64_UNSUPPORTED_FEATURE_CONTEXT = 48;
        ApicEoi, set_ApicEoi: WHV_X64_APIC_EOI_CONTEXT = 48;
        ReadTsc, set_ReadTsc: WHV_X64_RDTSC_CONTEXT = 48;
        ApicSmi, set_ApicSmi: WHV_X64_APIC_SMI_CONTEXT = 48;
        ApicInitSipi, set_ApicInitSipi: WHV_X64_APIC_INIT_SIPI_CONTEXT = 48;
        ApicWrite, set_ApicWrite: WHV_X64_APIC_WRITE_CONTEXT = 48;
        AsUINT64, set_AsUINT64: [u64; 22] = 48;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_RUN_VP_EXIT_REASON>("WHV_RUN_VP_EXIT_REASON"),
    WHV_X64_VP_EXECUTION_STATE::RECORD,
    WHV_X64_VP_EXIT_CONTEXT::RECORD,
    Record::plain::<WHV_VP_EXIT_CONTEXT>("WHV_VP_EXIT_CONTEXT"),
    WHV_SYNIC_SINT_DELIVERABLE_CONTEXT::RECORD,
    WHV_MEMORY_ACCESS_INFO::RECORD,
    WHV_MEMORY_ACCESS_CONTEXT::RECORD,
    WHV_X64_IO_PORT_ACCESS_INFO::RECORD,
    WHV_X64_IO_PORT_ACCESS_CONTEXT::RECORD,
    WHV_X64_MSR_ACCESS_INFO::RECORD,
    WHV_X64_MSR_ACCESS_CONTEXT::RECORD,
    WHV_X64_CPUID_ACCESS_CONTEXT::RECORD,
    WHV_VP_EXCEPTION_INFO::RECORD,
    WHV_VP_EXCEPTION_CONTEXT::RECORD,
    Record::plain::<WHV_X64_UNSUPPORTED_FEATURE_CODE>("WHV_X64_UNSUPPORTED_FEATURE_CODE"),
    WHV_X64_UNSUPPORTED_FEATURE_CONTEXT::RECORD,
    Record::plain::<WHV_X64_PENDING_INTERRUPTION_TYPE>("WHV_X64_PENDING_INTERRUPTION_TYPE"),
    Record::plain::<PWHV_X64_PENDING_INTERRUPTION_TYPE>("PWHV_X64_PENDING_INTERRUPTION_TYPE"),
    WHV_X64_INTERRUPTION_DELIVERABLE_CONTEXT::RECORD,
    Record::plain::<PWHV_X64_INTERRUPTION_DELIVERABLE_CONTEXT>("PWHV_X64_INTERRUPTION_DELIVERABLE_CONTEXT"),
    WHV_X64_APIC_EOI_CONTEXT::RECORD,
    WHV_X64_RDTSC_INFO::RECORD,
    WHV_X64_RDTSC_CONTEXT::RECORD,
    WHV_X64_APIC_SMI_CONTEXT::RECORD,
    WHV_X64_HYPERCALL_CONTEXT::RECORD,
    Record::plain::<WHV_HYPERCALL_CONTEXT>("WHV_HYPERCALL_CONTEXT"),
    Record::plain::<PWHV_HYPERCALL_CONTEXT>("PWHV_HYPERCALL_CONTEXT"),
    WHV_X64_APIC_INIT_SIPI_CONTEXT::RECORD,
    Record::plain::<WHV_X64_APIC_WRITE_TYPE>("WHV_X64_APIC_WRITE_TYPE"),
    WHV_X64_APIC_WRITE_CONTEXT::RECORD,
    WHV_RUN_VP_EXIT_CONTEXT::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[
    WHV_RUN_VP_EXIT_REASON::ENUMERATION,
    WHV_X64_UNSUPPORTED_FEATURE_CODE::ENUMERATION,
    WHV_X64_PENDING_INTERRUPTION_TYPE::ENUMERATION,
    WHV_X64_APIC_WRITE_TYPE::ENUMERATION,
];
