//! Integer instructions in the modes and corners that the differential tests cannot reach.

use crate::exit::CpuExit;
use crate::model::Vendor;
use crate::state::*;
use crate::testing::CODE;
use crate::testing::DATA;
use crate::testing::Machine;
use crate::testing::STACK;
use iced_x86::code_asm::*;

/// Assembles for `bits` and puts the machine in front of it.
fn machine(bits: u32, f: impl FnOnce(&mut CodeAssembler) -> Result<(), iced_x86::IcedError>) -> Machine {
    let mut a = CodeAssembler::new(bits).expect("bitness");
    f(&mut a).expect("assembles");
    Machine::of_bits(bits, &a.assemble(CODE).expect("encodes"))
}

/// The machine in front of raw bytes.
fn bytes(bits: u32, code: &[u8]) -> Machine {
    Machine::of_bits(bits, code)
}

/// Runs the parts of a long string instruction until it is over; gives how many there were.
fn whole(m: &mut Machine) -> u64 {
    let (rip, before) = (m.cpu.s.rip, m.cpu.s.icount);
    while m.cpu.s.rip == rip {
        m.steps(1);
    }
    m.cpu.s.icount - before
}

const GP0: Option<(u8, Option<u32>)> = Some((13, Some(0)));
const UD: Option<(u8, Option<u32>)> = Some((6, None));

// ---- stack -----------------------------------------------------------------------------------------

#[test]
fn push_and_pop_move_the_pointer_by_the_operand_size() {
    // (bits, code, bytes moved): push rAX with and without the operand-size prefix.
    for (bits, code, n) in [
        (16, &[0x50][..], 2),
        (16, &[0x66, 0x50], 4),
        (32, &[0x50], 4),
        (32, &[0x66, 0x50], 2),
        (64, &[0x50], 8),
        (64, &[0x66, 0x50], 2),
    ] {
        let mut m = bytes(bits, code);
        m.cpu.s.gpr[RAX] = 0x8877_6655_4433_2211;
        m.steps(1);
        assert_eq!(m.cpu.s.gpr[RSP], STACK - n, "{bits} {code:x?}");
        let mut b = [0u8; 8];
        m.ram.read(STACK - n, &mut b[..n as usize]);
        assert_eq!(u64::from_le_bytes(b), 0x8877_6655_4433_2211 & (u64::MAX >> (64 - 8 * n)));
    }
}

#[test]
fn a_16_bit_stack_wraps_and_keeps_the_upper_half_of_esp() {
    let mut m = bytes(16, &[0x50, 0x50]);
    m.cpu.s.gpr[RSP] = 0xabcd_0002;
    m.cpu.s.gpr[RAX] = 0x1234;
    m.steps(2);
    assert_eq!(m.cpu.s.gpr[RSP], 0xabcd_fffe);
    assert_eq!(m.ram.get::<2>(0), 0x1234);
    assert_eq!(m.ram.get::<2>(0xfffe), 0x1234);
}

#[test]
fn push_sp_stores_the_old_value_and_pop_sp_the_popped_one() {
    let mut m = machine(64, |a| {
        a.push(rsp)?;
        a.pop(rsp)
    });
    m.steps(1);
    assert_eq!(m.ram.get::<8>(STACK - 8), STACK);
    m.ram.put::<8>(STACK - 8, 0x1_0000);
    m.steps(1);
    assert_eq!(m.cpu.s.gpr[RSP], 0x1_0000);
}

#[test]
fn pop_to_a_stack_relative_address_sees_the_incremented_pointer() {
    let mut m = machine(64, |a| a.pop(qword_ptr(rsp + 16)));
    m.ram.put::<8>(STACK, 0x55);
    m.steps(1);
    assert_eq!(m.ram.get::<8>(STACK + 8 + 16), 0x55);
    assert_eq!(m.cpu.s.gpr[RSP], STACK + 8);
}

#[test]
fn a_faulting_pop_to_memory_leaves_the_pointer() {
    let mut m = machine(64, |a| a.pop(qword_ptr(rbx)));
    m.cpu.s.gpr[RBX] = 0x8000_0000_0000;
    assert_eq!(m.fault(), GP0);
    assert_eq!(m.cpu.s.gpr[RSP], STACK);
}

#[test]
fn pusha_and_popa_round_trip_without_the_stack_pointer() {
    for (bits, size) in [(16, 2u64), (32, 4)] {
        let mut m = bytes(bits, &[0x60, 0x61]);
        for r in 0..8 {
            if r != RSP {
                m.cpu.s.gpr[r] = 0x1000 + r as u64;
            }
        }
        m.steps(1);
        assert_eq!(m.cpu.s.gpr[RSP], STACK - 8 * size);
        let word = |m: &Machine, n: u64| {
            let v = m.ram.get::<4>(STACK - (n + 1) * size);
            if size == 2 { v & 0xffff } else { v }
        };
        assert_eq!(word(&m, 0), 0x1000);
        assert_eq!(word(&m, 4), STACK);
        assert_eq!(word(&m, 7), 0x1007);
        for r in 0..8 {
            if r != RSP {
                m.cpu.s.gpr[r] = 0;
            }
        }
        m.steps(1);
        for r in 0..8 {
            assert_eq!(m.cpu.s.gpr[r], if r == RSP { STACK } else { 0x1000 + r as u64 });
        }
    }
}

#[test]
fn enter_with_nesting_copies_the_display() {
    let mut m = machine(32, |a| {
        a.enter(0x10, 3)?;
        a.leave()
    });
    m.cpu.s.gpr[RBP] = 0x5000;
    m.ram.put::<4>(0x5000 - 4, 0xaaaa);
    m.ram.put::<4>(0x5000 - 8, 0xbbbb);
    m.steps(1);
    let frame = STACK - 4;
    assert_eq!(m.cpu.s.gpr[RBP], frame);
    assert_eq!(m.ram.get::<4>(frame), 0x5000);
    assert_eq!(m.ram.get::<4>(frame - 4), 0xaaaa);
    assert_eq!(m.ram.get::<4>(frame - 8), 0xbbbb);
    assert_eq!(m.ram.get::<4>(frame - 12), frame);
    assert_eq!(m.cpu.s.gpr[RSP], frame - 12 - 0x10);
    m.steps(1);
    assert_eq!((m.cpu.s.gpr[RSP], m.cpu.s.gpr[RBP]), (STACK, 0x5000));
}

// ---- flags through the stack -----------------------------------------------------------------------

/// POPF of `image` in 32-bit protected mode at this privilege and IOPL; gives RFLAGS afterwards.
fn popf(cpl: u8, iopl: u64, image: u64) -> u64 {
    let mut m = bytes(32, &[0x9d]);
    if cpl == 3 {
        m = m.user();
    }
    m.cpu.s.sys_flags = iopl << 12;
    m.cpu.refresh();
    m.ram.put::<4>(STACK, image);
    m.steps(1);
    assert_eq!(m.cpu.s.gpr[RSP], STACK + 4);
    m.cpu.s.rflags()
}

#[test]
fn popf_changes_what_the_privilege_level_may() {
    use rflags::*;
    let all = ARITH | DF | NT | AC | ID | IF | IOPL;
    assert_eq!(popf(0, 0, all), all | ONE);
    // Neither IF nor IOPL.
    assert_eq!(popf(3, 0, all), (all & !(IF | IOPL)) | ONE);
    // IF but not IOPL.
    assert_eq!(popf(3, 3, all), all | ONE);
    assert_eq!(popf(3, 3, 0), IOPL | ONE);
    // VM and RF are never set, VIP and VIF stay.
    assert_eq!(popf(0, 0, VM | RF | VIP | VIF), ONE);
}

#[test]
fn popf_that_sets_the_trap_flag_traps_after_the_next_instruction() {
    let mut m = bytes(32, &[0x9d, 0x90, 0x90]);
    m.ram.put::<4>(STACK, rflags::TF);
    match m.run(10) {
        CpuExit::Exception { event, .. } => assert_eq!(event.vector, 1),
        e => panic!("{e:?}"),
    }
    assert_eq!(m.cpu.s.rip, CODE + 2);
}

fn v86(code: &[u8], iopl: u64, vme: bool) -> Machine {
    let mut m = Machine::real_mode(code);
    m.cpu.s.cr0 |= cr0::PE;
    m.cpu.s.cr4 = if vme { cr4::VME } else { 0 };
    m.cpu.s.sys_flags = rflags::VM | iopl << 12;
    m.cpu.s.cpl = 3;
    m.cpu.refresh();
    m
}

#[test]
fn virtual_8086_mode_guards_pushf_and_popf_by_iopl() {
    assert_eq!(v86(&[0x9c], 0, false).fault(), GP0);
    assert_eq!(v86(&[0x9d], 0, false).fault(), GP0);
    assert_eq!(v86(&[0x66, 0x9c], 0, true).fault(), GP0);
    let mut m = v86(&[0x9c], 3, false);
    m.steps(1);
    assert_eq!(m.ram.get::<2>(STACK - 2), 0x3002);
}

#[test]
fn with_vme_the_virtual_interrupt_flag_stands_in() {
    let mut m = v86(&[0x9c, 0x9d], 0, true);
    m.cpu.s.sys_flags |= rflags::VIF;
    m.steps(1);
    assert_eq!(m.ram.get::<2>(STACK - 2), 0x3202);
    m.ram.put::<2>(STACK - 2, 0x0002);
    m.steps(1);
    assert_eq!(m.cpu.s.sys_flags & (rflags::VIF | rflags::IF | rflags::VM), rflags::VM);
    // Enabling with an interrupt pending faults.
    let mut m = v86(&[0x9d], 0, true);
    m.cpu.s.sys_flags |= rflags::VIP;
    m.ram.put::<2>(STACK, 0x0202);
    assert_eq!(m.fault(), GP0);
}

// ---- branches --------------------------------------------------------------------------------------

#[test]
fn call_and_ret_in_every_mode() {
    for (bits, size) in [(16, 2), (32, 4), (64, 8)] {
        let mut m = machine(bits, |a| {
            let mut f = a.create_label();
            a.call(f)?;
            a.nop()?;
            a.set_label(&mut f)?;
            if bits == 16 { a.db(&[0xc2, 6, 0]) } else { a.ret_1(6) }
        });
        m.steps(1);
        assert_eq!(m.cpu.s.gpr[RSP], STACK - size);
        let back = m.cpu.s.rip - 1;
        assert_eq!(m.ram.get::<2>(STACK - size), back);
        m.steps(1);
        assert_eq!((m.cpu.s.rip, m.cpu.s.gpr[RSP]), (back, STACK + 6));
    }
}

#[test]
fn targets_beyond_the_code_segment_fault_at_the_branch() {
    // JMP, JCXZ (taken), CALL, RET, JMP r/m.
    for code in [&[0xe9, 0xfd, 0x0f][..], &[0xe3, 0x7e], &[0xe8, 0, 0x10], &[0xc3], &[0xff, 0xe0]] {
        let mut m = bytes(16, code);
        m.cpu.s.seg[CS].limit = CODE as u32 + 0x20;
        m.cpu.refresh();
        m.cpu.s.gpr[RAX] = 0xf000;
        m.ram.put::<2>(STACK, 0xf000);
        assert_eq!(m.fault(), GP0, "{code:x?}");
        assert_eq!((m.cpu.s.rip, m.cpu.s.gpr[RSP]), (CODE, STACK));
    }
    // Not taken: no check.
    let mut m = bytes(16, &[0x72, 0x7e]);
    m.cpu.s.seg[CS].limit = CODE as u32 + 0x20;
    m.cpu.refresh();
    m.steps(1);
    assert_eq!(m.cpu.s.rip, CODE + 2);
}

#[test]
fn non_canonical_targets_fault_before_the_stack_moves() {
    for code in [&[0xc3][..], &[0xff, 0xe0], &[0xff, 0xd0]] {
        let mut m = bytes(64, code);
        m.cpu.s.gpr[RAX] = 0x8000_0000_0000;
        m.ram.put::<8>(STACK, 0x8000_0000_0000);
        assert_eq!(m.fault(), GP0, "{code:x?}");
        assert_eq!((m.cpu.s.rip, m.cpu.s.gpr[RSP]), (CODE, STACK));
    }
}

#[test]
fn relative_branches_wrap_to_the_operand_size() {
    let mut m = bytes(32, &[0x66, 0xe9, 0xfc, 0x83]);
    m.steps(1);
    assert_eq!(m.cpu.s.rip, 0);
    let mut m = bytes(16, &[0xe9, 0xfd, 0x83]);
    m.steps(1);
    assert_eq!(m.cpu.s.rip, 0);
}

#[test]
fn every_condition_jumps_as_the_manual_says() {
    use rflags::*;
    let expect = |cc: u8, f: u64| {
        let (c, z, s, o, p) = (f & CF != 0, f & ZF != 0, f & SF != 0, f & OF != 0, f & PF != 0);
        let v = [o, c, z, c || z, s, p, s != o, z || s != o][usize::from(cc >> 1)];
        v != (cc & 1 != 0)
    };
    for cc in 0..16u8 {
        for bits in 0..64u64 {
            let f =
                [CF, PF, AF, ZF, SF, OF].iter().enumerate().map(|(n, b)| (bits >> n & 1) * b).sum::<u64>();
            let mut m = bytes(64, &[0x70 + cc, 0x10, 0x90]);
            m.cpu.s.set_rflags(f);
            m.steps(1);
            assert_eq!(m.cpu.s.rip == CODE + 0x12, expect(cc, f), "cc {cc} flags {f:#x}");
        }
    }
}

#[test]
fn loop_counts_in_the_address_size() {
    // LOOP with and without the address-size prefix: (bits, code, rCX before, after, taken).
    for (bits, code, before, after, taken) in [
        (16, &[0xe2, 0x10][..], 0xffff_0001u64, 0xffff_0000, false),
        (16, &[0x67, 0xe2, 0x10], 0x0001_0000, 0xffff, true),
        (32, &[0x67, 0xe2, 0x10], 0x5_0000, 0x5_ffff, true),
        (64, &[0xe2, 0x10], 0, u64::MAX, true),
        (64, &[0x67, 0xe2, 0x10], 0x7_0000_0001, 0, false),
    ] {
        let mut m = bytes(bits, code);
        m.cpu.s.gpr[RCX] = before;
        m.steps(1);
        assert_eq!(m.cpu.s.gpr[RCX], after, "{bits} {code:x?}");
        let next = CODE + code.len() as u64;
        assert_eq!(m.cpu.s.rip, if taken { next + 0x10 } else { next });
    }
    // LOOPE and LOOPNE look at ZF.
    for (op, zf, taken) in
        [(0xe1, true, true), (0xe1, false, false), (0xe0, true, false), (0xe0, false, true)]
    {
        let mut m = bytes(64, &[op, 0x10]);
        m.cpu.s.gpr[RCX] = 5;
        m.cpu.s.flags.set_zf(zf);
        m.steps(1);
        assert_eq!((m.cpu.s.rip == CODE + 0x12, m.cpu.s.gpr[RCX]), (taken, 4));
    }
}

// ---- LOCK and exchanges ----------------------------------------------------------------------------

#[test]
fn lock_is_undefined_where_it_means_nothing() {
    // LOCK CMP [rax],rbx; LOCK ADD rax,rbx; LOCK MOV [rax],rbx; LOCK BT [rax],rbx; LOCK NOP.
    for code in [
        &[0xf0, 0x48, 0x39, 0x18][..],
        &[0xf0, 0x48, 0x01, 0xd8],
        &[0xf0, 0x48, 0x89, 0x18],
        &[0xf0, 0x48, 0x0f, 0xa3, 0x18],
        &[0xf0, 0x90],
    ] {
        assert_eq!(bytes(64, code).fault(), UD, "{code:x?}");
    }
}

#[test]
fn cmpxchg16b_wants_alignment() {
    let mut m = machine(64, |a| a.lock().cmpxchg16b(xmmword_ptr(rsi)));
    m.cpu.s.gpr[RSI] = DATA + 8;
    assert_eq!(m.fault(), GP0);
    m.cpu.s.gpr[RSI] = DATA;
    m.cpu.s.gpr[RBX] = 5;
    m.cpu.s.gpr[RCX] = 6;
    m.steps(1);
    assert_eq!((m.ram.get::<8>(DATA), m.ram.get::<8>(DATA + 8)), (5, 6));
    assert!(m.cpu.s.flags.zf());
}

#[test]
fn a_failed_compare_still_needs_the_right_to_write() {
    let mut m = machine(64, |a| a.cmpxchg(qword_ptr(rsi), rbx)).user();
    // Make the 2 MiB page that holds DATA read-only for this test.
    m.ram.put::<8>(crate::testing::TABLES + 0x2000, 0x85);
    m.cpu.flush_map();
    m.cpu.s.gpr[RSI] = DATA;
    m.cpu.s.gpr[RAX] = 1;
    assert_eq!(m.fault(), Some((14, Some(7))));
}

// ---- arithmetic ------------------------------------------------------------------------------------

#[test]
fn division_faults_on_zero_and_overflow() {
    for (code, a0, d0, b0) in [
        (&[0xf7, 0xf3][..], 5u64, 0u64, 0u64),
        (&[0xf7, 0xf3], 0, 1, 1),
        (&[0xf7, 0xfb], 0x8000_0000, 0xffff_ffff, 0xffff_ffff),
        (&[0xd4, 0x00], 5, 0, 0),
    ] {
        let mut m = bytes(32, code);
        (m.cpu.s.gpr[RAX], m.cpu.s.gpr[RDX], m.cpu.s.gpr[RBX]) = (a0, d0, b0);
        assert_eq!(m.fault(), Some((0, None)), "{code:x?}");
        assert_eq!((m.cpu.s.gpr[RAX], m.cpu.s.gpr[RDX]), (a0, d0));
    }
    // The most negative 128-bit dividend by -1 overflows without a panic.
    let mut m = bytes(64, &[0x48, 0xf7, 0xfb]);
    (m.cpu.s.gpr[RAX], m.cpu.s.gpr[RDX], m.cpu.s.gpr[RBX]) = (0, 1 << 63, u64::MAX);
    assert_eq!(m.fault(), Some((0, None)));
}

#[test]
fn decimal_adjustments() {
    // (opcode, AL or AX before, CF, AF, after, CF, AF), from the instruction descriptions.
    for (code, a0, cf, af, out, ocf, oaf) in [
        (&[0x27][..], 0x9au64, false, false, 0x00u64, true, true),
        (&[0x27], 0x7d, false, false, 0x83, false, true),
        (&[0x27], 0x32, true, false, 0x92, true, false),
        (&[0x2f], 0xee, false, true, 0x88, true, true),
        (&[0x2f], 0x03, false, true, 0xfd, true, true),
        (&[0x2f], 0x47, false, false, 0x47, false, false),
        (&[0x37], 0x0b, false, false, 0x101, true, true),
        (&[0x37], 0x05, false, false, 0x05, false, false),
        (&[0x3f], 0x0205, false, true, 0x000f, true, true),
        (&[0x3f], 0x0205, false, false, 0x0205, false, false),
        (&[0xd4, 10], 0x3f, false, false, 0x0603, false, false),
        (&[0xd5, 10], 0x0603, false, false, 0x003f, false, false),
    ] {
        let mut m = bytes(32, code);
        m.cpu.s.gpr[RAX] = a0;
        m.cpu.s.flags.set_cf(cf);
        m.cpu.s.flags.set_af(af);
        m.steps(1);
        let f = m.cpu.s.flags;
        assert_eq!((m.cpu.s.gpr[RAX], f.cf(), f.af()), (out, ocf, oaf), "{code:x?} {a0:#x}");
    }
}

#[test]
fn bound_checks_both_ends_signed() {
    let run = |index: u32| {
        let mut m = bytes(32, &[0x62, 0x03]);
        m.cpu.s.gpr[RBX] = DATA;
        m.ram.put::<4>(DATA, (-5i32) as u32 as u64);
        m.ram.put::<4>(DATA + 4, 7);
        m.cpu.s.gpr[RAX] = u64::from(index);
        m.fault()
    };
    assert_eq!(run(7), None);
    assert_eq!(run(-5i32 as u32), None);
    assert_eq!(run(8), Some((5, None)));
    assert_eq!(run(-6i32 as u32), Some((5, None)));
}

#[test]
fn bit_strings_reach_below_their_address_in_16_bit_code() {
    // BTS word [bx], cx
    let mut m = bytes(16, &[0x0f, 0xab, 0x0f]);
    m.cpu.s.gpr[RBX] = 0x3000;
    m.cpu.s.gpr[RCX] = 0xffff;
    m.steps(1);
    assert_eq!(m.ram.get::<2>(0x2ffe), 0x8000);
}

#[test]
fn cmov_reads_memory_and_zero_extends_even_when_not_taken() {
    let mut m = machine(64, |a| {
        a.cmovb(ecx, edx)?;
        a.cmovb(ecx, dword_ptr(rbx))
    });
    m.cpu.s.gpr[RCX] = u64::MAX;
    m.cpu.s.gpr[RBX] = 0x8000_0000_0000;
    m.steps(1);
    assert_eq!(m.cpu.s.gpr[RCX], 0xffff_ffff);
    assert_eq!(m.fault(), GP0);
}

#[test]
fn xlat_uses_the_overriding_segment_and_wraps_the_offset() {
    let mut m = bytes(16, &[0x26, 0xd7]);
    m.cpu.s.seg[ES].base = 0x1_0000;
    m.cpu.s.gpr[RBX] = 0xfff0;
    m.cpu.s.gpr[RAX] = 0x7720;
    m.ram.put::<1>(0x1_0010, 0xab);
    m.steps(1);
    assert_eq!(m.cpu.s.gpr[RAX], 0x77ab);
}

#[test]
fn pause_tells_the_owner_after_many() {
    let mut m = bytes(64, &[0xf3, 0x90, 0xeb, 0xfc]);
    m.steps(2 * 200);
    assert_eq!(m.env().pauses, 3);
}

#[test]
fn random_numbers_come_from_the_environment() {
    let mut m = machine(64, |a| a.rdrand(rax));
    m.steps(1);
    assert_eq!(m.cpu.s.gpr[RAX], 0x1234_5678_9abc_def0);
    assert_eq!(m.cpu.s.flags.bits(), rflags::CF);
}

// ---- strings ---------------------------------------------------------------------------------------

#[test]
fn a_long_copy_is_done_in_chunks() {
    let mut m = machine(64, |a| {
        a.rep().movsb()?;
        a.nop()
    });
    let n = 3 * 4096 + 17;
    for i in 0..n {
        m.ram.put::<1>(DATA + i, i * 7 % 251);
    }
    (m.cpu.s.gpr[RSI], m.cpu.s.gpr[RDI], m.cpu.s.gpr[RCX]) = (DATA, DATA + 0x8_0123, n);
    assert_eq!(whole(&mut m), 4);
    assert_eq!(m.cpu.s.rip, CODE + 2);
    assert_eq!(m.cpu.s.gpr[RCX], 0);
    assert_eq!((m.cpu.s.gpr[RSI], m.cpu.s.gpr[RDI]), (DATA + n, DATA + 0x8_0123 + n));
    for i in 0..n {
        assert_eq!(m.ram.get::<1>(DATA + 0x8_0123 + i), i * 7 % 251);
    }
}

#[test]
fn overlapping_copies_propagate_by_elements() {
    for (size, code) in [(1u64, &[0xf3, 0xa4][..]), (2, &[0xf3, 0x66, 0xa5]), (8, &[0xf3, 0x48, 0xa5])] {
        for ahead in 0..20u64 {
            let count = 600 / size;
            let mut m = bytes(64, code);
            let mut model: Vec<u8> = (0..1000u32).map(|i| (i * 13 % 241) as u8).collect();
            m.ram.write(DATA, &model);
            (m.cpu.s.gpr[RSI], m.cpu.s.gpr[RDI], m.cpu.s.gpr[RCX]) = (DATA, DATA + ahead, count);
            m.steps(1);
            for i in 0..count as usize {
                let (s, n) = (i * size as usize, size as usize);
                model.copy_within(s..s + n, s + ahead as usize);
            }
            let mut got = vec![0; 1000];
            m.ram.read(DATA, &mut got);
            assert_eq!(got, model, "size {size} ahead {ahead}");
        }
    }
}

#[test]
fn a_fault_in_the_middle_leaves_whole_iterations() {
    let mut m = machine(64, |a| a.rep().stosq());
    // The page at 2 MiB is not present.
    m.ram.put::<8>(crate::testing::TABLES + 0x2008, 0);
    m.cpu.flush_map();
    let start = 0x20_0000 - 8 * 700;
    (m.cpu.s.gpr[RDI], m.cpu.s.gpr[RCX], m.cpu.s.gpr[RAX]) = (start, 1000, 0x0102_0304_0506_0708);
    match m.run(10) {
        CpuExit::Exception { event, .. } => assert_eq!((event.vector, event.param), (14, 0x20_0000)),
        e => panic!("{e:?}"),
    }
    assert_eq!((m.cpu.s.gpr[RDI], m.cpu.s.gpr[RCX], m.cpu.s.rip), (0x20_0000, 300, CODE));
    assert_eq!(m.ram.get::<8>(start), 0x0102_0304_0506_0708);
    assert_eq!(m.ram.get::<8>(0x20_0000 - 8), 0x0102_0304_0506_0708);
}

#[test]
fn single_stepping_sees_every_iteration() {
    let mut m = machine(64, |a| a.rep().stosb());
    (m.cpu.s.gpr[RDI], m.cpu.s.gpr[RCX]) = (DATA, 3);
    m.cpu.s.sys_flags |= rflags::TF;
    m.cpu.refresh();
    for left in [2, 1, 0] {
        match m.run(1) {
            CpuExit::Exception { event, .. } => assert_eq!(event.vector, 1),
            e => panic!("{e:?}"),
        }
        assert_eq!(m.cpu.s.gpr[RCX], left);
        assert_eq!(m.cpu.s.rip, if left == 0 { CODE + 2 } else { CODE });
    }
}

#[test]
fn a_count_of_zero_touches_nothing() {
    let mut m = machine(64, |a| a.repe().cmpsb());
    (m.cpu.s.gpr[RSI], m.cpu.s.gpr[RDI]) = (0x8000_0000_0000, 0x8000_0000_0000);
    m.cpu.s.set_rflags(rflags::ARITH);
    m.steps(1);
    assert_eq!(m.cpu.s.rflags(), rflags::ARITH | rflags::ONE);
}

#[test]
fn strings_wrap_their_offsets_in_16_bit_code() {
    // REP STOSB across the end of the segment, ES based elsewhere.
    let mut m = bytes(16, &[0xf3, 0xaa]);
    m.cpu.s.seg[ES].base = 0x1_0000;
    (m.cpu.s.gpr[RDI], m.cpu.s.gpr[RCX], m.cpu.s.gpr[RAX]) = (0x5555_fffe, 0x7777_0004, 0xcc);
    m.steps(1);
    assert_eq!((m.cpu.s.gpr[RDI], m.cpu.s.gpr[RCX]), (0x5555_0002, 0x7777_0000));
    assert_eq!(m.ram.get::<2>(0x1_fffe), 0xcccc);
    assert_eq!(m.ram.get::<2>(0x1_0000), 0xcccc);
}

#[test]
fn scas_stops_at_the_match() {
    let mut m = bytes(32, &[0xf2, 0xae]);
    m.ram.put::<1>(DATA + 5000, 0x5a);
    (m.cpu.s.gpr[RDI], m.cpu.s.gpr[RCX], m.cpu.s.gpr[RAX]) = (DATA, 0xffff_ffff, 0x5a);
    whole(&mut m);
    assert_eq!(m.cpu.s.gpr[RDI], DATA + 5001);
    assert_eq!(m.cpu.s.gpr[RCX], 0xffff_ffff - 5001);
    assert!(m.cpu.s.flags.zf());
}

#[test]
fn code_that_overwrites_itself_runs_the_new_bytes() {
    // MOV byte [rip-relative next],0x43-ish: the following INC EAX (ff c0) becomes INC EBX (ff c3).
    let mut m = machine(64, |a| {
        a.mov(byte_ptr(CODE + 9), 0xc3u32 as i32)?;
        a.inc(eax)
    });
    assert_eq!(m.ram.get::<1>(CODE + 8), 0xff);
    m.steps(2);
    assert_eq!((m.cpu.s.gpr[RAX], m.cpu.s.gpr[RBX]), (0, 1));
}

#[test]
fn popf_that_enables_interrupts_lets_a_pending_one_in() {
    let mut m = machine(64, |a| {
        a.popfq()?;
        a.nop()
    });
    m.env().lines.interrupt = Some(0x40);
    m.ram.put::<8>(STACK, rflags::IF);
    // Delivery needs an IDT, which this machine lacks: the fault it ends in shows that it was tried.
    match m.run(2) {
        CpuExit::Exception { event, .. } => assert_eq!(event.vector, 13),
        e => panic!("{e:?}"),
    }
    assert_eq!(m.env().acknowledged, [0x40]);
    assert_eq!(m.cpu.s.rip, CODE + 1);
}

#[test]
fn corners_that_manuals_leave_open_follow_the_vendor() {
    let run = |code: &[u8], vendor, a: u64, c: u64, d: u64| {
        let mut m = bytes(64, code);
        m.cpu.model.vendor = vendor;
        (m.cpu.s.gpr[RAX], m.cpu.s.gpr[RCX], m.cpu.s.gpr[RDX]) = (a, c, d);
        m.cpu.s.set_rflags(rflags::ONE);
        m.steps(1);
        m
    };
    // shrd ax, dx, 20: behind the source comes the source again, or the destination.
    let shrd = |v| run(&[0x66, 0x0f, 0xac, 0xd0, 20], v, 0x1234, 0, 0xabcd).cpu.s.gpr[RAX];
    assert_eq!((shrd(Vendor::Amd), shrd(Vendor::Intel)), (0xdabc, 0x4abc));
    // shld ax, dx, 20
    let shld = |v| run(&[0x66, 0x0f, 0xa4, 0xd0, 20], v, 0x1234, 0, 0xabcd).cpu.s.gpr[RAX];
    assert_eq!((shld(Vendor::Amd), shld(Vendor::Intel)), (0xbcda, 0xbcd1));
    // rcl al, 9: full circle.
    let rcl = |v| run(&[0xc0, 0xd0, 9], v, 0x80, 0, 0).cpu.s.rflags() & rflags::OF;
    assert_eq!((rcl(Vendor::Amd), rcl(Vendor::Intel)), (rflags::OF, 0));
    // rep scasb with 32-bit addresses and nothing to do.
    let scas = |v| run(&[0x67, 0xf3, 0xae], v, 0, 1 << 32, 0).cpu.s.gpr[RCX];
    assert_eq!((scas(Vendor::Amd), scas(Vendor::Intel)), (1 << 32, 0));
}
