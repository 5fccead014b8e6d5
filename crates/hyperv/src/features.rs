//! The bits a partition is made with.

bitflags::bitflags! {
    /// Synthetic features (bank 0 of `WHV_SYNTHETIC_PROCESSOR_FEATURES`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct Features: u64 {
        /// CPUID says that a hypervisor is present.
        const HYPERVISOR_PRESENT = 1 << 0;
        /// The interface is the one of the TLFS.
        const HV1 = 1 << 1;
        /// Run time of the processor.
        const VP_RUNTIME = 1 << 2;
        /// Reference counter.
        const REFERENCE_COUNTER = 1 << 3;
        /// Synthetic interrupt controller.
        const SYNIC = 1 << 4;
        /// Synthetic timers.
        const TIMERS = 1 << 5;
        /// APIC shortcuts and the assist page.
        const APIC_REGISTERS = 1 << 6;
        /// Guest OS id and hypercall page.
        const HYPERCALL = 1 << 7;
        /// Index of the processor.
        const VP_INDEX = 1 << 8;
        /// Reference TSC page.
        const REFERENCE_TSC = 1 << 9;
        /// Guest idle register.
        const GUEST_IDLE = 1 << 10;
        /// TSC and APIC frequencies.
        const FREQUENCIES = 1 << 11;
        /// Large ranges in address lists of flush calls.
        const EXTENDED_GVA_RANGES = 1 << 15;
        /// Output of fast hypercalls in registers.
        const FAST_OUTPUT = 1 << 18;
        /// Timers that raise an interrupt directly.
        const DIRECT_TIMERS = 1 << 22;
        /// Sparse sets of processors in hypercalls.
        const EXTENDED_MASKS = 1 << 24;
        /// Flush hypercalls.
        const TLB_FLUSH = 1 << 25;
        /// IPI hypercalls.
        const CLUSTER_IPI = 1 << 26;
        /// Long spin waits.
        const SPIN_WAIT = 1 << 27;
        /// NUMA distances.
        const NUMA_DISTANCE = 1 << 28;
        /// Signals to connections.
        const SIGNAL_EVENTS = 1 << 29;
        /// Retargeting of device interrupts.
        const RETARGET = 1 << 30;
        /// Restoring partition time.
        const RESTORE_TIME = 1 << 31;
        /// Registers of the calling processor by hypercall.
        const VP_REGISTERS = 1 << 38;
    }
}

/// A feature without something it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unmet {
    /// The features asked for.
    pub features: Features,
    /// What they need.
    pub need: &'static str,
}

impl Features {
    /// Everything this crate implements: every bit it names.
    pub const IMPLEMENTED: Self = Self::all();

    /// Features whose registers are reached through the local APIC or raise interrupts in it.
    const NEED_APIC: Self =
        Self::SYNIC.union(Self::TIMERS).union(Self::APIC_REGISTERS).union(Self::CLUSTER_IPI);

    /// Features that are hypercalls.
    const NEED_HYPERCALL: Self = Self::TLB_FLUSH
        .union(Self::CLUSTER_IPI)
        .union(Self::SPIN_WAIT)
        .union(Self::NUMA_DISTANCE)
        .union(Self::SIGNAL_EVENTS)
        .union(Self::RETARGET)
        .union(Self::RESTORE_TIME)
        .union(Self::VP_REGISTERS);

    /// The first dependency that is not met; `None` for a set that works.
    pub fn unmet(self, has_apic: bool) -> Option<Unmet> {
        let check = |features: Self, is_met: bool, need| {
            let features = self & features;
            (!features.is_empty() && !is_met).then_some(Unmet { features, need })
        };
        let others = Self::all() - Self::HYPERVISOR_PRESENT - Self::HV1;
        check(Self::HV1, self.contains(Self::HYPERVISOR_PRESENT), "HypervisorPresent")
            .or_else(|| check(others, self.contains(Self::HV1), "Hv1"))
            .or_else(|| check(Self::NEED_APIC, has_apic, "an emulated local APIC"))
            .or_else(|| check(Self::DIRECT_TIMERS, self.contains(Self::TIMERS), "AccessSyntheticTimerRegs"))
            .or_else(|| check(Self::NEED_HYPERCALL, self.contains(Self::HYPERCALL), "AccessHypercallRegs"))
    }

    /// The privilege mask (`HV_PARTITION_PRIVILEGE_MASK`): EAX and EBX of leaf 0x40000003.
    pub fn privileges(self) -> u64 {
        const MAP: [(Features, u32); 14] = [
            (Features::VP_RUNTIME, 0),
            (Features::REFERENCE_COUNTER, 1),
            (Features::SYNIC, 2),
            (Features::TIMERS, 3),
            (Features::APIC_REGISTERS, 4),
            (Features::HYPERCALL, 5),
            (Features::VP_INDEX, 6),
            (Features::REFERENCE_TSC, 9),
            (Features::GUEST_IDLE, 10),
            (Features::FREQUENCIES, 11),
            (Features::SIGNAL_EVENTS, 32 + 5),
            (Features::EXTENDED_GVA_RANGES, 32 + 15),
            (Features::VP_REGISTERS, 32 + 17),
            (Features::FAST_OUTPUT, 32 + 19),
        ];
        self.mapped(&MAP)
    }

    /// The sum of the bits whose features are on.
    pub(crate) fn mapped(self, map: &[(Self, u32)]) -> u64 {
        let on = map.iter().filter(|(feature, _)| self.contains(*feature));
        on.fold(0, |bits, (_, bit)| bits | 1 << bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The set a large client asks for.
    const USUAL: Features = Features::from_bits_retain(0x7F44_8FFF);

    #[test]
    fn the_usual_set_is_implemented_and_consistent() {
        assert!(Features::IMPLEMENTED.contains(USUAL));
        assert_eq!(USUAL.unmet(true), None);
        assert_eq!(Features::IMPLEMENTED.unmet(true), None);
        assert_eq!(Features::empty().unmet(false), None);
    }

    #[test]
    fn privileges_are_those_measured_for_the_usual_set() {
        assert_eq!(USUAL.privileges(), 0x0008_8020_0000_0E7F);
    }

    #[test]
    fn features_without_their_base_are_named() {
        let unmet = |features: Features, has_apic| features.unmet(has_apic).map(|unmet| unmet.need);
        let base = Features::HYPERVISOR_PRESENT | Features::HV1;
        assert_eq!(unmet(Features::HV1, true), Some("HypervisorPresent"));
        assert_eq!(unmet(Features::HYPERVISOR_PRESENT | Features::VP_INDEX, true), Some("Hv1"));
        assert_eq!(unmet(base | Features::SYNIC, false), Some("an emulated local APIC"));
        assert_eq!(unmet(base | Features::SYNIC, true), None);
        assert_eq!(unmet(base | Features::DIRECT_TIMERS, true), Some("AccessSyntheticTimerRegs"));
        assert_eq!(unmet(base | Features::TLB_FLUSH, true), Some("AccessHypercallRegs"));
    }
}
