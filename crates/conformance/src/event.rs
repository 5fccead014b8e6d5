//! Events of the library, for cases that wait for them.

#![expect(unsafe_code, reason = "calls C functions")]

use std::ptr::null_mut;

use openwhp_abi::hresult::S_OK;
use openwhp_abi::windows::BOOL;
use openwhp_abi::windows::HANDLE;

/// An event, closed when dropped.
#[derive(Debug)]
pub struct Event(HANDLE);

// SAFETY: an event is a descriptor, which any thread may use.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    /// A new event, not set.
    pub fn new() -> Self {
        let mut event = null_mut();
        // SAFETY: the pointer is a local variable.
        assert_eq!(unsafe { WinHvPlatform::openwhp_event_create(&raw mut event) }, S_OK);
        Self(event)
    }

    /// The event behind a handle that this object closes.
    pub fn adopt(handle: HANDLE) -> Self {
        Self(handle)
    }

    /// Its handle.
    pub fn handle(&self) -> HANDLE {
        self.0
    }

    /// Sets it.
    pub fn set(&self) {
        // SAFETY: the function takes no pointers to memory.
        assert_eq!(unsafe { WinHvPlatform::openwhp_event_set(self.0) }, S_OK);
    }

    /// Waits until it is set and clears it; false if that takes longer than `ms` milliseconds.
    pub fn wait(&self, ms: u32) -> bool {
        let mut was_set = BOOL::from(false);
        // SAFETY: the pointer is a local variable.
        assert_eq!(unsafe { WinHvPlatform::openwhp_event_wait(self.0, ms, &raw mut was_set) }, S_OK);
        was_set != BOOL::from(false)
    }

    /// Clears it and says whether it was set.
    pub fn take(&self) -> bool {
        self.wait(0)
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the function takes no pointers to memory.
        let _ = unsafe { WinHvPlatform::openwhp_event_close(self.0) };
    }
}
