//! Far transfers, interrupt instructions and IRET.
//!
//! Intel SDM 2A "CALL", "JMP", "RET", "IRET", "INT n"; AMD APM 3. Shape of every handler: read and check everything, write
//! the frame, then change registers.

use super::seg::Desc;
use super::seg::Stack;
use super::seg::code_of;
use super::seg::is_null;
use super::seg::null_stack;
use super::seg::v86_segment;
use super::task::Switch;
use crate::cpu::Cpu;
use crate::cpu::vector;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::op::Op;
use crate::state::*;
use iced_x86::Code;
use iced_x86::Instruction;
use iced_x86::OpKind;

/// Chooses the handler.
pub(crate) fn lower(i: &Instruction, op: &mut Op, _c: &Ctx) -> Option<Lowered> {
    let far = |op: &mut Op| match i.op0_kind() {
        OpKind::FarBranch16 => {
            (op.imm, op.disp) = (u64::from(i.far_branch16()), i.far_branch_selector().into())
        }
        _ => (op.imm, op.disp) = (u64::from(i.far_branch32()), i.far_branch_selector().into()),
    };
    match i.code() {
        Code::Jmp_ptr1616 | Code::Jmp_ptr1632 => {
            far(op);
            op.aux = if i.code() == Code::Jmp_ptr1616 { 2 } else { 4 };
            Lowered::end(op_far_imm::<false>)
        }
        Code::Call_ptr1616 | Code::Call_ptr1632 => {
            far(op);
            op.aux = if i.code() == Code::Call_ptr1616 { 2 } else { 4 };
            Lowered::end(op_far_imm::<true>)
        }
        Code::Jmp_m1616 | Code::Jmp_m1632 | Code::Jmp_m1664 => {
            op.aux = size3(i.code(), Code::Jmp_m1616, Code::Jmp_m1632);
            Lowered::end(op_far_mem::<false>)
        }
        Code::Call_m1616 | Code::Call_m1632 | Code::Call_m1664 => {
            op.aux = size3(i.code(), Code::Call_m1616, Code::Call_m1632);
            Lowered::end(op_far_mem::<true>)
        }
        Code::Retfw | Code::Retfd | Code::Retfq => {
            op.aux = size3(i.code(), Code::Retfw, Code::Retfd);
            op.imm = 0;
            Lowered::end(op_retf)
        }
        Code::Retfw_imm16 | Code::Retfd_imm16 | Code::Retfq_imm16 => {
            op.aux = size3(i.code(), Code::Retfw_imm16, Code::Retfd_imm16);
            op.imm &= 0xffff;
            Lowered::end(op_retf)
        }
        Code::Iretw | Code::Iretd | Code::Iretq => {
            op.aux = size3(i.code(), Code::Iretw, Code::Iretd);
            Lowered::end(op_iret)
        }
        Code::Int3 => Lowered::end(op_int3),
        Code::Int1 => Lowered::end(op_int1),
        Code::Into => Lowered::end(op_into),
        Code::Int_imm8 => Lowered::end(op_int),
        _ => None,
    }
}

/// Operand size from the 16- and 32-bit forms of an instruction.
fn size3(c: Code, w: Code, d: Code) -> u8 {
    if c == w {
        2
    } else if c == d {
        4
    } else {
        8
    }
}

/// Flags that IRET and POPF take from a 16-bit image at most.
const LOW_FLAGS: u64 = 0x7fd5;

/// A far JMP or CALL.
#[derive(Clone, Copy)]
struct Transfer {
    sel: u16,
    off: u64,
    /// Operand size in bytes.
    size: u64,
    call: bool,
    /// RIP behind the instruction.
    next: u64,
}

impl Transfer {
    fn switch(&self) -> Switch {
        if self.call { Switch::Call { next: self.next } } else { Switch::Jump { next: self.next } }
    }
}

/// JMP or CALL ptr16:16, ptr16:32.
fn op_far_imm<const CALL: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    let next = cpu.op_next(op);
    cpu.far(Transfer { sel: op.disp as u16, off: op.imm, size: op.aux.into(), call: CALL, next })
}

/// JMP or CALL m16:16, m16:32, m16:64. AMD processors know no 64-bit offset in memory.
fn op_far_mem<const CALL: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    let size = u64::from(if cpu.model.is_amd() { op.aux.min(4) } else { op.aux });
    let (sel, off) = cpu.load_far_pointer(op, size)?;
    let next = cpu.op_next(op);
    cpu.far(Transfer { sel, off, size, call: CALL, next })
}

/// RETF, RETF imm16.
fn op_retf(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.far_return(op.aux.into(), op.imm)
}

/// IRET.
fn op_iret(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.events.nmi_masked {
        // NMIs are unmasked even if the rest faults.
        cpu.s.events.nmi_masked = false;
        cpu.env.nmi_handled();
        cpu.recheck_events();
    }
    let size = u64::from(op.aux);
    if !cpu.s.protected() {
        return cpu.iret_real(size);
    }
    if cpu.s.v86() {
        return cpu.iret_v86(size);
    }
    if cpu.s.sys_flags & rflags::NT != 0 {
        if cpu.s.long_mode() {
            return cpu.gp(0);
        }
        let next = cpu.op_next(op);
        return cpu.task_return(next);
    }
    cpu.iret_protected(size)
}

/// INT n.
fn op_int(cpu: &mut Cpu, op: &Op) -> Step {
    let vec = op.imm as u8;
    if cpu.s.v86() {
        if cpu.s.cr4 & cr4::VME != 0 && cpu.v86_redirected(vec)? {
            let next = cpu.op_next(op);
            return cpu.v86_int(vec, next);
        }
        if cpu.s.iopl() < 3 {
            return cpu.gp(0);
        }
    }
    cpu.software_event(EventKind::SoftInt, vec, op.len)
}

/// INT3.
fn op_int3(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.software_event(EventKind::SoftException, vector::BP, op.len)
}

/// INTO.
fn op_into(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.flags.of() {
        return cpu.software_event(EventKind::SoftException, vector::OF, op.len);
    }
    cpu.s.rip = cpu.op_next(op);
    Ok(Flow::End)
}

/// INT1.
fn op_int1(cpu: &mut Cpu, op: &Op) -> Step {
    // Data breakpoints that MOV SS holds back are told with it.
    let held = std::mem::take(&mut cpu.s.events.debug);
    cpu.software_debug(held, op.len)
}

impl Cpu {
    /// Far JMP and CALL in every mode.
    fn far(&mut self, mut t: Transfer) -> Step {
        if t.size == 2 {
            t.off &= 0xffff;
        }
        if !self.s.protected() || self.s.v86() {
            let cs = if self.s.v86() { v86_segment(t.sel) } else { self.real_segment(CS, t.sel) };
            let st = if t.call { Some(self.push_return(t.size, t.next, false)?) } else { None };
            if t.off > u64::from(cs.limit) {
                return self.gp(0);
            }
            self.commit_stack(st);
            return self.go(cs, t.off);
        }
        if is_null(t.sel) {
            return self.gp(0);
        }
        let d = self.descriptor_or(t.sel, vector::GP, 0)?;
        if d.is_segment() { self.far_direct(t, d) } else { self.far_system(t, d) }
    }

    /// Writes the return address to the current stack; the caller commits the stack pointer once nothing can fault.
    fn push_return(&mut self, size: u64, next: u64, is64: bool) -> R<Stack> {
        let mut st = Stack::new(self.s.seg[SS], self.s.gpr[RSP], is64, self.s.cpl, 0);
        self.push_all(&mut st, &[u64::from(self.s.seg[CS].selector), next], size)?;
        Ok(st)
    }

    /// Sets the stack pointer behind [`Cpu::push_return`].
    fn commit_stack(&mut self, st: Option<Stack>) {
        if let Some(st) = st {
            self.set_sp(st.sp, st.mask);
        }
    }

    /// Commits a code segment and RIP.
    fn go(&mut self, cs: Segment, rip: u64) -> Step {
        self.s.seg[CS] = cs;
        self.s.rip = rip;
        self.refresh();
        Ok(Flow::End)
    }

    /// #GP(0) unless `rip` may be executed in code segment `d`.
    fn check_rip(&mut self, d: &Desc, rip: u64) -> R<()> {
        let ok =
            if self.s.long_mode() && d.long() { self.canonical(rip) } else { rip <= u64::from(d.limit()) };
        if ok { Ok(()) } else { self.gp(0) }
    }

    /// To a code segment.
    fn far_direct(&mut self, t: Transfer, mut d: Desc) -> Step {
        let code = code_of(t.sel);
        let cpl = self.s.cpl;
        let level = if d.conforming() { d.dpl() <= cpl } else { d.dpl() == cpl && (t.sel & 3) as u8 <= cpl };
        if !d.is_code() || !level || self.s.long_mode() && d.long() && d.big() {
            return self.gp(code);
        }
        if !d.present() {
            return self.fault(vector::NP, Some(code));
        }
        self.mark_accessed(&mut d)?;
        let mut st = None;
        if t.call {
            // AMD processors push with the stack of the mode they go to.
            let is64 = if self.model.is_amd() { self.s.long_mode() && d.long() } else { self.s.is64() };
            st = Some(self.push_return(t.size, t.next, is64)?);
        }
        self.check_rip(&d, t.off)?;
        self.commit_stack(st);
        self.go(d.segment(t.sel & !3 | u16::from(cpl)), t.off)
    }

    /// Through a call gate, task gate or TSS.
    fn far_system(&mut self, t: Transfer, d: Desc) -> Step {
        let code = code_of(t.sel);
        let long = self.s.long_mode();
        let kind = d.kind();
        let known = if long { kind == 12 } else { matches!(kind, 1 | 4 | 5 | 9 | 12) };
        if !known || d.dpl() < self.s.cpl || d.dpl() < (t.sel & 3) as u8 {
            return self.gp(code);
        }
        if matches!(kind, 1 | 9) && t.sel & 4 != 0 {
            return self.gp(code);
        }
        if !d.present() {
            return self.fault(vector::NP, Some(code));
        }
        match kind {
            1 | 9 => self.task_step(t.sel, d, t.switch()),
            5 => self.task_gate_step(d.gate_selector(), t.switch()),
            _ => {
                let mut off = d.gate_offset();
                if long {
                    if self.descriptor(t.sel, 16)?.is_none() {
                        return self.gp(code);
                    }
                    let high = self.read_sys::<u64>(d.la.wrapping_add(8))?;
                    if high >> 40 & 0x1f != 0 {
                        return self.gp(code);
                    }
                    off |= high << 32;
                }
                self.call_gate(t, d, off)
            }
        }
    }

    /// Through a call gate to `off`.
    fn call_gate(&mut self, t: Transfer, gate: Desc, off: u64) -> Step {
        let long = self.s.long_mode();
        let sel = gate.gate_selector();
        if is_null(sel) {
            return self.gp(0);
        }
        let code = code_of(sel);
        let mut d = self.descriptor_or(sel, vector::GP, 0)?;
        let cpl = self.s.cpl;
        let level = if d.conforming() || t.call { d.dpl() <= cpl } else { d.dpl() == cpl };
        if !d.is_code() || !level || long && (!d.long() || d.big()) {
            return self.gp(code);
        }
        if !d.present() {
            return self.fault(vector::NP, Some(code));
        }
        self.mark_accessed(&mut d)?;
        let size = if long {
            8
        } else if gate.kind() & 8 != 0 {
            4
        } else {
            2
        };
        if t.call && !d.conforming() && d.dpl() < cpl {
            return self.call_inner(t, gate, d, off, size);
        }
        let st = if t.call { Some(self.push_return(size, t.next, long)?) } else { None };
        self.check_rip(&d, off)?;
        self.commit_stack(st);
        self.go(d.segment(sel & !3 | u16::from(cpl)), off)
    }

    /// CALL through a gate to a more privileged level.
    fn call_inner(&mut self, t: Transfer, gate: Desc, d: Desc, off: u64, size: u64) -> Step {
        let level = d.dpl();
        let old = [SS, CS].map(|i| u64::from(self.s.seg[i].selector));
        let mut frame = [0u64; 35];
        frame[0] = old[0];
        frame[1] = self.s.gpr[RSP];
        let mut n = 2;
        let (ss, mut st) = if size == 8 {
            let sp = self.long_stack(u64::from(level), 0)?;
            let ss = null_stack(u16::from(level));
            (ss, Stack::new(ss, sp, true, level, 0))
        } else {
            let (ss, sp) = self.inner_stack(level, 0)?;
            let count = u64::from(gate.hi & 0x1f);
            for k in (0..count).rev() {
                frame[n] = self.peek(0, k, size)?;
                n += 1;
            }
            (ss, Stack::new(ss, sp, false, level, code_of(ss.selector)))
        };
        frame[n] = old[1];
        frame[n + 1] = t.next;
        self.push_all(&mut st, &frame[..n + 2], size)?;
        self.check_rip(&d, off)?;
        self.s.seg[SS] = ss;
        self.set_sp(st.sp, st.mask);
        self.s.cpl = level;
        self.go(d.segment(gate.gate_selector() & !3 | u16::from(level)), off)
    }

    // ---- returns ------------------------------------------------------------------------------

    /// Checks the code segment of a return (RETF and IRET).
    fn return_code(&mut self, sel: u16, rip: u64) -> R<Desc> {
        if is_null(sel) {
            return self.gp(0);
        }
        let code = code_of(sel);
        let mut d = self.descriptor_or(sel, vector::GP, 0)?;
        let rpl = (sel & 3) as u8;
        let level = if d.conforming() { d.dpl() <= rpl } else { d.dpl() == rpl };
        if !d.is_code() || rpl < self.s.cpl || !level || self.s.long_mode() && d.long() && d.big() {
            return self.gp(code);
        }
        if !d.present() {
            return self.fault(vector::NP, Some(code));
        }
        self.check_rip(&d, rip)?;
        self.mark_accessed(&mut d)?;
        Ok(d)
    }

    /// The stack segment of a return to level `level` with code segment `cs`.
    fn return_stack(&mut self, sel: u16, cs: &Desc, level: u8) -> R<Segment> {
        if is_null(sel) {
            let ok = self.s.long_mode() && cs.long() && level != 3 && (sel & 3) as u8 == level;
            return if ok { Ok(null_stack(sel)) } else { self.gp(0) };
        }
        self.stack_segment(sel, level, vector::GP, 0)
    }

    /// Commits the stack of a return: a 16-bit stack segment takes only SP.
    fn set_return_stack(&mut self, ss: Segment, sp: u64, long_code: bool) {
        self.s.seg[SS] = ss;
        let mask = if long_code {
            !0
        } else if ss.big() {
            0xffff_ffff
        } else {
            0xffff
        };
        self.set_sp(sp, mask);
    }

    /// After a return to a less privileged level: data segments that it must not see become null.
    fn drop_inner_segments(&mut self) {
        for i in [ES, DS, FS, GS] {
            let s = &mut self.s.seg[i];
            let conforming = s.attrs & 0x1c == 0x1c;
            // A null selector becomes 0 whatever its RPL was.
            if !s.present() || !conforming && s.dpl() < self.s.cpl {
                s.selector = 0;
                s.attrs = 0;
            }
        }
    }

    /// RETF, releasing `extra` bytes.
    fn far_return(&mut self, size: u64, extra: u64) -> Step {
        // Highest word first, as the order of faults shows.
        let sel = self.peek(0, 1, size)? as u16;
        let rip = self.peek(0, 0, size)?;
        if !self.s.protected() || self.s.v86() {
            let cs = if self.s.v86() { v86_segment(sel) } else { self.real_segment(CS, sel) };
            if rip > u64::from(cs.limit) {
                return self.gp(0);
            }
            self.drop_stack(2 * size + extra);
            return self.go(cs, rip);
        }
        let d = self.return_code(sel, rip)?;
        let level = (sel & 3) as u8;
        let cs = d.segment(sel);
        if level == self.s.cpl {
            self.drop_stack(2 * size + extra);
            return self.go(cs, rip);
        }
        let skip = 2 * size + extra;
        let ss_sel = self.peek(skip, 1, size)? as u16;
        let sp = self.peek(skip, 0, size)?;
        let ss = self.return_stack(ss_sel, &d, level)?;
        let long_code = self.s.long_mode() && d.long();
        self.s.cpl = level;
        self.set_return_stack(ss, sp.wrapping_add(extra), long_code);
        self.drop_inner_segments();
        self.go(cs, rip)
    }

    /// What every IRET pops: RIP, CS, flags. Read from the highest word down, as the order of faults shows.
    fn peek_iret(&mut self, size: u64) -> R<(u64, u16, u64)> {
        let flags = self.peek(0, 2, size)?;
        let sel = self.peek(0, 1, size)? as u16;
        let rip = self.peek(0, 0, size)?;
        Ok((rip, sel, flags))
    }

    /// Replaces the flags in `mask`.
    fn merge_flags(&mut self, new: u64, mask: u64) {
        let old = self.s.rflags();
        self.s.set_rflags(old & !mask | new & mask);
    }

    /// IRET in real mode.
    fn iret_real(&mut self, size: u64) -> Step {
        let (rip, sel, flags) = self.peek_iret(size)?;
        let cs = self.real_segment(CS, sel);
        if rip > u64::from(cs.limit) {
            return self.gp(0);
        }
        self.drop_stack(3 * size);
        let mask = if size == 2 { LOW_FLAGS } else { LOW_FLAGS | rflags::RF | rflags::AC | rflags::ID };
        self.merge_flags(flags, mask);
        self.go(cs, rip)
    }

    /// IRET in virtual-8086 mode.
    fn iret_v86(&mut self, size: u64) -> Step {
        let vme = self.s.cr4 & cr4::VME != 0;
        let full = self.s.iopl() == 3;
        if !(full || vme && size == 2) {
            return self.gp(0);
        }
        let (rip, sel, flags) = self.peek_iret(size)?;
        if rip > 0xffff {
            return self.gp(0);
        }
        let mut mask = LOW_FLAGS & !rflags::IOPL;
        if full {
            if size == 4 {
                mask |= rflags::RF | rflags::AC | rflags::ID;
            }
            self.drop_stack(3 * size);
            self.merge_flags(flags, mask);
        } else {
            let wants = flags & rflags::IF != 0;
            if flags & rflags::TF != 0 || wants && self.s.sys_flags & rflags::VIP != 0 {
                return self.gp(0);
            }
            self.drop_stack(3 * size);
            let vif = if wants { rflags::VIF } else { 0 };
            self.merge_flags(flags & !rflags::VIF | vif, mask & !rflags::IF | rflags::VIF);
        }
        self.go(v86_segment(sel), rip)
    }

    /// IRET in protected and long mode, NT clear.
    fn iret_protected(&mut self, size: u64) -> Step {
        let (rip, sel, flags) = self.peek_iret(size)?;
        let cpl = self.s.cpl;
        let long = self.s.long_mode();
        if flags & rflags::VM != 0 && cpl == 0 && size == 4 && !long {
            return self.iret_to_v86(rip, sel, flags);
        }
        let d = self.return_code(sel, rip)?;
        let level = (sel & 3) as u8;
        let cs = d.segment(sel);
        let mut mask = rflags::ARITH | rflags::TF | rflags::DF | rflags::NT;
        if size != 2 {
            mask |= rflags::RF | rflags::AC | rflags::ID;
        }
        if cpl <= self.s.iopl() {
            mask |= rflags::IF;
        }
        if cpl == 0 {
            mask |= rflags::IOPL;
            if size != 2 {
                mask |= rflags::VIF | rflags::VIP;
            }
        }
        if level == cpl && !self.s.is64() {
            self.drop_stack(3 * size);
        } else {
            let ss_sel = self.peek(0, 4, size)? as u16;
            let sp = self.peek(0, 3, size)?;
            let ss = self.return_stack(ss_sel, &d, level)?;
            self.set_return_stack(ss, sp, long && d.long());
        }
        self.merge_flags(flags, mask);
        if level != cpl {
            self.s.cpl = level;
            self.drop_inner_segments();
        }
        self.go(cs, rip)
    }

    /// IRET from level 0 to virtual-8086 mode.
    fn iret_to_v86(&mut self, rip: u64, sel: u16, flags: u64) -> Step {
        let mut w = [0u64; 6];
        for (n, w) in w.iter_mut().enumerate() {
            *w = self.peek(0, n as u64 + 3, 4)?;
        }
        let keep = rflags::ONE;
        self.s.set_rflags(flags & 0x3f_7fd5 | keep);
        self.s.cpl = 3;
        for (n, i) in [SS, ES, DS, FS, GS].into_iter().enumerate() {
            self.s.seg[i] = v86_segment(w[n + 1] as u16);
        }
        self.s.gpr[RSP] = w[0];
        self.go(v86_segment(sel), rip & 0xffff)
    }

    // ---- virtual-8086 interrupts --------------------------------------------------------------

    /// Whether CR4.VME sends INT `vec` to the 8086 program's own handler: its bit in the redirection bitmap is clear.
    fn v86_redirected(&mut self, vec: u8) -> R<bool> {
        let tr = self.s.seg[TR];
        if tr.limit < 0x67 {
            return self.gp(0);
        }
        let map = u64::from(self.read_sys::<u16>(tr.base.wrapping_add(0x66))?);
        let at = map.wrapping_sub(32).wrapping_add(u64::from(vec >> 3));
        if map < 32 || at > u64::from(tr.limit) {
            return self.gp(0);
        }
        let bits = self.read_sys::<u8>(tr.base.wrapping_add(at))?;
        Ok(bits >> (vec & 7) & 1 == 0)
    }

    /// INT n to the handler in the interrupt table at linear address 0.
    fn v86_int(&mut self, vec: u8, next: u64) -> Step {
        let entry = self.read_sys::<u32>(u64::from(vec) * 4)?;
        let full = self.s.iopl() == 3;
        let mut flags = self.s.rflags() & !rflags::RF;
        if !full {
            flags |= rflags::IOPL;
            flags = flags & !rflags::IF | if flags & rflags::VIF != 0 { rflags::IF } else { 0 };
        }
        let mut st = self.stack(0);
        self.push_all(&mut st, &[flags, u64::from(self.s.seg[CS].selector), next], 2)?;
        self.set_sp(st.sp, st.mask);
        let clear = rflags::TF | rflags::RF | if full { rflags::IF } else { rflags::VIF };
        self.s.sys_flags &= !clear;
        self.go(v86_segment((entry >> 16) as u16), u64::from(entry & 0xffff))
    }
}
