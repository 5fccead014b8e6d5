//! x87, MMX, SSE, AVX and AVX-512.
//!
//! Almost every instruction runs on the host's own units through a small stub assembled on first use; only
//! what involves memory faults, masks, control state or save areas is written out here.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`features`](VectorFeatures) | what the host has, hence what a guest can be offered |
//! | `stub`, `arena` | assembling stubs and the executable memory they live in |
//! | `native` | running them: operands, MXCSR exceptions |
//! | `moves` | frequent moves without a stub |
//! | `masked`, `gather` | operands of which a mask selects elements |
//! | `x87` | the x87 unit, its exceptions and environments |
//! | `fxsave`, [`xsave`] | save areas |

mod arena;
mod features;
mod fxsave;
mod gather;
mod masked;
mod moves;
mod native;
mod stub;
#[cfg(test)]
mod tests;
mod x87;
pub mod xsave;

pub use features::VectorFeatures;
pub use features::host_vector_features;

use crate::cpu::Cpu;
use crate::cpu::vector;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::exit::Step;
use crate::op::Handler;
use crate::op::Op;
use crate::op::need;
use crate::state::*;
use iced_x86::CpuidFeature;
use iced_x86::EncodingKind;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;

/// What a processor keeps for running instructions natively. The stubs themselves are shared by all processors.
#[derive(Debug)]
pub struct Native {
    /// The x87 state as the host loads and stores it.
    image: Box<native::FxImage>,
    /// The guest's x87 registers, status and tags are in the host's unit, see [`x87`]; only during
    /// [`Cpu::run`].
    resident: bool,
    /// Where stubs go that the arena has no room for.
    slot: Option<arena::Slot>,
}

impl Native {
    pub(crate) fn new() -> Native {
        Native { image: Box::new(native::FxImage([0; 512])), resident: false, slot: None }
    }

    /// Whether the host runs vector and x87 instructions for us. When not (another architecture, executable memory
    /// refused), [`host_vector_features`] is empty and all of them are undefined.
    pub fn available() -> bool {
        arena::available()
    }
}

/// Whether the host runs vector and x87 instructions for us; see [`Native::available`].
pub fn native_available() -> bool {
    Native::available()
}

impl Cpu {
    /// Raises the fault of an instruction whose state is denied: #UD when it does not exist in this
    /// configuration, else #NM.
    ///
    /// # Errors
    /// Always.
    #[cold]
    #[inline(never)]
    pub(crate) fn vec_denied(&mut self, op: &Op) -> Step {
        let s = &self.s;
        let em = s.cr0 & cr0::EM != 0;
        let protected = s.protected() && !s.v86();
        let osxsave = s.cr4 & cr4::OSXSAVE != 0;
        let undefined = op.need & (need::MMX | need::FXSR) != 0 && em
            || op.need & need::SSE != 0 && (em || s.cr4 & cr4::OSFXSR == 0)
            || op.need & need::AVX != 0 && !(protected && osxsave && s.xcr0 & 6 == 6)
            || op.need & need::AVX512 != 0 && !(protected && osxsave && s.xcr0 & 0xe6 == 0xe6)
            || op.need & need::XSAVE != 0 && !osxsave;
        if undefined { self.ud() } else { self.fault(vector::NM, None) }
    }
}

/// State that an instruction requires, as bits of [`need`].
fn needs(i: &Instruction) -> u32 {
    let mut n = 0;
    let mut opmask = false;
    for op in (0..i.op_count()).filter(|op| i.op_kind(*op) == OpKind::Register) {
        let r = i.op_register(op);
        opmask |= r.is_k();
        if r.is_mm() {
            n |= need::MMX;
        } else if r.is_vector_register() {
            n |= need::SSE;
        }
    }
    // Their memory forms name no vector register.
    use Mnemonic::*;
    if matches!(i.mnemonic(), Cvtss2si | Cvttss2si | Cvtsd2si | Cvttsd2si) {
        n |= need::SSE;
    }
    match i.encoding() {
        EncodingKind::Legacy if is_x87(i) => need::X87,
        EncodingKind::Legacy => n,
        EncodingKind::EVEX => need::AVX512,
        _ if opmask => need::AVX512,
        _ => need::AVX,
    }
}

fn is_x87(i: &Instruction) -> bool {
    use CpuidFeature as C;
    i.cpuid_features().iter().any(|f| matches!(f, C::FPU | C::FPU287 | C::FPU387))
}

/// Instructions that are software entirely.
fn software(i: &Instruction, op: &mut Op) -> Option<Lowered> {
    use Mnemonic as M;
    let (run, needs): (Handler, u32) = match i.mnemonic() {
        M::Fxsave | M::Fxsave64 => (fxsave::op_fxsave, need::FXSR),
        M::Fxrstor | M::Fxrstor64 => (fxsave::op_fxrstor, need::FXSR),
        M::Xsave | M::Xsave64 => (xsave::op_xsave, need::XSAVE),
        M::Xsaveopt | M::Xsaveopt64 => (xsave::op_xsaveopt, need::XSAVE),
        M::Xsavec | M::Xsavec64 => (xsave::op_xsavec, need::XSAVE),
        M::Xsaves | M::Xsaves64 => (xsave::op_xsaves, need::XSAVE),
        M::Xrstor | M::Xrstor64 => (xsave::op_xrstor, need::XSAVE),
        M::Xrstors | M::Xrstors64 => (xsave::op_xrstors, need::XSAVE),
        M::Xgetbv => (xsave::op_xgetbv, 0),
        M::Ldmxcsr => (fxsave::op_ldmxcsr, need::SSE),
        M::Stmxcsr => (fxsave::op_stmxcsr, need::SSE),
        M::Vldmxcsr => (fxsave::op_ldmxcsr, need::AVX),
        M::Vstmxcsr => (fxsave::op_stmxcsr, need::AVX),
        _ => return None,
    };
    let wide = matches!(
        i.mnemonic(),
        M::Fxsave64
            | M::Fxrstor64
            | M::Xsave64
            | M::Xsaveopt64
            | M::Xsavec64
            | M::Xsaves64
            | M::Xrstor64
            | M::Xrstors64
    );
    op.need = needs;
    op.aux = if wide { fxsave::IMAGE_64 } else { 0 };
    Lowered::next(run)
}

/// Chooses the handler of a vector or x87 instruction.
pub(crate) fn lower(cpu: &Cpu, i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    // Others may have looked at the instruction before.
    op.aux = 0;
    if let Some(l) = software(i, op) {
        return Some(l);
    }
    if i.mnemonic() == Mnemonic::Wait {
        op.need = need::WAIT;
        return x87::lower(i, op, c);
    }
    if !features::host_executes(i) {
        return None;
    }
    op.need = needs(i);
    if matches!(i.mnemonic(), Mnemonic::Emms | Mnemonic::Maskmovq) {
        op.need = need::MMX;
    }
    if is_x87(i) || i.mnemonic() == Mnemonic::Emms {
        return x87::lower(i, op, c);
    }
    moves::lower(i, op)
        .or_else(|| gather::lower(i, op, c))
        .or_else(|| native::lower(i, op, cpu.model.is_amd()))
}
