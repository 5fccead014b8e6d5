//! Virtual PCI devices.
//!
//! Only the empty resource can be had yet: a device of interrupt entries without hardware. The handle of a resource is
//! a descriptor that names it, so that it is closed as any other.

#![expect(unsafe_code, reason = "exports C functions")]

use std::ffi::c_void;
use std::os::fd::AsRawFd;
use std::os::fd::IntoRawFd;

use openwhp::VpciFlags;
use openwhp::VpciMessage;
use openwhp::VpciPower;
use openwhp::VpciResource;
use openwhp::VpciSpace;
use openwhp::VpciTarget;
use openwhp_abi::hresult::E_FAIL;
use openwhp_abi::hresult::E_HANDLE;
use openwhp_abi::hresult::HRESULT_FROM_WIN32_ERROR_NOT_FOUND;
use openwhp_abi::hresult::WHV_E_INSUFFICIENT_BUFFER;
use openwhp_abi::hresult::WHV_E_UNKNOWN_PROPERTY;
use openwhp_abi::windows::DEVICE_POWER_STATE;
use openwhp_abi::windows::GUID;
use openwhp_abi::windows::HANDLE;
use openwhp_abi::windows::PowerDeviceD0;
use openwhp_abi::windows::PowerDeviceD1;
use openwhp_abi::windows::PowerDeviceD2;
use openwhp_abi::windows::PowerDeviceD3;
use openwhp_abi::x64::*;
use zerocopy::IntoBytes;

use crate::boundary::Input;
use crate::boundary::Outcome;
use crate::boundary::answer;
use crate::boundary::exports;
use crate::error::Failure;
use crate::handles;

/// Name of the descriptor that stands for an empty resource.
const EMPTY_RESOURCE: &str = "openwhp-vpci-empty";
/// Bytes of an interrupt target before its processors.
const TARGET_HEAD: usize = 12;
/// Bytes of the largest register.
const WIDEST: usize = 8;

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
        let has_provider = provider.get(0).is_some();
        if !has_provider && !is_empty && descriptor.len() != physical {
            return Err(Failure::invalid(format!("a resource descriptor has {physical} bytes")));
        }
        if has_provider || !is_empty {
            let text = "this machine offers no physical PCI resources and has no provider of that name";
            return Err(Failure::new(HRESULT_FROM_WIN32_ERROR_NOT_FOUND, text));
        }
        resource.set(make_resource()?);
        Ok(())
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
        let flags = VpciFlags::from_bits(flags.0);
        let flags = flags.ok_or_else(|| Failure::invalid("undefined device flags"))?;
        if !notification.is_null() && crate::extension::event(notification.address()).is_none() {
            return Err(Failure::new(E_HANDLE, "the notification handle is no event"));
        }
        partition.check_vpci_allowed()?;
        let resource = find_resource(resource.address())?;
        Ok(partition.create_vpci_device(device, resource, flags)?)
    }

    /// Deletes a device.
    fn WHvDeleteVpciDevice(partition: WHV_PARTITION_HANDLE, device: u64) {
        Ok(handles::set_up(partition)?.delete_vpci_device(device)?)
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
        let partition = handles::set_up(partition)?;
        buffer.required_unless_empty()?;
        let value = match code {
            WHvVpciDevicePropertyCodeHardwareIDs => hardware_ids(&partition, device)?.as_bytes().to_vec(),
            WHvVpciDevicePropertyCodeProbedBARs => {
                WHV_VPCI_PROBED_BARS { Value: partition.vpci_probed_bars(device)? }.as_bytes().to_vec()
            }
            _ => {
                partition.check_vpci_device(device)?;
                let text = format!("device property {} is not known", code.0);
                return Err(Failure::new(WHV_E_UNKNOWN_PROPERTY, text));
            }
        };
        answer(buffer, written, &value)
    }

    /// Takes the next notification of a device.
    fn WHvGetVpciDeviceNotification(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        notification: *mut WHV_VPCI_DEVICE_NOTIFICATION,
        size: u32,
    ) {
        let partition = handles::set_up(partition)?;
        notification.required()?;
        partition.check_vpci_device(device)?;
        if (size as usize) < size_of::<WHV_VPCI_DEVICE_NOTIFICATION>() {
            return Err(Failure::new(WHV_E_INSUFFICIENT_BUFFER, "a notification has 16 bytes"));
        }
        // Nothing ever happens to a device without hardware.
        notification.set(WHV_VPCI_DEVICE_NOTIFICATION::default());
        Ok(())
    }

    /// Maps a device's registers into the caller.
    fn WHvMapVpciDeviceMmioRanges(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        count: *mut u32,
        mappings: *mut *mut WHV_VPCI_MMIO_MAPPING,
    ) {
        let partition = handles::set_up(partition)?;
        count.required()?;
        mappings.required()?;
        partition.check_vpci_on(device)?;
        count.set(0);
        mappings.set(std::ptr::null_mut());
        Ok(())
    }

    /// Unmaps a device's registers.
    fn WHvUnmapVpciDeviceMmioRanges(partition: WHV_PARTITION_HANDLE, device: u64) {
        Ok(handles::set_up(partition)?.check_vpci_device(device)?)
    }

    /// Sets a device's power state.
    fn WHvSetVpciDevicePowerState(partition: WHV_PARTITION_HANDLE, device: u64, power: DEVICE_POWER_STATE) {
        let partition = handles::set_up(partition)?;
        let power = match power {
            PowerDeviceD0 => VpciPower::D0,
            PowerDeviceD1 => VpciPower::D1,
            PowerDeviceD2 => VpciPower::D2,
            PowerDeviceD3 => VpciPower::D3,
            other => return Err(Failure::invalid(format!("power state {} is not D0 to D3", other.0))),
        };
        Ok(partition.set_vpci_power(device, power)?)
    }

    /// Reads a device register.
    fn WHvReadVpciDeviceRegister(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        register: *const WHV_VPCI_DEVICE_REGISTER,
        data: *mut c_void [WIDEST],
    ) {
        let partition = handles::set_up(partition)?;
        data.required()?;
        let register = register.required()?.get(0).unwrap_or_default();
        let (space, size) = check_register(&register)?;
        let mut bytes = [0; WIDEST];
        partition.read_vpci_register(device, space, register.OffsetInBytes, &mut bytes[..size])?;
        data.put_bytes(&bytes[..size]);
        Ok(())
    }

    /// Writes a device register.
    fn WHvWriteVpciDeviceRegister(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        register: *const WHV_VPCI_DEVICE_REGISTER,
        data: *const c_void [WIDEST],
    ) {
        let partition = handles::set_up(partition)?;
        let data = data.required()?;
        let register = register.required()?.get(0).unwrap_or_default();
        let (space, size) = check_register(&register)?;
        let bytes: Vec<u8> = data.elements::<u8>().iter().take(size).collect();
        Ok(partition.write_vpci_register(device, space, register.OffsetInBytes, &bytes)?)
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
        let partition = handles::set_up(partition)?;
        let target = target.required()?;
        address.required()?;
        data.required()?;
        let target = read_target(target, partition.processor_count())?;
        let message = partition.map_vpci_interrupt(device, index, message_count, target)?;
        address.set(message.address);
        data.set(message.data);
        Ok(())
    }

    /// Removes the route of a device interrupt.
    fn WHvUnmapVpciDeviceInterrupt(partition: WHV_PARTITION_HANDLE, device: u64, index: u32) {
        Ok(handles::set_up(partition)?.unmap_vpci_interrupt(device, index)?)
    }

    /// Changes the target of a device interrupt.
    fn WHvRetargetVpciDeviceInterrupt(
        partition: WHV_PARTITION_HANDLE,
        device: u64,
        address: u64,
        data: u32,
        target: *const WHV_VPCI_INTERRUPT_TARGET,
    ) {
        let partition = handles::set_up(partition)?;
        let target = target.required()?;
        let target = read_target(target, partition.capabilities().max_processor_count)?;
        Ok(partition.retarget_vpci_interrupt(device, VpciMessage { address, data }, target)?)
    }

    /// Raises a device interrupt.
    fn WHvRequestVpciDeviceInterrupt(partition: WHV_PARTITION_HANDLE, device: u64, address: u64, data: u32) {
        let partition = handles::set_up(partition)?;
        Ok(partition.request_vpci_interrupt(device, VpciMessage { address, data })?)
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
        let partition = handles::set_up(partition)?;
        if index > 0xFFFF || message > 31 {
            return Err(Failure::invalid("an interrupt index or message number is out of range"));
        }
        let found = partition.vpci_interrupt_target(device, index, message)?;
        answer(target.as_bytes(size as usize), written, &lay_out_target(&found))
    }
}

/// A new handle of an empty resource.
fn make_resource() -> Outcome<HANDLE> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let host =
        |error: std::io::Error| Failure::new(E_FAIL, format!("the host refused a descriptor: {error}"));
    let mut descriptor =
        rustix::fs::memfd_create(EMPTY_RESOURCE, flags).map_err(|error| host(error.into()))?;
    if descriptor.as_raw_fd() == 0 {
        // A handle is never zero.
        descriptor = descriptor.try_clone().map_err(host)?;
    }
    Ok(std::ptr::without_provenance_mut(usize::try_from(descriptor.into_raw_fd()).unwrap_or_default()))
}

/// The resource behind a handle.
fn find_resource(handle: usize) -> Outcome<VpciResource> {
    let link = std::fs::read_link(format!("/proc/self/fd/{handle}"));
    let is_empty_resource = link.is_ok_and(|link| link.to_string_lossy().contains(EMPTY_RESOURCE));
    if handle != 0 && is_empty_resource {
        return Ok(VpciResource::Empty);
    }
    Err(Failure::new(E_HANDLE, format!("no virtual PCI resource has the handle {handle:#x}")))
}

fn hardware_ids(partition: &openwhp::Partition, device: u64) -> Outcome<WHV_VPCI_HARDWARE_IDS> {
    let ids = partition.vpci_hardware_ids(device)?;
    Ok(WHV_VPCI_HARDWARE_IDS {
        VendorID: ids.vendor,
        DeviceID: ids.device,
        RevisionID: ids.revision,
        ProgIf: ids.prog_if,
        SubClass: ids.sub_class,
        BaseClass: ids.base_class,
        SubVendorID: ids.sub_vendor,
        SubSystemID: ids.sub_system,
    })
}

/// The space and width of a register.
fn check_register(register: &WHV_VPCI_DEVICE_REGISTER) -> Outcome<(VpciSpace, usize)> {
    let bar = u8::try_from(register.Location.0).ok();
    let space = match register.Location {
        WHvVpciConfigSpace => Some(VpciSpace::Config),
        location if location.0 < WHV_VPCI_TYPE0_BAR_COUNT => bar.map(VpciSpace::Bar),
        _ => None,
    };
    let is_bar = matches!(space, Some(VpciSpace::Bar(_)));
    let is_size = matches!(register.SizeInBytes, 1 | 2 | 4) || is_bar && register.SizeInBytes == 8;
    match space {
        Some(space) if is_size => Ok((space, register.SizeInBytes as usize)),
        _ => Err(Failure::invalid("a device register has an unknown location or size")),
    }
}

/// Reads a target with its processors, of which there are `most` at most.
fn read_target(target: Input<WHV_VPCI_INTERRUPT_TARGET>, most: u32) -> Outcome<VpciTarget> {
    let head = target.get(0).unwrap_or_default();
    let is_multicast = head.Flags == WHvVpciInterruptTargetFlagMulticast;
    if !is_multicast && head.Flags != WHvVpciInterruptTargetFlagNone {
        return Err(Failure::invalid("an interrupt target has undefined flags"));
    }
    if !(1..=most).contains(&head.ProcessorCount) {
        return Err(Failure::invalid(format!("an interrupt target names 1 to {most} processors")));
    }
    let vector = u8::try_from(head.Vector).map_err(|_| Failure::invalid("vectors end at 255"))?;
    let processors = target.behind::<u32>(TARGET_HEAD, head.ProcessorCount as usize).iter().collect();
    Ok(VpciTarget { vector, is_multicast, processors })
}

/// The bytes of a target, of the structure's size at least.
fn lay_out_target(target: &VpciTarget) -> Vec<u8> {
    let flags = if target.is_multicast {
        WHvVpciInterruptTargetFlagMulticast
    } else {
        WHvVpciInterruptTargetFlagNone
    };
    let head = [u32::from(target.vector), flags.0, target.processors.len() as u32];
    let mut bytes: Vec<u8> =
        head.iter().chain(&target.processors).flat_map(|word| word.to_le_bytes()).collect();
    let least = size_of::<WHV_VPCI_INTERRUPT_TARGET>();
    bytes.resize(bytes.len().max(least), 0);
    bytes
}
