use super::{T0, errors, read, write, x2apic, xapic};
use crate::register::{self, Register};
use crate::{Config, Effect, GeneralProtection, LocalApic, RegisterError, WriteTrap, WriteTrapKind};

#[test]
fn reset_values_are_those_of_the_manual() {
    let mut apic = LocalApic::new(Config::new(5));
    let expected = [
        (register::ID, 5 << 24),
        (register::VERSION, 0x5_0014),
        (register::TPR, 0),
        (register::PPR, 0),
        (register::LDR, 0),
        (register::DFR, u32::MAX),
        (register::SVR, 0xFF),
        (register::ESR, 0),
        (register::ICR, 0),
        (register::ICR_HIGH, 0),
        (register::LVT_TIMER, 0x1_0000),
        (register::LVT_THERMAL, 0x1_0000),
        (register::LVT_PERFMON, 0x1_0000),
        (register::LVT_LINT0, 0x1_0000),
        (register::LVT_LINT1, 0x1_0000),
        (register::LVT_ERROR, 0x1_0000),
        (register::INITIAL_COUNT, 0),
        (register::CURRENT_COUNT, 0),
        (register::DIVIDE, 0),
    ];
    for (register, value) in expected {
        assert_eq!(read(&mut apic, register), value, "{register:?}");
    }
    for number in 0x10..0x28 {
        assert_eq!(read(&mut apic, Register(number)), 0);
    }
    assert_eq!(errors(&mut apic), 0);
}

#[test]
fn xapic_writes_drop_reserved_bits() {
    let mut apic = xapic(0);
    let kept = [
        (register::TPR, 0xFF),
        (register::LDR, 0xFF00_0000),
        (register::DFR, u32::MAX),
        (register::SVR, 0x3FF),
        (register::LVT_TIMER, 0x7_00FF),
        (register::LVT_THERMAL, 0x1_07FF),
        (register::LVT_PERFMON, 0x1_07FF),
        (register::LVT_LINT0, 0x1_A7FF),
        (register::LVT_LINT1, 0x1_A7FF),
        (register::LVT_ERROR, 0x1_00FF),
        (register::DIVIDE, 0xB),
        (register::ICR_HIGH, 0xFF00_0000),
        (register::ICR, 0xC_CFFF),
    ];
    for (register, value) in kept {
        let _ = write(&mut apic, register, u32::MAX);
        assert_eq!(read(&mut apic, register), value, "{register:?}");
    }
}

#[test]
fn xapic_ignores_writes_to_read_only_registers() {
    let mut apic = xapic(3);
    for register in
        [register::ID, register::VERSION, register::PPR, register::APR, register::ISR0, register::IRR0]
    {
        let before = read(&mut apic, register);
        assert_eq!(write(&mut apic, register, 0x5A5A_5A5A), Effect::None);
        assert_eq!(read(&mut apic, register), before, "{register:?}");
    }
    assert_eq!(errors(&mut apic), 0);
}

#[test]
fn missing_registers_are_an_error_once_written_to_the_status() {
    for offset in [0x000, 0x040, 0x290, 0x2F0, 0x3A0, 0x3F0, 0x400, 0xFF0] {
        let mut apic = xapic(0);
        assert_eq!(apic.mmio_read(offset, T0), 0);
        assert_eq!(read(&mut apic, register::ESR), 0, "not visible before the write, {offset:#x}");
        assert_eq!(errors(&mut apic), 0x80, "{offset:#x}");
        assert_eq!(errors(&mut apic), 0);
        assert_eq!(apic.mmio_write(offset, 1, T0), Effect::None);
        assert_eq!(errors(&mut apic), 0x80, "{offset:#x}");
    }
}

#[test]
fn the_error_entry_fires_once_until_the_status_is_written() {
    let mut apic = xapic(0);
    let _ = write(&mut apic, register::LVT_ERROR, 0xFE);
    let _ = apic.mmio_read(0x3A0, T0);
    assert_eq!(apic.acknowledge(), Some(0xFE));
    let _ = write(&mut apic, register::EOI, 0);
    let _ = apic.mmio_read(0x3A0, T0);
    assert_eq!(apic.pending(), None);
    assert_eq!(errors(&mut apic), 0x80);
    let _ = apic.mmio_read(0x3A0, T0);
    assert_eq!(apic.pending(), Some(0xFE));
}

#[test]
fn an_error_entry_with_an_illegal_vector_does_not_recurse() {
    let mut apic = xapic(0);
    let _ = write(&mut apic, register::LVT_ERROR, 0x03);
    let _ = apic.mmio_read(0x3A0, T0);
    assert_eq!(errors(&mut apic), 0x80 | 0x40);
    assert_eq!(apic.pending(), None);
}

#[test]
fn odd_widths_see_the_bytes_of_their_registers() {
    let mut apic = xapic(0x12);
    let mut bytes = [0xEE; 8];
    apic.mmio_read_bytes(0x20, &mut bytes, T0);
    assert_eq!(bytes, [0, 0, 0, 0x12, 0, 0, 0, 0]);
    let mut top = [0; 1];
    apic.mmio_read_bytes(0x23, &mut top, T0);
    assert_eq!(top, [0x12]);
    assert_eq!(apic.mmio_write_bytes(0x80, &[0x30], T0), Effect::None);
    assert_eq!(apic.tpr(), 0x30);
    let _ = apic.mmio_write_bytes(0x80, &[0x40, 0, 0, 0, 9, 9, 9, 9], T0);
    assert_eq!(apic.tpr(), 0x40);
    let _ = apic.mmio_write_bytes(0x84, &[0x50], T0);
    assert_eq!(apic.tpr(), 0x40);
    let mut last = [1; 4];
    apic.mmio_read_bytes(0xFFC, &mut last, T0);
    assert_eq!(last, [0; 4]);
}

#[test]
fn writes_of_interest_are_reported_after_they_took_effect() {
    let mut apic = xapic(0);
    let traps = [
        (register::LDR, 0x0100_0000, WriteTrapKind::Ldr),
        (register::DFR, 0x0FFF_FFFF, WriteTrapKind::Dfr),
        (register::SVR, 0x1F0, WriteTrapKind::Svr),
        (register::LVT_LINT0, 0x700, WriteTrapKind::Lvt0),
        (register::LVT_LINT1, 0x400, WriteTrapKind::Lvt1),
    ];
    for (register, value, kind) in traps {
        assert_eq!(write(&mut apic, register, value), Effect::Trap(WriteTrap { kind, value }));
        assert_eq!(read(&mut apic, register), value);
        assert_eq!(kind as u16, register.offset());
    }
}

#[test]
fn software_disable_masks_every_entry_and_keeps_them_masked() {
    let mut apic = xapic(0);
    let entries = [0x32, 0x33, 0x34, 0x35, 0x36, 0x37].map(Register);
    for entry in entries {
        let _ = write(&mut apic, entry, 0x40);
        assert_eq!(read(&mut apic, entry), 0x40);
    }
    let _ = write(&mut apic, register::SVR, 0xFF);
    for entry in entries {
        assert_eq!(read(&mut apic, entry), 0x1_0040);
        let _ = write(&mut apic, entry, 0x41);
        assert_eq!(read(&mut apic, entry), 0x1_0041);
    }
    let _ = write(&mut apic, register::SVR, 0x1FF);
    for entry in entries {
        assert_eq!(read(&mut apic, entry), 0x1_0041);
        let _ = write(&mut apic, entry, 0x42);
        assert_eq!(read(&mut apic, entry), 0x42);
    }
}

#[test]
fn msrs_exist_only_in_x2apic_mode_and_the_page_only_in_xapic_mode() {
    let mut apic = xapic(7);
    assert_eq!(apic.msr_read(0x802, T0), Err(GeneralProtection));
    assert_eq!(apic.msr_write(0x808, 0x20, T0), Err(GeneralProtection));
    let mut apic = x2apic(7);
    assert_eq!(apic.msr_read(0x802, T0), Ok(7));
    let _ = apic.mmio_write(0x80, 0x20, T0);
    assert_eq!(apic.tpr(), 0);
    assert_eq!(apic.mmio_read(0x20, T0), 0);
}

#[test]
fn x2apic_readable_and_writable_registers_are_exactly_those_of_the_table() {
    let read_write: &[u32] =
        &[0x808, 0x80F, 0x828, 0x830, 0x832, 0x833, 0x834, 0x835, 0x836, 0x837, 0x838, 0x83E];
    let write_only: &[u32] = &[0x80B, 0x83F];
    let mut read_only = vec![0x802, 0x803, 0x80A, 0x80D, 0x839];
    read_only.extend(0x810..0x828);
    for msr in 0x7FF..0x900 {
        let mut apic = x2apic(1);
        let readable = read_write.contains(&msr) || read_only.contains(&msr);
        // A self IPI to vector 0 is an error of its own, but no fault.
        let writable = read_write.contains(&msr) || write_only.contains(&msr);
        assert_eq!(apic.msr_read(msr, T0).is_ok(), readable, "read {msr:#x}");
        assert_eq!(apic.msr_write(msr, 0, T0).is_ok(), writable, "write {msr:#x}");
    }
}

#[test]
fn x2apic_faults_on_each_reserved_bit() {
    let allowed: &[(u32, u64)] = &[
        (0x808, 0xFF),
        (0x80B, 0),
        (0x80F, 0x3FF),
        (0x828, 0),
        (0x830, 0xFFFF_FFFF_000C_CFFF),
        (0x832, 0x7_10FF),
        (0x833, 0x1_17FF),
        (0x834, 0x1_17FF),
        (0x835, 0x1_F7FF),
        (0x836, 0x1_F7FF),
        (0x837, 0x1_10FF),
        (0x838, 0xFFFF_FFFF),
        (0x83E, 0xB),
        (0x83F, 0xFF),
    ];
    for &(msr, mask) in allowed {
        for bit in 0..64 {
            let outcome = x2apic(0).msr_write(msr, 1 << bit, T0);
            assert_eq!(outcome.is_ok(), mask & 1 << bit != 0, "{msr:#x} bit {bit}");
        }
    }
}

#[test]
fn deadline_mode_bit_is_reserved_without_the_feature() {
    let mut apic = LocalApic::new(Config { tsc_deadline: false, ..Config::new(0) });
    let _ = write(&mut apic, register::LVT_TIMER, 0x4_0040);
    assert_eq!(read(&mut apic, register::LVT_TIMER), 0x1_0040);
    apic.write_base(apic.base().bits() | 0x400).unwrap();
    assert_eq!(apic.msr_write(0x832, 0x4_0040, T0), Err(GeneralProtection));
}

#[test]
fn corrected_machine_check_entry_exists_when_configured() {
    let mut apic = LocalApic::new(Config { cmci: true, ..Config::new(0) });
    assert_eq!(read(&mut apic, register::VERSION), 0x6_0014);
    let _ = write(&mut apic, register::SVR, 0x1FF);
    let _ = write(&mut apic, register::LVT_CMCI, 0xFFFF_FFFF);
    assert_eq!(read(&mut apic, register::LVT_CMCI), 0x1_07FF);
    let _ = write(&mut apic, register::LVT_CMCI, 0xF2);
    let _ = apic.raise(crate::LvtEntry::Cmci);
    assert_eq!(apic.pending(), Some(0xF2));
}

#[test]
fn host_access_names_what_is_impossible() {
    let mut apic = x2apic(2);
    assert_eq!(apic.host_read(register::EOI, T0), Err(RegisterError::WriteOnly(0xB)));
    assert_eq!(apic.host_read(Register(0x29), T0), Err(RegisterError::Unknown(0x29)));
    assert_eq!(apic.host_write(register::VERSION, 0, T0), Err(RegisterError::ReadOnly(3)));
    assert_eq!(apic.host_write(Register(0x3A), 0, T0), Err(RegisterError::Unknown(0x3A)));
    assert_eq!(apic.host_write(register::ID, 0x123, T0), Ok(Effect::None));
    assert_eq!(apic.host_read(register::LDR, T0), Ok(0x12_0008));
    assert_eq!(apic.host_write(Register(0x22), 0x8000_0000, T0), Ok(Effect::None));
    assert_eq!(apic.pending(), Some(0x5F));
    assert_eq!(apic.host_write(register::ICR, 0x0000_0001_0000_0031, T0), Ok(Effect::None));
    assert_eq!(apic.host_read(register::ICR, T0), Ok(0x0000_0001_0000_0031));
}
