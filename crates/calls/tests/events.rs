//! The events' JSON as browsers get it, and who gets it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use std::collections::BTreeMap;

use common::{Desk, candidate, line, named, user};
use linecard_calls::*;
use serde_json::{Value, json};

fn agent(n: u16) -> Viewer {
    Viewer { user_id: user(n), role: Role::Agent }
}

/// A recorded call from INVITE to BYE with hold and a contact; yields its events as JSON and its ids.
fn story() -> (Desk, CallId) {
    let mut desk = Desk::with(RecordingPolicy::All, 1);
    let (call, customer) = desk.offer(Some(user(1)));
    desk.found(call, vec![candidate(7, "exact")]);
    desk.route(call, common::route(Some(user(1)), &[1], Ring::Together));
    let agent = desk.dialled()[0];
    desk.give(Input::LegProgressed { leg: agent, status: 180 });
    desk.give(Input::LegAnswered { leg: agent });
    desk.give(Input::LegAnswered { leg: customer });
    let recording = recording_of(&desk);
    desk.give(Input::RecordingOpened { recording, path: "2026/x.wav".to_owned() });
    desk.give(Input::LegHeld { leg: agent });
    desk.give(Input::LegRetrieved { leg: agent });
    desk.wait_ms(1_000);
    desk.bye(customer);
    desk.give(Input::RecordingClosed(closed(recording, RecordingState::Finished)));
    (desk, call)
}

fn recording_of(desk: &Desk) -> RecordingId {
    let open = |effect: &Effect| match effect {
        Effect::OpenRecording { recording, .. } => Some(*recording),
        _ => None,
    };
    desk.effects.iter().find_map(|(effect, _)| open(effect)).unwrap()
}

fn closed(recording: RecordingId, state: RecordingState) -> RecordingClosed {
    RecordingClosed {
        recording,
        state,
        duration_ms: 1_000,
        channels: 2,
        sample_rate_hz: 8_000,
        sha256: Some("ab".to_owned()),
        spans: vec![Span { kind: SpanKind::Hold, from_ms: 0, until_ms: 10 }],
    }
}

fn wire(desk: &Desk, name: &str) -> Value {
    let event = desk.events.iter().find(|event| event.name() == name);
    serde_json::to_value(event.unwrap_or_else(|| panic!("no {name} in {:?}", desk.event_names()))).unwrap()
}

#[track_caller]
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_recorded_call_publishes_its_events_in_order() {
    let (desk, _) = story();
    assert_eq!(
        desk.event_names(),
        [
            "call.created",
            "pop.shown",
            "pop.updated",
            "contact.matched",
            "agent.state_changed",
            "call.ringing",
            "agent.state_changed",
            "call.answered",
            "pop.updated",
            "recording.started",
            "call.held",
            "call.retrieved",
            "pop.retracted",
            "call.ended",
            "agent.state_changed",
            "recording.finished",
            "interaction.closed",
        ]
        .into_iter()
        .collect::<Vec<_>>(),
    );
    for event in &desk.events {
        let value = serde_json::to_value(event).unwrap();
        assert_eq!(value["type"], event.name());
        assert_eq!(keys(&value), ["data", "type"]);
        assert_eq!(&serde_json::from_value::<Event>(value).unwrap(), event);
    }
}

#[test]
fn call_events_carry_the_call_with_its_legs() {
    let (desk, call) = story();
    let it = desk.interaction();
    let (customer, agent) = (it.legs[0].leg_id, it.legs[1].leg_id);
    let data = &wire(&desk, "call.answered")["data"];
    assert_eq!(
        *data,
        json!({
            "call_id": call, "interaction_id": it.id, "direction": "inbound", "state": "answered",
            "user_id": user(1), "user_ids": [user(1)], "watched": false, "line_id": line(1), "number": "+79101234567",
            "connected_number": null,
            "contact_id": common::contact(7),
            "started_at": "2025-11-24T16:00:00.000Z", "answered_at": "2025-11-24T16:00:00.000Z",
            "outcome": null, "held_by": null, "transfer": null,
            "legs": [
                {"leg_id": customer, "party": "customer", "state": "answered", "bad_received": null, "bad_sent": null},
                {"leg_id": agent, "party": "agent", "state": "answered", "bad_received": null, "bad_sent": null},
            ],
        })
    );
    let states = |name: &str| wire(&desk, name)["data"]["state"].clone();
    assert_eq!(
        ["call.created", "call.ringing", "call.held", "call.retrieved", "call.ended"].map(states),
        ["created", "ringing", "held", "answered", "ended"].map(Value::from)
    );
    assert_eq!(wire(&desk, "call.created")["data"]["answered_at"], Value::Null, "present though unknown");
}

#[test]
fn pop_events_carry_the_whole_pop() {
    let (desk, call) = story();
    let shown = wire(&desk, "pop.shown");
    let pop_id = shown["data"]["pop_id"].clone();
    assert_eq!(
        shown["data"],
        json!({
            "pop_id": pop_id, "version": 1, "call_id": call, "interaction_id": desk.interaction().id,
            "user_id": user(1), "state": "ringing", "taken_by": null, "transferred_by": null, "direction": "inbound", "number": "+79101234567",
            "number_dialled": "+79101234567", "display_name": "<b>Ирина</b>", "line_id": line(1),
            "did": "+78312123456", "put_through_by": null, "connected_number": null, "user_to_user": [], "candidates": [], "lookup": "pending",
        })
    );
    let updated = &wire(&desk, "pop.updated")["data"];
    assert_eq!((&updated["version"], &updated["lookup"]), (&json!(2), &json!("done")));
    assert_eq!(
        updated["candidates"][0]["contact"],
        json!({"id": common::contact(7), "name": "Ирина", "company_name": "Волга-Сервис", "responsible_id": null})
    );
    assert_eq!(wire(&desk, "pop.retracted")["data"]["state"], "ended");
}

#[test]
fn a_pop_that_is_elsewhere_says_whose_call_it_is() {
    let mut desk = Desk::new();
    let (call, _) = desk.offer(Some(user(1)));
    desk.route(call, common::route(Some(user(2)), &[1], Ring::Together));
    let retracted = &wire(&desk, "pop.retracted")["data"];
    assert_eq!(
        (&retracted["user_id"], &retracted["state"], &retracted["taken_by"]),
        (&json!(user(1)), &json!("elsewhere"), &json!(user(2)))
    );
}

#[test]
fn the_interaction_leaves_with_every_field_and_times_in_rfc_3339() {
    let (desk, _) = story();
    let data = wire(&desk, "interaction.closed")["data"].clone();
    let fields = [
        "answered_at",
        "call_id",
        "callee_number",
        "caller_dialled",
        "caller_number",
        "connected_number",
        "contact_id",
        "customer_number",
        "direction",
        "disposition",
        "ended_at",
        "hangup_by",
        "hold_ms",
        "id",
        "legs",
        "line_id",
        "notes",
        "outcome",
        "recording_ids",
        "ringing_ms",
        "sip_status",
        "started_at",
        "state",
        "talk_ms",
        "user_id",
        "user_to_user",
    ];
    assert_eq!(keys(&data), fields);
    assert_eq!(data["ended_at"], "2025-11-24T16:00:01.000Z");
    assert_eq!((&data["outcome"], &data["hangup_by"]), (&json!("answered"), &json!("caller")));
    assert_eq!(data["notes"], Value::Null);
}

#[test]
fn recording_agent_and_match_events_have_their_shape() {
    let (desk, call) = story();
    let it = desk.interaction();
    let recording = it.recording_ids[0];
    let wanted = |state: &str| json!({"recording_id": recording, "interaction_id": it.id, "call_id": call, "user_id": user(1), "state": state});
    assert_eq!(wire(&desk, "recording.started")["data"], wanted("recording"));
    assert_eq!(wire(&desk, "recording.finished")["data"], wanted("finished"));
    let agent = &wire(&desk, "agent.state_changed")["data"];
    assert_eq!(*agent, json!({"user_id": user(1), "state": "ringing", "call_id": call}));
    let matched = &wire(&desk, "contact.matched")["data"];
    assert_eq!(matched["contact_id"], json!(common::contact(7)));
    assert_eq!(matched["number"], "+79101234567");
}

#[test]
fn missed_registration_and_alarm_events_have_their_shape() {
    let mut desk = Desk::new();
    desk.ringing(&[1], Ring::Together);
    desk.wait_ms(20_000);
    assert_eq!(wire(&desk, "call.missed")["data"]["state"], "ended");
    let registration = Event::RegistrationChanged(RegistrationView {
        line_id: line(1),
        user_id: None,
        state: LineState::Failed,
        since: UtcMillis(1_764_000_000_007),
        reason: Some("the registrar answered 403".to_owned()),
        reason_key: Some("rejected".to_owned()),
        reason_params: BTreeMap::from([("status".to_owned(), "403".to_owned())]),
        advice: Some("look into the PBX's log".to_owned()),
        expires_at: None,
        contacts: 0,
        last_session_at: None,
    });
    assert_eq!(
        serde_json::to_value(&registration).unwrap(),
        json!({"type": "registration.changed", "data": {"line_id": line(1), "user_id": null, "state": "failed",
            "since": "2025-11-24T16:00:00.007Z", "reason": "the registrar answered 403", "reason_key": "rejected",
            "reason_params": {"status": "403"}, "advice": "look into the PBX's log", "expires_at": null,
            "contacts": 0, "last_session_at": null}})
    );
    let alarm = Event::AlarmRaised(AlarmView {
        alarm: AlarmKind::DatabaseUnavailable,
        subject: None,
        text: "locked".to_owned(),
    });
    assert_eq!(
        serde_json::to_value(&alarm).unwrap(),
        json!({"type": "alarm.raised", "data": {"alarm": "database_unavailable", "subject": null, "text": "locked"}})
    );
    assert!(!alarm.visible_to(&agent(1)) && !registration.visible_to(&agent(1)));
    assert!(alarm.visible_to(&Viewer { user_id: user(9), role: Role::Admin }));
}

#[test]
fn a_frame_is_the_event_with_its_number() {
    let (desk, _) = story();
    let cursor = Cursor { epoch: "e1".to_owned(), seq: 42 };
    let frame = Frame::new(cursor, UtcMillis(common::WALL), desk.events[0].clone());
    let value = serde_json::to_value(&frame).unwrap();
    assert_eq!(keys(&value), ["cursor", "data", "seq", "timestamp", "type"]);
    assert_eq!((&value["cursor"], &value["seq"]), (&json!("e1:42"), &json!(42)));
    assert_eq!(serde_json::from_value::<Frame>(value).unwrap(), frame);
}

#[test]
fn only_a_lawful_cursor_is_read() {
    assert_eq!("0a-b:7".parse::<Cursor>().unwrap(), Cursor { epoch: "0a-b".to_owned(), seq: 7 });
    for bad in ["", ":", "e:", ":1", "e", "e:-1", "e:+1", "e:1:2", "e e:1", "e:99999999999999999999", "é:1"]
    {
        assert!(bad.parse::<Cursor>().is_err(), "{bad}");
    }
}

#[test]
fn an_agent_sees_its_own_calls_and_a_supervisor_all() {
    let (desk, _) = story();
    let supervisor = Viewer { user_id: user(9), role: Role::Supervisor };
    for event in &desk.events {
        assert!(event.visible_to(&agent(1)) && event.visible_to(&supervisor), "{}", event.name());
        assert!(!event.visible_to(&agent(2)), "{}", event.name());
    }
}

#[test]
fn a_snapshot_holds_what_lives_and_what_the_viewer_may_see() {
    let mut desk = Desk::new();
    let (mine, customer, _) = desk.talking();
    let (theirs, _) = desk.offer(Some(user(2)));
    let (nobodys, _) = desk.offer(None);
    let calls = |viewer: &Viewer| -> Vec<CallId> {
        desk.engine.snapshot(viewer).calls.iter().map(|call| call.call_id).collect()
    };
    assert_eq!(calls(&agent(1)), [mine]);
    assert_eq!(calls(&agent(2)), [theirs]);
    assert_eq!(calls(&Viewer { user_id: user(9), role: Role::Supervisor }), [mine, theirs, nobodys]);
    let snapshot = desk.engine.snapshot(&agent(1));
    assert_eq!((snapshot.pops.len(), snapshot.pops[0].state), (1, PopState::Mine));
    assert_eq!((snapshot.agents[0].state, snapshot.missed_open), (AgentState::Busy, 0));
    desk.bye(customer);
    let snapshot = desk.engine.snapshot(&agent(1));
    assert!(snapshot.calls.is_empty() && snapshot.pops.is_empty());
    assert_eq!(snapshot.agents[0].state, AgentState::Available);
}

#[test]
fn a_failed_recording_raises_an_alarm_until_one_succeeds_and_the_talk_goes_on() {
    let mut desk = Desk::with(RecordingPolicy::All, 1);
    let (call, customer, _) = desk.talking();
    let recording = recording_of(&desk);
    desk.give(Input::RecordingOpened { recording, path: "2026/x.wav".to_owned() });
    desk.give(Input::RecordingFailed { recording, why: "disk full".to_owned() });
    assert!(desk.engine.call(call).is_some(), "the call is unaffected");
    assert!(desk.event_names().contains(&"alarm.raised"));
    desk.wait_ms(1_000);
    desk.bye(customer);
    assert_eq!(desk.count(&Effect::CloseRecording { recording }), 0);
    let (_, it, recordings) = &desk.ended[0];
    assert_eq!((it.outcome, &it.recording_ids), (Some(Outcome::Answered), &vec![recording]));
    assert_eq!(recordings[0].state, RecordingState::Failed);
    assert_eq!(recordings[0].path.as_deref(), Some("2026/x.wav"));

    desk.effects.clear();
    let (_, customer, legs) = desk.ringing(&[1], Ring::Together);
    desk.give(Input::LegAnswered { leg: legs[0] });
    desk.give(Input::LegAnswered { leg: customer });
    let recording = recording_of(&desk);
    desk.bye(customer);
    desk.give(Input::RecordingClosed(closed(recording, RecordingState::Finished)));
    assert!(desk.event_names().contains(&"alarm.cleared"));
    assert_eq!(desk.ended.len(), 2);
}

#[test]
fn the_interaction_waits_for_its_recording_but_not_for_ever() {
    let mut desk = Desk::with(RecordingPolicy::All, 1);
    let (call, customer, _) = desk.talking();
    let recording = recording_of(&desk);
    desk.give(Input::RecordingOpened { recording, path: "x.wav".to_owned() });
    desk.bye(customer);
    assert!(desk.ended.is_empty(), "the recording is being closed");
    desk.wait_ms(5_000);
    assert_eq!(desk.ended[0].2[0].state, RecordingState::Recording);
    desk.give(Input::RecordingClosed(closed(recording, RecordingState::Finished)));
    assert_eq!(desk.amended, [call]);
    assert_eq!(fold_recordings(&desk.signals)[0].duration_ms, Some(1_000));
    let unknown: RecordingId = named(9, 9);
    desk.give(Input::RecordingClosed(closed(unknown, RecordingState::Finished)));
    assert_eq!(desk.amended.len(), 1, "a recording that nobody knows is left aside");
}

#[test]
fn a_recordings_path_never_leaves_the_server() {
    let (desk, _) = story();
    let recording = serde_json::to_value(&desk.ended[0].2[0]).unwrap();
    let fields =
        ["channels", "duration_ms", "id", "interaction_id", "sample_rate_hz", "sha256", "spans", "state"];
    assert_eq!(keys(&recording), fields);
    for event in &desk.events {
        assert!(!serde_json::to_string(event).unwrap().contains("x.wav"));
    }
}
