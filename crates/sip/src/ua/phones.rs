//! Telephones that register here: who is let in, where they ring, whether they still live (RFC 3261 sections 10.3 and 22,
//! RFC 5626 sections 4.3 and 5.3 as far as flows go).
//!
//! Who has not proved itself costs nothing: a challenge is sent without a transaction, and nothing is remembered of it.
//! An INVITE of a phone is challenged each time, whatever path it comes by, since the source of a datagram is easily
//! made up. Requests to a phone take the path that it registered by.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::event::{Event, Inviter};
use super::outgoing::{Job, JobKind};
use super::{ClientUse, Clock, UserAgent, policy, token};
use crate::digest::{Offer, Origin, Refusal, Verifier, VerifierConfig};
use crate::invite::Silence;
use crate::message::{CSeq, HeaderName, Method, NameAddr, Request, Response};
use crate::registrar::{
    Binding, BindingId, Guesses, Lease, Phone, PhoneId, Registrar, Removed, Standing, Terms,
};
use crate::registration::between;
use crate::transaction::ServerTransactionId;
use crate::transport::{Connection, Flow, Transport};
use crate::uri::{SipUri, Uri};

/// How long a nonce is taken: longer than most phones wait between two REGISTERs.
const NONCE_LIFETIME: Duration = Duration::from_secs(600);

/// So many strangers are challenged each second; more get no answer, and a flood no second one.
const STRANGERS_PER_SECOND: u32 = 200;

/// Between two questions whether a phone lives, which keep a NAT's binding for datagrams, and a stream.
const DATAGRAM_ASKED: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(25)];
const STREAM_ASKED: [Duration; 2] = [Duration::from_secs(50), Duration::from_secs(60)];

/// A phone that has answered before and leaves so many questions unanswered in a row is gone.
const UNANSWERED_MAX: u32 = 2;

/// How phones may register.
#[derive(Debug, Clone)]
pub struct RegistrarConfig {
    /// The realm that their passwords are for.
    pub realm: String,
    /// Which algorithms are taken.
    pub offer: Offer,
    /// From where.
    pub admits: Admits,
    /// For how long.
    pub terms: Terms,
}

/// From where phones may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admits {
    /// From private networks, and from known peers.
    Known,
    /// From anywhere.
    Anyone,
}

/// What has happened at the door since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DoorFigures {
    /// Requests that were answered with a challenge.
    pub challenged: u64,
    /// Credentials that were wrong.
    pub wrong: u64,
    /// Requests that were not answered because their sender had guessed, or too many strangers asked.
    pub silenced: u64,
}

/// The door for phones.
#[derive(Debug)]
pub(super) struct Door {
    config: RegistrarConfig,
    key: [u8; 32],
    verifier: Option<Verifier>,
    registrar: Registrar,
    guesses: Guesses,
    pulses: HashMap<BindingId, Pulse>,
    strangers: Strangers,
    figures: DoorFigures,
    /// Who has proved to send the request that the transactions are being told of.
    asker: Option<PhoneId>,
}

/// Whether a phone answers OPTIONS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pulse {
    /// It never has: not every phone does.
    Unknown,
    /// It does; this many have been left unanswered in a row.
    Beating { unanswered: u32 },
}

/// How many strangers have been challenged in this second.
#[derive(Debug, Default)]
struct Strangers {
    second: Option<Instant>,
    challenged: u32,
}

/// What becomes of a request before it has a transaction.
#[derive(Debug)]
pub(super) enum Received {
    /// It is not for the door.
    Elsewhere,
    /// It goes on, and is of this phone; of none when it only repeats one that was let in.
    Through(Option<PhoneId>),
    /// It has got what it gets.
    Served,
}

impl Strangers {
    fn may_be_challenged(&mut self, now: Instant) -> bool {
        if self.second.is_none_or(|second| now.duration_since(second) >= Duration::from_secs(1)) {
            *self = Self { second: Some(now), challenged: 0 };
        }
        self.challenged += 1;
        self.challenged <= STRANGERS_PER_SECOND
    }
}

impl Door {
    pub(super) fn new(config: RegistrarConfig, key: [u8; 32]) -> Self {
        Self {
            registrar: Registrar::new(config.terms),
            config,
            key,
            verifier: None,
            guesses: Guesses::default(),
            pulses: HashMap::new(),
            strangers: Strangers::default(),
            figures: DoorFigures::default(),
            asker: None,
        }
    }

    pub(super) fn is_at(&self, source: IpAddr) -> bool {
        self.registrar.is_at(source)
    }

    pub(super) fn take_asker(&mut self) -> Option<PhoneId> {
        self.asker.take()
    }

    /// Judges a request; gives the phone, or the response that it gets: none for silence.
    fn judge(
        &mut self,
        request: &Request,
        source: IpAddr,
        now: Instant,
    ) -> Result<PhoneId, (Option<Response>, Option<String>)> {
        let origin = if request.method == Method::Register { Origin::Server } else { Origin::Proxy };
        let config = VerifierConfig {
            realm: self.config.realm.clone(),
            key: self.key,
            offer: self.config.offer,
            nonce_lifetime: NONCE_LIFETIME,
        };
        let verifier = self.verifier.get_or_insert_with(|| Verifier::new(config, now));
        let registrar = &self.registrar;
        let secret_of = |username: &str| registrar.phone_of(username).map(|phone| phone.secret.clone());
        let judged = verifier.verify(request, origin, source, secret_of, now);
        let username = match &judged {
            Ok(username) | Err(Refusal::Stale { username } | Refusal::Wrong { username }) => Some(username),
            Err(Refusal::Absent | Refusal::Malformed(_)) => None,
        };
        // Who is bound here is heard even where others have guessed, and before it has proved itself anew.
        let named = username.cloned().or_else(|| account_of(request));
        let is_bound = named.is_some_and(|username| registrar.is_bound_at(&username, source));
        let heard = username
            .is_none_or(|username| self.guesses.of_account(source, username, now) == Standing::Heard)
            && (is_bound || self.guesses.of_source(source, now) == Standing::Heard);
        let known = username.is_some() || registrar.is_at(source);
        if !heard || (!known && !self.strangers.may_be_challenged(now)) {
            self.figures.silenced += 1;
            return Err((None, None));
        }
        let refusal = match judged {
            Ok(username) => {
                self.guesses.passed(source, &username);
                let phone = self.registrar.phone_of(&username).map(|phone| phone.id.clone());
                return phone.ok_or((None, None));
            }
            Err(refusal) => refusal,
        };
        let mut locked = None;
        if let Refusal::Wrong { username } = &refusal {
            self.figures.wrong += 1;
            let standing = self.guesses.failed(source, username, now);
            locked = (standing == Standing::Locked).then(|| username.clone());
        }
        self.figures.challenged += 1;
        Err((Some(verifier.refuse(request, &refusal, origin, source, now)), locked))
    }
}

/// Commands.
impl UserAgent {
    /// Lets a phone register, or gives the one of this name another secret, which ends its bindings. Without a
    /// registrar in the configuration nobody registers.
    pub fn set_phone(&mut self, phone: Phone) {
        if let Some(door) = &mut self.door {
            let removed = door.registrar.set_phone(phone);
            self.bindings_over(removed);
        }
    }

    /// Lets a phone register no more and ends its bindings; its calls go on.
    pub fn remove_phone(&mut self, phone: &PhoneId) {
        if let Some(door) = &mut self.door {
            let removed = door.registrar.remove_phone(phone);
            self.bindings_over(removed);
        }
    }

    /// Puts a binding of an earlier process back, so that the phone rings before it registers again. Of a stream that is
    /// no more, the address that the contact names is tried.
    pub fn restore_binding(&mut self, phone: &PhoneId, lease: Lease, now: Instant) {
        let Some(door) = &mut self.door else { return };
        let Some(lease) = reachable_again(lease) else { return };
        let expires_at = lease.expires_at;
        if let Some(id) = door.registrar.restore(phone, lease, now) {
            self.hold_binding(id, expires_at, now);
            self.phone_changed(phone);
        }
    }

    /// Gives a phone's bindings, the preferred ones first.
    pub fn phone_bindings(&self, phone: &PhoneId) -> &[Binding] {
        self.door.as_ref().map(|door| door.registrar.bindings(phone)).unwrap_or_default()
    }

    /// Counts what has happened at the door for phones, and the bindings that there are.
    pub fn door_figures(&self) -> (DoorFigures, usize) {
        let door = self.door.as_ref();
        door.map(|door| (door.figures, door.registrar.binding_count())).unwrap_or_default()
    }

    /// Gives contact and path of a binding.
    pub(super) fn binding_way(&self, id: BindingId) -> Option<(SipUri, Flow)> {
        let (_, binding) = self.door.as_ref()?.registrar.binding(id)?;
        Some((binding.lease.contact.clone(), binding.lease.flow))
    }
}

/// Requests.
impl UserAgent {
    /// Decides what becomes of a request that belongs to no dialog.
    pub(super) fn at_the_door(&mut self, request: &Request, flow: Flow, now: Instant) -> Received {
        if !self.is_for_the_door(request, flow) {
            return Received::Elsewhere;
        }
        if self.transactions.knows(request) {
            return Received::Through(None);
        }
        let source = flow.remote.ip();
        let Some(door) = &mut self.door else { return Received::Elsewhere };
        match door.judge(request, source, now) {
            Ok(phone) => Received::Through(Some(phone)),
            Err((response, locked)) => {
                if let Some(username) = locked {
                    self.emit(Event::GuesserLocked { source, username });
                }
                if let Some(mut response) = response {
                    self.put_tag(&mut response);
                    response.headers.set(HeaderName::Server, self.config.user_agent_name.as_str());
                    self.transactions.send_stateless(&response, flow);
                    self.settle(now);
                }
                Received::Served
            }
        }
    }

    /// A REGISTER from where phones may be; an INVITE from where one is, unless it is a PBX's to a line.
    fn is_for_the_door(&self, request: &Request, flow: Flow) -> bool {
        let Some(door) = &self.door else { return false };
        let source = flow.remote.ip();
        if policy::is_within_dialog(request) || door.registrar.is_empty() {
            return false;
        }
        match request.method {
            Method::Register => {
                door.config.admits == Admits::Anyone || is_private(source) || self.sources.knows(source)
            }
            Method::Invite => door.is_at(source) && self.line_called(request, flow).is_none(),
            _ => false,
        }
    }

    /// Remembers who sends the request that the transactions are told next.
    pub(super) fn let_in(&mut self, asker: Option<PhoneId>) {
        if let Some(door) = &mut self.door {
            door.asker = asker;
        }
    }

    /// Serves a REGISTER of a phone that has proved itself.
    pub(super) fn phone_registers(
        &mut self,
        to: ServerTransactionId,
        request: &Request,
        (phone, flow): (&PhoneId, Flow),
        now: Instant,
    ) {
        let Some(door) = &mut self.door else { return };
        let (response, removed) = door.registrar.register(phone, request, flow, now);
        let succeeded = response.status.is_success();
        self.refuse(to, response, now);
        self.bindings_over(removed);
        if succeeded {
            let bindings: Vec<(BindingId, Instant)> = self
                .phone_bindings(phone)
                .iter()
                .map(|binding| (binding.id, binding.lease.expires_at))
                .collect();
            for (id, expires_at) in bindings {
                self.hold_binding(id, expires_at, now);
            }
            self.phone_changed(phone);
        }
    }

    /// Gives who sends an INVITE: a phone, or the PBX of the line that is called.
    pub(super) fn inviter(&self, asker: Option<PhoneId>, request: &Request, flow: Flow) -> Option<Inviter> {
        asker.map(Inviter::Phone).or_else(|| self.line_called(request, flow).map(Inviter::Line))
    }
}

/// Whether bindings live.
impl UserAgent {
    /// Begins to watch a binding: its end, and whether the phone lives.
    fn hold_binding(&mut self, id: BindingId, expires_at: Instant, now: Instant) {
        self.clocks.start(Clock::Expire(id), expires_at);
        let Some(door) = &mut self.door else { return };
        door.pulses.entry(id).or_insert(Pulse::Unknown);
        if !self.clocks.is_running(&Clock::Qualify(id)) {
            self.ask_later(id, now);
        }
    }

    fn ask_later(&mut self, id: BindingId, now: Instant) {
        let Some((_, flow)) = self.binding_way(id) else { return };
        let [least, most] = if flow.transport.reliable() { STREAM_ASKED } else { DATAGRAM_ASKED };
        let wait = between(&mut self.rng, least, most);
        self.clocks.start(Clock::Qualify(id), now + wait);
    }

    /// Takes note of bindings that are no more.
    fn bindings_over(&mut self, removed: Removed) {
        for (_, id) in &removed {
            self.clocks.stop(&Clock::Expire(*id));
            self.clocks.stop(&Clock::Qualify(*id));
            if let Some(door) = &mut self.door {
                door.pulses.remove(id);
            }
        }
        for phone in crate::registrar::phones_of(&removed) {
            self.phone_changed(&phone);
        }
    }

    fn phone_changed(&mut self, phone: &PhoneId) {
        let bindings = self.phone_bindings(phone).to_vec();
        self.emit(Event::PhoneChanged { phone: phone.clone(), bindings });
    }

    /// What registered along a connection is gone with it.
    pub(super) fn connection_over(&mut self, connection: Connection) {
        if let Some(door) = &mut self.door {
            let removed = door.registrar.connection_over(connection);
            self.bindings_over(removed);
        }
    }

    /// A binding's time is over.
    pub(super) fn expire_binding(&mut self, now: Instant) {
        if let Some(door) = &mut self.door {
            let removed = door.registrar.expire(now);
            self.bindings_over(removed);
        }
    }

    /// Asks a phone whether it lives.
    pub(super) fn qualify(&mut self, id: BindingId, now: Instant) {
        let Some((contact, flow)) = self.binding_way(id) else { return };
        let mut own = self.own_uri(flow.transport, Some(flow.remote.ip()));
        own.user = Some(self.own_user.clone());
        let mut request = Request::new(Method::Options, Uri::Sip(contact.clone()));
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, "70");
        let mut from = NameAddr::new(Uri::Sip(own.clone()));
        from.set_tag(&token(&mut self.rng));
        headers.push(HeaderName::From, from.to_bytes());
        headers.push(HeaderName::To, NameAddr::new(Uri::Sip(contact)).to_bytes());
        headers.push(HeaderName::CallId, token(&mut self.rng));
        headers.push(HeaderName::CSeq, CSeq { number: 1, method: Method::Options }.to_string());
        headers.push(HeaderName::Contact, NameAddr::new(Uri::Sip(own)).to_bytes());
        headers.push(HeaderName::UserAgent, self.config.user_agent_name.as_str());
        let kind = JobKind::Transaction(ClientUse::Qualify(id));
        self.transmit(
            Job { request, kind, preferred: flow.transport, fallback: None, path: None },
            flow,
            now,
        );
        self.ask_later(id, now);
    }

    /// A phone has answered, whatever: it lives.
    pub(super) fn qualified(&mut self, id: BindingId) {
        if let Some(pulse) = self.door.as_mut().and_then(|door| door.pulses.get_mut(&id)) {
            *pulse = Pulse::Beating { unanswered: 0 };
        }
    }

    /// A phone has not answered. One that used to is gone, with its stream if it has one.
    pub(super) fn unqualified(&mut self, id: BindingId, silence: Silence, now: Instant) {
        let Some((_, flow)) = self.binding_way(id) else { return };
        let Some(door) = &mut self.door else { return };
        let Some(Pulse::Beating { unanswered }) = door.pulses.get_mut(&id) else { return };
        *unanswered += 1;
        if *unanswered < UNANSWERED_MAX {
            return;
        }
        let removed = door.registrar.remove_binding(id);
        self.bindings_over(removed);
        if silence == Silence::TimedOut {
            self.give_up_stream(flow, now);
        }
    }
}

/// The account that a REGISTER is for, or that an INVITE says to come from.
fn account_of(request: &Request) -> Option<String> {
    let headers = &request.headers;
    let address = if request.method == Method::Register { headers.to() } else { headers.from_() };
    String::from_utf8(address.ok()?.uri.as_sip()?.user_decoded()?).ok()
}

/// Private, link-local and loopback networks (RFC 1918, RFC 3927, RFC 4193, RFC 4291).
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private() || address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// A datagram's path outlives the process. A stream does not: the phone's own address is tried, unless it is behind a
/// NAT; under TLS nobody is proved by an address, so the phone has to come back by itself.
fn reachable_again(lease: Lease) -> Option<Lease> {
    match lease.flow.transport {
        Transport::Udp => Some(lease),
        Transport::Tcp => {
            let listens = lease.contact.host.ip() == Some(lease.flow.remote.ip());
            let port = lease.contact.port.unwrap_or(Transport::Tcp.default_port());
            let remote = std::net::SocketAddr::new(lease.flow.remote.ip(), port);
            listens.then_some(Lease { flow: Flow { remote, ..lease.flow }, ..lease })
        }
        Transport::Tls | Transport::Ws | Transport::Wss => None,
    }
}
