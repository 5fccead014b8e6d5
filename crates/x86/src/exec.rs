//! The inner loop: runs the operations of one block.
#![expect(
    unsafe_code,
    reason = "walks the operations of a block by pointer; the end can be moved by a handler"
)]

use crate::block::BlockRef;
use crate::block::Entry;
use crate::cpu::Cpu;
use crate::exit::Flow;
use crate::op::Op;
use iced_x86::Instruction;

/// How a block ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// At a boundary, RIP valid.
    Boundary,
    /// An operation trapped; RIP is its address.
    Trapped,
}

/// Pointer into the current block, owned by the run loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    end: *const Op,
    block: Option<BlockRef>,
}

// SAFETY: only meaningful inside `run_ops`, on one thread.
unsafe impl Send for Cursor {}

impl Default for Cursor {
    fn default() -> Self {
        Cursor { end: std::ptr::null(), block: None }
    }
}

impl Cpu {
    /// Stops the current block after the running operation.
    #[inline]
    pub(crate) fn end_block(&mut self) {
        self.cursor.end = std::ptr::null();
    }

    /// The full decoded instruction of `op`, which must belong to the block being executed.
    #[inline]
    pub fn insn(&self, op: &Op) -> Instruction {
        match self.cursor.block {
            Some(b) => b.get().insns.get(usize::from(op.idx)).copied().unwrap_or_default(),
            None => Instruction::default(),
        }
    }

    /// RIP of `op`, which must belong to the block being executed.
    #[inline]
    pub fn op_rip(&self, op: &Op) -> u64 {
        self.cursor.block.map_or(self.s.rip, |b| b.get().rip.wrapping_add(u64::from(op.off))) & self.rip_mask
    }

    /// RIP behind `op`.
    #[inline]
    pub fn op_next(&self, op: &Op) -> u64 {
        self.op_rip(op).wrapping_add(u64::from(op.len)) & self.rip_mask
    }

    /// Executes at most `max` operations of a block.
    pub(crate) fn run_block(&mut self, r: BlockRef, max: u64) -> Ran {
        self.run_ops(&Entry::of(r), max)
    }

    /// Executes at most `max` operations (at least one) of a block's entry.
    #[inline]
    pub(crate) fn run_ops(&mut self, b: &Entry, max: u64) -> Ran {
        self.partial = false;
        let n = u64::from(b.count).min(max) as usize;
        let start = b.ops;
        self.s.rip = b.end_rip;
        // SAFETY: n <= count, the length of the slice that `ops` starts, so this stays within or one past it.
        self.cursor = Cursor { end: unsafe { start.add(n) }, block: b.block };
        let mut p = start;
        let out = loop {
            // SAFETY: p is inside the slice: it starts there (blocks are never empty, n >= 1) and stops at `end`,
            // which is one past an operation or null.
            let op = unsafe { &*p };
            match (op.run)(self, op) {
                Ok(Flow::Next) => {
                    // SAFETY: as above, at most one past the slice.
                    p = unsafe { p.add(1) };
                    if p >= self.cursor.end {
                        self.s.icount += u64::from(op.idx) + 1;
                        if u32::from(op.idx) + 1 < b.count {
                            self.s.rip = self.op_next(op);
                        }
                        break Ran::Boundary;
                    }
                }
                Ok(Flow::Jump) => {
                    self.s.icount += u64::from(op.idx) + 1;
                    break Ran::Boundary;
                }
                Ok(Flow::End) => {
                    if self.partial {
                        // A REP instruction that is to be continued: RIP stays. Each part counts, so that time passes.
                        self.s.icount += u64::from(op.idx) + 1;
                        self.s.rip = self.op_rip(op);
                        break Ran::Boundary;
                    }
                    self.s.icount += u64::from(op.idx) + 1;
                    if u32::from(op.idx) + 1 < b.count && self.s.rip == b.end_rip {
                        self.s.rip = self.op_next(op);
                    }
                    break Ran::Boundary;
                }
                Err(_) => {
                    self.s.icount += u64::from(op.idx);
                    self.s.rip = self.op_rip(op);
                    self.trap_len = op.len;
                    break Ran::Trapped;
                }
            }
        };
        self.cursor.block = None;
        out
    }
}
