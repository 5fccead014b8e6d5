//! The emulation bus while one instruction borrows it.
#![expect(
    unsafe_code,
    reason = "the bus is borrowed for the length of one call; the slot erases that lifetime"
)]

use crate::env::EmulationBus;
use std::ptr::NonNull;

/// Holds the bus during [`crate::Cpu::emulate_one`].
#[derive(Default)]
pub(crate) struct BusSlot(Option<NonNull<dyn EmulationBus>>);

// SAFETY: the slot is empty except inside `emulate_one`, which does not move the processor to another thread.
unsafe impl Send for BusSlot {}

impl BusSlot {
    /// Attaches `bus`; must be undone by [`BusSlot::detach`] before the borrow ends.
    pub(crate) fn attach(&mut self, bus: &mut dyn EmulationBus) {
        let p = NonNull::from(bus);
        // SAFETY: only the lifetime changes; `emulate_one` detaches before its borrow ends.
        self.0 = Some(unsafe {
            std::mem::transmute::<NonNull<dyn EmulationBus + '_>, NonNull<dyn EmulationBus + 'static>>(p)
        });
    }

    /// Detaches.
    pub(crate) fn detach(&mut self) {
        self.0 = None;
    }

    #[inline]
    pub(crate) fn is_attached(&self) -> bool {
        self.0.is_some()
    }

    fn get(&mut self) -> Option<&mut dyn EmulationBus> {
        // SAFETY: attached only while the borrow given to `attach` lives, and used by this thread alone.
        self.0.map(|mut p| unsafe { p.as_mut() })
    }

    pub(crate) fn mmio_read(&mut self, gpa: u64, data: &mut [u8]) {
        data.fill(0xff);
        if let Some(b) = self.get() {
            b.mmio_read(gpa, data);
        }
    }

    pub(crate) fn mmio_write(&mut self, gpa: u64, data: &[u8]) {
        if let Some(b) = self.get() {
            b.mmio_write(gpa, data);
        }
    }

    /// Reads a port; all ones without a bus.
    pub(crate) fn io_read(&mut self, port: u16, size: u8) -> u32 {
        self.get().map_or(u32::MAX, |b| b.io_read(port, size))
    }

    /// Writes a port.
    pub(crate) fn io_write(&mut self, port: u16, size: u8, value: u32) {
        if let Some(b) = self.get() {
            b.io_write(port, size, value);
        }
    }
}
