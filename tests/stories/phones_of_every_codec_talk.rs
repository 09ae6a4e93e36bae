//! A desk phone of G.722 or Opus alone: with a customer who has G.711 alone each hears the other, with one who has it too
//! the talk stays as it is; the recording has both.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::Office;
use super::server::{NUMBER, OTHER_NUMBER, SOON};
use crate::peers::http::request;
use crate::peers::{Account, Answer, Baresip, Customer, PhoneOptions, eventually};

const WIDE: &str = "G722/16000/1";
const OPUS: &str = "opus/48000/2";
const AGENT_HZ: u32 = 700;
const CUSTOMER_HZ: u32 = 440;

/// How many legs have ended whose sound passed as it came, and whose sound was transcoded.
fn legs_ended(office: &Office) -> [u64; 2] {
    let page = request(office.server.http, "GET", "/metrics", "", None).expect("an answer");
    let page = String::from_utf8_lossy(&page.body).into_owned();
    ["passed_on", "transcoded"].map(|sound| {
        let name = format!("linecard_rtp_legs_ended_total{{sound=\"{sound}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&name)).expect("the figure");
        line.parse().expect("a number")
    })
}

/// Gives the agent a phone of other codecs in place of the one that it has.
fn phone_of(office: &mut Office, codecs: &str) -> Baresip {
    let path = format!("/users/{}/devices", office.agent_id);
    for device in office.server.get(&path)["items"].as_array().expect("devices") {
        let id = device["id"].as_str().expect("an id");
        assert_eq!(office.server.request("DELETE", &format!("{path}/{id}"), "").status, 204);
    }
    let options =
        PhoneOptions { answer: Answer::Auto, tone_hz: AGENT_HZ, expires_s: 60, ..PhoneOptions::default() };
    let phone = Baresip::speaking(codecs, office.pbx.address(), &Account::new("202"), &options);
    office.pbx.wait_registered("202", 1, SOON);
    office.adds_device("202");
    phone
}

#[test]
fn a_wideband_phone_and_a_narrowband_customer_hear_each_other() {
    hears_a_narrowband_customer(WIDE);
}

#[test]
fn an_opus_phone_and_a_narrowband_customer_hear_each_other() {
    let quality = hears_a_narrowband_customer(OPUS);
    let received = &quality["received"];
    assert_eq!(quality["codec"], "opus", "{quality}");
    assert!(received["mos"].as_f64().is_some_and(|mos| mos > 4.0), "{quality}");
    assert!(received["jitter_ms"].as_f64().is_some_and(|ms| ms < 20.0), "by the clock of Opus: {quality}");
}

/// Lets a customer of PCMA talk with a phone of another codec; returns how the phone was heard.
fn hears_a_narrowband_customer(codec: &str) -> Value {
    let mut office = Office::open(Answer::Manual);
    let phone = phone_of(&mut office, codec);
    let call = Customer::new(office.pbx.address(), b"+78312123456").speaking(CUSTOMER_HZ).call(NUMBER);
    call.wait_talking(SOON);
    call.rtp().wait_received(150, SOON);
    assert!(call.rtp().heard(AGENT_HZ) > 0.1, "the customer hears the agent: {}", call.rtp().heard(AGENT_HZ));
    call.hang_up();
    phone.wait_closed(SOON);
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    let wav = office.server.closed_recording(&interaction);
    assert_eq!((wav.channels.len(), wav.rate_hz), (2, 16_000));
    assert!(wav.tone_in(0, CUSTOMER_HZ) > 0.1 && wav.tone_in(0, AGENT_HZ) < 0.02, "customer left");
    assert!(wav.tone_in(1, AGENT_HZ) > 0.1 && wav.tone_in(1, CUSTOMER_HZ) < 0.02, "agent right");
    wav.is_as_long_as(&interaction);
    let heard = phone.heard();
    assert!(heard[0].tone_in(0, CUSTOMER_HZ) > 0.1, "the agent hears: {}", heard[0].tone_in(0, CUSTOMER_HZ));
    office.server.command(&["recording", "verify", "--all"], "");
    eventually("the figures say that it was transcoded", SOON, || {
        (legs_ended(&office) == [0, 2]).then_some(())
    });
    let path = format!("/interactions/{}", interaction["id"].as_str().expect("an id"));
    eventually("the figures of the agent's leg are there", SOON, || {
        let interaction = office.server.get(&path);
        let legs = interaction["legs"].as_array().expect("legs").clone();
        let agents = legs.into_iter().find(|leg| leg["party"] == "agent").expect("the agent's leg");
        Some(agents["quality"].clone()).filter(|quality| quality["received"].is_object())
    })
}

#[test]
fn two_wideband_phones_stay_wideband() {
    two_phones_stay_as_they_are(WIDE);
}

#[test]
fn two_opus_phones_are_passed_on_untouched() {
    two_phones_stay_as_they_are(OPUS);
}

fn two_phones_stay_as_they_are(codec: &str) {
    let mut office = Office::open(Answer::Manual);
    let phone = phone_of(&mut office, codec);
    let options =
        PhoneOptions { answer: Answer::Auto, tone_hz: CUSTOMER_HZ, expires_s: 60, ..PhoneOptions::default() };
    let account = Account::new("101").with_number(OTHER_NUMBER);
    let customer =
        Baresip::speaking(&format!("{codec},PCMU/8000/1"), office.pbx.address(), &account, &options);
    office.pbx.wait_registered("101", 1, SOON);
    let token = office.server.log_in("maria");
    let wish = json!({"to": OTHER_NUMBER}).to_string();
    let reply = request(office.server.http, "POST", "/api/v1/calls", &wish, Some(&token)).expect("an answer");
    assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
    eventually("they talk", SOON, || {
        (office.server.get("/calls")["items"][0]["state"] == "answered").then_some(())
    });
    sleep(Duration::from_millis(2_000));
    customer.hang_up();
    phone.wait_closed(SOON);
    let interaction = office.server.ended_interaction();
    let wav = office.server.closed_recording(&interaction);
    assert_eq!((wav.channels.len(), wav.rate_hz), (2, 16_000));
    assert!(wav.tone_in(0, CUSTOMER_HZ) > 0.1 && wav.tone_in(0, AGENT_HZ) < 0.02, "customer left");
    assert!(wav.tone_in(1, AGENT_HZ) > 0.1 && wav.tone_in(1, CUSTOMER_HZ) < 0.02, "agent right");
    eventually("the figures say that it was not transcoded", SOON, || {
        (legs_ended(&office) == [2, 0]).then_some(())
    });
}

#[test]
fn a_phone_that_would_rather_speak_opus_is_not_transcoded_for_a_customer_of_g711() {
    let mut office = Office::open(Answer::Manual);
    let phone = phone_of(&mut office, &format!("{OPUS},PCMA/8000/1"));
    let call = Customer::new(office.pbx.address(), b"+78312123456").speaking(CUSTOMER_HZ).call(NUMBER);
    call.wait_talking(SOON);
    call.rtp().wait_received(100, SOON);
    assert!(call.rtp().heard(AGENT_HZ) > 0.1, "the customer hears the agent: {}", call.rtp().heard(AGENT_HZ));
    call.hang_up();
    phone.wait_closed(SOON);
    let wav = office.server.closed_recording(&office.server.ended_interaction());
    assert!(wav.tone_in(0, CUSTOMER_HZ) > 0.1 && wav.tone_in(1, AGENT_HZ) > 0.1, "both are recorded");
    eventually("the figures say that it was not transcoded", SOON, || {
        (legs_ended(&office) == [2, 0]).then_some(())
    });
}
