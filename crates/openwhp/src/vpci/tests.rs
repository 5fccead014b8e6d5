use super::*;

const DEVICE: u64 = 7;

fn devices() -> Devices {
    let devices = Devices::new(4, 1024);
    devices.create(DEVICE, VpciResource::Empty, VpciFlags::LOGICAL_INTERRUPTS).expect("a device");
    devices
}

fn target(vector: u8, processors: &[u32]) -> VpciTarget {
    VpciTarget { vector, is_multicast: false, processors: processors.to_vec() }
}

#[test]
fn an_identifier_names_one_device() {
    let devices = devices();
    let again = devices.create(DEVICE, VpciResource::Empty, VpciFlags::empty());
    assert_eq!(again, Err(VpciError::Exists(DEVICE)));
    let backed = devices.create(8, VpciResource::Empty, VpciFlags::PHYSICALLY_BACKED);
    assert_eq!(backed, Err(VpciError::NoHardware));
    assert_eq!(devices.delete(DEVICE), Ok(()));
    assert_eq!(devices.delete(DEVICE), Err(VpciError::NoDevice(DEVICE)));
}

#[test]
fn a_device_starts_off() {
    let devices = devices();
    assert_eq!(devices.check_on(DEVICE), Err(VpciError::NotOn { device: DEVICE, power: VpciPower::D3 }));
    devices.set_power(DEVICE, VpciPower::D0).expect("a device");
    assert_eq!(devices.check_on(DEVICE), Ok(()));
}

#[test]
fn only_configuration_space_has_registers() {
    let devices = devices();
    let check = |space, offset, size| devices.check_register(DEVICE, space, offset, size).is_ok();
    assert!(check(VpciSpace::Config, 0, 4) && check(VpciSpace::Config, 4095, 1));
    assert!(!check(VpciSpace::Config, 2, 4) && !check(VpciSpace::Config, 4096, 1));
    assert!(!check(VpciSpace::Config, 0, 8) && !check(VpciSpace::Config, 0, 3));
    assert!(!check(VpciSpace::Config, u64::MAX, 1) && !check(VpciSpace::Bar(0), 0, 4));
}

#[test]
fn messages_of_an_entry_have_targets_of_their_own() {
    let devices = devices();
    let first = devices.map_interrupt(DEVICE, 3, 4, target(0x40, &[1])).expect("an entry");
    let third = VpciMessage { data: first.data + 2, ..first };
    assert_eq!(devices.interrupt_target(DEVICE, 3, 2), Ok(target(0x42, &[1])));
    devices.retarget_interrupt(DEVICE, third, target(0x80, &[2, 900])).expect("a message");
    assert_eq!(devices.interrupt_target(DEVICE, 3, 2), Ok(target(0x80, &[2, 900])));
    assert_eq!(devices.interrupt_target(DEVICE, 3, 1), Ok(target(0x41, &[1])));
    assert_eq!(devices.interrupt_target(DEVICE, 3, 4), Err(VpciError::NotMapped(3)));
    assert_eq!(devices.unmap_interrupt(DEVICE, 3), Ok(()));
    let gone = devices.retarget_interrupt(DEVICE, first, target(0x40, &[1]));
    assert_eq!(gone, Err(VpciError::NoMessage(first)));
}

#[test]
fn entries_are_checked() {
    let devices = devices();
    let map = |index, messages, target| devices.map_interrupt(DEVICE, index, messages, target).is_ok();
    assert!(map(0, 1, target(16, &[0])) && map(0xFFFF, 32, target(0xE0, &[3])));
    assert!(!map(0, 1, target(0x40, &[0])), "in use");
    assert!(!map(0x1_0000, 1, target(0x40, &[0])) && !map(1, 0, target(0x40, &[0])));
    assert!(!map(1, 3, target(0x40, &[0])) && !map(1, 64, target(0x40, &[0])));
    assert!(!map(1, 2, target(0xFF, &[0])), "no vector 256");
    assert!(!map(1, 1, target(15, &[0])) && !map(1, 1, target(0x40, &[])));
    assert!(!map(1, 1, target(0x40, &[4])) && !map(1, 1, target(0x40, &[0, 0, 1, 2, 3])));
    let multicast = |processors: &[u32]| VpciTarget { is_multicast: true, ..target(0x40, processors) };
    assert!(!map(1, 1, multicast(&[0])) && map(1, 1, multicast(&[0, 1])));
}

#[test]
fn messages_differ_between_entries() {
    let devices = devices();
    let mut seen = Vec::new();
    for index in [0, 1, 2, 0xFFFF] {
        let message = devices.map_interrupt(DEVICE, index, 32, target(0x40, &[0])).expect("an entry");
        assert!(message.address >> 32 == 0 && message.data < 0x1_0000);
        seen.push(message);
    }
    let count = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn requests_need_logical_interrupts_and_a_message() {
    let devices = devices();
    devices.create(9, VpciResource::Empty, VpciFlags::empty()).expect("a device");
    let message = devices.map_interrupt(9, 0, 1, target(0x40, &[0])).expect("an entry");
    assert_eq!(devices.request_interrupt(9, message, None), Err(VpciError::NoLogicalInterrupts(9)));
    assert_eq!(devices.request_interrupt(DEVICE, message, None), Err(VpciError::NoMessage(message)));
    let far = VpciMessage { address: 1 << 32, data: 0 };
    assert_eq!(devices.request_interrupt(DEVICE, far, None), Err(VpciError::BadAddress(1 << 32)));
    let odd = VpciMessage { address: message.address + 1, data: 0 };
    assert_eq!(devices.request_interrupt(DEVICE, odd, None), Err(VpciError::NoMessage(odd)));
}
