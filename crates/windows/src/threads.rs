//! Threads: creation, end, priority, affinity.
//!
//! A thread is a detached POSIX thread. Its object is set, and the mutexes that it still owns are freed, when its
//! thread-local storage is destroyed: after its procedure has returned or called `ExitThread`.

#![expect(unsafe_code, reason = "starts and ends POSIX threads and calls the program's procedures")]

use std::cell::RefCell;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use rustix::event::EventfdFlags;
use rustix::event::eventfd;
use rustix::process::Pid;
use rustix::thread::CpuSet;
use rustix::thread::sched_getaffinity;
use rustix::thread::sched_setaffinity;

use crate::boundary::FALSE;
use crate::boundary::Outcome;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::error::ERROR_ACCESS_DENIED;
use crate::error::ERROR_INVALID_HANDLE;
use crate::error::ERROR_INVALID_PARAMETER;
use crate::error::ERROR_NOT_ENOUGH_MEMORY;
use crate::error::ERROR_NOT_SUPPORTED;
use crate::handles;
use crate::object::Mutant;
use crate::object::Object;
use crate::object::add;

const CREATE_SUSPENDED: u32 = 4;
const STILL_ACTIVE: u32 = 259;
const FAILED: u32 = u32::MAX;
/// Also what libraries on this system expect a thread to have at least.
const SMALLEST_STACK: usize = 1 << 20;
const THREAD_PRIORITY_ERROR_RETURN: i32 = i32::MAX;

/// A thread that handles stand for.
#[derive(Debug)]
pub(crate) struct Thread {
    /// An eventfd that is set when the thread has ended.
    pub(crate) signal: OwnedFd,
    id: AtomicU32,
    code: AtomicU32,
    priority: AtomicI32,
    suspended: Mutex<u32>,
    changed: Condvar,
}

impl Thread {
    fn new(suspended: bool) -> Outcome<Arc<Self>> {
        Ok(Arc::new(Self {
            signal: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            id: AtomicU32::new(0),
            code: AtomicU32::new(STILL_ACTIVE),
            priority: AtomicI32::new(0),
            suspended: Mutex::new(u32::from(suspended)),
            changed: Condvar::new(),
        }))
    }

    /// Tells the creator the number, then waits until the thread may run.
    fn started(&self) {
        let mut suspended = self.suspended.lock().unwrap_or_else(PoisonError::into_inner);
        self.id.store(current_id(), Ordering::Release);
        self.changed.notify_all();
        while *suspended > 0 {
            suspended = self.changed.wait(suspended).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_for_id(&self) -> u32 {
        let mut suspended = self.suspended.lock().unwrap_or_else(PoisonError::into_inner);
        while self.id.load(Ordering::Acquire) == 0 {
            suspended = self.changed.wait(suspended).unwrap_or_else(PoisonError::into_inner);
        }
        drop(suspended);
        self.id.load(Ordering::Acquire)
    }

    fn resume(&self) -> u32 {
        let mut suspended = self.suspended.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *suspended;
        *suspended = before.saturating_sub(1);
        self.changed.notify_all();
        before
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.id.load(Ordering::Acquire)).ok().and_then(Pid::from_raw)
    }
}

/// The calling thread's own storage; dropped when the thread ends.
#[derive(Debug, Default)]
struct Current {
    thread: Option<Arc<Thread>>,
    owned: Vec<Weak<Mutant>>,
    code: u32,
}

impl Drop for Current {
    fn drop(&mut self) {
        for mutant in self.owned.drain(..).filter_map(|mutant| mutant.upgrade()) {
            mutant.abandon(current_id());
        }
        if let Some(thread) = self.thread.take() {
            thread.code.store(self.code, Ordering::Release);
            // An eventfd that nobody filled takes one more.
            let _ = add(thread.signal.as_fd(), 1);
        }
    }
}

thread_local! {
    static CURRENT: RefCell<Current> = RefCell::default();
}

/// The host's number of the calling thread.
pub(crate) fn current_id() -> u32 {
    u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap_or_default()
}

/// The calling thread, also one that the program did not make here.
pub(crate) fn current() -> Outcome<Arc<Thread>> {
    CURRENT.with_borrow_mut(|current| {
        if current.thread.is_none() {
            let thread = Thread::new(false)?;
            thread.id.store(current_id(), Ordering::Release);
            current.thread = Some(thread);
        }
        current.thread.clone().ok_or(ERROR_INVALID_HANDLE)
    })
}

/// Remembers a mutex that the calling thread owns, to free it if the thread ends.
pub(crate) fn remember_owned(mutant: &Arc<Mutant>) {
    CURRENT.with_borrow_mut(|current| {
        let mutant = Arc::downgrade(mutant);
        current.owned.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&mutant));
        current.owned.push(mutant);
    });
}

fn find(handle: usize) -> Outcome<Arc<Thread>> {
    match &*handles::find(handle)?.object {
        Object::Thread(thread) => Ok(Arc::clone(thread)),
        _ => Err(ERROR_INVALID_HANDLE),
    }
}

type Procedure = unsafe extern "C-unwind" fn(*mut c_void) -> u32;

/// What a new thread is given.
struct Start {
    thread: Arc<Thread>,
    procedure: Procedure,
    parameter: *mut c_void,
}

// Declared here because ending a thread unwinds its stack, which `libc` does not say.
unsafe extern "C-unwind" {
    fn pthread_create(
        thread: *mut libc::pthread_t,
        attributes: *const libc::pthread_attr_t,
        entry: extern "C-unwind" fn(*mut c_void) -> *mut c_void,
        argument: *mut c_void,
    ) -> i32;
    fn pthread_exit(value: *mut c_void) -> !;
}

/// Takes the start block; leaves nothing on the stack that unwinding would have to drop.
fn begin(start: *mut c_void) -> (Procedure, *mut c_void) {
    // SAFETY: the creator leaked this block for this thread alone.
    let start = unsafe { Box::from_raw(start.cast::<Start>()) };
    start.thread.started();
    CURRENT.with_borrow_mut(|current| current.thread = Some(Arc::clone(&start.thread)));
    (start.procedure, start.parameter)
}

fn set_exit_code(code: u32) {
    CURRENT.with_borrow_mut(|current| current.code = code);
}

extern "C-unwind" fn entry(start: *mut c_void) -> *mut c_void {
    let (procedure, parameter) = begin(start);
    // SAFETY: the program gave the procedure and its parameter to CreateThread for this call.
    let code = unsafe { procedure(parameter) };
    set_exit_code(code);
    std::ptr::null_mut()
}

/// Starts a detached thread.
fn spawn(stack: usize, start: Start) -> Outcome {
    let start = Box::into_raw(Box::new(start)).cast::<c_void>();
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = 0;
    // SAFETY: the attributes are initialized by the first call and destroyed by the last; the thread owns the block.
    let failed = unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        if stack > 0 {
            let stack = stack.max(SMALLEST_STACK).next_multiple_of(0x1_0000);
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack);
        }
        let failed = pthread_create(&raw mut thread, attributes.as_ptr(), entry, start);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        failed
    };
    if failed != 0 {
        // SAFETY: no thread came to life, so the block is still ours.
        drop(unsafe { Box::from_raw(start.cast::<Start>()) });
        return Err(ERROR_NOT_ENOUGH_MEMORY);
    }
    Ok(())
}

fn create(stack: usize, procedure: usize, parameter: *mut c_void, flags: u32) -> Outcome<(usize, u32)> {
    if procedure == 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: the program passes the address of a procedure of this type.
    let procedure = unsafe { std::mem::transmute::<usize, Procedure>(procedure) };
    let thread = Thread::new(flags & CREATE_SUSPENDED != 0)?;
    let handle = handles::insert(thread.signal.try_clone()?, Object::Thread(Arc::clone(&thread)))?;
    if let Err(error) = spawn(stack, Start { thread: Arc::clone(&thread), procedure, parameter }) {
        handles::forget(handle);
        return Err(error);
    }
    Ok((handle, thread.wait_for_id()))
}

/// Processors of a mask, at most 64.
fn processors(mask: u64) -> CpuSet {
    let mut set = CpuSet::new();
    (0..64).filter(|processor| mask >> processor & 1 != 0).for_each(|processor| set.set(processor));
    set
}

/// Mask of the first 64 processors that a thread may use; `None` is the calling thread.
pub(crate) fn affinity(thread: Option<Pid>) -> Outcome<u64> {
    let set = sched_getaffinity(thread)?;
    Ok((0..64).filter(|processor| set.is_set(*processor)).fold(0, |mask, processor| mask | 1 << processor))
}

/// Ends the calling thread.
///
/// # Safety
/// The frames of the thread may be left behind: they own nothing that must be dropped.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ExitThread(code: u32) -> ! {
    set_exit_code(code);
    // SAFETY: this frame owns nothing; the caller vouches for its own frames.
    unsafe { pthread_exit(std::ptr::null_mut()) }
}

exports! {
    /// Starts a thread.
    fn CreateThread(
        security: *const c_void,
        stack: usize,
        procedure: usize,
        parameter: *mut c_void,
        flags: u32,
        id: *mut u32,
    ) -> usize = 0 => {
        let (handle, number) = create(stack, procedure, parameter.pointer(), flags)?;
        id.set(number);
        Ok(handle)
    }

    /// Lets a thread run that was created suspended; returns how often it was suspended before.
    fn ResumeThread(handle: usize) -> u32 = FAILED => {
        Ok(find(handle)?.resume())
    }

    /// Not supported: POSIX threads cannot be stopped from outside.
    fn SuspendThread(handle: usize) -> u32 = FAILED => {
        find(handle)?;
        Err(ERROR_NOT_SUPPORTED)
    }

    /// Not supported: POSIX threads cannot be ended from outside.
    fn TerminateThread(handle: usize, code: u32) -> i32 = FALSE => {
        find(handle)?;
        Err(ERROR_NOT_SUPPORTED)
    }

    /// Exit code of a thread, or 259 while it runs.
    fn GetExitCodeThread(handle: usize, code: *mut u32) -> i32 = FALSE => {
        code.required()?.set(find(handle)?.code.load(Ordering::Acquire));
        Ok(TRUE)
    }

    /// Number of a thread.
    fn GetThreadId(handle: usize) -> u32 = 0 => {
        Ok(find(handle)?.id.load(Ordering::Acquire))
    }

    /// Number of the calling thread.
    fn GetCurrentThreadId() -> u32 = 0 => {
        Ok(current_id())
    }

    /// Number of this process.
    fn GetCurrentProcessId() -> u32 = 0 => {
        Ok(std::process::id())
    }

    /// Stores a priority, and lowers the thread's weight if it is below normal; raising it needs a privilege.
    fn SetThreadPriority(handle: usize, priority: i32) -> i32 = FALSE => {
        if !(-15..=15).contains(&priority) {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let thread = find(handle)?;
        thread.priority.store(priority, Ordering::Release);
        // A host that refuses keeps the thread at its weight, which is allowed.
        let _ = rustix::process::setpriority_process(thread.pid(), (-priority).max(0));
        Ok(TRUE)
    }

    /// The priority that was set.
    fn GetThreadPriority(handle: usize) -> i32 = THREAD_PRIORITY_ERROR_RETURN => {
        Ok(find(handle)?.priority.load(Ordering::Acquire))
    }

    /// Accepts a preference for or against temporary priority.
    fn SetThreadPriorityBoost(handle: usize, disabled: i32) -> i32 = FALSE => {
        find(handle)?;
        Ok(TRUE)
    }

    /// Binds a thread to processors; returns those it had before.
    fn SetThreadAffinityMask(handle: usize, mask: u64) -> u64 = 0 => {
        let thread = find(handle)?.pid();
        let before = affinity(thread)?;
        sched_setaffinity(thread, &processors(mask))?;
        Ok(before)
    }

    /// Processors that this process may use, and those of the machine.
    fn GetProcessAffinityMask(process: usize, own: *mut u64, machine: *mut u64) -> i32 = FALSE => {
        handles::require_self(process)?;
        let mask = affinity(None)?;
        own.required()?.set(mask);
        machine.required()?.set(mask);
        Ok(TRUE)
    }

    /// Binds the calling thread, and those it starts, to processors.
    fn SetProcessAffinityMask(process: usize, mask: u64) -> i32 = FALSE => {
        handles::require_self(process)?;
        sched_setaffinity(None, &processors(mask))?;
        Ok(TRUE)
    }

    /// Accepts a preferred processor; returns the same.
    fn SetThreadIdealProcessor(handle: usize, processor: u32) -> u32 = FAILED => {
        find(handle)?;
        Ok(processor)
    }

    /// Accepts a priority class.
    fn SetPriorityClass(process: usize, class: u32) -> i32 = FALSE => {
        handles::require_self(process)?;
        Ok(TRUE)
    }

    /// Names a thread, as far as the host keeps names. Returns a result code.
    fn SetThreadDescription(handle: usize, name: *const u16) -> i32 = -0x7FF8_FFFA => {
        let thread = find(handle)?;
        let name = name.text().ok_or(ERROR_INVALID_PARAMETER)?;
        let name: String = name.chars().filter(char::is_ascii).take(15).collect();
        let id = thread.id.load(Ordering::Acquire);
        // A thread that has ended has no name to set.
        let _ = std::fs::write(format!("/proc/self/task/{id}/comm"), name);
        Ok(0)
    }

    /// Lets another thread run.
    fn SwitchToThread() -> i32 = FALSE => {
        rustix::thread::sched_yield();
        Ok(TRUE)
    }

    /// Ends this process.
    fn TerminateProcess(process: usize, code: u32) -> i32 = FALSE => {
        handles::require_self(process).map_err(|error| {
            if error == ERROR_INVALID_HANDLE { error } else { ERROR_ACCESS_DENIED }
        })?;
        // SAFETY: ends the process without running handlers, as asked.
        unsafe { libc::_exit(code.cast_signed()) }
    }

    /// Exit code of this process: it runs.
    fn GetExitCodeProcess(process: usize, code: *mut u32) -> i32 = FALSE => {
        handles::require_self(process)?;
        code.required()?.set(STILL_ACTIVE);
        Ok(TRUE)
    }
}
