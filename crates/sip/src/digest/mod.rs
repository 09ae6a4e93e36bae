//! Digest access authentication, the client's side (RFC 7616, RFC 2617, RFC 8760, RFC 3261 section 22).
//!
//! It reads challenges from 401 and 407 responses, takes the strongest that it supports, and writes the
//! credentials into a request. It deliberately is no server: it issues no challenge and checks no password.
//! It speaks Digest only; Basic and other schemes are passed over. Chance is given by the caller.

mod algorithm;
mod challenge;
mod client;

pub use algorithm::Algorithm;
pub use challenge::{Challenge, ChallengeAlgorithm, ChallengeError, QopOffer, Use, strongest};
pub use client::{Attempt, Credentials, DigestClient, MAX_CHALLENGES, Refused};
