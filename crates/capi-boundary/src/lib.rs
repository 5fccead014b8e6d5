//! The boundary to C that the libraries share: what every exported function does on entry, and the only access to the
//! caller's memory.
//!
//! Pointer parameters become [`Input`] and [`Output`], which know how many elements the caller vouched for; [`enter`]
//! runs the body: a panic becomes `E_FAIL`; a [`Failure`] becomes its code and is remembered as the thread's last
//! error.

#![expect(unsafe_code, reason = "reads and writes the memory that C callers point to")]

use std::cell::RefCell;
use std::ffi::c_void;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use openwhp_abi::hresult::E_FAIL;
use openwhp_abi::hresult::E_POINTER;
use openwhp_abi::hresult::HRESULT;
use openwhp_abi::hresult::S_OK;
use openwhp_abi::hresult::WHV_E_INSUFFICIENT_BUFFER;
use zerocopy::FromZeros;
use zerocopy::Immutable;
use zerocopy::IntoBytes;

mod failure;

pub use failure::Failure;

/// What a function's body returns.
pub type Outcome<T = ()> = Result<T, Failure>;

thread_local! {
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs the body of an exported function.
#[inline]
pub fn enter<E: Into<Failure>>(body: impl FnOnce() -> Result<(), E>) -> HRESULT {
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let outcome = match outcome {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(_) => Err(Failure::new(E_FAIL, "internal failure")),
    };
    match outcome {
        Ok(()) => S_OK,
        Err(failure) => {
            let code = failure.code();
            LAST_ERROR.with(|text| text.replace(failure.text()));
            code
        }
    }
}

/// Text of the calling thread's last failure; empty if there was none.
pub fn last_error() -> String {
    LAST_ERROR.with(|text| text.borrow().clone())
}

/// Memory that the caller lets a function read: null, or `count` elements of any alignment.
#[derive(Debug)]
pub struct Input<T> {
    start: *const T,
    count: usize,
}

impl<T> Clone for Input<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Input<T> {}

impl<T> Input<T> {
    /// Elements vouched for.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no element was vouched for.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Itself, unless the pointer is null.
    ///
    /// # Errors
    /// `E_POINTER`.
    pub fn required(self) -> Outcome<Self> {
        if self.start.is_null() {
            Err(Failure::new(E_POINTER, "a required pointer is null"))
        } else {
            Ok(self)
        }
    }

    /// Itself, unless the pointer is null although there are elements.
    ///
    /// # Errors
    /// `E_POINTER`.
    pub fn required_unless_empty(self) -> Outcome<Self> {
        if self.count == 0 { Ok(self) } else { self.required() }
    }

    /// Whether the pointer is null.
    pub fn is_null(&self) -> bool {
        self.start.is_null()
    }
}

impl<T: Copy> Input<T> {
    /// One element; `None` for a null pointer or past the end.
    pub fn get(&self, index: usize) -> Option<T> {
        if self.start.is_null() || index >= self.count {
            return None;
        }
        // SAFETY: not null, and inside what the caller vouched for; unaligned reads need no alignment.
        Some(unsafe { self.start.wrapping_add(index).read_unaligned() })
    }

    /// All elements.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.count).map_while(|index| self.get(index))
    }
}

impl<T: Copy> Input<T> {
    /// `count` elements of another type that start `offset` bytes behind the start: the array at the end of a structure
    /// whose head names its length, which the caller vouches for together with the head.
    pub fn behind<U: Copy>(self, offset: usize, count: usize) -> Input<U> {
        Input { start: self.start.wrapping_byte_add(offset).cast(), count }
    }
}

impl Input<c_void> {
    /// The memory as `count` elements of another type; the caller of this method checked that they fit.
    pub fn elements<U: Copy>(self) -> Input<U> {
        Input { start: self.start.cast(), count: self.count / size_of::<U>() }
    }

    /// A copy of the bytes.
    pub fn bytes(self) -> Vec<u8> {
        self.elements::<u8>().iter().collect()
    }
}

/// Memory that the caller lets a function write: null, or `count` elements of any alignment.
#[derive(Debug)]
pub struct Output<T> {
    start: *mut T,
    count: usize,
}

impl<T> Clone for Output<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Output<T> {}

impl<T> Output<T> {
    /// Elements vouched for.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no element was vouched for.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The address, for handles that travel as pointers.
    pub fn address(&self) -> usize {
        self.start as usize
    }

    /// The pointer, for what is only passed on.
    pub fn pointer(&self) -> *mut T {
        self.start
    }

    /// Whether the pointer is null.
    pub fn is_null(&self) -> bool {
        self.start.is_null()
    }

    /// Itself, unless the pointer is null.
    ///
    /// # Errors
    /// `E_POINTER`.
    pub fn required(self) -> Outcome<Self> {
        if self.start.is_null() {
            Err(Failure::new(E_POINTER, "a required pointer is null"))
        } else {
            Ok(self)
        }
    }

    /// Itself, unless the pointer is null although there are elements.
    ///
    /// # Errors
    /// `E_POINTER`.
    pub fn required_unless_empty(self) -> Outcome<Self> {
        if self.count == 0 { Ok(self) } else { self.required() }
    }

    /// Writes one element; nothing for a null pointer or past the end.
    pub fn put(&self, index: usize, value: T) {
        if !self.start.is_null() && index < self.count {
            // SAFETY: not null, and inside what the caller vouched for; unaligned writes need no alignment.
            unsafe { self.start.wrapping_add(index).write_unaligned(value) };
        }
    }

    /// Writes the first element.
    pub fn set(&self, value: T) {
        self.put(0, value);
    }
}

impl<T> Output<T> {
    /// The memory as `size` bytes, which the caller vouches for beside the pointer.
    pub fn as_bytes(self, size: usize) -> Output<c_void> {
        Output { start: self.start.cast(), count: size }
    }
}

impl Output<c_void> {
    /// Writes a structure, cleared and then filled by `fill`: in place if it fits and lies as C aligns it; otherwise as
    /// many of its bytes as fit.
    pub fn build<T: FromZeros + IntoBytes + Immutable>(&self, fill: impl Fn(&mut T)) {
        let place = self.start.cast::<T>();
        if place.is_null() || !place.is_aligned() || self.count < size_of::<T>() {
            let mut value = T::new_zeroed();
            fill(&mut value);
            return self.put_bytes(value.as_bytes());
        }
        // SAFETY: aligned, not null, and inside what the caller vouched for.
        unsafe { place.write_bytes(0, 1) };
        // SAFETY: as above; zeroes are a value of the type; the caller gave us the memory to write, so that nobody else
        // uses it before the function returns.
        fill(unsafe { &mut *place });
    }

    /// Writes bytes from the start, as many as fit.
    pub fn put_bytes(&self, bytes: &[u8]) {
        if self.start.is_null() {
            return;
        }
        let count = bytes.len().min(self.count);
        // SAFETY: `count` bytes lie inside `bytes` and inside what the caller vouched for, which is not Rust memory
        // that `bytes` could overlap.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.cast(), count) };
    }
}

/// Answers a getter: the whole value if the buffer holds it, else only the size needed. `written` may be null.
///
/// # Errors
/// `WHV_E_INSUFFICIENT_BUFFER`, or `E_POINTER` without a buffer for an empty value.
pub fn answer(buffer: Output<c_void>, written: Output<u32>, value: &[u8]) -> Outcome {
    let size = u32::try_from(value.len()).unwrap_or(u32::MAX);
    if buffer.len() < value.len() {
        written.set(size);
        let text = format!("the buffer has {} bytes, {size} are needed", buffer.len());
        return Err(Failure::new(WHV_E_INSUFFICIENT_BUFFER, text));
    }
    buffer.required()?.put_bytes(value);
    written.set(size);
    Ok(())
}

/// Turns a parameter of an exported function into what its body works with.
pub trait Adopt {
    /// What the body sees.
    type Adopted;

    /// # Safety
    /// A pointer is null or valid for `count` elements until the function returns; what it writes nobody else uses.
    unsafe fn adopt(self, count: usize) -> Self::Adopted;
}

impl<T> Adopt for *const T {
    type Adopted = Input<T>;

    unsafe fn adopt(self, count: usize) -> Input<T> {
        Input { start: self, count }
    }
}

impl<T> Adopt for *mut T {
    type Adopted = Output<T>;

    unsafe fn adopt(self, count: usize) -> Output<T> {
        Output { start: self, count }
    }
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

adopt_values! {
    u32,
    u64,
    usize,
    openwhp_abi::windows::DEVICE_POWER_STATE,
    openwhp_abi::x64::WHV_ACCESS_GPA_CONTROLS,
    openwhp_abi::x64::WHV_ADVISE_GPA_RANGE_CODE,
    openwhp_abi::x64::WHV_ALLOCATE_VPCI_RESOURCE_FLAGS,
    openwhp_abi::x64::WHV_CAPABILITY_CODE,
    openwhp_abi::x64::WHV_CREATE_VPCI_DEVICE_FLAGS,
    openwhp_abi::x64::WHV_INTERRUPT_DESTINATION_MODE,
    openwhp_abi::x64::WHV_MAP_GPA_RANGE_FLAGS,
    openwhp_abi::x64::WHV_NOTIFICATION_PORT_PROPERTY_CODE,
    openwhp_abi::x64::WHV_PARTITION_COUNTER_SET,
    openwhp_abi::x64::WHV_PARTITION_PROPERTY_CODE,
    openwhp_abi::x64::WHV_PROCESSOR_COUNTER_SET,
    openwhp_abi::x64::WHV_SYNIC_EVENT_PARAMETERS,
    openwhp_abi::x64::WHV_TRANSLATE_GVA_FLAGS,
    openwhp_abi::x64::WHV_VIRTUAL_PROCESSOR_STATE_TYPE,
    openwhp_abi::x64::WHV_VPCI_DEVICE_PROPERTY_CODE,
}
