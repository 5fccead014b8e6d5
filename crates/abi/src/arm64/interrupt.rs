//! Interrupts, SynIC events, doorbells, ports and triggers.

use crate::common::WHV_SYNIC_EVENT_PARAMETERS;
use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;
use crate::layout::record;

enumeration! {
    /// Delivery mode of a requested interrupt.
    pub struct WHV_INTERRUPT_TYPE {
        WHvArm64InterruptTypeFixed = 0,
        WHvArm64InterruptTypeMaximum = 8,
    }
}

block! {
    /// Type and line level of a requested interrupt.
    pub struct WHV_INTERRUPT_CONTROL2: 8 bytes, align 8 {
        AsUINT64, set_AsUINT64: u64 = 0;
        InterruptType, set_InterruptType: WHV_INTERRUPT_TYPE = 0;
        Reserved1, set_Reserved1: u32 = 4 bits 0, 2;
        Asserted, set_Asserted: u32 = 4 bits 2, 1;
        Retarget, set_Retarget: u32 = 4 bits 3, 1;
        Reserved2, set_Reserved2: u32 = 4 bits 4, 28;
    }
}

record! {
    /// Interrupt that `WHvRequestInterrupt` asks for.
    pub struct WHV_INTERRUPT_CONTROL {
        TargetPartition: u64,
        InterruptControl: WHV_INTERRUPT_CONTROL2,
        DestinationAddress: u64,
        RequestedVector: u32,
        TargetVtl: u8,
        ReservedZ0: u8,
        ReservedZ1: u16,
    }
}

enumeration! {
    /// What a trigger does.
    pub struct WHV_TRIGGER_TYPE {
        WHvTriggerTypeSynicEvent = 1,
        WHvTriggerTypeDeviceInterrupt = 2,
    }
}

block! {
    /// What a trigger does, with its parameters.
    pub struct WHV_TRIGGER_PARAMETERS: 32 bytes, align 8 {
        TriggerType, set_TriggerType: WHV_TRIGGER_TYPE = 0;
        Reserved, set_Reserved: u32 = 4;
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
    WHV_INTERRUPT_CONTROL2::RECORD,
    WHV_INTERRUPT_CONTROL::RECORD,
    Record::plain::<WHV_TRIGGER_TYPE>("WHV_TRIGGER_TYPE"),
    WHV_TRIGGER_PARAMETERS::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] =
    &[WHV_INTERRUPT_TYPE::ENUMERATION, WHV_TRIGGER_TYPE::ENUMERATION];
