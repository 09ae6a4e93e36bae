//! From legs and lines to the wire: which address, which of our own addresses, and what a leg asks for.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::config::ResolveId;
use super::event::{Event, LineId};
use super::lines::{LineState, Turns};
use super::names::{Answer, in_order};
use super::resolver::{Plan, Resolver, Target};
use super::{ClientUse, Clock, DialogHandle, Output, UserAgent};
use crate::invite::{Action, Path, Purpose};
use crate::message::{Header, HeaderName, Headers, Request};
use crate::transaction::ClientTransactionId;
use crate::transport::{Flow, Transport, TransportFault};
use crate::uri::{Host, SipUri};

/// A request that waits for an address.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) kind: JobKind,
    /// The transport for a URI that names none.
    pub(super) preferred: Transport,
    /// The way to take when the name has no address.
    pub(super) fallback: Option<Flow>,
    /// What is asked for at the server of a WebSocket.
    pub(super) path: Option<String>,
}

/// A request, and the URI that it goes to.
#[derive(Debug)]
pub(super) struct Waiting {
    job: Job,
    target: SipUri,
}

/// What a waiting request is.
#[derive(Debug)]
pub(super) enum JobKind {
    Transaction(ClientUse),
    /// The ACK for a 2xx, for the fork with this tag.
    Ack(DialogHandle, String),
}

impl UserAgent {
    /// Carries out what a leg asks for.
    pub(super) fn perform(&mut self, handle: DialogHandle, action: Action, now: Instant) {
        match action {
            Action::Send { purpose, mut request, hop } => {
                self.put_session_id(handle, &mut request.headers);
                let kind = JobKind::Transaction(ClientUse::Session(handle, purpose));
                self.dispatch_for(handle, *request, kind, hop.as_ref(), now);
            }
            Action::Acknowledge { mut ack, tag, hop } => {
                self.put_session_id(handle, &mut ack.headers);
                self.dispatch_for(handle, *ack, JobKind::Ack(handle, tag), hop.as_ref(), now);
            }
            // A transaction that is over needs no answer any more.
            Action::Respond { to, mut response } => {
                self.put_session_id(handle, &mut response.headers);
                response.headers.set(HeaderName::Server, self.config.user_agent_name.as_str());
                let _ = self.transactions.respond(to, *response, now);
            }
            Action::Cancel { reasons } => self.cancel_invite(handle, reasons, now),
            Action::Emit(event) => self.emit(*event),
            Action::Start(clock, wait) => self.clocks.start(Clock::Session(handle, clock), now + wait),
            Action::Stop(clock) => self.clocks.stop(&Clock::Session(handle, clock)),
            Action::Bind(id) => {
                self.dialogs.insert(id, handle);
            }
        }
    }

    fn put_session_id(&self, handle: DialogHandle, headers: &mut Headers) {
        if let Some(session_id) = self.session_id(handle) {
            session_id.put(headers);
        }
    }

    /// Cancels a leg's INVITE on the wire, or takes it back while it waits for an address.
    fn cancel_invite(&mut self, handle: DialogHandle, reasons: Vec<Header>, now: Instant) {
        let invite = ClientUse::Session(handle, Purpose::Invite);
        let waits = |waiting: &Waiting| matches!(&waiting.job.kind, JobKind::Transaction(purpose) if *purpose == invite);
        if self.resolver.drop_waiting(waits) {
            self.unsent.push_back((invite, None));
            return;
        }
        let transaction = self.sessions.get(&handle).and_then(|session| session.invite_transaction);
        if let Some(id) = transaction {
            self.attempts.remove(&id);
            // Refused when the answer is here already: then the answer decides.
            let _ = self.transactions.cancel(id, reasons, now);
        }
    }

    /// Sends a leg's request: by name, by address, or back where the peer's requests came from.
    fn dispatch_for(
        &mut self,
        handle: DialogHandle,
        request: Request,
        kind: JobKind,
        hop: Option<&SipUri>,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get(&handle) else {
            return;
        };
        let origin = session.origin.clone();
        let line = origin.line.as_ref().and_then(|line| self.lines.get(line));
        let known = self.known_way(origin.flow, line);
        let preferred =
            known.map_or_else(|| line.map_or(Transport::Udp, |line| line.transport), |flow| flow.transport);
        let routed = request.headers.contains(&HeaderName::Route);
        let invites = matches!(kind, JobKind::Transaction(ClientUse::Session(_, Purpose::Invite)));
        let own_way = invites.then(|| line.map(|line| line.hop.clone())).flatten();
        let path = line.and_then(|line| line.line.websocket_path.clone());
        let job = Job { request, kind, preferred, fallback: known, path };
        match (known, own_way.as_ref().or(hop)) {
            (Some(flow), None) => {
                self.transmit(job, flow, now);
            }
            (Some(flow), Some(_)) if origin.path == Path::Back && !routed => {
                self.transmit(job, flow, now);
            }
            (_, hop) => self.dispatch(job, hop, now),
        }
    }

    /// Gives the way that a leg's requests took so far, or that of its line when the connection is no more.
    fn known_way(&self, origin: Option<Flow>, line: Option<&LineState>) -> Option<Flow> {
        let is_open = |flow: &Flow| self.streams.contains_key(&flow.connection());
        let of_line = || line?.flow.filter(|flow| flow.transport.reliable() && is_open(flow));
        match origin {
            Some(flow) if flow.transport.reliable() && !is_open(&flow) => of_line().or(Some(flow)),
            origin => origin,
        }
    }

    /// Sends a line's own request to its first Route, else to its URI.
    pub(super) fn dispatch_by_route(
        &mut self,
        request: Request,
        purpose: ClientUse,
        line: &LineId,
        now: Instant,
    ) {
        let Some(state) = self.lines.get(line) else { return };
        let preferred = state.transport;
        let fallback = state.flow.filter(|flow| flow.transport.reliable());
        let path = state.line.websocket_path.clone();
        let route = request.headers.routes().ok().and_then(|routes| routes.into_iter().next());
        let hop = route.map_or_else(|| request.uri.clone(), |route| route.uri);
        let kind = JobKind::Transaction(purpose);
        match hop.as_sip() {
            Some(hop) => self.dispatch(Job { request, kind, preferred, fallback, path }, Some(hop), now),
            None => self.undeliverable(kind),
        }
    }

    /// Sends a request to a URI, when its address is known, or asks for it first.
    pub(super) fn dispatch(&mut self, job: Job, hop: Option<&SipUri>, now: Instant) {
        let target = hop.cloned().or_else(|| job.request.uri.as_sip().cloned());
        let Some(target) = target else {
            return self.undeliverable(job.kind);
        };
        let transport = Resolver::<Waiting>::transport(&target, job.preferred);
        let along = job.fallback.filter(|flow| flow.transport == job.preferred);
        if job.preferred.names_server() && (transport != job.preferred || transport.is_websocket()) {
            // What goes under TLS never leaves in clear, and a WebSocket is the only way to who is behind it: by the
            // connection there is, or not at all.
            match along {
                Some(flow) => {
                    self.transmit(job, flow, now);
                    return;
                }
                None if transport != job.preferred => return self.undeliverable(job.kind),
                None => {}
            }
        }
        if let Some(host) = self.route(Waiting { job, target }, now) {
            self.emit(Event::Unresolved { host });
        }
    }

    /// Sends a request to where its URI leads, or asks for what has to be known first; gives a name without address.
    fn route(&mut self, waiting: Waiting, now: Instant) -> Option<String> {
        let Waiting { job, target } = waiting;
        let transport = Resolver::<Waiting>::transport(&target, job.preferred);
        let undecided = self.undecided(&job).filter(|_| !target.secure && target.transport_param().is_none());
        let wish = if undecided.is_some() { None } else { Some(transport) };
        let targets = match self.resolver.plan(&target.host, target.port, wish, now) {
            Plan::Ready(targets) => targets,
            Plan::Ask(questions) => {
                let fresh = self.resolver.wait(questions, Waiting { job, target });
                let asked = fresh.into_iter().map(|(id, question)| Output::Resolve { id, question });
                self.outputs.extend(asked);
                return None;
            }
        };
        let targets = match undecided {
            Some(line) => self.take_turns(&line, targets),
            None => targets,
        };
        if !targets.is_empty() {
            self.send_to_first(job, &target.host, targets, now);
            return None;
        }
        match job.fallback {
            Some(flow) => {
                self.transmit(job, flow, now);
            }
            None => self.undeliverable(job.kind),
        }
        Some(target.host.to_string())
    }

    /// The line whose own request this is, when its transport is not looked up yet.
    fn undecided(&self, job: &Job) -> Option<LineId> {
        let line = match &job.kind {
            JobKind::Transaction(ClientUse::Register(line)) => line,
            JobKind::Transaction(ClientUse::Subscribe(handle)) => self.subscriber(*handle)?,
            _ => return None,
        };
        self.lines.get(line).filter(|state| state.turns == Turns::Open).map(|_| line.clone())
    }

    pub(super) fn resolved(&mut self, id: ResolveId, answer: Answer, now: Instant) {
        let records = in_order(answer.records, &mut self.rng);
        let jobs = self.resolver.resolved(id, Answer { records, ..answer }, now);
        let mut nameless = None;
        for waiting in jobs {
            nameless = self.route(waiting, now).or(nameless);
        }
        if let Some(host) = nameless {
            self.emit(Event::Unresolved { host });
        }
    }

    /// Sends a request to one place; gives its transaction, if it has one.
    pub(super) fn send_to(
        &mut self,
        job: Job,
        target: Target,
        host: &Host,
        now: Instant,
    ) -> Option<ClientTransactionId> {
        let Target { transport, addr } = target;
        // An open connection to the same host is used again (RFC 5923).
        let open = job.fallback.filter(|flow| {
            transport.reliable()
                && flow.transport == transport
                && flow.remote.ip() == addr.ip()
                && self.streams.contains_key(&flow.connection())
        });
        match open.or_else(|| self.fresh_way(transport, addr, host, job.path.as_deref())) {
            Some(flow) => self.transmit(job, flow, now),
            None => {
                self.undeliverable_for(job.kind, Some(TransportFault::NoAddress { remote: addr.ip() }));
                None
            }
        }
    }

    /// Names the path to an address; under TLS the host whose address it is has to be there (RFC 5922 section 7.1).
    fn fresh_way(
        &mut self,
        transport: Transport,
        remote: SocketAddr,
        host: &Host,
        path: Option<&str>,
    ) -> Option<Flow> {
        let flow = Flow::new(transport, self.local_for(transport, remote.ip())?, remote);
        if !transport.names_server() {
            return Some(flow);
        }
        let path = path.filter(|_| transport.is_websocket());
        Some(Flow { server: Some(self.servers.id(host, path)?), ..flow })
    }

    pub(super) fn transmit(&mut self, job: Job, flow: Flow, now: Instant) -> Option<ClientTransactionId> {
        match job.kind {
            JobKind::Transaction(purpose) => {
                let id = if self.is_fixed(&purpose) {
                    self.transactions.send_request_along(job.request, flow, now)
                } else {
                    self.transactions.send_request(job.request, flow, now)
                };
                match &purpose {
                    ClientUse::Register(line) => self.register_sent(line, id, flow),
                    ClientUse::Subscribe(handle) => self.subscribe_sent(*handle, id, flow),
                    ClientUse::Greet(line) => self.sources.add(line, flow.remote.ip()),
                    ClientUse::Qualify(_) => {}
                    ClientUse::Session(handle, sent) => {
                        let session = self.sessions.get_mut(handle)?;
                        if *sent == Purpose::Invite {
                            session.invite_transaction = Some(id);
                            session.origin.flow = Some(flow);
                        }
                    }
                }
                self.clients.insert(id, purpose);
                Some(id)
            }
            JobKind::Ack(handle, tag) => {
                let mut ack = job.request;
                self.transactions.send_ack(&mut ack, flow);
                if let Some(session) = self.sessions.get_mut(&handle) {
                    session.acknowledged(&tag, ack);
                }
                None
            }
        }
    }

    /// Tells whether there is no other path than the given one, whatever a request's size: to a phone behind a NAT.
    fn is_fixed(&self, purpose: &ClientUse) -> bool {
        match purpose {
            ClientUse::Qualify(_) => true,
            ClientUse::Session(handle, _) => {
                self.sessions.get(handle).is_some_and(|session| session.origin.path == Path::Back)
            }
            ClientUse::Register(_) | ClientUse::Subscribe(_) | ClientUse::Greet(_) => false,
        }
    }

    /// A request cannot be sent at all.
    pub(super) fn undeliverable(&mut self, kind: JobKind) {
        self.undeliverable_for(kind, None);
    }

    fn undeliverable_for(&mut self, kind: JobKind, fault: Option<TransportFault>) {
        if let JobKind::Transaction(purpose) = kind {
            self.unsent.push_back((purpose, fault));
        }
    }

    /// Chooses which of our addresses speaks to a peer. A stream can be opened where none is listened for: then an
    /// address of ours is named with the port that is usual.
    pub(super) fn local_for(&self, transport: Transport, remote: IpAddr) -> Option<SocketAddr> {
        let listens = self.listening_for(transport, remote);
        let elsewhere = || {
            let others = [Transport::Udp, Transport::Tcp].into_iter();
            let own = others.filter_map(|other| self.listening_for(other, remote)).next()?;
            Some(SocketAddr::new(own.ip(), transport.default_port()))
        };
        listens.or_else(|| elsewhere().filter(|_| transport.reliable()))
    }

    /// Tells whether peers can open a stream of this kind to us.
    pub(super) fn listens_for(&self, transport: Transport) -> bool {
        self.config.local_addresses.iter().any(|local| local.transport == transport)
    }

    fn listening_for(&self, transport: Transport, remote: IpAddr) -> Option<SocketAddr> {
        let fitting = |local: IpAddr| local.is_ipv4() == remote.is_ipv4();
        let candidates = || {
            self.config
                .local_addresses
                .iter()
                .filter(move |local| local.transport == transport && fitting(local.addr.ip()))
                .map(|local| local.addr)
        };
        candidates()
            .find(|local| local.ip().is_loopback() == remote.is_loopback())
            .or_else(|| candidates().next())
    }

    /// Makes the URI at which a peer reaches us, without a user.
    pub(super) fn own_uri(&self, transport: Transport, remote: Option<IpAddr>) -> SipUri {
        let first = || self.config.local_addresses.first().map(|local| local.addr);
        let local = remote
            .and_then(|remote| self.local_for(transport, remote))
            .or_else(|| {
                let same = |local: &&crate::transport::LocalAddress| local.transport == transport;
                self.config.local_addresses.iter().find(same).map(|local| local.addr)
            })
            .or_else(first);
        let local_ip = local.map(|local| local.ip());
        // A NAT has an address of each family of its own, or none.
        let alike = |external: &IpAddr| local_ip.is_none_or(|local| local.is_ipv4() == external.is_ipv4());
        let ip = self.config.external_address.filter(alike).or(local_ip);
        let mut uri = SipUri::new(ip.map_or_else(|| Host::Name("invalid".to_owned()), Host::from));
        uri.port = local.map(|local| local.port());
        if transport.reliable() {
            uri.params.set("transport", Some(transport.as_param()));
        }
        uri
    }

    /// Gives the Contact of a dialog along `flow`; a `sips:` one for a request to such a URI (RFC 3261 section 8.1.1.8).
    pub(super) fn contact_for(&self, line: Option<&LineId>, flow: Flow, secure: bool) -> String {
        let state = line.and_then(|line| self.lines.get(line));
        let mut uri = match state {
            // As it is registered: perhaps at a public address that the registrar showed us.
            Some(state) if state.transport == flow.transport => state.registration.contact().clone(),
            _ => {
                let mut uri = self.own_uri(flow.transport, Some(flow.remote.ip()));
                uri.user = Some(state.map_or(&self.own_user, |state| &state.user).clone());
                uri
            }
        };
        if secure {
            uri.secure = true;
            uri.params.remove("transport");
        }
        format!("<{uri}>")
    }
}
