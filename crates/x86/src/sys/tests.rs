//! Segmentation, event delivery, far transfers and tasks on bare descriptor tables.

mod debug;
mod tasks;

use crate::cpu::vector::BP;
use crate::cpu::vector::DB;
use crate::cpu::vector::GP;
use crate::cpu::vector::NP;
use crate::cpu::vector::TS;
use crate::cpu::vector::UD;
use crate::exit::CpuExit;
use crate::model::Vendor;
use crate::state::*;
use crate::testing::CODE;
use crate::testing::DATA;
use crate::testing::Machine;
use crate::testing::STACK;

/// What [`Machine::fault`] gives.
type Fault = Option<(u8, Option<u32>)>;

const GDT: u64 = DATA;
const IDT: u64 = DATA + 0x1000;
const TSS: u64 = DATA + 0x2000;
const TSS2: u64 = DATA + 0x3000;
const LDT: u64 = DATA + 0x4000;
/// Handlers live here.
const HANDLER: u64 = DATA + 0x5000;
/// Stack of level 0.
const STACK0: u64 = DATA + 0x8000;
/// A page for odds and ends.
const PAGE: u64 = DATA + 0x9000;

const CODE0: u16 = 0x08;
const DATA0: u16 = 0x10;
const CODE3: u16 = 0x1b;
const DATA3: u16 = 0x23;
const TASK: u16 = 0x28;
const TASK2: u16 = 0x38;
const LOCAL: u16 = 0x48;
/// The stack-fault vector (`SS` is the segment index here).
const SS_VEC: u8 = crate::cpu::vector::SS;
/// First free descriptor.
const FREE: u16 = 0x60;

/// A descriptor: base, 20-bit limit, access byte, flags nibble (G, D/B, L, AVL).
fn desc(base: u64, limit: u64, access: u64, flags: u64) -> u64 {
    limit & 0xffff
        | (base & 0xff_ffff) << 16
        | access << 40
        | (limit >> 16 & 0xf) << 48
        | flags << 52
        | (base >> 24 & 0xff) << 56
}

/// A gate to `sel:off`: `access` holds type, DPL and P, `extra` the parameter count or IST.
fn gate(sel: u16, off: u64, access: u64, extra: u64) -> u64 {
    off & 0xffff | u64::from(sel) << 16 | extra << 32 | access << 40 | (off >> 16 & 0xffff) << 48
}

fn put_desc(m: &Machine, sel: u16, v: u64) {
    m.ram.put::<8>(GDT + u64::from(sel & !7), v);
}

/// Sets up the tables; `bits` 32 or 64.
fn with_tables(mut m: Machine, bits: u32) -> Machine {
    let long = bits == 64;
    let flags = if long { 0xa } else { 0xc };
    put_desc(&m, CODE0, desc(0, 0xf_ffff, 0x9b, flags));
    put_desc(&m, DATA0, desc(0, 0xf_ffff, 0x93, 0xc));
    put_desc(&m, CODE3, desc(0, 0xf_ffff, 0xfb, flags));
    put_desc(&m, DATA3, desc(0, 0xf_ffff, 0xf3, 0xc));
    put_desc(&m, TASK, desc(TSS, 0x7f, 0x8b, 0));
    put_desc(&m, TASK2, desc(TSS2, 0x7f, 0x89, 0));
    put_desc(&m, LOCAL, desc(LDT, 0xfff, 0x82, 0));
    let s = &mut m.cpu.s;
    s.gdtr = Table { base: GDT, limit: 0xfff };
    s.idtr = Table { base: IDT, limit: 0xfff };
    s.seg[TR] = Segment { base: TSS, limit: 0x7f, selector: TASK, attrs: 0x8b };
    s.seg[LDTR] = Segment { base: LDT, limit: 0xfff, selector: LOCAL, attrs: 0x82 };
    if long {
        m.ram.put::<8>(TSS + 4, STACK0);
    } else {
        m.ram.put::<4>(TSS + 4, STACK0);
        m.ram.put::<4>(TSS + 8, DATA0.into());
    }
    m
}

fn protected(code: &[u8]) -> Machine {
    with_tables(Machine::protected(32, code), 32)
}

fn long(code: &[u8]) -> Machine {
    with_tables(Machine::long_mode(code), 64)
}

/// User code in the tables' own segments.
fn user(m: Machine) -> Machine {
    let mut m = m.user();
    m.cpu.s.seg[CS].selector = CODE3;
    m.cpu.s.seg[SS].selector = DATA3;
    m
}

fn set_gate(m: &Machine, vec: u64, v: u64) {
    m.ram.put::<8>(IDT + vec * 8, v);
}

fn set_gate64(m: &Machine, vec: u64, v: u64) {
    m.ram.put::<8>(IDT + vec * 16, v);
    m.ram.put::<8>(IDT + vec * 16 + 8, 0);
}

fn words(m: &Machine, at: u64, n: u64) -> Vec<u64> {
    (0..n).map(|i| m.ram.get::<4>(at + i * 4)).collect()
}

fn quads(m: &Machine, at: u64, n: u64) -> Vec<u64> {
    (0..n).map(|i| m.ram.get::<8>(at + i * 8)).collect()
}

const MOV_DS_AX: [u8; 2] = [0x8e, 0xd8];
const MOV_SS_AX: [u8; 2] = [0x8e, 0xd0];

#[test]
fn loading_a_data_segment_checks_the_descriptor() {
    // (selector, descriptor, expected fault)
    let flat = |access| desc(0, 0xf_ffff, access, 0xc);
    let cases: &[(u16, u64, Fault)] = &[
        (FREE, flat(0x92), None),
        (FREE, flat(0x90), None),
        (FREE | 3, flat(0xf2), None),
        (FREE | 3, flat(0x92), Some((GP, Some(0x60)))),
        (FREE, flat(0x12), Some((NP, Some(0x60)))),
        (FREE, flat(0x9a), None),
        (FREE, flat(0x98), Some((GP, Some(0x60)))),
        (FREE | 3, flat(0x9e), None),
        (FREE, flat(0x89), Some((GP, Some(0x60)))),
        (0x1000, flat(0x92), Some((GP, Some(0x1000)))),
        (0x1004, flat(0x92), Some((GP, Some(0x1004)))),
    ];
    for &(sel, d, want) in cases {
        let mut m = protected(&MOV_DS_AX);
        put_desc(&m, FREE, d);
        m.cpu.s.gpr[RAX] = sel.into();
        assert_eq!(m.fault(), want, "{sel:#x} {d:#x}");
        if want.is_none() {
            assert_eq!(m.cpu.s.seg[DS].selector, sel);
            assert_eq!(m.ram.get::<8>(GDT + 0x60) >> 40 & 1, 1, "accessed bit");
        } else {
            assert_eq!(m.cpu.s.seg[DS].selector, 16);
        }
    }
}

#[test]
fn a_null_data_segment_loads_and_cannot_be_used() {
    // mov ds, ax; mov al, [0]
    let mut m = protected(&[0x8e, 0xd8, 0xa0, 0, 0, 0, 0]);
    m.cpu.s.gpr[RAX] = 3;
    m.steps(1);
    assert_eq!(m.cpu.s.seg[DS].selector, 3);
    assert_eq!(m.fault(), Some((GP, Some(0))));
}

#[test]
fn loading_the_stack_segment_checks_the_descriptor() {
    let flat = |access| desc(0, 0xf_ffff, access, 0xc);
    let cases: &[(u16, u64, Fault)] = &[
        (FREE, flat(0x92), None),
        (0, 0, Some((GP, Some(0)))),
        (FREE, flat(0x90), Some((GP, Some(0x60)))),
        (FREE | 1, flat(0x92), Some((GP, Some(0x60)))),
        (FREE, flat(0xf2), Some((GP, Some(0x60)))),
        (FREE, flat(0x9a), Some((GP, Some(0x60)))),
        (FREE, flat(0x12), Some((SS_VEC, Some(0x60)))),
    ];
    for &(sel, d, want) in cases {
        let mut m = protected(&MOV_SS_AX);
        put_desc(&m, FREE, d);
        m.cpu.s.gpr[RAX] = sel.into();
        assert_eq!(m.fault(), want, "{sel:#x} {d:#x}");
        assert_eq!(m.cpu.s.events.shadow_ss, want.is_none());
    }
}

#[test]
fn null_stack_segment_is_legal_only_below_level_3_in_64_bit_mode() {
    let mut m = long(&MOV_SS_AX);
    m.cpu.s.gpr[RAX] = 0;
    assert_eq!(m.fault(), None);
    let mut m = user(long(&MOV_SS_AX));
    m.cpu.s.gpr[RAX] = 3;
    assert_eq!(m.fault(), Some((GP, Some(0))));
}

#[test]
fn limits_and_rights_are_enforced() {
    // mov [ebx], eax with DS described by each case
    let cases = [
        (desc(0x1000, 0xfff, 0x93, 0x4), 0xffcu64, true),
        (desc(0x1000, 0xfff, 0x93, 0x4), 0xffd, false),
        (desc(0x1000, 0xfff, 0x91, 0x4), 0, false),
        // Expand-down: valid above the limit.
        (desc(0, 0xfff, 0x97, 0x4), 0x1000, true),
        (desc(0, 0xfff, 0x97, 0x4), 0xfff, false),
        (desc(0, 0xfff, 0x97, 0x0), 0xfffd, false),
        (desc(0, 0xfff, 0x97, 0x0), 0xfffc, true),
        (desc(0, 0xf_ffff, 0x9b, 0xc), 0, false),
    ];
    for (d, ea, ok) in cases {
        // mov ds, cx; mov [ebx], eax
        let mut m = protected(&[0x8e, 0xd9, 0x89, 0x03]);
        put_desc(&m, FREE, d);
        m.cpu.s.gpr[RCX] = FREE.into();
        m.cpu.s.gpr[RBX] = ea;
        m.steps(1);
        assert_eq!(m.fault(), if ok { None } else { Some((GP, Some(0))) }, "{d:#x} {ea:#x}");
    }
}

#[test]
fn real_mode_keeps_the_limit_of_an_unreal_segment() {
    // mov ds, ax; mov [ebx], al (address size 32)
    let mut m = Machine::real_mode(&[0x8e, 0xd8, 0x67, 0x88, 0x03]);
    m.cpu.s.seg[DS].limit = u32::MAX;
    m.cpu.s.gpr[RAX] = 0x10;
    m.cpu.s.gpr[RBX] = PAGE;
    m.steps(2);
    assert_eq!(m.cpu.s.seg[DS].limit, u32::MAX);
    assert_eq!(m.cpu.s.seg[DS].base, 0x100);
    assert_eq!(m.ram.get::<1>(PAGE + 0x100), 0x10);
    let mut m = Machine::real_mode(&[0x67, 0x88, 0x03]);
    m.cpu.s.gpr[RBX] = 0x1_0000;
    assert_eq!(m.fault(), Some((GP, Some(0))));
}

#[test]
fn far_jumps_check_the_target() {
    let code = |access| desc(0, 0xf_ffff, access, 0xc);
    let cases: &[(u16, u64, Fault)] = &[
        (FREE, code(0x9a), None),
        (0, 0, Some((GP, Some(0)))),
        (FREE, code(0x92), Some((GP, Some(0x60)))),
        (FREE, code(0xfa), Some((GP, Some(0x60)))),
        (FREE | 1, code(0x9a), Some((GP, Some(0x60)))),
        (FREE | 3, code(0x9e), None),
        (FREE, code(0x1a), Some((NP, Some(0x60)))),
        (FREE, desc(0, 0x10, 0x9a, 0x4), Some((GP, Some(0)))),
        (FREE, desc(0, 0x7f, 0x8b, 0), Some((GP, Some(0x60)))),
        (FREE, gate(CODE0, HANDLER, 0x8e, 0), Some((GP, Some(0x60)))),
        (FREE, gate(CODE0, HANDLER, 0x8c, 0), None),
        (FREE, gate(CODE0, HANDLER, 0x0c, 0), Some((NP, Some(0x60)))),
        (FREE | 1, gate(CODE0, HANDLER, 0x8c, 0), Some((GP, Some(0x60)))),
        (FREE, gate(0, HANDLER, 0x8c, 0), Some((GP, Some(0)))),
        (FREE, gate(DATA0, HANDLER, 0x8c, 0), Some((GP, Some(0x10)))),
        (0x2000, 0, Some((GP, Some(0x2000)))),
    ];
    for &(sel, d, want) in cases {
        let [lo, hi] = sel.to_le_bytes();
        let off = (HANDLER as u32).to_le_bytes();
        let mut m = protected(&[0xea, off[0], off[1], off[2], off[3], lo, hi]);
        put_desc(&m, FREE, d);
        assert_eq!(m.fault(), want, "{sel:#x} {d:#x}");
        if want.is_none() {
            assert_eq!(m.cpu.s.rip, HANDLER);
            assert_eq!(m.cpu.s.seg[CS].selector & 3, 0);
        } else {
            assert_eq!(m.cpu.s.rip, CODE);
        }
    }
}

#[test]
fn a_call_gate_switches_stacks_and_copies_parameters() {
    // call far FREE|3:0 at level 3; handler: retf 8
    let mut m = user(protected(&[0x9a, 0, 0, 0, 0, 0x63, 0]));
    put_desc(&m, FREE, gate(CODE0, HANDLER, 0xec, 2));
    m.ram.write(HANDLER, &[0xca, 8, 0]);
    m.ram.put::<4>(STACK, 0x1111);
    m.ram.put::<4>(STACK + 4, 0x2222);
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.cpl, s.seg[CS].selector, s.seg[SS].selector), (HANDLER, 0, CODE0, DATA0));
    assert_eq!(s.gpr[RSP], STACK0 - 24);
    assert_eq!(words(&m, STACK0 - 24, 6), [CODE + 7, CODE3.into(), 0x1111, 0x2222, STACK, DATA3.into()]);
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.cpl, s.seg[CS].selector, s.seg[SS].selector), (CODE + 7, 3, CODE3, DATA3));
    assert_eq!(s.gpr[RSP], STACK + 8);
}

#[test]
fn a_bad_inner_stack_is_an_invalid_tss() {
    let run = |set: &dyn Fn(&mut Machine)| {
        let mut m = user(protected(&[0x9a, 0, 0, 0, 0, 0x63, 0]));
        put_desc(&m, FREE, gate(CODE0, HANDLER, 0xec, 0));
        set(&mut m);
        m.fault()
    };
    assert_eq!(run(&|_| ()), None);
    assert_eq!(run(&|m| m.ram.put::<4>(TSS + 8, 0)), Some((TS, Some(0))));
    assert_eq!(run(&|m| m.ram.put::<4>(TSS + 8, 0x2000)), Some((TS, Some(0x2000))));
    assert_eq!(run(&|m| m.ram.put::<4>(TSS + 8, DATA3.into())), Some((TS, Some(0x20))));
    assert_eq!(run(&|m| m.ram.put::<4>(TSS + 8, CODE0.into())), Some((TS, Some(0x08))));
    assert_eq!(run(&|m| m.cpu.s.seg[TR].limit = 8), Some((TS, Some(TASK.into()))));
    assert_eq!(run(&|m| put_desc(m, DATA0, desc(0, 0xf_ffff, 0x13, 0xc))), Some((SS_VEC, Some(0x10))));
    assert_eq!(run(&|m| put_desc(m, DATA0, desc(0, 0xff, 0x93, 0x4))), Some((SS_VEC, Some(0x10))));
}

#[test]
fn returning_outwards_nulls_privileged_data_segments() {
    // retf to level 3
    let mut m = protected(&[0xcb]);
    for (n, v) in [HANDLER, CODE3.into(), 0x5000, DATA3.into()].into_iter().enumerate() {
        m.ram.put::<4>(STACK + n as u64 * 4, v);
    }
    m.cpu.s.seg[ES] = Segment { base: 0, limit: u32::MAX, selector: DATA3, attrs: 0xc0f3 };
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.cpl, s.rip, s.gpr[RSP]), (3, HANDLER, 0x5000));
    assert_eq!(s.seg[DS].selector, 0);
    assert!(!s.seg[DS].present());
    assert_eq!(s.seg[ES].selector, DATA3);
}

#[test]
fn returns_check_selectors() {
    let run = |cs: u16, ss: u16| {
        let mut m = protected(&[0xcb]);
        for (n, v) in [HANDLER, cs.into(), 0x5000, ss.into()].into_iter().enumerate() {
            m.ram.put::<4>(STACK + n as u64 * 4, v);
        }
        m.fault()
    };
    assert_eq!(run(0, 0), Some((GP, Some(0))));
    assert_eq!(run(0x2000, 0), Some((GP, Some(0x2000))));
    assert_eq!(run(DATA0, 0), Some((GP, Some(0x10))));
    assert_eq!(run(CODE3 & !3, 0), Some((GP, Some(0x18))));
    assert_eq!(run(CODE3, 0), Some((GP, Some(0))));
    assert_eq!(run(CODE3, DATA0 | 3), Some((GP, Some(0x10))));
    assert_eq!(run(CODE3, DATA3 & !3), Some((GP, Some(0x20))));
    assert_eq!(run(CODE3, DATA3), None);
    assert_eq!(run(CODE0, 0), None);
}

#[test]
fn an_interrupt_from_user_code_and_back() {
    // int 0x30; handler: iretd
    let mut m = user(protected(&[0xcd, 0x30]));
    set_gate(&m, 0x30, gate(CODE0, HANDLER, 0xee, 0));
    m.ram.write(HANDLER, &[0xcf]);
    m.cpu.s.set_rflags(0x202 | rflags::CF | rflags::AC);
    m.cpu.refresh();
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.cpl, s.gpr[RSP]), (HANDLER, 0, STACK0 - 20));
    assert_eq!(s.rflags() & (rflags::IF | rflags::AC), rflags::AC);
    assert_eq!(words(&m, STACK0 - 20, 5), [CODE + 2, CODE3.into(), 0x4_0203, STACK, DATA3.into()]);
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.cpl, s.gpr[RSP], s.rflags()), (CODE + 2, 3, STACK, 0x4_0203));
}

#[test]
fn gates_are_checked_with_the_right_error_codes() {
    let run = |g: u64, soft: bool| {
        // int 0x30, or #UD
        let mut m = user(protected(if soft { &[0xcd, 0x30] } else { &[0x0f, 0x0b] }));
        set_gate(&m, if soft { 0x30 } else { 6 }, g);
        m.cpu.intercepts.exceptions = !(1 << UD);
        m.fault()
    };
    let soft = 0x30 * 8 + 2;
    let hard = 6 * 8 + 3;
    assert_eq!(run(gate(CODE0, HANDLER, 0xee, 0), true), None);
    assert_eq!(run(gate(CODE0, HANDLER, 0x8e, 0), true), Some((GP, Some(soft))));
    assert_eq!(run(gate(CODE0, HANDLER, 0x8e, 0), false), None);
    assert_eq!(run(gate(CODE0, HANDLER, 0x6e, 0), true), Some((NP, Some(soft))));
    assert_eq!(run(gate(CODE0, HANDLER, 0x0e, 0), false), Some((NP, Some(hard))));
    assert_eq!(run(gate(CODE0, HANDLER, 0x8c, 0), false), Some((GP, Some(hard))));
    assert_eq!(run(gate(0, HANDLER, 0x8e, 0), false), Some((GP, Some(1))));
    assert_eq!(run(gate(DATA0, HANDLER, 0xee, 0), true), Some((GP, Some(0x10))));
    assert_eq!(run(gate(DATA0, HANDLER, 0x8e, 0), false), Some((GP, Some(0x11))));
    assert_eq!(run(gate(0x2000, HANDLER, 0x8e, 0), false), Some((GP, Some(0x2001))));
}

#[test]
fn the_descriptor_table_limit_is_checked() {
    let mut m = protected(&[0xcd, 0x30]);
    m.cpu.s.idtr.limit = 0x30 * 8 + 6;
    assert_eq!(m.fault(), Some((GP, Some(0x30 * 8 + 2))));
    let mut m = Machine::real_mode(&[0xcd, 0x30]);
    m.cpu.s.idtr = Table { base: 0, limit: 0x30 * 4 + 2 };
    assert_eq!(m.fault().map(|f| f.0), Some(GP));
}

#[test]
fn faults_push_an_error_code_and_the_resume_flag() {
    // mov al, [ebx] beyond the limit
    let mut m = protected(&[0x8a, 0x03]);
    m.cpu.s.seg[DS].limit = 0xfff;
    m.cpu.s.gpr[RBX] = 0x1000;
    m.cpu.refresh();
    set_gate(&m, 13, gate(CODE0, HANDLER, 0x8f, 0));
    m.cpu.intercepts.exceptions = 0;
    m.ram.write(HANDLER, &[0x90]);
    m.steps(1);
    // The delivery is what is counted.
    assert_eq!(m.cpu.s.rip, HANDLER);
    assert_eq!(words(&m, STACK - 16, 4), [0, CODE, CODE0.into(), 0x1_0002]);
}

#[test]
fn a_16_bit_gate_pushes_words() {
    let mut m = protected(&[0xcd, 0x30]);
    set_gate(&m, 0x30, gate(CODE0, 0xdead_0000 | HANDLER & 0xffff, 0x86, 0));
    m.steps(1);
    assert_eq!(m.cpu.s.rip, HANDLER & 0xffff);
    assert_eq!(m.cpu.s.gpr[RSP], STACK - 6);
    assert_eq!(m.ram.get::<2>(STACK - 6), CODE + 2);
}

#[test]
fn a_64_bit_interrupt_aligns_and_nests() {
    // int 0x30; handler: iretq
    let mut m = user(long(&[0xcd, 0x30]));
    set_gate64(&m, 0x30, gate(CODE0, HANDLER, 0xee, 0));
    m.ram.write(HANDLER, &[0x48, 0xcf]);
    m.ram.put::<8>(TSS + 4, STACK0 + 7);
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.cpl, s.gpr[RSP], s.seg[SS].selector), (HANDLER, 0, STACK0 - 40, 0));
    assert_eq!(quads(&m, STACK0 - 40, 5), [CODE + 2, CODE3.into(), 2, STACK, DATA3.into()]);
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.cpl, s.gpr[RSP], s.seg[SS].selector), (CODE + 2, 3, STACK, DATA3));
}

#[test]
fn an_interrupt_stack_is_used_at_the_same_level_too() {
    let mut m = long(&[0xcd, 0x30]);
    set_gate64(&m, 0x30, gate(CODE0, HANDLER, 0x8e, 3));
    m.ram.put::<8>(TSS + 36 + 16, STACK0);
    m.steps(1);
    assert_eq!(m.cpu.s.gpr[RSP], STACK0 - 40);
    assert_eq!(m.cpu.s.seg[SS].selector, 16);
    let mut m = long(&[0xcd, 0x30]);
    set_gate64(&m, 0x30, gate(CODE0, HANDLER, 0x8e, 3));
    m.ram.put::<8>(TSS + 36 + 16, 1 << 60);
    assert_eq!(m.fault(), Some((SS_VEC, Some(0))));
    let mut m = long(&[0xcd, 0x30]);
    set_gate64(&m, 0x30, gate(CODE0, HANDLER, 0x8e, 0));
    m.ram.put::<8>(IDT + 0x308, 0x1_0000);
    assert_eq!(m.fault(), Some((GP, Some(0))), "handler not canonical");
}

#[test]
fn iret_in_64_bit_mode_checks_what_it_pops() {
    let run = |frame: [u64; 5]| {
        let mut m = long(&[0x48, 0xcf]);
        for (n, v) in frame.into_iter().enumerate() {
            m.ram.put::<8>(STACK + n as u64 * 8, v);
        }
        let f = m.fault();
        (f, m)
    };
    let (f, m) = run([HANDLER, CODE0.into(), 2, 0x5001, 0]);
    assert_eq!((f, m.cpu.s.gpr[RSP], m.cpu.s.rip), (None, 0x5001, HANDLER));
    assert_eq!(run([1 << 60, CODE0.into(), 2, 0, 0]).0, Some((GP, Some(0))));
    assert_eq!(run([HANDLER, CODE3.into(), 2, 0, 0]).0, Some((GP, Some(0))));
    assert_eq!(run([HANDLER, CODE3.into(), 2, 0, 3]).0, Some((GP, Some(0))));
    assert_eq!(run([HANDLER, CODE3.into(), 2, 0, DATA3.into()]).0, None);
    let mut m = long(&[0x48, 0xcf]);
    m.cpu.s.sys_flags |= rflags::NT;
    m.cpu.s.events.nmi_masked = true;
    assert_eq!(m.fault(), Some((GP, Some(0))));
    assert!(!m.cpu.s.events.nmi_masked);
}

#[test]
fn a_long_mode_call_gate_takes_16_bytes() {
    // call far [rbx]
    let mut m = user(long(&[0xff, 0x1b]));
    m.cpu.s.gpr[RBX] = PAGE;
    m.ram.put::<8>(PAGE, u64::from(FREE | 3) << 32);
    put_desc(&m, FREE, gate(CODE0, HANDLER, 0xec, 0));
    put_desc(&m, FREE + 8, 0);
    m.steps(1);
    assert_eq!((m.cpu.s.rip, m.cpu.s.cpl, m.cpu.s.gpr[RSP]), (HANDLER, 0, STACK0 - 32));
    assert_eq!(quads(&m, STACK0 - 32, 4), [CODE + 2, CODE3.into(), STACK, DATA3.into()]);
    let mut m = user(long(&[0xff, 0x1b]));
    m.cpu.s.gpr[RBX] = PAGE;
    m.ram.put::<8>(PAGE, u64::from(FREE | 3) << 32);
    put_desc(&m, FREE, gate(CODE0, HANDLER, 0xec, 0));
    put_desc(&m, FREE + 8, 0x0800_0000_0000);
    assert_eq!(m.fault(), Some((GP, Some(0x60))));
}

/// Level-0 code that returns to virtual-8086 mode at `HANDLER & 0xffff` of segment `HANDLER >> 4` with `iopl`.
fn v86(code: &[u8], iopl: u64) -> Machine {
    let mut m = protected(&[0xcf]);
    let seg = HANDLER >> 4;
    let frame = [0, seg, rflags::VM | iopl << 12 | 2, 0x100, seg, 0x1000, 0x2000, 0x3000, 0x4000];
    for (n, v) in frame.into_iter().enumerate() {
        m.ram.put::<4>(STACK + n as u64 * 4, v);
    }
    m.ram.write(HANDLER, code);
    m.steps(1);
    m
}

#[test]
fn iret_enters_virtual_8086_mode() {
    // mov ax, ds
    let mut m = v86(&[0x8c, 0xd8], 0);
    let s = &m.cpu.s;
    assert!(s.v86());
    assert_eq!((s.cpl, s.rip, s.seg[CS].base), (3, 0, HANDLER));
    assert_eq!([ES, DS, FS, GS].map(|i| s.seg[i].base), [0x1_0000, 0x2_0000, 0x3_0000, 0x4_0000]);
    m.steps(1);
    assert_eq!(m.cpu.s.gpr[RAX], 0x2000);
}

#[test]
fn interrupts_leave_virtual_8086_mode_through_level_0() {
    let mut m = v86(&[0xcd, 0x30], 3);
    set_gate(&m, 0x30, gate(CODE0, PAGE, 0xee, 0));
    m.steps(1);
    let s = &m.cpu.s;
    assert!(!s.v86());
    assert_eq!((s.cpl, s.rip, s.gpr[RSP], s.seg[DS].selector), (0, PAGE, STACK0 - 36, 0));
    let seg = HANDLER >> 4;
    assert_eq!(
        words(&m, STACK0 - 36, 9),
        [2, seg, rflags::VM | 0x3002, 0x100, seg, 0x1000, 0x2000, 0x3000, 0x4000]
    );
}

#[test]
fn virtual_8086_mode_checks_the_io_privilege_level() {
    for code in [&[0xcd, 0x30][..], &[0xcf]] {
        assert_eq!(v86(code, 0).fault(), Some((GP, Some(0))), "{code:x?}");
    }
    // INT3 does not care.
    let mut m = v86(&[0xcc], 0);
    assert_eq!(m.fault(), Some((BP, None)));
    // Handlers must run at level 0.
    let mut m = v86(&[0xcd, 0x30], 3);
    set_gate(&m, 0x30, gate(CODE3, PAGE, 0xee, 0));
    assert_eq!(m.fault(), Some((GP, Some(0x18))));
}

#[test]
fn vme_redirects_software_interrupts() {
    let mut m = v86(&[0xcd, 0x30], 0);
    m.cpu.s.cr4 |= cr4::VME;
    m.cpu.s.sys_flags |= rflags::VIF;
    m.ram.put::<2>(TSS + 0x66, 0x90);
    m.cpu.s.seg[TR].limit = 0x8f;
    m.ram.put::<4>(0x30 * 4, 0x1234_5678);
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.seg[CS].selector, s.gpr[RSP]), (0x5678, 0x1234, 0xfa));
    assert_eq!(s.sys_flags & rflags::VIF, 0);
    let top = HANDLER + 0x100;
    assert_eq!(m.ram.get::<2>(top - 2), 0x3202);
    assert_eq!(m.ram.get::<2>(top - 6), 2);
    // The bit set: to the monitor, as without VME.
    let mut m = v86(&[0xcd, 0x30], 0);
    m.cpu.s.cr4 |= cr4::VME;
    m.ram.put::<2>(TSS + 0x66, 0x90);
    m.cpu.s.seg[TR].limit = 0x8f;
    m.ram.put::<1>(TSS + 0x70 + 6, 1);
    assert_eq!(m.fault(), Some((GP, Some(0))));
}

#[test]
fn real_mode_interrupts_use_the_vector_table() {
    // int 0x30 ... iret
    let mut m = Machine::real_mode(&[0xcd, 0x30]);
    m.cpu.s.idtr = Table { base: 0, limit: 0x3ff };
    m.ram.put::<4>(0xc0, 0x0100_0020);
    m.ram.write(0x1020, &[0xcf]);
    m.cpu.s.set_rflags(0x0302);
    m.cpu.s.sys_flags &= !rflags::TF;
    m.cpu.refresh();
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.seg[CS].base, s.rip, s.gpr[RSP], s.rflags()), (0x1000, 0x20, STACK - 6, 2));
    assert_eq!(m.ram.get::<2>(STACK - 6), CODE + 2);
    assert_eq!(m.ram.get::<2>(STACK - 2), 0x202);
    m.steps(1);
    assert_eq!((m.cpu.s.rip, m.cpu.s.seg[CS].selector, m.cpu.s.rflags()), (CODE + 2, 0, 0x202));
}

fn vendor(mut m: Machine, v: Vendor) -> Machine {
    m.cpu.model.vendor = v;
    m
}

#[test]
fn syscall_and_sysret_in_64_bit_mode() {
    // syscall; handler: sysretq
    let mut m = user(long(&[0x0f, 0x05]));
    m.cpu.s.msr.star = 0x0018_0008 << 32;
    m.cpu.s.msr.lstar = HANDLER;
    m.cpu.s.msr.sfmask = rflags::IF | rflags::DF;
    m.cpu.s.set_rflags(0x602);
    m.cpu.refresh();
    m.ram.write(HANDLER, &[0x48, 0x0f, 0x07]);
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.cpl, s.gpr[RCX], s.gpr[11], s.rflags()), (HANDLER, 0, CODE + 2, 0x602, 2));
    assert_eq!((s.seg[CS].selector, s.seg[SS].selector), (8, 16));
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.cpl, s.rflags()), (CODE + 2, 3, 0x602));
    assert_eq!((s.seg[CS].selector, s.seg[SS].selector), (0x2b, 0x23));
}

#[test]
fn sysret_to_a_bad_address_differs_by_vendor() {
    let run = |v| {
        let mut m = vendor(long(&[0x48, 0x0f, 0x07]), v);
        m.cpu.s.gpr[RCX] = 1 << 60;
        m.cpu.s.gpr[11] = 2;
        let f = m.fault();
        (f, m.cpu.s.cpl)
    };
    assert_eq!(run(Vendor::Intel), (Some((GP, Some(0))), 0));
    assert_eq!(run(Vendor::Amd), (None, 3));
}

#[test]
fn system_calls_exist_where_the_vendor_has_them() {
    let run = |m: Machine, v| {
        let mut m = vendor(m, v);
        m.cpu.s.msr.sysenter_cs = CODE0.into();
        m.cpu.s.msr.sysenter_eip = HANDLER;
        m.cpu.s.msr.star = (0x0018_0008 << 32) | HANDLER;
        m.cpu.s.efer |= efer::SCE;
        m.fault()
    };
    let undefined = Some((UD, None));
    assert_eq!(run(long(&[0x0f, 0x34]), Vendor::Intel), None);
    assert_eq!(run(long(&[0x0f, 0x34]), Vendor::Amd), undefined);
    assert_eq!(run(protected(&[0x0f, 0x34]), Vendor::Amd), None);
    assert_eq!(run(protected(&[0x0f, 0x05]), Vendor::Amd), None);
    assert_eq!(run(protected(&[0x0f, 0x05]), Vendor::Intel), undefined);
}

#[test]
fn segment_bases_are_instructions_of_their_own() {
    // wrfsbase rax; rdfsbase rbx; swapgs
    let code = [0xf3, 0x48, 0x0f, 0xae, 0xd0, 0xf3, 0x48, 0x0f, 0xae, 0xc3, 0x0f, 0x01, 0xf8];
    let mut m = long(&code);
    m.cpu.s.gpr[RAX] = 0xffff_8000_1234_5678;
    assert_eq!(m.fault(), Some((UD, None)));
    m.cpu.s.cr4 |= cr4::FSGSBASE;
    m.cpu.s.msr.kernel_gs_base = 0x77;
    m.steps(3);
    assert_eq!(m.cpu.s.gpr[RBX], 0xffff_8000_1234_5678);
    assert_eq!((m.cpu.s.seg[GS].base, m.cpu.s.msr.kernel_gs_base), (0x77, 0));
    let mut m = long(&code);
    m.cpu.s.cr4 |= cr4::FSGSBASE;
    m.cpu.s.gpr[RAX] = 1 << 60;
    assert_eq!(m.fault(), Some((GP, Some(0))));
    let mut m = user(long(&[0x0f, 0x01, 0xf8]));
    assert_eq!(m.fault(), Some((GP, Some(0))));
}

#[test]
fn descriptor_queries_never_fault() {
    // lar eax, cx / lsl eax, cx / verr cx / verw cx
    let run = |code: &[u8], sel: u16, d: u64| {
        let mut m = user(protected(code));
        put_desc(&m, FREE, d);
        m.cpu.s.gpr[RCX] = sel.into();
        m.cpu.s.gpr[RAX] = 0x5555;
        m.steps(1);
        if m.cpu.s.flags.zf() { Some(m.cpu.s.gpr[RAX]) } else { None }
    };
    let lar = [0x0f, 0x02, 0xc1];
    let lsl = [0x0f, 0x03, 0xc1];
    let verr = [0x0f, 0x00, 0xe1];
    let verw = [0x0f, 0x00, 0xe9];
    let data = desc(0, 0x12345, 0xf2, 0xc);
    assert_eq!(run(&lar, FREE, data), Some(0x00c1_f200));
    assert_eq!(run(&lsl, FREE, data), Some(0x1234_5fff));
    assert_eq!(run(&lsl, FREE, desc(0, 0x12345, 0xf2, 0x4)), Some(0x12345));
    assert_eq!(run(&lar, FREE, desc(0, 0, 0x92, 0)), None);
    assert_eq!(run(&lar, 0, data), None);
    assert_eq!(run(&lar, 0x2000, data), None);
    assert_eq!(run(&lar, FREE, desc(0, 0x67, 0xe9, 0)), Some(0x0000_e900));
    assert_eq!(run(&lar, FREE, gate(8, 0, 0xee, 0)), None);
    assert_eq!(run(&lsl, FREE, gate(8, 0, 0xec, 0)), None);
    assert!(run(&verr, FREE, data).is_some());
    assert!(run(&verw, FREE, data).is_some());
    assert!(run(&verw, FREE, desc(0, 0, 0xf0, 0)).is_none());
    assert!(run(&verr, FREE, desc(0, 0, 0xf8, 0)).is_none());
    assert!(run(&verr, FREE, desc(0, 0, 0x9e, 0)).is_some());
}

#[test]
fn the_task_register_and_the_local_table() {
    // ltr ax / lldt ax
    let run = |code: &[u8], sel: u16, d: u64| {
        let mut m = protected(code);
        put_desc(&m, FREE, d);
        m.cpu.s.gpr[RAX] = sel.into();
        let f = m.fault();
        (f, m)
    };
    let ltr = [0x0f, 0x00, 0xd8];
    let lldt = [0x0f, 0x00, 0xd0];
    let (f, m) = run(&ltr, FREE, desc(TSS2, 0x67, 0x89, 0));
    assert_eq!((f, m.cpu.s.seg[TR].base, m.cpu.s.seg[TR].attrs), (None, TSS2, 0x8b));
    assert_eq!(m.ram.get::<1>(GDT + 0x65), 0x8b);
    assert_eq!(run(&ltr, FREE, desc(TSS2, 0x67, 0x8b, 0)).0, Some((GP, Some(0x60))));
    assert_eq!(run(&ltr, FREE, desc(TSS2, 0x67, 0x09, 0)).0, Some((NP, Some(0x60))));
    assert_eq!(run(&ltr, 0, 0).0, Some((GP, Some(0))));
    assert_eq!(run(&ltr, FREE | 4, 0).0, Some((GP, Some(0x64))));
    let (f, m) = run(&lldt, FREE, desc(PAGE, 0x17, 0x82, 0));
    assert_eq!((f, m.cpu.s.seg[LDTR].base), (None, PAGE));
    assert_eq!(run(&lldt, FREE, desc(PAGE, 0x17, 0x89, 0)).0, Some((GP, Some(0x60))));
    assert_eq!(run(&lldt, FREE, desc(PAGE, 0x17, 0x02, 0)).0, Some((NP, Some(0x60))));
    let (f, m) = run(&lldt, 0, 0);
    assert_eq!((f, m.cpu.s.seg[LDTR].present()), (None, false));
    let mut m = user(protected(&ltr));
    assert_eq!(m.fault(), Some((GP, Some(0))));
    let mut m = Machine::real_mode(&ltr);
    assert_eq!(m.fault(), Some((UD, None)));
}

#[test]
fn user_mode_instruction_prevention() {
    // sgdt [ebx] / sidt [ebx] / sldt eax / str eax
    for code in [&[0x0f, 0x01, 0x03][..], &[0x0f, 0x01, 0x0b], &[0x0f, 0, 0xc0], &[0x0f, 0, 0xc8]] {
        let mut m = user(protected(code));
        m.cpu.s.gpr[RBX] = PAGE;
        m.steps(1);
        let mut m = user(protected(code));
        m.cpu.s.gpr[RBX] = PAGE;
        m.cpu.s.cr4 |= cr4::UMIP;
        assert_eq!(m.fault(), Some((GP, Some(0))), "{code:x?}");
    }
}

#[test]
fn table_registers_round_trip() {
    // lgdt [rbx]; sgdt [rcx]
    let mut m = long(&[0x0f, 0x01, 0x13, 0x0f, 0x01, 0x01]);
    m.ram.put::<2>(PAGE, 0x1234);
    m.ram.put::<8>(PAGE + 2, 0xffff_8000_0000_1000);
    m.cpu.s.gpr[RBX] = PAGE;
    m.cpu.s.gpr[RCX] = PAGE + 0x100;
    m.steps(2);
    assert_eq!(m.cpu.s.gdtr, Table { base: 0xffff_8000_0000_1000, limit: 0x1234 });
    assert_eq!(m.ram.get::<2>(PAGE + 0x100), 0x1234);
    assert_eq!(m.ram.get::<8>(PAGE + 0x102), 0xffff_8000_0000_1000);
    let mut m = long(&[0x0f, 0x01, 0x13]);
    m.ram.put::<8>(PAGE + 2, 1 << 60);
    m.cpu.s.gpr[RBX] = PAGE;
    assert_eq!(m.fault(), Some((GP, Some(0))));
}

#[test]
fn segment_registers_are_pushed_and_popped() {
    // push ds; pop es
    let mut m = protected(&[0x1e, 0x07]);
    m.cpu.s.seg[ES] = Segment::default();
    m.steps(2);
    assert_eq!((m.cpu.s.seg[ES].selector, m.cpu.s.gpr[RSP]), (16, STACK));
    assert!(m.cpu.s.seg[ES].present());
    // les eax, [ebx]
    let mut m = protected(&[0xc4, 0x03]);
    m.ram.put::<4>(PAGE, 0x1122_3344);
    m.ram.put::<2>(PAGE + 4, DATA3.into());
    m.cpu.s.gpr[RBX] = PAGE;
    m.steps(1);
    assert_eq!((m.cpu.s.gpr[RAX], m.cpu.s.seg[ES].selector), (0x1122_3344, DATA3));
}

#[test]
fn sysenter_and_sysexit() {
    // sysenter; handler: sysexit
    let mut m = vendor(user(protected(&[0x0f, 0x34])), Vendor::Intel);
    m.cpu.s.msr.sysenter_cs = CODE0.into();
    m.cpu.s.msr.sysenter_eip = HANDLER;
    m.cpu.s.msr.sysenter_esp = STACK0;
    m.ram.write(HANDLER, &[0x0f, 0x35]);
    m.cpu.s.gpr[RCX] = 0x1_0000_4000;
    m.cpu.s.gpr[RDX] = PAGE;
    m.cpu.s.set_rflags(0x202);
    m.cpu.refresh();
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.gpr[RSP], s.cpl, s.rflags()), (HANDLER, STACK0, 0, 2));
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.gpr[RSP], s.cpl), (PAGE, 0x4000, 3));
    assert_eq!((s.seg[CS].selector, s.seg[SS].selector), (0x1b, 0x23));
}

#[test]
fn delivery_failures_become_double_and_triple_faults() {
    // #UD with an empty table: #UD -> #NP -> #DF -> shutdown
    let mut m = protected(&[0x0f, 0x0b]);
    m.cpu.intercepts.exceptions = 0;
    m.cpu.s.idtr.limit = 0;
    assert_eq!(m.run(1), CpuExit::TripleFault);
    // A page fault whose frame cannot be pushed is a double fault on its own stack.
    let mut m = long(&[0x8a, 0x03]);
    m.cpu.intercepts.exceptions = 0;
    m.cpu.s.gpr[RBX] = 1 << 40;
    m.cpu.s.gpr[RSP] = 1 << 41;
    set_gate64(&m, 14, gate(CODE0, HANDLER, 0x8e, 0));
    set_gate64(&m, 8, gate(CODE0, HANDLER + 0x100, 0x8e, 1));
    m.ram.put::<8>(TSS + 36, STACK0);
    m.ram.write(HANDLER + 0x100, &[0x90]);
    m.steps(1);
    assert_eq!(m.cpu.s.rip, HANDLER + 0x100);
    assert_eq!(m.ram.get::<8>(STACK0 - 48), 0);
    assert_eq!(m.ram.get::<8>(STACK0 - 40), CODE);
}

#[test]
fn far_calls_push_before_they_check_the_target() {
    // call far CODE0:limit + 1: the return address is in memory, the stack pointer is not moved.
    let mut m = protected(&[0x9a, 0, 0x10, 0, 0, FREE as u8, 0]);
    put_desc(&m, FREE, desc(0, 0xfff, 0x9b, 0x4));
    assert_eq!(m.fault(), Some((GP, Some(0))));
    assert_eq!((m.cpu.s.gpr[RSP], m.ram.get::<4>(STACK - 8)), (STACK, CODE + 7));
}

#[test]
fn returns_read_the_highest_word_first() {
    // retf and iretd whose frames leave the stack segment: only the upper words lie outside.
    for code in [0xcbu8, 0xcf] {
        let mut m = protected(&[code]);
        m.cpu.s.seg[SS] = Segment { base: 0, limit: STACK as u32 + 3, selector: DATA0, attrs: 0x4093 };
        m.cpu.refresh();
        m.ram.put::<4>(STACK, 1 << 31);
        assert_eq!(m.fault(), Some((SS_VEC, Some(0))));
    }
}

#[test]
fn far_pointers_wrap_within_their_address_size() {
    // jmp far [bx] in 16-bit code
    let mut m = with_tables(Machine::protected(16, &[0xff, 0x2f]), 32);
    m.cpu.s.gpr[RBX] = 0xfffe;
    m.ram.put::<2>(0xfffe, 0x1234);
    m.ram.put::<2>(0, CODE0.into());
    m.steps(1);
    assert_eq!((m.cpu.s.rip, m.cpu.s.seg[CS].selector), (0x1234, CODE0));
}

#[test]
fn stores_through_a_flat_code_segment_fault() {
    // mov cs:[ebx], al / mov al, cs:[ebx]
    let mut m = protected(&[0x2e, 0x88, 0x03]);
    m.cpu.s.gpr[RBX] = PAGE;
    assert_eq!(m.fault(), Some((GP, Some(0))));
    let mut m = protected(&[0x2e, 0x8a, 0x03]);
    m.cpu.s.gpr[RBX] = PAGE;
    m.steps(1);
}

#[test]
fn null_selectors_lose_their_rpl_on_the_way_out() {
    let mut m = protected(&[0xcb]);
    for (n, v) in [HANDLER, CODE3.into(), 0x5000, DATA3.into()].into_iter().enumerate() {
        m.ram.put::<4>(STACK + n as u64 * 4, v);
    }
    m.cpu.s.seg[FS] = Segment { base: 0x1000, limit: 0, selector: 2, attrs: 0 };
    m.steps(1);
    assert_eq!((m.cpu.s.seg[FS].selector, m.cpu.s.seg[FS].base), (0, 0x1000));
}

#[test]
fn an_interrupt_between_iterations_pushes_rf_and_one_after_the_last_does_not() {
    // rep stosb; nop; nop
    let mut m = Machine::long_mode(&[0xF3, 0xAA, 0x90, 0x90]);
    m.ram.put::<8>(GDT + u64::from(CODE0), 0x00AF_9B00_0000_FFFF);
    m.ram.put::<8>(GDT + u64::from(DATA0), 0x00CF_9300_0000_FFFF);
    m.cpu.s.gdtr = Table { base: GDT, limit: 0x17 };
    m.cpu.s.idtr = Table { base: IDT, limit: 0xFFF };
    for vector in [2, 0x21] {
        m.ram.put::<8>(IDT + vector * 16, HANDLER & 0xFFFF | 0x8E00_0008_0000 | (HANDLER >> 16) << 48);
        m.ram.put::<8>(IDT + vector * 16 + 8, 0);
    }
    m.ram.write(HANDLER, &[0x48, 0xCF]);
    m.cpu.s.sys_flags |= rflags::IF;
    m.cpu.s.gpr[RDI] = PAGE;
    m.cpu.s.gpr[RCX] = 0x2800;
    m.cpu.refresh();
    let flags = |m: &Machine| m.ram.get::<8>(m.cpu.s.gpr[RSP] + 16) & rflags::RF != 0;
    m.steps(1);
    assert_eq!((m.cpu.s.rip, m.cpu.s.gpr[RCX] != 0), (CODE, true), "under way");
    m.env().lines.interrupt = Some(0x21);
    m.steps(1);
    assert_eq!((m.cpu.s.rip, flags(&m)), (HANDLER, true));
    m.steps(1);
    assert_eq!((m.cpu.s.rip, m.cpu.s.rflags() & rflags::RF != 0), (CODE, true), "IRET brings it back");
    m.steps(1);
    m.env().lines.nmi = true;
    m.steps(1);
    assert_eq!((m.cpu.s.rip, flags(&m)), (HANDLER, true));
    // Inside the handler nothing is repeated.
    m.cpu.s.sys_flags |= rflags::IF;
    m.env().lines.interrupt = Some(0x21);
    m.steps(1);
    assert_eq!((m.cpu.s.rip, flags(&m)), (HANDLER, false));
    m.steps(3);
    assert_eq!(m.cpu.s.gpr[RCX], 0);
    m.env().lines.interrupt = Some(0x21);
    m.cpu.refresh();
    m.steps(1);
    assert_eq!((m.cpu.s.rip, flags(&m)), (HANDLER, false));
}

#[test]
fn code_at_one_linear_address_has_the_offset_of_its_segment() {
    // nop; call 0
    let code = [0x90, 0xe8, 0, 0, 0, 0];
    for limit in [u32::MAX, 0xffff] {
        let mut m = protected(&code);
        for base in [0x100, 0x200, 0] {
            m.cpu.s.seg[CS].base = base;
            m.cpu.s.seg[CS].limit = limit;
            m.cpu.refresh();
            m.cpu.set_rip(CODE - base);
            m.steps(2);
            assert_eq!(m.cpu.s.rip, CODE - base + 6, "base {base:#x}, limit {limit:#x}");
            assert_eq!(m.ram.get::<4>(m.cpu.s.gpr[RSP]), CODE - base + 6);
        }
        m.cpu.s.seg[CS].limit = CODE as u32 + 4;
        m.cpu.refresh();
        m.cpu.set_rip(CODE);
        m.steps(1);
        assert_eq!(m.fault(), Some((GP, Some(0))), "limit inside the second instruction");
    }
}
