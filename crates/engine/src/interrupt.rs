//! Interrupt requests, as a client makes them.

/// Kind of a requested interrupt (`WHV_INTERRUPT_TYPE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum InterruptKind {
    /// A vector to every addressed processor.
    #[default]
    Fixed = 0,
    /// A vector to the addressed processor of lowest priority.
    LowestPriority = 1,
    /// Non-maskable; the vector must be 0.
    Nmi = 4,
    /// INIT.
    Init = 5,
    /// Start-up; the vector is the page to start at.
    Sipi = 6,
    /// A pulse on local interrupt 1; the vector is ignored.
    LocalInt1 = 9,
}

/// How a destination is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum DestinationMode {
    /// An APIC ID.
    #[default]
    Physical = 0,
    /// A logical destination.
    Logical = 1,
}

/// Edge or level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum TriggerMode {
    /// Edge.
    #[default]
    Edge = 0,
    /// Level: the end of interrupt exits to the client.
    Level = 1,
}

/// An interrupt for the local APICs of a partition.
///
/// # Source
/// WHP `WHV_INTERRUPT_CONTROL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct InterruptRequest {
    /// Kind.
    pub kind: InterruptKind,
    /// How `destination` is read.
    pub destination_mode: DestinationMode,
    /// Edge or level.
    pub trigger: TriggerMode,
    /// Who is meant.
    pub destination: u32,
    /// Vector, 0 to 255.
    pub vector: u32,
}

impl InterruptRequest {
    /// The interrupt a device's message with this address and data asks for, or `None` for a delivery mode that
    /// cannot be requested (SMI, external).
    ///
    /// # Source
    /// Intel SDM 3A "Message Signalled Interrupts".
    pub fn from_msi(address: u64, data: u32) -> Option<Self> {
        let kind = match (data >> 8) & 7 {
            0 => InterruptKind::Fixed,
            1 => InterruptKind::LowestPriority,
            4 => InterruptKind::Nmi,
            5 => InterruptKind::Init,
            _ => return None,
        };
        let is_logical = address & 4 != 0;
        let is_level = data & 0x8000 != 0;
        // Bits 11:5 extend the destination to 15 bits where no interrupt remapping is used.
        let destination = ((address >> 12) & 0xFF) as u32 | (((address >> 5) & 0x7F) as u32) << 8;
        Some(Self {
            kind,
            destination_mode: if is_logical { DestinationMode::Logical } else { DestinationMode::Physical },
            trigger: if is_level { TriggerMode::Level } else { TriggerMode::Edge },
            destination,
            vector: if kind == InterruptKind::Nmi || kind == InterruptKind::Init { 0 } else { data & 0xFF },
        })
    }
}
