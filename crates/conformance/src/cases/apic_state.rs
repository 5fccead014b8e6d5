//! The three forms of local APIC state, value by value, and the exits of APIC registers.

use std::ptr::null_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::exits::enter_protected_mode;
use super::habits::apic_page;
use super::habits::apic_word;
use super::habits::change_apic;
use super::habits::run_to_output;
use super::habits::set_apic_page;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::CODE;

cases! { "apic state":
    every_slot_of_the_page_keeps_its_register from "state.md 7.1",
    slots_without_a_register_are_ignored from "state.md 7.1",
    the_page_shows_priorities_that_cannot_be_set from "state.md 7.1",
    bit_2_of_the_first_request_word_is_the_nmi from "state.md 7.1",
    entries_are_masked_while_the_apic_is_disabled from "state.md 7.1",
    the_count_goes_on_where_it_was from "state.md 7.1",
    the_identifier_has_the_format_of_the_mode from "state.md 7.1",
    what_was_read_can_be_written_in_both_modes from "state.md 7.1, 7.2, 7.3, Q3, Q4",
    the_packed_words_are_the_registers_of_the_page from "state.md 7.3, Q4",
    the_packed_form_leaves_the_task_priority_alone from "state.md 7.3",
    every_trap_reports_and_applies_its_write from "exits.md 2.15",
    writes_are_silent_without_their_trap from "exits.md 2.15",
    trapped_writes_of_x2apic_mode from "exits.md 2.15",
    trapped_commands_carry_the_whole_register from "exits.md 2.15",
    the_end_of_an_interrupt_exits_by_its_trigger from "exits.md 2.15",
}

pub(super) const XAPIC: WHV_X64_LOCAL_APIC_EMULATION_MODE = WHvX64LocalApicEmulationModeXApic;
pub(super) const X2APIC: WHV_X64_LOCAL_APIC_EMULATION_MODE = WHvX64LocalApicEmulationModeX2Apic;
const X2APIC_BASE: u64 = 0xFEE0_0D00;
const PACKED: WHV_VIRTUAL_PROCESSOR_STATE_TYPE = WHvVirtualProcessorStateTypeInterruptControllerState2;

/// Registers of the page that a client can set, with values they keep.
const VALUES: [(usize, u32); 24] = [
    (0x20, 0x0500_0000),
    (0x80, 0x3C),
    (0xD0, 0xA500_0000),
    (0xE0, 0x0FFF_FFFF),
    (0xF0, 0x1EF),
    (0x100, 0x0001_0000),
    (0x150, 0x8000_0001),
    (0x180, 0x0010_0000),
    (0x1F0, 0x0000_0800),
    (0x200, 0x0020_0004),
    (0x270, 0x7000_0000),
    (0x280, 0x40),
    (0x300, 0x000C_48F0),
    (0x310, 0xAB00_0000),
    (0x320, 0x0003_00EC),
    (0x330, 0x0001_00ED),
    (0x340, 0x0000_0400),
    (0x350, 0x0000_0700),
    (0x360, 0x0001_2400),
    (0x370, 0x0000_00FE),
    (0x380, 0x0100_0000),
    (0x390, 0x0080_0000),
    (0x3E0, 0xA),
    (0x2F0, 0),
];

/// One processor that has not run; time stands still.
fn machine(engine: &Engine, mode: WHV_X64_LOCAL_APIC_EMULATION_MODE) -> Machine {
    let machine = Machine::real_mode(engine, &[0xF4], |machine| machine.use_apic(mode));
    assert_eq!(call!(machine.api, WHvSuspendPartitionTime(machine.partition)), S_OK);
    machine
}

fn put(page: &mut [u8], offset: usize, value: u32) {
    page[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

fn packed(machine: &Machine) -> Vec<u32> {
    let mut bytes = vec![0_u8; 4096];
    let start = bytes.as_mut_ptr().cast();
    let result = call!(
        machine.api,
        WHvGetVirtualProcessorState(machine.partition, 0, PACKED, start, 4096, null_mut())
    );
    assert_eq!(result, S_OK);
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes"))).collect()
}

fn set_packed(machine: &Machine, words: &[u32]) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let start = bytes.as_ptr().cast();
    let result = call!(machine.api, WHvSetVirtualProcessorState(machine.partition, 0, PACKED, start, 4096));
    assert_eq!(result, S_OK);
}

fn first_version(machine: &Machine) -> Vec<u8> {
    let mut page = vec![0_u8; 4096];
    let start = page.as_mut_ptr().cast();
    let result = call!(
        machine.api,
        WHvGetVirtualProcessorInterruptControllerState(machine.partition, 0, start, 4096, null_mut())
    );
    assert_eq!(result, S_OK);
    page
}

fn set_first_version(machine: &Machine, page: &[u8]) {
    let result = call!(
        machine.api,
        WHvSetVirtualProcessorInterruptControllerState(machine.partition, 0, page.as_ptr().cast(), 4096)
    );
    assert_eq!(result, S_OK);
}

fn every_slot_of_the_page_keeps_its_register(engine: &Engine) {
    let machine = machine(engine, XAPIC);
    change_apic(&machine, 0, &VALUES);
    let page = apic_page(&machine, 0);
    for (offset, value) in VALUES {
        assert_eq!(apic_word(&page, offset), value, "{offset:#x}");
    }
    assert_eq!(apic_word(&page, 0x30), 0x5_0014);
    let set = |offset| VALUES.iter().any(|(at, _)| *at == offset);
    for offset in (0..4096).step_by(4).filter(|offset| !set(*offset)) {
        // Version and priorities are derived.
        if ![0x30, 0x90, 0xA0].contains(&offset) {
            assert_eq!(apic_word(&page, offset), 0, "{offset:#x}");
        }
    }
    assert_eq!(machine.get64(0, WHvX64RegisterCr8), 3);
}

fn slots_without_a_register_are_ignored(engine: &Engine) {
    let machine = machine(engine, XAPIC);
    let before = apic_page(&machine, 0);
    let mut page = before.clone();
    for offset in
        [0x00, 0x10, 0x30, 0x40, 0xB0, 0xC0, 0x24, 0x84, 0xF8, 0x290, 0x2F0, 0x3A0, 0x3F0, 0x400, 0xFFC]
    {
        put(&mut page, offset, 0xFFFF_FFFF);
    }
    set_apic_page(&machine, 0, &page);
    assert_eq!(apic_page(&machine, 0), before);
}

fn the_page_shows_priorities_that_cannot_be_set(engine: &Engine) {
    let machine = machine(engine, XAPIC);
    change_apic(&machine, 0, &[(0xF0, 0x1FF), (0x80, 0x35), (0x90, 0xEE), (0xA0, 0xEE)]);
    let page = apic_page(&machine, 0);
    assert_eq!((apic_word(&page, 0x90), apic_word(&page, 0xA0)), (0x35, 0x35));
    change_apic(&machine, 0, &[(0x140, 1 << 8), (0x270, 1)]); // 0x88 in service, 0xE0 requested
    let page = apic_page(&machine, 0);
    assert_eq!((apic_word(&page, 0x90), apic_word(&page, 0xA0)), (0xE0, 0x80));
    assert_eq!(apic_word(&first_version(&machine), 0xA0), 0, "not in the first version");
}

fn bit_2_of_the_first_request_word_is_the_nmi(engine: &Engine) {
    let machine = machine(engine, XAPIC);
    change_apic(&machine, 0, &[(0x200, 4)]);
    assert_eq!(packed(&machine)[21], 4);
    assert_eq!(apic_word(&first_version(&machine), 0x200), 4);
    change_apic(&machine, 0, &[(0x200, 0)]);
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x200), 0);
    let mut words = packed(&machine);
    words[21] = 4;
    set_packed(&machine, &words);
    super::habits::real_gate(&machine, 2, 0x6000, &[0xE6, 0x02, 0xCF]);
    assert_eq!(run_to_output(&machine, 0).0, 2, "it is delivered");
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x200), 0);
}

fn entries_are_masked_while_the_apic_is_disabled(engine: &Engine) {
    let machine = machine(engine, XAPIC);
    let entries = [0x320, 0x330, 0x340, 0x350, 0x360, 0x370];
    change_apic(&machine, 0, &entries.map(|offset| (offset, 0x44)));
    let page = apic_page(&machine, 0);
    assert!(entries.iter().all(|offset| apic_word(&page, *offset) == 0x1_0044));
    assert!(packed(&machine)[32..38].iter().all(|word| *word == 0x1_0044));
    change_apic(&machine, 0, &[(0xF0, 0x1FF)]);
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x350), 0x1_0044, "it stays masked until it is written");
    change_apic(&machine, 0, &entries.map(|offset| (offset, 0x44)));
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x350), 0x44);
    change_apic(&machine, 0, &[(0xF0, 0xFF)]);
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x350), 0x1_0044);
}

fn the_count_goes_on_where_it_was(engine: &Engine) {
    let machine = machine(engine, XAPIC);
    for (initial, current, expected) in [(5000, 300, 300), (5000, 0, 5000), (0, 0, 0), (5000, 5000, 5000)] {
        let values = [(0xF0, 0x1FF), (0x320, 0x1_0040), (0x3E0, 0xB), (0x380, initial), (0x390, current)];
        change_apic(&machine, 0, &values);
        let page = apic_page(&machine, 0);
        assert_eq!((apic_word(&page, 0x380), apic_word(&page, 0x390)), (initial, expected));
        let words = packed(&machine);
        assert_eq!((words[40], words[41], words[42]), (initial, expected, 0xB));
    }
    // A hundred input clocks are less than a microsecond: the interrupt is there as soon as time goes on.
    machine.memory.write(CODE, &[0xFB, 0xF4]); // sti; hlt
    super::habits::real_gate(&machine, 0x40, 0x6000, &[0xE6, 0x40, 0xCF]);
    change_apic(&machine, 0, &[(0x320, 0x40), (0x380, u32::MAX), (0x390, 100)]);
    assert_eq!(run_to_output(&machine, 0).0, 0x40);
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x390), 0);
}

fn the_identifier_has_the_format_of_the_mode(engine: &Engine) {
    let machine = machine(engine, X2APIC);
    change_apic(&machine, 0, &[(0x20, 0x0700_0000), (0xD0, 0x8000_0000)]);
    assert_eq!((packed(&machine)[0], packed(&machine)[2]), (0x0700_0000, 0x8000_0000));
    assert_eq!(machine.get64(0, WHvX64RegisterApicId), 0x0700_0000);
    machine.set64(0, WHvX64RegisterApicBase, X2APIC_BASE);
    let page = apic_page(&machine, 0);
    assert_eq!((apic_word(&page, 0x20), apic_word(&page, 0xD0)), (7, 0x80));
    change_apic(&machine, 0, &[(0x20, 0x1_0023), (0xD0, 0)]);
    let words = packed(&machine);
    assert_eq!((words[0], words[2]), (0x1_0023, 0x1002_0008), "the logical one follows");
    assert_eq!(machine.get64(0, WHvX64RegisterApicId), 0x1_0023);
}

fn what_was_read_can_be_written_in_both_modes(engine: &Engine) {
    for base in [0xFEE0_0900, X2APIC_BASE] {
        let first = machine(engine, X2APIC);
        first.set64(0, WHvX64RegisterApicBase, base);
        let is_x2apic = base == X2APIC_BASE;
        let values = VALUES
            .map(|(offset, value)| (offset, if is_x2apic && offset == 0x20 { 0x3_0025 } else { value }));
        change_apic(&first, 0, &values);
        let (page, old, words) = (apic_page(&first, 0), first_version(&first), packed(&first));
        for form in 0..3 {
            let second = machine(engine, X2APIC);
            second.set64(0, WHvX64RegisterApicBase, base);
            match form {
                0 => set_apic_page(&second, 0, &page),
                1 => set_first_version(&second, &old),
                _ => {
                    set_packed(&second, &words);
                    second.set64(0, WHvX64RegisterCr8, first.get64(0, WHvX64RegisterCr8));
                }
            }
            assert_eq!(packed(&second), words, "form {form}");
            if form < 2 {
                assert_eq!(apic_page(&second, 0), page, "form {form}");
                assert_eq!(first_version(&second), old, "form {form}");
            }
        }
    }
}

/// Word number and page offset of the packed form, less the three sets and what the page has not.
const WORDS: [(usize, usize); 19] = [
    (0, 0x20),
    (1, 0x30),
    (2, 0xD0),
    (3, 0xE0),
    (4, 0xF0),
    (29, 0x280),
    (30, 0x310),
    (31, 0x300),
    (32, 0x320),
    (33, 0x330),
    (34, 0x340),
    (35, 0x350),
    (36, 0x360),
    (37, 0x370),
    (38, 0x2F0),
    (40, 0x380),
    (41, 0x390),
    (42, 0x3E0),
    (43, 0xC0),
];

fn the_packed_words_are_the_registers_of_the_page(engine: &Engine) {
    let machine = machine(engine, XAPIC);
    change_apic(&machine, 0, &VALUES);
    let (page, words) = (apic_page(&machine, 0), packed(&machine));
    for (word, offset) in WORDS {
        assert_eq!(words[word], apic_word(&page, offset), "word {word}");
    }
    for (first, offset) in [(5, 0x100), (13, 0x180), (21, 0x200)] {
        for index in 0..8 {
            assert_eq!(words[first + index], apic_word(&page, offset + index * 16), "word {}", first + index);
        }
    }
    assert!(words[44..].iter().all(|word| *word == 0));
}

fn the_packed_form_leaves_the_task_priority_alone(engine: &Engine) {
    let machine = machine(engine, XAPIC);
    let words = packed(&machine);
    change_apic(&machine, 0, &[(0x80, 0x6B)]);
    set_packed(&machine, &words);
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x80), 0x6B);
    assert_eq!(machine.get64(0, WHvX64RegisterCr8), 6);
    machine.set64(0, WHvX64RegisterCr8, 2);
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x80), 0x20);
}

/// 32-bit code: mov dword [0xFEE00000 + offset], value; ten bytes.
pub(super) fn store(offset: u32, value: u32) -> Vec<u8> {
    let mut code = vec![0xC7, 0x05];
    code.extend((0xFEE0_0000 + offset).to_le_bytes());
    code.extend(value.to_le_bytes());
    code
}

/// 32-bit code: WRMSR of an x2APIC register with EDX 0; 14 bytes.
fn wrmsr(register: u32, value: u32) -> Vec<u8> {
    let mut code = vec![0xB9];
    code.extend((0x800 + register).to_le_bytes());
    code.push(0xB8);
    code.extend(value.to_le_bytes());
    code.extend([0x31, 0xD2, 0x0F, 0x30]);
    code
}

/// Two processors, the first in protected mode at these pieces of code and a port write.
pub(super) fn guest(
    engine: &Engine,
    mode: WHV_X64_LOCAL_APIC_EMULATION_MODE,
    pieces: &[Vec<u8>],
    set: impl FnOnce(&mut WHV_EXTENDED_VM_EXITS),
) -> Machine {
    let machine = Machine::set_up(engine, 2, |machine| {
        machine.use_apic(mode);
        machine.enable_exits(set);
    });
    machine.map_all();
    machine.create_vp(0);
    machine.create_vp(1);
    if mode == X2APIC {
        machine.set64(0, WHvX64RegisterApicBase, X2APIC_BASE);
    }
    let mut code = pieces.concat();
    code.extend([0xE6, 0x80]);
    machine.memory.write(CODE, &code);
    machine.set64(0, WHvX64RegisterRsp, 0x8000);
    enter_protected_mode(&machine, 0);
    change_apic(&machine, 0, &[(0xF0, 0x1FF)]);
    machine
}

const TRAPPED: [(WHV_X64_APIC_WRITE_TYPE, u32, u32); 5] = [
    (WHvX64ApicWriteTypeLdr, 0xD0, 0x0400_0000),
    (WHvX64ApicWriteTypeDfr, 0xE0, 0x0FFF_FFFF),
    (WHvX64ApicWriteTypeSvr, 0xF0, 0x1EF),
    (WHvX64ApicWriteTypeLint0, 0x350, 0x700),
    (WHvX64ApicWriteTypeLint1, 0x360, 0x1_0400),
];

fn traps(exits: &mut WHV_EXTENDED_VM_EXITS) {
    exits.set_X64ApicWriteLdrExitTrap(1);
    exits.set_X64ApicWriteDfrExitTrap(1);
    exits.set_X64ApicWriteSvrExitTrap(1);
    exits.set_X64ApicWriteLint0ExitTrap(1);
    exits.set_X64ApicWriteLint1ExitTrap(1);
}

fn every_trap_reports_and_applies_its_write(engine: &Engine) {
    let stores = TRAPPED.map(|(_, offset, value)| store(offset, value));
    let machine = guest(engine, XAPIC, &stores, traps);
    let mut rip = CODE;
    for (kind, offset, value) in TRAPPED {
        let context = machine.run_to(0, WHvRunVpExitReasonX64ApicWriteTrap);
        rip += 10;
        assert_eq!((context.ApicWrite().Type, context.ApicWrite().WriteValue), (kind, u64::from(value)));
        assert_eq!((context.VpContext().Rip(), context.VpContext().InstructionLength()), (rip, 0));
        assert_eq!(apic_word(&apic_page(&machine, 0), offset as usize), value, "already applied");
    }
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
}

fn writes_are_silent_without_their_trap(engine: &Engine) {
    let stores = TRAPPED.map(|(_, offset, value)| store(offset, value));
    let machine = guest(engine, XAPIC, &stores, |exits| exits.set_X64ApicWriteDfrExitTrap(1));
    let context = machine.run_to(0, WHvRunVpExitReasonX64ApicWriteTrap);
    assert_eq!(context.ApicWrite().Type, WHvX64ApicWriteTypeDfr);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
    let page = apic_page(&machine, 0);
    assert!(TRAPPED.iter().all(|(_, offset, value)| apic_word(&page, *offset as usize) == *value));
}

fn trapped_writes_of_x2apic_mode(engine: &Engine) {
    let writes = [wrmsr(0x0F, 0x1EF), wrmsr(0x35, 0x700), wrmsr(0x36, 0x1_0400), wrmsr(0x37, 0x50)];
    let machine = guest(engine, X2APIC, &writes, traps);
    for (index, (kind, _, value)) in (1..).zip(&TRAPPED[2..]) {
        let context = machine.run_to(0, WHvRunVpExitReasonX64ApicWriteTrap);
        assert_eq!((context.ApicWrite().Type, context.ApicWrite().WriteValue), (*kind, u64::from(*value)));
        assert_eq!(context.VpContext().Rip(), CODE + 14 * index);
    }
    assert_eq!(run_to_output(&machine, 0).0, 0x80, "the error entry has no trap");
    assert_eq!(machine.get64(0, WHvX64RegisterApicLvtError), 0x50);
}

fn trapped_commands_carry_the_whole_register(engine: &Engine) {
    let select = |exits: &mut WHV_EXTENDED_VM_EXITS| {
        exits.set_X64ApicInitSipiExitTrap(1);
        exits.set_X64ApicSmiExitTrap(1);
    };
    // INIT, its level de-assert (no exit), SIPI, SMI, to processor 1; INIT to all others.
    let low = [0xC500, 0x8500, 0x4612, 0x4200, 0xC_4500];
    let mut pieces = vec![store(0x310, 0x0100_0000)];
    pieces.extend(low.map(|value| store(0x300, value)));
    let machine = guest(engine, XAPIC, &pieces, select);
    for (value, at) in [(0xC500_u64, 20), (0x4612, 40), (0xC_4500, 60)] {
        if value == 0xC_4500 {
            let context = machine.run_to(0, WHvRunVpExitReasonX64ApicSmiTrap);
            assert_eq!((context.ApicSmi().ApicIcr, context.VpContext().Rip()), (1 << 56 | 0x4200, CODE + 50));
        }
        let context = machine.run_to(0, WHvRunVpExitReasonX64ApicInitSipiTrap);
        assert_eq!(context.ApicInitSipi().ApicIcr, 1 << 56 | value);
        assert_eq!((context.VpContext().Rip(), context.VpContext().InstructionLength()), (CODE + at, 0));
    }
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
    assert_eq!(machine.get64(1, WHvRegisterInternalActivityState), 1, "nothing was delivered");
    // x2APIC mode: the destination is the whole upper half.
    let mut code = vec![0xB9, 0x30, 8, 0, 0, 0xB8];
    code.extend(0x4612_u32.to_le_bytes());
    code.push(0xBA);
    code.extend(0x1_0203_u32.to_le_bytes());
    code.extend([0x0F, 0x30]);
    let machine = guest(engine, X2APIC, &[code], select);
    let context = machine.run_to(0, WHvRunVpExitReasonX64ApicInitSipiTrap);
    assert_eq!(context.ApicInitSipi().ApicIcr, 0x1_0203_0000_4612);
    assert_eq!(context.VpContext().Rip(), CODE + 17);
    // Without the traps an SMI is ignored, INIT and SIPI work inside.
    let machine = guest(engine, XAPIC, &pieces, |_| ());
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
    assert_eq!(machine.get64(1, WHvRegisterInternalActivityState), 1, "the last INIT");
}

fn the_end_of_an_interrupt_exits_by_its_trigger(engine: &Engine) {
    // SVR with the bit of directed ends, three ends.
    let ends = [store(0xF0, 0x11FF), store(0xB0, 0), store(0xB0, 0), store(0xB0, 0)];
    let machine = guest(engine, XAPIC, &ends, |_| ());
    // 0x41 level, 0x52 edge, 0x63 level, all in service.
    let sets = [(0x120, 1 << 1), (0x150, 0), (0x130, 1 << 3), (0x1A0, 1 << 1), (0x1B0, 1 << 3)];
    change_apic(&machine, 0, &sets);
    change_apic(&machine, 0, &[(0x120, 1 << 1 | 1 << 18)]);
    let context = machine.run_to(0, WHvRunVpExitReasonX64ApicEoi);
    assert_eq!((context.ApicEoi().InterruptVector, context.VpContext().Rip()), (0x63, CODE + 20));
    assert_eq!(context.VpContext().InstructionLength(), 0);
    assert_eq!(apic_word(&apic_page(&machine, 0), 0x130), 0, "no longer in service");
    let context = machine.run_to(0, WHvRunVpExitReasonX64ApicEoi);
    assert_eq!(
        (context.ApicEoi().InterruptVector, context.VpContext().Rip()),
        (0x41, CODE + 40),
        "0x52 was silent"
    );
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
}
