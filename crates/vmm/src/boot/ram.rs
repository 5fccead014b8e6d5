//! Guest memory as loaders see it.

use openwhp::GuestMemory;
use vm_memory::Bytes;
use vm_memory::GuestAddress;
use vm_memory::GuestMemoryMmap;

use super::LoadError;
use crate::layout;

/// The guest's memory, addressed by guest physical address.
#[derive(Clone, Debug)]
pub struct Ram {
    memory: GuestMemory,
}

impl Ram {
    /// Wraps memory that is laid out as [`layout`] says.
    #[must_use]
    pub fn new(memory: GuestMemory) -> Self {
        Self { memory }
    }

    /// The memory itself.
    #[must_use]
    pub fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// Size of all memory in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.memory.len()
    }

    /// Whether there is no memory, which never happens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// End of the memory below the device hole.
    #[must_use]
    pub fn low(&self) -> u64 {
        layout::low_memory(self.len())
    }

    /// Offset in the memory object of `len` bytes at `gpa`.
    fn offset(&self, gpa: u64, len: usize) -> Option<u64> {
        let end = gpa.checked_add(len as u64)?;
        if end <= self.low() {
            return Some(gpa);
        }
        let high_end = layout::HIGH_MEMORY + layout::high_memory(self.len());
        (gpa >= layout::HIGH_MEMORY && end <= high_end)
            .then(|| gpa - layout::HIGH_MEMORY + layout::LOW_MEMORY_END)
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// [`LoadError::TooLittleMemory`] when they do not fit.
    pub fn put(&self, gpa: u64, bytes: &[u8]) -> Result<(), LoadError> {
        let refused = || self.too_little("the guest", gpa.saturating_add(bytes.len() as u64));
        let offset = self.offset(gpa, bytes.len()).ok_or_else(refused)?;
        self.memory.write(offset, bytes).map_err(|_| refused())
    }

    /// The error for something that needs memory up to `end`.
    #[must_use]
    pub fn too_little(&self, what: &'static str, end: u64) -> LoadError {
        LoadError::TooLittleMemory { what, needed: end.div_ceil(1 << 20), given: self.len() >> 20 }
    }
}

impl openwhp_devices::GuestRam for Ram {
    fn read(&self, gpa: u64, bytes: &mut [u8]) -> Result<(), openwhp_devices::RamError> {
        let error = openwhp_devices::RamError { gpa, len: bytes.len() };
        let offset = self.offset(gpa, bytes.len()).ok_or(error)?;
        self.memory.read(offset, bytes).map_err(|_| error)
    }

    fn write(&self, gpa: u64, bytes: &[u8]) -> Result<(), openwhp_devices::RamError> {
        let error = openwhp_devices::RamError { gpa, len: bytes.len() };
        let offset = self.offset(gpa, bytes.len()).ok_or(error)?;
        self.memory.write(offset, bytes).map_err(|_| error)
    }
}

/// Memory of the loader crate's own kind, into which it loads before the bytes move to the guest.
///
/// It is as large as the guest's low memory but takes host memory only where something is loaded.
pub(super) struct Scratch {
    pub(super) memory: GuestMemoryMmap<()>,
}

impl Scratch {
    pub(super) fn new(ram: &Ram) -> Result<Self, LoadError> {
        GuestMemoryMmap::from_ranges(&[(GuestAddress(0), ram.low() as usize)])
            .map(|memory| Self { memory })
            .map_err(|_| ram.too_little("loading the kernel", ram.low()))
    }

    /// Copies `[start, end)` to the guest; pages of zeros are what the guest has anyway.
    pub(super) fn copy_to(&self, ram: &Ram, start: u64, end: u64) -> Result<(), LoadError> {
        let mut page = [0; 4096];
        let mut at = start;
        while at < end.min(ram.low()) {
            let len = page.len().min((end.min(ram.low()) - at) as usize);
            let bytes = &mut page[..len];
            self.memory
                .read_slice(bytes, GuestAddress(at))
                .map_err(|_| ram.too_little("the kernel", at + len as u64))?;
            if bytes.iter().any(|byte| *byte != 0) {
                ram.put(at, bytes)?;
            }
            at += len as u64;
        }
        Ok(())
    }
}
