//! Who calls.

use serde::{Deserialize, Serialize};

/// Who calls, as far as the INVITE tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// E.164, else bare digits; `None` when withheld or no number at all.
    pub number: Option<String>,
    /// The number as received.
    pub dialled: Option<String>,
    /// The display name as received, hostile until shown as text.
    pub display: Option<String>,
    /// The header that the identity was taken from.
    pub chosen: IdentitySource,
    /// Every identity header, name and value, as received.
    pub headers: Vec<(String, String)>,
}

impl Caller {
    /// Tells whether the number is kept back, which is more than that nobody tells one.
    pub fn is_withheld(&self) -> bool {
        self.number.is_none() && self.chosen == IdentitySource::Nothing && !self.headers.is_empty()
    }
}

/// The header that the caller's identity was taken from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentitySource {
    /// P-Asserted-Identity (RFC 3325).
    AssertedIdentity,
    /// Remote-Party-ID.
    RemotePartyId,
    /// From.
    From,
    /// None could be used: the caller is withheld.
    #[default]
    Nothing,
}
