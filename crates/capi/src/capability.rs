//! Lays out what `WHvGetCapability` answers.

use openwhp::Capabilities;
use openwhp_abi::hresult::WHV_E_UNKNOWN_CAPABILITY;
use openwhp_abi::x64::*;
use zerocopy::IntoBytes;

use crate::boundary::Outcome;
use crate::error::Failure;

/// The bytes of one capability.
pub(crate) fn value(code: WHV_CAPABILITY_CODE, has: &Capabilities) -> Outcome<Vec<u8>> {
    let word = |value: u64| value.to_le_bytes().to_vec();
    let half = |value: u32| value.to_le_bytes().to_vec();
    Ok(match code {
        WHvCapabilityCodeHypervisorPresent => half(1),
        WHvCapabilityCodeFeatures => word(has.features.bits()),
        WHvCapabilityCodeExtendedVmExits => word(has.extended_vm_exits.bits()),
        WHvCapabilityCodeExceptionExitBitmap => word(has.exception_exit_bitmap),
        WHvCapabilityCodeX64MsrExitBitmap => word(has.msr_exit_bitmap.bits()),
        WHvCapabilityCodeGpaRangePopulateFlags => half(has.populate_flags.bits()),
        WHvCapabilityCodeSchedulerFeatures => word(has.scheduler_features.bits()),
        WHvCapabilityCodeProcessorVendor => half(has.vendor as u32),
        WHvCapabilityCodeProcessorFeatures => word(has.processor_features[0]),
        WHvCapabilityCodeProcessorClFlushSize => vec![has.cl_flush_size],
        WHvCapabilityCodeProcessorXsaveFeatures => word(has.xsave_features),
        WHvCapabilityCodeProcessorClockFrequency => word(has.tsc_hz),
        WHvCapabilityCodeInterruptClockFrequency => word(has.apic_hz),
        WHvCapabilityCodeProcessorFeaturesBanks => processor_banks(has.processor_features),
        WHvCapabilityCodeProcessorFrequencyCap => {
            WHV_CAPABILITY_PROCESSOR_FREQUENCY_CAP::default().as_bytes().to_vec()
        }
        WHvCapabilityCodeSyntheticProcessorFeaturesBanks => synthetic_banks(has.synthetic_features),
        WHvCapabilityCodeProcessorPerfmonFeatures => word(has.perfmon_features),
        WHvCapabilityCodePhysicalAddressWidth => half(has.physical_address_width),
        _ => {
            let text = format!("capability {:#x} is not known", code.0);
            return Err(Failure::new(WHV_E_UNKNOWN_CAPABILITY, text));
        }
    })
}

/// Processor-feature banks as a structure.
pub(crate) fn processor_banks(banks: [u64; 2]) -> Vec<u8> {
    let mut value = WHV_PROCESSOR_FEATURES_BANKS::default();
    value.set_BanksCount(WHV_PROCESSOR_FEATURES_BANKS_COUNT);
    value.set_AsUINT64(banks);
    value.as_bytes().to_vec()
}

/// The synthetic-feature bank as a structure.
pub(crate) fn synthetic_banks(bank: u64) -> Vec<u8> {
    let mut value = WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS::default();
    value.set_BanksCount(WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS_COUNT);
    value.set_AsUINT64([bank]);
    value.as_bytes().to_vec()
}
