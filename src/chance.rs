//! Randomness from the system, handed to the machines that must not draw it themselves.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

/// Returns 32 bytes of the system's randomness.
///
/// # Errors
/// When the system has none to give.
pub(crate) fn seed() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    Ok(seed)
}

/// Returns a generator that nobody can predict.
///
/// # Errors
/// When the system has no randomness to give.
pub(crate) fn generator() -> anyhow::Result<ChaCha12Rng> {
    Ok(ChaCha12Rng::from_seed(seed()?))
}
