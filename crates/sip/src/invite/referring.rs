//! REFER of ours: the peer is asked to call somebody else in our place, and tells how that goes (RFC 3515, RFC 3892).

use std::time::Duration;

use super::compose::reply;
use super::session::{Life, Session};
use super::{CommandRefused, Context, Purpose, SessionClock};
use crate::digest::Attempt;
use crate::message::{HeaderName, Method, Request, Response, StatusCode};
use crate::transaction::ServerTransactionId;
use crate::ua::{Event, ReferralTold};
use crate::uri::Uri;

/// How long a peer may be silent after it has accepted: it has to tell at once (RFC 3515 section 2.4.4).
const BEGUN_WITHIN: Duration = Duration::from_secs(10);

/// How long it may be silent between two words: longer than a phone rings.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// What we have asked the peer for, as long as it has not told the end of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Referring {
    /// It has not answered.
    Asked,
    /// It has said that it will, and nothing more.
    Accepted,
    /// It has told how it goes.
    Told,
}

impl Session {
    /// Asks the peer to call `target` in place of this end.
    pub(crate) fn refer(&mut self, target: &Uri, ctx: &mut Context<'_>) -> Result<(), CommandRefused> {
        if self.referring.is_some() {
            return Err(CommandRefused::Busy);
        }
        let Life::Up(up) = &mut self.life else { return Err(CommandRefused::WrongState) };
        let mut refer = up.dialog.request(Method::Refer);
        let by = up.dialog.local.uri.to_string();
        refer.headers.set(HeaderName::Contact, self.origin.contact.as_str());
        refer.headers.set(HeaderName::ReferTo, format!("<{target}>"));
        refer.headers.set(HeaderName::ReferredBy, format!("<{by}>"));
        refer.headers.set(HeaderName::UserAgent, ctx.settings.agent_name.as_str());
        let hop = up.dialog.next_hop().cloned();
        self.referring = Some(Referring::Asked);
        self.send(Purpose::Refer, refer, hop, Attempt::default(), ctx);
        Ok(())
    }

    /// Names this end's place at the peer, for somebody else to take it.
    pub(crate) fn own_place(&self) -> Option<Uri> {
        match &self.life {
            Life::Up(up) => up.dialog.own_place(),
            _ => None,
        }
    }

    /// The peer answered our REFER.
    pub(super) fn refer_answered(&mut self, response: &Response, ctx: &mut Context<'_>) {
        if response.status.is_provisional() {
            return;
        }
        let Some(sent) = self.take_sent(Purpose::Refer) else { return };
        let status = response.status;
        if matches!(status.get(), 401 | 407) && self.send_again(sent, response, ctx) {
            return;
        }
        match self.referring {
            Some(_) if !status.is_success() => {
                self.told(ReferralTold::Refused { status: status.get() }, ctx);
            }
            Some(Referring::Asked) => {
                self.referring = Some(Referring::Accepted);
                ctx.start(SessionClock::ReferralOverdue, BEGUN_WITHIN);
                self.told(ReferralTold::Accepted, ctx);
            }
            // It may have told how it goes before it answered (RFC 3515 section 2.4.4).
            Some(Referring::Accepted | Referring::Told) | None => {}
        }
    }

    /// Our REFER has no answer. What was told meanwhile counts more.
    pub(super) fn refer_unanswered(&mut self, ctx: &mut Context<'_>) {
        self.take_sent(Purpose::Refer);
        self.told(ReferralTold::Refused { status: 408 }, ctx);
    }

    /// The peer tells nothing more, or never told anything of what it had accepted.
    pub(super) fn referral_overdue(&mut self, ctx: &mut Context<'_>) {
        let told = match self.referring {
            Some(Referring::Told) => ReferralTold::Over { status: 408 },
            Some(Referring::Asked | Referring::Accepted) | None => ReferralTold::Refused { status: 408 },
        };
        self.told(told, ctx);
    }

    /// Takes a NOTIFY about our REFER.
    pub(super) fn notified(&mut self, to: ServerTransactionId, request: &Request, ctx: &mut Context<'_>) {
        let event = request.headers.text(&HeaderName::Event).unwrap_or_default();
        let package = event.split(';').next().unwrap_or_default().trim();
        if self.referring.is_none() || !package.eq_ignore_ascii_case("refer") {
            return self.asked(to, request, ctx);
        }
        ctx.respond(to, reply(request, StatusCode::OK, ""));
        let state = request.headers.text(&HeaderName::SubscriptionState).unwrap_or_default();
        let ended = state.trim_start().to_ascii_lowercase().starts_with("terminated");
        match (status_of(&request.body), ended) {
            (Some(status), _) if status.is_final() => {
                self.told(ReferralTold::Over { status: status.get() }, ctx);
            }
            // Nothing more will be told, and nothing final was.
            (_, true) => self.told(ReferralTold::Over { status: 408 }, ctx),
            (status, false) => {
                self.referring = Some(Referring::Told);
                ctx.start(SessionClock::ReferralOverdue, TOLD_WITHIN);
                if let Some(status) = status {
                    self.told(ReferralTold::Progress { status: status.get() }, ctx);
                }
            }
        }
    }

    fn told(&mut self, told: ReferralTold, ctx: &mut Context<'_>) {
        if self.referring.is_none() {
            return;
        }
        if matches!(told, ReferralTold::Refused { .. } | ReferralTold::Over { .. }) {
            ctx.stop(SessionClock::ReferralOverdue);
            self.referring = None;
        }
        ctx.emit(Event::ReferralTold { handle: self.handle(), told });
    }
}

/// Reads the status line of a fragment (RFC 3420).
fn status_of(fragment: &[u8]) -> Option<StatusCode> {
    let line = fragment.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| !line.is_empty())?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    words.next().filter(|version| version.eq_ignore_ascii_case("SIP/2.0"))?;
    words.next()?.parse().ok().and_then(StatusCode::new)
}
