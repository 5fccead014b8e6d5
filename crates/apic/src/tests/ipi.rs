use super::{T0, errors, read, write, x2apic, xapic};
use crate::{
    Config, DeliveryMode, DestinationMode, Effect, IpiRequest, LocalApic, Shorthand, TriggerMode, register,
};
use DestinationMode::{Logical, Physical};

fn send(low: u32) -> Effect {
    write(&mut xapic(0), register::ICR, low)
}

#[test]
fn the_low_half_sends_with_the_high_halfs_destination() {
    let mut apic = xapic(0);
    let _ = write(&mut apic, register::ICR_HIGH, 0x0300_0000);
    let expected = IpiRequest {
        destination: 3,
        destination_mode: Logical,
        shorthand: Shorthand::None,
        delivery_mode: DeliveryMode::LowestPriority,
        is_assert: true,
        trigger: TriggerMode::Edge,
        vector: 0x61,
        raw_icr: 0x0300_0000_0000_4961,
    };
    assert_eq!(write(&mut apic, register::ICR, 0x4961), Effect::Ipi(expected));
    assert_eq!(read(&mut apic, register::ICR), 0x4961, "delivery status is idle at once");
    assert_eq!(read(&mut apic, register::ICR_HIGH), 0x0300_0000);
}

#[test]
fn x2apic_sends_with_one_write() {
    let mut apic = x2apic(0);
    let Ok(Effect::Ipi(request)) = apic.msr_write(0x830, 0x0000_0102_0000_4031, T0) else {
        panic!("no request");
    };
    assert_eq!((request.destination, request.vector, request.destination_mode), (0x102, 0x31, Physical));
    assert_eq!(request.raw_icr, 0x0000_0102_0000_4031);
    assert_eq!(apic.msr_read(0x830, T0), Ok(0x0000_0102_0000_4031));
}

#[test]
fn shorthands_are_reported() {
    for (bits, expected) in
        [(1, Shorthand::ToSelf), (2, Shorthand::AllIncludingSelf), (3, Shorthand::AllExcludingSelf)]
    {
        let Effect::Ipi(request) = send(bits << 18 | 0x4031) else { panic!("no request") };
        assert_eq!(request.shorthand, expected);
    }
}

#[test]
fn init_and_start_up_reach_others() {
    let Effect::Ipi(init) = send(0xC4500) else { panic!("no request") };
    assert_eq!((init.delivery_mode, init.is_assert), (DeliveryMode::Init, true));
    let Effect::Ipi(init) = send(0xCC500) else { panic!("no request") };
    assert_eq!((init.delivery_mode, init.trigger), (DeliveryMode::Init, TriggerMode::Edge));
    let Effect::Ipi(startup) = send(0xC4608) else { panic!("no request") };
    assert_eq!((startup.delivery_mode, startup.vector), (DeliveryMode::Startup, 8));
}

#[test]
fn commands_without_meaning_send_nothing() {
    let de_assert = 0x8500;
    let init_self = 0x4_4500;
    let startup_all = 0x8_4608;
    let remote_read = 0x4302;
    let ext_int = 0x4700;
    for low in [de_assert, init_self, startup_all, remote_read, ext_int] {
        assert_eq!(send(low), Effect::None, "{low:#x}");
    }
}

#[test]
fn illegal_vectors_are_send_errors() {
    let mut apic = xapic(0);
    assert_eq!(write(&mut apic, register::ICR, 0x400F), Effect::None);
    assert_eq!(errors(&mut apic), 0x20);
    assert!(matches!(write(&mut apic, register::ICR, 0x4400), Effect::Ipi(_)), "an NMI has no vector");
}

#[test]
fn self_ipi_register_requests_its_vector() {
    let mut apic = x2apic(0);
    assert_eq!(apic.msr_write(0x83F, 0x77, T0), Ok(Effect::None));
    assert_eq!(apic.pending(), Some(0x77));
    assert_eq!(apic.msr_write(0x83F, 0x05, T0), Ok(Effect::None));
    let _ = apic.msr_write(0x828, 0, T0);
    assert_eq!(apic.msr_read(0x828, T0), Ok(0x40));
}

#[test]
fn physical_destinations_of_xapic_mode() {
    let apic = xapic(3);
    for (destination, expected) in [(3, true), (2, false), (0xFF, true), (u32::MAX, true), (0x103, false)] {
        assert_eq!(apic.matches(destination, Physical), expected, "{destination:#x}");
    }
}

#[test]
fn physical_destinations_of_x2apic_mode() {
    let apic = x2apic(0x103);
    for (destination, expected) in [(0x103, true), (3, false), (0xFF, false), (u32::MAX, true)] {
        assert_eq!(apic.matches(destination, Physical), expected, "{destination:#x}");
    }
    assert!(x2apic(0xFF).matches(0xFF, Physical));
}

#[test]
fn flat_logical_destinations() {
    let mut apic = xapic(0);
    let _ = write(&mut apic, register::LDR, 0x0400_0000);
    for (destination, expected) in [(4, true), (6, true), (3, false), (0xFF, true), (0x104, false)] {
        assert_eq!(apic.matches(destination, Logical), expected, "{destination:#x}");
    }
}

#[test]
fn cluster_logical_destinations() {
    let mut apic = xapic(0);
    let _ = write(&mut apic, register::LDR, 0x2400_0000);
    let _ = write(&mut apic, register::DFR, 0x0FFF_FFFF);
    for (destination, expected) in [(0x24, true), (0x2C, true), (0x23, false), (0x34, false), (0xFF, true)] {
        assert_eq!(apic.matches(destination, Logical), expected, "{destination:#x}");
    }
    let _ = write(&mut apic, register::DFR, 0x5FFF_FFFF);
    assert!(!apic.matches(0x24, Logical), "no such model");
}

#[test]
fn x2apic_logical_destinations_are_clusters_of_sixteen() {
    let apic = x2apic(0x25);
    let cases = [(0x2_0020, true), (0x2_FFFF, true), (0x2_0010, false), (0x3_0020, false), (u32::MAX, true)];
    for (destination, expected) in cases {
        assert_eq!(apic.matches(destination, Logical), expected, "{destination:#x}");
    }
}

#[test]
fn switched_off_matches_nothing() {
    let mut apic = xapic(1);
    apic.write_base(0xFEE0_0000).unwrap();
    for destination in [1, 0xFF, u32::MAX] {
        assert!(!apic.matches(destination, Physical));
        assert!(!apic.matches(destination, Logical));
    }
}

#[test]
fn remote_read_brings_a_register_over() {
    let mut reader = LocalApic::new(Config { remote_read: true, ..Config::new(0) });
    let target = xapic(1);
    let Effect::Ipi(request) = write(&mut reader, register::ICR, 0x4300 | 0x0F) else { panic!("no request") };
    assert_eq!(request.delivery_mode, DeliveryMode::RemoteRead);
    assert_eq!(read(&mut reader, register::ICR) >> 16 & 3, 1, "pending");
    reader.finish_remote_read(target.remote_register(request.vector, T0));
    assert_eq!(read(&mut reader, register::REMOTE_READ), 0x1FF);
    assert_eq!(read(&mut reader, register::ICR) >> 16 & 3, 2, "valid");
    reader.finish_remote_read(None);
    assert_eq!(read(&mut reader, register::ICR) >> 16 & 3, 0, "invalid");
}
