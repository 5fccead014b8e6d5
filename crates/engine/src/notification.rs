//! What ties a guest's actions to events of the host, and the other way round.

use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::Gpa;
use crate::PAGE_SIZE;
use crate::VpIndex;

/// An event of the host: an eventfd. Clones mean the same event; the descriptor closes with the last of them.
///
/// Engines signal it, and may hand its descriptor to a kernel that signals it without them.
#[derive(Clone, Debug)]
pub struct Event(Arc<File>);

impl Event {
    /// Sets the event: adds 1 to the eventfd's counter. Setting a set event changes nothing that a waiter can see.
    pub fn signal(&self) {
        // A counter that is full already is a set event; nothing else can fail on an eventfd.
        let _ = (&*self.0).write(&1_u64.to_ne_bytes());
    }

    /// Clears the event and says how often it was set. Waits first if it is not set and the descriptor is blocking.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if it is not set and the descriptor does not block.
    pub fn take(&self) -> io::Result<u64> {
        let mut count = [0; 8];
        (&*self.0).read_exact(&mut count)?;
        Ok(u64::from_ne_bytes(count))
    }
}

impl From<OwnedFd> for Event {
    /// The event behind an eventfd.
    fn from(descriptor: OwnedFd) -> Self {
        Self(Arc::new(File::from(descriptor)))
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Which stores of the guest ring a doorbell.
///
/// # Source
/// WHP `WHV_DOORBELL_MATCH_DATA`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DoorbellMatch {
    /// Where the store starts.
    pub gpa: Gpa,
    /// Its length in bytes (1, 2, 4 or 8); `None` for any.
    pub length: Option<u8>,
    /// Its value; `None` for any. Needs a length.
    pub value: Option<u64>,
}

impl DoorbellMatch {
    /// Checks that the data make sense on their own: a value only with a length, a length that a store can have, a value
    /// that fits it, a store that crosses no page.
    ///
    /// # Errors
    /// [`NotificationError::BadMatch`].
    pub fn check(&self) -> Result<(), NotificationError> {
        let bad = |why| Err(NotificationError::BadMatch(why));
        match (self.length, self.value) {
            (None, Some(_)) => bad("a value is matched only together with a length"),
            (Some(length), _) if ![1, 2, 4, 8].contains(&length) => bad("the length is not 1, 2, 4 or 8"),
            (Some(length), Some(value)) if length < 8 && value >> (length * 8) != 0 => {
                bad("the value does not fit the length")
            }
            (Some(length), _) if u64::from(length) + self.gpa.page_offset() > PAGE_SIZE => {
                bad("the store would cross a page")
            }
            _ => Ok(()),
        }
    }

    /// True if a store rings it.
    pub fn matches(&self, gpa: Gpa, length: u8, value: u64) -> bool {
        self.gpa == gpa
            && self.length.is_none_or(|needed| needed == length)
            && self.value.is_none_or(|needed| needed == value)
    }

    /// True if the two cannot exist beside each other: at one address, only doorbells of one length with values that
    /// differ can.
    pub fn conflicts(&self, other: &DoorbellMatch) -> bool {
        let is_separate = match (self.value, other.value) {
            (Some(one), Some(another)) => self.length == other.length && one != another,
            _ => false,
        };
        self.gpa == other.gpa && !is_separate
    }
}

/// A doorbell or an event port was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotificationError {
    /// The partition is not set up.
    #[error("the partition is not set up")]
    NotSetUp,
    /// The engine has no doorbells and ports.
    #[error("engine {0} has no doorbells and notification ports")]
    NotAvailable(&'static str),
    /// The match data make no sense.
    #[error("the doorbell's match data are not valid: {0}")]
    BadMatch(&'static str),
    /// Another doorbell answers the same stores.
    #[error("the doorbell at {0} conflicts with one that exists")]
    Conflict(Gpa),
    /// No doorbell has exactly these match data.
    #[error("no doorbell at {0} has these match data")]
    NoDoorbell(Gpa),
    /// Another port has the connection.
    #[error("connection {0:#x} has a port already")]
    ConnectionInUse(u32),
    /// No port has the connection.
    #[error("connection {0:#x} has no port")]
    NoConnection(u32),
    /// The port does not exist (any more).
    #[error("the notification port does not exist")]
    NoPort,
    /// A port's property cannot have the value.
    #[error("the port's property cannot have this value: {0}")]
    BadProperty(&'static str),
    /// The host gave no memory.
    #[error("not enough host memory for the doorbell")]
    OutOfMemory,
}

/// A processor's SynIC could not take an event or a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SynicError {
    /// The partition is not set up.
    #[error("the partition is not set up")]
    NotSetUp,
    /// No such processor.
    #[error("processor {0} does not exist")]
    NoProcessor(VpIndex),
    /// There is no SynIC, or the guest has not switched on what would receive.
    #[error("the SynIC of processor {0} cannot receive now")]
    NotReceiving(VpIndex),
    /// The source is not below 16.
    #[error("SINT {0} is not below 16")]
    BadSint(u32),
    /// The event flag is not below 2048.
    #[error("event flag {0} is not below 2048")]
    BadFlag(u32),
    /// The message is empty, too long or of type 0.
    #[error("the message is not valid: {0}")]
    BadMessage(&'static str),
    /// The guest has not taken the last message yet.
    #[error("the message slot of SINT {0} is occupied")]
    Occupied(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bell(gpa: u64, length: Option<u8>, value: Option<u64>) -> DoorbellMatch {
        DoorbellMatch { gpa: Gpa(gpa), length, value }
    }

    #[test]
    fn only_different_values_of_one_length_live_at_one_address() {
        let one = bell(0x1000, Some(4), Some(1));
        assert!(one.conflicts(&one));
        assert!(!one.conflicts(&bell(0x1000, Some(4), Some(2))));
        assert!(one.conflicts(&bell(0x1000, Some(2), Some(2))));
        assert!(one.conflicts(&bell(0x1000, Some(4), None)));
        assert!(bell(0x1000, None, None).conflicts(&one));
        assert!(!bell(0x1001, None, None).conflicts(&one));
    }

    #[test]
    fn match_data_make_sense_or_are_refused() {
        let is_fine = |gpa, length, value| bell(gpa, length, value).check().is_ok();
        assert!(is_fine(0x1FFF, None, None) && is_fine(0x1001, Some(8), None));
        assert!(is_fine(0x1FF8, Some(8), Some(9)) && is_fine(0, Some(1), Some(0xFF)));
        assert!(is_fine(0, Some(8), Some(u64::MAX)));
        assert!(!is_fine(0, None, Some(0)), "a value without a length");
        assert!(!is_fine(0, Some(0), None) && !is_fine(0, Some(3), None) && !is_fine(0, Some(16), None));
        assert!(!is_fine(0, Some(1), Some(0x100)) && !is_fine(0, Some(4), Some(1 << 32)));
        assert!(!is_fine(0x1FF9, Some(8), None), "a page is crossed");
    }

    #[test]
    fn stores_match_by_start_length_and_value() {
        assert!(bell(0x10, None, None).matches(Gpa(0x10), 2, 7));
        assert!(!bell(0x10, None, None).matches(Gpa(0x11), 1, 7));
        assert!(!bell(0x10, Some(4), None).matches(Gpa(0x10), 2, 7));
        assert!(bell(0x10, Some(4), Some(7)).matches(Gpa(0x10), 4, 7));
        assert!(!bell(0x10, Some(4), Some(7)).matches(Gpa(0x10), 4, 8));
    }
}

/// A guest's wish to send a message of a device elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRetarget {
    /// The device.
    pub device: u64,
    /// Address of the message.
    pub address: u64,
    /// Data of the message.
    pub data: u32,
    /// New vector, as the guest gave it.
    pub vector: u32,
    /// Every processor of the list gets it, rather than one of them.
    pub is_multicast: bool,
    /// New targets.
    pub processors: Vec<VpIndex>,
}

/// What became of a [`DeviceRetarget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceRetargeted {
    /// The message goes to the new target.
    Done,
    /// The device has no such message, or the target cannot be.
    Refused,
    /// There is no such device.
    UnknownDevice,
}

/// Devices of the platform, as guests reach them by hypercall.
pub trait DeviceInterrupts: Send + Sync + std::fmt::Debug {
    /// Gives a message another target. Called by processors inside run: must not block.
    fn retarget(&self, retarget: DeviceRetarget) -> DeviceRetargeted;
}
