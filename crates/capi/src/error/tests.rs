//! Walks the table: each error gives exactly its code and keeps its text.

use openwhp::ApicMode;
use openwhp::Gpa;
use openwhp::PropertyCode;
use openwhp::RegisterName;
use openwhp::RegisterValue;
use openwhp::VpIndex;

use super::*;

fn expect<E: Clone + std::fmt::Display>(error: E, code: HRESULT)
where
    Failure: From<E>,
{
    let failure = openwhp_capi_boundary::Failure::from(Failure::from(error.clone()));
    assert_eq!(failure.code(), code, "{error}");
    assert_eq!(failure.text(), error.to_string());
    assert_ne!(code, E_UNEXPECTED, "{error}");
    assert!(!code.is_success(), "{error}");
}

#[test]
fn partition_errors_have_their_codes() {
    let code = PropertyCode::ProcessorCount;
    expect(
        CreateError::EngineNotAvailable { engine: "x", reason: "y".to_owned() },
        HRESULT_FROM_WIN32_ERROR_NOT_SUPPORTED,
    );
    expect(PropertyError::WriteOnly(code), HRESULT_FROM_WIN32_ERROR_NOT_SUPPORTED);
    expect(PropertyError::NotChangeable(code), E_INVALIDARG);
    expect(PropertyError::InvalidValue { code, reason: "z" }, E_INVALIDARG);
    expect(PropertyError::Running(code), WHV_E_INVALID_VP_STATE);
    expect(PropertyError::Deleted, E_INVALIDARG);
    expect(SetupError::InvalidState, HRESULT_FROM_WIN32_ERROR_INVALID_STATE);
    expect(SetupError::Missing(code), WHV_E_INVALID_PARTITION_CONFIG);
    expect(SetupError::Conflict("z"), WHV_E_INVALID_PARTITION_CONFIG);
    expect(
        SetupError::UnsupportedFeatures { code, bits: 1, engine: "x" },
        WHV_E_UNSUPPORTED_PROCESSOR_CONFIG,
    );
    expect(SetupError::NoNestedVirtualization("x"), ERROR_HV_INVALID_PARAMETER);
    let missing = EngineCreateError::NotAvailable { engine: "x", ability: "y", advice: "z" };
    expect(SetupError::Engine(missing), WHV_E_UNSUPPORTED_PROCESSOR_CONFIG);
    let unmet = EngineCreateError::Unmet { features: 0x10, need: "y" };
    expect(SetupError::Engine(unmet), WHV_E_INVALID_PARTITION_CONFIG);
    expect(SetupError::Engine(EngineCreateError::OutOfMemory { what: "x" }), E_OUTOFMEMORY);
    expect(TimeError::NotSetUp, HRESULT_FROM_WIN32_ERROR_INVALID_STATE);
    expect(TimeError::Running, ERROR_HV_INVALID_VP_STATE);
    expect(TimeError::NotSuspended, ERROR_HV_INVALID_PARTITION_STATE);
}

#[test]
fn memory_errors_have_their_codes() {
    let (gpa, len) = (Gpa(0x1000), 0x1000);
    expect(MapError::NotSetUp, HRESULT_FROM_WIN32_ERROR_INVALID_STATE);
    expect(MapError::Misaligned { value: 1 }, E_INVALIDARG);
    expect(MapError::Empty, E_INVALIDARG);
    expect(MapError::OutOfRange { gpa, len, width: 39 }, E_INVALIDARG);
    expect(MapError::BadHostRange { start: 0, len }, E_INVALIDARG);
    expect(MapError::BadFlags(0x10), E_INVALIDARG);
    expect(MapError::NoProcess, E_HANDLE);
    expect(MapError::OwnProcess, E_INVALIDARG);
    expect(MapError::ProcessMemory { address: 0, reason: String::new() }, E_ACCESSDENIED);
    expect(MapError::OutOfMemory, E_OUTOFMEMORY);
    expect(AccessError::NotSetUp, HRESULT_FROM_WIN32_ERROR_INVALID_STATE);
    expect(AccessError::BadRange { gpa, len }, E_INVALIDARG);
    expect(AccessError::BitmapTooSmall { expected: 2, actual: 1 }, WHV_E_INSUFFICIENT_BUFFER);
    expect(AccessError::NotFound { gpa }, WHV_E_GPA_RANGE_NOT_FOUND);
    expect(AccessError::Denied { gpa }, E_ACCESSDENIED);
    expect(AccessError::NotPinned { gpa }, E_INVALIDARG);
    expect(AccessError::OutOfMemory, E_OUTOFMEMORY);
}

#[test]
fn processor_errors_have_their_codes() {
    let index = VpIndex(1);
    let name = RegisterName::RAX;
    expect(VpError::NotSetUp, HRESULT_FROM_WIN32_ERROR_INVALID_STATE);
    expect(VpError::Exists(index), WHV_E_VP_ALREADY_EXISTS);
    expect(VpError::NotFound(index), WHV_E_VP_DOES_NOT_EXIST);
    expect(VpError::BadIndex { index, count: 1 }, E_INVALIDARG);
    expect(VpError::Running, WHV_E_INVALID_VP_STATE);
    expect(VpError::Deleted, WHV_E_VP_DOES_NOT_EXIST);
    expect(VpError::Engine(EngineCreateError::BadIndex { index, count: 1 }), E_INVALIDARG);
    expect(RunError::Running, WHV_E_INVALID_VP_STATE);
    expect(RunError::Deleted, WHV_E_VP_DOES_NOT_EXIST);
    expect(RunError::UndeliverableInterruption, WHV_E_INVALID_VP_STATE);
    expect(RegisterError::UnknownName(name), WHV_E_INVALID_VP_REGISTER_NAME);
    expect(RegisterError::NotAvailable(name), ERROR_HV_INVALID_PARAMETER);
    expect(RegisterError::InvalidValue { name, value: RegisterValue::default() }, ERROR_HV_INVALID_PARAMETER);
    expect(RegisterError::AccessDenied(name), ERROR_HV_ACCESS_DENIED);
    expect(RegisterError::Running, WHV_E_INVALID_VP_STATE);
    expect(RegisterError::Deleted, WHV_E_VP_DOES_NOT_EXIST);
    expect(StateError::Running, WHV_E_INVALID_VP_STATE);
    expect(StateError::Deleted, WHV_E_VP_DOES_NOT_EXIST);
    expect(StateError::Size { expected: 1, actual: 2 }, E_INVALIDARG);
    expect(StateError::Malformed("x"), E_INVALIDARG);
    expect(StateError::NoApic, ERROR_HV_OPERATION_DENIED);
    expect(StateError::NoSynic, ERROR_HV_FEATURE_UNAVAILABLE);
    expect(InterruptError::NoApic(ApicMode::None), ERROR_HV_OPERATION_DENIED);
    expect(InterruptError::ReservedVector(1), ERROR_HV_INVALID_PARAMETER);
    expect(InterruptError::BadVector(1), E_INVALIDARG);
    expect(InterruptError::NotSetUp, HRESULT_FROM_WIN32_ERROR_INVALID_STATE);
}

#[test]
fn notification_errors_have_their_codes() {
    let (vp, gpa) = (VpIndex(1), Gpa(0x1000));
    expect(NotificationError::NotSetUp, HRESULT_FROM_WIN32_ERROR_INVALID_STATE);
    expect(NotificationError::NotAvailable("x"), HRESULT_FROM_WIN32_ERROR_PROC_NOT_FOUND);
    expect(NotificationError::BadMatch("x"), E_INVALIDARG);
    expect(NotificationError::Conflict(gpa), ERROR_HV_INVALID_PARAMETER);
    expect(NotificationError::NoDoorbell(gpa), HRESULT_FROM_WIN32_ERROR_NOT_FOUND);
    expect(NotificationError::ConnectionInUse(1), ERROR_HV_OBJECT_IN_USE);
    expect(NotificationError::NoConnection(1), ERROR_HV_INVALID_CONNECTION_ID);
    expect(NotificationError::NoPort, E_INVALIDARG);
    expect(NotificationError::BadProperty("x"), E_INVALIDARG);
    expect(NotificationError::OutOfMemory, E_OUTOFMEMORY);
    expect(SynicError::NotSetUp, HRESULT_FROM_WIN32_ERROR_INVALID_STATE);
    expect(SynicError::NoProcessor(vp), WHV_E_VP_DOES_NOT_EXIST);
    expect(SynicError::NotReceiving(vp), ERROR_HV_INVALID_SYNIC_STATE);
    expect(SynicError::BadSint(16), ERROR_HV_INVALID_PARAMETER);
    expect(SynicError::BadFlag(2048), ERROR_HV_INVALID_PARAMETER);
    expect(SynicError::BadMessage("x"), E_INVALIDARG);
    expect(SynicError::Occupied(1), ERROR_HV_OBJECT_IN_USE);
    expect(TriggerError::NotSetUp, HRESULT_FROM_WIN32_ERROR_INVALID_STATE);
    expect(TriggerError::NoApic(ApicMode::None), ERROR_HV_OPERATION_DENIED);
    expect(TriggerError::BadAction("x"), E_INVALIDARG);
    expect(TriggerError::NoDevice(1), ERROR_HV_INVALID_DEVICE_ID);
    expect(TriggerError::NoTrigger, E_INVALIDARG);
    expect(TriggerError::OtherKind, E_INVALIDARG);
    expect(TriggerError::Host("x".to_owned()), E_FAIL);
}
