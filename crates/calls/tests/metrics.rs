//! The figures of reports against a naive recount that is written from their words alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;

use common::{line, user};
use linecard_calls::metrics::{By, CountedCall, Figure, Group, Load, Missed, Peak, Zone, peaks};
use linecard_calls::{Direction, Outcome, UtcMillis};
use proptest::prelude::*;

const HOUR_MS: i64 = 3_600_000;
const MONDAY: i64 = 1_764_547_200_000; // 2025-12-01T00:00:00Z

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![4 => Just(Direction::Inbound), 2 => Just(Direction::Outbound), 1 => Just(Direction::Internal)]
}

fn unanswered() -> impl Strategy<Value = Outcome> {
    use Outcome::{Abandoned, Busy, Canceled, Failed, Interrupted, NoAnswer, Rejected};
    prop::sample::select(vec![Abandoned, Abandoned, NoAnswer, Busy, Rejected, Failed, Canceled, Interrupted])
}

prop_compose! {
    /// Any call that may have been, live ones and phantoms of ring groups among them.
    fn call()(
        direction in direction(), start in 0..40 * HOUR_MS,
        ringing in prop_oneof![3 => 0..40_000_i64, 1 => Just(1_000), 1 => Just(20_000)],
        talk in prop::option::of(0..900_000_i64), live in prop::bool::weighted(0.1), refused in unanswered(),
        missed in prop::option::weighted(0.9, prop::sample::select(vec![Missed::Waiting, Missed::Settled])),
        (of_line, of_user) in (1..4_u16, prop::option::of(1..4_u16)),
    ) -> CountedCall {
        let ended = (!live).then_some(MONDAY + start + ringing + talk.unwrap_or(0));
        let outcome = if talk.is_some() { Outcome::Answered } else { refused };
        let is_missed = direction == Direction::Inbound && talk.is_none() && !live;
        CountedCall {
            direction, line_id: line(of_line), user_id: of_user.map(user),
            outcome: (!live).then_some(outcome),
            started_at: UtcMillis(MONDAY + start), ended_at: ended.map(UtcMillis),
            answered: talk.is_some(),
            ringing_ms: (talk.is_some() || !live).then_some(ringing),
            talk_ms: if live { None } else { Some(talk.unwrap_or(0)) },
            hold_ms: if live { None } else { Some(talk.unwrap_or(0) / 7) },
            missed: missed.filter(|_| is_missed),
        }
    }
}

/// The words of the definitions, one after the other.
fn naive(calls: &[&CountedCall], within_ms: i64) -> Load {
    let count = |holds: &dyn Fn(&CountedCall) -> bool| calls.iter().filter(|call| holds(call)).count() as i64;
    let inbound = |call: &CountedCall| call.direction == Direction::Inbound;
    let missed = |call: &CountedCall| matches!(call.missed, Some(Missed::Waiting | Missed::Settled));
    let handled = |call: &CountedCall| inbound(call) && call.answered && call.ended_at.is_some();
    let mut load = Load {
        answered: count(&|call| inbound(call) && call.answered),
        missed: count(&missed),
        not_called_back: count(&|call| call.missed == Some(Missed::Waiting)),
        in_time: count(&|call| inbound(call) && call.answered && call.ringing_ms.unwrap() <= within_ms),
        abandoned_late: count(&|call| {
            missed(call) && call.outcome == Some(Outcome::Abandoned) && call.ringing_ms.unwrap() > within_ms
        }),
        handled: count(&handled),
        dialled: count(&|call| call.direction == Direction::Outbound),
        reached: count(&|call| call.direction == Direction::Outbound && call.answered),
        ..Load::default()
    };
    let rings = count(&|call| inbound(call) && !call.answered && call.ended_at.is_none());
    load.offered = load.answered + load.missed + rings;
    for call in calls {
        match call.direction {
            Direction::Inbound if handled(call) => {
                load.talk_ms += call.talk_ms.unwrap();
                load.hold_ms += call.hold_ms.unwrap();
            }
            Direction::Outbound if call.answered => load.reached_talk_ms += call.talk_ms.unwrap_or(0),
            _ => {}
        }
    }
    load
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn counting_once_and_recounting_naively_agree(
        calls in prop::collection::vec(call(), 0..60), within_ms in prop::sample::select(vec![1_000, 20_000, 600_000])
    ) {
        let all: Vec<&CountedCall> = calls.iter().collect();
        let load = Load::of(&calls, within_ms);
        prop_assert_eq!(load, naive(&all, within_ms));
        for figure in Figure::ALL {
            let listed = calls.iter().filter(|call| figure.counts(call, within_ms)).count();
            prop_assert_eq!(load.figure(figure), i64::try_from(listed).unwrap(), "{:?}", figure);
        }
        prop_assert!(load.service_level().is_none_or(|level| (0.0..=1.0).contains(&level)));
        prop_assert_eq!(load.aht_ms().is_some(), load.handled > 0);
    }

    #[test]
    fn the_parts_add_up_to_the_whole(calls in prop::collection::vec(call(), 0..60), offset in -12..=14_i64) {
        let zone = Zone::fixed(offset * HOUR_MS);
        for by in [By::Hour, By::Weekday, By::Line, By::Agent] {
            let mut parts: BTreeMap<Group, Vec<&CountedCall>> = BTreeMap::new();
            for call in &calls {
                parts.entry(by.group(call, &zone)).or_default().push(call);
            }
            let mut sum = Load::default();
            for part in parts.into_values() {
                sum += Load::of(part, 20_000);
            }
            prop_assert_eq!(sum, Load::of(&calls, 20_000), "{:?}", by);
        }
    }

    #[test]
    fn a_peak_is_what_a_look_at_every_moment_finds(calls in prop::collection::vec(call(), 0..60), from in 0..20_i64) {
        let zone = Zone::fixed(3 * HOUR_MS);
        let (from, until) = (UtcMillis(MONDAY + from * HOUR_MS), UtcMillis(MONDAY + 30 * HOUR_MS));
        for by in [By::Hour, By::Weekday, By::Line, By::Agent] {
            let mut expected: BTreeMap<Group, Peak> = BTreeMap::new();
            for call in calls.iter().filter(|call| (from..until).contains(&call.started_at)) {
                let at = call.started_at;
                let group = by.group(call, &zone);
                let beside = |other: &&CountedCall| !by.parts_lines() || by.group(other, &zone) == group;
                let under_way = |other: &&CountedCall| other.is_under_way(at);
                for (group, calls) in [
                    (group, calls.iter().filter(beside).filter(under_way).count()),
                    (Group::All, calls.iter().filter(under_way).count()),
                ] {
                    let peak = Peak { calls: i64::try_from(calls).unwrap(), at };
                    let known = *expected.entry(group).or_insert(peak);
                    let higher = peak.calls > known.calls || peak.calls == known.calls && at < known.at;
                    if higher {
                        expected.insert(group, peak);
                    }
                }
            }
            prop_assert_eq!(peaks(by, &zone, &calls, from, until), expected, "{:?}", by);
        }
    }
}

#[test]
fn a_service_level_weighs_answers_in_time_against_those_who_left_later() {
    let load = Load { answered: 10, in_time: 8, abandoned_late: 6, ..Load::default() };
    assert_eq!(load.service_level(), Some(0.5));
    assert_eq!(Load::default().service_level(), None);
    let load = Load { handled: 3, talk_ms: 10_000, hold_ms: 4_000, ..Load::default() };
    assert_eq!(load.aht_ms(), Some(3_333), "the talk holds the hold");
}
