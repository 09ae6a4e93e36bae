//! Where a phone is reached now.

use std::time::Instant;

use crate::transport::Flow;
use crate::uri::SipUri;

/// Names one binding as long as it lives in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindingId(pub(crate) u64);

/// A contact of a phone and the path to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Its name here.
    pub id: BindingId,
    /// What can be kept of it.
    pub lease: Lease,
}

/// A binding as it is kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The URI that requests are for.
    pub contact: SipUri,
    /// The path that requests take: the one that it registered by.
    pub flow: Flow,
    /// Its wish to be preferred, in thousandths (RFC 3261 section 20.10).
    pub q: u16,
    /// What the phone calls itself for ever (`+sip.instance`), without quotes.
    pub instance: Option<String>,
    /// User-Agent of the REGISTER, readable and cut to a length.
    pub user_agent: Option<String>,
    /// Call-ID of the REGISTER.
    pub call_id: String,
    /// CSeq of the REGISTER.
    pub cseq: u32,
    /// When it is over.
    pub expires_at: Instant,
}

impl Lease {
    /// Tells whether both are of one phone: the same instance, or the same contact.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.instance, &other.instance) {
            (Some(own), Some(theirs)) => own == theirs,
            _ => self.contact.equivalent(&other.contact),
        }
    }
}
