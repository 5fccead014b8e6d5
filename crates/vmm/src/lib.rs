//! The command `openwhp`: a small virtual machine monitor on the public API of the platform.
//!
//! A run goes like this: [`cli`] reads the command line, [`run`] opens what it names and puts a machine together:
//! [`boot`] loads the kernel, [`acpi`] describes the hardware, [`machine`] holds the devices of
//! `openwhp-devices` and their wiring. Then each virtual processor has a thread ([`processor`]), one thread keeps
//! device time, and one waits for input ([`input`]) and carries the network ([`usernet`]). [`trace`] writes down what exits there were, [`debug`] lets a debugger in. The first of them
//! that learns of the end says so in [`outcome::Ending`]. Start reading in [`run`].
//!
//! Everything is safe code.

#![forbid(unsafe_code)]

pub mod acpi;
pub mod boot;
pub mod caps;
pub mod check;
pub mod cli;
pub mod console;
pub mod debug;
pub mod disk;
pub mod input;
pub mod layout;
pub mod machine;
pub mod manual;
pub mod outcome;
pub mod processor;
pub mod random;
pub mod report;
pub mod run;
pub mod terminal;
pub mod trace;
pub mod usernet;
pub mod wake;
