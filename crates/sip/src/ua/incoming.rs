//! From the wire to legs: sources, framing, the answers to requests that belong to no leg, and routing of the rest.

use std::time::Instant;

use super::config::Presence;
use super::event::{Event, Inviter, LineId, Suspicion};
use super::lines::{LineState, Shutdown};
use super::phones::{Door, Received};
use super::{ClientUse, DialogHandle, Output, UnknownSources, UserAgent, policy, token};
use crate::dialog::{Dialog, DialogId, DialogPhase, Replaces, ReplacesPhase, call_id, tag};
use crate::frame::Frame;
use crate::invite::{
    Agreement, Path, Service, Session, SessionId, SessionOrigin, Silence, reply, sdp_of, too_brief,
};
use crate::message::{HeaderName, Message, Method, Rejected, Request, Response, StatusCode, parse_datagram};
use crate::registrar::PhoneId;
use crate::registration;
use crate::siprec;
use crate::subscription;
use crate::transaction::{ClientTransactionId, ServerTransactionId};
use crate::transport::Flow;
use crate::uri::Uri;

/// When legs are too many, callers are asked to come back after this many seconds.
const FULL_RETRY_AFTER_S: u32 = 5;

/// What makes two INVITEs the same one that took two ways (RFC 3261 section 8.2.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct InviteKey {
    call_id: String,
    from_tag: String,
    cseq: u32,
}

/// An INVITE from a peer whose transaction lives.
#[derive(Debug)]
pub(super) struct Invited {
    pub(super) handle: DialogHandle,
    pub(super) key: InviteKey,
}

/// Bytes.
impl UserAgent {
    pub(super) fn datagram(&mut self, flow: Flow, payload: &[u8], now: Instant) {
        // Keep-alives are blank lines (RFC 5626 section 3.5.1) or zero bytes.
        if payload.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return;
        }
        match parse_datagram(payload) {
            Ok(message) => self.message(message, flow, now),
            Err(rejected) => self.rejected(rejected, flow, now),
        }
    }

    /// A WebSocket has whole messages; a keep-alive is a message of line ends (RFC 7118 sections 5 and 6).
    fn websocket_data(&mut self, flow: Flow, payload: &[u8], now: Instant) {
        self.streams.entry(flow.connection()).or_default();
        match payload {
            b"\r\n\r\n" => self.outputs.push_back(Output::Transmit { flow, payload: b"\r\n".to_vec() }),
            b"\r\n" => self.ponged(flow, now),
            message => self.datagram(flow, message, now),
        }
    }

    pub(super) fn stream_data(&mut self, flow: Flow, payload: &[u8], now: Instant) {
        if flow.transport.is_websocket() {
            return self.websocket_data(flow, payload, now);
        }
        let name = flow.connection();
        self.streams.entry(name).or_default().framer.push(payload);
        while let Some(frame) = self.streams.get_mut(&name).and_then(|stream| stream.framer.next()) {
            match frame {
                Ok(Frame::Message(message)) => self.message(message, flow, now),
                Ok(Frame::Rejected(rejected)) => self.rejected(rejected, flow, now),
                Ok(Frame::KeepAlivePing) => {
                    self.outputs.push_back(Output::Transmit { flow, payload: b"\r\n".to_vec() });
                }
                Ok(Frame::KeepAlivePong) => self.ponged(flow, now),
                Err(error) => {
                    if let Some(response) = error.response.filter(|_| self.trusts(flow)) {
                        self.transactions.send_stateless(&response, flow);
                    }
                    self.suspect(flow, Suspicion::BrokenStream, now);
                    self.settle(now);
                    self.streams.remove(&name);
                    self.outputs.push_back(Output::CloseStream { flow });
                }
            }
        }
    }

    fn trusts(&self, flow: Flow) -> bool {
        let source = flow.remote.ip();
        self.config.unknown_sources == UnknownSources::Answer
            || self.sources.knows(source)
            || self.door.as_ref().is_some_and(|door| door.is_at(source))
    }

    fn rejected(&mut self, rejected: Rejected, flow: Flow, now: Instant) {
        if !self.trusts(flow) {
            return self.suspect(flow, Suspicion::Garbage, now);
        }
        if let Some(mut response) = rejected.response {
            self.put_tag(&mut response);
            self.transactions.send_stateless(&response, flow);
        }
    }

    fn message(&mut self, message: Message, flow: Flow, now: Instant) {
        if let Message::Request(request) = &message
            && !self.has_dialog(request)
        {
            match self.at_the_door(request, flow, now) {
                Received::Served => return,
                Received::Through(asker) => self.let_in(asker),
                Received::Elsewhere if !self.trusts(flow) => {
                    return self.suspect(flow, Suspicion::UnknownSource, now);
                }
                Received::Elsewhere => {}
            }
        }
        self.transactions.handle_message(message, flow, now);
        self.settle(now);
        // Who was let in with a request that got no transaction is not the sender of the next one.
        self.let_in(None);
    }

    /// Tells whether a request names a dialog of ours: its tags cannot be guessed.
    fn has_dialog(&self, request: &Request) -> bool {
        self.leg_of_request(request).is_some() || self.subscription_of(request).is_some()
    }

    fn leg_of_request(&self, request: &Request) -> Option<DialogHandle> {
        let id = DialogId::of_request(request).filter(|id| !id.local_tag.is_empty())?;
        self.dialogs.get(&id).copied()
    }

    fn suspect(&mut self, flow: Flow, why: Suspicion, now: Instant) {
        if let Some(count) = self.sources.suspect(now) {
            self.emit(Event::Suspicious { flow, why, count });
        }
    }

    pub(super) fn put_tag(&mut self, response: &mut Response) {
        if response.headers.to().is_ok_and(|to| to.tag().is_none()) {
            let tag = token(&mut self.rng);
            response.headers.set_to_tag(&tag);
        }
    }

    pub(super) fn refuse(&mut self, to: ServerTransactionId, mut response: Response, now: Instant) {
        self.put_tag(&mut response);
        response.headers.set(HeaderName::Server, self.config.user_agent_name.as_str());
        // The transaction was told a moment ago and has no answer yet.
        let _ = self.transactions.respond(to, response, now);
    }
}

/// Requests.
impl UserAgent {
    pub(super) fn requested(&mut self, to: ServerTransactionId, request: Request, flow: Flow, now: Instant) {
        let asker = self.door.as_mut().and_then(Door::take_asker);
        if let Some(response) = policy::refusal(&request, self.service_of(&request, flow), asker.as_ref()) {
            return self.refuse(to, response, now);
        }
        if let (Some(phone), Method::Register) = (&asker, &request.method) {
            return self.phone_registers(to, &request, (phone, flow), now);
        }
        if request.method == Method::Notify && self.notified(to, &request, now) {
            return;
        }
        if policy::is_within_dialog(&request) {
            let leg = self.leg_of_request(&request);
            let served = leg.and_then(|handle| {
                self.note_invite(to, handle, &request);
                self.with_session(handle, now, |session, ctx| session.handle_request(to, &request, ctx))
            });
            if served.is_none() {
                let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
                self.refuse(to, Response::reply_to(&request, status), now);
            }
            return;
        }
        match request.method {
            Method::Invite => self.invited(to, request, (flow, asker), now),
            Method::Options => {
                let mut response = policy::with_capabilities(&request, StatusCode::OK);
                response.headers.set(HeaderName::Accept, crate::invite::ACCEPTED_BODY);
                self.refuse(to, response, now);
            }
            _ => {
                let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
                self.refuse(to, Response::reply_to(&request, status), now);
            }
        }
    }

    fn note_invite(&mut self, to: ServerTransactionId, handle: DialogHandle, request: &Request) {
        if let Some(key) = InviteKey::of(request).filter(|_| request.method == Method::Invite) {
            self.invited.insert(to, Invited { handle, key: key.clone() });
            self.invite_keys.insert(key, to);
        }
    }

    /// Takes an INVITE outside any dialog that passed the general checks.
    fn invited(
        &mut self,
        to: ServerTransactionId,
        request: Request,
        (flow, asker): (Flow, Option<PhoneId>),
        now: Instant,
    ) {
        let inviter = self.inviter(asker, &request, flow);
        let (by, dialog) = match self.admit(&request, flow, inviter) {
            Ok(admitted) => admitted,
            Err(response) => return self.refuse(to, *response, now),
        };
        if let Inviter::Line(line) = &by
            && let Err(challenge) = self.admit_recorder(line, &request, flow, now)
        {
            return self.refuse(to, *challenge, now);
        }
        let replaces = match self.replaced(&request) {
            Ok(replaces) => replaces,
            Err(status) => return self.refuse(to, Response::reply_to(&request, status), now),
        };
        let agreement = match Agreement::serve(&request.headers, self.config.session_expires_s) {
            Ok(agreement) => agreement,
            Err(_) => return self.refuse(to, too_brief(&request), now),
        };
        let handle = self.fresh_handle();
        self.note_invite(to, handle, &request);
        let origin = self.origin_of(handle, &by, &request, flow);
        let line = origin.line.clone();
        self.emit(Event::InviteReceived {
            handle,
            by,
            request: Box::new(request.clone()),
            offer: sdp_of(&request.headers, &request.body),
            flow,
            replaces,
        });
        let mut actions = Vec::new();
        let session = self.in_context(line.as_ref(), &mut actions, |ctx| {
            Session::called(origin, to, request, dialog, agreement, ctx)
        });
        self.keep(session, actions, now);
    }

    /// Finds the leg whose place an INVITE takes (RFC 3891 section 3), or gives the status that refuses it. Conferences
    /// are not made here, so Join (RFC 3911 section 4) is refused.
    fn replaced(&self, request: &Request) -> Result<Option<DialogHandle>, StatusCode> {
        if request.headers.contains(&HeaderName::Join) {
            return Err(StatusCode::NOT_ACCEPTABLE_HERE);
        }
        let mut values = request.headers.get_all(&HeaderName::Replaces);
        let Some(value) = values.next() else { return Ok(None) };
        let value = std::str::from_utf8(value).map_err(|_| StatusCode::BAD_REQUEST)?;
        if values.next().is_some() {
            return Err(StatusCode::BAD_REQUEST);
        }
        let replaces = Replaces::parse(value).ok_or(StatusCode::BAD_REQUEST)?;
        let unknown = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let handle = *self.dialogs.get(&replaces.dialog).ok_or(unknown)?;
        let dialog = self.sessions.get(&handle).and_then(Session::dialog).ok_or(unknown)?;
        match (dialog.phase, replaces.phase) {
            (DialogPhase::Confirmed, ReplacesPhase::Any) => Ok(Some(handle)),
            (DialogPhase::Confirmed, ReplacesPhase::EarlyOnly) => Err(StatusCode::BUSY_HERE),
            // What only the peer has begun is not replaced.
            (DialogPhase::Early, _) => Err(unknown),
        }
    }

    fn origin_of(
        &mut self,
        handle: DialogHandle,
        by: &Inviter,
        request: &Request,
        flow: Flow,
    ) -> SessionOrigin {
        let (line, path) = match by {
            Inviter::Line(line) => (Some(line.clone()), path_back(request, flow)),
            Inviter::Phone(_) => (None, Path::Back),
        };
        let mut contact = self.contact_for(line.as_ref(), flow, request.uri.is_secure());
        let service = line.as_ref().map_or(Service::Calls, |line| self.service_of_line(line));
        if service == Service::Recording {
            contact.push_str(siprec::SERVER_FEATURE);
        }
        let mut session_id = SessionId::new(token(&mut self.rng));
        session_id.learn(&request.headers);
        let (flow, session_id) = (Some(flow), Some(session_id));
        SessionOrigin { handle, line, contact, flow, path, service, session_id }
    }

    /// Finds the line that an INVITE is for: by the user part of its contact, which nobody can guess, or, for one that
    /// records, by its user name.
    pub(super) fn line_called(&self, request: &Request, flow: Flow) -> Option<LineId> {
        let Uri::Sip(uri) = &request.uri else { return None };
        let user = uri.user_decoded().unwrap_or_default();
        self.users.get(&user).cloned().or_else(|| self.recorder_called(&user, flow))
    }

    /// Of several lines of one name the one is meant whose server sends; a configured peer may send for any.
    fn recorder_called(&self, user: &[u8], flow: Flow) -> Option<LineId> {
        let ip = flow.remote.ip();
        let named = |state: &&LineState| {
            state.line.presence == Presence::Records && state.line.username.as_bytes() == user
        };
        let lines = || self.lines.values().filter(named).map(|state| &state.line.id);
        let own = lines().find(|line| self.sources.is_of(line, ip));
        own.or_else(|| lines().min().filter(|_| self.sources.is_configured(ip))).cloned()
    }

    fn service_of_line(&self, line: &LineId) -> Service {
        match self.lines.get(line).map(|state| state.line.presence) {
            Some(Presence::Records) => Service::Recording,
            _ => Service::Calls,
        }
    }

    /// What a request is for: what its dialog is for, or the line that it calls. In a dialog that is no more anything may
    /// be asked for: it gets 481.
    fn service_of(&self, request: &Request, flow: Flow) -> Service {
        if policy::is_within_dialog(request) {
            let leg = self.leg_of_request(request).and_then(|handle| self.sessions.get(&handle));
            return leg.map_or(Service::Recording, |session| session.origin.service);
        }
        self.line_called(request, flow).map_or(Service::Calls, |line| self.service_of_line(&line))
    }

    /// Makes the dialog of a call that may be made, or gives the refusal.
    fn admit(
        &mut self,
        request: &Request,
        flow: Flow,
        by: Option<Inviter>,
    ) -> Result<(Inviter, Dialog), Box<Response>> {
        let refusal = |status| Box::new(Response::reply_to(request, status));
        let key = InviteKey::of(request).ok_or_else(|| refusal(StatusCode::BAD_REQUEST))?;
        if self.invite_keys.contains_key(&key) {
            return Err(refusal(StatusCode::LOOP_DETECTED));
        }
        let by = by.ok_or_else(|| refusal(StatusCode::NOT_FOUND))?;
        let under_tls = match &by {
            Inviter::Line(line) => self.lines.get(line).is_some_and(|state| state.transport.is_secure()),
            Inviter::Phone(_) => false,
        };
        if under_tls && !flow.transport.is_secure() {
            return Err(refusal(StatusCode::FORBIDDEN));
        }
        if self.sessions.len() >= self.config.max_legs || self.shutdown != Shutdown::No {
            let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE);
            response.headers.set(HeaderName::RetryAfter, FULL_RETRY_AFTER_S.to_string());
            return Err(response);
        }
        let local_tag = token(&mut self.rng);
        let dialog = Dialog::served(request, &local_tag).map_err(|_| refusal(StatusCode::BAD_REQUEST))?;
        Ok((by, dialog))
    }

    pub(super) fn cancel_received(
        &mut self,
        to: ServerTransactionId,
        invite: Option<ServerTransactionId>,
        cancel: &Request,
        now: Instant,
    ) {
        let leg = invite.and_then(|invite| self.invited.get(&invite).map(|invited| (invite, invited.handle)));
        let Some(invite) = invite else {
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            return self.refuse(to, Response::reply_to(cancel, status), now);
        };
        // The To tag of this 200 and of the INVITE's answers should be one (RFC 3261 section 9.2).
        let local_tag = leg
            .and_then(|(_, handle)| self.sessions.get(&handle)?.local_tag().map(str::to_owned))
            .unwrap_or_else(|| token(&mut self.rng));
        let _ = self.transactions.respond(to, reply(cancel, StatusCode::OK, &local_tag), now);
        if let Some((_, handle)) = leg {
            let reasons = cancel.headers.reasons();
            self.with_session(handle, now, |session, ctx| session.cancelled(invite, reasons, ctx));
        }
    }

    pub(super) fn ack_received(&mut self, ack: &Request, now: Instant) {
        if let Some(handle) = self.leg_of_request(ack) {
            self.with_session(handle, now, |session, ctx| session.handle_ack(ack, ctx));
        }
    }
}

/// Responses.
impl UserAgent {
    pub(super) fn responded(
        &mut self,
        id: ClientTransactionId,
        response: Response,
        flow: Flow,
        now: Instant,
    ) {
        let unavailable = response.status == StatusCode::SERVICE_UNAVAILABLE;
        if unavailable && self.try_next(id, now) {
            return;
        }
        if response.status.is_final() {
            self.place_answered(id);
        }
        match self.clients.get(&id).cloned() {
            Some(ClientUse::Session(handle, purpose)) => {
                self.with_session(handle, now, |session, ctx| {
                    session.origin.flow = Some(flow);
                    session.handle_response(purpose, &response, ctx);
                });
            }
            Some(ClientUse::Register(line)) => {
                if response.status.is_final() {
                    self.clients.remove(&id);
                }
                self.register_answered(&line, id, response, now);
            }
            Some(ClientUse::Greet(line)) if response.status.is_final() => {
                self.clients.remove(&id);
                self.emit(Event::ServerAsked { line, status: Some(response.status.get()) });
            }
            Some(ClientUse::Greet(_)) => {}
            Some(ClientUse::Subscribe(handle)) => {
                if response.status.is_final() {
                    self.clients.remove(&id);
                }
                self.subscribe_answered(handle, id, response, now);
            }
            Some(ClientUse::Qualify(binding)) if response.status.is_final() => {
                self.clients.remove(&id);
                self.qualified(binding);
            }
            Some(ClientUse::Qualify(_)) | None => {}
        }
    }

    pub(super) fn stray_response(&mut self, response: &Response, now: Instant) {
        let Some(id) = DialogId::of_response(response) else {
            return;
        };
        let leg = self.dialogs.get(&id).or_else(|| self.dialogs.get(&id.half())).copied();
        if let Some(handle) = leg {
            self.with_session(handle, now, |session, ctx| session.handle_stray(response, ctx));
        }
    }

    /// A request got no answer.
    pub(super) fn silent(&mut self, purpose: ClientUse, silence: Silence, now: Instant) {
        match purpose {
            ClientUse::Session(handle, purpose) => {
                self.with_session(handle, now, |session, ctx| session.handle_silence(purpose, silence, ctx));
            }
            ClientUse::Register(line) => {
                let input = match silence {
                    Silence::TimedOut => registration::Input::TimedOut,
                    Silence::TransportFailed => registration::Input::TransportFailed(self.fault.clone()),
                };
                self.drive_registration(&line, input, now);
                self.next_turn(&line);
                let flow = self.lines.get(&line).and_then(|state| state.flow);
                if let (Silence::TimedOut, Some(flow)) = (silence, flow) {
                    self.give_up_stream(flow, now);
                }
            }
            ClientUse::Greet(line) => self.emit(Event::ServerAsked { line, status: None }),
            ClientUse::Subscribe(handle) => {
                let input = match silence {
                    Silence::TimedOut => subscription::Input::TimedOut,
                    Silence::TransportFailed => subscription::Input::TransportFailed,
                };
                self.drive_subscription(handle, input, now);
            }
            ClientUse::Qualify(binding) => self.unqualified(binding, silence, now),
        }
    }
}

impl InviteKey {
    fn of(request: &Request) -> Option<Self> {
        Some(Self {
            call_id: call_id(&request.headers)?,
            from_tag: tag(&request.headers.from_().ok()?),
            cseq: request.headers.cseq().ok()?.number,
        })
    }
}

/// Tells whether the peer is a neighbour behind a NAT: its own Via names another address than it sends from.
fn path_back(request: &Request, flow: Flow) -> Path {
    let routed = request.headers.contains(&HeaderName::RecordRoute);
    match request.headers.vias().as_deref() {
        Ok([only]) if !routed && only.host.ip().is_some_and(|ip| ip != flow.remote.ip()) => Path::Back,
        _ => Path::Contact,
    }
}
