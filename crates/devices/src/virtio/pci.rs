//! The PCI transport: register blocks in BAR 0, capabilities that point at them, MSI-X and INTA.
//!
//! | offset in BAR 0 | block |
//! |---|---|
//! | 0000h | common configuration |
//! | 1000h | interrupt status |
//! | 2000h | device configuration |
//! | 3000h | notification, four bytes per queue |
//! | 4000h | MSI-X table |
//! | 5000h | MSI-X pending bits |
//!
//! # Source
//! VIRTIO 1.2 "Virtio Over PCI Bus".

use super::FEATURE_EVENT_INDEX;
use super::FEATURE_INDIRECT;
use super::FEATURE_VERSION_1;
use super::VirtioDevice;
use super::queue::Queue;
use super::queue::QueueError;
use crate::message::InterruptMessage;
use crate::pci::PciFunction;
use crate::pci::config;
use crate::pci::config::ConfigSpace;
use crate::pci::config::Identity;
use crate::pci::msix::MsixTable;
use crate::ram::GuestRam;

/// Bytes that BAR 0 takes, a power of two.
pub const BAR_LENGTH: u32 = 0x8000;

const COMMON: u32 = 0x0000;
const INTERRUPT_STATUS: u32 = 0x1000;
const DEVICE: u32 = 0x2000;
const NOTIFY: u32 = 0x3000;
const TABLE: u32 = 0x4000;
const PENDING: u32 = 0x5000;
const BLOCK_BYTES: u32 = 0x1000;
const COMMON_BYTES: u32 = 60;
const NOTIFY_STRIDE: u32 = 4;

const CAPABILITY_VENDOR: u8 = 0x09;
const CAPABILITY_MSIX: u8 = 0x11;
const NO_VECTOR: u16 = 0xffff;

const STATUS_FEATURES_OK: u8 = 8;
const STATUS_DRIVER_OK: u8 = 4;
const STATUS_NEEDS_RESET: u8 = 64;

const INTERRUPT_QUEUE: u8 = 1;
const INTERRUPT_CONFIG: u8 = 2;

/// A virtio device as a PCI function.
pub struct VirtioPci<D> {
    device: D,
    config: ConfigSpace,
    msix: MsixTable,
    queues: Vec<Queue>,
    msix_capability: u8,
    window_capability: u8,
    device_feature_select: u32,
    driver_feature_select: u32,
    driver_features: u64,
    config_vector: u16,
    queue_select: u16,
    status: u8,
    interrupt_status: u8,
}

impl<D> core::fmt::Debug for VirtioPci<D> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("VirtioPci")
            .field("status", &self.status)
            .field("driver_features", &self.driver_features)
            .field("queues", &self.queues)
            .finish_non_exhaustive()
    }
}

impl<D: VirtioDevice> VirtioPci<D> {
    /// Makes the function with BAR 0 at `bar` and INTA wired to `interrupt_line`.
    #[must_use]
    pub fn new(device: D, bar: u32, interrupt_line: u8) -> Self {
        let kind = device.kind();
        let mut config = ConfigSpace::new(Identity {
            vendor: 0x1af4,
            device: 0x1040 + kind as u16,
            class: kind.class(),
            revision: 1,
            subsystem_vendor: 0x1af4,
            subsystem: 0x1100,
        });
        config.set_bar0(bar, BAR_LENGTH);
        config.set_interrupt(interrupt_line);
        let queues: Vec<_> = device.queue_sizes().iter().copied().map(Queue::new).collect();
        let vectors = queues.len() + 1;
        let msix_capability = add_msix(&mut config, vectors);
        let window_capability = add_blocks(&mut config);
        Self {
            device,
            config,
            msix: MsixTable::new(vectors),
            queues,
            msix_capability,
            window_capability,
            device_feature_select: 0,
            driver_feature_select: 0,
            driver_features: 0,
            config_vector: NO_VECTOR,
            queue_select: 0,
            status: 0,
            interrupt_status: 0,
        }
    }

    fn offered(&self) -> u64 {
        self.device.features() | FEATURE_VERSION_1 | FEATURE_INDIRECT | FEATURE_EVENT_INDEX
    }

    fn reset(&mut self) {
        for queue in &mut self.queues {
            *queue = Queue::new(queue.max_size);
        }
        (self.driver_features, self.device_feature_select, self.driver_feature_select) = (0, 0, 0);
        (self.config_vector, self.queue_select, self.status, self.interrupt_status) = (NO_VECTOR, 0, 0, 0);
    }

    fn selected(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(usize::from(self.queue_select))
    }

    fn set_status(&mut self, value: u8) {
        if value == 0 {
            self.reset();
            return;
        }
        self.status |= value;
        // Feature negotiation succeeds only with a subset of the offer that includes version 1.
        let accepted =
            self.driver_features & !self.offered() == 0 && self.driver_features & FEATURE_VERSION_1 != 0;
        if value & STATUS_FEATURES_OK != 0 && !accepted {
            self.status &= !STATUS_FEATURES_OK;
        }
        let has_event_index = self.driver_features & FEATURE_EVENT_INDEX != 0;
        for queue in &mut self.queues {
            queue.has_event_index = has_event_index;
        }
    }

    fn valid_vector(&self, value: u64) -> u16 {
        let vector = value as u16;
        if usize::from(vector) < self.msix.len() { vector } else { NO_VECTOR }
    }

    fn read_common(&mut self, offset: u32) -> u64 {
        let features = self.offered();
        let count = self.queues.len() as u64;
        let (select, notify) = (self.queue_select, u64::from(self.queue_select));
        let half = |features: u64, select: u32| match select {
            0 => features & 0xffff_ffff,
            1 => features >> 32,
            _ => 0,
        };
        match offset {
            0 => u64::from(self.device_feature_select),
            4 => half(features, self.device_feature_select),
            8 => u64::from(self.driver_feature_select),
            12 => half(self.driver_features, self.driver_feature_select),
            16 => u64::from(self.config_vector),
            18 => count,
            20 => u64::from(self.status),
            22 => u64::from(select),
            30 => notify,
            _ => self.selected().map_or(0, |queue| read_queue(queue, offset)),
        }
    }

    fn write_common(&mut self, offset: u32, len: usize, value: u64) {
        match offset {
            0 => self.device_feature_select = value as u32,
            8 => self.driver_feature_select = value as u32,
            12 if self.status & STATUS_FEATURES_OK == 0 => {
                let value = value & 0xffff_ffff;
                match self.driver_feature_select {
                    0 => self.driver_features = self.driver_features & !0xffff_ffff | value,
                    1 => self.driver_features = self.driver_features & 0xffff_ffff | value << 32,
                    _ => {}
                }
            }
            16 => self.config_vector = self.valid_vector(value),
            20 => self.set_status(value as u8),
            22 => self.queue_select = value as u16,
            26 => {
                let vector = self.valid_vector(value);
                if let Some(queue) = self.selected() {
                    queue.vector = vector;
                }
            }
            _ => {
                if let Some(queue) = self.selected() {
                    write_queue(queue, offset, len, value);
                }
            }
        }
    }

    fn raise(&mut self, vector: u16, cause: u8) {
        if self.msix.is_enabled() {
            self.msix.signal(vector);
        } else {
            self.interrupt_status |= cause;
        }
    }

    /// Sends the interrupts that `result` and the used rings ask for.
    fn settle(&mut self, result: Result<(), QueueError>, ram: &dyn GuestRam) {
        let mut result = result;
        for index in 0..self.queues.len() {
            match self.queues[index].take_interrupt(ram) {
                Ok(true) => self.raise(self.queues[index].vector, INTERRUPT_QUEUE),
                Ok(false) => {}
                Err(error) => result = result.and(Err(error)),
            }
        }
        if result.is_err() && self.status & STATUS_NEEDS_RESET == 0 {
            self.status |= STATUS_NEEDS_RESET;
            self.raise(self.config_vector, INTERRUPT_CONFIG);
        }
    }

    fn is_running(&self) -> bool {
        self.status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET) == STATUS_DRIVER_OK
            && self.config.has_command(config::COMMAND_MASTER)
    }

    fn notify(&mut self, index: u64, ram: &dyn GuestRam) {
        let index = index as usize;
        if self.is_running() && self.queues.get(index).is_some_and(|queue| queue.is_enabled) {
            let result = self.device.notify(index, &mut self.queues, ram);
            self.settle(result, ram);
        }
    }

    /// The access through the configuration window capability: BAR offset and length, when it names a valid one.
    fn window(&self) -> Option<(u64, usize)> {
        let at = self.window_capability;
        let mut bar = [0];
        self.config.read(at + 4, &mut bar);
        let (offset, len) = (self.config.u32(at + 8), self.config.u32(at + 12));
        let is_valid = bar[0] == 0 && matches!(len, 1 | 2 | 4) && offset < BAR_LENGTH && offset % len == 0;
        is_valid.then_some((u64::from(offset), len as usize))
    }
}

/// Body of a virtio capability: length, type, BAR 0, offset and length of the block.
fn block_body(kind: u8, offset: u32, length: u32, extra: &[u8]) -> Vec<u8> {
    let mut body = vec![16 + extra.len() as u8, kind, 0, 0, 0, 0];
    body.extend_from_slice(&offset.to_le_bytes());
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(extra);
    body
}

fn add_msix(config: &mut ConfigSpace, vectors: usize) -> u8 {
    let mut body = (vectors as u16 - 1).to_le_bytes().to_vec();
    body.extend_from_slice(&TABLE.to_le_bytes());
    body.extend_from_slice(&PENDING.to_le_bytes());
    let at = config.add_capability(CAPABILITY_MSIX, &body);
    config.set_mask(at + 2, &0xc000_u16.to_le_bytes());
    at
}

/// Adds the five virtio capabilities; returns the offset of the configuration window.
fn add_blocks(config: &mut ConfigSpace) -> u8 {
    let blocks = [(1, COMMON, COMMON_BYTES), (3, INTERRUPT_STATUS, 1), (4, DEVICE, BLOCK_BYTES)];
    for (kind, offset, length) in blocks {
        config.add_capability(CAPABILITY_VENDOR, &block_body(kind, offset, length, &[]));
    }
    let stride = NOTIFY_STRIDE.to_le_bytes();
    config.add_capability(CAPABILITY_VENDOR, &block_body(2, NOTIFY, BLOCK_BYTES, &stride));
    let window = config.add_capability(CAPABILITY_VENDOR, &block_body(5, 0, 0, &[0; 4]));
    config.set_mask(window + 4, &[0xff]);
    config.set_mask(window + 8, &[0xff; 12]);
    window
}

fn read_queue(queue: &Queue, offset: u32) -> u64 {
    match offset {
        24 => u64::from(queue.size),
        26 => u64::from(queue.vector),
        28 => u64::from(queue.is_enabled),
        32 => queue.descriptors & 0xffff_ffff,
        36 => queue.descriptors >> 32,
        40 => queue.available & 0xffff_ffff,
        44 => queue.available >> 32,
        48 => queue.used & 0xffff_ffff,
        52 => queue.used >> 32,
        _ => 0,
    }
}

fn write_queue(queue: &mut Queue, offset: u32, len: usize, value: u64) {
    // A queue in use keeps its layout until the device is reset.
    if queue.is_enabled {
        return;
    }
    match offset {
        24 => {
            let size = value as u16;
            if size.is_power_of_two() && size <= queue.max_size {
                queue.size = size;
            }
        }
        28 => queue.is_enabled = value & 1 != 0,
        32 | 36 => set_half(&mut queue.descriptors, offset == 36, len, value),
        40 | 44 => set_half(&mut queue.available, offset == 44, len, value),
        48 | 52 => set_half(&mut queue.used, offset == 52, len, value),
        _ => {}
    }
}

fn set_half(word: &mut u64, is_high: bool, len: usize, value: u64) {
    *word = match (len, is_high) {
        (8, false) => value,
        (_, false) => *word & !0xffff_ffff | value & 0xffff_ffff,
        (_, true) => *word & 0xffff_ffff | value << 32,
    };
}

impl<D: VirtioDevice> PciFunction for VirtioPci<D> {
    fn read_config(&mut self, offset: u8, bytes: &mut [u8]) {
        if offset == self.window_capability + 16
            && let Some((at, len)) = self.window()
        {
            let mut data = [0; 4];
            self.read_bar(at, &mut data[..len]);
            bytes.iter_mut().zip(data).for_each(|(byte, value)| *byte = value);
            return;
        }
        self.config.set_interrupt_status(self.interrupt_status != 0);
        self.config.read(offset, bytes);
    }

    fn write_config(&mut self, offset: u8, bytes: &[u8], ram: &dyn GuestRam) {
        self.config.write(offset, bytes);
        self.msix.set_control(self.config.u16(self.msix_capability + 2));
        if offset == self.window_capability + 16
            && let Some((at, len)) = self.window()
        {
            self.write_bar(at, &bytes[..len.min(bytes.len())], ram);
        }
    }

    fn decode(&self, gpa: u64) -> Option<u64> {
        let base = u64::from(self.config.u32(config::BAR0) & !0xf);
        let offset = gpa.checked_sub(base)?;
        let is_on = self.config.has_command(config::COMMAND_MEMORY);
        (is_on && offset < u64::from(BAR_LENGTH)).then_some(offset)
    }

    fn read_bar(&mut self, offset: u64, bytes: &mut [u8]) {
        let (block, within) = (offset as u32 & !(BLOCK_BYTES - 1), offset as u32 & (BLOCK_BYTES - 1));
        match block {
            COMMON => {
                // A common field is read whole; eight-byte reads take two halves.
                let mut word = self.read_common(within);
                if bytes.len() == 8 {
                    word |= self.read_common(within + 4) << 32;
                }
                let len = bytes.len().min(8);
                bytes[..len].copy_from_slice(&word.to_le_bytes()[..len]);
            }
            INTERRUPT_STATUS => {
                bytes.fill(0);
                bytes[0] = core::mem::take(&mut self.interrupt_status);
            }
            DEVICE => self.device.read_config(u64::from(within), bytes),
            TABLE => self.msix.read_table(u64::from(within), bytes),
            PENDING => self.msix.read_pending(u64::from(within), bytes),
            _ => bytes.fill(0),
        }
    }

    fn write_bar(&mut self, offset: u64, bytes: &[u8], ram: &dyn GuestRam) {
        let (block, within) = (offset as u32 & !(BLOCK_BYTES - 1), offset as u32 & (BLOCK_BYTES - 1));
        let mut word = [0; 8];
        let len = bytes.len().min(8);
        word[..len].copy_from_slice(&bytes[..len]);
        match block {
            COMMON => self.write_common(within, len, u64::from_le_bytes(word)),
            NOTIFY => self.notify(u64::from(within / NOTIFY_STRIDE), ram),
            TABLE => self.msix.write_table(u64::from(within), bytes),
            _ => {}
        }
    }

    fn poll(&mut self, ram: &dyn GuestRam) {
        if self.is_running() {
            let result = self.device.poll(&mut self.queues, ram);
            self.settle(result, ram);
        }
    }

    fn take_messages(&mut self, out: &mut Vec<InterruptMessage>) {
        self.msix.take_messages(out);
    }

    fn interrupt_line(&self) -> bool {
        self.interrupt_status != 0 && !self.config.has_command(config::COMMAND_NO_INTX)
    }

    fn doorbells(&self, out: &mut Vec<(u64, u16)>) {
        let base = u64::from(self.config.u32(config::BAR0) & !0xf);
        if !self.is_running() || !self.config.has_command(config::COMMAND_MEMORY) || base == 0 {
            return;
        }
        let enabled = self.queues.iter().zip(0_u16..).filter(|(queue, _)| queue.is_enabled);
        out.extend(
            enabled.map(|(_, index)| (base + u64::from(NOTIFY + u32::from(index) * NOTIFY_STRIDE), index)),
        );
    }

    fn ring(&mut self, queue: u16, ram: &dyn GuestRam) {
        self.notify(u64::from(queue), ram);
    }

    fn take_signals(&mut self, out: &mut Vec<(u16, InterruptMessage)>) {
        self.msix.take_signals(out);
    }

    fn signal(&mut self, entry: u16) {
        self.msix.signal(entry);
    }

    fn message_changes(&self) -> u64 {
        self.msix.changes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::entropy::Entropy;
    use super::super::entropy::EntropyBackend;
    use super::super::queue::tests::AVAILABLE;
    use super::super::queue::tests::DESCRIPTORS;
    use super::super::queue::tests::Driver;
    use super::super::queue::tests::USED;
    use super::*;

    const BAR: u32 = 0xc000_0000;

    struct Constant;

    impl EntropyBackend for Constant {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(1);
        }
    }

    type Function = VirtioPci<Entropy<Constant>>;

    fn write(function: &mut Function, driver: &Driver, offset: u64, len: usize, value: u64) {
        function.write_bar(offset, &value.to_le_bytes()[..len], &driver.ram);
    }

    fn read(function: &mut Function, offset: u64, len: usize) -> u64 {
        let mut bytes = [0; 8];
        function.read_bar(offset, &mut bytes[..len]);
        u64::from_le_bytes(bytes)
    }

    /// Does what a driver does up to DRIVER_OK.
    fn started(driver: &Driver) -> Function {
        let mut function = VirtioPci::new(Entropy::new(Constant), BAR, 11);
        function.write_config(config::COMMAND, &[0x06, 0], &driver.ram);
        let steps: [(u64, usize, u64); 11] = [
            (20, 1, 3),
            (8, 4, 1),
            (12, 4, 1),
            (20, 1, 11),
            (22, 2, 0),
            (24, 2, 8),
            (32, 8, DESCRIPTORS),
            (40, 4, AVAILABLE),
            (48, 4, USED),
            (28, 2, 1),
            (20, 1, 15),
        ];
        for (offset, len, value) in steps {
            write(&mut function, driver, offset, len, value);
        }
        function
    }

    #[test]
    fn identity_and_capabilities_are_found_by_walking_the_list() {
        let driver = Driver::new();
        let mut function = started(&driver);
        let mut word = [0; 4];
        function.read_config(0, &mut word);
        assert_eq!(word, [0xf4, 0x1a, 0x44, 0x10]);
        let mut kinds = Vec::new();
        let mut at = [0];
        function.read_config(0x34, &mut at);
        while at[0] != 0 {
            let mut header = [0; 4];
            function.read_config(at[0], &mut header);
            kinds.push((header[0], header[3]));
            at[0] = header[1];
        }
        let vendor: Vec<_> = kinds.iter().filter(|(id, _)| *id == 9).map(|(_, kind)| *kind).collect();
        assert_eq!(vendor, [1, 3, 4, 2, 5]);
        assert!(kinds.iter().any(|(id, _)| *id == 0x11));
    }

    #[test]
    fn features_without_version_one_are_refused() {
        let driver = Driver::new();
        let mut function = VirtioPci::new(Entropy::new(Constant), BAR, 11);
        write(&mut function, &driver, 20, 1, 11);
        assert_eq!(read(&mut function, 20, 1), 3);
    }

    #[test]
    fn a_request_is_served_and_inta_rises_until_status_is_read() {
        let mut driver = Driver::new();
        let mut function = started(&driver);
        assert_eq!(read(&mut function, 20, 1), 15);
        driver.offer_chain(&[], &[(0x6000, 64)]);
        write(&mut function, &driver, 0x3000, 2, 0);
        assert_eq!(driver.used(0), (0, 64));
        assert!(function.interrupt_line());
        assert_eq!(read(&mut function, 0x1000, 1), 1);
        assert!(!function.interrupt_line());
    }

    #[test]
    fn doorbells_exist_while_the_device_looks_at_its_queues() {
        let mut driver = Driver::new();
        let mut function = started(&driver);
        let bells = |function: &Function| {
            let mut out = Vec::new();
            function.doorbells(&mut out);
            out
        };
        assert_eq!(bells(&function), [(u64::from(BAR) + 0x3000, 0)]);
        driver.offer_chain(&[], &[(0x6000, 64)]);
        function.ring(0, &driver.ram);
        assert_eq!(driver.used(0), (0, 64));
        function.ring(7, &driver.ram);
        function.write_config(config::COMMAND, &[0x04, 0], &driver.ram);
        assert!(bells(&function).is_empty(), "memory decoding is off");
        function.write_config(config::COMMAND, &[0x06, 0], &driver.ram);
        write(&mut function, &driver, 20, 1, 0);
        assert!(bells(&function).is_empty(), "the device was reset");
    }

    #[test]
    fn msix_sends_the_queue_message() {
        let mut driver = Driver::new();
        let mut function = started(&driver);
        let at = function.msix_capability;
        function.write_config(at + 2, &0x8000_u16.to_le_bytes(), &driver.ram);
        write(&mut function, &driver, 26, 2, 1);
        for (offset, value) in [(16, 0xfee0_0000), (20, 0), (24, 0x55), (28, 0)] {
            write(&mut function, &driver, 0x4000 + offset, 4, value);
        }
        driver.offer_chain(&[], &[(0x6000, 64)]);
        write(&mut function, &driver, 0x3000, 2, 0);
        let mut out = Vec::new();
        function.take_messages(&mut out);
        assert_eq!((out.len(), out[0].vector), (1, 0x55));
        assert!(!function.interrupt_line());
    }

    #[test]
    fn a_broken_driver_is_told_to_reset() {
        let mut driver = Driver::new();
        let mut function = started(&driver);
        driver.offer(200);
        write(&mut function, &driver, 0x3000, 2, 0);
        assert_eq!(read(&mut function, 20, 1), 15 | u64::from(STATUS_NEEDS_RESET));
        write(&mut function, &driver, 20, 1, 0);
        assert_eq!(read(&mut function, 20, 1), 0);
        assert_eq!(read(&mut function, 28, 2), 0);
    }

    #[test]
    fn the_configuration_window_reaches_the_bar() {
        let driver = Driver::new();
        let mut function = started(&driver);
        let at = function.window_capability;
        function.write_config(at + 8, &20_u32.to_le_bytes(), &driver.ram);
        function.write_config(at + 12, &1_u32.to_le_bytes(), &driver.ram);
        let mut byte = [0];
        function.read_config(at + 16, &mut byte);
        assert_eq!(byte, [15]);
    }

    #[test]
    fn the_bar_is_decoded_only_when_enabled() {
        let driver = Driver::new();
        let mut function = started(&driver);
        assert_eq!(function.decode(u64::from(BAR) + 0x3000), Some(0x3000));
        assert_eq!(function.decode(u64::from(BAR) + u64::from(BAR_LENGTH)), None);
        function.write_config(config::COMMAND, &[0, 0], &driver.ram);
        assert_eq!(function.decode(u64::from(BAR)), None);
    }

    #[test]
    fn any_register_access_is_harmless() {
        let driver = Driver::new();
        let mut function = started(&driver);
        for offset in (0..u64::from(BAR_LENGTH)).step_by(2) {
            for len in [1, 2, 4, 8] {
                let _ = read(&mut function, offset, len);
                write(&mut function, &driver, offset, len, 0xffff_ffff_ffff_ffff);
            }
        }
        let mut bytes = [0; 4];
        for offset in (0..=252).step_by(4) {
            function.read_config(offset, &mut bytes);
            function.write_config(offset, &[0xff; 4], &driver.ram);
        }
    }
}
