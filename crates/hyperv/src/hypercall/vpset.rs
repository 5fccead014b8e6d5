//! Sets of processors in hypercalls.

use crate::hypercall::Status;

/// Banks of 64 processors a sparse set can name.
const BANKS: usize = 64;
/// Formats of a sparse set.
const SPARSE: u64 = 0;
const EVERYBODY: u64 = 1;

/// A set of processors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpSet {
    is_all: bool,
    banks: [u64; BANKS],
}

impl VpSet {
    /// All processors of the partition.
    pub fn all() -> Self {
        Self { is_all: true, banks: [u64::MAX; BANKS] }
    }

    /// Processors 0 to 63 by a mask.
    pub fn of_mask(mask: u64) -> Self {
        let mut banks = [0; BANKS];
        banks[0] = mask;
        Self { is_all: false, banks }
    }

    /// A set as it stands in a header: format, mask of banks, then the banks that the mask names.
    ///
    /// # Errors
    /// [`Status::InvalidParameter`] for an unknown format, [`Status::InvalidHypercallInput`] if there are other than the
    /// banks named.
    ///
    /// # Source
    /// TLFS "Sparse Virtual Processor Set".
    pub fn decode(words: &[u64]) -> Result<Self, Status> {
        let [format, mask, contents @ ..] = words else { return Err(Status::InvalidHypercallInput) };
        match *format {
            EVERYBODY => Ok(Self::all()),
            SPARSE if mask.count_ones() as usize == contents.len() => {
                let mut banks = [0; BANKS];
                let named = (0..BANKS).filter(|bank| mask & 1 << bank != 0);
                for (bank, content) in named.zip(contents) {
                    banks[bank] = *content;
                }
                Ok(Self { is_all: false, banks })
            }
            SPARSE => Err(Status::InvalidHypercallInput),
            _ => Err(Status::InvalidParameter),
        }
    }

    /// Whether it names every processor there is.
    pub fn is_all(&self) -> bool {
        self.is_all
    }

    /// Whether it names a processor.
    pub fn contains(&self, index: u32) -> bool {
        let bank = self.banks.get(index as usize / 64);
        bank.is_some_and(|bank| bank & 1 << (index % 64) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members(set: &VpSet) -> Vec<u32> {
        (0..5000).filter(|index| set.contains(*index)).collect()
    }

    #[test]
    fn masks_name_the_first_processors() {
        assert_eq!(members(&VpSet::of_mask(1 << 63 | 5)), [0, 2, 63]);
    }

    #[test]
    fn sparse_sets_name_banks() {
        let set = VpSet::decode(&[0, 0b1010, 1, 1 << 63]).expect("legal");
        assert_eq!(members(&set), [64, 255]);
        assert!(!set.is_all());
        assert!(VpSet::decode(&[1, 0]).expect("legal").is_all());
        assert_eq!(members(&VpSet::decode(&[0, 0]).expect("legal")), []);
    }

    #[test]
    fn malformed_sets_are_refused() {
        for (words, status) in [
            (&[][..], Status::InvalidHypercallInput),
            (&[0], Status::InvalidHypercallInput),
            (&[0, 3, 1], Status::InvalidHypercallInput),
            (&[0, 1, 1, 1], Status::InvalidHypercallInput),
            (&[2, 0], Status::InvalidParameter),
        ] {
            assert_eq!(VpSet::decode(words), Err(status));
        }
    }

    proptest! {
        #[test]
        fn every_bank_lands_where_its_bit_says(banks in proptest::collection::btree_map(0_u32..64, any::<u64>(), 0..64)) {
            let mask = banks.keys().fold(0_u64, |mask, bank| mask | 1 << bank);
            let mut words = vec![0, mask];
            words.extend(banks.values());
            let set = VpSet::decode(&words).expect("legal");
            for index in 0..4096 {
                let expected = banks.get(&(index / 64)).is_some_and(|bank| bank & 1 << (index % 64) != 0);
                prop_assert_eq!(set.contains(index), expected);
            }
        }
    }
}
