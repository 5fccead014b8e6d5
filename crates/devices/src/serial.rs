//! The 16550A UART: FIFOs, interrupts with their priorities, modem lines and loopback.
//!
//! Transmission takes no time: a byte written leaves at once and the transmitter is empty again.
//!
//! # Source
//! National Semiconductor PC16550D data sheet.

use std::collections::VecDeque;

/// Bytes that the receive FIFO holds.
pub const FIFO_SIZE: usize = 16;

const IER_RECEIVED: u8 = 0x01;
const IER_EMPTY: u8 = 0x02;
const IER_LINE: u8 = 0x04;
const IER_MODEM: u8 = 0x08;

const IIR_NONE: u8 = 0x01;
const IIR_MODEM: u8 = 0x00;
const IIR_EMPTY: u8 = 0x02;
const IIR_RECEIVED: u8 = 0x04;
const IIR_LINE: u8 = 0x06;
const IIR_TIMEOUT: u8 = 0x0c;

const LSR_READY: u8 = 0x01;
const LSR_OVERRUN: u8 = 0x02;
const LSR_EMPTY: u8 = 0x60;

const MCR_LOOP: u8 = 0x10;
const LCR_DIVISOR: u8 = 0x80;

/// One UART. `Clone` exports its whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uart {
    received: VecDeque<u8>,
    divisor: u16,
    enable: u8,
    fifo_control: u8,
    line_control: u8,
    modem_control: u8,
    modem_delta: u8,
    scratch: u8,
    has_overrun: bool,
    empty_pending: bool,
}

impl Default for Uart {
    fn default() -> Self {
        Self::new()
    }
}

impl Uart {
    /// Makes a UART as after reset, 9600 baud.
    #[must_use]
    pub fn new() -> Self {
        Self {
            received: VecDeque::new(),
            divisor: 12,
            enable: 0,
            fifo_control: 0,
            line_control: 3,
            modem_control: 0,
            modem_delta: 0,
            scratch: 0,
            has_overrun: false,
            empty_pending: false,
        }
    }

    /// Reads the register at `offset`, 0 to 7.
    pub fn read(&mut self, offset: u16) -> u8 {
        match (offset & 7, self.line_control & LCR_DIVISOR != 0) {
            (0, true) => self.divisor as u8,
            (1, true) => (self.divisor >> 8) as u8,
            (0, false) => self.received.pop_front().unwrap_or(0),
            (1, false) => self.enable,
            (2, _) => self.read_identification(),
            (3, _) => self.line_control,
            (4, _) => self.modem_control,
            (5, _) => self.read_line_status(),
            (6, _) => self.modem_lines() | core::mem::take(&mut self.modem_delta),
            _ => self.scratch,
        }
    }

    /// Writes the register at `offset`, 0 to 7. Returns a byte that leaves the transmitter.
    pub fn write(&mut self, offset: u16, value: u8) -> Option<u8> {
        match (offset & 7, self.line_control & LCR_DIVISOR != 0) {
            (0, true) => self.divisor = (self.divisor & 0xff00) | u16::from(value),
            (1, true) => self.divisor = (self.divisor & 0x00ff) | (u16::from(value) << 8),
            (0, false) => return self.transmit(value),
            (1, false) => {
                // Enabling the interrupt of an empty transmitter raises it.
                self.empty_pending |= value & !self.enable & IER_EMPTY != 0;
                self.enable = value & 0x0f;
            }
            (2, _) => self.write_fifo_control(value),
            (3, _) => self.line_control = value,
            (4, _) => self.write_modem_control(value),
            (7, _) => self.scratch = value,
            _ => {}
        }
        None
    }

    /// How many bytes [`Self::receive`] would take now.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.modem_control & MCR_LOOP != 0 {
            return 0;
        }
        self.capacity().saturating_sub(self.received.len())
    }

    /// Puts bytes from the line into the receiver; returns how many it took.
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        let taken = self.room().min(bytes.len());
        self.received.extend(&bytes[..taken]);
        taken
    }

    /// Level of the interrupt line, as gated by OUT2.
    #[must_use]
    pub fn interrupt(&self) -> bool {
        // Loopback disconnects the OUT2 pin that gates the line on a PC.
        self.identification() != IIR_NONE && self.modem_control & (MCR_LOOP | 0x08) == 0x08
    }

    fn capacity(&self) -> usize {
        if self.fifo_control & 1 != 0 { FIFO_SIZE } else { 1 }
    }

    fn trigger(&self) -> usize {
        if self.fifo_control & 1 == 0 {
            return 1;
        }
        [1, 4, 8, 14][usize::from(self.fifo_control >> 6)]
    }

    fn identification(&self) -> u8 {
        if self.enable & IER_LINE != 0 && self.has_overrun {
            IIR_LINE
        } else if self.enable & IER_RECEIVED != 0 && self.received.len() >= self.trigger() {
            IIR_RECEIVED
        } else if self.enable & IER_RECEIVED != 0 && !self.received.is_empty() {
            // The line is idle as far as the guest can tell, so the time-out has passed.
            IIR_TIMEOUT
        } else if self.enable & IER_EMPTY != 0 && self.empty_pending {
            IIR_EMPTY
        } else if self.enable & IER_MODEM != 0 && self.modem_delta != 0 {
            IIR_MODEM
        } else {
            IIR_NONE
        }
    }

    fn read_identification(&mut self) -> u8 {
        let cause = self.identification();
        if cause == IIR_EMPTY {
            self.empty_pending = false;
        }
        cause | if self.fifo_control & 1 != 0 { 0xc0 } else { 0 }
    }

    fn read_line_status(&mut self) -> u8 {
        let ready = if self.received.is_empty() { 0 } else { LSR_READY };
        let overrun = if core::mem::take(&mut self.has_overrun) { LSR_OVERRUN } else { 0 };
        LSR_EMPTY | ready | overrun
    }

    fn transmit(&mut self, value: u8) -> Option<u8> {
        self.empty_pending = true;
        if self.modem_control & MCR_LOOP == 0 {
            return Some(value);
        }
        if self.received.len() < self.capacity() {
            self.received.push_back(value);
        } else {
            self.has_overrun = true;
        }
        None
    }

    fn write_fifo_control(&mut self, value: u8) {
        if (value ^ self.fifo_control) & 1 != 0 || value & 2 != 0 {
            self.received.clear();
        }
        self.fifo_control = if value & 1 != 0 { value & 0xc9 } else { 0 };
    }

    fn modem_lines(&self) -> u8 {
        if self.modem_control & MCR_LOOP == 0 {
            // Carrier, data set ready and clear to send.
            return 0xb0;
        }
        let out = self.modem_control;
        // Loopback wires DTR to DSR, RTS to CTS, OUT1 to RI, OUT2 to DCD.
        (out & 1) << 5 | (out & 2) << 3 | (out & 4) << 4 | (out & 8) << 4
    }

    fn write_modem_control(&mut self, value: u8) {
        let before = self.modem_lines();
        self.modem_control = value & 0x1f;
        let after = self.modem_lines();
        let changed = (before ^ after) >> 4;
        // The ring indicator notes only its trailing edge.
        let ring_ended = before & !after & 0x40 != 0;
        self.modem_delta |= (changed & 0x0b) | (u8::from(ring_ended) << 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(fifo: u8) -> Uart {
        let mut uart = Uart::new();
        uart.write(2, fifo);
        uart.write(4, 0x0b);
        uart.read(6);
        uart
    }

    #[test]
    fn transmitted_bytes_leave_at_once() {
        let mut uart = open(0);
        assert_eq!(uart.write(0, b'x'), Some(b'x'));
        assert_eq!(uart.read(5), LSR_EMPTY);
    }

    #[test]
    fn the_empty_interrupt_is_cleared_by_reading_its_cause() {
        let mut uart = open(0);
        uart.write(1, IER_EMPTY);
        assert!(uart.interrupt());
        assert_eq!(uart.read(2), IIR_EMPTY);
        assert!(!uart.interrupt());
        uart.write(0, b'x');
        assert!(uart.interrupt());
    }

    #[test]
    fn received_bytes_interrupt_by_trigger_then_by_timeout() {
        let mut uart = open(0x81);
        uart.write(1, IER_RECEIVED);
        assert_eq!(uart.receive(b"0123456789abcdefXX"), FIFO_SIZE);
        assert_eq!(uart.read(2), 0xc0 | IIR_RECEIVED);
        for expected in b"0123456789" {
            assert_eq!(uart.read(0), *expected);
        }
        assert_eq!(uart.read(2), 0xc0 | IIR_TIMEOUT);
        for expected in b"abcdef" {
            assert_eq!(uart.read(0), *expected);
        }
        assert_eq!(uart.read(2), 0xc0 | IIR_NONE);
        assert!(!uart.interrupt());
    }

    #[test]
    fn without_fifo_one_byte_fits() {
        let mut uart = open(0);
        assert_eq!(uart.receive(b"ab"), 1);
        assert_eq!(uart.room(), 0);
        assert_eq!(uart.read(5) & LSR_READY, LSR_READY);
    }

    #[test]
    fn loopback_returns_bytes_and_lines() {
        let mut uart = open(1);
        uart.write(4, MCR_LOOP | 0x0a);
        assert_eq!(uart.read(6) & 0xf0, 0x90);
        assert_eq!(uart.write(0, 0x5a), None);
        assert_eq!(uart.read(0), 0x5a);
        assert_eq!(uart.room(), 0);
        for byte in 0..20 {
            uart.write(0, byte);
        }
        assert_eq!(uart.read(5) & LSR_OVERRUN, LSR_OVERRUN);
        assert_eq!(uart.read(5) & LSR_OVERRUN, 0);
    }

    #[test]
    fn the_divisor_latch_hides_data_and_enable() {
        let mut uart = Uart::new();
        uart.write(3, LCR_DIVISOR | 3);
        uart.write(0, 1);
        uart.write(1, 0);
        assert_eq!((uart.read(0), uart.read(1)), (1, 0));
        uart.write(3, 3);
        uart.write(1, 0x0f);
        assert_eq!(uart.read(1), 0x0f);
    }

    #[test]
    fn out2_gates_the_line() {
        let mut uart = open(0);
        uart.write(4, 0x03);
        uart.write(1, IER_EMPTY);
        assert!(!uart.interrupt());
        uart.write(4, 0x0b);
        assert!(uart.interrupt());
    }
}
