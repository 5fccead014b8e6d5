//! Randomness for the guest's entropy device.

use openwhp_devices::virtio::entropy::EntropyBackend;

/// Where the entropy device takes its bytes.
#[derive(Clone, Debug)]
pub enum Randomness {
    /// The host's random numbers.
    Host,
    /// A sequence that repeats from run to run, for deterministic runs only.
    Repeatable {
        /// State of the generator, never 0.
        state: u64,
    },
}

impl Randomness {
    /// The repeatable sequence from its beginning.
    #[must_use]
    pub fn repeatable() -> Self {
        Self::Repeatable { state: 0x9e37_79b9_7f4a_7c15 }
    }
}

impl EntropyBackend for Randomness {
    fn fill(&mut self, bytes: &mut [u8]) {
        match self {
            Self::Host => {
                let mut done = 0;
                while done < bytes.len() {
                    match rustix::rand::getrandom(&mut bytes[done..], rustix::rand::GetRandomFlags::empty()) {
                        Ok(len) => done += len,
                        Err(rustix::io::Errno::INTR) => {}
                        // Every supported kernel has the call; zeros are what a broken source would give.
                        Err(_) => return,
                    }
                }
            }
            Self::Repeatable { state } => bytes.iter_mut().for_each(|byte| {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                *byte = (*state >> 32) as u8;
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repeatable_sequence_repeats_and_the_hosts_does_not() {
        let take = |mut source: Randomness| {
            let mut bytes = [0; 32];
            source.fill(&mut bytes);
            bytes
        };
        assert_eq!(take(Randomness::repeatable()), take(Randomness::repeatable()));
        assert_ne!(take(Randomness::Host), take(Randomness::Host));
    }
}
