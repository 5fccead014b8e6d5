//! What connects a guest with events of the host: doorbells, notification ports, the SynIC.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use openwhp_engine::DoorbellMatch;
use openwhp_engine::EngineNotifications;
use openwhp_engine::EnginePartition;
use openwhp_engine::Event;
use openwhp_engine::NotificationError;
use openwhp_engine::SynicError;
use openwhp_engine::VpIndex;
use rustix::event::EventfdFlags;

use crate::Partition;
use crate::partition::Live;
use crate::partition::lock;

/// Sources of a SynIC.
const SINTS: u32 = 16;
/// Event flags of one source.
const FLAGS: u32 = 2048;
/// Bytes of a message slot.
const MESSAGE: usize = 256;

/// Makes an event that is not set: an eventfd whose reads and writes do not block.
///
/// # Errors
/// The host's, if it has no descriptor left.
pub fn create_event() -> io::Result<Event> {
    let descriptor = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    Ok(Event::from(descriptor))
}

/// One event flag of a SynIC source.
///
/// # Source
/// WHP `WHV_SYNIC_EVENT_PARAMETERS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SynicEvent {
    /// Whose SynIC.
    pub vp: VpIndex,
    /// Which source, below 16.
    pub sint: u32,
    /// Which flag, below 2048.
    pub flag: u32,
}

/// What a notification port listens to.
///
/// # Source
/// WHP `WHV_NOTIFICATION_PORT_PARAMETERS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortSource {
    /// The guest signals this connection.
    Connection(u32),
    /// The guest rings this doorbell.
    Doorbell(DoorbellMatch),
}

/// A property of a notification port. Both are hints; the software engine keeps them.
///
/// # Source
/// WHP `WHV_NOTIFICATION_PORT_PROPERTY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortProperty {
    /// Which processor should be interrupted for it; `None` for any.
    PreferredTarget(Option<VpIndex>),
    /// For how long that holds, in units of 100 ns.
    PreferredDuration(u64),
}

/// The hints of a notification port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortProperties {
    /// Which processor should be interrupted for it; `None` for any.
    pub preferred_target: Option<VpIndex>,
    /// For how long that holds, in units of 100 ns.
    pub preferred_duration: u64,
}

impl Default for PortProperties {
    fn default() -> Self {
        Self { preferred_target: None, preferred_duration: u64::MAX }
    }
}

/// Names a notification port or a trigger; never used twice in a process.
macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u64);

        impl $name {
            pub(crate) fn next() -> Self {
                Self(next_identity())
            }

            /// The name as a number, never 0.
            pub const fn number(self) -> u64 {
                self.0
            }

            /// The name that is this number; whether anything has it shows when it is used.
            pub const fn from_number(number: u64) -> Self {
                Self(number)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }
    };
}
pub(crate) use identity;

/// Names look like aligned pointers, which is what C programs take them for.
pub(crate) fn next_identity() -> u64 {
    const STEP: u64 = 16;
    static NEXT: AtomicU64 = AtomicU64::new(STEP);
    NEXT.fetch_add(STEP, Ordering::Relaxed)
}

identity! {
    /// Names a notification port of a partition; never used twice in a process.
    PortId
}

struct Port {
    source: PortSource,
    /// False if the doorbell behind it was unregistered by its match data.
    is_attached: bool,
    properties: PortProperties,
}

/// The doorbells and ports of a partition. Held over every change, so that they and the engine's change together.
#[derive(Default)]
pub(crate) struct Notifications {
    doorbells: Vec<DoorbellMatch>,
    ports: HashMap<PortId, Port>,
    is_over: bool,
}

impl Notifications {
    fn register(
        &mut self,
        engine: &dyn EngineNotifications,
        on: DoorbellMatch,
        event: &Event,
    ) -> Result<(), NotificationError> {
        engine.register_doorbell(on, event.clone())?;
        self.doorbells.push(on);
        Ok(())
    }

    fn unregister(
        &mut self,
        engine: &dyn EngineNotifications,
        on: &DoorbellMatch,
    ) -> Result<(), NotificationError> {
        engine.unregister_doorbell(on)?;
        self.doorbells.retain(|other| other != on);
        for port in self.ports.values_mut() {
            if port.source == PortSource::Doorbell(*on) {
                port.is_attached = false;
            }
        }
        Ok(())
    }

    /// Removes everything from the engine; nothing can be added any more.
    pub(crate) fn end(&mut self, engine: &dyn EnginePartition) {
        self.is_over = true;
        let Some(engine) = engine.notifications() else { return };
        for on in self.doorbells.drain(..) {
            let _ = engine.unregister_doorbell(&on);
        }
        for (_, port) in self.ports.drain() {
            if let PortSource::Connection(connection) = port.source {
                let _ = engine.disconnect(connection);
            }
        }
    }
}

impl Partition {
    /// Works with the engine's notifications and the partition's list of them.
    fn with_notifications<T>(
        &self,
        work: impl FnOnce(&mut Notifications, &dyn EngineNotifications, &Live) -> Result<T, NotificationError>,
    ) -> Result<T, NotificationError> {
        let live = self.live().ok_or(NotificationError::NotSetUp)?;
        let engine = live.engine.notifications();
        let engine = engine.ok_or(NotificationError::NotAvailable(self.engine_name()))?;
        let mut notifications = lock(&live.notifications);
        if notifications.is_over {
            return Err(NotificationError::NotSetUp);
        }
        work(&mut notifications, engine, live)
    }

    // Doorbells.

    /// Has `event` set by every plain store of the guest that matches; the store then completes without an exit and
    /// without writing memory. While a page has doorbells it behaves as unmapped otherwise; what is mapped beneath comes
    /// back with the last of them.
    ///
    /// **Which stores:** 1, 2, 4 or 8 bytes that cross no page, by an instruction that only writes. Others exit even if
    /// they match, and the client does the work.
    ///
    /// **Life:** the doorbell holds the event. It survives a reset, and goes with the partition. **Threading:** allowed
    /// while processors run, not from inside a bus of [`crate::emulate`].
    ///
    /// # Errors
    /// [`NotificationError`]: [`NotificationError::Conflict`] if another doorbell at this address has another length or
    /// the same value, or one of the two takes any value.
    #[doc(alias = "WHvRegisterPartitionDoorbellEvent")]
    pub fn register_doorbell(&self, on: DoorbellMatch, event: &Event) -> Result<(), NotificationError> {
        on.check()?;
        self.with_notifications(|notifications, engine, _| notifications.register(engine, on, event))
    }

    /// Removes the doorbell with exactly these match data, also one that belongs to a port. When it returns, the event is
    /// not set any more. Threading as [`Partition::register_doorbell`].
    ///
    /// # Errors
    /// [`NotificationError::NoDoorbell`].
    #[doc(alias = "WHvUnregisterPartitionDoorbellEvent")]
    pub fn unregister_doorbell(&self, on: &DoorbellMatch) -> Result<(), NotificationError> {
        on.check()?;
        self.with_notifications(|notifications, engine, _| notifications.unregister(engine, on))
    }

    // Ports.

    /// Makes a port that sets `event` when the guest signals a connection, or rings a doorbell (which is the same as
    /// [`Partition::register_doorbell`]). Life and threading are those of doorbells.
    ///
    /// # Errors
    /// [`NotificationError`]: [`NotificationError::ConnectionInUse`] for a connection that has a port.
    #[doc(alias = "WHvCreateNotificationPort")]
    pub fn create_port(&self, source: PortSource, event: &Event) -> Result<PortId, NotificationError> {
        if let PortSource::Doorbell(on) = &source {
            on.check()?;
        }
        self.with_notifications(|notifications, engine, _| {
            match source {
                PortSource::Connection(connection) => engine.connect(connection, event.clone())?,
                PortSource::Doorbell(on) => notifications.register(engine, on, event)?,
            }
            let id = PortId::next();
            let port = Port { source, is_attached: true, properties: PortProperties::default() };
            notifications.ports.insert(id, port);
            Ok(id)
        })
    }

    /// Sets a property of a port.
    ///
    /// # Errors
    /// [`NotificationError::NoPort`], or [`NotificationError::BadProperty`] for a processor that cannot exist.
    #[doc(alias = "WHvSetNotificationPortProperty")]
    pub fn set_port_property(&self, port: PortId, property: PortProperty) -> Result<(), NotificationError> {
        self.with_notifications(|notifications, _, live| {
            let port = notifications.ports.get_mut(&port).ok_or(NotificationError::NoPort)?;
            match property {
                PortProperty::PreferredTarget(Some(vp)) if vp.0 >= live.config.processor_count => {
                    return Err(NotificationError::BadProperty("the processor cannot exist"));
                }
                PortProperty::PreferredTarget(target) => port.properties.preferred_target = target,
                PortProperty::PreferredDuration(duration) => port.properties.preferred_duration = duration,
            }
            Ok(())
        })
    }

    /// The properties of a port.
    ///
    /// # Errors
    /// [`NotificationError::NoPort`].
    pub fn port_properties(&self, port: PortId) -> Result<PortProperties, NotificationError> {
        self.with_notifications(|notifications, _, _| {
            let port = notifications.ports.get(&port).ok_or(NotificationError::NoPort)?;
            Ok(port.properties)
        })
    }

    /// Removes a port. When it returns, its event is not set any more. Threading as [`Partition::register_doorbell`].
    ///
    /// # Errors
    /// [`NotificationError::NoPort`].
    #[doc(alias = "WHvDeleteNotificationPort")]
    pub fn delete_port(&self, port: PortId) -> Result<(), NotificationError> {
        self.with_notifications(|notifications, engine, _| {
            let found = notifications.ports.remove(&port).ok_or(NotificationError::NoPort)?;
            match found.source {
                PortSource::Connection(connection) => engine.disconnect(connection),
                PortSource::Doorbell(on) if found.is_attached => notifications.unregister(engine, &on),
                PortSource::Doorbell(_) => Ok(()),
            }
        })
    }

    // SynIC.

    /// Sets an event flag of a processor's SynIC and raises the source's interrupt if the flag was clear; says whether
    /// it was. The processor may be running, and is woken if it waits inside.
    ///
    /// # Errors
    /// [`SynicError`]: [`SynicError::NotReceiving`] while the guest has not switched the SynIC, its event page or the
    /// source on.
    #[doc(alias = "WHvSignalVirtualProcessorSynicEvent")]
    pub fn signal_synic_event(&self, event: SynicEvent) -> Result<bool, SynicError> {
        let live = self.live().ok_or(SynicError::NotSetUp)?;
        self.vp(event.vp).ok_or(SynicError::NoProcessor(event.vp))?;
        check_sint(event.sint)?;
        if event.flag >= FLAGS {
            return Err(SynicError::BadFlag(event.flag));
        }
        let synic = live.engine.synic().ok_or(SynicError::NotReceiving(event.vp))?;
        synic.signal_event(event.vp, event.sint, event.flag)
    }

    /// Puts a message (header and payload, 1 to 256 bytes) into a source's slot of a processor's SynIC and raises the
    /// source's interrupt. The processor may be running, and is woken if it waits inside.
    ///
    /// # Errors
    /// [`SynicError`]: [`SynicError::Occupied`] while the guest has not taken the last message; an exit tells when the
    /// slot is free if the client asks for it.
    #[doc(alias = "WHvPostVirtualProcessorSynicMessage")]
    pub fn post_synic_message(&self, vp: VpIndex, sint: u32, message: &[u8]) -> Result<(), SynicError> {
        let live = self.live().ok_or(SynicError::NotSetUp)?;
        self.vp(vp).ok_or(SynicError::NoProcessor(vp))?;
        if message.is_empty() || message.len() > MESSAGE {
            return Err(SynicError::BadMessage("it does not have 1 to 256 bytes"));
        }
        check_sint(sint)?;
        if message.iter().take(4).all(|byte| *byte == 0) {
            return Err(SynicError::BadMessage("its type is 0"));
        }
        let synic = live.engine.synic().ok_or(SynicError::NotReceiving(vp))?;
        synic.post_message(vp, sint, message)
    }
}

pub(crate) fn check_event(event: &SynicEvent, processors: u32) -> bool {
    event.vp.0 < processors && event.sint < SINTS && event.flag < FLAGS
}

fn check_sint(sint: u32) -> Result<(), SynicError> {
    if sint < SINTS { Ok(()) } else { Err(SynicError::BadSint(sint)) }
}
