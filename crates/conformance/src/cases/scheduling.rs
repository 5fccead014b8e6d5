//! Scheduling properties: what is offered is honoured, what is not is refused.

use std::time::Duration;
use std::time::Instant;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;
use rustix::process::getpriority_process;
use rustix::thread::sched_getaffinity;
use rustix::time::ClockId;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::running::PATIENCE;
use crate::running::until;

cases! { "scheduling":
    properties_follow_their_capability from "state.md 8, 0x6; 9, 0x7-0xA, 0xD",
    values_out_of_range_are_refused from "state.md 9, 0x8, 0x9",
    defaults_ask_for_nothing from "state.md 9, 0x6-0xD",
    a_capped_processor_runs_its_share from "state.md 9, 0x8",
    a_capped_processor_can_be_cancelled_while_it_rests from "state.md 9, 0x8",
    nodes_that_exist_are_taken_and_no_others from "state.md 9, 0x6",
    processors_are_placed_on_nodes_that_exist from "functions.md 3.1",
    of_repeated_processor_properties_the_last_counts from "functions.md 3.1",
    the_thread_keeps_its_attributes from "state.md 9, 0x6, 0x9",
    a_security_domain_of_its_own_is_stored from "state.md 9, 0x3",
}

/// `inc ecx; jmp $-2`, in 16-bit code.
const COUNT: &[u8] = &[0x66, 0x41, 0xEB, 0xFC];
/// A whole host processor.
const WHOLE: u32 = 0x1_0000;

fn offered(engine: &Engine) -> WHV_SCHEDULER_FEATURES {
    let mut features = WHV_SCHEDULER_FEATURES::default();
    features.set_AsUINT64(engine.capability(WHvCapabilityCodeSchedulerFeatures)[0]);
    features
}

fn expected(is_offered: u64) -> HRESULT {
    if is_offered != 0 { S_OK } else { E_INVALIDARG }
}

fn properties_follow_their_capability(engine: &Engine) {
    let (machine, has) = (Machine::created(engine), offered(engine));
    let half = |code, value: u32| machine.set_property(code, &value);
    assert_eq!(half(WHvPartitionPropertyCodeCpuReserve, 1), expected(has.CpuReserve()));
    assert_eq!(half(WHvPartitionPropertyCodeCpuCap, WHOLE / 2), expected(has.CpuCap()));
    assert_eq!(half(WHvPartitionPropertyCodeCpuWeight, 200), expected(has.CpuWeight()));
    assert_eq!(half(WHvPartitionPropertyCodeDisableSmt, 1), expected(has.DisableSmt()));
    let group = machine.set_property(WHvPartitionPropertyCodeCpuGroupId, &1_u64);
    assert_eq!(group, expected(has.CpuGroupId()));
    assert_eq!(half(WHvPartitionPropertyCodeProcessorFrequencyCap, 1000), E_INVALIDARG);
}

fn values_out_of_range_are_refused(engine: &Engine) {
    let machine = Machine::created(engine);
    assert_eq!(machine.set_property(WHvPartitionPropertyCodeCpuCap, &(WHOLE + 1)), E_INVALIDARG);
    for weight in [0_u32, 10_001] {
        assert_eq!(machine.set_property(WHvPartitionPropertyCodeCpuWeight, &weight), E_INVALIDARG);
    }
}

fn defaults_ask_for_nothing(engine: &Engine) {
    let machine = Machine::created(engine);
    assert_eq!(machine.property::<u32>(WHvPartitionPropertyCodeCpuReserve), 0);
    assert_eq!(machine.property::<u32>(WHvPartitionPropertyCodeCpuCap), 0);
    assert_eq!(machine.property::<u32>(WHvPartitionPropertyCodeCpuWeight), 100);
    assert_eq!(machine.property::<u64>(WHvPartitionPropertyCodeCpuGroupId), 0);
    assert_eq!(machine.property::<u32>(WHvPartitionPropertyCodeDisableSmt), 0);
    assert_eq!(machine.property::<u16>(WHvPartitionPropertyCodePrimaryNumaNode), 0xFFFF);
    for code in [
        WHvPartitionPropertyCodeCpuReserve,
        WHvPartitionPropertyCodeCpuCap,
        WHvPartitionPropertyCodeCpuGroupId,
        WHvPartitionPropertyCodeDisableSmt,
    ] {
        assert_eq!(machine.set_property(code, &0_u64), S_OK, "{code:?}");
    }
    assert_eq!(machine.set_property(WHvPartitionPropertyCodeCpuWeight, &100_u32), S_OK);
}

fn thread_seconds() -> f64 {
    let now = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Runs the counting guest for `time`: iterations, real seconds and processor seconds.
fn count(machine: &Machine, time: Duration) -> (f64, f64, f64) {
    let before = machine.get64(0, WHvX64RegisterRcx) as u32;
    std::thread::scope(|scope| {
        let (start, used) = (Instant::now(), thread_seconds());
        scope.spawn(move || {
            std::thread::sleep(time);
            machine.cancel(0);
        });
        machine.run_to(0, WHvRunVpExitReasonCanceled);
        let (real, used) = (start.elapsed().as_secs_f64(), thread_seconds() - used);
        let after = machine.get64(0, WHvX64RegisterRcx) as u32;
        (f64::from(after.wrapping_sub(before)), real, used)
    })
}

fn a_capped_processor_runs_its_share(engine: &Engine) {
    if offered(engine).CpuCap() == 0 {
        return;
    }
    let cap = |machine: &Machine| machine.configure(WHvPartitionPropertyCodeCpuCap, &(WHOLE / 5));
    let capped = Machine::real_mode(engine, COUNT, cap);
    let free = Machine::real_mode(engine, COUNT, |_| ());
    // A busy host may give less processor time than was asked for, never more. How little, the other machine tells.
    until("the processor gets a tenth of its share", || {
        let (iterations, real, used) = count(&capped, Duration::from_millis(500));
        let share = used / real;
        assert!(share < 0.24, "{share} instead of 0.2");
        let (_, real, used) = count(&free, Duration::from_millis(100));
        iterations > 0.0 && share > (used / real).min(0.2) / 10.0
    });
}

fn a_capped_processor_can_be_cancelled_while_it_rests(engine: &Engine) {
    if offered(engine).CpuCap() == 0 {
        return;
    }
    let cap = |machine: &Machine| machine.configure(WHvPartitionPropertyCodeCpuCap, &1_u32);
    let machine = Machine::real_mode(engine, COUNT, cap);
    let (_, real, _) = count(&machine, Duration::from_millis(50));
    assert!(real < PATIENCE.as_secs_f64(), "a rest of many minutes ends with a cancel, not after {real} s");
}

fn nodes_that_exist_are_taken_and_no_others(engine: &Engine) {
    let machine = Machine::created(engine);
    for node in [0_u16, 0xFFFF] {
        assert_eq!(machine.set_property(WHvPartitionPropertyCodePrimaryNumaNode, &node), S_OK);
        assert_eq!(machine.property::<u16>(WHvPartitionPropertyCodePrimaryNumaNode), node);
    }
    assert_eq!(machine.set_property(WHvPartitionPropertyCodePrimaryNumaNode, &0x7FFF_u16), E_INVALIDARG);
}

fn on_node(node: u16) -> WHV_VIRTUAL_PROCESSOR_PROPERTY {
    let mut property = WHV_VIRTUAL_PROCESSOR_PROPERTY::default();
    property.set_PropertyCode(WHvVirtualProcessorPropertyCodeNumaNode);
    property.set_NumaNode(node);
    property
}

fn create(machine: &Machine, index: u32, properties: &[WHV_VIRTUAL_PROCESSOR_PROPERTY]) -> HRESULT {
    let (first, count) = (properties.as_ptr(), properties.len() as u32);
    call!(machine.api, WHvCreateVirtualProcessor2(machine.partition, index, first, count))
}

fn processors_are_placed_on_nodes_that_exist(engine: &Engine) {
    let machine = Machine::set_up(engine, 2, |_| ());
    assert_eq!(create(&machine, 0, &[on_node(0x7FFF)]), E_INVALIDARG);
    assert_eq!(create(&machine, 0, &[on_node(0)]), S_OK);
    let mut unknown = on_node(0);
    unknown.set_PropertyCode(WHV_VIRTUAL_PROCESSOR_PROPERTY_CODE(77));
    assert_eq!(create(&machine, 1, &[unknown]), E_INVALIDARG);
    assert_eq!(create(&machine, 1, &[]), S_OK);
}

fn of_repeated_processor_properties_the_last_counts(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    assert_eq!(create(&machine, 0, &[on_node(0), on_node(0)]), S_OK);
}

fn the_thread_keeps_its_attributes(engine: &Engine) {
    let has_weight = offered(engine).CpuWeight() != 0;
    let machine = Machine::real_mode(engine, &[0xF4], |machine| {
        machine.configure(WHvPartitionPropertyCodePrimaryNumaNode, &0_u16);
        if has_weight {
            machine.configure(WHvPartitionPropertyCodeCpuWeight, &50_u32);
        }
    });
    let now = || (sched_getaffinity(None).expect("readable"), getpriority_process(None).expect("readable"));
    let before = now();
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(now(), before);
}

fn a_security_domain_of_its_own_is_stored(engine: &Engine) {
    let machine = Machine::created(engine);
    assert_eq!(machine.property::<u32>(WHvPartitionPropertyCodeSeparateSecurityDomain), 0);
    machine.configure(WHvPartitionPropertyCodeSeparateSecurityDomain, &1_u32);
    assert_eq!(machine.property::<u32>(WHvPartitionPropertyCodeSeparateSecurityDomain), 1);
}
