//! A monitor that uses nearly everything: the engine's APIC, first-touch exits answered with population, overlay pages
//! over running guests, and state saved and restored in a fixed order.

use std::time::Duration;
use std::time::Instant;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use super::habits::*;
use crate::Engine;
use crate::Item;
use crate::Machine;
use crate::Memory;
use crate::call;
use crate::coverage::need;
use crate::machine::CODE;
use crate::machine::PAGE;
use crate::machine::RWX;
use crate::machine::flat_segment;
use crate::machine::word;
use crate::running::assert_no_faster;

cases! { "habits of OpenVMM":
    it_sets_up_with_the_engines_apic from "clients.md 2 OpenVMM",
    default_leaves_are_asked_for_before_the_first_run from "functions.md 3.10, clients.md 3 OpenVMM",
    overlay_pages_come_and_go_under_running_processors from "clients.md 3 OpenVMM, memory.md 1.1",
    one_byte_populates_a_page from "clients.md 3 OpenVMM, memory.md 3",
    two_mebibytes_populate_a_range from "clients.md 3 OpenVMM, memory.md 3",
    processors_start_by_register from "exits.md 3, clients.md 3 OpenVMM",
    an_8259_interrupt_follows_its_window from "clients.md 4 OpenVMM, exits.md 5.4, Q7",
    an_nmi_comes_through_local_interrupt_1 from "clients.md 4 OpenVMM",
    level_interrupts_are_asked_for_again from "exits.md 2.15, interrupts-and-notifications.md 1.2",
    state_is_restored_in_its_order from "clients.md 3 OpenVMM, state.md 7" covers [Item::Ability("save and restore")],
    hypercalls_come_out_with_three_bytes from "exits.md 2.14, clients.md 3 OpenVMM",
    hypercalls_of_every_level_come_out from "exits.md 2.14",
    its_own_apic_injects_by_registers from "clients.md 4 OpenVMM own APIC",
    reset_gives_what_it_rewrites from "functions.md 1.4, state.md 6, Q34, Q37",
    reference_time_is_its_clock from "interrupts-and-notifications.md 9.1",
}

/// Its set of exits.
fn wanted(engine: &Engine) -> WHV_EXTENDED_VM_EXITS {
    exits(engine, |exits| {
        exits.set_X64MsrExit(1);
        exits.set_X64CpuidExit(1);
        exits.set_HypercallExit(1);
        exits.set_UnknownSynicConnection(1);
        exits.set_RetargetUnknownVpciDevice(1);
    })
}

/// Set up as that client does, with natural sizes.
fn machine(engine: &Engine, processors: u32, change: impl FnOnce(&mut WHV_EXTENDED_VM_EXITS)) -> Machine {
    let machine = Machine::created(engine);
    machine.configure(WHvPartitionPropertyCodeProcessorCount, &processors);
    let nested = machine.set_property(WHvPartitionPropertyCodeNestedVirtualization, &0_u32);
    assert!([S_OK, WHV_E_UNKNOWN_PROPERTY].contains(&nested), "{nested:?}");
    machine.use_apic(WHvX64LocalApicEmulationModeXApic);
    let synthetic = engine.capability(WHvCapabilityCodeSyntheticProcessorFeaturesBanks)[1] & 0x7F44_8FFF;
    if synthetic != 0 {
        machine.configure(WHvPartitionPropertyCodeSyntheticProcessorFeaturesBanks, &[1, synthetic]);
    }
    machine.configure(WHvPartitionPropertyCodeAllowDeviceAssignment, &0_u32);
    let mut exits = wanted(engine);
    change(&mut exits);
    machine.configure(WHvPartitionPropertyCodeExtendedVmExits, &exits);
    assert_eq!(call!(engine.api, WHvSetupPartition(machine.partition)), S_OK);
    machine.map_all();
    for vp in 0..processors {
        machine.create_vp(vp);
    }
    machine
}

/// One processor of it in long mode.
fn long(engine: &Engine, code: &[u8]) -> Machine {
    let machine = machine(engine, 1, |_| ());
    machine.memory.write(CODE, code);
    enter_long_mode(&machine, 0);
    change_apic(&machine, 0, &[(0xF0, 0x1FF)]);
    machine
}

fn it_sets_up_with_the_engines_apic(engine: &Engine) {
    let machine = long(engine, &[0xE6, 0x80]);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
}

fn default_leaves_are_asked_for_before_the_first_run(engine: &Engine) {
    let machine = machine(engine, 2, |_| ());
    for leaf in [0, 1, 7, 0xB, 0xD, 0x4000_0000, 0x8000_0000, 0x8000_0008] {
        let mut output = WHV_CPUID_OUTPUT::default();
        let result = call!(
            engine.api,
            WHvGetVirtualProcessorCpuidOutput(machine.partition, 1, leaf, 0, &raw mut output)
        );
        assert_eq!(result, S_OK);
        if leaf == 1 {
            assert_eq!(output.Ebx >> 24, 1, "the APIC identifier");
        }
        if leaf == 0xB {
            assert_eq!(output.Edx, 1);
        }
    }
}

fn overlay_pages_come_and_go_under_running_processors(engine: &Engine) {
    // L: mov al, [0x5000]; mov [0x6000], al; inc qword [0x7000]; jmp L
    let machine = long(
        engine,
        &[
            0x8A, 0x04, 0x25, 0, 0x50, 0, 0, 0x88, 0x04, 0x25, 0, 0x60, 0, 0, //
            0x48, 0xFF, 0x04, 0x25, 0, 0x70, 0, 0, 0xEB, 0xE8,
        ],
    );
    let overlay = Memory::new(PAGE);
    overlay.write(0, &[0xAA]);
    machine.memory.write(0x5000, &[0x55]);
    let context = machine.while_running(0, || {
        for round in 0..100 {
            if round % 2 == 0 {
                let source = overlay.address();
                assert_eq!(
                    call!(engine.api, WHvMapGpaRange(machine.partition, source, 0x5000, PAGE, RWX)),
                    S_OK
                );
            } else {
                assert_eq!(machine.map(0x5000, 0x5000, PAGE, RWX), S_OK);
            }
            let expected = if round % 2 == 0 { 0xAA } else { 0x55 };
            while machine.memory.read(0x6000, 1) != [expected] {
                std::thread::yield_now();
            }
        }
        machine.cancel(0);
    });
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled, "no page was ever missing");
    assert_eq!(machine.map(0x5000, 0x5000, PAGE, RWX), S_OK);
}

/// Runs to HLT-like port 0xFF; answers first touches with `populate`; lists (page, kind) of each.
fn answer_first_touches(
    machine: &Machine,
    populate: impl Fn(u64) -> WHV_MEMORY_RANGE_ENTRY,
) -> Vec<(u64, u32)> {
    let mut touches = Vec::new();
    loop {
        let context = machine.try_run(0).expect("the processor runs");
        if context.ExitReason() == WHvRunVpExitReasonX64IoPortAccess {
            return touches;
        }
        assert_eq!(context.ExitReason(), WHvRunVpExitReasonMemoryAccess, "{context:?}");
        let access = context.MemoryAccess();
        assert_eq!(access.AccessInfo.GpaUnmapped(), 0);
        let kind = access.AccessInfo.AccessType();
        let touch = (access.Gpa & !0xFFF, kind);
        assert!(!touches.contains(&touch), "{touch:x?} faults again");
        touches.push(touch);
        let range = populate(access.Gpa);
        let parameters =
            WHV_ADVISE_GPA_RANGE_POPULATE { AccessType: WHV_MEMORY_ACCESS_TYPE(kind), ..Default::default() };
        let start = (&raw const parameters).cast();
        let code = WHvAdviseGpaRangeCodePopulate;
        let result =
            call!(machine.api, WHvAdviseGpaRange(machine.partition, &raw const range, 1, code, start, 8));
        assert_eq!(result, S_OK);
    }
}

/// mov [address], al for each; out 0xFF, al.
fn touching(engine: &Engine, addresses: &[u32]) -> Machine {
    let offered = engine.capability(WHvCapabilityCodeExtendedVmExits)[0];
    need(offered & 1 << 14 != 0, "GpaAccessFaultExit");
    let machine = machine(engine, 1, |exits| exits.set_GpaAccessFaultExit(1));
    let mut code = Vec::new();
    for address in addresses {
        code.extend([0x88, 0x04, 0x25]);
        code.extend(address.to_le_bytes());
    }
    code.extend([0xE6, 0xFF]);
    machine.memory.write(CODE, &code);
    enter_long_mode(&machine, 0);
    machine
}

fn one_byte_populates_a_page(engine: &Engine) {
    let machine = touching(engine, &[0x3_0123, 0x3_1FFF, 0x3_0FFF, 0x3_0124]);
    let touches =
        answer_first_touches(&machine, |gpa| WHV_MEMORY_RANGE_ENTRY { GuestAddress: gpa, SizeInBytes: 1 });
    assert!(touches.iter().filter(|touch| touch.0 >= 0x3_0000).count() <= 2, "{touches:x?}");
}

fn two_mebibytes_populate_a_range(engine: &Engine) {
    let addresses: Vec<u32> = (0..16).map(|page| 0x20_0000 + page * 0x1_1000).collect();
    let machine = touching(engine, &addresses);
    let more = Memory::new(0x20_0000);
    let mapped =
        call!(engine.api, WHvMapGpaRange(machine.partition, more.address(), 0x20_0000, 0x20_0000, RWX));
    assert_eq!(mapped, S_OK);
    let touches = answer_first_touches(&machine, |gpa| match gpa {
        0x20_0000.. => WHV_MEMORY_RANGE_ENTRY { GuestAddress: gpa & !0x1F_FFFF, SizeInBytes: 0x20_0000 },
        _ => WHV_MEMORY_RANGE_ENTRY { GuestAddress: gpa, SizeInBytes: 1 },
    });
    assert!(touches.iter().filter(|touch| touch.0 >= 0x20_0000).count() <= 1, "{touches:x?}");
    let unmapped = call!(engine.api, WHvUnmapGpaRange(machine.partition, 0x20_0000, 0x20_0000));
    assert_eq!(unmapped, S_OK);
}

fn processors_start_by_register(engine: &Engine) {
    let machine = machine(engine, 2, |_| ());
    machine.memory.write(CODE, &[0xE6, 0x81]);
    assert_eq!(machine.get64(1, WHvRegisterInternalActivityState), 1, "waits for its startup");
    enter_long_mode(&machine, 1);
    machine.set64(1, WHvRegisterInternalActivityState, 0);
    assert_eq!(run_to_output(&machine, 1).0, 0x81);
}

fn an_8259_interrupt_follows_its_window(engine: &Engine) {
    let machine = long(engine, &[0xE6, 0x80, 0xFB, 0x90, 0xEB, 0xFE]); // out 0x80, al; sti; nop; jmp $
    gate(&machine, 0x20, 0x9000, &[0xE6, 0x20, 0x48, 0xCF]);
    machine.set64(0, WHvX64RegisterDeliverabilityNotifications, 2);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
    machine.run_to(0, WHvRunVpExitReasonX64InterruptWindow);
    machine.set(0, &[(WHvRegisterPendingEvent, external(0x20))]);
    assert_eq!(run_to_output(&machine, 0).0, 0x20);
    machine.cancel(0);
    machine.run_to(0, WHvRunVpExitReasonCanceled);
}

fn an_nmi_comes_through_local_interrupt_1(engine: &Engine) {
    let machine = long(engine, &[0xEB, 0xFE]);
    gate(&machine, 2, 0x9000, &[0xE6, 0x02]);
    change_apic(&machine, 0, &[(0x360, 0x400)]); // LINT1: NMI
    let mut control = WHV_INTERRUPT_CONTROL::default();
    control.set_Type(u64::from(WHvX64InterruptTypeLocalInt1.0));
    assert_eq!(machine.request_control(&control), S_OK);
    assert_eq!(run_to_output(&machine, 0).0, 2);
    change_apic(&machine, 0, &[(0x360, 0x1_0400)]);
    assert_eq!(machine.request_control(&control), S_OK, "a masked line is no error");
}

/// mov ecx, 0x80B-like stores are not needed: EOI is a store to the APIC page.
fn level_interrupts_are_asked_for_again(engine: &Engine) {
    let machine = long(engine, &[0xFB, 0xEB, 0xFE]); // sti; jmp $
    // Page 0xFEE00000 one to one: entry 3 of the third level is a 1 GiB page.
    machine.memory.write_u64(0x1_1018, 0xC000_0087);
    // Handler: out 0x30, al; mov dword [0xFEE000B0], 0 through rbx; iretq
    gate(&machine, 0x30, 0x9000, &[0xE6, 0x30, 0xC7, 0x83, 0xB0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0xCF]);
    machine.set64(0, WHvX64RegisterRbx, 0xFEE0_0000);
    for _ in 0..3 {
        let mut control = WHV_INTERRUPT_CONTROL::default();
        control.set_TriggerMode(u64::from(WHvX64InterruptTriggerModeLevel.0));
        control.set_Vector(0x30);
        assert_eq!(machine.request_control(&control), S_OK);
        assert_eq!(run_to_output(&machine, 0).0, 0x30);
        let context = machine.run_to(0, WHvRunVpExitReasonX64ApicEoi);
        assert_eq!(context.ApicEoi().InterruptVector, 0x30);
    }
    machine.cancel(0);
    machine.run_to(0, WHvRunVpExitReasonCanceled);
}

/// Registers that it saves, in its groups.
fn saved() -> Vec<WHV_REGISTER_NAME> {
    let groups = [0..0x28, 0x1000..0x101A, 0x2001..0x200C];
    groups.into_iter().flatten().map(WHV_REGISTER_NAME).collect()
}

fn state_is_restored_in_its_order(engine: &Engine) {
    // L: inc rax; movq xmm0, rax; out 0x80, al; jmp L
    let code = [0x48, 0xFF, 0xC0, 0x66, 0x48, 0x0F, 0x6E, 0xC0, 0xE6, 0x80, 0xEB, 0xF4];
    let first = long(engine, &code);
    change_apic(&first, 0, &[(0x350, 0x700), (0x80, 0x20)]);
    assert_eq!(run_to_output(&first, 0), (0x80, 1));
    let names: Vec<_> = saved().into_iter().filter(|name| first.try_get(0, &[*name]).is_ok()).collect();
    let values = first.try_get(0, &names).expect("registers");
    let (image, page) = (xsave(&first, 0), apic_page(&first, 0));
    let second = machine(engine, 1, |_| ());
    second.memory.write(0, &first.memory.read(0, 0x2_0000));
    second.set64(0, WHvRegisterPendingEvent, 0);
    assert_eq!(set_xsave(&second, 0, &image), S_OK);
    let pairs: Vec<_> = names.iter().copied().zip(values.iter().copied()).collect();
    second.set(0, &pairs);
    second.set64(0, WHvX64RegisterApicBase, first.get64(0, WHvX64RegisterApicBase));
    set_apic_page(&second, 0, &page);
    second.set64(0, WHvRegisterInternalActivityState, 0);
    assert_eq!(apic_page(&second, 0), page);
    assert_eq!(xsave(&second, 0), image);
    for (name, value) in names.iter().zip(&values) {
        if *name != WHvX64RegisterTsc {
            assert_eq!(second.get(0, *name), *value, "{name:?}");
        }
    }
    assert_eq!(run_to_output(&second, 0), (0x80, 2));
}

fn hypercalls_come_out_with_three_bytes(engine: &Engine) {
    need(wanted(engine).HypercallExit() != 0, "HypercallExit");
    // Without an active interface every hypercall is the client's.
    let vendor = engine.capability(WHvCapabilityCodeProcessorVendor)[0] as u32;
    let call = if vendor == WHvProcessorVendorIntel.0 { [0x0F, 0x01, 0xC1] } else { [0x0F, 0x01, 0xD9] };
    let machine = long_mode(engine, &[call[0], call[1], call[2], 0xE6, 0x80], |machine| {
        machine.enable_exits(|exits| exits.set_HypercallExit(1));
    });
    machine.set(
        0,
        &[
            (WHvX64RegisterRcx, word(0x5C)),
            (WHvX64RegisterRdx, word(0x3_0000)),
            (WHvX64RegisterR8, word(0x3_1000)),
            (WHvX64RegisterXmm0, word(0x77)),
        ],
    );
    let context = machine.run_to(0, WHvRunVpExitReasonHypercall);
    assert_eq!((context.VpContext().Rip(), context.VpContext().InstructionLength()), (CODE, 3));
    let hypercall = context.Hypercall();
    assert_eq!((hypercall.Rcx, hypercall.Rdx, hypercall.R8), (0x5C, 0x3_0000, 0x3_1000));
    assert_eq!(hypercall.XmmRegisters[0].Low64(), 0x77);
    machine.set(0, &[(WHvX64RegisterRax, word(0)), (WHvX64RegisterRip, word(CODE + 3))]);
    assert_eq!(run_to_output(&machine, 0), (0x80, 0));
}

fn hypercalls_of_every_level_come_out(engine: &Engine) {
    need(wanted(engine).HypercallExit() != 0, "HypercallExit");
    let vendor = engine.capability(WHvCapabilityCodeProcessorVendor)[0] as u32;
    let call = if vendor == WHvProcessorVendorIntel.0 { [0x0F, 0x01, 0xC1] } else { [0x0F, 0x01, 0xD9] };
    // Flat segments of a 32-bit program; level 3, as a public demonstration of this exit sets up, and level 0.
    for (code, data, ring) in [(0xC0FB, 0xC0F3, 3), (0xC09B, 0xC093, 0)] {
        let machine = long_mode(engine, &call, |machine| {
            machine.enable_exits(|exits| exits.set_HypercallExit(1));
        });
        let segment = |selector: u16, attributes| flat_segment(selector | ring, 0, u32::MAX, attributes);
        machine.set(
            0,
            &[
                (WHvX64RegisterEfer, word(0)),
                (WHvX64RegisterCr0, word(0x11)),
                (WHvX64RegisterCs, segment(0x08, code)),
                (WHvX64RegisterSs, segment(0x10, data)),
                (WHvX64RegisterDs, segment(0x10, data)),
                (WHvX64RegisterRip, word(CODE)),
            ],
        );
        let context = machine.run_to(0, WHvRunVpExitReasonHypercall);
        assert_eq!((context.VpContext().Rip(), context.VpContext().InstructionLength()), (CODE, 3));
    }
}

fn its_own_apic_injects_by_registers(engine: &Engine) {
    let machine = long_mode(engine, &[0x66, 0xB9, 0x80, 0, 0x0F, 0x32, 0xFB, 0xF4], |machine| {
        machine.configure(WHvPartitionPropertyCodeX64MsrExitBitmap, &0x9_u64);
        let exits = exits(engine, |exits| {
            exits.set_X64MsrExit(1);
            exits.set_X64CpuidExit(1);
            exits.set_ExceptionExit(1);
        });
        machine.configure(WHvPartitionPropertyCodeExtendedVmExits, &exits);
        machine.configure(WHvPartitionPropertyCodeExceptionExitBitmap, &(1_u64 << 13));
    });
    // mov cx, 0x80; rdmsr with ECX = 0x40000080: a SynIC register, as an MSR exit or as a fault whose bytes are decoded.
    machine.set64(0, WHvX64RegisterRcx, 0x4000_0000);
    let context = machine.try_run(0).expect("the processor runs");
    let next = match context.ExitReason() {
        WHvRunVpExitReasonX64MsrAccess => {
            assert_eq!(context.MsrAccess().MsrNumber, 0x4000_0080);
            context.VpContext().Rip() + 2
        }
        WHvRunVpExitReasonException => {
            assert_eq!(context.VpException().InstructionBytes[..2], [0x0F, 0x32]);
            context.VpContext().Rip() + 2
        }
        _ => panic!("{context:?}"),
    };
    machine.set64(0, WHvX64RegisterRip, next);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    gate(&machine, 0x41, 0x9000, &[0xE6, 0x41, 0x48, 0xCF]);
    gate(&machine, 2, 0x9100, &[0xE6, 0x02, 0x48, 0xCF]);
    machine.set(0, &[(WHvRegisterPendingInterruption, interruption(WHvX64PendingInterrupt, 0x41))]);
    assert_eq!(run_to_output(&machine, 0).0, 0x41);
    machine.set(0, &[(WHvRegisterPendingInterruption, interruption(WHvX64PendingNmi, 2))]);
    assert_eq!(run_to_output(&machine, 0).0, 2);
}

fn reset_gives_what_it_rewrites(engine: &Engine) {
    let machine = long(engine, &[0xE6, 0x80]);
    run_to_output(&machine, 0);
    assert_eq!(call!(engine.api, WHvResetPartition(machine.partition)), S_OK);
    let cs = machine.get(0, WHvX64RegisterCs).Segment();
    assert_eq!((cs.Selector(), cs.Base()), (0xF000, 0xF_0000));
    assert_eq!(machine.get64(0, WHvX64RegisterTsc), 0, "time stands still until the next run");
    assert_eq!(machine.get64(0, WHvX64RegisterApicBase), 0xFEE0_0900);
    let zero = 0_u64;
    assert_eq!(machine.set_property(WHvPartitionPropertyCodeReferenceTime, &zero), S_OK);
    enter_long_mode(&machine, 0);
    assert_eq!(run_to_output(&machine, 0).0, 0x80);
}

fn reference_time_is_its_clock(engine: &Engine) {
    let machine = long(engine, &[0xEB, 0xFE]);
    let now = || machine.property::<u64>(WHvPartitionPropertyCodeReferenceTime);
    assert_eq!(now(), 0);
    machine.while_running(0, || {
        let (start, pause) = (Instant::now(), Duration::from_millis(5));
        let first = now();
        std::thread::sleep(pause);
        let passed = now() - first;
        assert!(passed >= 50_000, "{passed} units of 100 ns in 5 ms");
        assert_no_faster(passed, start, pause / 2);
        machine.cancel(0);
    });
    assert_eq!(call!(engine.api, WHvSuspendPartitionTime(machine.partition)), S_OK);
    let saved = now();
    assert_eq!(machine.set_property(WHvPartitionPropertyCodeReferenceTime, &(saved + 77)), S_OK);
    assert_eq!(now(), saved + 77);
}
