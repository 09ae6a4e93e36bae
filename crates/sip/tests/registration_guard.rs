//! A line beside a desk phone: it never costs the phone its place, and says so when it would.
#![allow(clippy::unwrap_used)]

mod registration_world;

use linecard_sip::message::{HeaderName, Response};
use linecard_sip::registration::{FailureReason, Input, Neighbours, RegistrationConfig, RegistrationState};
use registration_world::{Bound, OWN, World, config, contacts, seconds, status, with_header};

const PHONE: &str = "sip:105@192.0.2.77:5060";

fn beside() -> RegistrationConfig {
    RegistrationConfig { neighbours: Neighbours::Guarded, expires_s: 60, ..config() }
}

/// A line that is about to register beside a phone that stays for so long.
fn beside_a_phone(phone_s: u64) -> World {
    let mut world = World::new(beside());
    let until = world.now + seconds(phone_s);
    world.registrar.table.push(Bound { uri: PHONE.to_owned(), until });
    world
}

fn pushed_out(world: &World) -> Option<(Vec<String>, bool)> {
    match world.line.state() {
        RegistrationState::Failed { reason: FailureReason::PushesOut { contacts, put_back }, .. } => {
            Some((contacts.clone(), *put_back))
        }
        _ => None,
    }
}

#[test]
fn a_phone_that_stays_is_left_alone() {
    let mut world = beside_a_phone(3_600);
    world.input(Input::Start);
    world.run_for(seconds(600));
    assert!(world.is_registered() && world.registrar.lists(PHONE) && world.registrar.lists(OWN));
    // Each registration is preceded by a question.
    let asks = |n: usize| contacts(&world.sent[n].1).is_empty();
    for (n, (_, request)) in world.sent.iter().enumerate() {
        assert!(contacts(request).is_empty() || asks(n - 1), "request {n}");
        assert!(
            contacts(request).iter().all(|contact| contact.uri.to_string() == OWN),
            "no other is touched"
        );
    }
}

#[test]
fn a_phone_that_is_pushed_out_gets_its_place_back_and_the_line_withdraws() {
    let mut world = beside_a_phone(3_600);
    world.registrar.room = Some(1);
    world.input(Input::Start);
    assert_eq!(pushed_out(&world), Some((vec![PHONE.to_owned()], false)));
    assert!(!world.registrar.lists(OWN), "the line's own contact is taken away at once");
    let sent = world.sent.len();
    world.run_for(seconds(86_400));
    assert_eq!(world.sent.len(), sent, "it does not come back by itself");
    world.input(Input::PutBack);
    assert!(world.registrar.lists(PHONE) && !world.registrar.lists(OWN));
    assert_eq!(pushed_out(&world), Some((vec![PHONE.to_owned()], true)));
    // The administrator made room.
    world.registrar.room = None;
    world.input(Input::Start);
    assert!(world.is_registered() && world.registrar.lists(PHONE));
}

#[test]
fn a_registrar_that_answers_with_the_own_contact_alone_is_asked_once_more() {
    let mut world = beside_a_phone(3_600);
    world.registrar.hides_others = true;
    world.input(Input::Start);
    world.run_for(seconds(300));
    assert!(world.is_registered() && world.registrar.lists(PHONE));
    let mut world = beside_a_phone(3_600);
    world.registrar.hides_others = true;
    world.registrar.room = Some(1);
    world.input(Input::Start);
    assert!(pushed_out(&world).is_some() && !world.registrar.lists(OWN));
}

#[test]
fn a_phone_that_is_pushed_out_later_is_noticed_at_the_next_registration() {
    let mut world = World::new(beside());
    world.registrar.room = Some(1);
    world.input(Input::Start);
    assert!(world.is_registered(), "nobody else is there");
    // The phone comes and takes the only place; the line's refresh would take it away again.
    let until = world.now + seconds(3_600);
    world.registrar.table = vec![Bound { uri: PHONE.to_owned(), until }];
    world.run_for(seconds(120));
    assert_eq!(pushed_out(&world), Some((vec![PHONE.to_owned()], false)));
}

#[test]
fn a_binding_that_ends_by_itself_is_nobody_s_fault() {
    let mut world = beside_a_phone(3);
    world.input(Input::Start);
    world.run_for(seconds(300));
    assert!(world.is_registered());
    // Listed for its last moment, and gone with the next answer.
    let mut world = World::new(beside());
    let listing = format!("<{PHONE}>;expires=3");
    world
        .registrar
        .next
        .push_back(Box::new(move |request| with_header(request, 200, HeaderName::Contact, &listing)));
    world.input(Input::Start);
    assert!(world.is_registered());
    // And a phone that goes between two registrations.
    let mut world = beside_a_phone(3_600);
    world.input(Input::Start);
    world.run_for(seconds(5));
    world.registrar.table.retain(|bound| bound.uri != PHONE);
    world.run_for(seconds(300));
    assert!(world.is_registered());
}

#[test]
fn what_cannot_be_asked_counts_as_pushed_out() {
    let mut world = beside_a_phone(3_600);
    world.registrar.hides_others = true;
    world.input(Input::Start);
    assert!(world.is_registered());
    let mut world = beside_a_phone(3_600);
    let listing = format!("<{PHONE}>;expires=3600");
    let own = format!("<{OWN}>;expires=60");
    world
        .registrar
        .next
        .push_back(Box::new(move |request| with_header(request, 200, HeaderName::Contact, &listing)));
    world
        .registrar
        .next
        .push_back(Box::new(move |request| with_header(request, 200, HeaderName::Contact, &own)));
    world.registrar.next.push_back(Box::new(|request| Response::reply_to(request, status(500))));
    world.input(Input::Start);
    assert_eq!(pushed_out(&world), Some((vec![PHONE.to_owned()], false)));
}

#[test]
fn a_stop_of_a_line_that_withdrew_ends_it() {
    let mut world = beside_a_phone(3_600);
    world.registrar.room = Some(1);
    world.input(Input::Start);
    world.input(Input::Stop);
    assert_eq!(*world.line.state(), RegistrationState::Unregistered);
    world.input(Input::PutBack);
    assert!(!world.registrar.lists(PHONE), "what is over touches nobody");
}
