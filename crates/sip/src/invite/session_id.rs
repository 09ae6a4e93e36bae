//! Session-ID: one name for a call on all its legs, for whoever compares the logs of several servers (RFC 7989).

use super::session::Session;
use crate::message::{HeaderName, Headers};

/// Stands for a side that has told none (RFC 7989 section 5).
const NIL: &str = "00000000000000000000000000000000";

/// The two halves of a leg's session identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionId {
    /// What this end is called: 32 hexadecimal digits in lower case.
    pub local: String,
    /// What the peer's end is called, once it has said so.
    pub remote: Option<String>,
}

impl SessionId {
    /// Begins with a name for this end.
    pub(crate) fn new(local: String) -> Self {
        Self { local, remote: None }
    }

    /// Takes the name that the peer's message carries; anything else is left aside.
    pub(crate) fn learn(&mut self, headers: &Headers) {
        let told = headers.text(&HeaderName::SessionId).and_then(|value| {
            let uuid = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            let named = uuid.len() == NIL.len() && uuid.bytes().all(|byte| byte.is_ascii_hexdigit());
            (named && uuid != NIL).then_some(uuid)
        });
        if told.is_some() {
            self.remote = told;
        }
    }

    /// Gives what another leg of the same call is called here: as the party at this leg's end, so that both ends of the
    /// call know it by the same two names (RFC 7989 section 7).
    pub(crate) fn for_other_leg(&self) -> String {
        self.remote.clone().unwrap_or_else(|| self.local.clone())
    }

    /// Writes it into a message that leaves.
    pub(crate) fn put(&self, headers: &mut Headers) {
        let remote = self.remote.as_deref().unwrap_or(NIL);
        headers.set(HeaderName::SessionId, format!("{};remote={remote}", self.local));
    }
}

impl Session {
    pub(super) fn learn_session_id(&mut self, headers: &Headers) {
        if let Some(session_id) = &mut self.origin.session_id {
            session_id.learn(headers);
        }
    }
}
