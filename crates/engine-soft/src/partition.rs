//! A partition of the software engine.

use std::collections::HashMap;
use std::sync::Arc;

use openwhp_apic::Config as ApicConfig;
use openwhp_apic::LocalApic;
use openwhp_engine::AccessType;
use openwhp_engine::ApicMode;
use openwhp_engine::CreateError;
use openwhp_engine::DestinationMode;
use openwhp_engine::DeviceInterrupts;
use openwhp_engine::EngineInterrupts;
use openwhp_engine::EngineMapError;
use openwhp_engine::EngineMemory;
use openwhp_engine::EngineNotifications;
use openwhp_engine::EnginePartition;
use openwhp_engine::EngineSynic;
use openwhp_engine::EngineTime;
use openwhp_engine::EngineVp;
use openwhp_engine::ExitControls;
use openwhp_engine::Gpa;
use openwhp_engine::GuestNs;
use openwhp_engine::HostRange;
use openwhp_engine::InterruptError;
use openwhp_engine::InterruptRequest;
use openwhp_engine::MapFlags;
use openwhp_engine::MsrActionEntry;
use openwhp_engine::PAGE_SIZE;
use openwhp_engine::PartitionConfig;
use openwhp_engine::PopulateFlags;
use openwhp_engine::VpIndex;
use openwhp_hyperv::Features;
use openwhp_x86::Cpu;
use openwhp_x86::CpuModel;

use crate::cpuid;
use crate::env::VpEnv;
use crate::env::msr::TSC_DEADLINE;
use crate::guest;
use crate::hv::HvPartition;
use crate::hv::HvVp;
use crate::limiter::Limiter;
use crate::map::GpaMap;
use crate::map::Slot;
use crate::placement::Placement;
use crate::remote::Remote;
use crate::residency;
use crate::residency::DiskPages;
use crate::shared::Shared;
use crate::vp::SoftVp;
use crate::vp_shared::VpShared;
use crate::vp_shared::lock;
use crate::vp_shared::request;

/// A partition.
pub(crate) struct SoftPartition {
    pub(crate) shared: Arc<Shared>,
    msr_actions: Arc<HashMap<u32, MsrActionEntry>>,
}

impl SoftPartition {
    pub(crate) fn new(config: PartitionConfig, hv: Option<HvPartition>) -> Self {
        // Later entries of the list win.
        let msr_actions = config.msr_actions.iter().map(|entry| (entry.msr, *entry)).collect();
        Self { shared: Arc::new(Shared::new(config, hv)), msr_actions: Arc::new(msr_actions) }
    }

    fn local_apic(&self, index: u32, model: &CpuModel) -> Option<LocalApic> {
        let config = &self.shared.config;
        (config.apic_mode != ApicMode::None).then(|| {
            LocalApic::new(ApicConfig {
                id: index,
                is_boot_processor: index == 0,
                x2apic: config.apic_mode == ApicMode::X2Apic,
                tsc_deadline: model.has_msr(TSC_DEADLINE),
                remote_read: config.apic_remote_read,
                cmci: false,
                physical_bits: config.physical_address_width,
            })
        })
    }

    /// Makes a processor in reset state; the index is below the partition's count.
    pub(crate) fn make_vp(&self, index: VpIndex) -> Result<SoftVp, CreateError> {
        let hv = self.shared.hv.as_ref().map(|_| HvVp::new()).transpose();
        let hv = hv.map_err(|_| CreateError::OutOfMemory { what: "a processor's synthetic pages" })?;
        let model = cpuid::model_for(&self.shared.config, index.0);
        let vp = Arc::new(VpShared::new(index.0, self.local_apic(index.0, &model), hv));
        let env = VpEnv::new(self.shared.clone(), vp.clone(), self.msr_actions.clone(), &model);
        let remote = Arc::new(Remote::new(vp.clone(), model.clone()));
        let cpu = Cpu::new(model, Box::new(env));
        vp.connect(cpu.poll_word());
        // From here on rendezvous count it; the map it holds may be older.
        self.shared.add_vp(&vp);
        vp.post(request::FLUSH_MAP);
        let mut soft = SoftVp::new(cpu, self.shared.clone(), vp, remote);
        let exits = self.shared.exits();
        soft.apply_exits(&exits);
        soft.power_up();
        self.shared.refresh_reference(false);
        Ok(soft)
    }
}

impl EnginePartition for SoftPartition {
    fn memory(&self) -> &dyn EngineMemory {
        self
    }

    fn interrupts(&self) -> Option<&dyn EngineInterrupts> {
        if self.shared.config.apic_mode == ApicMode::None { None } else { Some(self) }
    }

    fn notifications(&self) -> Option<&dyn EngineNotifications> {
        Some(self)
    }

    fn synic(&self) -> Option<&dyn EngineSynic> {
        if self.shared.features().contains(Features::SYNIC) { Some(self) } else { None }
    }

    fn time(&self) -> &dyn EngineTime {
        self
    }

    fn set_device_interrupts(&self, devices: Arc<dyn DeviceInterrupts>) {
        let _ = self.shared.devices.set(devices);
    }

    fn create_vp(&self, index: VpIndex, node: Option<u16>) -> Result<Box<dyn EngineVp>, CreateError> {
        let count = self.shared.config.processor_count;
        if index.0 >= count {
            return Err(CreateError::BadIndex { index, count });
        }
        let mut vp = self.make_vp(index)?;
        let scheduling = &self.shared.config.scheduling;
        vp.placement = Placement::new(node.or(scheduling.numa_node), scheduling.cpu_weight);
        vp.limiter = Limiter::new(scheduling.cpu_cap);
        Ok(Box::new(vp))
    }

    fn reset(&self) {
        self.shared.reset_interface();
    }

    fn set_exit_controls(&self, controls: &ExitControls) {
        self.shared.set_exits(controls);
    }
}

/// A part of an access that lies in one page.
struct Piece<'m> {
    slot: &'m Slot,
    page: u64,
    host: usize,
    /// Its place in the whole access.
    range: std::ops::Range<usize>,
}

/// Page numbers of a range.
fn pages(gpa: Gpa, len: u64) -> (u64, u64) {
    (gpa.page(), gpa.page().saturating_add(len / PAGE_SIZE))
}

fn page_gpa(page: u64) -> Gpa {
    Gpa(page.saturating_mul(PAGE_SIZE))
}

impl SoftPartition {
    /// Splits an access into pieces that do not cross pages and checks rights of all of them first.
    fn pieces(map: &GpaMap, gpa: Gpa, len: usize, right: MapFlags) -> Result<Vec<Piece<'_>>, EngineMapError> {
        let mut pieces = Vec::new();
        let mut done = 0;
        while done < len {
            let at = gpa.checked_add(done as u64).ok_or(EngineMapError::NotFound { gpa })?;
            let slot = map.find(at.page()).ok_or(EngineMapError::NotFound { gpa: at })?;
            if !slot.flags.contains(right) {
                return Err(EngineMapError::AccessDenied { gpa: at });
            }
            let count = ((PAGE_SIZE - at.page_offset()) as usize).min(len - done);
            let host = slot.host_of(at.page()) + at.page_offset() as usize;
            pieces.push(Piece { slot, page: at.page(), host, range: done..done + count });
            done += count;
        }
        Ok(pieces)
    }
}

impl EngineMemory for SoftPartition {
    fn map(&self, host: HostRange, gpa: Gpa, flags: MapFlags) -> Result<(), EngineMapError> {
        let (start, end) = pages(gpa, host.len() as u64);
        let changed = self.shared.change_map(|map| {
            let next = map.with(host, start, flags)?;
            map.release_pins(start, end);
            Some(next)
        });
        changed.ok_or(EngineMapError::OutOfMemory)
    }

    fn unmap(&self, gpa: Gpa, len: u64) -> Result<(), EngineMapError> {
        let (start, end) = pages(gpa, len);
        let changed = self.shared.change_map(|map| {
            map.release_pins(start, end);
            Some(map.without(start, end))
        });
        changed.ok_or(EngineMapError::OutOfMemory)
    }

    fn query_dirty(&self, gpa: Gpa, len: u64, bitmap: Option<&mut [u64]>) -> Result<(), EngineMapError> {
        // No change of the map between the check and the reading.
        let _change = lock(&self.shared.change);
        let map = self.shared.map();
        let (start, end) = pages(gpa, len);
        map.each_page(start, end, |slot, _| slot.is_tracked())
            .map_err(|page| EngineMapError::NotFound { gpa: page_gpa(page) })?;
        let mut words = bitmap;
        if let Some(words) = &mut words {
            words.fill(0);
        }
        // Pages that read clean from now on are written with an announcement. Processors may still hold rights to write
        // dirty pages silently; those writes come before the end of this call, and the pages are reported by it.
        let _ = map.each_page(start, end, |slot, page| {
            let is_dirty = slot.take_dirty(page);
            let index = page - start;
            if let Some(word) = words.as_mut().and_then(|words| words.get_mut((index / 64) as usize)) {
                *word |= u64::from(is_dirty) << (index % 64);
            }
            true
        });
        self.shared.gather(None, request::FLUSH_WRITES);
        Ok(())
    }

    fn populate(
        &self,
        gpa: Gpa,
        len: u64,
        access: AccessType,
        flags: PopulateFlags,
    ) -> Result<(), EngineMapError> {
        let _change = lock(&self.shared.change);
        let map = self.shared.map();
        let (start, end) = pages(gpa, len);
        let right = match access {
            AccessType::Read => MapFlags::READ,
            AccessType::Write => MapFlags::WRITE,
            AccessType::Execute => MapFlags::EXECUTE,
        };
        map.each_page(start, end, |_, _| true)
            .map_err(|page| EngineMapError::NotFound { gpa: page_gpa(page) })?;
        if flags.contains(PopulateFlags::PREFETCH) {
            map.each_run(start, end, residency::prefetch);
        }
        let left_out = flags.contains(PopulateFlags::AVOID_HARD_FAULTS).then(DiskPages::new);
        let visited = map.each_page(start, end, |slot, page| {
            let host = slot.host_of(page);
            if !slot.flags.contains(right) {
                return false;
            }
            if left_out.as_ref().is_some_and(|pages| pages.contains(host)) {
                return true;
            }
            let can = match access {
                AccessType::Write => guest::is_writable(host),
                AccessType::Read | AccessType::Execute => guest::read(host, &mut [0]),
            };
            if can {
                slot.mark_populated(page);
            }
            can
        });
        // No processor remembers that a page was refused.
        visited.map_err(|page| EngineMapError::AccessDenied { gpa: page_gpa(page) })
    }

    fn pin(&self, gpa: Gpa, len: u64) -> Result<(), EngineMapError> {
        let _change = lock(&self.shared.change);
        let map = self.shared.map();
        let (start, end) = pages(gpa, len);
        map.each_page(start, end, |_, _| true)
            .map_err(|page| EngineMapError::NotFound { gpa: page_gpa(page) })?;
        map.each_page(start, end, |slot, page| guest::read(slot.host_of(page), &mut [0]))
            .map_err(|page| EngineMapError::AccessDenied { gpa: page_gpa(page) })?;
        let _ = map.each_page(start, end, |slot, page| {
            slot.mark_populated(page);
            slot.pin(page);
            true
        });
        Ok(())
    }

    fn unpin(&self, gpa: Gpa, len: u64) -> Result<(), EngineMapError> {
        let _change = lock(&self.shared.change);
        let map = self.shared.map();
        let (start, end) = pages(gpa, len);
        map.each_page(start, end, |slot, page| slot.pins(page) != 0)
            .map_err(|page| EngineMapError::NotPinned { gpa: page_gpa(page) })?;
        let _ = map.each_page(start, end, |slot, page| {
            slot.unpin(page);
            true
        });
        Ok(())
    }

    fn read(&self, gpa: Gpa, data: &mut [u8]) -> Result<(), EngineMapError> {
        let _change = lock(&self.shared.change);
        let map = self.shared.map();
        for Piece { page, host, range, .. } in Self::pieces(&map, gpa, data.len(), MapFlags::READ)? {
            if !guest::read(host, &mut data[range]) {
                return Err(EngineMapError::AccessDenied { gpa: page_gpa(page) });
            }
        }
        Ok(())
    }

    fn write(&self, gpa: Gpa, data: &[u8]) -> Result<(), EngineMapError> {
        let _change = lock(&self.shared.change);
        let map = self.shared.map();
        let pieces = Self::pieces(&map, gpa, data.len(), MapFlags::WRITE)?;
        // All or nothing: every page must accept the bytes before any is written.
        for piece in &pieces {
            if !guest::is_writable(piece.host) {
                return Err(EngineMapError::AccessDenied { gpa: page_gpa(piece.page) });
            }
        }
        for Piece { slot, page, host, range } in pieces {
            if !guest::write(host, &data[range]) {
                return Err(EngineMapError::AccessDenied { gpa: page_gpa(page) });
            }
            slot.mark_dirty(page);
            slot.note_write(page);
        }
        Ok(())
    }

    fn mapped_pages_by_size(&self) -> [u64; 3] {
        self.shared.map().pages_by_size()
    }

    fn mapped_pages(&self) -> u64 {
        self.shared.map().pages()
    }
}

impl EngineInterrupts for SoftPartition {
    fn request(&self, request: InterruptRequest) -> Result<(), InterruptError> {
        self.shared.request(request)
    }

    fn deliver(&self, processors: &[VpIndex], vector: u8, is_multicast: bool) {
        self.shared.deliver_to(processors, vector, is_multicast);
    }

    fn targets(&self, destination: u64, mode: DestinationMode) -> Vec<VpIndex> {
        self.shared.destination_set(destination, mode)
    }
}

impl EngineTime for SoftPartition {
    fn now(&self) -> GuestNs {
        let clock = &self.shared.clock;
        GuestNs(clock.reference(clock.now()))
    }

    fn set(&self, now: GuestNs) {
        self.shared.clock.set_reference(now.0);
        self.shared.refresh_reference(false);
    }

    fn freeze(&self) {
        self.shared.clock.freeze();
    }

    fn thaw(&self) {
        self.shared.thaw();
    }

    fn is_frozen(&self) -> bool {
        self.shared.clock.is_frozen()
    }

    fn reset(&self) {
        self.shared.clock.reset();
    }
}
