//! Servers that send recordings without a registration: asked now and then whether they are there (RFC 3261 section 11).
//!
//! The question also says at which address they are, and so who may send to the line.

use std::time::{Duration, Instant};

use super::event::LineId;
use super::{ClientUse, Clock, UserAgent, token};
use crate::message::{CSeq, HeaderName, Method, NameAddr, Request};
use crate::siprec;
use crate::uri::Uri;

/// How often a server is asked.
const GREET_EVERY: Duration = Duration::from_secs(60);

impl UserAgent {
    /// Asks the server of a line whether it is there; `ServerAsked` follows.
    pub(super) fn greet(&mut self, line: &LineId, now: Instant) {
        let (branch, call_id) = (token(&mut self.rng), token(&mut self.rng));
        let Some(state) = self.lines.get(line) else { return };
        let server = state.hop.clone();
        let mut request = Request::new(Method::Options, Uri::Sip(server.clone()));
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, "70");
        let mut from = NameAddr::new(Uri::Sip(state.registration.contact().clone()));
        from.set_tag(&branch);
        headers.push(HeaderName::From, from.to_bytes());
        headers.push(HeaderName::To, NameAddr::new(Uri::Sip(server)).to_bytes());
        headers.push(HeaderName::CallId, call_id);
        headers.push(HeaderName::CSeq, CSeq { number: 1, method: Method::Options }.to_string());
        let contact = NameAddr::new(Uri::Sip(state.registration.contact().clone()));
        headers.push(HeaderName::Contact, format!("{contact}{}", siprec::SERVER_FEATURE));
        headers.push(HeaderName::Accept, siprec::ACCEPTED);
        headers.push(HeaderName::UserAgent, self.config.user_agent_name.as_str());
        self.clocks.start(Clock::Greet(line.clone()), now + GREET_EVERY);
        self.dispatch_by_route(request, ClientUse::Greet(line.clone()), line, now);
    }
}
