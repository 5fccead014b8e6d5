//! One instruction on memory that is not there: what an instruction emulator needs of a processor.
//!
//! The owner knows a processor elsewhere only by callbacks. It decodes the instruction's bytes into a [`Single`],
//! looks at [`Single::uses`], loads that much state into [`Cpu::s`], and has [`Cpu::run_single`] execute it: every
//! translation and every access goes to a bus that owns memory ([`EmulationBus::owns_memory`]). Faults are returned,
//! not delivered. A [`Single`] may be kept and run again whenever the same bytes come up at the same place.
#![expect(unsafe_code, reason = "lends a block it owns to the run loop for the length of one call")]

use crate::block::Block;
use crate::block::BlockRef;
use crate::block::CodePage;
use crate::cpu::Cpu;
use crate::cpu::Mode;
use crate::cpu::vector;
use crate::decode::Ctx;
use crate::decode::lower;
use crate::env::BusFailed;
use crate::env::EmulationBus;
use crate::exec::Ran;
use crate::exit::MemAccess;
use crate::exit::TrapKind;
use crate::mem::WalkError;
use crate::mem::WalkMode;
use crate::mem::pf;
use crate::op::need;
use crate::state::*;
use iced_x86::Decoder;
use iced_x86::DecoderError;
use iced_x86::DecoderOptions;
use iced_x86::EncodingKind;
use iced_x86::Instruction;
use iced_x86::InstructionInfoFactory;
use iced_x86::Mnemonic;
use iced_x86::OpKind;
use iced_x86::Register;

/// The longest instruction.
pub const MAX_LEN: usize = 15;

/// Parts of a REP instruction that one call runs at most; a part is up to 4 KiB of string or 256 port accesses.
const MAX_PARTS: u32 = 1024;

/// State that an instruction reads or may change, beyond RIP, RFLAGS, CS, the privilege level and CR4.
///
/// Outside 64-bit mode every segment register counts as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// General registers, a bit each in encoding order.
    pub gpr: u16,
    /// Vector registers, a bit each.
    pub vectors: u32,
    /// Opmask registers, a bit each.
    pub opmasks: u8,
    /// The vector registers count in full width, not only as XMM.
    pub wide: bool,
    /// x87 registers, control and status; MMX.
    pub x87: bool,
    /// MXCSR.
    pub mxcsr: bool,
    /// CR0 beyond what the mode tells (TS, EM, MP).
    pub cr0: bool,
    /// XCR0.
    pub xcr0: bool,
    /// PKRU.
    pub pkru: bool,
    /// FS or GS base.
    pub fs_gs: bool,
    /// Every segment register, descriptor tables, LDTR, TR, CR0, EFER and the NMI mask.
    pub system: bool,
    /// In protected mode it may switch tasks, which exchanges all general registers and CR3.
    pub task: bool,
    /// Translations are void afterwards; a processor drops them when CR3 is written.
    pub invalidates: bool,
}

/// A decoded instruction.
#[derive(Debug)]
pub struct Single {
    insn: Instruction,
    bits: u32,
    rip: u64,
    bytes: [u8; MAX_LEN],
    uses: Uses,
    /// Made for this mode key.
    mode_key: u32,
    block: Box<Block>,
}

/// What decoding came to.
#[derive(Debug)]
pub enum Decoded {
    /// An instruction that [`Cpu::run_single`] can run.
    Ready(Single),
    /// The instruction is longer than the bytes given.
    TooShort,
    /// Undefined, or nothing that accesses memory or ports, or not to be finished outside its processor.
    Unsupported,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SingleEnd {
    /// Completed; trap-type debug causes are in [`EventState::debug`].
    Done,
    /// A REP instruction that has not come to its end; RIP is at the instruction.
    Partial,
    /// It raised this fault; RIP is at the instruction, or where the task starts that faults before its first one.
    Fault(Event),
    /// The bus gave up, or the instruction is not to be finished outside its processor.
    Stopped,
}

impl Single {
    /// Decodes the instruction at `rip` in code of `bits` (16, 32 or 64) from the bytes that stand there.
    pub fn decode(cpu: &Cpu, bits: u32, rip: u64, bytes: &[u8]) -> Decoded {
        let bytes = &bytes[..bytes.len().min(MAX_LEN)];
        let mut decoder = Decoder::with_ip(bits, bytes, rip, DecoderOptions::NONE);
        let insn = decoder.decode();
        if decoder.last_error() == DecoderError::NoMoreBytes && bytes.len() < MAX_LEN {
            return Decoded::TooShort;
        }
        if insn.is_invalid() || is_foreign(&insn) {
            return Decoded::Unsupported;
        }
        let mut info = InstructionInfoFactory::new();
        let info = info.info(&insn);
        if info.used_memory().is_empty() && !is_port(&insn) && !is_interrupt(&insn) {
            return Decoded::Unsupported;
        }
        let mode_key = match bits {
            64 => Mode::Long as u32,
            32 => Mode::Prot32 as u32,
            _ => Mode::Prot16 as u32,
        };
        let block = block(cpu, &insn, mode_key);
        let mut uses = Uses {
            gpr: 1 << RSP & if is_interrupt(&insn) { !0 } else { 0 },
            system: is_system(&insn),
            task: bits != 64 && (is_far(&insn) || is_interrupt(&insn) || is_iret(&insn)),
            invalidates: insn.mnemonic() == Mnemonic::Invpcid,
            ..Uses::default()
        };
        for r in info.used_registers() {
            uses.add(r.register());
        }
        uses.add_state(&insn, block.ops[0].need);
        let mut copy = [0; MAX_LEN];
        copy[..insn.len()].copy_from_slice(&bytes[..insn.len()]);
        Decoded::Ready(Single { insn, bits, rip, bytes: copy, uses, mode_key, block: Box::new(block) })
    }

    /// Whether this is what [`Single::decode`] would make of these arguments.
    pub fn is_for(&self, bits: u32, rip: u64, bytes: &[u8]) -> bool {
        let len = self.insn.len();
        self.rip == rip && self.bits == bits && bytes.get(..len) == Some(&self.bytes[..len])
    }

    /// State the instruction looks at.
    pub fn uses(&self) -> &Uses {
        &self.uses
    }

    /// Length in bytes.
    pub fn length(&self) -> usize {
        self.insn.len()
    }
}

/// The block of one instruction.
fn block(cpu: &Cpu, insn: &Instruction, mode_key: u32) -> Block {
    let mode = Mode::from_key(mode_key);
    let mask = if mode == Mode::Long { u64::MAX } else { 0xffff_ffff };
    let next = insn.next_ip() & mask;
    let (op, _) = lower(cpu, insn, &Ctx { mode, key: mode_key, next });
    Block {
        ops: Box::new([op]),
        insns: Box::new([*insn]),
        rip: insn.ip(),
        end_rip: next,
        len: insn.len() as u32,
        source: Box::default(),
        page: CodePage { gpa: 0, host: 0, code: std::ptr::null() },
        seen: std::cell::Cell::new(0),
        second: None,
    }
}

impl Uses {
    fn add(&mut self, r: Register) {
        let bit = r.full_register().number() as u32;
        if r.is_gpr() {
            self.gpr |= 1 << (bit & 15);
        } else if r.is_vector_register() {
            self.vectors |= 1 << (bit & 31);
        } else if r.is_k() {
            self.opmasks |= 1 << (bit & 7);
        } else if matches!(r, Register::FS | Register::GS) {
            self.fs_gs = true;
        }
    }

    fn add_state(&mut self, insn: &Instruction, needs: u32) {
        let has = |bits: u32| needs & bits != 0;
        self.x87 = has(need::X87 | need::MMX | need::FXSR | need::XSAVE);
        self.mxcsr = has(need::SSE | need::AVX | need::AVX512 | need::FXSR | need::XSAVE);
        self.cr0 = needs != 0 || self.system;
        self.xcr0 = has(need::AVX | need::AVX512 | need::XSAVE);
        self.wide = self.vectors != 0 && insn.encoding() != EncodingKind::Legacy;
        if has(need::FXSR | need::XSAVE) {
            self.vectors = 0xffff;
        }
        if has(need::XSAVE) {
            (self.vectors, self.opmasks, self.wide, self.pkru) = (u32::MAX, 0xff, true, true);
        }
    }
}

/// IN, OUT, INS and OUTS.
fn is_port(i: &Instruction) -> bool {
    use Mnemonic::*;
    matches!(i.mnemonic(), In | Out | Insb | Insw | Insd | Outsb | Outsw | Outsd)
}

/// INT n, INT1, INT3 and INTO: they access a descriptor table and a stack.
fn is_interrupt(i: &Instruction) -> bool {
    use Mnemonic::*;
    matches!(i.mnemonic(), Int | Int1 | Int3 | Into)
}

fn is_iret(i: &Instruction) -> bool {
    use Mnemonic::*;
    matches!(i.mnemonic(), Iret | Iretd | Iretq)
}

/// Far JMP and CALL.
fn is_far(i: &Instruction) -> bool {
    i.is_call_far() || i.is_call_far_indirect() || i.is_jmp_far() || i.is_jmp_far_indirect()
}

/// Has an operand in memory that it does not access, or an effect that cannot be carried back to the processor it
/// belongs to: monitors, halts, system calls without a stack.
fn is_foreign(i: &Instruction) -> bool {
    use Mnemonic::*;
    matches!(
        i.mnemonic(),
        Invlpg
            | Invlpga
            | Monitor
            | Monitorx
            | Umonitor
            | Syscall
            | Sysenter
            | Sysret
            | Sysretq
            | Sysexit
            | Sysexitq
            | Hlt
    )
}

/// Segments, descriptor tables, far transfers, machine status.
fn is_system(i: &Instruction) -> bool {
    use Mnemonic::*;
    let sreg =
        (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Register && i.op_register(n).is_segment_register());
    sreg || is_far(i)
        || is_interrupt(i)
        || is_iret(i)
        || matches!(
            i.mnemonic(),
            Lgdt | Sgdt
                | Lidt
                | Sidt
                | Lldt
                | Ltr
                | Sldt
                | Str
                | Lar
                | Lsl
                | Verr
                | Verw
                | Arpl
                | Smsw
                | Lmsw
                | Lds
                | Les
                | Lfs
                | Lgs
                | Lss
                | Retf
        )
}

impl Cpu {
    /// Runs an instruction on a bus that owns memory. [`Cpu::s`] holds its state, RIP among it, and gets the state
    /// after it; derived state is recomputed here. A REP instruction is run to its end, or to a limit that keeps one
    /// call from taking seconds.
    pub fn run_single(&mut self, single: &mut Single, bus: &mut dyn EmulationBus) -> SingleEnd {
        self.refresh();
        if single.mode_key != self.s.mode_key {
            *single.block = block(self, &single.insn, self.s.mode_key);
            single.mode_key = self.s.mode_key;
        }
        if self.s.rip.wrapping_add(single.insn.len() as u64 - 1) > self.cs_limit {
            return SingleEnd::Fault(general_protection());
        }
        let (before, task) = (self.s.events, self.s.seg[TR]);
        let (tf, rf) = (self.s.sys_flags & rflags::TF != 0, self.s.sys_flags & rflags::RF != 0);
        self.s.events.shadow = false;
        self.s.events.shadow_ss = false;
        self.s.sys_flags &= !rflags::RF;
        self.tf_sampled = false;
        self.bus.attach(bus);
        let end = self.run_parts(single, tf);
        self.bus.detach();
        self.x87_sync();
        match end {
            SingleEnd::Done => {}
            SingleEnd::Fault(_) if self.s.seg[TR] != task => {}
            SingleEnd::Partial => self.s.sys_flags |= if rf { rflags::RF } else { 0 },
            SingleEnd::Fault(_) | SingleEnd::Stopped => {
                self.s.sys_flags |= if rf { rflags::RF } else { 0 };
                self.s.events = before;
            }
        }
        if tf
            && !self.tf_sampled
            && !self.s.events.shadow_ss
            && matches!(end, SingleEnd::Done | SingleEnd::Partial)
        {
            self.s.events.debug |= 1 << 14;
        }
        end
    }

    fn run_parts(&mut self, single: &Single, tf: bool) -> SingleEnd {
        for _ in 0..MAX_PARTS {
            // SAFETY: `single` keeps the block through the call, which drops the reference before it returns.
            let block = unsafe { BlockRef::lend(&single.block) };
            if self.run_block(block, 1) == Ran::Trapped {
                return match std::mem::replace(&mut self.trap, TrapKind::None) {
                    TrapKind::Event(event) if event.kind == EventKind::Exception => SingleEnd::Fault(event),
                    TrapKind::Event(event) => self.interrupt_single(&event),
                    _ => SingleEnd::Stopped,
                };
            }
            if !self.partial {
                // Raised by a new task before its first instruction.
                let fault = self.s.events.inject.take();
                return fault.map_or(SingleEnd::Done, SingleEnd::Fault);
            }
            // A single step is an iteration.
            if tf {
                break;
            }
        }
        SingleEnd::Partial
    }

    /// Delivers a software interrupt, which takes the place of its instruction's single-step trap.
    fn interrupt_single(&mut self, event: &Event) -> SingleEnd {
        self.tf_sampled = true;
        if self.deliver(event).is_ok() {
            return SingleEnd::Done;
        }
        match std::mem::replace(&mut self.trap, TrapKind::None) {
            TrapKind::Event(fault) => SingleEnd::Fault(fault),
            _ => SingleEnd::Stopped,
        }
    }

    /// Whether a protection key denies an access that raised a page fault with error code `code` at `la`, as the page
    /// tables on the bus say. [`Cpu::s`] holds CR0, CR3, CR4, EFER and PKRU.
    ///
    /// # Errors
    /// [`BusFailed`]: tables are out of reach.
    pub fn is_denied_by_key(
        &mut self,
        la: u64,
        code: u32,
        bus: &mut dyn EmulationBus,
    ) -> Result<bool, BusFailed> {
        let access = if code & pf::W != 0 { MemAccess::Write } else { MemAccess::Read };
        let user = code & pf::U != 0;
        self.bus.attach(bus);
        let end = self.walk(la, WalkMode { access, user, ac: false, no_rights: false, set_bits: false });
        self.bus.detach();
        match end {
            Ok(_) => Ok(false),
            Err(WalkError::Fault(code)) => Ok(code & pf::PK != 0),
            Err(WalkError::Exit(_)) => Err(BusFailed),
        }
    }
}

fn general_protection() -> Event {
    Event { kind: EventKind::Exception, vector: vector::GP, error: Some(0), param: 0, length: 0 }
}
