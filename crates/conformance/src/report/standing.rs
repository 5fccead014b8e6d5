//! Whether each part of the interface works, by what the cases saw.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use openwhp_abi::hresult::S_OK;
use openwhp_abi::x64::*;

use super::inventory;
use super::inventory::Key;
use super::run::Report;
use super::run::result_name;
use crate::Engine;
use crate::coverage::Outcome;

/// How a part of the interface stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// A passing case saw it succeed.
    Works,
    /// Passing cases saw only errors, which are the documented ones.
    Refused,
    /// As above, and the capabilities say that the ability is not there.
    Absent,
    /// Only failing cases touched it.
    Fails,
    /// No case touched it.
    Untested,
}

impl State {
    /// The words of the tables.
    pub fn words(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Refused => "returns the documented error",
            Self::Absent => "absent",
            Self::Fails => "**fails**",
            Self::Untested => "**no case**",
        }
    }
}

/// The states of all parts, and the results seen of each.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    states: BTreeMap<Key, State>,
    results: BTreeMap<Key, BTreeSet<String>>,
}

impl Standing {
    /// Reads a run. Capabilities are those of `engine`.
    pub fn new(engine: &Engine, reports: &[Report]) -> Self {
        let abilities = Abilities::of(engine);
        let ok = result_name(S_OK);
        let mut results: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
        let mut failing = BTreeSet::new();
        for report in reports {
            for (key, result) in &report.seen {
                if report.outcome == Outcome::Passed {
                    results.entry(key.clone()).or_default().insert(result.clone());
                } else if matches!(report.outcome, Outcome::Failed(_)) {
                    failing.insert(key.clone());
                }
            }
        }
        let mut keys: BTreeSet<Key> = inventory::all().into_iter().collect();
        keys.extend(results.keys().filter(|key| key.kind == "ability").cloned());
        let states = keys.into_iter().map(|key| {
            let state = match results.get(&key) {
                Some(_) if key.kind == "ability" => State::Works,
                Some(seen) if seen.contains(&ok) => State::Works,
                Some(_) if abilities.lack(&key) => State::Absent,
                Some(_) => State::Refused,
                None if failing.contains(&key) => State::Fails,
                None if key.kind == "exit" && abilities.lack(&key) => State::Absent,
                None => State::Untested,
            };
            (key, state)
        });
        let states = states.collect();
        Self { states, results }
    }

    /// The state of a part.
    pub fn of(&self, key: &Key) -> State {
        self.states.get(key).copied().unwrap_or(State::Untested)
    }

    /// Names of the results that passing cases saw of a part.
    pub fn results(&self, key: &Key) -> impl Iterator<Item = &str> {
        self.results.get(key).into_iter().flatten().map(String::as_str)
    }

    /// The parts of a kind with their states.
    pub fn kind(&self, kind: &str) -> impl Iterator<Item = (&Key, State)> {
        self.states.iter().filter(move |entry| entry.0.kind == kind).map(|(key, state)| (key, *state))
    }
}

/// What the capabilities say.
struct Abilities {
    features: WHV_CAPABILITY_FEATURES,
    synthetic: WHV_SYNTHETIC_PROCESSOR_FEATURES,
}

impl Abilities {
    fn of(engine: &Engine) -> Self {
        let mut features = WHV_CAPABILITY_FEATURES::default();
        features.set_AsUINT64(engine.capability(WHvCapabilityCodeFeatures)[0]);
        let mut synthetic = WHV_SYNTHETIC_PROCESSOR_FEATURES::default();
        synthetic.set_AsUINT64(engine.capability(WHvCapabilityCodeSyntheticProcessorFeaturesBanks)[1]);
        Self { features, synthetic }
    }

    /// Whether a part belongs to an ability that the capabilities deny.
    fn lack(&self, key: &Key) -> bool {
        let name = key.name.as_str();
        if name.contains("Vpci") {
            return self.features.VirtualPciDeviceSupport() == 0;
        }
        if name.contains("Synic") || name.contains("RegisterSint") || name.contains("StateTypeSynic") {
            return self.synthetic.AccessSynicRegs() == 0;
        }
        name.contains("Vmx") || name.contains("NestedState") || name.contains("UnsupportedFeature")
    }
}
