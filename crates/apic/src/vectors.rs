//! Sets of interrupt vectors: IRR, ISR and TMR.

/// A set of the 256 vectors, as the eight 32-bit words of IRR, ISR or TMR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VectorSet {
    words: [u32; 8],
}

impl VectorSet {
    /// The empty set.
    pub const EMPTY: Self = Self { words: [0; 8] };

    /// Makes a set from register words, lowest vectors first.
    pub const fn from_words(words: [u32; 8]) -> Self {
        Self { words }
    }

    /// The eight register words, lowest vectors first.
    pub const fn words(&self) -> [u32; 8] {
        self.words
    }

    /// Whether the vector is in the set.
    pub const fn contains(&self, vector: u8) -> bool {
        self.words[(vector >> 5) as usize] & (1 << (vector & 31)) != 0
    }

    /// Adds a vector.
    pub const fn insert(&mut self, vector: u8) {
        self.words[(vector >> 5) as usize] |= 1 << (vector & 31);
    }

    /// Removes a vector.
    pub const fn remove(&mut self, vector: u8) {
        self.words[(vector >> 5) as usize] &= !(1 << (vector & 31));
    }

    /// Adds or removes a vector.
    pub const fn set(&mut self, vector: u8, present: bool) {
        if present { self.insert(vector) } else { self.remove(vector) }
    }

    /// The highest vector of the set.
    pub fn highest(&self) -> Option<u8> {
        let index = self.words.iter().rposition(|&word| word != 0)?;
        let bit = 31 - self.words[index].leading_zeros();
        Some((index as u32 * 32 + bit) as u8)
    }

    /// Drops the vectors 0 to 15, which no APIC can accept.
    pub(crate) const fn without_reserved(mut self) -> Self {
        self.words[0] &= 0xFFFF_0000;
        self
    }
}
