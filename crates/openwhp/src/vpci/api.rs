//! The partition's methods about virtual PCI devices.

use super::VpciError;
use super::VpciFlags;
use super::VpciHardwareIds;
use super::VpciMessage;
use super::VpciPower;
use super::VpciResource;
use super::VpciSpace;
use super::VpciTarget;
use crate::Partition;
use crate::Property;
use crate::PropertyCode;
use crate::partition::Live;

/// Every method may be called while processors run.
impl Partition {
    fn devices(&self) -> Result<&Live, VpciError> {
        self.live().ok_or(VpciError::NotSetUp)
    }

    /// Whether the partition was configured for devices.
    ///
    /// # Errors
    /// [`VpciError::NotAllowed`] unless [`PropertyCode::AllowDeviceAssignment`] was set.
    pub fn check_vpci_allowed(&self) -> Result<(), VpciError> {
        let allowed = Property::AllowDeviceAssignment(true);
        let is_allowed = self.property(PropertyCode::AllowDeviceAssignment) == Ok(allowed);
        if is_allowed { Ok(()) } else { Err(VpciError::NotAllowed) }
    }

    /// Creates a device from a resource; it is off ([`VpciPower::D3`]).
    ///
    /// # Errors
    /// [`VpciError::NotAllowed`] unless [`PropertyCode::AllowDeviceAssignment`] was set, [`VpciError::Exists`],
    /// [`VpciError::NoHardware`].
    #[doc(alias = "WHvCreateVpciDevice")]
    pub fn create_vpci_device(
        &self,
        device: u64,
        resource: VpciResource,
        flags: VpciFlags,
    ) -> Result<(), VpciError> {
        let live = self.devices()?;
        self.check_vpci_allowed()?;
        live.devices.create(device, resource, flags)
    }

    /// Deletes a device with its interrupt entries.
    ///
    /// # Errors
    /// [`VpciError::NoDevice`].
    #[doc(alias = "WHvDeleteVpciDevice")]
    pub fn delete_vpci_device(&self, device: u64) -> Result<(), VpciError> {
        self.devices()?.devices.delete(device)
    }

    /// Whether a device exists.
    ///
    /// # Errors
    /// [`VpciError::NoDevice`] if it does not.
    pub fn check_vpci_device(&self, device: u64) -> Result<(), VpciError> {
        self.devices()?.devices.check(device)
    }

    /// Identification of a device; all ones for an empty one.
    ///
    /// # Errors
    /// [`VpciError::NoDevice`].
    #[doc(alias = "WHvGetVpciDeviceProperty")]
    pub fn vpci_hardware_ids(&self, device: u64) -> Result<VpciHardwareIds, VpciError> {
        self.check_vpci_device(device)?;
        Ok(VpciHardwareIds {
            vendor: 0xFFFF,
            device: 0xFFFF,
            revision: 0xFF,
            prog_if: 0xFF,
            sub_class: 0xFF,
            base_class: 0xFF,
            sub_vendor: 0xFFFF,
            sub_system: 0xFFFF,
        })
    }

    /// Base-address registers as they read after all ones were written; 0 where there is none.
    ///
    /// # Errors
    /// [`VpciError::NoDevice`].
    #[doc(alias = "WHvGetVpciDeviceProperty")]
    pub fn vpci_probed_bars(&self, device: u64) -> Result<[u32; 6], VpciError> {
        self.check_vpci_device(device).map(|()| [0; 6])
    }

    /// Sets the power state; repeating it is fine.
    ///
    /// # Errors
    /// [`VpciError::NoDevice`].
    #[doc(alias = "WHvSetVpciDevicePowerState")]
    pub fn set_vpci_power(&self, device: u64, power: VpciPower) -> Result<(), VpciError> {
        self.devices()?.devices.set_power(device, power)
    }

    /// The power state.
    ///
    /// # Errors
    /// [`VpciError::NoDevice`].
    pub fn vpci_power(&self, device: u64) -> Result<VpciPower, VpciError> {
        self.devices()?.devices.power(device)
    }

    /// Checks that a device is on, as mapping its registers needs; an empty device has no ranges to map.
    ///
    /// # Errors
    /// [`VpciError::NotOn`].
    #[doc(alias = "WHvMapVpciDeviceMmioRanges")]
    pub fn check_vpci_on(&self, device: u64) -> Result<(), VpciError> {
        self.devices()?.devices.check_on(device)
    }

    /// Reads a register of 1, 2 or 4 bytes at an aligned offset; all ones for an empty device.
    ///
    /// # Errors
    /// [`VpciError::BadRegister`].
    #[doc(alias = "WHvReadVpciDeviceRegister")]
    pub fn read_vpci_register(
        &self,
        device: u64,
        space: VpciSpace,
        offset: u64,
        data: &mut [u8],
    ) -> Result<(), VpciError> {
        self.devices()?.devices.check_register(device, space, offset, data.len())?;
        data.fill(0xFF);
        Ok(())
    }

    /// Writes a register of 1, 2 or 4 bytes at an aligned offset; an empty device drops it.
    ///
    /// # Errors
    /// [`VpciError::BadRegister`].
    #[doc(alias = "WHvWriteVpciDeviceRegister")]
    pub fn write_vpci_register(
        &self,
        device: u64,
        space: VpciSpace,
        offset: u64,
        data: &[u8],
    ) -> Result<(), VpciError> {
        self.devices()?.devices.check_register(device, space, offset, data.len())
    }

    /// Routes interrupt `index` of a device, of 1, 2, 4 .. 32 messages; gives its first message. That of message k has
    /// data + k and raises the target's vector + k.
    ///
    /// # Errors
    /// [`VpciError::BadTarget`], [`VpciError::BadMessages`], [`VpciError::InUse`].
    #[doc(alias = "WHvMapVpciDeviceInterrupt")]
    pub fn map_vpci_interrupt(
        &self,
        device: u64,
        index: u32,
        messages: u32,
        target: VpciTarget,
    ) -> Result<VpciMessage, VpciError> {
        self.devices()?.devices.map_interrupt(device, index, messages, target)
    }

    /// Removes the route of interrupt `index`; its messages are lost from now on.
    ///
    /// # Errors
    /// [`VpciError::NotMapped`].
    #[doc(alias = "WHvUnmapVpciDeviceInterrupt")]
    pub fn unmap_vpci_interrupt(&self, device: u64, index: u32) -> Result<(), VpciError> {
        self.devices()?.devices.unmap_interrupt(device, index)
    }

    /// Gives one message another target. A processor that does not exist is ignored when the message comes.
    ///
    /// # Errors
    /// [`VpciError::BadTarget`], [`VpciError::NoMessage`].
    #[doc(alias = "WHvRetargetVpciDeviceInterrupt")]
    pub fn retarget_vpci_interrupt(
        &self,
        device: u64,
        message: VpciMessage,
        target: VpciTarget,
    ) -> Result<(), VpciError> {
        self.devices()?.devices.retarget_interrupt(device, message, target)
    }

    /// The present target of a message.
    ///
    /// # Errors
    /// [`VpciError::NotMapped`].
    #[doc(alias = "WHvGetVpciDeviceInterruptTarget")]
    pub fn vpci_interrupt_target(
        &self,
        device: u64,
        index: u32,
        message: u32,
    ) -> Result<VpciTarget, VpciError> {
        self.devices()?.devices.interrupt_target(device, index, message)
    }

    /// Sends a message of a device with [`VpciFlags::LOGICAL_INTERRUPTS`].
    ///
    /// # Errors
    /// [`VpciError::NoLogicalInterrupts`], [`VpciError::NoMessage`], [`VpciError::BadAddress`].
    #[doc(alias = "WHvRequestVpciDeviceInterrupt")]
    pub fn request_vpci_interrupt(&self, device: u64, message: VpciMessage) -> Result<(), VpciError> {
        let live = self.devices()?;
        live.devices.request_interrupt(device, message, live.engine.interrupts())
    }
}
