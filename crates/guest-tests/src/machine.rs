//! A machine for one program: 64 MiB, some processors, three ports.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use openwhp::ApicMode;
use openwhp::ClockMode;
use openwhp::EngineChoice;
use openwhp::Exit;
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
use crate::host::HOST_PORT;
use crate::host::Host;
use crate::host::Then;

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
    /// Mode of the local APICs. Without any, interrupts come by injection only, and there is no hypervisor interface.
    pub apic: ApicMode,
    /// The engine.
    pub engine: EngineChoice,
    /// Source of guest time.
    pub clock: ClockMode,
    /// Longest run on the host's clock.
    pub time_limit: Duration,
}

impl Default for Machine {
    /// One processor with an x2APIC, any engine, the host's clock, two minutes.
    fn default() -> Self {
        Self {
            processors: 1,
            apic: ApicMode::X2Apic,
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
        let mut builder = Partition::builder()
            .engine(self.engine)
            .clock(self.clock)
            .processors(self.processors)
            .apic(self.apic);
        if self.apic != ApicMode::None {
            let offered = openwhp::capabilities(self.engine)?.synthetic_features;
            builder = builder.property(Property::SyntheticProcessorFeaturesBanks(offered));
        }
        let partition = builder.build()?;
        let memory = GuestMemory::new(MEMORY_SIZE)?;
        memory.write(IMAGE, image)?;
        let rights = MapFlags::READ | MapFlags::WRITE | MapFlags::EXECUTE;
        partition.map(&memory, 0, Gpa(0), MEMORY_SIZE, rights)?;
        let processors: Vec<Processor> = (0..self.processors)
            .map(|index| partition.create_vp(VpIndex(index)))
            .collect::<Result<_, _>>()?;
        start_flat(&processors[0]).context("cannot set the first processor up")?;

        let host = Arc::new(Host::new(&partition, &memory, self.apic));
        let console = Arc::new(Mutex::new(Console::default()));
        let (ended, first_end) = mpsc::channel();
        let threads: Vec<_> = processors
            .iter()
            .map(|vp| {
                let (vp, ended) = (vp.clone(), ended.clone());
                let (host, console) = (Arc::clone(&host), Arc::clone(&console));
                thread::spawn(move || {
                    if let Some(end) = run_processor(&vp, &host, &console) {
                        // Nobody listens any more once the first end is known.
                        let _ = ended.send(end);
                    }
                })
            })
            .collect();
        let end = first_end.recv_timeout(self.time_limit).unwrap_or(End::TimeOut);
        lock(&console).is_over = true;
        processors.iter().for_each(Processor::cancel);
        let panicked = threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count();
        let end = if host.end() && panicked == 0 { end } else { End::Unexpected("panic".into()) };
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
fn run_processor(vp: &Processor, host: &Arc<Host>, console: &Mutex<Console>) -> Option<End> {
    loop {
        let exit = match host.run(vp) {
            Ok(exit) => exit,
            Err(error) => return Some(End::Unexpected(format!("run failed: {error:#}"))),
        };
        if exit.reason == ExitReason::Canceled && lock(console).is_over {
            return None;
        }
        match answer(vp, &exit, host, console) {
            Ok(None) => {}
            Ok(end) => return end,
            Err(error) => return Some(End::Unexpected(format!("{error:#} at {:#x}", exit.vp.rip))),
        }
    }
}

/// Answers an exit; says if it was the program's end.
fn answer(vp: &Processor, exit: &Exit, host: &Arc<Host>, console: &Mutex<Console>) -> Result<Option<End>> {
    match &exit.reason {
        ExitReason::IoPort(io) => {
            if io.port == HOST_PORT && io.is_write && host.call(vp, io.rax & 0xFFFF_FFFF)? == Then::Retry {
                return Ok(None);
            }
            let mut console = lock(console);
            emulate::port(vp, exit, &mut *console).context("port access failed")?;
            return Ok(console.status.map(End::Status));
        }
        ExitReason::ApicEoi(_) | ExitReason::Canceled => {}
        ExitReason::MemoryAccess(_) if host.access(vp, exit)? => {}
        ExitReason::InterruptWindow(kind) => host.window(vp, *kind)?,
        ExitReason::SynicSintDeliverable(sints) => host.deliverable(*sints),
        ExitReason::Halt if host.waits_for_interrupt(vp)? => {}
        ExitReason::UnrecoverableException => return Ok(Some(End::TripleFault { rip: exit.vp.rip })),
        other => bail!("{other:?}"),
    }
    Ok(None)
}
