//! Rights of mappings, and what a memory exit says about a refused access.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::long;
use super::long::HANDLER;
use super::long::STACK;
use super::long::TARGET;
use super::long::TARGET_TABLE;
use crate::Engine;
use crate::Machine;
use crate::Memory;
use crate::call;
use crate::machine::CODE;
use crate::machine::PAGE;
use crate::machine::word;

cases! { "memory rights":
    every_combination_of_rights_is_enforced from "memory.md 1.1, exits.md 2.3, Q30",
    rights_hold_for_pages_in_use from "memory.md 1.1",
    unmapped_pages_say_so from "exits.md 2.3",
    tracking_alone_gives_no_right from "memory.md 1.1",
    implicit_accesses_need_rights_too from "memory.md 1.1, exits.md 2.3",
    a_split_access_reports_its_first_forbidden_byte from "exits.md 2.3",
    string_instructions_keep_their_finished_iterations from "exits.md 2.3",
    page_walks_report_the_table_entry from "exits.md 2.3, memory.md 5",
    interrupted_deliveries_are_kept_and_can_be_dropped from "exits.md 2.3, 5.2",
    a_delivered_interrupt_is_not_lost_in_an_exit from "exits.md 2.3, 5.2",
    instruction_bytes_end_where_fetching_ends from "exits.md 2.3",
    a_remapped_page_works_at_once_with_its_new_rights from "memory.md 1.3",
}

const READ: WHV_MEMORY_ACCESS_TYPE = WHvMemoryAccessRead;
const WRITE: WHV_MEMORY_ACCESS_TYPE = WHvMemoryAccessWrite;
const EXECUTE: WHV_MEMORY_ACCESS_TYPE = WHvMemoryAccessExecute;

/// Byte in the page that accesses go to.
const AT: u64 = 0x124;

fn exit_of(machine: &Machine) -> (WHV_MEMORY_ACCESS_TYPE, u64, u32) {
    let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    let access = exit.MemoryAccess();
    assert_eq!((access.AccessInfo.GvaValid(), exit.VpContext().InstructionLength()), (1, 0));
    (WHV_MEMORY_ACCESS_TYPE(access.AccessInfo.AccessType()), access.Gpa, access.AccessInfo.GpaUnmapped())
}

fn unmap(machine: &Machine, gpa: u64, size: u64) {
    assert_eq!(call!(machine.api, WHvUnmapGpaRange(machine.partition, gpa, size)), S_OK);
}

/// Starts `code` over with RBX at the byte under test.
fn start(machine: &Machine, code: &[u8]) {
    machine.memory.write(CODE, code);
    machine.memory.write(CODE + code.len() as u64, &[0xF4; 16]);
    long::enter(machine, 0);
    machine.set(
        0,
        &[
            (WHvX64RegisterRbx, word(TARGET + AT)),
            (WHvX64RegisterRsi, word(TARGET + AT)),
            (WHvX64RegisterRax, word(0x5A5A_0101)),
        ],
    );
}

/// Code and the rights it needs, in the order in which their lack is reported.
type Access = (&'static [u8], &'static [(u32, WHV_MEMORY_ACCESS_TYPE)]);

const ACCESSES: &[Access] = &[
    (&[0x8B, 0x03], &[(1, READ)]),                         // mov eax,[rbx]
    (&[0x8A, 0x03], &[(1, READ)]),                         // mov al,[rbx]
    (&[0x0F, 0x10, 0x03], &[(1, READ)]),                   // movups xmm0,[rbx]
    (&[0xAC], &[(1, READ)]),                               // lodsb
    (&[0x89, 0x03], &[(2, WRITE)]),                        // mov [rbx],eax
    (&[0x0F, 0x11, 0x03], &[(2, WRITE)]),                  // movups [rbx],xmm0
    (&[0x01, 0x03], &[(2, WRITE), (1, READ)]),             // add [rbx],eax
    (&[0xFE, 0x03], &[(2, WRITE), (1, READ)]),             // inc byte [rbx]
    (&[0xF0, 0x01, 0x03], &[(2, WRITE), (1, READ)]),       // lock add [rbx],eax
    (&[0x87, 0x03], &[(2, WRITE), (1, READ)]),             // xchg [rbx],eax
    (&[0xF0, 0x0F, 0xB1, 0x0B], &[(2, WRITE), (1, READ)]), // lock cmpxchg [rbx],ecx
    (&[0xF0, 0x0F, 0xC1, 0x03], &[(2, WRITE), (1, READ)]), // lock xadd [rbx],eax
    (&[0x0F, 0xAB, 0x0B], &[(2, WRITE), (1, READ)]),       // bts [rbx],ecx
    (&[0xFF, 0xE3], &[(4, EXECUTE)]),                      // jmp rbx, to a HLT
];

fn every_combination_of_rights_is_enforced(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    let page = Memory::new(PAGE);
    page.write(AT, &[0xF4]);
    for flags in 0..16 {
        long::map_at(&machine, page.address(), TARGET, PAGE, flags);
        for (code, needs) in ACCESSES {
            page.write(AT, &[0xF4]);
            start(&machine, code);
            let Some((_, kind)) = needs.iter().find(|(right, _)| flags & right == 0) else {
                machine.run_to(0, WHvRunVpExitReasonX64Halt);
                continue;
            };
            let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
            let access = exit.MemoryAccess();
            let info = access.AccessInfo;
            assert_eq!(info.AccessType(), kind.0, "{flags:#x} {code:x?}");
            assert_eq!((info.GpaUnmapped(), info.GvaValid()), (0, 1), "{flags:#x} {code:x?}");
            assert_eq!((access.Gpa, access.Gva), (TARGET + AT, TARGET + AT), "{flags:#x} {code:x?}");
            let count = if *kind == EXECUTE { 0 } else { 16 };
            assert_eq!(access.InstructionByteCount, count, "{flags:#x} {code:x?}");
            if count != 0 {
                assert_eq!(access.InstructionBytes[..code.len()], **code);
            }
            let rip = if *kind == EXECUTE { TARGET + AT } else { CODE };
            assert_eq!(exit.VpContext().Rip(), rip);
        }
    }
}

fn rights_hold_for_pages_in_use(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    let page = Memory::new(PAGE);
    // A store, then a load: the processor knows the page by then.
    long::map_at(&machine, page.address(), TARGET, PAGE, 2);
    start(&machine, &[0x89, 0x03, 0x8B, 0x03]);
    assert_eq!(exit_of(&machine), (READ, TARGET + AT, 0));
    // A store, then an addition to memory.
    start(&machine, &[0x89, 0x03, 0x01, 0x03]);
    assert_eq!(exit_of(&machine), (READ, TARGET + AT, 0));
    // A load, then a store.
    long::map_at(&machine, page.address(), TARGET, PAGE, 1);
    start(&machine, &[0x8B, 0x03, 0x89, 0x03]);
    assert_eq!(exit_of(&machine), (WRITE, TARGET + AT, 0));
    // Code that runs there reads its own page.
    long::map_at(&machine, page.address(), TARGET, PAGE, 4);
    page.write(AT, &[0x8A, 0x03]);
    start(&machine, &[0xFF, 0xE3]);
    assert_eq!(exit_of(&machine), (READ, TARGET + AT, 0));
    // A load, then a jump there.
    long::map_at(&machine, page.address(), TARGET, PAGE, 3);
    start(&machine, &[0x8B, 0x03, 0xFF, 0xE3]);
    assert_eq!(exit_of(&machine), (EXECUTE, TARGET + AT, 0));
}

fn unmapped_pages_say_so(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    for (code, needs) in ACCESSES {
        start(&machine, code);
        let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
        let access = exit.MemoryAccess();
        assert_eq!(access.AccessInfo.GpaUnmapped(), 1, "{code:x?}");
        assert_eq!((access.Gpa, access.Gva), (TARGET + AT, TARGET + AT));
        if needs.len() == 1 {
            assert_eq!(access.AccessInfo.AccessType(), needs[0].1.0, "{code:x?}");
        }
    }
}

fn tracking_alone_gives_no_right(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    let page = Memory::new(PAGE);
    long::map_at(&machine, page.address(), TARGET, PAGE, 8);
    start(&machine, &[0x8B, 0x03]);
    assert_eq!(exit_of(&machine), (READ, TARGET + AT, 0));
    start(&machine, &[0x89, 0x03]);
    assert_eq!(exit_of(&machine), (WRITE, TARGET + AT, 0));
}

fn implicit_accesses_need_rights_too(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    let page = Memory::new(PAGE);
    let gdtr = {
        let mut value = WHV_REGISTER_VALUE::default();
        value.set_Table(WHV_X64_TABLE_REGISTER { Limit: 0x37, Base: TARGET, ..Default::default() });
        value
    };
    let table = machine.memory.read(long::GDT, 0x38);
    // mov ds,ax: reads the descriptor, and marks it accessed if it is not.
    let load = |flags: u32, accessed: bool| {
        page.write(0, &table);
        page.write(0x15, &[if accessed { 0x93 } else { 0x92 }]);
        long::map_at(&machine, page.address(), TARGET, PAGE, flags);
        start(&machine, &[0x8E, 0xD8]);
        machine.set(0, &[(WHvX64RegisterGdtr, gdtr), (WHvX64RegisterRax, word(0x10))]);
    };
    load(2, true);
    assert_eq!(exit_of(&machine), (READ, TARGET + 0x10, 0));
    load(1, true);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    load(1, false);
    assert_eq!(exit_of(&machine), (WRITE, TARGET + 0x15, 0));
    load(3, false);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(page.read(0x15, 1), [0x93]);
    // A push and a pop.
    start(&machine, &[0x50]);
    machine.set64(0, WHvX64RegisterRsp, TARGET + 0x808);
    long::map_at(&machine, page.address(), TARGET, PAGE, 1);
    assert_eq!(exit_of(&machine), (WRITE, TARGET + 0x800, 0));
    start(&machine, &[0x58]);
    machine.set64(0, WHvX64RegisterRsp, TARGET + 0x808);
    long::map_at(&machine, page.address(), TARGET, PAGE, 2);
    assert_eq!(exit_of(&machine), (READ, TARGET + 0x808, 0));
}

fn a_split_access_reports_its_first_forbidden_byte(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    let pages = Memory::new(2 * PAGE);
    let second = pages.address().wrapping_byte_add(PAGE as usize);
    let edge = TARGET + PAGE;
    for code in [&[0x48, 0x89, 0x03][..], &[0xF0, 0x48, 0x01, 0x03], &[0x0F, 0x11, 0x03]] {
        pages.write(0, &[0x22; 2 * PAGE as usize]);
        // The second page is not there, then not writable; then the first is not.
        for (low, high, expected) in
            [(7, None, edge), (7, Some(1), edge), (1, Some(7), edge - 3), (1, Some(1), edge - 3)]
        {
            long::map_at(&machine, pages.address(), TARGET, PAGE, low);
            match high {
                Some(flags) => long::map_at(&machine, second, edge, PAGE, flags),
                None => unmap(&machine, edge, PAGE),
            }
            start(&machine, code);
            machine.set64(0, WHvX64RegisterRbx, edge - 3);
            let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
            let access = exit.MemoryAccess();
            assert_eq!((access.Gpa, access.Gva), (expected, expected), "{code:x?}");
            assert_eq!(access.AccessInfo.GpaUnmapped(), u32::from(high.is_none()));
            assert!(pages.read(0, 2 * PAGE as usize).iter().all(|byte| *byte == 0x22), "{code:x?}");
        }
    }
}

fn string_instructions_keep_their_finished_iterations(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    let page = Memory::new(PAGE);
    long::map_target(&machine, page.address(), PAGE);
    // rep movsb, rep stosd: five elements fit before the end of the page.
    for (code, size) in [(&[0xF3, 0xA4][..], 1), (&[0xF3, 0xAB], 4)] {
        start(&machine, code);
        let from = TARGET + PAGE - 5 * size;
        machine.set(
            0,
            &[
                (WHvX64RegisterRcx, word(100)),
                (WHvX64RegisterRdi, word(from)),
                (WHvX64RegisterRsi, word(STACK)),
            ],
        );
        let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
        assert_eq!(exit.MemoryAccess().Gpa, TARGET + PAGE);
        assert_eq!(exit.VpContext().Rip(), CODE);
        assert_eq!(machine.get64(0, WHvX64RegisterRcx), 95);
        assert_eq!(machine.get64(0, WHvX64RegisterRdi), TARGET + PAGE);
        long::map_at(&machine, page.address(), TARGET + PAGE, PAGE, 7);
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
        assert_eq!(machine.get64(0, WHvX64RegisterRcx), 0);
        unmap(&machine, TARGET + PAGE, PAGE);
    }
}

fn translate(machine: &Machine, gva: u64, flags: u32) -> WHV_TRANSLATE_GVA_RESULT_CODE {
    let mut result = WHV_TRANSLATE_GVA_RESULT::default();
    let mut gpa = 0;
    let flags = WHV_TRANSLATE_GVA_FLAGS(flags);
    let code =
        call!(machine.api, WHvTranslateGva(machine.partition, 0, gva, flags, &raw mut result, &raw mut gpa));
    assert_eq!(code, S_OK);
    result.ResultCode
}

fn page_walks_report_the_table_entry(engine: &Engine) {
    // mov rax,[rbx] and mov [rbx],rax through a table in the page under test
    let machine = long::machine(engine, &[]);
    let page = Memory::new(PAGE);
    let gva = 0x40_0000 + 3 * PAGE + 8;
    machine.memory.write_u64(0x12010, TARGET | 7);
    let entry = TARGET + 3 * 8;
    let begin = |flags: Option<u32>, code: &[u8], bits: u64| {
        page.write_u64(3 * 8, 0x5000 | 7 | bits);
        match flags {
            Some(flags) => long::map_at(&machine, page.address(), TARGET, PAGE, flags),
            None => unmap(&machine, TARGET, PAGE),
        }
        start(&machine, code);
        machine.set64(0, WHvX64RegisterRbx, gva);
    };
    let (load, store) = (&[0x48, 0x8B, 0x03][..], &[0x48, 0x89, 0x03][..]);
    let (accessed, dirty) = (0x20, 0x40);
    let exit = |unmapped| {
        let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
        let access = exit.MemoryAccess();
        assert_eq!((access.Gpa, access.Gva), (entry, gva));
        assert_eq!((access.AccessInfo.GpaUnmapped(), access.AccessInfo.GvaValid()), (unmapped, 1));
        assert_eq!((exit.VpContext().Rip(), access.InstructionByteCount), (CODE, 16));
        WHV_MEMORY_ACCESS_TYPE(access.AccessInfo.AccessType())
    };
    begin(None, load, 0);
    assert_eq!(exit(1), READ);
    assert_eq!(translate(&machine, gva, 1), WHvTranslateGvaResultGpaUnmapped);
    for flags in [0, 2, 4, 6] {
        begin(Some(flags), store, 0);
        assert_eq!(exit(0), READ, "{flags}");
        assert_eq!(translate(&machine, gva, 1), WHvTranslateGvaResultGpaNoReadAccess);
    }
    begin(Some(1), load, 0);
    assert_eq!(exit(0), WRITE);
    assert_eq!(translate(&machine, gva, 1), WHvTranslateGvaResultSuccess, "reads tables only");
    assert_eq!(translate(&machine, gva, 0x11), WHvTranslateGvaResultGpaNoWriteAccess);
    begin(Some(1), store, accessed);
    assert_eq!(exit(0), WRITE);
    assert_eq!(translate(&machine, gva, 0x11), WHvTranslateGvaResultSuccess, "accessed already");
    assert_eq!(translate(&machine, gva, 0x12), WHvTranslateGvaResultGpaNoWriteAccess, "dirty");
    for (code, bits) in [(load, accessed), (store, accessed | dirty)] {
        begin(Some(1), code, bits);
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
    }
    begin(Some(3), store, 0);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(page.read(3 * 8, 1), [0x67]);
}

fn interrupted_deliveries_are_kept_and_can_be_dropped(engine: &Engine) {
    // ud2, with the stack where nothing is mapped
    let machine = long::machine(engine, &[]);
    start(&machine, &[0x0F, 0x0B]);
    machine.set64(0, WHvX64RegisterRsp, TARGET + 0x100);
    for _ in 0..2 {
        let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
        assert_eq!(exit.VpContext().ExecutionState().InterruptionPending(), 1);
        assert_eq!(exit.VpContext().Rip(), CODE, "the interrupted instruction");
        assert_eq!(exit.MemoryAccess().AccessInfo.AccessType(), WRITE.0);
        assert_eq!(machine.get64(0, WHvRegisterPendingInterruption) & 0xFFFF_000F, 6 << 16 | 7);
    }
    // The client drops the event and goes on elsewhere.
    machine.set64(0, WHvRegisterPendingInterruption, 0);
    machine.set64(0, WHvX64RegisterRip, CODE + 2);
    let exit = machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(exit.VpContext().ExecutionState().InterruptionPending(), 0);
    // Or gives it a stack.
    start(&machine, &[0x0F, 0x0B]);
    machine.set64(0, WHvX64RegisterRsp, TARGET + 0x100);
    machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    machine.set64(0, WHvX64RegisterRsp, STACK);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), HANDLER + 1);
}

fn a_delivered_interrupt_is_not_lost_in_an_exit(engine: &Engine) {
    let machine = long::machine_with(engine, 1, &[], |machine| {
        machine.use_apic(WHvX64LocalApicEmulationModeXApic);
    });
    start(&machine, &[0x90]);
    // The handler tells of its arrival.
    machine.memory.write(HANDLER, &[0xE6, 0x80, 0xF4]);
    let mut state = [0_u8; 4096];
    let size = state.len() as u32;
    let get = call!(
        machine.api,
        WHvGetVirtualProcessorInterruptControllerState2(
            machine.partition,
            0,
            state.as_mut_ptr().cast(),
            size,
            std::ptr::null_mut()
        )
    );
    assert_eq!(get, S_OK);
    state[0xF1] = 1;
    let set = call!(
        machine.api,
        WHvSetVirtualProcessorInterruptControllerState2(machine.partition, 0, state.as_ptr().cast(), size)
    );
    assert_eq!(set, S_OK);
    machine.set64(0, WHvX64RegisterRflags, 0x202);
    machine.set64(0, WHvX64RegisterRsp, TARGET + 0x100);
    assert_eq!(machine.request(WHvX64InterruptTypeFixed, 0, 0x45), S_OK);
    let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    assert_eq!(exit.VpContext().ExecutionState().InterruptionPending(), 1);
    assert_eq!(machine.get64(0, WHvRegisterPendingInterruption), 0x45 << 16 | 1);
    let page = Memory::new(PAGE);
    long::map_target(&machine, page.address(), PAGE);
    let exit = machine.run_to(0, WHvRunVpExitReasonX64IoPortAccess);
    assert_eq!(exit.VpContext().Rip(), HANDLER);
    drop(machine);
}

fn instruction_bytes_end_where_fetching_ends(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    let page = Memory::new(PAGE);
    long::map_at(&machine, page.address(), TARGET, PAGE, 5);
    machine.memory.write_u64(TARGET_TABLE + 16, 0x7000_0000 | 7);
    for left in 2..18 {
        // mov eax,[rcx] to nowhere, `left` bytes before the page ends; nothing is mapped behind it.
        let at = PAGE - left;
        page.write(at, &[0x8B, 0x01]);
        long::enter(&machine, 0);
        machine
            .set(0, &[(WHvX64RegisterRip, word(TARGET + at)), (WHvX64RegisterRcx, word(TARGET + 2 * PAGE))]);
        let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
        let access = exit.MemoryAccess();
        assert_eq!((access.Gpa, access.Gva), (0x7000_0000, TARGET + 2 * PAGE));
        assert_eq!(u64::from(access.InstructionByteCount), left.min(16));
        assert_eq!(access.InstructionBytes[..2], [0x8B, 0x01]);
    }
}

fn a_remapped_page_works_at_once_with_its_new_rights(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    let pages = Memory::new(2 * PAGE);
    let second = pages.address().wrapping_byte_add(PAGE as usize);
    for round in 0..50 {
        long::map_at(&machine, pages.address(), TARGET, PAGE, 3);
        start(&machine, &[0x89, 0x03]);
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
        unmap(&machine, TARGET, PAGE);
        long::map_at(&machine, second, TARGET, PAGE, 1);
        machine.set64(0, WHvX64RegisterRip, CODE);
        assert_eq!(exit_of(&machine), (WRITE, TARGET + AT, 0), "{round}");
    }
    assert_eq!(pages.read(PAGE + AT, 4), [0; 4]);
}
