//! Guest memory by linear address: through page tables, across pages, whatever their rights say.

mod common;

use common::Machine;
use openwhp::AccessError;
use openwhp::Gpa;
use openwhp::Gva;
use openwhp::GvaError;
use openwhp::RegisterName as Name;
use openwhp::TranslateResult;

/// Linear 0x40_0000 is a read-only supervisor page at 0x7000, the next one lies at 0x6000, the next nowhere, the
/// next outside the memory map.
fn paged() -> Machine {
    let m = Machine::new(&[0xF4]);
    m.memory.write(0x4004, &0x5003_u32.to_le_bytes()).expect("directory");
    for (index, entry) in [0x7001_u32, 0x6003, 0, 0x10_0003].into_iter().enumerate() {
        m.memory.write(0x5000 + index as u64 * 4, &entry.to_le_bytes()).expect("table");
    }
    m.vp.set_registers(&[(Name::CR3, 0x4000.into()), (Name::CR0, 0x8001_0011.into())]).expect("paging");
    m
}

#[test]
fn without_paging_linear_is_physical() {
    let m = Machine::new(&[0xF4]);
    m.vp.write_gva(Gva(0x2FFE), &[1, 2, 3, 4]).expect("memory");
    let mut bytes = [0; 4];
    m.memory.read(0x2FFE, &mut bytes).expect("memory");
    assert_eq!(bytes, [1, 2, 3, 4]);
}

#[test]
fn copies_follow_the_page_tables_across_pages() {
    let m = paged();
    m.vp.write_gva(Gva(0x40_0FFE), &[1, 2, 3, 4]).expect("two pages");
    let mut bytes = [0; 4];
    m.vp.read_gva(Gva(0x40_0FFE), &mut bytes).expect("two pages");
    assert_eq!(bytes, [1, 2, 3, 4]);
    m.memory.read(0x7FFE, &mut bytes[..2]).expect("memory");
    m.memory.read(0x6000, &mut bytes[2..]).expect("memory");
    assert_eq!(bytes, [1, 2, 3, 4]);
    assert_eq!(m.vp.linear_to_physical(Gva(0x40_1234)), Ok(Gpa(0x6234)));
    // No accessed or dirty bit was set.
    let mut entry = [0; 4];
    m.memory.read(0x5004, &mut entry).expect("memory");
    assert_eq!(u32::from_le_bytes(entry), 0x6003);
}

#[test]
fn the_first_missing_page_is_named() {
    let m = paged();
    let missing = GvaError::NotTranslated { gva: Gva(0x40_2000), result: TranslateResult::PageNotPresent };
    m.memory.write(0x6FFF, &[7]).expect("memory");
    let mut bytes = [0; 2];
    assert_eq!(m.vp.read_gva(Gva(0x40_1FFF), &mut bytes), Err(missing.clone()));
    assert_eq!(bytes[0], 7);
    assert_eq!(m.vp.write_gva(Gva(0x40_1FFF), &[1, 1]), Err(missing));
    m.memory.read(0x6FFF, &mut bytes[..1]).expect("memory");
    assert_eq!(bytes[0], 7, "nothing is written when a page is missing");
    let outside =
        GvaError::Access { gva: Gva(0x40_3000), source: AccessError::NotFound { gpa: Gpa(0x10_0000) } };
    assert_eq!(m.vp.read_gva(Gva(0x40_3000), &mut bytes), Err(outside));
}

#[test]
fn the_end_of_linear_memory_is_an_error() {
    let m = paged();
    assert!(m.vp.read_gva(Gva(u64::MAX), &mut [0; 2]).is_err());
    assert!(m.vp.write_gva(Gva(u64::MAX), &[0; 2]).is_err());
    assert_eq!(m.vp.read_gva(Gva(u64::MAX), &mut []), Ok(()));
}
