use super::{T0, at, read, write, x2apic, xapic};
use crate::{ApicBase, Config, LocalApic, Mode, PAGE_SIZE, register};

const DISABLED: u64 = 0xFEE0_0000;
const XAPIC: u64 = 0xFEE0_0800;
const X2APIC: u64 = 0xFEE0_0C00;
const ILLEGAL: u64 = 0xFEE0_0400;

#[test]
fn only_the_legal_transitions_pass() {
    let legal = [
        (XAPIC, XAPIC),
        (XAPIC, X2APIC),
        (XAPIC, DISABLED),
        (X2APIC, X2APIC),
        (X2APIC, DISABLED),
        (DISABLED, DISABLED),
        (DISABLED, XAPIC),
    ];
    for from in [DISABLED, XAPIC, X2APIC] {
        for to in [DISABLED, XAPIC, X2APIC, ILLEGAL] {
            let mut apic = LocalApic::new(Config::new(1));
            apic.set_base(from).unwrap();
            assert_eq!(apic.write_base(to).is_ok(), legal.contains(&(from, to)), "{from:#x} to {to:#x}");
        }
    }
}

#[test]
fn base_address_moves_and_reserved_bits_fault() {
    let mut apic = LocalApic::new(Config { physical_bits: 36, ..Config::new(0) });
    assert_eq!(apic.base(), ApicBase::from_bits(0xFEE0_0900));
    apic.write_base(0xF_1234_5800).unwrap();
    assert_eq!(apic.base().address(), 0xF_1234_5000);
    for bit in [0, 7, 9, 36, 63] {
        assert!(apic.write_base(XAPIC | 1 << bit).is_err(), "bit {bit}");
    }
    assert_eq!(apic.base().address(), 0xF_1234_5000);
}

#[test]
fn x2apic_needs_the_feature() {
    let mut apic = LocalApic::new(Config { x2apic: false, ..Config::new(0) });
    assert!(apic.write_base(X2APIC).is_err());
    assert!(apic.set_base(X2APIC).is_err());
    assert_eq!(apic.mode(), Mode::XApic);
}

#[test]
fn entering_x2apic_keeps_state_and_derives_the_logical_id() {
    let mut apic = xapic(0x25);
    let _ = apic.accept(0x91, false);
    apic.set_tpr(0x30);
    apic.write_base(X2APIC).unwrap();
    assert_eq!(apic.msr_read(0x802, T0), Ok(0x25));
    assert_eq!(apic.msr_read(0x80D, T0), Ok(0x0002_0020));
    assert_eq!(apic.msr_read(0x80F, T0), Ok(0x1FF));
    assert_eq!(apic.msr_read(0x824, T0), Ok(1 << 17));
    assert_eq!(apic.cr8(), 3);
}

#[test]
fn switching_off_loses_the_state() {
    let mut apic = x2apic(4);
    let _ = apic.accept(0x91, false);
    apic.write_base(DISABLED).unwrap();
    assert_eq!(apic.pending(), None);
    assert!(!apic.is_software_enabled());
    apic.write_base(XAPIC).unwrap();
    assert_eq!(read(&mut apic, register::SVR), 0xFF);
    assert_eq!(apic.pending(), None);
    assert_eq!(apic.id(), 4);
}

#[test]
fn init_keeps_base_and_id_and_reset_does_not() {
    let mut apic = x2apic(9);
    apic.set_id(0x109);
    let _ = apic.accept(0x40, false);
    apic.set_nmi_pending(true);
    apic.init();
    assert_eq!((apic.mode(), apic.id(), apic.pending()), (Mode::X2Apic, 0x109, None));
    assert!(!apic.take_nmi());
    apic.reset();
    assert_eq!((apic.mode(), apic.id()), (Mode::XApic, 9));
    assert!(!apic.base().is_boot_processor());
}

#[test]
fn the_page_shows_every_register_in_its_slot() {
    let mut apic = xapic(3);
    apic.set_tpr(0x25);
    let _ = write(&mut apic, register::LDR, 0x0800_0000);
    let _ = apic.accept(0x31, true);
    apic.set_nmi_pending(true);
    let page = apic.page(T0);
    let word = |offset: usize| u32::from_le_bytes(page[offset..offset + 4].try_into().unwrap());
    assert_eq!(word(0x020), 3 << 24);
    assert_eq!(word(0x030), 0x5_0014);
    assert_eq!(word(0x080), 0x25);
    assert_eq!(word(0x0A0), 0x25);
    assert_eq!(word(0x0D0), 0x0800_0000);
    assert_eq!(word(0x0E0), u32::MAX);
    assert_eq!(word(0x0F0), 0x1FF);
    assert_eq!(word(0x190), 1 << 17);
    assert_eq!(word(0x200), 1 << 2);
    assert_eq!(word(0x210), 1 << 17);
    assert_eq!(word(0x320), 0x1_0000);
    assert!(page[0x400..].iter().all(|&byte| byte == 0));
    assert!((0..0x400).filter(|at| at % 16 >= 4).all(|at| page[at] == 0));
}

#[test]
fn page_and_packed_words_carry_the_state_to_another_controller() {
    let mut apic = xapic(3);
    let _ = write(&mut apic, register::LVT_TIMER, 0x2_0040);
    let _ = write(&mut apic, register::DIVIDE, 0xB);
    let _ = write(&mut apic, register::INITIAL_COUNT, 1000);
    let _ = write(&mut apic, register::ICR_HIGH, 0x0100_0000);
    let _ = write(&mut apic, register::ICR, 0x4500);
    let _ = apic.accept(0x55, true);
    assert_eq!(apic.acknowledge(), Some(0x55));
    let _ = apic.accept(0xA0, false);
    let _ = apic.mmio_read(0x40, T0);

    let mut by_page = LocalApic::new(Config::new(0));
    by_page.set_page(&apic.page(at(300)), at(5000));
    assert_eq!(by_page.page(at(5000)), apic.page(at(300)));
    assert_eq!(by_page.next_deadline(), Some(crate::Deadline::Ticks(5700)));

    let mut by_words = LocalApic::new(Config::new(0));
    by_words.set_packed(&apic.packed(at(300)), at(5000));
    assert_eq!(by_words.packed(at(5000)), apic.packed(at(300)));
    assert_eq!(by_words.packed(at(5000))[39], 0x80, "errors not yet latched are packed");
}

#[test]
fn packed_words_have_the_documented_order() {
    let mut apic = xapic(6);
    let _ = write(&mut apic, register::LDR, 0x4000_0000);
    for (number, value) in
        [(0x32, 0x31), (0x33, 0x32), (0x34, 0x33), (0x35, 0x34), (0x36, 0x35), (0x37, 0x36)]
    {
        let _ = write(&mut apic, register::Register(number), value);
    }
    let _ = apic.accept(0x20, true);
    assert_eq!(apic.acknowledge(), Some(0x20));
    let words = apic.packed(T0);
    assert_eq!(words[..5], [6 << 24, 0x5_0014, 0x4000_0000, u32::MAX, 0x1FF]);
    assert_eq!((words[6], words[14], words[22]), (1, 1, 0));
    assert_eq!(words[32..39], [0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0]);
}

#[test]
fn a_page_with_zero_current_count_starts_from_the_initial_count() {
    let mut page = [0; PAGE_SIZE];
    page[0xF0..0xF2].copy_from_slice(&[0xFF, 0x01]);
    page[0x320] = 0x40;
    page[0x380] = 100;
    page[0x3E0] = 0xB;
    let mut apic = LocalApic::new(Config::new(0));
    apic.set_page(&page, at(1000));
    assert_eq!(apic.next_deadline(), Some(crate::Deadline::Ticks(1100)));
}

#[test]
fn a_page_from_a_disabled_controller_has_its_masks_forced() {
    let mut page = [0; PAGE_SIZE];
    page[0xF0] = 0xFF;
    page[0x350] = 0x40;
    let mut apic = LocalApic::new(Config::new(0));
    apic.set_page(&page, T0);
    assert_eq!(read(&mut apic, register::LVT_LINT0), 0x1_0040);
}

#[test]
fn a_wide_id_survives_the_page_of_xapic_mode() {
    let mut apic = LocalApic::new(Config::new(0x112));
    let page = apic.page(T0);
    assert_eq!(page[0x23], 0x12);
    apic.set_page(&page, T0);
    apic.set_base(X2APIC).unwrap();
    assert_eq!(apic.id(), 0x112);
    let page = apic.page(T0);
    assert_eq!(page[0x20..0x24], [0x12, 1, 0, 0]);
}
