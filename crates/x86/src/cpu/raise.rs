//! Faults, exits and events: raising them, intercepting them, and what becomes of one while another is delivered.

use super::Cpu;
use super::attention;
use super::vector;
use crate::env::Intercepts;
use crate::exit::CpuExit;
use crate::exit::R;
use crate::exit::Trap;
use crate::exit::TrapKind;
use crate::state::*;

impl Cpu {
    /// Sets the trap detail.
    #[cold]
    #[inline(never)]
    fn trap_with<T>(&mut self, kind: TrapKind) -> R<T> {
        self.trap = kind;
        Err(Trap)
    }

    /// Leaves to the owner; the instruction has had no effect.
    ///
    /// # Errors
    /// Always.
    pub fn exit<T>(&mut self, exit: CpuExit) -> R<T> {
        self.trap_with(TrapKind::Exit(exit))
    }

    /// Raises a fault.
    ///
    /// # Errors
    /// Always.
    pub fn fault<T>(&mut self, vector: u8, error: Option<u32>) -> R<T> {
        self.trap_with(TrapKind::Event(Event {
            kind: EventKind::Exception,
            vector,
            error,
            param: 0,
            length: 0,
        }))
    }

    /// Raises a software event whose return address is behind the instruction (INT n, INT3, INTO, INT1).
    ///
    /// # Errors
    /// Always.
    pub fn software_event<T>(&mut self, kind: EventKind, vector: u8, length: u8) -> R<T> {
        self.trap_with(TrapKind::Event(Event { kind, vector, error: None, param: 0, length }))
    }

    /// Raises the debug exception of INT1, with causes that are told with it.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn software_debug<T>(&mut self, causes: u64, length: u8) -> R<T> {
        let kind = EventKind::PrivSoftException;
        self.trap_with(TrapKind::Event(Event {
            kind,
            vector: vector::DB,
            error: None,
            param: causes,
            length,
        }))
    }

    /// Raises #UD.
    ///
    /// # Errors
    /// Always.
    pub fn ud<T>(&mut self) -> R<T> {
        self.fault(vector::UD, None)
    }

    /// Raises #GP.
    ///
    /// # Errors
    /// Always.
    pub fn gp<T>(&mut self, error: u32) -> R<T> {
        self.fault(vector::GP, Some(error))
    }

    /// Raises #SS.
    ///
    /// # Errors
    /// Always.
    pub fn ss<T>(&mut self, error: u32) -> R<T> {
        self.fault(vector::SS, Some(error))
    }

    /// Raises #AC(0).
    ///
    /// # Errors
    /// Always.
    pub fn ac_fault<T>(&mut self) -> R<T> {
        self.fault(vector::AC, Some(0))
    }

    /// Raises #PF; CR2 is written at delivery.
    ///
    /// # Errors
    /// Always.
    pub fn page_fault<T>(&mut self, la: u64, code: u32) -> R<T> {
        self.trap_with(TrapKind::Event(Event {
            kind: EventKind::Exception,
            vector: vector::PF,
            error: Some(code),
            param: la,
            length: 0,
        }))
    }

    /// Has the instruction tried again, after the boundary has handled the poll word.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn retry<T>(&mut self) -> R<T> {
        self.trap_with(TrapKind::Retry)
    }

    /// Handles the pending trap: delivers the event, or gives the exit.
    pub(super) fn take_trap(&mut self) -> Option<CpuExit> {
        match std::mem::replace(&mut self.trap, TrapKind::None) {
            TrapKind::None | TrapKind::Retry => None,
            TrapKind::Exit(e) => Some(e),
            TrapKind::Event(ev) => self.raise(ev),
        }
    }

    /// Raises an event: intercepts, delivery, double and triple faults. Returns the exit that this ends in, if any.
    pub(crate) fn raise(&mut self, ev: Event) -> Option<CpuExit> {
        self.raise_with(ev, true)
    }

    /// Delivers an event that the owner injected: it is not intercepted itself, what its delivery raises is.
    pub(super) fn raise_injected(&mut self, ev: Event) -> Option<CpuExit> {
        if ev.kind == EventKind::Nmi {
            self.s.events.nmi_masked = true;
        }
        self.raise_with(ev, false)
    }

    fn raise_with(&mut self, ev: Event, intercept: bool) -> Option<CpuExit> {
        let mut ev = ev;
        // The event being delivered when a nested one comes up.
        let mut first: Option<Event> = None;
        let mut intercept = intercept;
        loop {
            if intercept && self.intercepted(&ev) {
                if ev.vector == vector::DB && ev.kind == EventKind::Exception {
                    self.apply_dr6(ev.param);
                }
                self.s.events.inject = first;
                return Some(CpuExit::Exception { event: ev, param: ev.param });
            }
            match self.deliver(&ev) {
                Ok(()) => {
                    self.delivered.count(&ev);
                    // A delivery counts like an instruction: a handler that faults at once for ever still lets guest
                    // time pass and instruction limits be reached.
                    self.s.icount += 1;
                    self.attention |= attention::EVENTS;
                    return None;
                }
                Err(Trap) => match std::mem::replace(&mut self.trap, TrapKind::None) {
                    TrapKind::None | TrapKind::Retry => {}
                    TrapKind::Exit(e) => {
                        self.s.events.inject = Some(ev);
                        return Some(e);
                    }
                    TrapKind::Event(second) => {
                        if intercept_next(&self.intercepts, &second) {
                            self.s.events.inject = Some(ev);
                            if second.vector == vector::DB {
                                self.apply_dr6(second.param);
                            }
                            return Some(CpuExit::Exception { event: second, param: second.param });
                        }
                        // CR2 follows every page fault, also one that ends as a double fault.
                        if second.kind == EventKind::Exception && second.vector == vector::PF {
                            self.s.cr2 = second.param;
                        }
                        let Some(next) = combine(&ev, &second) else {
                            self.s.activity = Activity::Shutdown;
                            return Some(CpuExit::TripleFault);
                        };
                        first = Some(ev);
                        ev = next;
                        // A double fault is intercepted by its own bit.
                        intercept = true;
                    }
                },
            }
        }
    }

    fn intercepted(&self, ev: &Event) -> bool {
        intercept_next(&self.intercepts, ev)
    }

    /// Ors debug causes into DR6.
    pub(crate) fn apply_dr6(&mut self, bits: u64) {
        // B0-B3 are replaced by the new causes; BD, BS, BT accumulate.
        self.s.dr6 = (self.s.dr6 & !0xf) | bits & 0xe00f;
    }
}

/// Whether the exception bitmap names `ev`.
fn intercept_next(i: &Intercepts, ev: &Event) -> bool {
    matches!(ev.kind, EventKind::Exception | EventKind::SoftException | EventKind::PrivSoftException)
        && ev.vector < 64
        && i.exceptions >> ev.vector & 1 != 0
}

/// Double-fault rules (Intel SDM 3A, "Interrupt 8"): the event to deliver when `second` came up while delivering
/// `first`; `None` is a triple fault.
fn combine(first: &Event, second: &Event) -> Option<Event> {
    let class = |e: &Event| match (e.kind, e.vector) {
        (EventKind::Exception, vector::DE | vector::TS | vector::NP | vector::SS | vector::GP) => 1,
        (EventKind::Exception, vector::PF) => 2,
        (EventKind::Exception, vector::DF) => 3,
        _ => 0,
    };
    match (class(first), class(second)) {
        (3, 1 | 2) => None,
        (1, 1) | (2, 1 | 2) => Some(Event {
            kind: EventKind::Exception,
            vector: vector::DF,
            error: Some(0),
            param: 0,
            length: 0,
        }),
        _ => Some(*second),
    }
}
