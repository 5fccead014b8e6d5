//! `WHvGetCapability`.

use std::ptr::null_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::call;

cases! { "capability":
    presence_is_a_four_byte_true from "functions.md 1.1, state.md 8",
    unknown_codes_are_refused_as_unknown from "functions.md 1.1",
    a_larger_buffer_keeps_its_tail from "functions.md 0.3 class A",
    a_small_buffer_gets_the_needed_size_and_nothing_else from "functions.md 0.3 class A",
    the_written_size_may_be_left_out from "functions.md 0.3 class A",
    a_null_buffer_with_a_size_is_a_bad_pointer from "functions.md 0.2",
    every_documented_code_has_its_natural_size from "state.md 8",
    feature_banks_say_how_many_they_are from "state.md 8, 0x1006",
    the_vendor_is_one_that_clients_know from "state.md 8, 0x1000",
    abilities_that_are_absent_are_not_claimed from "functions.md 8, 9, interrupts-and-notifications.md 3",
    answers_do_not_change from "functions.md 1.1",
}

/// Asks with a buffer of `size` bytes, all 0xAA; gives the code, the buffer and the written size.
fn ask(engine: &Engine, code: u32, size: usize) -> (HRESULT, Vec<u8>, u32) {
    let mut buffer = vec![0xAA; size];
    let mut written = 0xDEAD;
    let start = buffer.as_mut_ptr().cast();
    let code = WHV_CAPABILITY_CODE(code);
    let result = call!(engine.api, WHvGetCapability(code, start, size as u32, &raw mut written));
    (result, buffer, written)
}

fn word(engine: &Engine, code: WHV_CAPABILITY_CODE) -> u64 {
    let (result, buffer, written) = ask(engine, code.0, 8);
    assert_eq!((result, written), (S_OK, 8), "{code:?}");
    u64::from_le_bytes(buffer.try_into().expect("eight bytes"))
}

fn presence_is_a_four_byte_true(engine: &Engine) {
    let (result, buffer, written) = ask(engine, WHvCapabilityCodeHypervisorPresent.0, 4);
    assert_eq!((result, written), (S_OK, 4));
    assert_eq!(buffer, [1, 0, 0, 0]);
}

fn unknown_codes_are_refused_as_unknown(engine: &Engine) {
    for nested in 0x2000..=0x2010 {
        assert_eq!(ask(engine, nested, 64).0, WHV_E_UNKNOWN_CAPABILITY, "{nested:#x}");
    }
    for code in [0x7, 0xF, 0xFFF, 0x100B, 0x2000, 0x2010, 0x2011, 0x3000, 0x4000, u32::MAX] {
        let (result, buffer, _) = ask(engine, code, 64);
        assert_eq!(result, WHV_E_UNKNOWN_CAPABILITY, "{code:#x}");
        assert!(buffer.iter().all(|byte| *byte == 0xAA), "{code:#x}");
    }
}

fn a_larger_buffer_keeps_its_tail(engine: &Engine) {
    let (result, buffer, written) = ask(engine, WHvCapabilityCodeFeatures.0, 64);
    assert_eq!((result, written), (S_OK, 8));
    assert!(buffer[8..].iter().all(|byte| *byte == 0xAA));
}

fn a_small_buffer_gets_the_needed_size_and_nothing_else(engine: &Engine) {
    for size in [0, 1, 7] {
        let (result, buffer, written) = ask(engine, WHvCapabilityCodeFeatures.0, size);
        assert_eq!((result, written), (WHV_E_INSUFFICIENT_BUFFER, 8));
        assert!(buffer.iter().all(|byte| *byte == 0xAA));
    }
}

fn the_written_size_may_be_left_out(engine: &Engine) {
    let mut value = 0_u64;
    let start = (&raw mut value).cast();
    let result = call!(engine.api, WHvGetCapability(WHvCapabilityCodeFeatures, start, 8, null_mut()));
    assert_eq!(result, S_OK);
    assert_ne!(value, 0);
}

fn a_null_buffer_with_a_size_is_a_bad_pointer(engine: &Engine) {
    let code = WHvCapabilityCodeFeatures;
    assert_eq!(call!(engine.api, WHvGetCapability(code, null_mut(), 8, null_mut())), E_POINTER);
}

fn every_documented_code_has_its_natural_size(engine: &Engine) {
    let sizes = [
        (WHvCapabilityCodeExtendedVmExits, 8),
        (WHvCapabilityCodeExceptionExitBitmap, 8),
        (WHvCapabilityCodeX64MsrExitBitmap, 8),
        (WHvCapabilityCodeGpaRangePopulateFlags, 4),
        (WHvCapabilityCodeSchedulerFeatures, 8),
        (WHvCapabilityCodeProcessorVendor, 4),
        (WHvCapabilityCodeProcessorFeatures, 8),
        (WHvCapabilityCodeProcessorClFlushSize, 1),
        (WHvCapabilityCodeProcessorXsaveFeatures, 8),
        (WHvCapabilityCodeProcessorClockFrequency, 8),
        (WHvCapabilityCodeInterruptClockFrequency, 8),
        (WHvCapabilityCodeProcessorFeaturesBanks, 24),
        (WHvCapabilityCodeProcessorFrequencyCap, 20),
        (WHvCapabilityCodeSyntheticProcessorFeaturesBanks, 16),
        (WHvCapabilityCodeProcessorPerfmonFeatures, 8),
        (WHvCapabilityCodePhysicalAddressWidth, 4),
    ];
    for (code, size) in sizes {
        let (result, _, written) = ask(engine, code.0, 64);
        assert_eq!((result, written), (S_OK, size), "{code:?}");
    }
}

fn feature_banks_say_how_many_they_are(engine: &Engine) {
    let (_, buffer, _) = ask(engine, WHvCapabilityCodeProcessorFeaturesBanks.0, 24);
    assert_eq!(buffer[..4], [2, 0, 0, 0]);
    assert_eq!(buffer[8..16], word(engine, WHvCapabilityCodeProcessorFeatures).to_le_bytes());
    let (_, buffer, _) = ask(engine, WHvCapabilityCodeSyntheticProcessorFeaturesBanks.0, 16);
    assert_eq!(buffer[..4], [1, 0, 0, 0]);
}

fn the_vendor_is_one_that_clients_know(engine: &Engine) {
    let (_, buffer, _) = ask(engine, WHvCapabilityCodeProcessorVendor.0, 4);
    let known =
        [WHvProcessorVendorAmd, WHvProcessorVendorIntel].map(|vendor| vendor.0.to_le_bytes().to_vec());
    assert!(known.contains(&buffer), "{buffer:?}");
}

fn abilities_that_are_absent_are_not_claimed(engine: &Engine) {
    let mut features = WHV_CAPABILITY_FEATURES::default();
    features.set_AsUINT64(word(engine, WHvCapabilityCodeFeatures));
    assert_eq!(features.VirtualPciDeviceSupport(), 0);
    assert_eq!(features.IommuSupport(), 0);
    let (_, buffer, _) = ask(engine, WHvCapabilityCodeSyntheticProcessorFeaturesBanks.0, 16);
    let bank = u64::from_le_bytes(buffer[8..].try_into().expect("eight bytes"));
    let mut synthetic = WHV_SYNTHETIC_PROCESSOR_FEATURES::default();
    synthetic.set_AsUINT64(bank);
    assert_eq!(synthetic.EnlightenedVmcs(), 0);
    assert_eq!(synthetic.NestedDebugCtl(), 0);
}

fn answers_do_not_change(engine: &Engine) {
    for code in [WHvCapabilityCodeProcessorClockFrequency, WHvCapabilityCodeInterruptClockFrequency] {
        let first = word(engine, code);
        assert_ne!(first, 0);
        assert_eq!(word(engine, code), first);
    }
}
