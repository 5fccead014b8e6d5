//! The boundary to C, shared with the other library, with the failures of this one. See the crate
//! `openwhp-capi-boundary`.

use std::ffi::c_void;

use openwhp_abi::hresult::HRESULT;

pub(crate) use openwhp_capi_boundary::Adopt;
pub(crate) use openwhp_capi_boundary::Input;
pub(crate) use openwhp_capi_boundary::Output;
pub(crate) use openwhp_capi_boundary::last_error;

use crate::error::Failure;

/// What a function's body returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

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

/// Runs the body of an exported function.
pub(crate) fn enter(body: impl FnOnce() -> Outcome) -> HRESULT {
    openwhp_capi_boundary::enter(body)
}

/// Answers a getter: the whole value if the buffer holds it, else only the size needed. `written` may be null.
pub(crate) fn answer(buffer: Output<c_void>, written: Output<u32>, value: &[u8]) -> Outcome {
    Ok(openwhp_capi_boundary::answer(buffer, written, value)?)
}
