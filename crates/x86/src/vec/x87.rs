//! x87 instructions: arithmetic natively, control instructions and environments in software.
//!
//! The host never sees the guest's instruction and data pointers, nor the guest the host's: they are kept here.
//!
//! While every exception is masked, the registers stay in the host's unit from one instruction to the next
//! ([`Cpu::x87_sync`] brings them back; the run loop does so before it returns). Control word and pointers are
//! always current in [`X87`].
//!
//! With CR0.NE = 0 an unmasked exception is reported outside the processor (FERR#, IRQ 13 on a PC). There is no
//! such wire here: the exception stays pending in the status word and execution goes on, as with IGNNE# asserted.

use super::fxsave;
use super::native;
use super::native::Bounce;
use super::native::FxImage;
use super::native::flags_in;
use super::native::flags_out;
use super::native::form_of;
use super::native::x87_host;
use super::stub;
use super::stub::Built;
use super::stub::Form;
use super::stub::Style;
use crate::cpu::Cpu;
use crate::cpu::Mode;
use crate::cpu::vector;
use crate::decode::Ctx;
use crate::decode::Lowered;
use crate::decode::op_nop;
use crate::exit::Flow;
use crate::exit::R;
use crate::exit::Step;
use crate::mem::Access;
use crate::mem::host;
use crate::op::Handler;
use crate::op::Op;
use crate::state::*;
use iced_x86::Code;
use iced_x86::Encoder;
use iced_x86::Instruction;
use iced_x86::Mnemonic;
use iced_x86::OpKind;

/// Status word: error summary.
const ES: u16 = 1 << 7;
/// Status word: busy, always equal to the error summary.
const BUSY: u16 = 1 << 15;
/// Exception flags in the status word, masks in the control word.
const EXCEPTIONS: u16 = 0x3f;
/// Invalid, overflow, underflow: when unmasked, a store does not happen.
const NO_STORE: u16 = 1 | 1 << 3 | 1 << 4;

impl X87 {
    /// FNINIT: registers keep their bits but are empty.
    pub(crate) fn init(&mut self) {
        *self = X87 { st: self.st, ..X87::default() };
    }

    /// Makes control and status words that came from outside consistent, as FXRSTOR does: reserved bits have their
    /// fixed values, and the error summary follows from flags and masks.
    pub fn normalise(&mut self) {
        self.fcw = clean_fcw(self.fcw);
        self.summarise();
    }

    /// Sets or clears the error summary to match flags and masks.
    pub(crate) fn summarise(&mut self) {
        self.fsw &= !(ES | BUSY);
        if self.fsw & !self.fcw & EXCEPTIONS != 0 {
            self.fsw |= ES | BUSY;
        }
    }

    /// Sets the top of the stack to register 0.
    pub(crate) fn clear_top(&mut self) {
        self.fsw &= !(7 << 11);
    }

    /// Full tag word, two bits per physical register.
    pub(crate) fn full_tags(&self) -> u16 {
        let tag = |n: usize| -> u16 {
            if self.ftw >> n & 1 == 0 {
                return 3;
            }
            let r = &self.st[n];
            let exponent = u16::from_le_bytes([r[8], r[9]]) & 0x7fff;
            let integer = r[7] & 0x80 != 0;
            match exponent {
                0 if r[..8] == [0; 8] => 1,
                0 | 0x7fff => 2,
                _ if integer => 0,
                _ => 2,
            }
        };
        (0..8).fold(0, |w, n| w | tag(n) << (2 * n))
    }

    /// Abridges a full tag word.
    pub(crate) fn set_full_tags(&mut self, tags: u16) {
        self.ftw = (0..8).fold(0, |w, n| w | u8::from(tags >> (2 * n) & 3 != 3) << n);
    }
}

impl Cpu {
    /// What every waiting x87 and MMX instruction does first.
    ///
    /// # Errors
    /// #MF when an unmasked exception is pending and CR0.NE is set.
    #[inline]
    pub(crate) fn x87_pending(&mut self) -> R<()> {
        if self.s.vec.x87.fsw & ES != 0 && self.s.cr0 & cr0::NE != 0 {
            return self.fault(vector::MF, None);
        }
        Ok(())
    }

    /// What executing an MMX instruction does to the x87 state (Intel SDM 3A, "Effects of MMX Instructions").
    pub(crate) fn enter_mmx(&mut self, written: u8) {
        let x = &mut self.s.vec.x87;
        x.clear_top();
        x.ftw = 0xff;
        for n in (0..8).filter(|n| written >> n & 1 != 0) {
            x.st[n][8..10].fill(0xff);
        }
    }

    /// Takes the x87 state back from the host's unit, if it is there.
    #[inline]
    pub(crate) fn x87_sync(&mut self) {
        if self.native.resident {
            self.x87_fetch();
        }
    }

    #[inline(never)]
    fn x87_fetch(&mut self) {
        self.native.resident = false;
        x87_host::save(&mut self.native.image);
        x87_host::reset();
        from_host(&self.native.image, &mut self.s.vec.x87);
    }

    /// Availability and, for waiting instructions, pending exceptions.
    #[inline(always)]
    fn x87_ready(&mut self, op: &Op, waits: bool) -> R<()> {
        if self.s.deny & op.need != 0 {
            return self.vec_denied(op).map(|_| ());
        }
        if waits { self.x87_pending() } else { Ok(()) }
    }

    /// [`Cpu::x87_ready`] for instructions that work on the state in memory.
    fn x87_ready_here(&mut self, op: &Op, waits: bool) -> R<()> {
        self.x87_ready(op, waits)?;
        self.x87_sync();
        Ok(())
    }

    /// Records the instruction and operand addresses of a completed instruction.
    #[inline(always)]
    fn x87_pointers(&mut self, op: &Op, has_operand: bool) {
        let fip = self.op_rip(op);
        let fdp = self.ea(op);
        let x = &mut self.s.vec.x87;
        x.fop = u16::from_le_bytes([op.src, op.dst]);
        x.fip = fip;
        x.fcs = self.s.seg[CS].selector;
        if has_operand {
            x.fdp = fdp;
            x.fds = self.s.seg[usize::from(op.seg & 7)].selector;
        }
    }
}

/// Fills the x87 part of an FXSAVE image for the host.
fn to_host(x: &X87, fcw: u16, image: &mut FxImage) {
    let b = &mut image.0;
    b[..2].copy_from_slice(&fcw.to_le_bytes());
    b[2..4].copy_from_slice(&(x.fsw & !(ES | BUSY)).to_le_bytes());
    b[4..24].fill(0);
    b[4] = x.ftw;
    b[24..28].copy_from_slice(&native::MXCSR_DEFAULT.to_le_bytes());
    fxsave::put_stack(x, &mut b[32..160]);
}

/// Takes registers, status and tags back from the host; the control word is the guest's own.
fn from_host(image: &FxImage, x: &mut X87) {
    let b = &image.0;
    x.fsw = u16::from_le_bytes([b[2], b[3]]);
    x.ftw = b[4];
    fxsave::take_stack(x, &b[32..160]);
    x.summarise();
}

/// An instruction that runs on the host's x87 unit.
fn op_native<const STORE: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.x87_ready(op, true)?;
    if !cpu.native.resident {
        let x = &cpu.s.vec.x87;
        if x.fcw & EXCEPTIONS != EXCEPTIONS {
            return op_careful(cpu, op);
        }
        to_host(x, x.fcw, &mut cpu.native.image);
        x87_host::load(&cpu.native.image);
        cpu.native.resident = true;
    }
    let f = form_of(op);
    let mut mem = Bounce([0; 64]);
    let size = u64::from(if STORE { f.store } else { f.load });
    let mut la = 0;
    if STORE {
        la = cpu.la(op, size, Access::Write)?;
        // A popping store cannot be taken back: it runs here only if the memory is known to be there.
        if cpu.tlb_write(la, size).and_then(host::load::<u8>).is_none() {
            cpu.x87_sync();
            return op_careful(cpu, op);
        }
    } else if size != 0 {
        native::load(cpu, op, f.load, &mut mem)?;
    }
    flags_in(cpu, f);
    native::call_x87(&mut cpu.s, f, &mut mem);
    if STORE {
        native::write_sized(cpu, la, f.store, op.seg & 7, &mem.0)?;
    }
    cpu.x87_pointers(op, size != 0);
    flags_out(cpu, f);
    Ok(Flow::Next)
}

/// The same, with the state in memory before and after: unmasked exceptions, stores that may fault.
#[inline(never)]
fn op_careful(cpu: &mut Cpu, op: &Op) -> Step {
    let f = form_of(op);
    let mut mem = Bounce([0; 64]);
    let size = u64::from(f.load.max(f.store));
    let access = if f.store != 0 { Access::Write } else { Access::Read };
    let la = if size != 0 { cpu.la(op, size, access)? } else { 0 };
    if f.store != 0 && cpu.model.is_amd() {
        // Even a store that an exception then prevents; on Intel's processors that one does not fault.
        cpu.probe(la, size, access, op.seg & 7)?;
    }
    if f.load != 0 {
        cpu.read_bytes(la, &mut mem.0[..usize::from(f.load)], op.seg & 7)?;
    }
    let old = cpu.s.vec.x87;
    // Exceptions that stay pending with CR0.NE = 0 must not hit the host.
    let pending = if old.fsw & ES != 0 { old.fsw & EXCEPTIONS } else { 0 };
    to_host(&old, old.fcw | pending, &mut cpu.native.image);
    flags_in(cpu, f);
    x87_host::load(&cpu.native.image);
    native::call_x87(&mut cpu.s, f, &mut mem);
    x87_host::save(&mut cpu.native.image);
    x87_host::reset();
    let mut new = old;
    from_host(&cpu.native.image, &mut new);
    let raised = new.fsw & !old.fcw & !pending & EXCEPTIONS;
    if f.store != 0 && raised & NO_STORE == 0 {
        // Intel's processors store the significand of an 80-bit number before the rest can fault.
        let (head, tail) = mem.0[..usize::from(f.store)].split_at(usize::from(f.store.min(8)));
        if tail.is_empty() || cpu.model.is_amd() {
            cpu.write_bytes(la, &mem.0[..usize::from(f.store)], op.seg & 7)?;
        } else {
            cpu.write_bytes(la, head, op.seg & 7)?;
            cpu.write_bytes(la.wrapping_add(8), tail, op.seg & 7)?;
        }
    }
    cpu.s.vec.x87 = new;
    cpu.x87_pointers(op, size != 0);
    flags_out(cpu, f);
    Ok(Flow::Next)
}

/// WAIT.
fn op_wait(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.x87_ready(op, true)?;
    Ok(Flow::Next)
}

/// FNINIT.
fn op_init(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.x87_ready_here(op, false)?;
    cpu.s.vec.x87.init();
    Ok(Flow::Next)
}

/// FNCLEX.
fn op_clex(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.x87_ready_here(op, false)?;
    cpu.s.vec.x87.fsw &= 0x7f00;
    Ok(Flow::Next)
}

/// FNSTCW.
fn op_stcw(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.x87_ready(op, false)?;
    let v = cpu.s.vec.x87.fcw;
    cpu.store::<u16>(op, v)?;
    Ok(Flow::Next)
}

/// FLDCW.
fn op_ldcw(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.x87_ready(op, true)?;
    let v = clean_fcw(cpu.load::<u16>(op)?);
    if cpu.native.resident && v & EXCEPTIONS == EXCEPTIONS {
        x87_host::set_control(v);
        cpu.s.vec.x87.fcw = v;
        return Ok(Flow::Next);
    }
    cpu.x87_sync();
    cpu.s.vec.x87.fcw = v;
    cpu.s.vec.x87.summarise();
    Ok(Flow::Next)
}

/// Bit 6 of the control word reads one, the other reserved bits (7, 13-15) zero.
pub(crate) fn clean_fcw(v: u16) -> u16 {
    v & 0x1f3f | 0x40
}

/// FNSTSW.
fn op_stsw<const AX: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.x87_ready(op, false)?;
    let v = if cpu.native.resident { x87_host::status() } else { cpu.s.vec.x87.fsw };
    if AX {
        cpu.set_reg::<u16>(RAX as u8, v);
    } else {
        cpu.store::<u16>(op, v)?;
    }
    Ok(Flow::Next)
}

/// EMMS.
fn op_emms(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.x87_ready_here(op, true)?;
    cpu.s.vec.x87.ftw = 0;
    cpu.s.vec.x87.fsw &= !(7 << 11);
    Ok(Flow::Next)
}

/// Environment formats by the low bits of [`Op::aux`]: 32-bit image.
const ENV_32: u8 = 1;
/// Real-address or virtual-8086 mode image.
const ENV_REAL: u8 = 2;

fn env_len(format: u8) -> usize {
    if format & ENV_32 != 0 { 28 } else { 14 }
}

/// Builds an environment (Intel SDM 1, "x87 FPU State in Memory").
fn put_env(x: &X87, format: u8, b: &mut [u8]) {
    let linear = |sel: u16, off: u64| (u64::from(sel) << 4).wrapping_add(off) as u32;
    let (ip, dp) = (linear(x.fcs, x.fip), linear(x.fds, x.fdp));
    let fop = u32::from(x.fop & 0x7ff);
    let head = [x.fcw, x.fsw, x.full_tags()];
    let words: [u32; 7] = match format {
        ENV_32 => {
            let cs = u32::from(x.fcs) | fop << 16;
            let ds = 0xffff_0000 | u32::from(x.fds);
            [0, 0, 0, x.fip as u32, cs, x.fdp as u32, ds]
        }
        f if f & ENV_32 != 0 => [
            0,
            0,
            0,
            ip & 0xffff | 0xffff_0000,
            ip >> 16 << 12 & 0x0fff_f000 | fop,
            dp & 0xffff | 0xffff_0000,
            dp >> 16 << 12 & 0x0fff_f000,
        ],
        f if f & ENV_REAL != 0 => [0, 0, 0, ip, ip >> 16 << 12 & 0xf000 | fop, dp, dp >> 16 << 12 & 0xf000],
        _ => [0, 0, 0, x.fip as u32, x.fcs.into(), x.fdp as u32, x.fds.into()],
    };
    for n in 0..7 {
        let w = if n < 3 { 0xffff_0000 | u32::from(head[n]) } else { words[n] };
        if format & ENV_32 != 0 {
            b[n * 4..n * 4 + 4].copy_from_slice(&w.to_le_bytes());
        } else {
            b[n * 2..n * 2 + 2].copy_from_slice(&(w as u16).to_le_bytes());
        }
    }
}

/// Loads an environment.
fn take_env(x: &mut X87, format: u8, b: &[u8]) {
    let word = |n: usize| -> u32 {
        if format & ENV_32 != 0 {
            u32::from_le_bytes([b[n * 4], b[n * 4 + 1], b[n * 4 + 2], b[n * 4 + 3]])
        } else {
            u16::from_le_bytes([b[n * 2], b[n * 2 + 1]]).into()
        }
    };
    x.fcw = clean_fcw(word(0) as u16);
    x.fsw = word(1) as u16;
    x.set_full_tags(word(2) as u16);
    if format & ENV_REAL == 0 {
        (x.fip, x.fcs) = (word(3).into(), word(4) as u16);
        (x.fdp, x.fds) = (word(5).into(), word(6) as u16);
        if format & ENV_32 != 0 {
            x.fop = (word(4) >> 16) as u16 & 0x7ff;
        }
    } else {
        let high = if format & ENV_32 != 0 { 0x0fff_f000 } else { 0xf000 };
        x.fip = (word(3) & 0xffff | (word(4) & high) << 4).into();
        x.fdp = (word(5) & 0xffff | (word(6) & high) << 4).into();
        x.fop = word(4) as u16 & 0x7ff;
        (x.fcs, x.fds) = (0, 0);
    }
    x.summarise();
}

/// FNSTENV, and FNSAVE with `SAVE`.
fn op_stenv<const SAVE: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.x87_ready_here(op, false)?;
    let env = env_len(op.aux);
    let len = if SAVE { env + 80 } else { env };
    let la = cpu.la(op, len as u64, Access::Write)?;
    let mut b = [0; 108];
    put_env(&cpu.s.vec.x87, op.aux, &mut b);
    if SAVE {
        let x = &cpu.s.vec.x87;
        for n in 0..8 {
            b[env + n * 10..env + n * 10 + 10].copy_from_slice(&x.st[(x.top() + n) & 7][..10]);
        }
    }
    cpu.write_bytes(la, &b[..len], op.seg & 7)?;
    let x = &mut cpu.s.vec.x87;
    if SAVE {
        x.init();
    } else {
        x.fcw |= EXCEPTIONS;
        x.summarise();
    }
    Ok(Flow::Next)
}

/// FLDENV, and FRSTOR with `RESTORE`.
fn op_ldenv<const RESTORE: bool>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.x87_ready_here(op, true)?;
    let env = env_len(op.aux);
    let len = if RESTORE { env + 80 } else { env };
    let la = cpu.la(op, len as u64, Access::Read)?;
    let mut b = [0; 108];
    cpu.read_bytes(la, &mut b[..len], op.seg & 7)?;
    let x = &mut cpu.s.vec.x87;
    take_env(x, op.aux, &b);
    if RESTORE {
        let top = x.top();
        for n in 0..8 {
            let r = &mut x.st[(top + n) & 7];
            *r = [0; 16];
            r[..10].copy_from_slice(&b[env + n * 10..env + n * 10 + 10]);
        }
    }
    Ok(Flow::Next)
}

/// The 11 opcode bits that FOP records.
fn fop(i: &Instruction, c: &Ctx) -> u16 {
    let mut e = Encoder::new(c.mode.bitness());
    if e.encode(i, i.ip()).is_err() {
        return 0;
    }
    let b = e.take_buffer();
    match b.iter().position(|x| (0xd8..=0xdf).contains(x)) {
        Some(n) if n + 1 < b.len() => u16::from(b[n] & 7) << 8 | u16::from(b[n + 1]),
        _ => 0,
    }
}

/// The handler of a form.
pub(crate) fn handler(f: &Form) -> Handler {
    if f.store != 0 { op_native::<true> } else { op_native::<false> }
}

/// Chooses the handler of an x87 instruction; `op.need` is set.
pub(crate) fn lower(i: &Instruction, op: &mut Op, c: &Ctx) -> Option<Lowered> {
    use Mnemonic as M;
    let real = if matches!(c.mode, Mode::Real | Mode::Real32 | Mode::V86) { ENV_REAL } else { 0 };
    let run: Handler = match i.mnemonic() {
        M::Wait => op_wait,
        M::Emms => op_emms,
        M::Fninit => op_init,
        M::Fnclex => op_clex,
        M::Fnstcw => op_stcw,
        M::Fldcw => op_ldcw,
        M::Fnstsw if i.op0_kind() == OpKind::Register => op_stsw::<true>,
        M::Fnstsw => op_stsw::<false>,
        // Instructions of older coprocessors that do nothing now.
        M::Fndisi | M::Fneni | M::Fnsetpm | M::Frstpm => op_nop,
        M::Fnstenv | M::Fldenv | M::Fnsave | M::Frstor => {
            let wide = matches!(
                i.code(),
                Code::Fnstenv_m28byte | Code::Fldenv_m28byte | Code::Fnsave_m108byte | Code::Frstor_m108byte
            );
            op.aux = real | if wide { ENV_32 } else { 0 };
            match i.mnemonic() {
                M::Fnstenv => op_stenv::<false>,
                M::Fldenv => op_ldenv::<false>,
                M::Fnsave => op_stenv::<true>,
                _ => op_ldenv::<true>,
            }
        }
        _ => {
            [op.src, op.dst] = fop(i, c).to_le_bytes();
            match stub::form(i, Style::X87)? {
                Built::Ready(f) => {
                    op.imm = native::form_address(f);
                    handler(f)
                }
                Built::Loose(..) => native::op_loose,
            }
        }
    };
    Lowered::next(run)
}
