//! What is known of address ranges that the program reserved: which pages are committed, and how they are protected.
//! Pure bookkeeping; `memory.rs` acts on the host.

use std::collections::BTreeMap;
use std::ops::Range;

/// Size of a page.
pub(crate) const PAGE: usize = 0x1000;
/// Reservations start at multiples of this.
pub(crate) const GRANULARITY: usize = 0x1_0000;

/// Where a region's memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// `VirtualAlloc`.
    Private,
    /// A view of a section.
    Mapped,
}

/// A stretch of pages in one state; `None` is reserved only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Addresses.
    pub(crate) range: Range<usize>,
    /// Protection of committed pages, in Windows' numbers.
    pub(crate) protection: Option<u32>,
}

/// One reservation or view.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    /// Addresses.
    pub(crate) range: Range<usize>,
    /// Where its memory comes from.
    pub(crate) backing: Backing,
    /// Protection asked for when it was made.
    pub(crate) initial: u32,
    /// Committed stretches by start: end and protection.
    committed: BTreeMap<usize, (usize, u32)>,
}

impl Region {
    /// A region with no committed page.
    pub(crate) fn new(range: Range<usize>, backing: Backing, initial: u32) -> Self {
        Self { range, backing, initial, committed: BTreeMap::new() }
    }

    /// The stretch around an address, inside the region.
    pub(crate) fn run(&self, address: usize) -> Run {
        if let Some((start, (end, protection))) = self.committed.range(..=address).next_back()
            && address < *end
        {
            return Run { range: *start..*end, protection: Some(*protection) };
        }
        let start =
            self.committed.range(..=address).next_back().map_or(self.range.start, |(_, (end, _))| *end);
        let end = self.committed.range(address..).next().map_or(self.range.end, |(start, _)| *start);
        Run { range: start..end, protection: None }
    }

    /// Stretches of a range, in order, cut to it.
    pub(crate) fn runs(&self, range: Range<usize>) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let run = self.run(at);
            let end = run.range.end.min(range.end);
            runs.push(Run { range: at..end, protection: run.protection });
            at = end;
        }
        runs
    }

    /// Whether every page of a range is committed.
    pub(crate) fn is_committed(&self, range: Range<usize>) -> bool {
        self.runs(range).iter().all(|run| run.protection.is_some())
    }

    /// Sets the state of a range.
    pub(crate) fn set(&mut self, range: Range<usize>, protection: Option<u32>) {
        for run in self.runs(range.clone()) {
            self.cut(run.range);
        }
        let Some(protection) = protection else { return };
        let mut merged = range;
        if let Some((start, (end, before))) = self.committed.range(..merged.start).next_back()
            && *end == merged.start
            && *before == protection
        {
            merged.start = *start;
        }
        if let Some((end, after)) = self.committed.get(&merged.end).copied()
            && after == protection
        {
            self.committed.remove(&merged.end);
            merged.end = end;
        }
        self.committed.insert(merged.start, (merged.end, protection));
    }

    /// Makes a range, which lies inside one run, reserved.
    fn cut(&mut self, range: Range<usize>) {
        let run = self.run(range.start);
        let Some(protection) = run.protection else { return };
        self.committed.remove(&run.range.start);
        if run.range.start < range.start {
            self.committed.insert(run.range.start, (range.start, protection));
        }
        if range.end < run.range.end {
            self.committed.insert(range.end, (run.range.end, protection));
        }
    }
}

/// Every region of the process, by start.
#[derive(Debug, Default)]
pub(crate) struct Space {
    regions: BTreeMap<usize, Region>,
}

impl Space {
    /// An empty space.
    pub(crate) const fn new() -> Self {
        Self { regions: BTreeMap::new() }
    }

    /// Adds a region.
    pub(crate) fn insert(&mut self, region: Region) {
        self.regions.insert(region.range.start, region);
    }

    /// Takes the region that starts at an address.
    pub(crate) fn remove(&mut self, start: usize) -> Option<Region> {
        self.regions.remove(&start)
    }

    /// The region around an address.
    pub(crate) fn find(&self, address: usize) -> Option<&Region> {
        self.regions
            .range(..=address)
            .next_back()
            .map(|(_, region)| region)
            .filter(|region| address < region.range.end)
    }

    /// The region that holds a whole range.
    pub(crate) fn find_mut(&mut self, range: &Range<usize>) -> Option<&mut Region> {
        let region = self.regions.range_mut(..=range.start).next_back().map(|(_, region)| region)?;
        (range.start < region.range.end && range.end <= region.range.end).then_some(region)
    }
}

/// The pages that bytes touch; `None` if they pass the end of the address space.
pub(crate) fn pages(address: usize, size: usize) -> Option<Range<usize>> {
    let end = address.checked_add(size)?.checked_next_multiple_of(PAGE)?;
    Some(address / PAGE * PAGE..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: usize = 0x10_0000;

    fn region() -> Region {
        Region::new(BASE..BASE + 0x1_0000, Backing::Private, 4)
    }

    fn page(index: usize) -> usize {
        BASE + index * PAGE
    }

    #[test]
    fn a_new_region_is_one_reserved_run() {
        assert_eq!(region().run(page(3)), Run { range: BASE..BASE + 0x1_0000, protection: None });
    }

    #[test]
    fn committing_splits_and_joins_runs() {
        let mut region = region();
        region.set(page(2)..page(4), Some(4));
        region.set(page(4)..page(5), Some(4));
        assert_eq!(region.run(page(3)), Run { range: page(2)..page(5), protection: Some(4) });
        assert_eq!(region.run(page(0)), Run { range: page(0)..page(2), protection: None });
        assert_eq!(region.run(page(9)), Run { range: page(5)..page(16), protection: None });
        assert!(region.is_committed(page(2)..page(5)));
        assert!(!region.is_committed(page(1)..page(3)));
    }

    #[test]
    fn protecting_the_middle_leaves_both_ends() {
        let mut region = region();
        region.set(page(0)..page(6), Some(4));
        region.set(page(2)..page(3), Some(2));
        let protections: Vec<_> =
            region.runs(page(0)..page(7)).into_iter().map(|run| run.protection).collect();
        assert_eq!(protections, [Some(4), Some(2), Some(4), None]);
    }

    #[test]
    fn decommitting_makes_a_hole() {
        let mut region = region();
        region.set(page(0)..page(6), Some(4));
        region.set(page(1)..page(2), None);
        assert!(!region.is_committed(page(0)..page(6)));
        assert!(region.is_committed(page(2)..page(6)));
    }

    #[test]
    fn a_range_that_leaves_its_region_is_not_found() {
        let mut space = Space::new();
        space.insert(region());
        assert!(space.find_mut(&(page(15)..page(16))).is_some());
        assert!(space.find_mut(&(page(15)..page(17))).is_none());
        assert!(space.find(page(16)).is_none());
    }

    #[test]
    fn bytes_touch_whole_pages() {
        assert_eq!(pages(0x1FFF, 2), Some(0x1000..0x3000));
        assert_eq!(pages(usize::MAX, 2), None);
    }
}
