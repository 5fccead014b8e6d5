//! Hypercalls: decoding, dispatch, results.
//!
//! [`dispatch`] takes the registers of a caller and a [`Host`] that can do what calls ask for. It says whether the call
//! is done (the registers hold the result) or is the client's business.

mod call;
mod register;
mod serve;
mod status;
#[cfg(test)]
mod tests;
mod vpset;

use crate::Features;

pub use call::Control;
pub use call::Registers;
pub use call::result;
pub use status::Status;
pub use vpset::VpSet;

/// Codes of the calls this crate knows.
pub mod code {
    /// HvCallFlushVirtualAddressSpace.
    pub const FLUSH_SPACE: u16 = 0x02;
    /// HvCallFlushVirtualAddressList.
    pub const FLUSH_LIST: u16 = 0x03;
    /// HvCallNotifyLongSpinWait.
    pub const LONG_SPIN_WAIT: u16 = 0x08;
    /// HvCallSendSyntheticClusterIpi.
    pub const SEND_IPI: u16 = 0x0B;
    /// HvCallFlushVirtualAddressSpaceEx.
    pub const FLUSH_SPACE_EX: u16 = 0x13;
    /// HvCallFlushVirtualAddressListEx.
    pub const FLUSH_LIST_EX: u16 = 0x14;
    /// HvCallSendSyntheticClusterIpiEx.
    pub const SEND_IPI_EX: u16 = 0x15;
    /// HvCallGetVpRegisters.
    pub const GET_VP_REGISTERS: u16 = 0x50;
    /// HvCallSetVpRegisters.
    pub const SET_VP_REGISTERS: u16 = 0x51;
    /// HvCallPostMessage.
    pub const POST_MESSAGE: u16 = 0x5C;
    /// HvCallSignalEvent.
    pub const SIGNAL_EVENT: u16 = 0x5D;
    /// HvCallQueryNumaDistance.
    pub const QUERY_NUMA_DISTANCE: u16 = 0x78;
    /// HvCallRetargetDeviceInterrupt.
    pub const RETARGET_DEVICE_INTERRUPT: u16 = 0x7E;
    /// HvCallRestorePartitionTime.
    pub const RESTORE_PARTITION_TIME: u16 = 0x103;
}

/// Linear addresses to flush: `pages` pages of 4 KiB from `address` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GvaRange {
    /// Page-aligned linear address.
    pub address: u64,
    /// Number of pages, at least 1.
    pub pages: u64,
}

/// What translations to drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush<'a> {
    /// All of them.
    Everything,
    /// All but those of global pages.
    NonGlobal,
    /// Those of some addresses.
    Ranges(&'a [GvaRange]),
}

/// Interrupt retargeting as the guest asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retarget {
    /// The device.
    pub device: u64,
    /// Address and data of the message signalled interrupt.
    pub address: u32,
    /// See `address`.
    pub data: u32,
    /// New vector.
    pub vector: u32,
    /// All processors get it rather than one of them.
    pub is_multicast: bool,
    /// New targets.
    pub targets: VpSet,
}

/// What became of [`Retarget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retargeted {
    /// The interrupt goes to the new target.
    Done,
    /// The device has no such interrupt, or the target cannot be.
    Refused,
    /// There is no such device.
    UnknownDevice,
}

/// A time that the guest wants back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RestoredTime {
    /// Sequence of the reference TSC page; 0: the page shall be invalid.
    pub sequence: u32,
    /// Reference time in 100 ns.
    pub reference_100ns: u64,
    /// The TSC at that moment.
    pub tsc: u64,
}

/// What an owner does for hypercalls of one of its processors.
pub trait Host {
    /// Reads guest memory within a page; false if it is not readable.
    fn read(&mut self, gpa: u64, data: &mut [u8]) -> bool;

    /// Writes guest memory within a page; false if it is not writable.
    fn write(&mut self, gpa: u64, data: &[u8]) -> bool;

    /// Index of the calling processor.
    fn vp_index(&self) -> u32;

    /// Whether a processor exists.
    fn has_vp(&self, index: u32) -> bool;

    /// Drops translations on processors; returns when all have done so.
    fn flush(&mut self, targets: &VpSet, flush: Flush<'_>);

    /// Sends a fixed, edge-triggered interrupt.
    fn send_ipi(&mut self, targets: &VpSet, vector: u8);

    /// The caller waits for a lock that another processor holds.
    fn long_spin_wait(&mut self);

    /// Signals a connection.
    fn signal_event(&mut self, connection: u32, flag: u16) -> Signal;

    /// Reads a CPUID leaf of the hypervisor's range.
    fn leaf(&mut self, function: u32) -> [u32; 4];

    /// Reads a synthetic MSR; `None` if that faults or there is no such register.
    fn read_msr(&mut self, index: u32) -> Option<u64>;

    /// Writes a synthetic MSR; false if that faults or there is no such register.
    fn write_msr(&mut self, index: u32, value: u64) -> bool;

    /// Distance between two proximity domains, if both exist.
    fn numa_distance(&mut self, from: u32, to: u32) -> Option<u64>;

    /// Gives an interrupt of a device another target.
    fn retarget(&mut self, retarget: &Retarget) -> Retargeted;

    /// Sets partition time and all TSCs.
    fn restore_time(&mut self, time: RestoredTime);
}

/// What became of a signal to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Delivered.
    Done,
    /// The connection has no such flag.
    BadFlag,
    /// Nobody owns the connection.
    Unknown,
}

/// Why a call is the client's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientCall {
    /// Nobody here knows it, or its feature is off.
    Unhandled,
    /// A signal to a connection that nobody owns.
    UnknownConnection,
    /// A device that nobody knows.
    UnknownDevice,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Done; the registers hold the result.
    Done,
    /// The client may want it. If it does not, [`Registers::set_result`] of [`result`] with this status completes it.
    Client(ClientCall, Status),
    /// #UD: vector registers or their output are used where they are not offered.
    Undefined,
}

/// Kinds of calls, as they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Long spin waits.
    LongSpinWait,
    /// Messages and events.
    SyntheticInterrupt,
    /// Interrupts of other processors and devices.
    VirtualInterrupt,
    /// Flushes.
    VirtualMmu,
    /// All others.
    Other,
}

/// The kind of a call.
pub fn class(code: u16) -> Class {
    match code {
        code::LONG_SPIN_WAIT => Class::LongSpinWait,
        code::POST_MESSAGE | code::SIGNAL_EVENT => Class::SyntheticInterrupt,
        code::SEND_IPI | code::SEND_IPI_EX | code::RETARGET_DEVICE_INTERRUPT => Class::VirtualInterrupt,
        code::FLUSH_SPACE | code::FLUSH_LIST | code::FLUSH_SPACE_EX | code::FLUSH_LIST_EX => {
            Class::VirtualMmu
        }
        _ => Class::Other,
    }
}

/// The shape of a call.
#[derive(Clone, Copy, Debug)]
struct Known {
    code: u16,
    /// All of these must be on.
    needs: Features,
    /// Bytes of the fixed header.
    header: usize,
    /// The header may be longer than that.
    is_variable: bool,
    /// Bytes of a list element in and out; no list if both are 0.
    element: usize,
    element_out: usize,
    /// Bytes of a fixed output.
    output: usize,
}

impl Known {
    const fn simple(code: u16, needs: Features, header: usize) -> Self {
        Self { code, needs, header, is_variable: false, element: 0, element_out: 0, output: 0 }
    }

    const fn list(self, element: usize, element_out: usize) -> Self {
        Self { element, element_out, ..self }
    }

    const fn variable(self) -> Self {
        Self { is_variable: true, ..self }
    }

    const fn is_list(&self) -> bool {
        self.element != 0
    }
}

const EX_FLUSH: Features = Features::TLB_FLUSH.union(Features::EXTENDED_MASKS);
const EX_IPI: Features = Features::CLUSTER_IPI.union(Features::EXTENDED_MASKS);

/// Every call that can be answered here.
const CALLS: [Known; 13] = [
    Known::simple(code::FLUSH_SPACE, Features::TLB_FLUSH, 24),
    Known::simple(code::FLUSH_LIST, Features::TLB_FLUSH, 24).list(8, 0),
    Known::simple(code::LONG_SPIN_WAIT, Features::SPIN_WAIT, 8),
    Known::simple(code::SEND_IPI, Features::CLUSTER_IPI, 16),
    Known::simple(code::FLUSH_SPACE_EX, EX_FLUSH, 32).variable(),
    Known::simple(code::FLUSH_LIST_EX, EX_FLUSH, 32).variable().list(8, 0),
    Known::simple(code::SEND_IPI_EX, EX_IPI, 24).variable(),
    Known::simple(code::GET_VP_REGISTERS, Features::VP_REGISTERS, 16).list(4, 16),
    Known::simple(code::SET_VP_REGISTERS, Features::VP_REGISTERS, 16).list(32, 0),
    Known::simple(code::SIGNAL_EVENT, Features::SIGNAL_EVENTS, 8),
    Known { output: 8, ..Known::simple(code::QUERY_NUMA_DISTANCE, Features::NUMA_DISTANCE, 8) },
    Known::simple(code::RETARGET_DEVICE_INTERRUPT, Features::RETARGET, 56).variable(),
    Known::simple(code::RESTORE_PARTITION_TIME, Features::RESTORE_TIME, 32),
];

/// Answers a hypercall of an identified guest, as far as its features go.
///
/// # Source
/// TLFS "Hypercall Interface"; WHP `WHvRunVirtualProcessor`, hypercall exits.
pub fn dispatch(features: Features, registers: &mut Registers, host: &mut dyn Host) -> Outcome {
    let control = Control::decode(registers.control());
    let Some(known) = CALLS.iter().find(|known| known.code == control.code) else {
        let is_unprivileged = control.code == code::POST_MESSAGE;
        let status = if is_unprivileged { Status::AccessDenied } else { Status::InvalidHypercallCode };
        return Outcome::Client(ClientCall::Unhandled, status);
    };
    if !features.contains(known.needs) {
        return Outcome::Client(ClientCall::Unhandled, Status::AccessDenied);
    }
    serve::serve(features, known, control, registers, host)
}
