//! Guest memory that lies in another process.

use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::ptr::null_mut;
use std::ptr::without_provenance_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;
use rustix::mm::MapFlags;
use rustix::mm::ProtFlags;
use rustix::process::Pid;
use rustix::process::PidfdFlags;
use rustix::process::Signal;
use rustix::process::WaitOptions;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::PAGE;
use crate::machine::RWX;
use crate::machine::segment;

cases! { "other process":
    guest_and_process_see_each_others_stores from "functions.md 2.2, memory.md 1.5, Q2",
    a_write_to_a_page_that_is_read_only_there_exits from "memory.md 1.1, 1.5",
    private_memory_and_holes_are_refused from "functions.md 2.2, Q2",
    several_mappings_of_the_process_can_lie_side_by_side from "memory.md 1.5",
    dirty_pages_of_another_process_are_tracked from "functions.md 2.2",
    the_process_may_unmap_and_end from "memory.md 1.5",
    a_file_cut_short_there_exits from "memory.md 1.2, 1.5",
    a_process_that_ended_and_bad_handles_are_refused from "functions.md 2.2",
    the_own_pidfd_means_the_caller from "functions.md 2.2, Q2",
    arguments_are_checked_for_other_processes_too from "functions.md 2.1, 2.2",
}

/// Where the other process's memory appears in the guest.
const GPA: u64 = 0x2_0000;

/// Pages of a memfd, mapped shared.
struct Shared {
    file: OwnedFd,
    start: *mut u8,
    size: usize,
}

impl Shared {
    fn new(pages: usize, prot: ProtFlags) -> Self {
        let size = pages * PAGE as usize;
        let file = rustix::fs::memfd_create("guest", rustix::fs::MemfdFlags::CLOEXEC).expect("memfd");
        rustix::fs::ftruncate(&file, size as u64).expect("a size");
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe { rustix::mm::mmap(null_mut(), size, prot, MapFlags::SHARED, &file, 0) };
        Self { file, start: start.expect("mmap").cast(), size }
    }

    fn byte(&self, offset: usize) -> u8 {
        assert!(offset < self.size);
        // SAFETY: inside this object's mapping, to which no references exist.
        unsafe { self.start.add(offset).read_volatile() }
    }

    fn set(&self, offset: usize, value: u8) {
        assert!(offset < self.size);
        // SAFETY: as in `byte`.
        unsafe { self.start.add(offset).write_volatile(value) };
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping is this object's own.
        let _ = unsafe { rustix::mm::munmap(self.start.cast(), self.size) };
    }
}

/// A process with a copy of this one's mappings at the same addresses. Ends when dropped.
struct Child {
    pid: Pid,
    handle: OwnedFd,
}

impl Child {
    /// Starts it; it calls `work` again and again. The work may use raw memory and system calls only: no other thread
    /// of this process exists there.
    fn new(work: impl Fn()) -> Self {
        // SAFETY: the child does nothing but raw loads, stores and system calls until it is killed.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork");
        if pid == 0 {
            // SAFETY: asks for a signal at the parent's end, so that no child outlives a test.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            loop {
                work();
                // SAFETY: takes no arguments.
                unsafe { libc::sched_yield() };
            }
        }
        let pid = Pid::from_raw(pid).expect("a child");
        let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty()).expect("pidfd");
        Self { pid, handle }
    }

    fn idle() -> Self {
        Self::new(|| {
            // SAFETY: waits for a signal.
            unsafe { libc::pause() };
        })
    }

    fn end(&self) {
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        let _ = rustix::process::waitpid(Some(self.pid), WaitOptions::empty());
    }

    fn handle(&self) -> *mut std::ffi::c_void {
        without_provenance_mut(usize::try_from(self.handle.as_raw_fd()).expect("a descriptor"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

fn map(machine: &Machine, child: &Child, source: *mut u8, size: u64, flags: u32) -> HRESULT {
    let flags = WHV_MAP_GPA_RANGE_FLAGS(flags);
    call!(machine.api, WHvMapGpaRange2(machine.partition, child.handle(), source.cast(), GPA, size, flags))
}

/// A machine that runs `code` with DS at the other process's memory.
fn machine(engine: &Engine, code: &[u8]) -> Machine {
    let machine = Machine::real_mode(engine, code, |_| ());
    machine.set(0, &[(WHvX64RegisterDs, segment((GPA >> 4) as u16, 0x93))]);
    machine
}

fn guest_and_process_see_each_others_stores(engine: &Engine) {
    let memory = Shared::new(2, ProtFlags::READ | ProtFlags::WRITE);
    let word = memory.start;
    // The process answers a 7 in its first byte with an 8 on its second page.
    let child = Child::new(|| {
        // SAFETY: both bytes lie in the shared mapping, which the child has too.
        unsafe {
            if word.read_volatile() == 7 {
                word.add(0x1008).write_volatile(8);
            }
        }
    });
    // mov byte [0],7; wait: cmp byte [0x1008],8; jne wait; hlt
    let code = [0xC6, 0x06, 0x00, 0x00, 0x07, 0x80, 0x3E, 0x08, 0x10, 0x08, 0x75, 0xF9, 0xF4];
    let machine = machine(engine, &code);
    assert_eq!(map(&machine, &child, memory.start, 2 * PAGE, 7), S_OK);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!((memory.byte(0), memory.byte(0x1008)), (7, 8));
}

fn a_write_to_a_page_that_is_read_only_there_exits(engine: &Engine) {
    let memory = Shared::new(1, ProtFlags::READ);
    let child = Child::idle();
    // mov al,[0]; mov [1],al; hlt
    let machine = machine(engine, &[0xA0, 0, 0, 0xA2, 1, 0, 0xF4]);
    assert_eq!(map(&machine, &child, memory.start, PAGE, 7), S_OK);
    let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    let access = exit.MemoryAccess();
    assert_eq!(access.Gpa, GPA + 1);
    assert_eq!(access.AccessInfo.AccessType(), WHvMemoryAccessWrite.0);
    assert_eq!(access.AccessInfo.GpaUnmapped(), 0);
}

fn private_memory_and_holes_are_refused(engine: &Engine) {
    let machine = machine(engine, &[0xF4]);
    let private = crate::machine::Memory::new(2 * PAGE);
    let shared = Shared::new(1, ProtFlags::READ | ProtFlags::WRITE);
    let child = Child::idle();
    assert_eq!(map(&machine, &child, private.address().cast(), PAGE, 7), E_ACCESSDENIED);
    // A shared page first, then whatever lies behind it: all or nothing.
    assert_eq!(map(&machine, &child, shared.start, 1 << 30, 7), E_ACCESSDENIED);
    assert_eq!(map(&machine, &child, without_provenance_mut(0x1000), PAGE, 7), E_ACCESSDENIED);
    let mut parts = [0; 1];
    let controls = WHV_ACCESS_GPA_CONTROLS::default();
    let start = parts.as_mut_ptr();
    let result = call!(engine.api, WHvReadGpaRange(machine.partition, 0, GPA, controls, start.cast(), 1));
    assert_eq!(result, S_OK, "what was mapped before stays");
}

fn several_mappings_of_the_process_can_lie_side_by_side(engine: &Engine) {
    let low = Shared::new(2, ProtFlags::READ | ProtFlags::WRITE);
    let high = Shared::new(1, ProtFlags::READ | ProtFlags::WRITE);
    let flags = MapFlags::SHARED | MapFlags::FIXED;
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    // The second page of the first area becomes the page of the other file.
    // SAFETY: replaces a page of this test's own mapping.
    unsafe {
        let second = low.start.add(PAGE as usize).cast();
        rustix::mm::mmap(second, PAGE as usize, prot, flags, &high.file, 0)
    }
    .expect("mmap");
    let child = Child::idle();
    // mov byte [0xFFF],1; mov byte [0x1000],2; hlt
    let machine = machine(engine, &[0xC6, 0x06, 0xFF, 0x0F, 1, 0xC6, 0x06, 0x00, 0x10, 2, 0xF4]);
    assert_eq!(map(&machine, &child, low.start, 2 * PAGE, 3), S_OK);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!((low.byte(0xFFF), high.byte(0)), (1, 2));
}

fn dirty_pages_of_another_process_are_tracked(engine: &Engine) {
    let memory = Shared::new(3, ProtFlags::READ | ProtFlags::WRITE);
    let child = Child::idle();
    // mov byte [0x1000],1; hlt
    let machine = machine(engine, &[0xC6, 0x06, 0x00, 0x10, 1, 0xF4]);
    assert_eq!(map(&machine, &child, memory.start, 3 * PAGE, 0xF), S_OK);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    let query = || {
        let mut bitmap = [!0_u64];
        let start = bitmap.as_mut_ptr();
        let result =
            call!(engine.api, WHvQueryGpaRangeDirtyBitmap(machine.partition, GPA, 3 * PAGE, start, 8));
        (result, bitmap[0])
    };
    assert_eq!(query(), (S_OK, 2));
    assert_eq!(query(), (S_OK, 0));
    assert_eq!(memory.byte(0x1000), 1);
}

fn the_process_may_unmap_and_end(engine: &Engine) {
    let memory = Shared::new(1, ProtFlags::READ | ProtFlags::WRITE);
    let child = Child::idle();
    // mov byte [0],1; hlt; mov byte [1],2; hlt
    let machine = machine(engine, &[0xC6, 0x06, 0, 0, 1, 0xF4, 0xC6, 0x06, 1, 0, 2, 0xF4]);
    assert_eq!(map(&machine, &child, memory.start, PAGE, 7), S_OK);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    child.end();
    // The pages are still there or exit; here the file keeps them.
    let exit = machine.try_run(0).expect("the guest goes on");
    let reason = exit.ExitReason();
    if reason == WHvRunVpExitReasonX64Halt {
        assert_eq!((memory.byte(0), memory.byte(1)), (1, 2));
    } else {
        assert_eq!(reason, WHvRunVpExitReasonMemoryAccess);
    }
}

fn a_file_cut_short_there_exits(engine: &Engine) {
    let memory = Shared::new(1, ProtFlags::READ | ProtFlags::WRITE);
    let child = Child::idle();
    // mov al,[0]; hlt
    let machine = machine(engine, &[0xA0, 0, 0, 0xF4]);
    assert_eq!(map(&machine, &child, memory.start, PAGE, 7), S_OK);
    rustix::fs::ftruncate(&memory.file, 0).expect("cut");
    let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    assert_eq!(exit.MemoryAccess().AccessInfo.GpaUnmapped(), 0);
    rustix::fs::ftruncate(&memory.file, PAGE).expect("grow");
    memory.set(0, 0x5A);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(machine.get64(0, WHvX64RegisterRax) & 0xFF, 0x5A);
}

fn a_process_that_ended_and_bad_handles_are_refused(engine: &Engine) {
    let memory = Shared::new(1, ProtFlags::READ | ProtFlags::WRITE);
    let machine = machine(engine, &[0xF4]);
    let child = Child::idle();
    child.end();
    assert_eq!(map(&machine, &child, memory.start, PAGE, 7), E_ACCESSDENIED);
    let no_process = without_provenance_mut(memory.file.as_raw_fd() as usize);
    let result = call!(
        engine.api,
        WHvMapGpaRange2(machine.partition, no_process, memory.start.cast(), GPA, PAGE, RWX)
    );
    assert_eq!(result, E_HANDLE);
}

fn the_own_pidfd_means_the_caller(engine: &Engine) {
    let machine = machine(engine, &[0xF4]);
    let own = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).expect("pidfd");
    let handle = without_provenance_mut(own.as_raw_fd() as usize);
    let source = machine.memory.address();
    let result = call!(engine.api, WHvMapGpaRange2(machine.partition, handle, source, GPA, PAGE, RWX));
    assert_eq!(result, S_OK, "private memory of the caller itself");
}

fn arguments_are_checked_for_other_processes_too(engine: &Engine) {
    let memory = Shared::new(1, ProtFlags::READ | ProtFlags::WRITE);
    let child = Child::idle();
    let machine = machine(engine, &[0xF4]);
    assert_eq!(map(&machine, &child, memory.start.wrapping_add(8), PAGE, 7), E_INVALIDARG);
    assert_eq!(map(&machine, &child, memory.start, PAGE - 1, 7), E_INVALIDARG);
    assert_eq!(map(&machine, &child, memory.start, 0, 7), E_INVALIDARG);
    assert_eq!(map(&machine, &child, memory.start, PAGE, 0x10), E_INVALIDARG);
    assert_eq!(map(&machine, &child, null_mut(), PAGE, 7), E_INVALIDARG);
}
