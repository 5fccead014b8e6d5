//! Finishing instructions that raise something themselves.

mod common;

use common::CODE;
use common::HANDLER;
use common::Machine;
use openwhp::ExecutionState;
use openwhp::ExitReason;
use openwhp::ExtendedVmExits;
use openwhp::Gpa;
use openwhp::MmioBus;
use openwhp::OpenBus;
use openwhp::Partition;
use openwhp::Property;
use openwhp::RegisterName as Name;
use openwhp::emulate;

/// mov ax, 2000h; mov ds, ax; div byte [0]: the divisor is a device's.
const DIVIDE: [u8; 9] = [0xB8, 0x00, 0x20, 0x8E, 0xD8, 0xF6, 0x36, 0x00, 0x00];

struct Zeros;

impl MmioBus for Zeros {
    fn read(&mut self, _gpa: Gpa, data: &mut [u8]) {
        data.fill(0);
    }
    fn write(&mut self, _gpa: Gpa, _data: &[u8]) {}
}

fn divide(m: &Machine) {
    m.handler(0, HANDLER, &[0xF4]);
    let exit = m.run();
    assert!(matches!(exit.reason, ExitReason::MemoryAccess(access) if access.gpa == Gpa(0x2_0000)));
    emulate::mmio(&m.vp, &exit, &mut Zeros).expect("emulation");
}

#[test]
fn an_exception_of_the_instruction_is_delivered() {
    let m = Machine::new(&DIVIDE);
    divide(&m);
    assert_eq!(m.get(Name::RIP), HANDLER);
    assert_eq!(m.run().reason, ExitReason::Halt);
}

#[test]
fn an_exception_that_exits_is_the_next_runs_exit() {
    let builder = Partition::builder()
        .processors(1)
        .exits(ExtendedVmExits::EXCEPTION)
        .property(Property::ExceptionExitBitmap(1));
    let m = Machine::with(builder, &DIVIDE);
    divide(&m);
    assert_eq!(m.get(Name::RIP), CODE + 5);
    let exit = m.run();
    assert!(matches!(exit.reason, ExitReason::Exception(exception) if exception.vector == 0), "{exit:?}");
    assert_eq!((exit.vp.rip, m.get(Name::RIP)), (CODE + 5, CODE + 5));
}

#[test]
fn a_finished_port_access_ends_the_interrupt_shadow() {
    // sti; out 10h, al; hlt
    let m = Machine::new(&[0xFB, 0xE6, 0x10, 0xF4]);
    let exit = m.run();
    assert!(exit.vp.execution.contains(ExecutionState::INTERRUPT_SHADOW), "{exit:?}");
    emulate::port(&m.vp, &exit, &mut OpenBus).expect("emulation");
    assert_eq!((m.get(Name::RIP), m.get(Name::INTERRUPT_STATE)), (CODE + 3, 0));
}

#[test]
fn a_finished_port_access_clears_the_resume_flag() {
    let m = Machine::new(&[0xE6, 0x10, 0xF4]);
    m.vp.set_registers(&[(Name::RFLAGS, 0x1_0002.into())]).expect("flags");
    let exit = m.run();
    assert_eq!(exit.vp.rflags & 0x1_0000, 0x1_0000, "it is set until the instruction is done");
    emulate::port(&m.vp, &exit, &mut OpenBus).expect("emulation");
    assert_eq!(m.get(Name::RFLAGS) & 0x1_0000, 0);
}

#[test]
fn a_finished_load_of_ss_starts_a_shadow() {
    // mov ax, 2000h; mov ds, ax; mov ss, [0]; hlt
    let m = Machine::new(&[0xB8, 0x00, 0x20, 0x8E, 0xD8, 0x8E, 0x16, 0x00, 0x00, 0xF4]);
    let exit = m.run();
    assert!(matches!(exit.reason, ExitReason::MemoryAccess(_)), "{exit:?}");
    emulate::mmio(&m.vp, &exit, &mut Zeros).expect("emulation");
    assert_eq!((m.get(Name::RIP), m.get(Name::INTERRUPT_STATE)), (CODE + 9, 1));
    assert_eq!(m.run().reason, ExitReason::Halt);
    assert_eq!(m.get(Name::INTERRUPT_STATE), 0);
}

#[test]
fn an_exception_of_an_instruction_in_a_shadow_ends_the_shadow() {
    // mov ax, 2000h; mov ds, ax; sti; div byte [0]
    let m = Machine::new(&[0xB8, 0x00, 0x20, 0x8E, 0xD8, 0xFB, 0xF6, 0x36, 0x00, 0x00]);
    divide(&m);
    assert_eq!((m.get(Name::RIP), m.get(Name::INTERRUPT_STATE)), (HANDLER, 0));
}
