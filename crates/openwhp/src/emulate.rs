//! Finishing the instruction behind a memory or port exit.
//!
//! The platform never completes an access by itself: an exit shows the instruction before it had any effect. A
//! client that has devices at that address calls [`access`], which executes exactly this one instruction with the
//! engine's own decoder and semantics and sends what it does outside mapped memory to the client's buses.

use openwhp_engine::EmulateError;
use openwhp_engine::ExecutionState;
use openwhp_engine::Exit;
use openwhp_engine::ExitReason;
use openwhp_engine::MmioBus;
use openwhp_engine::OpenBus;
use openwhp_engine::PortBus;
use openwhp_engine::RegisterName;
use openwhp_engine::RegisterValue;

use crate::Processor;

/// Finishes the instruction of a [`ExitReason::MemoryAccess`] or [`ExitReason::IoPort`] exit, whatever it touches.
///
/// String instructions with a repeat prefix are completed one iteration or more at a time; running again continues
/// them. A fault the instruction raises instead is delivered to the guest.
///
/// # Errors
/// [`EmulateError`]; the processor is unchanged then.
pub fn access(
    vp: &Processor,
    exit: &Exit,
    mmio: &mut dyn MmioBus,
    ports: &mut dyn PortBus,
) -> Result<(), EmulateError> {
    match &exit.reason {
        ExitReason::IoPort(io) if !io.is_string && !needs_engine(exit) => plain_port(vp, exit, ports),
        ExitReason::MemoryAccess(_) | ExitReason::IoPort(_) => vp.emulate(mmio, ports),
        _ => Err(EmulateError::WrongExit),
    }
}

/// Finishes the instruction of a memory access exit.
///
/// # Errors
/// [`EmulateError`]; the processor is unchanged then.
pub fn mmio(vp: &Processor, exit: &Exit, bus: &mut dyn MmioBus) -> Result<(), EmulateError> {
    match &exit.reason {
        ExitReason::MemoryAccess(_) => vp.emulate(bus, &mut OpenBus),
        _ => Err(EmulateError::WrongExit),
    }
}

/// Finishes the instruction of a port exit, string instructions included.
///
/// # Errors
/// [`EmulateError`]; the processor is unchanged then.
pub fn port(vp: &Processor, exit: &Exit, bus: &mut dyn PortBus) -> Result<(), EmulateError> {
    match &exit.reason {
        ExitReason::IoPort(io) if !io.is_string && !needs_engine(exit) => plain_port(vp, exit, bus),
        ExitReason::IoPort(_) => vp.emulate(&mut OpenBus, bus),
        _ => Err(EmulateError::WrongExit),
    }
}

/// Whether the instruction may end in a debug trap, or ends an interrupt shadow or RFLAGS.RF, which the engine does.
fn needs_engine(exit: &Exit) -> bool {
    const TRAP_OR_RESUME: u64 = 1 << 8 | 1 << 16;
    let special = ExecutionState::DEBUG_ACTIVE | ExecutionState::INTERRUPT_SHADOW;
    exit.vp.rflags & TRAP_OR_RESUME != 0 || exit.vp.execution.intersects(special)
}

/// IN and OUT need no decoding: the exit says everything.
fn plain_port(vp: &Processor, exit: &Exit, bus: &mut dyn PortBus) -> Result<(), EmulateError> {
    let ExitReason::IoPort(io) = &exit.reason else { return Err(EmulateError::WrongExit) };
    let size = usize::from(io.size.clamp(1, 4));
    let next = RegisterValue::from(exit.vp.rip.wrapping_add(u64::from(exit.vp.instruction_length)));
    let rip = (RegisterName::RIP, next);
    let written = if io.is_write {
        bus.write(io.port, &io.rax.to_le_bytes()[..size]);
        vp.set_registers(&[rip])
    } else {
        let mut bytes = io.rax.to_le_bytes();
        bus.read(io.port, &mut bytes[..size]);
        let mut rax = u64::from_le_bytes(bytes);
        if size == 4 {
            rax &= 0xFFFF_FFFF;
        }
        vp.set_registers(&[rip, (RegisterName::RAX, RegisterValue::from(rax))])
    };
    written.map_err(|error| match error {
        openwhp_engine::RegisterError::Deleted => EmulateError::Deleted,
        _ => EmulateError::Running,
    })
}
