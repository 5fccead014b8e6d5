//! Every x64 exit that needs no local APIC.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;
use rustix::mm::MprotectFlags;
use rustix::mm::ProtFlags;

use super::cases;
use crate::Engine;
use crate::Machine;
use crate::Memory;
use crate::call;
use crate::coverage::need;
use crate::machine::CODE;
use crate::machine::MEMORY;
use crate::machine::PAGE;
use crate::machine::RWX;
use crate::machine::flat_segment;
use crate::machine::word;

cases! { "exits":
    every_exit_carries_the_processor_context from "exits.md 1.1",
    an_unmapped_read_names_address_and_bytes from "exits.md 2.3",
    an_unmapped_write_says_so from "exits.md 2.3",
    an_unmapped_fetch_says_so from "exits.md 2.3",
    a_write_to_read_only_memory_is_no_unmapped_access from "exits.md 2.3 (b)",
    a_read_modify_write_is_a_write_only_where_writing_is_refused from "exits.md 2.3",
    a_fetch_without_execute_exits from "exits.md 2.3 (b), memory.md 1.1",
    host_memory_without_access_exits_and_can_be_repaired from "exits.md 2.3 (c), memory.md 1.2",
    mapping_and_running_again_restarts_the_instruction from "exits.md 2.3 completion (ii)",
    a_split_access_names_the_first_missing_byte from "exits.md 2.3",
    a_page_table_access_names_the_table from "exits.md 2.3",
    port_writes_carry_value_and_port from "exits.md 2.4",
    port_reads_are_completed_by_registers from "exits.md 2.4",
    string_port_accesses_say_so from "exits.md 2.4",
    a_port_access_exits_again_until_it_is_completed from "exits.md 2.4",
    halting_stands_behind_the_instruction from "exits.md 2.9",
    a_triple_fault_is_unrecoverable from "exits.md 2.6",
    an_unrecoverable_processor_stays_so from "exits.md 2.6",
    an_impossible_state_is_an_invalid_register from "exits.md 2.5",
    msr_accesses_exit_when_switched_on from "exits.md 2.10, 4",
    unhandled_msrs_fault_without_the_exit from "exits.md 4",
    the_msr_bitmap_can_silence_unhandled_msrs from "exits.md 4, Q6",
    msr_actions_come_first from "exits.md 4",
    tsc_writes_exit_on_demand from "exits.md 4",
    cpuid_exits_with_its_default_result from "exits.md 2.12",
    the_cpuid_list_limits_exits from "exits.md 2.12, Q28",
    rdtsc_exits_with_the_time from "exits.md 2.13",
    breakpoints_stand_at_the_instruction from "exits.md 2.11",
    page_faults_carry_their_address from "exits.md 2.11, Q40",
    single_steps_stand_at_the_next_instruction from "exits.md 2.11",
    exceptions_outside_the_bitmap_reach_the_guest from "exits.md 2.11",
    first_touches_exit_on_demand from "exits.md 2.3, GpaAccessFaultExit",
}

/// mov al, [0x8000] with DS based at 0x10_0000: the byte at 0x10_8000, behind the machine's memory.
const READ_BEHIND: [u8; 3] = [0xA0, 0x00, 0x80];
/// mov [0x8000], al.
const WRITE_BEHIND: [u8; 3] = [0xA2, 0x00, 0x80];
const BEHIND: u64 = MEMORY + 0x8000;

fn with_far_data(engine: &Engine, code: &[u8]) -> Machine {
    let machine = Machine::real_mode(engine, code, |_| ());
    machine.set(0, &[(WHvX64RegisterDs, flat_segment(0, MEMORY, 0xFFFF, 0x93))]);
    machine
}

fn every_exit_carries_the_processor_context(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ()); // hlt
    machine.set64(0, WHvX64RegisterRflags, 0x242);
    let context = machine.run_to(0, WHvRunVpExitReasonX64Halt);
    let vp = context.VpContext();
    assert_eq!(vp.Rip(), CODE + 1);
    assert_eq!(vp.Rflags(), 0x242);
    assert_eq!(vp.Cs(), machine.get(0, WHvX64RegisterCs).Segment());
    assert_eq!(
        (vp.ExecutionState().Cpl(), vp.ExecutionState().Cr0Pe(), vp.ExecutionState().EferLma()),
        (0, 0, 0)
    );
    assert_eq!(vp.InstructionLength(), 0);
}

fn an_unmapped_read_names_address_and_bytes(engine: &Engine) {
    let machine = with_far_data(engine, &READ_BEHIND);
    let context = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    let access = context.MemoryAccess();
    assert_eq!(context.VpContext().Rip(), CODE);
    assert_eq!(access.Gpa, BEHIND);
    assert_eq!((access.AccessInfo.GvaValid(), access.Gva), (1, BEHIND));
    assert_eq!(access.AccessInfo.AccessType(), WHvMemoryAccessRead.0);
    assert_eq!(access.AccessInfo.GpaUnmapped(), 1);
    assert!((3..=16).contains(&access.InstructionByteCount));
    assert_eq!(access.InstructionBytes[..3], READ_BEHIND);
}

fn an_unmapped_write_says_so(engine: &Engine) {
    let machine = with_far_data(engine, &WRITE_BEHIND);
    let access = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!(access.Gpa, BEHIND);
    assert_eq!(access.AccessInfo.AccessType(), WHvMemoryAccessWrite.0);
    assert_eq!(access.AccessInfo.GpaUnmapped(), 1);
}

fn an_unmapped_fetch_says_so(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[], |_| ());
    machine.set(0, &[(WHvX64RegisterCs, flat_segment(0, MEMORY, 0xFFFF, 0x9B))]);
    let context = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    let access = context.MemoryAccess();
    assert_eq!(access.Gpa, MEMORY + CODE);
    assert_eq!(access.AccessInfo.AccessType(), WHvMemoryAccessExecute.0);
    assert_eq!(access.InstructionByteCount, 0);
    assert_eq!(context.VpContext().Rip(), CODE);
}

fn a_write_to_read_only_memory_is_no_unmapped_access(engine: &Engine) {
    let machine = Machine::real_mode(engine, &WRITE_BEHIND, |_| ());
    assert_eq!(machine.map(0x8000, 0x8000, PAGE, WHvMapGpaRangeFlagRead), S_OK);
    machine.memory.write(0x8000, &[0x55]);
    let context = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    let access = context.MemoryAccess();
    assert_eq!(access.Gpa, 0x8000);
    assert_eq!(access.AccessInfo.AccessType(), WHvMemoryAccessWrite.0);
    assert_eq!(access.AccessInfo.GpaUnmapped(), 0);
    assert_eq!(machine.memory.read(0x8000, 1), [0x55]);
    assert_eq!(context.VpContext().Rip(), CODE);
}

fn a_read_modify_write_is_a_write_only_where_writing_is_refused(engine: &Engine) {
    let code = [0xFE, 0x06, 0x00, 0x80, 0xF4]; // inc byte [0x8000]; hlt
    let machine = with_far_data(engine, &code);
    let access = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!((access.Gpa, access.AccessInfo.GpaUnmapped()), (BEHIND, 1));
    assert_eq!(access.AccessInfo.AccessType(), WHvMemoryAccessRead.0);
    let machine = Machine::real_mode(engine, &code, |_| ());
    assert_eq!(machine.map(0x8000, 0x8000, PAGE, WHvMapGpaRangeFlagRead), S_OK);
    let access = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!((access.Gpa, access.AccessInfo.GpaUnmapped()), (0x8000, 0));
    assert_eq!(access.AccessInfo.AccessType(), WHvMemoryAccessWrite.0);
    assert_eq!(machine.memory.read(0x8000, 1), [0]);
}

fn a_fetch_without_execute_exits(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    assert_eq!(machine.map(CODE, CODE, PAGE, WHV_MAP_GPA_RANGE_FLAGS(3)), S_OK);
    let access = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!(access.Gpa, CODE);
    assert_eq!(access.AccessInfo.AccessType(), WHvMemoryAccessExecute.0);
    assert_eq!(access.AccessInfo.GpaUnmapped(), 0);
    assert_eq!(machine.map(CODE, CODE, PAGE, RWX), S_OK);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn host_memory_without_access_exits_and_can_be_repaired(engine: &Engine) {
    let code = [0xA0, 0x00, 0x80, 0xF4]; // mov al, [0x8000]; hlt
    let reserved = Memory::protected(PAGE, ProtFlags::empty());
    let machine = with_far_data(engine, &code);
    let source = reserved.address();
    assert_eq!(call!(engine.api, WHvMapGpaRange(machine.partition, source, BEHIND, PAGE, RWX)), S_OK);
    let access = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!((access.Gpa, access.AccessInfo.GpaUnmapped()), (BEHIND, 0));
    reserved.protect(MprotectFlags::READ | MprotectFlags::WRITE);
    reserved.write(0, &[0x42]);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(machine.get64(0, WHvX64RegisterRax) & 0xFF, 0x42);
    drop(machine);
}

fn mapping_and_running_again_restarts_the_instruction(engine: &Engine) {
    let machine = with_far_data(engine, &[0xA2, 0x00, 0x80, 0xF4]); // mov [0x8000], al; hlt
    machine.set64(0, WHvX64RegisterRax, 0x99);
    machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    assert_eq!(machine.map(BEHIND, 0x9000, PAGE, RWX), S_OK);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(machine.memory.read(0x9000, 1), [0x99]);
}

fn a_split_access_names_the_first_missing_byte(engine: &Engine) {
    let code = [0x66, 0xA1, 0xFE, 0x8F, 0xF4]; // mov eax, [0x8ffe]; hlt
    let machine = with_far_data(engine, &code);
    assert_eq!(machine.map(BEHIND, 0x9000, PAGE, RWX), S_OK);
    let access = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!(access.Gpa, BEHIND + PAGE);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0);
}

fn a_page_table_access_names_the_table(engine: &Engine) {
    let machine = protected_mode(engine, &[0xA1, 0x00, 0x00, 0x40, 0x00, 0xF4], |_| ()); // mov eax, [0x400000]
    enable_paging(&machine);
    machine.memory.write(0x10004, &0x7000_0007_u32.to_le_bytes());
    let access = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!(access.Gpa, 0x7000_0000);
    assert_eq!((access.AccessInfo.GvaValid(), access.Gva), (1, 0x40_0000));
}

fn port_writes_carry_value_and_port(engine: &Engine) {
    let code = [0xBA, 0xF8, 0x03, 0xB8, 0x34, 0x12, 0xEE, 0xEF, 0x66, 0xEF, 0xF4]; // out dx, al/ax/eax
    let machine = Machine::real_mode(engine, &code, |_| ());
    for (at, size, length) in [(6, 1, 1), (7, 2, 1), (8, 4, 2)] {
        let context = machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
        let access = context.IoPortAccess();
        assert_eq!(context.VpContext().Rip(), CODE + at);
        assert_eq!(u64::from(context.VpContext().InstructionLength()), length);
        assert_eq!((access.AccessInfo.IsWrite(), access.AccessInfo.AccessSize()), (1, size));
        assert_eq!((access.AccessInfo.StringOp(), access.AccessInfo.RepPrefix()), (0, 0));
        assert_eq!((access.PortNumber, access.Rax), (0x3F8, 0x1234));
        assert_eq!(u64::from(access.InstructionBytes[0]), u64::from(code[at as usize]));
        machine.set64(0, WHvX64RegisterRip, CODE + at + length);
    }
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn port_reads_are_completed_by_registers(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xE4, 0x60, 0xF4], |_| ()); // in al, 0x60; hlt
    let context = machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    let access = context.IoPortAccess();
    assert_eq!((access.AccessInfo.IsWrite(), access.AccessInfo.AccessSize()), (0, 1));
    assert_eq!(access.PortNumber, 0x60);
    machine.set64(0, WHvX64RegisterRax, 0x5A);
    machine.set64(0, WHvX64RegisterRip, CODE + 2);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 0x5A);
}

fn string_port_accesses_say_so(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF3, 0x6E, 0xF4], |_| ()); // rep outsb; hlt
    machine.set64(0, WHvX64RegisterRdx, 0x80);
    machine.set64(0, WHvX64RegisterRcx, 3);
    machine.set64(0, WHvX64RegisterRsi, 0x4000);
    let context = machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    let access = context.IoPortAccess();
    assert_eq!((access.AccessInfo.StringOp(), access.AccessInfo.RepPrefix()), (1, 1));
    assert_eq!((access.AccessInfo.IsWrite(), access.AccessInfo.AccessSize()), (1, 1));
    assert_eq!((access.Rcx, access.Rsi, access.PortNumber), (3, 0x4000, 0x80));
    assert_eq!(access.Ds, machine.get(0, WHvX64RegisterDs).Segment());
    assert_eq!(context.VpContext().Rip(), CODE);
    assert_eq!(machine.get64(0, WHvX64RegisterRcx), 3, "no iteration was done");
}

fn a_port_access_exits_again_until_it_is_completed(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xE6, 0x80], |_| ()); // out 0x80, al
    for _ in 0..3 {
        let context = machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
        assert_eq!(context.VpContext().Rip(), CODE);
    }
}

fn halting_stands_behind_the_instruction(engine: &Engine) {
    for flags in [0x2, 0x202] {
        let machine = Machine::real_mode(engine, &[0xF4, 0x40, 0xF4], |_| ()); // hlt; inc ax; hlt
        machine.set64(0, WHvX64RegisterRflags, flags);
        let context = machine.run_to(0, WHvRunVpExitReasonX64Halt);
        assert_eq!(context.VpContext().Rip(), CODE + 1);
        assert_eq!(machine.get64(0, WHvRegisterInternalActivityState), 0);
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
        assert_eq!(machine.get64(0, WHvX64RegisterRax), 1, "the next run goes on");
    }
}

fn triple_fault(engine: &Engine) -> Machine {
    let machine = Machine::real_mode(engine, &[0x90, 0x0F, 0x0B], |_| ()); // nop; ud2
    let table = WHV_X64_TABLE_REGISTER { Base: 0, Limit: 0, ..Default::default() };
    let mut value = WHV_REGISTER_VALUE::default();
    value.set_Table(table);
    machine.set(0, &[(WHvX64RegisterIdtr, value)]);
    machine
}

fn a_triple_fault_is_unrecoverable(engine: &Engine) {
    let machine = triple_fault(engine);
    let context = machine.run_to(0, WHvRunVpExitReasonUnrecoverableException);
    assert_eq!(context.VpContext().Rip(), CODE + 1);
    assert_eq!(machine.get64(0, WHvX64RegisterRip), CODE + 1);
}

fn an_unrecoverable_processor_stays_so(engine: &Engine) {
    let machine = triple_fault(engine);
    machine.run_to(0, WHvRunVpExitReasonUnrecoverableException);
    machine.run_to(0, WHvRunVpExitReasonUnrecoverableException);
    machine.memory.write(CODE + 1, &[0xF4]);
    machine.enter_real_mode(0);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn an_impossible_state_is_an_invalid_register(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0xF4], |_| ());
    let cr0 = machine.get64(0, WHvX64RegisterCr0);
    machine.set64(0, WHvX64RegisterCr0, 0x8000_0010); // paging without protection
    let context = machine.run_to(0, WHvRunVpExitReasonInvalidVpRegisterValue);
    assert_eq!(context.VpContext().Rip(), CODE);
    machine.run_to(0, WHvRunVpExitReasonInvalidVpRegisterValue);
    machine.set64(0, WHvX64RegisterCr0, cr0);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

/// mov ecx, msr; rdmsr; wrmsr; hlt.
fn msr_code(msr: u32) -> Vec<u8> {
    let mut code = vec![0x66, 0xB9];
    code.extend(msr.to_le_bytes());
    code.extend([0x0F, 0x32, 0x0F, 0x30, 0xF4]);
    code
}

fn msr_accesses_exit_when_switched_on(engine: &Engine) {
    let machine = Machine::real_mode(engine, &msr_code(0x1_2345), |machine| {
        machine.enable_exits(|exits| exits.set_X64MsrExit(1));
    });
    let context = machine.run_to(0, WHvRunVpExitReasonX64MsrAccess);
    assert_eq!((context.VpContext().Rip(), context.VpContext().InstructionLength()), (CODE + 6, 2));
    let access = context.MsrAccess();
    assert_eq!((access.AccessInfo.IsWrite(), access.MsrNumber), (0, 0x1_2345));
    machine.set(
        0,
        &[
            (WHvX64RegisterRax, word(0x1111)),
            (WHvX64RegisterRdx, word(0x2222)),
            (WHvX64RegisterRip, word(CODE + 8)),
        ],
    );
    let access = machine.run_to(0, WHvRunVpExitReasonX64MsrAccess).MsrAccess();
    assert_eq!((access.AccessInfo.IsWrite(), access.Rax, access.Rdx), (1, 0x1111, 0x2222));
    machine.set64(0, WHvX64RegisterRip, CODE + 10);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

/// Vector 13 leads to a HLT at 0x5000.
fn catch_general_protection(machine: &Machine) {
    machine.memory.write(13 * 4, &[0x00, 0x50, 0x00, 0x00]);
    machine.memory.write(0x5000, &[0xF4]);
}

fn unhandled_msrs_fault_without_the_exit(engine: &Engine) {
    let machine = Machine::real_mode(engine, &msr_code(0x1_2345), |_| ());
    catch_general_protection(&machine);
    let context = machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(context.VpContext().Rip(), 0x5001);
}

fn the_msr_bitmap_can_silence_unhandled_msrs(engine: &Engine) {
    let machine = Machine::real_mode(engine, &msr_code(0x1_2345), |machine| {
        machine.enable_exits(|exits| exits.set_X64MsrExit(1));
        machine.configure(WHvPartitionPropertyCodeX64MsrExitBitmap, &0_u64);
    });
    catch_general_protection(&machine);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), 0x5001);
}

fn msr_actions_come_first(engine: &Engine) {
    let ignored = Machine::real_mode(engine, &msr_code(0x1_2345), |machine| {
        let entry = WHV_MSR_ACTION_ENTRY { Index: 0x1_2345, ReadAction: 1, WriteAction: 1, Reserved: 0 };
        machine.configure(WHvPartitionPropertyCodeMsrActionList, &[entry]);
    });
    ignored.set(0, &[(WHvX64RegisterRax, word(7)), (WHvX64RegisterRdx, word(7))]);
    ignored.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!((ignored.get64(0, WHvX64RegisterRax), ignored.get64(0, WHvX64RegisterRdx)), (0, 0));
    let forced = Machine::real_mode(engine, &msr_code(0x277), |machine| {
        machine.enable_exits(|exits| exits.set_X64MsrExit(1));
        let entry = WHV_MSR_ACTION_ENTRY { Index: 0x277, ReadAction: 2, WriteAction: 0, Reserved: 0 };
        machine.configure(WHvPartitionPropertyCodeMsrActionList, &[entry]);
    });
    assert_eq!(forced.run_to(0, WHvRunVpExitReasonX64MsrAccess).MsrAccess().MsrNumber, 0x277);
}

fn tsc_writes_exit_on_demand(engine: &Engine) {
    let machine = Machine::real_mode(engine, &msr_code(0x10), |machine| {
        machine.enable_exits(|exits| exits.set_X64MsrExit(1));
        let mut bitmap = WHV_X64_MSR_EXIT_BITMAP::default();
        bitmap.set_TscMsrWrite(1);
        machine.configure(WHvPartitionPropertyCodeX64MsrExitBitmap, &bitmap);
    });
    let access = machine.run_to(0, WHvRunVpExitReasonX64MsrAccess).MsrAccess();
    assert_eq!((access.AccessInfo.IsWrite(), access.MsrNumber), (1, 0x10));
}

fn cpuid_exits_with_its_default_result(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0x0F, 0xA2, 0xF4], |machine| {
        machine.enable_exits(|exits| exits.set_X64CpuidExit(1));
    });
    machine.set(
        0,
        &[
            (WHvX64RegisterRax, word(0xAAAA_0000_0000_0001)),
            (WHvX64RegisterRbx, word(0xBB)),
            (WHvX64RegisterRcx, word(0xCC)),
            (WHvX64RegisterRdx, word(0xDD)),
        ],
    );
    let context = machine.run_to(0, WHvRunVpExitReasonX64Cpuid);
    assert_eq!((context.VpContext().Rip(), context.VpContext().InstructionLength()), (CODE, 2));
    let access = context.CpuidAccess();
    assert_eq!((access.Rax, access.Rbx), (0xAAAA_0000_0000_0001, 0xBB));
    assert_eq!((access.Rcx, access.Rdx), (0xCC, 0xDD));
    let mut output = WHV_CPUID_OUTPUT::default();
    let result =
        call!(engine.api, WHvGetVirtualProcessorCpuidOutput(machine.partition, 0, 1, 0xCC, &raw mut output));
    assert_eq!(result, S_OK);
    assert_eq!(access.DefaultResultRax, u64::from(output.Eax));
    assert_eq!(access.DefaultResultRbx, u64::from(output.Ebx));
    assert_eq!(access.DefaultResultRcx, u64::from(output.Ecx));
    assert_eq!(access.DefaultResultRdx, u64::from(output.Edx));
}

fn the_cpuid_list_limits_exits(engine: &Engine) {
    let code = [0x66, 0xB8, 1, 0, 0, 0, 0x0F, 0xA2, 0x66, 0xB8, 7, 0, 0, 0, 0x0F, 0xA2, 0xF4];
    let machine = Machine::real_mode(engine, &code, |machine| {
        machine.enable_exits(|exits| exits.set_X64CpuidExit(1));
        machine.configure(WHvPartitionPropertyCodeCpuidExitList, &[7_u32]);
    });
    let context = machine.run_to(0, WHvRunVpExitReasonX64Cpuid);
    assert_eq!(context.VpContext().Rip(), CODE + 14);
    assert_eq!(context.CpuidAccess().Rax, 7);
}

fn rdtsc_exits_with_the_time(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0x0F, 0x31, 0x0F, 0x01, 0xF9], |machine| {
        machine.enable_exits(|exits| exits.set_X64RdtscExit(1));
    });
    machine.set64(0, WHvX64RegisterTsc, 1 << 40);
    let context = machine.run_to(0, WHvRunVpExitReasonX64Rdtsc);
    assert_eq!((context.VpContext().Rip(), context.VpContext().InstructionLength()), (CODE, 2));
    assert_eq!(context.ReadTsc().RdtscInfo.IsRdtscp(), 0);
    assert!(context.ReadTsc().Tsc >= 1 << 40);
    machine.set64(0, WHvX64RegisterTscAux, 0x55);
    machine.set64(0, WHvX64RegisterRip, CODE + 2);
    let context = machine.run_to(0, WHvRunVpExitReasonX64Rdtsc);
    assert_eq!(context.VpContext().InstructionLength(), 3);
    assert_eq!(context.ReadTsc().RdtscInfo.IsRdtscp(), 1);
    assert_eq!(context.ReadTsc().TscAux, 0x55);
}

fn exits_for(machine: &Machine, exceptions: u64) {
    machine.enable_exits(|exits| exits.set_ExceptionExit(1));
    machine.configure(WHvPartitionPropertyCodeExceptionExitBitmap, &exceptions);
}

fn breakpoints_stand_at_the_instruction(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0x90, 0xCC, 0xF4], |machine| exits_for(machine, 1 << 3));
    let context = machine.run_to(0, WHvRunVpExitReasonException);
    let exception = context.VpException();
    assert_eq!((context.VpContext().Rip(), context.VpContext().InstructionLength()), (CODE + 1, 1));
    assert_eq!(exception.ExceptionType, 3);
    assert_eq!(
        (exception.ExceptionInfo.SoftwareException(), exception.ExceptionInfo.ErrorCodeValid()),
        (1, 0)
    );
    assert_eq!(exception.InstructionBytes[0], 0xCC);
    machine.set64(0, WHvX64RegisterRip, CODE + 2);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

/// One processor in flat 32-bit protected mode at [`CODE`].
pub(super) fn protected_mode(engine: &Engine, code: &[u8], configure: impl FnOnce(&Machine)) -> Machine {
    let machine = Machine::real_mode(engine, code, configure);
    enter_protected_mode(&machine, 0);
    machine
}

/// Puts a processor into 32-bit protected mode at [`CODE`], with flat segments.
pub(super) fn enter_protected_mode(machine: &Machine, vp: u32) {
    let data = flat_segment(0x10, 0, 0xFFFF_FFFF, 0xC093);
    machine.set(
        vp,
        &[
            (WHvX64RegisterCr0, word(0x11)),
            (WHvX64RegisterCs, flat_segment(8, 0, 0xFFFF_FFFF, 0xC09B)),
            (WHvX64RegisterDs, data),
            (WHvX64RegisterEs, data),
            (WHvX64RegisterSs, data),
            (WHvX64RegisterRip, word(CODE)),
        ],
    );
}

/// 32-bit paging over the machine: directory at 0x10000, first 4 MiB mapped one to one by the table at 0x11000.
fn enable_paging(machine: &Machine) {
    for page in 0..1024_u32 {
        machine.memory.write(0x11000 + u64::from(page) * 4, &(page << 12 | 3).to_le_bytes());
    }
    machine.memory.write(0x10000, &0x11003_u32.to_le_bytes());
    machine.set64(0, WHvX64RegisterCr3, 0x10000);
    machine.set64(0, WHvX64RegisterCr0, 0x8000_0011);
}

fn page_faults_carry_their_address(engine: &Engine) {
    let code = [0xA3, 0x34, 0x12, 0x40, 0x00]; // mov [0x401234], eax
    let machine = protected_mode(engine, &code, |machine| exits_for(machine, 1 << 14));
    enable_paging(&machine);
    machine.set64(0, WHvX64RegisterCr2, 0x77);
    let context = machine.run_to(0, WHvRunVpExitReasonException);
    let exception = context.VpException();
    assert_eq!(context.VpContext().Rip(), CODE);
    assert_eq!((exception.ExceptionType, exception.ExceptionParameter), (14, 0x40_1234));
    assert_eq!((exception.ExceptionInfo.ErrorCodeValid(), exception.ErrorCode), (1, 2));
    assert_eq!(machine.get64(0, WHvX64RegisterCr2), 0x77, "the register is not written yet");
}

fn single_steps_stand_at_the_next_instruction(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0x90, 0x90, 0xF4], |machine| exits_for(machine, 1 << 1));
    machine.set64(0, WHvX64RegisterRflags, 0x102);
    let context = machine.run_to(0, WHvRunVpExitReasonException);
    assert_eq!((context.VpException().ExceptionType, context.VpContext().Rip()), (1, CODE + 1));
    assert_eq!(machine.get64(0, WHvX64RegisterDr6) & 0x4000, 0x4000);
}

fn exceptions_outside_the_bitmap_reach_the_guest(engine: &Engine) {
    let machine = Machine::real_mode(engine, &[0x0F, 0x0B], |machine| exits_for(machine, 1 << 3)); // ud2
    machine.memory.write(6 * 4, &[0x00, 0x50, 0x00, 0x00]);
    machine.memory.write(0x5000, &[0xF4]);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), 0x5001);
}

fn first_touches_exit_on_demand(engine: &Engine) {
    let mut offered = WHV_EXTENDED_VM_EXITS::default();
    let start = (&raw mut offered).cast();
    let code = WHvCapabilityCodeExtendedVmExits;
    let result = call!(engine.api, WHvGetCapability(code, start, 8, std::ptr::null_mut()));
    assert_eq!(result, S_OK);
    need(offered.GpaAccessFaultExit() != 0, "GpaAccessFaultExit");
    let machine = Machine::real_mode(engine, &[0xF4], |machine| {
        machine.enable_exits(|exits| exits.set_GpaAccessFaultExit(1));
    });
    let access = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
    assert_eq!((access.Gpa, access.AccessInfo.GpaUnmapped()), (CODE, 0));
    assert_eq!(access.AccessInfo.AccessType(), WHvMemoryAccessExecute.0);
    let range = WHV_MEMORY_RANGE_ENTRY { GuestAddress: access.Gpa, SizeInBytes: 1 };
    let populate = WHV_ADVISE_GPA_RANGE_POPULATE { AccessType: WHvMemoryAccessExecute, ..Default::default() };
    let advised = call!(
        engine.api,
        WHvAdviseGpaRange(
            machine.partition,
            &raw const range,
            1,
            WHvAdviseGpaRangeCodePopulate,
            (&raw const populate).cast(),
            8
        )
    );
    assert_eq!(advised, S_OK);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}
