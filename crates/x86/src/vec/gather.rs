//! Gathers, scatters and the conditional moves whose mask is a vector register.
//!
//! Gathers and scatters work element by element and clear the mask bit of each one that is done, so a fault
//! in the middle leaves a state from which the instruction continues when it is run again.

use super::masked;
use crate::cpu::Cpu;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::decode::seg_index;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::mem::Access;
use crate::op::Op;
use crate::state::RDI;
use iced_x86::EncodingKind;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::Register;

/// An instruction with a vector of indices.
struct Indexed {
    /// Data register.
    data: usize,
    /// Bytes of the data register.
    width: usize,
    /// Index register.
    index: usize,
    /// Bytes per index.
    index_size: usize,
    /// Bytes per element.
    element: usize,
    /// Elements.
    count: usize,
}

impl Indexed {
    fn of(i: &Instruction, data: Register) -> Indexed {
        let name = format!("{:?}", i.mnemonic()).to_ascii_lowercase();
        // V[P]{GATHER,SCATTER}{D,Q}{PS,PD,D,Q}: the index size, then the element.
        let tail = name.trim_start_matches("vp").trim_start_matches('v');
        let tail = tail.trim_start_matches("gather").trim_start_matches("scatter");
        let index_size = if tail.starts_with('d') { 4 } else { 8 };
        let element = if tail.ends_with("ps") || tail[1..] == *"d" { 4 } else { 8 };
        let count = (data.size() / element).min(i.memory_index().size() / index_size);
        Indexed {
            data: data.number(),
            width: data.size(),
            index: i.memory_index().number(),
            index_size,
            element,
            count,
        }
    }

    /// Linear address of element `n`.
    fn la(&self, cpu: &mut Cpu, op: &Op, i: &Instruction, n: usize, access: Access) -> R<u64> {
        let r = &cpu.s.vec.zmm[self.index & 31];
        let at = n * self.index_size;
        let index = if self.index_size == 4 {
            i32::from_le_bytes([r[at], r[at + 1], r[at + 2], r[at + 3]]) as i64 as u64
        } else {
            let mut b = [0; 8];
            b.copy_from_slice(&r[at..at + 8]);
            u64::from_le_bytes(b)
        };
        let ea = op
            .disp
            .wrapping_add(cpu.s.gpr[usize::from(op.base & 31)])
            .wrapping_add(index.wrapping_mul(u64::from(i.memory_index_scale())))
            & op.amask;
        cpu.seg_la(op.seg, ea, self.element as u64, access)
    }

    fn load(&self, cpu: &mut Cpu, op: &Op, i: &Instruction, n: usize) -> R<()> {
        let la = self.la(cpu, op, i, n, Access::Read)?;
        let mut b = [0; 8];
        if self.element == 4 {
            b[..4].copy_from_slice(&cpu.read::<u32>(la, op.seg & 7)?.to_le_bytes());
        } else {
            b = cpu.read::<u64>(la, op.seg & 7)?.to_le_bytes();
        }
        let at = n * self.element;
        cpu.s.vec.zmm[self.data & 31][at..at + self.element].copy_from_slice(&b[..self.element]);
        Ok(())
    }
}

/// AVX2 gather: the mask is the sign bits of a vector register.
fn gather_vex(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    let i = cpu.insn(op);
    let g = Indexed::of(&i, i.op_register(0));
    let mask = i.op_register(2).number() & 31;
    if mask == g.data || mask == g.index || g.data == g.index {
        return cpu.ud();
    }
    // What a fault in the middle leaves beside the elements done: on Intel's processors masks are whole elements by then,
    // and what lies above the vectors is zero.
    let intel = !cpu.model.is_amd();
    let width = g.width.max(i.memory_index().size());
    if intel {
        let m = &mut cpu.s.vec.zmm[mask];
        for e in m[..width].chunks_exact_mut(g.element) {
            e.fill(if e[g.element - 1] & 0x80 != 0 { 0xff } else { 0 });
        }
        m[width..].fill(0);
    }
    for n in 0..g.count {
        let at = n * g.element;
        if cpu.s.vec.zmm[mask][at + g.element - 1] & 0x80 != 0 {
            g.load(cpu, op, &i, n)?;
            if intel {
                cpu.s.vec.zmm[g.data & 31][width..].fill(0);
            }
        }
        cpu.s.vec.zmm[mask][at..at + g.element].fill(0);
    }
    // A gather by quadword indices may fill only half of its destination.
    let filled = g.count * g.element;
    cpu.s.vec.zmm[g.data & 31][filled..].fill(0);
    cpu.s.vec.zmm[mask].fill(0);
    Ok(Flow::Next)
}

/// AVX-512 gather: the mask is an opmask register.
fn gather_evex(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    let i = cpu.insn(op);
    let g = Indexed::of(&i, i.op_register(0));
    let k = i.op_mask().number() & 7;
    if g.data == g.index || k == 0 {
        return cpu.ud();
    }
    for n in 0..g.count {
        if cpu.s.vec.k[k] >> n & 1 != 0 {
            g.load(cpu, op, &i, n)?;
            let end = g.width.max(i.memory_index().size());
            cpu.s.vec.zmm[g.data & 31][end..].fill(0);
            cpu.s.vec.k[k] &= !(1 << n);
        }
    }
    let filled = (g.count * g.element).min(g.width);
    cpu.s.vec.zmm[g.data & 31][filled..].fill(0);
    cpu.s.vec.k[k] = 0;
    Ok(Flow::Next)
}

/// AVX-512 scatter.
fn scatter(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    let i = cpu.insn(op);
    let g = Indexed::of(&i, i.op_register(1));
    let k = i.op_mask().number() & 7;
    if k == 0 {
        return cpu.ud();
    }
    for n in 0..g.count {
        if cpu.s.vec.k[k] >> n & 1 == 0 {
            continue;
        }
        let la = g.la(cpu, op, &i, n, Access::Write)?;
        let r = &cpu.s.vec.zmm[g.data & 31][n * g.element..];
        if g.element == 4 {
            let v = u32::from_le_bytes([r[0], r[1], r[2], r[3]]);
            cpu.write::<u32>(la, v, op.seg & 7)?;
        } else {
            let v = u64::from_le_bytes([r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]]);
            cpu.write::<u64>(la, v, op.seg & 7)?;
        }
        cpu.s.vec.k[k] &= !(1 << n);
    }
    cpu.s.vec.k[k] = 0;
    Ok(Flow::Next)
}

/// Elements whose sign bit is set in a vector register.
fn signs(r: &[u8; 64], element: usize, width: usize) -> u64 {
    (0..width / element).fold(0, |m, n| m | u64::from(r[(n + 1) * element - 1] >> 7) << n)
}

/// VMASKMOVPS/PD and VPMASKMOVD/Q: conditional load and store.
fn mask_move<const STORE: bool, const ELEMENT: usize>(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    let i = cpu.insn(op);
    let width = i.op_register(1).size();
    let mask = i.op_register(1);
    let elements = signs(&cpu.s.vec.zmm[mask.number() & 31], ELEMENT, width);
    if STORE {
        let data = cpu.s.vec.zmm[i.op_register(2).number() & 31];
        masked::store_elements(cpu, op, ELEMENT as u8, elements, &data)?;
    } else {
        let mut v = [0; 64];
        masked::load_elements(cpu, op, ELEMENT as u8, elements, &mut v)?;
        cpu.s.vec.zmm[i.op_register(0).number() & 31] = v;
    }
    Ok(Flow::Next)
}

/// MASKMOVQ, MASKMOVDQU and VMASKMOVDQU: bytes to DS:rDI where the mask's sign bits are set.
fn mask_bytes<const MMX: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    if MMX {
        cpu.x87_pending()?;
        cpu.x87_sync();
        // Before a fault of the store, as processors do.
        cpu.enter_mmx(0);
    }
    let i = cpu.insn(op);
    let (src, mask) = (i.op_register(1).number() & 31, i.op_register(2).number() & 31);
    let (data, sel) = if MMX {
        let mut d = [0; 64];
        let mut s = [0; 64];
        d[..8].copy_from_slice(&cpu.s.vec.x87.st[src & 7][..8]);
        s[..8].copy_from_slice(&cpu.s.vec.x87.st[mask & 7][..8]);
        (d, s)
    } else {
        (cpu.s.vec.zmm[src], cpu.s.vec.zmm[mask])
    };
    let len = if MMX { 8 } else { 16 };
    let elements = signs(&sel, 1, len);
    // The whole operand is checked, not only the selected bytes; by Intel's processors eight bytes at a time, the upper
    // ones first.
    let la = cpu.la(op, len as u64, Access::Write)?;
    if len > 8 && !cpu.model.is_amd() {
        cpu.probe(la.wrapping_add(8), 8, Access::Write, op.seg & 7)?;
    }
    cpu.probe(la, len as u64, Access::Write, op.seg & 7)?;
    // op.base is rDI, so the memory operand's address is the usual one.
    masked::store_elements(cpu, op, 1, elements, &data)?;
    Ok(Flow::Next)
}

/// Chooses a handler; `op.need` is set. `None`: not one of these instructions.
pub(crate) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    use Mnemonic as M;
    let evex = i.encoding() == EncodingKind::EVEX;
    let stores = i.op0_register() == Register::None;
    let run = match i.mnemonic() {
        M::Vgatherdps
        | M::Vgatherdpd
        | M::Vgatherqps
        | M::Vgatherqpd
        | M::Vpgatherdd
        | M::Vpgatherdq
        | M::Vpgatherqd
        | M::Vpgatherqq => {
            if evex {
                gather_evex
            } else {
                gather_vex
            }
        }
        M::Vscatterdps
        | M::Vscatterdpd
        | M::Vscatterqps
        | M::Vscatterqpd
        | M::Vpscatterdd
        | M::Vpscatterdq
        | M::Vpscatterqd
        | M::Vpscatterqq => scatter,
        M::Vmaskmovps | M::Vpmaskmovd if stores => mask_move::<true, 4>,
        M::Vmaskmovps | M::Vpmaskmovd => mask_move::<false, 4>,
        M::Vmaskmovpd | M::Vpmaskmovq if stores => mask_move::<true, 8>,
        M::Vmaskmovpd | M::Vpmaskmovq => mask_move::<false, 8>,
        M::Maskmovq | M::Maskmovdqu | M::Vmaskmovdqu => {
            op.base = RDI as u8;
            op.seg = c.seg(seg_index(i.memory_segment()));
            if i.mnemonic() == M::Maskmovq { mask_bytes::<true> } else { mask_bytes::<false> }
        }
        _ => return None,
    };
    Lowered::next(run)
}
