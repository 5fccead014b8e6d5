//! One thread at a time runs a processor or works with its state; the partition changes while nobody runs.

mod common;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use common::CODE;
use common::Machine;
use openwhp::ExitReason;
use openwhp::ExtendedVmExits;
use openwhp::Gpa;
use openwhp::MmioBus;
use openwhp::Partition;
use openwhp::Property;
use openwhp::PropertyError;
use openwhp::RegisterError;
use openwhp::RegisterName as Name;
use openwhp::RunError;
use openwhp::TimeError;
use openwhp::VpError;
use openwhp::VpIndex;

/// A device whose reads do something.
struct Device<F>(F);

impl<F: FnMut()> MmioBus for Device<F> {
    fn read(&mut self, _gpa: Gpa, data: &mut [u8]) {
        (self.0)();
        data.fill(0x5A);
    }

    fn write(&mut self, _gpa: Gpa, _data: &[u8]) {}
}

/// `mov al, es:[0]` with ES where nothing is mapped, run up to its exit.
fn at_a_device() -> (Machine, openwhp::Exit) {
    let m = Machine::new(&[0x26, 0xA0, 0x00, 0x00, 0xF4]);
    m.vp.set_registers(&[(Name::ES, common::data_segment(0x2_0000).into())]).expect("ES");
    let exit = m.run();
    (m, exit)
}

#[test]
fn registers_wait_for_an_instruction_that_is_being_finished() {
    let (m, exit) = at_a_device();
    let (at_work, begun) = mpsc::channel();
    std::thread::scope(|scope| {
        let vp = &m.vp;
        let reader = scope.spawn(move || {
            begun.recv().expect("begun");
            vp.register(Name::RAX).map(|value| value.low() as u8)
        });
        let mut device = Device(|| {
            at_work.send(()).expect("send");
            std::thread::sleep(Duration::from_millis(20));
        });
        openwhp::emulate::mmio(&m.vp, &exit, &mut device).expect("emulation");
        assert_eq!(reader.join().expect("reader"), Ok(0x5A), "read after the instruction");
    });
}

#[test]
fn a_device_may_change_the_partition() {
    let (m, exit) = at_a_device();
    let mut results = Vec::new();
    let mut device = Device(|| {
        results.push(m.partition.set_property(Property::ExtendedVmExits(ExtendedVmExits::X64_CPUID)).is_ok());
        results.push(m.partition.suspend_time().is_ok());
    });
    openwhp::emulate::mmio(&m.vp, &exit, &mut device).expect("emulation");
    assert_eq!(results, [true, true]);
    assert_eq!(m.run().reason, ExitReason::Halt);
}

#[test]
fn a_running_processor_is_out_of_reach() {
    let m = Machine::new(&[0xEB, 0xFE]);
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| m.vp.run().map(|exit| exit.reason));
        while m.vp.register(Name::RIP).is_ok() {
            std::thread::yield_now();
        }
        assert_eq!(m.vp.register(Name::RIP), Err(RegisterError::Running));
        assert_eq!(m.vp.run(), Err(RunError::Running));
        assert!(matches!(m.partition.delete_vp(VpIndex(0)), Err(VpError::Running)));
        assert_eq!(m.partition.suspend_time(), Err(TimeError::Running));
        let exits = Property::ExtendedVmExits(ExtendedVmExits::empty());
        assert!(matches!(m.partition.set_property(exits), Err(PropertyError::Running(_))));
        m.vp.cancel();
        assert_eq!(runner.join().expect("runner"), Ok(ExitReason::Canceled));
    });
    assert_eq!(m.get(Name::RIP), CODE);
    assert_eq!(m.partition.suspend_time(), Ok(()));
    m.partition.delete_vp(VpIndex(0)).expect("delete");
    assert_eq!(m.vp.run(), Err(RunError::Deleted));
    assert_eq!(m.vp.register(Name::RIP), Err(RegisterError::Deleted));
}

#[test]
fn no_reset_is_lost_however_eagerly_processors_run() {
    let partition = Partition::builder().processors(2).build().expect("partition");
    let vps = [0, 1].map(|index| partition.create_vp(VpIndex(index)).expect("processor"));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for vp in &vps {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    // Nothing is mapped: each run ends at once.
                    vp.run().expect("run");
                }
            });
        }
        for round in 0..500 {
            // Until the next round nobody else writes it, so that what is found is what reset has left.
            while vps[0].set_registers(&[(Name::RBX, 7.into())]).is_err() {
                std::hint::spin_loop();
            }
            partition.reset().expect("reset");
            let found = loop {
                match vps[0].register(Name::RBX) {
                    Ok(value) => break value.low(),
                    Err(_) => std::hint::spin_loop(),
                }
            };
            assert_eq!(found, 0, "round {round}");
        }
        is_over.store(true, Ordering::SeqCst);
    });
}
