//! Partition properties.

use std::ptr::null_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;
use zerocopy::IntoBytes;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::call;

cases! { "property":
    unknown_codes_are_refused_as_unknown from "functions.md 1.6, 1.7",
    every_readable_property_has_its_natural_size from "state.md 9",
    lists_cannot_be_read from "functions.md 1.6",
    a_whole_union_is_accepted_for_a_scalar from "functions.md 0.3 class C1",
    a_short_scalar_is_refused from "functions.md 0.3 class C1",
    a_list_must_have_whole_entries_and_may_be_empty from "functions.md 0.3 class C2",
    a_null_buffer_is_a_bad_pointer from "functions.md 0.2",
    what_was_set_is_read_back from "state.md 9",
    defaults_are_those_of_the_host from "state.md 9",
    what_a_capability_reported_can_be_set from "functions.md 1.7",
    exits_beyond_the_capability_are_refused from "state.md 9, 0x1, 0x2, 0x5",
    processor_counts_out_of_range_are_refused from "state.md 9, 0x1FFF",
    fixed_properties_cannot_change_after_set_up from "functions.md 1.7",
    exit_controls_can_change_after_set_up from "functions.md 1.7",
    exit_controls_cannot_change_while_a_processor_runs from "functions.md 1.7, Q27",
    feature_banks_must_be_counted from "state.md 9, 0x100A",
    undefined_enumerators_are_refused from "state.md 9, 0x1005, 0x1010",
    msr_actions_are_checked from "state.md 9, 0x100F",
    one_feature_bank_leaves_the_other from "state.md 9, 0x1001",
}

fn read(machine: &Machine, code: u32, size: usize) -> (HRESULT, Vec<u8>, u32) {
    let mut buffer = vec![0xAA; size];
    let mut written = 0xDEAD;
    let (code, start) = (WHV_PARTITION_PROPERTY_CODE(code), buffer.as_mut_ptr().cast());
    let result = call!(
        machine.api,
        WHvGetPartitionProperty(machine.partition, code, start, size as u32, &raw mut written)
    );
    (result, buffer, written)
}

fn capability(engine: &Engine, code: WHV_CAPABILITY_CODE, size: usize) -> Vec<u8> {
    let mut buffer = vec![0; size];
    let start = buffer.as_mut_ptr().cast();
    assert_eq!(call!(engine.api, WHvGetCapability(code, start, size as u32, null_mut())), S_OK, "{code:?}");
    buffer
}

fn unknown_codes_are_refused_as_unknown(engine: &Engine) {
    let machine = Machine::created(engine);
    for code in [0, 0xE, 0xFFF, 0x1000, 0x1012, 0x1FFE, 0x2000, u32::MAX] {
        assert_eq!(read(&machine, code, 64).0, WHV_E_UNKNOWN_PROPERTY, "{code:#x}");
        let result = machine.set_property(WHV_PARTITION_PROPERTY_CODE(code), &0_u64);
        assert_eq!(result, WHV_E_UNKNOWN_PROPERTY, "{code:#x}");
    }
}

fn every_readable_property_has_its_natural_size(engine: &Engine) {
    let machine = Machine::created(engine);
    let sizes = [
        (WHvPartitionPropertyCodeExtendedVmExits, 8),
        (WHvPartitionPropertyCodeExceptionExitBitmap, 8),
        (WHvPartitionPropertyCodeSeparateSecurityDomain, 4),
        (WHvPartitionPropertyCodeNestedVirtualization, 4),
        (WHvPartitionPropertyCodeX64MsrExitBitmap, 8),
        (WHvPartitionPropertyCodePrimaryNumaNode, 2),
        (WHvPartitionPropertyCodeCpuReserve, 4),
        (WHvPartitionPropertyCodeCpuCap, 4),
        (WHvPartitionPropertyCodeCpuWeight, 4),
        (WHvPartitionPropertyCodeCpuGroupId, 8),
        (WHvPartitionPropertyCodeProcessorFrequencyCap, 4),
        (WHvPartitionPropertyCodeAllowDeviceAssignment, 4),
        (WHvPartitionPropertyCodeDisableSmt, 4),
        (WHvPartitionPropertyCodeProcessorFeatures, 8),
        (WHvPartitionPropertyCodeProcessorClFlushSize, 1),
        (WHvPartitionPropertyCodeLocalApicEmulationMode, 4),
        (WHvPartitionPropertyCodeProcessorXsaveFeatures, 8),
        (WHvPartitionPropertyCodeProcessorClockFrequency, 8),
        (WHvPartitionPropertyCodeInterruptClockFrequency, 8),
        (WHvPartitionPropertyCodeApicRemoteReadSupport, 4),
        (WHvPartitionPropertyCodeProcessorFeaturesBanks, 24),
        (WHvPartitionPropertyCodeReferenceTime, 8),
        (WHvPartitionPropertyCodeSyntheticProcessorFeaturesBanks, 16),
        (WHvPartitionPropertyCodeProcessorPerfmonFeatures, 8),
        (WHvPartitionPropertyCodeUnimplementedMsrAction, 4),
        (WHvPartitionPropertyCodePhysicalAddressWidth, 4),
        (WHvPartitionPropertyCodeProcessorCount, 4),
    ];
    for (code, size) in sizes {
        let (result, buffer, written) = read(&machine, code.0, 64);
        assert_eq!((result, written), (S_OK, size), "{code:?}");
        assert!(buffer[size as usize..].iter().all(|byte| *byte == 0xAA), "{code:?}");
        let (result, _, written) = read(&machine, code.0, size as usize - 1);
        assert_eq!((result, written), (WHV_E_INSUFFICIENT_BUFFER, size), "{code:?}");
    }
}

fn lists_cannot_be_read(engine: &Engine) {
    let machine = Machine::created(engine);
    for code in [
        WHvPartitionPropertyCodeCpuidExitList,
        WHvPartitionPropertyCodeCpuidResultList,
        WHvPartitionPropertyCodeCpuidResultList2,
        WHvPartitionPropertyCodeMsrActionList,
    ] {
        assert_eq!(read(&machine, code.0, 64).0, HRESULT_FROM_WIN32_ERROR_NOT_SUPPORTED, "{code:?}");
    }
}

fn a_whole_union_is_accepted_for_a_scalar(engine: &Engine) {
    let machine = Machine::created(engine);
    let mut union = WHV_PARTITION_PROPERTY::default();
    union.set_ProcessorCount(3);
    machine.configure(WHvPartitionPropertyCodeProcessorCount, &union);
    assert_eq!(machine.property::<u32>(WHvPartitionPropertyCodeProcessorCount), 3);
    let mut union = WHV_PARTITION_PROPERTY::default();
    union.set_LocalApicEmulationMode(WHvX64LocalApicEmulationModeXApic);
    machine.configure(WHvPartitionPropertyCodeLocalApicEmulationMode, &union);
    assert_eq!(machine.property::<u32>(WHvPartitionPropertyCodeLocalApicEmulationMode), 1);
}

fn a_short_scalar_is_refused(engine: &Engine) {
    let machine = Machine::created(engine);
    assert_eq!(machine.set_property(WHvPartitionPropertyCodeProcessorCount, &1_u16), E_INVALIDARG);
    assert_eq!(machine.set_property(WHvPartitionPropertyCodeExtendedVmExits, &0_u32), E_INVALIDARG);
    assert_eq!(machine.property::<u32>(WHvPartitionPropertyCodeProcessorCount), 0);
}

fn a_list_must_have_whole_entries_and_may_be_empty(engine: &Engine) {
    let machine = Machine::created(engine);
    for (code, entry) in [
        (WHvPartitionPropertyCodeCpuidExitList, 4),
        (WHvPartitionPropertyCodeCpuidResultList, 32),
        (WHvPartitionPropertyCodeCpuidResultList2, 48),
        (WHvPartitionPropertyCodeMsrActionList, 8),
    ] {
        assert_eq!(machine.set_property(code, vec![0_u8; entry * 3].as_slice()), S_OK, "{code:?}");
        assert_eq!(machine.set_property(code, vec![0_u8; entry + 1].as_slice()), E_INVALIDARG, "{code:?}");
        let empty = call!(engine.api, WHvSetPartitionProperty(machine.partition, code, null_mut(), 0));
        assert_eq!(empty, S_OK, "{code:?}");
    }
}

fn a_null_buffer_is_a_bad_pointer(engine: &Engine) {
    let machine = Machine::created(engine);
    let code = WHvPartitionPropertyCodeProcessorCount;
    let set = call!(engine.api, WHvSetPartitionProperty(machine.partition, code, null_mut(), 4));
    assert_eq!(set, E_POINTER);
    let get = call!(engine.api, WHvGetPartitionProperty(machine.partition, code, null_mut(), 4, null_mut()));
    assert_eq!(get, E_POINTER);
}

fn what_was_set_is_read_back(engine: &Engine) {
    let machine = Machine::created(engine);
    for (code, value) in [
        (WHvPartitionPropertyCodeSeparateSecurityDomain, 1),
        (WHvPartitionPropertyCodeAllowDeviceAssignment, 1),
        (WHvPartitionPropertyCodeUnimplementedMsrAction, 2),
        (WHvPartitionPropertyCodeLocalApicEmulationMode, 2),
        (WHvPartitionPropertyCodeProcessorCount, 7),
    ] {
        machine.configure(code, &value);
        assert_eq!(machine.property::<u32>(code), value, "{code:?}");
    }
    machine.configure(WHvPartitionPropertyCodeReferenceTime, &12345_u64);
    assert_eq!(machine.property::<u64>(WHvPartitionPropertyCodeReferenceTime), 12345);
}

fn defaults_are_those_of_the_host(engine: &Engine) {
    let machine = Machine::created(engine);
    for (property, code, size) in [
        (WHvPartitionPropertyCodeProcessorFeatures, WHvCapabilityCodeProcessorFeatures, 8),
        (WHvPartitionPropertyCodeProcessorFeaturesBanks, WHvCapabilityCodeProcessorFeaturesBanks, 24),
        (WHvPartitionPropertyCodeProcessorXsaveFeatures, WHvCapabilityCodeProcessorXsaveFeatures, 8),
        (WHvPartitionPropertyCodeProcessorClockFrequency, WHvCapabilityCodeProcessorClockFrequency, 8),
        (WHvPartitionPropertyCodeInterruptClockFrequency, WHvCapabilityCodeInterruptClockFrequency, 8),
        (WHvPartitionPropertyCodePhysicalAddressWidth, WHvCapabilityCodePhysicalAddressWidth, 4),
        (WHvPartitionPropertyCodeProcessorClFlushSize, WHvCapabilityCodeProcessorClFlushSize, 1),
    ] {
        assert_eq!(read(&machine, property.0, size).1, capability(engine, code, size), "{property:?}");
    }
    assert_eq!(machine.property::<u64>(WHvPartitionPropertyCodeX64MsrExitBitmap), 1);
    assert_eq!(machine.property::<u32>(WHvPartitionPropertyCodeProcessorCount), 0);
    assert_eq!(machine.property::<u32>(WHvPartitionPropertyCodeLocalApicEmulationMode), 0);
}

fn what_a_capability_reported_can_be_set(engine: &Engine) {
    let machine = Machine::created(engine);
    for (property, code, size) in [
        (WHvPartitionPropertyCodeExtendedVmExits, WHvCapabilityCodeExtendedVmExits, 8),
        (WHvPartitionPropertyCodeExceptionExitBitmap, WHvCapabilityCodeExceptionExitBitmap, 8),
        (WHvPartitionPropertyCodeX64MsrExitBitmap, WHvCapabilityCodeX64MsrExitBitmap, 8),
        (WHvPartitionPropertyCodeProcessorFeatures, WHvCapabilityCodeProcessorFeatures, 8),
        (WHvPartitionPropertyCodeProcessorFeaturesBanks, WHvCapabilityCodeProcessorFeaturesBanks, 24),
        (WHvPartitionPropertyCodeProcessorXsaveFeatures, WHvCapabilityCodeProcessorXsaveFeatures, 8),
        (WHvPartitionPropertyCodeProcessorClFlushSize, WHvCapabilityCodeProcessorClFlushSize, 1),
        (WHvPartitionPropertyCodeProcessorClockFrequency, WHvCapabilityCodeProcessorClockFrequency, 8),
        (WHvPartitionPropertyCodeInterruptClockFrequency, WHvCapabilityCodeInterruptClockFrequency, 8),
        (WHvPartitionPropertyCodePhysicalAddressWidth, WHvCapabilityCodePhysicalAddressWidth, 4),
        (WHvPartitionPropertyCodeProcessorPerfmonFeatures, WHvCapabilityCodeProcessorPerfmonFeatures, 8),
    ] {
        let value = capability(engine, code, size);
        assert_eq!(machine.set_property(property, value.as_slice()), S_OK, "{property:?}");
    }
    machine.configure(WHvPartitionPropertyCodeProcessorCount, &1_u32);
    assert_eq!(call!(engine.api, WHvSetupPartition(machine.partition)), S_OK);
}

fn exits_beyond_the_capability_are_refused(engine: &Engine) {
    let machine = Machine::created(engine);
    for (property, code) in [
        (WHvPartitionPropertyCodeExtendedVmExits, WHvCapabilityCodeExtendedVmExits),
        (WHvPartitionPropertyCodeExceptionExitBitmap, WHvCapabilityCodeExceptionExitBitmap),
        (WHvPartitionPropertyCodeX64MsrExitBitmap, WHvCapabilityCodeX64MsrExitBitmap),
    ] {
        let offered = u64::from_le_bytes(capability(engine, code, 8).try_into().expect("eight bytes"));
        assert_eq!(machine.set_property(property, &(!offered)), E_INVALIDARG, "{property:?}");
        assert_eq!(machine.set_property(property, &(offered | 1 << 63)), E_INVALIDARG, "{property:?}");
    }
}

fn processor_counts_out_of_range_are_refused(engine: &Engine) {
    let machine = Machine::created(engine);
    for count in [0_u32, 100_000, u32::MAX] {
        let result = machine.set_property(WHvPartitionPropertyCodeProcessorCount, &count);
        assert_eq!(result, E_INVALIDARG, "{count}");
    }
    machine.configure(WHvPartitionPropertyCodeProcessorCount, &64_u32);
}

fn fixed_properties_cannot_change_after_set_up(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    assert_eq!(machine.set_property(WHvPartitionPropertyCodeProcessorCount, &2_u32), E_INVALIDARG);
    let mode = WHvX64LocalApicEmulationModeXApic;
    assert_eq!(machine.set_property(WHvPartitionPropertyCodeLocalApicEmulationMode, &mode), E_INVALIDARG);
    assert_eq!(machine.property::<u32>(WHvPartitionPropertyCodeProcessorCount), 1);
}

fn exit_controls_can_change_after_set_up(engine: &Engine) {
    let code = [0x0F, 0xA2, 0x0F, 0xA2, 0xF4]; // cpuid; cpuid; hlt
    let machine = Machine::real_mode(engine, &code, |_| ());
    machine.enable_exits(|exits| exits.set_X64CpuidExit(1));
    machine.configure(WHvPartitionPropertyCodeExceptionExitBitmap, &0_u64);
    machine.configure(WHvPartitionPropertyCodeX64MsrExitBitmap, &0_u64);
    machine.configure(WHvPartitionPropertyCodeCpuidExitList, &[0_u32]);
    machine.run_to(0, WHvRunVpExitReasonX64Cpuid);
    machine.enable_exits(|_| ());
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn exit_controls_cannot_change_while_a_processor_runs(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xEB, 0xFE], |_| ()); // jmp $
    let context = machine.while_running(0, || {
        let result = machine.set_property(WHvPartitionPropertyCodeExceptionExitBitmap, &0_u64);
        assert_eq!(result, WHV_E_INVALID_VP_STATE);
        machine.cancel(0);
    });
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
}

fn feature_banks_must_be_counted(engine: &Engine) {
    let machine = Machine::created(engine);
    for count in [0, 3, u32::MAX] {
        let mut banks = WHV_PROCESSOR_FEATURES_BANKS::default();
        banks.set_BanksCount(count);
        let result = machine.set_property(WHvPartitionPropertyCodeProcessorFeaturesBanks, &banks);
        assert_eq!(result, E_INVALIDARG, "{count}");
    }
}

fn undefined_enumerators_are_refused(engine: &Engine) {
    let machine = Machine::created(engine);
    for code in
        [WHvPartitionPropertyCodeLocalApicEmulationMode, WHvPartitionPropertyCodeUnimplementedMsrAction]
    {
        assert_eq!(machine.set_property(code, &3_u32), E_INVALIDARG, "{code:?}");
    }
}

fn msr_actions_are_checked(engine: &Engine) {
    let machine = Machine::created(engine);
    let good = WHV_MSR_ACTION_ENTRY { Index: 0x10, ReadAction: 2, WriteAction: 1, Reserved: 0 };
    machine.configure(WHvPartitionPropertyCodeMsrActionList, good.as_bytes());
    for bad in [
        WHV_MSR_ACTION_ENTRY { ReadAction: 3, ..good },
        WHV_MSR_ACTION_ENTRY { WriteAction: 0xFF, ..good },
        WHV_MSR_ACTION_ENTRY { Reserved: 1, ..good },
    ] {
        let result = machine.set_property(WHvPartitionPropertyCodeMsrActionList, bad.as_bytes());
        assert_eq!(result, E_INVALIDARG, "{bad:?}");
    }
}

fn one_feature_bank_leaves_the_other(engine: &Engine) {
    let machine = Machine::created(engine);
    let code = WHvPartitionPropertyCodeProcessorFeaturesBanks;
    let before: WHV_PROCESSOR_FEATURES_BANKS = machine.property(code);
    let mut banks = before;
    banks.set_BanksCount(1);
    banks.set_AsUINT64([before.AsUINT64()[0], 0]);
    machine.configure(code, &banks);
    assert_eq!(machine.property::<WHV_PROCESSOR_FEATURES_BANKS>(code), before);
}
