//! The boundary to C: what every exported function does on entry, and the only access to the caller's memory.
//!
//! [`exports!`] declares functions. Pointer parameters become [`Input`], [`Output`], [`Narrow`] or [`Wide`]; a
//! [`Win32`] becomes the thread's last error and the function's failure value; a panic becomes an internal error.

#![expect(unsafe_code, reason = "reads and writes the memory that C callers point to")]

use std::cell::Cell;
use std::ffi::c_void;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use crate::error::ERROR_INTERNAL_ERROR;
use crate::error::ERROR_INVALID_PARAMETER;
use crate::error::ERROR_NOACCESS;
use crate::error::Win32;

/// What a function's body returns.
pub(crate) type Outcome<T = ()> = Result<T, Win32>;

/// The two values of a C `BOOL`.
pub(crate) const TRUE: i32 = 1;
pub(crate) const FALSE: i32 = 0;

thread_local! {
    static LAST_ERROR: Cell<u32> = const { Cell::new(0) };
}

/// The calling thread's last error.
pub(crate) fn last_error() -> u32 {
    LAST_ERROR.with(Cell::get)
}

/// Sets the calling thread's last error.
pub(crate) fn set_last_error(code: u32) {
    LAST_ERROR.with(|error| error.set(code));
}

/// Runs the body of an exported function.
pub(crate) fn enter<T>(failed: T, body: impl FnOnce() -> Outcome<T>) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => {
            set_last_error(error.0);
            failed
        }
        Err(_) => {
            set_last_error(ERROR_INTERNAL_ERROR.0);
            failed
        }
    }
}

/// Declares exported functions: `fn Name(parameters) -> type = value on failure => { body }`.
///
/// `name: *const T [count]` makes an [`Input`] of `count` elements (bytes for `c_void`), `*mut T` an [`Output`];
/// without a count there is one element. `*const u8` is a narrow string, `*const u16` a wide one.
macro_rules! exports {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($parameter:ident: $type:ty $([$($count:tt)+])?),* $(,)?) -> $result:ty = $failed:expr => $body:block
    )*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// Each pointer is null, or valid for what the Windows documentation says of it.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($parameter: $type),*) -> $result {
                $crate::boundary::enter($failed, || {
                    $(
                        // SAFETY: the caller vouches for the pointer; a count is the one documented for it.
                        let $parameter = unsafe {
                            $crate::boundary::Adopt::adopt($parameter, exports!(@count $($($count)+)?))
                        };
                        // Some parameters mean nothing here.
                        let _ = &$parameter;
                    )*
                    $body
                })
            }
        )*
    };
    (@count) => { 1 };
    (@count $count:expr) => { $count as usize };
}

pub(crate) use exports;

/// Memory that the caller lets a function read: null, or `count` elements of any alignment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<T> {
    start: *const T,
    count: usize,
}

impl<T: Copy> Input<T> {
    /// One element; `None` for a null pointer or past the end.
    pub(crate) fn get(&self, index: usize) -> Option<T> {
        if self.start.is_null() || index >= self.count {
            return None;
        }
        // SAFETY: not null, and inside what the caller vouched for; unaligned reads need no alignment.
        Some(unsafe { self.start.wrapping_add(index).read_unaligned() })
    }

    /// The first element; fails for a null pointer.
    pub(crate) fn required(&self) -> Outcome<T> {
        self.get(0).ok_or(ERROR_INVALID_PARAMETER)
    }

    /// All elements; fails for a null pointer unless there are none.
    pub(crate) fn all(&self) -> Outcome<Vec<T>> {
        if self.start.is_null() && self.count > 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        Ok((0..self.count).map_while(|index| self.get(index)).collect())
    }
}

impl Input<c_void> {
    /// A copy of the bytes.
    pub(crate) fn bytes(&self) -> Outcome<Vec<u8>> {
        Input { start: self.start.cast::<u8>(), count: self.count }.all()
    }

    /// The address.
    pub(crate) fn address(&self) -> usize {
        self.start as usize
    }
}

/// Memory that the caller lets a function write: null, or `count` elements of any alignment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output<T> {
    start: *mut T,
    count: usize,
}

impl<T> Output<T> {
    /// Whether the pointer is null.
    pub(crate) fn is_null(&self) -> bool {
        self.start.is_null()
    }

    /// The address.
    pub(crate) fn address(&self) -> usize {
        self.start as usize
    }

    /// The pointer as it came.
    pub(crate) fn pointer(&self) -> *mut T {
        self.start
    }

    /// Fails if the pointer is null.
    pub(crate) fn required(self) -> Outcome<Self> {
        if self.start.is_null() { Err(ERROR_NOACCESS) } else { Ok(self) }
    }

    /// Writes one element; nothing for a null pointer or past the end.
    pub(crate) fn put(&self, index: usize, value: T) {
        if !self.start.is_null() && index < self.count {
            // SAFETY: not null, and inside what the caller vouched for; unaligned writes need no alignment.
            unsafe { self.start.wrapping_add(index).write_unaligned(value) };
        }
    }

    /// Writes the first element.
    pub(crate) fn set(&self, value: T) {
        self.put(0, value);
    }

    /// Writes elements from the start, as many as fit.
    pub(crate) fn put_all(&self, values: impl IntoIterator<Item = T>) {
        for (index, value) in values.into_iter().enumerate().take(self.count) {
            self.put(index, value);
        }
    }
}

impl<T: Copy> Output<T> {
    /// The first element as it is now.
    pub(crate) fn get(&self) -> Option<T> {
        Input { start: self.start.cast_const(), count: self.count }.get(0)
    }
}

impl Output<usize> {
    /// Words as they are now, at most `count`.
    pub(crate) fn words(&self, count: usize) -> Vec<usize> {
        Input { start: self.start.cast_const(), count: self.count.min(count) }.all().unwrap_or_default()
    }
}

impl Output<c_void> {
    /// Writes bytes from the start, as many as fit.
    pub(crate) fn put_bytes(&self, bytes: &[u8]) {
        Output { start: self.start.cast::<u8>(), count: self.count }.put_all(bytes.iter().copied());
    }
}

/// A string of bytes that ends with zero; null is `None`.
#[derive(Clone, Debug)]
pub(crate) struct Narrow(pub(crate) Option<Vec<u8>>);

impl Narrow {
    /// The text, bytes that are no UTF-8 replaced.
    pub(crate) fn text(&self) -> Option<String> {
        self.0.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

/// A string of UTF-16 units that ends with zero; null is `None`.
#[derive(Clone, Debug)]
pub(crate) struct Wide(pub(crate) Option<Vec<u16>>);

impl Wide {
    /// The text, lone surrogates replaced.
    pub(crate) fn text(&self) -> Option<String> {
        self.0.as_ref().map(|units| String::from_utf16_lossy(units))
    }
}

/// Turns a parameter of an exported function into what its body works with.
pub(crate) trait Adopt {
    /// What the body sees.
    type Adopted;

    /// # Safety
    /// A pointer is null or valid for `count` elements until the function returns.
    unsafe fn adopt(self, count: usize) -> Self::Adopted;
}

/// Reads up to the element that ends a string.
///
/// # Safety
/// `start` is null or points to elements of which one equals `end`.
pub(crate) unsafe fn until<T: Copy + PartialEq>(start: *const T, end: T, limit: usize) -> Option<Vec<T>> {
    if start.is_null() {
        return None;
    }
    let mut elements = Vec::new();
    for index in 0..limit {
        // SAFETY: no element before this one was the last, and the caller vouches for all up to the last.
        let element = unsafe { start.wrapping_add(index).read_unaligned() };
        if element == end {
            break;
        }
        elements.push(element);
    }
    Some(elements)
}

impl Adopt for *const u8 {
    type Adopted = Narrow;

    unsafe fn adopt(self, _count: usize) -> Narrow {
        // SAFETY: the caller passes null or a string.
        Narrow(unsafe { until(self, 0, usize::MAX) })
    }
}

impl Adopt for *const u16 {
    type Adopted = Wide;

    unsafe fn adopt(self, _count: usize) -> Wide {
        // SAFETY: the caller passes null or a string.
        Wide(unsafe { until(self, 0, usize::MAX) })
    }
}

impl<T> Adopt for *mut T {
    type Adopted = Output<T>;

    unsafe fn adopt(self, count: usize) -> Output<T> {
        Output { start: self, count }
    }
}

/// Pointers to what a function reads.
macro_rules! adopt_inputs {
    ($($type:ty),* $(,)?) => {
        $(
            impl Adopt for *const $type {
                type Adopted = Input<$type>;

                unsafe fn adopt(self, count: usize) -> Input<$type> {
                    Input { start: self, count }
                }
            }
        )*
    };
}

/// Parameters that are passed on as they are.
macro_rules! adopt_values {
    ($($type:ty),* $(,)?) => {
        $(
            impl Adopt for $type {
                type Adopted = $type;

                unsafe fn adopt(self, _count: usize) -> $type {
                    self
                }
            }
        )*
    };
}

adopt_inputs!(c_void, i32, i64, u64, usize);
adopt_values!(i32, u32, i64, u64, usize, f64);
