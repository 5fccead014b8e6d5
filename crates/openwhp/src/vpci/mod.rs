//! Virtual PCI devices: power, registers, and interrupts that are routed to processors by index.
//!
//! A device is made from a [`VpciResource`]. The empty resource works on every machine: its configuration space reads
//! as all ones and it has no base-address registers, but its interrupt entries are real, so that a client can raise
//! messages of a device of its own through them. Everything that happens to a device goes through the partition's
//! table of devices; `route` holds its interrupt entries.

mod api;
mod error;
mod route;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use openwhp_engine::DeviceInterrupts;
use openwhp_engine::DeviceRetarget;
use openwhp_engine::DeviceRetargeted;
use openwhp_engine::EngineInterrupts;
use openwhp_engine::VpIndex;

pub use error::VpciError;
pub use route::VpciMessage;
pub use route::VpciTarget;

use route::Routes;

/// Bytes of a configuration space.
const CONFIG_SIZE: u64 = 4096;

/// What a device is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VpciResource {
    /// No hardware: a device of interrupt entries only.
    Empty,
}

bitflags::bitflags! {
    /// Options of a device (`WHV_CREATE_VPCI_DEVICE_FLAGS`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct VpciFlags: u32 {
        /// The device stands for hardware.
        const PHYSICALLY_BACKED = 1;
        /// The client raises the device's interrupts.
        const LOGICAL_INTERRUPTS = 2;
    }
}

/// Power state of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum VpciPower {
    /// On.
    D0 = 1,
    /// Light sleep.
    D1 = 2,
    /// Sleep.
    D2 = 3,
    /// Off; the state after creation.
    D3 = 4,
}

/// Where a device register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VpciSpace {
    /// Configuration space.
    Config,
    /// Behind a base-address register, 0 to 5.
    Bar(u8),
}

/// Identification of a device (`WHV_VPCI_HARDWARE_IDS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VpciHardwareIds {
    /// Vendor.
    pub vendor: u16,
    /// Device.
    pub device: u16,
    /// Revision.
    pub revision: u8,
    /// Programming interface.
    pub prog_if: u8,
    /// Sub-class.
    pub sub_class: u8,
    /// Base class.
    pub base_class: u8,
    /// Sub-system vendor.
    pub sub_vendor: u16,
    /// Sub-system.
    pub sub_system: u16,
}

/// One device.
#[derive(Debug)]
struct Device {
    flags: VpciFlags,
    power: VpciPower,
    routes: Routes,
}

/// The devices of a partition by their identifiers.
#[derive(Debug)]
pub(crate) struct Devices {
    devices: Mutex<BTreeMap<u64, Device>>,
    /// Processors that the partition can have.
    processors: u32,
    /// Processors that any partition of the engine can have.
    most_processors: u32,
}

impl Devices {
    pub(crate) fn new(processors: u32, most_processors: u32) -> Self {
        Self { devices: Mutex::default(), processors, most_processors }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Device>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works with a device that must exist.
    fn with<T>(
        &self,
        device: u64,
        work: impl FnOnce(&mut Device) -> Result<T, VpciError>,
    ) -> Result<T, VpciError> {
        work(self.lock().get_mut(&device).ok_or(VpciError::NoDevice(device))?)
    }

    pub(crate) fn create(
        &self,
        device: u64,
        resource: VpciResource,
        flags: VpciFlags,
    ) -> Result<(), VpciError> {
        let VpciResource::Empty = resource;
        if flags.contains(VpciFlags::PHYSICALLY_BACKED) {
            return Err(VpciError::NoHardware);
        }
        let mut devices = self.lock();
        if devices.contains_key(&device) {
            return Err(VpciError::Exists(device));
        }
        devices.insert(device, Device { flags, power: VpciPower::D3, routes: Routes::default() });
        Ok(())
    }

    pub(crate) fn delete(&self, device: u64) -> Result<(), VpciError> {
        self.lock().remove(&device).map(|_| ()).ok_or(VpciError::NoDevice(device))
    }

    pub(crate) fn delete_all(&self) {
        self.lock().clear();
    }

    pub(crate) fn check(&self, device: u64) -> Result<(), VpciError> {
        self.with(device, |_| Ok(()))
    }

    pub(crate) fn set_power(&self, device: u64, power: VpciPower) -> Result<(), VpciError> {
        self.with(device, |found| {
            found.power = power;
            Ok(())
        })
    }

    pub(crate) fn power(&self, device: u64) -> Result<VpciPower, VpciError> {
        self.with(device, |found| Ok(found.power))
    }

    /// Checks that the device's register ranges could be mapped.
    pub(crate) fn check_on(&self, device: u64) -> Result<(), VpciError> {
        match self.power(device)? {
            VpciPower::D0 => Ok(()),
            power => Err(VpciError::NotOn { device, power }),
        }
    }

    /// Checks the place of a register.
    pub(crate) fn check_register(
        &self,
        device: u64,
        space: VpciSpace,
        offset: u64,
        size: usize,
    ) -> Result<(), VpciError> {
        self.check(device)?;
        let is_config = space == VpciSpace::Config;
        let is_inside = offset.checked_add(size as u64).is_some_and(|end| end <= CONFIG_SIZE);
        let is_aligned = size != 0 && offset.is_multiple_of(size as u64);
        // Without base-address registers nothing lies behind them.
        if is_config && matches!(size, 1 | 2 | 4) && is_inside && is_aligned {
            return Ok(());
        }
        Err(VpciError::BadRegister { offset, size })
    }

    // Interrupts.

    pub(crate) fn map_interrupt(
        &self,
        device: u64,
        index: u32,
        messages: u32,
        target: VpciTarget,
    ) -> Result<VpciMessage, VpciError> {
        target.check(self.processors)?;
        if target.processors.len() > self.processors as usize {
            return Err(VpciError::BadTarget("more processors than the partition has"));
        }
        route::check_messages(index, messages, &target)?;
        self.with(device, |found| found.routes.map(index, messages, target))
    }

    pub(crate) fn unmap_interrupt(&self, device: u64, index: u32) -> Result<(), VpciError> {
        self.with(device, |found| found.routes.unmap(index))
    }

    pub(crate) fn retarget_interrupt(
        &self,
        device: u64,
        message: VpciMessage,
        target: VpciTarget,
    ) -> Result<(), VpciError> {
        target.check(self.most_processors)?;
        self.with(device, |found| {
            *found.routes.find(message)? = target;
            Ok(())
        })
    }

    pub(crate) fn interrupt_target(
        &self,
        device: u64,
        index: u32,
        message: u32,
    ) -> Result<VpciTarget, VpciError> {
        self.with(device, |found| found.routes.target(index, message))
    }

    pub(crate) fn request_interrupt(
        &self,
        device: u64,
        message: VpciMessage,
        interrupts: Option<&dyn EngineInterrupts>,
    ) -> Result<(), VpciError> {
        let target = self.with(device, |found| {
            if !found.flags.contains(VpciFlags::LOGICAL_INTERRUPTS) {
                return Err(VpciError::NoLogicalInterrupts(device));
            }
            if message.address > u64::from(u32::MAX) {
                return Err(VpciError::BadAddress(message.address));
            }
            found.routes.find(message).cloned()
        })?;
        if let Some(interrupts) = interrupts {
            let processors: Vec<VpIndex> = target.processors.iter().map(|index| VpIndex(*index)).collect();
            interrupts.deliver(&processors, target.vector, target.is_multicast);
        }
        Ok(())
    }
}

impl DeviceInterrupts for Devices {
    fn retarget(&self, retarget: DeviceRetarget) -> DeviceRetargeted {
        let DeviceRetarget { device, address, data, vector, is_multicast, processors } = retarget;
        let Ok(vector) = u8::try_from(vector) else { return DeviceRetargeted::Refused };
        let processors: Vec<u32> = processors.iter().map(|vp| vp.0).collect();
        let is_multicast = is_multicast && processors.len() > 1;
        let target = VpciTarget { vector, is_multicast, processors };
        match self.retarget_interrupt(device, VpciMessage { address, data }, target) {
            Ok(()) => DeviceRetargeted::Done,
            Err(VpciError::NoDevice(_)) => DeviceRetargeted::UnknownDevice,
            Err(_) if self.check(device).is_err() => DeviceRetargeted::UnknownDevice,
            Err(_) => DeviceRetargeted::Refused,
        }
    }
}
