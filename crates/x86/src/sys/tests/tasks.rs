//! Task switches: by jump, call, gate and return, and what they check.

use super::*;

/// Fills the second task: 32-bit, level 0.
fn second_task(m: &Machine) {
    for (at, v) in [
        (0x20, HANDLER),
        (0x24, 0x2),
        (0x28, 0xaaaa),
        (0x38, STACK0),
        (0x48, DATA0.into()),
        (0x4c, CODE0.into()),
        (0x50, DATA0.into()),
        (0x54, DATA0.into()),
    ] {
        m.ram.put::<4>(TSS2 + at, v);
    }
}

#[test]
fn jumping_to_a_task_moves_the_busy_bit() {
    let mut m = protected(&[0xea, 0, 0, 0, 0, TASK2 as u8, 0]);
    second_task(&m);
    m.cpu.s.gpr[RAX] = 0x1234;
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.gpr[RAX], s.gpr[RSP], s.seg[TR].selector), (HANDLER, 0xaaaa, STACK0, TASK2));
    assert_eq!(s.seg[TR].attrs, 0x8b);
    assert!(s.cr0 & cr0::TS != 0);
    assert_eq!(s.rflags() & rflags::NT, 0);
    assert_eq!(m.ram.get::<1>(GDT + u64::from(TASK) + 5), 0x89);
    assert_eq!(m.ram.get::<1>(GDT + u64::from(TASK2) + 5), 0x8b);
    assert_eq!(m.ram.get::<4>(TSS + 0x20), CODE + 7);
    assert_eq!(m.ram.get::<4>(TSS + 0x28), 0x1234);
    assert_eq!(m.ram.get::<2>(TSS + 0x4c), 8);
}

#[test]
fn a_called_task_returns_by_iret() {
    let mut m = protected(&[0x9a, 0, 0, 0, 0, TASK2 as u8, 0]);
    second_task(&m);
    m.ram.write(HANDLER, &[0xcf]);
    m.steps(1);
    assert_eq!(m.cpu.s.rflags() & rflags::NT, rflags::NT);
    assert_eq!(m.ram.get::<2>(TSS2), TASK.into());
    assert_eq!(m.ram.get::<1>(GDT + u64::from(TASK) + 5), 0x8b);
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.seg[TR].selector, s.rflags() & rflags::NT), (CODE + 7, TASK, 0));
    assert_eq!(m.ram.get::<1>(GDT + u64::from(TASK2) + 5), 0x89);
    // The called task's flags were saved without NT, its RIP behind the IRET.
    assert_eq!(m.ram.get::<4>(TSS2 + 0x24), 2);
    assert_eq!(m.ram.get::<4>(TSS2 + 0x20), HANDLER + 1);
}

#[test]
fn a_task_gate_pushes_the_error_code_in_the_new_task() {
    let mut m = protected(&MOV_DS_AX);
    second_task(&m);
    m.cpu.s.gpr[RAX] = 0x2000;
    set_gate(&m, 13, gate(TASK2, 0, 0x85, 0));
    m.cpu.intercepts.exceptions = 0;
    m.ram.write(HANDLER, &[0x90]);
    m.steps(1);
    assert_eq!((m.cpu.s.rip, m.cpu.s.gpr[RSP]), (HANDLER, STACK0 - 4));
    assert_eq!(m.ram.get::<4>(STACK0 - 4), 0x2000);
    assert_eq!(m.ram.get::<4>(TSS + 0x20), CODE);
    assert_eq!(m.ram.get::<4>(TSS + 0x24), 0x1_0002);
}

#[test]
fn task_switches_check_the_tss_before_and_the_segments_after() {
    let run = |set: &dyn Fn(&mut Machine)| {
        let mut m = protected(&[0xea, 0, 0, 0, 0, TASK2 as u8, 0]);
        second_task(&m);
        set(&mut m);
        let f = m.fault();
        (f, m.cpu.s.rip)
    };
    let before = CODE;
    assert_eq!(run(&|m| put_desc(m, TASK2, desc(TSS2, 0x66, 0x89, 0))), (Some((TS, Some(0x38))), before));
    assert_eq!(run(&|m| put_desc(m, TASK2, desc(TSS2, 0x7f, 0x8b, 0))), (Some((GP, Some(0x38))), before));
    assert_eq!(run(&|m| put_desc(m, TASK2, desc(TSS2, 0x7f, 0x09, 0))), (Some((NP, Some(0x38))), before));
    let after = HANDLER;
    assert_eq!(run(&|m| m.ram.put::<2>(TSS2 + 0x4c, 0)), (Some((TS, Some(0))), after));
    assert_eq!(run(&|m| m.ram.put::<2>(TSS2 + 0x4c, DATA0.into())), (Some((TS, Some(0x10))), after));
    assert_eq!(run(&|m| m.ram.put::<2>(TSS2 + 0x50, DATA3.into())), (Some((TS, Some(0x20))), after));
    assert_eq!(run(&|m| m.ram.put::<2>(TSS2 + 0x54, CODE3.into())).0, None);
    assert_eq!(run(&|m| m.ram.put::<2>(TSS2 + 0x60, DATA0.into())), (Some((TS, Some(0x10))), after));
}

#[test]
fn the_trap_bit_of_a_task_raises_debug() {
    let mut m = protected(&[0xea, 0, 0, 0, 0, TASK2 as u8, 0]);
    second_task(&m);
    m.ram.put::<2>(TSS2 + 0x64, 1);
    match m.run(1) {
        CpuExit::Exception { event, param } => assert_eq!((event.vector, param), (DB, 1 << 15)),
        e => panic!("{e:?}"),
    }
}

#[test]
fn sixteen_bit_tasks_switch() {
    let mut m = protected(&[0xea, 0, 0, 0, 0, TASK2 as u8, 0]);
    put_desc(&m, TASK2, desc(TSS2, 0x2b, 0x81, 0));
    for (at, v) in [
        (0x0e, 0x7d00u64),
        (0x10, 2),
        (0x12, 0xbeef),
        (0x1a, 0x6000),
        (0x22, DATA0.into()),
        (0x24, CODE0.into()),
        (0x26, DATA0.into()),
        (0x28, DATA0.into()),
    ] {
        m.ram.put::<2>(TSS2 + at, v);
    }
    m.steps(1);
    let s = &m.cpu.s;
    assert_eq!((s.rip, s.gpr[RAX] & 0xffff, s.gpr[RSP] & 0xffff), (0x7d00, 0xbeef, 0x6000));
    assert_eq!(s.seg[TR].attrs, 0x83);
    assert_eq!(s.seg[FS].selector, 0);
}
