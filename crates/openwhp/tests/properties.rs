//! Rules of properties, set-up and the memory map.

mod common;

use common::RWX;
use openwhp::ApicMode;
use openwhp::Gpa;
use openwhp::GuestMemory;
use openwhp::MapError;
use openwhp::MapFlags;
use openwhp::Partition;
use openwhp::Property;
use openwhp::PropertyCode;
use openwhp::PropertyError;
use openwhp::SetupError;
use openwhp::VpError;
use openwhp::VpIndex;

#[test]
fn every_readable_property_accepts_its_own_value_back() {
    let partition = Partition::new().expect("partition");
    for &code in PropertyCode::ALL {
        match partition.property(code) {
            Ok(property) => {
                assert_eq!(property.code(), code);
                // A count of 0 means unset and is the one default that cannot be set.
                let set = partition.set_property(property);
                assert_eq!(set.is_err(), code == PropertyCode::ProcessorCount, "{code:?}: {set:?}");
            }
            Err(error) => {
                assert_eq!(error, PropertyError::WriteOnly(code));
                assert!(code.is_write_only());
            }
        }
        assert_eq!(PropertyCode::from_code(code as u32), Some(code));
    }
    assert_eq!(PropertyCode::from_code(0x1012), None);
}

#[test]
fn defaults_are_those_of_the_interface() {
    let partition = Partition::new().expect("partition");
    let capabilities = partition.capabilities().clone();
    for property in [
        Property::ProcessorCount(0),
        Property::LocalApicEmulationMode(ApicMode::None),
        Property::X64MsrExitBitmap(openwhp::MsrExitBitmap::UNHANDLED),
        Property::ExceptionExitBitmap(0),
        Property::ReferenceTime(0),
        Property::CpuWeight(100),
        Property::ProcessorXsaveFeatures(capabilities.xsave_features),
        Property::ProcessorFeaturesBanks(capabilities.processor_features),
        Property::SyntheticProcessorFeaturesBanks(0),
        Property::PhysicalAddressWidth(capabilities.physical_address_width),
    ] {
        assert_eq!(partition.property(property.code()), Ok(property));
    }
}

#[test]
fn values_beyond_the_capabilities_are_refused() {
    let partition = Partition::new().expect("partition");
    let width = partition.capabilities().physical_address_width;
    for property in [
        Property::ProcessorCount(0),
        Property::ProcessorCount(100_000),
        Property::ExtendedVmExits(openwhp::ExtendedVmExits::from_bits_retain(1 << 40)),
        Property::ExceptionExitBitmap(1 << 2),
        Property::X64MsrExitBitmap(openwhp::MsrExitBitmap::from_bits_retain(1 << 20)),
        Property::CpuCap(0x1_0001),
        Property::CpuWeight(0),
        Property::CpuReserve(5),
        Property::PrimaryNumaNode(0x7FFF),
        Property::PhysicalAddressWidth(31),
        Property::PhysicalAddressWidth(width + 1),
        Property::ProcessorClFlushSize(3),
        Property::SyntheticProcessorFeaturesBanks(1 << 32),
        Property::InterruptClockFrequency(0),
        Property::ReferenceTime(u64::MAX),
    ] {
        let code = property.code();
        let result = partition.set_property(property);
        assert!(matches!(result, Err(PropertyError::InvalidValue { code: c, .. }) if c == code), "{code:?}");
    }
}

#[test]
fn set_up_needs_a_count_and_consistent_features() {
    let partition = Partition::new().expect("partition");
    assert_eq!(partition.set_up(), Err(SetupError::Missing(PropertyCode::ProcessorCount)));
    partition.set_property(Property::ProcessorCount(300)).expect("count");
    assert!(matches!(partition.set_up(), Err(SetupError::Conflict(_))), "300 need x2APIC");
    partition.set_property(Property::ProcessorCount(1)).expect("count");
    partition.set_property(Property::ProcessorFeatures(u64::MAX)).expect("kept until set-up");
    assert!(matches!(partition.set_up(), Err(SetupError::UnsupportedFeatures { .. })));
    let offered = partition.capabilities().processor_features[0];
    partition.set_property(Property::ProcessorFeatures(offered)).expect("features");
    partition.set_property(Property::NestedVirtualization(true)).expect("kept until set-up");
    assert!(matches!(partition.set_up(), Err(SetupError::NoNestedVirtualization(_))));
    partition.set_property(Property::NestedVirtualization(false)).expect("off");
    assert_eq!(partition.set_up(), Ok(()));
    assert_eq!(partition.set_up(), Err(SetupError::InvalidState));
}

#[test]
fn only_live_properties_change_after_set_up() {
    let partition = Partition::builder().processors(2).build().expect("partition");
    assert_eq!(
        partition.set_property(Property::ProcessorCount(3)),
        Err(PropertyError::NotChangeable(PropertyCode::ProcessorCount))
    );
    assert_eq!(partition.set_property(Property::ExceptionExitBitmap(1 << 6)), Ok(()));
    assert_eq!(
        partition.property(PropertyCode::ExceptionExitBitmap),
        Ok(Property::ExceptionExitBitmap(1 << 6))
    );
    assert_eq!(partition.set_property(Property::ReferenceTime(77)), Ok(()));
    assert_eq!(partition.property(PropertyCode::ReferenceTime), Ok(Property::ReferenceTime(77)));
}

#[test]
fn nothing_but_configuration_works_before_set_up() {
    let partition = Partition::new().expect("partition");
    let memory = GuestMemory::new(0x1000).expect("memory");
    assert_eq!(partition.map(&memory, 0, Gpa(0), 0x1000, RWX), Err(MapError::NotSetUp));
    assert!(matches!(partition.create_vp(VpIndex(0)), Err(VpError::NotSetUp)));
    assert!(partition.reset().is_err() && partition.suspend_time().is_err());
    assert_eq!(partition.guest_time_ns(), 0);
}

#[test]
fn bad_ranges_are_refused_with_what_is_wrong() {
    let partition = Partition::builder().processors(1).build().expect("partition");
    let memory = GuestMemory::new(0x2000).expect("memory");
    let width = partition.capabilities().physical_address_width;
    let map = |offset, gpa, len, flags| partition.map(&memory, offset, Gpa(gpa), len, flags);
    assert_eq!(map(1, 0, 0x1000, RWX), Err(MapError::Misaligned { value: 1 }));
    assert_eq!(map(0, 0x10, 0x1000, RWX), Err(MapError::Misaligned { value: 0x10 }));
    assert_eq!(map(0, 0, 0x123, RWX), Err(MapError::Misaligned { value: 0x123 }));
    assert_eq!(map(0, 0, 0, RWX), Err(MapError::Empty));
    assert!(matches!(map(0x1000, 0, 0x2000, RWX), Err(MapError::BadHostRange { .. })));
    assert!(matches!(map(0, (1 << width) - 0x1000, 0x2000, RWX), Err(MapError::OutOfRange { .. })));
    assert!(matches!(map(0, u64::MAX - 0xFFF, 0x1000, RWX), Err(MapError::OutOfRange { .. })));
    assert_eq!(map(0, 0, 0x1000, MapFlags::from_bits_retain(16)), Err(MapError::BadFlags(16)));
    assert_eq!(map(0, 0, 0x1000, MapFlags::empty()), Ok(()), "no rights is a mapping too");
    assert_eq!(partition.unmap(Gpa(0), 1), Err(MapError::Misaligned { value: 1 }));
    assert_eq!(partition.unmap(Gpa(0x7000), 0x9000), Ok(()), "holes are fine");
    // SAFETY: both calls are refused before anything is mapped.
    #[expect(unsafe_code, reason = "tries addresses that are refused")]
    unsafe {
        assert!(partition.map_raw(std::ptr::null_mut(), Gpa(0), 0x1000, RWX).is_err());
        assert!(partition.map_raw(usize::MAX as *mut u8, Gpa(0), 0x1000, RWX).is_err());
    }
}

#[test]
fn a_mapping_may_be_as_large_as_the_guest() {
    let partition = Partition::builder().processors(1).build().expect("partition");
    let width = partition.capabilities().physical_address_width;
    // SAFETY: nothing runs and nothing is accessed before the range is unmapped.
    #[expect(unsafe_code, reason = "maps addresses that nobody touches")]
    let mapped =
        unsafe { partition.map_raw(0x1000 as *mut u8, Gpa(0), 1 << width, RWX | MapFlags::TRACK_DIRTY) };
    assert_eq!((mapped, partition.mapped_pages()), (Ok(()), 1 << (width - 12)));
    let mut byte = [0];
    assert!(matches!(
        partition.read_gpa(Gpa(0x10_0000), &mut byte),
        Err(openwhp::AccessError::Denied { .. })
    ));
    assert_eq!(partition.unmap(Gpa(0), 1 << width), Ok(()));
    assert_eq!(partition.mapped_pages(), 0);
}

#[test]
fn indices_are_checked_and_reusable() {
    let partition = Partition::builder().processors(2).build().expect("partition");
    assert!(matches!(partition.create_vp(VpIndex(2)), Err(VpError::BadIndex { count: 2, .. })));
    let vp = partition.create_vp(VpIndex(1)).expect("processor");
    assert!(matches!(partition.create_vp(VpIndex(1)), Err(VpError::Exists(VpIndex(1)))));
    assert!(partition.vp(VpIndex(0)).is_none() && partition.vp(VpIndex(1)).is_some());
    partition.delete_vp(VpIndex(1)).expect("delete");
    assert!(matches!(vp.run(), Err(openwhp::RunError::Deleted)));
    assert!(matches!(partition.delete_vp(VpIndex(1)), Err(VpError::NotFound(_))));
    assert!(partition.create_vp(VpIndex(1)).is_ok());
}

#[test]
fn a_deleted_partition_refuses_everything() {
    let partition = Partition::builder().processors(1).build().expect("partition");
    let vp = partition.create_vp(VpIndex(0)).expect("processor");
    partition.delete();
    assert!(matches!(vp.run(), Err(openwhp::RunError::Deleted)));
    assert!(matches!(partition.create_vp(VpIndex(0)), Err(VpError::NotSetUp)));
    assert!(partition.property(PropertyCode::ProcessorCount).is_err());
    partition.delete();
}
