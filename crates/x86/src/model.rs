//! The processor model: what CPUID says, which features instructions may rely on, which bits exist.
//!
//! A model starts from the host's own CPUID (so that vendor, family and vector features match what the native
//! stubs execute), is masked down to what this crate implements, and gains what only software needs. The same
//! table answers the CPUID instruction and decides whether an instruction is defined.

use crate::state::cr4;
use crate::state::efer;
use iced_x86::CpuidFeature;
use iced_x86::Instruction;

/// Processor vendor: decides a few behaviours on which Intel and AMD differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// GenuineIntel.
    Intel,
    /// AuthenticAMD.
    Amd,
    /// HygonGenuine.
    Hygon,
}

/// How the partition emulates local APICs, as far as CPUID shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApicKind {
    /// None: CPUID shows no APIC.
    None,
    /// xAPIC only.
    XApic,
    /// xAPIC and x2APIC.
    X2Apic,
}

/// One CPUID output register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reg {
    /// EAX.
    Eax = 0,
    /// EBX.
    Ebx = 1,
    /// ECX.
    Ecx = 2,
    /// EDX.
    Edx = 3,
}

/// A CPUID result set by the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuidOverride {
    /// EAX input.
    pub function: u32,
    /// ECX input; `None` matches all.
    pub index: Option<u32>,
    /// EAX, EBX, ECX, EDX.
    pub output: [u32; 4],
    /// Bits of `output` that replace the default.
    pub mask: [u32; 4],
}

/// Static description of a processor, fixed at creation.
#[derive(Clone, Debug)]
pub struct CpuModel {
    /// Vendor.
    pub vendor: Vendor,
    /// MAXPHYADDR.
    pub phys_bits: u32,
    /// 1 GiB pages.
    pub has_1g: bool,
    /// XCR0 bits the guest may set.
    pub xcr0_mask: u64,
    /// IA32_XSS bits the guest may set.
    pub xss_mask: u64,
    /// Guest TSC frequency in Hz.
    pub tsc_hz: u64,
    /// Local APIC id (CPUID.1 EBX, leaf 0xB).
    pub apic_id: u32,
    /// Processors in the partition, for the topology leaves.
    pub processors: u32,
    /// APIC presence.
    pub apic: ApicKind,
    /// Result overrides, later ones win.
    pub overrides: Vec<CpuidOverride>,
    /// Feature words: CPUID 1.ECX, 1.EDX, 7.EBX, 7.ECX, 7.EDX, 7.1.EAX, 0x80000001.ECX, .EDX, 0xD.1.EAX, 0x80000008.EBX.
    words: [u32; WORDS],
    /// CPUID.1 EAX.
    signature: u32,
    /// Brand string, 48 bytes.
    brand: [u8; 48],
}

/// Indices into [`CpuModel`]'s feature words.
mod w {
    pub(super) const L1_ECX: usize = 0;
    pub(super) const L1_EDX: usize = 1;
    pub(super) const L7_EBX: usize = 2;
    pub(super) const L7_ECX: usize = 3;
    pub(super) const L7_EDX: usize = 4;
    pub(super) const L71_EAX: usize = 5;
    pub(super) const X1_ECX: usize = 6;
    pub(super) const X1_EDX: usize = 7;
    pub(super) const XD1_EAX: usize = 8;
    pub(super) const X8_EBX: usize = 9;
}
const WORDS: usize = 10;

const fn bits(list: &[u32]) -> u32 {
    let mut v = 0;
    let mut i = 0;
    while i < list.len() {
        v |= 1 << list[i];
        i += 1;
    }
    v
}

/// Features that need the host's unit (vector and the like): offered when the host has them.
const HOST: [u32; WORDS] = [
    // SSE3 PCLMUL SSSE3 FMA SSE4.1 SSE4.2 AES AVX F16C
    bits(&[0, 1, 9, 12, 19, 20, 25, 28, 29]),
    // FPU MMX SSE SSE2
    bits(&[0, 23, 25, 26]),
    // AVX2 AVX512: F DQ IFMA CD BW VL, SHA
    bits(&[5, 16, 17, 21, 28, 29, 30, 31]),
    // VBMI VBMI2 GFNI VAES VPCLMUL VNNI BITALG VPOPCNTDQ
    bits(&[1, 6, 8, 9, 10, 11, 12, 14]),
    // VP2INTERSECT
    bits(&[8]),
    // AVX_VNNI AVX512_BF16
    bits(&[4, 5]),
    // SSE4A
    bits(&[6]),
    // MMXEXT
    bits(&[22]),
    0,
    0,
];

/// Features this crate implements in software, whatever the host has.
const SOFT: [u32; WORDS] = [
    // CX16 PCID MOVBE POPCNT XSAVE RDRAND (x2APIC, TSC deadline and OSXSAVE depend on the partition)
    bits(&[13, 17, 22, 23, 26, 30]),
    // VME DE PSE TSC MSR PAE MCE CX8 SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH FXSR
    bits(&[1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 19, 24]),
    // FSGSBASE TSC_ADJUST BMI1 SMEP BMI2 ERMS INVPCID RDSEED ADX SMAP CLFLUSHOPT CLWB
    bits(&[0, 1, 3, 7, 8, 9, 10, 18, 19, 20, 23, 24]),
    // UMIP PKU LA57 RDPID
    bits(&[2, 3, 16, 22]),
    // FSRM
    bits(&[4]),
    0,
    // LAHF, LZCNT, PREFETCHW
    bits(&[0, 5, 8]),
    // SYSCALL NX, 1 GiB pages, RDTSCP, LM
    bits(&[11, 20, 26, 27, 29]),
    // XSAVEOPT XSAVEC XGETBV1 XSAVES
    bits(&[0, 1, 2, 3]),
    0,
];

/// Feature words that AMD repeats in 0x80000001 EDX from leaf 1 EDX.
const AMD_MIRROR: u32 = bits(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 23, 24]);

impl CpuModel {
    /// The host's processor, masked to what works here. `tsc_hz` is what the guest's TSC counts at.
    pub fn host(tsc_hz: u64) -> CpuModel {
        let h = crate::host::host_cpuid();
        let native = crate::vec::native_available();
        let mut words = [0; WORDS];
        for (n, word) in words.iter_mut().enumerate() {
            *word = if native { h.words[n] & HOST[n] } else { 0 } | SOFT[n];
        }
        let mut m = CpuModel {
            vendor: h.vendor,
            phys_bits: 46,
            has_1g: true,
            xcr0_mask: 0,
            xss_mask: 0,
            tsc_hz,
            apic_id: 0,
            processors: 1,
            apic: ApicKind::None,
            overrides: Vec::new(),
            words,
            signature: h.signature,
            brand: *b"OpenWHP software processor\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        };
        m.normalise();
        m
    }

    /// Removes features whose prerequisites are missing, and derives the masks.
    fn normalise(&mut self) {
        let has = |words: &[u32; WORDS], n: usize, b: u32| words[n] >> b & 1 != 0;
        if !has(&self.words, w::L1_ECX, 26) {
            // No XSAVE: no AVX state.
            self.words[w::L1_ECX] &= !bits(&[12, 28, 29]);
            self.words[w::XD1_EAX] = 0;
            self.words[w::L7_ECX] &= !bits(&[3]);
        }
        if !has(&self.words, w::L1_ECX, 28) {
            self.words[w::L1_ECX] &= !bits(&[12, 29]);
            self.words[w::L7_EBX] &= !bits(&[5, 16, 17, 21, 28, 30, 31]);
            self.words[w::L7_ECX] &= !bits(&[1, 6, 9, 10, 11, 12, 14]);
            self.words[w::L71_EAX] &= !bits(&[4, 5]);
            self.words[w::L7_EDX] &= !bits(&[8]);
        }
        if !has(&self.words, w::L7_EBX, 16) {
            self.words[w::L7_EBX] &= !bits(&[17, 21, 28, 30, 31]);
            self.words[w::L7_ECX] &= !bits(&[1, 6, 11, 12, 14]);
            self.words[w::L71_EAX] &= !bits(&[5]);
            self.words[w::L7_EDX] &= !bits(&[8]);
        }
        let mut x = 1;
        if has(&self.words, w::L1_EDX, 25) {
            x |= 2;
        }
        if has(&self.words, w::L1_ECX, 28) {
            x |= 4;
        }
        if has(&self.words, w::L7_EBX, 16) {
            x |= 0xe0;
        }
        if has(&self.words, w::L7_ECX, 3) {
            x |= 0x200;
        }
        self.xcr0_mask = if has(&self.words, w::L1_ECX, 26) { x } else { 0 };
        self.has_1g = has(&self.words, w::X1_EDX, 26);
    }

    /// AMD or Hygon behaviour where vendors differ.
    #[inline]
    pub fn is_amd(&self) -> bool {
        self.vendor != Vendor::Intel
    }

    /// CPUID.1:EAX.
    pub fn signature(&self) -> u32 {
        self.signature
    }

    /// Turns a feature bit off (leaf, sub-leaf, register, bit): CPUID and behaviour follow.
    pub fn disable(&mut self, leaf: u32, sub: u32, reg: Reg, bit: u32) {
        if let Some(n) = word_index(leaf, sub, reg) {
            self.words[n] &= !(1 << bit);
            self.normalise();
        }
    }

    /// Whether a feature bit is offered.
    pub fn has(&self, leaf: u32, sub: u32, reg: Reg, bit: u32) -> bool {
        word_index(leaf, sub, reg).is_some_and(|n| self.words[n] >> bit & 1 != 0)
    }

    /// XSAVES is offered.
    pub fn has_xsaves(&self) -> bool {
        self.words[w::XD1_EAX] & 8 != 0
    }

    /// CR4 bits that may be set.
    pub fn cr4_mask(&self) -> u64 {
        let mut m =
            cr4::TSD | cr4::PVI | cr4::VME | cr4::DE | cr4::PSE | cr4::PAE | cr4::MCE | cr4::PGE | cr4::PCE;
        m |= cr4::OSFXSR | cr4::OSXMMEXCPT;
        let mut add = |n: usize, b: u32, c: u64| {
            if self.words[n] >> b & 1 != 0 {
                m |= c;
            }
        };
        add(w::L7_ECX, 2, cr4::UMIP);
        add(w::L7_ECX, 16, cr4::LA57);
        add(w::L7_EBX, 0, cr4::FSGSBASE);
        add(w::L1_ECX, 17, cr4::PCIDE);
        add(w::L1_ECX, 26, cr4::OSXSAVE);
        add(w::L7_EBX, 7, cr4::SMEP);
        add(w::L7_EBX, 20, cr4::SMAP);
        add(w::L7_ECX, 3, cr4::PKE);
        m
    }

    /// EFER bits that may be set.
    pub fn efer_mask(&self) -> u64 {
        efer::SCE | efer::LME | efer::NXE
    }

    /// Whether XSETBV accepts a value (Intel SDM 1 "XSETBV").
    pub fn xcr0_valid(&self, v: u64) -> bool {
        let avx512 = v & 0xe0;
        v & 1 != 0
            && v & !self.xcr0_mask == 0
            && (v & 4 == 0 || v & 2 != 0)
            && (avx512 == 0 || (avx512 == 0xe0 && v & 4 != 0))
    }

    /// IA32_ARCH_CAPABILITIES: none of the speculative-execution flaws exist in software.
    pub fn arch_capabilities(&self) -> u64 {
        // RDCL_NO, RSBA off, SKIP_L1DFL, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO, SBDR/FBSDP/PSDP_NO, BHI_NO, GDS_NO, RFDS_NO.
        0x1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 7 << 13 | 1 << 20 | 1 << 26 | 1 << 27
    }

    /// Whether the model offers the features an instruction needs.
    pub fn allows(&self, i: &Instruction) -> bool {
        use iced_x86::Mnemonic::*;
        // Encodings in the hint space are no-operations where their feature is missing.
        if matches!(
            i.mnemonic(),
            Cldemote
                | Endbr32
                | Endbr64
                | Rdsspd
                | Rdsspq
                | Prefetch
                | Prefetchw
                | Prefetchwt1
                | Prefetchit0
                | Prefetchit1
                | Pause
        ) {
            return true;
        }
        i.cpuid_features().iter().all(|&f| match feature_bit(f) {
            Some((n, b)) => self.words[n] >> b & 1 != 0,
            None => true,
        })
    }

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
                if apic {
                    ecx |= 1 << 24;
                    if d.apic_enabled {
                        edx |= 1 << 9;
                    }
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
            6 => [1 << 2, 0, 0, 0],
            7 => match sub {
                0 => {
                    let mut ecx = wd[w::L7_ECX];
                    if d.cr4 & cr4::PKE != 0 {
                        ecx |= 1 << 4;
                    }
                    let edx = wd[w::L7_EDX] | if amd { 0 } else { 1 << 29 };
                    [1, wd[w::L7_EBX], ecx, edx]
                }
                1 => [wd[w::L71_EAX], 0, 0, 0],
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
            0x15 if !amd && self.tsc_hz != 0 => [1, (self.tsc_hz / 25_000_000) as u32, 25_000_000, 0],
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
            // Invariant TSC.
            0x8000_0007 => [0, 0, 0, 1 << 8],
            0x8000_0008 => {
                let lin = if wd[w::L7_ECX] >> 16 & 1 != 0 { 57 } else { 48 };
                let ecx = if amd {
                    self.processors.next_power_of_two().trailing_zeros() << 12 | (self.processors - 1) & 0xff
                } else {
                    0
                };
                [self.phys_bits | lin << 8, wd[w::X8_EBX], ecx, 0]
            }
            0x8000_001d if amd => match sub {
                0 => [0x121, 7 << 22 | 63, 63, 0],
                1 => [0x122, 7 << 22 | 63, 63, 0],
                2 => [0x143, 7 << 22 | 63, 1023, 2],
                3 => [0x163 | (self.processors - 1).min(0xfff) << 14, 15 << 22 | 63, 32767, 1],
                _ => [0; 4],
            },
            0x8000_001e if amd => [self.apic_id, self.apic_id & 0xff, 0, 0],
            // Flaws this processor cannot have: SRSO_NO; TSA_SQ_NO, TSA_L1_NO. LFENCE is always serialising; null
            // selectors clear the base.
            0x8000_0021 if amd => [1 << 2 | 1 << 6 | 1 << 29, 0, 1 << 1 | 1 << 2, 0],
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
pub(crate) fn xsave_size(mask: u64) -> u32 {
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

/// Word that holds a CPUID feature register.
fn word_index(leaf: u32, sub: u32, reg: Reg) -> Option<usize> {
    Some(match (leaf, sub, reg) {
        (1, _, Reg::Ecx) => w::L1_ECX,
        (1, _, Reg::Edx) => w::L1_EDX,
        (7, 0, Reg::Ebx) => w::L7_EBX,
        (7, 0, Reg::Ecx) => w::L7_ECX,
        (7, 0, Reg::Edx) => w::L7_EDX,
        (7, 1, Reg::Eax) => w::L71_EAX,
        (0x8000_0001, _, Reg::Ecx) => w::X1_ECX,
        (0x8000_0001, _, Reg::Edx) => w::X1_EDX,
        (0xd, 1, Reg::Eax) => w::XD1_EAX,
        (0x8000_0008, _, Reg::Ebx) => w::X8_EBX,
        _ => return None,
    })
}

/// Feature bit that gates an instruction-set extension, as (word, bit).
fn feature_bit(f: CpuidFeature) -> Option<(usize, u32)> {
    use CpuidFeature as F;
    Some(match f {
        F::FPU | F::FPU287 | F::FPU387 => (w::L1_EDX, 0),
        F::MMX => (w::L1_EDX, 23),
        F::SSE => (w::L1_EDX, 25),
        F::SSE2 => (w::L1_EDX, 26),
        F::SSE3 => (w::L1_ECX, 0),
        F::PCLMULQDQ => (w::L1_ECX, 1),
        F::SSSE3 => (w::L1_ECX, 9),
        F::FMA => (w::L1_ECX, 12),
        F::CMPXCHG16B => (w::L1_ECX, 13),
        F::SSE4_1 => (w::L1_ECX, 19),
        F::SSE4_2 => (w::L1_ECX, 20),
        F::MOVBE => (w::L1_ECX, 22),
        F::POPCNT => (w::L1_ECX, 23),
        F::AES => (w::L1_ECX, 25),
        F::XSAVE => (w::L1_ECX, 26),
        F::AVX => (w::L1_ECX, 28),
        F::F16C => (w::L1_ECX, 29),
        F::RDRAND => (w::L1_ECX, 30),
        F::CLFSH => (w::L1_EDX, 19),
        F::CMOV => (w::L1_EDX, 15),
        F::CX8 => (w::L1_EDX, 8),
        F::TSC => (w::L1_EDX, 4),
        F::FXSR => (w::L1_EDX, 24),
        F::FSGSBASE => (w::L7_EBX, 0),
        F::BMI1 => (w::L7_EBX, 3),
        F::AVX2 => (w::L7_EBX, 5),
        F::BMI2 => (w::L7_EBX, 8),
        F::INVPCID => (w::L7_EBX, 10),
        F::RTM => (w::L7_EBX, 11),
        F::MPX => (w::L7_EBX, 14),
        F::AVX512F => (w::L7_EBX, 16),
        F::AVX512DQ => (w::L7_EBX, 17),
        F::RDSEED => (w::L7_EBX, 18),
        F::ADX => (w::L7_EBX, 19),
        F::SMAP => (w::L7_EBX, 20),
        F::AVX512_IFMA => (w::L7_EBX, 21),
        F::CLFLUSHOPT => (w::L7_EBX, 23),
        F::CLWB => (w::L7_EBX, 24),
        F::AVX512PF => (w::L7_EBX, 26),
        F::AVX512ER => (w::L7_EBX, 27),
        F::AVX512CD => (w::L7_EBX, 28),
        F::SHA => (w::L7_EBX, 29),
        F::AVX512BW => (w::L7_EBX, 30),
        F::AVX512VL => (w::L7_EBX, 31),
        F::AVX512_VBMI => (w::L7_ECX, 1),
        F::PKU => (w::L7_ECX, 3),
        F::WAITPKG => (w::L7_ECX, 5),
        F::AVX512_VBMI2 => (w::L7_ECX, 6),
        F::GFNI => (w::L7_ECX, 8),
        F::VAES => (w::L7_ECX, 9),
        F::VPCLMULQDQ => (w::L7_ECX, 10),
        F::AVX512_VNNI => (w::L7_ECX, 11),
        F::AVX512_BITALG => (w::L7_ECX, 12),
        F::AVX512_VPOPCNTDQ => (w::L7_ECX, 14),
        F::RDPID => (w::L7_ECX, 22),
        F::CLDEMOTE => (w::L7_ECX, 25),
        F::MOVDIRI => (w::L7_ECX, 27),
        F::MOVDIR64B => (w::L7_ECX, 28),
        F::ENQCMD => (w::L7_ECX, 29),
        F::AVX512_4VNNIW => (w::L7_EDX, 2),
        F::AVX512_4FMAPS => (w::L7_EDX, 3),
        F::AVX512_VP2INTERSECT => (w::L7_EDX, 8),
        F::AVX512_FP16 => (w::L7_EDX, 23),
        F::AVX_VNNI => (w::L71_EAX, 4),
        F::AVX512_BF16 => (w::L71_EAX, 5),
        F::AVX_IFMA => (w::L71_EAX, 23),
        F::LZCNT => (w::X1_ECX, 5),
        F::SSE4A => (w::X1_ECX, 6),
        F::PREFETCHW => (w::X1_ECX, 8),
        F::XOP => (w::X1_ECX, 11),
        F::LWP => (w::X1_ECX, 15),
        F::FMA4 => (w::X1_ECX, 16),
        F::TBM => (w::X1_ECX, 21),
        F::MONITORX => (w::X1_ECX, 29),
        F::MONITOR => (w::L1_ECX, 3),
        F::RDTSCP => (w::X1_EDX, 27),
        F::D3NOWEXT => (w::X1_EDX, 30),
        F::D3NOW => (w::X1_EDX, 31),
        F::XSAVEOPT => (w::XD1_EAX, 0),
        F::XSAVEC => (w::XD1_EAX, 1),
        F::XSAVES => (w::XD1_EAX, 3),
        F::CLZERO => (w::X8_EBX, 0),
        F::WBNOINVD => (w::X8_EBX, 9),
        _ => return None,
    })
}
