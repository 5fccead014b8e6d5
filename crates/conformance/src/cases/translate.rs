//! Translation of linear addresses in every paging mode.

use openwhp_abi::hresult::S_OK;
use openwhp_abi::x64::*;

use super::cases;
use super::long;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::PAGE;
use crate::machine::flat_segment;
use crate::machine::word;

cases! { "translate":
    every_paging_mode_gives_the_address from "memory.md 5",
    rights_are_checked_for_the_current_privilege from "memory.md 5",
    smap_obeys_the_flag_and_its_overrides from "memory.md 5",
    smep_and_no_execute_refuse_fetches from "memory.md 5",
    protection_keys_refuse_data from "memory.md 5",
    reserved_bits_and_bad_addresses_have_their_codes from "memory.md 5",
    bits_are_set_on_demand_only from "memory.md 5",
    tables_behind_an_overlay_are_refused from "memory.md 5",
    the_final_page_need_not_be_mapped from "memory.md 5, Q31",
}

const VALIDATE_READ: u32 = 1;
const VALIDATE_WRITE: u32 = 2;
const VALIDATE_EXECUTE: u32 = 4;
const EXEMPT: u32 = 8;
const SET_BITS: u32 = 0x10;
const ENFORCE_SMAP: u32 = 0x100;
const OVERRIDE_SMAP: u32 = 0x200;

const SUCCESS: WHV_TRANSLATE_GVA_RESULT_CODE = WHvTranslateGvaResultSuccess;
const NOT_PRESENT: WHV_TRANSLATE_GVA_RESULT_CODE = WHvTranslateGvaResultPageNotPresent;
const VIOLATION: WHV_TRANSLATE_GVA_RESULT_CODE = WHvTranslateGvaResultPrivilegeViolation;
const RESERVED: WHV_TRANSLATE_GVA_RESULT_CODE = WHvTranslateGvaResultInvalidPageTableFlags;

fn translate(machine: &Machine, gva: u64, flags: u32) -> (WHV_TRANSLATE_GVA_RESULT_CODE, u64) {
    let mut result = WHV_TRANSLATE_GVA_RESULT { ResultCode: WHV_TRANSLATE_GVA_RESULT_CODE(99), Reserved: 9 };
    let mut gpa = 0xDEAD;
    let flags = WHV_TRANSLATE_GVA_FLAGS(flags);
    let code =
        call!(machine.api, WHvTranslateGva(machine.partition, 0, gva, flags, &raw mut result, &raw mut gpa));
    assert_eq!((code, result.Reserved), (S_OK, 0));
    (result.ResultCode, gpa)
}

/// A page of the table under test at address `2 MiB + index * 4 KiB`.
fn entry(machine: &Machine, index: u64, value: u64) {
    machine.memory.write_u64(long::TARGET_TABLE + 8 * index, value);
}

fn gva(index: u64) -> u64 {
    long::TARGET + index * PAGE + 0x123
}

fn user_mode(machine: &Machine) {
    machine.set(
        0,
        &[
            (WHvX64RegisterCs, flat_segment(0x0B, 0, u32::MAX, 0xA0FB)),
            (WHvX64RegisterSs, flat_segment(0x13, 0, u32::MAX, 0xC0F3)),
        ],
    );
}

fn set_bit(machine: &Machine, name: WHV_REGISTER_NAME, bit: u64) {
    machine.set64(0, name, machine.get64(0, name) | bit);
}

fn every_paging_mode_gives_the_address(engine: &Engine) {
    let m = long::machine(engine, &[]);
    let write = |at: u64, value: u64| m.memory.write_u64(at, value);
    let write32 = |at: u64, value: u32| m.memory.write(at, &value.to_le_bytes());
    // Four levels: 4 KiB, 2 MiB, 1 GiB.
    entry(&m, 1, 0x7_7000 | 7);
    write(0x12018, 0x8_0000_0000 | 0x87);
    write(0x11008, 0x9_4000_0000 | 0x87);
    assert_eq!(translate(&m, gva(1), 1), (SUCCESS, 0x7_7123));
    assert_eq!(translate(&m, 0x60_0000 + 0x12_3456, 1), (SUCCESS, 0x8_0012_3456));
    assert_eq!(translate(&m, 0x4000_0000 + 0x1234_5678, 1), (SUCCESS, 0x9_5234_5678));
    // PAE: the top table has four entries, read when CR3 is loaded.
    write(0x20000, 0x21001);
    write(0x21000 + 8 * 5, 0x22007);
    write(0x22000 + 8 * 3, 0x1_2345_6000 | 7);
    write(0x21000 + 8 * 6, 0x4_0000_0000 | 0x87);
    let code32 = flat_segment(0x18, 0, u32::MAX, 0xC09B);
    let paging = 0x8001_0033;
    m.set(
        0,
        &[
            (WHvX64RegisterCs, code32),
            (WHvX64RegisterEfer, word(0x800)),
            (WHvX64RegisterCr4, word(0x20)),
            (WHvX64RegisterCr0, word(paging)),
            (WHvX64RegisterCr3, word(0x20000)),
        ],
    );
    assert_eq!(translate(&m, 5 * 0x20_0000 + 3 * PAGE + 7, 1), (SUCCESS, 0x1_2345_6007));
    assert_eq!(translate(&m, 6 * 0x20_0000 + 0x1F_FFFF, 1), (SUCCESS, 0x4_001F_FFFF));
    assert_eq!(translate(&m, 0x4000_0000, 1).0, NOT_PRESENT);
    // 32 bits, without and with 4 MiB pages.
    write32(0x24000 + 4 * 2, 0x25007);
    write32(0x25000 + 4 * 9, 0x0BAD_5007);
    write32(0x24000 + 4 * 3, 0x0140_0087);
    m.set(0, &[(WHvX64RegisterCr4, word(0)), (WHvX64RegisterCr3, word(0x24000))]);
    assert_eq!(translate(&m, 0x80_0000 + 9 * PAGE + 1, 1), (SUCCESS, 0x0BAD_5001));
    m.set64(0, WHvX64RegisterCr4, 0x10);
    assert_eq!(translate(&m, 0xC0_0000 + 0x12_3456, 1), (SUCCESS, 0x0152_3456));
    // No paging.
    m.set64(0, WHvX64RegisterCr0, 0x11);
    assert_eq!(translate(&m, 0xC000_0123, 7), (SUCCESS, 0xC000_0123));
    // Five levels.
    write(0x26000, long::ROOT | 7);
    long::enter(&m, 0);
    let five = m.get64(0, WHvX64RegisterCr4) | 1 << 12;
    if m.try_set(0, &[(WHvX64RegisterCr4, word(five)), (WHvX64RegisterCr3, word(0x26000))]) == S_OK {
        assert_eq!(translate(&m, gva(1), 1), (SUCCESS, 0x7_7123));
        assert_eq!(translate(&m, 1 << 48, 1).0, NOT_PRESENT, "canonical with five levels");
    }
}

fn rights_are_checked_for_the_current_privilege(engine: &Engine) {
    let m = long::machine(engine, &[]);
    entry(&m, 0, 0x3_0000 | 1); // supervisor, read-only
    entry(&m, 1, 0x3_1000 | 3); // supervisor, writable
    entry(&m, 2, 0x3_2000 | 5); // user, read-only
    entry(&m, 3, 0x3_3000 | 7); // user, writable
    let codes = |flags: u32| [0, 1, 2, 3].map(|index| translate(&m, gva(index), flags).0);
    let (s, v) = (SUCCESS, VIOLATION);
    assert_eq!(codes(0), [s, s, s, s]);
    assert_eq!(codes(VALIDATE_READ), [s, s, s, s]);
    assert_eq!(codes(VALIDATE_WRITE), [v, s, v, s]);
    assert_eq!(codes(VALIDATE_READ | VALIDATE_WRITE | VALIDATE_EXECUTE), [v, s, v, s]);
    // Without write protection the supervisor writes everywhere.
    let cr0 = m.get64(0, WHvX64RegisterCr0);
    m.set64(0, WHvX64RegisterCr0, cr0 & !0x1_0000);
    assert_eq!(codes(VALIDATE_WRITE), [s, s, s, s]);
    m.set64(0, WHvX64RegisterCr0, cr0);
    user_mode(&m);
    assert_eq!(codes(0), [s, s, s, s], "only presence");
    assert_eq!(codes(VALIDATE_READ), [v, v, s, s]);
    assert_eq!(codes(VALIDATE_EXECUTE), [v, v, s, s]);
    assert_eq!(codes(VALIDATE_WRITE), [v, v, v, s]);
    assert_eq!(codes(VALIDATE_WRITE | EXEMPT), [v, s, v, s], "as the supervisor");
    assert_eq!(translate(&m, gva(0), VALIDATE_READ).1, 0, "no address on failure");
}

fn smap_obeys_the_flag_and_its_overrides(engine: &Engine) {
    let m = long::machine(engine, &[]);
    entry(&m, 0, 0x3_0000 | 7);
    entry(&m, 1, 0x3_1000 | 3);
    let read = |index, flags| translate(&m, gva(index), VALIDATE_READ | flags).0;
    set_bit(&m, WHvX64RegisterCr4, 1 << 21);
    assert_eq!((read(0, 0), read(1, 0)), (VIOLATION, SUCCESS));
    assert_eq!(read(0, OVERRIDE_SMAP), SUCCESS);
    assert_eq!(translate(&m, gva(0), VALIDATE_EXECUTE).0, SUCCESS, "data only");
    set_bit(&m, WHvX64RegisterRflags, 1 << 18);
    assert_eq!(read(0, 0), SUCCESS, "AC is set");
    assert_eq!(read(0, ENFORCE_SMAP), VIOLATION);
    user_mode(&m);
    assert_eq!(read(0, ENFORCE_SMAP), SUCCESS, "users read their own pages");
    assert_eq!(read(0, EXEMPT | ENFORCE_SMAP), VIOLATION);
}

fn smep_and_no_execute_refuse_fetches(engine: &Engine) {
    let m = long::machine(engine, &[]);
    entry(&m, 0, 0x3_0000 | 7);
    entry(&m, 1, 0x3_1000 | 7 | 1 << 63);
    let fetch = |index, flags| translate(&m, gva(index), VALIDATE_EXECUTE | flags).0;
    assert_eq!((fetch(0, 0), fetch(1, 0)), (SUCCESS, VIOLATION));
    assert_eq!(translate(&m, gva(1), VALIDATE_WRITE).0, SUCCESS, "data may be there");
    set_bit(&m, WHvX64RegisterCr4, 1 << 20);
    assert_eq!(fetch(0, 0), VIOLATION);
    user_mode(&m);
    assert_eq!((fetch(0, 0), fetch(0, EXEMPT)), (SUCCESS, VIOLATION));
}

fn protection_keys_refuse_data(engine: &Engine) {
    // xor ecx,ecx; xor edx,edx; mov eax,0b1100_1000 (key 1: no writes, key 3: no access); wrpkru
    let code = [0x31, 0xC9, 0x31, 0xD2, 0xB8, 0xC8, 0, 0, 0, 0x0F, 0x01, 0xEF];
    let m = long::machine(engine, &code);
    let cr4 = m.get64(0, WHvX64RegisterCr4) | 1 << 22;
    if m.try_set(0, &[(WHvX64RegisterCr4, word(cr4))]) != S_OK {
        return;
    }
    m.run_to(0, WHvRunVpExitReasonX64Halt);
    for key in 0..4 {
        entry(&m, key, 0x3_0000 | 7 | key << 59);
    }
    let codes = |flags: u32| [0, 1, 2, 3].map(|key| translate(&m, gva(key), flags).0);
    let (s, v) = (SUCCESS, VIOLATION);
    assert_eq!(codes(0), [s, s, s, s]);
    assert_eq!(codes(VALIDATE_READ), [s, s, s, v]);
    assert_eq!(codes(VALIDATE_WRITE), [s, v, s, v]);
    assert_eq!(codes(VALIDATE_EXECUTE), [s, s, s, s]);
}

fn reserved_bits_and_bad_addresses_have_their_codes(engine: &Engine) {
    let m = long::machine(engine, &[]);
    let width: u32 = m.property(WHvPartitionPropertyCodePhysicalAddressWidth);
    entry(&m, 0, 0x3_0000 | 7 | 1 << width);
    entry(&m, 1, 0x3_0000 | 6);
    assert_eq!(translate(&m, gva(0), 0), (RESERVED, 0));
    assert_eq!(translate(&m, gva(1), 0), (NOT_PRESENT, 0));
    assert_eq!(translate(&m, 0x8000_0000_0000, 0), (NOT_PRESENT, 0), "not canonical");
    // A large page that is not aligned; a no-execute bit without the feature.
    m.memory.write_u64(0x12018, 0x8_0000_2000 | 0x87);
    assert_eq!(translate(&m, 0x60_0000, 1).0, RESERVED);
    entry(&m, 2, 0x3_0000 | 7 | 1 << 63);
    assert_eq!(translate(&m, gva(2), 1).0, SUCCESS);
    m.set64(0, WHvX64RegisterEfer, 0x501);
    assert_eq!(translate(&m, gva(2), 1).0, RESERVED);
}

fn bits_are_set_on_demand_only(engine: &Engine) {
    let m = long::machine(engine, &[]);
    let bits = |index: u64| m.memory.read(long::TARGET_TABLE + 8 * index, 1)[0] & 0x60;
    for (flags, expected) in [
        (VALIDATE_READ, 0),
        (VALIDATE_WRITE, 0),
        (SET_BITS, 0x20),
        (SET_BITS | VALIDATE_READ, 0x20),
        (SET_BITS | VALIDATE_EXECUTE, 0x20),
        (SET_BITS | VALIDATE_WRITE, 0x60),
    ] {
        entry(&m, 0, 0x3_0000 | 7);
        m.memory.write_u64(0x12008, long::TARGET_TABLE | 7);
        assert_eq!(translate(&m, gva(0), flags).0, SUCCESS);
        assert_eq!(bits(0), expected, "{flags:#x}");
        assert_eq!(m.memory.read(0x12008, 1)[0] & 0x60, expected & 0x20, "{flags:#x}: the table above");
    }
    // A refused translation sets nothing.
    entry(&m, 1, 0x3_0000 | 5);
    assert_eq!(translate(&m, gva(1), SET_BITS | VALIDATE_WRITE).0, VIOLATION);
    assert_eq!(bits(1), 0);
}

fn tables_behind_an_overlay_are_refused(engine: &Engine) {
    let m = long::machine_with(engine, 1, &[], |m| m.use_apic(WHvX64LocalApicEmulationModeXApic));
    m.memory.write_u64(0x12018, 0xFEE0_0000 | 7);
    assert_eq!(translate(&m, 0x60_0000, 1), (WHvTranslateGvaResultGpaIllegalOverlayAccess, 0));
    // The page itself can be the goal.
    entry(&m, 0, 0xFEE0_0000 | 7);
    assert_eq!(translate(&m, gva(0), 1), (SUCCESS, 0xFEE0_0123));
}

fn the_final_page_need_not_be_mapped(engine: &Engine) {
    let m = long::machine(engine, &[]);
    entry(&m, 0, 0x7_0000_0000 | 7);
    for flags in [0, VALIDATE_READ, VALIDATE_WRITE, VALIDATE_WRITE | SET_BITS] {
        assert_eq!(translate(&m, gva(0), flags), (SUCCESS, 0x7_0000_0123));
    }
}
