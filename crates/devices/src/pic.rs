//! The two cascaded 8259A interrupt controllers of a PC, with their edge/level registers.
//!
//! # Source
//! Intel 8259A data sheet; the registers at 4D0h and 4D1h are those of Intel's ISA bridges.

/// Input of the first chip that the second one drives.
const CASCADE: u8 = 2;

/// One 8259A.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chip {
    irr: u8,
    isr: u8,
    imr: u8,
    lines: u8,
    level: u8,
    level_mask: u8,
    base: u8,
    lowest: u8,
    init_step: u8,
    needs_icw4: bool,
    single: bool,
    read_isr: bool,
    poll: bool,
    special_mask: bool,
    auto_eoi: bool,
    rotate_on_auto_eoi: bool,
    special_fully_nested: bool,
    is_first: bool,
}

impl Chip {
    fn new(is_first: bool, level_mask: u8) -> Self {
        Self { is_first, level_mask, lowest: 7, ..Self::default() }
    }

    fn set_line(&mut self, input: u8, asserted: bool) {
        let bit = 1 << input;
        let is_level = self.level & bit != 0;
        if asserted {
            if is_level || self.lines & bit == 0 {
                self.irr |= bit;
            }
            self.lines |= bit;
        } else {
            // An edge request goes away too when its line falls before it is acknowledged.
            self.irr &= !bit;
            self.lines &= !bit;
        }
    }

    /// Position of the highest-priority set bit, counted from the input that has highest priority.
    fn priority(&self, bits: u8) -> Option<u8> {
        (bits != 0).then(|| bits.rotate_right(u32::from(self.lowest) + 1).trailing_zeros() as u8)
    }

    fn input_at(&self, priority: u8) -> u8 {
        (priority + self.lowest + 1) & 7
    }

    /// The input that is to be served now, if any.
    fn pending(&self) -> Option<u8> {
        let wanted = self.priority(self.irr & !self.imr)?;
        let mut served = self.isr;
        if self.special_mask {
            served &= !self.imr;
        }
        // In special fully nested mode a request of the second chip may interrupt one that it has made.
        if self.special_fully_nested && self.is_first {
            served &= !(1 << CASCADE);
        }
        let is_free = self.priority(served).is_none_or(|current| wanted < current);
        is_free.then(|| self.input_at(wanted))
    }

    fn acknowledge(&mut self, input: u8) {
        let bit = 1 << input;
        if self.level & bit == 0 {
            self.irr &= !bit;
        }
        if self.auto_eoi {
            if self.rotate_on_auto_eoi {
                self.lowest = input;
            }
        } else {
            self.isr |= bit;
        }
    }

    fn write_command(&mut self, value: u8) {
        if value & 0x10 != 0 {
            self.begin_init(value);
        } else if value & 0x08 != 0 {
            self.write_ocw3(value);
        } else {
            self.write_ocw2(value);
        }
    }

    fn begin_init(&mut self, icw1: u8) {
        let kept = (self.lines, self.level, self.level_mask, self.is_first);
        *self = Self::new(kept.3, kept.2);
        (self.lines, self.level) = (kept.0, kept.1);
        self.irr = self.lines & self.level;
        self.init_step = 2;
        self.needs_icw4 = icw1 & 1 != 0;
        self.single = icw1 & 2 != 0;
    }

    fn write_ocw3(&mut self, value: u8) {
        self.poll = value & 4 != 0;
        if value & 2 != 0 {
            self.read_isr = value & 1 != 0;
        }
        if value & 0x40 != 0 {
            self.special_mask = value & 0x20 != 0;
        }
    }

    fn write_ocw2(&mut self, value: u8) {
        let input = value & 7;
        match value >> 5 {
            0 => self.rotate_on_auto_eoi = false,
            4 => self.rotate_on_auto_eoi = true,
            1 | 5 => {
                let Some(priority) = self.priority(self.isr) else { return };
                let served = self.input_at(priority);
                self.isr &= !(1 << served);
                if value >> 5 == 5 {
                    self.lowest = served;
                }
            }
            3 => self.isr &= !(1 << input),
            6 => self.lowest = input,
            7 => {
                self.isr &= !(1 << input);
                self.lowest = input;
            }
            _ => {}
        }
    }

    fn write_data(&mut self, value: u8) {
        match self.init_step {
            2 => {
                self.base = value & 0xf8;
                self.init_step = match (self.single, self.needs_icw4) {
                    (false, _) => 3,
                    (true, true) => 4,
                    (true, false) => 0,
                };
            }
            3 => self.init_step = if self.needs_icw4 { 4 } else { 0 },
            4 => {
                self.special_fully_nested = value & 0x10 != 0;
                self.auto_eoi = value & 2 != 0;
                self.init_step = 0;
            }
            _ => self.imr = value,
        }
    }

    fn read(&mut self, is_data: bool) -> u8 {
        if core::mem::take(&mut self.poll) {
            return self.poll_word();
        }
        match (is_data, self.read_isr) {
            (true, _) => self.imr,
            (false, true) => self.isr,
            (false, false) => self.irr,
        }
    }

    fn poll_word(&mut self) -> u8 {
        let Some(input) = self.pending() else { return 0 };
        self.acknowledge(input);
        0x80 | input
    }

    fn write_level(&mut self, value: u8) {
        self.level = value & self.level_mask;
    }
}

/// The pair of chips, 16 inputs, one output. `Clone` exports its whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PicPair {
    first: Chip,
    second: Chip,
}

impl Default for PicPair {
    fn default() -> Self {
        Self::new()
    }
}

impl PicPair {
    /// Makes the pair as after power-on. A guest initialises it before use.
    #[must_use]
    pub fn new() -> Self {
        // Inputs 0, 1, 2, 8 and 13 are edge-triggered on every PC.
        Self { first: Chip::new(true, 0xf8), second: Chip::new(false, 0xde) }
    }

    /// Whether `port` belongs to the pair.
    #[must_use]
    pub fn owns_port(port: u16) -> bool {
        matches!(port, 0x20 | 0x21 | 0xa0 | 0xa1 | 0x4d0 | 0x4d1)
    }

    /// Reads one of the pair's ports.
    pub fn read(&mut self, port: u16) -> u8 {
        let value = match port {
            0x20 | 0x21 => self.first.read(port & 1 != 0),
            0xa0 | 0xa1 => self.second.read(port & 1 != 0),
            0x4d0 => self.first.level,
            0x4d1 => self.second.level,
            _ => 0xff,
        };
        self.cascade();
        value
    }

    /// Writes one of the pair's ports.
    pub fn write(&mut self, port: u16, value: u8) {
        match port {
            0x20 => self.first.write_command(value),
            0x21 => self.first.write_data(value),
            0xa0 => self.second.write_command(value),
            0xa1 => self.second.write_data(value),
            0x4d0 => self.first.write_level(value),
            0x4d1 => self.second.write_level(value),
            _ => {}
        }
        self.cascade();
    }

    /// Sets the level of an input, 0 to 15 without 2.
    pub fn set_line(&mut self, input: u8, asserted: bool) {
        match input {
            CASCADE => {}
            0..=7 => self.first.set_line(input, asserted),
            8..=15 => self.second.set_line(input - 8, asserted),
            _ => {}
        }
        self.cascade();
    }

    /// Whether the pair asks the processor for an interrupt.
    #[must_use]
    pub fn has_interrupt(&self) -> bool {
        self.first.pending().is_some()
    }

    /// The processor's acknowledge cycle: takes the vector of the interrupt to be served.
    ///
    /// A request that has gone meanwhile gives the spurious vector of the chip, input 7.
    pub fn acknowledge(&mut self) -> u8 {
        let vector = match self.first.pending() {
            None => self.first.base | 7,
            Some(CASCADE) => {
                self.first.acknowledge(CASCADE);
                let input = self.second.pending();
                if let Some(input) = input {
                    self.second.acknowledge(input);
                }
                self.second.base | input.unwrap_or(7)
            }
            Some(input) => {
                self.first.acknowledge(input);
                self.first.base | input
            }
        };
        self.cascade();
        vector
    }

    fn cascade(&mut self) {
        let asserted = self.second.pending().is_some();
        // The cascade input follows the second chip's output at once: after an acknowledge the next
        // request of that chip is a new edge.
        self.first.set_line(CASCADE, false);
        if asserted {
            self.first.set_line(CASCADE, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initialised() -> PicPair {
        let mut pair = PicPair::new();
        for (port, base, wiring) in [(0x20, 0x30, 4), (0xa0, 0x38, 2)] {
            pair.write(port, 0x11);
            pair.write(port + 1, base);
            pair.write(port + 1, wiring);
            pair.write(port + 1, 0x01);
            pair.write(port + 1, 0x00);
        }
        pair
    }

    #[test]
    fn a_request_gives_its_vector_and_blocks_lower_ones_until_eoi() {
        let mut pair = initialised();
        pair.set_line(4, true);
        assert!(pair.has_interrupt());
        assert_eq!(pair.acknowledge(), 0x34);
        pair.set_line(5, true);
        assert!(!pair.has_interrupt());
        pair.set_line(1, true);
        assert_eq!(pair.acknowledge(), 0x31);
        pair.write(0x20, 0x20);
        pair.write(0x20, 0x20);
        assert_eq!(pair.acknowledge(), 0x35);
    }

    #[test]
    fn the_second_chip_cascades_through_input_two() {
        let mut pair = initialised();
        pair.set_line(12, true);
        assert_eq!(pair.acknowledge(), 0x3c);
        pair.write(0x20, 0x0b);
        assert_eq!(pair.read(0x20), 1 << 2);
        pair.write(0xa0, 0x0b);
        assert_eq!(pair.read(0xa0), 1 << 4);
        pair.write(0xa0, 0x20);
        pair.write(0x20, 0x20);
        assert!(!pair.has_interrupt());
    }

    #[test]
    fn masked_inputs_wait() {
        let mut pair = initialised();
        pair.write(0x21, 0x10);
        pair.set_line(4, true);
        assert!(!pair.has_interrupt());
        pair.write(0x21, 0x00);
        assert_eq!(pair.acknowledge(), 0x34);
    }

    #[test]
    fn a_vanished_request_is_spurious() {
        let mut pair = initialised();
        pair.set_line(3, true);
        pair.set_line(3, false);
        assert_eq!(pair.acknowledge(), 0x37);
        pair.write(0x20, 0x0b);
        assert_eq!(pair.read(0x20), 0);
    }

    #[test]
    fn level_inputs_request_again_while_asserted() {
        let mut pair = initialised();
        pair.write(0x4d0, 0xff);
        assert_eq!(pair.read(0x4d0), 0xf8);
        pair.set_line(5, true);
        assert_eq!(pair.acknowledge(), 0x35);
        pair.write(0x20, 0x20);
        assert!(pair.has_interrupt());
        pair.set_line(5, false);
        assert!(!pair.has_interrupt());
    }

    #[test]
    fn auto_eoi_leaves_nothing_in_service() {
        let mut pair = PicPair::new();
        for value in [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 3), (0x21, 0)] {
            pair.write(value.0, value.1);
        }
        pair.set_line(0, true);
        assert_eq!(pair.acknowledge(), 0x20);
        pair.write(0x20, 0x0b);
        assert_eq!(pair.read(0x20), 0);
    }

    #[test]
    fn poll_reads_and_acknowledges_the_highest_request() {
        let mut pair = initialised();
        pair.set_line(6, true);
        pair.write(0x20, 0x0c);
        assert_eq!(pair.read(0x20), 0x86);
        pair.write(0x20, 0x0c);
        assert_eq!(pair.read(0x20), 0x00);
    }

    #[test]
    fn rotation_moves_the_lowest_priority() {
        let mut pair = initialised();
        pair.write(0x20, 0xc0 | 3);
        pair.set_line(3, true);
        pair.set_line(4, true);
        assert_eq!(pair.acknowledge(), 0x34);
    }
}
