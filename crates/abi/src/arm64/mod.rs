//! The interface as Arm64 partitions see it.

mod capability;
mod counters;
mod exit;
mod features;
mod interrupt;
mod memory;
mod property;
mod register;
mod register_name;
mod state;
mod vtl;

use crate::common;
use crate::layout::Enumeration;
use crate::layout::Record;

pub use crate::common::*;
pub use capability::*;
pub use counters::*;
pub use exit::*;
pub use features::*;
pub use interrupt::*;
pub use memory::*;
pub use property::*;
pub use register::*;
pub use register_name::*;
pub use state::*;
pub use vtl::*;

/// Alias of [`WHvRegisterSifp`].
pub const WHvRegisterSiefp: WHV_REGISTER_NAME = WHvRegisterSifp;

/// Alias of [`WHvRegisterSipp`].
pub const WHvRegisterSimp: WHV_REGISTER_NAME = WHvRegisterSipp;

/// Alias of [`WHvRegisterPendingEvent0`].
pub const WHvRegisterPendingEvent: WHV_REGISTER_NAME = WHvRegisterPendingEvent0;

/// Number of processor-feature banks.
pub const WHV_PROCESSOR_FEATURES_BANKS_COUNT: u32 = 2;

/// Number of synthetic-feature banks.
pub const WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS_COUNT: u32 = 1;

/// All trust levels.
pub const WHV_VTL_ALL: u32 = 15;

/// Most bytes that one direct access moves.
pub const WHV_READ_WRITE_GPA_RANGE_MAX_SIZE: u32 = 16;

/// Alias of [`WHvRunVpCancelReasonUser`].
pub const WhvRunVpCancelReasonUser: WHV_RUN_VP_CANCEL_REASON = WHvRunVpCancelReasonUser;

/// State-type flag: whole pages.
pub const WHV_VIRTUAL_PROCESSOR_STATE_TYPE_PFN: u32 = 0x8000_0000;

/// State-type flag: partition-wide.
pub const WHV_VIRTUAL_PROCESSOR_STATE_TYPE_ANY_VP: u32 = 0x4000_0000;

/// Version of the distributor state.
pub const WHV_ARM64_GLOBAL_INTERRUPT_CONTROLLER_STATE_VERSION_CURRENT: u32 = 1;

/// Version of the redistributor state.
pub const WHV_ARM64_INTERRUPT_CONTROLLER_STATE_VERSION_CURRENT: u32 = 1;

/// Characters in a device instance identifier.
pub const WHV_MAX_DEVICE_ID_SIZE_IN_CHARS: u32 = 200;

/// Base-address registers of a device.
pub const WHV_VPCI_TYPE0_BAR_COUNT: u32 = 6;

/// Processor index that addresses the partition.
pub const WHV_ANY_VP: u32 = u32::MAX;

/// No limit for the preferred target.
pub const WHV_NOTIFICATION_PORT_PREFERRED_DURATION_MAX: u64 = u64::MAX;

/// Bytes in a SynIC message.
pub const WHV_SYNIC_MESSAGE_SIZE: u32 = 256;

/// Value macros, for tests and tools.
pub const CONSTANTS: &[(&str, u64)] = &[
    ("WHvRegisterSiefp", WHvRegisterSiefp.0 as u64),
    ("WHvRegisterSimp", WHvRegisterSimp.0 as u64),
    ("WHvRegisterPendingEvent", WHvRegisterPendingEvent.0 as u64),
    ("WHV_PROCESSOR_FEATURES_BANKS_COUNT", WHV_PROCESSOR_FEATURES_BANKS_COUNT as u64),
    ("WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS_COUNT", WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS_COUNT as u64),
    ("WHV_VTL_ALL", WHV_VTL_ALL as u64),
    ("WHV_READ_WRITE_GPA_RANGE_MAX_SIZE", WHV_READ_WRITE_GPA_RANGE_MAX_SIZE as u64),
    ("WhvRunVpCancelReasonUser", WhvRunVpCancelReasonUser.0 as u64),
    ("WHV_VIRTUAL_PROCESSOR_STATE_TYPE_PFN", WHV_VIRTUAL_PROCESSOR_STATE_TYPE_PFN as u64),
    ("WHV_VIRTUAL_PROCESSOR_STATE_TYPE_ANY_VP", WHV_VIRTUAL_PROCESSOR_STATE_TYPE_ANY_VP as u64),
    (
        "WHV_ARM64_GLOBAL_INTERRUPT_CONTROLLER_STATE_VERSION_CURRENT",
        WHV_ARM64_GLOBAL_INTERRUPT_CONTROLLER_STATE_VERSION_CURRENT as u64,
    ),
    (
        "WHV_ARM64_INTERRUPT_CONTROLLER_STATE_VERSION_CURRENT",
        WHV_ARM64_INTERRUPT_CONTROLLER_STATE_VERSION_CURRENT as u64,
    ),
    ("WHV_MAX_DEVICE_ID_SIZE_IN_CHARS", WHV_MAX_DEVICE_ID_SIZE_IN_CHARS as u64),
    ("WHV_VPCI_TYPE0_BAR_COUNT", WHV_VPCI_TYPE0_BAR_COUNT as u64),
    ("WHV_ANY_VP", WHV_ANY_VP as u64),
    ("WHV_NOTIFICATION_PORT_PREFERRED_DURATION_MAX", WHV_NOTIFICATION_PORT_PREFERRED_DURATION_MAX),
    ("WHV_SYNIC_MESSAGE_SIZE", WHV_SYNIC_MESSAGE_SIZE as u64),
];

const OWN_RECORDS: &[&[Record]] = &[
    register_name::RECORDS,
    register::RECORDS,
    features::RECORDS,
    vtl::RECORDS,
    memory::RECORDS,
    capability::RECORDS,
    property::RECORDS,
    exit::RECORDS,
    interrupt::RECORDS,
    counters::RECORDS,
    state::RECORDS,
];

const OWN_ENUMERATIONS: &[&[Enumeration]] = &[
    register_name::ENUMERATIONS,
    register::ENUMERATIONS,
    features::ENUMERATIONS,
    vtl::ENUMERATIONS,
    memory::ENUMERATIONS,
    capability::ENUMERATIONS,
    property::ENUMERATIONS,
    exit::ENUMERATIONS,
    interrupt::ENUMERATIONS,
    counters::ENUMERATIONS,
    state::ENUMERATIONS,
];

/// Layouts of every type, shared ones included, for tests and tools.
pub fn records() -> impl Iterator<Item = &'static Record> {
    common::RECORDS.iter().chain(OWN_RECORDS).copied().flatten()
}

/// Every enumeration, shared ones included, for tests and tools.
pub fn enumerations() -> impl Iterator<Item = &'static Enumeration> {
    common::ENUMERATIONS.iter().chain(OWN_ENUMERATIONS).copied().flatten()
}
