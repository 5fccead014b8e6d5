//! Registers that all processors of a partition share.

use crate::Fault;
use crate::PartitionMsr;

/// The page, or the interface, is on.
const ENABLE: u64 = 1 << 0;
/// The hypercall register cannot change any more.
const LOCKED: u64 = 1 << 1;
/// Where a register holds a page's address.
pub(crate) const PAGE_MASK: u64 = !0xFFF;

/// The guest reports a crash.
const CRASH_NOTIFY: u64 = 1 << 63;
/// Parameters 3 and 4 are address and length of a text.
const CRASH_MESSAGE: u64 = 1 << 62;

/// What a write changed for the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartitionChange {
    /// Nothing beyond the value.
    None,
    /// [`Partition::hypercall_page`] may be another.
    HypercallPage,
    /// [`Partition::reference_page`] may be another.
    ReferencePage,
    /// The guest has reported a crash; see [`Partition::crash`].
    Crash,
}

/// The shared registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Partition {
    guest_os_id: u64,
    hypercall: u64,
    reference_tsc: u64,
    crash: [u64; 5],
    crash_control: u64,
    /// Sequence number of the reference TSC page.
    pub sequence: u32,
}

impl Partition {
    /// Registers after reset.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a guest, or a client, reads.
    pub fn read(&self, msr: PartitionMsr) -> u64 {
        match msr {
            PartitionMsr::GuestOsId => self.guest_os_id,
            PartitionMsr::Hypercall => self.hypercall,
            PartitionMsr::ReferenceTsc => self.reference_tsc,
            PartitionMsr::CrashParameter(number) => self.crash[usize::from(number) % 5],
            // Reading tells what reports may contain.
            PartitionMsr::CrashControl => CRASH_NOTIFY | CRASH_MESSAGE,
        }
    }

    /// A guest's write. Addresses have `physical_bits` bits.
    ///
    /// # Errors
    /// [`Fault`] for a hypercall page outside the guest's address space, and once that register is locked.
    ///
    /// # Source
    /// TLFS "Establishing the Hypercall Interface", "Partition Reference TSC Mechanism", "Guest Crash Enlightenment".
    pub fn write(
        &mut self,
        msr: PartitionMsr,
        value: u64,
        physical_bits: u32,
    ) -> Result<PartitionChange, Fault> {
        match msr {
            PartitionMsr::Hypercall => {
                if self.hypercall & LOCKED != 0 || value & ENABLE != 0 && !is_inside(value, physical_bits) {
                    return Err(Fault);
                }
                // Without an identity the page stays off, whatever is asked for.
                Ok(self.set(msr, if self.is_identified() { value } else { value & !ENABLE }))
            }
            PartitionMsr::GuestOsId if value == 0 && self.hypercall & ENABLE != 0 => {
                self.guest_os_id = 0;
                self.hypercall &= !ENABLE;
                Ok(PartitionChange::HypercallPage)
            }
            _ => Ok(self.set(msr, value)),
        }
    }

    /// A client's write, or one that has been checked: any value, in any order.
    pub fn set(&mut self, msr: PartitionMsr, value: u64) -> PartitionChange {
        match msr {
            PartitionMsr::GuestOsId => {
                self.guest_os_id = value;
                PartitionChange::None
            }
            PartitionMsr::Hypercall => {
                self.hypercall = value;
                PartitionChange::HypercallPage
            }
            PartitionMsr::ReferenceTsc => {
                self.reference_tsc = value;
                PartitionChange::ReferencePage
            }
            PartitionMsr::CrashParameter(number) => {
                self.crash[usize::from(number) % 5] = value;
                PartitionChange::None
            }
            PartitionMsr::CrashControl => {
                self.crash_control = value;
                if value & CRASH_NOTIFY != 0 { PartitionChange::Crash } else { PartitionChange::None }
            }
        }
    }

    /// Whether the guest has said what it is; hypercalls count from then on.
    pub fn is_identified(&self) -> bool {
        self.guest_os_id != 0
    }

    /// Guest address of the hypercall page, while it is on.
    pub fn hypercall_page(&self) -> Option<u64> {
        (self.hypercall & ENABLE != 0).then_some(self.hypercall & PAGE_MASK)
    }

    /// Guest address of the reference TSC page, while it is on.
    pub fn reference_page(&self) -> Option<u64> {
        (self.reference_tsc & ENABLE != 0).then_some(self.reference_tsc & PAGE_MASK)
    }

    /// Parameters of the last crash report, if there was one.
    pub fn crash(&self) -> Option<[u64; 5]> {
        (self.crash_control & CRASH_NOTIFY != 0).then_some(self.crash)
    }
}

fn is_inside(address: u64, physical_bits: u32) -> bool {
    address.checked_shr(physical_bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const BITS: u32 = 39;

    #[test]
    fn the_call_page_needs_an_identity() {
        let mut partition = Partition::new();
        assert_eq!(
            partition.write(PartitionMsr::Hypercall, 0x5001, BITS),
            Ok(PartitionChange::HypercallPage)
        );
        assert_eq!((partition.read(PartitionMsr::Hypercall), partition.hypercall_page()), (0x5000, None));
        assert_eq!(partition.write(PartitionMsr::GuestOsId, 7, BITS), Ok(PartitionChange::None));
        let _ = partition.write(PartitionMsr::Hypercall, 0x5001, BITS);
        assert_eq!(partition.hypercall_page(), Some(0x5000));
        assert_eq!(partition.write(PartitionMsr::GuestOsId, 0, BITS), Ok(PartitionChange::HypercallPage));
        assert_eq!((partition.hypercall_page(), partition.is_identified()), (None, false));
    }

    #[test]
    fn a_locked_call_page_stays() {
        let mut partition = Partition::new();
        let _ = partition.write(PartitionMsr::GuestOsId, 7, BITS);
        let _ = partition.write(PartitionMsr::Hypercall, 0x5003, BITS);
        assert_eq!(partition.write(PartitionMsr::Hypercall, 0x6001, BITS), Err(Fault));
        assert_eq!(partition.hypercall_page(), Some(0x5000));
        // A client may restore whatever it saved.
        partition.set(PartitionMsr::Hypercall, 0x6001);
        assert_eq!(partition.hypercall_page(), Some(0x6000));
    }

    #[test]
    fn a_call_page_outside_memory_faults() {
        let mut partition = Partition::new();
        let _ = partition.write(PartitionMsr::GuestOsId, 7, BITS);
        assert_eq!(partition.write(PartitionMsr::Hypercall, 1 << 39 | 1, BITS), Err(Fault));
        assert!(partition.write(PartitionMsr::Hypercall, 1 << 39, BITS).is_ok());
        assert!(partition.write(PartitionMsr::Hypercall, u64::MAX << 12 | 1, 64).is_ok());
    }

    #[test]
    fn reserved_bits_are_preserved() {
        let mut partition = Partition::new();
        let _ = partition.write(PartitionMsr::ReferenceTsc, 0x7FFF, BITS);
        assert_eq!(partition.read(PartitionMsr::ReferenceTsc), 0x7FFF);
        assert_eq!(partition.reference_page(), Some(0x7000));
    }

    #[test]
    fn a_crash_report_is_kept() {
        let mut partition = Partition::new();
        for number in 0..5 {
            let _ = partition.write(PartitionMsr::CrashParameter(number), u64::from(number) + 10, BITS);
        }
        assert_eq!(partition.crash(), None);
        let _ = partition.write(PartitionMsr::CrashControl, 1 << 62, BITS);
        assert_eq!(partition.crash(), None);
        assert_eq!(partition.write(PartitionMsr::CrashControl, 1 << 63, BITS), Ok(PartitionChange::Crash));
        assert_eq!(partition.crash(), Some([10, 11, 12, 13, 14]));
        assert_eq!(partition.read(PartitionMsr::CrashControl), 3 << 62);
    }
}
