//! The published table of registers, row by row.

use std::path::Path;

use openwhp_abi::hresult::*;
use openwhp_abi::x64::*;

use super::cases;
use crate::Engine;
use crate::Item;
use crate::Machine;
use crate::machine::word;

cases! { "register table":
    every_row_is_read_or_says_why_not from "abi/registers.csv, state.md 1, 2",
    every_writable_row_takes_its_own_value from "abi/registers.csv, state.md 1",
    read_only_rows_keep_their_value from "abi/registers.csv",
    narrow_rows_have_no_upper_half from "abi/registers.csv, functions.md 3.5",
    numbers_between_the_rows_are_unknown from "functions.md 3.5" covers [Item::Ability("Q26")],
}

/// A row of the table.
struct Row {
    name: String,
    number: WHV_REGISTER_NAME,
    bits: u32,
    access: String,
}

/// The x64 rows; none, and a word about it, where the table is not beside the repository.
fn table() -> Vec<Row> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = ["../shared/spec", "../../shared/spec"]
        .iter()
        .find_map(|place| std::fs::read_to_string(here.join(place).join("abi/registers.csv")).ok());
    let Some(text) = text else {
        println!("skipped: the specification is not beside this repository");
        return Vec::new();
    };
    let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let rows = rows.filter(|fields| fields[2] == "x64");
    rows.map(|fields| {
        let number = u32::from_str_radix(fields[1].trim_start_matches("0x"), 16).expect("a number");
        Row {
            name: fields[0].to_owned(),
            number: WHV_REGISTER_NAME(number),
            bits: fields[4].parse().expect("a width"),
            access: fields[6].to_owned(),
        }
    })
    .collect()
}

/// One processor with everything on that can be.
fn machine(engine: &Engine) -> Machine {
    let machine = Machine::set_up(engine, 1, |machine| machine.use_apic(WHvX64LocalApicEmulationModeX2Apic));
    machine.create_vp(0);
    machine.set64(0, WHvX64RegisterApicBase, 0xFEE0_0D00);
    machine
}

/// Rows of features that no engine offers yet, by name; hypervisor registers depend on synthetic features.
fn may_be_absent(row: &Row) -> bool {
    let number = row.number.0;
    let is_hypervisors = (0x4000..0x5100).contains(&number);
    let parts =
        ["Vmx", "AmdVm", "FeatureControl", "Cet", "Ssp", "Bndcfgs", "TsxCtrl", "Xfd", "PhysBase", "PhysMask"];
    is_hypervisors || parts.iter().any(|part| row.name.contains(part))
}

fn every_row_is_read_or_says_why_not(engine: &Engine) {
    let machine = machine(engine);
    for row in table() {
        match machine.try_get(0, &[row.number]) {
            Ok(_) => assert_ne!(row.access, "w", "{} can only be written", row.name),
            Err(code) => {
                assert_eq!(code, ERROR_HV_INVALID_PARAMETER, "{}", row.name);
                assert!(row.access == "w" || may_be_absent(&row), "{} cannot be read", row.name);
            }
        }
    }
}

fn every_writable_row_takes_its_own_value(engine: &Engine) {
    let machine = machine(engine);
    // What the architecture makes read-only in x2APIC mode, whatever the table says.
    let derived = [WHvX64RegisterApicLdr, WHvX64RegisterApicId];
    for row in table().iter().filter(|row| row.access == "rw" && !derived.contains(&row.number)) {
        let Ok(values) = machine.try_get(0, &[row.number]) else { continue };
        assert_eq!(machine.try_set(0, &[(row.number, values[0])]), S_OK, "{}", row.name);
        let again = machine.get(0, row.number);
        let runs =
            [WHvX64RegisterTsc, WHvX64RegisterMCount, WHvX64RegisterACount, WHvX64RegisterTscVirtualOffset];
        assert!(again == values[0] || runs.contains(&row.number), "{}", row.name);
    }
}

fn read_only_rows_keep_their_value(engine: &Engine) {
    let machine = machine(engine);
    for row in table().iter().filter(|row| row.access == "r") {
        let Ok(values) = machine.try_get(0, &[row.number]) else { continue };
        let other = word(values[0].Reg64() ^ 1);
        assert_ne!(machine.try_set(0, &[(row.number, other)]), S_OK, "{}", row.name);
        assert_eq!(machine.get(0, row.number), values[0], "{}", row.name);
    }
}

fn narrow_rows_have_no_upper_half(engine: &Engine) {
    let machine = machine(engine);
    for row in table().iter().filter(|row| row.bits <= 64) {
        let Ok(values) = machine.try_get(0, &[row.number]) else { continue };
        assert_eq!(values[0].Reg128().High64(), 0, "{}", row.name);
    }
}

fn numbers_between_the_rows_are_unknown(engine: &Engine) {
    let rows = table();
    if rows.is_empty() {
        return;
    }
    let machine = machine(engine);
    let ranges = [0..0x40, 0x1000..0x1020, 0x2000..0x20C0, 0x3000..0x3050, 0x4000..0x4020, 0x5000..0x5060];
    for number in ranges.into_iter().flatten() {
        let name = WHV_REGISTER_NAME(number);
        if rows.iter().all(|row| row.number != name) {
            assert_eq!(machine.try_get(0, &[name]), Err(WHV_E_INVALID_VP_REGISTER_NAME), "{number:#x}");
            assert_eq!(machine.try_set(0, &[(name, word(0))]), WHV_E_INVALID_VP_REGISTER_NAME, "{number:#x}");
        }
    }
}
