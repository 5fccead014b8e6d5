//! Files, and sections of memory to map.

#![expect(unsafe_code, reason = "exports C functions")]

use std::ffi::c_void;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;

use rustix::fs::FileType;
use rustix::fs::MemfdFlags;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::boundary::FALSE;
use crate::boundary::Outcome;
use crate::boundary::Output;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::boundary::set_last_error;
use crate::error::ERROR_ACCESS_DENIED;
use crate::error::ERROR_ALREADY_EXISTS;
use crate::error::ERROR_BROKEN_PIPE;
use crate::error::ERROR_FILE_INVALID;
use crate::error::ERROR_FILE_NOT_FOUND;
use crate::error::ERROR_HANDLE_EOF;
use crate::error::ERROR_INVALID_HANDLE;
use crate::error::ERROR_INVALID_PARAMETER;
use crate::error::ERROR_MAPPED_ALIGNMENT;
use crate::error::ERROR_NEGATIVE_SEEK;
use crate::error::ERROR_PATH_NOT_FOUND;
use crate::handles;
use crate::handles::CURRENT_PROCESS;
use crate::handles::Entry;
use crate::memory;
use crate::object::File;
use crate::object::Object;
use crate::pages::GRANULARITY;

const INVALID_HANDLE: usize = usize::MAX;
const GENERIC_ALL: u32 = 0x1000_0000;
const GENERIC_WRITE: u32 = 0x4000_0000;
const GENERIC_READ: u32 = 0x8000_0000;
const FILE_WRITE_DATA: u32 = 2;
const FILE_APPEND_DATA: u32 = 4;
const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
const CREATE_NEW: u32 = 1;
const CREATE_ALWAYS: u32 = 2;
const OPEN_EXISTING: u32 = 3;
const OPEN_ALWAYS: u32 = 4;
const TRUNCATE_EXISTING: u32 = 5;
const INVALID_FILE_SIZE: u32 = u32::MAX;
const INVALID_SET_FILE_POINTER: u32 = u32::MAX;
const INVALID_FILE_ATTRIBUTES: u32 = u32::MAX;
const FILE_ATTRIBUTE_READONLY: u32 = 0x01;
const FILE_ATTRIBUTE_DIRECTORY: u32 = 0x10;
const FILE_ATTRIBUTE_NORMAL: u32 = 0x80;
const FILE_TYPE_UNKNOWN: u32 = 0;
const FILE_TYPE_DISK: u32 = 1;
const FILE_TYPE_CHAR: u32 = 2;
const FILE_TYPE_PIPE: u32 = 3;
const PAGE_READONLY: u32 = 0x02;
const PAGE_READWRITE: u32 = 0x04;
const PAGE_WRITECOPY: u32 = 0x08;
const PAGE_EXECUTE_READ: u32 = 0x20;
const PAGE_EXECUTE_READWRITE: u32 = 0x40;
const FILE_MAP_COPY: u32 = 0x01;
const FILE_MAP_WRITE: u32 = 0x02;
const FILE_MAP_EXECUTE: u32 = 0x20;

/// What `OVERLAPPED` says of a transfer: the words that stand for the offset.
const OVERLAPPED_WORDS: usize = 4;

/// A path as this system writes it.
pub(crate) fn path(text: Option<String>) -> Outcome<String> {
    let text = text.filter(|text| !text.is_empty()).ok_or(ERROR_PATH_NOT_FOUND)?;
    let text = text.strip_prefix(r"\\?\").unwrap_or(&text);
    Ok(match text.to_ascii_uppercase().as_str() {
        "NUL" | r"\\.\NUL" => "/dev/null".to_owned(),
        "CONIN$" | "CONOUT$" | "CON" => "/dev/tty".to_owned(),
        _ => text.replace('\\', "/"),
    })
}

fn open(name: Option<String>, access: u32, disposition: u32, flags: u32) -> Outcome<usize> {
    let path = path(name)?;
    let write = access & (GENERIC_WRITE | GENERIC_ALL | FILE_WRITE_DATA | FILE_APPEND_DATA) != 0;
    let read = access & (GENERIC_READ | GENERIC_ALL | 1) != 0 || !write;
    let mut mode = match (read, write) {
        (_, false) => OFlags::RDONLY,
        (false, true) => OFlags::WRONLY,
        (true, true) => OFlags::RDWR,
    };
    if access & FILE_APPEND_DATA != 0 && access & (FILE_WRITE_DATA | GENERIC_WRITE) == 0 {
        mode |= OFlags::APPEND;
    }
    mode |= match disposition {
        CREATE_NEW => OFlags::CREATE | OFlags::EXCL,
        CREATE_ALWAYS => OFlags::CREATE | OFlags::TRUNC,
        OPEN_EXISTING => OFlags::empty(),
        OPEN_ALWAYS => OFlags::CREATE,
        TRUNCATE_EXISTING => OFlags::TRUNC,
        _ => return Err(ERROR_INVALID_PARAMETER),
    };
    let existed =
        matches!(disposition, CREATE_ALWAYS | OPEN_ALWAYS) && rustix::fs::stat(path.as_str()).is_ok();
    let fd = rustix::fs::open(path.as_str(), mode | OFlags::CLOEXEC, Mode::from_raw_mode(0o666))?;
    let is_folder = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) == FileType::Directory;
    if is_folder && flags & FILE_FLAG_BACKUP_SEMANTICS == 0 {
        return Err(ERROR_ACCESS_DENIED);
    }
    let delete_on_close = (flags & FILE_FLAG_DELETE_ON_CLOSE != 0).then(|| path.into());
    let handle = handles::insert(fd, Object::File(File { delete_on_close }))?;
    set_last_error(if existed { ERROR_ALREADY_EXISTS.0 } else { 0 });
    Ok(handle)
}

fn file(handle: usize) -> Outcome<Entry> {
    let entry = handles::find(handle)?;
    if matches!(*entry.object, Object::File(_)) { Ok(entry) } else { Err(ERROR_INVALID_HANDLE) }
}

/// The offset in an `OVERLAPPED`; `None` without one.
fn offset(overlapped: Output<usize>) -> Option<u64> {
    // Two machine words of status stand before the offset.
    let words = (overlapped.address() != 0).then(|| overlapped.words(OVERLAPPED_WORDS))?;
    words.get(2).map(|word| *word as u64)
}

/// Reports a transfer where the program looks for it.
fn transferred(count: usize, reported: Output<u32>, overlapped: Output<usize>) {
    reported.set(u32::try_from(count).unwrap_or(u32::MAX));
    if !overlapped.is_null() {
        overlapped.put(0, 0);
        overlapped.put(1, count);
    }
}

/// Reads until the buffer is full or there is no more; terminals and pipes give what they have.
fn read(fd: BorrowedFd<'_>, buffer: &mut [u8], mut at: Option<u64>) -> Outcome<usize> {
    let mut done = 0;
    while done < buffer.len() {
        let outcome = match at {
            Some(offset) => rustix::io::pread(fd, &mut buffer[done..], offset),
            None => rustix::io::read(fd, &mut buffer[done..]),
        };
        match outcome {
            Ok(0) => break,
            Ok(count) => {
                done += count;
                at = at.map(|offset| offset + count as u64);
                if kind(fd)? != FileType::RegularFile {
                    break;
                }
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}

/// Writes everything.
pub(crate) fn write(fd: BorrowedFd<'_>, mut bytes: &[u8], mut at: Option<u64>) -> Outcome {
    while !bytes.is_empty() {
        let outcome = match at {
            Some(offset) => rustix::io::pwrite(fd, bytes, offset),
            None => rustix::io::write(fd, bytes),
        };
        match outcome {
            Ok(count) => {
                bytes = &bytes[count..];
                at = at.map(|offset| offset + count as u64);
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What a descriptor is of.
pub(crate) fn kind(fd: BorrowedFd<'_>) -> Outcome<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}

fn size(handle: usize) -> Outcome<u64> {
    let entry = file(handle)?;
    Ok(u64::try_from(rustix::fs::fstat(entry.fd())?.st_size).unwrap_or(0))
}

fn seek(handle: usize, distance: i64, method: u32) -> Outcome<u64> {
    let from = match method {
        0 => SeekFrom::Start(u64::try_from(distance).map_err(|_| ERROR_NEGATIVE_SEEK)?),
        1 => SeekFrom::Current(distance),
        2 => SeekFrom::End(distance),
        _ => return Err(ERROR_INVALID_PARAMETER),
    };
    rustix::fs::seek(file(handle)?.fd(), from).map_err(|error| match error {
        Errno::INVAL => ERROR_NEGATIVE_SEEK,
        other => other.into(),
    })
}

fn attributes(name: Option<String>) -> Outcome<u32> {
    let found = std::fs::metadata(path(name)?)?;
    let read_only = if found.permissions().readonly() { FILE_ATTRIBUTE_READONLY } else { 0 };
    let rest = if found.is_dir() { FILE_ATTRIBUTE_DIRECTORY } else { 0 };
    Ok(if read_only | rest == 0 { FILE_ATTRIBUTE_NORMAL } else { read_only | rest })
}

/// Creates a section over a file, or over memory of its own.
fn create_section(handle: usize, protection: u32, size: u64, name: Option<String>) -> Outcome<usize> {
    let writable = match protection & 0xFF {
        PAGE_READONLY | PAGE_WRITECOPY | PAGE_EXECUTE_READ => false,
        PAGE_READWRITE | PAGE_EXECUTE_READWRITE => true,
        _ => return Err(ERROR_INVALID_PARAMETER),
    };
    let (fd, size) = if handle == INVALID_HANDLE {
        if size == 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let fd = rustix::fs::memfd_create("section", MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&fd, size)?;
        (fd, size)
    } else {
        let entry = file(handle)?;
        let length = self::size(handle)?;
        if size > length {
            rustix::fs::ftruncate(entry.fd(), size)?;
        }
        let size = if size == 0 { length } else { size };
        if size == 0 {
            return Err(ERROR_FILE_INVALID);
        }
        (rustix::io::fcntl_dupfd_cloexec(entry.fd(), 3)?, size)
    };
    let (handle, existed) = handles::insert_named(fd, Object::Section { size, writable }, name)?;
    set_last_error(if existed { ERROR_ALREADY_EXISTS.0 } else { 0 });
    Ok(handle)
}

fn open_section(name: Option<String>) -> Outcome<usize> {
    let entry = handles::named(&name.ok_or(ERROR_INVALID_PARAMETER)?).ok_or(ERROR_FILE_NOT_FOUND)?;
    if matches!(*entry.object, Object::Section { .. }) {
        handles::duplicate(&entry)
    } else {
        Err(ERROR_INVALID_HANDLE)
    }
}

fn map(
    handle: usize,
    protection: u32,
    copy: bool,
    offset: u64,
    size: usize,
    address: usize,
) -> Outcome<usize> {
    let entry = handles::find(handle)?;
    let Object::Section { size: whole, writable } = *entry.object else { return Err(ERROR_INVALID_HANDLE) };
    if !offset.is_multiple_of(GRANULARITY as u64) || !address.is_multiple_of(GRANULARITY) {
        return Err(ERROR_MAPPED_ALIGNMENT);
    }
    let rest = whole.checked_sub(offset).filter(|rest| *rest > 0).ok_or(ERROR_ACCESS_DENIED)?;
    let rest = usize::try_from(rest).map_err(|_| ERROR_INVALID_PARAMETER)?;
    let size = if size == 0 { rest } else { size };
    let writes = matches!(protection, PAGE_READWRITE | PAGE_EXECUTE_READWRITE);
    if size > rest.next_multiple_of(0x1000) || writes && !copy && !writable {
        return Err(ERROR_ACCESS_DENIED);
    }
    memory::map_view(entry.fd(), address, size, offset, protection, copy)
}

fn map_with_access(handle: usize, access: u32, offset: u64, size: usize, address: usize) -> Outcome<usize> {
    let copy = access & (FILE_MAP_COPY | FILE_MAP_WRITE) == FILE_MAP_COPY;
    let protection = match (access & FILE_MAP_EXECUTE != 0, copy || access & FILE_MAP_WRITE != 0) {
        (false, false) => PAGE_READONLY,
        (false, true) => PAGE_READWRITE,
        (true, false) => PAGE_EXECUTE_READ,
        (true, true) => PAGE_EXECUTE_READWRITE,
    };
    map(handle, protection, copy, offset, size, address)
}

const fn wide(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

fn pointer(address: usize) -> *mut c_void {
    std::ptr::with_exposed_provenance_mut(address)
}

exports! {
    /// Opens or creates a file. Sharing is not restricted.
    fn CreateFileA(
        name: *const u8,
        access: u32,
        share: u32,
        security: *const c_void,
        disposition: u32,
        flags: u32,
        template: usize,
    ) -> usize = INVALID_HANDLE => {
        open(name.text(), access, disposition, flags)
    }

    /// Opens or creates a file. Sharing is not restricted.
    fn CreateFileW(
        name: *const u16,
        access: u32,
        share: u32,
        security: *const c_void,
        disposition: u32,
        flags: u32,
        template: usize,
    ) -> usize = INVALID_HANDLE => {
        open(name.text(), access, disposition, flags)
    }

    /// Reads a file; an overlapped read is done when the call returns.
    fn ReadFile(
        handle: usize,
        buffer: *mut c_void [size],
        size: u32,
        count: *mut u32,
        overlapped: *mut usize [OVERLAPPED_WORDS],
    ) -> i32 = FALSE => {
        let entry = file(handle)?;
        let buffer = if size == 0 { buffer } else { buffer.required()? };
        let at = offset(overlapped);
        let mut bytes = vec![0; size as usize];
        let done = read(entry.fd(), &mut bytes, at)?;
        buffer.put_bytes(&bytes[..done]);
        transferred(done, count, overlapped);
        if done > 0 || size == 0 {
            Ok(TRUE)
        } else if kind(entry.fd())? == FileType::Fifo {
            Err(ERROR_BROKEN_PIPE)
        } else if at.is_some() {
            Err(ERROR_HANDLE_EOF)
        } else {
            Ok(TRUE)
        }
    }

    /// Writes a file; an overlapped write is done when the call returns.
    fn WriteFile(
        handle: usize,
        buffer: *const c_void [size],
        size: u32,
        count: *mut u32,
        overlapped: *mut usize [OVERLAPPED_WORDS],
    ) -> i32 = FALSE => {
        write(file(handle)?.fd(), &buffer.bytes()?, offset(overlapped))?;
        transferred(size as usize, count, overlapped);
        Ok(TRUE)
    }

    /// Low half of a file's size.
    fn GetFileSize(handle: usize, high: *mut u32) -> u32 = INVALID_FILE_SIZE => {
        let size = size(handle)?;
        high.set((size >> 32) as u32);
        set_last_error(0);
        Ok(size as u32)
    }

    /// A file's size.
    fn GetFileSizeEx(handle: usize, size: *mut u64) -> i32 = FALSE => {
        size.required()?.set(self::size(handle)?);
        Ok(TRUE)
    }

    /// Moves a file's pointer.
    fn SetFilePointerEx(handle: usize, distance: i64, new: *mut u64, method: u32) -> i32 = FALSE => {
        new.set(seek(handle, distance, method)?);
        Ok(TRUE)
    }

    /// Moves a file's pointer.
    fn SetFilePointer(handle: usize, distance: i32, high: *mut i32, method: u32) -> u32 = INVALID_SET_FILE_POINTER => {
        let distance = match high.get() {
            Some(high) => i64::from(high) << 32 | i64::from(distance.cast_unsigned()),
            None => i64::from(distance),
        };
        let new = seek(handle, distance, method)?;
        high.set((new >> 32) as i32);
        set_last_error(0);
        Ok(new as u32)
    }

    /// Ends a file at its pointer.
    fn SetEndOfFile(handle: usize) -> i32 = FALSE => {
        let entry = file(handle)?;
        let end = rustix::fs::seek(entry.fd(), SeekFrom::Current(0))?;
        rustix::fs::ftruncate(entry.fd(), end)?;
        Ok(TRUE)
    }

    /// Brings a file's content to its device.
    fn FlushFileBuffers(handle: usize) -> i32 = FALSE => {
        rustix::fs::fsync(file(handle)?.fd())?;
        Ok(TRUE)
    }

    /// What kind of file a handle is for.
    fn GetFileType(handle: usize) -> u32 = FILE_TYPE_UNKNOWN => {
        set_last_error(0);
        Ok(match kind(file(handle)?.fd())? {
            FileType::RegularFile | FileType::Directory | FileType::BlockDevice => FILE_TYPE_DISK,
            FileType::CharacterDevice => FILE_TYPE_CHAR,
            FileType::Fifo | FileType::Socket => FILE_TYPE_PIPE,
            _ => FILE_TYPE_UNKNOWN,
        })
    }

    /// Removes a file.
    fn DeleteFileA(name: *const u8) -> i32 = FALSE => {
        std::fs::remove_file(path(name.text())?)?;
        Ok(TRUE)
    }

    /// Removes a file.
    fn DeleteFileW(name: *const u16) -> i32 = FALSE => {
        std::fs::remove_file(path(name.text())?)?;
        Ok(TRUE)
    }

    /// Attributes of a file.
    fn GetFileAttributesA(name: *const u8) -> u32 = INVALID_FILE_ATTRIBUTES => {
        attributes(name.text())
    }

    /// Attributes of a file.
    fn GetFileAttributesW(name: *const u16) -> u32 = INVALID_FILE_ATTRIBUTES => {
        attributes(name.text())
    }

    /// Creates a folder.
    fn CreateDirectoryA(name: *const u8, security: *const c_void) -> i32 = FALSE => {
        std::fs::create_dir(path(name.text())?)?;
        Ok(TRUE)
    }

    /// Creates a folder.
    fn CreateDirectoryW(name: *const u16, security: *const c_void) -> i32 = FALSE => {
        std::fs::create_dir(path(name.text())?)?;
        Ok(TRUE)
    }

    /// Removes an empty folder.
    fn RemoveDirectoryA(name: *const u8) -> i32 = FALSE => {
        std::fs::remove_dir(path(name.text())?)?;
        Ok(TRUE)
    }

    /// Creates a section; without a file it has memory of its own. Names are the process's own.
    fn CreateFileMappingA(
        handle: usize,
        security: *const c_void,
        protection: u32,
        high: u32,
        low: u32,
        name: *const u8,
    ) -> usize = 0 => {
        create_section(handle, protection, wide(high, low), name.text())
    }

    /// Creates a section; without a file it has memory of its own. Names are the process's own.
    fn CreateFileMappingW(
        handle: usize,
        security: *const c_void,
        protection: u32,
        high: u32,
        low: u32,
        name: *const u16,
    ) -> usize = 0 => {
        create_section(handle, protection, wide(high, low), name.text())
    }

    /// Opens a named section of this process.
    fn OpenFileMappingA(access: u32, inherit: i32, name: *const u8) -> usize = 0 => {
        open_section(name.text())
    }

    /// Opens a named section of this process.
    fn OpenFileMappingW(access: u32, inherit: i32, name: *const u16) -> usize = 0 => {
        open_section(name.text())
    }

    /// Maps a section.
    fn MapViewOfFile(
        handle: usize,
        access: u32,
        high: u32,
        low: u32,
        size: usize,
    ) -> *mut c_void = std::ptr::null_mut() => {
        Ok(pointer(map_with_access(handle, access, wide(high, low), size, 0)?))
    }

    /// Maps a section at an address.
    fn MapViewOfFileEx(
        handle: usize,
        access: u32,
        high: u32,
        low: u32,
        size: usize,
        address: *mut c_void,
    ) -> *mut c_void = std::ptr::null_mut() => {
        Ok(pointer(map_with_access(handle, access, wide(high, low), size, address.address())?))
    }

    /// Maps a section with a page protection; takes no extended parameters.
    fn MapViewOfFile3(
        handle: usize,
        process: usize,
        address: *mut c_void,
        offset: u64,
        size: usize,
        kind: u32,
        protection: u32,
        parameters: *mut c_void,
        count: u32,
    ) -> *mut c_void = std::ptr::null_mut() => {
        handles::require_self(if process == 0 { CURRENT_PROCESS } else { process })?;
        let copy = protection == PAGE_WRITECOPY;
        Ok(pointer(map(handle, protection, copy, offset, size, address.address())?))
    }

    /// Unmaps a view.
    fn UnmapViewOfFile(address: *const c_void) -> i32 = FALSE => {
        memory::unmap_view(address.address())?;
        Ok(TRUE)
    }

    /// Unmaps a view of this process.
    fn UnmapViewOfFile2(process: usize, address: *mut c_void, flags: u32) -> i32 = FALSE => {
        handles::require_self(process)?;
        memory::unmap_view(address.address())?;
        Ok(TRUE)
    }

    /// Brings a view's content to its file.
    fn FlushViewOfFile(address: *const c_void, size: usize) -> i32 = FALSE => {
        // Shared mappings and files are one memory here.
        Ok(TRUE)
    }
}

/// Duplicates a standard stream, for a handle that is not 0.
pub(crate) fn standard(stream: impl AsFd) -> Outcome<usize> {
    let fd = rustix::io::fcntl_dupfd_cloexec(stream, 3)?;
    handles::insert(fd, Object::File(File::default()))
}
