//! Names, numbers and C layouts of `WinHvPlatform.h` and `WinHvEmulation.h`, for both instruction sets.
//!
//! No logic lives here: only what a compiler needs to speak the binary interface. Names are those of the C headers.
//! The C layer and its tests are the only users; the rest of the workspace speaks Rust types.
//!
//! Start with [`x64`] or [`arm64`]: each holds the whole interface of its instruction set, with the shared part
//! re-exported. [`hresult`] has the result codes, [`functions`] the prototypes, [`windows`] the few base types.
//!
//! Three forms occur, all defined in [`layout`]:
//!
//! * enumerations and flag words are newtypes over their 32 bits with one constant per enumerator;
//! * structures without overlap are plain `repr(C)` structures;
//! * unions and structures with bit fields or unnamed unions are byte blocks of the same size and alignment with a
//!   getter and a setter for each member, named as in the header (`Cr8()`, `set_Cr8()`).
//!
//! # Examples
//!
//! ```
//! use openwhp_abi::x64::*;
//!
//! let mut cs = WHV_X64_SEGMENT_REGISTER::default();
//! cs.set_Selector(0xF000);
//! cs.set_Attributes(0x9B);
//! assert_eq!(cs.Present(), 1);
//!
//! let mut value = WHV_REGISTER_VALUE::default();
//! value.set_Segment(cs);
//! assert_eq!(value.Segment().Selector(), 0xF000);
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![expect(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    reason = "names are those of the C headers"
)]
#![expect(missing_debug_implementations, reason = "the zerocopy derives declare hidden types without it")]

pub mod arm64;
mod common;
pub mod functions;
pub mod hresult;
pub mod layout;
pub mod windows;
pub mod x64;
