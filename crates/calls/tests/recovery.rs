//! The start after a crash: BYEs, interruption, recordings, and that the ledger folds to what is saved.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use common::{Desk, user};
use linecard_calls::*;
use serde_json::json;

/// A new process that finds these signals.
fn restart(
    signals: Vec<Signal>,
    recordings: Vec<RecoveredRecording>,
    alive_until: Option<UtcMillis>,
) -> Desk {
    let mut desk = Desk::with(RecordingPolicy::All, 2);
    desk.wait_ms(60_000);
    let at = desk.at();
    desk.engine.recover(vec![OpenCall { signals: signals.clone(), recordings }], alive_until, at);
    desk.signals = signals;
    desk.drain();
    desk
}

fn dialogs(desk: &mut Desk, legs: &[LegId]) {
    for leg in legs {
        desk.give(Input::DialogChanged { leg: *leg, dialog: json!({"cseq": 1}) });
        desk.give(Input::DialogChanged { leg: *leg, dialog: json!({"cseq": 2}) });
    }
}

#[test]
fn a_talk_cut_by_a_crash_is_interrupted_and_both_dialogs_get_a_bye() {
    let mut before = Desk::with(RecordingPolicy::All, 1);
    let (_, customer, agent) = before.talking();
    dialogs(&mut before, &[customer, agent]);
    before.wait_ms(2_000);
    let alive_until = before.at();
    let desk = restart(before.signals, Vec::new(), Some(alive_until));
    for leg in [customer, agent] {
        let bye = Effect::HangUpDialog { leg, dialog: json!({"cseq": 2}) };
        assert_eq!(desk.count(&bye), 1, "the newest record of the dialog");
    }
    let it = desk.interaction();
    assert_eq!((it.outcome, it.hangup_by), (Some(Outcome::Interrupted), Some(HangupBy::Interrupted)));
    assert_eq!(it.talk_ms, Some(2_000), "the time without a server is no talk");
    assert_eq!(it.ended_at, Some(alive_until));
    assert!(it.legs.iter().all(|leg| leg.state == LegState::Ended && leg.ended_at == Some(alive_until)));
    assert_eq!(desk.event_names(), ["call.ended", "interaction.closed"]);
    assert_eq!(explain(&desk.signals).unwrap().rule, Rule::CutByCrash);
}

#[test]
fn a_ringing_call_cut_by_a_crash_becomes_a_missed_one() {
    let mut before = Desk::new();
    let (_, customer, legs) = before.ringing(&[1], Ring::Together);
    dialogs(&mut before, &[legs[0]]);
    let desk = restart(before.signals, Vec::new(), None);
    let it = desk.interaction();
    assert_eq!((it.outcome, it.answered_at, it.user_id), (Some(Outcome::Interrupted), None, Some(user(1))));
    assert_eq!(desk.event_names(), ["missed.opened", "call.missed", "call.ended", "interaction.closed"]);
    assert_eq!(desk.effects.len(), 1, "only the device's dialog was recorded, not {customer}'s");
}

#[test]
fn a_repaired_recording_is_kept_and_a_missing_one_is_flagged() {
    let mut before = Desk::with(RecordingPolicy::All, 1);
    before.talking();
    let recording = before
        .effects
        .iter()
        .find_map(|(effect, _)| match effect {
            Effect::OpenRecording { recording, .. } => Some(*recording),
            _ => None,
        })
        .unwrap();
    before.give(Input::RecordingOpened { recording, path: "x.wav".to_owned() });
    let repaired = RecordingClosed {
        recording,
        state: RecordingState::Repaired,
        duration_ms: 900,
        channels: 2,
        sample_rate_hz: 8_000,
        sha256: None,
        spans: Vec::new(),
    };
    let desk = restart(before.signals.clone(), vec![RecoveredRecording::Repaired(repaired)], None);
    assert_eq!(desk.ended[0].2[0].state, RecordingState::Repaired);
    let desk = restart(before.signals, Vec::new(), None);
    assert_eq!(desk.ended[0].2[0].state, RecordingState::Failed);
}

#[test]
fn a_call_that_was_over_but_not_saved_keeps_its_outcome() {
    let mut before = Desk::with(RecordingPolicy::All, 1);
    let (_, customer, _) = before.talking();
    before.wait_ms(1_000);
    before.bye(customer);
    let desk = restart(before.signals, Vec::new(), None);
    let it = desk.interaction();
    assert_eq!((it.outcome, it.talk_ms), (Some(Outcome::Answered), Some(1_000)));
    assert_eq!(desk.event_names(), ["interaction.closed"]);
    assert!(desk.effects.is_empty());
}

#[test]
fn a_clock_set_back_over_the_restart_keeps_durations_lawful() {
    let mut before = Desk::new();
    before.wall_jump_ms = 7_200_000;
    before.talking();
    let desk = restart(before.signals, Vec::new(), Some(UtcMillis(0)));
    let it = desk.interaction();
    assert_eq!((it.outcome, it.talk_ms), (Some(Outcome::Interrupted), Some(0)));
    assert!(it.ended_at >= it.answered_at);
}

#[test]
fn evidence_without_an_opening_is_left_aside() {
    let mut before = Desk::new();
    before.talking();
    let desk = restart(before.signals.split_off(1), Vec::new(), None);
    assert!(desk.ended.is_empty() && desk.effects.is_empty());
}
