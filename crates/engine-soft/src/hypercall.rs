//! Hypercalls: who answers VMCALL and VMMCALL.

use openwhp_engine::ExtendedVmExits;
use openwhp_engine::PartitionConfig;
use openwhp_x86::CpuExit;
use openwhp_x86::cpu::vector;
use openwhp_x86::state::RAX;
use openwhp_x86::state::RCX;

use crate::vp::SoftVp;

/// Synthetic features that together give a guest the hypercall interface.
const INTERFACE: u64 = FEATURE_HV1 | FEATURE_ACCESS_HYPERCALL_REGS;
const FEATURE_HV1: u64 = 1 << 1;
const FEATURE_ACCESS_HYPERCALL_REGS: u64 = 1 << 7;

/// A guest that waits for a lock tells that it does.
const CALL_NOTIFY_LONG_SPIN_WAIT: u16 = 0x08;
const STATUS_SUCCESS: u64 = 0;

/// True if a partition has a hypercall interface of the engine's own.
pub(crate) fn has_interface(config: &PartitionConfig) -> bool {
    config.synthetic_features & INTERFACE == INTERFACE
}

/// What became of a hypercall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Registers hold the result; the instruction is done.
    Done,
    /// Nobody here knows it: it is the client's, if the client wants it.
    Unknown,
}

impl SoftVp {
    /// The guest made a hypercall with an instruction of this length: answers it, or gives the exit it ends in.
    pub(crate) fn take_hypercall(&mut self, length: u8) -> Option<CpuExit> {
        let answer =
            if has_interface(&self.shared.config) { self.answer_hypercall() } else { Answer::Unknown };
        match answer {
            Answer::Done => {
                self.cpu.retire(length);
                None
            }
            Answer::Unknown if self.env().exits.extended.contains(ExtendedVmExits::HYPERCALL) => {
                Some(CpuExit::Hypercall { length })
            }
            Answer::Unknown => self.cpu.raise_fault(vector::UD, None),
        }
    }

    /// Answers a hypercall of the engine's interface: the call is in the registers, the result goes there.
    fn answer_hypercall(&mut self) -> Answer {
        match self.cpu.s.gpr[RCX] as u16 {
            CALL_NOTIFY_LONG_SPIN_WAIT => {
                self.cpu.s.gpr[RAX] = STATUS_SUCCESS;
                Answer::Done
            }
            _ => Answer::Unknown,
        }
    }
}
