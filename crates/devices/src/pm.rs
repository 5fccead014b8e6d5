//! The ACPI power management block: PM1 event and control registers, the power management timer and
//! the reset register of port CF9h.
//!
//! # Source
//! ACPI Specification "ACPI Hardware Specification": PM1 Event Grouping, PM1 Control Grouping, Power
//! Management Timer.

/// Timer clock in hertz.
pub const FREQUENCY_HZ: u64 = 3_579_545;

/// First port of the block as this machine places it.
pub const BASE: u16 = 0x600;
/// Number of ports in the block.
pub const LENGTH: u16 = 16;
/// Offset of the PM1a event registers (status, then enable, two bytes each).
pub const EVENT: u16 = 0;
/// Offset of the PM1a control register.
pub const CONTROL: u16 = 4;
/// Offset of the 32-bit timer.
pub const TIMER: u16 = 8;

/// Sleep type that this machine's `_S5` names.
pub const SLEEP_TYPE_OFF: u16 = 5;

const POWER_BUTTON: u16 = 1 << 8;
const TIMER_CARRY: u16 = 1;
const SCI_ENABLE: u16 = 1;
const SLEEP_ENABLE: u16 = 1 << 13;

/// The block. `Clone` exports its whole state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PowerManagement {
    status: u16,
    enable: u16,
    control: u16,
    carries: u64,
    off_requested: bool,
}

impl PowerManagement {
    /// Makes the block as after reset.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Value of the timer at guest time `now_ns`.
    #[must_use]
    pub fn timer(now_ns: u64) -> u32 {
        (u128::from(now_ns) * u128::from(FREQUENCY_HZ) / 1_000_000_000) as u32
    }

    /// Reads the byte at `offset` of the block.
    pub fn read(&mut self, offset: u16, now_ns: u64) -> u8 {
        self.advance(now_ns);
        let bytes = match offset {
            0..=3 => [self.status.to_le_bytes(), self.enable.to_le_bytes()].concat(),
            4..=7 => u32::from(self.control | SCI_ENABLE).to_le_bytes().to_vec(),
            8..=11 => Self::timer(now_ns).to_le_bytes().to_vec(),
            _ => return 0,
        };
        bytes[usize::from(offset & 3)]
    }

    /// Writes the byte at `offset` of the block.
    pub fn write(&mut self, offset: u16, value: u8, now_ns: u64) {
        self.advance(now_ns);
        let shift = 8 * (offset & 1);
        let word = u16::from(value) << shift;
        match offset {
            0 | 1 => self.status &= !word,
            2 | 3 => self.enable = (self.enable & !(0xff << shift)) | word,
            4 | 5 => {
                self.control = (self.control & !(0xff << shift)) | (word & !SLEEP_ENABLE);
                let sleep_type = (self.control >> 10) & 7;
                self.off_requested |= word & SLEEP_ENABLE != 0 && sleep_type == SLEEP_TYPE_OFF;
            }
            _ => {}
        }
    }

    /// Notes timer carries (changes of bit 31) up to `now_ns`.
    pub fn advance(&mut self, now_ns: u64) {
        let carries = (u128::from(now_ns) * u128::from(FREQUENCY_HZ) / 1_000_000_000) as u64 >> 31;
        if carries != self.carries {
            self.carries = carries;
            self.status |= TIMER_CARRY;
        }
    }

    /// Presses the power button.
    pub fn press_power_button(&mut self) {
        self.status |= POWER_BUTTON;
    }

    /// Level of the system control interrupt.
    #[must_use]
    pub fn interrupt(&self) -> bool {
        self.status & self.enable & (POWER_BUTTON | TIMER_CARRY) != 0
    }

    /// Whether the guest has asked for soft-off.
    #[must_use]
    pub fn is_off_requested(&self) -> bool {
        self.off_requested
    }
}

/// The reset control register of port CF9h.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResetControl {
    value: u8,
}

impl ResetControl {
    /// Reads the register.
    #[must_use]
    pub fn read(&self) -> u8 {
        self.value
    }

    /// Writes the register; true when the machine is to reset now.
    pub fn write(&mut self, value: u8) -> bool {
        let rises = value & 4 != 0 && self.value & 4 == 0;
        self.value = value & 0x0a;
        rises
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timer_counts_at_its_frequency() {
        let mut block = PowerManagement::new();
        let bytes = [8, 9, 10, 11].map(|offset| block.read(offset, 1_000_000_000));
        assert_eq!(u32::from_le_bytes(bytes), 3_579_545);
    }

    #[test]
    fn soft_off_needs_type_and_enable() {
        let mut block = PowerManagement::new();
        block.write(5, 0x20, 0);
        assert!(!block.is_off_requested());
        block.write(4, 0x00, 0);
        block.write(5, 0x34, 0);
        assert!(block.is_off_requested());
        assert_eq!(block.read(4, 0), 1);
    }

    #[test]
    fn the_power_button_interrupts_until_its_status_is_cleared() {
        let mut block = PowerManagement::new();
        block.press_power_button();
        assert!(!block.interrupt());
        block.write(3, 0x01, 0);
        assert!(block.interrupt());
        block.write(1, 0x01, 0);
        assert!(!block.interrupt());
    }

    #[test]
    fn the_timer_carry_sets_its_status() {
        let mut block = PowerManagement::new();
        assert_eq!(block.read(0, 600_000_000_000), 1);
        block.write(0, 1, 600_000_000_000);
        assert_eq!(block.read(0, 600_000_000_000), 0);
    }

    #[test]
    fn reset_happens_on_the_rising_bit() {
        let mut control = ResetControl::default();
        assert!(!control.write(0x02));
        assert!(control.write(0x06));
        assert_eq!(control.read(), 0x02);
    }
}
