//! A processor of the software engine: the run loop around the software CPU.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use openwhp_engine::ApicMode;
use openwhp_engine::ApicState;
use openwhp_engine::DeliverableType;
use openwhp_engine::EmulateError;
use openwhp_engine::EngineRunError;
use openwhp_engine::EngineVp;
use openwhp_engine::Exit;
use openwhp_engine::ExitReason;
use openwhp_engine::ExtendedVmExits;
use openwhp_engine::GuestNs;
use openwhp_engine::Gva;
use openwhp_engine::MmioBus;
use openwhp_engine::PortBus;
use openwhp_engine::RegisterError;
use openwhp_engine::RegisterName;
use openwhp_engine::RegisterValue;
use openwhp_engine::StateError;
use openwhp_engine::SynicState;
use openwhp_engine::TranslateFlags;
use openwhp_engine::Translation;
use openwhp_engine::VpRemote;
use openwhp_hyperv::Features;
use openwhp_x86::Cpu;
use openwhp_x86::CpuExit;
use openwhp_x86::state::Activity;
use openwhp_x86::state::EventKind;
use openwhp_x86::state::cr0;
use openwhp_x86::state::rflags;

use crate::bus::Bus;
use crate::clock::coarse_ns;
use crate::clock::host_ns;
use crate::counters::Kind;
use crate::env::VpEnv;
use crate::events;
use crate::hypercall;
use crate::limiter::Limiter;
use crate::limiter::Turn;
use crate::placement::Placement;
use crate::registers;
use crate::remote::Remote;
use crate::shared::Shared;
use crate::vp_shared::Place;
use crate::vp_shared::VpShared;
use crate::vp_shared::request;
use crate::xsave;

/// Where the code segment lies after power-up and INIT.
const RESET_CS_BASE: u64 = 0xF_0000;
/// Of this many runs, one is measured exactly.
const SAMPLED_RUNS: u32 = 64;

/// A processor.
pub(crate) struct SoftVp {
    pub(crate) cpu: Box<Cpu>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) vp: Arc<VpShared>,
    pub(crate) remote: Arc<Remote>,
    /// PendingEvent as the client wrote it, until it is delivered.
    pub(crate) pending_event: u128,
    /// The injected event was written by the client and has not been tried yet: its conditions must be checked.
    pub(crate) is_injection_new: bool,
    /// Registers that decide whether the state can be entered were set since it was last found valid.
    pub(crate) is_unchecked: bool,
    /// The external interrupt of `pending_event` was handed to the processor.
    pub(crate) is_ext_int_started: bool,
    /// Parked by the guest idle register rather than by HLT.
    pub(crate) is_idle: bool,
    /// The activity register as the client wrote it: what suspends the processor besides its present activity.
    pub(crate) suspended: u64,
    /// The client wrote a nested event, which waits as long as the count of instructions is this.
    pub(crate) nested_at: Option<u64>,
    /// With the deterministic clock: the instruction behind the last exit, which the client may finish.
    left_at: Option<u64>,
    /// Length of the instruction behind the last exit.
    pub(crate) exit_length: u8,
    /// Where and how eagerly its thread runs.
    pub(crate) placement: Placement,
    /// How much of a host processor it may use.
    pub(crate) limiter: Option<Limiter>,
    /// Time spent resting for the limit, in nanoseconds.
    rest_ns: u64,
    /// The last exit, and when it came, until the next run.
    last_exit: Option<(Kind, u64)>,
    /// Runs so far; every so many are measured.
    runs: u32,
    /// Time spent in guest instructions during a measured run.
    sampled_ns: Option<u64>,
    /// It has run since creation or the last reset.
    pub(crate) has_run: bool,
    /// Version of the exit switches when it last ran.
    exits_version: Option<u64>,
}

impl SoftVp {
    pub(crate) fn new(cpu: Box<Cpu>, shared: Arc<Shared>, vp: Arc<VpShared>, remote: Arc<Remote>) -> Self {
        Self {
            cpu,
            shared,
            vp,
            remote,
            pending_event: 0,
            is_injection_new: false,
            is_unchecked: true,
            is_ext_int_started: false,
            is_idle: false,
            suspended: 0,
            nested_at: None,
            left_at: None,
            exit_length: 0,
            placement: Placement::default(),
            limiter: None,
            rest_ns: 0,
            last_exit: None,
            runs: 0,
            sampled_ns: None,
            has_run: false,
            exits_version: None,
        }
    }

    /// The processor's surroundings.
    pub(crate) fn env(&mut self) -> &mut VpEnv {
        match self.cpu.env.as_any_mut().downcast_mut::<VpEnv>() {
            Some(env) => env,
            None => unreachable!("the processor was made with these surroundings"),
        }
    }

    /// Nobody has asked for anything, and the processor has not shut down: plain registers are what they seem.
    fn is_undisturbed(&self) -> bool {
        !self.vp.has_request(u32::MAX) && self.cpu.s.activity != Activity::Shutdown
    }

    /// Takes part in the partition for the length of `work`: the map cannot change under it.
    pub(crate) fn attend<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        self.shared.enter_running(&self.vp, Place::Outside);
        self.take_requests();
        let result = work(self);
        self.publish();
        self.shared.leave(&self.vp);
        if self.moves_overlays() {
            self.change_overlays();
        }
        result
    }

    /// True if overlays wait to be moved.
    fn moves_overlays(&self) -> bool {
        self.vp.moves_overlays.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Moves the overlays that the guest or the client asked to move. The processor does not count as running.
    fn change_overlays(&mut self) {
        for (overlay, page) in self.env().take_overlay_changes() {
            self.shared.change_overlay(&overlay, page);
        }
    }

    /// Honours requests of others at a boundary.
    pub(crate) fn take_requests(&mut self) {
        if !self.vp.is_behind(self.shared.epoch()) {
            return;
        }
        let requests = self.env().take_memory_requests();
        if requests & request::FLUSH_MAP != 0 {
            self.cpu.flush_map();
        }
        if requests & request::FLUSH_WRITES != 0 {
            self.cpu.flush_writes();
        }
        if requests & request::FLUSH_TLB != 0 {
            self.take_flush();
        }
        if requests & request::SET_TSC != 0 {
            self.take_ordered_tsc();
        }
        if requests & request::STARTUP != 0 {
            self.take_startup();
        }
    }

    /// Shows others what they may ask for at any time.
    fn publish(&mut self) {
        use std::sync::atomic::Ordering;
        if self.vp.is_eoi_waived() {
            self.env().settle_eoi(false);
        }
        self.vp.cr4.store(self.cpu.s.cr4, Ordering::Relaxed);
        self.vp.xcr0.store(self.cpu.s.xcr0, Ordering::Relaxed);
        self.vp.counters.publish(&self.cpu);
        if self.shared.clock.is_deterministic() {
            let icount = self.cpu.s.icount;
            let env = self.env();
            let total = env.retired_base.wrapping_add(icount);
            env.shared.clock.set_retired(total);
        }
    }

    /// INIT and start-up messages.
    fn take_startup(&mut self) {
        let startup = self.vp.take_startup();
        if startup.is_init {
            let before = self.cpu.s.events;
            self.reset_cpu(true);
            // Windows are the client's, not the processor's.
            self.cpu.s.events.want_interrupt_window = before.want_interrupt_window;
            self.cpu.s.events.want_nmi_window = before.want_nmi_window;
            if let Some(mut apic) = self.vp.apic() {
                apic.init();
            }
            self.forget_events();
            self.env().rearm();
            if self.vp.index != 0 {
                self.cpu.s.activity = Activity::WaitForSipi;
            }
        }
        if let Some(page) = startup.page
            && self.cpu.s.activity == Activity::WaitForSipi
        {
            self.start_at(page);
        }
    }

    /// Starts a waiting processor at a page of low memory (Intel SDM 3A "Typical AP Initialization Sequence").
    fn start_at(&mut self, page: u8) {
        let cs = &mut self.cpu.s.seg[openwhp_x86::state::CS];
        cs.selector = u16::from(page) << 8;
        cs.base = u64::from(page) << 12;
        self.cpu.s.rip = 0;
        self.cpu.s.activity = Activity::Active;
        self.cpu.refresh();
    }

    /// Resets the processor as the platform does: Windows starts it at F0000h + FFF0h, below 1 MiB, where the
    /// architecture has FFFF0000h. Programs that set no segment have their firmware there.
    fn reset_cpu(&mut self, init: bool) {
        self.cpu.reset(init);
        self.cpu.s.seg[openwhp_x86::state::CS].base = RESET_CS_BASE;
        self.cpu.refresh();
    }

    fn forget_events(&mut self) {
        self.pending_event = 0;
        self.is_ext_int_started = false;
        self.is_injection_new = false;
        self.is_idle = false;
        self.suspended = 0;
        self.nested_at = None;
        self.left_at = None;
        let env = self.env();
        env.ext_int = None;
        env.holds_ext_int = false;
    }

    /// Power-up state.
    pub(crate) fn power_up(&mut self) {
        self.vp.reset();
        self.has_run = false;
        let icount = self.cpu.s.icount;
        self.reset_cpu(false);
        self.cpu.s.icount = icount;
        self.env().reset();
        self.forget_events();
        if self.vp.index != 0 && self.shared.config.apic_mode != ApicMode::None {
            self.cpu.s.activity = Activity::WaitForSipi;
        }
    }

    // Running.

    fn begin(&mut self) {
        self.has_run = true;
        self.shared.thaw();
        let version = Some(self.shared.exits_version());
        if version != self.exits_version {
            self.exits_version = version;
            self.take_exits();
        }
        if self.vp.hv.is_some() {
            self.env().follow_reference();
        }
        if self.shared.clock.is_deterministic() {
            let icount = self.cpu.s.icount;
            // An instruction that the client has finished takes its time, too.
            let is_finished = self.left_at.take().is_some_and(|rip| rip != self.cpu.s.rip);
            let retired = self.shared.clock.retired().wrapping_add(u64::from(is_finished));
            let env = self.env();
            env.retired_base = retired.wrapping_sub(icount);
            env.has_new_limit = true;
        }
    }

    /// Follows changed exit switches.
    #[cold]
    fn take_exits(&mut self) {
        let exits = self.shared.exits();
        self.apply_exits(&exits);
        let has_fault_exit = exits.extended.contains(ExtendedVmExits::GPA_ACCESS_FAULT);
        let old = std::mem::replace(&mut self.env().exits, exits);
        if old.extended.contains(ExtendedVmExits::GPA_ACCESS_FAULT) != has_fault_exit {
            self.cpu.flush_map();
        }
    }

    /// Tells the processor which instructions exit.
    pub(crate) fn apply_exits(&mut self, exits: &openwhp_engine::ExitControls) {
        let extended = exits.extended;
        let intercepts = &mut self.cpu.intercepts;
        intercepts.exceptions =
            if extended.contains(ExtendedVmExits::EXCEPTION) { exits.exceptions } else { 0 };
        intercepts.halt = self.shared.config.apic_mode == ApicMode::None;
        intercepts.rdtsc = extended.contains(ExtendedVmExits::X64_RDTSC);
        intercepts.hypercall =
            extended.contains(ExtendedVmExits::HYPERCALL) || hypercall::has_interface(&self.shared.config);
        intercepts.cpuid = extended.contains(ExtendedVmExits::X64_CPUID);
        intercepts.cpuid_list.clone_from(&exits.cpuid_functions);
    }

    fn run_to_exit(&mut self, reason: &mut ExitReason) -> Result<(), EngineRunError> {
        self.begin();
        let mut is_checked = false;
        loop {
            if self.moves_overlays() {
                self.shared.leave_to(&self.vp, Place::Parked);
                self.change_overlays();
                self.shared.enter_running(&self.vp, Place::Parked);
            }
            self.shared.yield_to_exclusive(&self.vp);
            self.take_requests();
            if self.vp.take_cancel() {
                // The guest may just have read its idle register, and looks idle from then on.
                if self.env().wants_idle {
                    self.take_idle(true);
                }
                *reason = ExitReason::Canceled;
                return Ok(());
            }
            let icount = self.cpu.s.icount;
            let look = self.env().look_around(icount);
            if look.is_alarm_due {
                *reason = ExitReason::Alarm;
                return Ok(());
            }
            if self.limiter.is_some() && self.must_rest() {
                continue;
            }
            if !is_checked {
                is_checked = true;
                if self.is_unchecked && !self.cpu.check_state() {
                    *reason = ExitReason::InvalidVpRegisterValue;
                    return Ok(());
                }
                self.is_unchecked = false;
            }
            if (self.pending_event & 1 != 0 || self.is_injection_new)
                && let Some(exit) = self.prepare_events()?
            {
                *reason = exit;
                return Ok(());
            }
            if let Some(sints) = self.take_deliverable_sints() {
                *reason = ExitReason::SynicSintDeliverable(sints);
                return Ok(());
            }
            if self.cpu.s.activity == Activity::WaitForSipi {
                self.park();
                continue;
            }
            self.take_idle(look.wants_idle);
            if self.cpu.s.activity != Activity::Halted {
                if look.holds_ext_int || self.pending_event & 1 != 0 {
                    self.env().holds_ext_int = false;
                }
                self.is_injection_new = false;
            }
            self.set_limit();
            match self.execute() {
                CpuExit::Stopped | CpuExit::Limit => {}
                CpuExit::Halt => match self.halted() {
                    Some(exit) => {
                        *reason = exit;
                        return Ok(());
                    }
                    None => self.park(),
                },
                CpuExit::Hypercall { length } => {
                    if let Some(exit) = self.take_hypercall(length) {
                        self.describe(exit, reason);
                        return Ok(());
                    }
                }
                CpuExit::InterruptWindow { nmi } => {
                    self.cpu.s.events.want_interrupt_window = None;
                    self.cpu.s.events.want_nmi_window = false;
                    let kind = if nmi { DeliverableType::Nmi } else { DeliverableType::Interrupt };
                    *reason = ExitReason::InterruptWindow(kind);
                    return Ok(());
                }
                other => {
                    self.describe(other, reason);
                    return Ok(());
                }
            }
        }
    }

    /// Runs to an exit where the client wants its thread, and no longer than it may.
    #[cold]
    fn run_scheduled(&mut self, exit: &mut Exit) -> Result<(), EngineRunError> {
        let _stay = (!self.placement.is_empty()).then(|| self.placement.enter());
        if let Some(limiter) = &mut self.limiter {
            limiter.enter();
        }
        let result = self.run_attending(exit);
        if let Some(limiter) = &mut self.limiter {
            limiter.leave();
            self.end_turn();
        }
        result
    }

    /// Takes part in the partition until an exit.
    fn run_attending(&mut self, exit: &mut Exit) -> Result<(), EngineRunError> {
        self.shared.enter_running(&self.vp, Place::Outside);
        let result = self.run_to_exit(&mut exit.reason);
        if result.is_ok() {
            exit.vp = self.context(&exit.reason);
        }
        if self.shared.clock.is_deterministic() {
            self.left_at = (result.is_ok() && is_instruction(&exit.reason)).then_some(exit.vp.rip);
        }
        self.publish();
        self.shared.leave(&self.vp);
        if self.moves_overlays() {
            self.change_overlays();
        }
        result
    }

    /// Starts a turn of a limited processor, or rests. True if it rested and has to look around again.
    fn must_rest(&mut self) -> bool {
        let Some(limiter) = &mut self.limiter else { return false };
        let icount = self.cpu.s.icount;
        match limiter.decide() {
            Turn::Run(time) => {
                let env = self.env();
                let end = env.ns(icount).saturating_add(time.as_nanos() as u64);
                env.slice_end = Some(end);
                env.rearm();
                false
            }
            Turn::Rest(time) => {
                self.end_turn();
                self.publish();
                self.vp.clear_nudge();
                if !self.vp.is_canceled() && !self.vp.has_request(u32::MAX) {
                    let start = Instant::now();
                    self.vp.park(Some(time));
                    self.rest_ns += u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    self.shared.enter_running(&self.vp, Place::Parked);
                }
                // What others wanted meanwhile is looked at.
                self.vp.nudge();
                true
            }
        }
    }

    /// Takes the end of the turn from the deadlines.
    fn end_turn(&mut self) {
        let env = self.env();
        if env.slice_end.take().is_some() {
            env.rearm();
        }
    }

    /// Checks events that the client wrote and hands one to the processor.
    fn prepare_events(&mut self) -> Result<Option<ExitReason>, EngineRunError> {
        let events = &self.cpu.s.events;
        if self.is_injection_new
            && let Some(event) = &events.inject
        {
            let is_open = self.cpu.s.sys_flags & rflags::IF != 0 && !events.shadow;
            let is_deliverable = match event.kind {
                EventKind::Interrupt => is_open,
                EventKind::Nmi => !events.nmi_masked,
                // Real mode has no error codes (Intel SDM 3C "Checks on VM-Entry Control Fields").
                EventKind::Exception => event.error.is_none() || self.cpu.s.cr0 & cr0::PE != 0,
                _ => true,
            };
            if !is_deliverable {
                return Err(EngineRunError::UndeliverableInterruption);
            }
        }
        if self.pending_event & 1 == 0 {
            return Ok(None);
        }
        if self.cpu.s.activity == Activity::Halted && self.can_wake() {
            // What waits comes before what wakes.
            self.cpu.s.activity = Activity::Active;
        }
        let activity = self.cpu.s.activity;
        match events::decode_pending_event(self.pending_event) {
            Some(events::PendingEvent::ExtInt(vector)) => {
                if self.shared.config.apic_mode == ApicMode::None {
                    return Ok(Some(ExitReason::InvalidVpRegisterValue));
                }
                if self.is_ext_int_started {
                    // Handed over in an earlier run: it still waits, or it is done.
                    if self.env().ext_int.is_none() {
                        self.pending_event = 0;
                        self.is_ext_int_started = false;
                    }
                } else {
                    let env = self.env();
                    env.ext_int = Some(vector);
                    env.holds_ext_int = activity == Activity::Halted;
                    self.is_ext_int_started = true;
                }
            }
            Some(events::PendingEvent::Exception(event)) => {
                if self.cpu.s.events.inject.is_some() || activity != Activity::Active {
                    return Ok(None);
                }
                self.cpu.s.events.inject = Some(event);
                self.pending_event = 0;
            }
            None => return Ok(Some(ExitReason::InvalidVpRegisterValue)),
        }
        Ok(None)
    }

    /// Runs guest instructions.
    fn execute(&mut self) -> CpuExit {
        let Some(before) = self.sampled_ns else { return self.cpu.run() };
        let start = host_ns();
        let exit = self.cpu.run();
        self.sampled_ns = Some(before + host_ns().saturating_sub(start));
        exit
    }

    /// Begins to measure one run out of many: exact clocks on every one would cost too much.
    fn begin_sample(&mut self) -> Option<u64> {
        self.runs = self.runs.wrapping_add(1);
        self.sampled_ns = (self.runs % SAMPLED_RUNS == 1).then_some(0);
        self.sampled_ns.map(|_| host_ns())
    }

    /// Counts what a sampled run spent outside guest instructions for all the runs it stands for.
    fn end_sample(&mut self, began: u64, stood_ns: u64) {
        let guest = self.sampled_ns.take().unwrap_or(0);
        let overhead = host_ns().saturating_sub(began).saturating_sub(guest).saturating_sub(stood_ns);
        self.vp.counters.overhead_ns.add(overhead * u64::from(SAMPLED_RUNS));
    }

    /// Sets the instruction limit of the next stretch. An exception that waits behind an injected event, or for a halted
    /// processor to go on, ends the stretch with the next delivery.
    fn set_limit(&mut self) {
        let icount = self.cpu.s.icount;
        self.cpu.icount_limit = u64::MAX;
        if self.shared.clock.is_deterministic() {
            let deadline = self.env().deadline();
            self.env().has_new_limit = false;
            if let Some(at) = deadline {
                let base = self.env().retired_base;
                let limit = self.shared.clock.retired_at(at).saturating_sub(base);
                self.cpu.icount_limit = limit.max(icount.saturating_add(1));
            }
        }
        let is_event_left = self.pending_event & 1 != 0
            && matches!(
                events::decode_pending_event(self.pending_event),
                Some(events::PendingEvent::Exception(_))
            );
        if is_event_left {
            self.cpu.icount_limit = icount;
        }
    }

    /// The processor halted: the exit, or `None` to wait inside.
    fn halted(&mut self) -> Option<ExitReason> {
        if self.cpu.s.activity != Activity::Halted {
            return None;
        }
        if self.shared.config.apic_mode == ApicMode::None {
            self.cpu.s.activity = Activity::Active;
            return Some(ExitReason::Halt);
        }
        self.vp.counters.parked_halt();
        None
    }

    /// Waits for a kick or the next deadline.
    fn park(&mut self) {
        self.end_turn();
        self.publish();
        self.env().set_asleep(true);
        self.wait();
        self.env().set_asleep(false);
    }

    fn wait(&mut self) {
        let icount = self.cpu.s.icount;
        if self.shared.clock.is_deterministic() {
            let deadline = if self.is_waiting_for_start() { self.env().alarm } else { self.env().deadline() };
            if let Some(at) = deadline {
                // Nothing but time can happen: let it pass at once.
                let before = self.env().ns(icount);
                self.shared.clock.skip_to(at);
                let env = self.env();
                env.idle_ns += env.ns(icount).saturating_sub(before);
                env.has_new_limit = true;
                return;
            }
        }
        self.vp.clear_nudge();
        if self.must_look(icount) {
            self.vp.nudge();
            return;
        }
        let start = Instant::now();
        let before = self.env().ns(icount);
        let timeout = self.env().deadline().map(|at| Duration::from_nanos(at.saturating_sub(before)));
        self.vp.park(timeout);
        let env = self.env();
        env.idle_ns += env.ns(icount).saturating_sub(before);
        let waited = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.vp.counters.halt_ns.add(waited);
        self.shared.enter_running(&self.vp, Place::Parked);
    }

    fn is_waiting_for_start(&self) -> bool {
        self.cpu.s.activity == Activity::WaitForSipi
    }

    /// Something came in between looking and waiting.
    fn must_look(&mut self, icount: u64) -> bool {
        let is_waiting_for_start = self.is_waiting_for_start();
        let env = self.env();
        if env.vp.is_canceled() || env.vp.has_request(u32::MAX) || env.is_alarm_due(icount) {
            return true;
        }
        if is_waiting_for_start {
            return false;
        }
        self.can_wake()
    }

    /// An interrupt or NMI waits that ends the halt.
    fn can_wake(&mut self) -> bool {
        use openwhp_x86::env::Env;
        let is_open = self.cpu.s.sys_flags & rflags::IF != 0;
        let is_nmi_open = !self.cpu.s.events.nmi_masked;
        let is_idle = self.is_idle;
        let lines = self.env().lines();
        lines.nmi && (is_nmi_open || is_idle) || lines.interrupt.is_some() && (is_open || is_idle)
    }
}

/// The exit stands before an instruction, which the client may finish.
fn is_instruction(reason: &ExitReason) -> bool {
    matches!(
        reason,
        ExitReason::MemoryAccess(_)
            | ExitReason::IoPort(_)
            | ExitReason::Msr(_)
            | ExitReason::Cpuid(_)
            | ExitReason::Rdtsc(_)
            | ExitReason::Hypercall(_)
            | ExitReason::Exception(_)
    )
}

impl EngineVp for SoftVp {
    fn run(&mut self, exit: &mut Exit) -> Result<(), EngineRunError> {
        let start = coarse_ns();
        if let Some((kind, at)) = self.last_exit.take() {
            self.vp.counters.took(kind, start.saturating_sub(at));
        }
        let sample = self.begin_sample();
        let halted_before = self.vp.counters.halt_ns.get();
        let rested_before = self.rest_ns;
        self.vp.note_run(Some(start));
        let result = if self.placement.is_empty() && self.limiter.is_none() {
            self.run_attending(exit)
        } else {
            self.run_scheduled(exit)
        };
        let end = coarse_ns();
        let kind = result.is_ok().then(|| self.vp.counters.exit(&exit.reason)).flatten();
        self.last_exit = kind.map(|kind| (kind, end));
        let total = end.wrapping_sub(start);
        let halted = self.vp.counters.halt_ns.get().wrapping_sub(halted_before);
        self.vp.note_run(None);
        let rested = self.rest_ns.wrapping_sub(rested_before);
        self.vp.counters.run_ns.add(total.saturating_sub(halted).saturating_sub(rested));
        if let Some(began) = sample {
            self.end_sample(began, halted + rested);
        }
        result
    }

    fn get_registers(
        &mut self,
        names: &[RegisterName],
        values: &mut [RegisterValue],
    ) -> Result<(), RegisterError> {
        if self.is_undisturbed() && names.iter().all(|name| registers::is_plain(*name)) {
            for (&name, value) in names.iter().zip(values) {
                *value = self.get_plain(name);
            }
            return Ok(());
        }
        self.attend(|vp| {
            for (&name, value) in names.iter().zip(values) {
                *value = vp.get_register(name)?;
            }
            Ok(())
        })
    }

    fn set_registers(&mut self, registers: &[(RegisterName, RegisterValue)]) -> Result<(), RegisterError> {
        let is_plain = |&(name, value)| registers::is_plain(name) || self.has_flags(name, value);
        if self.is_undisturbed() && registers.iter().all(is_plain) {
            for &(name, value) in registers {
                self.set_plain(name, value);
            }
            return Ok(());
        }
        self.attend(|vp| vp.set_all_registers(registers))
    }

    fn translate(&mut self, gva: Gva, flags: TranslateFlags) -> Translation {
        self.attend(|vp| vp.translate_address(gva, flags))
    }

    fn xsave_size(&self) -> usize {
        xsave::size(&self.cpu)
    }

    fn xsave(&mut self) -> Vec<u8> {
        self.attend(|vp| xsave::image(&mut vp.cpu))
    }

    fn set_xsave(&mut self, image: &[u8]) -> Result<(), StateError> {
        let expected = xsave::size(&self.cpu);
        if image.len() < 576 {
            return Err(StateError::Size { expected, actual: image.len() });
        }
        self.attend(|vp| xsave::load(&mut vp.cpu, image).map_err(StateError::Malformed))
    }

    fn apic(&mut self) -> Option<&mut dyn ApicState> {
        if self.vp.apic.is_some() { Some(self) } else { None }
    }

    fn synic(&mut self) -> Option<&mut dyn SynicState> {
        if self.shared.features().contains(Features::SYNIC) { Some(self) } else { None }
    }

    fn set_alarm(&mut self, at: Option<GuestNs>) {
        let env = self.env();
        env.alarm = at.map(|at| env.shared.clock.guest_time_of(at.0));
        env.rearm();
    }

    fn emulate(&mut self, mmio: &mut dyn MmioBus, ports: &mut dyn PortBus) -> Result<(), EmulateError> {
        if self.cpu.s.events.inject.is_some() {
            return Err(EmulateError::EventDelivery);
        }
        self.attend(|vp| {
            let mut bus = Bus { mmio, ports };
            match vp.cpu.emulate_one(&mut bus) {
                Ok(()) => {
                    vp.left_at = None;
                    vp.vp.counters.emulated();
                    Ok(())
                }
                // Called back before the instruction began: it exits again at the next run.
                Err(CpuExit::Stopped) => Ok(()),
                Err(_) => {
                    Err(EmulateError::Unsupported { bytes: vp.instruction_bytes().as_slice().to_vec() })
                }
            }
        })
    }

    fn reset(&mut self) {
        self.attend(Self::power_up);
    }

    fn remote(&self) -> Arc<dyn VpRemote> {
        self.remote.clone()
    }
}

impl Drop for SoftVp {
    fn drop(&mut self) {
        self.shared.timers.arm(&self.vp, None);
        self.change_overlays();
        self.shared.remove_vp(self.vp.index);
        for page in self.vp.hv.iter().flat_map(|hv| hv.pages()) {
            self.shared.change_overlay(page, None);
        }
        self.shared.refresh_reference(false);
    }
}
