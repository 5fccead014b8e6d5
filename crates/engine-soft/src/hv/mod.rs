//! The hypervisor's interface for guests: what the state machines of `openwhp_hyperv` need from an engine.
//!
//! | module | idea |
//! | --- | --- |
//! | this one | state of partition and processors, and the pages they share with the guest |
//! | `msr` | synthetic registers as a guest reaches them |
//! | `timer` | synthetic timers, guest idle, waived ends of interrupts |
//! | `reference` | the reference TSC page |
//! | `synic` | events and messages of clients, saved state |
//! | `registers` | synthetic registers as a client reaches them |
//! | `flush` | translations that a guest has dropped on other processors |
//!
//! Lock order: the partition's state, then the list of processors; a processor's state, then its local APIC.

mod flush;
mod msr;
mod reference;
pub(crate) mod registers;
mod synic;
mod timer;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use openwhp_apic::Received;
use openwhp_engine::MapFlags;
use openwhp_engine::PAGE_SIZE;
use openwhp_engine::PartitionConfig;
use openwhp_hyperv::Features;
use openwhp_hyperv::Interrupts;
use openwhp_hyperv::PageMemory;
use openwhp_hyperv::SintInterrupt;
use openwhp_hyperv::Vendor;

use crate::overlay::OverlayPage;
use crate::shared::Shared;
use crate::vp_shared::VpShared;
use crate::vp_shared::lock;

pub(crate) use flush::PendingFlush;

impl PageMemory for OverlayPage {
    fn load(&self, offset: usize) -> u32 {
        self.word(offset).load(Ordering::Acquire)
    }

    fn store(&self, offset: usize, value: u32) {
        self.word(offset).store(value, Ordering::Release);
    }

    fn fetch_or(&self, offset: usize, bits: u32) -> u32 {
        self.word(offset).fetch_or(bits, Ordering::SeqCst)
    }

    fn fetch_and(&self, offset: usize, bits: u32) -> u32 {
        self.word(offset).fetch_and(bits, Ordering::SeqCst)
    }
}

/// State that all processors share.
#[derive(Debug)]
pub(crate) struct PartitionState {
    pub(crate) registers: openwhp_hyperv::Partition,
    /// TSC and reference offsets behind the reference page's contents; `None`: they differ between processors.
    key: Option<(u64, u64)>,
    /// The guest asked for an invalid reference page.
    is_void: bool,
}

/// The interface of a partition.
#[derive(Debug)]
pub(crate) struct HvPartition {
    pub(crate) features: Features,
    state: Mutex<PartitionState>,
    hypercall_page: Arc<OverlayPage>,
    reference_page: Arc<OverlayPage>,
}

impl HvPartition {
    /// The interface a configuration asks for, if it asks for one. `Err` if the host has no memory for its pages.
    pub(crate) fn new(config: &PartitionConfig, vendor: Vendor) -> Result<Option<Self>, OutOfPages> {
        let features = Features::from_bits_truncate(config.synthetic_features);
        if features.is_empty() {
            return Ok(None);
        }
        let hypercall_page = page(MapFlags::READ | MapFlags::EXECUTE)?;
        hypercall_page.write(0, &openwhp_hyperv::hypercall_code(vendor));
        let registers = openwhp_hyperv::Partition::new();
        Ok(Some(Self {
            features,
            state: Mutex::new(PartitionState { registers, key: None, is_void: false }),
            hypercall_page,
            reference_page: page(MapFlags::READ)?,
        }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, PartitionState> {
        lock(&self.state)
    }
}

/// The host gave no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfPages;

fn page(rights: MapFlags) -> Result<Arc<OverlayPage>, OutOfPages> {
    OverlayPage::new(rights).map(Arc::new).ok_or(OutOfPages)
}

/// The interface of a processor.
#[derive(Debug)]
pub(crate) struct HvVp {
    state: Mutex<openwhp_hyperv::Vp>,
    messages: Arc<OverlayPage>,
    events: Arc<OverlayPage>,
    assist: Arc<OverlayPage>,
    /// Sources whose free slot the client waits for.
    wanted: AtomicU32,
    /// A message of a timer waits for a slot.
    is_waiting: AtomicBool,
    /// The guest has been told that it need not end the interrupt in service.
    is_eoi_waived: AtomicBool,
    /// Added to the run time, for clients that restore it; in 100 ns.
    runtime_offset: AtomicI64,
    /// Interrupts raised by synthetic sources.
    pub(crate) interrupts: AtomicU64,
}

impl HvVp {
    pub(crate) fn new() -> Result<Self, OutOfPages> {
        let rights = MapFlags::READ | MapFlags::WRITE;
        Ok(Self {
            state: Mutex::default(),
            messages: page(rights)?,
            events: page(rights)?,
            assist: page(rights)?,
            wanted: AtomicU32::new(0),
            is_waiting: AtomicBool::new(false),
            is_eoi_waived: AtomicBool::new(false),
            runtime_offset: AtomicI64::new(0),
            interrupts: AtomicU64::new(0),
        })
    }

    pub(crate) fn is_eoi_waived(&self) -> bool {
        self.is_eoi_waived.load(Ordering::SeqCst)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, openwhp_hyperv::Vp> {
        lock(&self.state)
    }

    /// Notes for cheap questions what the state says now.
    fn note(&self, state: &openwhp_hyperv::Vp) {
        self.is_waiting.store(state.timers.waiting() != 0, Ordering::SeqCst);
    }

    /// Sources whose free slot the client waits for, a bit each.
    pub(crate) fn wanted(&self) -> u16 {
        self.wanted.load(Ordering::SeqCst) as u16
    }

    pub(crate) fn set_wanted(&self, sints: u16) {
        self.wanted.store(u32::from(sints), Ordering::SeqCst);
    }

    /// Someone waits for a slot to become free.
    fn has_interest(&self) -> bool {
        self.is_waiting.load(Ordering::SeqCst) || self.wanted() != 0
    }

    /// Back to the state after creation. The pages are taken away by the caller.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        *state = openwhp_hyperv::Vp::new();
        self.note(&state);
        self.set_wanted(0);
        self.is_eoi_waived.store(false, Ordering::SeqCst);
        self.runtime_offset.store(0, Ordering::SeqCst);
        for page in self.pages() {
            page.clear();
        }
    }

    /// The pages that lie in front of guest memory.
    pub(crate) fn pages(&self) -> [&Arc<OverlayPage>; 3] {
        [&self.messages, &self.events, &self.assist]
    }
}

impl Shared {
    /// Synthetic features of the partition.
    pub(crate) fn features(&self) -> Features {
        self.hv.as_ref().map_or(Features::empty(), |hv| hv.features)
    }

    /// Number of the guest page at an address, if it is one.
    fn page_at(&self, address: Option<u64>) -> Option<u64> {
        let is_inside = |address: &u64| address >> self.config.physical_address_width == 0;
        address.filter(is_inside).map(|address| address / PAGE_SIZE)
    }

    /// Forgets what the guest has set partition-wide. No processor runs.
    pub(crate) fn reset_interface(&self) {
        let Some(hv) = &self.hv else { return };
        let mut state = hv.state();
        *state = PartitionState { registers: openwhp_hyperv::Partition::new(), key: None, is_void: false };
        drop(state);
        self.change_overlay(&hv.hypercall_page, None);
        self.change_overlay(&hv.reference_page, None);
        self.refresh_reference(true);
    }
}

impl VpShared {
    /// Raises an interrupt of a synthetic source.
    pub(crate) fn raise(&self, interrupt: SintInterrupt) {
        let received = self.apic().map(|mut apic| apic.accept(interrupt.vector, false));
        if received == Some(Received::Interrupt) {
            if let Some(hv) = &self.hv {
                hv.interrupts.fetch_add(1, Ordering::Relaxed);
            }
            self.kick();
        }
    }

    fn raise_all(&self, interrupts: &Interrupts) {
        interrupts.iter().for_each(|interrupt| self.raise(interrupt));
    }
}
