//! Doorbells and event ports as clients register them.

use openwhp_engine::DoorbellMatch;
use openwhp_engine::EngineNotifications;
use openwhp_engine::Event;
use openwhp_engine::NotificationError;

use crate::doorbells::Doorbells;
use crate::partition::SoftPartition;
use crate::shared::Shared;

impl Shared {
    /// Replaces the doorbells by `make` of them. When it returns no processor uses the old ones.
    fn change_doorbells(
        &self,
        refusal: NotificationError,
        make: impl FnOnce(&Doorbells) -> Option<Doorbells>,
    ) -> Result<(), NotificationError> {
        let changed = self.change_map(|map| Some(map.with_doorbells(make(map.doorbells())?)));
        changed.ok_or(refusal)
    }
}

impl EngineNotifications for SoftPartition {
    fn register_doorbell(&self, doorbell: DoorbellMatch, event: Event) -> Result<(), NotificationError> {
        let refusal = NotificationError::Conflict(doorbell.gpa);
        self.shared.change_doorbells(refusal, |bells| bells.with(doorbell, event))
    }

    fn unregister_doorbell(&self, doorbell: &DoorbellMatch) -> Result<(), NotificationError> {
        let refusal = NotificationError::NoDoorbell(doorbell.gpa);
        self.shared.change_doorbells(refusal, |bells| bells.without(doorbell))
    }

    fn connect(&self, connection: u32, event: Event) -> Result<(), NotificationError> {
        if self.shared.connections.insert(connection, event) {
            Ok(())
        } else {
            Err(NotificationError::ConnectionInUse(connection))
        }
    }

    fn disconnect(&self, connection: u32) -> Result<(), NotificationError> {
        if self.shared.connections.remove(connection) {
            Ok(())
        } else {
            Err(NotificationError::NoConnection(connection))
        }
    }
}
