//! Register reads and writes: by the memory page, by MSRs, by the host.

use crate::apic::{self, LocalApic, Message, Received};
use crate::base::Mode;
use crate::icr::{self, Command, DeliveryMode, IpiRequest, TriggerMode};
use crate::lvt::{self, LvtEntry};
use crate::register::{self, Register};
use crate::timer::GuestTime;

/// The access faults: the guest gets #GP(0) and nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the access raises #GP(0)")]
pub struct GeneralProtection;

/// The host cannot read or write this register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// No such register.
    #[error("local APIC register {0:#x} does not exist")]
    Unknown(u8),
    /// The register exists, but not for reading.
    #[error("local APIC register {0:#x} is write-only")]
    WriteOnly(u8),
    /// The register exists, but not for writing.
    #[error("local APIC register {0:#x} is read-only")]
    ReadOnly(u8),
}

/// What the owner has to do after a write. The write itself is complete.
///
/// Besides this, any write may have changed [`LocalApic::pending`] and [`LocalApic::next_deadline`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Effect {
    /// Nothing.
    None,
    /// Route an inter-processor interrupt. Self IPIs of the self-IPI register are done already.
    Ipi(IpiRequest),
    /// Tell the I/O APICs that this level-triggered vector has ended.
    EndOfInterrupt(u8),
    /// A register of interest was written.
    Trap(WriteTrap),
}

/// A write that a client may have asked to hear about; the value is in force already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WriteTrap {
    /// Which register.
    pub kind: WriteTrapKind,
    /// The value as the guest wrote it.
    pub value: u32,
}

/// The registers with a [`WriteTrap`]; the numbers are their page offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum WriteTrapKind {
    /// Logical destination.
    Ldr = 0xD0,
    /// Destination format.
    Dfr = 0xE0,
    /// Spurious vector.
    Svr = 0xF0,
    /// LINT0 entry.
    Lvt0 = 0x350,
    /// LINT1 entry.
    Lvt1 = 0x360,
}

impl LocalApic {
    // ---- memory page ----

    /// A guest's 32-bit read at a byte offset of the page (below 4096). Aligned addresses between registers
    /// read 0; a register that does not exist reads 0 and is an error in ESR.
    ///
    /// Only meaningful in [`Mode::XApic`]; in the others there is no page and 0 is returned.
    pub fn mmio_read(&mut self, offset: u16, now: GuestTime) -> u32 {
        if self.mode() != Mode::XApic || offset & 0xC != 0 {
            return 0;
        }
        let value = Register::at_offset(offset).and_then(|register| self.peek(register.0, now));
        if value.is_none() && offset & !0xF != register::EOI.offset() {
            self.log_error(apic::ESR_ILLEGAL_REGISTER);
        }
        value.unwrap_or(0)
    }

    /// A guest's 32-bit write at a byte offset of the page (below 4096). Writes between registers, to
    /// read-only registers and outside [`Mode::XApic`] do nothing; reserved bits are dropped; a register that
    /// does not exist is an error in ESR.
    pub fn mmio_write(&mut self, offset: u16, value: u32, now: GuestTime) -> Effect {
        if self.mode() != Mode::XApic || offset & 0xC != 0 {
            return Effect::None;
        }
        let _ = self.advance(now);
        match Register::at_offset(offset) {
            Some(register::ICR_HIGH) => {
                self.icr = u64::from(value & 0xFF00_0000) << 32 | self.icr & 0xFFFF_FFFF;
                Effect::None
            }
            Some(register::ICR) => self.command(self.icr & !0xFFFF_FFFF | u64::from(value)),
            Some(register) if self.is_writable(register) => self.poke(register, value, now),
            Some(register) if self.peek(register.0, now).is_some() => Effect::None,
            _ => {
                self.log_error(apic::ESR_ILLEGAL_REGISTER);
                Effect::None
            }
        }
    }

    /// A guest's read of any width and alignment. The manual defines only aligned 32-bit accesses; here every
    /// byte is that of its register, and the bytes between registers are 0.
    pub fn mmio_read_bytes(&mut self, offset: u16, bytes: &mut [u8], now: GuestTime) {
        let mut at = usize::from(offset);
        let mut rest = bytes;
        while !rest.is_empty() {
            let word = self.mmio_read((at & 0xFFC) as u16, now).to_le_bytes();
            let skip = at & 3;
            let count = rest.len().min(4 - skip);
            let (head, tail) = rest.split_at_mut(count);
            head.copy_from_slice(&word[skip..skip + count]);
            at += count;
            rest = tail;
        }
    }

    /// A guest's write of any width and alignment. Bytes that start a register write it, the ones missing from
    /// its 32 bits taken from its present value; all others are dropped.
    pub fn mmio_write_bytes(&mut self, offset: u16, bytes: &[u8], now: GuestTime) -> Effect {
        if offset & 0xF != 0 {
            return Effect::None;
        }
        let mut word = Register::at_offset(offset)
            .and_then(|register| self.peek(register.0, now))
            .unwrap_or(0)
            .to_le_bytes();
        let count = bytes.len().min(4);
        word[..count].copy_from_slice(&bytes[..count]);
        self.mmio_write(offset, u32::from_le_bytes(word), now)
    }

    // ---- MSRs ----

    /// A guest's RDMSR of `0x800..=0x8FF`.
    ///
    /// # Errors
    /// [`GeneralProtection`] outside x2APIC mode and for registers that do not exist or cannot be read.
    pub fn msr_read(&mut self, msr: u32, now: GuestTime) -> Result<u64, GeneralProtection> {
        let register = Register::at_msr(msr).filter(|_| self.mode() == Mode::X2Apic);
        match register.ok_or(GeneralProtection)? {
            register::ICR => Ok(self.icr),
            register::DFR | register::ICR_HIGH | register::APR | register::REMOTE_READ => {
                Err(GeneralProtection)
            }
            register => self.peek(register.0, now).map(u64::from).ok_or(GeneralProtection),
        }
    }

    /// A guest's WRMSR of `0x800..=0x8FF`.
    ///
    /// # Errors
    /// [`GeneralProtection`] outside x2APIC mode, for registers that do not exist or cannot be written, and
    /// for reserved bits.
    ///
    /// # Source
    /// Intel SDM 3A "x2APIC Register Address Space", "Reserved Bit Checking".
    pub fn msr_write(&mut self, msr: u32, value: u64, now: GuestTime) -> Result<Effect, GeneralProtection> {
        let register =
            Register::at_msr(msr).filter(|_| self.mode() == Mode::X2Apic).ok_or(GeneralProtection)?;
        if value & !self.msr_writable(register) != 0 {
            return Err(GeneralProtection);
        }
        match register {
            register::ICR => {
                let _ = self.advance(now);
                Ok(self.command(value))
            }
            register::SELF_IPI => {
                let _ = self.accept(value as u8, false);
                Ok(Effect::None)
            }
            register::LDR | register::DFR => Err(GeneralProtection),
            register if self.is_writable(register) => {
                let _ = self.advance(now);
                Ok(self.poke(register, value as u32, now))
            }
            _ => Err(GeneralProtection),
        }
    }

    /// The bits an x2APIC write of the register may set without a fault.
    fn msr_writable(&self, register: Register) -> u64 {
        match register {
            register::ICR => 0xFFFF_FFFF_000C_CFFF,
            register::TPR | register::SELF_IPI => 0xFF,
            register::SVR => 0x3FF,
            register::DIVIDE => 0xB,
            register::INITIAL_COUNT => 0xFFFF_FFFF,
            _ => match self.entry_of(register) {
                Some(entry) => u64::from(entry.writable(self.config.tsc_deadline) | entry.read_only()),
                None => 0, // EOI and ESR accept only 0
            },
        }
    }

    // ---- TSC deadline ----

    /// A guest's read of `IA32_TSC_DEADLINE`: 0 once reached and outside the TSC-deadline mode.
    pub fn tsc_deadline(&self, now: GuestTime) -> u64 {
        self.timer.read_deadline(self.timer_mode(), now)
    }

    /// A guest's write of `IA32_TSC_DEADLINE`: arms, or with 0 disarms; a moment already past expires at once.
    /// Ignored outside the TSC-deadline mode.
    pub fn set_tsc_deadline(&mut self, deadline: u64, now: GuestTime) {
        if self.timer_mode() == lvt::TimerMode::TscDeadline {
            let _ = self.advance(now);
            self.timer.deadline = deadline;
            let _ = self.advance(now);
        }
    }

    /// The host's write of `IA32_TSC_DEADLINE`: stored in every timer mode, so that it may come before the LVT
    /// when a state is restored.
    pub fn preset_tsc_deadline(&mut self, deadline: u64) {
        self.timer.deadline = deadline;
    }

    // ---- the host's view ----

    /// The host's read of a register by number; the command register in all its 64 bits. No side effects.
    ///
    /// # Errors
    /// [`RegisterError::WriteOnly`] for EOI and self IPI, [`RegisterError::Unknown`] for gaps.
    pub fn host_read(&self, register: Register, now: GuestTime) -> Result<u64, RegisterError> {
        match register {
            register::EOI | register::SELF_IPI => Err(RegisterError::WriteOnly(register.0)),
            register::ICR => Ok(self.icr),
            _ => self.peek(register.0, now).map(u64::from).ok_or(RegisterError::Unknown(register.0)),
        }
    }

    /// The host's write of a register by number. ISR, TMR, IRR, ESR and the ID can be written; the command
    /// register is stored without sending; EOI and self IPI act as for the guest. Reserved bits are dropped.
    ///
    /// # Errors
    /// [`RegisterError::ReadOnly`] for version, priorities and current count, [`RegisterError::Unknown`] for
    /// gaps.
    pub fn host_write(
        &mut self,
        register: Register,
        value: u64,
        now: GuestTime,
    ) -> Result<Effect, RegisterError> {
        let _ = self.advance(now);
        let word = value as u32;
        match register {
            register::ID if self.mode() == Mode::X2Apic => self.id = word,
            register::ID => self.set_xapic_id(word),
            register::ICR => self.store_icr(value),
            register::ESR => {
                self.esr = word & 0xFF;
                self.esr_pending = 0;
            }
            register::LDR if self.mode() == Mode::X2Apic => {}
            register::SELF_IPI => drop(self.accept(word as u8, false)),
            Register(0x10..=0x27) => self.set_vector_word(register.0, word),
            _ if self.is_writable(register) => return Ok(self.poke(register, word, now)),
            _ if self.peek(register.0, now).is_some() => return Err(RegisterError::ReadOnly(register.0)),
            _ => return Err(RegisterError::Unknown(register.0)),
        }
        Ok(Effect::None)
    }

    /// Sets the 8-bit ID of xAPIC mode; a wider ID that agrees with it is kept.
    pub(crate) fn set_xapic_id(&mut self, value: u32) {
        if self.id & 0xFF != value >> 24 {
            self.id = value >> 24;
        }
    }

    pub(crate) fn set_vector_word(&mut self, number: u8, word: u32) {
        let set = match number {
            0x10..=0x17 => &mut self.isr,
            0x18..=0x1F => &mut self.tmr,
            _ => &mut self.irr,
        };
        let mut words = set.words();
        words[usize::from(number & 7)] = word;
        *set = crate::VectorSet::from_words(words).without_reserved();
    }

    // ---- one register ----

    /// The LVT entry behind a register, if it exists.
    pub(crate) fn entry_of(&self, register: Register) -> Option<LvtEntry> {
        match register {
            register::LVT_TIMER => Some(LvtEntry::Timer),
            register::LVT_THERMAL => Some(LvtEntry::Thermal),
            register::LVT_PERFMON => Some(LvtEntry::Perfmon),
            register::LVT_LINT0 => Some(LvtEntry::Lint0),
            register::LVT_LINT1 => Some(LvtEntry::Lint1),
            register::LVT_ERROR => Some(LvtEntry::Error),
            register::LVT_CMCI if self.config.cmci => Some(LvtEntry::Cmci),
            _ => None,
        }
    }

    /// The ID register in the format of the present mode.
    pub(crate) fn id_register(&self) -> u32 {
        if self.mode() == Mode::X2Apic { self.id } else { self.id << 24 }
    }

    /// The version register: integrated APIC 0x14 and the highest LVT entry.
    pub(crate) fn version(&self) -> u32 {
        if self.config.cmci { 0x6_0014 } else { 0x5_0014 }
    }

    /// The logical destination register in the format of the present mode.
    pub(crate) fn ldr_register(&self) -> u32 {
        if self.mode() == Mode::X2Apic { apic::x2apic_ldr(self.id) } else { self.ldr }
    }

    /// Reads a readable register, whatever the mode's way in; `None` for gaps and write-only ones.
    pub(crate) fn peek(&self, number: u8, now: GuestTime) -> Option<u32> {
        let register = Register(number);
        Some(match register {
            register::ID => self.id_register(),
            register::VERSION => self.version(),
            register::TPR => u32::from(self.tpr),
            register::APR => u32::from(self.apr()),
            register::PPR => u32::from(self.ppr()),
            register::REMOTE_READ if self.config.remote_read => self.remote_read,
            register::LDR => self.ldr_register(),
            register::DFR => self.dfr,
            register::SVR => self.svr,
            Register(0x10..=0x17) => self.isr.words()[usize::from(number & 7)],
            Register(0x18..=0x1F) => self.tmr.words()[usize::from(number & 7)],
            Register(0x20..=0x27) => self.irr.words()[usize::from(number & 7)],
            register::ESR => self.esr,
            register::ICR => self.icr as u32,
            register::ICR_HIGH => self.icr_high(),
            register::INITIAL_COUNT => self.timer.initial,
            register::CURRENT_COUNT => self.timer.current(self.timer_mode(), now),
            register::DIVIDE => self.timer.divide,
            _ => self.lvt[self.entry_of(register)? as usize],
        })
    }

    /// Whether a guest's write reaches [`Self::poke`].
    fn is_writable(&self, register: Register) -> bool {
        matches!(
            register,
            register::TPR
                | register::EOI
                | register::LDR
                | register::DFR
                | register::SVR
                | register::ESR
                | register::INITIAL_COUNT
                | register::DIVIDE
        ) || self.entry_of(register).is_some()
    }

    /// Writes a writable register; reserved bits are dropped.
    fn poke(&mut self, register: Register, value: u32, now: GuestTime) -> Effect {
        let trap = |kind| Effect::Trap(WriteTrap { kind, value });
        match register {
            register::TPR => self.tpr = value as u8,
            register::EOI => return self.end_of_interrupt().map_or(Effect::None, Effect::EndOfInterrupt),
            register::ESR => self.esr = core::mem::take(&mut self.esr_pending),
            register::INITIAL_COUNT => self.write_initial_count(value, now),
            register::DIVIDE => self.timer.set_divide(value & 0xB, self.timer_mode(), now),
            register::LDR => {
                self.ldr = value & 0xFF00_0000;
                return trap(WriteTrapKind::Ldr);
            }
            register::DFR => {
                self.dfr = value | 0x0FFF_FFFF;
                return trap(WriteTrapKind::Dfr);
            }
            register::SVR => {
                self.svr = value & 0x3FF;
                self.force_masks();
                return trap(WriteTrapKind::Svr);
            }
            _ => {
                if let Some(entry) = self.entry_of(register) {
                    self.write_lvt(entry, value);
                }
                match register {
                    register::LVT_LINT0 => return trap(WriteTrapKind::Lvt0),
                    register::LVT_LINT1 => return trap(WriteTrapKind::Lvt1),
                    _ => {}
                }
            }
        }
        Effect::None
    }

    fn write_initial_count(&mut self, value: u32, now: GuestTime) {
        if self.timer_mode() != lvt::TimerMode::TscDeadline {
            self.timer.start(value, now);
        }
    }

    /// Writes an LVT entry. Going to or from the TSC-deadline mode disarms the timer.
    pub(crate) fn write_lvt(&mut self, entry: LvtEntry, value: u32) {
        let old_mode = self.timer_mode();
        let old = self.lvt[entry as usize];
        let mut kept = old & entry.read_only();
        if value & lvt::LEVEL == 0 {
            kept &= !lvt::REMOTE_IRR;
        }
        self.lvt[entry as usize] = value & entry.writable(self.config.tsc_deadline) | kept;
        self.force_masks();
        let is_deadline = |mode| mode == lvt::TimerMode::TscDeadline;
        if is_deadline(old_mode) != is_deadline(self.timer_mode()) {
            self.timer.stop();
        }
    }

    /// The upper half of the command register: a destination of 8 bits outside x2APIC mode.
    pub(crate) fn icr_high(&self) -> u32 {
        let high = (self.icr >> 32) as u32;
        if self.mode() == Mode::X2Apic { high } else { high & 0xFF00_0000 }
    }

    /// Stores a command register for the host, who may do so before it chooses the mode. The answer of a remote read
    /// is the host's to set.
    pub(crate) fn store_icr(&mut self, icr: u64) {
        self.icr = icr & 0xFFFF_FFFF_000F_CFFF;
    }

    /// Stores the command register and decodes what it asks for.
    fn command(&mut self, icr: u64) -> Effect {
        let is_x2apic = self.mode() == Mode::X2Apic;
        let stored = if is_x2apic { 0xFFFF_FFFF_000C_CFFF } else { 0xFF00_0000_000C_CFFF };
        self.icr = icr & stored;
        match icr::decode(self.icr, is_x2apic, self.config.remote_read) {
            Command::Send(request) => {
                if request.delivery_mode == DeliveryMode::RemoteRead {
                    self.icr |= 1 << 16; // pending until finish_remote_read
                }
                Effect::Ipi(request)
            }
            Command::IllegalVector => {
                self.log_error(apic::ESR_SEND_ILLEGAL_VECTOR);
                Effect::None
            }
            Command::Nothing => Effect::None,
        }
    }
}

impl IpiRequest {
    /// The message each target gets.
    pub const fn message(&self) -> Message {
        Message { delivery_mode: self.delivery_mode, trigger: TriggerMode::Edge, vector: self.vector }
    }
}

impl Received {
    /// Whether a processor halted by HLT may have a reason to wake up.
    pub const fn is_wake(self) -> bool {
        !matches!(self, Self::Dropped | Self::ExtInt | Self::Smi)
    }
}
