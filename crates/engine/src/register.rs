//! Register names and values, numbered as the platform's interface numbers them.

use std::fmt;

/// The name of one virtual processor register: a number of the platform's register table.
///
/// Any number can be carried; whether a register of that name exists is decided where it is read or written.
///
/// # Source
/// WHP `WHV_REGISTER_NAME`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegisterName(pub u32);

/// Declares the constants and the table of names from one list.
macro_rules! registers {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl RegisterName {
            $(#[doc = concat!("`", $text, "`.")] pub const $name: Self = Self($value);)*

            /// The interface's own name of this register, if the number is in its x64 table.
            pub fn text(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }

            /// Every register of the x64 table, in ascending order of number.
            pub const ALL_X64: &'static [RegisterName] = &[$(Self::$name,)*];
        }
    };
}

registers! {
    // General registers, instruction pointer and flags.
    RAX = 0x0, "WHvX64RegisterRax";
    RCX = 0x1, "WHvX64RegisterRcx";
    RDX = 0x2, "WHvX64RegisterRdx";
    RBX = 0x3, "WHvX64RegisterRbx";
    RSP = 0x4, "WHvX64RegisterRsp";
    RBP = 0x5, "WHvX64RegisterRbp";
    RSI = 0x6, "WHvX64RegisterRsi";
    RDI = 0x7, "WHvX64RegisterRdi";
    R8 = 0x8, "WHvX64RegisterR8";
    R9 = 0x9, "WHvX64RegisterR9";
    R10 = 0xA, "WHvX64RegisterR10";
    R11 = 0xB, "WHvX64RegisterR11";
    R12 = 0xC, "WHvX64RegisterR12";
    R13 = 0xD, "WHvX64RegisterR13";
    R14 = 0xE, "WHvX64RegisterR14";
    R15 = 0xF, "WHvX64RegisterR15";
    RIP = 0x10, "WHvX64RegisterRip";
    RFLAGS = 0x11, "WHvX64RegisterRflags";
    // Segment and table registers.
    ES = 0x12, "WHvX64RegisterEs";
    CS = 0x13, "WHvX64RegisterCs";
    SS = 0x14, "WHvX64RegisterSs";
    DS = 0x15, "WHvX64RegisterDs";
    FS = 0x16, "WHvX64RegisterFs";
    GS = 0x17, "WHvX64RegisterGs";
    LDTR = 0x18, "WHvX64RegisterLdtr";
    TR = 0x19, "WHvX64RegisterTr";
    IDTR = 0x1A, "WHvX64RegisterIdtr";
    GDTR = 0x1B, "WHvX64RegisterGdtr";
    // Control and debug registers.
    CR0 = 0x1C, "WHvX64RegisterCr0";
    CR2 = 0x1D, "WHvX64RegisterCr2";
    CR3 = 0x1E, "WHvX64RegisterCr3";
    CR4 = 0x1F, "WHvX64RegisterCr4";
    CR8 = 0x20, "WHvX64RegisterCr8";
    DR0 = 0x21, "WHvX64RegisterDr0";
    DR1 = 0x22, "WHvX64RegisterDr1";
    DR2 = 0x23, "WHvX64RegisterDr2";
    DR3 = 0x24, "WHvX64RegisterDr3";
    DR6 = 0x25, "WHvX64RegisterDr6";
    DR7 = 0x26, "WHvX64RegisterDr7";
    XCR0 = 0x27, "WHvX64RegisterXCr0";
    VIRTUAL_CR0 = 0x28, "WHvX64RegisterVirtualCr0";
    VIRTUAL_CR3 = 0x29, "WHvX64RegisterVirtualCr3";
    VIRTUAL_CR4 = 0x2A, "WHvX64RegisterVirtualCr4";
    VIRTUAL_CR8 = 0x2B, "WHvX64RegisterVirtualCr8";
    // Vector and floating-point registers.
    XMM0 = 0x1000, "WHvX64RegisterXmm0";
    XMM1 = 0x1001, "WHvX64RegisterXmm1";
    XMM2 = 0x1002, "WHvX64RegisterXmm2";
    XMM3 = 0x1003, "WHvX64RegisterXmm3";
    XMM4 = 0x1004, "WHvX64RegisterXmm4";
    XMM5 = 0x1005, "WHvX64RegisterXmm5";
    XMM6 = 0x1006, "WHvX64RegisterXmm6";
    XMM7 = 0x1007, "WHvX64RegisterXmm7";
    XMM8 = 0x1008, "WHvX64RegisterXmm8";
    XMM9 = 0x1009, "WHvX64RegisterXmm9";
    XMM10 = 0x100A, "WHvX64RegisterXmm10";
    XMM11 = 0x100B, "WHvX64RegisterXmm11";
    XMM12 = 0x100C, "WHvX64RegisterXmm12";
    XMM13 = 0x100D, "WHvX64RegisterXmm13";
    XMM14 = 0x100E, "WHvX64RegisterXmm14";
    XMM15 = 0x100F, "WHvX64RegisterXmm15";
    FP_MMX0 = 0x1010, "WHvX64RegisterFpMmx0";
    FP_MMX1 = 0x1011, "WHvX64RegisterFpMmx1";
    FP_MMX2 = 0x1012, "WHvX64RegisterFpMmx2";
    FP_MMX3 = 0x1013, "WHvX64RegisterFpMmx3";
    FP_MMX4 = 0x1014, "WHvX64RegisterFpMmx4";
    FP_MMX5 = 0x1015, "WHvX64RegisterFpMmx5";
    FP_MMX6 = 0x1016, "WHvX64RegisterFpMmx6";
    FP_MMX7 = 0x1017, "WHvX64RegisterFpMmx7";
    FP_CONTROL_STATUS = 0x1018, "WHvX64RegisterFpControlStatus";
    XMM_CONTROL_STATUS = 0x1019, "WHvX64RegisterXmmControlStatus";
    // Registers behind model-specific registers.
    TSC = 0x2000, "WHvX64RegisterTsc";
    EFER = 0x2001, "WHvX64RegisterEfer";
    KERNEL_GS_BASE = 0x2002, "WHvX64RegisterKernelGsBase";
    APIC_BASE = 0x2003, "WHvX64RegisterApicBase";
    PAT = 0x2004, "WHvX64RegisterPat";
    SYSENTER_CS = 0x2005, "WHvX64RegisterSysenterCs";
    SYSENTER_EIP = 0x2006, "WHvX64RegisterSysenterEip";
    SYSENTER_ESP = 0x2007, "WHvX64RegisterSysenterEsp";
    STAR = 0x2008, "WHvX64RegisterStar";
    LSTAR = 0x2009, "WHvX64RegisterLstar";
    CSTAR = 0x200A, "WHvX64RegisterCstar";
    SFMASK = 0x200B, "WHvX64RegisterSfmask";
    INITIAL_APIC_ID = 0x200C, "WHvX64RegisterInitialApicId";
    // Memory type ranges.
    MTRR_CAP = 0x200D, "WHvX64RegisterMsrMtrrCap";
    MTRR_DEF_TYPE = 0x200E, "WHvX64RegisterMsrMtrrDefType";
    MTRR_PHYS_BASE_0 = 0x2010, "WHvX64RegisterMsrMtrrPhysBase0";
    MTRR_PHYS_BASE_1 = 0x2011, "WHvX64RegisterMsrMtrrPhysBase1";
    MTRR_PHYS_BASE_2 = 0x2012, "WHvX64RegisterMsrMtrrPhysBase2";
    MTRR_PHYS_BASE_3 = 0x2013, "WHvX64RegisterMsrMtrrPhysBase3";
    MTRR_PHYS_BASE_4 = 0x2014, "WHvX64RegisterMsrMtrrPhysBase4";
    MTRR_PHYS_BASE_5 = 0x2015, "WHvX64RegisterMsrMtrrPhysBase5";
    MTRR_PHYS_BASE_6 = 0x2016, "WHvX64RegisterMsrMtrrPhysBase6";
    MTRR_PHYS_BASE_7 = 0x2017, "WHvX64RegisterMsrMtrrPhysBase7";
    MTRR_PHYS_BASE_8 = 0x2018, "WHvX64RegisterMsrMtrrPhysBase8";
    MTRR_PHYS_BASE_9 = 0x2019, "WHvX64RegisterMsrMtrrPhysBase9";
    MTRR_PHYS_BASE_A = 0x201A, "WHvX64RegisterMsrMtrrPhysBaseA";
    MTRR_PHYS_BASE_B = 0x201B, "WHvX64RegisterMsrMtrrPhysBaseB";
    MTRR_PHYS_BASE_C = 0x201C, "WHvX64RegisterMsrMtrrPhysBaseC";
    MTRR_PHYS_BASE_D = 0x201D, "WHvX64RegisterMsrMtrrPhysBaseD";
    MTRR_PHYS_BASE_E = 0x201E, "WHvX64RegisterMsrMtrrPhysBaseE";
    MTRR_PHYS_BASE_F = 0x201F, "WHvX64RegisterMsrMtrrPhysBaseF";
    MTRR_PHYS_MASK_0 = 0x2040, "WHvX64RegisterMsrMtrrPhysMask0";
    MTRR_PHYS_MASK_1 = 0x2041, "WHvX64RegisterMsrMtrrPhysMask1";
    MTRR_PHYS_MASK_2 = 0x2042, "WHvX64RegisterMsrMtrrPhysMask2";
    MTRR_PHYS_MASK_3 = 0x2043, "WHvX64RegisterMsrMtrrPhysMask3";
    MTRR_PHYS_MASK_4 = 0x2044, "WHvX64RegisterMsrMtrrPhysMask4";
    MTRR_PHYS_MASK_5 = 0x2045, "WHvX64RegisterMsrMtrrPhysMask5";
    MTRR_PHYS_MASK_6 = 0x2046, "WHvX64RegisterMsrMtrrPhysMask6";
    MTRR_PHYS_MASK_7 = 0x2047, "WHvX64RegisterMsrMtrrPhysMask7";
    MTRR_PHYS_MASK_8 = 0x2048, "WHvX64RegisterMsrMtrrPhysMask8";
    MTRR_PHYS_MASK_9 = 0x2049, "WHvX64RegisterMsrMtrrPhysMask9";
    MTRR_PHYS_MASK_A = 0x204A, "WHvX64RegisterMsrMtrrPhysMaskA";
    MTRR_PHYS_MASK_B = 0x204B, "WHvX64RegisterMsrMtrrPhysMaskB";
    MTRR_PHYS_MASK_C = 0x204C, "WHvX64RegisterMsrMtrrPhysMaskC";
    MTRR_PHYS_MASK_D = 0x204D, "WHvX64RegisterMsrMtrrPhysMaskD";
    MTRR_PHYS_MASK_E = 0x204E, "WHvX64RegisterMsrMtrrPhysMaskE";
    MTRR_PHYS_MASK_F = 0x204F, "WHvX64RegisterMsrMtrrPhysMaskF";
    MTRR_FIX64K00000 = 0x2070, "WHvX64RegisterMsrMtrrFix64k00000";
    MTRR_FIX16K80000 = 0x2071, "WHvX64RegisterMsrMtrrFix16k80000";
    MTRR_FIX16KA0000 = 0x2072, "WHvX64RegisterMsrMtrrFix16kA0000";
    MTRR_FIX4KC0000 = 0x2073, "WHvX64RegisterMsrMtrrFix4kC0000";
    MTRR_FIX4KC8000 = 0x2074, "WHvX64RegisterMsrMtrrFix4kC8000";
    MTRR_FIX4KD0000 = 0x2075, "WHvX64RegisterMsrMtrrFix4kD0000";
    MTRR_FIX4KD8000 = 0x2076, "WHvX64RegisterMsrMtrrFix4kD8000";
    MTRR_FIX4KE0000 = 0x2077, "WHvX64RegisterMsrMtrrFix4kE0000";
    MTRR_FIX4KE8000 = 0x2078, "WHvX64RegisterMsrMtrrFix4kE8000";
    MTRR_FIX4KF0000 = 0x2079, "WHvX64RegisterMsrMtrrFix4kF0000";
    MTRR_FIX4KF8000 = 0x207A, "WHvX64RegisterMsrMtrrFix4kF8000";
    // Feature-dependent model-specific registers.
    TSC_AUX = 0x207B, "WHvX64RegisterTscAux";
    BNDCFGS = 0x207C, "WHvX64RegisterBndcfgs";
    MCOUNT = 0x207E, "WHvX64RegisterMCount";
    ACOUNT = 0x207F, "WHvX64RegisterACount";
    SPEC_CTRL = 0x2084, "WHvX64RegisterSpecCtrl";
    PRED_CMD = 0x2085, "WHvX64RegisterPredCmd";
    TSC_VIRTUAL_OFFSET = 0x2087, "WHvX64RegisterTscVirtualOffset";
    TSX_CTRL = 0x2088, "WHvX64RegisterTsxCtrl";
    XSS = 0x208B, "WHvX64RegisterXss";
    U_CET = 0x208C, "WHvX64RegisterUCet";
    S_CET = 0x208D, "WHvX64RegisterSCet";
    SSP = 0x208E, "WHvX64RegisterSsp";
    PL0_SSP = 0x208F, "WHvX64RegisterPl0Ssp";
    PL1_SSP = 0x2090, "WHvX64RegisterPl1Ssp";
    PL2_SSP = 0x2091, "WHvX64RegisterPl2Ssp";
    PL3_SSP = 0x2092, "WHvX64RegisterPl3Ssp";
    INTERRUPT_SSP_TABLE_ADDR = 0x2093, "WHvX64RegisterInterruptSspTableAddr";
    TSC_DEADLINE = 0x2095, "WHvX64RegisterTscDeadline";
    TSC_ADJUST = 0x2096, "WHvX64RegisterTscAdjust";
    UMWAIT_CONTROL = 0x2098, "WHvX64RegisterUmwaitControl";
    XFD = 0x2099, "WHvX64RegisterXfd";
    XFD_ERR = 0x209A, "WHvX64RegisterXfdErr";
    // Virtualization capabilities.
    MISC_ENABLE = 0x20A0, "WHvX64RegisterMsrIa32MiscEnable";
    FEATURE_CONTROL = 0x20A1, "WHvX64RegisterIa32FeatureControl";
    VMX_BASIC = 0x20A2, "WHvX64RegisterIa32VmxBasic";
    VMX_PINBASED_CTLS = 0x20A3, "WHvX64RegisterIa32VmxPinbasedCtls";
    VMX_PROCBASED_CTLS = 0x20A4, "WHvX64RegisterIa32VmxProcbasedCtls";
    VMX_EXIT_CTLS = 0x20A5, "WHvX64RegisterIa32VmxExitCtls";
    VMX_ENTRY_CTLS = 0x20A6, "WHvX64RegisterIa32VmxEntryCtls";
    VMX_MISC = 0x20A7, "WHvX64RegisterIa32VmxMisc";
    VMX_CR0_FIXED0 = 0x20A8, "WHvX64RegisterIa32VmxCr0Fixed0";
    VMX_CR0_FIXED1 = 0x20A9, "WHvX64RegisterIa32VmxCr0Fixed1";
    VMX_CR4_FIXED0 = 0x20AA, "WHvX64RegisterIa32VmxCr4Fixed0";
    VMX_CR4_FIXED1 = 0x20AB, "WHvX64RegisterIa32VmxCr4Fixed1";
    VMX_VMCS_ENUM = 0x20AC, "WHvX64RegisterIa32VmxVmcsEnum";
    VMX_PROCBASED_CTLS2 = 0x20AD, "WHvX64RegisterIa32VmxProcbasedCtls2";
    VMX_EPT_VPID_CAP = 0x20AE, "WHvX64RegisterIa32VmxEptVpidCap";
    VMX_TRUE_PINBASED_CTLS = 0x20AF, "WHvX64RegisterIa32VmxTruePinbasedCtls";
    VMX_TRUE_PROCBASED_CTLS = 0x20B0, "WHvX64RegisterIa32VmxTrueProcbasedCtls";
    VMX_TRUE_EXIT_CTLS = 0x20B1, "WHvX64RegisterIa32VmxTrueExitCtls";
    VMX_TRUE_ENTRY_CTLS = 0x20B2, "WHvX64RegisterIa32VmxTrueEntryCtls";
    AMD_VM_HSAVE_PA = 0x20B3, "WHvX64RegisterAmdVmHsavePa";
    AMD_VM_CR = 0x20B4, "WHvX64RegisterAmdVmCr";
    // Local APIC.
    APIC_ID = 0x3002, "WHvX64RegisterApicId";
    APIC_VERSION = 0x3003, "WHvX64RegisterApicVersion";
    APIC_TPR = 0x3008, "WHvX64RegisterApicTpr";
    APIC_PPR = 0x300A, "WHvX64RegisterApicPpr";
    APIC_EOI = 0x300B, "WHvX64RegisterApicEoi";
    APIC_LDR = 0x300D, "WHvX64RegisterApicLdr";
    APIC_SPURIOUS = 0x300F, "WHvX64RegisterApicSpurious";
    APIC_ISR0 = 0x3010, "WHvX64RegisterApicIsr0";
    APIC_ISR1 = 0x3011, "WHvX64RegisterApicIsr1";
    APIC_ISR2 = 0x3012, "WHvX64RegisterApicIsr2";
    APIC_ISR3 = 0x3013, "WHvX64RegisterApicIsr3";
    APIC_ISR4 = 0x3014, "WHvX64RegisterApicIsr4";
    APIC_ISR5 = 0x3015, "WHvX64RegisterApicIsr5";
    APIC_ISR6 = 0x3016, "WHvX64RegisterApicIsr6";
    APIC_ISR7 = 0x3017, "WHvX64RegisterApicIsr7";
    APIC_TMR0 = 0x3018, "WHvX64RegisterApicTmr0";
    APIC_TMR1 = 0x3019, "WHvX64RegisterApicTmr1";
    APIC_TMR2 = 0x301A, "WHvX64RegisterApicTmr2";
    APIC_TMR3 = 0x301B, "WHvX64RegisterApicTmr3";
    APIC_TMR4 = 0x301C, "WHvX64RegisterApicTmr4";
    APIC_TMR5 = 0x301D, "WHvX64RegisterApicTmr5";
    APIC_TMR6 = 0x301E, "WHvX64RegisterApicTmr6";
    APIC_TMR7 = 0x301F, "WHvX64RegisterApicTmr7";
    APIC_IRR0 = 0x3020, "WHvX64RegisterApicIrr0";
    APIC_IRR1 = 0x3021, "WHvX64RegisterApicIrr1";
    APIC_IRR2 = 0x3022, "WHvX64RegisterApicIrr2";
    APIC_IRR3 = 0x3023, "WHvX64RegisterApicIrr3";
    APIC_IRR4 = 0x3024, "WHvX64RegisterApicIrr4";
    APIC_IRR5 = 0x3025, "WHvX64RegisterApicIrr5";
    APIC_IRR6 = 0x3026, "WHvX64RegisterApicIrr6";
    APIC_IRR7 = 0x3027, "WHvX64RegisterApicIrr7";
    APIC_ESE = 0x3028, "WHvX64RegisterApicEse";
    APIC_ICR = 0x3030, "WHvX64RegisterApicIcr";
    APIC_LVT_TIMER = 0x3032, "WHvX64RegisterApicLvtTimer";
    APIC_LVT_THERMAL = 0x3033, "WHvX64RegisterApicLvtThermal";
    APIC_LVT_PERFMON = 0x3034, "WHvX64RegisterApicLvtPerfmon";
    APIC_LVT_LINT0 = 0x3035, "WHvX64RegisterApicLvtLint0";
    APIC_LVT_LINT1 = 0x3036, "WHvX64RegisterApicLvtLint1";
    APIC_LVT_ERROR = 0x3037, "WHvX64RegisterApicLvtError";
    APIC_INIT_COUNT = 0x3038, "WHvX64RegisterApicInitCount";
    APIC_CURRENT_COUNT = 0x3039, "WHvX64RegisterApicCurrentCount";
    APIC_DIVIDE = 0x303E, "WHvX64RegisterApicDivide";
    APIC_SELF_IPI = 0x303F, "WHvX64RegisterApicSelfIpi";
    // Synthetic interrupt controller.
    SINT0 = 0x4000, "WHvRegisterSint0";
    SINT1 = 0x4001, "WHvRegisterSint1";
    SINT2 = 0x4002, "WHvRegisterSint2";
    SINT3 = 0x4003, "WHvRegisterSint3";
    SINT4 = 0x4004, "WHvRegisterSint4";
    SINT5 = 0x4005, "WHvRegisterSint5";
    SINT6 = 0x4006, "WHvRegisterSint6";
    SINT7 = 0x4007, "WHvRegisterSint7";
    SINT8 = 0x4008, "WHvRegisterSint8";
    SINT9 = 0x4009, "WHvRegisterSint9";
    SINT10 = 0x400A, "WHvRegisterSint10";
    SINT11 = 0x400B, "WHvRegisterSint11";
    SINT12 = 0x400C, "WHvRegisterSint12";
    SINT13 = 0x400D, "WHvRegisterSint13";
    SINT14 = 0x400E, "WHvRegisterSint14";
    SINT15 = 0x400F, "WHvRegisterSint15";
    SCONTROL = 0x4010, "WHvRegisterScontrol";
    SVERSION = 0x4011, "WHvRegisterSversion";
    SIEFP = 0x4012, "WHvRegisterSiefp";
    SIMP = 0x4013, "WHvRegisterSimp";
    EOM = 0x4014, "WHvRegisterEom";
    // Hypervisor and nested state.
    VP_RUNTIME = 0x5000, "WHvRegisterVpRuntime";
    HYPERCALL = 0x5001, "WHvX64RegisterHypercall";
    GUEST_OS_ID = 0x5002, "WHvRegisterGuestOsId";
    VP_ASSIST_PAGE = 0x5013, "WHvRegisterVpAssistPage";
    REFERENCE_TSC = 0x5017, "WHvRegisterReferenceTsc";
    REFERENCE_TSC_SEQUENCE = 0x501A, "WHvRegisterReferenceTscSequence";
    NESTED_GUEST_STATE = 0x5050, "WHvX64RegisterNestedGuestState";
    NESTED_CURRENT_VM_GPA = 0x5051, "WHvX64RegisterNestedCurrentVmGpa";
    NESTED_VMX_INV_EPT = 0x5052, "WHvX64RegisterNestedVmxInvEpt";
    NESTED_VMX_INV_VPID = 0x5053, "WHvX64RegisterNestedVmxInvVpid";
    // Events and activity.
    PENDING_INTERRUPTION = 0x80000000, "WHvRegisterPendingInterruption";
    INTERRUPT_STATE = 0x80000001, "WHvRegisterInterruptState";
    PENDING_EVENT = 0x80000002, "WHvRegisterPendingEvent";
    PENDING_EVENT1 = 0x80000003, "WHvRegisterPendingEvent1";
    DELIVERABILITY_NOTIFICATIONS = 0x80000004, "WHvX64RegisterDeliverabilityNotifications";
    INTERNAL_ACTIVITY_STATE = 0x80000005, "WHvRegisterInternalActivityState";
    PENDING_DEBUG_EXCEPTION = 0x80000006, "WHvX64RegisterPendingDebugException";
    PENDING_EVENT2 = 0x80000007, "WHvRegisterPendingEvent2";
    PENDING_EVENT3 = 0x80000008, "WHvRegisterPendingEvent3";
}

impl RegisterName {
    /// General register `index` (0 RAX, 1 RCX, 2 RDX, 3 RBX, 4 RSP .. 15 R15); the index is taken modulo 16.
    pub const fn gpr(index: u32) -> Self {
        Self(index & 15)
    }

    /// XMM register `index`, modulo 16.
    pub const fn xmm(index: u32) -> Self {
        Self(0x1000 + (index & 15))
    }
}

/// Registers that the platform's interface has no name for, under numbers of our own. They are parts of the
/// processor's XSAVE state, so a partition whose processors lack the state component does not know their names.
impl RegisterName {
    const VECTOR_PARTS: u32 = 0x4F57_0000;
    const OPMASKS: u32 = 0x4F57_0400;

    /// PKRU.
    pub const PKRU: Self = Self(0x4F57_0500);

    /// The 128 bits from bit `128 * part` on of vector register `register`: parts 1 to 3 of ZMM0 to ZMM15 (part 0 is
    /// the XMM register), parts 0 to 3 of ZMM16 to ZMM31.
    pub const fn vector_part(register: u32, part: u32) -> Self {
        Self(Self::VECTOR_PARTS | (register & 31) << 4 | part & 3)
    }

    /// Opmask register `index`, modulo 8.
    pub const fn opmask(index: u32) -> Self {
        Self(Self::OPMASKS | index & 7)
    }

    /// Register and part, if this is a [`RegisterName::vector_part`].
    pub const fn as_vector_part(self) -> Option<(u32, u32)> {
        let offset = self.0.wrapping_sub(Self::VECTOR_PARTS);
        let (register, part) = (offset >> 4, offset & 15);
        if register < 32 && part < 4 && !(register < 16 && part == 0) { Some((register, part)) } else { None }
    }

    /// The index, if this is a [`RegisterName::opmask`].
    pub const fn as_opmask(self) -> Option<u32> {
        let index = self.0.wrapping_sub(Self::OPMASKS);
        if index < 8 { Some(index) } else { None }
    }
}

impl fmt::Debug for RegisterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => f.write_str(text),
            None => write!(f, "RegisterName({:#x})", self.0),
        }
    }
}

impl fmt::Display for RegisterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The 16 bytes of a register, as a little-endian number.
///
/// Narrower registers use the low bytes; reading zero-fills the rest and writing ignores it.
///
/// # Source
/// WHP `WHV_REGISTER_VALUE`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RegisterValue(pub u128);

impl RegisterValue {
    /// A 64-bit register.
    #[inline]
    pub const fn from_u64(value: u64) -> Self {
        Self(value as u128)
    }

    /// The low 64 bits.
    #[inline]
    pub const fn low(self) -> u64 {
        self.0 as u64
    }

    /// The high 64 bits.
    #[inline]
    pub const fn high(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// Puts two halves together.
    #[inline]
    pub const fn from_halves(low: u64, high: u64) -> Self {
        Self((high as u128) << 64 | low as u128)
    }

    /// The value as a segment register.
    #[inline]
    pub const fn segment(self) -> SegmentRegister {
        let high = self.high();
        SegmentRegister {
            base: self.low(),
            limit: high as u32,
            selector: (high >> 32) as u16,
            attributes: (high >> 48) as u16,
        }
    }

    /// The value as a descriptor table register.
    #[inline]
    pub const fn table(self) -> TableRegister {
        TableRegister { limit: (self.low() >> 48) as u16, base: self.high() }
    }
}

impl From<u64> for RegisterValue {
    #[inline]
    fn from(value: u64) -> Self {
        Self::from_u64(value)
    }
}

impl From<SegmentRegister> for RegisterValue {
    fn from(value: SegmentRegister) -> Self {
        let high =
            u64::from(value.limit) | u64::from(value.selector) << 32 | u64::from(value.attributes) << 48;
        Self::from_halves(value.base, high)
    }
}

impl From<TableRegister> for RegisterValue {
    fn from(value: TableRegister) -> Self {
        Self::from_halves(u64::from(value.limit) << 48, value.base)
    }
}

impl fmt::Debug for RegisterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A segment register with its hidden part.
///
/// `attributes`: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15; the limit is in bytes, already
/// expanded by the granularity.
///
/// # Source
/// WHP `WHV_X64_SEGMENT_REGISTER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SegmentRegister {
    /// Linear base address.
    pub base: u64,
    /// Highest valid offset in bytes (lowest minus one for expand-down segments).
    pub limit: u32,
    /// The visible selector.
    pub selector: u16,
    /// Access rights, packed as in the type's description.
    pub attributes: u16,
}

/// A descriptor table register (GDTR or IDTR).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct TableRegister {
    /// Linear base address.
    pub base: u64,
    /// Size of the table in bytes minus one.
    pub limit: u16,
}
