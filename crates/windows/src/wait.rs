//! Waiting for objects.

#![expect(unsafe_code, reason = "exports C functions")]

use std::time::Duration;
use std::time::Instant;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use rustix::io::Errno;

use crate::boundary::Outcome;
use crate::boundary::exports;
use crate::error::ERROR_INVALID_PARAMETER;
use crate::handles;
use crate::handles::Entry;

const INFINITE: u32 = u32::MAX;
const WAIT_ABANDONED: u32 = 0x80;
const WAIT_TIMEOUT: u32 = 0x102;
const WAIT_FAILED: u32 = u32::MAX;
const MAXIMUM_WAIT_OBJECTS: u32 = 64;

/// The moment a time-out ends; `None` is never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// A time-out in milliseconds from now.
    pub(crate) fn after(milliseconds: u32) -> Self {
        let limit = Duration::from_millis(u64::from(milliseconds));
        Self((milliseconds != INFINITE).then(|| Instant::now() + limit))
    }

    /// Time left; `None` without a limit.
    pub(crate) fn left(self) -> Option<Timespec> {
        let left = self.0?.saturating_duration_since(Instant::now());
        let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        Some(Timespec { tv_sec: seconds, tv_nsec: i64::from(left.subsec_nanos()) })
    }

    /// Whether the time is over.
    pub(crate) fn is_over(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }
}

/// Sleeps until one of the objects may be set, or the time is over.
fn sleep_on(entries: &[&Entry], deadline: Deadline) -> Outcome {
    let mut set: Vec<PollFd<'_>> =
        entries.iter().map(|entry| PollFd::from_borrowed_fd(entry.fd(), PollFlags::IN)).collect();
    match poll(&mut set, deadline.left().as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn wait_any(entries: &[Entry], deadline: Deadline) -> Outcome<u32> {
    let all: Vec<&Entry> = entries.iter().collect();
    loop {
        for (index, entry) in (0..).zip(entries) {
            if let Some(taken) = entry.object.take(entry.fd())? {
                return Ok(index + if taken.abandoned { WAIT_ABANDONED } else { 0 });
            }
        }
        if deadline.is_over() {
            return Ok(WAIT_TIMEOUT);
        }
        sleep_on(&all, deadline)?;
    }
}

/// Takes all objects or none. What another waiter takes in between is given back and tried again.
fn wait_all(entries: &[Entry], deadline: Deadline) -> Outcome<u32> {
    loop {
        let mut abandoned = 0;
        let mut missing = None;
        for (index, entry) in entries.iter().enumerate() {
            match entry.object.take(entry.fd())? {
                Some(taken) => abandoned |= if taken.abandoned { WAIT_ABANDONED } else { 0 },
                None => {
                    missing = Some(index);
                    break;
                }
            }
        }
        let Some(missing) = missing else { return Ok(abandoned) };
        for entry in &entries[..missing] {
            entry.object.give_back(entry.fd())?;
        }
        if deadline.is_over() {
            return Ok(WAIT_TIMEOUT);
        }
        sleep_on(&[&entries[missing]], deadline)?;
    }
}

fn wait_multiple(handles: &[usize], all: bool, milliseconds: u32) -> Outcome<u32> {
    let deadline = Deadline::after(milliseconds);
    let entries = handles.iter().map(|handle| handles::find(*handle)).collect::<Outcome<Vec<Entry>>>()?;
    if all { wait_all(&entries, deadline) } else { wait_any(&entries, deadline) }
}

fn checked(count: u32) -> Outcome {
    if (1..=MAXIMUM_WAIT_OBJECTS).contains(&count) { Ok(()) } else { Err(ERROR_INVALID_PARAMETER) }
}

exports! {
    /// Waits for an object.
    fn WaitForSingleObject(handle: usize, milliseconds: u32) -> u32 = WAIT_FAILED => {
        wait_multiple(&[handle], false, milliseconds)
    }

    /// Waits for an object; nothing here wakes a thread to run a procedure.
    fn WaitForSingleObjectEx(handle: usize, milliseconds: u32, alertable: i32) -> u32 = WAIT_FAILED => {
        wait_multiple(&[handle], false, milliseconds)
    }

    /// Waits for one or all of up to 64 objects.
    fn WaitForMultipleObjects(
        count: u32,
        handles: *const usize [count],
        all: i32,
        milliseconds: u32,
    ) -> u32 = WAIT_FAILED => {
        checked(count)?;
        wait_multiple(&handles.all()?, all != 0, milliseconds)
    }

    /// Waits for one or all of up to 64 objects; nothing here wakes a thread to run a procedure.
    fn WaitForMultipleObjectsEx(
        count: u32,
        handles: *const usize [count],
        all: i32,
        milliseconds: u32,
        alertable: i32,
    ) -> u32 = WAIT_FAILED => {
        checked(count)?;
        wait_multiple(&handles.all()?, all != 0, milliseconds)
    }

    /// Sets one object and waits for another.
    fn SignalObjectAndWait(set: usize, awaited: usize, milliseconds: u32, alertable: i32) -> u32 = WAIT_FAILED => {
        let entry = handles::find(set)?;
        handles::find(awaited)?;
        crate::events::signal(&entry)?;
        wait_multiple(&[awaited], false, milliseconds)
    }
}
