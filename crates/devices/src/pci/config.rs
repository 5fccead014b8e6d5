//! The 256 bytes of configuration space of one function: header, BAR 0, capabilities, write masks.

/// Offset of the command register.
pub const COMMAND: u8 = 0x04;
/// Offset of the status register.
pub const STATUS: u8 = 0x06;
/// Offset of the first BAR.
pub const BAR0: u8 = 0x10;

/// Command bit: the function decodes its memory BARs.
pub const COMMAND_MEMORY: u16 = 1 << 1;
/// Command bit: the function may access memory and send messages.
pub const COMMAND_MASTER: u16 = 1 << 2;
/// Command bit: INTA is off.
pub const COMMAND_NO_INTX: u16 = 1 << 10;

const STATUS_INTERRUPT: u16 = 1 << 3;
const STATUS_CAPABILITIES: u16 = 1 << 4;
const CAPABILITY_POINTER: u8 = 0x34;
const INTERRUPT_LINE: u8 = 0x3c;
const INTERRUPT_PIN: u8 = 0x3d;

/// What a function says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor number.
    pub vendor: u16,
    /// Device number.
    pub device: u16,
    /// Class, subclass and programming interface, highest byte first.
    pub class: u32,
    /// Revision.
    pub revision: u8,
    /// Subsystem vendor number.
    pub subsystem_vendor: u16,
    /// Subsystem number.
    pub subsystem: u16,
}

/// Configuration space. `Clone` exports its whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSpace {
    bytes: [u8; 256],
    writable: [u8; 256],
    next_capability: u8,
    last_link: u8,
}

impl ConfigSpace {
    /// Makes the header of a type 0 function without BARs and capabilities.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        let mut space = Self {
            bytes: [0; 256],
            writable: [0; 256],
            next_capability: 0x40,
            last_link: CAPABILITY_POINTER,
        };
        space.set_u16(0x00, identity.vendor);
        space.set_u16(0x02, identity.device);
        space.set_u32(0x08, identity.class << 8 | u32::from(identity.revision));
        space.set_u16(0x2c, identity.subsystem_vendor);
        space.set_u16(0x2e, identity.subsystem);
        let command = COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX;
        space.set_mask(COMMAND, &command.to_le_bytes());
        space.set_mask(INTERRUPT_LINE, &[0xff]);
        space
    }

    /// Adds BAR 0: 32-bit memory of `length` bytes (a power of two) at `base`.
    pub fn set_bar0(&mut self, base: u32, length: u32) {
        self.set_u32(BAR0, base);
        self.set_mask(BAR0, &(!(length - 1)).to_le_bytes());
    }

    /// Gives the function an interrupt pin, INTA, wired to `line`.
    pub fn set_interrupt(&mut self, line: u8) {
        self.bytes[usize::from(INTERRUPT_LINE)] = line;
        self.bytes[usize::from(INTERRUPT_PIN)] = 1;
    }

    /// Appends a capability, `body` following its two-byte header; returns its offset.
    ///
    /// # Panics
    /// When the capabilities do not fit into 256 bytes: a mistake of the device's author.
    pub fn add_capability(&mut self, id: u8, body: &[u8]) -> u8 {
        let at = self.next_capability;
        let start = usize::from(at);
        self.bytes[start] = id;
        self.bytes[start + 2..start + 2 + body.len()].copy_from_slice(body);
        self.bytes[usize::from(self.last_link)] = at;
        self.last_link = at + 1;
        self.next_capability = (start + 2 + body.len()).next_multiple_of(4) as u8;
        let status = self.u16(STATUS) | STATUS_CAPABILITIES;
        self.set_u16(STATUS, status);
        at
    }

    /// Makes the bits of `mask` from `offset` on writable by the guest.
    pub fn set_mask(&mut self, offset: u8, mask: &[u8]) {
        let start = usize::from(offset);
        self.writable[start..start + mask.len()].copy_from_slice(mask);
    }

    /// Reads; bytes past the end are zero.
    pub fn read(&self, offset: u8, bytes: &mut [u8]) {
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = self.bytes.get(usize::from(offset) + index).copied().unwrap_or(0);
        }
    }

    /// Writes the writable bits; the rest stays.
    pub fn write(&mut self, offset: u8, bytes: &[u8]) {
        for (index, value) in bytes.iter().enumerate() {
            let at = usize::from(offset) + index;
            if let (Some(byte), Some(mask)) = (self.bytes.get_mut(at), self.writable.get(at)) {
                *byte = (*byte & !mask) | (value & mask);
            }
        }
    }

    /// The 16-bit register at `offset`.
    #[must_use]
    pub fn u16(&self, offset: u8) -> u16 {
        let mut bytes = [0; 2];
        self.read(offset, &mut bytes);
        u16::from_le_bytes(bytes)
    }

    /// The 32-bit register at `offset`.
    #[must_use]
    pub fn u32(&self, offset: u8) -> u32 {
        let mut bytes = [0; 4];
        self.read(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// Whether a command bit is set.
    #[must_use]
    pub fn has_command(&self, bit: u16) -> bool {
        self.u16(COMMAND) & bit != 0
    }

    /// Shows the INTA request in the status register.
    pub fn set_interrupt_status(&mut self, asserted: bool) {
        let status = self.u16(STATUS) & !STATUS_INTERRUPT;
        self.set_u16(STATUS, if asserted { status | STATUS_INTERRUPT } else { status });
    }

    fn set_u16(&mut self, offset: u8, value: u16) {
        self.bytes[usize::from(offset)..][..2].copy_from_slice(&value.to_le_bytes());
    }

    fn set_u32(&mut self, offset: u8, value: u32) {
        self.bytes[usize::from(offset)..][..4].copy_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> ConfigSpace {
        ConfigSpace::new(Identity {
            vendor: 0x1af4,
            device: 0x1042,
            class: 0x01_80_00,
            revision: 1,
            subsystem_vendor: 0x1af4,
            subsystem: 2,
        })
    }

    #[test]
    fn identity_is_read_only() {
        let mut space = space();
        space.write(0, &[0xff; 4]);
        assert_eq!(space.u32(0), 0x1042_1af4);
        assert_eq!(space.u32(8), 0x0180_0001);
    }

    #[test]
    fn a_bar_reports_its_size() {
        let mut space = space();
        space.set_bar0(0xc000_0000, 0x8000);
        space.write(BAR0, &[0xff; 4]);
        assert_eq!(space.u32(BAR0), 0xffff_8000);
    }

    #[test]
    fn capabilities_form_a_list() {
        let mut space = space();
        let first = space.add_capability(0x09, &[0; 14]);
        let second = space.add_capability(0x11, &[0; 10]);
        let mut byte = [0];
        space.read(CAPABILITY_POINTER, &mut byte);
        assert_eq!(byte[0], first);
        space.read(first + 1, &mut byte);
        assert_eq!(byte[0], second);
        space.read(second + 1, &mut byte);
        assert_eq!(byte[0], 0);
        assert_eq!(space.u16(STATUS) & STATUS_CAPABILITIES, STATUS_CAPABILITIES);
    }

    #[test]
    fn reads_past_the_end_are_zero() {
        let mut bytes = [0xff; 4];
        space().read(0xfe, &mut bytes);
        assert_eq!(bytes, [0; 4]);
    }
}
