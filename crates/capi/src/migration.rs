//! Migration between processes. Not offered yet: a partition never becomes a source or a destination.

#![expect(unsafe_code, reason = "exports C functions")]

use openwhp_abi::hresult::HRESULT_FROM_WIN32_ERROR_INVALID_STATE;
use openwhp_abi::hresult::HRESULT_FROM_WIN32_ERROR_NOT_SUPPORTED;
use openwhp_abi::windows::HANDLE;
use openwhp_abi::x64::*;

use crate::boundary::exports;
use crate::error::Failure;
use crate::handles;

exports! {
    /// Starts to send a partition to another process.
    fn WHvStartPartitionMigration(partition: WHV_PARTITION_HANDLE, migration: *mut HANDLE) {
        handles::set_up(partition)?;
        migration.required()?;
        Err(Failure::new(HRESULT_FROM_WIN32_ERROR_NOT_SUPPORTED, "partitions cannot be migrated yet"))
    }

    /// Gives up a migration.
    fn WHvCancelPartitionMigration(partition: WHV_PARTITION_HANDLE) {
        handles::set_up(partition)?;
        Err(not_migrating())
    }

    /// Ends the source's part of a migration.
    fn WHvCompletePartitionMigration(partition: WHV_PARTITION_HANDLE) {
        handles::set_up(partition)?;
        Err(not_migrating())
    }

    /// Receives a partition from another process.
    fn WHvAcceptPartitionMigration(migration: HANDLE, partition: *mut WHV_PARTITION_HANDLE) {
        partition.required()?;
        let text = format!("handle {:#x} carries no partition", migration.address());
        Err(Failure::invalid(text))
    }
}

fn not_migrating() -> Failure {
    Failure::new(HRESULT_FROM_WIN32_ERROR_INVALID_STATE, "the partition is not being migrated")
}
