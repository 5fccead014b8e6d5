//! The 512-byte legacy region of FXSAVE and the XSAVE family, FXSAVE and FXRSTOR, LDMXCSR and STMXCSR.

use super::x87::clean_fcw;
use crate::cpu::Cpu;
use crate::exit::Flow;
use crate::exit::Step;
use crate::mem::Access;
use crate::op::Op;
use crate::state::*;

/// Bit of [`Op::aux`]: the 64-bit image (REX.W).
pub(crate) const IMAGE_64: u8 = 1;

/// Writes ST(0)-ST(7), 16 bytes each.
pub(crate) fn put_stack(x: &X87, b: &mut [u8]) {
    let top = x.top();
    for (n, slot) in b.chunks_exact_mut(16).take(8).enumerate() {
        slot[..10].copy_from_slice(&x.st[(top + n) & 7][..10]);
        slot[10..].fill(0);
    }
}

/// Reads ST(0)-ST(7); the status word must hold TOP already.
pub(crate) fn take_stack(x: &mut X87, b: &[u8]) {
    let top = x.top();
    for (n, slot) in b.chunks_exact(16).take(8).enumerate() {
        let r = &mut x.st[(top + n) & 7];
        r[..10].copy_from_slice(&slot[..10]);
        r[10..].fill(0);
    }
}

/// Writes the x87 part: bytes 0-23 and 32-159.
pub(crate) fn put_x87(x: &X87, wide: bool, b: &mut [u8]) {
    b[..2].copy_from_slice(&x.fcw.to_le_bytes());
    b[2..4].copy_from_slice(&x.fsw.to_le_bytes());
    b[4..6].copy_from_slice(&[x.ftw, 0]);
    b[6..8].copy_from_slice(&x.fop.to_le_bytes());
    if wide {
        b[8..16].copy_from_slice(&x.fip.to_le_bytes());
        b[16..24].copy_from_slice(&x.fdp.to_le_bytes());
    } else {
        b[8..12].copy_from_slice(&(x.fip as u32).to_le_bytes());
        b[12..16].copy_from_slice(&u32::from(x.fcs).to_le_bytes());
        b[16..20].copy_from_slice(&(x.fdp as u32).to_le_bytes());
        b[20..24].copy_from_slice(&u32::from(x.fds).to_le_bytes());
    }
    put_stack(x, &mut b[32..160]);
}

/// Reads the x87 part.
pub(crate) fn take_x87(x: &mut X87, wide: bool, b: &[u8]) {
    let word = |at: usize| u16::from_le_bytes([b[at], b[at + 1]]);
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 2)) << 16;
    x.fcw = clean_fcw(word(0));
    x.fsw = word(2);
    x.ftw = b[4];
    x.fop = word(6) & 0x7ff;
    if wide {
        x.fip = long(8) | long(12) << 32;
        x.fdp = long(16) | long(20) << 32;
        (x.fcs, x.fds) = (0, 0);
    } else {
        (x.fip, x.fcs) = (long(8), word(12));
        (x.fdp, x.fds) = (long(16), word(20));
    }
    take_stack(x, &b[32..160]);
    x.summarise();
}

/// Writes MXCSR and its mask: bytes 24-31.
pub(crate) fn put_mxcsr(v: &VectorState, b: &mut [u8]) {
    b[24..28].copy_from_slice(&v.mxcsr.to_le_bytes());
    b[28..32].copy_from_slice(&v.mxcsr_mask.to_le_bytes());
}

/// MXCSR in a legacy region.
pub(crate) fn mxcsr(b: &[u8]) -> u32 {
    u32::from_le_bytes([b[24], b[25], b[26], b[27]])
}

/// Writes XMM0 up to XMM(`n` - 1).
pub(crate) fn put_xmm(v: &VectorState, n: usize, b: &mut [u8]) {
    for (r, slot) in v.zmm[..n].iter().zip(b[160..].chunks_exact_mut(16)) {
        slot.copy_from_slice(&r[..16]);
    }
}

/// Reads XMM0 up to XMM(`n` - 1).
pub(crate) fn take_xmm(v: &mut VectorState, n: usize, b: &[u8]) {
    for (r, slot) in v.zmm[..n].iter_mut().zip(b[160..].chunks_exact(16)) {
        r[..16].copy_from_slice(slot);
    }
}

/// Vector registers that the present mode can name (of the first 16).
pub(crate) fn reachable(cpu: &Cpu) -> usize {
    if cpu.s.is64() { 16 } else { 8 }
}

/// FXSAVE.
pub(crate) fn op_fxsave(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    cpu.x87_sync();
    let n = reachable(cpu);
    let len = 160 + 16 * n;
    let la = cpu.la(op, 512, Access::Write)?;
    if la & 15 != 0 {
        return cpu.gp(0);
    }
    let mut b = [0; 512];
    put_x87(&cpu.s.vec.x87, op.aux & IMAGE_64 != 0, &mut b);
    put_mxcsr(&cpu.s.vec, &mut b);
    put_xmm(&cpu.s.vec, n, &mut b);
    cpu.probe(la, 512, Access::Write, op.seg & 7)?;
    cpu.write_bytes(la, &b[..len], op.seg & 7)?;
    Ok(Flow::Next)
}

/// FXRSTOR.
pub(crate) fn op_fxrstor(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    let la = cpu.la(op, 512, Access::Read)?;
    if la & 15 != 0 {
        return cpu.gp(0);
    }
    let mut b = [0; 512];
    cpu.read_bytes(la, &mut b, op.seg & 7)?;
    let m = mxcsr(&b);
    if m & !cpu.s.vec.mxcsr_mask != 0 {
        return cpu.gp(0);
    }
    cpu.x87_sync();
    let n = reachable(cpu);
    cpu.s.vec.mxcsr = m;
    take_x87(&mut cpu.s.vec.x87, op.aux & IMAGE_64 != 0, &b);
    take_xmm(&mut cpu.s.vec, n, &b);
    Ok(Flow::Next)
}

/// LDMXCSR and VLDMXCSR.
pub(crate) fn op_ldmxcsr(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    let v = cpu.load::<u32>(op)?;
    if v & !cpu.s.vec.mxcsr_mask != 0 {
        return cpu.gp(0);
    }
    cpu.s.vec.mxcsr = v;
    Ok(Flow::Next)
}

/// STMXCSR and VSTMXCSR.
pub(crate) fn op_stmxcsr(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    let v = cpu.s.vec.mxcsr;
    cpu.store::<u32>(op, v)?;
    Ok(Flow::Next)
}
