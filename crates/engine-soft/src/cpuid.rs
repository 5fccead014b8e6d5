//! The processor model of each virtual processor, and CPUID as it answers.

use openwhp_apic::Mode;
use openwhp_engine::ApicMode;
use openwhp_engine::CpuidOutput;
use openwhp_engine::PartitionConfig;
use openwhp_hyperv::Features;
use openwhp_hyperv::cpuid::Limits;
use openwhp_x86::CpuModel;
use openwhp_x86::model::ApicKind;
use openwhp_x86::model::CpuidOverride;
use openwhp_x86::model::Dynamic;

use crate::features;
use crate::vp_shared::VpShared;

/// The model of one processor.
pub(crate) fn model_for(config: &PartitionConfig, index: u32) -> CpuModel {
    let mut model = CpuModel::host(config.tsc_hz);
    features::restrict(&mut model, config.features, config.xsave_features);
    model.apic_hz = config.apic_hz;
    model.phys_bits = config.physical_address_width;
    model.apic_id = index;
    model.processors = config.processor_count.max(1);
    model.apic = match config.apic_mode {
        ApicMode::None => ApicKind::None,
        ApicMode::XApic => ApicKind::XApic,
        ApicMode::X2Apic => ApicKind::X2Apic,
    };
    model.overrides.extend(hypervisor_leaves(config));
    for result in &config.cpuid_results {
        let output = words(result.output);
        model.overrides.push(CpuidOverride { function: result.function, index: None, output, mask: [!0; 4] });
    }
    for result in &config.cpuid_results2 {
        if result.vp.is_none_or(|vp| vp.0 == index) {
            model.overrides.push(CpuidOverride {
                function: result.function,
                index: result.index,
                output: words(result.output),
                mask: words(result.mask),
            });
        }
    }
    model
}

/// What synthetic features show.
fn hypervisor_leaves(config: &PartitionConfig) -> Vec<CpuidOverride> {
    use openwhp_hyperv::cpuid::FIRST;
    use openwhp_hyperv::cpuid::HIGHEST;
    use openwhp_hyperv::cpuid::PRESENT_BIT;
    let features = Features::from_bits_truncate(config.synthetic_features);
    if !features.contains(Features::HYPERVISOR_PRESENT) {
        return Vec::new();
    }
    let present = [0, 0, PRESENT_BIT, 0];
    let mut leaves = vec![CpuidOverride { function: 1, index: None, output: present, mask: present }];
    leaves.extend((FIRST..=HIGHEST).map(|function| CpuidOverride {
        function,
        index: None,
        output: hypervisor_leaf(config, function),
        mask: [!0; 4],
    }));
    leaves
}

/// One leaf of the hypervisor's range.
pub(crate) fn hypervisor_leaf(config: &PartitionConfig, function: u32) -> [u32; 4] {
    let features = Features::from_bits_truncate(config.synthetic_features);
    let limits = Limits { processors: config.processor_count, physical_bits: config.physical_address_width };
    openwhp_hyperv::cpuid::leaf(features, limits, function)
}

fn words(output: CpuidOutput) -> [u32; 4] {
    [output.eax, output.ebx, output.ecx, output.edx]
}

/// The four words as the contract names them.
pub(crate) fn output(words: [u32; 4]) -> CpuidOutput {
    let [eax, ebx, ecx, edx] = words;
    CpuidOutput { eax, ebx, ecx, edx }
}

/// What CPUID gives on `vp` by its model, with these control registers.
pub(crate) fn answer(
    model: &CpuModel,
    vp: &VpShared,
    function: u32,
    index: u32,
    cr4: u64,
    xcr0: u64,
) -> CpuidOutput {
    let apic_enabled = vp.apic().is_none_or(|apic| apic.mode() != Mode::Disabled);
    let state = Dynamic { cr4, xcr0, xss: 0, long: true, apic_enabled };
    output(model.leaf(function, index, &state))
}
