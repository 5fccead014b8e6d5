//! System instructions, segmentation, exceptions.

use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::exit::R;
use crate::mem::Access;
use crate::op::Op;
use crate::state::*;
use iced_x86::Instruction;

/// Chooses the handler of a system instruction.
pub(crate) fn lower(_i: &Instruction, _op: &mut Op, _c: &Ctx) -> Option<Lowered> {
    None
}

impl Cpu {
    /// Segment limit and rights check outside 64-bit mode; gives the linear address.
    #[inline(never)]
    pub(crate) fn seg_check(&mut self, seg: u8, ea: u64, size: u64, access: Access) -> R<u64> {
        let s = self.s.seg[usize::from(seg)];
        let _ = (size, access);
        Ok(s.base.wrapping_add(ea) & 0xffff_ffff)
    }

    /// Delivers one event through the IDT.
    pub(crate) fn deliver(&mut self, _ev: &Event) -> R<()> {
        self.fault(crate::cpu::vector::DF, Some(0))
    }

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
