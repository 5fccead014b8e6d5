//! The processor: its parts, reset, and what follows from control registers and segments. The modules below say how it
//! runs, what happens between instructions, how events are raised, and when translations are dropped.

use crate::block::BlockCache;
use crate::block::CodePage;
use crate::block::RUN_BITS;
use crate::bus::BusSlot;
use crate::env::Env;
use crate::env::Intercepts;
use crate::exec::Cursor;
use crate::exit::CpuExit;
use crate::exit::TrapKind;
use crate::flags::Flags;
use crate::mem::tlb::Views;
use crate::model::CpuModel;
use crate::op::need;
use crate::state::*;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

mod boundary;
mod lasting;
mod mode;
mod raise;
mod run;
mod translations;

pub use mode::Mode;
use mode::flat_bit;

/// Exception vectors (Intel SDM 3A "Exception and Interrupt Reference").
pub mod vector {
    /// Divide error.
    pub const DE: u8 = 0;
    /// Debug.
    pub const DB: u8 = 1;
    /// Non-maskable interrupt.
    pub const NMI: u8 = 2;
    /// Breakpoint.
    pub const BP: u8 = 3;
    /// Overflow.
    pub const OF: u8 = 4;
    /// Bound range exceeded.
    pub const BR: u8 = 5;
    /// Invalid opcode.
    pub const UD: u8 = 6;
    /// Device not available.
    pub const NM: u8 = 7;
    /// Double fault.
    pub const DF: u8 = 8;
    /// Invalid TSS.
    pub const TS: u8 = 10;
    /// Segment not present.
    pub const NP: u8 = 11;
    /// Stack fault.
    pub const SS: u8 = 12;
    /// General protection.
    pub const GP: u8 = 13;
    /// Page fault.
    pub const PF: u8 = 14;
    /// x87 floating-point error.
    pub const MF: u8 = 16;
    /// Alignment check.
    pub const AC: u8 = 17;
    /// Machine check.
    pub const MC: u8 = 18;
    /// SIMD floating-point exception.
    pub const XM: u8 = 19;
}

/// Conditions that take the run loop off its fast path.
mod attention {
    /// Interrupt lines, windows, injections must be looked at.
    pub(super) const EVENTS: u32 = 1 << 0;
    /// EFLAGS.TF.
    pub(super) const TRAP_FLAG: u32 = 1 << 1;
    /// Interrupt shadow covers the next instruction.
    pub(super) const SHADOW: u32 = 1 << 2;
    /// Instruction breakpoints are armed.
    pub(super) const BREAKPOINTS: u32 = 1 << 3;
    /// EFLAGS.RF.
    pub(super) const RESUME: u32 = 1 << 4;
    /// A debug trap is pending.
    pub(super) const DEBUG: u32 = 1 << 5;
    /// An exit is to be taken at the next boundary.
    pub(super) const AFTER: u32 = 1 << 6;
}

/// Counts of events delivered through the IDT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Exceptions, page faults among them.
    pub exceptions: u64,
    /// Page faults.
    pub page_faults: u64,
    /// External and non-maskable interrupts.
    pub interrupts: u64,
}

impl Delivered {
    fn count(&mut self, ev: &Event) {
        match ev.kind {
            EventKind::Interrupt | EventKind::Nmi => self.interrupts += 1,
            EventKind::SoftInt => {}
            EventKind::Exception | EventKind::SoftException | EventKind::PrivSoftException => {
                self.exceptions += 1;
                self.page_faults += u64::from(ev.vector == vector::PF);
            }
        }
    }
}

/// Counts of instructions that a hypervisor would have to handle, and that the processor has completed itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handled {
    /// Control registers and XCR0.
    pub control_registers: u64,
    /// Debug registers.
    pub debug_registers: u64,
    /// INVLPG and INVPCID.
    pub invalidations: u64,
    /// CPUID.
    pub cpuid: u64,
    /// RDMSR and WRMSR.
    pub msr: u64,
    /// RDPMC, which has no counter to read.
    pub rdpmc: u64,
}

/// A software x86-64 processor.
pub struct Cpu {
    /// Architectural state.
    pub s: VpState,
    /// Detail of the last [`Trap`](crate::exit::Trap).
    pub trap: TrapKind,
    /// Length of the instruction that trapped.
    pub(crate) trap_len: u8,
    /// Mask of RIP in the present mode.
    pub(crate) rip_mask: u64,
    /// Generation, privilege, run and mode: the key of the jump cache.
    pub(crate) block_key: u64,
    /// Generations of code translations: supervisor, user.
    generation: [u32; 2],
    /// A supervisor code page that is not global has been used since the last flush.
    pub(crate) local_kernel_code: bool,
    /// Pages fetched from since the last flush, a bit per hash.
    code_pages: [u64; 64],
    /// CS base in use (0 in 64-bit mode).
    pub(crate) cs_base: u64,
    /// Highest RIP the code segment allows.
    pub(crate) cs_limit: u64,
    attention: u32,
    poll: Arc<AtomicU32>,
    after: Option<CpuExit>,
    /// Events delivered since creation.
    pub delivered: Delivered,
    /// Instructions handled since creation.
    pub handled: Handled,
    /// Stop when `s.icount` reaches this.
    pub icount_limit: u64,
    pub(crate) cursor: Cursor,
    pub(crate) partial: bool,
    /// The instruction has decided about its single-step trap itself.
    pub(crate) tf_sampled: bool,
    pub(crate) blocks: BlockCache,
    pub(crate) fetch_tlb: Box<[(u64, u64, CodePage)]>,
    pub(crate) table_cache: Box<[(u64, u64)]>,
    /// Regions with large pages in the TLB: 2 MiB or 4 MiB regions by hash, 1 GiB regions by hash.
    large_pages: [u64; 16],
    huge_pages: u64,
    pub(crate) apic_latch: u32,
    pub(crate) pauses: u32,
    pub(crate) bus: BusSlot,
    /// Surroundings.
    pub env: Box<dyn Env>,
    /// Model.
    pub model: CpuModel,
    /// Which instructions exit.
    pub intercepts: Intercepts,
    /// Native one-instruction stubs.
    pub(crate) native: crate::vec::Native,
}

impl std::fmt::Debug for Cpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cpu").field("rip", &self.s.rip).field("cpl", &self.s.cpl).finish_non_exhaustive()
    }
}

/// Entries of the fetch TLB.
pub(crate) const FETCH_ENTRIES: usize = 256;

impl Cpu {
    /// A processor in its reset state (Intel SDM 3A "Processor State After Reset").
    pub fn new(model: CpuModel, env: Box<dyn Env>) -> Box<Cpu> {
        let s = VpState {
            gpr: [0; 32],
            rip: 0xfff0,
            flags: Flags::default(),
            sys_flags: 0,
            view: 0,
            cpl: 0,
            mode_key: 0,
            deny: 0,
            seg: [Segment::default(); 8],
            gdtr: Table { base: 0, limit: 0xffff },
            idtr: Table { base: 0, limit: 0xffff },
            cr0: 0x6000_0010,
            cr2: 0,
            cr3: 0,
            cr4: 0,
            efer: 0,
            xcr0: 1,
            dr: [0; 4],
            dr6: 0xffff_0ff0,
            dr7: 0x400,
            pdptr: [0; 4],
            msr: MsrBlock::default(),
            events: EventState::default(),
            activity: Activity::Active,
            icount: 0,
            vec: VectorState::default(),
            l1: Views::new(),
        };
        let nowhere = CodePage { gpa: 0, host: 0, code: std::ptr::null() };
        let mut cpu = Box::new(Cpu {
            s,
            trap: TrapKind::None,
            trap_len: 0,
            rip_mask: !0,
            block_key: 0,
            generation: [0; 2],
            local_kernel_code: false,
            code_pages: [0; 64],
            cs_base: 0,
            cs_limit: 0,
            attention: 0,
            poll: Arc::new(AtomicU32::new(0)),
            after: None,
            delivered: Delivered::default(),
            handled: Handled::default(),
            icount_limit: u64::MAX,
            cursor: Cursor::default(),
            partial: false,
            tf_sampled: false,
            blocks: BlockCache::new(),
            fetch_tlb: vec![(u64::MAX, 0, nowhere); FETCH_ENTRIES].into_boxed_slice(),
            table_cache: vec![(u64::MAX, 0); 64].into_boxed_slice(),
            large_pages: [0; 16],
            huge_pages: 0,
            apic_latch: 0,
            pauses: 0,
            bus: BusSlot::default(),
            env,
            model,
            intercepts: Intercepts::default(),
            native: crate::vec::Native::new(),
        });
        cpu.reset(false);
        cpu
    }

    /// Puts the state to its values after power-up reset, or after INIT (which keeps x87, vector state, MSRs, CR2 and
    /// the CD/NW bits of CR0).
    pub fn reset(&mut self, init: bool) {
        let s = &mut self.s;
        s.gpr = [0; 32];
        s.gpr[RDX] = u64::from(self.model.signature());
        s.rip = 0xfff0;
        s.set_rflags(0);
        s.cpl = 0;
        let data = Segment { base: 0, limit: 0xffff, selector: 0, attrs: 0x93 };
        s.seg = [data; 8];
        s.seg[CS] = Segment { base: 0xffff_0000, limit: 0xffff, selector: 0xf000, attrs: 0x9b };
        s.seg[LDTR] = Segment { base: 0, limit: 0xffff, selector: 0, attrs: 0x82 };
        s.seg[TR] = Segment { base: 0, limit: 0xffff, selector: 0, attrs: 0x8b };
        s.gdtr = Table { base: 0, limit: 0xffff };
        s.idtr = Table { base: 0, limit: 0xffff };
        s.cr0 = if init { s.cr0 & (cr0::CD | cr0::NW) | cr0::ET } else { 0x6000_0010 };
        s.cr3 = 0;
        s.cr4 = 0;
        s.efer = 0;
        s.dr = [0; 4];
        s.dr6 = 0xffff_0ff0;
        s.dr7 = 0x400;
        s.pdptr = [0; 4];
        s.events = EventState::default();
        s.activity = Activity::Active;
        if !init {
            s.cr2 = 0;
            s.xcr0 = 1;
            s.msr = MsrBlock::default();
            s.vec = VectorState::default();
        }
        self.after = None;
        self.partial = false;
        self.trap = TrapKind::None;
        self.flush_map();
        self.refresh();
    }

    /// Sets RIP from outside: a repeated instruction that was under way is not any more.
    pub fn set_rip(&mut self, rip: u64) {
        self.s.rip = rip;
        self.partial = false;
    }

    /// The poll word: set bit 0 from any thread to have [`Env::poll`] called at the next boundary.
    pub fn poll_word(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.poll)
    }

    /// Recomputes everything derived from control registers, segments and RFLAGS.
    pub fn refresh(&mut self) {
        let s = &mut self.s;
        let is64 = s.is64();
        self.rip_mask = if is64 { !0 } else { 0xffff_ffff };
        let slow =
            (s.cpl == 3 && s.cr0 & cr0::AM != 0 && s.sys_flags & rflags::AC != 0) || dr7_has_data(s.dr7);
        s.view = if slow {
            crate::mem::VIEW_SLOW
        } else if s.cpl == 3 {
            1
        } else if s.sys_flags & rflags::AC != 0 && s.cr4 & cr4::SMAP != 0 {
            2
        } else {
            0
        };
        let mut key = Mode::of(s) as u32;
        // In 64-bit mode SS is null after an interrupt and flat after SYSCALL; the code is the same.
        if !is64 && s.seg[SS].big() {
            key |= 1 << 3;
        }
        if !is64 && s.protected() && !s.v86() {
            for i in 0..6 {
                let flat = if i == CS {
                    s.seg[CS].base == 0 && s.seg[CS].limit == u32::MAX && s.seg[CS].readable()
                } else {
                    s.seg[i].flat_data()
                };
                if flat {
                    key |= flat_bit(i);
                }
            }
        }
        s.mode_key = key;
        let user = s.cpl == 3;
        self.block_key = u64::from(self.generation[usize::from(user)]) << 32
            | u64::from(user) << 31
            | self.block_key & RUN_BITS
            | u64::from(key);
        (self.cs_base, self.cs_limit) =
            if is64 { (0, u64::MAX) } else { (s.seg[CS].base, u64::from(s.seg[CS].limit)) };
        let (em, ts, mp) = (s.cr0 & cr0::EM != 0, s.cr0 & cr0::TS != 0, s.cr0 & cr0::MP != 0);
        let osfxsr = s.cr4 & cr4::OSFXSR != 0;
        let osxsave = s.cr4 & cr4::OSXSAVE != 0;
        let prot = s.protected() && !s.v86();
        let mut deny = 0;
        if em || ts {
            deny |= need::X87 | need::MMX | need::FXSR;
        }
        if em || ts || !osfxsr {
            deny |= need::SSE;
        }
        if ts || !osxsave || !prot || s.xcr0 & 6 != 6 {
            deny |= need::AVX;
        }
        if ts || !osxsave || !prot || s.xcr0 & 0xe6 != 0xe6 {
            deny |= need::AVX512;
        }
        if mp && ts {
            deny |= need::WAIT;
        }
        if ts || !osxsave {
            deny |= need::XSAVE;
        }
        s.deny = deny;
        let mut a = self.attention | attention::EVENTS;
        let mut set = |bit: u32, on: bool| a = if on { a | bit } else { a & !bit };
        set(attention::TRAP_FLAG, s.sys_flags & rflags::TF != 0);
        set(attention::RESUME, s.sys_flags & rflags::RF != 0);
        set(attention::SHADOW, s.events.shadow);
        set(attention::BREAKPOINTS, dr7_has_code(s.dr7));
        set(attention::DEBUG, s.events.debug != 0);
        self.attention = a;
    }
}

/// An enabled data or I/O breakpoint in DR7.
fn dr7_has_data(dr7: u64) -> bool {
    (0..4).any(|i| dr7 >> (i * 2) & 3 != 0 && matches!(dr7 >> (16 + i * 4) & 3, 1 | 3))
}

/// An enabled instruction breakpoint in DR7.
fn dr7_has_code(dr7: u64) -> bool {
    (0..4).any(|i| dr7 >> (i * 2) & 3 != 0 && dr7 >> (16 + i * 4) & 3 == 0)
}
