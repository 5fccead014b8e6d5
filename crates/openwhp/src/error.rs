//! Errors of the platform; one enum per family of operations.
//!
//! Errors that come straight from the engine contract (`RegisterError`, `StateError`, `InterruptError`,
//! `EmulateError`) are re-exported by the crate root.

use openwhp_engine::CreateError as EngineCreateError;
use openwhp_engine::Gpa;
use openwhp_engine::Gva;
use openwhp_engine::TranslateResult;
use openwhp_engine::VpIndex;

use crate::PropertyCode;

/// A partition could not be created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The engine asked for is not there.
    #[error("engine {engine} is not available: {reason}")]
    EngineNotAvailable {
        /// Which engine.
        engine: &'static str,
        /// Why, and what to do.
        reason: String,
    },
}

/// A property was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PropertyError {
    /// The property can only be written.
    #[error("property {0:?} can only be written")]
    WriteOnly(PropertyCode),
    /// The property cannot change any more.
    #[error("property {0:?} cannot change after the partition is set up")]
    NotChangeable(PropertyCode),
    /// The value is out of range or beyond the engine's capabilities.
    #[error("property {code:?}: {reason}")]
    InvalidValue {
        /// Which property.
        code: PropertyCode,
        /// What is wrong with the value.
        reason: &'static str,
    },
    /// A processor is running.
    #[error("property {0:?} cannot change while a processor runs")]
    Running(PropertyCode),
    /// The partition is being deleted.
    #[error("the partition was deleted")]
    Deleted,
}

/// A partition could not be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// It is set up already, or deleted.
    #[error("the partition is already set up or deleted")]
    InvalidState,
    /// A required property is missing.
    #[error("property {0:?} must be set before the partition is set up")]
    Missing(PropertyCode),
    /// Properties contradict each other.
    #[error("the properties contradict each other: {0}")]
    Conflict(&'static str),
    /// A feature property asks for more than the engine offers.
    #[error("property {code:?} asks for features {bits:#x} that engine {engine} does not offer")]
    UnsupportedFeatures {
        /// Which property.
        code: PropertyCode,
        /// The bits that are not offered.
        bits: u64,
        /// The engine in use.
        engine: &'static str,
    },
    /// Nested virtualization is not offered.
    #[error("engine {0} does not offer nested virtualization")]
    NoNestedVirtualization(&'static str),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineCreateError),
}

/// A change of the memory map was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The partition is not set up.
    #[error("the partition is not set up")]
    NotSetUp,
    /// An address or the size is not a multiple of 4096 bytes.
    #[error("{value:#x} is not a multiple of 4096 bytes")]
    Misaligned {
        /// The offending value.
        value: u64,
    },
    /// The range has no bytes.
    #[error("the range is empty")]
    Empty,
    /// The range wraps around or exceeds the guest's physical address width.
    #[error("{len:#x} bytes at {gpa} exceed the guest's {width}-bit physical addresses")]
    OutOfRange {
        /// Start of the range.
        gpa: Gpa,
        /// Its length in bytes.
        len: u64,
        /// Width of guest physical addresses in bits.
        width: u32,
    },
    /// The host range is not inside the memory object, is null or wraps around.
    #[error("the host range of {len:#x} bytes at {start:#x} is not valid")]
    BadHostRange {
        /// Start of the range: an offset into the memory object, or an address.
        start: u64,
        /// Its length in bytes.
        len: u64,
    },
    /// Undefined flags.
    #[error("undefined mapping flags in {0:#x}")]
    BadFlags(u32),
    /// The descriptor is no pidfd.
    #[error("the descriptor of the process is no pidfd")]
    NoProcess,
    /// The pidfd means the calling process, whose memory is mapped with [`crate::Partition::map_raw`].
    #[error("the pidfd means the calling process; its memory is mapped as the caller's own")]
    OwnProcess,
    /// Memory of another process cannot be shared.
    #[error("memory of another process at {address:#x} cannot be mapped: {reason}")]
    ProcessMemory {
        /// First address that cannot, in that process.
        address: u64,
        /// Why, and what to do.
        reason: String,
    },
    /// The host gave no memory for the map itself.
    #[error("not enough host memory for the memory map")]
    OutOfMemory,
}

/// Guest memory could not be accessed, queried or advised about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The partition is not set up.
    #[error("the partition is not set up")]
    NotSetUp,
    /// The range is empty, misaligned or wraps around.
    #[error("the range of {len:#x} bytes at {gpa} is empty, misaligned or wraps around")]
    BadRange {
        /// Start of the range.
        gpa: Gpa,
        /// Its length in bytes.
        len: u64,
    },
    /// The bitmap has too few words.
    #[error("the bitmap has {actual} words, {expected} are needed")]
    BitmapTooSmall {
        /// Words needed.
        expected: usize,
        /// Words given.
        actual: usize,
    },
    /// A page is not mapped, or not mapped with the tracking asked for.
    #[error("guest page {gpa} is not mapped or not tracked")]
    NotFound {
        /// The first such page.
        gpa: Gpa,
    },
    /// A page refuses the access.
    #[error("guest page {gpa} does not permit the access")]
    Denied {
        /// The first such page.
        gpa: Gpa,
    },
    /// A page was not pinned.
    #[error("guest page {gpa} is not pinned")]
    NotPinned {
        /// The first such page.
        gpa: Gpa,
    },
    /// The host gave no memory.
    #[error("not enough host memory")]
    OutOfMemory,
}

/// A processor could not be created, deleted or addressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VpError {
    /// The partition is not set up.
    #[error("the partition is not set up")]
    NotSetUp,
    /// The index is in use.
    #[error("processor {0} exists already")]
    Exists(VpIndex),
    /// No such processor.
    #[error("processor {0} does not exist")]
    NotFound(VpIndex),
    /// The index is not below the partition's processor count.
    #[error("processor index {index} is not below the partition's processor count {count}")]
    BadIndex {
        /// The index asked for.
        index: VpIndex,
        /// The partition's count.
        count: u32,
    },
    /// The machine has no such NUMA node.
    #[error("this machine has no NUMA node {0}")]
    BadNode(u16),
    /// The processor is inside run.
    #[error("the processor is running; cancel it first")]
    Running,
    /// The processor was deleted.
    #[error("the processor was deleted")]
    Deleted,
    /// The engine could not make it.
    #[error(transparent)]
    Engine(EngineCreateError),
}

/// Guest memory could not be copied by linear address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GvaError {
    /// The page tables do not translate the address.
    #[error("linear address {gva} is not translated: {result:?}")]
    NotTranslated {
        /// The first such address of the range.
        gva: Gva,
        /// What the walk ended in.
        result: TranslateResult,
    },
    /// The memory map does not permit the access.
    #[error("linear address {gva} cannot be accessed")]
    Access {
        /// Start of the piece, inside one page, that was refused.
        gva: Gva,
        /// Why.
        source: AccessError,
    },
    /// The processor cannot be asked.
    #[error(transparent)]
    Processor(#[from] VpError),
}

/// A processor could not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Another thread runs it.
    #[error("another thread runs this processor")]
    Running,
    /// The processor was deleted.
    #[error("the processor was deleted")]
    Deleted,
    /// The pending interruption cannot be delivered in the current state.
    #[error("the pending interruption cannot be delivered: interrupts are masked or blocked")]
    UndeliverableInterruption,
}

/// Partition time could not be changed, or the partition could not be reset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// The partition is not set up.
    #[error("the partition is not set up")]
    NotSetUp,
    /// A processor is running.
    #[error("a processor is running")]
    Running,
    /// Time is not suspended.
    #[error("partition time is not suspended")]
    NotSuspended,
}

/// Host memory for a guest could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The host refused the allocation.
    #[error("the host refused {len:#x} bytes of memory: {reason}")]
    Refused {
        /// Bytes asked for.
        len: u64,
        /// The host's reason.
        reason: String,
    },
    /// The access leaves the memory object.
    #[error("{len:#x} bytes at offset {offset:#x} leave the memory object of {size:#x} bytes")]
    OutOfRange {
        /// Start of the access.
        offset: u64,
        /// Its length in bytes.
        len: u64,
        /// Size of the object in bytes.
        size: u64,
    },
}
