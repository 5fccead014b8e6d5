//! What a processor needs from its surroundings: memory, interrupts, time, randomness.
//!
//! The owner implements [`Env`] once per processor and hands it to [`crate::Cpu::new`]. None of its
//! methods is on the path of an ordinary instruction: pages are cached in the TLB, events are announced
//! through the poll word.

use crate::exit::MemAccess;
use std::any::Any;
use std::sync::atomic::AtomicU32;

/// A page of guest-physical memory as [`Env::page`] describes it.
///
/// `host` and `code` must stay valid until [`crate::Cpu::flush_map`] has been called on the processor that asked.
#[derive(Clone, Copy, Debug)]
pub struct RamPage {
    /// Host address of the page's first byte.
    pub host: *mut u8,
    /// Data reads allowed.
    pub read: bool,
    /// Data writes allowed.
    pub write: bool,
    /// Instruction fetches allowed.
    pub exec: bool,
    /// Accesses beyond these rights raise #GP(0) rather than leave to the owner (pages of the platform's own).
    pub guarded: bool,
    /// Writes must go through [`Env::wrote`] (dirty tracking armed); the TLB then keeps no write entry until the
    /// environment reports the page without this flag.
    pub notify: bool,
    /// Code state of the page: bit 0 = some processor has decoded code from it, upper bits = version, bumped by 2
    /// after each write to a page with bit 0 set.
    pub code: *const AtomicU32,
}

/// Answer of [`Env::page`].
#[derive(Clone, Copy, Debug)]
pub enum Page {
    /// Ordinary memory.
    Ram(RamPage),
    /// The local APIC's register page.
    Apic,
    /// Behaves as unmapped, except that stores are offered to [`Env::ring`] first.
    Doorbell,
    /// Nothing mapped: exits, or goes to the emulation bus.
    Unmapped,
}

/// What [`Env::poll`] wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Go on.
    Continue,
    /// Return [`crate::CpuExit::Stopped`].
    Stop,
}

/// Interrupt lines as seen at an instruction boundary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// An NMI is pending.
    pub nmi: bool,
    /// Highest deliverable external interrupt (priority above PPR), not yet acknowledged.
    pub interrupt: Option<u8>,
    /// The owner injects `interrupt`: it comes before windows and NMIs.
    pub is_injected: bool,
}

/// Result of an access to an environment-owned MSR or APIC register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect<T> {
    /// Done.
    Done(T),
    /// Done, and leave to the owner afterwards with [`crate::CpuExit::Env`] (RIP at the next instruction).
    DoneExit(T, u32, u64),
    /// #GP(0).
    Fault,
    /// Leave to the owner with [`crate::CpuExit::Msr`], nothing done.
    Exit,
}

/// Which instructions exit, and what CPUID says: the owner's decisions, asked on slow paths only.
#[derive(Clone, Debug, Default)]
pub struct Intercepts {
    /// Exceptions to intercept, a bit per vector.
    pub exceptions: u64,
    /// RDTSC and RDTSCP exit.
    pub rdtsc: bool,
    /// VMCALL and VMMCALL at privilege level 0 of protected mode exit (they raise #UD otherwise).
    pub hypercall: bool,
    /// CPUID exits.
    pub cpuid: bool,
    /// If not empty, only these CPUID functions exit.
    pub cpuid_list: Vec<u32>,
    /// HLT exits before anything else can happen.
    pub halt: bool,
}

/// The bus gave up; the instruction stops with [`crate::CpuExit::BusFailed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusFailed;

/// Whose rights an access has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// The current privilege level and EFLAGS.AC.
    Current,
    /// Implicit supervisor (descriptor tables, TSS).
    System,
    /// User, whatever the current level is (stack of an outer ring).
    User,
}

/// Answer of [`EmulationBus::translate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusPage {
    /// The page lies at this guest-physical address.
    At(u64),
    /// Page fault: not present.
    NotPresent,
    /// Page fault: the access is not permitted.
    Denied,
    /// Page fault: a reserved bit is set.
    Reserved,
}

/// Bus for instructions that touch unmapped memory or ports while [`crate::Cpu::emulate_one`] or
/// [`crate::Cpu::run_single`] runs.
pub trait EmulationBus {
    /// Reads device memory. Never crosses a page.
    ///
    /// # Errors
    /// [`BusFailed`] stops the instruction.
    fn mmio_read(&mut self, gpa: u64, data: &mut [u8]) -> Result<(), BusFailed>;

    /// Writes device memory. Never crosses a page.
    ///
    /// # Errors
    /// [`BusFailed`] stops the instruction.
    fn mmio_write(&mut self, gpa: u64, data: &[u8]) -> Result<(), BusFailed>;

    /// Reads a port (1, 2 or 4 bytes).
    ///
    /// # Errors
    /// [`BusFailed`] stops the instruction.
    fn io_read(&mut self, port: u16, size: u8) -> Result<u32, BusFailed>;

    /// Writes a port.
    ///
    /// # Errors
    /// [`BusFailed`] stops the instruction.
    fn io_write(&mut self, port: u16, size: u8, value: u32) -> Result<(), BusFailed>;

    /// All memory is the bus's: linear pages are translated by [`EmulationBus::translate`] and every access goes to
    /// `mmio_read` and `mmio_write`. The instruction has exited before, so port rights have been checked.
    fn owns_memory(&self) -> bool {
        false
    }

    /// Translates the page at linear address `page`, checking that `who` may make this access.
    ///
    /// # Errors
    /// [`BusFailed`] stops the instruction.
    fn translate(&mut self, page: u64, access: MemAccess, who: Who) -> Result<BusPage, BusFailed> {
        let _ = (page, access, who);
        Err(BusFailed)
    }
}

/// The surroundings of one processor.
pub trait Env: Send {
    /// Looks up a guest-physical page (`gpa` is page-aligned).
    fn page(&mut self, gpa: u64) -> Page;

    /// Marks a page as holding decoded code and makes sure that no processor keeps a write TLB entry for it.
    /// May block until the others have acknowledged; called before the bytes are read.
    fn protect_code(&mut self, gpa: u64);

    /// A write of `len` bytes at `gpa` was just performed to a page with `notify` set (dirty tracking).
    fn wrote(&mut self, gpa: u64, len: u64);

    /// A plain store of 1, 2, 4 or 8 bytes to a [`Page::Doorbell`] page that crosses no page: true if it rang something
    /// and is done with that.
    fn ring(&mut self, gpa: u64, data: &[u8]) -> bool;

    /// Called at a boundary when the poll word's bit 0 was set (already cleared): handle mailbox requests. The
    /// processor's TLB must be flushed through the returned flags.
    fn poll(&mut self) -> PollResult;

    /// Interrupt lines now.
    fn lines(&mut self) -> Lines;

    /// The interrupt `vector` is being delivered (IRR to ISR).
    fn acknowledge(&mut self, vector: u8);

    /// The NMI is being delivered.
    fn acknowledge_nmi(&mut self);

    /// NMIs are unmasked again by IRET.
    fn nmi_handled(&mut self) {}

    /// Guest TSC at `icount` retired instructions.
    fn tsc(&mut self, icount: u64) -> u64;

    /// Ticks of the TSC's rate that the processor has spent not halted, for MPERF and APERF.
    fn active_ticks(&mut self, icount: u64) -> u64 {
        self.tsc(icount)
    }

    /// The guest wrote its TSC (IA32_TIME_STAMP_COUNTER).
    fn set_tsc(&mut self, icount: u64, value: u64);

    /// A random word for RDRAND and RDSEED.
    fn random(&mut self) -> u64;

    /// Reads an APIC register by page offset (xAPIC MMIO, aligned 32 bits).
    fn apic_read(&mut self, offset: u32, icount: u64) -> u32;

    /// Writes an APIC register by page offset. `Fault` and `Exit` are ignored here.
    fn apic_write(&mut self, offset: u32, value: u32, icount: u64) -> Effect<()>;

    /// Task priority (CR8 = TPR\[7:4\]), whole 8-bit TPR.
    fn tpr(&mut self) -> u8;

    /// Sets the task priority.
    fn set_tpr(&mut self, tpr: u8);

    /// RDMSR of an MSR; `None` = the processor's own implementation decides, and if it has none #GP.
    /// Asked for every RDMSR before the processor looks itself.
    fn rdmsr(&mut self, index: u32, icount: u64) -> Option<Effect<u64>>;

    /// WRMSR, as [`Env::rdmsr`].
    fn wrmsr(&mut self, index: u32, value: u64, icount: u64) -> Option<Effect<()>>;

    /// RDMSR of an MSR that nobody implements: exit, fault or a value.
    fn unknown_rdmsr(&mut self, index: u32) -> Effect<u64>;

    /// WRMSR of an MSR that nobody implements.
    fn unknown_wrmsr(&mut self, index: u32, value: u64) -> Effect<()>;

    /// Runs `f` while no other processor executes guest code (locked accesses that cross pages).
    fn exclusive(&mut self, f: &mut dyn FnMut());

    /// PAUSE was executed many times in a row: yield the host CPU.
    fn pause(&mut self);

    /// For the owner to get its own type back.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// What [`Env::poll`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollResult {
    /// Go on or stop.
    pub poll: Poll,
    /// Drop every cached translation and all decoded blocks (the memory map changed).
    pub flush_map: bool,
    /// Drop write entries (a page became a code page or dirty tracking was re-armed).
    pub flush_writes: bool,
}
