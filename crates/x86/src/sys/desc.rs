//! Descriptor tables and descriptor queries.

use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::op::Op;
use iced_x86::Instruction;

/// Chooses the handler.
pub(crate) fn lower(_i: &Instruction, _op: &mut Op, _c: &Ctx) -> Option<Lowered> {
    None
}
