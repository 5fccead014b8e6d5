//! Emulator handles: numbers that are looked up, never dereferenced, and never used twice.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use openwhp_capi_boundary::Failure;
use openwhp_capi_boundary::Outcome;
use openwhp_emulation::Emulator;

use crate::callbacks::Callbacks;

/// Distance between handles; a handle looks like an aligned pointer.
const STEP: usize = 16;

static NEXT: AtomicUsize = AtomicUsize::new(STEP);
static EMULATORS: LazyLock<RwLock<HashMap<usize, Arc<Entry>>>> = LazyLock::new(RwLock::default);

/// What a handle stands for.
pub(crate) struct Entry {
    /// The caller's callbacks.
    pub(crate) callbacks: Callbacks,
    /// The emulator, held by the one call it serves.
    pub(crate) emulator: Mutex<Emulator>,
}

/// Makes an emulator and gives it its handle.
pub(crate) fn register(callbacks: Callbacks) -> *mut c_void {
    let handle = NEXT.fetch_add(STEP, Ordering::Relaxed);
    let entry = Arc::new(Entry { callbacks, emulator: Mutex::new(Emulator::new()) });
    EMULATORS.write().unwrap_or_else(PoisonError::into_inner).insert(handle, entry);
    std::ptr::without_provenance_mut(handle)
}

/// What a handle stands for.
pub(crate) fn find(handle: *mut c_void) -> Outcome<Arc<Entry>> {
    let emulators = EMULATORS.read().unwrap_or_else(PoisonError::into_inner);
    emulators.get(&handle.addr()).cloned().ok_or_else(unknown)
}

/// Takes a handle back; it is unknown from now on. A call that it serves goes on to its end.
pub(crate) fn unregister(handle: *mut c_void) -> Outcome {
    let mut emulators = EMULATORS.write().unwrap_or_else(PoisonError::into_inner);
    emulators.remove(&handle.addr()).map(|_| ()).ok_or_else(unknown)
}

fn unknown() -> Failure {
    Failure::invalid("the emulator handle is null or not known")
}
