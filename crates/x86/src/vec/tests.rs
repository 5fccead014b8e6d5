//! Tests of the vector unit: plumbing of every form, faults, masks, MXCSR, x87 and save areas.

mod faults;
mod forms;
mod x87;
mod xsave;

use crate::exit::CpuExit;
use crate::state::*;
use crate::testing::CODE;
use crate::testing::DATA;
use crate::testing::Machine;

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

/// Runs one instruction that must not fault.
fn run(m: &mut Machine) {
    assert_eq!(m.fault(), None);
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

/// Whether the run stopped without any exit.
fn is_limit(e: CpuExit) -> bool {
    e == CpuExit::Limit
}
