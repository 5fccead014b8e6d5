//! Stopping processors and letting them go.
//!
//! A processor's thread comes by at the top of its loop, where nobody runs the processor and its state is whole; that
//! is where it stands still. The debugger's thread touches processors only while all of them stand there.

use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use openwhp::DestinationMode;
use openwhp::Exit;
use openwhp::ExitReason;
use openwhp::Gva;
use openwhp::InterruptKind;
use openwhp::InterruptRequest;
use openwhp::Partition;
use openwhp::Processor;
use openwhp::RegisterName as Name;

use super::vp;
use super::vp::Failure;
use super::vp::Order;
use super::vp::Soft;
use super::vp::Stop;
use super::vp::Verdict;
use super::vp::VpDebug;
use crate::outcome::Ending;
use crate::wake::Wake;

/// Longest wait for processors to stand still; an answer to an exit may have to wait for a disk.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long every processor that was let go runs before another's event stops it, so that two that meet breakpoints
/// all the time both get on. Counted from when its thread sets out.
const TURN: Duration = Duration::from_micros(500);

/// Something a processor has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which processor.
    pub vp: usize,
    /// What.
    pub stop: Stop,
}

/// Breakpoints that are in memory now.
#[derive(Clone, Debug, Default)]
pub struct InMemory {
    /// Linear addresses they were set for.
    pub linear: HashSet<u64>,
    /// Guest physical addresses they are at.
    pub physical: HashSet<u64>,
}

impl InMemory {
    /// Whether there is one where a processor stands.
    fn at(&self, vp: &Processor) -> Soft {
        if self.physical.is_empty() {
            return Soft::No;
        }
        let Ok(position) = vp::position(vp) else { return Soft::No };
        let is_here = vp.linear_to_physical(Gva(position)).is_ok_and(|gpa| self.physical.contains(&gpa.0));
        match (is_here, self.linear.contains(&position)) {
            (false, _) => Soft::No,
            (true, true) => Soft::Here,
            (true, false) => Soft::Alias,
        }
    }
}

/// The meeting point of processors and debugger.
#[derive(Debug)]
pub struct Control {
    state: Mutex<State>,
    changed: Condvar,
    /// Rings when there is an event or the run is over.
    bell: Wake,
    /// A debugger is there, or processors are held for one.
    is_engaged: AtomicBool,
    ending: Arc<Ending>,
}

#[derive(Debug, Default)]
struct State {
    boot: Option<Boot>,
    events: VecDeque<Event>,
    /// What was found since processors were let go, before one of it is chosen to be told.
    found: Vec<Event>,
    /// Events told so far.
    told: u64,
    in_memory: InMemory,
    /// Hold the processors of the next boot.
    holds_next: bool,
    /// A debugger is connected.
    is_attached: bool,
    boots: u64,
    /// The command's exit status, once the run is over.
    finished: Option<u8>,
}

#[derive(Debug)]
struct Boot {
    partition: Partition,
    seats: Vec<Seat>,
}

#[derive(Debug)]
struct Seat {
    vp: Processor,
    debug: Arc<Mutex<VpDebug>>,
    order: Order,
    is_standing: bool,
    /// When it set out, since it was let go.
    set_out: Option<Instant>,
    /// Number of the last event it told, 0 for none.
    last_told: u64,
}

/// Locks a processor's part; nobody panics while holding it.
pub fn lock(debug: &Mutex<VpDebug>) -> MutexGuard<'_, VpDebug> {
    debug.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Control {
    /// Makes it; with `is_paused` the first boot's processors are held.
    #[must_use]
    pub fn new(bell: Wake, ending: Arc<Ending>, is_paused: bool) -> Self {
        let state = State { holds_next: is_paused, ..State::default() };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            bell,
            is_engaged: AtomicBool::new(is_paused),
            ending,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // For the run.

    /// Takes the processors of a boot, before their threads start.
    pub fn begin_boot(&self, processors: &[Processor]) {
        let Some(partition) = processors.first().map(|vp| vp.partition().clone()) else { return };
        let mut state = self.lock();
        let holds = std::mem::take(&mut state.holds_next) || state.is_attached;
        let order = if holds { Order::Stop } else { Order::Run };
        let seat = |vp: &Processor| Seat {
            vp: vp.clone(),
            debug: Arc::default(),
            order,
            is_standing: false,
            set_out: None,
            last_told: 0,
        };
        state.boot = Some(Boot { partition, seats: processors.iter().map(seat).collect() });
        state.events.clear();
        state.found.clear();
        if state.is_attached && state.boots > 0 {
            state.events.push_back(Event { vp: 0, stop: Stop::Reset });
            self.bell.ring();
        }
        state.boots += 1;
        self.changed.notify_all();
    }

    /// Wakes processors that stand still, to see that the run is over.
    pub fn wake(&self) {
        let _state = self.lock();
        self.changed.notify_all();
    }

    /// Forgets the processors of a boot, after their threads have ended.
    pub fn end_boot(&self) {
        self.lock().boot = None;
        self.changed.notify_all();
    }

    /// Tells the debugger's thread that the run is over.
    pub fn finish(&self, status: u8) {
        self.lock().finished = Some(status);
        self.changed.notify_all();
        self.bell.ring();
    }

    // For processors.

    /// The top of a processor's loop: stands still as long as it must, then prepares the next run.
    ///
    /// # Errors
    /// When the processor cannot be prepared.
    pub fn pass(&self, index: usize) -> Result<(), Failure> {
        if !self.is_engaged.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut state = self.lock();
        loop {
            if self.ending.is_over() {
                return Ok(());
            }
            let Some(seat) = state.seat(index) else { return Ok(()) };
            let (vp, debug) = (seat.vp.clone(), Arc::clone(&seat.debug));
            if seat.order != Order::Stop {
                let order = seat.order;
                seat.is_standing = false;
                seat.set_out.get_or_insert_with(Instant::now);
                drop(state);
                return lock(&debug).prepare(&vp, order);
            }
            if !seat.is_standing {
                drop(state);
                lock(&debug).abandon_step(&vp)?;
                state = self.lock();
                if let Some(seat) = state.seat(index) {
                    seat.is_standing = true;
                }
                self.changed.notify_all();
                continue;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Shows an exit; true when it was the debugger's business.
    ///
    /// # Errors
    /// When the processor cannot be reached, or the guest has died of it.
    pub fn exit(&self, index: usize, exit: &Exit) -> Result<bool, Failure> {
        match &exit.reason {
            ExitReason::Exception(exception) => {
                let mut state = self.lock();
                let Some(seat) = state.seat(index) else { return Ok(false) };
                let (vp, debug, order) = (seat.vp.clone(), Arc::clone(&seat.debug), seat.order);
                let soft = state.in_memory.at(&vp);
                drop(state);
                let range = if let Order::Step(range) = order { range } else { None };
                let verdict = lock(&debug).exception(&vp, exit, exception, soft, range)?;
                if let Verdict::Stop(stop) = verdict {
                    self.report(index, stop);
                }
                Ok(true)
            }
            ExitReason::ApicInitSipi(icr) => self.forward_startup(index, *icr).map(|()| true),
            _ => Ok(false),
        }
    }

    /// The guest cannot go on. Waits until the debugger has seen it.
    pub fn died(&self, index: usize) {
        if !self.lock().is_attached || self.ending.is_over() {
            return;
        }
        self.report(index, Stop::Died);
        // A register that cannot be reached does not matter any more.
        let _ = self.pass(index);
    }

    /// Sends INIT and start-up messages on, and has the processors put their debug registers back before they start.
    fn forward_startup(&self, index: usize, icr: u64) -> Result<(), Failure> {
        const ASSERT: u64 = 1 << 14;
        const LOGICAL: u64 = 1 << 11;
        const X2APIC: u64 = 1 << 10;
        let is_init = icr >> 8 & 7 == 5;
        let state = self.lock();
        let Some(boot) = &state.boot else { return Ok(()) };
        let (partition, own) = (boot.partition.clone(), index);
        let base = boot.seats.get(own).and_then(|seat| seat.vp.register(Name::APIC_BASE).ok());
        let is_x2apic = base.is_some_and(|base| base.low() & X2APIC != 0);
        let cancellers: Vec<_> = boot.seats.iter().map(|seat| seat.vp.canceller()).collect();
        drop(state);
        if is_init && icr & ASSERT == 0 {
            return Ok(());
        }
        let destinations: Vec<u64> = match icr >> 18 & 3 {
            0 => vec![if is_x2apic { icr >> 32 } else { icr >> 56 }],
            // APIC identifiers are processor numbers.
            1 => vec![own as u64],
            all => (0..cancellers.len() as u64).filter(|id| all == 2 || *id != own as u64).collect(),
        };
        let is_shorthand = icr >> 18 & 3 != 0;
        for destination in destinations {
            let request = InterruptRequest {
                kind: if is_init { InterruptKind::Init } else { InterruptKind::Sipi },
                destination_mode: if icr & LOGICAL != 0 && !is_shorthand {
                    DestinationMode::Logical
                } else {
                    DestinationMode::Physical
                },
                destination: destination as u32,
                vector: if is_init { 0 } else { (icr & 0xff) as u32 },
                ..InterruptRequest::default()
            };
            // One that addresses nobody is lost, as it is without a debugger.
            let _ = partition.request_interrupt(request);
        }
        for (_, canceller) in cancellers.iter().enumerate().filter(|(index, _)| *index != own) {
            canceller.cancel();
        }
        Ok(())
    }

    /// Stops everybody, with something to tell.
    fn report(&self, index: usize, stop: Stop) {
        let event = Event { vp: index, stop };
        let mut state = self.lock();
        if !state.is_attached {
            return;
        }
        let Some(seat) = state.seat(index) else { return };
        if seat.order == Order::Stop {
            state.found_late(event);
            self.bell.ring();
            return;
        }
        seat.order = Order::Stop;
        state.found.push(event);
        if state.found.len() > 1 {
            // Whoever found the first chooses.
            self.changed.notify_all();
            return;
        }
        if stop != Stop::Died {
            state = self.give_turns(state);
        }
        state.tell();
        state.stop();
        self.bell.ring();
    }

    /// Waits until every processor that was let go has had its turn.
    fn give_turns<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let deadline = Instant::now() + Duration::from_secs(1);
        while state.is_turn_due() && !self.ending.is_over() && Instant::now() < deadline {
            let waited = self.changed.wait_timeout(state, TURN);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    // For the debugger.

    /// Number of processors, 0 between boots.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().boot.as_ref().map_or(0, |boot| boot.seats.len())
    }

    /// How many boots have begun.
    #[must_use]
    pub fn boots(&self) -> u64 {
        self.lock().boots
    }

    /// Waits until more than `boots` boots have begun.
    pub fn wait_for_boot(&self, boots: u64) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.lock();
        while state.boots <= boots && state.finished.is_none() && Instant::now() < deadline {
            let waited = self.changed.wait_timeout(state, Duration::from_millis(100));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A processor that stands still, with its part.
    #[must_use]
    pub fn processor(&self, index: usize) -> Option<(Processor, Arc<Mutex<VpDebug>>)> {
        let mut state = self.lock();
        let seat = state.seat(index)?;
        Some((seat.vp.clone(), Arc::clone(&seat.debug)))
    }

    /// The partition of this boot.
    #[must_use]
    pub fn partition(&self) -> Option<Partition> {
        self.lock().boot.as_ref().map(|boot| boot.partition.clone())
    }

    /// The command's exit status, once the run is over.
    #[must_use]
    pub fn finished(&self) -> Option<u8> {
        self.lock().finished
    }

    /// Begins or ends the time in which a debugger is connected.
    pub fn set_attached(&self, is_attached: bool) {
        let mut state = self.lock();
        state.is_attached = is_attached;
        state.events.clear();
        state.in_memory = InMemory::default();
        if is_attached {
            self.is_engaged.store(true, Ordering::SeqCst);
        }
    }

    /// Stops every processor and waits until all stand still. False when they do not, or there are none.
    pub fn stop(&self) -> bool {
        self.lock().stop();
        self.settle()
    }

    /// Waits until every processor stands still.
    pub fn settle(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.lock();
        loop {
            let Some(boot) = &state.boot else { return false };
            if boot.seats.iter().all(|seat| seat.is_standing) {
                return true;
            }
            if self.ending.is_over() || Instant::now() > deadline {
                return false;
            }
            let waited = self.changed.wait_timeout(state, Duration::from_millis(100));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Gives orders, one per processor, with the breakpoints that are in memory. All stand still.
    pub fn go(&self, orders: &[Order], in_memory: InMemory) {
        let mut state = self.lock();
        state.in_memory = in_memory;
        state.events.clear();
        let Some(boot) = &mut state.boot else { return };
        for (seat, order) in boot.seats.iter_mut().zip(orders) {
            seat.order = *order;
            seat.is_standing = *order == Order::Stop;
            seat.set_out = None;
        }
        let is_needed = state.is_attached;
        self.is_engaged.store(is_needed, Ordering::SeqCst);
        self.changed.notify_all();
    }

    /// Takes the next event.
    #[must_use]
    pub fn take_event(&self) -> Option<Event> {
        self.lock().events.pop_front()
    }

    /// Puts an event back, to be told with the next look.
    pub fn put_event(&self, event: Event) {
        self.lock().events.push_back(event);
        self.bell.ring();
    }

    /// Where the run's end is announced.
    #[must_use]
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// What rings when there is news.
    #[must_use]
    pub fn bell(&self) -> &Wake {
        &self.bell
    }
}

impl State {
    fn seat(&mut self, index: usize) -> Option<&mut Seat> {
        self.boot.as_mut()?.seats.get_mut(index)
    }

    /// Whether a processor that runs has not run long enough yet.
    fn is_turn_due(&self) -> bool {
        let is_due = |seat: &Seat| {
            seat.order != Order::Stop && seat.set_out.is_none_or(|since| since.elapsed() < TURN)
        };
        self.boot.iter().flat_map(|boot| &boot.seats).any(is_due)
    }

    /// Chooses what is told of what was found: that of the processor that has waited longest.
    fn tell(&mut self) {
        let found = std::mem::take(&mut self.found);
        let last_told = |event: &Event| {
            let seat = self.boot.as_ref().and_then(|boot| boot.seats.get(event.vp));
            seat.map_or(0, |seat| seat.last_told)
        };
        let chosen =
            if self.events.is_empty() { found.iter().min_by_key(|event| last_told(event)) } else { None };
        let chosen = chosen.copied();
        if let Some(event) = chosen {
            self.told += 1;
            let told = self.told;
            if let Some(seat) = self.seat(event.vp) {
                seat.last_told = told;
            }
            self.events.push_back(event);
        }
        for event in found.into_iter().filter(|event| Some(*event) != chosen) {
            self.found_late(event);
        }
    }

    /// Keeps what cannot be found again; the rest is, because its instruction has not run.
    fn found_late(&mut self, event: Event) {
        if matches!(event.stop, Stop::Watch(_) | Stop::Died) {
            self.events.push_back(event);
        } else if let Some(seat) = self.seat(event.vp) {
            let debug = Arc::clone(&seat.debug);
            lock(&debug).reported_at = None;
        }
    }

    fn stop(&mut self) {
        for seat in self.boot.iter_mut().flat_map(|boot| &mut boot.seats) {
            seat.order = Order::Stop;
            if !seat.is_standing {
                seat.vp.cancel();
            }
        }
    }
}
