//! Populated and pinned guest memory, and the host's side of it.

#![expect(unsafe_code, reason = "maps files and asks the host about pages")]

mod common;

use std::os::fd::OwnedFd;
use std::ptr::null_mut;

use common::Machine;
use common::RWX;
use openwhp::AccessError;
use openwhp::AccessType;
use openwhp::ExitReason;
use openwhp::ExtendedVmExits;
use openwhp::Gpa;
use openwhp::MapFlags;
use openwhp::Partition;
use openwhp::PopulateFlags;
use openwhp::RegisterName as Name;
use rustix::mm::MapFlags as HostFlags;
use rustix::mm::ProtFlags;

const PAGE: usize = 0x1000;
const GPA: u64 = 0x20_0000;

/// Pages of the host, mapped by the test.
struct Pages {
    start: *mut u8,
    size: usize,
}

impl Pages {
    fn anonymous(count: usize) -> Self {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start =
            unsafe { rustix::mm::mmap_anonymous(null_mut(), count * PAGE, rights, HostFlags::PRIVATE) };
        Self { start: start.expect("mmap").cast(), size: count * PAGE }
    }

    fn of_file(file: &OwnedFd, count: usize) -> Self {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: as above.
        let start = unsafe { rustix::mm::mmap(null_mut(), count * PAGE, rights, HostFlags::SHARED, file, 0) };
        Self { start: start.expect("mmap").cast(), size: count * PAGE }
    }

    /// Which pages are in memory.
    fn resident(&self) -> Vec<bool> {
        let mut state = vec![0_u8; self.size / PAGE];
        // SAFETY: a byte is written for each page of the test's own mapping.
        assert_eq!(unsafe { libc::mincore(self.start.cast(), self.size, state.as_mut_ptr()) }, 0);
        state.iter().map(|page| page & 1 == 1).collect()
    }

    /// Kilobytes of the mapping that are locked.
    fn locked_kb(&self) -> u64 {
        let list = std::fs::read_to_string("/proc/self/smaps").expect("the list of mappings");
        let (start, end) = (self.start as u64, self.start as u64 + self.size as u64);
        let mut is_inside = false;
        let mut locked = 0;
        for line in list.lines() {
            let range = line.split(' ').next().and_then(|word| word.split_once('-'));
            let address = range.and_then(|(from, _)| u64::from_str_radix(from, 16).ok());
            if let Some(from) = address {
                is_inside = (start..end).contains(&from);
            } else if let Some(rest) = line.strip_prefix("Locked:")
                && is_inside
            {
                locked += rest.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
            }
        }
        locked
    }

    fn discard(&self, page: usize) {
        let at = self.start.wrapping_add(page * PAGE).cast();
        // SAFETY: gives the content of a page of the test's own mapping back.
        unsafe { rustix::mm::madvise(at, PAGE, rustix::mm::Advice::LinuxDontNeed) }.expect("discard");
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is the test's own; machines are deleted before it.
        let _ = unsafe { rustix::mm::munmap(self.start.cast(), self.size) };
    }
}

fn map(m: &Machine, pages: &Pages, flags: MapFlags) {
    // SAFETY: the pages outlive the machine's use of them and no references point into them.
    unsafe { m.partition.map_raw(pages.start, Gpa(GPA), pages.size as u64, flags) }.expect("map");
}

#[test]
fn populating_makes_every_touched_page_resident() {
    let pages = Pages::anonymous(512);
    let m = Machine::new(&[0xF4]);
    map(&m, &pages, RWX);
    assert!(pages.resident().iter().all(|resident| !resident));
    // A byte, a stretch over an edge, then all.
    let p = &m.partition;
    assert_eq!(p.populate(Gpa(GPA + 0x1FFF), 1, AccessType::Write, PopulateFlags::empty()), Ok(()));
    assert_eq!(pages.resident().iter().filter(|resident| **resident).count(), 1);
    assert_eq!(p.populate(Gpa(GPA + 0x3FFF), 2, AccessType::Write, PopulateFlags::empty()), Ok(()));
    assert_eq!(pages.resident()[..6], [false, true, false, true, true, false]);
    let flags = PopulateFlags::PREFETCH | PopulateFlags::AVOID_HARD_FAULTS;
    assert_eq!(p.populate(Gpa(GPA), 0x20_0000, AccessType::Write, flags), Ok(()));
    assert!(pages.resident().iter().all(|resident| *resident), "fresh memory needs no disk");
}

/// A file on a disk whose pages are not in memory; `None` where the host keeps temporary files in memory.
fn cold_file(pages: usize) -> Option<OwnedFd> {
    let path =
        std::env::current_exe().expect("a path").with_file_name(format!("cold-{}", std::process::id()));
    std::fs::write(&path, vec![7_u8; pages * PAGE]).expect("a file");
    let file = std::fs::File::options().read(true).write(true).open(&path).expect("a file");
    std::fs::remove_file(&path).expect("an open file without a name");
    file.sync_all().expect("written");
    let file = OwnedFd::from(file);
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("dropped");
    let is_cold = Pages::of_file(&file, pages).resident().iter().all(|resident| !resident);
    is_cold.then_some(file)
}

#[test]
fn pages_on_a_disk_are_left_out_when_hard_faults_are_to_be_avoided() {
    let Some(file) = cold_file(8) else {
        println!("skipped: the host keeps the file in memory");
        return;
    };
    let pages = Pages::of_file(&file, 8);
    let m =
        Machine::with(Partition::builder().processors(1).exits(ExtendedVmExits::GPA_ACCESS_FAULT), &[0xF4]);
    map(&m, &pages, RWX);
    let p = &m.partition;
    let avoid = PopulateFlags::AVOID_HARD_FAULTS;
    assert_eq!(p.populate(Gpa(GPA), 0x8000, AccessType::Read, avoid), Ok(()));
    assert!(pages.resident().iter().all(|resident| !resident), "nothing was read");
    assert_eq!(p.populate(Gpa(GPA), 0x8000, AccessType::Read, PopulateFlags::PREFETCH), Ok(()));
    assert!(pages.resident().iter().all(|resident| *resident));
}

/// Runs `mov al,[0]` with DS at the pages until it halts; the kinds of access that had to be populated.
fn populate_and_run(m: &Machine, code: &[u8]) -> Vec<(AccessType, u64)> {
    m.memory.write(common::CODE, code).expect("code");
    m.memory.write(common::CODE + code.len() as u64, &[0xF4]).expect("code");
    common::real_mode(&m.vp, common::CODE);
    m.vp.set_registers(&[(Name::DS, common::data_segment(GPA).into())]).expect("DS");
    let mut faults = Vec::new();
    loop {
        match m.run().reason {
            ExitReason::Halt => return faults,
            ExitReason::MemoryAccess(access) => {
                assert!(!access.is_gpa_unmapped);
                faults.push((access.access, access.gpa.0));
                m.partition.populate(access.gpa, 1, access.access, PopulateFlags::empty()).expect("populate");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn populated_pages_fault_again_after_unmap_remap_and_discard() {
    let pages = Pages::anonymous(2);
    let builder = Partition::builder().processors(1).exits(ExtendedVmExits::GPA_ACCESS_FAULT);
    let m = Machine::with(builder, &[0xF4]);
    map(&m, &pages, RWX);
    let load = [0xA0, 0, 0];
    let code_page = (AccessType::Execute, common::CODE);
    let target = (AccessType::Read, GPA);
    assert_eq!(populate_and_run(&m, &load), [code_page, target]);
    assert_eq!(populate_and_run(&m, &load), []);
    map(&m, &pages, RWX);
    assert_eq!(populate_and_run(&m, &load), [target], "mapped anew");
    m.partition.unmap(Gpa(GPA), 0x1000).expect("unmap");
    map(&m, &pages, RWX);
    assert_eq!(populate_and_run(&m, &load), [target]);
    // Populated for reading is populated.
    assert_eq!(populate_and_run(&m, &[0xA2, 1, 0]), []);
    // What the host discards counts as not populated when the processor looks the page up again.
    pages.discard(0);
    m.partition.unmap(Gpa(GPA + 0x1000), 0x1000).expect("makes the processor forget");
    assert_eq!(populate_and_run(&m, &load), [target], "discarded");
}

#[test]
fn what_was_touched_while_faults_were_off_is_populated() {
    let pages = Pages::anonymous(2);
    let m = Machine::new(&[0xF4]);
    map(&m, &pages, RWX);
    assert_eq!(populate_and_run(&m, &[0xA2, 0, 0]), []);
    let exits = openwhp::Property::ExtendedVmExits(ExtendedVmExits::GPA_ACCESS_FAULT);
    m.partition.set_property(exits).expect("exits");
    assert_eq!(populate_and_run(&m, &[0xA0, 0, 0]), []);
    assert_eq!(populate_and_run(&m, &[0xA0, 0, 0x10]), [(AccessType::Read, GPA + 0x1000)]);
}

#[test]
fn pins_make_resident_and_lock_until_the_last_unpin() {
    let pages = Pages::anonymous(4);
    let m = Machine::new(&[0xF4]);
    map(&m, &pages, RWX);
    let p = &m.partition;
    let page = |n: u64| Gpa(GPA + n * 0x1000);
    p.pin(page(1), 0x2000).expect("pin");
    assert_eq!(pages.resident(), [false, true, true, false]);
    let can_lock = pages.locked_kb() != 0;
    let locked = |kb: u64| assert_eq!(pages.locked_kb(), if can_lock { kb } else { 0 });
    locked(8);
    p.pin(page(1), 0x1000).expect("pin");
    p.unpin(page(1), 0x2000).expect("unpin");
    locked(4);
    assert_eq!(p.unpin(page(1), 0x2000), Err(AccessError::NotPinned { gpa: page(2) }));
    locked(4);
    p.unpin(page(1), 0x1000).expect("unpin");
    locked(0);
    // Pins end with the mapping, and with the partition.
    p.pin(page(0), 0x4000).expect("pin");
    p.unmap(page(1), 0x1000).expect("unmap");
    locked(12);
    assert_eq!(p.unpin(page(1), 0x1000), Err(AccessError::NotPinned { gpa: page(1) }));
    map(&m, &pages, RWX);
    locked(0);
    assert_eq!(p.unpin(page(0), 0x1000), Err(AccessError::NotPinned { gpa: page(0) }));
    p.pin(page(0), 0x1000).expect("pin");
    drop(m);
    assert_eq!(pages.locked_kb(), 0);
}

#[test]
fn pins_of_aliases_and_partitions_add_up() {
    let pages = Pages::anonymous(1);
    let (a, b) = (Machine::new(&[0xF4]), Machine::new(&[0xF4]));
    map(&a, &pages, RWX);
    map(&b, &pages, MapFlags::WRITE);
    a.partition.pin(Gpa(GPA), 0x1000).expect("pin");
    b.partition.pin(Gpa(GPA), 0x1000).expect("no right of the guest is needed");
    let locked = pages.locked_kb();
    a.partition.unpin(Gpa(GPA), 0x1000).expect("unpin");
    assert_eq!(pages.locked_kb(), locked, "the other partition still pins it");
    b.partition.delete();
    assert_eq!(pages.locked_kb(), 0);
}
