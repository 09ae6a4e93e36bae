//! Calls that a user asks for: the user's phone first, then the one to be called; each way they go, and each race.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use common::{Desk, candidate, contact, line, shuffled, user};
use linecard_calls::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

fn callees_dialled(desk: &Desk) -> usize {
    desk.effects.iter().filter(|(effect, _)| matches!(effect, Effect::DialCallee { .. })).count()
}

/// Whether the SIP layer is asked anything about a leg that was never dialled.
fn is_asked_about(desk: &Desk, callee: LegId) -> bool {
    let about = |effect: &Effect| match effect {
        Effect::RejectLeg { leg, .. } | Effect::CancelLeg { leg } | Effect::HangUpLeg { leg, .. } => {
            *leg == callee
        }
        _ => false,
    };
    desk.effects.iter().any(|(effect, _)| about(effect))
}

fn rule(desk: &Desk) -> Rule {
    let call = desk.ended.last().unwrap().0;
    let theirs: Vec<Signal> = desk.signals.iter().filter(|s| s.call_id == call).cloned().collect();
    explain(&theirs).unwrap().rule
}

/// Outcome, rule, status of the callee's leg and who ended it.
fn verdict(desk: &Desk) -> (Outcome, Rule, Option<u16>, HangupBy) {
    let it = desk.interaction();
    (it.outcome.unwrap(), rule(desk), it.sip_status, it.hangup_by.unwrap())
}

#[test]
fn the_callee_is_dialled_once_the_agent_is_there_and_the_talk_is_measured() {
    let mut desk = Desk::new();
    let (call, callee, agent) = desk.dialling();
    let after = desk.effects.iter().find(|(effect, _)| matches!(effect, Effect::DialCallee { .. })).unwrap();
    let wanted = Effect::DialCallee {
        leg: callee,
        call,
        line: line(1),
        dialled: "+79101234567".to_owned(),
        caller_id: Some("+78312000000".to_owned()),
    };
    assert_eq!(after.0, wanted);
    assert!(after.1.is_some(), "the callee is dialled once that is written down");
    desk.give(Input::LegProgressed { leg: callee, status: 180 });
    assert_eq!(desk.count(&Effect::PlayTone { leg: agent, tone: Tone::Ringback }), 1);
    desk.wait_ms(4_000);
    desk.give(Input::LegAnswered { leg: callee });
    assert_eq!(desk.count(&Effect::BridgeMedia { customer: callee, agent }), 1);
    desk.wait_ms(7_000);
    desk.bye(callee);
    let it = desk.interaction();
    assert_eq!((it.direction, it.user_id, it.line_id), (Direction::Outbound, Some(user(1)), line(1)));
    assert_eq!(
        (it.callee_number.as_deref(), it.caller_number.as_deref()),
        (Some("+79101234567"), Some("+78312000000"))
    );
    assert_eq!((it.ringing_ms, it.talk_ms), (Some(5_000), Some(7_000)));
    assert_eq!(desk.count(&Effect::HangUpLeg { leg: agent, reason: HangUpReason::OtherPartyGone }), 1);
    assert_eq!(verdict(&desk), (Outcome::Answered, Rule::Connected, Some(200), HangupBy::Callee));
    let names = desk.event_names();
    assert!(!names.contains(&"call.missed"), "{names:?}");
    let pops = desk.pop_states();
    assert_eq!(
        pops,
        [(1, PopState::Ringing), (2, PopState::Ringing), (3, PopState::Mine), (4, PopState::Ended)]
    );
}

#[test]
fn each_refusal_of_the_callee_is_told_by_a_tone_and_then_the_agent_is_released() {
    use Outcome::{Busy, Failed, NoAnswer, Rejected};
    let cases = [
        (486, Busy, Rule::CalleeBusy, Tone::Busy, HangupBy::Callee),
        (600, Busy, Rule::CalleeBusy, Tone::Busy, HangupBy::Callee),
        (603, Rejected, Rule::CalleeDeclined, Tone::Busy, HangupBy::Callee),
        (408, NoAnswer, Rule::CalleeSilent, Tone::Congestion, HangupBy::System),
        (480, NoAnswer, Rule::CalleeSilent, Tone::Congestion, HangupBy::System),
        (487, NoAnswer, Rule::CalleeSilent, Tone::Congestion, HangupBy::System),
        (404, Failed, Rule::CalleeUnreachable, Tone::Congestion, HangupBy::System),
        (503, Failed, Rule::CalleeUnreachable, Tone::Congestion, HangupBy::System),
    ];
    for (status, outcome, rule, tone, by) in cases {
        let mut desk = Desk::new();
        let (call, callee, agent) = desk.dialling();
        desk.reject(callee, status);
        assert_eq!(desk.count(&Effect::PlayTone { leg: agent, tone }), 1, "{status}");
        let ended = desk.events.iter().find_map(|event| match event {
            Event::CallEnded(view) => view.outcome,
            _ => None,
        });
        assert_eq!(ended, Some(outcome), "the desk is told at once, {status}");
        assert!(desk.ended.is_empty(), "the agent still listens");
        assert_eq!(desk.count(&Effect::ReleaseMedia { call }), 0);
        desk.wait_ms(4_000);
        assert_eq!(desk.count(&Effect::HangUpLeg { leg: agent, reason: HangUpReason::OtherPartyGone }), 1);
        assert_eq!(desk.count(&Effect::ReleaseMedia { call }), 1);
        assert_eq!(verdict(&desk), (outcome, rule, Some(status), by), "{status}");
        assert_eq!(desk.interaction().talk_ms, Some(0));
        assert_eq!(desk.timer, None);
    }
}

#[test]
fn an_agent_who_does_not_pick_up_rings_no_customer() {
    let mut desk = Desk::new();
    let (call, callee) = desk.request("+79101234567", &[1, 2]);
    desk.found(call, Vec::new());
    desk.wait_ms(20_000);
    assert_eq!(callees_dialled(&desk), 0);
    assert!(!is_asked_about(&desk, callee));
    assert_eq!(verdict(&desk), (Outcome::Canceled, Rule::AgentNeverThere, None, HangupBy::System));
    let mut declined = Desk::new();
    let (call, _) = declined.request("+79101234567", &[1]);
    declined.found(call, Vec::new());
    let leg = declined.dialled()[0];
    declined.reject(leg, 603);
    assert_eq!(callees_dialled(&declined), 0);
    assert_eq!(verdict(&declined), (Outcome::Canceled, Rule::AgentNeverThere, None, HangupBy::Agent));
    let mut faulty = Desk::new();
    let (call, _) = faulty.request("+79101234567", &[1]);
    faulty.found(call, Vec::new());
    let leg = faulty.dialled()[0];
    faulty.reject(leg, 503);
    assert_eq!(verdict(&faulty), (Outcome::Failed, Rule::AgentUnreachable, None, HangupBy::System));
}

#[test]
fn only_a_phone_that_rings_alone_may_pick_up_by_itself() {
    let pickups = |devices: &[u16]| {
        let mut desk = Desk::new();
        desk.request("+79101234567", devices);
        let pickup = |effect: &Effect| match effect {
            Effect::DialDevice { pickup, .. } => Some(*pickup),
            _ => None,
        };
        desk.effects.iter().filter_map(|(effect, _)| pickup(effect)).collect::<Vec<_>>()
    };
    assert_eq!(pickups(&[1]), [Pickup::ByItself]);
    assert_eq!(pickups(&[1, 2]), [Pickup::ByHand, Pickup::ByHand]);
    let mut inbound = Desk::new();
    inbound.ringing(&[1], Ring::Together);
    let by_itself = |effect: &Effect| matches!(effect, Effect::DialDevice { pickup: Pickup::ByItself, .. });
    assert!(!inbound.effects.iter().any(|(effect, _)| by_itself(effect)));
}

#[test]
fn an_agent_who_hangs_up_first_cancels_the_customer_and_a_crossing_answer_changes_nothing() {
    let mut desk = Desk::new();
    let (_, callee, agent) = desk.dialling();
    desk.give(Input::LegProgressed { leg: callee, status: 180 });
    desk.bye(agent);
    assert_eq!(desk.count(&Effect::CancelLeg { leg: callee }), 1);
    desk.give(Input::LegAnswered { leg: callee });
    desk.reject(callee, 487);
    assert_eq!(verdict(&desk), (Outcome::Canceled, Rule::AgentLeft, Some(487), HangupBy::Agent));
    assert_eq!(desk.interaction().answered_at, None);
}

#[test]
fn hanging_up_in_the_interface_ends_each_stage() {
    let mut ringing = Desk::new();
    let (call, _) = ringing.request("+79101234567", &[1]);
    ringing.found(call, Vec::new());
    ringing.give(Input::HangUp { call, user: user(1) });
    assert_eq!(verdict(&ringing), (Outcome::Canceled, Rule::AgentLeft, None, HangupBy::Agent));
    let mut dialling = Desk::new();
    let (call, callee, agent) = dialling.dialling();
    dialling.give(Input::HangUp { call, user: user(1) });
    assert_eq!(dialling.count(&Effect::CancelLeg { leg: callee }), 1);
    assert_eq!(dialling.count(&Effect::HangUpLeg { leg: agent, reason: HangUpReason::Requested }), 1);
    assert_eq!(verdict(&dialling), (Outcome::Canceled, Rule::AgentLeft, Some(487), HangupBy::Agent));
    let mut talking = Desk::new();
    let (call, callee, agent) = talking.dialling();
    talking.give(Input::LegAnswered { leg: callee });
    talking.give(Input::HangUp { call, user: user(1) });
    for leg in [callee, agent] {
        assert_eq!(talking.count(&Effect::HangUpLeg { leg, reason: HangUpReason::Requested }), 1);
    }
    assert_eq!(verdict(&talking), (Outcome::Answered, Rule::Connected, Some(200), HangupBy::Agent));
}

#[test]
fn a_callee_who_rings_for_too_long_is_given_up() {
    let mut desk = Desk::new();
    let (_, callee, agent) = desk.dialling();
    desk.give(Input::LegProgressed { leg: callee, status: 180 });
    desk.wait_ms(89_999);
    assert_eq!(desk.count(&Effect::CancelLeg { leg: callee }), 0);
    desk.wait_ms(1);
    assert_eq!(desk.count(&Effect::CancelLeg { leg: callee }), 1);
    assert_eq!(desk.count(&Effect::PlayTone { leg: agent, tone: Tone::Congestion }), 1);
    desk.bye(agent);
    assert_eq!(verdict(&desk), (Outcome::NoAnswer, Rule::CalleeSilent, Some(487), HangupBy::System));
}

#[test]
fn early_media_is_passed_on_once() {
    let mut desk = Desk::new();
    let (_, callee, agent) = desk.dialling();
    for _ in 0..3 {
        desk.give(Input::LegProgressed { leg: callee, status: 183 });
        desk.give(Input::EarlyMedia { leg: callee });
    }
    assert_eq!(desk.count(&Effect::BridgeMedia { customer: callee, agent }), 1);
    let body = SignalBody::EarlyMedia { leg: callee };
    assert_eq!(desk.signals.iter().filter(|signal| signal.body == body).count(), 1);
}

#[test]
fn a_second_click_is_the_same_call_and_another_number_has_to_wait() {
    let mut desk = Desk::new();
    assert_eq!(desk.engine.dial_standing(user(1), "+79101234567"), DialStanding::Free);
    let (call, callee, _) = desk.dialling();
    let DialStanding::Underway(view) = desk.engine.dial_standing(user(1), "+79101234567") else {
        panic!("not the same call");
    };
    assert_eq!(view.call_id, call);
    assert_eq!(desk.engine.dial_standing(user(1), "+79107654321"), DialStanding::InCall(call));
    assert_eq!(desk.engine.dial_standing(user(2), "+79101234567"), DialStanding::Free);
    desk.give(Input::LegAnswered { leg: callee });
    assert_eq!(desk.engine.dial_standing(user(1), "+79101234567"), DialStanding::InCall(call));
}

#[test]
fn the_next_call_ends_the_tone_of_the_last_one() {
    let mut desk = Desk::new();
    let (first, callee, agent) = desk.dialling();
    desk.reject(callee, 486);
    assert_eq!(desk.engine.dial_standing(user(1), "+79101234567"), DialStanding::Free);
    desk.request("+79101234567", &[1]);
    assert_eq!(desk.count(&Effect::HangUpLeg { leg: agent, reason: HangUpReason::OtherPartyGone }), 1);
    assert_eq!(desk.count(&Effect::ReleaseMedia { call: first }), 1);
    assert_eq!(desk.ended.len(), 1);
}

#[test]
fn special_numbers_are_never_matched_and_a_chosen_contact_outranks_the_match() {
    let mut desk = Desk::new();
    let at = desk.at();
    let (leg, interaction) = (desk.engine.make_leg(at), desk.engine.make_interaction(at));
    let callee = Callee {
        number: "112".to_owned(),
        typed: "112".to_owned(),
        dialled: "112".to_owned(),
        kind: CalleeKind::Special,
    };
    let request = DialRequest { leg, interaction, line: line(1), user: user(1), callee, caller_id: None };
    let route = common::route(Some(user(1)), &[1], Ring::Together);
    desk.give(Input::DialRequested { request, route: route.clone(), contact: None });
    assert!(!desk.effects.iter().any(|(effect, _)| matches!(effect, Effect::FindContact { .. })));

    let mut chosen = Desk::new();
    let at = chosen.at();
    let (leg, interaction) = (chosen.engine.make_leg(at), chosen.engine.make_interaction(at));
    let callee = Callee {
        number: "+79101234567".to_owned(),
        typed: "8 910 123-45-67".to_owned(),
        dialled: "89101234567".to_owned(),
        kind: CalleeKind::Outside,
    };
    let request = DialRequest { leg, interaction, line: line(1), user: user(1), callee, caller_id: None };
    chosen.give(Input::DialRequested { request, route, contact: Some(contact(7)) });
    let call = chosen.signals[0].call_id;
    chosen.found(call, vec![candidate(1, "exact")]);
    chosen.give(Input::HangUp { call, user: user(1) });
    assert_eq!(chosen.interaction().contact_id, Some(contact(7)));
}

#[test]
fn a_call_back_that_is_answered_closes_the_missed_item() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer(Some(user(1)));
    desk.found(call, Vec::new());
    desk.cancel(customer);
    let opened: Vec<MissedState> = desk.missed.iter().map(|change| change.item.state).collect();
    assert_eq!(opened, [MissedState::Open]);
    let (_, callee, _) = desk.dialling();
    desk.give(Input::LegAnswered { leg: callee });
    assert_eq!(desk.missed.last().unwrap().item.state, MissedState::Closed);
}

#[test]
fn a_crash_closes_the_call_and_both_dialogs() {
    let mut desk = Desk::new();
    let (call, callee, agent) = desk.dialling();
    for leg in [callee, agent] {
        desk.give(Input::DialogChanged { leg, dialog: serde_json::json!({ "leg": leg.to_string() }) });
    }
    desk.give(Input::LegAnswered { leg: callee });
    let open = OpenCall { signals: desk.signals.clone(), recordings: Vec::new() };
    let mut after = Desk::with(RecordingPolicy::Nothing, 2);
    let at = desk.at().plus_ms(60_000);
    after.engine.recover(vec![open], None, at);
    after.drain();
    let byes = after.effects.iter().filter(|(effect, _)| matches!(effect, Effect::HangUpDialog { .. }));
    assert_eq!(byes.count(), 2);
    let (saved, it, _) = &after.ended[0];
    assert_eq!((*saved, it.outcome, it.direction), (call, Some(Outcome::Interrupted), Direction::Outbound));
}

/// Whatever people and networks do in whatever order: the callee rings only for an agent who is there, one interaction
/// is saved, it is what the ledger folds to, and nothing is left over.
#[test]
fn every_random_course_keeps_the_laws() {
    for seed in 0..3_000 {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut desk = Desk::with(RecordingPolicy::Nothing, seed);
        let devices: Vec<u16> = (0..1 + (rng.next_u32() % 3) as u16).collect();
        let (call, callee) = desk.request("+79101234567", &devices);
        let agents = desk.dialled();
        for _ in 0..rng.next_u32() % 14 {
            let agent = agents[rng.next_u32() as usize % agents.len()];
            let leg = if rng.next_u32().is_multiple_of(2) { callee } else { agent };
            let known = leg != callee || callees_dialled(&desk) == 1;
            match rng.next_u32() % 9 {
                0 if known => desk.give(Input::LegAnswered { leg }),
                1 if known => desk.reject(leg, [404, 480, 486, 603][rng.next_u32() as usize % 4]),
                2 if known => desk.give(Input::LegProgressed { leg, status: 180 }),
                3 if known => desk.bye(leg),
                4 if known => desk.give(Input::EarlyMedia { leg }),
                5 => desk.found(call, Vec::new()),
                6 if rng.next_u32().is_multiple_of(4) => desk.give(Input::HangUp { call, user: user(1) }),
                7 => desk.wait_ms(u64::from(rng.next_u32() % 30_000)),
                _ => {}
            }
            let there = desk
                .signals
                .iter()
                .any(|s| matches!(s.body, SignalBody::LegAnswered { leg } if agents.contains(&leg)));
            assert!(callees_dialled(&desk) <= usize::from(there), "seed {seed}: rung for nobody");
        }
        desk.give(Input::LookupUnavailable { call });
        desk.wait_ms(200_000);
        desk.give(Input::HangUp { call, user: user(1) });
        desk.wait_ms(60_000);
        assert_eq!(desk.timer, None, "seed {seed}");
        if desk.amended.is_empty() {
            desk.interaction();
        }
        let hung_up = |leg: &LegId| {
            desk.effects.iter().any(|(effect, _)| match effect {
                Effect::HangUpLeg { leg: hung, .. } | Effect::CancelLeg { leg: hung } => hung == leg,
                _ => false,
            })
        };
        let over = |leg: &LegId| {
            desk.signals.iter().any(|signal| match &signal.body {
                SignalBody::LegRejected { leg: gone, .. } | SignalBody::LegEnded { leg: gone, .. } => {
                    gone == leg
                }
                _ => false,
            })
        };
        for leg in &agents {
            assert!(hung_up(leg) || over(leg), "seed {seed}: {leg} is left");
        }
        let supervisor = Viewer { user_id: user(9), role: Role::Supervisor };
        assert!(desk.engine.snapshot(&supervisor).calls.is_empty(), "seed {seed}");
        assert_eq!(fold(&shuffled(&desk.signals, &mut rng)), fold(&desk.signals), "seed {seed}");
    }
}

/// A user dials on a device; returns the called one's leg and the device's.
fn dialled_on_phone(desk: &mut Desk) -> (LegId, LegId) {
    let at = desk.at();
    let (callee, phone) = (desk.engine.make_leg(at), desk.engine.make_leg(at));
    let request = DialRequest {
        leg: callee,
        interaction: desk.engine.make_interaction(at),
        line: line(1),
        user: user(1),
        callee: Callee {
            number: "+79101234567".to_owned(),
            typed: "8 910 123-45-67".to_owned(),
            dialled: "+79101234567".to_owned(),
            kind: CalleeKind::Outside,
        },
        caller_id: None,
    };
    let route = common::route(Some(user(1)), &[1], Ring::Together);
    let device = route.devices[0].device;
    desk.give(Input::PhoneDialled { request, leg: phone, device, route });
    (callee, phone)
}

#[test]
fn a_device_that_dials_hears_by_sip_that_it_rings_and_is_answered_with_the_called_one() {
    let mut desk = Desk::new();
    let (callee, phone) = dialled_on_phone(&mut desk);
    assert_eq!(callees_dialled(&desk), 1, "at once");
    desk.give(Input::LegProgressed { leg: callee, status: 180 });
    assert_eq!(desk.count(&Effect::RingBack { leg: phone }), 1);
    assert_eq!(desk.count(&Effect::PlayTone { leg: phone, tone: Tone::Ringback }), 0);
    desk.give(Input::EarlyMedia { leg: callee });
    assert_eq!(desk.count(&Effect::AnswerEarly { leg: phone }), 1);
    desk.give(Input::LegAnswered { leg: callee });
    assert_eq!(desk.count(&Effect::AnswerLeg { leg: phone }), 1);
    desk.give(Input::LegAnswered { leg: phone });
    desk.wait_ms(3_000);
    desk.bye(phone);
    desk.wait_ms(6_000);
    assert_eq!(verdict(&desk), (Outcome::Answered, Rule::Connected, Some(200), HangupBy::Agent));
}

#[test]
fn a_device_that_dials_is_told_the_called_ones_refusal_and_hears_no_tone() {
    for (told, hears, outcome) in [
        (486, 486, Outcome::Busy),
        (603, 603, Outcome::Rejected),
        (407, 403, Outcome::Failed),
        (302, 480, Outcome::Failed),
    ] {
        let mut desk = Desk::new();
        let (callee, phone) = dialled_on_phone(&mut desk);
        desk.give(Input::LegRejected { leg: callee, status: told, reasons: Vec::new() });
        assert_eq!(desk.count(&Effect::RejectLeg { leg: phone, status: hears }), 1, "{told}");
        assert!(!desk.effects.iter().any(|(effect, _)| matches!(effect, Effect::PlayTone { .. })));
        desk.wait_ms(6_000);
        assert_eq!(desk.interaction().outcome, Some(outcome));
    }
}

#[test]
fn a_device_that_dials_and_gives_up_cancels_the_called_one() {
    let mut desk = Desk::new();
    let (callee, phone) = dialled_on_phone(&mut desk);
    desk.give(Input::LegProgressed { leg: callee, status: 180 });
    desk.give(Input::LegCancelled { leg: phone, reasons: Vec::new() });
    assert_eq!(desk.count(&Effect::CancelLeg { leg: callee }), 1);
    desk.give(Input::LegRejected { leg: callee, status: 487, reasons: Vec::new() });
    desk.wait_ms(6_000);
    assert_eq!(verdict(&desk), (Outcome::Canceled, Rule::AgentLeft, Some(487), HangupBy::Agent));
}

#[test]
fn whoever_hangs_up_in_the_interface_refuses_the_device_that_dialled() {
    let mut desk = Desk::new();
    let (callee, phone) = dialled_on_phone(&mut desk);
    let call = desk.engine.call_of(phone).unwrap();
    desk.give(Input::HangUp { call, user: user(1) });
    assert_eq!(desk.count(&Effect::RejectLeg { leg: phone, status: 480 }), 1);
    assert_eq!(desk.count(&Effect::CancelLeg { leg: callee }), 1);
}
