//! Keys as input records: each character that a terminal sends is one key going down.

#![expect(unsafe_code, reason = "exports C functions")]

use std::collections::VecDeque;
use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::sync::Mutex;
use std::sync::PoisonError;

use rustix::termios::QueueSelector;
use rustix::termios::tcflush;
use rustix::termios::tcgetattr;

use crate::boundary::FALSE;
use crate::boundary::Outcome;
use crate::boundary::Output;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::error::ERROR_HANDLE_EOF;
use crate::error::ERROR_INVALID_HANDLE;
use crate::handles;
use crate::handles::Entry;

const KEY_EVENT: u16 = 1;
const LEFT_CTRL_PRESSED: u32 = 0x08;
const SHIFT_PRESSED: u32 = 0x10;
const BACKSPACE: u16 = 0x08;
const ENTER: u16 = 0x0D;
const DELETE: u16 = 0x7F;

/// Bytes of an `INPUT_RECORD` with a `KEY_EVENT_RECORD`.
const RECORD: usize = 20;

/// UTF-16 units of a character that the program has read in part.
static UNITS: Mutex<VecDeque<u16>> = Mutex::new(VecDeque::new());

/// The key that gives a character on a common keyboard, 0 if that depends on the keyboard; and the keys held with it.
fn record(character: u16) -> [u8; RECORD] {
    let character = match character {
        // What terminals send for Enter and Backspace.
        0x0A => ENTER,
        DELETE => BACKSPACE,
        other => other,
    };
    let (key, control) = match character {
        // Backspace, Tab, Enter, Escape, Space, digits.
        0x08 | 0x09 | 0x0D | 0x1B | 0x20 | 0x30..=0x39 => (character, 0),
        0x01..=0x1A => (character + 0x40, LEFT_CTRL_PRESSED),
        0x41..=0x5A => (character, SHIFT_PRESSED),
        0x61..=0x7A => (character - 0x20, 0),
        _ => (0, 0),
    };
    let mut record = [0; RECORD];
    record[..2].copy_from_slice(&KEY_EVENT.to_ne_bytes());
    // Down, once; no scan code.
    record[4..8].copy_from_slice(&TRUE.to_ne_bytes());
    record[8..10].copy_from_slice(&1_u16.to_ne_bytes());
    record[10..12].copy_from_slice(&key.to_ne_bytes());
    record[14..16].copy_from_slice(&character.to_ne_bytes());
    record[16..].copy_from_slice(&control.to_ne_bytes());
    record
}

fn terminal(handle: usize) -> Outcome<Entry> {
    let entry = handles::find(handle)?;
    tcgetattr(entry.fd()).map_err(|_| ERROR_INVALID_HANDLE)?;
    Ok(entry)
}

fn waiting(fd: BorrowedFd<'_>) -> Outcome<u64> {
    Ok(rustix::io::ioctl_fionread(fd)?)
}

fn byte(fd: BorrowedFd<'_>) -> Outcome<u8> {
    let mut byte = [0];
    match rustix::io::retry_on_intr(|| rustix::io::read(fd, &mut byte))? {
        0 => Err(ERROR_HANDLE_EOF),
        _ => Ok(byte[0]),
    }
}

/// The next UTF-16 unit.
fn unit(fd: BorrowedFd<'_>) -> Outcome<u16> {
    if let Some(unit) = UNITS.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
        return Ok(unit);
    }
    let mut bytes = vec![byte(fd)?];
    let length = match bytes[0] {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    };
    while bytes.len() < length {
        bytes.push(byte(fd)?);
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut units = text.encode_utf16();
    let first = units.next().unwrap_or(0);
    UNITS.lock().unwrap_or_else(PoisonError::into_inner).extend(units);
    Ok(first)
}

/// Waits for a key, then takes those that are there.
fn read(
    handle: usize,
    records: Output<c_void>,
    length: u32,
    count: Output<u32>,
    next: impl Fn(BorrowedFd<'_>) -> Outcome<u16>,
) -> Outcome<i32> {
    let entry = terminal(handle)?;
    let (records, count) = (records.required()?, count.required()?);
    let mut keys = Vec::new();
    let mut done = 0;
    while done < length && (done == 0 || pending(entry.fd())? > 0) {
        keys.extend(record(next(entry.fd())?));
        done += 1;
    }
    records.put_bytes(&keys);
    count.set(done);
    Ok(TRUE)
}

/// Characters that wait; of some only bytes are known.
fn pending(fd: BorrowedFd<'_>) -> Outcome<u64> {
    let begun = UNITS.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
    Ok(waiting(fd)?.saturating_add(begun))
}

exports! {
    /// How many keys wait; a character beyond ASCII counts for each of its bytes until it is read.
    fn GetNumberOfConsoleInputEvents(handle: usize, count: *mut u32) -> i32 = FALSE => {
        let entry = terminal(handle)?;
        count.required()?.set(u32::try_from(pending(entry.fd())?).unwrap_or(u32::MAX));
        Ok(TRUE)
    }

    /// Waits for keys, and reads them as bytes of UTF-8.
    fn ReadConsoleInputA(
        handle: usize,
        records: *mut c_void [length as usize * RECORD],
        length: u32,
        count: *mut u32,
    ) -> i32 = FALSE => {
        read(handle, records, length, count, |fd| byte(fd).map(u16::from))
    }

    /// Waits for keys, and reads them as UTF-16 units.
    fn ReadConsoleInputW(
        handle: usize,
        records: *mut c_void [length as usize * RECORD],
        length: u32,
        count: *mut u32,
    ) -> i32 = FALSE => {
        read(handle, records, length, count, unit)
    }

    /// Forgets the keys that wait.
    fn FlushConsoleInputBuffer(handle: usize) -> i32 = FALSE => {
        let entry = terminal(handle)?;
        UNITS.lock().unwrap_or_else(PoisonError::into_inner).clear();
        tcflush(entry.fd(), QueueSelector::IFlush)?;
        Ok(TRUE)
    }
}
