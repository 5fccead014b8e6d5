//! What CPUID answers.

use super::ApicKind;
use super::CpuModel;
use super::Vendor;
use super::table::w;
use crate::state::cr4;

/// Feature words that AMD repeats in 0x80000001 EDX from leaf 1 EDX.
const AMD_MIRROR: u32 = 0x0183_f3ff;

impl CpuModel {
    /// Default CPUID output (overrides applied), with the parts that follow processor state given by the caller.
    pub fn leaf(&self, leaf: u32, sub: u32, dynamic: &Dynamic) -> [u32; 4] {
        let mut r = self.default_leaf(leaf, sub, dynamic);
        for o in &self.overrides {
            if o.function == leaf && o.index.is_none_or(|i| i == sub) {
                for ((v, mask), output) in r.iter_mut().zip(o.mask).zip(o.output) {
                    *v = *v & !mask | output & mask;
                }
            }
        }
        r
    }

    fn default_leaf(&self, leaf: u32, sub: u32, d: &Dynamic) -> [u32; 4] {
        let amd = self.is_amd();
        let max_basic = if amd { 0xd } else { 0x1f };
        let max_ext = if amd { 0x8000_0021 } else { 0x8000_0008 };
        let leaf = match leaf {
            // Intel answers unknown leaves with the highest basic one.
            0x4000_0000..=0x4fff_ffff => return [0; 4],
            l if l < 0x4000_0000 && l > max_basic => {
                if amd {
                    return [0; 4];
                }
                max_basic
            }
            l if l > max_ext => return [0; 4],
            l => l,
        };
        let name: [u32; 3] = match self.vendor {
            Vendor::Intel => words12(b"GenuineIntel"),
            Vendor::Amd => words12(b"AuthenticAMD"),
            Vendor::Hygon => words12(b"HygonGenuine"),
        };
        let apic = self.apic != ApicKind::None;
        let wd = &self.words;
        match leaf {
            0 => [max_basic, name[0], name[2], name[1]],
            1 => {
                let mut ecx = wd[w::L1_ECX];
                let mut edx = wd[w::L1_EDX];
                if !apic {
                    // The deadline timer is part of the local APIC.
                    ecx &= !(1 << 24);
                } else if d.apic_enabled {
                    edx |= 1 << 9;
                }
                if self.apic == ApicKind::X2Apic {
                    ecx |= 1 << 21;
                }
                if d.cr4 & cr4::OSXSAVE != 0 {
                    ecx |= 1 << 27;
                }
                if self.processors > 1 {
                    edx |= 1 << 28;
                }
                let count = self.processors.next_power_of_two().min(128);
                [self.signature, (self.apic_id & 0xff) << 24 | count << 16 | 8 << 8, ecx, edx]
            }
            2 if !amd => [0x00fe_ff01, 0, 0, 0],
            4 if !amd => {
                let share = (self.processors.next_power_of_two() - 1).min(0xfff);
                let cores = (self.processors.next_power_of_two() - 1).min(63);
                match sub {
                    0 => [0x121 | cores << 26, 11 << 22 | 63, 63, 0],
                    1 => [0x122 | cores << 26, 7 << 22 | 63, 63, 0],
                    2 => [0x143 | cores << 26, 15 << 22 | 63, 2047, 0],
                    3 => [0x163 | share << 14 | cores << 26, 15 << 22 | 63, 32767, 4],
                    _ => [0; 4],
                }
            }
            6 => [1 << 2, 0, wd[w::L6_ECX], 0],
            7 => match sub {
                0 => {
                    let mut ecx = wd[w::L7_ECX];
                    if d.cr4 & cr4::PKE != 0 {
                        ecx |= 1 << 4;
                    }
                    [2, wd[w::L7_EBX], ecx, wd[w::L7_EDX] | self.intel_speculation().0]
                }
                1 => [wd[w::L71_EAX], 0, 0, wd[w::L71_EDX]],
                2 => [0, 0, 0, wd[w::L72_EDX] | self.intel_speculation().1],
                _ => [0; 4],
            },
            0xb | 0x1f => {
                let shift = self.processors.next_power_of_two().trailing_zeros();
                match sub {
                    0 => [0, 1, 0x100, self.apic_id],
                    1 => [shift, self.processors & 0xffff, 0x201, self.apic_id],
                    _ => [0, 0, sub & 0xff, self.apic_id],
                }
            }
            0xd if self.xcr0_mask != 0 => self.xsave_leaf(sub, d),
            0x15 if !amd => self.clock_leaf(),
            0x16 if !amd => {
                let mhz = (self.tsc_hz / 1_000_000) as u32 & 0xffff;
                [mhz, mhz, 100, 0]
            }
            0x8000_0000 => {
                if amd {
                    [max_ext, name[0], name[2], name[1]]
                } else {
                    [max_ext, 0, 0, 0]
                }
            }
            0x8000_0001 => {
                let mut ecx = wd[w::X1_ECX];
                let mut edx = wd[w::X1_EDX];
                if amd {
                    edx |= wd[w::L1_EDX] & AMD_MIRROR;
                    if apic && d.apic_enabled {
                        edx |= 1 << 9;
                    }
                    if self.processors > 1 {
                        ecx |= 2;
                    }
                    ecx |= 1 << 22;
                    [self.signature, 0, ecx, edx]
                } else {
                    // SYSCALL shows in 64-bit mode only.
                    if !d.long {
                        edx &= !(1 << 11);
                    }
                    [0, 0, ecx & !(1 << 6), edx & !(1 << 22)]
                }
            }
            0x8000_0002..=0x8000_0004 => {
                let at = (leaf - 0x8000_0002) as usize * 16;
                let mut r = [0; 4];
                for (n, v) in r.iter_mut().enumerate() {
                    let b = &self.brand[at + n * 4..at + n * 4 + 4];
                    *v = u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
                }
                r
            }
            0x8000_0005 if amd => [0xff48_ff40, 0xff48_ff40, 0x2008_0140, 0x2008_0140],
            0x8000_0006 if amd => [0x5c00_2200, 0x6c00_4200, 0x0400_8140, 0x0080_9140],
            0x8000_0006 => [0, 0, 0x0800_7040, 0],
            0x8000_0007 => [0, 0, 0, wd[w::X7_EDX]],
            0x8000_0008 => {
                let lin = if wd[w::L7_ECX] >> 16 & 1 != 0 { 57 } else { 48 };
                let ecx = if amd {
                    self.processors.next_power_of_two().trailing_zeros() << 12 | (self.processors - 1) & 0xff
                } else {
                    0
                };
                // RDPRU reads registers 0 and 1.
                let edx = if wd[w::X8_EBX] & 1 << 4 != 0 { 1 << 16 } else { 0 };
                [self.phys_bits | lin << 8, self.extended_features(), ecx, edx]
            }
            0x8000_001d if amd => match sub {
                0 => [0x121, 7 << 22 | 63, 63, 0],
                1 => [0x122, 7 << 22 | 63, 63, 0],
                2 => [0x143, 7 << 22 | 63, 1023, 2],
                3 => [0x163 | (self.processors - 1).min(0xfff) << 14, 15 << 22 | 63, 32767, 1],
                _ => [0; 4],
            },
            0x8000_001e if amd => [self.apic_id, self.apic_id & 0xff, 0, 0],
            // LFENCE is always serialising; null selectors clear the base; TSA_SQ_NO, TSA_L1_NO.
            0x8000_0021 if amd => [wd[w::X21_EAX] | 1 << 2 | 1 << 6, 0, 1 << 1 | 1 << 2, 0],
            _ => [0; 4],
        }
    }

    /// Speculation controls in Intel's places: EDX of leaves 7.0 and 7.2.
    fn intel_speculation(&self) -> (u32, u32) {
        if self.is_amd() {
            return (0, 0);
        }
        let word = self.words[w::X8_EBX];
        let bit = |from: u32, to: u32| (word >> from & 1) << to;
        let both = bit(12, 26) & bit(14, 26);
        (both | bit(15, 27) | bit(24, 31) | 1 << 29, bit(28, 0))
    }

    /// Leaf 0x80000008 EBX. Intel's has no speculation controls; but IBRS and IBPB, which share a bit there, are shown
    /// here when there is only one of them.
    fn extended_features(&self) -> u32 {
        let word = self.words[w::X8_EBX];
        if self.is_amd() {
            return word;
        }
        let pair = word & (1 << 12 | 1 << 14);
        word & 1 << 9 | if pair.count_ones() == 1 { pair } else { 0 }
    }

    /// Leaf 0x15: the crystal clock, which drives the APIC timer, and the ratio of the TSC to it.
    fn clock_leaf(&self) -> [u32; 4] {
        if self.tsc_hz == 0 || self.apic_hz == 0 {
            return [0; 4];
        }
        let (mut a, mut b) = (self.tsc_hz, self.apic_hz);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let (tsc, apic) = (self.tsc_hz / a, self.apic_hz / a);
        let crystal = u32::try_from(self.apic_hz).unwrap_or(0);
        match (u32::try_from(apic), u32::try_from(tsc)) {
            (Ok(apic), Ok(tsc)) => [apic, tsc, crystal, 0],
            _ => [0; 4],
        }
    }
}

/// Offset (standard format) and size of an XSAVE component.
pub fn xsave_component(n: u32) -> Option<(u32, u32)> {
    Some(match n {
        0 => (0, 160),
        1 => (160, 256),
        2 => (576, 256),
        5 => (832, 64),
        6 => (896, 512),
        7 => (1408, 1024),
        9 => (2432, 8),
        _ => return None,
    })
}

/// Bytes of a standard-format image with these components.
fn xsave_size(mask: u64) -> u32 {
    (2..64)
        .filter(|n| mask >> n & 1 != 0)
        .filter_map(xsave_component)
        .map(|(o, s)| o + s)
        .max()
        .unwrap_or(576)
}

/// Bytes of a compacted image with these components.
pub fn xsave_compact_size(mask: u64) -> u32 {
    576 + (2..64).filter(|n| mask >> n & 1 != 0).filter_map(xsave_component).map(|(_, s)| s).sum::<u32>()
}

impl CpuModel {
    /// CPUID leaf 0xD.
    fn xsave_leaf(&self, sub: u32, d: &Dynamic) -> [u32; 4] {
        match sub {
            0 => [
                self.xcr0_mask as u32,
                xsave_size(d.xcr0),
                xsave_size(self.xcr0_mask),
                (self.xcr0_mask >> 32) as u32,
            ],
            1 => {
                let size =
                    if self.words[w::XD1_EAX] & 0xa != 0 { xsave_compact_size(d.xcr0 | d.xss) } else { 0 };
                [self.words[w::XD1_EAX], size, self.xss_mask as u32, (self.xss_mask >> 32) as u32]
            }
            n if n < 63 && self.xcr0_mask >> n & 1 != 0 => match xsave_component(n) {
                Some((o, s)) => [s, o, 0, 0],
                None => [0; 4],
            },
            _ => [0; 4],
        }
    }
}

/// Processor state that CPUID shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dynamic {
    /// CR4.
    pub cr4: u64,
    /// XCR0.
    pub xcr0: u64,
    /// IA32_XSS.
    pub xss: u64,
    /// 64-bit code is running.
    pub long: bool,
    /// IA32_APIC_BASE.EN.
    pub apic_enabled: bool,
}

fn words12(s: &[u8; 12]) -> [u32; 3] {
    let at = |n: usize| u32::from_le_bytes([s[n], s[n + 1], s[n + 2], s[n + 3]]);
    [at(0), at(4), at(8)]
}
