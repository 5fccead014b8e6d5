//! An interrupt controller in the client: waits for windows and injects, as programs do that emulate it themselves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use openwhp::DeliverableType;
use openwhp::InterruptKind;
use openwhp::InterruptRequest;
use openwhp::Processor;
use openwhp::RegisterName as Name;
use openwhp::RegisterValue;

use super::Host;
use super::Then;
use super::lock;

const INTERRUPT_FLAG: u64 = 1 << 9;
const SHADOW: u64 = 1;
const NMI_MASKED: u64 = 2;
const PENDING: u64 = 1;
const HALTED: u64 = 2;
const NMI: u8 = 2;
/// DeliverabilityNotifications.
const NOTIFY_NMI: u64 = 1;
const NOTIFY_INTERRUPT: u64 = 2;
/// PendingInterruption and PendingEvent.
const INJECT_NMI: u64 = PENDING | 2 << 1 | (NMI as u64) << 16;
const INJECT_EXT_INT: u64 = PENDING | 5 << 1;

/// What decides whether an event can be delivered.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    flags: u64,
    interruptibility: u64,
    is_busy: bool,
    cr8: u64,
    activity: u64,
    has_apic: bool,
}

impl State {
    pub(super) fn of(vp: &Processor, has_apic: bool) -> Result<Self> {
        let names = [
            Name::RFLAGS,
            Name::INTERRUPT_STATE,
            Name::PENDING_INTERRUPTION,
            Name::PENDING_EVENT,
            Name::CR8,
            Name::INTERNAL_ACTIVITY_STATE,
        ];
        let mut values = [RegisterValue::default(); 6];
        vp.get_registers(&names, &mut values)?;
        let [flags, interruptibility, interruption, event, cr8, activity] = values.map(RegisterValue::low);
        let is_busy = (interruption | event) & PENDING != 0;
        Ok(Self { flags, interruptibility, is_busy, cr8, activity, has_apic })
    }

    fn takes_interrupts(&self) -> bool {
        self.flags & INTERRUPT_FLAG != 0 && self.interruptibility & SHADOW == 0 && !self.is_busy
    }

    /// An interrupt of an 8259 passes by the APIC's priorities; without an APIC the client compares with CR8.
    fn takes(&self, vector: u8) -> bool {
        self.takes_interrupts() && (self.has_apic || u64::from(vector >> 4) > self.cr8)
    }

    fn takes_nmi(&self) -> bool {
        self.interruptibility & (SHADOW | NMI_MASKED) == 0 && !self.is_busy
    }
}

#[derive(Debug, Default)]
pub(super) struct Injector {
    pub(super) is_used: bool,
    vectors: BTreeSet<u8>,
    has_nmi: bool,
    is_storm: bool,
    injected: u64,
    interrupt_windows: u64,
    nmi_windows: u64,
    /// Windows that opened where nothing could be delivered.
    wrong_windows: u64,
    /// The call whose instruction is to run once more.
    retried: Option<u64>,
}

impl Injector {
    /// `[retry, count, vector..]`: interrupts wait from now on. With `retry` they do before the instruction that asks
    /// for them is finished: it comes again, and does nothing then.
    pub(super) fn raise(&mut self, address: u64, input: &[u64; 7]) -> Then {
        if self.retried.take() == Some(address) {
            return Then::Finish;
        }
        self.is_used = true;
        let [retry, count, vectors @ ..] = input;
        for &vector in vectors.iter().take(*count as usize) {
            if vector == u64::from(NMI) {
                self.has_nmi = true;
            } else {
                self.vectors.insert(vector as u8);
            }
        }
        if *retry == 0 {
            return Then::Finish;
        }
        self.retried = Some(address);
        Then::Retry
    }

    /// The answer is `[injected, interrupt windows, NMI windows, wrong windows, waiting]`.
    pub(super) fn describe(&self, output: &mut [u64; 8]) {
        let waiting = self.vectors.len() as u64 + u64::from(self.has_nmi);
        *output =
            [self.injected, self.interrupt_windows, self.nmi_windows, self.wrong_windows, waiting, 0, 0, 0];
    }

    pub(super) fn has_more(&self) -> bool {
        self.is_storm
    }

    pub(super) fn would_inject(&self, state: &State) -> bool {
        self.has_nmi && state.takes_nmi() || self.vectors.last().is_some_and(|&vector| state.takes(vector))
    }

    pub(super) fn window(&mut self, kind: DeliverableType, state: &State) {
        let is_good = match kind {
            DeliverableType::Nmi => {
                self.nmi_windows += 1;
                state.takes_nmi()
            }
            _ => {
                self.interrupt_windows += 1;
                self.vectors.last().is_some_and(|&vector| state.takes(vector))
            }
        };
        self.wrong_windows += u64::from(!is_good);
    }

    /// Injects one event if one can be delivered; returns the notifications that the others need.
    pub(super) fn prepare(&mut self, vp: &Processor, has_apic: bool) -> Result<u64> {
        let mut state = State::of(vp, has_apic)?;
        let mut notify = 0;
        if self.has_nmi {
            if has_apic {
                // The APIC waits by itself.
                let request = InterruptRequest { kind: InterruptKind::Nmi, ..InterruptRequest::default() };
                vp.partition().request_interrupt(request)?;
                self.has_nmi = false;
                self.injected += 1;
            } else if state.takes_nmi() {
                vp.set_registers(&[(Name::PENDING_INTERRUPTION, INJECT_NMI.into())])?;
                self.has_nmi = false;
                self.injected += 1;
                state.is_busy = true;
            } else {
                notify |= NOTIFY_NMI;
            }
        }
        let Some(&vector) = self.vectors.last() else { return Ok(notify) };
        if !state.takes(vector) {
            let priority = if has_apic { 0 } else { u64::from(vector >> 4) };
            return Ok(notify | NOTIFY_INTERRUPT | priority << 2);
        }
        self.vectors.remove(&vector);
        self.injected += 1;
        if has_apic {
            let event = INJECT_EXT_INT | u64::from(vector) << 8;
            vp.set_registers(&[(Name::PENDING_EVENT, event.into())])?;
            if state.activity & HALTED != 0 {
                let awake = state.activity & !HALTED;
                vp.set_registers(&[(Name::INTERNAL_ACTIVITY_STATE, awake.into())])?;
            }
        } else {
            let event = PENDING | u64::from(vector) << 16;
            vp.set_registers(&[(Name::PENDING_INTERRUPTION, event.into())])?;
        }
        let rest = self
            .vectors
            .last()
            .map_or(0, |&next| NOTIFY_INTERRUPT | if has_apic { 0 } else { u64::from(next >> 4) << 2 });
        Ok(notify | rest)
    }
}

impl Host {
    /// `[count, vector]`: another thread raises the interrupt again and again, each time once the last was taken.
    pub(super) fn storm(self: &Arc<Self>, vp: &Processor, input: &[u64; 7]) {
        let [count, vector, ..] = *input;
        let vector = vector as u8;
        let (host, canceller) = (Arc::clone(self), vp.canceller());
        {
            let mut injector = lock(&self.injector);
            injector.is_used = true;
            injector.is_storm = true;
        }
        self.helper(move || {
            for round in 0..count {
                // Uneven pauses, so that the interrupts come everywhere.
                thread::sleep(Duration::from_micros(round * 7919 % 97));
                while lock(&host.injector).vectors.contains(&vector) && !host.is_over() {
                    thread::yield_now();
                }
                lock(&host.injector).vectors.insert(vector);
                canceller.cancel();
            }
            lock(&host.injector).is_storm = false;
        });
    }
}
