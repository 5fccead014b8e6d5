//! Virtual PCI devices.
//!
//! No engine has them yet: no resource can be had, and no device exists. Arguments are checked as documented.

#![expect(unsafe_code, reason = "exports C functions")]

use std::ffi::c_void;

use openwhp::Property;
use openwhp::PropertyCode;
use openwhp_abi::hresult::ERROR_HV_INVALID_DEVICE_ID;
use openwhp_abi::hresult::ERROR_HV_OPERATION_DENIED;
use openwhp_abi::hresult::HRESULT_FROM_WIN32_ERROR_NOT_FOUND;
use openwhp_abi::windows::DEVICE_POWER_STATE;
use openwhp_abi::windows::GUID;
use openwhp_abi::windows::HANDLE;
use openwhp_abi::windows::PowerDeviceD0;
use openwhp_abi::windows::PowerDeviceD3;
use openwhp_abi::x64::*;

use crate::boundary::Outcome;
use crate::boundary::exports;
use crate::error::Failure;
use crate::handles;

exports! {
    /// Allocates a resource for a device.
    fn WHvAllocateVpciResource(
        provider: *const GUID,
        flags: WHV_ALLOCATE_VPCI_RESOURCE_FLAGS,
        descriptor: *const c_void [size],
        size: u32,
        resource: *mut HANDLE,
    ) {
        resource.required()?;
        if flags.0 & !WHvAllocateVpciResourceFlagAllowDirectP2P.0 != 0 {
            return Err(Failure::invalid(format!("undefined resource flags in {:#x}", flags.0)));
        }
        let physical = size_of::<WHV_SRIOV_RESOURCE_DESCRIPTOR>();
        let is_empty = descriptor.is_null() || descriptor.is_empty();
        if provider.get(0).is_none() && !is_empty && descriptor.len() != physical {
            return Err(Failure::invalid(format!("a resource descriptor has {physical} bytes")));
        }
        Err(Failure::new(HRESULT_FROM_WIN32_ERROR_NOT_FOUND, "this machine offers no virtual PCI resources"))
    }

    /// Creates a device.
    fn WHvCreateVpciDevice(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        resource: HANDLE,
        flags: WHV_CREATE_VPCI_DEVICE_FLAGS,
        notification: HANDLE,
    ) {
        let partition = handles::set_up(partition)?;
        let defined = WHvCreateVpciDeviceFlagPhysicallyBacked.0 | WHvCreateVpciDeviceFlagUseLogicalInterrupts.0;
        if flags.0 & !defined != 0 {
            return Err(Failure::invalid(format!("undefined device flags in {:#x}", flags.0)));
        }
        if partition.property(PropertyCode::AllowDeviceAssignment)? != Property::AllowDeviceAssignment(true) {
            return Err(Failure::new(ERROR_HV_OPERATION_DENIED, "the partition does not allow devices"));
        }
        let text = format!("no virtual PCI resource has the handle {:#x}", resource.address());
        Err(Failure::new(HRESULT_FROM_WIN32_ERROR_NOT_FOUND, text))
    }

    /// Deletes a device.
    fn WHvDeleteVpciDevice(partition: WHV_PARTITION_HANDLE, device: u64) {
        handles::set_up(partition)?;
        Err(no_device(device))
    }

    /// Reads a property of a device.
    fn WHvGetVpciDeviceProperty(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        code: WHV_VPCI_DEVICE_PROPERTY_CODE,
        buffer: *mut c_void [size],
        size: u32,
        written: *mut u32,
    ) {
        handles::set_up(partition)?;
        buffer.required_unless_empty()?;
        Err(no_device(device))
    }

    /// Takes the next notification of a device.
    fn WHvGetVpciDeviceNotification(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        notification: *mut WHV_VPCI_DEVICE_NOTIFICATION,
        size: u32,
    ) {
        handles::set_up(partition)?;
        notification.required()?;
        Err(no_device(device))
    }

    /// Maps a device's registers into the caller.
    fn WHvMapVpciDeviceMmioRanges(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        count: *mut u32,
        mappings: *mut *mut WHV_VPCI_MMIO_MAPPING,
    ) {
        handles::set_up(partition)?;
        count.required()?;
        mappings.required()?;
        Err(no_device(device))
    }

    /// Unmaps a device's registers.
    fn WHvUnmapVpciDeviceMmioRanges(partition: WHV_PARTITION_HANDLE, device: u64) {
        handles::set_up(partition)?;
        Err(no_device(device))
    }

    /// Sets a device's power state.
    fn WHvSetVpciDevicePowerState(partition: WHV_PARTITION_HANDLE, device: u64, power: DEVICE_POWER_STATE) {
        handles::set_up(partition)?;
        if !(PowerDeviceD0..=PowerDeviceD3).contains(&power) {
            return Err(Failure::invalid(format!("power state {} is not D0 to D3", power.0)));
        }
        Err(no_device(device))
    }

    /// Reads a device register.
    fn WHvReadVpciDeviceRegister(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        register: *const WHV_VPCI_DEVICE_REGISTER,
        data: *mut c_void,
    ) {
        handles::set_up(partition)?;
        data.required()?;
        check_register(&register.required()?.get(0).unwrap_or_default())?;
        Err(no_device(device))
    }

    /// Writes a device register.
    fn WHvWriteVpciDeviceRegister(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        register: *const WHV_VPCI_DEVICE_REGISTER,
        data: *const c_void,
    ) {
        handles::set_up(partition)?;
        data.required()?;
        check_register(&register.required()?.get(0).unwrap_or_default())?;
        Err(no_device(device))
    }

    /// Routes a device interrupt.
    fn WHvMapVpciDeviceInterrupt(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        index: u32,
        message_count: u32,
        target: *const WHV_VPCI_INTERRUPT_TARGET,
        address: *mut u64,
        data: *mut u32,
    ) {
        handles::set_up(partition)?;
        let target = target.required()?.get(0).unwrap_or_default();
        address.required()?;
        data.required()?;
        check_target(&target)?;
        if index > 0xFFFF || message_count > 32 || !message_count.is_power_of_two() {
            return Err(Failure::invalid("an interrupt index or message count is out of range"));
        }
        Err(no_device(device))
    }

    /// Removes the route of a device interrupt.
    fn WHvUnmapVpciDeviceInterrupt(partition: WHV_PARTITION_HANDLE, device: u64, index: u32) {
        handles::set_up(partition)?;
        Err(no_device(device))
    }

    /// Changes the target of a device interrupt.
    fn WHvRetargetVpciDeviceInterrupt(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        address: u64,
        data: u32,
        target: *const WHV_VPCI_INTERRUPT_TARGET,
    ) {
        handles::set_up(partition)?;
        check_target(&target.required()?.get(0).unwrap_or_default())?;
        Err(no_device(device))
    }

    /// Raises a device interrupt.
    fn WHvRequestVpciDeviceInterrupt(partition: WHV_PARTITION_HANDLE, device: u64, address: u64, data: u32) {
        handles::set_up(partition)?;
        Err(no_device(device))
    }

    /// Reads the target of a device interrupt.
    fn WHvGetVpciDeviceInterruptTarget(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        index: u32,
        message: u32,
        target: *mut WHV_VPCI_INTERRUPT_TARGET,
        size: u32,
        written: *mut u32,
    ) {
        handles::set_up(partition)?;
        if index > 0xFFFF || message > 31 {
            return Err(Failure::invalid("an interrupt index or message number is out of range"));
        }
        Err(no_device(device))
    }
}

/// No device has this identifier.
pub(crate) fn no_device(device: u64) -> Failure {
    Failure::new(ERROR_HV_INVALID_DEVICE_ID, format!("the partition has no device {device:#x}"))
}

fn check_register(register: &WHV_VPCI_DEVICE_REGISTER) -> Outcome {
    let is_config = register.Location == WHvVpciConfigSpace;
    let is_bar = register.Location.0 < WHV_VPCI_TYPE0_BAR_COUNT;
    let is_size = matches!(register.SizeInBytes, 1 | 2 | 4) || is_bar && register.SizeInBytes == 8;
    if (is_config || is_bar) && is_size {
        return Ok(());
    }
    Err(Failure::invalid("a device register has an unknown location or size"))
}

fn check_target(target: &WHV_VPCI_INTERRUPT_TARGET) -> Outcome {
    let is_multicast = target.Flags == WHvVpciInterruptTargetFlagMulticast;
    let has_known_flags = is_multicast || target.Flags == WHvVpciInterruptTargetFlagNone;
    let has_processors = target.ProcessorCount > u32::from(is_multicast);
    if has_known_flags && has_processors && (16..=0xFF).contains(&target.Vector) {
        return Ok(());
    }
    Err(Failure::invalid("an interrupt target has a bad vector, bad flags or too few processors"))
}
