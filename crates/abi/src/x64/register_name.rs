//! Register names.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::enumeration;

enumeration! {
    /// Name of a virtual-processor register.
    pub struct WHV_REGISTER_NAME {
        /// 64 bits in `Reg64`.
        WHvX64RegisterRax = 0,
        /// 64 bits in `Reg64`.
        WHvX64RegisterRcx = 1,
        /// 64 bits in `Reg64`.
        WHvX64RegisterRdx = 2,
        /// 64 bits in `Reg64`.
        WHvX64RegisterRbx = 3,
        /// 64 bits in `Reg64`.
        WHvX64RegisterRsp = 4,
        /// 64 bits in `Reg64`.
        WHvX64RegisterRbp = 5,
        /// 64 bits in `Reg64`.
        WHvX64RegisterRsi = 6,
        /// 64 bits in `Reg64`.
        WHvX64RegisterRdi = 7,
        /// 64 bits in `Reg64`.
        WHvX64RegisterR8 = 8,
        /// 64 bits in `Reg64`.
        WHvX64RegisterR9 = 9,
        /// 64 bits in `Reg64`.
        WHvX64RegisterR10 = 0xA,
        /// 64 bits in `Reg64`.
        WHvX64RegisterR11 = 0xB,
        /// 64 bits in `Reg64`.
        WHvX64RegisterR12 = 0xC,
        /// 64 bits in `Reg64`.
        WHvX64RegisterR13 = 0xD,
        /// 64 bits in `Reg64`.
        WHvX64RegisterR14 = 0xE,
        /// 64 bits in `Reg64`.
        WHvX64RegisterR15 = 0xF,
        /// 64 bits in `Reg64`.
        WHvX64RegisterRip = 0x10,
        /// 64 bits in `Reg64`.
        WHvX64RegisterRflags = 0x11,
        /// 128 bits in `Segment`.
        WHvX64RegisterEs = 0x12,
        /// 128 bits in `Segment`.
        WHvX64RegisterCs = 0x13,
        /// 128 bits in `Segment`.
        WHvX64RegisterSs = 0x14,
        /// 128 bits in `Segment`.
        WHvX64RegisterDs = 0x15,
        /// 128 bits in `Segment`.
        WHvX64RegisterFs = 0x16,
        /// 128 bits in `Segment`.
        WHvX64RegisterGs = 0x17,
        /// 128 bits in `Segment`.
        WHvX64RegisterLdtr = 0x18,
        /// 128 bits in `Segment`.
        WHvX64RegisterTr = 0x19,
        /// 128 bits in `Table`; bytes 0-5 padding; 16-bit limit; 64-bit base.
        WHvX64RegisterIdtr = 0x1A,
        /// 128 bits in `Table`; bytes 0-5 padding; 16-bit limit; 64-bit base.
        WHvX64RegisterGdtr = 0x1B,
        /// 64 bits in `Reg64`.
        WHvX64RegisterCr0 = 0x1C,
        /// 64 bits in `Reg64`.
        WHvX64RegisterCr2 = 0x1D,
        /// 64 bits in `Reg64`.
        WHvX64RegisterCr3 = 0x1E,
        /// 64 bits in `Reg64`.
        WHvX64RegisterCr4 = 0x1F,
        /// 64 bits in `Reg64`; bits 3:0 significant; same storage as APIC TPR(7:4).
        WHvX64RegisterCr8 = 0x20,
        /// 64 bits in `Reg64`.
        WHvX64RegisterDr0 = 0x21,
        /// 64 bits in `Reg64`.
        WHvX64RegisterDr1 = 0x22,
        /// 64 bits in `Reg64`.
        WHvX64RegisterDr2 = 0x23,
        /// 64 bits in `Reg64`.
        WHvX64RegisterDr3 = 0x24,
        /// 64 bits in `Reg64`.
        WHvX64RegisterDr6 = 0x25,
        /// 64 bits in `Reg64`.
        WHvX64RegisterDr7 = 0x26,
        /// 64 bits in `Reg64`; XCR0.
        WHvX64RegisterXCr0 = 0x27,
        /// 64 bits in `Reg64`, read-only; guest-visible control register value.
        WHvX64RegisterVirtualCr0 = 0x28,
        /// 64 bits in `Reg64`, read-only; guest-visible control register value.
        WHvX64RegisterVirtualCr3 = 0x29,
        /// 64 bits in `Reg64`, read-only; guest-visible control register value.
        WHvX64RegisterVirtualCr4 = 0x2A,
        /// 64 bits in `Reg64`, read-only; guest-visible control register value.
        WHvX64RegisterVirtualCr8 = 0x2B,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm0 = 0x1000,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm1 = 0x1001,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm2 = 0x1002,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm3 = 0x1003,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm4 = 0x1004,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm5 = 0x1005,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm6 = 0x1006,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm7 = 0x1007,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm8 = 0x1008,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm9 = 0x1009,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm10 = 0x100A,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm11 = 0x100B,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm12 = 0x100C,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm13 = 0x100D,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm14 = 0x100E,
        /// 128 bits in `Reg128`.
        WHvX64RegisterXmm15 = 0x100F,
        /// 128 bits in `Fp`; 80 significant bits.
        WHvX64RegisterFpMmx0 = 0x1010,
        /// 128 bits in `Fp`; 80 significant bits.
        WHvX64RegisterFpMmx1 = 0x1011,
        /// 128 bits in `Fp`; 80 significant bits.
        WHvX64RegisterFpMmx2 = 0x1012,
        /// 128 bits in `Fp`; 80 significant bits.
        WHvX64RegisterFpMmx3 = 0x1013,
        /// 128 bits in `Fp`; 80 significant bits.
        WHvX64RegisterFpMmx4 = 0x1014,
        /// 128 bits in `Fp`; 80 significant bits.
        WHvX64RegisterFpMmx5 = 0x1015,
        /// 128 bits in `Fp`; 80 significant bits.
        WHvX64RegisterFpMmx6 = 0x1016,
        /// 128 bits in `Fp`; 80 significant bits.
        WHvX64RegisterFpMmx7 = 0x1017,
        /// 128 bits in `FpControlStatus`.
        WHvX64RegisterFpControlStatus = 0x1018,
        /// 128 bits in `XmmControlStatus`.
        WHvX64RegisterXmmControlStatus = 0x1019,
        /// 64 bits in `Reg64`.
        WHvX64RegisterTsc = 0x2000,
        /// 64 bits in `Reg64`.
        WHvX64RegisterEfer = 0x2001,
        /// 64 bits in `Reg64`.
        WHvX64RegisterKernelGsBase = 0x2002,
        /// 64 bits in `Reg64`.
        WHvX64RegisterApicBase = 0x2003,
        /// 64 bits in `Reg64`.
        WHvX64RegisterPat = 0x2004,
        /// 64 bits in `Reg64`.
        WHvX64RegisterSysenterCs = 0x2005,
        /// 64 bits in `Reg64`.
        WHvX64RegisterSysenterEip = 0x2006,
        /// 64 bits in `Reg64`.
        WHvX64RegisterSysenterEsp = 0x2007,
        /// 64 bits in `Reg64`.
        WHvX64RegisterStar = 0x2008,
        /// 64 bits in `Reg64`.
        WHvX64RegisterLstar = 0x2009,
        /// 64 bits in `Reg64`.
        WHvX64RegisterCstar = 0x200A,
        /// 64 bits in `Reg64`.
        WHvX64RegisterSfmask = 0x200B,
        /// 64 bits in `Reg64`; initial APIC ID reported by CPUID leaf 1.
        WHvX64RegisterInitialApicId = 0x200C,
        /// 64 bits in `Reg64`, read-only.
        WHvX64RegisterMsrMtrrCap = 0x200D,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrDefType = 0x200E,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBase0 = 0x2010,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBase1 = 0x2011,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBase2 = 0x2012,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBase3 = 0x2013,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBase4 = 0x2014,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBase5 = 0x2015,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBase6 = 0x2016,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBase7 = 0x2017,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBase8 = 0x2018,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBase9 = 0x2019,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBaseA = 0x201A,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBaseB = 0x201B,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBaseC = 0x201C,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBaseD = 0x201D,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBaseE = 0x201E,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysBaseF = 0x201F,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMask0 = 0x2040,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMask1 = 0x2041,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMask2 = 0x2042,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMask3 = 0x2043,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMask4 = 0x2044,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMask5 = 0x2045,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMask6 = 0x2046,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMask7 = 0x2047,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMask8 = 0x2048,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMask9 = 0x2049,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMaskA = 0x204A,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMaskB = 0x204B,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMaskC = 0x204C,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMaskD = 0x204D,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMaskE = 0x204E,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrPhysMaskF = 0x204F,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrFix64k00000 = 0x2070,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrFix16k80000 = 0x2071,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrFix16kA0000 = 0x2072,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrFix4kC0000 = 0x2073,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrFix4kC8000 = 0x2074,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrFix4kD0000 = 0x2075,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrFix4kD8000 = 0x2076,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrFix4kE0000 = 0x2077,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrFix4kE8000 = 0x2078,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrFix4kF0000 = 0x2079,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrMtrrFix4kF8000 = 0x207A,
        /// 64 bits in `Reg64`.
        WHvX64RegisterTscAux = 0x207B,
        /// 64 bits in `Reg64`.
        WHvX64RegisterBndcfgs = 0x207C,
        /// 64 bits in `Reg64`; MPERF/APERF (virtualized only with ACountMCountSupport).
        WHvX64RegisterMCount = 0x207E,
        /// 64 bits in `Reg64`; MPERF/APERF (virtualized only with ACountMCountSupport).
        WHvX64RegisterACount = 0x207F,
        /// 64 bits in `Reg64`.
        WHvX64RegisterSpecCtrl = 0x2084,
        /// 64 bits in `Reg64`, write-only.
        WHvX64RegisterPredCmd = 0x2085,
        /// 64 bits in `Reg64`; per-VP TSC offset (signed, added to host TSC).
        WHvX64RegisterTscVirtualOffset = 0x2087,
        /// 64 bits in `Reg64`.
        WHvX64RegisterTsxCtrl = 0x2088,
        /// 64 bits in `Reg64`.
        WHvX64RegisterXss = 0x208B,
        /// 64 bits in `Reg64`.
        WHvX64RegisterUCet = 0x208C,
        /// 64 bits in `Reg64`.
        WHvX64RegisterSCet = 0x208D,
        /// 64 bits in `Reg64`; current shadow-stack pointer.
        WHvX64RegisterSsp = 0x208E,
        /// 64 bits in `Reg64`.
        WHvX64RegisterPl0Ssp = 0x208F,
        /// 64 bits in `Reg64`.
        WHvX64RegisterPl1Ssp = 0x2090,
        /// 64 bits in `Reg64`.
        WHvX64RegisterPl2Ssp = 0x2091,
        /// 64 bits in `Reg64`.
        WHvX64RegisterPl3Ssp = 0x2092,
        /// 64 bits in `Reg64`.
        WHvX64RegisterInterruptSspTableAddr = 0x2093,
        /// 64 bits in `Reg64`.
        WHvX64RegisterTscDeadline = 0x2095,
        /// 64 bits in `Reg64`.
        WHvX64RegisterTscAdjust = 0x2096,
        /// 64 bits in `Reg64`.
        WHvX64RegisterUmwaitControl = 0x2098,
        /// 64 bits in `Reg64`.
        WHvX64RegisterXfd = 0x2099,
        /// 64 bits in `Reg64`.
        WHvX64RegisterXfdErr = 0x209A,
        /// 64 bits in `Reg64`.
        WHvX64RegisterMsrIa32MiscEnable = 0x20A0,
        /// 64 bits in `Reg64`.
        WHvX64RegisterIa32FeatureControl = 0x20A1,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxBasic = 0x20A2,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxPinbasedCtls = 0x20A3,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxProcbasedCtls = 0x20A4,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxExitCtls = 0x20A5,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxEntryCtls = 0x20A6,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxMisc = 0x20A7,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxCr0Fixed0 = 0x20A8,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxCr0Fixed1 = 0x20A9,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxCr4Fixed0 = 0x20AA,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxCr4Fixed1 = 0x20AB,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxVmcsEnum = 0x20AC,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxProcbasedCtls2 = 0x20AD,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxEptVpidCap = 0x20AE,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxTruePinbasedCtls = 0x20AF,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxTrueProcbasedCtls = 0x20B0,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxTrueExitCtls = 0x20B1,
        /// 64 bits in `Reg64`, read-only; nested virtualization capability MSR.
        WHvX64RegisterIa32VmxTrueEntryCtls = 0x20B2,
        /// 64 bits in `Reg64`; nested virtualization (SVM).
        WHvX64RegisterAmdVmHsavePa = 0x20B3,
        /// 64 bits in `Reg64`; nested virtualization (SVM).
        WHvX64RegisterAmdVmCr = 0x20B4,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicId = 0x3002,
        /// 64 bits in `Reg64`, read-only; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicVersion = 0x3003,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicTpr = 0x3008,
        /// 64 bits in `Reg64`, read-only; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicPpr = 0x300A,
        /// 64 bits in `Reg64`, write-only; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicEoi = 0x300B,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicLdr = 0x300D,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicSpurious = 0x300F,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIsr0 = 0x3010,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIsr1 = 0x3011,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIsr2 = 0x3012,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIsr3 = 0x3013,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIsr4 = 0x3014,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIsr5 = 0x3015,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIsr6 = 0x3016,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIsr7 = 0x3017,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicTmr0 = 0x3018,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicTmr1 = 0x3019,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicTmr2 = 0x301A,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicTmr3 = 0x301B,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicTmr4 = 0x301C,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicTmr5 = 0x301D,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicTmr6 = 0x301E,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicTmr7 = 0x301F,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIrr0 = 0x3020,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIrr1 = 0x3021,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIrr2 = 0x3022,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIrr3 = 0x3023,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIrr4 = 0x3024,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIrr5 = 0x3025,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIrr6 = 0x3026,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicIrr7 = 0x3027,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicEse = 0x3028,
        /// 64 bits in `Reg64`; requires local APIC emulation; 64 significant bits.
        WHvX64RegisterApicIcr = 0x3030,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicLvtTimer = 0x3032,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicLvtThermal = 0x3033,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicLvtPerfmon = 0x3034,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicLvtLint0 = 0x3035,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicLvtLint1 = 0x3036,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicLvtError = 0x3037,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicInitCount = 0x3038,
        /// 64 bits in `Reg64`, read-only; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicCurrentCount = 0x3039,
        /// 64 bits in `Reg64`; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicDivide = 0x303E,
        /// 64 bits in `Reg64`, write-only; requires local APIC emulation; 32 significant bits.
        WHvX64RegisterApicSelfIpi = 0x303F,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint0 = 0x4000,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint1 = 0x4001,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint2 = 0x4002,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint3 = 0x4003,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint4 = 0x4004,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint5 = 0x4005,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint6 = 0x4006,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint7 = 0x4007,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint8 = 0x4008,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint9 = 0x4009,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint10 = 0x400A,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint11 = 0x400B,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint12 = 0x400C,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint13 = 0x400D,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint14 = 0x400E,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSint15 = 0x400F,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterScontrol = 0x4010,
        /// 64 bits in `Reg64`, read-only; SynIC.
        WHvRegisterSversion = 0x4011,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSiefp = 0x4012,
        /// 64 bits in `Reg64`; SynIC.
        WHvRegisterSimp = 0x4013,
        /// 64 bits in `Reg64`, write-only; SynIC.
        WHvRegisterEom = 0x4014,
        /// 64 bits in `Reg64`; 100 ns units.
        WHvRegisterVpRuntime = 0x5000,
        /// 64 bits in `Reg64`, partition-wide; HV_X64_MSR_HYPERCALL image.
        WHvX64RegisterHypercall = 0x5001,
        /// 64 bits in `Reg64`, partition-wide; HV_X64_MSR_GUEST_OS_ID image.
        WHvRegisterGuestOsId = 0x5002,
        /// 64 bits in `Reg64`; HV_X64_MSR_VP_ASSIST_PAGE image.
        WHvRegisterVpAssistPage = 0x5013,
        /// 64 bits in `Reg64`, partition-wide; HV_X64_MSR_REFERENCE_TSC image.
        WHvRegisterReferenceTsc = 0x5017,
        /// 64 bits in `Reg64`, partition-wide; sequence number of the reference TSC page.
        WHvRegisterReferenceTscSequence = 0x501A,
        /// 128 bits in `NestedState`.
        WHvX64RegisterNestedGuestState = 0x5050,
        /// 64 bits in `Reg64`.
        WHvX64RegisterNestedCurrentVmGpa = 0x5051,
        /// 128 bits in `InvEpt`, write-only.
        WHvX64RegisterNestedVmxInvEpt = 0x5052,
        /// 128 bits in `InvVpid`, write-only.
        WHvX64RegisterNestedVmxInvVpid = 0x5053,
        /// 64 bits in `PendingInterruption`.
        WHvRegisterPendingInterruption = 0x8000_0000,
        /// 64 bits in `InterruptState`.
        WHvRegisterInterruptState = 0x8000_0001,
        /// 128 bits in `ExceptionEvent`; also ExtIntEvent, SvmNestedExit0, VmxNestedExit0 (selected by EventType).
        WHvRegisterPendingEvent = 0x8000_0002,
        /// 128 bits in `SvmNestedExit1`; also VmxNestedExit1.
        WHvRegisterPendingEvent1 = 0x8000_0003,
        /// 64 bits in `DeliverabilityNotifications`.
        WHvX64RegisterDeliverabilityNotifications = 0x8000_0004,
        /// 64 bits in `DeliverabilityNotifications`.
        WHvRegisterDeliverabilityNotifications = 0x8000_0004,
        /// 64 bits in `InternalActivity`.
        WHvRegisterInternalActivityState = 0x8000_0005,
        /// 64 bits in `PendingDebugException`.
        WHvX64RegisterPendingDebugException = 0x8000_0006,
        /// 128 bits in `SvmNestedExit2`; also VmxNestedExit2.
        WHvRegisterPendingEvent2 = 0x8000_0007,
        /// 128 bits in `SvmNestedExit3`.
        WHvRegisterPendingEvent3 = 0x8000_0008,
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[Record::plain::<WHV_REGISTER_NAME>("WHV_REGISTER_NAME")];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[WHV_REGISTER_NAME::ENUMERATION];
