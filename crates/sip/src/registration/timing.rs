//! How long a registration waits, with the jitter that keeps thousands of lines apart.
//!
//! Chance comes from the caller's generator, so equal seeds give equal waits.

use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::RngCore;

/// Longest wait while the registrar is silent: it must see us again within 30 s of its return.
const SILENCE_LIMIT: Duration = Duration::from_secs(28);
/// Longest wait while the registrar accepts but does not list our contact.
const MISSING_LIMIT: Duration = Duration::from_secs(300);
/// Longest wait after a refusal that only a person can lift.
const REFUSAL_LIMIT: Duration = Duration::from_secs(1800);
/// Longest wait after wrong credentials; short waits would run into lock-outs.
const CREDENTIALS_LIMIT: Duration = Duration::from_secs(3600);
/// A registrar's wish to wait is obeyed up to a day; more is taken for a mistake.
const RETRY_AFTER_LIMIT_S: u32 = 86_400;
/// Refreshes are never closer than this, whatever is granted.
const REFRESH_FLOOR: Duration = Duration::from_secs(2);

/// Draws evenly from `low..high`.
pub(crate) fn between(rng: &mut ChaCha12Rng, low: Duration, high: Duration) -> Duration {
    let fraction = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    low + high.saturating_sub(low).mul_f64(fraction)
}

/// Waits 2 to 4 s first, twice as long each time, up to 28 s.
pub(crate) fn after_silence(rng: &mut ChaCha12Rng, attempts: u32) -> Duration {
    doubling(rng, Duration::from_secs(4), attempts, SILENCE_LIMIT)
}

/// Waits 2 to 4 s first, twice as long each time, up to 5 minutes.
pub(crate) fn after_missing_contact(rng: &mut ChaCha12Rng, attempts: u32) -> Duration {
    doubling(rng, Duration::from_secs(4), attempts, MISSING_LIMIT)
}

/// Waits 1 to 2 minutes first, twice as long each time, up to half an hour.
pub(crate) fn after_refusal(rng: &mut ChaCha12Rng, attempts: u32) -> Duration {
    doubling(rng, Duration::from_secs(120), attempts, REFUSAL_LIMIT)
}

/// Waits 5 to 10 minutes first, twice as long each time, up to an hour.
pub(crate) fn after_wrong_credentials(rng: &mut ChaCha12Rng, attempts: u32) -> Duration {
    doubling(rng, Duration::from_secs(600), attempts, CREDENTIALS_LIMIT)
}

/// Waits what Retry-After says (RFC 3261 section 20.33) and up to a tenth more.
pub(crate) fn after_request(rng: &mut ChaCha12Rng, retry_after_s: u32) -> Duration {
    let asked = Duration::from_secs(u64::from(retry_after_s.min(RETRY_AFTER_LIMIT_S)));
    between(rng, asked, asked + asked / 10 + Duration::from_secs(1))
}

/// Refreshes after 50 to 90 % of what was granted.
pub(crate) fn until_refresh(rng: &mut ChaCha12Rng, granted: Duration) -> Duration {
    between(rng, granted.mul_f64(0.5), granted.mul_f64(0.9)).max(REFRESH_FLOOR)
}

/// Probes after 75 to 100 % of the interval.
pub(crate) fn until_probe(rng: &mut ChaCha12Rng, interval: Duration) -> Duration {
    between(rng, interval.mul_f64(0.75), interval).max(REFRESH_FLOOR)
}

fn doubling(rng: &mut ChaCha12Rng, first: Duration, attempts: u32, limit: Duration) -> Duration {
    let factor = 1_u32 << attempts.saturating_sub(1).min(16);
    let ceiling = first.saturating_mul(factor).min(limit);
    between(rng, ceiling / 2, ceiling)
}
