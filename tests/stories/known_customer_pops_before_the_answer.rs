//! Story 1: a known customer calls; the screen shows the name while it rings; afterwards the interaction has its
//! outcome and durations, and the WAV has the customer left and the agent right.

use std::time::Instant;

use serde_json::json;

use super::Office;
use super::server::{NUMBER, SOON, Storage};
use crate::peers::{Answer, Browser, Customer, Wav, eventually};

const CUSTOMER_HZ: u32 = 440;
const AGENT_HZ: u32 = 700;

#[test]
fn a_known_customer_is_bridged_logged_and_recorded() {
    story_on(Storage::Sqlite);
}

#[test]
fn a_known_customer_is_bridged_logged_and_recorded_on_postgresql() {
    story_on(Storage::postgres());
}

fn story_on(storage: Storage) {
    let office = Office::open_on(storage, Answer::Manual, "");
    let contact = office.knows("Мария Иванова", "8 (831) 212-34-56");
    let browser = Browser::start();
    let desk = office.desk(&browser, "desk");
    let customer =
        Customer::new(office.pbx.address(), b"+78312123456").named(b"M. Ivanova").speaking(CUSTOMER_HZ);
    let call = customer.call(NUMBER);
    call.wait_ringing(SOON);
    office.phone.wait_ringing(SOON);
    let live = office.server.get("/calls");
    assert_eq!(live["items"][0]["number"], "+78312123456", "{live}");
    assert_eq!(live["items"][0]["state"], "ringing", "{live}");
    desk.wait_for("[data-testid=panel-state][data-state=ringing]", SOON);
    desk.wait_text("Мария Иванова", SOON);
    let shown = desk.text("[data-testid=pop-number]");
    assert!(shown.contains("831") && shown.contains("212-34-56"), "in the national way: {shown}");
    if let Some(folder) = std::env::var_os("LINECARD_PICTURES") {
        desk.screenshot(&std::path::Path::new(&folder).join("ringing.png"));
    }
    office.phone.answer();
    call.wait_talking(SOON);
    let talking_since = Instant::now();
    desk.wait_for("[data-testid=panel-state][data-state=talking]", SOON);
    desk.wait_for("[data-testid=rec-mark]", SOON);
    call.rtp().wait_received(100, SOON);
    call.rtp().wait_received(200, SOON);
    assert!(call.rtp().heard(AGENT_HZ) > 0.1, "the customer hears the agent's tone");
    call.hang_up();
    let talked = talking_since.elapsed();
    office.phone.wait_closed(SOON);

    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    assert_eq!(interaction["direction"], "inbound");
    assert_eq!(interaction["hangup_by"], "caller");
    assert_eq!(interaction["caller_number"], "+78312123456");
    assert_eq!(interaction["contact_id"], json!(contact));
    assert_eq!(interaction["user_id"], json!(office.agent_id));
    assert_eq!(interaction["line_id"], json!(office.line_id));
    let talk_ms = interaction["talk_ms"].as_i64().expect("talk_ms");
    let seen_ms = i64::try_from(talked.as_millis()).expect("short");
    assert!((talk_ms - seen_ms).abs() < 250, "talk_ms {talk_ms}, seen {seen_ms}");

    let recording = interaction["recording_ids"][0].as_str().expect("a recording").to_owned();
    let shown = eventually("the recording is finished", SOON, || {
        let shown = office.server.get(&format!("/recordings/{recording}"));
        (shown["state"] == "finished").then_some(shown)
    });
    let wav = Wav::open(&office.server.recording_file(&recording));
    assert_eq!((wav.channels.len(), wav.rate_hz), (2, 8_000));
    wav.is_as_long_as(&interaction);
    assert_eq!(shown["duration_ms"].as_u64(), Some(wav.duration_ms()));
    assert!(wav.tone_in(0, CUSTOMER_HZ) > 0.1 && wav.tone_in(0, AGENT_HZ) < 0.02, "customer left");
    assert!(wav.tone_in(1, AGENT_HZ) > 0.1 && wav.tone_in(1, CUSTOMER_HZ) < 0.02, "agent right");

    desk.wait_for("[data-testid=panel-state][data-state=ended]", SOON);
    let asked_before_the_log_in = "the server responded with a status of 401 (Unauthorized)";
    let problems = desk.problems();
    assert!(problems.iter().all(|text| text.ends_with(asked_before_the_log_in)), "{problems:?}");

    let media = office.server.request("GET", &format!("/recordings/{recording}/media"), "");
    assert_eq!(media.status, 200);
    assert_eq!(media.body, std::fs::read(office.server.recording_file(&recording)).expect("the file"));
    office.server.command(&["recording", "verify", "--all"], "");
    office.server.command(&["replay"], "");
}
