//! Tests of the vector unit: plumbing of every form, faults, masks, MXCSR, x87 and save areas.

mod faults;
mod forms;
mod x87;
mod xsave;

use crate::cpu::vector;
use crate::exit::CpuExit;
use crate::state::*;
use crate::testing::CODE;
use crate::testing::DATA;
use crate::testing::Machine;
use crate::testing::TABLES;
use iced_x86::IcedError;
use iced_x86::code_asm::CodeAssembler;
use iced_x86::code_asm::*;

/// A long-mode machine with RAX at the data area and recognisable vector registers.
fn machine(code: &[u8]) -> Machine {
    let mut m = Machine::long_mode(code);
    m.cpu.s.gpr[RAX] = DATA;
    for n in 0..32 {
        for at in 0..64 {
            m.cpu.s.vec.zmm[n][at] = (n * 7 + at * 3 + 1) as u8;
        }
    }
    m
}

/// Assembles 64-bit code.
fn asm(f: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> Vec<u8> {
    let mut a = CodeAssembler::new(64).expect("64 is a bitness");
    f(&mut a).expect("the code is encodable");
    a.assemble(CODE).expect("the code is encodable")
}

/// A machine about to run the code.
fn ready(f: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> Machine {
    machine(&asm(f))
}

/// Puts other code at the start and RIP in front of it.
fn recode(m: &mut Machine, code: &[u8]) {
    m.ram.write(CODE, code);
    m.cpu.s.rip = CODE;
}

/// A vector of 32-bit floats.
fn floats(v: [f32; 4]) -> [u8; 16] {
    let mut b = [0; 16];
    b.chunks_exact_mut(4).zip(v).for_each(|(s, x)| s.copy_from_slice(&x.to_le_bytes()));
    b
}

fn set_xmm(m: &mut Machine, n: usize, v: [u8; 16]) {
    m.cpu.s.vec.zmm[n][..16].copy_from_slice(&v);
}

fn xmm(m: &Machine, n: usize) -> [u8; 16] {
    let mut v = [0; 16];
    v.copy_from_slice(&m.cpu.s.vec.zmm[n][..16]);
    v
}

/// The vector of the fault that one instruction raises.
fn fault_vector(m: &mut Machine) -> Option<u8> {
    m.fault().map(|(v, _)| v)
}

/// Address of the first page that [`punch`] makes absent.
const HOLE: u64 = 0x20_0000;

/// Makes the second 2 MiB not present, and puts RAX `back` bytes in front of it.
fn punch(m: &mut Machine, back: u64) {
    m.ram.put::<8>(TABLES + 0x2000 + 8, 0);
    m.cpu.flush_tlb();
    m.cpu.s.gpr[RAX] = HOLE - back;
}

/// CR2 and error code of the page fault that one instruction raises.
fn page_fault(m: &mut Machine) -> Option<(u64, u32)> {
    match m.run(1) {
        CpuExit::Exception { event, param } if event.vector == vector::PF => Some((param, event.error?)),
        _ => None,
    }
}
