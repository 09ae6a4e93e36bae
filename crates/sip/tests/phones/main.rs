//! Telephones that register at a user agent: who gets in, what is bound, where it rings, and what guessing comes to.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that meets the unexpected fails"
)]

mod bench;
mod binding;
mod guessing;
mod ringing;
