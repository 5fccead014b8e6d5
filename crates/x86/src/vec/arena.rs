//! Executable memory for the stubs: one memory file mapped twice, writable and executable, never both at once.
#![expect(unsafe_code, reason = "maps memory and turns assembled bytes into functions")]

/// Bytes one arena holds; enough for some hundred thousand stubs.
const ARENA_BYTES: usize = 32 << 20;

#[cfg(all(target_arch = "x86_64", unix))]
mod imp {
    use super::ARENA_BYTES;
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
            Some(Arena { write: write.cast(), exec: exec.cast::<u8>(), used: 0 })
        }

        fn add(&mut self, code: &[u8]) -> Option<usize> {
            let at = self.used;
            let end = at.checked_add(code.len())?;
            if end > ARENA_BYTES {
                return None;
            }
            // SAFETY: at..end lies in the mapping, behind everything handed out; nobody executes it yet.
            unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), self.write.add(at), code.len()) };
            self.used = end.next_multiple_of(32);
            // SAFETY: inside the mapping.
            Some(unsafe { self.exec.add(at) }.expose_provenance())
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
        arena()?.lock().unwrap_or_else(PoisonError::into_inner).add(code)
    }
}

#[cfg(not(all(target_arch = "x86_64", unix)))]
mod imp {
    use super::ARENA_BYTES;

    /// Stubs exist on x86-64 hosts only.
    pub(crate) fn available() -> bool {
        false
    }

    /// Never has room.
    pub(crate) fn add(code: &[u8]) -> Option<usize> {
        let _ = code.len() < ARENA_BYTES;
        None
    }
}

pub(crate) use imp::add;
pub(crate) use imp::available;
