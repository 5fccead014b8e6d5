//! x87 and MMX.

use super::*;

/// ST(n) of the guest as an 80-bit image.
fn st(m: &Machine, n: usize) -> [u8; 10] {
    let x = &m.cpu.s.vec.x87;
    let mut v = [0; 10];
    v.copy_from_slice(&x.st[(x.top() + n) & 7][..10]);
    v
}

/// 80-bit image of a power of two.
fn power(e: i32) -> [u8; 10] {
    let mut v = [0; 10];
    v[7] = 0x80;
    v[8..].copy_from_slice(&((16383 + e) as u16).to_le_bytes());
    v
}

#[test]
fn arithmetic_uses_the_guests_stack_and_control_word() {
    let mut m = ready(|a| {
        a.fld1()?;
        a.fld(qword_ptr(rax))?;
        a.fadd_2(st0, st1)?;
        a.fstp(dword_ptr(rax + 8))?;
        a.fistp(word_ptr(rax + 16))
    });
    m.ram.put::<8>(DATA, 3.0f64.to_bits());
    m.steps(3);
    assert_eq!(m.cpu.s.vec.x87.top(), 6);
    assert_eq!(m.cpu.s.vec.x87.ftw, 0xc0);
    assert_eq!((st(&m, 0), st(&m, 1)), (power(2), power(0)));
    m.steps(2);
    assert_eq!(m.ram.get::<4>(DATA + 8) as u32, 4.0f32.to_bits());
    assert_eq!(m.ram.get::<2>(DATA + 16), 1);
    assert_eq!((m.cpu.s.vec.x87.ftw, m.cpu.s.vec.x87.top()), (0, 0));
    assert_eq!(m.cpu.s.vec.x87.fcw, 0x37f);
}

#[test]
fn pointers_record_the_guests_addresses() {
    let mut m = ready(|a| {
        a.fld1()?;
        a.fmul(dword_ptr(rax))?;
        a.fnstenv(ptr(rbx))
    });
    m.cpu.s.gpr[RBX] = DATA + 0x100;
    m.steps(3);
    let x = &m.cpu.s.vec.x87;
    assert_eq!((x.fip, x.fdp, x.fop), (CODE + 2, DATA, 0x008));
    assert_eq!((x.fcs, x.fds), (8, 16));
    assert_eq!(m.ram.get::<4>(DATA + 0x100), 0xffff_037f);
    assert_eq!(m.ram.get::<4>(DATA + 0x10c), CODE + 2);
    assert_eq!(m.ram.get::<4>(DATA + 0x110), 0x0008_0008);
    assert_eq!(m.ram.get::<4>(DATA + 0x114), DATA);
}

#[test]
fn real_mode_environments_hold_linear_addresses() {
    // fld1; fnstenv [0x500] with 16-bit and 32-bit operand size.
    let code = [0xd9, 0xe8, 0xd9, 0x36, 0, 5, 0x66, 0xd9, 0x36, 0, 6];
    let mut m = Machine::real_mode(&code);
    m.cpu.s.seg[CS].selector = 0x1000;
    m.steps(3);
    assert_eq!(m.ram.get::<2>(0x506), CODE & 0xffff);
    assert_eq!(m.ram.get::<2>(0x508), 0x1000 | 0x1e8);
    assert_eq!(m.ram.get::<4>(0x60c), 0xffff_0000 | CODE);
    assert_eq!(m.ram.get::<4>(0x610), 0x1000 | 0x1e8);
}

#[test]
fn environments_round_trip_in_every_format() {
    for bits in [16, 32, 64] {
        for wide in [false, true] {
            // fnsave [bx]/[ebx]/[rbx]; frstor the same.
            let modrm = |reg: u8| if bits == 16 { reg << 3 | 7 } else { reg << 3 | 3 };
            let prefix: &[u8] = if wide == (bits == 16) { &[0x66] } else { &[] };
            let code = [prefix, &[0xdd, modrm(6)], prefix, &[0xdd, modrm(4)]].concat();
            let mut m = Machine::of_bits(bits, &code);
            m.cpu.s.gpr[RBX] = 0x900;
            let x = &mut m.cpu.s.vec.x87;
            x.fcw = 0x27f;
            x.fsw = 0x3820 | 5 << 11;
            x.ftw = 0b1110_0001;
            for n in 0..8 {
                x.st[n][..10].fill(n as u8 + 1);
            }
            let before = *x;
            m.steps(1);
            assert_eq!((m.cpu.s.vec.x87.fcw, m.cpu.s.vec.x87.ftw), (0x37f, 0), "{bits} {wide}");
            m.steps(1);
            let after = m.cpu.s.vec.x87;
            assert_eq!(
                (after.st, after.fcw, after.fsw, after.ftw),
                (before.st, 0x27f, before.fsw, before.ftw)
            );
        }
    }
}

#[test]
fn an_unmasked_exception_waits_for_the_next_instruction() {
    let code = asm(|a| {
        a.fldz()?;
        a.fld1()?;
        a.fdivrp(st1, st0)?;
        a.fnstsw(ax)?;
        a.fld1()?;
        a.wait()
    });
    let mut m = machine(&code);
    m.cpu.s.vec.x87.fcw = 0x37b;
    m.steps(4);
    assert_eq!(m.cpu.s.gpr[RAX] & 0x8084, 0x8084);
    assert_eq!(fault_vector(&mut m), Some(vector::MF));
    recode(&mut m, &[0x9b]);
    assert_eq!(fault_vector(&mut m), Some(vector::MF));
    recode(&mut m, &asm(|a| a.paddb(mm0, mm1)));
    assert_eq!(fault_vector(&mut m), Some(vector::MF));
    recode(
        &mut m,
        &asm(|a| {
            a.fnclex()?;
            a.wait()
        }),
    );
    m.steps(2);
    assert_eq!(m.cpu.s.vec.x87.fsw & 0x80ff, 0);
}

#[test]
fn without_numeric_errors_execution_goes_on_and_the_exception_stays() {
    let mut m = ready(|a| {
        a.fldz()?;
        a.fld1()?;
        a.fdivrp(st1, st0)?;
        a.fld1()
    });
    m.cpu.s.cr0 &= !cr0::NE;
    m.cpu.refresh();
    m.cpu.s.vec.x87.fcw = 0x37b;
    m.steps(4);
    assert_eq!(m.cpu.s.vec.x87.fsw & 0x8084, 0x8084);
    assert_eq!(m.cpu.s.vec.x87.fcw, 0x37b);
}

#[test]
fn a_store_that_raises_unmasked_invalid_leaves_memory_alone() {
    let mut m = ready(|a| a.fstp(dword_ptr(rax)));
    m.ram.put::<4>(DATA, 0x1234_5678);
    m.cpu.s.vec.x87.fcw = 0x37e;
    m.steps(1);
    assert_eq!(m.ram.get::<4>(DATA), 0x1234_5678);
    assert_eq!(m.cpu.s.vec.x87.fsw & 0xc1, 0xc1);
}

#[test]
fn a_faulting_store_does_not_pop() {
    let mut m = ready(|a| {
        a.fld1()?;
        a.fstp(qword_ptr(rax))
    });
    punch(&mut m, 4);
    m.steps(1);
    assert_eq!(page_fault(&mut m), Some((HOLE, 2)));
    assert_eq!((m.cpu.s.vec.x87.top(), m.cpu.s.vec.x87.ftw), (7, 0x80));
}

#[test]
fn comparisons_and_conditional_moves_use_the_arithmetic_flags() {
    let mut m = ready(|a| {
        a.fldz()?;
        a.fld1()?;
        a.fcomi(st0, st1)?;
        a.fcmovnb(st0, st1)
    });
    m.cpu.s.flags.set_bits(rflags::ARITH);
    m.steps(3);
    assert_eq!(m.cpu.s.flags.bits(), 0);
    m.steps(1);
    assert_eq!(st(&m, 0), [0; 10]);
}

#[test]
fn mmx_marks_every_register_valid_and_emms_empties_them() {
    let mut m = ready(|a| {
        a.fld1()?;
        a.movq(mm3, qword_ptr(rax))?;
        a.paddb(mm3, mm3)?;
        a.movq(qword_ptr(rax + 8), mm3)?;
        a.emms()
    });
    m.ram.put::<8>(DATA, 0x0102_0304_0506_0708);
    m.steps(4);
    assert_eq!(m.ram.get::<8>(DATA + 8), 0x0204_0608_0a0c_0e10);
    let x = &m.cpu.s.vec.x87;
    assert_eq!((x.top(), x.ftw), (0, 0xff));
    assert_eq!(x.st[3][8..10], [0xff, 0xff]);
    assert_eq!(x.st[7][..10], power(0));
    m.steps(1);
    assert_eq!(m.cpu.s.vec.x87.ftw, 0);
}

#[test]
fn conversions_from_memory_leave_the_stack_alone() {
    let mut m = ready(|a| {
        a.fld1()?;
        a.cvtpi2ps(xmm0, qword_ptr(rax))?;
        a.cvtpi2ps(xmm0, mm0)
    });
    m.steps(2);
    assert_eq!(m.cpu.s.vec.x87.top(), 7);
    m.steps(1);
    assert_eq!((m.cpu.s.vec.x87.top(), m.cpu.s.vec.x87.ftw), (0, 0xff));
}

#[test]
fn the_control_word_keeps_its_fixed_bits() {
    let mut m = ready(|a| {
        a.fldcw(word_ptr(rax))?;
        a.fnstcw(word_ptr(rax + 2))
    });
    m.ram.put::<2>(DATA, 0xffff);
    m.steps(2);
    assert_eq!(m.ram.get::<2>(DATA + 2), 0x1f7f);
}

#[test]
fn packed_decimal_and_extended_operands_are_ten_bytes() {
    let mut m = ready(|a| {
        a.fbld(ptr(rax))?;
        a.fld(tbyte_ptr(rax + 16))?;
        a.faddp(st1, st0)?;
        a.fbstp(ptr(rax + 32))
    });
    m.ram.put::<8>(DATA, 0x1234);
    m.ram.write(DATA + 16, &power(4));
    m.steps(4);
    assert_eq!(m.ram.get::<8>(DATA + 32), 0x1250);
}
