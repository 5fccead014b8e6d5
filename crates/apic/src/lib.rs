//! The x86 local APIC as a pure state machine.
//!
//! [`LocalApic`] is the interrupt controller of one virtual processor. It owns no thread, no clock and no
//! lock: its owner feeds it register accesses, interrupt messages and the guest's time, and asks it what to
//! deliver. Both access methods exist: the xAPIC memory page ([`LocalApic::mmio_read`],
//! [`LocalApic::mmio_write`]) and the x2APIC MSRs ([`LocalApic::msr_read`], [`LocalApic::msr_write`]).
//!
//! # How an owner uses it
//!
//! * **Register accesses** return a value, or an [`Effect`] the owner has to act on: an inter-processor
//!   interrupt to route, an EOI of a level-triggered vector to tell the I/O APIC, a register write a client
//!   may want to hear about. `Err(GeneralProtection)` means the guest gets #GP(0).
//! * **Messages** (MSIs, I/O APIC, IPIs of others): find the targets with [`LocalApic::matches`], for the
//!   lowest-priority mode pick one with [`lowest_priority`], then hand each its [`Message`] through
//!   [`LocalApic::receive`]. The returned [`Received`] tells what the processor must do.
//! * **Interrupts** the processor can take: [`LocalApic::pending`] names the vector,
//!   [`LocalApic::acknowledge`] takes it (IRR to ISR). NMIs wait in a latch: [`LocalApic::take_nmi`].
//! * **Time**: every call that depends on it takes a [`GuestTime`]. After any `&mut` call the earliest moment
//!   worth waking for is [`LocalApic::next_deadline`]; at or after it call [`LocalApic::advance`].
//!   [`Frequency`] converts between nanoseconds and timer ticks without drift.
//! * **State**: [`LocalApic::save`] and [`LocalApic::restore`] with the plain [`State`]; the 4096-byte register
//!   page and the packed 44-word form in [`LocalApic::page`], [`LocalApic::set_page`],
//!   [`LocalApic::packed`], [`LocalApic::set_packed`].
//!
//! # Example
//!
//! ```
//! use openwhp_apic::{Config, Effect, GuestTime, LocalApic, register};
//!
//! let mut apic = LocalApic::new(Config::new(0));
//! let start = GuestTime { ticks: 0, tsc: 0 };
//! apic.mmio_write(register::SVR.offset(), 0x1FF, start);            // enable
//! apic.mmio_write(register::LVT_TIMER.offset(), 0x2_0040, start);   // periodic, vector 0x40
//! apic.mmio_write(register::DIVIDE.offset(), 0b1011, start);        // divide by 1
//! apic.mmio_write(register::INITIAL_COUNT.offset(), 1000, start);
//!
//! let later = GuestTime { ticks: 1000, tsc: 0 };
//! assert!(apic.advance(later).fired);
//! assert_eq!(apic.pending(), Some(0x40));
//! assert_eq!(apic.acknowledge(), Some(0x40));
//! assert_eq!(apic.mmio_write(register::EOI.offset(), 0, later), Effect::None); // edge: nobody to tell
//! ```
//!
//! # Modules
//!
//! | module | idea |
//! |---|---|
//! | `apic` | the controller: messages in, interrupts out, priorities |
//! | `access` | register reads and writes by either method, and by the host |
//! | `base` | `IA32_APIC_BASE` and its legal transitions |
//! | `icr` | interrupt command register, IPIs |
//! | `lvt` | local vector table entries |
//! | `timer` | one-shot, periodic and TSC-deadline arithmetic |
//! | `layout` | register page and packed words |
//! | `state` | plain saved state |
//!
//! # What it does not do
//!
//! It does not route between processors, hold INIT/SIPI wait states, or keep line levels of an I/O APIC;
//! these belong to the owner. SMIs and ExtINT are reported to the owner, never held here.
//!
//! # Source
//!
//! Intel SDM 3A "Advanced Programmable Interrupt Controller (APIC)"; AMD APM 2 "Advanced Programmable Interrupt
//! Controller" (remote read).
#![forbid(unsafe_code)]

mod access;
mod apic;
mod base;
mod icr;
mod layout;
mod lvt;
pub mod register;
mod state;
#[cfg(test)]
mod tests;
mod timer;
mod vectors;

pub use access::{Effect, GeneralProtection, RegisterError, WriteTrap, WriteTrapKind};
pub use apic::{Config, LocalApic, Message, Received, lowest_priority};
pub use base::{ApicBase, Mode};
pub use icr::{DeliveryMode, DestinationMode, IpiRequest, Shorthand, TriggerMode};
pub use layout::{PACKED_WORDS, PAGE_SIZE};
pub use lvt::LvtEntry;
pub use state::State;
pub use timer::{Advance, Deadline, Frequency, GuestTime};
pub use vectors::VectorSet;
