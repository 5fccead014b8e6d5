//! Decoded operations: the compact form the interpreter executes, and its operand accessors.
//!
//! A block is a slice of [`Op`]; each carries a handler chosen at decode time for its operand shapes and
//! sizes. Register operands are indices into [`crate::state::VpState::gpr`]; byte registers AH, CH, DH and
//! BH are encoded as `0x20 | register`. Handlers that need more than an `Op` holds look at the full
//! decoded instruction through [`Cpu::insn`].

use crate::cpu::Cpu;
use crate::exit::R;
use crate::exit::Step;
use crate::mem::Access;

/// Executes one operation.
pub type Handler = fn(&mut Cpu, &Op) -> Step;

/// One decoded operation.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Op {
    /// The handler.
    pub run: Handler,
    /// Immediate operand (already sign- or zero-extended as the instruction wants), or branch target offset.
    pub imm: u64,
    /// Displacement, RIP-relative ones already made absolute.
    pub disp: u64,
    /// Mask of the effective address (address size).
    pub amask: u64,
    /// Base register index, [`crate::state::ZERO`] when absent.
    pub base: u8,
    /// Index register, [`crate::state::ZERO`] when absent.
    pub index: u8,
    /// Log2 of the scale.
    pub scale: u8,
    /// Segment register of the memory operand in bits 0-2, plus the `SEG_*` bits.
    pub seg: u8,
    /// Destination register operand.
    pub dst: u8,
    /// Source register operand.
    pub src: u8,
    /// Instruction length in bytes.
    pub len: u8,
    /// Free for the handler (condition code, operand count, ...).
    pub aux: u8,
    /// Index of the full instruction in the block.
    pub idx: u16,
    /// Offset of the instruction from the start of the block, in bytes.
    pub off: u16,
    /// Bits of [`need`]: state the instruction requires.
    pub need: u32,
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Op {{ off: {}, len: {} }}", self.off, self.len)
    }
}

/// Add the segment base and check limit and rights.
pub const SEG_CHECK: u8 = 0x08;
/// Only add the segment base (FS and GS in 64-bit mode).
pub const SEG_BASE: u8 = 0x10;

/// State that instruction classes require; see [`crate::state::VpState::deny`].
pub mod need {
    /// x87: #NM when CR0.EM or CR0.TS.
    pub const X87: u32 = 1 << 0;
    /// MMX: #UD when CR0.EM, #NM when CR0.TS.
    pub const MMX: u32 = 1 << 1;
    /// SSE with XMM registers: #UD when CR0.EM or not CR4.OSFXSR, #NM when CR0.TS.
    pub const SSE: u32 = 1 << 2;
    /// VEX-encoded: #UD unless protected mode, CR4.OSXSAVE and XCR0 SSE and AVX; #NM when CR0.TS.
    pub const AVX: u32 = 1 << 3;
    /// EVEX-encoded or opmask: as AVX plus XCR0 bits 5-7.
    pub const AVX512: u32 = 1 << 4;
    /// WAIT: #NM when CR0.MP and CR0.TS.
    pub const WAIT: u32 = 1 << 5;
    /// FXSAVE/FXRSTOR: #UD when CR0.EM, #NM when CR0.TS.
    pub const FXSR: u32 = 1 << 6;
    /// XSAVE family: #UD unless CR4.OSXSAVE, #NM when CR0.TS.
    pub const XSAVE: u32 = 1 << 7;
}

/// An operand-sized unsigned integer.
pub trait Word: Copy + Eq + Send + Sync + 'static + std::fmt::Debug {
    /// Width in bits.
    const BITS: u32;
    /// Width in bytes.
    const BYTES: u64;
    /// Truncates.
    fn from_u64(v: u64) -> Self;
    /// Zero-extends.
    fn to_u64(self) -> u64;
    /// Sign-extends.
    fn sext(self) -> u64;
}

macro_rules! word {
    ($($t:ty, $s:ty);*) => {$(
        impl Word for $t {
            const BITS: u32 = <$t>::BITS;
            const BYTES: u64 = (<$t>::BITS / 8) as u64;
            #[inline(always)]
            fn from_u64(v: u64) -> Self { v as $t }
            #[inline(always)]
            fn to_u64(self) -> u64 { self as u64 }
            #[inline(always)]
            fn sext(self) -> u64 { self as $s as i64 as u64 }
        }
    )*};
}
word!(u8, i8; u16, i16; u32, i32; u64, i64);

impl Cpu {
    /// Reads general register `i` (with the high-byte encoding for bytes).
    #[inline(always)]
    pub fn reg<T: Word>(&self, i: u8) -> T {
        if T::BITS == 8 && i & 0x20 != 0 {
            return T::from_u64(self.s.gpr[(i & 3) as usize] >> 8);
        }
        T::from_u64(self.s.gpr[(i & 31) as usize])
    }

    /// Writes general register `i`: 32-bit writes zero-extend, narrower ones merge.
    #[inline(always)]
    pub fn set_reg<T: Word>(&mut self, i: u8, v: T) {
        let v = v.to_u64();
        match T::BITS {
            64 | 32 => self.s.gpr[(i & 31) as usize] = v,
            16 => {
                let r = &mut self.s.gpr[(i & 31) as usize];
                *r = *r & !0xffff | v;
            }
            _ => {
                if i & 0x20 != 0 {
                    let r = &mut self.s.gpr[(i & 3) as usize];
                    *r = *r & !0xff00 | v << 8;
                } else {
                    let r = &mut self.s.gpr[(i & 31) as usize];
                    *r = *r & !0xff | v;
                }
            }
        }
    }

    /// Effective address (offset) of the memory operand.
    #[inline(always)]
    pub fn ea(&self, op: &Op) -> u64 {
        op.disp
            .wrapping_add(self.s.gpr[(op.base & 31) as usize])
            .wrapping_add(self.s.gpr[(op.index & 31) as usize] << (op.scale & 3))
            & op.amask
    }

    /// Linear address of the memory operand, segment checks done for `size` bytes.
    ///
    /// # Errors
    /// #GP or #SS when the segment forbids the access.
    #[inline(always)]
    pub fn la(&mut self, op: &Op, size: u64, access: Access) -> R<u64> {
        let ea = self.ea(op);
        self.seg_la(op.seg, ea, size, access)
    }

    /// Linear address of offset `ea` in the segment encoded in `seg` (see [`Op::seg`]).
    ///
    /// # Errors
    /// #GP or #SS when the segment forbids the access.
    #[inline(always)]
    pub fn seg_la(&mut self, seg: u8, ea: u64, size: u64, access: Access) -> R<u64> {
        if seg & (SEG_CHECK | SEG_BASE) == 0 {
            Ok(ea)
        } else if seg & SEG_BASE != 0 {
            Ok(ea.wrapping_add(self.s.seg[(seg & 7) as usize].base))
        } else {
            self.seg_check(seg & 7, ea, size, access)
        }
    }

    /// Loads the memory operand.
    ///
    /// # Errors
    /// Segment and page faults, or an exit.
    #[inline(always)]
    pub fn load<T: Word>(&mut self, op: &Op) -> R<T> {
        let la = self.la(op, T::BYTES, Access::Read)?;
        self.read::<T>(la, op.seg & 7)
    }

    /// Stores to the memory operand.
    ///
    /// # Errors
    /// Segment and page faults, or an exit.
    #[inline(always)]
    pub fn store<T: Word>(&mut self, op: &Op, v: T) -> R<()> {
        let la = self.la(op, T::BYTES, Access::Write)?;
        self.write::<T>(la, v, op.seg & 7)
    }

    /// Read-modify-write of the memory operand without LOCK. `f` gets the old value and returns the new one.
    ///
    /// # Errors
    /// Segment and page faults (as a write), or an exit; `f` has then not been called.
    #[inline(always)]
    pub fn modify<T: Word>(&mut self, op: &Op, f: impl FnOnce(&mut Cpu, T) -> T) -> R<()> {
        let la = self.la(op, T::BYTES, Access::Write)?;
        let old = self.read_for_write::<T>(la, op.seg & 7)?;
        let saved = self.s.flags;
        let new = f(self, old);
        if self.write_back::<T>(la, new, op.seg & 7).is_err() {
            self.s.flags = saved;
            return Err(crate::exit::Trap);
        }
        Ok(())
    }
}
