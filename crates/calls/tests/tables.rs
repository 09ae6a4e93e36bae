//! Text tables of signals and the interaction that they fold to: `tests/fixtures/*.txt`.
//!
//! A line is `milliseconds who what...`, with `customer`, `phone1`, `phone2` as legs; lines that begin with
//! `=` name fields of the interaction (or `rule`) and their JSON. Signals stand in the order of arrival,
//! which need not be that of their times; `#` is a comment.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use common::{WALL, candidate, contact, device, line, named, user};
use linecard_calls::*;
use serde_json::{Value, json};

fn leg(word: &str) -> LegId {
    match word {
        "customer" => named(5, 0),
        other => named(5, other.strip_prefix("phone").unwrap().parse().unwrap()),
    }
}

fn offer(number: &str, owner: &str) -> SignalBody {
    SignalBody::LegOffered(Offer {
        leg: leg("customer"),
        interaction: named(8, 1),
        line: line(1),
        user: (owner != "-").then(|| user(owner.parse().unwrap())),
        caller: Caller {
            number: (number != "-").then(|| number.to_owned()),
            dialled: Some(number.to_owned()),
            ..Caller::default()
        },
        did: None,
        user_to_user: Vec::new(),
        sip_call_id: "c".to_owned(),
        from_tag: "t".to_owned(),
    })
}

fn routed(owner: &str, devices: &str, ring: &str) -> SignalBody {
    let owner = (owner != "-").then(|| user(owner.parse().unwrap()));
    let numbers: Vec<u16> = devices.split(',').filter_map(|n| n.parse().ok()).collect();
    let ring = if ring == "in_order" { Ring::InOrder } else { Ring::Together };
    SignalBody::Routed(common::route(owner, &numbers, ring))
}

fn recording_closed(duration_ms: &str, state: &str) -> SignalBody {
    SignalBody::RecordingClosed(RecordingClosed {
        recording: named(6, 1),
        state: word(state),
        duration_ms: duration_ms.parse().unwrap(),
        channels: 2,
        sample_rate_hz: 8_000,
        sha256: None,
        spans: Vec::new(),
    })
}

fn word<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_value(json!(text)).unwrap_or_else(|_| panic!("what is {text}?"))
}

fn body(words: &[&str]) -> SignalBody {
    let reasons = Vec::new();
    match *words {
        ["offered", number, owner] => offer(number, owner),
        ["routed", owner, devices, ring] => routed(owner, devices, ring),
        ["route_unavailable"] => SignalBody::RouteUnavailable {},
        ["media_unavailable"] => SignalBody::MediaUnavailable { why: MediaFault::NoPort },
        ["no_common_encryption"] => SignalBody::MediaUnavailable { why: MediaFault::NoEncryption },
        ["no_common_codec"] => SignalBody::MediaUnavailable { why: MediaFault::NoCodec },
        ["user_in_call"] => SignalBody::UserInCall { user: user(1), other: named(7, 9) },
        ["matched", level, ref contacts @ ..] => SignalBody::ContactLookedUp {
            number: None,
            candidates: contacts.iter().map(|n| candidate(n.parse().unwrap(), level)).collect(),
            lookup: Lookup::Done,
        },
        ["unmatched"] => {
            SignalBody::ContactLookedUp { number: None, candidates: Vec::new(), lookup: Lookup::Unavailable }
        }
        ["chosen", n] => {
            SignalBody::ContactChosen { contact: Some(contact(n.parse().unwrap())), user: user(1) }
        }
        [phone, "dialled", n] => {
            SignalBody::LegDialled { leg: leg(phone), user: user(1), device: device(n.parse().unwrap()) }
        }
        [phone, "rings"] => SignalBody::LegProgressed { leg: leg(phone), status: 180 },
        [who, "answered"] => SignalBody::LegAnswered { leg: leg(who) },
        [who, "bridged"] => SignalBody::Bridged { customer: leg("customer"), agent: leg(who) },
        [who, "rejected", status] => {
            SignalBody::LegRejected { leg: leg(who), status: status.parse().unwrap(), reasons }
        }
        [who, "cancelled", by] => SignalBody::LegCancelled { leg: leg(who), by: word(by), reasons },
        [who, "ended", by] => SignalBody::LegEnded { leg: leg(who), by: word(by), reasons },
        [who, "held"] => SignalBody::Held { leg: leg(who) },
        [who, "retrieved"] => SignalBody::Retrieved { leg: leg(who) },
        ["interrupted", alive_until] => {
            SignalBody::Interrupted { alive_until: UtcMillis(WALL + alive_until.parse::<i64>().unwrap()) }
        }
        ["recording_opened"] => {
            SignalBody::RecordingOpened { recording: named(6, 1), path: "x.wav".to_owned() }
        }
        ["recording_closed", duration_ms, state] => recording_closed(duration_ms, state),
        ["hang_up_requested"] => SignalBody::HangUpRequested { user: user(1) },
        _ => panic!("what is {words:?}?"),
    }
}

fn check(text: &str) {
    let mut signals = Vec::new();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (expected, seen): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with('='));
    for (n, line) in (1_u16..).zip(seen) {
        let (at, what) = line.split_once(' ').unwrap();
        let words: Vec<&str> = what.split_whitespace().collect();
        signals.push(Signal {
            id: named(9, n),
            call_id: named(7, 1),
            source: Source::Anchor,
            observed_at: UtcMillis(WALL + at.parse::<i64>().unwrap()),
            order: u64::from(n),
            body: body(&words),
        });
    }
    let mut it = serde_json::to_value(fold(&signals).unwrap()).unwrap();
    it["rule"] = serde_json::to_value(explain(&signals).unwrap().rule).unwrap();
    it["recording"] = fold_recordings(&signals).first().map_or(Value::Null, |r| json!(r.state));
    assert!(!expected.is_empty());
    for line in expected {
        let (field, wanted) = line.trim_start_matches('=').trim().split_once(' ').unwrap();
        let wanted = serde_json::from_str(wanted).unwrap_or_else(|_| Value::from(wanted));
        assert_eq!(it.get(field), Some(&wanted), "{field}: {:#?}", explain(&signals));
    }
}

macro_rules! tables {
    ($($name:ident,)*) => {$(
        #[test]
        fn $name() {
            check(include_str!(concat!("fixtures/", stringify!($name), ".txt")));
        }
    )*};
}

tables! {
    a_call_in_progress_has_no_outcome,
    an_answered_call_with_hold,
    the_agent_hangs_up_first,
    a_caller_gives_up_while_the_200_crosses,
    in_order_the_second_device_answers,
    one_busy_one_declined,
    a_user_in_a_call,
    nobody_to_ring,
    a_device_that_rang_out_outranks_a_busy_one,
    signals_out_of_order_with_a_clock_that_fell_back,
    a_crash_in_mid_talk,
    a_crash_after_the_customer_had_gone,
    a_lookup_unavailable_then_found,
    a_chosen_contact_outranks_the_match,
    a_recording_that_ended_early,
    a_switchboard_number_settles_nobody,
}
