//! CPUID leaves 0x40000000 and up.

use crate::Features;

/// First leaf of the range.
pub const FIRST: u32 = 0x4000_0000;
/// Last leaf of the range that belongs to hypervisors.
pub const LAST: u32 = 0x4000_FFFF;
/// Highest leaf with contents.
pub const HIGHEST: u32 = 0x4000_0006;
/// The hypervisor-present bit, ECX of leaf 1.
pub const PRESENT_BIT: u32 = 1 << 31;

/// "Microsoft Hv" in EBX, ECX, EDX.
const SIGNATURE: [u32; 3] = [0x7263_694D, 0x666F_736F, 0x7648_2074];
/// "Hv#1": the interface of the TLFS.
const INTERFACE: u32 = 0x3123_7648;
/// "Hv#0": some other interface.
const NO_INTERFACE: u32 = 0x3023_7648;
/// A plausible version: 10.0, this build.
const BUILD: u32 = 26100;
const MAJOR: u32 = 10;

/// What the leaves say besides the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Highest number of processors of the partition.
    pub processors: u32,
    /// Bits of a guest physical address.
    pub physical_bits: u32,
}

/// EAX, EBX, ECX, EDX of a leaf of the range; zeros where nothing is offered.
///
/// # Source
/// TLFS "Feature and Interface Discovery"; measured values of WHP partitions for the feature words.
pub fn leaf(features: Features, limits: Limits, function: u32) -> [u32; 4] {
    if !features.contains(Features::HYPERVISOR_PRESENT) {
        return [0; 4];
    }
    let has_interface = features.contains(Features::HV1);
    match function {
        0x4000_0000 => {
            let highest = if has_interface { HIGHEST } else { FIRST + 1 };
            [highest, SIGNATURE[0], SIGNATURE[1], SIGNATURE[2]]
        }
        0x4000_0001 => [if has_interface { INTERFACE } else { NO_INTERFACE }, 0, 0, 0],
        _ if !has_interface => [0; 4],
        0x4000_0002 => [BUILD, MAJOR << 16, 0, 0],
        0x4000_0003 => {
            let privileges = features.privileges();
            [privileges as u32, (privileges >> 32) as u32, POWER_STATES, abilities(features)]
        }
        0x4000_0004 => {
            let never_notify = u32::MAX;
            let retries = if features.contains(Features::SPIN_WAIT) { SPIN_RETRIES } else { never_notify };
            [hints(features), retries, limits.physical_bits & 0x7F, 0]
        }
        0x4000_0005 => [limits.processors, limits.processors, 0, 0],
        _ => [0; 4],
    }
}

/// Deepest power state a processor may ask for.
const POWER_STATES: u32 = 2;
/// Rounds of a spin lock before the guest tells us.
const SPIN_RETRIES: u32 = 0xFFF;

/// EDX of leaf 0x40000003.
fn abilities(features: Features) -> u32 {
    const MAP: [(Features, u32); 10] = [
        (Features::HYPERCALL, 4),
        (Features::GUEST_IDLE, 5),
        (Features::NUMA_DISTANCE, 7),
        (Features::FREQUENCIES, 8),
        (Features::HV1, 10),
        (Features::EXTENDED_GVA_RANGES, 14),
        (Features::FAST_OUTPUT, 15),
        (Features::SYNIC, 17),
        (Features::HYPERCALL, 18),
        (Features::DIRECT_TIMERS, 19),
    ];
    features.mapped(&MAP) as u32
}

/// EAX of leaf 0x40000004.
fn hints(features: Features) -> u32 {
    const MAP: [(Features, u32); 8] = [
        (Features::TLB_FLUSH, 1),
        (Features::TLB_FLUSH, 2),
        (Features::APIC_REGISTERS, 3),
        // Relaxed timing: nobody promises that a processor runs all the time.
        (Features::HV1, 5),
        (Features::SYNIC, 9),
        (Features::CLUSTER_IPI, 10),
        (Features::EXTENDED_MASKS, 11),
        (Features::RESTORE_TIME, 20),
    ];
    features.mapped(&MAP) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { processors: 4, physical_bits: 39 };

    #[test]
    fn nothing_shows_without_the_present_bit() {
        for function in FIRST..=HIGHEST + 4 {
            assert_eq!(leaf(Features::HV1, LIMITS, function), [0; 4]);
        }
    }

    #[test]
    fn without_the_interface_two_leaves_exist() {
        let features = Features::HYPERVISOR_PRESENT;
        let [highest, a, b, c] = leaf(features, LIMITS, FIRST);
        assert_eq!(highest, 0x4000_0001);
        let text: Vec<u8> = [a, b, c].iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(text, b"Microsoft Hv");
        assert_ne!(leaf(features, LIMITS, FIRST + 1)[0], INTERFACE);
        assert_eq!(leaf(features, LIMITS, 0x4000_0003), [0; 4]);
    }

    #[test]
    fn the_interface_names_itself_and_its_limits() {
        let features = Features::IMPLEMENTED;
        assert_eq!(leaf(features, LIMITS, FIRST)[0], HIGHEST);
        assert_eq!(leaf(features, LIMITS, FIRST + 1)[0].to_le_bytes(), *b"Hv#1");
        assert_eq!(leaf(features, LIMITS, 0x4000_0004)[2], 39);
        assert_eq!(leaf(features, LIMITS, 0x4000_0005), [4, 4, 0, 0]);
        assert_eq!(leaf(features, LIMITS, 0x4000_0100), [0; 4]);
    }

    #[test]
    fn feature_words_are_those_measured_with_the_crash_registers_added() {
        let usual = Features::from_bits_retain(0x7F44_8FFF);
        let crash_registers = 1 << 10;
        let measured = [0xE7F, 0x0008_8020, 2, 0x000E_C1B0 | crash_registers];
        assert_eq!(leaf(usual, LIMITS, 0x4000_0003), measured);
    }

    #[test]
    fn hints_follow_their_features() {
        let base = Features::HYPERVISOR_PRESENT | Features::HV1;
        assert_eq!(leaf(base, LIMITS, 0x4000_0004), [1 << 5, u32::MAX, 39, 0]);
        let all = leaf(Features::IMPLEMENTED, LIMITS, 0x4000_0004);
        assert_eq!(all[0], 0x10_0E2E);
        assert_ne!(all[1], u32::MAX);
    }
}
