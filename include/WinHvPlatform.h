/*
 * WinHvPlatform.h - the Windows Hypervisor Platform interface, for Linux.
 *
 *     cc program.c $(pkg-config --cflags --libs winhvplatform)
 *
 * Functions may be called from any thread. Buffers need no particular alignment. An event HANDLE is the file
 * descriptor of an eventfd and a process HANDLE that of a pidfd, see docs/event-handles.md.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENWHP_WINHVPLATFORM_H
#define OPENWHP_WINHVPLATFORM_H

#include "openwhp_windows_types.h"
#include "WinHvPlatformDefs.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Platform and partition ---- */

/* Says what the platform can do. */
HRESULT WINAPI WHvGetCapability(
    _In_ WHV_CAPABILITY_CODE CapabilityCode,
    _Out_ VOID *CapabilityBuffer,
    _In_ UINT32 CapabilityBufferSizeInBytes,
    _Out_opt_ UINT32 *WrittenSizeInBytes);

/* Creates an unconfigured partition. */
HRESULT WINAPI WHvCreatePartition(
    _Out_ WHV_PARTITION_HANDLE *Partition);

/* Checks the configuration and makes the machine. */
HRESULT WINAPI WHvSetupPartition(
    _In_ WHV_PARTITION_HANDLE Partition);

/* Puts every processor back to its state after creation. */
HRESULT WINAPI WHvResetPartition(
    _In_ WHV_PARTITION_HANDLE Partition);

/* Deletes a partition with all it has. Processors that run leave with a cancel exit first. */
HRESULT WINAPI WHvDeletePartition(
    _In_ WHV_PARTITION_HANDLE Partition);

/* Reads a property. */
HRESULT WINAPI WHvGetPartitionProperty(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ WHV_PARTITION_PROPERTY_CODE PropertyCode,
    _Out_ VOID *PropertyBuffer,
    _In_ UINT32 PropertyBufferSizeInBytes,
    _Out_opt_ UINT32 *WrittenSizeInBytes);

/* Sets a property. */
HRESULT WINAPI WHvSetPartitionProperty(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ WHV_PARTITION_PROPERTY_CODE PropertyCode,
    _In_ const VOID *PropertyBuffer,
    _In_ UINT32 PropertyBufferSizeInBytes);

/* Stops guest-visible time. */
HRESULT WINAPI WHvSuspendPartitionTime(
    _In_ WHV_PARTITION_HANDLE Partition);

/* Lets guest-visible time go on. */
HRESULT WINAPI WHvResumePartitionTime(
    _In_ WHV_PARTITION_HANDLE Partition);

/* ---- Guest memory ---- */

/* Backs guest memory with memory of the caller. */
HRESULT WINAPI WHvMapGpaRange(
    _In_ WHV_PARTITION_HANDLE Partition,
    _Inout_ VOID *SourceAddress,
    _In_ WHV_GUEST_PHYSICAL_ADDRESS GuestAddress,
    _In_ UINT64 SizeInBytes,
    _In_ WHV_MAP_GPA_RANGE_FLAGS Flags);

/* Backs guest memory with memory of a process; only the calling one is possible now. */
HRESULT WINAPI WHvMapGpaRange2(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ HANDLE Process,
    _Inout_ VOID *SourceAddress,
    _In_ WHV_GUEST_PHYSICAL_ADDRESS GuestAddress,
    _In_ UINT64 SizeInBytes,
    _In_ WHV_MAP_GPA_RANGE_FLAGS Flags);

/* Removes what is mapped in a range; holes are fine. */
HRESULT WINAPI WHvUnmapGpaRange(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ WHV_GUEST_PHYSICAL_ADDRESS GuestAddress,
    _In_ UINT64 SizeInBytes);

/* Translates a linear address as the processor would now. */
HRESULT WINAPI WHvTranslateGva(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ WHV_GUEST_VIRTUAL_ADDRESS Gva,
    _In_ WHV_TRANSLATE_GVA_FLAGS TranslateFlags,
    _Out_ WHV_TRANSLATE_GVA_RESULT *TranslationResult,
    _Out_ WHV_GUEST_PHYSICAL_ADDRESS *Gpa);

/* Reads and clears the dirty bits of a range. */
HRESULT WINAPI WHvQueryGpaRangeDirtyBitmap(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ WHV_GUEST_PHYSICAL_ADDRESS GuestAddress,
    _In_ UINT64 RangeSizeInBytes,
    _Out_ UINT64 *Bitmap,
    _In_ UINT32 BitmapSizeInBytes);

/* Populates, pins or unpins guest memory. */
HRESULT WINAPI WHvAdviseGpaRange(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ const WHV_MEMORY_RANGE_ENTRY *GpaRanges,
    _In_ UINT32 GpaRangesCount,
    _In_ WHV_ADVISE_GPA_RANGE_CODE Advice,
    _In_opt_ const VOID *AdviceBuffer,
    _In_ UINT32 AdviceBufferSizeInBytes);

/* Reads up to 16 bytes of guest memory. */
HRESULT WINAPI WHvReadGpaRange(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ WHV_GUEST_PHYSICAL_ADDRESS GuestAddress,
    _In_ WHV_ACCESS_GPA_CONTROLS Controls,
    _In_ PVOID Data,
    _In_ UINT32 DataSizeInBytes);

/* Writes up to 16 bytes of guest memory. */
HRESULT WINAPI WHvWriteGpaRange(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ WHV_GUEST_PHYSICAL_ADDRESS GuestAddress,
    _In_ WHV_ACCESS_GPA_CONTROLS Controls,
    _In_ const VOID *Data,
    _In_ UINT32 DataSizeInBytes);

/* ---- Virtual processors ---- */

/* Creates a processor in reset state. */
HRESULT WINAPI WHvCreateVirtualProcessor(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ UINT32 Flags);

/* Creates a processor in reset state, with properties. */
HRESULT WINAPI WHvCreateVirtualProcessor2(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ const WHV_VIRTUAL_PROCESSOR_PROPERTY *Properties,
    _In_ UINT32 PropertyCount);

/* Deletes a processor. */
HRESULT WINAPI WHvDeleteVirtualProcessor(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex);

/* Runs a processor until an exit. */
HRESULT WINAPI WHvRunVirtualProcessor(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _Out_ VOID *ExitContext,
    _In_ UINT32 ExitContextSizeInBytes);

/* Makes the current or the next run return with the cancel exit. */
HRESULT WINAPI WHvCancelRunVirtualProcessor(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ UINT32 Flags);

/* Reads registers. */
HRESULT WINAPI WHvGetVirtualProcessorRegisters(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ const WHV_REGISTER_NAME *RegisterNames,
    _In_ UINT32 RegisterCount,
    _Out_ WHV_REGISTER_VALUE *RegisterValues);

/* Writes registers: all of them or, on failure, none. */
HRESULT WINAPI WHvSetVirtualProcessorRegisters(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ const WHV_REGISTER_NAME *RegisterNames,
    _In_ UINT32 RegisterCount,
    _In_ const WHV_REGISTER_VALUE *RegisterValues);

#if defined(OPENWHP_ABI_X64)

/* Reads the interrupt-controller state, first version. Deprecated:
 * WHvGetVirtualProcessorInterruptControllerState2 replaces it. */
HRESULT WINAPI WHvGetVirtualProcessorInterruptControllerState(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _Out_ VOID *State,
    _In_ UINT32 StateSize,
    _Out_opt_ UINT32 *WrittenSize);

/* Loads the interrupt-controller state, first version. Deprecated:
 * WHvSetVirtualProcessorInterruptControllerState2 replaces it. */
HRESULT WINAPI WHvSetVirtualProcessorInterruptControllerState(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ const VOID *State,
    _In_ UINT32 StateSize);

/* Reads the compacted XSAVE image. Deprecated: WHvGetVirtualProcessorState replaces it. */
HRESULT WINAPI WHvGetVirtualProcessorXsaveState(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _Out_ VOID *Buffer,
    _In_ UINT32 BufferSizeInBytes,
    _Out_opt_ UINT32 *BytesWritten);

/* Loads a compacted XSAVE image. Deprecated: WHvSetVirtualProcessorState replaces it. */
HRESULT WINAPI WHvSetVirtualProcessorXsaveState(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ const VOID *Buffer,
    _In_ UINT32 BufferSizeInBytes);

/* Reads the interrupt-controller state as an APIC register page. Deprecated: WHvGetVirtualProcessorState
 * replaces it. */
HRESULT WINAPI WHvGetVirtualProcessorInterruptControllerState2(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _Out_ VOID *State,
    _In_ UINT32 StateSize,
    _Out_opt_ UINT32 *WrittenSize);

/* Loads the interrupt-controller state from an APIC register page. Deprecated: WHvSetVirtualProcessorState
 * replaces it. */
HRESULT WINAPI WHvSetVirtualProcessorInterruptControllerState2(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ const VOID *State,
    _In_ UINT32 StateSize);

#endif

/* Reads one category of processor state. */
HRESULT WINAPI WHvGetVirtualProcessorState(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ WHV_VIRTUAL_PROCESSOR_STATE_TYPE StateType,
    _Out_ VOID *Buffer,
    _In_ UINT32 BufferSizeInBytes,
    _Out_opt_ UINT32 *BytesWritten);

/* Loads one category of processor state; the size must be exact. */
HRESULT WINAPI WHvSetVirtualProcessorState(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ WHV_VIRTUAL_PROCESSOR_STATE_TYPE StateType,
    _In_ const VOID *Buffer,
    _In_ UINT32 BufferSizeInBytes);

#if defined(OPENWHP_ABI_X64)

/* Says what CPUID gives on a processor now. */
HRESULT WINAPI WHvGetVirtualProcessorCpuidOutput(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ UINT32 Eax,
    _In_ UINT32 Ecx,
    _Out_ WHV_CPUID_OUTPUT *CpuidOutput);

#endif

/* ---- Interrupts ---- */

/* Requests an interrupt from the emulated local APICs. */
HRESULT WINAPI WHvRequestInterrupt(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ const WHV_INTERRUPT_CONTROL *Interrupt,
    _In_ UINT32 InterruptControlSize);

#if defined(OPENWHP_ABI_X64)

/* Lists the processors that a destination reaches. */
HRESULT WINAPI WHvGetInterruptTargetVpSet(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 Destination,
    _In_ WHV_INTERRUPT_DESTINATION_MODE DestinationMode,
    _Out_ UINT32 *TargetVps,
    _In_ UINT32 VpCount,
    _Out_ UINT32 *TargetVpCount);

#endif

/* ---- Counters ---- */

/* Reads counters of a partition. */
HRESULT WINAPI WHvGetPartitionCounters(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ WHV_PARTITION_COUNTER_SET CounterSet,
    _Out_ VOID *Buffer,
    _In_ UINT32 BufferSizeInBytes,
    _Out_opt_ UINT32 *BytesWritten);

/* Reads counters of a processor. */
HRESULT WINAPI WHvGetVirtualProcessorCounters(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ WHV_PROCESSOR_COUNTER_SET CounterSet,
    _Out_ VOID *Buffer,
    _In_ UINT32 BufferSizeInBytes,
    _Out_opt_ UINT32 *BytesWritten);

/* ---- SynIC, doorbells, notification ports and triggers ---- */

/* Rings an event when the guest writes to an address. Deprecated: WHvCreateNotificationPort replaces it. */
HRESULT WINAPI WHvRegisterPartitionDoorbellEvent(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ const WHV_DOORBELL_MATCH_DATA *MatchData,
    _In_ HANDLE EventHandle);

/* Removes a doorbell. Deprecated: WHvDeleteNotificationPort replaces it. */
HRESULT WINAPI WHvUnregisterPartitionDoorbellEvent(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ const WHV_DOORBELL_MATCH_DATA *MatchData);

/* Sets an event flag of a processor's SynIC. */
HRESULT WINAPI WHvSignalVirtualProcessorSynicEvent(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ WHV_SYNIC_EVENT_PARAMETERS SynicEvent,
    _Out_opt_ BOOL *NewlySignaled);

/* Makes an event that performs an action when it is signalled. */
HRESULT WINAPI WHvCreateTrigger(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ const WHV_TRIGGER_PARAMETERS *Parameters,
    _Out_ WHV_TRIGGER_HANDLE *TriggerHandle,
    _Out_ HANDLE *EventHandle);

/* Changes what a trigger does. */
HRESULT WINAPI WHvUpdateTriggerParameters(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ const WHV_TRIGGER_PARAMETERS *Parameters,
    _In_ WHV_TRIGGER_HANDLE TriggerHandle);

/* Removes a trigger. */
HRESULT WINAPI WHvDeleteTrigger(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ WHV_TRIGGER_HANDLE TriggerHandle);

/* Makes a port that signals an event when the guest does something. */
HRESULT WINAPI WHvCreateNotificationPort(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ const WHV_NOTIFICATION_PORT_PARAMETERS *Parameters,
    _In_ HANDLE EventHandle,
    _Out_ WHV_NOTIFICATION_PORT_HANDLE *PortHandle);

/* Sets a property of a port. */
HRESULT WINAPI WHvSetNotificationPortProperty(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ WHV_NOTIFICATION_PORT_HANDLE PortHandle,
    _In_ WHV_NOTIFICATION_PORT_PROPERTY_CODE PropertyCode,
    _In_ WHV_NOTIFICATION_PORT_PROPERTY PropertyValue);

/* Removes a port. */
HRESULT WINAPI WHvDeleteNotificationPort(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ WHV_NOTIFICATION_PORT_HANDLE PortHandle);

/* Posts a message to a processor's SynIC. */
HRESULT WINAPI WHvPostVirtualProcessorSynicMessage(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT32 VpIndex,
    _In_ UINT32 SintIndex,
    _In_ const VOID *Message,
    _In_ UINT32 MessageSizeInBytes);

/* ---- Virtual PCI devices ---- */

/* Allocates a resource for a device. */
HRESULT WINAPI WHvAllocateVpciResource(
    _In_ const GUID *ProviderId,
    _In_ WHV_ALLOCATE_VPCI_RESOURCE_FLAGS Flags,
    _In_ const VOID *ResourceDescriptor,
    _In_ UINT32 ResourceDescriptorSizeInBytes,
    _Out_ HANDLE *VpciResource);

/* Creates a device. */
HRESULT WINAPI WHvCreateVpciDevice(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId,
    _In_ HANDLE VpciResource,
    _In_ WHV_CREATE_VPCI_DEVICE_FLAGS Flags,
    _In_ HANDLE NotificationEventHandle);

/* Deletes a device. */
HRESULT WINAPI WHvDeleteVpciDevice(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId);

/* Reads a property of a device. */
HRESULT WINAPI WHvGetVpciDeviceProperty(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId,
    _In_ WHV_VPCI_DEVICE_PROPERTY_CODE PropertyCode,
    _Out_ VOID *PropertyBuffer,
    _In_ UINT32 PropertyBufferSizeInBytes,
    _Out_opt_ UINT32 *WrittenSizeInBytes);

/* Takes the next notification of a device. */
HRESULT WINAPI WHvGetVpciDeviceNotification(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId,
    _Out_ WHV_VPCI_DEVICE_NOTIFICATION *Notification,
    _In_ UINT32 NotificationSizeInBytes);

/* Maps a device's registers into the caller. */
HRESULT WINAPI WHvMapVpciDeviceMmioRanges(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId,
    _Out_ UINT32 *MappingCount,
    _Out_ WHV_VPCI_MMIO_MAPPING **Mappings);

/* Unmaps a device's registers. */
HRESULT WINAPI WHvUnmapVpciDeviceMmioRanges(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId);

/* Sets a device's power state. */
HRESULT WINAPI WHvSetVpciDevicePowerState(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId,
    _In_ DEVICE_POWER_STATE PowerState);

/* Reads a device register. */
HRESULT WINAPI WHvReadVpciDeviceRegister(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId,
    _In_ const WHV_VPCI_DEVICE_REGISTER *Register,
    _Out_ VOID *Data);

/* Writes a device register. */
HRESULT WINAPI WHvWriteVpciDeviceRegister(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId,
    _In_ const WHV_VPCI_DEVICE_REGISTER *Register,
    _In_ const VOID *Data);

/* Routes a device interrupt. */
HRESULT WINAPI WHvMapVpciDeviceInterrupt(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId,
    _In_ UINT32 Index,
    _In_ UINT32 MessageCount,
    _In_ const WHV_VPCI_INTERRUPT_TARGET *Target,
    _Out_ UINT64 *MsiAddress,
    _Out_ UINT32 *MsiData);

/* Removes the route of a device interrupt. */
HRESULT WINAPI WHvUnmapVpciDeviceInterrupt(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId,
    _In_ UINT32 Index);

/* Changes the target of a device interrupt. */
HRESULT WINAPI WHvRetargetVpciDeviceInterrupt(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId,
    _In_ UINT64 MsiAddress,
    _In_ UINT32 MsiData,
    _In_ const WHV_VPCI_INTERRUPT_TARGET *Target);

/* Raises a device interrupt. */
HRESULT WINAPI WHvRequestVpciDeviceInterrupt(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId,
    _In_ UINT64 MsiAddress,
    _In_ UINT32 MsiData);

/* Reads the target of a device interrupt. */
HRESULT WINAPI WHvGetVpciDeviceInterruptTarget(
    _In_ WHV_PARTITION_HANDLE Partition,
    _In_ UINT64 LogicalDeviceId,
    _In_ UINT32 Index,
    _In_ UINT32 MultiMessageNumber,
    _Out_ WHV_VPCI_INTERRUPT_TARGET *Target,
    _In_ UINT32 TargetSizeInBytes,
    _Out_opt_ UINT32 *BytesWritten);

/* ---- Migration ---- */

/* Starts to send a partition to another process. */
HRESULT WINAPI WHvStartPartitionMigration(
    _In_ WHV_PARTITION_HANDLE Partition,
    _Out_ HANDLE *MigrationHandle);

/* Gives up a migration. */
HRESULT WINAPI WHvCancelPartitionMigration(
    _In_ WHV_PARTITION_HANDLE Partition);

/* Ends the source's part of a migration. */
HRESULT WINAPI WHvCompletePartitionMigration(
    _In_ WHV_PARTITION_HANDLE Partition);

/* Receives a partition from another process. */
HRESULT WINAPI WHvAcceptPartitionMigration(
    _In_ HANDLE MigrationHandle,
    _Out_ WHV_PARTITION_HANDLE *Partition);

/* ---- Presence queries: on Linux a declared function is always there ---- */

#define OPENWHP_PRESENT(name) \
    static inline BOOLEAN Is##name##Present(void) { return 1; }

OPENWHP_PRESENT(WHvGetCapability)
OPENWHP_PRESENT(WHvCreatePartition)
OPENWHP_PRESENT(WHvSetupPartition)
OPENWHP_PRESENT(WHvResetPartition)
OPENWHP_PRESENT(WHvDeletePartition)
OPENWHP_PRESENT(WHvGetPartitionProperty)
OPENWHP_PRESENT(WHvSetPartitionProperty)
OPENWHP_PRESENT(WHvSuspendPartitionTime)
OPENWHP_PRESENT(WHvResumePartitionTime)
OPENWHP_PRESENT(WHvMapGpaRange)
OPENWHP_PRESENT(WHvMapGpaRange2)
OPENWHP_PRESENT(WHvUnmapGpaRange)
OPENWHP_PRESENT(WHvTranslateGva)
OPENWHP_PRESENT(WHvCreateVirtualProcessor)
OPENWHP_PRESENT(WHvCreateVirtualProcessor2)
OPENWHP_PRESENT(WHvDeleteVirtualProcessor)
OPENWHP_PRESENT(WHvRunVirtualProcessor)
OPENWHP_PRESENT(WHvCancelRunVirtualProcessor)
OPENWHP_PRESENT(WHvGetVirtualProcessorRegisters)
OPENWHP_PRESENT(WHvSetVirtualProcessorRegisters)
#if defined(OPENWHP_ABI_X64)
OPENWHP_PRESENT(WHvGetVirtualProcessorInterruptControllerState)
OPENWHP_PRESENT(WHvSetVirtualProcessorInterruptControllerState)
#endif
OPENWHP_PRESENT(WHvRequestInterrupt)
#if defined(OPENWHP_ABI_X64)
OPENWHP_PRESENT(WHvGetVirtualProcessorXsaveState)
OPENWHP_PRESENT(WHvSetVirtualProcessorXsaveState)
#endif
OPENWHP_PRESENT(WHvQueryGpaRangeDirtyBitmap)
OPENWHP_PRESENT(WHvGetPartitionCounters)
OPENWHP_PRESENT(WHvGetVirtualProcessorCounters)
#if defined(OPENWHP_ABI_X64)
OPENWHP_PRESENT(WHvGetVirtualProcessorInterruptControllerState2)
OPENWHP_PRESENT(WHvSetVirtualProcessorInterruptControllerState2)
#endif
OPENWHP_PRESENT(WHvRegisterPartitionDoorbellEvent)
OPENWHP_PRESENT(WHvUnregisterPartitionDoorbellEvent)
OPENWHP_PRESENT(WHvAdviseGpaRange)
OPENWHP_PRESENT(WHvReadGpaRange)
OPENWHP_PRESENT(WHvWriteGpaRange)
OPENWHP_PRESENT(WHvSignalVirtualProcessorSynicEvent)
OPENWHP_PRESENT(WHvGetVirtualProcessorState)
OPENWHP_PRESENT(WHvSetVirtualProcessorState)
OPENWHP_PRESENT(WHvAllocateVpciResource)
OPENWHP_PRESENT(WHvCreateVpciDevice)
OPENWHP_PRESENT(WHvDeleteVpciDevice)
OPENWHP_PRESENT(WHvGetVpciDeviceProperty)
OPENWHP_PRESENT(WHvGetVpciDeviceNotification)
OPENWHP_PRESENT(WHvMapVpciDeviceMmioRanges)
OPENWHP_PRESENT(WHvUnmapVpciDeviceMmioRanges)
OPENWHP_PRESENT(WHvSetVpciDevicePowerState)
OPENWHP_PRESENT(WHvReadVpciDeviceRegister)
OPENWHP_PRESENT(WHvWriteVpciDeviceRegister)
OPENWHP_PRESENT(WHvMapVpciDeviceInterrupt)
OPENWHP_PRESENT(WHvUnmapVpciDeviceInterrupt)
OPENWHP_PRESENT(WHvRetargetVpciDeviceInterrupt)
OPENWHP_PRESENT(WHvRequestVpciDeviceInterrupt)
OPENWHP_PRESENT(WHvGetVpciDeviceInterruptTarget)
OPENWHP_PRESENT(WHvCreateTrigger)
OPENWHP_PRESENT(WHvUpdateTriggerParameters)
OPENWHP_PRESENT(WHvDeleteTrigger)
OPENWHP_PRESENT(WHvCreateNotificationPort)
OPENWHP_PRESENT(WHvSetNotificationPortProperty)
OPENWHP_PRESENT(WHvDeleteNotificationPort)
OPENWHP_PRESENT(WHvPostVirtualProcessorSynicMessage)
#if defined(OPENWHP_ABI_X64)
OPENWHP_PRESENT(WHvGetVirtualProcessorCpuidOutput)
OPENWHP_PRESENT(WHvGetInterruptTargetVpSet)
#endif
OPENWHP_PRESENT(WHvStartPartitionMigration)
OPENWHP_PRESENT(WHvCancelPartitionMigration)
OPENWHP_PRESENT(WHvCompletePartitionMigration)
OPENWHP_PRESENT(WHvAcceptPartitionMigration)

#undef OPENWHP_PRESENT

#ifdef __cplusplus
}
#endif

#endif
