//! The objects behind handles, and what waiting for each of them means.

use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use rustix::event::EventfdFlags;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::eventfd;
use rustix::event::poll;
use rustix::io::Errno;

use crate::boundary::Outcome;
use crate::error::ERROR_NOT_OWNER;
use crate::error::ERROR_TOO_MANY_POSTS;
use crate::threads;
use crate::threads::Thread;
use crate::timer_queue::QueueTimer;
use crate::timer_queue::TimerQueue;

/// An object that handles stand for.
#[derive(Debug)]
pub(crate) enum Object {
    /// An eventfd. Waiting takes what is in it, unless the event is reset by hand.
    Event {
        /// Stays set until it is reset.
        manual: bool,
    },
    /// An eventfd that counts.
    Semaphore(Semaphore),
    /// An eventfd that holds one token while nobody owns the mutex.
    Mutant(Arc<Mutant>),
    /// A timerfd.
    Timer {
        /// Stays set until the next start.
        manual: bool,
    },
    /// An eventfd that is set when the thread has ended.
    Thread(Arc<Thread>),
    /// A pidfd.
    Process,
    /// A file, a pipe or a terminal.
    File(File),
    /// A set of timers; never set.
    TimerQueue(TimerQueue),
    /// A timer of a queue; never set.
    QueueTimer(Arc<QueueTimer>),
    /// Memory to map: a memory file, or a file's duplicate.
    Section {
        /// Bytes that may be mapped.
        size: u64,
        /// Whether views may be written.
        writable: bool,
    },
}

/// What the layer knows of an open file.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// Removed when the handle closes.
    pub(crate) delete_on_close: Option<PathBuf>,
}

/// State of a semaphore beside its descriptor.
#[derive(Debug)]
pub(crate) struct Semaphore {
    count: Mutex<u64>,
    limit: u64,
}

impl Semaphore {
    /// A semaphore and its descriptor.
    pub(crate) fn new(count: u32, limit: u32) -> Outcome<(OwnedFd, Self)> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK | EventfdFlags::SEMAPHORE;
        let fd = eventfd(count, flags)?;
        Ok((fd, Self { count: Mutex::new(u64::from(count)), limit: u64::from(limit) }))
    }

    /// Adds to the count; returns the count before.
    pub(crate) fn release(&self, fd: BorrowedFd<'_>, added: u32) -> Outcome<u64> {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *count;
        if before + u64::from(added) > self.limit {
            return Err(ERROR_TOO_MANY_POSTS);
        }
        add(fd, u64::from(added))?;
        *count = before + u64::from(added);
        Ok(before)
    }

    fn take(&self, fd: BorrowedFd<'_>) -> Outcome<bool> {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = drain(fd)?;
        if taken {
            *count = count.saturating_sub(1);
        }
        Ok(taken)
    }
}

/// State of a mutex beside its descriptor.
#[derive(Debug)]
pub(crate) struct Mutant {
    state: Mutex<Ownership>,
    token: OwnedFd,
}

#[derive(Debug, Default)]
struct Ownership {
    owner: Option<u32>,
    depth: u32,
    abandoned: bool,
}

impl Mutant {
    /// A mutex nobody owns and its descriptor.
    pub(crate) fn new() -> Outcome<(OwnedFd, Arc<Self>)> {
        let token = eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let fd = token.try_clone()?;
        Ok((fd, Arc::new(Self { state: Mutex::default(), token })))
    }

    /// Takes the mutex if it is free or the caller's own.
    pub(crate) fn take(self: &Arc<Self>) -> Outcome<Option<Taken>> {
        let me = threads::current_id();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.owner == Some(me) {
            state.depth += 1;
            return Ok(Some(Taken { abandoned: false }));
        }
        if !drain(rustix::fd::AsFd::as_fd(&self.token))? {
            return Ok(None);
        }
        state.owner = Some(me);
        state.depth = 1;
        threads::remember_owned(self);
        Ok(Some(Taken { abandoned: std::mem::take(&mut state.abandoned) }))
    }

    /// Gives the mutex back once.
    pub(crate) fn release(&self) -> Outcome {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.owner != Some(threads::current_id()) {
            return Err(ERROR_NOT_OWNER);
        }
        state.depth -= 1;
        if state.depth == 0 {
            state.owner = None;
            add(rustix::fd::AsFd::as_fd(&self.token), 1)?;
        }
        Ok(())
    }

    /// Frees the mutex of a thread that ended, if it owns it.
    pub(crate) fn abandon(&self, owner: u32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.owner == Some(owner) {
            *state = Ownership { owner: None, depth: 0, abandoned: true };
            // A full counter is as good as a token.
            let _ = add(rustix::fd::AsFd::as_fd(&self.token), 1);
        }
    }
}

/// A wait that succeeded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// The mutex's last owner ended without giving it back.
    pub(crate) abandoned: bool,
}

const PLAIN: Taken = Taken { abandoned: false };

impl Object {
    /// Takes what a wait takes, if the object is set.
    pub(crate) fn take(&self, fd: BorrowedFd<'_>) -> Outcome<Option<Taken>> {
        match self {
            Self::Event { manual: false } | Self::Timer { manual: false } => Ok(drain(fd)?.then_some(PLAIN)),
            Self::Event { manual: true } | Self::Timer { manual: true } | Self::Thread(_) | Self::Process => {
                Ok(is_readable(fd)?.then_some(PLAIN))
            }
            Self::Semaphore(semaphore) => Ok(semaphore.take(fd)?.then_some(PLAIN)),
            Self::Mutant(mutant) => mutant.take(),
            Self::File(_) => Ok(is_readable(fd)?.then_some(PLAIN)),
            Self::TimerQueue(_) | Self::QueueTimer(_) => Ok(None),
            Self::Section { .. } => Ok(Some(PLAIN)),
        }
    }

    /// Gives back what [`Self::take`] took.
    pub(crate) fn give_back(&self, fd: BorrowedFd<'_>) -> Outcome {
        match self {
            Self::Event { manual: false } => add(fd, 1),
            Self::Semaphore(semaphore) => semaphore.release(fd, 1).map(|_| ()),
            Self::Mutant(mutant) => mutant.release(),
            _ => Ok(()),
        }
    }

    /// What happens when a handle is closed.
    pub(crate) fn closed(&self) {
        if let Self::File(File { delete_on_close: Some(path) }) = self {
            // The file may be gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Adds to an eventfd; a full one is set anyway.
pub(crate) fn add(fd: BorrowedFd<'_>, count: u64) -> Outcome {
    match rustix::io::write(fd, &count.to_ne_bytes()) {
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Reads an eventfd or timerfd without waiting; says whether there was anything.
pub(crate) fn drain(fd: BorrowedFd<'_>) -> Outcome<bool> {
    // Descriptors that the program made may block.
    if !is_readable(fd)? {
        return Ok(false);
    }
    match rustix::io::read(fd, &mut [0_u8; 8]) {
        Ok(_) => Ok(true),
        Err(Errno::AGAIN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a descriptor can be read now.
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> Outcome<bool> {
    loop {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&now)) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
