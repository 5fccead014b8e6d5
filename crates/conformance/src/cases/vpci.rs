//! Virtual PCI devices without hardware: power, registers, interrupt entries, device triggers.

use std::ptr::null_mut;
use std::ptr::without_provenance_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::windows::HANDLE;
use openwhp_abi::windows::PowerDeviceD0;
use openwhp_abi::windows::PowerDeviceD1;
use openwhp_abi::x64::*;
use zerocopy::IntoBytes;

use super::cases;
use super::exits::protected_mode;
use crate::Api;
use crate::Engine;
use crate::Item;
use crate::Machine;
use crate::call;
use crate::running::until;

cases! { "vpci":
    an_empty_resource_can_be_had_everywhere from "functions.md 9, interrupts-and-notifications.md 7.1",
    devices_are_made_from_resources from "functions.md 9, interrupts-and-notifications.md 7.2",
    an_empty_device_reads_as_all_ones from "interrupts-and-notifications.md 7.2, 7.3",
    nothing_happens_to_an_empty_device from "interrupts-and-notifications.md 7.3",
    registers_are_mapped_while_the_device_is_on from "interrupts-and-notifications.md 7.4",
    a_message_raises_its_vector from "interrupts-and-notifications.md 7.5",
    one_processor_of_a_set_gets_a_message from "interrupts-and-notifications.md 7.5",
    targets_are_read_back from "functions.md 9, interrupts-and-notifications.md 7.5",
    interrupt_entries_are_checked from "functions.md 9",
    requests_need_logical_interrupts from "interrupts-and-notifications.md 7.5",
    a_trigger_sends_a_device_message from "interrupts-and-notifications.md 6",
    the_guest_retargets_by_hypercall from "interrupts-and-notifications.md 7.5"
        covers [Item::Ability("HvCallRetargetDeviceInterrupt")],
    unknown_devices_of_a_hypercall_are_the_clients from "interrupts-and-notifications.md 7.5, exits.md 2.14",
    devices_survive_a_reset from "interrupts-and-notifications.md 9.2",
}

const DEVICE: u64 = 0x1234_5678_9ABC;
const BACKED: WHV_CREATE_VPCI_DEVICE_FLAGS = WHvCreateVpciDeviceFlagPhysicallyBacked;
const LOGICAL: WHV_CREATE_VPCI_DEVICE_FLAGS = WHvCreateVpciDeviceFlagUseLogicalInterrupts;

/// A descriptor that is closed at the end.
struct Descriptor(HANDLE);

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: the descriptor was handed to this object by the function that made it.
        let _ = unsafe { libc::close(self.0.addr() as libc::c_int) };
    }
}

fn empty_resource(api: Api) -> Descriptor {
    let mut resource = null_mut();
    let flags = WHvAllocateVpciResourceFlagNone;
    let result = call!(api, WHvAllocateVpciResource(null_mut(), flags, null_mut(), 0, &raw mut resource));
    assert_eq!(result, S_OK);
    Descriptor(resource)
}

fn machine(engine: &Engine, processors: u32) -> Machine {
    let machine = Machine::set_up(engine, processors, |machine| {
        machine.use_apic(WHvX64LocalApicEmulationModeXApic);
        machine.configure(WHvPartitionPropertyCodeAllowDeviceAssignment, &1_u32);
    });
    machine.map_all();
    for index in 0..processors {
        machine.create_vp(index);
    }
    machine
}

fn create(machine: &Machine, device: u64, flags: WHV_CREATE_VPCI_DEVICE_FLAGS) -> HRESULT {
    let resource = empty_resource(machine.api);
    call!(machine.api, WHvCreateVpciDevice(machine.partition, device, resource.0, flags, null_mut()))
}

fn with_device(engine: &Engine, processors: u32) -> Machine {
    let machine = machine(engine, processors);
    assert_eq!(create(&machine, DEVICE, LOGICAL), S_OK);
    machine
}

/// The bytes of a target with its processors.
fn target(vector: u32, flags: u32, processors: &[u32]) -> Vec<u32> {
    [&[vector, flags, processors.len() as u32], processors].concat()
}

fn map(machine: &Machine, index: u32, count: u32, target: &[u32]) -> Result<(u64, u32), HRESULT> {
    let (mut address, mut data) = (0, 0);
    let first = target.as_ptr().cast();
    let result = call!(
        machine.api,
        WHvMapVpciDeviceInterrupt(
            machine.partition,
            DEVICE,
            index,
            count,
            first,
            &raw mut address,
            &raw mut data
        )
    );
    if result == S_OK { Ok((address, data)) } else { Err(result) }
}

fn request(machine: &Machine, (address, data): (u64, u32)) -> HRESULT {
    call!(machine.api, WHvRequestVpciDeviceInterrupt(machine.partition, DEVICE, address, data))
}

fn apic_page(machine: &Machine, vp: u32) -> Vec<u8> {
    let mut page = vec![0_u8; 4096];
    let start = page.as_mut_ptr().cast();
    let get = call!(
        machine.api,
        WHvGetVirtualProcessorInterruptControllerState2(machine.partition, vp, start, 4096, null_mut())
    );
    assert_eq!(get, S_OK);
    page
}

/// Enables the local APIC of a processor by software.
fn enable_apic(machine: &Machine, vp: u32) {
    let mut page = apic_page(machine, vp);
    page[0xF0..0xF4].copy_from_slice(&0x1FF_u32.to_le_bytes());
    let set = call!(
        machine.api,
        WHvSetVirtualProcessorInterruptControllerState2(machine.partition, vp, page.as_ptr().cast(), 4096)
    );
    assert_eq!(set, S_OK);
}

/// Whether a vector is requested in a processor's local APIC.
fn is_requested(machine: &Machine, vp: u32, vector: usize) -> bool {
    apic_page(machine, vp)[0x200 + vector / 32 * 16 + vector % 32 / 8] >> (vector % 8) & 1 != 0
}

fn an_empty_resource_can_be_had_everywhere(engine: &Engine) {
    let first = empty_resource(engine.api);
    assert!(!first.0.is_null() && first.0.addr() != usize::MAX);
    // A pointer with size 0 means empty too.
    let mut second = null_mut();
    let flags = WHvAllocateVpciResourceFlagAllowDirectP2P;
    let descriptor = [0_u8; 4];
    let start = descriptor.as_ptr().cast();
    let result = call!(engine.api, WHvAllocateVpciResource(null_mut(), flags, start, 0, &raw mut second));
    assert_eq!(result, S_OK);
    let second = Descriptor(second);
    assert_ne!(first.0, second.0);
    let provider = openwhp_abi::windows::GUID::default();
    let mut third = null_mut();
    let unknown =
        call!(engine.api, WHvAllocateVpciResource(&raw const provider, flags, null_mut(), 0, &raw mut third));
    assert_eq!(unknown, HRESULT_FROM_WIN32_ERROR_NOT_FOUND);
}

fn devices_are_made_from_resources(engine: &Engine) {
    let machine = machine(engine, 1);
    assert_eq!(create(&machine, DEVICE, LOGICAL), S_OK);
    assert_eq!(create(&machine, DEVICE, LOGICAL), ERROR_HV_OBJECT_IN_USE);
    assert_eq!(create(&machine, 0, WHvCreateVpciDeviceFlagNone), S_OK);
    assert_eq!(create(&machine, 2, BACKED), E_INVALIDARG);
    let bad = call!(
        engine.api,
        WHvCreateVpciDevice(machine.partition, 3, without_provenance_mut(0x7FFF_0000), LOGICAL, null_mut())
    );
    assert_eq!(bad, E_HANDLE);
    let resource = empty_resource(engine.api);
    let no_event = without_provenance_mut(0x7FFF_0000);
    let bad = call!(engine.api, WHvCreateVpciDevice(machine.partition, 3, resource.0, LOGICAL, no_event));
    assert_eq!(bad, E_HANDLE);
    assert_eq!(call!(engine.api, WHvDeleteVpciDevice(machine.partition, DEVICE)), S_OK);
    assert_eq!(call!(engine.api, WHvDeleteVpciDevice(machine.partition, DEVICE)), ERROR_HV_INVALID_DEVICE_ID);
    assert_eq!(create(&machine, DEVICE, LOGICAL), S_OK);
}

fn register(space: WHV_VPCI_DEVICE_REGISTER_SPACE, size: u32, offset: u64) -> WHV_VPCI_DEVICE_REGISTER {
    WHV_VPCI_DEVICE_REGISTER { Location: space, SizeInBytes: size, OffsetInBytes: offset }
}

fn an_empty_device_reads_as_all_ones(engine: &Engine) {
    let machine = with_device(engine, 1);
    let property = |code, size: u32| {
        let (mut bytes, mut written) = ([0xAA_u8; 64], 0);
        let start = bytes.as_mut_ptr().cast();
        let result = call!(
            engine.api,
            WHvGetVpciDeviceProperty(machine.partition, DEVICE, code, start, size, &raw mut written)
        );
        (result, bytes, written)
    };
    let (result, bytes, written) = property(WHvVpciDevicePropertyCodeHardwareIDs, 64);
    assert_eq!((result, written), (S_OK, 12));
    assert_eq!((bytes[..12].to_vec(), bytes[12]), (vec![0xFF; 12], 0xAA));
    let (result, bytes, written) = property(WHvVpciDevicePropertyCodeProbedBARs, 24);
    assert_eq!((result, written, bytes[..24].to_vec()), (S_OK, 24, vec![0; 24]));
    let (result, bytes, written) = property(WHvVpciDevicePropertyCodeProbedBARs, 23);
    assert_eq!((result, written, bytes[0]), (WHV_E_INSUFFICIENT_BUFFER, 24, 0xAA));
    let (result, ..) = property(WHvVpciDevicePropertyCodeUndefined, 64);
    assert_eq!(result, WHV_E_UNKNOWN_PROPERTY);

    let read = |register: WHV_VPCI_DEVICE_REGISTER| {
        let mut data = [0_u8; 8];
        let start = data.as_mut_ptr().cast();
        let result = call!(
            engine.api,
            WHvReadVpciDeviceRegister(machine.partition, DEVICE, &raw const register, start)
        );
        (result, u64::from_le_bytes(data))
    };
    assert_eq!(read(register(WHvVpciConfigSpace, 4, 0)), (S_OK, 0xFFFF_FFFF));
    assert_eq!(read(register(WHvVpciConfigSpace, 2, 0xE)), (S_OK, 0xFFFF));
    assert_eq!(read(register(WHvVpciConfigSpace, 1, 0xFFF)), (S_OK, 0xFF));
    for bad in [
        register(WHvVpciConfigSpace, 4, 2),
        register(WHvVpciConfigSpace, 4, 0x1000),
        register(WHvVpciConfigSpace, 8, 0),
        register(WHvVpciBar0, 4, 0),
        register(WHV_VPCI_DEVICE_REGISTER_SPACE(6), 4, 0),
    ] {
        assert_eq!(read(bad), (E_INVALIDARG, 0), "{bad:?}");
    }
    let value = 0_u32;
    let place = register(WHvVpciConfigSpace, 4, 4);
    let write = call!(
        engine.api,
        WHvWriteVpciDeviceRegister(machine.partition, DEVICE, &raw const place, (&raw const value).cast())
    );
    assert_eq!((write, read(place)), (S_OK, (S_OK, 0xFFFF_FFFF)));
}

fn nothing_happens_to_an_empty_device(engine: &Engine) {
    let machine = with_device(engine, 1);
    let mut notification = WHV_VPCI_DEVICE_NOTIFICATION { Reserved1: 7, ..Default::default() };
    let mut next = |size: u32| {
        call!(
            engine.api,
            WHvGetVpciDeviceNotification(machine.partition, DEVICE, &raw mut notification, size)
        )
    };
    assert_eq!(next(15), WHV_E_INSUFFICIENT_BUFFER);
    assert_eq!(next(16), S_OK);
    assert_eq!(notification.NotificationType, WHvVpciDeviceNotificationUndefined);
    assert_eq!(notification.Reserved1, 0);
}

fn registers_are_mapped_while_the_device_is_on(engine: &Engine) {
    let machine = with_device(engine, 1);
    let map = || {
        let (mut count, mut mappings) = (77, without_provenance_mut(16));
        let result = call!(
            engine.api,
            WHvMapVpciDeviceMmioRanges(machine.partition, DEVICE, &raw mut count, &raw mut mappings)
        );
        (result, count)
    };
    let power = |state| call!(engine.api, WHvSetVpciDevicePowerState(machine.partition, DEVICE, state));
    let unmap = || call!(engine.api, WHvUnmapVpciDeviceMmioRanges(machine.partition, DEVICE));
    assert_eq!(map(), (ERROR_HV_INVALID_DEVICE_STATE, 77), "devices start in D3");
    assert_eq!((power(PowerDeviceD0), power(PowerDeviceD0)), (S_OK, S_OK));
    assert_eq!((map(), map()), ((S_OK, 0), (S_OK, 0)));
    assert_eq!((unmap(), unmap()), (S_OK, S_OK));
    assert_eq!((power(PowerDeviceD1), map().0), (S_OK, ERROR_HV_INVALID_DEVICE_STATE));
    for bad in [0, 5, u32::MAX] {
        assert_eq!(power(openwhp_abi::windows::DEVICE_POWER_STATE(bad)), E_INVALIDARG);
    }
}

fn a_message_raises_its_vector(engine: &Engine) {
    let machine = with_device(engine, 2);
    enable_apic(&machine, 1);
    let (address, data) = map(&machine, 3, 4, &target(0x50, 0, &[1])).expect("an entry");
    assert!(address <= u64::from(u32::MAX) && data < 0x1_0000);
    assert_eq!(request(&machine, (address, data + 2)), S_OK);
    assert!(is_requested(&machine, 1, 0x52) && !is_requested(&machine, 1, 0x50));
    assert!(!is_requested(&machine, 0, 0x52));
    let other = target(0x91, 0, &[1]);
    let retarget = |message: (u64, u32), target: &[u32]| {
        let first = target.as_ptr().cast();
        call!(
            engine.api,
            WHvRetargetVpciDeviceInterrupt(machine.partition, DEVICE, message.0, message.1, first)
        )
    };
    assert_eq!(retarget((address, data + 2), &other), S_OK);
    assert_eq!(request(&machine, (address, data + 2)), S_OK);
    assert!(is_requested(&machine, 1, 0x91));
    assert_eq!(retarget((address, data + 2), &target(0x91, 0, &[800])), S_OK, "ignored at delivery");
    assert_eq!(request(&machine, (address, data + 2)), S_OK);
    assert_eq!(retarget((address, data + 4), &other), ERROR_HV_NOT_FOUND);
    assert_eq!(retarget((address, data), &target(0x91, 0, &[5000])), E_INVALIDARG);
    assert_eq!(call!(engine.api, WHvUnmapVpciDeviceInterrupt(machine.partition, DEVICE, 3)), S_OK);
    assert_eq!(request(&machine, (address, data)), ERROR_HV_NOT_FOUND);
    let again = call!(engine.api, WHvUnmapVpciDeviceInterrupt(machine.partition, DEVICE, 3));
    assert_eq!(again, ERROR_HV_NOT_FOUND);
}

fn one_processor_of_a_set_gets_a_message(engine: &Engine) {
    let machine = with_device(engine, 3);
    for vp in 0..3 {
        enable_apic(&machine, vp);
    }
    let single = map(&machine, 0, 1, &target(0x60, 0, &[1, 2])).expect("an entry");
    let all = map(&machine, 1, 1, &target(0x61, 1, &[1, 2])).expect("an entry");
    assert_eq!((request(&machine, single), request(&machine, all)), (S_OK, S_OK));
    let who = |vector| [0, 1, 2].map(|vp| is_requested(&machine, vp, vector));
    assert_eq!(who(0x60), [false, true, false], "the lowest index wins a tie");
    assert_eq!(who(0x61), [false, true, true]);
}

fn targets_are_read_back(engine: &Engine) {
    let machine = with_device(engine, 4);
    map(&machine, 9, 2, &target(0x70, 1, &[0, 2, 3])).expect("an entry");
    let read = |index: u32, message: u32, size: u32| {
        let (mut words, mut written) = ([0xAAAA_AAAA_u32; 8], 0);
        let start = words.as_mut_ptr().cast();
        let result = call!(
            engine.api,
            WHvGetVpciDeviceInterruptTarget(
                machine.partition,
                DEVICE,
                index,
                message,
                start,
                size,
                &raw mut written
            )
        );
        (result, written, words[..6].to_vec())
    };
    assert_eq!(read(9, 1, 32), (S_OK, 24, vec![0x71, 1, 3, 0, 2, 3]));
    let (result, written, words) = read(9, 1, 16);
    assert_eq!((result, written, words[0]), (WHV_E_INSUFFICIENT_BUFFER, 24, 0xAAAA_AAAA));
    let null = call!(
        engine.api,
        WHvGetVpciDeviceInterruptTarget(machine.partition, DEVICE, 9, 0, null_mut(), 0, null_mut())
    );
    assert_eq!(null, WHV_E_INSUFFICIENT_BUFFER);
    assert_eq!(read(8, 0, 32).0, ERROR_HV_NOT_FOUND);
    assert_eq!(read(9, 2, 32).0, ERROR_HV_NOT_FOUND);
    assert_eq!((read(0x1_0000, 0, 32).0, read(9, 32, 32).0), (E_INVALIDARG, E_INVALIDARG));
}

fn interrupt_entries_are_checked(engine: &Engine) {
    let machine = with_device(engine, 2);
    let good = target(0x40, 0, &[0]);
    assert!(map(&machine, 0xFFFF, 32, &good).is_ok());
    assert_eq!(map(&machine, 0xFFFF, 1, &good), Err(ERROR_HV_OBJECT_IN_USE));
    assert_eq!(map(&machine, 0x1_0000, 1, &good), Err(E_INVALIDARG));
    for count in [0, 3, 33, 64] {
        assert_eq!(map(&machine, 1, count, &good), Err(E_INVALIDARG), "{count} messages");
    }
    for bad in [
        target(0x40, 2, &[0]),
        target(0x40, 0, &[]),
        target(0x40, 0, &[2]),
        target(0x40, 0, &[0, 1, 0]),
        target(0x40, 1, &[0]),
        target(15, 0, &[0]),
        target(0x100, 0, &[0]),
    ] {
        assert_eq!(map(&machine, 1, 1, &bad), Err(E_INVALIDARG), "{bad:x?}");
    }
}

fn requests_need_logical_interrupts(engine: &Engine) {
    let machine = machine(engine, 1);
    assert_eq!(create(&machine, DEVICE, WHvCreateVpciDeviceFlagNone), S_OK);
    let message = map(&machine, 0, 1, &target(0x40, 0, &[0])).expect("an entry");
    assert_eq!(request(&machine, message), ERROR_HV_OPERATION_DENIED);
    assert_eq!(call!(engine.api, WHvDeleteVpciDevice(machine.partition, DEVICE)), S_OK);
    assert_eq!(create(&machine, DEVICE, LOGICAL), S_OK);
    assert_eq!(request(&machine, message), ERROR_HV_NOT_FOUND, "entries go with the device");
    assert_eq!(request(&machine, (1 << 32, 0)), ERROR_HV_INVALID_PARAMETER);
}

fn a_trigger_sends_a_device_message(engine: &Engine) {
    let machine = with_device(engine, 1);
    enable_apic(&machine, 0);
    let (address, data) = map(&machine, 0, 1, &target(0x77, 0, &[0])).expect("an entry");
    let mut parameters = WHV_TRIGGER_PARAMETERS::default();
    parameters.set_TriggerType(WHvTriggerTypeDeviceInterrupt);
    parameters.set_DeviceInterrupt_LogicalDeviceId(DEVICE);
    parameters.set_DeviceInterrupt_MsiAddress(address);
    parameters.set_DeviceInterrupt_MsiData(data);
    let (mut trigger, mut event) = (null_mut(), null_mut());
    let result = call!(
        engine.api,
        WHvCreateTrigger(machine.partition, &raw const parameters, &raw mut trigger, &raw mut event)
    );
    assert_eq!(result, S_OK);
    let event = Descriptor(event);
    let one = 1_u64;
    // SAFETY: writes eight bytes of a local variable to a descriptor of ours.
    let written = unsafe { libc::write(event.0.addr() as libc::c_int, (&raw const one).cast(), 8) };
    assert_eq!(written, 8);
    until("the trigger fires", || is_requested(&machine, 0, 0x77));
    assert_eq!(call!(engine.api, WHvDeleteTrigger(machine.partition, trigger)), S_OK);
}

/// Where the guest's hypercall input lies.
const INPUT: u64 = 0x6000;
/// Retargets a device interrupt.
const CALL_RETARGET: u64 = 0x7E;

/// One processor in flat protected mode that makes the retarget call and halts inside run, and a device.
fn hypercaller(engine: &Engine) -> Machine {
    let vendor = engine.capability(WHvCapabilityCodeProcessorVendor)[0];
    // vmcall on Intel, vmmcall on AMD; then a port that ends the run.
    let code = [0x0F, 0x01, if vendor & 0xFFFF_FFFF == 1 { 0xC1 } else { 0xD9 }, 0xE6, 0x80];
    let machine = protected_mode(engine, &code, |machine| {
        machine.use_apic(WHvX64LocalApicEmulationModeXApic);
        machine.configure(WHvPartitionPropertyCodeAllowDeviceAssignment, &1_u32);
        machine.enable_exits(|exits| exits.set_RetargetUnknownVpciDevice(1));
        let mut features = WHV_SYNTHETIC_PROCESSOR_FEATURES::default();
        features.set_HypervisorPresent(1);
        features.set_Hv1(1);
        features.set_AccessHypercallRegs(1);
        features.set_RetargetDeviceInterrupt(1);
        let banks = [1, features.AsUINT64()];
        machine.configure(WHvPartitionPropertyCodeSyntheticProcessorFeaturesBanks, &banks);
    });
    machine.set64(0, WHvRegisterGuestOsId, 0x8100_0000_0000_0000);
    assert_eq!(create(&machine, DEVICE, LOGICAL), S_OK);
    machine
}

/// Makes the guest ask for `vector` on processor 0 for a message of a device.
fn guest_retargets(machine: &Machine, device: u64, message: (u64, u32), vector: u64) {
    let entry = message.0 | u64::from(message.1) << 32;
    for (number, word) in [u64::MAX, device, 1, entry, 0, vector, 1].into_iter().enumerate() {
        machine.memory.write_u64(INPUT + number as u64 * 8, word);
    }
    for (name, value) in [
        (WHvX64RegisterRax, CALL_RETARGET),
        (WHvX64RegisterRdx, 0),
        (WHvX64RegisterRbx, 0),
        (WHvX64RegisterRcx, INPUT),
        (WHvX64RegisterRdi, 0),
        (WHvX64RegisterRsi, 0),
        (WHvX64RegisterRip, crate::machine::CODE),
    ] {
        machine.set64(0, name, value);
    }
}

fn the_guest_retargets_by_hypercall(engine: &Engine) {
    let machine = hypercaller(engine);
    enable_apic(&machine, 0);
    let message = map(&machine, 0, 1, &target(0x40, 0, &[0])).expect("an entry");
    guest_retargets(&machine, DEVICE, message, 0x99);
    machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0, "success");
    assert_eq!(request(&machine, message), S_OK);
    assert!(is_requested(&machine, 0, 0x99) && !is_requested(&machine, 0, 0x40));
    guest_retargets(&machine, DEVICE, (message.0 + 16, 0), 0x99);
    machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 5, "invalid parameter");
}

fn unknown_devices_of_a_hypercall_are_the_clients(engine: &Engine) {
    let machine = hypercaller(engine);
    guest_retargets(&machine, 77, (0xFEE0_0000, 0), 0x99);
    let context = machine.run_to(0, WHvRunVpExitReasonHypercall);
    assert_eq!(context.VpContext().Rip(), crate::machine::CODE);
    assert_eq!(context.Hypercall().Rcx, INPUT);
}

fn devices_survive_a_reset(engine: &Engine) {
    let machine = with_device(engine, 1);
    let message = map(&machine, 0, 1, &target(0x40, 0, &[0])).expect("an entry");
    assert_eq!(call!(engine.api, WHvResetPartition(machine.partition)), S_OK);
    assert_eq!(request(&machine, message), S_OK);
    let mut head = WHV_VPCI_INTERRUPT_TARGET::default();
    let bytes = head.as_mut_bytes();
    let (start, size) = (bytes.as_mut_ptr().cast(), bytes.len() as u32);
    let result = call!(
        engine.api,
        WHvGetVpciDeviceInterruptTarget(machine.partition, DEVICE, 0, 0, start, size, null_mut())
    );
    assert_eq!((result, head.Vector), (S_OK, 0x40));
}
