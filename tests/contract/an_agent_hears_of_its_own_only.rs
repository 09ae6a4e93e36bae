//! Frames and snapshots: an agent's own, a supervisor's all.

use std::time::Duration;

use serde_json::{Value, json};

use super::desk::{CALLER, Desk};
use super::socket::{EventSocket, Heard, SOON, cursor, rising};

#[test]
fn a_call_is_told_to_its_agent_and_to_supervisors_and_to_no_other_agent() {
    let desk = Desk::open();
    let other = desk.server.agent(&desk.admin, "olga");
    let supervisor = desk.server.supervisor(&desk.admin, "anna");
    let (mut mine, _) = EventSocket::logged_in(&desk.agent);
    let (mut others, before) = EventSocket::logged_in(&other);
    let (mut watching, _) = EventSocket::logged_in(&supervisor);

    let customer = desk.customer_calls(CALLER);
    customer.wait_ringing(SOON);
    mine.until_type("call.ringing");
    let (_, of_other) = EventSocket::logged_in(&other);
    assert_eq!(of_other["data"]["calls"], json!([]), "{of_other}");
    assert_eq!(of_other["data"]["pops"], json!([]), "{of_other}");
    assert!(!of_other.to_string().contains(&desk.agent.id), "{of_other}");
    let (_, of_mine) = EventSocket::logged_in(&desk.agent);
    assert_eq!(of_mine["data"]["calls"][0]["user_id"], json!(desk.agent.id), "{of_mine}");
    assert_eq!(of_mine["data"]["pops"][0]["state"], "ringing", "{of_mine}");
    assert_eq!(of_mine["data"]["pops"].as_array().map(Vec::len), Some(1), "one pop a call: {of_mine}");
    let (_, of_supervisor) = EventSocket::logged_in(&supervisor);
    assert_eq!(of_supervisor["data"]["calls"], of_mine["data"]["calls"]);

    customer.give_up();
    let told = mine.until_type("interaction.closed");
    rising(&told);
    let watched = watching.until_type("interaction.closed");
    rising(&watched);
    let kinds: Vec<&str> = watched.iter().filter_map(|frame| frame["type"].as_str()).collect();
    for kind in ["call.created", "call.ringing", "pop.shown", "call.missed", "call.ended", "pop.retracted"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    assert_eq!(others.hear(Duration::from_millis(500)), Heard::Nothing, "nothing of it is another's");
    let mut resumed = EventSocket::resumed(&other, &cursor(&before));
    assert_eq!(resumed.hear(Duration::from_millis(500)), Heard::Nothing, "nor when it resumes");
}

#[test]
fn a_lines_state_is_told_to_its_user_and_alarms_to_supervisors() {
    let desk = Desk::open();
    let other = desk.server.agent(&desk.admin, "olga");
    let (mut mine, _) = EventSocket::logged_in(&desk.agent);
    let (mut others, _) = EventSocket::logged_in(&other);
    let line = desk.admin.add_line(desk.pbx.address(), "102", Some(&desk.agent.id));
    desk.admin.add_line(desk.pbx.address(), "103", None);
    let of_mine = |frame: &Value| frame["data"]["line_id"] == line["id"];
    let told = mine.until(|frame| of_mine(frame) && frame["data"]["state"] == "registered");
    assert!(told.iter().all(|frame| frame["data"]["user_id"] == json!(desk.agent.id)), "{told:?}");
    assert_eq!(mine.hear(Duration::from_millis(300)), Heard::Nothing, "a line of nobody's is not told");
    assert_eq!(others.hear(Duration::from_millis(100)), Heard::Nothing);
}

#[test]
fn whoever_becomes_a_supervisor_sees_everything_from_the_next_log_in_on() {
    let desk = Desk::open();
    let other = desk.server.agent(&desk.admin, "olga");
    let (mut others, _) = EventSocket::logged_in(&other);
    let customer = desk.customer_calls(CALLER);
    customer.wait_ringing(SOON);
    desk.admin.change(&format!("/users/{}", other.id), &json!({"role": "supervisor"}));
    others.send(&json!({"type": "auth", "token": other.token}));
    let snapshot = others.frame();
    assert_eq!(snapshot["type"], "snapshot", "what was hidden until now: {snapshot}");
    assert_eq!(snapshot["data"]["calls"][0]["user_id"], json!(desk.agent.id), "{snapshot}");
    customer.give_up();
    let told = others.until_type("interaction.closed");
    rising(&told);
    others.send(&json!({"type": "auth", "token": other.token}));
    assert_eq!(others.hear(Duration::from_millis(300)), Heard::Nothing, "who sees the same goes on");
}
