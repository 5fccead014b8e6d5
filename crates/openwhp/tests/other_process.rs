//! Guest memory in a helper process that is started for the test.

#![expect(unsafe_code, reason = "the helper process maps a file and touches it raw")]

mod common;

use std::io::BufRead;
use std::io::BufReader;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::ptr::null_mut;

use common::Machine;
use common::RWX;
use openwhp::ExitReason;
use openwhp::Gpa;
use openwhp::MapError;
use openwhp::MapFlags;
use openwhp::RegisterName as Name;
use rustix::mm::MapFlags as HostFlags;
use rustix::mm::ProtFlags;
use rustix::process::Pid;
use rustix::process::PidfdFlags;

/// Tells the helper process that it is one.
const ROLE: &str = "OPENWHP_TEST_HELPER";
const GPA: u64 = 0x2_0000;
const ROUNDS: u8 = 200;

/// The helper's program: memory of its own, in which it answers every number in byte 0 by one more in byte 0x1000,
/// until its end.
#[test]
fn helper() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let file = rustix::fs::memfd_create("helper", rustix::fs::MemfdFlags::CLOEXEC).expect("memfd");
    rustix::fs::ftruncate(&file, 0x3000).expect("a size");
    let rights = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
    let start = unsafe { rustix::mm::mmap(null_mut(), 0x3000, rights, HostFlags::SHARED, &file, 0) };
    let start = start.expect("mmap").cast::<u8>();
    println!("memory {:x}", start as usize);
    loop {
        // SAFETY: inside the mapping made above, to which no references exist.
        let asked = unsafe { start.read_volatile() };
        // SAFETY: as above.
        unsafe { start.add(0x1000).write_volatile(asked + u8::from(asked != 0)) };
        if asked == ROUNDS {
            return;
        }
        std::thread::yield_now();
    }
}

struct Helper {
    child: Child,
    pidfd: OwnedFd,
    address: u64,
    /// Kept open: the helper writes to it at its end.
    _output: Box<dyn std::any::Any>,
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start_helper() -> Helper {
    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .args(["helper", "--exact", "--nocapture"])
        .env(ROLE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("a helper");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = output.lines().map_while(Result::ok);
    let address = lines.find_map(|line| {
        let (_, address) = line.split_once("memory ")?;
        u64::from_str_radix(address.trim(), 16).ok()
    });
    let pid = Pid::from_child(&child);
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).expect("pidfd");
    let address = address.expect("the helper says where its memory is");
    Helper { child, pidfd, address, _output: Box::new(lines) }
}

#[test]
fn a_guest_talks_to_another_process_through_memory() {
    let mut helper = start_helper();
    // next: inc al; mov [0],al; wait: mov bl,[0x1000]; dec bl; cmp bl,al; jne wait; cmp al,ROUNDS; jne next; hlt
    let code = [
        0xFE, 0xC0, 0xA2, 0, 0, 0x8A, 0x1E, 0, 0x10, 0xFE, 0xCB, 0x38, 0xC3, 0x75, 0xF6, 0x3C, ROUNDS, 0x75,
        0xED, 0xF4,
    ];
    let m = Machine::new(&code);
    let flags = RWX | MapFlags::TRACK_DIRTY;
    m.partition
        .map_process_memory(helper.pidfd.as_fd(), helper.address, Gpa(GPA), 0x3000, flags)
        .expect("shared memory");
    m.vp.set_registers(&[(Name::DS, common::data_segment(GPA).into())]).expect("DS");
    assert_eq!(m.run().reason, ExitReason::Halt);
    assert_eq!(m.get(Name::RAX) & 0xFF, u64::from(ROUNDS));
    let mut bitmap = [0];
    m.partition.query_dirty(Gpa(GPA), 0x3000, Some(&mut bitmap)).expect("dirty pages");
    assert_eq!(bitmap, [1], "the helper's own stores are not the guest's");
    // The helper is gone after the last round; its memory stays with the guest.
    helper.child.wait().expect("an end");
    let mut byte = [0];
    m.partition.read_gpa(Gpa(GPA + 0x1000), &mut byte).expect("still there");
    assert_eq!(byte[0], ROUNDS + 1);
    let again = m.partition.map_process_memory(helper.pidfd.as_fd(), helper.address, Gpa(0), 0x1000, flags);
    assert!(matches!(again, Err(MapError::ProcessMemory { .. })), "{again:?}");
    assert_eq!(m.partition.unmap(Gpa(GPA), 0x3000), Ok(()));
}
