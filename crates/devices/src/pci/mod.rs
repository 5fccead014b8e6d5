//! PCI bus 0: a host bridge and functions behind it, reached through ports CF8h/CFCh and through the
//! memory-mapped configuration window (ECAM).
//!
//! # Source
//! PCI Local Bus Specification 3.0 "Configuration Space"; PCI Express Base Specification "Enhanced
//! Configuration Access Mechanism".

pub mod config;
pub mod msix;

use crate::message::InterruptMessage;
use crate::ram::GuestRam;
use config::ConfigSpace;
use config::Identity;

/// Devices that fit on the bus.
pub const SLOTS: usize = 32;

/// Bytes of the memory-mapped configuration window for the one bus there is.
pub const ECAM_LENGTH: u64 = 1 << 20;

/// One single-function device on the bus.
pub trait PciFunction: Send {
    /// Reads `bytes.len()` bytes of configuration space; the access is aligned and within 256 bytes.
    fn read_config(&mut self, offset: u8, bytes: &mut [u8]);
    /// Writes configuration space; the access is aligned and within 256 bytes.
    fn write_config(&mut self, offset: u8, bytes: &[u8], ram: &dyn GuestRam);
    /// Offset of `gpa` in the function's memory BAR, when it decodes that address.
    fn decode(&self, gpa: u64) -> Option<u64>;
    /// Reads from the memory BAR.
    fn read_bar(&mut self, offset: u64, bytes: &mut [u8]);
    /// Writes to the memory BAR.
    fn write_bar(&mut self, offset: u64, bytes: &[u8], ram: &dyn GuestRam);
    /// Looks for input from outside and moves it to the guest.
    fn poll(&mut self, ram: &dyn GuestRam);
    /// Takes the messages that wait to be sent.
    fn take_messages(&mut self, out: &mut Vec<InterruptMessage>);
    /// Level of the function's INTA line.
    fn interrupt_line(&self) -> bool;
    /// Guest addresses at which any store only says that a queue has work, with the queue's number; none while the
    /// function would not look at it.
    fn doorbells(&self, out: &mut Vec<(u64, u16)>) {
        let _ = out;
    }
    /// Does what a store to the doorbell of `queue` does.
    fn ring(&mut self, queue: u16, ram: &dyn GuestRam) {
        let _ = (queue, ram);
    }
    /// As [`PciFunction::take_messages`], each message with the number of its MSI-X entry.
    fn take_signals(&mut self, out: &mut Vec<(u16, InterruptMessage)>) {
        let _ = out;
    }
    /// Sends the message of an MSI-X entry as it is now, or notes it while it is masked.
    fn signal(&mut self, entry: u16) {
        let _ = entry;
    }
    /// Changes whenever the guest has changed messages or masks.
    fn message_changes(&self) -> u64 {
        0
    }
}

/// The bridge between processor and bus. It has no registers of its own.
#[derive(Debug)]
struct HostBridge(ConfigSpace);

/// The bus with its functions.
pub struct PciBus {
    address: u32,
    bridge: HostBridge,
    functions: Vec<Box<dyn PciFunction>>,
}

impl core::fmt::Debug for PciBus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PciBus")
            .field("address", &self.address)
            .field("functions", &self.functions.len())
            .finish_non_exhaustive()
    }
}

impl Default for PciBus {
    fn default() -> Self {
        Self::new()
    }
}

impl PciBus {
    /// Makes a bus with the host bridge in slot 0.
    #[must_use]
    pub fn new() -> Self {
        let identity = Identity {
            vendor: 0x1b36,
            device: 0x0008,
            class: 0x06_00_00,
            revision: 0,
            subsystem_vendor: 0,
            subsystem: 0,
        };
        Self { address: 0, bridge: HostBridge(ConfigSpace::new(identity)), functions: Vec::new() }
    }

    /// Puts a function into the next slot and returns the slot's number, or gives it back when the bus is full.
    ///
    /// # Errors
    /// The function itself when all slots are taken.
    pub fn add(&mut self, function: Box<dyn PciFunction>) -> Result<usize, Box<dyn PciFunction>> {
        if self.functions.len() + 1 >= SLOTS {
            return Err(function);
        }
        self.functions.push(function);
        Ok(self.functions.len())
    }

    /// Slot numbers of the functions behind the bridge.
    #[must_use]
    pub fn slots(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.functions.len()
    }

    /// The function in `slot`.
    pub fn function(&mut self, slot: usize) -> Option<&mut (dyn PciFunction + '_)> {
        match self.functions.get_mut(slot.checked_sub(1)?) {
            Some(function) => Some(function.as_mut()),
            None => None,
        }
    }

    /// Every function behind the bridge, with its slot.
    pub fn functions(&mut self) -> impl Iterator<Item = (usize, &mut Box<dyn PciFunction>)> {
        self.functions.iter_mut().enumerate().map(|(index, function)| (index + 1, function))
    }

    /// Whether `port` belongs to the configuration mechanism. Port CF9h is the reset register unless it is
    /// part of a four-byte access at CF8h, which the caller sorts out.
    #[must_use]
    pub fn owns_port(port: u16) -> bool {
        matches!(port, 0xcf8..=0xcff)
    }

    /// Reads configuration ports.
    pub fn read_port(&mut self, port: u16, bytes: &mut [u8]) {
        bytes.fill(0xff);
        if port < 0xcfc {
            if port == 0xcf8 && bytes.len() == 4 {
                bytes.copy_from_slice(&self.address.to_le_bytes());
            }
            return;
        }
        if let Some(address) = self.selected(port) {
            self.read_config(address, bytes);
        }
    }

    /// Writes configuration ports.
    pub fn write_port(&mut self, port: u16, bytes: &[u8], ram: &dyn GuestRam) {
        if port < 0xcfc {
            if port == 0xcf8
                && let Ok(word) = bytes.try_into()
            {
                self.address = u32::from_le_bytes(word) & 0x80ff_fffc;
            }
            return;
        }
        if let Some(address) = self.selected(port) {
            self.write_config(address, bytes, ram);
        }
    }

    /// Reads the memory-mapped configuration window at `offset`.
    pub fn read_ecam(&mut self, offset: u64, bytes: &mut [u8]) {
        self.read_config(offset, bytes);
    }

    /// Writes the memory-mapped configuration window at `offset`.
    pub fn write_ecam(&mut self, offset: u64, bytes: &[u8], ram: &dyn GuestRam) {
        self.write_config(offset, bytes, ram);
    }

    /// Finds the function that decodes `gpa`; returns its slot and the offset in its BAR.
    #[must_use]
    pub fn decode(&self, gpa: u64) -> Option<(usize, u64)> {
        self.functions
            .iter()
            .enumerate()
            .find_map(|(index, function)| function.decode(gpa).map(|offset| (index + 1, offset)))
    }

    /// Bus address in ECAM form of the register that CF8h selects, if access is enabled.
    fn selected(&self, port: u16) -> Option<u64> {
        let enabled = self.address & 0x8000_0000 != 0;
        let function = u64::from(self.address >> 8) & 0xffff;
        let register = u64::from(self.address & 0xfc) | u64::from(port & 3);
        enabled.then_some(function << 12 | register)
    }

    /// Splits an ECAM address into slot and register; `None` for what is not there.
    fn locate(&self, address: u64, len: usize) -> Option<(usize, u8)> {
        let (function, register) = (address >> 12, address & 0xfff);
        let is_aligned = len.is_power_of_two() && len <= 4 && register % len as u64 == 0;
        // Only function 0 of devices on bus 0 exists.
        if function & !0xf8 != 0 || !is_aligned || register > 0xff {
            return None;
        }
        let slot = (function >> 3) as usize;
        (slot <= self.functions.len()).then_some((slot, register as u8))
    }

    fn read_config(&mut self, address: u64, bytes: &mut [u8]) {
        bytes.fill(0xff);
        // Eight-byte reads through the window are two four-byte ones.
        if bytes.len() == 8 {
            let (low, high) = bytes.split_at_mut(4);
            self.read_config(address, low);
            self.read_config(address + 4, high);
            return;
        }
        let is_extended = address & 0xf00 != 0 && address >> 12 & !0xf8 == 0;
        if is_extended && (address >> 15) as usize <= self.functions.len() {
            // No extended capabilities.
            bytes.fill(0);
            return;
        }
        match self.locate(address, bytes.len()) {
            Some((0, register)) => self.bridge.0.read(register, bytes),
            Some((slot, register)) => self.functions[slot - 1].read_config(register, bytes),
            None => {}
        }
    }

    fn write_config(&mut self, address: u64, bytes: &[u8], ram: &dyn GuestRam) {
        if bytes.len() == 8 {
            self.write_config(address, &bytes[..4], ram);
            self.write_config(address + 4, &bytes[4..], ram);
            return;
        }
        match self.locate(address, bytes.len()) {
            Some((0, register)) => self.bridge.0.write(register, bytes),
            Some((slot, register)) => self.functions[slot - 1].write_config(register, bytes, ram),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ram::VecRam;

    fn read(bus: &mut PciBus, address: u32) -> u32 {
        let ram = VecRam::new(0);
        bus.write_port(0xcf8, &address.to_le_bytes(), &ram);
        let mut bytes = [0; 4];
        bus.read_port(0xcfc, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    #[test]
    fn the_bridge_answers_and_empty_slots_do_not() {
        let mut bus = PciBus::new();
        assert_eq!(read(&mut bus, 0x8000_0000), 0x0008_1b36);
        assert_eq!(read(&mut bus, 0x8000_0800), 0xffff_ffff);
        assert_eq!(read(&mut bus, 0x8000_0100), 0xffff_ffff);
        assert_eq!(read(&mut bus, 0x8001_0000), 0xffff_ffff);
        assert_eq!(read(&mut bus, 0x0000_0000), 0xffff_ffff);
    }

    #[test]
    fn the_window_and_the_ports_show_the_same() {
        let mut bus = PciBus::new();
        let mut bytes = [0; 2];
        bus.read_ecam(0, &mut bytes);
        assert_eq!(bytes, [0x36, 0x1b]);
        bus.read_ecam(0x100, &mut bytes);
        assert_eq!(bytes, [0, 0]);
        bus.read_ecam(1 << 15, &mut bytes);
        assert_eq!(bytes, [0xff, 0xff]);
    }

    #[test]
    fn narrow_reads_of_the_data_port_select_bytes() {
        let mut bus = PciBus::new();
        let ram = VecRam::new(0);
        bus.write_port(0xcf8, &0x8000_0000_u32.to_le_bytes(), &ram);
        let mut word = [0; 2];
        bus.read_port(0xcfe, &mut word);
        assert_eq!(word, [0x08, 0x00]);
    }
}
