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
use crate::handles::Memory;

/// Registers that one call moves without allocating.
const MOST_WITHOUT_ALLOCATION: usize = 16;

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
        handles::with_processor(partition, vp_index, Memory::Replace, check, |processor| get(processor, names, values))
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
        handles::with_processor(partition, vp_index, Memory::Replace, check, |processor| set(processor, names, values))
    }
}

fn get(
    processor: &Processor,
    names: Input<WHV_REGISTER_NAME>,
    values: Output<WHV_REGISTER_VALUE>,
) -> Outcome {
    match names.len() {
        0..=1 => get_few::<1>(processor, names, values),
        2 => get_few::<2>(processor, names, values),
        3..=4 => get_few::<4>(processor, names, values),
        5..=MOST_WITHOUT_ALLOCATION => get_few::<MOST_WITHOUT_ALLOCATION>(processor, names, values),
        count => {
            let wanted: Vec<_> = names.iter().map(name_of).collect();
            get_into(processor, &wanted, &mut vec![RegisterValue::default(); count], values)
        }
    }
}

/// For at most `N` registers: they lie on the stack, and no more is cleared.
fn get_few<const N: usize>(
    processor: &Processor,
    names: Input<WHV_REGISTER_NAME>,
    values: Output<WHV_REGISTER_VALUE>,
) -> Outcome {
    let wanted: [_; N] = std::array::from_fn(|index| name_of(names.get(index).unwrap_or_default()));
    let mut found = [RegisterValue::default(); N];
    let count = names.len();
    get_into(processor, &wanted[..count], &mut found[..count], values)
}

fn get_into(
    processor: &Processor,
    wanted: &[RegisterName],
    found: &mut [RegisterValue],
    values: Output<WHV_REGISTER_VALUE>,
) -> Outcome {
    processor.get_registers(wanted, found)?;
    for (index, value) in found.iter().enumerate() {
        values.put(index, to_c(*value));
    }
    Ok(())
}

fn set(processor: &Processor, names: Input<WHV_REGISTER_NAME>, values: Input<WHV_REGISTER_VALUE>) -> Outcome {
    match names.len() {
        0..=1 => set_few::<1>(processor, names, values),
        2 => set_few::<2>(processor, names, values),
        3..=4 => set_few::<4>(processor, names, values),
        5..=MOST_WITHOUT_ALLOCATION => set_few::<MOST_WITHOUT_ALLOCATION>(processor, names, values),
        _ => {
            let pairs: Vec<_> = names.iter().map(name_of).zip(values.iter().map(from_c)).collect();
            Ok(processor.set_registers(&pairs)?)
        }
    }
}

/// As [`get_few`].
fn set_few<const N: usize>(
    processor: &Processor,
    names: Input<WHV_REGISTER_NAME>,
    values: Input<WHV_REGISTER_VALUE>,
) -> Outcome {
    let pairs: [_; N] = std::array::from_fn(|index| {
        let (name, value) = (names.get(index).unwrap_or_default(), values.get(index).unwrap_or_default());
        (name_of(name), from_c(value))
    });
    Ok(processor.set_registers(&pairs[..names.len()])?)
}

/// The index that means the whole partition has no registers on x64.
fn check_index(index: u32) -> Outcome {
    if index == WHV_ANY_VP {
        return Err(Failure::invalid("x64 has no partition-wide registers"));
    }
    Ok(())
}

fn name_of(name: WHV_REGISTER_NAME) -> RegisterName {
    RegisterName(name.0)
}

fn to_c(value: RegisterValue) -> WHV_REGISTER_VALUE {
    WHV_REGISTER_VALUE::read_from_bytes(&value.0.to_le_bytes()).unwrap_or_default()
}

fn from_c(value: WHV_REGISTER_VALUE) -> RegisterValue {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(value.as_bytes());
    RegisterValue(u128::from_le_bytes(bytes))
}
