//! Feature words of the interface against bits of the processor model: one table, read both ways.
//!
//! What the model offers, the capability reports; what a client leaves out is taken from the model, and with it from
//! CPUID and from what the processor does.

use openwhp_engine::FeatureBanks;
use openwhp_x86::CpuModel;
use openwhp_x86::model::ARCH_CAPABILITIES;
use openwhp_x86::model::Reg;

/// A feature of the model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    leaf: u32,
    sub: u32,
    reg: Reg,
    bit: u32,
}

const fn cpuid(leaf: u32, sub: u32, reg: Reg, bit: u32) -> Place {
    Place { leaf, sub, reg, bit }
}

const fn arch(bit: u32) -> Place {
    Place { leaf: ARCH_CAPABILITIES, sub: 0, reg: Reg::Eax, bit }
}

/// How a bit of a feature word is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Is {
    /// The model has it in one of these places.
    At(&'static [Place]),
    /// Every processor of this engine has it, and it cannot be taken away.
    Always,
    /// Not offered, for this reason.
    Never(
        #[cfg_attr(not(test), expect(dead_code, reason = "tests and documentation give the reason"))]
        &'static str,
    ),
}

use Is::Always;
use Is::At;
use Is::Never;

/// A bit of a feature word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    bit: u32,
    /// The interface's name.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests and documentation name the bits"))]
    name: &'static str,
    is: Is,
}

const fn row(bit: u32, name: &'static str, is: Is) -> Row {
    Row { bit, name, is }
}

/// Bank 0 (`WHV_X64_PROCESSOR_FEATURES1`).
#[rustfmt::skip]
const BANK0: &[Row] = &[
    row(0, "Sse3Support", At(&[cpuid(1, 0, Reg::Ecx, 0)])),
    row(1, "LahfSahfSupport", At(&[cpuid(0x8000_0001, 0, Reg::Ecx, 0)])),
    row(2, "Ssse3Support", At(&[cpuid(1, 0, Reg::Ecx, 9)])),
    row(3, "Sse4_1Support", At(&[cpuid(1, 0, Reg::Ecx, 19)])),
    row(4, "Sse4_2Support", At(&[cpuid(1, 0, Reg::Ecx, 20)])),
    row(5, "Sse4aSupport", At(&[cpuid(0x8000_0001, 0, Reg::Ecx, 6)])),
    row(6, "XopSupport", Never("no XOP instructions")),
    row(7, "PopCntSupport", At(&[cpuid(1, 0, Reg::Ecx, 23)])),
    row(8, "Cmpxchg16bSupport", At(&[cpuid(1, 0, Reg::Ecx, 13)])),
    row(9, "Altmovcr8Support", Never("LOCK MOV CR0 is undefined")),
    row(10, "LzcntSupport", At(&[cpuid(0x8000_0001, 0, Reg::Ecx, 5)])),
    row(11, "MisAlignSseSupport", Never("SSE operands stay aligned")),
    row(12, "MmxExtSupport", At(&[cpuid(0x8000_0001, 0, Reg::Edx, 22)])),
    row(13, "Amd3DNowSupport", Never("no 3DNow! instructions")),
    row(14, "ExtendedAmd3DNowSupport", Never("no 3DNow! instructions")),
    row(15, "Page1GbSupport", At(&[cpuid(0x8000_0001, 0, Reg::Edx, 26)])),
    row(16, "AesSupport", At(&[cpuid(1, 0, Reg::Ecx, 25)])),
    row(17, "PclmulqdqSupport", At(&[cpuid(1, 0, Reg::Ecx, 1)])),
    row(18, "PcidSupport", At(&[cpuid(1, 0, Reg::Ecx, 17)])),
    row(19, "Fma4Support", Never("no FMA4 instructions")),
    row(20, "F16CSupport", At(&[cpuid(1, 0, Reg::Ecx, 29)])),
    row(21, "RdRandSupport", At(&[cpuid(1, 0, Reg::Ecx, 30)])),
    row(22, "RdWrFsGsSupport", At(&[cpuid(7, 0, Reg::Ebx, 0)])),
    row(23, "SmepSupport", At(&[cpuid(7, 0, Reg::Ebx, 7)])),
    row(24, "EnhancedFastStringSupport", At(&[cpuid(7, 0, Reg::Ebx, 9)])),
    row(25, "Bmi1Support", At(&[cpuid(7, 0, Reg::Ebx, 3)])),
    row(26, "Bmi2Support", At(&[cpuid(7, 0, Reg::Ebx, 8)])),
    row(29, "MovbeSupport", At(&[cpuid(1, 0, Reg::Ecx, 22)])),
    row(30, "Npiep1Support", Never("UMIP does the same")),
    row(31, "DepX87FPUSaveSupport", Never("x87 selectors are saved")),
    row(32, "RdSeedSupport", At(&[cpuid(7, 0, Reg::Ebx, 18)])),
    row(33, "AdxSupport", At(&[cpuid(7, 0, Reg::Ebx, 19)])),
    row(34, "IntelPrefetchSupport", At(&[cpuid(0x8000_0001, 0, Reg::Ecx, 8)])),
    row(35, "SmapSupport", At(&[cpuid(7, 0, Reg::Ebx, 20)])),
    row(36, "HleSupport", Never("no transactions")),
    row(37, "RtmSupport", Never("no transactions")),
    row(38, "RdtscpSupport", At(&[cpuid(0x8000_0001, 0, Reg::Edx, 27)])),
    row(39, "ClflushoptSupport", At(&[cpuid(7, 0, Reg::Ebx, 23)])),
    row(40, "ClwbSupport", At(&[cpuid(7, 0, Reg::Ebx, 24)])),
    row(41, "ShaSupport", At(&[cpuid(7, 0, Reg::Ebx, 29)])),
    row(42, "X87PointersSavedSupport", At(&[cpuid(0x8000_0008, 0, Reg::Ebx, 2)])),
    row(43, "InvpcidSupport", At(&[cpuid(7, 0, Reg::Ebx, 10)])),
    row(44, "IbrsSupport", At(&[cpuid(0x8000_0008, 0, Reg::Ebx, 14)])),
    row(45, "StibpSupport", At(&[cpuid(0x8000_0008, 0, Reg::Ebx, 15)])),
    row(46, "IbpbSupport", At(&[cpuid(0x8000_0008, 0, Reg::Ebx, 12)])),
    row(47, "UnrestrictedGuestSupport", Always),
    row(48, "SsbdSupport", At(&[cpuid(0x8000_0008, 0, Reg::Ebx, 24)])),
    row(49, "FastShortRepMovSupport", At(&[cpuid(7, 0, Reg::Edx, 4)])),
    row(51, "RdclNo", At(&[arch(0)])),
    row(52, "IbrsAllSupport", At(&[arch(1)])),
    row(54, "SsbNo", At(&[arch(4), cpuid(0x8000_0008, 0, Reg::Ebx, 26)])),
    row(55, "RsbANo", At(&[arch(2)])),
    row(57, "RdPidSupport", At(&[cpuid(7, 0, Reg::Ecx, 22)])),
    row(58, "UmipSupport", At(&[cpuid(7, 0, Reg::Ecx, 2)])),
    row(59, "MdsNoSupport", At(&[arch(5)])),
    row(60, "MdClearSupport", At(&[cpuid(7, 0, Reg::Edx, 10)])),
    row(61, "TaaNoSupport", At(&[arch(8)])),
    row(62, "TsxCtrlSupport", Never("no transactions to control")),
];

/// Bank 1 (`WHV_X64_PROCESSOR_FEATURES2`).
#[rustfmt::skip]
const BANK1: &[Row] = &[
    row(0, "ACountMCountSupport", At(&[cpuid(6, 0, Reg::Ecx, 0)])),
    row(1, "TscInvariantSupport", At(&[cpuid(0x8000_0007, 0, Reg::Edx, 8)])),
    row(2, "ClZeroSupport", At(&[cpuid(0x8000_0008, 0, Reg::Ebx, 0)])),
    row(3, "RdpruSupport", At(&[cpuid(0x8000_0008, 0, Reg::Ebx, 4)])),
    row(4, "La57Support", At(&[cpuid(7, 0, Reg::Ecx, 16)])),
    row(5, "MbecSupport", Never("nested only")),
    row(6, "NestedVirtSupport", Never("no nested virtualization")),
    row(7, "PsfdSupport", At(&[cpuid(0x8000_0008, 0, Reg::Ebx, 28)])),
    row(8, "CetSsSupport", Never("no shadow stacks")),
    row(9, "CetIbtSupport", Never("no branch tracking")),
    row(10, "VmxExceptionInjectSupport", Never("nested only")),
    row(12, "UmwaitTpauseSupport", At(&[cpuid(7, 0, Reg::Ecx, 5)])),
    row(13, "MovdiriSupport", At(&[cpuid(7, 0, Reg::Ecx, 27)])),
    row(14, "Movdir64bSupport", At(&[cpuid(7, 0, Reg::Ecx, 28)])),
    row(15, "CldemoteSupport", At(&[cpuid(7, 0, Reg::Ecx, 25)])),
    row(16, "SerializeSupport", At(&[cpuid(7, 0, Reg::Edx, 14)])),
    row(17, "TscDeadlineTmrSupport", At(&[cpuid(1, 0, Reg::Ecx, 24)])),
    row(18, "TscAdjustSupport", At(&[cpuid(7, 0, Reg::Ebx, 1)])),
    row(19, "FZLRepMovsb", At(&[cpuid(7, 1, Reg::Eax, 10)])),
    row(20, "FSRepStosb", At(&[cpuid(7, 1, Reg::Eax, 11)])),
    row(21, "FSRepCmpsb", At(&[cpuid(7, 1, Reg::Eax, 12)])),
    row(22, "TsxLdTrkSupport", Never("no transactions")),
    row(23, "VmxInsOutsExitInfoSupport", Never("nested only")),
    row(25, "SbdrSsdpNoSupport", At(&[arch(13)])),
    row(26, "FbsdpNoSupport", At(&[arch(14)])),
    row(27, "PsdpNoSupport", At(&[arch(15)])),
    row(28, "FbClearSupport", At(&[arch(17)])),
    row(29, "BtcNoSupport", At(&[cpuid(0x8000_0008, 0, Reg::Ebx, 29)])),
    row(30, "IbpbRsbFlushSupport", At(&[cpuid(0x8000_0008, 0, Reg::Ebx, 30)])),
    row(31, "StibpAlwaysOnSupport", At(&[cpuid(0x8000_0008, 0, Reg::Ebx, 17)])),
    row(32, "PerfGlobalCtrlSupport", Never("no performance counters")),
    row(33, "NptExecuteOnlySupport", Never("nested only")),
    row(34, "NptADFlagsSupport", Never("nested only")),
    row(35, "Npt1GbPageSupport", Never("nested only")),
    row(40, "CmpccxaddSupport", Never("no CMPccXADD")),
    row(45, "PrefetchISupport", At(&[cpuid(7, 1, Reg::Edx, 14)])),
    row(46, "Sha512Support", At(&[cpuid(7, 1, Reg::Eax, 0)])),
    row(50, "SM3Support", At(&[cpuid(7, 1, Reg::Eax, 1)])),
    row(51, "SM4Support", At(&[cpuid(7, 1, Reg::Eax, 2)])),
    row(54, "SbpbSupported", At(&[cpuid(0x8000_0021, 0, Reg::Eax, 27)])),
    row(55, "IbpbBrTypeSupported", At(&[cpuid(0x8000_0021, 0, Reg::Eax, 28)])),
    row(56, "SrsoNoSupported", At(&[cpuid(0x8000_0021, 0, Reg::Eax, 29)])),
    row(57, "SrsoUserKernelNoSupported", At(&[cpuid(0x8000_0021, 0, Reg::Eax, 30)])),
];

/// XSAVE features (`WHV_X64_PROCESSOR_XSAVE_FEATURES`).
#[rustfmt::skip]
const XSAVE: &[Row] = &[
    row(0, "XsaveSupport", At(&[cpuid(1, 0, Reg::Ecx, 26)])),
    row(1, "XsaveoptSupport", At(&[cpuid(0xD, 1, Reg::Eax, 0)])),
    row(2, "AvxSupport", At(&[cpuid(1, 0, Reg::Ecx, 28)])),
    row(3, "Avx2Support", At(&[cpuid(7, 0, Reg::Ebx, 5)])),
    row(4, "FmaSupport", At(&[cpuid(1, 0, Reg::Ecx, 12)])),
    row(5, "MpxSupport", Never("no bound registers")),
    row(6, "Avx512Support", At(&[cpuid(7, 0, Reg::Ebx, 16)])),
    row(7, "Avx512DQSupport", At(&[cpuid(7, 0, Reg::Ebx, 17)])),
    row(8, "Avx512CDSupport", At(&[cpuid(7, 0, Reg::Ebx, 28)])),
    row(9, "Avx512BWSupport", At(&[cpuid(7, 0, Reg::Ebx, 30)])),
    row(10, "Avx512VLSupport", At(&[cpuid(7, 0, Reg::Ebx, 31)])),
    row(11, "XsaveCompSupport", At(&[cpuid(0xD, 1, Reg::Eax, 1)])),
    row(12, "XsaveSupervisorSupport", At(&[cpuid(0xD, 1, Reg::Eax, 3)])),
    row(13, "Xcr1Support", At(&[cpuid(0xD, 1, Reg::Eax, 2)])),
    row(14, "Avx512BitalgSupport", At(&[cpuid(7, 0, Reg::Ecx, 12)])),
    row(15, "Avx512IfmaSupport", At(&[cpuid(7, 0, Reg::Ebx, 21)])),
    row(16, "Avx512VBmiSupport", At(&[cpuid(7, 0, Reg::Ecx, 1)])),
    row(17, "Avx512VBmi2Support", At(&[cpuid(7, 0, Reg::Ecx, 6)])),
    row(18, "Avx512VnniSupport", At(&[cpuid(7, 0, Reg::Ecx, 11)])),
    row(19, "GfniSupport", At(&[cpuid(7, 0, Reg::Ecx, 8)])),
    row(20, "VaesSupport", At(&[cpuid(7, 0, Reg::Ecx, 9)])),
    row(21, "Avx512VPopcntdqSupport", At(&[cpuid(7, 0, Reg::Ecx, 14)])),
    row(22, "VpclmulqdqSupport", At(&[cpuid(7, 0, Reg::Ecx, 10)])),
    row(23, "Avx512Bf16Support", At(&[cpuid(7, 1, Reg::Eax, 5)])),
    row(24, "Avx512Vp2IntersectSupport", At(&[cpuid(7, 0, Reg::Edx, 8)])),
    row(25, "Avx512Fp16Support", Never("unmasked underflow would not be exact")),
    row(26, "XfdSupport", Never("no state to delay")),
    row(27, "AmxTileSupport", Never("no tiles")),
    row(28, "AmxBf16Support", Never("no tiles")),
    row(29, "AmxInt8Support", Never("no tiles")),
    row(30, "AvxVnniSupport", At(&[cpuid(7, 1, Reg::Eax, 4)])),
    row(31, "AvxIfmaSupport", At(&[cpuid(7, 1, Reg::Eax, 23)])),
    row(32, "AvxNeConvertSupport", At(&[cpuid(7, 1, Reg::Edx, 5)])),
    row(33, "AvxVnniInt8Support", At(&[cpuid(7, 1, Reg::Edx, 4)])),
    row(34, "AvxVnniInt16Support", At(&[cpuid(7, 1, Reg::Edx, 10)])),
    row(35, "Avx10_1_256Support", Never("AVX-512 has its own bits")),
    row(36, "Avx10_1_512Support", Never("AVX-512 has its own bits")),
    row(37, "AmxFp16Support", Never("no tiles")),
];

fn offered(model: &CpuModel, rows: &[Row]) -> u64 {
    let has = |place: &Place| model.has(place.leaf, place.sub, place.reg, place.bit);
    let is_offered = |row: &&Row| match row.is {
        At(places) => places.iter().any(has),
        Always => true,
        Never(_) => false,
    };
    rows.iter().filter(is_offered).fold(0, |bits, row| bits | 1 << row.bit)
}

/// The words a model offers: both banks and the XSAVE features.
pub(crate) fn of_model(model: &CpuModel) -> (FeatureBanks, u64) {
    ([offered(model, BANK0), offered(model, BANK1)], offered(model, XSAVE))
}

/// Takes from a model what the words leave out.
pub(crate) fn restrict(model: &mut CpuModel, banks: FeatureBanks, xsave: u64) {
    for (rows, word) in [(BANK0, banks[0]), (BANK1, banks[1]), (XSAVE, xsave)] {
        for row in rows.iter().filter(|row| word & 1 << row.bit == 0) {
            if let At(places) = row.is {
                for place in places {
                    model.disable(place.leaf, place.sub, place.reg, place.bit);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
