//! The interrupt messages that chips and devices hand out.

/// What a message asks the addressed local APIC to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryMode {
    /// Deliver the vector to every addressed processor.
    Fixed,
    /// Deliver the vector to the addressed processor that has the lowest priority.
    LowestPriority,
    /// System management interrupt.
    Smi,
    /// Non-maskable interrupt.
    Nmi,
    /// INIT.
    Init,
    /// Take the vector from the 8259A pair.
    ExtInt,
}

impl DeliveryMode {
    /// Reads the three-bit field used by I/O APIC entries and MSI data words; reserved codes act as fixed.
    ///
    /// # Source
    /// Intel SDM 3A "Message Signalled Interrupts", message data register format.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        match bits & 7 {
            1 => Self::LowestPriority,
            2 => Self::Smi,
            4 => Self::Nmi,
            5 => Self::Init,
            7 => Self::ExtInt,
            _ => Self::Fixed,
        }
    }
}

/// One interrupt message on its way to the local APICs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterruptMessage {
    /// What is asked for.
    pub delivery: DeliveryMode,
    /// The vector, for the delivery modes that have one.
    pub vector: u8,
    /// The destination, in the sense that `is_logical` gives it.
    pub destination: u32,
    /// The destination is a logical one.
    pub is_logical: bool,
    /// Level-triggered: the receiver reports the end of interrupt.
    pub is_level: bool,
}

impl InterruptMessage {
    /// Decodes a message-signalled interrupt; `None` when `address` is not in the interrupt window.
    ///
    /// # Source
    /// Intel SDM 3A "Message Signalled Interrupts".
    #[must_use]
    pub fn from_msi(address: u64, data: u32) -> Option<Self> {
        if address >> 20 != 0xfee {
            return None;
        }
        // Bits 11:5 carry destination bits 14:8 where the platform offers extended destinations.
        let low = (address >> 12) as u32 & 0xff;
        let extended = (address >> 5) as u32 & 0x7f;
        Some(Self {
            delivery: DeliveryMode::from_bits((data >> 8) as u8),
            vector: data as u8,
            destination: low | (extended << 8),
            is_logical: address & 4 != 0,
            is_level: data & (1 << 15) != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn msi_words_decode_to_their_fields() {
        let message = InterruptMessage::from_msi(0xfee0_3004, 0x0000_0141).expect("in the window");
        assert_eq!(message.delivery, DeliveryMode::LowestPriority);
        assert_eq!(message.vector, 0x41);
        assert_eq!(message.destination, 3);
        assert!(message.is_logical);
        assert!(!message.is_level);
    }

    #[test]
    fn addresses_outside_the_window_are_no_interrupts() {
        assert_eq!(InterruptMessage::from_msi(0xfed0_0000, 0x41), None);
        assert_eq!(InterruptMessage::from_msi(0x1_fee0_0000, 0x41), None);
    }
}
