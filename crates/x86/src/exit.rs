//! How instructions stop: traps inside the interpreter, exits to the owner of the processor.

use crate::state::Event;

/// Marker error: the current instruction did not complete; what happened is in [`crate::Cpu::trap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap;

/// Result of anything that can fault or exit.
pub type R<T = ()> = Result<T, Trap>;

/// What an instruction handler says when it has completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on with the next operation of the block.
    Next,
    /// The block is over: RIP, mode or pending events may have changed.
    End,
    /// A branch was taken that need not be the last operation of its block: RIP is the target.
    Jump,
}

/// Result of an instruction handler.
pub type Step = Result<Flow, Trap>;

/// Detail of a [`Trap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrapKind {
    /// Nothing pending.
    None,
    /// Deliver this event (a fault at the current instruction, or a software interrupt after it).
    Event(Event),
    /// Leave to the owner; the instruction has had no effect.
    Exit(CpuExit),
    /// Execute the instruction again (state needed a refill).
    Retry,
}

/// Kind of a memory access, as exits report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemAccess {
    /// Data read.
    Read,
    /// Data write.
    Write,
    /// Instruction fetch.
    Execute,
}

/// Why [`crate::Cpu::run`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuExit {
    /// [`crate::env::Env::poll`] asked to stop; at an instruction boundary.
    Stopped,
    /// The instruction-count limit was reached; at an instruction boundary.
    Limit,
    /// HLT retired; RIP is behind it and the activity state is `Halted`.
    Halt,
    /// A guest physical address that is unmapped or forbids the access; RIP at the instruction.
    Memory {
        /// Exact byte address.
        gpa: u64,
        /// Linear address, when the access had one.
        gva: Option<u64>,
        /// Kind of access.
        access: MemAccess,
        /// No mapping at all (rather than missing rights).
        unmapped: bool,
    },
    /// IN, OUT, INS or OUTS; RIP at the instruction.
    Io {
        /// Port number.
        port: u16,
        /// 1, 2 or 4 bytes.
        size: u8,
        /// OUT or OUTS.
        write: bool,
        /// INS or OUTS.
        string: bool,
        /// REP prefix.
        rep: bool,
        /// Instruction length.
        length: u8,
    },
    /// RDMSR or WRMSR that the owner wants; RIP at the instruction.
    Msr {
        /// ECX.
        index: u32,
        /// WRMSR.
        write: bool,
        /// Instruction length.
        length: u8,
    },
    /// CPUID that the owner wants; RIP at the instruction.
    Cpuid {
        /// Instruction length.
        length: u8,
    },
    /// RDTSC or RDTSCP that the owner wants; RIP at the instruction.
    Rdtsc {
        /// RDTSCP.
        rdtscp: bool,
        /// Instruction length.
        length: u8,
    },
    /// VMCALL or VMMCALL that the owner wants; RIP at the instruction.
    Hypercall {
        /// Instruction length.
        length: u8,
    },
    /// An intercepted exception, not delivered.
    Exception {
        /// The exception.
        event: Event,
        /// Linear address for #PF, DR6 bits for #DB.
        param: u64,
    },
    /// Triple fault.
    TripleFault,
    /// An interrupt or NMI window is open.
    InterruptWindow {
        /// NMI rather than interrupt.
        nmi: bool,
    },
    /// The environment asked for an exit after the instruction completed (APIC traps); code is the environment's.
    Env {
        /// Environment-defined code.
        code: u32,
        /// Environment-defined value.
        value: u64,
    },
    /// State that cannot be entered.
    InvalidState,
    /// The emulation bus gave up, or the instruction cannot be finished on it; only from
    /// [`crate::Cpu::emulate_one`] and [`crate::Cpu::run_single`].
    BusFailed,
}
