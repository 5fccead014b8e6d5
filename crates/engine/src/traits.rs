//! The roles an engine plays, each small and object-safe.

use std::sync::Arc;

use crate::AccessType;
use crate::Capabilities;
use crate::CpuidOutput;
use crate::CreateError;
use crate::DestinationMode;
use crate::DeviceInterrupts;
use crate::DoorbellMatch;
use crate::EmulateError;
use crate::EngineMapError;
use crate::EngineRunError;
use crate::Event;
use crate::Exit;
use crate::ExitControls;
use crate::Gpa;
use crate::GuestNs;
use crate::Gva;
use crate::HostRange;
use crate::InterruptError;
use crate::InterruptRequest;
use crate::MapFlags;
use crate::MmioBus;
use crate::NotificationError;
use crate::PartitionConfig;
use crate::PopulateFlags;
use crate::PortBus;
use crate::RegisterError;
use crate::RegisterName;
use crate::RegisterValue;
use crate::StateError;
use crate::SynicError;
use crate::TranslateFlags;
use crate::Translation;
use crate::VpCounters;
use crate::VpIndex;

/// Something that runs guests.
pub trait Engine: Send + Sync {
    /// A short name for messages and tables (`soft`).
    fn name(&self) -> &'static str;

    /// What it offers on this machine.
    fn capabilities(&self) -> &Capabilities;

    /// Makes a partition. The platform has checked the values of `config` one by one.
    ///
    /// # Errors
    /// [`CreateError::NotAvailable`] for a combination the engine cannot offer.
    fn create(&self, config: &PartitionConfig) -> Result<Arc<dyn EnginePartition>, CreateError>;
}

/// One partition inside an engine.
pub trait EnginePartition: Send + Sync {
    /// The guest memory map.
    fn memory(&self) -> &dyn EngineMemory;

    /// Interrupt requests, if local APICs are emulated.
    fn interrupts(&self) -> Option<&dyn EngineInterrupts>;

    /// Doorbells and event ports, if the engine has them.
    fn notifications(&self) -> Option<&dyn EngineNotifications>;

    /// Synthetic interrupt controllers, if the partition has them.
    fn synic(&self) -> Option<&dyn EngineSynic>;

    /// Guest time.
    fn time(&self) -> &dyn EngineTime;

    /// Tells the engine where guests' requests about devices go; once, before a processor runs.
    fn set_device_interrupts(&self, devices: Arc<dyn DeviceInterrupts>);

    /// Makes a processor in reset state. The platform sees to it that no index exists twice at a time. `node` is the NUMA
    /// node to place it on; without one the partition's counts.
    ///
    /// # Errors
    /// [`CreateError::BadIndex`] or [`CreateError::OutOfMemory`].
    fn create_vp(&self, index: VpIndex, node: Option<u16>) -> Result<Box<dyn EngineVp>, CreateError>;

    /// Forgets what the guest has set for the whole partition. No processor is inside run; the platform resets the
    /// processors and the time itself.
    fn reset(&self);

    /// Replaces the exit switches; every processor obeys them from its next run on.
    fn set_exit_controls(&self, controls: &ExitControls);
}

/// The guest memory map. Ranges are page-aligned, not empty and do not wrap; the platform has checked that.
pub trait EngineMemory: Send + Sync {
    /// Maps `host` at `gpa`, replacing what was there. When it returns no processor uses the old mapping.
    ///
    /// # Errors
    /// [`EngineMapError::OutOfMemory`].
    fn map(&self, host: HostRange, gpa: Gpa, flags: MapFlags) -> Result<(), EngineMapError>;

    /// Removes what is mapped in the range. When it returns no processor uses it.
    ///
    /// # Errors
    /// [`EngineMapError::OutOfMemory`].
    fn unmap(&self, gpa: Gpa, len: u64) -> Result<(), EngineMapError>;

    /// Reads and clears the dirty bits of the range into `bitmap` (bit n of word n/64 = page n); with `None`
    /// only clears.
    ///
    /// # Errors
    /// [`EngineMapError::NotFound`] if a page is not mapped with tracking; nothing is changed then.
    fn query_dirty(&self, gpa: Gpa, len: u64, bitmap: Option<&mut [u64]>) -> Result<(), EngineMapError>;

    /// Brings the pages in for the given access, and waits for them. [`PopulateFlags::PREFETCH`] has the host read
    /// the whole range in at once first; with [`PopulateFlags::AVOID_HARD_FAULTS`] pages that would have to be read
    /// from a disk are left out.
    ///
    /// # Errors
    /// [`EngineMapError::NotFound`] or [`EngineMapError::AccessDenied`].
    fn populate(
        &self,
        gpa: Gpa,
        len: u64,
        access: AccessType,
        flags: PopulateFlags,
    ) -> Result<(), EngineMapError>;

    /// Makes the pages resident and counts a pin on each, all or none; the host keeps them in memory as far as its
    /// limits allow. A change of the mapping ends its pins.
    ///
    /// # Errors
    /// [`EngineMapError::NotFound`] or [`EngineMapError::AccessDenied`].
    fn pin(&self, gpa: Gpa, len: u64) -> Result<(), EngineMapError>;

    /// Undoes one pin of every page, all or none.
    ///
    /// # Errors
    /// [`EngineMapError::NotPinned`] with the first page that has none.
    fn unpin(&self, gpa: Gpa, len: u64) -> Result<(), EngineMapError>;

    /// Copies out of guest memory, respecting the mapping's rights; all or nothing.
    ///
    /// # Errors
    /// [`EngineMapError::NotFound`] or [`EngineMapError::AccessDenied`].
    fn read(&self, gpa: Gpa, data: &mut [u8]) -> Result<(), EngineMapError>;

    /// Copies into guest memory, respecting the mapping's rights; all or nothing. Marks pages dirty and drops
    /// code decoded from them.
    ///
    /// # Errors
    /// [`EngineMapError::NotFound`] or [`EngineMapError::AccessDenied`].
    fn write(&self, gpa: Gpa, data: &[u8]) -> Result<(), EngineMapError>;

    /// Pages mapped now.
    fn mapped_pages(&self) -> u64;

    /// How many pages of 4 KiB, 2 MiB and 1 GiB map the same.
    fn mapped_pages_by_size(&self) -> [u64; 3];
}

/// Interrupt requests to emulated local APICs.
pub trait EngineInterrupts: Send + Sync {
    /// Delivers a request; wakes parked processors; never blocks.
    ///
    /// # Errors
    /// [`InterruptError::ReservedVector`] or [`InterruptError::BadVector`].
    fn request(&self, request: InterruptRequest) -> Result<(), InterruptError>;

    /// Raises an edge-triggered vector (16 to 255) on processors named by index: on all of them, or on the one of lowest
    /// priority. Processors that do not exist are left out. Wakes parked processors; never blocks.
    fn deliver(&self, processors: &[VpIndex], vector: u8, is_multicast: bool);

    /// The processors such a destination reaches, ascending.
    fn targets(&self, destination: u64, mode: DestinationMode) -> Vec<VpIndex>;
}

/// Events of the host that the guest's actions set. All of it may be called while processors run, survives reset and goes
/// with the partition.
pub trait EngineNotifications: Send + Sync {
    /// Has `event` set by every store that matches. The pages of doorbells behave as unmapped otherwise. The platform
    /// has checked that the match data make sense.
    ///
    /// # Errors
    /// [`NotificationError::Conflict`] or [`NotificationError::OutOfMemory`].
    fn register_doorbell(&self, doorbell: DoorbellMatch, event: Event) -> Result<(), NotificationError>;

    /// Removes the doorbell with exactly these match data. When it returns its event is not set any more.
    ///
    /// # Errors
    /// [`NotificationError::NoDoorbell`] or [`NotificationError::OutOfMemory`].
    fn unregister_doorbell(&self, doorbell: &DoorbellMatch) -> Result<(), NotificationError>;

    /// Has `event` set whenever the guest signals the connection.
    ///
    /// # Errors
    /// [`NotificationError::ConnectionInUse`].
    fn connect(&self, connection: u32, event: Event) -> Result<(), NotificationError>;

    /// Removes a connection. When it returns its event is not set any more.
    ///
    /// # Errors
    /// [`NotificationError::NoConnection`].
    fn disconnect(&self, connection: u32) -> Result<(), NotificationError>;
}

/// Synthetic interrupt controllers, as a client reaches them. Both calls wake parked processors and never block; a
/// processor may be inside run.
pub trait EngineSynic: Send + Sync {
    /// Sets an event flag of a source and raises the source's interrupt if the flag was clear; says whether it was.
    ///
    /// # Errors
    /// [`SynicError`]; nothing is changed then.
    fn signal_event(&self, vp: VpIndex, sint: u32, flag: u32) -> Result<bool, SynicError>;

    /// Puts a message of 1 to 256 bytes into the slot of a source and raises the source's interrupt.
    ///
    /// # Errors
    /// [`SynicError`]; [`SynicError::Occupied`] asks the guest to say when the slot is free.
    fn post_message(&self, vp: VpIndex, sint: u32, message: &[u8]) -> Result<(), SynicError>;
}

/// Guest time of a partition: one source behind the TSC, the APIC timers, the reference time and alarms.
///
/// What is read, set and compared with alarms is the reference time.
pub trait EngineTime: Send + Sync {
    /// Reference time now; 0 before the first run unless it was set.
    fn now(&self) -> GuestNs;

    /// Sets the reference time; neither TSC nor timers move. No processor may be running.
    fn set(&self, now: GuestNs);

    /// Stops guest time. No processor may be running.
    fn freeze(&self);

    /// Lets guest time go on. Running a processor does so too.
    fn thaw(&self);

    /// True while frozen, also before the first run.
    fn is_frozen(&self) -> bool;

    /// Back to zero and frozen.
    fn reset(&self);
}

/// One processor. Only one thread uses it at a time; the platform sees to that.
pub trait EngineVp: Send {
    /// Runs the guest until an exit.
    ///
    /// # Errors
    /// [`EngineRunError`] if the state cannot be run at all.
    fn run(&mut self, exit: &mut Exit) -> Result<(), EngineRunError>;

    /// Reads registers.
    ///
    /// # Errors
    /// [`RegisterError`] of the first name that cannot be read.
    fn get_registers(
        &mut self,
        names: &[RegisterName],
        values: &mut [RegisterValue],
    ) -> Result<(), RegisterError>;

    /// Writes registers: checks all, then applies all in order.
    ///
    /// # Errors
    /// [`RegisterError`] of the first name or value that is refused; nothing is changed then.
    fn set_registers(&mut self, registers: &[(RegisterName, RegisterValue)]) -> Result<(), RegisterError>;

    /// Translates a linear address in the processor's current state.
    fn translate(&mut self, gva: Gva, flags: TranslateFlags) -> Translation;

    /// Size of the XSAVE image in bytes; constant over the processor's life.
    fn xsave_size(&self) -> usize;

    /// The compacted XSAVE image.
    fn xsave(&mut self) -> Vec<u8>;

    /// Loads a compacted XSAVE image.
    ///
    /// # Errors
    /// [`StateError::Malformed`] or [`StateError::Size`].
    fn set_xsave(&mut self, image: &[u8]) -> Result<(), StateError>;

    /// State of the emulated local APIC, if there is one.
    fn apic(&mut self) -> Option<&mut dyn ApicState>;

    /// State of the synthetic interrupt controller, if there is one.
    fn synic(&mut self) -> Option<&mut dyn SynicState>;

    /// Sets or removes the alarm: `run` leaves with [`crate::ExitReason::Alarm`] when guest time reaches it.
    fn set_alarm(&mut self, at: Option<GuestNs>);

    /// Finishes the instruction at RIP, sending its unmapped accesses and ports to the given buses.
    ///
    /// # Errors
    /// [`EmulateError`]; the processor is unchanged then.
    fn emulate(&mut self, mmio: &mut dyn MmioBus, ports: &mut dyn PortBus) -> Result<(), EmulateError>;

    /// Back to the state just after creation.
    fn reset(&mut self);

    /// The part of the processor other threads may use while it runs.
    fn remote(&self) -> Arc<dyn VpRemote>;
}

/// The part of a processor that any thread may use at any time.
pub trait VpRemote: Send + Sync {
    /// Makes the current run, or the next one, leave with a cancel exit. Remembered until that exit.
    fn cancel(&self);

    /// What CPUID gives on this processor now.
    fn cpuid(&self, function: u32, index: u32) -> CpuidOutput;

    /// Totals since creation.
    fn counters(&self) -> VpCounters;
}

/// State of a synthetic interrupt controller as clients save and restore it, besides its registers.
pub trait SynicState {
    /// The message page: 16 slots of 256 bytes. What it holds stays while the guest has it off.
    fn messages(&mut self) -> Box<[u8; 4096]>;

    /// Loads the message page.
    fn set_messages(&mut self, page: &[u8; 4096]);

    /// The event flag page: 16 blocks of 2048 bits.
    fn events(&mut self) -> Box<[u8; 4096]>;

    /// Loads the event flag page.
    fn set_events(&mut self, page: &[u8; 4096]);

    /// The four synthetic timers (`WHvVirtualProcessorStateTypeSynicTimerState`).
    fn timers(&mut self) -> [u8; 200];

    /// Loads the timers.
    ///
    /// # Errors
    /// [`StateError::Malformed`]; nothing is changed then.
    fn set_timers(&mut self, timers: &[u8; 200]) -> Result<(), StateError>;
}

/// State of an emulated local APIC as clients save and restore it.
pub trait ApicState {
    /// The page form: a 32-bit value per 16-byte slot, as the xAPIC register page lays them out.
    fn page(&mut self) -> Box<[u8; 4096]>;

    /// Loads the page form.
    ///
    /// # Errors
    /// [`StateError::Malformed`].
    fn set_page(&mut self, page: &[u8; 4096]) -> Result<(), StateError>;

    /// The packed form of 44 words.
    fn packed(&mut self) -> [u32; 44];

    /// Loads the packed form.
    ///
    /// # Errors
    /// [`StateError::Malformed`].
    fn set_packed(&mut self, words: &[u32; 44]) -> Result<(), StateError>;
}
