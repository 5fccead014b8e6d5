//! Host memory that a guest can be given: an anonymous shared mapping, owned and counted.

#![expect(unsafe_code, reason = "allocates pages from the host and copies through raw pointers")]

use std::fmt;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::ptr::copy_nonoverlapping;
use std::sync::Arc;

use openwhp_engine::HostRange;
use openwhp_engine::PAGE_SIZE;
use rustix::mm::MapFlags as HostMapFlags;
use rustix::mm::ProtFlags;

use crate::MemoryError;

/// A block of zeroed memory for guests. Clones share it; it is given back when the last clone and the last
/// partition that maps it are gone.
///
/// Guests, the embedding program and its devices may all touch it at the same time. Reads and writes through this
/// type are plain copies: a guest that writes the same bytes meanwhile makes the result a mixture, never worse.
///
/// # Examples
/// ```
/// let memory = openwhp::GuestMemory::new(0x1000)?;
/// memory.write(0x10, b"hello")?;
/// let mut text = [0; 5];
/// memory.read(0x10, &mut text)?;
/// assert_eq!(&text, b"hello");
/// # Ok::<(), openwhp::MemoryError>(())
/// ```
#[derive(Clone)]
pub struct GuestMemory(Arc<Block>);

/// A part of a file and its place in a block.
#[derive(Debug)]
pub(crate) struct FilePart {
    /// Offset in the block, bytes.
    pub(crate) at: usize,
    /// Length in bytes.
    pub(crate) len: usize,
    /// The file.
    pub(crate) file: OwnedFd,
    /// Offset in the file, bytes.
    pub(crate) offset: u64,
    /// Rights.
    pub(crate) prot: ProtFlags,
}

struct Block {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the block is plain bytes that are only touched through raw pointers; the address stays valid until drop.
unsafe impl Send for Block {}
// SAFETY: as above; concurrent copies are the documented behaviour and never form references.
unsafe impl Sync for Block {}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: `start` and `len` come from the one successful mmap of the constructor, and the last owner is gone.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

impl GuestMemory {
    /// Allocates `len` bytes, rounded up to whole pages. Pages cost nothing until they are touched.
    ///
    /// # Errors
    /// [`MemoryError::Refused`] if the host does not give the memory, or `len` is 0.
    pub fn new(len: u64) -> Result<Self, MemoryError> {
        let refused = |reason: &str| MemoryError::Refused { len, reason: reason.to_owned() };
        let rounded = len.checked_next_multiple_of(PAGE_SIZE).filter(|&bytes| bytes != 0);
        let size =
            rounded.and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(|| refused("bad size"))?;
        let flags = HostMapFlags::SHARED | HostMapFlags::NORESERVE;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), size, prot, flags) }
            .map_err(|error| refused(&error.to_string()))?;
        let start = NonNull::new(start.cast::<u8>()).ok_or_else(|| refused("null mapping"))?;
        Ok(Self(Arc::new(Block { start, len: size })))
    }

    /// A block of `len` bytes put together from parts of files, each with rights of its own. What no part covers is
    /// inaccessible.
    pub(crate) fn of_files(len: usize, parts: &[FilePart]) -> rustix::io::Result<Self> {
        let flags = HostMapFlags::PRIVATE | HostMapFlags::NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice overlaps nothing.
        let start =
            unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::empty(), flags) }?;
        let start = NonNull::new(start.cast::<u8>()).ok_or(rustix::io::Errno::NOMEM)?;
        let block = Self(Arc::new(Block { start, len }));
        for part in parts {
            if part.at.checked_add(part.len).is_none_or(|end| end > len) {
                return Err(rustix::io::Errno::INVAL);
            }
            let at = start.as_ptr().wrapping_add(part.at).cast();
            let flags = HostMapFlags::SHARED | HostMapFlags::FIXED;
            // SAFETY: the part lies inside the block just made, whose pages nobody uses yet.
            unsafe { rustix::mm::mmap(at, part.len, part.prot, flags, &part.file, part.offset) }?;
        }
        Ok(block)
    }

    /// Size in bytes, a multiple of 4096.
    pub fn len(&self) -> u64 {
        self.0.len as u64
    }

    /// Always false: an empty block cannot be made.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Host address of the first byte. Access it only by raw pointers: guests may write it at any time.
    pub fn as_ptr(&self) -> *mut u8 {
        self.0.start.as_ptr()
    }

    /// Copies `data.len()` bytes at `offset` out.
    ///
    /// # Errors
    /// [`MemoryError::OutOfRange`].
    pub fn read(&self, offset: u64, data: &mut [u8]) -> Result<(), MemoryError> {
        let source = self.check(offset, data.len())?;
        // SAFETY: 1. `check` found `data.len()` bytes at `source` inside the block. 2. `data` is Rust memory and cannot
        // overlap the block, to which no references exist.
        unsafe { copy_nonoverlapping(source, data.as_mut_ptr(), data.len()) };
        Ok(())
    }

    /// Copies `data` in at `offset`.
    ///
    /// Code that a processor has already decoded from there is noticed when the page is entered anew; use
    /// [`crate::Partition::write_gpa`] to change code that runs now.
    ///
    /// # Errors
    /// [`MemoryError::OutOfRange`].
    pub fn write(&self, offset: u64, data: &[u8]) -> Result<(), MemoryError> {
        let target = self.check(offset, data.len())?;
        // SAFETY: as in `read`, in the other direction.
        unsafe { copy_nonoverlapping(data.as_ptr(), target, data.len()) };
        Ok(())
    }

    /// The host range of `len` bytes at `offset`, for the map of a partition that keeps a clone of this object.
    pub(crate) fn host_range(&self, offset: u64, len: u64) -> Option<HostRange> {
        let len = usize::try_from(len).ok()?;
        let start = self.check(offset, len).ok()?;
        // SAFETY: the bytes belong to this block, which gives out no references; the partition keeps a clone for as
        // long as the range is mapped.
        Some(unsafe { HostRange::new(start as usize, len) })
    }

    fn check(&self, offset: u64, len: usize) -> Result<*mut u8, MemoryError> {
        let size = self.len();
        let is_inside = offset.checked_add(len as u64).is_some_and(|end| end <= size);
        if !is_inside {
            return Err(MemoryError::OutOfRange { offset, len: len as u64, size });
        }
        // SAFETY: `offset` is at most the size of the block.
        Ok(unsafe { self.as_ptr().add(offset as usize) })
    }
}

/// Vouches for caller-owned memory on behalf of the caller of [`crate::Partition::map_raw`].
///
/// # Safety
/// As [`HostRange::new`].
pub(crate) unsafe fn raw_host_range(host: *mut u8, len: usize) -> HostRange {
    // SAFETY: the caller's promise.
    unsafe { HostRange::new(host as usize, len) }
}

impl fmt::Debug for GuestMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestMemory").field("start", &self.as_ptr()).field("len", &self.len()).finish()
    }
}
