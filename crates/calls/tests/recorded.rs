//! Calls that a recording client sends: one interaction whatever else sees the call, one recording through hold and
//! transfer, and what was told kept as it was sent.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::watching::{Eye, Look};
use common::{Desk, line, user};
use linecard_calls::*;

const CUSTOMER: Option<&str> = Some("+79101234567");

/// A recording session that goes on.
struct Rs {
    leg: LegId,
    call_id: &'static str,
}

fn by_client(of: u16, call_id: &'static str) -> Look {
    Look {
        stage: SightingStage::Talking,
        source: Source::Siprec,
        sip_call_id: Some(call_id),
        ..Look::called(of, CUSTOMER)
    }
}

trait Client {
    fn told(&mut self, rs: &Rs, seen: Option<&Eye>, document: &str);
    fn begins(&mut self, of: u16, call_id: &'static str) -> (Rs, Eye);
    fn joins(&mut self, rs: &Rs, of: u16) -> Eye;
    fn ends(&mut self, rs: &Rs, seen: &[&Eye]);
}

impl Client for Desk {
    fn told(&mut self, rs: &Rs, seen: Option<&Eye>, document: &str) {
        let told = SessionTold {
            leg: rs.leg,
            line: line(99),
            sip_call_id: rs.call_id.to_owned(),
            session: Some("s".to_owned()),
            parties: Vec::new(),
            direction_by: DirectionEvidence::Nothing,
            voices: Voices::Separate,
            document: document.to_owned(),
        };
        self.give(Input::SessionTold { told, seen: seen.map(Eye::id) });
    }

    fn begins(&mut self, of: u16, call_id: &'static str) -> (Rs, Eye) {
        let at = self.at();
        let rs = Rs { leg: self.engine.make_leg(at), call_id };
        let eye = self.joins(&rs, of);
        self.told(&rs, Some(&eye), "first");
        (rs, eye)
    }

    fn joins(&mut self, rs: &Rs, of: u16) -> Eye {
        self.sight(&by_client(of, rs.call_id))
    }

    fn ends(&mut self, rs: &Rs, seen: &[&Eye]) {
        self.give(Input::SessionOver { leg: rs.leg, by: EndCause::Remote });
        seen.iter().for_each(|eye| self.lost(eye, SightingEnd::Untold));
    }
}

fn desk() -> Desk {
    Desk::with(RecordingPolicy::All, 1)
}

fn effects(desk: &Desk) -> Vec<String> {
    let name = |effect: &Effect| match effect {
        Effect::AcceptSession { .. } => Some("accept".to_owned()),
        Effect::RecordSession { .. } => Some("record".to_owned()),
        Effect::CloseRecording { .. } => Some("close".to_owned()),
        Effect::BeginSpan { kind, .. } => Some(format!("begin {kind:?}")),
        Effect::EndSpan { kind, .. } => Some(format!("end {kind:?}")),
        _ => None,
    };
    let mut names: Vec<String> = Vec::new();
    for name in desk.effects.iter().map(|(effect, _)| effect).filter_map(name) {
        // A second beginning and a second end mark nothing.
        let counts = name.split_once(' ').is_none_or(|(edge, kind)| {
            let count = |edge: &str| names.iter().filter(|known| **known == format!("{edge} {kind}")).count();
            (edge == "begin") == (count("begin") == count("end"))
        });
        if counts {
            names.push(name);
        }
    }
    names
}

fn close(desk: &mut Desk) {
    let recording = desk.effects.iter().rev().find_map(|(effect, _)| match effect {
        Effect::RecordSession { recording, .. } => Some(*recording),
        _ => None,
    });
    let closed = RecordingClosed {
        recording: recording.unwrap(),
        state: RecordingState::Finished,
        duration_ms: 1_000,
        channels: 2,
        sample_rate_hz: 8_000,
        sha256: None,
        spans: Vec::new(),
    };
    desk.give(Input::RecordingClosed(closed));
}

#[test]
fn a_session_shows_the_call_at_once_is_accepted_once_written_down_and_recorded() {
    let mut desk = desk();
    let (rs, eye) = desk.begins(1, "rs");
    assert_eq!(effects(&desk), ["accept", "record"]);
    let view = desk.engine.call(desk.engine.call_of(rs.leg).unwrap()).unwrap();
    assert_eq!((view.state, view.user_id, view.watched), (CallState::Answered, Some(user(1)), true));
    desk.wait_ms(60_000);
    desk.ends(&rs, &[&eye]);
    close(&mut desk);
    desk.wait_ms(10_000);
    let (_, it, recordings) = &desk.ended[0];
    assert_eq!((it.outcome, it.user_id, it.talk_ms), (Some(Outcome::Answered), Some(user(1)), Some(60_000)));
    assert_eq!((recordings.len(), recordings[0].state), (1, RecordingState::Finished));
    let sessions = recorded_sessions(&desk.signals);
    assert_eq!((sessions.len(), sessions[0].documents[0].content.as_str()), (1, "first"));
    assert!(sessions[0].ended_at.is_some());
}

#[test]
fn hold_and_transfer_are_marks_in_one_recording() {
    let mut desk = desk();
    let (rs, first) = desk.begins(1, "rs");
    desk.wait_ms(5_000);
    desk.holds(&first);
    desk.wait_ms(1_000);
    desk.talks(&first);
    let second = desk.joins(&rs, 2);
    desk.lost(&first, SightingEnd::Replaced);
    desk.told(&rs, None, "second");
    desk.wait_ms(5_000);
    desk.ends(&rs, &[&second]);
    close(&mut desk);
    desk.wait_ms(10_000);
    assert_eq!(
        effects(&desk),
        ["accept", "record", "begin Hold", "end Hold", "begin Transfer", "end Transfer", "close"]
    );
    assert_eq!(desk.ended.len(), 1);
    let (_, it, _) = &desk.ended[0];
    assert_eq!((it.user_id, it.hold_ms), (Some(user(1)), Some(1_000)));
    assert!(it.legs.iter().any(|leg| leg.user_id == Some(user(2)) && leg.answered_at.is_some()));
    assert_eq!(recorded_sessions(&desk.signals)[0].documents.len(), 2);
}

#[test]
fn a_customer_whom_nobody_has_for_a_while_stays_in_the_call() {
    let mut desk = desk();
    let (rs, first) = desk.begins(1, "rs");
    desk.wait_ms(5_000);
    desk.lost(&first, SightingEnd::Replaced);
    desk.wait_ms(30_000);
    assert!(desk.ended.is_empty(), "the session goes on");
    let second = desk.joins(&rs, 2);
    desk.wait_ms(5_000);
    desk.ends(&rs, &[&second]);
    close(&mut desk);
    desk.wait_ms(10_000);
    assert_eq!(desk.ended.len(), 1);
    assert_eq!(effects(&desk), ["accept", "record", "begin Transfer", "end Transfer", "close"]);
}

#[test]
fn a_call_that_this_server_carries_is_not_recorded_twice() {
    let mut desk = desk();
    let (_, customer, _) = desk.talking();
    let before = effects(&desk).len();
    let (rs, eye) = desk.begins(1, "rs");
    assert_eq!(effects(&desk)[before..], ["accept"]);
    desk.ends(&rs, &[&eye]);
    desk.bye(customer);
    desk.wait_ms(10_000);
    assert_eq!(desk.ended.len(), 1, "one call");
}

#[test]
fn a_call_that_rings_here_is_recorded_once_it_is_answered_here() {
    let mut desk = desk();
    let (_, customer, devices) = desk.ringing(&[1], Ring::Together);
    let (rs, eye) = desk.begins(1, "rs");
    assert_eq!(effects(&desk), ["accept"]);
    desk.give(Input::LegAnswered { leg: devices[0] });
    desk.give(Input::LegAnswered { leg: customer });
    let opened = |(effect, _): &&(Effect, Option<SignalId>)| matches!(effect, Effect::OpenRecording { .. });
    assert_eq!(desk.effects.iter().filter(opened).count(), 1);
    desk.ends(&rs, &[&eye]);
    desk.bye(customer);
    desk.wait_ms(10_000);
    assert_eq!(desk.ended.len(), 1, "one call");
}

#[test]
fn nothing_is_recorded_where_nothing_is_to_be() {
    let mut desk = Desk::with(RecordingPolicy::Nothing, 1);
    desk.begins(1, "rs");
    assert_eq!(effects(&desk), ["accept"]);
}

#[test]
fn a_second_session_of_the_call_goes_on_where_the_first_one_ends() {
    let mut desk = desk();
    let (first, eye) = desk.begins(1, "rs-1");
    let (second, other) = desk.begins(2, "rs-2");
    assert_eq!(effects(&desk), ["accept", "record", "accept"], "one recording at a time");
    desk.wait_ms(1_000);
    desk.ends(&first, &[&eye]);
    assert_eq!(effects(&desk)[3..5], ["close", "record"]);
    desk.wait_ms(1_000);
    desk.ends(&second, &[&other]);
    close(&mut desk);
    desk.wait_ms(10_000);
    assert_eq!(desk.ended.len(), 1, "one call");
}

#[test]
fn after_a_crash_the_session_is_hung_up_and_the_call_interrupted() {
    let mut desk = desk();
    let (rs, _) = desk.begins(1, "rs");
    desk.give(Input::DialogChanged { leg: rs.leg, dialog: serde_json::json!({"dialog": 1}) });
    desk.wait_ms(5_000);
    let again = desk.restarted(2_000, desk.at());
    let hung_up = |effect: &Effect| matches!(effect, Effect::HangUpDialog { leg, .. } if *leg == rs.leg);
    assert!(again.effects.iter().any(|(effect, _)| hung_up(effect)));
    assert_eq!(again.ended[0].1.outcome, Some(Outcome::Interrupted));
}

#[test]
fn endless_documents_do_not_fill_the_ledger() {
    let mut desk = desk();
    let (rs, _) = desk.begins(1, "rs");
    for _ in 0..5_000 {
        desk.told(&rs, None, "again");
    }
    assert!(desk.signals.len() <= 2_001, "{}", desk.signals.len());
}
