//! The network card: Ethernet frames between the guest and a backend.
//!
//! # Source
//! VIRTIO 1.2 "Network Device".

use super::Kind;
use super::VirtioDevice;
use super::queue::Queue;
use super::queue::QueueError;
use super::queue::total;
use super::read_config_bytes;
use crate::ram::GuestRam;

const QUEUE_SIZES: &[u16] = &[256, 256];
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

/// Header before each frame; all zero but for the number of buffers.
const HEADER_BYTES: usize = 12;
/// Longest frame that is passed on.
pub const MAX_FRAME: usize = 65_550;

const FEATURE_MAC: u64 = 1 << 5;
const FEATURE_STATUS: u64 = 1 << 16;
const LINK_UP: u16 = 1;

/// The other end of the cable.
pub trait NetBackend: Send {
    /// Takes a frame that the guest sent.
    fn send(&mut self, frame: &[u8]);
    /// Gives the next frame for the guest.
    fn receive(&mut self) -> Option<Vec<u8>>;
}

/// The device over its backend.
pub struct Net<B> {
    backend: B,
    mac: [u8; 6],
    waiting: Option<Vec<u8>>,
}

impl<B> core::fmt::Debug for Net<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Net").field("mac", &self.mac).finish_non_exhaustive()
    }
}

impl<B: NetBackend> Net<B> {
    /// Makes a card with the given hardware address.
    #[must_use]
    pub fn new(backend: B, mac: [u8; 6]) -> Self {
        Self { backend, mac, waiting: None }
    }

    fn transmit(&mut self, queue: &mut Queue, ram: &dyn GuestRam) -> Result<(), QueueError> {
        while let Some(chain) = queue.pop(ram)? {
            let len = total(&chain.readable) as usize;
            if (HEADER_BYTES + 14..=HEADER_BYTES + MAX_FRAME).contains(&len) {
                let mut frame = vec![0; len - HEADER_BYTES];
                if chain.read(ram, HEADER_BYTES as u64, &mut frame) == Ok(frame.len()) {
                    self.backend.send(&frame);
                }
            }
            queue.push(ram, &chain, 0)?;
        }
        Ok(())
    }

    fn deliver(&mut self, queue: &mut Queue, ram: &dyn GuestRam) -> Result<(), QueueError> {
        if !queue.is_enabled {
            return Ok(());
        }
        loop {
            let Some(frame) = self.waiting.take().or_else(|| self.backend.receive()) else { return Ok(()) };
            let Some(chain) = queue.pop(ram)? else {
                self.waiting = Some(frame);
                return Ok(());
            };
            let mut packet = vec![0; HEADER_BYTES];
            packet[10] = 1;
            packet.extend_from_slice(&frame);
            let fits = total(&chain.writable) >= packet.len() as u64;
            // A buffer too small loses the frame, as a full card would.
            let written = if fits { chain.write(ram, 0, &packet).unwrap_or(0) } else { 0 };
            queue.push(ram, &chain, written as u32)?;
        }
    }
}

impl<B: NetBackend> VirtioDevice for Net<B> {
    fn kind(&self) -> Kind {
        Kind::Net
    }

    fn features(&self) -> u64 {
        FEATURE_MAC | FEATURE_STATUS
    }

    fn queue_sizes(&self) -> &'static [u16] {
        QUEUE_SIZES
    }

    fn read_config(&self, offset: u64, bytes: &mut [u8]) {
        let mut config = [0; 8];
        config[..6].copy_from_slice(&self.mac);
        config[6..].copy_from_slice(&LINK_UP.to_le_bytes());
        read_config_bytes(&config, offset, bytes);
    }

    fn notify(&mut self, index: usize, queues: &mut [Queue], ram: &dyn GuestRam) -> Result<(), QueueError> {
        match (index, queues.get_mut(index)) {
            (TRANSMIT, Some(queue)) => self.transmit(queue, ram),
            (RECEIVE, Some(queue)) => self.deliver(queue, ram),
            _ => Ok(()),
        }
    }

    fn poll(&mut self, queues: &mut [Queue], ram: &dyn GuestRam) -> Result<(), QueueError> {
        queues.get_mut(RECEIVE).map_or(Ok(()), |queue| self.deliver(queue, ram))
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::tests::Driver;
    use super::*;

    #[derive(Default)]
    struct Cable {
        sent: Vec<Vec<u8>>,
        incoming: Vec<Vec<u8>>,
    }

    impl NetBackend for Cable {
        fn send(&mut self, frame: &[u8]) {
            self.sent.push(frame.to_vec());
        }
        fn receive(&mut self) -> Option<Vec<u8>> {
            self.incoming.pop()
        }
    }

    #[test]
    fn frames_leave_without_their_header() {
        let mut driver = Driver::new();
        let mut net = Net::new(Cable::default(), [2, 0, 0, 0, 0, 1]);
        driver.ram.write(0x5100, &[0x42; 60]).expect("inside of test memory");
        driver.offer_chain(&[(0x5000, 12), (0x5100, 60)], &[]);
        driver.offer_chain(&[(0x5000, 12)], &[]);
        let mut queues = [Queue::new(8), Driver::queue(8)];
        net.notify(TRANSMIT, &mut queues, &driver.ram).expect("well formed");
        assert_eq!(net.backend.sent, [vec![0x42; 60]]);
        assert_eq!(driver.used_index(), 2);
    }

    #[test]
    fn frames_wait_for_a_buffer() {
        let mut driver = Driver::new();
        let mut net = Net::new(Cable { incoming: vec![vec![7; 60]], ..Cable::default() }, [2; 6]);
        let mut queues = [Driver::queue(8), Queue::new(8)];
        net.poll(&mut queues, &driver.ram).expect("well formed");
        assert_eq!(driver.used_index(), 0);
        driver.offer_chain(&[], &[(0x6000, 1526)]);
        net.notify(RECEIVE, &mut queues, &driver.ram).expect("well formed");
        assert_eq!(driver.used(0), (0, 72));
        let mut bytes = [0; 13];
        driver.ram.read(0x6000, &mut bytes).expect("inside of test memory");
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7]);
    }
}
