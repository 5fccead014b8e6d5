//! What the host does for a program on request.
//!
//! A program calls by writing the address of a block to port 0xE8: a code and seven values in, eight values out (see
//! `guests/tests/lib/host.h`). The services are those of a client of the platform that only it can use: partition
//! time, doorbells and triggers, injection.

mod bells;
mod gate;
mod inject;
mod messages;
mod time;

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use openwhp::ApicMode;
use openwhp::DeliverableType;
use openwhp::Exit;
use openwhp::GuestMemory;
use openwhp::Partition;
use openwhp::Processor;
use openwhp::RegisterName as Name;

use bells::Bells;
use gate::Gate;
use inject::Injector;
use messages::Messages;
use time::Stopwatch;

/// A program writes the address of its call here.
pub(crate) const HOST_PORT: u16 = 0xE8;

const SINT_SHIFT: u32 = 48;

/// One call.
#[derive(Debug)]
struct Call {
    code: u64,
    input: [u64; 7],
    output: [u64; 8],
}

impl Call {
    const SIZE: usize = 128;
    const OUTPUT: usize = 64;

    fn load(memory: &GuestMemory, address: u64) -> Result<Self> {
        let mut bytes = [0; Self::SIZE];
        memory.read(address, &mut bytes).context("a call outside memory")?;
        let mut words =
            bytes.chunks_exact(8).map(|word| word.iter().rev().fold(0, |sum, &b| sum << 8 | u64::from(b)));
        let mut next = || words.next().unwrap_or_default();
        let code = next();
        Ok(Self { code, input: std::array::from_fn(|_| next()), output: [0; 8] })
    }

    fn store(&self, memory: &GuestMemory, address: u64) -> Result<()> {
        let bytes: Vec<u8> = self.output.iter().flat_map(|word| word.to_le_bytes()).collect();
        memory.write(address + Self::OUTPUT as u64, &bytes).context("a call outside memory")
    }
}

/// What becomes of the instruction that made a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It is finished.
    Finish,
    /// It runs again.
    Retry,
}

/// The host's side of a run.
#[derive(Debug)]
pub(crate) struct Host {
    partition: Partition,
    memory: GuestMemory,
    has_apic: bool,
    gate: Gate,
    stopwatch: Mutex<Stopwatch>,
    bells: Mutex<Bells>,
    injector: Mutex<Injector>,
    messages: Mutex<Messages>,
    helpers: Mutex<Vec<JoinHandle<()>>>,
    is_over: AtomicBool,
}

impl Host {
    pub(crate) fn new(partition: &Partition, memory: &GuestMemory, apic: ApicMode) -> Self {
        Self {
            partition: partition.clone(),
            memory: memory.clone(),
            has_apic: apic != ApicMode::None,
            gate: Gate::default(),
            stopwatch: Mutex::default(),
            bells: Mutex::default(),
            injector: Mutex::default(),
            messages: Mutex::default(),
            helpers: Mutex::default(),
            is_over: AtomicBool::new(false),
        }
    }

    /// Runs a processor up to its next exit, with what waits for it injected.
    pub(crate) fn run(&self, vp: &Processor) -> Result<Exit> {
        let inside = self.gate.enter();
        self.prepare(vp)?;
        let lets_time_go_on = lock(&self.stopwatch).is_open();
        let exit = vp.run();
        drop(inside);
        if lets_time_go_on {
            lock(&self.stopwatch).close();
        }
        Ok(exit?)
    }

    /// Answers the call at an address.
    pub(crate) fn call(self: &std::sync::Arc<Self>, vp: &Processor, address: u64) -> Result<Then> {
        let mut call = Call::load(&self.memory, address)?;
        let mut then = Then::Finish;
        match call.code {
            0x10 => lock(&self.stopwatch).read(&mut call.output),
            0x11 => self.suspend(call.input[0], call.input[1])?,
            0x12 => self.suspend_later(&call.input),
            0x20 => lock(&self.bells).add(&self.partition, &call.input, &mut call.output)?,
            0x21 => lock(&self.bells).remove(&self.partition, &call.input, &mut call.output)?,
            0x22 => lock(&self.bells).count_rings(&call.input, &mut call.output)?,
            0x23 => lock(&self.bells).accesses.describe(&mut call.output),
            0x30 => then = lock(&self.injector).raise(address, &call.input),
            0x31 => self.storm(vp, &call.input),
            0x32 => lock(&self.injector).describe(&mut call.output),
            0x40 => lock(&self.messages).queue(&call.input),
            0x41 => lock(&self.messages).describe(&mut call.output),
            other => bail!("a call with code {other:#x}"),
        }
        call.store(&self.memory, address)?;
        Ok(then)
    }

    /// Finishes an access to a doorbell's page; false if the program uses no doorbells.
    pub(crate) fn access(&self, vp: &Processor, exit: &Exit) -> Result<bool> {
        let mut bells = lock(&self.bells);
        if !bells.is_used() {
            return Ok(false);
        }
        openwhp::emulate::mmio(vp, exit, &mut bells.accesses)?;
        Ok(true)
    }

    /// A window that was asked for has opened.
    pub(crate) fn window(&self, vp: &Processor, kind: DeliverableType) -> Result<()> {
        let state = inject::State::of(vp, self.has_apic)?;
        lock(&self.injector).window(kind, &state);
        Ok(())
    }

    /// Messages can be put into these sources' slots again.
    pub(crate) fn deliverable(&self, sints: u16) {
        lock(&self.messages).deliverable(sints);
    }

    /// The processor halts without an APIC: true once an interrupt will wake it, false if none ever will.
    pub(crate) fn waits_for_interrupt(&self, vp: &Processor) -> Result<bool> {
        loop {
            let state = inject::State::of(vp, self.has_apic)?;
            let injector = lock(&self.injector);
            if injector.would_inject(&state) {
                return Ok(true);
            }
            if !injector.has_more() || self.is_over() {
                return Ok(false);
            }
            drop(injector);
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
    }

    /// Injects what can be delivered now, and asks to be told when the rest can.
    fn prepare(&self, vp: &Processor) -> Result<()> {
        let mut injector = lock(&self.injector);
        let mut messages = lock(&self.messages);
        if !injector.is_used && !messages.is_used {
            return Ok(());
        }
        let mut notify = 0;
        if injector.is_used {
            notify |= injector.prepare(vp, self.has_apic)?;
        }
        if messages.is_used {
            notify |= u64::from(messages.post(vp)?) << SINT_SHIFT;
        }
        vp.set_registers(&[(Name::DELIVERABILITY_NOTIFICATIONS, notify.into())])?;
        Ok(())
    }

    fn helper(&self, work: impl FnOnce() + Send + 'static) {
        lock(&self.helpers).push(std::thread::spawn(work));
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Ends the helping threads; true if all of them went well.
    pub(crate) fn end(&self) -> bool {
        self.is_over.store(true, Ordering::SeqCst);
        let helpers = std::mem::take(&mut *lock(&self.helpers));
        helpers.into_iter().map(JoinHandle::join).filter(Result::is_err).count() == 0
    }

    fn cancel_all(&self) {
        for index in 0..self.partition.processor_count() {
            if let Some(vp) = self.partition.vp(openwhp::VpIndex(index)) {
                vp.cancel();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
