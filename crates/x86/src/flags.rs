//! Lazy arithmetic flags.
//!
//! An instruction that sets flags stores its sign-extended result and its *carry vector* (bit i = carry
//! out of bit i); each flag is then a bit operation away, without a switch over the kind of instruction:
//! ZF and SF come from the result, CF and OF from the two top carries, AF from carry 3, PF from the low byte.

use crate::op::Word;
use crate::state::rflags as f;

/// CF in [`Flags::aux`].
const AUX_CF: u64 = 1 << 63;
/// Carry *into* the sign bit in [`Flags::aux`]; OF is its difference from CF.
const AUX_CIN: u64 = 1 << 62;
/// AF in [`Flags::aux`].
const AUX_AF: u64 = 1 << 3;
/// SF inverted relative to the result's sign.
const AUX_SF: u64 = 1 << 16;
/// Parity of the low byte inverted.
const AUX_PF: u64 = 1 << 17;

/// The six arithmetic flags in lazy form.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Flags {
    /// Result, sign-extended to 64 bits.
    res: u64,
    /// Packed carries and corrections.
    aux: u64,
}

impl Flags {
    /// Flags of an addition `a + b (+ carry) = res`.
    #[inline(always)]
    pub fn set_add<T: Word>(&mut self, a: T, b: T, res: T) {
        let (a, b, r) = (a.to_u64(), b.to_u64(), res.to_u64());
        self.set_carries::<T>((a & b) | ((a | b) & !r), res);
    }

    /// Flags of a subtraction `a - b (- borrow) = res`.
    #[inline(always)]
    pub fn set_sub<T: Word>(&mut self, a: T, b: T, res: T) {
        let (a, b, r) = (a.to_u64(), b.to_u64(), res.to_u64());
        self.set_carries::<T>((!a & b) | ((!a | b) & r), res);
    }

    /// Stores a carry vector and the result.
    #[inline(always)]
    pub fn set_carries<T: Word>(&mut self, carries: u64, res: T) {
        self.res = res.sext();
        self.aux = ((carries << (64 - T::BITS)) & (AUX_CF | AUX_CIN)) | (carries & AUX_AF);
    }

    /// Flags of AND, OR, XOR, TEST: CF = OF = AF = 0.
    #[inline(always)]
    pub fn set_logic<T: Word>(&mut self, res: T) {
        self.res = res.sext();
        self.aux = 0;
    }

    /// ZF, SF and PF from the result, CF and OF as given, AF = 0: shifts and their like.
    #[inline(always)]
    pub fn set_result<T: Word>(&mut self, res: T, cf: bool, of: bool) {
        self.res = res.sext();
        self.aux = (cf as u64) << 63 | ((cf != of) as u64) << 62;
    }

    /// Flags of INC and DEC: as `set_add`/`set_sub` by the caller, but CF keeps its value `cf`.
    #[inline(always)]
    pub fn keep_cf(&mut self, cf: bool) {
        // OF = CF ^ CIN must stay what it is while CF changes.
        let of = self.of();
        self.aux &= !(AUX_CF | AUX_CIN);
        if cf {
            self.aux |= AUX_CF;
        }
        if cf != of {
            self.aux |= AUX_CIN;
        }
    }

    /// Carry flag.
    #[inline(always)]
    pub fn cf(&self) -> bool {
        self.aux & AUX_CF != 0
    }
    /// Overflow flag.
    #[inline(always)]
    pub fn of(&self) -> bool {
        (self.aux ^ (self.aux << 1)) >> 63 != 0
    }
    /// Zero flag.
    #[inline(always)]
    pub fn zf(&self) -> bool {
        self.res == 0
    }
    /// Sign flag.
    #[inline(always)]
    pub fn sf(&self) -> bool {
        ((self.res >> 63) ^ (self.aux >> 16)) & 1 != 0
    }
    /// Parity flag.
    #[inline(always)]
    pub fn pf(&self) -> bool {
        ((self.res as u8).count_ones() as u64 ^ (self.aux >> 17)) & 1 == 0
    }
    /// Auxiliary carry flag.
    #[inline(always)]
    pub fn af(&self) -> bool {
        self.aux & AUX_AF != 0
    }

    /// The flags in their RFLAGS positions.
    #[inline]
    pub fn bits(&self) -> u64 {
        (self.cf() as u64)
            | (self.pf() as u64) << 2
            | (self.af() as u64) << 4
            | (self.zf() as u64) << 6
            | (self.sf() as u64) << 7
            | (self.of() as u64) << 11
    }

    /// Sets all six flags from an RFLAGS image.
    #[inline]
    pub fn set_bits(&mut self, v: u64) {
        let zf = v & f::ZF != 0;
        // Result 0 has even parity and sign 0; result 1 has odd parity and sign 0. Correct from there.
        self.res = !zf as u64;
        let mut aux = 0;
        if v & f::CF != 0 {
            aux |= AUX_CF;
        }
        if (v & f::OF != 0) != (v & f::CF != 0) {
            aux |= AUX_CIN;
        }
        if v & f::AF != 0 {
            aux |= AUX_AF;
        }
        if v & f::SF != 0 {
            aux |= AUX_SF;
        }
        if (v & f::PF != 0) != zf {
            aux |= AUX_PF;
        }
        self.aux = aux;
    }

    /// ZF, SF, PF and AF as given, CF and OF kept.
    #[inline]
    pub fn keep_carries(&mut self, zf: bool, sf: bool, pf: bool, af: bool) {
        let keep = self.bits() & (f::CF | f::OF);
        let bit = |on: bool, mask: u64| if on { mask } else { 0 };
        self.set_bits(keep | bit(zf, f::ZF) | bit(sf, f::SF) | bit(pf, f::PF) | bit(af, f::AF));
    }

    /// Changes CF only.
    #[inline]
    pub fn set_cf(&mut self, cf: bool) {
        if cf != self.cf() {
            // Flip both carries so that OF stays.
            self.aux ^= AUX_CF | AUX_CIN;
        }
    }

    /// Changes OF only.
    #[inline]
    pub fn set_of(&mut self, of: bool) {
        if of != self.of() {
            self.aux ^= AUX_CIN;
        }
    }

    /// Changes AF only.
    #[inline]
    pub fn set_af(&mut self, af: bool) {
        self.aux = (self.aux & !AUX_AF) | if af { AUX_AF } else { 0 };
    }

    /// Changes ZF only.
    #[inline]
    pub fn set_zf(&mut self, zf: bool) {
        if zf != self.zf() {
            let b = self.bits() & !f::ZF;
            self.set_bits(b | if zf { f::ZF } else { 0 });
        }
    }

    /// Evaluates an x86 condition code (0 = O, 1 = NO, 2 = B ... 15 = G).
    #[inline(always)]
    pub fn cond<const CC: u8>(&self) -> bool {
        let v = match CC >> 1 {
            0 => self.of(),
            1 => self.cf(),
            2 => self.zf(),
            3 => self.cf() | self.zf(),
            4 => self.sf(),
            5 => self.pf(),
            6 => self.sf() != self.of(),
            _ => self.zf() | (self.sf() != self.of()),
        };
        v ^ (CC & 1 != 0)
    }

    /// [`Flags::cond`] with the code known only at run time.
    #[inline]
    pub fn cond_dyn(&self, cc: u8) -> bool {
        let v = match cc >> 1 {
            0 => self.of(),
            1 => self.cf(),
            2 => self.zf(),
            3 => self.cf() | self.zf(),
            4 => self.sf(),
            5 => self.pf(),
            6 => self.sf() != self.of(),
            _ => self.zf() | (self.sf() != self.of()),
        };
        v ^ (cc & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add8(a: u8, b: u8) -> u64 {
        let r = a.wrapping_add(b);
        let cf = (a as u16 + b as u16) > 255;
        let of = ((a ^ r) & (b ^ r)) & 0x80 != 0;
        let af = (a ^ b ^ r) & 0x10 != 0;
        let pf = r.count_ones().is_multiple_of(2);
        cf as u64
            | (pf as u64) << 2
            | (af as u64) << 4
            | ((r == 0) as u64) << 6
            | ((r >> 7) as u64) << 7
            | (of as u64) << 11
    }

    #[test]
    fn addition_flags_match_the_definition_for_every_byte_pair() {
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                let mut fl = Flags::default();
                fl.set_add(a, b, a.wrapping_add(b));
                assert_eq!(fl.bits(), add8(a, b), "{a:#x}+{b:#x}");
                let mut fl = Flags::default();
                fl.set_sub(a, b, a.wrapping_sub(b));
                let r = a.wrapping_sub(b);
                assert_eq!(fl.cf(), a < b);
                assert_eq!(fl.of(), (a as i8).overflowing_sub(b as i8).1);
                assert_eq!(fl.af(), (a ^ b ^ r) & 0x10 != 0);
            }
        }
    }

    #[test]
    fn every_flag_image_survives_a_round_trip() {
        for i in 0..64u64 {
            let mut v = 0;
            for (n, bit) in [f::CF, f::PF, f::AF, f::ZF, f::SF, f::OF].into_iter().enumerate() {
                if i >> n & 1 != 0 {
                    v |= bit;
                }
            }
            let mut fl = Flags::default();
            fl.set_bits(v);
            assert_eq!(fl.bits(), v);
            for cf in [false, true] {
                let mut g = fl;
                g.set_cf(cf);
                assert_eq!(g.bits(), v & !f::CF | cf as u64);
                let mut g = fl;
                g.set_zf(cf);
                assert_eq!(g.bits(), v & !f::ZF | (cf as u64) << 6);
                let mut g = fl;
                g.keep_cf(cf);
                assert_eq!(g.bits(), v & !f::CF | cf as u64);
            }
        }
    }
}
