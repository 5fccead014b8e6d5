//! Where arguments come from.

/// Source of random bytes.
#[derive(Clone, Debug)]
pub struct Generator(u64);

impl Generator {
    /// A generator that always gives the same for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// `count` random bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count.div_ceil(8)).flat_map(|_| self.bits().to_le_bytes()).take(count).collect()
    }
}

/// Bytes that are turned into arguments. Zeroes follow the end.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
}

/// Values at which arguments tend to change meaning.
const EDGES: [u64; 16] = [
    0,
    1,
    2,
    3,
    7,
    8,
    0xFFF,
    0x1000,
    0x1001,
    0x1_0000,
    0x7FFF_FFFF,
    0xFFFF_FFFF,
    0x1_0000_0000,
    0x8000_0000_0000_0000,
    0xFFFF_FFFF_FFFF_F000,
    u64::MAX,
];

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    /// A number below `limit`, which is not zero.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        (u32::from(self.byte()) << 8 | u32::from(self.byte())) % limit
    }

    /// True once in `n`.
    pub(super) fn once_in(&mut self, n: u8) -> bool {
        self.byte().is_multiple_of(n)
    }

    /// One of several.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    /// A 64-bit number: an edge, a single bit, small, or anything.
    pub(super) fn long(&mut self) -> u64 {
        match self.byte() % 4 {
            0 => self.pick(&EDGES),
            1 => 1 << self.below(64),
            2 => u64::from(self.byte()),
            _ => (0..8).fold(0, |bits, _| bits << 8 | u64::from(self.byte())),
        }
    }

    /// A 32-bit number of the same kinds.
    pub(super) fn word(&mut self) -> u32 {
        self.long() as u32
    }

    /// Up to `count` bytes, the rest zero.
    pub(super) fn fill(&mut self, place: &mut [u8]) {
        for byte in place {
            *byte = self.byte();
        }
    }
}
