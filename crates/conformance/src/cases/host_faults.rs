//! Host memory that cannot be accessed, under every kind of instruction and call.

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;
use rustix::mm::MprotectFlags;
use rustix::mm::ProtFlags;
use zerocopy::FromBytes;

use super::cases;
use super::long;
use super::long::HANDLER;
use super::long::STACK;
use super::long::TARGET;
use crate::Engine;
use crate::Machine;
use crate::Memory;
use crate::call;
use crate::machine::CODE;
use crate::machine::PAGE;
use crate::machine::word;

cases! { "host faults":
    every_read_exits_until_the_page_is_accessible from "memory.md 1.2, exits.md 2.3",
    every_write_exits_until_the_page_is_writable from "memory.md 1.1, 1.2, exits.md 2.3",
    every_access_survives_a_truncated_file from "memory.md 1.2",
    a_fetch_exits_until_the_page_is_accessible from "memory.md 1.2",
    split_accesses_report_the_page_that_fails from "exits.md 2.3",
    page_tables_may_become_inaccessible from "memory.md 1.2, exits.md 2.3",
    event_delivery_meets_inaccessible_pages from "memory.md 1.2, exits.md 2.3",
    calls_about_inaccessible_pages_fail from "memory.md 3, 4, 5",
    instruction_bytes_stop_at_an_inaccessible_page from "exits.md 2.3",
    changed_host_pages_are_seen from "memory.md 1.2",
    code_changed_between_runs_is_executed from "memory.md 1.2",
    code_changed_while_the_guest_polls_is_executed from "memory.md 1.2",
    reserved_memory_can_be_committed_from_the_exit from "memory.md 1.1, 1.2",
}

/// Offset of the operand in the page.
const AT: u64 = 0x200;
const OPERAND: u64 = TARGET + AT;

/// One instruction with its operand at [`OPERAND`]: name, code, what the operand holds.
type Access = (&'static str, &'static [u8], &'static [u64]);

/// Address of the HLT behind the instruction under test, which has this many bytes.
const fn behind(code: &[u8]) -> u64 {
    CODE + code.len() as u64
}

const JUMP: &[u8] = &[0xFF, 0x23];
const CALL: &[u8] = &[0xFF, 0x13];
const FAR_JUMP: &[u8] = &[0xFF, 0x2B];
const FAR_CALL: &[u8] = &[0xFF, 0x1B];
const RET: &[u8] = &[0xC3];
const RETF: &[u8] = &[0x48, 0xCB];
const IRET: &[u8] = &[0x48, 0xCF];

/// Loads. RBX, RSI, RDI, RBP and (for the last group) RSP point to the operand.
const READS: &[Access] = &[
    ("mov", &[0x48, 0x8B, 0x03], &[]),
    ("movzx", &[0x0F, 0xB6, 0x03], &[]),
    ("movsxd", &[0x48, 0x63, 0x03], &[]),
    ("add", &[0x48, 0x03, 0x03], &[]),
    ("cmp", &[0x48, 0x39, 0x03], &[]),
    ("test", &[0x48, 0x85, 0x03], &[]),
    ("mul", &[0x48, 0xF7, 0x23], &[]),
    ("div", &[0x48, 0xF7, 0x33], &[5]),
    ("push", &[0xFF, 0x33], &[]),
    ("bt", &[0x48, 0x0F, 0xA3, 0x0B], &[]),
    ("bsf", &[0x48, 0x0F, 0xBC, 0x03], &[1]),
    ("cmov", &[0x48, 0x0F, 0x44, 0x03], &[]),
    ("xlat", &[0xD7], &[]),
    ("lodsq", &[0x48, 0xAD], &[]),
    ("scasb", &[0xAE], &[]),
    ("rep lodsb", &[0xF3, 0xAC], &[]),
    ("repne scasw", &[0xF2, 0x66, 0xAF], &[]),
    ("repe cmpsd", &[0xF3, 0xA7], &[]),
    ("popcnt", &[0xF3, 0x48, 0x0F, 0xB8, 0x03], &[]),
    ("crc32", &[0xF2, 0x48, 0x0F, 0x38, 0xF1, 0x03], &[]),
    ("movbe", &[0x48, 0x0F, 0x38, 0xF0, 0x03], &[]),
    ("prefetchw-like or", &[0x48, 0x0B, 0x03], &[]),
    ("movq mm", &[0x0F, 0x6F, 0x03], &[]),
    ("movaps", &[0x0F, 0x28, 0x03], &[]),
    ("movdqu", &[0xF3, 0x0F, 0x6F, 0x03], &[]),
    ("movss", &[0xF3, 0x0F, 0x10, 0x03], &[]),
    ("movlps", &[0x0F, 0x12, 0x03], &[]),
    ("paddb", &[0x66, 0x0F, 0xFC, 0x03], &[]),
    ("addpd", &[0x66, 0x0F, 0x58, 0x03], &[]),
    ("cvtsi2sd", &[0xF2, 0x0F, 0x2A, 0x03], &[]),
    ("pcmpistri", &[0x66, 0x0F, 0x3A, 0x63, 0x03, 0], &[]),
    ("aesenc", &[0x66, 0x0F, 0x38, 0xDC, 0x03], &[]),
    ("vmovdqu ymm", &[0xC5, 0xFE, 0x6F, 0x03], &[]),
    ("vaddps ymm", &[0xC5, 0xFC, 0x58, 0x03], &[]),
    ("vbroadcastss", &[0xC4, 0xE2, 0x7D, 0x18, 0x03], &[]),
    ("vmaskmovps", &[0xC4, 0xE2, 0x71, 0x2C, 0x03], &[]),
    ("vpgatherdd", &[0xC4, 0xE2, 0x71, 0x90, 0x04, 0x93], &[]),
    ("fld m32", &[0xD9, 0x03], &[]),
    ("fld m80", &[0xDB, 0x2B], &[]),
    ("fadd m64", &[0xDC, 0x03], &[]),
    ("fild m64", &[0xDF, 0x2B], &[]),
    ("fbld", &[0xDF, 0x23], &[]),
    ("fldcw", &[0xD9, 0x2B], &[0x37F]),
    ("fldenv", &[0xD9, 0x23], &[0xFFFF_037F]),
    ("frstor", &[0xDD, 0x23], &[0xFFFF_037F]),
    ("fxrstor", &[0x0F, 0xAE, 0x0B], &[0x37F]),
    ("ldmxcsr", &[0x0F, 0xAE, 0x13], &[0x1F80]),
    ("xrstor", &[0x0F, 0xAE, 0x2B], &[]),
    ("lgdt", &[0x0F, 0x01, 0x13], &[]),
    ("lidt", &[0x0F, 0x01, 0x1B], &[]),
    ("lfs", &[0x0F, 0xB4, 0x03], &[]),
    ("mov sreg", &[0x8E, 0x03], &[]),
    ("lmsw", &[0x0F, 0x01, 0x33], &[0x33]),
    ("jmp", JUMP, &[behind(JUMP)]),
    ("call", CALL, &[behind(CALL)]),
    ("jmp far", FAR_JUMP, &[behind(FAR_JUMP) | 8 << 32]),
    ("call far", FAR_CALL, &[behind(FAR_CALL) | 8 << 32]),
];

/// Loads from the stack.
const POPS: &[Access] = &[
    ("pop", &[0x58], &[]),
    ("pop m", &[0x8F, 0x04, 0x25, 0x00, 0x50, 0x00, 0x00], &[]),
    ("popf", &[0x9D], &[2]),
    ("leave", &[0xC9], &[]),
    ("ret", RET, &[behind(RET)]),
    ("retf", RETF, &[behind(RETF), 8]),
    ("iret", IRET, &[behind(IRET), 8, 2, STACK, 0x10]),
    ("pop fs", &[0x0F, 0xA1], &[]),
];

/// Stores.
const WRITES: &[Access] = &[
    ("mov", &[0x48, 0x89, 0x03], &[]),
    ("mov imm", &[0xC6, 0x03, 0x01], &[]),
    ("mov sreg", &[0x8C, 0x1B], &[]),
    ("setz", &[0x0F, 0x94, 0x03], &[]),
    ("movnti", &[0x48, 0x0F, 0xC3, 0x03], &[]),
    ("movbe", &[0x48, 0x0F, 0x38, 0xF1, 0x03], &[]),
    ("pop m", &[0x8F, 0x03], &[]),
    ("stosq", &[0x48, 0xAB], &[]),
    ("rep stosd", &[0xF3, 0xAB], &[]),
    ("movdqu", &[0xF3, 0x0F, 0x7F, 0x03], &[]),
    ("movntdq", &[0x66, 0x0F, 0xE7, 0x03], &[]),
    ("movq mm", &[0x0F, 0x7F, 0x03], &[]),
    ("movhps", &[0x0F, 0x17, 0x03], &[]),
    ("pextrb", &[0x66, 0x0F, 0x3A, 0x14, 0x03, 0], &[]),
    ("maskmovdqu", &[0x66, 0x0F, 0xF7, 0xC1], &[]),
    ("vmovdqu ymm", &[0xC5, 0xFE, 0x7F, 0x03], &[]),
    ("vmaskmovps", &[0xC4, 0xE2, 0x71, 0x2E, 0x03], &[]),
    ("fst m32", &[0xD9, 0x13], &[]),
    ("fstp m80", &[0xDB, 0x3B], &[]),
    ("fistp m64", &[0xDF, 0x3B], &[]),
    ("fbstp", &[0xDF, 0x33], &[]),
    ("fnstcw", &[0xD9, 0x3B], &[]),
    ("fnstsw", &[0xDD, 0x3B], &[]),
    ("fnstenv", &[0xD9, 0x33], &[]),
    ("fnsave", &[0xDD, 0x33], &[]),
    ("fxsave", &[0x0F, 0xAE, 0x03], &[]),
    ("stmxcsr", &[0x0F, 0xAE, 0x1B], &[]),
    ("xsave", &[0x0F, 0xAE, 0x23], &[]),
    ("sgdt", &[0x0F, 0x01, 0x03], &[]),
    ("sidt", &[0x0F, 0x01, 0x0B], &[]),
    ("sldt", &[0x0F, 0x00, 0x03], &[]),
    ("str", &[0x0F, 0x00, 0x0B], &[]),
    ("smsw", &[0x0F, 0x01, 0x23], &[]),
    ("add", &[0x48, 0x01, 0x03], &[]),
    ("adc imm", &[0x83, 0x13, 0x01], &[]),
    ("inc", &[0xFF, 0x03], &[]),
    ("neg", &[0xF7, 0x1B], &[]),
    ("not", &[0xF6, 0x13], &[]),
    ("shl", &[0xD1, 0x23], &[]),
    ("rcl", &[0xD3, 0x13], &[]),
    ("shld", &[0x0F, 0xA5, 0x03], &[]),
    ("bts", &[0x0F, 0xAB, 0x0B], &[]),
    ("lock add", &[0xF0, 0x48, 0x01, 0x03], &[]),
    ("lock dec", &[0xF0, 0xFE, 0x0B], &[]),
    ("lock bts", &[0xF0, 0x0F, 0xAB, 0x0B], &[]),
    ("xchg", &[0x48, 0x87, 0x03], &[]),
    ("xadd", &[0x48, 0x0F, 0xC1, 0x03], &[]),
    ("lock xadd", &[0xF0, 0x0F, 0xC1, 0x03], &[]),
    ("cmpxchg", &[0x48, 0x0F, 0xB1, 0x0B], &[]),
    ("lock cmpxchg", &[0xF0, 0x48, 0x0F, 0xB1, 0x0B], &[]),
    ("cmpxchg8b", &[0x0F, 0xC7, 0x0B], &[]),
    ("lock cmpxchg16b", &[0xF0, 0x48, 0x0F, 0xC7, 0x0B], &[]),
];

/// Stores to the stack, RSP right above [`OPERAND`] + 0x40.
const PUSHES: &[Access] = &[
    ("push", &[0x50], &[]),
    ("push imm", &[0x6A, 0x05], &[]),
    ("pushf", &[0x9C], &[]),
    ("push fs", &[0x0F, 0xA0], &[]),
    ("call", &[0xE8, 0, 0, 0, 0], &[]),
    ("enter", &[0xC8, 0x08, 0, 0], &[]),
];

/// The general-purpose registers, RIP and flags.
const STATE: [WHV_REGISTER_NAME; 11] = [
    WHvX64RegisterRax,
    WHvX64RegisterRbx,
    WHvX64RegisterRcx,
    WHvX64RegisterRdx,
    WHvX64RegisterRsi,
    WHvX64RegisterRdi,
    WHvX64RegisterRbp,
    WHvX64RegisterRsp,
    WHvX64RegisterRip,
    WHvX64RegisterRflags,
    WHvX64RegisterCr2,
];

fn state(machine: &Machine) -> Vec<u64> {
    let values = machine.try_get(0, &STATE).expect("registers");
    values.iter().map(WHV_REGISTER_VALUE::Reg64).collect()
}

/// Starts one instruction over: code, operand, registers.
fn arrange(machine: &Machine, access: &Access, rsp: u64) {
    let (_, code, _) = access;
    machine.memory.write(CODE, code);
    machine.memory.write(CODE + code.len() as u64, &[0xF4; 16]);
    long::enter(machine, 0);
    let mask = WHV_REGISTER_VALUE::read_from_bytes(&[0xFF; 16]).expect("16 bytes");
    machine.set(
        0,
        &[
            (WHvX64RegisterRax, word(0)),
            (WHvX64RegisterRbx, word(OPERAND)),
            (WHvX64RegisterRcx, word(4)),
            (WHvX64RegisterRdx, word(0)),
            (WHvX64RegisterRsi, word(OPERAND)),
            (WHvX64RegisterRdi, word(OPERAND)),
            (WHvX64RegisterRbp, word(OPERAND)),
            (WHvX64RegisterRsp, word(rsp)),
            (WHvX64RegisterXmm0, mask),
            (WHvX64RegisterXmm1, mask),
            (WHvX64RegisterXmm2, WHV_REGISTER_VALUE::default()),
        ],
    );
}

/// Runs every access with the page first as `close` leaves it, then as `open` does.
fn check(
    machine: &Machine,
    list: &[Access],
    rsp: u64,
    expected: WHV_MEMORY_ACCESS_TYPE,
    close: &dyn Fn(&Access),
    open: &dyn Fn(&Access),
) {
    for access in list {
        arrange(machine, access, rsp);
        close(access);
        let before = state(machine);
        let (kind, gpa) = long::run_to_refusal(machine);
        assert_eq!(kind, expected, "{}", access.0);
        assert!((TARGET..TARGET + PAGE).contains(&gpa), "{}: {gpa:#x}", access.0);
        assert_eq!(state(machine), before, "{}: nothing has happened", access.0);
        assert_eq!(long::run_to_refusal(machine), (kind, gpa), "{}: it stays so", access.0);
        open(access);
        let exit = machine.run_to(0, WHvRunVpExitReasonX64Halt);
        let end = behind(access.1) + 1;
        assert_eq!(exit.VpContext().Rip(), end, "{}: done once the page is there", access.0);
    }
}

fn write_operand(memory: &Memory, access: &Access) {
    memory.write(AT & !0x1FF, &[0; 0x800]);
    for (index, value) in access.2.iter().enumerate() {
        memory.write_u64(AT + 8 * index as u64, *value);
    }
}

const CLOSED: MprotectFlags = MprotectFlags::empty();
const READABLE: MprotectFlags = MprotectFlags::READ;
const OPEN: MprotectFlags = MprotectFlags::READ.union(MprotectFlags::WRITE);

fn every_read_exits_until_the_page_is_accessible(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    let page = Memory::new(PAGE);
    long::map_target(&machine, page.address(), PAGE);
    let close = |access: &Access| {
        page.protect(OPEN);
        write_operand(&page, access);
        page.protect(CLOSED);
    };
    let open = |_: &Access| page.protect(READABLE);
    check(&machine, READS, STACK, WHvMemoryAccessRead, &close, &open);
    check(&machine, POPS, OPERAND, WHvMemoryAccessRead, &close, &open);
}

fn every_write_exits_until_the_page_is_writable(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    let page = Memory::new(PAGE);
    long::map_target(&machine, page.address(), PAGE);
    for rights in [CLOSED, READABLE] {
        let close = |access: &Access| {
            page.protect(OPEN);
            write_operand(&page, access);
            page.protect(rights);
        };
        let open = |_: &Access| page.protect(OPEN);
        check(&machine, WRITES, STACK, WHvMemoryAccessWrite, &close, &open);
        check(&machine, PUSHES, OPERAND + 0x40, WHvMemoryAccessWrite, &close, &open);
    }
}

/// A page of a memfd that can be cut off.
struct FilePage {
    file: std::os::fd::OwnedFd,
    start: *mut std::ffi::c_void,
}

impl FilePage {
    fn new() -> Self {
        let file = rustix::fs::memfd_create("page", rustix::fs::MemfdFlags::CLOEXEC).expect("memfd");
        let (rights, shared) = (ProtFlags::READ | ProtFlags::WRITE, rustix::mm::MapFlags::SHARED);
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start =
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), PAGE as usize, rights, shared, &file, 0) };
        Self { file, start: start.expect("mmap") }
    }

    fn cut(&self) {
        rustix::fs::ftruncate(&self.file, 0).expect("cut");
    }

    fn grow(&self, access: &Access) {
        rustix::fs::ftruncate(&self.file, PAGE).expect("grow");
        for (index, value) in access.2.iter().enumerate() {
            let at = AT + 8 * index as u64;
            rustix::io::pwrite(&self.file, &value.to_le_bytes(), at).expect("write");
        }
    }
}

impl Drop for FilePage {
    fn drop(&mut self) {
        // SAFETY: the mapping is this object's own; the machine that used it was dropped before.
        let _ = unsafe { rustix::mm::munmap(self.start, PAGE as usize) };
    }
}

fn every_access_survives_a_truncated_file(engine: &Engine) {
    let page = FilePage::new();
    let machine = long::machine(engine, &[]);
    long::map_target(&machine, page.start, PAGE);
    let close = |_: &Access| page.cut();
    let open = |access: &Access| page.grow(access);
    check(&machine, READS, STACK, WHvMemoryAccessRead, &close, &open);
    check(&machine, POPS, OPERAND, WHvMemoryAccessRead, &close, &open);
    check(&machine, WRITES, STACK, WHvMemoryAccessWrite, &close, &open);
    check(&machine, PUSHES, OPERAND + 0x40, WHvMemoryAccessWrite, &close, &open);
}

fn a_fetch_exits_until_the_page_is_accessible(engine: &Engine) {
    // jmp rbx
    let machine = long::machine(engine, &[0xFF, 0xE3]);
    let page = Memory::new(PAGE);
    page.write(AT, &[0x90, 0xF4]);
    page.protect(CLOSED);
    long::map_target(&machine, page.address(), PAGE);
    machine.set64(0, WHvX64RegisterRbx, OPERAND);
    let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    let access = exit.MemoryAccess();
    assert_eq!(access.AccessInfo.AccessType(), WHvMemoryAccessExecute.0);
    assert_eq!((access.AccessInfo.GpaUnmapped(), access.Gpa, access.Gva), (0, OPERAND, OPERAND));
    assert_eq!((exit.VpContext().Rip(), access.InstructionByteCount), (OPERAND, 0));
    page.protect(READABLE);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), OPERAND + 2);
    // Code that has run before is not remembered against the host's will.
    page.protect(CLOSED);
    machine.set64(0, WHvX64RegisterRip, OPERAND);
    assert_eq!(long::run_to_refusal(&machine), (WHvMemoryAccessExecute, OPERAND));
}

fn split_accesses_report_the_page_that_fails(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    let (low, high) = (Memory::new(PAGE), Memory::new(PAGE));
    long::map_target(&machine, low.address(), PAGE);
    long::map_at(&machine, high.address(), TARGET + PAGE, PAGE, 7);
    let edge = TARGET + PAGE;
    let (read, write) = (WHvMemoryAccessRead, WHvMemoryAccessWrite);
    let accesses: &[(&str, &[u8], _, u64)] = &[
        ("load", &[0x48, 0x8B, 0x03], read, 4),
        ("store", &[0x48, 0x89, 0x03], write, 4),
        ("add", &[0x48, 0x01, 0x03], write, 4),
        ("lock add", &[0xF0, 0x48, 0x01, 0x03], write, 4),
        ("movdqu", &[0xF3, 0x0F, 0x7F, 0x03], write, 8),
        ("vmovdqu", &[0xC5, 0xFE, 0x7F, 0x03], write, 8),
        ("fstp m80", &[0xDB, 0x3B], write, 4),
        ("fxsave", &[0x0F, 0xAE, 0x03], write, 0x100),
        ("xsave", &[0x0F, 0xAE, 0x23], write, 0x240),
    ];
    for (name, code, kind, before_edge) in accesses {
        for (closed, rights) in [(&high, CLOSED), (&low, CLOSED), (&high, READABLE), (&low, READABLE)] {
            if rights == READABLE && *kind == read {
                continue;
            }
            arrange(&machine, &("", code, &[]), STACK);
            machine.set64(0, WHvX64RegisterRbx, edge - before_edge);
            machine.set64(0, WHvX64RegisterRax, 0x0123_4567_89AB_CDEF);
            for page in [&low, &high] {
                page.write(0, &[0x11; PAGE as usize]);
            }
            closed.protect(rights);
            let expected = if std::ptr::eq(closed, &high) { edge } else { edge - before_edge };
            assert_eq!(long::run_to_refusal(&machine), (*kind, expected), "{name}");
            closed.protect(OPEN);
            for page in [&low, &high] {
                assert!(page.read(0, PAGE as usize).iter().all(|byte| *byte == 0x11), "{name}: untouched");
            }
            machine.run_to(0, WHvRunVpExitReasonX64Halt);
            if *kind == write {
                assert_ne!(low.read(PAGE - before_edge, 4), [0x11; 4], "{name}");
                assert_ne!(high.read(0, 4), [0x11; 4], "{name}");
            }
        }
    }
}

fn page_tables_may_become_inaccessible(engine: &Engine) {
    // mov rax,[rbx]
    let machine = long::machine(engine, &[0x48, 0x8B, 0x03]);
    let table = Memory::new(PAGE);
    long::map_target(&machine, table.address(), PAGE);
    let gva = 0x40_0000;
    // The third 2 MiB are mapped through a table in the pages under test.
    machine.memory.write_u64(0x12010, TARGET | 7);
    table.write_u64(0, 0x5000 | 7);
    machine.set64(0, WHvX64RegisterRbx, gva + 8);
    table.protect(CLOSED);
    let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    let access = exit.MemoryAccess();
    assert_eq!((access.Gpa, access.Gva, access.AccessInfo.GvaValid()), (TARGET, gva + 8, 1));
    assert_eq!(access.AccessInfo.AccessType(), WHvMemoryAccessRead.0);
    assert_eq!(translate(&machine, gva), WHvTranslateGvaResultGpaNoReadAccess);
    // Readable: the accessed bit cannot be set.
    table.protect(READABLE);
    assert_eq!(long::run_to_refusal(&machine), (WHvMemoryAccessWrite, TARGET));
    assert_eq!(translate(&machine, gva), WHvTranslateGvaResultSuccess);
    table.protect(OPEN);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(table.read(0, 1), [0x27], "accessed");
}

fn translate(machine: &Machine, gva: u64) -> WHV_TRANSLATE_GVA_RESULT_CODE {
    let mut result = WHV_TRANSLATE_GVA_RESULT::default();
    let mut gpa = 0;
    let flags = WHvTranslateGvaFlagValidateRead;
    let code =
        call!(machine.api, WHvTranslateGva(machine.partition, 0, gva, flags, &raw mut result, &raw mut gpa));
    assert_eq!(code, S_OK);
    result.ResultCode
}

fn event_delivery_meets_inaccessible_pages(engine: &Engine) {
    // ud2
    let machine = long::machine(engine, &[0x0F, 0x0B]);
    let page = Memory::new(PAGE);
    long::map_target(&machine, page.address(), PAGE);
    let gate = machine.memory.read(long::IDT + 16 * 6, 16);
    page.write(16 * 6, &gate);
    let mut idtr = WHV_REGISTER_VALUE::default();
    idtr.set_Table(WHV_X64_TABLE_REGISTER { Limit: 0xFFF, Base: TARGET, ..Default::default() });
    let places = [
        ("interrupt table", WHvMemoryAccessRead, vec![(WHvX64RegisterIdtr, idtr)]),
        ("stack", WHvMemoryAccessWrite, vec![(WHvX64RegisterRsp, word(TARGET + 0x800))]),
    ];
    for (name, kind, registers) in places {
        long::enter(&machine, 0);
        machine.set(0, &registers);
        page.protect(CLOSED);
        let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
        assert_eq!(exit.MemoryAccess().AccessInfo.AccessType(), kind.0, "{name}");
        assert_eq!(exit.MemoryAccess().AccessInfo.GpaUnmapped(), 0, "{name}");
        assert_eq!(exit.VpContext().ExecutionState().InterruptionPending(), 1, "{name}");
        assert_eq!(exit.VpContext().Rip(), CODE, "{name}: the interrupted instruction");
        let pending = machine.get64(0, WHvRegisterPendingInterruption);
        assert_eq!(pending & 0xFFFF_000F, 6 << 16 | 3 << 1 | 1, "{name}");
        page.protect(OPEN);
        assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), HANDLER + 1, "{name}");
    }
}

fn calls_about_inaccessible_pages_fail(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    let page = Memory::new(PAGE);
    long::map_target(&machine, page.address(), PAGE);
    let mut data = [0_u8; 16];
    let start = data.as_mut_ptr().cast();
    let controls = WHV_ACCESS_GPA_CONTROLS::default();
    let range = WHV_MEMORY_RANGE_ENTRY { GuestAddress: TARGET, SizeInBytes: 1 };
    let populate = |access: u32| {
        let access = WHV_MEMORY_ACCESS_TYPE(access);
        let parameters = WHV_ADVISE_GPA_RANGE_POPULATE { AccessType: access, ..Default::default() };
        let (start, advice) = (std::ptr::from_ref(&parameters).cast(), WHvAdviseGpaRangeCodePopulate);
        call!(machine.api, WHvAdviseGpaRange(machine.partition, &raw const range, 1, advice, start, 8))
    };
    for (rights, can_read, can_write) in [(CLOSED, false, false), (READABLE, true, false), (OPEN, true, true)]
    {
        page.protect(rights);
        let expected = |is_possible| if is_possible { S_OK } else { E_ACCESSDENIED };
        for size in [1, 2, 4, 8, 16] {
            let read =
                call!(machine.api, WHvReadGpaRange(machine.partition, 0, TARGET, controls, start, size));
            assert_eq!(read, expected(can_read));
            let write =
                call!(machine.api, WHvWriteGpaRange(machine.partition, 0, TARGET, controls, start, size));
            assert_eq!(write, expected(can_write));
        }
        assert_eq!((populate(0), populate(2)), (expected(can_read), expected(can_read)));
        assert_eq!(populate(1), expected(can_write));
    }
}

fn instruction_bytes_stop_at_an_inaccessible_page(engine: &Engine) {
    let machine = long::machine(engine, &[]);
    let pages = Memory::new(PAGE);
    long::map_target(&machine, pages.address(), PAGE);
    let guard = Memory::new(PAGE);
    long::map_at(&machine, guard.address(), TARGET + PAGE, PAGE, 7);
    // mov rax,[0x800000] ends six bytes before the edge; what lies behind it cannot be read.
    machine.memory.write_u64(0x12020, 0x80_0000 | 0x87);
    let code = [0x48, 0x8B, 0x04, 0x25, 0, 0, 0x80, 0];
    let at = PAGE - 14;
    pages.write(at, &code);
    guard.protect(CLOSED);
    machine.set64(0, WHvX64RegisterRip, TARGET + at);
    let exit = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    let access = exit.MemoryAccess();
    assert_eq!((access.AccessInfo.GpaUnmapped(), access.Gpa), (1, 0x80_0000));
    assert_eq!(access.InstructionByteCount, 14);
    assert_eq!(access.InstructionBytes[..8], code);
    assert_eq!(access.InstructionBytes[14..], [0, 0]);
    guard.protect(READABLE);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess().InstructionByteCount, 16);
}

fn changed_host_pages_are_seen(engine: &Engine) {
    // mov al,[rbx]
    let machine = long::machine(engine, &[0x8A, 0x03]);
    let page = Memory::new(PAGE);
    page.write(AT, &[7]);
    long::map_target(&machine, page.address(), PAGE);
    let load = || {
        machine.set64(0, WHvX64RegisterRip, CODE);
        machine.set64(0, WHvX64RegisterRbx, OPERAND);
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
        machine.get64(0, WHvX64RegisterRax) & 0xFF
    };
    assert_eq!(load(), 7);
    // SAFETY: gives the content of this test's own page back.
    unsafe { rustix::mm::madvise(page.address(), PAGE as usize, rustix::mm::Advice::LinuxDontNeed) }
        .expect("discard");
    assert_eq!(load(), 0, "discarded");
    let flags = rustix::mm::MapFlags::PRIVATE | rustix::mm::MapFlags::FIXED;
    let rights = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: replaces this test's own page.
    unsafe { rustix::mm::mmap_anonymous(page.address(), PAGE as usize, rights, flags) }.expect("replace");
    page.write(AT, &[9]);
    assert_eq!(load(), 9, "replaced");
}

fn code_changed_between_runs_is_executed(engine: &Engine) {
    // again: inc eax; hlt; jmp again
    let machine = long::machine(engine, &[0xFF, 0xC0, 0xF4, 0xEB, 0xFB]);
    for _ in 0..3 {
        machine.run_to(0, WHvRunVpExitReasonX64Halt);
    }
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 3);
    // A breakpoint in the middle, set by the client through its own pointer.
    machine.memory.write(CODE, &[0xFF, 0xC8]);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 2, "decremented");
    machine.memory.write(CODE, &[0xF4]);
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Halt).VpContext().Rip(), CODE + 1);
}

fn code_changed_while_the_guest_polls_is_executed(engine: &Engine) {
    // Away from the code: a store to its page would be noticed.
    const FLAG: u64 = long::STACK - 0x200;
    const ROUTINE: u64 = CODE + 0x40;
    for wait in [&[0xF3, 0x90][..], &[0x31, 0xC0, 0x0F, 0xA2], &[0x0F, 0x01, 0xE8]] {
        // call routine; mov [rsi],dl; wait: ...; cmp byte [rdi],0; je wait; call routine; hlt
        let mut code = vec![0xFF, 0xD3, 0x88, 0x16];
        // CPUID changes the registers that the routine and its address are in.
        let head = code.len();
        code.extend(wait);
        code.extend([0x80, 0x3F, 0x00, 0x74]);
        code.push((head as i64 - (code.len() as i64 + 1)) as u8);
        code.extend([0xFF, 0xD5, 0xF4]);
        let machine = long::machine(engine, &code);
        if wait[1] == 0x01 {
            // SERIALIZE, where it is offered.
            let mut leaf = WHV_CPUID_OUTPUT::default();
            let (api, partition) = (engine.api, machine.partition);
            let result = call!(api, WHvGetVirtualProcessorCpuidOutput(partition, 0, 7, 0, &raw mut leaf));
            assert_eq!(result, S_OK);
            if leaf.Edx >> 14 & 1 == 0 {
                continue;
            }
        }
        // mov dl,1; ret
        machine.memory.write(ROUTINE, &[0xB2, 0x01, 0xC3]);
        machine.memory.write(FLAG, &[0, 0]);
        for (name, value) in [
            (WHvX64RegisterRbx, ROUTINE),
            (WHvX64RegisterRbp, ROUTINE),
            (WHvX64RegisterRdi, FLAG),
            (WHvX64RegisterRsi, FLAG + 1),
        ] {
            machine.set64(0, name, value);
        }
        std::thread::scope(|scope| {
            let machine = &machine;
            scope.spawn(move || {
                while machine.memory.read(FLAG + 1, 1) != [1] {
                    std::thread::yield_now();
                }
                machine.memory.write(ROUTINE, &[0xB2, 0x02]);
                std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
                machine.memory.write(FLAG, &[1]);
            });
            machine.run_to(0, WHvRunVpExitReasonX64Halt);
        });
        assert_eq!(machine.get64(0, WHvX64RegisterRdx) & 0xFF, 2, "after {wait:x?}");
    }
}

fn reserved_memory_can_be_committed_from_the_exit(engine: &Engine) {
    // mov [rbx],al; mov [rbx+0x1000],al
    let machine = long::machine(engine, &[0x88, 0x03, 0x88, 0x83, 0x00, 0x10, 0, 0]);
    let reserved = Memory::protected(2 * PAGE, ProtFlags::empty());
    long::map_target(&machine, reserved.address(), 2 * PAGE);
    machine.set64(0, WHvX64RegisterRbx, OPERAND);
    machine.set64(0, WHvX64RegisterRax, 5);
    assert_eq!(long::run_to_refusal(&machine), (WHvMemoryAccessWrite, OPERAND));
    reserved.protect_part(PAGE, OPEN);
    assert_eq!(long::run_to_refusal(&machine), (WHvMemoryAccessWrite, OPERAND + PAGE));
    reserved.protect(OPEN);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    assert_eq!((reserved.read(AT, 1), reserved.read(AT + PAGE, 1)), (vec![5], vec![5]));
}
