//! Story 8, second half: the disk of the recordings fills up during a talk. Not one packet of the talk is lost, the
//! recording ends flagged with its gap marked, and the next talk is recorded without a restart.

use std::path::Path;

use serde_json::Value;

use super::Office;
use super::server::{NUMBER, SOON};
use crate::peers::customer::CustomerCall;
use crate::peers::small_disk::{fill, with_small_disk};
use crate::peers::{Answer, Customer, Wav, eventually};

const CUSTOMER_HZ: u32 = 440;
const AGENT_HZ: u32 = 700;

fn talks(office: &Office) -> CustomerCall {
    let call = Customer::new(office.pbx.address(), "+78312123456").speaking(CUSTOMER_HZ).call(NUMBER);
    call.wait_talking(SOON);
    call.rtp().wait_received(25, SOON);
    call
}

/// Lets the talk go on for some packets more; none of them may be missing.
fn goes_on(call: &CustomerCall, packets: usize) {
    let heard = call.rtp().received_count();
    call.rtp().wait_received(heard + packets, SOON);
    assert_eq!(call.rtp().lost(), 0, "the customer heard everything");
}

/// Waits for an alarm event of recordings that fail.
fn wait_alarm(office: &Office, kind: &str, times: usize) -> Value {
    eventually(&format!("{kind} was published"), SOON, || {
        let frames = office.server.rows("SELECT frame FROM frames ORDER BY seq");
        let frames = frames.iter().map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
        let alarms = frames.filter(|it| it["type"] == kind && it["data"]["alarm"] == "recording_failed");
        alarms.into_iter().nth(times - 1)
    })
}

/// Hangs up and returns the interaction of this call with its recording.
fn ended(office: &Office, call: &CustomerCall, calls: u64) -> (Value, Value) {
    call.hang_up();
    let interaction = eventually("the interaction has ended", SOON, || {
        let list = office.server.get("/interactions");
        assert!(list["total"].as_u64().expect("a total") <= calls, "one interaction a call: {list}");
        let newest = list["items"].get(0)?.clone();
        (list["total"] == calls && newest["state"] == "ended").then_some(newest)
    });
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    let id = interaction["recording_ids"][0].as_str().expect("a recording").to_owned();
    let recording = eventually("the recording is closed", SOON, || {
        let shown = office.server.get(&format!("/recordings/{id}"));
        (shown["state"] != "recording").then_some(shown)
    });
    (interaction, recording)
}

fn length_is_the_talk(disk: &Path, interaction: &Value, recording: &Value) -> Wav {
    let id = recording["id"].as_str().expect("an id");
    let wav = Wav::open(&disk.join("recordings").join(id).with_extension("wav"));
    wav.is_as_long_as(interaction);
    wav
}

#[test]
fn the_disk_fills_up_in_mid_talk() {
    let test = concat!(module_path!(), "::the_disk_fills_up_in_mid_talk");
    with_small_disk(test.split_once("::").expect("a path in the crate").1, |disk| {
        let office = office_on(disk);
        let call = talks(&office);
        goes_on(&call, 75);
        fill(&disk.join("filler"));
        let alarm = wait_alarm(&office, "alarm.raised", 1);
        assert!(alarm["data"]["text"].as_str().expect("text").contains("No space"), "{alarm}");
        goes_on(&call, 100);
        std::fs::remove_file(disk.join("filler")).expect("room again");
        wait_alarm(&office, "alarm.cleared", 1);
        goes_on(&call, 75);
        assert!(call.rtp().heard(AGENT_HZ) > 0.1, "the customer heard the agent all the time");
        let (interaction, recording) = ended(&office, &call, 1);
        assert_eq!(recording["state"], "truncated", "flagged: {recording}");
        let spans = recording["spans"].as_array().expect("spans");
        let gaps: Vec<&Value> = spans.iter().filter(|span| span["kind"] == "loss").collect();
        assert_eq!(gaps.len(), 1, "{recording}");
        let wav = length_is_the_talk(disk, &interaction, &recording);
        let ms = |field: &str| u64::try_from(gaps[0][field].as_i64().expect("ms")).expect("not negative");
        let (from_ms, until_ms) = (ms("from_ms"), ms("until_ms"));
        assert!((1_000..8_000).contains(&(until_ms - from_ms)), "{recording}");
        let tone = |from_ms, until_ms| wav.tone_between(0, CUSTOMER_HZ, from_ms, until_ms);
        assert!(tone(200, from_ms) > 0.1, "recorded before the gap");
        assert!(tone(from_ms, until_ms) < 0.01, "silent in the gap");
        assert!(tone(until_ms, wav.duration_ms()) > 0.1, "recorded after the gap");

        let next = talks(&office);
        goes_on(&next, 50);
        let (interaction, recording) = ended(&office, &next, 2);
        assert_eq!(recording["state"], "finished", "without a restart: {recording}");
        length_is_the_talk(disk, &interaction, &recording);
        office.server.command(&["recording", "verify", "--all"], "");
        office.server.command(&["replay"], "");
    });
}

#[test]
fn the_disk_is_full_before_the_talk() {
    let test = concat!(module_path!(), "::the_disk_is_full_before_the_talk");
    with_small_disk(test.split_once("::").expect("a path in the crate").1, |disk| {
        let office = office_on(disk);
        fill(&disk.join("filler"));
        let call = talks(&office);
        wait_alarm(&office, "alarm.raised", 1);
        goes_on(&call, 75);
        let (interaction, recording) = ended(&office, &call, 1);
        assert_eq!(recording["state"], "failed", "{recording}");
        let media = format!("/recordings/{}/media", recording["id"].as_str().expect("an id"));
        assert_eq!(office.server.request("GET", &media, "").status, 404, "{interaction}");
        std::fs::remove_file(disk.join("filler")).expect("room again");

        let next = talks(&office);
        goes_on(&next, 50);
        let (interaction, recording) = ended(&office, &next, 2);
        assert_eq!(recording["state"], "finished", "without a restart: {recording}");
        length_is_the_talk(disk, &interaction, &recording);
        let (code, text) = office.server.ask(&["recording", "verify", "--all"], "");
        assert_eq!(code, 1, "one recording is not there: {text}");
        assert!(text.contains("NOT OK  the recording failed; there is no file"), "{text}");
        assert!(text.contains("1 recordings are well, 1 are not"), "{text}");
        office.server.command(&["replay"], "");
    });
}

/// An office whose recordings go to the small disk.
fn office_on(disk: &Path) -> Office {
    Office::open_with(Answer::Auto, &format!("[recording]\ndir = {:?}\n", disk.join("recordings")))
}
