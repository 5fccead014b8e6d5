//! Behaviour tests, one page of the manual after the other.

mod access;
mod base_and_state;
mod interrupts;
mod ipi;
mod properties;
mod timer;

use crate::{Config, Effect, GuestTime, LocalApic, register::Register};

pub(crate) const T0: GuestTime = GuestTime { ticks: 0, tsc: 0 };

pub(crate) const fn at(ticks: u64) -> GuestTime {
    GuestTime { ticks, tsc: 0 }
}

/// A software-enabled xAPIC with spurious vector 0xFF.
pub(crate) fn xapic(id: u32) -> LocalApic {
    let mut apic = LocalApic::new(Config::new(id));
    let _ = write(&mut apic, crate::register::SVR, 0x1FF);
    apic
}

/// A software-enabled x2APIC.
pub(crate) fn x2apic(id: u32) -> LocalApic {
    let mut apic = xapic(id);
    apic.write_base(apic.base().bits() | 0x400).unwrap();
    apic
}

pub(crate) fn write(apic: &mut LocalApic, register: Register, value: u32) -> Effect {
    apic.mmio_write(register.offset(), value, T0)
}

pub(crate) fn read(apic: &mut LocalApic, register: Register) -> u32 {
    apic.mmio_read(register.offset(), T0)
}

/// Latches the errors since the last write and returns them.
pub(crate) fn errors(apic: &mut LocalApic) -> u32 {
    let _ = write(apic, crate::register::ESR, 0);
    read(apic, crate::register::ESR)
}
