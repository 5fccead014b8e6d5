//! Delivery of interrupts and exceptions.
//!
//! Intel SDM 3A "Interrupt and Exception Handling", 2A "INT n"; AMD APM 2 "Exceptions and Interrupts". Every check comes
//! first, then the frame goes to memory in one piece, then registers change: a delivery that faults or exits
//! half-way can be made again.

use super::seg::Desc;
use super::seg::Stack;
use super::seg::code_of;
use super::seg::is_null;
use super::seg::null_stack;
use super::task::Switch;
use crate::cpu::Cpu;
use crate::cpu::vector;
use crate::exit::R;
use crate::state::*;

/// Flags that every delivery in protected mode clears.
const CLEARED: u64 = rflags::TF | rflags::NT | rflags::RF | rflags::VM;

/// A checked handler entry point.
struct Target {
    /// Handler's code segment, RPL already the new privilege level.
    cs: Segment,
    rip: u64,
    /// New privilege level.
    cpl: u8,
    /// Interrupt gate: IF is cleared.
    masks: bool,
    /// Bytes per pushed word.
    size: u64,
}

impl Event {
    /// EXT bit of the error code that a fault during delivery gets.
    fn ext(&self) -> u32 {
        u32::from(!matches!(self.kind, EventKind::SoftInt | EventKind::SoftException))
    }

    /// Whether the gate's DPL is checked.
    fn checks_dpl(&self) -> bool {
        matches!(self.kind, EventKind::SoftInt | EventKind::SoftException)
    }

    /// Whether the event is a fault, for which RF is set in the pushed image.
    fn is_fault(&self) -> bool {
        self.kind == EventKind::Exception
            && match self.vector {
                vector::DB => self.param & 1 << 13 != 0,
                vector::NMI | vector::BP | vector::OF | vector::DF | vector::MC => false,
                _ => true,
            }
    }
}

impl Cpu {
    /// Delivers one event through the IDT: one attempt, faults in it are returned.
    pub(crate) fn deliver(&mut self, ev: &Event) -> R<()> {
        if ev.kind == EventKind::Exception && ev.vector == vector::PF {
            self.s.cr2 = ev.param;
        }
        let rip = self.return_rip(ev);
        let flags = self.return_flags(ev);
        if !self.s.protected() {
            self.deliver_real(ev, rip, flags)?;
        } else {
            self.deliver_protected(ev, rip, flags)?;
        }
        if ev.kind == EventKind::PrivSoftException && ev.param != 0 {
            self.apply_dr6(ev.param);
        }
        if ev.kind == EventKind::Exception && ev.vector == vector::DB {
            self.apply_dr6(ev.param);
            self.s.dr7 &= !(1 << 13);
            // LBR and BTF.
            self.s.msr.debugctl &= !3;
        }
        self.s.events.shadow = false;
        self.s.events.shadow_ss = false;
        self.partial = false;
        self.refresh();
        Ok(())
    }

    /// The instruction pointer an event returns to.
    fn return_rip(&self, ev: &Event) -> u64 {
        let len = match ev.kind {
            EventKind::SoftInt | EventKind::SoftException | EventKind::PrivSoftException => ev.length,
            _ => 0,
        };
        self.s.rip.wrapping_add(u64::from(len)) & self.rip_mask
    }

    /// The flags image an event pushes.
    fn return_flags(&self, ev: &Event) -> u64 {
        let f = self.s.rflags();
        let is_software = ev.checks_dpl() || ev.kind == EventKind::PrivSoftException;
        if ev.is_fault() || self.partial && !is_software {
            // Also between the iterations of a repeated instruction, which goes on afterwards.
            f | rflags::RF
        } else if is_software {
            f & !rflags::RF
        } else {
            f
        }
    }

    /// Through the interrupt vector table.
    fn deliver_real(&mut self, ev: &Event, rip: u64, flags: u64) -> R<()> {
        let at = u64::from(ev.vector) * 4;
        if at + 3 > u64::from(self.s.idtr.limit) {
            return self.gp(u32::from(ev.vector) * 8 + 2 + ev.ext());
        }
        let entry = self.read_sys::<u32>(self.s.idtr.base.wrapping_add(at))?;
        let (sel, ip) = ((entry >> 16) as u16, u64::from(entry & 0xffff));
        let cs = self.real_segment(CS, sel);
        if ip > u64::from(cs.limit) {
            return self.gp(0);
        }
        let mut st = self.stack(0);
        self.push_all(&mut st, &[flags, u64::from(self.s.seg[CS].selector), rip], 2)?;
        self.set_sp(st.sp, st.mask);
        self.s.seg[CS] = cs;
        self.s.rip = ip;
        self.s.sys_flags &= !(rflags::IF | rflags::TF | rflags::AC | rflags::RF);
        Ok(())
    }

    /// Through the interrupt descriptor table.
    fn deliver_protected(&mut self, ev: &Event, rip: u64, flags: u64) -> R<()> {
        let ext = ev.ext();
        let code = u32::from(ev.vector) * 8 + 2 + ext;
        let long = self.s.long_mode();
        let size = if long { 16 } else { 8 };
        let at = u64::from(ev.vector) * size;
        if at + size - 1 > u64::from(self.s.idtr.limit) {
            return self.gp(code);
        }
        let la = self.wrap_la(self.s.idtr.base.wrapping_add(at));
        let v = self.read_sys::<u64>(la)?;
        let gate = Desc { lo: v as u32, hi: (v >> 32) as u32, la };
        let kind = gate.kind();
        let known = if long { matches!(kind, 14 | 15) } else { matches!(kind, 5 | 6 | 7 | 14 | 15) };
        if gate.is_segment() || !known || ev.checks_dpl() && gate.dpl() < self.s.cpl {
            return self.gp(code);
        }
        if !gate.present() {
            return self.fault(vector::NP, Some(code));
        }
        if kind == 5 {
            let how = Switch::Event { rip, flags, error: ev.error, ext };
            return self.task_gate(gate.gate_selector(), how);
        }
        let high = if long { self.read_sys::<u32>(la.wrapping_add(8))? } else { 0 };
        let mut off = gate.gate_offset();
        off |= u64::from(high) << 32;
        let t = self.interrupt_target(&gate, off, ext)?;
        if long {
            self.enter_long(ev, &gate, &t, rip, flags)
        } else if t.cpl < self.s.cpl {
            self.enter_inner(ev, &t, rip, flags)
        } else {
            let mut st = self.stack(ext);
            let frame = [flags, u64::from(self.s.seg[CS].selector), rip, u64::from(ev.error.unwrap_or(0))];
            let n = if ev.error.is_some() { 4 } else { 3 };
            self.push_all(&mut st, &frame[..n], t.size)?;
            self.set_sp(st.sp, st.mask);
            self.enter(&t);
            Ok(())
        }
    }

    /// Checks the code segment of an interrupt or trap gate.
    fn interrupt_target(&mut self, gate: &Desc, off: u64, ext: u32) -> R<Target> {
        let sel = gate.gate_selector();
        if is_null(sel) {
            return self.gp(ext);
        }
        let code = code_of(sel) | ext;
        let mut d = self.descriptor_or(sel, vector::GP, ext)?;
        let cpl = self.s.cpl;
        if !d.is_code() || d.dpl() > cpl {
            return self.gp(code);
        }
        let long = self.s.long_mode();
        if long && (!d.long() || d.big()) {
            return self.gp(code);
        }
        if !d.present() {
            return self.fault(vector::NP, Some(code));
        }
        let new = if d.conforming() { cpl } else { d.dpl() };
        if self.s.v86() && new != 0 {
            return self.gp(code);
        }
        if long {
            if !self.canonical(off) {
                return self.gp(ext);
            }
        } else if off > u64::from(d.limit()) {
            return self.gp(ext);
        }
        self.mark_accessed(&mut d)?;
        let kind = gate.kind();
        Ok(Target {
            cs: d.segment(sel & !3 | u16::from(new)),
            rip: off,
            cpl: new,
            masks: kind & 1 == 0,
            size: if long {
                8
            } else if kind & 8 != 0 {
                4
            } else {
                2
            },
        })
    }

    /// Commits the handler's code segment and flags.
    fn enter(&mut self, t: &Target) {
        self.s.seg[CS] = t.cs;
        self.s.rip = t.rip;
        self.s.cpl = t.cpl;
        self.s.sys_flags &= !(CLEARED | if t.masks { rflags::IF } else { 0 });
    }

    /// To a more privileged level through the TSS, outside long mode (also out of virtual-8086 mode).
    fn enter_inner(&mut self, ev: &Event, t: &Target, rip: u64, flags: u64) -> R<()> {
        let ext = ev.ext();
        let (ss, sp) = self.inner_stack(t.cpl, ext)?;
        let mut st = Stack::new(ss, sp, false, t.cpl, code_of(ss.selector) | ext);
        let sel = |i: usize| u64::from(self.s.seg[i].selector);
        let mut frame = [0u64; 10];
        let mut n = 0;
        let mut put = |v| {
            frame[n] = v;
            n += 1;
        };
        let v86 = self.s.v86();
        if v86 {
            [GS, FS, DS, ES].into_iter().for_each(|i| put(sel(i)));
        }
        [sel(SS), self.s.gpr[RSP], flags, sel(CS), rip].into_iter().for_each(&mut put);
        if let Some(e) = ev.error {
            put(u64::from(e));
        }
        self.push_all(&mut st, &frame[..n], t.size)?;
        self.s.seg[SS] = ss;
        self.set_sp(st.sp, st.mask);
        if v86 {
            for i in [GS, FS, DS, ES] {
                self.s.seg[i] = Segment::default();
            }
        }
        self.enter(t);
        Ok(())
    }

    /// Stack segment and pointer of level `level` from a 16- or 32-bit TSS.
    pub(crate) fn inner_stack(&mut self, level: u8, ext: u32) -> R<(Segment, u64)> {
        let tr = self.s.seg[TR];
        let wide = tr.kind() & 8 != 0;
        let (at, len) = if wide { (u64::from(level) * 8 + 4, 6) } else { (u64::from(level) * 4 + 2, 4) };
        if at + len - 1 > u64::from(tr.limit) {
            return self.fault(vector::TS, Some(code_of(tr.selector) | ext));
        }
        let la = tr.base.wrapping_add(at);
        let (sp, sel) = if wide {
            (u64::from(self.read_sys::<u32>(la)?), self.read_sys::<u16>(la.wrapping_add(4))?)
        } else {
            (u64::from(self.read_sys::<u16>(la)?), self.read_sys::<u16>(la.wrapping_add(2))?)
        };
        if is_null(sel) {
            return self.fault(vector::TS, Some(ext));
        }
        Ok((self.stack_segment(sel, level, vector::TS, ext)?, sp))
    }

    /// Stack pointer `slot` (0-2 RSPn, 4-10 IST1-7 by word index) from a 64-bit TSS.
    pub(crate) fn long_stack(&mut self, slot: u64, ext: u32) -> R<u64> {
        let tr = self.s.seg[TR];
        let at = slot * 8 + 4;
        if at + 7 > u64::from(tr.limit) {
            return self.fault(vector::TS, Some(code_of(tr.selector) | ext));
        }
        let sp = self.read_sys::<u64>(tr.base.wrapping_add(at))?;
        if !self.canonical(sp) {
            return self.ss(ext);
        }
        Ok(sp)
    }

    /// To a 64-bit handler.
    fn enter_long(&mut self, ev: &Event, gate: &Desc, t: &Target, rip: u64, flags: u64) -> R<()> {
        let ext = ev.ext();
        let ist = u64::from(gate.hi & 7);
        let inner = t.cpl < self.s.cpl;
        let sp = if ist != 0 {
            self.long_stack(ist + 3, ext)?
        } else if inner {
            self.long_stack(u64::from(t.cpl), ext)?
        } else {
            self.s.gpr[RSP]
        };
        let ss = if inner { null_stack(u16::from(t.cpl)) } else { self.s.seg[SS] };
        let mut st = Stack::new(ss, sp & !0xf, true, t.cpl, ext);
        // Out of compatibility mode a 32-bit stack has no upper half.
        let narrow = !self.s.is64() && self.s.seg[SS].big();
        let frame = [
            u64::from(self.s.seg[SS].selector),
            if narrow { self.s.gpr[RSP] & 0xffff_ffff } else { self.s.gpr[RSP] },
            flags,
            u64::from(self.s.seg[CS].selector),
            rip,
            u64::from(ev.error.unwrap_or(0)),
        ];
        let n = if ev.error.is_some() { 6 } else { 5 };
        self.push_all(&mut st, &frame[..n], 8)?;
        self.s.seg[SS] = ss;
        self.s.gpr[RSP] = st.sp;
        self.enter(t);
        Ok(())
    }
}
