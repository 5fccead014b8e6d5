//! Anonymous pipes.

#![expect(unsafe_code, reason = "exports C functions, and copies what waits in a pipe")]

use std::ffi::c_void;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;

use rustix::fs::FileType;

use crate::boundary::FALSE;
use crate::boundary::Outcome;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::error::ERROR_BROKEN_PIPE;
use crate::error::ERROR_INVALID_HANDLE;
use crate::files;
use crate::handles;
use crate::object::File;
use crate::object::Object;
use crate::object::is_readable;

/// Bytes that wait in a pipe; an error if there are none and nobody is left to write.
fn waiting(fd: BorrowedFd<'_>) -> Outcome<usize> {
    let count = || rustix::io::ioctl_fionread(fd).map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    // Asked again, as something may have come between the two questions.
    match count()? {
        0 if is_readable(fd)? => match count()? {
            0 => Err(ERROR_BROKEN_PIPE),
            some => Ok(some),
        },
        some => Ok(some),
    }
}

/// Copies what waits in a pipe and leaves it there.
fn copy(fd: BorrowedFd<'_>, size: usize) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    if size > 0 {
        let (mut reader, writer) = std::io::pipe()?;
        // SAFETY: no memory is passed; both descriptors are open.
        let copied = unsafe { libc::tee(fd.as_raw_fd(), writer.as_raw_fd(), size, libc::SPLICE_F_NONBLOCK) };
        if copied < 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        drop(writer);
        reader.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

exports! {
    /// Makes a pipe; its size and who inherits it are the host's.
    fn CreatePipe(reader: *mut usize, writer: *mut usize, attributes: *const c_void, size: u32) -> i32 = FALSE => {
        let (reader, writer) = (reader.required()?, writer.required()?);
        let (from, to) = std::io::pipe()?;
        reader.set(handles::insert(OwnedFd::from(from), Object::File(File::default()))?);
        writer.set(handles::insert(OwnedFd::from(to), Object::File(File::default()))?);
        Ok(TRUE)
    }

    /// What waits in a pipe, without taking it. Pipes here have no messages.
    fn PeekNamedPipe(
        handle: usize,
        buffer: *mut c_void [size],
        size: u32,
        copied: *mut u32,
        available: *mut u32,
        left: *mut u32,
    ) -> i32 = FALSE => {
        let entry = handles::find(handle)?;
        if files::kind(entry.fd())? != FileType::Fifo {
            return Err(ERROR_INVALID_HANDLE);
        }
        let waiting = waiting(entry.fd())?;
        let wanted = if buffer.is_null() { 0 } else { waiting.min(size as usize) };
        let bytes = copy(entry.fd(), wanted)?;
        buffer.put_bytes(&bytes);
        copied.set(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        available.set(u32::try_from(waiting).unwrap_or(u32::MAX));
        left.set(0);
        Ok(TRUE)
    }
}
