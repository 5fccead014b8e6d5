//! Faults and partial operands: alignment, availability, masks, MXCSR exceptions.

use super::*;
use crate::model::Vendor;

#[test]
fn aligned_forms_fault_on_misaligned_operands_and_others_do_not() {
    type Make = fn(&mut CodeAssembler) -> Result<(), IcedError>;
    let cases: [(&str, Make, Option<u8>); 12] = [
        ("movaps", |a| a.movaps(xmm0, ptr(rax)), Some(vector::GP)),
        ("movaps store", |a| a.movaps(ptr(rax), xmm0), Some(vector::GP)),
        ("movntdq", |a| a.movntdq(ptr(rax), xmm0), Some(vector::GP)),
        ("movups", |a| a.movups(xmm0, ptr(rax)), None),
        ("addps", |a| a.addps(xmm0, xmmword_ptr(rax)), Some(vector::GP)),
        ("aesenc", |a| a.aesenc(xmm0, xmmword_ptr(rax)), Some(vector::GP)),
        ("pcmpistri", |a| a.pcmpistri(xmm0, xmmword_ptr(rax), 0), None),
        ("vaddps", |a| a.vaddps(xmm0, xmm1, xmmword_ptr(rax)), None),
        ("vmovaps", |a| a.vmovaps(ymm0, ymmword_ptr(rax)), Some(vector::GP)),
        ("vmovups", |a| a.vmovups(ymm0, ymmword_ptr(rax)), None),
        ("addss", |a| a.addss(xmm0, dword_ptr(rax)), None),
        ("movq", |a| a.movq(xmm0, qword_ptr(rax)), None),
    ];
    for (name, make, want) in cases {
        let mut m = ready(make);
        m.cpu.s.gpr[RAX] = DATA + 8 - 4;
        m.cpu.s.gpr[RAX] |= 1;
        assert_eq!(fault_vector(&mut m), want, "{name}");
    }
}

#[test]
fn thirty_two_byte_alignment_is_checked_as_such() {
    let mut m = ready(|a| a.vmovdqa(ymm0, ymmword_ptr(rax)));
    m.cpu.s.gpr[RAX] = DATA + 16;
    assert_eq!(m.fault(), Some((vector::GP, Some(0))));
    m.cpu.s.gpr[RAX] = DATA + 32;
    m.cpu.s.rip = CODE;
    assert_eq!(m.fault(), None);
}

#[test]
fn availability_decides_between_undefined_and_not_available() {
    type Make = fn(&mut CodeAssembler) -> Result<(), IcedError>;
    let sse: Make = |a| a.addps(xmm0, xmm1);
    let avx: Make = |a| a.vaddps(xmm0, xmm1, xmm2);
    let mmx: Make = |a| a.paddb(mm0, mm1);
    let fpu: Make = |a| a.fld1();
    // Names no vector register.
    let convert: Make = |a| a.cvttsd2si(rcx, qword_ptr(rax));
    let (ud, nm) = (Some(vector::UD), Some(vector::NM));
    // Code, CR0 bits set, CR4 bits cleared, expected.
    let cases = [
        (sse, 0, 0, None),
        (sse, cr0::TS, 0, nm),
        (sse, cr0::EM | cr0::TS, 0, ud),
        (sse, cr0::TS, cr4::OSFXSR, ud),
        (convert, 0, 0, None),
        (convert, cr0::TS, 0, nm),
        (convert, cr0::TS, cr4::OSFXSR, ud),
        (avx, 0, 0, None),
        (avx, cr0::TS, 0, nm),
        (avx, cr0::TS, cr4::OSXSAVE, ud),
        (avx, cr0::EM, 0, None),
        (mmx, cr0::EM | cr0::TS, 0, ud),
        (mmx, cr0::TS, 0, nm),
        (fpu, cr0::EM, 0, nm),
        (fpu, cr0::TS, 0, nm),
        (fpu, 0, cr4::OSFXSR, None),
    ];
    for (n, (make, set, clear, want)) in cases.into_iter().enumerate() {
        let mut m = ready(make);
        m.cpu.s.cr0 |= set;
        m.cpu.s.cr4 &= !clear;
        m.cpu.refresh();
        assert_eq!(fault_vector(&mut m), want, "case {n}");
    }
}

#[test]
fn vex_is_undefined_without_the_state_enabled() {
    let mut m = ready(|a| a.vaddps(xmm0, xmm1, xmm2));
    m.cpu.s.xcr0 = 3;
    m.cpu.refresh();
    assert_eq!(fault_vector(&mut m), Some(vector::UD));
    let mut m = Machine::real_mode(&[0xc5, 0xf0, 0x58, 0xc2]);
    assert_eq!(fault_vector(&mut m), Some(vector::UD));
}

#[test]
fn legacy_instructions_keep_the_upper_lanes_and_vex_clears_them() {
    let mut m = ready(|a| {
        a.paddd(xmm0, xmm1)?;
        a.movaps(xmm2, xmm1)?;
        a.vpaddd(xmm3, xmm1, xmm2)?;
        a.vmovaps(xmm4, xmm1)?;
        a.movd(xmm5, eax)?;
        a.vmovd(xmm6, eax)
    });
    let before = m.cpu.s.vec.zmm;
    m.steps(6);
    let z = &m.cpu.s.vec.zmm;
    for n in [0, 2, 5] {
        assert_eq!(z[n][16..], before[n][16..], "xmm{n}");
    }
    for n in [3, 4, 6] {
        assert_eq!(z[n][16..], [0; 48], "xmm{n}");
    }
    assert_eq!(z[5][..16], (DATA as u128).to_le_bytes());
}

#[test]
fn masked_off_elements_do_not_fault() {
    let mut m = ready(|a| {
        a.vmovdqu32(zmm0.k1().z(), zmmword_ptr(rax))?;
        a.vpaddd(zmm2.k1(), zmm2, zmmword_ptr(rax))
    });
    punch(&mut m, 16);
    m.ram.write(HOLE - 16, &[0x11; 16]);
    m.cpu.s.vec.k[1] = 0x5;
    let before = m.cpu.s.vec.zmm[2];
    m.steps(2);
    let mut want = [0; 64];
    want[..4].fill(0x11);
    want[8..12].fill(0x11);
    assert_eq!(m.cpu.s.vec.zmm[0], want);
    let after = m.cpu.s.vec.zmm[2];
    assert_eq!(after[12..], before[12..]);
    let sum = u32::from_le_bytes([before[0], before[1], before[2], before[3]]).wrapping_add(0x1111_1111);
    assert_eq!(after[..4], sum.to_le_bytes());

    recode(&mut m, &asm(|a| a.vmovdqu32(zmm0.k1().z(), zmmword_ptr(rax))));
    m.cpu.s.vec.k[1] = 0x15;
    m.cpu.s.vec.zmm[0] = before;
    assert_eq!(page_fault(&mut m), Some((HOLE, 0)));
    assert_eq!(m.cpu.s.vec.zmm[0], before);
}

#[test]
fn masked_stores_write_selected_elements_or_nothing() {
    let code = asm(|a| a.vmovdqu32(zmmword_ptr(rax).k1(), zmm1));
    let mut m = machine(&code);
    m.cpu.model.vendor = Vendor::Amd;
    punch(&mut m, 16);
    m.cpu.s.vec.k[1] = 0xa;
    assert_eq!(m.fault(), None);
    let mut got = [0; 16];
    m.ram.read(HOLE - 16, &mut got);
    let z = m.cpu.s.vec.zmm[1];
    let mut want = [0; 16];
    want[4..8].copy_from_slice(&z[4..8]);
    want[12..16].copy_from_slice(&z[12..16]);
    assert_eq!(got, want);

    m.ram.write(HOLE - 16, &[0; 16]);
    m.cpu.s.vec.k[1] = 0x1a;
    m.cpu.s.rip = CODE;
    assert_eq!(page_fault(&mut m), Some((HOLE, 2)));
    m.ram.read(HOLE - 16, &mut got);
    assert_eq!(got, [0; 16]);
}

#[test]
fn compress_and_expand_touch_as_many_elements_as_the_mask_has_bits() {
    let mut m = ready(|a| {
        a.vpcompressd(zmmword_ptr(rax).k1(), zmm1)?;
        a.vpexpandd(zmm2.k1().z(), zmmword_ptr(rax))
    });
    punch(&mut m, 8);
    m.cpu.s.vec.k[1] = 0x8002;
    m.steps(2);
    let z = m.cpu.s.vec.zmm;
    let mut got = [0; 8];
    m.ram.read(HOLE - 8, &mut got);
    assert_eq!(got[..4], z[1][4..8]);
    assert_eq!(got[4..], z[1][60..]);
    let mut want = [0; 64];
    want[4..8].copy_from_slice(&z[1][4..8]);
    want[60..].copy_from_slice(&z[1][60..]);
    assert_eq!(z[2], want);
}

#[test]
fn broadcasts_read_one_element() {
    let mut m = ready(|a| a.vpaddd(zmm0, zmm1, dword_bcst(rax)));
    punch(&mut m, 4);
    m.ram.put::<4>(HOLE - 4, 5);
    m.steps(1);
    for n in 0..16 {
        let at = |r: usize| {
            let b = &m.cpu.s.vec.zmm[r][n * 4..];
            u32::from_le_bytes([b[0], b[1], b[2], b[3]])
        };
        assert_eq!(at(0), at(1).wrapping_add(5));
    }
}

#[test]
fn conditional_vector_moves_skip_elements_without_the_sign_bit() {
    let mut m = ready(|a| {
        a.vpmaskmovd(xmm0, xmm1, xmmword_ptr(rax))?;
        a.vmaskmovps(xmmword_ptr(rbx), xmm1, xmm2)
    });
    punch(&mut m, 8);
    m.ram.write(HOLE - 8, &[0x77; 8]);
    m.cpu.s.gpr[RBX] = DATA;
    let mut mask = [0; 16];
    mask[7] = 0x80;
    set_xmm(&mut m, 1, mask);
    m.steps(2);
    let mut want = [0; 64];
    want[4..8].fill(0x77);
    assert_eq!(m.cpu.s.vec.zmm[0], want);
    let mut got = [0; 16];
    m.ram.read(DATA, &mut got);
    assert_eq!(got[..4], [0; 4]);
    assert_eq!(got[4..8], m.cpu.s.vec.zmm[2][4..8]);
    assert_eq!(got[8..], [0; 8]);
}

#[test]
fn byte_masked_stores_go_to_rdi() {
    let mut m = ready(|a| a.maskmovdqu(xmm1, xmm2));
    m.cpu.s.gpr[RDI] = DATA + 3;
    let mut mask = [0x7f; 16];
    mask[0] = 0xff;
    mask[9] = 0x80;
    set_xmm(&mut m, 2, mask);
    m.steps(1);
    let mut got = [0; 16];
    m.ram.read(DATA + 3, &mut got);
    let mut want = [0; 16];
    want[0] = m.cpu.s.vec.zmm[1][0];
    want[9] = m.cpu.s.vec.zmm[1][9];
    assert_eq!(got, want);
}

#[test]
fn a_gather_that_faults_continues_where_it_stopped() {
    let mut m = ready(|a| a.vpgatherdd_3(ymm0, ymmword_ptr(rax + ymm1 * 4), ymm2));
    punch(&mut m, 64);
    let mut index = [0u8; 64];
    for (n, i) in [3i32, -1, 2, 17, 0, 1, 4, 5].into_iter().enumerate() {
        index[n * 4..n * 4 + 4].copy_from_slice(&i.to_le_bytes());
    }
    for n in 0..40 {
        m.ram.put::<4>(HOLE - 80 + n * 4, 0x100 + n);
    }
    m.cpu.s.vec.zmm[1] = index;
    m.cpu.s.vec.zmm[2] = [0xff; 64];
    m.cpu.s.vec.zmm[2][20..24].fill(0);
    let kept = m.cpu.s.vec.zmm[0];
    assert_eq!(page_fault(&mut m), Some((HOLE + 4, 0)));
    // Three elements are done, their mask bits gone.
    assert_eq!(m.cpu.s.vec.zmm[2][..12], [0; 12]);
    assert_eq!(m.cpu.s.vec.zmm[2][12], 0xff);
    m.ram.put::<8>(TABLES + 0x2000 + 8, 0x20_0087);
    m.cpu.flush_tlb();
    m.steps(1);
    let z = &m.cpu.s.vec.zmm;
    let lane =
        |n: usize| u32::from_le_bytes([z[0][n * 4], z[0][n * 4 + 1], z[0][n * 4 + 2], z[0][n * 4 + 3]]);
    assert_eq!([lane(0), lane(1), lane(2), lane(3), lane(4)], [0x107, 0x103, 0x106, 0x115, 0x104]);
    assert_eq!(z[0][20..24], kept[20..24]);
    assert_eq!(z[2], [0; 64]);
    assert_eq!(z[0][32..], [0; 32]);
}

#[test]
fn scatters_and_masked_gathers_clear_their_mask() {
    let mut m = ready(|a| {
        a.vpscatterdq(zmmword_ptr(rax + ymm1 * 8).k1(), zmm2)?;
        a.vgatherqpd(zmm3.k2(), zmmword_ptr(rax + zmm4))
    });
    let mut index = [0; 64];
    for n in 0..8u8 {
        index[usize::from(n) * 4] = 7 - n;
    }
    m.cpu.s.vec.zmm[1] = index;
    m.cpu.s.vec.zmm[4] = [0; 64];
    m.cpu.s.vec.k[1] = 0x81;
    m.cpu.s.vec.k[2] = 0x02;
    let kept = m.cpu.s.vec.zmm[3];
    m.steps(2);
    let z = m.cpu.s.vec.zmm;
    let mut got = [0; 64];
    m.ram.read(DATA, &mut got);
    assert_eq!(got[56..], z[2][..8]);
    assert_eq!(got[..8], z[2][56..]);
    assert_eq!(got[8..56], [0; 48]);
    assert_eq!(z[3][8..16], z[2][56..]);
    assert_eq!(z[3][..8], kept[..8]);
    assert_eq!((m.cpu.s.vec.k[1], m.cpu.s.vec.k[2]), (0, 0));
}

const ZE: u32 = 4;
const PE: u32 = 32;
const UE: u32 = 16;

#[test]
fn masked_exceptions_set_their_flags_and_commit() {
    let mut m = ready(|a| a.divps(xmm0, xmm1));
    set_xmm(&mut m, 0, floats([1.0; 4]));
    set_xmm(&mut m, 1, floats([0.0, 3.0, 1.0, 1.0]));
    m.steps(1);
    assert_eq!(xmm(&m, 0), floats([f32::INFINITY, 1.0 / 3.0, 1.0, 1.0]));
    assert_eq!(m.cpu.s.vec.mxcsr, 0x1f80 | ZE | PE);
}

#[test]
fn an_unmasked_exception_changes_no_register() {
    let mut m = ready(|a| a.divps(xmm0, xmm1));
    set_xmm(&mut m, 0, floats([1.0; 4]));
    set_xmm(&mut m, 1, floats([0.0, 3.0, 1.0, 1.0]));
    m.cpu.s.vec.mxcsr = 0x1f80 & !(ZE << 7);
    assert_eq!(fault_vector(&mut m), Some(vector::XM));
    assert_eq!(xmm(&m, 0), floats([1.0; 4]));
    // Inexact is found after the computation, which an unmasked divide by zero cuts short.
    assert_eq!(m.cpu.s.vec.mxcsr & 0x3f, ZE);
    m.cpu.s.cr4 &= !cr4::OSXMMEXCPT;
    m.cpu.refresh();
    assert_eq!(fault_vector(&mut m), Some(vector::UD));
}

#[test]
fn unmasked_underflow_is_raised_for_exact_results_too() {
    let tiny = f32::from_bits(0x0080_0000);
    for (mxcsr, want) in [(0x1f80, None), (0x1f80 & !(UE << 7), Some(vector::XM))] {
        let mut m = ready(|a| a.mulps(xmm0, xmm1));
        set_xmm(&mut m, 0, floats([tiny; 4]));
        set_xmm(&mut m, 1, floats([0.5; 4]));
        m.cpu.s.vec.mxcsr = mxcsr;
        assert_eq!(fault_vector(&mut m), want);
        assert_eq!(m.cpu.s.vec.mxcsr & UE != 0, want.is_some());
    }
}

#[test]
fn rounding_control_is_the_guests_and_does_not_leak() {
    let mut m = ready(|a| {
        a.cvtss2si(ebx, xmm1)?;
        a.cvtss2si(r12, dword_ptr(rax))
    });
    set_xmm(&mut m, 1, floats([2.5; 4]));
    m.ram.put::<4>(DATA, (-1.5f32).to_bits().into());
    m.cpu.s.vec.mxcsr = 0x5f80;
    m.cpu.s.gpr[RBX] = u64::MAX;
    m.steps(2);
    assert_eq!(m.cpu.s.gpr[RBX], 3);
    assert_eq!(m.cpu.s.gpr[12], -1i64 as u64);
    assert_eq!(m.cpu.s.vec.mxcsr, 0x5f80 | PE);
    let third = std::hint::black_box(1.0f32) / std::hint::black_box(3.0f32);
    assert_eq!(third.to_bits(), 0x3eaa_aaab);
}

#[test]
fn comparisons_set_the_arithmetic_flags() {
    let mut m = ready(|a| {
        a.comiss(xmm0, xmm1)?;
        a.ptest(xmm2, xmm2)?;
        a.kortestw(k1, k2)
    });
    set_xmm(&mut m, 0, floats([1.0; 4]));
    set_xmm(&mut m, 1, floats([2.0; 4]));
    set_xmm(&mut m, 2, [0; 16]);
    m.cpu.s.vec.k[1] = 0xff00;
    m.cpu.s.vec.k[2] = 0x00ff;
    m.cpu.s.flags.set_bits(rflags::ARITH);
    m.steps(1);
    assert_eq!(m.cpu.s.flags.bits(), rflags::CF);
    m.steps(1);
    assert_eq!(m.cpu.s.flags.bits(), rflags::ZF | rflags::CF);
    m.steps(1);
    assert_eq!(m.cpu.s.flags.bits(), rflags::CF);
}

#[test]
fn string_compares_use_their_implicit_registers() {
    let mut m = ready(|a| a.pcmpestri(xmm0, xmm1, 0x0c));
    set_xmm(&mut m, 0, *b"ab..............");
    set_xmm(&mut m, 1, *b"xxabxxxxxxxxxxxx");
    m.cpu.s.gpr[RAX] = 2;
    m.cpu.s.gpr[RDX] = 10;
    m.cpu.s.gpr[RCX] = u64::MAX;
    m.steps(1);
    assert_eq!(m.cpu.s.gpr[RCX], 2);
    assert_eq!(m.cpu.s.gpr[RAX], 2);
}

#[test]
fn general_registers_including_rsp_and_rsi_work_as_operands() {
    let mut m = ready(|a| {
        a.movq(rsp, xmm0)?;
        a.pextrd(esi, xmm0, 1)?;
        a.vpbroadcastd(zmm1, edi)?;
        a.pinsrw(xmm2, esi, 3)
    });
    m.cpu.s.gpr[RDI] = 0x1234_5678;
    set_xmm(&mut m, 0, 0x0102_0304_0506_0708u128.to_le_bytes());
    m.steps(4);
    assert_eq!(m.cpu.s.gpr[RSP], 0x0102_0304_0506_0708);
    assert_eq!(m.cpu.s.gpr[RSI], 0x0102_0304);
    assert_eq!(m.cpu.s.vec.zmm[1][60..], 0x1234_5678u32.to_le_bytes());
    assert_eq!(m.cpu.s.vec.zmm[2][6..8], [0x04, 0x03]);
}

#[test]
fn stores_across_a_page_boundary_write_all_or_nothing() {
    let mut m = ready(|a| a.movups(ptr(rax), xmm0));
    punch(&mut m, 8);
    assert_eq!(page_fault(&mut m), Some((HOLE, 2)));
    assert_eq!(m.ram.get::<8>(HOLE - 8), 0);
}

#[test]
fn masked_stores_into_a_second_page_report_what_the_vendor_does() {
    for (vendor, at) in [(Vendor::Amd, HOLE), (Vendor::Intel, HOLE + 11)] {
        let mut m = ready(|a| a.vmaskmovps(xmmword_ptr(rax), xmm1, xmm2));
        m.cpu.model.vendor = vendor;
        m.cpu.s.vec.zmm[1].fill(0xff);
        punch(&mut m, 4);
        assert_eq!(page_fault(&mut m).map(|(la, _)| la), Some(at), "{vendor:?}");
    }
}

#[test]
fn a_gather_that_faults_leaves_the_mask_as_the_vendor_does() {
    for (vendor, rest) in [(Vendor::Amd, 0x80), (Vendor::Intel, 0xff)] {
        // vgatherdps xmm0, [rax + xmm2], xmm1
        let mut m = machine(&[0xc4, 0xe2, 0x71, 0x92, 0x04, 0x10]);
        m.cpu.model.vendor = vendor;
        m.cpu.s.vec.zmm[1].fill(0x80);
        m.cpu.s.vec.zmm[2].fill(0);
        m.cpu.s.vec.zmm[2][4] = 4;
        punch(&mut m, 4);
        assert_eq!(page_fault(&mut m).map(|(la, _)| la), Some(HOLE), "{vendor:?}");
        assert_eq!(m.cpu.s.vec.zmm[1][..4], [0; 4]);
        assert_eq!(m.cpu.s.vec.zmm[1][4..16], [rest; 12]);
    }
}
