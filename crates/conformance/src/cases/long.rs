//! A processor in 64-bit mode with two pages of memory of its own kind, for cases about accesses.
//!
//! Guest-physical and linear addresses are the same: tables at 0x10000, descriptors at 0x8000 and 0x9000, one handler
//! (HLT) for every exception, and the pages under test at [`TARGET`].

use openwhp_abi::hresult::S_OK;
use openwhp_abi::x64::*;

use crate::Engine;
use crate::Machine;
use crate::call;
use crate::machine::CODE;
use crate::machine::PAGE;
use crate::machine::RWX;
use crate::machine::flat_segment;
use crate::machine::word;

/// Address of the pages under test: two of them, outside the machine's other memory.
pub(super) const TARGET: u64 = 0x20_0000;
/// Top of the ordinary stack.
pub(super) const STACK: u64 = 0x7F00;
/// Where exceptions arrive; a HLT.
pub(super) const HANDLER: u64 = 0x6000;
/// Descriptor table: null, 64-bit code, data, 32-bit code, 16-bit code, TSS.
pub(super) const GDT: u64 = 0x8000;
/// Interrupt table with a gate for every vector.
pub(super) const IDT: u64 = 0x9000;
/// Task state segment.
pub(super) const TSS: u64 = 0xA000;
/// Top-level page table.
pub(super) const ROOT: u64 = 0x10000;
/// The table that maps [`TARGET`].
pub(super) const TARGET_TABLE: u64 = 0x14000;
/// Selector of the code segment.
pub(super) const CODE_SELECTOR: u16 = 0x08;
/// Selector of the data segment.
pub(super) const DATA_SELECTOR: u16 = 0x10;

const CR0: u64 = 0x8001_0033;
/// DE off, PAE, OSFXSR, OSXMMEXCPT.
const CR4: u64 = 0x620;
const CR4_OSXSAVE: u64 = 1 << 18;
/// SCE, LME, LMA, NXE.
const EFER: u64 = 0xD01;

/// A machine whose processor 0 is in 64-bit mode at [`CODE`], where `code` and a HLT lie.
pub(super) fn machine(engine: &Engine, code: &[u8]) -> Machine {
    machine_with(engine, 1, code, |_| ())
}

/// The same with several processors, all in that state, and properties set by `configure`.
pub(super) fn machine_with(
    engine: &Engine,
    processors: u32,
    code: &[u8],
    configure: impl FnOnce(&Machine),
) -> Machine {
    let machine = Machine::set_up(engine, processors, configure);
    machine.map_all();
    load(&machine, code);
    for vp in 0..processors {
        machine.create_vp(vp);
        enter(&machine, vp);
    }
    machine
}

/// Writes code, tables and handlers.
pub(super) fn load(machine: &Machine, code: &[u8]) {
    let memory = &machine.memory;
    memory.write(CODE, code);
    memory.write(CODE + code.len() as u64, &[0xF4]);
    memory.write(HANDLER, &[0xF4]);
    let descriptors = [
        0,
        0x00AF_9B00_0000_FFFF,
        0x00CF_9300_0000_FFFF,
        0x00CF_9B00_0000_FFFF,
        0x000F_9B00_0000_FFFF_u64,
        0x0000_8900_0000_0067 | (TSS & 0xFF_FFFF) << 16,
        0,
    ];
    for (index, descriptor) in descriptors.into_iter().enumerate() {
        memory.write_u64(GDT + 8 * index as u64, descriptor);
    }
    for vector in 0..256 {
        let low = (HANDLER & 0xFFFF) | u64::from(CODE_SELECTOR) << 16 | 0x8E00 << 32 | (HANDLER >> 16) << 48;
        memory.write_u64(IDT + 16 * vector, low);
    }
    // 4 KiB pages for the first 2 MiB and for the pages under test; everything present, writable, for everyone.
    memory.write_u64(ROOT, 0x11007);
    memory.write_u64(0x11000, 0x12007);
    memory.write_u64(0x12000, 0x13007);
    memory.write_u64(0x12008, TARGET_TABLE | 7);
    for page in 0..512 {
        memory.write_u64(0x13000 + 8 * page, (page * PAGE) | 7);
    }
    for page in 0..4 {
        memory.write_u64(TARGET_TABLE + 8 * page, (TARGET + page * PAGE) | 7);
    }
}

/// Puts a processor into 64-bit mode at [`CODE`].
pub(super) fn enter(machine: &Machine, vp: u32) {
    let data = flat_segment(DATA_SELECTOR, 0, u32::MAX, 0xC093);
    let table = |base, limit| {
        let mut register = WHV_REGISTER_VALUE::default();
        register.set_Table(WHV_X64_TABLE_REGISTER { Limit: limit, Base: base, ..Default::default() });
        register
    };
    machine.set(
        vp,
        &[
            (WHvX64RegisterCr0, word(CR0)),
            (WHvX64RegisterCr3, word(ROOT)),
            (WHvX64RegisterCr4, word(CR4 | CR4_OSXSAVE)),
            (WHvX64RegisterEfer, word(EFER)),
            (WHvX64RegisterXCr0, word(7)),
            (WHvX64RegisterCs, flat_segment(CODE_SELECTOR, 0, u32::MAX, 0xA09B)),
            (WHvX64RegisterDs, data),
            (WHvX64RegisterEs, data),
            (WHvX64RegisterSs, data),
            (WHvX64RegisterFs, data),
            (WHvX64RegisterGs, data),
            (WHvX64RegisterTr, flat_segment(0x28, TSS, 0x67, 0x8B)),
            (WHvX64RegisterGdtr, table(GDT, 0x37)),
            (WHvX64RegisterIdtr, table(IDT, 0xFFF)),
            (WHvX64RegisterRip, word(CODE)),
            (WHvX64RegisterRsp, word(STACK)),
            (WHvX64RegisterRflags, word(2)),
        ],
    );
}

/// Maps `size` bytes of any memory of this process at a guest address.
pub(super) fn map_at(machine: &Machine, source: *mut std::ffi::c_void, gpa: u64, size: u64, flags: u32) {
    let flags = WHV_MAP_GPA_RANGE_FLAGS(flags);
    assert_eq!(call!(machine.api, WHvMapGpaRange(machine.partition, source, gpa, size, flags)), S_OK);
}

/// Backs the pages under test with `size` bytes of memory with all rights.
pub(super) fn map_target(machine: &Machine, source: *mut std::ffi::c_void, size: u64) {
    map_at(machine, source, TARGET, size, RWX.0);
}

/// Runs to a memory exit of a mapped page; gives its kind and guest address.
pub(super) fn run_to_refusal(machine: &Machine) -> (WHV_MEMORY_ACCESS_TYPE, u64) {
    let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    let access = exit.MemoryAccess();
    assert_eq!(access.AccessInfo.GpaUnmapped(), 0, "{access:#?}");
    assert_eq!(exit.VpContext().InstructionLength(), 0);
    (WHV_MEMORY_ACCESS_TYPE(access.AccessInfo.AccessType()), access.Gpa)
}
