//! Executes a case on the software processor.

use crate::case::BASE;
use crate::case::CODE;
use crate::case::Case;
use crate::case::End;
use crate::case::READ_ONLY;
use crate::case::SCRATCH;
use crate::case::SCRATCH_LEN;
use crate::case::State;
use openwhp_x86::CpuExit;
use openwhp_x86::state::CS;
use openwhp_x86::state::rflags;
use openwhp_x86::testing::Machine;
use openwhp_x86::testing::TABLES;

/// Physical address of the page at [`BASE`].
const PHYS: u64 = 0x10_0000;

/// The software side.
#[derive(Debug)]
pub struct Guest {
    m: Machine,
}

impl Guest {
    /// A user-mode machine, 64-bit or in compatibility mode, that maps exactly what the host side maps.
    pub fn new(bits: u32) -> Guest {
        let mut m = Machine::long_mode(&[]).user();
        if bits == 32 {
            // D instead of L.
            m.cpu.s.seg[CS].attrs = m.cpu.s.seg[CS].attrs & !0x2000 | 0x4000;
            m.cpu.refresh();
        }
        let pt = TABLES + 0x3000;
        for i in 0..512 {
            m.ram.put::<8>(TABLES + 0x2000 + i * 8, 0);
        }
        m.ram.put::<8>(TABLES + 0x2000 + (BASE >> 21) * 8, pt | 7);
        let page = |la: u64, bits: u64| {
            m.ram.put::<8>(pt + ((la - BASE) >> 12) * 8, (PHYS + la - BASE) | bits);
        };
        page(CODE, 5);
        for i in 0..SCRATCH_LEN as u64 / 0x1000 {
            page(SCRATCH + i * 0x1000, 7);
        }
        page(READ_ONLY, 5);
        m.cpu.flush_map();
        Guest { m }
    }

    /// Executes the case; gives the state after it and how it ended.
    pub fn run(&mut self, case: &Case) -> (State, End) {
        let m = &mut self.m;
        let s = &case.before;
        m.ram.write(PHYS + case.rip - BASE, &case.bytes);
        m.ram.write(PHYS + SCRATCH - BASE, &s.mem);
        m.cpu.s.gpr[..16].copy_from_slice(&s.gpr);
        m.cpu.s.set_rflags(s.flags | rflags::IF);
        m.cpu.s.rip = case.rip;
        if let Some(v) = &s.vec {
            m.cpu.s.vec = (**v).clone();
        }
        m.cpu.refresh();
        let next = case.rip + case.bytes.len() as u64;
        // Long string instructions count in parts.
        let mut exit = m.run(1);
        while exit == CpuExit::Limit && m.cpu.s.rip == case.rip {
            exit = m.run(1);
        }
        let end = match exit {
            CpuExit::Limit if m.cpu.s.rip == next => End::Done,
            CpuExit::Exception { event, param } => {
                End::Fault(event.vector, if event.vector == 14 { param } else { 0 })
            }
            _ => End::Odd,
        };
        let mut mem = vec![0; s.mem.len()];
        m.ram.read(PHYS + SCRATCH - BASE, &mut mem);
        let mut gpr = [0; 16];
        gpr.copy_from_slice(&m.cpu.s.gpr[..16]);
        let vec = s.vec.as_ref().map(|_| Box::new(m.cpu.s.vec.clone()));
        (State { gpr, flags: m.cpu.s.rflags(), mem, vec }, end)
    }
}
