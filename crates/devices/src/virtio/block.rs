//! The block device: 512-byte sectors of some backend, written in order, flushed on request.
//!
//! # Source
//! VIRTIO 1.2 "Block Device".

use std::io;

use super::Kind;
use super::VirtioDevice;
use super::queue::Chain;
use super::queue::Queue;
use super::queue::QueueError;
use super::queue::total;
use super::read_config_bytes;
use crate::ram::GuestRam;

/// Bytes per sector, whatever the backend's own unit is.
pub const SECTOR_BYTES: u64 = 512;

const QUEUE_SIZES: &[u16] = &[256];
/// Segments in one request: the queue less header and status.
const SEGMENTS: u32 = 254;
const COPY_BYTES: usize = 64 * 1024;
const HEADER_BYTES: u64 = 16;

const FEATURE_SEGMENTS: u64 = 1 << 2;
const FEATURE_READ_ONLY: u64 = 1 << 5;
const FEATURE_BLOCK_SIZE: u64 = 1 << 6;
const FEATURE_FLUSH: u64 = 1 << 9;

const STATUS_OK: u8 = 0;
const STATUS_ERROR: u8 = 1;
const STATUS_UNSUPPORTED: u8 = 2;

/// Where the sectors are kept.
pub trait BlockBackend: Send {
    /// Number of whole sectors.
    fn sectors(&self) -> u64;
    /// Whether writes are refused.
    fn is_read_only(&self) -> bool;
    /// Reads at a byte offset; the range is inside of the sectors.
    ///
    /// # Errors
    /// What the backend met; the guest sees an I/O error.
    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Writes at a byte offset; the range is inside of the sectors. Writes reach the backend in call order.
    ///
    /// # Errors
    /// What the backend met; the guest sees an I/O error.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything written is on stable storage.
    ///
    /// # Errors
    /// What the backend met; the guest sees an I/O error.
    fn flush(&mut self) -> io::Result<()>;
}

/// The device over its backend.
pub struct Block<B> {
    backend: B,
    serial: [u8; 20],
}

impl<B> core::fmt::Debug for Block<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Block").field("serial", &self.serial).finish_non_exhaustive()
    }
}

impl<B: BlockBackend> Block<B> {
    /// Makes a device; `serial` is what it answers to an identification request, cut to 20 bytes.
    #[must_use]
    pub fn new(backend: B, serial: &str) -> Self {
        let mut bytes = [0; 20];
        let len = serial.len().min(bytes.len());
        bytes[..len].copy_from_slice(&serial.as_bytes()[..len]);
        Self { backend, serial: bytes }
    }

    fn serve(&mut self, chain: &Chain, ram: &dyn GuestRam) -> u32 {
        // Without room for a status byte there is no way to answer.
        let Some(room) = total(&chain.writable).checked_sub(1) else { return 0 };
        let mut header = [0; HEADER_BYTES as usize];
        let (status, written) = match chain.read(ram, 0, &mut header) {
            Ok(len) if len == header.len() => self.request(&header, chain, room, ram),
            _ => (STATUS_ERROR, 0),
        };
        match chain.write(ram, room, &[status]) {
            Ok(_) => written.saturating_add(1),
            Err(_) => 0,
        }
    }

    fn request(&mut self, header: &[u8; 16], chain: &Chain, room: u64, ram: &dyn GuestRam) -> (u8, u32) {
        let word = u128::from_le_bytes(*header);
        let (kind, sector) = (word as u32, (word >> 64) as u64);
        let result = match kind {
            0 => self.read(chain, sector, room, ram),
            1 => self.write(chain, sector, ram).map(|()| 0),
            4 => self.backend.flush().map(|()| 0),
            8 => self.identify(chain, room, ram),
            _ => return (STATUS_UNSUPPORTED, 0),
        };
        match result {
            Ok(written) => (STATUS_OK, written),
            Err(_) => (STATUS_ERROR, 0),
        }
    }

    /// Byte offset of a transfer, if it is whole sectors inside of the device.
    fn offset_of(&self, sector: u64, len: u64) -> io::Result<u64> {
        let end = sector.checked_add(len / SECTOR_BYTES);
        let is_inside = end.is_some_and(|end| end <= self.backend.sectors());
        if !is_inside || !len.is_multiple_of(SECTOR_BYTES) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        Ok(sector * SECTOR_BYTES)
    }

    fn read(&mut self, chain: &Chain, sector: u64, len: u64, ram: &dyn GuestRam) -> io::Result<u32> {
        let start = self.offset_of(sector, len)?;
        let mut buffer = vec![0; COPY_BYTES.min(len as usize)];
        let mut done = 0;
        while done < len {
            let piece = buffer.len().min((len - done) as usize);
            self.backend.read_at(start + done, &mut buffer[..piece])?;
            chain.write(ram, done, &buffer[..piece]).map_err(io::Error::other)?;
            done += piece as u64;
        }
        Ok(u32::try_from(len).unwrap_or(u32::MAX))
    }

    fn write(&mut self, chain: &Chain, sector: u64, ram: &dyn GuestRam) -> io::Result<()> {
        if self.backend.is_read_only() {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        let len = total(&chain.readable) - HEADER_BYTES;
        let start = self.offset_of(sector, len)?;
        let mut buffer = vec![0; COPY_BYTES.min(len as usize)];
        let mut done = 0;
        while done < len {
            let piece = buffer.len().min((len - done) as usize);
            chain.read(ram, HEADER_BYTES + done, &mut buffer[..piece]).map_err(io::Error::other)?;
            self.backend.write_at(start + done, &buffer[..piece])?;
            done += piece as u64;
        }
        Ok(())
    }

    fn identify(&self, chain: &Chain, room: u64, ram: &dyn GuestRam) -> io::Result<u32> {
        let len = self.serial.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        chain.write(ram, 0, &self.serial[..len]).map_err(io::Error::other)?;
        Ok(len as u32)
    }
}

impl<B: BlockBackend> VirtioDevice for Block<B> {
    fn kind(&self) -> Kind {
        Kind::Block
    }

    fn features(&self) -> u64 {
        let read_only = if self.backend.is_read_only() { FEATURE_READ_ONLY } else { 0 };
        FEATURE_SEGMENTS | FEATURE_BLOCK_SIZE | FEATURE_FLUSH | read_only
    }

    fn queue_sizes(&self) -> &'static [u16] {
        QUEUE_SIZES
    }

    fn read_config(&self, offset: u64, bytes: &mut [u8]) {
        let mut config = [0; 24];
        config[..8].copy_from_slice(&self.backend.sectors().to_le_bytes());
        config[12..16].copy_from_slice(&SEGMENTS.to_le_bytes());
        config[20..].copy_from_slice(&(SECTOR_BYTES as u32).to_le_bytes());
        read_config_bytes(&config, offset, bytes);
    }

    fn notify(&mut self, index: usize, queues: &mut [Queue], ram: &dyn GuestRam) -> Result<(), QueueError> {
        let Some(queue) = queues.get_mut(index) else { return Ok(()) };
        while let Some(chain) = queue.pop(ram)? {
            let written = self.serve(&chain, ram);
            queue.push(ram, &chain, written)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::tests::Driver;
    use super::*;

    struct Memory {
        bytes: Vec<u8>,
        read_only: bool,
        flushes: std::sync::Arc<std::sync::atomic::AtomicU32>,
    }

    impl BlockBackend for Memory {
        fn sectors(&self) -> u64 {
            self.bytes.len() as u64 / SECTOR_BYTES
        }
        fn is_read_only(&self) -> bool {
            self.read_only
        }
        fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
            bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
            Ok(())
        }
        fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            self.bytes[offset as usize..][..bytes.len()].copy_from_slice(bytes);
            Ok(())
        }
        fn flush(&mut self) -> io::Result<()> {
            self.flushes.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok(())
        }
    }

    fn device(read_only: bool) -> Block<Memory> {
        let bytes = (0..16_384).map(|index| (index / 512) as u8).collect();
        Block::new(Memory { bytes, read_only, flushes: std::sync::Arc::default() }, "disk0")
    }

    /// Runs one request and returns its status byte and the length given back.
    fn request(
        block: &mut Block<Memory>,
        driver: &mut Driver,
        (kind, sector): (u32, u64),
        readable: &[(u64, u32)],
        writable: &[(u64, u32)],
    ) -> (u8, u32) {
        let mut header = [0; 16];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[8..].copy_from_slice(&sector.to_le_bytes());
        driver.ram.write(0x5000, &header).expect("inside of test memory");
        driver.ram.write(0x9000, &[0xaa]).expect("inside of test memory");
        let readable = [&[(0x5000, 16)], readable].concat();
        let writable = [writable, &[(0x9000, 1)]].concat();
        driver.offer_chain(&readable, &writable);
        let mut queues = [Driver::queue(8)];
        block.notify(0, &mut queues, &driver.ram).expect("well formed");
        let mut status = [0];
        driver.ram.read(0x9000, &mut status).expect("inside of test memory");
        (status[0], driver.used(0).1)
    }

    #[test]
    fn reads_cross_buffers() {
        let (mut block, mut driver) = (device(false), Driver::new());
        let answer = request(&mut block, &mut driver, (0, 3), &[], &[(0x6000, 700), (0x7000, 324)]);
        assert_eq!(answer, (STATUS_OK, 1025));
        let mut bytes = [0; 1];
        driver.ram.read(0x7000 + 323, &mut bytes).expect("inside of test memory");
        assert_eq!(bytes[0], 4);
    }

    #[test]
    fn writes_reach_the_backend() {
        let (mut block, mut driver) = (device(false), Driver::new());
        driver.ram.write(0x6000, &[0x77; 512]).expect("inside of test memory");
        let answer = request(&mut block, &mut driver, (1, 31), &[(0x6000, 512)], &[]);
        assert_eq!(answer, (STATUS_OK, 1));
        assert_eq!(block.backend.bytes[31 * 512..], [0x77; 512]);
    }

    #[test]
    fn transfers_outside_of_the_device_fail() {
        for (sector, len) in [(32, 512), (31, 1024), (u64::MAX, 512), (0, 100)] {
            let (mut block, mut driver) = (device(false), Driver::new());
            let answer = request(&mut block, &mut driver, (0, sector), &[], &[(0x6000, len)]);
            assert_eq!(answer.0, STATUS_ERROR, "sector {sector}, {len} bytes");
        }
    }

    #[test]
    fn a_read_only_device_refuses_writes_and_says_so() {
        let (mut block, mut driver) = (device(true), Driver::new());
        let answer = request(&mut block, &mut driver, (1, 0), &[(0x6000, 512)], &[]);
        assert_eq!(answer.0, STATUS_ERROR);
        assert_ne!(block.features() & FEATURE_READ_ONLY, 0);
    }

    #[test]
    fn flush_identify_and_unknown_requests() {
        let (mut block, mut driver) = (device(false), Driver::new());
        assert_eq!(request(&mut block, &mut driver, (4, 0), &[], &[]).0, STATUS_OK);
        assert_eq!(block.backend.flushes.load(std::sync::atomic::Ordering::SeqCst), 1);
        let mut driver = Driver::new();
        assert_eq!(request(&mut block, &mut driver, (8, 0), &[], &[(0x6000, 20)]).0, STATUS_OK);
        let mut name = [0; 5];
        driver.ram.read(0x6000, &mut name).expect("inside of test memory");
        assert_eq!(&name, b"disk0");
        let mut driver = Driver::new();
        assert_eq!(request(&mut block, &mut driver, (99, 0), &[], &[]).0, STATUS_UNSUPPORTED);
    }

    #[test]
    fn buffers_outside_of_memory_fail_the_request_only() {
        let (mut block, mut driver) = (device(false), Driver::new());
        let answer = request(&mut block, &mut driver, (0, 0), &[], &[(u64::MAX - 100, 512)]);
        assert_eq!(answer.0, STATUS_ERROR);
    }
}
