//! The entropy source.
//!
//! # Source
//! VIRTIO 1.2 "Entropy Device".

use super::Kind;
use super::VirtioDevice;
use super::queue::Queue;
use super::queue::QueueError;
use super::queue::total;
use crate::ram::GuestRam;

const QUEUE_SIZES: &[u16] = &[16];
/// Most bytes given for one request.
const LIMIT: u64 = 4096;

/// Where the randomness comes from.
pub trait EntropyBackend: Send {
    /// Fills `bytes` with randomness.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// The device over its backend.
pub struct Entropy<B> {
    backend: B,
}

impl<B> core::fmt::Debug for Entropy<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Entropy")
    }
}

impl<B: EntropyBackend> Entropy<B> {
    /// Makes an entropy source.
    #[must_use]
    pub fn new(backend: B) -> Self {
        Self { backend }
    }
}

impl<B: EntropyBackend> VirtioDevice for Entropy<B> {
    fn kind(&self) -> Kind {
        Kind::Entropy
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> &'static [u16] {
        QUEUE_SIZES
    }

    fn read_config(&self, _offset: u64, bytes: &mut [u8]) {
        bytes.fill(0);
    }

    fn notify(&mut self, index: usize, queues: &mut [Queue], ram: &dyn GuestRam) -> Result<(), QueueError> {
        let Some(queue) = queues.get_mut(index) else { return Ok(()) };
        while let Some(chain) = queue.pop(ram)? {
            let mut bytes = vec![0; total(&chain.writable).min(LIMIT) as usize];
            self.backend.fill(&mut bytes);
            let written = chain.write(ram, 0, &bytes).unwrap_or(0);
            queue.push(ram, &chain, written as u32)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::tests::Driver;
    use super::*;

    struct Constant;

    impl EntropyBackend for Constant {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(0x5a);
        }
    }

    #[test]
    fn requests_are_filled_up_to_the_limit() {
        let mut driver = Driver::new();
        driver.offer_chain(&[], &[(0x6000, 0x10_000)]);
        let mut queues = [Driver::queue(8)];
        Entropy::new(Constant).notify(0, &mut queues, &driver.ram).expect("well formed");
        assert_eq!(driver.used(0), (0, 4096));
        let mut last = [0];
        driver.ram.read(0x6fff, &mut last).expect("inside of test memory");
        assert_eq!(last, [0x5a]);
    }
}
