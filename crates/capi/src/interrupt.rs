//! Interrupt requests and their targets.

#![expect(unsafe_code, reason = "exports C functions")]

use openwhp::ApicMode;
use openwhp::DestinationMode;
use openwhp::InterruptError;
use openwhp::InterruptKind;
use openwhp::InterruptRequest;
use openwhp::Partition;
use openwhp::Property;
use openwhp::PropertyCode;
use openwhp::TriggerMode;
use openwhp_abi::hresult::WHV_E_INSUFFICIENT_BUFFER;
use openwhp_abi::x64::*;

use crate::boundary::Outcome;
use crate::boundary::exports;
use crate::error::Failure;
use crate::handles;

exports! {
    /// Requests an interrupt from the emulated local APICs.
    fn WHvRequestInterrupt(
        partition: WHV_PARTITION_HANDLE,
        interrupt: *const WHV_INTERRUPT_CONTROL,
        size: u32,
    ) {
        let partition = handles::set_up(partition)?;
        let interrupt = interrupt.required()?;
        require_apic(&partition)?;
        if (size as usize) < size_of::<WHV_INTERRUPT_CONTROL>() {
            return Err(Failure::invalid(format!("an interrupt request has 16 bytes, not {size}")));
        }
        let request = interrupt.get(0).map_or_else(|| Ok(InterruptRequest::default()), request)?;
        Ok(partition.request_interrupt(request)?)
    }

    /// Lists the processors that a destination reaches.
    fn WHvGetInterruptTargetVpSet(
        partition: WHV_PARTITION_HANDLE,
        destination: u64,
        mode: WHV_INTERRUPT_DESTINATION_MODE,
        targets: *mut u32 [count],
        count: u32,
        target_count: *mut u32,
    ) {
        let partition = handles::set_up(partition)?;
        let targets = targets.required_unless_empty()?;
        let target_count = target_count.required()?;
        require_apic(&partition)?;
        let found = partition.interrupt_targets(destination, destination_mode(u64::from(mode.0))?)?;
        target_count.set(u32::try_from(found.len()).unwrap_or(u32::MAX));
        if found.len() > targets.len() {
            let text = format!("{} processors are addressed, there is room for {}", found.len(), targets.len());
            return Err(Failure::new(WHV_E_INSUFFICIENT_BUFFER, text));
        }
        for (index, vp) in found.iter().enumerate() {
            targets.put(index, vp.0);
        }
        Ok(())
    }
}

fn require_apic(partition: &Partition) -> Outcome {
    match partition.property(PropertyCode::LocalApicEmulationMode)? {
        Property::LocalApicEmulationMode(ApicMode::None) => {
            Err(InterruptError::NoApic(ApicMode::None).into())
        }
        _ => Ok(()),
    }
}

pub(crate) fn request(control: WHV_INTERRUPT_CONTROL) -> Outcome<InterruptRequest> {
    if control.TargetVtl() != 0 {
        return Err(Failure::invalid("the interrupt names another trust level"));
    }
    Ok(InterruptRequest {
        kind: kind(control.Type())?,
        destination_mode: destination_mode(control.DestinationMode())?,
        trigger: trigger_mode(control.TriggerMode())?,
        destination: control.Destination(),
        vector: control.Vector(),
    })
}

fn kind(code: u64) -> Outcome<InterruptKind> {
    match code {
        0 => Ok(InterruptKind::Fixed),
        1 => Ok(InterruptKind::LowestPriority),
        4 => Ok(InterruptKind::Nmi),
        5 => Ok(InterruptKind::Init),
        6 => Ok(InterruptKind::Sipi),
        9 => Ok(InterruptKind::LocalInt1),
        other => Err(Failure::invalid(format!("interrupt type {other} cannot be requested"))),
    }
}

fn destination_mode(code: u64) -> Outcome<DestinationMode> {
    match code {
        0 => Ok(DestinationMode::Physical),
        1 => Ok(DestinationMode::Logical),
        other => Err(Failure::invalid(format!("destination mode {other} is not 0 or 1"))),
    }
}

fn trigger_mode(code: u64) -> Outcome<TriggerMode> {
    match code {
        0 => Ok(TriggerMode::Edge),
        1 => Ok(TriggerMode::Level),
        other => Err(Failure::invalid(format!("trigger mode {other} is not 0 or 1"))),
    }
}
