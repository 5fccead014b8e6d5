//! The debugger's breakpoints and watchpoints, and where they are while the guest runs.
//!
//! A breakpoint in memory is there only while processors run: every stop takes it out again, so that whoever looks at
//! memory then sees the guest's own. Where no processor's page tables lead anywhere yet, a debug register stands in.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use gdbstub::target::ext::breakpoints::WatchKind;
use openwhp::Gpa;
use openwhp::Gva;
use openwhp::Partition;

use super::control;
use super::control::Control;
use super::control::InMemory;
use super::dr;
use super::dr::Kind;
use super::dr::Tag;
use super::dr::Wanted;
use super::vp::Failure;

/// INT3.
const BREAKPOINT: u8 = 0xcc;
const REGISTERS: usize = 4;

/// A watched range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    pub(super) address: u64,
    pub(super) len: u64,
    pub(super) kind: WatchKind,
}

/// Everything the debugger has set.
#[derive(Debug, Default)]
pub(super) struct Breakpoints {
    soft: BTreeSet<u64>,
    hard: BTreeSet<u64>,
    watches: Vec<Watch>,
    /// Bytes that breakpoints in memory stand in for, by address.
    patches: BTreeMap<u64, u8>,
}

impl Breakpoints {
    pub(super) fn is_soft(&self, address: u64) -> bool {
        self.soft.contains(&address)
    }

    pub(super) fn is_hard(&self, address: u64) -> bool {
        self.hard.contains(&address)
    }

    pub(super) fn watch(&self, number: usize) -> Option<Watch> {
        self.watches.get(number).copied()
    }

    pub(super) fn clear(&mut self) {
        self.soft.clear();
        self.hard.clear();
        self.watches.clear();
    }

    /// Adds a breakpoint in memory; false when it can be neither there nor in a debug register.
    pub(super) fn add_soft(&mut self, control: &Control, address: u64) -> bool {
        let is_new = self.soft.insert(address);
        let is_possible =
            !self.places(control, address).is_empty() || self.wanted(control).len() <= REGISTERS;
        if is_new && !is_possible {
            self.soft.remove(&address);
        }
        is_possible
    }

    pub(super) fn remove_soft(&mut self, address: u64) -> bool {
        self.soft.remove(&address)
    }

    pub(super) fn add_hard(&mut self, control: &Control, address: u64) -> bool {
        let is_new = self.hard.insert(address);
        let is_possible = self.wanted(control).len() <= REGISTERS;
        if is_new && !is_possible {
            self.hard.remove(&address);
        }
        is_possible
    }

    pub(super) fn remove_hard(&mut self, address: u64) -> bool {
        self.hard.remove(&address)
    }

    pub(super) fn add_watch(&mut self, control: &Control, watch: Watch) -> bool {
        if dr::pieces(watch.address, watch.len).is_none() {
            return false;
        }
        if self.watches.contains(&watch) {
            return true;
        }
        self.watches.push(watch);
        let is_possible = self.wanted(control).len() <= REGISTERS;
        if !is_possible {
            self.watches.pop();
        }
        is_possible
    }

    pub(super) fn remove_watch(&mut self, watch: Watch) -> bool {
        let place = self.watches.iter().position(|other| *other == watch);
        place.map(|place| self.watches.remove(place)).is_some()
    }

    /// Guest physical addresses that a linear address has on any processor, where a byte can be read.
    fn places(&self, control: &Control, address: u64) -> BTreeSet<u64> {
        let mut places = BTreeSet::new();
        for (vp, _) in (0..control.count()).filter_map(|index| control.processor(index)) {
            let Ok(gpa) = vp.linear_to_physical(Gva(address)) else { continue };
            let mut byte = [0];
            if vp.partition().read_gpa(gpa, &mut byte).is_ok() {
                places.insert(gpa.0);
            }
        }
        places
    }

    /// What has to be in debug registers.
    fn wanted(&self, control: &Control) -> Vec<Wanted> {
        let code = |address: u64| Wanted { address, len: 1, kind: Kind::Execute, tag: Tag::Break };
        let unmapped = self.soft.iter().filter(|address| self.places(control, **address).is_empty());
        let addresses: BTreeSet<u64> = self.hard.iter().chain(unmapped).copied().collect();
        let mut wanted: Vec<_> = addresses.into_iter().map(code).collect();
        for (number, watch) in self.watches.iter().enumerate() {
            // The processor has no reads alone; the debugger compares values.
            let kind = if watch.kind == WatchKind::Write { Kind::Write } else { Kind::Access };
            let pieces = dr::pieces(watch.address, watch.len).unwrap_or_default();
            let tag = Tag::Watch(number);
            wanted.extend(pieces.into_iter().map(|(address, len)| Wanted { address, len, kind, tag }));
        }
        wanted
    }

    /// Puts all into place, before processors run; returns what is in memory.
    pub(super) fn insert(&mut self, control: &Control, partition: &Partition) -> Result<InMemory, Failure> {
        let mut in_memory = InMemory::default();
        let wanted = self.wanted(control);
        for address in &self.soft {
            for gpa in self.places(control, *address) {
                if self.patches.contains_key(&gpa) {
                    in_memory.linear.insert(*address);
                    continue;
                }
                let mut byte = [0];
                let is_read = partition.read_gpa(Gpa(gpa), &mut byte).is_ok();
                if is_read && partition.write_gpa(Gpa(gpa), &[BREAKPOINT]).is_ok() {
                    self.patches.insert(gpa, byte[0]);
                    in_memory.linear.insert(*address);
                }
            }
        }
        for (vp, debug) in (0..control.count()).filter_map(|index| control.processor(index)) {
            control::lock(&debug).set_wanted(&vp, &wanted)?;
        }
        in_memory.physical = self.patches.keys().copied().collect();
        Ok(in_memory)
    }

    /// Takes breakpoints out of memory. What the guest wrote there in the meantime stays.
    pub(super) fn remove_from_memory(&mut self, partition: Option<&Partition>) {
        for (gpa, original) in std::mem::take(&mut self.patches) {
            let Some(partition) = partition else { continue };
            let mut byte = [0];
            if partition.read_gpa(Gpa(gpa), &mut byte).is_ok() && byte[0] == BREAKPOINT {
                // It could be written when the breakpoint was put there; a page that is gone needs nothing.
                let _ = partition.write_gpa(Gpa(gpa), &[original]);
            }
        }
    }
}
