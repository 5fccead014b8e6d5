//! The boundary to C: what every exported function does on entry, and the only access to the caller's memory.
//!
//! [`exports!`] declares functions. Its pointer parameters become [`Input`] and [`Output`], which know how many
//! elements the caller vouched for; a panic becomes `E_FAIL`; a [`Failure`] becomes its code and is remembered as the
//! thread's last error.

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

use crate::error::Failure;

/// What a function's body returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

thread_local! {
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs the body of an exported function.
pub(crate) fn enter(body: impl FnOnce() -> Outcome) -> HRESULT {
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let outcome = outcome.unwrap_or_else(|_| Err(Failure::new(E_FAIL, "internal failure")));
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
pub(crate) fn last_error() -> String {
    LAST_ERROR.with(|text| text.borrow().clone())
}

/// Declares exported functions. `name: *const T [count]` makes an [`Input`] of `count` elements (bytes for
/// `c_void`), `*mut T` an [`Output`]; without a count there is one element.
macro_rules! exports {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($($parameter:ident: $type:ty $([$($count:tt)+])?),* $(,)?) $body:block
    )*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// Each pointer is null, or valid for the size that the interface documents for it.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($parameter: $type),*) -> openwhp_abi::hresult::HRESULT {
                $crate::boundary::enter(|| {
                    $(
                        // SAFETY: the caller vouches for the pointer; a count is the one documented for it.
                        let $parameter = unsafe {
                            $crate::boundary::Adopt::adopt($parameter, exports!(@count $($($count)+)?))
                        };
                        // Counts and parameters of absent abilities are not looked at again.
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
#[derive(Debug)]
pub(crate) struct Input<T> {
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
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Fails if the pointer is null.
    pub(crate) fn required(self) -> Outcome<Self> {
        if self.start.is_null() {
            Err(Failure::new(E_POINTER, "a required pointer is null"))
        } else {
            Ok(self)
        }
    }

    /// Fails if the pointer is null although there are elements.
    pub(crate) fn required_unless_empty(self) -> Outcome<Self> {
        if self.count == 0 { Ok(self) } else { self.required() }
    }

    /// Whether the pointer is null.
    pub(crate) fn is_null(&self) -> bool {
        self.start.is_null()
    }
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

    /// All elements.
    pub(crate) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.count).map_while(|index| self.get(index))
    }
}

impl Input<c_void> {
    /// The memory as `count` elements of another type; the caller of this method checked that they fit.
    pub(crate) fn elements<U: Copy>(self) -> Input<U> {
        Input { start: self.start.cast(), count: self.count / size_of::<U>() }
    }

    /// A copy of the bytes.
    pub(crate) fn bytes(self) -> Vec<u8> {
        self.elements::<u8>().iter().collect()
    }
}

/// Memory that the caller lets a function write: null, or `count` elements of any alignment.
#[derive(Debug)]
pub(crate) struct Output<T> {
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
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The address, for handles that travel as pointers.
    pub(crate) fn address(&self) -> usize {
        self.start as usize
    }

    /// Whether the pointer is null.
    pub(crate) fn is_null(&self) -> bool {
        self.start.is_null()
    }

    /// Fails if the pointer is null.
    pub(crate) fn required(self) -> Outcome<Self> {
        if self.start.is_null() {
            Err(Failure::new(E_POINTER, "a required pointer is null"))
        } else {
            Ok(self)
        }
    }

    /// Fails if the pointer is null although there are elements.
    pub(crate) fn required_unless_empty(self) -> Outcome<Self> {
        if self.count == 0 { Ok(self) } else { self.required() }
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
}

impl Output<c_void> {
    /// Writes bytes from the start, as many as fit.
    pub(crate) fn put_bytes(&self, bytes: &[u8]) {
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
pub(crate) fn answer(buffer: Output<c_void>, written: Output<u32>, value: &[u8]) -> Outcome {
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
pub(crate) trait Adopt {
    /// What the body sees.
    type Adopted;

    /// # Safety
    /// A pointer is null or valid for `count` elements until the function returns.
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
