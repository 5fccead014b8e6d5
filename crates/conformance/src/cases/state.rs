//! Processor state as blobs.

use std::ptr::null_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::call;

cases! { "state":
    the_apic_page_has_4096_bytes_and_its_reset_values from "functions.md 3.7, state.md 6, 7.1",
    the_apic_page_round_trips from "state.md 7.1",
    a_short_apic_page_is_a_bad_pointer from "functions.md 3.7",
    the_first_version_is_the_page_without_priority from "state.md 7.2, Q3",
    the_packed_form_has_44_words from "state.md 7.3",
    the_packed_form_needs_its_exact_size from "functions.md 3.9",
    task_priority_is_one_value_everywhere from "state.md 3",
    no_apic_means_no_apic_state from "functions.md 3.6, 3.7",
    the_xsave_size_can_be_asked_for from "functions.md 3.8",
    the_xsave_image_is_compacted from "state.md 7.4",
    the_xsave_image_round_trips from "state.md 7.4",
    xsave_and_registers_are_one_state from "state.md 3",
    a_malformed_xsave_header_is_refused from "state.md 7.4",
    unknown_state_types_are_refused from "functions.md 3.9",
    absent_state_is_unavailable from "state.md 7.6",
}

const PAGE: usize = 4096;
const PPR: usize = 0xA0;
const TPR: usize = 0x80;

fn with_apic(engine: &Engine) -> Machine {
    Machine::real_mode(engine, &[0xF4], |machine| machine.use_apic(WHvX64LocalApicEmulationModeXApic))
}

/// What a getter of blobs gave: code, buffer, written size.
type Answer = (HRESULT, Vec<u8>, u32);

fn page(machine: &Machine, size: usize) -> Answer {
    let (mut buffer, mut written) = (vec![0xAA; size], 0xDEAD);
    let start = buffer.as_mut_ptr().cast();
    let result = call!(
        machine.api,
        WHvGetVirtualProcessorInterruptControllerState2(
            machine.partition,
            0,
            start,
            size as u32,
            &raw mut written
        )
    );
    (result, buffer, written)
}

fn set_page(machine: &Machine, page: &[u8]) -> HRESULT {
    let (start, size) = (page.as_ptr().cast(), page.len() as u32);
    call!(machine.api, WHvSetVirtualProcessorInterruptControllerState2(machine.partition, 0, start, size))
}

fn state(machine: &Machine, kind: WHV_VIRTUAL_PROCESSOR_STATE_TYPE, size: usize) -> Answer {
    let (mut buffer, mut written) = (vec![0xAA; size], 0xDEAD);
    let start = buffer.as_mut_ptr().cast();
    let result = call!(
        machine.api,
        WHvGetVirtualProcessorState(machine.partition, 0, kind, start, size as u32, &raw mut written)
    );
    (result, buffer, written)
}

fn set_state(machine: &Machine, kind: WHV_VIRTUAL_PROCESSOR_STATE_TYPE, blob: &[u8]) -> HRESULT {
    let (start, size) = (blob.as_ptr().cast(), blob.len() as u32);
    call!(machine.api, WHvSetVirtualProcessorState(machine.partition, 0, kind, start, size))
}

fn xsave(machine: &Machine) -> Vec<u8> {
    let mut needed = 0;
    let probe = call!(
        machine.api,
        WHvGetVirtualProcessorXsaveState(machine.partition, 0, null_mut(), 0, &raw mut needed)
    );
    assert_eq!(probe, WHV_E_INSUFFICIENT_BUFFER);
    let mut image = vec![0; needed as usize];
    let start = image.as_mut_ptr().cast();
    let mut written = 0;
    let result = call!(
        machine.api,
        WHvGetVirtualProcessorXsaveState(machine.partition, 0, start, needed, &raw mut written)
    );
    assert_eq!((result, written), (S_OK, needed));
    image
}

fn set_xsave(machine: &Machine, image: &[u8]) -> HRESULT {
    let (start, size) = (image.as_ptr().cast(), image.len() as u32);
    call!(machine.api, WHvSetVirtualProcessorXsaveState(machine.partition, 0, start, size))
}

fn word_at(blob: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(blob[offset..offset + 4].try_into().expect("four bytes"))
}

fn long_at(blob: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(blob[offset..offset + 8].try_into().expect("eight bytes"))
}

fn the_apic_page_has_4096_bytes_and_its_reset_values(engine: &Engine) {
    let machine = with_apic(engine);
    let (result, buffer, written) = page(&machine, PAGE + 8);
    assert_eq!((result, written), (S_OK, 4096));
    assert_eq!(buffer[PAGE..], [0xAA; 8]);
    for (offset, value) in [
        (0x20, 0),
        (0x30, 0x5_0014),
        (TPR, 0),
        (0xD0, 0),
        (0xE0, 0xFFFF_FFFF),
        (0xF0, 0xFF),
        (0x320, 0x1_0000),
        (0x350, 0x1_0000),
        (0x360, 0x1_0000),
        (0x370, 0x1_0000),
        (0x380, 0),
    ] {
        assert_eq!(word_at(&buffer, offset), value, "{offset:#x}");
    }
    for size in [0, 1, PAGE - 1] {
        assert_eq!(page(&machine, size), (WHV_E_INSUFFICIENT_BUFFER, vec![0xAA; size], 4096));
    }
}

fn the_apic_page_round_trips(engine: &Engine) {
    let machine = with_apic(engine);
    let (_, mut buffer, _) = page(&machine, PAGE);
    buffer[0xF0..0xF4].copy_from_slice(&0x1FF_u32.to_le_bytes());
    buffer[0x350..0x354].copy_from_slice(&0x700_u32.to_le_bytes());
    buffer[0x210..0x214].copy_from_slice(&0x10_u32.to_le_bytes()); // vector 0x24 requested
    assert_eq!(set_page(&machine, &buffer), S_OK);
    let (_, after, _) = page(&machine, PAGE);
    for offset in [0x20, 0xF0, 0x350, 0x210] {
        assert_eq!(word_at(&after, offset), word_at(&buffer, offset), "{offset:#x}");
    }
}

fn a_short_apic_page_is_a_bad_pointer(engine: &Engine) {
    let machine = with_apic(engine);
    assert_eq!(set_page(&machine, &[0; PAGE - 1]), E_POINTER);
    let null = call!(
        engine.api,
        WHvSetVirtualProcessorInterruptControllerState2(machine.partition, 0, null_mut(), 4096)
    );
    assert_eq!(null, E_POINTER);
}

fn the_first_version_is_the_page_without_priority(engine: &Engine) {
    let machine = with_apic(engine);
    machine.set64(0, WHvX64RegisterCr8, 5);
    let (_, second, _) = page(&machine, PAGE);
    let (mut first, mut written) = (vec![0; PAGE], 0);
    let start = first.as_mut_ptr().cast();
    let result = call!(
        engine.api,
        WHvGetVirtualProcessorInterruptControllerState(machine.partition, 0, start, 4096, &raw mut written)
    );
    assert_eq!((result, written), (S_OK, 4096));
    assert_eq!(word_at(&first, PPR), 0);
    let mut expected = second;
    expected[PPR..PPR + 4].fill(0);
    assert_eq!(first, expected);
    let set = call!(
        engine.api,
        WHvSetVirtualProcessorInterruptControllerState(machine.partition, 0, first.as_ptr().cast(), 4096)
    );
    assert_eq!(set, S_OK);
}

fn the_packed_form_has_44_words(engine: &Engine) {
    let machine = with_apic(engine);
    let kind = WHvVirtualProcessorStateTypeInterruptControllerState2;
    let (result, buffer, written) = state(&machine, kind, PAGE);
    assert_eq!((result, written), (S_OK, 4096));
    assert_eq!(word_at(&buffer, 4), 0x5_0014, "version");
    assert_eq!(word_at(&buffer, 3 * 4), 0xFFFF_FFFF, "destination format");
    assert_eq!(word_at(&buffer, 4 * 4), 0xFF, "spurious vector");
    assert!(buffer[44 * 4..].iter().all(|byte| *byte == 0));
    assert_eq!(set_state(&machine, kind, &buffer), S_OK);
    assert_eq!(state(&machine, kind, PAGE).1, buffer);
}

fn the_packed_form_needs_its_exact_size(engine: &Engine) {
    let machine = with_apic(engine);
    let kind = WHvVirtualProcessorStateTypeInterruptControllerState2;
    assert_eq!(state(&machine, kind, 0), (WHV_E_INSUFFICIENT_BUFFER, vec![], 4096));
    for size in [0, 1, PAGE - 1, PAGE + 1] {
        assert_eq!(set_state(&machine, kind, &vec![0; size]), E_INVALIDARG, "{size}");
    }
}

fn task_priority_is_one_value_everywhere(engine: &Engine) {
    let machine = with_apic(engine);
    machine.set64(0, WHvX64RegisterCr8, 9);
    let (_, mut buffer, _) = page(&machine, PAGE);
    assert_eq!(word_at(&buffer, TPR), 0x90);
    buffer[TPR] = 0x34;
    assert_eq!(set_page(&machine, &buffer), S_OK);
    assert_eq!(machine.get64(0, WHvX64RegisterCr8), 3);
}

fn no_apic_means_no_apic_state(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    assert_eq!(page(&machine, PAGE).0, ERROR_HV_OPERATION_DENIED);
    assert_eq!(set_page(&machine, &[0; PAGE]), ERROR_HV_OPERATION_DENIED);
    let kind = WHvVirtualProcessorStateTypeInterruptControllerState2;
    assert_eq!(state(&machine, kind, PAGE).0, ERROR_HV_OPERATION_DENIED);
}

fn the_xsave_size_can_be_asked_for(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    let image = xsave(&machine);
    assert!(image.len() >= 576);
    machine.set64(0, WHvX64RegisterXCr0, 3);
    assert_eq!(xsave(&machine).len(), image.len(), "the size does not depend on XCR0");
    let kind = WHvVirtualProcessorStateTypeXsaveState;
    assert_eq!(state(&machine, kind, 0), (WHV_E_INSUFFICIENT_BUFFER, vec![], image.len() as u32));
    assert_eq!(state(&machine, kind, image.len()).1, image);
}

fn the_xsave_image_is_compacted(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    let image = xsave(&machine);
    let (present, compacted) = (long_at(&image, 512), long_at(&image, 520));
    assert_eq!(compacted >> 63, 1);
    assert_eq!(present & !compacted, 0);
    assert_eq!(image[..2], [0x7F, 0x03], "the control word comes first");
}

fn the_xsave_image_round_trips(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    let mut image = xsave(&machine);
    image[160..176].copy_from_slice(&[0x5A; 16]); // XMM0
    image[512] |= 3;
    assert_eq!(set_xsave(&machine, &image), S_OK);
    assert_eq!(xsave(&machine)[160..176], [0x5A; 16]);
    let kind = WHvVirtualProcessorStateTypeXsaveState;
    assert_eq!(set_state(&machine, kind, &image), S_OK);
    assert_eq!(set_state(&machine, kind, &image[..576 - 1]), E_INVALIDARG);
}

fn xsave_and_registers_are_one_state(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    let mut halves = WHV_UINT128::default();
    halves.set_Low64(0x1111_2222_3333_4444);
    let mut value = WHV_REGISTER_VALUE::default();
    value.set_Reg128(halves);
    machine.set(0, &[(WHvX64RegisterXmm3, value)]);
    let mut image = xsave(&machine);
    assert_eq!(long_at(&image, 160 + 3 * 16), 0x1111_2222_3333_4444);
    image[512..520].copy_from_slice(&0_u64.to_le_bytes());
    assert_eq!(set_xsave(&machine, &image), S_OK);
    assert_eq!(machine.get(0, WHvX64RegisterXmm3), WHV_REGISTER_VALUE::default(), "absent parts are initial");
}

fn a_malformed_xsave_header_is_refused(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    let image = xsave(&machine);
    let mut plain = image.clone();
    plain[527] &= 0x7F;
    assert_eq!(set_xsave(&machine, &plain), E_INVALIDARG, "not compacted");
    let mut beyond = image.clone();
    beyond[518] |= 0x40;
    assert_eq!(set_xsave(&machine, &beyond), E_INVALIDARG, "present but not laid out");
    let mut mxcsr = image.clone();
    mxcsr[512] |= 2;
    mxcsr[24..28].copy_from_slice(&0xFFFF_0000_u32.to_le_bytes());
    assert_eq!(set_xsave(&machine, &mxcsr), E_INVALIDARG, "reserved bits of MXCSR");
    assert_eq!(set_xsave(&machine, &image[..575]), E_INVALIDARG, "too short");
    let null = call!(engine.api, WHvSetVirtualProcessorXsaveState(machine.partition, 0, null_mut(), 4096));
    assert_eq!(null, E_POINTER);
}

fn unknown_state_types_are_refused(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    for kind in [3, 0xFFF, 0x1003, 0x8000_0000, u32::MAX] {
        let kind = WHV_VIRTUAL_PROCESSOR_STATE_TYPE(kind);
        assert_eq!(state(&machine, kind, PAGE).0, E_INVALIDARG, "{kind:?}");
        assert_eq!(set_state(&machine, kind, &[0; 8]), E_INVALIDARG, "{kind:?}");
    }
}

fn absent_state_is_unavailable(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    let kind = WHvVirtualProcessorStateTypeNestedState;
    assert_eq!(state(&machine, kind, 8192).0, ERROR_HV_FEATURE_UNAVAILABLE);
    assert_eq!(set_state(&machine, kind, &[0; 8192]), ERROR_HV_FEATURE_UNAVAILABLE);
}
