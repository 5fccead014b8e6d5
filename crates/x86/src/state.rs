//! The architectural state of one virtual processor, and the few derived words the hot path reads.
//!
//! Everything an instruction can name lives here as plain data, so that saving, restoring, resetting and
//! comparing a processor is copying fields. Fields marked *derived* follow from others; after changing
//! control registers, segments or `rflags` from outside call [`crate::Cpu::refresh`].

use crate::flags::Flags;
use crate::mem::tlb::Views;

/// Index of RAX in [`VpState::gpr`]; the others follow in encoding order.
pub const RAX: usize = 0;
/// Index of RCX.
pub const RCX: usize = 1;
/// Index of RDX.
pub const RDX: usize = 2;
/// Index of RBX.
pub const RBX: usize = 3;
/// Index of RSP.
pub const RSP: usize = 4;
/// Index of RBP.
pub const RBP: usize = 5;
/// Index of RSI.
pub const RSI: usize = 6;
/// Index of RDI.
pub const RDI: usize = 7;
/// A pseudo register that always reads zero: the base or index of an address that has none.
pub const ZERO: usize = 16;

/// Segment register indices in encoding order; LDTR and TR follow.
pub const ES: usize = 0;
/// Code segment.
pub const CS: usize = 1;
/// Stack segment.
pub const SS: usize = 2;
/// Data segment.
pub const DS: usize = 3;
/// FS.
pub const FS: usize = 4;
/// GS.
pub const GS: usize = 5;
/// Local descriptor table register.
pub const LDTR: usize = 6;
/// Task register.
pub const TR: usize = 7;

/// RFLAGS bits that are not arithmetic flags (Intel SDM 1 "EFLAGS Register").
pub mod rflags {
    /// Carry.
    pub const CF: u64 = 1 << 0;
    /// Always one.
    pub const ONE: u64 = 1 << 1;
    /// Parity.
    pub const PF: u64 = 1 << 2;
    /// Auxiliary carry.
    pub const AF: u64 = 1 << 4;
    /// Zero.
    pub const ZF: u64 = 1 << 6;
    /// Sign.
    pub const SF: u64 = 1 << 7;
    /// Trap.
    pub const TF: u64 = 1 << 8;
    /// Interrupt enable.
    pub const IF: u64 = 1 << 9;
    /// Direction.
    pub const DF: u64 = 1 << 10;
    /// Overflow.
    pub const OF: u64 = 1 << 11;
    /// I/O privilege level, two bits.
    pub const IOPL: u64 = 3 << 12;
    /// Nested task.
    pub const NT: u64 = 1 << 14;
    /// Resume.
    pub const RF: u64 = 1 << 16;
    /// Virtual-8086 mode.
    pub const VM: u64 = 1 << 17;
    /// Alignment check / access control.
    pub const AC: u64 = 1 << 18;
    /// Virtual interrupt flag.
    pub const VIF: u64 = 1 << 19;
    /// Virtual interrupt pending.
    pub const VIP: u64 = 1 << 20;
    /// CPUID can be toggled.
    pub const ID: u64 = 1 << 21;
    /// The six arithmetic flags.
    pub const ARITH: u64 = CF | PF | AF | ZF | SF | OF;
}

/// CR0 bits (Intel SDM 3A "Control Registers").
pub mod cr0 {
    /// Protection enable.
    pub const PE: u64 = 1 << 0;
    /// Monitor coprocessor.
    pub const MP: u64 = 1 << 1;
    /// Emulation.
    pub const EM: u64 = 1 << 2;
    /// Task switched.
    pub const TS: u64 = 1 << 3;
    /// Extension type, reads one.
    pub const ET: u64 = 1 << 4;
    /// Numeric error.
    pub const NE: u64 = 1 << 5;
    /// Write protect.
    pub const WP: u64 = 1 << 16;
    /// Alignment mask.
    pub const AM: u64 = 1 << 18;
    /// Not write-through.
    pub const NW: u64 = 1 << 29;
    /// Cache disable.
    pub const CD: u64 = 1 << 30;
    /// Paging.
    pub const PG: u64 = 1 << 31;
}

/// CR4 bits (Intel SDM 3A "Control Registers").
pub mod cr4 {
    /// Virtual-8086 mode extensions.
    pub const VME: u64 = 1 << 0;
    /// Protected-mode virtual interrupts.
    pub const PVI: u64 = 1 << 1;
    /// Time stamp disable.
    pub const TSD: u64 = 1 << 2;
    /// Debugging extensions.
    pub const DE: u64 = 1 << 3;
    /// Page size extensions.
    pub const PSE: u64 = 1 << 4;
    /// Physical address extension.
    pub const PAE: u64 = 1 << 5;
    /// Machine-check enable.
    pub const MCE: u64 = 1 << 6;
    /// Page global enable.
    pub const PGE: u64 = 1 << 7;
    /// Performance-monitoring counter enable.
    pub const PCE: u64 = 1 << 8;
    /// OS support for FXSAVE and FXRSTOR.
    pub const OSFXSR: u64 = 1 << 9;
    /// OS support for unmasked SIMD exceptions.
    pub const OSXMMEXCPT: u64 = 1 << 10;
    /// User-mode instruction prevention.
    pub const UMIP: u64 = 1 << 11;
    /// 57-bit linear addresses.
    pub const LA57: u64 = 1 << 12;
    /// FSGSBASE instructions.
    pub const FSGSBASE: u64 = 1 << 16;
    /// Process-context identifiers.
    pub const PCIDE: u64 = 1 << 17;
    /// XSAVE enabled by the OS.
    pub const OSXSAVE: u64 = 1 << 18;
    /// Supervisor-mode execution prevention.
    pub const SMEP: u64 = 1 << 20;
    /// Supervisor-mode access prevention.
    pub const SMAP: u64 = 1 << 21;
    /// Protection keys for user pages.
    pub const PKE: u64 = 1 << 22;
}

/// EFER bits (Intel SDM 4 "IA32_EFER").
pub mod efer {
    /// SYSCALL enable.
    pub const SCE: u64 = 1 << 0;
    /// Long mode enable.
    pub const LME: u64 = 1 << 8;
    /// Long mode active.
    pub const LMA: u64 = 1 << 10;
    /// No-execute enable.
    pub const NXE: u64 = 1 << 11;
}

/// A segment register with its hidden part.
///
/// `attrs` packs descriptor bits 40-47 in bits 0-7 (type, S, DPL, P) and bits 52-55 in bits 12-15
/// (AVL, L, D/B, G), as the platform API does. `limit` is in bytes, granularity already applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Segment {
    /// Linear base address.
    pub base: u64,
    /// Highest valid offset (lowest minus one for expand-down), in bytes.
    pub limit: u32,
    /// Visible selector.
    pub selector: u16,
    /// Packed access rights.
    pub attrs: u16,
}

impl Segment {
    /// Type field (4 bits).
    #[inline]
    pub fn kind(&self) -> u8 {
        (self.attrs & 0xf) as u8
    }
    /// S bit: code or data rather than system.
    #[inline]
    pub fn is_code_or_data(&self) -> bool {
        self.attrs & 0x10 != 0
    }
    /// Descriptor privilege level.
    #[inline]
    pub fn dpl(&self) -> u8 {
        ((self.attrs >> 5) & 3) as u8
    }
    /// Present (usable).
    #[inline]
    pub fn present(&self) -> bool {
        self.attrs & 0x80 != 0
    }
    /// L bit: 64-bit code.
    #[inline]
    pub fn long(&self) -> bool {
        self.attrs & 0x2000 != 0
    }
    /// D/B bit: 32-bit code or stack.
    #[inline]
    pub fn big(&self) -> bool {
        self.attrs & 0x4000 != 0
    }
    /// Code segment (only meaningful with S = 1).
    #[inline]
    pub fn is_code(&self) -> bool {
        self.attrs & 0x18 == 0x18
    }
    /// Writable data segment.
    #[inline]
    pub fn writable(&self) -> bool {
        self.attrs & 0x1a == 0x12
    }
    /// Readable: data, or code with the R bit.
    #[inline]
    pub fn readable(&self) -> bool {
        self.attrs & 0x18 == 0x10 || self.attrs & 0x1a == 0x1a
    }
    /// Expand-down data segment.
    #[inline]
    pub fn expand_down(&self) -> bool {
        self.attrs & 0x1c == 0x14
    }
    /// Base 0 and a 4 GiB limit, usable, readable and writable or code: no check can fail.
    #[inline]
    pub fn flat_data(&self) -> bool {
        self.base == 0 && self.limit == u32::MAX && self.present() && self.writable() && !self.expand_down()
    }
}

/// GDTR or IDTR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Table {
    /// Linear base address.
    pub base: u64,
    /// Highest valid byte offset.
    pub limit: u16,
}

/// What the processor is doing instead of executing (Intel SDM 3C "Activity State").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Activity {
    /// Executing instructions.
    #[default]
    Active = 0,
    /// Stopped by HLT.
    Halted = 1,
    /// Waiting for a start-up IPI.
    WaitForSipi = 2,
    /// Triple fault.
    Shutdown = 3,
}

/// Model-specific registers that are plain storage for the interpreter or for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsrBlock {
    /// IA32_STAR.
    pub star: u64,
    /// IA32_LSTAR.
    pub lstar: u64,
    /// IA32_CSTAR.
    pub cstar: u64,
    /// IA32_FMASK.
    pub sfmask: u64,
    /// IA32_KERNEL_GS_BASE.
    pub kernel_gs_base: u64,
    /// IA32_TSC_AUX.
    pub tsc_aux: u64,
    /// IA32_SYSENTER_CS.
    pub sysenter_cs: u64,
    /// IA32_SYSENTER_ESP.
    pub sysenter_esp: u64,
    /// IA32_SYSENTER_EIP.
    pub sysenter_eip: u64,
    /// IA32_PAT.
    pub pat: u64,
    /// IA32_MTRR_DEF_TYPE.
    pub mtrr_def_type: u64,
    /// IA32_MTRR_PHYSBASEn and PHYSMASKn, in pairs (16 variable ranges at most).
    pub mtrr_var: [[u64; 2]; 16],
    /// The eleven fixed-range MTRRs in address order (64K, 16K x 2, 4K x 8).
    pub mtrr_fix: [u64; 11],
    /// IA32_MISC_ENABLE.
    pub misc_enable: u64,
    /// IA32_SPEC_CTRL.
    pub spec_ctrl: u64,
    /// IA32_UMWAIT_CONTROL.
    pub umwait_control: u64,
    /// IA32_MPERF less the active ticks.
    pub mperf_offset: u64,
    /// IA32_APERF less the active ticks.
    pub aperf_offset: u64,
    /// IA32_XSS.
    pub xss: u64,
    /// IA32_TSC_ADJUST.
    pub tsc_adjust: u64,
    /// IA32_BIOS_SIGN_ID.
    pub ucode_rev: u64,
    /// IA32_DEBUGCTL.
    pub debugctl: u64,
    /// IA32_FEATURE_CONTROL.
    pub feature_control: u64,
    /// IA32_MCG_STATUS.
    pub mcg_status: u64,
}

impl Default for MsrBlock {
    fn default() -> Self {
        MsrBlock {
            star: 0,
            lstar: 0,
            cstar: 0,
            sfmask: 0,
            kernel_gs_base: 0,
            tsc_aux: 0,
            sysenter_cs: 0,
            sysenter_esp: 0,
            sysenter_eip: 0,
            pat: 0x0007_0406_0007_0406,
            mtrr_def_type: 0,
            mtrr_var: [[0; 2]; 16],
            mtrr_fix: [0; 11],
            // Fast strings; no branch trace, no precise events.
            misc_enable: 0x1801,
            spec_ctrl: 0,
            umwait_control: 0,
            mperf_offset: 0,
            aperf_offset: 0,
            xss: 0,
            tsc_adjust: 0,
            ucode_rev: 0,
            debugctl: 0,
            feature_control: 1,
            mcg_status: 0,
        }
    }
}

/// x87 state with the register file in *physical* order; ST(i) is `st[(top + i) & 7]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct X87 {
    /// Physical registers R0-R7: 80-bit images in the low 10 bytes.
    pub st: [[u8; 16]; 8],
    /// Control word.
    pub fcw: u16,
    /// Status word (TOP in bits 11-13).
    pub fsw: u16,
    /// Abridged tag word by physical register: bit set = not empty.
    pub ftw: u8,
    /// Last opcode (11 bits).
    pub fop: u16,
    /// Last instruction pointer.
    pub fip: u64,
    /// Last instruction's code selector.
    pub fcs: u16,
    /// Last data pointer.
    pub fdp: u64,
    /// Last data selector.
    pub fds: u16,
}

impl Default for X87 {
    fn default() -> Self {
        X87 { st: [[0; 16]; 8], fcw: 0x37f, fsw: 0, ftw: 0, fop: 0, fip: 0, fcs: 0, fdp: 0, fds: 0 }
    }
}

impl X87 {
    /// TOP field of the status word.
    #[inline]
    pub fn top(&self) -> usize {
        usize::from((self.fsw >> 11) & 7)
    }
}

/// Vector, mask and x87 state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct VectorState {
    /// ZMM0-31, low lanes first; XMM and YMM are their low 16 and 32 bytes.
    pub zmm: [[u8; 64]; 32],
    /// Opmask registers K0-K7.
    pub k: [u64; 8],
    /// x87 and MMX.
    pub x87: X87,
    /// MXCSR.
    pub mxcsr: u32,
    /// Mask of MXCSR bits the guest may set.
    pub mxcsr_mask: u32,
    /// PKRU (XSAVE component 9).
    pub pkru: u32,
    /// XINUSE: components that may differ from their initial configuration. Conservative: a set bit is
    /// always allowed for x87 and SSE, and the XSAVE code recomputes the rest by looking.
    pub xinuse: u64,
}

impl Default for VectorState {
    fn default() -> Self {
        VectorState {
            zmm: [[0; 64]; 32],
            k: [0; 8],
            x87: X87::default(),
            mxcsr: 0x1f80,
            mxcsr_mask: 0x2_ffff,
            pkru: 0,
            xinuse: 0,
        }
    }
}

/// An event waiting to be delivered through the IDT, or the one whose delivery was interrupted by an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What kind of event: decides privilege checks, the pushed RIP and double-fault logic.
    pub kind: EventKind,
    /// IDT vector.
    pub vector: u8,
    /// Error code to push, if the event has one.
    pub error: Option<u32>,
    /// CR2 value for page faults, DR6 bits for debug exceptions; applied at delivery.
    pub param: u64,
    /// Length of the instruction for software events (pushed RIP = RIP + length).
    pub length: u8,
}

/// Source of an [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// External interrupt, already acknowledged.
    Interrupt,
    /// Non-maskable interrupt.
    Nmi,
    /// Processor-detected exception (fault, trap or abort).
    Exception,
    /// INT n: gate DPL is checked.
    SoftInt,
    /// INT3 or INTO: gate DPL is checked, counts as an exception for the intercept bitmap.
    SoftException,
    /// INT1 (ICEBP): no DPL check.
    PrivSoftException,
}

/// Interrupt- and debug-related conditions at the next boundary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventState {
    /// Event to deliver before anything else (injection, or delivery that was cut short by an exit).
    pub inject: Option<Event>,
    /// DR6 bits of trap-type debug exceptions not yet delivered (B0-B3, BS, BT).
    pub debug: u64,
    /// STI or MOV SS shadow covers the next instruction.
    pub shadow: bool,
    /// The shadow came from MOV SS / POP SS: it also holds off debug traps.
    pub shadow_ss: bool,
    /// NMIs are masked until IRET.
    pub nmi_masked: bool,
    /// An interrupt-window exit is wanted: minimum priority class (0 = any).
    pub want_interrupt_window: Option<u8>,
    /// An NMI-window exit is wanted.
    pub want_nmi_window: bool,
}

/// State of one virtual processor.
#[repr(C, align(4096))]
#[derive(Debug)]
pub struct VpState {
    /// General registers in encoding order; index 16 stays zero, the rest is scratch for helpers.
    pub gpr: [u64; 32],
    /// Instruction pointer; valid between instructions of different blocks and at every exit.
    pub rip: u64,
    /// Arithmetic flags, lazily.
    pub flags: Flags,
    /// RFLAGS without the arithmetic flags and bit 1.
    pub sys_flags: u64,
    /// Derived: index of the L1 TLB view data accesses use (0 supervisor, 1 user, 2 supervisor with AC).
    pub view: usize,
    /// Current privilege level.
    pub cpl: u8,
    /// Derived: mode key of blocks decoded in the present mode.
    pub mode_key: u32,
    /// Derived: bits of [`crate::op::need`] that would fault now.
    pub deny: u32,
    /// Segment registers, LDTR, TR.
    pub seg: [Segment; 8],
    /// GDTR.
    pub gdtr: Table,
    /// IDTR.
    pub idtr: Table,
    /// CR0.
    pub cr0: u64,
    /// CR2.
    pub cr2: u64,
    /// CR3.
    pub cr3: u64,
    /// CR4.
    pub cr4: u64,
    /// EFER.
    pub efer: u64,
    /// XCR0.
    pub xcr0: u64,
    /// DR0-DR3.
    pub dr: [u64; 4],
    /// DR6.
    pub dr6: u64,
    /// DR7.
    pub dr7: u64,
    /// PAE page-directory pointers, loaded with CR3.
    pub pdptr: [u64; 4],
    /// MSRs.
    pub msr: MsrBlock,
    /// Pending events.
    pub events: EventState,
    /// Activity state.
    pub activity: Activity,
    /// Retired instructions, parts of long string instructions and delivered events since creation.
    pub icount: u64,
    /// Vector and x87 state.
    pub vec: VectorState,
    /// First-level TLB.
    pub(crate) l1: Views,
}

impl VpState {
    /// RFLAGS as software sees it.
    #[inline]
    pub fn rflags(&self) -> u64 {
        self.sys_flags | self.flags.bits() | rflags::ONE
    }

    /// Replaces RFLAGS without any privilege rule; call [`crate::Cpu::refresh`] afterwards when VM, AC or TF may have changed.
    #[inline]
    pub fn set_rflags(&mut self, v: u64) {
        self.flags.set_bits(v);
        self.sys_flags = v & (0x3f_7fd5 & !rflags::ARITH & !rflags::ONE);
    }

    /// CR0.PE.
    #[inline]
    pub fn protected(&self) -> bool {
        self.cr0 & cr0::PE != 0
    }

    /// Virtual-8086 mode.
    #[inline]
    pub fn v86(&self) -> bool {
        self.sys_flags & rflags::VM != 0
    }

    /// EFER.LMA.
    #[inline]
    pub fn long_mode(&self) -> bool {
        self.efer & efer::LMA != 0
    }

    /// 64-bit code is running.
    #[inline]
    pub fn is64(&self) -> bool {
        self.long_mode() && self.seg[CS].long()
    }

    /// I/O privilege level.
    #[inline]
    pub fn iopl(&self) -> u8 {
        ((self.sys_flags >> 12) & 3) as u8
    }
}
