//! Host memory that goes away under a guest, and the calls that touch guest memory from outside.

#![expect(unsafe_code, reason = "maps memory whose protection changes")]

mod common;

use common::Machine;
use common::RWX;
use openwhp::AccessError;
use openwhp::AccessType;
use openwhp::ExitReason;
use openwhp::ExtendedVmExits;
use openwhp::Gpa;
use openwhp::Gva;
use openwhp::MapFlags;
use openwhp::Partition;
use openwhp::PopulateFlags;
use openwhp::TranslateFlags;
use openwhp::TranslateResult;
use rustix::mm::MapFlags as HostFlags;
use rustix::mm::MprotectFlags;
use rustix::mm::ProtFlags;

/// mov al,[0x9000]; mov [0x9001],al; hlt
const TOUCH: [u8; 7] = [0xA0, 0x00, 0x90, 0xA2, 0x01, 0x90, 0xF4];

#[test]
fn an_inaccessible_page_exits_and_works_once_it_is_accessible() {
    let m = Machine::new(&TOUCH);
    // SAFETY: a fresh anonymous mapping that only the guest uses.
    let page = unsafe {
        rustix::mm::mmap_anonymous(std::ptr::null_mut(), 0x1000, ProtFlags::empty(), HostFlags::PRIVATE)
    }
    .expect("mmap");
    // SAFETY: the mapping lives until the end of the test and has no references.
    unsafe { m.partition.map_raw(page.cast(), Gpa(0x9000), 0x1000, RWX) }.expect("map");
    let protect = |flags| {
        // SAFETY: changes the protection of our own page.
        unsafe { rustix::mm::mprotect(page, 0x1000, flags) }.expect("mprotect");
    };
    let access = || match m.run().reason {
        ExitReason::MemoryAccess(access) => (access.access, access.gpa.0, access.is_gpa_unmapped),
        other => panic!("{other:?}"),
    };
    assert_eq!(access(), (AccessType::Read, 0x9000, false));
    protect(MprotectFlags::READ);
    assert_eq!(access(), (AccessType::Write, 0x9001, false));
    protect(MprotectFlags::READ | MprotectFlags::WRITE);
    assert_eq!(m.run().reason, ExitReason::Halt);
    protect(MprotectFlags::empty());
    let mut byte = [0];
    assert!(matches!(m.partition.read_gpa(Gpa(0x9000), &mut byte), Err(AccessError::Denied { .. })));
    assert!(matches!(m.partition.write_gpa(Gpa(0x9000), &byte), Err(AccessError::Denied { .. })));
    let populate = m.partition.populate(Gpa(0x9000), 1, AccessType::Write, PopulateFlags::empty());
    assert!(matches!(populate, Err(AccessError::Denied { .. })));
}

#[test]
fn a_truncated_file_exits() {
    let m = Machine::new(&TOUCH);
    let file = rustix::fs::memfd_create("guest", rustix::fs::MemfdFlags::CLOEXEC).expect("memfd");
    let rights = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a fresh mapping of our own file.
    let page = unsafe { rustix::mm::mmap(std::ptr::null_mut(), 0x1000, rights, HostFlags::SHARED, &file, 0) }
        .expect("mmap");
    // SAFETY: the mapping lives until the end of the process and has no references.
    unsafe { m.partition.map_raw(page.cast(), Gpa(0x9000), 0x1000, RWX) }.expect("map");
    assert!(matches!(m.run().reason, ExitReason::MemoryAccess(access) if access.gpa == Gpa(0x9000)));
    rustix::fs::ftruncate(&file, 0x1000).expect("grow");
    assert_eq!(m.run().reason, ExitReason::Halt);
}

#[test]
fn reading_and_writing_from_outside_respects_rights() {
    let m = Machine::new(&[0xF4]);
    m.partition.map(&m.memory, 0xE000, Gpa(0x2_0000), 0x1000, MapFlags::READ).expect("map");
    assert_eq!(m.partition.write_gpa(Gpa(0xFFFE), &[1, 2]), Ok(()));
    assert!(matches!(m.partition.write_gpa(Gpa(0xFFFF), &[1, 2]), Err(AccessError::NotFound { .. })));
    let mut bytes = [0; 4];
    assert_eq!(m.partition.read_gpa(Gpa(0xFFFC), &mut bytes), Ok(()));
    assert_eq!(bytes, [0, 0, 1, 2]);
    assert!(matches!(m.partition.write_gpa(Gpa(0x2_0000), &[1]), Err(AccessError::Denied { .. })));
    assert!(matches!(m.partition.read_gpa(Gpa(0), &mut []), Err(AccessError::BadRange { .. })));
}

#[test]
fn pins_nest_and_need_a_mapping() {
    let m = Machine::new(&[0xF4]);
    let p = &m.partition;
    assert_eq!((p.pin(Gpa(0x1000), 0x2000), p.pin(Gpa(0x2000), 0x1000)), (Ok(()), Ok(())));
    assert_eq!(p.unpin(Gpa(0x1000), 0x2000), Ok(()));
    assert_eq!(p.unpin(Gpa(0x1000), 0x2000), Err(AccessError::NotPinned { gpa: Gpa(0x1000) }));
    assert_eq!(p.unpin(Gpa(0x2000), 0x1000), Ok(()));
    assert!(matches!(p.pin(Gpa(0x10_0000), 0x1000), Err(AccessError::NotFound { .. })));
    assert!(matches!(p.pin(Gpa(0x10), 0x1000), Err(AccessError::BadRange { .. })));
}

#[test]
fn first_touches_exit_until_populated() {
    let builder = Partition::builder().processors(1).exits(ExtendedVmExits::GPA_ACCESS_FAULT);
    let m = Machine::with(builder, &TOUCH);
    let mut faults = Vec::new();
    loop {
        match m.run().reason {
            ExitReason::Halt => break,
            ExitReason::MemoryAccess(access) => {
                assert!(!access.is_gpa_unmapped);
                faults.push((access.access, access.gpa.0 & !0xFFF));
                m.partition.populate(access.gpa, 1, access.access, PopulateFlags::empty()).expect("populate");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(faults, [(AccessType::Execute, 0x1000), (AccessType::Read, 0x9000)]);
}

#[test]
fn addresses_translate_by_the_guest_tables() {
    let m = Machine::new(&[0xF4]);
    assert_eq!(
        m.vp.translate_gva(Gva(0x1234), TranslateFlags::empty()).map(|t| (t.result, t.gpa)),
        Ok((TranslateResult::Success, Gpa(0x1234)))
    );
    // 32-bit tables at 0x4000 and 0x5000: page 0 -> 0x7000 read-only supervisor, page 1 -> unmapped memory.
    let word = |at: u64, value: u32| m.memory.write(at, &value.to_le_bytes()).expect("table");
    word(0x4000, 0x5000 | 7);
    word(0x4004, 0xF00_0000 | 7);
    word(0x5000, 0x7000 | 1);
    word(0x5004, 0x800_0000 | 7);
    m.set(openwhp::RegisterName::CR3, 0x4000);
    m.set(openwhp::RegisterName::CR0, 0x8001_0011);
    let translate = |gva, flags| {
        let translation = m.vp.translate_gva(Gva(gva), flags).expect("stopped");
        (translation.result, translation.gpa.0)
    };
    let write = TranslateFlags::VALIDATE_WRITE;
    assert_eq!(translate(0x123, TranslateFlags::VALIDATE_READ), (TranslateResult::Success, 0x7123));
    assert_eq!(translate(0x123, write), (TranslateResult::PrivilegeViolation, 0));
    assert_eq!(translate(0x1123, write), (TranslateResult::Success, 0x800_0123));
    assert_eq!(translate(0x2000, TranslateFlags::empty()), (TranslateResult::PageNotPresent, 0));
    assert_eq!(translate(0x40_0000, TranslateFlags::empty()), (TranslateResult::GpaUnmapped, 0));
    assert_eq!(m.byte(0x5004) & 0x60, 0, "nothing was marked");
    let set = write | TranslateFlags::SET_PAGE_TABLE_BITS;
    assert_eq!(translate(0x1123, set), (TranslateResult::Success, 0x800_0123));
    assert_eq!(m.byte(0x5004) & 0x60, 0x60);
}

#[test]
fn emulation_finishes_device_accesses() {
    struct Device(Vec<(u64, Vec<u8>)>);
    impl openwhp::MmioBus for Device {
        fn read(&mut self, gpa: Gpa, data: &mut [u8]) {
            data.fill(gpa.0 as u8);
        }
        fn write(&mut self, gpa: Gpa, data: &[u8]) {
            self.0.push((gpa.0, data.to_vec()));
        }
    }
    // mov ax,[0x34]; mov [0x40],ax; insb; hlt - DS outside memory
    let m = Machine::new(&[0xA1, 0x34, 0x00, 0xA3, 0x40, 0x00, 0xBA, 0x60, 0x00, 0x6C, 0xF4]);
    m.vp.set_registers(&[
        (openwhp::RegisterName::DS, common::data_segment(0x2_0000).into()),
        (openwhp::RegisterName::RDI, 0x9000.into()),
    ])
    .expect("DS");
    struct Port;
    impl openwhp::PortBus for Port {
        fn read(&mut self, port: u16, data: &mut [u8]) {
            data.fill(port as u8 + 1);
        }
        fn write(&mut self, _port: u16, _data: &[u8]) {}
    }
    let mut device = Device(Vec::new());
    let mut exits = 0;
    loop {
        let exit = m.run();
        if exit.reason == ExitReason::Halt {
            break;
        }
        openwhp::emulate::access(&m.vp, &exit, &mut device, &mut Port).expect("emulation");
        exits += 1;
    }
    assert_eq!((exits, m.byte(0x9000)), (3, 0x61));
    assert_eq!(device.0, [(0x2_0040, vec![0x34, 0x34])]);
    let halt = m.run();
    let wrong = openwhp::emulate::access(&m.vp, &halt, &mut device, &mut Port);
    assert!(
        halt.reason == ExitReason::Halt && wrong == Err(openwhp::EmulateError::WrongExit) || wrong.is_ok()
    );
}

#[test]
fn emulation_lets_other_requests_wait() {
    struct Device(u32);
    impl openwhp::MmioBus for Device {
        fn read(&mut self, _gpa: Gpa, data: &mut [u8]) {
            self.0 += 1;
            data.fill(0);
        }
        fn write(&mut self, _gpa: Gpa, _data: &[u8]) {}
    }
    // mov al,[0]; jmp back - with the map changing and cancels arriving all the time
    let m = Machine::new(&[0xA0, 0x00, 0x00, 0xEB, 0xFB]);
    m.vp.set_registers(&[(openwhp::RegisterName::DS, common::data_segment(0x2_0000).into())]).expect("DS");
    let (partition, canceller) = (m.partition.clone(), m.vp.canceller());
    let thread = std::thread::spawn(move || {
        let page = openwhp::GuestMemory::new(0x1000).expect("memory");
        for _ in 0..300 {
            partition.map(&page, 0, Gpa(0x10_0000), 0x1000, RWX).expect("map");
            canceller.cancel();
            std::thread::yield_now();
        }
    });
    let mut device = Device(0);
    let mut cancels = 0;
    while !thread.is_finished() || device.0 < 1000 {
        let exit = m.run();
        match exit.reason {
            ExitReason::Canceled => cancels += 1,
            _ => openwhp::emulate::mmio(&m.vp, &exit, &mut device).expect("emulation"),
        }
    }
    thread.join().expect("thread");
    assert!(cancels > 0);
}
