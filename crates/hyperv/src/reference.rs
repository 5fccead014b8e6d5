//! Contents of the reference TSC page.

use crate::PageMemory;

/// Sequence number that sends guests to the register.
const INVALID: u32 = 0;
/// Also never used: older guests took it for invalid.
const RESERVED: u32 = u32::MAX;

/// Reference time as a function of the TSC: `(tsc * scale >> 64) + offset`, in 100 ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ReferencePage {
    /// Changes whenever scale or offset do; 0 means "ask the register".
    pub sequence: u32,
    /// 2^64 times 100-ns units per TSC tick.
    pub scale: u64,
    /// Added to the scaled TSC.
    pub offset: i64,
}

/// The scale of a TSC rate in Hz; 0 if the rate is too low to be scaled.
pub fn scale_of(tsc_hz: u64) -> u64 {
    let units = 10_000_000_u128 << 64;
    u64::try_from(units / u128::from(tsc_hz.max(1))).unwrap_or(0)
}

/// The sequence number after `sequence`, passing over those with a meaning of their own.
pub fn next_sequence(sequence: u32) -> u32 {
    match sequence.wrapping_add(1) {
        INVALID | RESERVED => 1,
        next => next,
    }
}

impl ReferencePage {
    /// The page by which a TSC of `tsc` gives `reference_100ns`, at a rate; invalid where the rate cannot be scaled.
    pub fn new(sequence: u32, tsc_hz: u64, tsc: u64, reference_100ns: u64) -> Self {
        let scale = scale_of(tsc_hz);
        let offset = reference_100ns.wrapping_sub(scaled(tsc, scale)) as i64;
        Self { sequence: if scale == 0 { INVALID } else { sequence }, scale, offset }
    }

    /// What a guest computes.
    pub fn time(&self, tsc: u64) -> u64 {
        scaled(tsc, self.scale).wrapping_add(self.offset as u64)
    }

    /// Writes the page so that a guest reading along never mixes old and new.
    ///
    /// # Source
    /// TLFS "Partition Reference TSC Mechanism".
    pub fn write(&self, page: &dyn PageMemory) {
        page.fetch_and(0, INVALID);
        page.store(8, self.scale as u32);
        page.store(12, (self.scale >> 32) as u32);
        page.store(16, self.offset as u32);
        page.store(20, (self.offset >> 32) as u32);
        page.store(0, self.sequence);
    }
}

fn scaled(tsc: u64, scale: u64) -> u64 {
    ((u128::from(tsc) * u128::from(scale)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HeapPage;

    #[test]
    fn sequences_pass_over_the_special_numbers() {
        assert_eq!(next_sequence(0), 1);
        assert_eq!(next_sequence(u32::MAX - 1), 1);
        assert_eq!(next_sequence(7), 8);
    }

    #[test]
    fn the_page_holds_what_a_guest_computes_with() {
        let page = HeapPage::new();
        let reference = ReferencePage::new(3, 1_000_000_000, 500, 77);
        reference.write(&page);
        let scale = u64::from(page.load(12)) << 32 | u64::from(page.load(8));
        let offset = u64::from(page.load(20)) << 32 | u64::from(page.load(16));
        assert_eq!((page.load(0), scale, offset as i64), (3, reference.scale, reference.offset));
        assert_eq!(reference.time(500), 77);
    }

    proptest::proptest! {
        #[test]
        fn time_advances_at_ten_megahertz(
            hz in 1_000_000_000_u64..5_000_000_000, tsc: u64, start in 0..u64::MAX / 4, seconds in 0_u64..1_000_000,
        ) {
            let tsc = tsc >> 8;
            let reference = ReferencePage::new(1, hz, tsc, start);
            let later = reference.time(tsc + hz * seconds);
            let expected = start + seconds * 10_000_000;
            proptest::prop_assert!(later.abs_diff(expected) <= 2);
        }
    }
}
