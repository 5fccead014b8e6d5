//! Exits, one by one, as the interface promises them.

mod common;

use common::CODE;
use common::Machine;
use openwhp::AccessType;
use openwhp::ExecutionState;
use openwhp::ExitReason;
use openwhp::ExtendedVmExits;
use openwhp::Gpa;
use openwhp::Gva;
use openwhp::MapFlags;
use openwhp::MsrAction;
use openwhp::MsrActionEntry;
use openwhp::MsrExitBitmap;
use openwhp::Partition;
use openwhp::Property;
use openwhp::RegisterName as Name;
use openwhp::UnimplementedMsrAction;

fn with_exits(exits: ExtendedVmExits, code: &[u8]) -> Machine {
    Machine::with(Partition::builder().processors(1).exits(exits), code)
}

#[test]
fn halt_exits_behind_the_instruction() {
    let m = Machine::new(&[0x90, 0xF4, 0xF4]);
    let exit = m.run();
    assert_eq!(exit.reason, ExitReason::Halt);
    assert_eq!((exit.vp.rip, exit.vp.instruction_length), (CODE + 2, 0));
    assert_eq!(m.get(Name::INTERNAL_ACTIVITY_STATE), 0);
    let again = m.run();
    assert_eq!((again.reason, again.vp.rip), (ExitReason::Halt, CODE + 3));
}

#[test]
fn out_shows_everything_and_repeats_until_answered() {
    // mov dx,0x1f0; mov eax,0x12345678; out dx,ax
    let m = Machine::new(&[0xBA, 0xF0, 0x01, 0x66, 0xB8, 0x78, 0x56, 0x34, 0x12, 0xEF, 0xF4]);
    let exit = m.run();
    let ExitReason::IoPort(io) = exit.reason else { panic!("{exit:?}") };
    assert_eq!(
        (io.port, io.size, io.is_write, io.is_string, io.has_rep_prefix),
        (0x1F0, 2, true, false, false)
    );
    assert_eq!((io.rax, exit.vp.rip, exit.vp.instruction_length), (0x1234_5678, CODE + 9, 1));
    assert_eq!(&io.instruction.as_slice()[..2], &[0xEF, 0xF4]);
    assert_eq!(m.run(), exit, "nothing has happened yet");
    m.skip(&exit);
    assert_eq!(m.run().reason, ExitReason::Halt);
}

#[test]
fn unmapped_and_refused_accesses_differ() {
    // mov ds:[0], al with DS at 0x20000; then mov al, ds:[4]
    let m = Machine::new(&[0xA2, 0x07, 0x00, 0xA0, 0x04, 0x00, 0xF4]);
    m.vp.set_registers(&[(Name::DS, common::data_segment(0x2_0000).into())]).expect("DS");
    let exit = m.run();
    let ExitReason::MemoryAccess(access) = exit.reason else { panic!("{exit:?}") };
    assert_eq!((access.access, access.is_gpa_unmapped), (AccessType::Write, true));
    assert_eq!((access.gpa, access.gva), (Gpa(0x2_0007), Some(Gva(0x2_0007))));
    assert_eq!((exit.vp.rip, exit.vp.instruction_length), (CODE, 0));
    assert_eq!(&access.instruction.as_slice()[..3], &[0xA2, 0x07, 0x00]);
    // Read-only memory refuses the same write, and the instruction runs again once it may.
    m.partition.map(&m.memory, 0xF000, Gpa(0x2_0000), 0x1000, MapFlags::READ).expect("map");
    let ExitReason::MemoryAccess(access) = m.run().reason else { panic!("refused") };
    assert!(!access.is_gpa_unmapped);
    let rights = MapFlags::READ | MapFlags::WRITE;
    m.partition.map(&m.memory, 0xF000, Gpa(0x2_0000), 0x1000, rights).expect("map");
    assert_eq!(m.run().reason, ExitReason::Halt);
    // Without the right to execute, a fetch exits.
    m.set(Name::CS, 0);
    m.vp.set_registers(&[(Name::CS, common::code_segment(0x2_0000).into()), (Name::RIP, 0.into())])
        .expect("CS");
    let ExitReason::MemoryAccess(access) = m.run().reason else { panic!("refused fetch") };
    assert_eq!(
        (access.access, access.gpa, access.is_gpa_unmapped),
        (AccessType::Execute, Gpa(0x2_0000), false)
    );
    assert_eq!(access.instruction.count, 0);
}

#[test]
fn cpuid_exits_for_listed_functions_only() {
    let list = Property::CpuidExitList(vec![7]);
    let builder = Partition::builder().processors(1).exits(ExtendedVmExits::X64_CPUID).property(list);
    // mov eax,1; cpuid; mov eax,7; cpuid
    let m = Machine::with(
        builder,
        &[0x66, 0xB8, 1, 0, 0, 0, 0x0F, 0xA2, 0x66, 0xB8, 7, 0, 0, 0, 0x0F, 0xA2, 0xF4],
    );
    m.set(Name::RCX, 0);
    let exit = m.run();
    let ExitReason::Cpuid(cpuid) = exit.reason else { panic!("{exit:?}") };
    assert_eq!((cpuid.rax, exit.vp.rip, exit.vp.instruction_length), (7, CODE + 14, 2));
    assert_eq!(cpuid.default, m.vp.cpuid(7, cpuid.rcx as u32));
}

#[test]
fn cpuid_lists_change_results_without_exits() {
    use openwhp::CpuidOutput;
    use openwhp::CpuidResult;
    use openwhp::CpuidResult2;
    let output = CpuidOutput { eax: 0x4000_0001, ebx: 1, ecx: 2, edx: 3 };
    let m = Machine::with(
        Partition::builder()
            .processors(1)
            .property(Property::CpuidResultList(vec![CpuidResult { function: 0x4000_0000, output }]))
            .property(Property::CpuidResultList2(vec![CpuidResult2 {
                function: 1,
                index: None,
                vp: None,
                output: CpuidOutput { ecx: 1 << 31, ..CpuidOutput::default() },
                mask: CpuidOutput { ecx: 1 << 31, ..CpuidOutput::default() },
            }])),
        // mov eax,0x40000000; cpuid; hlt
        &[0x66, 0xB8, 0, 0, 0, 0x40, 0x0F, 0xA2, 0xF4],
    );
    assert_eq!(m.run().reason, ExitReason::Halt);
    assert_eq!((m.get(Name::RAX), m.get(Name::RBX), m.get(Name::RDX)), (0x4000_0001, 1, 3));
    assert_eq!(m.vp.cpuid(1, 0).ecx >> 31, 1);
    assert_ne!(m.vp.cpuid(1, 0).eax, 0);
}

#[test]
fn unknown_msrs_fault_exit_or_are_ignored() {
    // mov ecx,0x12345; rdmsr; hlt, with a #GP handler that halts elsewhere
    let code = [0x66, 0xB9, 0x45, 0x23, 0x01, 0x00, 0x0F, 0x32, 0xF4];
    let m = Machine::new(&code);
    m.handler(13, common::HANDLER, &[0xF4]);
    assert_eq!((m.run().reason, m.get(Name::RIP)), (ExitReason::Halt, common::HANDLER + 1));
    let m = with_exits(ExtendedVmExits::X64_MSR, &code);
    let exit = m.run();
    let ExitReason::Msr(msr) = exit.reason else { panic!("{exit:?}") };
    assert_eq!((msr.msr, msr.is_write, exit.vp.instruction_length), (0x12345, false, 2));
    let off = Property::X64MsrExitBitmap(MsrExitBitmap::empty());
    let builder = Partition::builder().processors(1).exits(ExtendedVmExits::X64_MSR).property(off);
    let m = Machine::with(builder, &code);
    m.handler(13, common::HANDLER, &[0xF4]);
    m.run();
    assert_eq!(m.get(Name::RIP), common::HANDLER + 1);
    let ignore = Property::UnimplementedMsrAction(UnimplementedMsrAction::Ignore);
    let m = Machine::with(Partition::builder().processors(1).property(ignore), &code);
    m.set(Name::RAX, 5);
    m.run();
    assert_eq!((m.get(Name::RAX), m.get(Name::RIP)), (0, CODE + 9));
}

#[test]
fn msr_lists_and_bitmap_beat_the_implementation() {
    // mov ecx,0x10; rdmsr; mov ecx,0x277; rdmsr; hlt
    let code = [0x66, 0xB9, 0x10, 0, 0, 0, 0x0F, 0x32, 0x66, 0xB9, 0x77, 2, 0, 0, 0x0F, 0x32, 0xF4];
    let ignored = MsrActionEntry { msr: 0x277, read: MsrAction::Ignore, write: MsrAction::Architecture };
    let m = Machine::with(
        Partition::builder()
            .processors(1)
            .exits(ExtendedVmExits::X64_MSR)
            .property(Property::X64MsrExitBitmap(MsrExitBitmap::TSC_READ))
            .property(Property::MsrActionList(vec![ignored])),
        &code,
    );
    let exit = m.run();
    let ExitReason::Msr(msr) = exit.reason else { panic!("{exit:?}") };
    assert_eq!(msr.msr, 0x10);
    m.skip(&exit);
    assert_eq!(m.run().reason, ExitReason::Halt);
    assert_eq!(m.get(Name::RAX), 0, "the page attributes read as zero");
    assert_ne!(m.get(Name::PAT), 0);
}

#[test]
fn rdtsc_exit_gives_the_value() {
    let m = with_exits(ExtendedVmExits::X64_RDTSC, &[0x0F, 0x31, 0x0F, 0x01, 0xF9, 0xF4]);
    let exit = m.run();
    let ExitReason::Rdtsc(tsc) = exit.reason else { panic!("{exit:?}") };
    assert!(!tsc.is_rdtscp && tsc.tsc >= 1 && exit.vp.instruction_length == 2);
    m.skip(&exit);
    let exit = m.run();
    let ExitReason::Rdtsc(later) = exit.reason else { panic!("{exit:?}") };
    assert!(later.is_rdtscp && later.tsc > tsc.tsc && exit.vp.instruction_length == 3);
    assert!(later.reference_time_100ns >= tsc.reference_time_100ns);
}

#[test]
fn exceptions_exit_undelivered_and_can_be_reinjected() {
    // xor cx,cx; div cx
    let builder = Partition::builder().processors(1).exits(ExtendedVmExits::EXCEPTION);
    let m =
        Machine::with(builder.property(Property::ExceptionExitBitmap(1)), &[0x31, 0xC9, 0xF7, 0xF1, 0xF4]);
    m.handler(0, common::HANDLER, &[0xF4]);
    let exit = m.run();
    let ExitReason::Exception(exception) = exit.reason else { panic!("{exit:?}") };
    assert_eq!((exception.vector, exception.is_software, exception.error_code), (0, false, None));
    assert_eq!((exit.vp.rip, exit.vp.instruction_length), (CODE + 2, 0));
    assert_eq!(&exception.instruction.as_slice()[..2], &[0xF7, 0xF1]);
    // PendingEvent: pending, exception, vector 0.
    m.set(Name::PENDING_EVENT, 1);
    assert_eq!(m.run().reason, ExitReason::Halt);
    assert_eq!((m.get(Name::RIP), m.get(Name::PENDING_EVENT)), (common::HANDLER + 1, 0));
}

#[test]
fn int3_exits_at_the_instruction_with_its_length() {
    let builder = Partition::builder().processors(1).exits(ExtendedVmExits::EXCEPTION);
    let m = Machine::with(builder.property(Property::ExceptionExitBitmap(1 << 3)), &[0xCC, 0xF4]);
    let exit = m.run();
    let ExitReason::Exception(exception) = exit.reason else { panic!("{exit:?}") };
    assert!(exception.is_software && exception.vector == 3);
    assert_eq!((exit.vp.rip, exit.vp.instruction_length), (CODE, 1));
}

#[test]
fn exit_switches_change_between_runs() {
    let m = Machine::new(&[0x0F, 0xA2, 0x0F, 0xA2, 0xF4]);
    m.partition.set_property(Property::ExtendedVmExits(ExtendedVmExits::X64_CPUID)).expect("property");
    let exit = m.run();
    assert!(matches!(exit.reason, ExitReason::Cpuid(_)));
    m.partition.set_property(Property::ExtendedVmExits(ExtendedVmExits::empty())).expect("property");
    assert_eq!(m.run().reason, ExitReason::Halt);
}

#[test]
fn a_triple_fault_stays_until_registers_change() {
    // An interrupt table of length 0, then #UD.
    let m = Machine::new(&[0x0F, 0x0B]);
    m.vp.set_registers(&[(Name::IDTR, openwhp::TableRegister { base: 0, limit: 0 }.into())]).expect("IDTR");
    let exit = m.run();
    assert_eq!((exit.reason, exit.vp.rip), (ExitReason::UnrecoverableException, CODE));
    assert_eq!(m.run().reason, ExitReason::UnrecoverableException);
    m.memory.write(CODE, &[0xF4, 0xF4]).expect("repair");
    common::real_mode(&m.vp, CODE + 1);
    assert_eq!(m.run().reason, ExitReason::Halt);
}

#[test]
fn impossible_state_exits_before_any_instruction() {
    let m = Machine::new(&[0xF4]);
    let cr0 = m.get(Name::CR0);
    m.set(Name::CR0, cr0 | 1 << 31);
    let exit = m.run();
    assert_eq!((exit.reason, exit.vp.rip), (ExitReason::InvalidVpRegisterValue, CODE));
    m.set(Name::CR0, cr0);
    assert_eq!(m.run().reason, ExitReason::Halt);
}

#[test]
fn cancels_are_remembered_and_coalesce() {
    let m = Machine::new(&[0xF4]);
    let canceller = m.vp.canceller();
    canceller.cancel();
    canceller.cancel();
    let exit = m.run();
    assert_eq!((exit.reason, exit.vp.rip), (ExitReason::Canceled, CODE));
    assert_eq!(m.run().reason, ExitReason::Halt);
}

#[test]
fn a_cancel_ends_an_endless_loop() {
    let m = Machine::new(&[0xEB, 0xFE]);
    let canceller = m.vp.canceller();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        canceller.cancel();
    });
    let exit = m.run();
    assert_eq!((exit.reason, exit.vp.rip), (ExitReason::Canceled, CODE));
    thread.join().expect("thread");
}

#[test]
fn a_fault_during_delivery_keeps_the_event_pending() {
    // int 0x20 with a stack that is not mapped
    let m = Machine::new(&[0xCD, 0x20, 0xF4]);
    m.handler(0x20, common::HANDLER, &[0xF4]);
    m.vp.set_registers(&[(Name::SS, common::data_segment(0x2_0000).into())]).expect("SS");
    let exit = m.run();
    assert!(matches!(exit.reason, ExitReason::MemoryAccess(access) if access.access == AccessType::Write));
    assert!(exit.vp.execution.contains(ExecutionState::INTERRUPTION_PENDING));
    assert_eq!(exit.vp.rip, CODE);
    assert_eq!(m.get(Name::PENDING_INTERRUPTION) & 1, 1);
    m.partition.map(&m.memory, 0x8000, Gpa(0x2_0000), 0x8000, common::RWX).expect("map");
    m.partition.map(&m.memory, 0x8000, Gpa(0x2_8000), 0x8000, common::RWX).expect("map");
    assert_eq!((m.run().reason, m.get(Name::RIP)), (ExitReason::Halt, common::HANDLER + 1));
    assert_eq!(m.get(Name::PENDING_INTERRUPTION), 0);
}

#[test]
fn counters_count_exits() {
    let m = Machine::new(&[0xE6, 0x80, 0xE6, 0x80, 0xF4]);
    assert_eq!(m.next_out().0, 0x80);
    assert_eq!(m.next_out().0, 0x80);
    assert_eq!(m.run().reason, ExitReason::Halt);
    let counters = m.vp.counters();
    assert_eq!((counters.io_instructions.count, counters.halt_instructions.count), (2, 1));
    assert_eq!((counters.exceptions, counters.page_faults, counters.interrupts), (0, 0, 0));
    // ud2, whose handler halts.
    m.memory.write(CODE, &[0x0F, 0x0B]).expect("code");
    m.handler(6, common::HANDLER, &[0xF4]);
    m.set(Name::RIP, CODE);
    assert_eq!(m.run().reason, ExitReason::Halt);
    assert_eq!(m.vp.counters().exceptions, 1);
}

#[test]
fn hypercalls_exit_when_asked_for_and_are_undefined_otherwise() {
    // vmcall; vmmcall; hlt
    let code = [0x0F, 0x01, 0xC1, 0x0F, 0x01, 0xD9, 0xF4];
    let m = with_exits(ExtendedVmExits::HYPERCALL, &code);
    let cr0 = m.get(Name::CR0) | 1;
    m.vp.set_registers(&[(Name::CR0, cr0.into()), (Name::RCX, 0x5C.into())]).expect("protected mode");
    for at in [CODE, CODE + 3] {
        let exit = m.run();
        let ExitReason::Hypercall(call) = exit.reason else { panic!("{exit:?}") };
        assert_eq!((call.rcx, exit.vp.rip, exit.vp.instruction_length), (0x5C, at, 3));
        m.skip(&exit);
    }
    assert_eq!(m.run().reason, ExitReason::Halt);

    // Without the exit there is no such instruction, and no handler for #UD either.
    let m = with_exits(ExtendedVmExits::empty(), &code);
    m.vp.set_registers(&[(Name::CR0, cr0.into()), (Name::IDTR, 0u64.into())]).expect("protected mode");
    assert_eq!(m.run().reason, ExitReason::UnrecoverableException);
}
