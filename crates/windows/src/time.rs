//! Clocks and sleeping.

#![expect(unsafe_code, reason = "exports C functions")]

use std::time::Duration;
use std::time::SystemTime;

use rustix::time::ClockId;
use rustix::time::clock_gettime;

use crate::boundary::FALSE;
use crate::boundary::Outcome;
use crate::boundary::Output;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::error::ERROR_INVALID_PARAMETER;

/// Counts of the performance counter in a second, as on current Windows.
const FREQUENCY: i64 = 10_000_000;
/// Seconds from 1601 to 1970.
const EPOCH_SECONDS: u64 = 11_644_473_600;
const TICKS_PER_SECOND: u64 = 10_000_000;

/// A calendar date, as `SYSTEMTIME` lays it out.
type Calendar = [u16; 8];

fn monotonic(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Now, in units of 100 ns since 1601.
pub(crate) fn file_time() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (now.as_secs() + EPOCH_SECONDS) * TICKS_PER_SECOND + u64::from(now.subsec_nanos() / 100)
}

/// The date of a time, by the Gregorian calendar.
fn calendar(time: u64) -> Calendar {
    let seconds = time / TICKS_PER_SECOND;
    let days = seconds / 86_400;
    let (mut year, mut day) = (1601, days);
    let is_leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let length = |year: u64| if is_leap(year) { 366 } else { 365 };
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let february = if length(year) == 366 { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    // 1601 began on a Monday.
    let parts = [
        year,
        month,
        (days + 1) % 7,
        day + 1,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        time / 10_000 % 1000,
    ];
    parts.map(|part| u16::try_from(part).unwrap_or(u16::MAX))
}

fn put_calendar(target: Output<Calendar>, time: u64) -> Outcome {
    target.required()?.set(calendar(time));
    Ok(())
}

exports! {
    /// The performance counter, in units of 100 ns.
    fn QueryPerformanceCounter(count: *mut i64) -> i32 = FALSE => {
        let now = monotonic(ClockId::Monotonic).as_nanos() / 100;
        count.required()?.set(i64::try_from(now).unwrap_or(i64::MAX));
        Ok(TRUE)
    }

    /// Counts of the performance counter in a second.
    fn QueryPerformanceFrequency(frequency: *mut i64) -> i32 = FALSE => {
        frequency.required()?.set(FREQUENCY);
        Ok(TRUE)
    }

    /// Milliseconds since the machine started.
    fn GetTickCount64() -> u64 = 0 => {
        Ok(u64::try_from(monotonic(ClockId::Boottime).as_millis()).unwrap_or(u64::MAX))
    }

    /// Milliseconds since the machine started, cut to 32 bits.
    fn GetTickCount() -> u32 = 0 => {
        Ok(monotonic(ClockId::Boottime).as_millis() as u32)
    }

    /// Time that the machine was not asleep, in units of 100 ns.
    fn QueryUnbiasedInterruptTime(time: *mut u64) -> i32 = FALSE => {
        time.required()?.set(u64::try_from(monotonic(ClockId::Monotonic).as_nanos() / 100).unwrap_or(u64::MAX));
        Ok(TRUE)
    }

    /// Now, in units of 100 ns since 1601.
    fn GetSystemTimeAsFileTime(time: *mut u64) -> () = () => {
        time.set(file_time());
        Ok(())
    }

    /// Now, in units of 100 ns since 1601.
    fn GetSystemTimePreciseAsFileTime(time: *mut u64) -> () = () => {
        time.set(file_time());
        Ok(())
    }

    /// Now, as a date in universal time.
    fn GetSystemTime(date: *mut Calendar) -> () = () => {
        put_calendar(date, file_time())
    }

    /// Now, as a local date.
    fn GetLocalTime(date: *mut Calendar) -> () = () => {
        put_calendar(date, file_time().saturating_add_signed(local_offset()))
    }

    /// The date of a time.
    fn FileTimeToSystemTime(time: *const u64, date: *mut Calendar) -> i32 = FALSE => {
        put_calendar(date, time.get(0).ok_or(ERROR_INVALID_PARAMETER)?)?;
        Ok(TRUE)
    }

    /// Sleeps; 0 lets another thread run.
    fn Sleep(milliseconds: u32) -> () = () => {
        match milliseconds {
            0 => rustix::thread::sched_yield(),
            u32::MAX => loop {
                std::thread::park();
            },
            _ => std::thread::sleep(Duration::from_millis(u64::from(milliseconds))),
        }
        Ok(())
    }

    /// Sleeps; nothing here wakes a thread to run a procedure.
    fn SleepEx(milliseconds: u32, alertable: i32) -> u32 = 0 => {
        std::thread::sleep(Duration::from_millis(u64::from(milliseconds)));
        Ok(0)
    }
}

/// What local time is ahead of universal time, in units of 100 ns.
fn local_offset() -> i64 {
    let mut now: libc::time_t = 0;
    // SAFETY: writes the time to a variable of its type.
    unsafe { libc::time(&raw mut now) };
    // SAFETY: all-zero bytes are a date.
    let mut local: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both are variables of their types.
    unsafe { libc::localtime_r(&raw const now, &raw mut local) };
    local.tm_gmtoff * FREQUENCY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_calendar() {
        let at = |unix: u64| calendar((unix + EPOCH_SECONDS) * TICKS_PER_SECOND);
        assert_eq!(at(0), [1970, 1, 4, 1, 0, 0, 0, 0]);
        assert_eq!(at(951_782_400), [2000, 2, 2, 29, 0, 0, 0, 0]);
        assert_eq!(at(1_735_689_599), [2024, 12, 2, 31, 23, 59, 59, 0]);
    }
}
