//! The fold takes any signals at all: in any order, in any sense or none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use common::{candidate, device, line, named, route, shuffled, user};
use linecard_calls::*;
use proptest::prelude::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

/// Any body at all about a few legs, in any sense or none.
fn body() -> impl Strategy<Value = SignalBody> {
    prop_oneof![3 => of_leg(), 2 => of_call(), 1 => opening()]
}

fn of_leg() -> impl Strategy<Value = SignalBody> {
    (0_u8..9, 0_u16..4, 0_u16..4, 300_u16..700).prop_map(|(kind, a, b, status)| {
        let leg: LegId = named(5, a);
        let causes =
            [CancelCause::Remote, CancelCause::RingTimeout, CancelCause::HungUp, CancelCause::System];
        let ends = [EndCause::Remote, EndCause::Local, EndCause::HungUp, EndCause::System];
        let (by, end, reasons) = (causes[b as usize], ends[b as usize], Vec::new());
        match kind {
            0 => SignalBody::LegDialled { leg, user: user(b), device: device(a) },
            1 => SignalBody::LegProgressed { leg, status: 180 },
            2 => SignalBody::LegAnswered { leg },
            3 => SignalBody::Bridged { customer: named(5, 0), agent: leg },
            4 => SignalBody::LegRejected { leg, status, reasons },
            5 => SignalBody::LegCancelled { leg, by, reasons },
            6 => SignalBody::LegEnded { leg, by: end, reasons },
            7 => SignalBody::Held { leg },
            _ => SignalBody::Retrieved { leg },
        }
    })
}

fn of_call() -> impl Strategy<Value = SignalBody> {
    (0_u8..10, 0_u16..4, 0_u16..4, any::<i64>()).prop_map(|(kind, a, b, time)| {
        let recording: RecordingId = named(6, b);
        let lookup = if b == 0 { Lookup::Unavailable } else { Lookup::Done };
        match kind {
            0 => SignalBody::Routed(route(Some(user(b)), &[a], Ring::Together)),
            1 => SignalBody::RouteUnavailable {},
            2 => SignalBody::UserInCall { user: user(a), other: named(7, b) },
            3 => SignalBody::MediaUnavailable { why: MediaFault::NoPort },
            4 => {
                let candidates = vec![candidate(a, "exact")];
                SignalBody::ContactLookedUp { number: None, candidates, lookup }
            }
            5 => SignalBody::RecordingOpened { recording, path: "x.wav".to_owned() },
            6 => SignalBody::RecordingFailed { recording, why: "full".to_owned() },
            7 => SignalBody::Interrupted { alive_until: UtcMillis(time) },
            8 => SignalBody::NoteEdited { notes: format!("{a}"), user: user(b) },
            _ => SignalBody::HangUpRequested { user: user(a) },
        }
    })
}

fn opening() -> impl Strategy<Value = SignalBody> {
    (0_u16..4, 0_u16..4).prop_map(|(a, b)| {
        SignalBody::LegOffered(Offer {
            leg: named(5, 0),
            interaction: named(8, a),
            line: line(1),
            user: Some(user(b)),
            caller: Caller::default(),
            did: None,
            user_to_user: Vec::new(),
            sip_call_id: String::new(),
            from_tag: String::new(),
        })
    })
}

fn moment() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0_i64..50, 1 => any::<i64>(), 1 => prop_oneof![Just(i64::MIN), Just(i64::MAX)]]
}

fn signals() -> impl Strategy<Value = Vec<Signal>> {
    prop::collection::vec((body(), moment(), 0_u64..3), 0..40).prop_map(|parts| {
        let numbered = parts.into_iter().zip(0_u16..);
        numbered
            .map(|((body, at, order), n)| Signal {
                id: named(9, n),
                call_id: named(7, 0),
                source: Source::Engine,
                observed_at: UtcMillis(at),
                order,
                body,
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nonsense_folds_without_panic_to_lawful_durations_in_any_order(signals in signals(), seed in any::<u64>()) {
        let mixed = shuffled(&signals, &mut ChaCha12Rng::seed_from_u64(seed));
        let folded = fold(&signals);
        prop_assert_eq!(&fold(&mixed), &folded);
        prop_assert_eq!(explain(&mixed), explain(&signals));
        if let Some(it) = folded {
            let (talk, hold) = (it.talk_ms.unwrap_or(0), it.hold_ms.unwrap_or(0));
            prop_assert!(it.ringing_ms.unwrap_or(0) >= 0 && hold >= 0 && hold <= talk, "{it:?}");
            prop_assert!(it.ended_at.is_none_or(|end| end >= it.started_at));
            prop_assert_eq!(it.outcome.is_some(), it.state == InteractionState::Ended);
        }
    }

    #[test]
    fn a_signal_is_read_from_the_ledger_as_it_was_written(signals in signals()) {
        for signal in signals {
            let json = serde_json::to_string(&signal).unwrap();
            prop_assert_eq!(serde_json::from_str::<Signal>(&json).unwrap(), signal);
        }
    }
}
