//! The hash algorithms of digest authentication (RFC 7616 section 6.1, RFC 8760 section 2.1).
//!
//! It names and computes them; which one is used is decided in `challenge`.

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// A hash algorithm of the IANA registry that this client computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// MD5, what a challenge without an algorithm means.
    Md5,
    /// MD5 with a session key.
    Md5Sess,
    /// SHA-256.
    Sha256,
    /// SHA-256 with a session key.
    Sha256Sess,
    /// SHA-512/256 (FIPS 180-4, not the first half of SHA-512).
    Sha512Trunc256,
    /// SHA-512/256 with a session key.
    Sha512Trunc256Sess,
}

impl Algorithm {
    /// Every algorithm, the weakest first.
    pub const ALL: [Self; 6] = [
        Self::Md5,
        Self::Md5Sess,
        Self::Sha256,
        Self::Sha256Sess,
        Self::Sha512Trunc256,
        Self::Sha512Trunc256Sess,
    ];

    /// Finds the algorithm of a registered name, compared without case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Returns the registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512Trunc256 => "SHA-512-256",
            Self::Sha512Trunc256Sess => "SHA-512-256-sess",
        }
    }

    /// Tells whether the secret is hashed with the first nonce and cnonce (RFC 7616 section 3.4.2).
    #[must_use]
    pub fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512Trunc256Sess)
    }

    /// Ranks the hash: a session form is as strong as the plain one.
    pub(super) fn strength(self) -> u8 {
        match self {
            Self::Md5 | Self::Md5Sess => 1,
            Self::Sha256 | Self::Sha256Sess => 2,
            Self::Sha512Trunc256 | Self::Sha512Trunc256Sess => 3,
        }
    }

    /// Hashes the parts joined by colons, in lower-case hexadecimal.
    pub(super) fn hash_joined(self, parts: &[&[u8]]) -> String {
        let joined = parts.join(&b':');
        match self {
            Self::Md5 | Self::Md5Sess => hex(&Md5::digest(&joined)),
            Self::Sha256 | Self::Sha256Sess => hex(&Sha256::digest(&joined)),
            Self::Sha512Trunc256 | Self::Sha512Trunc256Sess => hex(&Sha512_256::digest(&joined)),
        }
    }
}

/// Writes bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
