//! What all processors of a partition share, and how they wait for one another.
//!
//! Lock order: the change lock of the map, then the list of processors, then one local APIC, then timers. No lock is held while
//! waiting for a processor, except the change lock, which processors take only where they count as stopped.

use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openwhp_apic::Frequency;
use openwhp_engine::DeviceInterrupts;
use openwhp_engine::ExitControls;
use openwhp_engine::PartitionConfig;

use crate::clock::Clock;
use crate::connections::Connections;
use crate::hv::HvPartition;
use crate::map::GpaMap;
use crate::overlay::OverlayPage;
use crate::timers::Timers;
use crate::vp_shared::Place;
use crate::vp_shared::VpShared;
use crate::vp_shared::lock;
use crate::vp_shared::request;

/// How long a waiting thread sleeps before it looks again by itself; a notification ends the sleep earlier.
const RECHECK: Duration = Duration::from_millis(1);

/// Shared by the partition, its processors and its timer thread.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: PartitionConfig,
    pub(crate) clock: Arc<Clock>,
    pub(crate) timers: Timers,
    pub(crate) tsc_rate: Frequency,
    pub(crate) apic_rate: Frequency,
    /// What a guest signals by number.
    pub(crate) connections: Connections,
    /// Where guests' requests about devices go.
    pub(crate) devices: OnceLock<Arc<dyn DeviceInterrupts>>,
    /// The hypervisor's interface, if the partition has one.
    pub(crate) hv: Option<HvPartition>,
    map: RwLock<Arc<GpaMap>>,
    /// Held over every change of the map, with the wait for the processors.
    pub(crate) change: Mutex<()>,
    vps: RwLock<Vec<Option<Arc<VpShared>>>>,
    exits: RwLock<Arc<ExitControls>>,
    exits_version: AtomicU64,
    /// Counts rounds of requests; a processor that has acknowledged a round has honoured its requests.
    epoch: AtomicU64,
    waiters: AtomicU32,
    meeting: Mutex<()>,
    moved: Condvar,
    /// One page at a time becomes a code page.
    pub(crate) protecting: Mutex<()>,
    /// One exclusive section at a time.
    exclusive: Mutex<()>,
    is_stopping: AtomicBool,
}

impl Shared {
    pub(crate) fn new(config: PartitionConfig, hv: Option<HvPartition>) -> Self {
        let clock = Arc::new(Clock::new(config.clock));
        let count = config.processor_count as usize;
        Self {
            timers: Timers::new(clock.clone(), count),
            clock,
            tsc_rate: Frequency::from_hz(config.tsc_hz),
            apic_rate: Frequency::from_hz(config.apic_hz),
            connections: Connections::default(),
            devices: OnceLock::new(),
            hv,
            map: RwLock::default(),
            change: Mutex::new(()),
            vps: RwLock::new(vec![None; count]),
            exits: RwLock::new(Arc::new(config.exits.clone())),
            exits_version: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            waiters: AtomicU32::new(0),
            meeting: Mutex::new(()),
            moved: Condvar::new(),
            protecting: Mutex::new(()),
            exclusive: Mutex::new(()),
            is_stopping: AtomicBool::new(false),
            config,
        }
    }

    // Processors.

    pub(crate) fn add_vp(&self, vp: &Arc<VpShared>) {
        let mut vps = self.vps.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = vps.get_mut(vp.index as usize) {
            *place = Some(vp.clone());
        }
    }

    pub(crate) fn remove_vp(&self, index: u32) {
        let mut vps = self.vps.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = vps.get_mut(index as usize) {
            *place = None;
        }
    }

    /// The processor of an index.
    pub(crate) fn vp(&self, index: u32) -> Option<Arc<VpShared>> {
        let vps = self.vps.read().unwrap_or_else(PoisonError::into_inner);
        vps.get(index as usize)?.clone()
    }

    /// Calls `visit` for every processor, in ascending order of index.
    pub(crate) fn each_vp(&self, visit: impl FnMut(&Arc<VpShared>)) {
        let vps = self.vps.read().unwrap_or_else(PoisonError::into_inner);
        vps.iter().flatten().for_each(visit);
    }

    fn others(&self, me: Option<u32>) -> Vec<Arc<VpShared>> {
        let mut others = Vec::new();
        self.each_vp(|vp| {
            if Some(vp.index) != me {
                others.push(vp.clone());
            }
        });
        others
    }

    // Exit switches.

    pub(crate) fn exits(&self) -> Arc<ExitControls> {
        self.exits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_exits(&self, exits: &ExitControls) {
        *self.exits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(exits.clone());
        self.exits_version.fetch_add(1, Ordering::SeqCst);
    }

    /// Changes whenever the exit switches do.
    pub(crate) fn exits_version(&self) -> u64 {
        self.exits_version.load(Ordering::SeqCst)
    }

    /// Lets guest time go on.
    pub(crate) fn thaw(&self) {
        if self.clock.thaw() {
            self.timers.wake();
            self.refresh_reference(true);
        }
    }

    // The map.

    pub(crate) fn map(&self) -> Arc<GpaMap> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the map by `make` of it. When it returns, no processor uses the old one. `None` changes nothing.
    pub(crate) fn change_map(&self, make: impl FnOnce(&GpaMap) -> Option<GpaMap>) -> Option<()> {
        let _change = lock(&self.change);
        let next = Arc::new(make(&self.map())?);
        let old = {
            let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *map, next)
        };
        self.gather(None, request::FLUSH_MAP);
        drop(old);
        Some(())
    }

    /// Puts a page of the engine's own in front of a guest page, in front of what lies there already, and takes it from
    /// where it was; `None` only takes it away. When it returns every processor sees it so.
    ///
    /// The caller is no processor that counts as running: those ask for it with `VpEnv::lay_overlay`.
    pub(crate) fn change_overlay(&self, overlay: &Arc<OverlayPage>, page: Option<u64>) {
        let _ = self.change_map(|map| map.with_overlay(overlay, page));
    }

    // Waiting for one another.

    /// Posts `requests` to all processors but `me` and waits until each has honoured them or will do so before it next
    /// touches guest memory.
    pub(crate) fn gather(&self, me: Option<&VpShared>, requests: u32) {
        self.ask(&self.others(me.map(|vp| vp.index)), requests);
    }

    /// As [`Shared::gather`] with some processors, among whom the caller is not.
    pub(crate) fn ask(&self, others: &[Arc<VpShared>], requests: u32) {
        for vp in others {
            vp.post(requests);
        }
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        for vp in others {
            if vp.place() != Place::Outside {
                vp.nudge();
            }
        }
        // Code pages and write rights concern only what comes after the next boundary.
        let is_map_change = requests & (request::FLUSH_MAP | request::FLUSH_TLB) != 0;
        self.wait_until(|| {
            others.iter().all(|vp| match vp.place() {
                Place::Outside | Place::Parked => true,
                // It makes no access now, and sees the request at its next boundary; but it may hold host addresses.
                Place::Protecting if !is_map_change => true,
                Place::Running | Place::Waiting | Place::Protecting => vp.acknowledged() >= epoch,
            })
        });
    }

    fn wait_until(&self, is_true: impl Fn() -> bool) {
        for _ in 0..64 {
            if is_true() {
                return;
            }
            std::hint::spin_loop();
        }
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let mut guard = lock(&self.meeting);
        while !is_true() {
            let wait = self.moved.wait_timeout(guard, RECHECK);
            guard = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(guard);
        self.waiters.fetch_sub(1, Ordering::SeqCst);
    }

    /// Tells waiting threads that a processor has moved or acknowledged.
    pub(crate) fn moved(&self) {
        if self.waiters.load(Ordering::SeqCst) != 0 {
            let guard = lock(&self.meeting);
            self.moved.notify_all();
            drop(guard);
        }
    }

    /// The round that a processor acknowledges when it takes its requests after this call.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Takes a processor out of run.
    pub(crate) fn leave(&self, vp: &VpShared) {
        vp.leave();
        self.moved();
    }

    /// Changes where a processor is, other than to running.
    pub(crate) fn leave_to(&self, vp: &VpShared, place: Place) {
        vp.set_place(place);
        self.moved();
    }

    /// Lets a processor run; waits while an exclusive section lasts.
    pub(crate) fn enter_running(&self, vp: &VpShared, waiting_place: Place) {
        loop {
            vp.set_place(Place::Running);
            if !self.is_stopping.load(Ordering::SeqCst) {
                return;
            }
            self.leave_to(vp, waiting_place);
            self.wait_until(|| !self.is_stopping.load(Ordering::SeqCst));
        }
    }

    /// At a boundary: waits while another processor is in an exclusive section.
    pub(crate) fn yield_to_exclusive(&self, vp: &VpShared) {
        if self.is_stopping.load(Ordering::SeqCst) {
            self.leave_to(vp, Place::Parked);
            self.enter_running(vp, Place::Parked);
        }
    }

    /// Runs `work` while no other processor executes guest code. Called by a processor inside an instruction.
    pub(crate) fn exclusive(&self, me: &VpShared, work: &mut dyn FnMut()) {
        self.leave_to(me, Place::Waiting);
        let section = lock(&self.exclusive);
        self.is_stopping.store(true, Ordering::SeqCst);
        let others = self.others(Some(me.index));
        for vp in &others {
            if vp.place() == Place::Running {
                vp.nudge();
            }
        }
        self.wait_until(|| others.iter().all(|vp| vp.place() != Place::Running));
        work();
        self.is_stopping.store(false, Ordering::SeqCst);
        self.moved();
        drop(section);
        self.enter_running(me, Place::Waiting);
    }
}
