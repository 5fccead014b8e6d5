//! Every function of the platform's table is exported with the prototype of the table.

use openwhp_abi::functions::x64 as prototype;

/// Names each function twice: as the type it must have, and as the function itself.
macro_rules! exported {
    ($($name:ident,)*) => {
        /// Does not compile if a function is missing or has another type.
        #[test]
        fn every_function_has_its_prototype() {
            $(let _: prototype::$name = WinHvPlatform::$name;)*
        }

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

exported! {
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

#[test]
fn no_function_of_the_platform_is_left_out() {
    let platform = prototype::FUNCTIONS.iter().filter(|function| !function.name.starts_with("WHvEmulator"));
    let missing: Vec<&str> =
        platform.map(|function| function.name).filter(|name| !NAMES.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(NAMES.len(), 66);
}
