//! What a registrar's 200 says about bindings (RFC 3261 section 10.2.1.1 and 10.2.4).

use std::time::{Duration, Instant};

use crate::message::{HeaderName, Headers, NameAddr, Response};
use crate::uri::{SipUri, Uri};

/// How many foreign bindings are kept; more are only counted.
const MAX_FOREIGN: usize = 32;

/// A binding of the same address of record that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The other contact.
    pub contact: Uri,
    /// When it ends, as far as the registrar says.
    pub expires_at: Option<Instant>,
}

/// The bindings of one response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bindings {
    /// What is granted to our contact; `None` when it is not listed.
    pub(super) own: Option<Duration>,
    /// Contacts of others, at most `MAX_FOREIGN`.
    pub(super) foreign: Vec<Binding>,
    /// How many contacts there are, ours included.
    pub(super) count: usize,
}

impl Bindings {
    /// Reads the Contact headers of a 2xx; `asked_s` counts where the registrar names no expiry.
    pub(super) fn read(response: &Response, own: &SipUri, asked_s: u32, now: Instant) -> Self {
        let mut bindings = Self { own: None, foreign: Vec::new(), count: 0 };
        let fallback_s = response.headers.expires();
        for contact in contacts_of(&response.headers) {
            // A contact's own expires parameter goes before the header (RFC 3261 section 10.2.4).
            let expires_s = expires_of(&contact).or(fallback_s);
            if is_own(&contact.uri, own) {
                let granted_s = expires_s.unwrap_or(asked_s);
                if granted_s > 0 {
                    let granted = Duration::from_secs(u64::from(granted_s));
                    bindings.own = Some(bindings.own.map_or(granted, |known| known.max(granted)));
                    bindings.count += 1;
                }
                continue;
            }
            bindings.count += 1;
            if bindings.foreign.len() < MAX_FOREIGN {
                let expires_at =
                    expires_s.and_then(|wait_s| now.checked_add(Duration::from_secs(u64::from(wait_s))));
                bindings.foreign.push(Binding { contact: contact.uri, expires_at });
            }
        }
        bindings
    }
}

/// Reads the contacts; a malformed one of somebody else does not hide those in other header lines.
fn contacts_of(headers: &Headers) -> Vec<NameAddr> {
    headers.contacts().unwrap_or_else(|_| {
        let lines = headers.get_all(&HeaderName::Contact);
        lines
            .filter_map(|line| {
                let mut alone = Headers::new();
                alone.push(HeaderName::Contact, line);
                alone.contacts().ok()
            })
            .flatten()
            .collect()
    })
}

/// Reads a contact's expires parameter; what exceeds 32 bits counts as the largest value.
fn expires_of(contact: &NameAddr) -> Option<u32> {
    let text = contact.params.get("expires")?;
    let digits = text.trim_matches('"').trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}

/// Knows our contact by its user part: registrars rewrite host and port behind NAT, but nobody guesses that.
fn is_own(uri: &Uri, own: &SipUri) -> bool {
    match uri {
        Uri::Sip(listed) => match (&listed.user, &own.user) {
            (Some(listed), Some(own)) => listed == own,
            _ => listed.equivalent(own),
        },
        _ => false,
    }
}
