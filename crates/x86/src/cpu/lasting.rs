//! What lasts for one instruction: an interrupt shadow, and the resume flag.

use super::Cpu;
use super::attention;
use crate::state::rflags;

/// What lasted when an instruction began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lasting {
    shadow: bool,
    /// The shadow came from MOV SS or POP SS.
    shadow_ss: bool,
    rf: bool,
}

impl Cpu {
    /// Ends what lasts for one instruction before it runs: it may start the same anew.
    pub(super) fn end_lasting(&mut self) -> Lasting {
        let events = &mut self.s.events;
        let lasting = Lasting {
            shadow: std::mem::take(&mut events.shadow),
            shadow_ss: std::mem::take(&mut events.shadow_ss),
            rf: self.s.sys_flags & rflags::RF != 0,
        };
        self.s.sys_flags &= !rflags::RF;
        lasting
    }

    /// The instruction has not completed.
    pub(super) fn restore_lasting(&mut self, lasting: Lasting) {
        self.s.events.shadow |= lasting.shadow;
        self.s.events.shadow_ss |= lasting.shadow_ss;
        self.s.sys_flags |= if lasting.rf { rflags::RF } else { 0 };
        self.settle_lasting();
    }

    /// Some iterations of a REP instruction are done: it keeps RF.
    pub(super) fn keep_resume_flag(&mut self, lasting: Lasting) {
        self.s.sys_flags |= if lasting.rf { rflags::RF } else { 0 };
    }

    /// Looks at events again if a shadow has ended, and slowly at the next instruction if something lasts.
    pub(super) fn settle_lasting(&mut self) {
        let had_shadow = self.attention & attention::SHADOW != 0;
        self.attention &= !(attention::SHADOW | attention::RESUME);
        if self.s.events.shadow {
            self.attention |= attention::SHADOW;
        } else if had_shadow {
            self.attention |= attention::EVENTS;
        }
        if self.s.sys_flags & rflags::RF != 0 {
            self.attention |= attention::RESUME;
        }
    }
}
