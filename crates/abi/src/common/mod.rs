//! What both instruction sets share.

mod capability;
mod counters;
mod exit;
mod interrupt;
mod memory;
mod property;
mod register;
mod state;
mod vpci;
mod vtl;

use crate::layout::Enumeration;
use crate::layout::Record;

pub use capability::*;
pub use counters::*;
pub use exit::*;
pub use interrupt::*;
pub use memory::*;
pub use property::*;
pub use register::*;
pub use state::*;
pub use vpci::*;
pub use vtl::*;

/// Layouts of the shared types.
pub(crate) const RECORDS: &[&[Record]] = &[
    register::RECORDS,
    vtl::RECORDS,
    memory::RECORDS,
    capability::RECORDS,
    property::RECORDS,
    exit::RECORDS,
    interrupt::RECORDS,
    counters::RECORDS,
    state::RECORDS,
    vpci::RECORDS,
];

/// Shared enumerations.
pub(crate) const ENUMERATIONS: &[&[Enumeration]] = &[
    register::ENUMERATIONS,
    vtl::ENUMERATIONS,
    memory::ENUMERATIONS,
    capability::ENUMERATIONS,
    property::ENUMERATIONS,
    exit::ENUMERATIONS,
    interrupt::ENUMERATIONS,
    counters::ENUMERATIONS,
    state::ENUMERATIONS,
    vpci::ENUMERATIONS,
];
