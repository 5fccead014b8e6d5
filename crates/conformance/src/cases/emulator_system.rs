//! The instruction emulator and the system's own instructions: INVPCID, software interrupts, task switches, and the
//! page faults of protection keys.

use openwhp_abi::x64::*;

use super::cases;
use super::emulator::CODE;
use super::emulator::DATA;
use super::emulator::SUCCESS;
use super::emulator::host;
use super::emulator::long_mode;
use super::emulator::mmio;
use super::emulator::pending;
use super::emulator::real_mode;
use super::emulator::segment;
use super::emulator::segment_bits;
use super::emulator::with_state;
use super::long;
use super::long::TARGET;
use crate::Engine;
use crate::Machine;
use crate::emulator::Asked;
use crate::emulator::Client;
use crate::emulator::Tables;
use crate::machine;
use crate::machine::flat_segment;
use crate::machine::word;

cases! { "emulator, system instructions":
    invpcid_reads_its_descriptor_and_reloads_cr3 from "functions.md 11.3",
    invpcid_checks_its_operands from "functions.md 11.3",
    translations_end_with_an_invpcid_in_a_device from "functions.md 11.3",
    a_software_interrupt_goes_through_the_gate from "functions.md 11.3",
    a_software_interrupt_may_fault from "functions.md 11.3",
    software_interrupts_of_real_mode_go_through_the_vector_table from "functions.md 11.3",
    a_single_step_does_not_follow_a_software_interrupt from "functions.md 11.3, exits.md 5.6",
    a_far_pointer_in_a_device_switches_tasks from "functions.md 11.3",
    a_called_task_returns_to_the_old_address_space from "functions.md 11.3",
    a_fault_of_the_new_task_is_left_to_it from "functions.md 11.3",
    a_debugged_task_traps from "functions.md 11.3",
    a_switch_of_two_machines_is_the_same from "functions.md 11.3",
    a_protection_key_is_named_in_the_error_code from "functions.md 11.3, exits.md 5.3",
}

/// Where the descriptor table of [`host`] lies.
const GDT: u64 = 0x5000_0000;
const IDT: u64 = 0x5001_0000;
/// Stack pointer.
const STACK: u64 = 0x5002_0800;
/// Code that gates and tasks lead to.
const TARGET_CODE: u64 = 0x41_2345;

const PKRU: WHV_REGISTER_NAME = WHV_REGISTER_NAME(0x4F57_0500);

/// Puts bytes at a linear address.
fn put(host: &mut Tables, at: u64, bytes: &[u8]) {
    host.memory.extend((at + Tables::AHEAD..).zip(bytes.iter().copied()));
}

/// The little-endian number at a linear address.
fn number(host: &Tables, at: u64, size: u64) -> u64 {
    (0..size).rev().fold(0, |n, i| n << 8 | u64::from(host.memory[&(at + i + Tables::AHEAD)]))
}

/// A host with a code segment at selector 8, data at 16, an interrupt table, and the stack at [`STACK`].
fn system(code: u64) -> Tables {
    let mut host = host();
    for (n, descriptor) in [0, code, 0x00CF_9300_0000_FFFF, 0, 0].into_iter().enumerate() {
        put(&mut host, GDT + 8 * n as u64, &descriptor.to_le_bytes());
    }
    host.registers.insert(WHvX64RegisterIdtr, u128::from(IDT) << 64 | 0xFFF_u128 << 48);
    host.registers.insert(WHvX64RegisterCr3, 0x1_2000);
    host.registers.insert(WHvX64RegisterCr2, 0);
    host.registers.insert(WHvX64RegisterRsp, u128::from(STACK));
    host.registers.insert(WHvX64RegisterCs, segment_bits(0xA09B, u32::MAX) | 8 << 96);
    host.registers.insert(WHvX64RegisterSs, segment_bits(0xC093, u32::MAX) | 16 << 96);
    host
}

const LONG_CODE: u64 = 0x00AF_9B00_0000_FFFF;
const FLAT_CODE: u64 = 0x00CF_9B00_0000_FFFF;

fn invpcid_reads_its_descriptor_and_reloads_cr3(_: &Engine) {
    for kind in 0..4 {
        let mut host = system(LONG_CODE);
        host.registers.insert(WHvX64RegisterRax, kind);
        put(&mut host, DATA, &[0; 16]);
        // invpcid rax, [rdi]
        assert_eq!(mmio(&mut host, &long_mode(0), &[0x66, 0x0F, 0x38, 0x82, 0x07]), SUCCESS);
        let at = DATA + Tables::AHEAD;
        assert_eq!(host.accesses(), [Asked::Read(at, 8), Asked::Read(at + 8, 8)]);
        let written = host.written();
        assert_eq!(written[&WHvX64RegisterRip], u128::from(CODE + 5));
        assert_eq!(written[&WHvX64RegisterCr3], 0x1_2000, "the processor drops its translations");
    }
}

fn invpcid_checks_its_operands(_: &Engine) {
    let non_canonical = 0x8000_0000_0000_0000_u128 << 64;
    // Privilege level, type, descriptor.
    for (cpl, kind, descriptor) in
        [(3, 0, 0_u128), (0, 4, 0), (0, 1, 0x1000), (0, 1, 1), (0, 0, 1), (0, 0, non_canonical)]
    {
        let mut host = system(LONG_CODE);
        host.registers.insert(WHvX64RegisterRax, kind);
        put(&mut host, DATA, &descriptor.to_le_bytes());
        assert_eq!(mmio(&mut host, &long_mode(cpl), &[0x66, 0x0F, 0x38, 0x82, 0x07]), SUCCESS);
        assert_eq!(pending(&host), (13, true, 0, 0), "type {kind}, {descriptor:x}");
        assert_eq!(host.accesses().is_empty(), cpl == 3);
    }
}

fn translations_end_with_an_invpcid_in_a_device(engine: &Engine) {
    let code = [
        0x8A, 0x1C, 0x25, 0x00, 0x40, 0x00, 0x00, // mov bl, [0x4000]
        0xC6, 0x04, 0x25, 0x21, 0x30, 0x01, 0x00,
        0x50, // mov byte [0x13021], 0x50: page 4 is page 5 now
        0xB8, 0x02, 0x00, 0x00, 0x00, // mov eax, 2
        0x66, 0x0F, 0x38, 0x82, 0x07, // invpcid rax, [rdi]
        0x8A, 0x3C, 0x25, 0x00, 0x40, 0x00, 0x00, // mov bh, [0x4000]
    ];
    let machine = long::machine(engine, &code);
    machine.memory.write(0x4000, &[0x44]);
    machine.memory.write(0x5000, &[0x55]);
    machine.memory.write_u64(0x13020, 0x4103); // global
    machine.set(
        0,
        &[
            (WHvX64RegisterRdi, word(TARGET)),
            (WHvX64RegisterRbx, word(0)),
            (WHvX64RegisterCr4, word(0x4_06A0)),
        ],
    );
    let mut client = Client::new(&machine, TARGET, 0x1000);
    assert_eq!(client.run(), WHvRunVpExitReasonX64Halt);
    assert_eq!(client.accesses, [(TARGET, 8, false), (TARGET + 8, 8, false)]);
    assert_eq!(machine.get64(0, WHvX64RegisterRbx), 0x5544);
}

/// Writes the 64-bit interrupt gate of a vector.
fn long_gate(host: &mut Tables, vector: u64, kind: u64) {
    let low = TARGET_CODE & 0xFFFF | 8 << 16 | kind << 40 | (TARGET_CODE >> 16) << 48;
    put(host, IDT + 16 * vector, &u128::from(low).to_le_bytes());
}

fn a_software_interrupt_goes_through_the_gate(_: &Engine) {
    let cases: [(&[u8], u64); 3] = [(&[0xCD, 0x80], 0x80), (&[0xCC], 3), (&[0xF1], 1)];
    for (bytes, vector) in cases {
        let mut host = system(LONG_CODE);
        long_gate(&mut host, vector, 0x8E);
        assert_eq!(mmio(&mut host, &long_mode(0), bytes), SUCCESS);
        let written = host.written();
        assert_eq!(written[&WHvX64RegisterRip], u128::from(TARGET_CODE));
        assert_eq!(written[&WHvX64RegisterRflags], 2, "an interrupt gate masks");
        assert_eq!(written[&WHvX64RegisterRsp], u128::from(STACK - 40));
        let frame: Vec<_> = (0..5).map(|n| number(&host, STACK - 40 + 8 * n, 8)).collect();
        assert_eq!(frame, [CODE + bytes.len() as u64, 8, 0x202, STACK, 16]);
    }
}

fn a_software_interrupt_may_fault(_: &Engine) {
    // The gate is not present; it is for level 0 only.
    for (cpl, kind, vector) in [(0, 0x0E, 11), (3, 0x8E, 13)] {
        let mut host = system(LONG_CODE);
        long_gate(&mut host, 0x80, kind);
        assert_eq!(mmio(&mut host, &long_mode(cpl), &[0xCD, 0x80]), SUCCESS);
        assert_eq!(pending(&host), (vector, true, 0x80 * 8 + 2, 0));
        assert_eq!(host.written().len(), 1);
    }
    // Its stack is not there.
    let mut host = system(LONG_CODE);
    long_gate(&mut host, 0x80, 0x8E);
    host.results.insert(STACK & !0xFFF, WHvTranslateGvaResultPageNotPresent);
    assert_eq!(mmio(&mut host, &long_mode(0), &[0xCD, 0x80]), SUCCESS);
    assert_eq!(pending(&host), (14, true, 2, STACK - 8));
}

fn software_interrupts_of_real_mode_go_through_the_vector_table(_: &Engine) {
    let cases: [(&[u8], u64, bool); 4] =
        [(&[0xCD, 0x21], 0x21, true), (&[0xCC], 3, true), (&[0xCE], 4, true), (&[0xCE], 4, false)];
    for (bytes, vector, is_taken) in cases {
        let mut host = system(0);
        host.registers.insert(WHvX64RegisterIdtr, 0x3FF << 48);
        host.registers.insert(WHvX64RegisterCr0, 0x10);
        host.registers.insert(WHvX64RegisterCr4, 0);
        host.registers.insert(WHvX64RegisterEfer, 0);
        host.registers.insert(WHvX64RegisterRsp, 0x800);
        for name in [WHvX64RegisterDs, WHvX64RegisterEs, WHvX64RegisterSs, WHvX64RegisterFs, WHvX64RegisterGs]
        {
            host.registers.insert(name, segment_bits(0x93, 0xFFFF));
        }
        host.registers.insert(WHvX64RegisterCs, segment_bits(0x9B, 0xFFFF));
        put(&mut host, 4 * vector, &[0x34, 0x12, 0x00, 0x20]);
        let mut vp = real_mode();
        vp.set_Rflags(if is_taken { 0xA02 } else { 0x202 });
        assert_eq!(mmio(&mut host, &vp, bytes), SUCCESS);
        let written = host.written();
        let next = 0x1000 + bytes.len() as u64;
        if is_taken {
            assert_eq!(written[&WHvX64RegisterRip], 0x1234);
            assert_eq!(written[&WHvX64RegisterCs] as u64, 0x2_0000, "the base");
            let frame: Vec<_> = (0..3).map(|n| number(&host, 0x7FA + 2 * n, 2)).collect();
            assert_eq!(frame, [next, 0, 0xA02]);
        } else {
            assert_eq!(written[&WHvX64RegisterRip], u128::from(next));
            assert!(host.accesses().is_empty());
        }
    }
}

fn a_single_step_does_not_follow_a_software_interrupt(_: &Engine) {
    let mut host = system(LONG_CODE);
    long_gate(&mut host, 0x80, 0x8E);
    let mut vp = long_mode(0);
    vp.set_Rflags(0x302);
    assert_eq!(mmio(&mut host, &vp, &[0xCD, 0x80]), SUCCESS);
    assert_eq!(host.written()[&WHvX64RegisterRflags], 2);
    assert!(!host.written().contains_key(&WHvX64RegisterPendingDebugException));
}

const OLD_TSS: u64 = 0x5003_0000;
const NEW_TSS: u64 = 0x5003_1000;
/// Selectors of the two tasks.
const OLD_TASK: u16 = 0x18;
const NEW_TASK: u16 = 0x20;
/// Tables of the new task's address space, physical, and the pages they lead to.
const NEW_TABLES: u64 = 0x7_0000;
/// Where the new address space has what lies at [`GDT`]: elsewhere than the old one.
const NEW_PAGE: u64 = 0x9_0000;

fn task_descriptor(base: u64, is_busy: bool) -> [u8; 8] {
    let kind = if is_busy { 0x8B_u64 } else { 0x89 };
    (0x67 | (base & 0xFF_FFFF) << 16 | kind << 40 | (base >> 24) << 56).to_le_bytes()
}

/// A host in 32-bit protected mode with two-level paging and two tasks, each with its own address space.
///
/// The callbacks translate for the first alone; of the other nothing is known but its tables in memory, which map its
/// descriptor table and no more.
fn tasks() -> Tables {
    let mut host = system(FLAT_CODE);
    for (at, is_busy) in [(OLD_TSS, true), (NEW_TSS, false)] {
        let selector = if is_busy { OLD_TASK } else { NEW_TASK };
        put(&mut host, GDT + u64::from(selector), &task_descriptor(at, is_busy));
    }
    let physical = |host: &mut Tables, at: u64, bytes: &[u8]| {
        host.memory.extend((at..).zip(bytes.iter().copied()));
    };
    for at in [OLD_TSS, NEW_TSS] {
        put(&mut host, at, &[0; 0x68]);
    }
    for (at, value) in [
        (0x1C, NEW_TABLES),
        (0x20, TARGET_CODE),
        (0x24, 2),
        (0x28, 0xAAAA),
        (0x38, 0x800),
        (0x48, 16),
        (0x4C, 8),
        (0x50, 16),
        (0x54, 16),
    ] {
        put(&mut host, NEW_TSS + at, &(value as u32).to_le_bytes());
    }
    for entry in 0..1024 {
        physical(&mut host, NEW_TABLES + 4 * entry, &[0; 4]);
        physical(&mut host, NEW_TABLES + 0x1000 + 4 * entry, &[0; 4]);
    }
    physical(&mut host, NEW_TABLES + 4 * (GDT >> 22), &(NEW_TABLES as u32 + 0x1003).to_le_bytes());
    physical(&mut host, NEW_TABLES + 0x1000, &(NEW_PAGE as u32 | 3).to_le_bytes());
    for (n, descriptor) in [0, FLAT_CODE & !(1 << 40), 0x00CF_9300_0000_FFFF].into_iter().enumerate() {
        physical(&mut host, NEW_PAGE + 8 * n as u64, &descriptor.to_le_bytes());
    }
    host.registers.extend([
        (WHvX64RegisterCr0, 0x8001_0013),
        (WHvX64RegisterCr4, 0),
        (WHvX64RegisterEfer, 0),
        (WHvX64RegisterCs, segment_bits(0xC09B, u32::MAX) | 8 << 96),
        (WHvX64RegisterTr, segment_bits(0x8B, 0x67) | u128::from(OLD_TASK) << 96 | u128::from(OLD_TSS)),
        (WHvX64RegisterLdtr, segment_bits(0x82, 0xFFFF)),
    ]);
    for n in 0..8 {
        host.registers.insert(WHV_REGISTER_NAME(n), u128::from(0x1000_0000 | n));
    }
    host.registers.insert(WHvX64RegisterRdi, u128::from(DATA));
    for name in [WHvX64RegisterDs, WHvX64RegisterEs, WHvX64RegisterSs] {
        host.registers.insert(name, segment_bits(0xC093, u32::MAX) | 16 << 96);
    }
    // The far pointer that the instructions under test read.
    put(&mut host, DATA, &[0, 0, 0, 0, NEW_TASK as u8, 0]);
    host
}

fn protected() -> WHV_VP_EXIT_CONTEXT {
    let mut vp = with_state(long_mode(0), |state| state.set_EferLma(0));
    vp.set_Cs(segment(0xC09B, u32::MAX));
    vp
}

/// jmp far [edi]
const JUMP: [u8; 2] = [0xFF, 0x2F];
/// call far [edi]
const CALL: [u8; 2] = [0xFF, 0x1F];

fn a_far_pointer_in_a_device_switches_tasks(_: &Engine) {
    let mut host = tasks();
    assert_eq!(mmio(&mut host, &protected(), &JUMP), SUCCESS);
    let written = host.written();
    let low = |name: WHV_REGISTER_NAME| written[&name] as u64;
    assert_eq!(low(WHvX64RegisterRip), TARGET_CODE);
    assert_eq!(low(WHvX64RegisterRflags), 2);
    assert_eq!(low(WHvX64RegisterRax), 0xAAAA);
    assert_eq!(low(WHvX64RegisterRsp), 0x800);
    assert_eq!(low(WHvX64RegisterRdi), 0);
    assert_eq!(low(WHvX64RegisterCr3), NEW_TABLES);
    assert_eq!(low(WHvX64RegisterCr0), 0x8001_001B, "TS");
    assert_eq!(low(WHvX64RegisterTr), NEW_TSS);
    assert_eq!(written[&WHvX64RegisterTr] >> 96, 0x8B << 16 | u128::from(NEW_TASK));
    // The old task.
    assert_eq!(number(&host, OLD_TSS + 0x20, 4), CODE + 2);
    assert_eq!(number(&host, OLD_TSS + 0x28, 4), 0x1000_0000);
    assert_eq!(number(&host, OLD_TSS + 0x4C, 2), 8);
    assert_eq!(number(&host, GDT + u64::from(OLD_TASK) + 5, 1), 0x89);
    assert_eq!(number(&host, GDT + u64::from(NEW_TASK) + 5, 1), 0x8B);
    // The new one found its segments through its own tables, and marked both.
    assert_eq!(host.memory[&(NEW_PAGE + 8 + 5)], 0x9B);
    assert_eq!(host.memory[&(NEW_TABLES + 4 * (GDT >> 22))] & 0x20, 0x20);
    assert_eq!(host.memory[&(NEW_TABLES + 0x1000)] & 0x60, 0x60);
}

fn a_called_task_returns_to_the_old_address_space(_: &Engine) {
    let mut host = tasks();
    assert_eq!(mmio(&mut host, &protected(), &CALL), SUCCESS);
    let written = host.written();
    assert_eq!(written[&WHvX64RegisterRflags], 0x4002, "NT");
    assert_eq!(number(&host, NEW_TSS, 2), u64::from(OLD_TASK));
    assert_eq!(number(&host, GDT + u64::from(OLD_TASK) + 5, 1), 0x8B);
    // IRET: both spaces are the same now, as the callbacks know no other.
    let mut host = tasks();
    put(&mut host, OLD_TSS, &NEW_TASK.to_le_bytes());
    put(&mut host, GDT + u64::from(NEW_TASK), &task_descriptor(NEW_TSS, true));
    put(&mut host, NEW_TSS + 0x1C, &0x1_2000_u32.to_le_bytes());
    let mut vp = protected();
    vp.set_Rflags(0x4002);
    assert_eq!(mmio(&mut host, &vp, &[0xCF]), SUCCESS);
    let written = host.written();
    assert_eq!(written[&WHvX64RegisterRip], u128::from(TARGET_CODE));
    assert_eq!(written[&WHvX64RegisterRflags], 2);
    assert_eq!(number(&host, OLD_TSS + 0x24, 4), 2, "saved without NT");
    assert_eq!(number(&host, GDT + u64::from(OLD_TASK) + 5, 1), 0x89);
}

fn a_fault_of_the_new_task_is_left_to_it(_: &Engine) {
    // Its data segment is no segment.
    let mut host = tasks();
    put(&mut host, NEW_TSS + 0x54, &0x38_u32.to_le_bytes());
    host.registers.insert(WHvX64RegisterGdtr, u128::from(GDT) << 64 | 0x27 << 48);
    assert_eq!(mmio(&mut host, &protected(), &JUMP), SUCCESS);
    let written = host.written();
    assert_eq!(written[&WHvX64RegisterRip], u128::from(TARGET_CODE));
    assert_eq!(written[&WHvX64RegisterCr3], u128::from(NEW_TABLES));
    // #TS with the selector, delivered by the new task.
    assert_eq!(written[&WHvRegisterPendingEvent], 1 | 1 << 8 | 10 << 16 | 0x38 << 32);
    // Its tables do not map the descriptor table.
    let mut host = tasks();
    host.memory.insert(NEW_TABLES + 0x1000, 0);
    assert_eq!(mmio(&mut host, &protected(), &JUMP), SUCCESS);
    let written = host.written();
    assert_eq!(written[&WHvX64RegisterRip], u128::from(TARGET_CODE));
    assert_eq!(written[&WHvRegisterPendingEvent], u128::from(GDT + 8) << 64 | 1 | 1 << 8 | 14 << 16);
    // The new task is not available: nothing has happened.
    let mut host = tasks();
    put(&mut host, GDT + u64::from(NEW_TASK), &task_descriptor(NEW_TSS, true));
    assert_eq!(mmio(&mut host, &protected(), &JUMP), SUCCESS);
    assert_eq!(pending(&host), (13, true, u64::from(NEW_TASK), 0));
    assert_eq!(host.written().len(), 1);
}

fn a_debugged_task_traps(_: &Engine) {
    let mut host = tasks();
    put(&mut host, NEW_TSS + 0x64, &[1, 0]);
    assert_eq!(mmio(&mut host, &protected(), &JUMP), SUCCESS);
    let written = host.written();
    assert_eq!(written[&WHvX64RegisterRip], u128::from(TARGET_CODE));
    assert_eq!(written[&WHvRegisterPendingEvent], 1 << 79 | 1 | 1 << 16, "#DB with DR6.BT");
}

fn a_switch_of_two_machines_is_the_same(engine: &Engine) {
    let plain = real_tasks(engine);
    long::map_target(&plain, plain.memory.address(), machine::PAGE);
    plain.memory.write(0, &POINTER);
    plain.run_to(0, WHvRunVpExitReasonX64Halt);
    let other = real_tasks(engine);
    let mut client = Client::new(&other, TARGET, 0x1000);
    client.device[..6].copy_from_slice(&POINTER);
    assert_eq!(client.run(), WHvRunVpExitReasonX64Halt);
    assert!(!client.accesses.is_empty());
    let names: Vec<_> = (0..0x20).map(WHV_REGISTER_NAME).collect();
    let all = |machine: &Machine| -> Vec<_> {
        let values = machine.try_get(0, &names).expect("registers");
        values.iter().map(crate::emulator::bits_of).collect()
    };
    assert_eq!(all(&other), all(&plain));
    assert_eq!(other.get64(0, WHvX64RegisterRip), 0x2001);
    assert_eq!(other.get64(0, WHvX64RegisterCr3), 0x1_4000);
    assert!(
        other.memory.read(0x1000, 0x1_8000) == plain.memory.read(0x1000, 0x1_8000),
        "tasks, descriptors or tables differ"
    );
}

const POINTER: [u8; 6] = [0, 0, 0, 0, 0x20, 0];

/// A machine in 32-bit protected mode with two address spaces, at a far CALL through [`TARGET`] to a second task.
fn real_tasks(engine: &Engine) -> Machine {
    // call far [0x200000]
    let machine = Machine::real_mode(engine, &[0xFF, 0x1D, 0x00, 0x00, 0x20, 0x00], |_| ());
    let memory = &machine.memory;
    let dword = |at: u64, value: u64| memory.write(at, &(value as u32).to_le_bytes());
    memory.write(0x2000, &[0xF4]);
    for (n, value) in [0, FLAT_CODE & !(1 << 40), 0x00CF_9200_0000_FFFF].into_iter().enumerate() {
        memory.write_u64(0x3000 + 8 * n as u64, value);
    }
    memory.write(0x3018, &task_descriptor(0x4000, true));
    memory.write(0x3020, &task_descriptor(0x5000, false));
    for (at, value) in [
        (0x1C, 0x1_4000),
        (0x20, 0x2000),
        (0x24, 2),
        (0x2C, 0xCCCC),
        (0x38, 0x6800),
        (0x48, 16),
        (0x4C, 8),
        (0x50, 16),
        (0x54, 16),
    ] {
        dword(0x5000 + at, value);
    }
    // The second space maps the first 64 KiB alone.
    for (tables, pages) in [(0x1_0000, 0x300), (0x1_4000, 0x10)] {
        dword(tables, tables + 0x1003);
        (0..pages).for_each(|page| dword(tables + 0x1000 + 4 * page, page << 12 | 3));
    }
    let data = flat_segment(16, 0, u32::MAX, 0xC093);
    let mut gdtr = WHV_REGISTER_VALUE::default();
    gdtr.set_Table(WHV_X64_TABLE_REGISTER { Limit: 0x27, Base: 0x3000, ..Default::default() });
    machine.set(
        0,
        &[
            (WHvX64RegisterCr0, word(0x8001_0011)),
            (WHvX64RegisterCr3, word(0x1_0000)),
            (WHvX64RegisterCs, flat_segment(8, 0, u32::MAX, 0xC09B)),
            (WHvX64RegisterDs, data),
            (WHvX64RegisterEs, data),
            (WHvX64RegisterSs, data),
            (WHvX64RegisterTr, flat_segment(0x18, 0x4000, 0x67, 0x8B)),
            (WHvX64RegisterGdtr, gdtr),
            (WHvX64RegisterRsp, word(0x6400)),
        ],
    );
    machine
}

/// A host whose page tables give the page at [`DATA`] the protection key 3.
fn keyed(pkru: u128) -> Tables {
    let mut host = host();
    host.results.insert(DATA, WHvTranslateGvaResultPrivilegeViolation);
    host.registers.insert(WHvX64RegisterCr3, 0x1_0000);
    host.registers.insert(WHvX64RegisterCr4, 0x44_0620);
    host.registers.insert(PKRU, pkru);
    let entries = [
        (0x1_0000, 0x1_1007),
        (0x1_1000 + 8 * (DATA >> 30), 0x1_2007),
        (0x1_2000 + 8 * (DATA >> 21 & 511), 0x1_3007),
        (0x1_3000 + 8 * (DATA >> 12 & 511), 0xF_F007 | 3 << 59),
    ];
    for (at, entry) in entries {
        host.memory.extend((at..).zip(u64::to_le_bytes(entry)));
    }
    host
}

fn a_protection_key_is_named_in_the_error_code(_: &Engine) {
    // PKRU, privilege level, whether it writes; error code.
    let expected = [
        (1 << 6, 3, false, 0x25),
        (1 << 6, 0, true, 0x23),
        (2 << 6, 3, true, 0x27),
        (0, 3, false, 5),
        // No key denies a read to who may only not write.
        (2 << 6, 3, false, 5),
    ];
    for (pkru, cpl, is_write, code) in expected {
        let mut host = keyed(pkru);
        let bytes: &[u8] = if is_write { &[0x89, 0x07] } else { &[0x8B, 0x07] };
        assert_eq!(mmio(&mut host, &long_mode(cpl), bytes), SUCCESS);
        assert_eq!(pending(&host), (14, true, code, DATA), "PKRU {pkru:x}, level {cpl}");
    }
    // Keys are off, or the host knows no PKRU.
    for change in [
        |host: &mut Tables| host.registers.insert(WHvX64RegisterCr4, 0x4_0620),
        |host: &mut Tables| host.registers.remove(&PKRU),
    ] {
        let mut host = keyed(1 << 6);
        change(&mut host);
        assert_eq!(mmio(&mut host, &long_mode(3), &[0x8B, 0x07]), SUCCESS);
        assert_eq!(pending(&host), (14, true, 5, DATA));
    }
}
