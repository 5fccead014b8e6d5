//! Random words for RDRAND and RDSEED.

#![expect(unsafe_code, reason = "asks the host's kernel for random bytes")]

/// A source of random words.
#[derive(Clone, Debug)]
pub(crate) enum Random {
    /// The host's kernel, a block at a time.
    Host { block: Box<[u64; 32]>, used: usize },
    /// A sequence that follows from its seed, for runs that must repeat.
    Seeded(u64),
}

impl Random {
    pub(crate) fn host() -> Self {
        Self::Host { block: Box::new([0; 32]), used: 32 }
    }

    /// The sequence of processor `index`.
    pub(crate) fn seeded(index: u32) -> Self {
        Self::Seeded(0x6F77_6870_0000_0000 | u64::from(index))
    }

    pub(crate) fn next(&mut self) -> u64 {
        match self {
            Self::Host { block, used } => {
                if *used >= block.len() {
                    fill(block);
                    *used = 0;
                }
                let word = block[*used];
                block[*used] = 0;
                *used += 1;
                word
            }
            Self::Seeded(state) => {
                // A Weyl sequence through a finaliser: full period, every bit well mixed.
                *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut word = *state;
                word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                word ^ (word >> 31)
            }
        }
    }
}

fn fill(block: &mut [u64; 32]) {
    // SAFETY: the kernel writes at most the given size into a buffer of exactly that size.
    let got = unsafe { libc::getrandom(block.as_mut_ptr().cast(), size_of::<[u64; 32]>(), 0) };
    if got != size_of::<[u64; 32]>() as isize {
        // Up to 256 bytes cannot be cut short; a kernel without the call leaves only the clock.
        let mut seed = Random::Seeded(u64::from(std::process::id()) << 32 ^ crate::clock::host_ns());
        block.iter_mut().for_each(|word| *word = seed.next());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_sequences_repeat_and_differ_by_processor() {
        let take = |index| {
            let mut random = Random::seeded(index);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(take(0), take(0));
        assert_ne!(take(0), take(1));
    }

    #[test]
    fn host_words_differ() {
        let mut random = Random::host();
        let words: std::collections::BTreeSet<u64> = (0..100).map(|_| random.next()).collect();
        assert!(words.len() > 90);
    }
}
