//! `openwhp run`: puts a machine together, runs it, and starts it again when the guest resets.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use std::time::SystemTime;

use openwhp::ApicMode;
use openwhp::ClockMode;
use openwhp::Gpa;
use openwhp::GuestMemory;
use openwhp::MapFlags;
use openwhp::Partition;
use openwhp::Processor;
use openwhp::Property;
use openwhp::VpIndex;
use openwhp_devices::virtio::block::Block;
use openwhp_devices::virtio::console::Console as ConsoleDevice;
use openwhp_devices::virtio::entropy::Entropy;
use openwhp_devices::virtio::net::Net;

use crate::acpi;
use crate::boot;
use crate::boot::Payload;
use crate::boot::Ram;
use crate::cli::RunOptions;
use crate::cli::Serial;
use crate::console::Console;
use crate::console::Sink;
use crate::console::VirtioEnd;
use crate::debug::control::Control;
#[cfg(feature = "gdb")]
use crate::debug::server::Server;
use crate::disk::Disk;
use crate::input::InputLoop;
use crate::input::Keyboard;
use crate::layout;
use crate::machine::Machine;
use crate::machine::Parts;
use crate::outcome::EndOnPanic;
use crate::outcome::Ending;
use crate::outcome::Outcome;
use crate::processor::TimeKeeper;
use crate::processor::VpLoop;
use crate::random::Randomness;
use crate::terminal::EscapeFilter;
use crate::terminal::RawMode;
use crate::trace::ExitTrace;
use crate::usernet;
use crate::usernet::UserNet;
use crate::wake::Wake;

/// The built-in guest, when the build had a C compiler.
#[cfg(builtin_guest)]
pub const BUILTIN_GUEST: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/builtin.elf")));
/// The built-in guest, when the build had a C compiler.
#[cfg(not(builtin_guest))]
pub const BUILTIN_GUEST: Option<&[u8]> = None;

/// Instructions per microsecond of guest time in deterministic runs.
const DETERMINISTIC_RATE: u32 = 100;
/// What deterministic guests find on the calendar: 1 January 2026.
const DETERMINISTIC_UNIX_SECONDS: i64 = 1_767_225_600;

/// Everything that lasts from one boot of a run to the next.
struct Session<'a> {
    options: &'a RunOptions,
    payload: Payload,
    disks: Vec<Disk>,
    console: Arc<Console>,
    wake: Wake,
    ending: Arc<Ending>,
    trace: Option<Arc<ExitTrace>>,
    debug: Option<Arc<Control>>,
}

/// Runs a guest to its end.
///
/// # Errors
/// One line that says what cannot be used; nothing has been written then.
pub fn run(options: &RunOptions) -> Result<Outcome, String> {
    let payload = payload(options)?;
    let disks: Vec<Disk> = options
        .disks
        .iter()
        .map(|disk| Disk::open(disk).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    // The first boot's memory is filled before anything is written, so that a kernel which does not fit leaves no trace.
    let mut boot = Some(Boot::prepare(options, &payload)?);
    let wake = Wake::new().map_err(|error| format!("cannot make an event descriptor: {error}"))?;
    let console = Arc::new(Console::new(sink(&options.serial)?, wake.clone()));
    let ending = Arc::new(Ending::new());
    watch_signals(&ending)?;
    let trace = ExitTrace::open(&options.trace)?.map(Arc::new);
    #[cfg(feature = "gdb")]
    let server = match &options.gdb {
        Some(address) => Some(Server::start(address, options.is_paused, &ending)?),
        None => None,
    };
    #[cfg(feature = "gdb")]
    let debug = server.as_ref().map(Server::control);
    #[cfg(not(feature = "gdb"))]
    let debug = None;
    let session = Session { options, payload, disks, console, wake, ending, trace, debug };
    let is_stdio = options.serial == Serial::Stdio;
    let raw_mode = if is_stdio { RawMode::enter() } else { None };
    let mut keyboard = is_stdio.then(|| Keyboard { escape: raw_mode.is_some().then(EscapeFilter::default) });
    if raw_mode.is_some() {
        eprintln!("openwhp: Ctrl-A x leaves the console");
    }
    let deadline = options.timeout.map(|limit| Instant::now() + limit);
    let outcome = loop {
        let prepared = match boot.take() {
            Some(prepared) => prepared,
            None => Boot::prepare(options, &session.payload)?,
        };
        let (outcome, left) = session.boot(prepared, keyboard, deadline)?;
        keyboard = left;
        if outcome != Outcome::Reset || !options.reboots {
            break outcome;
        }
        session.ending.restart();
    };
    #[cfg(feature = "gdb")]
    if let Some(server) = server {
        server.finish(outcome.status());
    }
    drop(raw_mode);
    if let Some(trace) = &session.trace {
        trace.finish();
    }
    explain(&outcome, options);
    Ok(outcome)
}

/// Says on standard error what a status alone does not.
fn explain(outcome: &Outcome, options: &RunOptions) {
    match outcome {
        Outcome::Died(report) => eprintln!("openwhp: {}", report.trim_end()),
        Outcome::Timeout => {
            let limit = options.timeout.unwrap_or_default().as_secs_f64();
            eprintln!("openwhp: the time limit of {limit} s was reached");
        }
        Outcome::Left => eprintln!("\nopenwhp: left the console; the guest was stopped"),
        Outcome::Killed => eprintln!("openwhp: the debugger ended the run"),
        Outcome::Signal(number) => eprintln!("openwhp: stopped by signal {number}"),
        Outcome::PowerOff | Outcome::Reset | Outcome::DebugExit(_) => {}
    }
}

fn payload(options: &RunOptions) -> Result<Payload, String> {
    let kernel = match &options.kernel {
        Some(path) => read(path)?,
        None => BUILTIN_GUEST
            .ok_or("this build has no built-in guest; give --kernel FILE, or build again with gcc installed")?
            .to_vec(),
    };
    if let Some(path) = &options.kernel {
        boot::recognise(&kernel).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let initrd = options.initrd.as_deref().map(read).transpose()?;
    Ok(Payload { kernel, initrd, command_line: options.command_line.clone() })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| boot::unreadable(path, &error))
}

fn sink(serial: &Serial) -> Result<Sink, String> {
    Ok(match serial {
        Serial::Stdio => Sink::Stdout,
        Serial::None => Sink::None,
        Serial::File(path) => {
            let file = std::fs::File::create(path);
            Sink::File(file.map_err(|error| format!("cannot write {}: {error}", path.display()))?)
        }
    })
}

/// Turns the signals that end a process into the end of the run, so that the terminal is restored.
fn watch_signals(ending: &Arc<Ending>) -> Result<(), String> {
    use signal_hook::consts::SIGHUP;
    use signal_hook::consts::SIGINT;
    use signal_hook::consts::SIGTERM;
    let signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM]);
    let mut signals = signals.map_err(|error| format!("cannot watch for signals: {error}"))?;
    let ending = Arc::clone(ending);
    let watch = move || {
        for number in signals.forever() {
            ending.end(Outcome::Signal(number as u8));
        }
    };
    let spawned = std::thread::Builder::new().name("signals".to_owned()).spawn(watch);
    spawned.map(|_| ()).map_err(|error| format!("cannot start a thread: {error}"))
}

/// A guest loaded into a partition, without devices yet.
struct Boot {
    ram: Ram,
    partition: Partition,
    processors: Vec<Processor>,
}

impl Boot {
    fn prepare(options: &RunOptions, payload: &Payload) -> Result<Self, String> {
        let memory = GuestMemory::new(options.memory).map_err(|error| {
            format!("no host memory for a guest of {} MiB: {error}", options.memory >> 20)
        })?;
        let ram = Ram::new(memory);
        let loaded = boot::load(payload, &ram).map_err(|error| match &options.kernel {
            Some(path) => format!("{}: {error}", path.display()),
            None => error.to_string(),
        })?;
        acpi::put_tables(&ram, options.processors).map_err(|error| error.to_string())?;
        let partition = partition(options, &ram)?;
        let mut processors = Vec::new();
        for index in 0..options.processors {
            let vp = partition.create_vp(VpIndex(index));
            processors.push(vp.map_err(|error| format!("cannot create processor {index}: {error}"))?);
        }
        if let Some(first) = processors.first() {
            let set = first.set_registers(&loaded.registers);
            set.map_err(|error| format!("cannot set the first processor's registers: {error}"))?;
        }
        Ok(Self { ram, partition, processors })
    }
}

fn partition(options: &RunOptions, ram: &Ram) -> Result<Partition, String> {
    let clock = if options.is_deterministic {
        ClockMode::Deterministic { instructions_per_us: DETERMINISTIC_RATE }
    } else {
        ClockMode::Host
    };
    let mut builder = Partition::builder()
        .engine(options.engine)
        .clock(clock)
        .processors(options.processors)
        .apic(ApicMode::X2Apic);
    if options.has_hyperv {
        let offered = openwhp::capabilities(options.engine).map_err(|error| error.to_string())?;
        builder = builder.property(Property::SyntheticProcessorFeaturesBanks(offered.synthetic_features));
    }
    let partition = builder.build().map_err(|error| format!("cannot create the guest: {error}"))?;
    let rights = MapFlags::READ | MapFlags::WRITE | MapFlags::EXECUTE;
    let high = layout::high_memory(ram.len());
    let map = |offset, gpa, len| {
        let mapped = partition.map(ram.memory(), offset, Gpa(gpa), len, rights);
        mapped.map_err(|error| format!("cannot map guest memory: {error}"))
    };
    map(0, 0, ram.low())?;
    if high > 0 {
        map(layout::LOW_MEMORY_END, layout::HIGH_MEMORY, high)?;
    }
    Ok(partition)
}

impl Session<'_> {
    /// Boots once, to the end of that boot.
    fn boot(
        &self,
        boot: Boot,
        keyboard: Option<Keyboard>,
        deadline: Option<Instant>,
    ) -> Result<(Outcome, Option<Keyboard>), String> {
        let Boot { ram, partition, processors } = boot;
        let machine = Arc::new(Machine::new(Parts {
            ram,
            partition: partition.clone(),
            console: Arc::clone(&self.console),
            ending: Arc::clone(&self.ending),
            debug_exit: self.options.debug_exit,
            has_test_device: self.options.has_test_device,
            unix_seconds: self.unix_seconds(),
            has_io_thread: !self.options.is_deterministic,
        }));
        let network = self.options.has_network.then(|| UserNet::new(self.wake.clone()));
        self.add_devices(&machine, network.as_ref())?;
        let input = InputLoop {
            wake: self.wake.clone(),
            machine: Arc::clone(&machine),
            console: Arc::clone(&self.console),
            ending: Arc::clone(&self.ending),
            network,
            keyboard,
        };
        let result = self.run_threads(&machine, &processors, input, deadline);
        if let Some(debug) = &self.debug {
            debug.end_boot();
        }
        partition.delete();
        result
    }

    fn run_threads(
        &self,
        machine: &Arc<Machine>,
        processors: &[Processor],
        input: InputLoop,
        deadline: Option<Instant>,
    ) -> Result<(Outcome, Option<Keyboard>), String> {
        let time_keeper =
            if self.options.is_deterministic { TimeKeeper::Alarms } else { TimeKeeper::ClockThread };
        if let Some(first) = processors.first() {
            machine.devices().set_first_processor(first.canceller());
        }
        for vp in processors {
            self.ending.add_processor(vp.canceller());
        }
        if let Some(debug) = &self.debug {
            debug.begin_boot(processors);
        }
        let ending = &*self.ending;
        std::thread::scope(|scope| {
            // A thread that cannot be started ends those that have been.
            let refused = |error: std::io::Error| {
                ending.end(Outcome::Left);
                format!("cannot start a thread: {error}")
            };
            let named = |name: String| std::thread::Builder::new().name(name);
            let wait_for_input = || {
                let _guard = EndOnPanic(ending);
                input.run()
            };
            let input = named("input".to_owned()).spawn_scoped(scope, wait_for_input).map_err(refused)?;
            let mut threads = Vec::new();
            if time_keeper == TimeKeeper::ClockThread {
                let keep_time = || {
                    let _guard = EndOnPanic(ending);
                    machine.keep_time(ending);
                };
                threads.push(named("clock".to_owned()).spawn_scoped(scope, keep_time).map_err(refused)?);
                let serve_queues = || {
                    let _guard = EndOnPanic(ending);
                    machine.serve_queues(ending);
                };
                threads.push(named("io".to_owned()).spawn_scoped(scope, serve_queues).map_err(refused)?);
            }
            for (index, vp) in processors.iter().enumerate() {
                let body = VpLoop {
                    vp: vp.clone(),
                    machine: Arc::clone(machine),
                    ending: Arc::clone(&self.ending),
                    is_first: index == 0,
                    time_keeper,
                    emulator: RefCell::default(),
                    trace: self.trace.clone(),
                    debug: self.debug.clone(),
                };
                let run = || {
                    let _guard = EndOnPanic(ending);
                    body.run();
                };
                threads.push(named(format!("vp {index}")).spawn_scoped(scope, run).map_err(refused)?);
            }
            let limit = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let outcome = ending.wait(limit);
            self.wake.ring();
            machine.wake_threads();
            if let Some(debug) = &self.debug {
                debug.wake();
            }
            // Joined here, a thread that panicked does not take this one along.
            threads.into_iter().for_each(|thread| drop(thread.join()));
            let keyboard = input.join().unwrap_or(None);
            Ok((outcome, keyboard))
        })
    }

    fn add_devices(&self, machine: &Machine, network: Option<&UserNet>) -> Result<(), String> {
        let randomness =
            if self.options.is_deterministic { Randomness::repeatable() } else { Randomness::Host };
        let mut devices = machine.devices();
        for (index, disk) in self.disks.iter().enumerate() {
            devices.add_virtio(Block::new(disk.clone(), &format!("disk{index}")))?;
        }
        if let Some(network) = network {
            devices.add_virtio(Net::new(network.card_end(), usernet::GUEST_MAC))?;
        }
        devices.add_virtio(ConsoleDevice::new(VirtioEnd(Arc::clone(&self.console))))?;
        devices.add_virtio(Entropy::new(randomness))?;
        Ok(())
    }

    fn unix_seconds(&self) -> i64 {
        if self.options.is_deterministic {
            return DETERMINISTIC_UNIX_SECONDS;
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
    }
}
