//! Where and how eagerly a virtual processor's thread runs while it is inside run: NUMA node and weight.
//!
//! The thread is the client's. What is changed on the way in is put back on the way out.

use std::path::Path;

use openwhp_engine::SchedulerFeatures;
use rustix::process::getpriority_process;
use rustix::process::setpriority_process;
use rustix::thread::CpuSet;
use rustix::thread::sched_getaffinity;
use rustix::thread::sched_setaffinity;

/// The weight of a partition that asks for nothing.
const USUAL_WEIGHT: u32 = 100;

/// The host's NUMA nodes, ascending. A host without that notion has node 0.
pub(crate) fn nodes() -> Vec<u16> {
    let text = std::fs::read_to_string("/sys/devices/system/node/online").unwrap_or_default();
    let mut nodes: Vec<u16> = ranges(&text).filter_map(|node| u16::try_from(node).ok()).collect();
    if nodes.is_empty() {
        nodes.push(0);
    }
    nodes
}

/// Numbers of a list like `0-3,8`.
fn ranges(text: &str) -> impl Iterator<Item = usize> {
    text.trim()
        .split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some(first.parse::<usize>().ok()?..=last.parse().ok()?)
        })
        .flatten()
}

fn processors_of(node: u16) -> Option<CpuSet> {
    let path = Path::new("/sys/devices/system/node").join(format!("node{node}/cpulist"));
    let text = std::fs::read_to_string(path).ok()?;
    let mut set = CpuSet::new();
    ranges(&text).filter(|&cpu| cpu < CpuSet::MAX_CPU).for_each(|cpu| set.set(cpu));
    Some(set)
}

/// What the host's scheduler lets this process honour.
pub(crate) fn scheduler_features() -> SchedulerFeatures {
    // The limit needs nothing of the host.
    let mut features = SchedulerFeatures::CPU_CAP;
    if can_change_priority() {
        features |= SchedulerFeatures::CPU_WEIGHT;
    }
    if !has_smt() {
        // Nothing to disable.
        features |= SchedulerFeatures::DISABLE_SMT;
    }
    features
}

/// Whether a thread may lower its nice value, as it must to put it back; tried on a thread that ends.
fn can_change_priority() -> bool {
    let probe = std::thread::Builder::new().spawn(|| {
        let nice = getpriority_process(None).ok()?;
        setpriority_process(None, (nice - 1).max(-20)).ok()
    });
    probe.is_ok_and(|thread| thread.join().is_ok_and(|result| result.is_some()))
}

fn has_smt() -> bool {
    let active = std::fs::read_to_string("/sys/devices/system/cpu/smt/active");
    active.map_or(true, |text| text.trim() != "0")
}

/// What a processor asks of the host's scheduler; `None` fields ask nothing.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    processors: Option<CpuSet>,
    nice: Option<i32>,
}

impl Placement {
    pub(crate) fn new(node: Option<u16>, weight: u32) -> Self {
        // A node that is the whole machine needs no placing.
        let processors = node.filter(|_| nodes().len() > 1).and_then(processors_of);
        Self { processors, nice: nice_of(weight) }
    }

    /// Nothing is asked: run need not be told.
    pub(crate) fn is_empty(&self) -> bool {
        self.processors.is_none() && self.nice.is_none()
    }

    /// Moves the calling thread there, until the result is dropped.
    pub(crate) fn enter(&self) -> Stay {
        let mut stay = Stay::default();
        if let Some(wanted) = &self.processors
            && let Ok(before) = sched_getaffinity(None)
        {
            // Never outside what the client allows itself.
            let mut both = CpuSet::new();
            (0..CpuSet::MAX_CPU).filter(|&n| wanted.is_set(n) && before.is_set(n)).for_each(|n| both.set(n));
            if both.count() != 0 && both != before && sched_setaffinity(None, &both).is_ok() {
                stay.processors = Some(before);
            }
        }
        if let Some(by) = self.nice
            && let Ok(before) = getpriority_process(None)
            && setpriority_process(None, (before + by).clamp(-20, 19)).is_ok()
        {
            stay.nice = Some(before);
        }
        stay
    }
}

/// The nice value that weighs as much in relation to the usual one as `weight` does: each step is a factor of 1.25.
fn nice_of(weight: u32) -> Option<i32> {
    let steps = (f64::from(weight.max(1)) / f64::from(USUAL_WEIGHT)).ln() / 1.25_f64.ln();
    let nice = -(steps.round() as i32);
    (nice != 0).then_some(nice.clamp(-20, 19))
}

/// Puts the calling thread's attributes back.
#[derive(Debug, Default)]
pub(crate) struct Stay {
    processors: Option<CpuSet>,
    nice: Option<i32>,
}

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(before) = &self.processors {
            let _ = sched_setaffinity(None, before);
        }
        if let Some(before) = self.nice {
            let _ = setpriority_process(None, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_understood() {
        assert_eq!(ranges("0-2,5,7-8\n").collect::<Vec<_>>(), [0, 1, 2, 5, 7, 8]);
        assert_eq!(ranges("\n").count(), 0);
        assert!(nodes().contains(&0));
    }

    #[test]
    fn weights_are_ratios_of_nice_values() {
        assert_eq!((nice_of(100), nice_of(125), nice_of(80)), (None, Some(-1), Some(1)));
        assert_eq!((nice_of(1), nice_of(10_000)), (Some(19), Some(-20)));
    }

    #[test]
    fn the_thread_is_as_before_when_it_comes_back() {
        let before = sched_getaffinity(None).expect("readable");
        let first = (0..CpuSet::MAX_CPU).find(|&n| before.is_set(n)).expect("a processor");
        let mut one = CpuSet::new();
        one.set(first);
        let nice = getpriority_process(None).expect("readable");
        let has_weight = scheduler_features().contains(SchedulerFeatures::CPU_WEIGHT);
        let placement = Placement { processors: Some(one), nice: has_weight.then_some(3) };
        let stay = placement.enter();
        assert_eq!(sched_getaffinity(None).expect("readable"), one);
        if has_weight {
            assert_eq!(getpriority_process(None).expect("readable"), (nice + 3).min(19));
        }
        drop(stay);
        assert_eq!(sched_getaffinity(None).expect("readable"), before);
        assert_eq!(getpriority_process(None).expect("readable"), nice);
    }

    #[test]
    fn a_node_that_the_client_does_not_allow_itself_moves_nothing() {
        let before = sched_getaffinity(None).expect("readable");
        let mut elsewhere = CpuSet::new();
        elsewhere.set(CpuSet::MAX_CPU - 1);
        let placement = Placement { processors: Some(elsewhere), nice: None };
        let stay = placement.enter();
        assert_eq!(sched_getaffinity(None).expect("readable"), before);
        drop(stay);
    }
}
