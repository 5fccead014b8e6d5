//! The moves that programs and kernels execute all the time, without a stub.
//!
//! `op.dst` and `op.src` are vector register numbers here (general register indices where the instruction names
//! one), `op.aux` the alignment mask. `WIDE` handlers are VEX or EVEX: they clear the register above what they write.

use super::native::aligned_vex;
use crate::cpu::Cpu;
use crate::decode::Lowered;
use crate::decode::gpr_index;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::mem::Access;
use crate::mem::host;
use crate::op::Handler;
use crate::op::Op;
use crate::op::Word;
use iced_x86::EncodingKind;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;

#[inline(always)]
fn available(cpu: &mut Cpu, op: &Op) -> R<()> {
    if cpu.s.deny & op.need != 0 { cpu.vec_denied(op).map(|_| ()) } else { Ok(()) }
}

#[inline(always)]
fn la<const N: usize>(cpu: &mut Cpu, op: &Op, access: Access) -> R<u64> {
    let la = cpu.la(op, N as u64, access)?;
    if la & u64::from(op.aux) != 0 {
        return cpu.gp(0);
    }
    Ok(la)
}

/// Writes the low `N` bytes of a register and, for `WIDE`, zero above.
#[inline(always)]
fn put<const N: usize, const WIDE: bool>(cpu: &mut Cpu, n: u8, v: &[u8; N]) {
    let r = &mut cpu.s.vec.zmm[usize::from(n & 31)];
    r[..N].copy_from_slice(v);
    if WIDE {
        r[N..].fill(0);
    }
}

/// Writes a word to the low end of a register, zero up to 16 bytes or, for `WIDE`, to the end.
#[inline(always)]
fn put_word<T: Word, const WIDE: bool>(cpu: &mut Cpu, n: u8, v: T) {
    put::<16, WIDE>(cpu, n, &u128::from(v.to_u64()).to_le_bytes());
}

#[inline(always)]
fn word(cpu: &Cpu, n: u8, at: usize) -> u64 {
    let r = &cpu.s.vec.zmm[usize::from(n & 31)];
    u64::from_le_bytes([r[at], r[at + 1], r[at + 2], r[at + 3], r[at + 4], r[at + 5], r[at + 6], r[at + 7]])
}

/// Register to register, whole operand.
fn reg_reg<const N: usize, const WIDE: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    available(cpu, op)?;
    let src = &cpu.s.vec.zmm[usize::from(op.src & 31)];
    let mut v = [0; N];
    v.copy_from_slice(&src[..N]);
    put::<N, WIDE>(cpu, op.dst, &v);
    Ok(Flow::Next)
}

/// Memory to register, whole operand.
fn load<const N: usize, const WIDE: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    available(cpu, op)?;
    let la = la::<N>(cpu, op, Access::Read)?;
    let hit = cpu.tlb_read(la, N as u64);
    let r = &mut cpu.s.vec.zmm[usize::from(op.dst & 31)];
    if let Some(p) = hit
        && host::copy_vector::<N>(r.as_mut_ptr().expose_provenance() as u64, p)
    {
        if WIDE {
            r[N..].fill(0);
        }
        return Ok(Flow::Next);
    }
    let mut v = [0; N];
    cpu.read_bytes(la, &mut v, op.seg & 7)?;
    put::<N, WIDE>(cpu, op.dst, &v);
    Ok(Flow::Next)
}

/// Register to memory, whole operand.
fn store<const N: usize>(cpu: &mut Cpu, op: &Op) -> Step {
    available(cpu, op)?;
    let la = la::<N>(cpu, op, Access::Write)?;
    if let Some(p) = cpu.tlb_write(la, N as u64)
        && host::copy_vector::<N>(
            p,
            cpu.s.vec.zmm[usize::from(op.src & 31)].as_ptr().expose_provenance() as u64,
        )
    {
        return Ok(Flow::Next);
    }
    let mut v = [0; N];
    v.copy_from_slice(&cpu.s.vec.zmm[usize::from(op.src & 31)][..N]);
    cpu.write_bytes(la, &v, op.seg & 7)?;
    Ok(Flow::Next)
}

/// Word in memory to register, zero-extended (MOVD, MOVQ, MOVSS, MOVSD loads).
fn load_word<T: Word, const WIDE: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    available(cpu, op)?;
    let v = cpu.load::<T>(op)?;
    put_word::<T, WIDE>(cpu, op.dst, v);
    Ok(Flow::Next)
}

/// Low word of a register to memory.
fn store_word<T: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    available(cpu, op)?;
    let v = word(cpu, op.src, 0);
    cpu.store::<T>(op, T::from_u64(v))?;
    Ok(Flow::Next)
}

/// Low word of a register to a register, zero-extended (MOVQ).
fn word_reg<const WIDE: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    available(cpu, op)?;
    let v = word(cpu, op.src, 0);
    put_word::<u64, WIDE>(cpu, op.dst, v);
    Ok(Flow::Next)
}

/// General register to vector register.
fn from_gpr<T: Word, const WIDE: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    available(cpu, op)?;
    let v = cpu.reg::<T>(op.src);
    put_word::<T, WIDE>(cpu, op.dst, v);
    Ok(Flow::Next)
}

/// Vector register to general register.
fn to_gpr<T: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    available(cpu, op)?;
    let v = word(cpu, op.src, 0);
    cpu.set_reg::<T>(op.dst, T::from_u64(v));
    Ok(Flow::Next)
}

/// Low `N` bytes of a register into another, the rest kept (legacy MOVSS and MOVSD between registers).
fn merge<const N: usize>(cpu: &mut Cpu, op: &Op) -> Step {
    available(cpu, op)?;
    let v = word(cpu, op.src, 0).to_le_bytes();
    cpu.s.vec.zmm[usize::from(op.dst & 31)][..N].copy_from_slice(&v[..N]);
    Ok(Flow::Next)
}

/// Eight bytes of memory into one half of an XMM register (MOVLPS, MOVHPS).
fn load_half<const AT: usize>(cpu: &mut Cpu, op: &Op) -> Step {
    available(cpu, op)?;
    let v = cpu.load::<u64>(op)?;
    cpu.s.vec.zmm[usize::from(op.dst & 31)][AT..AT + 8].copy_from_slice(&v.to_le_bytes());
    Ok(Flow::Next)
}

/// One half of an XMM register to memory.
fn store_half<const AT: usize>(cpu: &mut Cpu, op: &Op) -> Step {
    available(cpu, op)?;
    let v = word(cpu, op.src, AT);
    cpu.store::<u64>(op, v)?;
    Ok(Flow::Next)
}

/// Clears a register (an exclusive or with itself).
fn clear<const WIDE: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    available(cpu, op)?;
    put::<16, WIDE>(cpu, op.dst, &[0; 16]);
    Ok(Flow::Next)
}

/// MOVNTI.
fn movnti<T: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let v = cpu.reg::<T>(op.src);
    cpu.store::<T>(op, v)?;
    Ok(Flow::Next)
}

/// VZEROALL and VZEROUPPER: registers 0-15 (0-7 outside 64-bit mode), from byte `FROM` up.
fn zero<const FROM: usize>(cpu: &mut Cpu, op: &Op) -> Step {
    available(cpu, op)?;
    let n = if cpu.s.is64() { 16 } else { 8 };
    for r in &mut cpu.s.vec.zmm[..n] {
        r[FROM..].fill(0);
    }
    Ok(Flow::Next)
}

/// Whole-operand moves.
fn is_plain_move(m: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        m,
        M::Movaps
            | M::Movapd
            | M::Movdqa
            | M::Movups
            | M::Movupd
            | M::Movdqu
            | M::Lddqu
            | M::Movntps
            | M::Movntpd
            | M::Movntdq
            | M::Movntdqa
            | M::Vmovaps
            | M::Vmovapd
            | M::Vmovdqa
            | M::Vmovdqa32
            | M::Vmovdqa64
            | M::Vmovups
            | M::Vmovupd
            | M::Vmovdqu
            | M::Vmovdqu8
            | M::Vmovdqu16
            | M::Vmovdqu32
            | M::Vmovdqu64
            | M::Vlddqu
            | M::Vmovntps
            | M::Vmovntpd
            | M::Vmovntdq
            | M::Vmovntdqa
    )
}

fn is_unaligned_legacy(m: Mnemonic) -> bool {
    matches!(m, Mnemonic::Movups | Mnemonic::Movupd | Mnemonic::Movdqu | Mnemonic::Lddqu)
}

/// Where an operand lives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Vector,
    General,
    Memory,
    Other,
}

fn place(i: &Instruction, n: u32) -> Place {
    if n >= i.op_count() {
        return Place::Other;
    }
    match i.op_kind(n) {
        OpKind::Memory => Place::Memory,
        OpKind::Register if i.op_register(n).is_vector_register() => Place::Vector,
        OpKind::Register if i.op_register(n).is_gpr() => Place::General,
        _ => Place::Other,
    }
}

/// Chooses a handler for a frequent move; `op.need` is set. `None`: not one of those.
pub(crate) fn lower(i: &Instruction, op: &mut Op) -> Option<Lowered> {
    use Mnemonic as M;
    use Place::General as G;
    use Place::Memory as Mem;
    use Place::Vector as V;
    let wide = i.encoding() != EncodingKind::Legacy;
    if i.has_op_mask() || i.has_lock_prefix() {
        return None;
    }
    let (to, from) = (place(i, 0), place(i, 1));
    let number = |n: u32| match place(i, n) {
        V => i.op_register(n).number() as u8,
        G => gpr_index(i.op_register(n)),
        _ => 0,
    };
    let (dst, src) = (number(0), number(1));
    let two = i.op_count() == 2;
    let m = i.mnemonic();
    let mut aux = 0;
    let run: Handler = match m {
        _ if is_plain_move(m) && two => {
            let size = [0, 1].iter().find(|n| place(i, **n) == V).map_or(0, |n| i.op_register(*n).size());
            if if wide { aligned_vex(m) } else { !is_unaligned_legacy(m) } {
                aux = size as u8 - 1;
            }
            match (to, from, size, wide) {
                (V, V, 16, false) => reg_reg::<16, false>,
                (V, V, 16, true) => reg_reg::<16, true>,
                (V, V, 32, _) => reg_reg::<32, true>,
                (V, V, 64, _) => reg_reg::<64, true>,
                (V, Mem, 16, false) => load::<16, false>,
                (V, Mem, 16, true) => load::<16, true>,
                (V, Mem, 32, _) => load::<32, true>,
                (V, Mem, 64, _) => load::<64, true>,
                (Mem, V, 16, _) => store::<16>,
                (Mem, V, 32, _) => store::<32>,
                (Mem, V, 64, _) => store::<64>,
                _ => return None,
            }
        }
        M::Movd | M::Vmovd if two => match (to, from) {
            (V, G) if wide => from_gpr::<u32, true>,
            (V, G) => from_gpr::<u32, false>,
            (V, Mem) if wide => load_word::<u32, true>,
            (V, Mem) => load_word::<u32, false>,
            (G, V) => to_gpr::<u32>,
            (Mem, V) => store_word::<u32>,
            _ => return None,
        },
        M::Movq | M::Vmovq if two => match (to, from) {
            (V, G) if wide => from_gpr::<u64, true>,
            (V, G) => from_gpr::<u64, false>,
            (V, Mem) if wide => load_word::<u64, true>,
            (V, Mem) => load_word::<u64, false>,
            (V, V) if wide => word_reg::<true>,
            (V, V) => word_reg::<false>,
            (G, V) => to_gpr::<u64>,
            (Mem, V) => store_word::<u64>,
            _ => return None,
        },
        M::Movss | M::Vmovss if two => match (to, from) {
            (V, Mem) if wide => load_word::<u32, true>,
            (V, Mem) => load_word::<u32, false>,
            (Mem, V) => store_word::<u32>,
            (V, V) if !wide => merge::<4>,
            _ => return None,
        },
        M::Movsd | M::Vmovsd if two => match (to, from) {
            (V, Mem) if wide => load_word::<u64, true>,
            (V, Mem) => load_word::<u64, false>,
            (Mem, V) => store_word::<u64>,
            (V, V) if !wide => merge::<8>,
            _ => return None,
        },
        M::Movlps | M::Movlpd => match (to, from) {
            (V, Mem) => load_half::<0>,
            (Mem, V) => store_half::<0>,
            _ => return None,
        },
        M::Movhps | M::Movhpd => match (to, from) {
            (V, Mem) => load_half::<8>,
            (Mem, V) => store_half::<8>,
            _ => return None,
        },
        M::Pxor | M::Xorps | M::Xorpd if (to, from) == (V, V) && dst == src => clear::<false>,
        M::Vpxor | M::Vpxord | M::Vpxorq | M::Vxorps | M::Vxorpd
            if (to, from, place(i, 2)) == (V, V, V) && src == number(2) =>
        {
            clear::<true>
        }
        M::Movnti if from == G && i.op_register(1).size() == 8 => movnti::<u64>,
        M::Movnti if from == G => movnti::<u32>,
        M::Vzeroall => zero::<0>,
        M::Vzeroupper => zero::<16>,
        _ => return None,
    };
    (op.dst, op.src, op.aux) = (dst, src, aux);
    Lowered::next(run)
}
