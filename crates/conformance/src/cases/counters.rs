//! Counters.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::call;

cases! { "counters":
    partition_memory_counts_mapped_pages from "interrupts-and-notifications.md 10",
    every_set_has_its_size from "interrupts-and-notifications.md 10",
    unknown_sets_are_unknown_properties from "functions.md 5",
    each_port_exit_is_counted from "interrupts-and-notifications.md 10",
    an_older_intercept_set_is_truncated from "interrupts-and-notifications.md 10",
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
    machine.enter_real_mode(0);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    let (_, second, _) = processor(&machine, 0, 16);
    assert!(long_at(&second, 0) >= long_at(&first, 0));
    assert!(long_at(&second, 0) > 0);
}
