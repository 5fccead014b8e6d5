//! The machine around the processors: devices, their places in port and memory space, and the wiring of
//! their interrupts.
//!
//! All devices live behind one lock, [`Machine::devices`]. A processor's thread takes it for each
//! access; the clock, input and I/O threads take it to let time, input and work for queues arrive. After anything that
//! may have moved an interrupt line, `Devices::settle` carries the change to the interrupt controllers
//! and from there to the local APICs.

use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use openwhp::DestinationMode;
use openwhp::Gpa;
use openwhp::InterruptKind;
use openwhp::InterruptRequest;
use openwhp::MmioBus;
use openwhp::Partition;
use openwhp::PortBus;
use openwhp::TriggerMode;
use openwhp::VpCanceller;
use openwhp_devices::DeliveryMode;
use openwhp_devices::GuestRam;
use openwhp_devices::InterruptMessage;
use openwhp_devices::i8042::I8042;
use openwhp_devices::i8042::Request;
use openwhp_devices::ioapic::IoApic;
use openwhp_devices::ioapic::PINS;
use openwhp_devices::pci::ECAM_LENGTH;
use openwhp_devices::pci::PciBus;
use openwhp_devices::pci::PciFunction;
use openwhp_devices::pic::PicPair;
use openwhp_devices::pit::Pit;
use openwhp_devices::pm;
use openwhp_devices::pm::PowerManagement;
use openwhp_devices::pm::ResetControl;
use openwhp_devices::rtc::Rtc;
use openwhp_devices::serial::Uart;
use openwhp_devices::testdev::TestDevice;
use openwhp_devices::virtio::VirtioDevice;
use openwhp_devices::virtio::pci::BAR_LENGTH;
use openwhp_devices::virtio::pci::VirtioPci;

use crate::acpi;
use crate::boot::Ram;
use crate::console::Console;
use crate::layout;
use crate::outcome::Ending;
use crate::outcome::Outcome;

mod wires;

use wires::Waiting;
use wires::Wires;

const LINE_TIMER: usize = 0;
const LINE_KEYBOARD: usize = 1;
const LINE_SERIAL: usize = 4;
const LINE_CLOCK: usize = 8;
const SERIAL: u16 = 0x3f8;
const RESET_CONTROL: u16 = 0xcf9;
/// The I/O APIC pin that the timer's line 0 is wired to.
const TIMER_PIN: usize = 2;

/// Everything behind the lock.
#[derive(Debug)]
pub struct Devices {
    ram: Ram,
    io_apic: IoApic,
    pic: PicPair,
    pit: Pit,
    rtc: Rtc,
    pm: PowerManagement,
    reset_control: ResetControl,
    keyboard: I8042,
    uart: Uart,
    /// The PCI bus.
    pub pci: PciBus,
    console: Arc<Console>,
    test_device: Option<TestDevice>,
    debug_exit: Option<u16>,
    ending: Arc<Ending>,
    partition: Partition,
    first_vp: Option<VpCanceller>,
    lines: [bool; PINS],
    /// The timer has ticked: its line is high between ticks.
    is_timer_high: bool,
    messages: Vec<InterruptMessage>,
    deadline_ns: Option<u64>,
    /// Absent in deterministic runs.
    wires: Option<Wires>,
}

/// What a machine is made from.
#[derive(Debug)]
pub struct Parts {
    /// Guest memory.
    pub ram: Ram,
    /// The partition that runs the guest.
    pub partition: Partition,
    /// The console.
    pub console: Arc<Console>,
    /// Where the run's end is reported.
    pub ending: Arc<Ending>,
    /// A port that ends the run with the byte written to it.
    pub debug_exit: Option<u16>,
    /// The device for test suites is there.
    pub has_test_device: bool,
    /// Wall-clock time at the guest's time 0, in Unix seconds.
    pub unix_seconds: i64,
    /// Whether queues are served by a thread of their own, see [`Machine::serve_queues`].
    pub has_io_thread: bool,
}

/// The devices with their lock and the clock thread's bell.
#[derive(Debug)]
pub struct Machine {
    devices: Mutex<Devices>,
    deadline_moved: Condvar,
    partition: Partition,
    waiting: Option<Arc<Waiting>>,
}

impl Machine {
    /// Builds the machine without PCI functions.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let partition = parts.partition.clone();
        // Without descriptors the processors serve the queues, as in deterministic runs.
        let wires = if parts.has_io_thread { Wires::new(partition.clone()).ok() } else { None };
        let waiting = wires.as_ref().map(Wires::waiting);
        let devices = Devices {
            ram: parts.ram,
            io_apic: IoApic::new(0),
            pic: PicPair::new(),
            pit: Pit::new(),
            rtc: Rtc::new(parts.unix_seconds),
            pm: PowerManagement::new(),
            reset_control: ResetControl::default(),
            keyboard: I8042::new(),
            uart: Uart::new(),
            pci: PciBus::new(),
            console: parts.console,
            test_device: parts.has_test_device.then(TestDevice::new),
            debug_exit: parts.debug_exit,
            ending: parts.ending,
            partition: parts.partition,
            first_vp: None,
            lines: [false; PINS],
            is_timer_high: false,
            messages: Vec::new(),
            deadline_ns: None,
            wires,
        };
        Self { devices: Mutex::new(devices), deadline_moved: Condvar::new(), partition, waiting }
    }

    /// Takes the lock.
    pub fn devices(&self) -> MutexGuard<'_, Devices> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Guest time in nanoseconds.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.partition.guest_time_ns()
    }

    /// Runs `f` on the devices at the present guest time, then carries interrupts on.
    pub fn access<T>(&self, f: impl FnOnce(&mut Bus<'_>) -> T) -> T {
        let mut devices = self.devices();
        let now_ns = self.now_ns();
        devices.pass_time(now_ns);
        let result = f(&mut Bus { devices: &mut devices, now_ns });
        self.finish(&mut devices);
        result
    }

    /// Lets the devices see what has happened outside: time, input, network frames.
    pub fn poll(&self) {
        self.access(|bus| bus.devices.poll_functions());
    }

    /// Ends a level-triggered interrupt.
    pub fn end_of_interrupt(&self, vector: u8) {
        self.access(|bus| {
            let devices = &mut *bus.devices;
            devices.io_apic.end_of_interrupt(vector, &mut devices.messages);
        });
    }

    /// Guest time of the next thing a device does by itself.
    #[must_use]
    pub fn deadline_ns(&self) -> Option<u64> {
        self.devices().deadline_ns
    }

    /// Lets guest time do its work until the run ends. This is the body of the clock thread.
    pub fn keep_time(&self, ending: &Ending) {
        let mut devices = self.devices();
        while !ending.is_over() {
            let now_ns = self.now_ns();
            devices.pass_time(now_ns);
            self.finish(&mut devices);
            let wait = devices.deadline_ns.map_or(u64::MAX, |deadline| deadline.saturating_sub(now_ns));
            // At most a quarter of a second, so that the end of a run is noticed.
            let wait = std::time::Duration::from_nanos(wait.min(250_000_000));
            let waited = self.deadline_moved.wait_timeout(devices, wait);
            devices = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Serves queues when their doorbells ring, until the run ends. This is the body of the I/O thread.
    pub fn serve_queues(&self, ending: &Ending) {
        let Some(waiting) = &self.waiting else { return };
        while !ending.is_over() {
            let rung = waiting.wait();
            if !rung.is_empty() {
                self.access(|bus| bus.devices.serve(rung));
            }
        }
    }

    /// Wakes the clock and I/O threads.
    pub fn wake_threads(&self) {
        self.deadline_moved.notify_all();
        if let Some(waiting) = &self.waiting {
            waiting.wake();
        }
    }

    fn finish(&self, devices: &mut Devices) {
        devices.settle();
        let deadline = devices.next_deadline_ns();
        if core::mem::replace(&mut devices.deadline_ns, deadline) != deadline {
            self.deadline_moved.notify_all();
        }
    }
}

impl Devices {
    /// Names the processor that takes interrupts of the 8259 pair.
    pub fn set_first_processor(&mut self, canceller: VpCanceller) {
        self.first_vp = Some(canceller);
    }

    /// Adds a virtio device to the bus.
    ///
    /// # Errors
    /// When the bus is full.
    pub fn add_virtio<D: VirtioDevice + 'static>(&mut self, device: D) -> Result<usize, &'static str> {
        let slot = *self.pci.slots().end() as u8 + 1;
        let bar = layout::PCI_WINDOW as u32 + u32::from(slot) * BAR_LENGTH;
        let function = VirtioPci::new(device, bar, acpi::gsi_of_slot(slot));
        self.pci.add(Box::new(function)).map_err(|_| "too many devices: the PCI bus has 31 slots")
    }

    /// Whether the 8259 pair asks for an interrupt.
    #[must_use]
    pub fn has_pic_interrupt(&self) -> bool {
        self.pic.has_interrupt()
    }

    /// Whether an I/O APIC pin passes the 8259 pair's interrupts on.
    #[must_use]
    pub fn io_apic_accepts_ext_int(&self) -> bool {
        self.io_apic.accepts_ext_int()
    }

    /// Takes the vector of the 8259 pair's interrupt.
    pub fn acknowledge_pic(&mut self) -> u8 {
        self.pic.acknowledge()
    }

    /// Serves queues that were rung.
    fn serve(&mut self, queues: Vec<(usize, u16)>) {
        let rung = self.wires.as_ref().map(|wires| wires.take_rung(queues)).unwrap_or_default();
        for (slot, queue) in rung {
            if let Some(function) = self.pci.function(slot) {
                function.ring(queue, &self.ram);
            }
        }
    }

    /// Serves what the guest has asked for before it ends.
    fn serve_everything(&mut self) {
        let queues = self.wires.as_ref().map(Wires::names).unwrap_or_default();
        self.serve(queues);
    }

    fn poll_functions(&mut self) {
        for (_, function) in self.pci.functions() {
            function.poll(&self.ram);
        }
    }

    /// Moves devices with a clock to `now_ns`.
    fn pass_time(&mut self, now_ns: u64) {
        if self.pit.advance(now_ns) > 0 {
            // The line is high for all but one clock of a period; what matters is the rising edge.
            self.set_line(LINE_TIMER, false);
            self.set_line(LINE_TIMER, true);
            self.is_timer_high = true;
        }
        self.rtc.advance(now_ns);
        self.pm.advance(now_ns);
    }

    fn next_deadline_ns(&self) -> Option<u64> {
        [self.pit.next_deadline_ns(), self.rtc.next_deadline_ns()].into_iter().flatten().min()
    }

    /// Carries interrupt lines to the controllers, and messages to the local APICs.
    fn settle(&mut self) {
        self.feed_uart();
        let mut wanted = [false; PINS];
        wanted[LINE_TIMER] = self.is_timer_high;
        wanted[LINE_KEYBOARD] = self.keyboard.interrupt();
        wanted[LINE_SERIAL] = self.uart.interrupt();
        wanted[LINE_CLOCK] = self.rtc.interrupt();
        wanted[usize::from(acpi::SCI)] = self.pm.interrupt();
        for (slot, function) in self.pci.functions() {
            wanted[usize::from(acpi::gsi_of_slot(slot as u8))] |= function.interrupt_line();
            if self.wires.is_none() {
                function.take_messages(&mut self.messages);
            }
        }
        if let Some(device) = &self.test_device {
            for (wanted, line) in wanted.iter_mut().zip(device.lines()) {
                *wanted |= line;
            }
        }
        if let Some(wires) = &mut self.wires {
            wires.send(&mut self.pci, &mut self.messages);
            wires.place_bells(&mut self.pci);
        }
        for (line, asserted) in wanted.into_iter().enumerate() {
            if asserted != self.lines[line] {
                self.set_line(line, asserted);
            }
        }
        for message in core::mem::take(&mut self.messages) {
            self.send(message);
        }
    }

    fn set_line(&mut self, line: usize, asserted: bool) {
        self.lines[line] = asserted;
        let pin = if line == LINE_TIMER { TIMER_PIN } else { line };
        self.io_apic.set_line(pin, asserted, &mut self.messages);
        if line < 16 {
            self.pic.set_line(line as u8, asserted);
            if asserted && self.pic.has_interrupt() {
                self.call_first_processor();
            }
        }
    }

    fn send(&mut self, message: InterruptMessage) {
        match request_of(&message) {
            // A guest may program a vector below 16; the interrupt is then lost, as it is on a real bus.
            Some(request) => drop(self.partition.request_interrupt(request)),
            // The vector comes from the 8259 pair, which the first processor looks at before it runs.
            None if message.delivery == DeliveryMode::ExtInt => self.call_first_processor(),
            None => {}
        }
    }

    fn call_first_processor(&self) {
        if let Some(vp) = &self.first_vp {
            vp.cancel();
        }
    }

    /// Moves console input into the UART while it has room.
    fn feed_uart(&mut self) {
        let room = self.uart.room();
        if room > 0 {
            let bytes = self.console.serial_input(room);
            self.uart.receive(&bytes);
        }
    }

    fn read_port_byte(&mut self, port: u16, now_ns: u64) -> u8 {
        match port {
            SERIAL..=0x3ff => self.uart.read(port - SERIAL),
            RESET_CONTROL => self.reset_control.read(),
            pm::BASE..0x610 => self.pm.read(port - pm::BASE, now_ns),
            _ if Pit::owns_port(port) => self.pit.read(port, now_ns),
            _ if PicPair::owns_port(port) => self.pic.read(port),
            _ if Rtc::owns_port(port) => self.rtc.read(port, now_ns),
            _ if I8042::owns_port(port) => self.keyboard.read(port),
            _ => 0xff,
        }
    }

    fn write_port_byte(&mut self, port: u16, value: u8, now_ns: u64) {
        match port {
            SERIAL..=0x3ff => {
                if let Some(byte) = self.uart.write(port - SERIAL, value) {
                    self.console.serial_output(byte);
                }
            }
            RESET_CONTROL => {
                let is_asked = self.reset_control.write(value);
                self.reset_if(is_asked);
            }
            pm::BASE..0x610 => {
                self.pm.write(port - pm::BASE, value, now_ns);
                if self.pm.is_off_requested() {
                    self.serve_everything();
                    self.ending.end(Outcome::PowerOff);
                }
            }
            _ if Pit::owns_port(port) => self.pit.write(port, value, now_ns),
            _ if PicPair::owns_port(port) => self.write_pic(port, value),
            _ if Rtc::owns_port(port) => self.rtc.write(port, value, now_ns),
            _ if I8042::owns_port(port) => {
                let request = self.keyboard.write(port, value);
                self.reset_if(request == Request::Reset);
            }
            _ => {}
        }
    }

    fn reset_if(&mut self, is_asked: bool) {
        if is_asked {
            self.serve_everything();
            self.ending.end(Outcome::Reset);
        }
    }

    fn write_pic(&mut self, port: u16, value: u8) {
        self.pic.write(port, value);
        if self.pic.has_interrupt() {
            self.call_first_processor();
        }
    }
}

/// The request that a message makes; `None` for messages that go elsewhere.
fn request_of(message: &InterruptMessage) -> Option<InterruptRequest> {
    let kind = match message.delivery {
        DeliveryMode::Fixed => InterruptKind::Fixed,
        DeliveryMode::LowestPriority => InterruptKind::LowestPriority,
        DeliveryMode::Nmi => InterruptKind::Nmi,
        DeliveryMode::Init => InterruptKind::Init,
        DeliveryMode::ExtInt | DeliveryMode::Smi => return None,
    };
    let has_vector = matches!(kind, InterruptKind::Fixed | InterruptKind::LowestPriority);
    Some(InterruptRequest {
        kind,
        destination_mode: if message.is_logical {
            DestinationMode::Logical
        } else {
            DestinationMode::Physical
        },
        trigger: if message.is_level { TriggerMode::Level } else { TriggerMode::Edge },
        destination: message.destination,
        vector: if has_vector { u32::from(message.vector) } else { 0 },
    })
}

/// The devices at one moment, as the processors' accesses see them.
#[derive(Debug)]
pub struct Bus<'a> {
    devices: &'a mut Devices,
    now_ns: u64,
}

impl PortBus for Bus<'_> {
    fn read(&mut self, port: u16, data: &mut [u8]) {
        let is_reset = port == RESET_CONTROL && data.len() == 1;
        if PciBus::owns_port(port) && !is_reset {
            self.devices.pci.read_port(port, data);
            return;
        }
        if let Some(device) = &self.devices.test_device
            && TestDevice::owns_port(port)
        {
            device.read_port(port, data);
            return;
        }
        for (index, byte) in data.iter_mut().enumerate() {
            *byte = self.devices.read_port_byte(port.wrapping_add(index as u16), self.now_ns);
        }
    }

    fn write(&mut self, port: u16, data: &[u8]) {
        if self.devices.debug_exit == Some(port) {
            self.devices.serve_everything();
            self.devices.ending.end(Outcome::DebugExit(data.first().copied().unwrap_or(0)));
            return;
        }
        let is_reset = port == RESET_CONTROL && data.len() == 1;
        if PciBus::owns_port(port) && !is_reset {
            let devices = &mut *self.devices;
            devices.pci.write_port(port, data, &devices.ram);
            return;
        }
        if let Some(device) = &mut self.devices.test_device
            && TestDevice::owns_port(port)
        {
            device.write_port(port, data);
            return;
        }
        for (index, byte) in data.iter().enumerate() {
            self.devices.write_port_byte(port.wrapping_add(index as u16), *byte, self.now_ns);
        }
    }
}

/// [`Bus`] with ordinary memory: what the instruction emulator asks.
#[derive(Debug)]
pub struct WholeBus<'a, 'b>(pub &'a mut Bus<'b>);

impl MmioBus for WholeBus<'_, '_> {
    fn read(&mut self, gpa: Gpa, data: &mut [u8]) {
        if self.0.devices.ram.read(gpa.0, data).is_err() {
            MmioBus::read(self.0, gpa, data);
        }
    }

    fn write(&mut self, gpa: Gpa, data: &[u8]) {
        if self.0.devices.ram.write(gpa.0, data).is_err() {
            MmioBus::write(self.0, gpa, data);
        }
    }
}

impl PortBus for WholeBus<'_, '_> {
    fn read(&mut self, port: u16, data: &mut [u8]) {
        PortBus::read(self.0, port, data);
    }

    fn write(&mut self, port: u16, data: &[u8]) {
        PortBus::write(self.0, port, data);
    }
}

impl MmioBus for Bus<'_> {
    fn read(&mut self, gpa: Gpa, data: &mut [u8]) {
        data.fill(0xff);
        let devices = &mut *self.devices;
        match gpa.0 {
            layout::IO_APIC..0xfec0_1000 => {
                let word = devices.io_apic.read(gpa.0 & 0xff0).to_le_bytes();
                let start = (gpa.0 & 0xf) as usize;
                for (byte, index) in data.iter_mut().zip(start..) {
                    *byte = word.get(index).copied().unwrap_or(0);
                }
            }
            layout::ECAM..0xe010_0000 => devices.pci.read_ecam(gpa.0 - layout::ECAM, data),
            _ if TestDevice::owns_address(gpa.0) => {
                if let Some(device) = &devices.test_device {
                    device.read(gpa.0, data);
                }
            }
            _ => {
                if let Some((function, offset)) = locate(&mut devices.pci, gpa.0) {
                    function.read_bar(offset, data);
                }
            }
        }
    }

    fn write(&mut self, gpa: Gpa, data: &[u8]) {
        let devices = &mut *self.devices;
        match gpa.0 {
            layout::IO_APIC..0xfec0_1000 => {
                if gpa.0 & 0xf == 0 {
                    let mut word = [0; 4];
                    let len = data.len().min(4);
                    word[..len].copy_from_slice(&data[..len]);
                    devices.io_apic.write(gpa.0 & 0xff0, u32::from_le_bytes(word), &mut devices.messages);
                }
            }
            layout::ECAM..0xe010_0000 => {
                devices.pci.write_ecam(gpa.0 - layout::ECAM, data, &devices.ram);
            }
            _ if TestDevice::owns_address(gpa.0) => {
                if let Some(device) = &mut devices.test_device {
                    device.write(gpa.0, data);
                }
            }
            _ => {
                if let Some((function, offset)) = locate(&mut devices.pci, gpa.0) {
                    function.write_bar(offset, data, &devices.ram);
                }
            }
        }
    }
}

const _: () = assert!(layout::ECAM + ECAM_LENGTH == 0xe010_0000);

fn locate(pci: &mut PciBus, gpa: u64) -> Option<(&mut (dyn PciFunction + '_), u64)> {
    let (slot, offset) = pci.decode(gpa)?;
    Some((pci.function(slot)?, offset))
}

#[cfg(test)]
mod tests;
