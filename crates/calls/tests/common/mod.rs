//! A desk to test the engine at: a fabricated clock, everything the engine said, short names for things.
#![allow(dead_code)]

pub(crate) mod watching;

use std::time::{Duration, Instant};

use linecard_calls::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use uuid::Uuid;

pub(crate) const WALL: i64 = 1_764_000_000_000;

pub(crate) fn named<T: Id>(kind: u8, n: u16) -> T {
    T::from_uuid(Uuid::from_u128(
        0x0190_0000_0000_7000_8000_0000_0000_0000 + (u128::from(kind) << 32) + u128::from(n),
    ))
}
pub(crate) fn user(n: u16) -> UserId {
    named(1, n)
}
pub(crate) fn line(n: u16) -> LineId {
    named(2, n)
}
pub(crate) fn device(n: u16) -> DeviceId {
    named(3, n)
}
pub(crate) fn contact(n: u16) -> ContactId {
    named(4, n)
}

pub(crate) fn candidate(n: u16, level: &str) -> Candidate {
    serde_json::from_value(serde_json::json!({
        "contact": {"id": contact(n), "name": "Ирина", "company_name": "Волга-Сервис", "responsible_id": null},
        "level": level, "score": 0.9, "reasons": ["The number is this contact's."],
    }))
    .unwrap()
}

pub(crate) fn route(owner: Option<UserId>, devices: &[u16], ring: Ring) -> Route {
    let routed = |n: &u16| RoutedDevice {
        device: device(*n),
        address: DeviceAddress::Sip { uri: format!("sip:{n}@pbx") },
    };
    Route {
        user: owner,
        devices: devices.iter().map(routed).collect(),
        ring,
        ring_timeout_ms: 20_000,
        allow_call_waiting: false,
    }
}

pub(crate) struct Desk {
    pub(crate) engine: Engine,
    start: Instant,
    pub(crate) now: Instant,
    pub(crate) wall_jump_ms: i64,
    /// Whether the ports are free as soon as they are given up.
    pub(crate) frees_ports: bool,
    offered: u16,
    pub(crate) signals: Vec<Signal>,
    pub(crate) effects: Vec<(Effect, Option<SignalId>)>,
    pub(crate) events: Vec<Event>,
    pub(crate) ended: Vec<(CallId, Interaction, Vec<Recording>)>,
    pub(crate) amended: Vec<CallId>,
    pub(crate) missed: Vec<MissedChange>,
    pub(crate) timer: Option<(Instant, TimerReason)>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(RecordingPolicy::Nothing, 1)
    }

    pub(crate) fn with(recording: RecordingPolicy, seed: u64) -> Self {
        let now = Instant::now();
        let ids = IdSource::new(ChaCha12Rng::seed_from_u64(seed));
        Self {
            engine: Engine::new(EngineConfig { recording }, ids, now, UtcMillis(WALL)),
            start: now,
            now,
            wall_jump_ms: 0,
            frees_ports: true,
            offered: 0,
            signals: Vec::new(),
            effects: Vec::new(),
            events: Vec::new(),
            ended: Vec::new(),
            amended: Vec::new(),
            missed: Vec::new(),
            timer: None,
        }
    }

    pub(crate) fn at(&self) -> UtcMillis {
        let elapsed = i64::try_from(self.now.duration_since(self.start).as_millis()).unwrap();
        UtcMillis(WALL + elapsed + self.wall_jump_ms)
    }

    pub(crate) fn give(&mut self, input: Input) {
        let at = self.at();
        self.engine.handle_input(input, self.now, at);
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        loop {
            match self.engine.poll_output() {
                Output::Record(signal) => self.signals.push(signal),
                Output::Effect { effect, after, .. } => {
                    if let Some(id) = after {
                        assert!(self.signals.iter().any(|s| s.id == id), "an effect came before its signal");
                    }
                    if let Effect::ReleaseMedia { call } = effect
                        && self.frees_ports
                    {
                        self.engine.handle_input(Input::MediaReleased { call }, self.now, self.at());
                    }
                    self.effects.push((effect, after));
                }
                Output::Publish(event) => self.events.push(event),
                Output::CallEnded { call_id, interaction, recordings, signals } => {
                    assert_eq!(fold(&signals).as_ref(), Some(&*interaction), "the evidence comes along");
                    self.ended.push((call_id, *interaction, recordings));
                }
                Output::MissedChanged { change, .. } => self.missed.push(change),
                Output::CallAmended { call_id } => self.amended.push(call_id),
                Output::Timeout { at, reason } => {
                    self.timer = Some((at, reason));
                    return;
                }
                Output::Idle => {
                    self.timer = None;
                    return;
                }
            }
        }
    }

    /// Moves the clock, firing each timer at its own moment.
    pub(crate) fn wait_ms(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some((at, _)) = self.timer.filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.give(Input::Timeout);
        }
        self.now = end;
    }

    /// A customer calls line 1 of `owner`; yields the call and the customer's leg.
    pub(crate) fn offer(&mut self, owner: Option<UserId>) -> (CallId, LegId) {
        self.offer_from(owner, Some("+79101234567"))
    }

    pub(crate) fn offer_from(&mut self, owner: Option<UserId>, number: Option<&str>) -> (CallId, LegId) {
        self.offered += 1;
        let offer = self.new_offer(owner, number, &format!("call-{}", self.offered));
        let leg = offer.leg;
        self.give(Input::LegOffered(offer));
        (self.signals.last().unwrap().call_id, leg)
    }

    pub(crate) fn new_offer(
        &mut self,
        owner: Option<UserId>,
        number: Option<&str>,
        sip_call_id: &str,
    ) -> Offer {
        let at = self.at();
        Offer {
            leg: self.engine.make_leg(at),
            interaction: self.engine.make_interaction(at),
            line: line(1),
            user: owner,
            caller: Caller {
                number: number.map(str::to_owned),
                dialled: number.map(str::to_owned),
                display: Some("<b>Ирина</b>".to_owned()),
                chosen: IdentitySource::From,
                headers: vec![("From".to_owned(), "<sip:x@y>".to_owned())],
            },
            did: Some("+78312123456".to_owned()),
            user_to_user: Vec::new(),
            sip_call_id: sip_call_id.to_owned(),
            from_tag: "tag".to_owned(),
        }
    }

    /// User 1 asks for a call to `number`; yields the call and the callee's leg.
    pub(crate) fn request(&mut self, number: &str, devices: &[u16]) -> (CallId, LegId) {
        let at = self.at();
        let leg = self.engine.make_leg(at);
        let request = DialRequest {
            leg,
            interaction: self.engine.make_interaction(at),
            line: line(1),
            user: user(1),
            callee: Callee {
                number: number.to_owned(),
                typed: number.to_owned(),
                dialled: number.to_owned(),
                kind: CalleeKind::Outside,
            },
            caller_id: Some("+78312000000".to_owned()),
        };
        let route = route(Some(user(1)), devices, Ring::Together);
        self.give(Input::DialRequested { request, route, contact: None });
        (self.engine.call_of(leg).or(self.ended.last().map(|ended| ended.0)).unwrap(), leg)
    }

    /// Goes on until the user's phone is picked up; yields call, callee's leg and agent's leg.
    pub(crate) fn dialling(&mut self) -> (CallId, LegId, LegId) {
        let (call, callee) = self.request("+79101234567", &[1]);
        self.found(call, Vec::new());
        let agent = *self.dialled().last().unwrap();
        self.give(Input::LegProgressed { leg: agent, status: 180 });
        self.wait_ms(1_000);
        self.give(Input::LegAnswered { leg: agent });
        (call, callee, agent)
    }

    /// The contacts answer the last question about a call.
    pub(crate) fn found(&mut self, call: CallId, candidates: Vec<Candidate>) {
        let asked = self.effects.iter().rev().find_map(|(effect, _)| match effect {
            Effect::FindContact { call: of, number } if *of == call => Some(number.clone()),
            _ => None,
        });
        self.give(Input::ContactFound { call, number: asked.expect("the contacts were asked"), candidates });
    }

    pub(crate) fn route(&mut self, call: CallId, route: Route) {
        self.give(Input::RouteFound { call, route });
    }

    /// Offers, routes to `devices` of user 1 and lets each ring; yields call, customer's leg and device legs.
    pub(crate) fn ringing(&mut self, devices: &[u16], ring: Ring) -> (CallId, LegId, Vec<LegId>) {
        let (call, customer) = self.offer(Some(user(1)));
        self.found(call, Vec::new());
        self.route(call, route(Some(user(1)), devices, ring));
        let legs = self.dialled();
        for leg in &legs {
            self.give(Input::LegProgressed { leg: *leg, status: 180 });
        }
        (call, customer, legs)
    }

    /// Goes on to the talk; yields call, customer's leg and agent's leg.
    pub(crate) fn talking(&mut self) -> (CallId, LegId, LegId) {
        let (call, customer, legs) = self.ringing(&[1], Ring::Together);
        self.wait_ms(3_000);
        self.give(Input::LegAnswered { leg: legs[0] });
        self.give(Input::LegAnswered { leg: customer });
        self.give(Input::LegConfirmed { leg: customer });
        (call, customer, legs[0])
    }

    pub(crate) fn reject(&mut self, leg: LegId, status: u16) {
        self.give(Input::LegRejected { leg, status, reasons: Vec::new() });
    }
    pub(crate) fn bye(&mut self, leg: LegId) {
        self.give(Input::LegEnded { leg, by: EndCause::Remote, reasons: Vec::new() });
    }
    pub(crate) fn cancel(&mut self, leg: LegId) {
        self.give(Input::LegCancelled { leg, reasons: Vec::new() });
    }

    pub(crate) fn dialled(&self) -> Vec<LegId> {
        let leg = |effect: &Effect| match effect {
            Effect::DialDevice { leg, .. } => Some(*leg),
            _ => None,
        };
        self.effects.iter().filter_map(|(effect, _)| leg(effect)).collect()
    }

    pub(crate) fn count(&self, effect: &Effect) -> usize {
        self.effects.iter().filter(|(seen, _)| seen == effect).count()
    }

    /// The statuses sent to the customer: 200 and refusals.
    pub(crate) fn finals(&self, customer: LegId) -> Vec<u16> {
        let status = |effect: &Effect| match effect {
            Effect::RejectLeg { leg, status } if *leg == customer => Some(*status),
            _ => None,
        };
        self.effects.iter().filter_map(|(effect, _)| status(effect)).collect()
    }

    /// The one interaction that was given out.
    pub(crate) fn interaction(&self) -> &Interaction {
        assert_eq!(self.ended.len(), 1, "exactly one interaction");
        let (call, interaction, _) = &self.ended[0];
        let theirs: Vec<Signal> = self.signals.iter().filter(|s| s.call_id == *call).cloned().collect();
        assert_eq!(fold(&theirs).as_ref(), Some(interaction), "the ledger folds to what was saved");
        interaction
    }

    pub(crate) fn event_names(&self) -> Vec<&'static str> {
        self.events.iter().map(Event::name).collect()
    }

    pub(crate) fn pop_states(&self) -> Vec<(u64, PopState)> {
        let pop = |event: &Event| match event {
            Event::PopShown(pop) | Event::PopUpdated(pop) | Event::PopRetracted(pop) => {
                Some((pop.version, pop.state))
            }
            _ => None,
        };
        self.events.iter().filter_map(pop).collect()
    }
}

/// Some signals twice, all in another order.
pub(crate) fn shuffled(signals: &[Signal], rng: &mut ChaCha12Rng) -> Vec<Signal> {
    let mut all: Vec<Signal> = signals.to_vec();
    for signal in signals {
        if rng.next_u32().is_multiple_of(3) {
            all.push(signal.clone());
        }
    }
    for last in (1..all.len()).rev() {
        let other = rng.next_u32() as usize % (last + 1);
        all.swap(last, other);
    }
    all
}
