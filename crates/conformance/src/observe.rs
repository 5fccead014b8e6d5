//! Stands between cases and an implementation, and notes the codes that go through the calls.

#![expect(unsafe_code, reason = "forwards C functions and reads their arguments")]

use std::ffi::c_void;
use std::sync::Mutex;
use std::sync::PoisonError;

use openwhp_abi::hresult::HRESULT;
use openwhp_abi::hresult::S_OK;
use openwhp_abi::x64::*;

use crate::Api;
use crate::coverage::Item;
use crate::coverage::note;

/// The implementation behind the functions of this module.
static TARGET: Mutex<Option<Api>> = Mutex::new(None);

/// Functions that forward to `api` and note what passes. One implementation per process is observed at a time.
pub(crate) fn observed(api: Api) -> Api {
    *TARGET.lock().unwrap_or_else(PoisonError::into_inner) = Some(api);
    Api {
        WHvGetCapability: get_capability,
        WHvGetPartitionProperty: get_property,
        WHvSetPartitionProperty: set_property,
        WHvRunVirtualProcessor: run,
        WHvGetVirtualProcessorRegisters: get_registers,
        WHvSetVirtualProcessorRegisters: set_registers,
        WHvGetVirtualProcessorState: get_state,
        WHvSetVirtualProcessorState: set_state,
        WHvGetPartitionCounters: get_partition_counters,
        WHvGetVirtualProcessorCounters: get_processor_counters,
        ..api
    }
}

fn target() -> Api {
    let api = *TARGET.lock().unwrap_or_else(PoisonError::into_inner);
    api.expect("an implementation that is observed")
}

/// Defines a function that forwards all its arguments and notes one of them.
macro_rules! forward {
    ($name:ident as $forward:ident($($argument:ident: $type:ty),*) notes $item:expr) => {
        unsafe extern "C" fn $forward($($argument: $type),*) -> HRESULT {
            // SAFETY: the caller keeps the rules of this function, whose arguments are passed on unchanged.
            let result = unsafe { (target().$name)($($argument),*) };
            note($item, result);
            result
        }
    };
}

forward! { WHvGetCapability as get_capability(
    code: WHV_CAPABILITY_CODE, buffer: *mut c_void, size: u32, written: *mut u32
) notes Item::Capability(code.0) }

forward! { WHvGetPartitionProperty as get_property(
    partition: WHV_PARTITION_HANDLE, code: WHV_PARTITION_PROPERTY_CODE, buffer: *mut c_void, size: u32,
    written: *mut u32
) notes Item::PropertyGet(code.0) }

forward! { WHvSetPartitionProperty as set_property(
    partition: WHV_PARTITION_HANDLE, code: WHV_PARTITION_PROPERTY_CODE, buffer: *const c_void, size: u32
) notes Item::PropertySet(code.0) }

forward! { WHvGetVirtualProcessorState as get_state(
    partition: WHV_PARTITION_HANDLE, vp: u32, kind: WHV_VIRTUAL_PROCESSOR_STATE_TYPE, buffer: *mut c_void,
    size: u32, written: *mut u32
) notes Item::StateGet(kind.0) }

forward! { WHvSetVirtualProcessorState as set_state(
    partition: WHV_PARTITION_HANDLE, vp: u32, kind: WHV_VIRTUAL_PROCESSOR_STATE_TYPE, buffer: *const c_void,
    size: u32
) notes Item::StateSet(kind.0) }

forward! { WHvGetPartitionCounters as get_partition_counters(
    partition: WHV_PARTITION_HANDLE, set: WHV_PARTITION_COUNTER_SET, buffer: *mut c_void, size: u32,
    written: *mut u32
) notes Item::PartitionCounters(set.0) }

forward! { WHvGetVirtualProcessorCounters as get_processor_counters(
    partition: WHV_PARTITION_HANDLE, vp: u32, set: WHV_PROCESSOR_COUNTER_SET, buffer: *mut c_void, size: u32,
    written: *mut u32
) notes Item::ProcessorCounters(set.0) }

unsafe extern "C" fn run(
    partition: WHV_PARTITION_HANDLE,
    vp: u32,
    context: *mut c_void,
    size: u32,
) -> HRESULT {
    // SAFETY: as in `forward!`.
    let result = unsafe { (target().WHvRunVirtualProcessor)(partition, vp, context, size) };
    if result == S_OK {
        // SAFETY: after success the context begins with the reason.
        note(Item::Exit(unsafe { context.cast::<u32>().read_unaligned() }), result);
    }
    result
}

/// Notes the names of a list. A list that failed says something about its name only when it has just one.
///
/// # Safety
/// `names` is valid for `count` names.
unsafe fn note_registers(
    item: fn(u32) -> Item,
    names: *const WHV_REGISTER_NAME,
    count: u32,
    result: HRESULT,
) {
    if names.is_null() || (result != S_OK && count != 1) {
        return;
    }
    for index in 0..count as usize {
        // SAFETY: by the caller.
        let name = unsafe { names.wrapping_add(index).read_unaligned() };
        note(item(name.0), result);
    }
}

unsafe extern "C" fn get_registers(
    partition: WHV_PARTITION_HANDLE,
    vp: u32,
    names: *const WHV_REGISTER_NAME,
    count: u32,
    values: *mut WHV_REGISTER_VALUE,
) -> HRESULT {
    // SAFETY: as in `forward!`.
    let result = unsafe { (target().WHvGetVirtualProcessorRegisters)(partition, vp, names, count, values) };
    // SAFETY: the caller's list is valid for its count.
    unsafe { note_registers(Item::RegisterGet, names, count, result) };
    result
}

unsafe extern "C" fn set_registers(
    partition: WHV_PARTITION_HANDLE,
    vp: u32,
    names: *const WHV_REGISTER_NAME,
    count: u32,
    values: *const WHV_REGISTER_VALUE,
) -> HRESULT {
    // SAFETY: as in `forward!`.
    let result = unsafe { (target().WHvSetVirtualProcessorRegisters)(partition, vp, names, count, values) };
    // SAFETY: the caller's list is valid for its count.
    unsafe { note_registers(Item::RegisterSet, names, count, result) };
    result
}
