//! Digest access authentication (RFC 7616, RFC 2617, RFC 8760, RFC 3261 section 22).
//!
//! The client reads challenges from 401 and 407 responses, takes the strongest that it supports, and writes the
//! credentials into a request. The [`Verifier`] is the other side: it writes challenges and judges credentials. It
//! knows no accounts and counts no guesses: those who ask it do. Both speak Digest only; Basic and other schemes are
//! passed over. Chance and keys are given by the caller.

mod algorithm;
mod challenge;
mod client;
mod credentials;
mod lexer;
mod nonce;
mod origin;
mod secret;
mod verifier;

pub use algorithm::Algorithm;
pub use challenge::{Challenge, ChallengeAlgorithm, ChallengeError, QopOffer, Use, strongest};
pub use client::{Attempt, Credentials, DigestClient, MAX_CHALLENGES, Refused};
pub use credentials::CredentialsError;
pub use origin::Origin;
pub use secret::Secret;
pub use verifier::{Offer, Refusal, Verifier, VerifierConfig};
