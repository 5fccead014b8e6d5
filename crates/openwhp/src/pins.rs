//! How often each guest page was pinned.

use std::collections::BTreeMap;

/// Pin counts by guest page number.
#[derive(Debug, Default)]
pub(crate) struct Pins(BTreeMap<u64, u32>);

impl Pins {
    pub(crate) fn add(&mut self, page: u64, count: u64) {
        for page in page..page + count {
            let pins = self.0.entry(page).or_default();
            *pins = pins.saturating_add(1);
        }
    }

    /// Undoes one pin of each page, or names the first page that has none.
    pub(crate) fn remove(&mut self, page: u64, count: u64) -> Result<(), u64> {
        let pages = page..page + count;
        let mut expected = pages.clone();
        for (&pinned, _) in self.0.range(pages.clone()) {
            let wanted = expected.next();
            if wanted != Some(pinned) {
                return Err(wanted.unwrap_or(page));
            }
        }
        if let Some(missing) = expected.next() {
            return Err(missing);
        }
        for page in pages {
            if let Some(pins) = self.0.get_mut(&page) {
                *pins -= 1;
                if *pins == 0 {
                    self.0.remove(&page);
                }
            }
        }
        Ok(())
    }

    /// Drops the pins of pages whose mapping went away.
    pub(crate) fn forget(&mut self, page: u64, count: u64) {
        let gone: Vec<u64> = self.0.range(page..page + count).map(|(&page, _)| page).collect();
        for page in gone {
            self.0.remove(&page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_nest_and_missing_ones_are_named() {
        let mut pins = Pins::default();
        pins.add(4, 3);
        pins.add(5, 1);
        assert_eq!(pins.remove(4, 4), Err(7));
        assert_eq!(pins.remove(4, 3), Ok(()));
        assert_eq!(pins.remove(4, 3), Err(4));
        assert_eq!(pins.remove(5, 1), Ok(()));
        assert_eq!(pins.remove(5, 1), Err(5));
    }

    #[test]
    fn unmapping_forgets_pins() {
        let mut pins = Pins::default();
        pins.add(1, 4);
        pins.forget(2, 1);
        assert_eq!(pins.remove(1, 4), Err(2));
    }
}
