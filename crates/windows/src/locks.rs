//! Locks that live in the program's memory: critical sections, slim locks, condition variables, one-time
//! initialization, waiting for an address. Each is a few words over the host's futexes; all-zero memory is the state
//! at rest, except for critical sections, which are initialized.

#![expect(unsafe_code, reason = "works on locks in the program's memory and calls its procedures")]

use std::ffi::c_void;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use rustix::event::Timespec;
use rustix::io::Errno;
use rustix::thread::futex;

use crate::boundary::FALSE;
use crate::boundary::TRUE;
use crate::boundary::enter;
use crate::error::ERROR_INVALID_PARAMETER;
use crate::error::ERROR_TIMEOUT;
use crate::threads;
use crate::wait::Deadline;

/// Sleeps while a word has a value; `false` if the time was over.
fn sleep(word: &AtomicU32, value: u32, limit: Option<Timespec>) -> bool {
    let outcome = futex::wait(word, futex::Flags::PRIVATE, value, limit.as_ref());
    outcome != Err(Errno::TIMEDOUT)
}

fn wake(word: &AtomicU32, count: u32) {
    // Waking fails only for words that are not mapped.
    let _ = futex::wake(word, futex::Flags::PRIVATE, count);
}

const EVERYONE: u32 = i32::MAX as u32;

/// A lock with one owner or many readers, of the size of an `SRWLOCK`.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct SlimLock {
    /// Readers inside, or [`EXCLUSIVE`].
    state: AtomicU32,
    /// Threads that sleep.
    sleepers: AtomicU32,
}

const EXCLUSIVE: u32 = 1 << 31;

impl SlimLock {
    fn try_exclusive(&self) -> bool {
        self.state.compare_exchange(0, EXCLUSIVE, SeqCst, SeqCst).is_ok()
    }

    fn try_shared(&self) -> bool {
        let more = |state: u32| (state & EXCLUSIVE == 0).then(|| state + 1);
        self.state.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    fn wait_until(&self, taken: impl Fn() -> bool, is_free: impl Fn(u32) -> bool) {
        while !taken() {
            self.sleepers.fetch_add(1, SeqCst);
            let state = self.state.load(SeqCst);
            if !is_free(state) {
                sleep(&self.state, state, None);
            }
            self.sleepers.fetch_sub(1, SeqCst);
        }
    }

    fn exclusive(&self) {
        self.wait_until(|| self.try_exclusive(), |state| state == 0);
    }

    fn shared(&self) {
        self.wait_until(|| self.try_shared(), |state| state & EXCLUSIVE == 0);
    }

    fn release_exclusive(&self) {
        self.state.store(0, SeqCst);
        self.wake_sleepers();
    }

    fn release_shared(&self) {
        if self.state.fetch_sub(1, SeqCst) == 1 {
            self.wake_sleepers();
        }
    }

    fn wake_sleepers(&self) {
        if self.sleepers.load(SeqCst) > 0 {
            wake(&self.state, EVERYONE);
        }
    }
}

/// A critical section; the fields stand where programs look for them.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct CriticalSection {
    debug_info: usize,
    /// 0 free, 1 owned, 2 owned and waited for.
    lock: AtomicU32,
    depth: AtomicU32,
    owner: AtomicU64,
    semaphore: usize,
    spins: AtomicU64,
}

impl CriticalSection {
    fn enter(&self) {
        if !self.reenter() {
            if self.lock.compare_exchange(0, 1, SeqCst, SeqCst).is_err() {
                while self.lock.swap(2, SeqCst) != 0 {
                    sleep(&self.lock, 2, None);
                }
            }
            self.own();
        }
    }

    fn try_enter(&self) -> bool {
        if self.reenter() {
            return true;
        }
        let free = self.lock.compare_exchange(0, 1, SeqCst, SeqCst).is_ok();
        if free {
            self.own();
        }
        free
    }

    fn reenter(&self) -> bool {
        let mine = self.owner.load(SeqCst) == u64::from(threads::current_id());
        if mine {
            self.depth.fetch_add(1, SeqCst);
        }
        mine
    }

    fn own(&self) {
        self.owner.store(u64::from(threads::current_id()), SeqCst);
        self.depth.store(1, SeqCst);
    }

    fn leave(&self) {
        if self.owner.load(SeqCst) != u64::from(threads::current_id()) {
            // Leaving a section of another thread corrupts it on Windows; here it changes nothing.
            return;
        }
        if self.depth.fetch_sub(1, SeqCst) == 1 {
            self.owner.store(0, SeqCst);
            if self.lock.swap(0, SeqCst) == 2 {
                wake(&self.lock, 1);
            }
        }
    }
}

/// A condition variable, of the size of a `CONDITION_VARIABLE`.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct ConditionVariable {
    sequence: AtomicU32,
    unused: AtomicU32,
}

impl ConditionVariable {
    fn notify(&self, count: u32) {
        self.sequence.fetch_add(1, SeqCst);
        wake(&self.sequence, count);
    }

    /// Sleeps without the lock; `false` if the time was over.
    fn sleep(&self, milliseconds: u32, release: impl FnOnce(), acquire: impl FnOnce()) -> bool {
        let sequence = self.sequence.load(SeqCst);
        release();
        let woken = sleep(&self.sequence, sequence, Deadline::after(milliseconds).left());
        acquire();
        woken
    }
}

/// State of an initialization, of the size of an `INIT_ONCE`: two bits of state under a context pointer.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct Once {
    state: AtomicU32,
    high: AtomicU32,
}

const ONCE_RUNNING: u32 = 1;
const ONCE_DONE: u32 = 2;
const ONCE_STATE: u32 = 3;

impl Once {
    /// Claims the initialization, or waits until somebody has done it. `true` if the caller must do it.
    fn claim(&self) -> bool {
        loop {
            match self.state.load(SeqCst) & ONCE_STATE {
                ONCE_DONE => return false,
                ONCE_RUNNING => {
                    sleep(&self.state, ONCE_RUNNING, None);
                }
                _ => {
                    if self.state.compare_exchange(0, ONCE_RUNNING, SeqCst, SeqCst).is_ok() {
                        return true;
                    }
                }
            }
        }
    }

    fn finish(&self, done: bool, context: usize) {
        let context = context as u64;
        self.high.store((context >> 32) as u32, SeqCst);
        let low = context as u32 & !ONCE_STATE;
        self.state.store(if done { low | ONCE_DONE } else { 0 }, SeqCst);
        wake(&self.state, EVERYONE);
    }

    fn context(&self) -> usize {
        let low = u64::from(self.state.load(SeqCst) & !ONCE_STATE);
        (u64::from(self.high.load(SeqCst)) << 32 | low) as usize
    }
}

/// Words on which threads wait for addresses, chosen by address; each counts the wakes.
static ADDRESSES: [AtomicU32; 64] = [const { AtomicU32::new(0) }; 64];

fn bucket(address: usize) -> &'static AtomicU32 {
    &ADDRESSES[(address >> 3) % ADDRESSES.len()]
}

/// Declares functions on one lock that cannot fail; a null lock is left alone.
macro_rules! lock_functions {
    ($($(#[$doc:meta])* fn $name:ident($lock:ident: $type:ty $(, $extra:ident: $extra_type:ty)*) -> $result:ty = $null:expr => $body:expr;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// The lock is null or valid, and lives until the call returns.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($lock: *const $type $(, $extra: $extra_type)*) -> $result {
                // SAFETY: the caller vouches for the lock; it is only touched through atomics.
                match unsafe { $lock.as_ref() } {
                    Some($lock) => $body,
                    None => $null,
                }
            }
        )*
    };
}

lock_functions! {
    /// Puts a slim lock at rest.
    fn InitializeSRWLock(lock: SlimLock) -> () = () => {
        lock.state.store(0, SeqCst);
        lock.sleepers.store(0, SeqCst);
    };
    /// Takes a slim lock alone.
    fn AcquireSRWLockExclusive(lock: SlimLock) -> () = () => lock.exclusive();
    /// Takes a slim lock with other readers.
    fn AcquireSRWLockShared(lock: SlimLock) -> () = () => lock.shared();
    /// Takes a slim lock alone if it is free.
    fn TryAcquireSRWLockExclusive(lock: SlimLock) -> u8 = 0 => u8::from(lock.try_exclusive());
    /// Takes a slim lock with other readers if no owner has it.
    fn TryAcquireSRWLockShared(lock: SlimLock) -> u8 = 0 => u8::from(lock.try_shared());
    /// Gives a slim lock back.
    fn ReleaseSRWLockExclusive(lock: SlimLock) -> () = () => lock.release_exclusive();
    /// Gives a slim lock back as a reader.
    fn ReleaseSRWLockShared(lock: SlimLock) -> () = () => lock.release_shared();

    /// Takes a critical section, again if it is the caller's.
    fn EnterCriticalSection(section: CriticalSection) -> () = () => section.enter();
    /// Takes a critical section if it is free or the caller's.
    fn TryEnterCriticalSection(section: CriticalSection) -> i32 = FALSE => i32::from(section.try_enter());
    /// Gives a critical section back once.
    fn LeaveCriticalSection(section: CriticalSection) -> () = () => section.leave();
    /// Ends the use of a critical section.
    fn DeleteCriticalSection(section: CriticalSection) -> () = () => section.lock.store(0, SeqCst);
    /// Stores how often to try before sleeping; returns the number before.
    fn SetCriticalSectionSpinCount(section: CriticalSection, count: u32) -> u32 = 0 => {
        section.spins.swap(u64::from(count), SeqCst) as u32
    };

    /// Puts a condition variable at rest.
    fn InitializeConditionVariable(variable: ConditionVariable) -> () = () => variable.sequence.store(0, SeqCst);
    /// Wakes one sleeper.
    fn WakeConditionVariable(variable: ConditionVariable) -> () = () => variable.notify(1);
    /// Wakes every sleeper.
    fn WakeAllConditionVariable(variable: ConditionVariable) -> () = () => variable.notify(EVERYONE);

    /// Puts an initialization at its start.
    fn InitOnceInitialize(once: Once) -> () = () => {
        once.state.store(0, SeqCst);
        once.high.store(0, SeqCst);
    };

    /// Wakes one thread that waits for an address.
    fn WakeByAddressSingle(address: c_void) -> () = () => wake_address(std::ptr::from_ref(address) as usize);
    /// Wakes the threads that wait for an address.
    fn WakeByAddressAll(address: c_void) -> () = () => wake_address(std::ptr::from_ref(address) as usize);
}

/// Wakes everybody of the bucket: some wait for other addresses, and look again.
fn wake_address(address: usize) {
    let word = bucket(address);
    word.fetch_add(1, SeqCst);
    wake(word, EVERYONE);
}

/// Puts a critical section at rest.
///
/// # Safety
/// The section is null or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InitializeCriticalSection(section: *mut CriticalSection) {
    if !section.is_null() {
        // SAFETY: the caller vouches for the memory; all-zero bytes are a section at rest.
        unsafe { section.write_bytes(0, 1) };
    }
}

/// Puts a critical section at rest.
///
/// # Safety
/// The section is null or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InitializeCriticalSectionAndSpinCount(
    section: *mut CriticalSection,
    _spins: u32,
) -> i32 {
    // SAFETY: as the caller vouches.
    unsafe { InitializeCriticalSection(section) };
    TRUE
}

/// Puts a critical section at rest.
///
/// # Safety
/// The section is null or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InitializeCriticalSectionEx(
    section: *mut CriticalSection,
    _spins: u32,
    _flags: u32,
) -> i32 {
    // SAFETY: as the caller vouches.
    unsafe { InitializeCriticalSection(section) };
    TRUE
}

const CONDITION_VARIABLE_LOCKMODE_SHARED: u32 = 1;

fn slept(woken: bool) -> i32 {
    enter(FALSE, || if woken { Ok(TRUE) } else { Err(ERROR_TIMEOUT) })
}

/// Sleeps on a condition variable without a slim lock, and takes it again.
///
/// # Safety
/// Both are valid, and the caller has the lock in the mode that the flags say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn SleepConditionVariableSRW(
    variable: *const ConditionVariable,
    lock: *const SlimLock,
    milliseconds: u32,
    flags: u32,
) -> i32 {
    // SAFETY: the caller vouches for both; they are only touched through atomics.
    let (Some(variable), Some(lock)) = (unsafe { variable.as_ref() }, unsafe { lock.as_ref() }) else {
        return enter(FALSE, || Err(ERROR_INVALID_PARAMETER));
    };
    if flags & CONDITION_VARIABLE_LOCKMODE_SHARED != 0 {
        slept(variable.sleep(milliseconds, || lock.release_shared(), || lock.shared()))
    } else {
        slept(variable.sleep(milliseconds, || lock.release_exclusive(), || lock.exclusive()))
    }
}

/// Sleeps on a condition variable without a critical section, and takes it again.
///
/// # Safety
/// Both are valid, and the caller has the section once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn SleepConditionVariableCS(
    variable: *const ConditionVariable,
    section: *const CriticalSection,
    milliseconds: u32,
) -> i32 {
    // SAFETY: the caller vouches for both; they are only touched through atomics.
    let (Some(variable), Some(section)) = (unsafe { variable.as_ref() }, unsafe { section.as_ref() }) else {
        return enter(FALSE, || Err(ERROR_INVALID_PARAMETER));
    };
    slept(variable.sleep(milliseconds, || section.leave(), || section.enter()))
}

type OnceProcedure = unsafe extern "C-unwind" fn(*const Once, *mut c_void, *mut *mut c_void) -> i32;

/// Runs a procedure unless it has run; others wait for it.
///
/// # Safety
/// The initialization is valid, the procedure has this type, the context is null or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn InitOnceExecuteOnce(
    once: *const Once,
    procedure: Option<OnceProcedure>,
    parameter: *mut c_void,
    context: *mut usize,
) -> i32 {
    // SAFETY: the caller vouches for it; it is only touched through atomics.
    let (Some(state), Some(procedure)) = (unsafe { once.as_ref() }, procedure) else {
        return enter(FALSE, || Err(ERROR_INVALID_PARAMETER));
    };
    if state.claim() {
        let mut made: *mut c_void = std::ptr::null_mut();
        // SAFETY: the program gave the procedure for this call.
        let done = unsafe { procedure(once, parameter, &raw mut made) } != 0;
        state.finish(done, made as usize);
        if !done {
            return FALSE;
        }
    }
    if !context.is_null() {
        // SAFETY: not null, and the caller vouches for it.
        unsafe { context.write(state.context()) };
    }
    TRUE
}

/// Waits until memory differs from a value, or somebody wakes its address.
///
/// # Safety
/// Both pointers are valid for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WaitOnAddress(
    address: *const c_void,
    undesired: *const c_void,
    size: usize,
    milliseconds: u32,
) -> i32 {
    enter(FALSE, || {
        if address.is_null() || undesired.is_null() || !matches!(size, 1 | 2 | 4 | 8) {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let word = bucket(address as usize);
        let sequence = word.load(SeqCst);
        // SAFETY: both are not null and valid for `size` bytes; volatile, as other threads write.
        let differs = (0..size).any(|index| unsafe {
            address.cast::<u8>().wrapping_add(index).read_volatile()
                != undesired.cast::<u8>().wrapping_add(index).read_volatile()
        });
        if differs || sleep(word, sequence, Deadline::after(milliseconds).left()) {
            Ok(TRUE)
        } else {
            Err(ERROR_TIMEOUT)
        }
    })
}
