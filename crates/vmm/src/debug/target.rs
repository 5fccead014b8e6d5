//! The machine as the protocol crate sees it: a thread per processor.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;

use gdbstub::arch::Arch;
use gdbstub::arch::RegId;
use gdbstub::common::Signal;
use gdbstub::common::Tid;
use gdbstub::outputln;
use gdbstub::stub::MultiThreadStopReason;
use gdbstub::target::Target;
use gdbstub::target::TargetError;
use gdbstub::target::TargetResult;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::MultiThreadBase;
use gdbstub::target::ext::base::multithread::MultiThreadRangeStepping;
use gdbstub::target::ext::base::multithread::MultiThreadRangeSteppingOps;
use gdbstub::target::ext::base::multithread::MultiThreadResume;
use gdbstub::target::ext::base::multithread::MultiThreadResumeOps;
use gdbstub::target::ext::base::multithread::MultiThreadSchedulerLocking;
use gdbstub::target::ext::base::multithread::MultiThreadSchedulerLockingOps;
use gdbstub::target::ext::base::multithread::MultiThreadSingleStep;
use gdbstub::target::ext::base::multithread::MultiThreadSingleStepOps;
use gdbstub::target::ext::base::single_register_access::SingleRegisterAccess;
use gdbstub::target::ext::base::single_register_access::SingleRegisterAccessOps;
use gdbstub::target::ext::breakpoints;
use gdbstub::target::ext::breakpoints::BreakpointsOps;
use gdbstub::target::ext::breakpoints::HwBreakpointOps;
use gdbstub::target::ext::breakpoints::HwWatchpointOps;
use gdbstub::target::ext::breakpoints::SwBreakpointOps;
use gdbstub::target::ext::breakpoints::WatchKind;
use gdbstub::target::ext::monitor_cmd::ConsoleOutput;
use gdbstub::target::ext::monitor_cmd::MonitorCmd;
use gdbstub::target::ext::monitor_cmd::MonitorCmdOps;
use gdbstub::target::ext::target_description_xml_override::TargetDescriptionXmlOverride;
use gdbstub::target::ext::target_description_xml_override::TargetDescriptionXmlOverrideOps;
use gdbstub::target::ext::thread_extra_info::ThreadExtraInfo;
use gdbstub::target::ext::thread_extra_info::ThreadExtraInfoOps;
use openwhp::ExtendedVmExits;
use openwhp::Gpa;
use openwhp::Gva;
use openwhp::GvaError;
use openwhp::PAGE_SIZE;
use openwhp::Partition;
use openwhp::Processor;
use openwhp::Property;
use openwhp::PropertyCode;
use openwhp::RegisterName as Name;

use super::breakpoints::Breakpoints;
use super::breakpoints::Watch;
use super::control;
use super::control::Control;
use super::control::Event;
use super::control::InMemory;
use super::monitor;
use super::registers::Layout;
use super::registers::Registers;
use super::vp;
use super::vp::Failure;
use super::vp::Order;
use super::vp::Stop;

/// EFAULT: no memory there.
const NO_MEMORY: u8 = 14;
/// Exception exits that breakpoints need: #DB and #BP.
const BREAKPOINT_EXCEPTIONS: u64 = 1 << 1 | 1 << 3;

/// Registers of a processor, as one string of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RegisterFile(Vec<Option<u8>>);

impl gdbstub::arch::Registers for RegisterFile {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        // The place of RIP in the 64-bit description; nobody asks in the other.
        let bytes = self.0.get(128..136).unwrap_or_default();
        bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(byte.unwrap_or(0)))
    }

    fn gdb_serialize(&self, write_byte: impl FnMut(Option<u8>)) {
        self.0.iter().copied().for_each(write_byte);
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.0 = bytes.iter().copied().map(Some).collect();
        Ok(())
    }
}

/// A register's number in the description in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RegisterNumber(usize);

impl RegId for RegisterNumber {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        Some((Self(id), None))
    }
}

/// x86 in any mode.
#[derive(Clone, Copy, Debug)]
pub(super) enum X86 {}

impl Arch for X86 {
    type Usize = u64;
    type Registers = RegisterFile;
    type RegId = RegisterNumber;
    type BreakpointKind = usize;
}

/// One debugger's view of the machine.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) control: Arc<Control>,
    pub(super) breakpoints: Breakpoints,
    registers: Registers,
    /// Description that the next connection gets.
    pub(super) layout: Layout,
    /// Memory addresses are physical.
    pub(super) is_physical: bool,
    /// The processor that was asked for last.
    pub(super) selected: usize,
    orders: Vec<Option<Order>>,
    is_locked: bool,
    /// What processors do once those that stand at a breakpoint are past it.
    plan: Vec<Order>,
    to_step_over: Vec<usize>,
    stepping_over: Option<usize>,
    pending: VecDeque<Event>,
    /// The boot that breakpoints in memory and exits belong to, and its own exits.
    boot: u64,
    own_exits: Option<(ExtendedVmExits, u64)>,
}

impl Machine {
    pub(super) fn new(control: Arc<Control>) -> Self {
        Self {
            control,
            breakpoints: Breakpoints::default(),
            registers: Registers::new(Layout::default(), None),
            layout: Layout::default(),
            is_physical: false,
            selected: 0,
            orders: Vec::new(),
            is_locked: false,
            plan: Vec::new(),
            to_step_over: Vec::new(),
            stepping_over: None,
            pending: VecDeque::new(),
            boot: 0,
            own_exits: None,
        }
    }

    /// Stops the machine for a debugger that has just connected.
    pub(super) fn attach(&mut self) {
        self.control.set_attached(true);
        self.hold();
        let first = self.control.processor(0);
        self.registers = Registers::new(self.layout, first.as_ref().map(|(vp, _)| vp));
        self.is_physical = false;
        self.selected = 0;
    }

    /// Stops the machine as it is.
    pub(super) fn hold(&mut self) {
        self.control.stop();
        self.stand();
    }

    /// The boot that was looked at last.
    pub(super) fn known_boot(&self) -> u64 {
        self.boot
    }

    /// Gives the machine back to itself, and lets it run.
    pub(super) fn detach(&mut self) {
        self.hold();
        self.breakpoints.clear();
        self.pending.clear();
        self.to_step_over.clear();
        self.stepping_over = None;
        for (vp, debug) in (0..self.control.count()).filter_map(|index| self.control.processor(index)) {
            // A processor that cannot be reached is one of a run that is over.
            let _ = control::lock(&debug).release(&vp);
        }
        if let Some(partition) = self.control.partition() {
            let _ = self.set_exits(&partition, None);
        }
        self.control.set_attached(false);
        self.control.go(&vec![Order::Run; self.control.count()], InMemory::default());
    }

    /// Stops a machine that runs. Returns the reason to report.
    pub(super) fn interrupt(&mut self) -> Option<MultiThreadStopReason<u64>> {
        let runner = self.plan.iter().position(|order| *order != Order::Stop).unwrap_or(0);
        if !self.control.stop() {
            return None;
        }
        // Breakpoints need not be passed any more.
        let passing = self.stepping_over.take();
        self.to_step_over.clear();
        if let Some(event) = self.control.take_event() {
            let is_silent =
                event.stop == Stop::Passing || passing == Some(event.vp) && event.stop == Stop::Step;
            if !is_silent {
                self.control.put_event(event);
                return self.poll();
            }
        }
        self.stand();
        Some(MultiThreadStopReason::SignalWithThread { tid: tid(runner), signal: Signal::SIGINT })
    }

    /// All stand still: memory becomes the guest's own, and its time stops.
    fn stand(&mut self) {
        let partition = self.control.partition();
        let is_same_boot = self.boot == self.control.boots();
        self.breakpoints.remove_from_memory(partition.as_ref().filter(|_| is_same_boot));
        if !is_same_boot {
            self.boot = self.control.boots();
            self.own_exits = None;
            self.pending.clear();
        }
        if let Some(partition) = partition {
            // Refused only in a run that is over.
            let _ = partition.suspend_time();
        }
    }

    /// Looks at what processors have to tell; the reason to report, if the machine has stopped for one.
    pub(super) fn poll(&mut self) -> Option<MultiThreadStopReason<u64>> {
        let mut event = self.control.take_event()?;
        if !self.control.settle() {
            return None;
        }
        self.stand();
        while let Some(other) = self.control.take_event() {
            self.pending.push_back(other);
        }
        let was_stepping_over = self.stepping_over.take() == Some(event.vp) && event.stop == Stop::Step;
        let is_past = was_stepping_over && !matches!(self.plan.get(event.vp), Some(Order::Step(_)));
        if is_past || event.stop == Stop::Passing {
            if event.stop == Stop::Passing {
                self.to_step_over.push(event.vp);
            }
            match self.pending.pop_front() {
                Some(pending) => event = pending,
                None => match self.advance() {
                    Ok(()) => return None,
                    Err(_) => event.stop = Stop::Died,
                },
            }
        }
        self.to_step_over.clear();
        self.reason(event)
    }

    fn reason(&self, event: Event) -> Option<MultiThreadStopReason<u64>> {
        let tid = tid(event.vp);
        let signal = |signal| MultiThreadStopReason::SignalWithThread { tid, signal };
        Some(match event.stop {
            Stop::Step | Stop::Reset | Stop::Passing => signal(Signal::SIGTRAP),
            Stop::Died => signal(Signal::SIGABRT),
            Stop::Soft => MultiThreadStopReason::SwBreak(tid),
            Stop::Hard => {
                let (vp, _) = self.control.processor(event.vp)?;
                let is_hard = vp::position(&vp).is_ok_and(|at| self.breakpoints.is_hard(at));
                if is_hard {
                    MultiThreadStopReason::HwBreak(tid)
                } else {
                    MultiThreadStopReason::SwBreak(tid)
                }
            }
            Stop::Watch(number) => match self.breakpoints.watch(number) {
                Some(Watch { address, kind, .. }) => {
                    MultiThreadStopReason::Watch { tid, kind, addr: address }
                }
                None => signal(Signal::SIGTRAP),
            },
        })
    }

    /// Lets processors go as the orders say.
    fn start(&mut self) -> Result<(), Failure> {
        let count = self.control.count();
        let default = if self.is_locked { Order::Stop } else { Order::Run };
        self.plan =
            (0..count).map(|index| self.orders.get(index).copied().flatten().unwrap_or(default)).collect();
        if self.plan.iter().all(|order| *order == Order::Stop) {
            return Err("no processor is told to run".to_owned());
        }
        self.to_step_over = (0..count).filter(|index| self.stands_at_breakpoint(*index)).collect();
        self.advance()
    }

    /// Whether a processor has told of a breakpoint in memory whose instruction it has yet to execute.
    fn stands_at_breakpoint(&self, index: usize) -> bool {
        if self.plan.get(index) == Some(&Order::Stop) {
            return false;
        }
        let Some((vp, debug)) = self.control.processor(index) else { return false };
        let reported = control::lock(&debug).reported_at;
        reported.is_some_and(|at| self.breakpoints.is_soft(at) && vp::position(&vp) == Ok(at))
    }

    /// Takes the next processor past its breakpoint, with all others standing; then lets all go.
    fn advance(&mut self) -> Result<(), Failure> {
        let partition = self.control.partition().ok_or("there is no machine")?;
        if let Some(index) = self.to_step_over.pop() {
            self.stepping_over = Some(index);
            let mut orders = vec![Order::Stop; self.plan.len()];
            orders[index] = Order::Step(None);
            self.set_exits(&partition, Some(true))?;
            self.control.go(&orders, InMemory::default());
            return Ok(());
        }
        let steps = self.plan.iter().any(|order| matches!(order, Order::Step(_)));
        let in_memory = self.breakpoints.insert(&self.control, &partition)?;
        self.set_exits(&partition, Some(steps))?;
        self.control.go(&self.plan, in_memory);
        Ok(())
    }

    /// Has exceptions exit: #DB and #BP, or with steps all; `None` puts the guest's own back.
    fn set_exits(&mut self, partition: &Partition, steps: Option<bool>) -> Result<(), Failure> {
        let own = match self.own_exits {
            Some(own) => own,
            None => {
                let extended = partition.property(PropertyCode::ExtendedVmExits);
                let bitmap = partition.property(PropertyCode::ExceptionExitBitmap);
                let (Ok(Property::ExtendedVmExits(extended)), Ok(Property::ExceptionExitBitmap(bitmap))) =
                    (extended, bitmap)
                else {
                    return Err("exits cannot be read".to_owned());
                };
                *self.own_exits.insert((extended, bitmap))
            }
        };
        let (extended, bitmap) = match steps {
            None => own,
            Some(steps) => {
                let all = partition.capabilities().exception_exit_bitmap;
                let bitmap = if steps { all } else { BREAKPOINT_EXCEPTIONS };
                let more = ExtendedVmExits::EXCEPTION | ExtendedVmExits::X64_APIC_INIT_SIPI;
                (own.0 | more, own.1 | bitmap)
            }
        };
        for property in [Property::ExtendedVmExits(extended), Property::ExceptionExitBitmap(bitmap)] {
            partition.set_property(property).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn processor(&mut self, tid: Tid) -> TargetResult<Processor, Self> {
        let index = tid.get() - 1;
        let (vp, _) = self.control.processor(index).ok_or(TargetError::NonFatal)?;
        self.selected = index;
        Ok(vp)
    }

    fn order(&mut self, tid: Tid, order: Order) -> Result<(), Failure> {
        let place = self.orders.get_mut(tid.get() - 1);
        *place.ok_or_else(|| format!("there is no thread {tid}"))? = Some(order);
        Ok(())
    }
}

/// The thread of a processor.
fn tid(index: usize) -> Tid {
    Tid::MIN.saturating_add(index)
}

/// Copies physical memory out; bytes copied before the first that is not there.
pub(super) fn read_physical(partition: &Partition, address: u64, data: &mut [u8]) -> usize {
    let mut done = 0;
    while done < data.len() {
        let Some(at) = address.checked_add(done as u64) else { break };
        let len = ((PAGE_SIZE - at % PAGE_SIZE) as usize).min(data.len() - done);
        if partition.read_gpa(Gpa(at), &mut data[done..done + len]).is_err() {
            break;
        }
        done += len;
    }
    done
}

/// Linear addresses are 32 bits wide outside long mode.
fn linear_address(vp: &Processor, address: u64) -> u64 {
    const LONG_MODE: u64 = 1 << 10;
    let is_long = vp.register(Name::EFER).is_ok_and(|efer| efer.low() & LONG_MODE != 0);
    if is_long { address } else { address & 0xffff_ffff }
}

impl Target for Machine {
    type Arch = X86;
    type Error = Failure;

    fn base_ops(&mut self) -> BaseOps<'_, Self::Arch, Self::Error> {
        BaseOps::MultiThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }

    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadBase for Machine {
    fn read_registers(&mut self, registers: &mut RegisterFile, tid: Tid) -> TargetResult<(), Self> {
        let vp = self.processor(tid)?;
        registers.0 = self.registers.read_all(&vp);
        Ok(())
    }

    fn write_registers(&mut self, registers: &RegisterFile, tid: Tid) -> TargetResult<(), Self> {
        let vp = self.processor(tid)?;
        let bytes: Option<Vec<u8>> = registers.0.iter().copied().collect();
        let bytes = bytes.ok_or(TargetError::NonFatal)?;
        if self.registers.write_all(&vp, &bytes) { Ok(()) } else { Err(TargetError::NonFatal) }
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8], tid: Tid) -> TargetResult<usize, Self> {
        let vp = self.processor(tid)?;
        let done = if self.is_physical {
            read_physical(vp.partition(), start, data)
        } else {
            let start = linear_address(&vp, start);
            match vp.read_gva(Gva(start), data) {
                Ok(()) => data.len(),
                Err(GvaError::NotTranslated { gva, .. } | GvaError::Access { gva, .. }) => {
                    (gva.0.wrapping_sub(start) as usize).min(data.len())
                }
                Err(_) => 0,
            }
        };
        if done == 0 && !data.is_empty() { Err(TargetError::Errno(NO_MEMORY)) } else { Ok(done) }
    }

    fn write_addrs(&mut self, start: u64, data: &[u8], tid: Tid) -> TargetResult<(), Self> {
        let vp = self.processor(tid)?;
        if data.is_empty() {
            return Ok(());
        }
        let is_written = if self.is_physical {
            vp.partition().write_gpa(Gpa(start), data).is_ok()
        } else {
            vp.write_gva(Gva(linear_address(&vp, start)), data).is_ok()
        };
        if is_written { Ok(()) } else { Err(TargetError::Errno(NO_MEMORY)) }
    }

    fn list_active_threads(&mut self, register: &mut dyn FnMut(Tid)) -> Result<(), Self::Error> {
        (0..self.control.count()).map(tid).for_each(register);
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl SingleRegisterAccess<Tid> for Machine {
    fn read_register(
        &mut self,
        tid: Tid,
        register: RegisterNumber,
        bytes: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let vp = self.processor(tid)?;
        let value = self.registers.read(&vp, register.0).ok_or(TargetError::NonFatal)?;
        bytes.get_mut(..value.len()).ok_or(TargetError::NonFatal)?.copy_from_slice(&value);
        Ok(value.len())
    }

    fn write_register(&mut self, tid: Tid, register: RegisterNumber, value: &[u8]) -> TargetResult<(), Self> {
        let vp = self.processor(tid)?;
        if self.registers.write(&vp, register.0, value) { Ok(()) } else { Err(TargetError::NonFatal) }
    }
}

impl ThreadExtraInfo for Machine {
    fn thread_extra_info(&self, tid: Tid, text: &mut [u8]) -> Result<usize, Self::Error> {
        let words = match self.control.processor(tid.get() - 1) {
            Some((vp, _)) => format!("processor {}, {}", vp.index().0, monitor::activity(&vp)),
            None => "gone".to_owned(),
        };
        let len = words.len().min(text.len());
        text[..len].copy_from_slice(&words.as_bytes()[..len]);
        Ok(len)
    }
}

impl MultiThreadResume for Machine {
    fn resume(&mut self) -> Result<(), Self::Error> {
        // What was found while the last stop was made comes first.
        while let Some(event) = self.pending.pop_front() {
            let is_alive =
                !matches!(event.stop, Stop::Watch(number) if self.breakpoints.watch(number).is_none());
            if is_alive {
                self.control.put_event(event);
                return Ok(());
            }
        }
        self.start()
    }

    fn clear_resume_actions(&mut self) -> Result<(), Self::Error> {
        self.orders = vec![None; self.control.count()];
        self.is_locked = false;
        Ok(())
    }

    fn set_resume_action_continue(&mut self, tid: Tid, _signal: Option<Signal>) -> Result<(), Self::Error> {
        self.order(tid, Order::Run)
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(&mut self) -> Option<MultiThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Machine {
    fn set_resume_action_step(&mut self, tid: Tid, _signal: Option<Signal>) -> Result<(), Self::Error> {
        self.order(tid, Order::Step(None))
    }
}

impl MultiThreadRangeStepping for Machine {
    fn set_resume_action_range_step(&mut self, tid: Tid, start: u64, end: u64) -> Result<(), Self::Error> {
        self.order(tid, Order::Step(Some((start, end))))
    }
}

impl MultiThreadSchedulerLocking for Machine {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Self::Error> {
        self.is_locked = true;
        Ok(())
    }
}

impl breakpoints::Breakpoints for Machine {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl breakpoints::SwBreakpoint for Machine {
    fn add_sw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self.breakpoints.add_soft(&self.control, address))
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self.breakpoints.remove_soft(address))
    }
}

impl breakpoints::HwBreakpoint for Machine {
    fn add_hw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self.breakpoints.add_hard(&self.control, address))
    }

    fn remove_hw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self.breakpoints.remove_hard(address))
    }
}

impl breakpoints::HwWatchpoint for Machine {
    fn add_hw_watchpoint(&mut self, address: u64, len: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        Ok(self.breakpoints.add_watch(&self.control, Watch { address, len, kind }))
    }

    fn remove_hw_watchpoint(&mut self, address: u64, len: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        Ok(self.breakpoints.remove_watch(Watch { address, len, kind }))
    }
}

impl TargetDescriptionXmlOverride for Machine {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        place: &mut [u8],
    ) -> TargetResult<usize, Self> {
        if annex != b"target.xml" {
            return Err(TargetError::NonFatal);
        }
        let text = self.registers.description().as_bytes();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
        let rest = &text[start..];
        let len = rest.len().min(length).min(place.len());
        place[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

impl MonitorCmd for Machine {
    fn handle_monitor_cmd(&mut self, command: &[u8], mut out: ConsoleOutput<'_>) -> Result<(), Self::Error> {
        let text = monitor::answer(self, &String::from_utf8_lossy(command));
        // In pieces that fit a packet.
        for line in text.lines() {
            outputln!(out, "{line}");
        }
        Ok(())
    }
}
