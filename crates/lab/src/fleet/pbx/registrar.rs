//! The registrar and the proof of identity of a PBX (RFC 3261 sections 10.3 and 22, RFC 7616).

use std::net::SocketAddr;

use linecard_sip::digest::{Challenge, Credentials, Use};
use linecard_sip::message::{HeaderName, Request, Response, StatusCode};
use linecard_sip::uri::Uri;

use super::{Pbx, status};
use crate::fleet::quirk::Quirk;
use crate::fleet::world::Mode;

/// The least that a registrar takes which refuses short registrations, in seconds.
const MIN_EXPIRES_S: u32 = 3_600;
/// What a registrar grants that knows better.
const A_MINUTE_S: u32 = 60;

/// Where an account is reached.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    pub(super) contact: Uri,
    pub(super) from: SocketAddr,
}

/// The password of an account of the fleet.
#[must_use]
pub fn password_of(account: &str) -> String {
    format!("secret-{account}")
}

impl Pbx {
    /// Answers a REGISTER.
    pub(super) fn registered(&mut self, request: &Request, from: SocketAddr) -> Response {
        let account = request.headers.to().ok().and_then(|to| to.uri.as_sip()?.user.clone());
        let seat = account.as_deref().and_then(|account| self.seat_of_account(account));
        let (Some(account), Some(desk)) = (account, seat) else {
            return Response::reply_to(request, status(404));
        };
        if !self.proves(request, &account, &HeaderName::Authorization) {
            return self.challenge(request, 401);
        }
        let contacts = request.headers.contacts().unwrap_or_default();
        let asked = contacts.first().and_then(|contact| contact.params.get("expires")?.parse().ok());
        let asked = asked.or(request.headers.expires()).unwrap_or(MIN_EXPIRES_S);
        if self.profile.has(Quirk::IntervalTooBrief) && (1..MIN_EXPIRES_S).contains(&asked) {
            let mut response = Response::reply_to(request, status(423));
            response.headers.push(HeaderName::MinExpires, MIN_EXPIRES_S.to_string());
            return response;
        }
        let granted = if self.profile.has(Quirk::GrantsAMinute) { asked.min(A_MINUTE_S) } else { asked };
        if let Some(seat) = self.seats.get_mut(&desk) {
            if asked == 0 || request.headers.is_contact_star() {
                seat.binding = None;
            } else if let Some(contact) = contacts.into_iter().next() {
                seat.binding = Some(Binding { contact: contact.uri, from });
            }
        }
        let mut response = Response::reply_to(request, StatusCode::OK);
        if let Some(binding) = self.seats.get(&desk).and_then(|seat| seat.binding.as_ref()) {
            response.headers.push(HeaderName::Contact, format!("<{}>;expires={granted}", binding.contact));
        }
        if self.world.desks.get(desk).is_some_and(|desk| desk.mode == Mode::Shadow) {
            // The phone itself, which must not be pushed out.
            let phone = format!("<sip:phone-{account}@{}>;expires={MIN_EXPIRES_S}", self.address);
            response.headers.push(HeaderName::Contact, phone);
        }
        response
    }

    /// Asks who sends.
    pub(super) fn challenge(&self, request: &Request, code: u16) -> Response {
        let name = if code == 407 { HeaderName::ProxyAuthenticate } else { HeaderName::WwwAuthenticate };
        let mut response = Response::reply_to(request, status(code));
        response.headers.push(name, self.challenge_value());
        response
    }

    fn challenge_value(&self) -> String {
        let (realm, nonce) = (self.profile.name(), &self.nonce);
        format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\"")
    }

    /// Tells whether a request carries the right digest for an account.
    pub(super) fn proves(&self, request: &Request, account: &str, header: &HeaderName) -> bool {
        let own = Challenge::parse(self.challenge_value().as_bytes()).unwrap_or_default();
        let sent = request.headers.get(header).and_then(|value| Challenge::parse(value).ok());
        let (Some(own), Some(sent)) = (own.first(), sent.as_ref().and_then(|sent| sent.first())) else {
            return false;
        };
        let text = |name: &str| {
            let value = sent.others.iter().find(|(key, _)| key == name).map(|(_, value)| value);
            value.and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default()
        };
        let credentials = Credentials { username: account.to_owned(), password: password_of(account) };
        let usage = Use {
            method: request.method.as_str(),
            uri: text("uri"),
            body: &request.body,
            cnonce: text("cnonce"),
            session_cnonce: text("cnonce"),
            count: u32::from_str_radix(text("nc"), 16).unwrap_or(0),
        };
        let right = own.authorization(&credentials, &usage).and_then(|value| Challenge::parse(&value).ok());
        let response = |challenge: &Challenge| {
            challenge.others.iter().find(|(key, _)| key == "response").map(|(_, value)| value.clone())
        };
        let right = right.as_ref().and_then(|right| right.first()).and_then(response);
        right.is_some() && right == response(sent) && sent.nonce == own.nonce
    }
}
