//! What is due between two instructions, in architectural order.

use super::Cpu;
use super::attention;
use super::vector;
use crate::env::Poll;
use crate::exit::CpuExit;
use crate::state::*;
use std::sync::atomic::Ordering;

impl Cpu {
    /// Handles everything due at an instruction boundary, in architectural order.
    /// `Ok(None)`: run whole blocks; `Ok(Some(n))`: run at most n instructions slowly.
    pub(super) fn boundary(&mut self) -> Result<Option<u64>, CpuExit> {
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
        // Intel's processors do not look behind MOV SS and POP SS.
        let is_blocked = self.s.events.shadow_ss && !self.model.is_amd();
        if self.attention & attention::BREAKPOINTS != 0 && self.s.sys_flags & rflags::RF == 0 && !is_blocked {
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
    pub(super) fn service_poll(&mut self) -> Poll {
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
}
