//! The slow path of memory access.

use super::Access;
use super::VIEW_SLOW;
use super::host;
use super::tlb::slot;
use super::walk::WalkError;
use super::walk::WalkMode;
use super::walk::pf;
use crate::cpu::Cpu;
use crate::env::BusPage;
use crate::env::Effect;
use crate::env::Page;
use crate::env::Who;
use crate::exit::CpuExit;
use crate::exit::R;
use crate::exit::Trap;
use crate::exit::TrapKind;
use crate::op::Word;
use crate::state::*;
use std::sync::atomic::AtomicU32;

/// Where a linear address leads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loc {
    /// Host memory; `read` says whether the guest may read it.
    Host { p: u64, gpa: u64, read: bool, notify: bool, code: *const AtomicU32 },
    /// The APIC page.
    Apic { gpa: u64 },
    /// Device memory, with an emulation bus attached.
    Bus { gpa: u64 },
    /// A page of doorbells; only stores that may ring one see this.
    Doorbell { gpa: u64 },
}

impl Cpu {
    /// Whether `la` is canonical in the present mode (always true outside long mode).
    #[inline]
    pub fn canonical(&self, la: u64) -> bool {
        if !self.s.long_mode() {
            return true;
        }
        let sh = if self.s.cr4 & cr4::LA57 != 0 { 7 } else { 16 };
        ((la << sh) as i64 >> sh) as u64 == la
    }

    /// Whether a base or an address in a register is canonical: by the widest linear addresses that the processor has,
    /// whether CR4.LA57 is on or not (Intel, "5-Level Paging and 5-Level EPT", canonicality checking).
    pub(crate) fn canonical_base(&self, la: u64) -> bool {
        let sh = if self.model.cr4_mask() & cr4::LA57 != 0 { 7 } else { 16 };
        ((la << sh) as i64 >> sh) as u64 == la
    }

    fn non_canonical<T>(&mut self, seg: u8) -> R<T> {
        if usize::from(seg) == SS { self.ss(0) } else { self.gp(0) }
    }

    /// Translates one byte's page and enters it into the TLB.
    pub(crate) fn locate(&mut self, la: u64, access: Access, who: Who) -> R<Loc> {
        match self.locate_any(la, access, who)? {
            Loc::Doorbell { gpa } => self.unmapped(gpa, la, access),
            loc => Ok(loc),
        }
    }

    /// An access to a page with nothing behind it.
    fn unmapped(&mut self, gpa: u64, la: u64, access: Access) -> R<Loc> {
        if self.bus.is_attached() && access != Access::Execute {
            Ok(Loc::Bus { gpa })
        } else {
            self.exit(CpuExit::Memory { gpa, gva: Some(la), access, unmapped: true })
        }
    }

    /// As [`Cpu::locate`], for accesses that may ring a doorbell.
    fn locate_any(&mut self, la: u64, access: Access, who: Who) -> R<Loc> {
        let (user, ac) = match who {
            Who::Current => (self.s.cpl == 3, self.s.sys_flags & rflags::AC != 0),
            Who::System => (false, false),
            Who::User => (true, false),
        };
        if self.bus.owns_memory() {
            return self.locate_by_bus(la, access, who, user);
        }
        let w = match self.walk(la, WalkMode { access, user, ac, no_rights: false, set_bits: true }) {
            Ok(w) => w,
            Err(WalkError::Fault(code)) => return self.page_fault(la, code),
            Err(WalkError::Exit(e)) => return self.exit(e),
        };
        let gpa = w.gpa;
        match self.env.page(gpa & !0xfff) {
            Page::Ram(r) => {
                let allowed = match access {
                    Access::Read => r.read,
                    Access::Write => r.write,
                    Access::Execute => r.exec,
                };
                if !allowed {
                    if r.guarded {
                        return self.gp(0);
                    }
                    if access == Access::Write && self.bus.is_attached() {
                        return Ok(Loc::Bus { gpa });
                    }
                    return self.exit(CpuExit::Memory { gpa, gva: Some(la), access, unmapped: false });
                }
                if access != Access::Execute {
                    let code = host::version(r.code) & 1 != 0;
                    let view = match who {
                        Who::User => 1,
                        Who::System => 0,
                        Who::Current if user => 1,
                        Who::Current if ac && self.s.cr4 & cr4::SMAP != 0 => 2,
                        Who::Current => 0,
                    };
                    // What reads and writes back takes the write entry, so that needs both rights.
                    let write = w.write && r.write && r.read && !r.notify && !code;
                    self.s.l1.view[view].fill(la, r.host as u64, w.read && r.read, write, w.global);
                    if w.size > 0x1000 {
                        self.note_large_page(la, w.size);
                    }
                }
                let p = r.host as u64 + (gpa & 0xfff);
                Ok(Loc::Host { p, gpa, read: r.read, notify: r.notify, code: r.code })
            }
            Page::Apic if access != Access::Execute => Ok(Loc::Apic { gpa }),
            Page::Doorbell if access == Access::Write => Ok(Loc::Doorbell { gpa }),
            Page::Apic | Page::Doorbell | Page::Unmapped => self.unmapped(gpa, la, access),
        }
    }

    /// [`Cpu::locate`] when the attached bus owns all memory. Nothing is entered into the TLB.
    #[cold]
    fn locate_by_bus(&mut self, la: u64, access: Access, who: Who, user: bool) -> R<Loc> {
        if self.bus.walks_tables() {
            let ac = who == Who::Current && self.s.sys_flags & rflags::AC != 0;
            return match self.walk(la, WalkMode { access, user, ac, no_rights: false, set_bits: true }) {
                Ok(w) => Ok(Loc::Bus { gpa: w.gpa }),
                Err(WalkError::Fault(code)) => self.page_fault(la, code),
                Err(WalkError::Exit(e)) => self.exit(e),
            };
        }
        match self.bus.translate(la & !0xfff, access, who) {
            Ok(BusPage::At(gpa)) => Ok(Loc::Bus { gpa: gpa & !0xfff | la & 0xfff }),
            Ok(fault) => {
                let code = self.bus_fault_code(access, user, fault);
                self.page_fault(la, code)
            }
            Err(_) => self.exit(CpuExit::BusFailed),
        }
    }

    fn bus_fault_code(&self, access: Access, user: bool, fault: BusPage) -> u32 {
        self.fault_code(access, user)
            | match fault {
                BusPage::At(_) | BusPage::NotPresent => 0,
                BusPage::Denied => pf::P,
                BusPage::Reserved => pf::P | pf::RSVD,
            }
    }

    /// Error code of the page fault that an access at the current privilege raises for this answer of a bus.
    pub fn page_fault_code(&self, access: Access, fault: BusPage) -> u32 {
        self.bus_fault_code(access, self.s.cpl == 3, fault)
    }

    /// Checks that come before translation: canonical form, alignment, breakpoints.
    fn pre_check(&mut self, la: u64, size: u64, access: Access, seg: u8) -> R<()> {
        if !self.canonical(la) || !self.canonical(la.wrapping_add(size - 1)) {
            return self.non_canonical(seg);
        }
        if self.s.view == VIEW_SLOW {
            if la & (size - 1) != 0 && size <= 8 && self.alignment_armed() {
                return self.ac_fault();
            }
            self.note_data_access(la, size, access == Access::Write);
        }
        Ok(())
    }

    /// Wraps linear addresses outside long mode.
    #[inline]
    pub(crate) fn wrap_la(&self, la: u64) -> u64 {
        if self.s.long_mode() { la } else { la & 0xffff_ffff }
    }

    fn inaccessible<T>(&mut self, gpa: u64, la: u64, access: Access) -> R<T> {
        self.exit(CpuExit::Memory { gpa, gva: Some(la), access, unmapped: false })
    }

    fn loc_read(&mut self, loc: Loc, la: u64, buf: &mut [u8]) -> R<()> {
        match loc {
            Loc::Host { p, gpa, .. } => {
                let ok = match buf.len() {
                    1 => host::load::<u8>(p).map(|v| buf[0] = v).is_some(),
                    2 => host::load::<u16>(p).map(|v| buf.copy_from_slice(&v.to_le_bytes())).is_some(),
                    4 => host::load::<u32>(p).map(|v| buf.copy_from_slice(&v.to_le_bytes())).is_some(),
                    8 => host::load::<u64>(p).map(|v| buf.copy_from_slice(&v.to_le_bytes())).is_some(),
                    _ => host::load_bytes(p, buf),
                };
                if ok { Ok(()) } else { self.inaccessible(gpa, la, Access::Read) }
            }
            Loc::Apic { gpa } => {
                let icount = self.s.icount;
                for (i, b) in buf.iter_mut().enumerate() {
                    let off = (gpa as u32 & 0xfff) + i as u32;
                    let reg = off & !0xf;
                    // Only the first four bytes of each 16-byte slot carry a register.
                    *b = if off & 0xc == 0 {
                        if i == 0 || off & 3 == 0 {
                            self.apic_latch = self.env.apic_read(reg, icount);
                        }
                        (self.apic_latch >> ((off & 3) * 8)) as u8
                    } else {
                        0
                    };
                }
                Ok(())
            }
            Loc::Bus { gpa } => match self.bus.mmio_read(gpa, buf) {
                Ok(()) => Ok(()),
                Err(_) => self.exit(CpuExit::BusFailed),
            },
            Loc::Doorbell { gpa } => self.unmapped(gpa, la, Access::Read).map(|_| ()),
        }
    }

    pub(crate) fn loc_write(&mut self, loc: Loc, la: u64, buf: &[u8]) -> R<()> {
        match loc {
            Loc::Host { p, gpa, notify, code, .. } => {
                let ok = match *buf {
                    [v] => host::store::<u8>(p, v).is_some(),
                    [a, b] => host::store::<u16>(p, u16::from_le_bytes([a, b])).is_some(),
                    [a, b, c, d] => host::store::<u32>(p, u32::from_le_bytes([a, b, c, d])).is_some(),
                    [a, b, c, d, e, f, g, h] => {
                        host::store::<u64>(p, u64::from_le_bytes([a, b, c, d, e, f, g, h])).is_some()
                    }
                    _ => host::store_bytes(p, buf),
                };
                if !ok {
                    return self.inaccessible(gpa, la, Access::Write);
                }
                self.wrote_page(gpa, buf.len() as u64, notify, code);
                Ok(())
            }
            Loc::Apic { gpa } => {
                let off = gpa as u32 & 0xfff;
                if off & 0xf == 0 && buf.len() >= 4 {
                    let v = u32::from_le_bytes([buf[0], buf[1], buf[2], buf[3]]);
                    let icount = self.s.icount;
                    if let Effect::DoneExit((), code, value) = self.env.apic_write(off, v, icount) {
                        self.exit_after(CpuExit::Env { code, value });
                    }
                    // Delivery conditions may have changed.
                    self.recheck_events();
                }
                Ok(())
            }
            Loc::Bus { gpa } => match self.bus.mmio_write(gpa, buf) {
                Ok(()) => Ok(()),
                Err(_) => self.exit(CpuExit::BusFailed),
            },
            Loc::Doorbell { gpa } => {
                if self.env.ring(gpa, buf) {
                    return Ok(());
                }
                // The bus, or an exit.
                let loc = self.unmapped(gpa, la, Access::Write)?;
                self.loc_write(loc, la, buf)
            }
        }
    }

    /// Bookkeeping after a store to a page that needs it.
    pub(crate) fn wrote_page(&mut self, gpa: u64, len: u64, notify: bool, code: *const AtomicU32) {
        if notify {
            self.env.wrote(gpa, len);
        }
        if host::version(code) & 1 != 0 {
            host::bump(code);
            // The rest of the current block may be stale.
            self.end_block();
        }
    }

    /// Splits an access at a page boundary: bytes in the first page, or `None` when it does not cross.
    #[inline]
    fn crossing(la: u64, size: u64) -> Option<u64> {
        let first = 4096 - (la & 0xfff);
        if first < size { Some(first) } else { None }
    }

    fn read_who(&mut self, la: u64, buf: &mut [u8], seg: u8, who: Who, access: Access) -> R<()> {
        let la = self.wrap_la(la);
        if who == Who::Current {
            self.pre_check(la, buf.len() as u64, access, seg)?;
        } else if !self.canonical(la) {
            return self.non_canonical(seg);
        }
        match Self::crossing(la, buf.len() as u64) {
            None => {
                let loc = self.locate(la, access, who)?;
                self.loc_read(loc, la, buf)
            }
            Some(n) => {
                let la2 = self.wrap_la(la.wrapping_add(n));
                let a = self.locate(la, access, who)?;
                let b = self.locate(la2, access, who)?;
                let (x, y) = buf.split_at_mut(n as usize);
                self.loc_read(a, la, x)?;
                self.loc_read(b, la2, y)
            }
        }
    }

    /// Makes sure that the host lets the page at `loc` be written.
    fn must_accept(&mut self, loc: Loc, la: u64) -> R<()> {
        match loc {
            Loc::Host { p, gpa, .. } if !host::accepts(p) => self.inaccessible(gpa, la, Access::Write),
            _ => Ok(()),
        }
    }

    fn write_who(&mut self, la: u64, buf: &[u8], seg: u8, who: Who) -> R<()> {
        let la = self.wrap_la(la);
        if who == Who::Current {
            self.pre_check(la, buf.len() as u64, Access::Write, seg)?;
        } else if !self.canonical(la) {
            return self.non_canonical(seg);
        }
        match Self::crossing(la, buf.len() as u64) {
            None => {
                let loc = self.locate(la, Access::Write, who)?;
                self.loc_write(loc, la, buf)
            }
            Some(n) => {
                let la2 = self.wrap_la(la.wrapping_add(n));
                let a = self.locate(la, Access::Write, who)?;
                let b = self.locate(la2, Access::Write, who)?;
                let (x, y) = buf.split_at(n as usize);
                // Both host pages must accept the bytes before any is written.
                self.must_accept(a, la)?;
                self.must_accept(b, la2)?;
                self.loc_write(a, la, x)?;
                self.loc_write(b, la2, y)
            }
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn read_slow<T: Word>(&mut self, la: u64, seg: u8) -> R<T> {
        let mut b = [0u8; 8];
        self.read_who(la, &mut b[..T::BYTES as usize], seg, Who::Current, Access::Read)?;
        Ok(T::from_u64(u64::from_le_bytes(b)))
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn write_slow<T: Word>(&mut self, la: u64, v: T, seg: u8) -> R<()> {
        let b = v.to_u64().to_le_bytes();
        let b = &b[..T::BYTES as usize];
        let la = self.wrap_la(la);
        if Self::crossing(la, T::BYTES).is_some() {
            return self.write_who(la, b, seg, Who::Current);
        }
        self.pre_check(la, T::BYTES, Access::Write, seg)?;
        let loc = self.locate_any(la, Access::Write, Who::Current)?;
        self.loc_write(loc, la, b)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn write_back_slow<T: Word>(&mut self, la: u64, v: T, seg: u8) -> R<()> {
        let b = v.to_u64().to_le_bytes();
        self.write_who(la, &b[..T::BYTES as usize], seg, Who::Current)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn read_for_write_slow<T: Word>(&mut self, la: u64, seg: u8) -> R<T> {
        let mut b = [0u8; 8];
        let buf = &mut b[..T::BYTES as usize];
        let la = self.wrap_la(la);
        self.pre_check(la, T::BYTES, Access::Write, seg)?;
        match Self::crossing(la, T::BYTES) {
            None => {
                let loc = self.locate_rmw(la, Who::Current)?;
                self.rmw_read(loc, la, buf)?;
            }
            Some(n) => {
                let la2 = self.wrap_la(la.wrapping_add(n));
                let x = self.locate_rmw(la, Who::Current)?;
                let y = self.locate_rmw(la2, Who::Current)?;
                let (p, q) = buf.split_at_mut(n as usize);
                self.rmw_read(x, la, p)?;
                self.rmw_read(y, la2, q)?;
            }
        }
        Ok(T::from_u64(u64::from_le_bytes(b)))
    }

    /// Locates for reading and writing back. A page that lacks the right to write is reported as a write; one that lacks
    /// only the right to read as a read, and so is one that is not there: reading is the first access.
    fn locate_rmw(&mut self, la: u64, who: Who) -> R<Loc> {
        let found = self.locate(la, Access::Write, who);
        if found.is_err()
            && let TrapKind::Exit(CpuExit::Memory { access, unmapped: true, gva: Some(gva), .. }) =
                &mut self.trap
            && *gva == la
        {
            *access = Access::Read;
        }
        match found? {
            Loc::Host { gpa, read: false, .. } => self.inaccessible(gpa, la, Access::Read),
            loc => Ok(loc),
        }
    }

    /// The reading half of reading and writing back. What the host does not let be read cannot be written either.
    fn rmw_read(&mut self, loc: Loc, la: u64, buf: &mut [u8]) -> R<()> {
        let done = self.loc_read(loc, la, buf);
        if let (Err(Trap), Loc::Host { gpa, .. }) = (&done, loc) {
            return self.inaccessible(gpa, la, Access::Write);
        }
        done
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn atomic_slow<T: Word>(&mut self, la: u64, seg: u8, f: &mut dyn FnMut(T) -> T) -> R<(T, T)> {
        let la = self.wrap_la(la);
        self.pre_check(la, T::BYTES, Access::Write, seg)?;
        if let Some(n) = Self::crossing(la, T::BYTES) {
            return self.atomic_split::<T>(la, n as usize, f);
        }
        let loc = self.locate_rmw(la, Who::Current)?;
        if let Loc::Host { p, gpa, notify, code, .. } = loc {
            if host::crosses_line::<T>(p) {
                let Some(done) = self.exclusive_update::<T>(p, f) else { return self.retry() };
                let Some(values) = done else { return self.inaccessible(gpa, la, Access::Write) };
                self.wrote_page(gpa, T::BYTES, notify, code);
                return Ok(values);
            }
            let Some(mut old) = host::load::<T>(p) else { return self.inaccessible(gpa, la, Access::Write) };
            loop {
                let new = f(old);
                match host::cmpxchg::<T>(p, old, new) {
                    Some(v) if v == old => {
                        self.wrote_page(gpa, T::BYTES, notify, code);
                        return Ok((old, new));
                    }
                    Some(v) => old = v,
                    None => return self.inaccessible(gpa, la, Access::Write),
                }
            }
        }
        let mut b = [0u8; 8];
        let n = T::BYTES as usize;
        self.loc_read(loc, la, &mut b[..n])?;
        let old = T::from_u64(u64::from_le_bytes(b));
        let new = f(old);
        self.loc_write(loc, la, &new.to_u64().to_le_bytes()[..n])?;
        Ok((old, new))
    }

    /// A locked access across two cache lines: with every other processor stopped. Nothing if another request comes
    /// first, `Some(None)` if the host refuses the access.
    fn exclusive_update<T: Word>(&mut self, p: u64, f: &mut dyn FnMut(T) -> T) -> Option<Option<(T, T)>> {
        let mut done = None;
        self.env.exclusive(&mut || {
            let values = host::load::<T>(p).map(|old| (old, f(old)));
            done = Some(values.filter(|&(_, new)| host::store::<T>(p, new).is_some()));
        });
        done
    }

    /// A locked access across a page boundary: with every other processor stopped.
    fn atomic_split<T: Word>(&mut self, la: u64, n: usize, f: &mut dyn FnMut(T) -> T) -> R<(T, T)> {
        let la2 = self.wrap_la(la.wrapping_add(n as u64));
        let a = self.locate_rmw(la, Who::Current)?;
        let b = self.locate_rmw(la2, Who::Current)?;
        self.must_accept(a, la)?;
        self.must_accept(b, la2)?;
        let len = T::BYTES as usize;
        let (
            Loc::Host { p: pa, gpa: ga, notify: na, code: ca, .. },
            Loc::Host { p: pb, gpa: gb, notify: nb, code: cb, .. },
        ) = (a, b)
        else {
            let mut buf = [0u8; 8];
            self.loc_read(a, la, &mut buf[..n])?;
            self.loc_read(b, la2, &mut buf[n..len])?;
            let old = T::from_u64(u64::from_le_bytes(buf));
            let new = f(old);
            let out = new.to_u64().to_le_bytes();
            self.loc_write(a, la, &out[..n])?;
            self.loc_write(b, la2, &out[n..len])?;
            return Ok((old, new));
        };
        let mut res = None;
        let mut ran = false;
        self.env.exclusive(&mut || {
            ran = true;
            let mut buf = [0u8; 8];
            if !host::load_bytes(pa, &mut buf[..n]) || !host::load_bytes(pb, &mut buf[n..len]) {
                return;
            }
            let old = T::from_u64(u64::from_le_bytes(buf));
            let new = f(old);
            let out = new.to_u64().to_le_bytes();
            if host::accepts(pa) && host::store_bytes(pb, &out[n..len]) && host::store_bytes(pa, &out[..n]) {
                res = Some((old, new));
            }
        });
        if !ran {
            // Another request comes first.
            return self.retry();
        }
        let Some(r) = res else {
            // The host took a page away in between.
            self.must_accept(b, la2)?;
            return self.inaccessible(ga, la, Access::Write);
        };
        self.wrote_page(ga, n as u64, na, ca);
        self.wrote_page(gb, (len - n) as u64, nb, cb);
        Ok(r)
    }

    /// Atomic 16-byte compare-exchange at an aligned linear address; returns the old value.
    ///
    /// # Errors
    /// As [`Cpu::read`].
    pub fn cmpxchg16(&mut self, la: u64, seg: u8, old: u128, new: u128) -> R<u128> {
        let la = self.wrap_la(la);
        self.pre_check(la, 16, Access::Write, seg)?;
        let loc = self.locate_rmw(la, Who::Current)?;
        if let Loc::Host { p, gpa, notify, code, .. } = loc
            && p & 15 == 0
        {
            return match host::cmpxchg16(p, old, new) {
                Some(v) => {
                    self.wrote_page(gpa, 16, notify, code);
                    Ok(v)
                }
                None => self.inaccessible(gpa, la, Access::Write),
            };
        }
        let mut b = [0u8; 16];
        self.rmw_read(loc, la, &mut b)?;
        let cur = u128::from_le_bytes(b);
        let put = if cur == old { new } else { cur };
        self.loc_write(loc, la, &put.to_le_bytes())?;
        Ok(cur)
    }

    /// Reads bytes at a linear address with the current rights; at most one page boundary is crossed (len <= 4096).
    ///
    /// # Errors
    /// As [`Cpu::read`].
    #[inline]
    pub fn read_bytes(&mut self, la: u64, buf: &mut [u8], seg: u8) -> R<()> {
        if buf.len() & 7 == 0
            && buf.len() <= 64
            && let Some(p) = self.tlb_read(la, buf.len() as u64)
        {
            let mut ok = true;
            for (i, c) in buf.chunks_exact_mut(8).enumerate() {
                match host::load::<u64>(p + i as u64 * 8) {
                    Some(v) => c.copy_from_slice(&v.to_le_bytes()),
                    None => ok = false,
                }
            }
            if ok {
                return Ok(());
            }
        }
        if buf.is_empty() {
            return Ok(());
        }
        self.read_who(la, buf, seg, Who::Current, Access::Read)
    }

    /// Writes bytes at a linear address with the current rights (len <= 4096), all or nothing.
    ///
    /// # Errors
    /// As [`Cpu::read`].
    #[inline]
    pub fn write_bytes(&mut self, la: u64, buf: &[u8], seg: u8) -> R<()> {
        if buf.len() & 7 == 0
            && buf.len() <= 64
            && let Some(p) = self.tlb_write(la, buf.len() as u64)
        {
            let mut ok = true;
            for (i, c) in buf.chunks_exact(8).enumerate() {
                let v = u64::from_le_bytes(c.try_into().unwrap_or_default());
                ok &= host::store::<u64>(p + i as u64 * 8, v).is_some();
            }
            if ok {
                return Ok(());
            }
        }
        if buf.is_empty() {
            return Ok(());
        }
        self.write_who(la, buf, seg, Who::Current)
    }

    /// Checks that an access of `len` (<= 4096) bytes would succeed, without making it. Device memory passes only
    /// when an emulation bus is attached.
    ///
    /// # Errors
    /// As [`Cpu::read`].
    pub fn probe(&mut self, la: u64, len: u64, access: Access, seg: u8) -> R<()> {
        let la = self.wrap_la(la);
        let is_hit = match access {
            // The host must accept the bytes too: the caller writes in several pieces.
            Access::Write => self.tlb_write(la, len).is_some_and(host::accepts),
            _ => self.tlb_read(la, len).is_some(),
        };
        if is_hit {
            return Ok(());
        }
        if !self.canonical(la) || !self.canonical(la.wrapping_add(len.max(1) - 1)) {
            return self.non_canonical(seg);
        }
        self.probe_who(la, len, access, Who::Current)
    }

    /// Checks an access of at most two pages without making it.
    fn probe_who(&mut self, la: u64, len: u64, access: Access, who: Who) -> R<()> {
        let first = self.locate(la, access, who)?;
        if access == Access::Write {
            self.must_accept(first, la)?;
        }
        if let Some(n) = Self::crossing(la, len) {
            let la2 = self.wrap_la(la.wrapping_add(n));
            let second = self.locate(la2, access, who)?;
            if access == Access::Write {
                self.must_accept(second, la2)?;
            }
        }
        Ok(())
    }

    /// Reads a word as the processor does implicitly (descriptor tables, TSS): supervisor, SMAP enforced.
    ///
    /// # Errors
    /// As [`Cpu::read`].
    pub fn read_sys<T: Word>(&mut self, la: u64) -> R<T> {
        let at = self.wrap_la(la);
        let v = &self.s.l1.view[0];
        let i = slot(at);
        if v.neg_tag_r[i].wrapping_add(at) <= 4096 - T::BYTES
            && let Some(x) = host::load::<T>(at.wrapping_add(v.delta[i]))
        {
            return Ok(x);
        }
        let mut b = [0u8; 8];
        self.read_who(la, &mut b[..T::BYTES as usize], DS as u8, Who::System, Access::Read)?;
        Ok(T::from_u64(u64::from_le_bytes(b)))
    }

    /// Writes a word as the processor does implicitly.
    ///
    /// # Errors
    /// As [`Cpu::read`].
    pub fn write_sys<T: Word>(&mut self, la: u64, v: T) -> R<()> {
        let b = v.to_u64().to_le_bytes();
        self.write_who(la, &b[..T::BYTES as usize], DS as u8, Who::System)
    }

    /// Checks an implicit access without making it.
    ///
    /// # Errors
    /// As [`Cpu::read`].
    pub fn probe_sys(&mut self, la: u64, len: u64, access: Access) -> R<()> {
        let la = self.wrap_la(la);
        self.probe_who(la, len, access, Who::System)
    }

    /// Locked update of one byte of a descriptor table, as the processor does implicitly.
    ///
    /// # Errors
    /// As [`Cpu::read`].
    pub(crate) fn update_sys(&mut self, la: u64, f: impl Fn(u8) -> u8) -> R<()> {
        let la = self.wrap_la(la);
        let loc = self.locate_rmw(la, Who::System)?;
        if let Loc::Host { p, gpa, notify, code, .. } = loc {
            let Some(mut old) = host::load::<u8>(p) else { return self.inaccessible(gpa, la, Access::Write) };
            loop {
                match host::cmpxchg::<u8>(p, old, f(old)) {
                    Some(v) if v == old => {
                        self.wrote_page(gpa, 1, notify, code);
                        return Ok(());
                    }
                    Some(v) => old = v,
                    None => return self.inaccessible(gpa, la, Access::Write),
                }
            }
        }
        let mut b = [0u8; 1];
        self.loc_read(loc, la, &mut b)?;
        self.loc_write(loc, la, &[f(b[0])])
    }

    /// Writes a whole stack frame (at most 4096 bytes), all or nothing, with user rights when `user`.
    ///
    /// # Errors
    /// As [`Cpu::read`].
    pub(crate) fn write_frame(&mut self, la: u64, frame: &[u8], user: bool) -> R<()> {
        let la = self.wrap_la(la);
        if self.s.view == VIEW_SLOW {
            self.note_data_access(la, frame.len() as u64, true);
        } else {
            let v = &self.s.l1.view[usize::from(user)];
            let i = slot(la);
            if frame.len() & 7 == 0 && v.neg_tag_w[i].wrapping_add(la) <= 4096 - frame.len() as u64 {
                let p = la.wrapping_add(v.delta[i]);
                let done = frame.chunks_exact(8).enumerate().all(|(n, c)| {
                    let w = u64::from_le_bytes(c.try_into().unwrap_or_default());
                    host::store::<u64>(p + n as u64 * 8, w).is_some()
                });
                if done {
                    return Ok(());
                }
            }
        }
        self.write_who(la, frame, SS as u8, if user { Who::User } else { Who::System })
    }

    /// Pushes data onto the stack of a privilege level that is not current yet: user rights when `user`.
    ///
    /// # Errors
    /// As [`Cpu::read`].
    pub fn write_stack<T: Word>(&mut self, la: u64, v: T, user: bool) -> R<()> {
        let b = v.to_u64().to_le_bytes();
        let who = if user { Who::User } else { Who::System };
        self.write_who(la, &b[..T::BYTES as usize], SS as u8, who)
    }

    /// Checks that `len` bytes of such a stack can be written.
    ///
    /// # Errors
    /// As [`Cpu::read`].
    pub fn probe_stack(&mut self, la: u64, len: u64, user: bool) -> R<()> {
        let la = self.wrap_la(la);
        if !self.canonical(la) {
            return self.ss(0);
        }
        let who = if user { Who::User } else { Who::System };
        self.probe_who(la, len, Access::Write, who)
    }

    /// For bulk string operations: host address of `la` and the bytes left in its page, when plain memory that
    /// needs no bookkeeping backs it with the wanted right. `None` = go element by element.
    ///
    /// # Errors
    /// As [`Cpu::read`].
    pub(crate) fn host_span(&mut self, la: u64, write: bool, seg: u8) -> R<Option<(u64, u64)>> {
        let la = self.wrap_la(la);
        let left = 4096 - (la & 0xfff);
        for attempt in 0..2 {
            let hit = if write { self.tlb_write(la, 1) } else { self.tlb_read(la, 1) };
            if let Some(p) = hit {
                return Ok(Some((p, left)));
            }
            if attempt == 0 {
                if self.s.view == VIEW_SLOW {
                    return Ok(None);
                }
                self.probe(la, 1, if write { Access::Write } else { Access::Read }, seg)?;
            }
        }
        Ok(None)
    }
}
