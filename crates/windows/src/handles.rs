//! Handles: each is the number of a descriptor, so that an event handle is its eventfd and a process handle its pidfd.
//!
//! What the layer made is in a registry. A number that is not there still counts if it is an eventfd (an auto-reset
//! event that the program or the platform library made) or a pidfd. Anything else is an invalid handle. A
//! descriptor closes when its handle is closed and nobody waits on it any more.

#![expect(unsafe_code, reason = "borrows descriptors that the program made")]

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::IntoRawFd;
use std::os::fd::OwnedFd;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;

use rustix::process::Pid;
use rustix::process::PidfdFlags;
use rustix::process::pidfd_open;

use crate::boundary::FALSE;
use crate::boundary::Outcome;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::error::ERROR_ACCESS_DENIED;
use crate::error::ERROR_INVALID_HANDLE;
use crate::error::ERROR_INVALID_PARAMETER;
use crate::object::Object;
use crate::threads;

/// `GetCurrentProcess()`; also `INVALID_HANDLE_VALUE`.
pub(crate) const CURRENT_PROCESS: usize = usize::MAX;
/// `GetCurrentThread()`.
pub(crate) const CURRENT_THREAD: usize = usize::MAX - 1;

const DUPLICATE_CLOSE_SOURCE: u32 = 1;

/// Whose a descriptor is.
#[derive(Clone, Debug)]
enum Descriptor {
    Ours(Arc<OwnedFd>),
    Foreign(RawFd),
}

/// What a handle stands for.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    descriptor: Descriptor,
    /// The object behind the handle.
    pub(crate) object: Arc<Object>,
}

impl Entry {
    /// The descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match &self.descriptor {
            Descriptor::Ours(fd) => fd.as_fd(),
            // SAFETY: the descriptor was open when the handle was looked up, and the program keeps it open while it
            // uses it.
            Descriptor::Foreign(number) => unsafe { BorrowedFd::borrow_raw(*number) },
        }
    }
}

static REGISTRY: LazyLock<Mutex<HashMap<usize, Entry>>> = LazyLock::new(Mutex::default);

/// Objects that have names; names are the process's own.
static NAMES: LazyLock<Mutex<HashMap<String, Weak<Object>>>> = LazyLock::new(Mutex::default);

fn registry() -> MutexGuard<'static, HashMap<usize, Entry>> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn register(entry: Entry) -> Outcome<usize> {
    let number = usize::try_from(entry.fd().as_raw_fd()).map_err(|_| ERROR_INVALID_HANDLE)?;
    if let Some(Entry { descriptor: Descriptor::Ours(stale), .. }) = registry().insert(number, entry) {
        // The program closed the number with close(2), and the host gave it out again: it is not ours to close.
        if let Ok(stale) = Arc::try_unwrap(stale) {
            let _ = stale.into_raw_fd();
        }
    }
    Ok(number)
}

/// A descriptor whose number may be a handle: never 0.
fn numbered(fd: OwnedFd) -> Outcome<OwnedFd> {
    if fd.as_raw_fd() > 2 { Ok(fd) } else { Ok(rustix::io::fcntl_dupfd_cloexec(&fd, 3)?) }
}

/// Gives an object its first handle.
pub(crate) fn insert(fd: OwnedFd, object: Object) -> Outcome<usize> {
    register(Entry { descriptor: Descriptor::Ours(Arc::new(numbered(fd)?)), object: Arc::new(object) })
}

/// Gives an object its first handle and a name. The flag says that the name existed: then the handle is for the
/// object that has it.
pub(crate) fn insert_named(fd: OwnedFd, object: Object, name: Option<String>) -> Outcome<(usize, bool)> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok((insert(fd, object)?, false)) };
    if let Some(found) = named(&name) {
        if std::mem::discriminant(&*found.object) != std::mem::discriminant(&object) {
            return Err(ERROR_INVALID_HANDLE);
        }
        return Ok((duplicate(&found)?, true));
    }
    let object = Arc::new(object);
    NAMES.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::downgrade(&object));
    Ok((register(Entry { descriptor: Descriptor::Ours(Arc::new(numbered(fd)?)), object })?, false))
}

/// The object that has a name, as one of its handles.
pub(crate) fn named(name: &str) -> Option<Entry> {
    let object = NAMES.lock().unwrap_or_else(PoisonError::into_inner).get(name)?.upgrade()?;
    registry().values().find(|entry| Arc::ptr_eq(&entry.object, &object)).cloned()
}

/// Another handle for the same object.
pub(crate) fn duplicate(entry: &Entry) -> Outcome<usize> {
    let fd = rustix::io::fcntl_dupfd_cloexec(entry.fd(), 3)?;
    register(Entry { descriptor: Descriptor::Ours(Arc::new(fd)), object: Arc::clone(&entry.object) })
}

/// Looks a handle up.
pub(crate) fn find(handle: usize) -> Outcome<Entry> {
    match handle {
        CURRENT_PROCESS => return process_entry(),
        CURRENT_THREAD => return thread_entry(),
        _ => {}
    }
    if let Some(entry) = registry().get(&handle) {
        return Ok(entry.clone());
    }
    foreign(handle).ok_or(ERROR_INVALID_HANDLE)
}

fn foreign(handle: usize) -> Option<Entry> {
    let number = RawFd::try_from(handle).ok().filter(|number| *number > 0)?;
    let link = std::fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
    let link = link.to_str()?;
    let object = if link == "anon_inode:[eventfd]" {
        Object::Event { manual: false }
    } else if link.contains("pidfd") {
        Object::Process
    } else {
        return None;
    };
    Some(Entry { descriptor: Descriptor::Foreign(number), object: Arc::new(object) })
}

fn process_entry() -> Outcome<Entry> {
    let fd = pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    Ok(Entry { descriptor: Descriptor::Ours(Arc::new(fd)), object: Arc::new(Object::Process) })
}

fn thread_entry() -> Outcome<Entry> {
    let thread = threads::current()?;
    let fd = thread.signal.try_clone()?;
    Ok(Entry { descriptor: Descriptor::Ours(Arc::new(fd)), object: Arc::new(Object::Thread(thread)) })
}

/// Number of the process that a handle stands for.
pub(crate) fn process_id(handle: usize) -> Outcome<u32> {
    if handle == CURRENT_PROCESS {
        return Ok(std::process::id());
    }
    let entry = find(handle)?;
    if !matches!(*entry.object, Object::Process) {
        return Err(ERROR_INVALID_HANDLE);
    }
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", entry.fd().as_raw_fd()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    line.and_then(|number| number.trim().parse().ok()).ok_or(ERROR_INVALID_HANDLE)
}

/// Fails unless a handle stands for the calling process.
pub(crate) fn require_self(process: usize) -> Outcome {
    if process_id(process)? == std::process::id() { Ok(()) } else { Err(ERROR_ACCESS_DENIED) }
}

fn close(handle: usize) -> Outcome {
    if handle == CURRENT_PROCESS || handle == CURRENT_THREAD {
        return Ok(());
    }
    if let Some(entry) = registry().remove(&handle) {
        entry.object.closed();
        return Ok(());
    }
    let entry = foreign(handle).ok_or(ERROR_INVALID_HANDLE)?;
    // SAFETY: the program hands its descriptor over, as it does to close(2).
    unsafe { rustix::io::close(entry.fd().as_raw_fd()) };
    Ok(())
}

exports! {
    /// Closes a handle. The object goes with its last one.
    fn CloseHandle(handle: usize) -> i32 = FALSE => {
        close(handle)?;
        Ok(TRUE)
    }

    /// Makes a second handle for an object of this process.
    fn DuplicateHandle(
        source_process: usize,
        source: usize,
        target_process: usize,
        target: *mut usize,
        access: u32,
        inherit: i32,
        options: u32,
    ) -> i32 = FALSE => {
        require_self(source_process)?;
        let duplicated = if target.is_null() {
            None
        } else {
            require_self(target_process)?;
            Some(duplicate(&find(source)?)?)
        };
        if options & DUPLICATE_CLOSE_SOURCE != 0 {
            close(source)?;
        }
        if let Some(duplicated) = duplicated {
            target.set(duplicated);
        }
        Ok(TRUE)
    }

    /// Says what may be done with a handle; none is inherited.
    fn GetHandleInformation(handle: usize, flags: *mut u32) -> i32 = FALSE => {
        find(handle)?;
        flags.required()?.set(0);
        Ok(TRUE)
    }

    /// Accepts that a handle is not inherited.
    fn SetHandleInformation(handle: usize, mask: u32, flags: u32) -> i32 = FALSE => {
        find(handle)?;
        Ok(TRUE)
    }

    /// Opens a process by its number.
    fn OpenProcess(access: u32, inherit: i32, id: u32) -> usize = 0 => {
        let id = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or(ERROR_INVALID_PARAMETER)?;
        let fd = pidfd_open(id, PidfdFlags::empty()).map_err(|error| match error {
            rustix::io::Errno::SRCH => ERROR_INVALID_PARAMETER,
            other => other.into(),
        })?;
        insert(fd, Object::Process)
    }

    /// Number of a process.
    fn GetProcessId(process: usize) -> u32 = 0 => {
        process_id(process)
    }
}

/// Takes back a handle that nobody saw.
pub(crate) fn forget(handle: usize) {
    registry().remove(&handle);
}
