//! The processor: run loop, events at instruction boundaries, raising faults.

use crate::block::BlockCache;
use crate::block::CodePage;
use crate::block::Entry;
use crate::block::RUN_BITS;
use crate::bus::BusSlot;
use crate::env::EmulationBus;
use crate::env::Env;
use crate::env::Intercepts;
use crate::env::Poll;
use crate::exec::Cursor;
use crate::exec::Ran;
use crate::exit::CpuExit;
use crate::exit::R;
use crate::exit::Trap;
use crate::exit::TrapKind;
use crate::flags::Flags;
use crate::mem::tlb::Views;
use crate::model::CpuModel;
use crate::op::need;
use crate::state::*;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

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
    /// Detail of the last [`Trap`].
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

/// Parts of a REP instruction that one call of [`Cpu::emulate_one`] runs at most.
const EMULATED_PARTS: u32 = 16;

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

    /// Has the events looked at before the next instruction: an enabling condition may have changed.
    #[inline]
    pub fn recheck_events(&mut self) {
        self.attention |= attention::EVENTS;
        self.end_block();
    }

    /// Starts an interrupt shadow over the next instruction; `by_ss` for MOV SS and POP SS.
    pub(crate) fn start_shadow(&mut self, by_ss: bool) {
        self.s.events.shadow = true;
        self.s.events.shadow_ss = by_ss;
        self.attention |= attention::SHADOW;
        self.end_block();
    }

    /// Leaves with `exit` after the current instruction has completed.
    pub(crate) fn exit_after(&mut self, exit: CpuExit) {
        self.after = Some(exit);
        self.attention |= attention::AFTER;
        self.end_block();
    }

    /// Adds a pending trap-type debug exception.
    pub(crate) fn pend_debug(&mut self, bits: u64) {
        self.s.events.debug |= bits;
        self.attention |= attention::DEBUG;
        self.end_block();
    }

    /// SYSCALL and SYSRET: the single-step trap depends on TF as it is after the instruction.
    pub(crate) fn resample_tf(&mut self) {
        self.tf_sampled = true;
        if self.s.sys_flags & rflags::TF != 0 {
            self.pend_debug(1 << 14);
        }
    }

    // ---- translations -------------------------------------------------------------------------

    /// Invalidates the jump cache and the fetch TLB for supervisor or user code.
    fn flush_code(&mut self, user: bool) {
        let g = &mut self.generation[usize::from(user)];
        *g = g.wrapping_add(1);
        if *g == 0 {
            self.blocks.clear();
            self.fetch_tlb.iter_mut().for_each(|e| e.0 = u64::MAX);
        }
        if !user {
            self.local_kernel_code = false;
        }
        let current = self.generation[usize::from(self.s.cpl == 3)];
        self.block_key = u64::from(current) << 32 | self.block_key & 0xffff_ffff;
    }

    /// Drops every cached translation of linear addresses.
    pub fn flush_tlb(&mut self) {
        self.s.l1.clear();
        self.large_pages = [0; 16];
        self.huge_pages = 0;
        self.code_pages = [0; 64];
        self.flush_code(false);
        self.flush_code(true);
    }

    /// Drops translations of non-global pages (a CR3 load).
    pub fn flush_tlb_non_global(&mut self) {
        self.s.l1.clear_non_global();
        self.flush_code(true);
        if self.local_kernel_code {
            self.flush_code(false);
        }
    }

    /// Drops the translation of one page (INVLPG).
    pub fn flush_page(&mut self, la: u64) {
        let (word, bit) = large_page_bit(la);
        if self.large_pages[word] & bit != 0 || self.huge_pages >> (la >> 30 & 63) & 1 != 0 {
            // Entered in 4 KiB pieces, all of which must go.
            self.flush_tlb();
            return;
        }
        self.s.l1.clear_page(la);
        let (word, bit) = code_page_bit(la);
        if self.code_pages[word] & bit != 0 {
            self.code_pages = [0; 64];
            self.flush_code(false);
            self.flush_code(true);
        }
    }

    /// Notes that code is fetched from the page of `la`.
    pub(crate) fn note_code_page(&mut self, la: u64, global: bool) {
        let (word, bit) = code_page_bit(la);
        self.code_pages[word] |= bit;
        if self.s.cpl != 3 && !global {
            self.local_kernel_code = true;
        }
    }

    /// Drops write rights only.
    pub fn flush_writes(&mut self) {
        self.s.l1.clear_writes();
    }

    /// The guest-physical map changed: drops everything that holds host addresses.
    pub fn flush_map(&mut self) {
        self.flush_tlb();
        self.table_cache.fill((u64::MAX, 0));
        self.fetch_tlb.iter_mut().for_each(|e| e.0 = u64::MAX);
        self.blocks.clear();
        self.end_block();
    }

    /// Remembers that a page larger than 4 KiB was entered: INVLPG must then drop more than one slot.
    pub(crate) fn note_large_page(&mut self, la: u64, size: u64) {
        if size > 4 << 20 {
            self.huge_pages |= 1 << (la >> 30 & 63);
            return;
        }
        for at in [la & !(size - 1), la | (size - 1)] {
            let (word, bit) = large_page_bit(at);
            self.large_pages[word] |= bit;
        }
    }

    // ---- raising ------------------------------------------------------------------------------

    /// Sets the trap detail.
    #[cold]
    #[inline(never)]
    fn trap_with<T>(&mut self, kind: TrapKind) -> R<T> {
        self.trap = kind;
        Err(Trap)
    }

    /// Leaves to the owner; the instruction has had no effect.
    ///
    /// # Errors
    /// Always.
    pub fn exit<T>(&mut self, exit: CpuExit) -> R<T> {
        self.trap_with(TrapKind::Exit(exit))
    }

    /// Raises a fault.
    ///
    /// # Errors
    /// Always.
    pub fn fault<T>(&mut self, vector: u8, error: Option<u32>) -> R<T> {
        self.trap_with(TrapKind::Event(Event {
            kind: EventKind::Exception,
            vector,
            error,
            param: 0,
            length: 0,
        }))
    }

    /// Raises a software event whose return address is behind the instruction (INT n, INT3, INTO, INT1).
    ///
    /// # Errors
    /// Always.
    pub fn software_event<T>(&mut self, kind: EventKind, vector: u8, length: u8) -> R<T> {
        self.trap_with(TrapKind::Event(Event { kind, vector, error: None, param: 0, length }))
    }

    /// Raises the debug exception of INT1, with causes that are told with it.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn software_debug<T>(&mut self, causes: u64, length: u8) -> R<T> {
        let kind = EventKind::PrivSoftException;
        self.trap_with(TrapKind::Event(Event {
            kind,
            vector: vector::DB,
            error: None,
            param: causes,
            length,
        }))
    }

    /// Raises #UD.
    ///
    /// # Errors
    /// Always.
    pub fn ud<T>(&mut self) -> R<T> {
        self.fault(vector::UD, None)
    }

    /// Raises #GP.
    ///
    /// # Errors
    /// Always.
    pub fn gp<T>(&mut self, error: u32) -> R<T> {
        self.fault(vector::GP, Some(error))
    }

    /// Raises #SS.
    ///
    /// # Errors
    /// Always.
    pub fn ss<T>(&mut self, error: u32) -> R<T> {
        self.fault(vector::SS, Some(error))
    }

    /// Raises #AC(0).
    ///
    /// # Errors
    /// Always.
    pub fn ac_fault<T>(&mut self) -> R<T> {
        self.fault(vector::AC, Some(0))
    }

    /// Raises #PF; CR2 is written at delivery.
    ///
    /// # Errors
    /// Always.
    pub fn page_fault<T>(&mut self, la: u64, code: u32) -> R<T> {
        self.trap_with(TrapKind::Event(Event {
            kind: EventKind::Exception,
            vector: vector::PF,
            error: Some(code),
            param: la,
            length: 0,
        }))
    }

    // ---- running ------------------------------------------------------------------------------

    /// Runs until an exit.
    pub fn run(&mut self) -> CpuExit {
        self.distrust_code();
        let exit = self.run_until_exit();
        self.x87_sync();
        exit
    }

    /// The owner may have changed code through a pointer of its own: between runs, before an interrupt tells of it, while
    /// the guest polls for it, and before a serializing instruction. From the next block on every block is compared with
    /// memory when it first runs again.
    #[inline(never)]
    pub(crate) fn distrust_code(&mut self) {
        let run = self.block_key.wrapping_add(1 << RUN_BITS.trailing_zeros()) & RUN_BITS;
        if run == 0 {
            // Numbers start anew.
            self.flush_code(false);
            self.flush_code(true);
        }
        self.block_key = self.block_key & !RUN_BITS | run;
    }

    fn run_until_exit(&mut self) -> CpuExit {
        self.attention |= attention::EVENTS;
        loop {
            if (self.attention != 0 || self.poll.load(Ordering::Relaxed) != 0)
                && let Some(max) = match self.boundary() {
                    Ok(max) => max,
                    Err(exit) => return exit,
                }
            {
                if let Some(exit) = self.step_slowly(max) {
                    return exit;
                }
                continue;
            }
            // Fast path: whole blocks.
            if self.s.icount >= self.icount_limit {
                return CpuExit::Limit;
            }
            let left = self.icount_limit - self.s.icount;
            let la = self.cs_base.wrapping_add(self.s.rip);
            let found = self.blocks.jump(la, self.block_key);
            let b = match found {
                Some(b) => b,
                None => {
                    self.blocks.collect();
                    match self.find_block() {
                        Ok(b) => Entry::of(b),
                        Err(Trap) => {
                            self.trap_len = 0;
                            if let Some(exit) = self.take_trap() {
                                return exit;
                            }
                            continue;
                        }
                    }
                }
            };
            if self.run_ops(&b, left) == Ran::Trapped
                && let Some(exit) = self.take_trap()
            {
                return exit;
            }
        }
    }

    /// Runs exactly one instruction with `bus` answering for ports and unmapped memory. Events pending before it
    /// are not delivered; a fault it raises is, or becomes the next run's exit when its vector is intercepted.
    ///
    /// # Errors
    /// The exit that stopped it; the instruction has then not completed (a REP instruction may have made progress).
    pub fn emulate_one(&mut self, bus: &mut dyn EmulationBus) -> Result<(), CpuExit> {
        self.bus.attach(bus);
        let start = self.s.icount;
        let mut out = Ok(());
        let tf = self.s.sys_flags & rflags::TF != 0;
        self.tf_sampled = false;
        let mut parts = 0;
        // A REP instruction goes on until its last iteration is done; a fault ends it at once.
        loop {
            self.blocks.collect();
            let trapped = match self.find_block() {
                Ok(b) => self.run_block(b, 1) == Ran::Trapped,
                Err(Trap) => true,
            };
            if trapped {
                if self.trap == TrapKind::Retry {
                    self.trap = TrapKind::None;
                    if self.service_poll() == Poll::Stop {
                        out = Err(CpuExit::Stopped);
                        break;
                    }
                    continue;
                }
                match self.take_trap() {
                    None => {}
                    // The owner wants to see it, which happens when it runs the processor again.
                    Some(exit @ CpuExit::Exception { .. }) => self.exit_after(exit),
                    Some(exit) => out = Err(exit),
                }
                break;
            }
            // A single step is an instruction or an iteration.
            if tf && !self.tf_sampled {
                self.pend_debug(1 << 14);
            }
            if !self.partial || tf {
                break;
            }
            // Let the owner in between iterations of a long REP; it comes back with the next exit.
            parts += 1;
            if parts == EMULATED_PARTS || self.poll.load(Ordering::Relaxed) != 0 {
                break;
            }
        }
        self.bus.detach();
        self.x87_sync();
        if out.is_ok() && self.s.icount != start && !self.partial {
            self.clear_shadow();
        }
        out
    }

    /// Completes the instruction at RIP for the owner, which has done its work after an exit.
    pub fn retire(&mut self, length: u8) {
        self.s.rip = self.s.rip.wrapping_add(u64::from(length)) & self.rip_mask;
        self.s.icount += 1;
        self.s.sys_flags &= !rflags::RF;
        self.attention &= !attention::RESUME;
        self.clear_shadow();
        if self.s.sys_flags & rflags::TF != 0 {
            self.pend_debug(1 << 14);
        }
    }

    /// Raises a fault at the instruction at RIP for the owner, which has refused it after an exit. Returns the exit that
    /// this ends in, if any.
    pub fn raise_fault(&mut self, vector: u8, error: Option<u32>) -> Option<CpuExit> {
        self.trap_len = 0;
        self.raise(Event { kind: EventKind::Exception, vector, error, param: 0, length: 0 })
    }

    fn clear_shadow(&mut self) {
        if self.s.events.shadow {
            self.s.events.shadow = false;
            self.s.events.shadow_ss = false;
            self.attention &= !attention::SHADOW;
            self.attention |= attention::EVENTS;
        }
    }

    /// One instruction under TF, RF, a shadow or instruction breakpoints.
    fn step_slowly(&mut self, max: u64) -> Option<CpuExit> {
        if self.icount_limit <= self.s.icount {
            return Some(CpuExit::Limit);
        }
        let tf = self.s.sys_flags & rflags::TF != 0;
        let rf = self.s.sys_flags & rflags::RF != 0;
        let (shadow, shadow_ss) = (self.s.events.shadow, self.s.events.shadow_ss);
        self.tf_sampled = false;
        self.blocks.collect();
        if rf {
            self.s.sys_flags &= !rflags::RF;
            self.attention &= !attention::RESUME;
        }
        let b = match self.find_block() {
            Ok(b) => b,
            Err(Trap) => {
                if rf {
                    self.s.sys_flags |= rflags::RF;
                }
                self.trap_len = 0;
                return self.take_trap();
            }
        };
        // The shadow ends with this instruction unless it starts a new one.
        if shadow {
            self.s.events.shadow = false;
            self.s.events.shadow_ss = false;
        }
        if self.run_block(b, max) == Ran::Trapped {
            if shadow {
                self.s.events.shadow = true;
                self.s.events.shadow_ss = shadow_ss;
            }
            if rf {
                self.s.sys_flags |= rflags::RF;
                self.attention |= attention::RESUME;
            }
            let exited = self.take_trap();
            if exited.is_none() && shadow {
                // The event's delivery ends the shadow.
                self.clear_shadow();
            }
            return exited;
        }
        let done = !self.partial;
        if !done && rf {
            // An unfinished REP keeps RF.
            self.s.sys_flags |= rflags::RF;
            self.attention |= attention::RESUME;
        }
        // The trap behind MOV SS and POP SS is lost; the next instruction has its own.
        if tf && !self.tf_sampled && !self.s.events.shadow_ss {
            self.pend_debug(1 << 14);
        }
        if shadow && !self.s.events.shadow {
            self.attention &= !attention::SHADOW;
            self.attention |= attention::EVENTS;
        }
        None
    }

    /// Handles everything due at an instruction boundary, in architectural order.
    /// `Ok(None)`: run whole blocks; `Ok(Some(n))`: run at most n instructions slowly.
    fn boundary(&mut self) -> Result<Option<u64>, CpuExit> {
        if let Some(exit) = self.after.take() {
            self.attention &= !attention::AFTER;
            return Err(exit);
        }
        if self.attention & attention::DEBUG != 0
            && !self.s.events.shadow_ss
            && self.s.events.inject.is_none()
        {
            self.attention &= !attention::DEBUG;
            let bits = std::mem::take(&mut self.s.events.debug);
            if bits != 0 {
                if self.s.activity == Activity::Halted {
                    // A trap behind HLT ends the halt.
                    self.s.activity = Activity::Active;
                }
                let ev = Event {
                    kind: EventKind::Exception,
                    vector: vector::DB,
                    error: None,
                    param: bits,
                    length: 0,
                };
                if let Some(exit) = self.raise(ev) {
                    return Err(exit);
                }
            }
        }
        if self.poll.load(Ordering::Relaxed) != 0 && self.service_poll() == Poll::Stop {
            return Err(CpuExit::Stopped);
        }
        if self.attention & attention::EVENTS != 0 {
            self.attention &= !attention::EVENTS;
            self.events()?;
        }
        if self.attention & attention::BREAKPOINTS != 0 && self.s.sys_flags & rflags::RF == 0 {
            let hit = self.code_breakpoints();
            if hit != 0 {
                let ev = Event {
                    kind: EventKind::Exception,
                    vector: vector::DB,
                    error: None,
                    param: hit,
                    length: 0,
                };
                return match self.raise(ev) {
                    Some(exit) => Err(exit),
                    None => Ok(Some(1)),
                };
            }
        }
        Ok(if self.attention & !attention::EVENTS != 0 { Some(1) } else { None })
    }

    /// Lets the environment handle its mailbox and does the flushes it asks for.
    fn service_poll(&mut self) -> Poll {
        self.poll.store(0, Ordering::SeqCst);
        let p = self.env.poll();
        if p.flush_map {
            self.flush_map();
            self.blocks.collect();
        }
        if p.flush_writes {
            self.flush_writes();
        }
        self.attention |= attention::EVENTS;
        p.poll
    }

    /// Has the instruction tried again, after the boundary has handled the poll word.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn retry<T>(&mut self) -> R<T> {
        self.trap_with(TrapKind::Retry)
    }

    /// A request of another thread is waiting to be handled at the boundary.
    pub(crate) fn poll_pending(&self) -> bool {
        self.poll.load(Ordering::Acquire) != 0
    }

    /// Activity, injected events, windows, NMI, interrupts.
    fn events(&mut self) -> Result<(), CpuExit> {
        match self.s.activity {
            Activity::Active => {}
            Activity::Halted => self.wake()?,
            Activity::WaitForSipi => return Err(CpuExit::Halt),
            Activity::Shutdown => return Err(CpuExit::TripleFault),
        }
        if let Some(ev) = self.s.events.inject.take()
            && let Some(exit) = self.raise_injected(ev)
        {
            return Err(exit);
        }
        if self.s.events.shadow {
            return Ok(());
        }
        let mut lines = self.env.lines();
        if self.s.sys_flags & rflags::IF != 0
            && lines.is_injected
            && let Some(vector) = lines.interrupt
        {
            self.take_interrupt(vector)?;
            lines = self.env.lines();
        }
        if let Some(exit) = self.open_window() {
            return Err(exit);
        }
        if lines.nmi && !self.s.events.nmi_masked {
            self.env.acknowledge_nmi();
            self.distrust_code();
            self.s.events.nmi_masked = true;
            let ev = Event { kind: EventKind::Nmi, vector: vector::NMI, error: None, param: 0, length: 0 };
            self.attention |= attention::EVENTS;
            return self.raise(ev).map_or(Ok(()), Err);
        }
        if self.s.sys_flags & rflags::IF != 0
            && let Some(vector) = lines.interrupt
        {
            self.take_interrupt(vector)?;
        }
        Ok(())
    }

    /// A halted processor goes on for an interrupt or NMI that it can take. Injected events do not wake it: they wait.
    fn wake(&mut self) -> Result<(), CpuExit> {
        // HLT was the instruction under the shadow.
        self.clear_shadow();
        let lines = self.env.lines();
        let iff = self.s.sys_flags & rflags::IF != 0;
        let is_interrupted = iff && lines.interrupt.is_some();
        if !(is_interrupted && lines.is_injected)
            && let Some(exit) = self.open_window()
        {
            return Err(exit);
        }
        if is_interrupted || lines.nmi && !self.s.events.nmi_masked {
            self.s.activity = Activity::Active;
            return Ok(());
        }
        Err(CpuExit::Halt)
    }

    /// The exit of a window that is wanted and open.
    fn open_window(&mut self) -> Option<CpuExit> {
        let e = &self.s.events;
        if e.want_nmi_window && !e.nmi_masked {
            return Some(CpuExit::InterruptWindow { nmi: true });
        }
        let priority = e.want_interrupt_window?;
        let iff = self.s.sys_flags & rflags::IF != 0;
        let is_open = iff && (priority == 0 || priority > self.env.tpr() >> 4);
        is_open.then_some(CpuExit::InterruptWindow { nmi: false })
    }

    fn take_interrupt(&mut self, vector: u8) -> Result<(), CpuExit> {
        self.env.acknowledge(vector);
        self.distrust_code();
        let ev = Event { kind: EventKind::Interrupt, vector, error: None, param: 0, length: 0 };
        self.attention |= attention::EVENTS;
        self.raise(ev).map_or(Ok(()), Err)
    }

    /// Handles the pending trap: delivers the event, or gives the exit.
    fn take_trap(&mut self) -> Option<CpuExit> {
        match std::mem::replace(&mut self.trap, TrapKind::None) {
            TrapKind::None | TrapKind::Retry => None,
            TrapKind::Exit(e) => Some(e),
            TrapKind::Event(ev) => self.raise(ev),
        }
    }

    /// Raises an event: intercepts, delivery, double and triple faults. Returns the exit that this ends in, if any.
    pub(crate) fn raise(&mut self, ev: Event) -> Option<CpuExit> {
        self.raise_with(ev, true)
    }

    /// Delivers an event that the owner injected: it is not intercepted itself, what its delivery raises is.
    fn raise_injected(&mut self, ev: Event) -> Option<CpuExit> {
        if ev.kind == EventKind::Nmi {
            self.s.events.nmi_masked = true;
        }
        self.raise_with(ev, false)
    }

    fn raise_with(&mut self, ev: Event, intercept: bool) -> Option<CpuExit> {
        let mut ev = ev;
        // The event being delivered when a nested one comes up.
        let mut first: Option<Event> = None;
        let mut intercept = intercept;
        loop {
            if intercept && self.intercepted(&ev) {
                if ev.vector == vector::DB && ev.kind == EventKind::Exception {
                    self.apply_dr6(ev.param);
                }
                self.s.events.inject = first;
                return Some(CpuExit::Exception { event: ev, param: ev.param });
            }
            match self.deliver(&ev) {
                Ok(()) => {
                    self.delivered.count(&ev);
                    // A delivery counts like an instruction: a handler that faults at once for ever still lets guest
                    // time pass and instruction limits be reached.
                    self.s.icount += 1;
                    self.attention |= attention::EVENTS;
                    return None;
                }
                Err(Trap) => match std::mem::replace(&mut self.trap, TrapKind::None) {
                    TrapKind::None | TrapKind::Retry => {}
                    TrapKind::Exit(e) => {
                        self.s.events.inject = Some(ev);
                        return Some(e);
                    }
                    TrapKind::Event(second) => {
                        if intercept_next(&self.intercepts, &second) {
                            self.s.events.inject = Some(ev);
                            if second.vector == vector::DB {
                                self.apply_dr6(second.param);
                            }
                            return Some(CpuExit::Exception { event: second, param: second.param });
                        }
                        // CR2 follows every page fault, also one that ends as a double fault.
                        if second.kind == EventKind::Exception && second.vector == vector::PF {
                            self.s.cr2 = second.param;
                        }
                        let Some(next) = combine(&ev, &second) else {
                            self.s.activity = Activity::Shutdown;
                            return Some(CpuExit::TripleFault);
                        };
                        first = Some(ev);
                        ev = next;
                        // A double fault is intercepted by its own bit.
                        intercept = true;
                    }
                },
            }
        }
    }

    fn intercepted(&self, ev: &Event) -> bool {
        intercept_next(&self.intercepts, ev)
    }

    /// Ors debug causes into DR6.
    pub(crate) fn apply_dr6(&mut self, bits: u64) {
        // B0-B3 are replaced by the new causes; BD, BS, BT accumulate.
        self.s.dr6 = (self.s.dr6 & !0xf) | bits & 0xe00f;
    }
}

/// Place of a 2 MiB region in the filter of large pages.
fn large_page_bit(la: u64) -> (usize, u64) {
    let h = (la >> 21 ^ la >> 31) as usize;
    (h >> 6 & 15, 1 << (h & 63))
}

/// Place of a page in the filter of code pages.
fn code_page_bit(la: u64) -> (usize, u64) {
    let page = la >> 12;
    let h = (page ^ page >> 12 ^ page >> 24) as usize;
    (h >> 6 & 63, 1 << (h & 63))
}

/// Whether the exception bitmap names `ev`.
fn intercept_next(i: &Intercepts, ev: &Event) -> bool {
    matches!(ev.kind, EventKind::Exception | EventKind::SoftException | EventKind::PrivSoftException)
        && ev.vector < 64
        && i.exceptions >> ev.vector & 1 != 0
}

/// Double-fault rules (Intel SDM 3A, "Interrupt 8"): the event to deliver when `second` came up while delivering
/// `first`; `None` is a triple fault.
fn combine(first: &Event, second: &Event) -> Option<Event> {
    let class = |e: &Event| match (e.kind, e.vector) {
        (EventKind::Exception, vector::DE | vector::TS | vector::NP | vector::SS | vector::GP) => 1,
        (EventKind::Exception, vector::PF) => 2,
        (EventKind::Exception, vector::DF) => 3,
        _ => 0,
    };
    match (class(first), class(second)) {
        (3, 1 | 2) => None,
        (1, 1) | (2, 1 | 2) => Some(Event {
            kind: EventKind::Exception,
            vector: vector::DF,
            error: Some(0),
            param: 0,
            length: 0,
        }),
        _ => Some(*second),
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

/// The bit of a mode key that says that a segment is flat.
const fn flat_bit(segment: usize) -> u32 {
    1 << (4 + segment)
}

/// How code is decoded and addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Mode {
    /// Real-address mode.
    Real = 0,
    /// Virtual-8086 mode.
    V86 = 1,
    /// 16-bit protected mode.
    Prot16 = 2,
    /// 32-bit protected mode.
    Prot32 = 3,
    /// 16-bit compatibility mode.
    Compat16 = 4,
    /// 32-bit compatibility mode.
    Compat32 = 5,
    /// 64-bit mode.
    Long = 6,
    /// Real mode with a 32-bit code segment left over from protected mode.
    Real32 = 7,
}

impl Mode {
    /// The mode a state is in.
    pub fn of(s: &VpState) -> Mode {
        let big = s.seg[CS].big();
        if !s.protected() {
            if big { Mode::Real32 } else { Mode::Real }
        } else if s.v86() {
            Mode::V86
        } else if s.long_mode() {
            if s.seg[CS].long() {
                Mode::Long
            } else if big {
                Mode::Compat32
            } else {
                Mode::Compat16
            }
        } else if big {
            Mode::Prot32
        } else {
            Mode::Prot16
        }
    }

    /// Mode bits of a mode key.
    pub fn from_key(key: u32) -> Mode {
        match key & 7 {
            0 => Mode::Real,
            1 => Mode::V86,
            2 => Mode::Prot16,
            3 => Mode::Prot32,
            4 => Mode::Compat16,
            5 => Mode::Compat32,
            6 => Mode::Long,
            _ => Mode::Real32,
        }
    }

    /// Whether a mode key tells that code has base 0 and no limit.
    pub(crate) fn is_flat(key: u32) -> bool {
        key & 7 == Mode::Long as u32 || key & flat_bit(CS) != 0
    }

    /// Decoder bitness.
    pub fn bitness(self) -> u32 {
        match self {
            Mode::Real | Mode::V86 | Mode::Prot16 | Mode::Compat16 => 16,
            Mode::Prot32 | Mode::Compat32 | Mode::Real32 => 32,
            Mode::Long => 64,
        }
    }
}
