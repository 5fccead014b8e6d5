//! Status codes of hypercalls.

/// What a hypercall reports (`HV_STATUS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Status {
    /// Done.
    Success = 0,
    /// No such call.
    InvalidHypercallCode = 2,
    /// Reserved bits, or counts that the call does not take.
    InvalidHypercallInput = 3,
    /// A parameter block that is not aligned, crosses pages, or lies outside the guest's memory.
    InvalidAlignment = 4,
    /// A parameter out of range.
    InvalidParameter = 5,
    /// A privilege is missing.
    AccessDenied = 6,
    /// Not a partition the caller may name.
    InvalidPartitionId = 0xD,
    /// Not a processor the caller may name.
    InvalidVpIndex = 0xE,
    /// No such connection.
    InvalidConnectionId = 0x12,
    /// The register does not take the value.
    InvalidRegisterValue = 0x50,
    /// No such device.
    InvalidDeviceId = 0x57,
}
