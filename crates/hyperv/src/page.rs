//! Page memory, and the code of the hypercall page.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

/// Size of a page in bytes.
pub const PAGE_SIZE: usize = 4096;
const WORDS: usize = PAGE_SIZE / 4;

/// A page that guest and hypervisor share, as 32-bit words. Offsets are in bytes, multiples of 4, below [`PAGE_SIZE`].
///
/// The guest may access the page at any moment; every operation is atomic.
pub trait PageMemory {
    /// Reads a word; later reads see what was written before it.
    fn load(&self, offset: usize) -> u32;

    /// Writes a word; whoever sees it sees all earlier writes.
    fn store(&self, offset: usize, value: u32);

    /// Sets bits and returns the old word.
    fn fetch_or(&self, offset: usize, bits: u32) -> u32;

    /// Keeps only `bits` and returns the old word.
    fn fetch_and(&self, offset: usize, bits: u32) -> u32;
}

/// A page on the heap: for tests, and for owners whose guests reach it by other ways.
#[derive(Debug)]
pub struct HeapPage(Box<[AtomicU32; WORDS]>);

impl HeapPage {
    /// A page of zeros.
    pub fn new() -> Self {
        Self(Box::new([const { AtomicU32::new(0) }; WORDS]))
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        &self.0[offset / 4 % WORDS]
    }
}

impl Default for HeapPage {
    fn default() -> Self {
        Self::new()
    }
}

impl PageMemory for HeapPage {
    fn load(&self, offset: usize) -> u32 {
        self.word(offset).load(Ordering::Acquire)
    }

    fn store(&self, offset: usize, value: u32) {
        self.word(offset).store(value, Ordering::Release);
    }

    fn fetch_or(&self, offset: usize, bits: u32) -> u32 {
        self.word(offset).fetch_or(bits, Ordering::SeqCst)
    }

    fn fetch_and(&self, offset: usize, bits: u32) -> u32 {
        self.word(offset).fetch_and(bits, Ordering::SeqCst)
    }
}

/// Writes bytes at any offset; whole words are stored last to first, so that the first appears last.
pub(crate) fn write_bytes(page: &dyn PageMemory, offset: usize, bytes: &[u8]) {
    let words = bytes.len().div_ceil(4);
    for index in (0..words).rev() {
        let at = offset + index * 4;
        let piece = &bytes[index * 4..bytes.len().min(index * 4 + 4)];
        let mut word = if piece.len() == 4 { [0; 4] } else { page.load(at).to_le_bytes() };
        word[..piece.len()].copy_from_slice(piece);
        page.store(at, u32::from_le_bytes(word));
    }
}

/// Whose instruction calls the hypervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vendor {
    /// VMCALL.
    Intel,
    /// VMMCALL.
    Amd,
}

/// The contents of the hypercall page: the instruction, a near return, and traps.
///
/// # Source
/// TLFS "Establishing the Hypercall Interface".
pub fn hypercall_code(vendor: Vendor) -> [u8; PAGE_SIZE] {
    const TRAP: u8 = 0xCC;
    let last = match vendor {
        Vendor::Intel => 0xC1,
        Vendor::Amd => 0xD9,
    };
    let mut page = [TRAP; PAGE_SIZE];
    page[..4].copy_from_slice(&[0x0F, 0x01, last, 0xC3]);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_their_neighbours() {
        let page = HeapPage::new();
        page.store(8, u32::MAX);
        write_bytes(&page, 4, &[1, 2, 3, 4, 5]);
        assert_eq!((page.load(4), page.load(8)), (0x0403_0201, 0xFFFF_FF05));
    }

    #[test]
    fn the_call_page_starts_with_the_vendors_instruction() {
        assert_eq!(hypercall_code(Vendor::Intel)[..5], [0x0F, 0x01, 0xC1, 0xC3, 0xCC]);
        assert_eq!(hypercall_code(Vendor::Amd)[..4], [0x0F, 0x01, 0xD9, 0xC3]);
    }
}
