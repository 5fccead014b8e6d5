//! Virtio 1.x devices over PCI.
//!
//! [`queue`] reads what the guest's driver put into memory, [`pci`] is the register interface,
//! and one module each holds the devices. A device sees only descriptor chains that have been
//! checked; a driver that breaks the rules gets the status bit "needs reset" and nothing else happens.
//!
//! # Source
//! OASIS Virtual I/O Device (VIRTIO) Version 1.2.

pub mod block;
pub mod console;
pub mod entropy;
pub mod net;
pub mod pci;
pub mod queue;

use crate::ram::GuestRam;
use queue::Queue;
use queue::QueueError;

/// Feature bit: the device follows version 1 of the standard.
pub const FEATURE_VERSION_1: u64 = 1 << 32;
/// Feature bit: descriptors may refer to tables of descriptors.
pub const FEATURE_INDIRECT: u64 = 1 << 28;
/// Feature bit: each side names the index at which it wants to be told.
pub const FEATURE_EVENT_INDEX: u64 = 1 << 29;

/// Kinds of virtio device, with their numbers in the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Network card.
    Net = 1,
    /// Block device.
    Block = 2,
    /// Console.
    Console = 3,
    /// Entropy source.
    Entropy = 4,
}

impl Kind {
    /// PCI class, subclass and interface.
    #[must_use]
    pub fn class(self) -> u32 {
        match self {
            Self::Net => 0x02_00_00,
            Self::Block => 0x01_80_00,
            Self::Console => 0x07_80_00,
            Self::Entropy => 0x10_00_00,
        }
    }
}

/// What a device does behind the transport.
pub trait VirtioDevice: Send {
    /// The kind of device.
    fn kind(&self) -> Kind;
    /// Features that the device offers, without those of queues and transport.
    fn features(&self) -> u64;
    /// Size of each of the device's queues.
    fn queue_sizes(&self) -> &'static [u16];
    /// Reads device configuration; bytes past its end are zero.
    fn read_config(&self, offset: u64, bytes: &mut [u8]);
    /// Serves the queue that the driver has notified.
    ///
    /// # Errors
    /// [`QueueError`] when the driver broke the rules of queues.
    fn notify(&mut self, index: usize, queues: &mut [Queue], ram: &dyn GuestRam) -> Result<(), QueueError>;
    /// Moves input from outside to the guest.
    ///
    /// # Errors
    /// [`QueueError`] when the driver broke the rules of queues.
    fn poll(&mut self, queues: &mut [Queue], ram: &dyn GuestRam) -> Result<(), QueueError> {
        let _ = (queues, ram);
        Ok(())
    }
}

/// Copies the part of `config` that an access wants; what lies past the end is zero.
fn read_config_bytes(config: &[u8], offset: u64, bytes: &mut [u8]) {
    for (index, byte) in bytes.iter_mut().enumerate() {
        let at = usize::try_from(offset).ok().and_then(|offset| offset.checked_add(index));
        *byte = at.and_then(|at| config.get(at)).copied().unwrap_or(0);
    }
}
