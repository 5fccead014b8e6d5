//! The table against the published list of bits, against CPUID and against its page of documentation.

use super::*;
use openwhp_x86::model::ApicKind;
use openwhp_x86::model::Dynamic;
use openwhp_x86::model::FEATURES;
use openwhp_x86::model::Origin;
use openwhp_x86::model::Vendor;
use std::fmt::Write;
use std::path::Path;

const WORDS: [(&str, &[Row]); 3] = [
    ("ProcessorFeatures bank 0", BANK0),
    ("ProcessorFeatures bank 1", BANK1),
    ("ProcessorXsaveFeatures", XSAVE),
];

fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().and_then(Path::parent).unwrap_or(here)
}

/// The list of bits that the specification keeps beside the repository.
fn specification() -> Option<String> {
    let found = ["../shared/spec", "../../shared/spec"].into_iter().find_map(|place| {
        std::fs::read_to_string(workspace().join(place).join("abi/x64-feature-cpuid.csv")).ok()
    });
    if found.is_none() {
        println!("skipped: the specification is not beside this repository");
    }
    found
}

fn model(vendor: Vendor) -> CpuModel {
    let mut model = CpuModel::host_as(vendor, 1_000_000_000);
    model.apic = ApicKind::X2Apic;
    model
}

/// Reads `7.0:EBX[3]` and the like.
fn is_set(model: &CpuModel, place: &str) -> bool {
    let (where_, bit) = place.trim_end_matches(']').split_once('[').expect("a bit");
    let bit: u32 = bit.parse().expect("a number");
    let Some((leaf, register)) = where_.split_once(':') else {
        assert_eq!(where_, "IA32_ARCH_CAPABILITIES");
        return model.vendor == Vendor::Intel && model.arch_capabilities() >> bit & 1 != 0;
    };
    let (leaf, sub) = leaf.split_once('.').unwrap_or((leaf, "0"));
    let leaf = u32::from_str_radix(leaf, 16).expect("a leaf");
    let sub = sub.parse().expect("a sub-leaf");
    let index = ["EAX", "EBX", "ECX", "EDX"].iter().position(|name| *name == register).expect("a register");
    let state = Dynamic { long: true, apic_enabled: true, ..Dynamic::default() };
    model.leaf(leaf, sub, &state)[index] >> bit & 1 != 0
}

#[test]
fn the_table_has_every_published_bit_and_no_other() {
    let Some(list) = specification() else { return };
    let mut published: Vec<(String, u32, String)> = Vec::new();
    for line in list.lines().skip(1) {
        let fields: Vec<&str> = line.splitn(4, ',').collect();
        published.push((fields[0].into(), fields[1].parse().expect("a bit"), fields[2].into()));
    }
    let ours: Vec<_> = WORDS
        .iter()
        .flat_map(|(word, rows)| rows.iter().map(|row| ((*word).to_owned(), row.bit, row.name.to_owned())))
        .collect();
    assert_eq!(ours, published);
}

#[test]
fn cpuid_shows_an_offered_feature_where_the_list_says() {
    let Some(list) = specification() else { return };
    for vendor in [Vendor::Intel, Vendor::Amd] {
        let model = model(vendor);
        let (banks, xsave) = of_model(&model);
        for line in list.lines().skip(1) {
            let fields: Vec<&str> = line.splitn(4, ',').collect();
            let word = match fields[0] {
                "ProcessorFeatures bank 0" => banks[0],
                "ProcessorFeatures bank 1" => banks[1],
                _ => xsave,
            };
            let bit: u32 = fields[1].parse().expect("a bit");
            let place = fields[3];
            let is_offered = word >> bit & 1 != 0;
            let has_no_place = place.starts_with("none") || place.contains("only") || place == "perfmon";
            if has_no_place || place.contains(';') {
                assert!(!is_offered || place.starts_with("none"), "{}", fields[2]);
                continue;
            }
            let mut is_shown = place
                .split(" | ")
                .filter(|part| !part.starts_with("AMD ") || vendor != Vendor::Intel)
                .any(|part| is_set(&model, part.trim_start_matches("AMD ")));
            if fields[2] == "RsbANo" {
                // The register says that there is an alternate.
                is_shown = vendor == Vendor::Intel && !is_shown;
            }
            assert_eq!(is_offered, is_shown, "{} at {place} on {vendor:?}", fields[2]);
        }
    }
}

#[test]
fn leaving_a_feature_out_takes_it_from_the_model() {
    for vendor in [Vendor::Intel, Vendor::Amd] {
        let all = model(vendor);
        let (banks, xsave) = of_model(&all);
        let mut same = all.clone();
        restrict(&mut same, banks, xsave);
        assert_eq!(of_model(&same), (banks, xsave), "everything asked for changes nothing");
        for (index, word) in [banks[0], banks[1], xsave].into_iter().enumerate() {
            for row in
                WORDS[index].1.iter().filter(|row| word >> row.bit & 1 != 0 && !matches!(row.is, Always))
            {
                let mut asked = [banks[0], banks[1], xsave];
                asked[index] &= !(1 << row.bit);
                let mut less = all.clone();
                restrict(&mut less, [asked[0], asked[1]], asked[2]);
                let (banks, xsave) = of_model(&less);
                assert_eq!([banks[0], banks[1], xsave][index] >> row.bit & 1, 0, "{}", row.name);
            }
        }
    }
    let mut none = model(Vendor::Intel);
    restrict(&mut none, of_model(&model(Vendor::Intel)).0, 0);
    assert_eq!(none.xcr0_mask, 0, "no XSAVE, no extended state");
}

fn place_text(place: &Place) -> String {
    if place.leaf == ARCH_CAPABILITIES {
        return format!("IA32_ARCH_CAPABILITIES[{}]", place.bit);
    }
    let sub = if matches!(place.leaf, 7 | 0xD) { format!(".{}", place.sub) } else { String::new() };
    let register = format!("{:?}", place.reg).to_uppercase();
    format!("{:X}{sub}:{register}[{}]", place.leaf, place.bit)
}

fn origin_text(place: &Place) -> &'static str {
    let at = (place.leaf, place.sub, place.reg);
    let row = FEATURES.iter().find(|row| row.place() == at && row.bit == place.bit);
    match row.expect("a row of the model").origin {
        Origin::Host => "where the host has it",
        Origin::Software => "yes",
        Origin::SoftwareAmd => "yes, on AMD and Hygon hosts",
        Origin::SoftwareIntel => "yes, on Intel hosts",
        Origin::Absent => unreachable!("{place:?} is offered by nobody"),
    }
}

/// The table of the documentation.
fn page_table() -> String {
    let mut text =
        String::from("| word | bit | feature | CPUID or MSR | offered |\n| --- | --- | --- | --- | --- |\n");
    for (word, rows) in WORDS {
        let word = word.trim_start_matches("ProcessorFeatures ").trim_start_matches("Processor");
        for row in rows {
            let (place, offered) = match row.is {
                At(places) => {
                    let texts: Vec<_> = places.iter().map(place_text).collect();
                    (texts.join(" or "), origin_text(&places[0]).to_owned())
                }
                Always => (String::new(), "yes".to_owned()),
                Never(reason) => (String::new(), format!("no: {reason}")),
            };
            let _ = writeln!(text, "| {word} | {} | {} | {place} | {offered} |", row.bit, row.name);
        }
    }
    text
}

#[test]
fn the_documentation_lists_the_table() {
    let page = workspace().join("docs/processor.md");
    let text = std::fs::read_to_string(&page).expect("the page");
    let (start, end) = ("<!-- features -->\n", "<!-- end of features -->");
    let (head, rest) = text.split_once(start).expect("a start");
    let (_, tail) = rest.split_once(end).expect("an end");
    let wanted = format!("{head}{start}{}{end}{tail}", page_table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, &wanted).expect("writable");
    }
    assert!(text == wanted, "run this test with UPDATE_DOCS=1");
}
