//! Cases.

pub(super) const CASES: &[crate::cases::Case] = &[];
