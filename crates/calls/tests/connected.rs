//! The PBX connects a call with another party and says so: the first caller stays, the customer becomes known.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use common::{Desk, candidate, route, shuffled, user};
use linecard_calls::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

const CUSTOMER: &str = "+79161234567";

fn named(number: &str) -> Caller {
    Caller { number: Some(number.to_owned()), dialled: Some(number.to_owned()), ..Caller::default() }
}

/// User 1 talks with whoever calls from `number`, and the contacts know nobody of it.
fn talking(desk: &mut Desk, number: Option<&str>) -> (CallId, LegId, LegId) {
    let (call, customer) = desk.offer_from(Some(user(1)), number);
    if number.is_some() {
        desk.found(call, Vec::new());
    }
    desk.route(call, route(Some(user(1)), &[1], Ring::Together));
    let agent = desk.dialled()[0];
    for leg in [agent, customer] {
        desk.give(Input::LegAnswered { leg });
    }
    desk.give(Input::LegConfirmed { leg: customer });
    (call, customer, agent)
}

fn asked(desk: &Desk) -> Vec<String> {
    let number = |(effect, _): &(Effect, _)| match effect {
        Effect::FindContact { number, .. } => Some(number.clone()),
        _ => None,
    };
    desk.effects.iter().filter_map(number).collect()
}

fn pop(desk: &Desk) -> Pop {
    let pops = desk.events.iter().rev().find_map(|event| match event {
        Event::PopShown(pop) | Event::PopUpdated(pop) => Some(pop.clone()),
        _ => None,
    });
    pops.expect("a pop")
}

#[test]
fn a_customer_who_is_put_through_by_a_colleague_becomes_known() {
    let mut desk = Desk::new();
    let (call, customer, agent) = talking(&mut desk, Some("101"));
    desk.give(Input::PartyNamed { leg: customer, party: named(CUSTOMER) });
    assert_eq!(asked(&desk), ["101", CUSTOMER]);
    let shown = pop(&desk);
    assert_eq!((shown.number.as_deref(), shown.put_through_by.as_deref()), (Some(CUSTOMER), Some("101")));
    assert_eq!((shown.connected_number, shown.version), (None, 5), "the customer is there");
    assert_eq!(shown.lookup, Lookup::Pending);
    let told = |(effect, _): &(Effect, _)| match effect {
        Effect::NameParty { leg, party, .. } => *leg == agent && party.number.as_deref() == Some(CUSTOMER),
        _ => false,
    };
    assert_eq!(desk.effects.iter().filter(|effect| told(effect)).count(), 1, "the phone shows it too");
    assert!(desk.event_names().contains(&"call.updated"));
    desk.found(call, vec![candidate(7, "exact")]);
    assert_eq!(pop(&desk).candidates.len(), 1);
    assert_eq!(desk.engine.calls_of_number(CUSTOMER), [call]);
    desk.bye(customer);
    let saved = desk.interaction();
    assert_eq!(saved.caller_number.as_deref(), Some("101"), "who called stays");
    assert_eq!((saved.customer_number.as_deref(), saved.other_number()), (Some(CUSTOMER), Some(CUSTOMER)));
    assert_eq!(saved.connected_number, None, "nobody else was there at last");
    assert!(saved.contact_id.is_some());
}

#[test]
fn a_first_caller_with_a_public_number_stays_the_customer() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer(Some(user(1)));
    desk.found(call, vec![candidate(7, "exact")]);
    let known = desk.engine.live_interaction(call).unwrap().contact_id;
    for (number, other) in [("102", "102"), (CUSTOMER, CUSTOMER)] {
        desk.give(Input::PartyNamed { leg: customer, party: named(number) });
        let live = desk.engine.live_interaction(call).unwrap();
        assert_eq!((live.connected_number.as_deref(), live.contact_id), (Some(other), known));
        assert_eq!(live.other_number(), Some("+79101234567"));
        let shown = pop(&desk);
        assert_eq!(
            (shown.number.as_deref(), shown.connected_number.as_deref()),
            (Some("+79101234567"), Some(other))
        );
        assert_eq!((shown.candidates.len(), shown.put_through_by), (1, None));
    }
    assert_eq!(asked(&desk), ["+79101234567"]);
    desk.give(Input::PartyNamed { leg: customer, party: named("+79101234567") });
    assert_eq!(
        desk.engine.live_interaction(call).unwrap().connected_number,
        None,
        "back with the first caller"
    );
    assert_eq!(pop(&desk).connected_number, None);
}

#[test]
fn a_withheld_caller_who_is_named_later_is_looked_up() {
    let mut desk = Desk::new();
    let (call, customer, _) = talking(&mut desk, None);
    desk.give(Input::PartyNamed { leg: customer, party: named(CUSTOMER) });
    assert_eq!(asked(&desk), [CUSTOMER]);
    desk.found(call, vec![candidate(7, "exact")]);
    assert!(desk.engine.live_interaction(call).unwrap().contact_id.is_some());
}

#[test]
fn what_is_no_news_changes_nothing() {
    let mut desk = Desk::new();
    let (_, customer, agent) = talking(&mut desk, Some("101"));
    desk.give(Input::PartyNamed { leg: customer, party: named("102") });
    let before = (desk.signals.len(), desk.events.len());
    // The same again, the number that was dialled, nobody, and what an agent's phone says of itself.
    for (leg, party) in [
        (customer, named("102")),
        (customer, named("+78312123456")),
        (customer, Caller::default()),
        (agent, named(CUSTOMER)),
    ] {
        desk.give(Input::PartyNamed { leg, party });
    }
    assert_eq!((desk.signals.len(), desk.events.len()), before);
    desk.bye(customer);
    let after = desk.signals.len();
    desk.give(Input::PartyNamed { leg: customer, party: named(CUSTOMER) });
    assert_eq!(desk.signals.len(), after, "and nothing after the end");
}

#[test]
fn an_answer_about_the_first_number_comes_too_late() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer_from(Some(user(1)), Some("101"));
    let colleague = vec![candidate(3, "exact")];
    desk.found(call, colleague.clone());
    desk.give(Input::PartyNamed { leg: customer, party: named(CUSTOMER) });
    assert_eq!(
        desk.engine.live_interaction(call).unwrap().contact_id,
        None,
        "the colleague is not the customer"
    );
    assert_eq!(pop(&desk).candidates, []);
    desk.give(Input::ContactFound { call, number: "101".to_owned(), candidates: colleague });
    assert_eq!(desk.engine.live_interaction(call).unwrap().contact_id, None);
    assert_eq!(pop(&desk).lookup, Lookup::Pending);
    desk.found(call, vec![candidate(7, "exact")]);
    let contact = desk.engine.live_interaction(call).unwrap().contact_id;
    assert_eq!(contact, settled_contact(&[candidate(7, "exact")]));
}

#[test]
fn a_customer_whom_a_colleague_puts_through_in_vain_is_missed_by_its_own_number() {
    let mut desk = Desk::new();
    let (call, customer) = desk.offer_from(Some(user(1)), Some("101"));
    desk.give(Input::PartyNamed { leg: customer, party: named(CUSTOMER) });
    desk.found(call, Vec::new());
    desk.route(call, route(Some(user(1)), &[1], Ring::Together));
    desk.cancel(customer);
    let missed = missed::MissedCall::of(desk.interaction()).unwrap();
    assert_eq!(
        (missed.number.as_deref(), missed.number_dialled.as_deref()),
        (Some(CUSTOMER), Some(CUSTOMER))
    );
    assert_eq!(Some(missed.caller()), missed::CallerKey::of(desk.interaction()));
}

#[test]
fn the_next_agent_sees_who_is_there_now() {
    let mut desk = Desk::new();
    let (call, customer, _) = talking(&mut desk, Some("101"));
    desk.give(Input::PartyNamed { leg: customer, party: named(CUSTOMER) });
    let to = TransferTarget::User { name: None, route: route(Some(user(2)), &[5], Ring::Together) };
    let request =
        TransferRequest { by: user(1), by_name: None, kind: TransferKind::Blind, to, asked_on: None };
    desk.give(Input::TransferRequested { call, request });
    let shown = pop(&desk);
    assert_eq!((shown.user_id, shown.number.as_deref()), (user(2), Some(CUSTOMER)));
    assert_eq!(shown.put_through_by.as_deref(), Some("101"));
    let dialled = desk.effects.iter().rev().find_map(|(effect, _)| match effect {
        Effect::DialDevice { caller, .. } => caller.number.clone(),
        _ => None,
    });
    assert_eq!(dialled.as_deref(), Some(CUSTOMER));
}

#[test]
fn whoever_answers_a_call_that_a_user_asked_for_is_told() {
    let mut desk = Desk::new();
    let (call, callee, _) = desk.dialling();
    desk.give(Input::PartyNamed { leg: callee, party: named("+78312000000") });
    assert_eq!(desk.engine.live_interaction(call).unwrap().connected_number, None, "that is our own number");
    desk.give(Input::LegAnswered { leg: callee });
    desk.give(Input::PartyNamed { leg: callee, party: named(CUSTOMER) });
    let live = desk.engine.live_interaction(call).unwrap();
    assert_eq!(live.connected_number.as_deref(), Some(CUSTOMER));
    assert_eq!(
        (live.callee_number.as_deref(), live.other_number()),
        (Some("+79101234567"), Some("+79101234567"))
    );
}

#[test]
fn the_order_in_which_evidence_is_read_does_not_matter() {
    let mut desk = Desk::new();
    let (call, customer, _) = talking(&mut desk, Some("101"));
    for number in ["102", CUSTOMER, "103", "+79160000002"] {
        desk.wait_ms(10);
        desk.give(Input::PartyNamed { leg: customer, party: named(number) });
        if number == CUSTOMER {
            desk.found(call, vec![candidate(7, "exact")]);
        }
    }
    assert_eq!(asked(&desk), ["101", CUSTOMER]);
    desk.bye(customer);
    let saved = desk.interaction().clone();
    assert_eq!(
        saved.contact_id,
        settled_contact(&[candidate(7, "exact")]),
        "the first public number is the customer's"
    );
    assert_eq!(saved.connected_number.as_deref(), Some("+79160000002"));
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    for _ in 0..200 {
        assert_eq!(fold(&shuffled(&desk.signals, &mut rng)).as_ref(), Some(&saved));
    }
}

#[test]
fn what_is_to_be_done_is_dated_with_what_it_follows_from() {
    let mut desk = Desk::with(RecordingPolicy::All, 7);
    let (call, customer) = desk.offer_from(Some(user(1)), Some(CUSTOMER));
    desk.route(call, route(Some(user(1)), &[1], Ring::Together));
    let agent = desk.dialled()[0];
    desk.give(Input::LegAnswered { leg: agent });
    let (answered, ended) = (desk.now, desk.now + Duration::from_millis(75));
    // Nobody asks the engine what it wants until both have happened.
    desk.engine.handle_input(Input::LegAnswered { leg: customer }, answered, desk.at());
    let over = Input::LegEnded { leg: customer, by: EndCause::Remote, reasons: Vec::new() };
    desk.engine.handle_input(over, ended, UtcMillis(desk.at().0 + 75));
    let (mut opened, mut closed) = (None, None);
    loop {
        match desk.engine.poll_output() {
            Output::Effect { effect: Effect::OpenRecording { .. }, told_at, .. } => opened = Some(told_at),
            Output::Effect { effect: Effect::CloseRecording { .. }, told_at, .. } => closed = Some(told_at),
            Output::Timeout { .. } | Output::Idle => break,
            _ => {}
        }
    }
    assert_eq!((opened, closed), (Some(answered), Some(ended)));
}
