//! Arrays of atomics that start at zero and cost memory only where they are touched.
//!
//! A client may map a range of any size; the tables behind it must neither take memory in proportion at once nor end the
//! process when the host has none to give.

#![expect(unsafe_code, reason = "places atomics in fresh pages of the host")]

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;

use rustix::mm::MapFlags;
use rustix::mm::ProtFlags;

/// Elements up to which an array lives on the heap.
const SMALL: usize = 4096;

/// Types for which all-zero bytes are a value, and which may be shared between threads.
pub(crate) trait Zero: Sync + Send {
    fn zero() -> Self;
}

impl Zero for AtomicU32 {
    fn zero() -> Self {
        AtomicU32::new(0)
    }
}

impl Zero for AtomicU64 {
    fn zero() -> Self {
        AtomicU64::new(0)
    }
}

/// An array of zeroes.
pub(crate) enum Zeroed<T: Zero> {
    Heap(Box<[T]>),
    Pages(Pages<T>),
}

/// An array in pages of its own.
pub(crate) struct Pages<T> {
    start: NonNull<T>,
    len: usize,
}

// SAFETY: the pages hold values of `T`, which may be sent and shared, and belong to this object alone.
unsafe impl<T: Zero> Send for Pages<T> {}
// SAFETY: as above.
unsafe impl<T: Zero> Sync for Pages<T> {}

impl<T: Zero> Zeroed<T> {
    /// `len` zeroes, or `None` if the host gives no address space for them.
    pub(crate) fn new(len: usize) -> Option<Self> {
        if len <= SMALL {
            return Some(Self::Heap((0..len).map(|_| T::zero()).collect()));
        }
        Self::in_pages(len)
    }

    /// `len` (at least 1) zeroes in pages of their own: the first starts a page.
    pub(crate) fn in_pages(len: usize) -> Option<Self> {
        let bytes = len.checked_mul(size_of::<T>())?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe {
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, flags)
        };
        Some(Self::Pages(Pages { start: NonNull::new(start.ok()?.cast())?, len }))
    }
}

impl<T: Zero> Deref for Zeroed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Heap(array) => array,
            // SAFETY: 1. the mapping has `len` elements of `T` at `start`, page-aligned, until drop. 2. Its bytes are zero or
            // were written as `T`; zero is a value of `T`. 3. Nobody has exclusive access.
            Self::Pages(pages) => unsafe { std::slice::from_raw_parts(pages.start.as_ptr(), pages.len) },
        }
    }
}

impl<T> Drop for Pages<T> {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`, whose last user is gone.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.len * size_of::<T>()) };
    }
}

impl<T: Zero> fmt::Debug for Zeroed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zeroed {{ len: {} }}", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn small_and_huge_arrays_start_at_zero() {
        for len in [0, 1, SMALL, SMALL + 1, 1 << 34] {
            let array = Zeroed::<AtomicU32>::new(len).expect("address space");
            assert_eq!(array.len(), len);
            if let Some(last) = array.last() {
                last.store(7, Ordering::Relaxed);
                assert_eq!(array[len - 1].load(Ordering::Relaxed), 7);
            }
            assert!(len < 2 || array[0].load(Ordering::Relaxed) == 0);
        }
        assert!(Zeroed::<AtomicU64>::new(usize::MAX).is_none());
        assert!(Zeroed::<AtomicU64>::new(1 << 58).is_none());
    }
}
