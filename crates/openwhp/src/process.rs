//! Memory of another process, shared with it through the file behind its mapping.
//!
//! A page can be shared coherently only if both processes map the same page of one file; private pages have no file
//! to go by. The way to the file leads through `/proc`: the mapping's own link where the caller may follow it, else a
//! descriptor the process holds, else the file's path.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;

use openwhp_engine::PAGE_SIZE;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mm::ProtFlags;

use crate::GuestMemory;
use crate::MapError;
use crate::memory::FilePart;

/// One line of a process's list of mappings.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Area {
    start: u64,
    end: u64,
    can_read: bool,
    can_write: bool,
    is_shared: bool,
    offset: u64,
    /// Device and inode number of the file.
    device: (u32, u32),
    inode: u64,
    path: String,
}

impl Area {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let (start, end) = words.next()?.split_once('-')?;
        let rights = words.next()?.as_bytes();
        let offset = words.next()?;
        let (major, minor) = words.next()?.split_once(':')?;
        let inode = words.next()?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        Some(Self {
            start: hex(start)?,
            end: hex(end)?,
            can_read: *rights.first()? == b'r',
            can_write: *rights.get(1)? == b'w',
            is_shared: *rights.get(3)? == b's',
            offset: hex(offset)?,
            device: (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?),
            inode: inode.parse().ok()?,
            path: words.next().unwrap_or_default().trim_start().to_owned(),
        })
    }

    fn is_of(&self, file: BorrowedFd<'_>) -> bool {
        rustix::fs::fstat(file).is_ok_and(|stat| {
            let device = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
            stat.st_ino == self.inode && device == self.device
        })
    }
}

/// Maps here what `process` has at `address`.
pub(crate) fn share(process: BorrowedFd<'_>, address: u64, len: u64) -> Result<GuestMemory, MapError> {
    let bad_range = MapError::BadHostRange { start: address, len };
    let end = address.checked_add(len).filter(|_| address != 0).ok_or(bad_range.clone())?;
    let size = usize::try_from(len).map_err(|_| bad_range)?;
    let directory = open_process(process, address)?;
    let list = read_list(&directory).map_err(|error| denied(address, error))?;
    let mut parts = Vec::new();
    let mut next = address;
    for area in list.lines().filter_map(Area::parse) {
        if area.end <= next {
            continue;
        }
        if area.start > next || next >= end {
            break;
        }
        let stop = area.end.min(end);
        let file = open_backing(&directory, &area).map_err(|reason| refused(next, reason))?;
        let mut prot = ProtFlags::empty();
        prot.set(ProtFlags::READ, area.can_read);
        prot.set(ProtFlags::WRITE, area.can_write);
        parts.push(FilePart {
            at: (next - address) as usize,
            len: (stop - next) as usize,
            file,
            offset: area.offset + (next - area.start),
            prot,
        });
        next = stop;
    }
    if next < end {
        return Err(refused(next, "nothing is mapped there"));
    }
    GuestMemory::of_files(size, &parts).map_err(|error| denied(address, error))
}

fn refused(address: u64, reason: impl Into<String>) -> MapError {
    MapError::ProcessMemory { address, reason: reason.into() }
}

fn denied(address: u64, error: Errno) -> MapError {
    let reason = match error {
        Errno::ACCESS | Errno::PERM => {
            "no right to read and write that process (the right to trace it is needed)".to_owned()
        }
        Errno::SRCH | Errno::NOENT => "the process has ended".to_owned(),
        other => other.to_string(),
    };
    refused(address, reason)
}

/// The `/proc` directory of the process that a pidfd means, with the right to its memory checked.
fn open_process(process: BorrowedFd<'_>, address: u64) -> Result<OwnedFd, MapError> {
    let pid = pid_of(process).ok_or(MapError::NoProcess)?;
    if pid == i64::from(rustix::process::getpid().as_raw_nonzero().get()) {
        return Err(MapError::OwnProcess);
    }
    if pid <= 0 {
        return Err(refused(address, "the process has ended or is outside this process-id namespace"));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty());
    let directory = directory.map_err(|error| denied(address, error))?;
    // The number may have been given to another process before the directory was opened; not so if the pidfd still
    // has it.
    if pid_of(process) != Some(pid) {
        return Err(refused(address, "the process has ended"));
    }
    // Opening its memory asks for the right to trace it, which is the right to read and write it.
    rustix::fs::openat(&directory, "mem", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| denied(address, error))?;
    Ok(directory)
}

/// What a pidfd says about its process: a number, -1 after its end, 0 if it is not visible; `None` if it is none.
fn pid_of(process: BorrowedFd<'_>) -> Option<i64> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd())).ok()?;
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    pid.trim().parse().ok()
}

fn read_list(directory: &OwnedFd) -> Result<String, Errno> {
    let list = rustix::fs::openat(directory, "maps", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = Vec::new();
    let read = File::from(list).read_to_end(&mut text);
    read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The file behind a mapping, opened with the mapping's rights.
fn open_backing(directory: &OwnedFd, area: &Area) -> Result<OwnedFd, String> {
    if !area.is_shared {
        let text = "the memory is private to that process; back it by a memfd or a shared file";
        return Err(text.to_owned());
    }
    if !area.offset.is_multiple_of(PAGE_SIZE) {
        return Err("the mapping is not aligned in its file".to_owned());
    }
    let place = by_link(directory, area)
        .or_else(|| by_descriptor(directory, area))
        .or_else(|| by_path(directory, area))
        .ok_or("its file cannot be found; keep a descriptor of it open in that process")?;
    let stat = rustix::fs::fstat(&place).map_err(|error| error.to_string())?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("a device is mapped there, not a file".to_owned());
    }
    let access = if area.can_write { OFlags::RDWR } else { OFlags::RDONLY };
    let link = format!("/proc/self/fd/{}", place.as_raw_fd());
    rustix::fs::open(link, access | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| format!("its file cannot be opened: {error}"))
}

/// Follows the link of the mapping itself, which needs a capability.
fn by_link(directory: &OwnedFd, area: &Area) -> Option<OwnedFd> {
    let path = format!("map_files/{:x}-{:x}", area.start, area.end);
    rustix::fs::openat(directory, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Looks through the descriptors of the process.
fn by_descriptor(directory: &OwnedFd, area: &Area) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let list = rustix::fs::openat(directory, "fd", flags, Mode::empty()).ok()?;
    let entries = rustix::fs::Dir::read_from(&list).ok()?;
    entries.flatten().find_map(|entry| {
        let file =
            rustix::fs::openat(&list, entry.file_name(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        file.ok().filter(|file| area.is_of(file.as_fd()))
    })
}

/// Opens the file by its name, as the process sees it.
fn by_path(directory: &OwnedFd, area: &Area) -> Option<OwnedFd> {
    let name = area.path.strip_prefix('/')?;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, format!("root/{name}"), flags, Mode::empty());
    file.ok().filter(|file| area.is_of(file.as_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_list_are_understood() {
        let line = "7f10a000-7f10c000 rw-s 00003000 00:01 4711                     /memfd:a b (deleted)";
        let area = Area::parse(line).expect("an area");
        assert_eq!((area.start, area.end, area.offset), (0x7F10_A000, 0x7F10_C000, 0x3000));
        assert!(area.can_read && area.can_write && area.is_shared);
        assert_eq!((area.device, area.inode, area.path.as_str()), ((0, 1), 4711, "/memfd:a b (deleted)"));
        let anonymous = Area::parse("1000-2000 ---p 00000000 00:00 0 ").expect("an area");
        assert!(!anonymous.is_shared && !anonymous.can_read && anonymous.path.is_empty());
        assert_eq!(Area::parse(""), None);
    }

    fn own_directory() -> OwnedFd {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open("/proc/self", flags, Mode::empty()).expect("the own directory")
    }

    fn area_of(file: BorrowedFd<'_>, path: &str) -> Area {
        let stat = rustix::fs::fstat(file).expect("stat");
        let device = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
        let line = format!("1000-2000 rw-s 0 {:x}:{:x} {} {path}", device.0, device.1, stat.st_ino);
        Area::parse(&line).expect("an area")
    }

    #[test]
    fn a_file_is_found_by_a_descriptor() {
        let file = rustix::fs::memfd_create("found", rustix::fs::MemfdFlags::CLOEXEC).expect("memfd");
        let area = area_of(file.as_fd(), "/memfd:found (deleted)");
        let found = by_descriptor(&own_directory(), &area).expect("found");
        assert!(area.is_of(found.as_fd()));
        assert!(by_path(&own_directory(), &area).is_none());
        drop(file);
        drop(found);
        assert!(by_descriptor(&own_directory(), &area).is_none(), "the descriptor is gone");
    }

    #[test]
    fn a_file_is_found_by_its_path_unless_another_has_it_now() {
        let path = std::env::current_exe().expect("a path");
        let file = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).expect("a file");
        let mut area = area_of(file.as_fd(), path.to_str().expect("a readable path"));
        drop(file);
        assert!(by_path(&own_directory(), &area).is_some());
        area.inode += 1;
        assert!(by_path(&own_directory(), &area).is_none());
    }

    #[test]
    fn descriptors_that_are_no_pidfds_and_the_own_process_are_told_apart() {
        let file = rustix::fs::memfd_create("no process", rustix::fs::MemfdFlags::CLOEXEC).expect("memfd");
        assert_eq!(share(file.as_fd(), 0x1000, 0x1000).err(), Some(MapError::NoProcess));
        let own =
            rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty());
        let own = own.expect("pidfd");
        assert_eq!(share(own.as_fd(), 0x1000, 0x1000).err(), Some(MapError::OwnProcess));
    }
}
