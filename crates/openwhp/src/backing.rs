//! Which memory objects a partition keeps alive, and for which guest pages.

use std::collections::BTreeMap;

use crate::GuestMemory;

/// Owners of mapped ranges, by guest address. Ranges never overlap.
#[derive(Debug, Default)]
pub(crate) struct Backing {
    ranges: BTreeMap<u64, (u64, GuestMemory)>,
}

impl Backing {
    /// Forgets owners of `[start, end)`, splitting ranges that stick out. Returns what was let go, so that the caller
    /// can drop it when no processor uses it any more.
    pub(crate) fn release(&mut self, start: u64, end: u64) -> Vec<GuestMemory> {
        let first = self.ranges.range(..start).next_back().map_or(start, |(&key, _)| key);
        let keys: Vec<u64> = self.ranges.range(first..end).map(|(&key, _)| key).collect();
        let mut released = Vec::new();
        for key in keys {
            let Some((range_end, owner)) = self.ranges.remove(&key) else { continue };
            if range_end <= start {
                self.ranges.insert(key, (range_end, owner));
                continue;
            }
            if key < start {
                self.ranges.insert(key, (start, owner.clone()));
            }
            if range_end > end {
                self.ranges.insert(end, (range_end, owner.clone()));
            }
            released.push(owner);
        }
        released
    }

    /// Remembers the owner of `[start, end)`, which must have been released before.
    pub(crate) fn insert(&mut self, start: u64, end: u64, owner: GuestMemory) {
        self.ranges.insert(start, (end, owner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(backing: &Backing) -> Vec<(u64, u64)> {
        backing.ranges.iter().map(|(&start, (end, _))| (start, *end)).collect()
    }

    #[test]
    fn releasing_the_middle_keeps_both_ends() {
        let memory = GuestMemory::new(0x4000).expect("memory");
        let mut backing = Backing::default();
        backing.insert(0x1000, 0x5000, memory);
        assert_eq!(backing.release(0x2000, 0x3000).len(), 1);
        assert_eq!(keys(&backing), [(0x1000, 0x2000), (0x3000, 0x5000)]);
        assert_eq!(backing.release(0, 0x10000).len(), 2);
        assert!(keys(&backing).is_empty());
    }

    #[test]
    fn releasing_next_to_a_range_leaves_it() {
        let memory = GuestMemory::new(0x4000).expect("memory");
        let mut backing = Backing::default();
        backing.insert(0x1000, 0x2000, memory);
        assert!(backing.release(0x2000, 0x3000).is_empty());
        assert!(backing.release(0, 0x1000).is_empty());
        assert_eq!(keys(&backing), [(0x1000, 0x2000)]);
    }
}
