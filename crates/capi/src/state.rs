//! Processor state as blobs: interrupt controller, XSAVE, and the typed pair of functions.

#![expect(unsafe_code, reason = "exports C functions")]

use std::ffi::c_void;

use openwhp::Processor;
use openwhp_abi::hresult::E_POINTER;
use openwhp_abi::hresult::ERROR_HV_FEATURE_UNAVAILABLE;
use openwhp_abi::x64::*;
use zerocopy::IntoBytes;

use crate::boundary::Input;
use crate::boundary::Outcome;
use crate::boundary::answer;
use crate::boundary::exports;
use crate::error::Failure;
use crate::handles;

/// Every form of the interrupt-controller state has this size in bytes.
const PAGE: usize = 4096;
/// Where the page form keeps the processor priority, which the first version lacks.
const PPR: usize = 0xA0;
/// Words of the packed form; the rest of its page is zero.
const PACKED_WORDS: usize = 44;
/// No XSAVE image is smaller: legacy area and header.
const SMALLEST_XSAVE: usize = 576;

exports! {
    /// Reads the interrupt-controller state, first version.
    fn WHvGetVirtualProcessorInterruptControllerState(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        state: *mut c_void [size],
        size: u32,
        written: *mut u32,
    ) {
        let partition = handles::set_up(partition)?;
        let mut page = handles::processor(&partition, vp_index)?.apic_page()?;
        page[PPR..PPR + 4].fill(0);
        answer(state, written, page.as_slice())
    }

    /// Loads the interrupt-controller state, first version.
    fn WHvSetVirtualProcessorInterruptControllerState(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        state: *const c_void [size],
        size: u32,
    ) {
        let partition = handles::set_up(partition)?;
        set_apic_page(&handles::processor(&partition, vp_index)?, state)
    }

    /// Reads the interrupt-controller state as an APIC register page.
    fn WHvGetVirtualProcessorInterruptControllerState2(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        state: *mut c_void [size],
        size: u32,
        written: *mut u32,
    ) {
        let partition = handles::set_up(partition)?;
        answer(state, written, handles::processor(&partition, vp_index)?.apic_page()?.as_slice())
    }

    /// Loads the interrupt-controller state from an APIC register page.
    fn WHvSetVirtualProcessorInterruptControllerState2(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        state: *const c_void [size],
        size: u32,
    ) {
        let partition = handles::set_up(partition)?;
        set_apic_page(&handles::processor(&partition, vp_index)?, state)
    }

    /// Reads the compacted XSAVE image.
    fn WHvGetVirtualProcessorXsaveState(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        buffer: *mut c_void [size],
        size: u32,
        written: *mut u32,
    ) {
        let partition = handles::set_up(partition)?;
        answer(buffer, written, &handles::processor(&partition, vp_index)?.xsave_state()?)
    }

    /// Loads a compacted XSAVE image.
    fn WHvSetVirtualProcessorXsaveState(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        buffer: *const c_void [size],
        size: u32,
    ) {
        let partition = handles::set_up(partition)?;
        let buffer = buffer.required()?;
        let processor = handles::processor(&partition, vp_index)?;
        let largest = processor.xsave_size()?;
        if buffer.len() < SMALLEST_XSAVE {
            return Err(Failure::invalid(format!("an XSAVE image has at least {SMALLEST_XSAVE} bytes")));
        }
        Ok(processor.set_xsave_state(&padded(buffer, largest))?)
    }

    /// Reads one category of processor state.
    fn WHvGetVirtualProcessorState(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        kind: WHV_VIRTUAL_PROCESSOR_STATE_TYPE,
        buffer: *mut c_void [size],
        size: u32,
        written: *mut u32,
    ) {
        let partition = handles::set_up(partition)?;
        let category = Category::new(kind)?;
        let processor = handles::processor(&partition, vp_index)?;
        match category {
            Category::Apic => answer(buffer, written, &packed_page(processor.apic_packed()?)),
            Category::Xsave => answer(buffer, written, &processor.xsave_state()?),
            Category::Messages => answer(buffer, written, &processor.synic_messages()?[..]),
            Category::Events => answer(buffer, written, &processor.synic_events()?[..]),
            Category::Timers => answer(buffer, written, &processor.synic_timers()?),
            Category::Absent(what) => Err(absent(what)),
        }
    }

    /// Loads one category of processor state; the size must be exact.
    fn WHvSetVirtualProcessorState(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        kind: WHV_VIRTUAL_PROCESSOR_STATE_TYPE,
        buffer: *const c_void [size],
        size: u32,
    ) {
        let partition = handles::set_up(partition)?;
        let buffer = buffer.required()?;
        let category = Category::new(kind)?;
        let processor = handles::processor(&partition, vp_index)?;
        match category {
            Category::Apic => {
                processor.apic_packed()?;
                exact(buffer, PAGE)?;
                Ok(processor.set_apic_packed(&packed_words(buffer))?)
            }
            Category::Xsave => {
                exact(buffer, processor.xsave_size()?)?;
                Ok(processor.set_xsave_state(&buffer.bytes())?)
            }
            Category::Messages => {
                processor.synic_messages()?;
                Ok(processor.set_synic_messages(&block(buffer)?)?)
            }
            Category::Events => {
                processor.synic_events()?;
                Ok(processor.set_synic_events(&block(buffer)?)?)
            }
            Category::Timers => {
                processor.synic_timers()?;
                Ok(processor.set_synic_timers(&block(buffer)?)?)
            }
            Category::Absent(what) => Err(absent(what)),
        }
    }
}

/// A category of state, by what becomes of it here.
enum Category {
    Apic,
    Xsave,
    Messages,
    Events,
    Timers,
    Absent(&'static str),
}

impl Category {
    fn new(kind: WHV_VIRTUAL_PROCESSOR_STATE_TYPE) -> Outcome<Self> {
        match kind {
            WHvVirtualProcessorStateTypeInterruptControllerState2 => Ok(Self::Apic),
            WHvVirtualProcessorStateTypeXsaveState => Ok(Self::Xsave),
            WHvVirtualProcessorStateTypeSynicMessagePage => Ok(Self::Messages),
            WHvVirtualProcessorStateTypeSynicEventFlagPage => Ok(Self::Events),
            WHvVirtualProcessorStateTypeSynicTimerState => Ok(Self::Timers),
            WHvVirtualProcessorStateTypeNestedState => Ok(Self::Absent("nested virtualization")),
            other => Err(Failure::invalid(format!("state type {:#x} is not known", other.0))),
        }
    }
}

fn absent(what: &str) -> Failure {
    Failure::new(ERROR_HV_FEATURE_UNAVAILABLE, format!("the engine has no {what}"))
}

fn set_apic_page(processor: &Processor, state: Input<c_void>) -> Outcome {
    // Presence of an APIC and the processor's state come before the buffer.
    processor.apic_page()?;
    let mut page = [0; PAGE];
    if state.is_null() || state.len() < PAGE {
        return Err(Failure::new(E_POINTER, "the interrupt-controller state has less than 4096 bytes"));
    }
    for (place, byte) in page.iter_mut().zip(state.elements::<u8>().iter()) {
        *place = byte;
    }
    Ok(processor.set_apic_page(&page)?)
}

/// The image brought to the size the processor expects: a shorter one carries fewer components.
fn padded(buffer: Input<c_void>, size: usize) -> Vec<u8> {
    let mut image: Vec<u8> = buffer.elements::<u8>().iter().take(size).collect();
    image.resize(size, 0);
    image
}

/// A block of exactly its size.
fn block<const SIZE: usize>(buffer: Input<c_void>) -> Outcome<[u8; SIZE]> {
    exact(buffer, SIZE)?;
    let mut block = [0; SIZE];
    for (place, byte) in block.iter_mut().zip(buffer.elements::<u8>().iter()) {
        *place = byte;
    }
    Ok(block)
}

fn exact(buffer: Input<c_void>, size: usize) -> Outcome {
    if buffer.len() == size {
        return Ok(());
    }
    Err(Failure::invalid(format!("the state has {size} bytes, not {}", buffer.len())))
}

fn packed_page(words: [u32; PACKED_WORDS]) -> Vec<u8> {
    let mut page = words.as_bytes().to_vec();
    page.resize(PAGE, 0);
    page
}

fn packed_words(page: Input<c_void>) -> [u32; PACKED_WORDS] {
    let mut words = [0; PACKED_WORDS];
    for (place, word) in words.iter_mut().zip(page.elements::<u32>().iter()) {
        *place = word;
    }
    words
}
