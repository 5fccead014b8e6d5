//! The surroundings of one software processor: its view of memory, interrupts, time and registers of the platform.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use openwhp_apic::Deadline;
use openwhp_apic::Effect as ApicEffect;
use openwhp_apic::GuestTime;
use openwhp_apic::Mode;
use openwhp_apic::register::Register;
use openwhp_engine::ApicMode;
use openwhp_engine::ExitControls;
use openwhp_engine::ExtendedVmExits;
use openwhp_engine::Gpa;
use openwhp_engine::MapFlags;
use openwhp_engine::MsrAction;
use openwhp_engine::MsrActionEntry;
use openwhp_engine::MsrExitBitmap;
use openwhp_engine::PAGE_SIZE;
use openwhp_engine::UnimplementedMsrAction;
use openwhp_hyperv::Msr;
use openwhp_x86::CpuModel;
use openwhp_x86::env::Effect;
use openwhp_x86::env::Env;
use openwhp_x86::env::Lines;
use openwhp_x86::env::Page;
use openwhp_x86::env::Poll;
use openwhp_x86::env::PollResult;
use openwhp_x86::env::RamPage;

use crate::map::Found;
use crate::map::GpaMap;
use crate::overlay::OverlayPage;
use crate::random::Random;
use crate::residency;
use crate::shared::Shared;
use crate::vp_shared::Place;
use crate::vp_shared::VpShared;
use crate::vp_shared::lock;
use crate::vp_shared::request;

/// Codes of exits that a completed APIC access asks for.
pub(crate) mod apic_exit {
    /// End of a level-triggered interrupt; the value is the vector.
    pub(crate) const EOI: u32 = 1;
    /// A trapped register write; the value is the page offset in the high and the value written in the low half.
    pub(crate) const WRITE: u32 = 2;
    /// An INIT or start-up command; the value is the command.
    pub(crate) const INIT_SIPI: u32 = 3;
    /// An SMI command; the value is the command.
    pub(crate) const SMI: u32 = 4;
}

/// Model-specific registers that the platform keeps rather than the processor.
pub(crate) mod msr {
    pub(super) const TSC: u32 = 0x10;
    pub(super) const APIC_BASE: u32 = 0x1B;
    pub(crate) const TSC_ADJUST: u32 = 0x3B;
    pub(super) const MICROCODE: u32 = 0x8B;
    pub(super) const MISC_ENABLE: u32 = 0x1A0;
    pub(crate) const TSC_DEADLINE: u32 = 0x6E0;
    pub(super) const X2APIC_FIRST: u32 = 0x800;
    pub(super) const X2APIC_LAST: u32 = 0x8FF;
}

/// What the run loop has to know of the surroundings before it executes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// The client's alarm went off, and is no longer set.
    pub(crate) is_alarm_due: bool,
    /// The guest read its idle register.
    pub(crate) wants_idle: bool,
    /// An external interrupt waits for something else to wake the processor.
    pub(crate) holds_ext_int: bool,
}

/// An overlay and the guest page it goes to, if any.
pub(crate) type OverlayChange = (Arc<OverlayPage>, Option<u64>);

/// The surroundings of one processor.
#[derive(Debug)]
pub(crate) struct VpEnv {
    pub(crate) shared: Arc<Shared>,
    pub(crate) vp: Arc<VpShared>,
    /// The map in use, and the one before: the processor may still hold addresses of its words until it flushes.
    map: Arc<GpaMap>,
    old_map: Option<Arc<GpaMap>>,
    pub(crate) exits: Arc<ExitControls>,
    msr_actions: Arc<HashMap<u32, MsrActionEntry>>,
    /// TSC = guest time at the TSC rate + this.
    pub(crate) tsc_offset: u64,
    pub(crate) tsc_adjust: u64,
    has_tsc_adjust: bool,
    has_tsc_deadline: bool,
    /// Guest time spent halted, in nanoseconds, and the ticks of the TSC's rate at the last reset.
    pub(crate) idle_ns: u64,
    active_base: u64,
    /// Guest address of the local APIC's register page, while there is one.
    apic_page: Option<u64>,
    /// IA32_APIC_BASE without an emulated APIC: plain storage.
    pub(crate) plain_apic_base: u64,
    /// Guest time of the client's alarm, in nanoseconds.
    pub(crate) alarm: Option<u64>,
    /// Guest time at which a limited processor's turn ends.
    pub(crate) slice_end: Option<u64>,
    /// What the timer thread (or the instruction limit) was last set to.
    armed: Option<u64>,
    /// Set when `armed` changed and the run loop has to compute a new instruction limit.
    pub(crate) has_new_limit: bool,
    /// Instructions retired by the other processors, deterministic clock.
    pub(crate) retired_base: u64,
    /// Guest time at the last exit or service, for accesses from outside.
    pub(crate) icount: u64,
    /// An external interrupt of the client, waiting to be deliverable.
    pub(crate) ext_int: Option<u8>,
    /// It was written for a halted processor, which it does not wake: it waits for something else to do so.
    pub(crate) holds_ext_int: bool,
    /// The guest read its idle register: it parks at the next boundary.
    pub(crate) wants_idle: bool,
    /// The run loop has something to look at at the next boundary.
    pub(crate) wants_look: bool,
    /// The reference time's offset when deadlines were last computed at the start of a run.
    pub(crate) reference_offset: u64,
    /// The processor is parked: only what wakes it counts as a deadline.
    pub(crate) is_asleep: bool,
    /// Overlays that the guest moved; the run loop moves them before the next instruction.
    overlay_changes: Vec<OverlayChange>,
    random: Random,
}

impl VpEnv {
    pub(crate) fn new(
        shared: Arc<Shared>,
        vp: Arc<VpShared>,
        msr_actions: Arc<HashMap<u32, MsrActionEntry>>,
        model: &CpuModel,
    ) -> Self {
        let random = if shared.clock.is_deterministic() { Random::seeded(vp.index) } else { Random::host() };
        let mut env = Self {
            map: shared.map(),
            old_map: None,
            exits: shared.exits(),
            msr_actions,
            tsc_offset: 0,
            tsc_adjust: 0,
            has_tsc_adjust: model.has_msr(msr::TSC_ADJUST),
            has_tsc_deadline: model.has_msr(msr::TSC_DEADLINE),
            idle_ns: 0,
            active_base: 0,
            apic_page: None,
            plain_apic_base: 0,
            alarm: None,
            slice_end: None,
            armed: None,
            has_new_limit: false,
            retired_base: 0,
            icount: 0,
            ext_int: None,
            holds_ext_int: false,
            wants_idle: false,
            wants_look: false,
            reference_offset: 0,
            is_asleep: false,
            overlay_changes: Vec::new(),
            random,
            shared,
            vp,
        };
        env.reset();
        env
    }

    /// Back to the state after creation.
    pub(crate) fn reset(&mut self) {
        // The TSC starts at 0 whatever guest time is now.
        let now = self.shared.clock.now();
        let ticks = self.shared.tsc_rate.ticks_at(now);
        self.set_tsc_offset(ticks.wrapping_neg());
        self.tsc_adjust = 0;
        self.idle_ns = 0;
        self.active_base = ticks;
        self.plain_apic_base = if self.vp.index == 0 { 0xFEE0_0900 } else { 0xFEE0_0800 };
        self.alarm = None;
        self.ext_int = None;
        self.wants_idle = false;
        self.take_overlays_away();
        self.refresh_apic_page();
        self.rearm();
    }

    // Memory.

    /// Takes requests; the processor must do what the result says before it touches guest memory again.
    pub(crate) fn take_memory_requests(&mut self) -> u32 {
        let epoch = self.shared.epoch();
        let requests = self.vp.take_requests();
        let flush_map = requests & request::FLUSH_MAP != 0;
        if flush_map {
            let next = self.shared.map();
            self.old_map = Some(std::mem::replace(&mut self.map, next));
        }
        self.vp.acknowledge(epoch);
        self.shared.moved();
        requests
    }

    /// Has `overlay` put in front of a guest page (by page number), or taken away, before the next instruction.
    pub(crate) fn lay_overlay(&mut self, overlay: &Arc<OverlayPage>, page: Option<u64>) {
        self.overlay_changes.push((overlay.clone(), page));
        self.vp.moves_overlays.store(true, Ordering::Relaxed);
        self.vp.nudge();
    }

    /// The overlays to be moved, in order.
    pub(crate) fn take_overlay_changes(&mut self) -> Vec<OverlayChange> {
        self.vp.moves_overlays.store(false, Ordering::Relaxed);
        std::mem::take(&mut self.overlay_changes)
    }

    /// Has the pages of this processor's synthetic registers taken away.
    fn take_overlays_away(&mut self) {
        let vp = self.vp.clone();
        for page in vp.hv.iter().flat_map(|hv| hv.pages()) {
            self.lay_overlay(page, None);
        }
    }

    /// The map in use.
    pub(crate) fn map(&self) -> &GpaMap {
        &self.map
    }

    /// Finds out where the local APIC's register page is; to be called whenever its base may have changed.
    pub(crate) fn refresh_apic_page(&mut self) {
        let find = |apic: openwhp_apic::ApicBase| (apic.mode() == Mode::XApic).then(|| apic.address());
        self.apic_page = self.vp.apic().and_then(|apic| find(apic.base()));
    }

    // Time.

    /// Guest time in nanoseconds after `icount` instructions of this processor.
    pub(crate) fn ns(&self, icount: u64) -> u64 {
        if self.shared.clock.is_frozen() {
            self.shared.clock.now()
        } else {
            self.shared.clock.at(self.retired_base.wrapping_add(icount))
        }
    }

    pub(crate) fn tsc_at(&self, ns: u64) -> u64 {
        // At a tick a nanosecond there is nothing to divide.
        let rate = self.shared.tsc_rate;
        let ticks = if rate.hz() == 1_000_000_000 { ns } else { rate.ticks_at(ns) };
        ticks.wrapping_add(self.tsc_offset)
    }

    pub(crate) fn guest_time(&self, icount: u64) -> GuestTime {
        let ns = self.ns(icount);
        GuestTime { ticks: self.shared.apic_rate.ticks_at(ns), tsc: self.tsc_at(ns) }
    }

    /// Makes the TSC read `value` now. Deadlines move with it.
    pub(crate) fn write_tsc(&mut self, icount: u64, value: u64) {
        let delta = value.wrapping_sub(self.tsc_at(self.ns(icount)));
        self.tsc_adjust = self.tsc_adjust.wrapping_add(delta);
        self.set_tsc_offset(self.tsc_offset.wrapping_add(delta));
        self.rearm();
    }

    /// Changes the relation of TSC and guest time.
    pub(crate) fn set_tsc_offset(&mut self, offset: u64) {
        self.tsc_offset = offset;
        self.vp.tsc_offset.store(offset, Ordering::SeqCst);
        self.shared.refresh_reference(false);
    }

    /// Lets the timer catch up with guest time, and arms the next deadline.
    pub(crate) fn service_time(&mut self, icount: u64) {
        self.icount = icount;
        if self.armed.is_none() {
            return;
        }
        let now = self.guest_time(icount);
        if let Some(mut apic) = self.vp.apic() {
            let _ = apic.advance(now);
        }
        self.advance_timers(icount);
        self.armed = None;
        self.rearm();
    }

    /// Lets timers and the alarm catch up with guest time, and says what else there is to do.
    pub(crate) fn look_around(&mut self, icount: u64) -> Look {
        self.service_time(icount);
        self.wants_look = false;
        let is_alarm_due = self.is_alarm_due(icount);
        if is_alarm_due {
            self.alarm = None;
            self.rearm();
        }
        Look { is_alarm_due, wants_idle: self.wants_idle, holds_ext_int: self.holds_ext_int }
    }

    /// Guest time of the next deadline of the local APIC timer.
    pub(crate) fn apic_deadline(&self) -> Option<u64> {
        match self.vp.apic()?.next_deadline()? {
            Deadline::Ticks(ticks) => Some(self.shared.apic_rate.ns_when(ticks)),
            Deadline::Tsc(tsc) => {
                // The offset is signed; a deadline before guest time 0 has passed.
                let ticks = i128::from(tsc) - i128::from(self.tsc_offset as i64);
                let ticks = u64::try_from(ticks.max(0)).unwrap_or(u64::MAX);
                Some(self.shared.tsc_rate.ns_when(ticks))
            }
        }
    }

    /// Guest time of whatever comes first: timers or alarm.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let all = [self.apic_deadline(), self.synthetic_deadline(), self.alarm, self.slice_end];
        all.into_iter().flatten().min()
    }

    /// Tells the timer thread, or the run loop, about a changed deadline.
    pub(crate) fn rearm(&mut self) {
        let next = self.deadline();
        if next == self.armed {
            return;
        }
        self.armed = next;
        if self.shared.clock.is_deterministic() {
            self.has_new_limit = true;
            self.vp.nudge();
        } else {
            self.shared.timers.arm(&self.vp, next);
        }
    }

    pub(crate) fn is_alarm_due(&self, icount: u64) -> bool {
        self.alarm.is_some_and(|at| self.ns(icount) >= at)
    }

    // Local APIC.

    /// Acts on what a register write asks for. The local APIC is not locked.
    pub(crate) fn apic_effect(&mut self, effect: ApicEffect, now: GuestTime) -> Effect<()> {
        let exits = self.exits.extended;
        self.vp.nudge();
        self.rearm();
        match effect {
            ApicEffect::None => Effect::Done(()),
            ApicEffect::EndOfInterrupt(vector) => Effect::DoneExit((), apic_exit::EOI, u64::from(vector)),
            ApicEffect::Trap(trap) => {
                let offset = trap.kind as u32;
                let bit = match offset {
                    0xD0 => ExtendedVmExits::X64_APIC_WRITE_LDR,
                    0xE0 => ExtendedVmExits::X64_APIC_WRITE_DFR,
                    0xF0 => ExtendedVmExits::X64_APIC_WRITE_SVR,
                    0x350 => ExtendedVmExits::X64_APIC_WRITE_LINT0,
                    _ => ExtendedVmExits::X64_APIC_WRITE_LINT1,
                };
                if exits.contains(bit) {
                    let value = u64::from(offset) << 32 | u64::from(trap.value);
                    Effect::DoneExit((), apic_exit::WRITE, value)
                } else {
                    Effect::Done(())
                }
            }
            ApicEffect::Ipi(ipi) => {
                use openwhp_apic::DeliveryMode;
                match ipi.delivery_mode {
                    DeliveryMode::Init | DeliveryMode::Startup
                        if exits.contains(ExtendedVmExits::X64_APIC_INIT_SIPI) =>
                    {
                        Effect::DoneExit((), apic_exit::INIT_SIPI, ipi.raw_icr)
                    }
                    DeliveryMode::Smi => {
                        if exits.contains(ExtendedVmExits::X64_APIC_SMI) {
                            Effect::DoneExit((), apic_exit::SMI, ipi.raw_icr)
                        } else {
                            Effect::Done(())
                        }
                    }
                    _ => {
                        self.shared.send_ipi(&self.vp, &ipi, now);
                        Effect::Done(())
                    }
                }
            }
        }
    }

    fn read_x2apic(&mut self, index: u32, icount: u64) -> Effect<u64> {
        let now = self.guest_time(icount);
        let Some(mut apic) = self.vp.apic() else { return Effect::Fault };
        match apic.msr_read(index, now) {
            Ok(value) => Effect::Done(value),
            Err(_) => Effect::Fault,
        }
    }

    fn write_x2apic(&mut self, index: u32, value: u64, icount: u64) -> Effect<()> {
        let now = self.guest_time(icount);
        let Some(mut apic) = self.vp.apic() else { return Effect::Fault };
        let result = apic.msr_write(index, value, now);
        drop(apic);
        match Register::at_msr(index) {
            Some(openwhp_apic::register::EOI) => {
                self.vp.counters.apic_eoi.add(1);
                self.ended_interrupt(icount);
            }
            Some(openwhp_apic::register::TPR) => self.vp.counters.apic_tpr.add(1),
            Some(openwhp_apic::register::SELF_IPI) => self.vp.counters.self_ipis.add(1),
            _ => {}
        }
        match result {
            Ok(effect) => self.apic_effect(effect, now),
            Err(_) => Effect::Fault,
        }
    }

    fn write_apic_base(&mut self, value: u64) -> Effect<()> {
        let Some(mut apic) = self.vp.apic() else {
            self.plain_apic_base = value;
            return Effect::Done(());
        };
        let result = apic.write_base(value);
        drop(apic);
        if result.is_err() {
            return Effect::Fault;
        }
        // The page may have moved, appeared or gone.
        self.refresh_apic_page();
        self.vp.post(request::FLUSH_MAP);
        self.vp.nudge();
        self.rearm();
        Effect::Done(())
    }

    pub(crate) fn apic_base(&self) -> u64 {
        self.vp.apic().map_or(self.plain_apic_base, |apic| apic.base().bits())
    }

    // Interception of model-specific registers.

    fn forced_exit(&self, index: u32, is_write: bool) -> bool {
        let bit = match (index, is_write) {
            (msr::TSC | msr::TSC_ADJUST, true) => MsrExitBitmap::TSC_WRITE,
            (msr::TSC, false) => MsrExitBitmap::TSC_READ,
            (msr::APIC_BASE, true) => MsrExitBitmap::APIC_BASE_WRITE,
            (msr::MISC_ENABLE, false) => MsrExitBitmap::MISC_ENABLE_READ,
            (msr::MICROCODE, false) => MsrExitBitmap::MICROCODE_READ,
            _ => return false,
        };
        self.exits.msrs.contains(bit)
    }

    /// What the client's lists say about an access: `None` = nothing.
    fn intercepted<T>(&self, index: u32, is_write: bool, ignored: T) -> Option<Effect<T>> {
        let can_exit = self.exits.extended.contains(ExtendedVmExits::X64_MSR);
        if let Some(entry) = self.msr_actions.get(&index) {
            match if is_write { entry.write } else { entry.read } {
                MsrAction::Architecture => {}
                MsrAction::Ignore => return Some(Effect::Done(ignored)),
                MsrAction::Exit if can_exit => return Some(Effect::Exit),
                MsrAction::Exit => {}
            }
        }
        (can_exit && self.forced_exit(index, is_write)).then_some(Effect::Exit)
    }

    fn unknown<T>(&self, ignored: T) -> Effect<T> {
        let can_exit = self.exits.extended.contains(ExtendedVmExits::X64_MSR);
        if can_exit && self.exits.msrs.contains(MsrExitBitmap::UNHANDLED) {
            return Effect::Exit;
        }
        match self.shared.config.unimplemented_msr {
            UnimplementedMsrAction::Fault => Effect::Fault,
            UnimplementedMsrAction::Ignore => Effect::Done(ignored),
            UnimplementedMsrAction::Exit => Effect::Exit,
        }
    }
}

impl Env for VpEnv {
    fn page(&mut self, gpa: u64) -> Page {
        if self.apic_page == Some(gpa) {
            return Page::Apic;
        }
        let number = gpa / PAGE_SIZE;
        let (slot, guarded) = match self.map.look(number) {
            Found::Memory(slot) => (slot, false),
            Found::Overlay(slot) => (slot, true),
            Found::Doorbells => return Page::Doorbell,
            Found::Nothing => return Page::Unmapped,
        };
        let mut flags = slot.flags;
        if !guarded && !slot.is_populated(number) {
            if self.exits.extended.contains(ExtendedVmExits::GPA_ACCESS_FAULT) {
                flags = MapFlags::empty();
            } else {
                slot.mark_populated(number);
            }
        } else if !guarded
            && self.exits.extended.contains(ExtendedVmExits::GPA_ACCESS_FAULT)
            && !residency::is_resident(slot.host_of(number))
        {
            // The host has discarded it since.
            slot.forget_populated(number);
            flags = MapFlags::empty();
        }
        Page::Ram(RamPage {
            host: slot.host_of(number) as *mut u8,
            read: flags.contains(MapFlags::READ),
            write: flags.contains(MapFlags::WRITE),
            exec: flags.contains(MapFlags::EXECUTE),
            guarded,
            notify: slot.is_clean(number),
            code: slot.code_word(number),
        })
    }

    fn protect_code(&mut self, gpa: u64) {
        let number = gpa / PAGE_SIZE;
        let Some(slot) = self.map.find(number) else { return };
        if slot.is_guarded(number) {
            return;
        }
        if self.shared.config.processor_count == 1 {
            slot.mark_code(number);
            slot.set_guarded(number);
            return;
        }
        self.shared.leave_to(&self.vp, Place::Protecting);
        let guard = lock(&self.shared.protecting);
        if !slot.is_guarded(number) {
            slot.mark_code(number);
            self.shared.gather(Some(&self.vp), request::FLUSH_WRITES);
            slot.set_guarded(number);
        }
        drop(guard);
        self.shared.enter_running(&self.vp, Place::Protecting);
    }

    fn wrote(&mut self, gpa: u64, len: u64) {
        let last = gpa.saturating_add(len.max(1) - 1) / PAGE_SIZE;
        for number in gpa / PAGE_SIZE..=last {
            if let Some(slot) = self.map.find(number) {
                slot.mark_dirty(number);
            }
        }
    }

    fn ring(&mut self, gpa: u64, data: &[u8]) -> bool {
        self.map.doorbells().ring(Gpa(gpa), data)
    }

    fn poll(&mut self) -> PollResult {
        self.shared.yield_to_exclusive(&self.vp);
        let requests = self.take_memory_requests();
        let for_run_loop = requests & request::BY_RUN_LOOP;
        if for_run_loop != 0 {
            // It takes them at this boundary.
            self.vp.post(for_run_loop);
        }
        if !self.shared.clock.is_deterministic() {
            self.service_time(self.icount);
        }
        let must_stop = for_run_loop != 0
            || self.has_new_limit
            || self.slice_end.is_some_and(|end| self.ns(self.icount) >= end)
            || self.wants_idle
            || self.wants_look
            || !self.overlay_changes.is_empty()
            || self.vp.is_canceled()
            || self.is_alarm_due(self.icount) && !self.shared.clock.is_deterministic();
        PollResult {
            poll: if must_stop { Poll::Stop } else { Poll::Continue },
            flush_map: requests & request::FLUSH_MAP != 0,
            flush_writes: requests & request::FLUSH_WRITES != 0,
        }
    }

    fn lines(&mut self) -> Lines {
        self.settle_eoi(false);
        let (nmi, pending) =
            self.vp.apic().map_or((false, None), |apic| (apic.is_nmi_pending(), apic.pending()));
        let ext_int = self.ext_int.filter(|_| !self.holds_ext_int);
        Lines { nmi, interrupt: ext_int.or(pending), is_injected: ext_int.is_some() }
    }

    fn acknowledge(&mut self, vector: u8) {
        if self.ext_int == Some(vector) && !self.holds_ext_int {
            self.ext_int = None;
        } else {
            self.holds_ext_int = false;
            self.take_interrupt(vector);
        }
    }

    fn acknowledge_nmi(&mut self) {
        self.holds_ext_int = false;
        if let Some(mut apic) = self.vp.apic() {
            apic.take_nmi();
        }
    }

    fn nmi_handled(&mut self) {
        if let Some(mut apic) = self.vp.apic() {
            apic.nmi_handled();
        }
    }

    fn tsc(&mut self, icount: u64) -> u64 {
        self.tsc_at(self.ns(icount))
    }

    fn active_ticks(&mut self, icount: u64) -> u64 {
        let active = self.ns(icount).saturating_sub(self.idle_ns);
        self.shared.tsc_rate.ticks_at(active).saturating_sub(self.active_base)
    }

    fn set_tsc(&mut self, icount: u64, value: u64) {
        self.write_tsc(icount, value);
    }

    fn random(&mut self) -> u64 {
        self.random.next()
    }

    fn apic_read(&mut self, offset: u32, icount: u64) -> u32 {
        self.vp.counters.apic_mmio.add(1);
        let now = self.guest_time(icount);
        self.vp.apic().map_or(0, |mut apic| apic.mmio_read(offset as u16, now))
    }

    fn apic_write(&mut self, offset: u32, value: u32, icount: u64) -> Effect<()> {
        self.vp.counters.apic_mmio.add(1);
        match offset {
            0xB0 => self.vp.counters.apic_eoi.add(1),
            0x80 => self.vp.counters.apic_tpr.add(1),
            _ => {}
        }
        let now = self.guest_time(icount);
        let effect = match self.vp.apic() {
            Some(mut apic) => apic.mmio_write(offset as u16, value, now),
            None => return Effect::Done(()),
        };
        if offset == 0xB0 {
            self.ended_interrupt(icount);
        }
        self.apic_effect(effect, now)
    }

    fn tpr(&mut self) -> u8 {
        self.vp.apic().map_or(self.plain_tpr(), |apic| apic.tpr())
    }

    fn set_tpr(&mut self, tpr: u8) {
        self.vp.counters.apic_tpr.add(1);
        match self.vp.apic() {
            Some(mut apic) => apic.set_tpr(tpr),
            None => {
                self.vp.plain_tpr.store(u32::from(tpr), std::sync::atomic::Ordering::Relaxed);
            }
        }
    }

    fn rdmsr(&mut self, index: u32, icount: u64) -> Option<Effect<u64>> {
        if let Some(effect) = self.intercepted(index, false, 0) {
            return Some(effect);
        }
        Some(match index {
            msr::TSC => Effect::Done(self.tsc(icount)),
            msr::TSC_ADJUST if self.has_tsc_adjust => Effect::Done(self.tsc_adjust),
            msr::APIC_BASE => Effect::Done(self.apic_base()),
            msr::TSC_DEADLINE if self.has_tsc_deadline && self.vp.apic.is_some() => {
                let now = self.guest_time(icount);
                Effect::Done(self.vp.apic().map_or(0, |apic| apic.tsc_deadline(now)))
            }
            msr::X2APIC_FIRST..=msr::X2APIC_LAST if self.shared.config.apic_mode == ApicMode::X2Apic => {
                self.read_x2apic(index, icount)
            }
            Msr::FIRST..=Msr::LAST => return self.read_synthetic(index, icount),
            _ => return None,
        })
    }

    fn wrmsr(&mut self, index: u32, value: u64, icount: u64) -> Option<Effect<()>> {
        if let Some(effect) = self.intercepted(index, true, ()) {
            return Some(effect);
        }
        Some(match index {
            msr::TSC => {
                self.write_tsc(icount, value);
                Effect::Done(())
            }
            msr::TSC_ADJUST if self.has_tsc_adjust => {
                let delta = value.wrapping_sub(self.tsc_adjust);
                self.tsc_adjust = value;
                self.set_tsc_offset(self.tsc_offset.wrapping_add(delta));
                self.rearm();
                Effect::Done(())
            }
            msr::APIC_BASE => self.write_apic_base(value),
            msr::TSC_DEADLINE if self.has_tsc_deadline && self.vp.apic.is_some() => {
                let now = self.guest_time(icount);
                if let Some(mut apic) = self.vp.apic() {
                    apic.set_tsc_deadline(value, now);
                }
                self.vp.nudge();
                self.rearm();
                Effect::Done(())
            }
            msr::X2APIC_FIRST..=msr::X2APIC_LAST if self.shared.config.apic_mode == ApicMode::X2Apic => {
                self.write_x2apic(index, value, icount)
            }
            Msr::FIRST..=Msr::LAST => return self.write_synthetic(index, value, icount),
            _ => return None,
        })
    }

    fn unknown_rdmsr(&mut self, _index: u32) -> Effect<u64> {
        self.unknown(0)
    }

    fn unknown_wrmsr(&mut self, _index: u32, _value: u64) -> Effect<()> {
        self.unknown(())
    }

    fn exclusive(&mut self, work: &mut dyn FnMut()) {
        if self.shared.config.processor_count > 1 {
            self.shared.exclusive(&self.vp, work);
        } else {
            work();
        }
    }

    fn pause(&mut self) {
        if self.shared.config.processor_count > 1 {
            std::thread::yield_now();
        }
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl VpEnv {
    /// Task priority without an emulated APIC: plain storage.
    fn plain_tpr(&self) -> u8 {
        self.vp.plain_tpr.load(std::sync::atomic::Ordering::Relaxed) as u8
    }
}
