//! `libWinHvPlatform`: the C interface of the Windows Hypervisor Platform over the crate `openwhp`.
//!
//! This crate checks arguments, keeps handles, lays out structures and turns errors into result codes; nothing else.
//! `boundary.rs` says what every function does on entry and how it reads and writes the caller's memory; `error.rs` is
//! the one table from errors to result codes. The functions themselves stand in files by subject, named as in the
//! C headers. Start with `memory.rs`: it shows every idiom of the crate in a few lines.
//!
//! Order of checks: handle, partition state, required pointers, codes and flags, processor index, processor
//! state, buffer size, values. A failed call writes nothing but a needed size, and changes nothing.

#![expect(
    non_snake_case,
    non_upper_case_globals,
    reason = "the library, its functions and constants have the names of the C headers"
)]

mod boundary;
mod capability;
mod counters;
mod error;
mod exit;
mod extension;
mod handles;
mod interrupt;
mod memory;
mod migration;
mod notification;
mod partition;
mod processor;
mod property;
mod register;
mod state;
mod vpci;

pub use counters::*;
pub use extension::*;
pub use interrupt::*;
pub use memory::*;
pub use migration::*;
pub use notification::*;
pub use partition::*;
pub use processor::*;
pub use register::*;
pub use state::*;
pub use vpci::*;
