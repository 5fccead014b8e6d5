//! Machines with a device that only the instruction emulator reaches, as clients use it: callbacks passed on to
//! `WHvGetVirtualProcessorRegisters`, `WHvSetVirtualProcessorRegisters` and `WHvTranslateGva`.

use openwhp_abi::x64::*;

use super::cases;
use super::long;
use super::long::TARGET;
use crate::Engine;
use crate::Item;
use crate::Machine;
use crate::Memory;
use crate::emulator::Client;
use crate::emulator::bits_of;
use crate::machine::CODE;
use crate::machine::PAGE;
use crate::machine::flat_segment;
use crate::machine::segment;
use crate::machine::word;

cases! { "emulated machine":
    real_mode_code_drives_a_device from "functions.md 11.3" covers [Item::Ability("instruction emulator")],
    protected_mode_code_drives_a_device_behind_paging from "functions.md 11.3",
    long_mode_code_finds_a_device_as_it_finds_memory from "functions.md 11.3",
    vector_code_finds_a_device_as_it_finds_memory from "functions.md 11.3",
    accesses_keep_their_sizes from "functions.md 11.3",
    strings_go_between_memory_device_and_ports from "functions.md 11.3, exits.md 2.4",
    a_fault_of_the_instruction_reaches_the_guest from "functions.md 11.3",
    a_stack_may_lie_in_a_device from "functions.md 11.3",
    inconsistent_x87_words_do_no_harm from "functions.md 3.5",
    a_single_step_ends_behind_the_instruction from "functions.md 11.3, exits.md 5.6",
}

const DEVICE_SIZE: usize = 2 * PAGE as usize;

/// The registers that code leaves behind.
fn registers(machine: &Machine) -> Vec<u128> {
    let vectors = (0..16).map(|n| WHV_REGISTER_NAME(WHvX64RegisterXmm0.0 + n));
    let names: Vec<_> = (0..18).map(WHV_REGISTER_NAME).chain(vectors).collect();
    let values = machine.try_get(0, &names).expect("registers");
    values.iter().map(bits_of).collect()
}

/// What every device byte and the memory that code copies from hold at first.
fn pattern(at: usize) -> u8 {
    (at as u8).wrapping_mul(37).wrapping_add((at >> 8) as u8)
}

/// Runs long-mode code with memory at the pages under test and with a device there; both must end alike.
fn same_as_memory(engine: &Engine, code: &[u8]) {
    let content: Vec<u8> = (0..DEVICE_SIZE).map(pattern).collect();
    let start = |machine: &Machine| {
        machine.memory.write(0x4000, &content[..0x800]);
        machine.set(0, &[(WHvX64RegisterRdi, word(TARGET)), (WHvX64RegisterRsi, word(0x4000))]);
    };
    let plain = long::machine(engine, code);
    let memory = Memory::new(DEVICE_SIZE as u64);
    memory.write(0, &content);
    long::map_target(&plain, memory.address(), DEVICE_SIZE as u64);
    start(&plain);
    plain.run_to(0, WHvRunVpExitReasonX64Halt);

    let machine = long::machine(engine, code);
    start(&machine);
    let mut client = Client::new(&machine, TARGET, DEVICE_SIZE);
    client.device.copy_from_slice(&content);
    assert_eq!(client.run(), WHvRunVpExitReasonX64Halt);
    assert!(!client.accesses.is_empty());
    assert_eq!(registers(&machine), registers(&plain));
    assert!(client.device == memory.read(0, DEVICE_SIZE), "the device holds something else");
    assert!(machine.memory.read(0x4000, 0x1000) == plain.memory.read(0x4000, 0x1000), "memory differs");
    // Page-table bits are set alike.
    let table = |machine: &Machine| machine.memory.read(long::TARGET_TABLE, 16);
    assert_eq!(table(&machine), table(&plain));
    drop(plain);
}

fn real_mode_code_drives_a_device(engine: &Engine) {
    let code = [
        0xFC, // cld
        0xBE, 0x00, 0x20, // mov si, 0x2000
        0x31, 0xFF, // xor di, di
        0xB9, 0x05, 0x00, // mov cx, 5
        0xF3, 0xA4, // rep movsb
        0x26, 0xC7, 0x06, 0x00, 0x01, 0x28, 0x00, // mov word es:[0x100], 40
        0x26, 0x83, 0x06, 0x00, 0x01, 0x02, // add word es:[0x100], 2
        0x26, 0xFF, 0x36, 0x00, 0x01, // push word es:[0x100]
        0x58, // pop ax
        0xE7, 0x80, // out 0x80, ax
        0xF4, // hlt
    ];
    let machine = Machine::real_mode(engine, &code, |_| ());
    machine.memory.write(0x2000, b"hello");
    machine.set(0, &[(WHvX64RegisterEs, flat_segment(0, 0x20_0000, 0xFFFF, 0x93))]);
    let mut client = Client::new(&machine, 0x20_0000, 0x200);
    assert_eq!(client.run(), WHvRunVpExitReasonX64Halt);
    assert_eq!(&client.device[..5], b"hello");
    assert_eq!(client.device[0x100..0x102], [42, 0]);
    assert_eq!(client.ports, [(0x80, 2, Some(42))]);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 42);
}

fn protected_mode_code_drives_a_device_behind_paging(engine: &Engine) {
    let code = [
        0xC7, 0x03, 0x78, 0x56, 0x34, 0x12, // mov dword [ebx], 0x12345678
        0x66, 0x8B, 0x43, 0x02, // mov ax, [ebx + 2]
        0x0F, 0xB6, 0x0B, // movzx ecx, byte [ebx]
        0xF0, 0x0F, 0xC1, 0x0B, // lock xadd [ebx], ecx
        0x0F, 0xBA, 0x2B, 0x1F, // bts dword [ebx], 31
        0xF4, // hlt
    ];
    let machine = Machine::real_mode(engine, &code, |_| ());
    // Two-level tables: the first 4 MiB one to one, and the device's page at 0x80000000.
    let tables = 0x1_0000;
    let entry = |at: u64, value: u32| machine.memory.write(at, &value.to_le_bytes());
    for page in 0..256 {
        entry(tables + 0x1000 + 4 * page, (page << 12) as u32 | 3);
    }
    entry(tables, (tables as u32 + 0x1000) | 3);
    entry(tables + 4 * 512, (tables as u32 + 0x2000) | 3);
    entry(tables + 0x2000, 0x0050_0003);
    let data = flat_segment(16, 0, u32::MAX, 0xC093);
    machine.set(
        0,
        &[
            (WHvX64RegisterCr0, word(0x8001_0011)),
            (WHvX64RegisterCr3, word(tables)),
            (WHvX64RegisterCs, flat_segment(8, 0, u32::MAX, 0xC09B)),
            (WHvX64RegisterDs, data),
            (WHvX64RegisterEs, data),
            (WHvX64RegisterSs, data),
            (WHvX64RegisterRbx, word(0x8000_0000)),
        ],
    );
    let mut client = Client::new(&machine, 0x50_0000, 0x1000);
    assert_eq!(client.run(), WHvRunVpExitReasonX64Halt);
    assert_eq!(client.device[..4], 0x9234_56F0_u32.to_le_bytes());
    assert_eq!(machine.get64(0, WHvX64RegisterRax) as u16, 0x1234);
    assert_eq!(machine.get64(0, WHvX64RegisterRcx), 0x1234_5678);
    let dirty = machine.memory.read(tables + 0x2000, 1)[0] & 0x60;
    assert_eq!(dirty, 0x60, "accessed and dirty");
}

fn long_mode_code_finds_a_device_as_it_finds_memory(engine: &Engine) {
    same_as_memory(
        engine,
        &[
            0x48, 0x8B, 0x07, // mov rax, [rdi]
            0x48, 0x89, 0x47, 0x08, // mov [rdi + 8], rax
            0x8A, 0x5F, 0x13, // mov bl, [rdi + 0x13]
            0x48, 0x0F, 0xBE, 0x4F, 0x15, // movsx rcx, byte [rdi + 0x15]
            0x66, 0x01, 0x4F, 0x20, // add [rdi + 0x20], cx
            0xF0, 0x48, 0x0F, 0xC1, 0x47, 0x28, // lock xadd [rdi + 0x28], rax
            0x48, 0x87, 0x5F, 0x30, // xchg [rdi + 0x30], rbx
            0x48, 0x8B, 0x47, 0x38, // mov rax, [rdi + 0x38]
            0xF0, 0x48, 0x0F, 0xB1, 0x4F, 0x38, // lock cmpxchg [rdi + 0x38], rcx
            0x31, 0xD2, // xor edx, edx
            0xF0, 0x48, 0x0F, 0xC7, 0x4F, 0x40, // lock cmpxchg16b [rdi + 0x40]
            0x48, 0x0F, 0xBA, 0x6F, 0x50, 0x11, // bts qword [rdi + 0x50], 17
            0x48, 0x0F, 0xA3, 0x57, 0x58, // bt [rdi + 0x58], rdx
            0x0F, 0x92, 0x47, 0x60, // setc [rdi + 0x60]
            0xD1, 0x67, 0x64, // shl dword [rdi + 0x64], 1
            0x48, 0xF7, 0x5F, 0x68, // neg qword [rdi + 0x68]
            0x0F, 0x38, 0xF0, 0x6F, 0x70, // movbe ebp, [rdi + 0x70]
            0x48, 0x8D, 0xB7, 0xFD, 0x0F, 0x00, 0x00, // lea rsi, [rdi + 0xFFD]
            0x48, 0x8B, 0x06, // mov rax, [rsi]: across pages
            0x48, 0x01, 0x06, // add [rsi], rax: across pages
            0xF0, 0xFF, 0x06, // lock inc dword [rsi]: across pages
            0x9C, 0x58, // pushf; pop rax
        ],
    );
}

fn vector_code_finds_a_device_as_it_finds_memory(engine: &Engine) {
    same_as_memory(
        engine,
        &[
            0x0F, 0x10, 0x07, // movups xmm0, [rdi]
            0x66, 0x0F, 0xEF, 0x47, 0x10, // pxor xmm0, [rdi + 0x10]
            0x0F, 0x29, 0x47, 0x20, // movaps [rdi + 0x20], xmm0
            0x66, 0x0F, 0x6E, 0x4F, 0x30, // movd xmm1, [rdi + 0x30]
            0xF2, 0x0F, 0x2A, 0x57, 0x34, // cvtsi2sd xmm2, [rdi + 0x34]
            0xF2, 0x0F, 0x11, 0x57, 0x38, // movsd [rdi + 0x38], xmm2
            0x0F, 0x6F, 0x5F, 0x40, // movq mm3, [rdi + 0x40]
            0x0F, 0xFE, 0x5F, 0x48, // paddd mm3, [rdi + 0x48]
            0x0F, 0x7F, 0x5F, 0x50, // movq [rdi + 0x50], mm3
            0x0F, 0x77, // emms
            0xDF, 0x6F, 0x58, // fild qword [rdi + 0x58]
            0xDB, 0x7F, 0x60, // fstp tbyte [rdi + 0x60]
            0xC5, 0xFE, 0x6F, 0x9F, 0xF0, 0x0F, 0x00, 0x00, // vmovdqu ymm3, [rdi + 0xFF0]: across pages
            0xC5, 0xE5, 0xFE, 0x67, 0x20, // vpaddd ymm4, ymm3, [rdi + 0x20]
            0xC5, 0xFE, 0x7F, 0xA7, 0x80, 0x00, 0x00, 0x00, // vmovdqu [rdi + 0x80], ymm4
            0xC5, 0xF9, 0x6E, 0x67, 0x30, // vmovd xmm4, [rdi + 0x30]: clears the upper half
            0xC5, 0xFE, 0x7F, 0xA7, 0xA0, 0x00, 0x00, 0x00, // vmovdqu [rdi + 0xA0], ymm4
            0xC5, 0xFD, 0x76, 0xED, // vpcmpeqd ymm5, ymm0, ymm5
            0xC5, 0xD5, 0x76, 0xED, // vpcmpeqd ymm5, ymm5, ymm5
            0xC4, 0xE2, 0x55, 0x8C, 0x77, 0x40, // vpmaskmovd ymm6, ymm5, [rdi + 0x40]
            0xC4, 0xE2, 0x55, 0x8E, 0xB7, 0xC0, 0x00, 0x00, 0x00, // vpmaskmovd [rdi + 0xC0], ymm5, ymm6
            0x48, 0x0F, 0xAE, 0x87, 0x00, 0x02, 0x00, 0x00, // fxsave64 [rdi + 0x200]
            0xB8, 0x07, 0x00, 0x00, 0x00, // mov eax, 7
            0x31, 0xD2, // xor edx, edx
            0x48, 0x0F, 0xAE, 0xA7, 0x00, 0x04, 0x00, 0x00, // xsave64 [rdi + 0x400]
        ],
    );
}

fn accesses_keep_their_sizes(engine: &Engine) {
    let code = [
        0x88, 0x07, // mov [rdi], al
        0x66, 0x89, 0x07, // mov [rdi], ax
        0x89, 0x07, // mov [rdi], eax
        0x48, 0x89, 0x07, // mov [rdi], rax
        0x0F, 0x11, 0x07, // movups [rdi], xmm0
        0xC5, 0xFE, 0x7F, 0x07, // vmovdqu [rdi], ymm0
        0x8B, 0x87, 0xFE, 0x0F, 0x00, 0x00, // mov eax, [rdi + 0xFFE]
        0x01, 0x07, // add [rdi], eax
    ];
    let machine = long::machine(engine, &code);
    machine.set64(0, WHvX64RegisterRdi, TARGET);
    let mut client = Client::new(&machine, TARGET, DEVICE_SIZE);
    assert_eq!(client.run(), WHvRunVpExitReasonX64Halt);
    let found: Vec<_> =
        client.accesses.iter().map(|(at, size, write)| (at - TARGET, *size, *write)).collect();
    let expected = [
        (0, 1, true),
        (0, 2, true),
        (0, 4, true),
        (0, 8, true),
        (0, 8, true),
        (8, 8, true),
        (0, 8, true),
        (8, 8, true),
        (16, 8, true),
        (24, 8, true),
        (0xFFE, 2, false),
        (0x1000, 2, false),
        (0, 4, false),
        (0, 4, true),
    ];
    assert_eq!(found, expected);
}

fn strings_go_between_memory_device_and_ports(engine: &Engine) {
    let code = [
        0xB9, 0x40, 0x00, 0x00, 0x00, // mov ecx, 64
        0xF3, 0x48, 0xA5, // rep movsq: memory to device
        0x48, 0x8D, 0xB7, 0x00, 0xFE, 0xFF, 0xFF, // lea rsi, [rdi - 512]
        0x48, 0x8D, 0xBE, 0x00, 0x08, 0x00, 0x00, // lea rdi, [rsi + 0x800]
        0xB9, 0x10, 0x00, 0x00, 0x00, // mov ecx, 16
        0xF3, 0xA5, // rep movsd: inside the device
        0x66, 0xBA, 0x99, 0x00, // mov dx, 0x99
        0xB9, 0x03, 0x00, 0x00, 0x00, // mov ecx, 3
        0xF3, 0x66, 0x6D, // rep insw: port to device
        0xB9, 0x02, 0x00, 0x00, 0x00, // mov ecx, 2
        0xF3, 0x6E, // rep outsb: device to port
        0x31, 0xC0, // xor eax, eax
        0xB9, 0x08, 0x00, 0x00, 0x00, // mov ecx, 8
        0xFD, // std
        0xF3, 0xAA, // rep stosb: backwards
        0xFC, // cld
    ];
    let machine = long::machine(engine, &code);
    let content: Vec<u8> = (0..512).map(pattern).collect();
    machine.memory.write(0x4000, &content);
    machine.set(0, &[(WHvX64RegisterRdi, word(TARGET)), (WHvX64RegisterRsi, word(0x4000))]);
    let mut client = Client::new(&machine, TARGET, DEVICE_SIZE);
    assert_eq!(client.run(), WHvRunVpExitReasonX64Halt);
    assert_eq!(client.device[..512], content);
    assert_eq!(client.device[0x800..0x83F], content[..63]);
    assert_eq!(client.device[0x840..0x846], [0; 6], "cleared backwards from 0x846");
    assert_eq!(machine.get64(0, WHvX64RegisterRdi), TARGET + 0x83E);
    assert_eq!(machine.get64(0, WHvX64RegisterRsi), TARGET + 0x42);
    let out = |at: usize| (0x99, 1, Some(u32::from(content[at])));
    let expected = [(0x99, 2, None), (0x99, 2, None), (0x99, 2, None), out(0x40), out(0x41)];
    assert_eq!(client.ports, expected);
}

fn a_fault_of_the_instruction_reaches_the_guest(engine: &Engine) {
    // The device's second page is not present: a copy into it stops at its first byte.
    let machine = long::machine(engine, &[0xF3, 0xA4]); // rep movsb
    machine.memory.write_u64(long::TARGET_TABLE + 8, 0);
    machine.set(
        0,
        &[
            (WHvX64RegisterRdi, word(TARGET + 0xFF8)),
            (WHvX64RegisterRsi, word(0x4000)),
            (WHvX64RegisterRcx, word(100)),
        ],
    );
    let mut client = Client::new(&machine, TARGET, DEVICE_SIZE);
    assert_eq!(client.run(), WHvRunVpExitReasonX64Halt);
    assert_eq!(machine.get64(0, WHvX64RegisterRip), long::HANDLER + 1);
    assert_eq!(machine.get64(0, WHvX64RegisterCr2), TARGET + 0x1000);
    assert_eq!(machine.get64(0, WHvX64RegisterRcx), 92);
    assert_eq!(machine.get64(0, WHvX64RegisterRdi), TARGET + 0x1000);
    let stack = machine.get64(0, WHvX64RegisterRsp);
    assert_eq!(machine.memory.read(stack, 8), 2_u64.to_le_bytes(), "a write to a page that is not present");
    assert_eq!(machine.memory.read(stack + 8, 8), CODE.to_le_bytes());
}

fn a_stack_may_lie_in_a_device(engine: &Engine) {
    let code = [
        0x6A, 0x2A, // push 42
        0xE8, 0x01, 0x00, 0x00, 0x00, // call +1
        0xF4, // hlt
        0x8F, 0x05, 0xF2, 0x2F, 0x00, 0x00, // pop [rip + 0x2FF2]: the return address
        0x58, // pop rax
        0xFF, 0x35, 0xEB, 0x2F, 0x00, 0x00, // push [rip + 0x2FEB]
        0xC8, 0x10, 0x00, 0x00, // enter 16, 0
        0xC9, // leave
        0xC3, // ret
    ];
    let machine = long::machine(engine, &code);
    machine.set64(0, WHvX64RegisterRsp, TARGET + 0x1004);
    let mut client = Client::new(&machine, TARGET, DEVICE_SIZE);
    assert_eq!(client.run(), WHvRunVpExitReasonX64Halt);
    assert_eq!(machine.get64(0, WHvX64RegisterRip), CODE + 8);
    assert_eq!(machine.get64(0, WHvX64RegisterRax), 42);
    assert_eq!(machine.get64(0, WHvX64RegisterRsp), TARGET + 0x1004);
}

fn a_single_step_ends_behind_the_instruction(engine: &Engine) {
    let machine = Machine::real_mode(
        engine,
        &[0x26, 0xA2, 0x00, 0x00, 0x90], // mov es:[0], al; nop
        |_| (),
    );
    machine.memory.write(4, &[0x00, 0x50, 0x00, 0x00]);
    machine.memory.write(0x5000, &[0xF4]);
    machine.set(0, &[(WHvX64RegisterEs, flat_segment(0, 0x20_0000, 0xFFFF, 0x93))]);
    machine.set(0, &[(WHvX64RegisterSs, segment(0, 0x93))]);
    machine.set64(0, WHvX64RegisterRflags, 0x102);
    let mut client = Client::new(&machine, 0x20_0000, 0x1000);
    assert_eq!(client.run(), WHvRunVpExitReasonX64Halt);
    assert_eq!(machine.get64(0, WHvX64RegisterRip), 0x5001);
    assert_eq!(machine.memory.read(0x8000 - 6, 2), (CODE as u16 + 4).to_le_bytes(), "the return address");
    assert_eq!(machine.get64(0, WHvX64RegisterDr6) & 1 << 14, 1 << 14);
    assert_eq!(client.accesses, [(0x20_0000, 1, true)]);
}

fn inconsistent_x87_words_do_no_harm(engine: &Engine) {
    // A pending exception that the control word does not mask, without the summary bit that goes with it.
    let machine = long::machine(engine, &[0xDF, 0x2F, 0xDF, 0x3F]); // fild qword [rdi]; fistp qword [rdi]
    let words = u128::from(0x0340_u64 | 0x003F << 16);
    let value = crate::emulator::value_of(words);
    machine.set(0, &[(WHvX64RegisterFpControlStatus, value), (WHvX64RegisterRdi, word(TARGET))]);
    let read = bits_of(&machine.get(0, WHvX64RegisterFpControlStatus)) as u32;
    assert_eq!(read >> 16 & 0x80BF, 0x80BF, "flags, and the summary that follows from them");
    let mut client = Client::new(&machine, TARGET, DEVICE_SIZE);
    assert_eq!(client.run(), WHvRunVpExitReasonX64Halt);
    assert_eq!(machine.get64(0, WHvX64RegisterRip), long::HANDLER + 1, "the exception is taken");
}
