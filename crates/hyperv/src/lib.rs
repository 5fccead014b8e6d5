//! What a guest sees of the hypervisor, as pure state machines.
//!
//! Everything here follows the hypervisor's Top-Level Functional Specification (TLFS), as far as the bits of
//! [`Features`] offer it. The crate owns no thread, no clock, no lock and no memory of the guest. An owner
//! keeps one [`Partition`] and one [`Vp`] per processor behind its own locks and
//!
//! * answers CPUID from [`cpuid::leaf`];
//! * finds the meaning of an MSR with [`Msr::find`], and reads or writes it in the object it names; a write
//!   reports what the owner has to do ([`PartitionChange`], [`VpChange`]);
//! * lays pages over the guest's memory where [`Partition`] and [`Vp`] say so, and lends them here as [`PageMemory`];
//! * lets [`Vp::advance`] run the timers when reference time reaches [`Timers::next_deadline`];
//! * hands hypercalls to [`hypercall::dispatch`] with a [`hypercall::Host`] that performs them.
//!
//! # Example
//!
//! ```
//! use openwhp_hyperv::{Features, HeapPage, Msr, PageMemory, Vp, VpMsr};
//!
//! let features = Features::IMPLEMENTED;
//! let (messages, mut vp) = (HeapPage::new(), Vp::new());
//! let mut set = |index, value| {
//!     let Some(Msr::Vp(msr)) = Msr::find(features, index) else { panic!("a register of the processor") };
//!     vp.write(features, msr, value, 0).expect("accepted")
//! };
//! set(0x4000_0083, 0x5001); // message page at 0x5000
//! set(0x4000_0092, 0x40); // SINT2, vector 0x40
//! set(0x4000_00B0, 2 << 16 | 1 << 3); // timer 0 to SINT2, enabled by its count
//! set(0x4000_00B1, 1000); // at 100 microseconds
//! assert_eq!(vp.timers.next_deadline(), Some(1000));
//! let raised = vp.advance(1000, &messages);
//! assert_eq!(raised.iter().map(|interrupt| interrupt.vector).collect::<Vec<_>>(), [0x40]);
//! assert_eq!(messages.load(2 * 256), 0x8000_0010);
//! ```
//!
//! # Modules
//!
//! | module | idea |
//! |---|---|
//! | `features` | the bits a partition is made with, what they depend on, privileges |
//! | [`cpuid`] | leaves 0x40000000 and up |
//! | `msr` | numbers and meaning of the synthetic MSRs |
//! | `partition` | registers all processors share: guest OS id, hypercall page, reference TSC, crash |
//! | `vp` | registers of one processor: SynIC, timers, assist page |
//! | `synic` | SINTs, messages, event flags |
//! | `timer` | synthetic timers and their saved form |
//! | `reference` | contents of the reference TSC page |
//! | `page` | page memory; code of the hypercall page |
//! | [`hypercall`] | decoding, processor sets, dispatch, status codes |
//!
//! # What it does not do
//!
//! No virtual trust levels, no nested virtualization, no ports and connections of its own: signals to connections go to
//! the owner, and posted messages are always the client's business.
//!
//! # Source
//! TLFS "Feature and Interface Discovery", "Hypercall Interface", "Virtual Interrupt Controller", "Timers".
#![forbid(unsafe_code)]

pub mod cpuid;
mod features;
pub mod hypercall;
mod msr;
mod page;
mod partition;
mod reference;
mod synic;
#[cfg(test)]
mod tests;
mod timer;
mod vp;

pub use features::Features;
pub use features::Unmet;
pub use msr::ApicMsr;
pub use msr::Fact;
pub use msr::Fault;
pub use msr::Msr;
pub use msr::PartitionMsr;
pub use msr::VpMsr;
pub use page::HeapPage;
pub use page::PAGE_SIZE;
pub use page::PageMemory;
pub use page::Vendor;
pub use page::hypercall_code;
pub use partition::Partition;
pub use partition::PartitionChange;
pub use reference::ReferencePage;
pub use reference::next_sequence;
pub use reference::scale_of;
pub use synic::Interrupts;
pub use synic::MESSAGE_SIZE;
pub use synic::NotReady;
pub use synic::PostError;
pub use synic::SINT_COUNT;
pub use synic::Signaled;
pub use synic::SintInterrupt;
pub use synic::Synic;
pub use timer::SAVED_TIMERS_SIZE;
pub use timer::TIMER_COUNT;
pub use timer::Timers;
pub use vp::Vp;
pub use vp::VpChange;
