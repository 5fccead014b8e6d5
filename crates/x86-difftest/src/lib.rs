//! Differential tests of the software processor against the host's.
//!
//! A [`case::Case`] is one user-mode instruction with random operands and a random machine state, made from a
//! seed. [`native::Native`] executes it on the host, [`guest::Guest`] on the software processor, both at the same
//! linear addresses; [`compare::compare`] says where they differ. Start reading in [`session`], which drives the
//! three; [`generate`] decides which instructions exist and how their operands are filled.
//!
//! Only 64-bit x86 hosts can play.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

pub mod case;
pub mod compare;
pub mod filter;
pub mod generate;
pub mod guest;
pub mod native;
pub mod rng;
pub mod session;
