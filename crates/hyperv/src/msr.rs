//! Numbers and meaning of the synthetic model-specific registers.

use crate::Features;

/// The access raises #GP(0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault;

/// Registers of the whole partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartitionMsr {
    /// Identity of the guest's operating system.
    GuestOsId,
    /// Place of the hypercall page.
    Hypercall,
    /// Place of the reference TSC page.
    ReferenceTsc,
    /// A parameter of a crash report, 0 to 4.
    CrashParameter(u8),
    /// Control of crash reports.
    CrashControl,
}

/// Registers of one processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VpMsr {
    /// Place of the assist page.
    Assist,
    /// SynIC control.
    Scontrol,
    /// SynIC version.
    Sversion,
    /// Place of the event flag page.
    Siefp,
    /// Place of the message page.
    Simp,
    /// End of message.
    Eom,
    /// A synthetic interrupt source, 0 to 15.
    Sint(u8),
    /// Configuration of a timer, 0 to 3.
    TimerConfig(u8),
    /// Count of a timer, 0 to 3.
    TimerCount(u8),
}

/// Read-only values that the owner knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Index of the processor.
    VpIndex,
    /// Run time of the processor in 100 ns.
    VpRuntime,
    /// Reference time in 100 ns.
    ReferenceCount,
    /// TSC rate in Hz.
    TscFrequency,
    /// APIC timer rate in Hz.
    ApicFrequency,
}

/// Shortcuts to registers of the local APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApicMsr {
    /// End of interrupt, write-only.
    Eoi,
    /// Interrupt command, both halves.
    Icr,
    /// Task priority.
    Tpr,
}

/// What a register number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Msr {
    /// In [`crate::Partition`].
    Partition(PartitionMsr),
    /// In [`crate::Vp`].
    Vp(VpMsr),
    /// A value of the owner's; writes fault.
    Fact(Fact),
    /// A register of the local APIC.
    Apic(ApicMsr),
    /// Guest idle: reading parks the processor, the value is 0; writes fault.
    GuestIdle,
}

impl Msr {
    /// First number of the range.
    pub const FIRST: u32 = 0x4000_0000;
    /// Last number that can mean something.
    pub const LAST: u32 = 0x4000_0105;

    /// What `index` means with these features; `None` if they offer no such register.
    ///
    /// # Source
    /// TLFS, appendix of model-specific registers. The reset register (0x40000003) needs a privilege that no feature
    /// bit gives.
    pub fn find(features: Features, index: u32) -> Option<Self> {
        let (msr, needs) = match index {
            0x4000_0000 => (Self::Partition(PartitionMsr::GuestOsId), Features::HYPERCALL),
            0x4000_0001 => (Self::Partition(PartitionMsr::Hypercall), Features::HYPERCALL),
            0x4000_0002 => (Self::Fact(Fact::VpIndex), Features::VP_INDEX),
            0x4000_0010 => (Self::Fact(Fact::VpRuntime), Features::VP_RUNTIME),
            0x4000_0020 => (Self::Fact(Fact::ReferenceCount), Features::REFERENCE_COUNTER),
            0x4000_0021 => (Self::Partition(PartitionMsr::ReferenceTsc), Features::REFERENCE_TSC),
            0x4000_0022 => (Self::Fact(Fact::TscFrequency), Features::FREQUENCIES),
            0x4000_0023 => (Self::Fact(Fact::ApicFrequency), Features::FREQUENCIES),
            0x4000_0070 => (Self::Apic(ApicMsr::Eoi), Features::APIC_REGISTERS),
            0x4000_0071 => (Self::Apic(ApicMsr::Icr), Features::APIC_REGISTERS),
            0x4000_0072 => (Self::Apic(ApicMsr::Tpr), Features::APIC_REGISTERS),
            0x4000_0073 => (Self::Vp(VpMsr::Assist), Features::APIC_REGISTERS),
            0x4000_0080 => (Self::Vp(VpMsr::Scontrol), Features::SYNIC),
            0x4000_0081 => (Self::Vp(VpMsr::Sversion), Features::SYNIC),
            0x4000_0082 => (Self::Vp(VpMsr::Siefp), Features::SYNIC),
            0x4000_0083 => (Self::Vp(VpMsr::Simp), Features::SYNIC),
            0x4000_0084 => (Self::Vp(VpMsr::Eom), Features::SYNIC),
            0x4000_0090..=0x4000_009F => {
                (Self::Vp(VpMsr::Sint((index - 0x4000_0090) as u8)), Features::SYNIC)
            }
            0x4000_00B0..=0x4000_00B7 => {
                let timer = ((index - 0x4000_00B0) / 2) as u8;
                let msr = if index & 1 == 0 { VpMsr::TimerConfig(timer) } else { VpMsr::TimerCount(timer) };
                (Self::Vp(msr), Features::TIMERS)
            }
            0x4000_00F0 => (Self::GuestIdle, Features::GUEST_IDLE),
            0x4000_0100..=0x4000_0104 => {
                let parameter = (index - 0x4000_0100) as u8;
                (Self::Partition(PartitionMsr::CrashParameter(parameter)), Features::HV1)
            }
            0x4000_0105 => (Self::Partition(PartitionMsr::CrashControl), Features::HV1),
            _ => return None,
        };
        features.contains(needs | Features::HV1 | Features::HYPERVISOR_PRESENT).then_some(msr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_register_hides_behind_its_feature() {
        let base = Features::HYPERVISOR_PRESENT | Features::HV1;
        for index in Msr::FIRST..=Msr::LAST {
            let Some(msr) = Msr::find(Features::IMPLEMENTED, index) else { continue };
            assert_eq!(Msr::find(Features::IMPLEMENTED - Features::HV1, index), None);
            let holders: Vec<Features> = Features::IMPLEMENTED
                .iter()
                .filter(|feature| Msr::find(base | *feature, index) == Some(msr))
                .collect();
            let is_crash =
                matches!(msr, Msr::Partition(PartitionMsr::CrashParameter(_) | PartitionMsr::CrashControl));
            assert_eq!(holders.len() == 1, !is_crash, "{index:#x}");
        }
    }

    #[test]
    fn numbers_in_between_mean_nothing() {
        for index in [0x4000_0003, 0x4000_0024, 0x4000_0085, 0x4000_00A0, 0x4000_00B8, 0x4000_0106, 0x10] {
            assert_eq!(Msr::find(Features::IMPLEMENTED, index), None);
        }
    }
}
