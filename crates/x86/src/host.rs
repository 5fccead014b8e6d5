//! What the host processor is, read once.

use crate::model::ARCH_CAPABILITIES;
use crate::model::PLACES;
use crate::model::Vendor;
use crate::model::WORDS;
use std::sync::OnceLock;

/// Host facts that the processor model starts from.
#[derive(Clone, Debug)]
pub(crate) struct HostCpuid {
    pub(crate) vendor: Vendor,
    /// CPUID.1 EAX.
    pub(crate) signature: u32,
    /// Feature words in the order of the model; only bits whose state the host's operating system has enabled.
    pub(crate) words: [u32; WORDS],
}

/// The host's words; on hosts that are not x86-64 nothing can run natively and all words are zero.
pub(crate) fn host_cpuid() -> &'static HostCpuid {
    static HOST: OnceLock<HostCpuid> = OnceLock::new();
    HOST.get_or_init(read)
}

#[cfg(target_arch = "x86_64")]
fn read() -> HostCpuid {
    use std::arch::x86_64::__cpuid_count;
    let at = |leaf: u32, sub: u32| {
        let max = __cpuid_count(leaf & 0x8000_0000, 0).eax;
        if leaf > max {
            return [0; 4];
        }
        let r = __cpuid_count(leaf, sub);
        [r.eax, r.ebx, r.ecx, r.edx]
    };
    let name = at(0, 0);
    let vendor = match (name[1], name[3], name[2]) {
        (0x756e_6547, 0x4965_6e69, 0x6c65_746e) => Vendor::Intel,
        (0x6f67_7948, 0x6e65_476e, 0x656e_6975) => Vendor::Hygon,
        _ => Vendor::Amd,
    };
    let l1 = at(1, 0);
    let max_sub = at(7, 0)[0];
    let mut words = PLACES.map(|(leaf, sub, reg)| match leaf {
        // Not CPUID at all, or a sub-leaf that does not exist.
        ARCH_CAPABILITIES => 0,
        7 if sub > max_sub => 0,
        _ => at(leaf, sub)[reg as usize],
    });
    // A feature whose register state the host OS does not save cannot be used.
    if !std::is_x86_feature_detected!("avx") {
        words[0] &= !(1 << 28 | 1 << 12 | 1 << 29);
    }
    if !std::is_x86_feature_detected!("avx512f") {
        words[2] &= !(1 << 16);
    }
    HostCpuid { vendor, signature: l1[0], words }
}

#[cfg(not(target_arch = "x86_64"))]
fn read() -> HostCpuid {
    HostCpuid { vendor: Vendor::Amd, signature: 0x0080_0f11, words: [0; WORDS] }
}
