//! CPUID leaves and synthetic registers, as guests and clients reach them.

use std::ptr::null_mut;
use std::time::Duration;
use std::time::Instant;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::synthetic::*;
use crate::Engine;
use crate::Item;
use crate::Machine;
use crate::call;
use crate::running::assert_no_faster;

cases! { "synthetic registers":
    leaves_follow_the_features from "state.md 9.2",
    a_present_hypervisor_without_interface_shows_two_leaves from "state.md 9.2",
    features_beyond_the_capability_are_refused from "state.md 9",
    synic_features_need_an_apic from "state.md 9.3",
    a_feature_without_its_register_range_is_unhandled from "exits.md 4, interrupts-and-notifications.md 3.1",
    registers_of_absent_features_are_unavailable from "state.md 2.6",
    reset_values_are_those_clients_expect from "state.md 6, Q13" covers [Item::Ability("Q13")],
    registers_read_back from "state.md 2.6",
    partition_registers_are_the_same_on_every_processor from "state.md 2.6",
    a_source_takes_no_low_vector from "interrupts-and-notifications.md 3.1",
    a_guest_reads_what_the_platform_knows from "state.md 8, interrupts-and-notifications.md 9.1",
    the_apic_has_shortcuts from "interrupts-and-notifications.md 3.1",
    guest_idle_parks_and_any_interrupt_wakes from "exits.md 2.9",
    the_reference_page_gives_reference_time from "interrupts-and-notifications.md 9.1",
    resuming_time_changes_the_sequence from "interrupts-and-notifications.md 9.1",
    reset_forgets_what_the_guest_set from "interrupts-and-notifications.md 9.2",
    listed_actions_come_first from "exits.md 4",
}

fn leaf(machine: &Machine, function: u32) -> [u32; 4] {
    let mut output = WHV_CPUID_OUTPUT::default();
    let out = &raw mut output;
    let result =
        call!(machine.api, WHvGetVirtualProcessorCpuidOutput(machine.partition, 0, function, 0, out));
    assert_eq!(result, S_OK);
    [output.Eax, output.Ebx, output.Ecx, output.Edx]
}

fn leaves_follow_the_features(engine: &Engine) {
    let with = machine(engine, USUAL, Code::default());
    assert_eq!(leaf(&with, 1)[2] >> 31, 1);
    let [highest, b, c, d] = leaf(&with, 0x4000_0000);
    assert!(highest >= 0x4000_0006);
    let name: Vec<u8> = [b, c, d].iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(name, b"Microsoft Hv");
    assert_eq!(leaf(&with, 0x4000_0001)[0].to_le_bytes(), *b"Hv#1");
    let [a, b, ..] = leaf(&with, 0x4000_0003);
    assert_eq!((a, b), (0xE7F, 0x0008_8020), "measured on a host of the platform");
    assert_eq!(leaf(&with, 0x4000_0005)[0], 1);
    let without = machine(engine, 0, Code::default());
    assert_eq!(leaf(&without, 1)[2] >> 31, 0);
    for function in 0x4000_0000..=0x4000_0006 {
        assert_eq!(leaf(&without, function), [0; 4]);
    }
}

fn a_present_hypervisor_without_interface_shows_two_leaves(engine: &Engine) {
    let machine = machine(engine, 1, Code::default());
    assert_eq!(leaf(&machine, 1)[2] >> 31, 1);
    assert_eq!(leaf(&machine, 0x4000_0000)[0], 0x4000_0001);
    assert_ne!(leaf(&machine, 0x4000_0001)[0].to_le_bytes(), *b"Hv#1");
    assert_eq!(leaf(&machine, 0x4000_0003), [0; 4]);
}

fn features_beyond_the_capability_are_refused(engine: &Engine) {
    let machine = Machine::created(engine);
    let [_, offered, ..] = engine.capability(WHvCapabilityCodeSyntheticProcessorFeaturesBanks);
    assert_eq!(offered & USUAL, USUAL);
    assert_eq!(try_offer(&machine, offered), S_OK);
    assert_eq!(try_offer(&machine, !offered & 1 << 63 | 1 << 62), E_INVALIDARG);
}

fn synic_features_need_an_apic(engine: &Engine) {
    let machine = Machine::created(engine);
    machine.configure(WHvPartitionPropertyCodeProcessorCount, &1_u32);
    offer(&machine, INTERFACE | 1 << 4);
    let set_up = || call!(engine.api, WHvSetupPartition(machine.partition));
    assert_eq!(set_up(), WHV_E_INVALID_PARTITION_CONFIG);
    machine.use_apic(WHvX64LocalApicEmulationModeXApic);
    assert_eq!(set_up(), S_OK);
}

fn a_feature_without_its_register_range_is_unhandled(engine: &Engine) {
    for (index, bit) in
        [(0x4000_0020, 3), (0x4000_0090, 4), (0x4000_00B0, 5), (0x4000_0073, 6), (0x4000_0002, 8)]
    {
        let exits = |machine: &Machine| machine.enable_exits(|exits| exits.set_X64MsrExit(1));
        let without = configured(engine, INTERFACE, Code::default().rdmsr(index).out(), exits);
        let context = without.run_to(0, WHvRunVpExitReasonX64MsrAccess);
        assert_eq!(context.MsrAccess().MsrNumber, index);
        let with = configured(engine, INTERFACE | 1 << bit, Code::default().rdmsr(index).out(), exits);
        run(&with);
    }
}

fn registers_of_absent_features_are_unavailable(engine: &Engine) {
    let machine = machine(engine, INTERFACE, Code::default());
    for name in [
        WHvRegisterSint0,
        WHvRegisterScontrol,
        WHvRegisterEom,
        WHvRegisterVpRuntime,
        WHvX64RegisterHypercall,
        WHvRegisterGuestOsId,
        WHvRegisterVpAssistPage,
        WHvRegisterReferenceTsc,
        WHvRegisterReferenceTscSequence,
    ] {
        assert_eq!(machine.try_get(0, &[name]), Err(ERROR_HV_INVALID_PARAMETER), "{name:?}");
        assert_eq!(machine.try_set(0, &[(name, crate::machine::word(0))]), ERROR_HV_INVALID_PARAMETER);
    }
}

fn reset_values_are_those_clients_expect(engine: &Engine) {
    let machine = machine(engine, USUAL, Code::default());
    for (name, value) in [
        (WHvRegisterScontrol, 1),
        (WHvRegisterSversion, 1),
        (WHvRegisterSiefp, 0),
        (WHvRegisterSimp, 0),
        (WHvRegisterEom, 0),
        (WHvRegisterSint0, 0x10000),
        (WHvRegisterSint15, 0x10000),
        (WHvRegisterGuestOsId, 0),
        (WHvX64RegisterHypercall, 0),
        (WHvRegisterVpAssistPage, 0),
        (WHvRegisterReferenceTsc, 0),
    ] {
        assert_eq!(machine.get64(0, name), value, "{name:?}");
    }
}

fn registers_read_back(engine: &Engine) {
    let machine = machine(engine, USUAL, Code::default());
    for (name, value) in [
        (WHvRegisterScontrol, 0),
        (WHvRegisterSiefp, EVENT_PAGE | 1),
        (WHvRegisterSimp, MESSAGE_PAGE | 1),
        (WHvRegisterSint2, 0x2_0031),
        (WHvRegisterVpAssistPage, 0x8001),
        // The page comes before the identity when a client restores.
        (WHvX64RegisterHypercall, CALL_PAGE | 1),
        (WHvRegisterGuestOsId, 7),
        (WHvRegisterReferenceTsc, CLOCK_PAGE | 1),
        (WHvRegisterReferenceTscSequence, 77),
    ] {
        machine.set64(0, name, value);
        assert_eq!(machine.get64(0, name), value, "{name:?}");
    }
    assert_eq!(word_at(&machine, CALL_PAGE) & 0xFFFF, 0x010F, "VMCALL or VMMCALL");
    assert_eq!(word_at(&machine, CLOCK_PAGE) as u32, 77);
    machine.set64(0, WHvRegisterSversion, 1);
    let refused = machine.try_set(0, &[(WHvRegisterSversion, crate::machine::word(2))]);
    assert_eq!(refused, ERROR_HV_INVALID_PARAMETER);
    machine.set64(0, WHvRegisterVpRuntime, 1_000_000);
    assert!((1_000_000..2_000_000).contains(&machine.get64(0, WHvRegisterVpRuntime)));
}

fn partition_registers_are_the_same_on_every_processor(engine: &Engine) {
    let machine = Machine::set_up(engine, 2, |machine| {
        machine.use_apic(WHvX64LocalApicEmulationModeXApic);
        offer(machine, USUAL);
    });
    machine.map_all();
    machine.create_vp(0);
    machine.create_vp(1);
    for (name, value) in
        [(WHvRegisterGuestOsId, 9), (WHvX64RegisterHypercall, 0x5001), (WHvRegisterReferenceTsc, 0x9001)]
    {
        machine.set64(0, name, value);
        assert_eq!(machine.get64(1, name), value);
    }
    machine.set64(0, WHvRegisterSint3, 0x33);
    assert_eq!(machine.get64(1, WHvRegisterSint3), 0x10000);
}

fn a_source_takes_no_low_vector(engine: &Engine) {
    let code = Code::default().wrmsr(0x4000_0093, 15).out();
    let machine = configured(engine, USUAL, code, |machine| {
        machine.enable_exits(|exits| exits.set_ExceptionExit(1));
        machine.configure(WHvPartitionPropertyCodeExceptionExitBitmap, &(1_u64 << 13));
    });
    machine.run_to(0, WHvRunVpExitReasonException);
    let bad = machine.try_set(0, &[(WHvRegisterSint3, crate::machine::word(15))]);
    assert_eq!(bad, ERROR_HV_INVALID_PARAMETER);
    machine.set64(0, WHvRegisterSint3, 0x10000);
}

fn a_guest_reads_what_the_platform_knows(engine: &Engine) {
    for (index, expected) in [
        (0x4000_0002, Some(0)),
        (0x4000_0022, Some(engine.capability(WHvCapabilityCodeProcessorClockFrequency)[0])),
        (0x4000_0023, Some(engine.capability(WHvCapabilityCodeInterruptClockFrequency)[0])),
        (0x4000_0010, None),
        (0x4000_0020, None),
    ] {
        let machine = machine(engine, USUAL, Code::default().rdmsr(index).out());
        run(&machine);
        let low = machine.get64(0, WHvX64RegisterRax);
        let value = machine.get64(0, WHvX64RegisterRdx) << 32 | low & 0xFFFF_FFFF;
        assert_eq!(value, expected.unwrap_or(value), "{index:#x}");
        if index == 0x4000_0020 {
            let now: u64 = machine.property(WHvPartitionPropertyCodeReferenceTime);
            assert!(value <= now && now - value < 600_000_000);
        }
    }
}

fn the_apic_has_shortcuts(engine: &Engine) {
    // Task priority, then an interrupt to itself by the command register, then its end.
    let code = Code::default()
        .enable_apic()
        .wrmsr(0x4000_0072, 0x20)
        .rdmsr(0x4000_0072)
        .out()
        .wrmsr(0x4000_0071, 0x4_0050)
        .sti_nop();
    let machine = machine(engine, USUAL, code);
    super::apic_exits::gate(
        &machine,
        0x50,
        &[&[0xE6, 0x81][..], &Code::default().wrmsr(0x4000_0070, 0).out().0].concat(),
    );
    run(&machine);
    assert_eq!(machine.get64(0, WHvX64RegisterRax) as u32, 0x20);
    assert_eq!(machine.get64(0, WHvX64RegisterCr8), 2);
    run_to_handler(&machine);
    assert_eq!(isr(&machine)[2], 1 << 16);
    step_over_port(&machine);
    run(&machine);
    assert_eq!(isr(&machine)[2], 0);
}

/// The in-service bits of processor 0, a word for 32 vectors.
pub(super) fn isr(machine: &Machine) -> [u32; 8] {
    let mut page = vec![0_u8; 4096];
    let (start, size) = (page.as_mut_ptr().cast(), 4096);
    let result = call!(
        machine.api,
        WHvGetVirtualProcessorInterruptControllerState2(machine.partition, 0, start, size, null_mut())
    );
    assert_eq!(result, S_OK);
    std::array::from_fn(|word| {
        let at = 0x100 + word * 16;
        u32::from_le_bytes(page[at..at + 4].try_into().expect("4 bytes"))
    })
}

fn guest_idle_parks_and_any_interrupt_wakes(engine: &Engine) {
    let code = Code::default().enable_apic().out().rdmsr(0x4000_00F0).out();
    let machine = machine(engine, USUAL, code);
    run(&machine);
    let context = machine.while_parked(0, || machine.cancel(0));
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
    let activity = machine.get(0, WHvRegisterInternalActivityState).InternalActivity();
    assert_eq!((activity.IdleSuspend(), activity.HaltSuspend()), (1, 0));
    assert_eq!(machine.get64(0, WHvX64RegisterRflags) & 1 << 9, 0, "interrupts are off");
    let context = machine.while_parked(0, || {
        assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, 0x50), S_OK);
    });
    assert_eq!(context.IoPortAccess().PortNumber, 0x80, "goes on without taking the interrupt");
    assert_eq!(machine.get64(0, WHvRegisterInternalActivityState), 0);
    assert_eq!(machine.get64(0, WHvX64RegisterRax) as u32, 0);
}

/// Reference time by the page, and by the property around it.
fn check_clock(machine: &Machine) {
    let time = || machine.property::<u64>(WHvPartitionPropertyCodeReferenceTime);
    let before = time();
    let tsc = machine.get64(0, WHvX64RegisterTsc);
    let after = time();
    let (scale, offset) = (word_at(machine, CLOCK_PAGE + 8), word_at(machine, CLOCK_PAGE + 16));
    let computed = ((u128::from(tsc) * u128::from(scale)) >> 64) as u64;
    let computed = computed.wrapping_add(offset);
    assert!(before <= computed + 2 && computed <= after + 2, "{before} {computed} {after}");
}

fn the_reference_page_gives_reference_time(engine: &Engine) {
    let code = Code::default().wrmsr(0x4000_0021, CLOCK_PAGE | 1).out().wrmsr(0x10, 12345).out();
    let machine = machine(engine, USUAL, code);
    run(&machine);
    let sequence = word_at(&machine, CLOCK_PAGE) as u32;
    assert_ne!(sequence, 0);
    check_clock(&machine);
    run(&machine);
    assert_ne!(word_at(&machine, CLOCK_PAGE) as u32, sequence, "the TSC was written");
    check_clock(&machine);
}

fn resuming_time_changes_the_sequence(engine: &Engine) {
    let code = Code::default().wrmsr(0x4000_0021, CLOCK_PAGE | 1).out();
    let machine = machine(engine, USUAL, code);
    run(&machine);
    let sequence = word_at(&machine, CLOCK_PAGE) as u32;
    assert_eq!(call!(engine.api, WHvSuspendPartitionTime(machine.partition)), S_OK);
    const PAUSE: Duration = Duration::from_millis(20);
    let time = || machine.property::<u64>(WHvPartitionPropertyCodeReferenceTime);
    let frozen = time();
    std::thread::sleep(PAUSE);
    assert_eq!(time(), frozen);
    let start = Instant::now();
    assert_eq!(call!(engine.api, WHvResumePartitionTime(machine.partition)), S_OK);
    let next = word_at(&machine, CLOCK_PAGE) as u32;
    assert!(next != sequence && next != 0);
    check_clock(&machine);
    assert_no_faster(time() - frozen, start, PAUSE / 2);
}

fn reset_forgets_what_the_guest_set(engine: &Engine) {
    let code = Code::default()
        .establish_calls()
        .wrmsr(0x4000_0083, MESSAGE_PAGE | 1)
        .wrmsr(0x4000_0092, 0x50)
        .store(MESSAGE_PAGE, 5)
        .out();
    let machine = machine(engine, USUAL, code);
    run(&machine);
    assert_eq!(word_at(&machine, MESSAGE_PAGE), 5);
    assert_eq!(call!(engine.api, WHvResetPartition(machine.partition)), S_OK);
    for (name, value) in [
        (WHvRegisterGuestOsId, 0),
        (WHvX64RegisterHypercall, 0),
        (WHvRegisterSimp, 0),
        (WHvRegisterSint2, 0x10000),
        (WHvRegisterScontrol, 1),
    ] {
        assert_eq!(machine.get64(0, name), value, "{name:?}");
    }
    assert_eq!(word_at(&machine, MESSAGE_PAGE), 0, "what lies beneath was never written");
    assert_eq!(word_at(&machine, CALL_PAGE), 0);
    machine.set64(0, WHvRegisterSimp, MESSAGE_PAGE | 1);
    assert_eq!(word_at(&machine, MESSAGE_PAGE), 0, "the page was cleared");
}

fn listed_actions_come_first(engine: &Engine) {
    // Index, read action 2 (exit), write action 1 (ignore).
    let list: [u8; 8] = [0x92, 0, 0, 0x40, 2, 1, 0, 0];
    let code = Code::default().wrmsr(0x4000_0092, 0x50).rdmsr(0x4000_0092);
    let machine = configured(engine, USUAL, code, |machine| {
        machine.enable_exits(|exits| exits.set_X64MsrExit(1));
        machine.configure(WHvPartitionPropertyCodeMsrActionList, &list);
    });
    let context = machine.run_to(0, WHvRunVpExitReasonX64MsrAccess);
    assert_eq!(context.MsrAccess().MsrNumber, 0x4000_0092);
    assert_eq!(machine.get64(0, WHvRegisterSint2), 0x10000, "the write was dropped");
}
