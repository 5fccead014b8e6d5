//! Running stubs: operands in, the host's instruction, exceptions and results out.
#![expect(unsafe_code, reason = "calls functions that were assembled at run time")]

use super::arena;
use super::masked;
use super::stub;
use super::stub::Built;
use super::stub::Form;
use super::stub::SLOT_FLAGS;
use super::stub::SLOT_MXCSR_IN;
use super::stub::SLOT_MXCSR_OUT;
use super::stub::Style;
use crate::cpu::Cpu;
use crate::cpu::vector;
use crate::decode::Lowered;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::mem::Access;
use crate::mem::host;
use crate::op::Handler;
use crate::op::Op;
use crate::state::*;
use iced_x86::EncodingKind;
use iced_x86::Instruction;
use iced_x86::Mnemonic;

/// MXCSR: all exceptions masked, nothing else.
pub(crate) const MXCSR_DEFAULT: u32 = 0x1f80;
/// MXCSR exception masks.
const MASKS: u32 = 0x1f80;
/// MXCSR rounding control, flush to zero, denormals are zero.
const CONTROL: u32 = 0xe040;
/// MXCSR flush to zero.
const FZ: u32 = 1 << 15;
/// MXCSR underflow flag.
const UE: u32 = 1 << 4;
/// MXCSR misaligned-exception mask: SSE loads other than moves need no alignment.
const MM: u32 = 1 << 17;
/// MXCSR flags of exceptions found before computing: invalid, denormal, divide by zero.
const BEFORE: u32 = 7;
/// All MXCSR flags.
const FLAGS: u32 = 0x3f;

/// Bit of [`Op::src`]: MXCSR.MM lifts the alignment requirement.
const LIFTED: u8 = 1;

/// Bytes of a memory operand while a stub runs.
#[repr(align(64))]
pub(crate) struct Bounce(pub(crate) [u8; 64]);

/// The form of an operation lowered here.
#[inline(always)]
pub(crate) fn form_of(op: &Op) -> &Form {
    // SAFETY: the handlers of this module and of `x87` are set together with `imm`, the address of a leaked `Form`; or
    // `op_loose` calls them with one that outlives the operation.
    unsafe { &*std::ptr::with_exposed_provenance::<Form>(op.imm as usize) }
}

/// What [`Op::imm`] holds for a form.
pub(crate) fn form_address(f: &Form) -> u64 {
    std::ptr::from_ref(f).expose_provenance() as u64
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn call(s: &mut VpState, f: &Form, mem: *mut u8) {
    type Stub = unsafe extern "sysv64" fn(*mut VpState, *mut u8);
    let p = std::ptr::with_exposed_provenance::<u8>(f.code);
    // SAFETY: `code` is a stub of `Style::Registers`, which has this signature and touches only fields of the state
    // and at most 64 bytes at `mem`; the host has the features (checked before assembling).
    unsafe { std::mem::transmute::<*const u8, Stub>(p)(s, mem) }
}

#[cfg(not(target_arch = "x86_64"))]
fn call(_: &mut VpState, _: &Form, _: *mut u8) {}

/// An FXSAVE image.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct FxImage(pub(crate) [u8; 512]);

/// Runs an x87 stub on the state that [`x87_host::load`] put into the host's unit.
pub(crate) fn call_x87(s: &mut VpState, f: &Form, mem: &mut Bounce) {
    call(s, f, mem.0.as_mut_ptr());
}

/// The host's x87 unit, which holds the guest's state between [`load`](x87_host::load) and
/// [`reset`](x87_host::reset). Compiled code does not use the unit.
#[cfg(target_arch = "x86_64")]
pub(crate) mod x87_host {
    use super::FxImage;
    use std::arch::asm;

    /// Loads an image without a pending unmasked exception and with the default MXCSR.
    pub(crate) fn load(image: &FxImage) {
        // SAFETY: 512 aligned bytes; MXCSR in them is the default one; XMM registers are declared lost.
        unsafe {
            asm!(
                "fxrstor64 [{}]",
                in(reg) image.0.as_ptr(),
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nostack, readonly)
            );
        }
    }

    /// Stores the unit's state.
    pub(crate) fn save(image: &mut FxImage) {
        // SAFETY: 512 aligned bytes.
        unsafe { asm!("fxsave64 [{}]", in(reg) image.0.as_mut_ptr(), options(nostack)) };
    }

    /// Puts the unit into the state that compiled code expects.
    pub(crate) fn reset() {
        // SAFETY: does not look at pending exceptions; touches the x87 unit only.
        unsafe { asm!("fninit", options(nomem, nostack)) };
    }

    /// Status word.
    pub(crate) fn status() -> u16 {
        let v: u16;
        // SAFETY: reads the status word; does not look at pending exceptions.
        unsafe { asm!("fnstsw ax", out("ax") v, options(nomem, nostack)) };
        v
    }

    /// Loads a control word that masks every exception.
    pub(crate) fn set_control(v: u16) {
        // SAFETY: two readable bytes; nothing is pending, and nothing will be: every exception is masked.
        unsafe { asm!("fldcw [{}]", in(reg) &raw const v, options(nostack, readonly)) };
    }
}

/// Never used: no form exists on this host.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) mod x87_host {
    use super::FxImage;
    pub(crate) fn load(_: &FxImage) {}
    pub(crate) fn save(_: &mut FxImage) {}
    pub(crate) fn reset() {}
    pub(crate) fn status() -> u16 {
        0
    }
    pub(crate) fn set_control(_: u16) {}
}

#[cfg(target_arch = "x86_64")]
fn restore_host_mxcsr() {
    let v = MXCSR_DEFAULT;
    // SAFETY: the value compiled code expects, without reserved bits.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const v, options(nostack, readonly)) };
}

#[cfg(not(target_arch = "x86_64"))]
fn restore_host_mxcsr() {}

/// Registers that an instruction may have to give back.
struct Saved {
    vec: [[u8; 64]; 32],
    k: [u64; 8],
    gpr: [u64; 32],
    st: [[u8; 16]; 8],
}

impl Saved {
    fn take(s: &VpState) -> Saved {
        Saved { vec: s.vec.zmm, k: s.vec.k, gpr: s.gpr, st: s.vec.x87.st }
    }

    fn give_back(&self, s: &mut VpState, f: &Form) {
        for n in (0..32).filter(|n| f.vec_writes >> n & 1 != 0) {
            s.vec.zmm[n] = self.vec[n];
        }
        for n in (0..8).filter(|n| f.k_writes >> n & 1 != 0) {
            s.vec.k[n] = self.k[n];
        }
        for n in (0..8).filter(|n| f.mm_writes >> n & 1 != 0) {
            s.vec.x87.st[n] = self.st[n];
        }
        for n in (0..16).filter(|n| f.gpr_writes >> n & 1 != 0) {
            s.gpr[n] = self.gpr[n];
        }
    }
}

/// Runs a stub under a given rounding and denormal control; gives the flags it raised.
fn run_under(s: &mut VpState, f: &Form, mem: &mut Bounce, control: u32) -> u32 {
    s.gpr[SLOT_MXCSR_IN] = u64::from(MXCSR_DEFAULT | control);
    call(s, f, mem.0.as_mut_ptr());
    restore_host_mxcsr();
    s.gpr[SLOT_MXCSR_OUT] as u32 & FLAGS
}

/// Runs a floating-point stub; gives the MXCSR flags to add once the instruction completes.
///
/// # Errors
/// #XM (#UD without CR4.OSXMMEXCPT) for an unmasked exception; registers are then unchanged.
#[inline(always)]
fn call_fp(cpu: &mut Cpu, f: &Form, mem: &mut Bounce) -> R<u32> {
    if cpu.s.vec.mxcsr & (MASKS | CONTROL) == MASKS {
        cpu.s.gpr[SLOT_MXCSR_IN] = u64::from(MXCSR_DEFAULT);
        call(&mut cpu.s, f, mem.0.as_mut_ptr());
        return Ok(cpu.s.gpr[SLOT_MXCSR_OUT] as u32 & FLAGS);
    }
    call_fp_controlled(cpu, f, mem)
}

/// [`call_fp`] when the guest changed rounding, denormal handling or masks (Intel SDM 1, "SIMD Floating-Point
/// Exception Conditions").
#[inline(never)]
fn call_fp_controlled(cpu: &mut Cpu, f: &Form, mem: &mut Bounce) -> R<u32> {
    let mxcsr = cpu.s.vec.mxcsr;
    let control = mxcsr & CONTROL;
    if mxcsr & MASKS == MASKS || f.quiet {
        return Ok(run_under(&mut cpu.s, f, mem, control));
    }
    let saved = Saved::take(&cpu.s);
    let underflow_unmasked = mxcsr & (UE << 7) == 0;
    let mut flags = 0;
    if underflow_unmasked {
        // Unmasked underflow is raised for exact tiny results too; flushing to zero reveals those.
        let before = mem.0;
        flags = run_under(&mut cpu.s, f, mem, control | FZ) & UE;
        saved.give_back(&mut cpu.s, f);
        mem.0 = before;
    }
    let control = if underflow_unmasked { control & !FZ } else { control };
    flags |= run_under(&mut cpu.s, f, mem, control);
    let unmasked = flags & !(mxcsr >> 7) & FLAGS;
    if unmasked == 0 {
        return Ok(flags);
    }
    saved.give_back(&mut cpu.s, f);
    // After an unmasked overflow or underflow the processor judges precision by a result of unbounded exponent, which
    // is inexact almost always; here it is always.
    cpu.s.vec.mxcsr |= if unmasked & BEFORE != 0 { flags & BEFORE } else { flags };
    if cpu.s.cr4 & cr4::OSXMMEXCPT != 0 { cpu.fault(vector::XM, None) } else { cpu.ud() }
}

/// Linear address of a vector memory operand of `size` bytes, alignment checked.
#[inline(always)]
pub(crate) fn operand_la(cpu: &mut Cpu, op: &Op, size: u64, access: Access) -> R<u64> {
    let la = cpu.la(op, size, access)?;
    if la & u64::from(op.aux) != 0 && !(op.src & LIFTED != 0 && cpu.s.vec.mxcsr & MM != 0) {
        return cpu.gp(0);
    }
    Ok(la)
}

/// Loads a memory operand of `size` bytes, a power of two up to 64.
#[inline(always)]
pub(crate) fn load(cpu: &mut Cpu, op: &Op, size: u8, to: &mut Bounce) -> R<()> {
    let la = operand_la(cpu, op, size.into(), Access::Read)?;
    if let Some(p) = cpu.tlb_read(la, size.into()) {
        let to = to.0.as_mut_ptr().expose_provenance() as u64;
        let done = match size {
            16 => host::copy_vector::<16>(to, p),
            32 => host::copy_vector::<32>(to, p),
            64 => host::copy_vector::<64>(to, p),
            _ => false,
        };
        if done {
            return Ok(());
        }
    }
    read_sized(cpu, la, size, op.seg & 7, &mut to.0)
}

/// Reads `size` bytes at a linear address.
#[inline(always)]
fn read_sized(cpu: &mut Cpu, la: u64, size: u8, seg: u8, to: &mut [u8; 64]) -> R<()> {
    match size {
        16 => cpu.read_bytes(la, &mut to[..16], seg),
        32 => cpu.read_bytes(la, &mut to[..32], seg),
        64 => cpu.read_bytes(la, &mut to[..64], seg),
        8 => {
            let v = cpu.read::<u64>(la, seg)?;
            to[..8].copy_from_slice(&v.to_le_bytes());
            Ok(())
        }
        4 => {
            let v = cpu.read::<u32>(la, seg)?;
            to[..4].copy_from_slice(&v.to_le_bytes());
            Ok(())
        }
        2 => {
            let v = cpu.read::<u16>(la, seg)?;
            to[..2].copy_from_slice(&v.to_le_bytes());
            Ok(())
        }
        1 => {
            to[0] = cpu.read::<u8>(la, seg)?;
            Ok(())
        }
        10 => {
            let low = cpu.read::<u64>(la, seg)?;
            let high = cpu.read::<u16>(la.wrapping_add(8), seg)?;
            to[..8].copy_from_slice(&low.to_le_bytes());
            to[8..10].copy_from_slice(&high.to_le_bytes());
            Ok(())
        }
        n => cpu.read_bytes(la, &mut to[..usize::from(n).min(64)], seg),
    }
}

/// Stores the first `size` bytes of `from`.
#[inline(always)]
pub(crate) fn store(cpu: &mut Cpu, op: &Op, size: u8, from: &Bounce) -> R<()> {
    let la = operand_la(cpu, op, size.into(), Access::Write)?;
    if let Some(p) = cpu.tlb_write(la, size.into()) {
        let from = from.0.as_ptr().expose_provenance() as u64;
        let done = match size {
            16 => host::copy_vector::<16>(p, from),
            32 => host::copy_vector::<32>(p, from),
            64 => host::copy_vector::<64>(p, from),
            _ => false,
        };
        if done {
            return Ok(());
        }
    }
    write_sized(cpu, la, size, op.seg & 7, &from.0)
}

/// Writes the first `size` bytes of `from` at a linear address.
#[inline(always)]
pub(crate) fn write_sized(cpu: &mut Cpu, la: u64, size: u8, seg: u8, from: &[u8; 64]) -> R<()> {
    let word = u64::from_le_bytes([from[0], from[1], from[2], from[3], from[4], from[5], from[6], from[7]]);
    match size {
        16 => cpu.write_bytes(la, &from[..16], seg),
        32 => cpu.write_bytes(la, &from[..32], seg),
        64 => cpu.write_bytes(la, &from[..64], seg),
        8 => cpu.write::<u64>(la, word, seg),
        4 => cpu.write::<u32>(la, word as u32, seg),
        2 => cpu.write::<u16>(la, word as u16, seg),
        1 => cpu.write::<u8>(la, word as u8, seg),
        10 if cpu.tlb_write(la, 10).is_some() => {
            cpu.write::<u64>(la, word, seg)?;
            cpu.write::<u16>(la.wrapping_add(8), u16::from_le_bytes([from[8], from[9]]), seg)
        }
        n => cpu.write_bytes(la, &from[..usize::from(n).min(64)], seg),
    }
}

#[inline(always)]
pub(crate) fn flags_in(cpu: &mut Cpu, f: &Form) {
    if f.reads_flags {
        cpu.s.gpr[SLOT_FLAGS] = cpu.s.flags.bits() | rflags::ONE;
    }
}

#[inline(always)]
pub(crate) fn flags_out(cpu: &mut Cpu, f: &Form) {
    if f.writes_flags {
        let v = cpu.s.gpr[SLOT_FLAGS];
        cpu.s.flags.set_bits(v & rflags::ARITH);
    }
}

/// No memory operand, or a plain load.
fn op_in<const LOAD: bool, const FP: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    let f = form_of(op);
    let mut mem = Bounce([0; 64]);
    if LOAD {
        load(cpu, op, f.load, &mut mem)?;
    }
    flags_in(cpu, f);
    if FP {
        cpu.s.vec.mxcsr |= call_fp(cpu, f, &mut mem)?;
    } else {
        call(&mut cpu.s, f, mem.0.as_mut_ptr());
    }
    flags_out(cpu, f);
    Ok(Flow::Next)
}

/// A plain store: the instruction writes memory and no register.
fn op_out<const FP: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    let f = form_of(op);
    let mut mem = Bounce([0; 64]);
    let mut flags = 0;
    if FP {
        // On AMD's processors a fault of the store comes before the exceptions of the computation, on Intel's after it
        // and its flags.
        let amd = cpu.model.is_amd();
        if amd {
            let la = operand_la(cpu, op, f.store.into(), Access::Write)?;
            cpu.probe(la, f.store.into(), Access::Write, op.seg & 7)?;
        }
        flags = call_fp(cpu, f, &mut mem)?;
        if !amd {
            cpu.s.vec.mxcsr |= flags;
        }
    } else {
        call(&mut cpu.s, f, mem.0.as_mut_ptr());
    }
    store(cpu, op, f.store, &mem)?;
    cpu.s.vec.mxcsr |= flags;
    Ok(Flow::Next)
}

/// Everything else: MMX registers, masked memory operands.
fn op_general(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.s.deny & op.need != 0 {
        return cpu.vec_denied(op);
    }
    let f = form_of(op);
    if f.mmx {
        cpu.x87_pending()?;
        cpu.x87_sync();
    }
    let mut mem = Bounce([0; 64]);
    match &f.masked {
        Some(m) if f.load != 0 => masked::load(cpu, op, f.load, m, &mut mem)?,
        None if f.load != 0 => load(cpu, op, f.load, &mut mem)?,
        _ => {}
    }
    flags_in(cpu, f);
    let mut flags = 0;
    if f.uses_mxcsr {
        // As in `op_out`.
        let amd = cpu.model.is_amd();
        if let Some(m) = f.masked.filter(|_| f.store != 0 && amd) {
            masked::probe(cpu, op, f.store, &m)?;
        }
        flags = match call_fp(cpu, f, &mut mem) {
            Ok(flags) => flags,
            Err(t) => {
                // The register file has changed hands by then.
                if f.mmx {
                    cpu.enter_mmx(0);
                }
                return Err(t);
            }
        };
    } else {
        call(&mut cpu.s, f, mem.0.as_mut_ptr());
    }
    if f.store != 0 {
        if !cpu.model.is_amd() {
            // Before a fault of the store.
            cpu.s.vec.mxcsr |= flags;
            if f.mmx {
                cpu.s.vec.x87.clear_top();
            }
        }
        match &f.masked {
            Some(m) => masked::store(cpu, op, f.store, m, &mem)?,
            None => store(cpu, op, f.store, &mem)?,
        }
    }
    flags_out(cpu, f);
    cpu.s.vec.mxcsr |= flags;
    if f.mmx {
        cpu.enter_mmx(f.mm_writes);
    }
    Ok(Flow::Next)
}

/// Alignment mask of the memory operand and whether MXCSR.MM lifts it.
fn alignment(i: &Instruction, f: &Form, amd: bool) -> (u8, bool) {
    let size = f.load.max(f.store);
    match i.encoding() {
        EncodingKind::Legacy => {
            let free = matches!(
                i.mnemonic(),
                Mnemonic::Movups
                    | Mnemonic::Movupd
                    | Mnemonic::Movdqu
                    | Mnemonic::Lddqu
                    | Mnemonic::Pcmpistri
                    | Mnemonic::Pcmpistrm
                    | Mnemonic::Pcmpestri
                    | Mnemonic::Pcmpestrm
                    | Mnemonic::Pcmpestri64
                    | Mnemonic::Pcmpestrm64
            );
            // AMD's processors do not check the SHA instructions, though the manuals have them do so.
            let sha = amd && format!("{:?}", i.mnemonic()).starts_with("Sha");
            if size != 16 || free || sha {
                return (0, false);
            }
            let is_move = matches!(
                i.mnemonic(),
                Mnemonic::Movaps
                    | Mnemonic::Movapd
                    | Mnemonic::Movdqa
                    | Mnemonic::Movntdqa
                    | Mnemonic::Movntps
                    | Mnemonic::Movntpd
                    | Mnemonic::Movntdq
            );
            (15, !is_move)
        }
        _ if aligned_vex(i.mnemonic()) => (size.saturating_sub(1), false),
        _ => (0, false),
    }
}

/// VEX and EVEX moves that require alignment.
pub(crate) fn aligned_vex(m: Mnemonic) -> bool {
    matches!(
        m,
        Mnemonic::Vmovaps
            | Mnemonic::Vmovapd
            | Mnemonic::Vmovdqa
            | Mnemonic::Vmovdqa32
            | Mnemonic::Vmovdqa64
            | Mnemonic::Vmovntps
            | Mnemonic::Vmovntpd
            | Mnemonic::Vmovntdq
            | Mnemonic::Vmovntdqa
    )
}

/// An instruction for whose stub there was no room: assembled into the processor's own slot each time.
#[cold]
pub(crate) fn op_loose(cpu: &mut Cpu, op: &Op) -> Step {
    let i = cpu.insn(op);
    let x87 = super::is_x87(&i);
    let own;
    let f = match stub::form(&i, if x87 { Style::X87 } else { Style::Registers }) {
        Some(Built::Ready(f)) => f,
        Some(Built::Loose(mut f, code)) => {
            if cpu.native.slot.is_none() {
                cpu.native.slot = arena::Slot::new();
            }
            match cpu.native.slot.as_mut().and_then(|s| s.fill(&code)) {
                Some(at) => f.code = at,
                None => return cpu.ud(),
            }
            own = f;
            &*own
        }
        None => return cpu.ud(),
    };
    let mut with_form = *op;
    with_form.imm = form_address(f);
    let run = if x87 { super::x87::handler(f) } else { handler(f) };
    run(cpu, &with_form)
}

/// The handler of a form.
fn handler(f: &Form) -> Handler {
    let general = f.mmx || f.masked.is_some() || f.load != 0 && f.store != 0;
    match (f.load != 0, f.store != 0, f.uses_mxcsr) {
        _ if general => op_general,
        (false, false, false) => op_in::<false, false>,
        (false, false, true) => op_in::<false, true>,
        (_, false, false) => op_in::<true, false>,
        (_, false, true) => op_in::<true, true>,
        (_, true, false) => op_out::<false>,
        (_, true, true) => op_out::<true>,
    }
}

/// Chooses the handler of an instruction that runs natively; `op.need` is set.
pub(crate) fn lower(i: &Instruction, op: &mut Op, amd: bool) -> Option<Lowered> {
    let built = stub::form(i, Style::Registers)?;
    let (f, run): (&Form, Handler) = match &built {
        Built::Ready(f) => {
            op.imm = form_address(f);
            (f, handler(f))
        }
        Built::Loose(f, _) => (f, op_loose),
    };
    let (align, lifted) = alignment(i, f, amd);
    op.aux = if f.load | f.store != 0 { align } else { 0 };
    op.src = if lifted { LIFTED } else { 0 };
    Lowered::next(run)
}
