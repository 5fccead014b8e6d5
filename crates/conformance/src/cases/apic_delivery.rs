//! Who an interrupt reaches, and what each kind of it does there.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::exits::protected_mode;
use super::habits::apic_page;
use super::habits::apic_word;
use super::habits::change_apic;
use super::habits::real_gate;
use super::habits::run_to_output;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::CODE;
use crate::machine::word;

cases! { "apic delivery":
    flat_logical_destinations_are_masks from "interrupts-and-notifications.md 1.1",
    cluster_destinations_need_the_same_cluster from "interrupts-and-notifications.md 1.1",
    x2apic_logical_destinations_name_a_cluster_and_bits from "interrupts-and-notifications.md 1.1",
    each_target_compares_in_its_own_mode from "interrupts-and-notifications.md 1.1, Q44",
    wide_destinations_miss_narrow_targets from "interrupts-and-notifications.md 1.1",
    target_sets_follow_the_same_rules from "interrupts-and-notifications.md 1.3",
    a_disabled_apic_is_never_addressed from "interrupts-and-notifications.md 1.1, 1.3",
    the_lowest_priority_wins_and_ties_go_to_the_first from "interrupts-and-notifications.md 1.2 LowestPriority",
    the_trigger_of_the_last_request_counts from "interrupts-and-notifications.md 1.2 Fixed",
    an_nmi_is_latched_while_nmis_are_masked from "interrupts-and-notifications.md 1.2 NMI",
    init_resets_and_level_init_does_nothing from "interrupts-and-notifications.md 1.2 INIT, exits.md 3",
    startup_is_for_waiting_processors_only from "interrupts-and-notifications.md 1.2 SIPI, exits.md 3",
    interrupts_wait_for_processors_that_wait_for_startup from "interrupts-and-notifications.md 1.2",
    lint1_does_what_its_entry_says from "interrupts-and-notifications.md 1.2 LocalInt1",
    the_highest_vector_above_the_priority_is_taken from "interrupts-and-notifications.md 1.2",
    interrupts_of_a_low_class_do_not_wake from "interrupts-and-notifications.md 1.2, exits.md 2.9",
    commands_reach_logical_destinations from "interrupts-and-notifications.md 1.1, exits.md 2.9",
    shorthands_reach_self_all_and_others from "exits.md 2.9, 3",
    a_self_command_of_x2apic_mode_requests_a_vector from "exits.md 2.9",
    remote_reads_need_their_property from "state.md 9, 0x1009",
    remote_reads_fetch_a_register_of_another from "state.md 9, 0x1009",
}

const FIXED: u64 = WHvX64InterruptTypeFixed.0 as u64;
const LOWEST: u64 = WHvX64InterruptTypeLowestPriority.0 as u64;
const ENABLED: u32 = 0x1FF;
const FLAT: u32 = u32::MAX;
const CLUSTER: u32 = 0x0FFF_FFFF;
const X2APIC_BASE: u64 = 0xFEE0_0C00;

/// Processors with software-enabled APICs.
fn apics(engine: &Engine, count: u32, mode: WHV_X64_LOCAL_APIC_EMULATION_MODE) -> Machine {
    let machine = Machine::set_up(engine, count, |machine| machine.use_apic(mode));
    machine.map_all();
    for vp in 0..count {
        machine.create_vp(vp);
        change_apic(&machine, vp, &[(0xF0, ENABLED)]);
    }
    machine
}

fn xapics(engine: &Engine, count: u32) -> Machine {
    apics(engine, count, WHvX64LocalApicEmulationModeXApic)
}

/// Processors in x2APIC mode with these identifiers.
fn x2apics(engine: &Engine, ids: &[u32]) -> Machine {
    let machine = apics(engine, ids.len() as u32, WHvX64LocalApicEmulationModeX2Apic);
    for (vp, id) in (0..).zip(ids) {
        enter_x2apic(&machine, vp);
        machine.set64(vp, WHvX64RegisterApicId, u64::from(*id));
    }
    machine
}

fn enter_x2apic(machine: &Machine, vp: u32) {
    machine.set64(vp, WHvX64RegisterApicBase, X2APIC_BASE | u64::from(vp == 0) << 8);
}

fn control(kind: u64, is_logical: bool, destination: u32, vector: u32) -> WHV_INTERRUPT_CONTROL {
    let mut control = WHV_INTERRUPT_CONTROL::default();
    control.set_Type(kind);
    control.set_DestinationMode(u64::from(is_logical));
    control.set_Destination(destination);
    control.set_Vector(vector);
    control
}

/// The processors in whose request register a vector is, which is taken out again.
fn take_requested(machine: &Machine, count: u32, vector: u32) -> Vec<u32> {
    let (offset, bit) = (0x200 + (vector / 32 * 16) as usize, 1 << (vector % 32));
    let mut found = Vec::new();
    for vp in 0..count {
        let value = apic_word(&apic_page(machine, vp), offset);
        if value & bit != 0 {
            found.push(vp);
            change_apic(machine, vp, &[(offset, value & !bit)]);
        }
    }
    found
}

/// Who an interrupt reaches; the target set must say the same.
fn reached(machine: &Machine, count: u32, is_logical: bool, destination: u32) -> Vec<u32> {
    assert_eq!(machine.request_control(&control(FIXED, is_logical, destination, 0x55)), S_OK);
    let reached = take_requested(machine, count, 0x55);
    assert_eq!(targets(machine, is_logical, u64::from(destination)), reached, "{destination:#x}");
    reached
}

fn targets(machine: &Machine, is_logical: bool, destination: u64) -> Vec<u32> {
    let (mut found, mut count) = (vec![0; 8], 0);
    let mode = WHV_INTERRUPT_DESTINATION_MODE(u32::from(is_logical));
    let first = found.as_mut_ptr();
    let result = call!(
        machine.api,
        WHvGetInterruptTargetVpSet(machine.partition, destination, mode, first, 8, &raw mut count)
    );
    assert_eq!(result, S_OK);
    found.truncate(count as usize);
    found
}

fn flat_logical_destinations_are_masks(engine: &Engine) {
    let machine = xapics(engine, 3);
    for (vp, ldr) in [(0, 0x0100_0000), (1, 0x0200_0000), (2, 0x8200_0000)] {
        change_apic(&machine, vp, &[(0xD0, ldr), (0xE0, FLAT)]);
    }
    for (destination, expected) in [
        (0x01, vec![0]),
        (0x02, vec![1, 2]),
        (0x80, vec![2]),
        (0x83, vec![0, 1, 2]),
        (0x7C, vec![]),
        (0x00, vec![]),
        (0xFF, vec![0, 1, 2]),
        (u32::MAX, vec![0, 1, 2]),
    ] {
        assert_eq!(reached(&machine, 3, true, destination), expected, "{destination:#x}");
    }
    change_apic(&machine, 0, &[(0xD0, 0)]);
    assert_eq!(reached(&machine, 3, true, 0xFF), [0, 1, 2], "everyone, whatever the register says");
    assert_eq!(reached(&machine, 3, false, 2), [2], "physical destinations do not look at it");
}

fn cluster_destinations_need_the_same_cluster(engine: &Engine) {
    let machine = xapics(engine, 3);
    for (vp, ldr) in [(0, 0x1100_0000), (1, 0x1200_0000), (2, 0x2100_0000)] {
        change_apic(&machine, vp, &[(0xD0, ldr), (0xE0, CLUSTER)]);
    }
    for (destination, expected) in [
        (0x11, vec![0]),
        (0x13, vec![0, 1]),
        (0x1F, vec![0, 1]),
        (0x21, vec![2]),
        (0x31, vec![]),
        (0x10, vec![]),
        (0xFF, vec![0, 1, 2]),
    ] {
        assert_eq!(reached(&machine, 3, true, destination), expected, "{destination:#x}");
    }
}

fn x2apic_logical_destinations_name_a_cluster_and_bits(engine: &Engine) {
    let ids = [0x00, 0x01, 0x13, 0x14, 0x1_2345];
    let machine = x2apics(engine, &ids);
    for (destination, expected) in [
        (0x0000_0003, vec![0, 1]),
        (0x0000_00FF, vec![0, 1]),
        (0x0001_0008, vec![2]),
        (0x0001_FFFF, vec![2, 3]),
        (0x1234_0020, vec![4]),
        (0x1234_0010, vec![]),
        (0x0002_FFFF, vec![]),
        (u32::MAX, vec![0, 1, 2, 3, 4]),
    ] {
        assert_eq!(reached(&machine, 5, true, destination), expected, "{destination:#x}");
    }
    for (vp, id) in (0..).zip(ids) {
        assert_eq!(reached(&machine, 5, false, id), [vp], "{id:#x}");
        let ldr = (id >> 4) << 16 | 1 << (id & 15);
        assert_eq!(machine.get64(vp, WHvX64RegisterApicLdr), u64::from(ldr));
    }
    assert_eq!(reached(&machine, 5, false, 0xFF), [0_u32; 0], "no broadcast, nobody has this identifier");
    assert_eq!(reached(&machine, 5, false, u32::MAX), [0, 1, 2, 3, 4]);
}

fn each_target_compares_in_its_own_mode(engine: &Engine) {
    let machine = apics(engine, 2, WHvX64LocalApicEmulationModeX2Apic);
    enter_x2apic(&machine, 1);
    change_apic(&machine, 0, &[(0xD0, 0x0200_0000)]);
    assert_eq!(reached(&machine, 2, false, 0xFF), [0]);
    assert_eq!(reached(&machine, 2, false, u32::MAX), [0, 1]);
    assert_eq!(reached(&machine, 2, true, 2), [0, 1], "a flat mask here, bit 1 of cluster 0 there");
    assert_eq!(reached(&machine, 2, true, u32::MAX), [0, 1]);
    machine.set64(1, WHvX64RegisterApicId, 0xFF);
    assert_eq!(reached(&machine, 2, false, 0xFF), [0, 1]);
}

fn wide_destinations_miss_narrow_targets(engine: &Engine) {
    let machine = xapics(engine, 2);
    change_apic(&machine, 1, &[(0xD0, 0x0100_0000)]);
    for destination in [0x101, 0x1FF, 0x8000_0001, 0xFFFF_FFFE] {
        for is_logical in [false, true] {
            assert_eq!(reached(&machine, 2, is_logical, destination), [0_u32; 0], "{destination:#x}");
        }
    }
    assert_eq!(targets(&machine, false, 0x1_0000_0001), [0_u32; 0], "destinations have 32 bits");
}

fn target_sets_follow_the_same_rules(engine: &Engine) {
    let machine = xapics(engine, 3);
    change_apic(&machine, 1, &[(0xF0, 0xFF)]);
    assert_eq!(targets(&machine, false, 1), [1], "disabled by software, but addressed");
    assert_eq!(targets(&machine, false, 0xFF), [0, 1, 2]);
    assert_eq!(machine.request_control(&control(FIXED, false, 0xFF, 0x60)), S_OK);
    assert_eq!(take_requested(&machine, 3, 0x60), [0, 2]);
    change_apic(&machine, 2, &[(0x20, 0x0900_0000)]);
    assert_eq!(reached(&machine, 3, false, 9), [2], "an identifier that was changed");
    assert_eq!(reached(&machine, 3, false, 2), [0_u32; 0]);
}

fn a_disabled_apic_is_never_addressed(engine: &Engine) {
    let machine = xapics(engine, 2);
    machine.set64(1, WHvX64RegisterApicBase, 0xFEE0_0000);
    for destination in [1, 0xFF, u32::MAX] {
        for is_logical in [false, true] {
            assert!(!targets(&machine, is_logical, u64::from(destination)).contains(&1));
        }
        for kind in [WHvX64InterruptTypeNmi, WHvX64InterruptTypeInit, WHvX64InterruptTypeLocalInt1] {
            assert_eq!(machine.request(kind, destination, 0), S_OK);
        }
    }
    machine.set64(1, WHvX64RegisterApicBase, 0xFEE0_0800);
    assert_eq!(apic_word(&apic_page(&machine, 1), 0x200), 0, "no NMI was latched");
    assert_eq!(targets(&machine, false, 1), [1]);
}

fn the_lowest_priority_wins_and_ties_go_to_the_first(engine: &Engine) {
    let machine = xapics(engine, 4);
    let winner = || {
        assert_eq!(machine.request_control(&control(LOWEST, false, 0xFF, 0x70)), S_OK);
        take_requested(&machine, 4, 0x70)
    };
    assert_eq!(winner(), [0], "the first of equals");
    for (vp, tpr) in [(0, 0x50), (1, 0x40), (2, 0x30), (3, 0x30)] {
        change_apic(&machine, vp, &[(0x80, tpr)]);
    }
    assert_eq!(winner(), [2]);
    change_apic(&machine, 2, &[(0x120, 1 << 2)]); // vector 0x42 in service
    assert_eq!(winner(), [3], "what is in service counts");
    change_apic(&machine, 3, &[(0xF0, 0xFF)]);
    assert_eq!(winner(), [1], "a disabled APIC does not take part");
    assert_eq!(machine.request_control(&control(LOWEST, false, 3, 0x70)), S_OK);
    assert_eq!(take_requested(&machine, 4, 0x70), [0_u32; 0]);
}

fn the_trigger_of_the_last_request_counts(engine: &Engine) {
    let machine = xapics(engine, 1);
    let mode = |is_level: bool| {
        let mut control = control(FIXED, false, 0, 0x45);
        control.set_TriggerMode(u64::from(is_level));
        assert_eq!(machine.request_control(&control), S_OK);
        let page = apic_page(&machine, 0);
        assert_eq!(apic_word(&page, 0x220), 1 << 5, "merged");
        apic_word(&page, 0x1A0)
    };
    assert_eq!((mode(false), mode(true), mode(true), mode(false)), (0, 1 << 5, 1 << 5, 0));
    // The bits that are not defined are ignored.
    let mut odd = control(FIXED, false, 0, 0x46);
    odd.set_Reserved(0xFF_FFFF_FFFF);
    assert_eq!(machine.request_control(&odd), S_OK);
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x220), 3 << 5);
}

/// One processor in real mode with an enabled xAPIC.
fn real(engine: &Engine, code: &[u8]) -> Machine {
    let machine =
        Machine::real_mode(engine, code, |machine| machine.use_apic(WHvX64LocalApicEmulationModeXApic));
    change_apic(&machine, 0, &[(0xF0, ENABLED)]);
    machine
}

fn an_nmi_is_latched_while_nmis_are_masked(engine: &Engine) {
    let machine = real(engine, &[0xE6, 0x80, 0xEB, 0xFC]); // L: out 0x80, al; jmp L
    real_gate(&machine, 2, 0x6000, &[0xE6, 0x02, 0xE6, 0x03, 0xCF]); // out 2, al; out 3, al; iret
    for _ in 0..2 {
        assert_eq!(machine.request(WHvX64InterruptTypeNmi, 0, 0), S_OK);
    }
    assert_eq!(run_to_output(&machine, 0).0, 2, "two became one");
    for _ in 0..2 {
        assert_eq!(machine.request(WHvX64InterruptTypeNmi, 0, 0), S_OK);
    }
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x200), 4, "latched behind the mask");
    let ports: Vec<_> = (0..5).map(|_| run_to_output(&machine, 0).0).collect();
    assert_eq!(ports, [3, 2, 3, 0x80, 0x80], "the next one comes with IRET");
}

fn init_resets_and_level_init_does_nothing(engine: &Engine) {
    let machine = xapics(engine, 2);
    machine.enter_real_mode(1);
    machine.set64(1, WHvRegisterInternalActivityState, 0);
    machine.set(1, &[(WHvX64RegisterRbx, word(5)), (WHvX64RegisterXmm1, word(0x77))]);
    assert_eq!(machine.request(WHvX64InterruptTypeFixed, 1, 0x40), S_OK);
    let mut level = control(u64::from(WHvX64InterruptTypeInit.0), false, 1, 0);
    level.set_TriggerMode(1);
    assert_eq!(machine.request_control(&level), S_OK);
    assert_eq!(machine.get64(1, WHvX64RegisterRbx), 5);
    assert_eq!(machine.request(WHvX64InterruptTypeInit, 1, 0), S_OK);
    assert_eq!((machine.get64(1, WHvX64RegisterRbx), machine.get64(1, WHvX64RegisterRip)), (0, 0xFFF0));
    assert_eq!(machine.get64(1, WHvX64RegisterXmm1), 0x77, "vector registers stay");
    assert_eq!(machine.get64(1, WHvRegisterInternalActivityState), 1);
    let page = apic_page(&machine, 1);
    assert_eq!((apic_word(&page, 0xF0), apic_word(&page, 0x220)), (0xFF, 0), "the APIC as well");
    assert_eq!(apic_word(&page, 0x20), 1 << 24, "but not its identifier");
    // The boot processor begins again at the reset vector.
    machine.enter_real_mode(0);
    assert_eq!(machine.request(WHvX64InterruptTypeInit, 0, 0), S_OK);
    assert_eq!(machine.get64(0, WHvRegisterInternalActivityState), 0);
    assert_eq!(machine.get64(0, WHvX64RegisterRip), 0xFFF0);
    machine.memory.write(0xF_FFF0, &[0xE6, 0x99]);
    assert_eq!(run_to_output(&machine, 0).0, 0x99);
}

fn startup_is_for_waiting_processors_only(engine: &Engine) {
    let machine = xapics(engine, 2);
    machine.enter_real_mode(0);
    assert_eq!(machine.request(WHvX64InterruptTypeSipi, 0xFF, 0x12), S_OK);
    assert_eq!(machine.get64(0, WHvX64RegisterRip), CODE, "it does not wait");
    // The other one was never run, and starts.
    assert_eq!(machine.get64(1, WHvRegisterInternalActivityState), 0);
    let cs = machine.get(1, WHvX64RegisterCs).Segment();
    assert_eq!((cs.Selector(), cs.Base(), machine.get64(1, WHvX64RegisterRip)), (0x1200, 0x1_2000, 0));
    machine.set64(1, WHvX64RegisterRip, 4);
    assert_eq!(machine.request(WHvX64InterruptTypeSipi, 1, 0x13), S_OK);
    assert_eq!(machine.get64(1, WHvX64RegisterRip), 4, "the second is ignored");
    for page in [0x00, 0xFF] {
        assert_eq!(machine.request(WHvX64InterruptTypeInit, 1, 0), S_OK);
        assert_eq!(machine.request(WHvX64InterruptTypeSipi, 1, page), S_OK);
        assert_eq!(machine.get(1, WHvX64RegisterCs).Segment().Base(), u64::from(page) << 12);
    }
}

fn interrupts_wait_for_processors_that_wait_for_startup(engine: &Engine) {
    let machine = xapics(engine, 2);
    for kind in [WHvX64InterruptTypeFixed, WHvX64InterruptTypeNmi] {
        let vector = if kind == WHvX64InterruptTypeFixed { 0x41 } else { 0 };
        assert_eq!(machine.request(kind, 1, vector), S_OK);
    }
    let context = machine.while_parked(1, || {
        assert_eq!(machine.request(WHvX64InterruptTypeFixed, 1, 0x42), S_OK);
        std::thread::sleep(std::time::Duration::from_millis(5));
        machine.cancel(1);
    });
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled, "interrupts do not start it");
    let page = apic_page(&machine, 1);
    assert_eq!((apic_word(&page, 0x200), apic_word(&page, 0x220)), (4, 6));
    real_gate(&machine, 2, 0x6000, &[0xE6, 0x02, 0xCF]);
    machine.enter_real_mode(1);
    machine.set64(1, WHvRegisterInternalActivityState, 0);
    assert_eq!(run_to_output(&machine, 1).0, 2);
    assert_eq!(machine.request(WHvX64InterruptTypeInit, 1, 0), S_OK);
    assert_eq!(apic_word(&apic_page(&machine, 1), 0x220), 0, "INIT forgets them");
}

fn lint1_does_what_its_entry_says(engine: &Engine) {
    let machine = real(engine, &[0xF4]);
    let pulse = |entry: u32| {
        change_apic(&machine, 0, &[(0x360, entry)]);
        assert_eq!(machine.request(WHvX64InterruptTypeLocalInt1, 0, 0), S_OK, "{entry:#x}");
        let page = apic_page(&machine, 0);
        let seen = (apic_word(&page, 0x200), apic_word(&page, 0x220));
        change_apic(&machine, 0, &[(0x200, 0), (0x220, 0), (0x1A0, 0)]);
        seen
    };
    assert_eq!(pulse(0x400), (4, 0), "NMI");
    assert_eq!(pulse(0x1_0400), (0, 0), "masked");
    assert_eq!(pulse(0x046), (0, 1 << 6), "fixed");
    assert_eq!(pulse(0x1_0046), (0, 0), "fixed and masked");
    assert_eq!(pulse(0x700), (0, 0), "ExtINT");
    change_apic(&machine, 0, &[(0xF0, 0xFF)]);
    assert_eq!(pulse(0x400), (0, 0), "every entry is masked while the APIC is disabled");
    assert_eq!(machine.request(WHvX64InterruptTypeLocalInt1, 7, 0), S_OK, "nobody");
}

fn the_highest_vector_above_the_priority_is_taken(engine: &Engine) {
    let machine = real(engine, &[0xFB, 0x90, 0xEB, 0xFE]); // sti; nop; jmp $
    for vector in [0x41, 0x52, 0x63] {
        real_gate(&machine, vector, u16::from(vector) << 8, &[0xE6, vector, 0xFB, 0xEB, 0xFE]); // out; sti; jmp $
        assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, u32::from(vector)), S_OK);
    }
    real_gate(&machine, 2, 0x7000, &[0xE6, 0x02, 0xCF]);
    assert_eq!(machine.request(WHvX64InterruptTypeNmi, 0, 0), S_OK);
    machine.set(0, &[(WHvX64RegisterRflags, word(0x202)), (WHvX64RegisterCr8, word(4))]);
    assert_eq!(run_to_output(&machine, 0).0, 2, "an NMI comes first");
    assert_eq!(run_to_output(&machine, 0).0, 0x63);
    let page = apic_page(&machine, 0);
    assert_eq!((apic_word(&page, 0x130), apic_word(&page, 0x230)), (1 << 3, 0), "from request to service");
    assert_eq!(apic_word(&page, 0xA0), 0x60, "the processor priority");
    machine.cancel(0);
    machine.run_to(0, WHvRunVpExitReasonCanceled);
    change_apic(&machine, 0, &[(0x130, 0)]); // end of interrupt
    assert_eq!(run_to_output(&machine, 0).0, 0x52);
    change_apic(&machine, 0, &[(0x120, 0)]);
    machine.while_running(0, || machine.cancel(0));
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x220), 1 << 1, "class 4 is not above task priority 4");
}

fn interrupts_of_a_low_class_do_not_wake(engine: &Engine) {
    let machine = real(engine, &[0xFB, 0xF4, 0xE6, 0x80]); // sti; hlt; out 0x80, al
    real_gate(&machine, 0x41, 0x6000, &[0xE6, 0x41, 0xCF]);
    machine.set64(0, WHvX64RegisterCr8, 4);
    let context = machine.while_parked(0, || {
        assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, 0x41), S_OK);
        std::thread::sleep(std::time::Duration::from_millis(5));
        machine.cancel(0);
    });
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
    assert_eq!(machine.get64(0, WHvRegisterInternalActivityState), 2);
    machine.set64(0, WHvX64RegisterCr8, 3);
    assert_eq!(run_to_output(&machine, 0).0, 0x41);
    assert_eq!(machine.memory.read(0x8000 - 6, 2), (CODE as u16 + 2).to_le_bytes(), "returns behind HLT");
}

/// 32-bit code: mov dword [0xFEE00000 + offset], value.
fn store(offset: u32, value: u32) -> Vec<u8> {
    let mut code = vec![0xC7, 0x05];
    code.extend((0xFEE0_0000 + offset).to_le_bytes());
    code.extend(value.to_le_bytes());
    code
}

/// Processor 0 of several runs 32-bit code that stores to its APIC page and then writes to port 0x80.
fn command(machine: &Machine, stores: &[(u32, u32)]) {
    let mut code: Vec<u8> = stores.iter().flat_map(|(offset, value)| store(*offset, *value)).collect();
    code.extend([0xE6, 0x80]);
    machine.memory.write(CODE, &code);
    super::exits::enter_protected_mode(machine, 0);
    assert_eq!(run_to_output(machine, 0).0, 0x80);
}

fn commands_reach_logical_destinations(engine: &Engine) {
    let machine = xapics(engine, 3);
    for (vp, ldr) in [(0, 0x0100_0000), (1, 0x0200_0000), (2, 0x0400_0000)] {
        change_apic(&machine, vp, &[(0xD0, ldr)]);
    }
    command(&machine, &[(0x310, 0x0600_0000), (0x300, 0x4855)]);
    assert_eq!(take_requested(&machine, 3, 0x55), [1, 2]);
    command(&machine, &[(0x310, 0x0200_0000), (0x300, 0x4056)]);
    assert_eq!(take_requested(&machine, 3, 0x56), [2], "physical");
    command(&machine, &[(0x310, 0xFF00_0000), (0x300, 0x4857)]);
    assert_eq!(take_requested(&machine, 3, 0x57), [0, 1, 2]);
    change_apic(&machine, 0, &[(0x80, 0x10)]);
    command(&machine, &[(0x310, 0x0700_0000), (0x300, 0x4958)]);
    assert_eq!(take_requested(&machine, 3, 0x58), [1], "lowest priority");
    command(&machine, &[(0x310, 0x0200_0000), (0x300, 0xC059)]);
    assert_eq!(take_requested(&machine, 3, 0x59), [2]);
    assert_eq!(apic_word(&apic_page(&machine, 2), 0x1A0), 0, "commands are edge-triggered");
    command(&machine, &[(0x310, 0x0100_0000), (0x300, 0x4400)]);
    assert_eq!(apic_word(&apic_page(&machine, 1), 0x200), 4, "an NMI");
}

fn shorthands_reach_self_all_and_others(engine: &Engine) {
    let machine = xapics(engine, 3);
    for (shorthand, expected) in [(1, vec![0]), (2, vec![0, 1, 2]), (3, vec![1, 2])] {
        command(&machine, &[(0x310, 0x0100_0000), (0x300, shorthand << 18 | 0x4055)]);
        assert_eq!(take_requested(&machine, 3, 0x55), expected, "{shorthand}");
    }
    // INIT and startup to everyone else.
    command(&machine, &[(0x300, 0xC_4500), (0x300, 0xC_4609)]);
    for vp in 1..3 {
        assert_eq!(machine.get64(vp, WHvRegisterInternalActivityState), 0);
        assert_eq!(machine.get(vp, WHvX64RegisterCs).Segment().Base(), 0x9000);
    }
    // A vector below 16 is an error of the sender.
    command(&machine, &[(0x300, 0xC_4005), (0x280, 0)]);
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x280) & 0x20, 0x20);
}

fn a_self_command_of_x2apic_mode_requests_a_vector(engine: &Engine) {
    // mov ecx, 0x83F; mov eax, 0x48; xor edx, edx; wrmsr; out 0x80, al
    let code = [0xB9, 0x3F, 8, 0, 0, 0xB8, 0x48, 0, 0, 0, 0x31, 0xD2, 0x0F, 0x30, 0xE6, 0x80];
    let machine =
        protected_mode(engine, &code, |machine| machine.use_apic(WHvX64LocalApicEmulationModeX2Apic));
    change_apic(&machine, 0, &[(0xF0, ENABLED)]);
    enter_x2apic(&machine, 0);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
    assert_eq!(take_requested(&machine, 1, 0x48), [0]);
    assert_eq!(machine.try_get(0, &[WHvX64RegisterApicSelfIpi]), Err(ERROR_HV_INVALID_PARAMETER));
    machine.set64(0, WHvX64RegisterApicSelfIpi, 0x49);
    assert_eq!(take_requested(&machine, 1, 0x49), [0]);
}

/// Two processors, with or without remote reads.
fn remote(engine: &Engine, is_on: bool) -> Machine {
    let machine = Machine::set_up(engine, 2, |machine| {
        machine.use_apic(WHvX64LocalApicEmulationModeXApic);
        machine.configure(WHvPartitionPropertyCodeApicRemoteReadSupport, &u32::from(is_on));
    });
    machine.map_all();
    machine.create_vp(0);
    machine.create_vp(1);
    change_apic(&machine, 0, &[(0xF0, ENABLED)]);
    change_apic(&machine, 1, &[(0xF0, ENABLED), (0xD0, 0xAB00_0000)]);
    // Register 0xD, the logical destination, of processor 1.
    command(&machine, &[(0x310, 0x0100_0000), (0x300, 0x430D)]);
    machine
}

fn remote_reads_need_their_property(engine: &Engine) {
    let machine = remote(engine, false);
    let page = apic_page(&machine, 0);
    assert_eq!((apic_word(&page, 0xC0), apic_word(&page, 0x300) >> 16 & 3), (0, 0));
}

fn remote_reads_fetch_a_register_of_another(engine: &Engine) {
    let machine = remote(engine, true);
    let page = apic_page(&machine, 0);
    assert_eq!((apic_word(&page, 0xC0), apic_word(&page, 0x300) >> 16 & 3), (0xAB00_0000, 2), "valid");
    command(&machine, &[(0x310, 0x0700_0000), (0x300, 0x430D)]);
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x300) >> 16 & 3, 0, "nobody answered");
}
