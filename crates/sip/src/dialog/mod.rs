//! Dialogs: the peer-to-peer relation that an INVITE leaves behind (RFC 3261 section 12).
//!
//! A [`Dialog`] is state and arithmetic only: who is who, where requests go, which CSeq comes next. It sends nothing
//! and knows no transaction, no timer and no session description; `invite` drives it.

mod record;
mod replaces;

pub use record::{DialogRecord, RecordRefused};
pub use replaces::{Replaces, ReplacesPhase};

use crate::message::{CSeq, HeaderName, Headers, Method, NameAddr, Params, Request, Response};
use crate::uri::{SipUri, Uri};

/// Names a dialog as this end sees it (RFC 3261 section 12).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag; empty for a peer of RFC 2543, which has none.
    pub remote_tag: String,
}

impl DialogId {
    /// Reads the name from a request that a peer sent: To carries our tag. `None` without a readable From or To.
    pub fn of_request(request: &Request) -> Option<Self> {
        Some(Self {
            call_id: call_id(&request.headers)?,
            local_tag: tag(&request.headers.to().ok()?),
            remote_tag: tag(&request.headers.from_().ok()?),
        })
    }

    /// Reads the name from a response to a request of ours: From carries our tag.
    pub fn of_response(response: &Response) -> Option<Self> {
        Some(Self {
            call_id: call_id(&response.headers)?,
            local_tag: tag(&response.headers.from_().ok()?),
            remote_tag: tag(&response.headers.to().ok()?),
        })
    }

    /// Gives the name without the peer's tag: all forks of one INVITE share it.
    pub fn half(&self) -> Self {
        Self { remote_tag: String::new(), ..self.clone() }
    }
}

/// Whether the dialog was confirmed by a 2xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialogPhase {
    /// Made by a provisional response.
    Early,
    /// Made or confirmed by a 2xx.
    Confirmed,
}

/// Why a message makes no dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DialogRefused {
    /// From, To, Call-ID or CSeq cannot be read.
    #[error("a header that names the dialog is missing or unreadable")]
    Unreadable,
    /// The request has no Contact, or one that is no SIP URI (RFC 3261 section 8.1.1.8).
    #[error("the request has no usable Contact")]
    NoContact,
}

/// The request's CSeq is lower than one received before: 500 (RFC 3261 section 12.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request is out of order")]
pub struct OutOfOrder;

/// The state of one dialog (RFC 3261 section 12.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    /// Its name.
    pub id: DialogId,
    /// Our end with its tag: From of our requests.
    pub local: NameAddr,
    /// The peer with its tag: To of our requests.
    pub remote: NameAddr,
    /// The peer's Contact: where requests are addressed.
    pub remote_target: Uri,
    /// Route headers of our requests, in order.
    pub route_set: Vec<NameAddr>,
    /// The CSeq number last used by this end.
    pub local_cseq: u32,
    /// The highest CSeq number received; `None` until the peer sent a request.
    pub remote_cseq: Option<u32>,
    /// Early or confirmed.
    pub phase: DialogPhase,
}

impl Dialog {
    /// Makes the dialog of an incoming request that this end answers with `local_tag` (RFC 3261 section 12.1.1).
    /// It begins early; [`Dialog::confirm`] follows the 2xx.
    pub fn served(request: &Request, local_tag: &str) -> Result<Self, DialogRefused> {
        let headers = &request.headers;
        let from = headers.from_().map_err(|_| DialogRefused::Unreadable)?;
        let to = headers.to().map_err(|_| DialogRefused::Unreadable)?;
        let cseq = headers.cseq().map_err(|_| DialogRefused::Unreadable)?;
        let call_id = call_id(headers).ok_or(DialogRefused::Unreadable)?;
        let remote_target = contact(headers).ok_or(DialogRefused::NoContact)?;
        // The order of Record-Route is kept for the server (12.1.1) and reversed for the client (12.1.2).
        let route_set = headers.record_routes().map_err(|_| DialogRefused::Unreadable)?;
        let remote_tag = tag(&from);
        Ok(Self {
            local: renamed(to, local_tag),
            remote: renamed(from, &remote_tag),
            id: DialogId { call_id, local_tag: local_tag.to_owned(), remote_tag },
            remote_target,
            route_set,
            local_cseq: 0,
            remote_cseq: Some(cseq.number),
            phase: DialogPhase::Early,
        })
    }

    /// Makes the dialog of our `request` and a 101-299 response to it (RFC 3261 section 12.1.2). A response without a
    /// usable Contact leaves the request's own URI as the target.
    pub fn sent(request: &Request, response: &Response) -> Result<Self, DialogRefused> {
        let from = request.headers.from_().map_err(|_| DialogRefused::Unreadable)?;
        let to = response.headers.to().map_err(|_| DialogRefused::Unreadable)?;
        let cseq = request.headers.cseq().map_err(|_| DialogRefused::Unreadable)?;
        let id = DialogId::of_response(response).ok_or(DialogRefused::Unreadable)?;
        let mut route_set = response.headers.record_routes().map_err(|_| DialogRefused::Unreadable)?;
        route_set.reverse();
        Ok(Self {
            local: renamed(from, &id.local_tag),
            remote: renamed(to, &id.remote_tag),
            remote_target: contact(&response.headers).unwrap_or_else(|| request.uri.clone()),
            route_set,
            local_cseq: cseq.number,
            remote_cseq: None,
            phase: if response.status.is_success() { DialogPhase::Confirmed } else { DialogPhase::Early },
            id,
        })
    }

    /// Takes the 2xx that confirms a dialog a provisional response made: the route set is computed anew and the
    /// target refreshed (RFC 3261 section 13.2.2.4).
    pub fn confirm_with(&mut self, response: &Response) {
        self.phase = DialogPhase::Confirmed;
        if let Ok(mut routes) = response.headers.record_routes() {
            routes.reverse();
            self.route_set = routes;
        }
        self.refresh_target(&response.headers);
    }

    /// Marks the dialog confirmed: this end sent its 2xx.
    pub fn confirm(&mut self) {
        self.phase = DialogPhase::Confirmed;
    }

    /// Takes the Contact of a target refresh request or of the 2xx to one; the route set stays (section 12.2).
    pub fn refresh_target(&mut self, headers: &Headers) {
        if let Some(target) = contact(headers) {
            self.remote_target = target;
        }
    }

    /// Takes the CSeq of a request received in the dialog; gaps are fine (RFC 3261 section 12.2.2).
    pub fn receive(&mut self, cseq: u32) -> Result<(), OutOfOrder> {
        match self.remote_cseq {
            Some(highest) if cseq < highest => Err(OutOfOrder),
            _ => {
                self.remote_cseq = Some(cseq);
                Ok(())
            }
        }
    }

    /// Makes the next request in the dialog (RFC 3261 section 12.2.1.1), with a new CSeq number.
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.compose(method, self.local_cseq)
    }

    /// Makes the ACK for the 2xx to the INVITE that had `cseq` (RFC 3261 section 13.2.2.4).
    pub fn ack(&self, cseq: u32) -> Request {
        self.compose(Method::Ack, cseq)
    }

    /// Gives the URI whose host the next request is sent to: the first route, else the target (section 8.1.2).
    pub fn next_hop(&self) -> Option<&SipUri> {
        let uri = self.route_set.first().map_or(&self.remote_target, |route| &route.uri);
        match uri {
            Uri::Sip(uri) => Some(uri),
            Uri::Tel(_) | Uri::Other(_) => None,
        }
    }

    fn compose(&self, method: Method, cseq: u32) -> Request {
        let (uri, routes) = self.routed();
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        for route in routes {
            headers.push(HeaderName::Route, route.to_string());
        }
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, self.local.to_bytes());
        headers.push(HeaderName::To, self.remote.to_bytes());
        headers.push(HeaderName::CallId, self.id.call_id.as_str());
        headers.push(HeaderName::CSeq, CSeq { number: cseq, method }.to_string());
        request
    }

    /// Gives Request-URI and Route values: as they are for a loose first router, moved by one for a strict one.
    fn routed(&self) -> (Uri, Vec<NameAddr>) {
        let Some((first, rest)) = self.route_set.split_first() else {
            return (self.remote_target.clone(), Vec::new());
        };
        let Uri::Sip(router) = &first.uri else {
            return (self.remote_target.clone(), self.route_set.clone());
        };
        if router.params.has("lr") {
            return (self.remote_target.clone(), self.route_set.clone());
        }
        let mut uri = router.clone();
        // Neither may stand in a Request-URI (RFC 3261 section 19.1.1, table 1).
        uri.headers = None;
        uri.params.remove("method");
        let mut routes = rest.to_vec();
        routes.push(NameAddr { display: None, uri: self.remote_target.clone(), params: Params::default() });
        (Uri::Sip(uri), routes)
    }
}

/// Reads the first Contact's URI when it is a SIP one.
pub(crate) fn contact(headers: &Headers) -> Option<Uri> {
    let contact = headers.contacts().ok()?.into_iter().next()?;
    matches!(contact.uri, Uri::Sip(_)).then_some(contact.uri)
}

/// Reads the Call-ID as text.
pub(crate) fn call_id(headers: &Headers) -> Option<String> {
    headers.text(&HeaderName::CallId).map(std::borrow::Cow::into_owned)
}

/// Reads a tag, empty when there is none.
pub(crate) fn tag(address: &NameAddr) -> String {
    address.tag().unwrap_or_default().to_owned()
}

fn tagged(uri: Uri, tag: &str) -> NameAddr {
    renamed(NameAddr { display: None, uri, params: Params::default() }, tag)
}

fn renamed(mut address: NameAddr, tag: &str) -> NameAddr {
    address.params = Params::default();
    if !tag.is_empty() {
        address.params.set("tag", Some(tag));
    }
    address
}
