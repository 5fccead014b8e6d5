//! A monitor of short-lived guests without devices: it probes registers one by one, sets everything in one call, resets
//! vector state between calls, and changes its exits after setup.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::habits::*;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::CODE;
use crate::machine::PAGE;
use crate::machine::RWX;
use crate::machine::word;

cases! { "habits of Hyperlight":
    model_registers_are_probed_and_written_back from "clients.md 3 Hyperlight, state.md 1",
    more_than_100_registers_are_set_at_once from "clients.md 3 Hyperlight, functions.md 3.5",
    vector_state_is_reset_by_its_header from "clients.md 3 Hyperlight, state.md 7.4",
    exits_are_chosen_after_setup from "clients.md 2 Hyperlight, functions.md 1.7",
    every_bitmap_word_is_written from "clients.md 3 Hyperlight, functions.md 2.5",
    the_apic_base_may_be_zero from "state.md 2.4, clients.md 3 Hyperlight",
    guard_pages_have_no_rights_at_all from "memory.md 1.1, Q30",
    translated_addresses_are_zero_on_failure from "functions.md 2.4",
    apic_state_is_there_before_the_first_run from "functions.md 3.7",
    a_guest_call_ends_with_a_port_write from "clients.md 1 Hyperlight",
    a_debugger_breaks_and_steps from "exits.md 2.11, clients.md 2 Hyperlight, Q40",
}

fn model_registers_are_probed_and_written_back(engine: &Engine) {
    let machine = long_mode(engine, &[0xF4], |_| ());
    let mut present = 0;
    for number in 0x2000..0x20C0 {
        let name = WHV_REGISTER_NAME(number);
        let Ok(values) = machine.try_get(0, &[name]) else { continue };
        let result = machine.try_set(0, &[(name, values[0])]);
        let is_read_only = [WHvX64RegisterMsrMtrrCap].contains(&name);
        assert!(result == S_OK || is_read_only, "{name:?}: {result:?}");
        present += 1;
    }
    assert!(present > 40, "{present}");
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn more_than_100_registers_are_set_at_once(engine: &Engine) {
    let machine = long_mode(engine, &[0xE6, 0x80], |_| ());
    let all: Vec<_> = (0..0x28).chain(0x1000..0x101A).chain(0x2001..0x2100).map(WHV_REGISTER_NAME).collect();
    let mut pairs: Vec<_> = all
        .into_iter()
        .filter_map(|name| Some((name, *machine.try_get(0, &[name]).ok()?.first()?)))
        .filter(|pair| machine.try_set(0, &[*pair]) == S_OK)
        .collect();
    pairs.push((WHvX64RegisterRax, word(0x41)));
    assert!(pairs.len() > 100, "{}", pairs.len());
    machine.set(0, &pairs);
    assert_eq!(run_to_output(&machine, 0), (0x80, 0x41));
}

fn vector_state_is_reset_by_its_header(engine: &Engine) {
    let machine = long_mode(engine, &[0xF4], |_| ());
    let fresh = xsave(&machine, 0);
    machine.set(0, &[(WHvX64RegisterXmm3, word(0x1234))]);
    let mut image = xsave(&machine, 0);
    image[512..520].fill(0); // no component: all return to their initial values
    image[..24].copy_from_slice(&fresh[..24]);
    image[24..28].copy_from_slice(&0x1F80_u32.to_le_bytes());
    assert_eq!(set_xsave(&machine, 0, &image), S_OK);
    assert_eq!(machine.get(0, WHvX64RegisterXmm3), word(0));
    assert_eq!(machine.get(0, WHvX64RegisterXmmControlStatus).XmmControlStatus().XmmStatusControl(), 0x1F80);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn exits_are_chosen_after_setup(engine: &Engine) {
    let machine = long_mode(engine, &[0xCC, 0xF4], |_| ());
    gate(&machine, 3, 0x9000, &[0xF4]);
    configure(&machine, WHvPartitionPropertyCodeExtendedVmExits, &exits(engine, |e| e.set_ExceptionExit(1)));
    configure(&machine, WHvPartitionPropertyCodeExceptionExitBitmap, &(1_u64 << 3 | 1 << 1));
    machine.run_to(0, WHvRunVpExitReasonException);
    configure(&machine, WHvPartitionPropertyCodeExceptionExitBitmap, &0_u64);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), 0x9001);
}

fn every_bitmap_word_is_written(engine: &Engine) {
    let machine = long_mode(engine, &[0xC6, 0x04, 0x25, 0, 0, 0x08, 0, 1, 0xF4], |_| ());
    assert_eq!(machine.map(0x2_0000, 0x2_0000, 130 * PAGE, WHV_MAP_GPA_RANGE_FLAGS(15)), S_OK);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    let mut words = [u64::MAX; 4];
    let start = words.as_mut_ptr();
    let query =
        call!(engine.api, WHvQueryGpaRangeDirtyBitmap(machine.partition, 0x2_0000, 130 * PAGE, start, 32));
    assert_eq!(query, S_OK);
    assert_eq!(
        words,
        [0, 1 << 32, 0, u64::MAX],
        "page 0x80 of the map is bit 96; the fourth word is not ours"
    );
}

fn the_apic_base_may_be_zero(engine: &Engine) {
    let machine = long_mode(engine, &[0xF4], |_| ());
    machine.set64(0, WHvX64RegisterApicBase, 0);
    assert_eq!(machine.get64(0, WHvX64RegisterApicBase), 0);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn guard_pages_have_no_rights_at_all(engine: &Engine) {
    let machine = long_mode(engine, &[0x8A, 0x04, 0x25, 0, 0, 0x03, 0, 0xF4], |_| ()); // mov al, [0x30000]; hlt
    assert_eq!(machine.map(0x3_0000, 0x3_0000, PAGE, WHvMapGpaRangeFlagNone), S_OK);
    let access = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!((access.Gpa, access.AccessInfo.GpaUnmapped()), (0x3_0000, 0));
    assert_eq!(machine.map(0x3_0000, 0x3_0000, PAGE, RWX), S_OK);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn translated_addresses_are_zero_on_failure(engine: &Engine) {
    let machine = long_mode(engine, &[0xF4], |_| ());
    for gva in [0x4000_0000, 0x8000_0000_0000, 0xFFFF_8000_0000_0000] {
        let (code, gpa) = translate(&machine, 0, gva, 1);
        assert_eq!((code, gpa), (1, 0), "{gva:#x}");
    }
    assert_eq!(translate(&machine, 0, CODE + 5, 4), (0, CODE + 5));
}

fn apic_state_is_there_before_the_first_run(engine: &Engine) {
    let machine = Machine::set_up(engine, 1, |machine| {
        configure(
            machine,
            WHvPartitionPropertyCodeLocalApicEmulationMode,
            &WHvX64LocalApicEmulationModeXApic,
        );
    });
    machine.create_vp(0);
    change_apic(&machine, 0, &[(0xF0, 0x1FF), (0x320, 0x2_0040)]);
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x320), 0x2_0040);
}

fn a_guest_call_ends_with_a_port_write(engine: &Engine) {
    // The guest function doubles its argument and reports on a port; the host calls it again and again.
    let machine = long_mode(engine, &[0x48, 0x01, 0xC0, 0xE7, 0x68], |_| ()); // add rax, rax; out 0x68, eax
    for argument in 1..50 {
        machine.set(0, &[(WHvX64RegisterRip, word(CODE)), (WHvX64RegisterRax, word(argument))]);
        assert_eq!(run_to_output(&machine, 0), (0x68, argument * 2));
    }
}

fn a_debugger_breaks_and_steps(engine: &Engine) {
    let machine = long_mode(engine, &[0x90, 0x90, 0x90, 0xF4], |machine| {
        machine.enable_exits(|exits| exits.set_ExceptionExit(1));
        machine.configure(WHvPartitionPropertyCodeExceptionExitBitmap, &(1_u64 << 1));
    });
    machine.set(0, &[(WHvX64RegisterDr0, word(CODE + 1)), (WHvX64RegisterDr7, word(0x401))]);
    let context = machine.run_to(0, WHvRunVpExitReasonException);
    assert_eq!(context.VpContext().Rip(), CODE + 1, "before the instruction");
    assert_eq!(context.VpContext().ExecutionState().DebugActive(), 1);
    assert_eq!(machine.get64(0, WHvX64RegisterDr6) & 0x400F, 1, "the register says which");
    machine.set(0, &[(WHvX64RegisterDr7, word(0x400)), (WHvX64RegisterRflags, word(0x102))]);
    let context = machine.run_to(0, WHvRunVpExitReasonException);
    assert_eq!(context.VpContext().Rip(), CODE + 2);
    assert_ne!(machine.get64(0, WHvX64RegisterDr6) & 0x4000, 0, "a single step");
}
