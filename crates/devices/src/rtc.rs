//! The MC146818 real-time clock and its CMOS memory.
//!
//! The clock runs on guest time from a wall-clock second given at creation, so it is as exact and as
//! repeatable as guest time is.
//!
//! # Source
//! Motorola MC146818A data sheet; register 32h as century is the PC convention named by the FADT.

const NS_PER_SECOND: u64 = 1_000_000_000;
/// The update-in-progress bit rises this long before the registers change.
const UPDATE_LEAD_NS: u64 = 244_000;

const REG_A: u8 = 0x0a;
const REG_B: u8 = 0x0b;
const REG_C: u8 = 0x0c;
const REG_D: u8 = 0x0d;
/// Index of the century byte, as this machine's FADT names it.
pub const CENTURY: u8 = 0x32;

const B_SET: u8 = 0x80;
const B_DECIMAL: u8 = 0x04;
const B_24_HOUR: u8 = 0x02;
const PERIODIC: u8 = 0x40;
const ALARM: u8 = 0x20;
const UPDATE: u8 = 0x10;
const ENABLES: u8 = PERIODIC | ALARM | UPDATE;

/// A broken-down date and time, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Civil {
    year: i64,
    month: u8,
    day: u8,
    weekday: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

impl Civil {
    /// Converts seconds since 1970. Days are counted in 400-year eras that begin on 1 March.
    fn from_unix(seconds: i64) -> Self {
        let days = seconds.div_euclid(86_400);
        let of_day = seconds.rem_euclid(86_400);
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month: month as u8,
            day: (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u8,
            weekday: ((days + 4).rem_euclid(7) + 1) as u8,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
        }
    }

    fn to_unix(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        days * 86_400 + i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }
}

/// The clock and its 128 bytes. `Clone` exports its whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rtc {
    index: u8,
    memory: [u8; 128],
    /// Unix seconds of the clock at guest time 0.
    offset: i64,
    seen_ns: u64,
    flags: u8,
}

impl Rtc {
    /// Makes a clock that shows `unix_seconds` at guest time 0.
    #[must_use]
    pub fn new(unix_seconds: i64) -> Self {
        let mut memory = [0; 128];
        memory[usize::from(REG_A)] = 0x26;
        memory[usize::from(REG_B)] = B_24_HOUR;
        Self { index: 0, memory, offset: unix_seconds, seen_ns: 0, flags: 0 }
    }

    /// Whether `port` belongs to the clock.
    #[must_use]
    pub fn owns_port(port: u16) -> bool {
        matches!(port, 0x70 | 0x71)
    }

    /// Reads a port at guest time `now_ns`.
    pub fn read(&mut self, port: u16, now_ns: u64) -> u8 {
        self.advance(now_ns);
        if port == 0x70 {
            return 0xff;
        }
        match self.index {
            0 | 2 | 4 | 6..=9 | CENTURY => self.read_time(self.index, now_ns),
            REG_A => (self.memory[usize::from(REG_A)] & 0x7f) | (u8::from(self.is_updating(now_ns)) << 7),
            REG_C => core::mem::take(&mut self.flags),
            // Valid memory and time.
            REG_D => 0x80,
            index => self.memory[usize::from(index)],
        }
    }

    /// Writes a port at guest time `now_ns`.
    pub fn write(&mut self, port: u16, value: u8, now_ns: u64) {
        self.advance(now_ns);
        if port == 0x70 {
            self.index = value & 0x7f;
            return;
        }
        match self.index {
            0 | 2 | 4 | 6..=9 | CENTURY => self.write_time(self.index, value, now_ns),
            REG_C | REG_D => {}
            index => self.memory[usize::from(index)] = value,
        }
        self.raise_line();
    }

    /// Moves to guest time `now_ns`, noting what has happened meanwhile.
    pub fn advance(&mut self, now_ns: u64) {
        let before = self.seen_ns;
        self.seen_ns = before.max(now_ns);
        if let Some(period) = self.period_ns()
            && self.seen_ns / period != before / period
        {
            self.flags |= PERIODIC;
        }
        let (from, to) = (before / NS_PER_SECOND, self.seen_ns / NS_PER_SECOND);
        if from != to && self.register_b() & B_SET == 0 {
            self.flags |= UPDATE;
            // One day holds every alarm; longer jumps need no finer look.
            let last = to.min(from + 86_400);
            if (from + 1..=last).any(|second| self.alarm_matches(second)) {
                self.flags |= ALARM;
            }
        }
        self.raise_line();
    }

    /// Level of the interrupt line.
    #[must_use]
    pub fn interrupt(&self) -> bool {
        self.flags & 0x80 != 0
    }

    /// Guest time in nanoseconds at which the line may rise next.
    #[must_use]
    pub fn next_deadline_ns(&self) -> Option<u64> {
        if self.interrupt() {
            return None;
        }
        let after = |period: u64| (self.seen_ns / period + 1) * period;
        let periodic = (self.register_b() & PERIODIC != 0).then(|| self.period_ns().map(after)).flatten();
        let second = (self.register_b() & (ALARM | UPDATE) != 0).then(|| after(NS_PER_SECOND));
        match (periodic, second) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn register_b(&self) -> u8 {
        self.memory[usize::from(REG_B)]
    }

    fn raise_line(&mut self) {
        let active = self.flags & self.register_b() & ENABLES != 0;
        self.flags = (self.flags & !0x80) | (u8::from(active) << 7);
    }

    fn period_ns(&self) -> Option<u64> {
        let rate = self.memory[usize::from(REG_A)] & 0x0f;
        // Rates 1 and 2 repeat 8 and 9 with the 32,768 Hz time base.
        let shift = match rate {
            0 => return None,
            1 | 2 => rate + 6,
            _ => rate - 1,
        };
        Some((NS_PER_SECOND << shift) / 32_768)
    }

    fn is_updating(&self, now_ns: u64) -> bool {
        self.register_b() & B_SET == 0 && now_ns % NS_PER_SECOND >= NS_PER_SECOND - UPDATE_LEAD_NS
    }

    fn time_at(&self, second: u64) -> Civil {
        Civil::from_unix(self.offset.saturating_add(second as i64))
    }

    fn encode(&self, value: u8) -> u8 {
        if self.register_b() & B_DECIMAL != 0 { value } else { ((value / 10) << 4) | (value % 10) }
    }

    fn decode(&self, value: u8) -> u8 {
        if self.register_b() & B_DECIMAL != 0 {
            value
        } else {
            (value >> 4).wrapping_mul(10).wrapping_add(value & 15)
        }
    }

    fn encode_hour(&self, hour: u8) -> u8 {
        if self.register_b() & B_24_HOUR != 0 {
            return self.encode(hour);
        }
        let afternoon = if hour >= 12 { 0x80 } else { 0 };
        self.encode(match hour % 12 {
            0 => 12,
            hour => hour,
        }) | afternoon
    }

    fn decode_hour(&self, value: u8) -> u8 {
        if self.register_b() & B_24_HOUR != 0 {
            return self.decode(value);
        }
        self.decode(value & 0x7f) % 12 + if value & 0x80 != 0 { 12 } else { 0 }
    }

    fn read_time(&self, index: u8, now_ns: u64) -> u8 {
        let time = self.time_at(now_ns / NS_PER_SECOND);
        match index {
            0 => self.encode(time.second),
            2 => self.encode(time.minute),
            4 => self.encode_hour(time.hour),
            6 => time.weekday,
            7 => self.encode(time.day),
            8 => self.encode(time.month),
            9 => self.encode(time.year.rem_euclid(100) as u8),
            _ => self.encode(time.year.div_euclid(100) as u8),
        }
    }

    fn write_time(&mut self, index: u8, value: u8, now_ns: u64) {
        let second = now_ns / NS_PER_SECOND;
        let mut time = self.time_at(second);
        let decoded = self.decode(value);
        match index {
            0 => time.second = decoded.min(59),
            2 => time.minute = decoded.min(59),
            4 => time.hour = self.decode_hour(value).min(23),
            7 => time.day = decoded.clamp(1, 31),
            8 => time.month = decoded.clamp(1, 12),
            9 => time.year = time.year.div_euclid(100) * 100 + i64::from(decoded.min(99)),
            CENTURY => time.year = time.year.rem_euclid(100) + i64::from(decoded.min(99)) * 100,
            _ => {}
        }
        self.offset = time.to_unix() - second as i64;
    }

    fn alarm_matches(&self, second: u64) -> bool {
        let time = self.time_at(second);
        let matches = |index: usize, now: u8| self.memory[index] >= 0xc0 || self.memory[index] == now;
        matches(1, self.encode(time.second))
            && matches(3, self.encode(time.minute))
            && matches(5, self.encode_hour(time.hour))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-02-29 23:59:58 UTC, a Thursday.
    const LEAP_DAY: i64 = 1_709_251_198;

    fn read(rtc: &mut Rtc, index: u8, now_ns: u64) -> u8 {
        rtc.write(0x70, index, now_ns);
        rtc.read(0x71, now_ns)
    }

    fn write(rtc: &mut Rtc, index: u8, value: u8, now_ns: u64) {
        rtc.write(0x70, index, now_ns);
        rtc.write(0x71, value, now_ns);
    }

    fn date(rtc: &mut Rtc, now_ns: u64) -> [u8; 8] {
        [CENTURY, 9, 8, 7, 4, 2, 0, 6].map(|index| read(rtc, index, now_ns))
    }

    #[test]
    fn shows_the_date_in_bcd_and_rolls_over_leap_days() {
        let mut rtc = Rtc::new(LEAP_DAY);
        assert_eq!(date(&mut rtc, 0), [0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x58, 5]);
        assert_eq!(date(&mut rtc, 2_000_000_000), [0x20, 0x24, 0x03, 0x01, 0x00, 0x00, 0x00, 6]);
    }

    #[test]
    fn twelve_hour_and_binary_modes() {
        let mut rtc = Rtc::new(LEAP_DAY);
        write(&mut rtc, REG_B, B_DECIMAL, 0);
        assert_eq!(read(&mut rtc, 4, 0), 0x80 | 11);
        assert_eq!(read(&mut rtc, 0, 0), 58);
    }

    #[test]
    fn setting_the_time_sticks() {
        let mut rtc = Rtc::new(0);
        for (index, value) in
            [(CENTURY, 0x20), (9, 0x30), (8, 0x12), (7, 0x25), (4, 0x08), (2, 0x15), (0, 0x42)]
        {
            write(&mut rtc, index, value, 0);
        }
        assert_eq!(date(&mut rtc, 1_000_000_000)[..7], [0x20, 0x30, 0x12, 0x25, 0x08, 0x15, 0x43]);
    }

    #[test]
    fn civil_dates_survive_the_round_trip() {
        for seconds in (-5_000_000_000..5_000_000_000).step_by(86_399 * 7) {
            assert_eq!(Civil::from_unix(seconds).to_unix(), seconds);
        }
    }

    #[test]
    fn the_periodic_interrupt_comes_at_its_rate_and_reading_c_clears_it() {
        let mut rtc = Rtc::new(0);
        write(&mut rtc, REG_B, B_24_HOUR | PERIODIC, 0);
        let deadline = rtc.next_deadline_ns().expect("periodic interrupts are on");
        assert_eq!(deadline, NS_PER_SECOND / 1024);
        rtc.advance(deadline);
        assert!(rtc.interrupt());
        assert_eq!(read(&mut rtc, REG_C, deadline), 0x80 | PERIODIC);
        assert!(!rtc.interrupt());
    }

    #[test]
    fn the_alarm_rings_at_its_second() {
        let mut rtc = Rtc::new(0);
        for (index, value) in [(5, 0xff), (3, 0x01), (1, 0x30), (REG_B, B_24_HOUR | ALARM)] {
            write(&mut rtc, index, value, 0);
        }
        rtc.advance(89 * NS_PER_SECOND);
        assert!(!rtc.interrupt());
        rtc.advance(90 * NS_PER_SECOND);
        assert!(rtc.interrupt());
    }

    #[test]
    fn the_update_bit_shows_shortly_before_a_second_ends() {
        let mut rtc = Rtc::new(0);
        assert_eq!(read(&mut rtc, REG_A, 500_000_000) & 0x80, 0);
        assert_eq!(read(&mut rtc, REG_A, 999_900_000) & 0x80, 0x80);
    }

    #[test]
    fn memory_bytes_are_kept() {
        let mut rtc = Rtc::new(0);
        write(&mut rtc, 0x0f, 0x5a, 0);
        write(&mut rtc, 0x7f, 0xa5, 0);
        assert_eq!((read(&mut rtc, 0x0f, 0), read(&mut rtc, 0x7f, 0)), (0x5a, 0xa5));
    }
}
