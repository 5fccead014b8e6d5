//! The console: one port, bytes both ways.
//!
//! # Source
//! VIRTIO 1.2 "Console Device".

use super::Kind;
use super::VirtioDevice;
use super::queue::Queue;
use super::queue::QueueError;
use super::queue::total;
use crate::ram::GuestRam;

const QUEUE_SIZES: &[u16] = &[64, 64];
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const COPY_BYTES: u64 = 4096;

/// The other end of the line.
pub trait ConsoleBackend: Send {
    /// Takes bytes that the guest wrote.
    fn output(&mut self, bytes: &[u8]);
    /// Gives bytes for the guest, at most `limit`; none when nothing waits.
    fn input(&mut self, limit: usize) -> Vec<u8>;
}

/// The device over its backend.
pub struct Console<B> {
    backend: B,
}

impl<B> core::fmt::Debug for Console<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Console")
    }
}

impl<B: ConsoleBackend> Console<B> {
    /// Makes a console.
    #[must_use]
    pub fn new(backend: B) -> Self {
        Self { backend }
    }

    fn transmit(&mut self, queue: &mut Queue, ram: &dyn GuestRam) -> Result<(), QueueError> {
        while let Some(chain) = queue.pop(ram)? {
            let len = total(&chain.readable);
            let mut done = 0;
            while done < len {
                let mut bytes = vec![0; (len - done).min(COPY_BYTES) as usize];
                if chain.read(ram, done, &mut bytes).is_err() {
                    break;
                }
                self.backend.output(&bytes);
                done += bytes.len() as u64;
            }
            queue.push(ram, &chain, 0)?;
        }
        Ok(())
    }

    fn deliver(&mut self, queue: &mut Queue, ram: &dyn GuestRam) -> Result<(), QueueError> {
        // A look at what waits comes first: a chain taken cannot be put back.
        while queue.is_enabled {
            let bytes = self.backend.input(COPY_BYTES as usize);
            if bytes.is_empty() {
                return Ok(());
            }
            let mut done = 0;
            while done < bytes.len() {
                // Input without a buffer is lost, as on a line that nobody reads.
                let Some(chain) = queue.pop(ram)? else { return Ok(()) };
                let written = chain.write(ram, 0, &bytes[done..]).unwrap_or(0);
                queue.push(ram, &chain, written as u32)?;
                if written == 0 {
                    return Ok(());
                }
                done += written;
            }
        }
        Ok(())
    }
}

impl<B: ConsoleBackend> VirtioDevice for Console<B> {
    fn kind(&self) -> Kind {
        Kind::Console
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
    struct Line {
        out: Vec<u8>,
        waiting: Vec<u8>,
    }

    impl ConsoleBackend for Line {
        fn output(&mut self, bytes: &[u8]) {
            self.out.extend_from_slice(bytes);
        }
        fn input(&mut self, limit: usize) -> Vec<u8> {
            let len = limit.min(self.waiting.len());
            self.waiting.drain(..len).collect()
        }
    }

    #[test]
    fn output_reaches_the_line() {
        let mut driver = Driver::new();
        let mut console = Console::new(Line::default());
        driver.ram.write(0x5000, b"hello").expect("inside of test memory");
        driver.offer_chain(&[(0x5000, 5)], &[]);
        let mut queues = [Queue::new(8), Driver::queue(8)];
        console.notify(TRANSMIT, &mut queues, &driver.ram).expect("well formed");
        assert_eq!(console.backend.out, b"hello");
    }

    #[test]
    fn input_fills_the_buffers_there_are() {
        let mut driver = Driver::new();
        let mut console = Console::new(Line { waiting: b"abcdef".to_vec(), ..Line::default() });
        driver.offer_chain(&[], &[(0x6000, 4)]);
        driver.offer_chain(&[], &[(0x6100, 4)]);
        let mut queues = [Driver::queue(8), Queue::new(8)];
        console.poll(&mut queues, &driver.ram).expect("well formed");
        assert_eq!((driver.used(0).1, driver.used(1).1), (4, 2));
    }
}
