//! The part of a processor that others reach: its mailbox, its local APIC, its counters.
//!
//! Others never touch what a running processor owns. They post a request and *kick*: set the word that the processor
//! polls at instruction boundaries, and wake it if it is parked.

use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openwhp_apic::LocalApic;

use crate::clock::coarse_ns;
use crate::counters::Counters;
use crate::hv::HvVp;
use crate::hv::PendingFlush;

/// Requests posted to a processor.
pub(crate) mod request {
    /// The memory map changed: drop everything that holds host addresses.
    pub(crate) const FLUSH_MAP: u32 = 1 << 0;
    /// Drop write rights.
    pub(crate) const FLUSH_WRITES: u32 = 1 << 1;
    /// INIT or start-up messages wait.
    pub(crate) const STARTUP: u32 = 1 << 2;
    /// The guest has translations dropped: see the pending flush.
    pub(crate) const FLUSH_TLB: u32 = 1 << 3;
    /// The guest restores time: see the ordered TSC.
    pub(crate) const SET_TSC: u32 = 1 << 4;
    /// What the run loop does itself at the next boundary.
    pub(crate) const BY_RUN_LOOP: u32 = STARTUP | FLUSH_TLB | SET_TSC;
}

/// Where a processor's thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Place {
    /// Not inside run: it looks at its requests before it touches guest memory again.
    Outside = 0,
    /// Executing.
    Running = 1,
    /// Inside run at a boundary, waiting; looks at its requests before it goes on.
    Parked = 2,
    /// Inside an instruction, waiting to be the only one; it may be about to write through addresses it holds.
    Waiting = 3,
    /// Fetching code, waiting for others to give write rights up; it holds addresses, but writes nothing before its
    /// next boundary.
    Protecting = 4,
}

impl Place {
    fn from_bits(bits: u32) -> Place {
        match bits {
            1 => Place::Running,
            2 => Place::Parked,
            3 => Place::Waiting,
            4 => Place::Protecting,
            _ => Place::Outside,
        }
    }
}

/// INIT and start-up messages that wait for the processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Startup {
    pub(crate) is_init: bool,
    pub(crate) page: Option<u8>,
}

/// What others see of a processor.
#[derive(Debug)]
pub(crate) struct VpShared {
    pub(crate) index: u32,
    poll: OnceLock<Arc<AtomicU32>>,
    requests: AtomicU32,
    is_canceled: AtomicBool,
    place: AtomicU32,
    acknowledged: AtomicU64,
    startup: Mutex<Startup>,
    park: Mutex<()>,
    woken: Condvar,
    pub(crate) apic: Option<Mutex<LocalApic>>,
    /// The hypervisor's interface, if there is one.
    pub(crate) hv: Option<HvVp>,
    /// What goes with [`request::FLUSH_TLB`].
    pub(crate) flush: Mutex<PendingFlush>,
    /// What goes with [`request::SET_TSC`]: the new offset of the TSC.
    pub(crate) ordered_tsc: Mutex<Option<u64>>,
    /// The offset of the TSC.
    pub(crate) tsc_offset: AtomicU64,
    /// Coarse host time of the present run, and parked time up to it; for the run time while running.
    run_start: AtomicU64,
    parked_before: AtomicU64,
    pub(crate) counters: Counters,
    /// CR4 and XCR0 when the processor last came by, for CPUID.
    pub(crate) cr4: AtomicU64,
    pub(crate) xcr0: AtomicU64,
    /// Task priority without an emulated local APIC.
    pub(crate) plain_tpr: AtomicU32,
    /// The processor's own note that it has overlays to move: every entry and exit looks at it.
    pub(crate) moves_overlays: AtomicBool,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl VpShared {
    pub(crate) fn new(index: u32, apic: Option<LocalApic>, hv: Option<HvVp>) -> Self {
        Self {
            index,
            poll: OnceLock::new(),
            requests: AtomicU32::new(0),
            is_canceled: AtomicBool::new(false),
            place: AtomicU32::new(Place::Outside as u32),
            acknowledged: AtomicU64::new(0),
            startup: Mutex::default(),
            park: Mutex::new(()),
            woken: Condvar::new(),
            apic: apic.map(Mutex::new),
            hv,
            flush: Mutex::default(),
            ordered_tsc: Mutex::default(),
            tsc_offset: AtomicU64::new(0),
            run_start: AtomicU64::new(0),
            parked_before: AtomicU64::new(0),
            counters: Counters::default(),
            cr4: AtomicU64::new(0),
            xcr0: AtomicU64::new(1),
            plain_tpr: AtomicU32::new(0),
            moves_overlays: AtomicBool::new(false),
        }
    }

    /// Connects the word that the processor polls.
    pub(crate) fn connect(&self, poll: Arc<AtomicU32>) {
        let _ = self.poll.set(poll);
    }

    pub(crate) fn apic(&self) -> Option<MutexGuard<'_, LocalApic>> {
        self.apic.as_ref().map(lock)
    }

    /// The guest has been told that it need not end the interrupt in service.
    pub(crate) fn is_eoi_waived(&self) -> bool {
        self.hv.as_ref().is_some_and(HvVp::is_eoi_waived)
    }

    // Kicks.

    /// Makes the processor look around at its next boundary, and wakes it if it is parked.
    pub(crate) fn kick(&self) {
        self.nudge();
        if self.place() == Place::Parked {
            // Taking the lock makes sure that a processor about to wait is waiting.
            let guard = lock(&self.park);
            self.woken.notify_one();
            drop(guard);
        }
    }

    /// Makes the processor look around at its next boundary; for its own thread.
    pub(crate) fn nudge(&self) {
        if let Some(poll) = self.poll.get() {
            poll.store(1, Ordering::SeqCst);
        }
    }

    fn is_nudged(&self) -> bool {
        self.poll.get().is_some_and(|poll| poll.load(Ordering::SeqCst) != 0)
    }

    /// Waits until the next kick, or for `timeout`. The caller has looked at everything since it called
    /// [`VpShared::clear_nudge`].
    pub(crate) fn park(&self, timeout: Option<Duration>) {
        let guard = lock(&self.park);
        self.set_place(Place::Parked);
        if !self.is_nudged() {
            match timeout {
                Some(time) => drop(self.woken.wait_timeout(guard, time)),
                None => drop(self.woken.wait(guard)),
            }
        }
    }

    /// Forgets earlier kicks, before the requests behind them are looked at.
    pub(crate) fn clear_nudge(&self) {
        if let Some(poll) = self.poll.get() {
            poll.store(0, Ordering::SeqCst);
        }
    }

    // Requests.

    pub(crate) fn post(&self, requests: u32) {
        self.requests.fetch_or(requests, Ordering::SeqCst);
    }

    pub(crate) fn take_requests(&self) -> u32 {
        if self.requests.load(Ordering::SeqCst) == 0 {
            return 0;
        }
        self.requests.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn has_request(&self, requests: u32) -> bool {
        self.requests.load(Ordering::SeqCst) & requests != 0
    }

    pub(crate) fn cancel(&self) {
        self.is_canceled.store(true, Ordering::SeqCst);
        self.kick();
    }

    pub(crate) fn is_canceled(&self) -> bool {
        self.is_canceled.load(Ordering::SeqCst)
    }

    pub(crate) fn take_cancel(&self) -> bool {
        self.is_canceled() && self.is_canceled.swap(false, Ordering::SeqCst)
    }

    /// Posts an INIT: what came before it is void.
    pub(crate) fn post_init(&self) {
        *lock(&self.startup) = Startup { is_init: true, page: None };
        self.post(request::STARTUP);
        self.kick();
    }

    /// Posts a start-up message; the first after an INIT counts.
    pub(crate) fn post_startup(&self, page: u8) {
        lock(&self.startup).page.get_or_insert(page);
        self.post(request::STARTUP);
        self.kick();
    }

    pub(crate) fn take_startup(&self) -> Startup {
        std::mem::take(&mut *lock(&self.startup))
    }

    /// Back to the state after creation, as far as it lives here.
    pub(crate) fn reset(&self) {
        self.is_canceled.store(false, Ordering::SeqCst);
        let _ = self.take_startup();
        if let Some(mut apic) = self.apic() {
            apic.reset();
        }
        if let Some(hv) = &self.hv {
            hv.reset();
        }
    }

    // Run time.

    /// A run starts at this coarse host time, or ends (`None`).
    pub(crate) fn note_run(&self, start: Option<u64>) {
        self.parked_before.store(self.counters.halt_ns.get(), Ordering::Relaxed);
        self.run_start.store(start.unwrap_or(0), Ordering::Relaxed);
    }

    /// Time inside run less parked time, up to now, in nanoseconds.
    pub(crate) fn runtime_ns(&self) -> u64 {
        let before = self.counters.run_ns.get();
        let start = self.run_start.load(Ordering::Relaxed);
        if start == 0 {
            return before;
        }
        let parked = self.counters.halt_ns.get().wrapping_sub(self.parked_before.load(Ordering::Relaxed));
        before.wrapping_add(coarse_ns().saturating_sub(start).saturating_sub(parked))
    }

    // Place and acknowledgement.

    pub(crate) fn place(&self) -> Place {
        Place::from_bits(self.place.load(Ordering::SeqCst))
    }

    pub(crate) fn set_place(&self, place: Place) {
        self.place.store(place as u32, Ordering::SeqCst);
    }

    /// Leaves run. Later than the accesses to guest memory before it, but in no order with what follows: whoever waits
    /// for this looks again.
    pub(crate) fn leave(&self) {
        self.place.store(Place::Outside as u32, Ordering::Release);
    }

    /// Whether there is a request to take or a round to acknowledge.
    pub(crate) fn is_behind(&self, epoch: u64) -> bool {
        self.acknowledged() != epoch || self.has_request(u32::MAX)
    }

    pub(crate) fn acknowledge(&self, epoch: u64) {
        self.acknowledged.store(epoch, Ordering::SeqCst);
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }
}
