//! A test case: instruction bytes and the state before them.

use openwhp_x86::state::VectorState;

/// First linear address of everything a case can touch.
pub const BASE: u64 = 0x2000_0000;
/// Page the instruction lies in.
pub const CODE: u64 = BASE;
/// Two writable pages.
pub const SCRATCH: u64 = BASE + 0x1_0000;
/// Bytes of scratch memory.
pub const SCRATCH_LEN: usize = 0x2000;
/// One read-only page behind them; the pages around are not present.
pub const READ_ONLY: u64 = SCRATCH + SCRATCH_LEN as u64;

/// Registers and memory.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// General registers in encoding order.
    pub gpr: [u64; 16],
    /// RFLAGS: arithmetic flags and DF.
    pub flags: u64,
    /// Scratch memory and the read-only page.
    pub mem: Vec<u8>,
    /// x87 and vector state, if the instruction looks at it.
    pub vec: Option<Box<VectorState>>,
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The instruction completed.
    Done,
    /// It raised this exception; the address is CR2 for page faults, else 0.
    Fault(u8, u64),
    /// It stopped in a way no instruction here should.
    Odd,
}

/// One instruction in one state.
#[derive(Clone, Debug)]
pub struct Case {
    /// Width of the code: 64, or 32 for compatibility mode.
    pub bits: u32,
    /// The seed it came from.
    pub seed: u64,
    /// Instruction bytes.
    pub bytes: Vec<u8>,
    /// Where it lies.
    pub rip: u64,
    /// State before.
    pub before: State,
}
