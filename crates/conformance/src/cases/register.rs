//! Registers.

use std::ptr::null_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::flat_segment;
use crate::machine::word;

cases! { "register":
    reset_values_are_those_of_the_manual from "state.md 6",
    general_registers_keep_what_is_written from "state.md 2.1",
    vector_registers_keep_128_bits from "state.md 2.3",
    segments_keep_all_their_fields from "state.md 2.2",
    descriptor_tables_keep_base_and_limit from "state.md 2.2",
    msr_registers_keep_what_is_written from "state.md 2.4",
    memory_type_registers_are_always_there from "state.md 1",
    whatever_was_read_can_be_written_back from "state.md 1",
    unknown_names_are_refused_as_unknown from "functions.md 3.5, Q26",
    absent_features_are_bad_parameters from "functions.md 3.5",
    a_failed_set_changes_nothing from "functions.md 3.5, Q24",
    a_get_may_repeat_names from "functions.md 3.5",
    many_registers_move_in_one_call from "functions.md 3.5",
    no_registers_is_a_success from "functions.md 3.5",
    arrays_of_registers_must_be_there from "functions.md 0.2",
    there_are_no_partition_wide_registers from "functions.md 3.5",
    activity_cannot_be_written_without_an_apic from "state.md 5",
    flags_always_have_bit_one from "state.md 2.1",
    narrow_registers_ignore_the_upper_half from "functions.md 3.5",
    the_tsc_moves_and_can_be_set from "state.md 2.1",
    xcr0_is_limited_to_the_features from "state.md 2.1",
    misaligned_arrays_are_accepted from "README.md ABI on Linux",
}

fn machine(engine: &Engine) -> Machine {
    let machine = Machine::set_up(engine, 1, |_| ());
    machine.create_vp(0);
    machine
}

fn reset_values_are_those_of_the_manual(engine: &Engine) {
    let machine = machine(engine);
    for (name, value) in [
        (WHvX64RegisterRax, 0),
        (WHvX64RegisterR15, 0),
        (WHvX64RegisterRip, 0xFFF0),
        (WHvX64RegisterRflags, 2),
        (WHvX64RegisterCr0, 0x6000_0010),
        (WHvX64RegisterCr2, 0),
        (WHvX64RegisterCr3, 0),
        (WHvX64RegisterCr4, 0),
        (WHvX64RegisterCr8, 0),
        (WHvX64RegisterEfer, 0),
        (WHvX64RegisterDr6, 0xFFFF_0FF0),
        (WHvX64RegisterDr7, 0x400),
        (WHvX64RegisterXCr0, 1),
        (WHvX64RegisterPat, 0x0007_0406_0007_0406),
        (WHvX64RegisterApicBase, 0xFEE0_0900),
        (WHvRegisterPendingInterruption, 0),
        (WHvRegisterInterruptState, 0),
        (WHvRegisterInternalActivityState, 0),
        (WHvX64RegisterDeliverabilityNotifications, 0),
    ] {
        assert_eq!(machine.get64(0, name), value, "{name:?}");
    }
    let cs = machine.get(0, WHvX64RegisterCs).Segment();
    assert_eq!((cs.Selector(), cs.Base(), cs.Limit()), (0xF000, 0xF_0000, 0xFFFF));
    assert_eq!(cs.Attributes(), 0x9B);
    let ss = machine.get(0, WHvX64RegisterSs).Segment();
    assert_eq!((ss.Selector(), ss.Base(), ss.Limit(), ss.Attributes()), (0, 0, 0xFFFF, 0x93));
    assert_eq!(machine.get(0, WHvX64RegisterTr).Segment().Attributes(), 0x8B);
    assert_eq!(machine.get(0, WHvX64RegisterLdtr).Segment().Attributes(), 0x82);
    assert_eq!(machine.get(0, WHvX64RegisterIdtr).Table().Limit, 0xFFFF);
    let fp = machine.get(0, WHvX64RegisterFpControlStatus).FpControlStatus();
    assert_eq!((fp.FpControl(), fp.FpStatus(), fp.FpTag()), (0x37F, 0, 0));
    assert_eq!(machine.get(0, WHvX64RegisterXmmControlStatus).XmmControlStatus().XmmStatusControl(), 0x1F80);
}

fn general_registers_keep_what_is_written(engine: &Engine) {
    let machine = machine(engine);
    for number in 0..=16 {
        let name = WHV_REGISTER_NAME(number);
        let value = 0x1122_3344_5566_7788 + u64::from(number);
        machine.set64(0, name, value);
        assert_eq!(machine.get(0, name).Reg128().Low64(), value, "{name:?}");
        assert_eq!(machine.get(0, name).Reg128().High64(), 0, "{name:?}");
    }
}

fn vector_registers_keep_128_bits(engine: &Engine) {
    let machine = machine(engine);
    for number in 0..16 {
        let name = WHV_REGISTER_NAME(WHvX64RegisterXmm0.0 + number);
        let mut halves = WHV_UINT128::default();
        halves.set_Low64(u64::from(number) << 8 | 1);
        halves.set_High64(0xF00D_0000_0000_0000 | u64::from(number));
        let mut value = WHV_REGISTER_VALUE::default();
        value.set_Reg128(halves);
        machine.set(0, &[(name, value)]);
        assert_eq!(machine.get(0, name), value, "{name:?}");
    }
}

fn segments_keep_all_their_fields(engine: &Engine) {
    let machine = machine(engine);
    for (name, attributes) in [
        (WHvX64RegisterEs, 0xC093),
        (WHvX64RegisterCs, 0xA09B),
        (WHvX64RegisterSs, 0xC093),
        (WHvX64RegisterDs, 0xC0F3),
        (WHvX64RegisterFs, 0x1093),
        (WHvX64RegisterGs, 0x0010),
        (WHvX64RegisterLdtr, 0x0082),
        (WHvX64RegisterTr, 0x008B),
    ] {
        let value = flat_segment(0x28, 0x1234_5000, 0xFFFF_FFFF, attributes);
        machine.set(0, &[(name, value)]);
        assert_eq!(machine.get(0, name), value, "{name:?}");
    }
}

fn descriptor_tables_keep_base_and_limit(engine: &Engine) {
    let machine = machine(engine);
    for name in [WHvX64RegisterGdtr, WHvX64RegisterIdtr] {
        let table = WHV_X64_TABLE_REGISTER { Base: 0xFFFF_8000_1234_0000, Limit: 0x7F, ..Default::default() };
        let mut value = WHV_REGISTER_VALUE::default();
        value.set_Table(table);
        machine.set(0, &[(name, value)]);
        assert_eq!(machine.get(0, name), value, "{name:?}");
    }
}

fn msr_registers_keep_what_is_written(engine: &Engine) {
    let machine = machine(engine);
    for (name, value) in [
        (WHvX64RegisterKernelGsBase, 0xFFFF_8000_0000_1000),
        (WHvX64RegisterPat, 0x0606_0606_0606_0606),
        (WHvX64RegisterSysenterCs, 0x10),
        (WHvX64RegisterSysenterEip, 0xFFFF_8000_0000_2000),
        (WHvX64RegisterSysenterEsp, 0xFFFF_8000_0000_3000),
        (WHvX64RegisterStar, 0x0023_0010_0000_0000),
        (WHvX64RegisterLstar, 0xFFFF_8000_0000_4000),
        (WHvX64RegisterCstar, 0xFFFF_8000_0000_5000),
        (WHvX64RegisterSfmask, 0x4_7700),
    ] {
        machine.set64(0, name, value);
        assert_eq!(machine.get64(0, name), value, "{name:?}");
    }
}

fn memory_type_registers_are_always_there(engine: &Engine) {
    let machine = machine(engine);
    let count = (machine.get64(0, WHvX64RegisterMsrMtrrCap) & 0xFF) as u32;
    assert!(count >= 8, "{count}");
    for number in 0..count {
        for first in [WHvX64RegisterMsrMtrrPhysBase0, WHvX64RegisterMsrMtrrPhysMask0] {
            let name = WHV_REGISTER_NAME(first.0 + number);
            machine.set64(0, name, 0x10_0006);
            assert_eq!(machine.get64(0, name), 0x10_0006, "{name:?}");
        }
    }
    machine.set64(0, WHvX64RegisterMsrMtrrDefType, 0xC06);
    assert_eq!(machine.get64(0, WHvX64RegisterMsrMtrrDefType), 0xC06);
}

fn whatever_was_read_can_be_written_back(engine: &Engine) {
    let read_only = [
        WHvX64RegisterVirtualCr0,
        WHvX64RegisterVirtualCr3,
        WHvX64RegisterVirtualCr4,
        WHvX64RegisterVirtualCr8,
        WHvX64RegisterMsrMtrrCap,
        WHvRegisterInternalActivityState,
    ];
    let machine = machine(engine);
    let mut readable = 0;
    for (_, number) in WHV_REGISTER_NAME::ENUMERATION.members {
        let name = WHV_REGISTER_NAME(*number);
        let Ok(values) = machine.try_get(0, &[name]) else { continue };
        readable += 1;
        if !read_only.contains(&name) {
            let result = machine.try_set(0, &[(name, values[0])]);
            assert!([S_OK, ERROR_HV_ACCESS_DENIED].contains(&result), "{name:?}: {result:?}");
        }
    }
    assert!(readable > 100, "{readable}");
}

fn unknown_names_are_refused_as_unknown(engine: &Engine) {
    let machine = machine(engine);
    for number in [0x2C, 0xFFF, 0x101A, 0x7000_0000, 0x0002_0000, u32::MAX] {
        let name = WHV_REGISTER_NAME(number);
        assert_eq!(machine.try_get(0, &[name]), Err(WHV_E_INVALID_VP_REGISTER_NAME), "{number:#x}");
        assert_eq!(machine.try_set(0, &[(name, word(0))]), WHV_E_INVALID_VP_REGISTER_NAME, "{number:#x}");
    }
}

fn absent_features_are_bad_parameters(engine: &Engine) {
    let machine = machine(engine);
    for name in [WHvX64RegisterApicTpr, WHvX64RegisterApicId, WHvRegisterSint0, WHvRegisterScontrol] {
        assert_eq!(machine.try_get(0, &[name]), Err(ERROR_HV_INVALID_PARAMETER), "{name:?}");
    }
}

fn a_failed_set_changes_nothing(engine: &Engine) {
    let machine = machine(engine);
    let unknown = WHV_REGISTER_NAME(0x7000_0000);
    let result = machine.try_set(0, &[(WHvX64RegisterRax, word(5)), (unknown, word(0))]);
    assert_eq!(result, WHV_E_INVALID_VP_REGISTER_NAME);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0);
    let result = machine.try_set(0, &[(WHvX64RegisterRax, word(5)), (WHvX64RegisterXCr0, word(0))]);
    assert_eq!(result, ERROR_HV_INVALID_PARAMETER);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0);
}

fn a_get_may_repeat_names(engine: &Engine) {
    let machine = machine(engine);
    let values = machine.try_get(0, &[WHvX64RegisterRip, WHvX64RegisterRax, WHvX64RegisterRip]);
    let values = values.expect("known registers");
    assert_eq!(values[0], values[2]);
}

fn many_registers_move_in_one_call(engine: &Engine) {
    let machine = machine(engine);
    let pairs: Vec<_> = (0..128_u32).map(|n| (WHV_REGISTER_NAME(n % 16), word(u64::from(n)))).collect();
    machine.set(0, &pairs);
    let names: Vec<_> = pairs.iter().map(|pair| pair.0).collect();
    let values = machine.try_get(0, &names).expect("known registers");
    for (name, value) in names.iter().zip(&values) {
        assert_eq!(value.Reg64(), u64::from(112 + name.0), "the last write of {name:?} wins");
    }
}

fn no_registers_is_a_success(engine: &Engine) {
    let machine = machine(engine);
    let (api, partition) = (engine.api, machine.partition);
    assert_eq!(call!(api, WHvGetVirtualProcessorRegisters(partition, 0, null_mut(), 0, null_mut())), S_OK);
    assert_eq!(call!(api, WHvSetVirtualProcessorRegisters(partition, 0, null_mut(), 0, null_mut())), S_OK);
}

fn arrays_of_registers_must_be_there(engine: &Engine) {
    let machine = machine(engine);
    let (api, partition) = (engine.api, machine.partition);
    let name = WHvX64RegisterRax;
    let mut value = word(0);
    let names = call!(api, WHvGetVirtualProcessorRegisters(partition, 0, null_mut(), 1, &raw mut value));
    assert_eq!(names, E_POINTER);
    let values = call!(api, WHvGetVirtualProcessorRegisters(partition, 0, &raw const name, 1, null_mut()));
    assert_eq!(values, E_POINTER);
    let values = call!(api, WHvSetVirtualProcessorRegisters(partition, 0, &raw const name, 1, null_mut()));
    assert_eq!(values, E_POINTER);
}

fn there_are_no_partition_wide_registers(engine: &Engine) {
    let machine = machine(engine);
    assert_eq!(machine.try_get(WHV_ANY_VP, &[WHvX64RegisterRax]), Err(E_INVALIDARG));
    assert_eq!(machine.try_set(WHV_ANY_VP, &[(WHvX64RegisterRax, word(0))]), E_INVALIDARG);
}

fn activity_cannot_be_written_without_an_apic(engine: &Engine) {
    let machine = machine(engine);
    let result = machine.try_set(0, &[(WHvRegisterInternalActivityState, word(0))]);
    assert_eq!(result, ERROR_HV_ACCESS_DENIED);
}

fn flags_always_have_bit_one(engine: &Engine) {
    let machine = machine(engine);
    machine.set64(0, WHvX64RegisterRflags, 0x202);
    assert_eq!(machine.get64(0, WHvX64RegisterRflags), 0x202);
}

fn narrow_registers_ignore_the_upper_half(engine: &Engine) {
    let machine = machine(engine);
    let mut value = WHV_REGISTER_VALUE::default();
    let mut halves = WHV_UINT128::default();
    halves.set_Low64(7);
    halves.set_High64(u64::MAX);
    value.set_Reg128(halves);
    machine.set(0, &[(WHvX64RegisterRbx, value)]);
    assert_eq!(machine.get(0, WHvX64RegisterRbx), word(7));
}

fn the_tsc_moves_and_can_be_set(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4, 0xF4], |_| ()); // hlt; hlt
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    machine.set64(0, WHvX64RegisterTsc, 1 << 50);
    let first = machine.get64(0, WHvX64RegisterTsc);
    assert!(first >= 1 << 50);
    std::thread::sleep(std::time::Duration::from_millis(1));
    assert!(machine.get64(0, WHvX64RegisterTsc) > first);
}

fn xcr0_is_limited_to_the_features(engine: &Engine) {
    let machine = machine(engine);
    for bad in [0, 2, 1 << 62 | 1] {
        let result = machine.try_set(0, &[(WHvX64RegisterXCr0, word(bad))]);
        assert_eq!(result, ERROR_HV_INVALID_PARAMETER, "{bad:#x}");
    }
    machine.set64(0, WHvX64RegisterXCr0, 3);
}

fn misaligned_arrays_are_accepted(engine: &Engine) {
    let machine = machine(engine);
    machine.set64(0, WHvX64RegisterRcx, 0x77);
    let name = WHvX64RegisterRcx;
    let mut bytes = [0_u8; 17];
    let place = bytes[1..].as_mut_ptr().cast();
    let result =
        call!(engine.api, WHvGetVirtualProcessorRegisters(machine.partition, 0, &raw const name, 1, place));
    assert_eq!(result, S_OK);
    assert_eq!(bytes[1], 0x77);
}
