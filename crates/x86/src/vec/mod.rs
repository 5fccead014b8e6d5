//! x87, MMX, SSE, AVX and AVX-512.

mod arena;
mod features;

pub use features::VectorFeatures;
pub use features::host_vector_features;

use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::op::Op;
use iced_x86::Instruction;

/// Cache of native one-instruction stubs.
#[derive(Debug, Default)]
pub(crate) struct Native {}

impl Native {
    pub(crate) fn new() -> Native {
        Native {}
    }

    /// Whether the host runs vector instructions for us.
    pub(crate) fn available() -> bool {
        arena::available()
    }
}

/// Chooses the handler of a vector or x87 instruction.
pub(crate) fn lower(_cpu: &Cpu, _i: &Instruction, _op: &mut Op, _c: &Ctx) -> Option<Lowered> {
    None
}
