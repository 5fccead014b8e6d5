//! Debugging a guest from outside: `openwhp run --gdb`.
//!
//! The guest does not notice: everything is done with what the platform offers any client. Exceptions #DB and #BP
//! become exits, debug registers and the trap flag are borrowed, and what the guest would have seen of its own is
//! given back to it.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`control`] | stops processors and lets them go, each at the top of its loop |
//! | [`vp`] | one processor: single steps, whose exception it is, lending the debug registers |
//! | [`dr`] | guest and debugger in one set of debug registers |
//! | [`instruction`] | the few instructions that need care |
//! | [`segments`] | descriptors, and what a written selector loads |
//! | `server`, `packets` | sockets, packets, what the protocol crate leaves open |
//! | `target`, `breakpoints`, `registers`, `monitor` | the protocol crate's requests, answered |

#[cfg(feature = "gdb")]
pub mod address;
#[cfg(feature = "gdb")]
mod breakpoints;
pub mod control;
pub mod dr;
pub mod instruction;
#[cfg(feature = "gdb")]
mod monitor;
#[cfg(feature = "gdb")]
mod packets;
#[cfg(feature = "gdb")]
mod registers;
pub mod segments;
#[cfg(feature = "gdb")]
pub mod server;
#[cfg(feature = "gdb")]
mod target;
pub mod vp;
