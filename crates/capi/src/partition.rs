//! Capabilities, partitions, properties, time and reset.

#![expect(unsafe_code, reason = "exports C functions")]

use std::ffi::c_void;

use openwhp::Partition;
use openwhp::capabilities;
use openwhp_abi::x64::*;

use crate::boundary::answer;
use crate::boundary::exports;
use crate::capability;
use crate::extension::engine;
use crate::handles;
use crate::property;

exports! {
    /// Says what the platform can do.
    fn WHvGetCapability(
        code: WHV_CAPABILITY_CODE,
        buffer: *mut c_void [size],
        size: u32,
        written: *mut u32,
    ) {
        buffer.required_unless_empty()?;
        answer(buffer, written, &capability::value(code, capabilities(engine())?)?)
    }

    /// Creates an unconfigured partition.
    fn WHvCreatePartition(partition: *mut WHV_PARTITION_HANDLE) {
        let partition = partition.required()?;
        partition.set(handles::register(Partition::on(engine())?));
        Ok(())
    }

    /// Checks the configuration and makes the machine.
    fn WHvSetupPartition(partition: WHV_PARTITION_HANDLE) {
        Ok(handles::any(partition)?.set_up()?)
    }

    /// Puts every processor back to its state after creation.
    fn WHvResetPartition(partition: WHV_PARTITION_HANDLE) {
        Ok(handles::any(partition)?.reset()?)
    }

    /// Deletes a partition with all it has. Processors that run leave with a cancel exit first.
    fn WHvDeletePartition(partition: WHV_PARTITION_HANDLE) {
        handles::unregister(partition)?.delete();
        Ok(())
    }

    /// Reads a property.
    fn WHvGetPartitionProperty(
        partition: WHV_PARTITION_HANDLE,
        code: WHV_PARTITION_PROPERTY_CODE,
        buffer: *mut c_void [size],
        size: u32,
        written: *mut u32,
    ) {
        let partition = handles::any(partition)?;
        buffer.required_unless_empty()?;
        let value = partition.property(property::code(code)?)?;
        answer(buffer, written, &property::to_bytes(value)?)
    }

    /// Sets a property.
    fn WHvSetPartitionProperty(
        partition: WHV_PARTITION_HANDLE,
        code: WHV_PARTITION_PROPERTY_CODE,
        buffer: *const c_void [size],
        size: u32,
    ) {
        let partition = handles::any(partition)?;
        buffer.required_unless_empty()?;
        let value = property::from_bytes(property::code(code)?, buffer)?;
        Ok(partition.set_property(value)?)
    }

    /// Stops guest-visible time.
    fn WHvSuspendPartitionTime(partition: WHV_PARTITION_HANDLE) {
        Ok(handles::any(partition)?.suspend_time()?)
    }

    /// Lets guest-visible time go on.
    fn WHvResumePartitionTime(partition: WHV_PARTITION_HANDLE) {
        Ok(handles::any(partition)?.resume_time()?)
    }
}
