//! Feature words and banks.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;

block! {
    /// x64 processor features, bank 0.
    pub struct WHV_X64_PROCESSOR_FEATURES: 8 bytes, align 8 {
        Sse3Support, set_Sse3Support: u64 = 0 bits 0, 1;
        LahfSahfSupport, set_LahfSahfSupport: u64 = 0 bits 1, 1;
        Ssse3Support, set_Ssse3Support: u64 = 0 bits 2, 1;
        Sse4_1Support, set_Sse4_1Support: u64 = 0 bits 3, 1;
        Sse4_2Support, set_Sse4_2Support: u64 = 0 bits 4, 1;
        Sse4aSupport, set_Sse4aSupport: u64 = 0 bits 5, 1;
        XopSupport, set_XopSupport: u64 = 0 bits 6, 1;
        PopCntSupport, set_PopCntSupport: u64 = 0 bits 7, 1;
        Cmpxchg16bSupport, set_Cmpxchg16bSupport: u64 = 0 bits 8, 1;
        Altmovcr8Support, set_Altmovcr8Support: u64 = 0 bits 9, 1;
        LzcntSupport, set_LzcntSupport: u64 = 0 bits 10, 1;
        MisAlignSseSupport, set_MisAlignSseSupport: u64 = 0 bits 11, 1;
        MmxExtSupport, set_MmxExtSupport: u64 = 0 bits 12, 1;
        Amd3DNowSupport, set_Amd3DNowSupport: u64 = 0 bits 13, 1;
        ExtendedAmd3DNowSupport, set_ExtendedAmd3DNowSupport: u64 = 0 bits 14, 1;
        Page1GbSupport, set_Page1GbSupport: u64 = 0 bits 15, 1;
        AesSupport, set_AesSupport: u64 = 0 bits 16, 1;
        PclmulqdqSupport, set_PclmulqdqSupport: u64 = 0 bits 17, 1;
        PcidSupport, set_PcidSupport: u64 = 0 bits 18, 1;
        Fma4Support, set_Fma4Support: u64 = 0 bits 19, 1;
        F16CSupport, set_F16CSupport: u64 = 0 bits 20, 1;
        RdRandSupport, set_RdRandSupport: u64 = 0 bits 21, 1;
        RdWrFsGsSupport, set_RdWrFsGsSupport: u64 = 0 bits 22, 1;
        SmepSupport, set_SmepSupport: u64 = 0 bits 23, 1;
        EnhancedFastStringSupport, set_EnhancedFastStringSupport: u64 = 0 bits 24, 1;
        Bmi1Support, set_Bmi1Support: u64 = 0 bits 25, 1;
        Bmi2Support, set_Bmi2Support: u64 = 0 bits 26, 1;
        Reserved1, set_Reserved1: u64 = 0 bits 27, 2;
        MovbeSupport, set_MovbeSupport: u64 = 0 bits 29, 1;
        Npiep1Support, set_Npiep1Support: u64 = 0 bits 30, 1;
        DepX87FPUSaveSupport, set_DepX87FPUSaveSupport: u64 = 0 bits 31, 1;
        RdSeedSupport, set_RdSeedSupport: u64 = 0 bits 32, 1;
        AdxSupport, set_AdxSupport: u64 = 0 bits 33, 1;
        IntelPrefetchSupport, set_IntelPrefetchSupport: u64 = 0 bits 34, 1;
        SmapSupport, set_SmapSupport: u64 = 0 bits 35, 1;
        HleSupport, set_HleSupport: u64 = 0 bits 36, 1;
        RtmSupport, set_RtmSupport: u64 = 0 bits 37, 1;
        RdtscpSupport, set_RdtscpSupport: u64 = 0 bits 38, 1;
        ClflushoptSupport, set_ClflushoptSupport: u64 = 0 bits 39, 1;
        ClwbSupport, set_ClwbSupport: u64 = 0 bits 40, 1;
        ShaSupport, set_ShaSupport: u64 = 0 bits 41, 1;
        X87PointersSavedSupport, set_X87PointersSavedSupport: u64 = 0 bits 42, 1;
        InvpcidSupport, set_InvpcidSupport: u64 = 0 bits 43, 1;
        IbrsSupport, set_IbrsSupport: u64 = 0 bits 44, 1;
        StibpSupport, set_StibpSupport: u64 = 0 bits 45, 1;
        IbpbSupport, set_IbpbSupport: u64 = 0 bits 46, 1;
        UnrestrictedGuestSupport, set_UnrestrictedGuestSupport: u64 = 0 bits 47, 1;
        SsbdSupport, set_SsbdSupport: u64 = 0 bits 48, 1;
        FastShortRepMovSupport, set_FastShortRepMovSupport: u64 = 0 bits 49, 1;
        Reserved3, set_Reserved3: u64 = 0 bits 50, 1;
        RdclNo, set_RdclNo: u64 = 0 bits 51, 1;
        IbrsAllSupport, set_IbrsAllSupport: u64 = 0 bits 52, 1;
        Reserved4, set_Reserved4: u64 = 0 bits 53, 1;
        SsbNo, set_SsbNo: u64 = 0 bits 54, 1;
        RsbANo, set_RsbANo: u64 = 0 bits 55, 1;
        Reserved5, set_Reserved5: u64 = 0 bits 56, 1;
        RdPidSupport, set_RdPidSupport: u64 = 0 bits 57, 1;
        UmipSupport, set_UmipSupport: u64 = 0 bits 58, 1;
        MdsNoSupport, set_MdsNoSupport: u64 = 0 bits 59, 1;
        MdClearSupport, set_MdClearSupport: u64 = 0 bits 60, 1;
        TaaNoSupport, set_TaaNoSupport: u64 = 0 bits 61, 1;
        TsxCtrlSupport, set_TsxCtrlSupport: u64 = 0 bits 62, 1;
        Reserved6, set_Reserved6: u64 = 0 bits 63, 1;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

/// Processor features, bank 0, of this instruction set.
pub type WHV_PROCESSOR_FEATURES = WHV_X64_PROCESSOR_FEATURES;

block! {
    /// x64 processor features, bank 1.
    pub struct WHV_X64_PROCESSOR_FEATURES1: 8 bytes, align 8 {
        ACountMCountSupport, set_ACountMCountSupport: u64 = 0 bits 0, 1;
        TscInvariantSupport, set_TscInvariantSupport: u64 = 0 bits 1, 1;
        ClZeroSupport, set_ClZeroSupport: u64 = 0 bits 2, 1;
        RdpruSupport, set_RdpruSupport: u64 = 0 bits 3, 1;
        La57Support, set_La57Support: u64 = 0 bits 4, 1;
        MbecSupport, set_MbecSupport: u64 = 0 bits 5, 1;
        NestedVirtSupport, set_NestedVirtSupport: u64 = 0 bits 6, 1;
        PsfdSupport, set_PsfdSupport: u64 = 0 bits 7, 1;
        CetSsSupport, set_CetSsSupport: u64 = 0 bits 8, 1;
        CetIbtSupport, set_CetIbtSupport: u64 = 0 bits 9, 1;
        VmxExceptionInjectSupport, set_VmxExceptionInjectSupport: u64 = 0 bits 10, 1;
        Reserved2, set_Reserved2: u64 = 0 bits 11, 1;
        UmwaitTpauseSupport, set_UmwaitTpauseSupport: u64 = 0 bits 12, 1;
        MovdiriSupport, set_MovdiriSupport: u64 = 0 bits 13, 1;
        Movdir64bSupport, set_Movdir64bSupport: u64 = 0 bits 14, 1;
        CldemoteSupport, set_CldemoteSupport: u64 = 0 bits 15, 1;
        SerializeSupport, set_SerializeSupport: u64 = 0 bits 16, 1;
        TscDeadlineTmrSupport, set_TscDeadlineTmrSupport: u64 = 0 bits 17, 1;
        TscAdjustSupport, set_TscAdjustSupport: u64 = 0 bits 18, 1;
        FZLRepMovsb, set_FZLRepMovsb: u64 = 0 bits 19, 1;
        FSRepStosb, set_FSRepStosb: u64 = 0 bits 20, 1;
        FSRepCmpsb, set_FSRepCmpsb: u64 = 0 bits 21, 1;
        TsxLdTrkSupport, set_TsxLdTrkSupport: u64 = 0 bits 22, 1;
        VmxInsOutsExitInfoSupport, set_VmxInsOutsExitInfoSupport: u64 = 0 bits 23, 1;
        Reserved3, set_Reserved3: u64 = 0 bits 24, 1;
        SbdrSsdpNoSupport, set_SbdrSsdpNoSupport: u64 = 0 bits 25, 1;
        FbsdpNoSupport, set_FbsdpNoSupport: u64 = 0 bits 26, 1;
        PsdpNoSupport, set_PsdpNoSupport: u64 = 0 bits 27, 1;
        FbClearSupport, set_FbClearSupport: u64 = 0 bits 28, 1;
        BtcNoSupport, set_BtcNoSupport: u64 = 0 bits 29, 1;
        IbpbRsbFlushSupport, set_IbpbRsbFlushSupport: u64 = 0 bits 30, 1;
        StibpAlwaysOnSupport, set_StibpAlwaysOnSupport: u64 = 0 bits 31, 1;
        PerfGlobalCtrlSupport, set_PerfGlobalCtrlSupport: u64 = 0 bits 32, 1;
        NptExecuteOnlySupport, set_NptExecuteOnlySupport: u64 = 0 bits 33, 1;
        NptADFlagsSupport, set_NptADFlagsSupport: u64 = 0 bits 34, 1;
        Npt1GbPageSupport, set_Npt1GbPageSupport: u64 = 0 bits 35, 1;
        Reserved4, set_Reserved4: u64 = 0 bits 36, 1;
        Reserved5, set_Reserved5: u64 = 0 bits 37, 1;
        Reserved6, set_Reserved6: u64 = 0 bits 38, 1;
        Reserved7, set_Reserved7: u64 = 0 bits 39, 1;
        CmpccxaddSupport, set_CmpccxaddSupport: u64 = 0 bits 40, 1;
        Reserved8, set_Reserved8: u64 = 0 bits 41, 1;
        Reserved9, set_Reserved9: u64 = 0 bits 42, 1;
        Reserved10, set_Reserved10: u64 = 0 bits 43, 1;
        Reserved11, set_Reserved11: u64 = 0 bits 44, 1;
        PrefetchISupport, set_PrefetchISupport: u64 = 0 bits 45, 1;
        Sha512Support, set_Sha512Support: u64 = 0 bits 46, 1;
        Reserved12, set_Reserved12: u64 = 0 bits 47, 1;
        Reserved13, set_Reserved13: u64 = 0 bits 48, 1;
        Reserved14, set_Reserved14: u64 = 0 bits 49, 1;
        SM3Support, set_SM3Support: u64 = 0 bits 50, 1;
        SM4Support, set_SM4Support: u64 = 0 bits 51, 1;
        Reserved15, set_Reserved15: u64 = 0 bits 52, 1;
        Reserved16, set_Reserved16: u64 = 0 bits 53, 1;
        SbpbSupported, set_SbpbSupported: u64 = 0 bits 54, 1;
        IbpbBrTypeSupported, set_IbpbBrTypeSupported: u64 = 0 bits 55, 1;
        SrsoNoSupported, set_SrsoNoSupported: u64 = 0 bits 56, 1;
        SrsoUserKernelNoSupported, set_SrsoUserKernelNoSupported: u64 = 0 bits 57, 1;
        Reserved17, set_Reserved17: u64 = 0 bits 58, 1;
        Reserved18, set_Reserved18: u64 = 0 bits 59, 1;
        Reserved19, set_Reserved19: u64 = 0 bits 60, 1;
        Reserved20, set_Reserved20: u64 = 0 bits 61, 3;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

/// Processor features, bank 1, of this instruction set.
pub type WHV_PROCESSOR_FEATURES1 = WHV_X64_PROCESSOR_FEATURES1;

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
        AccessGuestIdleReg, set_AccessGuestIdleReg: u64 = 0 bits 10, 1;
        AccessFrequencyRegs, set_AccessFrequencyRegs: u64 = 0 bits 11, 1;
        ReservedZ12, set_ReservedZ12: u64 = 0 bits 12, 1;
        ReservedZ13, set_ReservedZ13: u64 = 0 bits 13, 1;
        ReservedZ14, set_ReservedZ14: u64 = 0 bits 14, 1;
        EnableExtendedGvaRangesForFlushVirtualAddressList, set_EnableExtendedGvaRangesForFlushVirtualAddressList: u64 = 0 bits 15, 1;
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
        RestoreTime, set_RestoreTime: u64 = 0 bits 31, 1;
        EnlightenedVmcs, set_EnlightenedVmcs: u64 = 0 bits 32, 1;
        NestedDebugCtl, set_NestedDebugCtl: u64 = 0 bits 33, 1;
        SyntheticTimeUnhaltedTimer, set_SyntheticTimeUnhaltedTimer: u64 = 0 bits 34, 1;
        IdleSpecCtrl, set_IdleSpecCtrl: u64 = 0 bits 35, 1;
        ReservedZ36, set_ReservedZ36: u64 = 0 bits 36, 1;
        WakeVps, set_WakeVps: u64 = 0 bits 37, 1;
        AccessVpRegs, set_AccessVpRegs: u64 = 0 bits 38, 1;
        ReservedZ39, set_ReservedZ39: u64 = 0 bits 39, 1;
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

block! {
    /// XSAVE features and the instruction sets that need them.
    pub struct WHV_PROCESSOR_XSAVE_FEATURES: 8 bytes, align 8 {
        XsaveSupport, set_XsaveSupport: u64 = 0 bits 0, 1;
        XsaveoptSupport, set_XsaveoptSupport: u64 = 0 bits 1, 1;
        AvxSupport, set_AvxSupport: u64 = 0 bits 2, 1;
        Avx2Support, set_Avx2Support: u64 = 0 bits 3, 1;
        FmaSupport, set_FmaSupport: u64 = 0 bits 4, 1;
        MpxSupport, set_MpxSupport: u64 = 0 bits 5, 1;
        Avx512Support, set_Avx512Support: u64 = 0 bits 6, 1;
        Avx512DQSupport, set_Avx512DQSupport: u64 = 0 bits 7, 1;
        Avx512CDSupport, set_Avx512CDSupport: u64 = 0 bits 8, 1;
        Avx512BWSupport, set_Avx512BWSupport: u64 = 0 bits 9, 1;
        Avx512VLSupport, set_Avx512VLSupport: u64 = 0 bits 10, 1;
        XsaveCompSupport, set_XsaveCompSupport: u64 = 0 bits 11, 1;
        XsaveSupervisorSupport, set_XsaveSupervisorSupport: u64 = 0 bits 12, 1;
        Xcr1Support, set_Xcr1Support: u64 = 0 bits 13, 1;
        Avx512BitalgSupport, set_Avx512BitalgSupport: u64 = 0 bits 14, 1;
        Avx512IfmaSupport, set_Avx512IfmaSupport: u64 = 0 bits 15, 1;
        Avx512VBmiSupport, set_Avx512VBmiSupport: u64 = 0 bits 16, 1;
        Avx512VBmi2Support, set_Avx512VBmi2Support: u64 = 0 bits 17, 1;
        Avx512VnniSupport, set_Avx512VnniSupport: u64 = 0 bits 18, 1;
        GfniSupport, set_GfniSupport: u64 = 0 bits 19, 1;
        VaesSupport, set_VaesSupport: u64 = 0 bits 20, 1;
        Avx512VPopcntdqSupport, set_Avx512VPopcntdqSupport: u64 = 0 bits 21, 1;
        VpclmulqdqSupport, set_VpclmulqdqSupport: u64 = 0 bits 22, 1;
        Avx512Bf16Support, set_Avx512Bf16Support: u64 = 0 bits 23, 1;
        Avx512Vp2IntersectSupport, set_Avx512Vp2IntersectSupport: u64 = 0 bits 24, 1;
        Avx512Fp16Support, set_Avx512Fp16Support: u64 = 0 bits 25, 1;
        XfdSupport, set_XfdSupport: u64 = 0 bits 26, 1;
        AmxTileSupport, set_AmxTileSupport: u64 = 0 bits 27, 1;
        AmxBf16Support, set_AmxBf16Support: u64 = 0 bits 28, 1;
        AmxInt8Support, set_AmxInt8Support: u64 = 0 bits 29, 1;
        AvxVnniSupport, set_AvxVnniSupport: u64 = 0 bits 30, 1;
        AvxIfmaSupport, set_AvxIfmaSupport: u64 = 0 bits 31, 1;
        AvxNeConvertSupport, set_AvxNeConvertSupport: u64 = 0 bits 32, 1;
        AvxVnniInt8Support, set_AvxVnniInt8Support: u64 = 0 bits 33, 1;
        AvxVnniInt16Support, set_AvxVnniInt16Support: u64 = 0 bits 34, 1;
        Avx10_1_256Support, set_Avx10_1_256Support: u64 = 0 bits 35, 1;
        Avx10_1_512Support, set_Avx10_1_512Support: u64 = 0 bits 36, 1;
        AmxFp16Support, set_AmxFp16Support: u64 = 0 bits 37, 1;
        Reserved, set_Reserved: u64 = 0 bits 38, 26;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

/// Pointer to [`WHV_PROCESSOR_XSAVE_FEATURES`].
pub type PWHV_PROCESSOR_XSAVE_FEATURES = *mut WHV_PROCESSOR_XSAVE_FEATURES;

block! {
    /// Performance-monitoring features.
    pub struct WHV_PROCESSOR_PERFMON_FEATURES: 8 bytes, align 8 {
        PmuSupport, set_PmuSupport: u64 = 0 bits 0, 1;
        LbrSupport, set_LbrSupport: u64 = 0 bits 1, 1;
        Reserved, set_Reserved: u64 = 0 bits 2, 62;
        AsUINT64, set_AsUINT64: u64 = 0;
    }
}

/// Pointer to [`WHV_PROCESSOR_PERFMON_FEATURES`].
pub type PWHV_PROCESSOR_PERFMON_FEATURES = *mut WHV_PROCESSOR_PERFMON_FEATURES;

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    WHV_X64_PROCESSOR_FEATURES::RECORD,
    Record::plain::<WHV_PROCESSOR_FEATURES>("WHV_PROCESSOR_FEATURES"),
    WHV_X64_PROCESSOR_FEATURES1::RECORD,
    Record::plain::<WHV_PROCESSOR_FEATURES1>("WHV_PROCESSOR_FEATURES1"),
    WHV_PROCESSOR_FEATURES_BANKS::RECORD,
    WHV_SYNTHETIC_PROCESSOR_FEATURES::RECORD,
    WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS::RECORD,
    WHV_PROCESSOR_XSAVE_FEATURES::RECORD,
    Record::plain::<PWHV_PROCESSOR_XSAVE_FEATURES>("PWHV_PROCESSOR_XSAVE_FEATURES"),
    WHV_PROCESSOR_PERFMON_FEATURES::RECORD,
    Record::plain::<PWHV_PROCESSOR_PERFMON_FEATURES>("PWHV_PROCESSOR_PERFMON_FEATURES"),
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[];
