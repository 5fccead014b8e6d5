//! The C runtime's formatted output, as functions that take a `va_list`: the headers make the variadic ones of them.
//! What comes out goes through the C library's own streams.

#![expect(unsafe_code, reason = "reads argument lists and writes the program's buffers")]
#![cfg(target_arch = "x86_64")]

use std::ffi::CString;
use std::ffi::c_char;
use std::ffi::c_void;

use crate::boundary::until;
use crate::format::Arguments;
use crate::format::format;

/// A `va_list`, as the System V ABI of x86-64 lays it out.
#[repr(C)]
#[derive(Debug)]
pub struct VaList {
    gp_offset: u32,
    fp_offset: u32,
    overflow: *mut c_void,
    saved: *mut c_void,
}

/// End of the saved general registers, and of the vector registers after them.
const GP_END: u32 = 48;
const FP_END: u32 = 176;

impl VaList {
    /// The next eight bytes of the stack's part.
    fn next_overflow(&mut self) -> u64 {
        // SAFETY: the format names as many arguments as the program passed, as it vouches by calling.
        let value = unsafe { self.overflow.cast::<u64>().read_unaligned() };
        self.overflow = self.overflow.wrapping_byte_add(8);
        value
    }

    fn saved(&self, offset: u32) -> u64 {
        // SAFETY: the offset is below the end of the saved registers.
        unsafe { self.saved.wrapping_byte_add(offset as usize).cast::<u64>().read_unaligned() }
    }
}

impl Arguments for VaList {
    fn word(&mut self) -> u64 {
        if self.gp_offset >= GP_END {
            return self.next_overflow();
        }
        let value = self.saved(self.gp_offset);
        self.gp_offset += 8;
        value
    }

    fn float(&mut self) -> f64 {
        if self.fp_offset >= FP_END {
            return f64::from_bits(self.next_overflow());
        }
        let value = self.saved(self.fp_offset);
        self.fp_offset += 16;
        f64::from_bits(value)
    }

    fn narrow(&self, address: u64, limit: usize) -> Option<Vec<u8>> {
        // SAFETY: the format says that a string is there.
        unsafe { until(std::ptr::with_exposed_provenance(address as usize), 0, limit) }
    }

    fn wide(&self, address: u64, limit: usize) -> Option<Vec<u16>> {
        // SAFETY: the format says that a string is there.
        unsafe { until(std::ptr::with_exposed_provenance(address as usize), 0, limit) }
    }

    fn format_float(&self, spec: &str, value: f64) -> String {
        let spec = CString::new(spec).unwrap_or_default();
        let mut text = vec![0_u8; 512];
        // SAFETY: the specification takes one floating-point value; the buffer's size is passed.
        let length =
            unsafe { libc::snprintf(text.as_mut_ptr().cast::<c_char>(), text.len(), spec.as_ptr(), value) };
        text.truncate(usize::try_from(length).unwrap_or(0).min(511));
        String::from_utf8_lossy(&text).into_owned()
    }

    fn store(&mut self, address: u64, count: usize) {
        let address: *mut i32 = std::ptr::with_exposed_provenance_mut(address as usize);
        if !address.is_null() {
            // SAFETY: the format says that an integer is there.
            unsafe { address.write_unaligned(i32::try_from(count).unwrap_or(i32::MAX)) };
        }
    }
}

/// Formats narrow text. A missing format is empty.
///
/// # Safety
/// The format is null or a string, and the list holds what it names.
unsafe fn narrow(text: *const u8, arguments: *mut VaList) -> Vec<u8> {
    // SAFETY: as the caller vouches.
    let text = unsafe { until(text, 0, usize::MAX) };
    // SAFETY: as the caller vouches.
    match (text, unsafe { arguments.as_mut() }) {
        (Some(text), Some(arguments)) => format(&text, false, arguments),
        _ => Vec::new(),
    }
}

/// Formats wide text.
///
/// # Safety
/// As for [`narrow`].
unsafe fn wide(text: *const u16, arguments: *mut VaList) -> Vec<u8> {
    // SAFETY: as the caller vouches.
    let text = unsafe { until(text, 0, usize::MAX) };
    // SAFETY: as the caller vouches.
    match (text, unsafe { arguments.as_mut() }) {
        (Some(text), Some(arguments)) => format(String::from_utf16_lossy(&text).as_bytes(), true, arguments),
        _ => Vec::new(),
    }
}

fn length(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// # Safety
/// The stream is open.
unsafe fn put(stream: *mut c_void, bytes: &[u8]) -> i32 {
    // SAFETY: the bytes are ours, the stream is the caller's.
    let written = unsafe { libc::fwrite(bytes.as_ptr().cast(), 1, bytes.len(), stream.cast()) };
    if written == bytes.len() { length(written) } else { -1 }
}

/// Copies what fits of a text and ends it with zero.
///
/// # Safety
/// The buffer is null or has room for `size` units.
unsafe fn copy<T: Copy + Default>(text: &[T], buffer: *mut T, size: usize) {
    if buffer.is_null() || size == 0 {
        return;
    }
    let kept = text.len().min(size - 1);
    for (index, unit) in text[..kept].iter().copied().chain([T::default()]).enumerate() {
        // SAFETY: the index is below the size, for which the caller vouches.
        unsafe { buffer.add(index).write_unaligned(unit) };
    }
}

fn units(bytes: &[u8]) -> Vec<u16> {
    String::from_utf8_lossy(bytes).encode_utf16().collect()
}

/// Prints narrow text to a stream; returns its length.
///
/// # Safety
/// The stream is open, the format is a string, and the list holds what it names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openwhp_vfprintf(
    stream: *mut c_void,
    text: *const u8,
    arguments: *mut VaList,
) -> i32 {
    // SAFETY: as the caller vouches.
    unsafe { put(stream, &narrow(text, arguments)) }
}

/// Prints wide text to a stream, as UTF-8; returns its length.
///
/// # Safety
/// As for [`openwhp_vfprintf`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openwhp_vfwprintf(
    stream: *mut c_void,
    text: *const u16,
    arguments: *mut VaList,
) -> i32 {
    // SAFETY: as the caller vouches.
    unsafe { put(stream, &wide(text, arguments)) }
}

/// Formats into a buffer; returns the length of the whole text.
///
/// # Safety
/// The buffer is null or has room for `size` bytes, the format is a string, and the list holds what it names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openwhp_vsnprintf(
    buffer: *mut u8,
    size: usize,
    text: *const u8,
    arguments: *mut VaList,
) -> i32 {
    // SAFETY: as the caller vouches.
    let bytes = unsafe { narrow(text, arguments) };
    // SAFETY: as the caller vouches.
    unsafe { copy(&bytes, buffer, size) };
    length(bytes.len())
}

/// Formats wide text into a buffer; returns the length of the whole text.
///
/// # Safety
/// As for [`openwhp_vsnprintf`], `size` in units.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openwhp_vsnwprintf(
    buffer: *mut u16,
    size: usize,
    text: *const u16,
    arguments: *mut VaList,
) -> i32 {
    // SAFETY: as the caller vouches.
    let units = units(&unsafe { wide(text, arguments) });
    // SAFETY: as the caller vouches.
    unsafe { copy(&units, buffer, size) };
    length(units.len())
}

/// Writes wide text to a stream, as UTF-8.
///
/// # Safety
/// The stream is open and the text is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openwhp_fputws(text: *const u16, stream: *mut c_void) -> i32 {
    // SAFETY: as the caller vouches.
    let text = unsafe { until(text, 0, usize::MAX) }.unwrap_or_default();
    // SAFETY: as the caller vouches.
    unsafe { put(stream, String::from_utf16_lossy(&text).as_bytes()) }
}

/// Converts UTF-8 to UTF-16 as `MultiByteToWideChar` does; returns the units, or those needed if `size` is 0.
///
/// # Safety
/// The text has `length` bytes, or ends with zero if that is negative; the buffer is null or has room for `size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openwhp_widen(text: *const u8, length: i32, buffer: *mut u16, size: i32) -> i32 {
    // SAFETY: as the caller vouches.
    let bytes = unsafe { taken(text, length) };
    // SAFETY: as the caller vouches.
    unsafe { give(&units(&bytes), buffer, size) }
}

/// Converts UTF-16 to UTF-8 as `WideCharToMultiByte` does; returns the bytes, or those needed if `size` is 0.
///
/// # Safety
/// As for [`openwhp_widen`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openwhp_narrow(text: *const u16, length: i32, buffer: *mut u8, size: i32) -> i32 {
    // SAFETY: as the caller vouches.
    let units = unsafe { taken(text, length) };
    // SAFETY: as the caller vouches.
    unsafe { give(String::from_utf16_lossy(&units).as_bytes(), buffer, size) }
}

/// # Safety
/// The text has `length` elements, or ends with zero if that is negative.
unsafe fn taken<T: Copy + Default + PartialEq>(text: *const T, length: i32) -> Vec<T> {
    match usize::try_from(length) {
        // SAFETY: as the caller vouches.
        Ok(length) => (0..length).map(|index| unsafe { text.add(index).read_unaligned() }).collect(),
        Err(_) => {
            // SAFETY: as the caller vouches.
            let mut text = unsafe { until(text, T::default(), usize::MAX) }.unwrap_or_default();
            text.push(T::default());
            text
        }
    }
}

/// # Safety
/// The buffer is null or has room for `size` elements.
unsafe fn give<T: Copy>(text: &[T], buffer: *mut T, size: i32) -> i32 {
    let size = usize::try_from(size).unwrap_or(0);
    if size == 0 {
        return length(text.len());
    }
    if text.len() > size || buffer.is_null() {
        crate::boundary::set_last_error(crate::error::ERROR_INSUFFICIENT_BUFFER.0);
        return 0;
    }
    for (index, element) in text.iter().enumerate() {
        // SAFETY: the index is below the size, for which the caller vouches.
        unsafe { buffer.add(index).write_unaligned(*element) };
    }
    length(text.len())
}
