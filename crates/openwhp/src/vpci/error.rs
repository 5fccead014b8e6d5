//! Why something about a virtual PCI device failed.

use super::VpciMessage;
use super::VpciPower;

/// A call about a virtual PCI device failed; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VpciError {
    /// The partition is not set up.
    #[error("the partition is not set up")]
    NotSetUp,
    /// The partition was configured without devices.
    #[error("the partition does not allow devices; set the property AllowDeviceAssignment before set-up")]
    NotAllowed,
    /// The identifier is in use.
    #[error("the partition has a device {0:#x} already")]
    Exists(u64),
    /// No device has the identifier.
    #[error("the partition has no device {0:#x}")]
    NoDevice(u64),
    /// The resource has no hardware for a device that is to stand for some.
    #[error("an empty resource cannot back a device by hardware; leave the flag out")]
    NoHardware,
    /// Something needs a device that is on.
    #[error("device {device:#x} is in power state {power:?}; set D0 first")]
    NotOn {
        /// Which device.
        device: u64,
        /// Its state.
        power: VpciPower,
    },
    /// No register is there, or it has another width.
    #[error("no register of {size} bytes at offset {offset:#x}")]
    BadRegister {
        /// Offset asked for.
        offset: u64,
        /// Width in bytes.
        size: usize,
    },
    /// An interrupt target cannot be.
    #[error("an interrupt target is refused: {0}")]
    BadTarget(&'static str),
    /// An interrupt index or count of messages is out of range.
    #[error(
        "interrupt {index} with {messages} messages: an index is below 65536, messages are 1, 2, 4 .. 32"
    )]
    BadMessages {
        /// Index of the interrupt.
        index: u32,
        /// Messages asked for.
        messages: u32,
    },
    /// The interrupt's entry is in use.
    #[error("interrupt {0} is mapped already")]
    InUse(u32),
    /// The interrupt has no entry.
    #[error("interrupt {0} is not mapped")]
    NotMapped(u32),
    /// No entry has the message.
    #[error("no interrupt has the message {:#x} at {:#x}", .0.data, .0.address)]
    NoMessage(VpciMessage),
    /// The message's address is beyond those that interrupts have.
    #[error("no interrupt message has an address of {0:#x}")]
    BadAddress(u64),
    /// The client does not raise this device's interrupts.
    #[error("device {0:#x} was created without logical interrupts")]
    NoLogicalInterrupts(u64),
}
