//! The compacted XSAVE image that clients exchange: legacy area, header, then the components of the partition in order.

use openwhp_x86::Cpu;
use openwhp_x86::model::xsave_compact_size;
use openwhp_x86::model::xsave_component;
use openwhp_x86::state::VectorState;

/// Offset of XSTATE_BV.
const XSTATE_BV: usize = 512;
/// Offset of XCOMP_BV.
const XCOMP_BV: usize = 520;
/// End of legacy area and header.
const HEADER_END: usize = 576;
/// XCOMP_BV: the image is compacted.
const COMPACTED: u64 = 1 << 63;

const X87: u64 = 1 << 0;
const SSE: u64 = 1 << 1;

/// Components behind the header, in order.
const EXTENDED: [u32; 5] = [2, 5, 6, 7, 9];

/// Components a processor has, x87 and SSE always among them.
fn components(cpu: &Cpu) -> u64 {
    cpu.model.xcr0_mask | X87 | SSE
}

/// Size of the image of a processor; constant over its life.
pub(crate) fn size(cpu: &Cpu) -> usize {
    xsave_compact_size(components(cpu)) as usize
}

/// Byte ranges of the extended components inside the image.
fn places(mask: u64) -> impl Iterator<Item = (u32, std::ops::Range<usize>)> {
    let mut at = HEADER_END;
    EXTENDED.into_iter().filter(move |number| mask >> number & 1 != 0).filter_map(move |number| {
        let (_, size) = xsave_component(number)?;
        let start = at;
        at += size as usize;
        Some((number, start..at))
    })
}

/// Calls `visit` with the bytes of one component, piece by piece in the order of the image.
fn pieces(vec: &mut VectorState, component: u32, mut visit: impl FnMut(&mut [u8])) {
    match component {
        2 => vec.zmm[..16].iter_mut().for_each(|register| visit(&mut register[16..32])),
        6 => vec.zmm[..16].iter_mut().for_each(|register| visit(&mut register[32..64])),
        7 => vec.zmm[16..].iter_mut().for_each(|register| visit(register)),
        5 => {
            for register in &mut vec.k {
                let mut bytes = register.to_le_bytes();
                visit(&mut bytes);
                *register = u64::from_le_bytes(bytes);
            }
        }
        9 => {
            let mut bytes = u64::from(vec.pkru).to_le_bytes();
            visit(&mut bytes);
            vec.pkru = u64::from_le_bytes(bytes) as u32;
        }
        _ => {}
    }
}

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = image.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn u64_at(image: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    if let Some(source) = image.get(at..at + 8) {
        bytes.copy_from_slice(source);
    }
    u64::from_le_bytes(bytes)
}

fn u16_at(image: &[u8], at: usize) -> u16 {
    u64_at(image, at) as u16
}

fn u32_at(image: &[u8], at: usize) -> u32 {
    u64_at(image, at) as u32
}

/// The image.
pub(crate) fn image(cpu: &mut Cpu) -> Vec<u8> {
    let mask = components(cpu);
    let mut image = vec![0; size(cpu)];
    let vec = &mut cpu.s.vec;
    let x87 = &vec.x87;
    put(&mut image, 0, &x87.fcw.to_le_bytes());
    put(&mut image, 2, &x87.fsw.to_le_bytes());
    put(&mut image, 4, &[x87.ftw]);
    put(&mut image, 6, &x87.fop.to_le_bytes());
    put(&mut image, 8, &x87.fip.to_le_bytes());
    put(&mut image, 16, &x87.fdp.to_le_bytes());
    put(&mut image, 24, &vec.mxcsr.to_le_bytes());
    put(&mut image, 28, &vec.mxcsr_mask.to_le_bytes());
    let top = x87.top();
    for index in 0..8 {
        put(&mut image, 32 + index * 16, &x87.st[(top + index) & 7][..10]);
    }
    for (index, register) in vec.zmm[..16].iter().enumerate() {
        put(&mut image, 160 + index * 16, &register[..16]);
    }
    let mut in_use = X87 | SSE;
    for (component, range) in places(mask) {
        let mut at = range.start;
        pieces(vec, component, |bytes| {
            put(&mut image, at, bytes);
            at += bytes.len();
        });
        if image[range].iter().any(|&byte| byte != 0) {
            in_use |= 1 << component;
        }
    }
    put(&mut image, XSTATE_BV, &in_use.to_le_bytes());
    put(&mut image, XCOMP_BV, &(mask | COMPACTED).to_le_bytes());
    image
}

/// Loads an image. Components whose bit is clear go to their initial state.
///
/// # Errors
/// What is wrong with the image; nothing is changed then.
pub(crate) fn load(cpu: &mut Cpu, image: &[u8]) -> Result<(), &'static str> {
    let mask = components(cpu);
    if image.len() < HEADER_END {
        return Err("the image ends before its header does");
    }
    let in_use = u64_at(image, XSTATE_BV);
    let format = u64_at(image, XCOMP_BV);
    if format & COMPACTED == 0 {
        return Err("the image is not in compacted form");
    }
    let present = format & !COMPACTED;
    if present & !mask != 0 {
        return Err("the image has components that the processor lacks");
    }
    if in_use & !present & !(X87 | SSE) != 0 {
        return Err("components are in use that the image does not carry");
    }
    if image[XCOMP_BV + 8..HEADER_END].iter().any(|&byte| byte != 0) {
        return Err("reserved bytes of the header are set");
    }
    if image.len() < xsave_compact_size(present) as usize {
        return Err("the image is shorter than its header says");
    }
    let mxcsr = u32_at(image, 24);
    if mxcsr & !cpu.s.vec.mxcsr_mask != 0 {
        return Err("reserved bits of MXCSR are set");
    }
    let mut vec = VectorState { mxcsr_mask: cpu.s.vec.mxcsr_mask, xinuse: in_use, ..VectorState::default() };
    if in_use & X87 != 0 {
        load_x87(&mut vec, image);
    }
    if in_use & SSE != 0 {
        for (index, register) in vec.zmm[..16].iter_mut().enumerate() {
            register[..16].copy_from_slice(&image[160 + index * 16..176 + index * 16]);
        }
    }
    // MXCSR belongs to SSE and AVX alike.
    if in_use & (SSE | 1 << 2) != 0 {
        vec.mxcsr = mxcsr;
    }
    for (component, range) in places(present) {
        if in_use >> component & 1 != 0 {
            let mut at = range.start;
            pieces(&mut vec, component, |bytes| {
                bytes.copy_from_slice(&image[at..at + bytes.len()]);
                at += bytes.len();
            });
        }
    }
    cpu.s.vec = vec;
    // Protection keys are part of cached translations.
    cpu.sync();
    Ok(())
}

fn load_x87(vec: &mut VectorState, image: &[u8]) {
    let x87 = &mut vec.x87;
    x87.fcw = u16_at(image, 0);
    x87.fsw = u16_at(image, 2);
    x87.ftw = image[4];
    x87.fop = u16_at(image, 6) & 0x7FF;
    x87.fip = u64_at(image, 8);
    x87.fdp = u64_at(image, 16);
    (x87.fcs, x87.fds) = (0, 0);
    let top = x87.top();
    for index in 0..8 {
        x87.st[(top + index) & 7][..10].copy_from_slice(&image[32 + index * 16..42 + index * 16]);
    }
}
