//! Tests of the wiring, with a partition whose processors never run.

use openwhp::ApicMode;
use openwhp::GuestMemory;
use openwhp::MapFlags;
use openwhp_devices::GuestRam;
use openwhp_devices::testdev;
use openwhp_devices::virtio::block::Block;
use openwhp_devices::virtio::block::BlockBackend;
use openwhp_devices::virtio::console::Console as ConsoleDevice;
use openwhp_devices::virtio::entropy::Entropy;
use openwhp_devices::virtio::net::Net;

use super::*;
use crate::console::Sink;
use crate::console::VirtioEnd;
use crate::random::Randomness;
use crate::usernet;
use crate::usernet::UserNet;
use crate::wake::Wake;

const MEMORY: u64 = 16 << 20;

/// A disk of zeros that forgets what is written.
struct Zeros;

impl BlockBackend for Zeros {
    fn sectors(&self) -> u64 {
        2048
    }
    fn is_read_only(&self) -> bool {
        false
    }
    fn read_at(&mut self, _offset: u64, bytes: &mut [u8]) -> std::io::Result<()> {
        bytes.fill(0);
        Ok(())
    }
    fn write_at(&mut self, _offset: u64, _bytes: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Fixture {
    machine: Machine,
    partition: Partition,
    ram: Ram,
    ending: Arc<Ending>,
    /// The other end of the network card's cable.
    _network: UserNet,
}

fn fixture() -> Fixture {
    fixture_with(false)
}

fn fixture_with(has_io_thread: bool) -> Fixture {
    let memory = GuestMemory::new(MEMORY).expect("host memory");
    let partition =
        Partition::builder().processors(1).apic(ApicMode::X2Apic).build().expect("a plain partition");
    let rights = MapFlags::READ | MapFlags::WRITE | MapFlags::EXECUTE;
    partition.map(&memory, 0, Gpa(0), MEMORY, rights).expect("whole pages");
    partition.create_vp(openwhp::VpIndex(0)).expect("the first processor");
    let wake = Wake::new().expect("an event descriptor");
    let console = Arc::new(Console::new(Sink::None, wake.clone()));
    let ending = Arc::new(Ending::new());
    let ram = Ram::new(memory);
    let machine = Machine::new(Parts {
        ram: ram.clone(),
        partition: partition.clone(),
        console: Arc::clone(&console),
        ending: Arc::clone(&ending),
        debug_exit: Some(0xf4),
        has_test_device: true,
        unix_seconds: 0,
        has_io_thread,
    });
    let network = UserNet::new(wake);
    let mut devices = machine.devices();
    devices.add_virtio(Block::new(Zeros, "zeros")).expect("a free slot");
    devices.add_virtio(Net::new(network.card_end(), usernet::GUEST_MAC)).expect("a free slot");
    devices.add_virtio(ConsoleDevice::new(VirtioEnd(console))).expect("a free slot");
    devices.add_virtio(Entropy::new(Randomness::repeatable())).expect("a free slot");
    drop(devices);
    Fixture { machine, partition, ram, ending, _network: network }
}

fn port_in<const N: usize>(machine: &Machine, port: u16) -> [u8; N] {
    let mut bytes = [0; N];
    machine.access(|bus| PortBus::read(bus, port, &mut bytes));
    bytes
}

fn port_out(machine: &Machine, port: u16, bytes: &[u8]) {
    machine.access(|bus| PortBus::write(bus, port, bytes));
}

fn load(machine: &Machine, gpa: u64) -> u32 {
    let mut bytes = [0; 4];
    machine.access(|bus| MmioBus::read(bus, Gpa(gpa), &mut bytes));
    u32::from_le_bytes(bytes)
}

fn store(machine: &Machine, gpa: u64, value: u32) {
    machine.access(|bus| MmioBus::write(bus, Gpa(gpa), &value.to_le_bytes()));
}

#[test]
fn every_device_answers_at_its_place() {
    let Fixture { machine, .. } = fixture();
    assert_eq!(load(&machine, layout::ECAM), 0x0008_1b36);
    port_out(&machine, 0xcf8, &0x8000_0800_u32.to_le_bytes());
    assert_eq!(port_in::<4>(&machine, 0xcfc), [0xf4, 0x1a, 0x42, 0x10]);
    store(&machine, layout::IO_APIC, 1);
    assert_eq!(load(&machine, layout::IO_APIC + 0x10), 0x0017_0020);
    assert_eq!(port_in::<1>(&machine, 0x3fd), [0x60]);
    assert_eq!(port_in::<1>(&machine, 0x64)[0] & 1, 0);
    port_out(&machine, 0x70, &[0x0d]);
    assert_eq!(port_in::<1>(&machine, 0x71), [0x80]);
    assert_eq!(port_in::<2>(&machine, pm::BASE + pm::CONTROL), [1, 0]);
    assert_eq!(port_in::<4>(&machine, 0x1234), [0xff; 4]);
    assert_eq!(load(&machine, 0xd000_0000), 0xffff_ffff);
}

#[test]
fn a_write_to_cf9_resets_but_one_to_cf8_selects() {
    let Fixture { machine, ending, .. } = fixture();
    port_out(&machine, 0xcf8, &0x8000_0600_u32.to_le_bytes());
    assert!(!ending.is_over());
    port_out(&machine, 0xcf9, &[0x06]);
    assert_eq!(ending.wait(None), Outcome::Reset);
}

#[test]
fn the_debug_exit_port_ends_the_run() {
    let Fixture { machine, ending, .. } = fixture();
    port_out(&machine, 0xf4, &[0x2a]);
    assert_eq!(ending.wait(None), Outcome::DebugExit(0x2a));
}

#[test]
fn the_test_device_keeps_bytes_and_pulls_lines() {
    let Fixture { machine, .. } = fixture();
    port_out(&machine, 0xe0, &[1, 2, 3, 4]);
    assert_eq!(port_in::<2>(&machine, 0xe9), [2, 3]);
    store(&machine, testdev::MEMORY + 0xffc, 0x1234_5678);
    assert_eq!(load(&machine, testdev::MEMORY + 0xffc), 0x1234_5678);
    // Line 11 of the 8259 pair, by its request register.
    for (byte, port) in [(0x11, 0xa0), (0x70, 0xa1), (4, 0xa1), (1, 0xa1), (0x0a, 0xa0)] {
        port_out(&machine, port, &[byte]);
    }
    for _ in 0..2 {
        port_out(&machine, 0x2000 + 11, &1_u32.to_le_bytes());
        assert_eq!(port_in::<1>(&machine, 0xa0)[0] & 8, 8);
        // Poll mode takes the request; it comes again with the next edge only.
        port_out(&machine, 0xa0, &[0x0c]);
        assert_eq!(port_in::<1>(&machine, 0xa0)[0], 0x83);
        port_out(&machine, 0xa0, &[0x20]);
        assert_eq!(port_in::<1>(&machine, 0xa0)[0] & 8, 0);
        port_out(&machine, 0x2000 + 11, &0_u32.to_le_bytes());
    }
}

#[test]
fn random_accesses_never_panic() {
    const PORTS: [u16; 33] = [
        0xe0, 0xe9, 0x2003, 0x20, 0x21, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x92, 0xa0,
        0xa1, 0xf4, 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3ff, 0x4d0, 0x4d1, 0x600, 0x604, 0x608, 0xcf8,
        0xcf9, 0xcfc, 0xffff,
    ];
    let Fixture { machine, ram, .. } = fixture();
    let mut state = 0x853c_49e6_748f_ea9b_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..64 {
        let gpa = (random() % MEMORY) & !7;
        GuestRam::write(&ram, gpa, &random().to_le_bytes()).expect("inside of guest memory");
    }
    let mut accesses = 0_u32;
    for round in 0..60_000 {
        let len = [1, 2, 4, 8][random() as usize % 4];
        let value = if random() % 2 == 0 { random() } else { random() % 16 };
        let bytes = &value.to_le_bytes()[..len];
        let slot = random() % 6;
        let gpa = match random() % 5 {
            4 => testdev::MEMORY + random() % (testdev::MEMORY_LENGTH + 8),
            0 => layout::ECAM + (slot << 15) + random() % 0x104,
            1 => layout::IO_APIC + (random() % 5) * 0x10,
            // Common configuration, notification and MSI-X of the functions.
            _ => {
                layout::PCI_WINDOW + slot * u64::from(BAR_LENGTH) + (random() % 6) * 0x1000 + random() % 0x40
            }
        };
        let port = PORTS[random() as usize % PORTS.len()].wrapping_add((random() % 3) as u16);
        let mut room = [0; 8];
        machine.access(|bus| match round % 4 {
            0 => MmioBus::read(bus, Gpa(gpa), &mut room[..len]),
            1 | 2 => MmioBus::write(bus, Gpa(gpa), bytes),
            _ if value % 2 == 0 => PortBus::read(bus, port, &mut room[..len.min(4)]),
            _ => PortBus::write(bus, port, &bytes[..len.min(4)]),
        });
        accesses += 1;
    }
    assert_eq!(accesses, 60_000);
}

/// Slot of the entropy device, and the MSI-X vectors of the test.
const ENTROPY: u64 = 4;
const BAR: u64 = layout::PCI_WINDOW + ENTROPY * BAR_LENGTH as u64;
const DESCRIPTORS: u64 = 0x10_0000;
const AVAILABLE: u64 = 0x10_1000;
const USED: u64 = 0x10_2000;

fn store_sized(machine: &Machine, offset: u64, len: usize, value: u64) {
    machine.access(|bus| MmioBus::write(bus, Gpa(BAR + offset), &value.to_le_bytes()[..len]));
}

fn config(machine: &Machine, offset: u64, bytes: &[u8]) {
    machine.access(|bus| MmioBus::write(bus, Gpa(layout::ECAM + (ENTROPY << 15) + offset), bytes));
}

/// Starts the entropy device with MSI-X entry 1 for its queue, as a driver does.
fn start_entropy(machine: &Machine) {
    config(machine, 4, &[6, 0]);
    // MSI-X is the first capability that was added, so the last of the list.
    let mut at = 0x40;
    loop {
        let word = load(machine, layout::ECAM + (ENTROPY << 15) + at);
        if word & 0xFF == 0x11 {
            break;
        }
        at = u64::from(word >> 8 & 0xFF);
    }
    config(machine, at + 2, &[0, 0x80]);
    for (offset, len, value) in [
        (20, 1, 3),
        (8, 4, 1),
        (12, 4, 1),
        (20, 1, 11),
        (22, 2, 0),
        (26, 2, 1),
        (24, 2, 8),
        (32, 8, DESCRIPTORS),
        (40, 8, AVAILABLE),
        (48, 8, USED),
        (28, 2, 1),
        (20, 1, 15),
    ] {
        store_sized(machine, offset, len, value);
    }
    program(machine, 0x41, false);
}

/// Programs the message of entry 1.
fn program(machine: &Machine, vector: u64, is_masked: bool) {
    for (offset, value) in [(28, 1), (16, 0xFEE0_0000), (20, 0), (24, vector), (28, u64::from(is_masked))] {
        store_sized(machine, 0x4000 + offset, 4, value);
    }
}

/// Puts the `count`th request for 64 bytes into the queue.
fn offer(ram: &Ram, count: u16) {
    let mut descriptor = [0; 16];
    descriptor[..8].copy_from_slice(&0x20_0000_u64.to_le_bytes());
    descriptor[8..12].copy_from_slice(&64_u32.to_le_bytes());
    descriptor[12..14].copy_from_slice(&2_u16.to_le_bytes());
    GuestRam::write(ram, DESCRIPTORS, &descriptor).expect("memory");
    GuestRam::write(ram, AVAILABLE + 2, &count.to_le_bytes()).expect("memory");
}

fn used(ram: &Ram) -> u16 {
    let mut index = [0; 2];
    GuestRam::read(ram, USED + 2, &mut index).expect("memory");
    u16::from_le_bytes(index)
}

fn wait_until(what: &str, is_true: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !is_true() {
        assert!(start.elapsed() < std::time::Duration::from_secs(10), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_guest_rings_a_queue_without_an_exit_and_gets_its_message() {
    use openwhp::ExitReason;
    use openwhp::RegisterName as Name;
    use openwhp::SegmentRegister;

    let Fixture { machine, partition, ram, ending, .. } = fixture_with(true);
    let vp = partition.vp(openwhp::VpIndex(0)).expect("the first processor");
    // mov [0], ax; out 0x80, al - with DS at the notification address.
    GuestRam::write(&ram, 0x1000, &[0xA3, 0, 0, 0xE6, 0x80]).expect("memory");
    let segment = |base, attributes| SegmentRegister { base, limit: 0xFFFF, selector: 0, attributes };
    vp.set_registers(&[(Name::CS, segment(0, 0x9B).into()), (Name::DS, segment(BAR + 0x3000, 0x93).into())])
        .expect("registers");
    let mut page = vp.apic_page().expect("a local APIC");
    page[0xF0..0xF4].copy_from_slice(&0x1FF_u32.to_le_bytes());
    vp.set_apic_page(&page).expect("a local APIC");
    let has_interrupt = |vector: usize| {
        let page = vp.apic_page().expect("a local APIC");
        page[0x200 + vector / 32 * 16 + vector % 32 / 8] >> (vector % 8) & 1 != 0
    };
    let ring = |count| {
        offer(&ram, count);
        vp.set_registers(&[(Name::RIP, 0x1000.into())]).expect("registers");
        let exit = vp.run().expect("runs");
        assert!(matches!(exit.reason, ExitReason::IoPort(io) if io.port == 0x80), "{exit:?}");
        wait_until("the queue is served", || used(&ram) == count);
    };
    start_entropy(&machine);
    std::thread::scope(|scope| {
        scope.spawn(|| machine.serve_queues(&ending));
        ring(1);
        wait_until("the message arrives", || has_interrupt(0x41));
        program(&machine, 0x52, false);
        ring(2);
        wait_until("the new message arrives", || has_interrupt(0x52));
        // While masked it is held, and goes where the entry points when it is unmasked.
        program(&machine, 0x63, true);
        ring(3);
        machine.access(|_| ());
        assert!(!has_interrupt(0x63));
        assert_eq!(load(&machine, BAR + 0x5000), 2, "pending");
        program(&machine, 0x74, false);
        wait_until("the held message arrives", || has_interrupt(0x74));
        assert!(!has_interrupt(0x63));
        ending.end(Outcome::Left);
        machine.wake_threads();
    });
    // After the device's reset its doorbell is gone: the store exits.
    store_sized(&machine, 20, 1, 0);
    vp.set_registers(&[(Name::RIP, 0x1000.into())]).expect("registers");
    assert!(matches!(vp.run().expect("runs").reason, ExitReason::MemoryAccess(_)));
}
