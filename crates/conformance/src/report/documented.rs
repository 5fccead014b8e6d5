//! The errors that each function documents.
//!
//! `functions.md` of the specification, read function by function. Every function of a partition answers
//! `E_INVALIDARG` to a handle that is none, and those that need a partition after setup `ERROR_INVALID_STATE` before
//! it; these two are written out so that the list can be compared with a run. Failures that a test cannot bring about
//! on demand (no memory, a broken host) are left out.

use openwhp_abi::hresult::*;

const INVALID: HRESULT = E_INVALIDARG;
const STATE: HRESULT = HRESULT_FROM_WIN32_ERROR_INVALID_STATE;
const NO_VP: HRESULT = WHV_E_VP_DOES_NOT_EXIST;
const RUNNING: HRESULT = WHV_E_INVALID_VP_STATE;
const SMALL: HRESULT = WHV_E_INSUFFICIENT_BUFFER;
const NO_APIC: HRESULT = ERROR_HV_OPERATION_DENIED;
const BAD_VALUE: HRESULT = ERROR_HV_INVALID_PARAMETER;
const NO_DEVICE: HRESULT = ERROR_HV_INVALID_DEVICE_ID;

/// Functions and their documented errors.
pub const DOCUMENTED: &[(&str, &[HRESULT])] = &[
    ("WHvGetCapability", &[E_POINTER, WHV_E_UNKNOWN_CAPABILITY, SMALL]),
    ("WHvCreatePartition", &[E_POINTER]),
    ("WHvSetupPartition", &[INVALID, STATE, WHV_E_INVALID_PARTITION_CONFIG]),
    ("WHvResetPartition", &[INVALID, STATE]),
    ("WHvDeletePartition", &[INVALID]),
    (
        "WHvGetPartitionProperty",
        &[INVALID, E_POINTER, WHV_E_UNKNOWN_PROPERTY, SMALL, HRESULT_FROM_WIN32_ERROR_NOT_SUPPORTED],
    ),
    ("WHvSetPartitionProperty", &[INVALID, E_POINTER, WHV_E_UNKNOWN_PROPERTY, RUNNING]),
    ("WHvSuspendPartitionTime", &[INVALID, STATE, ERROR_HV_INVALID_VP_STATE]),
    ("WHvResumePartitionTime", &[INVALID, STATE, ERROR_HV_INVALID_PARTITION_STATE]),
    ("WHvMapGpaRange", &[INVALID, STATE]),
    ("WHvMapGpaRange2", &[INVALID, STATE, E_ACCESSDENIED, E_HANDLE]),
    ("WHvUnmapGpaRange", &[INVALID, STATE]),
    ("WHvTranslateGva", &[INVALID, STATE, E_POINTER, NO_VP, RUNNING]),
    ("WHvCreateVirtualProcessor", &[INVALID, STATE, WHV_E_VP_ALREADY_EXISTS]),
    ("WHvCreateVirtualProcessor2", &[INVALID, STATE, E_POINTER, WHV_E_VP_ALREADY_EXISTS]),
    ("WHvDeleteVirtualProcessor", &[INVALID, STATE, NO_VP, RUNNING]),
    ("WHvRunVirtualProcessor", &[INVALID, STATE, E_POINTER, NO_VP, RUNNING]),
    ("WHvCancelRunVirtualProcessor", &[INVALID, STATE, NO_VP]),
    (
        "WHvGetVirtualProcessorRegisters",
        &[INVALID, STATE, E_POINTER, NO_VP, RUNNING, WHV_E_INVALID_VP_REGISTER_NAME, BAD_VALUE],
    ),
    (
        "WHvSetVirtualProcessorRegisters",
        &[
            INVALID,
            STATE,
            E_POINTER,
            NO_VP,
            RUNNING,
            WHV_E_INVALID_VP_REGISTER_NAME,
            BAD_VALUE,
            ERROR_HV_ACCESS_DENIED,
        ],
    ),
    ("WHvGetVirtualProcessorInterruptControllerState", &[INVALID, STATE, NO_VP, RUNNING, SMALL, NO_APIC]),
    ("WHvSetVirtualProcessorInterruptControllerState", &[INVALID, STATE, E_POINTER, NO_VP, RUNNING, NO_APIC]),
    ("WHvGetVirtualProcessorInterruptControllerState2", &[INVALID, STATE, NO_VP, RUNNING, SMALL, NO_APIC]),
    (
        "WHvSetVirtualProcessorInterruptControllerState2",
        &[INVALID, STATE, E_POINTER, NO_VP, RUNNING, NO_APIC],
    ),
    ("WHvRequestInterrupt", &[INVALID, STATE, E_POINTER, BAD_VALUE, NO_APIC]),
    ("WHvGetVirtualProcessorXsaveState", &[INVALID, STATE, NO_VP, RUNNING, SMALL]),
    ("WHvSetVirtualProcessorXsaveState", &[INVALID, STATE, E_POINTER, NO_VP, RUNNING]),
    ("WHvQueryGpaRangeDirtyBitmap", &[INVALID, STATE, SMALL, WHV_E_GPA_RANGE_NOT_FOUND]),
    ("WHvGetPartitionCounters", &[INVALID, STATE, E_POINTER, WHV_E_UNKNOWN_PROPERTY, SMALL]),
    ("WHvGetVirtualProcessorCounters", &[INVALID, STATE, E_POINTER, WHV_E_UNKNOWN_PROPERTY, NO_VP, SMALL]),
    ("WHvRegisterPartitionDoorbellEvent", &[INVALID, STATE, E_POINTER, E_HANDLE, BAD_VALUE]),
    ("WHvUnregisterPartitionDoorbellEvent", &[INVALID, STATE, E_POINTER, HRESULT_FROM_WIN32_ERROR_NOT_FOUND]),
    ("WHvAdviseGpaRange", &[INVALID, STATE, E_POINTER, WHV_E_GPA_RANGE_NOT_FOUND, E_ACCESSDENIED]),
    ("WHvReadGpaRange", &[INVALID, STATE, E_POINTER, NO_VP, E_ACCESSDENIED]),
    ("WHvWriteGpaRange", &[INVALID, STATE, E_POINTER, NO_VP, E_ACCESSDENIED]),
    (
        "WHvSignalVirtualProcessorSynicEvent",
        &[INVALID, STATE, NO_VP, BAD_VALUE, ERROR_HV_INVALID_SYNIC_STATE],
    ),
    ("WHvGetVirtualProcessorState", &[INVALID, STATE, NO_VP, RUNNING, SMALL, ERROR_HV_FEATURE_UNAVAILABLE]),
    (
        "WHvSetVirtualProcessorState",
        &[INVALID, STATE, E_POINTER, NO_VP, RUNNING, ERROR_HV_FEATURE_UNAVAILABLE],
    ),
    ("WHvAllocateVpciResource", &[INVALID, E_POINTER, HRESULT_FROM_WIN32_ERROR_NOT_FOUND]),
    ("WHvCreateVpciDevice", &[INVALID, STATE, NO_APIC]),
    ("WHvDeleteVpciDevice", &[INVALID, STATE, NO_DEVICE]),
    ("WHvGetVpciDeviceProperty", &[INVALID, STATE, NO_DEVICE]),
    ("WHvGetVpciDeviceNotification", &[INVALID, STATE, E_POINTER, NO_DEVICE]),
    ("WHvMapVpciDeviceMmioRanges", &[INVALID, STATE, E_POINTER, NO_DEVICE]),
    ("WHvUnmapVpciDeviceMmioRanges", &[INVALID, STATE, NO_DEVICE]),
    ("WHvSetVpciDevicePowerState", &[INVALID, STATE, NO_DEVICE]),
    ("WHvReadVpciDeviceRegister", &[INVALID, STATE, E_POINTER, NO_DEVICE]),
    ("WHvWriteVpciDeviceRegister", &[INVALID, STATE, E_POINTER, NO_DEVICE]),
    ("WHvMapVpciDeviceInterrupt", &[INVALID, STATE, E_POINTER, NO_DEVICE]),
    ("WHvUnmapVpciDeviceInterrupt", &[INVALID, STATE, NO_DEVICE]),
    ("WHvRetargetVpciDeviceInterrupt", &[INVALID, STATE, E_POINTER, NO_DEVICE]),
    ("WHvRequestVpciDeviceInterrupt", &[INVALID, STATE, NO_DEVICE]),
    ("WHvGetVpciDeviceInterruptTarget", &[INVALID, STATE, NO_DEVICE]),
    ("WHvCreateTrigger", &[INVALID, STATE, E_POINTER, NO_APIC, NO_DEVICE]),
    ("WHvUpdateTriggerParameters", &[INVALID, STATE, E_POINTER]),
    ("WHvDeleteTrigger", &[INVALID, STATE]),
    ("WHvCreateNotificationPort", &[INVALID, STATE, E_POINTER, E_HANDLE, BAD_VALUE, ERROR_HV_OBJECT_IN_USE]),
    ("WHvSetNotificationPortProperty", &[INVALID, STATE]),
    ("WHvDeleteNotificationPort", &[INVALID, STATE]),
    (
        "WHvPostVirtualProcessorSynicMessage",
        &[INVALID, STATE, E_POINTER, NO_VP, BAD_VALUE, ERROR_HV_INVALID_SYNIC_STATE, ERROR_HV_OBJECT_IN_USE],
    ),
    ("WHvGetVirtualProcessorCpuidOutput", &[INVALID, STATE, E_POINTER, NO_VP]),
    ("WHvGetInterruptTargetVpSet", &[INVALID, STATE, E_POINTER, SMALL, NO_APIC]),
    ("WHvStartPartitionMigration", &[INVALID, STATE, E_POINTER]),
    ("WHvCancelPartitionMigration", &[INVALID, STATE]),
    ("WHvCompletePartitionMigration", &[INVALID, STATE]),
    ("WHvAcceptPartitionMigration", &[INVALID, E_POINTER]),
    ("WHvEmulatorCreateEmulator", &[INVALID, E_POINTER]),
    ("WHvEmulatorDestroyEmulator", &[INVALID]),
    ("WHvEmulatorTryIoEmulation", &[INVALID, E_POINTER]),
    ("WHvEmulatorTryMmioEmulation", &[INVALID, E_POINTER]),
];

#[cfg(test)]
mod tests {
    use openwhp_abi::functions::x64::FUNCTIONS;

    use super::*;

    #[test]
    fn every_function_has_a_row() {
        let rows: Vec<_> = DOCUMENTED.iter().map(|row| row.0).collect();
        for function in FUNCTIONS {
            assert_eq!(rows.iter().filter(|name| **name == function.name).count(), 1, "{}", function.name);
        }
        assert_eq!(rows.len(), FUNCTIONS.len());
    }
}
