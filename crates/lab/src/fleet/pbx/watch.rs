//! Desk phones whose calls never run through the server: what a PBX tells of them (RFC 4235 by RFC 6665), and the fork
//! that rings along.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use linecard_sip::message::{HeaderName, Method, NameAddr, Request, Response, StatusCode};
use linecard_sip::transaction::{ClientTransactionId, ServerTransactionId};
use linecard_sip::transport::Flow;
use linecard_sip::uri::Uri;

use super::{Pbx, Task, status};
use crate::fleet::quirk::Quirk;
use crate::fleet::talk::Side;
use crate::fleet::world::{Course, InboundEnd, Mode, Network, OutboundEnd};

/// The longest that a subscription is granted, in seconds.
const GRANTED_S: u32 = 600;

/// Somebody who is told of an extension's calls.
#[derive(Debug)]
pub(super) struct Watcher {
    call_id: String,
    local: NameAddr,
    remote: NameAddr,
    target: Uri,
    pub(super) server: std::net::SocketAddr,
    sequence: u32,
    version: u32,
    telling: Telling,
}

/// Whether a NOTIFY is under way: the next one waits for its answer, or they might overtake each other.
#[derive(Debug, Default)]
enum Telling {
    #[default]
    Idle,
    Waits {
        notify: ClientTransactionId,
        next: VecDeque<Request>,
    },
}

/// What a desk phone does that has its calls for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PhoneState {
    Idle,
    Rings { call: usize },
    Talks { call: usize },
}

/// How a call of a desk phone ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PhoneEnd {
    GaveUp,
    Declined,
    HungUp(Side),
}

impl Pbx {
    /// Answers a SUBSCRIBE that asks for an extension's dialogs, or asks again.
    pub(super) fn subscribed(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
        flow: Flow,
        now: Instant,
    ) {
        let account = request.headers.to().ok().and_then(|to| to.uri.as_sip()?.user.clone());
        let desk = account.as_deref().and_then(|account| self.seat_of_account(account));
        let (Some(account), Some(desk)) = (account, desk) else {
            return self.reply(id, Response::reply_to(request, status(404)), now);
        };
        if !self.profile.has(Quirk::TellsDialogs) {
            return self.reply(id, Response::reply_to(request, status(489)), now);
        }
        if !self.proves(request, &account, &HeaderName::Authorization) {
            let response = self.challenge(request, 401);
            return self.reply(id, response, now);
        }
        if !self.knows_subscription(desk, request) {
            return self.reply(id, Response::reply_to(request, status(481)), now);
        }
        let expires = request.headers.expires().unwrap_or(GRANTED_S).min(GRANTED_S);
        let mut response = Response::reply_to(request, StatusCode::OK);
        response.headers.push(HeaderName::Expires, expires.to_string());
        response.headers.push(HeaderName::Contact, self.contact());
        let tag = response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned));
        let tag = tag.unwrap_or_else(|| self.chance.token());
        response.headers.set_to_tag(&tag);
        let _ = self.layer.respond(id, response, now);
        self.keep_watcher(desk, request, flow, &tag);
        self.tell(desk, expires, None, now);
        if expires == 0
            && let Some(seat) = self.seats.get_mut(&desk)
        {
            seat.watcher = None;
        }
    }

    /// Tells whether no notification and no fork's end is under way.
    pub(super) fn has_told_all(&self) -> bool {
        let mut watchers = self.seats.values().filter_map(|seat| seat.watcher.as_ref());
        self.forks.is_empty() && watchers.all(|watcher| matches!(watcher.telling, Telling::Idle))
    }

    /// Tells whether a SUBSCRIBE begins a subscription, or is within the one of its desk: a restart forgets it.
    fn knows_subscription(&self, desk: usize, request: &Request) -> bool {
        let within = request.headers.to().is_ok_and(|to| to.tag().is_some());
        let watcher = self.seats.get(&desk).and_then(|seat| seat.watcher.as_ref());
        !within
            || watcher.is_some_and(|watcher| request.headers.call_id().ok() == Some(watcher.call_id.as_str()))
    }

    fn keep_watcher(&mut self, desk: usize, request: &Request, flow: Flow, tag: &str) {
        let (Ok(from), Ok(mut to)) = (request.headers.from_(), request.headers.to()) else { return };
        let contact = request.headers.contacts().ok().and_then(|all| all.into_iter().next());
        let (Some(seat), Some(contact)) = (self.seats.get_mut(&desk), contact) else { return };
        to.set_tag(tag);
        let call_id = request.headers.call_id().unwrap_or_default().to_owned();
        let known = seat.watcher.take().filter(|known| known.call_id == call_id);
        let (target, server) = (contact.uri, flow.remote);
        let fresh = Watcher {
            call_id,
            local: to,
            remote: from,
            target,
            server,
            sequence: 0,
            version: 0,
            telling: Telling::Idle,
        };
        seat.watcher = Some(match known {
            Some(known) => {
                Watcher { sequence: known.sequence, version: known.version, telling: known.telling, ..fresh }
            }
            None => fresh,
        });
    }

    /// Tells a desk's watcher how the phone stands, and how its last call ended.
    fn tell(&mut self, desk: usize, expires: u32, ended: Option<(usize, PhoneEnd)>, now: Instant) {
        let Some(document) = self.document(desk, ended) else { return };
        let contact = self.contact();
        let Some(watcher) = self.seats.get_mut(&desk).and_then(|seat| seat.watcher.as_mut()) else { return };
        watcher.sequence += 1;
        watcher.version += 1;
        let mut notify = Request::new(Method::Notify, watcher.target.clone());
        let headers = &mut notify.headers;
        headers.push(HeaderName::From, watcher.local.to_bytes());
        headers.push(HeaderName::To, watcher.remote.to_bytes());
        headers.push(HeaderName::CallId, watcher.call_id.clone());
        headers.push(HeaderName::CSeq, format!("{} NOTIFY", watcher.sequence));
        headers.push(HeaderName::Contact, contact);
        headers.push(HeaderName::Event, "dialog");
        let state = match expires {
            0 => "terminated;reason=timeout".to_owned(),
            left => format!("active;expires={left}"),
        };
        headers.push(HeaderName::SubscriptionState, state);
        headers.push(HeaderName::ContentType, "application/dialog-info+xml");
        notify.body = document.into_bytes();
        match &mut watcher.telling {
            Telling::Waits { next, .. } => next.push_back(notify),
            Telling::Idle => {
                let flow = self.door.flow(self.address, watcher.server);
                let notify = self.layer.send_request(notify, flow, now);
                watcher.telling = Telling::Waits { notify, next: VecDeque::new() };
            }
        }
    }

    /// A NOTIFY has its answer: the next one may go. False when the response is to something else.
    pub(super) fn notify_answered(
        &mut self,
        id: ClientTransactionId,
        response: &Response,
        now: Instant,
    ) -> bool {
        let mut watchers = self.seats.values_mut().filter_map(|seat| seat.watcher.as_mut());
        let waits = |watcher: &&mut Watcher| matches!(&watcher.telling, Telling::Waits { notify, .. } if *notify == id);
        let Some(watcher) = watchers.find(waits) else { return false };
        if response.status.is_provisional() {
            return true;
        }
        if let Telling::Waits { mut next, .. } = std::mem::take(&mut watcher.telling)
            && let Some(request) = next.pop_front()
        {
            let flow = self.door.flow(self.address, watcher.server);
            let notify = self.layer.send_request(request, flow, now);
            watcher.telling = Telling::Waits { notify, next };
        }
        true
    }

    /// The whole of what a PBX of this kind tells of an extension.
    fn document(&self, desk: usize, ended: Option<(usize, PhoneEnd)>) -> Option<String> {
        let (known, seat) = (self.world.desks.get(desk)?, self.seats.get(&desk)?);
        let version = seat.watcher.as_ref()?.version;
        let extension = &known.account;
        let mut text = format!(
            "<?xml version=\"1.0\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
             state=\"full\" entity=\"sip:{extension}@{}\">\n",
            self.address
        );
        match (seat.phone, ended) {
            (PhoneState::Rings { call }, _) => text += &self.dialog(extension, call, "<state>early</state>"),
            (PhoneState::Talks { call }, _) => {
                text += &self.dialog(extension, call, "<state>confirmed</state>")
            }
            (PhoneState::Idle, Some((call, end))) if self.profile.has(Quirk::TellsHowItEnded) => {
                let state = match end {
                    PhoneEnd::GaveUp => "<state event=\"cancelled\">terminated</state>",
                    PhoneEnd::Declined => "<state event=\"rejected\" code=\"603\">terminated</state>",
                    PhoneEnd::HungUp(Side::Agent | Side::Other) => {
                        "<state event=\"local-bye\">terminated</state>"
                    }
                    PhoneEnd::HungUp(Side::Customer) => "<state event=\"remote-bye\">terminated</state>",
                };
                text += &self.dialog(extension, call, state);
            }
            (PhoneState::Idle, _) if self.profile.has(Quirk::IdleIsTerminated) => {
                let _ = writeln!(text, "<dialog id=\"{extension}\"><state>terminated</state></dialog>");
            }
            (PhoneState::Idle, _) => {}
        }
        Some(text + "</dialog-info>\n")
    }

    fn dialog(&self, extension: &str, call: usize, state: &str) -> String {
        let number = self.world.other_number(call).unwrap_or("anonymous");
        let inbound = !matches!(
            self.world.calls.get(call).map(|planned| &planned.course),
            Some(Course::Outbound { .. })
        );
        let direction = if inbound { "recipient" } else { "initiator" };
        let host = self.address;
        let id = if self.profile.has(Quirk::DialogIdIsExtension) {
            extension.to_owned()
        } else {
            format!("d{call}x{}", self.nonce)
        };
        let target = if self.profile.has(Quirk::PickupTarget) {
            format!("sip:**{call}@{host}")
        } else {
            format!("sip:{number}@{host}")
        };
        format!(
            "<dialog id=\"{id}\" direction=\"{direction}\">\n{state}\n<local><identity>sip:{extension}@{host}</identity>\
             <target uri=\"sip:{extension}@{host}\"/></local>\n<remote><identity>sip:{number}@{host}</identity>\
             <target uri=\"{target}\"/></remote>\n</dialog>\n"
        )
    }

    /// A call of a desk phone begins: it rings, or dials.
    pub(super) fn begin_at_phone(&mut self, call: usize, now: Instant) {
        let world = Arc::clone(&self.world);
        let Some(planned) = world.calls.get(call) else { return };
        let (desk, after) = (planned.desk, |ms: u64| now + Duration::from_millis(ms));
        self.set_phone(desk, PhoneState::Rings { call }, None, now);
        let good = world.plan.network == Network::Good;
        self.note(call, |deeds| {
            deeds.rang = Some(now);
            // When a NOTIFY that was lost came in the end is not known here.
            deeds.invited = good.then_some(now);
        });
        if world.desks.get(desk).is_some_and(|desk| desk.mode == Mode::Shadow) {
            self.fork_to_line(call, now);
        }
        match &planned.course {
            Course::Inbound { end: InboundEnd::Talk { after_ms, .. }, .. }
            | Course::Outbound { end: OutboundEnd::Talk { after_ms, .. }, .. } => {
                self.later(after(*after_ms), Task::PhoneTalks(call));
            }
            Course::Inbound { end: InboundEnd::GivesUp { after_ms }, .. } => {
                self.later(after(*after_ms), Task::PhoneEnds(call, PhoneEnd::GaveUp));
            }
            Course::Inbound { end: InboundEnd::Declined { after_ms }, .. } => {
                self.later(after(*after_ms), Task::PhoneEnds(call, PhoneEnd::Declined));
            }
            _ => self.finish(call, now),
        }
    }

    pub(super) fn phone_talks(&mut self, call: usize, now: Instant) {
        let Some(desk) = self.world.calls.get(call).map(|planned| planned.desk) else { return };
        self.set_phone(desk, PhoneState::Talks { call }, None, now);
        self.take_fork_back(call, Some("SIP;cause=200;text=\"Call completed elsewhere\""), now);
        self.note(call, |deeds| {
            deeds.picked_up = Some(now);
            deeds.connected = Some(now);
        });
        if let Some(talk) = self.talk_of(call) {
            let end = Task::PhoneEnds(call, PhoneEnd::HungUp(talk.ends));
            self.later(now + Duration::from_millis(talk.talk_ms), end);
        }
    }

    pub(super) fn phone_ends(&mut self, call: usize, end: PhoneEnd, now: Instant) {
        let Some(desk) = self.world.calls.get(call).map(|planned| planned.desk) else { return };
        self.set_phone(desk, PhoneState::Idle, Some((call, end)), now);
        self.take_fork_back(call, None, now);
        self.note(call, |deeds| {
            if let PhoneEnd::HungUp(side) = end {
                deeds.hung_up = Some((side, now));
            }
            deeds.over = Some(now);
        });
        self.finish(call, now);
    }

    fn set_phone(&mut self, desk: usize, phone: PhoneState, ended: Option<(usize, PhoneEnd)>, now: Instant) {
        if let Some(seat) = self.seats.get_mut(&desk) {
            seat.phone = phone;
            self.tell(desk, GRANTED_S, ended, now);
        }
    }

    /// Rings the line beside the phone.
    fn fork_to_line(&mut self, call: usize, now: Instant) {
        if !matches!(self.world.calls.get(call).map(|planned| &planned.course), Some(Course::Inbound { .. }))
        {
            return;
        }
        let Some((leg, invite)) = self.compose_invite(call) else { return };
        let flow = self.door.flow(self.address, leg.server);
        let transaction = self.layer.send_request(invite, flow, now);
        self.forks.insert(transaction, call);
    }

    /// Cancels the fork that rings along.
    fn take_fork_back(&mut self, call: usize, reason: Option<&str>, now: Instant) {
        let fork = self.forks.iter().find(|(_, of)| **of == call).map(|(transaction, _)| *transaction);
        let Some(fork) = fork else { return };
        let told = reason.filter(|_| self.profile.has(Quirk::ElsewhereInCancel));
        let reasons = told.map(|reason| linecard_sip::message::Header {
            name: HeaderName::Reason,
            value: reason.as_bytes().to_vec(),
        });
        let _ = self.layer.cancel(fork, reasons.into_iter().collect(), now);
    }

    /// A response to the fork: whatever is final before it is taken back would end the phone's ringing.
    pub(super) fn fork_answered(&mut self, id: ClientTransactionId, response: &Response) {
        if response.status.is_provisional() {
            return;
        }
        let Some(call) = self.forks.remove(&id) else { return };
        let code = response.status.get();
        if code != 487 {
            self.fault(call, format!("the line beside the phone answered {code}"));
        }
    }
}
