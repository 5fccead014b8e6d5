//! Triggers: events of the host that, when they are set, do something to the guest.
//!
//! One thread per partition, started with the first trigger, waits for all of them. It takes the table's lock to act, so
//! that updating and deleting a trigger are exact: afterwards the old parameters are not used any more.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread::JoinHandle;

use openwhp_engine::ApicMode;
use openwhp_engine::EnginePartition;
use openwhp_engine::Event;
use openwhp_engine::InterruptKind;
use openwhp_engine::InterruptRequest;
use rustix::event::epoll;
use rustix::event::epoll::EventData;
use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;

use crate::Partition;
use crate::SynicEvent;
use crate::create_event;
use crate::notification::check_event;
use crate::notification::identity;
use crate::notification::next_identity;
use crate::partition::Live;
use crate::partition::lock;
use crate::vpci::Devices;
use crate::vpci::VpciMessage;

identity! {
    /// Names a trigger of a partition; never used twice in a process.
    TriggerId
}

/// What a trigger does when its event is set.
///
/// # Source
/// WHP `WHV_TRIGGER_PARAMETERS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TriggerAction {
    /// Requests an interrupt, as [`Partition::request_interrupt`] does.
    Interrupt(InterruptRequest),
    /// Signals a SynIC event, as [`Partition::signal_synic_event`] does.
    SynicEvent(SynicEvent),
    /// Sends the message of a virtual PCI device, as [`Partition::request_vpci_interrupt`] does.
    DeviceInterrupt {
        /// The device's number.
        device: u64,
        /// Where its message goes.
        address: u64,
        /// What it says.
        data: u32,
    },
}

/// A trigger was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerError {
    /// The partition is not set up.
    #[error("the partition is not set up")]
    NotSetUp,
    /// The partition has no emulated local APIC.
    #[error("the partition has no emulated local APIC (mode {0:?})")]
    NoApic(ApicMode),
    /// The action's values make no sense.
    #[error("the trigger's action is not valid: {0}")]
    BadAction(&'static str),
    /// The partition has no such device.
    #[error("the partition has no device {0:#x}")]
    NoDevice(u64),
    /// The trigger does not exist (any more).
    #[error("the trigger does not exist")]
    NoTrigger,
    /// A trigger keeps its kind of action.
    #[error("a trigger cannot change its kind of action")]
    OtherKind,
    /// The host has no descriptor or thread left.
    #[error("the host refused an event or a thread: {0}")]
    Host(String),
}

/// Number of the event that ends the thread.
const END: u64 = 0;
/// Events taken from the host at once.
const BATCH: usize = 32;

struct Trigger {
    action: TriggerAction,
    event: Event,
}

struct Table {
    engine: Arc<dyn EnginePartition>,
    devices: Arc<Devices>,
    triggers: Mutex<HashMap<TriggerId, Trigger>>,
}

/// The thread that waits for the triggers of a partition.
struct Watch {
    table: Arc<Table>,
    epoll: Arc<OwnedFd>,
    end: Event,
    thread: Option<JoinHandle<()>>,
}

/// The triggers of a partition.
#[derive(Default)]
pub(crate) struct Triggers {
    watch: Option<Watch>,
    is_over: bool,
}

impl Watch {
    fn start(engine: Arc<dyn EnginePartition>, devices: Arc<Devices>) -> Result<Self, TriggerError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(host)?;
        let end = create_event().map_err(host)?;
        epoll::add(&epoll, &end, EventData::new_u64(END), EventFlags::IN).map_err(host)?;
        let table = Arc::new(Table { engine, devices, triggers: Mutex::default() });
        let epoll = Arc::new(epoll);
        let (its_table, its_epoll) = (table.clone(), epoll.clone());
        let thread = std::thread::Builder::new().name("openwhp-triggers".to_owned());
        let thread = thread.spawn(move || its_table.watch(&its_epoll)).map_err(host)?;
        Ok(Self { table, epoll, end, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end.signal();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Triggers {
    /// Removes all triggers and ends their thread; nothing can be added any more.
    pub(crate) fn end(&mut self) -> Option<impl Drop + use<>> {
        self.is_over = true;
        self.watch.take()
    }

    fn watch(&self) -> Result<&Watch, TriggerError> {
        self.watch.as_ref().ok_or(TriggerError::NoTrigger)
    }
}

impl Table {
    /// The thread: acts on every event that is set until told to end.
    fn watch(&self, epoll: &OwnedFd) {
        let mut events = Vec::with_capacity(BATCH);
        loop {
            events.clear();
            if epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), None).is_err() {
                // A signal handler ran.
                continue;
            }
            for event in &events {
                match event.data.u64() {
                    END => return,
                    number => self.pull(TriggerId::from_number(number)),
                }
            }
        }
    }

    /// Consumes a set event and acts.
    fn pull(&self, id: TriggerId) {
        let triggers = lock(&self.triggers);
        let Some(trigger) = triggers.get(&id) else { return };
        if trigger.event.take().is_err() {
            return;
        }
        // Failures are silent: the guest may not be ready, which is nobody's fault.
        match trigger.action {
            TriggerAction::Interrupt(request) => {
                let _ = self.engine.interrupts().map(|interrupts| interrupts.request(request));
            }
            TriggerAction::SynicEvent(SynicEvent { vp, sint, flag }) => {
                let _ = self.engine.synic().map(|synic| synic.signal_event(vp, sint, flag));
            }
            TriggerAction::DeviceInterrupt { device, address, data } => {
                let message = VpciMessage { address, data };
                let _ = self.devices.request_interrupt(device, message, self.engine.interrupts());
            }
        }
    }
}

fn host(error: impl fmt::Display) -> TriggerError {
    TriggerError::Host(error.to_string())
}

impl Live {
    fn check_action(&self, action: &TriggerAction) -> Result<(), TriggerError> {
        match action {
            TriggerAction::Interrupt(request) => {
                if self.engine.interrupts().is_none() {
                    return Err(TriggerError::NoApic(self.config.apic_mode));
                }
                let is_fine = match request.kind {
                    InterruptKind::Fixed | InterruptKind::LowestPriority => request.vector >= 16,
                    InterruptKind::Nmi => request.vector == 0,
                    InterruptKind::Init | InterruptKind::Sipi | InterruptKind::LocalInt1 => true,
                };
                if is_fine && request.vector <= 0xFF {
                    Ok(())
                } else {
                    Err(TriggerError::BadAction("the vector does not fit the kind of interrupt"))
                }
            }
            TriggerAction::SynicEvent(event) => {
                if check_event(event, self.config.processor_count) {
                    Ok(())
                } else {
                    Err(TriggerError::BadAction("the processor, source or flag is out of range"))
                }
            }
            TriggerAction::DeviceInterrupt { device, .. } => {
                self.devices.check(*device).map_err(|_| TriggerError::NoDevice(*device))
            }
        }
    }
}

impl Partition {
    /// Makes an event that performs `action` each time it is set, without any thread of the client in the way: by a
    /// thread of the library, also while no processor runs. Setting the event several times before it is noticed is one
    /// action. An action that the guest cannot take at the time is lost.
    ///
    /// **Life:** the trigger survives a reset and goes with the partition; dropping the event leaves it, but nobody can
    /// set it any more.
    ///
    /// # Errors
    /// [`TriggerError`].
    #[doc(alias = "WHvCreateTrigger")]
    pub fn create_trigger(&self, action: TriggerAction) -> Result<(TriggerId, Event), TriggerError> {
        let live = self.live().ok_or(TriggerError::NotSetUp)?;
        live.check_action(&action)?;
        let mut all = lock(&live.triggers);
        if all.is_over {
            return Err(TriggerError::NotSetUp);
        }
        let watch = match &mut all.watch {
            Some(watch) => watch,
            none => none.insert(Watch::start(live.engine.clone(), live.devices.clone())?),
        };
        let event = create_event().map_err(host)?;
        let id = TriggerId::next();
        lock(&watch.table.triggers).insert(id, Trigger { action, event: event.clone() });
        if let Err(error) = epoll::add(&watch.epoll, &event, EventData::new_u64(id.number()), EventFlags::IN)
        {
            lock(&watch.table.triggers).remove(&id);
            return Err(host(error));
        }
        Ok((id, event))
    }

    /// Gives a trigger another action of the same kind. When it returns, the old one is not performed any more; a signal
    /// at the same time performs one of the two.
    ///
    /// # Errors
    /// [`TriggerError`]; nothing is changed then.
    #[doc(alias = "WHvUpdateTriggerParameters")]
    pub fn update_trigger(&self, trigger: TriggerId, action: TriggerAction) -> Result<(), TriggerError> {
        let live = self.live().ok_or(TriggerError::NotSetUp)?;
        live.check_action(&action)?;
        let all = lock(&live.triggers);
        let mut triggers = lock(&all.watch()?.table.triggers);
        let found = triggers.get_mut(&trigger).ok_or(TriggerError::NoTrigger)?;
        if std::mem::discriminant(&found.action) != std::mem::discriminant(&action) {
            return Err(TriggerError::OtherKind);
        }
        found.action = action;
        Ok(())
    }

    /// Removes a trigger. Its event stays what it is, but nothing happens any more when it is set.
    ///
    /// # Errors
    /// [`TriggerError::NoTrigger`].
    #[doc(alias = "WHvDeleteTrigger")]
    pub fn delete_trigger(&self, trigger: TriggerId) -> Result<(), TriggerError> {
        let live = self.live().ok_or(TriggerError::NotSetUp)?;
        let all = lock(&live.triggers);
        let watch = all.watch()?;
        let found = lock(&watch.table.triggers).remove(&trigger).ok_or(TriggerError::NoTrigger)?;
        // The caller's descriptor would keep the registration alive.
        let _ = epoll::delete(&watch.epoll, &found.event);
        Ok(())
    }
}
