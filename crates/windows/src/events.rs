//! Events, semaphores, mutexes and waitable timers.

#![expect(unsafe_code, reason = "exports C functions")]

use std::ffi::c_void;

use rustix::event::EventfdFlags;
use rustix::event::Timespec;
use rustix::event::eventfd;
use rustix::time::Itimerspec;
use rustix::time::TimerfdClockId;
use rustix::time::TimerfdFlags;
use rustix::time::TimerfdTimerFlags;
use rustix::time::timerfd_create;
use rustix::time::timerfd_settime;

use crate::boundary::FALSE;
use crate::boundary::Outcome;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::boundary::set_last_error;
use crate::error::ERROR_ALREADY_EXISTS;
use crate::error::ERROR_FILE_NOT_FOUND;
use crate::error::ERROR_INVALID_HANDLE;
use crate::error::ERROR_INVALID_PARAMETER;
use crate::error::ERROR_NOT_SUPPORTED;
use crate::handles;
use crate::handles::Entry;
use crate::object::Mutant;
use crate::object::Object;
use crate::object::Semaphore;
use crate::object::add;
use crate::object::drain;
use crate::time;

const CREATE_EVENT_MANUAL_RESET: u32 = 1;
const CREATE_EVENT_INITIAL_SET: u32 = 2;
const CREATE_MUTEX_INITIAL_OWNER: u32 = 1;
const CREATE_WAITABLE_TIMER_MANUAL_RESET: u32 = 1;

/// Reports that a name existed, as creators do although they succeed.
fn announced((handle, existed): (usize, bool)) -> usize {
    set_last_error(if existed { ERROR_ALREADY_EXISTS.0 } else { 0 });
    handle
}

fn create_event(manual: bool, set: bool, name: Option<String>) -> Outcome<usize> {
    let fd = eventfd(u32::from(set), EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    Ok(announced(handles::insert_named(fd, Object::Event { manual }, name)?))
}

fn create_semaphore(count: i32, limit: i32, name: Option<String>) -> Outcome<usize> {
    let count = u32::try_from(count).map_err(|_| ERROR_INVALID_PARAMETER)?;
    let limit = u32::try_from(limit).map_err(|_| ERROR_INVALID_PARAMETER)?;
    if count > limit || limit == 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let (fd, semaphore) = Semaphore::new(count, limit)?;
    Ok(announced(handles::insert_named(fd, Object::Semaphore(semaphore), name)?))
}

fn create_mutex(owned: bool, name: Option<String>) -> Outcome<usize> {
    let (fd, mutant) = Mutant::new()?;
    let (handle, existed) = handles::insert_named(fd, Object::Mutant(mutant.clone()), name)?;
    if owned && !existed {
        mutant.take()?;
    }
    Ok(announced((handle, existed)))
}

fn create_timer(manual: bool, name: Option<String>) -> Outcome<usize> {
    let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    Ok(announced(handles::insert_named(fd, Object::Timer { manual }, name)?))
}

/// Opens a named object if it is of the kind that a test accepts.
fn open(name: Option<String>, is_kind: impl Fn(&Object) -> bool) -> Outcome<usize> {
    let name = name.ok_or(ERROR_INVALID_PARAMETER)?;
    let entry = handles::named(&name).ok_or(ERROR_FILE_NOT_FOUND)?;
    if is_kind(&entry.object) { handles::duplicate(&entry) } else { Err(ERROR_INVALID_HANDLE) }
}

fn event(handle: usize) -> Outcome<Entry> {
    let entry = handles::find(handle)?;
    if matches!(*entry.object, Object::Event { .. }) { Ok(entry) } else { Err(ERROR_INVALID_HANDLE) }
}

/// Sets an event, releases a semaphore or a mutex once.
pub(crate) fn signal(entry: &Entry) -> Outcome {
    match &*entry.object {
        Object::Event { .. } => add(entry.fd(), 1),
        Object::Semaphore(semaphore) => semaphore.release(entry.fd(), 1).map(|_| ()),
        Object::Mutant(mutant) => mutant.release(),
        _ => Err(ERROR_INVALID_HANDLE),
    }
}

/// A time-out in units of 100 ns: negative from now, else a date since 1601.
fn start_timer(entry: &Entry, due: i64, period_ms: u32) -> Outcome {
    let wait =
        if due < 0 { due.unsigned_abs() } else { due.unsigned_abs().saturating_sub(time::file_time()) };
    // A zero value would stop the timer instead.
    let wait = wait.max(1);
    let value = Itimerspec {
        it_value: Timespec {
            tv_sec: i64::try_from(wait / 10_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(wait % 10_000_000 * 100).unwrap_or_default(),
        },
        it_interval: Timespec {
            tv_sec: i64::from(period_ms / 1000),
            tv_nsec: i64::from(period_ms % 1000) * 1_000_000,
        },
    };
    timerfd_settime(entry.fd(), TimerfdTimerFlags::empty(), &value)?;
    Ok(())
}

fn timer(handle: usize) -> Outcome<Entry> {
    let entry = handles::find(handle)?;
    if matches!(*entry.object, Object::Timer { .. }) { Ok(entry) } else { Err(ERROR_INVALID_HANDLE) }
}

exports! {
    /// Creates an event.
    fn CreateEventA(security: *const c_void, manual: i32, set: i32, name: *const u8) -> usize = 0 => {
        create_event(manual != 0, set != 0, name.text())
    }

    /// Creates an event.
    fn CreateEventW(security: *const c_void, manual: i32, set: i32, name: *const u16) -> usize = 0 => {
        create_event(manual != 0, set != 0, name.text())
    }

    /// Creates an event.
    fn CreateEventExA(security: *const c_void, name: *const u8, flags: u32, access: u32) -> usize = 0 => {
        create_event(flags & CREATE_EVENT_MANUAL_RESET != 0, flags & CREATE_EVENT_INITIAL_SET != 0, name.text())
    }

    /// Creates an event.
    fn CreateEventExW(security: *const c_void, name: *const u16, flags: u32, access: u32) -> usize = 0 => {
        create_event(flags & CREATE_EVENT_MANUAL_RESET != 0, flags & CREATE_EVENT_INITIAL_SET != 0, name.text())
    }

    /// Opens a named event of this process.
    fn OpenEventA(access: u32, inherit: i32, name: *const u8) -> usize = 0 => {
        open(name.text(), |object| matches!(object, Object::Event { .. }))
    }

    /// Opens a named event of this process.
    fn OpenEventW(access: u32, inherit: i32, name: *const u16) -> usize = 0 => {
        open(name.text(), |object| matches!(object, Object::Event { .. }))
    }

    /// Sets an event.
    fn SetEvent(handle: usize) -> i32 = FALSE => {
        add(event(handle)?.fd(), 1)?;
        Ok(TRUE)
    }

    /// Clears an event.
    fn ResetEvent(handle: usize) -> i32 = FALSE => {
        drain(event(handle)?.fd())?;
        Ok(TRUE)
    }

    /// Creates a semaphore.
    fn CreateSemaphoreA(security: *const c_void, count: i32, limit: i32, name: *const u8) -> usize = 0 => {
        create_semaphore(count, limit, name.text())
    }

    /// Creates a semaphore.
    fn CreateSemaphoreW(security: *const c_void, count: i32, limit: i32, name: *const u16) -> usize = 0 => {
        create_semaphore(count, limit, name.text())
    }

    /// Creates a semaphore.
    fn CreateSemaphoreExW(
        security: *const c_void,
        count: i32,
        limit: i32,
        name: *const u16,
        flags: u32,
        access: u32,
    ) -> usize = 0 => {
        create_semaphore(count, limit, name.text())
    }

    /// Adds to a semaphore's count.
    fn ReleaseSemaphore(handle: usize, count: i32, previous: *mut i32) -> i32 = FALSE => {
        let entry = handles::find(handle)?;
        let Object::Semaphore(semaphore) = &*entry.object else { return Err(ERROR_INVALID_HANDLE) };
        let count = u32::try_from(count).ok().filter(|count| *count > 0).ok_or(ERROR_INVALID_PARAMETER)?;
        let before = semaphore.release(entry.fd(), count)?;
        previous.set(i32::try_from(before).unwrap_or(i32::MAX));
        Ok(TRUE)
    }

    /// Creates a mutex.
    fn CreateMutexA(security: *const c_void, owned: i32, name: *const u8) -> usize = 0 => {
        create_mutex(owned != 0, name.text())
    }

    /// Creates a mutex.
    fn CreateMutexW(security: *const c_void, owned: i32, name: *const u16) -> usize = 0 => {
        create_mutex(owned != 0, name.text())
    }

    /// Creates a mutex.
    fn CreateMutexExW(security: *const c_void, name: *const u16, flags: u32, access: u32) -> usize = 0 => {
        create_mutex(flags & CREATE_MUTEX_INITIAL_OWNER != 0, name.text())
    }

    /// Gives a mutex back.
    fn ReleaseMutex(handle: usize) -> i32 = FALSE => {
        let entry = handles::find(handle)?;
        let Object::Mutant(mutant) = &*entry.object else { return Err(ERROR_INVALID_HANDLE) };
        mutant.release()?;
        Ok(TRUE)
    }

    /// Creates a timer that can be waited for.
    fn CreateWaitableTimerA(security: *const c_void, manual: i32, name: *const u8) -> usize = 0 => {
        create_timer(manual != 0, name.text())
    }

    /// Creates a timer that can be waited for.
    fn CreateWaitableTimerW(security: *const c_void, manual: i32, name: *const u16) -> usize = 0 => {
        create_timer(manual != 0, name.text())
    }

    /// Creates a timer that can be waited for.
    fn CreateWaitableTimerExW(security: *const c_void, name: *const u16, flags: u32, access: u32) -> usize = 0 => {
        create_timer(flags & CREATE_WAITABLE_TIMER_MANUAL_RESET != 0, name.text())
    }

    /// Starts a timer. Completion procedures are not supported.
    fn SetWaitableTimer(
        handle: usize,
        due: *const i64,
        period_ms: i32,
        procedure: usize,
        argument: usize,
        resume: i32,
    ) -> i32 = FALSE => {
        if procedure != 0 {
            return Err(ERROR_NOT_SUPPORTED);
        }
        let period = u32::try_from(period_ms).map_err(|_| ERROR_INVALID_PARAMETER)?;
        start_timer(&timer(handle)?, due.required()?, period)?;
        Ok(TRUE)
    }

    /// Stops a timer.
    fn CancelWaitableTimer(handle: usize) -> i32 = FALSE => {
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let stopped = Itimerspec { it_value: never, it_interval: never };
        timerfd_settime(timer(handle)?.fd(), TimerfdTimerFlags::empty(), &stopped)?;
        Ok(TRUE)
    }
}
