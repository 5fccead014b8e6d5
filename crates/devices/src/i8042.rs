//! The keyboard controller: enough of it, and of a keyboard without keys, that kernels probe it quickly
//! and can pull the reset line. Port 92h, the other way to the same lines, lives here too.
//!
//! # Source
//! IBM Personal System/2 Hardware Interface Technical Reference, keyboard and auxiliary device controller.

use std::collections::VecDeque;

const OUTPUT_FULL: u8 = 0x01;
const SYSTEM_FLAG: u8 = 0x04;
const LAST_WAS_COMMAND: u8 = 0x08;
const KEYBOARD_UNLOCKED: u8 = 0x10;

const ACK: u8 = 0xfa;
/// A guest that never reads its answers gets no more than this many.
const ANSWER_LIMIT: usize = 16;

/// What a write asked of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Nothing.
    None,
    /// Reset the processors.
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    None,
    CommandByte,
    OutputPort,
    EchoKeyboard,
    Ignore,
    KeyboardArgument,
}

/// The controller. `Clone` exports its whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct I8042 {
    command_byte: u8,
    last_was_command: bool,
    pending: Pending,
    answers: VecDeque<u8>,
    port_92: u8,
}

impl Default for I8042 {
    fn default() -> Self {
        Self::new()
    }
}

impl I8042 {
    /// Makes a controller that has passed its self test, keyboard interface on, interrupts off.
    #[must_use]
    pub fn new() -> Self {
        Self {
            command_byte: SYSTEM_FLAG,
            last_was_command: false,
            pending: Pending::None,
            answers: VecDeque::new(),
            port_92: 0x02,
        }
    }

    /// Whether `port` belongs to the controller.
    #[must_use]
    pub fn owns_port(port: u16) -> bool {
        matches!(port, 0x60 | 0x64 | 0x92)
    }

    /// Reads a port.
    pub fn read(&mut self, port: u16) -> u8 {
        match port {
            0x60 => self.answers.pop_front().unwrap_or(0),
            0x64 => self.status(),
            0x92 => self.port_92,
            _ => 0xff,
        }
    }

    /// Writes a port.
    pub fn write(&mut self, port: u16, value: u8) -> Request {
        match port {
            0x60 => {
                self.last_was_command = false;
                return self.data(value);
            }
            0x64 => {
                self.last_was_command = true;
                return self.command(value);
            }
            0x92 => {
                let rises = value & 1 != 0 && self.port_92 & 1 == 0;
                self.port_92 = value & 0x02;
                if rises {
                    return Request::Reset;
                }
            }
            _ => {}
        }
        Request::None
    }

    /// Level of interrupt 1: a byte waits and the guest has enabled its interrupt.
    #[must_use]
    pub fn interrupt(&self) -> bool {
        self.command_byte & 1 != 0 && !self.answers.is_empty()
    }

    fn status(&self) -> u8 {
        let full = if self.answers.is_empty() { 0 } else { OUTPUT_FULL };
        let command = if self.last_was_command { LAST_WAS_COMMAND } else { 0 };
        KEYBOARD_UNLOCKED | (self.command_byte & SYSTEM_FLAG) | full | command
    }

    fn answer(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.answers.len() < ANSWER_LIMIT {
                self.answers.push_back(byte);
            }
        }
    }

    fn command(&mut self, value: u8) -> Request {
        self.pending = Pending::None;
        match value {
            0x20 => self.answer(&[self.command_byte]),
            0x60 => self.pending = Pending::CommandByte,
            // No auxiliary port: its interface test reports a stuck clock line.
            0xa9 => self.answer(&[0x01]),
            0xaa => {
                self.answers.clear();
                self.command_byte |= SYSTEM_FLAG;
                self.answer(&[0x55]);
            }
            0xab => self.answer(&[0x00]),
            0xad => self.command_byte |= 0x10,
            0xae => self.command_byte &= !0x10,
            0xd0 => self.answer(&[0x01 | self.port_92]),
            0xd1 => self.pending = Pending::OutputPort,
            0xd2 => self.pending = Pending::EchoKeyboard,
            0xd3 | 0xd4 => self.pending = Pending::Ignore,
            // Pulse output lines: line 0, active low, is the reset line.
            0xf0..=0xff if value & 1 == 0 => return Request::Reset,
            _ => {}
        }
        Request::None
    }

    fn data(&mut self, value: u8) -> Request {
        match core::mem::replace(&mut self.pending, Pending::None) {
            Pending::CommandByte => self.command_byte = value,
            Pending::OutputPort => {
                self.port_92 = value & 0x02;
                if value & 1 == 0 {
                    return Request::Reset;
                }
            }
            Pending::EchoKeyboard => self.answer(&[value]),
            Pending::KeyboardArgument => self.answer(&[ACK]),
            Pending::Ignore => {}
            Pending::None => self.keyboard(value),
        }
        Request::None
    }

    fn keyboard(&mut self, value: u8) {
        match value {
            0xed | 0xf0 | 0xf3 => {
                self.pending = Pending::KeyboardArgument;
                self.answer(&[ACK]);
            }
            0xee => self.answer(&[0xee]),
            0xf2 => self.answer(&[ACK, 0xab, 0x83]),
            0xf4..=0xf6 => self.answer(&[ACK]),
            0xff => self.answer(&[ACK, 0xaa]),
            // Resend: the keyboard does not know this command.
            _ => self.answer(&[0xfe]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn self_test_passes_and_status_shows_the_answer() {
        let mut chip = I8042::new();
        assert_eq!(chip.read(0x64) & OUTPUT_FULL, 0);
        assert_eq!(chip.write(0x64, 0xaa), Request::None);
        assert_eq!(chip.read(0x64) & OUTPUT_FULL, OUTPUT_FULL);
        assert_eq!(chip.read(0x60), 0x55);
    }

    #[test]
    fn pulsing_line_zero_resets() {
        let mut chip = I8042::new();
        assert_eq!(chip.write(0x64, 0xff), Request::None);
        assert_eq!(chip.write(0x64, 0xfe), Request::Reset);
    }

    #[test]
    fn port_92_resets_on_the_rising_bit_and_keeps_a20() {
        let mut chip = I8042::new();
        assert_eq!(chip.write(0x92, 0x02), Request::None);
        assert_eq!(chip.write(0x92, 0x03), Request::Reset);
        assert_eq!(chip.read(0x92), 0x02);
    }

    #[test]
    fn the_command_byte_enables_the_keyboard_interrupt() {
        let mut chip = I8042::new();
        chip.write(0x64, 0x60);
        chip.write(0x60, 0x45);
        chip.write(0x60, 0xff);
        assert!(chip.interrupt());
        assert_eq!([chip.read(0x60), chip.read(0x60)], [ACK, 0xaa]);
        assert!(!chip.interrupt());
        chip.write(0x64, 0x20);
        assert_eq!(chip.read(0x60), 0x45);
    }

    #[test]
    fn unread_answers_are_bounded() {
        let mut chip = I8042::new();
        for _ in 0..1000 {
            chip.write(0x60, 0xee);
        }
        assert_eq!(chip.answers.len(), ANSWER_LIMIT);
    }
}
