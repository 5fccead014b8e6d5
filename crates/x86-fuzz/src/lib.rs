//! Throws random code, random register state and random page tables at the software processor.
//!
//! Nothing is known about what a random program should compute, so the properties checked are those that hold
//! for every program: no panic, no host fault, the pseudo registers intact, the same seed gives the same run
//! bit for bit, and an instruction that exits has not retired. [`case`] runs one seed; the `fuzz-cpu` command
//! runs many; the test below runs a few in CI. What the instructions compute is checked by `x86-difftest`.

use openwhp_x86::CpuExit;
use openwhp_x86::env::BusFailed;
use openwhp_x86::env::EmulationBus;
use openwhp_x86::state::*;
use openwhp_x86::testing::*;

/// A small generator (splitmix64): the same seed gives the same case on every host.
#[derive(Clone, Copy, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator for `seed`.
    pub fn new(seed: u64) -> Rng {
        Rng(seed ^ 0x9e37_79b9_7f4a_7c15)
    }
    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.word() % n.max(1)
    }
    /// True once in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    /// A value that instructions find interesting.
    fn value(&mut self) -> u64 {
        match self.below(8) {
            0 => self.word(),
            1 => self.below(256),
            2 => CODE + self.below(4096),
            3 => DATA + self.below(0x10_0000),
            4 => self.below(SIZE as u64 * 2),
            5 => self.word() | 0xffff_8000_0000_0000,
            6 => 1 << self.below(64),
            _ => 0u64.wrapping_sub(self.below(65536)),
        }
    }
}

/// A bus whose reads depend on the address only.
struct Bus;

impl EmulationBus for Bus {
    fn mmio_read(&mut self, gpa: u64, data: &mut [u8]) -> Result<(), BusFailed> {
        for (n, b) in data.iter_mut().enumerate() {
            *b = (gpa as u8).wrapping_add(n as u8);
        }
        Ok(())
    }
    fn mmio_write(&mut self, _gpa: u64, _data: &[u8]) -> Result<(), BusFailed> {
        Ok(())
    }
    fn io_read(&mut self, port: u16, _size: u8) -> Result<u32, BusFailed> {
        Ok(u32::from(port).wrapping_mul(0x9e37))
    }
    fn io_write(&mut self, _port: u16, _size: u8, _value: u32) -> Result<(), BusFailed> {
        Ok(())
    }
}

/// Prefixes that change what follows.
const PREFIXES: [u8; 12] = [0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x64, 0x65, 0x26, 0x48, 0x41];

/// Code bytes: random, with prefixes, escapes and VEX/EVEX openings more often than chance has them.
fn code(r: &mut Rng) -> Vec<u8> {
    let mut v = Vec::new();
    while v.len() < 256 {
        while r.one_in(3) {
            v.push(PREFIXES[r.below(12) as usize]);
        }
        match r.below(10) {
            0..=2 => v.push(0x0f),
            3 => v.extend([0x0f, if r.one_in(2) { 0x38 } else { 0x3a }]),
            4 => v.extend([0xc5, r.word() as u8]),
            5 => v.extend([0xc4, r.below(4) as u8 | 0xe0, r.word() as u8]),
            6 => v.extend([0x62, 0xf1 | r.below(3) as u8, r.word() as u8 | 4, r.word() as u8]),
            _ => {}
        }
        for _ in 0..r.below(6) + 1 {
            v.push(r.word() as u8);
        }
    }
    v
}

/// Random page tables over the identity map: some entries lose presence, rights, or point elsewhere.
fn page_tables(r: &mut Rng, m: &Machine) {
    for _ in 0..r.below(64) {
        let entry = TABLES + 0x2000 + r.below(64) * 8;
        let frame = r.below(4) << 21;
        let flags = r.word() & 0x8000_0000_0000_01ff | 1;
        m.ram.put::<8>(entry, frame | flags | if r.one_in(4) { r.word() & 0x0ff0_0000_0000_0000 } else { 0 });
    }
}

/// Sets up a machine from a generator.
fn machine(r: &mut Rng) -> Machine {
    let code = code(r);
    let mut m = match r.below(8) {
        0 => Machine::real_mode(&code),
        1 => Machine::protected(16, &code),
        2 | 3 => Machine::protected(32, &code),
        _ => Machine::long_mode(&code),
    };
    if m.cpu.s.protected() && r.one_in(2) {
        m = m.user();
    }
    for i in 0..16 {
        if i != RSP || r.one_in(4) {
            m.cpu.s.gpr[i] = r.value();
        }
    }
    m.cpu.s.set_rflags(r.word() & 0x24_4dd5 | if m.cpu.s.v86() { rflags::VM } else { 0 });
    for z in &mut m.cpu.s.vec.zmm {
        for b in z.iter_mut() {
            *b = r.word() as u8;
        }
    }
    // Descriptor tables full of noise, so that far transfers and interrupts meet every kind of descriptor.
    for n in 0..256 {
        m.ram.put::<8>(0x1_0000 + n * 8, r.word());
    }
    m.cpu.s.gdtr = Table { base: 0x1_0000, limit: 0x7ff };
    m.cpu.s.idtr = Table { base: 0x1_0400, limit: r.below(0x400) as u16 };
    m.cpu.s.seg[TR].base = 0x1_0200;
    m.cpu.s.seg[TR].limit = r.below(0x200) as u32;
    if m.cpu.s.long_mode() {
        page_tables(r, &m);
        m.cpu.s.cr4 |= r.word() & (cr4::FSGSBASE | cr4::SMEP | cr4::SMAP | cr4::PKE | cr4::PGE | cr4::UMIP);
    }
    if r.one_in(4) {
        m.cpu.s.cr0 |= cr0::AM;
    }
    if r.one_in(8) {
        m.cpu.s.dr = [r.value(), r.value(), CODE + r.below(64), CODE + r.below(64)];
        m.cpu.s.dr7 = r.word() & 0xffff_2bff | 0x400;
    }
    if r.one_in(2) {
        m.cpu.intercepts.exceptions = 0;
    }
    for _ in 0..r.below(4) {
        let page = r.below(SIZE as u64 / 4096) * 4096;
        let kind = match r.below(4) {
            0 => Kind::Unmapped,
            1 => Kind::Apic,
            2 => Kind::Ram { write: false, exec: true, notify: false },
            _ => Kind::Ram { write: true, exec: r.one_in(2), notify: true },
        };
        m.env().special.insert(page, kind);
    }
    m.cpu.refresh();
    m
}

/// A digest of everything a guest can see in registers.
fn digest(m: &Machine) -> u64 {
    let mut h = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |v: u64| h = (h ^ v).wrapping_mul(0x100_0000_01b3).rotate_left(23);
    let s = &m.cpu.s;
    s.gpr.iter().for_each(|&v| add(v));
    [s.rip, s.rflags(), s.cr0, s.cr2, s.cr3, s.cr4, s.efer, s.dr6, s.icount].into_iter().for_each(&mut add);
    for seg in &s.seg {
        add(seg.base ^ u64::from(seg.limit) << 32 ^ u64::from(seg.selector) << 16 ^ u64::from(seg.attrs));
    }
    for z in &s.vec.zmm {
        for c in z.chunks_exact(8) {
            add(u64::from_le_bytes([c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]]));
        }
    }
    let mut page = [0u8; 4096];
    for at in (0..SIZE as u64).step_by(4096) {
        m.ram.read(at, &mut page);
        let sum = page.chunks_exact(8).fold(0u64, |a, c| {
            a.rotate_left(5) ^ u64::from_le_bytes([c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]])
        });
        add(sum);
    }
    h
}

/// Runs one case and gives the machine at its end.
fn run(seed: u64) -> Machine {
    let mut r = Rng::new(seed);
    let mut m = machine(&mut r);
    for _ in 0..r.below(12) + 1 {
        let before = m.cpu.s.icount;
        let exit = m.run(r.below(40) + 1);
        assert_eq!(m.cpu.s.gpr[ZERO], 0, "the zero register was written");
        assert!(m.cpu.s.icount >= before, "the instruction count went backwards");
        match exit {
            CpuExit::Limit | CpuExit::Stopped => {}
            CpuExit::Io { .. } | CpuExit::Memory { .. } => {
                let _ = m.cpu.emulate_one(&mut Bus);
            }
            CpuExit::TripleFault | CpuExit::InvalidState => break,
            _ => {
                // Go on somewhere else in the code.
                m.cpu.s.activity = Activity::Active;
                m.cpu.s.events = EventState::default();
                m.cpu.s.rip = CODE + r.below(200);
                m.cpu.refresh();
            }
        }
    }
    m
}

/// Runs a seed; every eighth one twice, to compare the ends.
///
/// # Panics
/// When a property does not hold; the message names the seed.
pub fn case(seed: u64) {
    let m = run(seed);
    if seed.is_multiple_of(8) {
        assert_eq!(digest(&m), digest(&run(seed)), "seed {seed} gave two different runs");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn random_programs_are_survived_and_repeatable() {
        for seed in 0..400 {
            super::case(seed);
        }
    }
}
