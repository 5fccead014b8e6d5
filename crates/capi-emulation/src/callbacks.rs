//! The caller's callbacks as the emulator's host.

use std::ffi::c_void;

use openwhp_abi::hresult::HRESULT;
use openwhp_abi::hresult::S_OK;
use openwhp_abi::x64::*;
use openwhp_capi_boundary::Failure;
use openwhp_capi_boundary::Outcome;
use openwhp_emulation::CallbackFailed;
use openwhp_emulation::EmulatorHost;
use openwhp_emulation::MemoryRequest;
use openwhp_emulation::PortRequest;
use openwhp_engine::Gpa;
use openwhp_engine::Gva;
use openwhp_engine::RegisterName;
use openwhp_engine::RegisterValue;
use openwhp_engine::TranslateFlags;
use openwhp_engine::TranslateResult;
use openwhp_engine::Translation;
use zerocopy::FromZeros;
use zerocopy::IntoBytes;

/// Registers moved without allocating.
const FEW: usize = 40;

/// Declares the checked table: every member of the C structure, which must all be there.
macro_rules! callbacks {
    ($($field:ident = $member:ident: fn($($argument:ty),*);)*) => {
        /// The callbacks of one emulator, all present.
        pub(crate) struct Callbacks {
            $($field: unsafe extern "C" fn($($argument),*) -> HRESULT,)*
        }

        impl Callbacks {
            /// Takes the callbacks over from the caller's table.
            pub(crate) fn check(table: &WHV_EMULATOR_CALLBACKS) -> Outcome<Self> {
                let size = size_of::<WHV_EMULATOR_CALLBACKS>();
                if table.Size as usize != size {
                    return Err(Failure::invalid(format!("Size is {}, not {size}", table.Size)));
                }
                if table.Reserved != 0 {
                    return Err(Failure::invalid("Reserved is not zero"));
                }
                Ok(Self {
                    $($field: table.$member.ok_or_else(|| {
                        Failure::invalid(concat!(stringify!($member), " is null"))
                    })?,)*
                })
            }
        }
    };
}

callbacks! {
    io_port = WHvEmulatorIoPortCallback: fn(*mut c_void, *mut WHV_EMULATOR_IO_ACCESS_INFO);
    memory = WHvEmulatorMemoryCallback: fn(*mut c_void, *mut WHV_EMULATOR_MEMORY_ACCESS_INFO);
    get_registers = WHvEmulatorGetVirtualProcessorRegisters:
        fn(*mut c_void, *const WHV_REGISTER_NAME, u32, *mut WHV_REGISTER_VALUE);
    set_registers = WHvEmulatorSetVirtualProcessorRegisters:
        fn(*mut c_void, *const WHV_REGISTER_NAME, u32, *const WHV_REGISTER_VALUE);
    translate = WHvEmulatorTranslateGvaPage: fn(
        *mut c_void,
        WHV_GUEST_VIRTUAL_ADDRESS,
        WHV_TRANSLATE_GVA_FLAGS,
        *mut WHV_TRANSLATE_GVA_RESULT_CODE,
        *mut WHV_GUEST_PHYSICAL_ADDRESS
    );
}

/// The callbacks during one call.
pub(crate) struct Caller<'a> {
    callbacks: &'a Callbacks,
    context: *mut c_void,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(callbacks: &'a Callbacks, context: *mut c_void) -> Self {
        Self { callbacks, context }
    }
}

fn done(code: HRESULT) -> Result<(), CallbackFailed> {
    if code == S_OK { Ok(()) } else { Err(CallbackFailed) }
}

impl EmulatorHost for Caller<'_> {
    fn io_port(&mut self, request: &mut PortRequest) -> Result<(), CallbackFailed> {
        let mut info = WHV_EMULATOR_IO_ACCESS_INFO::default();
        info.set_Direction(u8::from(request.is_write));
        info.set_Port(request.port);
        info.set_AccessSize(request.size.into());
        info.set_Data(request.data);
        // SAFETY: the caller vouched for the callback; the structure outlives the call.
        done(unsafe { (self.callbacks.io_port)(self.context, &raw mut info) })?;
        request.data = info.Data();
        Ok(())
    }

    fn memory(&mut self, request: &mut MemoryRequest) -> Result<(), CallbackFailed> {
        let mut info = WHV_EMULATOR_MEMORY_ACCESS_INFO::default();
        info.set_GpaAddress(request.gpa.0);
        info.set_Direction(u8::from(request.is_write));
        info.set_AccessSize(request.size);
        info.set_Data(request.data);
        // SAFETY: the caller vouched for the callback; the structure outlives the call.
        done(unsafe { (self.callbacks.memory)(self.context, &raw mut info) })?;
        request.data = info.Data();
        Ok(())
    }

    fn get_registers(
        &mut self,
        names: &[RegisterName],
        values: &mut [RegisterValue],
    ) -> Result<(), CallbackFailed> {
        let mut few = ([WHV_REGISTER_NAME(0); FEW], [WHV_REGISTER_VALUE::default(); FEW]);
        let mut many = (Vec::new(), Vec::new());
        let (wanted, found) = places(&mut few, &mut many, names.len());
        for (place, name) in wanted.iter_mut().zip(names) {
            *place = WHV_REGISTER_NAME(name.0);
        }
        let count = names.len() as u32;
        // SAFETY: the caller vouched for the callback; both arrays have `count` elements and outlive the call.
        let code = unsafe {
            (self.callbacks.get_registers)(self.context, wanted.as_ptr(), count, found.as_mut_ptr())
        };
        done(code)?;
        for (value, found) in values.iter_mut().zip(found) {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(found.as_bytes());
            *value = RegisterValue(u128::from_le_bytes(bytes));
        }
        Ok(())
    }

    fn set_registers(
        &mut self,
        names: &[RegisterName],
        values: &[RegisterValue],
    ) -> Result<(), CallbackFailed> {
        let mut few = ([WHV_REGISTER_NAME(0); FEW], [WHV_REGISTER_VALUE::default(); FEW]);
        let mut many = (Vec::new(), Vec::new());
        let (wanted, given) = places(&mut few, &mut many, names.len());
        for (place, name) in wanted.iter_mut().zip(names) {
            *place = WHV_REGISTER_NAME(name.0);
        }
        for (place, value) in given.iter_mut().zip(values) {
            place.as_mut_bytes().copy_from_slice(&value.0.to_le_bytes());
        }
        let count = names.len() as u32;
        // SAFETY: the caller vouched for the callback; both arrays have `count` elements and outlive the call.
        done(unsafe { (self.callbacks.set_registers)(self.context, wanted.as_ptr(), count, given.as_ptr()) })
    }

    fn translate(&mut self, page: Gva, flags: TranslateFlags) -> Result<Translation, CallbackFailed> {
        let mut result = WHV_TRANSLATE_GVA_RESULT_CODE::new_zeroed();
        let mut gpa = 0;
        let flags = WHV_TRANSLATE_GVA_FLAGS(flags.bits());
        // SAFETY: the caller vouched for the callback; both results outlive the call.
        let code =
            unsafe { (self.callbacks.translate)(self.context, page.0, flags, &raw mut result, &raw mut gpa) };
        done(code)?;
        Ok(Translation { result: outcome(result), gpa: Gpa(gpa) })
    }
}

/// Names and values to fill: on the stack for few, else on the heap.
fn places<'a>(
    few: &'a mut ([WHV_REGISTER_NAME; FEW], [WHV_REGISTER_VALUE; FEW]),
    many: &'a mut (Vec<WHV_REGISTER_NAME>, Vec<WHV_REGISTER_VALUE>),
    count: usize,
) -> (&'a mut [WHV_REGISTER_NAME], &'a mut [WHV_REGISTER_VALUE]) {
    if count <= FEW {
        return (&mut few.0[..count], &mut few.1[..count]);
    }
    many.0.resize(count, WHV_REGISTER_NAME(0));
    many.1.resize(count, WHV_REGISTER_VALUE::default());
    (&mut many.0, &mut many.1)
}

/// A result code; one that names nothing is no fault of the guest's.
fn outcome(code: WHV_TRANSLATE_GVA_RESULT_CODE) -> TranslateResult {
    match code {
        WHvTranslateGvaResultSuccess => TranslateResult::Success,
        WHvTranslateGvaResultPageNotPresent => TranslateResult::PageNotPresent,
        WHvTranslateGvaResultPrivilegeViolation => TranslateResult::PrivilegeViolation,
        WHvTranslateGvaResultInvalidPageTableFlags => TranslateResult::InvalidPageTableFlags,
        WHvTranslateGvaResultGpaUnmapped => TranslateResult::GpaUnmapped,
        WHvTranslateGvaResultGpaNoReadAccess => TranslateResult::GpaNoReadAccess,
        WHvTranslateGvaResultGpaNoWriteAccess => TranslateResult::GpaNoWriteAccess,
        _ => TranslateResult::GpaIllegalOverlayAccess,
    }
}
