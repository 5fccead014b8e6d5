//! Exits from their C form.

use openwhp_abi::x64::*;
use openwhp_capi_boundary::Failure;
use openwhp_capi_boundary::Outcome;
use openwhp_engine::AccessType;
use openwhp_engine::ExecutionState;
use openwhp_engine::Gpa;
use openwhp_engine::Gva;
use openwhp_engine::InstructionBytes;
use openwhp_engine::IoPortAccess;
use openwhp_engine::MemoryAccess;
use openwhp_engine::SegmentRegister;
use openwhp_engine::VpContext;

fn segment(from: WHV_X64_SEGMENT_REGISTER) -> SegmentRegister {
    SegmentRegister {
        base: from.Base(),
        limit: from.Limit(),
        selector: from.Selector(),
        attributes: from.Attributes(),
    }
}

/// The state that every exit carries.
pub(crate) fn vp(from: &WHV_VP_EXIT_CONTEXT) -> VpContext {
    VpContext {
        execution: ExecutionState::from_bits_truncate(from.ExecutionState().AsUINT16()),
        instruction_length: from.InstructionLength(),
        cr8: from.Cr8(),
        cs: segment(from.Cs()),
        rip: from.Rip(),
        rflags: from.Rflags(),
    }
}

fn instruction(count: u8, bytes: &[u8; 16]) -> Outcome<InstructionBytes> {
    match bytes.get(..usize::from(count)) {
        Some(bytes) => Ok(bytes.into()),
        None => Err(Failure::invalid(format!("InstructionByteCount is {count}, at most 16 are possible"))),
    }
}

/// A memory access exit.
pub(crate) fn memory_access(from: &WHV_MEMORY_ACCESS_CONTEXT) -> Outcome<MemoryAccess> {
    let info = from.AccessInfo;
    Ok(MemoryAccess {
        instruction: instruction(from.InstructionByteCount, &from.InstructionBytes)?,
        access: match info.AccessType() {
            0 => AccessType::Read,
            1 => AccessType::Write,
            2 => AccessType::Execute,
            other => return Err(Failure::invalid(format!("AccessType is {other}"))),
        },
        is_gpa_unmapped: info.GpaUnmapped() != 0,
        gpa: Gpa(from.Gpa),
        gva: (info.GvaValid() != 0).then_some(Gva(from.Gva)),
    })
}

/// A port exit.
pub(crate) fn io_port(from: &WHV_X64_IO_PORT_ACCESS_CONTEXT) -> Outcome<IoPortAccess> {
    let info = from.AccessInfo;
    let size = info.AccessSize();
    if !matches!(size, 1 | 2 | 4) {
        return Err(Failure::invalid(format!("AccessSize is {size}, not 1, 2 or 4")));
    }
    Ok(IoPortAccess {
        instruction: instruction(from.InstructionByteCount, &from.InstructionBytes)?,
        is_write: info.IsWrite() != 0,
        size: size as u8,
        is_string: info.StringOp() != 0,
        has_rep_prefix: info.RepPrefix() != 0,
        port: from.PortNumber,
        rax: from.Rax,
        rcx: from.Rcx,
        rsi: from.Rsi,
        rdi: from.Rdi,
        ds: segment(from.Ds),
        es: segment(from.Es),
    })
}
