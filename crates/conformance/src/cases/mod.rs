//! The cases, by subject.

#![expect(unsafe_code, reason = "every case calls C functions")]

use crate::Engine;
use crate::Item;

mod absent;
mod apic_delivery;
mod apic_exits;
mod apic_state;
mod capability;
mod counters;
mod dirty;
mod doorbell;
mod emulated_machine;
mod emulator;
mod emulator_system;
mod errors;
mod exits;
mod extension;
mod habits;
mod habits_crosvm;
mod habits_hyperlight;
mod habits_openvmm;
mod habits_qemu;
mod habits_small;
mod habits_virtualbox;
mod habits_wtf;
mod host_faults;
mod hypercall;
mod injection;
mod interrupt;
mod lifecycle;
mod long;
mod memory;
mod memory_rights;
mod open_questions;
mod other_process;
mod partition;
mod port;
mod processor;
mod property;
mod property_effects;
mod register;
mod register_sweep;
mod register_table;
mod scheduling;
mod state;
mod stored_bits;
mod synic;
mod synthetic;
mod synthetic_msr;
mod translate;
mod trigger;
mod vpci;
mod windows;

/// One behaviour.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What the behaviour belongs to.
    pub subject: &'static str,
    /// The behaviour, in words.
    pub name: &'static str,
    /// The part of the specification that asks for it.
    pub source: &'static str,
    /// What it covers besides what its calls show.
    pub covers: &'static [Item],
    /// Panics if the behaviour is another.
    pub body: fn(&Engine),
}

/// Lists the cases of one file: each function with its source, and what its calls do not show.
///
/// ```text
/// cases! { "memory":
///     unmapping_holes_succeeds from "functions.md 2.3",
///     the_final_page_may_be_unmapped from "memory.md 5" covers [Item::Ability("Q31")],
/// }
/// ```
macro_rules! cases {
    ($subject:literal: $($body:ident from $source:literal $(covers [$($item:expr),* $(,)?])?,)*) => {
        /// The cases of this file.
        pub(super) const CASES: &[crate::cases::Case] = &[$(crate::cases::Case {
            subject: $subject,
            name: stringify!($body),
            source: $source,
            covers: &[$($($item),*)?],
            body: $body,
        }),*];
    };
}

use cases;

/// Every case.
pub fn all() -> impl Iterator<Item = Case> {
    let files = [
        capability::CASES,
        partition::CASES,
        property::CASES,
        memory::CASES,
        other_process::CASES,
        memory_rights::CASES,
        lifecycle::CASES,
        dirty::CASES,
        translate::CASES,
        host_faults::CASES,
        processor::CASES,
        register::CASES,
        register_sweep::CASES,
        register_table::CASES,
        property_effects::CASES,
        scheduling::CASES,
        state::CASES,
        vpci::CASES,
        interrupt::CASES,
        counters::CASES,
        errors::CASES,
        exits::CASES,
        apic_exits::CASES,
        apic_delivery::CASES,
        apic_state::CASES,
        injection::CASES,
        windows::CASES,
        doorbell::CASES,
        port::CASES,
        trigger::CASES,
        habits_crosvm::CASES,
        habits_hyperlight::CASES,
        habits_openvmm::CASES,
        habits_qemu::CASES,
        habits_small::CASES,
        habits_virtualbox::CASES,
        open_questions::CASES,
        habits_wtf::CASES,
        synthetic_msr::CASES,
        synic::CASES,
        hypercall::CASES,
        absent::CASES,
        stored_bits::CASES,
        extension::CASES,
        emulator::CASES,
        emulator_system::CASES,
        emulated_machine::CASES,
    ];
    files.into_iter().flatten().copied()
}
