//! Small clients: a library with its demonstration, an abstraction over several platforms, a loader of user programs,
//! the platform's own sample, a microVM, and a loop that thinks in terms of another interface.

use std::ptr::null_mut;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;
use rustix::mm::MprotectFlags;
use rustix::mm::ProtFlags;

use super::cases;
use super::habits::*;
use crate::Engine;
use crate::Item;
use crate::Machine;
use crate::Memory;
use crate::call;
use crate::machine::CODE;
use crate::machine::PAGE;
use crate::machine::RWX;
use crate::machine::word;

cases! { "habits of small clients":
    libwhp_demo_runs_a_long_mode_guest from "clients.md 2 libwhp demo",
    libwhp_translates_device_addresses from "clients.md 3 libwhp, Q31",
    virt86_clears_dirty_pages_without_a_bitmap from "clients.md 3 virt86, functions.md 2.5",
    virt86_answers_a_leaf_by_list_and_asks_for_another from "clients.md 2 virt86, Q28",
    simpleator_maps_user_pages_as_they_are_touched from "clients.md 1 Simpleator, exits.md 2.3",
    the_sample_commits_reserved_memory_when_it_is_touched from "memory.md 1.2, exits.md 2.3 (c)",
    libkrun_results_win_over_defaults from "clients.md 3 libkrun, state.md 9.1",
    libkrun_starts_processors_by_their_apics from "clients.md 2 libkrun, exits.md 3",
    libkrun_deletes_with_processors_present from "clients.md 3 libkrun, functions.md 1.5",
    a_kvm_like_loop_leaves_at_once_when_asked from "exits.md 2.2, Q39" covers [Item::Ability("cancel races")],
    a_kvm_like_loop_loses_no_cancel from "exits.md 2.2, Q39" covers [Item::Ability("cancel races")],
    contexts_of_many_sizes_are_filled from "functions.md 3.3, Q12",
    unaligned_register_arrays_go_both_ways from "README.md ABI on Linux",
}

fn libwhp_demo_runs_a_long_mode_guest(engine: &Engine) {
    // mov eax, 0x4000; cpuid-leaf exit; rdmsr; out; hlt with the APIC parks.
    let code = [
        0xB8, 0, 0, 0, 0x40, 0x0F, 0xA2, // mov eax, 0x40000000; cpuid
        0xB9, 0x45, 0x23, 0x01, 0, 0x0F, 0x32, // mov ecx, 0x12345; rdmsr
        0xE6, 0x68, 0xF4, // out 0x68, al; hlt
    ];
    let machine = long_mode(engine, &code, |machine| {
        let wanted = exits(engine, |exits| {
            exits.set_X64CpuidExit(1);
            exits.set_X64MsrExit(1);
        });
        configure(machine, WHvPartitionPropertyCodeExtendedVmExits, &wanted);
        assert_eq!(machine.set_property(WHvPartitionPropertyCodeCpuidExitList, &[1_u32, 0x4000_0000]), S_OK);
        configure(
            machine,
            WHvPartitionPropertyCodeLocalApicEmulationMode,
            &WHvX64LocalApicEmulationModeXApic,
        );
    });
    let context = machine.run_to(0, WHvRunVpExitReasonX64Cpuid);
    machine.set64(0, WHvX64RegisterRbx, 0x1234);
    skip_instruction(&machine, 0, &context);
    let context = machine.run_to(0, WHvRunVpExitReasonX64MsrAccess);
    machine.set64(0, WHvX64RegisterRax, 0x21);
    skip_instruction(&machine, 0, &context);
    assert_eq!(run_to_output(&machine, 0), (0x68, 0x21));
    let context = machine.while_parked(0, || machine.cancel(0));
    assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
}

fn libwhp_translates_device_addresses(engine: &Engine) {
    let machine = long_mode(engine, &[0x89, 0x04, 0x25, 0, 0, 0x20, 0], |_| ()); // mov [0x200000], eax
    let context = machine.run_to(0, WHvRunVpExitReasonMemoryAccess);
    assert_eq!(context.MemoryAccess().Gpa, 0x20_0000);
    for flags in [1, 2, 3, 0x11, 0x12] {
        assert_eq!(translate(&machine, 0, 0x20_0000, flags), (0, 0x20_0000), "flags {flags:#x}");
    }
}

fn virt86_clears_dirty_pages_without_a_bitmap(engine: &Engine) {
    let machine = long_mode(engine, &[0xC6, 0x04, 0x25, 0, 0, 0x03, 0, 1, 0xF4], |_| ());
    assert_eq!(machine.map(0x3_0000, 0x3_0000, PAGE, WHV_MAP_GPA_RANGE_FLAGS(15)), S_OK);
    machine.run_to(0, WHvRunVpExitReasonX64Halt);
    let query = |bitmap: *mut u64, size| {
        call!(engine.api, WHvQueryGpaRangeDirtyBitmap(machine.partition, 0x3_0000, PAGE, bitmap, size))
    };
    assert_eq!(query(null_mut(), 0), S_OK);
    let mut bits = 1;
    assert_eq!(query(&raw mut bits, 8), S_OK);
    assert_eq!(bits, 0);
}

fn virt86_answers_a_leaf_by_list_and_asks_for_another(engine: &Engine) {
    let code = [0xB8, 7, 0, 0, 0, 0x0F, 0xA2, 0xE7, 0x80, 0xB8, 1, 0, 0, 0, 0x0F, 0xA2];
    let machine = long_mode(engine, &code, |machine| {
        configure(
            machine,
            WHvPartitionPropertyCodeExtendedVmExits,
            &exits(engine, |e| e.set_X64CpuidExit(1)),
        );
        assert_eq!(machine.set_property(WHvPartitionPropertyCodeCpuidExitList, &[1_u32]), S_OK);
        let result = WHV_X64_CPUID_RESULT { Function: 7, Eax: 0x77, ..Default::default() };
        assert_eq!(machine.set_property(WHvPartitionPropertyCodeCpuidResultList, &[result]), S_OK);
    });
    assert_eq!(run_to_output(&machine, 0), (0x80, 0x77));
    assert_eq!(machine.run_to(0, WHvRunVpExitReasonX64Cpuid).CpuidAccess().Rax, 1);
}

fn simpleator_maps_user_pages_as_they_are_touched(engine: &Engine) {
    // At level 3: mov al, [0x200000]; add al, [0x203000]; mov [0x207000], al; syscall
    let code = [
        0x8A, 0x04, 0x25, 0, 0, 0x20, 0, 0x02, 0x04, 0x25, 0, 0x30, 0x20, 0, //
        0x88, 0x04, 0x25, 0, 0x70, 0x20, 0, 0x0F, 0x05,
    ];
    let machine = long_mode(engine, &code, |_| ());
    machine.memory.write(0x9000, &[0xF4]); // the entry of system calls
    let user = |selector: u16, attributes| crate::machine::flat_segment(selector, 0, u32::MAX, attributes);
    machine.set(
        0,
        &[
            (WHvX64RegisterCs, user(0x23, 0xA0FB)),
            (WHvX64RegisterSs, user(0x1B, 0xC0F3)),
            (WHvX64RegisterStar, word(0x0013_0008_0000_0000)),
            (WHvX64RegisterLstar, word(0x9000)),
        ],
    );
    let process = Memory::new(8 * PAGE);
    process.write(0, &[5]);
    process.write(3 * PAGE, &[6]);
    let mut touched = Vec::new();
    loop {
        let context = machine.try_run(0).expect("the processor runs");
        if context.ExitReason() == WHvRunVpExitReasonX64Halt {
            assert_eq!(context.VpContext().ExecutionState().Cpl(), 0);
            break;
        }
        assert_eq!(context.ExitReason(), WHvRunVpExitReasonMemoryAccess, "{context:?}");
        let access = context.MemoryAccess();
        assert_eq!((access.AccessInfo.GpaUnmapped(), access.AccessInfo.GvaValid()), (1, 1));
        let page = access.Gpa & !0xFFF;
        touched.push(page);
        let source = process.address().wrapping_byte_add((page - 0x20_0000) as usize);
        assert_eq!(call!(engine.api, WHvMapGpaRange(machine.partition, source, page, PAGE, RWX)), S_OK);
    }
    assert_eq!(touched, [0x20_0000, 0x20_3000, 0x20_7000]);
    assert_eq!(process.read(7 * PAGE, 1), [11]);
    assert_eq!(machine.get64(0, WHvX64RegisterRcx), CODE + 23, "where the call returns to");
    assert_eq!(call!(engine.api, WHvUnmapGpaRange(machine.partition, 0x20_0000, 8 * PAGE)), S_OK);
}

fn the_sample_commits_reserved_memory_when_it_is_touched(engine: &Engine) {
    // mov dword [0x200000], 0x2A; mov eax, [0x201000]; out 0x80, eax
    let code =
        [0xC7, 0x04, 0x25, 0, 0, 0x20, 0, 0x2A, 0, 0, 0, 0x8B, 0x04, 0x25, 0, 0x10, 0x20, 0, 0xE7, 0x80];
    let machine = long_mode(engine, &code, |_| ());
    let reserved = Memory::protected(16 * PAGE, ProtFlags::empty());
    let source = reserved.address();
    assert_eq!(call!(engine.api, WHvMapGpaRange(machine.partition, source, 0x20_0000, 16 * PAGE, RWX)), S_OK);
    for page in 0..2 {
        let access = machine.run_to(0, WHvRunVpExitReasonMemoryAccess).MemoryAccess();
        assert_eq!((access.Gpa, access.AccessInfo.GpaUnmapped()), (0x20_0000 + page * PAGE, 0));
        reserved.protect_part((page + 1) * PAGE, MprotectFlags::READ | MprotectFlags::WRITE);
    }
    assert_eq!(run_to_output(&machine, 0), (0x80, 0));
    assert_eq!(reserved.read(0, 4), [0x2A, 0, 0, 0]);
    let unmapped = call!(engine.api, WHvUnmapGpaRange(machine.partition, 0x20_0000, 16 * PAGE));
    assert_eq!(unmapped, S_OK);
}

/// Set up as a microVM: XAPIC, MSR exits by bit 0, feature banks, a set of synthetic features, a list of leaves.
fn libkrun(engine: &Engine, processors: u32) -> Machine {
    let machine = Machine::created(engine);
    configure(&machine, WHvPartitionPropertyCodeProcessorCount, &processors);
    configure(&machine, WHvPartitionPropertyCodeLocalApicEmulationMode, &WHvX64LocalApicEmulationModeXApic);
    configure(&machine, WHvPartitionPropertyCodeExtendedVmExits, &exits(engine, |e| e.set_X64MsrExit(1)));
    configure(&machine, WHvPartitionPropertyCodeX64MsrExitBitmap, &1_u64);
    let banks = engine.capability(WHvCapabilityCodeProcessorFeaturesBanks);
    configure(&machine, WHvPartitionPropertyCodeProcessorFeaturesBanks, &[banks[0], banks[1], banks[2]]);
    let synthetic = engine.capability(WHvCapabilityCodeSyntheticProcessorFeaturesBanks)[1] & 0xB8F;
    if synthetic != 0 {
        configure(&machine, WHvPartitionPropertyCodeSyntheticProcessorFeaturesBanks, &[1, synthetic]);
    }
    let result = WHV_X64_CPUID_RESULT { Function: 0x8000_0007, Edx: 0x100, ..Default::default() };
    assert_eq!(machine.set_property(WHvPartitionPropertyCodeCpuidResultList, &[result]), S_OK);
    assert_eq!(call!(engine.api, WHvSetupPartition(machine.partition)), S_OK);
    machine.map_all();
    (0..processors).for_each(|vp| machine.create_vp(vp));
    machine
}

fn libkrun_results_win_over_defaults(engine: &Engine) {
    let machine = libkrun(engine, 1);
    machine.memory.write(CODE, &[0xB8, 7, 0, 0, 0x80, 0x0F, 0xA2, 0x89, 0xD0, 0xE7, 0x80]); // ...; mov eax, edx
    enter_long_mode(&machine, 0);
    assert_eq!(run_to_output(&machine, 0), (0x80, 0x100));
}

fn libkrun_starts_processors_by_their_apics(engine: &Engine) {
    let machine = libkrun(engine, 2);
    // INIT, then SIPI for page 4, to processor 1 through the ICR; then wait for its mark and report.
    let mut code = Vec::new();
    for (offset, value) in [(0xF0_u32, 0x1FF_u32), (0x310, 1 << 24), (0x300, 0x4500), (0x300, 0x4604)] {
        code.extend([0xC7, 0x83]); // mov dword [rbx + offset], value
        code.extend(offset.to_le_bytes());
        code.extend(value.to_le_bytes());
    }
    code.extend([0x80, 0x3C, 0x25, 0, 0x30, 0, 0, 0, 0x74, 0xF6, 0xE6, 0x80]); // L: cmp byte [0x3000], 0; je L; out
    machine.memory.write(CODE, &code);
    // xor ax, ax; mov ds, ax; mov byte [0x3000], 1; hlt
    machine.memory.write(0x4000, &[0x31, 0xC0, 0x8E, 0xD8, 0xC6, 0x06, 0, 0x30, 1, 0xF4]);
    enter_long_mode(&machine, 0);
    machine.memory.write_u64(0x1_1018, 0xC000_0087);
    machine.set64(0, WHvX64RegisterRbx, 0xFEE0_0000);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| machine.try_run(1));
        assert_eq!(run_to_output(&machine, 0).0, 0x80);
        machine.cancel(1);
        let context = second.join().expect("the thread ends").expect("the processor runs");
        assert_eq!(context.ExitReason(), WHvRunVpExitReasonCanceled);
        assert_eq!(context.VpContext().Cs().Selector(), 0x400);
    });
}

fn libkrun_deletes_with_processors_present(engine: &Engine) {
    let machine = libkrun(engine, 4);
    machine.memory.write(CODE, &[0xE6, 0x80]);
    enter_long_mode(&machine, 0);
    run_to_output(&machine, 0);
    drop(machine);
    let partition = engine.create();
    let count = 2_u32;
    let code = WHvPartitionPropertyCodeProcessorCount;
    let start = (&raw const count).cast();
    assert_eq!(call!(engine.api, WHvSetPartitionProperty(partition, code, start, 4)), S_OK);
    assert_eq!(call!(engine.api, WHvSetupPartition(partition)), S_OK);
    assert_eq!(call!(engine.api, WHvCreateVirtualProcessor(partition, 0, 0)), S_OK);
    assert_eq!(call!(engine.api, WHvDeletePartition(partition)), S_OK);
}

/// The client asks for an exit before it runs, completes what is pending, and finds the guest untouched.
fn a_kvm_like_loop_leaves_at_once_when_asked(engine: &Engine) {
    let machine = long_mode(engine, &[0xFF, 0xC0, 0xE6, 0x80, 0xEB, 0xFA], |_| ()); // L: inc eax; out; jmp L
    for round in 1..100 {
        machine.cancel(0);
        machine.cancel(0);
        let context = machine.run_to(0, WHvRunVpExitReasonCanceled);
        assert_eq!(context.CancelReason().CancelReason.0, 0);
        assert_eq!(run_to_output(&machine, 0), (0x80, round & 0xFF));
    }
}

fn a_kvm_like_loop_loses_no_cancel(engine: &Engine) {
    let machine = long_mode(engine, &[0xE6, 0x80, 0xEB, 0xFC], |_| ()); // L: out 0x80, al; jmp L
    let asked = std::sync::atomic::AtomicU32::new(0);
    let seen = std::sync::atomic::AtomicU32::new(0);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::SeqCst;
    let start = std::time::Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..300 {
                // Each takes two changes of threads, for which a busy host may take its time.
                if round >= 10 && start.elapsed().as_secs() >= 3 {
                    break;
                }
                machine.cancel(0);
                asked.store(round + 1, order);
                // The next is sent only after this one was seen: none may be lost.
                while seen.load(order) <= round {
                    std::thread::yield_now();
                }
            }
            is_over.store(true, order);
        });
        let mut canceled = 0;
        while !is_over.load(order) {
            let context = machine.try_run(0).expect("the processor runs");
            match context.ExitReason() {
                WHvRunVpExitReasonCanceled => {
                    canceled += 1;
                    seen.store(canceled, order);
                }
                _ => skip_instruction(&machine, 0, &context),
            }
        }
    });
    assert_eq!(asked.load(order), seen.load(order), "none is lost, and none is seen twice");
}

fn contexts_of_many_sizes_are_filled(engine: &Engine) {
    let machine = long_mode(engine, &[0xE6, 0x80], |_| ());
    for size in [8, 16, 48, 100, 144, 224, 300, 4096] {
        let mut context = vec![0xAA_u8; 4096];
        let start = context.as_mut_ptr().cast();
        assert_eq!(call!(engine.api, WHvRunVirtualProcessor(machine.partition, 0, start, size)), S_OK);
        assert_eq!(context[..8], [2, 0, 0, 0, 0, 0, 0, 0], "{size}");
        let written = (size as usize).min(224);
        assert!(context[written..].iter().all(|byte| *byte == 0xAA), "{size}: nothing behind the structure");
    }
    for size in [0, 4, 7] {
        let mut context = [0_u64; 28];
        let start = context.as_mut_ptr().cast();
        let result = call!(engine.api, WHvRunVirtualProcessor(machine.partition, 0, start, size));
        assert_eq!(result, E_INVALIDARG, "{size}");
    }
}

fn unaligned_register_arrays_go_both_ways(engine: &Engine) {
    let machine = long_mode(engine, &[0xF4], |_| ());
    let names = [WHvX64RegisterRax, WHvX64RegisterXmm1, WHvX64RegisterRbx];
    for offset in [1_usize, 4, 8, 15] {
        let mut bytes = [0_u8; 64 + 16];
        bytes[offset..offset + 8].copy_from_slice(&0x11_u64.to_le_bytes());
        bytes[offset + 16..offset + 32].copy_from_slice(&[0x22; 16]);
        bytes[offset + 32..offset + 40].copy_from_slice(&0x33_u64.to_le_bytes());
        let (list, values) = (names.as_ptr(), bytes[offset..].as_ptr().cast());
        let set = call!(engine.api, WHvSetVirtualProcessorRegisters(machine.partition, 0, list, 3, values));
        assert_eq!(set, S_OK);
        let mut back = [0xEE_u8; 64 + 16];
        let place = back[offset..].as_mut_ptr().cast();
        let get = call!(engine.api, WHvGetVirtualProcessorRegisters(machine.partition, 0, list, 3, place));
        assert_eq!(get, S_OK);
        assert_eq!(back[offset..offset + 48], bytes[offset..offset + 48], "offset {offset}");
        assert_eq!(back[offset + 48], 0xEE);
    }
}
