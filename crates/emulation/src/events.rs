//! What the guest is told: faults of the instruction, and debug traps behind it.

use openwhp_engine::RegisterName;
use openwhp_engine::RegisterValue;
use openwhp_x86::cpu::vector;
use openwhp_x86::state::Event;

use crate::emulator::EmulatorError;
use crate::host::EmulatorHost;

/// Pending bit of the event registers.
const PENDING: u64 = 1;
/// Type field of PendingEvent.
const EVENT_TYPE: u64 = 7 << 1;
/// PendingInterruption: exception.
const INTERRUPTION_EXCEPTION: u64 = 3 << 1;
/// PendingInterruption: an error code is pushed.
const INTERRUPTION_ERROR: u64 = 1 << 4;
/// PendingEvent: an error code is pushed.
const EVENT_ERROR: u64 = 1 << 8;
/// DR6.BS.
const SINGLE_STEP: u64 = 1 << 14;

/// The registers to set so that the processor takes `fault` at its instruction: by PendingEvent, or beside an
/// external interrupt that waits there by PendingInterruption.
///
/// # Errors
/// [`EmulatorError::GuestCannotBeFaulted`] when an exception is being delivered already.
pub(crate) fn fault(
    host: &mut dyn EmulatorHost,
    fault: &Event,
    has_error_codes: bool,
) -> Result<[Option<(RegisterName, RegisterValue)>; 2], EmulatorError> {
    let names = [RegisterName::PENDING_INTERRUPTION, RegisterName::PENDING_EVENT];
    let mut values = [RegisterValue::default(); 2];
    host.get_registers(&names, &mut values).map_err(|_| EmulatorError::GetRegistersCallback)?;
    let [interruption, event] = values.map(RegisterValue::low);
    if interruption & PENDING != 0 || event & PENDING != 0 && event & EVENT_TYPE == 0 {
        return Err(EmulatorError::GuestCannotBeFaulted);
    }
    let error = fault.error.filter(|_| has_error_codes);
    let code = u64::from(error.unwrap_or(0)) << 32;
    let vector = u64::from(fault.vector) << 16;
    if event & PENDING == 0 {
        let low = PENDING | if error.is_some() { EVENT_ERROR } else { 0 } | vector | code;
        let value = RegisterValue::from_halves(low, fault.param);
        return Ok([Some((RegisterName::PENDING_EVENT, value)), None]);
    }
    let low = PENDING
        | INTERRUPTION_EXCEPTION
        | if error.is_some() { INTERRUPTION_ERROR } else { 0 }
        | vector
        | code;
    let cr2 = (fault.vector == vector::PF).then(|| (RegisterName::CR2, fault.param.into()));
    Ok([Some((RegisterName::PENDING_INTERRUPTION, low.into())), cr2])
}

/// The PendingDebugException register for trap causes in DR6 form.
pub(crate) fn debug_trap(causes: u64) -> RegisterValue {
    (causes & 0xF | if causes & SINGLE_STEP != 0 { 1 << 4 } else { 0 }).into()
}
