//! How legs were heard: what is told while they talk, what stays, and in which order it may come.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use common::{Desk, WALL, shuffled, user};
use linecard_calls::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::json;

fn path(mos: f64, bad: bool) -> PathQuality {
    let window = WindowQuality { at: UtcMillis(WALL), mos: 2.5, loss_percent: 12.0, jitter_ms: 3.0 };
    PathQuality {
        grade: Grade::of(mos),
        mos,
        packets: 500,
        lost: 60,
        loss_percent: 10.71,
        burst_ratio: Some(1.2),
        bursts: Some(3),
        burst_longest: Some(9),
        duplicates: Some(0),
        reordered: Some(1),
        jitter_ms: 2.5,
        jitter_max_ms: 11.25,
        worst: Some(window.clone()),
        bad: bad.then_some(window),
    }
}

fn quality(received: Option<PathQuality>, sent: Option<PathQuality>) -> Box<LegQuality> {
    let codec = Some("PCMA".to_owned());
    Box::new(LegQuality { codec, received, sent, round_trip_ms: Some(40.5), round_trip_max_ms: Some(61.0) })
}

fn turns(desk: &Desk) -> Vec<&CallView> {
    let turned = desk.events.iter().filter_map(|event| match event {
        Event::CallQuality(view) => Some(view),
        _ => None,
    });
    turned.collect()
}

#[test]
fn a_direction_that_turns_is_told_with_its_stretch_and_once() {
    let mut desk = Desk::new();
    let (call, customer, agent) = desk.talking();
    let mut measure = |leg, received_bad, sent_bad| {
        let quality = quality(Some(path(3.9, received_bad)), Some(path(4.2, sent_bad)));
        desk.give(Input::LegMeasured { call, leg, quality });
        let views = turns(&desk);
        let last = views.last().map(|view| {
            view.legs
                .iter()
                .map(|leg| (leg.bad_received.is_some(), leg.bad_sent.is_some()))
                .collect::<Vec<_>>()
        });
        (views.len(), last)
    };
    assert_eq!(measure(customer, false, false), (0, None));
    assert_eq!(measure(customer, false, true), (1, Some(vec![(false, true), (false, false)])));
    assert_eq!(measure(customer, false, true).0, 1, "nothing has turned");
    assert_eq!(measure(agent, true, false), (2, Some(vec![(false, true), (true, false)])));
    assert_eq!(measure(customer, false, false), (3, Some(vec![(false, false), (true, false)])));
    let bad = turns(&desk)[0].legs[0].bad_sent.clone().unwrap();
    assert_eq!(
        serde_json::to_value(bad).unwrap(),
        json!({
            "at": "2025-11-24T16:00:00.000Z", "mos": 2.5, "loss_percent": 12.0, "jitter_ms": 3.0,
        })
    );
    assert_eq!(desk.signals.iter().filter(|it| it.source == Source::Media).count(), 5);
}

#[test]
fn the_record_of_a_leg_has_the_last_figures_in_whatever_order_they_come() {
    let mut desk = Desk::new();
    let (call, customer, agent) = desk.talking();
    for mos in [4.4, 3.2, 4.1] {
        desk.wait_ms(10_000);
        let quality = quality(Some(path(mos, false)), None);
        desk.give(Input::LegMeasured { call, leg: customer, quality });
    }
    let signals = desk.signals.clone();
    let mut rng = ChaCha12Rng::seed_from_u64(5);
    for _ in 0..50 {
        let it = fold(&shuffled(&signals, &mut rng)).unwrap();
        assert_eq!(it.legs[0].quality.as_ref(), Some(&*quality(Some(path(4.1, false)), None)));
        assert_eq!((it.legs[1].leg_id, &it.legs[1].quality), (agent, &None), "nobody has told");
    }
    let text = explain(&signals).unwrap().sentences.into_iter().next_back().unwrap();
    assert_eq!(text.key, "leg_measured");
    assert_eq!((text.params["mos"].as_str(), text.params["loss"].as_str()), ("4.10", "10.7"));
    assert_eq!(
        text.text,
        "This party came through well (MOS 4.10, at worst 2.50; 10.7 % lost, jitter 2 ms)."
    );
}

#[test]
fn an_interaction_is_given_out_once_with_the_figures_of_its_end() {
    let mut desk = Desk::new();
    desk.frees_ports = false;
    let (call, customer, agent) = desk.talking();
    desk.bye(customer);
    assert_eq!(desk.ended, [], "the relay has not told yet");
    for leg in [customer, agent] {
        let quality = quality(Some(path(4.4, false)), Some(path(4.3, false)));
        desk.give(Input::LegMeasured { call, leg, quality });
    }
    desk.give(Input::MediaReleased { call });
    assert_eq!((desk.ended.len(), desk.amended.len()), (1, 0));
    let (_, it, _) = &desk.ended[0];
    assert!(it.legs.iter().all(|leg| leg.quality.as_ref().is_some_and(|it| it.sent.is_some())), "{it:?}");

    let (_, customer, _) = desk.talking();
    desk.bye(customer);
    desk.wait_ms(4_999);
    assert_eq!(desk.ended.len(), 1);
    desk.wait_ms(1);
    assert_eq!(desk.ended.len(), 2, "a relay that does not answer holds nothing up");
}

#[test]
fn what_is_measured_after_the_end_amends_the_interaction() {
    let mut desk = Desk::new();
    let (call, customer, agent) = desk.talking();
    desk.bye(customer);
    assert_eq!((desk.ended.len(), desk.amended.len()), (1, 0));
    for leg in [customer, agent] {
        desk.give(Input::LegMeasured {
            call,
            leg,
            quality: quality(Some(path(4.4, false)), Some(path(4.3, false))),
        });
    }
    assert_eq!(desk.amended, [call, call]);
    assert!(turns(&desk).is_empty(), "nobody talks any more");
    let it = fold(&desk.signals).unwrap();
    assert!(it.legs.iter().all(|leg| leg.quality.as_ref().is_some_and(|it| it.sent.is_some())));
    assert_eq!(explain(&desk.signals).unwrap().sentences.last().unwrap().key, "leg_measured_both");
}

#[test]
fn a_crash_leaves_what_was_seen_until_then() {
    let mut before = Desk::new();
    let (call, customer, _) = before.talking();
    before.give(Input::LegMeasured { call, leg: customer, quality: quality(Some(path(2.9, true)), None) });
    let mut desk = Desk::with(RecordingPolicy::Nothing, 2);
    let at = desk.at();
    let open = OpenCall { signals: before.signals.clone(), recordings: Vec::new() };
    desk.engine.recover(vec![open], Some(before.at()), at);
    desk.signals = before.signals;
    desk.drain();
    let kept = desk.interaction().legs[0].quality.clone().unwrap();
    assert_eq!(kept.received.unwrap().grade, Grade::Poor);
}

#[test]
fn a_record_of_an_older_version_has_no_quality() {
    let mut desk = Desk::new();
    let (_, customer, _) = desk.talking();
    desk.bye(customer);
    let mut old = serde_json::to_value(desk.interaction()).unwrap();
    for leg in old["legs"].as_array_mut().unwrap() {
        assert!(leg.as_object_mut().unwrap().remove("quality").unwrap().is_null(), "present though unknown");
    }
    let read: Interaction = serde_json::from_value(old).unwrap();
    assert_eq!(&read, desk.interaction());
    assert_eq!(read.legs[1].user_id, Some(user(1)));
}
