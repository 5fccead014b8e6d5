//! Feature words of the interface against bits of CPUID: one table, read both ways.

use openwhp_engine::FeatureBanks;
use openwhp_x86::CpuModel;
use openwhp_x86::model::Reg;

/// A feature bit and the CPUID bit it stands for.
struct Row {
    bit: u32,
    leaf: u32,
    sub: u32,
    reg: Reg,
    cpuid_bit: u32,
}

const fn row(bit: u32, leaf: u32, sub: u32, reg: Reg, cpuid_bit: u32) -> Row {
    Row { bit, leaf, sub, reg, cpuid_bit }
}

/// Bank 0 (`WHV_X64_PROCESSOR_FEATURES1`).
const BANK0: &[Row] = &[
    row(0, 1, 0, Reg::Ecx, 0),             // SSE3
    row(1, 0x8000_0001, 0, Reg::Ecx, 0),   // LAHF in 64-bit mode
    row(2, 1, 0, Reg::Ecx, 9),             // SSSE3
    row(3, 1, 0, Reg::Ecx, 19),            // SSE4.1
    row(4, 1, 0, Reg::Ecx, 20),            // SSE4.2
    row(5, 0x8000_0001, 0, Reg::Ecx, 6),   // SSE4a
    row(7, 1, 0, Reg::Ecx, 23),            // POPCNT
    row(8, 1, 0, Reg::Ecx, 13),            // CMPXCHG16B
    row(10, 0x8000_0001, 0, Reg::Ecx, 5),  // LZCNT
    row(12, 0x8000_0001, 0, Reg::Edx, 22), // MMXEXT
    row(15, 0x8000_0001, 0, Reg::Edx, 26), // 1 GiB pages
    row(16, 1, 0, Reg::Ecx, 25),           // AES
    row(17, 1, 0, Reg::Ecx, 1),            // PCLMULQDQ
    row(18, 1, 0, Reg::Ecx, 17),           // PCID
    row(20, 1, 0, Reg::Ecx, 29),           // F16C
    row(21, 1, 0, Reg::Ecx, 30),           // RDRAND
    row(22, 7, 0, Reg::Ebx, 0),            // FSGSBASE
    row(23, 7, 0, Reg::Ebx, 7),            // SMEP
    row(24, 7, 0, Reg::Ebx, 9),            // ERMS
    row(25, 7, 0, Reg::Ebx, 3),            // BMI1
    row(26, 7, 0, Reg::Ebx, 8),            // BMI2
    row(29, 1, 0, Reg::Ecx, 22),           // MOVBE
    row(32, 7, 0, Reg::Ebx, 18),           // RDSEED
    row(33, 7, 0, Reg::Ebx, 19),           // ADX
    row(34, 0x8000_0001, 0, Reg::Ecx, 8),  // PREFETCHW
    row(35, 7, 0, Reg::Ebx, 20),           // SMAP
    row(38, 0x8000_0001, 0, Reg::Edx, 27), // RDTSCP
    row(39, 7, 0, Reg::Ebx, 23),           // CLFLUSHOPT
    row(40, 7, 0, Reg::Ebx, 24),           // CLWB
    row(41, 7, 0, Reg::Ebx, 29),           // SHA
    row(43, 7, 0, Reg::Ebx, 10),           // INVPCID
    row(49, 7, 0, Reg::Edx, 4),            // FSRM
    row(57, 7, 0, Reg::Ecx, 22),           // RDPID
    row(58, 7, 0, Reg::Ecx, 2),            // UMIP
];

/// Bits of bank 0 without a CPUID bit of their own: guests in real mode (47), and flaws that this processor cannot have
/// (RDCL_NO 51, SSB_NO 54, MDS_NO 59, TAA_NO 61).
const BANK0_ALWAYS: u64 = 1 << 47 | 1 << 51 | 1 << 54 | 1 << 59 | 1 << 61;

/// Bank 1 (`WHV_X64_PROCESSOR_FEATURES2`).
const BANK1: &[Row] = &[
    row(4, 7, 0, Reg::Ecx, 16), // five-level paging
    row(18, 7, 0, Reg::Ebx, 1), // TSC_ADJUST
];

/// TSC deadline timer: CPUID shows it whenever a local APIC is emulated.
pub(crate) const BANK1_TSC_DEADLINE: u64 = 1 << 17;

/// Invariant TSC (1), TSC deadline (17), and flaws that this processor cannot have (25 to 27).
const BANK1_ALWAYS: u64 = 1 << 1 | BANK1_TSC_DEADLINE | 7 << 25;

/// XSAVE features.
const XSAVE: &[Row] = &[
    row(0, 1, 0, Reg::Ecx, 26),   // XSAVE
    row(1, 0xD, 1, Reg::Eax, 0),  // XSAVEOPT
    row(2, 1, 0, Reg::Ecx, 28),   // AVX
    row(3, 7, 0, Reg::Ebx, 5),    // AVX2
    row(4, 1, 0, Reg::Ecx, 12),   // FMA
    row(6, 7, 0, Reg::Ebx, 16),   // AVX512F
    row(7, 7, 0, Reg::Ebx, 17),   // AVX512DQ
    row(8, 7, 0, Reg::Ebx, 28),   // AVX512CD
    row(9, 7, 0, Reg::Ebx, 30),   // AVX512BW
    row(10, 7, 0, Reg::Ebx, 31),  // AVX512VL
    row(11, 0xD, 1, Reg::Eax, 1), // XSAVEC
    row(12, 0xD, 1, Reg::Eax, 3), // XSAVES
    row(13, 0xD, 1, Reg::Eax, 2), // XGETBV with ECX = 1
    row(14, 7, 0, Reg::Ecx, 12),  // BITALG
    row(15, 7, 0, Reg::Ebx, 21),  // IFMA
    row(16, 7, 0, Reg::Ecx, 1),   // VBMI
    row(17, 7, 0, Reg::Ecx, 6),   // VBMI2
    row(18, 7, 0, Reg::Ecx, 11),  // VNNI
    row(19, 7, 0, Reg::Ecx, 8),   // GFNI
    row(20, 7, 0, Reg::Ecx, 9),   // VAES
    row(21, 7, 0, Reg::Ecx, 14),  // VPOPCNTDQ
    row(22, 7, 0, Reg::Ecx, 10),  // VPCLMULQDQ
    row(23, 7, 1, Reg::Eax, 5),   // BF16
    row(24, 7, 0, Reg::Edx, 8),   // VP2INTERSECT
    row(30, 7, 1, Reg::Eax, 4),   // AVX-VNNI
];

fn offered(model: &CpuModel, rows: &[Row]) -> u64 {
    let has = |row: &&Row| model.has(row.leaf, row.sub, row.reg, row.cpuid_bit);
    rows.iter().filter(has).fold(0, |bits, row| bits | 1 << row.bit)
}

/// The words a model offers: both banks and the XSAVE features.
pub(crate) fn of_model(model: &CpuModel) -> (FeatureBanks, u64) {
    let banks = [offered(model, BANK0) | BANK0_ALWAYS, offered(model, BANK1) | BANK1_ALWAYS];
    (banks, offered(model, XSAVE))
}

/// Takes from a model what the words leave out.
pub(crate) fn restrict(model: &mut CpuModel, banks: FeatureBanks, xsave: u64) {
    for (rows, word) in [(BANK0, banks[0]), (BANK1, banks[1]), (XSAVE, xsave)] {
        for row in rows.iter().filter(|row| word & 1 << row.bit == 0) {
            model.disable(row.leaf, row.sub, row.reg, row.cpuid_bit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaving_a_feature_out_takes_it_from_the_model() {
        let mut model = CpuModel::host(1_000_000_000);
        let (banks, xsave) = of_model(&model);
        restrict(&mut model, banks, xsave);
        assert_eq!(of_model(&model), (banks, xsave), "everything asked for changes nothing");
        restrict(&mut model, [banks[0] & !(1 << 7), banks[1]], xsave);
        assert!(!model.has(1, 0, Reg::Ecx, 23), "POPCNT is gone");
        restrict(&mut model, banks, 0);
        assert_eq!(model.xcr0_mask, 0, "no XSAVE, no extended state");
    }
}
