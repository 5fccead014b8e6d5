//! `libWinHvEmulation`: the C interface of the instruction emulator.
//!
//! Four functions. This crate checks arguments, keeps handles, converts structures, and turns what became of an
//! emulation into status bits. `callbacks.rs` makes an emulator's host of the caller's callbacks.
//!
//! A handle serves one call at a time: a second one, from another thread or from inside a callback, fails.

#![expect(
    non_snake_case,
    non_upper_case_globals,
    reason = "the library, its functions and constants have the names of the C headers"
)]
#![expect(unsafe_code, reason = "exports C functions and calls the caller's callbacks")]

mod callbacks;
mod context;
mod handles;

use std::ffi::c_void;
use std::sync::TryLockError;

use openwhp_abi::hresult::HRESULT;
use openwhp_abi::hresult::HRESULT_FROM_WIN32_ERROR_INVALID_STATE;
use openwhp_abi::x64::*;
use openwhp_capi_boundary::Adopt;
use openwhp_capi_boundary::Failure;
use openwhp_capi_boundary::Input;
use openwhp_capi_boundary::Outcome;
use openwhp_capi_boundary::Output;
use openwhp_capi_boundary::enter;
use openwhp_emulation::Emulator;
use openwhp_emulation::EmulatorError;

use callbacks::Callbacks;
use callbacks::Caller;

/// Makes an emulator that works through these callbacks.
///
/// # Safety
/// `Callbacks` is null or points to the structure, whose members are null or functions of their types. `Emulator` is
/// null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WHvEmulatorCreateEmulator(
    Callbacks: *const WHV_EMULATOR_CALLBACKS,
    Emulator: *mut WHV_EMULATOR_HANDLE,
) -> HRESULT {
    // SAFETY: the caller vouches for both pointers.
    let (callbacks, emulator) = unsafe { (Callbacks.adopt(1), Emulator.adopt(1)) };
    enter(|| create(callbacks, emulator))
}

/// Destroys an emulator.
///
/// # Safety
/// None; the type is that of the interface.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WHvEmulatorDestroyEmulator(Emulator: WHV_EMULATOR_HANDLE) -> HRESULT {
    enter(|| handles::unregister(Emulator))
}

/// Finishes the instruction of a port exit.
///
/// # Safety
/// Each pointer but `Context`, which is only passed on, is null or valid for the structure of its type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WHvEmulatorTryIoEmulation(
    Emulator: WHV_EMULATOR_HANDLE,
    Context: *mut c_void,
    VpContext: *const WHV_VP_EXIT_CONTEXT,
    IoInstructionContext: *const WHV_X64_IO_PORT_ACCESS_CONTEXT,
    EmulatorReturnStatus: *mut WHV_EMULATOR_STATUS,
) -> HRESULT {
    // SAFETY: the caller vouches for the pointers.
    let (vp, access, status) =
        unsafe { (VpContext.adopt(1), IoInstructionContext.adopt(1), EmulatorReturnStatus.adopt(1)) };
    enter(|| {
        let call = Call { emulator: Emulator, context: Context, vp, status };
        call.run(access, context::io_port, |emulator, host, vp, access| emulator.try_io(host, vp, access))
    })
}

/// Finishes the instruction of a memory access exit.
///
/// # Safety
/// Each pointer but `Context`, which is only passed on, is null or valid for the structure of its type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WHvEmulatorTryMmioEmulation(
    Emulator: WHV_EMULATOR_HANDLE,
    Context: *mut c_void,
    VpContext: *const WHV_VP_EXIT_CONTEXT,
    MmioInstructionContext: *const WHV_MEMORY_ACCESS_CONTEXT,
    EmulatorReturnStatus: *mut WHV_EMULATOR_STATUS,
) -> HRESULT {
    // SAFETY: the caller vouches for the pointers.
    let (vp, access, status) =
        unsafe { (VpContext.adopt(1), MmioInstructionContext.adopt(1), EmulatorReturnStatus.adopt(1)) };
    enter(|| {
        let call = Call { emulator: Emulator, context: Context, vp, status };
        call.run(access, context::memory_access, |emulator, host, vp, access| {
            emulator.try_mmio(host, vp, access)
        })
    })
}

fn create(callbacks: Input<WHV_EMULATOR_CALLBACKS>, emulator: Output<WHV_EMULATOR_HANDLE>) -> Outcome {
    emulator.required()?;
    let Some(table) = callbacks.required()?.get(0) else {
        return Err(Failure::invalid("no callbacks"));
    };
    emulator.set(handles::register(Callbacks::check(&table)?));
    Ok(())
}

/// The arguments that both emulating functions have.
struct Call {
    emulator: WHV_EMULATOR_HANDLE,
    context: *mut c_void,
    vp: Input<WHV_VP_EXIT_CONTEXT>,
    status: Output<WHV_EMULATOR_STATUS>,
}

impl Call {
    fn run<C: Copy, A>(
        &self,
        access: Input<C>,
        convert: impl FnOnce(&C) -> Outcome<A>,
        work: impl FnOnce(
            &mut Emulator,
            &mut Caller<'_>,
            &openwhp_engine::VpContext,
            &A,
        ) -> Result<(), EmulatorError>,
    ) -> Outcome {
        let entry = handles::find(self.emulator)?;
        self.status.required()?;
        let (Some(vp), Some(access)) = (self.vp.required()?.get(0), access.required()?.get(0)) else {
            return Err(Failure::invalid("no exit"));
        };
        let (vp, access) = (context::vp(&vp), convert(&access)?);
        let mut emulator = match entry.emulator.try_lock() {
            Ok(emulator) => emulator,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let text = "the emulator is in use: a handle serves one call at a time";
                return Err(Failure::new(HRESULT_FROM_WIN32_ERROR_INVALID_STATE, text));
            }
        };
        let mut caller = Caller::new(&entry.callbacks, self.context);
        self.status.set(status(work(&mut emulator, &mut caller, &vp, &access)));
        Ok(())
    }
}

/// The status with the one bit of an outcome.
fn status(outcome: Result<(), EmulatorError>) -> WHV_EMULATOR_STATUS {
    let mut status = WHV_EMULATOR_STATUS::default();
    match outcome {
        Ok(()) => status.set_EmulationSuccessful(1),
        Err(EmulatorError::PortCallback) => status.set_IoPortCallbackFailed(1),
        Err(EmulatorError::MemoryCallback) => status.set_MemoryCallbackFailed(1),
        Err(EmulatorError::TranslateCallback) => status.set_TranslateGvaPageCallbackFailed(1),
        Err(EmulatorError::MisalignedPage) => status.set_TranslateGvaPageCallbackGpaIsNotAligned(1),
        Err(EmulatorError::GetRegistersCallback) => status.set_GetVirtualProcessorRegistersCallbackFailed(1),
        Err(EmulatorError::SetRegistersCallback) => status.set_SetVirtualProcessorRegistersCallbackFailed(1),
        Err(EmulatorError::InterruptPending) => status.set_InterruptCausedIntercept(1),
        Err(EmulatorError::GuestCannotBeFaulted) => status.set_GuestCannotBeFaulted(1),
        Err(_) => status.set_InternalEmulationFailure(1),
    }
    status
}
