//! Every field that the outside contract lists is there, `null` when unknown: an object with nothing in it has all of
//! its keys too. More keys are allowed.

use serde_json::{Value, json};

use super::clients::{PASSWORD, id, log_in};
use super::desk::{CALLER, Desk};
use super::socket::{EventSocket, SOON};
use crate::peers::eventually;

const USER: &[&str] =
    &["id", "login", "name", "role", "extension", "ring", "ring_timeout_ms", "allow_call_waiting", "version"];
const LINE: &[&str] = &[
    "id",
    "name",
    "server",
    "username",
    "auth_username",
    "outbound_proxy",
    "transport",
    "websocket_path",
    "mode",
    "user_id",
    "dial_format",
    "dial_prefix",
    "caller_id",
    "transfer",
    "registration",
    "version",
];
const REGISTRATION: &[&str] =
    &["state", "since", "reason", "reason_key", "reason_params", "advice", "expires_at", "contacts"];
const CONTACT: &[&str] = &[
    "id",
    "name",
    "company_id",
    "company_name",
    "responsible_id",
    "numbers",
    "emails",
    "source",
    "region",
    "industry",
    "notes",
    "custom",
    "created_at",
    "version",
];
const COMPANY: &[&str] = &["id", "name", "numbers", "contact_count", "created_at", "version"];
const NUMBER: &[&str] = &["number", "e164", "extension", "label"];
const CALL: &[&str] = &[
    "call_id",
    "interaction_id",
    "direction",
    "state",
    "user_id",
    "line_id",
    "number",
    "contact_id",
    "legs",
];
const LEG: &[&str] = &["leg_id", "party", "state"];
const INTERACTION: &[&str] = &[
    "id",
    "call_id",
    "direction",
    "outcome",
    "state",
    "caller_number",
    "caller_dialled",
    "callee_number",
    "contact_id",
    "user_id",
    "line_id",
    "started_at",
    "answered_at",
    "ended_at",
    "ringing_ms",
    "talk_ms",
    "hold_ms",
    "hangup_by",
    "sip_status",
    "legs",
    "recording_ids",
    "notes",
    "disposition",
];
const RECORDING: &[&str] =
    &["id", "interaction_id", "state", "duration_ms", "channels", "sample_rate_hz", "sha256", "spans"];
const LIST: &[&str] = &["items", "total", "next"];
const SNAPSHOT: &[&str] = &["calls", "pops", "agents", "missed_open"];
const FRAME: &[&str] = &["type", "cursor", "seq", "timestamp", "data"];
const POP: &[&str] = &[
    "pop_id",
    "version",
    "call_id",
    "interaction_id",
    "user_id",
    "state",
    "taken_by",
    "direction",
    "number",
    "number_dialled",
    "line_id",
    "did",
    "candidates",
    "lookup",
];
const CANDIDATE: &[&str] = &["contact", "level", "score", "reasons"];
const CANDIDATE_CONTACT: &[&str] = &["id", "name", "company_name", "responsible_id"];

fn has_all(what: &str, object: &Value, fields: &[&str]) {
    let keys = object.as_object().unwrap_or_else(|| panic!("{what} is an object: {object}"));
    let missing: Vec<&&str> = fields.iter().filter(|field| !keys.contains_key(**field)).collect();
    assert!(missing.is_empty(), "{what} has no {missing:?}: {object}");
}

/// Times are RFC 3339 in UTC with milliseconds.
fn is_time(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == "2026-01-31T09:00:00.000Z".len()
        && text.ends_with('Z')
        && text.as_bytes().get(19) == Some(&b'.')
}

#[test]
fn an_object_of_the_directory_has_all_of_its_fields() {
    let desk = Desk::open();
    let login = log_in(desk.server.http, "admin", PASSWORD, "").json();
    has_all("the log-in", &login, &["token", "user"]);
    has_all("the log-in's user", &login["user"], USER);
    has_all("the session", &desk.agent.show("/session"), &["user"]);
    let own = &desk.agent.items("/sessions")[0];
    has_all("an own session", own, &["id", "created_at", "expires_at", "source", "user_agent", "current"]);
    assert!(is_time(&own["created_at"]) && is_time(&own["expires_at"]), "{own}");
    has_all("a user", &desk.admin.show(&format!("/users/{}", desk.agent.id)), USER);
    let line = desk.admin.show(&format!("/lines/{}", desk.line_id));
    has_all("a line", &line, LINE);
    has_all("a registration", &line["registration"], REGISTRATION);
    let bare = desk.admin.create("/contacts", &json!({"name": "X", "numbers": [{"number": "?"}]}));
    has_all("a contact", &bare, CONTACT);
    has_all("a number", &bare["numbers"][0], NUMBER);
    has_all("a company", &desk.admin.create("/companies", &json!({"name": "X"})), COMPANY);
    let device = &desk.admin.items(&format!("/users/{}/devices", desk.agent.id))[0];
    has_all("a device", device, &["id", "kind", "uri"]);
    let lists = ["/users", "/lines", "/contacts", "/companies", "/calls", "/interactions", "/recordings"];
    for list in lists.into_iter().chain(["/sessions", "/audit"]) {
        has_all(list, &desk.admin.show(list), LIST);
    }
    for made in [id(&bare), desk.line_id.clone(), desk.agent.id.clone()] {
        assert_eq!((made.len(), made.as_bytes()[14]), (36, b'7'), "UUIDv7: {made}");
    }
}

#[test]
fn a_call_and_what_it_leaves_have_all_of_their_fields() {
    let desk = Desk::open();
    desk.pbx.answers();
    desk.admin.create("/contacts", &json!({"name": "Пётр", "numbers": [{"number": CALLER}]}));
    let (mut socket, snapshot) = EventSocket::logged_in(&desk.agent);
    has_all("the snapshot", &snapshot, &["type", "cursor", "seq", "data"]);
    has_all("the snapshot's data", &snapshot["data"], SNAPSHOT);

    let customer = desk.customer_calls(CALLER);
    customer.wait_talking(SOON);
    let live = desk.agent.items("/calls");
    has_all("a live call", &live[0], CALL);
    for leg in live[0]["legs"].as_array().expect("legs") {
        has_all("a leg", leg, LEG);
    }
    let first = |list: &str| eventually(list, SOON, || desk.agent.items(list).pop());
    has_all("a live interaction", &first("/interactions"), INTERACTION);
    has_all("a live recording", &first("/recordings"), RECORDING);
    let (mut second, snapshot) = EventSocket::logged_in(&desk.agent);
    has_all("a call of the snapshot", &snapshot["data"]["calls"][0], CALL);
    has_all("a pop of the snapshot", &snapshot["data"]["pops"][0], POP);
    has_all("an agent of the snapshot", &snapshot["data"]["agents"][0], &["user_id", "state"]);
    customer.hang_up();

    let frames = socket.until_type("interaction.closed");
    for frame in &frames {
        has_all("a frame", frame, FRAME);
        assert!(is_time(&frame["timestamp"]), "{frame}");
        let kind = frame["type"].as_str().expect("a type");
        match kind.split('.').next().expect("a family") {
            "call" => has_all(kind, &frame["data"], CALL),
            "pop" => has_all(kind, &frame["data"], POP),
            _ => {}
        }
    }
    let told: Vec<&str> = frames.iter().filter_map(|frame| frame["type"].as_str()).collect();
    for kind in
        ["call.created", "call.ringing", "call.answered", "call.ended", "pop.shown", "recording.started"]
    {
        assert!(told.contains(&kind), "{kind} in {told:?}");
    }
    let with_candidate = frames.iter().find(|frame| frame["data"]["candidates"][0].is_object());
    let candidate = &with_candidate.expect("a pop or a match with the contact")["data"]["candidates"][0];
    has_all("a candidate", candidate, CANDIDATE);
    has_all("a candidate's contact", &candidate["contact"], CANDIDATE_CONTACT);
    second.until_type("interaction.closed");

    let closed = &frames.last().expect("the last")["data"];
    has_all("interaction.closed", closed, INTERACTION);
    let ended = desk.agent.show(&format!("/interactions/{}", id(closed)));
    has_all("an ended interaction", &ended, INTERACTION);
    for field in ["started_at", "answered_at", "ended_at"] {
        assert!(is_time(&ended[field]), "{field}: {ended}");
    }
    let recording = ended["recording_ids"][0].as_str().expect("a recording").to_owned();
    has_all("a finished recording", &desk.agent.show(&format!("/recordings/{recording}")), RECORDING);
}
