//! The processor model: what CPUID says, which features instructions may rely on, which bits exist.
//!
//! A model starts from the host's own CPUID (so that vendor, family and vector features match what the native
//! stubs execute), is masked down to what this crate implements, and gains what only software needs. The same
//! table answers the CPUID instruction and decides whether an instruction is defined.

mod leaves;
mod table;

use crate::state::cr4;
use iced_x86::DecoderOptions;
use iced_x86::Instruction;
use table::w;

pub use leaves::Dynamic;
pub use leaves::xsave_compact_size;
pub use leaves::xsave_component;
pub use table::ARCH_CAPABILITIES;
pub use table::FEATURES;
pub use table::Feature;
pub use table::Gate;
pub use table::Origin;
pub(crate) use table::PLACES;
pub(crate) use table::PRED_CMD;
pub(crate) use table::SPEC_CTRL;
pub(crate) use table::WORDS;

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
    /// Rate of the APIC timer before division in Hz: the crystal clock of leaf 0x15.
    pub apic_hz: u64,
    /// Local APIC id (CPUID.1 EBX, leaf 0xB).
    pub apic_id: u32,
    /// Processors in the partition, for the topology leaves.
    pub processors: u32,
    /// APIC presence.
    pub apic: ApicKind,
    /// Result overrides, later ones win.
    pub overrides: Vec<CpuidOverride>,
    /// Feature words, as [`table::PLACES`] orders them.
    words: [u32; WORDS],
    /// CR4 bits the guest may set.
    cr4_mask: u64,
    /// EFER bits the guest may set.
    efer_mask: u64,
    /// CPUID.1 EAX.
    signature: u32,
    /// Brand string, 48 bytes.
    brand: [u8; 48],
}

impl CpuModel {
    /// The host's processor, masked to what works here. `tsc_hz` is what the guest's TSC counts at.
    pub fn host(tsc_hz: u64) -> CpuModel {
        CpuModel::host_as(crate::host::host_cpuid().vendor, tsc_hz)
    }

    /// The host's processor under the name and with the habits of `vendor`.
    pub fn host_as(vendor: Vendor, tsc_hz: u64) -> CpuModel {
        let h = crate::host::host_cpuid();
        let native = crate::vec::native_available();
        let mut words = *table::software(vendor);
        if native {
            for (word, (host, mask)) in words.iter_mut().zip(h.words.iter().zip(table::HOST)) {
                *word |= host & mask;
            }
        }
        let mut m = CpuModel {
            vendor,
            phys_bits: 46,
            has_1g: true,
            xcr0_mask: 0,
            xss_mask: 0,
            tsc_hz,
            apic_hz: 200_000_000,
            apic_id: 0,
            processors: 1,
            apic: ApicKind::None,
            overrides: Vec::new(),
            words,
            cr4_mask: 0,
            efer_mask: 0,
            signature: h.signature,
            brand: *b"OpenWHP software processor\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        };
        m.normalise();
        m
    }

    fn has_row(&self, row: &Feature) -> bool {
        self.words[row.word] >> row.bit & 1 != 0
    }

    /// Removes features whose prerequisites are missing, and derives the masks.
    fn normalise(&mut self) {
        self.xcr0_mask = 3;
        self.cr4_mask = cr4::PCE;
        self.efer_mask = 0;
        for row in FEATURES {
            if let Some((word, bit)) = row.under
                && self.words[word] >> bit & 1 == 0
            {
                self.words[row.word] &= !(1 << row.bit);
            }
            if !self.has_row(row) {
                continue;
            }
            for gate in row.gates {
                match *gate {
                    Gate::Cr4(bits) => self.cr4_mask |= bits,
                    Gate::Efer(bits) => self.efer_mask |= bits,
                    Gate::Xcr0(bits) => self.xcr0_mask |= bits,
                    Gate::Instructions(_) | Gate::Msr(_) | Gate::MsrBits(..) | Gate::Rule(_) => {}
                }
            }
        }
        if self.words[w::L1_EDX] >> 25 & 1 == 0 {
            self.xcr0_mask &= !2;
        }
        if self.words[w::L1_ECX] >> 26 & 1 == 0 {
            self.xcr0_mask = 0;
        }
        self.has_1g = self.words[w::X1_EDX] >> 26 & 1 != 0;
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
    ///
    /// Speculation controls are found in the places AMD gives them (leaf 0x80000008 EBX), on every processor.
    pub fn has(&self, leaf: u32, sub: u32, reg: Reg, bit: u32) -> bool {
        word_index(leaf, sub, reg).is_some_and(|n| self.words[n] >> bit & 1 != 0)
    }

    /// XSAVES is offered.
    pub fn has_xsaves(&self) -> bool {
        self.words[w::XD1_EAX] & 8 != 0
    }

    /// XSAVEC is offered: images may be compacted.
    pub(crate) fn has_xsavec(&self) -> bool {
        self.words[w::XD1_EAX] & 0xa != 0
    }

    /// XGETBV with ECX = 1 is offered.
    pub(crate) fn has_xgetbv1(&self) -> bool {
        self.words[w::XD1_EAX] & 4 != 0
    }

    /// TSC_AUX exists: RDTSCP or RDPID reads it.
    pub fn has_tsc_aux(&self) -> bool {
        self.words[w::X1_EDX] >> 27 & 1 != 0 || self.words[w::L7_ECX] >> 22 & 1 != 0
    }

    /// CR4 bits that may be set.
    #[inline]
    pub fn cr4_mask(&self) -> u64 {
        self.cr4_mask
    }

    /// EFER bits that may be set.
    #[inline]
    pub fn efer_mask(&self) -> u64 {
        self.efer_mask
    }

    /// Whether a model-specific register that belongs to a feature exists. True for those that belong to none.
    pub fn has_msr(&self, index: u32) -> bool {
        let (mut is_named, mut is_there) = (false, false);
        for row in FEATURES {
            for gate in row.gates {
                if matches!(*gate, Gate::Msr(m) | Gate::MsrBits(m, _) if m == index) {
                    is_named = true;
                    is_there |= self.has_row(row);
                }
            }
        }
        is_there || !is_named
    }

    /// Bits of a model-specific register that its features define.
    pub fn msr_bits(&self, index: u32) -> u64 {
        let mut bits = 0;
        for row in FEATURES.iter().filter(|row| self.has_row(row)) {
            for gate in row.gates {
                match *gate {
                    Gate::MsrBits(m, b) if m == index => bits |= b,
                    _ => {}
                }
            }
        }
        bits
    }

    /// How the decoder must read encodings whose meaning a missing feature changes.
    pub(crate) fn decoder_options(&self) -> u32 {
        let mut options = DecoderOptions::NONE;
        let mut without = |word: usize, bit: u32, option: u32| {
            if self.words[word] >> bit & 1 == 0 {
                options |= option;
            }
        };
        without(w::L7_EBX, 3, DecoderOptions::NO_MPFX_0FBC);
        without(w::X1_ECX, 5, DecoderOptions::NO_MPFX_0FBD);
        without(w::X1_ECX, 0, DecoderOptions::NO_LAHF_SAHF_64);
        without(w::X8_EBX, 9, DecoderOptions::NO_WBNOINVD);
        options
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
        // Flaws without a feature bit of their own: SKIP_L1DFL, PSCHANGE_MC_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO, ITS_NO.
        let always = 1 << 3 | 1 << 6 | 1 << 20 | 1 << 24 | 1 << 26 | 1 << 27 | 1 << 62;
        u64::from(self.words[w::ARCH] ^ 1 << 2) | always
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
        let is_there = |group| table::of_instructions(group).is_none_or(|(n, b)| self.words[n] >> b & 1 != 0);
        i.cpuid_features().iter().all(|&group| is_there(group))
    }
}

/// Word that holds a CPUID feature register.
fn word_index(leaf: u32, sub: u32, reg: Reg) -> Option<usize> {
    let is_place = |place: &(u32, u32, Reg)| *place == (leaf, sub, reg);
    table::PLACES.iter().position(is_place)
}

#[cfg(test)]
mod tests;
