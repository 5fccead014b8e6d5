//! The page-table walk: 2, 3, 4 and 5 levels, all permissions, exact error codes.
//!
//! Intel SDM 3A "Paging". Accessed and dirty bits are set by compare-exchange, on successful walks only.

use super::Access;
use super::host;
use crate::cpu::Cpu;
use crate::env::Page;
use crate::exit::CpuExit;
use crate::state::*;

/// Page-fault error-code bits (Intel SDM 3A "Page-Fault Exceptions").
pub mod pf {
    /// The fault was a protection violation.
    pub const P: u32 = 1 << 0;
    /// Write.
    pub const W: u32 = 1 << 1;
    /// User-mode access.
    pub const U: u32 = 1 << 2;
    /// Reserved bit set.
    pub const RSVD: u32 = 1 << 3;
    /// Instruction fetch.
    pub const I: u32 = 1 << 4;
    /// Protection key.
    pub const PK: u32 = 1 << 5;
}

/// How a walk is made.
#[derive(Clone, Copy, Debug)]
pub struct WalkMode {
    /// Kind of access to check.
    pub access: Access,
    /// User-mode access.
    pub user: bool,
    /// SMAP is not enforced (EFLAGS.AC set and the access explicit).
    pub ac: bool,
    /// Only presence is checked, not rights.
    pub no_rights: bool,
    /// Accessed and dirty bits are updated.
    pub set_bits: bool,
}

/// A finished translation.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Guest-physical address of the byte.
    pub gpa: u64,
    /// Reads at this privilege would succeed.
    pub read: bool,
    /// Writes at this privilege would succeed without touching the tables.
    pub write: bool,
    /// The page is global.
    pub global: bool,
    /// Bytes mapped by the leaf entry.
    pub size: u64,
}

/// Why a walk failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkError {
    /// Page fault with this error code (U and I/D bits included).
    Fault(u32),
    /// The processor must exit: a table entry lies in unmapped or forbidden memory.
    Exit(CpuExit),
}

const P: u64 = 1;
const RW: u64 = 2;
const US: u64 = 4;
const A: u64 = 1 << 5;
const D: u64 = 1 << 6;
const PS: u64 = 1 << 7;
const G: u64 = 1 << 8;
const NX: u64 = 1 << 63;

/// A table entry in reach.
#[derive(Clone, Copy)]
struct Slot {
    host: u64,
    gpa: u64,
    value: u64,
    wide: bool,
}

impl Cpu {
    /// Physical-address bits above MAXPHYADDR that must be zero in a 64-bit entry.
    fn reserved_phys(&self) -> u64 {
        (!0u64 << self.model.phys_bits) & 0x000f_ffff_ffff_ffff
    }

    /// Translates `la` by the present paging mode.
    ///
    /// # Errors
    /// The page fault's error code, or the exit that a table in unmapped memory causes.
    pub fn walk(&mut self, la: u64, m: WalkMode) -> Result<Walk, WalkError> {
        if self.s.cr0 & cr0::PG == 0 {
            return Ok(Walk { gpa: la & 0xffff_ffff, read: true, write: true, global: false, size: 1 << 32 });
        }
        let mut slots = [Slot { host: 0, gpa: 0, value: 0, wide: true }; 5];
        let mut used = 0;
        let base_code = self.fault_code(m.access, m.user);
        let nxe = self.s.efer & efer::NXE != 0;
        let long = self.s.long_mode();
        let pae = self.s.cr4 & cr4::PAE != 0;
        let resv = self.reserved_phys() | if nxe { 0 } else { NX };
        // Rights are the AND (NX: the OR) over all levels.
        let (mut rw, mut us, mut nx) = (true, true, false);
        let (leaf, shift);
        if long || pae {
            let mut table;
            let mut level: u32;
            if long {
                level = if self.s.cr4 & cr4::LA57 != 0 { 5 } else { 4 };
                table = self.s.cr3 & 0x000f_ffff_ffff_f000 & !self.reserved_phys();
            } else {
                let e = self.s.pdptr[(la >> 30) as usize & 3];
                if e & P == 0 {
                    return Err(WalkError::Fault(base_code));
                }
                level = 2;
                table = e & 0x000f_ffff_ffff_f000;
            }
            loop {
                let sh = 12 + (level - 1) * 9;
                let s = self.table_entry(table + ((la >> sh) & 0x1ff) * 8, la, true)?;
                slots[used] = s;
                used += 1;
                let e = s.value;
                if e & P == 0 {
                    return Err(WalkError::Fault(base_code));
                }
                let mut bad = e & resv;
                if !long {
                    // PAE: bits 62-52 are reserved.
                    bad |= e & 0x7ff0_0000_0000_0000;
                }
                let large = level > 1 && e & PS != 0;
                if large {
                    if level > 3 || (level == 3 && !self.model.has_1g) {
                        bad |= PS;
                    } else {
                        // Address bits below the page size are reserved, except bit 12 (PAT).
                        bad |= e & ((1u64 << sh) - 1) & !0x1fff;
                    }
                }
                if bad != 0 {
                    return Err(WalkError::Fault(base_code | pf::P | pf::RSVD));
                }
                rw &= e & RW != 0;
                us &= e & US != 0;
                nx |= e & NX != 0;
                if level == 1 || large {
                    leaf = e;
                    shift = sh;
                    break;
                }
                table = e & 0x000f_ffff_ffff_f000;
                level -= 1;
            }
        } else {
            let table = self.s.cr3 & 0xffff_f000;
            let s = self.table_entry(table + ((la >> 22) & 0x3ff) * 4, la, false)?;
            slots[used] = s;
            used += 1;
            let e = s.value;
            if e & P == 0 {
                return Err(WalkError::Fault(base_code));
            }
            rw &= e & RW != 0;
            us &= e & US != 0;
            if e & PS != 0 && self.s.cr4 & cr4::PSE != 0 {
                // PSE-36: bits 20-13 are physical bits 39-32; bit 21 is reserved, and so is what lies above MAXPHYADDR.
                let high = (e >> 13) & 0xff;
                if e & (1 << 21) != 0
                    || (self.model.phys_bits < 40 && high >> (self.model.phys_bits - 32) != 0)
                {
                    return Err(WalkError::Fault(base_code | pf::P | pf::RSVD));
                }
                leaf = (e & 0xffc0_0fff) | high << 32;
                shift = 22;
            } else {
                let s = self.table_entry((e & 0xffff_f000) + ((la >> 12) & 0x3ff) * 4, la, false)?;
                slots[used] = s;
                used += 1;
                let e = s.value;
                if e & P == 0 {
                    return Err(WalkError::Fault(base_code));
                }
                rw &= e & RW != 0;
                us &= e & US != 0;
                leaf = e;
                shift = 12;
            }
        }
        let wp = self.s.cr0 & cr0::WP != 0;
        let (mut can_read, mut can_write, mut can_exec) = (true, rw || (!m.user && !wp), !nx);
        if m.user && !us {
            (can_read, can_write, can_exec) = (false, false, false);
        }
        if !m.user && us {
            if self.s.cr4 & cr4::SMAP != 0 && !m.ac {
                (can_read, can_write) = (false, false);
            }
            if self.s.cr4 & cr4::SMEP != 0 {
                can_exec = false;
            }
        }
        let mut key_fault = false;
        if long && us && self.s.cr4 & cr4::PKE != 0 {
            let bits = self.s.vec.pkru >> (((leaf >> 59) & 0xf) * 2);
            let (ad, wd) = (bits & 1 != 0, bits & 2 != 0 && (m.user || wp));
            key_fault = match m.access {
                Access::Read => ad,
                Access::Write => ad || wd,
                Access::Execute => false,
            };
            can_read &= !ad;
            can_write &= !(ad || wd);
        }
        if !m.no_rights {
            let ok = match m.access {
                Access::Read => can_read,
                Access::Write => can_write,
                Access::Execute => can_exec,
            };
            if !ok {
                return Err(WalkError::Fault(base_code | pf::P | if key_fault { pf::PK } else { 0 }));
            }
        }
        let mut dirty = leaf & D != 0;
        if m.set_bits {
            for (i, s) in slots[..used].iter().enumerate() {
                let mut want = A;
                if i + 1 == used && m.access == Access::Write {
                    want |= D;
                    dirty = true;
                }
                if s.value & want != want && !self.set_entry_bits(*s, want, la)? {
                    // Another processor changed the entry: start over.
                    return self.walk(la, m);
                }
            }
        }
        let mask = (1u64 << shift) - 1;
        let frame =
            if shift == 22 && !pae { leaf & 0xff_ffc0_0000 } else { leaf & 0x000f_ffff_ffff_f000 & !mask };
        Ok(Walk {
            gpa: frame | (la & mask),
            read: can_read,
            write: can_write && dirty,
            global: leaf & G != 0 && self.s.cr4 & cr4::PGE != 0,
            size: mask + 1,
        })
    }

    /// Error-code bits that depend on the access only.
    pub(crate) fn fault_code(&self, access: Access, user: bool) -> u32 {
        let mut c = 0;
        if access == Access::Write {
            c |= pf::W;
        }
        if user {
            c |= pf::U;
        }
        let nx = self.s.efer & efer::NXE != 0 && self.s.cr4 & cr4::PAE != 0;
        if access == Access::Execute && (nx || self.s.cr4 & cr4::SMEP != 0) {
            c |= pf::I;
        }
        c
    }

    /// Reads a table entry.
    fn table_entry(&mut self, gpa: u64, la: u64, wide: bool) -> Result<Slot, WalkError> {
        let exit = |unmapped| {
            WalkError::Exit(CpuExit::Memory { gpa, gva: Some(la), access: Access::Read, unmapped })
        };
        let Some(page) = self.table_page(gpa) else {
            return if self.bus.owns_memory() { self.bus_entry(gpa, wide) } else { Err(exit(true)) };
        };
        if !page.1 {
            return Err(exit(false));
        }
        let host = page.0 + (gpa & 0xfff);
        let value = if wide { host::load::<u64>(host) } else { host::load::<u32>(host).map(u64::from) };
        Ok(Slot { host, gpa, value: value.ok_or(exit(false))?, wide })
    }

    /// [`Cpu::table_entry`] of a bus that owns memory.
    #[cold]
    fn bus_entry(&mut self, gpa: u64, wide: bool) -> Result<Slot, WalkError> {
        let value = self.bus.number(gpa, if wide { 8 } else { 4 });
        let value = value.map_err(|_| WalkError::Exit(CpuExit::BusFailed))?;
        Ok(Slot { host: 0, gpa, value, wide })
    }

    /// [`Cpu::set_entry_bits`] of a bus that owns memory, which cannot exclude other processors.
    #[cold]
    fn set_bus_entry_bits(&mut self, s: Slot, bits: u64) -> Result<bool, WalkError> {
        if self.bus_entry(s.gpa, s.wide)?.value != s.value {
            return Ok(false);
        }
        let bytes = (s.value | bits).to_le_bytes();
        let written = self.bus.mmio_write(s.gpa, &bytes[..if s.wide { 8 } else { 4 }]);
        written.map(|()| true).map_err(|_| WalkError::Exit(CpuExit::BusFailed))
    }

    /// Host address of a table page and whether it is readable, through a small cache.
    #[inline]
    fn table_page(&mut self, gpa: u64) -> Option<(u64, bool)> {
        let page = gpa & !0xfff;
        let c = &self.table_cache[(page >> 12) as usize & (self.table_cache.len() - 1)];
        if c.0 == page {
            return Some((c.1, true));
        }
        match self.env.page(page) {
            Page::Ram(r) => {
                if r.read {
                    let n = self.table_cache.len() - 1;
                    self.table_cache[(page >> 12) as usize & n] = (page, r.host as u64);
                }
                Some((r.host as u64, r.read))
            }
            Page::Apic | Page::Doorbell | Page::Unmapped => None,
        }
    }

    /// Sets bits in a table entry atomically; false when the entry changed meanwhile.
    fn set_entry_bits(&mut self, s: Slot, bits: u64, la: u64) -> Result<bool, WalkError> {
        let exit = WalkError::Exit(CpuExit::Memory {
            gpa: s.gpa,
            gva: Some(la),
            access: Access::Write,
            unmapped: false,
        });
        let Page::Ram(r) = self.env.page(s.gpa & !0xfff) else {
            return if self.bus.owns_memory() { self.set_bus_entry_bits(s, bits) } else { Err(exit) };
        };
        if !r.write {
            return Err(exit);
        }
        let ok = if s.wide {
            host::cmpxchg::<u64>(s.host, s.value, s.value | bits).map(|v| v == s.value)
        } else {
            host::cmpxchg::<u32>(s.host, s.value as u32, (s.value | bits) as u32)
                .map(|v| u64::from(v) == s.value)
        };
        let ok = ok.ok_or(exit)?;
        if ok {
            if r.notify {
                self.env.wrote(s.gpa, 8);
            }
            if host::version(r.code) & 1 != 0 {
                host::bump(r.code);
            }
        }
        Ok(ok)
    }
}
