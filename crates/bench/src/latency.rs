//! How long events take between guest and host: a doorbell, a trigger, an interrupt request.
//!
//! These are times of the wall clock with threads waking each other, so a busy host shows in them.

use std::os::fd::AsFd;
use std::time::Duration;
use std::time::Instant;

use anyhow::bail;
use openwhp::ApicMode;
use openwhp::DoorbellMatch;
use openwhp::Event;
use openwhp::ExitReason;
use openwhp::Gpa;
use openwhp::GuestMemory;
use openwhp::InterruptRequest;
use openwhp::MapFlags;
use openwhp::Partition;
use openwhp::Processor;
use openwhp::RegisterName as Name;
use openwhp::SegmentRegister;
use openwhp::TriggerAction;
use openwhp::VpIndex;
use openwhp::create_event;
use rustix::event::PollFd;
use rustix::event::PollFlags;

use crate::samples::Samples;

const MEMORY_SIZE: u64 = 0x1_0000;
const CODE: u64 = 0x1000;
/// A word that guest and host change in turn.
const WORD: u64 = 0x500;
const BELL: u64 = 0x5000;
const VECTOR: u8 = 0x40;
const HANDLER: u64 = 0x3000;
const APIC: u64 = 0xFEE0_0000;
/// Longest time that one event may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Rings, then waits until the host has cleared the word:
/// `l: mov word es:[0x500], 1; mov [0x5000], ax; w: cmp word es:[0x500], 0; jne w; jmp l`, with ES at 0.
const RING: &[u8] = &[
    0x26, 0xC7, 0x06, 0x00, 0x05, 0x01, 0x00, 0x26, 0xA3, 0x00, 0x50, 0x26, 0x83, 0x3E, 0x00, 0x05, 0x00,
    0x75, 0xF8, 0xEB, 0xEB,
];
/// `sti; l: hlt; jmp l`.
const WAIT: &[u8] = &[0xFB, 0xF4, 0xEB, 0xFD];
/// `inc word es:[0x500]; mov dword [0xB0], 0; iret`, with DS at the local APIC.
const HANDLE: &[u8] =
    &[0x26, 0xFF, 0x06, 0x00, 0x05, 0x66, 0xC7, 0x06, 0xB0, 0x00, 0x00, 0x00, 0x00, 0x00, 0xCF];

/// Time that one kind of event takes.
#[derive(Debug)]
pub(crate) struct LatencyResult {
    pub(crate) name: &'static str,
    pub(crate) nanoseconds: Samples,
}

struct Machine {
    partition: Partition,
    memory: GuestMemory,
    vp: Processor,
}

impl Machine {
    fn new(code: &[u8]) -> anyhow::Result<Self> {
        let partition = Partition::builder().processors(1).apic(ApicMode::XApic).build()?;
        let memory = GuestMemory::new(MEMORY_SIZE)?;
        memory.write(CODE, code)?;
        memory.write(u64::from(VECTOR) * 4, &(HANDLER as u32).to_le_bytes())?;
        memory.write(HANDLER, HANDLE)?;
        let rights = MapFlags::READ | MapFlags::WRITE | MapFlags::EXECUTE;
        partition.map(&memory, 0, Gpa(0), MEMORY_SIZE, rights)?;
        let vp = partition.create_vp(VpIndex(0))?;
        let mut page = vp.apic_page()?;
        page[0xF0..0xF4].copy_from_slice(&0x1FF_u32.to_le_bytes());
        vp.set_apic_page(&page)?;
        let segment = |base, attributes| SegmentRegister { base, limit: 0xFFFF, selector: 0, attributes };
        vp.set_registers(&[
            (Name::CS, segment(0, 0x9B).into()),
            (Name::DS, segment(APIC, 0x93).into()),
            (Name::ES, segment(0, 0x93).into()),
            (Name::SS, segment(0, 0x93).into()),
            (Name::RSP, 0x8000.into()),
            (Name::RIP, CODE.into()),
        ])?;
        Ok(Self { partition, memory, vp })
    }

    fn word(&self) -> anyhow::Result<u16> {
        let mut bytes = [0; 2];
        self.memory.read(WORD, &mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    /// Runs the guest on a thread of its own while `work` is done on this one.
    fn with_guest<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        std::thread::scope(|scope| {
            let guest = scope.spawn(|| self.vp.run());
            let result = work();
            self.vp.cancel();
            match guest.join() {
                Ok(Ok(exit)) if exit.reason == ExitReason::Canceled => result,
                Ok(Ok(exit)) => bail!("unexpected exit {:?} at {:#x}", exit.reason, exit.vp.rip),
                Ok(Err(error)) => Err(error.into()),
                Err(_) => bail!("the guest's thread panicked"),
            }
        })
    }

    /// Sends `count` events with `send` and waits each time until the guest's handler has run; nanoseconds for one.
    fn time_handler(&self, count: u32, send: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<f64> {
        self.with_guest(|| {
            let start = Instant::now();
            for _ in 0..count {
                let before = self.word()?;
                let sent = Instant::now();
                send()?;
                while self.word()? == before {
                    std::thread::yield_now();
                    if sent.elapsed() > PATIENCE {
                        bail!("the guest's handler did not run");
                    }
                }
            }
            Ok(per_event(start, count))
        })
    }

    /// Waits for `count` rings; nanoseconds from one to the next.
    fn time_rings(&self, count: u32, event: &Event) -> anyhow::Result<f64> {
        self.with_guest(|| {
            let start = Instant::now();
            for _ in 0..count {
                let fd = event.as_fd();
                let limit = rustix::event::Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
                if rustix::event::poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit))? == 0 {
                    bail!("the guest did not ring");
                }
                event.take()?;
                self.memory.write(WORD, &[0, 0])?;
            }
            Ok(per_event(start, count))
        })
    }
}

fn per_event(start: Instant, count: u32) -> f64 {
    start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

fn doorbell(count: u32) -> anyhow::Result<f64> {
    let machine = Machine::new(RING)?;
    let event = create_event()?;
    machine
        .partition
        .register_doorbell(DoorbellMatch { gpa: Gpa(BELL), length: None, value: None }, &event)?;
    machine.time_rings(count, &event)
}

fn request() -> InterruptRequest {
    InterruptRequest { vector: u32::from(VECTOR), ..InterruptRequest::default() }
}

fn trigger(count: u32) -> anyhow::Result<f64> {
    let machine = Machine::new(WAIT)?;
    let (_, event) = machine.partition.create_trigger(TriggerAction::Interrupt(request()))?;
    machine.time_handler(count, || {
        event.signal();
        Ok(())
    })
}

fn interrupt(count: u32) -> anyhow::Result<f64> {
    let machine = Machine::new(WAIT)?;
    machine.time_handler(count, || Ok(machine.partition.request_interrupt(request())?))
}

/// A row: its name, and what takes a number of events and gives the nanoseconds for one.
type Row = (&'static str, fn(u32) -> anyhow::Result<f64>);

/// Measures every kind of event, round by round; a kind that fails is left out and named in `failures`.
pub(crate) fn measure(rounds: u32, quick: bool, failures: &mut Vec<String>) -> Vec<LatencyResult> {
    let count = if quick { 200 } else { 5_000 };
    let rows: [Row; 3] = [("doorbell", doorbell), ("trigger", trigger), ("interrupt", interrupt)];
    let mut results: Vec<_> =
        rows.iter().map(|(name, _)| LatencyResult { name, nanoseconds: Samples::default() }).collect();
    for _ in 0..rounds {
        for ((name, time), result) in rows.iter().zip(&mut results) {
            match time(count) {
                Ok(nanoseconds) => result.nanoseconds.push(nanoseconds),
                Err(error) => failures.push(format!("{name}: {error:#}")),
            }
        }
    }
    results
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_row_measures_something() {
        let mut failures = Vec::new();
        let results = super::measure(1, true, &mut failures);
        assert!(failures.is_empty(), "{failures:?}");
        assert!(results.iter().all(|result| result.nanoseconds.min().is_some_and(|ns| ns > 0.0)));
    }
}
