//! REFER: the peer asks to have the other party connected to somebody else, and hears how that goes (RFC 3515, 4488).

use super::compose::{header_is_printable, reply, with_allow};
use super::session::{Life, Session};
use super::{CommandRefused, Context, Purpose};
use crate::digest::Attempt;
use crate::message::{HeaderName, Method, Request, Response, StatusCode};
use crate::transaction::ServerTransactionId;
use crate::ua::Event;
use crate::uri::Uri;

/// What the media type of a NOTIFY about a REFER is (RFC 3515 section 2.4.5).
const FRAGMENT: &str = "message/sipfrag;version=2.0";

/// How long the peer may count on being told more, in seconds.
const TOLD_FOR_S: u32 = 120;

/// What the peer asked for by REFER, as long as it is not over.
#[derive(Debug)]
pub(super) enum Referral {
    /// The application has not decided.
    Asked { to: ServerTransactionId, request: Request },
    /// It is under way; the peer hears of it in this subscription.
    Told { event: String },
    /// It is under way, and the peer wants to hear nothing (RFC 4488).
    Untold,
}

impl Session {
    /// Takes a REFER inside the dialog.
    pub(super) fn referred(&mut self, to: ServerTransactionId, request: &Request, ctx: &mut Context<'_>) {
        let handle = self.handle();
        let refusal = match (&self.life, &self.referral) {
            (Life::Up(_), None) => None,
            (Life::Up(_) | Life::Called(_) | Life::Calling(_), _) => Some(StatusCode::REQUEST_PENDING),
            (Life::AwaitingAck(..) | Life::Over, _) => Some(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
        };
        if let Some(status) = refusal {
            return ctx.respond(to, reply(request, status, ""));
        }
        match target(request) {
            Ok((target, replaces)) => {
                self.referral = Some(Referral::Asked { to, request: request.clone() });
                ctx.emit(Event::Referred { handle, target, replaces });
            }
            Err(status) => ctx.respond(to, reply(request, status, "")),
        }
    }

    /// Accepts or refuses what the peer asked for by REFER.
    pub(crate) fn answer_referral(
        &mut self,
        answer: Result<(), u16>,
        ctx: &mut Context<'_>,
    ) -> Result<(), CommandRefused> {
        let status = match answer {
            Ok(()) => StatusCode::ACCEPTED,
            Err(status) => StatusCode::new(status)
                .filter(|status| status.is_final() && !status.is_success())
                .ok_or(CommandRefused::WrongStatus)?,
        };
        let (to, request) = match self.referral.take() {
            Some(Referral::Asked { to, request }) => (to, request),
            other => {
                self.referral = other;
                return Err(CommandRefused::WrongState);
            }
        };
        let quiet = request.headers.text(&HeaderName::ReferSub);
        let quiet = quiet.is_some_and(|value| value.trim().to_ascii_lowercase().starts_with("false"));
        let mut response = reply(&request, status, "");
        if answer.is_ok() {
            response.headers.set(HeaderName::Contact, self.origin.contact.as_str());
            with_allow(&mut response.headers, self.origin.service);
            if quiet {
                response.headers.set(HeaderName::ReferSub, "false");
            }
        }
        ctx.respond(to, response);
        if answer.is_err() {
            return Ok(());
        }
        if quiet {
            self.referral = Some(Referral::Untold);
            return Ok(());
        }
        // With its CSeq as the identifier, so that a second REFER in the dialog is told apart (section 2.4.6).
        let cseq = request.headers.cseq().map_or(0, |cseq| cseq.number);
        self.referral = Some(Referral::Told { event: format!("refer;id={cseq}") });
        self.tell_referral(StatusCode::TRYING, ctx);
        Ok(())
    }

    /// Tells the peer how it goes with what it asked for; a final status is the last word.
    pub(crate) fn report_referral(
        &mut self,
        status: u16,
        ctx: &mut Context<'_>,
    ) -> Result<(), CommandRefused> {
        let status = StatusCode::new(status).ok_or(CommandRefused::WrongStatus)?;
        match self.referral {
            Some(Referral::Told { .. } | Referral::Untold) => {}
            Some(Referral::Asked { .. }) | None => return Err(CommandRefused::WrongState),
        }
        self.tell_referral(status, ctx);
        if status.is_final() {
            self.referral = None;
        }
        Ok(())
    }

    fn tell_referral(&mut self, status: StatusCode, ctx: &mut Context<'_>) {
        let Some(Referral::Told { event }) = &self.referral else { return };
        let Life::Up(up) = &mut self.life else { return };
        let mut notify = up.dialog.request(Method::Notify);
        notify.headers.set(HeaderName::Contact, self.origin.contact.as_str());
        notify.headers.set(HeaderName::Event, event.as_str());
        let standing = if status.is_final() {
            "terminated;reason=noresource".to_owned()
        } else {
            format!("active;expires={TOLD_FOR_S}")
        };
        notify.headers.set(HeaderName::SubscriptionState, standing);
        notify.headers.set(HeaderName::UserAgent, ctx.settings.agent_name.as_str());
        notify.headers.set(HeaderName::ContentType, FRAGMENT);
        notify.body = format!("SIP/2.0 {} {}\r\n", status.get(), status.default_reason()).into_bytes();
        let hop = up.dialog.next_hop().cloned();
        self.send(Purpose::Notify, notify, hop, Attempt::default(), ctx);
    }

    /// The peer answered a NOTIFY: with a challenge, or with whether it still wants to hear.
    pub(super) fn notify_answered(&mut self, response: &Response, ctx: &mut Context<'_>) {
        if response.status.is_provisional() {
            return;
        }
        let Some(sent) = self.take_sent(Purpose::Notify) else { return };
        match response.status.get() {
            401 | 407 => {
                self.send_again(sent, response, ctx);
            }
            481 if self.referral.is_some() => self.referral = Some(Referral::Untold),
            _ => {}
        }
    }
}

/// Reads whom to call and which dialog to replace, or gives the refusal.
fn target(request: &Request) -> Result<(Uri, Option<String>), StatusCode> {
    let refer_to = request.headers.refer_to().map_err(|_| StatusCode::BAD_REQUEST)?;
    let Uri::Sip(mut uri) = refer_to.uri else {
        return match refer_to.uri {
            Uri::Tel(uri) => Ok((Uri::Tel(uri), None)),
            _ => Err(StatusCode::UNSUPPORTED_URI_SCHEME),
        };
    };
    // Only calls are made, nothing else is done on behalf of a peer (section 5.2).
    if uri.params.get("method").is_some_and(|method| !method.eq_ignore_ascii_case("INVITE")) {
        return Err(StatusCode::DECLINE);
    }
    uri.params.remove("method");
    let replaces = uri.header("Replaces").map(String::from_utf8).transpose();
    let replaces = replaces.map_err(|_| StatusCode::BAD_REQUEST)?;
    if replaces.as_deref().is_some_and(|value| !header_is_printable(value.as_bytes())) {
        return Err(StatusCode::BAD_REQUEST);
    }
    uri.headers = None;
    Ok((Uri::Sip(uri), replaces))
}
