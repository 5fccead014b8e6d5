//! The instruction emulator by itself, on a host made of tables.

use std::ptr::null;
use std::ptr::null_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::Item;
use crate::api::EmulatorApi;
use crate::call;
use crate::emulator::Asked;
use crate::emulator::Callback;
use crate::emulator::Emulator;
use crate::emulator::Host;
use crate::emulator::Tables;
use crate::emulator::callbacks;

cases! { "emulator":
    creating_checks_the_callbacks from "functions.md 11.1" covers [Item::Ability("instruction emulator")],
    a_destroyed_emulator_is_unknown from "functions.md 11.2",
    emulating_checks_its_arguments from "functions.md 11.3",
    a_handle_serves_one_call_at_a_time from "functions.md 11.3",
    callbacks_come_in_order from "functions.md 11.3",
    a_failing_callback_has_its_bit from "functions.md 11.3, 11.4",
    a_page_address_must_be_aligned from "functions.md 11.3",
    a_table_out_of_reach_is_no_fault_of_the_guest from "functions.md 11.3",
    an_interrupted_delivery_is_left_alone from "functions.md 11.3",
    instructions_without_an_access_are_refused from "functions.md 11.3",
    missing_bytes_are_fetched from "functions.md 11.3",
    a_fetch_may_fault from "functions.md 11.3",
    out_is_one_callback from "functions.md 11.3",
    in_merges_into_rax from "functions.md 11.3",
    wide_operands_come_in_pieces from "functions.md 11.3",
    an_access_across_pages_is_two_callbacks from "functions.md 11.3",
    translations_say_what_they_are_for from "functions.md 11.3",
    a_failed_translation_is_a_page_fault from "functions.md 11.3, exits.md 5.3",
    a_segment_limit_is_kept from "functions.md 11.3",
    real_mode_faults_have_no_error_code from "functions.md 11.3, exits.md 5.2",
    a_second_fault_cannot_be_taken from "functions.md 11.3",
    a_fault_waits_beside_an_external_interrupt from "functions.md 11.3, exits.md 5.3",
    a_shadow_ends_with_the_instruction from "functions.md 11.3, exits.md 5.5",
    the_trap_flag_makes_a_debug_exception_pend from "functions.md 11.3, exits.md 5.6",
    a_data_breakpoint_pends from "functions.md 11.3, exits.md 5.6",
    only_what_an_instruction_needs_is_read from "functions.md 11.3",
    unknown_vector_parts_are_an_internal_failure from "functions.md 11.3",
}

pub(super) const CODE: u64 = 0x40_1000;
pub(super) const DATA: u64 = 0x7000_0000;
const RDI: WHV_REGISTER_NAME = WHvX64RegisterRdi;

/// Read, write, execute, exempt, set table bits.
const READ: u32 = 0x11;
const WRITE: u32 = 0x12;
const EXECUTE: u32 = 0x14;
const EXEMPT: u32 = 0x18;

pub(super) fn segment(attributes: u16, limit: u32) -> WHV_X64_SEGMENT_REGISTER {
    let mut segment = WHV_X64_SEGMENT_REGISTER::default();
    segment.set_Limit(limit);
    segment.set_Attributes(attributes);
    segment
}

pub(super) fn segment_bits(attributes: u16, limit: u32) -> u128 {
    u128::from(limit) << 64 | u128::from(attributes) << 112
}

/// An exit in 64-bit mode at a privilege level.
pub(super) fn long_mode(cpl: u16) -> WHV_VP_EXIT_CONTEXT {
    let mut state = WHV_X64_VP_EXECUTION_STATE::default();
    state.set_Cpl(cpl);
    state.set_Cr0Pe(1);
    state.set_EferLma(1);
    let mut vp = WHV_VP_EXIT_CONTEXT::default();
    vp.set_ExecutionState(state);
    vp.set_Cs(segment(0xA09B | cpl << 5, u32::MAX));
    vp.set_Rip(CODE);
    vp.set_Rflags(0x202);
    vp
}

/// An exit in real mode.
pub(super) fn real_mode() -> WHV_VP_EXIT_CONTEXT {
    let mut vp = WHV_VP_EXIT_CONTEXT::default();
    vp.set_Cs(segment(0x9B, 0xFFFF));
    vp.set_Rip(0x1000);
    vp.set_Rflags(2);
    vp
}

/// Changes the execution state of an exit.
pub(super) fn with_state(
    mut vp: WHV_VP_EXIT_CONTEXT,
    change: impl FnOnce(&mut WHV_X64_VP_EXECUTION_STATE),
) -> WHV_VP_EXIT_CONTEXT {
    let mut state = vp.ExecutionState();
    change(&mut state);
    vp.set_ExecutionState(state);
    vp
}

pub(super) fn memory_exit(bytes: &[u8]) -> WHV_MEMORY_ACCESS_CONTEXT {
    let mut access =
        WHV_MEMORY_ACCESS_CONTEXT { InstructionByteCount: bytes.len() as u8, ..Default::default() };
    access.InstructionBytes[..bytes.len()].copy_from_slice(bytes);
    access
}

fn port_exit(bytes: &[u8], port: u16, size: u32, is_write: bool) -> WHV_X64_IO_PORT_ACCESS_CONTEXT {
    let mut access = WHV_X64_IO_PORT_ACCESS_CONTEXT {
        InstructionByteCount: bytes.len() as u8,
        PortNumber: port,
        Rax: 0x1122_3344_5566_7788,
        ..Default::default()
    };
    access.InstructionBytes[..bytes.len()].copy_from_slice(bytes);
    access.AccessInfo.set_AccessSize(size);
    access.AccessInfo.set_IsWrite(u32::from(is_write));
    access
}

/// A host whose registers are those of a flat machine, RDI at [`DATA`].
pub(super) fn host() -> Tables {
    let mut host = Tables::default();
    for n in 0..16 {
        host.registers.insert(WHV_REGISTER_NAME(n), 0x1111_1111_1111_1111 * u128::from(n));
        host.registers.insert(WHV_REGISTER_NAME(WHvX64RegisterXmm0.0 + n), u128::from(n) << 64 | 0xABCD);
    }
    let data = segment_bits(0xC0F3, u32::MAX);
    for name in [
        WHvX64RegisterEs,
        WHvX64RegisterCs,
        WHvX64RegisterSs,
        WHvX64RegisterDs,
        WHvX64RegisterFs,
        WHvX64RegisterGs,
    ] {
        host.registers.insert(name, data);
    }
    host.registers.insert(WHvX64RegisterCs, segment_bits(0xA09B, u32::MAX));
    let registers = [
        (RDI, u128::from(DATA)),
        (WHvX64RegisterCr0, 0x8001_0033),
        (WHvX64RegisterCr4, 0x4_0620),
        (WHvX64RegisterEfer, 0xD01),
        (WHvX64RegisterXCr0, 7),
        (WHvX64RegisterLdtr, segment_bits(0x82, 0xFFFF)),
        (WHvX64RegisterTr, segment_bits(0x8B, 0x67)),
        (WHvX64RegisterGdtr, 0x5000_0000 << 64 | 0xFF_u128 << 48),
        (WHvX64RegisterIdtr, 0),
        (WHvX64RegisterXmmControlStatus, 0x0002_FFFF_0000_1F80 << 64),
        (WHvX64RegisterDr0, u128::from(DATA)),
        (WHvX64RegisterDr1, 0),
        (WHvX64RegisterDr2, 0),
        (WHvX64RegisterDr3, 0),
        (WHvX64RegisterDr7, 0x400),
        (WHvRegisterPendingInterruption, 0),
        (WHvRegisterPendingEvent, 0),
        (WHvRegisterInterruptState, 0),
    ];
    host.registers.extend(registers);
    host
}

/// Emulates a memory access; gives the status word.
pub(super) fn mmio(host: &mut Tables, vp: &WHV_VP_EXIT_CONTEXT, bytes: &[u8]) -> u32 {
    Emulator::new().mmio(host, vp, &memory_exit(bytes)).AsUINT32()
}

pub(super) const SUCCESS: u32 = 1;

fn creating_checks_the_callbacks(_: &Engine) {
    let api = EmulatorApi::chosen();
    let good = callbacks::<Tables>();
    let create = |table: WHV_EMULATOR_CALLBACKS| {
        let mut handle = null_mut();
        call!(api, WHvEmulatorCreateEmulator(&raw const table, &raw mut handle))
    };
    let bad = [
        WHV_EMULATOR_CALLBACKS { Size: 40, ..good },
        WHV_EMULATOR_CALLBACKS { Size: 0, ..good },
        WHV_EMULATOR_CALLBACKS { Reserved: 1, ..good },
        WHV_EMULATOR_CALLBACKS { WHvEmulatorIoPortCallback: None, ..good },
        WHV_EMULATOR_CALLBACKS { WHvEmulatorMemoryCallback: None, ..good },
        WHV_EMULATOR_CALLBACKS { WHvEmulatorGetVirtualProcessorRegisters: None, ..good },
        WHV_EMULATOR_CALLBACKS { WHvEmulatorSetVirtualProcessorRegisters: None, ..good },
        WHV_EMULATOR_CALLBACKS { WHvEmulatorTranslateGvaPage: None, ..good },
    ];
    for table in bad {
        assert_eq!(create(table), E_INVALIDARG, "{table:?}");
    }
    let mut handle = null_mut();
    assert_eq!(call!(api, WHvEmulatorCreateEmulator(null(), &raw mut handle)), E_POINTER);
    assert_eq!(call!(api, WHvEmulatorCreateEmulator(&raw const good, null_mut())), E_POINTER);
    assert_eq!(call!(api, WHvEmulatorCreateEmulator(&raw const good, &raw mut handle)), S_OK);
    assert!(!handle.is_null());
    assert_eq!(call!(api, WHvEmulatorDestroyEmulator(handle)), S_OK);
}

fn a_destroyed_emulator_is_unknown(_: &Engine) {
    let api = EmulatorApi::chosen();
    let (table, mut handle) = (callbacks::<Tables>(), null_mut());
    assert_eq!(call!(api, WHvEmulatorCreateEmulator(&raw const table, &raw mut handle)), S_OK);
    assert_eq!(call!(api, WHvEmulatorDestroyEmulator(handle)), S_OK);
    assert_eq!(call!(api, WHvEmulatorDestroyEmulator(handle)), E_INVALIDARG);
    assert_eq!(call!(api, WHvEmulatorDestroyEmulator(null_mut())), E_INVALIDARG);
    let (vp, access, mut status) = (long_mode(0), memory_exit(&[0x8B, 0x07]), WHV_EMULATOR_STATUS::default());
    let result = call!(
        api,
        WHvEmulatorTryMmioEmulation(handle, null_mut(), &raw const vp, &raw const access, &raw mut status)
    );
    assert_eq!(result, E_INVALIDARG);
}

fn emulating_checks_its_arguments(_: &Engine) {
    let api = EmulatorApi::chosen();
    let emulator = Emulator::<Tables>::new();
    let mut host = host();
    let context: *mut std::ffi::c_void = (&raw mut host).cast();
    let (vp, good) = (long_mode(0), memory_exit(&[0x8B, 0x07]));
    let mut status = WHV_EMULATOR_STATUS::default();
    let mut mmio = |vp: *const _, access: *const _, has_status: bool| {
        let status = if has_status { &raw mut status } else { null_mut() };
        call!(api, WHvEmulatorTryMmioEmulation(emulator.handle, context, vp, access, status))
    };
    assert_eq!(mmio(null(), &raw const good, true), E_POINTER);
    assert_eq!(mmio(&raw const vp, null(), true), E_POINTER);
    assert_eq!(mmio(&raw const vp, &raw const good, false), E_POINTER);
    let long = WHV_MEMORY_ACCESS_CONTEXT { InstructionByteCount: 17, ..good };
    assert_eq!(mmio(&raw const vp, &raw const long, true), E_INVALIDARG);
    for size in [0, 3, 5, 7] {
        let access = port_exit(&[0xE6, 0x80], 0x80, size, true);
        let (vp, access) = (&raw const vp, &raw const access);
        let result =
            call!(api, WHvEmulatorTryIoEmulation(emulator.handle, context, vp, access, &raw mut status));
        assert_eq!(result, E_INVALIDARG, "{size} bytes");
        let missing =
            call!(api, WHvEmulatorTryIoEmulation(emulator.handle, context, vp, null(), &raw mut status));
        assert_eq!(missing, E_POINTER);
    }
    assert!(host.asked.is_empty());
}

/// A host that calls its emulator again.
struct Nested {
    tables: Tables,
    emulator: WHV_EMULATOR_HANDLE,
    inner: Option<HRESULT>,
}

impl Host for Nested {
    fn get(&mut self, names: &[WHV_REGISTER_NAME], values: &mut [WHV_REGISTER_VALUE]) -> HRESULT {
        self.tables.get(names, values)
    }
    fn set(&mut self, names: &[WHV_REGISTER_NAME], values: &[WHV_REGISTER_VALUE]) -> HRESULT {
        self.tables.set(names, values)
    }
    fn memory(&mut self, access: &mut WHV_EMULATOR_MEMORY_ACCESS_INFO) -> HRESULT {
        let api = EmulatorApi::chosen();
        let (vp, exit, mut status) =
            (long_mode(0), memory_exit(&[0x8B, 0x07]), WHV_EMULATOR_STATUS::default());
        let (vp, exit) = (&raw const vp, &raw const exit);
        let code =
            call!(api, WHvEmulatorTryMmioEmulation(self.emulator, null_mut(), vp, exit, &raw mut status));
        self.inner = Some(code);
        self.tables.memory(access)
    }
    fn port(&mut self, access: &mut WHV_EMULATOR_IO_ACCESS_INFO) -> HRESULT {
        self.tables.port(access)
    }
    fn translate(
        &mut self,
        page: u64,
        flags: WHV_TRANSLATE_GVA_FLAGS,
    ) -> Result<(WHV_TRANSLATE_GVA_RESULT_CODE, u64), HRESULT> {
        self.tables.translate(page, flags)
    }
}

fn a_handle_serves_one_call_at_a_time(_: &Engine) {
    let emulator = Emulator::<Nested>::new();
    let mut nested = Nested { tables: host(), emulator: emulator.handle, inner: None };
    let status = emulator.mmio(&mut nested, &long_mode(0), &memory_exit(&[0x8B, 0x07]));
    assert_eq!(status.AsUINT32(), SUCCESS, "the outer call is not disturbed");
    assert!(nested.inner.is_some_and(|code| code != S_OK));
}

fn callbacks_come_in_order(_: &Engine) {
    let mut host = host();
    // add [rdi + 8], eax
    assert_eq!(mmio(&mut host, &long_mode(0), &[0x01, 0x47, 0x08]), SUCCESS);
    let at = DATA + 8 + Tables::AHEAD;
    let [Asked::Get(_), middle @ .., Asked::Set(set)] = host.asked.as_slice() else {
        panic!("{:x?}", host.asked)
    };
    let sum = 0x0B0A_0908_u32.to_le_bytes().to_vec();
    assert_eq!(middle, [Asked::Translate(DATA, WRITE), Asked::Read(at, 4), Asked::Write(at, sum)]);
    let names: Vec<_> = set.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [WHvX64RegisterRip, WHvX64RegisterRflags], "nothing else changed");
    assert_eq!(set[0].1, u128::from(CODE + 3));
}

fn a_failing_callback_has_its_bit(_: &Engine) {
    for (fails, bit) in
        [(Callback::Memory, 3), (Callback::Translate, 4), (Callback::Get, 6), (Callback::Set, 7)]
    {
        let mut host = host();
        host.fails = Some(fails);
        assert_eq!(mmio(&mut host, &long_mode(0), &[0x8B, 0x07]), 1 << bit, "{fails:?}");
        assert_eq!(host.has_set(), fails == Callback::Set);
    }
    let mut host = host();
    host.fails = Some(Callback::Port);
    let mut vp = long_mode(0);
    vp.set_InstructionLength(2);
    let access = port_exit(&[0xE6, 0x80], 0x80, 1, true);
    assert_eq!(Emulator::new().io(&mut host, &vp, &access).AsUINT32(), 1 << 2);
    assert!(!host.has_set());
}

fn a_page_address_must_be_aligned(_: &Engine) {
    let mut host = host();
    host.offset = 0x10;
    assert_eq!(mmio(&mut host, &long_mode(0), &[0x8B, 0x07]), 1 << 5);
    assert!(!host.has_set());
}

fn a_table_out_of_reach_is_no_fault_of_the_guest(_: &Engine) {
    for code in [WHvTranslateGvaResultGpaUnmapped, WHvTranslateGvaResultIntercept] {
        let mut host = host();
        host.results.insert(DATA, code);
        assert_eq!(mmio(&mut host, &long_mode(0), &[0x8B, 0x07]), 1 << 4, "{code:?}");
        assert!(!host.has_set());
    }
}

fn an_interrupted_delivery_is_left_alone(_: &Engine) {
    let vp = with_state(long_mode(0), |state| state.set_InterruptionPending(1));
    let mut host = host();
    assert_eq!(mmio(&mut host, &vp, &[0x8B, 0x07]), 1 << 8);
    let access = port_exit(&[0xE6, 0x80], 0x80, 1, true);
    assert_eq!(Emulator::new().io(&mut host, &vp, &access).AsUINT32(), 1 << 8);
    assert!(host.asked.is_empty());
}

fn instructions_without_an_access_are_refused(_: &Engine) {
    let refused: [&[u8]; 6] = [
        &[0x0F, 0x0B],             // ud2
        &[0x90],                   // nop
        &[0x0F, 0xA2],             // cpuid
        &[0xF4],                   // hlt
        &[0x0F, 0x01, 0x3F],       // invlpg [rdi]
        &[0xC4, 0xE2, 0x79, 0xFF], // nothing
    ];
    for bytes in refused {
        let mut host = host();
        let mut padded = bytes.to_vec();
        padded.resize(16, 0x90);
        assert_eq!(mmio(&mut host, &long_mode(0), &padded), 1 << 1, "{bytes:x?}");
        assert!(host.asked.is_empty(), "{bytes:x?}");
    }
}

fn missing_bytes_are_fetched(_: &Engine) {
    // mov dword [rdi + 0x100], 0x12345678, with its last bytes on the next page.
    let code = [0xC7, 0x87, 0x00, 0x01, 0x00, 0x00, 0x78, 0x56, 0x34, 0x12];
    for given in [0, 1, 4, 9] {
        let mut host = host();
        let mut vp = long_mode(0);
        vp.set_Rip(CODE + 0xFFA);
        host.memory.extend((CODE + 0xFFA + Tables::AHEAD..).zip(code));
        assert_eq!(mmio(&mut host, &vp, &code[..given]), SUCCESS);
        let first = host.asked.iter().find(|asked| matches!(asked, Asked::Translate(..)));
        let page = if given < 6 { CODE } else { CODE + 0x1000 };
        assert_eq!(first, Some(&Asked::Translate(page, EXECUTE)));
        let write = Asked::Write(DATA + 0x100 + Tables::AHEAD, vec![0x78, 0x56, 0x34, 0x12]);
        assert_eq!(host.accesses().last(), Some(&write));
        assert_eq!(host.written()[&WHvX64RegisterRip], u128::from(CODE + 0x1004));
    }
}

/// The event that was set: vector, whether with an error code, error code, parameter.
pub(super) fn pending(host: &Tables) -> (u64, bool, u64, u64) {
    let event = host.written()[&WHvRegisterPendingEvent];
    let low = event as u64;
    assert_eq!(low & 0xF, 1, "an exception that pends");
    assert!(!host.written().contains_key(&WHvX64RegisterRip), "RIP stays");
    (low >> 16 & 0xFFFF, low >> 8 & 1 != 0, low >> 32, (event >> 64) as u64)
}

fn a_fetch_may_fault(_: &Engine) {
    let mut host = host();
    host.results.insert(CODE + 0x1000, WHvTranslateGvaResultPrivilegeViolation);
    let mut vp = long_mode(3);
    vp.set_Rip(CODE + 0xFFF);
    assert_eq!(mmio(&mut host, &vp, &[0x8B]), SUCCESS);
    // Protection, user, instruction fetch.
    assert_eq!(pending(&host), (14, true, 0x15, CODE + 0x1000));
}

fn out_is_one_callback(_: &Engine) {
    for (size, value) in [(1, 0x88), (2, 0x7788), (4, 0x5566_7788)] {
        let mut host = host();
        let mut vp = long_mode(0);
        vp.set_InstructionLength(2);
        let access = port_exit(&[], 0x3F8, size, true);
        assert_eq!(Emulator::new().io(&mut host, &vp, &access).AsUINT32(), SUCCESS);
        assert_eq!(host.accesses(), [Asked::Out(0x3F8, size as u16, value)]);
        let written = host.written();
        assert_eq!(written[&WHvX64RegisterRip], u128::from(CODE + 2));
        assert!(written.contains_key(&WHvX64RegisterRflags) && !written.contains_key(&WHvX64RegisterRax));
    }
}

fn in_merges_into_rax(_: &Engine) {
    let expected = [(1, 0x1122_3344_5566_77EE), (2, 0x1122_3344_5566_DDEE), (4, 0xBBCC_DDEE_u64)];
    for (size, value) in expected {
        // Without the length the instruction is decoded.
        for length in [1, 0] {
            let mut host = host();
            host.port_value = 0xBBCC_DDEE;
            host.registers.insert(WHvX64RegisterRax, 0x1122_3344_5566_7788);
            host.registers.insert(WHvX64RegisterRdx, 0x60);
            let mut vp = long_mode(0);
            vp.set_InstructionLength(length);
            let bytes: &[u8] = match size {
                1 => &[0xEC],
                2 => &[0x66, 0xED],
                _ => &[0xED],
            };
            let access = port_exit(bytes, 0x60, size, false);
            assert_eq!(Emulator::new().io(&mut host, &vp, &access).AsUINT32(), SUCCESS);
            assert_eq!(host.accesses(), [Asked::In(0x60, size as u16)]);
            assert_eq!(host.written()[&WHvX64RegisterRax], u128::from(value), "{size} bytes");
        }
    }
}

fn wide_operands_come_in_pieces(_: &Engine) {
    let mut host = host();
    // movups [rdi], xmm2
    assert_eq!(mmio(&mut host, &long_mode(0), &[0x0F, 0x11, 0x17]), SUCCESS);
    let at = DATA + Tables::AHEAD;
    let low = 0xABCD_u64.to_le_bytes().to_vec();
    let high = 2_u64.to_le_bytes().to_vec();
    assert_eq!(host.accesses(), [Asked::Write(at, low), Asked::Write(at + 8, high)]);
}

fn an_access_across_pages_is_two_callbacks(_: &Engine) {
    let mut host = host();
    host.registers.insert(RDI, u128::from(DATA + 0xFFD));
    // mov rax, [rdi]
    assert_eq!(mmio(&mut host, &long_mode(0), &[0x48, 0x8B, 0x07]), SUCCESS);
    let at = DATA + Tables::AHEAD;
    assert_eq!(host.accesses(), [Asked::Read(at + 0xFFD, 3), Asked::Read(at + 0x1000, 5)]);
    let translations: Vec<_> =
        host.asked.iter().filter(|asked| matches!(asked, Asked::Translate(..))).cloned().collect();
    assert_eq!(translations, [Asked::Translate(DATA, READ), Asked::Translate(DATA + 0x1000, READ)]);
    assert_eq!(host.written()[&WHvX64RegisterRax], 0x0403_0201_00FF_FEFD);
}

fn translations_say_what_they_are_for(_: &Engine) {
    let mut host = host();
    // mov fs, [rdi] at level 3: the descriptor is read with the processor's own rights, and marked accessed.
    host.memory.extend((DATA + Tables::AHEAD..).zip([0x13, 0x00]));
    let descriptor = 0x00CF_F200_0000_FFFF_u64.to_le_bytes();
    host.memory.extend((0x5000_0010 + Tables::AHEAD..).zip(descriptor));
    assert_eq!(mmio(&mut host, &long_mode(3), &[0x8E, 0x27]), SUCCESS);
    let translations: Vec<_> =
        host.asked.iter().filter(|asked| matches!(asked, Asked::Translate(..))).cloned().collect();
    let expected = [
        Asked::Translate(DATA, READ),
        Asked::Translate(0x5000_0000, READ | EXEMPT),
        Asked::Translate(0x5000_0000, WRITE | EXEMPT),
    ];
    assert_eq!(translations, expected);
    assert_eq!(host.written()[&WHvX64RegisterFs] >> 96, 0xC0F3_0013);
}

fn a_failed_translation_is_a_page_fault(_: &Engine) {
    // Result, privilege level, whether it writes; error code.
    let expected = [
        (WHvTranslateGvaResultPageNotPresent, 0, false, 0),
        (WHvTranslateGvaResultPageNotPresent, 3, true, 6),
        (WHvTranslateGvaResultPrivilegeViolation, 0, true, 3),
        (WHvTranslateGvaResultPrivilegeViolation, 3, false, 5),
        (WHvTranslateGvaResultInvalidPageTableFlags, 0, true, 0xB),
    ];
    for (result, cpl, is_write, code) in expected {
        let mut host = host();
        host.results.insert(DATA, result);
        let bytes: &[u8] = if is_write { &[0x89, 0x47, 0x10] } else { &[0x8B, 0x47, 0x10] };
        assert_eq!(mmio(&mut host, &long_mode(cpl), bytes), SUCCESS);
        assert_eq!(pending(&host), (14, true, code, DATA + 0x10));
        assert_eq!(host.written().len(), 1, "nothing but the event");
        assert!(host.accesses().is_empty());
    }
}

fn a_segment_limit_is_kept(_: &Engine) {
    let mut host = host();
    host.registers.insert(WHvX64RegisterDs, segment_bits(0x93, 0xFFFF));
    let mut vp = with_state(long_mode(0), |state| state.set_EferLma(0));
    vp.set_Cs(segment(0xC09B, u32::MAX));
    // mov eax, [edi]
    assert_eq!(mmio(&mut host, &vp, &[0x8B, 0x07]), SUCCESS);
    assert_eq!(pending(&host), (13, true, 0, 0));
}

fn real_mode_faults_have_no_error_code(_: &Engine) {
    let mut host = host();
    for name in [WHvX64RegisterDs, WHvX64RegisterEs, WHvX64RegisterSs] {
        host.registers.insert(name, segment_bits(0x93, 0xFFFF));
    }
    // mov ax, [0xFFFF]
    assert_eq!(mmio(&mut host, &real_mode(), &[0xA1, 0xFF, 0xFF]), SUCCESS);
    assert_eq!(pending(&host), (13, false, 0, 0));
}

fn a_second_fault_cannot_be_taken(_: &Engine) {
    for name in [WHvRegisterPendingEvent, WHvRegisterPendingInterruption] {
        let mut host = host();
        host.registers.insert(name, 1 | 13 << 16);
        host.results.insert(DATA, WHvTranslateGvaResultPageNotPresent);
        assert_eq!(mmio(&mut host, &long_mode(0), &[0x8B, 0x07]), 1 << 9, "{name:?}");
        assert!(!host.has_set());
    }
}

fn a_fault_waits_beside_an_external_interrupt(_: &Engine) {
    let mut host = host();
    host.registers.insert(WHvRegisterPendingEvent, 1 | 5 << 1 | 0x31 << 8);
    host.results.insert(DATA, WHvTranslateGvaResultPageNotPresent);
    assert_eq!(mmio(&mut host, &long_mode(0), &[0x89, 0x07]), SUCCESS);
    let written = host.written();
    // Exception 14 with error code 2.
    assert_eq!(written[&WHvRegisterPendingInterruption], 1 | 3 << 1 | 1 << 4 | 14 << 16 | 2 << 32);
    assert_eq!(written[&WHvX64RegisterCr2], u128::from(DATA));
    assert!(!written.contains_key(&WHvRegisterPendingEvent));
}

fn a_shadow_ends_with_the_instruction(_: &Engine) {
    let vp = with_state(long_mode(0), |state| state.set_InterruptShadow(1));
    let mut host = host();
    // NMIs stay masked.
    host.registers.insert(WHvRegisterInterruptState, 3);
    assert_eq!(mmio(&mut host, &vp, &[0x8B, 0x07]), SUCCESS);
    assert_eq!(host.written()[&WHvRegisterInterruptState], 2);
    host.asked.clear();
    let access = port_exit(&[0xE6, 0x80], 0x80, 1, true);
    assert_eq!(Emulator::new().io(&mut host, &vp, &access).AsUINT32(), SUCCESS);
    assert_eq!(host.written()[&WHvRegisterInterruptState], 2);
}

fn the_trap_flag_makes_a_debug_exception_pend(_: &Engine) {
    let mut vp = long_mode(0);
    // TF and RF.
    vp.set_Rflags(0x1_0302);
    vp.set_InstructionLength(2);
    let mut host = host();
    assert_eq!(mmio(&mut host, &vp, &[0x8B, 0x07]), SUCCESS);
    assert_eq!(host.written()[&WHvX64RegisterPendingDebugException], 1 << 4);
    assert_eq!(host.written()[&WHvX64RegisterRflags], 0x302, "RF ends with the instruction");
    host.asked.clear();
    let access = port_exit(&[0xE6, 0x80], 0x80, 1, true);
    assert_eq!(Emulator::new().io(&mut host, &vp, &access).AsUINT32(), SUCCESS);
    assert_eq!(host.written()[&WHvX64RegisterPendingDebugException], 1 << 4);
    // One iteration of a repeated instruction is a step.
    let mut host = super::emulator::host();
    host.registers.insert(WHvX64RegisterRcx, 3);
    assert_eq!(mmio(&mut host, &vp, &[0xF3, 0xAA]), SUCCESS);
    let written = host.written();
    assert_eq!(written[&WHvX64RegisterRip], u128::from(CODE));
    assert_eq!(written[&WHvX64RegisterRcx], 2);
    assert_eq!(written[&WHvX64RegisterPendingDebugException], 1 << 4);
}

fn a_data_breakpoint_pends(_: &Engine) {
    let vp = with_state(long_mode(0), |state| state.set_DebugActive(1));
    let mut host = host();
    // DR0: four bytes, writes.
    host.registers.insert(WHvX64RegisterDr7, 0xD_0401);
    assert_eq!(mmio(&mut host, &vp, &[0x89, 0x07]), SUCCESS);
    assert_eq!(host.written()[&WHvX64RegisterPendingDebugException], 1);
    host.asked.clear();
    assert_eq!(mmio(&mut host, &vp, &[0x8B, 0x07]), SUCCESS);
    assert!(!host.written().contains_key(&WHvX64RegisterPendingDebugException), "a read");
}

fn only_what_an_instruction_needs_is_read(_: &Engine) {
    let mut host = host();
    host.registers.insert(WHvX64RegisterRbx, 0x10);
    // mov [rdi + rbx * 2], ecx
    assert_eq!(mmio(&mut host, &long_mode(0), &[0x89, 0x0C, 0x5F]), SUCCESS);
    let reads: Vec<_> = host.asked.iter().filter(|asked| matches!(asked, Asked::Get(_))).collect();
    let [Asked::Get(names)] = reads.as_slice() else { panic!("{reads:x?}") };
    assert!(names.len() <= 6, "{names:?}");
    for name in [WHvX64RegisterRcx, WHvX64RegisterRbx, RDI] {
        assert!(names.contains(&name), "{names:?}");
    }
}

fn unknown_vector_parts_are_an_internal_failure(_: &Engine) {
    // vmovdqu [rdi], ymm1, on a host that knows the interface's own registers only.
    let store = [0xC5, 0xFE, 0x7F, 0x0F];
    let mut host = host();
    assert_eq!(mmio(&mut host, &long_mode(0), &store), 1 << 1);
    assert!(!host.has_set() && host.accesses().is_empty());
    host.asked.clear();
    host.registers.insert(WHV_REGISTER_NAME(0x4F57_0011), 7 << 64 | 6);
    assert_eq!(mmio(&mut host, &long_mode(0), &store), SUCCESS);
    let at = DATA + Tables::AHEAD;
    let piece = |n: u64, value: u64| Asked::Write(at + 8 * n, value.to_le_bytes().to_vec());
    assert_eq!(host.accesses(), [piece(0, 0xABCD), piece(1, 1), piece(2, 6), piece(3, 7)]);
    // vmovd xmm1, [rdi] clears what lies above.
    host.asked.clear();
    assert_eq!(mmio(&mut host, &long_mode(0), &[0xC5, 0xF9, 0x6E, 0x0F]), SUCCESS);
    assert_eq!(host.written()[&WHV_REGISTER_NAME(0x4F57_0011)], 0);
}
