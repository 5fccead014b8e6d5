//! Partition handles: numbers that are looked up, never dereferenced, and never used twice.
//!
//! A thread mostly calls about the processor that it called about last; that one it remembers. Deleting anything
//! makes every thread forget.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::LazyLock;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicU64;
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

/// Counts deletions of partitions and processors.
static DELETIONS: AtomicU64 = AtomicU64::new(0);

/// The processor that a thread used last.
struct Recent {
    deletions: u64,
    handle: usize,
    index: u32,
    processor: Processor,
}

thread_local! {
    static RECENT: RefCell<Option<Recent>> = const { RefCell::new(None) };
}

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
    let partition = partitions.remove(&handle.address()).ok_or_else(unknown)?;
    forget();
    Ok(partition)
}

/// Makes every thread look its processor up again: something was deleted.
pub(crate) fn forget() {
    DELETIONS.fetch_add(1, Ordering::Release);
}

/// What becomes of the processor that a thread used last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// The next call will be about this one too.
    Replace,
    /// This call may be about another one in between.
    Keep,
}

/// Works with a processor of a partition that is set up. `check` runs between the look-ups of the two.
pub(crate) fn with_processor<T>(
    handle: Output<c_void>,
    index: u32,
    memory: Memory,
    check: impl FnOnce() -> Outcome,
    work: impl FnOnce(&Processor) -> Outcome<T>,
) -> Outcome<T> {
    let mut call = Some((check, work));
    let done = RECENT.try_with(|place| {
        let (check, work) = call.take()?;
        // Taken if this call came out of another one, from a callback or a signal handler.
        let Ok(mut place) = place.try_borrow_mut() else {
            return Some(look_up(handle, index, check).and_then(|processor| work(&processor)));
        };
        let deletions = DELETIONS.load(Ordering::Acquire);
        let is_same = |recent: &&Recent| {
            recent.handle == handle.address() && recent.index == index && recent.deletions == deletions
        };
        if let Some(recent) = place.as_ref().filter(is_same) {
            return Some(check().and_then(|()| work(&recent.processor)));
        }
        let processor = match look_up(handle, index, check) {
            Ok(processor) => processor,
            Err(failure) => return Some(Err(failure)),
        };
        if memory == Memory::Keep {
            return Some(work(&processor));
        }
        let recent = Recent { deletions, handle: handle.address(), index, processor };
        Some(work(&place.insert(recent).processor))
    });
    match (done, call) {
        (Ok(Some(outcome)), _) => outcome,
        // The thread is ending and remembers nothing any more.
        (_, Some((check, work))) => work(&look_up(handle, index, check)?),
        (_, None) => Err(unknown()),
    }
}

fn look_up(handle: Output<c_void>, index: u32, check: impl FnOnce() -> Outcome) -> Outcome<Processor> {
    let partition = set_up(handle)?;
    check()?;
    processor(&partition, index)
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
