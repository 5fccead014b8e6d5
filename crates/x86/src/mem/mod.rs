//! Guest memory access by linear address.
//!
//! The fast path is one lookup in the L1 TLB of the current view; everything else — misses, page
//! crossings, device pages, code pages, dirty tracking, breakpoints, alignment checks — takes the slow
//! path, which finds all faults before it changes anything.

pub mod host;
mod slow;
#[cfg(test)]
mod tests;
pub mod tlb;
mod walk;

pub use crate::exit::MemAccess as Access;
pub use host::fixup;
pub use walk::Walk;
pub use walk::WalkError;
pub use walk::WalkMode;
pub use walk::pf;

use crate::cpu::Cpu;
use crate::exit::R;
use crate::op::Word;
use tlb::slot;

/// View that is never filled: every access takes the slow path (data breakpoints, alignment checks armed).
pub(crate) const VIEW_SLOW: usize = 3;

impl Cpu {
    /// Host address of `la` if the TLB allows a read of `size` bytes there.
    #[inline(always)]
    pub(crate) fn tlb_read(&self, la: u64, size: u64) -> Option<u64> {
        let v = &self.s.l1.view[self.s.view & 3];
        let i = slot(la);
        if v.neg_tag_r[i].wrapping_add(la) <= 4096 - size { Some(la.wrapping_add(v.delta[i])) } else { None }
    }

    /// Host address of `la` if the TLB allows a write of `size` bytes there.
    #[inline(always)]
    pub(crate) fn tlb_write(&self, la: u64, size: u64) -> Option<u64> {
        let v = &self.s.l1.view[self.s.view & 3];
        let i = slot(la);
        if v.neg_tag_w[i].wrapping_add(la) <= 4096 - size { Some(la.wrapping_add(v.delta[i])) } else { None }
    }

    /// Reads a word at linear address `la`; `seg` (0-5) decides between #GP and #SS for non-canonical addresses.
    ///
    /// # Errors
    /// Page fault, #GP, #SS, #AC or an exit.
    #[inline(always)]
    pub fn read<T: Word>(&mut self, la: u64, seg: u8) -> R<T> {
        if let Some(p) = self.tlb_read(la, T::BYTES)
            && let Some(v) = host::load::<T>(p)
        {
            return Ok(v);
        }
        self.read_slow::<T>(la, seg)
    }

    /// Writes a word at linear address `la`.
    ///
    /// # Errors
    /// As [`Cpu::read`]; nothing has been written then.
    #[inline(always)]
    pub fn write<T: Word>(&mut self, la: u64, v: T, seg: u8) -> R<()> {
        if let Some(p) = self.tlb_write(la, T::BYTES)
            && host::store::<T>(p, v).is_some()
        {
            return Ok(());
        }
        self.write_slow::<T>(la, v, seg)
    }

    /// Reads a word that the same instruction is about to write: faults as a write.
    ///
    /// # Errors
    /// As [`Cpu::read`].
    #[inline(always)]
    pub fn read_for_write<T: Word>(&mut self, la: u64, seg: u8) -> R<T> {
        if let Some(p) = self.tlb_write(la, T::BYTES)
            && let Some(v) = host::load::<T>(p)
        {
            return Ok(v);
        }
        self.read_for_write_slow::<T>(la, seg)
    }

    /// Writes a word that came from [`Cpu::read_for_write`]: no plain store, it rings no doorbell.
    ///
    /// # Errors
    /// As [`Cpu::write`].
    #[inline(always)]
    pub(crate) fn write_back<T: Word>(&mut self, la: u64, v: T, seg: u8) -> R<()> {
        if let Some(p) = self.tlb_write(la, T::BYTES)
            && host::store::<T>(p, v).is_some()
        {
            return Ok(());
        }
        self.write_back_slow::<T>(la, v, seg)
    }

    /// Atomic read-modify-write (LOCK): stores `f(old)`, returns `(old, new)`. `f` may be called more than once.
    ///
    /// # Errors
    /// As [`Cpu::read`].
    #[inline]
    pub fn atomic<T: Word>(&mut self, la: u64, seg: u8, mut f: impl FnMut(T) -> T) -> R<(T, T)> {
        if let Some(p) = self.tlb_write(la, T::BYTES)
            && !host::crosses_line::<T>(p)
            && let Some(mut old) = host::load::<T>(p)
        {
            loop {
                let new = f(old);
                match host::cmpxchg::<T>(p, old, new) {
                    Some(v) if v == old => return Ok((old, new)),
                    Some(v) => old = v,
                    None => break,
                }
            }
        }
        self.atomic_slow::<T>(la, seg, &mut f)
    }
}
