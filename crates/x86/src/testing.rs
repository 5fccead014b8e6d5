//! A tiny machine for tests: flat memory, no devices, every exception intercepted.
//!
//! [`Machine::real_mode`], [`Machine::protected`] and [`Machine::long_mode`] put a processor in front of code bytes
//! with segments, stack and (in long mode) identity page tables set by assignment, so that a test needs no boot code.

use crate::cpu::Cpu;
use crate::env::*;
use crate::exit::CpuExit;
use crate::exit::TrapKind;
use crate::model::CpuModel;
use crate::state::*;
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

/// Where the code of a [`Machine`] starts (real mode: CS base 0).
pub const CODE: u64 = 0x7c00;
/// Initial stack pointer.
pub const STACK: u64 = 0x7000;
/// Page tables of [`Machine::long_mode`]: PML4, PDPT, PD, one page each.
pub const TABLES: u64 = 0x1000;
/// Memory that nothing uses: from here to the end.
pub const DATA: u64 = 0x2_0000;
/// Bytes of memory.
pub const SIZE: usize = 4 << 20;

/// Guest memory.
#[derive(Debug)]
pub struct Ram {
    cells: Vec<AtomicU8>,
    start: usize,
    code: Vec<AtomicU32>,
}

impl Ram {
    /// Zeroed memory of `size` bytes (whole pages), page-aligned on the host.
    pub fn new(size: usize) -> Arc<Ram> {
        let mut cells = Vec::with_capacity(size + 4096);
        cells.resize_with(size + 4096, || AtomicU8::new(0));
        let start = cells.as_ptr().align_offset(4096);
        let code = (0..size / 4096).map(|_| AtomicU32::new(0)).collect();
        Arc::new(Ram { cells, start, code })
    }

    fn at(&self, gpa: u64, len: usize) -> &[AtomicU8] {
        &self.cells[self.start + gpa as usize..][..len]
    }

    /// Copies bytes out.
    pub fn read(&self, gpa: u64, buf: &mut [u8]) {
        let cells = self.at(gpa, buf.len());
        for (b, c) in buf.iter_mut().zip(cells) {
            *b = c.load(Ordering::Relaxed);
        }
    }

    /// Copies bytes in; decoded code of the pages is invalidated.
    pub fn write(&self, gpa: u64, buf: &[u8]) {
        for (b, c) in buf.iter().zip(self.at(gpa, buf.len())) {
            c.store(*b, Ordering::Relaxed);
        }
        for page in gpa / 4096..(gpa + buf.len() as u64).div_ceil(4096) {
            self.code[page as usize].fetch_add(2, Ordering::AcqRel);
        }
    }

    /// Reads a little-endian word of `N` bytes.
    pub fn get<const N: usize>(&self, gpa: u64) -> u64 {
        let mut b = [0; 8];
        self.read(gpa, &mut b[..N]);
        u64::from_le_bytes(b)
    }

    /// Writes a little-endian word of `N` bytes.
    pub fn put<const N: usize>(&self, gpa: u64, v: u64) {
        self.write(gpa, &v.to_le_bytes()[..N]);
    }
}

/// How a page answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Memory with these rights.
    Ram {
        /// Writes allowed.
        write: bool,
        /// Fetches allowed.
        exec: bool,
        /// Dirty tracking armed.
        notify: bool,
    },
    /// The APIC page.
    Apic,
    /// Doorbells: stores of the value in [`TestEnv::rings`] go to [`TestEnv::rung`].
    Doorbell,
    /// Memory of the platform: reads only, everything else faults.
    Guarded,
    /// Nothing.
    Unmapped,
}

/// The surroundings: everything is a public field.
#[derive(Debug)]
pub struct TestEnv {
    /// Memory.
    pub ram: Arc<Ram>,
    /// Pages that are not ordinary memory, by page address.
    pub special: HashMap<u64, Kind>,
    /// Interrupt lines; acknowledging clears them.
    pub lines: Lines,
    /// What [`Env::random`] gives next (then incremented).
    pub random: u64,
    /// Task priority.
    pub tpr: u8,
    /// Added to `icount` to give the TSC.
    pub tsc_offset: u64,
    /// Dirty-tracking notes: (address, length).
    pub wrote: Vec<(u64, u64)>,
    /// APIC accesses: (offset, value written).
    pub apic: Vec<(u32, Option<u32>)>,
    /// Acknowledged vectors (NMI as 2).
    pub acknowledged: Vec<u8>,
    /// MSRs answered by the environment.
    pub msrs: HashMap<u32, u64>,
    /// PAUSE notifications.
    pub pauses: u32,
    /// Answer of [`Env::poll`].
    pub poll: PollResult,
    /// Value that rings doorbells.
    pub rings: Option<u64>,
    /// Doorbells rung: (address, length, value).
    pub rung: Vec<(u64, usize, u64)>,
}

impl TestEnv {
    fn ram_page(&self, gpa: u64, (write, exec, notify): (bool, bool, bool), guarded: bool) -> Page {
        Page::Ram(RamPage {
            host: self.ram.at(gpa, 4096)[0].as_ptr(),
            read: true,
            write,
            exec,
            guarded,
            notify,
            code: &raw const self.ram.code[gpa as usize / 4096],
        })
    }
}

impl Env for TestEnv {
    fn page(&mut self, gpa: u64) -> Page {
        let kind =
            self.special.get(&gpa).copied().unwrap_or(Kind::Ram { write: true, exec: true, notify: false });
        match kind {
            _ if gpa as usize + 4096 > SIZE => Page::Unmapped,
            Kind::Unmapped => Page::Unmapped,
            Kind::Apic => Page::Apic,
            Kind::Doorbell => Page::Doorbell,
            Kind::Guarded => self.ram_page(gpa, (false, false, false), true),
            Kind::Ram { write, exec, notify } => self.ram_page(gpa, (write, exec, notify), false),
        }
    }
    fn ring(&mut self, gpa: u64, data: &[u8]) -> bool {
        let mut value = [0; 8];
        value[..data.len()].copy_from_slice(data);
        let value = u64::from_le_bytes(value);
        if self.rings == Some(value) {
            self.rung.push((gpa, data.len(), value));
        }
        self.rings == Some(value)
    }
    fn protect_code(&mut self, gpa: u64) {
        self.ram.code[gpa as usize / 4096].fetch_or(1, Ordering::AcqRel);
    }
    fn wrote(&mut self, gpa: u64, len: u64) {
        self.wrote.push((gpa, len));
    }
    fn poll(&mut self) -> PollResult {
        self.poll
    }
    fn lines(&mut self) -> Lines {
        self.lines
    }
    fn acknowledge(&mut self, vector: u8) {
        self.acknowledged.push(vector);
        self.lines.interrupt = None;
    }
    fn acknowledge_nmi(&mut self) {
        self.acknowledged.push(2);
        self.lines.nmi = false;
    }
    fn tsc(&mut self, icount: u64) -> u64 {
        icount.wrapping_add(self.tsc_offset)
    }
    fn set_tsc(&mut self, icount: u64, value: u64) {
        self.tsc_offset = value.wrapping_sub(icount);
    }
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(1);
        self.random - 1
    }
    fn apic_read(&mut self, offset: u32, _icount: u64) -> u32 {
        self.apic.push((offset, None));
        offset
    }
    fn apic_write(&mut self, offset: u32, value: u32, _icount: u64) -> Effect<()> {
        self.apic.push((offset, Some(value)));
        Effect::Done(())
    }
    fn tpr(&mut self) -> u8 {
        self.tpr
    }
    fn set_tpr(&mut self, tpr: u8) {
        self.tpr = tpr;
    }
    fn rdmsr(&mut self, index: u32, _icount: u64) -> Option<Effect<u64>> {
        self.msrs.get(&index).map(|v| Effect::Done(*v))
    }
    fn wrmsr(&mut self, index: u32, value: u64, _icount: u64) -> Option<Effect<()>> {
        let slot = self.msrs.get_mut(&index)?;
        *slot = value;
        Some(Effect::Done(()))
    }
    fn unknown_rdmsr(&mut self, _index: u32) -> Effect<u64> {
        Effect::Fault
    }
    fn unknown_wrmsr(&mut self, _index: u32, _value: u64) -> Effect<()> {
        Effect::Fault
    }
    fn exclusive(&mut self, f: &mut dyn FnMut()) {
        f();
    }
    fn pause(&mut self) {
        self.pauses += 1;
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The model tests run on: everything offered.
pub fn model() -> CpuModel {
    let mut m = CpuModel::host(1_000_000_000);
    m.phys_bits = 40;
    m
}

/// A processor with memory.
#[derive(Debug)]
pub struct Machine {
    /// The processor.
    pub cpu: Box<Cpu>,
    /// Its memory.
    pub ram: Arc<Ram>,
}

const CODE32: u16 = 0xc09b;
const CODE16: u16 = 0x009b;
const CODE64: u16 = 0xa09b;
const DATA32: u16 = 0xc093;
const DATA16: u16 = 0x0093;

impl Machine {
    /// A machine in the reset state; exceptions exit instead of being delivered.
    pub fn new() -> Machine {
        let ram = Ram::new(SIZE);
        let env = TestEnv {
            ram: Arc::clone(&ram),
            special: HashMap::new(),
            lines: Lines::default(),
            random: 0x1234_5678_9abc_def0,
            tpr: 0,
            tsc_offset: 0,
            wrote: Vec::new(),
            apic: Vec::new(),
            acknowledged: Vec::new(),
            msrs: HashMap::new(),
            pauses: 0,
            poll: PollResult { poll: Poll::Continue, flush_map: false, flush_writes: false },
            rings: None,
            rung: Vec::new(),
        };
        let mut cpu = Cpu::new(model(), Box::new(env));
        cpu.intercepts.exceptions = u64::MAX;
        Machine { cpu, ram }
    }

    fn start(code: &[u8]) -> Machine {
        let mut m = Machine::new();
        m.ram.write(CODE, code);
        m.cpu.s.rip = CODE;
        m.cpu.s.gpr[RSP] = STACK;
        m.cpu.s.gpr[RDX] = 0;
        m
    }

    /// Real mode, every segment base 0.
    pub fn real_mode(code: &[u8]) -> Machine {
        let mut m = Machine::start(code);
        for i in 0..6 {
            let attrs = if i == CS { CODE16 } else { DATA16 };
            m.cpu.s.seg[i] = Segment { base: 0, limit: 0xffff, selector: 0, attrs };
        }
        m.cpu.refresh();
        m
    }

    fn flat(mut self, code: u16, data: u16, limit: u32) -> Machine {
        for i in 0..6 {
            let (attrs, selector) = if i == CS { (code, 8) } else { (data, 16) };
            self.cpu.s.seg[i] = Segment { base: 0, limit, selector, attrs };
        }
        self
    }

    /// Protected mode without paging, CPL 0: `bits` is 16 (64 KiB segments) or 32 (flat 4 GiB).
    pub fn protected(bits: u32, code: &[u8]) -> Machine {
        let m = Machine::start(code);
        let mut m =
            if bits == 16 { m.flat(CODE16, DATA16, 0xffff) } else { m.flat(CODE32, DATA32, u32::MAX) };
        m.cpu.s.cr0 = cr0::PE | cr0::ET | cr0::NE;
        m.vectors();
        m.cpu.refresh();
        m
    }

    /// 64-bit mode, CPL 0, all memory identity-mapped by user-accessible 2 MiB pages.
    pub fn long_mode(code: &[u8]) -> Machine {
        let mut m = Machine::start(code).flat(CODE64, DATA32, u32::MAX);
        m.ram.put::<8>(TABLES, (TABLES + 0x1000) | 7);
        m.ram.put::<8>(TABLES + 0x1000, (TABLES + 0x2000) | 7);
        for i in 0..512 {
            m.ram.put::<8>(TABLES + 0x2000 + i * 8, i << 21 | 0x87);
        }
        let s = &mut m.cpu.s;
        s.cr0 = cr0::PE | cr0::PG | cr0::ET | cr0::NE | cr0::WP | cr0::MP;
        s.cr3 = TABLES;
        s.cr4 = cr4::PAE;
        s.efer = efer::LME | efer::LMA | efer::NXE | efer::SCE;
        m.vectors();
        m.cpu.refresh();
        m
    }

    /// Code of 16, 32 or 64 bits: real mode, flat protected mode or long mode.
    pub fn of_bits(bits: u32, code: &[u8]) -> Machine {
        match bits {
            16 => Machine::real_mode(code),
            32 => Machine::protected(32, code),
            _ => Machine::long_mode(code),
        }
    }

    /// Switches on SSE, AVX and AVX-512.
    fn vectors(&mut self) {
        self.cpu.s.cr4 |= cr4::OSFXSR | cr4::OSXMMEXCPT | cr4::OSXSAVE;
        self.cpu.s.xcr0 = 0xe7;
    }

    /// Goes to CPL 3 with flat user segments.
    pub fn user(mut self) -> Machine {
        self.cpu.s.cpl = 3;
        for i in 0..6 {
            self.cpu.s.seg[i].attrs |= 0x60;
            self.cpu.s.seg[i].selector |= 3;
        }
        self.cpu.refresh();
        self
    }

    /// The environment.
    pub fn env(&mut self) -> &mut TestEnv {
        match self.cpu.env.as_any_mut().downcast_mut() {
            Some(e) => e,
            None => unreachable!("machines are built with a TestEnv"),
        }
    }

    /// Runs at most `n` instructions: [`CpuExit::Limit`] when nothing stopped them.
    pub fn run(&mut self, n: u64) -> CpuExit {
        self.cpu.icount_limit = self.cpu.s.icount + n;
        self.cpu.run()
    }

    /// Runs `n` instructions.
    ///
    /// # Panics
    /// When one of them exits.
    pub fn steps(&mut self, n: u64) {
        let e = self.run(n);
        assert_eq!(e, CpuExit::Limit, "stopped at {:#x}", self.cpu.s.rip);
    }

    /// Runs one instruction and gives the exception it raised, as (vector, error code).
    ///
    /// # Panics
    /// When it exits for another reason.
    pub fn fault(&mut self) -> Option<(u8, Option<u32>)> {
        match self.run(1) {
            CpuExit::Limit => None,
            CpuExit::Exception { event, .. } => Some((event.vector, event.error)),
            e => panic!("{e:?} at {:#x}", self.cpu.s.rip),
        }
    }

    /// What is pending after a handler trapped.
    pub fn trap(&self) -> TrapKind {
        self.cpu.trap
    }
}

impl Default for Machine {
    fn default() -> Self {
        Machine::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_reaches_its_code() {
        for bits in [16, 32, 64] {
            let mut m = Machine::of_bits(bits, &[0x90, 0x90]);
            m.steps(2);
            assert_eq!(m.cpu.s.rip, CODE + 2);
        }
    }
}
