//! Makes cases: fills the operands an instruction's encoding allows, then builds a state in which its memory
//! operands point at the scratch area.

use crate::case::CODE;
use crate::case::Case;
use crate::case::READ_ONLY;
use crate::case::SCRATCH;
use crate::case::SCRATCH_LEN;
use crate::case::State;
use crate::filter::Class;
use crate::filter::class_of;
use crate::rng::Rng;
use iced_x86::Code;
use iced_x86::Decoder;
use iced_x86::DecoderOptions;
use iced_x86::Encoder;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpCodeOperandKind;
use iced_x86::OpKind;
use iced_x86::Register;
use iced_x86::RoundingControl;
use openwhp_x86::state::VectorState;
use openwhp_x86::state::rflags;

/// The `n`-th register of the group that starts at `first`.
fn nth(first: Register, n: u64) -> Register {
    Register::try_from(first as usize + n as usize).unwrap_or(first)
}

/// A general register of `size` bytes.
fn gpr(size: usize, bits: u32, r: &mut Rng) -> Register {
    let n = if bits == 64 { 16 } else { 8 };
    match size {
        1 => nth(Register::AL, r.below(if bits == 64 { 20 } else { 8 })),
        2 => nth(Register::AX, r.below(n)),
        4 => nth(Register::EAX, r.below(n)),
        _ => nth(Register::RAX, r.below(16)),
    }
}

/// An address for a memory operand of `size` bytes.
fn address(size: u64, r: &mut Rng) -> u64 {
    let end = SCRATCH + SCRATCH_LEN as u64;
    let near = |at: u64, r: &mut Rng| at.wrapping_sub(r.below(size.max(1) + 8));
    match r.below(48) {
        0 | 1 => near(SCRATCH + 0x1000, r),
        2 => near(end, r),
        3 => near(READ_ONLY + 0x1000, r),
        4 => READ_ONLY + 64 + r.below(0x800),
        5 => near(SCRATCH, r),
        _ => {
            let a = SCRATCH + 0x200 + r.below(SCRATCH_LEN as u64 - 0x400);
            if r.one_in(4) { a } else { a & !63 }
        }
    }
}

/// Adds an explicit memory operand that does not fault by its form.
fn memory(i: &mut Instruction, n: u32, vsib: Option<Register>, plain: bool, bits: u32, r: &mut Rng) {
    let regs = if bits == 64 { 16 } else { 8 };
    i.set_op_kind(n, OpKind::Memory);
    let disp: i64 = match r.below(4) {
        0 => 0,
        1 => r.below(256) as i64 - 128,
        _ => r.below(0x2000) as i64 - 0x1000,
    };
    if let Some(first) = vsib {
        i.set_memory_base(nth(if bits == 64 { Register::RAX } else { Register::EAX }, r.below(regs)));
        i.set_memory_index(nth(first, r.below(regs)));
        i.set_memory_index_scale(r.pick(&[1, 2, 4, 8]));
        i.set_memory_displ_size(bits / 8);
        i.set_memory_displacement64(if bits == 64 { disp as u64 } else { disp as u32 as u64 });
        return;
    }
    if !plain && r.one_in(12) {
        // Absolute or RIP-relative: the address is the displacement.
        i.set_memory_displacement64(address(64, r));
        if bits == 64 && r.one_in(2) {
            i.set_memory_base(Register::RIP);
            i.set_memory_displ_size(8);
        } else {
            i.set_memory_displ_size(4);
        }
        return;
    }
    let first = if bits == 32 || r.one_in(8) { Register::EAX } else { Register::RAX };
    let base = r.below(regs);
    i.set_memory_base(nth(first, base));
    if r.one_in(3) {
        let index = r.below(regs);
        if index != 4 && index != base {
            i.set_memory_index(nth(first, index));
            i.set_memory_index_scale(r.pick(&[1, 2, 4, 8]));
        }
    }
    i.set_memory_displ_size(if first == Register::EAX { 4 } else { 8 });
    i.set_memory_displacement64(if first == Register::EAX { disp as u32 as u64 } else { disp as u64 });
}

/// Fills one operand; `None` when the kind is not supported.
fn operand(
    i: &mut Instruction,
    n: u32,
    kind: OpCodeOperandKind,
    evex: bool,
    bits: u32,
    r: &mut Rng,
) -> Option<()> {
    use OpCodeOperandKind::*;
    use Register as G;
    let vectors = match (bits, evex) {
        (32, _) => 8,
        (_, true) => 32,
        (_, false) => 16,
    };
    let reg = |i: &mut Instruction, g: Register| {
        i.set_op_kind(n, OpKind::Register);
        i.set_op_register(n, g);
    };
    // One time in two, register or memory is memory.
    let in_memory = r.one_in(2);
    match kind {
        r8_or_mem | r16_or_mem | r32_or_mem | r64_or_mem | mm_or_mem | xmm_or_mem | ymm_or_mem
        | zmm_or_mem | k_or_mem
            if in_memory =>
        {
            memory(i, n, Option::None, false, bits, r);
        }
        mem => memory(i, n, Option::None, false, bits, r),
        mem_mib | sibmem => memory(i, n, Option::None, true, bits, r),
        mem_vsib32x | mem_vsib64x => memory(i, n, Some(G::XMM0), true, bits, r),
        mem_vsib32y | mem_vsib64y => memory(i, n, Some(G::YMM0), true, bits, r),
        mem_vsib32z | mem_vsib64z => memory(i, n, Some(G::ZMM0), true, bits, r),
        mem_offs => {
            i.set_op_kind(n, OpKind::Memory);
            i.set_memory_displ_size(bits / 8);
            i.set_memory_displacement64(address(8, r));
        }
        r8_or_mem | r8_reg | r8_opcode => {
            let g = gpr(1, bits, r);
            reg(i, g);
        }
        r16_or_mem | r16_reg | r16_reg_mem | r16_rm | r16_opcode => {
            let g = gpr(2, bits, r);
            reg(i, g);
        }
        r32_or_mem | r32_reg | r32_reg_mem | r32_rm | r32_opcode | r32_vvvv => {
            let g = gpr(4, bits, r);
            reg(i, g);
        }
        r64_or_mem | r64_reg | r64_reg_mem | r64_rm | r64_opcode | r64_vvvv => {
            let g = gpr(8, bits, r);
            reg(i, g);
        }
        mm_or_mem | mm_reg | mm_rm => reg(i, nth(G::MM0, r.below(8))),
        k_or_mem | k_reg | k_rm | k_vvvv => reg(i, nth(G::K0, r.below(8))),
        kp1_reg => reg(i, nth(G::K0, r.below(4) * 2)),
        xmm_or_mem | xmm_reg | xmm_rm | xmm_vvvv | xmm_is4 | xmm_is5 => {
            reg(i, nth(G::XMM0, r.below(vectors)))
        }
        ymm_or_mem | ymm_reg | ymm_rm | ymm_vvvv | ymm_is4 | ymm_is5 => {
            reg(i, nth(G::YMM0, r.below(vectors)))
        }
        zmm_or_mem | zmm_reg | zmm_rm | zmm_vvvv => reg(i, nth(G::ZMM0, r.below(vectors))),
        al => reg(i, G::AL),
        cl => reg(i, G::CL),
        ax => reg(i, G::AX),
        dx => reg(i, G::DX),
        eax => reg(i, G::EAX),
        rax => reg(i, G::RAX),
        st0 => reg(i, G::ST0),
        sti_opcode => reg(i, nth(G::ST0, r.below(8))),
        imm8 | imm4_m2z => {
            let kind = if n > 0 && matches!(i.op_kind(n - 1), OpKind::Immediate16 | OpKind::Immediate8) {
                OpKind::Immediate8_2nd
            } else {
                OpKind::Immediate8
            };
            i.set_op_kind(n, kind);
            let v = match i.mnemonic() {
                Mnemonic::Enter => r.below(5) as u8,
                _ if kind == OpKind::Immediate8 && r.one_in(2) => r.below(70) as u8,
                _ => r.bits() as u8,
            };
            if kind == OpKind::Immediate8 { i.set_immediate8(v) } else { i.set_immediate8_2nd(v) }
        }
        imm8_const_1 => {
            i.set_op_kind(n, OpKind::Immediate8);
            i.set_immediate8(1);
        }
        imm8sex16 => {
            i.set_op_kind(n, OpKind::Immediate8to16);
            i.set_immediate8to16(i16::from(r.corner() as i8));
        }
        imm8sex32 => {
            i.set_op_kind(n, OpKind::Immediate8to32);
            i.set_immediate8to32(i32::from(r.corner() as i8));
        }
        imm8sex64 => {
            i.set_op_kind(n, OpKind::Immediate8to64);
            i.set_immediate8to64(i64::from(r.corner() as i8));
        }
        imm16 => {
            i.set_op_kind(n, OpKind::Immediate16);
            let v = if i.mnemonic() == Mnemonic::Enter { r.below(0x400) } else { r.corner() };
            i.set_immediate16(v as u16);
        }
        imm32 => {
            i.set_op_kind(n, OpKind::Immediate32);
            i.set_immediate32(r.corner() as u32);
        }
        imm32sex64 => {
            i.set_op_kind(n, OpKind::Immediate32to64);
            i.set_immediate32to64(i64::from(r.corner() as i32));
        }
        imm64 => {
            i.set_op_kind(n, OpKind::Immediate64);
            i.set_immediate64(r.corner());
        }
        seg_rSI => i.set_op_kind(
            n,
            if in_memory || bits == 32 { OpKind::MemorySegESI } else { OpKind::MemorySegRSI },
        ),
        es_rDI => {
            i.set_op_kind(n, if in_memory || bits == 32 { OpKind::MemoryESEDI } else { OpKind::MemoryESRDI })
        }
        seg_rDI => i.set_op_kind(n, if bits == 32 { OpKind::MemorySegEDI } else { OpKind::MemorySegRDI }),
        seg_rBX_al => {
            i.set_op_kind(n, OpKind::Memory);
            i.set_memory_base(if bits == 32 { G::EBX } else { G::RBX });
            i.set_memory_index(G::AL);
        }
        _ => return Option::None,
    }
    Some(())
}

/// Builds an instruction of this code with random operands and encodes it at `rip`.
fn instruction(code: Code, bits: u32, rip: u64, r: &mut Rng) -> Option<(Instruction, Vec<u8>)> {
    let o = code.op_code();
    let mut i = Instruction::default();
    i.set_code(code);
    let evex = class_of(code) == Some(Class::Avx512) && o.encoding() == iced_x86::EncodingKind::EVEX;
    for (n, kind) in o.op_kinds().iter().enumerate() {
        operand(&mut i, n as u32, *kind, evex, bits, r)?;
    }
    // Both operands of a string instruction have the same address size.
    if i.op_count() == 2 {
        match (i.op_kind(0), i.op_kind(1)) {
            (OpKind::MemoryESRDI, OpKind::MemorySegESI) => i.set_op1_kind(OpKind::MemorySegRSI),
            (OpKind::MemoryESEDI, OpKind::MemorySegRSI) => i.set_op1_kind(OpKind::MemorySegESI),
            (OpKind::MemorySegESI, OpKind::MemoryESRDI) => i.set_op0_kind(OpKind::MemorySegRSI),
            (OpKind::MemorySegRSI, OpKind::MemoryESEDI) => i.set_op0_kind(OpKind::MemorySegESI),
            _ => {}
        }
    }
    let mem = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
    let mem_first = i.op_count() > 0 && i.op_kind(0) == OpKind::Memory;
    if o.can_use_lock_prefix() && mem_first && r.one_in(2) {
        i.set_has_lock_prefix(true);
    }
    if i.is_string_instruction() && r.one_in(2) {
        if r.one_in(2) {
            i.set_has_repe_prefix(true);
        } else {
            i.set_has_repne_prefix(true);
        }
    }
    if evex {
        if mem && o.can_broadcast() && r.one_in(3) {
            i.set_is_broadcast(true);
        }
        if o.require_op_mask_register() || (o.can_use_op_mask_register() && r.one_in(2)) {
            i.set_op_mask(nth(Register::K1, r.below(7)));
            if o.can_use_zeroing_masking() && !mem_first && r.one_in(2) {
                i.set_zeroing_masking(true);
            }
        }
        if !mem && o.can_use_rounding_control() && r.one_in(2) {
            i.set_rounding_control(r.pick(&[
                RoundingControl::RoundToNearest,
                RoundingControl::RoundDown,
                RoundingControl::RoundUp,
                RoundingControl::RoundTowardZero,
            ]));
        } else if !mem && o.can_suppress_all_exceptions() && r.one_in(2) {
            i.set_suppress_all_exceptions(true);
        }
    }
    let mut e = Encoder::new(bits);
    e.encode(&i, rip).ok()?;
    let bytes = e.take_buffer();
    let decoded = Decoder::with_ip(bits, &bytes, rip, DecoderOptions::NONE).decode();
    // Another code can own the same bytes (NOP and XCHG, say); whatever decodes is the case, if it may run.
    (class_of(decoded.code()) == class_of(code)).then_some(())?;
    (decoded.len() == bytes.len()).then_some((decoded, bytes))
}

/// A vector register full of values its users may find interesting.
fn lanes(r: &mut Rng) -> [u8; 64] {
    let mut b = [0u8; 64];
    let style = r.below(6);
    for (n, c) in b.chunks_exact_mut(8).enumerate() {
        let f32s = [
            0x0000_0000u32,
            0x8000_0000,
            0x3f80_0000,
            0xbf80_0000,
            0x7f80_0000,
            0xff80_0000,
            0x7fc0_0000,
            0x7f80_0001,
            0xffc1_2345,
            0x0000_0001,
            0x007f_ffff,
            0x0080_0000,
            0x7f7f_ffff,
            0x4f00_0000,
            0x4b7f_ffff,
        ];
        let f64s = [
            0u64,
            1 << 63,
            0x3ff0_0000_0000_0000,
            0xbff0_0000_0000_0000,
            0x7ff0_0000_0000_0000,
            0xfff0_0000_0000_0000,
            0x7ff8_0000_0000_0000,
            0x7ff0_0000_0000_0001,
            1,
            0x000f_ffff_ffff_ffff,
            0x0010_0000_0000_0000,
            0x7fef_ffff_ffff_ffff,
            0x43e0_0000_0000_0000,
            0x41df_ffff_ffc0_0000,
        ];
        let v = match style {
            0 => r.bits(),
            1 => u64::from(r.pick(&f32s)) | u64::from(r.pick(&f32s)) << 32,
            2 => r.pick(&f64s),
            // Ordinary numbers of moderate size.
            3 => {
                let mut f = || u64::from(((r.bits() as i16) as f32 / 64.0).to_bits());
                f() | f() << 32
            }
            4 => ((r.bits() as i32) as f64 / 1024.0).to_bits(),
            _ => r.corner(),
        };
        let _ = n;
        c.copy_from_slice(&v.to_le_bytes());
    }
    b
}

/// x87 registers: a random stack depth and values.
fn x87(v: &mut VectorState, full: bool, r: &mut Rng) {
    let x = &mut v.x87;
    let top = r.below(8) as u16;
    x.fcw = 0x37f;
    if full {
        // Precision and rounding; exceptions mostly masked.
        x.fcw = 0x40 | (r.pick(&[0u16, 2, 3]) << 8) | (r.below(4) as u16) << 10 | 0x3f;
        if r.one_in(8) {
            x.fcw &= !(r.bits() as u16 & 0x3f);
        }
    }
    x.fsw = top << 11 | if full { r.bits() as u16 & 0x4700 } else { 0 };
    x.ftw = if full { r.bits() as u8 | r.bits() as u8 } else { 0 };
    for st in &mut x.st {
        let sign = (r.bits() as u16) & 0x8000;
        let (exp, man) = match r.below(10) {
            0 => (0, 0),
            1 => (0x7fff, 1 << 63),
            2 => (0x7fff, 3 << 62 | r.bits() >> 2),
            3 => (0, r.bits() >> 1),
            4 => (0x3fff, 1 << 63),
            5 => (0x3fff + r.below(64) as u16, 1 << 63 | r.bits()),
            6 => (0x3fff - r.below(64) as u16, 1 << 63 | r.bits()),
            7 => (r.bits() as u16 & 0x7fff, 1 << 63 | r.bits()),
            8 => (0x3fff + r.below(63) as u16, 1 << 63 | (r.bits() & 0xffff) << 47),
            _ => (0x4000 + r.below(16) as u16, 1 << 63 | (r.bits() & 0xff) << 50),
        };
        *st = [0; 16];
        st[..8].copy_from_slice(&man.to_le_bytes());
        st[8..10].copy_from_slice(&(sign | exp).to_le_bytes());
    }
}

fn vectors(class: Class, r: &mut Rng) -> Option<Box<VectorState>> {
    if class == Class::Int {
        return None;
    }
    let mut v = Box::new(VectorState::default());
    for z in &mut v.zmm {
        *z = lanes(r);
    }
    for k in &mut v.k {
        *k = r.corner();
    }
    v.mxcsr = 0x1f80;
    if r.one_in(2) {
        // Rounding, flush-to-zero, denormals-are-zero, sticky flags.
        v.mxcsr |= r.bits() as u32 & 0xe07f;
    }
    if r.one_in(16) {
        v.mxcsr &= !(r.bits() as u32 & 0x1f80);
    }
    x87(&mut v, matches!(class, Class::X87 | Class::Mmx), r);
    Some(v)
}

/// Points the memory operands of `i` at the scratch area. `None` when the registers are needed twice.
fn aim(i: &Instruction, s: &mut State, r: &mut Rng) -> Option<()> {
    let o = i.op_code();
    if o.is_stack_instruction() || i.is_stack_instruction() {
        s.gpr[4] = address(8, r);
        if i.mnemonic() == Mnemonic::Leave || i.mnemonic() == Mnemonic::Enter {
            s.gpr[5] = address(8, r);
        }
    }
    for n in 0..i.op_count() {
        let size = i.memory_size().size() as u64;
        let run = |r: &mut Rng, s: &State| {
            let a = address(size, r);
            // Keep long runs inside the scratch area most of the time.
            if s.flags & rflags::DF != 0 { a.max(SCRATCH + 0x300) } else { a }
        };
        let wide = |old: u64, a: u64, r: &mut Rng| if r.one_in(2) { a } else { a | old & !0xffff_ffff };
        match i.op_kind(n) {
            OpKind::MemorySegRSI => s.gpr[6] = run(r, s),
            OpKind::MemorySegESI => s.gpr[6] = wide(s.gpr[6], run(r, s), r),
            OpKind::MemorySegRDI | OpKind::MemorySegEDI => s.gpr[7] = run(r, s),
            OpKind::MemoryESRDI => {
                // Overlapping source and destination now and then.
                s.gpr[7] =
                    if r.one_in(4) { s.gpr[6].wrapping_add(r.below(40)).wrapping_sub(20) } else { run(r, s) };
                if !(SCRATCH - 0x80..READ_ONLY + 0x1080).contains(&s.gpr[7]) {
                    s.gpr[7] = run(r, s);
                }
            }
            OpKind::MemoryESEDI => s.gpr[7] = wide(s.gpr[7], run(r, s), r),
            OpKind::Memory => {
                aim_explicit(i, s, r)?;
                if i.mnemonic() == Mnemonic::Movdir64b {
                    aim_line(i, s, r)?;
                }
            }
            _ => {}
        }
    }
    if i.is_string_instruction() {
        let most = if r.one_in(8) { 700 } else { 24 };
        s.gpr[1] = r.below(most);
        // Equal bytes make the compares run on.
        if r.one_in(2) {
            let b = r.bits() as u8;
            s.mem[..SCRATCH_LEN].fill(b);
            s.gpr[0] = u64::from_le_bytes([b; 8]);
            let at = r.below(SCRATCH_LEN as u64) as usize;
            s.mem[at] ^= 1;
        }
        if (0..i.op_count()).any(|n| matches!(i.op_kind(n), OpKind::MemoryESEDI | OpKind::MemorySegESI))
            && r.one_in(2)
        {
            s.gpr[1] |= r.bits() << 32;
        }
    }
    Some(())
}

/// Points the register operand of MOVDIR64B at a line of the scratch area, aligned most of the time.
fn aim_line(i: &Instruction, s: &mut State, r: &mut Rng) -> Option<()> {
    let to = i.op0_register().full_register();
    if [i.memory_base(), i.memory_index()].iter().any(|x| x.is_gpr() && x.full_register() == to) {
        return None;
    }
    let at = address(64, r);
    s.gpr[to.number()] = if r.one_in(4) { at } else { at & !63 };
    Some(())
}

fn aim_explicit(i: &Instruction, s: &mut State, r: &mut Rng) -> Option<()> {
    let size = match i.memory_size().size() {
        0 => 64,
        n => n as u64,
    };
    let mut target = address(size, r);
    // Bit strings reach out by a signed bit number.
    let bits = matches!(i.mnemonic(), Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc);
    let (base, index) = (i.memory_base(), i.memory_index());
    let number = |g: Register| g.full_register().number();
    if bits && i.op_kind(1) == OpKind::Register {
        let n = number(i.op1_register());
        if (base.is_gpr() && number(base) == n) || (index.is_gpr() && number(index) == n) {
            return None;
        }
        let w = i.op1_register().size() * 8;
        let v = (r.below(2048) as i64 - 1024) as u64;
        s.gpr[n] = match w {
            16 => r.bits() & !0xffff | v & 0xffff,
            32 => r.bits() << 32 | v & 0xffff_ffff,
            _ => v,
        };
    }
    if i.is_stack_instruction() && (base == Register::RSP || index == Register::RSP || base == Register::ESP)
    {
        return None;
    }
    if i.mnemonic() == Mnemonic::Xlatb {
        s.gpr[3] = target.wrapping_sub(s.gpr[0] & 0xff);
        return Some(());
    }
    if i.is_vsib() {
        target = SCRATCH + 0x800 + r.below(0x1000);
        let v = s.vec.as_mut()?;
        let z = &mut v.zmm[index.number()];
        let far = r.one_in(8);
        for c in z.chunks_exact_mut(if i.is_vsib32() { 4 } else { 8 }) {
            let x = r.below(if far { 0x900 } else { 100 }) as i64 - if far { 0x480 } else { 50 };
            let n = c.len();
            c.copy_from_slice(&x.to_le_bytes()[..n]);
        }
    }
    if base == Register::RIP || base == Register::EIP || base == Register::None {
        // The address is in the instruction.
        return Some(());
    }
    let mut at = target.wrapping_sub(i.memory_displacement64());
    if index.is_gpr() {
        at = at.wrapping_sub(s.gpr[number(index)].wrapping_mul(u64::from(i.memory_index_scale())));
    }
    let b = number(base);
    s.gpr[b] = if base.is_gpr32() { at & 0xffff_ffff | r.bits() << 32 } else { at };
    Some(())
}

/// The case of this code and seed in code of `bits`; `None` when the operands drawn cannot be encoded together.
pub fn make(code: Code, bits: u32, seed: u64) -> Option<Case> {
    let mut r = Rng::new(seed ^ (code as u64) << 48);
    let class = class_of(code)?;
    let rip = CODE + r.below(0xf00);
    let (i, bytes) = instruction(code, bits, rip, &mut r)?;
    let mut gpr = [0; 16];
    for g in &mut gpr {
        *g = r.corner();
    }
    let mut mem = vec![0u8; SCRATCH_LEN + 0x1000];
    let corners = r.one_in(2);
    for c in mem.chunks_exact_mut(64) {
        if class == Class::Int {
            for w in c.chunks_exact_mut(8) {
                w.copy_from_slice(&if corners { r.corner() } else { r.bits() }.to_le_bytes());
            }
        } else {
            c.copy_from_slice(&lanes(&mut r));
        }
    }
    let mut flags = r.bits() & rflags::ARITH;
    if i.is_string_instruction() && r.one_in(3) {
        flags |= rflags::DF;
    }
    let vec = vectors(class, &mut r);
    let mut before = State { gpr, flags, mem, vec };
    aim(&i, &mut before, &mut r)?;
    if bits == 32 {
        before.gpr[..8].iter_mut().for_each(|g| *g &= 0xffff_ffff);
    }
    Some(Case { bits, seed, bytes, rip, before })
}
