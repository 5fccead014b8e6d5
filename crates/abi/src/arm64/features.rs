//! Feature words and banks.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;

block! {
    /// Arm64 processor features, bank 0.
    pub struct WHV_ARM64_PROCESSOR_FEATURES: 8 bytes, align 8 {
        Asid16, set_Asid16: u64 = 0 bits 0, 1;
        TGran16, set_TGran16: u64 = 0 bits 1, 1;
        TGran64, set_TGran64: u64 = 0 bits 2, 1;
        Haf, set_Haf: u64 = 0 bits 3, 1;
        Hdbs, set_Hdbs: u64 = 0 bits 4, 1;
        Pan, set_Pan: u64 = 0 bits 5, 1;
        AtS1E1, set_AtS1E1: u64 = 0 bits 6, 1;
        Uao, set_Uao: u64 = 0 bits 7, 1;
        El0Aarch32, set_El0Aarch32: u64 = 0 bits 8, 1;
        Fp, set_Fp: u64 = 0 bits 9, 1;
        FpHp, set_FpHp: u64 = 0 bits 10, 1;
        AdvSimd, set_AdvSimd: u64 = 0 bits 11, 1;
        AdvSimdHp, set_AdvSimdHp: u64 = 0 bits 12, 1;
        GicV3V4, set_GicV3V4: u64 = 0 bits 13, 1;
        GicV41, set_GicV41: u64 = 0 bits 14, 1;
        Ras, set_Ras: u64 = 0 bits 15, 1;
        PmuV3, set_PmuV3: u64 = 0 bits 16, 1;
        PmuV3ArmV81, set_PmuV3ArmV81: u64 = 0 bits 17, 1;
        PmuV3ArmV84, set_PmuV3ArmV84: u64 = 0 bits 18, 1;
        PmuV3ArmV85, set_PmuV3ArmV85: u64 = 0 bits 19, 1;
        Aes, set_Aes: u64 = 0 bits 20, 1;
        PolyMul, set_PolyMul: u64 = 0 bits 21, 1;
        Sha1, set_Sha1: u64 = 0 bits 22, 1;
        Sha256, set_Sha256: u64 = 0 bits 23, 1;
        Sha512, set_Sha512: u64 = 0 bits 24, 1;
        Crc32, set_Crc32: u64 = 0 bits 25, 1;
        Atomic, set_Atomic: u64 = 0 bits 26, 1;
        Rdm, set_Rdm: u64 = 0 bits 27, 1;
        Sha3, set_Sha3: u64 = 0 bits 28, 1;
        Sm3, set_Sm3: u64 = 0 bits 29, 1;
        Sm4, set_Sm4: u64 = 0 bits 30, 1;
        Dp, set_Dp: u64 = 0 bits 31, 1;
        Fhm, set_Fhm: u64 = 0 bits 32, 1;
        DcCvap, set_DcCvap: u64 = 0 bits 33, 1;
        DcCvadp, set_DcCvadp: u64 = 0 bits 34, 1;
        ApaBase, set_ApaBase: u64 = 0 bits 35, 1;
        ApaEp, set_ApaEp: u64 = 0 bits 36, 1;
        ApaEp2, set_ApaEp2: u64 = 0 bits 37, 1;
        ApaEp2Fp, set_ApaEp2Fp: u64 = 0 bits 38, 1;
        ApaEp2Fpc, set_ApaEp2Fpc: u64 = 0 bits 39, 1;
        Jscvt, set_Jscvt: u64 = 0 bits 40, 1;
        Fcma, set_Fcma: u64 = 0 bits 41, 1;
        RcpcV83, set_RcpcV83: u64 = 0 bits 42, 1;
        RcpcV84, set_RcpcV84: u64 = 0 bits 43, 1;
        Gpa, set_Gpa: u64 = 0 bits 44, 1;
        L1ipPipt, set_L1ipPipt: u64 = 0 bits 45, 1;
        DzPermitted, set_DzPermitted: u64 = 0 bits 46, 1;
        Ssbs, set_Ssbs: u64 = 0 bits 47, 1;
        SsbsRw, set_SsbsRw: u64 = 0 bits 48, 1;
        Reserved49, set_Reserved49: u64 = 0 bits 49, 1;
        Reserved50, set_Reserved50: u64 = 0 bits 50, 1;
        Reserved51, set_Reserved51: u64 = 0 bits 51, 1;
        Reserved52, set_Reserved52: u64 = 0 bits 52, 1;
        Csv2, set_Csv2: u64 = 0 bits 53, 1;
        Csv3, set_Csv3: u64 = 0 bits 54, 1;
        Sb, set_Sb: u64 = 0 bits 55, 1;
        Idc, set_Idc: u64 = 0 bits 56, 1;
        Dic, set_Dic: u64 = 0 bits 57, 1;
        TlbiOs, set_TlbiOs: u64 = 0 bits 58, 1;
        TlbiOsRange, set_TlbiOsRange: u64 = 0 bits 59, 1;
        FlagsM, set_FlagsM: u64 = 0 bits 60, 1;
        FlagsM2, set_FlagsM2: u64 = 0 bits 61, 1;
        Bf16, set_Bf16: u64 = 0 bits 62, 1;
        Ebf16, set_Ebf16: u64 = 0 bits 63, 1;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

/// Processor features, bank 0, of this instruction set.
pub type WHV_PROCESSOR_FEATURES = WHV_ARM64_PROCESSOR_FEATURES;

block! {
    /// Arm64 processor features, bank 1.
    pub struct WHV_ARM64_PROCESSOR_FEATURES1: 8 bytes, align 8 {
        SveBf16, set_SveBf16: u64 = 0 bits 0, 1;
        SveEbf16, set_SveEbf16: u64 = 0 bits 1, 1;
        I8mm, set_I8mm: u64 = 0 bits 2, 1;
        SveI8mm, set_SveI8mm: u64 = 0 bits 3, 1;
        Frintts, set_Frintts: u64 = 0 bits 4, 1;
        Specres, set_Specres: u64 = 0 bits 5, 1;
        Reserved6, set_Reserved6: u64 = 0 bits 6, 1;
        Rpres, set_Rpres: u64 = 0 bits 7, 1;
        Exs, set_Exs: u64 = 0 bits 8, 1;
        SpecSei, set_SpecSei: u64 = 0 bits 9, 1;
        Ets, set_Ets: u64 = 0 bits 10, 1;
        Afp, set_Afp: u64 = 0 bits 11, 1;
        Iesb, set_Iesb: u64 = 0 bits 12, 1;
        Rng, set_Rng: u64 = 0 bits 13, 1;
        Lse2, set_Lse2: u64 = 0 bits 14, 1;
        Idst, set_Idst: u64 = 0 bits 15, 1;
        Reserved16, set_Reserved16: u64 = 0 bits 16, 1;
        Reserved17, set_Reserved17: u64 = 0 bits 17, 1;
        Reserved18, set_Reserved18: u64 = 0 bits 18, 1;
        Reserved19, set_Reserved19: u64 = 0 bits 19, 1;
        Reserved20, set_Reserved20: u64 = 0 bits 20, 1;
        Reserved21, set_Reserved21: u64 = 0 bits 21, 1;
        Ccidx, set_Ccidx: u64 = 0 bits 22, 1;
        Reserved23, set_Reserved23: u64 = 0 bits 23, 1;
        Reserved24, set_Reserved24: u64 = 0 bits 24, 1;
        Reserved25, set_Reserved25: u64 = 0 bits 25, 1;
        Reserved26, set_Reserved26: u64 = 0 bits 26, 1;
        Reserved27, set_Reserved27: u64 = 0 bits 27, 1;
        Reserved28, set_Reserved28: u64 = 0 bits 28, 1;
        Reserved29, set_Reserved29: u64 = 0 bits 29, 1;
        Reserved30, set_Reserved30: u64 = 0 bits 30, 1;
        Reserved31, set_Reserved31: u64 = 0 bits 31, 1;
        Reserved32, set_Reserved32: u64 = 0 bits 32, 1;
        Reserved33, set_Reserved33: u64 = 0 bits 33, 1;
        Reserved34, set_Reserved34: u64 = 0 bits 34, 1;
        TtCnp, set_TtCnp: u64 = 0 bits 35, 1;
        Hpds, set_Hpds: u64 = 0 bits 36, 1;
        Sve, set_Sve: u64 = 0 bits 37, 1;
        SveV2, set_SveV2: u64 = 0 bits 38, 1;
        SveV2P1, set_SveV2P1: u64 = 0 bits 39, 1;
        SpecFpacc, set_SpecFpacc: u64 = 0 bits 40, 1;
        SveAes, set_SveAes: u64 = 0 bits 41, 1;
        SveBitPerm, set_SveBitPerm: u64 = 0 bits 42, 1;
        SveSha3, set_SveSha3: u64 = 0 bits 43, 1;
        SveSm4, set_SveSm4: u64 = 0 bits 44, 1;
        E0PD, set_E0PD: u64 = 0 bits 45, 1;
        Reserved, set_Reserved: u64 = 0 bits 46, 8;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

/// Processor features, bank 1, of this instruction set.
pub type WHV_PROCESSOR_FEATURES1 = WHV_ARM64_PROCESSOR_FEATURES1;

block! {
    /// All processor-feature banks.
    pub struct WHV_PROCESSOR_FEATURES_BANKS: 24 bytes, align 8 {
        BanksCount, set_BanksCount: u32 = 0;
        Reserved0, set_Reserved0: u32 = 4;
        Bank0, set_Bank0: WHV_PROCESSOR_FEATURES = 8;
        Bank1, set_Bank1: WHV_PROCESSOR_FEATURES1 = 16;
        AsUINT64, set_AsUINT64: [u64; 2] = 8;
    }
}

block! {
    /// Synthetic (hypervisor) features.
    pub struct WHV_SYNTHETIC_PROCESSOR_FEATURES: 8 bytes, align 8 {
        HypervisorPresent, set_HypervisorPresent: u64 = 0 bits 0, 1;
        Hv1, set_Hv1: u64 = 0 bits 1, 1;
        AccessVpRunTimeReg, set_AccessVpRunTimeReg: u64 = 0 bits 2, 1;
        AccessPartitionReferenceCounter, set_AccessPartitionReferenceCounter: u64 = 0 bits 3, 1;
        AccessSynicRegs, set_AccessSynicRegs: u64 = 0 bits 4, 1;
        AccessSyntheticTimerRegs, set_AccessSyntheticTimerRegs: u64 = 0 bits 5, 1;
        AccessIntrCtrlRegs, set_AccessIntrCtrlRegs: u64 = 0 bits 6, 1;
        AccessHypercallRegs, set_AccessHypercallRegs: u64 = 0 bits 7, 1;
        AccessVpIndex, set_AccessVpIndex: u64 = 0 bits 8, 1;
        AccessPartitionReferenceTsc, set_AccessPartitionReferenceTsc: u64 = 0 bits 9, 1;
        ReservedZ10, set_ReservedZ10: u64 = 0 bits 10, 1;
        ReservedZ11, set_ReservedZ11: u64 = 0 bits 11, 1;
        ReservedZ12, set_ReservedZ12: u64 = 0 bits 12, 1;
        ReservedZ13, set_ReservedZ13: u64 = 0 bits 13, 1;
        ReservedZ14, set_ReservedZ14: u64 = 0 bits 14, 1;
        ReservedZ15, set_ReservedZ15: u64 = 0 bits 15, 1;
        ReservedZ16, set_ReservedZ16: u64 = 0 bits 16, 1;
        ReservedZ17, set_ReservedZ17: u64 = 0 bits 17, 1;
        FastHypercallOutput, set_FastHypercallOutput: u64 = 0 bits 18, 1;
        ReservedZ19, set_ReservedZ19: u64 = 0 bits 19, 1;
        ReservedZ20, set_ReservedZ20: u64 = 0 bits 20, 1;
        ReservedZ21, set_ReservedZ21: u64 = 0 bits 21, 1;
        DirectSyntheticTimers, set_DirectSyntheticTimers: u64 = 0 bits 22, 1;
        ReservedZ23, set_ReservedZ23: u64 = 0 bits 23, 1;
        ExtendedProcessorMasks, set_ExtendedProcessorMasks: u64 = 0 bits 24, 1;
        TbFlushHypercalls, set_TbFlushHypercalls: u64 = 0 bits 25, 1;
        SyntheticClusterIpi, set_SyntheticClusterIpi: u64 = 0 bits 26, 1;
        NotifyLongSpinWait, set_NotifyLongSpinWait: u64 = 0 bits 27, 1;
        QueryNumaDistance, set_QueryNumaDistance: u64 = 0 bits 28, 1;
        SignalEvents, set_SignalEvents: u64 = 0 bits 29, 1;
        RetargetDeviceInterrupt, set_RetargetDeviceInterrupt: u64 = 0 bits 30, 1;
        ReservedZ31, set_ReservedZ31: u64 = 0 bits 31, 1;
        ReservedZ32, set_ReservedZ32: u64 = 0 bits 32, 1;
        ReservedZ33, set_ReservedZ33: u64 = 0 bits 33, 1;
        ReservedZ34, set_ReservedZ34: u64 = 0 bits 34, 1;
        ReservedZ35, set_ReservedZ35: u64 = 0 bits 35, 1;
        ReservedZ36, set_ReservedZ36: u64 = 0 bits 36, 1;
        WakeVps, set_WakeVps: u64 = 0 bits 37, 1;
        AccessVpRegs, set_AccessVpRegs: u64 = 0 bits 38, 1;
        SyncContext, set_SyncContext: u64 = 0 bits 39, 1;
        ReservedZ40, set_ReservedZ40: u64 = 0 bits 40, 1;
        ReservedZ41, set_ReservedZ41: u64 = 0 bits 41, 1;
        ReservedZ42, set_ReservedZ42: u64 = 0 bits 42, 1;
        ReservedZ43, set_ReservedZ43: u64 = 0 bits 43, 1;
        ReservedZ44, set_ReservedZ44: u64 = 0 bits 44, 1;
        Reserved, set_Reserved: u64 = 0 bits 45, 19;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

block! {
    /// All synthetic-feature banks.
    pub struct WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS: 16 bytes, align 8 {
        BanksCount, set_BanksCount: u32 = 0;
        Reserved0, set_Reserved0: u32 = 4;
        Bank0, set_Bank0: WHV_SYNTHETIC_PROCESSOR_FEATURES = 8;
        AsUINT64, set_AsUINT64: [u64; 1] = 8;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    WHV_ARM64_PROCESSOR_FEATURES::RECORD,
    Record::plain::<WHV_PROCESSOR_FEATURES>("WHV_PROCESSOR_FEATURES"),
    WHV_ARM64_PROCESSOR_FEATURES1::RECORD,
    Record::plain::<WHV_PROCESSOR_FEATURES1>("WHV_PROCESSOR_FEATURES1"),
    WHV_PROCESSOR_FEATURES_BANKS::RECORD,
    WHV_SYNTHETIC_PROCESSOR_FEATURES::RECORD,
    WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[];
