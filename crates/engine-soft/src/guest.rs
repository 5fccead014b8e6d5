//! Copies between host buffers and guest memory from outside a processor.

#![expect(unsafe_code, reason = "reads and writes memory that guests share")]

use openwhp_x86::mem::host;

/// Copies guest memory at a host address out; false if the host refuses. The address comes from a slot of the map.
pub(crate) fn read(address: usize, bytes: &mut [u8]) -> bool {
    crate::fault::install();
    // SAFETY: the address lies in a mapped slot, whose memory was vouched for when it was mapped.
    unsafe { host::read_raw(address, bytes) }
}

/// Copies into guest memory at a host address; false if the host refuses. The address comes from a slot of the map.
pub(crate) fn write(address: usize, bytes: &[u8]) -> bool {
    crate::fault::install();
    // SAFETY: the address lies in a mapped slot, whose memory was vouched for when it was mapped.
    unsafe { host::write_raw(address, bytes) }
}

/// Whether the host lets this byte be written. The address comes from a slot of the map.
pub(crate) fn is_writable(address: usize) -> bool {
    crate::fault::install();
    // SAFETY: the address lies in a mapped slot, whose memory was vouched for when it was mapped.
    unsafe { host::is_writable_raw(address) }
}
