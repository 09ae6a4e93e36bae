//! What is kept of a password: its digests, never the password (RFC 7616 section 3.4.2, the A1 without a session).

use std::fmt;

use super::algorithm::Algorithm;

/// The digests of one account's name, realm and password, for each algorithm that the verifier offers.
///
/// Who has them can speak for the account in this realm: they are as secret as the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    md5: String,
    sha256: String,
}

impl Secret {
    /// Digests a password.
    #[must_use]
    pub fn of(username: &str, realm: &str, password: &str) -> Self {
        let parts = [username.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Self { md5: Algorithm::Md5.hash_joined(&parts), sha256: Algorithm::Sha256.hash_joined(&parts) }
    }

    /// Takes digests that were kept, in hexadecimal; `None` when they are no such digests.
    #[must_use]
    pub fn from_hex(md5: &str, sha256: &str) -> Option<Self> {
        let is_hex = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
        (is_hex(md5, 32) && is_hex(sha256, 64))
            .then(|| Self { md5: md5.to_ascii_lowercase(), sha256: sha256.to_ascii_lowercase() })
    }

    /// Gives the MD5 digest in lower-case hexadecimal, to be kept.
    #[must_use]
    pub fn md5(&self) -> &str {
        &self.md5
    }

    /// Gives the SHA-256 digest in lower-case hexadecimal, to be kept.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Gives the digest that an offered algorithm takes.
    pub(super) fn for_algorithm(&self, algorithm: Algorithm) -> &str {
        if algorithm == Algorithm::Md5 { &self.md5 } else { &self.sha256 }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Secret").finish_non_exhaustive()
    }
}
