//! Split virtqueues: walking descriptor chains that a guest wrote, without trusting any of it.
//!
//! Every index is reduced to the queue's size, every chain is bounded by it, and every address is checked
//! by [`GuestRam`]. What a driver gets wrong comes back as a [`QueueError`].
//!
//! # Source
//! VIRTIO 1.2 "Split Virtqueues".

use crate::ram::GuestRam;
use crate::ram::RamError;

const DESCRIPTOR_BYTES: u64 = 16;
const FLAG_NEXT: u16 = 1;
const FLAG_WRITE: u16 = 2;
const FLAG_INDIRECT: u16 = 4;
const NO_INTERRUPT: u16 = 1;

/// How a driver broke the rules of queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueError {
    /// A ring or buffer is not in guest memory.
    Ram(RamError),
    /// The available index is ahead of the device by more than the queue's size.
    TooManyAvailable(u16),
    /// A descriptor index outside of its table.
    BadIndex(u16),
    /// A chain longer than the queue, or a loop.
    ChainTooLong,
    /// A readable buffer after a writable one.
    ReadableAfterWritable,
    /// An indirect descriptor that is nested, not alone in its rest, or of odd length.
    BadIndirect,
}

impl From<RamError> for QueueError {
    fn from(error: RamError) -> Self {
        Self::Ram(error)
    }
}

impl core::fmt::Display for QueueError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Ram(error) => write!(f, "{error}"),
            Self::TooManyAvailable(count) => write!(f, "{count} entries available in a smaller queue"),
            Self::BadIndex(index) => write!(f, "descriptor index {index} is outside of its table"),
            Self::ChainTooLong => f.write_str("a descriptor chain is longer than its queue"),
            Self::ReadableAfterWritable => f.write_str("a readable buffer follows a writable one"),
            Self::BadIndirect => f.write_str("a malformed indirect descriptor"),
        }
    }
}

impl core::error::Error for QueueError {}

/// One buffer of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its guest physical address.
    pub gpa: u64,
    /// Its length in bytes.
    pub len: u32,
}

/// A descriptor chain: what the driver wrote for the device, then room for the device's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    head: u16,
    /// Buffers the device reads.
    pub readable: Vec<Span>,
    /// Buffers the device writes.
    pub writable: Vec<Span>,
}

/// Total length of buffers in bytes.
#[must_use]
pub fn total(spans: &[Span]) -> u64 {
    spans.iter().map(|span| u64::from(span.len)).sum()
}

/// Calls `f` for the pieces of `spans` that lie in `[offset, offset + len)`, with their offset in that range.
fn for_pieces(
    spans: &[Span],
    offset: u64,
    len: usize,
    mut f: impl FnMut(u64, std::ops::Range<usize>) -> Result<(), RamError>,
) -> Result<usize, RamError> {
    let (mut skip, mut done) = (offset, 0);
    for span in spans {
        let available = u64::from(span.len);
        if skip >= available {
            skip -= available;
            continue;
        }
        let piece = (available - skip).min((len - done) as u64) as usize;
        f(span.gpa.saturating_add(skip), done..done + piece)?;
        (done, skip) = (done + piece, 0);
        if done == len {
            break;
        }
    }
    Ok(done)
}

impl Chain {
    /// Copies readable bytes from `offset` on; returns how many there were, at most `bytes.len()`.
    ///
    /// # Errors
    /// [`RamError`] when a buffer is not in guest memory.
    pub fn read(&self, ram: &dyn GuestRam, offset: u64, bytes: &mut [u8]) -> Result<usize, RamError> {
        let len = bytes.len();
        for_pieces(&self.readable, offset, len, |gpa, range| ram.read(gpa, &mut bytes[range]))
    }

    /// Copies to the writable bytes from `offset` on; returns how many fitted.
    ///
    /// # Errors
    /// [`RamError`] when a buffer is not in guest memory.
    pub fn write(&self, ram: &dyn GuestRam, offset: u64, bytes: &[u8]) -> Result<usize, RamError> {
        for_pieces(&self.writable, offset, bytes.len(), |gpa, range| ram.write(gpa, &bytes[range]))
    }
}

/// One queue as the driver has set it up. `Clone` exports its whole state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Largest size the device offers.
    pub max_size: u16,
    /// Size in use, a power of two.
    pub size: u16,
    /// The driver has enabled the queue.
    pub is_enabled: bool,
    /// Address of the descriptor table.
    pub descriptors: u64,
    /// Address of the available ring, which the driver writes.
    pub available: u64,
    /// Address of the used ring, which the device writes.
    pub used: u64,
    /// MSI-X entry for this queue's interrupts.
    pub vector: u16,
    /// Both sides use event indices.
    pub has_event_index: bool,
    next_available: u16,
    next_used: u16,
    signalled_used: u16,
    wants_interrupt: bool,
}

impl Queue {
    /// Makes a queue that is not enabled.
    #[must_use]
    pub fn new(max_size: u16) -> Self {
        Self { max_size, size: max_size, vector: 0xffff, ..Self::default() }
    }

    /// Takes the next chain, if the driver has made one available.
    ///
    /// # Errors
    /// [`QueueError`] when the driver broke the rules.
    pub fn pop(&mut self, ram: &dyn GuestRam) -> Result<Option<Chain>, QueueError> {
        if !self.is_enabled || self.waiting(ram)? == 0 {
            return Ok(None);
        }
        let slot = u64::from(self.next_available % self.size);
        let head = read_u16(ram, self.available.saturating_add(4 + 2 * slot))?;
        let chain = self.walk(ram, head)?;
        self.next_available = self.next_available.saturating_add(1);
        if self.has_event_index {
            self.write_available_event(ram)?;
        }
        Ok(Some(chain))
    }

    /// Gives a chain back with the number of bytes written to it.
    ///
    /// # Errors
    /// [`QueueError`] when the used ring is not in guest memory.
    pub fn push(&mut self, ram: &dyn GuestRam, chain: &Chain, written: u32) -> Result<(), QueueError> {
        let slot = u64::from(self.next_used % self.size);
        let mut element = [0; 8];
        element[..4].copy_from_slice(&u32::from(chain.head).to_le_bytes());
        element[4..].copy_from_slice(&written.to_le_bytes());
        ram.write(self.used.saturating_add(4 + 8 * slot), &element)?;
        self.next_used = self.next_used.saturating_add(1);
        // The index is written last, and as one store, so that the driver sees whole elements.
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        ram.write(self.used.saturating_add(2), &self.next_used.to_le_bytes())?;
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        self.wants_interrupt = true;
        Ok(())
    }

    /// Whether chains given back since the last call deserve an interrupt.
    ///
    /// # Errors
    /// [`QueueError`] when the available ring is not in guest memory.
    pub fn take_interrupt(&mut self, ram: &dyn GuestRam) -> Result<bool, QueueError> {
        if !core::mem::take(&mut self.wants_interrupt) {
            return Ok(false);
        }
        let (old, new) = (core::mem::replace(&mut self.signalled_used, self.next_used), self.next_used);
        if !self.has_event_index {
            return Ok(read_u16(ram, self.available)? & NO_INTERRUPT == 0);
        }
        let event = read_u16(ram, self.available.saturating_add(4 + 2 * u64::from(self.size)))?;
        Ok(new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old))
    }

    /// Number of chains the driver has made available and the device has not taken.
    fn waiting(&mut self, ram: &dyn GuestRam) -> Result<u16, QueueError> {
        let index = read_u16(ram, self.available.saturating_add(2))?;
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        let count = index.wrapping_sub(self.next_available);
        if count > self.size { Err(QueueError::TooManyAvailable(count)) } else { Ok(count) }
    }

    /// Asks the driver to notify at the next chain.
    fn write_available_event(&self, ram: &dyn GuestRam) -> Result<(), QueueError> {
        let at = self.used.saturating_add(4 + 8 * u64::from(self.size));
        ram.write(at, &self.next_available.to_le_bytes())?;
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        Ok(())
    }

    fn walk(&self, ram: &dyn GuestRam, head: u16) -> Result<Chain, QueueError> {
        let mut chain = Chain { head, ..Chain::default() };
        let (mut table, mut count, mut index) = (self.descriptors, self.size, head);
        let mut is_indirect = false;
        let mut budget = self.size;
        loop {
            if index >= count {
                return Err(QueueError::BadIndex(index));
            }
            budget = budget.checked_sub(1).ok_or(QueueError::ChainTooLong)?;
            let descriptor =
                Descriptor::read(ram, table.saturating_add(DESCRIPTOR_BYTES * u64::from(index)))?;
            if descriptor.flags & FLAG_INDIRECT != 0 {
                let entries = u64::from(descriptor.len) / DESCRIPTOR_BYTES;
                let is_whole = u64::from(descriptor.len) % DESCRIPTOR_BYTES == 0;
                let fits = (1..=u64::from(u16::MAX)).contains(&entries);
                if is_indirect || !is_whole || !fits || descriptor.flags & FLAG_NEXT != 0 {
                    return Err(QueueError::BadIndirect);
                }
                (table, count, index, is_indirect) = (descriptor.gpa, entries as u16, 0, true);
                budget = self.size;
                continue;
            }
            descriptor.append_to(&mut chain)?;
            if descriptor.flags & FLAG_NEXT == 0 {
                return Ok(chain);
            }
            index = descriptor.next;
        }
    }
}

struct Descriptor {
    gpa: u64,
    len: u32,
    flags: u16,
    next: u16,
}

impl Descriptor {
    fn read(ram: &dyn GuestRam, gpa: u64) -> Result<Self, QueueError> {
        let mut bytes = [0; DESCRIPTOR_BYTES as usize];
        ram.read(gpa, &mut bytes)?;
        let word = u128::from_le_bytes(bytes);
        Ok(Self {
            gpa: word as u64,
            len: (word >> 64) as u32,
            flags: (word >> 96) as u16,
            next: (word >> 112) as u16,
        })
    }

    fn append_to(&self, chain: &mut Chain) -> Result<(), QueueError> {
        let span = Span { gpa: self.gpa, len: self.len };
        if self.flags & FLAG_WRITE != 0 {
            chain.writable.push(span);
        } else if chain.writable.is_empty() {
            chain.readable.push(span);
        } else {
            return Err(QueueError::ReadableAfterWritable);
        }
        Ok(())
    }
}

fn read_u16(ram: &dyn GuestRam, gpa: u64) -> Result<u16, RamError> {
    let mut bytes = [0; 2];
    ram.read(gpa, &mut bytes)?;
    Ok(u16::from_le_bytes(bytes))
}

#[cfg(test)]
pub(crate) mod tests;
