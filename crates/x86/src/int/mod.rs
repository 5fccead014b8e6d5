//! Integer instructions.

use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::op::Op;
use iced_x86::Instruction;
use iced_x86::Mnemonic;

/// Chooses the handler of an integer instruction.
pub(crate) fn lower(i: &Instruction, _op: &mut Op, _c: &Ctx) -> Option<Lowered> {
    match i.mnemonic() {
        Mnemonic::Nop => Lowered::next(crate::decode::op_nop),
        _ => None,
    }
}
