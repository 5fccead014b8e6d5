//! Partition properties: their numbers, their values, and when they may change.

use openwhp_engine::ApicMode;
use openwhp_engine::CpuidResult;
use openwhp_engine::CpuidResult2;
use openwhp_engine::ExtendedVmExits;
use openwhp_engine::FeatureBanks;
use openwhp_engine::MsrActionEntry;
use openwhp_engine::MsrExitBitmap;
use openwhp_engine::UnimplementedMsrAction;

/// Lists every x64 property once: number, name, type of its value, and its documentation.
macro_rules! properties {
    ($($(#[$doc:meta])* $name:ident($ty:ty) = $code:literal;)*) => {
        /// The number of a partition property (`WHV_PARTITION_PROPERTY_CODE`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u32)]
        #[non_exhaustive]
        pub enum PropertyCode {
            $($(#[$doc])* $name = $code,)*
        }

        /// A partition property with its value.
        ///
        /// # Source
        /// WHP `WHV_PARTITION_PROPERTY`.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Property {
            $($(#[$doc])* $name($ty),)*
        }

        impl PropertyCode {
            /// Every property of x64 partitions, in ascending order of number.
            pub const ALL: &'static [PropertyCode] = &[$(PropertyCode::$name,)*];

            /// The property of this number, if there is one.
            pub fn from_code(code: u32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }
        }

        impl Property {
            /// The number of this property.
            pub fn code(&self) -> PropertyCode {
                match self {
                    $(Property::$name(_) => PropertyCode::$name,)*
                }
            }
        }
    };
}

properties! {
    /// Which additional exits are on. May change while set up.
    ExtendedVmExits(ExtendedVmExits) = 0x1;
    /// Exceptions that exit, one bit per vector. May change while set up.
    ExceptionExitBitmap(u64) = 0x2;
    /// Keep the partition's scheduling apart; stored only.
    SeparateSecurityDomain(bool) = 0x3;
    /// Offer hardware virtualization to the guest.
    NestedVirtualization(bool) = 0x4;
    /// Which MSR accesses exit. May change while set up.
    X64MsrExitBitmap(MsrExitBitmap) = 0x5;
    /// The NUMA node whose host processors run the virtual ones; 0xFFFF means none.
    PrimaryNumaNode(u16) = 0x6;
    /// Reserved share of processor time.
    CpuReserve(u32) = 0x7;
    /// Most processor time each virtual processor may use, in 65536ths of a host processor; 0 means no bound.
    CpuCap(u32) = 0x8;
    /// Weight against other work of the host, 1 to 10000; 100 is the usual one.
    CpuWeight(u32) = 0x9;
    /// Scheduling group.
    CpuGroupId(u64) = 0xA;
    /// Upper bound of the processor frequency in MHz.
    ProcessorFrequencyCap(u32) = 0xB;
    /// Allow virtual PCI devices.
    AllowDeviceAssignment(bool) = 0xC;
    /// Keep other work off the sibling threads of a core; taken where there are none.
    DisableSmt(bool) = 0xD;
    /// First word of processor features.
    ProcessorFeatures(u64) = 0x1001;
    /// Cache line size in units of 8 bytes.
    ProcessorClFlushSize(u8) = 0x1002;
    /// CPUID functions that exit; empty means all. Write-only. May change while set up.
    CpuidExitList(Vec<u32>) = 0x1003;
    /// Whole results of CPUID functions. Write-only.
    CpuidResultList(Vec<CpuidResult>) = 0x1004;
    /// Local APIC emulation.
    LocalApicEmulationMode(ApicMode) = 0x1005;
    /// XSAVE features.
    ProcessorXsaveFeatures(u64) = 0x1006;
    /// Rate of the TSC in Hz.
    ProcessorClockFrequency(u64) = 0x1007;
    /// Rate of the APIC timer before division, in Hz.
    InterruptClockFrequency(u64) = 0x1008;
    /// Offer the remote-read delivery mode.
    ApicRemoteReadSupport(bool) = 0x1009;
    /// Both words of processor features.
    ProcessorFeaturesBanks(FeatureBanks) = 0x100A;
    /// Reference time in units of 100 ns; may be set while no processor runs.
    ReferenceTime(u64) = 0x100B;
    /// Synthetic features.
    SyntheticProcessorFeaturesBanks(u64) = 0x100C;
    /// Bit-wise changes of CPUID results. Write-only.
    CpuidResultList2(Vec<CpuidResult2>) = 0x100D;
    /// Performance monitoring features.
    ProcessorPerfmonFeatures(u64) = 0x100E;
    /// Actions for single model-specific registers. Write-only.
    MsrActionList(Vec<MsrActionEntry>) = 0x100F;
    /// Action for registers nobody implements.
    UnimplementedMsrAction(UnimplementedMsrAction) = 0x1010;
    /// Bits of a guest physical address.
    PhysicalAddressWidth(u32) = 0x1011;
    /// Number of processors; must be set.
    ProcessorCount(u32) = 0x1FFF;
}

impl PropertyCode {
    /// True for lists, which can only be written.
    pub fn is_write_only(self) -> bool {
        matches!(
            self,
            Self::CpuidExitList | Self::CpuidResultList | Self::CpuidResultList2 | Self::MsrActionList
        )
    }

    /// True for properties that may change after set-up.
    pub fn is_live(self) -> bool {
        self.is_exit_control() || self == Self::ReferenceTime
    }

    /// True for the switches that say what exits.
    pub fn is_exit_control(self) -> bool {
        matches!(
            self,
            Self::ExtendedVmExits | Self::ExceptionExitBitmap | Self::X64MsrExitBitmap | Self::CpuidExitList
        )
    }
}
