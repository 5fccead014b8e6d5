//! Executable memory for the stubs: one memory file mapped twice, writable and executable, never both at once.
//!
//! Stubs stay for good, so that processors can share them. When there is no room left, each processor assembles
//! what it needs into a [`Slot`] of its own, over and over: slow, but guests cannot take vector instructions from
//! each other by using up the arena.
#![cfg_attr(
    all(target_arch = "x86_64", target_os = "linux"),
    expect(unsafe_code, reason = "maps memory and turns assembled bytes into functions")
)]

/// Bytes one arena holds; enough for some hundred thousand stubs.
const ARENA_BYTES: usize = 32 << 20;
/// Bytes of a slot; no stub is longer.
const SLOT_BYTES: usize = 512;
/// Slots, at the start of the arena.
const SLOTS: usize = 4096;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod imp {
    use super::ARENA_BYTES;
    use super::SLOT_BYTES;
    use super::SLOTS;
    use std::os::fd::AsRawFd;
    use std::os::fd::FromRawFd;
    use std::os::fd::OwnedFd;
    use std::ptr::null_mut;
    use std::sync::Mutex;
    use std::sync::OnceLock;
    use std::sync::PoisonError;

    /// The two views of the memory file.
    struct Arena {
        write: *mut u8,
        exec: *const u8,
        used: usize,
        /// Slots never handed out, and those given back.
        fresh: usize,
        free: Vec<usize>,
    }

    // SAFETY: plain addresses of mappings that are never undone; `used` is behind the mutex.
    unsafe impl Send for Arena {}

    impl Arena {
        fn new() -> Option<Arena> {
            // SAFETY: the name is a valid C string; the result is checked.
            let fd = unsafe { libc::memfd_create(c"vector-stubs".as_ptr(), libc::MFD_CLOEXEC) };
            if fd < 0 {
                return None;
            }
            // SAFETY: `fd` was just created and has no other owner.
            let fd = unsafe { OwnedFd::from_raw_fd(fd) };
            // SAFETY: a valid descriptor.
            if unsafe { libc::ftruncate(fd.as_raw_fd(), ARENA_BYTES as libc::off_t) } != 0 {
                return None;
            }
            let map = |prot| {
                // SAFETY: a fresh shared mapping at an address of the kernel's choice.
                let p =
                    unsafe { libc::mmap(null_mut(), ARENA_BYTES, prot, libc::MAP_SHARED, fd.as_raw_fd(), 0) };
                if p == libc::MAP_FAILED { None } else { Some(p) }
            };
            let write = map(libc::PROT_READ | libc::PROT_WRITE)?;
            let Some(exec) = map(libc::PROT_READ | libc::PROT_EXEC) else {
                // SAFETY: unmaps exactly the mapping made above, which nobody has seen.
                unsafe { libc::munmap(write, ARENA_BYTES) };
                return None;
            };
            Some(Arena {
                write: write.cast(),
                exec: exec.cast::<u8>(),
                used: SLOTS * SLOT_BYTES,
                fresh: 0,
                free: Vec::new(),
            })
        }

        fn add(&mut self, code: &[u8]) -> Option<usize> {
            let at = self.used;
            let end = at.checked_add(code.len())?;
            if end > ARENA_BYTES {
                return None;
            }
            self.used = end.next_multiple_of(32);
            // Behind everything handed out: nobody executes it yet.
            Some(self.write(at, code))
        }

        /// Writes code that fits its place, which nobody executes now; gives the address to execute it at.
        fn write(&mut self, at: usize, code: &[u8]) -> usize {
            // SAFETY: both callers checked that the code ends inside the mapping.
            unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), self.write.add(at), code.len()) };
            // SAFETY: inside the mapping.
            unsafe { self.exec.add(at) }.expose_provenance()
        }
    }

    fn arena() -> Option<&'static Mutex<Arena>> {
        static ARENA: OnceLock<Option<Mutex<Arena>>> = OnceLock::new();
        ARENA.get_or_init(|| Arena::new().map(Mutex::new)).as_ref()
    }

    /// Whether executable memory can be had.
    pub(crate) fn available() -> bool {
        arena().is_some()
    }

    /// Copies code into executable memory; `None` when there is none, or no room.
    pub(crate) fn add(code: &[u8]) -> Option<usize> {
        #[cfg(test)]
        if super::FULL.get() {
            return None;
        }
        lock()?.add(code)
    }

    fn lock() -> Option<std::sync::MutexGuard<'static, Arena>> {
        Some(arena()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Room for one stub, for one processor.
    #[derive(Debug)]
    pub(crate) struct Slot(usize);

    impl Slot {
        /// Takes a slot; `None` when all are taken.
        pub(crate) fn new() -> Option<Slot> {
            let mut a = lock()?;
            if let Some(n) = a.free.pop() {
                return Some(Slot(n));
            }
            let n = a.fresh;
            a.fresh += 1;
            if n < SLOTS { Some(Slot(n)) } else { None }
        }

        /// Replaces the slot's code; gives its address. `None`: too long.
        pub(crate) fn fill(&mut self, code: &[u8]) -> Option<usize> {
            if code.len() > SLOT_BYTES {
                return None;
            }
            let p = lock()?.write(self.0 * SLOT_BYTES, code);
            // The code changed under another linear address: CPUID serialises before it is executed.
            std::hint::black_box(std::arch::x86_64::__cpuid(0));
            Some(p)
        }
    }

    impl Drop for Slot {
        fn drop(&mut self) {
            if let Some(mut a) = lock() {
                a.free.push(self.0);
            }
        }
    }
}

#[cfg(test)]
thread_local! {
    /// Lets a test see the arena as full, on its thread.
    pub(crate) static FULL: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod imp {
    use super::ARENA_BYTES;
    use super::SLOT_BYTES;
    use super::SLOTS;

    /// Stubs exist on x86-64 Linux hosts only.
    pub(crate) fn available() -> bool {
        false
    }

    /// Never has room.
    pub(crate) fn add(code: &[u8]) -> Option<usize> {
        let _ = code.len() < ARENA_BYTES - SLOTS * SLOT_BYTES;
        None
    }

    /// Never exists.
    #[derive(Debug)]
    pub(crate) struct Slot;

    impl Slot {
        pub(crate) fn new() -> Option<Slot> {
            None
        }

        pub(crate) fn fill(&mut self, _code: &[u8]) -> Option<usize> {
            None
        }
    }
}

pub(crate) use imp::Slot;
pub(crate) use imp::add;
pub(crate) use imp::available;
