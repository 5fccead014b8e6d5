//! Doorbells and triggers of the devices: queues that are served by a thread of their own, and messages that the platform
//! delivers.
//!
//! A store to a queue's notification address sets an event without an exit; the I/O thread waits for it and serves the
//! queue. An MSI-X entry that has been used has a trigger, which follows what the guest programs. Deterministic runs have
//! neither: there the processor that stores serves the queue.

use std::collections::HashMap;
use std::time::Duration;

use openwhp::DoorbellMatch;
use openwhp::Event;
use openwhp::Gpa;
use openwhp::Partition;
use openwhp::TriggerAction;
use openwhp::TriggerId;
use openwhp::create_event;
use openwhp_devices::InterruptMessage;
use openwhp_devices::pci::PciBus;
use openwhp_devices::pci::SLOTS;
use rustix::event::Timespec;
use rustix::event::epoll;
use rustix::event::epoll::EventData;
use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;

use super::request_of;

/// Number of the event that ends the wait.
const WAKE: u64 = u64::MAX;
/// Longest wait, so that the end of a run is noticed in any case.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// A queue of a function: slot and number.
type QueueName = (usize, u16);

/// A queue that has, or had, a doorbell.
#[derive(Debug)]
struct Bell {
    event: Event,
    /// Where it is registered.
    gpa: Option<u64>,
}

/// The trigger of an MSI-X entry.
#[derive(Debug)]
struct Line {
    trigger: TriggerId,
    event: Event,
    message: InterruptMessage,
}

/// What connects devices with events. Behind the devices' lock.
#[derive(Debug)]
pub(super) struct Wires {
    partition: Partition,
    waiting: std::sync::Arc<Waiting>,
    bells: HashMap<QueueName, Bell>,
    /// Where the doorbells were wanted when they were last moved.
    placed: Vec<(QueueName, u64)>,
    lines: HashMap<(usize, u16), Line>,
    /// Changes of each slot's messages that have been taken over.
    seen: [u64; SLOTS],
}

/// What the I/O thread waits on. Needs no lock.
#[derive(Debug)]
pub(super) struct Waiting {
    epoll: OwnedFd,
    wake: Event,
}

impl Waiting {
    /// Ends the present wait.
    pub(super) fn wake(&self) {
        self.wake.signal();
    }

    /// Waits until queues have work; gives their names.
    pub(super) fn wait(&self) -> Vec<QueueName> {
        let mut events = Vec::with_capacity(16);
        let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(LONGEST_WAIT.subsec_nanos()) };
        if epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&limit)).is_err() {
            return Vec::new();
        }
        let numbers = events.iter().map(|event| event.data.u64());
        numbers
            .filter(|number| *number != WAKE)
            .map(|number| ((number >> 16) as usize, number as u16))
            .collect()
    }
}

fn number_of((slot, queue): QueueName) -> EventData {
    EventData::new_u64((slot as u64) << 16 | u64::from(queue))
}

impl Wires {
    /// Connects nothing yet.
    ///
    /// # Errors
    /// When the host has no descriptors left.
    pub(super) fn new(partition: Partition) -> std::io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = create_event()?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        let waiting = std::sync::Arc::new(Waiting { epoll, wake });
        Ok(Self {
            partition,
            waiting,
            bells: HashMap::new(),
            placed: Vec::new(),
            lines: HashMap::new(),
            seen: [0; SLOTS],
        })
    }

    /// What the I/O thread waits on.
    pub(super) fn waiting(&self) -> std::sync::Arc<Waiting> {
        self.waiting.clone()
    }

    /// Queues with work, which now counts as noticed.
    pub(super) fn take_rung(&self, names: impl IntoIterator<Item = QueueName>) -> Vec<QueueName> {
        let is_rung = |name: &QueueName| self.bells.get(name).is_some_and(|bell| bell.event.take().is_ok());
        names.into_iter().filter(is_rung).collect()
    }

    /// Every queue that may have been rung.
    pub(super) fn names(&self) -> Vec<QueueName> {
        self.bells.keys().copied().collect()
    }

    /// Moves doorbells to where the guest has put them.
    pub(super) fn place_bells(&mut self, pci: &mut PciBus) {
        let mut wanted = Vec::with_capacity(self.placed.len());
        let mut found = Vec::new();
        for (slot, function) in pci.functions() {
            function.doorbells(&mut found);
            wanted.extend(found.drain(..).map(|(gpa, queue)| ((slot, queue), gpa)));
        }
        if wanted == self.placed {
            return;
        }
        // First those that go: two functions may have changed places.
        for (name, bell) in &mut self.bells {
            if let Some(gpa) = bell.gpa
                && !wanted.contains(&(*name, gpa))
            {
                let _ = self.partition.unregister_doorbell(&any_store(gpa));
                bell.gpa = None;
            }
        }
        for &(name, gpa) in &wanted {
            let partition = self.partition.clone();
            // Where a doorbell is refused, stores exit as they do without one.
            if let Some(bell) = self.bell(name)
                && bell.gpa.is_none()
                && partition.register_doorbell(any_store(gpa), &bell.event).is_ok()
            {
                bell.gpa = Some(gpa);
            }
        }
        self.placed = wanted;
    }

    fn bell(&mut self, name: QueueName) -> Option<&mut Bell> {
        if !self.bells.contains_key(&name) {
            let event = create_event().ok()?;
            epoll::add(&self.waiting.epoll, &event, number_of(name), EventFlags::IN).ok()?;
            self.bells.insert(name, Bell { event, gpa: None });
        }
        self.bells.get_mut(&name)
    }

    /// Sends the messages of every function; those that no trigger can send go to `others`.
    pub(super) fn send(&mut self, pci: &mut PciBus, others: &mut Vec<InterruptMessage>) {
        let mut signals = Vec::new();
        for (slot, function) in pci.functions() {
            let changes = function.message_changes();
            if std::mem::replace(&mut self.seen[slot % SLOTS], changes) != changes {
                for entry in self.recall(slot) {
                    function.signal(entry);
                }
            }
            function.take_signals(&mut signals);
            for (entry, message) in signals.drain(..) {
                if self.signal((slot, entry), message).is_none() {
                    others.push(message);
                }
            }
        }
    }

    /// Takes back signals that have not been delivered yet: their entries have changed, or are masked now. When it
    /// returns no earlier message is on its way any more.
    fn recall(&self, slot: usize) -> Vec<u16> {
        let mut recalled = Vec::new();
        for ((_, entry), line) in self.lines.iter().filter(|((at, _), _)| *at == slot) {
            if line.event.take().is_ok() {
                recalled.push(*entry);
            }
            if let Some(request) = request_of(&line.message) {
                // Waits for one that was consumed already.
                let _ = self.partition.update_trigger(line.trigger, TriggerAction::Interrupt(request));
            }
        }
        recalled
    }

    /// Sends one message through the trigger of its entry.
    fn signal(&mut self, name: QueueName, message: InterruptMessage) -> Option<()> {
        let action = TriggerAction::Interrupt(request_of(&message)?);
        match self.lines.get_mut(&name) {
            Some(line) if line.message == message => line.event.signal(),
            Some(line) => {
                self.partition.update_trigger(line.trigger, action).ok()?;
                line.message = message;
                line.event.signal();
            }
            None => {
                let (trigger, event) = self.partition.create_trigger(action).ok()?;
                event.signal();
                self.lines.insert(name, Line { trigger, event, message });
            }
        }
        Some(())
    }
}

fn any_store(gpa: u64) -> DoorbellMatch {
    DoorbellMatch { gpa: Gpa(gpa), length: None, value: None }
}
