//! Partitions: one guest machine, from configuration to deletion.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::RwLock;

use openwhp_engine::AccessType;
use openwhp_engine::Capabilities;
use openwhp_engine::ClockMode;
use openwhp_engine::CreateError as EngineCreateError;
use openwhp_engine::DestinationMode;
use openwhp_engine::Engine;
use openwhp_engine::EngineMapError;
use openwhp_engine::EnginePartition;
use openwhp_engine::Gpa;
use openwhp_engine::GuestNs;
use openwhp_engine::HostRange;
use openwhp_engine::InterruptError;
use openwhp_engine::InterruptKind;
use openwhp_engine::InterruptRequest;
use openwhp_engine::MapFlags;
use openwhp_engine::PAGE_SIZE;
use openwhp_engine::PartitionConfig;
use openwhp_engine::PopulateFlags;
use openwhp_engine::VpIndex;

use crate::AccessError;
use crate::CreateError;
use crate::EngineChoice;
use crate::GuestMemory;
use crate::MapError;
use crate::PartitionBuilder;
use crate::Processor;
use crate::Property;
use crate::PropertyCode;
use crate::PropertyError;
use crate::SetupError;
use crate::TimeError;
use crate::VpError;
use crate::backing::Backing;
use crate::cell::Cell;
use crate::gate::Closed;
use crate::gate::RunGate;
use crate::notification::Notifications;
use crate::store::Store;
use crate::trigger::Triggers;
use crate::vpci::Devices;

/// A partition: one guest machine. The value is a handle; clones mean the same partition.
///
/// A partition is *created* first: properties can be set, nothing runs. [`Partition::set_up`] makes the real
/// machine; from then on memory can be mapped and processors created. When the last handle (and the last
/// [`Processor`] of it) is gone, the partition is.
///
/// Every method may be called from any thread.
#[derive(Clone)]
pub struct Partition(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    engine: Arc<dyn Engine>,
    state: Mutex<State>,
    live: OnceLock<Live>,
    pub(crate) gate: RunGate,
}

struct State {
    store: Store,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Created,
    SetUp,
    Deleted,
}

/// What exists once the partition is set up.
pub(crate) struct Live {
    pub(crate) engine: Arc<dyn EnginePartition>,
    pub(crate) config: PartitionConfig,
    vps: RwLock<Vec<Option<Arc<Cell>>>>,
    /// Held over every change of the map, so that owners and map change together.
    backing: Mutex<Backing>,
    pub(crate) notifications: Mutex<Notifications>,
    pub(crate) triggers: Mutex<Triggers>,
    pub(crate) devices: Arc<Devices>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Partition {
    /// Creates an unconfigured partition on the best engine there is.
    ///
    /// # Errors
    /// [`CreateError`] if no engine is available.
    #[doc(alias = "WHvCreatePartition")]
    pub fn new() -> Result<Self, CreateError> {
        Self::on(EngineChoice::Auto)
    }

    /// Creates an unconfigured partition on the given engine.
    ///
    /// # Errors
    /// [`CreateError`] if the engine is not available.
    pub fn on(engine: EngineChoice) -> Result<Self, CreateError> {
        let engine = engine.open()?;
        let store = Store::new(engine.capabilities());
        let state = Mutex::new(State { store, phase: Phase::Created });
        Ok(Self(Arc::new(Inner { engine, state, live: OnceLock::new(), gate: RunGate::default() })))
    }

    /// Starts a description of a partition with typed setters; its `build` creates, configures and sets up.
    pub fn builder() -> PartitionBuilder {
        PartitionBuilder::new()
    }

    /// The name of the engine in use.
    pub fn engine_name(&self) -> &'static str {
        self.0.engine.name()
    }

    /// What the engine in use offers.
    pub fn capabilities(&self) -> &Capabilities {
        self.0.engine.capabilities()
    }

    pub(crate) fn live(&self) -> Option<&Live> {
        let is_set_up = lock(&self.0.state).phase == Phase::SetUp;
        if is_set_up { self.0.live.get() } else { None }
    }

    /// True between set-up and deletion.
    pub fn is_set_up(&self) -> bool {
        self.live().is_some()
    }

    /// Keeps processors from running, unless one does.
    fn try_close(&self) -> Option<Closed<'_>> {
        self.0.gate.try_close(|| self.0.live.get().is_some_and(Live::is_anybody_running))
    }

    // Properties.

    /// Sets a property.
    ///
    /// # Errors
    /// [`PropertyError`]; nothing is changed then.
    #[doc(alias = "WHvSetPartitionProperty")]
    pub fn set_property(&self, property: Property) -> Result<(), PropertyError> {
        let code = property.code();
        // Exit controls and time must not change under a running processor.
        let closed = if code.is_live() && self.is_set_up() {
            Some(self.try_close().ok_or(PropertyError::Running(code))?)
        } else {
            None
        };
        let mut state = lock(&self.0.state);
        match state.phase {
            Phase::Deleted => return Err(PropertyError::Deleted),
            Phase::SetUp if !code.is_live() => return Err(PropertyError::NotChangeable(code)),
            _ => {}
        }
        state.store.set(property, self.0.engine.capabilities())?;
        if let Some(live) = self.0.live.get() {
            if code.is_exit_control() {
                live.engine.set_exit_controls(state.store.exits());
            } else {
                live.engine.time().set(GuestNs(state.store.reference_time_100ns() * 100));
            }
        }
        drop(state);
        drop(closed);
        Ok(())
    }

    /// Reads a property: the value set, or the default.
    ///
    /// # Errors
    /// [`PropertyError::WriteOnly`] for lists.
    #[doc(alias = "WHvGetPartitionProperty")]
    pub fn property(&self, code: PropertyCode) -> Result<Property, PropertyError> {
        let state = lock(&self.0.state);
        if state.phase == Phase::Deleted {
            return Err(PropertyError::Deleted);
        }
        match (code, self.0.live.get()) {
            (PropertyCode::ReferenceTime, Some(live)) => {
                Ok(Property::ReferenceTime(live.engine.time().now().0 / 100))
            }
            _ => state.store.get(code),
        }
    }

    /// Chooses where guest time comes from; the default is the host's clock. An extension of the platform.
    ///
    /// # Errors
    /// [`SetupError::InvalidState`] after set-up.
    pub fn set_clock(&self, clock: ClockMode) -> Result<(), SetupError> {
        let mut state = lock(&self.0.state);
        if state.phase != Phase::Created {
            return Err(SetupError::InvalidState);
        }
        state.store.set_clock(clock);
        Ok(())
    }

    /// Makes the machine. A failure leaves the partition as it was, to be corrected and tried again.
    ///
    /// # Errors
    /// [`SetupError`].
    #[doc(alias = "WHvSetupPartition")]
    pub fn set_up(&self) -> Result<(), SetupError> {
        let mut state = lock(&self.0.state);
        if state.phase != Phase::Created {
            return Err(SetupError::InvalidState);
        }
        let config = state.store.finish(self.0.engine.capabilities(), self.0.engine.name())?;
        let engine = self.0.engine.create(&config)?;
        engine.time().set(GuestNs(state.store.reference_time_100ns() * 100));
        let mut vps = Vec::new();
        vps.resize_with(config.processor_count as usize, || None);
        let most_processors = self.capabilities().max_processor_count;
        let devices = Arc::new(Devices::new(config.processor_count, most_processors));
        engine.set_device_interrupts(devices.clone());
        let live = Live {
            engine,
            config,
            vps: RwLock::new(vps),
            backing: Mutex::default(),
            notifications: Mutex::default(),
            triggers: Mutex::default(),
            devices,
        };
        self.0.live.set(live).map_err(|_| SetupError::InvalidState)?;
        state.phase = Phase::SetUp;
        Ok(())
    }

    /// Ends the partition: forces processors out of run with a cancel exit, then deletes them and the memory map.
    /// Every later call on any handle fails. Dropping all handles does the same by itself.
    #[doc(alias = "WHvDeletePartition")]
    pub fn delete(&self) {
        lock(&self.0.state).phase = Phase::Deleted;
        let Some(live) = self.0.live.get() else { return };
        let _closed = self.0.gate.close(|| live.is_anybody_running(), || live.cancel_all());
        let triggers = lock(&live.triggers).end();
        drop(triggers);
        live.devices.delete_all();
        lock(&live.notifications).end(&*live.engine);
        for cell in live.take_cells() {
            cell.mark_deleted();
        }
        let end = 1_u64 << live.config.physical_address_width.min(63);
        let mut backing = lock(&live.backing);
        let _ = live.engine.memory().unmap(Gpa(0), end);
        drop(backing.release(0, u64::MAX));
    }

    // Memory.

    /// Maps `len` bytes of `memory` from `offset` at guest address `gpa`, replacing what was there page by page.
    ///
    /// **Shape:** `offset`, `gpa` and `len` are multiples of 4096. **Threading:** allowed while processors run; when
    /// it returns, none of them uses the old mapping. The partition keeps the memory object alive.
    ///
    /// # Errors
    /// [`MapError`].
    #[doc(alias = "WHvMapGpaRange")]
    pub fn map(
        &self,
        memory: &GuestMemory,
        offset: u64,
        gpa: Gpa,
        len: u64,
        flags: MapFlags,
    ) -> Result<(), MapError> {
        let live = self.live().ok_or(MapError::NotSetUp)?;
        live.check_range(gpa, len)?;
        if !offset.is_multiple_of(PAGE_SIZE) {
            return Err(MapError::Misaligned { value: offset });
        }
        let range = memory.host_range(offset, len);
        let range = range.ok_or(MapError::BadHostRange { start: offset, len })?;
        live.map(range, gpa, flags, Some(memory))
    }

    /// Maps memory of the caller.
    ///
    /// The memory may be inaccessible or become so: accesses that the host refuses exit.
    ///
    /// # Errors
    /// [`MapError`].
    ///
    /// # Safety
    /// Until the range is unmapped, replaced, or the partition is gone: no Rust reference points into
    /// `host..host + len`, and the addresses are used for nothing else; guests read and write them at any time.
    #[expect(unsafe_code, reason = "the caller vouches for memory of its own")]
    #[doc(alias = "WHvMapGpaRange")]
    pub unsafe fn map_raw(&self, host: *mut u8, gpa: Gpa, len: u64, flags: MapFlags) -> Result<(), MapError> {
        let live = self.live().ok_or(MapError::NotSetUp)?;
        live.check_range(gpa, len)?;
        let start = host as u64;
        if !start.is_multiple_of(PAGE_SIZE) {
            return Err(MapError::Misaligned { value: start });
        }
        // User addresses end below bit 47 (or 56 with five-level tables on the host).
        let is_user = start != 0 && start.checked_add(len).is_some_and(|end| end <= 1 << 56);
        let bytes = usize::try_from(len).ok().filter(|_| is_user);
        let bytes = bytes.ok_or(MapError::BadHostRange { start, len })?;
        // SAFETY: the caller's promise is the one needed.
        let range = unsafe { crate::memory::raw_host_range(host, bytes) };
        live.map(range, gpa, flags, None)
    }

    /// Maps `len` bytes at `address` of another process, which the pidfd `process` names.
    ///
    /// Every page must lie in a shared mapping of a regular file there (a memfd, shared anonymous memory, a file);
    /// the library maps the same part of the file here, with the rights it has there, so that stores of either side
    /// are seen by the other at once. What the other process does to its mapping afterwards (unmap, re-protect, exit)
    /// does not change the guest's: the pages stay until they are unmapped from the guest, or the file is truncated
    /// and accesses exit.
    ///
    /// **Shape:** `address`, `gpa` and `len` are multiples of 4096. **Threading:** as [`Partition::map`].
    ///
    /// # Errors
    /// [`MapError::NoProcess`], [`MapError::OwnProcess`], or [`MapError::ProcessMemory`] for private memory, holes,
    /// a process that ended, and missing rights: the caller must be allowed to trace the process.
    #[doc(alias = "WHvMapGpaRange2")]
    pub fn map_process_memory(
        &self,
        process: BorrowedFd<'_>,
        address: u64,
        gpa: Gpa,
        len: u64,
        flags: MapFlags,
    ) -> Result<(), MapError> {
        let live = self.live().ok_or(MapError::NotSetUp)?;
        live.check_range(gpa, len)?;
        if !address.is_multiple_of(PAGE_SIZE) {
            return Err(MapError::Misaligned { value: address });
        }
        if !MapFlags::all().contains(flags) {
            return Err(MapError::BadFlags(flags.bits()));
        }
        let memory = crate::process::share(process, address, len)?;
        let bad_range = MapError::BadHostRange { start: address, len };
        live.map(memory.host_range(0, len).ok_or(bad_range)?, gpa, flags, Some(&memory))
    }

    /// Removes what is mapped in the range; holes and parts of mappings are fine.
    ///
    /// **Threading:** allowed while processors run; when it returns, none of them uses the old mapping.
    ///
    /// # Errors
    /// [`MapError`].
    #[doc(alias = "WHvUnmapGpaRange")]
    pub fn unmap(&self, gpa: Gpa, len: u64) -> Result<(), MapError> {
        let live = self.live().ok_or(MapError::NotSetUp)?;
        live.check_alignment(gpa, len)?;
        let mut backing = lock(&live.backing);
        live.engine.memory().unmap(gpa, len).map_err(|_| MapError::OutOfMemory)?;
        drop(backing.release(gpa.0, gpa.0 + len));
        Ok(())
    }

    /// Copies guest memory out, as far as its mapping permits reading; all or nothing.
    ///
    /// # Errors
    /// [`AccessError`].
    #[doc(alias = "WHvReadGpaRange")]
    pub fn read_gpa(&self, gpa: Gpa, data: &mut [u8]) -> Result<(), AccessError> {
        let live = self.live().ok_or(AccessError::NotSetUp)?;
        check_access(gpa, data.len() as u64)?;
        Ok(live.engine.memory().read(gpa, data)?)
    }

    /// Copies into guest memory, as far as its mapping permits writing; all or nothing. Pages become dirty, and
    /// processors notice changed code.
    ///
    /// # Errors
    /// [`AccessError`].
    #[doc(alias = "WHvWriteGpaRange")]
    pub fn write_gpa(&self, gpa: Gpa, data: &[u8]) -> Result<(), AccessError> {
        let live = self.live().ok_or(AccessError::NotSetUp)?;
        check_access(gpa, data.len() as u64)?;
        Ok(live.engine.memory().write(gpa, data)?)
    }

    /// Reads and clears dirty bits: bit n of word n / 64 says whether the guest wrote page n of the range since the
    /// last query. With `None` only clears. The whole range must be mapped with [`MapFlags::TRACK_DIRTY`].
    ///
    /// # Errors
    /// [`AccessError`]; nothing is changed then.
    #[doc(alias = "WHvQueryGpaRangeDirtyBitmap")]
    pub fn query_dirty(&self, gpa: Gpa, len: u64, bitmap: Option<&mut [u64]>) -> Result<(), AccessError> {
        let live = self.live().ok_or(AccessError::NotSetUp)?;
        let is_aligned = gpa.0.is_multiple_of(PAGE_SIZE) && len.is_multiple_of(PAGE_SIZE);
        if len == 0 || !is_aligned || gpa.checked_add(len).is_none() {
            return Err(AccessError::BadRange { gpa, len });
        }
        let expected = (len / PAGE_SIZE).div_ceil(64) as usize;
        if let Some(words) = &bitmap
            && words.len() < expected
        {
            return Err(AccessError::BitmapTooSmall { expected, actual: words.len() });
        }
        Ok(live.engine.memory().query_dirty(gpa, len, bitmap.map(|words| &mut words[..expected]))?)
    }

    /// Brings the pages that `len` bytes at `gpa` touch into memory, for the given kind of access, and waits for them.
    ///
    /// [`PopulateFlags::PREFETCH`] has the host read the whole range in at once first. With
    /// [`PopulateFlags::AVOID_HARD_FAULTS`] pages that would have to be read from a disk are left out.
    ///
    /// # Errors
    /// [`AccessError`].
    #[doc(alias = "WHvAdviseGpaRange")]
    pub fn populate(
        &self,
        gpa: Gpa,
        len: u64,
        access: AccessType,
        flags: PopulateFlags,
    ) -> Result<(), AccessError> {
        let live = self.live().ok_or(AccessError::NotSetUp)?;
        check_access(gpa, len)?;
        let start = gpa.0 & !(PAGE_SIZE - 1);
        let end = (gpa.0 + len).checked_next_multiple_of(PAGE_SIZE);
        let end = end.ok_or(AccessError::BadRange { gpa, len })?;
        Ok(live.engine.memory().populate(Gpa(start), end - start, access, flags)?)
    }

    /// Makes the pages of an aligned range resident and counts a pin on each; pins nest. While a page is pinned the
    /// host keeps it in memory, as far as its limit of locked memory (`RLIMIT_MEMLOCK`) allows: beyond the limit pages
    /// are resident when the call returns, and no more is promised. Unmapping or replacing a page ends its pins.
    ///
    /// A page that the embedding program has locked itself (`mlock(2)`) is unlocked by the last unpin.
    ///
    /// # Errors
    /// [`AccessError`].
    #[doc(alias = "WHvAdviseGpaRange")]
    pub fn pin(&self, gpa: Gpa, len: u64) -> Result<(), AccessError> {
        let live = self.live().ok_or(AccessError::NotSetUp)?;
        check_pages(gpa, len)?;
        Ok(live.engine.memory().pin(gpa, len)?)
    }

    /// Undoes one pin of every page of an aligned range.
    ///
    /// # Errors
    /// [`AccessError::NotPinned`]; nothing is changed then.
    #[doc(alias = "WHvAdviseGpaRange")]
    pub fn unpin(&self, gpa: Gpa, len: u64) -> Result<(), AccessError> {
        let live = self.live().ok_or(AccessError::NotSetUp)?;
        check_pages(gpa, len)?;
        Ok(live.engine.memory().unpin(gpa, len)?)
    }

    /// How many pages of 4 KiB, 2 MiB and 1 GiB map the guest memory that is mapped now: the largest that guest and host
    /// addresses allow.
    #[doc(alias = "WHvGetPartitionCounters")]
    pub fn mapped_pages_by_size(&self) -> [u64; 3] {
        self.live().map_or([0; 3], |live| live.engine.memory().mapped_pages_by_size())
    }

    /// Number of guest pages mapped now.
    pub fn mapped_pages(&self) -> u64 {
        self.live().map_or(0, |live| live.engine.memory().mapped_pages())
    }

    // Processors.

    /// Creates a processor in reset state.
    ///
    /// # Errors
    /// [`VpError`].
    #[doc(alias = "WHvCreateVirtualProcessor")]
    pub fn create_vp(&self, index: VpIndex) -> Result<Processor, VpError> {
        self.create_vp_on(index, None)
    }

    /// Creates a processor in reset state, to run on the host processors of a NUMA node; with `None` on those of the
    /// partition's primary node, if it has one. A hint: the client's own choice of processors for its threads goes first.
    ///
    /// # Errors
    /// [`VpError::BadNode`], or as [`Partition::create_vp`].
    #[doc(alias = "WHvCreateVirtualProcessor2")]
    pub fn create_vp_on(&self, index: VpIndex, node: Option<u16>) -> Result<Processor, VpError> {
        if let Some(node) = node
            && !self.capabilities().numa_nodes.contains(&node)
        {
            return Err(VpError::BadNode(node));
        }
        let live = self.live().ok_or(VpError::NotSetUp)?;
        let mut vps = live.vps.write().unwrap_or_else(PoisonError::into_inner);
        // Deletion may have taken all processors since: one made now would run on where no cancel reaches it.
        if !self.is_set_up() {
            return Err(VpError::NotSetUp);
        }
        let count = live.config.processor_count;
        let place = vps.get_mut(index.0 as usize).ok_or(VpError::BadIndex { index, count })?;
        if place.is_some() {
            return Err(VpError::Exists(index));
        }
        let engine_vp = live.engine.create_vp(index, node).map_err(|error| match error {
            EngineCreateError::BadIndex { index, count } => VpError::BadIndex { index, count },
            other => VpError::Engine(other),
        })?;
        let cell = Arc::new(Cell::new(index, engine_vp));
        *place = Some(cell.clone());
        drop(vps);
        Ok(Processor::new(self.clone(), cell))
    }

    /// The processor of this index, if it exists.
    pub fn vp(&self, index: VpIndex) -> Option<Processor> {
        let live = self.live()?;
        let vps = live.vps.read().unwrap_or_else(PoisonError::into_inner);
        let cell = vps.get(index.0 as usize)?.clone()?;
        drop(vps);
        Some(Processor::new(self.clone(), cell))
    }

    /// Deletes a processor; its index can be used again.
    ///
    /// # Errors
    /// [`VpError::NotFound`], or [`VpError::Running`] while a thread runs it.
    #[doc(alias = "WHvDeleteVirtualProcessor")]
    pub fn delete_vp(&self, index: VpIndex) -> Result<(), VpError> {
        let live = self.live().ok_or(VpError::NotSetUp)?;
        let mut vps = live.vps.write().unwrap_or_else(PoisonError::into_inner);
        let place = vps.get_mut(index.0 as usize).ok_or(VpError::NotFound(index))?;
        let cell = place.as_ref().ok_or(VpError::NotFound(index))?;
        cell.delete()?;
        *place = None;
        Ok(())
    }

    /// Number of processors the partition was configured for; 0 before set-up.
    pub fn processor_count(&self) -> u32 {
        self.live().map_or(0, |live| live.config.processor_count)
    }

    // Interrupts.

    /// Requests an interrupt from the emulated local APICs. Wakes parked processors, never blocks. An interrupt that
    /// nobody is addressed by is lost without an error.
    ///
    /// # Errors
    /// [`InterruptError`].
    #[doc(alias = "WHvRequestInterrupt")]
    pub fn request_interrupt(&self, request: InterruptRequest) -> Result<(), InterruptError> {
        let live = self.live().ok_or(InterruptError::NotSetUp)?;
        let mode = live.config.apic_mode;
        let interrupts = live.engine.interrupts().ok_or(InterruptError::NoApic(mode))?;
        check_vector(&request)?;
        interrupts.request(request)
    }

    /// The processors an interrupt with this destination would reach, ascending.
    ///
    /// # Errors
    /// [`InterruptError::NoApic`] or [`InterruptError::NotSetUp`].
    #[doc(alias = "WHvGetInterruptTargetVpSet")]
    pub fn interrupt_targets(
        &self,
        destination: u64,
        mode: DestinationMode,
    ) -> Result<Vec<VpIndex>, InterruptError> {
        let live = self.live().ok_or(InterruptError::NotSetUp)?;
        let interrupts = live.engine.interrupts();
        let interrupts = interrupts.ok_or(InterruptError::NoApic(live.config.apic_mode))?;
        Ok(interrupts.targets(destination, mode))
    }

    // Time and reset.

    /// Stops guest time: TSC, reference time and timers. Repeating it is fine.
    ///
    /// # Errors
    /// [`TimeError::Running`] while a processor runs.
    #[doc(alias = "WHvSuspendPartitionTime")]
    pub fn suspend_time(&self) -> Result<(), TimeError> {
        let live = self.live().ok_or(TimeError::NotSetUp)?;
        let _closed = self.try_close().ok_or(TimeError::Running)?;
        live.engine.time().freeze();
        Ok(())
    }

    /// Lets guest time go on; running a processor does so too.
    ///
    /// # Errors
    /// [`TimeError::NotSuspended`].
    #[doc(alias = "WHvResumePartitionTime")]
    pub fn resume_time(&self) -> Result<(), TimeError> {
        let live = self.live().ok_or(TimeError::NotSetUp)?;
        if !live.engine.time().is_frozen() {
            return Err(TimeError::NotSuspended);
        }
        live.engine.time().thaw();
        Ok(())
    }

    /// Reference time in units of 100 ns: 0 until a processor has run.
    pub fn reference_time_100ns(&self) -> u64 {
        self.guest_time_ns() / 100
    }

    /// Guest time in nanoseconds; the clock for devices. An extension of the platform.
    pub fn guest_time_ns(&self) -> u64 {
        self.live().map_or(0, |live| live.engine.time().now().0)
    }

    /// Puts all processors back to the state after their creation and time back to 0. Memory, properties and the
    /// processors themselves stay. Processors inside run leave with a cancel exit first.
    ///
    /// # Errors
    /// [`TimeError::NotSetUp`].
    #[doc(alias = "WHvResetPartition")]
    pub fn reset(&self) -> Result<(), TimeError> {
        let live = self.live().ok_or(TimeError::NotSetUp)?;
        let _closed = self.0.gate.close(|| live.is_anybody_running(), || live.cancel_all());
        live.engine.time().reset();
        live.engine.reset();
        let vps = live.vps.read().unwrap_or_else(PoisonError::into_inner);
        for cell in vps.iter().flatten() {
            cell.reset();
        }
        Ok(())
    }
}

impl Live {
    fn cancel_all(&self) {
        let vps = self.vps.read().unwrap_or_else(PoisonError::into_inner);
        for cell in vps.iter().flatten() {
            cell.remote().cancel();
        }
    }

    fn is_anybody_running(&self) -> bool {
        let vps = self.vps.read().unwrap_or_else(PoisonError::into_inner);
        vps.iter().flatten().any(|cell| cell.is_running())
    }

    fn take_cells(&self) -> Vec<Arc<Cell>> {
        let mut vps = self.vps.write().unwrap_or_else(PoisonError::into_inner);
        vps.iter_mut().filter_map(Option::take).collect()
    }

    fn check_alignment(&self, gpa: Gpa, len: u64) -> Result<(), MapError> {
        for value in [gpa.0, len] {
            if !value.is_multiple_of(PAGE_SIZE) {
                return Err(MapError::Misaligned { value });
            }
        }
        if len == 0 {
            return Err(MapError::Empty);
        }
        let width = self.config.physical_address_width;
        gpa.checked_add(len).map(|_| ()).ok_or(MapError::OutOfRange { gpa, len, width })
    }

    fn check_range(&self, gpa: Gpa, len: u64) -> Result<(), MapError> {
        self.check_alignment(gpa, len)?;
        let width = self.config.physical_address_width;
        let is_inside = gpa.0 + len <= 1_u64.checked_shl(width).unwrap_or(u64::MAX);
        if is_inside { Ok(()) } else { Err(MapError::OutOfRange { gpa, len, width }) }
    }

    fn map(
        &self,
        range: HostRange,
        gpa: Gpa,
        flags: MapFlags,
        owner: Option<&GuestMemory>,
    ) -> Result<(), MapError> {
        if !MapFlags::all().contains(flags) {
            return Err(MapError::BadFlags(flags.bits()));
        }
        let len = range.len() as u64;
        let mut backing = lock(&self.backing);
        self.engine.memory().map(range, gpa, flags).map_err(|_| MapError::OutOfMemory)?;
        // The old owners go only now, when no processor uses their memory any more.
        drop(backing.release(gpa.0, gpa.0 + len));
        if let Some(owner) = owner {
            backing.insert(gpa.0, gpa.0 + len, owner.clone());
        }
        Ok(())
    }
}

fn check_vector(request: &InterruptRequest) -> Result<(), InterruptError> {
    let vector = request.vector;
    match request.kind {
        _ if vector > 0xFF => Err(InterruptError::BadVector(vector)),
        InterruptKind::Fixed | InterruptKind::LowestPriority if vector < 16 => {
            Err(InterruptError::ReservedVector(vector))
        }
        InterruptKind::Nmi if vector != 0 => Err(InterruptError::BadVector(vector)),
        _ => Ok(()),
    }
}

fn check_access(gpa: Gpa, len: u64) -> Result<(), AccessError> {
    let is_fine = len != 0 && gpa.checked_add(len).is_some();
    if is_fine { Ok(()) } else { Err(AccessError::BadRange { gpa, len }) }
}

fn check_pages(gpa: Gpa, len: u64) -> Result<(), AccessError> {
    check_access(gpa, len)?;
    let is_aligned = gpa.0.is_multiple_of(PAGE_SIZE) && len.is_multiple_of(PAGE_SIZE);
    if is_aligned { Ok(()) } else { Err(AccessError::BadRange { gpa, len }) }
}

impl From<EngineMapError> for AccessError {
    fn from(error: EngineMapError) -> Self {
        match error {
            EngineMapError::NotFound { gpa } => Self::NotFound { gpa },
            EngineMapError::AccessDenied { gpa } => Self::Denied { gpa },
            EngineMapError::NotPinned { gpa } => Self::NotPinned { gpa },
            _ => Self::OutOfMemory,
        }
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Partition");
        text.field("engine", &self.engine_name());
        if let Some(live) = self.live() {
            text.field("processor_count", &live.config.processor_count)
                .field("apic_mode", &live.config.apic_mode)
                .field("mapped_pages", &live.engine.memory().mapped_pages());
        }
        text.finish_non_exhaustive()
    }
}
