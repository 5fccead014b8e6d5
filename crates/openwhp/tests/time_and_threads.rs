//! Guest time, alarms, deterministic replay, and many threads at once.

mod common;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::CODE;
use common::Machine;
use common::RWX;
use openwhp::ApicMode;
use openwhp::ClockMode;
use openwhp::ExitReason;
use openwhp::Gpa;
use openwhp::GuestMemory;
use openwhp::GuestNs;
use openwhp::MapFlags;
use openwhp::OpenBus;
use openwhp::Partition;
use openwhp::RegisterName as Name;
use openwhp::TimeError;
use openwhp::VpIndex;
use openwhp::emulate;

#[test]
fn time_starts_with_the_first_run_and_can_be_suspended() {
    let m = Machine::new(&[0xF4, 0xF4]);
    assert_eq!(m.partition.reference_time_100ns(), 0);
    assert_eq!(m.partition.resume_time(), Ok(()), "frozen at creation counts as suspended");
    m.run();
    assert_eq!(m.partition.resume_time(), Err(TimeError::NotSuspended));
    m.partition.suspend_time().expect("suspend");
    m.partition.suspend_time().expect("again");
    let (time, tsc) = (m.partition.guest_time_ns(), m.get(Name::TSC));
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!((m.partition.guest_time_ns(), m.get(Name::TSC)), (time, tsc));
    let resumed = std::time::Instant::now();
    m.run();
    let most = time + resumed.elapsed().as_nanos() as u64 + 1_000_000;
    assert!(m.partition.guest_time_ns() < most, "the pause is hidden");
}

#[test]
fn the_tsc_can_be_set_and_goes_on() {
    let m = Machine::new(&[0xF4]);
    m.set(Name::TSC, 1 << 40);
    m.run();
    let tsc = m.get(Name::TSC);
    assert!((1 << 40..(1 << 40) + 10_000_000_000).contains(&tsc));
}

#[test]
fn an_alarm_ends_a_run_once() {
    let m = Machine::new(&[0xEB, 0xFE]);
    m.vp.set_alarm(Some(GuestNs(5_000_000))).expect("alarm");
    assert_eq!(m.run().reason, ExitReason::Alarm);
    assert!(m.partition.guest_time_ns() >= 5_000_000);
    m.vp.cancel();
    assert_eq!(m.run().reason, ExitReason::Canceled);
}

fn deterministic(code: &[u8]) -> Machine {
    let clock = ClockMode::Deterministic { instructions_per_us: 1000 };
    Machine::with(Partition::builder().processors(1).apic(ApicMode::XApic).clock(clock), code)
}

#[test]
fn counted_alarms_are_exact() {
    // inc ax; jmp back
    let m = deterministic(&[0x40, 0xEB, 0xFD]);
    m.vp.set_alarm(Some(GuestNs(1000))).expect("alarm");
    assert_eq!(m.run().reason, ExitReason::Alarm);
    assert_eq!((m.partition.guest_time_ns(), m.get(Name::RAX)), (1000, 500));
    m.vp.set_alarm(Some(GuestNs(1001))).expect("alarm");
    assert_eq!(m.run().reason, ExitReason::Alarm);
    assert_eq!((m.partition.guest_time_ns(), m.get(Name::RAX), m.get(Name::RIP)), (1001, 501, CODE + 1));
}

#[test]
fn an_instruction_that_the_client_finishes_takes_its_time() {
    // out 0x80, al; mov al, [0]; inc ax; out 0x80, al
    let m = deterministic(&[0xE6, 0x80, 0xA0, 0x00, 0x00, 0x40, 0xE6, 0x80]);
    m.vp.set_registers(&[(Name::DS, common::data_segment(0x20_0000).into())]).expect("DS");
    let exit = m.run();
    m.set(Name::RIP, exit.vp.rip);
    m.run();
    assert_eq!(m.partition.guest_time_ns(), 0, "nothing has been done yet");
    m.skip(&exit);
    let exit = m.run();
    assert_eq!(m.partition.guest_time_ns(), 1);
    // The processor itself finishes this one.
    emulate::mmio(&m.vp, &exit, &mut OpenBus).expect("mov al, [0]");
    assert_eq!(m.next_out(), (0x80, 0));
    assert_eq!(m.partition.guest_time_ns(), 3);
    m.set(Name::RIP, CODE + 5);
    assert_eq!(m.next_out(), (0x80, 1));
    assert_eq!(m.partition.guest_time_ns(), 5);
}

#[test]
fn a_halted_guest_skips_to_its_deadline() {
    let m = deterministic(&[0xF4, 0xF4]);
    m.vp.set_alarm(Some(GuestNs(3_600_000_000_000))).expect("alarm");
    let start = std::time::Instant::now();
    assert_eq!(m.run().reason, ExitReason::Alarm);
    assert_eq!(m.partition.guest_time_ns(), 3_600_000_000_000);
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// Everything a counted guest shows: times, random words, its timer's interrupts.
fn trace() -> Vec<(u64, u64, u64)> {
    // Timer: periodic, vector 0x31. Loop: rdtsc; rdrand eax; add counters; every interrupt writes port 0x90.
    let mut code = vec![0x66, 0xC7, 0x06, 0xF0, 0x00, 0xFF, 1, 0, 0];
    code.extend([0x66, 0xC7, 0x06, 0x20, 0x03, 0x31, 0, 2, 0]);
    code.extend([0x66, 0xC7, 0x06, 0xE0, 0x03, 0x0B, 0, 0, 0]);
    code.extend([0x66, 0xC7, 0x06, 0x80, 0x03, 0x39, 0x30, 0, 0, 0xFB]);
    // loop: rdtsc; rdrand ebx; add ecx,ebx; test cx,7; jnz loop; hlt; jmp loop
    code.extend([
        0x0F, 0x31, 0x66, 0x0F, 0xC7, 0xF3, 0x66, 0x01, 0xD9, 0xF7, 0xC1, 7, 0, 0x75, 0xF1, 0xF4, 0xEB, 0xEE,
    ]);
    let m = deterministic(&code);
    m.vp.set_registers(&[(Name::DS, common::data_segment(0xFEE0_0000).into())]).expect("DS");
    // handler: out 0x90,al; mov dword ds:[0xb0],0; iret
    m.handler(0x31, common::HANDLER, &[0xE6, 0x90, 0x66, 0xC7, 0x06, 0xB0, 0, 0, 0, 0, 0, 0xCF]);
    let mut trace = Vec::new();
    for _ in 0..200 {
        assert_eq!(m.next_out().0, 0x90);
        trace.push((m.partition.guest_time_ns(), m.get(Name::RCX), m.get(Name::RAX)));
    }
    trace
}

#[test]
fn two_counted_runs_are_the_same_bit_for_bit() {
    let first = trace();
    assert!(first.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(first, trace());
}

#[test]
fn memory_changes_are_seen_by_running_processors_before_they_return() {
    // loop: mov al,[0x9000]; mov [0x9001],al; jmp loop - on pages that are swapped all the time
    let m = Machine::new(&[0xA0, 0x00, 0x90, 0xA2, 0x01, 0x90, 0xEB, 0xF8]);
    let pages: Vec<GuestMemory> = (0..2).map(|_| GuestMemory::new(0x1000).expect("memory")).collect();
    m.partition.map(&pages[0], 0, Gpa(0x9000), 0x1000, RWX).expect("map");
    let runner = m.vp.clone();
    let thread = std::thread::spawn(move || runner.run().expect("run").reason);
    for round in 0..400 {
        let (current, old) = (&pages[round % 2], &pages[(round + 1) % 2]);
        m.partition.map(current, 0, Gpa(0x9000), 0x1000, RWX).expect("map");
        // The old page must not be touched any more.
        old.write(1, &[0xAA]).expect("write");
        std::thread::yield_now();
        let mut byte = [0];
        old.read(1, &mut byte).expect("read");
        assert_eq!(byte[0], 0xAA, "round {round}");
    }
    m.vp.cancel();
    assert_eq!(thread.join().expect("thread"), ExitReason::Canceled);
}

#[test]
fn unmapping_stops_a_running_processor_at_the_page() {
    let m = Machine::new(&[0xA0, 0x00, 0x90, 0xEB, 0xFB]);
    let page = GuestMemory::new(0x1000).expect("memory");
    for _ in 0..50 {
        m.partition.map(&page, 0, Gpa(0x9000), 0x1000, RWX).expect("map");
        let runner = m.vp.clone();
        let thread = std::thread::spawn(move || runner.run().expect("run").reason);
        std::thread::sleep(Duration::from_micros(300));
        m.partition.unmap(Gpa(0x9000), 0x1000).expect("unmap");
        let reason = thread.join().expect("thread");
        assert!(
            matches!(reason, ExitReason::MemoryAccess(access) if access.gpa == Gpa(0x9000) && access.is_gpa_unmapped)
        );
    }
}

#[test]
fn no_dirty_page_is_lost_while_the_guest_writes() {
    // loop: inc word [0x9000]; jmp loop
    let m = Machine::new(&[0xFF, 0x06, 0x00, 0x90, 0xEB, 0xFA]);
    let page = GuestMemory::new(0x2000).expect("memory");
    m.partition.map(&page, 0, Gpa(0x9000), 0x2000, RWX | MapFlags::TRACK_DIRTY).expect("map");
    let runner = m.vp.clone();
    let thread = std::thread::spawn(move || runner.run().expect("run").reason);
    let value = || {
        let mut bytes = [0; 2];
        page.read(0, &mut bytes).expect("read");
        u16::from_le_bytes(bytes)
    };
    let mut unreported = 0;
    for _ in 0..300 {
        let mut bitmap = [!0_u64];
        m.partition.query_dirty(Gpa(0x9000), 0x2000, Some(&mut bitmap)).expect("query");
        assert_eq!(bitmap[0] & !1, 0, "the second page is never written");
        let before = value();
        std::thread::sleep(Duration::from_micros(50));
        if value() != before {
            let mut again = [0];
            m.partition.query_dirty(Gpa(0x9000), 0x2000, Some(&mut again)).expect("query");
            unreported += u32::from(again[0] & 1 == 0);
        }
    }
    assert_eq!(unreported, 0);
    m.vp.cancel();
    assert_eq!(thread.join().expect("thread"), ExitReason::Canceled);
    assert!(m.partition.query_dirty(Gpa(0), 0x1000, None).is_err(), "not tracked");
}

#[test]
fn many_processors_share_memory_atomically() {
    const COUNT: u32 = 4;
    const ROUNDS: u16 = 2000;
    let partition = Partition::builder().processors(COUNT).build().expect("partition");
    let memory = GuestMemory::new(0x1_0000).expect("memory");
    // mov cx,ROUNDS; loop: lock inc dword [0x8ffe] (crosses a page); lock inc dword [0x9100]; loop; hlt
    let mut code = vec![0xB9];
    code.extend(ROUNDS.to_le_bytes());
    code.extend([0xF0, 0x66, 0xFF, 0x06, 0xFE, 0x8F, 0xF0, 0x66, 0xFF, 0x06, 0x00, 0x91, 0xE2, 0xF2, 0xF4]);
    memory.write(CODE, &code).expect("code");
    partition.map(&memory, 0, Gpa(0), 0x1_0000, RWX).expect("map");
    let threads: Vec<_> = (0..COUNT)
        .map(|index| {
            let vp = partition.create_vp(VpIndex(index)).expect("processor");
            common::real_mode(&vp, CODE);
            std::thread::spawn(move || vp.run().expect("run").reason)
        })
        .collect();
    let stop = Arc::new(AtomicBool::new(false));
    let mapper = {
        let (partition, stop) = (partition.clone(), stop.clone());
        let extra = GuestMemory::new(0x1000).expect("memory");
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                partition.map(&extra, 0, Gpa(0x10_0000), 0x1000, RWX).expect("map");
                partition.unmap(Gpa(0x10_0000), 0x1000).expect("unmap");
                std::thread::sleep(Duration::from_micros(200));
            }
        })
    };
    for thread in threads {
        assert_eq!(thread.join().expect("thread"), ExitReason::Halt);
    }
    stop.store(true, Ordering::Relaxed);
    mapper.join().expect("mapper");
    let word = |at| {
        let mut bytes = [0; 4];
        memory.read(at, &mut bytes).expect("read");
        u32::from_le_bytes(bytes)
    };
    assert_eq!((word(0x8FFE), word(0x9100)), (COUNT * u32::from(ROUNDS), COUNT * u32::from(ROUNDS)));
}

#[test]
fn reset_gets_running_processors_out() {
    let m = Machine::new(&[0xEB, 0xFE]);
    let runner = m.vp.clone();
    let thread = std::thread::spawn(move || runner.run().expect("run").reason);
    while m.vp.register(Name::RIP).is_ok() {
        std::thread::yield_now();
    }
    m.partition.reset().expect("reset");
    assert_eq!(thread.join().expect("thread"), ExitReason::Canceled);
    assert_eq!(m.get(Name::RIP), 0xFFF0);
}

#[test]
fn other_threads_code_changes_are_noticed() {
    // loop: call 0x9000; jmp loop, while 0x9000 changes from ret to out 0x80,al through the client's interface
    let m = Machine::new(&[0xE8, 0xFD, 0x7F, 0xEB, 0xFB]);
    m.memory.write(0x9000, &[0xC3, 0x90, 0x90]).expect("code");
    let runner = m.vp.clone();
    let thread = std::thread::spawn(move || runner.run().expect("run").reason);
    std::thread::sleep(Duration::from_millis(10));
    m.partition.write_gpa(Gpa(0x9000), &[0xE6, 0x80]).expect("write");
    assert!(matches!(thread.join().expect("thread"), ExitReason::IoPort(io) if io.port == 0x80));
}
