//! Processor state categories, interrupt-controller and nested state.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::enumeration;

enumeration! {
    /// Category of processor state.
    pub struct WHV_VIRTUAL_PROCESSOR_STATE_TYPE {
        WHvVirtualProcessorStateTypeSynicMessagePage = 0,
        WHvVirtualProcessorStateTypeSynicEventFlagPage = 1,
        WHvVirtualProcessorStateTypeSynicTimerState = 2,
        WHvVirtualProcessorStateTypeInterruptControllerState2 = 0x1000,
        WHvVirtualProcessorStateTypeXsaveState = 0x1001,
        WHvVirtualProcessorStateTypeNestedState = 0x1002,
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] =
    &[Record::plain::<WHV_VIRTUAL_PROCESSOR_STATE_TYPE>("WHV_VIRTUAL_PROCESSOR_STATE_TYPE")];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[WHV_VIRTUAL_PROCESSOR_STATE_TYPE::ENUMERATION];
