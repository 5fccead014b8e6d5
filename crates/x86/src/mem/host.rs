//! Raw access to host memory behind guest pages.
//!
//! The memory belongs to the embedding program, which may take it away at any moment (PROT_NONE, a truncated
//! file). On x86-64 hosts every access is one assembler instruction with an entry in an exception table:
//! when the host faults there, the owner's signal handler asks [`fixup`] for the address to resume at, and
//! the access returns `None` instead of killing the process.
#![expect(
    unsafe_code,
    reason = "guest memory is arbitrary host memory; this is the one place that touches it"
)]

use crate::op::Word;

/// Bytes a bulk operation moved before it hit an inaccessible host page, as an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFault;

#[cfg(target_arch = "x86_64")]
mod imp {
    use std::arch::asm;

    #[repr(C)]
    struct Entry {
        insn: i32,
        fix: i32,
    }

    unsafe extern "C" {
        static __start_owhp_ex: [Entry; 0];
        static __stop_owhp_ex: [Entry; 0];
    }

    /// Resume address for a host fault at `pc`, if `pc` is one of our access instructions.
    pub fn fixup(pc: usize) -> Option<usize> {
        // The linker defines both symbols around the contiguous section of entries.
        let (start, stop) =
            ((&raw const __start_owhp_ex).cast::<Entry>(), (&raw const __stop_owhp_ex).cast::<Entry>());
        let mut p = start;
        while p < stop {
            // SAFETY: `p` lies between the section's start and stop.
            let e = unsafe { &*p };
            let here = &raw const e.insn as usize;
            if here.wrapping_add_signed(e.insn as isize) == pc {
                let here = &raw const e.fix as usize;
                return Some(here.wrapping_add_signed(e.fix as isize));
            }
            // SAFETY: stays within or one past the section.
            p = unsafe { p.add(1) };
        }
        None
    }

    macro_rules! guarded {
        ($body:literal, $($ops:tt)*) => {
            asm!(
                concat!("2: ", $body),
                "3:",
                ".pushsection .text.owhp_fix,\"ax\"",
                "4: mov {fault:e}, 1",
                "jmp 3b",
                ".popsection",
                ".pushsection owhp_ex,\"aR\"",
                ".balign 4",
                ".long 2b - .",
                ".long 4b - .",
                ".popsection",
                $($ops)*
            )
        };
    }

    /// Loads `T::BITS` from `p`.
    ///
    /// # Safety
    /// `p` points into a host range that the owner mapped for the guest (it may be inaccessible).
    #[inline(always)]
    pub(super) unsafe fn load<const BITS: u32>(p: usize) -> Option<u64> {
        let mut fault: u32 = 0;
        let v: u64;
        // SAFETY: a load of BITS bits from guest memory; a host fault resumes at the fix-up and sets `fault`.
        unsafe {
            match BITS {
                8 => {
                    guarded!("movzx {v:e}, byte ptr [{p}]", v = out(reg) v, p = in(reg) p, fault = inout(reg) fault, options(nostack, preserves_flags))
                }
                16 => {
                    guarded!("movzx {v:e}, word ptr [{p}]", v = out(reg) v, p = in(reg) p, fault = inout(reg) fault, options(nostack, preserves_flags))
                }
                32 => {
                    guarded!("mov {v:e}, dword ptr [{p}]", v = out(reg) v, p = in(reg) p, fault = inout(reg) fault, options(nostack, preserves_flags))
                }
                _ => {
                    guarded!("mov {v}, qword ptr [{p}]", v = out(reg) v, p = in(reg) p, fault = inout(reg) fault, options(nostack, preserves_flags))
                }
            }
        }
        if fault == 0 { Some(v) } else { None }
    }

    /// Stores `BITS` of `v` to `p`.
    ///
    /// # Safety
    /// As [`load`].
    #[inline(always)]
    pub(super) unsafe fn store<const BITS: u32>(p: usize, v: u64) -> Option<()> {
        let mut fault: u32 = 0;
        // SAFETY: a store of BITS bits to guest memory; a host fault resumes at the fix-up and sets `fault`.
        unsafe {
            match BITS {
                8 => {
                    guarded!("mov byte ptr [{p}], {v}", v = in(reg_byte) v as u8, p = in(reg) p, fault = inout(reg) fault, options(nostack, preserves_flags))
                }
                16 => {
                    guarded!("mov word ptr [{p}], {v:x}", v = in(reg) v, p = in(reg) p, fault = inout(reg) fault, options(nostack, preserves_flags))
                }
                32 => {
                    guarded!("mov dword ptr [{p}], {v:e}", v = in(reg) v, p = in(reg) p, fault = inout(reg) fault, options(nostack, preserves_flags))
                }
                _ => {
                    guarded!("mov qword ptr [{p}], {v}", v = in(reg) v, p = in(reg) p, fault = inout(reg) fault, options(nostack, preserves_flags))
                }
            }
        }
        if fault == 0 { Some(()) } else { None }
    }

    /// LOCK CMPXCHG: returns the old value (equal to `old` on success).
    ///
    /// # Safety
    /// As [`load`].
    #[inline(always)]
    pub(super) unsafe fn cmpxchg<const BITS: u32>(p: usize, old: u64, new: u64) -> Option<u64> {
        let mut fault: u32 = 0;
        let mut a = old;
        // SAFETY: an atomic compare-exchange of BITS bits in guest memory; host faults set `fault`.
        unsafe {
            match BITS {
                8 => {
                    guarded!("lock cmpxchg byte ptr [{p}], {n}", n = in(reg_byte) new as u8, p = in(reg) p, fault = inout(reg) fault, inout("rax") a, options(nostack))
                }
                16 => {
                    guarded!("lock cmpxchg word ptr [{p}], {n:x}", n = in(reg) new, p = in(reg) p, fault = inout(reg) fault, inout("rax") a, options(nostack))
                }
                32 => {
                    guarded!("lock cmpxchg dword ptr [{p}], {n:e}", n = in(reg) new, p = in(reg) p, fault = inout(reg) fault, inout("rax") a, options(nostack))
                }
                _ => {
                    guarded!("lock cmpxchg qword ptr [{p}], {n}", n = in(reg) new, p = in(reg) p, fault = inout(reg) fault, inout("rax") a, options(nostack))
                }
            }
        }
        if fault == 0 { Some(if BITS == 64 { a } else { a & ((1 << (BITS & 63)) - 1) }) } else { None }
    }

    /// LOCK CMPXCHG16B: returns the old value.
    ///
    /// # Safety
    /// As [`load`]; `p` is 16-byte aligned.
    #[inline]
    pub(super) unsafe fn cmpxchg16(p: usize, old: u128, new: u128) -> Option<u128> {
        let mut fault: u32 = 0;
        let (mut lo, mut hi) = (old as u64, (old >> 64) as u64);
        // SAFETY: an aligned 16-byte atomic in guest memory; rbx is saved around it; host faults set `fault`.
        unsafe {
            asm!(
                "xchg {nl}, rbx",
                "2: lock cmpxchg16b [{p}]",
                "3: xchg {nl}, rbx",
                ".pushsection .text.owhp_fix,\"ax\"",
                "4: mov {fault:e}, 1",
                "jmp 3b",
                ".popsection",
                ".pushsection owhp_ex,\"aR\"",
                ".balign 4",
                ".long 2b - .",
                ".long 4b - .",
                ".popsection",
                nl = inout(reg) new as u64 => _,
                p = in(reg) p,
                fault = inout(reg) fault,
                inout("rax") lo,
                inout("rdx") hi,
                in("rcx") (new >> 64) as u64,
                options(nostack)
            );
        }
        if fault == 0 { Some(u128::from(lo) | u128::from(hi) << 64) } else { None }
    }

    macro_rules! vector_copy {
        ($(#[$doc:meta])* $name:ident, $load:literal, $store:literal, $finish:literal) => {
            $(#[$doc])*
            #[inline(always)]
            pub(super) unsafe fn $name(dst: usize, src: usize) -> bool {
                let mut fault: u32 = 0;
                // SAFETY: one load and one store of that width, which the caller vouches for; a host fault in either
                // resumes at the fix-up and sets `fault`. Vector registers are declared lost.
                unsafe {
                    asm!(
                        concat!("2: ", $load),
                        concat!("5: ", $store),
                        concat!("3: ", $finish),
                        ".pushsection .text.owhp_fix,\"ax\"",
                        "4: mov {fault:e}, 1",
                        "jmp 3b",
                        ".popsection",
                        ".pushsection owhp_ex,\"aR\"",
                        ".balign 4",
                        ".long 2b - .",
                        ".long 4b - .",
                        ".long 5b - .",
                        ".long 4b - .",
                        ".popsection",
                        fault = inout(reg) fault,
                        s = in(reg) src,
                        d = in(reg) dst,
                        out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                        out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                        out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                        out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                        options(nostack, preserves_flags)
                    );
                }
                fault == 0
            }
        };
    }

    vector_copy!(
        /// Copies 16 bytes in one piece.
        ///
        /// # Safety
        /// Both ranges are guest memory or memory of our own.
        copy16, "movdqu xmm0, [{s}]", "movdqu [{d}], xmm0", ""
    );
    vector_copy!(
        /// Copies 32 bytes in one piece.
        ///
        /// # Safety
        /// As [`copy16`], and the host has AVX.
        copy32, "vmovdqu ymm0, [{s}]", "vmovdqu [{d}], ymm0", "vzeroupper"
    );
    vector_copy!(
        /// Copies 64 bytes in one piece.
        ///
        /// # Safety
        /// As [`copy16`], and the host has AVX-512.
        copy64, "vmovdqu64 zmm0, [{s}]", "vmovdqu64 [{d}], zmm0", "vzeroupper"
    );

    /// REP MOVSB of host memory; returns the bytes left when the host faulted (0 = all done).
    ///
    /// # Safety
    /// Both ranges are guest memory or memory of our own.
    #[inline]
    pub(super) unsafe fn copy(dst: usize, src: usize, len: usize) -> usize {
        let mut fault: u32 = 0;
        let left: usize;
        // SAFETY: a forward byte copy; a fault stops with the remaining count in rcx.
        unsafe {
            guarded!("rep movsb", fault = inout(reg) fault, inout("rcx") len => left, inout("rdi") dst => _, inout("rsi") src => _, options(nostack, preserves_flags));
        }
        if fault == 0 { 0 } else { left.max(1) }
    }

    /// REP STOSB.
    ///
    /// # Safety
    /// The range is guest memory.
    #[inline]
    pub(super) unsafe fn fill(dst: usize, byte: u8, len: usize) -> usize {
        let mut fault: u32 = 0;
        let left: usize;
        // SAFETY: a forward byte fill; a fault stops with the remaining count in rcx.
        unsafe {
            guarded!("rep stosb", fault = inout(reg) fault, inout("rcx") len => left, inout("rdi") dst => _, in("al") byte, options(nostack, preserves_flags));
        }
        if fault == 0 { 0 } else { left.max(1) }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod imp {
    use std::sync::atomic::*;

    /// No access can be recovered on this host.
    pub fn fixup(_pc: usize) -> Option<usize> {
        None
    }

    /// Loads.
    ///
    /// # Safety
    /// `p` is valid for reads of the width.
    pub(super) unsafe fn load<const BITS: u32>(p: usize) -> Option<u64> {
        // SAFETY: the caller's duty.
        Some(unsafe {
            match BITS {
                8 => (p as *const u8).read_volatile().into(),
                16 => u16::from_le((p as *const u16).read_unaligned()).into(),
                32 => u32::from_le((p as *const u32).read_unaligned()).into(),
                _ => u64::from_le((p as *const u64).read_unaligned()),
            }
        })
    }

    /// Stores.
    ///
    /// # Safety
    /// `p` is valid for writes of the width.
    pub(super) unsafe fn store<const BITS: u32>(p: usize, v: u64) -> Option<()> {
        // SAFETY: the caller's duty.
        unsafe {
            match BITS {
                8 => (p as *mut u8).write_volatile(v as u8),
                16 => (p as *mut u16).write_unaligned((v as u16).to_le()),
                32 => (p as *mut u32).write_unaligned((v as u32).to_le()),
                _ => (p as *mut u64).write_unaligned(v.to_le()),
            }
        }
        Some(())
    }

    /// Compare-exchange.
    ///
    /// # Safety
    /// `p` is valid for the width; misaligned addresses are not atomic on this host.
    pub(super) unsafe fn cmpxchg<const BITS: u32>(p: usize, old: u64, new: u64) -> Option<u64> {
        // SAFETY: the caller's duty.
        unsafe {
            if p % (BITS as usize / 8) != 0 {
                let cur = load::<BITS>(p)?;
                if cur == old {
                    store::<BITS>(p, new)?;
                }
                return Some(cur);
            }
            Some(match BITS {
                8 => match AtomicU8::from_ptr(p as *mut u8).compare_exchange(
                    old as u8,
                    new as u8,
                    Ordering::SeqCst,
                    Ordering::SeqCst,
                ) {
                    Ok(v) | Err(v) => v.into(),
                },
                16 => match AtomicU16::from_ptr(p as *mut u16).compare_exchange(
                    old as u16,
                    new as u16,
                    Ordering::SeqCst,
                    Ordering::SeqCst,
                ) {
                    Ok(v) | Err(v) => v.into(),
                },
                32 => match AtomicU32::from_ptr(p as *mut u32).compare_exchange(
                    old as u32,
                    new as u32,
                    Ordering::SeqCst,
                    Ordering::SeqCst,
                ) {
                    Ok(v) | Err(v) => v.into(),
                },
                _ => match AtomicU64::from_ptr(p as *mut u64).compare_exchange(
                    old,
                    new,
                    Ordering::SeqCst,
                    Ordering::SeqCst,
                ) {
                    Ok(v) | Err(v) => v,
                },
            })
        }
    }

    /// 16-byte compare-exchange, not atomic against other processors on this host.
    ///
    /// # Safety
    /// As [`load`].
    pub(super) unsafe fn cmpxchg16(p: usize, old: u128, new: u128) -> Option<u128> {
        // SAFETY: the caller's duty.
        unsafe {
            let cur = u128::from(load::<64>(p)?) | u128::from(load::<64>(p + 8)?) << 64;
            if cur == old {
                store::<64>(p, new as u64)?;
                store::<64>(p + 8, (new >> 64) as u64)?;
            }
            Some(cur)
        }
    }

    /// Copies bytes forward.
    ///
    /// # Safety
    /// Both ranges are valid.
    pub(super) unsafe fn copy(dst: usize, src: usize, len: usize) -> usize {
        for i in 0..len {
            // SAFETY: the caller's duty.
            unsafe { (dst as *mut u8).add(i).write_volatile((src as *const u8).add(i).read_volatile()) };
        }
        0
    }

    /// Fills bytes.
    ///
    /// # Safety
    /// The range is valid.
    pub(super) unsafe fn fill(dst: usize, byte: u8, len: usize) -> usize {
        for i in 0..len {
            // SAFETY: the caller's duty.
            unsafe { (dst as *mut u8).add(i).write_volatile(byte) };
        }
        0
    }
}

pub use imp::fixup;

/// Copies 16, 32 or 64 bytes from guest memory to a buffer or back, in one piece where the host can; false when
/// the host page is inaccessible (the buffer is then unchanged).
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn copy_vector<const N: usize>(dst: u64, src: u64) -> bool {
    let (d, s) = (dst as usize, src as usize);
    // SAFETY: callers pass one address from a TLB entry and one of their own buffer, N bytes each; the wide copies
    // are chosen only when the host has the registers.
    unsafe {
        match N {
            16 => imp::copy16(d, s),
            32 if std::is_x86_feature_detected!("avx") => imp::copy32(d, s),
            64 if std::is_x86_feature_detected!("avx512f") => imp::copy64(d, s),
            _ => imp::copy(d, s, N) == 0,
        }
    }
}

/// Copies 16, 32 or 64 bytes.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn copy_vector<const N: usize>(dst: u64, src: u64) -> bool {
    // SAFETY: callers pass one address from a TLB entry and one of their own buffer, N bytes each.
    unsafe { imp::copy(dst as usize, src as usize, N) == 0 }
}

/// Loads a word from a host address inside a guest page; `None` when the host page is inaccessible.
#[inline(always)]
pub(crate) fn load<T: Word>(p: u64) -> Option<T> {
    // SAFETY: callers pass addresses from TLB entries, which the environment vouches for.
    unsafe {
        match T::BITS {
            8 => imp::load::<8>(p as usize),
            16 => imp::load::<16>(p as usize),
            32 => imp::load::<32>(p as usize),
            _ => imp::load::<64>(p as usize),
        }
    }
    .map(T::from_u64)
}

/// Stores a word; `None` when the host page is inaccessible.
#[inline(always)]
pub(crate) fn store<T: Word>(p: u64, v: T) -> Option<()> {
    // SAFETY: as `load`.
    unsafe {
        match T::BITS {
            8 => imp::store::<8>(p as usize, v.to_u64()),
            16 => imp::store::<16>(p as usize, v.to_u64()),
            32 => imp::store::<32>(p as usize, v.to_u64()),
            _ => imp::store::<64>(p as usize, v.to_u64()),
        }
    }
}

/// Whether the host lets the byte at `p` be written; it keeps its value, also against other writers.
#[inline]
pub(crate) fn accepts(p: u64) -> bool {
    load::<u8>(p).is_some_and(|old| cmpxchg::<u8>(p, old, old).is_some())
}

/// Whether guest memory at `p` holds `bytes`; false when the host page is inaccessible.
#[inline]
pub(crate) fn holds(p: u64, bytes: &[u8]) -> bool {
    let mut at = p;
    let (words, rest) = bytes.as_chunks();
    for word in words {
        if load::<u64>(at) != Some(u64::from_le_bytes(*word)) {
            return false;
        }
        at += 8;
    }
    let (half, rest) = rest.as_chunks();
    for word in half {
        if load::<u32>(at) != Some(u32::from_le_bytes(*word)) {
            return false;
        }
        at += 4;
    }
    let (quarter, rest) = rest.as_chunks();
    for word in quarter {
        if load::<u16>(at) != Some(u16::from_le_bytes(*word)) {
            return false;
        }
        at += 2;
    }
    rest.iter().all(|byte| load::<u8>(at) == Some(*byte))
}

/// True if a word does not lie in one cache line. A locked access to it takes the host's bus, which hosts punish with
/// milliseconds.
#[inline(always)]
pub(crate) fn crosses_line<T: Word>(p: u64) -> bool {
    const LINE: u64 = 64;
    T::BYTES > 1 && p % LINE > LINE - T::BYTES
}

/// Atomic compare-exchange; returns the old value.
#[inline(always)]
pub(crate) fn cmpxchg<T: Word>(p: u64, old: T, new: T) -> Option<T> {
    // SAFETY: as `load`.
    unsafe {
        match T::BITS {
            8 => imp::cmpxchg::<8>(p as usize, old.to_u64(), new.to_u64()),
            16 => imp::cmpxchg::<16>(p as usize, old.to_u64(), new.to_u64()),
            32 => imp::cmpxchg::<32>(p as usize, old.to_u64(), new.to_u64()),
            _ => imp::cmpxchg::<64>(p as usize, old.to_u64(), new.to_u64()),
        }
    }
    .map(T::from_u64)
}

/// Atomic 16-byte compare-exchange of an aligned address.
#[inline]
pub(crate) fn cmpxchg16(p: u64, old: u128, new: u128) -> Option<u128> {
    // SAFETY: as `load`; the caller checked alignment.
    unsafe { imp::cmpxchg16(p as usize, old, new) }
}

/// Copies between guest pages, forward by bytes; returns the bytes left (0 = done).
#[inline]
pub(crate) fn copy(dst: u64, src: u64, len: usize) -> usize {
    // SAFETY: both lie in guest pages held by the TLB.
    unsafe { imp::copy(dst as usize, src as usize, len) }
}

/// Fills guest memory; returns the bytes left (0 = done).
#[inline]
pub(crate) fn fill(dst: u64, byte: u8, len: usize) -> usize {
    // SAFETY: lies in a guest page held by the TLB.
    unsafe { imp::fill(dst as usize, byte, len) }
}

/// Copies guest memory into a buffer; false when the host page is inaccessible.
#[inline]
pub(crate) fn load_bytes(p: u64, buf: &mut [u8]) -> bool {
    if buf.len() == 16 {
        return copy_vector::<16>(buf.as_mut_ptr() as u64, p);
    }
    // SAFETY: the source is guest memory, the destination our own buffer of that length.
    unsafe { imp::copy(buf.as_mut_ptr() as usize, p as usize, buf.len()) == 0 }
}

/// Copies a buffer into guest memory; false when the host page is inaccessible.
#[inline]
pub(crate) fn store_bytes(p: u64, buf: &[u8]) -> bool {
    // SAFETY: the destination is guest memory, the source our own buffer.
    unsafe { imp::copy(p as usize, buf.as_ptr() as usize, buf.len()) == 0 }
}

/// Reads a code-version word that the environment vouches for.
#[inline(always)]
pub(crate) fn version(p: *const std::sync::atomic::AtomicU32) -> u32 {
    // SAFETY: the environment keeps the word alive until `flush_map`.
    unsafe { &*p }.load(std::sync::atomic::Ordering::Acquire)
}

/// Bumps a code-version word after a write. Now and then the page is released: it may have become data, and a
/// processor that still has code there protects it again when it meets the new version.
#[inline]
pub(crate) fn bump(p: *const std::sync::atomic::AtomicU32) {
    use std::sync::atomic::Ordering::AcqRel;
    // SAFETY: as `version`.
    let word = unsafe { &*p };
    if word.fetch_add(2, AcqRel) & 0x3e == 0x3e {
        word.fetch_and(!1, AcqRel);
    }
}

/// Copies host memory that a guest may have into `buf`; false when the host refuses (the buffer may be partly filled).
///
/// # Safety
/// `p` is an address the owner mapped for a guest; no Rust reference points to those bytes.
pub unsafe fn read_raw(p: usize, buf: &mut [u8]) -> bool {
    // SAFETY: the source is the caller's promise, the destination our own buffer of that length.
    unsafe {
        match buf.len() {
            1 => imp::load::<8>(p).map(|v| buf.copy_from_slice(&v.to_le_bytes()[..1])).is_some(),
            2 => imp::load::<16>(p).map(|v| buf.copy_from_slice(&v.to_le_bytes()[..2])).is_some(),
            4 => imp::load::<32>(p).map(|v| buf.copy_from_slice(&v.to_le_bytes()[..4])).is_some(),
            8 => imp::load::<64>(p).map(|v| buf.copy_from_slice(&v.to_le_bytes())).is_some(),
            _ => imp::copy(buf.as_mut_ptr() as usize, p, buf.len()) == 0,
        }
    }
}

/// Copies `buf` to host memory that a guest may have; false when the host refuses (part may have been written).
///
/// # Safety
/// As [`read_raw`].
pub unsafe fn write_raw(p: usize, buf: &[u8]) -> bool {
    // SAFETY: the destination is the caller's promise, the source our own buffer of that length.
    unsafe {
        match *buf {
            [a] => imp::store::<8>(p, a.into()).is_some(),
            [a, b] => imp::store::<16>(p, u16::from_le_bytes([a, b]).into()).is_some(),
            [a, b, c, d] => imp::store::<32>(p, u32::from_le_bytes([a, b, c, d]).into()).is_some(),
            [a, b, c, d, e, f, g, h] => {
                imp::store::<64>(p, u64::from_le_bytes([a, b, c, d, e, f, g, h])).is_some()
            }
            _ => imp::copy(p, buf.as_ptr() as usize, buf.len()) == 0,
        }
    }
}

/// Whether the host lets a byte be written, without changing it; another writer's value is kept.
///
/// # Safety
/// As [`read_raw`].
pub unsafe fn is_writable_raw(p: usize) -> bool {
    // SAFETY: the caller's promise; the compare-exchange stores only the value it found.
    unsafe { imp::load::<8>(p).is_some_and(|v| imp::cmpxchg::<8>(p, v, v).is_some()) }
}
