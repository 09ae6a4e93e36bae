//! How a message finds its transaction (RFC 3261 sections 17.1.3 and 17.2.3).

use crate::message::{HeaderName, Headers, Method, Request, Via};

/// The prefix of every branch made by RFC 3261; without it a peer speaks RFC 2543.
pub(super) const MAGIC_COOKIE: &str = "z9hG4bK";

/// Finds a client transaction: a response's top branch is ours, its CSeq method tells INVITE from CANCEL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ClientKey {
    pub(super) branch: String,
    pub(super) method: Method,
}

/// Finds a server transaction. An ACK has the key of the INVITE it ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum ServerKey {
    Branch {
        branch: String,
        sent_by: String,
        method: Method,
    },
    /// RFC 2543 peers reuse branches, or send none: the request's whole identity is compared.
    Legacy(Box<LegacyKey>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LegacyKey {
    uri: String,
    to_tag: Option<String>,
    from_tag: Option<String>,
    call_id: Vec<u8>,
    cseq: u32,
    method: Method,
    via: Vec<u8>,
}

impl ServerKey {
    /// Reads the key off a request whose top Via is as received, before `received` and `rport` were filled in.
    pub(super) fn of(request: &Request, via: &Via) -> Option<Self> {
        let method = request.method.clone();
        match via.branch() {
            // A bare cookie names nothing (RFC 4475 section 3.3.15): compare as with RFC 2543.
            Some(branch) if branch.len() > MAGIC_COOKIE.len() && branch.starts_with(MAGIC_COOKIE) => {
                let sent_by = format!("{}:{}", via.host, via.port.unwrap_or_default()).to_ascii_lowercase();
                let method = if method == Method::Ack { Method::Invite } else { method };
                Some(ServerKey::Branch { branch: branch.to_owned(), sent_by, method })
            }
            _ => Some(ServerKey::Legacy(Box::new(LegacyKey {
                uri: request.uri.to_string(),
                to_tag: tag_of_to(&request.headers),
                from_tag: request.headers.from_().ok()?.tag().map(str::to_owned),
                call_id: request.headers.get(&HeaderName::CallId)?.to_vec(),
                cseq: request.headers.cseq().ok()?.number,
                method,
                via: via.to_bytes(),
            }))),
        }
    }

    /// Gives the key of the INVITE that a CANCEL with this key means (RFC 3261 section 9.2).
    pub(super) fn of_cancelled(&self) -> Self {
        self.with_method(Method::Invite)
    }

    /// Gives the key of the ACK for a failure with this To tag, when it differs from the INVITE's own key.
    pub(super) fn of_ack(&self, response_to_tag: Option<String>) -> Option<Self> {
        match self {
            ServerKey::Branch { .. } => None,
            ServerKey::Legacy(key) => {
                let key = LegacyKey { to_tag: response_to_tag, method: Method::Ack, ..(**key).clone() };
                Some(ServerKey::Legacy(Box::new(key)))
            }
        }
    }

    fn with_method(&self, method: Method) -> Self {
        let mut key = self.clone();
        match &mut key {
            ServerKey::Branch { method: own, .. } => *own = method,
            ServerKey::Legacy(legacy) => legacy.method = method,
        }
        key
    }
}

/// Gives the tag of a To header, if it can be read and has one.
pub(super) fn tag_of_to(headers: &Headers) -> Option<String> {
    headers.to().ok()?.tag().map(str::to_owned)
}
