//! Counters.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::Memory;
use crate::call;
use crate::machine::CODE;
use crate::machine::RWX;
use crate::running::PATIENCE;

cases! { "counters":
    partition_memory_counts_mapped_pages from "interrupts-and-notifications.md 10",
    every_set_has_its_size from "interrupts-and-notifications.md 10",
    unknown_sets_are_unknown_properties from "functions.md 5",
    each_port_exit_is_counted from "interrupts-and-notifications.md 10",
    an_older_intercept_set_is_truncated from "interrupts-and-notifications.md 10",
    large_mappings_are_counted_by_page_size from "interrupts-and-notifications.md 10",
    accesses_handled_inside_are_counted from "interrupts-and-notifications.md 10",
    the_time_of_an_intercept_is_that_until_the_next_run from "interrupts-and-notifications.md 10",
    counters_never_go_backwards from "functions.md 5.2",
    the_hypervisors_part_is_no_more_than_the_whole from "interrupts-and-notifications.md 10",
    run_time_grows from "interrupts-and-notifications.md 10",
}

fn processor(machine: &Machine, set: u32, size: usize) -> (HRESULT, Vec<u8>, u32) {
    let (mut buffer, mut written) = (vec![0xAA; size], 0xDEAD);
    let start = buffer.as_mut_ptr().cast();
    let set = WHV_PROCESSOR_COUNTER_SET(set);
    let result = call!(
        machine.api,
        WHvGetVirtualProcessorCounters(machine.partition, 0, set, start, size as u32, &raw mut written)
    );
    (result, buffer, written)
}

fn partition(machine: &Machine, set: u32, size: usize) -> (HRESULT, Vec<u8>, u32) {
    let (mut buffer, mut written) = (vec![0xAA; size], 0xDEAD);
    let start = buffer.as_mut_ptr().cast();
    let set = WHV_PARTITION_COUNTER_SET(set);
    let result = call!(
        machine.api,
        WHvGetPartitionCounters(machine.partition, set, start, size as u32, &raw mut written)
    );
    (result, buffer, written)
}

fn long_at(blob: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(blob[offset..offset + 8].try_into().expect("eight bytes"))
}

fn partition_memory_counts_mapped_pages(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    let (result, buffer, written) = partition(&machine, 0, 24);
    assert_eq!((result, written), (S_OK, 24));
    let small = long_at(&buffer, 0) + long_at(&buffer, 8) * 512 + long_at(&buffer, 16) * 512 * 512;
    assert!(small <= 256, "{small}");
    assert_eq!(partition(&machine, 0, 8), (WHV_E_INSUFFICIENT_BUFFER, vec![0xAA; 8], 24));
}

fn every_set_has_its_size(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    for (set, size) in [(0, 16), (1, 224), (2, 24), (3, 40), (4, 48)] {
        let (result, buffer, written) = processor(&machine, set, 256);
        assert_eq!((result, written), (S_OK, size), "{set}");
        assert!(buffer[size as usize..].iter().all(|byte| *byte == 0xAA), "{set}");
        assert_eq!(processor(&machine, set, 0), (WHV_E_INSUFFICIENT_BUFFER, vec![], size), "{set}");
    }
}

fn unknown_sets_are_unknown_properties(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    for set in [5, 6, u32::MAX] {
        assert_eq!(processor(&machine, set, 256).0, WHV_E_UNKNOWN_PROPERTY, "{set}");
    }
    assert_eq!(partition(&machine, 1, 256).0, WHV_E_UNKNOWN_PROPERTY);
}

fn each_port_exit_is_counted(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xE6, 0x80, 0xE6, 0x80, 0xE6, 0x80], |_| ()); // out 0x80, al; ...
    let ports = |machine: &Machine| long_at(&processor(machine, 1, 224).1, 32);
    let before = ports(&machine);
    for _ in 0..3 {
        let context = machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
        machine.set64(0, WHvX64RegisterRip, context.VpContext().Rip() + 2);
    }
    assert_eq!(ports(&machine) - before, 3);
}

fn an_older_intercept_set_is_truncated(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    let (result, _, written) = processor(&machine, 1, 176);
    assert_eq!((result, written), (S_OK, 176));
    assert_eq!(processor(&machine, 1, 175).0, WHV_E_INSUFFICIENT_BUFFER);
}

fn run_time_grows(engine: &Engine) {
    // mov cx, 0xffff; loop $; hlt
    let machine = Machine::real_mode(engine, &[0xB9, 0xFF, 0xFF, 0xE2, 0xFE, 0xF4], |_| ());
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    let (_, first, _) = processor(&machine, 0, 16);
    assert!(long_at(&first, 8) <= long_at(&first, 0), "the hypervisor's part is no more than the whole");
    let mut before = long_at(&first, 0);
    // The clock may be a coarse one: a run as short as these need not reach its next tick.
    for _ in 0..1000 {
        machine.enter_real_mode(0);
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
        let (_, now, _) = processor(&machine, 0, 16);
        assert!(long_at(&now, 0) >= before);
        before = long_at(&now, 0);
        if before > long_at(&first, 0) {
            return;
        }
    }
    panic!("no run time in a thousand runs");
}

fn large_mappings_are_counted_by_page_size(engine: &Engine) {
    const LARGE: u64 = 2 << 20;
    let machine = Machine::set_up(engine, 1, |_| ());
    let memory = Memory::new(4 * LARGE);
    let start = memory.address() as u64;
    let offset = start.next_multiple_of(LARGE) - start;
    let source = memory.address().wrapping_byte_add(usize::try_from(offset).expect("an offset"));
    let map = |gpa, size| call!(machine.api, WHvMapGpaRange(machine.partition, source, gpa, size, RWX));
    let count = || {
        let blob = partition(&machine, 0, 24).1;
        [0, 8, 16].map(|offset| long_at(&blob, offset))
    };
    assert_eq!(map(16 * LARGE, 2 * LARGE + 0x3000), S_OK);
    let aligned = count();
    assert!(aligned == [3, 2, 0] || aligned == [1027, 0, 0], "{aligned:?}");
    // A guest address that does not fit the host's: small pages only.
    assert_eq!(call!(machine.api, WHvUnmapGpaRange(machine.partition, 16 * LARGE, 4 * LARGE)), S_OK);
    assert_eq!(map(16 * LARGE + 0x1000, LARGE), S_OK);
    assert_eq!(count(), [512, 0, 0]);
    drop(machine);
}

/// Count and time of one intercept, by its place in the set.
fn intercept(machine: &Machine, index: usize) -> (u64, u64) {
    let blob = processor(machine, 1, 224).1;
    (long_at(&blob, index * 16), long_at(&blob, index * 16 + 8))
}

fn accesses_handled_inside_are_counted(engine: &Engine) {
    // mov eax, cr0; mov cr0, eax; mov eax, dr7; mov dr7, eax; invlpg [0]; cpuid; hlt
    let code = [
        0x0F, 0x20, 0xC0, 0x0F, 0x22, 0xC0, 0x0F, 0x21, 0xF8, 0x0F, 0x23, 0xF8, 0x0F, 0x01, 0x3E, 0, 0, 0x0F,
        0xA2, 0xF4,
    ];
    let machine = Machine::real_mode(engine, &code, |_| ());
    let count = || [0, 1, 9, 4].map(|index| intercept(&machine, index).0);
    let before = count();
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    let counted: Vec<_> = before.iter().zip(count()).map(|(before, after)| after - before).collect();
    assert_eq!(counted, [1, 2, 2, 1], "invalidations, control and debug registers, CPUID");
    assert_eq!(intercept(&machine, 3).0, 1, "halts");
}

fn the_time_of_an_intercept_is_that_until_the_next_run(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xE6, 0x80, 0xF4], |_| ()); // out 0x80, al; hlt
    machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    std::thread::sleep(std::time::Duration::from_millis(30));
    machine.set64(0, WHvX64RegisterRip, CODE + 2);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    let (count, time) = intercept(&machine, 2);
    assert_eq!(count, 1);
    // A coarse clock may lag by some milliseconds.
    assert!(time >= 150_000, "{time} units of 100 ns for a handler that took 30 ms");
}

fn counters_never_go_backwards(engine: &Engine) {
    // A loop of port writes that the other thread watches.
    let machine = Machine::real_mode(engine, &[0xE6, 0x80, 0xEB, 0xFC], |_| ());
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| {
            for _ in 0..2000 {
                let context = machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
                machine.set64(0, WHvX64RegisterRip, context.VpContext().Rip() + 2);
            }
        });
        let mut last = [16, 224, 24, 40, 48].map(|size| vec![0; size]);
        while !runner.is_finished() {
            for (set, before) in last.iter_mut().enumerate() {
                let now = processor(&machine, set as u32, before.len()).1;
                let is_growing = (0..now.len()).step_by(8).all(|at| long_at(&now, at) >= long_at(before, at));
                assert!(is_growing, "set {set}: {before:?} then {now:?}");
                *before = now;
            }
        }
    });
    assert_eq!(intercept(&machine, 2).0, 2000);
}

fn the_hypervisors_part_is_no_more_than_the_whole(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xE6, 0x80, 0xEB, 0xFC], |_| ());
    let start = std::time::Instant::now();
    let times = || {
        let blob = processor(&machine, 0, 16).1;
        (long_at(&blob, 0), long_at(&blob, 8))
    };
    // Until the clock that both are measured with has moved.
    while times().1 == 0 && start.elapsed() < PATIENCE {
        for _ in 0..500 {
            let context = machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
            machine.set64(0, WHvX64RegisterRip, context.VpContext().Rip() + 2);
        }
    }
    let (total, part) = times();
    assert!(0 < part && part <= total, "{part} of {total}");
}
