//! Seeded choices.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A generator of choices; the same seed gives the same ones.
#[derive(Debug, Clone)]
pub struct Chance(ChaCha12Rng);

impl Chance {
    /// Begins with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// Chooses a number below `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64().checked_rem(n).unwrap_or(0)
    }

    /// Chooses an index below `n`.
    pub fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap_or(0)
    }

    /// Is true once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Is true in this share of all times, 0 to 1.
    pub fn happens(&mut self, share: f64) -> bool {
        let drawn = self.0.next_u32();
        f64::from(drawn) < share * f64::from(u32::MAX)
    }

    /// Gives hexadecimal letters that no other call of the same generator gave.
    pub fn token(&mut self) -> String {
        format!("{:016x}", self.0.next_u64())
    }

    /// Gives a generator of its own to somebody.
    pub fn split(&mut self) -> ChaCha12Rng {
        ChaCha12Rng::seed_from_u64(self.0.next_u64())
    }
}
