//! A device for test suites: interrupt lines that the guest itself pulls, and ports and memory that keep what is
//! written, so that tests can see how accesses of every kind reach a device. It is where, and what, QEMU's
//! `pc-testdev` is, which the kvm-unit-tests expect.

/// First of four ports that keep what is written to them.
const WORD: u16 = 0xe0;
/// Four ports whose writes ask for a page's mapping to be renewed; nothing needs it here.
const FLUSH: u16 = 0xe4;
/// The ports of [`WORD`] again, a byte at a time.
const BYTES: u16 = 0xe8;
/// First port of the interrupt lines, one each.
const LINE_PORTS: u16 = 0x2000;
/// Interrupt lines.
pub const LINES: usize = 24;
/// Guest physical address of the memory.
pub const MEMORY: u64 = 0xff00_0000;
/// Bytes of the memory.
pub const MEMORY_LENGTH: u64 = 0x1_0000;

/// The device. `Clone` exports its whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestDevice {
    word: [u8; 4],
    lines: [bool; LINES],
    memory: Vec<u8>,
}

impl Default for TestDevice {
    fn default() -> Self {
        Self::new()
    }
}

impl TestDevice {
    /// Makes the device: zeroes, all lines low.
    #[must_use]
    pub fn new() -> Self {
        Self { word: [0; 4], lines: [false; LINES], memory: vec![0; MEMORY_LENGTH as usize] }
    }

    /// Whether `port` belongs to the device.
    #[must_use]
    pub fn owns_port(port: u16) -> bool {
        matches!(port, WORD..0xec | LINE_PORTS..0x2018)
    }

    /// Whether a guest physical address belongs to the device.
    #[must_use]
    pub fn owns_address(gpa: u64) -> bool {
        (MEMORY..MEMORY + MEMORY_LENGTH).contains(&gpa)
    }

    /// Reads ports from `port` on.
    pub fn read_port(&self, port: u16, data: &mut [u8]) {
        data.fill(0xff);
        for (byte, port) in data.iter_mut().zip(port..) {
            match port {
                WORD..FLUSH | BYTES..0xec => *byte = self.word[usize::from(port & 3)],
                FLUSH..BYTES => *byte = 0,
                _ => {}
            }
        }
    }

    /// Writes ports from `port` on. A line is high after a value other than 0 was written to its port, in one access of
    /// any size.
    pub fn write_port(&mut self, port: u16, data: &[u8]) {
        if port >= LINE_PORTS {
            if let Some(line) = self.lines.get_mut(usize::from(port - LINE_PORTS)) {
                *line = data.iter().any(|byte| *byte != 0);
            }
            return;
        }
        for (byte, port) in data.iter().zip(port..) {
            if matches!(port, WORD..FLUSH | BYTES..0xec) {
                self.word[usize::from(port & 3)] = *byte;
            }
        }
    }

    /// Reads memory at a guest physical address; beyond the end are ones.
    pub fn read(&self, gpa: u64, data: &mut [u8]) {
        data.fill(0xff);
        let start = gpa.saturating_sub(MEMORY) as usize;
        for (to, from) in data.iter_mut().zip(self.memory.iter().skip(start)) {
            *to = *from;
        }
    }

    /// Writes memory at a guest physical address; what is beyond the end is lost.
    pub fn write(&mut self, gpa: u64, data: &[u8]) {
        let start = gpa.saturating_sub(MEMORY) as usize;
        for (to, from) in self.memory.iter_mut().skip(start).zip(data) {
            *to = *from;
        }
    }

    /// The interrupt lines.
    #[must_use]
    pub fn lines(&self) -> &[bool; LINES] {
        &self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_keep_bytes_words_and_their_order() {
        let mut device = TestDevice::new();
        device.write_port(0xe0, &[1, 2, 3, 4]);
        device.write_port(0xe9, &[7]);
        let mut bytes = [0; 4];
        device.read_port(0xe0, &mut bytes);
        assert_eq!(bytes, [1, 7, 3, 4]);
        device.write_port(0xe4, &[9; 4]);
        let mut tail = [0; 4];
        device.read_port(0xe2, &mut tail);
        assert_eq!(tail, [3, 4, 0, 0]);
    }

    #[test]
    fn lines_follow_whole_accesses() {
        let mut device = TestDevice::new();
        device.write_port(0x2003, &[0, 0, 0, 1]);
        assert_eq!(device.lines().iter().position(|line| *line), Some(3));
        device.write_port(0x2017, &[1]);
        device.write_port(0x2003, &[0; 4]);
        assert_eq!(device.lines().iter().position(|line| *line), Some(23));
        assert!(
            TestDevice::owns_port(0x2017) && !TestDevice::owns_port(0x2018) && !TestDevice::owns_port(0xec)
        );
    }

    #[test]
    fn memory_ends_where_it_ends() {
        let mut device = TestDevice::new();
        device.write(MEMORY + MEMORY_LENGTH - 2, &[5, 6, 7]);
        let mut bytes = [0; 4];
        device.read(MEMORY + MEMORY_LENGTH - 2, &mut bytes);
        assert_eq!(bytes, [5, 6, 0xff, 0xff]);
        assert!(!TestDevice::owns_address(MEMORY + MEMORY_LENGTH));
    }
}
