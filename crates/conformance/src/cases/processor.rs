//! Processors: creation, deletion, running, cancelling, CPUID.

use std::ptr::null_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;
use zerocopy::FromZeros;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::CODE;

cases! { "processor":
    an_index_is_created_once from "functions.md 3.1",
    an_index_must_be_below_the_count from "functions.md 3.1",
    creation_flags_must_be_zero from "functions.md 3.1",
    creation_properties_are_checked from "functions.md 3.1",
    indices_may_have_gaps from "functions.md 3.1",
    a_deleted_index_can_be_created_again from "functions.md 3.2, Q32",
    missing_processors_are_named_so from "functions.md 0.2 step 5",
    a_run_needs_a_place_for_the_exit from "functions.md 3.3",
    an_older_exit_context_is_truncated from "functions.md 3.3, Q12",
    the_unused_part_of_the_context_is_zero from "functions.md 3.3",
    a_cancel_before_a_run_ends_it_at_once from "exits.md 2.2",
    many_cancels_make_one_exit from "exits.md 2.2",
    a_cancel_ends_a_busy_run from "exits.md 2.2",
    cancel_flags_must_be_zero from "functions.md 3.4",
    a_running_processor_cannot_be_reached from "functions.md 0.4, Q5",
    two_processors_run_in_parallel from "functions.md 0.4",
    runs_may_come_from_different_threads from "functions.md 0.4",
    cpuid_needs_a_place_for_its_output from "functions.md 3.10",
    cpuid_shows_result_lists from "state.md 9.1",
    cpuid_masks_results from "state.md 9.1",
    cpuid_shows_the_apic_mode from "state.md 9.1",
    no_hypervisor_leaves_without_synthetic_features from "state.md 9.2, exits.md 2.12",
    the_address_width_is_that_of_cpuid from "state.md 8, 0x100A",
}

fn an_index_is_created_once(engine: &Engine) {
    let machine = Machine::set_up(engine, 2, |_| ());
    machine.create_vp(1);
    let again = call!(engine.api, WHvCreateVirtualProcessor(machine.partition, 1, 0));
    assert_eq!(again, WHV_E_VP_ALREADY_EXISTS);
    let again = call!(engine.api, WHvCreateVirtualProcessor2(machine.partition, 1, null_mut(), 0));
    assert_eq!(again, WHV_E_VP_ALREADY_EXISTS);
}

fn an_index_must_be_below_the_count(engine: &Engine) {
    let machine = Machine::set_up(engine, 2, |_| ());
    for index in [2, 3, 1000, u32::MAX] {
        let result = call!(engine.api, WHvCreateVirtualProcessor(machine.partition, index, 0));
        assert_eq!(result, E_INVALIDARG, "{index}");
    }
}

fn creation_flags_must_be_zero(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    assert_eq!(call!(engine.api, WHvCreateVirtualProcessor(machine.partition, 0, 1)), E_INVALIDARG);
}

fn creation_properties_are_checked(engine: &Engine) {
    let machine = Machine::set_up(engine, 2, |_| ());
    let create = |property: &WHV_VIRTUAL_PROCESSOR_PROPERTY| {
        let first = std::ptr::from_ref(property);
        call!(engine.api, WHvCreateVirtualProcessor2(machine.partition, 0, first, 1))
    };
    let mut property = WHV_VIRTUAL_PROCESSOR_PROPERTY::default();
    property.set_PropertyCode(WHV_VIRTUAL_PROCESSOR_PROPERTY_CODE(7));
    assert_eq!(create(&property), E_INVALIDARG);
    let mut property = WHV_VIRTUAL_PROCESSOR_PROPERTY::default();
    property.set_NumaNode(0x7FFF);
    assert_eq!(create(&property), E_INVALIDARG);
    property.set_NumaNode(0);
    assert_eq!(create(&property), S_OK);
    let null = call!(engine.api, WHvCreateVirtualProcessor2(machine.partition, 1, null_mut(), 1));
    assert_eq!(null, E_POINTER);
}

fn indices_may_have_gaps(engine: &Engine) {
    let machine = Machine::set_up(engine, 8, |_| ());
    machine.map_all();
    machine.memory.write(CODE, &[0xF4]); // hlt
    for index in [6, 2] {
        machine.create_vp(index);
        machine.enter_real_mode(index);
        machine.run_to(index, WHvRunVpExitReasonX64Halt);
    }
    assert_eq!(machine.try_run(0), Err(WHV_E_VP_DOES_NOT_EXIST));
}

fn a_deleted_index_can_be_created_again(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ()); // hlt
    machine.set64(0, WHvX64RegisterRbx, 7);
    assert_eq!(call!(engine.api, WHvDeleteVirtualProcessor(machine.partition, 0)), S_OK);
    assert_eq!(machine.try_get(0, &[WHvX64RegisterRbx]), Err(WHV_E_VP_DOES_NOT_EXIST));
    machine.create_vp(0);
    assert_eq!(machine.get64(0, WHvX64RegisterRbx), 0);
}

fn missing_processors_are_named_so(engine: &Engine) {
    let machine = Machine::set_up(engine, 2, |_| ());
    let (api, partition) = (engine.api, machine.partition);
    for index in [0, 1, 2, 0x1000] {
        let missing = WHV_E_VP_DOES_NOT_EXIST;
        assert_eq!(machine.try_run(index), Err(missing));
        assert_eq!(machine.try_get(index, &[WHvX64RegisterRax]), Err(missing));
        assert_eq!(call!(api, WHvCancelRunVirtualProcessor(partition, index, 0)), missing);
        assert_eq!(call!(api, WHvDeleteVirtualProcessor(partition, index)), missing);
        let mut output = WHV_CPUID_OUTPUT::default();
        let result = call!(api, WHvGetVirtualProcessorCpuidOutput(partition, index, 0, 0, &raw mut output));
        assert_eq!(result, missing);
    }
}

fn a_run_needs_a_place_for_the_exit(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ()); // hlt
    let null = call!(engine.api, WHvRunVirtualProcessor(machine.partition, 0, null_mut(), 224));
    assert_eq!(null, E_POINTER);
    let mut context = [0_u8; 224];
    let start = context.as_mut_ptr().cast();
    assert_eq!(call!(engine.api, WHvRunVirtualProcessor(machine.partition, 0, start, 7)), E_INVALIDARG);
    assert_eq!(machine.get64(0, WHvX64RegisterRip), CODE, "nothing ran");
}

fn an_older_exit_context_is_truncated(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4, 0xF4], |_| ()); // hlt; hlt
    for size in [144, 8] {
        let mut context = [0xAA_u8; 224];
        let start = context.as_mut_ptr().cast();
        assert_eq!(call!(engine.api, WHvRunVirtualProcessor(machine.partition, 0, start, size)), S_OK);
        assert_eq!(context[..4], WHvRunVpExitReasonX64Halt.0.to_le_bytes());
        assert!(context[size as usize..].iter().all(|byte| *byte == 0xAA));
    }
}

fn the_unused_part_of_the_context_is_zero(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ()); // hlt
    let mut context = [0xAA_u8; 224];
    let start = context.as_mut_ptr().cast();
    assert_eq!(call!(engine.api, WHvRunVirtualProcessor(machine.partition, 0, start, 224)), S_OK);
    assert!(context[48..].iter().all(|byte| *byte == 0));
}

fn a_cancel_before_a_run_ends_it_at_once(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ()); // hlt
    machine.cancel(0);
    let context = machine.run_to(0, WHvRunVpExitReasonCanceled);
    assert_eq!(context.VpContext().Rip(), CODE);
    assert_eq!(context.CancelReason().CancelReason, WHvRunVpCancelReasonUser);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn many_cancels_make_one_exit(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ()); // hlt
    for _ in 0..5 {
        machine.cancel(0);
    }
    machine.run_to(0, WHvRunVpExitReasonCanceled);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn a_cancel_ends_a_busy_run(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0x40, 0xEB, 0xFD], |_| ()); // inc ax; jmp $-1
    for _ in 0..10 {
        let context = machine.while_running(0, || machine.cancel(0));
        assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
        assert!([CODE, CODE + 1].contains(&context.VpContext().Rip()));
        assert_eq!(machine.get64(0, WHvX64RegisterRip), context.VpContext().Rip());
    }
}

fn cancel_flags_must_be_zero(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ()); // hlt
    assert_eq!(call!(engine.api, WHvCancelRunVirtualProcessor(machine.partition, 0, 1)), E_INVALIDARG);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn a_running_processor_cannot_be_reached(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xEB, 0xFE], |_| ()); // jmp $
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| machine.run_to(0, WHvRunVpExitReasonCanceled));
        machine.until_running(0);
        let (api, partition) = (engine.api, machine.partition);
        let get = machine.try_get(0, &[WHvX64RegisterRax]);
        let set = machine.try_set(0, &[(WHvX64RegisterRax, WHV_REGISTER_VALUE::default())]);
        let run = machine.try_run(0);
        let delete = call!(api, WHvDeleteVirtualProcessor(partition, 0));
        let mut result = WHV_TRANSLATE_GVA_RESULT::default();
        let mut gpa = 0;
        let flags = WHvTranslateGvaFlagNone;
        let translate = call!(api, WHvTranslateGva(partition, 0, 0, flags, &raw mut result, &raw mut gpa));
        let suspend = call!(api, WHvSuspendPartitionTime(partition));
        let mut output = WHV_CPUID_OUTPUT::default();
        let cpuid = call!(api, WHvGetVirtualProcessorCpuidOutput(partition, 0, 0, 0, &raw mut output));
        machine.cancel(0);
        runner.join().expect("the thread ends");
        assert_eq!(get, Err(WHV_E_INVALID_VP_STATE));
        assert_eq!(set, WHV_E_INVALID_VP_STATE);
        assert_eq!(run, Err(WHV_E_INVALID_VP_STATE));
        assert_eq!(delete, WHV_E_INVALID_VP_STATE);
        assert_eq!(translate, WHV_E_INVALID_VP_STATE);
        assert_eq!(suspend, ERROR_HV_INVALID_VP_STATE);
        assert_eq!(cpuid, S_OK);
    });
}

fn two_processors_run_in_parallel(engine: &Engine) {
    let machine = Machine::set_up(engine, 2, |_| ());
    machine.map_all();
    // Processor 0 waits for processor 1's store: cmp byte [0x3000], 0; je $-5; hlt
    machine.memory.write(CODE, &[0x80, 0x3E, 0x00, 0x30, 0x00, 0x74, 0xF9, 0xF4]);
    machine.memory.write(0x2000, &[0xC6, 0x06, 0x00, 0x30, 0x01, 0xF4]); // mov byte [0x3000], 1; hlt
    for index in 0..2 {
        machine.create_vp(index);
        machine.enter_real_mode(index);
    }
    machine.set64(1, WHvX64RegisterRip, 0x2000);
    std::thread::scope(|scope| {
        scope.spawn(|| machine.run_to(0, WHvRunVpExitReasonX64Halt));
        scope.spawn(|| machine.run_to(1, WHvRunVpExitReasonX64Halt));
    });
}

fn runs_may_come_from_different_threads(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0x40, 0xF4, 0x40, 0xF4, 0x40, 0xF4], |_| ()); // inc ax; hlt; ...
    for turns in 1..=3 {
        std::thread::scope(|scope| {
            scope.spawn(|| machine.run_to(0, WHvRunVpExitReasonX64Halt));
        });
        assert_eq!(machine.get64(0, WHvX64RegisterRax), turns);
    }
}

fn cpuid(machine: &Machine, eax: u32, ecx: u32) -> WHV_CPUID_OUTPUT {
    let mut output = WHV_CPUID_OUTPUT::new_zeroed();
    let result = call!(
        machine.api,
        WHvGetVirtualProcessorCpuidOutput(machine.partition, 0, eax, ecx, &raw mut output)
    );
    assert_eq!(result, S_OK);
    output
}

fn cpuid_needs_a_place_for_its_output(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    let result = call!(engine.api, WHvGetVirtualProcessorCpuidOutput(machine.partition, 0, 0, 0, null_mut()));
    assert_eq!(result, E_POINTER);
}

fn cpuid_shows_result_lists(engine: &Engine) {
    let entry = WHV_X64_CPUID_RESULT {
        Function: 0x4000_0000,
        Reserved: [0; 3],
        Eax: 0x4000_0001,
        Ebx: 0x1111,
        Ecx: 0x2222,
        Edx: 0x3333,
    };
    let machine = Machine::real_mode(engine, &[0x66, 0xB8, 0, 0, 0, 0x40, 0x0F, 0xA2, 0xF4], |machine| {
        machine.configure(WHvPartitionPropertyCodeCpuidResultList, &[entry]);
    }); // mov eax, 0x40000000; cpuid; hlt
    let output = cpuid(&machine, 0x4000_0000, 5);
    assert_eq!((output.Eax, output.Ebx, output.Ecx, output.Edx), (0x4000_0001, 0x1111, 0x2222, 0x3333));
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(machine.get64(0, WHvX64RegisterRbx), 0x1111);
    assert_eq!(machine.get64(0, WHvX64RegisterRdx), 0x3333);
}

fn cpuid_masks_results(engine: &Engine) {
    let plain = Machine::real_mode(engine, &[0xF4], |_| ());
    let before = cpuid(&plain, 1, 0);
    let mut entry = WHV_X64_CPUID_RESULT2 { Function: 1, ..Default::default() };
    entry.Mask.Eax = 0xFFFF_FFFF;
    entry.Output.Eax = 0x1234_5678;
    entry.Mask.Ecx = 1 << 31;
    entry.Output.Ecx = u32::MAX;
    let machine = Machine::real_mode(engine, &[0xF4], |machine| {
        machine.configure(WHvPartitionPropertyCodeCpuidResultList2, &[entry]);
    });
    let after = cpuid(&machine, 1, 0);
    assert_eq!(after.Eax, 0x1234_5678);
    assert_eq!(after.Ecx, before.Ecx | 1 << 31);
    assert_eq!(after.Edx, before.Edx);
}

fn cpuid_shows_the_apic_mode(engine: &Engine) {
    for (mode, has_apic, has_x2apic) in [
        (WHvX64LocalApicEmulationModeNone, 0, 0),
        (WHvX64LocalApicEmulationModeXApic, 1, 0),
        (WHvX64LocalApicEmulationModeX2Apic, 1, 1),
    ] {
        let machine = Machine::real_mode(engine, &[0xF4], |machine| machine.use_apic(mode));
        let features = cpuid(&machine, 1, 0);
        assert_eq!(features.Edx >> 9 & 1, has_apic, "{mode:?}");
        assert_eq!(features.Ecx >> 21 & 1, has_x2apic, "{mode:?}");
    }
}

fn no_hypervisor_leaves_without_synthetic_features(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    assert_eq!(cpuid(&machine, 1, 0).Ecx >> 31, 0);
    for leaf in 0x4000_0000..0x4000_0007 {
        assert_eq!(cpuid(&machine, leaf, 0), WHV_CPUID_OUTPUT::default(), "{leaf:#x}");
    }
}

fn the_address_width_is_that_of_cpuid(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    let width: u32 = machine.property(WHvPartitionPropertyCodePhysicalAddressWidth);
    assert_eq!(cpuid(&machine, 0x8000_0008, 0).Eax & 0xFF, width);
}
