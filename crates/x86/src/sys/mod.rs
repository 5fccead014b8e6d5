//! System instructions, segmentation, exceptions.

mod check;
mod cpuid;
mod cr;
mod debug;
mod desc;
mod exc;
mod far;
mod io;
mod misc;
mod msr;
mod seg;
mod syscall;
mod task;
#[cfg(test)]
mod tests;

use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::op::Op;
use iced_x86::Instruction;

/// Chooses the handler of a system instruction.
pub(crate) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    seg::lower(i, op, c)
        .or_else(|| far::lower(i, op, c))
        .or_else(|| syscall::lower(i, op, c))
        .or_else(|| desc::lower(i, op, c))
        .or_else(|| cr::lower(i, op, c))
        .or_else(|| debug::lower(i, op, c))
        .or_else(|| io::lower(i, op, c))
        .or_else(|| misc::lower(i, op, c))
}
