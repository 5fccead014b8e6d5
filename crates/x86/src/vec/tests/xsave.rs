//! FXSAVE and the XSAVE family.

use super::*;
use crate::vec::xsave::*;

const ALL: u64 = 0xe7;

/// Distinct values everywhere.
fn scramble(m: &mut Machine) {
    let v = &mut m.cpu.s.vec;
    for n in 0..8 {
        v.k[n] = 0x1111 * (n as u64 + 1);
        v.x87.st[n][..10].fill(n as u8 + 0x40);
    }
    v.x87.fcw = 0x27f;
    v.x87.fsw = 2 << 11;
    v.x87.ftw = 0x3c;
    v.x87.fop = 0x123;
    v.x87.fip = 0x1122_3344;
    v.x87.fdp = 0x5566_7788;
    v.mxcsr = 0x1fa0;
}

fn select(m: &mut Machine, mask: u64, at: u64) {
    m.cpu.s.gpr[RAX] = mask & 0xffff_ffff;
    m.cpu.s.gpr[RDX] = mask >> 32;
    m.cpu.s.gpr[RBX] = at;
}

#[test]
fn fxsave_and_fxrstor_round_trip() {
    let mut m = ready(|a| {
        a.fxsave64(ptr(rbx))?;
        a.fxrstor64(ptr(rbx))
    });
    scramble(&mut m);
    select(&mut m, 0, DATA);
    let before = m.cpu.s.vec.clone();
    m.steps(1);
    assert_eq!(m.ram.get::<2>(DATA), 0x27f);
    assert_eq!(m.ram.get::<8>(DATA + 8), 0x1122_3344);
    assert_eq!(m.ram.get::<4>(DATA + 24), 0x1fa0);
    // ST(0) is physical register 2.
    assert_eq!(m.ram.get::<1>(DATA + 32), 0x42);
    assert_eq!(m.ram.get::<1>(DATA + 160 + 16 * 15), u64::from(before.zmm[15][0]));
    m.cpu.s.vec = VectorState::default();
    m.steps(1);
    let v = &m.cpu.s.vec;
    assert_eq!(v.x87, before.x87);
    assert_eq!(v.mxcsr, before.mxcsr);
    for n in 0..16 {
        assert_eq!(v.zmm[n][..16], before.zmm[n][..16]);
        assert_eq!(v.zmm[n][16..], [0; 48]);
    }
}

#[test]
fn fxrstor_refuses_reserved_mxcsr_bits_and_misalignment() {
    let mut m = ready(|a| a.fxrstor64(ptr(rbx)));
    select(&mut m, 0, DATA);
    m.ram.put::<4>(DATA + 24, 1 << 20);
    assert_eq!(m.fault(), Some((vector::GP, Some(0))));
    select(&mut m, 0, DATA + 8);
    assert_eq!(m.fault(), Some((vector::GP, Some(0))));
}

#[test]
fn every_saving_instruction_restores_to_the_same_state() {
    type Make = fn(&mut CodeAssembler) -> Result<(), IcedError>;
    let pairs: [(Make, Make); 4] = [
        (|a| a.xsave64(ptr(rbx)), |a| a.xrstor64(ptr(rbx))),
        (|a| a.xsaveopt64(ptr(rbx)), |a| a.xrstor64(ptr(rbx))),
        (|a| a.xsavec64(ptr(rbx)), |a| a.xrstor64(ptr(rbx))),
        (|a| a.xsaves64(ptr(rbx)), |a| a.xrstors64(ptr(rbx))),
    ];
    for (n, (save, restore)) in pairs.into_iter().enumerate() {
        let mut m = ready(save);
        scramble(&mut m);
        m.cpu.s.vec.x87.fcs = 0;
        let before = m.cpu.s.vec.clone();
        select(&mut m, u64::MAX, DATA);
        m.steps(1);
        assert_eq!(m.ram.get::<8>(DATA + 512), ALL, "pair {n}");
        recode(&mut m, &asm(restore));
        m.cpu.s.vec = VectorState::default();
        m.steps(1);
        assert_eq!(m.cpu.s.vec, before, "pair {n}");
    }
}

#[test]
fn components_in_their_initial_state_are_not_written_by_the_optimising_forms() {
    let mut m = ready(|a| a.xsavec64(ptr(rbx)));
    m.cpu.s.vec = VectorState::default();
    m.cpu.s.vec.k[3] = 7;
    m.ram.write(DATA, &[0xee; 4096]);
    select(&mut m, ALL, DATA);
    m.steps(1);
    assert_eq!(m.ram.get::<8>(DATA + 512), 0x20);
    assert_eq!(m.ram.get::<8>(DATA + 520), 1 << 63 | ALL);
    // Opmask follows AVX in the compacted format.
    assert_eq!(m.ram.get::<8>(DATA + 576 + 256 + 24), 7);
    assert_eq!(m.ram.get::<8>(DATA + 576), 0xeeee_eeee_eeee_eeee);
    assert_eq!(m.ram.get::<8>(DATA), 0xeeee_eeee_eeee_eeee);
}

#[test]
fn restoring_an_absent_component_initialises_it() {
    let mut m = ready(|a| a.xrstor64(ptr(rbx)));
    scramble(&mut m);
    let before = m.cpu.s.vec.clone();
    m.ram.put::<4>(DATA + 24, 0x1f80);
    select(&mut m, 0x24, DATA);
    m.steps(1);
    let v = &m.cpu.s.vec;
    assert_eq!(v.k, [0; 8]);
    assert_eq!(v.mxcsr, 0x1f80);
    assert_eq!(v.x87, before.x87);
    for n in 0..16 {
        assert_eq!(v.zmm[n][..16], before.zmm[n][..16]);
        assert_eq!(v.zmm[n][16..32], [0; 16]);
        assert_eq!(v.zmm[n][32..], before.zmm[n][32..]);
    }
}

#[test]
fn bad_headers_fault() {
    // XSTATE_BV, XCOMP_BV, third word.
    let cases = [
        (1 << 9, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (3, 1 << 63 | 1, 0),
        (0, 1 << 63 | 1 << 11, 0),
        (0, 1 << 63 | 7, 1),
    ];
    for (bv, comp, third) in cases {
        let mut m = ready(|a| a.xrstor64(ptr(rbx)));
        m.cpu.s.xcr0 = ALL;
        m.ram.put::<8>(DATA + 512, bv);
        m.ram.put::<8>(DATA + 520, comp);
        m.ram.put::<8>(DATA + 528, third);
        select(&mut m, ALL, DATA);
        assert_eq!(m.fault(), Some((vector::GP, Some(0))), "{bv:#x} {comp:#x} {third}");
    }
    let mut m = ready(|a| a.xsave64(ptr(rbx)));
    select(&mut m, ALL, DATA + 16);
    assert_eq!(m.fault(), Some((vector::GP, Some(0))));
    let mut m = ready(|a| a.xsaves64(ptr(rbx))).user();
    select(&mut m, ALL, DATA);
    assert_eq!(m.fault(), Some((vector::GP, Some(0))));
}

#[test]
fn thirty_two_bit_code_saves_eight_registers() {
    // xsave [ebx]
    let mut m = Machine::protected(32, &[0x0f, 0xae, 0x23]);
    for n in 0..32 {
        m.cpu.s.vec.zmm[n] = [n as u8 + 1; 64];
    }
    m.ram.write(DATA, &[0xee; 512]);
    m.ram.write(DATA + 576, &[0xee; 3000]);
    select(&mut m, ALL, DATA);
    m.steps(1);
    assert_eq!(m.ram.get::<1>(DATA + 160 + 7 * 16), 8);
    assert_eq!(m.ram.get::<1>(DATA + 160 + 8 * 16), 0xee);
    assert_eq!(m.ram.get::<1>(DATA + 576 + 7 * 16), 8);
    assert_eq!(m.ram.get::<1>(DATA + 576 + 8 * 16), 0xee);
}

#[test]
fn xgetbv_reads_enabled_and_used_components() {
    let mut m = ready(|a| {
        a.xgetbv()?;
        a.mov(ecx, 1)?;
        a.xgetbv()
    });
    m.cpu.s.gpr[RCX] = 0;
    m.cpu.s.gpr[RDX] = u64::MAX;
    m.cpu.s.vec = VectorState::default();
    m.cpu.s.vec.zmm[20][5] = 1;
    m.steps(1);
    assert_eq!((m.cpu.s.gpr[RAX], m.cpu.s.gpr[RDX]), (ALL, 0));
    m.cpu.s.gpr[RCX] = 1;
    m.cpu.s.rip = CODE;
    m.steps(1);
    assert_eq!(m.cpu.s.gpr[RAX], 0x80);
    m.cpu.s.gpr[RCX] = 2;
    m.cpu.s.rip = CODE;
    assert_eq!(m.fault(), Some((vector::GP, Some(0))));
}

#[test]
fn images_round_trip_and_have_a_constant_size() {
    let mut m = ready(|a| a.nop());
    let empty = Machine::long_mode(&[]).cpu.xsave_image(SUPPORTED);
    scramble(&mut m);
    m.cpu.s.vec.pkru = 0x5555_5554;
    let before = m.cpu.s.vec.clone();
    let image = m.cpu.xsave_image(SUPPORTED);
    assert_eq!(image.len(), empty.len());
    assert_eq!(image.len(), compacted_size(SUPPORTED));
    m.cpu.s.vec = VectorState::default();
    m.cpu.set_xsave_image(&image, SUPPORTED).expect("our own image");
    assert_eq!(m.cpu.s.vec, before);
    m.cpu.set_xsave_image(&empty, SUPPORTED).expect("our own image");
    assert_eq!(m.cpu.s.vec, VectorState::default());
}

#[test]
fn bad_images_are_refused() {
    let mut m = ready(|a| a.nop());
    let good = m.cpu.xsave_image(7);
    assert_eq!(m.cpu.set_xsave_image(&good[..500], 7), Err(XsaveError::TooShort { needed: 576 }));
    assert_eq!(m.cpu.set_xsave_image(&good[..600], 7), Err(XsaveError::TooShort { needed: 832 }));
    let mut b = good.clone();
    b[527] = 0;
    assert_eq!(m.cpu.set_xsave_image(&b, 7), Err(XsaveError::BadHeader));
    let mut b = good.clone();
    b[512] = 0x20;
    assert_eq!(m.cpu.set_xsave_image(&b, 7), Err(XsaveError::BadHeader));
    let mut b = good.clone();
    b[27] = 0xff;
    assert_eq!(m.cpu.set_xsave_image(&b, 7), Err(XsaveError::BadMxcsr));
    assert_eq!(m.cpu.set_xsave_image(&good, 7), Ok(()));
}

#[test]
fn layouts_do_not_overlap() {
    let mut end = HEADER_END;
    for c in layout(SUPPORTED) {
        assert!(c.offset >= end);
        end = c.offset + c.size;
    }
    assert_eq!(standard_size(SUPPORTED), end);
    assert_eq!(compacted_size(3), HEADER_END);
    assert_eq!(compacted_size(0x24), HEADER_END + 320);
}
