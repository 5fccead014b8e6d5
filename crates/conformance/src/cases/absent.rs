//! Functions whose ability no engine has yet: arguments are checked, then the documented code comes back.

use std::ptr::null_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::call;

cases! { "absent":
    no_virtual_pci_resource_can_be_had from "functions.md 9",
    devices_must_be_allowed from "functions.md 9",
    devices_are_unknown from "functions.md 9",
    nothing_migrates from "functions.md 10",
}

fn machine(engine: &Engine) -> Machine {
    let machine = Machine::set_up(engine, 1, |_| ());
    machine.create_vp(0);
    machine
}

fn no_virtual_pci_resource_can_be_had(engine: &Engine) {
    let descriptor = [0_u8; 412];
    let mut resource = null_mut();
    let mut allocate = |flags: u32, size: u32| {
        let flags = WHV_ALLOCATE_VPCI_RESOURCE_FLAGS(flags);
        let start = descriptor.as_ptr().cast();
        call!(engine.api, WHvAllocateVpciResource(null_mut(), flags, start, size, &raw mut resource))
    };
    assert_eq!(allocate(0, 412), HRESULT_FROM_WIN32_ERROR_NOT_FOUND);
    assert_eq!(allocate(2, 412), E_INVALIDARG);
    assert_eq!(allocate(0, 100), E_INVALIDARG);
    let flags = WHvAllocateVpciResourceFlagNone;
    let null = call!(engine.api, WHvAllocateVpciResource(null_mut(), flags, null_mut(), 0, null_mut()));
    assert_eq!(null, E_POINTER);
}

fn devices_must_be_allowed(engine: &Engine) {
    let machine = machine(engine);
    let create = |flags: u32| {
        let flags = WHV_CREATE_VPCI_DEVICE_FLAGS(flags);
        call!(engine.api, WHvCreateVpciDevice(machine.partition, 1, null_mut(), flags, null_mut()))
    };
    assert_eq!(create(4), E_INVALIDARG);
    assert_eq!(create(1), ERROR_HV_OPERATION_DENIED);
}

fn devices_are_unknown(engine: &Engine) {
    let machine = machine(engine);
    let (api, partition) = (engine.api, machine.partition);
    let unknown = ERROR_HV_INVALID_DEVICE_ID;
    assert_eq!(call!(api, WHvDeleteVpciDevice(partition, 1)), unknown);
    assert_eq!(call!(api, WHvUnmapVpciDeviceMmioRanges(partition, 1)), unknown);
    assert_eq!(call!(api, WHvUnmapVpciDeviceInterrupt(partition, 1, 0)), unknown);
    assert_eq!(call!(api, WHvRequestVpciDeviceInterrupt(partition, 1, 0, 0)), unknown);
    let mut data = [0_u8; 64];
    let start = data.as_mut_ptr().cast();
    let code = WHvVpciDevicePropertyCodeHardwareIDs;
    assert_eq!(call!(api, WHvGetVpciDeviceProperty(partition, 1, code, start, 64, null_mut())), unknown);
    let mut notification = WHV_VPCI_DEVICE_NOTIFICATION::default();
    assert_eq!(call!(api, WHvGetVpciDeviceNotification(partition, 1, &raw mut notification, 16)), unknown);
    let (mut count, mut mappings) = (0, null_mut());
    assert_eq!(
        call!(api, WHvMapVpciDeviceMmioRanges(partition, 1, &raw mut count, &raw mut mappings)),
        unknown
    );
    let power = openwhp_abi::windows::DEVICE_POWER_STATE(9);
    assert_eq!(call!(api, WHvSetVpciDevicePowerState(partition, 1, power)), E_INVALIDARG);
    let power = openwhp_abi::windows::PowerDeviceD0;
    assert_eq!(call!(api, WHvSetVpciDevicePowerState(partition, 1, power)), unknown);
    let register =
        WHV_VPCI_DEVICE_REGISTER { Location: WHvVpciConfigSpace, SizeInBytes: 4, OffsetInBytes: 0 };
    assert_eq!(call!(api, WHvReadVpciDeviceRegister(partition, 1, &raw const register, start)), unknown);
    assert_eq!(call!(api, WHvWriteVpciDeviceRegister(partition, 1, &raw const register, start)), unknown);
    let wide = WHV_VPCI_DEVICE_REGISTER { SizeInBytes: 3, ..register };
    assert_eq!(call!(api, WHvReadVpciDeviceRegister(partition, 1, &raw const wide, start)), E_INVALIDARG);
    let target = WHV_VPCI_INTERRUPT_TARGET { Vector: 0x40, ProcessorCount: 1, ..Default::default() };
    let (mut address, mut value) = (0_u64, 0_u32);
    let first = &raw const target;
    assert_eq!(
        call!(api, WHvMapVpciDeviceInterrupt(partition, 1, 0, 1, first, &raw mut address, &raw mut value)),
        unknown
    );
    assert_eq!(
        call!(api, WHvMapVpciDeviceInterrupt(partition, 1, 0, 3, first, &raw mut address, &raw mut value)),
        E_INVALIDARG
    );
    assert_eq!(call!(api, WHvRetargetVpciDeviceInterrupt(partition, 1, 0, 0, first)), unknown);
    let mut found = target;
    assert_eq!(
        call!(api, WHvGetVpciDeviceInterruptTarget(partition, 1, 0, 0, &raw mut found, 16, null_mut())),
        unknown
    );
    assert_eq!(
        call!(api, WHvGetVpciDeviceInterruptTarget(partition, 1, 0, 32, &raw mut found, 16, null_mut())),
        E_INVALIDARG
    );
}

fn nothing_migrates(engine: &Engine) {
    let machine = machine(engine);
    let (api, partition) = (engine.api, machine.partition);
    let mut handle = null_mut();
    assert_eq!(
        call!(api, WHvStartPartitionMigration(partition, &raw mut handle)),
        HRESULT_FROM_WIN32_ERROR_NOT_SUPPORTED
    );
    let invalid = HRESULT_FROM_WIN32_ERROR_INVALID_STATE;
    assert_eq!(call!(api, WHvCancelPartitionMigration(partition)), invalid);
    assert_eq!(call!(api, WHvCompletePartitionMigration(partition)), invalid);
    assert_eq!(call!(api, WHvAcceptPartitionMigration(null_mut(), &raw mut handle)), E_INVALIDARG);
    assert_eq!(call!(api, WHvAcceptPartitionMigration(null_mut(), null_mut())), E_POINTER);
}
