//! `openwhp caps`: the platform's capabilities, for people and for programs.

use openwhp::Capabilities;
use openwhp::EngineChoice;
use serde_json::Value;
use serde_json::json;

/// Prints the capabilities, as JSON if asked.
///
/// # Errors
/// What went wrong, as one line.
pub fn print(as_json: bool) -> Result<(), String> {
    let capabilities = openwhp::capabilities(EngineChoice::Auto).map_err(|error| error.to_string())?;
    if as_json {
        println!("{:#}", to_json(capabilities));
        return Ok(());
    }
    for (name, value) in rows(capabilities) {
        println!("{name:<28} {value}");
    }
    Ok(())
}

/// Names of set flags, in the words of the interface, lower case.
fn flags<B: names::Names>(set: B) -> Vec<String> {
    set.names()
}

fn rows(capabilities: &Capabilities) -> Vec<(&'static str, String)> {
    let join = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let hex = |value: u64| format!("{value:#x}");
    let banks = capabilities.processor_features;
    vec![
        ("engine", "soft".to_owned()),
        ("features", join(flags(capabilities.features))),
        ("extended exits", join(flags(capabilities.extended_vm_exits))),
        ("exception exits", hex(capabilities.exception_exit_bitmap)),
        ("msr exits", hex(capabilities.msr_exit_bitmap.bits())),
        ("processor vendor", format!("{:?}", capabilities.vendor)),
        ("processor features", format!("{banks:x?}")),
        ("xsave features", hex(capabilities.xsave_features)),
        ("synthetic features", hex(capabilities.synthetic_features)),
        ("cache line bytes", (u32::from(capabilities.cl_flush_size) * 8).to_string()),
        ("tsc frequency hz", capabilities.tsc_hz.to_string()),
        ("apic frequency hz", capabilities.apic_hz.to_string()),
        ("tsc scaling", capabilities.can_scale_tsc.to_string()),
        ("physical address bits", capabilities.physical_address_width.to_string()),
        ("most processors", capabilities.max_processor_count.to_string()),
    ]
}

fn to_json(capabilities: &Capabilities) -> Value {
    json!({
        "engine": "soft",
        "features": flags(capabilities.features),
        "extended_vm_exits": flags(capabilities.extended_vm_exits),
        "exception_exit_bitmap": capabilities.exception_exit_bitmap,
        "msr_exit_bitmap": capabilities.msr_exit_bitmap.bits(),
        "processor_vendor": format!("{:?}", capabilities.vendor),
        "processor_features": capabilities.processor_features,
        "xsave_features": capabilities.xsave_features,
        "synthetic_features": capabilities.synthetic_features,
        "cache_line_bytes": u32::from(capabilities.cl_flush_size) * 8,
        "tsc_hz": capabilities.tsc_hz,
        "apic_hz": capabilities.apic_hz,
        "can_scale_tsc": capabilities.can_scale_tsc,
        "physical_address_width": capabilities.physical_address_width,
        "max_processor_count": capabilities.max_processor_count,
    })
}

/// Names of bit flags, without the flags crate's own trait in sight of the rest.
mod names {
    /// A set of named bits.
    pub(super) trait Names {
        /// Names of the bits that are set, lower case.
        fn names(self) -> Vec<String>;
    }

    impl Names for openwhp::CapabilityFeatures {
        fn names(self) -> Vec<String> {
            self.iter_names().map(|(name, _)| name.to_lowercase()).collect()
        }
    }

    impl Names for openwhp::ExtendedVmExits {
        fn names(self) -> Vec<String> {
            self.iter_names().map(|(name, _)| name.to_lowercase()).collect()
        }
    }
}
