//! The one table from errors to result codes.

use std::borrow::Cow;

use openwhp::AccessError;
use openwhp::CreateError;
use openwhp::EngineCreateError;
use openwhp::InterruptError;
use openwhp::MapError;
use openwhp::NotificationError;
use openwhp::PropertyError;
use openwhp::RegisterError;
use openwhp::RunError;
use openwhp::SetupError;
use openwhp::StateError;
use openwhp::SynicError;
use openwhp::TimeError;
use openwhp::TriggerError;
use openwhp::VpError;
use openwhp::VpciError;
use openwhp_abi::hresult::*;

/// Why a call failed: what the boundary knows, made from what the platform says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(openwhp_capi_boundary::Failure);

impl Failure {
    pub(crate) fn new(code: HRESULT, text: impl Into<Cow<'static, str>>) -> Self {
        Self(openwhp_capi_boundary::Failure::new(code, text))
    }

    /// A bad argument.
    pub(crate) fn invalid(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(E_INVALIDARG, text)
    }
}

impl From<openwhp_capi_boundary::Failure> for Failure {
    fn from(failure: openwhp_capi_boundary::Failure) -> Self {
        Self(failure)
    }
}

impl From<Failure> for openwhp_capi_boundary::Failure {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

/// Gives an error family its codes.
macro_rules! codes {
    ($($error:ident { $($pattern:pat => $code:expr,)* })*) => {
        $(
            impl From<$error> for Failure {
                fn from(error: $error) -> Self {
                    let code = match &error {
                        $($pattern => $code,)*
                        #[expect(clippy::allow_attributes, reason = "not every family is open")]
                        #[allow(unreachable_patterns, reason = "families are open: a new variant is unexpected")]
                        _ => E_UNEXPECTED,
                    };
                    Self::new(code, error.to_string())
                }
            }
        )*
    };
}

codes! {
    CreateError {
        CreateError::EngineNotAvailable { .. } => HRESULT_FROM_WIN32_ERROR_NOT_SUPPORTED,
    }
    PropertyError {
        PropertyError::WriteOnly(_) => HRESULT_FROM_WIN32_ERROR_NOT_SUPPORTED,
        PropertyError::NotChangeable(_) => E_INVALIDARG,
        PropertyError::InvalidValue { .. } => E_INVALIDARG,
        PropertyError::Running(_) => WHV_E_INVALID_VP_STATE,
        PropertyError::Deleted => E_INVALIDARG,
    }
    SetupError {
        SetupError::InvalidState => HRESULT_FROM_WIN32_ERROR_INVALID_STATE,
        SetupError::Missing(_) => WHV_E_INVALID_PARTITION_CONFIG,
        SetupError::Conflict(_) => WHV_E_INVALID_PARTITION_CONFIG,
        SetupError::UnsupportedFeatures { .. } => WHV_E_UNSUPPORTED_PROCESSOR_CONFIG,
        SetupError::NoNestedVirtualization(_) => ERROR_HV_INVALID_PARAMETER,
        SetupError::Engine(error) => engine_code(error),
    }
    MapError {
        MapError::NotSetUp => HRESULT_FROM_WIN32_ERROR_INVALID_STATE,
        MapError::Misaligned { .. } => E_INVALIDARG,
        MapError::Empty => E_INVALIDARG,
        MapError::OutOfRange { .. } => E_INVALIDARG,
        MapError::BadHostRange { .. } => E_INVALIDARG,
        MapError::BadFlags(_) => E_INVALIDARG,
        MapError::NoProcess => E_HANDLE,
        MapError::OwnProcess => E_INVALIDARG,
        MapError::ProcessMemory { .. } => E_ACCESSDENIED,
        MapError::OutOfMemory => E_OUTOFMEMORY,
    }
    AccessError {
        AccessError::NotSetUp => HRESULT_FROM_WIN32_ERROR_INVALID_STATE,
        AccessError::BadRange { .. } => E_INVALIDARG,
        AccessError::BitmapTooSmall { .. } => WHV_E_INSUFFICIENT_BUFFER,
        AccessError::NotFound { .. } => WHV_E_GPA_RANGE_NOT_FOUND,
        AccessError::Denied { .. } => E_ACCESSDENIED,
        AccessError::NotPinned { .. } => E_INVALIDARG,
        AccessError::OutOfMemory => E_OUTOFMEMORY,
    }
    VpError {
        VpError::NotSetUp => HRESULT_FROM_WIN32_ERROR_INVALID_STATE,
        VpError::Exists(_) => WHV_E_VP_ALREADY_EXISTS,
        VpError::NotFound(_) => WHV_E_VP_DOES_NOT_EXIST,
        VpError::BadIndex { .. } | VpError::BadNode(_) => E_INVALIDARG,
        VpError::Running => WHV_E_INVALID_VP_STATE,
        VpError::Deleted => WHV_E_VP_DOES_NOT_EXIST,
        VpError::Engine(error) => engine_code(error),
    }
    RunError {
        RunError::Running => WHV_E_INVALID_VP_STATE,
        RunError::Deleted => WHV_E_VP_DOES_NOT_EXIST,
        RunError::UndeliverableInterruption => WHV_E_INVALID_VP_STATE,
    }
    RegisterError {
        RegisterError::UnknownName(_) => WHV_E_INVALID_VP_REGISTER_NAME,
        RegisterError::NotAvailable(_) => ERROR_HV_INVALID_PARAMETER,
        RegisterError::InvalidValue { .. } => ERROR_HV_INVALID_PARAMETER,
        RegisterError::AccessDenied(_) => ERROR_HV_ACCESS_DENIED,
        RegisterError::Running => WHV_E_INVALID_VP_STATE,
        RegisterError::Deleted => WHV_E_VP_DOES_NOT_EXIST,
        RegisterError::CountMismatch { .. } => E_UNEXPECTED,
    }
    StateError {
        StateError::Running => WHV_E_INVALID_VP_STATE,
        StateError::Deleted => WHV_E_VP_DOES_NOT_EXIST,
        StateError::Size { .. } => E_INVALIDARG,
        StateError::Malformed(_) => E_INVALIDARG,
        StateError::NoApic => ERROR_HV_OPERATION_DENIED,
        StateError::NoSynic => ERROR_HV_FEATURE_UNAVAILABLE,
    }
    InterruptError {
        InterruptError::NoApic(_) => ERROR_HV_OPERATION_DENIED,
        InterruptError::ReservedVector(_) => ERROR_HV_INVALID_PARAMETER,
        InterruptError::BadVector(_) => E_INVALIDARG,
        InterruptError::NotSetUp => HRESULT_FROM_WIN32_ERROR_INVALID_STATE,
    }
    NotificationError {
        NotificationError::NotSetUp => HRESULT_FROM_WIN32_ERROR_INVALID_STATE,
        NotificationError::NotAvailable(_) => HRESULT_FROM_WIN32_ERROR_PROC_NOT_FOUND,
        NotificationError::BadMatch(_) => E_INVALIDARG,
        NotificationError::Conflict(_) => ERROR_HV_INVALID_PARAMETER,
        NotificationError::NoDoorbell(_) => HRESULT_FROM_WIN32_ERROR_NOT_FOUND,
        NotificationError::ConnectionInUse(_) => ERROR_HV_OBJECT_IN_USE,
        NotificationError::NoConnection(_) => ERROR_HV_INVALID_CONNECTION_ID,
        NotificationError::NoPort => E_INVALIDARG,
        NotificationError::BadProperty(_) => E_INVALIDARG,
        NotificationError::OutOfMemory => E_OUTOFMEMORY,
    }
    SynicError {
        SynicError::NotSetUp => HRESULT_FROM_WIN32_ERROR_INVALID_STATE,
        SynicError::NoProcessor(_) => WHV_E_VP_DOES_NOT_EXIST,
        SynicError::NotReceiving(_) => ERROR_HV_INVALID_SYNIC_STATE,
        SynicError::BadSint(_) => ERROR_HV_INVALID_PARAMETER,
        SynicError::BadFlag(_) => ERROR_HV_INVALID_PARAMETER,
        SynicError::BadMessage(_) => E_INVALIDARG,
        SynicError::Occupied(_) => ERROR_HV_OBJECT_IN_USE,
    }
    TriggerError {
        TriggerError::NotSetUp => HRESULT_FROM_WIN32_ERROR_INVALID_STATE,
        TriggerError::NoApic(_) => ERROR_HV_OPERATION_DENIED,
        TriggerError::BadAction(_) => E_INVALIDARG,
        TriggerError::NoDevice(_) => ERROR_HV_INVALID_DEVICE_ID,
        TriggerError::NoTrigger => E_INVALIDARG,
        TriggerError::OtherKind => E_INVALIDARG,
        TriggerError::Host(_) => E_FAIL,
    }
    VpciError {
        VpciError::NotSetUp => HRESULT_FROM_WIN32_ERROR_INVALID_STATE,
        VpciError::NotAllowed => ERROR_HV_OPERATION_DENIED,
        VpciError::Exists(_) => ERROR_HV_OBJECT_IN_USE,
        VpciError::NoDevice(_) => ERROR_HV_INVALID_DEVICE_ID,
        VpciError::NoHardware => E_INVALIDARG,
        VpciError::NotOn { .. } => ERROR_HV_INVALID_DEVICE_STATE,
        VpciError::BadRegister { .. } => E_INVALIDARG,
        VpciError::BadTarget(_) => E_INVALIDARG,
        VpciError::BadMessages { .. } => E_INVALIDARG,
        VpciError::InUse(_) => ERROR_HV_OBJECT_IN_USE,
        VpciError::NotMapped(_) => ERROR_HV_NOT_FOUND,
        VpciError::NoMessage(_) => ERROR_HV_NOT_FOUND,
        VpciError::BadAddress(_) => ERROR_HV_INVALID_PARAMETER,
        VpciError::NoLogicalInterrupts(_) => ERROR_HV_OPERATION_DENIED,
    }
    TimeError {
        TimeError::NotSetUp => HRESULT_FROM_WIN32_ERROR_INVALID_STATE,
        TimeError::Running => ERROR_HV_INVALID_VP_STATE,
        TimeError::NotSuspended => ERROR_HV_INVALID_PARTITION_STATE,
    }
}

fn engine_code(error: &EngineCreateError) -> HRESULT {
    match error {
        EngineCreateError::NotAvailable { .. } => WHV_E_UNSUPPORTED_PROCESSOR_CONFIG,
        EngineCreateError::Unmet { .. } => WHV_E_INVALID_PARTITION_CONFIG,
        EngineCreateError::OutOfMemory { .. } => E_OUTOFMEMORY,
        EngineCreateError::BadIndex { .. } => E_INVALIDARG,
        _ => E_UNEXPECTED,
    }
}

#[cfg(test)]
mod tests;
