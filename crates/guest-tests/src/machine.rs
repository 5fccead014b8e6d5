//! A machine for one program: 64 MiB, some processors, three ports.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use openwhp::ApicMode;
use openwhp::ClockMode;
use openwhp::EngineChoice;
use openwhp::ExitReason;
use openwhp::Gpa;
use openwhp::GuestMemory;
use openwhp::MapFlags;
use openwhp::Partition;
use openwhp::PortBus;
use openwhp::Processor;
use openwhp::Property;
use openwhp::RegisterName as Name;
use openwhp::SegmentRegister;
use openwhp::VpIndex;
use openwhp::emulate;

use crate::Report;

const MEMORY_SIZE: u64 = 64 << 20;
const IMAGE: u64 = 1 << 20;
const TEXT_PORT: u16 = 0xE9;
const STATUS_PORT: u16 = 0xF4;

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The program wrote a status byte.
    Status(u8),
    /// A processor could not deliver an exception.
    TripleFault {
        /// Where.
        rip: u64,
    },
    /// The time was up.
    TimeOut,
    /// An exit no test program should cause, or a failure to run.
    Unexpected(String),
}

/// How to run a program.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Number of processors.
    pub processors: u32,
    /// The engine.
    pub engine: EngineChoice,
    /// Source of guest time.
    pub clock: ClockMode,
    /// Longest run on the host's clock.
    pub time_limit: Duration,
}

impl Default for Machine {
    /// One processor, any engine, the host's clock, two minutes.
    fn default() -> Self {
        Self {
            processors: 1,
            engine: EngineChoice::Auto,
            clock: ClockMode::Host,
            time_limit: Duration::from_secs(120),
        }
    }
}

impl Machine {
    /// Loads an image and runs it to its end.
    ///
    /// # Errors
    /// When the platform refuses the machine. What goes wrong later is the report's [`End`].
    pub fn run(&self, image: &[u8]) -> Result<Report> {
        let offered = openwhp::capabilities(self.engine)?.synthetic_features;
        let partition = Partition::builder()
            .engine(self.engine)
            .clock(self.clock)
            .processors(self.processors)
            .apic(ApicMode::X2Apic)
            .property(Property::SyntheticProcessorFeaturesBanks(offered))
            .build()?;
        let memory = GuestMemory::new(MEMORY_SIZE)?;
        memory.write(IMAGE, image)?;
        let rights = MapFlags::READ | MapFlags::WRITE | MapFlags::EXECUTE;
        partition.map(&memory, 0, Gpa(0), MEMORY_SIZE, rights)?;
        let processors: Vec<Processor> = (0..self.processors)
            .map(|index| partition.create_vp(VpIndex(index)))
            .collect::<Result<_, _>>()?;
        start_flat(&processors[0]).context("cannot set the first processor up")?;

        let console = Arc::new(Mutex::new(Console::default()));
        let (ended, first_end) = mpsc::channel();
        let threads: Vec<_> = processors
            .iter()
            .map(|vp| {
                let (vp, console, ended) = (vp.clone(), Arc::clone(&console), ended.clone());
                thread::spawn(move || {
                    if let Some(end) = run_processor(&vp, &console) {
                        // Nobody listens any more once the first end is known.
                        let _ = ended.send(end);
                    }
                })
            })
            .collect();
        let end = first_end.recv_timeout(self.time_limit).unwrap_or(End::TimeOut);
        lock(&console).is_over = true;
        processors.iter().for_each(Processor::cancel);
        for thread in threads {
            if thread.join().is_err() {
                return Ok(Report { text: lock(&console).take_text(), end: End::Unexpected("panic".into()) });
            }
        }
        Ok(Report { text: lock(&console).take_text(), end })
    }
}

/// Flat 32-bit protected mode at the image's entry, as a multiboot loader leaves it.
fn start_flat(vp: &Processor) -> Result<()> {
    let code = SegmentRegister { base: 0, limit: u32::MAX, selector: 0x8, attributes: 0xC09B };
    let data = SegmentRegister { base: 0, limit: u32::MAX, selector: 0x10, attributes: 0xC093 };
    vp.set_registers(&[
        (Name::CS, code.into()),
        (Name::DS, data.into()),
        (Name::ES, data.into()),
        (Name::SS, data.into()),
        (Name::FS, data.into()),
        (Name::GS, data.into()),
        (Name::CR0, 0x11.into()),
        (Name::RFLAGS, 2.into()),
        (Name::RAX, 0x2BAD_B002.into()),
        (Name::RIP, entry().into()),
    ])?;
    Ok(())
}

/// The image opens with the multiboot header; the code follows.
const fn entry() -> u64 {
    IMAGE + 32
}

/// The ports of the machine.
#[derive(Default)]
struct Console {
    text: Vec<u8>,
    status: Option<u8>,
    is_over: bool,
}

impl Console {
    fn take_text(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.text)).into_owned()
    }
}

impl PortBus for Console {
    fn read(&mut self, port: u16, data: &mut [u8]) {
        data.fill(if port == TEXT_PORT { TEXT_PORT as u8 } else { 0xFF });
    }

    fn write(&mut self, port: u16, data: &[u8]) {
        match port {
            TEXT_PORT => self.text.extend_from_slice(&data[..1]),
            STATUS_PORT => self.status = Some(data[0]),
            _ => {}
        }
    }
}

fn lock(console: &Mutex<Console>) -> std::sync::MutexGuard<'_, Console> {
    console.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one processor until the program, or the machine, ends; `None` when another one ended it.
fn run_processor(vp: &Processor, console: &Mutex<Console>) -> Option<End> {
    loop {
        let exit = match vp.run() {
            Ok(exit) => exit,
            Err(error) => return Some(End::Unexpected(format!("run failed: {error}"))),
        };
        match &exit.reason {
            ExitReason::IoPort(_) => {
                let mut console = lock(console);
                if let Err(error) = emulate::port(vp, &exit, &mut *console) {
                    return Some(End::Unexpected(format!("port access failed: {error}")));
                }
                if let Some(status) = console.status {
                    return Some(End::Status(status));
                }
            }
            ExitReason::ApicEoi(_) => {}
            ExitReason::Canceled if lock(console).is_over => return None,
            ExitReason::Canceled => {}
            ExitReason::UnrecoverableException => return Some(End::TripleFault { rip: exit.vp.rip }),
            other => return Some(End::Unexpected(format!("{other:?} at {:#x}", exit.vp.rip))),
        }
    }
}
