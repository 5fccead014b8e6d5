//! The contract between the platform and the engines that run guests.
//!
//! The platform (crate `openwhp`) knows partitions, properties and rules; an engine knows how to run a
//! processor. Between them stand the traits of this crate, starting with [`Engine`], and plain types: what a
//! partition is made of ([`PartitionConfig`]), what an engine offers ([`Capabilities`]), why a processor came
//! back ([`Exit`]), and its registers by the interface's numbers ([`RegisterName`], [`RegisterValue`]). Nothing
//! here does anything by itself. Start reading at [`Engine`] and follow the return types.
//!
//! | module | content |
//! | --- | --- |
//! | `traits` | the roles: engine, partition, memory, interrupts, time, processor |
//! | `exit` | exits and their payloads |
//! | `register` | register names and values |
//! | `config`, `capability` | what is asked for, what is offered |
//! | `notification` | events of the host, doorbells, the SynIC's errors |
//! | `memory`, `interrupt`, `bus`, `counters`, `error`, `address` | the types of those calls |

#![deny(unsafe_code)]

mod address;
mod bus;
mod capability;
mod config;
mod counters;
mod error;
mod exit;
mod interrupt;
mod memory;
mod notification;
mod register;
mod traits;

pub use address::Gpa;
pub use address::GuestNs;
pub use address::Gva;
pub use address::PAGE_SIZE;
pub use address::VpIndex;
pub use bus::MmioBus;
pub use bus::OpenBus;
pub use bus::PortBus;
pub use capability::Capabilities;
pub use capability::CapabilityFeatures;
pub use capability::PopulateFlags;
pub use capability::ProcessorVendor;
pub use capability::SchedulerFeatures;
pub use config::ApicMode;
pub use config::ClockMode;
pub use config::CpuidResult;
pub use config::CpuidResult2;
pub use config::ExitControls;
pub use config::ExtendedVmExits;
pub use config::FeatureBanks;
pub use config::MsrAction;
pub use config::MsrActionEntry;
pub use config::MsrExitBitmap;
pub use config::PartitionConfig;
pub use config::Scheduling;
pub use config::UnimplementedMsrAction;
pub use counters::InterceptCounter;
pub use counters::VpCounters;
pub use error::CreateError;
pub use error::EmulateError;
pub use error::EngineMapError;
pub use error::EngineRunError;
pub use error::InterruptError;
pub use error::RegisterError;
pub use error::StateError;
pub use exit::AccessType;
pub use exit::ApicWrite;
pub use exit::ApicWriteType;
pub use exit::CpuidAccess;
pub use exit::CpuidOutput;
pub use exit::DeliverableType;
pub use exit::ExecutionState;
pub use exit::Exit;
pub use exit::ExitReason;
pub use exit::HypercallAccess;
pub use exit::InstructionBytes;
pub use exit::IoPortAccess;
pub use exit::MemoryAccess;
pub use exit::MsrAccess;
pub use exit::RdtscAccess;
pub use exit::UnsupportedFeature;
pub use exit::VpContext;
pub use exit::VpException;
pub use interrupt::DestinationMode;
pub use interrupt::InterruptKind;
pub use interrupt::InterruptRequest;
pub use interrupt::TriggerMode;
pub use memory::HostRange;
pub use memory::MapFlags;
pub use memory::TranslateFlags;
pub use memory::TranslateResult;
pub use memory::Translation;
pub use notification::DeviceInterrupts;
pub use notification::DeviceRetarget;
pub use notification::DeviceRetargeted;
pub use notification::DoorbellMatch;
pub use notification::Event;
pub use notification::NotificationError;
pub use notification::SynicError;
pub use register::RegisterName;
pub use register::RegisterValue;
pub use register::SegmentRegister;
pub use register::TableRegister;
pub use traits::ApicState;
pub use traits::Engine;
pub use traits::EngineInterrupts;
pub use traits::EngineMemory;
pub use traits::EngineNotifications;
pub use traits::EnginePartition;
pub use traits::EngineSynic;
pub use traits::EngineTime;
pub use traits::EngineVp;
pub use traits::SynicState;
pub use traits::VpRemote;
