//! Hold, and the customer handed over: at once, after a question, back to the agent; one interaction whatever happens.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Desk, route, shuffled, user};
use linecard_calls::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

fn to_user(n: u16, devices: &[u16], ring: Ring) -> TransferTarget {
    TransferTarget::User { name: Some(format!("user {n}")), route: route(Some(user(n)), devices, ring) }
}

fn to_number(number: &str) -> TransferTarget {
    TransferTarget::Number { number: number.to_owned(), dialled: number.to_owned(), replaces: None }
}

fn request(kind: TransferKind, to: TransferTarget) -> TransferRequest {
    TransferRequest { by: user(1), by_name: Some("Мария".to_owned()), kind, to, asked_on: None }
}

fn agent_is(n: u16) -> Viewer {
    Viewer { user_id: user(n), role: Role::Agent }
}

/// What the desk says from here on.
struct Since {
    effects: usize,
    events: usize,
}

impl Since {
    fn now(desk: &Desk) -> Self {
        Self { effects: desk.effects.len(), events: desk.events.len() }
    }

    fn effects(&self, desk: &Desk) -> Vec<Effect> {
        desk.effects[self.effects..].iter().map(|(effect, _)| effect.clone()).collect()
    }

    fn events(&self, desk: &Desk) -> Vec<&'static str> {
        desk.events[self.events..].iter().map(Event::name).collect()
    }
}

fn begin(desk: &mut Desk, call: CallId, request: TransferRequest) -> LegId {
    let before: BTreeSet<LegId> = desk.dialled().into_iter().chain(dialled_others(desk)).collect();
    desk.give(Input::TransferRequested { call, request });
    let after = desk.dialled().into_iter().chain(dialled_others(desk));
    after.into_iter().find(|leg| !before.contains(leg)).expect("somebody is rung")
}

fn dialled_others(desk: &Desk) -> Vec<LegId> {
    let other = |(effect, _): &(Effect, _)| match effect {
        Effect::DialOther { leg, .. } => Some(*leg),
        _ => None,
    };
    desk.effects.iter().filter_map(other).collect()
}

fn pop_of(desk: &Desk, n: u16) -> Option<Pop> {
    let pop = |event: &Event| match event {
        Event::PopShown(pop) | Event::PopUpdated(pop) | Event::PopRetracted(pop)
            if pop.user_id == user(n) =>
        {
            Some(pop.clone())
        }
        _ => None,
    };
    desk.events.iter().filter_map(pop).next_back()
}

#[test]
fn the_agent_holds_in_the_interface_and_takes_the_customer_back() {
    let mut desk = Desk::with(RecordingPolicy::All, 1);
    let (call, customer, agent) = desk.talking();
    let recording = match desk.effects.iter().find_map(|(effect, _)| match effect {
        Effect::OpenRecording { recording, .. } => Some(*recording),
        _ => None,
    }) {
        Some(recording) => recording,
        None => panic!("the talk is recorded"),
    };
    let since = Since::now(&desk);
    desk.give(Input::HoldRequested { call, user: user(1) });
    desk.give(Input::HoldRequested { call, user: user(1) });
    let view = desk.engine.call(call).unwrap();
    assert_eq!((view.state, view.held_by), (CallState::Held, Some(HeldBy::Agent)));
    assert_eq!(
        since.effects(&desk),
        [
            Effect::UnbridgeMedia { leg: customer },
            Effect::HoldLeg { leg: customer },
            Effect::PlayTone { leg: customer, tone: Tone::Hold },
            Effect::BeginSpan { recording, kind: SpanKind::Hold },
        ]
    );
    desk.wait_ms(4_000);
    let since = Since::now(&desk);
    desk.give(Input::RetrieveRequested { call, user: user(1) });
    assert_eq!(
        since.effects(&desk),
        [
            Effect::StopTone { leg: customer },
            Effect::RetrieveLeg { leg: customer },
            Effect::BridgeMedia { customer, agent },
            Effect::EndSpan { recording, kind: SpanKind::Hold },
        ]
    );
    assert_eq!(since.events(&desk), ["call.retrieved"]);
    desk.bye(customer);
    desk.give(Input::RecordingFailed { recording, why: "test".to_owned() });
    assert_eq!(desk.interaction().hold_ms, Some(4_000));
}

#[test]
fn a_phone_on_hold_lets_the_customers_side_know_and_holds_of_both_end_one_by_one() {
    let mut desk = Desk::new();
    let (call, customer, agent) = desk.talking();
    let since = Since::now(&desk);
    desk.give(Input::LegHeld { leg: agent });
    assert_eq!(
        since.effects(&desk),
        [Effect::HoldLeg { leg: customer }, Effect::PlayTone { leg: customer, tone: Tone::Hold }]
    );
    desk.give(Input::HoldRequested { call, user: user(1) });
    assert_eq!(desk.count(&Effect::HoldLeg { leg: customer }), 1, "told once");
    desk.give(Input::LegHeld { leg: customer });
    assert_eq!(desk.engine.call(call).unwrap().held_by, Some(HeldBy::Both));
    let since = Since::now(&desk);
    desk.give(Input::LegRetrieved { leg: agent });
    assert_eq!(desk.count(&Effect::RetrieveLeg { leg: customer }), 0, "still held in the interface");
    desk.give(Input::RetrieveRequested { call, user: user(1) });
    assert_eq!(desk.count(&Effect::RetrieveLeg { leg: customer }), 1);
    assert_eq!(desk.engine.call(call).unwrap().held_by, Some(HeldBy::Customer));
    desk.give(Input::LegRetrieved { leg: customer });
    assert_eq!(since.events(&desk), ["call.held", "call.held", "call.retrieved"]);
}

#[test]
fn the_customers_own_hold_is_passed_on_to_nobody() {
    let mut desk = Desk::new();
    let (call, customer, _) = desk.talking();
    let since = Since::now(&desk);
    desk.give(Input::LegHeld { leg: customer });
    assert_eq!(since.effects(&desk), []);
    assert_eq!(desk.engine.call(call).unwrap().held_by, Some(HeldBy::Customer));
}

#[test]
fn a_colleague_takes_the_customer_over_at_once() {
    let mut desk = Desk::new();
    let (call, customer, agent) = desk.talking();
    desk.give(Input::Edited {
        call,
        edit: Edit::Notes { notes: "Спрашивает о счёте".to_owned(), user: user(1) },
    });
    let since = Since::now(&desk);
    let other = begin(&mut desk, call, request(TransferKind::Blind, to_user(2, &[2], Ring::Together)));
    assert!(since.effects(&desk).contains(&Effect::UnbridgeMedia { leg: customer }));
    let pop = pop_of(&desk, 2).unwrap();
    assert_eq!(
        (pop.state, pop.number.as_deref(), pop.transferred_by.map(|by| by.user_id)),
        (PopState::Ringing, Some("+79101234567"), Some(user(1)))
    );
    let view = desk.engine.call(call).unwrap();
    let transfer = view.transfer.unwrap();
    assert_eq!(
        (view.state, transfer.stage, transfer.user_id),
        (CallState::Held, TransferStage::Ringing, Some(user(2)))
    );
    assert!(view.user_ids.contains(&user(2)), "the colleague may see it");
    desk.give(Input::LegProgressed { leg: other, status: 180 });
    assert_eq!(desk.count(&Effect::PlayTone { leg: customer, tone: Tone::Ringback }), 1);
    desk.wait_ms(2_000);
    let since = Since::now(&desk);
    desk.give(Input::LegAnswered { leg: other });
    assert_eq!(
        since.effects(&desk),
        [
            Effect::StopTone { leg: customer },
            Effect::BridgeMedia { customer, agent: other },
            Effect::HangUpLeg { leg: agent, reason: HangUpReason::Transferred },
            Effect::ReleaseLeg { leg: agent },
        ]
    );
    assert!(since.events(&desk).contains(&"call.transferred"));
    assert_eq!(pop_of(&desk, 1).unwrap().state, PopState::Ended);
    assert_eq!(pop_of(&desk, 2).unwrap().state, PopState::Mine);
    let view = desk.engine.call(call).unwrap();
    assert_eq!((view.state, view.user_id, view.transfer), (CallState::Answered, Some(user(2)), None));
    desk.wait_ms(5_000);
    desk.bye(other);
    let interaction = desk.interaction();
    assert_eq!(interaction.outcome, Some(Outcome::Answered));
    assert_eq!(interaction.user_id, Some(user(1)), "who took the call first");
    assert_eq!(interaction.hangup_by, Some(HangupBy::Agent));
    assert_eq!(interaction.notes.as_deref(), Some("Спрашивает о счёте"));
    assert_eq!(interaction.talk_ms, Some(7_000));
    assert_eq!(interaction.legs.len(), 3);
    let sees = [1, 2, 3].map(|n| interaction.visible_to(&agent_is(n)));
    assert_eq!(sees, [true, true, false], "who talked, and nobody else");
}

#[test]
fn a_colleague_sees_the_call_while_the_phone_rings_and_no_longer_when_it_was_not_taken() {
    let mut desk = Desk::new();
    let (call, customer, _) = desk.talking();
    let other = begin(&mut desk, call, request(TransferKind::Blind, to_user(2, &[2], Ring::Together)));
    let seen = |desk: &Desk| desk.engine.live_interaction(call).is_some_and(|it| it.visible_to(&agent_is(2)));
    assert!(seen(&desk), "what was noted is read before the answer");
    desk.reject(other, 486);
    assert!(!seen(&desk));
    desk.bye(customer);
    assert!(!desk.interaction().visible_to(&agent_is(2)));
}

#[test]
fn a_colleague_is_asked_first_and_the_agents_hang_up_connects_the_two() {
    for by_phone in [false, true] {
        let mut desk = Desk::new();
        let (call, customer, agent) = desk.talking();
        let other = begin(&mut desk, call, request(TransferKind::Attended, to_user(2, &[2], Ring::Together)));
        assert_eq!(desk.count(&Effect::HoldLeg { leg: customer }), 1);
        desk.give(Input::LegProgressed { leg: other, status: 180 });
        assert_eq!(desk.count(&Effect::PlayTone { leg: agent, tone: Tone::Ringback }), 1);
        desk.give(Input::LegAnswered { leg: other });
        assert_eq!(desk.count(&Effect::BridgeMedia { customer: agent, agent: other }), 1);
        let view = desk.engine.call(call).unwrap();
        assert_eq!(view.transfer.unwrap().stage, TransferStage::Talking);
        assert_eq!(view.held_by, Some(HeldBy::Agent));
        assert_eq!(pop_of(&desk, 1).unwrap().state, PopState::Mine, "still the agent's");
        desk.wait_ms(3_000);
        assert_eq!(desk.engine.may_complete(call, &agent_is(1)), Ok(()));
        if by_phone {
            desk.bye(agent);
        } else {
            desk.give(Input::TransferCompleted { call, user: user(1) });
            assert_eq!(desk.count(&Effect::HangUpLeg { leg: agent, reason: HangUpReason::Transferred }), 1);
        }
        assert_eq!(desk.count(&Effect::BridgeMedia { customer, agent: other }), 1);
        assert_eq!(desk.count(&Effect::RetrieveLeg { leg: customer }), 1);
        let view = desk.engine.call(call).unwrap();
        assert_eq!((view.state, view.user_id, view.held_by), (CallState::Answered, Some(user(2)), None));
        desk.wait_ms(1_000);
        desk.bye(customer);
        let interaction = desk.interaction();
        assert_eq!((interaction.hold_ms, interaction.talk_ms), (Some(3_000), Some(4_000)));
        assert_eq!(interaction.hangup_by, Some(HangupBy::Caller));
    }
}

#[test]
fn the_agent_takes_the_customer_back_whatever_the_other_does() {
    for talks in [false, true] {
        let mut desk = Desk::new();
        let (call, customer, agent) = desk.talking();
        let other = begin(&mut desk, call, request(TransferKind::Attended, to_number("105")));
        if talks {
            desk.give(Input::LegAnswered { leg: other });
        }
        desk.give(Input::RetrieveRequested { call, user: user(1) });
        let given_up = if talks {
            Effect::HangUpLeg { leg: other, reason: HangUpReason::Requested }
        } else {
            Effect::CancelLeg { leg: other }
        };
        assert_eq!(desk.count(&given_up), 1);
        assert_eq!(desk.effects.last().unwrap().0, Effect::BridgeMedia { customer, agent });
        let view = desk.engine.call(call).unwrap();
        assert_eq!((view.state, view.transfer, view.user_id), (CallState::Answered, None, Some(user(1))));
    }
}

#[test]
fn the_other_does_not_come_and_the_customer_is_back_at_once() {
    let faults =
        [(486, TransferFault::Busy), (603, TransferFault::Declined), (404, TransferFault::Unreachable)];
    for (status, why) in faults {
        let mut desk = Desk::new();
        let (call, customer, agent) = desk.talking();
        let other = begin(&mut desk, call, request(TransferKind::Blind, to_number("+79161112233")));
        let since = Since::now(&desk);
        desk.reject(other, status);
        assert!(
            desk.signals.iter().any(|signal| signal.body == SignalBody::TransferFailed { why }),
            "{status}"
        );
        assert!(since.effects(&desk).contains(&Effect::BridgeMedia { customer, agent }));
        assert_eq!(since.events(&desk), ["call.retrieved"]);
    }
    let mut desk = Desk::new();
    let (call, customer, agent) = desk.talking();
    let to = to_user(2, &[2, 3], Ring::InOrder);
    let first = begin(&mut desk, call, request(TransferKind::Blind, to));
    desk.wait_ms(20_100);
    assert_eq!(desk.count(&Effect::CancelLeg { leg: first }), 1);
    let second = *desk.dialled().last().unwrap();
    assert_ne!(first, second, "the next phone rings");
    desk.wait_ms(20_100);
    assert_eq!(desk.count(&Effect::BridgeMedia { customer, agent }), 2, "as at the answer");
    assert_eq!(pop_of(&desk, 2).unwrap().state, PopState::Elsewhere);
}

#[test]
fn an_agent_who_left_is_rung_again_and_then_the_customer_is_let_go() {
    let mut desk = Desk::new();
    let (call, customer, agent) = desk.talking();
    let other = begin(&mut desk, call, request(TransferKind::Blind, to_user(2, &[2], Ring::Together)));
    desk.give(Input::LegProgressed { leg: other, status: 180 });
    desk.bye(agent);
    assert!(desk.engine.call(call).is_some(), "the customer waits");
    assert_eq!(desk.engine.dial_standing(user(1), "105"), DialStanding::Free, "the agent is free");
    desk.reject(other, 486);
    let again = *desk.dialled().last().unwrap();
    assert_ne!(again, other);
    let view = desk.engine.call(call).unwrap();
    assert_eq!(view.transfer.as_ref().map(|transfer| transfer.kind), Some(TransferKind::Recall));
    assert_eq!(pop_of(&desk, 1).unwrap().state, PopState::Ringing, "the agent sees who comes back");
    desk.reject(again, 480);
    assert_eq!(desk.count(&Effect::HangUpLeg { leg: customer, reason: HangUpReason::OtherPartyGone }), 1);
    assert_eq!(desk.interaction().outcome, Some(Outcome::Answered));
}

#[test]
fn the_one_who_is_asked_hangs_up_and_the_customer_still_waits() {
    let mut desk = Desk::new();
    let (call, customer, _) = desk.talking();
    let other = begin(&mut desk, call, request(TransferKind::Attended, to_number("105")));
    desk.give(Input::LegAnswered { leg: other });
    desk.bye(other);
    let view = desk.engine.call(call).unwrap();
    assert_eq!((view.transfer, view.held_by), (None, Some(HeldBy::Agent)));
    assert_eq!(desk.count(&Effect::RetrieveLeg { leg: customer }), 0);
    assert_eq!(desk.engine.may_transfer(call, &agent_is(1), &to_number("106")), Ok(user(1)), "once more");
}

#[test]
fn a_customer_who_leaves_ends_the_transfer_too() {
    for talks in [false, true] {
        let mut desk = Desk::new();
        let (call, customer, agent) = desk.talking();
        let other = begin(&mut desk, call, request(TransferKind::Attended, to_user(2, &[2], Ring::Together)));
        if talks {
            desk.give(Input::LegAnswered { leg: other });
        }
        desk.bye(customer);
        let gone = HangUpReason::OtherPartyGone;
        assert_eq!(desk.count(&Effect::HangUpLeg { leg: agent, reason: gone }), 1);
        let other_gone = if talks {
            Effect::HangUpLeg { leg: other, reason: gone }
        } else {
            Effect::CancelLeg { leg: other }
        };
        assert_eq!(desk.count(&other_gone), 1);
        assert_eq!(pop_of(&desk, 2).unwrap().state, PopState::Ended, "no missed call of the colleague");
        assert_eq!(desk.interaction().outcome, Some(Outcome::Answered));
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let mut desk = Desk::new();
    let (call, ..) = desk.talking();
    let free = to_user(2, &[2], Ring::Together);
    let may = |desk: &Desk, who: &Viewer, to: &TransferTarget| desk.engine.may_transfer(call, who, to);
    assert_eq!(may(&desk, &agent_is(3), &free), Err(TalkRefusal::NotTalking), "another agent's call");
    let supervisor = Viewer { user_id: user(3), role: Role::Supervisor };
    assert_eq!(may(&desk, &supervisor, &free), Ok(user(1)));
    let myself = to_user(1, &[1], Ring::Together);
    assert_eq!(may(&desk, &agent_is(1), &myself), Err(TalkRefusal::SameUser));
    assert_eq!(may(&desk, &agent_is(1), &to_user(2, &[], Ring::Together)), Err(TalkRefusal::NoDevice));
    assert_eq!(desk.engine.may_complete(call, &agent_is(1)), Err(TalkRefusal::NoTransfer));
    let (other_call, _) = desk.offer_from(Some(user(2)), Some("+79160000000"));
    desk.route(other_call, route(Some(user(2)), &[2], Ring::Together));
    assert_eq!(may(&desk, &agent_is(1), &free), Err(TalkRefusal::UserInCall));
    begin(&mut desk, call, request(TransferKind::Blind, to_number("105")));
    assert_eq!(may(&desk, &agent_is(1), &to_number("106")), Err(TalkRefusal::TransferUnderWay));
    assert_eq!(desk.engine.may_hold(call, &agent_is(1)), Err(TalkRefusal::TransferUnderWay));
    assert_eq!(desk.engine.may_complete(call, &agent_is(1)), Err(TalkRefusal::TransferUnderWay));
    let nowhere = common::named::<CallId>(7, 99);
    assert_eq!(desk.engine.may_hold(nowhere, &agent_is(1)), Err(TalkRefusal::NotTalking));
}

#[test]
fn a_customer_whom_the_pbx_has_connected_is_over_here_and_stays_the_first_callers_interaction() {
    let mut desk = Desk::new();
    let (call, customer, agent) = desk.talking();
    let number = || "105".to_owned();
    desk.give(Input::ReferralSent { call, user: user(1), number: number() });
    assert_eq!(desk.engine.call(call).unwrap().state, CallState::Answered, "they talk on");
    desk.give(Input::ReferralFailed { call, status: 486 });
    desk.give(Input::ReferralSent { call, user: user(1), number: number() });
    desk.give(Input::HandedToPbx { call, number: number() });
    for leg in [customer, agent] {
        assert_eq!(desk.count(&Effect::HangUpLeg { leg, reason: HangUpReason::Transferred }), 1);
    }
    let interaction = desk.interaction();
    assert_eq!(interaction.outcome, Some(Outcome::Answered));
    assert_eq!(pop_of(&desk, 1).unwrap().state, PopState::Ended);
    assert_eq!(desk.engine.dial_standing(user(1), "106"), DialStanding::Free);
}

#[test]
fn a_customer_who_is_being_handed_over_here_is_not_let_go_for_what_the_pbx_says() {
    let mut desk = Desk::new();
    let (call, customer, _) = desk.talking();
    begin(&mut desk, call, request(TransferKind::Blind, to_number("105")));
    desk.give(Input::HandedToPbx { call, number: "105".to_owned() });
    let hung_up =
        |(effect, _): &(Effect, _)| matches!(effect, Effect::HangUpLeg { leg, .. } if *leg == customer);
    assert!(!desk.effects.iter().any(hung_up));
}

#[test]
fn a_customer_whom_the_pbx_connects_with_the_one_who_was_asked_leaves_with_everybody() {
    let mut desk = Desk::new();
    let (call, customer, agent) = desk.talking();
    assert_eq!(desk.engine.consultation(call), None);
    let other = begin(&mut desk, call, request(TransferKind::Attended, to_number("105")));
    assert_eq!(desk.engine.consultation(call), None, "it only rings");
    desk.give(Input::LegAnswered { leg: other });
    let asked = desk.engine.consultation(call).map(|(leg, request)| (leg, request.to.clone()));
    assert_eq!(asked, Some((other, to_number("105"))));
    desk.give(Input::ReferralSent { call, user: user(1), number: "105".to_owned() });
    desk.give(Input::HandedToPbx { call, number: "105".to_owned() });
    for leg in [customer, agent, other] {
        assert_eq!(desk.count(&Effect::HangUpLeg { leg, reason: HangUpReason::Transferred }), 1, "{leg}");
    }
    assert_eq!(desk.interaction().outcome, Some(Outcome::Answered));
    assert_eq!(desk.engine.dial_standing(user(1), "106"), DialStanding::Free);
}

#[test]
fn who_handed_a_customer_to_a_number_is_free_and_the_call_goes_on() {
    let mut desk = Desk::new();
    let (call, customer, agent) = desk.talking();
    let other = begin(&mut desk, call, request(TransferKind::Blind, to_number("+79161112233")));
    desk.give(Input::LegAnswered { leg: other });
    assert_eq!(desk.count(&Effect::HangUpLeg { leg: agent, reason: HangUpReason::Transferred }), 1);
    assert_eq!(desk.engine.dial_standing(user(1), "105"), DialStanding::Free);
    assert_eq!(pop_of(&desk, 1).unwrap().state, PopState::Ended);
    let view = desk.engine.call(call).unwrap();
    assert_eq!((view.state, view.user_id), (CallState::Answered, Some(user(1))));
    desk.bye(customer);
    let numbers: Vec<_> = desk.interaction().legs.iter().filter_map(|leg| leg.number.clone()).collect();
    assert_eq!(numbers, ["+79161112233"]);
}

#[test]
fn a_phone_that_asked_by_refer_is_told_how_it_goes() {
    for (end, status) in [(None, 200), (Some(486), 486), (Some(480), 503)] {
        let mut desk = Desk::new();
        let (call, _, agent) = desk.talking();
        let asked =
            TransferRequest { asked_on: Some(agent), ..request(TransferKind::Blind, to_number("105")) };
        let other = begin(&mut desk, call, asked);
        desk.give(Input::LegProgressed { leg: other, status: 180 });
        match end {
            None => desk.give(Input::LegAnswered { leg: other }),
            Some(refusal) => desk.reject(other, refusal),
        }
        for told in [180, status] {
            assert_eq!(desk.count(&Effect::TellReferrer { leg: agent, status: told }), 1, "{end:?}: {told}");
        }
    }
}

/// One random life of a call that is held and handed over, with everything that the parties do.
struct Life {
    desk: Desk,
    call: CallId,
    customer: LegId,
    /// Legs that were answered and neither hung up nor lost.
    up: BTreeSet<LegId>,
    /// Legs that were dialled and are neither answered nor over.
    ringing: BTreeSet<LegId>,
    cancelled: BTreeSet<LegId>,
    seen: usize,
    /// Who hears whom.
    bridges: BTreeMap<LegId, LegId>,
}

impl Life {
    fn begin(seed: u64) -> Self {
        let mut desk = Desk::with(RecordingPolicy::Nothing, seed);
        let (call, customer, agent) = desk.talking();
        let seen = desk.effects.len();
        let bridges = BTreeMap::from([(customer, agent), (agent, customer)]);
        let up = BTreeSet::from([customer, agent]);
        let (ringing, cancelled) = (BTreeSet::new(), BTreeSet::new());
        Self { desk, call, customer, up, ringing, cancelled, seen, bridges }
    }

    fn unbridge(&mut self, leg: LegId) {
        if let Some(other) = self.bridges.remove(&leg) {
            self.bridges.remove(&other);
        }
    }

    /// Carries out what the engine said since the last time.
    fn obey(&mut self) {
        let new: Vec<Effect> =
            self.desk.effects[self.seen..].iter().map(|(effect, _)| effect.clone()).collect();
        self.seen = self.desk.effects.len();
        for effect in new {
            match effect {
                Effect::DialDevice { leg, .. } | Effect::DialOther { leg, .. } => {
                    self.ringing.insert(leg);
                }
                Effect::CancelLeg { leg } => {
                    self.cancelled.insert(leg);
                }
                Effect::HangUpLeg { leg, .. } => {
                    assert!(self.up.remove(&leg), "a leg is hung up that is not up");
                    self.unbridge(leg);
                }
                Effect::BridgeMedia { customer, agent } => {
                    self.unbridge(customer);
                    self.unbridge(agent);
                    self.bridges.extend([(customer, agent), (agent, customer)]);
                }
                Effect::UnbridgeMedia { leg } => self.unbridge(leg),
                _ => {}
            }
        }
    }

    fn step(&mut self, rng: &mut ChaCha12Rng) {
        let mut pick = |n: usize| rng.next_u32() as usize % n.max(1);
        let call = self.call;
        match pick(40) {
            39 => self.desk.give(Input::HandedToPbx { call, number: "105".to_owned() }),
            n => self.act(n % 12, rng),
        }
        self.obey();
    }

    fn act(&mut self, what: usize, rng: &mut ChaCha12Rng) {
        let mut pick = |n: usize| rng.next_u32() as usize % n.max(1);
        let (call, user1) = (self.call, user(1));
        match what {
            0 => self.desk.give(Input::HoldRequested { call, user: user1 }),
            1 => self.desk.give(Input::RetrieveRequested { call, user: user1 }),
            2 | 3 => {
                let kind = [TransferKind::Blind, TransferKind::Attended][pick(2)];
                let to = match pick(3) {
                    0 => to_user(2, &[2], Ring::Together),
                    1 => to_user(3, &[3, 4], [Ring::Together, Ring::InOrder][pick(2)]),
                    _ => to_number("105"),
                };
                let by = self.desk.engine.call(call).and_then(|view| view.user_id).unwrap_or(user1);
                let viewer = Viewer { user_id: by, role: Role::Supervisor };
                if self.desk.engine.may_transfer(call, &viewer, &to).is_ok() {
                    let request = TransferRequest { by, ..request(kind, to) };
                    self.desk.give(Input::TransferRequested { call, request });
                }
            }
            4 => self.desk.give(Input::TransferCompleted { call, user: user1 }),
            5..=7 => {
                let rings: Vec<LegId> = self.ringing.iter().copied().collect();
                if let Some(leg) = rings.get(pick(rings.len())).copied() {
                    self.phone(leg, pick(4));
                }
            }
            8 => {
                let up: Vec<LegId> = self.up.iter().copied().collect();
                if let Some(leg) = up.get(pick(up.len())).copied() {
                    self.up.remove(&leg);
                    self.unbridge(leg);
                    self.desk.bye(leg);
                }
            }
            9 => {
                let up: Vec<LegId> = self.up.iter().copied().collect();
                let leg = up.get(pick(up.len())).copied().unwrap_or(self.customer);
                self.desk.give(if pick(2) == 0 {
                    Input::LegHeld { leg }
                } else {
                    Input::LegRetrieved { leg }
                });
            }
            _ => {
                let ms = [500, 5_000, 21_000][pick(3)];
                // A CANCEL is answered within 32 s (RFC 3261 section 9.1).
                let late: Vec<LegId> = self.ringing.intersection(&self.cancelled).copied().collect();
                for leg in late.into_iter().filter(|_| ms > 20_000) {
                    self.phone(leg, 3);
                }
                self.desk.wait_ms(ms);
            }
        }
    }

    /// A phone that rings does something.
    fn phone(&mut self, leg: LegId, what: usize) {
        match what {
            0 => self.desk.give(Input::LegProgressed { leg, status: 180 }),
            1 if self.cancelled.contains(&leg) => {
                self.ringing.remove(&leg);
                self.desk.reject(leg, 487);
            }
            1 | 2 => {
                self.ringing.remove(&leg);
                self.up.insert(leg);
                self.desk.give(Input::LegAnswered { leg });
            }
            _ => {
                self.ringing.remove(&leg);
                self.desk.reject(leg, if self.cancelled.contains(&leg) { 487 } else { 486 });
            }
        }
    }

    fn check(&self, seed: u64) {
        let Some(view) = self.desk.engine.call(self.call) else { return };
        assert!(self.up.contains(&self.customer), "seed {seed}: a call without its customer");
        let with = self.bridges.get(&self.customer).copied();
        match (view.held_by, view.transfer) {
            (_, Some(_)) => assert_eq!(with, None, "seed {seed}: nobody hears a customer who is handed over"),
            (Some(HeldBy::Agent | HeldBy::Both), None) => {}
            (None | Some(HeldBy::Customer), None) => {
                assert!(
                    with.is_some_and(|leg| self.up.contains(&leg)),
                    "seed {seed}: the customer hears nobody"
                );
            }
        }
        let live = self.desk.engine.snapshot(&Viewer { user_id: user(9), role: Role::Admin }).pops;
        let users: BTreeSet<UserId> = live.iter().map(|pop| pop.user_id).collect();
        assert_eq!(users.len(), live.len(), "seed {seed}: one pop a user");
    }

    fn end(mut self, seed: u64, rng: &mut ChaCha12Rng) -> Interaction {
        if self.desk.engine.call(self.call).is_some() {
            self.up.remove(&self.customer);
            self.unbridge(self.customer);
            self.desk.bye(self.customer);
            self.obey();
        }
        for leg in std::mem::take(&mut self.ringing) {
            assert!(self.cancelled.contains(&leg), "seed {seed}: {leg} is left ringing");
            self.desk.reject(leg, 487);
        }
        self.desk.wait_ms(60_000);
        self.obey();
        assert!(self.up.is_empty(), "seed {seed}: legs are left up: {:?}", self.up);
        assert!(self.bridges.is_empty(), "seed {seed}");
        assert_eq!(self.desk.ended.len(), 1, "seed {seed}: exactly one interaction");
        let saved = fold(&self.desk.signals).unwrap();
        // A phone that answers when all is over amends what was saved.
        assert!(self.desk.ended[0].1 == saved || self.desk.amended.contains(&self.call), "seed {seed}");
        for signal in &self.desk.signals {
            let text = serde_json::to_string(signal).unwrap();
            assert_eq!(
                serde_json::from_str::<Signal>(&text).ok().as_ref(),
                Some(signal),
                "seed {seed}: {text}"
            );
        }
        for _ in 0..3 {
            let folded = fold(&shuffled(&self.desk.signals, rng));
            assert_eq!(folded.as_ref(), Some(&saved), "seed {seed}: any order folds to the same");
        }
        assert!(self.desk.engine.is_at_rest());
        saved
    }
}

#[test]
fn whatever_is_done_to_a_talk_it_stays_one_interaction_and_leaves_nothing_up() {
    let mut handed_over = 0;
    for seed in 0..3_000 {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut life = Life::begin(seed);
        for _ in 0..(4 + rng.next_u32() % 24) {
            life.step(&mut rng);
            life.check(seed);
        }
        let interaction = life.end(seed, &mut rng);
        assert_eq!(interaction.outcome, Some(Outcome::Answered), "seed {seed}");
        assert_eq!(interaction.user_id, Some(user(1)), "seed {seed}");
        let answered = interaction.legs.iter().filter(|leg| leg.answered_at.is_some()).count();
        handed_over += usize::from(answered > 2);
    }
    assert!(handed_over > 500, "only {handed_over} had a third party");
}
