//! Errors engines report; one enum per family of operations.

use crate::ApicMode;
use crate::Gpa;
use crate::RegisterName;
use crate::RegisterValue;
use crate::VpIndex;

/// A partition or processor could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The engine lacks an ability the configuration asks for.
    #[error("engine {engine} cannot offer {ability}; {advice}")]
    NotAvailable {
        /// Which engine.
        engine: &'static str,
        /// What is missing.
        ability: &'static str,
        /// What to do about it.
        advice: &'static str,
    },
    /// Features of the configuration contradict each other.
    #[error("synthetic features {features:#x} need {need}")]
    Unmet {
        /// Which features.
        features: u64,
        /// What they need.
        need: &'static str,
    },
    /// The host gave no memory.
    #[error("not enough host memory for {what}")]
    OutOfMemory {
        /// For what.
        what: &'static str,
    },
    /// The index is not below the partition's processor count.
    #[error("processor index {index} is not below the partition's processor count {count}")]
    BadIndex {
        /// The index asked for.
        index: VpIndex,
        /// The partition's count.
        count: u32,
    },
}

/// A change of the guest memory map failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineMapError {
    /// The host gave no memory for the map itself.
    #[error("not enough host memory for the memory map")]
    OutOfMemory,
    /// Pages of the range are not mapped, or are not tracked.
    #[error("guest page {gpa} is not mapped or not tracked")]
    NotFound {
        /// The first such page.
        gpa: Gpa,
    },
    /// Pages of the range refuse the access.
    #[error("guest page {gpa} does not permit the access")]
    AccessDenied {
        /// The first such page.
        gpa: Gpa,
    },
    /// A page was not pinned.
    #[error("guest page {gpa} is not pinned")]
    NotPinned {
        /// The first such page.
        gpa: Gpa,
    },
}

/// A processor could not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineRunError {
    /// A pending interruption cannot be delivered in the current state (for instance an interrupt while IF=0).
    #[error("the pending interruption cannot be delivered: interrupts are masked or blocked")]
    UndeliverableInterruption,
}

/// A register access failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// No register has this number.
    #[error("register {0} is not known")]
    UnknownName(RegisterName),
    /// The register exists, but its feature is absent or off in this partition.
    #[error("register {0} is not available in this partition")]
    NotAvailable(RegisterName),
    /// The value has reserved bits set or exceeds the partition's features.
    #[error("register {name} cannot take the value {value:?}")]
    InvalidValue {
        /// Which register.
        name: RegisterName,
        /// The refused value.
        value: RegisterValue,
    },
    /// The register cannot be written in this partition.
    #[error("register {0} cannot be written in this partition")]
    AccessDenied(RegisterName),
    /// The processor is inside run.
    #[error("the processor is running; cancel it first")]
    Running,
    /// The processor was deleted.
    #[error("the processor was deleted")]
    Deleted,
    /// Names and values differ in number.
    #[error("{names} register names but {values} values")]
    CountMismatch {
        /// Names given.
        names: usize,
        /// Values given.
        values: usize,
    },
}

/// A state blob could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The processor is inside run.
    #[error("the processor is running; cancel it first")]
    Running,
    /// The processor was deleted.
    #[error("the processor was deleted")]
    Deleted,
    /// The blob has the wrong size.
    #[error("the state has {actual} bytes, {expected} are needed")]
    Size {
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// The blob contradicts itself or exceeds the partition's features.
    #[error("the state is malformed: {0}")]
    Malformed(&'static str),
    /// The partition has no emulated local APIC.
    #[error("the partition has no emulated local APIC")]
    NoApic,
    /// The partition has no synthetic interrupt controller.
    #[error(
        "the partition has no synthetic interrupt controller; its synthetic features lack AccessSynicRegs"
    )]
    NoSynic,
}

/// An interrupt request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InterruptError {
    /// The partition has no emulated local APIC.
    #[error("the partition has no emulated local APIC (mode {0:?})")]
    NoApic(ApicMode),
    /// Fixed vectors start at 16.
    #[error("vector {0:#x} is below 0x10")]
    ReservedVector(u32),
    /// The vector does not fit the kind of interrupt.
    #[error("vector {0:#x} is not valid for this kind of interrupt")]
    BadVector(u32),
    /// The partition is not set up.
    #[error("the partition is not set up")]
    NotSetUp,
}

/// One instruction could not be completed by emulation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmulateError {
    /// The processor is inside run.
    #[error("the processor is running; cancel it first")]
    Running,
    /// The processor was deleted.
    #[error("the processor was deleted")]
    Deleted,
    /// The engine cannot emulate single instructions.
    #[error("the engine cannot emulate single instructions")]
    NotAvailable,
    /// The exit does not come from a memory or port access.
    #[error("the exit is not a memory or port access")]
    WrongExit,
    /// An event was being delivered when the access happened: there is no instruction to finish.
    #[error("the access was made by the delivery of an event, not by an instruction")]
    EventDelivery,
    /// The instruction cannot be emulated; the bytes at RIP.
    #[error("the instruction {bytes:02x?} cannot be emulated")]
    Unsupported {
        /// The bytes at RIP, as far as they can be read.
        bytes: Vec<u8>,
    },
}
