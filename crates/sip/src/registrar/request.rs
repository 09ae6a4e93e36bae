//! A REGISTER as it is understood, or the response that refuses it (RFC 3261 section 10.3, steps 5 to 7).

use std::time::{Duration, Instant};

use super::Terms;
use super::binding::Lease;
use crate::message::{HeaderName, NameAddr, Request, Response, StatusCode, readable};
use crate::transport::Flow;
use crate::uri::{SipUri, Uri};

/// More contacts than these in one request are refused.
const MAX_CONTACTS: usize = 10;

/// The longest contact, instance and Call-ID that are kept, in bytes.
const MAX_TEXT_BYTES: usize = 512;

/// So much of a User-Agent is kept, in characters.
const USER_AGENT_CHARS: usize = 120;

/// What a REGISTER asks for.
#[derive(Debug)]
pub(super) enum Wish {
    /// To be told the bindings.
    Tell,
    /// To have every binding removed (`Contact: *`).
    RemoveAll,
    /// To have these bindings made, refreshed or, with no time, removed.
    Change(Vec<(Lease, Duration)>),
}

/// A REGISTER.
#[derive(Debug)]
pub(super) struct Registering {
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) wish: Wish,
}

impl Registering {
    /// Reads a request that came by `flow` for the account `username`.
    pub(super) fn read(
        request: &Request,
        username: &str,
        flow: Flow,
        terms: &Terms,
        now: Instant,
    ) -> Result<Self, Response> {
        let refuse = |status| Response::reply_to(request, status);
        let bad = || refuse(StatusCode::BAD_REQUEST);
        let headers = &request.headers;
        let to = headers.to().map_err(|_| bad())?;
        let named = to.uri.as_sip().and_then(SipUri::user_decoded);
        if named.as_deref() != Some(username.as_bytes()) {
            return Err(refuse(StatusCode::FORBIDDEN));
        }
        let call_id = headers.call_id().map_err(|_| bad())?.to_owned();
        let cseq = headers.cseq().map_err(|_| bad())?.number;
        if call_id.len() > MAX_TEXT_BYTES {
            return Err(bad());
        }
        if headers.is_contact_star() {
            let at_once = headers.expires() == Some(0);
            return if at_once { Ok(Self { call_id, cseq, wish: Wish::RemoveAll }) } else { Err(bad()) };
        }
        let contacts = headers.contacts().map_err(|_| bad())?;
        if contacts.is_empty() {
            return Ok(Self { call_id, cseq, wish: Wish::Tell });
        }
        if contacts.len() > MAX_CONTACTS {
            return Err(bad());
        }
        let user_agent = headers.get(&HeaderName::UserAgent).map(shortened);
        let mut changes: Vec<(Lease, Duration)> = Vec::new();
        for contact in contacts {
            let time =
                granted(&contact, headers.expires(), terms).ok_or_else(|| too_brief(request, terms))?;
            let lease = Lease {
                contact: reachable(&contact, flow).ok_or_else(bad)?,
                flow,
                q: preference(&contact),
                instance: instance(&contact),
                user_agent: user_agent.clone(),
                call_id: call_id.clone(),
                cseq,
                expires_at: now + time,
            };
            // Of two that are one phone the later counts.
            changes.retain(|(known, _)| !known.is_same(&lease));
            changes.push((lease, time));
        }
        Ok(Self { call_id, cseq, wish: Wish::Change(changes) })
    }
}

/// Gives the time for a contact; zero removes it, `None` is too brief (step 7).
fn granted(contact: &NameAddr, expires_s: Option<u32>, terms: &Terms) -> Option<Duration> {
    // A value that is no number is taken as the default (section 10.2.1.1: as 3600, which may be shortened).
    let asked_s = match contact.params.get("expires") {
        Some(text) => text.parse().unwrap_or(terms.default_s),
        None => expires_s.unwrap_or(terms.default_s),
    };
    match asked_s {
        0 => Some(Duration::ZERO),
        asked_s if asked_s < terms.least_s => None,
        asked_s => Some(Duration::from_secs(u64::from(asked_s.min(terms.most_s)))),
    }
}

fn too_brief(request: &Request, terms: &Terms) -> Response {
    let mut response = Response::reply_to(request, StatusCode::INTERVAL_TOO_BRIEF);
    response.headers.set(HeaderName::MinExpires, terms.least_s.to_string());
    response
}

/// Gives the URI that requests are for: a SIP one, without headers; a secure one under TLS alone.
fn reachable(contact: &NameAddr, flow: Flow) -> Option<SipUri> {
    let Uri::Sip(uri) = &contact.uri else { return None };
    let fits = !uri.secure || flow.transport.is_secure();
    let uri = SipUri { headers: None, password: None, ..uri.clone() };
    (fits && uri.to_string().len() <= MAX_TEXT_BYTES).then_some(uri)
}

/// Reads `q`: `0`, `0.7`, `1.000`; anything else is 1, as its absence is.
fn preference(contact: &NameAddr) -> u16 {
    let written = contact.params.get("q").and_then(|text| {
        let (whole, thousandths) = text.split_once('.').unwrap_or((text, ""));
        let digits = thousandths.len() <= 3 && thousandths.bytes().all(|byte| byte.is_ascii_digit());
        let value = format!("{whole}{thousandths:0<3}").parse::<u16>().ok()?;
        (digits && value <= 1_000).then_some(value)
    });
    written.unwrap_or(1_000)
}

fn instance(contact: &NameAddr) -> Option<String> {
    contact.params.unquoted("+sip.instance").filter(|text| !text.is_empty() && text.len() <= MAX_TEXT_BYTES)
}

fn shortened(user_agent: &[u8]) -> String {
    readable(user_agent).chars().filter(|letter| !letter.is_control()).take(USER_AGENT_CHARS).collect()
}
