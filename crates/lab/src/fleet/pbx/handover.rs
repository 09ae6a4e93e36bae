//! Customers whom an agent hands over: to whom, how it is asked for, and what becomes of it.

use std::time::{Duration, Instant};

use linecard_sip::message::{HeaderName, Method, Request, Response};
use linecard_sip::transaction::ClientTransactionId;

use super::leg::LegState;
use super::phones::Reaction;
use super::{Change, PAUSE, Pbx, PbxOutput, Task, Wish};
use crate::fleet::talk::{Asks, Handover, HoldOffer, Side, Taker, TakerEnd, Turn};
use crate::fleet::truth::{Asked, Handing};
use crate::fleet::world::{Mode, Network};

/// How soon is asked again what was refused: a colleague's last call may not be over at the server.
const AGAIN: Duration = Duration::from_millis(300);
/// How long two agents talk before the customer changes hands.
const AGENTS_TALK: Duration = Duration::from_millis(300);

/// The wish.
impl Pbx {
    pub(super) fn handover_of(&self, call: usize) -> Option<Handover> {
        match self.talk_of(call)?.turn {
            Turn::Handover(handover) => Some(handover),
            Turn::Straight | Turn::Hold(_) => None,
        }
    }

    /// Chooses who is to take the customer, whose desk is nobody else's until the call is over.
    pub(super) fn hand_over(&mut self, call: usize, now: Instant) {
        let Some(handover) = self.handover_of(call) else { return };
        let desk = match handover.to {
            Taker::Outside => None,
            Taker::Colleague => match self.idle_colleague(call) {
                Some(desk) => Some(desk),
                None => {
                    self.note(call, |deeds| deeds.handover = Some(Handing::NobodyIdle));
                    return self.end_later(call, now);
                }
            },
        };
        if let Some(seat) = desk.and_then(|desk| self.seats.get_mut(&desk)) {
            seat.call = Some(call);
        }
        self.note(call, |deeds| deeds.handover = Some(Handing::Asked(Asked::new(desk, now))));
        self.ask(call, now);
    }

    fn idle_colleague(&mut self, call: usize) -> Option<usize> {
        let own = self.world.calls.get(call)?.desk;
        let has_pops = |desk: &usize| self.world.desks.get(*desk).is_some_and(|it| it.mode == Mode::Anchor);
        let idle = self.seats.iter().filter(|(_, seat)| seat.call.is_none() && seat.away.is_none());
        let idle = idle.map(|(desk, _)| *desk);
        let idle: Vec<usize> = idle.filter(|desk| *desk != own && has_pops(desk)).collect();
        idle.get(self.chance.index(idle.len())).copied()
    }

    /// Asks for it, on the phone or in the interface.
    pub(super) fn ask(&mut self, call: usize, now: Instant) {
        let Some(handover) = self.handover_of(call).filter(|_| self.is_talking(call)) else { return };
        if !self.is_up(call, Side::Agent) {
            return self.later(now + AGAIN, Task::AskAgain(call));
        }
        self.note_asked(call, |asked| asked.at = now);
        let attended = handover.asks == Asks::InInterfaceAfterTalk;
        match handover.asks {
            Asks::OnPhone | Asks::OnPhoneAndLeaves => self.refer(call, now),
            Asks::OnPhoneAfterTalk => {
                self.change(call, Side::Agent, Change::Hold(HoldOffer::SendOnly), now);
                self.later(now + AGENTS_TALK, Task::Refer(call));
            }
            Asks::InInterface | Asks::InInterfaceAfterTalk => {
                if attended {
                    self.note(call, |deeds| deeds.held = Some((now, None)));
                }
                if let Some(to) = self.taker(call) {
                    self.outputs.push_back(PbxOutput::Ask { call, wish: Wish::HandOver { to, attended } });
                }
            }
        }
    }

    /// The number of the one who is to take the customer.
    fn taker(&self, call: usize) -> Option<String> {
        match self.deeds.get(&call)?.asked()?.desk {
            Some(desk) => Some(self.world.desks.get(desk)?.extension.clone()),
            None => Some(self.world.outside_number(call)),
        }
    }

    /// The phone sends REFER; after a talk of its own with the Replaces that names it.
    pub(super) fn refer(&mut self, call: usize, now: Instant) {
        let (Some(to), contact) = (self.taker(call), self.contact()) else { return };
        let (target, place) = (self.account_uri(&to), self.place_of_talk(call));
        let asks = self.handover_of(call).map(|handover| handover.asks);
        let leg = self.leg_of(call, Side::Agent).and_then(|id| self.legs.get_mut(&id));
        let Some(leg) = leg.filter(|leg| matches!(leg.state, LegState::Up)) else { return };
        let mut refer = leg.request(Method::Refer, &contact);
        let flow = self.door.flow(self.address, leg.server);
        let target = match asks {
            Some(Asks::OnPhoneAfterTalk) => {
                let place = place.replace('@', "%40").replace(';', "%3B").replace('=', "%3D");
                format!("<{target}?Replaces={place}>")
            }
            _ => format!("<{target}>"),
        };
        refer.headers.push(HeaderName::ReferTo, target);
        let transaction = self.layer.send_request(refer, flow, now);
        self.referrals.insert(transaction, call);
    }

    /// The talk of two phones within the PBX, as Replaces names it (RFC 3891).
    fn place_of_talk(&self, call: usize) -> String {
        format!("asked-{call}@{};to-tag=asked;from-tag=asks", self.address.ip())
    }

    /// Whoever is to take the place in a talk of two phones has to name it, and nobody else may.
    pub(super) fn check_place(&mut self, call: usize, request: &Request) {
        let after_talk = self.handover_of(call).is_some_and(|it| it.asks == Asks::OnPhoneAfterTalk);
        let expected = after_talk.then(|| self.place_of_talk(call));
        let found = request.headers.text(&HeaderName::Replaces);
        if found.as_deref() != expected.as_deref() {
            self.fault(
                call,
                format!("the one who is called was told to replace {found:?}, not {expected:?}"),
            );
        }
    }
}

/// What becomes of it.
impl Pbx {
    /// The server answered a REFER. False when the response is to something else.
    pub(super) fn referral_answered(
        &mut self,
        id: ClientTransactionId,
        response: &Response,
        now: Instant,
    ) -> bool {
        let Some(call) = self.referrals.get(&id).copied() else { return false };
        if response.status.is_provisional() {
            return true;
        }
        self.referrals.remove(&id);
        if !response.status.is_success() {
            let why = format!("REFER was refused with {}", response.status.get());
            self.refused_again(call, why, Task::Refer(call), now);
            return true;
        }
        let leaves = self.handover_of(call).is_some_and(|it| it.asks == Asks::OnPhoneAndLeaves);
        if let Some(leg) = self.leg_of(call, Side::Agent).filter(|_| leaves && self.is_open(call)) {
            self.note_asked(call, |asked| asked.left = Some(now));
            self.hang_up_leg_of(leg, now);
        }
        true
    }

    /// Notes that the server refused what an agent asked for.
    pub fn refused(&mut self, call: usize, wish: &Wish, why: &str, now: Instant) {
        match wish {
            Wish::Dial => {
                self.fault(call, format!("the click was refused: {why}"));
                self.finish(call, now);
            }
            Wish::HandOver { .. } => self.refused_again(call, why.to_owned(), Task::AskAgain(call), now),
            Wish::Complete | Wish::Retrieve => {
                self.refused_again(call, why.to_owned(), Task::Ask(call, wish.clone()), now);
            }
        }
    }

    /// What was refused is asked for again, as long as there is anything to ask for.
    fn refused_again(&mut self, call: usize, why: String, again: Task, now: Instant) {
        self.note(call, |deeds| deeds.refused = Some(why));
        if self.is_talking(call) {
            self.later(now + AGAIN, again);
        }
    }

    /// How the one who is to take the customer answers.
    pub(super) fn reaction_of_other(&self, call: usize) -> Reaction {
        match self.handover_of(call) {
            Some(Handover { asks: Asks::OnPhoneAfterTalk, .. }) => Reaction::IsThere,
            Some(Handover { end: TakerEnd::Answers { after_ms }, .. }) => Reaction::Answers(after_ms),
            Some(Handover { end: TakerEnd::Refuses { after_ms, status }, .. }) => {
                Reaction::Refuses { after_ms, status, rings: status == 603 }
            }
            Some(Handover { end: TakerEnd::RingsOut, .. }) | None => Reaction::Rings,
        }
    }

    /// Whether a number outside is called because a customer is to be handed over to it.
    pub(super) fn is_asked_for(&self, call: usize, number: &str) -> bool {
        self.is_open(call) && self.taker(call).as_deref() == Some(number)
    }

    /// The other is there: an agent who wants to ask first asks, and then lets go.
    pub(super) fn other_answered(&mut self, call: usize, now: Instant) {
        self.note_asked(call, |asked| asked.answered = Some(now));
        if self.handover_of(call).is_some_and(|it| it.asks == Asks::InInterfaceAfterTalk) {
            self.later(now + AGENTS_TALK, Task::Ask(call, Wish::Complete));
        }
    }

    /// The customer is the other's once the other is there and the agent is not.
    pub(super) fn taken_over(&mut self, call: usize, now: Instant) {
        if self.is_open(call) && self.is_up(call, Side::Other) && self.is_over(call, Side::Agent) {
            self.note_asked(call, |asked| asked.taken = Some(now));
            self.retrieved(call, now);
            self.end_later(call, now);
        }
    }

    /// The other is gone without the customer: the agent goes on, if not gone too.
    pub(super) fn not_taken_over(&mut self, call: usize, now: Instant) {
        let Some(handover) = self.handover_of(call).filter(|_| self.is_open(call)) else { return };
        let answers = matches!(handover.end, TakerEnd::Answers { .. });
        if answers && self.world.plan.network == Network::Good {
            self.fault(call, "the one who was to take the customer was let go".to_owned());
        }
        if self.is_over(call, Side::Agent) {
            return;
        }
        if handover.asks == Asks::InInterfaceAfterTalk {
            self.outputs.push_back(PbxOutput::Ask { call, wish: Wish::Retrieve });
        }
        self.back(call, now);
    }

    /// The agent who had left is rung again and answers.
    pub(super) fn has_customer_back(&mut self, call: usize, now: Instant) {
        self.hung_up_too_soon(call);
        let left = self.deeds.get(&call).and_then(|deeds| deeds.asked()?.left);
        if left.is_some() && self.is_open(call) {
            self.back(call, now);
        }
    }

    /// An agent who hung up before the server knew that the other refused has left the customer to the other, and not ended
    /// the talk.
    fn hung_up_too_soon(&mut self, call: usize) {
        let Some(deeds) = self.deeds.get_mut(&call).filter(|deeds| deeds.over.is_none()) else { return };
        if let (Some((Side::Agent, at)), Some(Handing::Asked(asked))) = (deeds.hung_up, &mut deeds.handover)
            && asked.taken.is_none()
        {
            (asked.left, asked.back) = (Some(at), None);
            (deeds.hung_up, deeds.let_go) = (None, None);
        }
    }

    fn back(&mut self, call: usize, now: Instant) {
        self.note_asked(call, |asked| asked.back = Some(now));
        self.retrieved(call, now);
        self.end_later(call, now);
    }

    /// Nobody holds the customer any more.
    pub(super) fn retrieved(&mut self, call: usize, now: Instant) {
        self.note(call, |deeds| {
            if let Some((_, until)) = &mut deeds.held {
                until.get_or_insert(now);
            }
        });
    }

    /// The rest of the talk, with whoever has the customer.
    fn end_later(&mut self, call: usize, now: Instant) {
        let Some(talk) = self.talk_of(call) else { return };
        let taken = self.deeds.get(&call).is_some_and(|it| it.asked().is_some_and(|it| it.taken.is_some()));
        let ends = if taken && talk.ends == Side::Agent { Side::Other } else { talk.ends };
        self.later(now + Duration::from_millis(talk.talk_ms * 2 / 3), Task::HangUp(call, ends));
    }

    /// The agent's phone is told how its REFER goes (RFC 3515 section 2.4.5).
    pub(super) fn told_of_referral(&mut self, call: usize, fragment: &[u8]) {
        let line = String::from_utf8_lossy(fragment);
        let status = line.split_ascii_whitespace().nth(1).and_then(|code| code.parse::<u16>().ok());
        if let Some(status) = status.filter(|status| *status >= 200) {
            self.note_asked(call, |asked| {
                asked.told.get_or_insert(status);
            });
        }
    }

    /// The call is over: the colleague rests, and a phone that waited has to know what came of it.
    pub(super) fn let_taker_go(&mut self, call: usize, now: Instant) {
        let asked = self.deeds.get(&call).and_then(|deeds| deeds.asked().cloned());
        let (Some(asked), Some(handover)) = (asked, self.handover_of(call)) else { return };
        if let Some(desk) = asked.desk {
            self.later(now + PAUSE, Task::Free(desk, call));
        }
        let waited = matches!(handover.asks, Asks::OnPhone | Asks::OnPhoneAfterTalk);
        let due = match handover.end {
            TakerEnd::Answers { .. } => 200,
            TakerEnd::RingsOut => 480,
            TakerEnd::Refuses { status, .. } => status,
        };
        let good = self.world.plan.network == Network::Good;
        if good && waited && asked.told != Some(due) {
            self.fault(call, format!("the phone was told {:?} of its REFER instead of {due}", asked.told));
        }
    }
}

/// How it stands.
impl Pbx {
    pub(super) fn note_asked(&mut self, call: usize, note: impl FnOnce(&mut Asked)) {
        self.note(call, |deeds| {
            if let Some(Handing::Asked(asked)) = &mut deeds.handover {
                note(asked);
            }
        });
    }

    /// Whether it was asked for and nothing has come of it.
    fn is_open(&self, call: usize) -> bool {
        let asked = self.deeds.get(&call).and_then(|deeds| deeds.asked());
        asked.is_some_and(Asked::is_open) && self.is_talking(call)
    }

    /// Whether the customer's end is connected.
    fn is_talking(&self, call: usize) -> bool {
        self.deeds.get(&call).is_some_and(|deeds| deeds.connected.is_some() && deeds.over.is_none())
    }

    fn is_up(&self, call: usize, side: Side) -> bool {
        let leg = self.leg_of(call, side).and_then(|id| self.legs.get(&id));
        leg.is_some_and(|leg| matches!(leg.state, LegState::Up))
    }

    fn is_over(&self, call: usize, side: Side) -> bool {
        let leg = self.leg_of(call, side).and_then(|id| self.legs.get(&id));
        leg.is_some_and(super::leg::Leg::is_over)
    }
}
