//! Nonces that need no memory until they are used well: time, number and a proof that they are ours
//! (RFC 7616 section 3.3), bound to the address that they were given to.
//!
//! The proof is SHA-256 of a fixed number of bytes behind the key, cut to half: neither can be lengthened.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::algorithm::hex;

/// Of so many nonces the counts are remembered. The oldest is refused rather than remembered longer.
pub(super) const MAX_NONCES: usize = 16_384;

/// Bytes of the time, the number and the proof.
const NONCE_BYTES: usize = 8 + 8 + 16;

/// Gives out nonces and takes each of their counts once.
#[derive(Debug)]
pub(super) struct Nonces {
    key: [u8; 32],
    since: Instant,
    lifetime: Duration,
    given: u64,
    /// The last count of each nonce that was used well, by its number.
    counts: BTreeMap<u64, u32>,
    /// Nonces up to this number are remembered no more.
    forgotten: u64,
}

impl Nonces {
    pub(super) fn new(key: [u8; 32], lifetime: Duration, now: Instant) -> Self {
        Self { key, since: now, lifetime, given: 0, counts: BTreeMap::new(), forgotten: 0 }
    }

    /// Makes a nonce for an address.
    pub(super) fn give(&mut self, to: IpAddr, now: Instant) -> String {
        self.given += 1;
        let mut bytes = self.age_of(now).to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.given.to_be_bytes());
        let proof = self.proof(&bytes, to);
        bytes.extend_from_slice(&proof);
        hex(&bytes)
    }

    /// Takes a nonce and its count: false when it is old, another's, not ours, or was counted so far already.
    pub(super) fn spend(&mut self, nonce: &[u8], count: u32, from: IpAddr, now: Instant) -> bool {
        let Some(number) = self.fresh(nonce, from, now) else { return false };
        let last = self.counts.entry(number).or_insert(0);
        if count <= *last {
            return false;
        }
        *last = count;
        if self.counts.len() > MAX_NONCES
            && let Some((oldest, _)) = self.counts.pop_first()
        {
            self.forgotten = oldest;
        }
        true
    }

    /// Tells whether a nonce was given to this address and is not old.
    pub(super) fn is_fresh(&self, nonce: &[u8], from: IpAddr, now: Instant) -> bool {
        self.fresh(nonce, from, now).is_some()
    }

    fn fresh(&self, nonce: &[u8], from: IpAddr, now: Instant) -> Option<u64> {
        let (given_ms, number) = self.open(nonce, from)?;
        let age = Duration::from_millis(self.age_of(now).saturating_sub(given_ms));
        (age <= self.lifetime && number > self.forgotten).then_some(number)
    }

    /// Reads time and number of a nonce that is ours.
    fn open(&self, nonce: &[u8], from: IpAddr) -> Option<(u64, u64)> {
        let bytes = unhex(nonce)?;
        let (stated, proof) = bytes.split_at_checked(16)?;
        if !bool::from(self.proof(stated, from).ct_eq(proof)) {
            return None;
        }
        let (time, number) = stated.split_at_checked(8)?;
        Some((u64::from_be_bytes(time.try_into().ok()?), u64::from_be_bytes(number.try_into().ok()?)))
    }

    fn proof(&self, stated: &[u8], address: IpAddr) -> [u8; 16] {
        let address = match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let digest: [u8; 32] = Sha256::new()
            .chain_update(self.key)
            .chain_update(stated)
            .chain_update(address.octets())
            .finalize()
            .into();
        let mut proof = [0; 16];
        proof.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        proof
    }

    fn age_of(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX)
    }
}

fn unhex(text: &[u8]) -> Option<[u8; NONCE_BYTES]> {
    if text.len() != NONCE_BYTES * 2 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; NONCE_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}
