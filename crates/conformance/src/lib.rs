//! Tests of the C interface that any implementation of it must pass.
//!
//! [`cases::all`] lists the bodies. Each takes an [`Engine`], builds a [`Machine`] through the C functions of that
//! engine's [`Api`], and checks one behaviour, citing the line of the specification that asks for it. [`fuzz`] calls
//! the same functions in random order with random arguments.
//!
//! Start with [`machine`], then read any file of `cases`.

#![expect(
    non_snake_case,
    non_upper_case_globals,
    reason = "functions and constants have the names of the C headers"
)]
#![expect(
    clippy::macro_metavars_in_unsafe,
    reason = "calls of C functions are short and have only plain arguments"
)]

pub mod api;
pub mod cases;
pub mod coverage;
pub mod emulator;
pub mod event;
pub mod fuzz;
pub mod machine;
mod observe;
pub mod report;
pub mod running;

pub use api::Api;
pub use coverage::Item;
pub use machine::Engine;
pub use machine::Machine;
pub use machine::Memory;
