//! Virtual processors: creation, running, cancelling, translation, CPUID.

#![expect(unsafe_code, reason = "exports C functions")]

use std::ffi::c_void;

use openwhp::Exit;
use openwhp::Gva;
use openwhp::Partition;
use openwhp::TranslateFlags;
use openwhp::VpIndex;
use openwhp_abi::x64::*;

use crate::boundary::Outcome;
use crate::boundary::exports;
use crate::error::Failure;
use crate::exit;
use crate::handles;
use crate::handles::Memory;

/// An exit context must at least hold the reason.
const SMALLEST_EXIT_CONTEXT: usize = 8;

exports! {
    /// Creates a processor in reset state.
    fn WHvCreateVirtualProcessor(partition: WHV_PARTITION_HANDLE, vp_index: u32, flags: u32) {
        let partition = handles::set_up(partition)?;
        if flags != 0 {
            return Err(Failure::invalid("a processor has no creation flags"));
        }
        partition.create_vp(VpIndex(vp_index))?;
        Ok(())
    }

    /// Creates a processor in reset state, with properties.
    fn WHvCreateVirtualProcessor2(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        properties: *const WHV_VIRTUAL_PROCESSOR_PROPERTY [count],
        count: u32,
    ) {
        let partition = handles::set_up(partition)?;
        let mut node = None;
        for property in properties.required_unless_empty()?.iter() {
            // Of several the last counts.
            node = Some(numa_node(&partition, &property)?);
        }
        partition.create_vp_on(VpIndex(vp_index), node)?;
        Ok(())
    }

    /// Deletes a processor.
    fn WHvDeleteVirtualProcessor(partition: WHV_PARTITION_HANDLE, vp_index: u32) {
        handles::set_up(partition)?.delete_vp(VpIndex(vp_index))?;
        handles::forget();
        Ok(())
    }

    /// Runs a processor until an exit.
    fn WHvRunVirtualProcessor(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        exit_context: *mut c_void [size],
        size: u32,
    ) {
        let check = || {
            exit_context.required()?;
            Ok(())
        };
        handles::with_processor(partition, vp_index, Memory::Replace, check, |processor| {
            if exit_context.len() < SMALLEST_EXIT_CONTEXT {
                return Err(Failure::invalid("the exit context has less than 8 bytes"));
            }
            let mut exit = Exit::default();
            processor.run_into(&mut exit)?;
            exit_context.build(|context| exit::lay_out(&exit, context));
            Ok(())
        })
    }

    /// Makes the current or the next run return with the cancel exit.
    fn WHvCancelRunVirtualProcessor(partition: WHV_PARTITION_HANDLE, vp_index: u32, flags: u32) {
        let check = || match flags {
            0 => Ok(()),
            _ => Err(Failure::invalid("cancelling has no flags")),
        };
        handles::with_processor(partition, vp_index, Memory::Keep, check, |processor| {
            processor.cancel();
            Ok(())
        })
    }

    /// Translates a linear address as the processor would now.
    fn WHvTranslateGva(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        gva: u64,
        flags: WHV_TRANSLATE_GVA_FLAGS,
        result: *mut WHV_TRANSLATE_GVA_RESULT,
        gpa: *mut u64,
    ) {
        let known = TranslateFlags::from_bits(flags.0);
        let check = || {
            result.required()?;
            gpa.required()?;
            known.map(|_| ()).ok_or_else(|| Failure::invalid("undefined translation flags"))
        };
        handles::with_processor(partition, vp_index, Memory::Keep, check, |processor| {
            let translation = processor.translate_gva(Gva(gva), known.unwrap_or_default())?;
            let code = WHV_TRANSLATE_GVA_RESULT_CODE(translation.result as u32);
            result.set(WHV_TRANSLATE_GVA_RESULT { ResultCode: code, Reserved: 0 });
            gpa.set(translation.gpa.0);
            Ok(())
        })
    }

    /// Says what CPUID gives on a processor now.
    fn WHvGetVirtualProcessorCpuidOutput(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        eax: u32,
        ecx: u32,
        output: *mut WHV_CPUID_OUTPUT,
    ) {
        let partition = handles::set_up(partition)?;
        let output = output.required()?;
        let found = handles::processor(&partition, vp_index)?.cpuid(eax, ecx);
        output.set(WHV_CPUID_OUTPUT { Eax: found.eax, Ebx: found.ebx, Ecx: found.ecx, Edx: found.edx });
        Ok(())
    }
}

/// The only property is the NUMA node, which must exist.
fn numa_node(partition: &Partition, property: &WHV_VIRTUAL_PROCESSOR_PROPERTY) -> Outcome<u16> {
    if property.PropertyCode() != WHvVirtualProcessorPropertyCodeNumaNode {
        let text = format!("processor property {} is not known", property.PropertyCode().0);
        return Err(Failure::invalid(text));
    }
    let node = property.NumaNode();
    if !partition.capabilities().numa_nodes.contains(&node) {
        return Err(Failure::invalid(format!("this machine has no NUMA node {node}")));
    }
    Ok(node)
}
