//! The run loop: whole blocks while nothing needs attention, else one instruction at a time.

use super::Cpu;
use super::attention;
use crate::block::Entry;
use crate::block::RUN_BITS;
use crate::env::EmulationBus;
use crate::env::Poll;
use crate::exec::Ran;
use crate::exit::CpuExit;
use crate::exit::Trap;
use crate::exit::TrapKind;
use crate::state::*;
use std::sync::atomic::Ordering;

/// Parts of a REP instruction that one call of [`Cpu::emulate_one`] runs at most.
const EMULATED_PARTS: u32 = 16;

impl Cpu {
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
        let mut out = Ok(());
        let tf = self.s.sys_flags & rflags::TF != 0;
        self.tf_sampled = false;
        let lasting = self.end_lasting();
        let mut is_unfinished = false;
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
                        self.restore_lasting(lasting);
                        out = Err(CpuExit::Stopped);
                        break;
                    }
                    continue;
                }
                is_unfinished = false;
                self.restore_lasting(lasting);
                match self.take_trap() {
                    // The event's delivery ends the shadow.
                    None => self.clear_shadow(),
                    // The owner wants to see it, which happens when it runs the processor again.
                    Some(exit @ CpuExit::Exception { .. }) => self.exit_after(exit),
                    Some(exit) => out = Err(exit),
                }
                break;
            }
            // A single step is an instruction or an iteration; the trap behind MOV SS and POP SS is lost.
            if tf && !self.tf_sampled && !self.s.events.shadow_ss {
                self.pend_debug(1 << 14);
            }
            is_unfinished = self.partial;
            if !self.partial || tf {
                break;
            }
            // Let the owner in between iterations of a long REP; it comes back with the next exit.
            parts += 1;
            if parts == EMULATED_PARTS || self.poll.load(Ordering::Relaxed) != 0 {
                break;
            }
        }
        if is_unfinished {
            self.keep_resume_flag(lasting);
        }
        self.bus.detach();
        self.x87_sync();
        self.settle_lasting();
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

    pub(super) fn clear_shadow(&mut self) {
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
                let exited = self.take_trap();
                if exited.is_none() {
                    self.clear_shadow();
                }
                return exited;
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
}
