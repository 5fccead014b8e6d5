//! Debug registers and breakpoints.

use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::op::Op;
use crate::state::*;
use iced_x86::Instruction;

/// Chooses the handler.
pub(crate) fn lower(_i: &Instruction, _op: &mut Op, _c: &Ctx) -> Option<Lowered> {
    None
}

impl Cpu {
    /// Instruction breakpoints that match RIP, as DR6 bits.
    pub(crate) fn code_breakpoints(&mut self) -> u64 {
        0
    }

    /// Whether #AC is armed.
    pub(crate) fn alignment_armed(&self) -> bool {
        self.s.cpl == 3 && self.s.cr0 & cr0::AM != 0 && self.s.sys_flags & rflags::AC != 0
    }

    /// Notes a data access for the debug registers.
    pub(crate) fn note_data_access(&mut self, _la: u64, _size: u64, _write: bool) {}
}
