//! What the host can execute for us.
//!
//! Vector and x87 instructions run on the host's own units (see [`super::stub`]), so the guest can be offered
//! what the host has and nothing else. The words below have CPUID's layout and hold only bits of instructions
//! this module implements.
#![cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "other hosts have nothing to detect"))]

use super::arena;
use iced_x86::CpuidFeature;
use iced_x86::Instruction;
use std::sync::OnceLock;

/// CPUID words of the vector and x87 features that can be offered to a guest on this host. All zero when the
/// host is not x86-64 or refuses executable memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VectorFeatures {
    /// Leaf 1 ECX: SSE3, PCLMULQDQ, SSSE3, FMA, SSE4.1, SSE4.2, AES, XSAVE, AVX, F16C.
    pub leaf1_ecx: u32,
    /// Leaf 1 EDX: FPU, MMX, FXSR, SSE, SSE2 (and CMOV for FCMOV, which the integer side implements).
    pub leaf1_edx: u32,
    /// Leaf 7.0 EBX: AVX2, AVX-512 groups, SHA.
    pub leaf7_ebx: u32,
    /// Leaf 7.0 ECX: VBMI, GFNI, VAES, VPCLMULQDQ, VNNI, BITALG, VPOPCNTDQ.
    pub leaf7_ecx: u32,
    /// Leaf 7.0 EDX: VP2INTERSECT, AVX512-FP16.
    pub leaf7_edx: u32,
    /// Leaf 7.1 EAX: SHA512, SM3, SM4, AVX-VNNI, AVX512-BF16, AVX-IFMA.
    pub leaf7_1_eax: u32,
    /// Leaf 7.1 EDX: AVX-VNNI-INT8, AVX-NE-CONVERT, AVX-VNNI-INT16.
    pub leaf7_1_edx: u32,
    /// Leaf 0x80000001 ECX: SSE4A, MISALIGNSSE.
    pub ext_ecx: u32,
    /// Leaf 0x80000001 EDX: FPU, MMX, MMXEXT, FXSR as AMD repeats them.
    pub ext_edx: u32,
    /// Leaf 0xD.1 EAX: XSAVEOPT, XSAVEC, XGETBV with ECX = 1, XSAVES. Software, hence always all four.
    pub leafd_1_eax: u32,
    /// XCR0 bits that make sense with these features (x87, SSE, AVX, AVX-512; PKRU is added by the model).
    pub xcr0: u64,
    /// MXCSR bits that instructions honour.
    pub mxcsr_mask: u32,
}

/// Leaf 1 ECX bits.
mod l1c {
    pub(super) const SSE3: u32 = 1 << 0;
    pub(super) const PCLMUL: u32 = 1 << 1;
    pub(super) const SSSE3: u32 = 1 << 9;
    pub(super) const FMA: u32 = 1 << 12;
    pub(super) const SSE41: u32 = 1 << 19;
    pub(super) const SSE42: u32 = 1 << 20;
    pub(super) const AES: u32 = 1 << 25;
    pub(super) const XSAVE: u32 = 1 << 26;
    pub(super) const AVX: u32 = 1 << 28;
    pub(super) const F16C: u32 = 1 << 29;
    /// Needs YMM state.
    pub(super) const YMM: u32 = FMA | AVX | F16C;
    pub(super) const ALL: u32 = SSE3 | PCLMUL | SSSE3 | SSE41 | SSE42 | AES | XSAVE | YMM;
}

/// Leaf 1 EDX bits: FPU, MMX, FXSR, SSE, SSE2.
const L1D_ALL: u32 = 1 << 0 | 1 << 23 | 1 << 24 | 1 << 25 | 1 << 26;

/// Leaf 7.0 EBX bits.
mod l7b {
    pub(super) const AVX2: u32 = 1 << 5;
    pub(super) const F: u32 = 1 << 16;
    pub(super) const DQ: u32 = 1 << 17;
    pub(super) const IFMA: u32 = 1 << 21;
    pub(super) const CD: u32 = 1 << 28;
    pub(super) const SHA: u32 = 1 << 29;
    pub(super) const BW: u32 = 1 << 30;
    pub(super) const VL: u32 = 1 << 31;
    pub(super) const ZMM: u32 = F | DQ | IFMA | CD | BW | VL;
    pub(super) const ALL: u32 = AVX2 | SHA | ZMM;
}

/// Leaf 7.0 ECX bits.
mod l7c {
    pub(super) const VBMI: u32 = 1 << 1;
    pub(super) const VBMI2: u32 = 1 << 6;
    pub(super) const GFNI: u32 = 1 << 8;
    pub(super) const VAES: u32 = 1 << 9;
    pub(super) const VPCLMUL: u32 = 1 << 10;
    pub(super) const VNNI: u32 = 1 << 11;
    pub(super) const BITALG: u32 = 1 << 12;
    pub(super) const VPOPCNTDQ: u32 = 1 << 14;
    pub(super) const YMM: u32 = VAES | VPCLMUL;
    pub(super) const ZMM: u32 = VBMI | VBMI2 | VNNI | BITALG | VPOPCNTDQ;
    pub(super) const ALL: u32 = GFNI | YMM | ZMM;
}

/// Leaf 7.0 EDX bits.
mod l7d {
    pub(super) const VP2INTERSECT: u32 = 1 << 8;
    pub(super) const FP16: u32 = 1 << 23;
    pub(super) const ALL: u32 = VP2INTERSECT | FP16;
}

/// Leaf 7.1 EAX bits.
mod l71a {
    pub(super) const SHA512: u32 = 1 << 0;
    pub(super) const SM3: u32 = 1 << 1;
    pub(super) const SM4: u32 = 1 << 2;
    pub(super) const AVX_VNNI: u32 = 1 << 4;
    pub(super) const BF16: u32 = 1 << 5;
    pub(super) const AVX_IFMA: u32 = 1 << 23;
    pub(super) const YMM: u32 = SHA512 | SM3 | SM4 | AVX_VNNI | AVX_IFMA;
}

/// Leaf 7.1 EDX bits.
mod l71d {
    pub(super) const VNNI_INT8: u32 = 1 << 4;
    pub(super) const NE_CONVERT: u32 = 1 << 5;
    pub(super) const VNNI_INT16: u32 = 1 << 10;
    pub(super) const ALL: u32 = VNNI_INT8 | NE_CONVERT | VNNI_INT16;
}

/// Leaf 0x80000001 ECX: SSE4A, MISALIGNSSE.
const EXT_C: u32 = 1 << 6 | 1 << 7;
/// Leaf 0x80000001 EDX: FPU, MMXEXT, MMX, FXSR (FFXSR is not offered).
const EXT_D: u32 = 1 << 0 | 1 << 22 | 1 << 23 | 1 << 24;
/// XCR0 bits of AVX-512: opmask, upper halves, upper registers.
const XCR0_AVX512: u64 = 0xe0;

#[cfg(target_arch = "x86_64")]
fn detect() -> VectorFeatures {
    use std::arch::x86_64::__cpuid_count;
    let max = __cpuid_count(0, 0).eax;
    let ext_max = __cpuid_count(0x8000_0000, 0).eax;
    let one = __cpuid_count(1, 0);
    let seven = if max >= 7 { Some(__cpuid_count(7, 0)) } else { None };
    let seven1 = seven.filter(|s| s.eax >= 1).map(|_| __cpuid_count(7, 1));
    let ext = if ext_max >= 0x8000_0001 { Some(__cpuid_count(0x8000_0001, 0)) } else { None };
    // The standard library looks at XCR0 too: these say that the kernel saves the wide registers.
    let ymm = std::is_x86_feature_detected!("avx");
    let zmm = ymm && std::is_x86_feature_detected!("avx512f");
    let keep = |word: u32, all: u32, ymm_bits: u32, zmm_bits: u32| {
        word & all & if ymm { !0 } else { !ymm_bits } & if zmm { !0 } else { !zmm_bits }
    };
    let mut f = VectorFeatures {
        leaf1_ecx: keep(one.ecx, l1c::ALL, l1c::YMM, 0) | l1c::XSAVE,
        leaf1_edx: one.edx & L1D_ALL | 1 << 24,
        leafd_1_eax: 0xf,
        xcr0: 3,
        mxcsr_mask: 0xffff,
        ..VectorFeatures::default()
    };
    if let Some(s) = seven {
        f.leaf7_ebx = keep(s.ebx, l7b::ALL, l7b::AVX2, l7b::ZMM);
        f.leaf7_ecx = keep(s.ecx, l7c::ALL, l7c::YMM, l7c::ZMM);
        f.leaf7_edx = keep(s.edx, l7d::ALL, 0, l7d::ALL);
    }
    if let Some(s) = seven1 {
        f.leaf7_1_eax = keep(s.eax, l71a::YMM | l71a::BF16, l71a::YMM, l71a::BF16);
        f.leaf7_1_edx = keep(s.edx, l71d::ALL, l71d::ALL, 0);
    }
    if let Some(s) = ext {
        f.ext_ecx = s.ecx & EXT_C;
        f.ext_edx = s.edx & EXT_D;
    }
    if f.ext_ecx & 1 << 7 != 0 {
        f.mxcsr_mask |= 1 << 17;
    }
    if ymm {
        f.xcr0 |= 4;
    }
    if zmm {
        f.xcr0 |= XCR0_AVX512;
    }
    f
}

/// The vector and x87 features that can be offered on this host; computed once.
pub fn host_vector_features() -> &'static VectorFeatures {
    static FEATURES: OnceLock<VectorFeatures> = OnceLock::new();
    FEATURES.get_or_init(|| {
        #[cfg(target_arch = "x86_64")]
        if arena::available() {
            return detect();
        }
        let _ = arena::available;
        VectorFeatures::default()
    })
}

/// Whether the host executes instructions of one feature group.
fn supports(feature: CpuidFeature) -> bool {
    use CpuidFeature as C;
    let f = host_vector_features();
    match feature {
        C::FPU | C::FPU287 | C::FPU387 => f.leaf1_edx & 1 != 0,
        // FCMOV: every processor with SSE2 has it.
        C::CMOV => f.leaf1_edx & 1 != 0,
        C::MMX => f.leaf1_edx & 1 << 23 != 0,
        C::SSE => f.leaf1_edx & 1 << 25 != 0,
        C::SSE2 => f.leaf1_edx & 1 << 26 != 0,
        C::SSE3 => f.leaf1_ecx & l1c::SSE3 != 0,
        C::SSSE3 => f.leaf1_ecx & l1c::SSSE3 != 0,
        C::SSE4_1 => f.leaf1_ecx & l1c::SSE41 != 0,
        C::SSE4_2 => f.leaf1_ecx & l1c::SSE42 != 0,
        C::SSE4A => f.ext_ecx & 1 << 6 != 0,
        C::AES => f.leaf1_ecx & l1c::AES != 0,
        C::PCLMULQDQ => f.leaf1_ecx & l1c::PCLMUL != 0,
        C::AVX => f.leaf1_ecx & l1c::AVX != 0,
        C::FMA => f.leaf1_ecx & l1c::FMA != 0,
        C::F16C => f.leaf1_ecx & l1c::F16C != 0,
        C::AVX2 => f.leaf7_ebx & l7b::AVX2 != 0,
        C::SHA => f.leaf7_ebx & l7b::SHA != 0,
        C::AVX512F => f.leaf7_ebx & l7b::F != 0,
        C::AVX512DQ => f.leaf7_ebx & l7b::DQ != 0,
        C::AVX512_IFMA => f.leaf7_ebx & l7b::IFMA != 0,
        C::AVX512CD => f.leaf7_ebx & l7b::CD != 0,
        C::AVX512BW => f.leaf7_ebx & l7b::BW != 0,
        C::AVX512VL => f.leaf7_ebx & l7b::VL != 0,
        C::AVX512_VBMI => f.leaf7_ecx & l7c::VBMI != 0,
        C::AVX512_VBMI2 => f.leaf7_ecx & l7c::VBMI2 != 0,
        C::GFNI => f.leaf7_ecx & l7c::GFNI != 0,
        C::VAES => f.leaf7_ecx & l7c::VAES != 0,
        C::VPCLMULQDQ => f.leaf7_ecx & l7c::VPCLMUL != 0,
        C::AVX512_VNNI => f.leaf7_ecx & l7c::VNNI != 0,
        C::AVX512_BITALG => f.leaf7_ecx & l7c::BITALG != 0,
        C::AVX512_VPOPCNTDQ => f.leaf7_ecx & l7c::VPOPCNTDQ != 0,
        C::AVX512_VP2INTERSECT => f.leaf7_edx & l7d::VP2INTERSECT != 0,
        C::AVX512_FP16 => f.leaf7_edx & l7d::FP16 != 0,
        C::SHA512 => f.leaf7_1_eax & l71a::SHA512 != 0,
        C::SM3 => f.leaf7_1_eax & l71a::SM3 != 0,
        C::SM4 => f.leaf7_1_eax & l71a::SM4 != 0,
        C::AVX_VNNI => f.leaf7_1_eax & l71a::AVX_VNNI != 0,
        C::AVX512_BF16 => f.leaf7_1_eax & l71a::BF16 != 0,
        C::AVX_IFMA => f.leaf7_1_eax & l71a::AVX_IFMA != 0,
        C::AVX_VNNI_INT8 => f.leaf7_1_edx & l71d::VNNI_INT8 != 0,
        C::AVX_NE_CONVERT => f.leaf7_1_edx & l71d::NE_CONVERT != 0,
        C::AVX_VNNI_INT16 => f.leaf7_1_edx & l71d::VNNI_INT16 != 0,
        _ => false,
    }
}

/// Whether the host executes this instruction.
pub(crate) fn host_executes(i: &Instruction) -> bool {
    let all = i.cpuid_features();
    !all.is_empty() && all.iter().all(|f| supports(*f))
}
