//! The I/O APIC: 24 pins, each with a redirection entry, turned into interrupt messages.
//!
//! # Source
//! Intel 82093AA I/O Advanced Programmable Interrupt Controller data sheet; the EOI register at 40h is
//! that of version 20h chips.

use crate::message::DeliveryMode;
use crate::message::InterruptMessage;

/// Number of input pins.
pub const PINS: usize = 24;

const VERSION: u32 = 0x20 | ((PINS as u32 - 1) << 16);

const MASKED: u64 = 1 << 16;
const LEVEL: u64 = 1 << 15;
const REMOTE_IRR: u64 = 1 << 14;
const DELIVERY_STATUS: u64 = 1 << 12;
const LOGICAL: u64 = 1 << 11;
const READ_ONLY: u64 = REMOTE_IRR | DELIVERY_STATUS;

/// One I/O APIC. `Clone` exports its whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoApic {
    id: u8,
    selected: u8,
    entries: [u64; PINS],
    lines: [bool; PINS],
}

impl IoApic {
    /// Makes a chip after reset: every pin masked.
    #[must_use]
    pub fn new(id: u8) -> Self {
        Self { id, selected: 0, entries: [MASKED; PINS], lines: [false; PINS] }
    }

    /// Reads the 32-bit register at `offset` of the chip's page.
    #[must_use]
    pub fn read(&self, offset: u64) -> u32 {
        match offset & 0xff {
            0x00 => u32::from(self.selected),
            0x10 => self.read_selected(),
            _ => 0,
        }
    }

    /// Writes the 32-bit register at `offset` of the chip's page.
    pub fn write(&mut self, offset: u64, value: u32, out: &mut Vec<InterruptMessage>) {
        match offset & 0xff {
            0x00 => self.selected = value as u8,
            0x10 => self.write_selected(value, out),
            0x40 => self.end_of_interrupt(value as u8, out),
            _ => {}
        }
    }

    /// Sets the level of an input pin; true is asserted, whatever the pin's polarity.
    pub fn set_line(&mut self, pin: usize, asserted: bool, out: &mut Vec<InterruptMessage>) {
        let Some(line) = self.lines.get_mut(pin) else { return };
        let was = core::mem::replace(line, asserted);
        if !asserted {
            return;
        }
        let is_level = self.entries[pin] & LEVEL != 0;
        if is_level {
            self.deliver_level(pin, out);
        } else if !was && self.entries[pin] & MASKED == 0 {
            out.push(self.message(pin));
        }
    }

    /// Ends the level-triggered interrupts of `vector`, and sends those again whose line is still asserted.
    pub fn end_of_interrupt(&mut self, vector: u8, out: &mut Vec<InterruptMessage>) {
        for pin in 0..PINS {
            let entry = self.entries[pin];
            if entry & LEVEL != 0 && entry & REMOTE_IRR != 0 && entry as u8 == vector {
                self.entries[pin] &= !REMOTE_IRR;
                self.deliver_level(pin, out);
            }
        }
    }

    /// Whether a pin takes its vectors from the 8259A pair and is not masked.
    #[must_use]
    pub fn accepts_ext_int(&self) -> bool {
        self.entries.iter().any(|entry| entry & MASKED == 0 && (entry >> 8) & 7 == 7)
    }

    fn read_selected(&self) -> u32 {
        match self.selected {
            0 | 2 => u32::from(self.id) << 24,
            1 => VERSION,
            index => match self.entry_of(index) {
                Some((pin, false)) => self.entries[pin] as u32,
                Some((pin, true)) => (self.entries[pin] >> 32) as u32,
                None => 0,
            },
        }
    }

    fn write_selected(&mut self, value: u32, out: &mut Vec<InterruptMessage>) {
        if self.selected == 0 {
            self.id = (value >> 24) as u8 & 0xf;
            return;
        }
        let Some((pin, high)) = self.entry_of(self.selected) else { return };
        let old = self.entries[pin];
        if high {
            self.entries[pin] = (old & 0xffff_ffff) | (u64::from(value) << 32);
            return;
        }
        let mut new = (old & !0xffff_ffff) | (old & READ_ONLY) | (u64::from(value) & 0x1_ffff & !READ_ONLY);
        // An edge pin has no remote IRR; software uses the switch to clear a stuck one.
        if new & LEVEL == 0 {
            new &= !REMOTE_IRR;
        }
        self.entries[pin] = new;
        if new & LEVEL != 0 && self.lines[pin] {
            self.deliver_level(pin, out);
        }
    }

    fn entry_of(&self, index: u8) -> Option<(usize, bool)> {
        let index = usize::from(index.checked_sub(0x10)?);
        (index / 2 < PINS).then_some((index / 2, index % 2 == 1))
    }

    fn deliver_level(&mut self, pin: usize, out: &mut Vec<InterruptMessage>) {
        if self.lines[pin] && self.entries[pin] & (MASKED | REMOTE_IRR) == 0 {
            out.push(self.message(pin));
            self.entries[pin] |= REMOTE_IRR;
        }
    }

    fn message(&self, pin: usize) -> InterruptMessage {
        let entry = self.entries[pin];
        InterruptMessage {
            delivery: DeliveryMode::from_bits((entry >> 8) as u8),
            vector: entry as u8,
            destination: (entry >> 56) as u32 | (((entry >> 48) as u32 & 0x7f) << 8),
            is_logical: entry & LOGICAL != 0,
            is_level: entry & LEVEL != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chip_with(pin: u32, low: u32, high: u32) -> IoApic {
        let mut chip = IoApic::new(2);
        let mut out = Vec::new();
        chip.write(0, 0x11 + 2 * pin, &mut out);
        chip.write(0x10, high, &mut out);
        chip.write(0, 0x10 + 2 * pin, &mut out);
        chip.write(0x10, low, &mut out);
        assert!(out.is_empty());
        chip
    }

    #[test]
    fn registers_read_back_with_id_and_version() {
        let mut chip = chip_with(23, 0x0001_0041, 0x0700_0000);
        let mut out = Vec::new();
        assert_eq!(chip.read(0x10), 0x0001_0041);
        chip.write(0, 0x3f, &mut out);
        assert_eq!(chip.read(0x10), 0x0700_0000);
        chip.write(0, 1, &mut out);
        assert_eq!(chip.read(0x10), 0x0017_0020);
        chip.write(0, 0, &mut out);
        assert_eq!(chip.read(0x10), 0x0200_0000);
    }

    #[test]
    fn an_edge_pin_sends_one_message_per_rising_edge() {
        let mut chip = chip_with(4, 0x31, 0x0300_0000);
        let mut out = Vec::new();
        chip.set_line(4, true, &mut out);
        chip.set_line(4, true, &mut out);
        chip.set_line(4, false, &mut out);
        chip.set_line(4, true, &mut out);
        assert_eq!(out.len(), 2);
        assert_eq!(out[0].destination, 3);
        assert!(!out[0].is_level);
    }

    #[test]
    fn a_masked_pin_is_silent_and_loses_edges() {
        let mut chip = chip_with(4, 0x1_0031, 0);
        let mut out = Vec::new();
        chip.set_line(4, true, &mut out);
        chip.write(0x10, 0x31, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn a_level_pin_waits_for_the_end_of_interrupt_and_repeats_while_asserted() {
        let mut chip = chip_with(16, 0x8051, 0);
        let mut out = Vec::new();
        chip.set_line(16, true, &mut out);
        chip.set_line(16, true, &mut out);
        assert_eq!(out.len(), 1);
        assert_ne!(chip.read(0x10) & (1 << 14), 0);
        chip.end_of_interrupt(0x50, &mut out);
        assert_eq!(out.len(), 1);
        chip.end_of_interrupt(0x51, &mut out);
        assert_eq!(out.len(), 2);
        chip.set_line(16, false, &mut out);
        chip.write(0x40, 0x51, &mut out);
        assert_eq!(out.len(), 2);
        assert_eq!(chip.read(0x10) & (1 << 14), 0);
    }

    #[test]
    fn unmasking_a_level_pin_delivers_what_waits() {
        let mut chip = chip_with(16, 0x1_8051, 0);
        let mut out = Vec::new();
        chip.set_line(16, true, &mut out);
        assert!(out.is_empty());
        chip.write(0x10, 0x8051, &mut out);
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn switching_to_edge_clears_remote_irr() {
        let mut chip = chip_with(16, 0x8051, 0);
        let mut out = Vec::new();
        chip.set_line(16, true, &mut out);
        chip.write(0x10, 0x1_0051, &mut out);
        assert_eq!(chip.read(0x10), 0x1_0051);
    }

    #[test]
    fn pins_outside_of_the_chip_do_nothing() {
        let mut chip = IoApic::new(0);
        let mut out = Vec::new();
        chip.set_line(24, true, &mut out);
        chip.write(0, 0xff, &mut out);
        chip.write(0x10, 0xffff_ffff, &mut out);
        assert!(out.is_empty());
        assert_eq!(chip.read(0x10), 0);
    }
}
