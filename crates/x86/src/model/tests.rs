//! Every feature that a processor offers is shown and works; taken away, it is neither shown nor there.

use super::*;
use crate::cpu::vector;
use crate::exit::CpuExit;
use crate::state::*;
use crate::testing::CODE;
use crate::testing::DATA;
use crate::testing::Machine;
use iced_x86::CpuidFeature;
use iced_x86::Decoder;
use iced_x86::Mnemonic;
use std::collections::HashMap;

const VENDORS: [Vendor; 2] = [Vendor::Intel, Vendor::Amd];

fn model(vendor: Vendor) -> CpuModel {
    let mut model = CpuModel::host_as(vendor, 1_000_000_000);
    model.phys_bits = 40;
    model.apic = ApicKind::X2Apic;
    model
}

fn without(model: &CpuModel, row: &Feature) -> CpuModel {
    let mut less = model.clone();
    let (leaf, sub, reg) = row.place();
    less.disable(leaf, sub, reg, row.bit);
    less
}

fn offered(model: &CpuModel) -> impl Iterator<Item = &'static Feature> + '_ {
    FEATURES.iter().filter(|row| model.has_row(row))
}

/// The bit by which software finds the feature.
fn shown(model: &CpuModel, row: &Feature) -> bool {
    let (leaf, sub, reg) = row.place();
    if leaf == ARCH_CAPABILITIES {
        let is_set = model.arch_capabilities() >> row.bit & 1 != 0;
        return is_set != (row.name == "RSBA_NO");
    }
    let (leaf, sub, reg, bit) = match (model.vendor, row.name) {
        (Vendor::Intel, "IBRS" | "IBPB") => (7, 0, Reg::Edx, 26),
        (Vendor::Intel, "STIBP") => (7, 0, Reg::Edx, 27),
        (Vendor::Intel, "SSBD") => (7, 0, Reg::Edx, 31),
        (Vendor::Intel, "PSFD") => (7, 2, Reg::Edx, 0),
        _ => (leaf, sub, reg, row.bit),
    };
    let state = Dynamic { long: true, ..Dynamic::default() };
    model.leaf(leaf, sub, &state)[reg as usize] >> bit & 1 != 0
}

/// A machine with `model` and everything of it switched on that leaves flat user-accessible memory usable.
fn machine(model: &CpuModel, code: &[u8]) -> Machine {
    let mut m = Machine::long_mode(code);
    m.cpu.model = model.clone();
    let unwanted = cr4::LA57
        | cr4::PCIDE
        | cr4::SMEP
        | cr4::SMAP
        | cr4::UMIP
        | cr4::TSD
        | cr4::VME
        | cr4::PVI
        | cr4::MCE;
    let s = &mut m.cpu.s;
    s.cr4 = model.cr4_mask() & !unwanted | cr4::PAE;
    s.xcr0 = model.xcr0_mask | 1;
    s.vec.mxcsr_mask = 0xffff;
    for register in [RAX, RBX, RDX, RSI, RDI] {
        s.gpr[register] = DATA;
    }
    m.cpu.sync();
    m
}

/// Encodings for every group of instructions the decoder knows, one whose other groups `model` offers.
fn encodings(model: &CpuModel) -> HashMap<CpuidFeature, Vec<u8>> {
    let mut found = HashMap::new();
    let mut look = |bytes: &[u8]| {
        let mut decoder = Decoder::with_ip(64, bytes, CODE, DecoderOptions::NONE);
        let i = decoder.decode();
        if i.is_invalid() || !model.allows(&i) || i.has_lock_prefix() {
            return;
        }
        for group in i.cpuid_features() {
            // Hints are no-operations elsewhere, and branches leave.
            let is_plain = !matches!(i.mnemonic(), Mnemonic::Prefetchw | Mnemonic::Pause | Mnemonic::Tzcnt);
            if is_plain {
                found.entry(*group).or_insert_with(|| bytes[..i.len()].to_vec());
            }
        }
    };
    for prefix in [&[][..], &[0x66], &[0xf3], &[0xf2]] {
        for rex in [&[][..], &[0x48]] {
            for (map, opcode) in (0..3).flat_map(|map| (0..=255u8).map(move |opcode| (map, opcode))) {
                let escape: &[u8] = [&[0x0f][..], &[0x0f, 0x38], &[0x0f, 0x3a]][map];
                let every = map == 0 && matches!(opcode, 0x01 | 0xae | 0xc7);
                for modrm in (0..=255u8).filter(|m| every || matches!(m, 0x00 | 0xc1)) {
                    look(&[prefix, rex, escape, &[opcode, modrm, 1, 0, 0, 0, 0]].concat());
                }
            }
        }
        look(&[prefix, &[0xd8, 0xc1]].concat());
    }
    for (map, pp, opcode) in
        (1..=6u8).flat_map(|map| (0..4u8).flat_map(move |pp| (0..=255u8).map(move |op| (map, pp, op))))
    {
        for modrm in [0x00, 0x40, 0xc1] {
            for w in [0, 0x80] {
                for v in [0x78, 0x70] {
                    for l in [0, 4] {
                        look(&[0xc4, 0xe0 | map, w | v | l | pp, opcode, modrm, 1, 0, 0, 0, 0]);
                    }
                    for l in [0x08, 0x28, 0x48] {
                        for k in [0, 1] {
                            look(&[0x62, 0xf0 | map, w | v | 4 | pp, l | k, opcode, modrm, 1, 0, 0, 0, 0]);
                        }
                    }
                }
            }
        }
    }
    found
}

fn is_undefined(model: &CpuModel, code: &[u8]) -> bool {
    machine(model, code).fault().is_some_and(|(number, _)| number == vector::UD)
}

/// Whether a write of `value` to a control register or MSR by `code` faults.
fn faults(mut m: Machine, model: &CpuModel, set: impl Fn(&mut VpState)) -> bool {
    m.cpu.model = model.clone();
    set(&mut m.cpu.s);
    match m.fault() {
        None => false,
        Some((vector::GP, Some(0))) => true,
        other => panic!("{other:?}"),
    }
}

fn cr4_faults(model: &CpuModel, bits: u64) -> bool {
    // PCIDE needs long mode, five-level paging may not be switched in it.
    let code = [0x0f, 0x22, 0xe0];
    let m = if bits == cr4::PCIDE { Machine::long_mode(&code) } else { Machine::protected(32, &code) };
    let keep = m.cpu.s.cr4 & cr4::PAE;
    faults(m, model, |s| s.gpr[RAX] = keep | bits)
}

fn wrmsr_faults(model: &CpuModel, index: u32, value: u64) -> bool {
    faults(Machine::protected(32, &[0x0f, 0x30]), model, |s| {
        s.gpr[RCX] = u64::from(index);
        s.gpr[RAX] = value & 0xffff_ffff;
        s.gpr[RDX] = value >> 32;
    })
}

fn rdmsr_faults(model: &CpuModel, index: u32) -> bool {
    faults(Machine::protected(32, &[0x0f, 0x32]), model, |s| s.gpr[RCX] = u64::from(index))
}

fn xsetbv_faults(model: &CpuModel, value: u64) -> bool {
    faults(Machine::protected(32, &[0x0f, 0x01, 0xd1]), model, |s| {
        s.gpr[RCX] = 0;
        s.gpr[RAX] = value;
        s.gpr[RDX] = 0;
    })
}

fn each_bit(bits: u64) -> impl Iterator<Item = u64> {
    (0..64).map(|n| 1 << n).filter(move |bit| bits & bit != 0)
}

#[test]
fn what_is_offered_is_shown_and_what_is_taken_away_is_not() {
    for vendor in VENDORS {
        let all = model(vendor);
        for row in offered(&all) {
            assert!(shown(&all, row), "{} on {vendor:?}", row.name);
            assert!(!shown(&without(&all, row), row), "{} on {vendor:?}", row.name);
        }
    }
}

#[test]
fn instructions_of_a_missing_feature_are_undefined() {
    for vendor in VENDORS {
        let all = model(vendor);
        let examples = encodings(&all);
        for row in offered(&all) {
            for gate in row.gates {
                let Gate::Instructions(group) = gate else { continue };
                // Nothing is decoded as the old groups, and SYSENTER is undefined in AMD's long mode anyway.
                let is_old = matches!(group, CpuidFeature::FPU287 | CpuidFeature::FPU387);
                if is_old || vendor == Vendor::Amd && *group == CpuidFeature::SEP {
                    continue;
                }
                let Some(code) = examples.get(group) else { panic!("no instruction of {group:?}") };
                assert!(!is_undefined(&all, code), "{} {code:x?} on {vendor:?}", row.name);
                assert!(is_undefined(&without(&all, row), code), "{} {code:x?} on {vendor:?}", row.name);
            }
        }
    }
}

#[test]
fn control_bits_of_a_missing_feature_fault() {
    for vendor in VENDORS {
        let all = model(vendor);
        for row in offered(&all) {
            let less = without(&all, row);
            for gate in row.gates {
                match *gate {
                    Gate::Cr4(bits) => {
                        for bit in each_bit(bits) {
                            assert!(!cr4_faults(&all, bit), "{} {bit:#x}", row.name);
                            assert!(cr4_faults(&less, bit), "{} {bit:#x}", row.name);
                        }
                    }
                    Gate::Efer(bits) => {
                        assert!(!wrmsr_faults(&all, 0xc000_0080, bits), "{}", row.name);
                        assert!(wrmsr_faults(&less, 0xc000_0080, bits), "{}", row.name);
                    }
                    Gate::Xcr0(bits) => {
                        let value = bits | all.xcr0_mask & 7;
                        assert!(!xsetbv_faults(&all, value), "{}", row.name);
                        assert!(xsetbv_faults(&less, value), "{}", row.name);
                    }
                    Gate::MsrBits(index, bits) => {
                        assert!(!wrmsr_faults(&all, index, bits), "{}", row.name);
                        assert!(wrmsr_faults(&less, index, bits), "{}", row.name);
                    }
                    Gate::Msr(index) => {
                        assert!(all.has_msr(index) && !less.has_msr(index), "{}", row.name);
                        // The deadline belongs to the local APIC; predictor commands can only be written.
                        match index {
                            0x6e0 => {}
                            PRED_CMD => {
                                assert!(!wrmsr_faults(&all, index, 1) && rdmsr_faults(&all, index));
                                assert!(wrmsr_faults(&less, index, 1));
                            }
                            _ => {
                                assert!(!rdmsr_faults(&all, index), "{}", row.name);
                                assert!(rdmsr_faults(&less, index), "{}", row.name);
                            }
                        }
                    }
                    Gate::Instructions(_) | Gate::Rule(_) => {}
                }
            }
        }
    }
}

/// What each rule looks like, with the feature and without it.
fn rule(model: &CpuModel, name: &str) -> String {
    match name {
        "LAHF64" => format!("{}", is_undefined(model, &[0x9f])),
        "LZCNT" => {
            let mut m = machine(model, &[0xf3, 0x0f, 0xbd, 0xc3]);
            m.cpu.s.gpr[RBX] = 1 << 4;
            m.steps(1);
            format!("{}", m.cpu.s.gpr[RAX])
        }
        "PAGE1GB" => {
            let mut m = machine(model, &[0x90]);
            m.ram.put::<8>(crate::testing::TABLES + 0x1000, 0x87);
            m.cpu.sync();
            format!("{:?}", m.fault())
        }
        "XGETBV1" => {
            let mut m = machine(model, &[0x0f, 0x01, 0xd0]);
            m.cpu.s.gpr[RCX] = 1;
            format!("{:?}", m.fault())
        }
        "WBNOINVD" => {
            let mut decoder = Decoder::with_ip(64, &[0xf3, 0x0f, 0x09], 0, model.decoder_options());
            format!("{:?}", decoder.decode().mnemonic())
        }
        other => panic!("a rule without a test: {other}"),
    }
}

#[test]
fn rules_of_a_missing_feature_change() {
    for vendor in VENDORS {
        let all = model(vendor);
        for row in offered(&all) {
            let less = without(&all, row);
            if row.gates.iter().any(|gate| matches!(gate, Gate::Rule(_))) {
                assert_ne!(rule(&all, row.name), rule(&less, row.name), "{}", row.name);
            }
        }
    }
}

#[test]
fn instructions_of_features_nobody_provides_are_undefined() {
    // MONITOR, XBEGIN, BNDMK (a hint without MPX), VFMADDPS of FMA4, LOCK MOV CR0.
    let codes: [&[u8]; 5] = [
        &[0x0f, 0x01, 0xc8],
        &[0xc7, 0xf8, 0, 0, 0, 0],
        &[0xf3, 0x0f, 0x1b, 0x00],
        &[0xc4, 0xe3, 0xf9, 0x68, 0xc1, 0x10],
        &[0xf0, 0x0f, 0x20, 0xc0],
    ];
    for code in codes {
        assert!(code[0] == 0xf3 || is_undefined(&model(Vendor::Intel), code), "{code:x?}");
    }
}

#[test]
fn tsc_aux_is_there_as_long_as_something_reads_it() {
    let all = model(Vendor::Intel);
    let row = |name| FEATURES.iter().find(|row| row.name == name).expect("a feature");
    let one = without(&all, row("RDTSCP"));
    assert!(!rdmsr_faults(&one, 0xc000_0103));
    assert!(rdmsr_faults(&without(&one, row("RDPID")), 0xc000_0103));
}

#[test]
fn one_of_two_barriers_is_shown_where_it_can_be_told_apart() {
    let all = model(Vendor::Intel);
    let row = FEATURES.iter().find(|row| row.name == "IBRS").expect("a feature");
    let less = without(&all, row);
    assert_eq!(less.leaf(0x8000_0008, 0, &Dynamic::default())[1] & 0x5000, 1 << 12);
    assert_eq!(less.arch_capabilities() & 2, 0, "IBRS that is always on needs IBRS");
}

#[test]
fn without_xsave_there_is_no_extended_state() {
    let mut m = model(Vendor::Intel);
    m.disable(1, 0, Reg::Ecx, 26);
    assert_eq!(m.xcr0_mask, 0);
    for (leaf, reg, bit) in [(1, Reg::Ecx, 28), (7, Reg::Ebx, 5), (7, Reg::Ebx, 16), (7, Reg::Ecx, 3)] {
        assert!(!m.has(leaf, 0, reg, bit), "{leaf} {reg:?} {bit}");
    }
    assert_eq!(m.leaf(0xd, 0, &Dynamic::default()), [0; 4]);
}

#[test]
fn the_clock_leaf_gives_the_exact_rates() {
    for (tsc, apic) in [(1_000_000_000, 200_000_000), (2_112_000_123, 24_000_000), (7, 3)] {
        let mut m = model(Vendor::Intel);
        (m.tsc_hz, m.apic_hz) = (tsc, apic);
        let [denominator, numerator, crystal, _] = m.leaf(0x15, 0, &Dynamic::default()).map(u64::from);
        assert_eq!(crystal, apic);
        assert_eq!(crystal * numerator / denominator, tsc);
    }
}

#[test]
fn memory_type_ranges_end_at_the_physical_width() {
    let all = model(Vendor::Intel);
    assert!(!wrmsr_faults(&all, 0x200, 0xff_ffff_f006));
    assert!(wrmsr_faults(&all, 0x200, 1 << 40 | 6));
    assert!(wrmsr_faults(&all, 0x200, 0x106));
    assert!(!wrmsr_faults(&all, 0x201, 0xff_ffff_f800));
    assert!(wrmsr_faults(&all, 0x201, 1 << 40 | 0x800));
    assert!(wrmsr_faults(&all, 0x201, 1));
}

#[test]
fn registers_that_only_inform_cannot_be_written() {
    for index in [0xfe, 0x10a, 0xce, 0x17, 0x179, 0x198] {
        assert!(wrmsr_faults(&model(Vendor::Intel), index, 0), "{index:#x}");
    }
}

#[test]
fn mperf_counts_and_can_be_set() {
    for (index, register) in [(0xe7, 0), (0xe8, 1)] {
        let mut m = machine(&model(Vendor::Amd), &[0x0f, 0x30, 0x90, 0x0f, 0x01, 0xfd]);
        m.cpu.s.gpr[RCX] = index;
        (m.cpu.s.gpr[RAX], m.cpu.s.gpr[RDX]) = (1000, 1);
        m.steps(2);
        m.cpu.s.gpr[RCX] = register;
        m.steps(1);
        assert_eq!((m.cpu.s.gpr[RAX], m.cpu.s.gpr[RDX]), (1002, 1));
    }
}

#[test]
fn direct_stores_move_registers_and_lines() {
    let all = model(Vendor::Amd);
    // movdiri [rax], rbx; movdir64b rdi, [rax]; clzero (rax)
    let mut m =
        machine(&all, &[0x48, 0x0f, 0x38, 0xf9, 0x18, 0x66, 0x0f, 0x38, 0xf8, 0x38, 0x0f, 0x01, 0xfc]);
    m.ram.write(DATA, &[7; 64]);
    m.cpu.s.gpr[RBX] = 0x1122_3344_5566_7788;
    m.cpu.s.gpr[RDI] = DATA + 64;
    m.steps(2);
    assert_eq!(m.ram.get::<8>(DATA + 64), 0x1122_3344_5566_7788);
    assert_eq!(m.ram.get::<8>(DATA + 120), 0x0707_0707_0707_0707);
    m.cpu.s.gpr[RAX] = DATA + 37;
    m.steps(1);
    assert_eq!((m.ram.get::<8>(DATA), m.ram.get::<8>(DATA + 56)), (0, 0));
    assert_ne!(m.ram.get::<8>(DATA + 64), 0);
    // The target must be a line.
    let mut m = machine(&all, &[0x66, 0x0f, 0x38, 0xf8, 0x38]);
    m.cpu.s.gpr[RDI] = DATA + 8;
    assert_eq!(m.fault(), Some((vector::GP, Some(0))));
}

#[test]
fn waiting_checks_its_operands_and_ends() {
    let all = model(Vendor::Intel);
    // tpause ebx
    let code = [0x66, 0x0f, 0xae, 0xf3];
    let mut m = machine(&all, &code);
    m.cpu.s.gpr[RBX] = 1;
    m.cpu.s.set_rflags(rflags::ARITH);
    m.steps(1);
    assert_eq!(m.cpu.s.rflags() & rflags::ARITH, 0);
    let mut m = machine(&all, &code);
    m.cpu.s.gpr[RBX] = 2;
    assert_eq!(m.fault(), Some((vector::GP, Some(0))));
    let mut m = machine(&all, &code).user();
    m.cpu.s.gpr[RBX] = 0;
    m.cpu.s.cr4 |= cr4::TSD;
    assert_eq!(m.fault(), Some((vector::GP, Some(0))));
    // umonitor rax, on a page that is not there
    let mut m = machine(&all, &[0xf3, 0x0f, 0xae, 0xf0]);
    m.cpu.s.gpr[RAX] = 1 << 40;
    assert!(matches!(m.run(1), CpuExit::Exception { event, .. } if event.vector == vector::PF));
}

#[test]
fn flaws_of_speculation_are_absent_by_name() {
    let caps = model(Vendor::Intel).arch_capabilities();
    // RDCL, IBRS always, SKIP_L1DFL, SSB, MDS, PSCHANGE, TAA, SBDR, FBSDP, PSDP, FB_CLEAR, BHI, PBRSB, GDS, RFDS, ITS.
    for bit in [0, 1, 3, 4, 5, 6, 8, 13, 14, 15, 17, 20, 24, 26, 27, 62] {
        assert_ne!(caps & 1 << bit, 0, "{bit}");
    }
    assert_eq!(caps & 1 << 2, 0, "no alternate return predictor");
}
