//! The exported functions as types, for callers that look them up by name, and as a table.
//!
//! `functions::x64` and `functions::arm64` name the same functions over the types of their instruction set;
//! a few exist on x64 only.

/// One exported function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Exported name.
    pub name: &'static str,
    /// Parameter names and Rust types, in order. Every function returns `HRESULT`.
    pub parameters: &'static [(&'static str, &'static str)],
}

macro_rules! functions {
    ($(fn $name:ident($($parameter:ident: $type:ty),*);)*) => {
        $(
            #[doc = concat!("Type of `", stringify!($name), "`.")]
            pub type $name = unsafe extern "C" fn($($parameter: $type),*) -> HRESULT;
        )*

        /// The functions of this instruction set.
        pub const FUNCTIONS: &[Function] = &[$(Function {
            name: stringify!($name),
            parameters: &[$((stringify!($parameter), stringify!($type))),*],
        }),*];
    };
}

/// Functions over the x64 types.
pub mod x64 {
    use core::ffi::c_void;

    use super::Function;
    use crate::hresult::HRESULT;
    use crate::windows::*;
    use crate::x64::*;

    functions! {
        fn WHvGetCapability(
            CapabilityCode: WHV_CAPABILITY_CODE,
            CapabilityBuffer: *mut c_void,
            CapabilityBufferSizeInBytes: u32,
            WrittenSizeInBytes: *mut u32
        );
        fn WHvCreatePartition(Partition: *mut WHV_PARTITION_HANDLE);
        fn WHvSetupPartition(Partition: WHV_PARTITION_HANDLE);
        fn WHvResetPartition(Partition: WHV_PARTITION_HANDLE);
        fn WHvDeletePartition(Partition: WHV_PARTITION_HANDLE);
        fn WHvGetPartitionProperty(
            Partition: WHV_PARTITION_HANDLE,
            PropertyCode: WHV_PARTITION_PROPERTY_CODE,
            PropertyBuffer: *mut c_void,
            PropertyBufferSizeInBytes: u32,
            WrittenSizeInBytes: *mut u32
        );
        fn WHvSetPartitionProperty(
            Partition: WHV_PARTITION_HANDLE,
            PropertyCode: WHV_PARTITION_PROPERTY_CODE,
            PropertyBuffer: *const c_void,
            PropertyBufferSizeInBytes: u32
        );
        fn WHvSuspendPartitionTime(Partition: WHV_PARTITION_HANDLE);
        fn WHvResumePartitionTime(Partition: WHV_PARTITION_HANDLE);
        fn WHvMapGpaRange(
            Partition: WHV_PARTITION_HANDLE,
            SourceAddress: *mut c_void,
            GuestAddress: WHV_GUEST_PHYSICAL_ADDRESS,
            SizeInBytes: u64,
            Flags: WHV_MAP_GPA_RANGE_FLAGS
        );
        fn WHvMapGpaRange2(
            Partition: WHV_PARTITION_HANDLE,
            Process: HANDLE,
            SourceAddress: *mut c_void,
            GuestAddress: WHV_GUEST_PHYSICAL_ADDRESS,
            SizeInBytes: u64,
            Flags: WHV_MAP_GPA_RANGE_FLAGS
        );
        fn WHvUnmapGpaRange(
            Partition: WHV_PARTITION_HANDLE,
            GuestAddress: WHV_GUEST_PHYSICAL_ADDRESS,
            SizeInBytes: u64
        );
        fn WHvTranslateGva(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            Gva: WHV_GUEST_VIRTUAL_ADDRESS,
            TranslateFlags: WHV_TRANSLATE_GVA_FLAGS,
            TranslationResult: *mut WHV_TRANSLATE_GVA_RESULT,
            Gpa: *mut WHV_GUEST_PHYSICAL_ADDRESS
        );
        fn WHvCreateVirtualProcessor(Partition: WHV_PARTITION_HANDLE, VpIndex: u32, Flags: u32);
        fn WHvCreateVirtualProcessor2(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            Properties: *const WHV_VIRTUAL_PROCESSOR_PROPERTY,
            PropertyCount: u32
        );
        fn WHvDeleteVirtualProcessor(Partition: WHV_PARTITION_HANDLE, VpIndex: u32);
        fn WHvRunVirtualProcessor(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            ExitContext: *mut c_void,
            ExitContextSizeInBytes: u32
        );
        fn WHvCancelRunVirtualProcessor(Partition: WHV_PARTITION_HANDLE, VpIndex: u32, Flags: u32);
        fn WHvGetVirtualProcessorRegisters(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            RegisterNames: *const WHV_REGISTER_NAME,
            RegisterCount: u32,
            RegisterValues: *mut WHV_REGISTER_VALUE
        );
        fn WHvSetVirtualProcessorRegisters(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            RegisterNames: *const WHV_REGISTER_NAME,
            RegisterCount: u32,
            RegisterValues: *const WHV_REGISTER_VALUE
        );
        fn WHvGetVirtualProcessorInterruptControllerState(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            State: *mut c_void,
            StateSize: u32,
            WrittenSize: *mut u32
        );
        fn WHvSetVirtualProcessorInterruptControllerState(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            State: *const c_void,
            StateSize: u32
        );
        fn WHvRequestInterrupt(
            Partition: WHV_PARTITION_HANDLE,
            Interrupt: *const WHV_INTERRUPT_CONTROL,
            InterruptControlSize: u32
        );
        fn WHvGetVirtualProcessorXsaveState(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            Buffer: *mut c_void,
            BufferSizeInBytes: u32,
            BytesWritten: *mut u32
        );
        fn WHvSetVirtualProcessorXsaveState(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            Buffer: *const c_void,
            BufferSizeInBytes: u32
        );
        fn WHvQueryGpaRangeDirtyBitmap(
            Partition: WHV_PARTITION_HANDLE,
            GuestAddress: WHV_GUEST_PHYSICAL_ADDRESS,
            RangeSizeInBytes: u64,
            Bitmap: *mut u64,
            BitmapSizeInBytes: u32
        );
        fn WHvGetPartitionCounters(
            Partition: WHV_PARTITION_HANDLE,
            CounterSet: WHV_PARTITION_COUNTER_SET,
            Buffer: *mut c_void,
            BufferSizeInBytes: u32,
            BytesWritten: *mut u32
        );
        fn WHvGetVirtualProcessorCounters(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            CounterSet: WHV_PROCESSOR_COUNTER_SET,
            Buffer: *mut c_void,
            BufferSizeInBytes: u32,
            BytesWritten: *mut u32
        );
        fn WHvGetVirtualProcessorInterruptControllerState2(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            State: *mut c_void,
            StateSize: u32,
            WrittenSize: *mut u32
        );
        fn WHvSetVirtualProcessorInterruptControllerState2(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            State: *const c_void,
            StateSize: u32
        );
        fn WHvRegisterPartitionDoorbellEvent(
            Partition: WHV_PARTITION_HANDLE,
            MatchData: *const WHV_DOORBELL_MATCH_DATA,
            EventHandle: HANDLE
        );
        fn WHvUnregisterPartitionDoorbellEvent(
            Partition: WHV_PARTITION_HANDLE,
            MatchData: *const WHV_DOORBELL_MATCH_DATA
        );
        fn WHvAdviseGpaRange(
            Partition: WHV_PARTITION_HANDLE,
            GpaRanges: *const WHV_MEMORY_RANGE_ENTRY,
            GpaRangesCount: u32,
            Advice: WHV_ADVISE_GPA_RANGE_CODE,
            AdviceBuffer: *const c_void,
            AdviceBufferSizeInBytes: u32
        );
        fn WHvReadGpaRange(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            GuestAddress: WHV_GUEST_PHYSICAL_ADDRESS,
            Controls: WHV_ACCESS_GPA_CONTROLS,
            Data: *mut c_void,
            DataSizeInBytes: u32
        );
        fn WHvWriteGpaRange(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            GuestAddress: WHV_GUEST_PHYSICAL_ADDRESS,
            Controls: WHV_ACCESS_GPA_CONTROLS,
            Data: *const c_void,
            DataSizeInBytes: u32
        );
        fn WHvSignalVirtualProcessorSynicEvent(
            Partition: WHV_PARTITION_HANDLE,
            SynicEvent: WHV_SYNIC_EVENT_PARAMETERS,
            NewlySignaled: *mut BOOL
        );
        fn WHvGetVirtualProcessorState(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            StateType: WHV_VIRTUAL_PROCESSOR_STATE_TYPE,
            Buffer: *mut c_void,
            BufferSizeInBytes: u32,
            BytesWritten: *mut u32
        );
        fn WHvSetVirtualProcessorState(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            StateType: WHV_VIRTUAL_PROCESSOR_STATE_TYPE,
            Buffer: *const c_void,
            BufferSizeInBytes: u32
        );
        fn WHvAllocateVpciResource(
            ProviderId: *const GUID,
            Flags: WHV_ALLOCATE_VPCI_RESOURCE_FLAGS,
            ResourceDescriptor: *const c_void,
            ResourceDescriptorSizeInBytes: u32,
            VpciResource: *mut HANDLE
        );
        fn WHvCreateVpciDevice(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            VpciResource: HANDLE,
            Flags: WHV_CREATE_VPCI_DEVICE_FLAGS,
            NotificationEventHandle: HANDLE
        );
        fn WHvDeleteVpciDevice(Partition: WHV_PARTITION_HANDLE, LogicalDeviceId: u64);
        fn WHvGetVpciDeviceProperty(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            PropertyCode: WHV_VPCI_DEVICE_PROPERTY_CODE,
            PropertyBuffer: *mut c_void,
            PropertyBufferSizeInBytes: u32,
            WrittenSizeInBytes: *mut u32
        );
        fn WHvGetVpciDeviceNotification(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            Notification: *mut WHV_VPCI_DEVICE_NOTIFICATION,
            NotificationSizeInBytes: u32
        );
        fn WHvMapVpciDeviceMmioRanges(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            MappingCount: *mut u32,
            Mappings: *mut *mut WHV_VPCI_MMIO_MAPPING
        );
        fn WHvUnmapVpciDeviceMmioRanges(Partition: WHV_PARTITION_HANDLE, LogicalDeviceId: u64);
        fn WHvSetVpciDevicePowerState(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            PowerState: DEVICE_POWER_STATE
        );
        fn WHvReadVpciDeviceRegister(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            Register: *const WHV_VPCI_DEVICE_REGISTER,
            Data: *mut c_void
        );
        fn WHvWriteVpciDeviceRegister(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            Register: *const WHV_VPCI_DEVICE_REGISTER,
            Data: *const c_void
        );
        fn WHvMapVpciDeviceInterrupt(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            Index: u32,
            MessageCount: u32,
            Target: *const WHV_VPCI_INTERRUPT_TARGET,
            MsiAddress: *mut u64,
            MsiData: *mut u32
        );
        fn WHvUnmapVpciDeviceInterrupt(Partition: WHV_PARTITION_HANDLE, LogicalDeviceId: u64, Index: u32);
        fn WHvRetargetVpciDeviceInterrupt(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            MsiAddress: u64,
            MsiData: u32,
            Target: *const WHV_VPCI_INTERRUPT_TARGET
        );
        fn WHvRequestVpciDeviceInterrupt(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            MsiAddress: u64,
            MsiData: u32
        );
        fn WHvGetVpciDeviceInterruptTarget(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            Index: u32,
            MultiMessageNumber: u32,
            Target: *mut WHV_VPCI_INTERRUPT_TARGET,
            TargetSizeInBytes: u32,
            BytesWritten: *mut u32
        );
        fn WHvCreateTrigger(
            Partition: WHV_PARTITION_HANDLE,
            Parameters: *const WHV_TRIGGER_PARAMETERS,
            TriggerHandle: *mut WHV_TRIGGER_HANDLE,
            EventHandle: *mut HANDLE
        );
        fn WHvUpdateTriggerParameters(
            Partition: WHV_PARTITION_HANDLE,
            Parameters: *const WHV_TRIGGER_PARAMETERS,
            TriggerHandle: WHV_TRIGGER_HANDLE
        );
        fn WHvDeleteTrigger(Partition: WHV_PARTITION_HANDLE, TriggerHandle: WHV_TRIGGER_HANDLE);
        fn WHvCreateNotificationPort(
            Partition: WHV_PARTITION_HANDLE,
            Parameters: *const WHV_NOTIFICATION_PORT_PARAMETERS,
            EventHandle: HANDLE,
            PortHandle: *mut WHV_NOTIFICATION_PORT_HANDLE
        );
        fn WHvSetNotificationPortProperty(
            Partition: WHV_PARTITION_HANDLE,
            PortHandle: WHV_NOTIFICATION_PORT_HANDLE,
            PropertyCode: WHV_NOTIFICATION_PORT_PROPERTY_CODE,
            PropertyValue: WHV_NOTIFICATION_PORT_PROPERTY
        );
        fn WHvDeleteNotificationPort(
            Partition: WHV_PARTITION_HANDLE,
            PortHandle: WHV_NOTIFICATION_PORT_HANDLE
        );
        fn WHvPostVirtualProcessorSynicMessage(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            SintIndex: u32,
            Message: *const c_void,
            MessageSizeInBytes: u32
        );
        fn WHvGetVirtualProcessorCpuidOutput(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            Eax: u32,
            Ecx: u32,
            CpuidOutput: *mut WHV_CPUID_OUTPUT
        );
        fn WHvGetInterruptTargetVpSet(
            Partition: WHV_PARTITION_HANDLE,
            Destination: u64,
            DestinationMode: WHV_INTERRUPT_DESTINATION_MODE,
            TargetVps: *mut u32,
            VpCount: u32,
            TargetVpCount: *mut u32
        );
        fn WHvStartPartitionMigration(Partition: WHV_PARTITION_HANDLE, MigrationHandle: *mut HANDLE);
        fn WHvCancelPartitionMigration(Partition: WHV_PARTITION_HANDLE);
        fn WHvCompletePartitionMigration(Partition: WHV_PARTITION_HANDLE);
        fn WHvAcceptPartitionMigration(MigrationHandle: HANDLE, Partition: *mut WHV_PARTITION_HANDLE);
        fn WHvEmulatorCreateEmulator(
            Callbacks: *const WHV_EMULATOR_CALLBACKS,
            Emulator: *mut WHV_EMULATOR_HANDLE
        );
        fn WHvEmulatorDestroyEmulator(Emulator: WHV_EMULATOR_HANDLE);
        fn WHvEmulatorTryIoEmulation(
            Emulator: WHV_EMULATOR_HANDLE,
            Context: *mut c_void,
            VpContext: *const WHV_VP_EXIT_CONTEXT,
            IoInstructionContext: *const WHV_X64_IO_PORT_ACCESS_CONTEXT,
            EmulatorReturnStatus: *mut WHV_EMULATOR_STATUS
        );
        fn WHvEmulatorTryMmioEmulation(
            Emulator: WHV_EMULATOR_HANDLE,
            Context: *mut c_void,
            VpContext: *const WHV_VP_EXIT_CONTEXT,
            MmioInstructionContext: *const WHV_MEMORY_ACCESS_CONTEXT,
            EmulatorReturnStatus: *mut WHV_EMULATOR_STATUS
        );
    }
}

/// Functions over the Arm64 types.
pub mod arm64 {
    use core::ffi::c_void;

    use super::Function;
    use crate::arm64::*;
    use crate::hresult::HRESULT;
    use crate::windows::*;

    functions! {
        fn WHvGetCapability(
            CapabilityCode: WHV_CAPABILITY_CODE,
            CapabilityBuffer: *mut c_void,
            CapabilityBufferSizeInBytes: u32,
            WrittenSizeInBytes: *mut u32
        );
        fn WHvCreatePartition(Partition: *mut WHV_PARTITION_HANDLE);
        fn WHvSetupPartition(Partition: WHV_PARTITION_HANDLE);
        fn WHvResetPartition(Partition: WHV_PARTITION_HANDLE);
        fn WHvDeletePartition(Partition: WHV_PARTITION_HANDLE);
        fn WHvGetPartitionProperty(
            Partition: WHV_PARTITION_HANDLE,
            PropertyCode: WHV_PARTITION_PROPERTY_CODE,
            PropertyBuffer: *mut c_void,
            PropertyBufferSizeInBytes: u32,
            WrittenSizeInBytes: *mut u32
        );
        fn WHvSetPartitionProperty(
            Partition: WHV_PARTITION_HANDLE,
            PropertyCode: WHV_PARTITION_PROPERTY_CODE,
            PropertyBuffer: *const c_void,
            PropertyBufferSizeInBytes: u32
        );
        fn WHvSuspendPartitionTime(Partition: WHV_PARTITION_HANDLE);
        fn WHvResumePartitionTime(Partition: WHV_PARTITION_HANDLE);
        fn WHvMapGpaRange(
            Partition: WHV_PARTITION_HANDLE,
            SourceAddress: *mut c_void,
            GuestAddress: WHV_GUEST_PHYSICAL_ADDRESS,
            SizeInBytes: u64,
            Flags: WHV_MAP_GPA_RANGE_FLAGS
        );
        fn WHvMapGpaRange2(
            Partition: WHV_PARTITION_HANDLE,
            Process: HANDLE,
            SourceAddress: *mut c_void,
            GuestAddress: WHV_GUEST_PHYSICAL_ADDRESS,
            SizeInBytes: u64,
            Flags: WHV_MAP_GPA_RANGE_FLAGS
        );
        fn WHvUnmapGpaRange(
            Partition: WHV_PARTITION_HANDLE,
            GuestAddress: WHV_GUEST_PHYSICAL_ADDRESS,
            SizeInBytes: u64
        );
        fn WHvTranslateGva(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            Gva: WHV_GUEST_VIRTUAL_ADDRESS,
            TranslateFlags: WHV_TRANSLATE_GVA_FLAGS,
            TranslationResult: *mut WHV_TRANSLATE_GVA_RESULT,
            Gpa: *mut WHV_GUEST_PHYSICAL_ADDRESS
        );
        fn WHvCreateVirtualProcessor(Partition: WHV_PARTITION_HANDLE, VpIndex: u32, Flags: u32);
        fn WHvCreateVirtualProcessor2(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            Properties: *const WHV_VIRTUAL_PROCESSOR_PROPERTY,
            PropertyCount: u32
        );
        fn WHvDeleteVirtualProcessor(Partition: WHV_PARTITION_HANDLE, VpIndex: u32);
        fn WHvRunVirtualProcessor(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            ExitContext: *mut c_void,
            ExitContextSizeInBytes: u32
        );
        fn WHvCancelRunVirtualProcessor(Partition: WHV_PARTITION_HANDLE, VpIndex: u32, Flags: u32);
        fn WHvGetVirtualProcessorRegisters(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            RegisterNames: *const WHV_REGISTER_NAME,
            RegisterCount: u32,
            RegisterValues: *mut WHV_REGISTER_VALUE
        );
        fn WHvSetVirtualProcessorRegisters(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            RegisterNames: *const WHV_REGISTER_NAME,
            RegisterCount: u32,
            RegisterValues: *const WHV_REGISTER_VALUE
        );
        fn WHvRequestInterrupt(
            Partition: WHV_PARTITION_HANDLE,
            Interrupt: *const WHV_INTERRUPT_CONTROL,
            InterruptControlSize: u32
        );
        fn WHvQueryGpaRangeDirtyBitmap(
            Partition: WHV_PARTITION_HANDLE,
            GuestAddress: WHV_GUEST_PHYSICAL_ADDRESS,
            RangeSizeInBytes: u64,
            Bitmap: *mut u64,
            BitmapSizeInBytes: u32
        );
        fn WHvGetPartitionCounters(
            Partition: WHV_PARTITION_HANDLE,
            CounterSet: WHV_PARTITION_COUNTER_SET,
            Buffer: *mut c_void,
            BufferSizeInBytes: u32,
            BytesWritten: *mut u32
        );
        fn WHvGetVirtualProcessorCounters(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            CounterSet: WHV_PROCESSOR_COUNTER_SET,
            Buffer: *mut c_void,
            BufferSizeInBytes: u32,
            BytesWritten: *mut u32
        );
        fn WHvRegisterPartitionDoorbellEvent(
            Partition: WHV_PARTITION_HANDLE,
            MatchData: *const WHV_DOORBELL_MATCH_DATA,
            EventHandle: HANDLE
        );
        fn WHvUnregisterPartitionDoorbellEvent(
            Partition: WHV_PARTITION_HANDLE,
            MatchData: *const WHV_DOORBELL_MATCH_DATA
        );
        fn WHvAdviseGpaRange(
            Partition: WHV_PARTITION_HANDLE,
            GpaRanges: *const WHV_MEMORY_RANGE_ENTRY,
            GpaRangesCount: u32,
            Advice: WHV_ADVISE_GPA_RANGE_CODE,
            AdviceBuffer: *const c_void,
            AdviceBufferSizeInBytes: u32
        );
        fn WHvReadGpaRange(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            GuestAddress: WHV_GUEST_PHYSICAL_ADDRESS,
            Controls: WHV_ACCESS_GPA_CONTROLS,
            Data: *mut c_void,
            DataSizeInBytes: u32
        );
        fn WHvWriteGpaRange(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            GuestAddress: WHV_GUEST_PHYSICAL_ADDRESS,
            Controls: WHV_ACCESS_GPA_CONTROLS,
            Data: *const c_void,
            DataSizeInBytes: u32
        );
        fn WHvSignalVirtualProcessorSynicEvent(
            Partition: WHV_PARTITION_HANDLE,
            SynicEvent: WHV_SYNIC_EVENT_PARAMETERS,
            NewlySignaled: *mut BOOL
        );
        fn WHvGetVirtualProcessorState(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            StateType: WHV_VIRTUAL_PROCESSOR_STATE_TYPE,
            Buffer: *mut c_void,
            BufferSizeInBytes: u32,
            BytesWritten: *mut u32
        );
        fn WHvSetVirtualProcessorState(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            StateType: WHV_VIRTUAL_PROCESSOR_STATE_TYPE,
            Buffer: *const c_void,
            BufferSizeInBytes: u32
        );
        fn WHvAllocateVpciResource(
            ProviderId: *const GUID,
            Flags: WHV_ALLOCATE_VPCI_RESOURCE_FLAGS,
            ResourceDescriptor: *const c_void,
            ResourceDescriptorSizeInBytes: u32,
            VpciResource: *mut HANDLE
        );
        fn WHvCreateVpciDevice(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            VpciResource: HANDLE,
            Flags: WHV_CREATE_VPCI_DEVICE_FLAGS,
            NotificationEventHandle: HANDLE
        );
        fn WHvDeleteVpciDevice(Partition: WHV_PARTITION_HANDLE, LogicalDeviceId: u64);
        fn WHvGetVpciDeviceProperty(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            PropertyCode: WHV_VPCI_DEVICE_PROPERTY_CODE,
            PropertyBuffer: *mut c_void,
            PropertyBufferSizeInBytes: u32,
            WrittenSizeInBytes: *mut u32
        );
        fn WHvGetVpciDeviceNotification(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            Notification: *mut WHV_VPCI_DEVICE_NOTIFICATION,
            NotificationSizeInBytes: u32
        );
        fn WHvMapVpciDeviceMmioRanges(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            MappingCount: *mut u32,
            Mappings: *mut *mut WHV_VPCI_MMIO_MAPPING
        );
        fn WHvUnmapVpciDeviceMmioRanges(Partition: WHV_PARTITION_HANDLE, LogicalDeviceId: u64);
        fn WHvSetVpciDevicePowerState(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            PowerState: DEVICE_POWER_STATE
        );
        fn WHvReadVpciDeviceRegister(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            Register: *const WHV_VPCI_DEVICE_REGISTER,
            Data: *mut c_void
        );
        fn WHvWriteVpciDeviceRegister(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            Register: *const WHV_VPCI_DEVICE_REGISTER,
            Data: *const c_void
        );
        fn WHvMapVpciDeviceInterrupt(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            Index: u32,
            MessageCount: u32,
            Target: *const WHV_VPCI_INTERRUPT_TARGET,
            MsiAddress: *mut u64,
            MsiData: *mut u32
        );
        fn WHvUnmapVpciDeviceInterrupt(Partition: WHV_PARTITION_HANDLE, LogicalDeviceId: u64, Index: u32);
        fn WHvRetargetVpciDeviceInterrupt(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            MsiAddress: u64,
            MsiData: u32,
            Target: *const WHV_VPCI_INTERRUPT_TARGET
        );
        fn WHvRequestVpciDeviceInterrupt(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            MsiAddress: u64,
            MsiData: u32
        );
        fn WHvGetVpciDeviceInterruptTarget(
            Partition: WHV_PARTITION_HANDLE,
            LogicalDeviceId: u64,
            Index: u32,
            MultiMessageNumber: u32,
            Target: *mut WHV_VPCI_INTERRUPT_TARGET,
            TargetSizeInBytes: u32,
            BytesWritten: *mut u32
        );
        fn WHvCreateTrigger(
            Partition: WHV_PARTITION_HANDLE,
            Parameters: *const WHV_TRIGGER_PARAMETERS,
            TriggerHandle: *mut WHV_TRIGGER_HANDLE,
            EventHandle: *mut HANDLE
        );
        fn WHvUpdateTriggerParameters(
            Partition: WHV_PARTITION_HANDLE,
            Parameters: *const WHV_TRIGGER_PARAMETERS,
            TriggerHandle: WHV_TRIGGER_HANDLE
        );
        fn WHvDeleteTrigger(Partition: WHV_PARTITION_HANDLE, TriggerHandle: WHV_TRIGGER_HANDLE);
        fn WHvCreateNotificationPort(
            Partition: WHV_PARTITION_HANDLE,
            Parameters: *const WHV_NOTIFICATION_PORT_PARAMETERS,
            EventHandle: HANDLE,
            PortHandle: *mut WHV_NOTIFICATION_PORT_HANDLE
        );
        fn WHvSetNotificationPortProperty(
            Partition: WHV_PARTITION_HANDLE,
            PortHandle: WHV_NOTIFICATION_PORT_HANDLE,
            PropertyCode: WHV_NOTIFICATION_PORT_PROPERTY_CODE,
            PropertyValue: WHV_NOTIFICATION_PORT_PROPERTY
        );
        fn WHvDeleteNotificationPort(
            Partition: WHV_PARTITION_HANDLE,
            PortHandle: WHV_NOTIFICATION_PORT_HANDLE
        );
        fn WHvPostVirtualProcessorSynicMessage(
            Partition: WHV_PARTITION_HANDLE,
            VpIndex: u32,
            SintIndex: u32,
            Message: *const c_void,
            MessageSizeInBytes: u32
        );
        fn WHvStartPartitionMigration(Partition: WHV_PARTITION_HANDLE, MigrationHandle: *mut HANDLE);
        fn WHvCancelPartitionMigration(Partition: WHV_PARTITION_HANDLE);
        fn WHvCompletePartitionMigration(Partition: WHV_PARTITION_HANDLE);
        fn WHvAcceptPartitionMigration(MigrationHandle: HANDLE, Partition: *mut WHV_PARTITION_HANDLE);
    }
}
