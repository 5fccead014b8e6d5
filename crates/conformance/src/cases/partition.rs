//! Partitions: handles, states, set-up, reset, time, deletion.

use std::ptr::null_mut;
use std::ptr::without_provenance_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::CODE;
use crate::machine::RWX;

cases! { "partition":
    creation_needs_a_place_for_the_handle from "functions.md 1.2",
    unknown_handles_are_bad_arguments from "functions.md 0.2 step 1",
    a_deleted_handle_is_unknown from "functions.md 1.5",
    set_up_needs_a_processor_count from "functions.md 1.3",
    a_failed_set_up_can_be_corrected from "functions.md 1.3",
    a_second_set_up_is_an_invalid_state from "functions.md 1.3",
    calls_before_set_up_are_an_invalid_state from "functions.md 0.1",
    the_state_is_checked_before_pointers from "functions.md 0.2 steps 2 and 3",
    many_partitions_live_side_by_side from "functions.md 1.2",
    features_beyond_the_host_are_refused_at_set_up from "functions.md 1.3",
    reset_restores_registers_and_keeps_memory from "functions.md 1.4, state.md 6",
    reset_forgets_a_pending_cancel from "functions.md 1.4, exits.md 2.2",
    reference_time_is_zero_until_a_processor_ran from "functions.md 1.3",
    suspended_time_stands_still from "functions.md 1.8",
    suspending_twice_is_fine_and_resuming_twice_is_not from "functions.md 1.8, Q11",
    running_resumes_time from "functions.md 1.8",
    deletion_forces_processors_out from "functions.md 1.5",
}

fn creation_needs_a_place_for_the_handle(engine: &Engine) {
    assert_eq!(call!(engine.api, WHvCreatePartition(null_mut())), E_POINTER);
}

fn unknown_handles_are_bad_arguments(engine: &Engine) {
    let api = engine.api;
    for handle in [null_mut(), without_provenance_mut(0x7F00_0000_0001), without_provenance_mut(usize::MAX)] {
        assert_eq!(call!(api, WHvSetupPartition(handle)), E_INVALIDARG);
        assert_eq!(call!(api, WHvResetPartition(handle)), E_INVALIDARG);
        assert_eq!(call!(api, WHvDeletePartition(handle)), E_INVALIDARG);
        assert_eq!(call!(api, WHvSuspendPartitionTime(handle)), E_INVALIDARG);
        assert_eq!(call!(api, WHvResumePartitionTime(handle)), E_INVALIDARG);
        assert_eq!(call!(api, WHvUnmapGpaRange(handle, 0, 0x1000)), E_INVALIDARG);
        assert_eq!(call!(api, WHvCreateVirtualProcessor(handle, 0, 0)), E_INVALIDARG);
        assert_eq!(call!(api, WHvDeleteVirtualProcessor(handle, 0)), E_INVALIDARG);
        assert_eq!(call!(api, WHvRunVirtualProcessor(handle, 0, null_mut(), 0)), E_INVALIDARG);
        assert_eq!(call!(api, WHvCancelRunVirtualProcessor(handle, 0, 0)), E_INVALIDARG);
        let code = WHvPartitionPropertyCodeProcessorCount;
        assert_eq!(
            call!(api, WHvGetPartitionProperty(handle, code, null_mut(), 0, null_mut())),
            E_INVALIDARG
        );
        assert_eq!(call!(api, WHvSetPartitionProperty(handle, code, null_mut(), 0)), E_INVALIDARG);
        assert_eq!(call!(api, WHvRequestInterrupt(handle, null_mut(), 16)), E_INVALIDARG);
    }
}

fn a_deleted_handle_is_unknown(engine: &Engine) {
    let partition = engine.create();
    assert_eq!(call!(engine.api, WHvDeletePartition(partition)), S_OK);
    assert_eq!(call!(engine.api, WHvDeletePartition(partition)), E_INVALIDARG);
    assert_eq!(call!(engine.api, WHvSetupPartition(partition)), E_INVALIDARG);
    let other = engine.create();
    assert_ne!(other, partition, "handles are not used twice");
    assert_eq!(call!(engine.api, WHvDeletePartition(other)), S_OK);
}

fn set_up_needs_a_processor_count(engine: &Engine) {
    let machine = Machine::created(engine);
    let result = call!(engine.api, WHvSetupPartition(machine.partition));
    assert_eq!(result, WHV_E_INVALID_PARTITION_CONFIG);
}

fn a_failed_set_up_can_be_corrected(engine: &Engine) {
    let machine = Machine::created(engine);
    assert_ne!(call!(engine.api, WHvSetupPartition(machine.partition)), S_OK);
    machine.configure(WHvPartitionPropertyCodeProcessorCount, &1_u32);
    assert_eq!(call!(engine.api, WHvSetupPartition(machine.partition)), S_OK);
}

fn a_second_set_up_is_an_invalid_state(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    let result = call!(engine.api, WHvSetupPartition(machine.partition));
    assert_eq!(result, HRESULT_FROM_WIN32_ERROR_INVALID_STATE);
}

fn calls_before_set_up_are_an_invalid_state(engine: &Engine) {
    let machine = Machine::created(engine);
    let (api, partition) = (engine.api, machine.partition);
    let invalid = HRESULT_FROM_WIN32_ERROR_INVALID_STATE;
    assert_eq!(machine.map(0, 0, 0x1000, RWX), invalid);
    assert_eq!(call!(api, WHvUnmapGpaRange(partition, 0, 0x1000)), invalid);
    assert_eq!(call!(api, WHvCreateVirtualProcessor(partition, 0, 0)), invalid);
    assert_eq!(call!(api, WHvDeleteVirtualProcessor(partition, 0)), invalid);
    assert_eq!(machine.try_run(0), Err(invalid));
    assert_eq!(call!(api, WHvCancelRunVirtualProcessor(partition, 0, 0)), invalid);
    assert_eq!(machine.try_get(0, &[WHvX64RegisterRax]), Err(invalid));
    assert_eq!(machine.try_set(0, &[(WHvX64RegisterRax, WHV_REGISTER_VALUE::default())]), invalid);
    assert_eq!(call!(api, WHvResetPartition(partition)), invalid);
    assert_eq!(call!(api, WHvSuspendPartitionTime(partition)), invalid);
    assert_eq!(call!(api, WHvResumePartitionTime(partition)), invalid);
    assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, 0x40), invalid);
}

fn the_state_is_checked_before_pointers(engine: &Engine) {
    let machine = Machine::created(engine);
    let result = call!(engine.api, WHvRunVirtualProcessor(machine.partition, 0, null_mut(), 0));
    assert_eq!(result, HRESULT_FROM_WIN32_ERROR_INVALID_STATE);
}

fn many_partitions_live_side_by_side(engine: &Engine) {
    let machines: Vec<Machine> = (0..8_u8)
        .map(|number| Machine::real_mode(engine, &[0xB0, number, 0xF4], |_| ())) // mov al, number; hlt
        .collect();
    for (machine, number) in machines.iter().zip(0_u64..) {
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
        assert_eq!(machine.get64(0, WHvX64RegisterRax), number);
    }
}

fn features_beyond_the_host_are_refused_at_set_up(engine: &Engine) {
    let machine = Machine::created(engine);
    machine.configure(WHvPartitionPropertyCodeProcessorCount, &1_u32);
    let mut features = WHV_X64_PROCESSOR_FEATURES::default();
    features.set_AsUINT64(machine.property(WHvPartitionPropertyCodeProcessorFeatures));
    features.set_Amd3DNowSupport(1);
    features.set_XopSupport(1);
    if machine.set_property(WHvPartitionPropertyCodeProcessorFeatures, &features) == S_OK {
        let result = call!(engine.api, WHvSetupPartition(machine.partition));
        assert_eq!(result, WHV_E_UNSUPPORTED_PROCESSOR_CONFIG);
    }
}

fn reset_restores_registers_and_keeps_memory(engine: &Engine) {
    let code = [0xB8, 0x34, 0x12, 0xA3, 0x00, 0x30, 0xF4]; // mov ax, 0x1234; mov [0x3000], ax; hlt
    let machine = Machine::real_mode(engine, &code, |_| ());
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(call!(engine.api, WHvResetPartition(machine.partition)), S_OK);
    assert_eq!(machine.get64(0, WHvX64RegisterRip), 0xFFF0);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0);
    assert_eq!(machine.get(0, WHvX64RegisterCs).Segment().Selector(), 0xF000);
    assert_eq!(machine.memory.read(0x3000, 2), [0x34, 0x12]);
    assert_eq!(machine.property::<u64>(WHvPartitionPropertyCodeReferenceTime), 0);
    machine.enter_real_mode(0);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn reset_forgets_a_pending_cancel(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ()); // hlt
    machine.cancel(0);
    assert_eq!(call!(engine.api, WHvResetPartition(machine.partition)), S_OK);
    machine.enter_real_mode(0);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn reference_time_is_zero_until_a_processor_ran(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ()); // hlt
    assert_eq!(machine.property::<u64>(WHvPartitionPropertyCodeReferenceTime), 0);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    std::thread::sleep(std::time::Duration::from_millis(2));
    let later = machine.property::<u64>(WHvPartitionPropertyCodeReferenceTime);
    assert!(later >= 10_000, "time goes on while processors stand: {later}");
}

fn suspended_time_stands_still(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4, 0xF4], |_| ()); // hlt; hlt
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(call!(engine.api, WHvSuspendPartitionTime(machine.partition)), S_OK);
    let time = machine.property::<u64>(WHvPartitionPropertyCodeReferenceTime);
    let tsc = machine.get64(0, WHvX64RegisterTsc);
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert_eq!(machine.property::<u64>(WHvPartitionPropertyCodeReferenceTime), time);
    assert_eq!(machine.get64(0, WHvX64RegisterTsc), tsc);
}

fn suspending_twice_is_fine_and_resuming_twice_is_not(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ()); // hlt
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    for _ in 0..2 {
        assert_eq!(call!(engine.api, WHvSuspendPartitionTime(machine.partition)), S_OK);
    }
    assert_eq!(call!(engine.api, WHvResumePartitionTime(machine.partition)), S_OK);
    let again = call!(engine.api, WHvResumePartitionTime(machine.partition));
    assert_eq!(again, ERROR_HV_INVALID_PARTITION_STATE);
}

fn running_resumes_time(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4, 0xF4], |_| ()); // hlt; hlt
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(call!(engine.api, WHvSuspendPartitionTime(machine.partition)), S_OK);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    let again = call!(engine.api, WHvResumePartitionTime(machine.partition));
    assert_eq!(again, ERROR_HV_INVALID_PARTITION_STATE);
}

fn deletion_forces_processors_out(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xEB, 0xFE], |_| ()); // jmp $
    let outcomes = machine.while_all_run(1, || {
        assert_eq!(call!(engine.api, WHvDeletePartition(machine.partition)), S_OK);
    });
    if let Ok(context) = &outcomes[0] {
        assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
        assert_eq!(context.VpContext().Rip(), CODE);
    }
}
