//! Registers.

#![expect(unsafe_code, reason = "exports C functions")]

use openwhp::Processor;
use openwhp::RegisterName;
use openwhp::RegisterValue;
use openwhp_abi::x64::*;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

use crate::boundary::Input;
use crate::boundary::Outcome;
use crate::boundary::Output;
use crate::boundary::exports;
use crate::error::Failure;
use crate::handles;

/// Registers that one call moves without allocating.
const FEW: usize = 16;

exports! {
    /// Reads registers.
    fn WHvGetVirtualProcessorRegisters(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        names: *const WHV_REGISTER_NAME [count],
        count: u32,
        values: *mut WHV_REGISTER_VALUE [count],
    ) {
        let check = || {
            names.required_unless_empty()?;
            values.required_unless_empty()?;
            check_index(vp_index)
        };
        handles::with_processor(partition, vp_index, check, |processor| get(processor, names, values))
    }

    /// Writes registers: all of them or, on failure, none.
    fn WHvSetVirtualProcessorRegisters(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        names: *const WHV_REGISTER_NAME [count],
        count: u32,
        values: *const WHV_REGISTER_VALUE [count],
    ) {
        let check = || {
            names.required_unless_empty()?;
            values.required_unless_empty()?;
            check_index(vp_index)
        };
        handles::with_processor(partition, vp_index, check, |processor| set(processor, names, values))
    }
}

fn get(
    processor: &Processor,
    names: Input<WHV_REGISTER_NAME>,
    values: Output<WHV_REGISTER_VALUE>,
) -> Outcome {
    let mut few = ([RegisterName(0); FEW], [RegisterValue::default(); FEW]);
    let mut many = (Vec::new(), Vec::new());
    let (wanted, found) = if names.len() <= FEW {
        (&mut few.0[..names.len()], &mut few.1[..names.len()])
    } else {
        many.0.resize(names.len(), RegisterName(0));
        many.1.resize(names.len(), RegisterValue::default());
        (many.0.as_mut_slice(), many.1.as_mut_slice())
    };
    for (place, name) in wanted.iter_mut().zip(names.iter()) {
        *place = RegisterName(name.0);
    }
    processor.get_registers(wanted, found)?;
    for (index, value) in found.iter().enumerate() {
        values.put(index, to_c(*value));
    }
    Ok(())
}

fn set(processor: &Processor, names: Input<WHV_REGISTER_NAME>, values: Input<WHV_REGISTER_VALUE>) -> Outcome {
    let pairs = names.iter().zip(values.iter()).map(|(name, value)| (RegisterName(name.0), from_c(value)));
    let mut few = [(RegisterName(0), RegisterValue::default()); FEW];
    if names.len() <= FEW {
        for (place, pair) in few.iter_mut().zip(pairs) {
            *place = pair;
        }
        return Ok(processor.set_registers(&few[..names.len()])?);
    }
    Ok(processor.set_registers(&pairs.collect::<Vec<_>>())?)
}

/// The index that means the whole partition has no registers on x64.
fn check_index(index: u32) -> Outcome {
    if index == WHV_ANY_VP {
        return Err(Failure::invalid("x64 has no partition-wide registers"));
    }
    Ok(())
}

fn to_c(value: RegisterValue) -> WHV_REGISTER_VALUE {
    WHV_REGISTER_VALUE::read_from_bytes(&value.0.to_le_bytes()).unwrap_or_default()
}

fn from_c(value: WHV_REGISTER_VALUE) -> RegisterValue {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(value.as_bytes());
    RegisterValue(u128::from_le_bytes(bytes))
}
