//! Injection, windows, and everything around the emulated local APIC.

mod common;

use std::time::Duration;

use common::CODE;
use common::HANDLER;
use common::Machine;
use openwhp::ApicMode;
use openwhp::DeliverableType;
use openwhp::DestinationMode;
use openwhp::ExitReason;
use openwhp::ExtendedVmExits;
use openwhp::InterruptError;
use openwhp::InterruptKind;
use openwhp::InterruptRequest;
use openwhp::Partition;
use openwhp::RegisterError;
use openwhp::RegisterName as Name;
use openwhp::RunError;
use openwhp::TriggerMode;
use openwhp::VpIndex;

const IF: u64 = 0x202;
const PENDING: u64 = 1;

fn fixed(vector: u32) -> InterruptRequest {
    InterruptRequest { vector, ..InterruptRequest::default() }
}

/// A machine with an emulated APIC, enabled, whose page DS reaches at offset 0.
fn apic_machine(exits: ExtendedVmExits, code: &[u8]) -> Machine {
    let m = Machine::with(Partition::builder().processors(2).apic(ApicMode::X2Apic).exits(exits), code);
    m.vp.set_registers(&[(Name::DS, common::data_segment(0xFEE0_0000).into())]).expect("DS");
    let mut page = m.vp.apic_page().expect("page");
    page[0xF0..0xF4].copy_from_slice(&0x1FF_u32.to_le_bytes());
    m.vp.set_apic_page(&page).expect("page");
    m
}

#[test]
fn a_written_interruption_is_delivered_first() {
    let m = Machine::new(&[0xF4]);
    m.handler(0x21, HANDLER, &[0xF4]);
    m.set(Name::RFLAGS, IF);
    m.set(Name::PENDING_INTERRUPTION, PENDING | 0x21 << 16);
    assert_eq!((m.run().reason, m.get(Name::RIP)), (ExitReason::Halt, HANDLER + 1));
    assert_eq!(m.get(Name::PENDING_INTERRUPTION), 0);
    assert_eq!(m.get(Name::RFLAGS) & 0x200, 0, "the gate masks interrupts");
}

#[test]
fn an_interrupt_while_masked_fails_the_run() {
    let m = Machine::new(&[0xF4]);
    m.set(Name::PENDING_INTERRUPTION, PENDING | 0x21 << 16);
    assert_eq!(m.vp.run(), Err(RunError::UndeliverableInterruption));
    m.set(Name::PENDING_INTERRUPTION, 0);
    assert_eq!(m.run().reason, ExitReason::Halt);
}

#[test]
fn an_nmi_masks_further_ones_until_iret() {
    let m = Machine::new(&[0xF4]);
    // NMI handler: hlt; iret
    m.handler(2, HANDLER, &[0xF4, 0xCF]);
    m.set(Name::PENDING_INTERRUPTION, PENDING | 2 << 1 | 2 << 16);
    assert_eq!((m.run().reason, m.get(Name::RIP)), (ExitReason::Halt, HANDLER + 1));
    assert_eq!(m.get(Name::INTERRUPT_STATE), 2);
    m.set(Name::PENDING_INTERRUPTION, PENDING | 2 << 1 | 2 << 16);
    assert_eq!(m.vp.run(), Err(RunError::UndeliverableInterruption));
    m.set(Name::PENDING_INTERRUPTION, 0);
    assert_eq!((m.run().reason, m.get(Name::INTERRUPT_STATE)), (ExitReason::Halt, 0));
}

#[test]
fn interruption_then_event_are_both_delivered() {
    let m = Machine::new(&[0xF4]);
    // The interrupt's handler must not run before the exception's: the exception comes at its first instruction.
    m.handler(0x21, HANDLER, &[0xF4]);
    m.handler(6, HANDLER + 0x100, &[0xF4, 0xCF]);
    m.set(Name::RFLAGS, IF);
    m.set(Name::PENDING_INTERRUPTION, PENDING | 0x21 << 16);
    m.set(Name::PENDING_EVENT, PENDING | 6 << 16);
    assert_eq!((m.run().reason, m.get(Name::RIP)), (ExitReason::Halt, HANDLER + 0x101));
    assert_eq!((m.run().reason, m.get(Name::RIP)), (ExitReason::Halt, HANDLER + 1));
}

#[test]
fn a_window_opens_after_the_shadow_of_sti() {
    // cli; nop; sti; nop; hlt
    let m = Machine::new(&[0xFA, 0x90, 0xFB, 0x90, 0xF4]);
    m.set(Name::DELIVERABILITY_NOTIFICATIONS, 2);
    let exit = m.run();
    assert_eq!(exit.reason, ExitReason::InterruptWindow(DeliverableType::Interrupt));
    assert_eq!(exit.vp.rip, CODE + 4);
    assert_eq!(m.get(Name::DELIVERABILITY_NOTIFICATIONS), 0);
    // Already open: at once.
    m.set(Name::DELIVERABILITY_NOTIFICATIONS, 2);
    let exit = m.run();
    assert_eq!(
        (exit.reason, exit.vp.rip),
        (ExitReason::InterruptWindow(DeliverableType::Interrupt), CODE + 4)
    );
}

#[test]
fn a_window_with_a_priority_waits_for_the_task_priority() {
    // mov cr8 needs 64-bit mode; here the client changes it between runs.
    let m = Machine::new(&[0xF4, 0xF4]);
    m.set(Name::RFLAGS, IF);
    m.set(Name::CR8, 5);
    m.set(Name::DELIVERABILITY_NOTIFICATIONS, 2 | 5 << 2);
    assert_eq!(m.run().reason, ExitReason::Halt);
    assert_eq!(m.get(Name::DELIVERABILITY_NOTIFICATIONS), 2 | 5 << 2, "other exits do not disarm it");
    m.set(Name::CR8, 4);
    assert_eq!(m.run().reason, ExitReason::InterruptWindow(DeliverableType::Interrupt));
}

#[test]
fn without_an_apic_its_state_is_out_of_reach() {
    let m = Machine::new(&[0xF4]);
    assert_eq!(m.partition.request_interrupt(fixed(0x30)), Err(InterruptError::NoApic(ApicMode::None)));
    assert_eq!(m.vp.apic_page(), Err(openwhp::StateError::NoApic));
    assert_eq!(m.vp.register(Name::APIC_ID), Err(RegisterError::NotAvailable(Name::APIC_ID)));
    let suspend = m.vp.set_registers(&[(Name::INTERNAL_ACTIVITY_STATE, 0.into())]);
    assert_eq!(suspend, Err(RegisterError::AccessDenied(Name::INTERNAL_ACTIVITY_STATE)));
    // An external interrupt is stored, and refused when the processor is to run.
    m.set(Name::PENDING_EVENT, PENDING | 5 << 1 | 0x20 << 8);
    assert_eq!(m.run().reason, ExitReason::InvalidVpRegisterValue);
}

#[test]
fn requests_are_checked() {
    let m = apic_machine(ExtendedVmExits::empty(), &[0xF4]);
    let nmi = InterruptRequest { kind: InterruptKind::Nmi, vector: 2, ..fixed(0) };
    for (request, error) in [
        (fixed(15), InterruptError::ReservedVector(15)),
        (fixed(256), InterruptError::BadVector(256)),
        (nmi, InterruptError::BadVector(2)),
    ] {
        assert_eq!(m.partition.request_interrupt(request), Err(error));
    }
    let nobody = InterruptRequest { destination: 77, ..fixed(0x30) };
    assert_eq!(m.partition.request_interrupt(nobody), Ok(()));
    assert_eq!(m.partition.interrupt_targets(0xFF, DestinationMode::Physical), Ok(vec![VpIndex(0)]));
    assert_eq!(m.partition.interrupt_targets(1 << 40, DestinationMode::Physical), Ok(vec![]));
}

#[test]
fn an_interrupt_wakes_a_parked_processor() {
    // sti; hlt; cli; out 0x80,al
    let m = apic_machine(ExtendedVmExits::empty(), &[0xFB, 0xF4, 0xFA, 0xE6, 0x80]);
    m.handler(0x30, HANDLER, &[0xB0, 0x5A, 0xCF]);
    let partition = m.partition.clone();
    let vp = m.vp.clone();
    let thread = std::thread::spawn(move || {
        while vp.counters().halt_instructions.count == 0 {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(30));
        partition.request_interrupt(fixed(0x30)).expect("request");
    });
    assert_eq!(m.next_out(), (0x80, 0x5A));
    thread.join().expect("thread");
    assert!(m.vp.counters().halt_instructions.time_100ns > 100_000);
    assert_eq!(m.vp.counters().interrupts, 1);
}

#[test]
fn a_cancelled_halt_shows_and_parks_again() {
    let m = apic_machine(ExtendedVmExits::empty(), &[0xF4, 0x90]);
    for halts in 1..4 {
        let vp = m.vp.clone();
        let thread = std::thread::spawn(move || {
            while vp.counters().halt_instructions.count < halts {
                std::thread::sleep(Duration::from_millis(1));
            }
            vp.cancel();
        });
        let exit = m.run();
        assert_eq!((exit.reason, exit.vp.rip), (ExitReason::Canceled, CODE + 1));
        assert_eq!(m.get(Name::INTERNAL_ACTIVITY_STATE), 2);
        thread.join().expect("thread");
    }
    m.set(Name::INTERNAL_ACTIVITY_STATE, 0);
    m.memory.write(CODE + 1, &[0xE6, 0x80]).expect("code");
    assert_eq!(m.next_out().0, 0x80);
}

#[test]
fn a_level_interrupt_exits_at_its_end() {
    // sti; hlt   handler: mov dword ds:[0xb0],0; out 0x80,al
    let m = apic_machine(ExtendedVmExits::empty(), &[0xFB, 0xF4]);
    m.handler(0x40, HANDLER, &[0x66, 0xC7, 0x06, 0xB0, 0x00, 0, 0, 0, 0, 0xE6, 0x80]);
    let level = InterruptRequest { trigger: TriggerMode::Level, ..fixed(0x40) };
    m.partition.request_interrupt(level).expect("request");
    let exit = m.run();
    assert_eq!((exit.reason, exit.vp.rip), (ExitReason::ApicEoi(0x40), HANDLER + 9));
    assert_eq!(m.next_out().0, 0x80);
    assert_eq!(m.vp.counters().apic_eoi_accesses, 1);
}

#[test]
fn trapped_apic_writes_are_already_applied() {
    // mov dword ds:[0x350],0x10021
    let m = apic_machine(
        ExtendedVmExits::X64_APIC_WRITE_LINT0,
        &[0x66, 0xC7, 0x06, 0x50, 0x03, 0x21, 0x00, 0x01, 0x00, 0xE6, 0x80],
    );
    let exit = m.run();
    let ExitReason::ApicWrite(write) = exit.reason else { panic!("{exit:?}") };
    assert_eq!((write.register as u32, write.value, exit.vp.rip), (0x350, 0x1_0021, CODE + 9));
    assert_eq!(m.vp.apic_page().expect("page")[0x350..0x354], 0x1_0021_u32.to_le_bytes());
    assert_eq!(m.next_out().0, 0x80);
}

/// mov dword ds:[0x310], 1 << 24; mov dword ds:[0x300], command; out 0x80,al
fn ipi_code(command: u32) -> Vec<u8> {
    let mut code = vec![0x66, 0xC7, 0x06, 0x10, 0x03, 0, 0, 0, 1, 0x66, 0xC7, 0x06, 0x00, 0x03];
    code.extend(command.to_le_bytes());
    code.extend([0xE6, 0x80]);
    code
}

#[test]
fn init_and_start_up_start_another_processor() {
    let m = apic_machine(ExtendedVmExits::empty(), &ipi_code(0x4500));
    m.memory.write(0x5000, &[0x8C, 0xC8, 0xE7, 0x81]).expect("mov ax,cs; out 0x81,ax");
    let other = m.partition.create_vp(VpIndex(1)).expect("processor");
    assert_eq!(other.register(Name::INTERNAL_ACTIVITY_STATE).expect("activity").low(), 1);
    let thread = std::thread::spawn(move || other.run().expect("run"));
    assert_eq!(m.next_out().0, 0x80);
    m.memory.write(CODE, &ipi_code(0x4605)).expect("code");
    m.set(Name::RIP, CODE);
    assert_eq!(m.next_out().0, 0x80);
    let exit = thread.join().expect("thread");
    let ExitReason::IoPort(io) = exit.reason else { panic!("{exit:?}") };
    assert_eq!(
        (io.port, io.rax & 0xFFFF, exit.vp.cs.selector, exit.vp.cs.base),
        (0x81, 0x500, 0x500, 0x5000)
    );
}

#[test]
fn trapped_init_is_left_to_the_client() {
    let m = apic_machine(ExtendedVmExits::X64_APIC_INIT_SIPI, &ipi_code(0x4500));
    let exit = m.run();
    assert_eq!((exit.reason, exit.vp.rip), (ExitReason::ApicInitSipi(0x0100_0000_0000_4500), CODE + 18));
    assert_eq!(m.next_out().0, 0x80);
}

#[test]
fn nmis_come_through_lint1_and_by_request() {
    let m = apic_machine(ExtendedVmExits::empty(), &[0xF4]);
    m.handler(2, HANDLER, &[0xE6, 0x82, 0xCF]);
    let nmi = InterruptRequest { kind: InterruptKind::Nmi, ..fixed(0) };
    m.partition.request_interrupt(nmi).expect("request");
    assert_eq!(m.next_out().0, 0x82);
    let mut page = m.vp.apic_page().expect("page");
    page[0x360..0x364].copy_from_slice(&0x400_u32.to_le_bytes());
    m.vp.set_apic_page(&page).expect("page");
    m.set(Name::RIP, CODE);
    m.set(Name::INTERRUPT_STATE, 0);
    let lint1 = InterruptRequest { kind: InterruptKind::LocalInt1, ..fixed(0) };
    m.partition.request_interrupt(lint1).expect("request");
    assert_eq!(m.next_out().0, 0x82);
}

#[test]
fn an_external_interrupt_ignores_the_apic() {
    // sti; nop; nop
    let m = apic_machine(ExtendedVmExits::empty(), &[0x90, 0xFB, 0x90, 0x90, 0xF4]);
    m.handler(0x08, HANDLER, &[0xE6, 0x83, 0xCF]);
    let event = PENDING | 5 << 1 | 0x08 << 8;
    m.set(Name::PENDING_EVENT, event);
    assert_eq!(m.get(Name::PENDING_EVENT), event);
    assert_eq!(m.next_out().0, 0x83);
    assert_eq!(m.get(Name::PENDING_EVENT), 0);
    assert_eq!(m.vp.apic_page().expect("page")[0x100..0x180], [0; 0x80], "nothing in service");
}

#[test]
fn the_timer_fires_by_guest_time() {
    // mov dword ds:[0x320],0x31; mov dword ds:[0x3e0],0xb; mov dword ds:[0x380],2000000; sti; hlt
    let mut code = vec![0x66, 0xC7, 0x06, 0x20, 0x03, 0x31, 0, 0, 0];
    code.extend([0x66, 0xC7, 0x06, 0xE0, 0x03, 0x0B, 0, 0, 0]);
    code.extend([0x66, 0xC7, 0x06, 0x80, 0x03]);
    code.extend(2_000_000_u32.to_le_bytes());
    code.extend([0xFB, 0xF4]);
    let m = apic_machine(ExtendedVmExits::empty(), &code);
    // mov dword ds:[0xb0],0; out 0x84,al
    m.handler(0x31, HANDLER, &[0x66, 0xC7, 0x06, 0xB0, 0x00, 0, 0, 0, 0, 0xE6, 0x84]);
    assert_eq!(m.next_out().0, 0x84);
    // 2,000,000 ticks of 5 ns.
    assert!(m.partition.guest_time_ns() >= 10_000_000);
    // Once more, this time spinning: jmp $
    code.truncate(code.len() - 1);
    code.extend([0xEB, 0xFE]);
    m.memory.write(CODE, &code).expect("code");
    let before = m.partition.guest_time_ns();
    m.set(Name::RIP, CODE);
    assert_eq!(m.next_out().0, 0x84);
    assert!(m.partition.guest_time_ns() >= before + 10_000_000);
}

#[test]
fn apic_state_survives_both_forms() {
    let m = apic_machine(ExtendedVmExits::empty(), &[0xF4]);
    m.set(Name::CR8, 7);
    m.partition.request_interrupt(fixed(0x55)).expect("request");
    let page = m.vp.apic_page().expect("page");
    assert_eq!(page[0x80], 0x70);
    let packed = m.vp.apic_packed().expect("packed");
    assert_eq!(packed[21 + 2], 1 << (0x55 - 0x40));
    m.partition.reset().expect("reset");
    assert_ne!(m.vp.apic_page().expect("page"), page);
    m.vp.set_apic_packed(&packed).expect("packed");
    m.set(Name::CR8, 7);
    assert_eq!(m.vp.apic_page().expect("page"), page);
}

#[test]
fn reset_restores_creation_state_and_forgets_requests() {
    let m = apic_machine(ExtendedVmExits::empty(), &[0xF4]);
    let other = m.partition.create_vp(VpIndex(1)).expect("processor");
    m.partition.request_interrupt(fixed(0x55)).expect("request");
    m.vp.cancel();
    m.partition.reset().expect("reset");
    assert_eq!(
        (m.get(Name::RIP), m.get(Name::APIC_BASE), m.partition.guest_time_ns()),
        (0xFFF0, 0xFEE0_0900, 0)
    );
    assert_eq!(other.register(Name::INTERNAL_ACTIVITY_STATE).expect("activity").low(), 1);
    // Memory and mappings stay; no cancel is left over.
    common::real_mode(&m.vp, CODE);
    m.memory.write(CODE, &[0xE6, 0x85]).expect("code");
    assert_eq!(m.next_out().0, 0x85);
}

/// The requested vectors of a processor, as the register page shows them.
fn requested(vp: &openwhp::Processor) -> Vec<u8> {
    let page = vp.apic_page().expect("page");
    (0..=255_u8)
        .filter(|v| page[0x200 + usize::from(v / 32) * 16 + usize::from(v / 8 % 4)] >> (v % 8) & 1 == 1)
        .collect()
}

#[test]
fn lowest_priority_picks_one_and_broadcasts_reach_all() {
    let m = apic_machine(ExtendedVmExits::empty(), &[0xF4]);
    let other = m.partition.create_vp(VpIndex(1)).expect("processor");
    other.set_apic_page(&m.vp.apic_page().expect("page")).expect("page");
    other.set_registers(&[(Name::INITIAL_APIC_ID, 1.into())]).expect("id");
    m.set(Name::CR8, 6);
    let lowest = InterruptRequest { kind: InterruptKind::LowestPriority, destination: 0xFF, ..fixed(0x90) };
    m.partition.request_interrupt(lowest).expect("request");
    assert_eq!((requested(&m.vp), requested(&other)), (vec![], vec![0x90]));
    other.set_registers(&[(Name::CR8, 7.into())]).expect("CR8");
    m.partition.request_interrupt(InterruptRequest { vector: 0x91, ..lowest }).expect("request");
    assert_eq!((requested(&m.vp), requested(&other)), (vec![0x91], vec![0x90]));
    m.partition.request_interrupt(InterruptRequest { destination: 0xFF, ..fixed(0x92) }).expect("request");
    assert_eq!((requested(&m.vp), requested(&other)), (vec![0x91, 0x92], vec![0x90, 0x92]));
}

#[test]
fn x2apic_registers_are_reached_by_name_in_that_mode_only() {
    let m = apic_machine(ExtendedVmExits::empty(), &[0xF4]);
    assert_eq!(m.vp.register(Name::APIC_TPR), Err(RegisterError::NotAvailable(Name::APIC_TPR)));
    assert_eq!(m.get(Name::APIC_VERSION), 0x5_0014);
    m.set(Name::APIC_BASE, 0xFEE0_0D00);
    m.set(Name::APIC_TPR, 0x35);
    assert_eq!((m.get(Name::APIC_TPR), m.get(Name::CR8)), (0x35, 3));
    m.set(Name::CR8, 2);
    assert_eq!(m.get(Name::APIC_TPR), 0x20);
    // The register page is gone: the guest's access reaches what is mapped there, which is nothing.
    m.memory.write(CODE, &[0xA1, 0x20, 0x00]).expect("mov ax,[0x20]");
    assert!(matches!(m.run().reason, ExitReason::MemoryAccess(access) if access.gpa.0 == 0xFEE0_0020));
    let refused = m.vp.set_registers(&[(Name::APIC_BASE, 0xFEE0_0400.into())]);
    assert!(matches!(refused, Err(RegisterError::InvalidValue { .. })), "extended without enabled");
}

#[test]
fn a_tsc_deadline_in_the_past_fires_at_once() {
    // mov ecx,0x6e0; xor edx,edx; mov eax,1; wrmsr; sti; hlt
    let m = apic_machine(
        ExtendedVmExits::empty(),
        &[0x66, 0xB9, 0xE0, 6, 0, 0, 0x66, 0x31, 0xD2, 0x66, 0xB8, 1, 0, 0, 0, 0x0F, 0x30, 0xFB, 0xF4],
    );
    m.handler(0x33, HANDLER, &[0xE6, 0x86]);
    let mut page = m.vp.apic_page().expect("page");
    page[0x320..0x324].copy_from_slice(&0x4_0033_u32.to_le_bytes());
    m.vp.set_apic_page(&page).expect("page");
    assert_eq!(m.next_out().0, 0x86);
    assert_eq!(m.get(Name::TSC_DEADLINE), 0);
}
