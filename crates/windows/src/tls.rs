//! Thread-local slots.

#![expect(unsafe_code, reason = "exports C functions")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::boundary::FALSE;
use crate::boundary::Outcome;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::boundary::set_last_error;
use crate::error::ERROR_INVALID_PARAMETER;
use crate::error::ERROR_NOT_ENOUGH_MEMORY;

const SLOTS: usize = 1088;
const OUT_OF_INDEXES: u32 = u32::MAX;

/// Owner of each slot: a number that grows with every allocation, so that a slot is empty when it is allocated again.
#[derive(Debug, Default)]
struct Slots {
    owners: Vec<Option<u64>>,
    allocations: u64,
}

static ALLOCATED: Mutex<Slots> = Mutex::new(Slots { owners: Vec::new(), allocations: 0 });

thread_local! {
    static VALUES: RefCell<HashMap<u64, usize>> = RefCell::default();
}

fn owner(index: u32) -> Outcome<u64> {
    let slots = ALLOCATED.lock().unwrap_or_else(PoisonError::into_inner);
    slots.owners.get(index as usize).copied().flatten().ok_or(ERROR_INVALID_PARAMETER)
}

fn allocate() -> Outcome<u32> {
    let mut slots = ALLOCATED.lock().unwrap_or_else(PoisonError::into_inner);
    slots.allocations += 1;
    let allocation = Some(slots.allocations);
    let free = slots.owners.iter().position(Option::is_none);
    let index = match free {
        Some(index) => {
            slots.owners[index] = allocation;
            index
        }
        None if slots.owners.len() < SLOTS => {
            slots.owners.push(allocation);
            slots.owners.len() - 1
        }
        None => return Err(ERROR_NOT_ENOUGH_MEMORY),
    };
    u32::try_from(index).map_err(|_| ERROR_NOT_ENOUGH_MEMORY)
}

fn release(index: u32) -> Outcome {
    let mut slots = ALLOCATED.lock().unwrap_or_else(PoisonError::into_inner);
    let slot = slots.owners.get_mut(index as usize).ok_or(ERROR_INVALID_PARAMETER)?;
    slot.take().map(|_| ()).ok_or(ERROR_INVALID_PARAMETER)
}

exports! {
    /// Allocates a slot, empty in every thread.
    fn TlsAlloc() -> u32 = OUT_OF_INDEXES => {
        allocate()
    }

    /// Frees a slot.
    fn TlsFree(index: u32) -> i32 = FALSE => {
        release(index)?;
        Ok(TRUE)
    }

    /// The calling thread's value. Success clears the last error, since 0 may be a value.
    fn TlsGetValue(index: u32) -> usize = 0 => {
        let owner = owner(index)?;
        set_last_error(0);
        Ok(VALUES.with_borrow(|values| values.get(&owner).copied().unwrap_or(0)))
    }

    /// Sets the calling thread's value.
    fn TlsSetValue(index: u32, value: usize) -> i32 = FALSE => {
        let owner = owner(index)?;
        VALUES.with_borrow_mut(|values| values.insert(owner, value));
        Ok(TRUE)
    }
}
