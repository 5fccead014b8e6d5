//! A snapshot fuzzer: one processor without APIC, memory that is read and executed until it is written, restores
//! between runs, page faults that it injects itself.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::habits::*;
use crate::Engine;
use crate::Machine;
use crate::machine::CODE;
use crate::machine::PAGE;
use crate::machine::RWX;
use crate::machine::flat_segment;
use crate::machine::word;

cases! { "habits of snapshot fuzzers":
    writes_to_read_and_execute_pages_show_what_is_dirty from "clients.md 3 wtf, memory.md 1.1",
    a_restored_snapshot_runs_the_same_way_again from "clients.md 3 wtf",
    a_page_fault_is_injected_with_its_address from "clients.md 4 wtf, exits.md 5.3",
    a_cleared_event_is_not_delivered from "clients.md 3 wtf, exits.md 5.3",
    bad_registers_are_found_by_the_run from "clients.md 3 wtf, functions.md 3.5",
    addresses_are_translated_through_the_guest_tables from "clients.md 3 wtf, memory.md 5",
    code_is_changed_through_the_clients_own_pointer from "memory.md 1.2",
    code_read_by_a_device_is_seen_after_its_interrupt from "memory.md 1.2",
    breakpoints_end_a_run_and_are_stepped_over from "clients.md 2 wtf, exits.md 2.11",
}

const READ_EXECUTE: WHV_MAP_GPA_RANGE_FLAGS = WHV_MAP_GPA_RANGE_FLAGS(5);

fn machine(engine: &Engine, code: &[u8], exceptions: u64) -> Machine {
    long_mode(engine, code, |machine| {
        configure(
            machine,
            WHvPartitionPropertyCodeExtendedVmExits,
            &exits(engine, |e| e.set_ExceptionExit(1)),
        );
        configure(machine, WHvPartitionPropertyCodeExceptionExitBitmap, &exceptions);
    })
}

/// mov dword [0x30000], 1; mov dword [0x31008], 2; mov dword [0x30010], 3; hlt.
const STORES: [u8; 34] = [
    0xC7, 0x04, 0x25, 0x00, 0x00, 0x03, 0x00, 1, 0, 0, 0, //
    0xC7, 0x04, 0x25, 0x08, 0x10, 0x03, 0x00, 2, 0, 0, 0, //
    0xC7, 0x04, 0x25, 0x10, 0x00, 0x03, 0x00, 3, 0, 0, 0, //
    0xF4,
];

/// Runs to HLT; opens each page at its first write and lists them.
fn run_and_list_writes(machine: &Machine) -> Vec<u64> {
    let mut pages = Vec::new();
    loop {
        let context = machine.try_run(0).expect("the processor runs");
        match context.ExitReason() {
            WHvRunVpExitReasonMemoryAccess => {
                let access = context.MemoryAccess();
                assert_eq!(access.AccessInfo.AccessType(), WHvMemoryAccessWrite.0);
                assert_eq!(access.AccessInfo.GpaUnmapped(), 0);
                let page = access.Gpa & !0xFFF;
                assert_eq!(machine.map(page, page, PAGE, RWX), S_OK);
                pages.push(page);
            }
            WHvRunVpExitReasonX64Halt => return pages,
            _ => panic!("{context:?}"),
        }
    }
}

fn writes_to_read_and_execute_pages_show_what_is_dirty(engine: &Engine) {
    let machine = machine(engine, &STORES, 0);
    assert_eq!(machine.map(0x2_0000, 0x2_0000, 0x2_0000, READ_EXECUTE), S_OK);
    assert_eq!(run_and_list_writes(&machine), [0x3_0000, 0x3_1000]);
    assert_eq!(machine.memory.read(0x3_0010, 1), [3]);
}

fn a_restored_snapshot_runs_the_same_way_again(engine: &Engine) {
    let machine = machine(engine, &STORES, 0);
    let names: Vec<_> = (0..18).map(WHV_REGISTER_NAME).collect();
    let registers = machine.try_get(0, &names).expect("registers");
    for _ in 0..50 {
        assert_eq!(machine.map(0x2_0000, 0x2_0000, 0x2_0000, READ_EXECUTE), S_OK);
        assert_eq!(run_and_list_writes(&machine), [0x3_0000, 0x3_1000]);
        machine.memory.write(0x3_0000, &[0; 0x2000]);
        let pairs: Vec<_> = names.iter().copied().zip(registers.iter().copied()).collect();
        machine.set(0, &pairs);
        machine.set64(0, WHvRegisterPendingEvent, 0);
    }
}

fn a_page_fault_is_injected_with_its_address(engine: &Engine) {
    let machine = machine(engine, &[0xF4], 0);
    // Handler: pop rbx (the error code); mov rax, cr2; hlt.
    gate(&machine, 14, 0x9000, &[0x5B, 0x0F, 0x20, 0xD0, 0xF4]);
    machine.set(0, &[(WHvRegisterPendingEvent, exception(14, Some(6), 0x7FFF_1234_5678))]);
    let context = machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(context.VpContext().Rip(), 0x9005);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0x7FFF_1234_5678);
    assert_eq!(machine.get64(0, WHvX64RegisterRbx), 6);
}

fn a_cleared_event_is_not_delivered(engine: &Engine) {
    let machine = machine(engine, &[0xF4], 0);
    machine.set(0, &[(WHvRegisterPendingEvent, exception(14, Some(6), 0x1000))]);
    machine.set64(0, WHvRegisterPendingEvent, 0);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), CODE + 1);
    assert_eq!(machine.get64(0, WHvX64RegisterCr2), 0);
}

fn bad_registers_are_found_by_the_run(engine: &Engine) {
    let machine = machine(engine, &[0xF4], 0);
    let good = machine.get(0, WHvX64RegisterCs);
    // Code that is both 16-bit-default and long, which no processor can be in.
    machine.set(0, &[(WHvX64RegisterCs, flat_segment(8, 0, 0xFFFF_FFFF, 0xE09B))]);
    let context = machine.run_to(0, WHvRunVpExitReasonInvalidVpRegisterValue);
    assert_eq!(context.VpContext().Rip(), CODE);
    machine.set(0, &[(WHvX64RegisterCs, good), (WHvX64RegisterEfer, word(0x901))]); // LMA without its enable
    machine.run_to(0, WHvRunVpExitReasonInvalidVpRegisterValue);
    machine.set64(0, WHvX64RegisterEfer, 0xD01);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn addresses_are_translated_through_the_guest_tables(engine: &Engine) {
    let machine = machine(engine, &[0xF4], 0);
    assert_eq!(translate(&machine, 0, 0x2345, 1), (0, 0x2345));
    // 4 KiB page at virtual 0x4000_0000 (entry 1 of the third level): 0x3_4000, read-only.
    machine.memory.write_u64(0x1_1008, 0x3_0007);
    machine.memory.write_u64(0x3_0000, 0x3_1007);
    machine.memory.write_u64(0x3_1000, 0x3_4005);
    machine.set64(0, WHvX64RegisterCr0, 0x8001_0033);
    assert_eq!(translate(&machine, 0, 0x4000_0123, 1), (0, 0x3_4123));
    assert_eq!(translate(&machine, 0, 0x4000_0123, 2).0, 2, "a privilege violation");
    assert_eq!(translate(&machine, 0, 0x4000_1123, 1).0, 1, "not present");
}

fn breakpoints_end_a_run_and_are_stepped_over(engine: &Engine) {
    let machine = machine(engine, &[0x90, 0x90, 0xFF, 0xC0, 0xF4], 1 << 3 | 1 << 1); // nop; nop; inc eax; hlt
    machine.memory.write(CODE + 1, &[0xCC]);
    let context = machine.run_to(0, WHvRunVpExitReasonException);
    assert_eq!((context.VpContext().Rip(), context.VpException().ExceptionType), (CODE + 1, 3));
    // Put the instruction back, step once, put the breakpoint back.
    machine.memory.write(CODE + 1, &[0x90]);
    machine.set64(0, WHvX64RegisterRflags, 0x102);
    let context = machine.run_to(0, WHvRunVpExitReasonException);
    assert_eq!((context.VpContext().Rip(), context.VpException().ExceptionType), (CODE + 2, 1));
    machine.memory.write(CODE + 1, &[0xCC]);
    machine.set64(0, WHvX64RegisterRflags, 2);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 1);
}

/// inc eax; out 0x80, al; and a second version that adds 16.
fn code_is_changed_through_the_clients_own_pointer(engine: &Engine) {
    let machine = machine(engine, &[0xFF, 0xC0, 0xE6, 0x80], 0);
    let (first, second) = ([0xFF, 0xC0, 0xE6, 0x80], [0x04, 0x10, 0xE6, 0x80]);
    let mut expected = 0;
    for round in 0..20 {
        let (code, step) = if round % 3 == 0 { (first, 1) } else { (second, 16) };
        machine.memory.write(CODE, &code);
        machine.set64(0, WHvX64RegisterRip, CODE);
        expected += step;
        assert_eq!(run_to_output(&machine, 0), (0x80, expected & 0xFF), "round {round}");
    }
}

fn code_read_by_a_device_is_seen_after_its_interrupt(engine: &Engine) {
    // sti; L: call 0x5000; mov [0x3000], al; jmp L. At 0x5000: mov al, 1; ret.
    let code = [0xFB, 0xE8, 0xFA, 0x3F, 0, 0, 0x88, 0x04, 0x25, 0, 0x30, 0, 0, 0xEB, 0xF2];
    let machine = long_mode(engine, &code, |machine| machine.use_apic(WHvX64LocalApicEmulationModeXApic));
    machine.memory.write(0x5000, &[0xB0, 1, 0xC3]);
    change_apic(&machine, 0, &[(0xF0, 0x1FF)]);
    gate(&machine, 0x40, 0x9000, &[0xFE, 0x04, 0x25, 0, 0x31, 0, 0, 0x48, 0xCF]); // inc byte [0x3100]; iretq
    let wait = |address: u64, value: u8| {
        while machine.memory.read(address, 1) != [value] {
            std::thread::yield_now();
        }
    };
    let context = machine.while_running(0, || {
        wait(0x3000, 1);
        machine.memory.write(0x5001, &[2]);
        assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, 0x40), S_OK);
        wait(0x3100, 1);
        wait(0x3000, 2);
        machine.cancel(0);
    });
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
}
