//! Virtual PCI devices.

use core::ffi::c_void;

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::enumeration;
use crate::layout::record;
use crate::windows::LUID;

enumeration! {
    /// Options of a virtual PCI resource.
    pub struct WHV_ALLOCATE_VPCI_RESOURCE_FLAGS {
        WHvAllocateVpciResourceFlagNone = 0,
        WHvAllocateVpciResourceFlagAllowDirectP2P = 1,
    }
}

record! {
    /// Names a physical function's virtual function.
    pub struct WHV_SRIOV_RESOURCE_DESCRIPTOR {
        PnpInstanceId: [u16; 200],
        VirtualFunctionId: LUID,
        VirtualFunctionIndex: u16,
        Reserved: u16,
    }
}

enumeration! {
    /// Kind of device notification.
    pub struct WHV_VPCI_DEVICE_NOTIFICATION_TYPE {
        WHvVpciDeviceNotificationUndefined = 0,
        WHvVpciDeviceNotificationMmioRemapping = 1,
        WHvVpciDeviceNotificationSurpriseRemoval = 2,
    }
}

record! {
    /// Device notification.
    pub struct WHV_VPCI_DEVICE_NOTIFICATION {
        NotificationType: WHV_VPCI_DEVICE_NOTIFICATION_TYPE,
        Reserved1: u32,
        Reserved2: u64,
    }
}

enumeration! {
    /// Options of a virtual PCI device.
    pub struct WHV_CREATE_VPCI_DEVICE_FLAGS {
        WHvCreateVpciDeviceFlagNone = 0,
        WHvCreateVpciDeviceFlagPhysicallyBacked = 1,
        WHvCreateVpciDeviceFlagUseLogicalInterrupts = 2,
    }
}

enumeration! {
    /// Property of a virtual PCI device.
    pub struct WHV_VPCI_DEVICE_PROPERTY_CODE {
        WHvVpciDevicePropertyCodeUndefined = 0,
        WHvVpciDevicePropertyCodeHardwareIDs = 1,
        WHvVpciDevicePropertyCodeProbedBARs = 2,
    }
}

record! {
    /// PCI identification registers.
    pub struct WHV_VPCI_HARDWARE_IDS {
        VendorID: u16,
        DeviceID: u16,
        RevisionID: u8,
        ProgIf: u8,
        SubClass: u8,
        BaseClass: u8,
        SubVendorID: u16,
        SubSystemID: u16,
    }
}

record! {
    /// Base-address registers as read back after writing all ones.
    pub struct WHV_VPCI_PROBED_BARS {
        Value: [u32; 6],
    }
}

enumeration! {
    /// Direct accesses that a register range allows.
    pub struct WHV_VPCI_MMIO_RANGE_FLAGS {
        WHvVpciMmioRangeFlagReadAccess = 1,
        WHvVpciMmioRangeFlagWriteAccess = 2,
    }
}

enumeration! {
    /// Configuration space or a base-address register.
    pub struct WHV_VPCI_DEVICE_REGISTER_SPACE {
        WHvVpciConfigSpace = 0xFFFF_FFFF,
        WHvVpciBar0 = 0,
        WHvVpciBar1 = 1,
        WHvVpciBar2 = 2,
        WHvVpciBar3 = 3,
        WHvVpciBar4 = 4,
        WHvVpciBar5 = 5,
    }
}

record! {
    /// Piece of a device's registers mapped into the caller.
    pointers pub struct WHV_VPCI_MMIO_MAPPING {
        Location: WHV_VPCI_DEVICE_REGISTER_SPACE,
        Flags: WHV_VPCI_MMIO_RANGE_FLAGS,
        SizeInBytes: u64,
        OffsetInBytes: u64,
        VirtualAddress: *mut c_void,
    }
}

record! {
    /// Device register to read or write.
    pub struct WHV_VPCI_DEVICE_REGISTER {
        Location: WHV_VPCI_DEVICE_REGISTER_SPACE,
        SizeInBytes: u32,
        OffsetInBytes: u64,
    }
}

enumeration! {
    /// Options of an interrupt target.
    pub struct WHV_VPCI_INTERRUPT_TARGET_FLAGS {
        WHvVpciInterruptTargetFlagNone = 0,
        WHvVpciInterruptTargetFlagMulticast = 1,
    }
}

record! {
    /// Vector and processors of a device interrupt. `Processors` has `ProcessorCount` entries.
    pub struct WHV_VPCI_INTERRUPT_TARGET {
        Vector: u32,
        Flags: WHV_VPCI_INTERRUPT_TARGET_FLAGS,
        ProcessorCount: u32,
        Processors: [u32; 1],
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_ALLOCATE_VPCI_RESOURCE_FLAGS>("WHV_ALLOCATE_VPCI_RESOURCE_FLAGS"),
    WHV_SRIOV_RESOURCE_DESCRIPTOR::RECORD,
    Record::plain::<WHV_VPCI_DEVICE_NOTIFICATION_TYPE>("WHV_VPCI_DEVICE_NOTIFICATION_TYPE"),
    WHV_VPCI_DEVICE_NOTIFICATION::RECORD,
    Record::plain::<WHV_CREATE_VPCI_DEVICE_FLAGS>("WHV_CREATE_VPCI_DEVICE_FLAGS"),
    Record::plain::<WHV_VPCI_DEVICE_PROPERTY_CODE>("WHV_VPCI_DEVICE_PROPERTY_CODE"),
    WHV_VPCI_HARDWARE_IDS::RECORD,
    WHV_VPCI_PROBED_BARS::RECORD,
    Record::plain::<WHV_VPCI_MMIO_RANGE_FLAGS>("WHV_VPCI_MMIO_RANGE_FLAGS"),
    Record::plain::<WHV_VPCI_DEVICE_REGISTER_SPACE>("WHV_VPCI_DEVICE_REGISTER_SPACE"),
    WHV_VPCI_MMIO_MAPPING::RECORD,
    WHV_VPCI_DEVICE_REGISTER::RECORD,
    Record::plain::<WHV_VPCI_INTERRUPT_TARGET_FLAGS>("WHV_VPCI_INTERRUPT_TARGET_FLAGS"),
    WHV_VPCI_INTERRUPT_TARGET::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[
    WHV_ALLOCATE_VPCI_RESOURCE_FLAGS::ENUMERATION,
    WHV_VPCI_DEVICE_NOTIFICATION_TYPE::ENUMERATION,
    WHV_CREATE_VPCI_DEVICE_FLAGS::ENUMERATION,
    WHV_VPCI_DEVICE_PROPERTY_CODE::ENUMERATION,
    WHV_VPCI_MMIO_RANGE_FLAGS::ENUMERATION,
    WHV_VPCI_DEVICE_REGISTER_SPACE::ENUMERATION,
    WHV_VPCI_INTERRUPT_TARGET_FLAGS::ENUMERATION,
];
