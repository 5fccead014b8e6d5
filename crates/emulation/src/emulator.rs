//! The order of things: find the instruction, get the state it needs, execute it, set what it changed.

use openwhp_engine::ExecutionState;
use openwhp_engine::IoPortAccess;
use openwhp_engine::MemoryAccess;
use openwhp_engine::RegisterName as Name;
use openwhp_engine::RegisterValue;
use openwhp_engine::VpContext;
use openwhp_x86::Cpu;
use openwhp_x86::CpuModel;
use openwhp_x86::env::BusPage;
use openwhp_x86::env::EmulationBus;
use openwhp_x86::env::Who;
use openwhp_x86::exit::MemAccess;
use openwhp_x86::mem::pf;
use openwhp_x86::single::Decoded;
use openwhp_x86::single::MAX_LEN;
use openwhp_x86::single::Single;
use openwhp_x86::single::SingleEnd;
use openwhp_x86::state::Activity;
use openwhp_x86::state::CS;
use openwhp_x86::state::Event;
use openwhp_x86::state::EventKind;
use openwhp_x86::state::EventState;
use openwhp_x86::state::Segment;
use openwhp_x86::state::cr0;
use openwhp_x86::state::cr4;
use openwhp_x86::state::efer;
use openwhp_x86::state::rflags;

use crate::bus::Bus;
use crate::events;
use crate::host::EmulatorHost;
use crate::host::PortRequest;
use crate::state;

/// DR6.BT.
const TASK_SWITCH: u64 = 1 << 15;

/// Decoded instructions kept, by their address.
const KEPT: usize = 64;

/// Why an instruction was not finished. Registers are unchanged; memory and ports may have been accessed.
///
/// # Source
/// WHP `WHV_EMULATOR_STATUS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The instruction is undefined, accesses neither memory nor ports, or cannot be finished outside its processor.
    #[error("the instruction cannot be emulated")]
    Internal,
    /// The port callback failed.
    #[error("the port callback failed")]
    PortCallback,
    /// The memory callback failed.
    #[error("the memory callback failed")]
    MemoryCallback,
    /// The translation callback failed, or a page table is out of its reach.
    #[error("the translation callback failed")]
    TranslateCallback,
    /// A translated page is not aligned.
    #[error("the translation callback gave an address that is not that of a page")]
    MisalignedPage,
    /// The callback that reads registers failed.
    #[error("the callback that reads registers failed")]
    GetRegistersCallback,
    /// The callback that writes registers failed.
    #[error("the callback that writes registers failed")]
    SetRegistersCallback,
    /// The exit interrupted the delivery of an event: running again delivers it.
    #[error("the exit interrupted the delivery of an event")]
    InterruptPending,
    /// The instruction faults while another exception waits for delivery.
    #[error("the instruction faults while another exception waits for delivery")]
    GuestCannotBeFaulted,
}

/// An instruction emulator. Making one is slow, calls are fast: keep one per processor.
///
/// Exactly one instruction is executed, a REP string instruction to its end (or, after some megabytes, to a point
/// from which the guest goes on by itself). On success one call of [`EmulatorHost::set_registers`] carries all that
/// changed, RIP and RFLAGS among it. A fault of the instruction is a success too: the guest will find it pending.
///
/// Vector registers above XMM, opmasks and PKRU have no name in the platform's interface; instructions that need
/// them ask for OpenWHP's own ([`Name::vector_part`], [`Name::opmask`], [`Name::PKRU`]), after and apart from all
/// others, and end with [`EmulatorError::Internal`] where the host does not know these.
pub struct Emulator {
    cpu: Box<Cpu>,
    kept: Box<[Option<Single>]>,
    names: Vec<Name>,
    values: Vec<RegisterValue>,
    changed: (Vec<Name>, Vec<RegisterValue>),
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulator").finish_non_exhaustive()
    }
}

impl Default for Emulator {
    fn default() -> Self {
        Self::new()
    }
}

/// What an exit says about the instruction and the mode it runs in.
#[derive(Clone, Copy)]
struct Frame<'a> {
    vp: &'a VpContext,
    bits: u32,
    rip: u64,
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    fn new(vp: &'a VpContext, bytes: &'a [u8]) -> Self {
        let attributes = vp.cs.attributes;
        let (is_long, is_big) = (attributes & 0x2000 != 0, attributes & 0x4000 != 0);
        let bits = if vp.execution.contains(ExecutionState::CR0_PE) {
            if vp.execution.contains(ExecutionState::EFER_LMA) && is_long {
                64
            } else if vp.rflags & rflags::VM != 0 || !is_big {
                16
            } else {
                32
            }
        } else if is_big {
            32
        } else {
            16
        };
        let rip = if bits == 64 { vp.rip } else { vp.rip & 0xFFFF_FFFF };
        Self { vp, bits, rip, bytes }
    }

    fn has(&self, state: ExecutionState) -> bool {
        self.vp.execution.contains(state)
    }

    /// Linear address of the byte at RIP plus `offset`.
    fn code_at(&self, offset: usize) -> u64 {
        let rip = self.rip.wrapping_add(offset as u64);
        if self.bits == 64 {
            rip
        } else if self.has(ExecutionState::EFER_LMA) {
            self.vp.cs.base.wrapping_add(rip)
        } else {
            self.vp.cs.base.wrapping_add(rip) & 0xFFFF_FFFF
        }
    }
}

/// What became of the search for an instruction.
enum Found {
    /// It is kept in this slot.
    Slot(usize),
    /// Its bytes cannot be fetched.
    Fault(Event),
}

impl Emulator {
    /// An emulator.
    pub fn new() -> Self {
        let cpu = Cpu::new(CpuModel::host(1_000_000_000), Box::new(crate::nowhere::Nowhere));
        Self {
            cpu,
            kept: std::iter::repeat_with(|| None).take(KEPT).collect(),
            names: Vec::with_capacity(32),
            values: Vec::with_capacity(32),
            changed: (Vec::with_capacity(8), Vec::with_capacity(8)),
        }
    }

    /// Finishes the instruction of a memory access exit.
    ///
    /// # Errors
    /// [`EmulatorError`].
    #[doc(alias = "WHvEmulatorTryMmioEmulation")]
    pub fn try_mmio(
        &mut self,
        host: &mut dyn EmulatorHost,
        vp: &VpContext,
        access: &MemoryAccess,
    ) -> Result<(), EmulatorError> {
        self.run(host, &Frame::new(vp, access.instruction.as_slice()))
    }

    /// Finishes the instruction of a port access exit.
    ///
    /// # Errors
    /// [`EmulatorError`].
    #[doc(alias = "WHvEmulatorTryIoEmulation")]
    pub fn try_io(
        &mut self,
        host: &mut dyn EmulatorHost,
        vp: &VpContext,
        access: &IoPortAccess,
    ) -> Result<(), EmulatorError> {
        let frame = Frame::new(vp, access.instruction.as_slice());
        let needs_processor = access.is_string
            || vp.instruction_length == 0
            || frame.has(ExecutionState::DEBUG_ACTIVE)
            || frame.has(ExecutionState::INTERRUPT_SHADOW);
        if needs_processor || frame.has(ExecutionState::INTERRUPTION_PENDING) {
            return self.run(host, &frame);
        }
        self.plain_port(host, &frame, access)
    }

    /// IN and OUT need no decoding: the exit says everything.
    fn plain_port(
        &mut self,
        host: &mut dyn EmulatorHost,
        frame: &Frame<'_>,
        access: &IoPortAccess,
    ) -> Result<(), EmulatorError> {
        let size = access.size.clamp(1, 4);
        let mask = u64::MAX >> (64 - u32::from(size) * 8);
        let data = if access.is_write { (access.rax & mask) as u32 } else { 0 };
        let mut request = PortRequest { is_write: access.is_write, port: access.port, size, data };
        host.io_port(&mut request).map_err(|_| EmulatorError::PortCallback)?;
        self.begin_changes();
        let next = frame.rip.wrapping_add(u64::from(frame.vp.instruction_length));
        self.change(Name::RIP, if frame.bits == 64 { next } else { next & 0xFFFF_FFFF }.into());
        self.change(Name::RFLAGS, (frame.vp.rflags & !rflags::RF).into());
        if !access.is_write {
            let data = u64::from(request.data) & mask;
            let kept = if size == 4 { 0 } else { access.rax & !mask };
            self.change(Name::RAX, (kept | data).into());
        }
        if frame.vp.rflags & rflags::TF != 0 {
            self.change(Name::PENDING_DEBUG_EXCEPTION, events::debug_trap(1 << 14));
        }
        self.commit(host)
    }

    fn run(&mut self, host: &mut dyn EmulatorHost, frame: &Frame<'_>) -> Result<(), EmulatorError> {
        if frame.has(ExecutionState::INTERRUPTION_PENDING) {
            return Err(EmulatorError::InterruptPending);
        }
        self.enter_mode(frame);
        let slot = match self.find(host, frame)? {
            Found::Slot(slot) => slot,
            Found::Fault(fault) => {
                self.names.clear();
                return self.raise(host, frame, &fault);
            }
        };
        self.get_state(host, frame, slot)?;
        let Some(single) = &mut self.kept[slot] else { return Err(EmulatorError::Internal) };
        let has_smap = state::has_smap(self.cpu.s.cr4);
        let mut bus = Bus::new(host, has_smap);
        let end = self.cpu.run_single(single, &mut bus);
        let invalidates = single.uses().invalidates;
        match end {
            SingleEnd::Done | SingleEnd::Partial => self.finish(host, invalidates),
            SingleEnd::Fault(fault) => self.raise(host, frame, &fault),
            SingleEnd::Stopped => Err(bus.failure.unwrap_or(EmulatorError::Internal)),
        }
    }

    /// Puts the processor into the mode of the exit. Everything else the instruction needs is loaded later.
    fn enter_mode(&mut self, frame: &Frame<'_>) {
        let s = &mut self.cpu.s;
        let cs = frame.vp.cs;
        s.rip = frame.rip;
        s.set_rflags(frame.vp.rflags);
        s.cpl = frame.vp.execution.cpl();
        s.seg[CS] =
            Segment { base: cs.base, limit: cs.limit, selector: cs.selector, attrs: cs.attributes & 0xF0FF };
        s.cr0 = cr0::ET
            | if frame.has(ExecutionState::CR0_PE) { cr0::PE } else { 0 }
            | if frame.has(ExecutionState::CR0_AM) { cr0::AM } else { 0 };
        s.efer = 0;
        if frame.has(ExecutionState::EFER_LMA) {
            s.cr0 |= cr0::PG;
            s.efer = efer::LME | efer::LMA;
        }
        s.dr7 = 0x400;
        s.events = EventState::default();
        s.activity = Activity::Active;
    }

    /// Finds the instruction: decoded before, in the exit's bytes, or in guest memory.
    fn find(&mut self, host: &mut dyn EmulatorHost, frame: &Frame<'_>) -> Result<Found, EmulatorError> {
        let slot = (frame.rip ^ frame.rip >> 6) as usize % KEPT;
        if self.kept[slot].as_ref().is_some_and(|kept| kept.is_for(frame.bits, frame.rip, frame.bytes)) {
            return Ok(Found::Slot(slot));
        }
        let mut bytes = [0; MAX_LEN];
        let mut count = frame.bytes.len().min(MAX_LEN);
        bytes[..count].copy_from_slice(&frame.bytes[..count]);
        loop {
            match Single::decode(&self.cpu, frame.bits, frame.rip, &bytes[..count]) {
                Decoded::Ready(single) => {
                    self.kept[slot] = Some(single);
                    return Ok(Found::Slot(slot));
                }
                Decoded::Unsupported => return Err(EmulatorError::Internal),
                Decoded::TooShort => match self.fetch(host, frame, &mut bytes, count)? {
                    Ok(more) => count += more,
                    Err(fault) => return Ok(Found::Fault(fault)),
                },
            }
        }
    }

    /// Fetches bytes behind the first `count` of the instruction: up to 8, up to the end of their page.
    fn fetch(
        &mut self,
        host: &mut dyn EmulatorHost,
        frame: &Frame<'_>,
        bytes: &mut [u8; MAX_LEN],
        count: usize,
    ) -> Result<Result<usize, Event>, EmulatorError> {
        let at = frame.code_at(count);
        let length = (MAX_LEN - count).min(8).min(0x1000 - (at & 0xFFF) as usize);
        let mut bus = Bus::new(host, false);
        let fault = match bus.translate(at & !0xFFF, MemAccess::Execute, Who::Current) {
            Ok(BusPage::At(gpa)) => {
                return match bus.fetch(gpa | at & 0xFFF, &mut bytes[count..count + length]) {
                    Ok(()) => Ok(Ok(length)),
                    Err(_) => Err(bus.failure.unwrap_or(EmulatorError::Internal)),
                };
            }
            Err(_) => return Err(bus.failure.unwrap_or(EmulatorError::Internal)),
            Ok(fault) => fault,
        };
        self.fetch_fault(host, at, fault).map(Err)
    }

    /// The page fault of a fetch; its error code depends on control registers.
    fn fetch_fault(
        &mut self,
        host: &mut dyn EmulatorHost,
        at: u64,
        why: BusPage,
    ) -> Result<Event, EmulatorError> {
        let names = [Name::CR4, Name::EFER];
        let mut values = [RegisterValue::default(); 2];
        host.get_registers(&names, &mut values).map_err(|_| EmulatorError::GetRegistersCallback)?;
        self.cpu.s.cr4 = values[0].low();
        self.cpu.s.efer = values[1].low();
        let code = self.cpu.page_fault_code(MemAccess::Execute, why);
        Ok(Event {
            kind: EventKind::Exception,
            vector: openwhp_x86::cpu::vector::PF,
            error: Some(code),
            param: at,
            length: 0,
        })
    }

    /// Loads what the instruction in `slot` needs.
    fn get_state(
        &mut self,
        host: &mut dyn EmulatorHost,
        frame: &Frame<'_>,
        slot: usize,
    ) -> Result<(), EmulatorError> {
        let Some(single) = &self.kept[slot] else { return Err(EmulatorError::Internal) };
        let uses = *single.uses();
        let is_debugged = frame.has(ExecutionState::DEBUG_ACTIVE);
        let has_shadow = frame.has(ExecutionState::INTERRUPT_SHADOW);
        self.names.clear();
        let may_switch = frame.has(ExecutionState::CR0_PE) && !frame.has(ExecutionState::EFER_LMA);
        state::names(&uses, frame.bits == 64, may_switch, is_debugged, has_shadow, &mut self.names);
        self.load(host, 0).map_err(|()| EmulatorError::GetRegistersCallback)?;
        let first = self.names.len();
        if uses.xcr0 || uses.pkru {
            state::extended_names(&uses, self.cpu.s.xcr0, &mut self.names);
        }
        if self.names.len() > first {
            // Only a host of ours knows these.
            self.load(host, first).map_err(|()| EmulatorError::Internal)?;
        }
        Ok(())
    }

    /// Gets and loads the registers named from `first` on.
    fn load(&mut self, host: &mut dyn EmulatorHost, first: usize) -> Result<(), ()> {
        self.values.truncate(first);
        self.values.resize(self.names.len(), RegisterValue::default());
        host.get_registers(&self.names[first..], &mut self.values[first..]).map_err(|_| ())?;
        for (name, value) in self.names[first..].iter().zip(&self.values[first..]) {
            state::load(&mut self.cpu.s, *name, *value);
        }
        Ok(())
    }

    fn begin_changes(&mut self) {
        self.changed.0.clear();
        self.changed.1.clear();
    }

    fn change(&mut self, name: Name, value: RegisterValue) {
        self.changed.0.push(name);
        self.changed.1.push(value);
    }

    /// Notes every register got that has another value now.
    fn note_changes(&mut self) {
        for index in 0..self.names.len() {
            let name = self.names[index];
            let value = state::value(&self.cpu.s, name);
            if value != self.values[index] {
                self.change(name, value);
            }
        }
    }

    fn commit(&mut self, host: &mut dyn EmulatorHost) -> Result<(), EmulatorError> {
        host.set_registers(&self.changed.0, &self.changed.1).map_err(|_| EmulatorError::SetRegistersCallback)
    }

    /// The instruction has completed.
    fn finish(&mut self, host: &mut dyn EmulatorHost, invalidates: bool) -> Result<(), EmulatorError> {
        self.begin_changes();
        self.change(Name::RIP, self.cpu.s.rip.into());
        self.change(Name::RFLAGS, self.cpu.s.rflags().into());
        self.note_changes();
        if invalidates {
            self.change(Name::CR3, self.cpu.s.cr3.into());
        }
        let causes = self.cpu.s.events.debug;
        if causes & TASK_SWITCH != 0 {
            // The register of pending traps has no place for this one.
            let trap = Event {
                kind: EventKind::Exception,
                vector: openwhp_x86::cpu::vector::DB,
                error: None,
                param: causes,
                length: 0,
            };
            self.pend(host, &trap, true)?;
        } else if causes != 0 {
            self.change(Name::PENDING_DEBUG_EXCEPTION, events::debug_trap(causes));
        }
        self.commit(host)
    }

    /// The instruction has faulted: whole iterations of a REP instruction and the like stay done.
    fn raise(
        &mut self,
        host: &mut dyn EmulatorHost,
        frame: &Frame<'_>,
        fault: &Event,
    ) -> Result<(), EmulatorError> {
        self.begin_changes();
        if self.cpu.s.rip != frame.rip {
            self.change(Name::RIP, self.cpu.s.rip.into());
        }
        let flags = self.cpu.s.rflags();
        if flags != frame.vp.rflags | rflags::ONE {
            self.change(Name::RFLAGS, flags.into());
        }
        self.note_changes();
        let error = fault.error.map(|code| code | self.key_bit(host, frame, fault, code));
        self.pend(host, &Event { error, ..*fault }, frame.has(ExecutionState::CR0_PE))?;
        self.commit(host)
    }

    /// Has the guest take an exception.
    fn pend(
        &mut self,
        host: &mut dyn EmulatorHost,
        event: &Event,
        has_error_codes: bool,
    ) -> Result<(), EmulatorError> {
        for (name, value) in events::fault(host, event, has_error_codes)?.into_iter().flatten() {
            self.change(name, value);
        }
        Ok(())
    }

    /// Whether a protection key is among the reasons of a page fault, as a bit of its error code. Translations do not
    /// tell; a host that knows PKRU has the page tables looked at.
    fn key_bit(&mut self, host: &mut dyn EmulatorHost, frame: &Frame<'_>, fault: &Event, code: u32) -> u32 {
        let is_denied_data = code & (pf::P | pf::RSVD | pf::I) == pf::P;
        let has_keys = frame.has(ExecutionState::EFER_LMA) && self.cpu.s.cr4 & cr4::PKE != 0;
        if fault.vector != openwhp_x86::cpu::vector::PF || !is_denied_data || !has_keys {
            return 0;
        }
        let names = [Name::CR0, Name::CR3, Name::EFER, Name::PKRU];
        let mut values = [RegisterValue::default(); 4];
        let known = host.get_registers(&names[..3], &mut values[..3]).is_ok()
            && host.get_registers(&names[3..], &mut values[3..]).is_ok();
        if !known {
            return 0;
        }
        for (name, value) in names.into_iter().zip(values) {
            state::load(&mut self.cpu.s, name, value);
        }
        let denied = self.cpu.is_denied_by_key(fault.param, code, &mut Bus::new(host, false));
        if denied == Ok(true) { pf::PK } else { 0 }
    }
}
