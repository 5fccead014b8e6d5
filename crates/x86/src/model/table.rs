//! The feature table: one row per feature bit, from which CPUID's words, the instructions that exist, the control
//! register bits that may be set and the model-specific registers that answer all follow.

use super::Reg;
use super::Vendor;
use crate::state::cr4;
use crate::state::efer;
use iced_x86::CpuidFeature;
use iced_x86::CpuidFeature as F;

/// Pseudo leaf under which [`super::CpuModel::has`] and [`super::CpuModel::disable`] find the bits of
/// IA32_ARCH_CAPABILITIES (register EAX).
///
/// Bit 2 is the feature "no RSB alternate", which the register shows inverted (RSBA).
pub const ARCH_CAPABILITIES: u32 = 0xffff_010a;

/// Where the feature words are found: CPUID leaf, sub-leaf and register.
pub(crate) const PLACES: [(u32, u32, Reg); WORDS] = [
    (1, 0, Reg::Ecx),
    (1, 0, Reg::Edx),
    (7, 0, Reg::Ebx),
    (7, 0, Reg::Ecx),
    (7, 0, Reg::Edx),
    (7, 1, Reg::Eax),
    (7, 1, Reg::Edx),
    (0x8000_0001, 0, Reg::Ecx),
    (0x8000_0001, 0, Reg::Edx),
    (0xd, 1, Reg::Eax),
    (0x8000_0008, 0, Reg::Ebx),
    (0x8000_0021, 0, Reg::Eax),
    (6, 0, Reg::Ecx),
    (0x8000_0007, 0, Reg::Edx),
    (ARCH_CAPABILITIES, 0, Reg::Eax),
    (7, 2, Reg::Edx),
];

/// Number of feature words.
pub(crate) const WORDS: usize = 16;

/// Indices of the feature words.
pub(super) mod w {
    pub(in crate::model) const L1_ECX: usize = 0;
    pub(in crate::model) const L1_EDX: usize = 1;
    pub(in crate::model) const L7_EBX: usize = 2;
    pub(in crate::model) const L7_ECX: usize = 3;
    pub(in crate::model) const L7_EDX: usize = 4;
    pub(in crate::model) const L71_EAX: usize = 5;
    pub(in crate::model) const L71_EDX: usize = 6;
    pub(in crate::model) const X1_ECX: usize = 7;
    pub(in crate::model) const X1_EDX: usize = 8;
    pub(in crate::model) const XD1_EAX: usize = 9;
    pub(in crate::model) const X8_EBX: usize = 10;
    pub(in crate::model) const X21_EAX: usize = 11;
    pub(in crate::model) const L6_ECX: usize = 12;
    pub(in crate::model) const X7_EDX: usize = 13;
    pub(in crate::model) const ARCH: usize = 14;
    pub(in crate::model) const L72_EDX: usize = 15;
}

/// Who provides a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The host's own unit: offered when the host has it.
    Host,
    /// This crate, whatever the host has.
    Software,
    /// This crate, on processors of AMD and Hygon only.
    SoftwareAmd,
    /// This crate, on processors of Intel only.
    SoftwareIntel,
    /// Nobody: the row is there to keep its instructions undefined.
    Absent,
}

/// What a processor without the feature refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Instructions of this group are undefined (or what their encoding meant before).
    Instructions(CpuidFeature),
    /// These bits of CR4 are reserved.
    Cr4(u64),
    /// These bits of EFER are reserved.
    Efer(u64),
    /// These bits of XCR0 are reserved.
    Xcr0(u64),
    /// This model-specific register does not exist.
    Msr(u32),
    /// These bits of a model-specific register are reserved.
    MsrBits(u32, u64),
    /// A behaviour that asks [`super::CpuModel::has`] itself.
    Rule(&'static str),
}

/// One feature.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Short name.
    pub name: &'static str,
    pub(super) word: usize,
    /// Bit in its CPUID register.
    pub bit: u32,
    /// Who provides it.
    pub origin: Origin,
    /// What it gates; empty for statements about speed or flaws.
    pub gates: &'static [Gate],
    /// A feature (word, bit) without which this one cannot be; its row comes earlier.
    pub(super) under: Option<(usize, u32)>,
}

impl Feature {
    /// CPUID leaf, sub-leaf and register, or the pseudo leaf [`ARCH_CAPABILITIES`].
    pub fn place(&self) -> (u32, u32, Reg) {
        PLACES[self.word]
    }
}

const fn f(
    name: &'static str,
    word: usize,
    bit: u32,
    origin: Origin,
    under: Option<(usize, u32)>,
    gates: &'static [Gate],
) -> Feature {
    Feature { name, word, bit, origin, gates, under }
}

use Gate::Cr4;
use Gate::Efer;
use Gate::Instructions as I;
use Gate::Msr;
use Gate::MsrBits;
use Gate::Rule;
use Gate::Xcr0;
use Origin::Absent;
use Origin::Host;
use Origin::Software as Soft;
use Origin::SoftwareAmd as Amd;
use Origin::SoftwareIntel as Intel;

const NO: Option<(usize, u32)> = None;
const SSE2: Option<(usize, u32)> = Some((w::L1_EDX, 26));
const XSAVE: Option<(usize, u32)> = Some((w::L1_ECX, 26));
const AVX: Option<(usize, u32)> = Some((w::L1_ECX, 28));
const AVX512: Option<(usize, u32)> = Some((w::L7_EBX, 16));
const IBPB: Option<(usize, u32)> = Some((w::X8_EBX, 12));
const IBRS: Option<(usize, u32)> = Some((w::X8_EBX, 14));

/// IA32_SPEC_CTRL.
pub(crate) const SPEC_CTRL: u32 = 0x48;
/// IA32_PRED_CMD.
pub(crate) const PRED_CMD: u32 = 0x49;

/// All features.
#[rustfmt::skip]
pub const FEATURES: &[Feature] = &[
    f("FPU", w::L1_EDX, 0, Host, NO, &[I(F::FPU), I(F::FPU287), I(F::FPU387)]),
    f("VME", w::L1_EDX, 1, Soft, NO, &[Cr4(cr4::VME | cr4::PVI)]),
    f("DE", w::L1_EDX, 2, Soft, NO, &[Cr4(cr4::DE)]),
    f("PSE", w::L1_EDX, 3, Soft, NO, &[Cr4(cr4::PSE)]),
    f("TSC", w::L1_EDX, 4, Soft, NO, &[I(F::TSC), Cr4(cr4::TSD)]),
    f("MSR", w::L1_EDX, 5, Soft, NO, &[I(F::MSR)]),
    f("PAE", w::L1_EDX, 6, Soft, NO, &[Cr4(cr4::PAE)]),
    f("MCE", w::L1_EDX, 7, Soft, NO, &[Cr4(cr4::MCE)]),
    f("CX8", w::L1_EDX, 8, Soft, NO, &[I(F::CX8)]),
    f("SEP", w::L1_EDX, 11, Soft, NO, &[I(F::SEP)]),
    f("MTRR", w::L1_EDX, 12, Soft, NO, &[]),
    f("PGE", w::L1_EDX, 13, Soft, NO, &[Cr4(cr4::PGE)]),
    f("MCA", w::L1_EDX, 14, Soft, NO, &[]),
    f("CMOV", w::L1_EDX, 15, Soft, NO, &[I(F::CMOV)]),
    f("PAT", w::L1_EDX, 16, Soft, NO, &[]),
    f("PSE36", w::L1_EDX, 17, Soft, NO, &[]),
    f("CLFSH", w::L1_EDX, 19, Soft, NO, &[I(F::CLFSH)]),
    f("MMX", w::L1_EDX, 23, Host, NO, &[I(F::MMX)]),
    f("FXSR", w::L1_EDX, 24, Soft, NO, &[I(F::FXSR), Cr4(cr4::OSFXSR)]),
    f("SSE", w::L1_EDX, 25, Host, NO, &[I(F::SSE), Cr4(cr4::OSXMMEXCPT)]),
    f("SSE2", w::L1_EDX, 26, Host, NO, &[I(F::SSE2)]),

    f("SSE3", w::L1_ECX, 0, Host, SSE2, &[I(F::SSE3)]),
    f("PCLMULQDQ", w::L1_ECX, 1, Host, SSE2, &[I(F::PCLMULQDQ)]),
    f("MONITOR", w::L1_ECX, 3, Absent, NO, &[I(F::MONITOR)]),
    f("SSSE3", w::L1_ECX, 9, Host, SSE2, &[I(F::SSSE3)]),
    f("CX16", w::L1_ECX, 13, Soft, NO, &[I(F::CMPXCHG16B)]),
    f("PCID", w::L1_ECX, 17, Soft, NO, &[Cr4(cr4::PCIDE)]),
    f("SSE4.1", w::L1_ECX, 19, Host, SSE2, &[I(F::SSE4_1)]),
    f("SSE4.2", w::L1_ECX, 20, Host, SSE2, &[I(F::SSE4_2)]),
    f("MOVBE", w::L1_ECX, 22, Soft, NO, &[I(F::MOVBE)]),
    f("POPCNT", w::L1_ECX, 23, Soft, NO, &[I(F::POPCNT)]),
    f("TSC_DEADLINE", w::L1_ECX, 24, Soft, NO, &[Msr(0x6e0)]),
    f("AES", w::L1_ECX, 25, Host, SSE2, &[I(F::AES)]),
    f("XSAVE", w::L1_ECX, 26, Soft, NO, &[I(F::XSAVE), Cr4(cr4::OSXSAVE)]),
    f("AVX", w::L1_ECX, 28, Host, XSAVE, &[I(F::AVX), Xcr0(4)]),
    f("FMA", w::L1_ECX, 12, Host, AVX, &[I(F::FMA)]),
    f("F16C", w::L1_ECX, 29, Host, AVX, &[I(F::F16C)]),
    f("RDRAND", w::L1_ECX, 30, Soft, NO, &[I(F::RDRAND)]),

    f("FSGSBASE", w::L7_EBX, 0, Soft, NO, &[I(F::FSGSBASE), Cr4(cr4::FSGSBASE)]),
    f("TSC_ADJUST", w::L7_EBX, 1, Soft, NO, &[Msr(0x3b)]),
    f("BMI1", w::L7_EBX, 3, Soft, NO, &[I(F::BMI1)]),
    f("AVX2", w::L7_EBX, 5, Host, AVX, &[I(F::AVX2)]),
    f("SMEP", w::L7_EBX, 7, Soft, NO, &[Cr4(cr4::SMEP)]),
    f("BMI2", w::L7_EBX, 8, Soft, NO, &[I(F::BMI2)]),
    f("ERMS", w::L7_EBX, 9, Soft, NO, &[]),
    f("INVPCID", w::L7_EBX, 10, Soft, NO, &[I(F::INVPCID)]),
    f("RTM", w::L7_EBX, 11, Absent, NO, &[I(F::RTM)]),
    f("MPX", w::L7_EBX, 14, Absent, NO, &[I(F::MPX)]),
    f("AVX512F", w::L7_EBX, 16, Host, AVX, &[I(F::AVX512F), Xcr0(0xe0)]),
    f("AVX512DQ", w::L7_EBX, 17, Host, AVX512, &[I(F::AVX512DQ)]),
    f("RDSEED", w::L7_EBX, 18, Soft, NO, &[I(F::RDSEED)]),
    f("ADX", w::L7_EBX, 19, Soft, NO, &[I(F::ADX)]),
    f("SMAP", w::L7_EBX, 20, Soft, NO, &[I(F::SMAP), Cr4(cr4::SMAP)]),
    f("AVX512_IFMA", w::L7_EBX, 21, Host, AVX512, &[I(F::AVX512_IFMA)]),
    f("CLFLUSHOPT", w::L7_EBX, 23, Soft, NO, &[I(F::CLFLUSHOPT)]),
    f("CLWB", w::L7_EBX, 24, Soft, NO, &[I(F::CLWB)]),
    f("AVX512PF", w::L7_EBX, 26, Absent, NO, &[I(F::AVX512PF)]),
    f("AVX512ER", w::L7_EBX, 27, Absent, NO, &[I(F::AVX512ER)]),
    f("AVX512CD", w::L7_EBX, 28, Host, AVX512, &[I(F::AVX512CD)]),
    f("SHA", w::L7_EBX, 29, Host, SSE2, &[I(F::SHA)]),
    f("AVX512BW", w::L7_EBX, 30, Host, AVX512, &[I(F::AVX512BW)]),
    f("AVX512VL", w::L7_EBX, 31, Host, AVX512, &[I(F::AVX512VL)]),

    f("AVX512_VBMI", w::L7_ECX, 1, Host, AVX512, &[I(F::AVX512_VBMI)]),
    f("UMIP", w::L7_ECX, 2, Soft, NO, &[Cr4(cr4::UMIP)]),
    f("PKU", w::L7_ECX, 3, Soft, XSAVE, &[I(F::PKU), Cr4(cr4::PKE), Xcr0(0x200)]),
    f("WAITPKG", w::L7_ECX, 5, Soft, NO, &[I(F::WAITPKG), Msr(0xe1)]),
    f("AVX512_VBMI2", w::L7_ECX, 6, Host, AVX512, &[I(F::AVX512_VBMI2)]),
    f("GFNI", w::L7_ECX, 8, Host, SSE2, &[I(F::GFNI)]),
    f("VAES", w::L7_ECX, 9, Host, AVX, &[I(F::VAES)]),
    f("VPCLMULQDQ", w::L7_ECX, 10, Host, AVX, &[I(F::VPCLMULQDQ)]),
    f("AVX512_VNNI", w::L7_ECX, 11, Host, AVX512, &[I(F::AVX512_VNNI)]),
    f("AVX512_BITALG", w::L7_ECX, 12, Host, AVX512, &[I(F::AVX512_BITALG)]),
    f("AVX512_VPOPCNTDQ", w::L7_ECX, 14, Host, AVX512, &[I(F::AVX512_VPOPCNTDQ)]),
    f("LA57", w::L7_ECX, 16, Soft, NO, &[Cr4(cr4::LA57)]),
    f("RDPID", w::L7_ECX, 22, Soft, NO, &[I(F::RDPID)]),
    f("CLDEMOTE", w::L7_ECX, 25, Soft, NO, &[]),
    f("MOVDIRI", w::L7_ECX, 27, Soft, NO, &[I(F::MOVDIRI)]),
    f("MOVDIR64B", w::L7_ECX, 28, Soft, NO, &[I(F::MOVDIR64B)]),
    f("ENQCMD", w::L7_ECX, 29, Absent, NO, &[I(F::ENQCMD)]),

    f("AVX512_4VNNIW", w::L7_EDX, 2, Absent, NO, &[I(F::AVX512_4VNNIW)]),
    f("AVX512_4FMAPS", w::L7_EDX, 3, Absent, NO, &[I(F::AVX512_4FMAPS)]),
    f("FSRM", w::L7_EDX, 4, Soft, NO, &[]),
    f("AVX512_VP2INTERSECT", w::L7_EDX, 8, Host, AVX512, &[I(F::AVX512_VP2INTERSECT)]),
    f("MD_CLEAR", w::L7_EDX, 10, Intel, NO, &[]),
    f("SERIALIZE", w::L7_EDX, 14, Soft, NO, &[I(F::SERIALIZE)]),
    f("TSXLDTRK", w::L7_EDX, 16, Absent, NO, &[I(F::TSXLDTRK)]),
    f("AVX512_FP16", w::L7_EDX, 23, Absent, NO, &[I(F::AVX512_FP16)]),

    f("SHA512", w::L71_EAX, 0, Host, AVX, &[I(F::SHA512)]),
    f("SM3", w::L71_EAX, 1, Host, AVX, &[I(F::SM3)]),
    f("SM4", w::L71_EAX, 2, Host, AVX, &[I(F::SM4)]),
    f("AVX_VNNI", w::L71_EAX, 4, Host, AVX, &[I(F::AVX_VNNI)]),
    f("AVX512_BF16", w::L71_EAX, 5, Host, AVX512, &[I(F::AVX512_BF16)]),
    f("CMPCCXADD", w::L71_EAX, 7, Absent, NO, &[I(F::CMPCCXADD)]),
    f("FZRM", w::L71_EAX, 10, Soft, NO, &[]),
    f("FSRS", w::L71_EAX, 11, Soft, NO, &[]),
    f("FSRC", w::L71_EAX, 12, Soft, NO, &[]),
    f("AVX_IFMA", w::L71_EAX, 23, Host, AVX, &[I(F::AVX_IFMA)]),

    f("AVX_VNNI_INT8", w::L71_EDX, 4, Host, AVX, &[I(F::AVX_VNNI_INT8)]),
    f("AVX_NE_CONVERT", w::L71_EDX, 5, Host, AVX, &[I(F::AVX_NE_CONVERT)]),
    f("AVX_VNNI_INT16", w::L71_EDX, 10, Host, AVX, &[I(F::AVX_VNNI_INT16)]),
    f("PREFETCHI", w::L71_EDX, 14, Soft, NO, &[]),

    f("LAHF64", w::X1_ECX, 0, Soft, NO, &[Rule("LAHF and SAHF are undefined in 64-bit mode")]),
    f("LZCNT", w::X1_ECX, 5, Soft, NO, &[Rule("LZCNT is BSR")]),
    f("SSE4A", w::X1_ECX, 6, Host, SSE2, &[I(F::SSE4A)]),
    f("PREFETCHW", w::X1_ECX, 8, Soft, NO, &[]),
    f("XOP", w::X1_ECX, 11, Absent, NO, &[I(F::XOP)]),
    f("LWP", w::X1_ECX, 15, Absent, NO, &[I(F::LWP)]),
    f("FMA4", w::X1_ECX, 16, Absent, NO, &[I(F::FMA4)]),
    f("TBM", w::X1_ECX, 21, Absent, NO, &[I(F::TBM)]),
    f("MONITORX", w::X1_ECX, 29, Absent, NO, &[I(F::MONITORX)]),

    f("SYSCALL", w::X1_EDX, 11, Soft, NO, &[I(F::SYSCALL), Efer(efer::SCE)]),
    f("NX", w::X1_EDX, 20, Soft, NO, &[Efer(efer::NXE)]),
    f("MMXEXT", w::X1_EDX, 22, Host, NO, &[]),
    f("PAGE1GB", w::X1_EDX, 26, Soft, NO, &[Rule("bit 7 of a third-level entry is reserved")]),
    f("RDTSCP", w::X1_EDX, 27, Soft, NO, &[I(F::RDTSCP)]),
    f("LM", w::X1_EDX, 29, Soft, NO, &[Efer(efer::LME)]),
    f("3DNOWEXT", w::X1_EDX, 30, Absent, NO, &[I(F::D3NOWEXT)]),
    f("3DNOW", w::X1_EDX, 31, Absent, NO, &[I(F::D3NOW)]),

    f("XSAVEOPT", w::XD1_EAX, 0, Soft, XSAVE, &[I(F::XSAVEOPT)]),
    f("XSAVEC", w::XD1_EAX, 1, Soft, XSAVE, &[I(F::XSAVEC)]),
    f("XGETBV1", w::XD1_EAX, 2, Soft, XSAVE, &[Rule("XGETBV with ECX = 1 faults")]),
    f("XSAVES", w::XD1_EAX, 3, Soft, XSAVE, &[I(F::XSAVES), Msr(0xda0)]),

    // Speculation controls are kept in AMD's places; Intel's are derived from them.
    f("CLZERO", w::X8_EBX, 0, Amd, NO, &[I(F::CLZERO)]),
    f("XSAVEERPTR", w::X8_EBX, 2, Amd, NO, &[]),
    f("RDPRU", w::X8_EBX, 4, Amd, NO, &[I(F::RDPRU)]),
    f("WBNOINVD", w::X8_EBX, 9, Soft, NO, &[Rule("WBNOINVD is WBINVD")]),
    f("IBPB", w::X8_EBX, 12, Soft, NO, &[Msr(PRED_CMD)]),
    f("IBRS", w::X8_EBX, 14, Soft, NO, &[MsrBits(SPEC_CTRL, 1)]),
    f("STIBP", w::X8_EBX, 15, Soft, NO, &[MsrBits(SPEC_CTRL, 2)]),
    f("STIBP_ALWAYS_ON", w::X8_EBX, 17, Amd, NO, &[]),
    f("SSBD", w::X8_EBX, 24, Soft, NO, &[MsrBits(SPEC_CTRL, 4)]),
    f("SSB_NO", w::X8_EBX, 26, Amd, NO, &[]),
    f("PSFD", w::X8_EBX, 28, Soft, NO, &[MsrBits(SPEC_CTRL, 0x80)]),
    f("BTC_NO", w::X8_EBX, 29, Amd, NO, &[]),
    f("IBPB_RET", w::X8_EBX, 30, Amd, NO, &[]),

    f("SBPB", w::X21_EAX, 27, Amd, IBPB, &[MsrBits(PRED_CMD, 0x80)]),
    f("IBPB_BRTYPE", w::X21_EAX, 28, Amd, NO, &[]),
    f("SRSO_NO", w::X21_EAX, 29, Amd, NO, &[]),
    f("SRSO_USER_KERNEL_NO", w::X21_EAX, 30, Amd, NO, &[]),

    f("APERFMPERF", w::L6_ECX, 0, Soft, NO, &[Msr(0xe7), Msr(0xe8)]),
    f("INVARIANT_TSC", w::X7_EDX, 8, Soft, NO, &[]),

    // Nothing is injected through branch history; but guests that distrust the statement then need no loop.
    f("BHI_CTRL", w::L72_EDX, 4, Intel, IBRS, &[MsrBits(SPEC_CTRL, 1 << 10)]),

    f("RDCL_NO", w::ARCH, 0, Intel, NO, &[]),
    f("IBRS_ALL", w::ARCH, 1, Intel, IBRS, &[]),
    f("RSBA_NO", w::ARCH, 2, Intel, NO, &[]),
    f("INTEL_SSB_NO", w::ARCH, 4, Intel, NO, &[]),
    f("MDS_NO", w::ARCH, 5, Intel, NO, &[]),
    f("TAA_NO", w::ARCH, 8, Intel, NO, &[]),
    f("SBDR_SSDP_NO", w::ARCH, 13, Intel, NO, &[]),
    f("FBSDP_NO", w::ARCH, 14, Intel, NO, &[]),
    f("PSDP_NO", w::ARCH, 15, Intel, NO, &[]),
    f("FB_CLEAR", w::ARCH, 17, Intel, NO, &[]),
];

const fn collect(origins: &[Origin]) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    let mut n = 0;
    while n < FEATURES.len() {
        let mut o = 0;
        while o < origins.len() {
            if FEATURES[n].origin as u8 == origins[o] as u8 {
                words[FEATURES[n].word] |= 1 << FEATURES[n].bit;
            }
            o += 1;
        }
        n += 1;
    }
    words
}

/// Bits that the host's unit provides.
pub(super) const HOST: [u32; WORDS] = collect(&[Host]);
const INTEL: [u32; WORDS] = collect(&[Soft, Intel]);
const AMD: [u32; WORDS] = collect(&[Soft, Amd]);

/// Bits that this crate provides on a processor of `vendor`.
pub(super) fn software(vendor: Vendor) -> &'static [u32; WORDS] {
    if vendor == Vendor::Intel { &INTEL } else { &AMD }
}

const NOWHERE: (u8, u8) = (u8::MAX, 0);
const GROUPS: usize = 256;

const fn groups() -> [(u8, u8); GROUPS] {
    let mut index = [NOWHERE; GROUPS];
    let mut n = 0;
    while n < FEATURES.len() {
        let gates = FEATURES[n].gates;
        let mut g = 0;
        while g < gates.len() {
            if let Gate::Instructions(group) = gates[g] {
                index[group as usize] = (FEATURES[n].word as u8, FEATURES[n].bit as u8);
            }
            g += 1;
        }
        n += 1;
    }
    index
}

static INSTRUCTION_GROUPS: [(u8, u8); GROUPS] = groups();

/// The feature, as (word, bit), that gates a group of instructions.
pub(super) fn of_instructions(group: CpuidFeature) -> Option<(usize, u32)> {
    let (word, bit) = INSTRUCTION_GROUPS[group as usize];
    (word != NOWHERE.0).then_some((usize::from(word), u32::from(bit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_has_one_row_and_follows_what_it_needs() {
        for (n, row) in FEATURES.iter().enumerate() {
            let before = &FEATURES[..n];
            assert!(!before.iter().any(|r| (r.word, r.bit) == (row.word, row.bit)), "{} twice", row.name);
            assert!(!before.iter().any(|r| r.name == row.name), "{} twice", row.name);
            let is_there = |(word, bit)| before.iter().any(|r| (r.word, r.bit) == (word, bit));
            assert!(row.under.is_none_or(is_there), "{}", row.name);
        }
    }
}
