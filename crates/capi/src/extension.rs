//! The extensions of `openwhp.h`: error text, engine choice, events.

#![expect(unsafe_code, reason = "exports C functions and borrows the caller's descriptors")]

use std::ffi::c_char;
use std::os::fd::BorrowedFd;
use std::os::fd::FromRawFd;
use std::os::fd::IntoRawFd;
use std::os::fd::OwnedFd;
use std::os::fd::RawFd;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use openwhp::EngineChoice;
use openwhp::capabilities;
use openwhp_abi::hresult::E_FAIL;
use openwhp_abi::hresult::E_HANDLE;
use openwhp_abi::windows::BOOL;
use openwhp_abi::windows::HANDLE;
use rustix::event::EventfdFlags;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::eventfd;
use rustix::event::poll;
use rustix::io::Errno;

use crate::boundary::Outcome;
use crate::boundary::exports;
use crate::boundary::last_error;
use crate::error::Failure;

/// Waits without limit.
const FOREVER: u32 = u32::MAX;

/// Engine of partitions created from now on, by its number in `openwhp.h`.
static ENGINE: AtomicU32 = AtomicU32::new(0);

/// The engine chosen for this process.
pub(crate) fn engine() -> EngineChoice {
    choice(ENGINE.load(Ordering::Relaxed)).unwrap_or_default()
}

fn choice(number: u32) -> Option<EngineChoice> {
    match number {
        0 => Some(EngineChoice::Auto),
        1 => Some(EngineChoice::Soft),
        _ => None,
    }
}

/// Copies the text of the calling thread's last failure; returns its whole length without the final zero byte.
///
/// # Safety
/// `buffer` is null, or valid for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openwhp_last_error_text(buffer: *mut c_char, size: usize) -> usize {
    let text = last_error();
    if buffer.is_null() || size == 0 {
        return text.len();
    }
    let count = text.len().min(size - 1);
    // SAFETY: `count` bytes of the text and a zero byte fit into the `size` bytes that the caller vouches for.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), count);
        buffer.add(count).write(0);
    }
    text.len()
}

exports! {
    /// Chooses the engine of partitions that are created from now on.
    fn openwhp_set_engine(engine: u32) {
        let chosen = choice(engine).ok_or_else(|| Failure::invalid(format!("engine {engine} is not known")))?;
        capabilities(chosen)?;
        ENGINE.store(engine, Ordering::Relaxed);
        Ok(())
    }

    /// Creates an event, not set.
    fn openwhp_event_create(event: *mut HANDLE) {
        let event = event.required()?;
        let mut descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(host)?;
        if std::os::fd::AsRawFd::as_raw_fd(&descriptor) == 0 {
            // A handle is never zero.
            descriptor = descriptor.try_clone().map_err(|error| Failure::new(E_FAIL, error.to_string()))?;
        }
        let number = descriptor.into_raw_fd();
        event.set(std::ptr::without_provenance_mut(usize::try_from(number).unwrap_or_default()));
        Ok(())
    }

    /// Sets an event.
    fn openwhp_event_set(event: HANDLE) {
        match rustix::io::write(required(event.address())?, &1_u64.to_ne_bytes()) {
            // A full counter is a set event.
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(host(error)),
        }
    }

    /// Clears an event.
    fn openwhp_event_reset(event: HANDLE) {
        take(required(event.address())?)?;
        Ok(())
    }

    /// Waits until an event is set, then clears it.
    fn openwhp_event_wait(event: HANDLE, timeout_ms: u32, was_set: *mut BOOL) {
        let descriptor = required(event.address())?;
        let was_set = was_set.required()?;
        was_set.set(BOOL::from(wait(descriptor, timeout_ms)?));
        Ok(())
    }

    /// Closes an event.
    fn openwhp_event_close(event: HANDLE) {
        let number = std::os::fd::AsRawFd::as_raw_fd(&required(event.address())?);
        // SAFETY: the descriptor is an eventfd that the caller hands over to be closed.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
        Ok(())
    }
}

/// The eventfd behind an event handle.
pub(crate) fn event(handle: usize) -> Option<BorrowedFd<'static>> {
    let number = RawFd::try_from(handle).ok().filter(|number| *number > 0)?;
    let link = std::fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
    if link.to_str() != Some("anon_inode:[eventfd]") {
        return None;
    }
    // SAFETY: the descriptor is open and the caller keeps it so during the call.
    Some(unsafe { BorrowedFd::borrow_raw(number) })
}

fn required(handle: usize) -> Outcome<BorrowedFd<'static>> {
    event(handle).ok_or_else(|| Failure::new(E_HANDLE, format!("handle {handle:#x} is no eventfd")))
}

fn host(error: Errno) -> Failure {
    Failure::new(E_FAIL, format!("the host refused: {error}"))
}

/// Consumes a set event; says whether it was set.
fn take(event: BorrowedFd<'_>) -> Outcome<bool> {
    if !is_readable(event, 0)? {
        return Ok(false);
    }
    match rustix::io::read(event, &mut [0_u8; 8]) {
        Ok(_) => Ok(true),
        Err(Errno::AGAIN) => Ok(false),
        Err(error) => Err(host(error)),
    }
}

fn is_readable(event: BorrowedFd<'_>, timeout_ms: u32) -> Outcome<bool> {
    let limit = rustix::event::Timespec {
        tv_sec: i64::from(timeout_ms / 1000),
        tv_nsec: i64::from(timeout_ms % 1000) * 1_000_000,
    };
    let limit = (timeout_ms != FOREVER).then_some(&limit);
    let mut set = [PollFd::new(&event, PollFlags::IN)];
    match poll(&mut set, limit) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(host(error)),
    }
}

fn wait(event: BorrowedFd<'_>, timeout_ms: u32) -> Outcome<bool> {
    let start = Instant::now();
    let limit = Duration::from_millis(u64::from(timeout_ms));
    loop {
        if take(event)? {
            return Ok(true);
        }
        let left = limit.saturating_sub(start.elapsed());
        let left = u32::try_from(left.as_millis()).unwrap_or(FOREVER);
        if timeout_ms != FOREVER && left == 0 {
            return Ok(false);
        }
        is_readable(event, if timeout_ms == FOREVER { FOREVER } else { left })?;
    }
}
