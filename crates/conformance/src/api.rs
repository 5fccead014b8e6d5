//! The C interface as a table of function pointers, linked or loaded.

#![expect(unsafe_code, reason = "looks functions up in a shared library by name")]

use std::ffi::CString;
use std::path::Path;

use openwhp_abi::functions::x64 as prototype;

/// Declares a table with one field per function.
macro_rules! table {
    ($(#[$doc:meta])* $table:ident of $linked:ident: $($name:ident,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $table {
            $(
                #[doc = concat!("`", stringify!($name), "`.")]
                pub $name: prototype::$name,
            )*
        }

        impl $table {
            /// The functions of the library built with this crate.
            pub fn linked() -> Self {
                Self { $($name: $linked::$name,)* }
            }

            /// The functions of a shared library, which stays loaded.
            ///
            /// # Errors
            /// Says which function is missing or why the library cannot be loaded.
            pub fn open(path: &Path) -> Result<Self, String> {
                let library = Library::open(path)?;
                Ok(Self {
                    $(
                        // SAFETY: the library's header declares the function with this prototype.
                        $name: unsafe {
                            std::mem::transmute::<*mut libc::c_void, prototype::$name>(
                                library.symbol(stringify!($name))?
                            )
                        },
                    )*
                })
            }
        }

        impl std::fmt::Debug for $table {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($table)).finish_non_exhaustive()
            }
        }
    };
}

table! {
    /// The functions of one implementation of the platform.
    Api of WinHvPlatform:
    WHvGetCapability,
    WHvCreatePartition,
    WHvSetupPartition,
    WHvResetPartition,
    WHvDeletePartition,
    WHvGetPartitionProperty,
    WHvSetPartitionProperty,
    WHvSuspendPartitionTime,
    WHvResumePartitionTime,
    WHvMapGpaRange,
    WHvMapGpaRange2,
    WHvUnmapGpaRange,
    WHvTranslateGva,
    WHvCreateVirtualProcessor,
    WHvCreateVirtualProcessor2,
    WHvDeleteVirtualProcessor,
    WHvRunVirtualProcessor,
    WHvCancelRunVirtualProcessor,
    WHvGetVirtualProcessorRegisters,
    WHvSetVirtualProcessorRegisters,
    WHvGetVirtualProcessorInterruptControllerState,
    WHvSetVirtualProcessorInterruptControllerState,
    WHvRequestInterrupt,
    WHvGetVirtualProcessorXsaveState,
    WHvSetVirtualProcessorXsaveState,
    WHvQueryGpaRangeDirtyBitmap,
    WHvGetPartitionCounters,
    WHvGetVirtualProcessorCounters,
    WHvGetVirtualProcessorInterruptControllerState2,
    WHvSetVirtualProcessorInterruptControllerState2,
    WHvRegisterPartitionDoorbellEvent,
    WHvUnregisterPartitionDoorbellEvent,
    WHvAdviseGpaRange,
    WHvReadGpaRange,
    WHvWriteGpaRange,
    WHvSignalVirtualProcessorSynicEvent,
    WHvGetVirtualProcessorState,
    WHvSetVirtualProcessorState,
    WHvAllocateVpciResource,
    WHvCreateVpciDevice,
    WHvDeleteVpciDevice,
    WHvGetVpciDeviceProperty,
    WHvGetVpciDeviceNotification,
    WHvMapVpciDeviceMmioRanges,
    WHvUnmapVpciDeviceMmioRanges,
    WHvSetVpciDevicePowerState,
    WHvReadVpciDeviceRegister,
    WHvWriteVpciDeviceRegister,
    WHvMapVpciDeviceInterrupt,
    WHvUnmapVpciDeviceInterrupt,
    WHvRetargetVpciDeviceInterrupt,
    WHvRequestVpciDeviceInterrupt,
    WHvGetVpciDeviceInterruptTarget,
    WHvCreateTrigger,
    WHvUpdateTriggerParameters,
    WHvDeleteTrigger,
    WHvCreateNotificationPort,
    WHvSetNotificationPortProperty,
    WHvDeleteNotificationPort,
    WHvPostVirtualProcessorSynicMessage,
    WHvGetVirtualProcessorCpuidOutput,
    WHvGetInterruptTargetVpSet,
    WHvStartPartitionMigration,
    WHvCancelPartitionMigration,
    WHvCompletePartitionMigration,
    WHvAcceptPartitionMigration,
}

table! {
    /// The functions of one implementation of the instruction emulator.
    EmulatorApi of WinHvEmulation:
    WHvEmulatorCreateEmulator,
    WHvEmulatorDestroyEmulator,
    WHvEmulatorTryIoEmulation,
    WHvEmulatorTryMmioEmulation,
}

impl EmulatorApi {
    /// The emulator to test: the linked one, or that of the library named by `OPENWHP_CONFORMANCE_EMULATION_LIBRARY`.
    ///
    /// # Panics
    /// If the named library cannot be used.
    pub fn chosen() -> Self {
        match std::env::var_os("OPENWHP_CONFORMANCE_EMULATION_LIBRARY") {
            Some(path) => Self::open(Path::new(&path)).unwrap_or_else(|reason| panic!("{reason}")),
            None => Self::linked(),
        }
    }
}

/// A loaded shared library.
struct Library(*mut libc::c_void);

impl Library {
    fn open(path: &Path) -> Result<Self, String> {
        let name = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|error| error.to_string())?;
        // SAFETY: the name ends with a zero byte; loading runs the library's own initialisers only.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() { Err(format!("cannot load {}", path.display())) } else { Ok(Self(handle)) }
    }

    fn symbol(&self, name: &str) -> Result<*mut libc::c_void, String> {
        let text = CString::new(name).map_err(|error| error.to_string())?;
        // SAFETY: the handle comes from dlopen and is never closed; the name ends with a zero byte.
        let symbol = unsafe { libc::dlsym(self.0, text.as_ptr()) };
        if symbol.is_null() { Err(format!("the library has no {name}")) } else { Ok(symbol) }
    }
}

/// Calls a function of the table. The caller's pointers are null or valid for the size given beside them.
#[macro_export]
macro_rules! call {
    ($api:expr, $name:ident($($argument:expr),* $(,)?)) => {{
        let function = $api.$name;
        // SAFETY: every pointer of the call is null or valid for the size given beside it.
        $crate::coverage::returned(stringify!($name), unsafe { function($($argument),*) })
    }};
}
