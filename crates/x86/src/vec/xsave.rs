//! The XSAVE family: layout of the save area, saving, restoring, and whole images for the platform.
//!
//! The layout is the model's ([`xsave_component`], which CPUID leaf 0xD tells the guest); the host's does not matter.
//! There are user components only: IA32_XSS has no bit that could be set.

use super::fxsave;
use super::fxsave::IMAGE_64;
use crate::cpu::Cpu;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::mem::Access;
use crate::model::xsave_component;
use crate::op::Op;
use crate::state::*;

/// Bytes of the legacy region and the header.
pub const HEADER_END: usize = 576;
/// XCR0 bits that exist here: x87, SSE, AVX, the three AVX-512 components, PKRU.
pub const SUPPORTED: u64 = 0x2e7;

/// XCOMP_BV: the area is compacted.
const COMPACT: u64 = 1 << 63;
/// Components of the legacy region.
const LEGACY: u64 = 3;
const X87_BIT: u64 = 1;
const SSE_BIT: u64 = 2;
const AVX_BIT: u64 = 4;
const AVX: u32 = 2;
const OPMASK: u32 = 5;
const ZMM_HI256: u32 = 6;
const HI16_ZMM: u32 = 7;
const PKRU: u32 = 9;
/// End of the largest area.
const MAX_AREA: usize = 2440;

/// An extended component of the save area (Intel SDM 1, "State Components").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// Bit number in XCR0 and sub-leaf of CPUID leaf 0xD.
    pub index: u32,
    /// Bytes.
    pub size: usize,
    /// Offset in the standard format.
    pub offset: usize,
}

/// The extended components in `mask`, in order.
pub fn layout(mask: u64) -> impl Iterator<Item = Component> {
    [AVX, OPMASK, ZMM_HI256, HI16_ZMM, PKRU].into_iter().filter(move |n| mask >> n & 1 != 0).filter_map(
        |index| {
            let (offset, size) = xsave_component(index)?;
            Some(Component { index, size: size as usize, offset: offset as usize })
        },
    )
}

/// Bytes of a standard-format area for the components in `mask` (CPUID leaf 0xD.0 EBX and ECX).
pub fn standard_size(mask: u64) -> usize {
    layout(mask).map(|c| c.offset + c.size).max().unwrap_or(HEADER_END)
}

/// The components in `mask` with their offsets in the compacted format; none asks for alignment.
pub fn compacted(mask: u64) -> impl Iterator<Item = (Component, usize)> {
    let mut at = HEADER_END;
    layout(mask).map(move |c| {
        let here = at;
        at += c.size;
        (c, here)
    })
}

/// Bytes of a compacted area for the components in `mask` (CPUID leaf 0xD.1 EBX).
pub fn compacted_size(mask: u64) -> usize {
    compacted(mask).map(|(c, at)| at + c.size).last().unwrap_or(HEADER_END)
}

/// Offset of a component in an area that holds `held`.
fn offset_in(c: &Component, held: u64, compact: bool) -> usize {
    if compact {
        compacted(held).find(|(x, _)| x.index == c.index).map_or(HEADER_END, |(_, at)| at)
    } else {
        c.offset
    }
}

/// Bytes of a component that a mode can reach: `regs` of the first 16 vector registers.
fn reach(c: &Component, regs: usize) -> usize {
    match c.index {
        AVX | ZMM_HI256 => c.size / 16 * regs,
        HI16_ZMM if regs < 16 => 0,
        _ => c.size,
    }
}

/// Writes a component.
fn put(v: &VectorState, index: u32, b: &mut [u8]) {
    match index {
        AVX => b.chunks_exact_mut(16).zip(&v.zmm).for_each(|(s, r)| s.copy_from_slice(&r[16..32])),
        ZMM_HI256 => b.chunks_exact_mut(32).zip(&v.zmm).for_each(|(s, r)| s.copy_from_slice(&r[32..])),
        HI16_ZMM => b.chunks_exact_mut(64).zip(&v.zmm[16..]).for_each(|(s, r)| s.copy_from_slice(r)),
        OPMASK => b.chunks_exact_mut(8).zip(v.k).for_each(|(s, k)| s.copy_from_slice(&k.to_le_bytes())),
        _ => b[..4].copy_from_slice(&v.pkru.to_le_bytes()),
    }
}

/// Reads a component.
fn take(v: &mut VectorState, index: u32, b: &[u8]) {
    match index {
        AVX => b.chunks_exact(16).zip(&mut v.zmm).for_each(|(s, r)| r[16..32].copy_from_slice(s)),
        ZMM_HI256 => b.chunks_exact(32).zip(&mut v.zmm).for_each(|(s, r)| r[32..].copy_from_slice(s)),
        HI16_ZMM => b.chunks_exact(64).zip(&mut v.zmm[16..]).for_each(|(s, r)| r.copy_from_slice(s)),
        OPMASK => b.chunks_exact(8).zip(&mut v.k).for_each(|(s, k)| *k = word(s, 0)),
        _ => v.pkru = word(b, 0) as u32,
    }
}

fn word(b: &[u8], at: usize) -> u64 {
    let mut w = [0; 8];
    w.copy_from_slice(&b[at..at + 8]);
    u64::from_le_bytes(w)
}

/// Components that differ from their initial configuration (XINUSE). MXCSR does not count.
fn in_use(v: &VectorState) -> u64 {
    let any =
        |regs: &[[u8; 64]], from: usize, to: usize| regs.iter().any(|r| r[from..to].iter().any(|b| *b != 0));
    let mut m = 0;
    let mut set = |index: u32, on: bool| m |= u64::from(on) << index;
    set(0, v.x87 != X87::default());
    set(1, any(&v.zmm[..16], 0, 16));
    set(AVX, any(&v.zmm[..16], 16, 32));
    set(OPMASK, v.k != [0; 8]);
    set(ZMM_HI256, any(&v.zmm[..16], 32, 64));
    set(HI16_ZMM, any(&v.zmm[16..], 0, 64));
    set(PKRU, v.pkru != 0);
    m
}

/// XINUSE as the compacting instructions and XGETBV see it: SSE is in use too when MXCSR is not at its default.
fn in_use_with_mxcsr(v: &VectorState) -> u64 {
    in_use(v) | if v.mxcsr != 0x1f80 { SSE_BIT } else { 0 }
}

/// The variants of saving.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Saving {
    optimised: bool,
    compact: bool,
}

/// The instruction's component bitmap.
fn requested(cpu: &Cpu) -> u64 {
    cpu.s.gpr[RAX] & 0xffff_ffff | cpu.s.gpr[RDX] << 32
}

/// Linear address of the area, aligned to 64 bytes.
fn area_la(cpu: &mut Cpu, op: &Op, len: usize, access: Access) -> R<u64> {
    let la = cpu.la(op, len as u64, access)?;
    if la & 63 != 0 { cpu.gp(0) } else { Ok(la) }
}

fn save(cpu: &mut Cpu, op: &Op, how: Saving, supervisor: bool) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    if supervisor && cpu.s.cpl != 0 {
        return cpu.gp(0);
    }
    cpu.x87_sync();
    let enabled = cpu.s.xcr0 | if supervisor { cpu.s.msr.xss } else { 0 };
    let rfbm = requested(cpu) & enabled & SUPPORTED;
    let len = if how.compact { compacted_size(rfbm) } else { standard_size(rfbm) };
    let la = area_la(cpu, op, len, Access::Write)?;
    let seg = op.seg & 7;
    let regs = fxsave::reachable(cpu);
    let used = if how.compact { in_use_with_mxcsr(&cpu.s.vec) } else { in_use(&cpu.s.vec) };
    let saved = if how.optimised { rfbm & used } else { rfbm };

    cpu.probe(la, len as u64, Access::Write, seg)?;
    let mut b = [0; MAX_AREA];
    let v = &cpu.s.vec;
    // Stretches of the area that are written: (offset, length).
    let mut parts: Vec<(usize, usize)> = Vec::with_capacity(12);
    if saved & X87_BIT != 0 {
        fxsave::put_x87(&v.x87, op.aux & IMAGE_64 != 0, &mut b);
        parts.extend([(0, 24), (32, 128)]);
    }
    if if how.compact { saved & SSE_BIT } else { rfbm & (SSE_BIT | AVX_BIT) } != 0 {
        fxsave::put_mxcsr(v, &mut b);
        parts.push((24, 8));
    }
    if saved & SSE_BIT != 0 {
        fxsave::put_xmm(v, regs, &mut b);
        parts.push((160, 16 * regs));
    }
    for c in layout(saved) {
        let at = offset_in(&c, rfbm, how.compact);
        let n = reach(&c, regs);
        put(v, c.index, &mut b[at..at + n]);
        parts.push((at, n));
    }
    if how.compact {
        b[512..520].copy_from_slice(&(rfbm & used).to_le_bytes());
        b[520..528].copy_from_slice(&(rfbm | COMPACT).to_le_bytes());
        parts.push((512, 16));
    } else {
        let old = cpu.read::<u64>(la.wrapping_add(512), seg)?;
        b[512..520].copy_from_slice(&(old & !rfbm | rfbm & used).to_le_bytes());
        parts.push((512, 8));
    }
    for (at, n) in parts {
        cpu.write_bytes(la.wrapping_add(at as u64), &b[at..at + n], seg)?;
    }
    Ok(Flow::Next)
}

/// XSAVE.
pub(crate) fn op_xsave(cpu: &mut Cpu, op: &Op) -> Step {
    save(cpu, op, Saving { optimised: false, compact: false }, false)
}

/// XSAVEOPT.
pub(crate) fn op_xsaveopt(cpu: &mut Cpu, op: &Op) -> Step {
    save(cpu, op, Saving { optimised: true, compact: false }, false)
}

/// XSAVEC.
pub(crate) fn op_xsavec(cpu: &mut Cpu, op: &Op) -> Step {
    save(cpu, op, Saving { optimised: true, compact: true }, false)
}

/// XSAVES.
pub(crate) fn op_xsaves(cpu: &mut Cpu, op: &Op) -> Step {
    save(cpu, op, Saving { optimised: true, compact: true }, true)
}

/// A save area read from memory or handed in by the owner.
struct Area<'a> {
    bytes: &'a [u8],
    /// Components with data.
    present: u64,
    /// Components with room (compacted format).
    held: u64,
    compact: bool,
    /// x87 pointers are 64 bits wide.
    wide: bool,
}

/// Loads the components in `rfbm` from an area that has been checked: present ones from it, the others initial.
fn restore(v: &mut VectorState, a: &Area<'_>, rfbm: u64, regs: usize) {
    if rfbm & X87_BIT != 0 {
        v.x87 = X87::default();
        if a.present & X87_BIT != 0 {
            fxsave::take_x87(&mut v.x87, a.wide, a.bytes);
        }
    }
    if rfbm & SSE_BIT != 0 {
        if a.present & SSE_BIT != 0 {
            fxsave::take_xmm(v, regs, a.bytes);
        } else {
            v.zmm[..regs].iter_mut().for_each(|r| r[..16].fill(0));
        }
    }
    const ZEROS: [u8; 1024] = [0; 1024];
    for c in layout(rfbm) {
        let n = reach(&c, regs);
        if a.present >> c.index & 1 != 0 {
            let at = offset_in(&c, a.held, a.compact);
            take(v, c.index, &a.bytes[at..at + n]);
        } else {
            take(v, c.index, &ZEROS[..n]);
        }
    }
}

fn load(cpu: &mut Cpu, op: &Op, supervisor: bool) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    if supervisor && cpu.s.cpl != 0 {
        return cpu.gp(0);
    }
    cpu.x87_sync();
    let enabled = (cpu.s.xcr0 | if supervisor { cpu.s.msr.xss } else { 0 }) & SUPPORTED;
    let rfbm = requested(cpu) & enabled;
    let seg = op.seg & 7;
    let la = area_la(cpu, op, HEADER_END, Access::Read)?;
    let mut b = [0; MAX_AREA];
    cpu.read_bytes(la, &mut b[..HEADER_END], seg)?;
    let (present, xcomp) = (word(&b, 512), word(&b, 520));
    let compact = xcomp & COMPACT != 0;
    let held = xcomp & !COMPACT;
    let reserved = &b[if compact { 528 } else { 520 }..if compact { 576 } else { 536 }];
    let bad = reserved.iter().any(|x| *x != 0)
        || (supervisor && !compact)
        || (compact && !cpu.model.has_xsavec())
        || if compact { held & !enabled != 0 || present & !held != 0 } else { present & !enabled != 0 };
    if bad {
        return cpu.gp(0);
    }
    let from = rfbm & present;
    let len = layout(from)
        .map(|c| offset_in(&c, held, compact) + c.size)
        .max()
        .unwrap_or(HEADER_END)
        .max(HEADER_END);
    if len > HEADER_END {
        let la = cpu.la(op, len as u64, Access::Read)?;
        cpu.read_bytes(la.wrapping_add(HEADER_END as u64), &mut b[HEADER_END..len], seg)?;
    }
    // MXCSR belongs to SSE in the compacted format; in the standard one it follows SSE or AVX, present or not.
    let mxcsr = if compact {
        (rfbm & SSE_BIT != 0).then(|| if from & SSE_BIT != 0 { fxsave::mxcsr(&b) } else { 0x1f80 })
    } else {
        (rfbm & (SSE_BIT | AVX_BIT) != 0).then(|| fxsave::mxcsr(&b))
    };
    if mxcsr.is_some_and(|m| m & !cpu.s.vec.mxcsr_mask != 0) {
        return cpu.gp(0);
    }
    let regs = fxsave::reachable(cpu);
    let area = Area { bytes: &b, present, held, compact, wide: op.aux & IMAGE_64 != 0 };
    let old_pkru = cpu.s.vec.pkru;
    restore(&mut cpu.s.vec, &area, rfbm, regs);
    if let Some(m) = mxcsr {
        cpu.s.vec.mxcsr = m;
    }
    // Put the old value back so that the change goes through the one place that knows its consequences.
    let pkru = std::mem::replace(&mut cpu.s.vec.pkru, old_pkru);
    cpu.set_pkru(pkru);
    Ok(Flow::Next)
}

/// XRSTOR.
pub(crate) fn op_xrstor(cpu: &mut Cpu, op: &Op) -> Step {
    load(cpu, op, false)
}

/// XRSTORS.
pub(crate) fn op_xrstors(cpu: &mut Cpu, op: &Op) -> Step {
    load(cpu, op, true)
}

/// XGETBV.
pub(crate) fn op_xgetbv(cpu: &mut Cpu, _: &Op) -> Step {
    if cpu.s.cr4 & cr4::OSXSAVE == 0 {
        return cpu.ud();
    }
    cpu.x87_sync();
    let v = match cpu.s.gpr[RCX] as u32 {
        0 => cpu.s.xcr0,
        1 if cpu.model.has_xgetbv1() => cpu.s.xcr0 & in_use_with_mxcsr(&cpu.s.vec),
        _ => return cpu.gp(0),
    };
    cpu.s.gpr[RAX] = v & 0xffff_ffff;
    cpu.s.gpr[RDX] = v >> 32;
    Ok(Flow::Next)
}

/// Why an XSAVE image was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XsaveError {
    /// The image is shorter than its components need.
    TooShort {
        /// Bytes needed.
        needed: usize,
    },
    /// XCOMP_BV lacks bit 63 or names components that are not enabled, or XSTATE_BV exceeds it.
    BadHeader,
    /// Reserved MXCSR bits are set.
    BadMxcsr,
}

impl std::fmt::Display for XsaveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            XsaveError::TooShort { needed } => write!(f, "the XSAVE image needs {needed} bytes"),
            XsaveError::BadHeader => {
                write!(f, "the XSAVE header is not that of a compacted image of these components")
            }
            XsaveError::BadMxcsr => write!(f, "MXCSR has reserved bits set"),
        }
    }
}

impl std::error::Error for XsaveError {}

impl Cpu {
    /// The state of the XSAVE components in `components` as a compacted image of [`compacted_size`] bytes.
    pub fn xsave_image(&self, components: u64) -> Vec<u8> {
        let held = components & SUPPORTED | LEGACY;
        let v = &self.s.vec;
        let present = in_use_with_mxcsr(v) & held;
        let mut b = vec![0; compacted_size(held)];
        fxsave::put_x87(&v.x87, self.s.long_mode(), &mut b);
        fxsave::put_mxcsr(v, &mut b);
        fxsave::put_xmm(v, 16, &mut b);
        b[512..520].copy_from_slice(&present.to_le_bytes());
        b[520..528].copy_from_slice(&(held | COMPACT).to_le_bytes());
        for (c, at) in compacted(held) {
            put(v, c.index, &mut b[at..at + c.size]);
        }
        b
    }

    /// Loads a compacted image; components of `components` that it does not hold become initial.
    ///
    /// # Errors
    /// [`XsaveError`]; nothing has changed then.
    pub fn set_xsave_image(&mut self, image: &[u8], components: u64) -> Result<(), XsaveError> {
        let enabled = components & SUPPORTED | LEGACY;
        if image.len() < HEADER_END {
            return Err(XsaveError::TooShort { needed: HEADER_END });
        }
        let (present, xcomp) = (word(image, 512), word(image, 520));
        let held = xcomp & !COMPACT;
        if xcomp & COMPACT == 0 || held & !enabled != 0 || present & !held != 0 {
            return Err(XsaveError::BadHeader);
        }
        let needed = compacted_size(held);
        if image.len() < needed {
            return Err(XsaveError::TooShort { needed });
        }
        let mxcsr = if present & (SSE_BIT | AVX_BIT) != 0 { fxsave::mxcsr(image) } else { 0x1f80 };
        if mxcsr & !self.s.vec.mxcsr_mask != 0 {
            return Err(XsaveError::BadMxcsr);
        }
        let area = Area { bytes: image, present, held, compact: true, wide: self.s.long_mode() };
        self.x87_sync();
        restore(&mut self.s.vec, &area, enabled, 16);
        self.s.vec.mxcsr = mxcsr;
        self.flush_tlb();
        Ok(())
    }
}
