//! Translations that a guest has dropped on other processors.

use openwhp_hyperv::hypercall::Flush;
use openwhp_hyperv::hypercall::GvaRange;
use openwhp_x86::Cpu;

use crate::vp::SoftVp;
use crate::vp_shared::lock;

/// More pages than this are not worth dropping one by one.
const MOST_PAGES: u64 = 64;

/// What a processor has been asked to drop since it last did.
#[derive(Debug, Default)]
pub(crate) struct PendingFlush {
    is_full: bool,
    is_non_global: bool,
    pages: u64,
    ranges: Vec<GvaRange>,
}

impl PendingFlush {
    /// Adds a request.
    pub(crate) fn merge(&mut self, flush: &Flush<'_>) {
        match flush {
            Flush::Everything => self.is_full = true,
            Flush::NonGlobal => self.is_non_global = true,
            Flush::Ranges(ranges) => {
                let pages = ranges.iter().fold(0, |sum: u64, range| sum.saturating_add(range.pages));
                self.pages = self.pages.saturating_add(pages);
                if self.pages <= MOST_PAGES {
                    self.ranges.extend_from_slice(ranges);
                }
            }
        }
        if self.is_full || self.pages > MOST_PAGES {
            self.is_full = true;
            self.ranges.clear();
        }
    }

    /// Does it.
    fn apply(&self, cpu: &mut Cpu) {
        if self.is_full {
            cpu.flush_tlb();
            return;
        }
        if self.is_non_global {
            cpu.flush_tlb_non_global();
        }
        for range in &self.ranges {
            for page in 0..range.pages {
                cpu.flush_page(range.address.wrapping_add(page << 12));
            }
        }
    }
}

impl SoftVp {
    /// Drops what others have asked for.
    pub(crate) fn take_flush(&mut self) {
        let pending = std::mem::take(&mut *lock(&self.vp.flush));
        pending.apply(&mut self.cpu);
    }

    /// Drops translations of this processor.
    pub(crate) fn flush_own(&mut self, flush: &Flush<'_>) {
        let mut pending = PendingFlush::default();
        pending.merge(flush);
        pending.apply(&mut self.cpu);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_pages_become_everything() {
        let mut pending = PendingFlush::default();
        pending.merge(&Flush::Ranges(&[GvaRange { address: 0x1000, pages: 60 }]));
        assert!(!pending.is_full && pending.ranges.len() == 1);
        pending.merge(&Flush::Ranges(&[GvaRange { address: 0x9000, pages: 5 }]));
        assert!(pending.is_full && pending.ranges.is_empty());
    }

    #[test]
    fn everything_swallows_the_rest() {
        let mut pending = PendingFlush::default();
        pending.merge(&Flush::NonGlobal);
        pending.merge(&Flush::Everything);
        pending.merge(&Flush::Ranges(&[GvaRange { address: 0, pages: 1 }]));
        assert!(pending.is_full && pending.ranges.is_empty());
    }
}
