//! Tables of a run, for people.

use std::fmt::Write;

use super::documented::DOCUMENTED;
use super::inventory;
use super::inventory::KINDS;
use super::inventory::Key;
use super::run::result_name;
use super::standing::Standing;
use super::standing::State;

/// Where the table starts in a file.
pub const BEGIN: &str = "<!-- compatibility table: made by the conformance run -->";
/// Where it ends.
pub const END: &str = "<!-- end of the compatibility table -->";

/// An area of the interface: which functions and exits belong to it, by parts of their names.
struct Area {
    name: &'static str,
    functions: &'static [&'static str],
    others: &'static [(&'static str, &'static str)],
}

const AREAS: [Area; 16] = [
    Area { name: "capabilities", functions: &["WHvGetCapability"], others: &[("capability", "")] },
    Area {
        name: "partitions",
        functions: &[
            "WHvCreatePartition",
            "WHvSetupPartition",
            "WHvResetPartition",
            "WHvDeletePartition",
            "WHvGetPartitionProperty",
            "WHvSetPartitionProperty",
        ],
        others: &[("property get", ""), ("property set", "")],
    },
    Area { name: "time", functions: &["WHvSuspendPartitionTime", "WHvResumePartitionTime"], others: &[] },
    Area {
        name: "memory",
        functions: &[
            "WHvMapGpaRange",
            "WHvMapGpaRange2",
            "WHvUnmapGpaRange",
            "WHvTranslateGva",
            "WHvQueryGpaRangeDirtyBitmap",
            "WHvAdviseGpaRange",
            "WHvReadGpaRange",
            "WHvWriteGpaRange",
        ],
        others: &[],
    },
    Area {
        name: "processors",
        functions: &[
            "WHvCreateVirtualProcessor",
            "WHvCreateVirtualProcessor2",
            "WHvDeleteVirtualProcessor",
            "WHvRunVirtualProcessor",
            "WHvCancelRunVirtualProcessor",
            "WHvGetVirtualProcessorCpuidOutput",
        ],
        others: &[],
    },
    Area {
        name: "registers",
        functions: &["WHvGetVirtualProcessorRegisters", "WHvSetVirtualProcessorRegisters"],
        others: &[("register get", ""), ("register set", "")],
    },
    Area {
        name: "processor state",
        functions: &[
            "WHvGetVirtualProcessorState",
            "WHvSetVirtualProcessorState",
            "WHvGetVirtualProcessorXsaveState",
            "WHvSetVirtualProcessorXsaveState",
            "WHvGetVirtualProcessorInterruptControllerState",
            "WHvSetVirtualProcessorInterruptControllerState",
            "WHvGetVirtualProcessorInterruptControllerState2",
            "WHvSetVirtualProcessorInterruptControllerState2",
        ],
        others: &[("state get", ""), ("state set", "")],
    },
    Area {
        name: "interrupts",
        functions: &["WHvRequestInterrupt", "WHvGetInterruptTargetVpSet"],
        others: &[],
    },
    Area { name: "exits", functions: &[], others: &[("exit", "")] },
    Area {
        name: "counters",
        functions: &["WHvGetPartitionCounters", "WHvGetVirtualProcessorCounters"],
        others: &[("partition counters", ""), ("processor counters", "")],
    },
    Area {
        name: "SynIC",
        functions: &["WHvSignalVirtualProcessorSynicEvent", "WHvPostVirtualProcessorSynicMessage"],
        others: &[],
    },
    Area {
        name: "doorbells and ports",
        functions: &[
            "WHvRegisterPartitionDoorbellEvent",
            "WHvUnregisterPartitionDoorbellEvent",
            "WHvCreateNotificationPort",
            "WHvSetNotificationPortProperty",
            "WHvDeleteNotificationPort",
        ],
        others: &[],
    },
    Area {
        name: "triggers",
        functions: &["WHvCreateTrigger", "WHvUpdateTriggerParameters", "WHvDeleteTrigger"],
        others: &[],
    },
    Area { name: "virtual PCI", functions: &["*Vpci"], others: &[] },
    Area { name: "migration", functions: &["*PartitionMigration"], others: &[] },
    Area { name: "instruction emulator", functions: &["*WHvEmulator"], others: &[] },
];

impl Area {
    fn has(&self, key: &Key) -> bool {
        let is_function = key.kind == "function"
            && self.functions.iter().any(|name| match name.strip_prefix('*') {
                Some(part) => key.name.contains(part),
                None => key.name == *name,
            });
        is_function || self.others.iter().any(|(kind, part)| key.kind == *kind && key.name.contains(part))
    }
}

/// The table of the README: a row per area.
pub fn summary(standing: &Standing) -> String {
    let all = inventory::all();
    let mut text =
        String::from("| area | consists of | engine `soft` | engine `kvm` |\n| --- | --- | --- | --- |\n");
    for area in &AREAS {
        let keys: Vec<&Key> = all.iter().filter(|key| area.has(key)).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | not in this version |",
            area.name,
            contents(&keys),
            verdict(standing, &keys)
        );
    }
    text.push_str("| AArch64 | types, constants and layouts | no engine | not in this version |\n");
    text
}

/// "6 functions, 31 properties".
fn contents(keys: &[&Key]) -> String {
    let words = [
        ("function", "functions"),
        ("exit", "exits"),
        ("capability", "codes"),
        ("property get", "properties"),
        ("register get", "registers"),
        ("state get", "types of state"),
        ("partition counters", "partition set"),
        ("processor counters", "processor sets"),
    ];
    let parts = words.iter().filter_map(|(kind, word)| {
        let count = keys.iter().filter(|key| key.kind == *kind).count();
        (count > 0).then(|| format!("{count} {}", if count == 1 { word.trim_end_matches('s') } else { word }))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// The states of an area in one phrase. Reading and writing one thing count as one.
fn verdict(standing: &Standing, keys: &[&Key]) -> String {
    let mut worst: Vec<(String, State)> = Vec::new();
    for key in keys {
        if key.kind == "property get" {
            continue; // A default can be read of anything; what counts is whether it can be set.
        }
        let kind = key.kind.split(' ').next().unwrap_or(key.kind);
        let name = format!("{kind} {}", key.name);
        let state = standing.of(key);
        match worst.iter_mut().find(|entry| entry.0 == name) {
            // What can only be read, or only be written, works.
            Some(entry) if state == State::Works || entry.1 == State::Works => entry.1 = State::Works,
            Some(entry) => entry.1 = entry.1.max(state),
            None => worst.push((name, state)),
        }
    }
    let count = |state: State| worst.iter().filter(|entry| entry.1 == state).count();
    let total = worst.len();
    for state in [State::Works, State::Refused, State::Absent, State::Fails, State::Untested] {
        if count(state) == total {
            return state.words().to_owned();
        }
    }
    let mut parts = vec![format!("{} of {total} work", count(State::Works))];
    let names = |state: State| {
        let names: Vec<_> =
            worst.iter().filter(|entry| entry.1 == state).map(|entry| short(&entry.0)).collect();
        if names.len() <= 4 { format!(" ({})", names.join(", ")) } else { String::new() }
    };
    for state in [State::Refused, State::Absent, State::Fails, State::Untested] {
        match count(state) {
            0 => (),
            1 => parts.push(format!("1 {}{}", state.words(), names(state))),
            many => {
                let words =
                    if state == State::Refused { "return the documented error" } else { state.words() };
                parts.push(format!("{many} {words}{}", names(state)));
            }
        }
    }
    parts.join("; ")
}

/// A name without what its kind repeats.
fn short(name: &str) -> String {
    let name = name.split(' ').next_back().unwrap_or(name);
    let prefixes = [
        "WHvPartitionPropertyCode",
        "WHvCapabilityCode",
        "WHvRunVpExitReason",
        "WHvVirtualProcessorStateType",
        "WHvPartitionCounterSet",
        "WHvProcessorCounterSet",
        "WHvX64Register",
        "WHvRegister",
        "WHv",
    ];
    let prefix = prefixes.into_iter().find(|prefix| name.starts_with(prefix)).unwrap_or_default();
    format!("`{}`", &name[prefix.len()..])
}

/// The page with a row per part of the interface.
pub fn full(standing: &Standing) -> String {
    let mut text = String::from(INTRODUCTION);
    functions(standing, &mut text);
    simple(standing, &mut text, "Exits", "exit");
    simple(standing, &mut text, "Capabilities", "capability");
    pair(standing, &mut text, "Partition properties", "property");
    pair(standing, &mut text, "Types of processor state", "state");
    simple(standing, &mut text, "Partition counters", "partition counters");
    simple(standing, &mut text, "Processor counters", "processor counters");
    pair(standing, &mut text, "Registers", "register");
    abilities(standing, &mut text);
    text
}

const INTRODUCTION: &str = "# Compatibility

Made by the conformance run; `cargo run --release -p openwhp-conformance --bin conformance -- --write` makes it again, and
a test compares it with the cases. *Works*: a case that passed saw it succeed. *Returns the documented error*: cases saw
its errors only, as the specification has them. *Absent*: as before, and `WHvGetCapability` says so. Engine `kvm` is not
in this version.
";

fn functions(standing: &Standing, text: &mut String) {
    text.push_str("\n## Functions\n\n| function | soft | errors that cases check |\n| --- | --- | --- |\n");
    for (name, errors) in DOCUMENTED {
        let Some(key) = Key::new("function", name) else { continue };
        let seen: Vec<&str> = standing.results(&key).collect();
        let checked: Vec<String> = errors
            .iter()
            .map(|code| result_name(*code))
            .filter(|code| seen.contains(&code.as_str()))
            .collect();
        let _ = writeln!(text, "| `{name}` | {} | {} |", standing.of(&key).words(), checked.join(", "));
    }
}

fn remark(key: &Key, state: State) -> String {
    match inventory::meant(key) {
        Some(reason) if state != State::Works => format!("{} ({reason})", state.words()),
        _ => state.words().to_owned(),
    }
}

fn simple(standing: &Standing, text: &mut String, title: &str, kind: &str) {
    let _ = write!(text, "\n## {title}\n\n| name | soft |\n| --- | --- |\n");
    for key in inventory::all().iter().filter(|key| key.kind == kind) {
        let _ = writeln!(text, "| `{}` | {} |", key.name, remark(key, standing.of(key)));
    }
}

fn pair(standing: &Standing, text: &mut String, title: &str, kind: &str) {
    let _ = write!(text, "\n## {title}\n\n| name | read | written |\n| --- | --- | --- |\n");
    let (get, set) = (format!("{kind} get"), format!("{kind} set"));
    for key in inventory::all().iter().filter(|key| key.kind == get) {
        let Some(other) = Key::new(&set, &key.name) else { continue };
        let (get, set) = (remark(key, standing.of(key)), remark(&other, standing.of(&other)));
        let _ = writeln!(text, "| `{}` | {get} | {set} |", key.name);
    }
}

fn abilities(standing: &Standing, text: &mut String) {
    text.push_str("\n## Behaviour that calls do not show\n\nCovered by cases that say so: ");
    let mut names: Vec<&str> = standing.kind("ability").map(|(key, _)| key.name.as_str()).collect();
    names.sort_by_key(|name| (name.strip_prefix('Q').and_then(|number| number.parse::<u32>().ok()), *name));
    text.push_str(&names.join(", "));
    text.push_str(".\n");
}

/// What a complete set of cases would have and this run has not: parts without a case, parts that never succeed and
/// are not meant to be absent, documented errors that no case saw.
pub fn gaps(standing: &Standing) -> Vec<String> {
    let mut gaps = Vec::new();
    for key in inventory::all() {
        let state = standing.of(&key);
        let is_meant = inventory::meant(&key).is_some();
        let is_gap = match state {
            State::Works => false,
            State::Fails => true,
            State::Untested => !is_meant,
            State::Refused | State::Absent => !is_meant && !is_one_way(standing, &key),
        };
        if is_gap {
            gaps.push(format!("{} {}: {}", key.kind, key.name, state.words()));
        }
    }
    for (name, errors) in DOCUMENTED {
        let Some(key) = Key::new("function", name) else { continue };
        let seen: Vec<&str> = standing.results(&key).collect();
        for error in errors.iter().map(|code| result_name(*code)) {
            if !seen.contains(&error.as_str()) {
                gaps.push(format!("function {name}: no case sees {error}"));
            }
        }
    }
    gaps
}

/// What no case covers yet: beginnings of lines of [`gaps`]. Empty when everything is covered.
pub const OPEN: &[&str] = &[];

/// Gaps that nothing explains.
pub fn unexpected(gaps: &[String]) -> Vec<&String> {
    gaps.iter().filter(|gap| !OPEN.iter().any(|known| gap.starts_with(known))).collect()
}

/// Whether a part that is refused one way works the other way: read-only and write-only things.
fn is_one_way(standing: &Standing, key: &Key) -> bool {
    let other = match key.kind.rsplit_once(' ') {
        Some((kind, "get")) => format!("{kind} set"),
        Some((kind, "set")) => format!("{kind} get"),
        _ => return false,
    };
    KINDS.contains(&other.as_str())
        && Key::new(&other, &key.name).is_some_and(|other| standing.of(&other) == State::Works)
}

/// What is absent on purpose, and why.
pub fn meant(standing: &Standing) -> Vec<String> {
    let keys = inventory::all();
    let absent = keys.iter().filter(|key| standing.of(key) != State::Works);
    absent.filter_map(|key| Some(format!("{} {}: {}", key.kind, key.name, inventory::meant(key)?))).collect()
}

/// Puts a table between the marks of a text; `None` if it has no marks.
pub fn replace(text: &str, table: &str) -> Option<String> {
    let start = text.find(BEGIN)? + BEGIN.len();
    let end = text.find(END)?;
    Some(format!("{}\n\n{table}\n{}", text.get(..start)?, text.get(end..)?))
}
