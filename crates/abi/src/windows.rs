//! The few base types that the interface takes from Windows.

use core::ffi::c_void;

use crate::layout::enumeration;
use crate::layout::record;

/// 32-bit truth value: zero is false.
pub type BOOL = i32;

/// Opaque handle. Events are file descriptors of eventfds, processes of pidfds.
pub type HANDLE = *mut c_void;

record! {
    /// Globally unique identifier.
    pub struct GUID {
        Data1: u32,
        Data2: u16,
        Data3: u16,
        Data4: [u8; 8],
    }
}

record! {
    /// Locally unique identifier.
    pub struct LUID {
        LowPart: u32,
        HighPart: i32,
    }
}

enumeration! {
    /// Power state of a device.
    pub struct DEVICE_POWER_STATE {
        PowerDeviceUnspecified = 0,
        PowerDeviceD0 = 1,
        PowerDeviceD1 = 2,
        PowerDeviceD2 = 3,
        PowerDeviceD3 = 4,
    }
}
