//! The interrupt command register and the requests it makes.

/// How a message or LVT entry wants to be delivered; the three bits 10:8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DeliveryMode {
    /// A vector to every target.
    Fixed = 0,
    /// A vector to the target of lowest priority.
    LowestPriority = 1,
    /// System management interrupt.
    Smi = 2,
    /// Read of a remote register (AMD); reserved elsewhere.
    RemoteRead = 3,
    /// Non-maskable interrupt.
    Nmi = 4,
    /// INIT request.
    Init = 5,
    /// Start-up request (ICR only).
    Startup = 6,
    /// 8259-style external interrupt (LVT only).
    ExtInt = 7,
}

impl DeliveryMode {
    /// Decodes three bits; higher bits are ignored.
    pub const fn from_bits(bits: u32) -> Self {
        match bits & 7 {
            0 => Self::Fixed,
            1 => Self::LowestPriority,
            2 => Self::Smi,
            3 => Self::RemoteRead,
            4 => Self::Nmi,
            5 => Self::Init,
            6 => Self::Startup,
            _ => Self::ExtInt,
        }
    }
}

/// How a destination is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DestinationMode {
    /// With the APIC ID.
    Physical,
    /// With the logical destination register.
    Logical,
}

/// Edge or level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TriggerMode {
    /// Delivered once.
    Edge,
    /// Held until the EOI.
    Level,
}

/// Destination shorthand, bits 19:18 of the command register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shorthand {
    /// Use the destination field.
    None,
    /// The sender.
    ToSelf,
    /// Everyone.
    AllIncludingSelf,
    /// Everyone but the sender.
    AllExcludingSelf,
}

impl Shorthand {
    const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::None,
            1 => Self::ToSelf,
            2 => Self::AllIncludingSelf,
            _ => Self::AllExcludingSelf,
        }
    }
}

/// An inter-processor interrupt for the owner to route.
///
/// With [`Shorthand::None`] the targets are the controllers for which
/// [`LocalApic::matches`](crate::LocalApic::matches) says yes for `destination` and `destination_mode`, the
/// sender among them when it matches. Never an INIT level de-assert: that one goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpiRequest {
    /// 8-bit (xAPIC sender) or 32-bit (x2APIC sender) destination; meaningless with a shorthand.
    pub destination: u32,
    /// How to compare the destination.
    pub destination_mode: DestinationMode,
    /// Shorthand instead of a destination.
    pub shorthand: Shorthand,
    /// What to deliver.
    pub delivery_mode: DeliveryMode,
    /// Level bit of the command register as written.
    pub is_assert: bool,
    /// Trigger to deliver with: always edge, the bit means something for INIT de-assert only.
    pub trigger: TriggerMode,
    /// Vector, start-up page, or register number of a remote read.
    pub vector: u8,
    /// The 64-bit command register as written (destination in bits 63:56 in xAPIC mode).
    pub raw_icr: u64,
}

/// What to make of a command register write.
pub(crate) enum Command {
    Send(IpiRequest),
    IllegalVector,
    Nothing,
}

/// Decodes a command register of an APIC in xAPIC (`is_x2apic` false) or x2APIC mode.
///
/// # Source
/// Intel SDM 3A "Interrupt Command Register (ICR)", "Valid Combinations for the ... Interrupt Command Register".
pub(crate) fn decode(icr: u64, is_x2apic: bool, remote_read: bool) -> Command {
    let low = icr as u32;
    let request = IpiRequest {
        destination: if is_x2apic { (icr >> 32) as u32 } else { (icr >> 56) as u32 },
        destination_mode: if low & 1 << 11 != 0 {
            DestinationMode::Logical
        } else {
            DestinationMode::Physical
        },
        shorthand: Shorthand::from_bits(low >> 18),
        delivery_mode: DeliveryMode::from_bits(low >> 8),
        is_assert: low & 1 << 14 != 0,
        trigger: TriggerMode::Edge,
        vector: low as u8,
        raw_icr: icr,
    };
    let is_level = low & 1 << 15 != 0;
    let reaches_self = matches!(request.shorthand, Shorthand::ToSelf | Shorthand::AllIncludingSelf);
    match request.delivery_mode {
        DeliveryMode::Fixed | DeliveryMode::LowestPriority if request.vector < 16 => Command::IllegalVector,
        DeliveryMode::Init if is_level && !request.is_assert => Command::Nothing,
        DeliveryMode::Init | DeliveryMode::Startup if reaches_self => Command::Nothing,
        DeliveryMode::RemoteRead if !remote_read || request.shorthand != Shorthand::None => Command::Nothing,
        DeliveryMode::ExtInt => Command::Nothing,
        _ => Command::Send(request),
    }
}
