//! Tests of queues, and a tiny driver that the devices' tests use too.

use super::*;
use crate::ram::VecRam;

pub(crate) const DESCRIPTORS: u64 = 0x1000;
pub(crate) const AVAILABLE: u64 = 0x2000;
pub(crate) const USED: u64 = 0x3000;
pub(crate) const RAM_LENGTH: usize = 0x10_0000;

/// The driver's side of one queue.
pub(crate) struct Driver {
    pub(crate) ram: VecRam,
    next: u16,
    index: u16,
}

impl Driver {
    pub(crate) fn new() -> Self {
        Self { ram: VecRam::new(RAM_LENGTH), next: 0, index: 0 }
    }

    pub(crate) fn queue(size: u16) -> Queue {
        Queue {
            is_enabled: true,
            descriptors: DESCRIPTORS,
            available: AVAILABLE,
            used: USED,
            ..Queue::new(size)
        }
    }

    pub(crate) fn descriptor(&self, index: u16, gpa: u64, len: u32, flags: u16, next: u16) {
        self.descriptor_at(DESCRIPTORS + 16 * u64::from(index), gpa, len, flags, next);
    }

    fn descriptor_at(&self, at: u64, gpa: u64, len: u32, flags: u16, next: u16) {
        let word =
            u128::from(gpa) | u128::from(len) << 64 | u128::from(flags) << 96 | u128::from(next) << 112;
        self.ram.write(at, &word.to_le_bytes()).expect("inside of test memory");
    }

    pub(crate) fn offer(&mut self, head: u16) {
        let slot = AVAILABLE + 4 + 2 * u64::from(self.index % 8);
        self.ram.write(slot, &head.to_le_bytes()).expect("inside of test memory");
        self.index += 1;
        self.ram.write(AVAILABLE + 2, &self.index.to_le_bytes()).expect("inside of test memory");
    }

    /// Offers a chain of readable, then writable buffers.
    pub(crate) fn offer_chain(&mut self, readable: &[(u64, u32)], writable: &[(u64, u32)]) {
        let head = self.next;
        let all = readable.iter().map(|span| (span, 0)).chain(writable.iter().map(|span| (span, FLAG_WRITE)));
        let count = readable.len() + writable.len();
        for (position, ((gpa, len), flags)) in all.enumerate() {
            let is_last = position + 1 == count;
            let next = self.next + 1;
            self.descriptor(self.next, *gpa, *len, flags | if is_last { 0 } else { FLAG_NEXT }, next);
            self.next = next % 8;
        }
        self.offer(head);
    }

    pub(crate) fn used(&self, slot: u64) -> (u32, u32) {
        let mut bytes = [0; 8];
        self.ram.read(USED + 4 + 8 * slot, &mut bytes).expect("inside of test memory");
        let word = u64::from_le_bytes(bytes);
        (word as u32, (word >> 32) as u32)
    }

    pub(crate) fn used_index(&self) -> u16 {
        read_u16(&self.ram, USED + 2).expect("inside of test memory")
    }
}

#[test]
fn a_chain_is_taken_and_given_back() {
    let mut driver = Driver::new();
    let mut queue = Driver::queue(8);
    assert_eq!(queue.pop(&driver.ram), Ok(None));
    driver.offer_chain(&[(0x5000, 16)], &[(0x6000, 512), (0x7000, 1)]);
    let chain = queue.pop(&driver.ram).expect("well formed").expect("one is there");
    assert_eq!(chain.readable, [Span { gpa: 0x5000, len: 16 }]);
    assert_eq!(total(&chain.writable), 513);
    queue.push(&driver.ram, &chain, 513).expect("inside of test memory");
    assert_eq!((driver.used(0), driver.used_index()), ((0, 513), 1));
    assert_eq!(queue.take_interrupt(&driver.ram), Ok(true));
    assert_eq!(queue.take_interrupt(&driver.ram), Ok(false));
}

#[test]
fn copies_cross_buffers() {
    let mut driver = Driver::new();
    let mut queue = Driver::queue(8);
    driver.ram.write(0x5000, b"hello ").expect("inside of test memory");
    driver.ram.write(0x5100, b"world").expect("inside of test memory");
    driver.offer_chain(&[(0x5000, 6), (0x5100, 5)], &[(0x6000, 3), (0x6100, 100)]);
    let chain = queue.pop(&driver.ram).expect("well formed").expect("one is there");
    let mut bytes = [0; 32];
    assert_eq!(chain.read(&driver.ram, 4, &mut bytes), Ok(7));
    assert_eq!(&bytes[..7], b"o world");
    assert_eq!(chain.write(&driver.ram, 1, b"abcdef"), Ok(6));
    let mut low = [0; 3];
    driver.ram.read(0x6000, &mut low).expect("inside of test memory");
    assert_eq!(&low, b"\0ab");
}

#[test]
fn loops_end_with_an_error() {
    let mut driver = Driver::new();
    let mut queue = Driver::queue(8);
    driver.descriptor(0, 0x5000, 1, FLAG_NEXT, 1);
    driver.descriptor(1, 0x5000, 1, FLAG_NEXT, 0);
    driver.offer(0);
    assert_eq!(queue.pop(&driver.ram), Err(QueueError::ChainTooLong));
}

#[test]
fn bad_indices_and_orders_are_refused() {
    let mut driver = Driver::new();
    let mut queue = Driver::queue(8);
    driver.offer(8);
    assert_eq!(queue.pop(&driver.ram), Err(QueueError::BadIndex(8)));

    let mut driver = Driver::new();
    let mut queue = Driver::queue(8);
    driver.descriptor(0, 0x5000, 1, FLAG_WRITE | FLAG_NEXT, 1);
    driver.descriptor(1, 0x5000, 1, 0, 0);
    driver.offer(0);
    assert_eq!(queue.pop(&driver.ram), Err(QueueError::ReadableAfterWritable));
}

#[test]
fn an_index_that_runs_ahead_is_refused() {
    let driver = Driver::new();
    let mut queue = Driver::queue(8);
    driver.ram.write(AVAILABLE + 2, &9_u16.to_le_bytes()).expect("inside of test memory");
    assert_eq!(queue.pop(&driver.ram), Err(QueueError::TooManyAvailable(9)));
}

#[test]
fn rings_outside_of_memory_are_refused() {
    let driver = Driver::new();
    for gpa in [RAM_LENGTH as u64, u64::MAX, u64::MAX - 1] {
        let mut queue = Queue { available: gpa, ..Driver::queue(8) };
        assert!(matches!(queue.pop(&driver.ram), Err(QueueError::Ram(_))));
    }
}

#[test]
fn indirect_tables_are_followed_once() {
    let mut driver = Driver::new();
    let mut queue = Driver::queue(8);
    driver.descriptor_at(0x4000, 0x5000, 4, FLAG_NEXT, 1);
    driver.descriptor_at(0x4010, 0x6000, 4, FLAG_WRITE, 0);
    driver.descriptor(0, 0x4000, 32, FLAG_INDIRECT, 0);
    driver.offer(0);
    let chain = queue.pop(&driver.ram).expect("well formed").expect("one is there");
    assert_eq!((chain.readable.len(), chain.writable.len()), (1, 1));

    driver.descriptor_at(0x4000, 0x4000, 32, FLAG_INDIRECT, 0);
    driver.offer(0);
    assert_eq!(queue.pop(&driver.ram), Err(QueueError::BadIndirect));
}

#[test]
fn event_indices_suppress_interrupts() {
    let mut driver = Driver::new();
    let mut queue = Queue { has_event_index: true, ..Driver::queue(8) };
    let event_at = AVAILABLE + 4 + 16;
    driver.ram.write(event_at, &1_u16.to_le_bytes()).expect("inside of test memory");
    for expected in [false, true, false] {
        driver.offer_chain(&[(0x5000, 1)], &[]);
        let chain = queue.pop(&driver.ram).expect("well formed").expect("one is there");
        queue.push(&driver.ram, &chain, 0).expect("inside of test memory");
        assert_eq!(queue.take_interrupt(&driver.ram), Ok(expected));
    }
    let asked = read_u16(&driver.ram, USED + 4 + 64).expect("inside of test memory");
    assert_eq!(asked, 3);
}

#[test]
fn random_rings_never_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut outcomes = [0_u32; 2];
    for _ in 0..2_000 {
        let driver = Driver::new();
        for at in (DESCRIPTORS..USED + 0x100).step_by(8) {
            driver.ram.write(at, &random().to_le_bytes()).expect("inside of test memory");
        }
        let index = (random() % 8) as u16;
        driver.ram.write(AVAILABLE + 2, &index.to_le_bytes()).expect("inside of test memory");
        let mut queue = Driver::queue(8);
        for _ in 0..8 {
            let Ok(Some(chain)) = queue.pop(&driver.ram) else {
                outcomes[0] += 1;
                break;
            };
            outcomes[1] += 1;
            let mut bytes = [0; 64];
            let _ = chain.read(&driver.ram, 0, &mut bytes);
            let _ = chain.write(&driver.ram, 0, &bytes);
        }
    }
    assert!(outcomes[0] > 0);
}
