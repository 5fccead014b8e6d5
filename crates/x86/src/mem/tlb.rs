//! The first-level TLB: direct-mapped, three views, one compare per access.
//!
//! A slot stores *minus* the linear address of its page, so `neg_tag + address` is the offset within the
//! page when it matches, and one unsigned compare with `4096 - size` checks tag and page crossing at once.
//! An invalid slot holds the tag of a page that indexes a *different* slot and so can never match.

/// Entries per view.
pub const ENTRIES: usize = 1024;
/// Number of views: supervisor, user, supervisor with user access allowed (EFLAGS.AC), and one that is never
/// filled, so that every access takes the slow path (data breakpoints or alignment checks armed).
pub const VIEWS: usize = 4;

/// Tables of one view.
#[derive(Debug)]
#[repr(C, align(4096))]
pub(crate) struct L1View {
    pub(crate) neg_tag_r: [u64; ENTRIES],
    pub(crate) neg_tag_w: [u64; ENTRIES],
    pub(crate) delta: [u64; ENTRIES],
    /// Bit 0: global page; bit 1: the slot is in `listed`.
    info: [u8; ENTRIES],
    /// Slots that may hold non-global pages, so that a CR3 load touches only those.
    listed: [u16; ENTRIES],
    listed_len: usize,
}

/// All views.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Views {
    pub(crate) view: [L1View; VIEWS],
}

/// Tag that no address indexing slot `i` can match.
#[inline(always)]
fn invalid(i: usize) -> u64 {
    (((i as u64) ^ 1) << 12).wrapping_neg()
}

/// Slot index of a linear address.
#[inline(always)]
pub(crate) fn slot(la: u64) -> usize {
    (la >> 12) as usize & (ENTRIES - 1)
}

impl L1View {
    fn new() -> L1View {
        let mut v = L1View {
            neg_tag_r: [0; ENTRIES],
            neg_tag_w: [0; ENTRIES],
            delta: [0; ENTRIES],
            info: [0; ENTRIES],
            listed: [0; ENTRIES],
            listed_len: 0,
        };
        v.clear();
        v
    }

    /// Invalidates everything.
    pub(crate) fn clear(&mut self) {
        for i in 0..ENTRIES {
            self.neg_tag_r[i] = invalid(i);
            self.neg_tag_w[i] = invalid(i);
        }
        self.info.fill(0);
        self.listed_len = 0;
    }

    /// Invalidates what is not global.
    fn clear_non_global(&mut self) {
        for n in 0..self.listed_len {
            let i = usize::from(self.listed[n]);
            if self.info[i] & 1 == 0 {
                self.neg_tag_r[i] = invalid(i);
                self.neg_tag_w[i] = invalid(i);
            }
            self.info[i] &= 1;
        }
        self.listed_len = 0;
    }

    /// Invalidates write entries.
    fn clear_writes(&mut self) {
        for i in 0..ENTRIES {
            self.neg_tag_w[i] = invalid(i);
        }
    }

    /// Invalidates the slot that may hold `la`.
    fn clear_page(&mut self, la: u64) {
        let i = slot(la);
        self.neg_tag_r[i] = invalid(i);
        self.neg_tag_w[i] = invalid(i);
    }

    /// Enters a page.
    pub(crate) fn fill(&mut self, la: u64, host: u64, read: bool, write: bool, global: bool) {
        let i = slot(la);
        let page = la & !0xfff;
        self.neg_tag_r[i] = if read { page.wrapping_neg() } else { invalid(i) };
        self.neg_tag_w[i] = if write { page.wrapping_neg() } else { invalid(i) };
        self.delta[i] = host.wrapping_sub(page);
        self.info[i] = self.info[i] & 2 | u8::from(global);
        if !global && self.info[i] & 2 == 0 {
            // Each slot is listed once, so the list cannot overflow.
            self.listed[self.listed_len] = i as u16;
            self.listed_len += 1;
            self.info[i] |= 2;
        }
    }
}

impl Views {
    pub(crate) fn new() -> Views {
        Views { view: [L1View::new(), L1View::new(), L1View::new(), L1View::new()] }
    }
    pub(crate) fn clear(&mut self) {
        self.view.iter_mut().for_each(L1View::clear);
    }
    pub(crate) fn clear_non_global(&mut self) {
        self.view.iter_mut().for_each(L1View::clear_non_global);
    }
    pub(crate) fn clear_writes(&mut self) {
        self.view.iter_mut().for_each(L1View::clear_writes);
    }
    pub(crate) fn clear_page(&mut self, la: u64) {
        self.view.iter_mut().for_each(|v| v.clear_page(la));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_keeps_global_pages_only() {
        let mut v = Box::new(L1View::new());
        v.fill(0x1000, 0x9000, true, true, false);
        v.fill(0x2000, 0x9000, true, true, true);
        // A slot that was non-global and is global now, and the other way round.
        v.fill(0x3000, 0x9000, true, true, false);
        v.fill(0x40_3000, 0x9000, true, true, true);
        v.fill(0x4000, 0x9000, true, true, true);
        v.fill(0x40_4000, 0x9000, true, true, false);
        v.clear_non_global();
        let hit = |v: &L1View, la: u64| v.neg_tag_r[slot(la)].wrapping_add(la) <= 4095;
        assert!(!hit(&v, 0x1000) && hit(&v, 0x2000) && hit(&v, 0x40_3000) && !hit(&v, 0x40_4000));
        v.fill(0x1000, 0x9000, true, true, false);
        v.clear_non_global();
        assert!(!hit(&v, 0x1000));
    }

    #[test]
    fn no_address_of_a_slot_matches_its_invalid_tag() {
        for i in 0..ENTRIES {
            for la in [
                i as u64 * 4096,
                i as u64 * 4096 + 4095,
                !0 << 22 | (i as u64) << 12,
                1 << 63 | (i as u64) << 12,
            ] {
                assert_eq!(slot(la), i);
                assert!(invalid(i).wrapping_add(la) > 4095);
            }
        }
    }
}
