//! The controller: messages in, interrupts out, priorities.

use crate::access::GeneralProtection;
use crate::base::{ApicBase, Mode};
use crate::icr::{DeliveryMode, DestinationMode, TriggerMode};
use crate::lvt::{self, LvtEntry};
use crate::timer::{Advance, Deadline, GuestTime, Timer};
use crate::vectors::VectorSet;

/// Software enable, bit 8 of the spurious vector register.
pub(crate) const SVR_ENABLE: u32 = 1 << 8;
/// ESR: a message with a vector below 16 was to be sent.
pub(crate) const ESR_SEND_ILLEGAL_VECTOR: u32 = 1 << 5;
/// ESR: a message or local source had a vector below 16.
pub(crate) const ESR_RECEIVE_ILLEGAL_VECTOR: u32 = 1 << 6;
/// ESR: access to a register that does not exist (memory page only).
pub(crate) const ESR_ILLEGAL_REGISTER: u32 = 1 << 7;

/// What a local APIC is, fixed for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Initial APIC ID; the xAPIC ID is its low byte.
    pub id: u32,
    /// The boot-processor flag of `IA32_APIC_BASE` at reset.
    pub is_boot_processor: bool,
    /// Whether the guest may enter x2APIC mode.
    pub x2apic: bool,
    /// Whether the timer has the TSC-deadline mode.
    pub tsc_deadline: bool,
    /// Whether the command register knows remote reads.
    pub remote_read: bool,
    /// Whether the LVT has the corrected-machine-check entry.
    pub cmci: bool,
    /// Guest physical address width in bits, for the reserved bits of `IA32_APIC_BASE`.
    pub physical_bits: u32,
}

impl Config {
    /// The usual controller for an ID: x2APIC and TSC deadline available, no remote reads, no
    /// corrected-machine-check entry, 39 address bits; ID 0 is the boot processor.
    pub const fn new(id: u32) -> Self {
        Self {
            id,
            is_boot_processor: id == 0,
            x2apic: true,
            tsc_deadline: true,
            remote_read: false,
            cmci: false,
            physical_bits: 39,
        }
    }
}

/// An interrupt message for one controller, after its targets have been found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// What to deliver. [`DeliveryMode::LowestPriority`] counts as fixed here: arbitration is over.
    pub delivery_mode: DeliveryMode,
    /// Edge or level; matters for fixed vectors and INIT (level INIT is ignored).
    pub trigger: TriggerMode,
    /// Vector or start-up page.
    pub vector: u8,
}

/// What a message, pin or local source did; the processor's part is the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Received {
    /// A vector is in IRR now: look at [`LocalApic::pending`].
    Interrupt,
    /// The NMI latch is set: look at [`LocalApic::take_nmi`].
    Nmi,
    /// The processor takes an INIT. The owner resets it and calls [`LocalApic::init`].
    Init,
    /// A processor waiting for start-up begins at page `0` (address `page << 12`).
    Startup(u8),
    /// System management interrupt; this controller keeps nothing of it.
    Smi,
    /// External interrupt through a LINT entry in ExtINT mode; this controller keeps nothing of it.
    ExtInt,
    /// Masked, disabled, illegal or meaningless: nothing happens.
    Dropped,
}

/// NMIs that may wait at a time. A processor of silicon takes the first at its next instruction and latches the second;
/// one of ours may be slower to come to its next instruction than the second NMI is to arrive.
const NMIS: u8 = 2;

/// The local APIC of one virtual processor. See the [crate documentation](crate) for how to drive it.
#[derive(Clone, Debug)]
pub struct LocalApic {
    pub(crate) config: Config,
    pub(crate) base: ApicBase,
    pub(crate) id: u32,
    pub(crate) tpr: u8,
    pub(crate) ldr: u32,
    pub(crate) dfr: u32,
    pub(crate) svr: u32,
    pub(crate) isr: VectorSet,
    pub(crate) tmr: VectorSet,
    pub(crate) irr: VectorSet,
    pub(crate) esr: u32,
    pub(crate) esr_pending: u32,
    pub(crate) icr: u64,
    pub(crate) lvt: [u32; lvt::COUNT],
    pub(crate) remote_read: u32,
    /// NMIs that wait, up to [`NMIS`].
    pub(crate) nmis: u8,
    pub(crate) timer: Timer,
}

impl LocalApic {
    /// A controller in its reset state.
    pub fn new(config: Config) -> Self {
        let mut apic = Self {
            config,
            base: ApicBase::reset(config.is_boot_processor),
            id: config.id,
            tpr: 0,
            ldr: 0,
            dfr: 0,
            svr: 0,
            isr: VectorSet::EMPTY,
            tmr: VectorSet::EMPTY,
            irr: VectorSet::EMPTY,
            esr: 0,
            esr_pending: 0,
            icr: 0,
            lvt: [0; lvt::COUNT],
            remote_read: 0,
            nmis: 0,
            timer: Timer::default(),
        };
        apic.init();
        apic
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Power-up reset: everything, `IA32_APIC_BASE` and the ID included.
    pub fn reset(&mut self) {
        *self = Self::new(self.config);
    }

    /// INIT: registers as after reset; `IA32_APIC_BASE` and the ID stay.
    ///
    /// # Source
    /// Intel SDM 3A "Local APIC State After an INIT Reset ('Wait-for-SIPI' State)".
    pub fn init(&mut self) {
        self.tpr = 0;
        self.ldr = 0;
        self.dfr = u32::MAX;
        self.svr = 0xFF;
        self.isr = VectorSet::EMPTY;
        self.tmr = VectorSet::EMPTY;
        self.irr = VectorSet::EMPTY;
        self.esr = 0;
        self.esr_pending = 0;
        self.icr = 0;
        self.lvt = [lvt::MASKED; lvt::COUNT];
        self.remote_read = 0;
        self.nmis = 0;
        self.timer = Timer::default();
    }

    /// `IA32_APIC_BASE`.
    pub fn base(&self) -> ApicBase {
        self.base
    }

    /// How the registers can be reached now.
    pub fn mode(&self) -> Mode {
        self.base.mode()
    }

    /// The APIC ID: 32 bits in x2APIC mode, the low 8 in the others.
    pub fn id(&self) -> u32 {
        if self.mode() == Mode::X2Apic { self.id } else { self.id & 0xFF }
    }

    /// Changes the ID, as firmware or the platform may before the processor first runs.
    pub fn set_id(&mut self, id: u32) {
        self.id = id;
    }

    /// A guest's write of `IA32_APIC_BASE`. Switching off loses all other state, as a reset would.
    ///
    /// # Errors
    /// [`GeneralProtection`] for reserved bits, x2APIC where it is not offered, and the transitions
    /// disabled to x2APIC, x2APIC to xAPIC, and anything to "x2APIC without enable".
    ///
    /// # Source
    /// Intel SDM 3A "x2APIC State Transitions".
    pub fn write_base(&mut self, bits: u64) -> Result<(), GeneralProtection> {
        let next = ApicBase::from_bits(bits);
        next.check(self.config.physical_bits, self.config.x2apic)?;
        if !ApicBase::may_change(self.mode(), next.mode()) {
            return Err(GeneralProtection);
        }
        self.change_base(next);
        Ok(())
    }

    /// The host's write of `IA32_APIC_BASE`: any legal value, by any transition.
    ///
    /// # Errors
    /// [`GeneralProtection`] for a value that no guest could ever hold.
    pub fn set_base(&mut self, bits: u64) -> Result<(), GeneralProtection> {
        let next = ApicBase::from_bits(bits);
        next.check(self.config.physical_bits, self.config.x2apic)?;
        self.change_base(next);
        Ok(())
    }

    fn change_base(&mut self, next: ApicBase) {
        if next.mode() == Mode::Disabled && self.mode() != Mode::Disabled {
            self.init();
        }
        self.base = next;
    }

    /// Whether the spurious vector register's enable bit is set (and the controller is not switched off).
    pub fn is_software_enabled(&self) -> bool {
        self.mode() != Mode::Disabled && self.svr & SVR_ENABLE != 0
    }

    /// The vector a processor gets that acknowledges when nothing is pending.
    pub fn spurious_vector(&self) -> u8 {
        self.svr as u8
    }

    // ---- priorities ----

    /// The task priority register.
    pub fn tpr(&self) -> u8 {
        self.tpr
    }

    /// Sets the task priority register.
    pub fn set_tpr(&mut self, tpr: u8) {
        self.tpr = tpr;
    }

    /// CR8: the priority class of the task priority, 0 to 15.
    pub fn cr8(&self) -> u8 {
        self.tpr >> 4
    }

    /// Writes CR8; bits above 3 are dropped. The sub-class becomes 0.
    pub fn set_cr8(&mut self, class: u8) {
        self.tpr = class << 4;
    }

    /// The processor priority register.
    ///
    /// # Notes
    /// With equal classes of task priority and in-service vector the manual leaves the low four bits to the
    /// model; here they are those of the task priority.
    pub fn ppr(&self) -> u8 {
        let in_service = self.isr.highest().unwrap_or(0) & 0xF0;
        if self.tpr & 0xF0 >= in_service { self.tpr } else { in_service }
    }

    /// The arbitration priority register.
    pub(crate) fn apr(&self) -> u8 {
        let in_service = self.isr.highest().unwrap_or(0) & 0xF0;
        let requested = self.irr.highest().unwrap_or(0) & 0xF0;
        if self.tpr & 0xF0 >= requested && self.tpr & 0xF0 > in_service {
            self.tpr
        } else {
            (self.tpr & 0xF0).max(in_service).max(requested)
        }
    }

    // ---- interrupts out ----

    /// The vector the processor can take now: the highest requested one, if its class is above the processor
    /// priority. IF and the interrupt shadow are the owner's business.
    pub fn pending(&self) -> Option<u8> {
        self.pending_for_tpr(self.tpr)
    }

    /// As [`Self::pending`], had the task priority register this value. For owners that keep CR8 elsewhere.
    pub fn pending_for_tpr(&self, tpr: u8) -> Option<u8> {
        let requested = self.irr.highest()?;
        let in_service = self.isr.highest().unwrap_or(0);
        if self.mode() != Mode::Disabled && requested & 0xF0 > (tpr & 0xF0).max(in_service & 0xF0) {
            Some(requested)
        } else {
            None
        }
    }

    /// Takes the pending vector: it leaves IRR and enters ISR. `None` if there is nothing to take.
    pub fn acknowledge(&mut self) -> Option<u8> {
        let vector = self.pending()?;
        self.irr.remove(vector);
        self.isr.insert(vector);
        Some(vector)
    }

    /// Takes this vector, which was pending when the processor looked: it leaves IRR and enters ISR. A higher one that
    /// has come in since stays requested and is taken next.
    pub fn take(&mut self, vector: u8) {
        self.irr.remove(vector);
        self.isr.insert(vector);
    }

    /// As [`Self::take`] for an auto-EOI source: ISR is left alone.
    pub fn take_auto_eoi(&mut self, vector: u8) {
        self.irr.remove(vector);
    }

    /// End of interrupt: the highest in-service vector leaves ISR. Returns it when it is level-triggered,
    /// because then the I/O APICs have to hear of it.
    pub fn end_of_interrupt(&mut self) -> Option<u8> {
        let vector = self.isr.highest()?;
        self.isr.remove(vector);
        if !self.tmr.contains(vector) {
            return None;
        }
        for entry in [LvtEntry::Lint0, LvtEntry::Lint1] {
            let value = &mut self.lvt[entry as usize];
            if *value as u8 == vector {
                *value &= !lvt::REMOTE_IRR;
            }
        }
        Some(vector)
    }

    /// Whether an NMI waits.
    pub fn is_nmi_pending(&self) -> bool {
        self.nmis != 0
    }

    /// Latches an NMI, or clears the latch.
    pub fn set_nmi_pending(&mut self, pending: bool) {
        self.nmis = pending.into();
    }

    /// Takes a waiting NMI, if there is one.
    pub fn take_nmi(&mut self) -> bool {
        let is_pending = self.is_nmi_pending();
        self.nmis = self.nmis.saturating_sub(1);
        is_pending
    }

    /// The processor leaves its NMI handler: of the NMIs that came meanwhile one is kept.
    ///
    /// # Source
    /// Intel SDM 3A "Handling Multiple NMIs".
    pub fn nmi_handled(&mut self) {
        self.nmis = self.nmis.min(1);
    }

    /// The requested vectors.
    pub fn irr(&self) -> VectorSet {
        self.irr
    }

    /// The in-service vectors.
    pub fn isr(&self) -> VectorSet {
        self.isr
    }

    /// The vectors last requested with level trigger.
    pub fn tmr(&self) -> VectorSet {
        self.tmr
    }

    // ---- messages in ----

    /// Whether a destination addresses this controller, in its own mode.
    ///
    /// In xAPIC mode IDs have 8 bits, 0xFF (or 0xFFFF_FFFF) means everyone and any other destination above
    /// 0xFF nobody. In x2APIC mode only 0xFFFF_FFFF means everyone. Switched off: never.
    ///
    /// # Source
    /// Intel SDM 3A "Determining IPI Destination", "Logical Destination Mode in x2APIC Mode".
    pub fn matches(&self, destination: u32, mode: DestinationMode) -> bool {
        match self.mode() {
            Mode::Disabled => false,
            _ if destination == u32::MAX => true,
            Mode::X2Apic => match mode {
                DestinationMode::Physical => destination == self.id,
                DestinationMode::Logical => {
                    let logical = x2apic_ldr(self.id);
                    destination >> 16 == logical >> 16 && destination & logical & 0xFFFF != 0
                }
            },
            Mode::XApic if destination > 0xFF => false,
            Mode::XApic if destination == 0xFF => true,
            Mode::XApic => match mode {
                DestinationMode::Physical => destination == self.id & 0xFF,
                DestinationMode::Logical => self.matches_flat_or_cluster(destination),
            },
        }
    }

    fn matches_flat_or_cluster(&self, destination: u32) -> bool {
        let logical = self.ldr >> 24;
        match self.dfr >> 28 {
            0xF => destination & logical != 0,
            0x0 => destination >> 4 == logical >> 4 && destination & logical & 0xF != 0,
            _ => false,
        }
    }

    /// Takes a message addressed to this controller.
    pub fn receive(&mut self, message: Message) -> Received {
        if self.mode() == Mode::Disabled {
            return Received::Dropped;
        }
        match message.delivery_mode {
            DeliveryMode::Fixed | DeliveryMode::LowestPriority => {
                self.accept(message.vector, message.trigger == TriggerMode::Level)
            }
            DeliveryMode::Nmi => self.latch_nmi(),
            DeliveryMode::Init if message.trigger == TriggerMode::Edge => Received::Init,
            DeliveryMode::Startup => Received::Startup(message.vector),
            DeliveryMode::Smi => Received::Smi,
            DeliveryMode::Init | DeliveryMode::RemoteRead | DeliveryMode::ExtInt => Received::Dropped,
        }
    }

    /// Accepts a fixed vector: into IRR, and TMR takes the trigger. Dropped while software-disabled; a vector
    /// below 16 is an error in ESR.
    pub fn accept(&mut self, vector: u8, is_level: bool) -> Received {
        if !self.is_software_enabled() {
            return Received::Dropped;
        }
        if vector < 16 {
            self.log_error(ESR_RECEIVE_ILLEGAL_VECTOR);
            return Received::Dropped;
        }
        self.irr.insert(vector);
        self.tmr.set(vector, is_level);
        Received::Interrupt
    }

    fn latch_nmi(&mut self) -> Received {
        self.nmis = (self.nmis + 1).min(NMIS);
        Received::Nmi
    }

    /// A local source raises its interrupt once (a pin is pulsed); its LVT entry decides what comes of it.
    ///
    /// Masked entries drop it. A level-triggered LINT entry whose last interrupt has not been ended drops it
    /// too. The performance-counter entry masks itself after delivery.
    ///
    /// # Source
    /// Intel SDM 3A "Local Vector Table", "Valid Interrupt Vectors".
    pub fn raise(&mut self, entry: LvtEntry) -> Received {
        let value = self.lvt[entry as usize];
        let is_lint = matches!(entry, LvtEntry::Lint0 | LvtEntry::Lint1);
        let is_level = is_lint && value & lvt::LEVEL != 0;
        if self.mode() == Mode::Disabled || value & lvt::MASKED != 0 {
            return Received::Dropped;
        }
        let received = match lvt::delivery_mode(entry, value) {
            DeliveryMode::Fixed if is_level && value & lvt::REMOTE_IRR != 0 => Received::Dropped,
            DeliveryMode::Fixed => self.accept(value as u8, is_level),
            DeliveryMode::Nmi => self.latch_nmi(),
            DeliveryMode::Smi => Received::Smi,
            DeliveryMode::Init if is_lint => Received::Init,
            DeliveryMode::ExtInt if is_lint => Received::ExtInt,
            _ => Received::Dropped,
        };
        if is_level && received == Received::Interrupt {
            self.lvt[entry as usize] |= lvt::REMOTE_IRR;
        }
        if entry == LvtEntry::Perfmon && received != Received::Dropped {
            self.lvt[entry as usize] |= lvt::MASKED;
        }
        received
    }

    /// Logs errors for the status register; the first since its last write raises the error interrupt.
    pub(crate) fn log_error(&mut self, errors: u32) {
        let is_armed = self.esr_pending == 0;
        self.esr_pending |= errors;
        let entry = self.lvt[LvtEntry::Error as usize];
        if !is_armed || entry & lvt::MASKED != 0 {
            return;
        }
        if entry as u8 >= 16 {
            self.accept(entry as u8, false);
        } else {
            self.esr_pending |= ESR_RECEIVE_ILLEGAL_VECTOR;
        }
    }

    /// While software-disabled every LVT entry is masked.
    pub(crate) fn force_masks(&mut self) {
        if self.svr & SVR_ENABLE == 0 {
            for value in &mut self.lvt {
                *value |= lvt::MASKED;
            }
        }
    }

    // ---- remote reads ----

    /// The register a remote read of another processor asks for, as it would read here.
    pub fn remote_register(&self, number: u8, now: GuestTime) -> Option<u32> {
        if self.mode() == Mode::Disabled { None } else { self.peek(number & 0x3F, now) }
    }

    /// The answer to this controller's remote read: the data, or `None` if nobody answered. Sets the remote
    /// read status of the command register to valid (2) or invalid (0).
    pub fn finish_remote_read(&mut self, data: Option<u32>) {
        self.icr &= !(3 << 16);
        if let Some(data) = data {
            self.remote_read = data;
            self.icr |= 2 << 16;
        }
    }

    // ---- time ----

    pub(crate) fn timer_mode(&self) -> lvt::TimerMode {
        lvt::timer_mode(self.lvt[LvtEntry::Timer as usize])
    }

    /// The next moment at which the timer can raise an interrupt; `None` while it is stopped or masked.
    /// May lie in the past, then [`Self::advance`] is due at once.
    pub fn next_deadline(&self) -> Option<Deadline> {
        let is_masked = self.lvt[LvtEntry::Timer as usize] & lvt::MASKED != 0;
        if is_masked || self.mode() == Mode::Disabled { None } else { self.timer.next(self.timer_mode()) }
    }

    /// Lets time pass: expiries up to `now` raise the timer's interrupt.
    pub fn advance(&mut self, now: GuestTime) -> Advance {
        let expiries = self.timer.expire(self.timer_mode(), now);
        let fired = expiries != 0 && self.raise(LvtEntry::Timer) == Received::Interrupt;
        Advance { fired, expiries }
    }
}

/// The logical ID that x2APIC mode derives from the APIC ID.
pub(crate) const fn x2apic_ldr(id: u32) -> u32 {
    (id >> 4) << 16 | 1 << (id & 0xF)
}

/// Picks the target of a lowest-priority message among controllers that match its destination: the lowest
/// processor priority, the first of equals. Controllers that would drop the interrupt do not take part.
/// Returns the index of the iteration.
pub fn lowest_priority<'a>(candidates: impl IntoIterator<Item = &'a LocalApic>) -> Option<usize> {
    candidates
        .into_iter()
        .enumerate()
        .filter(|(_, apic)| apic.is_software_enabled())
        .min_by_key(|(_, apic)| apic.ppr())
        .map(|(index, _)| index)
}
