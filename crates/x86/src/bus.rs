//! The emulation bus while one instruction borrows it.
#![expect(
    unsafe_code,
    reason = "the bus is borrowed for the length of one call; the slot erases that lifetime"
)]

use crate::env::BusFailed;
use crate::env::BusPage;
use crate::env::EmulationBus;
use crate::env::Who;
use crate::exit::MemAccess;
use std::ptr::NonNull;

/// Holds the bus during [`crate::Cpu::emulate_one`] and [`crate::Cpu::run_single`].
#[derive(Default)]
pub(crate) struct BusSlot {
    bus: Option<NonNull<dyn EmulationBus>>,
    owns_memory: bool,
    walks: bool,
}

// SAFETY: the slot is empty except inside `emulate_one` and `run_single`, which do not move the processor to another thread.
unsafe impl Send for BusSlot {}

impl BusSlot {
    /// Attaches `bus`; must be undone by [`BusSlot::detach`] before the borrow ends.
    pub(crate) fn attach(&mut self, bus: &mut dyn EmulationBus) {
        self.owns_memory = bus.owns_memory();
        let p = NonNull::from(bus);
        // SAFETY: only the lifetime changes; both callers detach before their borrow ends.
        self.bus = Some(unsafe {
            std::mem::transmute::<NonNull<dyn EmulationBus + '_>, NonNull<dyn EmulationBus + 'static>>(p)
        });
    }

    /// Detaches.
    pub(crate) fn detach(&mut self) {
        self.bus = None;
        self.owns_memory = false;
        self.walks = false;
    }

    #[inline]
    pub(crate) fn is_attached(&self) -> bool {
        self.bus.is_some()
    }

    /// A bus is attached that all memory belongs to.
    #[inline]
    pub(crate) fn owns_memory(&self) -> bool {
        self.owns_memory
    }

    /// From now on linear addresses are translated by tables read from the bus: it does not know the address space that
    /// the instruction has gone to.
    pub(crate) fn walk_tables(&mut self) {
        self.walks = true;
    }

    /// [`BusSlot::walk_tables`] has been called.
    pub(crate) fn walks_tables(&self) -> bool {
        self.walks
    }

    /// Reads a number of `size` bytes, at most 8.
    pub(crate) fn number(&mut self, gpa: u64, size: usize) -> Result<u64, BusFailed> {
        let mut bytes = [0; 8];
        self.get()?.mmio_read(gpa, &mut bytes[..size])?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn get(&mut self) -> Result<&mut dyn EmulationBus, BusFailed> {
        // SAFETY: attached only while the borrow given to `attach` lives, and used by this thread alone.
        self.bus.map(|mut p| unsafe { p.as_mut() }).ok_or(BusFailed)
    }

    pub(crate) fn mmio_read(&mut self, gpa: u64, data: &mut [u8]) -> Result<(), BusFailed> {
        data.fill(0xff);
        self.get()?.mmio_read(gpa, data)
    }

    pub(crate) fn mmio_write(&mut self, gpa: u64, data: &[u8]) -> Result<(), BusFailed> {
        self.get()?.mmio_write(gpa, data)
    }

    /// Reads a port.
    pub(crate) fn io_read(&mut self, port: u16, size: u8) -> Result<u32, BusFailed> {
        self.get()?.io_read(port, size)
    }

    /// Writes a port.
    pub(crate) fn io_write(&mut self, port: u16, size: u8, value: u32) -> Result<(), BusFailed> {
        self.get()?.io_write(port, size, value)
    }

    pub(crate) fn translate(&mut self, page: u64, access: MemAccess, who: Who) -> Result<BusPage, BusFailed> {
        self.get()?.translate(page, access, who)
    }
}
