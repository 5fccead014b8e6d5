//! Guest memory: mapping, direct access, dirty pages, advice, translation.

use std::ptr::null_mut;
use std::ptr::without_provenance_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;
use zerocopy::IntoBytes;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::CODE;
use crate::machine::PAGE;
use crate::machine::RWX;

cases! { "memory":
    misaligned_and_empty_ranges_are_refused from "memory.md 1.1",
    ranges_beyond_the_address_width_are_refused from "memory.md 1.1",
    undefined_flags_are_refused from "memory.md 1.1",
    a_null_source_is_refused from "memory.md 1.1",
    a_mapping_replaces_the_middle_of_another from "memory.md 1.1",
    the_same_memory_can_be_mapped_twice from "memory.md 1.1",
    unmapping_holes_succeeds from "functions.md 2.3, memory.md 1.3",
    unmapping_part_of_a_mapping_leaves_the_rest from "memory.md 1.3",
    the_own_process_can_be_named from "functions.md 2.2, Q2",
    a_handle_that_is_no_process_is_refused from "functions.md 2.2",
    direct_access_moves_up_to_sixteen_bytes from "functions.md 2.7",
    direct_access_checks_its_controls from "functions.md 2.7, memory.md 4",
    direct_access_respects_the_mapping from "functions.md 2.7",
    direct_access_may_cross_pages_and_is_all_or_nothing from "functions.md 2.7",
    written_pages_become_dirty_once from "memory.md 2",
    dirty_pages_need_tracking from "functions.md 2.5",
    a_small_bitmap_is_insufficient from "functions.md 2.5",
    a_missing_bitmap_only_clears from "functions.md 2.5",
    every_word_of_the_bitmap_is_written from "functions.md 2.5",
    populate_needs_mapped_pages_and_good_parameters from "functions.md 2.6",
    pins_are_counted from "memory.md 3",
    translation_without_paging_is_identity from "functions.md 2.4",
    translation_needs_both_results from "functions.md 0.2",
    undefined_translation_flags_are_refused from "functions.md 2.4",
    translation_walks_page_tables from "memory.md 5",
}

const READ: WHV_MAP_GPA_RANGE_FLAGS = WHvMapGpaRangeFlagRead;
const TRACKED: WHV_MAP_GPA_RANGE_FLAGS = WHV_MAP_GPA_RANGE_FLAGS(0xF);

fn machine(engine: &Engine) -> Machine {
    let machine = Machine::set_up(engine, 1, |_| ());
    machine.create_vp(0);
    machine
}

fn read_gpa(machine: &Machine, gpa: u64, size: u32) -> (HRESULT, [u8; 32]) {
    let mut data = [0xAA; 32];
    let start = data.as_mut_ptr().cast();
    let controls = WHV_ACCESS_GPA_CONTROLS::default();
    (call!(machine.api, WHvReadGpaRange(machine.partition, 0, gpa, controls, start, size)), data)
}

fn write_gpa(machine: &Machine, gpa: u64, data: &[u8]) -> HRESULT {
    let (start, size) = (data.as_ptr().cast(), data.len() as u32);
    let controls = WHV_ACCESS_GPA_CONTROLS::default();
    call!(machine.api, WHvWriteGpaRange(machine.partition, 0, gpa, controls, start, size))
}

fn unmap(machine: &Machine, gpa: u64, size: u64) -> HRESULT {
    call!(machine.api, WHvUnmapGpaRange(machine.partition, gpa, size))
}

fn query(machine: &Machine, gpa: u64, size: u64, bitmap: &mut [u64]) -> HRESULT {
    let (start, bytes) = (bitmap.as_mut_ptr(), (bitmap.len() * 8) as u32);
    call!(machine.api, WHvQueryGpaRangeDirtyBitmap(machine.partition, gpa, size, start, bytes))
}

fn misaligned_and_empty_ranges_are_refused(engine: &Engine) {
    let machine = machine(engine);
    for (gpa, offset, size) in [(1, 0, PAGE), (0, 1, PAGE), (0, 0, PAGE - 1), (0, 0, 0)] {
        assert_eq!(machine.map(gpa, offset, size, RWX), E_INVALIDARG, "{gpa:#x} {offset:#x} {size:#x}");
    }
    assert_eq!(unmap(&machine, 0x800, PAGE), E_INVALIDARG);
    assert_eq!(unmap(&machine, 0, 0x800), E_INVALIDARG);
    assert_eq!(unmap(&machine, 0, 0), E_INVALIDARG);
    assert_eq!(unmap(&machine, u64::MAX - PAGE + 1, 2 * PAGE), E_INVALIDARG);
}

fn ranges_beyond_the_address_width_are_refused(engine: &Engine) {
    let machine = machine(engine);
    let width: u32 = machine.property(WHvPartitionPropertyCodePhysicalAddressWidth);
    let end = 1_u64 << width;
    assert_eq!(machine.map(end - PAGE, 0, PAGE, RWX), S_OK);
    assert_eq!(machine.map(end, 0, PAGE, RWX), E_INVALIDARG);
    assert_eq!(machine.map(end - PAGE, 0, 2 * PAGE, RWX), E_INVALIDARG);
    assert_eq!(machine.map(u64::MAX - PAGE + 1, 0, PAGE, RWX), E_INVALIDARG);
}

fn undefined_flags_are_refused(engine: &Engine) {
    let machine = machine(engine);
    for flags in [0x10, 0x80, 0x8000_0007] {
        assert_eq!(machine.map(0, 0, PAGE, WHV_MAP_GPA_RANGE_FLAGS(flags)), E_INVALIDARG, "{flags:#x}");
    }
    for flags in [0, 1, 3, 5, 7, 8, 0xF] {
        assert_eq!(machine.map(0, 0, PAGE, WHV_MAP_GPA_RANGE_FLAGS(flags)), S_OK, "{flags:#x}");
    }
}

fn a_null_source_is_refused(engine: &Engine) {
    let machine = machine(engine);
    let result = call!(engine.api, WHvMapGpaRange(machine.partition, null_mut(), 0, PAGE, RWX));
    assert_eq!(result, E_INVALIDARG);
}

fn a_mapping_replaces_the_middle_of_another(engine: &Engine) {
    let machine = machine(engine);
    machine.map_all();
    machine.memory.write(0x8000, b"other");
    assert_eq!(machine.map(0x4000, 0x8000, PAGE, READ), S_OK);
    assert_eq!(&read_gpa(&machine, 0x4000, 5).1[..5], b"other");
    assert_eq!(write_gpa(&machine, 0x4000, b"x"), E_ACCESSDENIED);
    assert_eq!(write_gpa(&machine, 0x3000, b"x"), S_OK);
    assert_eq!(write_gpa(&machine, 0x5000, b"x"), S_OK);
}

fn the_same_memory_can_be_mapped_twice(engine: &Engine) {
    let machine = machine(engine);
    assert_eq!(machine.map(0, 0, PAGE, RWX), S_OK);
    assert_eq!(machine.map(0x10000, 0, PAGE, RWX), S_OK);
    assert_eq!(write_gpa(&machine, 0x10, b"alias"), S_OK);
    assert_eq!(&read_gpa(&machine, 0x10010, 5).1[..5], b"alias");
}

fn unmapping_holes_succeeds(engine: &Engine) {
    let machine = machine(engine);
    assert_eq!(unmap(&machine, 0x10_0000, 16 * PAGE), S_OK);
    machine.map_all();
    assert_eq!(unmap(&machine, 0x8000, 0x100_0000), S_OK);
    assert_eq!(unmap(&machine, 0x8000, 0x100_0000), S_OK);
}

fn unmapping_part_of_a_mapping_leaves_the_rest(engine: &Engine) {
    let machine = machine(engine);
    machine.map_all();
    assert_eq!(unmap(&machine, 0x4000, PAGE), S_OK);
    assert_eq!(read_gpa(&machine, 0x3000, 1).0, S_OK);
    assert_eq!(read_gpa(&machine, 0x4000, 1).0, E_ACCESSDENIED);
    assert_eq!(read_gpa(&machine, 0x5000, 1).0, S_OK);
    assert_eq!(machine.map(0x4000, 0x4000, PAGE, READ), S_OK);
    assert_eq!(read_gpa(&machine, 0x4000, 1).0, S_OK);
}

fn the_own_process_can_be_named(engine: &Engine) {
    let machine = machine(engine);
    let source = machine.memory.address();
    for process in [null_mut(), without_provenance_mut(usize::MAX)] {
        let result = call!(engine.api, WHvMapGpaRange2(machine.partition, process, source, 0, PAGE, RWX));
        assert_eq!(result, S_OK);
        assert_eq!(read_gpa(&machine, 0, 1).0, S_OK);
    }
}

fn a_handle_that_is_no_process_is_refused(engine: &Engine) {
    let machine = machine(engine);
    let source = machine.memory.address();
    for handle in [0x7FFF_0000, 0xFFFF_FFFF_0000] {
        let process = without_provenance_mut(handle);
        let result = call!(engine.api, WHvMapGpaRange2(machine.partition, process, source, 0, PAGE, RWX));
        assert_eq!(result, E_HANDLE, "{handle:#x}");
    }
}

fn direct_access_moves_up_to_sixteen_bytes(engine: &Engine) {
    let machine = machine(engine);
    machine.map_all();
    for size in 1..=16_usize {
        let data: Vec<u8> = (1..=size as u8).collect();
        assert_eq!(write_gpa(&machine, 0x2001, &data), S_OK, "{size}");
        assert_eq!(machine.memory.read(0x2001, size), data);
        let (result, found) = read_gpa(&machine, 0x2001, size as u32);
        assert_eq!(result, S_OK);
        assert_eq!(found[..size], data);
        assert!(found[size..].iter().all(|byte| *byte == 0xAA));
    }
    for size in [0, 17, 32] {
        assert_eq!(read_gpa(&machine, 0x2000, size).0, E_INVALIDARG, "{size}");
    }
    assert_eq!(write_gpa(&machine, 0x2000, &[]), E_INVALIDARG);
    assert_eq!(write_gpa(&machine, 0x2000, &[0; 17]), E_INVALIDARG);
    let controls = WHV_ACCESS_GPA_CONTROLS::default();
    let null = call!(engine.api, WHvReadGpaRange(machine.partition, 0, 0, controls, null_mut(), 1));
    assert_eq!(null, E_POINTER);
}

fn direct_access_checks_its_controls(engine: &Engine) {
    let machine = machine(engine);
    machine.map_all();
    let mut data = 0_u8;
    let start = (&raw mut data).cast();
    let try_controls = |bits: u64| {
        let mut controls = WHV_ACCESS_GPA_CONTROLS::default();
        controls.set_AsUINT64(bits);
        call!(engine.api, WHvReadGpaRange(machine.partition, 0, 0, controls, start, 1))
    };
    for good in [0, 1, 4, 5, 6, 0x10_0000_0000] {
        assert_eq!(try_controls(good), S_OK, "{good:#x}");
    }
    for bad in [2, 3, 7, 0x1_0000_0000, 0x20_0000_0000, 0x0100_0000_0000, 1 << 48] {
        assert_eq!(try_controls(bad), E_INVALIDARG, "{bad:#x}");
    }
    let controls = WHV_ACCESS_GPA_CONTROLS::default();
    let missing = call!(engine.api, WHvReadGpaRange(machine.partition, 1, 0, controls, start, 1));
    assert_eq!(missing, WHV_E_VP_DOES_NOT_EXIST);
}

fn direct_access_respects_the_mapping(engine: &Engine) {
    let machine = machine(engine);
    assert_eq!(read_gpa(&machine, 0x2000, 4).0, E_ACCESSDENIED);
    assert_eq!(machine.map(0x2000, 0, PAGE, READ), S_OK);
    assert_eq!(read_gpa(&machine, 0x2000, 4).0, S_OK);
    assert_eq!(write_gpa(&machine, 0x2000, &[1]), E_ACCESSDENIED);
    assert_eq!(machine.map(0x2000, 0, PAGE, WHvMapGpaRangeFlagNone), S_OK);
    assert_eq!(read_gpa(&machine, 0x2000, 4).0, E_ACCESSDENIED);
}

fn direct_access_may_cross_pages_and_is_all_or_nothing(engine: &Engine) {
    let machine = machine(engine);
    assert_eq!(machine.map(0x2000, 0, 2 * PAGE, RWX), S_OK);
    assert_eq!(write_gpa(&machine, 0x2FFE, &[1, 2, 3, 4]), S_OK);
    assert_eq!(machine.memory.read(0xFFE, 4), [1, 2, 3, 4]);
    assert_eq!(write_gpa(&machine, 0x3FFE, &[9, 9, 9, 9]), E_ACCESSDENIED);
    assert_eq!(machine.memory.read(0x1FFE, 2), [0, 0]);
}

fn written_pages_become_dirty_once(engine: &Engine) {
    // mov byte [0x3000], 1; mov byte [0x5000], 1; hlt; mov byte [0x6000], 1; hlt
    let code = [
        0xC6, 0x06, 0x00, 0x30, 0x01, 0xC6, 0x06, 0x00, 0x50, 0x01, 0xF4, 0xC6, 0x06, 0x00, 0x60, 0x01, 0xF4,
    ];
    let machine = Machine::real_mode(engine, &code, |_| ());
    assert_eq!(machine.map(0, 0, 0x10_0000, TRACKED), S_OK);
    let mut bitmap = [u64::MAX; 4];
    assert_eq!(query(&machine, 0, 0x10_0000, &mut bitmap), S_OK);
    assert_eq!(bitmap, [0; 4], "new mappings are clean");
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(query(&machine, 0, 0x10_0000, &mut bitmap), S_OK);
    assert_eq!(bitmap, [1 << 3 | 1 << 5, 0, 0, 0]);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(write_gpa(&machine, 0x9000, &[1]), S_OK);
    assert_eq!(query(&machine, 0, 0x10_0000, &mut bitmap), S_OK);
    assert_eq!(bitmap, [1 << 6 | 1 << 9, 0, 0, 0]);
}

fn dirty_pages_need_tracking(engine: &Engine) {
    let machine = machine(engine);
    let mut bitmap = [7];
    assert_eq!(query(&machine, 0, PAGE, &mut bitmap), WHV_E_GPA_RANGE_NOT_FOUND);
    assert_eq!(machine.map(0, 0, 2 * PAGE, RWX), S_OK);
    assert_eq!(query(&machine, 0, PAGE, &mut bitmap), WHV_E_GPA_RANGE_NOT_FOUND);
    assert_eq!(machine.map(0, 0, PAGE, TRACKED), S_OK);
    assert_eq!(query(&machine, 0, 2 * PAGE, &mut bitmap), WHV_E_GPA_RANGE_NOT_FOUND);
    assert_eq!(bitmap, [7]);
    assert_eq!(query(&machine, 0, PAGE, &mut bitmap), S_OK);
    assert_eq!(query(&machine, 0, 0, &mut bitmap), E_INVALIDARG);
    assert_eq!(query(&machine, 0x10, PAGE, &mut bitmap), E_INVALIDARG);
}

fn a_small_bitmap_is_insufficient(engine: &Engine) {
    let machine = machine(engine);
    assert_eq!(machine.map(0, 0, 65 * PAGE, TRACKED), S_OK);
    let mut bitmap = [7];
    assert_eq!(query(&machine, 0, 65 * PAGE, &mut bitmap), WHV_E_INSUFFICIENT_BUFFER);
    assert_eq!(bitmap, [7]);
    assert_eq!(query(&machine, 0, 64 * PAGE, &mut bitmap), S_OK);
}

fn a_missing_bitmap_only_clears(engine: &Engine) {
    let machine = machine(engine);
    assert_eq!(machine.map(0, 0, PAGE, TRACKED), S_OK);
    assert_eq!(write_gpa(&machine, 0, &[1]), S_OK);
    let clear = call!(engine.api, WHvQueryGpaRangeDirtyBitmap(machine.partition, 0, PAGE, null_mut(), 0));
    assert_eq!(clear, S_OK);
    let mut bitmap = [7];
    assert_eq!(query(&machine, 0, PAGE, &mut bitmap), S_OK);
    assert_eq!(bitmap, [0]);
}

fn every_word_of_the_bitmap_is_written(engine: &Engine) {
    let machine = machine(engine);
    assert_eq!(machine.map(0, 0, 100 * PAGE, TRACKED), S_OK);
    assert_eq!(write_gpa(&machine, 99 * PAGE, &[1]), S_OK);
    let mut bitmap = [u64::MAX; 3];
    assert_eq!(query(&machine, 0, 100 * PAGE, &mut bitmap), S_OK);
    assert_eq!(bitmap, [0, 1 << 35, u64::MAX]);
}

fn advise(machine: &Machine, gpa: u64, size: u64, advice: u32, buffer: &[u8]) -> HRESULT {
    let range = WHV_MEMORY_RANGE_ENTRY { GuestAddress: gpa, SizeInBytes: size };
    let (start, bytes) = (buffer.as_ptr().cast(), buffer.len() as u32);
    let advice = WHV_ADVISE_GPA_RANGE_CODE(advice);
    call!(machine.api, WHvAdviseGpaRange(machine.partition, &raw const range, 1, advice, start, bytes))
}

fn populate_needs_mapped_pages_and_good_parameters(engine: &Engine) {
    let machine = machine(engine);
    let mut parameters = WHV_ADVISE_GPA_RANGE_POPULATE::default();
    assert_eq!(advise(&machine, 0x2001, 1, 0, parameters.as_bytes()), WHV_E_GPA_RANGE_NOT_FOUND);
    assert_eq!(machine.map(0x2000, 0, PAGE, READ), S_OK);
    assert_eq!(advise(&machine, 0x2001, 1, 0, parameters.as_bytes()), S_OK);
    assert_eq!(advise(&machine, 0x2000, 2 * PAGE, 0, parameters.as_bytes()), WHV_E_GPA_RANGE_NOT_FOUND);
    parameters.AccessType = WHvMemoryAccessWrite;
    assert_eq!(advise(&machine, 0x2001, 1, 0, parameters.as_bytes()), E_ACCESSDENIED);
    parameters.AccessType = WHV_MEMORY_ACCESS_TYPE(3);
    assert_eq!(advise(&machine, 0x2001, 1, 0, parameters.as_bytes()), E_INVALIDARG);
    parameters.AccessType = WHvMemoryAccessRead;
    parameters.Flags.set_AsUINT32(4);
    assert_eq!(advise(&machine, 0x2001, 1, 0, parameters.as_bytes()), E_INVALIDARG);
    assert_eq!(advise(&machine, 0x2001, 1, 0, &[0; 7]), E_INVALIDARG);
    assert_eq!(advise(&machine, 0x2000, PAGE, 3, &[]), E_INVALIDARG);
    let none = call!(
        engine.api,
        WHvAdviseGpaRange(machine.partition, null_mut(), 0, WHvAdviseGpaRangeCodePin, null_mut(), 0)
    );
    assert_eq!(none, E_INVALIDARG);
}

fn pins_are_counted(engine: &Engine) {
    let machine = machine(engine);
    machine.map_all();
    let (pin, unpin) = (WHvAdviseGpaRangeCodePin.0, WHvAdviseGpaRangeCodeUnpin.0);
    assert_eq!(advise(&machine, 0x2000, PAGE, unpin, &[]), E_INVALIDARG);
    assert_eq!(advise(&machine, 0x2000, 2 * PAGE, pin, &[]), S_OK);
    assert_eq!(advise(&machine, 0x2000, PAGE, pin, &[]), S_OK);
    assert_eq!(advise(&machine, 0x2800, PAGE, pin, &[]), E_INVALIDARG);
    assert_eq!(advise(&machine, 0x2000, 2 * PAGE, unpin, &[]), S_OK);
    assert_eq!(advise(&machine, 0x2000, PAGE, unpin, &[]), S_OK);
    assert_eq!(advise(&machine, 0x2000, PAGE, unpin, &[]), E_INVALIDARG);
}

fn translate(machine: &Machine, gva: u64, flags: u32) -> (HRESULT, WHV_TRANSLATE_GVA_RESULT_CODE, u64) {
    let mut result = WHV_TRANSLATE_GVA_RESULT { ResultCode: WHV_TRANSLATE_GVA_RESULT_CODE(99), Reserved: 9 };
    let mut gpa = 0xDEAD;
    let flags = WHV_TRANSLATE_GVA_FLAGS(flags);
    let code =
        call!(machine.api, WHvTranslateGva(machine.partition, 0, gva, flags, &raw mut result, &raw mut gpa));
    (code, result.ResultCode, gpa)
}

fn translation_without_paging_is_identity(engine: &Engine) {
    let machine = machine(engine);
    assert_eq!(translate(&machine, 0x12345, 1), (S_OK, WHvTranslateGvaResultSuccess, 0x12345));
    let mut result = WHV_TRANSLATE_GVA_RESULT::default();
    let mut gpa = 0;
    let missing = call!(
        engine.api,
        WHvTranslateGva(machine.partition, 9, 0, WHvTranslateGvaFlagNone, &raw mut result, &raw mut gpa)
    );
    assert_eq!(missing, WHV_E_VP_DOES_NOT_EXIST);
}

fn translation_needs_both_results(engine: &Engine) {
    let machine = machine(engine);
    let mut result = WHV_TRANSLATE_GVA_RESULT::default();
    let mut gpa = 0_u64;
    let flags = WHvTranslateGvaFlagNone;
    let no_gpa =
        call!(engine.api, WHvTranslateGva(machine.partition, 0, 0, flags, &raw mut result, null_mut()));
    assert_eq!(no_gpa, E_POINTER);
    let no_result =
        call!(engine.api, WHvTranslateGva(machine.partition, 0, 0, flags, null_mut(), &raw mut gpa));
    assert_eq!(no_result, E_POINTER);
}

fn undefined_translation_flags_are_refused(engine: &Engine) {
    let machine = machine(engine);
    for flags in [0x20, 0x80, 0x400, 0x8000_0000] {
        assert_eq!(translate(&machine, 0, flags).0, E_INVALIDARG, "{flags:#x}");
    }
    for flags in [0, 7, 8, 0x10, 0x100, 0x200, 0x31F] {
        assert_eq!(translate(&machine, 0, flags).0, S_OK, "{flags:#x}");
    }
}

fn translation_walks_page_tables(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    // 32-bit paging: directory at 0x10000, table at 0x11000; page 5 -> 0x40000 read-only, page 6 -> unmapped GPA.
    let store = |address: u64, entry: u32| machine.memory.write(address, &entry.to_le_bytes());
    store(0x10000, 0x11007);
    store(0x11000 + 5 * 4, 0x40005);
    store(0x11000 + 6 * 4, 0x7000_0007);
    store(0x11000 + 7 * 4, 0x50003);
    machine.set64(0, WHvX64RegisterCr3, 0x10000);
    machine.set64(0, WHvX64RegisterCr0, 0x8001_0011);
    assert_eq!(translate(&machine, 0x5123, 1), (S_OK, WHvTranslateGvaResultSuccess, 0x40123));
    assert_eq!(translate(&machine, 0x5123, 2).1, WHvTranslateGvaResultPrivilegeViolation);
    assert_eq!(translate(&machine, 0x4000, 1), (S_OK, WHvTranslateGvaResultPageNotPresent, 0));
    assert_eq!(translate(&machine, 0x6008, 1), (S_OK, WHvTranslateGvaResultSuccess, 0x7000_0008));
    assert_eq!(translate(&machine, 0x40_0000, 1).1, WHvTranslateGvaResultPageNotPresent);
    assert_eq!(machine.memory.read(0x11000 + 5 * 4, 1), [0x05], "accessed bits stay clear");
    assert_eq!(translate(&machine, 0x7000, 0x12).1, WHvTranslateGvaResultSuccess);
    assert_eq!(machine.memory.read(0x11000 + 7 * 4, 1), [0x63], "accessed and dirty bits are set on demand");
    store(0x10004, 0x6000_0007);
    assert_eq!(translate(&machine, 0x40_0000, 1).1, WHvTranslateGvaResultGpaUnmapped);
    assert_eq!(machine.get64(0, WHvX64RegisterRip), CODE);
}
