//! Heaps: all are the C library's.

#![expect(unsafe_code, reason = "allocates and frees the program's memory")]

use std::ffi::c_void;

use crate::boundary::FALSE;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::error::ERROR_INVALID_PARAMETER;
use crate::error::ERROR_NOT_ENOUGH_MEMORY;

const HEAP_ZERO_MEMORY: u32 = 8;
const LMEM_ZEROINIT: u32 = 0x40;
/// Every heap's handle: there is one.
const HEAP: usize = 0x1_0000;
const FAILED: usize = usize::MAX;

/// Allocates, zeroed: a caller that does not ask for zeroes does not mind them.
pub(crate) fn allocate(size: usize) -> *mut c_void {
    // SAFETY: allocates; nothing is touched.
    unsafe { libc::calloc(1, size.max(1)) }
}

fn free(memory: *mut c_void) {
    // SAFETY: the program gives back what it got from here, once.
    unsafe { libc::free(memory) }
}

fn resize(memory: *mut c_void, size: usize, zeroed: bool) -> Result<*mut c_void, crate::error::Win32> {
    // SAFETY: the program passes what it got from here.
    let before = unsafe { libc::malloc_usable_size(memory) };
    // SAFETY: as above.
    let moved = unsafe { libc::realloc(memory, size.max(1)) };
    if moved.is_null() {
        return Err(ERROR_NOT_ENOUGH_MEMORY);
    }
    if zeroed && size > before {
        // SAFETY: the block has `size` bytes now.
        unsafe { moved.cast::<u8>().add(before).write_bytes(0, size - before) };
    }
    Ok(moved)
}

fn checked(memory: *mut c_void) -> Result<*mut c_void, crate::error::Win32> {
    if memory.is_null() { Err(ERROR_NOT_ENOUGH_MEMORY) } else { Ok(memory) }
}

exports! {
    /// The process's heap.
    fn GetProcessHeap() -> usize = 0 => {
        Ok(HEAP)
    }

    /// A heap; it is the process's.
    fn HeapCreate(flags: u32, initial: usize, limit: usize) -> usize = 0 => {
        Ok(HEAP)
    }

    /// Ends the use of a heap; what was allocated stays.
    fn HeapDestroy(heap: usize) -> i32 = FALSE => {
        Ok(TRUE)
    }

    /// Allocates.
    fn HeapAlloc(heap: usize, flags: u32, size: usize) -> *mut c_void = std::ptr::null_mut() => {
        checked(allocate(size))
    }

    /// Changes a block's size.
    fn HeapReAlloc(heap: usize, flags: u32, memory: *mut c_void, size: usize) -> *mut c_void = std::ptr::null_mut() => {
        if memory.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        resize(memory.pointer(), size, flags & HEAP_ZERO_MEMORY != 0)
    }

    /// Frees.
    fn HeapFree(heap: usize, flags: u32, memory: *mut c_void) -> i32 = FALSE => {
        free(memory.pointer());
        Ok(TRUE)
    }

    /// Bytes that a block has room for.
    fn HeapSize(heap: usize, flags: u32, memory: *const c_void) -> usize = FAILED => {
        // SAFETY: the program passes what it got from here.
        Ok(unsafe { libc::malloc_usable_size(std::ptr::with_exposed_provenance_mut(memory.address())) })
    }

    /// Allocates.
    fn LocalAlloc(flags: u32, size: usize) -> *mut c_void = std::ptr::null_mut() => {
        checked(allocate(size))
    }

    /// Changes a block's size.
    fn LocalReAlloc(memory: *mut c_void, size: usize, flags: u32) -> *mut c_void = std::ptr::null_mut() => {
        resize(memory.pointer(), size, flags & LMEM_ZEROINIT != 0)
    }

    /// Bytes that a block has room for.
    fn LocalSize(memory: *mut c_void) -> usize = 0 => {
        // SAFETY: the program passes what it got from here.
        Ok(unsafe { libc::malloc_usable_size(memory.pointer()) })
    }

    /// Frees; returns null.
    fn LocalFree(memory: *mut c_void) -> *mut c_void = std::ptr::null_mut() => {
        free(memory.pointer());
        Ok(std::ptr::null_mut())
    }
}
