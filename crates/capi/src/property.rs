//! Converts partition properties between C values and Rust values.

use std::ffi::c_void;

use openwhp::ApicMode;
use openwhp::CpuidOutput;
use openwhp::CpuidResult;
use openwhp::CpuidResult2;
use openwhp::ExtendedVmExits;
use openwhp::MsrAction;
use openwhp::MsrActionEntry;
use openwhp::MsrExitBitmap;
use openwhp::Property;
use openwhp::PropertyCode;
use openwhp::UnimplementedMsrAction;
use openwhp::VpIndex;
use openwhp_abi::hresult::E_UNEXPECTED;
use openwhp_abi::hresult::HRESULT_FROM_WIN32_ERROR_NOT_SUPPORTED;
use openwhp_abi::hresult::WHV_E_UNKNOWN_PROPERTY;
use openwhp_abi::x64::*;

use crate::boundary::Input;
use crate::boundary::Outcome;
use crate::capability::processor_banks;
use crate::capability::synthetic_banks;
use crate::error::Failure;

/// The property of a C code.
pub(crate) fn code(code: WHV_PARTITION_PROPERTY_CODE) -> Outcome<PropertyCode> {
    let unknown = || Failure::new(WHV_E_UNKNOWN_PROPERTY, format!("property {:#x} is not known", code.0));
    PropertyCode::from_code(code.0).ok_or_else(unknown)
}

/// The C value of a property.
pub(crate) fn to_bytes(property: Property) -> Outcome<Vec<u8>> {
    let word = |value: u64| value.to_le_bytes().to_vec();
    let half = |value: u32| value.to_le_bytes().to_vec();
    let truth = |value: bool| half(u32::from(value));
    Ok(match property {
        Property::ExtendedVmExits(value) => word(value.bits()),
        Property::ExceptionExitBitmap(value) => word(value),
        Property::SeparateSecurityDomain(value) => truth(value),
        Property::NestedVirtualization(value) => truth(value),
        Property::X64MsrExitBitmap(value) => word(value.bits()),
        Property::PrimaryNumaNode(value) => value.to_le_bytes().to_vec(),
        Property::CpuReserve(value) => half(value),
        Property::CpuCap(value) => half(value),
        Property::CpuWeight(value) => half(value),
        Property::CpuGroupId(value) => word(value),
        Property::ProcessorFrequencyCap(value) => half(value),
        Property::AllowDeviceAssignment(value) => truth(value),
        Property::DisableSmt(value) => truth(value),
        Property::ProcessorFeatures(value) => word(value),
        Property::ProcessorClFlushSize(value) => vec![value],
        Property::LocalApicEmulationMode(value) => half(value as u32),
        Property::ProcessorXsaveFeatures(value) => word(value),
        Property::ProcessorClockFrequency(value) => word(value),
        Property::InterruptClockFrequency(value) => word(value),
        Property::ApicRemoteReadSupport(value) => truth(value),
        Property::ProcessorFeaturesBanks(value) => processor_banks(value),
        Property::ReferenceTime(value) => word(value),
        Property::SyntheticProcessorFeaturesBanks(value) => synthetic_banks(value),
        Property::ProcessorPerfmonFeatures(value) => word(value),
        Property::UnimplementedMsrAction(value) => half(value as u32),
        Property::PhysicalAddressWidth(value) => half(value),
        Property::ProcessorCount(value) => half(value),
        Property::CpuidExitList(_)
        | Property::CpuidResultList(_)
        | Property::CpuidResultList2(_)
        | Property::MsrActionList(_) => {
            return Err(Failure::new(HRESULT_FROM_WIN32_ERROR_NOT_SUPPORTED, "the list can only be written"));
        }
        other => return Err(Failure::new(E_UNEXPECTED, format!("no layout for {other:?}"))),
    })
}

/// The Rust value of a property that a C caller sets. Scalars may be followed by anything, lists may not.
pub(crate) fn from_bytes(code: PropertyCode, value: Input<c_void>) -> Outcome<Property> {
    Ok(match code {
        PropertyCode::ExtendedVmExits => {
            Property::ExtendedVmExits(ExtendedVmExits::from_bits_retain(scalar(value)?))
        }
        PropertyCode::ExceptionExitBitmap => Property::ExceptionExitBitmap(scalar(value)?),
        PropertyCode::SeparateSecurityDomain => Property::SeparateSecurityDomain(truth(value)?),
        PropertyCode::NestedVirtualization => Property::NestedVirtualization(truth(value)?),
        PropertyCode::X64MsrExitBitmap => {
            Property::X64MsrExitBitmap(MsrExitBitmap::from_bits_retain(scalar(value)?))
        }
        PropertyCode::PrimaryNumaNode => Property::PrimaryNumaNode(scalar(value)?),
        PropertyCode::CpuReserve => Property::CpuReserve(scalar(value)?),
        PropertyCode::CpuCap => Property::CpuCap(scalar(value)?),
        PropertyCode::CpuWeight => Property::CpuWeight(scalar(value)?),
        PropertyCode::CpuGroupId => Property::CpuGroupId(scalar(value)?),
        PropertyCode::ProcessorFrequencyCap => Property::ProcessorFrequencyCap(scalar(value)?),
        PropertyCode::AllowDeviceAssignment => Property::AllowDeviceAssignment(truth(value)?),
        PropertyCode::DisableSmt => Property::DisableSmt(truth(value)?),
        PropertyCode::ProcessorFeatures => Property::ProcessorFeatures(scalar(value)?),
        PropertyCode::ProcessorClFlushSize => Property::ProcessorClFlushSize(scalar(value)?),
        PropertyCode::CpuidExitList => Property::CpuidExitList(list(value)?),
        PropertyCode::CpuidResultList => {
            Property::CpuidResultList(list(value)?.into_iter().map(cpuid_result).collect())
        }
        PropertyCode::LocalApicEmulationMode => Property::LocalApicEmulationMode(apic_mode(scalar(value)?)?),
        PropertyCode::ProcessorXsaveFeatures => Property::ProcessorXsaveFeatures(scalar(value)?),
        PropertyCode::ProcessorClockFrequency => Property::ProcessorClockFrequency(scalar(value)?),
        PropertyCode::InterruptClockFrequency => Property::InterruptClockFrequency(scalar(value)?),
        PropertyCode::ApicRemoteReadSupport => Property::ApicRemoteReadSupport(truth(value)?),
        PropertyCode::ProcessorFeaturesBanks => feature_banks(scalar(value)?)?,
        PropertyCode::ReferenceTime => Property::ReferenceTime(scalar(value)?),
        PropertyCode::SyntheticProcessorFeaturesBanks => synthetic_bank(scalar(value)?)?,
        PropertyCode::CpuidResultList2 => {
            Property::CpuidResultList2(list(value)?.into_iter().map(cpuid_result2).collect::<Outcome<_>>()?)
        }
        PropertyCode::ProcessorPerfmonFeatures => Property::ProcessorPerfmonFeatures(scalar(value)?),
        PropertyCode::MsrActionList => {
            Property::MsrActionList(list(value)?.into_iter().map(msr_entry).collect::<Outcome<_>>()?)
        }
        PropertyCode::UnimplementedMsrAction => {
            Property::UnimplementedMsrAction(unimplemented_msr(scalar(value)?)?)
        }
        PropertyCode::PhysicalAddressWidth => Property::PhysicalAddressWidth(scalar(value)?),
        PropertyCode::ProcessorCount => Property::ProcessorCount(scalar(value)?),
        other => return Err(Failure::new(WHV_E_UNKNOWN_PROPERTY, format!("no layout for {other:?}"))),
    })
}

fn scalar<T: Copy>(value: Input<c_void>) -> Outcome<T> {
    let size = value.len();
    let short = || Failure::invalid(format!("the property has {} bytes, not {size}", size_of::<T>()));
    value.elements::<T>().get(0).ok_or_else(short)
}

fn truth(value: Input<c_void>) -> Outcome<bool> {
    Ok(scalar::<u32>(value)? != 0)
}

fn list<T: Copy>(value: Input<c_void>) -> Outcome<Vec<T>> {
    if !value.len().is_multiple_of(size_of::<T>()) {
        let text = format!("{} bytes are no list of {}-byte entries", value.len(), size_of::<T>());
        return Err(Failure::invalid(text));
    }
    Ok(value.elements::<T>().iter().collect())
}

fn apic_mode(mode: WHV_X64_LOCAL_APIC_EMULATION_MODE) -> Outcome<ApicMode> {
    match mode {
        WHvX64LocalApicEmulationModeNone => Ok(ApicMode::None),
        WHvX64LocalApicEmulationModeXApic => Ok(ApicMode::XApic),
        WHvX64LocalApicEmulationModeX2Apic => Ok(ApicMode::X2Apic),
        other => Err(Failure::invalid(format!("local APIC mode {} is not 0, 1 or 2", other.0))),
    }
}

/// With one bank only, the other keeps its default.
fn feature_banks(banks: WHV_PROCESSOR_FEATURES_BANKS) -> Outcome<Property> {
    match banks.BanksCount() {
        1 => Ok(Property::ProcessorFeatures(banks.AsUINT64()[0])),
        2 => Ok(Property::ProcessorFeaturesBanks(banks.AsUINT64())),
        count => Err(Failure::invalid(format!("{count} processor-feature banks; 1 or 2 are possible"))),
    }
}

fn synthetic_bank(banks: WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS) -> Outcome<Property> {
    match banks.BanksCount() {
        1 => Ok(Property::SyntheticProcessorFeaturesBanks(banks.AsUINT64()[0])),
        count => Err(Failure::invalid(format!("{count} synthetic-feature banks; only 1 is possible"))),
    }
}

fn cpuid_output(output: WHV_CPUID_OUTPUT) -> CpuidOutput {
    CpuidOutput { eax: output.Eax, ebx: output.Ebx, ecx: output.Ecx, edx: output.Edx }
}

fn cpuid_result(entry: WHV_X64_CPUID_RESULT) -> CpuidResult {
    let output = CpuidOutput { eax: entry.Eax, ebx: entry.Ebx, ecx: entry.Ecx, edx: entry.Edx };
    CpuidResult { function: entry.Function, output }
}

fn cpuid_result2(entry: WHV_X64_CPUID_RESULT2) -> Outcome<CpuidResult2> {
    let is_set = |flag: WHV_X64_CPUID_RESULT2_FLAGS| entry.Flags.0 & flag.0 != 0;
    let defined = WHvX64CpuidResult2FlagSubleafSpecific.0 | WHvX64CpuidResult2FlagVpSpecific.0;
    if entry.Flags.0 & !defined != 0 {
        return Err(Failure::invalid(format!("undefined CPUID result flags in {:#x}", entry.Flags.0)));
    }
    Ok(CpuidResult2 {
        function: entry.Function,
        index: is_set(WHvX64CpuidResult2FlagSubleafSpecific).then_some(entry.Index),
        vp: is_set(WHvX64CpuidResult2FlagVpSpecific).then_some(VpIndex(entry.VpIndex)),
        output: cpuid_output(entry.Output),
        mask: cpuid_output(entry.Mask),
    })
}

fn msr_entry(entry: WHV_MSR_ACTION_ENTRY) -> Outcome<MsrActionEntry> {
    if entry.Reserved != 0 {
        return Err(Failure::invalid("the reserved word of an MSR action is not zero"));
    }
    let (read, write) = (msr_action(entry.ReadAction)?, msr_action(entry.WriteAction)?);
    Ok(MsrActionEntry { msr: entry.Index, read, write })
}

fn msr_action(action: u8) -> Outcome<MsrAction> {
    match action {
        0 => Ok(MsrAction::Architecture),
        1 => Ok(MsrAction::Ignore),
        2 => Ok(MsrAction::Exit),
        other => Err(Failure::invalid(format!("MSR action {other} is not 0, 1 or 2"))),
    }
}

fn unimplemented_msr(action: WHV_MSR_ACTION) -> Outcome<UnimplementedMsrAction> {
    match action {
        WHvMsrActionArchitectureDefault => Ok(UnimplementedMsrAction::Fault),
        WHvMsrActionIgnoreWriteReadZero => Ok(UnimplementedMsrAction::Ignore),
        WHvMsrActionExit => Ok(UnimplementedMsrAction::Exit),
        other => Err(Failure::invalid(format!("MSR action {} is not 0, 1 or 2", other.0))),
    }
}
