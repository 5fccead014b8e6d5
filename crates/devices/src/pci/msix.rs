//! MSI-X: the table of messages, its mask bits and pending bits.
//!
//! # Source
//! PCI Local Bus Specification 3.0 "MSI-X Capability and Table Structures".

use crate::message::InterruptMessage;

const ENTRY_BYTES: usize = 16;
const VECTOR_CONTROL: usize = 12;

/// The table of one function. `Clone` exports its whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsixTable {
    entries: Vec<[u8; ENTRY_BYTES]>,
    pending: Vec<bool>,
    is_enabled: bool,
    is_masked: bool,
    outbox: Vec<(u16, InterruptMessage)>,
    changes: u64,
}

impl MsixTable {
    /// Makes a table of `count` masked entries.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let mut entry = [0; ENTRY_BYTES];
        entry[VECTOR_CONTROL] = 1;
        Self {
            entries: vec![entry; count],
            pending: vec![false; count],
            is_enabled: false,
            is_masked: false,
            outbox: Vec::new(),
            changes: 0,
        }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the table has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the guest has switched MSI-X on.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Takes over the enable and mask bits of the capability's control word.
    pub fn set_control(&mut self, word: u16) {
        let (is_enabled, is_masked) = (word & 0x8000 != 0, word & 0x4000 != 0);
        if (is_enabled, is_masked) != (self.is_enabled, self.is_masked) {
            self.changes += 1;
        }
        (self.is_enabled, self.is_masked) = (is_enabled, is_masked);
        self.send_pending();
    }

    /// Sends the message of `entry`, or notes it while masked. Entries that do not exist send nothing.
    pub fn signal(&mut self, entry: u16) {
        let index = usize::from(entry);
        if index >= self.entries.len() || !self.is_enabled {
            return;
        }
        if self.is_masked || self.entries[index][VECTOR_CONTROL] & 1 != 0 {
            self.pending[index] = true;
            return;
        }
        self.send(index);
    }

    /// Reads the table.
    pub fn read_table(&self, offset: u64, bytes: &mut [u8]) {
        for (index, byte) in bytes.iter_mut().enumerate() {
            let at = offset as usize + index;
            *byte = self.entries.get(at / ENTRY_BYTES).map_or(0, |entry| entry[at % ENTRY_BYTES]);
        }
    }

    /// Writes the table.
    pub fn write_table(&mut self, offset: u64, bytes: &[u8]) {
        for (index, value) in bytes.iter().enumerate() {
            let at = offset as usize + index;
            if let Some(entry) = self.entries.get_mut(at / ENTRY_BYTES) {
                entry[at % ENTRY_BYTES] = *value;
            }
        }
        self.changes += 1;
        self.send_pending();
    }

    /// Changes whenever the guest has written the table or its control word.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Reads the pending bits.
    pub fn read_pending(&self, offset: u64, bytes: &mut [u8]) {
        for (index, byte) in bytes.iter_mut().enumerate() {
            let first = (offset as usize + index) * 8;
            let bit = |position: usize| self.pending.get(first + position).copied().unwrap_or(false);
            *byte = (0..8).fold(0, |sum, position| sum | u8::from(bit(position)) << position);
        }
    }

    /// Takes the messages to be sent.
    pub fn take_messages(&mut self, out: &mut Vec<InterruptMessage>) {
        out.extend(self.outbox.drain(..).map(|(_, message)| message));
    }

    /// Takes the messages to be sent, each with its entry.
    pub fn take_signals(&mut self, out: &mut Vec<(u16, InterruptMessage)>) {
        out.append(&mut self.outbox);
    }

    fn send(&mut self, index: usize) {
        self.outbox.extend(self.message(index).map(|message| (index as u16, message)));
    }

    fn send_pending(&mut self) {
        if !self.is_enabled || self.is_masked {
            return;
        }
        for index in 0..self.entries.len() {
            if self.pending[index] && self.entries[index][VECTOR_CONTROL] & 1 == 0 {
                self.pending[index] = false;
                self.send(index);
            }
        }
    }

    fn message(&self, index: usize) -> Option<InterruptMessage> {
        let entry = u128::from_le_bytes(self.entries[index]);
        InterruptMessage::from_msi(entry as u64 & !3, (entry >> 64) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> MsixTable {
        let mut table = MsixTable::new(2);
        table.set_control(0x8000);
        table.write_table(16, &0xfee0_1000_u32.to_le_bytes());
        table.write_table(24, &0x41_u32.to_le_bytes());
        table
    }

    #[test]
    fn a_masked_entry_is_noted_and_sent_when_unmasked() {
        let mut table = table();
        let mut out = Vec::new();
        table.signal(1);
        table.take_messages(&mut out);
        assert!(out.is_empty());
        let mut pending = [0];
        table.read_pending(0, &mut pending);
        assert_eq!(pending, [2]);
        table.write_table(28, &[0, 0, 0, 0]);
        table.take_messages(&mut out);
        assert_eq!((out.len(), out[0].vector, out[0].destination), (1, 0x41, 1));
    }

    #[test]
    fn signals_name_their_entry_and_changes_are_counted() {
        let mut table = table();
        let before = table.changes();
        table.write_table(28, &[0, 0, 0, 0]);
        assert_ne!(table.changes(), before);
        let before = table.changes();
        table.set_control(0x8000);
        assert_eq!(table.changes(), before, "nothing changed");
        table.set_control(0);
        table.set_control(0x8000);
        assert_ne!(table.changes(), before);
        table.signal(1);
        let mut out = Vec::new();
        table.take_signals(&mut out);
        assert_eq!((out.len(), out[0].0, out[0].1.vector), (1, 1, 0x41));
    }

    #[test]
    fn the_function_mask_holds_everything() {
        let mut table = table();
        let mut out = Vec::new();
        table.write_table(28, &[0; 4]);
        table.set_control(0xc000);
        table.signal(1);
        table.take_messages(&mut out);
        assert!(out.is_empty());
        table.set_control(0x8000);
        table.take_messages(&mut out);
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn accesses_outside_of_the_table_are_harmless() {
        let mut table = table();
        let mut bytes = [0xff; 8];
        table.read_table(28, &mut bytes);
        assert_eq!(bytes, [1, 0, 0, 0, 0, 0, 0, 0]);
        table.write_table(u64::from(u32::MAX), &[1; 8]);
        table.signal(2);
        table.signal(0xffff);
        let mut out = Vec::new();
        table.take_messages(&mut out);
        assert!(out.is_empty());
    }
}
