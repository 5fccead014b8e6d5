//! The exit context and its payloads.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::enumeration;
use crate::layout::record;

enumeration! {
    /// Who cancelled a run.
    pub struct WHV_RUN_VP_CANCEL_REASON {
        WHvRunVpCancelReasonUser = 0,
    }
}

record! {
    /// Payload of the cancel exit.
    pub struct WHV_RUN_VP_CANCELED_CONTEXT {
        CancelReason: WHV_RUN_VP_CANCEL_REASON,
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_RUN_VP_CANCEL_REASON>("WHV_RUN_VP_CANCEL_REASON"),
    WHV_RUN_VP_CANCELED_CONTEXT::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[WHV_RUN_VP_CANCEL_REASON::ENUMERATION];
