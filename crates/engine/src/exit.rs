//! What a virtual processor hands back when it leaves `run`.
//!
//! Every exit is a plain copy of what happened: changing it changes nothing, and the answer to an exit is given
//! by register writes before the next run.

use crate::Gpa;
use crate::Gva;
use crate::SegmentRegister;

/// One exit of a virtual processor.
///
/// # Source
/// WHP `WHV_RUN_VP_EXIT_CONTEXT`.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[non_exhaustive]
pub struct Exit {
    /// The state every exit reports.
    pub vp: VpContext,
    /// Why the processor left, with the details of that reason.
    pub reason: ExitReason,
}

impl Exit {
    /// An exit of the given reason and state.
    pub fn new(vp: VpContext, reason: ExitReason) -> Self {
        Self { vp, reason }
    }
}

/// Processor state common to all exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct VpContext {
    /// Privilege, mode and event state.
    pub execution: ExecutionState,
    /// Length of the instruction in bytes where the exit defines one, else 0.
    pub instruction_length: u8,
    /// Task priority, bits 7:4 of the TPR.
    pub cr8: u8,
    /// Code segment.
    pub cs: SegmentRegister,
    /// Instruction pointer; each reason says which instruction it names.
    pub rip: u64,
    /// Flags register.
    pub rflags: u64,
}

bitflags::bitflags! {
    /// Execution state word of an exit (`WHV_X64_VP_EXECUTION_STATE`). Bits 1:0 are the privilege level.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct ExecutionState: u16 {
        /// Both bits of the current privilege level.
        const CPL = 0x3;
        /// CR0.PE.
        const CR0_PE = 1 << 2;
        /// CR0.AM.
        const CR0_AM = 1 << 3;
        /// EFER.LMA.
        const EFER_LMA = 1 << 4;
        /// A breakpoint is enabled in DR7.
        const DEBUG_ACTIVE = 1 << 5;
        /// An event was being delivered when the exit occurred.
        const INTERRUPTION_PENDING = 1 << 6;
        /// The interrupt shadow of STI or MOV SS is active.
        const INTERRUPT_SHADOW = 1 << 12;
    }
}

impl ExecutionState {
    /// Current privilege level, 0 to 3.
    pub fn cpl(self) -> u8 {
        (self.bits() & 3) as u8
    }
}

/// Why a processor left `run`.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[non_exhaustive]
pub enum ExitReason {
    /// No exit; never returned by a successful run.
    #[default]
    None,
    /// An access to a guest physical address that is not mapped or not permitted. RIP is at the instruction.
    MemoryAccess(MemoryAccess),
    /// A port access. RIP is at the instruction.
    IoPort(IoPortAccess),
    /// A triple fault or shutdown.
    UnrecoverableException,
    /// The processor cannot be entered with the state it has.
    InvalidVpRegisterValue,
    /// The guest used something the engine cannot do.
    UnsupportedFeature(UnsupportedFeature),
    /// A requested interrupt or NMI window opened.
    InterruptWindow(DeliverableType),
    /// HLT without an emulated local APIC. RIP is behind the instruction.
    Halt,
    /// The guest finished a level-triggered interrupt; the vector.
    ApicEoi(u8),
    /// A synthetic interrupt source can take a message; one bit per source.
    SynicSintDeliverable(u16),
    /// RDMSR or WRMSR. RIP is at the instruction.
    Msr(MsrAccess),
    /// CPUID. RIP is at the instruction.
    Cpuid(CpuidAccess),
    /// An exception selected by the exception bitmap; not delivered.
    Exception(VpException),
    /// RDTSC or RDTSCP. RIP is at the instruction.
    Rdtsc(RdtscAccess),
    /// An interrupt command with delivery mode SMI; the value written.
    ApicSmi(u64),
    /// VMCALL or VMMCALL. RIP is at the instruction.
    Hypercall(HypercallAccess),
    /// An interrupt command with delivery mode INIT or start-up; the 64-bit value written.
    ApicInitSipi(u64),
    /// A trapped write to a local APIC register; already applied.
    ApicWrite(ApicWrite),
    /// A cancel request.
    Canceled,
    /// The alarm set on this processor went off. An extension: it never happens unless an alarm was set.
    Alarm,
}

impl ExitReason {
    /// The interface's number of this reason (`WHV_RUN_VP_EXIT_REASON`); the alarm extension has none and gives 0.
    pub fn code(&self) -> u32 {
        match self {
            ExitReason::None | ExitReason::Alarm => 0,
            ExitReason::MemoryAccess(_) => 0x1,
            ExitReason::IoPort(_) => 0x2,
            ExitReason::UnrecoverableException => 0x4,
            ExitReason::InvalidVpRegisterValue => 0x5,
            ExitReason::UnsupportedFeature(_) => 0x6,
            ExitReason::InterruptWindow(_) => 0x7,
            ExitReason::Halt => 0x8,
            ExitReason::ApicEoi(_) => 0x9,
            ExitReason::SynicSintDeliverable(_) => 0xA,
            ExitReason::Msr(_) => 0x1000,
            ExitReason::Cpuid(_) => 0x1001,
            ExitReason::Exception(_) => 0x1002,
            ExitReason::Rdtsc(_) => 0x1003,
            ExitReason::ApicSmi(_) => 0x1004,
            ExitReason::Hypercall(_) => 0x1005,
            ExitReason::ApicInitSipi(_) => 0x1006,
            ExitReason::ApicWrite(_) => 0x1007,
            ExitReason::Canceled => 0x2001,
        }
    }
}

/// Up to 16 bytes of the instruction at RIP; may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct InstructionBytes {
    /// Number of valid bytes, at most 16.
    pub count: u8,
    /// The bytes; those behind `count` are zero.
    pub bytes: [u8; 16],
}

impl InstructionBytes {
    /// The valid bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.count.min(16))]
    }
}

impl From<&[u8]> for InstructionBytes {
    /// Takes at most the first 16 bytes.
    fn from(bytes: &[u8]) -> Self {
        let mut result = Self::default();
        let count = bytes.len().min(16);
        result.bytes[..count].copy_from_slice(&bytes[..count]);
        result.count = count as u8;
        result
    }
}

/// Kind of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum AccessType {
    /// A data read.
    #[default]
    Read = 0,
    /// A data write.
    Write = 1,
    /// An instruction fetch.
    Execute = 2,
}

/// Details of [`ExitReason::MemoryAccess`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MemoryAccess {
    /// Bytes at RIP, possibly none.
    pub instruction: InstructionBytes,
    /// Kind of access.
    pub access: AccessType,
    /// True if nothing is mapped there, false if the mapping or the host page refuses the access.
    pub is_gpa_unmapped: bool,
    /// Exact address of the first byte that could not be accessed.
    pub gpa: Gpa,
    /// Linear address, when known.
    pub gva: Option<Gva>,
}

/// Details of [`ExitReason::IoPort`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct IoPortAccess {
    /// Bytes at RIP, possibly none.
    pub instruction: InstructionBytes,
    /// True for OUT and OUTS.
    pub is_write: bool,
    /// Width in bytes: 1, 2 or 4.
    pub size: u8,
    /// INS or OUTS.
    pub is_string: bool,
    /// With a repeat prefix.
    pub has_rep_prefix: bool,
    /// Port number.
    pub port: u16,
    /// RAX before the instruction.
    pub rax: u64,
    /// RCX before the instruction.
    pub rcx: u64,
    /// RSI before the instruction.
    pub rsi: u64,
    /// RDI before the instruction.
    pub rdi: u64,
    /// Data segment.
    pub ds: SegmentRegister,
    /// Extra segment.
    pub es: SegmentRegister,
}

/// Details of [`ExitReason::Msr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MsrAccess {
    /// True for WRMSR.
    pub is_write: bool,
    /// The register's number (ECX).
    pub msr: u32,
    /// RAX before the instruction.
    pub rax: u64,
    /// RDX before the instruction.
    pub rdx: u64,
}

/// The four registers CPUID gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct CpuidOutput {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

/// Details of [`ExitReason::Cpuid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CpuidAccess {
    /// RAX before the instruction.
    pub rax: u64,
    /// RCX before the instruction.
    pub rcx: u64,
    /// RDX before the instruction.
    pub rdx: u64,
    /// RBX before the instruction.
    pub rbx: u64,
    /// What the processor would have answered.
    pub default: CpuidOutput,
}

/// Details of [`ExitReason::Exception`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct VpException {
    /// Bytes at RIP, possibly none.
    pub instruction: InstructionBytes,
    /// Vector, 0 to 31.
    pub vector: u8,
    /// Error code, for the exceptions that have one.
    pub error_code: Option<u32>,
    /// Raised by INT3, INTO or INT1.
    pub is_software: bool,
    /// Faulting linear address of a page fault, pending DR6 bits of a debug exception, else 0.
    pub parameter: u64,
}

/// Details of [`ExitReason::Rdtsc`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RdtscAccess {
    /// IA32_TSC_AUX.
    pub tsc_aux: u64,
    /// Offset of this processor's TSC.
    pub virtual_offset: u64,
    /// The value the guest would read.
    pub tsc: u64,
    /// Partition reference time in units of 100 ns.
    pub reference_time_100ns: u64,
    /// RDTSCP rather than RDTSC.
    pub is_rdtscp: bool,
}

/// Details of [`ExitReason::Hypercall`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HypercallAccess {
    /// RAX.
    pub rax: u64,
    /// RBX.
    pub rbx: u64,
    /// RCX.
    pub rcx: u64,
    /// RDX.
    pub rdx: u64,
    /// R8.
    pub r8: u64,
    /// RSI.
    pub rsi: u64,
    /// RDI.
    pub rdi: u64,
    /// XMM0 to XMM5.
    pub xmm: [u128; 6],
}

/// A local APIC register whose writes can be trapped, by its xAPIC offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum ApicWriteType {
    /// Logical destination.
    Ldr = 0xD0,
    /// Destination format.
    Dfr = 0xE0,
    /// Spurious vector.
    Svr = 0xF0,
    /// Local interrupt 0.
    Lint0 = 0x350,
    /// Local interrupt 1.
    Lint1 = 0x360,
}

/// Details of [`ExitReason::ApicWrite`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApicWrite {
    /// The register.
    pub register: ApicWriteType,
    /// The value written, already applied.
    pub value: u64,
}

/// What became deliverable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum DeliverableType {
    /// A maskable interrupt.
    Interrupt = 0,
    /// A non-maskable interrupt.
    Nmi = 2,
}

/// Details of [`ExitReason::UnsupportedFeature`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsupportedFeature {
    /// 1 intercept, 2 task switch.
    pub code: u32,
    /// Depends on the code.
    pub parameter: u64,
}
