//! Interrupt entries of a device: which message raises which vector on which processors.

use std::collections::BTreeMap;

use super::VpciError;

/// Highest number of entries of a device.
const MOST_ENTRIES: u32 = 0x1_0000;
/// Highest number of messages of an entry.
const MOST_MESSAGES: u32 = 32;
/// Smallest vector that an interrupt can have.
const FIRST_VECTOR: u8 = 16;
/// Where messages of interrupts go.
const MESSAGE_BASE: u64 = 0xFEE0_0000;
/// Distance between the addresses of two entries.
const ADDRESS_SHIFT: u32 = 4;

/// Who gets an interrupt (`WHV_VPCI_INTERRUPT_TARGET`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VpciTarget {
    /// Vector, 16 to 255.
    pub vector: u8,
    /// Every processor of the list, rather than one of them.
    pub is_multicast: bool,
    /// Indices of processors.
    pub processors: Vec<u32>,
}

impl VpciTarget {
    /// Checks the target by itself; processors must be below `limit`.
    pub(super) fn check(&self, limit: u32) -> Result<(), VpciError> {
        let fail = |reason| Err(VpciError::BadTarget(reason));
        if self.vector < FIRST_VECTOR {
            return fail("vectors start at 16");
        }
        if self.processors.is_empty() {
            return fail("no processor is named");
        }
        if self.is_multicast && self.processors.len() < 2 {
            return fail("multicast needs two processors");
        }
        if self.processors.iter().any(|index| *index >= limit) {
            return fail("a processor index is out of range");
        }
        Ok(())
    }
}

/// A message as the device sends it: opaque numbers that are unique within the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VpciMessage {
    /// Address.
    pub address: u64,
    /// Data.
    pub data: u32,
}

/// Checks what an entry is made of.
pub(super) fn check_messages(index: u32, messages: u32, target: &VpciTarget) -> Result<(), VpciError> {
    if index >= MOST_ENTRIES || messages > MOST_MESSAGES || !messages.is_power_of_two() {
        return Err(VpciError::BadMessages { index, messages });
    }
    if u32::from(target.vector) + messages > 0x100 {
        return Err(VpciError::BadTarget("the messages' vectors end at 255"));
    }
    Ok(())
}

/// The entries of a device; one target for each message.
#[derive(Debug, Default)]
pub(super) struct Routes(BTreeMap<u32, Vec<VpciTarget>>);

impl Routes {
    /// Makes an entry and names its first message; that of message k has data + k, and its vector is k higher.
    pub(super) fn map(
        &mut self,
        index: u32,
        messages: u32,
        target: VpciTarget,
    ) -> Result<VpciMessage, VpciError> {
        if self.0.contains_key(&index) {
            return Err(VpciError::InUse(index));
        }
        let vectors = (0..messages).map(|number| target.vector + number as u8);
        let targets = vectors.map(|vector| VpciTarget { vector, ..target.clone() });
        self.0.insert(index, targets.collect());
        Ok(VpciMessage { address: MESSAGE_BASE + (u64::from(index) << ADDRESS_SHIFT), data: 0 })
    }

    pub(super) fn unmap(&mut self, index: u32) -> Result<(), VpciError> {
        self.0.remove(&index).map(|_| ()).ok_or(VpciError::NotMapped(index))
    }

    /// The target of a message.
    pub(super) fn find(&mut self, message: VpciMessage) -> Result<&mut VpciTarget, VpciError> {
        let missing = VpciError::NoMessage(message);
        let Some(offset) = message.address.checked_sub(MESSAGE_BASE) else { return Err(missing) };
        let index = u32::try_from(offset >> ADDRESS_SHIFT).ok();
        let is_exact = offset.is_multiple_of(1 << ADDRESS_SHIFT);
        let entry = index.filter(|_| is_exact).and_then(|index| self.0.get_mut(&index));
        entry.and_then(|targets| targets.get_mut(message.data as usize)).ok_or(missing)
    }

    pub(super) fn target(&self, index: u32, message: u32) -> Result<VpciTarget, VpciError> {
        if index >= MOST_ENTRIES || message >= MOST_MESSAGES {
            return Err(VpciError::BadMessages { index, messages: message });
        }
        let entry = self.0.get(&index).ok_or(VpciError::NotMapped(index))?;
        entry.get(message as usize).cloned().ok_or(VpciError::NotMapped(index))
    }
}
