//! Finding and building blocks: fetch, decode, choose handlers.

use crate::block::Block;
use crate::block::BlockKey;
use crate::block::BlockRef;
use crate::block::CodePage;
use crate::block::RUN_BITS;
use crate::cpu::Cpu;
use crate::cpu::FETCH_ENTRIES;
use crate::cpu::Mode;
use crate::env::Page;
use crate::exit::CpuExit;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::mem::Access;
use crate::mem::WalkError;
use crate::mem::WalkMode;
use crate::mem::host;
use crate::op::Handler;
use crate::op::Op;
use crate::op::SEG_BASE;
use crate::op::SEG_CHECK;
use crate::state::*;
use iced_x86::Decoder;
use iced_x86::DecoderError;
use iced_x86::DecoderOptions;
use iced_x86::FlowControl;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;
use iced_x86::Register;

/// Instructions in a block at most.
const MAX_INSNS: usize = 64;
/// Conditional branches in a block: what lies behind one is decoded again where it is jumped to.
const MAX_BRANCHES: usize = 4;
/// Code bytes looked at when a block is built.
const WINDOW: usize = 512;

/// What the lowering of one instruction may look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ctx {
    /// Execution mode.
    pub(crate) mode: Mode,
    /// The whole mode key.
    pub(crate) key: u32,
    /// RIP behind it, wrapped to the mode's width.
    pub(crate) next: u64,
}

impl Ctx {
    /// 64-bit mode.
    #[inline]
    pub(crate) fn is64(&self) -> bool {
        self.mode == Mode::Long
    }
    /// Stack pointer width in bits.
    #[inline]
    pub(crate) fn stack_bits(&self) -> u32 {
        if self.is64() {
            64
        } else if self.key & 8 != 0 {
            32
        } else {
            16
        }
    }
    /// Segment encoding of [`Op::seg`] for architectural segment `seg`.
    #[inline]
    pub(crate) fn seg(&self, seg: usize) -> u8 {
        let n = seg as u8;
        if self.is64() {
            if seg >= FS { n | SEG_BASE } else { n }
        } else if seg != CS && self.key >> (4 + seg) & 1 != 0 {
            // Writes through CS fault even when it is flat, so CS is always checked.
            n
        } else {
            n | SEG_CHECK
        }
    }
    /// Segment encoding of the stack segment.
    #[inline]
    pub(crate) fn stack_seg(&self) -> u8 {
        self.seg(SS)
    }
}

/// A chosen handler.
#[derive(Clone, Copy)]
pub(crate) struct Lowered {
    /// The handler.
    pub(crate) run: Handler,
    /// Nothing may follow in the same block.
    pub(crate) end: bool,
}

impl std::fmt::Debug for Lowered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lowered {{ end: {} }}", self.end)
    }
}

impl Lowered {
    /// An ordinary operation.
    pub(crate) fn next(run: Handler) -> Option<Lowered> {
        Some(Lowered { run, end: false })
    }
    /// An operation that ends its block.
    pub(crate) fn end(run: Handler) -> Option<Lowered> {
        Some(Lowered { run, end: true })
    }
}

/// General-register index of an iced register ([`Op`] encoding); 0 for anything else.
pub(crate) fn gpr_index(r: Register) -> u8 {
    if r.is_gpr8() {
        match r {
            Register::AH => 0x20,
            Register::CH => 0x21,
            Register::DH => 0x22,
            Register::BH => 0x23,
            _ => r.full_register().number() as u8,
        }
    } else if r.is_gpr() {
        r.number() as u8
    } else {
        0
    }
}

/// Segment index of an iced segment register.
pub(crate) fn seg_index(r: Register) -> usize {
    match r {
        Register::ES => ES,
        Register::CS => CS,
        Register::SS => SS,
        Register::FS => FS,
        Register::GS => GS,
        _ => DS,
    }
}

/// Width of addresses of the instruction's memory operand in bits.
pub(crate) fn addr_bits(i: &Instruction, bitness: u32) -> u32 {
    for n in 0..i.op_count() {
        match i.op_kind(n) {
            OpKind::MemorySegSI | OpKind::MemorySegDI | OpKind::MemoryESDI => return 16,
            OpKind::MemorySegESI | OpKind::MemorySegEDI | OpKind::MemoryESEDI => return 32,
            OpKind::MemorySegRSI | OpKind::MemorySegRDI | OpKind::MemoryESRDI => return 64,
            OpKind::Memory => {
                let by_reg = |r: Register| match r {
                    Register::EIP => Some(32),
                    Register::RIP => Some(64),
                    r if r.is_gpr16() => Some(16),
                    r if r.is_gpr32() => Some(32),
                    r if r.is_gpr64() => Some(64),
                    _ => None,
                };
                return by_reg(i.memory_base()).or(by_reg(i.memory_index())).unwrap_or(
                    match i.memory_displ_size() {
                        2 => 16,
                        4 => 32,
                        8 => 64,
                        _ => bitness,
                    },
                );
            }
            _ => {}
        }
    }
    bitness
}

/// Mask of an address width.
pub(crate) fn addr_mask(bits: u32) -> u64 {
    match bits {
        16 => 0xffff,
        32 => 0xffff_ffff,
        _ => !0,
    }
}

/// Fills the address fields of `op` from the instruction's memory operand, if it has one.
fn fill_memory(op: &mut Op, i: &Instruction, c: &Ctx) {
    op.seg = c.seg(DS);
    let bits = addr_bits(i, c.mode.bitness());
    op.amask = addr_mask(bits);
    if !(0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory) {
        return;
    }
    op.seg = c.seg(seg_index(i.memory_segment()));
    op.disp = i.memory_displacement64();
    let base = i.memory_base();
    if base.is_gpr() {
        op.base = base.number() as u8;
    }
    let index = i.memory_index();
    if index.is_gpr() {
        op.index = index.number() as u8;
        op.scale = i.memory_index_scale().trailing_zeros() as u8;
    }
}

/// Immediate operand, extended as the instruction defines.
fn immediate(i: &Instruction) -> u64 {
    for n in 0..i.op_count() {
        match i.op_kind(n) {
            OpKind::Immediate8
            | OpKind::Immediate16
            | OpKind::Immediate32
            | OpKind::Immediate64
            | OpKind::Immediate8to16
            | OpKind::Immediate8to32
            | OpKind::Immediate8to64
            | OpKind::Immediate32to64 => return i.immediate(n),
            OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => {
                return i.near_branch_target();
            }
            _ => {}
        }
    }
    0
}

/// Makes the operation of one instruction. `dst` and `src` are the first and second *register* operands by position
/// (operand 0 and operand 1, each only if it is a register).
pub(crate) fn lower(cpu: &Cpu, i: &Instruction, c: &Ctx) -> (Op, bool) {
    let mut op = Op {
        run: op_ud,
        imm: immediate(i),
        disp: 0,
        amask: !0,
        base: ZERO as u8,
        index: ZERO as u8,
        scale: 0,
        seg: DS as u8,
        dst: 0,
        src: 0,
        len: i.len() as u8,
        aux: 0,
        idx: 0,
        off: 0,
        need: 0,
    };
    if i.op_count() > 0 && i.op_kind(0) == OpKind::Register {
        op.dst = gpr_index(i.op_register(0));
    }
    if i.op_count() > 1 && i.op_kind(1) == OpKind::Register {
        op.src = gpr_index(i.op_register(1));
    }
    fill_memory(&mut op, i, c);
    let allowed = cpu.model.allows(i);
    let l = if i.mnemonic() == Mnemonic::INVALID || !allowed {
        None
    } else {
        crate::int::lower(i, &mut op, c)
            .or_else(|| crate::sys::lower(i, &mut op, c))
            .or_else(|| crate::vec::lower(cpu, i, &mut op, c))
    };
    match l {
        Some(l) => {
            op.run = l.run;
            (op, l.end || !matches!(i.flow_control(), FlowControl::Next | FlowControl::ConditionalBranch))
        }
        None => (op, true),
    }
}

/// Undefined opcode.
fn op_ud(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.ud()
}

/// The longest instruction.
const MAX_LEN: usize = 15;

/// Whether bytes the decoder gave up on after 15 would have made a longer instruction, rather than an undefined one:
/// the first is #GP, the second #UD.
fn is_too_long(bytes: &[u8], bitness: u32) -> bool {
    let is_prefix =
        |b: &u8| matches!(b, 0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0x66 | 0x67 | 0xf0 | 0xf2 | 0xf3);
    let prefixes = bytes.iter().take_while(|b| is_prefix(b)).count();
    if prefixes >= MAX_LEN {
        return true;
    }
    let mut dec = Decoder::new(bitness, &bytes[prefixes..], DecoderOptions::NONE);
    let rest = dec.decode();
    dec.last_error() == DecoderError::NoMoreBytes || prefixes + rest.len() > MAX_LEN
}

/// Instruction longer than 15 bytes, or beyond the code segment limit.
fn op_gp0(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.gp(0)
}

/// No operation.
pub(crate) fn op_nop(_: &mut Cpu, _: &Op) -> Step {
    Ok(Flow::Next)
}

impl Cpu {
    /// The page of code at `la`.
    fn fetch_page(&mut self, la: u64) -> R<CodePage> {
        let page = la & !0xfff;
        let slot = (page >> 12) as usize & (FETCH_ENTRIES - 1);
        let e = self.fetch_tlb[slot];
        if e.0 == page && (e.1 ^ self.block_key) & !RUN_BITS == 0 {
            return Ok(e.2);
        }
        if !self.canonical(la) {
            return self.gp(0);
        }
        let user = self.s.cpl == 3;
        let m = WalkMode { access: Access::Execute, user, ac: false, no_rights: false, set_bits: true };
        let w = match self.walk(la, m) {
            Ok(w) => w,
            Err(WalkError::Fault(code)) => return self.page_fault(la, code),
            Err(WalkError::Exit(e)) => return self.exit(e),
        };
        let gpa = w.gpa & !0xfff;
        let deny =
            |unmapped| CpuExit::Memory { gpa: w.gpa, gva: Some(la), access: Access::Execute, unmapped };
        match self.env.page(gpa) {
            Page::Ram(r) if r.exec => {
                let p = CodePage { gpa, host: r.host as u64, code: r.code };
                if w.size > 0x1000 {
                    self.note_large_page(la, w.size);
                }
                self.note_code_page(la, w.global);
                self.fetch_tlb[slot] = (page, self.block_key, p);
                Ok(p)
            }
            Page::Ram(r) if r.guarded => self.gp(0),
            Page::Ram(_) => self.exit(deny(false)),
            Page::Apic | Page::Doorbell | Page::Unmapped => self.exit(deny(true)),
        }
    }

    /// From here on every store to the page is noticed; only then are its bytes worth reading.
    fn protect_code(&mut self, page: &CodePage) -> R<()> {
        let fresh = host::version(page.code) & 1 == 0;
        self.env.protect_code(page.gpa);
        if fresh {
            self.flush_writes();
        }
        if self.poll_pending() { self.retry() } else { Ok(()) }
    }

    /// Copies up to 16 bytes from RIP on, as far as they can be fetched, without any effect on the guest.
    pub fn peek_code(&mut self, bytes: &mut [u8; 16]) -> usize {
        let la = self.wrap_la(self.cs_base.wrapping_add(self.s.rip));
        let first = (4096 - (la & 0xfff)).min(16) as usize;
        if !self.peek_page(la, &mut bytes[..first]) {
            return 0;
        }
        let next = self.wrap_la(la.wrapping_add(first as u64));
        if first == 16 || self.peek_page(next, &mut bytes[first..]) { 16 } else { first }
    }

    /// Copies code bytes of one page.
    fn peek_page(&mut self, la: u64, bytes: &mut [u8]) -> bool {
        let page = la & !0xfff;
        let e = self.fetch_tlb[(page >> 12) as usize & (FETCH_ENTRIES - 1)];
        if e.0 == page && (e.1 ^ self.block_key) & !RUN_BITS == 0 {
            return host::load_bytes(e.2.host + (la & 0xfff), bytes);
        }
        if !self.canonical(la) {
            return false;
        }
        let user = self.s.cpl == 3;
        let m = WalkMode { access: Access::Execute, user, ac: false, no_rights: false, set_bits: false };
        let Ok(w) = self.walk(la, m) else { return false };
        match self.env.page(w.gpa & !0xfff) {
            Page::Ram(r) if r.exec => host::load_bytes(r.host as u64 + (w.gpa & 0xfff), bytes),
            _ => false,
        }
    }

    /// The block at RIP that has been used before, if memory still holds its bytes.
    fn known_block(&mut self) -> Option<BlockRef> {
        let rip = self.s.rip;
        let la = self.cs_base.wrapping_add(rip);
        let (known, is_compared) = self.blocks.known(la, self.block_key)?;
        let b = known.get();
        if b.rip != rip || rip + (u64::from(b.len) - 1) > self.cs_limit {
            return None;
        }
        if is_compared {
            return Some(known);
        }
        if !host::holds(b.page.host + (la & 0xfff), &b.source) {
            return None;
        }
        self.remember_block(known);
        Some(known)
    }

    /// Remembers where the block at RIP is.
    fn remember_block(&mut self, b: BlockRef) {
        if b.get().second.is_none() {
            let la = self.cs_base.wrapping_add(self.s.rip);
            let is_flat = Mode::is_flat(self.s.mode_key);
            self.blocks.enter_jump(la, self.block_key, is_flat, b);
        }
    }

    /// Finds or builds the block at RIP.
    pub(crate) fn find_block(&mut self) -> R<BlockRef> {
        let rip = self.s.rip;
        if rip > self.cs_limit {
            return self.gp(0);
        }
        match self.known_block() {
            Some(known) => Ok(known),
            None => self.look_up_block(),
        }
    }

    /// Finds the block at RIP by identity, or builds it.
    #[inline(never)]
    fn look_up_block(&mut self) -> R<BlockRef> {
        let rip = self.s.rip;
        let la = if self.s.long_mode() {
            self.cs_base.wrapping_add(rip)
        } else {
            self.cs_base.wrapping_add(rip) & 0xffff_ffff
        };
        let page = self.fetch_page(la)?;
        let key = BlockKey { gpa: page.gpa | la & 0xfff, la, rip, mode: self.s.mode_key };
        let found = self.blocks.find(&key);
        if found.is_none_or(|b| b.get().seen.get() != host::version(page.code)) {
            self.protect_code(&page)?;
        }
        let now = host::version(page.code);
        if now & 1 == 0 {
            // Another processor's stores made it a data page again: protect it anew.
            return self.retry();
        }
        if let Some(b) = found {
            let blk = b.get();
            if rip + u64::from(blk.len) - 1 <= self.cs_limit && self.still_valid(blk, page, la, now)? {
                blk.seen.set(now);
                self.remember_block(b);
                return Ok(b);
            }
        }
        let block = self.build(la, rip, page, now)?;
        if self.cs_limit < 0xffff_ffff && rip + u64::from(block.len) > self.cs_limit {
            return Ok(self.blocks.transient(block));
        }
        let b = self.blocks.insert(key, block);
        self.remember_block(b);
        Ok(b)
    }

    /// Whether the bytes a block was decoded from are still there.
    fn still_valid(&mut self, b: &Block, page: CodePage, la: u64, _now: u32) -> R<bool> {
        if b.page.host != page.host {
            return Ok(false);
        }
        let mut buf = [0u8; WINDOW];
        let n = b.source.len().min(WINDOW);
        let first = n.min(4096 - (la & 0xfff) as usize);
        if !host::load_bytes(page.host + (la & 0xfff), &mut buf[..first]) {
            return Ok(false);
        }
        if let Some((second, _)) = b.second {
            let p2 = self.fetch_page(self.wrap_la(la.wrapping_add(first as u64)))?;
            if p2.gpa != second.gpa || !host::load_bytes(p2.host, &mut buf[first..n]) {
                return Ok(false);
            }
        }
        Ok(buf[..n] == b.source[..])
    }

    /// Decodes a block.
    fn build(&mut self, la: u64, rip: u64, page: CodePage, seen: u32) -> R<Block> {
        let mode = Mode::from_key(self.s.mode_key);
        let off = (la & 0xfff) as usize;
        let avail = WINDOW.min(4096 - off);
        let mut buf = [0u8; WINDOW];
        if !host::load_bytes(page.host + off as u64, &mut buf[..avail]) {
            return self.exit(CpuExit::Memory {
                gpa: page.gpa + off as u64,
                gva: Some(la),
                access: Access::Execute,
                unmapped: false,
            });
        }
        let options = self.model.decoder_options();
        let mut ops = Vec::with_capacity(8);
        let mut insns = Vec::with_capacity(8);
        let mut len = 0usize;
        let mut branches = 0;
        let mut second = None;
        let mut n_bytes = avail;
        while insns.len() < MAX_INSNS {
            let ip = rip.wrapping_add(len as u64) & self.rip_mask;
            let mut dec = Decoder::with_ip(mode.bitness(), &buf[len..n_bytes], ip, options);
            let mut i = dec.decode();
            let mut err = dec.last_error();
            if err == DecoderError::NoMoreBytes && n_bytes - len < 15 {
                if !insns.is_empty() {
                    break;
                }
                // The first instruction runs into the next page.
                let la2 = self.wrap_la((la & !0xfff).wrapping_add(4096));
                let p2 = self.fetch_page(la2)?;
                self.protect_code(&p2)?;
                let version = host::version(p2.code);
                if version & 1 == 0 {
                    return self.retry();
                }
                let mut two = [0u8; 30];
                two[..n_bytes].copy_from_slice(&buf[..n_bytes]);
                if !host::load_bytes(p2.host, &mut two[n_bytes..15]) {
                    return self.exit(CpuExit::Memory {
                        gpa: p2.gpa,
                        gva: Some(la2),
                        access: Access::Execute,
                        unmapped: false,
                    });
                }
                buf[..15].copy_from_slice(&two[..15]);
                n_bytes = 15;
                second = Some((p2, version));
                let mut dec = Decoder::with_ip(mode.bitness(), &buf[..15], ip, options);
                i = dec.decode();
                err = dec.last_error();
            }
            let too_long = err == DecoderError::NoMoreBytes
                || i.is_invalid() && i.len() == MAX_LEN && is_too_long(&buf[len..n_bytes], mode.bitness());
            let ilen = if i.is_invalid() && i.len() == 0 { 1 } else { i.len() };
            let past_limit = ip.wrapping_add(ilen as u64 - 1) > self.cs_limit;
            if past_limit && !insns.is_empty() {
                break;
            }
            let next = ip.wrapping_add(ilen as u64) & self.rip_mask;
            let c = Ctx { mode, key: self.s.mode_key, next };
            let (mut op, mut end) = lower(self, &i, &c);
            if too_long || past_limit {
                op.run = op_gp0;
                end = true;
            }
            op.len = ilen as u8;
            op.idx = insns.len() as u16;
            op.off = len as u16;
            ops.push(op);
            insns.push(i);
            len += ilen;
            branches += usize::from(i.is_jcc_short_or_near());
            if end || branches == MAX_BRANCHES || second.is_some() || len >= n_bytes {
                break;
            }
        }
        Ok(Block {
            ops: ops.into_boxed_slice(),
            insns: insns.into_boxed_slice(),
            rip,
            end_rip: rip.wrapping_add(len as u64) & self.rip_mask,
            len: len as u32,
            source: buf[..len].into(),
            page,
            seen: std::cell::Cell::new(seen),
            second,
        })
    }
}
