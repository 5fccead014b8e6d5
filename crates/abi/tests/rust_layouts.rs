//! Every row of the specification's tables against the Rust types.

mod spec;

use std::collections::HashMap;

use openwhp_abi::functions::Function;
use openwhp_abi::hresult;
use openwhp_abi::layout::Enumeration;
use openwhp_abi::layout::Record;
use openwhp_abi::{arm64, functions, x64};

struct Isa {
    name: &'static str,
    records: HashMap<&'static str, &'static Record>,
    enumerations: HashMap<&'static str, &'static Enumeration>,
    constants: HashMap<&'static str, u64>,
    functions: HashMap<&'static str, &'static Function>,
}

fn isas() -> [Isa; 2] {
    [
        Isa {
            name: "x64",
            records: x64::records().map(|record| (record.name, record)).collect(),
            enumerations: x64::enumerations().map(|list| (list.name, list)).collect(),
            constants: x64::CONSTANTS.iter().copied().collect(),
            functions: functions::x64::FUNCTIONS.iter().map(|function| (function.name, function)).collect(),
        },
        Isa {
            name: "arm64",
            records: arm64::records().map(|record| (record.name, record)).collect(),
            enumerations: arm64::enumerations().map(|list| (list.name, list)).collect(),
            constants: arm64::CONSTANTS.iter().copied().collect(),
            functions: functions::arm64::FUNCTIONS.iter().map(|function| (function.name, function)).collect(),
        },
    ]
}

#[test]
fn every_type_has_the_size_alignment_and_members_of_the_table() {
    let Some(folder) = spec::directory() else { return };
    for isa in isas() {
        let rows = spec::rows(&folder, &format!("types-{}.csv", isa.name));
        let mut next_field: HashMap<String, usize> = HashMap::new();
        for row in &rows {
            let [name, _, size, align, field, offset, bit, width, field_size, _] = &row[..] else {
                panic!("ten columns: {row:?}")
            };
            let record =
                isa.records.get(name.as_str()).unwrap_or_else(|| panic!("{} lacks {name}", isa.name));
            assert_eq!(record.size as u64, spec::number(size), "size of {name}");
            assert_eq!(record.align as u64, spec::number(align), "alignment of {name}");
            if field.is_empty() {
                continue;
            }
            let position = next_field.entry(name.clone()).or_default();
            let member = record.fields.get(*position).unwrap_or_else(|| panic!("{name} lacks {field}"));
            *position += 1;
            assert_eq!(member.name, field.replace('.', "_"), "order of members in {name}");
            assert_eq!(member.offset as u64, spec::number(offset), "offset of {name}.{field}");
            assert_eq!(member.size as u64, spec::number(field_size), "size of {name}.{field}");
            let bits = (!width.is_empty()).then(|| (spec::number(bit) as u32, spec::number(width) as u32));
            assert_eq!(member.bits, bits, "bits of {name}.{field}");
        }
        for (name, count) in next_field {
            assert_eq!(isa.records[name.as_str()].fields.len(), count, "members of {name}");
        }
        let types = rows.iter().filter(|row| row[4].is_empty()).count();
        assert_eq!(isa.records.len(), types, "types of {}", isa.name);
    }
}

#[test]
fn every_constant_has_the_value_of_the_table() {
    let Some(folder) = spec::directory() else { return };
    for isa in isas() {
        let rows = spec::rows(&folder, &format!("constants-{}.csv", isa.name));
        for row in &rows {
            let (name, kind, value) = (row[0].as_str(), row[1].as_str(), spec::number(&row[3]));
            let found = match kind {
                "enum" => isa.enumerations[row[2].as_str()]
                    .members
                    .iter()
                    .find(|member| member.0 == name)
                    .map(|member| u64::from(member.1)),
                _ => isa.constants.get(name).copied(),
            };
            assert_eq!(found, Some(value), "{name} of {}", isa.name);
        }
        let members: usize = isa.enumerations.values().map(|list| list.members.len()).sum();
        assert_eq!(members + isa.constants.len(), rows.len(), "constants of {}", isa.name);
    }
}

#[test]
fn every_register_has_the_number_of_the_table() {
    let Some(folder) = spec::directory() else { return };
    let isas = isas();
    for row in spec::rows(&folder, "registers.csv") {
        let isa = isas.iter().find(|isa| isa.name == row[2]).expect("a known instruction set");
        let names = isa.enumerations["WHV_REGISTER_NAME"];
        let found = names.members.iter().find(|member| member.0 == row[0]).map(|member| u64::from(member.1));
        let found = found.or_else(|| isa.constants.get(row[0].as_str()).copied());
        assert_eq!(found, Some(spec::number(&row[1])), "{}", row[0]);
        assert!(isa.records["WHV_REGISTER_VALUE"].size as u64 * 8 >= spec::number(&row[4]), "{}", row[0]);
    }
}

#[test]
fn every_result_code_has_the_value_of_the_table() {
    let Some(folder) = spec::directory() else { return };
    let rows = spec::rows(&folder, "hresults.csv");
    for row in &rows {
        let found =
            hresult::NAMES.iter().find(|entry| entry.0 == row[0]).map(|entry| u64::from(entry.1.bits()));
        assert_eq!(found, Some(spec::number(&row[1])), "{}", row[0]);
    }
    assert_eq!(hresult::NAMES.len(), rows.len());
}

#[test]
fn every_function_has_the_parameters_of_the_table() {
    let Some(folder) = spec::directory() else { return };
    let [x64, arm64] = isas();
    let rows = spec::rows(&folder, "functions.csv");
    for row in &rows {
        let names: Vec<&str> = row[4].split("; ").filter(|name| !name.is_empty()).collect();
        let types: Vec<String> = row[3].split("; ").filter(|name| !name.is_empty()).map(rust_type).collect();
        assert_eq!(names.len() as u64, spec::number(&row[2]), "{}", row[0]);
        let homes: &[&Isa] = if row[5] == "both" { &[&x64, &arm64] } else { &[&x64] };
        for isa in homes {
            let function = isa.functions[row[0].as_str()];
            let found: Vec<(&str, String)> =
                function.parameters.iter().map(|(name, ty)| (*name, (*ty).to_owned())).collect();
            let wanted: Vec<(&str, String)> = names.iter().copied().zip(types.iter().cloned()).collect();
            assert_eq!(found, wanted, "{} on {}", row[0], isa.name);
        }
    }
    assert_eq!(x64.functions.len(), rows.len());
    assert_eq!(arm64.functions.len(), rows.iter().filter(|row| row[5] == "both").count());
}

/// The Rust spelling of a C parameter type.
fn rust_type(c: &str) -> String {
    if let Some(target) = c.strip_suffix('*') {
        return match target.strip_prefix("const ") {
            Some(target) => format!("*const {}", rust_type(target)),
            None => format!("*mut {}", rust_type(target)),
        };
    }
    match c {
        "VOID" => "c_void".to_owned(),
        "PVOID" => "*mut c_void".to_owned(),
        "UINT64" => "u64".to_owned(),
        "UINT32" => "u32".to_owned(),
        other => other.to_owned(),
    }
}
