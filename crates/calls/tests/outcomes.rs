//! Each way an inbound call can go, and each race on the way, as the engine decides and the ledger folds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use common::{Desk, candidate, contact, device, route, user};
use linecard_calls::*;

#[test]
fn an_answered_call_is_bridged_and_measured() {
    let mut desk = Desk::new();
    let (_, customer, agent) = desk.talking();
    desk.wait_ms(7_000);
    desk.bye(customer);
    let it = desk.interaction();
    assert_eq!(it.outcome, Some(Outcome::Answered));
    assert_eq!((it.ringing_ms, it.talk_ms, it.hold_ms), (Some(3_000), Some(7_000), Some(0)));
    assert_eq!((it.hangup_by, it.sip_status), (Some(HangupBy::Caller), Some(200)));
    assert_eq!((it.user_id, it.state), (Some(user(1)), InteractionState::Ended));
    let states: Vec<_> = it.legs.iter().map(|leg| (leg.party, leg.state, leg.device_id)).collect();
    let agent_leg = (Party::Agent, LegState::Ended, Some(device(1)));
    assert_eq!(states, [(Party::Customer, LegState::Ended, None), agent_leg]);
    assert_eq!(desk.count(&Effect::BridgeMedia { customer, agent }), 1);
    assert_eq!(desk.count(&Effect::HangUpLeg { leg: agent, reason: HangUpReason::OtherPartyGone }), 1);
    assert_eq!(desk.finals(customer), [0_u16; 0], "no refusal after the 200");
    assert_eq!(
        desk.pop_states(),
        [(1, PopState::Ringing), (2, PopState::Ringing), (3, PopState::Mine), (4, PopState::Ended)]
    );
}

#[test]
fn the_agents_bye_ends_the_customers_leg() {
    let mut desk = Desk::new();
    let (_, customer, agent) = desk.talking();
    desk.wait_ms(500);
    desk.bye(agent);
    assert_eq!(desk.count(&Effect::HangUpLeg { leg: customer, reason: HangUpReason::OtherPartyGone }), 1);
    assert_eq!(desk.interaction().hangup_by, Some(HangupBy::Agent));
}

#[test]
fn the_pop_leaves_with_the_number_before_route_and_contact_are_known() {
    let mut desk = Desk::new();
    let (call, _) = desk.offer(Some(user(1)));
    let Some(Event::PopShown(pop)) = desk.events.iter().find(|e| matches!(e, Event::PopShown(_))) else {
        panic!("no pop");
    };
    assert_eq!((pop.number.as_deref(), pop.lookup), (Some("+79101234567"), Lookup::Pending));
    assert_eq!(pop.user_id, user(1));
    assert_eq!(desk.count(&Effect::FindContact { call, number: "+79101234567".to_owned() }), 1);
    let first = desk.signals.first().unwrap();
    assert!(matches!(first.body, SignalBody::LegOffered(_)) && first.call_id == call);
}

#[test]
fn ringing_and_answer_wait_for_their_evidence() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1], Ring::Together);
    desk.give(Input::LegAnswered { leg: legs[0] });
    let after = |wanted: Effect| desk.effects.iter().find(|(effect, _)| *effect == wanted).unwrap().1;
    let opening = desk.signals[0].id;
    assert_eq!(after(Effect::RingBack { leg: customer }), Some(opening));
    let answered = desk.signals.iter().find(|s| s.body == SignalBody::LegAnswered { leg: legs[0] }).unwrap();
    assert_eq!(after(Effect::AnswerLeg { leg: customer }), Some(answered.id));
    assert!(!desk.event_names().contains(&"call.answered"), "not before our 200 has left");
    desk.give(Input::LegAnswered { leg: customer });
    assert!(desk.event_names().contains(&"call.answered"));
}

#[test]
fn nobody_answers_in_the_ring_time() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1, 2], Ring::Together);
    desk.wait_ms(19_999);
    assert!(desk.ended.is_empty());
    desk.wait_ms(1);
    assert_eq!(desk.finals(customer), [480]);
    for leg in legs {
        assert_eq!(desk.count(&Effect::CancelLeg { leg }), 1);
    }
    let it = desk.interaction();
    assert_eq!((it.outcome, it.sip_status), (Some(Outcome::NoAnswer), Some(480)));
    assert_eq!((it.ringing_ms, it.talk_ms), (Some(20_000), Some(0)));
    assert_eq!(desk.pop_states().last(), Some(&(3, PopState::Missed)));
    assert!(desk.event_names().contains(&"call.missed"));
    let (_, after) = desk.effects.iter().find(|(e, _)| matches!(e, Effect::RejectLeg { .. })).unwrap();
    assert!(after.is_some(), "the missed call is written down before the PBX hears of it");
}

#[test]
fn the_caller_gives_up() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1], Ring::Together);
    desk.wait_ms(4_000);
    desk.cancel(customer);
    let it = desk.interaction();
    assert_eq!((it.outcome, it.hangup_by), (Some(Outcome::Abandoned), Some(HangupBy::Caller)));
    assert_eq!((it.sip_status, it.ringing_ms), (Some(487), Some(4_000)));
    assert_eq!(desk.count(&Effect::CancelLeg { leg: legs[0] }), 1);
    assert!(desk.finals(customer).is_empty(), "the SIP layer has answered 487");
}

#[test]
fn the_caller_gives_up_while_an_agents_200_is_in_flight() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1], Ring::Together);
    desk.cancel(customer);
    desk.give(Input::LegAnswered { leg: legs[0] });
    let hang_up = Effect::HangUpLeg { leg: legs[0], reason: HangUpReason::AnsweredElsewhere };
    assert_eq!(desk.count(&hang_up), 1);
    assert_eq!(desk.count(&Effect::AnswerLeg { leg: customer }), 0);
    assert_eq!(desk.ended.len(), 1);
    assert!(!desk.amended.is_empty(), "the late answer amends the saved interaction");
    let it = fold(&desk.signals).unwrap();
    assert_eq!((it.outcome, it.answered_at), (Some(Outcome::Abandoned), None));
}

#[test]
fn the_caller_gives_up_between_the_agents_200_and_ours() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1], Ring::Together);
    desk.give(Input::LegAnswered { leg: legs[0] });
    desk.cancel(customer);
    assert_eq!(desk.interaction().outcome, Some(Outcome::Abandoned));
    let hang_up = Effect::HangUpLeg { leg: legs[0], reason: HangUpReason::OtherPartyGone };
    assert_eq!(desk.count(&hang_up), 1);
    assert!(!desk.event_names().contains(&"call.answered"));
}

#[test]
fn the_agent_hangs_up_between_the_two_200s() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1, 2], Ring::Together);
    desk.give(Input::LegAnswered { leg: legs[0] });
    desk.bye(legs[0]);
    assert_eq!(desk.finals(customer), [486]);
    assert_eq!(desk.interaction().outcome, Some(Outcome::Rejected));
}

#[test]
fn the_customer_hangs_up_before_the_ack() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1], Ring::Together);
    desk.give(Input::LegAnswered { leg: legs[0] });
    desk.give(Input::LegAnswered { leg: customer });
    desk.wait_ms(40);
    desk.bye(customer);
    let it = desk.interaction();
    assert_eq!((it.outcome, it.talk_ms), (Some(Outcome::Answered), Some(40)));
    assert_eq!(desk.count(&Effect::HangUpLeg { leg: legs[0], reason: HangUpReason::OtherPartyGone }), 1);
}

#[test]
fn of_two_devices_that_answer_at_once_the_first_is_bridged() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1, 2], Ring::Together);
    desk.give(Input::LegAnswered { leg: legs[1] });
    assert_eq!(desk.count(&Effect::CancelLeg { leg: legs[0] }), 1);
    desk.give(Input::LegAnswered { leg: legs[0] });
    let late = Effect::HangUpLeg { leg: legs[0], reason: HangUpReason::AnsweredElsewhere };
    assert_eq!(desk.count(&late), 1);
    desk.give(Input::LegAnswered { leg: customer });
    desk.wait_ms(1_000);
    desk.bye(customer);
    let it = desk.interaction();
    assert_eq!((it.outcome, it.legs.len()), (Some(Outcome::Answered), 3));
    let shown = desk.event_names().iter().filter(|name| **name == "pop.shown").count();
    assert_eq!(shown, 1);
    assert_eq!(desk.count(&Effect::AnswerLeg { leg: customer }), 1);
}

#[test]
fn devices_in_order_ring_one_after_the_other() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1, 2, 3], Ring::InOrder);
    assert_eq!(legs.len(), 1);
    desk.wait_ms(20_000);
    assert_eq!(desk.count(&Effect::CancelLeg { leg: legs[0] }), 1);
    let legs = desk.dialled();
    assert_eq!(legs.len(), 2, "the second device's turn");
    desk.reject(legs[1], 486);
    let legs = desk.dialled();
    assert_eq!(legs.len(), 3, "a busy device passes the turn on at once");
    desk.wait_ms(5_000);
    desk.give(Input::LegProgressed { leg: legs[2], status: 180 });
    desk.give(Input::LegAnswered { leg: legs[2] });
    desk.give(Input::LegAnswered { leg: customer });
    desk.bye(customer);
    let it = desk.interaction();
    assert_eq!((it.outcome, it.ringing_ms), (Some(Outcome::Answered), Some(25_000)));
    assert_eq!(desk.count(&Effect::RingBack { leg: customer }), 1, "one 180, however many devices ring");
}

#[test]
fn a_hunt_in_order_ends_when_the_last_device_rang_out() {
    let mut desk = Desk::new();
    let (_, customer, _) = desk.ringing(&[1, 2], Ring::InOrder);
    desk.wait_ms(40_000);
    assert_eq!(desk.finals(customer), [480]);
    assert_eq!(desk.interaction().ringing_ms, Some(40_000));
}

fn refused(statuses: &[u16]) -> (Desk, LegId) {
    let mut desk = Desk::new();
    let devices: Vec<u16> = (1..).take(statuses.len()).collect();
    let (_, customer, legs) = desk.ringing(&devices, Ring::Together);
    for (leg, status) in legs.iter().zip(statuses) {
        desk.reject(*leg, *status);
    }
    (desk, customer)
}

#[track_caller]
fn assert_refused(statuses: &[u16], outcome: Outcome, told: u16) {
    let (desk, customer) = refused(statuses);
    assert_eq!(desk.finals(customer), [told], "{statuses:?}");
    let it = desk.interaction();
    assert_eq!((it.outcome, it.sip_status), (Some(outcome), Some(told)), "{statuses:?}");
}

#[test]
fn all_devices_busy_is_busy() {
    assert_refused(&[486, 486], Outcome::Busy, 486);
    assert_refused(&[600], Outcome::Busy, 486);
}

#[test]
fn one_busy_and_one_declined_is_rejected() {
    assert_refused(&[486, 403], Outcome::Rejected, 486);
    assert_refused(&[403, 486], Outcome::Rejected, 486);
}

#[test]
fn a_fault_of_the_only_device_is_failed_and_beside_a_busy_one_it_is_not() {
    assert_refused(&[500], Outcome::Failed, 500);
    assert_refused(&[488], Outcome::Failed, 500);
    assert_refused(&[500, 486], Outcome::Busy, 486);
}

#[test]
fn a_device_that_is_not_there_is_no_answer() {
    assert_refused(&[408], Outcome::NoAnswer, 480);
    assert_refused(&[404, 480], Outcome::NoAnswer, 480);
}

#[test]
fn a_decline_for_all_devices_stops_the_others() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1, 2], Ring::Together);
    desk.reject(legs[0], 603);
    assert_eq!(desk.count(&Effect::CancelLeg { leg: legs[1] }), 1);
    assert_eq!(desk.finals(customer), [486]);
    let it = desk.interaction();
    assert_eq!((it.outcome, it.hangup_by), (Some(Outcome::Rejected), Some(HangupBy::Agent)));
    assert_eq!(explain(&desk.signals).unwrap().rule, Rule::DeclinedOnDevice);
}

#[test]
fn one_busy_device_leaves_the_other_ringing() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1, 2], Ring::Together);
    desk.reject(legs[0], 486);
    assert!(desk.finals(customer).is_empty());
    desk.wait_ms(20_000);
    assert_eq!(desk.interaction().outcome, Some(Outcome::NoAnswer), "it rang out, that outranks busy");
}

#[test]
fn a_line_without_user_or_devices_is_no_answer() {
    for (owner, devices) in [(None, vec![1]), (Some(user(1)), vec![])] {
        let mut desk = Desk::new();
        let (call, customer) = desk.offer_from(owner, None);
        desk.route(call, route(owner, &devices, Ring::Together));
        assert_eq!(desk.finals(customer), [480]);
        let it = desk.interaction();
        assert_eq!((it.outcome, it.user_id), (Some(Outcome::NoAnswer), owner));
        assert!(desk.dialled().is_empty());
        assert_eq!(explain(&desk.signals).unwrap().rule, Rule::NobodyToRing);
    }
}

#[test]
fn a_user_in_a_call_is_busy_for_the_next_one() {
    let mut desk = Desk::new();
    let (first, ..) = desk.talking();
    let before = desk.dialled().len();
    let shown = desk.event_names().iter().filter(|name| **name == "pop.shown").count();
    let (second, customer) = desk.offer(Some(user(1)));
    desk.found(second, Vec::new());
    desk.route(second, route(Some(user(1)), &[1], Ring::Together));
    assert_eq!((desk.dialled().len(), desk.finals(customer)), (before, vec![486]));
    assert_eq!(desk.event_names().iter().filter(|name| **name == "pop.shown").count(), shown);
    assert_eq!(desk.interaction().outcome, Some(Outcome::Busy));
    let theirs: Vec<_> = desk.signals.iter().filter(|s| s.call_id == second).cloned().collect();
    assert_eq!(explain(&theirs).unwrap().rule, Rule::UserInCall);
    assert!(desk.engine.call(first).is_some(), "the first call goes on");
}

#[test]
fn of_two_calls_whose_routes_are_still_read_the_earlier_one_rings() {
    let mut desk = Desk::new();
    let (first, first_customer) = desk.offer(Some(user(1)));
    let (second, second_customer) = desk.offer(Some(user(1)));
    desk.route(first, route(Some(user(1)), &[1], Ring::Together));
    desk.route(second, route(Some(user(1)), &[1], Ring::Together));
    assert!(desk.finals(first_customer).is_empty());
    assert_eq!(desk.finals(second_customer), [486]);
}

#[test]
fn call_waiting_lets_the_second_call_ring() {
    let mut desk = Desk::new();
    desk.talking();
    let (second, customer) = desk.offer(Some(user(1)));
    let mut waiting = route(Some(user(1)), &[1], Ring::Together);
    waiting.allow_call_waiting = true;
    desk.route(second, waiting);
    assert_eq!(desk.dialled().len(), 2);
    assert!(desk.finals(customer).is_empty());
    let shown = desk.event_names().iter().filter(|name| **name == "pop.shown").count();
    assert_eq!(shown, 2, "a pop for each call");
}

#[test]
fn a_retransmitted_invite_makes_no_second_call() {
    let mut desk = Desk::new();
    let offer = desk.new_offer(Some(user(1)), Some("+79101234567"), "same");
    desk.give(Input::LegOffered(offer.clone()));
    let (signals, events) = (desk.signals.len(), desk.events.len());
    desk.give(Input::LegOffered(offer.clone()));
    assert_eq!((desk.signals.len(), desk.events.len()), (signals, events));
    assert!(desk.finals(offer.leg).is_empty(), "the first INVITE is not refused");
    let forked = desk.new_offer(Some(user(1)), Some("+79101234567"), "same");
    desk.give(Input::LegOffered(forked.clone()));
    assert_eq!((desk.signals.len(), desk.events.len()), (signals, events));
    assert_eq!(desk.finals(forked.leg), [482], "the same INVITE by another way");
}

#[test]
fn repeated_observations_change_nothing() {
    let mut desk = Desk::new();
    let (call, customer, agent) = desk.talking();
    let before = (desk.signals.len(), desk.effects.len(), desk.events.len());
    for input in [
        Input::LegAnswered { leg: agent },
        Input::LegAnswered { leg: customer },
        Input::LegConfirmed { leg: customer },
        Input::LegProgressed { leg: agent, status: 180 },
        Input::LegRejected { leg: agent, status: 486, reasons: Vec::new() },
        Input::LegCancelled { leg: customer, reasons: Vec::new() },
        Input::RouteFound { call, route: route(Some(user(2)), &[3], Ring::Together) },
        Input::RouteUnavailable { call },
        Input::MediaUnavailable { call, why: MediaFault::NoPort },
        Input::ContactFound {
            call,
            number: "+79101234567".to_owned(),
            candidates: vec![candidate(1, "exact")],
        },
        Input::Timeout,
    ] {
        desk.give(input.clone());
        assert_eq!((desk.signals.len(), desk.effects.len(), desk.events.len()), before, "{input:?}");
    }
    desk.bye(customer);
    desk.bye(customer);
    desk.bye(agent);
    assert_eq!(desk.ended.len(), 1);
}

#[test]
fn an_unavailable_lookup_is_mended_by_a_later_answer() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer(Some(user(1)));
    desk.give(Input::LookupUnavailable { call });
    desk.found(call, vec![candidate(7, "exact")]);
    let lookups: Vec<_> = desk
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PopShown(pop) | Event::PopUpdated(pop) => Some((pop.version, pop.lookup)),
            _ => None,
        })
        .collect();
    assert_eq!(lookups, [(1, Lookup::Pending), (2, Lookup::Unavailable), (3, Lookup::Done)]);
    desk.cancel(customer);
    assert_eq!(desk.interaction().contact_id, Some(contact(7)));
}

#[test]
fn a_number_of_several_contacts_settles_nobody_until_a_user_chooses() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer(Some(user(1)));
    let candidates = vec![candidate(1, "exact"), candidate(2, "exact")];
    desk.found(call, candidates);
    let viewer = Viewer { user_id: user(1), role: Role::Agent };
    assert_eq!(desk.engine.live_interactions(&viewer)[0].contact_id, None);
    let edit = Edit::Contact { contact: Some(contact(2)), user: user(1) };
    desk.give(Input::Edited { call, edit });
    desk.cancel(customer);
    assert_eq!(desk.interaction().contact_id, Some(contact(2)));
}

fn learned(call: CallId, n: u16) -> Input {
    Input::ContactLearned { call, number: "+79101234567".to_owned(), candidates: vec![candidate(n, "exact")] }
}

#[test]
fn contacts_that_learn_the_number_name_the_one_who_talks_and_change_nobody_who_was_known() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer(Some(user(1)));
    desk.found(call, Vec::new());
    assert_eq!(desk.engine.calls_of_number("+79101234567"), [call]);
    assert_eq!(desk.engine.calls_of_number("+79101234568"), []);
    desk.give(learned(call, 7));
    let named = desk.events.iter().rev().find_map(|event| match event {
        Event::PopUpdated(pop) => Some(settled_contact(&pop.candidates)),
        _ => None,
    });
    assert_eq!(named, Some(Some(contact(7))), "the pop has the name at once");
    let said = desk.signals.len();
    desk.give(learned(call, 8));
    assert_eq!(desk.signals.len(), said, "whoever is known stays");
    desk.cancel(customer);
    assert_eq!(desk.interaction().contact_id, Some(contact(7)));
}

#[test]
fn contacts_that_learn_the_number_never_speak_against_a_user() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer(Some(user(1)));
    desk.found(call, Vec::new());
    desk.give(Input::Edited { call, edit: Edit::Contact { contact: None, user: user(1) } });
    desk.give(learned(call, 7));
    desk.cancel(customer);
    assert_eq!(desk.interaction().contact_id, None, "a user said that it is nobody known");
    assert_eq!(contact_standing(&desk.signals), ContactStanding::Decided);
}

#[test]
fn a_call_that_is_over_and_forgotten_gets_the_contact_that_learns_its_number() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer(Some(user(1)));
    desk.found(call, Vec::new());
    desk.cancel(customer);
    assert_eq!(desk.interaction().contact_id, None);
    assert_eq!(desk.engine.calls_of_number("+79101234567"), []);
    assert_eq!(contact_standing(&desk.signals), ContactStanding::Open);
    desk.give(learned(call, 7));
    assert_eq!(desk.amended, [call]);
    assert_eq!(contact_standing(&desk.signals), ContactStanding::Matched);
    assert_eq!(fold(&desk.signals).unwrap().contact_id, Some(contact(7)));
    // The choice of a user outranks it, whichever came first.
    desk.give(Input::Edited { call, edit: Edit::Contact { contact: Some(contact(9)), user: user(1) } });
    desk.give(learned(call, 8));
    assert_eq!(fold(&desk.signals).unwrap().contact_id, Some(contact(9)));
}

#[test]
fn a_lookup_that_never_ends_delays_the_saving_by_five_seconds_and_amends_it_later() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer(Some(user(1)));
    desk.cancel(customer);
    assert!(desk.ended.is_empty());
    desk.wait_ms(5_000);
    assert_eq!(desk.interaction().contact_id, None);
    desk.found(call, vec![candidate(7, "exact")]);
    assert_eq!(desk.amended, [call]);
    assert_eq!(fold(&desk.signals).unwrap().contact_id, Some(contact(7)));
}

#[test]
fn a_route_that_is_not_read_in_time_is_our_fault() {
    let mut desk = Desk::new();
    let (_, customer) = desk.offer_from(Some(user(1)), None);
    desk.wait_ms(2_000);
    assert_eq!(desk.finals(customer), [503]);
    assert_eq!(desk.interaction().outcome, Some(Outcome::Failed));
}

#[test]
fn without_a_free_port_the_call_is_refused_whole() {
    let mut desk = Desk::new();
    let (call, customer, legs) = desk.ringing(&[1], Ring::Together);
    desk.give(Input::MediaUnavailable { call, why: MediaFault::NoPort });
    assert_eq!((desk.finals(customer), desk.count(&Effect::CancelLeg { leg: legs[0] })), (vec![503], 1));
    assert_eq!(desk.interaction().outcome, Some(Outcome::Failed));
}

#[test]
fn a_call_for_which_there_is_no_room_is_refused_before_anything_rings() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer_from(Some(user(1)), None);
    desk.give(Input::MediaUnavailable { call, why: MediaFault::NoRoom });
    desk.give(Input::RouteFound { call, route: route(Some(user(1)), &[1], Ring::Together) });
    assert_eq!(desk.finals(customer), [503]);
    assert!(!desk.effects.iter().any(|(effect, _)| matches!(effect, Effect::DialDevice { .. })));
}

#[test]
fn a_caller_whose_codecs_cannot_be_passed_on_is_told_so_before_anything_rings() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer_from(Some(user(1)), None);
    desk.give(Input::MediaUnavailable { call, why: MediaFault::NoCodec });
    desk.give(Input::RouteFound { call, route: route(Some(user(1)), &[1], Ring::Together) });
    assert_eq!(desk.finals(customer), [488]);
    assert!(!desk.effects.iter().any(|(effect, _)| matches!(effect, Effect::DialDevice { .. })));
    let it = desk.interaction();
    assert_eq!((it.outcome, it.sip_status), (Some(Outcome::Failed), Some(488)));
}

#[test]
fn hanging_up_in_the_interface_declines_what_rings_and_ends_what_talks() {
    let mut desk = Desk::new();
    let (call, customer, legs) = desk.ringing(&[1], Ring::Together);
    desk.give(Input::HangUp { call, user: user(1) });
    assert_eq!((desk.finals(customer), desk.count(&Effect::CancelLeg { leg: legs[0] })), (vec![486], 1));
    assert_eq!(desk.interaction().outcome, Some(Outcome::Rejected));

    let mut desk = Desk::new();
    let (call, customer, agent) = desk.talking();
    desk.give(Input::HangUp { call, user: user(1) });
    for leg in [customer, agent] {
        assert_eq!(desk.count(&Effect::HangUpLeg { leg, reason: HangUpReason::Requested }), 1);
    }
    let it = desk.interaction();
    assert_eq!((it.outcome, it.hangup_by), (Some(Outcome::Answered), Some(HangupBy::Agent)));
}

#[test]
fn held_time_is_counted_once_when_both_sides_hold() {
    let mut desk = Desk::new();
    let (_, customer, agent) = desk.talking();
    desk.wait_ms(1_000);
    desk.give(Input::LegHeld { leg: agent });
    desk.give(Input::LegHeld { leg: agent });
    desk.wait_ms(2_000);
    desk.give(Input::LegHeld { leg: customer });
    desk.wait_ms(2_000);
    desk.give(Input::LegRetrieved { leg: agent });
    desk.wait_ms(1_000);
    desk.give(Input::LegRetrieved { leg: customer });
    desk.wait_ms(1_000);
    desk.give(Input::LegHeld { leg: customer });
    desk.wait_ms(500);
    desk.bye(customer);
    let it = desk.interaction();
    assert_eq!((it.talk_ms, it.hold_ms), (Some(7_500), Some(5_500)));
    let holds: Vec<_> =
        desk.event_names().into_iter().filter(|n| n.starts_with("call.h") || n.contains("retr")).collect();
    // Told again whenever somebody else holds.
    let (held, back) = ("call.held", "call.retrieved");
    assert_eq!(holds, [held, held, held, back, held, "pop.retracted"]);
}

#[test]
fn a_clock_that_falls_back_an_hour_changes_no_duration() {
    for jump_ms in [-3_600_000, 3_600_000] {
        let mut desk = Desk::new();
        let (_, customer, _) = desk.talking();
        desk.wall_jump_ms = jump_ms;
        desk.wait_ms(4_000);
        desk.bye(customer);
        let it = desk.interaction();
        assert_eq!((it.ringing_ms, it.talk_ms), (Some(3_000), Some(4_000)), "jump {jump_ms}");
        assert!(it.ended_at >= it.answered_at);
    }
}

#[test]
fn a_dead_party_ends_both_legs() {
    let mut desk = Desk::new();
    let (_, customer, agent) = desk.talking();
    desk.give(Input::MediaLost { leg: customer });
    for leg in [customer, agent] {
        assert_eq!(desk.count(&Effect::HangUpLeg { leg, reason: HangUpReason::MediaLost }), 1);
    }
    let it = desk.interaction();
    assert_eq!((it.outcome, it.hangup_by), (Some(Outcome::Answered), Some(HangupBy::System)));
}

#[test]
fn a_lost_device_leg_is_a_fault_and_a_lost_customer_leg_too() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1], Ring::Together);
    desk.give(Input::LegEnded { leg: legs[0], by: EndCause::System, reasons: Vec::new() });
    assert_eq!((desk.finals(customer), desk.interaction().outcome), (vec![500], Some(Outcome::Failed)));

    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1], Ring::Together);
    desk.give(Input::LegEnded { leg: customer, by: EndCause::System, reasons: Vec::new() });
    assert_eq!(desk.count(&Effect::CancelLeg { leg: legs[0] }), 1);
    assert_eq!(desk.interaction().outcome, Some(Outcome::Failed));
}

#[test]
fn an_answer_that_is_never_sent_is_taken_back() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1], Ring::Together);
    desk.give(Input::LegAnswered { leg: legs[0] });
    desk.wait_ms(5_000);
    assert_eq!(desk.finals(customer), [500]);
    assert_eq!(desk.count(&Effect::HangUpLeg { leg: legs[0], reason: HangUpReason::System }), 1);
    assert_eq!(desk.interaction().outcome, Some(Outcome::Failed));
}

#[test]
fn a_cancelled_leg_without_a_final_response_is_forgotten() {
    let mut desk = Desk::new();
    let (_, customer, legs) = desk.ringing(&[1], Ring::Together);
    desk.cancel(customer);
    assert!(matches!(desk.timer, Some((_, TimerReason::CancelLate))));
    desk.wait_ms(40_000);
    assert_eq!(desk.timer, None);
    desk.give(Input::LegAnswered { leg: legs[0] });
    assert!(desk.amended.is_empty(), "a leg that is forgotten changes nothing");
}

#[test]
fn a_late_signal_is_marked() {
    let mut desk = Desk::new();
    let (call, _, _) = desk.talking();
    let signal = desk.signals[0].id;
    desk.give(Input::SignalLate { call, signal });
    assert_eq!(desk.signals.last().unwrap().body, SignalBody::LateDurable { signal });
}

#[test]
fn the_agents_state_follows_the_call() {
    let mut desk = Desk::new();
    let (call, customer, agent) = desk.talking();
    desk.bye(customer);
    let states: Vec<_> = desk
        .events
        .iter()
        .filter_map(|event| match event {
            Event::AgentStateChanged(view) => Some((view.state, view.call_id)),
            _ => None,
        })
        .collect();
    let wanted =
        [(AgentState::Ringing, Some(call)), (AgentState::Busy, Some(call)), (AgentState::Available, None)];
    assert_eq!(states[states.len() - 3..], wanted, "{agent}");
}

#[test]
fn notes_written_after_the_call_amend_its_interaction() {
    let mut desk = Desk::new();
    let (call, customer, _) = desk.talking();
    desk.bye(customer);
    let edit = Edit::Notes { notes: "перезвонить".to_owned(), user: user(1) };
    desk.give(Input::Edited { call, edit });
    assert_eq!(desk.amended, [call]);
    assert_eq!(fold(&desk.signals).unwrap().notes.as_deref(), Some("перезвонить"));
}
