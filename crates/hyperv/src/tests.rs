//! Whole-crate properties.

use proptest::prelude::*;

use crate::Features;
use crate::HeapPage;
use crate::Msr;
use crate::Partition;
use crate::Vp;

proptest! {
    /// Whatever a guest writes into whatever register: reading it back and writing that again changes nothing.
    #[test]
    fn registers_accept_back_what_they_read(
        writes in proptest::collection::vec((Msr::FIRST..=Msr::LAST, any::<u64>()), 1..40),
    ) {
        let features = Features::IMPLEMENTED;
        let (mut partition, mut vp, page) = (Partition::new(), Vp::new(), HeapPage::new());
        for (index, value) in writes {
            match Msr::find(features, index) {
                Some(Msr::Partition(msr)) => { let _ = partition.write(msr, value, 48); }
                Some(Msr::Vp(msr)) => {
                    let _ = vp.write(features, msr, value, 1000);
                    let _ = vp.advance(1000, &page);
                }
                _ => {}
            }
        }
        for index in Msr::FIRST..=Msr::LAST {
            match Msr::find(features, index) {
                Some(Msr::Partition(msr)) => {
                    let before = partition.read(msr);
                    partition.set(msr, before);
                    prop_assert_eq!(partition.read(msr), before);
                }
                Some(Msr::Vp(msr)) if msr != crate::VpMsr::Sversion => {
                    let before = vp.read(msr);
                    prop_assert!(vp.write(features, msr, before, 1000).is_ok());
                    prop_assert_eq!(vp.read(msr), before);
                }
                _ => {}
            }
        }
    }
}
