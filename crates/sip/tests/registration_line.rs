//! One line and its registrar: every behaviour by name, on a simulated clock.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that meets the unexpected fails"
)]

mod registration_world;

use linecard_sip::digest::Refused;
use linecard_sip::message::{HeaderName, Response};
use linecard_sip::registration::{
    AddressLearning, FailureReason, Input, Output, RegistrationState, TimerReason, WaitReason,
};
use proptest::prelude::*;
use registration_world::*;

#[test]
fn bindings_are_asked_for_before_the_first_registration() {
    let world = World::started(config());
    assert!(world.sent[0].1.headers.get(&HeaderName::Contact).is_none());
    assert!(world.sent[0].1.headers.get(&HeaderName::Expires).is_none());
    let bound = &contacts(&world.sent[1].1)[0];
    assert_eq!(bound.uri.to_string(), OWN);
    assert_eq!(bound.params.get("expires"), Some("600"));
    let states: Vec<_> = world.states.iter().map(|(_, state)| state.clone()).collect();
    assert_eq!(states[..2], [RegistrationState::Querying, RegistrationState::Registering]);
    let expires_at = world.began + seconds(600);
    assert_eq!(states[2], RegistrationState::Registered { expires_at, contacts: 1 });
    assert!(world.registrar.lists(OWN));
}

#[test]
fn a_registrar_that_answers_no_questions_is_registered_with_all_the_same() {
    for code in [400, 405, 501] {
        let mut world = World::new(config());
        world.registrar.next.push_back(Box::new(move |request| Response::reply_to(request, status(code))));
        world.input(Input::Start);
        assert!(world.is_registered(), "{code}");
    }
}

#[test]
fn every_register_keeps_the_call_id_and_raises_the_cseq() {
    let mut world = World::new(config());
    world.registrar.password = Some(PASSWORD.into());
    world.input(Input::Start);
    world.run_for(seconds(3600));
    let mut last = 0;
    let from = world.last().headers.from_().unwrap();
    for (_, request) in &world.sent {
        assert_eq!(request.headers.call_id().unwrap(), "one-call-id@10.0.0.5");
        assert_eq!(request.headers.from_().unwrap(), from);
        let number = request.headers.cseq().unwrap().number;
        assert!(number == last + 1 || last == 0, "{last} then {number}");
        last = number;
    }
    assert!(world.sent.len() > 6);
}

#[test]
fn an_outbound_proxy_is_the_loose_route() {
    let mut config = config();
    config.outbound_proxy = Some(sip("sip:edge.example:5070"));
    let world = World::started(config);
    let route = world.last().headers.routes().unwrap().remove(0);
    assert_eq!(route.uri.to_string(), "sip:edge.example:5070;lr");
    assert_eq!(world.last().uri.to_string(), "sip:pbx.example");
}

#[test]
fn the_contact_s_expiry_goes_before_the_header_s() {
    let mut world = World::new(config());
    world.registrar.next.push_back(Box::new(|request| Response::reply_to(request, status(200))));
    world.registrar.next.push_back(Box::new(|request| {
        let mut response = with_header(request, 200, HeaderName::Expires, "3600");
        response.headers.push(HeaderName::Contact, format!("<{OWN}>;expires=100"));
        response
    }));
    world.input(Input::Start);
    let expires_at = world.began + seconds(100);
    assert_eq!(*world.line.state(), RegistrationState::Registered { expires_at, contacts: 1 });
}

#[test]
fn the_header_s_expiry_counts_where_the_contact_has_none() {
    let mut world = World::new(config());
    world.registrar.grants_s = Some(100);
    world.registrar.expiry_in_header = true;
    world.input(Input::Start);
    let expires_at = world.began + seconds(100);
    assert_eq!(*world.line.state(), RegistrationState::Registered { expires_at, contacts: 1 });
}

#[test]
fn a_short_grant_is_refreshed_before_it_ends_and_the_state_stays() {
    let mut world = World::new(config());
    world.registrar.grants_s = Some(30);
    world.input(Input::Start);
    for _ in 0..600 {
        world.run_for(seconds(1));
        assert!(world.registrar.lists(OWN));
        assert!(world.is_registered());
    }
    let others = world
        .states
        .iter()
        .skip(3)
        .filter(|(_, state)| !matches!(state, RegistrationState::Registered { .. }));
    assert_eq!(others.count(), 0, "a refresh is nobody's concern");
}

#[test]
fn a_grant_of_one_second_makes_no_busy_loop() {
    let mut world = World::new(config());
    world.registrar.grants_s = Some(1);
    world.input(Input::Start);
    world.run_for(seconds(300));
    assert!(world.busiest_minute() <= 32, "{}", world.busiest_minute());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// The failing seed is printed by the assertion and by proptest.
    #[test]
    fn a_refresh_comes_at_50_to_90_percent_of_what_was_granted(
        seed in any::<u64>(),
        granted_s in 10_u32..7200,
        probed in any::<bool>(),
    ) {
        let mut config = config();
        config.expires_s = 7200;
        config.probe_interval = probed.then_some(seconds(60));
        let mut world = World::seeded(config, seed);
        world.registrar.grants_s = Some(granted_s);
        world.input(Input::Start);
        world.run_for(seconds(20 * 7200).min(seconds(u64::from(granted_s) * 6)));
        let bindings: Vec<_> =
            world.sent.iter().filter(|(_, request)| !contacts(request).is_empty()).collect();
        prop_assert!(bindings.len() >= 6, "seed {seed}");
        for pair in bindings.windows(2) {
            let share = gap(pair[0].0, pair[1].0) / f64::from(granted_s);
            prop_assert!((0.499..=0.901).contains(&share), "seed {seed}: refreshed at {share}");
        }
    }
}

#[test]
fn a_423_is_answered_with_the_interval_that_it_names() {
    let mut world = World::new(config());
    world.registrar.least_s = Some(1800);
    world.input(Input::Start);
    assert!(world.is_registered());
    assert_eq!(contacts(world.last())[0].params.get("expires"), Some("1800"));
    let requests = world.sent.len();
    world.run_for(seconds(1700));
    assert_eq!(world.sent.len(), requests + 1, "the interval is remembered");
}

#[test]
fn a_423_without_an_acceptable_interval_fails_and_is_retried_slowly() {
    for least in ["", "1", "4000000000"] {
        let mut world = World::new(config());
        world.registrar.always = Some(Box::new(move |request| {
            if request.headers.get(&HeaderName::Contact).is_none() {
                return Response::reply_to(request, status(200));
            }
            with_header(request, 423, HeaderName::MinExpires, least)
        }));
        world.input(Input::Start);
        let RegistrationState::Failed { reason: FailureReason::IntervalRefused, retry_at } =
            *world.line.state()
        else {
            panic!("{:?}", world.line.state())
        };
        assert!(gap(world.now, retry_at) >= 60.0);
    }
}

#[test]
fn a_423_that_rises_for_ever_is_given_up() {
    let mut world = World::new(config());
    let mut least_s = 1000;
    world.registrar.always = Some(Box::new(move |request| {
        least_s += 1;
        with_header(request, 423, HeaderName::MinExpires, &least_s.to_string())
    }));
    world.input(Input::Start);
    assert!(world.sent.len() <= 4, "{}", world.sent.len());
    assert!(matches!(world.line.state(), RegistrationState::Failed { .. }));
}

#[test]
fn a_retry_after_is_obeyed() {
    for code in [408, 480, 486, 500, 503, 600] {
        let mut world = World::new(config());
        world.registrar.next.push_back(Box::new(move |request| {
            with_header(request, code, HeaderName::RetryAfter, "90 (maintenance);duration=3600")
        }));
        world.input(Input::Start);
        let reason = WaitReason::Unavailable { status: code, retry_after_s: Some(90) };
        assert!(
            matches!(world.line.state(), RegistrationState::Waiting { reason: r, .. } if *r == reason),
            "{:?}",
            world.line.state()
        );
        world.run_for(seconds(90));
        assert_eq!(world.sent.len(), 1, "{code}: nothing before the time is over");
        world.run_for(seconds(12));
        assert!(world.is_registered(), "{code}");
    }
}

#[test]
fn an_unavailable_registrar_without_retry_after_is_tried_with_back_off() {
    let mut world = World::new(config());
    world.registrar.always = Some(Box::new(|request| Response::reply_to(request, status(503))));
    world.input(Input::Start);
    world.run_for(seconds(600));
    assert!(world.busiest_minute() <= 9, "{}", world.busiest_minute());
    assert!(world.sent_within(seconds(60)) >= 2, "it goes on trying");
    world.registrar.always = None;
    world.run_for(seconds(29));
    assert!(world.is_registered());
}

#[test]
fn a_redirect_is_followed_and_kept() {
    let mut world = World::new(config());
    world.registrar.next.push_back(Box::new(|request| {
        let mut response = with_header(request, 302, HeaderName::Contact, "<sip:low.example>;q=0.1");
        response.headers.push(HeaderName::Contact, "<sip:node2.example:5062?x=y>;q=0.9");
        response
    }));
    world.input(Input::Start);
    assert!(world.is_registered());
    assert_eq!(world.last().uri.to_string(), "sip:node2.example:5062");
    assert_eq!(world.last().headers.to().unwrap().uri.to_string(), "sip:105@pbx.example");
    world.run_for(seconds(600));
    assert_eq!(world.last().uri.to_string(), "sip:node2.example:5062");
}

#[test]
fn a_redirected_line_comes_back_to_its_registrar_after_silence() {
    let mut world = World::new(config());
    world
        .registrar
        .next
        .push_back(Box::new(|request| with_header(request, 302, HeaderName::Contact, "<sip:node2.example>")));
    world.input(Input::Start);
    world.registrar.up = false;
    world.run_for(seconds(900));
    assert_eq!(world.last().uri.to_string(), "sip:pbx.example");
}

#[test]
fn redirects_in_a_circle_end() {
    let mut world = World::new(config());
    world.registrar.always = Some(Box::new(|request| {
        let other =
            if request.uri.to_string().contains("a.") { "<sip:b.example>" } else { "<sip:a.example>" };
        with_header(request, 302, HeaderName::Contact, other)
    }));
    world.input(Input::Start);
    assert!(world.sent.len() <= 4);
    assert!(matches!(world.line.state(), RegistrationState::Failed { reason: FailureReason::Redirect, .. }));
}

#[test]
fn redirects_ever_farther_end() {
    let mut world = World::new(config());
    let mut hop = 0;
    world.registrar.always = Some(Box::new(move |request| {
        hop += 1;
        with_header(request, 302, HeaderName::Contact, &format!("<sip:hop{hop}.example>"))
    }));
    world.input(Input::Start);
    assert_eq!(world.sent.len(), 6);
    assert!(matches!(world.line.state(), RegistrationState::Failed { reason: FailureReason::Redirect, .. }));
}

#[test]
fn a_contact_missing_in_the_200_is_noticed_and_retried_with_back_off() {
    let mut world = World::new(config());
    world.registrar.omits = Some(OWN.into());
    world.input(Input::Start);
    assert!(matches!(
        world.line.state(),
        RegistrationState::Waiting { reason: WaitReason::ContactMissing { attempts: 1 }, .. }
    ));
    world.run_for(seconds(3600));
    assert!(world.busiest_minute() <= 7, "{}", world.busiest_minute());
    assert!((12..40).contains(&world.sent.len()), "{}", world.sent.len());
    world.registrar.omits = None;
    world.run_for(seconds(301));
    assert!(world.is_registered());
}

#[test]
fn a_grant_of_zero_is_a_missing_contact() {
    let mut world = World::new(config());
    world.registrar.always = Some(Box::new(|request| {
        with_header(request, 200, HeaderName::Contact, &format!("<{OWN}>;expires=0"))
    }));
    world.input(Input::Start);
    assert!(matches!(
        world.line.state(),
        RegistrationState::Waiting { reason: WaitReason::ContactMissing { .. }, .. }
    ));
}

#[test]
fn a_malformed_foreign_contact_does_not_hide_ours() {
    let mut world = World::new(config());
    world.registrar.always = Some(Box::new(|request| {
        let mut response = with_header(request, 200, HeaderName::Contact, "<<<:nonsense");
        response.headers.push(HeaderName::Contact, format!("<{OWN}>;expires=300"));
        response
    }));
    world.input(Input::Start);
    assert!(world.is_registered());
}

#[test]
fn a_challenge_is_answered_and_the_nonce_reused() {
    let mut world = World::new(config());
    world.registrar.password = Some(PASSWORD.into());
    world.input(Input::Start);
    assert!(world.is_registered());
    assert_eq!(world.sent.len(), 3, "query, query with proof, registration with the same nonce");
    world.run_for(seconds(600));
    assert_eq!(world.sent.len(), 4, "the refresh is proved unasked");
}

#[test]
fn a_proxy_s_challenge_is_answered() {
    let mut world = World::new(config());
    world.registrar.next.push_back(Box::new(|request| {
        let value = "Digest realm=\"edge\", nonce=\"p\", qop=\"auth\"";
        with_header(request, 407, HeaderName::ProxyAuthenticate, value)
    }));
    world.registrar.password = Some(PASSWORD.into());
    world.input(Input::Start);
    assert!(world.is_registered());
    assert!(world.last().headers.get(&HeaderName::ProxyAuthorization).is_some());
}

#[test]
fn a_changed_nonce_is_answered_in_the_same_breath() {
    let mut world = World::new(config());
    world.registrar.password = Some(PASSWORD.into());
    world.input(Input::Start);
    world.registrar.nonce += 100;
    world.run_for(seconds(600));
    assert!(world.is_registered());
    assert_eq!(world.sent.len(), 5);
}

#[test]
fn at_most_two_challenges_in_a_row_are_answered() {
    let mut world = World::new(config());
    world.registrar.password = Some(PASSWORD.into());
    world.registrar.always_stale = true;
    world.input(Input::Start);
    assert_eq!(world.sent.len(), 3, "bare, first proof, second proof");
    let reason = FailureReason::Authentication(Refused::TooMany);
    assert!(matches!(world.line.state(), RegistrationState::Failed { reason: r, .. } if *r == reason));
}

#[test]
fn a_wrong_password_fails_clearly_and_never_hammers() {
    let mut world = World::new(config());
    world.registrar.password = Some("another".into());
    world.input(Input::Start);
    let RegistrationState::Failed { reason, retry_at } = world.line.state().clone() else {
        panic!("{:?}", world.line.state())
    };
    assert_eq!(reason.to_string(), "user name or password is wrong (realm \"pbx\")");
    assert!(gap(world.now, retry_at) >= 300.0);
    world.run_for(seconds(4 * 3600));
    let proofs =
        |request: &linecard_sip::message::Request| request.headers.get(&HeaderName::Authorization).is_some();
    let wrong = world.sent.iter().filter(|(_, request)| proofs(request)).count();
    assert!((4..=12).contains(&wrong), "{wrong} wrong proofs in four hours");
    world.registrar.password = Some(PASSWORD.into());
    world.run_for(seconds(3601));
    assert!(world.is_registered(), "a corrected password is noticed by itself");
}

#[test]
fn a_403_and_a_404_fail_with_their_reason_and_are_retried_slowly() {
    for (code, reason) in [(403, FailureReason::Forbidden), (404, FailureReason::UnknownUser)] {
        let mut world = World::new(config());
        world.registrar.always = Some(Box::new(move |request| Response::reply_to(request, status(code))));
        world.input(Input::Start);
        assert!(matches!(world.line.state(), RegistrationState::Failed { reason: r, .. } if *r == reason));
        assert!(reason.to_string().starts_with(&code.to_string()));
        world.run_for(seconds(3600));
        assert!((3..12).contains(&world.sent.len()), "{code}: {}", world.sent.len());
        world.registrar.always = None;
        world.run_for(seconds(1801));
        assert!(world.is_registered(), "{code}");
    }
}

#[test]
fn silence_is_met_with_growing_waits_up_to_half_a_minute() {
    let mut world = World::new(config());
    world.registrar.up = false;
    world.input(Input::Start);
    world.run_for(seconds(600));
    let waits: Vec<f64> = world
        .states
        .iter()
        .filter_map(|(at, state)| match state {
            RegistrationState::Waiting { until, reason: WaitReason::Unreachable { .. } } => {
                Some(gap(*at, *until))
            }
            _ => None,
        })
        .collect();
    assert!((2.0..4.0).contains(&waits[0]), "{waits:?}");
    assert!((4.0..8.0).contains(&waits[1]), "{waits:?}");
    assert!(waits.iter().all(|wait| (2.0..30.0).contains(wait)), "{waits:?}");
    assert!(waits.iter().skip(4).all(|wait| *wait >= 14.0), "{waits:?}");
}

#[test]
fn a_transport_that_refuses_at_once_makes_no_busy_loop() {
    let mut world = World::new(config());
    world.registrar.up = false;
    world.input(Input::Start);
    for _ in 0..600 {
        world.input(Input::TransportFailed(None));
        world.run_for(seconds(1));
    }
    assert!(world.busiest_minute() <= 8, "{}", world.busiest_minute());
    assert!(world.sent.len() >= 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn a_registrar_restarted_with_an_empty_table_knows_us_within_30_s_of_its_return(
        seed in any::<u64>(),
        before_ms in 1_000_u64..120_000,
        outage_ms in 200_u64..400_000,
    ) {
        let mut config = config();
        config.probe_interval = Some(seconds(20));
        config.expires_s = 3600;
        let mut world = World::seeded(config, seed);
        world.registrar.password = Some(PASSWORD.into());
        world.input(Input::Start);
        world.run_for(std::time::Duration::from_millis(before_ms));
        prop_assert!(world.is_registered());
        world.registrar.up = false;
        world.registrar.table.clear();
        world.run_for(std::time::Duration::from_millis(outage_ms));
        world.registrar.up = true;
        world.registrar.nonce += 1000;
        world.run_for(seconds(30));
        prop_assert!(world.registrar.lists(OWN), "seed {seed}: {:?}", world.line.state());
        prop_assert!(world.is_registered(), "seed {seed}: {:?}", world.line.state());
        prop_assert!(world.busiest_minute() <= 16, "seed {seed}: {}", world.busiest_minute());
    }
}

#[test]
fn without_probes_nothing_is_sent_between_refreshes() {
    let mut world = World::started(config());
    let requests = world.sent.len();
    world.run_for(seconds(299));
    assert_eq!(world.sent.len(), requests);
}

#[test]
fn a_probe_that_finds_us_changes_nothing() {
    let mut config = config();
    config.probe_interval = Some(seconds(20));
    let mut world = World::started(config);
    let states = world.states.len();
    world.run_for(seconds(290));
    assert_eq!(world.states.len(), states);
    assert!((14..=20).contains(&(world.sent.len() - 2)), "{}", world.sent.len());
}

#[test]
fn a_registrar_that_hides_bindings_from_questions_is_not_asked_for_ever() {
    let mut config = config();
    config.probe_interval = Some(seconds(20));
    let mut world = World::new(config);
    world.registrar.hides_from_questions = true;
    world.input(Input::Start);
    world.run_for(seconds(1800));
    assert!(world.is_registered());
    assert!(world.sent.len() < 20, "{}", world.sent.len());
}

#[test]
fn a_doubt_is_cleared_within_seconds() {
    let mut world = World::started(config());
    world.run_for(seconds(10));
    world.registrar.table.clear();
    world.input(Input::Verify { within: seconds(5) });
    world.run_for(seconds(5));
    assert!(world.registrar.lists(OWN));
}

#[test]
fn a_lost_connection_is_followed_by_a_registration_within_seconds() {
    let mut world = World::started(config());
    world.run_for(seconds(10));
    world.registrar.table.clear();
    world.input(Input::TransportFailed(None));
    assert!(!world.is_registered());
    world.run_for(seconds(4));
    assert!(world.is_registered());
    assert!(world.registrar.lists(OWN));
}

#[test]
fn an_answer_that_is_lost_inside_is_missed_in_the_end() {
    let mut world = World::new(config());
    world.line.handle_input(Input::Start, world.now);
    let mut timer = None;
    loop {
        match world.line.poll_output() {
            Output::Timeout { at, reason } => {
                timer = Some((at, reason));
                break;
            }
            Output::Idle => break,
            Output::SendRequest(_) | Output::StateChanged(_) => {}
        }
    }
    let (at, reason) = timer.unwrap();
    assert_eq!(reason, TimerReason::AnswerOverdue);
    assert!(gap(world.now, at) > 32.0);
    world.now = at;
    world.input(Input::Timeout);
    assert!(matches!(world.line.state(), RegistrationState::Waiting { .. }));
    world.run_for(seconds(10));
    assert!(world.is_registered());
}

#[test]
fn a_late_answer_to_an_earlier_request_means_nothing() {
    let mut world = World::started(config());
    let early = world.sent[0].1.clone();
    world.registrar.up = false;
    world.run_for(seconds(550));
    let before = world.line.state().clone();
    let late = with_header(&early, 200, HeaderName::Contact, &format!("<{OWN}>;expires=600"));
    world.input(Input::Response(late));
    assert_eq!(*world.line.state(), before);
}

#[test]
fn foreign_bindings_are_counted_and_their_expiry_kept() {
    let mut world = World::new(config());
    let until = world.now + seconds(450);
    world.registrar.table.push(Bound { uri: "sip:105@10.0.0.9".into(), until });
    world.input(Input::Start);
    let expires_at = world.began + seconds(600);
    assert_eq!(*world.line.state(), RegistrationState::Registered { expires_at, contacts: 2 });
    let foreign = world.line.foreign_bindings();
    assert_eq!(foreign.len(), 1);
    assert_eq!(foreign[0].contact.to_string(), "sip:105@10.0.0.9");
    assert_eq!(foreign[0].expires_at, Some(until));
}

#[test]
fn a_stop_removes_our_contact_and_no_other() {
    let mut world = World::new(config());
    world.registrar.password = Some(PASSWORD.into());
    let until = world.now + seconds(4500);
    world.registrar.table.push(Bound { uri: "sip:105@10.0.0.9".into(), until });
    world.input(Input::Start);
    world.run_for(seconds(10));
    world.registrar.nonce += 7;
    world.input(Input::Stop);
    assert_eq!(*world.line.state(), RegistrationState::Unregistered);
    assert!(!world.registrar.lists(OWN));
    assert!(world.registrar.lists("sip:105@10.0.0.9"));
    assert_eq!(contacts(world.last())[0].params.get("expires"), Some("0"));
    let requests = world.sent.len();
    world.run_for(seconds(3600));
    assert_eq!(world.sent.len(), requests, "at rest");
}

#[test]
fn a_stop_while_nothing_is_bound_sends_nothing() {
    let mut world = World::new(config());
    world.registrar.always = Some(Box::new(|request| Response::reply_to(request, status(403))));
    world.input(Input::Start);
    let requests = world.sent.len();
    world.input(Input::Stop);
    assert_eq!(*world.line.state(), RegistrationState::Unregistered);
    assert_eq!(world.sent.len(), requests);
}

#[test]
fn a_stop_waits_for_the_registration_in_flight_and_then_removes_it() {
    let mut world = World::started(config());
    world.registrar.up = false;
    world.registrar.table.clear();
    world.input(Input::Verify { within: seconds(5) });
    world.run_for(seconds(6));
    world.input(Input::Stop);
    assert_eq!(*world.line.state(), RegistrationState::Unregistering);
    let requests = world.sent.len();
    world.registrar.up = true;
    world.run_for(seconds(5));
    assert_eq!(*world.line.state(), RegistrationState::Unregistered);
    assert_eq!(world.sent.len(), requests + 1);
    assert!(world.registrar.table.is_empty());
}

#[test]
fn a_stop_towards_a_silent_registrar_ends() {
    let mut world = World::started(config());
    world.registrar.up = false;
    world.input(Input::Stop);
    world.run_for(seconds(33));
    assert_eq!(*world.line.state(), RegistrationState::Unregistered);
}

#[test]
fn a_line_can_be_started_again() {
    let mut world = World::started(config());
    world.input(Input::Stop);
    world.input(Input::Start);
    assert!(world.is_registered());
    world.registrar.up = false;
    world.input(Input::Stop);
    world.input(Input::Start);
    world.registrar.up = true;
    world.run_for(seconds(40));
    assert!(world.is_registered());
    assert!(world.registrar.lists(OWN));
}

#[test]
fn the_contact_follows_the_public_address() {
    let mut config = config();
    config.address_learning = AddressLearning::FollowVia;
    let mut world = World::new(config);
    world.registrar.seen_from = Some("203.0.113.9:40001".parse().unwrap());
    world.input(Input::Start);
    assert_eq!(world.line.contact().to_string(), "sip:kq7v2m9x@203.0.113.9:40001");
    assert_eq!(world.sent.len(), 2, "learned from the first answer");
    world.registrar.seen_from = Some("203.0.113.9:40002".parse().unwrap());
    world.run_for(seconds(600));
    assert!(world.is_registered());
    let table: Vec<&str> = world.registrar.table.iter().map(|bound| bound.uri.as_str()).collect();
    assert_eq!(table, ["sip:kq7v2m9x@203.0.113.9:40002"], "the old binding is removed");
}

#[test]
fn the_contact_stays_when_it_is_told_to() {
    let mut world = World::new(config());
    world.registrar.seen_from = Some("203.0.113.9:40001".parse().unwrap());
    world.input(Input::Start);
    assert_eq!(world.line.contact().to_string(), OWN);
}

#[test]
fn a_public_address_that_changes_with_each_answer_makes_no_busy_loop() {
    let mut config = config();
    config.address_learning = AddressLearning::FollowVia;
    let mut world = World::new(config);
    let mut port = 40_000;
    world.registrar.always = Some(Box::new(move |request| {
        port += 1;
        let mut request = request.clone();
        let mut via = request.headers.top_via().unwrap();
        via.set_rport(Some(port));
        via.set_received("203.0.113.9".parse().unwrap());
        request.headers.set_top_via(&via);
        let mut response = Response::reply_to(&request, status(200));
        for contact in contacts(&request) {
            response.headers.push(HeaderName::Contact, contact.to_bytes());
        }
        response
    }));
    world.input(Input::Start);
    world.run_for(seconds(3600));
    assert!(world.is_registered());
    assert!(world.busiest_minute() <= 6, "{}", world.busiest_minute());
}
