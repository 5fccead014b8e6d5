//! Partition handles: numbers that are looked up, never dereferenced, and never used twice.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::LazyLock;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use openwhp::Partition;
use openwhp::Processor;
use openwhp::VpIndex;
use openwhp_abi::hresult::E_INVALIDARG;
use openwhp_abi::hresult::HRESULT_FROM_WIN32_ERROR_INVALID_STATE;
use openwhp_abi::hresult::WHV_E_VP_DOES_NOT_EXIST;

use crate::boundary::Outcome;
use crate::boundary::Output;
use crate::error::Failure;

/// Distance between handles; a handle looks like an aligned pointer.
const STEP: usize = 16;

static NEXT: AtomicUsize = AtomicUsize::new(STEP);
static PARTITIONS: LazyLock<RwLock<HashMap<usize, Partition>>> = LazyLock::new(RwLock::default);

/// Gives a partition its handle.
pub(crate) fn register(partition: Partition) -> *mut c_void {
    let handle = NEXT.fetch_add(STEP, Ordering::Relaxed);
    PARTITIONS.write().unwrap_or_else(PoisonError::into_inner).insert(handle, partition);
    std::ptr::without_provenance_mut(handle)
}

/// The partition of a handle, in any state.
pub(crate) fn any(handle: Output<c_void>) -> Outcome<Partition> {
    let partitions = PARTITIONS.read().unwrap_or_else(PoisonError::into_inner);
    partitions.get(&handle.address()).cloned().ok_or_else(unknown)
}

/// The partition of a handle, which must be set up.
pub(crate) fn set_up(handle: Output<c_void>) -> Outcome<Partition> {
    let partition = any(handle)?;
    if !partition.is_set_up() {
        return Err(Failure::new(HRESULT_FROM_WIN32_ERROR_INVALID_STATE, "the partition is not set up"));
    }
    Ok(partition)
}

/// Takes a handle back; it is unknown from now on.
pub(crate) fn unregister(handle: Output<c_void>) -> Outcome<Partition> {
    let mut partitions = PARTITIONS.write().unwrap_or_else(PoisonError::into_inner);
    partitions.remove(&handle.address()).ok_or_else(unknown)
}

/// A processor of a partition.
pub(crate) fn processor(partition: &Partition, index: u32) -> Outcome<Processor> {
    partition.vp(VpIndex(index)).ok_or_else(|| {
        Failure::new(WHV_E_VP_DOES_NOT_EXIST, format!("the partition has no processor {index}"))
    })
}

fn unknown() -> Failure {
    Failure::new(E_INVALIDARG, "the partition handle is null or not known")
}
