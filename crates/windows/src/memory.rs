//! Virtual memory: reserve, commit, protect, query.
//!
//! Reserved pages are inaccessible host pages without backing; committing makes them accessible. A guest that touches
//! reserved pages comes back to its program as a memory exit. Guard pages are inaccessible until they are protected
//! anew: nothing here raises Windows' guard exception.

#![expect(unsafe_code, reason = "maps, protects and unmaps the program's memory")]

use std::ffi::c_void;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use rustix::io::Errno;
use rustix::mm::Advice;
use rustix::mm::MapFlags;
use rustix::mm::MprotectFlags;
use rustix::mm::ProtFlags;
use rustix::mm::mmap;
use rustix::mm::mmap_anonymous;
use rustix::mm::mprotect;
use rustix::mm::munmap;

use crate::boundary::FALSE;
use crate::boundary::Outcome;
use crate::boundary::TRUE;
use crate::boundary::exports;
use crate::error::ERROR_ACCESS_DENIED;
use crate::error::ERROR_COMMITMENT_LIMIT;
use crate::error::ERROR_INVALID_ADDRESS;
use crate::error::ERROR_INVALID_PARAMETER;
use crate::error::ERROR_NOACCESS;
use crate::error::ERROR_NOT_ENOUGH_MEMORY;
use crate::error::ERROR_NOT_SUPPORTED;
use crate::error::ERROR_PRIVILEGE_NOT_HELD;
use crate::error::ERROR_WORKING_SET_QUOTA;
use crate::error::Win32;
use crate::handles;
use crate::pages::Backing;
use crate::pages::GRANULARITY;
use crate::pages::PAGE;
use crate::pages::Region;
use crate::pages::Space;
use crate::pages::pages;

const MEM_COMMIT: u32 = 0x1000;
const MEM_RESERVE: u32 = 0x2000;
const MEM_DECOMMIT: u32 = 0x4000;
const MEM_RELEASE: u32 = 0x8000;
const MEM_FREE: u32 = 0x1_0000;
const MEM_PRIVATE: u32 = 0x2_0000;
const MEM_MAPPED: u32 = 0x4_0000;
const MEM_RESET: u32 = 0x8_0000;
const MEM_WRITE_WATCH: u32 = 0x20_0000;
const MEM_PHYSICAL: u32 = 0x40_0000;
const MEM_IMAGE: u32 = 0x100_0000;
const MEM_RESET_UNDO: u32 = 0x100_0000;
const MEM_LARGE_PAGES: u32 = 0x2000_0000;

const PAGE_NOACCESS: u32 = 0x01;
const PAGE_READONLY: u32 = 0x02;
const PAGE_READWRITE: u32 = 0x04;
const PAGE_WRITECOPY: u32 = 0x08;
const PAGE_EXECUTE: u32 = 0x10;
const PAGE_EXECUTE_READ: u32 = 0x20;
const PAGE_EXECUTE_READWRITE: u32 = 0x40;
const PAGE_EXECUTE_WRITECOPY: u32 = 0x80;
const PAGE_GUARD: u32 = 0x100;

static SPACE: Mutex<Space> = Mutex::new(Space::new());

fn space() -> MutexGuard<'static, Space> {
    SPACE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `VirtualQuery` says.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryBasicInformation {
    base: usize,
    allocation_base: usize,
    allocation_protect: u32,
    partition: u32,
    size: usize,
    state: u32,
    protect: u32,
    kind: u32,
    padding: u32,
}

/// Host protection of a Windows protection; `None` if that is none.
pub(crate) fn host_protection(protection: u32) -> Option<ProtFlags> {
    let access = match protection & 0xFF {
        PAGE_NOACCESS => ProtFlags::empty(),
        PAGE_READONLY => ProtFlags::READ,
        PAGE_READWRITE | PAGE_WRITECOPY => ProtFlags::READ | ProtFlags::WRITE,
        PAGE_EXECUTE | PAGE_EXECUTE_READ => ProtFlags::READ | ProtFlags::EXEC,
        PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY => {
            ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC
        }
        _ => return None,
    };
    Some(if protection & PAGE_GUARD != 0 { ProtFlags::empty() } else { access })
}

fn required_protection(protection: u32) -> Outcome<ProtFlags> {
    host_protection(protection).ok_or(ERROR_INVALID_PARAMETER)
}

fn pointer(address: usize) -> *mut c_void {
    std::ptr::with_exposed_provenance_mut(address)
}

fn refused(error: Errno) -> Win32 {
    match error {
        Errno::EXIST | Errno::INVAL => ERROR_INVALID_ADDRESS,
        other => other.into(),
    }
}

fn protect_host(range: &Range<usize>, access: ProtFlags) -> Outcome {
    let access = MprotectFlags::from_bits_truncate(access.bits());
    // SAFETY: the program asks for this protection of its own pages, whose range is known.
    unsafe { mprotect(pointer(range.start), range.len(), access) }.map_err(|error| match error {
        Errno::NOMEM => ERROR_COMMITMENT_LIMIT,
        other => other.into(),
    })
}

fn unmap_host(range: &Range<usize>) -> Outcome {
    // SAFETY: the range is one that the layer mapped and the program gives back.
    Ok(unsafe { munmap(pointer(range.start), range.len()) }?)
}

/// Maps at an address, or anywhere at a multiple of the granularity.
fn map_host(
    address: usize,
    size: usize,
    map: impl Fn(*mut c_void, usize, MapFlags) -> Result<usize, Errno>,
) -> Outcome<usize> {
    if address != 0 {
        return map(pointer(address), size, MapFlags::FIXED_NOREPLACE).map_err(refused);
    }
    // The host aligns to pages: find room for a whole granule more, then take the aligned part of it.
    let room = size.checked_add(GRANULARITY).ok_or(ERROR_NOT_ENOUGH_MEMORY)?;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: fresh pages at an address of the host's choice.
    let found = unsafe { mmap_anonymous(std::ptr::null_mut(), room, ProtFlags::empty(), flags) }? as usize;
    let start = found.next_multiple_of(GRANULARITY);
    for rest in [found..start, start + size..found + room] {
        if !rest.is_empty() {
            unmap_host(&rest)?;
        }
    }
    map(pointer(start), size, MapFlags::FIXED)
        .inspect_err(|_| {
            let _ = unmap_host(&(start..start + size));
        })
        .map_err(refused)
}

/// Inaccessible pages without backing.
fn reserve_host(address: usize, size: usize) -> Outcome<usize> {
    map_host(address, size, |at, size, fixed| {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | fixed;
        // SAFETY: the range is free, or a placeholder of ours: replacing it harms nobody.
        unsafe { mmap_anonymous(at, size, ProtFlags::empty(), flags) }.map(|start| start as usize)
    })
}

/// Maps a section's descriptor and registers the view.
pub(crate) fn map_view(
    fd: BorrowedFd<'_>,
    address: usize,
    size: usize,
    offset: u64,
    protection: u32,
    copy: bool,
) -> Outcome<usize> {
    let access = required_protection(protection)?;
    let size = size.checked_next_multiple_of(PAGE).filter(|size| *size > 0).ok_or(ERROR_INVALID_PARAMETER)?;
    let sharing = if copy { MapFlags::PRIVATE } else { MapFlags::SHARED };
    let mut space = space();
    let start = map_host(address, size, |at, size, fixed| {
        // SAFETY: the range is free, or a placeholder of ours: replacing it harms nobody.
        unsafe { mmap(at, size, access, sharing | fixed, fd, offset) }.map(|start| start as usize)
    })?;
    let mut region = Region::new(start..start + size, Backing::Mapped, protection);
    region.set(start..start + size, Some(protection));
    space.insert(region);
    Ok(start)
}

/// Unmaps the view around an address.
pub(crate) fn unmap_view(address: usize) -> Outcome {
    let mut space = space();
    let start = space
        .find(address)
        .filter(|region| region.backing == Backing::Mapped)
        .map(|region| region.range.start);
    let region = start.and_then(|start| space.remove(start)).ok_or(ERROR_INVALID_ADDRESS)?;
    unmap_host(&region.range)
}

fn allocate(address: usize, size: usize, kind: u32, protection: u32) -> Outcome<usize> {
    let access = required_protection(protection)?;
    if size == 0 || kind & (MEM_COMMIT | MEM_RESERVE | MEM_RESET | MEM_RESET_UNDO) == 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    if kind & MEM_LARGE_PAGES != 0 {
        return Err(ERROR_PRIVILEGE_NOT_HELD);
    }
    if kind & (MEM_WRITE_WATCH | MEM_PHYSICAL) != 0 {
        return Err(ERROR_NOT_SUPPORTED);
    }
    if kind & (MEM_RESET | MEM_RESET_UNDO) != 0 {
        let range = pages(address, size).ok_or(ERROR_INVALID_PARAMETER)?;
        return space().find_mut(&range).map(|_| range.start).ok_or(ERROR_INVALID_ADDRESS);
    }
    let reserve = kind & MEM_RESERVE != 0 || address == 0;
    let mut space = space();
    let start = if reserve { reserve_region(&mut space, address, size, protection)? } else { address };
    if kind & MEM_COMMIT == 0 {
        return Ok(start);
    }
    // A reservation's base may lie below the address: commit what was asked for, from the base on when it is new.
    let range = match space.find(start).filter(|_| reserve) {
        Some(region) => region.range.clone(),
        None => pages(address, size).ok_or(ERROR_INVALID_PARAMETER)?,
    };
    let region = space.find_mut(&range).filter(|region| region.backing == Backing::Private);
    let region = region.ok_or(ERROR_INVALID_ADDRESS)?;
    if let Err(error) = protect_host(&range, access) {
        if reserve {
            space.remove(start);
            unmap_host(&range)?;
        }
        return Err(error);
    }
    region.set(range.clone(), Some(protection));
    Ok(range.start)
}

fn reserve_region(space: &mut Space, address: usize, size: usize, protection: u32) -> Outcome<usize> {
    let base = address / GRANULARITY * GRANULARITY;
    let size = (address - base).checked_add(size).and_then(|size| size.checked_next_multiple_of(PAGE));
    let size = size.ok_or(ERROR_INVALID_PARAMETER)?;
    if address != 0 && base == 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let start = reserve_host(base, size)?;
    space.insert(Region::new(start..start + size, Backing::Private, protection));
    Ok(start)
}

fn free(address: usize, size: usize, kind: u32) -> Outcome {
    match kind & (MEM_DECOMMIT | MEM_RELEASE) {
        MEM_RELEASE => release(address, size),
        MEM_DECOMMIT => decommit(address, size),
        _ => Err(ERROR_INVALID_PARAMETER),
    }
}

fn release(address: usize, size: usize) -> Outcome {
    if size != 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let mut space = space();
    let region = space.find(address).filter(|region| region.backing == Backing::Private);
    let start = region.ok_or(ERROR_INVALID_ADDRESS)?.range.start;
    if start != address / PAGE * PAGE {
        return Err(ERROR_INVALID_ADDRESS);
    }
    let region = space.remove(start).ok_or(ERROR_INVALID_ADDRESS)?;
    unmap_host(&region.range)
}

fn decommit(address: usize, size: usize) -> Outcome {
    let mut space = space();
    let range = if size == 0 {
        let region = space.find(address).ok_or(ERROR_INVALID_ADDRESS)?;
        if region.range.start != address {
            return Err(ERROR_INVALID_ADDRESS);
        }
        region.range.clone()
    } else {
        pages(address, size).ok_or(ERROR_INVALID_PARAMETER)?
    };
    let region = space.find_mut(&range).filter(|region| region.backing == Backing::Private);
    let region = region.ok_or(ERROR_INVALID_ADDRESS)?;
    // Fresh pages: what was there is gone, as it must be when the pages are committed again.
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
    // SAFETY: the range lies in a reservation of ours, whose content the program gives up.
    unsafe { mmap_anonymous(pointer(range.start), range.len(), ProtFlags::empty(), flags) }?;
    region.set(range, None);
    Ok(())
}

/// Changes the protection of committed pages; returns that of the first page before.
fn protect(address: usize, size: usize, protection: u32) -> Outcome<u32> {
    let access = required_protection(protection)?;
    if size == 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let range = pages(address, size).ok_or(ERROR_INVALID_PARAMETER)?;
    let mut space = space();
    let Some(region) = space.find_mut(&range) else { return protect_other(&range, access) };
    if !region.is_committed(range.clone()) {
        return Err(ERROR_INVALID_ADDRESS);
    }
    let before = region.run(range.start).protection.unwrap_or(PAGE_NOACCESS);
    protect_host(&range, access)?;
    region.set(range, Some(protection));
    Ok(before)
}

/// Protects memory that the layer did not make: the heap, stacks, code.
fn protect_other(range: &Range<usize>, access: ProtFlags) -> Outcome<u32> {
    let before = HostRange::around(range.start).filter(|found| found.mapped).ok_or(ERROR_INVALID_ADDRESS)?;
    protect_host(range, access).map_err(|_| ERROR_INVALID_ADDRESS)?;
    Ok(before.protection)
}

/// A stretch of the host's own list of mappings.
struct HostRange {
    range: Range<usize>,
    mapped: bool,
    protection: u32,
    kind: u32,
}

impl HostRange {
    /// The mapping, or the hole, around an address.
    fn around(address: usize) -> Option<Self> {
        let list = std::fs::read_to_string("/proc/self/maps").ok()?;
        let mut hole = PAGE;
        for line in list.lines() {
            let mut fields = line.split_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let start = usize::from_str_radix(start, 16).ok()?;
            let end = usize::from_str_radix(end, 16).ok()?;
            if address < start {
                return Some(Self { range: hole..start, mapped: false, protection: PAGE_NOACCESS, kind: 0 });
            }
            if address < end {
                let rights = fields.next()?;
                let file = fields.nth(3).is_some_and(|name| name.starts_with('/'));
                let kind = if file { MEM_IMAGE } else { MEM_PRIVATE };
                return Some(Self {
                    range: start..end,
                    mapped: true,
                    protection: windows_protection(rights),
                    kind,
                });
            }
            hole = end;
        }
        let end = 0x7FFF_FFFF_0000;
        (address < end).then_some(Self {
            range: hole..end,
            mapped: false,
            protection: PAGE_NOACCESS,
            kind: 0,
        })
    }
}

fn windows_protection(rights: &str) -> u32 {
    match (rights.contains('r'), rights.contains('w'), rights.contains('x')) {
        (_, true, true) => PAGE_EXECUTE_READWRITE,
        (true, false, true) => PAGE_EXECUTE_READ,
        (false, false, true) => PAGE_EXECUTE,
        (_, true, false) => PAGE_READWRITE,
        (true, false, false) => PAGE_READONLY,
        (false, false, false) => PAGE_NOACCESS,
    }
}

fn query(address: usize) -> Outcome<MemoryBasicInformation> {
    let base = address / PAGE * PAGE;
    if let Some(region) = space().find(address) {
        let run = region.run(address);
        return Ok(MemoryBasicInformation {
            base,
            allocation_base: region.range.start,
            allocation_protect: region.initial,
            size: run.range.end - base,
            state: if run.protection.is_some() { MEM_COMMIT } else { MEM_RESERVE },
            protect: run.protection.unwrap_or(0),
            kind: if region.backing == Backing::Mapped { MEM_MAPPED } else { MEM_PRIVATE },
            ..MemoryBasicInformation::default()
        });
    }
    let host = HostRange::around(address).ok_or(ERROR_INVALID_PARAMETER)?;
    let size = host.range.end - base;
    Ok(if host.mapped {
        MemoryBasicInformation {
            base,
            allocation_base: host.range.start,
            allocation_protect: host.protection,
            size,
            state: MEM_COMMIT,
            protect: host.protection,
            kind: host.kind,
            ..MemoryBasicInformation::default()
        }
    } else {
        MemoryBasicInformation { base, size, state: MEM_FREE, protect: PAGE_NOACCESS, ..Default::default() }
    })
}

/// Memory of a process other than this one cannot be managed.
fn own(process: usize) -> Outcome {
    handles::require_self(process)
}

/// Copies memory of a process; the host checks both ranges.
fn copy(process: usize, remote: usize, local: *mut c_void, size: usize, write: bool) -> Outcome<usize> {
    let pid = handles::process_id(process)?.cast_signed();
    let local = libc::iovec { iov_base: local, iov_len: size };
    let remote = libc::iovec { iov_base: pointer(remote), iov_len: size };
    // SAFETY: the host copies, and reports addresses that are not accessible.
    let copied = unsafe {
        if write {
            libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0)
        } else {
            libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0)
        }
    };
    usize::try_from(copied).map_err(|_| match Errno::from_io_error(&std::io::Error::last_os_error()) {
        Some(Errno::PERM | Errno::SRCH) => ERROR_ACCESS_DENIED,
        _ => ERROR_NOACCESS,
    })
}

fn prefetch(address: usize, size: usize) -> Outcome {
    let range = pages(address, size).ok_or(ERROR_INVALID_PARAMETER)?;
    // SAFETY: this advice changes no content.
    unsafe { rustix::mm::madvise(pointer(range.start), range.len(), Advice::WillNeed) }
        .map_err(|_| ERROR_NOACCESS)
}

exports! {
    /// Reserves, commits or resets pages.
    fn VirtualAlloc(address: *mut c_void, size: usize, kind: u32, protection: u32) -> *mut c_void = std::ptr::null_mut() => {
        Ok(pointer(allocate(address.address(), size, kind, protection)?))
    }

    /// Reserves, commits or resets pages of this process.
    fn VirtualAllocEx(
        process: usize,
        address: *mut c_void,
        size: usize,
        kind: u32,
        protection: u32,
    ) -> *mut c_void = std::ptr::null_mut() => {
        own(process)?;
        Ok(pointer(allocate(address.address(), size, kind, protection)?))
    }

    /// Reserves, commits or resets pages of this process; takes no extended parameters.
    fn VirtualAlloc2(
        process: usize,
        address: *mut c_void,
        size: usize,
        kind: u32,
        protection: u32,
        parameters: *mut c_void,
        count: u32,
    ) -> *mut c_void = std::ptr::null_mut() => {
        if process != 0 {
            own(process)?;
        }
        if count != 0 {
            return Err(ERROR_NOT_SUPPORTED);
        }
        Ok(pointer(allocate(address.address(), size, kind, protection)?))
    }

    /// Decommits pages or releases a reservation.
    fn VirtualFree(address: *mut c_void, size: usize, kind: u32) -> i32 = FALSE => {
        free(address.address(), size, kind)?;
        Ok(TRUE)
    }

    /// Decommits pages or releases a reservation of this process.
    fn VirtualFreeEx(process: usize, address: *mut c_void, size: usize, kind: u32) -> i32 = FALSE => {
        own(process)?;
        free(address.address(), size, kind)?;
        Ok(TRUE)
    }

    /// Changes the protection of committed pages.
    fn VirtualProtect(address: *mut c_void, size: usize, protection: u32, before: *mut u32) -> i32 = FALSE => {
        let before = before.required()?;
        before.set(protect(address.address(), size, protection)?);
        Ok(TRUE)
    }

    /// Changes the protection of committed pages of this process.
    fn VirtualProtectEx(
        process: usize,
        address: *mut c_void,
        size: usize,
        protection: u32,
        before: *mut u32,
    ) -> i32 = FALSE => {
        own(process)?;
        let before = before.required()?;
        before.set(protect(address.address(), size, protection)?);
        Ok(TRUE)
    }

    /// Says what is at an address; returns the number of bytes written.
    fn VirtualQuery(address: *const c_void, answer: *mut MemoryBasicInformation, size: usize) -> usize = 0 => {
        if size < size_of::<MemoryBasicInformation>() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        answer.required()?.set(query(address.address())?);
        Ok(size_of::<MemoryBasicInformation>())
    }

    /// Says what is at an address of this process; returns the number of bytes written.
    fn VirtualQueryEx(
        process: usize,
        address: *const c_void,
        answer: *mut MemoryBasicInformation,
        size: usize,
    ) -> usize = 0 => {
        own(process)?;
        if size < size_of::<MemoryBasicInformation>() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        answer.required()?.set(query(address.address())?);
        Ok(size_of::<MemoryBasicInformation>())
    }

    /// Keeps pages in memory.
    fn VirtualLock(address: *mut c_void, size: usize) -> i32 = FALSE => {
        // SAFETY: locking changes no content.
        unsafe { rustix::mm::mlock(address.pointer(), size) }.map_err(|_| ERROR_WORKING_SET_QUOTA)?;
        Ok(TRUE)
    }

    /// Lets pages leave memory again.
    fn VirtualUnlock(address: *mut c_void, size: usize) -> i32 = FALSE => {
        // SAFETY: unlocking changes no content.
        unsafe { rustix::mm::munlock(address.pointer(), size) }?;
        Ok(TRUE)
    }

    /// Brings ranges of this process into memory.
    fn PrefetchVirtualMemory(process: usize, count: usize, ranges: *const usize [count * 2], flags: u32) -> i32 = FALSE => {
        own(process)?;
        for range in ranges.all()?.chunks_exact(2) {
            prefetch(range[0], range[1])?;
        }
        Ok(TRUE)
    }

    /// Large pages are not offered.
    fn GetLargePageMinimum() -> usize = 0 => {
        Ok(0)
    }

    /// Instruction caches are coherent here.
    fn FlushInstructionCache(process: usize, address: *const c_void, size: usize) -> i32 = FALSE => {
        own(process)?;
        Ok(TRUE)
    }

    /// Reads memory of a process.
    fn ReadProcessMemory(
        process: usize,
        address: *const c_void,
        buffer: *mut c_void,
        size: usize,
        read: *mut usize,
    ) -> i32 = FALSE => {
        let copied = copy(process, address.address(), buffer.pointer(), size, false)?;
        read.set(copied);
        if copied == size { Ok(TRUE) } else { Err(ERROR_NOACCESS) }
    }

    /// Writes memory of a process.
    fn WriteProcessMemory(
        process: usize,
        address: *mut c_void,
        buffer: *mut c_void,
        size: usize,
        written: *mut usize,
    ) -> i32 = FALSE => {
        let copied = copy(process, address.address(), buffer.pointer(), size, true)?;
        written.set(copied);
        if copied == size { Ok(TRUE) } else { Err(ERROR_NOACCESS) }
    }
}
