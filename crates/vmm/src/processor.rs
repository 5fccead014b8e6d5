//! The loop of one virtual processor: run, answer the exit, run again.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use openwhp::Exit;
use openwhp::ExitReason;
use openwhp::Processor;
use openwhp::RegisterName as Name;
use openwhp::RegisterValue;
use openwhp::emulation;
use openwhp::emulation::Emulator;
use openwhp::emulation::EmulatorError;

use crate::debug::control::Control;
use crate::machine::Bus;
use crate::machine::Machine;
use crate::machine::WholeBus;
use crate::outcome::Ending;
use crate::outcome::Outcome;
use crate::report;
use crate::trace::ExitTrace;

/// RFLAGS.IF.
const INTERRUPT_FLAG: u64 = 1 << 9;
/// Bit of the interrupt state register: the shadow of STI or MOV SS.
const SHADOW: u64 = 1;
/// Bit of the pending interruption and pending event registers.
const PENDING: u64 = 1;
/// Pending event of the 8259 kind; the vector goes to bits 15:8.
const EXT_INT: u64 = PENDING | 5 << 1;
/// Bit of the deliverability register: tell when an interrupt can be taken.
const INTERRUPT_NOTIFICATION: u64 = 1 << 1;
/// Bit of the activity register: HLT.
const HALTED: u64 = 1 << 1;
/// IA32_APIC_BASE: the local APIC is on.
const APIC_ENABLED: u64 = 1 << 11;
const LVT_MASKED: u64 = 1 << 16;
const LVT_EXT_INT: u64 = 7;

/// How device time reaches a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeKeeper {
    /// A thread of its own keeps device time.
    ClockThread,
    /// This processor leaves guest code when device time has come, so that runs repeat exactly.
    Alarms,
}

/// One processor with what its loop needs.
#[derive(Debug)]
pub struct VpLoop {
    /// The processor.
    pub vp: Processor,
    /// The machine.
    pub machine: Arc<Machine>,
    /// The run's end.
    pub ending: Arc<Ending>,
    /// Whether this processor takes the 8259 pair's interrupts.
    pub is_first: bool,
    /// How time passes for devices.
    pub time_keeper: TimeKeeper,
    /// Finishes instructions that touch devices.
    pub emulator: RefCell<Emulator>,
    /// Where exits are recorded.
    pub trace: Option<Arc<ExitTrace>>,
    /// Where a debugger stops it.
    pub debug: Option<Arc<Control>>,
}

impl VpLoop {
    /// Runs until the run ends; a failure ends it.
    pub fn run(self) {
        if let Err(report) = self.run_until_over() {
            self.ending.end(Outcome::Died(report));
        }
    }

    fn run_until_over(&self) -> Result<(), String> {
        while !self.ending.is_over() {
            if let Some(debug) = &self.debug {
                debug.pass(self.number())?;
            }
            if self.is_first {
                self.take_pic_interrupt()?;
                if self.time_keeper == TimeKeeper::Alarms {
                    let deadline = self.machine.deadline_ns().map(openwhp::GuestNs);
                    self.vp.set_alarm(deadline).map_err(|error| error.to_string())?;
                }
            }
            let exit = self.vp.run().map_err(|error| report::failure(&self.vp, &error.to_string()))?;
            match &self.trace {
                None => self.answer(&exit)?,
                Some(trace) => self.answer_traced(trace, &exit)?,
            }
        }
        Ok(())
    }

    fn answer_traced(&self, trace: &ExitTrace, exit: &Exit) -> Result<(), String> {
        trace.record(self.vp.index().0, self.machine.now_ns(), exit);
        let start = Instant::now();
        let answered = self.answer(exit);
        trace.answered(exit, start.elapsed());
        answered
    }

    fn number(&self) -> usize {
        self.vp.index().0 as usize
    }

    fn answer(&self, exit: &Exit) -> Result<(), String> {
        let died = |reason: &str| {
            if let Some(debug) = &self.debug {
                debug.died(self.number());
            }
            Err(report::death(&self.vp, exit, reason))
        };
        if let Some(debug) = &self.debug
            && debug.exit(self.number(), exit)?
        {
            return Ok(());
        }
        match exit.reason {
            ExitReason::IoPort(_) => self
                .machine
                .access(|bus| self.finish(exit, bus))
                .or_else(|error| died(&format!("a port access could not be finished: {error}"))),
            ExitReason::MemoryAccess(access) => self
                .machine
                .access(|bus| self.finish(exit, bus))
                .or_else(|error| died(&report::memory_access(&access, &error))),
            ExitReason::ApicEoi(vector) => {
                self.machine.end_of_interrupt(vector);
                Ok(())
            }
            ExitReason::Alarm => {
                self.machine.poll();
                Ok(())
            }
            ExitReason::Canceled | ExitReason::InterruptWindow(_) | ExitReason::None => Ok(()),
            ExitReason::UnrecoverableException => {
                died("triple fault: an exception could not be delivered, nor the double fault that followed")
            }
            ExitReason::InvalidVpRegisterValue => {
                died("invalid state: the processor cannot be entered with these registers")
            }
            other => died(&format!("unexpected exit {other:?}")),
        }
    }

    /// Finishes the instruction of a memory or port exit.
    fn finish(&self, exit: &Exit, bus: &mut Bus<'_>) -> Result<(), EmulatorError> {
        emulation::finish(&mut self.emulator.borrow_mut(), &self.vp, exit, &mut WholeBus(bus))
    }

    /// Delivers an interrupt of the 8259 pair, or asks to be told when that is possible.
    fn take_pic_interrupt(&self) -> Result<(), String> {
        let waits = {
            let devices = self.machine.devices();
            devices.has_pic_interrupt().then(|| devices.io_apic_accepts_ext_int())
        };
        let Some(through_io_apic) = waits else { return Ok(()) };
        let describe = |error: openwhp::RegisterError| error.to_string();
        let names = [
            Name::RFLAGS,
            Name::INTERRUPT_STATE,
            Name::PENDING_INTERRUPTION,
            Name::PENDING_EVENT,
            Name::INTERNAL_ACTIVITY_STATE,
            Name::APIC_BASE,
            Name::PENDING_DEBUG_EXCEPTION,
        ];
        let values = self.vp.registers(&names).map_err(describe)?;
        let word = |index: usize| values.get(index).copied().map_or(0, RegisterValue::low);
        // The register form of LVT0 exists in x2APIC mode only; the page form always does.
        let page = self.vp.apic_page().map_err(|error| error.to_string())?;
        let lint0 = u64::from(u32::from_le_bytes([page[0x350], page[0x351], page[0x352], page[0x353]]));
        let accepts_lint0 = lint0 & LVT_MASKED == 0 && (lint0 >> 8) & 7 == LVT_EXT_INT;
        if word(5) & APIC_ENABLED != 0 && !accepts_lint0 && !through_io_apic {
            return Ok(());
        }
        // A debug trap that is due comes before an interrupt.
        let is_free = (word(2) | word(3)) & PENDING == 0 && word(6) == 0;
        let is_open = word(0) & INTERRUPT_FLAG != 0 && word(1) & SHADOW == 0 && is_free;
        if !is_open {
            let request = (Name::DELIVERABILITY_NOTIFICATIONS, INTERRUPT_NOTIFICATION.into());
            return self.vp.set_registers(&[request]).map_err(describe);
        }
        let vector = self.machine.devices().acknowledge_pic();
        let event = EXT_INT | u64::from(vector) << 8;
        let mut registers = vec![(Name::PENDING_EVENT, event.into())];
        if word(4) & HALTED != 0 {
            registers.push((Name::INTERNAL_ACTIVITY_STATE, (word(4) & !HALTED).into()));
        }
        self.vp.set_registers(&registers).map_err(describe)
    }
}
