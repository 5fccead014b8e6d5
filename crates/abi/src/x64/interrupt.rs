//! Interrupts, SynIC events, doorbells, ports and triggers.

use crate::common::WHV_SYNIC_EVENT_PARAMETERS;
use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;

enumeration! {
    /// Delivery mode of a requested interrupt.
    pub struct WHV_INTERRUPT_TYPE {
        WHvX64InterruptTypeFixed = 0,
        WHvX64InterruptTypeLowestPriority = 1,
        WHvX64InterruptTypeNmi = 4,
        WHvX64InterruptTypeInit = 5,
        WHvX64InterruptTypeSipi = 6,
        WHvX64InterruptTypeLocalInt1 = 9,
    }
}

enumeration! {
    /// How a destination is read.
    pub struct WHV_INTERRUPT_DESTINATION_MODE {
        WHvX64InterruptDestinationModePhysical = 0,
        WHvX64InterruptDestinationModeLogical = 1,
    }
}

enumeration! {
    /// Edge or level.
    pub struct WHV_INTERRUPT_TRIGGER_MODE {
        WHvX64InterruptTriggerModeEdge = 0,
        WHvX64InterruptTriggerModeLevel = 1,
    }
}

block! {
    /// Interrupt that `WHvRequestInterrupt` asks for.
    pub struct WHV_INTERRUPT_CONTROL: 16 bytes, align 8 {
        Type, set_Type: u64 = 0 bits 0, 8;
        DestinationMode, set_DestinationMode: u64 = 0 bits 8, 4;
        TriggerMode, set_TriggerMode: u64 = 0 bits 12, 4;
        TargetVtl, set_TargetVtl: u64 = 0 bits 16, 8;
        Reserved, set_Reserved: u64 = 0 bits 24, 40;
        Destination, set_Destination: u32 = 8;
        Vector, set_Vector: u32 = 12;
    }
}

enumeration! {
    /// What a trigger does.
    pub struct WHV_TRIGGER_TYPE {
        WHvTriggerTypeInterrupt = 0,
        WHvTriggerTypeSynicEvent = 1,
        WHvTriggerTypeDeviceInterrupt = 2,
    }
}

block! {
    /// What a trigger does, with its parameters.
    pub struct WHV_TRIGGER_PARAMETERS: 32 bytes, align 8 {
        TriggerType, set_TriggerType: WHV_TRIGGER_TYPE = 0;
        Reserved, set_Reserved: u32 = 4;
        Interrupt, set_Interrupt: WHV_INTERRUPT_CONTROL = 8;
        SynicEvent, set_SynicEvent: WHV_SYNIC_EVENT_PARAMETERS = 8;
        DeviceInterrupt, set_DeviceInterrupt: [u8; 24] = 8;
        DeviceInterrupt_LogicalDeviceId, set_DeviceInterrupt_LogicalDeviceId: u64 = 8;
        DeviceInterrupt_MsiAddress, set_DeviceInterrupt_MsiAddress: u64 = 16;
        DeviceInterrupt_MsiData, set_DeviceInterrupt_MsiData: u32 = 24;
        DeviceInterrupt_Reserved, set_DeviceInterrupt_Reserved: u32 = 28;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_INTERRUPT_TYPE>("WHV_INTERRUPT_TYPE"),
    Record::plain::<WHV_INTERRUPT_DESTINATION_MODE>("WHV_INTERRUPT_DESTINATION_MODE"),
    Record::plain::<WHV_INTERRUPT_TRIGGER_MODE>("WHV_INTERRUPT_TRIGGER_MODE"),
    WHV_INTERRUPT_CONTROL::RECORD,
    Record::plain::<WHV_TRIGGER_TYPE>("WHV_TRIGGER_TYPE"),
    WHV_TRIGGER_PARAMETERS::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[
    WHV_INTERRUPT_TYPE::ENUMERATION,
    WHV_INTERRUPT_DESTINATION_MODE::ENUMERATION,
    WHV_INTERRUPT_TRIGGER_MODE::ENUMERATION,
    WHV_TRIGGER_TYPE::ENUMERATION,
];
