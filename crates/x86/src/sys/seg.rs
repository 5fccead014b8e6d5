//! Segmentation: limit and rights checks, descriptors, segment register loads, stacks of other levels.
//!
//! Intel SDM 3A "Protected-Mode Memory Management" and "Protection"; AMD APM 2 "Segmented Virtual Memory".

use crate::cpu::Cpu;
use crate::cpu::vector;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::decode::gpr_index;
use crate::decode::seg_index;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::exit::Trap;
use crate::exit::TrapKind;
use crate::mem::Access;
use crate::op::Op;
use crate::state::*;
use iced_x86::Code;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;
use iced_x86::Register;

/// Chooses the handler.
pub(crate) fn lower(i: &Instruction, op: &mut Op, _c: &Ctx) -> Option<Lowered> {
    let sreg = |n: u32| i.op_kind(n) == OpKind::Register && i.op_register(n).is_segment_register();
    match i.mnemonic() {
        Mnemonic::Mov if sreg(0) => {
            if i.op0_register() == Register::CS {
                return None;
            }
            op.aux = seg_index(i.op0_register()) as u8;
            if i.op_kind(1) == OpKind::Register {
                op.src = gpr_index(i.op1_register());
                Lowered::next(op_mov_sreg::<true>)
            } else {
                Lowered::next(op_mov_sreg::<false>)
            }
        }
        Mnemonic::Mov if sreg(1) => {
            op.aux = seg_index(i.op1_register()) as u8;
            if i.op_kind(0) != OpKind::Register {
                return Lowered::next(op_store_sreg);
            }
            op.dst = gpr_index(i.op0_register());
            let wide = i.op0_register().size() > 2;
            Lowered::next(if wide { op_read_sreg::<true> } else { op_read_sreg::<false> })
        }
        Mnemonic::Push if sreg(0) => {
            op.aux = seg_index(i.op0_register()) as u8;
            op.imm = stack_size(i.code());
            Lowered::next(op_push_sreg)
        }
        Mnemonic::Pop if sreg(0) => {
            if i.op0_register() == Register::CS {
                return None;
            }
            op.aux = seg_index(i.op0_register()) as u8;
            op.imm = stack_size(i.code());
            Lowered::next(op_pop_sreg)
        }
        m @ (Mnemonic::Lds | Mnemonic::Les | Mnemonic::Lfs | Mnemonic::Lgs | Mnemonic::Lss) => {
            op.aux = match m {
                Mnemonic::Lds => DS,
                Mnemonic::Les => ES,
                Mnemonic::Lfs => FS,
                Mnemonic::Lgs => GS,
                _ => SS,
            } as u8;
            op.imm = i.op0_register().size() as u64;
            Lowered::next(op_load_far)
        }
        _ => None,
    }
}

/// Operand size of PUSH and POP of a segment register.
fn stack_size(c: Code) -> u64 {
    match c {
        Code::Pushw_ES
        | Code::Pushw_CS
        | Code::Pushw_SS
        | Code::Pushw_DS
        | Code::Pushw_FS
        | Code::Pushw_GS
        | Code::Popw_ES
        | Code::Popw_SS
        | Code::Popw_DS
        | Code::Popw_FS
        | Code::Popw_GS => 2,
        Code::Pushq_FS | Code::Pushq_GS | Code::Popq_FS | Code::Popq_GS => 8,
        _ => 4,
    }
}

/// Error code of a selector: index and TI, RPL cleared.
#[inline]
pub(crate) fn code_of(sel: u16) -> u32 {
    u32::from(sel & 0xfffc)
}

/// Whether a selector is null.
#[inline]
pub(crate) fn is_null(sel: u16) -> bool {
    sel & 0xfffc == 0
}

/// A descriptor as it stands in a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Desc {
    /// First four bytes.
    pub(crate) lo: u32,
    /// Last four bytes.
    pub(crate) hi: u32,
    /// Linear address.
    pub(crate) la: u64,
}

impl Desc {
    /// Type field.
    pub(crate) fn kind(&self) -> u32 {
        self.hi >> 8 & 0xf
    }
    /// Code or data segment.
    pub(crate) fn is_segment(&self) -> bool {
        self.hi & 0x1000 != 0
    }
    /// Privilege level.
    pub(crate) fn dpl(&self) -> u8 {
        (self.hi >> 13 & 3) as u8
    }
    /// Present.
    pub(crate) fn present(&self) -> bool {
        self.hi & 0x8000 != 0
    }
    /// 64-bit code.
    pub(crate) fn long(&self) -> bool {
        self.hi & 0x20_0000 != 0
    }
    /// 32-bit.
    pub(crate) fn big(&self) -> bool {
        self.hi & 0x40_0000 != 0
    }
    /// Code segment.
    pub(crate) fn is_code(&self) -> bool {
        self.hi & 0x1800 == 0x1800
    }
    /// Conforming code segment.
    pub(crate) fn conforming(&self) -> bool {
        self.hi & 0x1c00 == 0x1c00
    }
    /// Writable data segment.
    pub(crate) fn writable(&self) -> bool {
        self.hi & 0x1a00 == 0x1200
    }
    /// Data, or code that can be read.
    pub(crate) fn readable(&self) -> bool {
        self.hi & 0x1800 == 0x1000 || self.hi & 0x1a00 == 0x1a00
    }
    /// Limit in bytes.
    pub(crate) fn limit(&self) -> u32 {
        let raw = self.lo & 0xffff | self.hi & 0xf_0000;
        if self.hi & 0x80_0000 != 0 { raw << 12 | 0xfff } else { raw }
    }
    /// The segment register it loads.
    pub(crate) fn segment(&self, selector: u16) -> Segment {
        Segment {
            base: u64::from(self.lo >> 16 | (self.hi & 0xff) << 16 | self.hi & 0xff00_0000),
            limit: self.limit(),
            selector,
            attrs: (self.hi >> 8 & 0xf0ff) as u16,
        }
    }
    /// Target selector of a gate.
    pub(crate) fn gate_selector(&self) -> u16 {
        (self.lo >> 16) as u16
    }
    /// Target offset of a 16- or 32-bit gate.
    pub(crate) fn gate_offset(&self) -> u64 {
        let low = self.lo & 0xffff;
        // 16-bit gates (bit 3 of the type clear) have no upper half.
        u64::from(if self.hi & 0x800 != 0 { self.hi & 0xffff_0000 | low } else { low })
    }
}

/// A stack that a frame is being built on. Nothing is committed to registers until the caller does it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    /// The segment, unless in 64-bit mode.
    seg: Segment,
    is64: bool,
    /// Mask of the stack pointer.
    pub(crate) mask: u64,
    /// Stack pointer, upper bits (above `mask`) those of the register.
    pub(crate) sp: u64,
    user: bool,
    /// Error code of the #SS that a violation raises.
    err: u32,
}

impl Stack {
    /// A stack in `seg` for code of privilege `cpl`; `is64` when that code is 64-bit.
    pub(crate) fn new(seg: Segment, sp: u64, is64: bool, cpl: u8, err: u32) -> Stack {
        let mask = if is64 {
            !0
        } else if seg.big() {
            0xffff_ffff
        } else {
            0xffff
        };
        Stack { seg, is64, mask, sp, user: cpl == 3, err }
    }

    /// The stack pointer moved by `delta`, upper bits kept.
    fn moved(&self, delta: u64) -> u64 {
        self.sp & !self.mask | self.sp.wrapping_add(delta) & self.mask
    }
}

/// Whether `[ea, ea + size)` lies within the segment's limit.
#[inline]
fn in_limit(s: &Segment, ea: u64, size: u64) -> bool {
    let last = ea + size.max(1) - 1;
    if s.expand_down() {
        let top = if s.big() { 0xffff_ffff } else { 0xffff };
        ea > u64::from(s.limit) && last <= top
    } else {
        last <= u64::from(s.limit) || s.limit == u32::MAX
    }
}

impl Cpu {
    /// Segment limit and rights check outside 64-bit mode; gives the linear address.
    #[inline(never)]
    pub(crate) fn seg_check(&mut self, seg: u8, ea: u64, size: u64, access: Access) -> R<u64> {
        let s = self.s.seg[usize::from(seg & 7)];
        if self.s.is64() {
            return Ok(if seg >= FS as u8 { s.base.wrapping_add(ea) } else { ea });
        }
        let rights = !self.s.protected()
            || self.s.v86()
            || s.present()
                && match access {
                    Access::Write => s.writable(),
                    Access::Read => s.readable(),
                    Access::Execute => true,
                };
        if !rights || !in_limit(&s, ea, size) {
            return if usize::from(seg) == SS { self.ss(0) } else { self.gp(0) };
        }
        Ok(s.base.wrapping_add(ea) & 0xffff_ffff)
    }

    /// Loads a far pointer with an offset of `size` bytes: selector and offset. The selector's address wraps with the
    /// address size.
    pub(crate) fn load_far_pointer(&mut self, op: &Op, size: u64) -> R<(u16, u64)> {
        let ea = self.ea(op);
        let seg = op.seg & 7;
        let la = self.seg_la(op.seg, ea, size, Access::Read)?;
        let off = match size {
            2 => u64::from(self.read::<u16>(la, seg)?),
            4 => u64::from(self.read::<u32>(la, seg)?),
            _ => self.read::<u64>(la, seg)?,
        };
        let la = self.seg_la(op.seg, ea.wrapping_add(size) & op.amask, 2, Access::Read)?;
        let sel = self.read::<u16>(la, seg)?;
        Ok((sel, off))
    }

    // ---- descriptors --------------------------------------------------------------------------

    /// Reads the descriptor that `sel` names; `None` when it lies outside its table. `bytes` is 8, or 16 for system
    /// descriptors of long mode (whose upper half is read apart).
    pub(crate) fn descriptor(&mut self, sel: u16, bytes: u64) -> R<Option<Desc>> {
        let index = u64::from(sel & 0xfff8);
        let (base, limit) = if sel & 4 != 0 {
            let l = self.s.seg[LDTR];
            if !l.present() {
                return Ok(None);
            }
            (l.base, u64::from(l.limit))
        } else {
            (self.s.gdtr.base, u64::from(self.s.gdtr.limit))
        };
        if index + bytes - 1 > limit {
            return Ok(None);
        }
        let la = self.wrap_la(base.wrapping_add(index));
        let v = self.read_sys::<u64>(la)?;
        Ok(Some(Desc { lo: v as u32, hi: (v >> 32) as u32, la }))
    }

    /// The descriptor of `sel`, or fault `vec` with the selector (and `ext`) as error code.
    pub(crate) fn descriptor_or(&mut self, sel: u16, vec: u8, ext: u32) -> R<Desc> {
        match self.descriptor(sel, 8)? {
            Some(d) => Ok(d),
            None => self.fault(vec, Some(code_of(sel) | ext)),
        }
    }

    /// Sets the accessed bit of a code or data segment in its table.
    pub(crate) fn mark_accessed(&mut self, d: &mut Desc) -> R<()> {
        if d.is_segment() && d.hi & 0x100 == 0 {
            self.update_sys(d.la.wrapping_add(5), |b| b | 1)?;
            d.hi |= 0x100;
        }
        Ok(())
    }

    // ---- loading segment registers ------------------------------------------------------------

    /// What a load of `sel` puts into data segment register `idx` (not CS) in protected mode. Faults as MOV does.
    pub(crate) fn data_segment(&mut self, idx: usize, sel: u16) -> R<Segment> {
        let rpl = (sel & 3) as u8;
        let cpl = self.s.cpl;
        if idx == SS {
            if is_null(sel) {
                if self.s.is64() && cpl != 3 && rpl == cpl {
                    return Ok(null_stack(sel));
                }
                return self.gp(0);
            }
            return self.stack_segment(sel, cpl, vector::GP, 0);
        }
        if is_null(sel) {
            return Ok(Segment { base: 0, limit: 0, selector: sel, attrs: 0 });
        }
        let mut d = self.descriptor_or(sel, vector::GP, 0)?;
        if !d.is_segment() || !d.readable() || !d.conforming() && (rpl > d.dpl() || cpl > d.dpl()) {
            return self.gp(code_of(sel));
        }
        if !d.present() {
            return self.fault(vector::NP, Some(code_of(sel)));
        }
        self.mark_accessed(&mut d)?;
        Ok(d.segment(sel))
    }

    /// Checks and reads a stack segment for privilege `level`: faults with `vec` (#SS when not present) and the
    /// selector, `ext` added.
    pub(crate) fn stack_segment(&mut self, sel: u16, level: u8, vec: u8, ext: u32) -> R<Segment> {
        let mut d = self.descriptor_or(sel, vec, ext)?;
        if (sel & 3) as u8 != level || !d.writable() || d.dpl() != level {
            return self.fault(vec, Some(code_of(sel) | ext));
        }
        if !d.present() {
            return self.ss(code_of(sel) | ext);
        }
        self.mark_accessed(&mut d)?;
        Ok(d.segment(sel))
    }

    /// What a load of `sel` puts into segment register `idx` (not CS) in the present mode.
    fn segment_for(&mut self, idx: usize, sel: u16) -> R<Segment> {
        if self.s.v86() {
            return Ok(v86_segment(sel));
        }
        if !self.s.protected() {
            return Ok(self.real_segment(idx, sel));
        }
        self.data_segment(idx, sel)
    }

    /// What a load in real mode gives: a new base, limit and rights as they were.
    pub(crate) fn real_segment(&self, idx: usize, sel: u16) -> Segment {
        let old = self.s.seg[idx];
        let base = u64::from(sel) << 4;
        if old.present() {
            Segment { base, selector: sel, ..old }
        } else {
            Segment { base, limit: 0xffff, selector: sel, attrs: 0x93 }
        }
    }

    /// Commits a loaded segment register; the block ends when the mode key may have changed.
    fn set_segment(&mut self, idx: usize, new: Segment) -> Flow {
        let old = self.s.seg[idx];
        self.s.seg[idx] = new;
        let checked = self.s.protected() && !self.s.v86() && !self.s.is64();
        if checked && old.flat_data() != new.flat_data() || idx == SS && old.big() != new.big() {
            self.refresh();
            return Flow::End;
        }
        Flow::Next
    }

    // ---- stacks -------------------------------------------------------------------------------

    /// The current stack; violations raise #SS(`err`).
    pub(crate) fn stack(&self, err: u32) -> Stack {
        Stack::new(self.s.seg[SS], self.s.gpr[RSP], self.s.is64(), self.s.cpl, err)
    }

    /// Pushes `values` in order, `size` bytes each, onto `st`: limits first, then memory, all or nothing unless the
    /// stack pointer wraps.
    pub(crate) fn push_all(&mut self, st: &mut Stack, values: &[u64], size: u64) -> R<()> {
        let total = values.len() as u64 * size;
        let top = st.sp & st.mask;
        if st.is64 || top >= total {
            let low = top.wrapping_sub(total);
            let la = self.stack_la(st, low, total)?;
            // Interrupt frames are small; only call gates copy many parameters.
            let (mut small, mut large);
            let frame: &mut [u8] = if total <= 80 {
                small = [0u8; 80];
                &mut small
            } else {
                large = [0u8; 320];
                &mut large
            };
            let n = size as usize;
            for (k, v) in values.iter().rev().enumerate() {
                frame[k * n..(k + 1) * n].copy_from_slice(&v.to_le_bytes()[..n]);
            }
            if self.write_frame(la, &frame[..total as usize], st.user).is_err() {
                return self.frame_fault(la, values.len() as u64, size, st.user);
            }
        } else {
            for pass in 0..2 {
                for (k, v) in values.iter().enumerate() {
                    let ea = top.wrapping_sub((k as u64 + 1) * size) & st.mask;
                    let la = self.stack_la(st, ea, size)?;
                    if pass == 0 {
                        self.probe_stack(la, size, st.user)?;
                    } else {
                        self.write_frame(la, &v.to_le_bytes()[..size as usize], st.user)?;
                    }
                }
            }
        }
        st.sp = st.moved(total.wrapping_neg());
        Ok(())
    }

    /// A frame could not be written: reports the element that pushes from the top down would have met first.
    #[cold]
    fn frame_fault(&mut self, la: u64, count: u64, size: u64, user: bool) -> R<()> {
        let first = std::mem::replace(&mut self.trap, TrapKind::None);
        if matches!(first, TrapKind::Event(_)) {
            for k in (0..count).rev() {
                self.probe_stack(self.wrap_la(la.wrapping_add(k * size)), size, user)?;
            }
        }
        self.trap = first;
        Err(Trap)
    }

    /// Linear address of `[ea, ea + size)` of a stack.
    fn stack_la(&mut self, st: &Stack, ea: u64, size: u64) -> R<u64> {
        if st.is64 {
            if !self.canonical(ea) || !self.canonical(ea.wrapping_add(size - 1)) {
                return self.ss(st.err);
            }
            return Ok(ea);
        }
        let rights = !self.s.protected() || st.seg.present();
        if !rights || !in_limit(&st.seg, ea, size) {
            return self.ss(st.err);
        }
        Ok(st.seg.base.wrapping_add(ea) & 0xffff_ffff)
    }

    /// Reads word `n` above the current stack pointer, counting words of `size` bytes from byte offset `skip`.
    pub(crate) fn peek(&mut self, skip: u64, n: u64, size: u64) -> R<u64> {
        let la = if self.s.is64() {
            // The access itself checks the canonical form.
            self.s.gpr[RSP].wrapping_add(skip + n * size)
        } else {
            let st = self.stack(0);
            let ea = st.sp.wrapping_add(skip + n * size) & st.mask;
            self.stack_la(&st, ea, size)?
        };
        Ok(match size {
            2 => u64::from(self.read::<u16>(la, SS as u8)?),
            4 => u64::from(self.read::<u32>(la, SS as u8)?),
            _ => self.read::<u64>(la, SS as u8)?,
        })
    }

    /// Moves the current stack pointer up by `bytes`.
    pub(crate) fn drop_stack(&mut self, bytes: u64) {
        let st = self.stack(0);
        self.set_sp(st.moved(bytes), st.mask);
    }

    /// Writes the stack pointer register from a value of the width that `mask` says.
    pub(crate) fn set_sp(&mut self, sp: u64, mask: u64) {
        self.s.gpr[RSP] = match mask {
            0xffff => self.s.gpr[RSP] & !0xffff | sp & 0xffff,
            m => sp & m,
        };
    }
}

/// A null SS: legal in 64-bit mode below CPL 3.
pub(crate) fn null_stack(sel: u16) -> Segment {
    Segment { base: 0, limit: 0, selector: sel, attrs: (sel & 3) << 5 }
}

/// A segment in virtual-8086 mode.
pub(crate) fn v86_segment(sel: u16) -> Segment {
    Segment { base: u64::from(sel) << 4, limit: 0xffff, selector: sel, attrs: 0xf3 }
}

/// MOV Sreg, r/m16.
fn op_mov_sreg<const REG: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    let sel = if REG { cpu.reg::<u16>(op.src) } else { cpu.load::<u16>(op)? };
    let idx = usize::from(op.aux);
    let seg = cpu.segment_for(idx, sel)?;
    let flow = cpu.set_segment(idx, seg);
    if idx == SS {
        cpu.start_shadow(true);
    }
    Ok(flow)
}

/// MOV r, Sreg.
fn op_read_sreg<const WIDE: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    let sel = cpu.s.seg[usize::from(op.aux)].selector;
    if WIDE {
        cpu.set_reg::<u64>(op.dst, u64::from(sel));
    } else {
        cpu.set_reg::<u16>(op.dst, sel);
    }
    Ok(Flow::Next)
}

/// MOV m16, Sreg.
fn op_store_sreg(cpu: &mut Cpu, op: &Op) -> Step {
    let sel = cpu.s.seg[usize::from(op.aux)].selector;
    cpu.store::<u16>(op, sel)?;
    Ok(Flow::Next)
}

/// PUSH Sreg. With a 32-bit operand Intel processors write 16 bits, AMD's 32.
fn op_push_sreg(cpu: &mut Cpu, op: &Op) -> Step {
    let sel = u64::from(cpu.s.seg[usize::from(op.aux)].selector);
    let mut st = cpu.stack(0);
    if op.imm == 4 && !cpu.model.is_amd() {
        let ea = st.moved(4u64.wrapping_neg());
        let la = cpu.stack_la(&st, ea & st.mask, 2)?;
        cpu.write::<u16>(la, sel as u16, SS as u8)?;
        st.sp = ea;
    } else {
        let ea = st.moved(op.imm.wrapping_neg());
        let la = cpu.stack_la(&st, ea & st.mask, op.imm)?;
        match op.imm {
            2 => cpu.write::<u16>(la, sel as u16, SS as u8)?,
            4 => cpu.write::<u32>(la, sel as u32, SS as u8)?,
            _ => cpu.write::<u64>(la, sel, SS as u8)?,
        }
        st.sp = ea;
    }
    cpu.set_sp(st.sp, st.mask);
    Ok(Flow::Next)
}

/// POP Sreg.
fn op_pop_sreg(cpu: &mut Cpu, op: &Op) -> Step {
    let sel = cpu.peek(0, 0, op.imm)? as u16;
    let idx = usize::from(op.aux);
    let seg = cpu.segment_for(idx, sel)?;
    // The stack pointer's width is that of the old stack segment.
    cpu.drop_stack(op.imm);
    let flow = cpu.set_segment(idx, seg);
    if idx == SS {
        cpu.start_shadow(true);
    }
    Ok(flow)
}

/// LDS, LES, LFS, LGS, LSS. AMD processors know no 64-bit offset in memory.
fn op_load_far(cpu: &mut Cpu, op: &Op) -> Step {
    let size = if cpu.model.is_amd() { op.imm.min(4) } else { op.imm };
    let (sel, off) = cpu.load_far_pointer(op, size)?;
    let idx = usize::from(op.aux);
    let new = cpu.segment_for(idx, sel)?;
    match op.imm {
        2 => cpu.set_reg::<u16>(op.dst, off as u16),
        _ => cpu.set_reg::<u64>(op.dst, off),
    }
    Ok(cpu.set_segment(idx, new))
}
