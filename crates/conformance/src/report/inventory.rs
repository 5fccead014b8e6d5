//! The parts of the interface, by kind and name.

use openwhp_abi::functions::x64::FUNCTIONS;
use openwhp_abi::layout::Enumeration;
use openwhp_abi::x64::*;

use crate::Item;

/// A part of the interface as text: `("exit", "WHvRunVpExitReasonX64Halt")`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Kind: function, exit, capability, property get, ...
    pub kind: &'static str,
    /// Name in the header, or the number of what has none.
    pub name: String,
}

/// The kinds, in the order of the tables.
pub const KINDS: [&str; 12] = [
    "function",
    "exit",
    "capability",
    "property get",
    "property set",
    "register get",
    "register set",
    "state get",
    "state set",
    "partition counters",
    "processor counters",
    "ability",
];

impl Key {
    /// The part with this kind and name; `None` if there is no such kind.
    pub fn new(kind: &str, name: &str) -> Option<Self> {
        let kind = KINDS.into_iter().find(|known| *known == kind)?;
        Some(Self { kind, name: name.to_owned() })
    }
}

impl From<Item> for Key {
    fn from(item: Item) -> Self {
        let named = |list: &Enumeration, code: u32| {
            let member = list.members.iter().find(|member| member.1 == code);
            member.map_or_else(|| format!("{code:#x}"), |member| member.0.to_owned())
        };
        let (kind, name) = match item {
            Item::Function(name) => ("function", name.to_owned()),
            Item::Ability(name) => ("ability", name.to_owned()),
            Item::Exit(code) => ("exit", named(&WHV_RUN_VP_EXIT_REASON::ENUMERATION, code)),
            Item::Capability(code) => ("capability", named(&WHV_CAPABILITY_CODE::ENUMERATION, code)),
            Item::PropertyGet(code) => {
                ("property get", named(&WHV_PARTITION_PROPERTY_CODE::ENUMERATION, code))
            }
            Item::PropertySet(code) => {
                ("property set", named(&WHV_PARTITION_PROPERTY_CODE::ENUMERATION, code))
            }
            Item::RegisterGet(code) => ("register get", named(&WHV_REGISTER_NAME::ENUMERATION, code)),
            Item::RegisterSet(code) => ("register set", named(&WHV_REGISTER_NAME::ENUMERATION, code)),
            Item::StateGet(code) => {
                ("state get", named(&WHV_VIRTUAL_PROCESSOR_STATE_TYPE::ENUMERATION, code))
            }
            Item::StateSet(code) => {
                ("state set", named(&WHV_VIRTUAL_PROCESSOR_STATE_TYPE::ENUMERATION, code))
            }
            Item::PartitionCounters(code) => {
                ("partition counters", named(&WHV_PARTITION_COUNTER_SET::ENUMERATION, code))
            }
            Item::ProcessorCounters(code) => {
                ("processor counters", named(&WHV_PROCESSOR_COUNTER_SET::ENUMERATION, code))
            }
        };
        Self { kind, name }
    }
}

/// Every part that the header names. Exit reason None is left out: it never occurs.
pub fn all() -> Vec<Key> {
    let mut keys: Vec<Key> = FUNCTIONS.iter().map(|function| Item::Function(function.name).into()).collect();
    let mut add = |item: fn(u32) -> Item, list: &Enumeration| {
        keys.extend(list.members.iter().map(|member| Key::from(item(member.1))));
    };
    add(Item::Exit, &WHV_RUN_VP_EXIT_REASON::ENUMERATION);
    add(Item::Capability, &WHV_CAPABILITY_CODE::ENUMERATION);
    add(Item::PropertyGet, &WHV_PARTITION_PROPERTY_CODE::ENUMERATION);
    add(Item::PropertySet, &WHV_PARTITION_PROPERTY_CODE::ENUMERATION);
    add(Item::RegisterGet, &WHV_REGISTER_NAME::ENUMERATION);
    add(Item::RegisterSet, &WHV_REGISTER_NAME::ENUMERATION);
    add(Item::StateGet, &WHV_VIRTUAL_PROCESSOR_STATE_TYPE::ENUMERATION);
    add(Item::StateSet, &WHV_VIRTUAL_PROCESSOR_STATE_TYPE::ENUMERATION);
    add(Item::PartitionCounters, &WHV_PARTITION_COUNTER_SET::ENUMERATION);
    add(Item::ProcessorCounters, &WHV_PROCESSOR_COUNTER_SET::ENUMERATION);
    keys.retain(|key| key.name != "WHvRunVpExitReasonNone");
    let mut seen = std::collections::HashSet::new();
    keys.retain(|key| seen.insert(key.clone()));
    keys
}

/// Why a part has no case in which it works, if that is meant.
pub fn meant(key: &Key) -> Option<&'static str> {
    let name = key.name.as_str();
    let is_nested_msr = name.starts_with("WHvX64RegisterIa32Vmx")
        || ["Ia32FeatureControl", "AmdVmHsavePa", "AmdVmCr"].iter().any(|part| name.contains(part));
    match key.kind {
        "function" if name.contains("Vpci") => {
            Some("virtual PCI with a device behind it: not in this version")
        }
        "function" if name.ends_with("PartitionMigration") => Some("migration: not in this version"),
        "capability" if name.starts_with("WHvCapabilityCodeVmx") => Some("nested virtualization: none"),
        "state get" | "state set" if name.ends_with("NestedState") => Some("nested virtualization: none"),
        "property get"
            if ["CpuidExitList", "CpuidResultList", "CpuidResultList2", "MsrActionList"]
                .iter()
                .any(|list| name.ends_with(list)) =>
        {
            Some("a list that is only written")
        }
        "exit" if name.ends_with("UnsupportedFeature") => Some("the software processor has no such feature"),
        "register get" | "register set" if is_beyond_the_mtrrs(name) => Some("MTRRCAP reports eight pairs"),
        "register get" | "register set" if is_of_an_absent_feature(name) => {
            Some("a feature that the software processor has not")
        }
        "register get" | "register set" if is_nested_msr || name.contains("Nested") => {
            Some("nested virtualization: none")
        }
        _ => None,
    }
}

/// Registers of shadow stacks, protection bounds, transactions and extended feature disable, which guests are never
/// offered.
fn is_of_an_absent_feature(name: &str) -> bool {
    let parts = ["Bndcfgs", "TsxCtrl", "UCet", "SCet", "Ssp", "Xfd", "SpecCtrl", "PredCmd", "UmwaitControl"];
    let is_counter = name.ends_with("RegisterMCount") || name.ends_with("RegisterACount");
    is_counter || parts.iter().any(|part| name.contains(part))
}

/// Variable-range registers 8 to 15.
fn is_beyond_the_mtrrs(name: &str) -> bool {
    let number = name.strip_prefix("WHvX64RegisterMsrMtrrPhys");
    let number = number.and_then(|rest| rest.strip_prefix("Base").or_else(|| rest.strip_prefix("Mask")));
    number.and_then(|digit| u32::from_str_radix(digit, 16).ok()).is_some_and(|number| number >= 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_listed_once() {
        let keys = all();
        assert_eq!(keys.iter().filter(|key| key.kind == "function").count(), 70);
        assert!(keys.len() > 600, "{}", keys.len());
        for key in &keys {
            assert_eq!(Key::new(key.kind, &key.name).as_ref(), Some(key));
        }
    }

    #[test]
    fn unknown_codes_are_numbers() {
        assert_eq!(Key::from(Item::Exit(0x77)).name, "0x77");
    }
}
