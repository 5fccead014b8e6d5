//! Interrupts, SynIC events, doorbells, ports and triggers.

use core::ffi::c_void;

use super::memory::WHV_GUEST_PHYSICAL_ADDRESS;
use super::vtl::WHV_VTL;
use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;
use crate::layout::record;

block! {
    /// Guest write that rings a doorbell.
    pub struct WHV_DOORBELL_MATCH_DATA: 24 bytes, align 8 {
        GuestAddress, set_GuestAddress: WHV_GUEST_PHYSICAL_ADDRESS = 0;
        Value, set_Value: u64 = 8;
        Length, set_Length: u32 = 16;
        MatchOnValue, set_MatchOnValue: u32 = 20 bits 0, 1;
        MatchOnLength, set_MatchOnLength: u32 = 20 bits 1, 1;
        Reserved, set_Reserved: u32 = 20 bits 2, 30;
    }
}

record! {
    /// SynIC event to signal, passed by value.
    pub struct WHV_SYNIC_EVENT_PARAMETERS {
        VpIndex: u32,
        TargetSint: u8,
        TargetVtl: WHV_VTL,
        FlagNumber: u16,
    }
}

/// Opaque handle of a trigger.
pub type WHV_TRIGGER_HANDLE = *mut c_void;

enumeration! {
    /// Property of a new processor.
    pub struct WHV_VIRTUAL_PROCESSOR_PROPERTY_CODE {
        WHvVirtualProcessorPropertyCodeNumaNode = 0,
    }
}

block! {
    /// Property of a new processor, with its value.
    pub struct WHV_VIRTUAL_PROCESSOR_PROPERTY: 16 bytes, align 8 {
        PropertyCode, set_PropertyCode: WHV_VIRTUAL_PROCESSOR_PROPERTY_CODE = 0;
        Reserved, set_Reserved: u32 = 4;
        NumaNode, set_NumaNode: u16 = 8;
        Padding, set_Padding: u64 = 8;
    }
}

enumeration! {
    /// Kind of notification port.
    pub struct WHV_NOTIFICATION_PORT_TYPE {
        WHvNotificationPortTypeEvent = 2,
        WHvNotificationPortTypeDoorbell = 4,
    }
}

block! {
    /// What a notification port listens to.
    pub struct WHV_NOTIFICATION_PORT_PARAMETERS: 32 bytes, align 8 {
        NotificationPortType, set_NotificationPortType: WHV_NOTIFICATION_PORT_TYPE = 0;
        Reserved, set_Reserved: u16 = 4;
        Reserved1, set_Reserved1: u8 = 6;
        ConnectionVtl, set_ConnectionVtl: u8 = 7;
        Doorbell, set_Doorbell: WHV_DOORBELL_MATCH_DATA = 8;
        Event, set_Event: [u8; 4] = 8;
        Event_ConnectionId, set_Event_ConnectionId: u32 = 8;
    }
}

enumeration! {
    /// Property of a notification port.
    pub struct WHV_NOTIFICATION_PORT_PROPERTY_CODE {
        WHvNotificationPortPropertyPreferredTargetVp = 1,
        WHvNotificationPortPropertyPreferredTargetDuration = 5,
    }
}

/// Value of a notification-port property.
pub type WHV_NOTIFICATION_PORT_PROPERTY = u64;

/// Opaque handle of a notification port.
pub type WHV_NOTIFICATION_PORT_HANDLE = *mut c_void;

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    WHV_DOORBELL_MATCH_DATA::RECORD,
    WHV_SYNIC_EVENT_PARAMETERS::RECORD,
    Record::plain::<WHV_TRIGGER_HANDLE>("WHV_TRIGGER_HANDLE"),
    Record::plain::<WHV_VIRTUAL_PROCESSOR_PROPERTY_CODE>("WHV_VIRTUAL_PROCESSOR_PROPERTY_CODE"),
    WHV_VIRTUAL_PROCESSOR_PROPERTY::RECORD,
    Record::plain::<WHV_NOTIFICATION_PORT_TYPE>("WHV_NOTIFICATION_PORT_TYPE"),
    WHV_NOTIFICATION_PORT_PARAMETERS::RECORD,
    Record::plain::<WHV_NOTIFICATION_PORT_PROPERTY_CODE>("WHV_NOTIFICATION_PORT_PROPERTY_CODE"),
    Record::plain::<WHV_NOTIFICATION_PORT_PROPERTY>("WHV_NOTIFICATION_PORT_PROPERTY"),
    Record::plain::<WHV_NOTIFICATION_PORT_HANDLE>("WHV_NOTIFICATION_PORT_HANDLE"),
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[
    WHV_VIRTUAL_PROCESSOR_PROPERTY_CODE::ENUMERATION,
    WHV_NOTIFICATION_PORT_TYPE::ENUMERATION,
    WHV_NOTIFICATION_PORT_PROPERTY_CODE::ENUMERATION,
];
