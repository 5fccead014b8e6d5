//! What marks a page dirty, and what does not.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::long;
use super::long::TARGET;
use crate::Engine;
use crate::Machine;
use crate::Memory;
use crate::call;
use crate::machine::CODE;
use crate::machine::PAGE;
use crate::machine::word;

cases! { "dirty":
    stores_of_every_kind_mark_their_page from "memory.md 2",
    loads_and_clients_mark_nothing from "memory.md 2",
    walks_mark_tables_when_they_set_bits from "memory.md 2",
    deliveries_mark_the_stack from "memory.md 2",
    a_split_store_marks_both_pages from "memory.md 2",
    pages_become_dirty_again_after_a_query from "memory.md 2",
    remapping_forgets_and_neighbours_keep from "memory.md 1.3, 2",
    bad_ranges_change_nothing from "functions.md 2.5",
}

const TRACKED: u32 = 0xF;
const PAGES: u64 = 4;

fn query(machine: &Machine, gpa: u64, size: u64) -> (HRESULT, u64) {
    let mut bitmap = [0x55_u64];
    let start = bitmap.as_mut_ptr();
    let result = call!(machine.api, WHvQueryGpaRangeDirtyBitmap(machine.partition, gpa, size, start, 8));
    (result, bitmap[0])
}

/// The dirty pages among those under test; clears.
fn dirty(machine: &Machine) -> u64 {
    let (result, bits) = query(machine, TARGET, PAGES * PAGE);
    assert_eq!(result, S_OK);
    bits
}

/// Runs code with RBX, RDI and RSI at an address.
fn run(machine: &Machine, code: &[u8], at: u64) {
    machine.memory.write(CODE, code);
    machine.memory.write(CODE + code.len() as u64, &[0xF4; 16]);
    long::enter(machine, 0);
    machine.set(
        0,
        &[
            (WHvX64RegisterRbx, word(at)),
            (WHvX64RegisterRdi, word(at)),
            (WHvX64RegisterRsi, word(at)),
            (WHvX64RegisterRcx, word(3)),
            (WHvX64RegisterRax, word(0)),
        ],
    );
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
}

fn tracked(engine: &Engine) -> (Machine, Memory) {
    let machine = long::machine(engine, &[]);
    let memory = Memory::new(PAGES * PAGE);
    long::map_at(&machine, memory.address(), TARGET, PAGES * PAGE, TRACKED);
    (machine, memory)
}

fn stores_of_every_kind_mark_their_page(engine: &Engine) {
    let (machine, _memory) = tracked(engine);
    let stores: &[&[u8]] = &[
        &[0x88, 0x03],                         // mov
        &[0x48, 0x89, 0x03],                   // mov, 8 bytes
        &[0x00, 0x03],                         // add
        &[0xF0, 0x01, 0x03],                   // lock add
        &[0x87, 0x03],                         // xchg
        &[0xF0, 0x0F, 0xB1, 0x0B],             // lock cmpxchg
        &[0xF0, 0x48, 0x0F, 0xC7, 0x0B],       // lock cmpxchg16b
        &[0xAA],                               // stosb
        &[0xF3, 0x48, 0xAB],                   // rep stosq
        &[0xF3, 0xA4],                         // rep movsb
        &[0x0F, 0x11, 0x03],                   // movups
        &[0xC5, 0xFE, 0x7F, 0x03],             // vmovdqu ymm
        &[0xDD, 0x1B],                         // fstp m64
        &[0x0F, 0xAE, 0x03],                   // fxsave
        &[0x0F, 0xAE, 0x23],                   // xsave
        &[0x0F, 0x01, 0x03],                   // sgdt
        &[0x48, 0x89, 0xDC, 0x50],             // mov rsp,rbx; push rax (below)
        &[0x48, 0x89, 0xDC, 0xE8, 0, 0, 0, 0], // mov rsp,rbx; call
    ];
    assert_eq!(dirty(&machine), 0, "new mappings are clean");
    for store in stores {
        run(&machine, store, TARGET + 2 * PAGE + 0x400);
        assert_eq!(dirty(&machine), 1 << 2, "{store:x?}");
        assert_eq!(dirty(&machine), 0, "{store:x?}");
    }
    let (data, controls) = ([1_u8; 16], WHV_ACCESS_GPA_CONTROLS::default());
    let at = TARGET + 2 * PAGE - 8;
    let start = data.as_ptr().cast();
    let written = call!(machine.api, WHvWriteGpaRange(machine.partition, 0, at, controls, start, 16));
    assert_eq!((written, dirty(&machine)), (S_OK, 1 << 1 | 1 << 2));
}

fn loads_and_clients_mark_nothing(engine: &Engine) {
    let (machine, memory) = tracked(engine);
    // mov; cmp; lodsb; movups; jmp rbx (to a HLT)
    for load in [&[0x8B, 0x03][..], &[0x39, 0x03], &[0xAC], &[0x0F, 0x10, 0x03], &[0xFF, 0xE3]] {
        memory.write(0x100, &[0xF4]);
        run(&machine, load, TARGET + 0x100);
        assert_eq!(dirty(&machine), 0, "{load:x?}");
    }
}

fn walks_mark_tables_when_they_set_bits(engine: &Engine) {
    let (machine, memory) = tracked(engine);
    machine.memory.write_u64(0x12010, TARGET | 7);
    memory.write_u64(0, 0x5000 | 7);
    run(&machine, &[0x8A, 0x03], 0x40_0000);
    assert_eq!(dirty(&machine), 1, "accessed");
    run(&machine, &[0x8A, 0x03], 0x40_0000);
    assert_eq!(dirty(&machine), 0, "nothing to set");
    run(&machine, &[0x88, 0x03], 0x40_0000);
    assert_eq!(dirty(&machine), 1, "dirty");
    run(&machine, &[0x88, 0x03], 0x40_0000);
    assert_eq!(dirty(&machine), 0);
}

fn deliveries_mark_the_stack(engine: &Engine) {
    let (machine, _memory) = tracked(engine);
    // mov rsp,rbx; ud2
    machine.memory.write(CODE, &[0x48, 0x89, 0xDC, 0x0F, 0x0B]);
    long::enter(&machine, 0);
    machine.set64(0, WHvX64RegisterRbx, TARGET + 3 * PAGE + 0x800);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(dirty(&machine), 1 << 3);
}

fn a_split_store_marks_both_pages(engine: &Engine) {
    let (machine, _memory) = tracked(engine);
    for store in [&[0x48, 0x89, 0x03][..], &[0xF0, 0x48, 0x01, 0x03], &[0x0F, 0x11, 0x03]] {
        run(&machine, store, TARGET + 2 * PAGE - 3);
        assert_eq!(dirty(&machine), 1 << 1 | 1 << 2, "{store:x?}");
    }
}

fn pages_become_dirty_again_after_a_query(engine: &Engine) {
    let (machine, _memory) = tracked(engine);
    // again: mov [rbx],al; mov [rbx+1],al; hlt; jmp again
    machine.memory.write(CODE, &[0x88, 0x03, 0x88, 0x43, 0x01, 0xF4, 0xEB, 0xF8]);
    machine.set64(0, WHvX64RegisterRbx, TARGET);
    for _ in 0..5 {
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
        assert_eq!(dirty(&machine), 1);
    }
}

fn remapping_forgets_and_neighbours_keep(engine: &Engine) {
    let (machine, memory) = tracked(engine);
    for page in 0..4 {
        run(&machine, &[0x88, 0x03], TARGET + page * PAGE);
    }
    long::map_at(&machine, memory.address(), TARGET + PAGE, PAGE, TRACKED);
    assert_eq!(dirty(&machine), 0b1101, "two mappings in one query");
    run(&machine, &[0x88, 0x03], TARGET + 2 * PAGE);
    let unmapped = call!(machine.api, WHvUnmapGpaRange(machine.partition, TARGET + 2 * PAGE, PAGE));
    assert_eq!(unmapped, S_OK);
    assert_eq!(query(&machine, TARGET, PAGES * PAGE).0, WHV_E_GPA_RANGE_NOT_FOUND);
    long::map_at(&machine, memory.address(), TARGET + 2 * PAGE, PAGE, TRACKED);
    assert_eq!(dirty(&machine), 0);
}

fn bad_ranges_change_nothing(engine: &Engine) {
    let (machine, _memory) = tracked(engine);
    run(&machine, &[0x88, 0x03], TARGET);
    assert_eq!(query(&machine, TARGET, (PAGES + 1) * PAGE), (WHV_E_GPA_RANGE_NOT_FOUND, 0x55));
    assert_eq!(query(&machine, TARGET, 0), (E_INVALIDARG, 0x55));
    assert_eq!(query(&machine, TARGET + 1, PAGE), (E_INVALIDARG, 0x55));
    assert_eq!(query(&machine, TARGET, PAGE + 1), (E_INVALIDARG, 0x55));
    assert_eq!(query(&machine, u64::MAX - PAGE + 1, 2 * PAGE).0, E_INVALIDARG);
    long::map_at(&machine, machine.memory.address(), TARGET + PAGE, PAGE, 7);
    assert_eq!(query(&machine, TARGET, 2 * PAGE), (WHV_E_GPA_RANGE_NOT_FOUND, 0x55));
    assert_eq!(query(&machine, TARGET, PAGE), (S_OK, 1));
}
