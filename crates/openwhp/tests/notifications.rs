//! Doorbells, ports and triggers through the Rust API.

use std::time::Duration;
use std::time::Instant;

use openwhp::ApicMode;
use openwhp::DoorbellMatch;
use openwhp::Event;
use openwhp::ExitReason;
use openwhp::Gpa;
use openwhp::GuestMemory;
use openwhp::InterruptRequest;
use openwhp::NotificationError;
use openwhp::Partition;
use openwhp::PortProperties;
use openwhp::PortProperty;
use openwhp::PortSource;
use openwhp::SynicError;
use openwhp::SynicEvent;
use openwhp::TriggerAction;
use openwhp::TriggerError;
use openwhp::VpIndex;
use openwhp::create_event;

mod common;

use common::CODE;
use common::Machine;

const BELL: DoorbellMatch = DoorbellMatch { gpa: Gpa(0x5000), length: Some(2), value: None };

fn has_thread() -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").expect("this process");
    let mut names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.any(|name| name.starts_with("openwhp-trigger"))
}

fn wait_until(is_true: impl Fn() -> bool, what: &str) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(5), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("this process").count()
}

#[test]
fn a_doorbell_rings_inside_emulation_too_and_other_accesses_reach_the_bus() {
    struct Bus(Vec<(u64, Vec<u8>)>);
    impl openwhp::MmioBus for Bus {
        fn read(&mut self, _gpa: Gpa, data: &mut [u8]) {
            data.fill(0x77);
        }
        fn write(&mut self, gpa: Gpa, data: &[u8]) {
            self.0.push((gpa.0, data.to_vec()));
        }
    }
    // mov [0x5000], ax; mov [0x5000], al; mov ax, [0x5000]; hlt
    let machine = Machine::new(&[0xA3, 0, 0x50, 0xA2, 0, 0x50, 0xA1, 0, 0x50, 0xF4]);
    machine.partition.unmap(Gpa(0x5000), 0x1000).expect("unmapped");
    let event = create_event().expect("an event");
    let mut bus = Bus(Vec::new());
    for round in 0..3 {
        let exit = machine.run();
        if round == 0 {
            // Between the exit and the client's answer.
            machine.partition.register_doorbell(BELL, &event).expect("free");
        }
        openwhp::emulate::mmio(&machine.vp, &exit, &mut bus).expect("emulated");
    }
    assert_eq!(event.take().ok(), Some(1));
    assert_eq!(bus.0, [(0x5000, vec![0])]);
    assert_eq!(machine.get(openwhp::RegisterName::RAX), 0x7777);
    assert_eq!(machine.run().reason, ExitReason::Halt);
}

#[test]
fn everything_goes_with_the_partition() {
    let before = descriptors();
    for is_deleted in [true, false] {
        let partition = Partition::builder().processors(1).apic(ApicMode::XApic).build().expect("partition");
        let event = create_event().expect("an event");
        partition.register_doorbell(BELL, &event).expect("free");
        let port = partition.create_port(PortSource::Connection(1), &event).expect("free");
        let on = DoorbellMatch { gpa: Gpa(0x9000), ..BELL };
        partition.create_port(PortSource::Doorbell(on), &event).expect("free");
        let action = TriggerAction::Interrupt(InterruptRequest { vector: 0x40, ..Default::default() });
        let (trigger, trigger_event) = partition.create_trigger(action).expect("a trigger");
        // A new thread names itself.
        wait_until(has_thread, "the thread runs");
        let handle = partition.clone();
        if is_deleted {
            partition.delete();
            assert_eq!(handle.create_trigger(action).map(|_| ()), Err(TriggerError::NotSetUp));
            assert_eq!(handle.update_trigger(trigger, action), Err(TriggerError::NotSetUp));
            assert_eq!(handle.delete_port(port), Err(NotificationError::NotSetUp));
            assert_eq!(handle.register_doorbell(BELL, &event), Err(NotificationError::NotSetUp));
            let signal = SynicEvent { vp: VpIndex(0), sint: 0, flag: 0 };
            assert_eq!(handle.signal_synic_event(signal), Err(SynicError::NotSetUp));
        }
        drop((partition, handle));
        trigger_event.signal();
        assert_eq!(trigger_event.take().ok(), Some(1), "nobody consumes it");
    }
    // Other tests of this process come and go; what is left must not grow with us for ever.
    wait_until(|| !has_thread() && descriptors() <= before + 40, "no thread and no descriptors are left");
}

#[test]
fn ports_keep_their_properties() {
    let partition = Partition::builder().processors(2).build().expect("partition");
    let event = create_event().expect("an event");
    let port = partition.create_port(PortSource::Connection(5), &event).expect("free");
    assert_eq!(partition.port_properties(port), Ok(PortProperties::default()));
    partition.set_port_property(port, PortProperty::PreferredTarget(Some(VpIndex(1)))).expect("exists");
    partition.set_port_property(port, PortProperty::PreferredDuration(7)).expect("any");
    let refused = partition.set_port_property(port, PortProperty::PreferredTarget(Some(VpIndex(2))));
    assert!(matches!(refused, Err(NotificationError::BadProperty(_))));
    let kept = PortProperties { preferred_target: Some(VpIndex(1)), preferred_duration: 7 };
    assert_eq!(partition.port_properties(port), Ok(kept));
    partition.delete_port(port).expect("exists");
    assert_eq!(partition.port_properties(port), Err(NotificationError::NoPort));
}

#[test]
fn messages_and_events_are_checked_before_the_synic_is_asked() {
    let partition = Partition::builder().processors(1).build().expect("partition");
    let vp = VpIndex(0);
    let event = SynicEvent { vp, sint: 1, flag: 2 };
    assert_eq!(partition.signal_synic_event(event), Err(SynicError::NoProcessor(vp)));
    let _vp = partition.create_vp(vp).expect("processor");
    assert_eq!(partition.signal_synic_event(SynicEvent { sint: 16, ..event }), Err(SynicError::BadSint(16)));
    let flag = partition.signal_synic_event(SynicEvent { flag: 2048, ..event });
    assert_eq!(flag, Err(SynicError::BadFlag(2048)));
    assert_eq!(partition.signal_synic_event(event), Err(SynicError::NotReceiving(vp)));
    let post = |message: &[u8]| partition.post_synic_message(vp, 2, message);
    assert!(matches!(post(&[]), Err(SynicError::BadMessage(_))));
    assert!(matches!(post(&[1; 257]), Err(SynicError::BadMessage(_))));
    assert!(matches!(post(&[0, 0, 0, 0, 1]), Err(SynicError::BadMessage(_))), "type 0");
    assert_eq!(post(&[1; 256]), Err(SynicError::NotReceiving(vp)));
}

/// Several processors ring doorbells of their own as fast as they can while others come and go in the same page and in
/// the map: every ring is seen, and every store of a processor either rings or exits.
#[test]
fn no_ring_is_lost_or_invented_while_the_map_changes() {
    const RINGS: u16 = 4000;
    let partition = Partition::builder().processors(3).build().expect("partition");
    let memory = GuestMemory::new(0x2_0000).expect("memory");
    partition.map(&memory, 0, Gpa(0), 0x2_0000, common::RWX).expect("map");
    // mov cx, RINGS; l: mov [bx], cx; loop l; hlt
    let [low, high] = RINGS.to_le_bytes();
    memory.write(CODE, &[0xB9, low, high, 0x89, 0x0F, 0xE2, 0xFC, 0xF4]).expect("code");
    let bells: Vec<(u64, Event)> =
        (0..3).map(|vp| (0x5000 + vp * 0x10, create_event().expect("an event"))).collect();
    for (gpa, event) in &bells {
        let on = DoorbellMatch { gpa: Gpa(*gpa), length: Some(2), value: None };
        partition.register_doorbell(on, event).expect("free");
    }
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3_u32)
            .zip(&bells)
            .map(|(index, (gpa, _))| {
                let vp = partition.create_vp(VpIndex(index)).expect("processor");
                common::real_mode(&vp, CODE);
                vp.set_registers(&[(openwhp::RegisterName::RBX, (*gpa).into())]).expect("registers");
                scope.spawn(move || assert_eq!(vp.run().expect("run").reason, ExitReason::Halt))
            })
            .collect();
        let other = create_event().expect("an event");
        let mut turn = 0;
        while !runs.iter().all(|run| run.is_finished()) {
            let on = DoorbellMatch { gpa: Gpa(0x5100 + turn % 7 * 8), length: None, value: None };
            partition.register_doorbell(on, &other).expect("free");
            partition.map(&memory, 0x1_0000, Gpa(0x1_0000), 0x1000, common::RWX).expect("map");
            partition.unregister_doorbell(&on).expect("there");
            turn += 1;
        }
        assert!(other.take().is_err(), "nobody stored there");
    });
    for (_, event) in &bells {
        assert_eq!(event.take().ok(), Some(u64::from(RINGS)));
    }
    let mut beneath = [0; 0x40];
    memory.read(0x5000, &mut beneath).expect("memory");
    assert_eq!(beneath, [0; 0x40]);
}
