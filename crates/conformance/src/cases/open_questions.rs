//! Choices where no source settles what happens; each case names its question.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;
use rustix::mm::MprotectFlags;

use super::cases;
use super::habits::*;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::coverage::need;
use crate::event::Event;
use crate::machine::CODE;
use crate::machine::PAGE;
use crate::machine::RWX;
use crate::machine::word;

cases! { "open questions":
    events_are_descriptors_that_outlive_their_use from "Q1",
    reset_takes_running_processors_out_first from "Q9, functions.md 1.4",
    synic_control_is_one_after_reset from "Q13, state.md 6",
    the_cache_line_is_eight_units from "Q15, state.md 8",
    guests_may_move_and_switch_off_the_apic from "Q17, state.md 2.4",
    no_limit_on_partitions_or_rights from "Q22, functions.md 1.2",
    the_platform_is_always_there from "Q23, Q21, state.md 8",
    bad_values_and_malformed_blobs_have_their_codes from "Q25, functions.md 3.5, state.md 7.4",
    all_leaves_exit_without_a_list from "Q28, exits.md 2.12",
    write_only_and_execute_only_mappings_are_accepted from "Q30, memory.md 1.1",
    processor_counts_follow_the_apic from "Q33, state.md 9",
    the_first_code_segment_is_that_of_windows from "Q34, state.md 6",
    time_stamps_start_at_zero_after_reset from "Q37, state.md 6",
    another_exit_wins_over_a_cancel_which_stays from "Q39, exits.md 2.2",
    a_doorbell_hides_its_whole_page from "Q42, interrupts-and-notifications.md 4",
    plain_stores_ring_and_others_may_exit from "Q43, interrupts-and-notifications.md 4",
    an_x2apic_sees_no_broadcast_in_eight_bits from "Q44, interrupts-and-notifications.md 1.1",
    processed_hypercalls_do_not_exit from "Q46, interrupts-and-notifications.md 3.5",
    halts_are_counted_as_halts from "Q47, interrupts-and-notifications.md 10",
    refused_accesses_carry_their_bytes from "Q48, exits.md 2.3",
    task_switches_happen_inside from "Q49, exits.md 2.7",
    nested_partitions_do_not_combine_with_hypercall_exits from "Q50, exits.md 2.14",
    remote_reads_are_allowed_as_the_capability_says from "state.md 9, 0x1009",
    symbols_are_those_of_this_instruction_set from "Q18, functions.md 0.6",
}

fn apic(machine: &Machine) {
    machine.use_apic(WHvX64LocalApicEmulationModeXApic);
}

fn events_are_descriptors_that_outlive_their_use(engine: &Engine) {
    let machine = long_mode(engine, &[0x89, 0x04, 0x25, 0, 0, 0x20, 0, 0xF4], |_| ()); // mov [0x200000], eax; hlt
    let event = Event::new();
    assert!(![0, usize::MAX].contains(&(event.handle() as usize)));
    let mut doorbell = WHV_DOORBELL_MATCH_DATA::default();
    doorbell.set_GuestAddress(0x20_0000);
    let register = call!(
        engine.api,
        WHvRegisterPartitionDoorbellEvent(machine.partition, &raw const doorbell, event.handle())
    );
    assert_eq!(register, S_OK);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert!(event.take());
    drop(event); // the library has its own reference
    machine.set64(0, WHvX64RegisterRip, CODE);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    let unregister =
        call!(engine.api, WHvUnregisterPartitionDoorbellEvent(machine.partition, &raw const doorbell));
    assert_eq!(unregister, S_OK);
}

fn reset_takes_running_processors_out_first(engine: &Engine) {
    let machine = long_mode(engine, &[0xEB, 0xFE], |_| ());
    let context = machine.while_running(0, || {
        assert_eq!(call!(engine.api, WHvResetPartition(machine.partition)), S_OK);
    });
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
    assert_eq!(machine.get64(0, WHvX64RegisterRip), 0xFFF0);
    machine.memory.write(CODE, &[0xF4]);
    enter_long_mode(&machine, 0);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

/// A partition with an APIC and all synthetic features that the engine has.
fn synthetic(engine: &Engine, set: impl FnOnce(&Machine)) -> Machine {
    let features = engine.capability(WHvCapabilityCodeSyntheticProcessorFeaturesBanks)[1];
    let mut wanted = WHV_SYNTHETIC_PROCESSOR_FEATURES::default();
    wanted.set_AsUINT64(features);
    need(wanted.AccessSynicRegs() != 0 && wanted.Hv1() != 0, "the Hyper-V interface");
    let machine = Machine::set_up(engine, 1, |machine| {
        apic(machine);
        machine.configure(WHvPartitionPropertyCodeSyntheticProcessorFeaturesBanks, &[1, features]);
        set(machine);
    });
    machine.map_all();
    machine.create_vp(0);
    machine
}

fn synic_control_is_one_after_reset(engine: &Engine) {
    let machine = synthetic(engine, |_| ());
    assert_eq!(machine.get64(0, WHvRegisterScontrol), 1);
    machine.set64(0, WHvRegisterScontrol, 0);
    let sints = (0..16).map(|number| WHV_REGISTER_NAME(WHvRegisterSint0.0 + number));
    for (name, vector) in sints.clone().zip(0x51..) {
        machine.set64(0, name, vector);
        assert_eq!(machine.get64(0, name), vector, "{name:?}");
    }
    assert_eq!(call!(engine.api, WHvResetPartition(machine.partition)), S_OK);
    assert_eq!(machine.get64(0, WHvRegisterScontrol), 1);
    sints.for_each(|name| assert_eq!(machine.get64(0, name), 0x1_0000, "{name:?}"));
}

fn the_cache_line_is_eight_units(engine: &Engine) {
    assert_eq!(engine.capability(WHvCapabilityCodeProcessorClFlushSize)[0] & 0xFF, 8);
}

/// mov ecx, 0x1B; mov eax, low; xor edx, edx; wrmsr; out 0x80, al.
fn write_base(low: u32) -> Vec<u8> {
    let mut code = vec![0xB9, 0x1B, 0, 0, 0, 0xB8];
    code.extend(low.to_le_bytes());
    code.extend([0x31, 0xD2, 0x0F, 0x30, 0xE6, 0x80]);
    code
}

fn guests_may_move_and_switch_off_the_apic(engine: &Engine) {
    for low in [0xFED0_0900, 0xFEE0_0100] {
        let machine = long_mode(engine, &write_base(low), apic);
        run_to_output(&machine, 0);
        assert_eq!(machine.get64(0, WHvX64RegisterApicBase), u64::from(low));
    }
}

fn no_limit_on_partitions_or_rights(engine: &Engine) {
    let machines: Vec<_> = (0..70).map(|_| long_mode(engine, &[0xE6, 0x80], apic)).collect();
    for machine in &machines {
        run_to_output(machine, 0);
    }
}

fn the_platform_is_always_there(engine: &Engine) {
    assert_eq!(engine.capability(WHvCapabilityCodeHypervisorPresent)[0], 1);
    let vendor = engine.capability(WHvCapabilityCodeProcessorVendor)[0];
    assert!(vendor < 2, "the instruction set of the library is that of its partitions");
}

fn bad_values_and_malformed_blobs_have_their_codes(engine: &Engine) {
    let machine = long_mode(engine, &[0xF4], |_| ());
    for (name, value) in [(WHvX64RegisterXCr0, 2), (WHvX64RegisterPat, 0x0202_0202_0202_0202)] {
        assert_eq!(machine.try_set(0, &[(name, word(value))]), ERROR_HV_INVALID_PARAMETER, "{name:?}");
    }
    let mut image = xsave(&machine, 0);
    image[527] &= 0x7F; // no compacted form
    assert_eq!(set_xsave(&machine, 0, &image), E_INVALIDARG);
    let mut image = xsave(&machine, 0);
    image[27] = 0xFF; // reserved bits of MXCSR
    assert_eq!(set_xsave(&machine, 0, &image), E_INVALIDARG);
}

fn all_leaves_exit_without_a_list(engine: &Engine) {
    for is_emptied in [false, true] {
        let code = [0x31, 0xC0, 0x0F, 0xA2, 0xB8, 0, 0, 0, 0x40, 0x0F, 0xA2, 0xB8, 8, 0, 0, 0x80, 0x0F, 0xA2];
        let machine = long_mode(engine, &code, |machine| {
            machine.enable_exits(|exits| exits.set_X64CpuidExit(1));
            if is_emptied {
                machine.configure(WHvPartitionPropertyCodeCpuidExitList, &[1_u32]);
                machine.configure(WHvPartitionPropertyCodeCpuidExitList, &[0_u32; 0]);
            }
        });
        for leaf in [0, 0x4000_0000, 0x8000_0008] {
            let context = machine.run_to(0, WHvRunVpExitReasonX64Cpuid);
            assert_eq!(context.CpuidAccess().Rax, leaf);
            skip_instruction(&machine, 0, &context);
        }
    }
}

fn write_only_and_execute_only_mappings_are_accepted(engine: &Engine) {
    let machine = long_mode(engine, &[0xC6, 0x04, 0x25, 0, 0, 0x03, 0, 7, 0xF4], |_| ());
    for flags in [2, 6] {
        assert_eq!(machine.map(0x3_0000, 0x3_0000, PAGE, WHV_MAP_GPA_RANGE_FLAGS(flags)), S_OK);
        machine.memory.write(0x3_0000, &[0]);
        machine.set64(0, WHvX64RegisterRip, CODE);
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
        assert_eq!(machine.memory.read(0x3_0000, 1), [7]);
    }
    assert_eq!(machine.map(0x3_0000, 0x3_0000, PAGE, WHvMapGpaRangeFlagExecute), S_OK);
    machine.memory.write(0x3_0000, &[0xF4]);
    machine.set64(0, WHvX64RegisterRip, 0x3_0000);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), 0x3_0001);
}

fn processor_counts_follow_the_apic(engine: &Engine) {
    for (mode, most) in [
        (WHvX64LocalApicEmulationModeNone, 255_u32),
        (WHvX64LocalApicEmulationModeXApic, 255),
        (WHvX64LocalApicEmulationModeX2Apic, 1024),
    ] {
        let machine = Machine::created(engine);
        machine.use_apic(mode);
        assert_eq!(machine.set_property(WHvPartitionPropertyCodeProcessorCount, &most), S_OK, "{mode:?}");
        assert_eq!(call!(engine.api, WHvSetupPartition(machine.partition)), S_OK, "{mode:?}");
        let machine = Machine::created(engine);
        machine.use_apic(mode);
        let set = machine.set_property(WHvPartitionPropertyCodeProcessorCount, &(most + 1));
        // What the mode decides may be found out at setup only, for the mode can still change.
        let is_refused =
            set == E_INVALIDARG || !call!(engine.api, WHvSetupPartition(machine.partition)).is_success();
        assert!(is_refused, "{mode:?}");
    }
}

fn the_first_code_segment_is_that_of_windows(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |_| ());
    machine.create_vp(0);
    assert_eq!(machine.get(0, WHvX64RegisterCs).Segment().Base(), 0xF_0000, "where Windows has it");
}

fn time_stamps_start_at_zero_after_reset(engine: &Engine) {
    let machine = long_mode(engine, &[0xE6, 0x80], |_| ());
    run_to_output(&machine, 0);
    machine.set64(0, WHvX64RegisterTsc, 1 << 50);
    assert_eq!(call!(engine.api, WHvResetPartition(machine.partition)), S_OK);
    assert_eq!(machine.get64(0, WHvX64RegisterTsc), 0);
}

fn another_exit_wins_over_a_cancel_which_stays(engine: &Engine) {
    let machine = long_mode(engine, &[0xE6, 0x80, 0xEB, 0xFC], |_| ()); // L: out 0x80, al; jmp L
    for _ in 0..200 {
        std::thread::scope(|scope| {
            scope.spawn(|| machine.cancel(0));
            let context = machine.try_run(0).expect("the processor runs");
            if context.ExitReason() == WHvRunVpExitReasonX64IoPortAccess {
                skip_instruction(&machine, 0, &context);
                return;
            }
            assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
            machine.cancel(0); // to have one pending in both cases
        });
        machine.run_to(0, WHvRunVpExitReasonCanceled);
        run_to_output(&machine, 0);
    }
}

fn ring(engine: &Engine, machine: &Machine, address: u64) -> Event {
    let event = Event::new();
    let mut doorbell = WHV_DOORBELL_MATCH_DATA::default();
    doorbell.set_GuestAddress(address);
    let result = call!(
        engine.api,
        WHvRegisterPartitionDoorbellEvent(machine.partition, &raw const doorbell, event.handle())
    );
    assert_eq!(result, S_OK);
    event
}

fn a_doorbell_hides_its_whole_page(engine: &Engine) {
    // mov al, [0x30800]; mov [0x30000], al; hlt
    let code = [0x8A, 0x04, 0x25, 0, 8, 0x03, 0, 0x88, 0x04, 0x25, 0, 0, 0x03, 0, 0xF4];
    let machine = long_mode(engine, &code, |_| ());
    let event = ring(engine, &machine, 0x3_0000);
    let access = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!((access.Gpa, access.AccessInfo.GpaUnmapped()), (0x3_0800, 1));
    machine.set64(0, WHvX64RegisterRip, CODE + 7);
    machine.memory.write(0x3_0000, &[0x99]);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert!(event.take());
    assert_eq!(machine.memory.read(0x3_0000, 1), [0x99], "the memory below is not written");
}

fn plain_stores_ring_and_others_may_exit(engine: &Engine) {
    let plain: [&[u8]; 4] = [
        &[0x88, 0x03, 0xF4],             // mov [rbx], al
        &[0x66, 0x89, 0x03, 0xF4],       // mov [rbx], ax
        &[0xC7, 0x03, 1, 0, 0, 0, 0xF4], // mov dword [rbx], 1
        &[0x48, 0x89, 0x03, 0xF4],       // mov [rbx], rax
    ];
    for code in plain {
        let machine = long_mode(engine, code, |_| ());
        let event = ring(engine, &machine, 0x3_0000);
        machine.set64(0, WHvX64RegisterRbx, 0x3_0000);
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
        assert!(event.take(), "{code:x?}");
    }
    // xchg [rbx], eax reads: an exit, and then the event is the client's business.
    let machine = long_mode(engine, &[0x87, 0x03, 0xF4], |_| ());
    let event = ring(engine, &machine, 0x3_0000);
    machine.set64(0, WHvX64RegisterRbx, 0x3_0000);
    machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    assert!(!event.take());
}

fn an_x2apic_sees_no_broadcast_in_eight_bits(engine: &Engine) {
    let machine = Machine::set_up(engine, 2, |machine| machine.use_apic(WHvX64LocalApicEmulationModeX2Apic));
    for vp in 0..2 {
        machine.create_vp(vp);
        machine.set64(vp, WHvX64RegisterApicBase, 0xFEE0_0C00 | u64::from(vp == 0) << 8);
    }
    let targets = |destination: u64| {
        let (mut list, mut count) = ([0_u32; 4], 0);
        let mode = WHvX64InterruptDestinationModePhysical;
        let result = call!(
            engine.api,
            WHvGetInterruptTargetVpSet(
                machine.partition,
                destination,
                mode,
                list.as_mut_ptr(),
                4,
                &raw mut count
            )
        );
        assert_eq!(result, S_OK);
        count
    };
    assert_eq!((targets(0xFF), targets(0xFFFF_FFFF), targets(1)), (0, 2, 1));
}

fn processed_hypercalls_do_not_exit(engine: &Engine) {
    let machine = synthetic(engine, |machine| {
        machine.enable_exits(|exits| exits.set_HypercallExit(1));
    });
    // rcx = call; vmcall by the vendor's instruction; out 0x80, eax
    let vendor = engine.capability(WHvCapabilityCodeProcessorVendor)[0] as u32;
    let last = if vendor == WHvProcessorVendorIntel.0 { 0xC1 } else { 0xD9 };
    machine.memory.write(CODE, &[0x0F, 0x01, last, 0xE7, 0x80]);
    enter_long_mode(&machine, 0);
    machine.set(
        0,
        &[(WHvRegisterGuestOsId, word(0x8100_0000_0000_0001)), (WHvX64RegisterHypercall, word(0x7001))],
    );
    // HvCallNotifyLongSpinWait, fast: inside. HvCallPostMessage: the client's.
    machine.set(0, &[(WHvX64RegisterRcx, word(0x1_0008)), (WHvX64RegisterRip, word(CODE))]);
    assert_eq!(run_to_output(&machine, 0), (0x80, 0), "processed");
    machine.set(0, &[(WHvX64RegisterRcx, word(0x5C)), (WHvX64RegisterRip, word(CODE))]);
    let context = machine.run_to(0, WHvRunVpExitReasonHypercall);
    assert_eq!(context.Hypercall().Rcx, 0x5C);
}

fn halts_are_counted_as_halts(engine: &Engine) {
    let machine = long_mode(engine, &[0xF4, 0xF4, 0xF4], |_| ());
    for _ in 0..3 {
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
    }
    let mut counters = WHV_PROCESSOR_INTERCEPT_COUNTERS::default();
    let (set, start) = (WHvProcessorCounterSetIntercepts, (&raw mut counters).cast());
    let size = size_of::<WHV_PROCESSOR_INTERCEPT_COUNTERS>() as u32;
    let none = std::ptr::null_mut();
    let result =
        call!(engine.api, WHvGetVirtualProcessorCounters(machine.partition, 0, set, start, size, none));
    assert_eq!(result, S_OK);
    assert_eq!(counters.HaltInstructions.Count, 3);
}

fn refused_accesses_carry_their_bytes(engine: &Engine) {
    let code = [0xC6, 0x04, 0x25, 0, 0, 0x03, 0, 7, 0xF4];
    let machine = long_mode(engine, &code, |_| ());
    assert_eq!(machine.map(0x3_0000, 0x3_0000, PAGE, WHV_MAP_GPA_RANGE_FLAGS(1)), S_OK);
    let access = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!(access.InstructionByteCount, 16);
    assert_eq!(access.InstructionBytes[..9], code);
    // The same when the host refuses.
    assert_eq!(machine.map(0x3_0000, 0x3_0000, PAGE, RWX), S_OK);
    machine.memory.protect(MprotectFlags::READ);
    let access = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    machine.memory.protect(MprotectFlags::READ | MprotectFlags::WRITE);
    assert_eq!((access.Gpa, access.InstructionBytes[0]), (0x3_0000, 0xC6));
}

fn task_switches_happen_inside(engine: &Engine) {
    // jmp 0x18:0 to another task state in 32-bit mode, whose code writes to a port.
    let machine = super::exits::protected_mode(engine, &[0xEA, 0, 0, 0, 0, 0x18, 0], |_| ());
    let memory = &machine.memory;
    memory.write_u64(0x2_2008, 0x00CF_9B00_0000_FFFF);
    memory.write_u64(0x2_2010, 0x00CF_9300_0000_FFFF);
    memory.write_u64(0x2_2018, 0x0000_8902_4000_0067); // available task state at 0x24000
    memory.write_u64(0x2_2020, 0x0000_8B02_3000_0067); // the current one at 0x23000
    machine.set(
        0,
        &[
            (WHvX64RegisterGdtr, table(0x2_2000, 0x27)),
            (WHvX64RegisterTr, crate::machine::flat_segment(0x20, 0x2_3000, 0x67, 0x8B)),
        ],
    );
    for (offset, value) in [(0x20, 0x6000_u32), (0x24, 2), (0x28, 0x41), (0x38, 0x7000)] {
        memory.write(0x2_4000 + offset, &value.to_le_bytes());
    }
    for (offset, selector) in [(0x48, 0x10_u16), (0x4C, 8), (0x50, 0x10), (0x54, 0x10)] {
        memory.write(0x2_4000 + offset, &selector.to_le_bytes());
    }
    memory.write(0x6000, &[0xE6, 0x80]);
    assert_eq!(run_to_output(&machine, 0), (0x80, 0x41));
    assert_eq!(machine.get(0, WHvX64RegisterTr).Segment().Selector(), 0x18);
}

fn nested_partitions_do_not_combine_with_hypercall_exits(engine: &Engine) {
    let machine = Machine::created(engine);
    machine.configure(WHvPartitionPropertyCodeProcessorCount, &1_u32);
    machine.enable_exits(|exits| exits.set_HypercallExit(1));
    let set = machine.set_property(WHvPartitionPropertyCodeNestedVirtualization, &1_u32);
    if set == S_OK {
        assert_eq!(call!(engine.api, WHvSetupPartition(machine.partition)), ERROR_HV_INVALID_PARAMETER);
    } else {
        assert!(!set.is_success());
    }
}

fn symbols_are_those_of_this_instruction_set(engine: &Engine) {
    // A table of functions could not have been made otherwise; what is left is that they answer.
    let mut output = WHV_CPUID_OUTPUT::default();
    let machine = long_mode(engine, &[0xF4], |_| ());
    let result =
        call!(engine.api, WHvGetVirtualProcessorCpuidOutput(machine.partition, 0, 0, 0, &raw mut output));
    assert_eq!(result, S_OK);
}

fn remote_reads_are_allowed_as_the_capability_says(engine: &Engine) {
    let mut features = WHV_CAPABILITY_FEATURES::default();
    features.set_AsUINT64(engine.capability(WHvCapabilityCodeFeatures)[0]);
    let machine = Machine::created(engine);
    let code = WHvPartitionPropertyCodeApicRemoteReadSupport;
    assert_eq!(machine.set_property(code, &0_u32), S_OK);
    let set = machine.set_property(code, &1_u32);
    assert_eq!(set == S_OK, features.ApicRemoteRead() == 1, "{set:?}");
    assert_eq!(u64::from(machine.property::<u32>(code)), features.ApicRemoteRead());
}
