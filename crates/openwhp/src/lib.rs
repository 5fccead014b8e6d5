//! A hypervisor platform: partitions, guest memory, virtual processors and exits.
//!
//! The model is that of the Windows Hypervisor Platform. A [`Partition`] is one guest machine; it is configured by
//! properties, set up, given memory ([`GuestMemory`]) and processors ([`Processor`]). A processor runs until
//! something happens that the embedding program must see: an [`Exit`]. The program answers by writing registers and
//! runs it again. Start reading at [`Partition`], or with the example below, which is a whole machine.
//!
//! ```
//! use openwhp::ExitReason;
//! use openwhp::Gpa;
//! use openwhp::GuestMemory;
//! use openwhp::MapFlags;
//! use openwhp::Partition;
//! use openwhp::RegisterName as Name;
//! use openwhp::SegmentRegister;
//! use openwhp::VpIndex;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // mov dx, 0x3f8; mov al, 'H'; out dx, al; mov al, 'i'; out dx, al; hlt
//! let code = [0xBA, 0xF8, 0x03, 0xB0, b'H', 0xEE, 0xB0, b'i', 0xEE, 0xF4];
//!
//! let partition = Partition::builder().processors(1).build()?;
//! let memory = GuestMemory::new(0x1000)?;
//! memory.write(0, &code)?;
//! let rights = MapFlags::READ | MapFlags::WRITE | MapFlags::EXECUTE;
//! partition.map(&memory, 0, Gpa(0x1000), 0x1000, rights)?;
//!
//! let vp = partition.create_vp(VpIndex(0))?;
//! let cs = SegmentRegister { base: 0, limit: 0xFFFF, selector: 0, attributes: 0x9B };
//! vp.set_registers(&[(Name::CS, cs.into()), (Name::RIP, 0x1000.into())])?;
//!
//! let mut text = String::new();
//! loop {
//!     let exit = vp.run()?;
//!     match exit.reason {
//!         ExitReason::IoPort(io) if io.is_write => {
//!             text.push(char::from(io.rax as u8));
//!             let next = exit.vp.rip + u64::from(exit.vp.instruction_length);
//!             vp.set_registers(&[(Name::RIP, next.into())])?;
//!         }
//!         ExitReason::Halt => break,
//!         other => return Err(format!("unexpected exit: {other:?}").into()),
//!     }
//! }
//! assert_eq!(text, "Hi");
//! # Ok(())
//! # }
//! ```
//!
//! | module or type | what it is for |
//! | --- | --- |
//! | [`Partition`], [`PartitionBuilder`] | the machine: properties, memory map, interrupts, time, reset |
//! | [`Processor`], [`VpCanceller`] | running, registers, state, counters, memory by linear address |
//! | [`GuestMemory`] | memory to map |
//! | [`Property`], [`PropertyCode`] | configuration |
//! | [`capabilities`], [`EngineChoice`] | what this machine offers |
//! | [`emulate`], [`emulation`] | finishing the instruction behind a memory or port exit: by the engine, or through callbacks |
//! | [`Exit`], [`ExitReason`] | why a processor came back |
//!
//! Not here: devices and loading of kernels (crate `openwhp-vmm`), the C interface (crate `openwhp-capi`), and the
//! processors themselves (the engines).

mod backing;
mod builder;
mod cell;
pub mod emulate;
pub mod emulation;
mod engines;
mod error;
mod gate;
mod linear;
mod memory;
mod notification;
mod partition;
mod process;
mod processor;
mod property;
mod store;
mod trigger;
mod vpci;

pub use openwhp_engine::AccessType;
pub use openwhp_engine::ApicMode;
pub use openwhp_engine::ApicWrite;
pub use openwhp_engine::ApicWriteType;
pub use openwhp_engine::Capabilities;
pub use openwhp_engine::CapabilityFeatures;
pub use openwhp_engine::ClockMode;
pub use openwhp_engine::CpuidAccess;
pub use openwhp_engine::CpuidOutput;
pub use openwhp_engine::CpuidResult;
pub use openwhp_engine::CpuidResult2;
pub use openwhp_engine::CreateError as EngineCreateError;
pub use openwhp_engine::DeliverableType;
pub use openwhp_engine::DestinationMode;
pub use openwhp_engine::DoorbellMatch;
pub use openwhp_engine::EmulateError;
pub use openwhp_engine::Event;
pub use openwhp_engine::ExecutionState;
pub use openwhp_engine::Exit;
pub use openwhp_engine::ExitReason;
pub use openwhp_engine::ExtendedVmExits;
pub use openwhp_engine::FeatureBanks;
pub use openwhp_engine::Gpa;
pub use openwhp_engine::GuestNs;
pub use openwhp_engine::Gva;
pub use openwhp_engine::HypercallAccess;
pub use openwhp_engine::InstructionBytes;
pub use openwhp_engine::InterceptCounter;
pub use openwhp_engine::InterruptError;
pub use openwhp_engine::InterruptKind;
pub use openwhp_engine::InterruptRequest;
pub use openwhp_engine::IoPortAccess;
pub use openwhp_engine::MapFlags;
pub use openwhp_engine::MemoryAccess;
pub use openwhp_engine::MmioBus;
pub use openwhp_engine::MsrAccess;
pub use openwhp_engine::MsrAction;
pub use openwhp_engine::MsrActionEntry;
pub use openwhp_engine::MsrExitBitmap;
pub use openwhp_engine::NotificationError;
pub use openwhp_engine::OpenBus;
pub use openwhp_engine::PAGE_SIZE;
pub use openwhp_engine::PopulateFlags;
pub use openwhp_engine::PortBus;
pub use openwhp_engine::ProcessorVendor;
pub use openwhp_engine::RdtscAccess;
pub use openwhp_engine::RegisterError;
pub use openwhp_engine::RegisterName;
pub use openwhp_engine::RegisterValue;
pub use openwhp_engine::SegmentRegister;
pub use openwhp_engine::StateError;
pub use openwhp_engine::SynicError;
pub use openwhp_engine::TableRegister;
pub use openwhp_engine::TranslateFlags;
pub use openwhp_engine::TranslateResult;
pub use openwhp_engine::Translation;
pub use openwhp_engine::TriggerMode;
pub use openwhp_engine::UnimplementedMsrAction;
pub use openwhp_engine::UnsupportedFeature;
pub use openwhp_engine::VpContext;
pub use openwhp_engine::VpCounters;
pub use openwhp_engine::VpException;
pub use openwhp_engine::VpIndex;

pub use builder::BuildError;
pub use builder::PartitionBuilder;
pub use engines::EngineChoice;
pub use engines::capabilities;
pub use error::AccessError;
pub use error::CreateError;
pub use error::GvaError;
pub use error::MapError;
pub use error::MemoryError;
pub use error::PropertyError;
pub use error::RunError;
pub use error::SetupError;
pub use error::TimeError;
pub use error::VpError;
pub use memory::GuestMemory;
pub use notification::PortId;
pub use notification::PortProperties;
pub use notification::PortProperty;
pub use notification::PortSource;
pub use notification::SynicEvent;
pub use notification::create_event;
pub use partition::Partition;
pub use processor::Processor;
pub use processor::VpCanceller;
pub use property::Property;
pub use property::PropertyCode;
pub use trigger::TriggerAction;
pub use trigger::TriggerError;
pub use trigger::TriggerId;
pub use vpci::VpciError;
pub use vpci::VpciFlags;
pub use vpci::VpciHardwareIds;
pub use vpci::VpciMessage;
pub use vpci::VpciPower;
pub use vpci::VpciResource;
pub use vpci::VpciSpace;
pub use vpci::VpciTarget;
