//! Every register by name: readable ones take their own value back, writes are all or nothing.

mod common;

use common::Machine;
use openwhp::ApicMode;
use openwhp::Partition;
use openwhp::RegisterError;
use openwhp::RegisterName as Name;
use openwhp::RegisterValue;

fn machine(mode: ApicMode) -> Machine {
    Machine::with(Partition::builder().processors(1).apic(mode), &[0xF4])
}

#[test]
fn what_can_be_read_can_be_written_back() {
    for mode in [ApicMode::None, ApicMode::XApic, ApicMode::X2Apic] {
        let m = machine(mode);
        m.partition.suspend_time().expect("suspend");
        for &name in Name::ALL_X64 {
            match m.vp.register(name) {
                Ok(value) => {
                    let set = m.vp.set_registers(&[(name, value)]);
                    let is_forbidden = name == Name::INTERNAL_ACTIVITY_STATE && mode == ApicMode::None;
                    assert_eq!(set.is_err(), is_forbidden, "{name}: {set:?}");
                    assert_eq!(m.vp.register(name), Ok(value), "{name}");
                }
                Err(error) => assert_eq!(error, RegisterError::NotAvailable(name)),
            }
        }
    }
}

#[test]
fn unknown_names_are_told_from_absent_ones() {
    let m = machine(ApicMode::None);
    for number in [0x2C, 0x1020, 0x200F, 0x3FFF, 0x9000_0000, u32::MAX] {
        assert_eq!(m.vp.register(Name(number)), Err(RegisterError::UnknownName(Name(number))));
    }
    for name in [Name::SINT0, Name::SSP, Name::VMX_BASIC, Name::APIC_TPR, Name::BNDCFGS] {
        assert_eq!(m.vp.register(name), Err(RegisterError::NotAvailable(name)));
    }
}

#[test]
fn a_refused_write_changes_nothing() {
    let m = machine(ApicMode::None);
    let bad = [(Name::RAX, 5.into()), (Name::XCR0, 0.into()), (Name::RBX, 6.into())];
    assert!(matches!(m.vp.set_registers(&bad), Err(RegisterError::InvalidValue { name: Name::XCR0, .. })));
    assert_eq!((m.get(Name::RAX), m.get(Name::RBX)), (0, 0));
    for (name, value) in [
        (Name::CR8, 16),
        (Name::XCR0, 1 << 62 | 1),
        (Name::MTRR_CAP, 1),
        (Name::VIRTUAL_CR0, 1),
        (Name::INTERRUPT_STATE, 4),
        (Name::PENDING_INTERRUPTION, 1 | 1 << 1),
        (Name::PENDING_EVENT1, 1),
    ] {
        let refused = m.vp.set_registers(&[(name, value.into())]);
        assert!(matches!(refused, Err(RegisterError::InvalidValue { .. })), "{name}");
    }
    let mut values = [RegisterValue::default()];
    let mismatch = m.vp.get_registers(&[Name::RAX, Name::RBX], &mut values);
    assert_eq!(mismatch, Err(RegisterError::CountMismatch { names: 2, values: 1 }));
}

#[test]
fn reset_values_are_those_of_the_platform() {
    let partition = Partition::builder().processors(1).build().expect("partition");
    let vp = partition.create_vp(openwhp::VpIndex(0)).expect("processor");
    let get = |name| vp.register(name).expect("register");
    for (name, value) in [
        (Name::RIP, 0xFFF0),
        (Name::RFLAGS, 2),
        (Name::CR0, 0x6000_0010),
        (Name::DR6, 0xFFFF_0FF0),
        (Name::DR7, 0x400),
        (Name::XCR0, 1),
        (Name::PAT, 0x0007_0406_0007_0406),
        (Name::MTRR_CAP, 0x508),
        (Name::APIC_BASE, 0xFEE0_0900),
        (Name::TSC, 0),
        (Name::EFER, 0),
    ] {
        assert_eq!(get(name).low(), value, "{name}");
    }
    let cs = get(Name::CS).segment();
    assert_eq!((cs.base, cs.limit, cs.selector, cs.attributes), (0xF_0000, 0xFFFF, 0xF000, 0x9B));
    assert_eq!(get(Name::TR).segment().attributes, 0x8B);
    assert_eq!(get(Name::RDX).low(), u64::from(vp.cpuid(1, 0).eax));
    assert_eq!(get(Name::FP_CONTROL_STATUS).low() & 0xFFFF, 0x37F);
    assert_eq!(get(Name::XMM_CONTROL_STATUS).high() as u32, 0x1F80);
}

#[test]
fn vector_registers_and_the_image_are_one_state() {
    let m = machine(ApicMode::None);
    let value = RegisterValue(0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10);
    // TOP = 3: ST(1) is physical register 4.
    let control = RegisterValue::from_u64(0x37F | 3 << 27 | 0x10 << 32);
    let st1 = RegisterValue(0x4000_8000_0000_0000_0001);
    m.vp.set_registers(&[(Name::XMM3, value), (Name::FP_MMX1, st1), (Name::FP_CONTROL_STATUS, control)])
        .expect("set");
    let image = m.vp.xsave_state().expect("image");
    assert_eq!(image.len(), m.vp.xsave_size().expect("size"));
    assert_eq!(image[160 + 48..176 + 48], value.0.to_le_bytes());
    assert_eq!(image[32 + 16..42 + 16], st1.0.to_le_bytes()[..10]);
    assert_eq!(image[527] & 0x80, 0x80, "compacted");
    let other = machine(ApicMode::None);
    other.vp.set_xsave_state(&image).expect("load");
    assert_eq!(other.vp.register(Name::XMM3), Ok(value));
    assert_eq!(other.vp.register(Name::FP_MMX1), Ok(st1));
    assert_eq!(other.vp.xsave_state().expect("image"), image);
    // Components without their bit go to the initial state.
    let mut empty = image.clone();
    empty[512..520].fill(0);
    other.vp.set_xsave_state(&empty).expect("load");
    assert_eq!(other.vp.register(Name::XMM3), Ok(RegisterValue::default()));
}

#[test]
fn malformed_images_are_refused() {
    let m = machine(ApicMode::None);
    let image = m.vp.xsave_state().expect("image");
    let with = |at: usize, byte: u8| {
        let mut bad = image.clone();
        bad[at] = byte;
        m.vp.set_xsave_state(&bad)
    };
    assert!(with(527, 0).is_err(), "standard form");
    assert!(with(526, 0x40).is_err(), "unknown component");
    assert!(with(519, 0x40).is_err(), "in use but absent");
    assert!(with(540, 1).is_err(), "reserved header");
    assert!(with(27, 0xFF).is_err(), "MXCSR");
    assert!(m.vp.set_xsave_state(&image[..500]).is_err(), "short");
    assert_eq!(m.vp.xsave_state().expect("image"), image);
}
