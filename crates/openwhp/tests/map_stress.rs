//! The memory map changing under running processors: nothing old is used after a call, nothing is ever missing.

#![expect(unsafe_code, reason = "maps host pages whose protection changes")]

mod common;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use common::CODE;
use common::RWX;
use openwhp::AccessType;
use openwhp::ExitReason;
use openwhp::Gpa;
use openwhp::GuestMemory;
use openwhp::MapFlags;
use openwhp::Partition;
use openwhp::Processor;
use openwhp::RegisterName as Name;
use openwhp::VpIndex;

const PAGE: u64 = 0x1000;
const TARGET: u64 = 0x2_0000;

/// Several processors with 64 KiB in common; each starts at code of its own, DS and ES at [`TARGET`].
fn machine(codes: &[&[u8]], tracked: bool) -> (Partition, GuestMemory, Vec<Processor>) {
    let partition = Partition::builder().processors(codes.len() as u32).build().expect("partition");
    let memory = GuestMemory::new(0x1_0000).expect("memory");
    let flags = if tracked { RWX | MapFlags::TRACK_DIRTY } else { RWX };
    partition.map(&memory, 0, Gpa(0), 0x1_0000, flags).expect("map");
    let mut vps = Vec::new();
    for (index, code) in codes.iter().enumerate() {
        let at = CODE + 0x100 * index as u64;
        memory.write(at, code).expect("code");
        let vp = partition.create_vp(VpIndex(index as u32)).expect("processor");
        common::real_mode(&vp, at);
        let data = common::data_segment(TARGET).into();
        vp.set_registers(&[(Name::DS, data), (Name::ES, data)]).expect("DS");
        vps.push(vp);
    }
    (partition, memory, vps)
}

/// Cancels everybody when dropped, also when an assertion fails, so that threads can be joined.
struct Ending<'a>(&'a [Processor]);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        for vp in self.0 {
            vp.cancel();
        }
    }
}

/// The same stretch of code at the start of the page under test: counts in its own page and comes back.
/// inc word [0x40]; inc word [0x82]; far return to the caller.
const ROUTINE: [u8; 9] = [0xFF, 0x06, 0x40, 0x00, 0xFF, 0x06, 0x82, 0x00, 0xCB];

#[test]
fn remapped_pages_are_never_missing_and_never_used_afterwards() {
    // Loads and stores; locked additions; string stores; a call of code in the page.
    let codes: [&[u8]; 4] = [
        &[0xA1, 0x10, 0x00, 0xA3, 0x12, 0x00, 0xEB, 0xF8],
        &[0xF0, 0xFF, 0x06, 0x20, 0x00, 0xEB, 0xF9],
        &[0xBF, 0x00, 0x01, 0xB9, 0x40, 0x00, 0xF3, 0xAA, 0xEB, 0xF6],
        &[0x9A, 0x00, 0x00, 0x00, 0x20, 0xEB, 0xF9],
    ];
    let (partition, _memory, vps) = machine(&codes, false);
    let pages: Vec<GuestMemory> = (0..2).map(|_| GuestMemory::new(PAGE).expect("memory")).collect();
    for page in &pages {
        page.write(0, &ROUTINE).expect("routine");
    }
    partition.map(&pages[0], 0, Gpa(TARGET), PAGE, RWX).expect("map");
    let mut rounds = 0;
    let mut moved = 0;
    std::thread::scope(|scope| {
        let ending = Ending(&vps);
        let threads: Vec<_> = vps.iter().map(|vp| scope.spawn(|| vp.run().expect("run"))).collect();
        let start = Instant::now();
        // Longer on a host that is busy with other things.
        let is_due = |rounds, moved| {
            let elapsed = start.elapsed();
            elapsed < Duration::from_millis(600)
                || (rounds <= 20 || moved == 0) && elapsed < Duration::from_secs(60)
        };
        while is_due(rounds, moved) {
            let (new, old) = (&pages[(rounds + 1) % 2], &pages[rounds % 2]);
            partition.map(new, 0, Gpa(TARGET), PAGE, RWX).expect("map");
            // From here on the old page belongs to this thread.
            let mut before = vec![0; PAGE as usize];
            old.read(0, &mut before).expect("read");
            old.write(0x40, &[0xEE; 0xFC0]).expect("canaries");
            std::thread::sleep(Duration::from_micros(50));
            let mut after = vec![0; PAGE as usize];
            old.read(0, &mut after).expect("read");
            assert!(after[0x40..].iter().all(|byte| *byte == 0xEE), "round {rounds}: the old page was used");
            moved += u32::from(before[0x40..0x140].iter().any(|byte| *byte != 0xEE));
            rounds += 1;
        }
        drop(ending);
        for thread in threads {
            assert_eq!(thread.join().expect("thread").reason, ExitReason::Canceled, "a page was missing");
        }
    });
    assert!(rounds > 20 && moved > 0, "{rounds} rounds, {moved} with guest accesses");
}

#[test]
fn no_dirty_store_is_lost_under_several_processors() {
    // Each processor counts in a page of its own, in another way: inc; lock xadd; push; rep stos with a counter.
    let codes: [&[u8]; 3] = [
        &[0xFF, 0x06, 0x00, 0x00, 0xEB, 0xFA],
        &[0xB8, 0x01, 0x00, 0xF0, 0x0F, 0xC1, 0x06, 0x00, 0x10, 0xEB, 0xF5],
        &[0x40, 0xBF, 0x00, 0x20, 0xB9, 0x02, 0x00, 0xF3, 0xAB, 0xEB, 0xF5],
    ];
    let (partition, _memory, vps) = machine(&codes, false);
    let pages = GuestMemory::new(4 * PAGE).expect("memory");
    let flags = RWX | MapFlags::TRACK_DIRTY;
    // Two mappings side by side.
    partition.map(&pages, 0, Gpa(TARGET), PAGE, flags).expect("map");
    partition.map(&pages, PAGE, Gpa(TARGET + PAGE), 3 * PAGE, flags).expect("map");
    let count = |page: u64| {
        let mut bytes = [0; 2];
        pages.read(page * PAGE, &mut bytes).expect("read");
        u16::from_le_bytes(bytes)
    };
    std::thread::scope(|scope| {
        let ending = Ending(&vps);
        let threads: Vec<_> = vps.iter().map(|vp| scope.spawn(|| vp.run().expect("run"))).collect();
        let end = Instant::now() + Duration::from_millis(600);
        // What the pages held when the last query returned.
        let mut seen = [0; 3];
        while Instant::now() < end {
            std::thread::sleep(Duration::from_micros(20));
            let now = [count(0), count(1), count(2)];
            let mut bitmap = [0];
            partition.query_dirty(Gpa(TARGET), 4 * PAGE, Some(&mut bitmap)).expect("query");
            let after = [count(0), count(1), count(2)];
            for page in 0..3 {
                let is_reported = bitmap[0] >> page & 1 == 1;
                assert!(is_reported || now[page] == seen[page], "page {page} changed and was not reported");
            }
            assert_eq!(bitmap[0] >> 3, 0, "nobody writes the last page");
            seen = after;
        }
        drop(ending);
        for thread in threads {
            assert_eq!(thread.join().expect("thread").reason, ExitReason::Canceled);
        }
    });
    // All is quiet: what is left is reported once, then nothing.
    let mut bitmap = [0];
    partition.query_dirty(Gpa(TARGET), 4 * PAGE, Some(&mut bitmap)).expect("query");
    partition.query_dirty(Gpa(TARGET), 4 * PAGE, Some(&mut bitmap)).expect("query");
    assert_eq!(bitmap, [0]);
}

#[test]
fn protection_that_changes_while_processors_run_ends_in_exits_only() {
    use rustix::mm::MprotectFlags;
    use rustix::mm::ProtFlags;
    let codes: [&[u8]; 3] = [
        &[0xA1, 0x10, 0x00, 0xA3, 0x12, 0x00, 0xEB, 0xF8],
        &[0xF0, 0xFF, 0x06, 0x20, 0x00, 0xEB, 0xF9],
        &[0xBF, 0x00, 0x01, 0xB9, 0x40, 0x00, 0xF3, 0xAA, 0xEB, 0xF6],
    ];
    let (partition, _memory, vps) = machine(&codes, false);
    let rights = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
    let start = unsafe {
        rustix::mm::mmap_anonymous(std::ptr::null_mut(), 0x1000, rights, rustix::mm::MapFlags::PRIVATE)
    }
    .expect("mmap");
    // SAFETY: the page stays until the end of the process, and no references point into it.
    unsafe { partition.map_raw(start.cast(), Gpa(TARGET), PAGE, RWX) }.expect("map");
    let address = start as usize;
    let is_over = AtomicBool::new(false);
    let exits = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let ending = Ending(&vps);
        let threads: Vec<_> = vps
            .iter()
            .map(|vp| {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        match vp.run().expect("run").reason {
                            ExitReason::Canceled => {}
                            ExitReason::MemoryAccess(access) => {
                                assert!(!access.is_gpa_unmapped && access.access != AccessType::Execute);
                                assert_eq!(access.gpa.0 & !0xFFF, TARGET);
                                exits.fetch_add(1, Ordering::Relaxed);
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        let begin = Instant::now();
        let states =
            [MprotectFlags::empty(), MprotectFlags::READ, MprotectFlags::READ | MprotectFlags::WRITE];
        for state in states.into_iter().cycle() {
            let page = std::ptr::without_provenance_mut(address);
            // SAFETY: changes the rights of the page made above.
            unsafe { rustix::mm::mprotect(page, 0x1000, state) }.expect("mprotect");
            std::thread::sleep(Duration::from_micros(100));
            let is_enough = begin.elapsed() > Duration::from_millis(400) && exits.load(Ordering::Relaxed) > 0;
            let is_late = begin.elapsed() > Duration::from_secs(60);
            if (is_enough || is_late) && state == MprotectFlags::READ | MprotectFlags::WRITE {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        drop(ending);
        for thread in threads {
            thread.join().expect("thread");
        }
    });
    assert!(exits.into_inner() > 0);
}
