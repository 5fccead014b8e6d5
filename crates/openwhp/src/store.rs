//! The property store of a partition: defaults, checks, and the configuration they add up to.

use openwhp_engine::ApicMode;
use openwhp_engine::Capabilities;
use openwhp_engine::CapabilityFeatures;
use openwhp_engine::ClockMode;
use openwhp_engine::ExitControls;
use openwhp_engine::PartitionConfig;
use openwhp_engine::SchedulerFeatures;

use crate::Property;
use crate::PropertyCode;
use crate::PropertyError;
use crate::SetupError;

/// Highest processor count outside x2APIC mode: the width of an xAPIC id, less the broadcast.
const MAX_XAPIC_PROCESSORS: u32 = 255;

/// No primary NUMA node.
const NO_NODE: u16 = 0xFFFF;
/// A whole host processor, in the unit of limits.
const WHOLE_PROCESSOR: u32 = 0x1_0000;
/// Highest weight.
const MAX_WEIGHT: u32 = 10_000;

/// Everything a client has configured so far.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    config: PartitionConfig,
    has_processor_count: bool,
    separate_security_domain: bool,
    nested_virtualization: bool,
    primary_numa_node: u16,
    cpu_reserve: u32,
    cpu_group_id: u64,
    frequency_cap: u32,
    allow_device_assignment: bool,
    disable_smt: bool,
    cl_flush_size: u8,
    perfmon_features: u64,
    reference_time_100ns: u64,
}

fn invalid(code: PropertyCode, reason: &'static str) -> PropertyError {
    PropertyError::InvalidValue { code, reason }
}

fn require(is_fine: bool, code: PropertyCode, reason: &'static str) -> Result<(), PropertyError> {
    if is_fine { Ok(()) } else { Err(invalid(code, reason)) }
}

impl Store {
    pub(crate) fn new(capabilities: &Capabilities) -> Self {
        Self {
            config: PartitionConfig::new(0, capabilities),
            has_processor_count: false,
            separate_security_domain: false,
            nested_virtualization: false,
            primary_numa_node: NO_NODE,
            cpu_reserve: 0,
            cpu_group_id: 0,
            frequency_cap: 0,
            allow_device_assignment: false,
            disable_smt: false,
            cl_flush_size: capabilities.cl_flush_size,
            perfmon_features: 0,
            reference_time_100ns: 0,
        }
    }

    pub(crate) fn exits(&self) -> &ExitControls {
        &self.config.exits
    }

    pub(crate) fn set_clock(&mut self, clock: ClockMode) {
        self.config.clock = clock;
    }

    /// Reference time set before set-up, in units of 100 ns.
    pub(crate) fn reference_time_100ns(&self) -> u64 {
        self.reference_time_100ns
    }

    pub(crate) fn get(&self, code: PropertyCode) -> Result<Property, PropertyError> {
        let config = &self.config;
        let property = match code {
            PropertyCode::ExtendedVmExits => Property::ExtendedVmExits(config.exits.extended),
            PropertyCode::ExceptionExitBitmap => Property::ExceptionExitBitmap(config.exits.exceptions),
            PropertyCode::SeparateSecurityDomain => {
                Property::SeparateSecurityDomain(self.separate_security_domain)
            }
            PropertyCode::NestedVirtualization => Property::NestedVirtualization(self.nested_virtualization),
            PropertyCode::X64MsrExitBitmap => Property::X64MsrExitBitmap(config.exits.msrs),
            PropertyCode::PrimaryNumaNode => Property::PrimaryNumaNode(self.primary_numa_node),
            PropertyCode::CpuReserve => Property::CpuReserve(self.cpu_reserve),
            PropertyCode::CpuCap => Property::CpuCap(config.scheduling.cpu_cap),
            PropertyCode::CpuWeight => Property::CpuWeight(config.scheduling.cpu_weight),
            PropertyCode::CpuGroupId => Property::CpuGroupId(self.cpu_group_id),
            PropertyCode::ProcessorFrequencyCap => Property::ProcessorFrequencyCap(self.frequency_cap),
            PropertyCode::AllowDeviceAssignment => {
                Property::AllowDeviceAssignment(self.allow_device_assignment)
            }
            PropertyCode::DisableSmt => Property::DisableSmt(self.disable_smt),
            PropertyCode::ProcessorFeatures => Property::ProcessorFeatures(config.features[0]),
            PropertyCode::ProcessorClFlushSize => Property::ProcessorClFlushSize(self.cl_flush_size),
            PropertyCode::LocalApicEmulationMode => Property::LocalApicEmulationMode(config.apic_mode),
            PropertyCode::ProcessorXsaveFeatures => Property::ProcessorXsaveFeatures(config.xsave_features),
            PropertyCode::ProcessorClockFrequency => Property::ProcessorClockFrequency(config.tsc_hz),
            PropertyCode::InterruptClockFrequency => Property::InterruptClockFrequency(config.apic_hz),
            PropertyCode::ApicRemoteReadSupport => Property::ApicRemoteReadSupport(config.apic_remote_read),
            PropertyCode::ProcessorFeaturesBanks => Property::ProcessorFeaturesBanks(config.features),
            PropertyCode::ReferenceTime => Property::ReferenceTime(self.reference_time_100ns),
            PropertyCode::SyntheticProcessorFeaturesBanks => {
                Property::SyntheticProcessorFeaturesBanks(config.synthetic_features)
            }
            PropertyCode::ProcessorPerfmonFeatures => {
                Property::ProcessorPerfmonFeatures(self.perfmon_features)
            }
            PropertyCode::UnimplementedMsrAction => {
                Property::UnimplementedMsrAction(config.unimplemented_msr)
            }
            PropertyCode::PhysicalAddressWidth => {
                Property::PhysicalAddressWidth(config.physical_address_width)
            }
            PropertyCode::ProcessorCount => Property::ProcessorCount(config.processor_count),
            PropertyCode::CpuidExitList
            | PropertyCode::CpuidResultList
            | PropertyCode::CpuidResultList2
            | PropertyCode::MsrActionList => return Err(PropertyError::WriteOnly(code)),
        };
        Ok(property)
    }

    /// Checks one value against the capabilities and stores it. Rules between properties wait for set-up.
    pub(crate) fn set(
        &mut self,
        property: Property,
        capabilities: &Capabilities,
    ) -> Result<(), PropertyError> {
        let code = property.code();
        check(&property, capabilities)?;
        let config = &mut self.config;
        match property {
            Property::ExtendedVmExits(value) => config.exits.extended = value,
            Property::ExceptionExitBitmap(value) => config.exits.exceptions = value,
            Property::SeparateSecurityDomain(value) => self.separate_security_domain = value,
            Property::NestedVirtualization(value) => self.nested_virtualization = value,
            Property::X64MsrExitBitmap(value) => config.exits.msrs = value,
            Property::PrimaryNumaNode(value) => {
                self.primary_numa_node = value;
                config.scheduling.numa_node = (value != NO_NODE).then_some(value);
            }
            Property::CpuReserve(value) => self.cpu_reserve = value,
            Property::CpuCap(value) => config.scheduling.cpu_cap = value,
            Property::CpuWeight(value) => config.scheduling.cpu_weight = value,
            Property::CpuGroupId(value) => self.cpu_group_id = value,
            Property::ProcessorFrequencyCap(value) => self.frequency_cap = value,
            Property::AllowDeviceAssignment(value) => self.allow_device_assignment = value,
            Property::DisableSmt(value) => self.disable_smt = value,
            Property::ProcessorFeatures(value) => config.features[0] = value,
            Property::ProcessorClFlushSize(value) => self.cl_flush_size = value,
            Property::CpuidExitList(list) => config.exits.cpuid_functions = list,
            Property::CpuidResultList(list) => config.cpuid_results = list,
            Property::LocalApicEmulationMode(mode) => config.apic_mode = mode,
            Property::ProcessorXsaveFeatures(value) => config.xsave_features = value,
            Property::ProcessorClockFrequency(hz) => config.tsc_hz = hz,
            Property::InterruptClockFrequency(hz) => config.apic_hz = hz,
            Property::ApicRemoteReadSupport(value) => config.apic_remote_read = value,
            Property::ProcessorFeaturesBanks(banks) => config.features = banks,
            Property::ReferenceTime(value) => self.reference_time_100ns = value,
            Property::SyntheticProcessorFeaturesBanks(value) => config.synthetic_features = value,
            Property::CpuidResultList2(list) => config.cpuid_results2 = list,
            Property::ProcessorPerfmonFeatures(value) => self.perfmon_features = value,
            Property::MsrActionList(list) => config.msr_actions = list,
            Property::UnimplementedMsrAction(action) => config.unimplemented_msr = action,
            Property::PhysicalAddressWidth(bits) => config.physical_address_width = bits,
            Property::ProcessorCount(count) => {
                config.processor_count = count;
                self.has_processor_count = true;
            }
        }
        debug_assert!(code.is_write_only() || self.get(code).is_ok());
        Ok(())
    }

    /// The configuration for the engine, after the checks between properties.
    pub(crate) fn finish(
        &self,
        capabilities: &Capabilities,
        engine: &'static str,
    ) -> Result<PartitionConfig, SetupError> {
        let config = &self.config;
        if !self.has_processor_count {
            return Err(SetupError::Missing(PropertyCode::ProcessorCount));
        }
        if self.nested_virtualization {
            return Err(SetupError::NoNestedVirtualization(engine));
        }
        if config.apic_mode != ApicMode::X2Apic && config.processor_count > MAX_XAPIC_PROCESSORS {
            return Err(SetupError::Conflict("more than 255 processors need x2APIC mode"));
        }
        let offered = capabilities.processor_features;
        let extra = [config.features[0] & !offered[0], config.features[1] & !offered[1]];
        for (bits, code) in [
            (extra[0], PropertyCode::ProcessorFeatures),
            (extra[1], PropertyCode::ProcessorFeaturesBanks),
            (config.xsave_features & !capabilities.xsave_features, PropertyCode::ProcessorXsaveFeatures),
        ] {
            if bits != 0 {
                return Err(SetupError::UnsupportedFeatures { code, bits, engine });
            }
        }
        // Bit 0 of the XSAVE features is XSAVE itself; all others build on it.
        if config.xsave_features & 1 == 0 && config.xsave_features != 0 {
            return Err(SetupError::Conflict("XSAVE-based features need XSAVE support"));
        }
        Ok(config.clone())
    }
}

/// Checks one value by itself.
fn check(property: &Property, capabilities: &Capabilities) -> Result<(), PropertyError> {
    const REFUSED: &str = "the host's scheduler cannot honour it";
    let code = property.code();
    let can = |feature| capabilities.scheduler_features.contains(feature);
    match property {
        Property::ExtendedVmExits(value) => {
            require(capabilities.extended_vm_exits.contains(*value), code, "exit is not offered")
        }
        Property::ExceptionExitBitmap(value) => {
            require(value & !capabilities.exception_exit_bitmap == 0, code, "exception cannot exit")
        }
        Property::X64MsrExitBitmap(value) => {
            require(capabilities.msr_exit_bitmap.contains(*value), code, "exit is not offered")
        }
        Property::PrimaryNumaNode(node) => {
            let exists = *node == NO_NODE || capabilities.numa_nodes.contains(node);
            require(exists, code, "this machine has no such node")
        }
        Property::CpuReserve(value) => {
            require(*value == 0 || can(SchedulerFeatures::CPU_RESERVE), code, REFUSED)
        }
        Property::CpuCap(value) => {
            require(*value <= WHOLE_PROCESSOR, code, "it exceeds a whole processor")?;
            require(*value == 0 || can(SchedulerFeatures::CPU_CAP), code, REFUSED)
        }
        Property::CpuWeight(value) => {
            require((1..=MAX_WEIGHT).contains(value), code, "weights are 1 to 10000")?;
            require(*value == 100 || can(SchedulerFeatures::CPU_WEIGHT), code, REFUSED)
        }
        Property::CpuGroupId(value) => {
            require(*value == 0 || can(SchedulerFeatures::CPU_GROUP_ID), code, REFUSED)
        }
        Property::DisableSmt(value) => require(!*value || can(SchedulerFeatures::DISABLE_SMT), code, REFUSED),
        Property::ProcessorFrequencyCap(value) => require(*value == 0, code, "frequency cannot be capped"),
        Property::ProcessorClFlushSize(value) => {
            require(*value == capabilities.cl_flush_size, code, "differs from the processor's line size")
        }
        Property::LocalApicEmulationMode(mode) => {
            let can = capabilities.features.contains(CapabilityFeatures::LOCAL_APIC_EMULATION);
            require(*mode == ApicMode::None || can, code, "local APIC emulation is not offered")
        }
        Property::ProcessorClockFrequency(hz) => {
            let is_plausible = (1_000_000..=100_000_000_000).contains(hz);
            let is_offered = *hz == capabilities.tsc_hz || capabilities.can_scale_tsc && is_plausible;
            require(is_offered, code, "rate is not offered")
        }
        Property::InterruptClockFrequency(hz) => {
            require((1_000_000..=10_000_000_000).contains(hz), code, "rate is not offered")
        }
        Property::ApicRemoteReadSupport(value) => {
            let can = capabilities.features.contains(CapabilityFeatures::APIC_REMOTE_READ);
            require(!*value || can, code, "remote read is not offered")
        }
        Property::SyntheticProcessorFeaturesBanks(value) => {
            require(value & !capabilities.synthetic_features == 0, code, "feature is not offered")
        }
        Property::ProcessorPerfmonFeatures(value) => {
            require(value & !capabilities.perfmon_features == 0, code, "feature is not offered")
        }
        Property::PhysicalAddressWidth(bits) => {
            require((32..=capabilities.physical_address_width).contains(bits), code, "width is not offered")
        }
        Property::ProcessorCount(count) => {
            require((1..=capabilities.max_processor_count).contains(count), code, "count is out of range")
        }
        Property::ReferenceTime(value) => {
            require(value.checked_mul(100).is_some(), code, "time exceeds 64 bits of nanoseconds")
        }
        Property::SeparateSecurityDomain(_)
        | Property::NestedVirtualization(_)
        | Property::AllowDeviceAssignment(_)
        | Property::ProcessorFeatures(_)
        | Property::ProcessorFeaturesBanks(_)
        | Property::ProcessorXsaveFeatures(_)
        | Property::CpuidExitList(_)
        | Property::CpuidResultList(_)
        | Property::CpuidResultList2(_)
        | Property::MsrActionList(_)
        | Property::UnimplementedMsrAction(_) => Ok(()),
    }
}
