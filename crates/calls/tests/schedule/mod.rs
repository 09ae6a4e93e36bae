//! A random schedule of what people and phones do, with a naive model of what must come of it.

use std::collections::BTreeMap;

use linecard_calls::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::common::{Desk, candidate, route, user};

/// A device's phone as the network has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phone {
    Rings,
    /// CANCEL came; 487 or a crossing 200 follows.
    Cancelled,
    Talks,
    Down(&'static str),
}

/// The customer's phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Customer {
    Waits,
    Talks,
    Gone,
}

/// What the model expects of one call, told in terms of what people and phones did.
#[derive(Debug)]
pub(crate) struct Model {
    customer: LegId,
    pub(crate) state: Customer,
    pub(crate) owner: Option<UserId>,
    in_order: bool,
    undialled: usize,
    pub(crate) phones: BTreeMap<LegId, Phone>,
    answer_asked: bool,
    ring_left_ms: i64,
    /// The strongest thing that kept a phone from answering: 0 nothing .. 5 declined.
    worst: u8,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) finals: u32,
    recording: Option<RecordingId>,
    closing: bool,
}

pub(crate) struct Schedule {
    pub(crate) desk: Desk,
    rng: ChaCha12Rng,
    pub(crate) calls: BTreeMap<CallId, Model>,
    seen_effects: usize,
    seed: u64,
}

fn weight(status: u16) -> u8 {
    match status {
        500 => 1,
        480 | 408 => 2,
        486 => 3,
        _ => 5,
    }
}

const RANG_OUT: u8 = 4;

fn verdict(worst: u8) -> Outcome {
    match worst {
        1 => Outcome::Failed,
        3 => Outcome::Busy,
        5 => Outcome::Rejected,
        _ => Outcome::NoAnswer,
    }
}

impl Model {
    fn rings(&self) -> bool {
        self.phones.values().any(|phone| *phone == Phone::Rings)
    }

    fn decide(&mut self, outcome: Outcome) {
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
        }
    }

    /// A phone stopped ringing without an answer: is that the end?
    fn phone_gone(&mut self) {
        if self.outcome.is_none() && !self.rings() {
            if self.undialled > 0 {
                self.undialled -= 1;
                self.ring_left_ms = 20_000;
            } else {
                self.decide(verdict(self.worst));
            }
        }
    }
}

impl Schedule {
    pub(crate) fn run(seed: u64) -> Self {
        let mut schedule = Self {
            desk: Desk::with(RecordingPolicy::All, seed),
            rng: ChaCha12Rng::seed_from_u64(seed),
            calls: BTreeMap::new(),
            seen_effects: 0,
            seed,
        };
        for _ in 0..1 + schedule.roll(3) {
            schedule.customer_calls();
            for _ in 0..schedule.roll(25) {
                schedule.step();
            }
        }
        schedule.wind_up();
        schedule
    }

    fn roll(&mut self, below: u32) -> u32 {
        self.rng.next_u32() % below
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let below = u32::try_from(from.len()).unwrap();
        if below == 0 { None } else { Some(from[self.roll(below) as usize]) }
    }

    fn customer_calls(&mut self) {
        let owner = match self.roll(8) {
            0 => None,
            n => Some(user(u16::try_from(n % 2).unwrap())),
        };
        let devices: Vec<u16> = (0..u16::try_from(self.roll(4)).unwrap()).collect();
        let ring = if self.roll(2) == 0 { Ring::Together } else { Ring::InOrder };
        let in_order = ring == Ring::InOrder;
        let busy = owner.is_some()
            && self.calls.values().any(|other| other.owner == owner && other.state != Customer::Gone);
        let (call, customer) = self.desk.offer(owner);
        let mut model = Model {
            customer,
            state: Customer::Waits,
            owner,
            in_order,
            undialled: if in_order { devices.len().saturating_sub(1) } else { 0 },
            phones: BTreeMap::new(),
            answer_asked: false,
            ring_left_ms: 20_000,
            worst: 0,
            outcome: None,
            finals: 0,
            recording: None,
            closing: false,
        };
        if owner.is_none() || devices.is_empty() {
            model.decide(Outcome::NoAnswer);
        } else if busy {
            model.decide(Outcome::Busy);
        }
        self.calls.insert(call, model);
        self.give(Input::RouteFound { call, route: route(owner, &devices, ring) });
    }

    /// Gives an input, sometimes twice, and lets the network carry out what follows.
    fn give(&mut self, input: Input) {
        let again = self.roll(6) == 0;
        self.desk.give(input.clone());
        self.carry_out();
        if again {
            self.desk.give(input);
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        let fresh: Vec<Effect> = self.desk.effects[self.seen_effects..].iter().map(|e| e.0.clone()).collect();
        self.seen_effects = self.desk.effects.len();
        for effect in fresh {
            self.carry_out_one(effect);
        }
    }

    fn of_leg(&mut self, leg: LegId) -> &mut Model {
        let seed = self.seed;
        let mut models = self.calls.values_mut();
        models
            .find(|model| model.customer == leg || model.phones.contains_key(&leg))
            .unwrap_or_else(|| panic!("seed {seed}: leg {leg} belongs to no call"))
    }

    fn carry_out_one(&mut self, effect: Effect) {
        let seed = self.seed;
        match effect {
            Effect::DialDevice { leg, call, .. } => {
                let model = self.calls.get_mut(&call).unwrap();
                assert_eq!(model.state, Customer::Waits, "seed {seed}: dialled for nobody");
                if model.in_order {
                    assert!(!model.rings(), "seed {seed}: two devices ring in order");
                }
                assert!(model.phones.insert(leg, Phone::Rings).is_none(), "seed {seed}");
            }
            Effect::CancelLeg { leg } => {
                let phone = self.of_leg(leg).phones.get_mut(&leg).unwrap();
                assert_eq!(*phone, Phone::Rings, "seed {seed}: cancelled what does not ring");
                *phone = Phone::Cancelled;
            }
            Effect::HangUpLeg { leg, .. } => {
                let model = self.of_leg(leg);
                if model.customer == leg {
                    assert_eq!(model.state, Customer::Talks, "seed {seed}: BYE without a dialog");
                    model.state = Customer::Gone;
                } else {
                    let phone = model.phones.get_mut(&leg).unwrap();
                    assert_eq!(*phone, Phone::Talks, "seed {seed}: BYE to a phone that does not talk");
                    *phone = Phone::Down("hung up");
                }
            }
            Effect::AnswerLeg { leg } => self.of_leg(leg).answer_asked = true,
            Effect::RejectLeg { leg, .. } => {
                let model = self.of_leg(leg);
                assert_eq!(model.state, Customer::Waits, "seed {seed}: refused after an answer");
                model.state = Customer::Gone;
                model.finals += 1;
            }
            Effect::OpenRecording { recording, call } => {
                self.calls.get_mut(&call).unwrap().recording = Some(recording);
                self.desk.give(Input::RecordingOpened { recording, path: "x.wav".to_owned() });
            }
            Effect::CloseRecording { recording } => {
                let mut models = self.calls.values_mut();
                models.find(|model| model.recording == Some(recording)).unwrap().closing = true;
            }
            _ => {}
        }
    }

    fn step(&mut self) {
        let ids: Vec<CallId> = self.calls.keys().copied().collect();
        let Some(call) = self.pick(&ids) else { return };
        match self.roll(15) {
            0..=1 => {
                let ms = [10, 10, 3_000, 3_000, 20_000][self.roll(5) as usize];
                self.wait(ms);
            }
            2..=3 => self.phone_rings(call),
            4..=5 => self.phone_answers(call),
            6..=7 => self.phone_refuses(call),
            8 => self.customer_hangs_up(call),
            9 => self.our_200_leaves(call),
            10 => self.agent_hangs_up(call),
            11 => self.hold(call),
            12 => self.lookup(call),
            13 => self.another_is_named(call),
            _ => self.hang_up_in_the_interface(call),
        }
    }

    /// Waits to the next point where a ring time ends, so that the model sees each by itself.
    fn wait(&mut self, mut ms: i64) {
        if ms >= 3_000 {
            self.confirm_cancels();
        }
        while ms > 0 {
            let ringing = self.calls.values().filter(|m| m.outcome.is_none() && m.rings());
            let next = ringing.map(|m| m.ring_left_ms).min().unwrap_or(ms).min(ms).max(1);
            ms -= next;
            for model in self.calls.values_mut().filter(|m| m.outcome.is_none() && m.rings()) {
                model.ring_left_ms -= next;
                if model.ring_left_ms <= 0 {
                    model.worst = model.worst.max(RANG_OUT);
                    if model.undialled > 0 {
                        model.undialled -= 1;
                        model.ring_left_ms = 20_000;
                    } else {
                        model.decide(Outcome::NoAnswer.max(verdict(model.worst)));
                    }
                }
            }
            self.our_200s_leave();
            self.desk.wait_ms(u64::try_from(next).unwrap());
            self.carry_out();
        }
    }

    /// A CANCEL is answered within 64*T1 (RFC 3261 section 9.1), so never after a long wait.
    fn confirm_cancels(&mut self) {
        let ids: Vec<CallId> = self.calls.keys().copied().collect();
        for call in ids {
            for leg in self.phones(call, &[Phone::Cancelled]) {
                self.calls.get_mut(&call).unwrap().phones.insert(leg, Phone::Down("cancelled"));
                self.give(Input::LegRejected { leg, status: 487, reasons: Vec::new() });
            }
        }
    }

    fn phones(&self, call: CallId, wanted: &[Phone]) -> Vec<LegId> {
        let phones = self.calls[&call].phones.iter();
        phones.filter(|(_, phone)| wanted.contains(phone)).map(|(leg, _)| *leg).collect()
    }

    fn phone_rings(&mut self, call: CallId) {
        let legs = self.phones(call, &[Phone::Rings]);
        if let Some(leg) = self.pick(&legs) {
            self.give(Input::LegProgressed { leg, status: 180 });
        }
    }

    fn phone_answers(&mut self, call: CallId) {
        let legs = self.phones(call, &[Phone::Rings, Phone::Cancelled]);
        if let Some(leg) = self.pick(&legs) {
            self.calls.get_mut(&call).unwrap().phones.insert(leg, Phone::Talks);
            self.give(Input::LegAnswered { leg });
        }
    }

    fn phone_refuses(&mut self, call: CallId) {
        let legs = self.phones(call, &[Phone::Rings, Phone::Cancelled]);
        let Some(leg) = self.pick(&legs) else { return };
        let status = [486, 603, 480, 500, 403, 408][self.roll(6) as usize];
        let model = self.calls.get_mut(&call).unwrap();
        let cancelled = model.phones.insert(leg, Phone::Down("refused")) == Some(Phone::Cancelled);
        if !cancelled {
            model.worst = model.worst.max(weight(status));
            if status == 603 {
                model.decide(Outcome::Rejected);
            } else {
                model.phone_gone();
            }
        }
        let status = if cancelled { 487 } else { status };
        self.give(Input::LegRejected { leg, status, reasons: Vec::new() });
    }

    fn customer_hangs_up(&mut self, call: CallId) {
        let model = self.calls.get_mut(&call).unwrap();
        let leg = model.customer;
        match model.state {
            Customer::Waits => {
                model.state = Customer::Gone;
                model.finals += 1;
                model.decide(Outcome::Abandoned);
                self.give(Input::LegCancelled { leg, reasons: Vec::new() });
            }
            Customer::Talks => {
                model.state = Customer::Gone;
                self.give(Input::LegEnded { leg, by: EndCause::Remote, reasons: Vec::new() });
            }
            Customer::Gone => {}
        }
    }

    fn our_200_leaves(&mut self, call: CallId) {
        let model = self.calls.get_mut(&call).unwrap();
        if model.answer_asked && model.state == Customer::Waits {
            model.state = Customer::Talks;
            model.finals += 1;
            model.decide(Outcome::Answered);
            let leg = model.customer;
            self.give(Input::LegAnswered { leg });
        }
    }

    fn our_200s_leave(&mut self) {
        let ids: Vec<CallId> = self.calls.keys().copied().collect();
        for call in ids {
            self.our_200_leaves(call);
        }
    }

    fn agent_hangs_up(&mut self, call: CallId) {
        let legs = self.phones(call, &[Phone::Talks]);
        if let Some(leg) = self.pick(&legs) {
            let model = self.calls.get_mut(&call).unwrap();
            model.phones.insert(leg, Phone::Down("hung up itself"));
            if model.state == Customer::Waits {
                model.decide(Outcome::Rejected);
            }
            self.give(Input::LegEnded { leg, by: EndCause::Remote, reasons: Vec::new() });
        }
    }

    fn hold(&mut self, call: CallId) {
        let legs = self.phones(call, &[Phone::Talks]);
        if let Some(leg) = self.pick(&legs) {
            self.give(Input::LegHeld { leg });
            self.wait(10);
            self.give(Input::LegRetrieved { leg });
        }
    }

    fn lookup(&mut self, call: CallId) {
        if self.roll(2) == 0 {
            self.give(Input::LookupUnavailable { call });
        } else {
            let number = "+79101234567".to_owned();
            self.give(Input::ContactFound { call, number, candidates: vec![candidate(1, "exact")] });
        }
    }

    fn another_is_named(&mut self, call: CallId) {
        let leg = self.calls[&call].customer;
        let number = ["+79160000001", "102", "+79101234567"][self.roll(3) as usize].to_owned();
        self.give(Input::PartyNamed { leg, party: Caller { number: Some(number), ..Caller::default() } });
    }

    fn hang_up_in_the_interface(&mut self, call: CallId) {
        if self.roll(4) == 0 {
            if self.calls[&call].state == Customer::Waits {
                self.calls.get_mut(&call).unwrap().decide(Outcome::Rejected);
            }
            self.give(Input::HangUp { call, user: user(1) });
        }
    }

    /// Lets everything come to its end.
    fn wind_up(&mut self) {
        for _ in 0..8 {
            self.wait(20_000);
        }
        let ids: Vec<CallId> = self.calls.keys().copied().collect();
        for call in &ids {
            self.customer_hangs_up(*call);
            self.confirm_cancels();
            if let Some(recording) = self.calls[call].recording {
                assert!(self.calls[call].closing, "seed {}: a recording stays open", self.seed);
                self.give(Input::RecordingClosed(RecordingClosed {
                    recording,
                    state: RecordingState::Finished,
                    duration_ms: 1,
                    channels: 2,
                    sample_rate_hz: 8_000,
                    sha256: None,
                    spans: Vec::new(),
                }));
            }
        }
        self.wait(60_000);
    }

    pub(crate) fn signals_of(&self, call: CallId) -> Vec<Signal> {
        self.desk.signals.iter().filter(|signal| signal.call_id == call).cloned().collect()
    }
}
