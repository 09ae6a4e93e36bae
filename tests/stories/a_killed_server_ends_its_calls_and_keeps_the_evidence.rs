//! Story 7: the server is killed in mid-call. After the restart both ends get a BYE within 5 s, the call is closed as
//! interrupted, its recording opens and lost at most its last second, and the ledger and the interactions agree.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Office;
use super::server::{NUMBER, SOON, Storage};
use crate::peers::{Answer, Customer, Wav, eventually};

/// Talk before each kill in milliseconds: spread over the second between two flushes of the recorder.
fn talk_ms(round: usize) -> u64 {
    let spread = [130, 1_470, 610, 2_050, 990, 350, 1_730, 1_190, 2_310, 820];
    spread[round % spread.len()] + 17 * u64::try_from(round).expect("small")
}

#[test]
fn twenty_kills_in_mid_call_lose_nothing_that_was_acknowledged() {
    kills_on(Storage::Sqlite, 20);
}

#[test]
fn ten_kills_in_mid_call_lose_nothing_that_was_acknowledged_on_postgresql() {
    kills_on(Storage::postgres(), 10);
}

fn kills_on(storage: Storage, times: usize) {
    let mut office = Office::open_on(storage, Answer::Auto, "");
    for round in 0..times {
        kill_in_mid_call(&mut office, round);
    }
    office.server.command(&["replay"], "");
    office.server.command(&["recording", "verify", "--all"], "");
}

fn kill_in_mid_call(office: &mut Office, round: usize) {
    let customer = Customer::new(office.pbx.address(), b"+78312123456").speaking(440);
    let call = customer.call(NUMBER);
    call.wait_talking(SOON);
    call.rtp().wait_received(3, SOON);
    let talking_since = Instant::now();
    std::thread::sleep(Duration::from_millis(talk_ms(round)));
    let acknowledged = office.server.get("/interactions?limit=1")["items"][0].clone();
    assert_eq!(acknowledged["state"], "live", "round {round}: {acknowledged}");
    let talked = talking_since.elapsed();
    office.server.program.kill();
    office.server.launch();
    let restarted = Instant::now();
    call.wait_hung_up(Duration::from_secs(5));
    office.phone.wait_nth("CALL_CLOSED", round + 1, Duration::from_secs(5));
    assert!(
        restarted.elapsed() < Duration::from_secs(5),
        "round {round}: BYE after {:?}",
        restarted.elapsed()
    );
    let id = acknowledged["id"].as_str().expect("an id");
    let interaction = eventually("the call is closed", SOON, || {
        let interaction = office.server.get(&format!("/interactions/{id}"));
        (interaction["state"] == "ended").then_some(interaction)
    });
    assert_eq!(interaction["outcome"], "interrupted", "round {round}: {interaction}");
    assert_eq!(interaction["hangup_by"], "interrupted", "round {round}: {interaction}");
    check_recording(office, &interaction, talked, round);
    office.pbx.wait_registered("100", 1, SOON);
}

fn check_recording(office: &Office, interaction: &Value, talked: Duration, round: usize) {
    let id = interaction["recording_ids"][0].as_str().expect("a recording");
    let shown = office.server.get(&format!("/recordings/{id}"));
    assert_eq!(shown["state"], "repaired", "round {round}: {shown}");
    let length = Wav::open(&office.server.recording_file(id)).duration_ms();
    let talked = u64::try_from(talked.as_millis()).expect("short");
    assert!(length + 1_100 >= talked, "round {round}: {length} ms of {talked} ms are left");
}
