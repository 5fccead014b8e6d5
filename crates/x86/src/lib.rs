//! A software x86-64 processor.
//!
//! This crate is one processor and nothing else: given memory, time, interrupts and randomness through
//! [`env::Env`], [`Cpu::run`] executes guest code until something needs its owner, and says what in
//! [`CpuExit`]. It knows no partitions, threads, files or clocks, which is what makes it testable,
//! fuzzable and replayable.
//!
//! Where to start reading:
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`state`] | the architectural state as plain data |
//! | [`cpu`] | the run loop, events at instruction boundaries, faults |
//! | `decode`, `block`, `exec` | blocks of decoded operations: building, finding, running |
//! | [`single`] | one instruction on memory that is not there: for instruction emulators |
//! | [`op`] | the decoded operation and its operand accessors |
//! | [`mem`] | linear-address access: TLB, page walk, the slow path |
//! | `int` | integer instructions |
//! | `sys` | segmentation, exceptions, control registers, MSRs, CPUID |
//! | `vec` | x87, MMX, SSE to AVX-512 and the XSAVE family |
//!
//! An instruction either completes or has had no effect (string instructions: whole iterations), so every
//! exit is precise and can simply be run again.

pub mod cpu;
pub mod env;
pub mod exit;
pub mod flags;
pub mod mem;
pub mod model;
pub mod op;
pub mod single;
pub mod state;
#[doc(hidden)]
pub mod testing;

mod block;
mod bus;
mod decode;
mod exec;
mod host;
mod int;
mod sys;
pub mod vec;

pub use cpu::Cpu;
pub use cpu::Mode;
pub use exit::CpuExit;
pub use model::CpuModel;
