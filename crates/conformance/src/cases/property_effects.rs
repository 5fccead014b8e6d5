//! What properties do to a running partition.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::RWX;
use crate::machine::word;

cases! { "property effects":
    a_feature_left_out_is_gone_from_cpuid from "state.md 9, 0x1001, 0x100A, 0x1006",
    an_instruction_left_out_is_undefined from "state.md 9, 0x100A",
    registers_left_out_are_not_there from "state.md 1, 2.4",
    extended_state_needs_xsave from "state.md 9.3",
    a_result_list_replaces_every_sub_leaf from "state.md 9.1",
    the_last_of_two_results_wins from "state.md 9.1",
    masked_results_keep_the_other_bits from "state.md 9.1",
    results_may_be_for_one_sub_leaf_or_one_processor from "state.md 9.1",
    later_masked_results_override_earlier_ones from "state.md 9.1",
    a_listed_result_is_the_default_of_an_exit from "state.md 9.1",
    result_lists_change_no_behaviour from "state.md 9.1",
    an_empty_exit_list_means_all_functions from "state.md 9, 0x1003",
    every_msr_action_works_in_both_directions from "exits.md 4",
    unimplemented_msrs_do_what_the_property_says from "exits.md 4, 0x1010",
    each_bit_of_the_msr_bitmap_forces_its_exit from "exits.md 4",
    the_tsc_runs_at_the_rate_asked_for from "state.md 9, 0x1007",
    the_apic_timer_runs_at_the_rate_asked_for from "state.md 9, 0x1008",
    cpuid_tells_both_rates from "state.md 8, 0x1004, 0x1005",
    the_physical_width_bounds_everything from "state.md 9, 0x1011",
    the_reference_time_starts_where_it_was_set from "state.md 9, 0x100F",
    the_initial_apic_id_is_the_clients_until_the_first_run from "state.md 2.4",
    the_line_size_is_the_hosts from "state.md 9, 0x1002",
    performance_counters_are_not_offered from "state.md 8, 0x1009",
}

fn cpuid(machine: &Machine, vp: u32, function: u32, index: u32) -> [u32; 4] {
    let mut output = WHV_CPUID_OUTPUT::default();
    let place = &raw mut output;
    let result =
        call!(machine.api, WHvGetVirtualProcessorCpuidOutput(machine.partition, vp, function, index, place));
    assert_eq!(result, S_OK);
    [output.Eax, output.Ebx, output.Ecx, output.Edx]
}

fn with(engine: &Engine, configure: impl FnOnce(&Machine)) -> Machine {
    let machine = Machine::set_up(engine, 2, configure);
    machine.create_vp(0);
    machine.create_vp(1);
    machine
}

fn set_features(machine: &Machine, banks: [u64; 2]) {
    let mut value = WHV_PROCESSOR_FEATURES_BANKS::default();
    value.set_BanksCount(2);
    value.set_AsUINT64(banks);
    machine.configure(WHvPartitionPropertyCodeProcessorFeaturesBanks, &value);
}

fn offered(engine: &Engine) -> ([u64; 2], u64) {
    let banks = engine.capability(WHvCapabilityCodeProcessorFeaturesBanks);
    let xsave = engine.capability(WHvCapabilityCodeProcessorXsaveFeatures)[0];
    ([banks[1], banks[2]], xsave)
}

/// Every word of CPUID in which features are shown.
fn feature_words(machine: &Machine) -> Vec<u32> {
    let leaves = [
        (1, 0),
        (6, 0),
        (7, 0),
        (7, 1),
        (7, 2),
        (0xD, 1),
        (0x8000_0001, 0),
        (0x8000_0007, 0),
        (0x8000_0008, 0),
    ];
    leaves.into_iter().flat_map(|(leaf, sub)| cpuid(machine, 0, leaf, sub)).collect()
}

fn a_feature_left_out_is_gone_from_cpuid(engine: &Engine) {
    let (banks, xsave) = offered(engine);
    let all = with(engine, |machine| machine.use_apic(WHvX64LocalApicEmulationModeXApic));
    let shown = feature_words(&all);
    // Statements of a register rather than of CPUID; and real mode, which is no feature of the guest's.
    let elsewhere =
        [1 << 47 | 1 << 51 | 1 << 52 | 1 << 54 | 1 << 55 | 1 << 59 | 1 << 61, 0xF << 25 | 0xF << 54];
    for (word, bits) in [banks[0] & !elsewhere[0], banks[1] & !elsewhere[1], xsave].into_iter().enumerate() {
        for bit in (0..64).filter(|bit| bits >> bit & 1 != 0) {
            let mut asked = [banks[0], banks[1], xsave];
            asked[word] &= !(1 << bit);
            let less = with(engine, |machine| {
                machine.use_apic(WHvX64LocalApicEmulationModeXApic);
                set_features(machine, [asked[0], asked[1]]);
                // Without XSAVE there is nothing that builds on it.
                let xsave = if asked[2] & 1 == 0 { 0 } else { asked[2] };
                machine.configure(WHvPartitionPropertyCodeProcessorXsaveFeatures, &xsave);
            });
            let now = feature_words(&less);
            assert!(
                shown.iter().zip(&now).any(|(a, b)| a & !b != 0),
                "word {word} bit {bit} changes nothing"
            );
        }
    }
}

/// Runs real-mode code that ends in a HLT: the vector of the exception it raised, or `None`.
fn exception(engine: &Engine, code: &[u8], configure: impl FnOnce(&Machine)) -> Option<u8> {
    let machine = Machine::real_mode(engine, code, |machine| {
        machine.enable_exits(|exits| exits.set_ExceptionExit(1));
        machine.configure(WHvPartitionPropertyCodeExceptionExitBitmap, &(1_u64 << 6 | 1 << 13));
        configure(machine);
    });
    let context = machine.try_run(0).expect("the processor runs");
    if context.ExitReason() == WHvRunVpExitReasonException {
        return Some(context.VpException().ExceptionType);
    }
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonX64Halt);
    None
}

fn an_instruction_left_out_is_undefined(engine: &Engine) {
    let (banks, _) = offered(engine);
    // popcnt ax, ax; movbe ax, [bx]; rdrand ax; andn is VEX; adcx eax, eax; rdtscp; rdpid eax; clwb [bx]
    let examples: [(usize, u32, &[u8]); 7] = [
        (0, 7, &[0xF3, 0x0F, 0xB8, 0xC0, 0xF4]),
        (0, 29, &[0x0F, 0x38, 0xF0, 0x07, 0xF4]),
        (0, 21, &[0x0F, 0xC7, 0xF0, 0xF4]),
        (0, 33, &[0x66, 0x0F, 0x38, 0xF6, 0xC0, 0xF4]),
        (0, 38, &[0x0F, 0x01, 0xF9, 0xF4]),
        (0, 57, &[0xF3, 0x0F, 0xC7, 0xF8, 0xF4]),
        (0, 40, &[0x66, 0x0F, 0xAE, 0x37, 0xF4]),
    ];
    for (word, bit, code) in examples {
        if banks[word] >> bit & 1 == 0 {
            continue;
        }
        assert_eq!(exception(engine, code, |_| ()), None, "{code:x?}");
        let mut less = banks;
        less[word] &= !(1 << bit);
        assert_eq!(exception(engine, code, |machine| set_features(machine, less)), Some(6), "{code:x?}");
    }
}

fn registers_left_out_are_not_there(engine: &Engine) {
    let gated = [
        (0, 1_u64 << 38 | 1 << 57, WHvX64RegisterTscAux),
        (0, 1 << 44 | 1 << 45 | 1 << 48, WHvX64RegisterSpecCtrl),
        (1, 1 << 12, WHvX64RegisterUmwaitControl),
        (1, 1, WHvX64RegisterMCount),
        (1, 1, WHvX64RegisterACount),
        (1, 1 << 17, WHvX64RegisterTscDeadline),
        (1, 1 << 18, WHvX64RegisterTscAdjust),
    ];
    let (banks, _) = offered(engine);
    for (word, bits, name) in gated {
        let mut less = banks;
        less[word] &= !bits;
        if name == WHvX64RegisterSpecCtrl {
            less[1] &= !(1 << 7);
        }
        let with_all = with(engine, |machine| machine.use_apic(WHvX64LocalApicEmulationModeXApic));
        let without = with(engine, |machine| {
            machine.use_apic(WHvX64LocalApicEmulationModeXApic);
            set_features(machine, less);
        });
        if banks[word] & bits != 0 {
            assert!(with_all.try_get(0, &[name]).is_ok(), "{name:?}");
        }
        assert_eq!(without.try_get(0, &[name]), Err(ERROR_HV_INVALID_PARAMETER), "{name:?}");
        assert_eq!(without.try_set(0, &[(name, zero())]), ERROR_HV_INVALID_PARAMETER, "{name:?}");
    }
}

fn zero() -> WHV_REGISTER_VALUE {
    word(0)
}

fn extended_state_needs_xsave(engine: &Engine) {
    let machine = Machine::created(engine);
    machine.configure(WHvPartitionPropertyCodeProcessorCount, &1_u32);
    let (_, xsave) = offered(engine);
    machine.configure(WHvPartitionPropertyCodeProcessorXsaveFeatures, &(xsave & !1));
    assert_eq!(call!(engine.api, WHvSetupPartition(machine.partition)), WHV_E_INVALID_PARTITION_CONFIG);
    machine.configure(WHvPartitionPropertyCodeProcessorXsaveFeatures, &0_u64);
    assert_eq!(call!(engine.api, WHvSetupPartition(machine.partition)), S_OK);
}

fn result(function: u32, values: [u32; 4]) -> WHV_X64_CPUID_RESULT {
    let [eax, ebx, ecx, edx] = values;
    WHV_X64_CPUID_RESULT {
        Function: function,
        Eax: eax,
        Ebx: ebx,
        Ecx: ecx,
        Edx: edx,
        ..WHV_X64_CPUID_RESULT::default()
    }
}

fn a_result_list_replaces_every_sub_leaf(engine: &Engine) {
    let machine = with(engine, |machine| {
        let list = [result(0x4000_0000, [0x4000_0001, 1, 2, 3]), result(7, [9, 8, 7, 6])];
        machine.configure(WHvPartitionPropertyCodeCpuidResultList, &list);
    });
    for vp in 0..2 {
        assert_eq!(cpuid(&machine, vp, 0x4000_0000, 0), [0x4000_0001, 1, 2, 3]);
        for index in [0, 1, 77] {
            assert_eq!(cpuid(&machine, vp, 7, index), [9, 8, 7, 6]);
        }
    }
}

fn the_last_of_two_results_wins(engine: &Engine) {
    let machine = with(engine, |machine| {
        let list = [result(0x15, [1; 4]), result(0x15, [2; 4])];
        machine.configure(WHvPartitionPropertyCodeCpuidResultList, &list);
    });
    assert_eq!(cpuid(&machine, 0, 0x15, 0), [2; 4]);
}

fn masked(function: u32, eax: u32, mask: u32) -> WHV_X64_CPUID_RESULT2 {
    WHV_X64_CPUID_RESULT2 {
        Function: function,
        Output: WHV_CPUID_OUTPUT { Eax: eax, ..WHV_CPUID_OUTPUT::default() },
        Mask: WHV_CPUID_OUTPUT { Eax: mask, ..WHV_CPUID_OUTPUT::default() },
        ..WHV_X64_CPUID_RESULT2::default()
    }
}

fn masked_results_keep_the_other_bits(engine: &Engine) {
    let plain = cpuid(&with(engine, |_| ()), 0, 1, 0);
    let machine = with(engine, |machine| {
        machine.configure(WHvPartitionPropertyCodeCpuidResultList2, &[masked(1, 0x5A5A, 0xFFFF)]);
    });
    let now = cpuid(&machine, 0, 1, 0);
    assert_eq!(now[0], plain[0] & !0xFFFF | 0x5A5A);
    assert_eq!(now[1..], plain[1..]);
}

fn results_may_be_for_one_sub_leaf_or_one_processor(engine: &Engine) {
    let machine = with(engine, |machine| {
        let one = WHV_X64_CPUID_RESULT2 {
            Index: 5,
            Flags: WHvX64CpuidResult2FlagSubleafSpecific,
            ..masked(0x4000_0100, 0x11, !0)
        };
        let other = WHV_X64_CPUID_RESULT2 {
            VpIndex: 1,
            Flags: WHvX64CpuidResult2FlagVpSpecific,
            ..masked(0x4000_0101, 0x22, !0)
        };
        machine.configure(WHvPartitionPropertyCodeCpuidResultList2, &[one, other]);
    });
    assert_eq!(cpuid(&machine, 0, 0x4000_0100, 5)[0], 0x11);
    assert_eq!(cpuid(&machine, 0, 0x4000_0100, 4)[0], 0);
    assert_eq!(cpuid(&machine, 1, 0x4000_0101, 9)[0], 0x22);
    assert_eq!(cpuid(&machine, 0, 0x4000_0101, 9)[0], 0);
}

fn later_masked_results_override_earlier_ones(engine: &Engine) {
    let machine = with(engine, |machine| {
        machine.configure(WHvPartitionPropertyCodeCpuidResultList, &[result(0x4000_0000, [0xFFFF; 4])]);
        let list = [masked(0x4000_0000, 0x11, 0xFF), masked(0x4000_0000, 0x20, 0xF0)];
        machine.configure(WHvPartitionPropertyCodeCpuidResultList2, &list);
    });
    assert_eq!(cpuid(&machine, 0, 0x4000_0000, 0)[0], 0xFF21);
}

fn a_listed_result_is_the_default_of_an_exit(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0x0F, 0xA2, 0xF4], |machine| {
        machine.enable_exits(|exits| exits.set_X64CpuidExit(1));
        machine.configure(WHvPartitionPropertyCodeCpuidExitList, &[0x4000_0000_u32]);
        machine.configure(WHvPartitionPropertyCodeCpuidResultList, &[result(0x4000_0000, [1, 2, 3, 4])]);
    });
    machine.set64(0, WHvX64RegisterRax, 0x4000_0000);
    let access = machine.run_to(0, WHvRunVpExitReasonX64Cpuid).CpuidAccess();
    assert_eq!((access.DefaultResultRax, access.DefaultResultRbx), (1, 2));
    assert_eq!((access.DefaultResultRcx, access.DefaultResultRdx), (3, 4));
}

fn result_lists_change_no_behaviour(engine: &Engine) {
    // popcnt ax, ax with CPUID denying everything.
    let outcome = exception(engine, &[0xF3, 0x0F, 0xB8, 0xC0, 0xF4], |machine| {
        machine.configure(WHvPartitionPropertyCodeCpuidResultList, &[result(1, [0; 4])]);
    });
    assert_eq!(outcome, None);
}

fn an_empty_exit_list_means_all_functions(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0x0F, 0xA2, 0xF4], |machine| {
        machine.enable_exits(|exits| exits.set_X64CpuidExit(1));
        machine.configure(WHvPartitionPropertyCodeCpuidExitList, &[1_u32]);
        let empty: &[u32] = &[];
        machine.configure(WHvPartitionPropertyCodeCpuidExitList, empty);
    });
    machine.set64(0, WHvX64RegisterRax, 0x8000_0008);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Cpuid).CpuidAccess().Rax, 0x8000_0008);
}

/// What an MSR access by real-mode code led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Done,
    Fault,
    Exit,
}

fn access(engine: &Engine, msr: u32, is_write: bool, configure: impl FnOnce(&Machine)) -> Access {
    let code = [0x0F, if is_write { 0x30 } else { 0x32 }, 0xF4];
    let machine = Machine::real_mode(engine, &code, |machine| {
        let mut exits = WHV_EXTENDED_VM_EXITS::default();
        exits.set_ExceptionExit(1);
        exits.set_X64MsrExit(1);
        machine.configure(WHvPartitionPropertyCodeExtendedVmExits, &exits);
        machine.configure(WHvPartitionPropertyCodeExceptionExitBitmap, &(1_u64 << 13));
        machine.configure(WHvPartitionPropertyCodeX64MsrExitBitmap, &0_u64);
        configure(machine);
    });
    machine.set64(0, WHvX64RegisterRcx, u64::from(msr));
    let value = if msr == 0x1B { 0xFEE0_0900 } else { 0 };
    machine.set64(0, WHvX64RegisterRax, value);
    machine.set64(0, WHvX64RegisterRdx, 0);
    let reason = machine.try_run(0).expect("the processor runs").ExitReason();
    let outcomes = [
        (WHvRunVpExitReasonX64Halt, Access::Done),
        (WHvRunVpExitReasonException, Access::Fault),
        (WHvRunVpExitReasonX64MsrAccess, Access::Exit),
    ];
    let found = outcomes.into_iter().find(|outcome| outcome.0 == reason);
    found.unwrap_or_else(|| panic!("{reason:?}")).1
}

fn every_msr_action_works_in_both_directions(engine: &Engine) {
    // A register that is implemented, and one that is not.
    for (msr, by_architecture) in [(0x174, Access::Done), (0x1_2345, Access::Fault)] {
        for (read, write) in (0..3).flat_map(|read| (0..3).map(move |write| (read, write))) {
            let entry =
                WHV_MSR_ACTION_ENTRY { Index: msr, ReadAction: read, WriteAction: write, Reserved: 0 };
            for (is_write, action) in [(false, read), (true, write)] {
                let wanted = [by_architecture, Access::Done, Access::Exit][usize::from(action)];
                let found = access(engine, msr, is_write, |machine| {
                    machine.configure(WHvPartitionPropertyCodeMsrActionList, &[entry]);
                });
                assert_eq!(found, wanted, "{entry:?} write {is_write}");
            }
        }
    }
}

fn unimplemented_msrs_do_what_the_property_says(engine: &Engine) {
    for (action, wanted) in [
        (WHvMsrActionArchitectureDefault, Access::Fault),
        (WHvMsrActionIgnoreWriteReadZero, Access::Done),
        (WHvMsrActionExit, Access::Exit),
    ] {
        for is_write in [false, true] {
            let found = access(engine, 0x1_2345, is_write, |machine| {
                machine.configure(WHvPartitionPropertyCodeUnimplementedMsrAction, &action);
            });
            assert_eq!(found, wanted, "{action:?} write {is_write}");
            let known = access(engine, 0x174, is_write, |machine| {
                machine.configure(WHvPartitionPropertyCodeUnimplementedMsrAction, &action);
            });
            assert_eq!(known, Access::Done, "{action:?} write {is_write}");
        }
    }
}

fn each_bit_of_the_msr_bitmap_forces_its_exit(engine: &Engine) {
    // (bit, MSR, write)
    let forced = [
        (0, 0x1_2345, false),
        (0, 0x1_2345, true),
        (1, 0x10, true),
        (1, 0x3B, true),
        (2, 0x10, false),
        (3, 0x1B, true),
        (4, 0x1A0, false),
        (5, 0x8B, false),
    ];
    for bit in 0..6 {
        for (number, msr, is_write) in forced {
            let found = access(engine, msr, is_write, |machine| {
                machine.configure(WHvPartitionPropertyCodeX64MsrExitBitmap, &(1_u64 << bit));
            });
            assert_eq!(found == Access::Exit, bit == number, "bit {bit}, {msr:#x} write {is_write}");
        }
    }
}

fn suspend(machine: &Machine) {
    assert_eq!(call!(machine.api, WHvSuspendPartitionTime(machine.partition)), S_OK);
}

/// Runs a loop, then stops time.
fn run_a_while(machine: &Machine) {
    // mov cx, 0xffff; loop $; out 0x80, al
    machine.memory.write(crate::machine::CODE, &[0xB9, 0xFF, 0xFF, 0xE2, 0xFE, 0xE6, 0x80]);
    machine.enter_real_mode(0);
    machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    suspend(machine);
}

fn reference_100ns(machine: &Machine) -> u64 {
    machine.property(WHvPartitionPropertyCodeReferenceTime)
}

fn the_tsc_runs_at_the_rate_asked_for(engine: &Engine) {
    let usual = engine.capability(WHvCapabilityCodeProcessorClockFrequency)[0];
    for hz in [usual, usual / 4, 2_345_678_901] {
        let machine = Machine::created(engine);
        if machine.set_property(WHvPartitionPropertyCodeProcessorClockFrequency, &hz) != S_OK {
            assert_ne!(hz, usual);
            continue;
        }
        let machine = Machine::real_mode(engine, &[], |machine| {
            machine.configure(WHvPartitionPropertyCodeProcessorClockFrequency, &hz);
        });
        run_a_while(&machine);
        let (tsc, time) = (machine.get64(0, WHvX64RegisterTsc), reference_100ns(&machine));
        let (low, high) = (u128::from(time), u128::from(time + 1));
        let ticks = |units: u128| units * u128::from(hz) / 10_000_000;
        assert!((ticks(low)..=ticks(high) + 1).contains(&u128::from(tsc)), "{hz} Hz: {tsc} after {time}");
        assert!(time > 0);
    }
}

fn the_apic_timer_runs_at_the_rate_asked_for(engine: &Engine) {
    let tsc_hz = u128::from(engine.capability(WHvCapabilityCodeProcessorClockFrequency)[0]);
    for hz in [engine.capability(WHvCapabilityCodeInterruptClockFrequency)[0], 50_000_000, 333_333_333] {
        let machine = Machine::real_mode(engine, &[], |machine| {
            machine.use_apic(WHvX64LocalApicEmulationModeX2Apic);
            machine.configure(WHvPartitionPropertyCodeInterruptClockFrequency, &hz);
        });
        machine.set64(0, WHvX64RegisterApicBase, 0xFEE0_0D00);
        run_a_while(&machine);
        for (name, value) in [
            (WHvX64RegisterApicSpurious, 0x1FF),
            (WHvX64RegisterApicDivide, 0xB),
            (WHvX64RegisterApicLvtTimer, 0x1_0030),
            (WHvX64RegisterApicInitCount, 0xFFFF_FFFF),
        ] {
            machine.set64(0, name, value);
        }
        let start = machine.get64(0, WHvX64RegisterTsc);
        run_a_while(&machine);
        let counted = 0xFFFF_FFFF - u128::from(machine.get64(0, WHvX64RegisterApicCurrentCount));
        let elapsed = u128::from(machine.get64(0, WHvX64RegisterTsc) - start);
        let wanted = elapsed * u128::from(hz) / tsc_hz;
        assert!(counted.abs_diff(wanted) <= 2, "{hz} Hz: {counted} instead of {wanted}");
        assert!(wanted > 100);
    }
}

fn cpuid_tells_both_rates(engine: &Engine) {
    let machine = with(engine, |machine| {
        machine.configure(WHvPartitionPropertyCodeProcessorClockFrequency, &3_000_000_000_u64);
        machine.configure(WHvPartitionPropertyCodeInterruptClockFrequency, &25_000_000_u64);
    });
    let [denominator, numerator, crystal, _] = cpuid(&machine, 0, 0x15, 0).map(u64::from);
    if denominator == 0 {
        // Not every maker's processors have the leaf.
        return;
    }
    assert_eq!(crystal, 25_000_000);
    assert_eq!(crystal * numerator, 3_000_000_000 * denominator);
}

fn the_physical_width_bounds_everything(engine: &Engine) {
    const WIDTH: u32 = 36;
    let machine = Machine::set_up(engine, 1, |machine| {
        machine.configure(WHvPartitionPropertyCodePhysicalAddressWidth, &WIDTH);
    });
    machine.create_vp(0);
    assert_eq!(cpuid(&machine, 0, 0x8000_0008, 0)[0] & 0xFF, WIDTH);
    assert_eq!(machine.map(1 << WIDTH, 0, 0x1000, RWX), E_INVALIDARG);
    assert_eq!(machine.map((1 << WIDTH) - 0x1000, 0, 0x2000, RWX), E_INVALIDARG);
    assert_eq!(machine.map((1 << WIDTH) - 0x1000, 0, 0x1000, RWX), S_OK);
    // A table entry with an address bit too many.
    machine.map_all();
    for (offset, value) in
        [(0x2000, 0x3003_u64), (0x3000, 0x4003), (0x4000, 0x83), (0x4008, 1 << WIDTH | 0x83)]
    {
        machine.memory.write_u64(offset, value);
    }
    machine.set(
        0,
        &[
            (WHvX64RegisterCr3, word(0x2000)),
            (WHvX64RegisterCr4, word(0x20)),
            (WHvX64RegisterEfer, word(0x500)),
            (WHvX64RegisterCr0, word(0x8000_0011)),
        ],
    );
    for (address, wanted) in
        [(0x1234, WHvTranslateGvaResultSuccess), (0x20_0000, WHvTranslateGvaResultInvalidPageTableFlags)]
    {
        let (mut result, mut gpa) = (WHV_TRANSLATE_GVA_RESULT::default(), 0);
        let flags = WHvTranslateGvaFlagValidateRead;
        let (place, to) = (&raw mut result, &raw mut gpa);
        let code = call!(engine.api, WHvTranslateGva(machine.partition, 0, address, flags, place, to));
        assert_eq!((code, result.ResultCode), (S_OK, wanted), "{address:#x}");
    }
}

fn the_reference_time_starts_where_it_was_set(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[], |machine| {
        machine.configure(WHvPartitionPropertyCodeReferenceTime, &5_000_000_u64);
    });
    assert_eq!(reference_100ns(&machine), 5_000_000);
    run_a_while(&machine);
    assert!(reference_100ns(&machine) > 5_000_000);
    machine.configure(WHvPartitionPropertyCodeReferenceTime, &77_u64);
    assert_eq!(reference_100ns(&machine), 77);
}

fn the_initial_apic_id_is_the_clients_until_the_first_run(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    machine.set64(0, WHvX64RegisterInitialApicId, 9);
    assert_eq!(cpuid(&machine, 0, 1, 0)[1] >> 24, 9);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(machine.try_set(0, &[(WHvX64RegisterInitialApicId, word(3))]), ERROR_HV_ACCESS_DENIED);
    assert_eq!(machine.try_set(0, &[(WHvX64RegisterInitialApicId, word(9))]), S_OK);
}

fn the_line_size_is_the_hosts(engine: &Engine) {
    let size = engine.capability(WHvCapabilityCodeProcessorClFlushSize)[0] as u8;
    let machine = Machine::created(engine);
    assert_eq!(machine.set_property(WHvPartitionPropertyCodeProcessorClFlushSize, &size), S_OK);
    assert_eq!(machine.set_property(WHvPartitionPropertyCodeProcessorClFlushSize, &(size + 1)), E_INVALIDARG);
    let shown = cpuid(&with(engine, |_| ()), 0, 1, 0)[1] >> 8 & 0xFF;
    assert_eq!(shown, u32::from(size));
}

fn performance_counters_are_not_offered(engine: &Engine) {
    let offered = engine.capability(WHvCapabilityCodeProcessorPerfmonFeatures)[0];
    let machine = Machine::created(engine);
    for bit in (0..64).filter(|bit| offered >> bit & 1 == 0) {
        let value = 1_u64 << bit;
        assert_eq!(
            machine.set_property(WHvPartitionPropertyCodeProcessorPerfmonFeatures, &value),
            E_INVALIDARG
        );
    }
}
