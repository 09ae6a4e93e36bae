//! The cores of a server on the simulated network: user agent, engine and ledger, joined as the server's reactor joins
//! them. Sound, contacts and the web are left out.

mod wishes;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use linecard_calls::{
    CallId, Caller, DeviceAddress, DeviceId, Effect, EndCause, Engine, EngineConfig, Event as CallEvent,
    IdSource, IdentitySource, Input, Interaction, InteractionId, LegId, LineId, MissedId, MissedItem, Offer,
    Output, Pop, Reason, RecordingPolicy, Ring, Route, RoutedDevice, Signal, SignalId, UserId, UtcMillis,
    fold,
};
use linecard_crm::{DialPlan, IdentityHeaders, Party, choose_identity};
use linecard_lab::fleet::{Chance, DeskNames, Mode, World, password_of};
use linecard_lab::{Endpoint, Parcel};
use linecard_sip::invite;
use linecard_sip::message::{Header, HeaderName, NameAddr, ReasonValue, Request};
use linecard_sip::sdp::{LocalAudio, LocalSession, SessionDescription, audio_of};
use linecard_sip::transport::{Flow, LocalAddress, Transport, TransportFault};
use linecard_sip::ua::{
    self, CallerId, DialogHandle, Event, Inviter, Line, OutgoingInvite, Presence, ReinviteAnswer, UserAgent,
    UserAgentConfig,
};
use linecard_sip::uri::Uri;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

/// The wall clock's time when the simulated one begins.
pub(crate) const WALL: i64 = 1_767_225_600_000;

/// A leg: its dialog and what both ends have said of their sound.
struct Leg {
    handle: DialogHandle,
    session: LocalSession,
    offer: Option<SessionDescription>,
}

/// A frame about a pop, as the server gave it out.
pub(crate) struct PopTold {
    pub(crate) at: Instant,
    pub(crate) kind: &'static str,
    pub(crate) pop: Pop,
}

/// The cores of a server.
pub(crate) struct Server {
    world: Arc<World>,
    address: SocketAddr,
    pbxes: Vec<SocketAddr>,
    pub(crate) ua: UserAgent,
    engine: Engine,
    plan: DialPlan,
    start: Instant,
    legs: HashMap<LegId, Leg>,
    by_handle: HashMap<DialogHandle, LegId>,
    /// How slow the ledger is, and what waits for it.
    chance: Chance,
    durable_at: Instant,
    gate: VecDeque<(Instant, Effect)>,
    parcels: VecDeque<Parcel>,
    /// INVITEs as they came, with the path.
    pub(crate) heard: Vec<(SocketAddr, Vec<u8>)>,
    pub(crate) ledger: BTreeMap<CallId, Vec<Signal>>,
    pub(crate) interactions: BTreeMap<InteractionId, Interaction>,
    pub(crate) missed: BTreeMap<MissedId, MissedItem>,
    pub(crate) pops: Vec<PopTold>,
    pub(crate) alarms: Vec<String>,
}

impl Server {
    /// Makes a server with a line for each desk of the world, which has the PBXes at these addresses.
    pub(crate) fn new(world: &Arc<World>, address: SocketAddr, pbxes: &[SocketAddr], now: Instant) -> Self {
        let seed = world.plan.seed;
        let config = UserAgentConfig {
            local_addresses: [Transport::Udp, Transport::Tcp]
                .map(|transport| LocalAddress { transport, addr: address })
                .to_vec(),
            known_sources: pbxes.iter().map(SocketAddr::ip).collect::<Vec<IpAddr>>(),
            ..UserAgentConfig::default()
        };
        let rng = ChaCha12Rng::seed_from_u64;
        let ids = IdSource::new(rng(seed ^ 0x1d));
        let policy = EngineConfig { recording: RecordingPolicy::Nothing };
        let mut server = Self {
            world: Arc::clone(world),
            address,
            pbxes: pbxes.to_vec(),
            ua: UserAgent::new(config, rng(seed)),
            engine: Engine::new(policy, ids, now, UtcMillis(WALL)),
            plan: DialPlan::new("RU", "810", "8", 5, &[]).unwrap(),
            start: now,
            legs: HashMap::new(),
            by_handle: HashMap::new(),
            chance: Chance::new(seed ^ 0x1ed6e4),
            durable_at: now,
            gate: VecDeque::new(),
            parcels: VecDeque::new(),
            heard: Vec::new(),
            ledger: BTreeMap::new(),
            interactions: BTreeMap::new(),
            missed: BTreeMap::new(),
            pops: Vec::new(),
            alarms: Vec::new(),
        };
        (0..world.desks.len()).for_each(|desk| server.add_line(desk, now));
        server
    }

    fn add_line(&mut self, desk: usize, now: Instant) {
        let planned = &self.world.desks[desk];
        assert_eq!(planned.mode, Mode::Anchor, "what a phone has for itself is no part of this");
        let line = Line {
            id: ua::LineId::new(&line_of(desk).to_string()),
            server: self.pbxes[planned.pbx].to_string(),
            username: planned.account.clone(),
            password: password_of(&planned.account),
            auth_username: None,
            outbound_proxy: None,
            transport: Some(self.world.transport(planned.pbx)),
            websocket_path: None,
            expires_s: 3_600,
            contact_user: None,
            presence: Presence::Registers,
        };
        self.ua.add_line(line, now).unwrap();
    }

    /// How the server names each desk.
    pub(crate) fn names(&self) -> Vec<DeskNames> {
        let name =
            |desk| DeskNames { line_id: line_of(desk).to_string(), user_id: user_of(desk).to_string() };
        (0..self.world.desks.len()).map(name).collect()
    }

    fn at(&self, now: Instant) -> UtcMillis {
        UtcMillis(WALL + i64::try_from((now - self.start).as_millis()).unwrap())
    }

    fn engine(&mut self, input: Input, now: Instant) {
        let at = self.at(now);
        self.engine.handle_input(input, now, at);
    }

    fn route(&self, desk: usize) -> Route {
        let uri = self.world.desks[desk].extension.clone();
        Route {
            user: Some(user_of(desk)),
            devices: vec![RoutedDevice { device: device_of(desk), address: DeviceAddress::Sip { uri } }],
            ring: Ring::Together,
            ring_timeout_ms: u32::try_from(self.world.plan.ring_timeout_ms).unwrap(),
            allow_call_waiting: false,
        }
    }

    /// Lets both machines say everything that they have to say.
    fn pump(&mut self, now: Instant) {
        while self.pump_agent(now) | self.pump_engine(now) {}
    }

    fn pump_agent(&mut self, now: Instant) -> bool {
        let mut spoke = false;
        loop {
            match self.ua.poll_output() {
                ua::Output::Transmit { flow, payload } => self.parcels.push_back(Parcel {
                    transport: flow.transport,
                    from: flow.local,
                    to: flow.remote,
                    payload,
                }),
                ua::Output::Event(event) => self.sip_event(event, now),
                ua::Output::Resolve { .. } => unreachable!("every server is an address"),
                ua::Output::CloseStream { .. } => {}
                ua::Output::Timeout { .. } | ua::Output::Idle => return spoke,
            }
            spoke = true;
        }
    }

    fn pump_engine(&mut self, now: Instant) -> bool {
        let mut spoke = false;
        loop {
            match self.engine.poll_output() {
                Output::Record(signal) => self.append(signal, now),
                Output::Effect { effect, after, .. } => self.perform_after(effect, after, now),
                Output::Publish(event) => self.publish(event, now),
                Output::MissedChanged { change, .. } if change.void => {
                    self.missed.remove(&change.item.id);
                }
                Output::MissedChanged { change, .. } => {
                    self.missed.insert(change.item.id, change.item);
                }
                Output::CallEnded { interaction, .. } => {
                    self.interactions.insert(interaction.id, *interaction);
                }
                Output::CallAmended { call_id } => {
                    let folded = fold(&self.ledger[&call_id]).unwrap();
                    self.interactions.insert(folded.id, folded);
                }
                Output::Timeout { .. } | Output::Idle => return spoke,
            }
            spoke = true;
        }
    }

    /// The ledger takes up to 40 ms, and every signal in its turn.
    fn append(&mut self, signal: Signal, now: Instant) {
        let written = now + Duration::from_millis(self.chance.below(40));
        self.durable_at = self.durable_at.max(written);
        self.ledger.entry(signal.call_id).or_default().push(signal);
    }

    fn perform_after(&mut self, effect: Effect, after: Option<SignalId>, now: Instant) {
        match after {
            Some(_) => self.gate.push_back((self.durable_at, effect)),
            None => self.perform(effect, now),
        }
    }

    fn publish(&mut self, event: CallEvent, now: Instant) {
        let (kind, pop) = match event {
            CallEvent::PopShown(pop) => ("pop.shown", pop),
            CallEvent::PopUpdated(pop) => ("pop.updated", pop),
            CallEvent::PopRetracted(pop) => ("pop.retracted", pop),
            CallEvent::AlarmRaised(alarm) => return self.alarms.push(alarm.text),
            _ => return,
        };
        self.pops.push(PopTold { at: now, kind, pop });
    }

    fn on_leg(&mut self, handle: DialogHandle, now: Instant, input: impl FnOnce(LegId) -> Option<Input>) {
        if let Some(input) = self.by_handle.get(&handle).copied().and_then(input) {
            self.engine(input, now);
        }
    }

    fn sip_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::InviteReceived { handle, by: Inviter::Line(line), request, offer, .. } => {
                self.invited(handle, &line, &request, offer.as_deref(), now);
            }
            Event::Cancelled { handle, reasons } => {
                self.on_leg(handle, now, |leg| Some(Input::LegCancelled { leg, reasons: told(&reasons) }))
            }
            Event::Progress { handle, status, .. } => {
                self.on_leg(handle, now, |leg| Some(Input::LegProgressed { leg, status }));
            }
            Event::Answered { handle, .. } => {
                self.on_leg(handle, now, |leg| Some(Input::LegAnswered { leg }));
            }
            Event::Confirmed { handle, .. } => {
                self.on_leg(handle, now, |leg| Some(Input::LegConfirmed { leg }));
            }
            Event::Rejected { handle, status, reasons, .. } => self
                .on_leg(handle, now, |leg| Some(Input::LegRejected { leg, status, reasons: told(&reasons) })),
            Event::StrayAnswerReleased { handle, .. } => self.on_leg(handle, now, |leg| {
                Some(Input::LegRejected { leg, status: 487, reasons: Vec::new() })
            }),
            Event::Referred { handle, target, replaces } => self.referred(handle, &target, replaces, now),
            Event::ReinviteReceived { handle, offer } => self.reinvited(handle, offer.as_deref(), now),
            Event::Ended { handle, cause } => self.on_leg(handle, now, |leg| ended(leg, &cause)),
            _ => {}
        }
    }

    fn invited(
        &mut self,
        handle: DialogHandle,
        line: &ua::LineId,
        request: &Request,
        offer: Option<&[u8]>,
        now: Instant,
    ) {
        let line: LineId = line.as_str().parse().unwrap();
        let at = self.at(now);
        let leg = self.engine.make_leg(at);
        let interaction = self.engine.make_interaction(at);
        let offer = offer.map(|offer| SessionDescription::parse(offer).unwrap());
        self.add_leg(leg, Leg { handle, session: LocalSession::new(1), offer });
        let from = request.headers.from_().unwrap();
        let offer = Offer {
            leg,
            interaction,
            line,
            user: Some(user_of(desk_of(line))),
            caller: self.caller(request),
            did: None,
            user_to_user: Vec::new(),
            sip_call_id: request.headers.call_id().unwrap_or_default().to_owned(),
            from_tag: from.tag().map(|tag| tag.to_string()).unwrap_or_default(),
        };
        self.engine(Input::LegOffered(offer), now);
    }

    fn caller(&self, request: &Request) -> Caller {
        let headers = &request.headers;
        let chosen = choose_identity(
            &self.plan,
            &IdentityHeaders {
                asserted: headers.asserted_identity().iter().map(party).collect(),
                remote_party: headers.remote_party_id().iter().map(party).collect(),
                from: headers.from_().map(|from| party(&from)).unwrap_or_default(),
                privacy: headers.text(&HeaderName::from("Privacy")).map(|text| text.into_owned()),
            },
        );
        let number = chosen.number.call_number().map(str::to_owned);
        let chosen_of = if number.is_some() { IdentitySource::From } else { IdentitySource::Nothing };
        Caller {
            number,
            dialled: chosen.received,
            display: chosen.display,
            chosen: chosen_of,
            headers: Vec::new(),
        }
    }

    fn add_leg(&mut self, id: LegId, leg: Leg) {
        self.by_handle.insert(leg.handle, id);
        self.legs.insert(id, leg);
    }

    fn audio(&self) -> LocalAudio {
        LocalAudio::new(self.address.ip(), 20_000)
    }

    fn reinvited(&mut self, handle: DialogHandle, offer: Option<&[u8]>, now: Instant) {
        let audio = self.audio();
        let Some(leg) = self.by_handle.get(&handle).copied() else { return };
        let known = self.legs.get_mut(&leg).unwrap();
        let (answer, held) = match offer {
            None => (known.session.offer(&audio), false),
            Some(offer) => {
                let offer = SessionDescription::parse(offer).unwrap();
                let held = audio_of(&offer).unwrap().is_hold();
                (known.session.answer_to(&offer, &audio).unwrap(), held)
            }
        };
        let accepted = self.ua.answer_reinvite(handle, ReinviteAnswer::Accept(answer.to_bytes()), now);
        if accepted.is_ok() {
            self.engine(if held { Input::LegHeld { leg } } else { Input::LegRetrieved { leg } }, now);
        }
    }

    fn perform(&mut self, effect: Effect, now: Instant) {
        match effect {
            Effect::FindRoute { call, line } => {
                let route = self.route(desk_of(line));
                self.engine(Input::RouteFound { call, route }, now);
            }
            Effect::FindContact { call, number } => {
                self.engine(Input::ContactFound { call, number, candidates: Vec::new() }, now);
            }
            Effect::ReleaseMedia { call } => self.engine(Input::MediaReleased { call }, now),
            Effect::RingBack { leg } => self.on_dialog(leg, |ua, handle| ua.ring(handle, 180, None, now)),
            Effect::DialDevice { leg, line, device, caller, .. } => {
                let DeviceAddress::Sip { uri } = device.address else {
                    unreachable!("phones of the PBX alone")
                };
                self.call(leg, line, &uri, shown(&caller), now);
            }
            Effect::DialCallee { leg, line, dialled, .. } => self.call(leg, line, &dialled, Vec::new(), now),
            Effect::DialOther { leg, line, dialled, replaces, caller, .. } => {
                let replaces = replaces.map(|value| (HeaderName::Replaces, value));
                let headers = shown(&caller).into_iter().chain(replaces).collect();
                self.call(leg, line, &dialled, headers, now);
            }
            Effect::NameParty { leg, party, .. } => {
                let identity = headers(shown(&party));
                self.on_dialog(leg, |ua, handle| ua.tell_identity(handle, identity, now));
            }
            Effect::TellReferrer { leg, status } => {
                self.on_dialog(leg, |ua, handle| ua.report_referral(handle, status, now));
            }
            Effect::CancelLeg { leg } => self.on_dialog(leg, |ua, handle| {
                ua.cancel(handle, None, now).or_else(|_| ua.bye(handle, None, now))
            }),
            Effect::AnswerLeg { leg } => self.answer(leg, now),
            Effect::RejectLeg { leg, status } => {
                self.on_dialog(leg, |ua, handle| ua.reject(handle, status, None, now));
            }
            Effect::HangUpLeg { leg, .. } => self.on_dialog(leg, |ua, handle| ua.bye(handle, None, now)),
            // Sound, and what the other party hears of a hold.
            Effect::BridgeMedia { .. }
            | Effect::UnbridgeMedia { .. }
            | Effect::ReleaseLeg { .. }
            | Effect::PlayTone { .. }
            | Effect::StopTone { .. }
            | Effect::HoldLeg { .. }
            | Effect::RetrieveLeg { .. } => {}
            other => panic!("no part of this: {other:?}"),
        }
    }

    fn on_dialog<E>(&mut self, leg: LegId, act: impl FnOnce(&mut UserAgent, DialogHandle) -> Result<(), E>) {
        // Refused when the leg is gone meanwhile.
        if let Some(leg) = self.legs.get(&leg) {
            let _ = act(&mut self.ua, leg.handle);
        }
    }

    fn call(
        &mut self,
        leg: LegId,
        line: LineId,
        number: &str,
        more: Vec<(HeaderName, String)>,
        now: Instant,
    ) {
        let pbx = self.pbxes[self.world.desks[desk_of(line)].pbx];
        let mut session = LocalSession::new(1);
        let offer = session.offer(&self.audio()).to_bytes();
        let invite = OutgoingInvite {
            target: Uri::parse(format!("sip:{number}@{pbx}").as_bytes()).unwrap(),
            route: ua::Route::Line(ua::LineId::new(&line.to_string())),
            caller: CallerId::default(),
            headers: headers(more),
            offer: Some(offer),
            beside: None,
        };
        match self.ua.invite(invite, now) {
            Ok(handle) => self.add_leg(leg, Leg { handle, session, offer: None }),
            Err(_) => self.engine(Input::LegRejected { leg, status: 503, reasons: Vec::new() }, now),
        }
    }

    fn answer(&mut self, leg: LegId, now: Instant) {
        let audio = self.audio();
        let Some(known) = self.legs.get_mut(&leg) else { return };
        let said = match &known.offer {
            Some(offer) => known.session.answer_to(offer, &audio).unwrap(),
            None => known.session.offer(&audio),
        };
        if self.ua.accept(known.handle, &said.to_bytes(), now).is_ok() {
            self.engine(Input::LegAnswered { leg }, now);
        }
    }
}

impl Endpoint for Server {
    fn owns(&self, address: SocketAddr) -> bool {
        address == self.address
    }

    fn receive(&mut self, from: SocketAddr, to: SocketAddr, by: Transport, payload: &[u8], now: Instant) {
        let flow = Flow::new(by, to, from);
        if payload.starts_with(b"INVITE ") {
            self.heard.push((from, payload.to_vec()));
        }
        let input = match by.reliable() {
            true => ua::Input::StreamData { flow, payload },
            false => ua::Input::Datagram { flow, payload },
        };
        self.ua.handle_input(input, now);
    }

    fn path_failed(&mut self, local: SocketAddr, remote: SocketAddr, transport: Transport, now: Instant) {
        let flow = Flow::new(transport, local, remote);
        self.ua.handle_input(ua::Input::TransmitFailed { flow, fault: TransportFault::Closed }, now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Parcel> {
        self.pump(now);
        self.parcels.pop_front()
    }

    fn next_wakeup(&mut self) -> Option<Instant> {
        let agent = match self.ua.poll_output() {
            ua::Output::Timeout { at, .. } => Some(at),
            ua::Output::Idle => None,
            other => panic!("not pumped: {other:?}"),
        };
        let engine = match self.engine.poll_output() {
            Output::Timeout { at, .. } => Some(at),
            Output::Idle => None,
            other => panic!("not pumped: {other:?}"),
        };
        let gate = self.gate.front().map(|(at, _)| *at);
        agent.into_iter().chain(engine).chain(gate).min()
    }

    fn wake(&mut self, now: Instant) {
        while let Some((_, effect)) = self.gate.pop_front_if(|(at, _)| *at <= now) {
            self.perform(effect, now);
        }
        self.ua.handle_input(ua::Input::Timeout, now);
        self.engine(Input::Timeout, now);
    }
}

fn id(kind: u8, desk: usize) -> String {
    format!("0190{kind:04}-0000-7000-8000-{desk:012}")
}

fn line_of(desk: usize) -> LineId {
    id(1, desk).parse().unwrap()
}

fn user_of(desk: usize) -> UserId {
    id(2, desk).parse().unwrap()
}

fn device_of(desk: usize) -> DeviceId {
    id(3, desk).parse().unwrap()
}

fn desk_of(line: LineId) -> usize {
    line.to_string().rsplit('-').next().unwrap().parse().unwrap()
}

/// Which desk a user sits at.
pub(crate) fn desk_of_user(user: UserId) -> usize {
    user.to_string().rsplit('-').next().unwrap().parse().unwrap()
}

/// Tells a phone who is at the other end (RFC 3325).
fn shown(party: &Caller) -> Vec<(HeaderName, String)> {
    let identity = party.number.as_ref().map(|number| format!("<sip:{number}@pbx.example>"));
    identity.map(|identity| (HeaderName::PAssertedIdentity, identity)).into_iter().collect()
}

fn headers(named: Vec<(HeaderName, String)>) -> Vec<Header> {
    named.into_iter().map(|(name, value)| Header { name, value: value.into_bytes() }).collect()
}

fn party(address: &NameAddr) -> Party {
    Party {
        display: address.display_text(),
        uri: address.uri.to_string(),
        privacy: address.params.unquoted("privacy"),
    }
}

fn told(values: &[ReasonValue]) -> Vec<Reason> {
    let reason = |value: &ReasonValue| Reason {
        protocol: value.protocol.clone(),
        cause: value.cause.and_then(|cause| u16::try_from(cause).ok()),
        text: value.text.clone(),
    };
    values.iter().map(reason).collect()
}

fn ended(leg: LegId, cause: &invite::EndCause) -> Option<Input> {
    match cause {
        invite::EndCause::RemoteBye { reasons } => {
            Some(Input::LegEnded { leg, by: EndCause::Remote, reasons: told(reasons) })
        }
        invite::EndCause::LocalBye => None,
        invite::EndCause::Cancelled => Some(Input::LegRejected { leg, status: 487, reasons: Vec::new() }),
        invite::EndCause::AckTimeout | invite::EndCause::SessionExpired | invite::EndCause::Lost { .. } => {
            Some(Input::LegEnded { leg, by: EndCause::System, reasons: Vec::new() })
        }
    }
}
