//! Cached translations: when they are dropped, and what is noted so that few have to be.

use super::Cpu;

impl Cpu {
    /// Invalidates the jump cache and the fetch TLB for supervisor or user code.
    pub(super) fn flush_code(&mut self, user: bool) {
        let g = &mut self.generation[usize::from(user)];
        *g = g.wrapping_add(1);
        if *g == 0 {
            self.blocks.clear();
            self.fetch_tlb.iter_mut().for_each(|e| e.0 = u64::MAX);
        }
        if !user {
            self.local_kernel_code = false;
        }
        let current = self.generation[usize::from(self.s.cpl == 3)];
        self.block_key = u64::from(current) << 32 | self.block_key & 0xffff_ffff;
    }

    /// Drops every cached translation of linear addresses.
    pub fn flush_tlb(&mut self) {
        self.s.l1.clear();
        self.large_pages = [0; 16];
        self.huge_pages = 0;
        self.code_pages = [0; 64];
        self.flush_code(false);
        self.flush_code(true);
    }

    /// Drops translations of non-global pages (a CR3 load).
    pub fn flush_tlb_non_global(&mut self) {
        self.s.l1.clear_non_global();
        self.flush_code(true);
        if self.local_kernel_code {
            self.flush_code(false);
        }
    }

    /// Drops the translation of one page (INVLPG).
    pub fn flush_page(&mut self, la: u64) {
        let (word, bit) = large_page_bit(la);
        if self.large_pages[word] & bit != 0 || self.huge_pages >> (la >> 30 & 63) & 1 != 0 {
            // Entered in 4 KiB pieces, all of which must go.
            self.flush_tlb();
            return;
        }
        self.s.l1.clear_page(la);
        let (word, bit) = code_page_bit(la);
        if self.code_pages[word] & bit != 0 {
            self.code_pages = [0; 64];
            self.flush_code(false);
            self.flush_code(true);
        }
    }

    /// Notes that code is fetched from the page of `la`.
    pub(crate) fn note_code_page(&mut self, la: u64, global: bool) {
        let (word, bit) = code_page_bit(la);
        self.code_pages[word] |= bit;
        if self.s.cpl != 3 && !global {
            self.local_kernel_code = true;
        }
    }

    /// Drops write rights only.
    pub fn flush_writes(&mut self) {
        self.s.l1.clear_writes();
    }

    /// The guest-physical map changed: drops everything that holds host addresses.
    pub fn flush_map(&mut self) {
        self.flush_tlb();
        self.table_cache.fill((u64::MAX, 0));
        self.fetch_tlb.iter_mut().for_each(|e| e.0 = u64::MAX);
        self.blocks.clear();
        self.end_block();
    }

    /// Remembers that a page larger than 4 KiB was entered: INVLPG must then drop more than one slot.
    pub(crate) fn note_large_page(&mut self, la: u64, size: u64) {
        if size > 4 << 20 {
            self.huge_pages |= 1 << (la >> 30 & 63);
            return;
        }
        for at in [la & !(size - 1), la | (size - 1)] {
            let (word, bit) = large_page_bit(at);
            self.large_pages[word] |= bit;
        }
    }
}

/// Place of a 2 MiB region in the filter of large pages.
fn large_page_bit(la: u64) -> (usize, u64) {
    let h = (la >> 21 ^ la >> 31) as usize;
    (h >> 6 & 15, 1 << (h & 63))
}

/// Place of a page in the filter of code pages.
fn code_page_bit(la: u64) -> (usize, u64) {
    let page = la >> 12;
    let h = (page ^ page >> 12 ^ page >> 24) as usize;
    (h >> 6 & 63, 1 << (h & 63))
}
