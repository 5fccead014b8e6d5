//! One processor under the debugger: single steps, whose exception it is, and lending the debug registers.
//!
//! Everything is done by register writes between runs. A step borrows the trap flag and keeps interrupts away with an
//! interrupt shadow. Where the trap flag would leak to the guest (a handler's frame, R11) the step goes to the
//! handler's first instruction with a temporary breakpoint instead.

use openwhp::ExecutionState;
use openwhp::Exit;
use openwhp::Gva;
use openwhp::Processor;
use openwhp::RegisterError;
use openwhp::RegisterName as Name;
use openwhp::RegisterValue;
use openwhp::SegmentRegister;
use openwhp::VpException;

use super::dr;
use super::dr::GuestRegisters;
use super::dr::Kind;
use super::dr::Owner;
use super::dr::Tag;
use super::dr::Wanted;
use super::instruction;
use super::instruction::Class;
use super::segments::Descriptor;

/// RFLAGS.TF.
const TRAP_FLAG: u64 = 1 << 8;
/// RFLAGS.RF.
const RESUME_FLAG: u64 = 1 << 16;
/// RFLAGS.VM.
const VIRTUAL_8086: u64 = 1 << 17;
/// Interrupt state: the shadow of STI or MOV SS.
const SHADOW: u64 = 1;
/// Pending debug exception: single step.
const PENDING_STEP: u64 = 1 << 4;
/// Code segment: 64-bit.
const LONG: u16 = 1 << 13;
/// EFER.LMA.
const LONG_MODE: u64 = 1 << 10;
const CR0_PE: u64 = 1;

const DB: u8 = 1;
const BP: u8 = 3;
const DF: u8 = 8;
const GP: u8 = 13;
const PF: u8 = 14;

/// Why a processor stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A step is done.
    Step,
    /// A breakpoint in memory.
    Soft,
    /// A breakpoint in memory that is another address's: to be passed without a word.
    Passing,
    /// A breakpoint of the debug registers.
    Hard,
    /// A watchpoint, by its number.
    Watch(usize),
    /// The guest cannot go on.
    Died,
    /// The guest was reset and stands at its beginning.
    Reset,
}

/// What a processor shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Order {
    /// Stand still.
    Stop,
    /// Run.
    #[default]
    Run,
    /// Execute one instruction, and more while RIP stays in the range.
    Step(Option<(u64, u64)>),
}

/// Whether the debugger has a breakpoint in memory where a processor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Soft {
    /// No.
    No,
    /// Yes, for this linear address.
    Here,
    /// The same byte of memory has one, by another linear address.
    Alias,
}

/// What an exception exit turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Run again.
    Continue,
    /// Stop and tell.
    Stop(Stop),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// By the trap flag.
    Trap,
    /// By a temporary breakpoint at a handler's entry.
    Entry,
}

/// A step that is not done yet.
#[derive(Clone, Copy, Debug)]
struct Step {
    method: Method,
    /// The guest's own trap flag.
    guest_trap_flag: u64,
    /// The guest's own interrupt shadow.
    guest_shadow: u64,
    class: Class,
    rip: u64,
}

/// Why the temporary breakpoint is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Step,
    /// The guest took a debug exception, which switched DR7.GD off.
    Lend,
}

/// A processor's part in debugging.
#[derive(Debug, Default)]
pub struct VpDebug {
    /// The debugger's registers.
    wanted: Vec<Wanted>,
    temporary: Option<(u64, Purpose)>,
    /// The guest's own values, while others are in the processor.
    guest: Option<GuestRegisters>,
    owners: [Owner; 4],
    armed: [u64; 5],
    step: Option<Step>,
    /// Where a breakpoint was reported, so that it does not hit again before its instruction has run.
    pub reported_at: Option<u64>,
}

/// A failed register access, in words.
pub type Failure = String;

fn words(error: &RegisterError) -> Failure {
    format!("the debugger cannot reach the processor: {error}")
}

fn read<const N: usize>(vp: &Processor, names: [Name; N]) -> Result<[RegisterValue; N], Failure> {
    let mut values = [RegisterValue::default(); N];
    vp.get_registers(&names, &mut values).map_err(|error| words(&error))?;
    Ok(values)
}

fn write(vp: &Processor, registers: &[(Name, RegisterValue)]) -> Result<(), Failure> {
    vp.set_registers(registers).map_err(|error| words(&error))
}

/// The linear address of an instruction pointer.
#[must_use]
pub fn linear(cs: &SegmentRegister, rip: u64, is_long_mode: bool) -> u64 {
    if is_long_mode && cs.attributes & LONG != 0 { rip } else { cs.base.wrapping_add(rip) & 0xffff_ffff }
}

/// Where a stopped processor stands, as a linear address.
///
/// # Errors
/// When its registers cannot be read.
pub fn position(vp: &Processor) -> Result<u64, Failure> {
    let [cs, rip, efer] = read(vp, [Name::CS, Name::RIP, Name::EFER])?;
    Ok(linear(&cs.segment(), rip.low(), efer.low() & LONG_MODE != 0))
}

fn position_of(exit: &Exit) -> u64 {
    linear(&exit.vp.cs, exit.vp.rip, exit.vp.execution.contains(ExecutionState::EFER_LMA))
}

/// As many bytes from a linear address as can be read, up to 16.
#[must_use]
pub fn code_at(vp: &Processor, address: u64) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    if vp.read_gva(Gva(address), &mut bytes).is_err() {
        let readable = 16 - (address.wrapping_add(16) & 0xfff).min(16) as usize;
        bytes.truncate(readable);
        if vp.read_gva(Gva(address), &mut bytes).is_err() {
            bytes.clear();
        }
    }
    bytes
}

impl VpDebug {
    /// Replaces the debugger's registers. The processor stands still.
    ///
    /// # Errors
    /// When its registers cannot be reached.
    pub fn set_wanted(&mut self, vp: &Processor, wanted: &[Wanted]) -> Result<(), Failure> {
        self.wanted = wanted.to_vec();
        self.arm(vp)
    }

    /// Gives everything back to the guest. The processor stands still.
    ///
    /// # Errors
    /// When its registers cannot be reached.
    pub fn release(&mut self, vp: &Processor) -> Result<(), Failure> {
        self.abandon_step(vp)?;
        self.wanted.clear();
        self.temporary = None;
        self.reported_at = None;
        self.arm(vp)
    }

    /// Whether nothing has to be done before a run.
    fn is_idle(&self) -> bool {
        self.guest.is_none() && self.step.is_none() && self.reported_at.is_none() && self.wanted.is_empty()
    }

    /// Called before every run, with what the processor shall do.
    ///
    /// # Errors
    /// When its registers cannot be reached.
    pub fn prepare(&mut self, vp: &Processor, order: Order) -> Result<(), Failure> {
        if self.is_idle() && order == Order::Run {
            return Ok(());
        }
        if let Some(reported) = self.reported_at.take()
            && position(vp)? == reported
        {
            let [flags] = read(vp, [Name::RFLAGS])?;
            write(vp, &[(Name::RFLAGS, (flags.low() | RESUME_FLAG).into())])?;
        }
        if matches!(order, Order::Step(_)) && self.step.is_none() {
            self.begin_step(vp)?;
        }
        self.rearm(vp)
    }

    // Debug registers.

    /// Makes the registers what they should be, when INIT or a delivered debug exception changed them.
    fn rearm(&mut self, vp: &Processor) -> Result<(), Failure> {
        let Some(guest) = &mut self.guest else { return Ok(()) };
        let [dr0, dr7] = read(vp, [Name::DR0, Name::DR7])?;
        if [dr0.low(), dr7.low()] == [self.armed[0], self.armed[4]] {
            return Ok(());
        }
        if dr7.low() & 0xff == 0 && dr0.low() == 0 {
            // INIT.
            *guest = GuestRegisters::default();
        }
        self.arm(vp)
    }

    fn arm(&mut self, vp: &Processor) -> Result<(), Failure> {
        const NAMES: [Name; 6] = [Name::DR0, Name::DR1, Name::DR2, Name::DR3, Name::DR6, Name::DR7];
        // A step's exit changes DR6, too.
        let is_needed = self.temporary.is_some() || self.step.is_some() || !self.wanted.is_empty();
        if !is_needed {
            self.owners = [Owner::Free; 4];
            let Some(guest) = self.guest.take() else { return Ok(()) };
            let [a, b, c, d] = guest.addresses;
            let values = [a, b, c, d, guest.dr6, guest.dr7].map(RegisterValue::from);
            return write(vp, &NAMES.into_iter().zip(values).collect::<Vec<_>>());
        }
        let guest = match self.guest {
            Some(guest) => guest,
            None => self.borrow(vp, read(vp, NAMES)?.map(RegisterValue::low))?,
        };
        let mut wanted = Vec::with_capacity(self.wanted.len() + 1);
        if let Some((address, _)) = self.temporary {
            wanted.push(Wanted { address, len: 1, kind: Kind::Execute, tag: Tag::Temporary });
        }
        wanted.extend(&self.wanted);
        let merged = dr::merge(&guest, &wanted);
        self.guest = Some(guest);
        self.owners = merged.owners;
        let [a, b, c, d] = merged.addresses;
        self.armed = [a, b, c, d, merged.dr7];
        let values = [a, b, c, d, dr::DR6_ONES, merged.dr7].map(RegisterValue::from);
        write(vp, &NAMES.into_iter().zip(values).collect::<Vec<_>>())
    }

    /// Takes the guest's values; a debug exception that waits for its delivery counts as delivered.
    fn borrow(&mut self, vp: &Processor, values: [u64; 6]) -> Result<GuestRegisters, Failure> {
        let [a, b, c, d, dr6, dr7] = values;
        let mut guest = GuestRegisters { addresses: [a, b, c, d], dr6, dr7 };
        let [event] = read(vp, [Name::PENDING_EVENT])?;
        if event.low() & 0xff_000f == 1 | u64::from(DB) << 16 {
            guest.deliver(event.high());
            if self.temporary.is_none() {
                self.temporary = entry_of(vp, DB).map(|entry| (entry, Purpose::Lend));
            }
        }
        Ok(guest)
    }

    // Steps.

    fn begin_step(&mut self, vp: &Processor) -> Result<(), Failure> {
        let [cs, rip, flags, efer, state, interruption, event, debug] = read(
            vp,
            [
                Name::CS,
                Name::RIP,
                Name::RFLAGS,
                Name::EFER,
                Name::INTERRUPT_STATE,
                Name::PENDING_INTERRUPTION,
                Name::PENDING_EVENT,
                Name::PENDING_DEBUG_EXCEPTION,
            ],
        )?;
        let is_long_mode = efer.low() & LONG_MODE != 0;
        let is_64_bit = is_long_mode && cs.segment().attributes & LONG != 0;
        let code = code_at(vp, linear(&cs.segment(), rip.low(), is_long_mode));
        let class = instruction::classify(&code, is_64_bit);
        let vector = |pending: u64| (pending >> 16) as u8;
        let entry = if interruption.low() & 1 != 0 {
            entry_of(vp, vector(interruption.low()))
        } else if event.low() & 1 != 0 {
            // An 8259 interrupt has its vector elsewhere.
            let is_interrupt = event.low() >> 1 & 7 == 5;
            entry_of(vp, if is_interrupt { (event.low() >> 8) as u8 } else { vector(event.low()) })
        } else {
            match class {
                Class::Interrupt(vector) => entry_of(vp, vector),
                Class::Syscall => {
                    let name = if is_64_bit { Name::LSTAR } else { Name::CSTAR };
                    Some(read(vp, [name])?[0].low())
                }
                Class::Sysenter => Some(read(vp, [Name::SYSENTER_EIP])?[0].low()),
                _ => None,
            }
        };
        let method = if entry.is_some() { Method::Entry } else { Method::Trap };
        self.step = Some(Step {
            method,
            guest_trap_flag: flags.low() & TRAP_FLAG,
            guest_shadow: state.low() & SHADOW,
            class,
            rip: rip.low(),
        });
        let mut registers = Vec::new();
        // A trap or an event that is due comes first.
        if debug.low() | interruption.low() & 1 | event.low() & 1 == 0 {
            registers.push((Name::INTERRUPT_STATE, (state.low() | SHADOW).into()));
        }
        match entry {
            Some(entry) => self.temporary = Some((entry, Purpose::Step)),
            None => registers.push((Name::RFLAGS, (flags.low() | TRAP_FLAG).into())),
        }
        write(vp, &registers)?;
        self.arm(vp)
    }

    /// Takes back what a step borrowed, when its instruction has run.
    fn end_step(&mut self, vp: &Processor) -> Result<(), Failure> {
        let Some(step) = self.step.take() else { return Ok(()) };
        if matches!(self.temporary, Some((_, Purpose::Step))) {
            self.temporary = None;
        }
        self.arm(vp)?;
        if step.method == Method::Entry || step.class == Class::LoadFlags {
            return Ok(());
        }
        if step.class == Class::PushFlags && step.guest_trap_flag == 0 {
            self.clear_pushed_trap_flag(vp)?;
        }
        let [flags] = read(vp, [Name::RFLAGS])?;
        write(vp, &[(Name::RFLAGS, (flags.low() & !TRAP_FLAG | step.guest_trap_flag).into())])
    }

    /// The image that PUSHF left on the stack shows the borrowed flag.
    fn clear_pushed_trap_flag(&self, vp: &Processor) -> Result<(), Failure> {
        let [ss, rsp, cs, efer] = read(vp, [Name::SS, Name::RSP, Name::CS, Name::EFER])?;
        let is_64_bit = efer.low() & LONG_MODE != 0 && cs.segment().attributes & LONG != 0;
        let mask = if is_64_bit {
            u64::MAX
        } else if ss.segment().attributes & 1 << 14 != 0 {
            0xffff_ffff
        } else {
            0xffff
        };
        let base = if is_64_bit { 0 } else { ss.segment().base };
        // The flag is bit 0 of the second byte, whatever the size of the image.
        let at = Gva(base.wrapping_add(rsp.low() & mask).wrapping_add(1));
        let mut byte = [0];
        if vp.read_gva(at, &mut byte).is_ok() {
            byte[0] &= !1;
            // A stack in device memory cannot be corrected.
            let _ = vp.write_gva(at, &byte);
        }
        Ok(())
    }

    /// Gives up a step that has not reported. The processor stands still.
    ///
    /// # Errors
    /// When its registers cannot be reached.
    pub fn abandon_step(&mut self, vp: &Processor) -> Result<(), Failure> {
        let Some(step) = self.step else { return Ok(()) };
        let [debug, rip, state] =
            read(vp, [Name::PENDING_DEBUG_EXCEPTION, Name::RIP, Name::INTERRUPT_STATE])?;
        if debug.low() & PENDING_STEP != 0 && step.method == Method::Trap && step.guest_trap_flag == 0 {
            // Its instruction has run, the trap has not come yet.
            write(vp, &[(Name::PENDING_DEBUG_EXCEPTION, (debug.low() & !PENDING_STEP).into())])?;
        } else if rip.low() == step.rip {
            let restored = state.low() & !SHADOW | step.guest_shadow;
            write(vp, &[(Name::INTERRUPT_STATE, restored.into())])?;
            let unrun = Step { class: Class::Plain, ..step };
            self.step = Some(unrun);
        }
        self.end_step(vp)
    }

    // Exceptions.

    /// Decides about an exception exit. `soft` tells about breakpoints in memory there, `range` is that of a step.
    ///
    /// # Errors
    /// When registers cannot be reached, or the guest has died of it.
    pub fn exception(
        &mut self,
        vp: &Processor,
        exit: &Exit,
        exception: &VpException,
        soft: Soft,
        range: Option<(u64, u64)>,
    ) -> Result<Verdict, Failure> {
        if exception.vector == DB && !exception.is_software {
            return self.debug_exception(vp, exit, exception, range);
        }
        if exception.vector == BP && exception.is_software && soft != Soft::No {
            self.abandon_step(vp)?;
            if soft == Soft::Alias {
                return Ok(Verdict::Stop(Stop::Passing));
            }
            self.reported_at = Some(position_of(exit));
            return Ok(Verdict::Stop(Stop::Soft));
        }
        self.pass_on(vp, exit, exception)?;
        Ok(Verdict::Continue)
    }

    fn debug_exception(
        &mut self,
        vp: &Processor,
        exit: &Exit,
        exception: &VpException,
        range: Option<(u64, u64)>,
    ) -> Result<Verdict, Failure> {
        let causes = exception.parameter;
        let mut for_guest = causes & !(0xf | dr::DR6_BS);
        let mut stop = None;
        let mut is_step_done = false;
        if causes & dr::DR6_BD != 0 && self.guest.is_some() {
            for_guest = self.access_debug_register(vp, exit, exception)?;
            if for_guest & dr::DR6_BD == 0 && self.step.is_some() {
                is_step_done = true;
            }
        }
        let owners = self.owners;
        for slot in (0..4).filter(|slot| causes >> slot & 1 != 0) {
            match owners[slot] {
                Owner::Debugger(Tag::Watch(number)) => stop = Some(Stop::Watch(number)),
                Owner::Debugger(Tag::Break) => stop = stop.or(Some(Stop::Hard)),
                Owner::Debugger(Tag::Temporary) => {
                    is_step_done |= matches!(self.temporary, Some((_, Purpose::Step)));
                    self.temporary = None;
                    self.arm(vp)?;
                }
                Owner::Guest(number) => for_guest |= 1 << number,
                Owner::Free if self.guest.is_none() => for_guest |= 1 << slot,
                Owner::Free => {}
            }
        }
        if causes & dr::DR6_BS != 0 {
            match self.step {
                Some(step) => {
                    is_step_done = true;
                    for_guest |= if step.guest_trap_flag == 0 { 0 } else { dr::DR6_BS };
                }
                None => for_guest |= dr::DR6_BS,
            }
        }
        if stop == Some(Stop::Hard) {
            self.reported_at = Some(position_of(exit));
        }
        if is_step_done {
            self.end_step(vp)?;
            let stays = range.is_some_and(|(start, end)| (start..end).contains(&exit.vp.rip));
            if !stays {
                stop = stop.or(Some(Stop::Step));
            }
        } else if stop.is_some() {
            self.abandon_step(vp)?;
        }
        if for_guest != 0 {
            self.inject_debug(vp, for_guest)?;
        }
        Ok(stop.map_or(Verdict::Continue, Verdict::Stop))
    }

    /// Delivers a debug exception to the guest with its next run.
    fn inject_debug(&mut self, vp: &Processor, causes: u64) -> Result<(), Failure> {
        inject(vp, DB, None, causes)?;
        let Some(guest) = &mut self.guest else { return Ok(()) };
        guest.deliver(causes);
        // The delivery switches DR7.GD off: catch the handler at its first instruction to switch it on again.
        if self.temporary.is_none() {
            self.temporary = entry_of(vp, DB).map(|entry| (entry, Purpose::Lend));
        }
        self.arm(vp)
    }

    /// Delivers to the guest what is the guest's.
    fn pass_on(&mut self, vp: &Processor, exit: &Exit, exception: &VpException) -> Result<(), Failure> {
        let had_step = self.step.is_some();
        self.abandon_step(vp)?;
        let (mut vector, mut code) = (exception.vector, exception.error_code);
        if exit.vp.execution.contains(ExecutionState::INTERRUPTION_PENDING) {
            let [first] = read(vp, [Name::PENDING_INTERRUPTION])?;
            if is_double_fault(first.low(), vector)? {
                (vector, code) = (DF, Some(0));
            }
            write(vp, &[(Name::PENDING_INTERRUPTION, 0.into())])?;
        }
        if exception.is_software {
            let next = exit.vp.rip.wrapping_add(u64::from(exit.vp.instruction_length));
            write(vp, &[(Name::RIP, next.into())])?;
        }
        let mut parameter = exception.parameter;
        if vector == DB {
            // INT1 leaves the causes as they are.
            let causes = self.guest.map(|guest| guest.dr6);
            parameter = match causes {
                Some(dr6) => dr6,
                None => read(vp, [Name::DR6])?[0].low(),
            } & 0xe00f;
            return self.inject_debug(vp, parameter);
        }
        inject(vp, vector, code, if vector == PF { parameter } else { 0 })?;
        if had_step && let Some(entry) = entry_of(vp, vector) {
            // The step goes into the handler.
            let [flags, state] = read(vp, [Name::RFLAGS, Name::INTERRUPT_STATE])?;
            self.step = Some(Step {
                method: Method::Entry,
                guest_trap_flag: flags.low() & TRAP_FLAG,
                guest_shadow: state.low() & SHADOW,
                class: Class::Plain,
                rip: exit.vp.rip,
            });
            self.temporary = Some((entry, Purpose::Step));
            self.arm(vp)?;
        }
        Ok(())
    }

    /// Does the guest's access to a debug register on its own values. Returns causes of a debug exception it gets.
    fn access_debug_register(
        &mut self,
        vp: &Processor,
        exit: &Exit,
        exception: &VpException,
    ) -> Result<u64, Failure> {
        let Some(guest) = &mut self.guest else { return Ok(0) };
        if guest.dr7 & dr::DR7_GD != 0 {
            return Ok(dr::DR6_BD);
        }
        let is_64_bit =
            exit.vp.execution.contains(ExecutionState::EFER_LMA) && exit.vp.cs.attributes & LONG != 0;
        let access = instruction::move_debug(exception.instruction.as_slice(), is_64_bit);
        let access = access.ok_or_else(|| "a debug register access that cannot be decoded".to_owned())?;
        let number = if matches!(access.debug, 4 | 5) { access.debug + 2 } else { access.debug };
        let general = Name::gpr(access.general);
        let mut registers = Vec::new();
        if access.is_write {
            let value = read(vp, [general])?[0].low();
            let value = if is_64_bit { value } else { value & 0xffff_ffff };
            if number >= 4 && value >> 32 != 0 {
                inject(vp, GP, Some(0), 0)?;
                return Ok(0);
            }
            guest.write(number, value);
        } else {
            let value = guest.read(number);
            registers.push((general, if is_64_bit { value } else { value & 0xffff_ffff }.into()));
        }
        let [state] = read(vp, [Name::INTERRUPT_STATE])?;
        registers.push((Name::INTERRUPT_STATE, (state.low() & !SHADOW).into()));
        registers.push((Name::RIP, exit.vp.rip.wrapping_add(access.len).into()));
        registers.push((Name::RFLAGS, (exit.vp.rflags & !RESUME_FLAG).into()));
        write(vp, &registers)?;
        self.arm(vp)?;
        // The guest steps itself: its trap comes after this instruction as after any other.
        let own_trap = match self.step {
            Some(step) => step.guest_trap_flag,
            None => exit.vp.rflags & TRAP_FLAG,
        };
        Ok(if own_trap == 0 { 0 } else { dr::DR6_BS })
    }
}

/// Has an exception delivered with the next run.
fn inject(vp: &Processor, vector: u8, code: Option<u32>, parameter: u64) -> Result<(), Failure> {
    let error = code.map_or(0, |code| 1 << 8 | u64::from(code) << 32);
    let low = 1 | u64::from(vector) << 16 | error;
    write(vp, &[(Name::PENDING_EVENT, RegisterValue::from_halves(low, parameter))])
}

/// Whether `second`, raised while the pending interruption `first` was delivered, makes a double fault
/// (Intel SDM 3A "Interrupt 8: Double Fault Exception").
fn is_double_fault(first: u64, second: u8) -> Result<bool, Failure> {
    const EXCEPTION: u64 = 3;
    let is_contributory = |vector: u8| matches!(vector, 0 | 10..=13);
    let vector = (first >> 16) as u8;
    if first & 1 == 0 || first >> 1 & 7 != EXCEPTION {
        return Ok(false);
    }
    let is_bad = is_contributory(second) || second == PF;
    match vector {
        DF if is_bad => {
            Err("triple fault: an exception came up while a double fault was delivered".to_owned())
        }
        PF => Ok(is_bad),
        _ => Ok(is_contributory(vector) && is_contributory(second)),
    }
}

/// The linear address of the first instruction of a vector's handler.
fn entry_of(vp: &Processor, vector: u8) -> Option<u64> {
    let [cr0, flags, efer, idtr] = read(vp, [Name::CR0, Name::RFLAGS, Name::EFER, Name::IDTR]).ok()?;
    let base = idtr.table().base;
    let mut gate = [0; 16];
    if cr0.low() & CR0_PE == 0 {
        vp.read_gva(Gva(base.wrapping_add(u64::from(vector) * 4)), &mut gate[..4]).ok()?;
        let word = |at: usize| u64::from(u16::from_le_bytes([gate[at], gate[at + 1]]));
        return Some((word(2) << 4) + word(0));
    }
    let is_long_mode = efer.low() & LONG_MODE != 0;
    let size = if is_long_mode { 16 } else { 8 };
    vp.read_gva(Gva(base.wrapping_add(u64::from(vector) * size)), &mut gate[..size as usize]).ok()?;
    let gate = u128::from_le_bytes(gate);
    let kind = gate >> 40 & 0xf;
    let is_present = gate >> 47 & 1 != 0;
    let low = (gate & 0xffff) as u64 | (gate >> 32) as u64 & 0xffff_0000;
    let base = |vp| Descriptor::read(vp, (gate >> 16) as u16).map(Descriptor::base);
    match kind {
        _ if !is_present => None,
        14 | 15 if is_long_mode => Some(low | ((gate >> 64) as u64) << 32),
        14 | 15 => Some(base(vp)?.wrapping_add(low) & 0xffff_ffff),
        6 | 7 if flags.low() & VIRTUAL_8086 == 0 || !is_long_mode => {
            Some(base(vp)?.wrapping_add(low & 0xffff) & 0xffff_ffff)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruction_pointers_are_linear_in_long_mode_only() {
        let flat = SegmentRegister { attributes: LONG | 0x9b, ..SegmentRegister::default() };
        let real = SegmentRegister { base: 0xffff_0000, attributes: 0x9b, ..SegmentRegister::default() };
        assert_eq!(linear(&flat, 0xffff_8000_0000_0000, true), 0xffff_8000_0000_0000);
        assert_eq!(linear(&real, 0xfff0, false), 0xffff_fff0);
        assert_eq!(linear(&real, 0x1_fff0, false), 0xfff0);
    }

    #[test]
    fn double_faults_follow_the_table() {
        let pending = |vector: u64| 1 | 3 << 1 | vector << 16;
        assert_eq!(is_double_fault(pending(14), 14), Ok(true));
        assert_eq!(is_double_fault(pending(14), 13), Ok(true));
        assert_eq!(is_double_fault(pending(13), 14), Ok(false));
        assert_eq!(is_double_fault(pending(13), 11), Ok(true));
        assert_eq!(is_double_fault(pending(6), 14), Ok(false));
        // An interrupt on its way is no first fault.
        assert_eq!(is_double_fault(1 | 0x30 << 16, 14), Ok(false));
        assert!(is_double_fault(pending(8), 14).is_err());
    }
}
