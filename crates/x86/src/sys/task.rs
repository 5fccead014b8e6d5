//! Hardware task switches.
//!
//! Intel SDM 3A "Task Switching". Everything up to loading the task register can be refused without effect; loading the
//! new task's LDT and segments comes after, and its faults belong to the new task.

use super::seg::Desc;
use super::seg::code_of;
use super::seg::is_null;
use super::seg::v86_segment;
use crate::cpu::Cpu;
use crate::cpu::vector;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::exit::Trap;
use crate::exit::TrapKind;
use crate::mem::Access;
use crate::state::*;

/// Bytes of a 32-bit TSS that a switch needs, and of a 16-bit one.
const MIN: [u64; 2] = [0x2c, 0x68];
/// Segment registers in the order in which a TSS stores them.
const SEGS: [usize; 6] = [ES, CS, SS, DS, FS, GS];

/// What started a task switch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Switch {
    /// JMP; the old task goes on at `next`.
    Jump {
        /// RIP behind the instruction.
        next: u64,
    },
    /// CALL; the old task goes on at `next`.
    Call {
        /// RIP behind the instruction.
        next: u64,
    },
    /// IRET with NT set.
    Return {
        /// RIP behind the instruction.
        next: u64,
    },
    /// Interrupt or exception through a task gate.
    Event {
        /// RIP to save.
        rip: u64,
        /// Flags to save.
        flags: u64,
        /// Error code to push.
        error: Option<u32>,
        /// EXT bit.
        ext: u32,
    },
}

impl Switch {
    fn ext(&self) -> u32 {
        match self {
            Switch::Event { ext, .. } => *ext,
            _ => 0,
        }
    }
    /// The new task is nested: back link and NT are set.
    fn nests(&self) -> bool {
        matches!(self, Switch::Call { .. } | Switch::Event { .. })
    }
}

/// The registers that a TSS holds.
#[derive(Debug, Default)]
struct Image {
    cr3: u64,
    rip: u64,
    flags: u64,
    gpr: [u64; 8],
    seg: [u16; 6],
    ldt: u16,
    trap: bool,
}

impl Cpu {
    /// Switches to the task that a task gate's selector names, as part of event delivery.
    pub(crate) fn task_gate(&mut self, sel: u16, how: Switch) -> R<()> {
        let d = self.available_task(sel, how.ext())?;
        self.begin_switch(sel, d, how)?;
        self.finish_switch(how)
    }

    /// [`Cpu::task_gate`] for instructions: faults after the switch are raised in the new task.
    pub(crate) fn task_gate_step(&mut self, sel: u16, how: Switch) -> Step {
        let d = self.available_task(sel, how.ext())?;
        self.task_step(sel, d, how)
    }

    /// Switches to a checked TSS from an instruction.
    pub(crate) fn task_step(&mut self, sel: u16, d: Desc, how: Switch) -> Step {
        self.begin_switch(sel, d, how)?;
        let done = self.finish_switch(how);
        self.refresh();
        if let Err(Trap) = done {
            let exit = match std::mem::replace(&mut self.trap, TrapKind::None) {
                TrapKind::Event(ev) if self.bus.owns_memory() => {
                    // Who runs single instructions delivers what they raise.
                    self.s.events.inject = Some(ev);
                    None
                }
                TrapKind::Exit(e) if self.bus.owns_memory() => return self.exit(e),
                TrapKind::Event(ev) => self.raise(ev),
                TrapKind::Exit(e) => Some(e),
                TrapKind::None | TrapKind::Retry => None,
            };
            if let Some(e) = exit {
                self.exit_after(e);
            }
        }
        Ok(Flow::End)
    }

    /// The descriptor of an available TSS; #GP or #NP with the selector otherwise.
    fn available_task(&mut self, sel: u16, ext: u32) -> R<Desc> {
        let code = code_of(sel) | ext;
        if is_null(sel) || sel & 4 != 0 {
            return self.gp(code);
        }
        let d = self.descriptor_or(sel, vector::GP, ext)?;
        if d.is_segment() || !matches!(d.kind(), 1 | 9) {
            return self.gp(code);
        }
        if !d.present() {
            return self.fault(vector::NP, Some(code));
        }
        Ok(d)
    }

    /// IRET with NT set: back to the task of the link field.
    pub(crate) fn task_return(&mut self, next: u64) -> Step {
        let tr = self.s.seg[TR];
        if tr.limit < 1 {
            return self.fault(vector::TS, Some(code_of(tr.selector)));
        }
        let sel = self.read_sys::<u16>(tr.base)?;
        let code = Some(code_of(sel));
        if is_null(sel) || sel & 4 != 0 {
            return self.fault(vector::TS, code);
        }
        let d = self.descriptor_or(sel, vector::TS, 0)?;
        if d.is_segment() || !matches!(d.kind(), 3 | 11) {
            return self.fault(vector::TS, code);
        }
        if !d.present() {
            return self.fault(vector::NP, code);
        }
        self.task_step(sel, d, Switch::Return { next })
    }

    /// Saves the old task and loads the task register: all or nothing.
    fn begin_switch(&mut self, sel: u16, d: Desc, how: Switch) -> R<()> {
        let old = self.s.seg[TR];
        let mut new = d.segment(sel);
        let old_wide = old.kind() & 8 != 0;
        let new_wide = new.kind() & 8 != 0;
        if u64::from(new.limit) + 1 < MIN[usize::from(new_wide)] {
            return self.fault(vector::TS, Some(code_of(sel) | how.ext()));
        }
        let (from, len) = if old_wide { (0x20, 0x40) } else { (0x0e, 0x1c) };
        if u64::from(old.limit) + 1 < from + len {
            return self.fault(vector::TS, Some(code_of(old.selector) | how.ext()));
        }
        self.probe_sys(old.base + from, len, Access::Write)?;
        self.probe_sys(new.base, MIN[usize::from(new_wide)], Access::Read)?;
        if how.nests() {
            self.probe_sys(new.base, 2, Access::Write)?;
        }
        let releases = matches!(how, Switch::Jump { .. } | Switch::Return { .. });
        let old_desc = self.wrap_la(self.s.gdtr.base.wrapping_add(u64::from(old.selector & 0xfff8)));
        if releases {
            self.probe_sys(old_desc + 5, 1, Access::Write)?;
        } else {
            self.probe_sys(d.la + 5, 1, Access::Write)?;
        }

        if releases {
            self.update_sys(old_desc + 5, |b| b & !2)?;
        }
        let (rip, flags) = match how {
            Switch::Jump { next } | Switch::Call { next } => (next, self.s.rflags()),
            Switch::Return { next } => (next, self.s.rflags() & !rflags::NT),
            Switch::Event { rip, flags, .. } => (rip, flags),
        };
        self.save_task(old, old_wide, rip, flags)?;
        if how.nests() {
            self.write_sys::<u16>(new.base, old.selector)?;
        }
        if !matches!(how, Switch::Return { .. }) {
            self.update_sys(d.la + 5, |b| b | 2)?;
        }
        new.attrs |= 2;
        self.s.seg[TR] = new;
        Ok(())
    }

    /// Writes the running task's registers to its TSS.
    fn save_task(&mut self, tss: Segment, wide: bool, rip: u64, flags: u64) -> R<()> {
        let b = tss.base;
        let words = [rip, flags].into_iter().chain(self.s.gpr).take(10);
        for (n, v) in words.enumerate() {
            let n = n as u64;
            if wide {
                self.write_sys::<u32>(b + 0x20 + n * 4, v as u32)?;
            } else {
                self.write_sys::<u16>(b + 0x0e + n * 2, v as u16)?;
            }
        }
        let count = if wide { 6 } else { 4 };
        for (n, i) in SEGS.into_iter().take(count).enumerate() {
            let n = n as u64;
            let at = if wide { b + 0x48 + n * 4 } else { b + 0x22 + n * 2 };
            self.write_sys::<u16>(at, self.s.seg[i].selector)?;
        }
        Ok(())
    }

    /// Reads a TSS.
    fn read_task(&mut self, tss: Segment) -> R<Image> {
        let b = tss.base;
        let mut t = Image::default();
        let mut words = [0u64; 10];
        if tss.kind() & 8 != 0 {
            t.cr3 = u64::from(self.read_sys::<u32>(b + 0x1c)?);
            for (n, w) in words.iter_mut().enumerate() {
                *w = u64::from(self.read_sys::<u32>(b + 0x20 + n as u64 * 4)?);
            }
            for (n, s) in t.seg.iter_mut().enumerate() {
                *s = self.read_sys::<u16>(b + 0x48 + n as u64 * 4)?;
            }
            t.ldt = self.read_sys::<u16>(b + 0x60)?;
            t.trap = self.read_sys::<u16>(b + 0x64)? & 1 != 0;
        } else {
            for (n, w) in words.iter_mut().enumerate() {
                *w = u64::from(self.read_sys::<u16>(b + 0x0e + n as u64 * 2)?);
            }
            for (n, s) in t.seg.iter_mut().take(4).enumerate() {
                *s = self.read_sys::<u16>(b + 0x22 + n as u64 * 2)?;
            }
            t.ldt = self.read_sys::<u16>(b + 0x2a)?;
        }
        t.rip = words[0];
        t.flags = words[1];
        t.gpr.copy_from_slice(&words[2..]);
        Ok(t)
    }

    /// Loads the new task's state. Faults from here on are the new task's.
    fn finish_switch(&mut self, how: Switch) -> R<()> {
        let ext = how.ext();
        let tss = self.s.seg[TR];
        let wide = tss.kind() & 8 != 0;
        let t = self.read_task(tss)?;
        self.s.cr0 |= cr0::TS;
        self.s.dr7 &= !0x155;
        self.s.gpr[..8].copy_from_slice(&t.gpr);
        self.s.rip = t.rip;
        let mut flags = if wide { t.flags } else { t.flags & 0x7fff };
        if how.nests() {
            flags |= rflags::NT;
        }
        self.s.set_rflags(flags);
        let v86 = self.s.v86();
        self.s.cpl = if v86 { 3 } else { (t.seg[1] & 3) as u8 };
        for (n, i) in SEGS.into_iter().enumerate() {
            self.s.seg[i] = Segment { base: 0, limit: 0, selector: t.seg[n], attrs: 0 };
        }
        self.s.seg[LDTR] = Segment { base: 0, limit: 0, selector: t.ldt, attrs: 0 };
        // What the page walk and the stack look at must be the new task's already.
        self.refresh();
        if wide && self.s.cr0 & cr0::PG != 0 {
            let old = self.s.cr3;
            self.load_cr3(t.cr3)?;
            if self.bus.owns_memory() && self.s.cr3 != old {
                // The bus translates in the old space only.
                self.bus.walk_tables();
            }
        }
        self.load_task_ldt(t.ldt, ext)?;
        if v86 {
            for (n, i) in SEGS.into_iter().enumerate() {
                self.s.seg[i] = v86_segment(t.seg[n]);
            }
        } else {
            self.load_task_code(t.seg[1], ext)?;
            let ss = t.seg[2];
            if is_null(ss) {
                return self.fault(vector::TS, Some(code_of(ss) | ext));
            }
            self.s.seg[SS] = self.stack_segment(ss, self.s.cpl, vector::TS, ext)?;
            for (n, i) in SEGS.into_iter().enumerate() {
                if i != CS && i != SS {
                    self.load_task_data(i, t.seg[n], ext)?;
                }
            }
        }
        self.refresh();
        if let Switch::Event { error: Some(e), .. } = how {
            let mut st = self.stack(ext);
            self.push_all(&mut st, &[u64::from(e)], if wide { 4 } else { 2 })?;
            self.set_sp(st.sp, st.mask);
        }
        if self.s.rip > self.cs_limit {
            return self.gp(ext);
        }
        if t.trap {
            self.pend_debug(1 << 15);
        }
        Ok(())
    }

    fn load_task_ldt(&mut self, sel: u16, ext: u32) -> R<()> {
        if is_null(sel) {
            return Ok(());
        }
        let code = Some(code_of(sel) | ext);
        if sel & 4 != 0 {
            return self.fault(vector::TS, code);
        }
        let d = self.descriptor_or(sel, vector::TS, ext)?;
        if d.is_segment() || d.kind() != 2 || !d.present() {
            return self.fault(vector::TS, code);
        }
        self.s.seg[LDTR] = d.segment(sel);
        Ok(())
    }

    fn load_task_code(&mut self, sel: u16, ext: u32) -> R<()> {
        let code = Some(code_of(sel) | ext);
        if is_null(sel) {
            return self.fault(vector::TS, code);
        }
        let mut d = self.descriptor_or(sel, vector::TS, ext)?;
        let rpl = (sel & 3) as u8;
        let level = if d.conforming() { d.dpl() <= rpl } else { d.dpl() == rpl };
        if !d.is_code() || !level {
            return self.fault(vector::TS, code);
        }
        if !d.present() {
            return self.fault(vector::NP, code);
        }
        self.mark_accessed(&mut d)?;
        self.s.seg[CS] = d.segment(sel);
        Ok(())
    }

    fn load_task_data(&mut self, idx: usize, sel: u16, ext: u32) -> R<()> {
        if is_null(sel) {
            return Ok(());
        }
        let code = Some(code_of(sel) | ext);
        let mut d = self.descriptor_or(sel, vector::TS, ext)?;
        let outer = d.dpl() < self.s.cpl || d.dpl() < (sel & 3) as u8;
        if !d.is_segment() || !d.readable() || !d.conforming() && outer {
            return self.fault(vector::TS, code);
        }
        if !d.present() {
            return self.fault(vector::NP, code);
        }
        self.mark_accessed(&mut d)?;
        self.s.seg[idx] = d.segment(sel);
        Ok(())
    }
}
