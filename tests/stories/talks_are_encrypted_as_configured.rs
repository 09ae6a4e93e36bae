//! `media.srtp`: required, both legs are encrypted and who cannot do it is refused; optional, each leg is encrypted
//! that can be.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::Office;
use super::server::{NUMBER, OTHER_NUMBER, SOON};
use crate::peers::http::request;
use crate::peers::{Account, Answer, Baresip, Customer, PhoneOptions, eventually};

/// A phone that offers and takes SAVP alone; what follows the codecs belongs to the account as well.
const ENCRYPTED: &str = "PCMA/8000/1;mediaenc=srtp-mand";
/// A phone that encrypts when the other end can.
const WILLING: &str = "PCMA/8000/1;mediaenc=srtp";
const AGENT_HZ: u32 = 700;
const CUSTOMER_HZ: u32 = 440;

fn phone_of(office: &mut Office, extension: &str, codecs: &str, tone_hz: u32) -> Baresip {
    let options = PhoneOptions { answer: Answer::Auto, tone_hz, expires_s: 60, ..PhoneOptions::default() };
    let account = Account::new(extension);
    let phone = Baresip::speaking(codecs, office.pbx.address(), &account, &options);
    office.pbx.wait_registered(extension, 1, SOON);
    phone
}

/// Gives the agent a phone in place of the one that it has.
fn agents_phone(office: &mut Office, codecs: &str) -> Baresip {
    let path = format!("/users/{}/devices", office.agent_id);
    for device in office.server.get(&path)["items"].as_array().expect("devices") {
        let id = device["id"].as_str().expect("an id");
        assert_eq!(office.server.request("DELETE", &format!("{path}/{id}"), "").status, 204);
    }
    let phone = phone_of(office, "202", codecs, AGENT_HZ);
    office.adds_device("202");
    phone
}

fn dials(office: &Office) {
    let token = office.server.log_in("maria");
    let wish = json!({"to": OTHER_NUMBER}).to_string();
    let reply = request(office.server.http, "POST", "/api/v1/calls", &wish, Some(&token)).expect("an answer");
    assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
}

fn is_recorded_both_ways(office: &Office) -> Value {
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    let wav = office.server.closed_recording(&interaction);
    assert!(wav.tone_in(0, CUSTOMER_HZ) > 0.1, "customer left: {}", wav.tone_in(0, CUSTOMER_HZ));
    assert!(wav.tone_in(1, AGENT_HZ) > 0.1, "agent right: {}", wav.tone_in(1, AGENT_HZ));
    interaction
}

#[test]
fn required_encryption_carries_the_talk_and_is_recorded_in_the_clear() {
    let mut office = Office::open_with(Answer::Manual, "[media]\nsrtp = \"required\"\n");
    let phone = agents_phone(&mut office, ENCRYPTED);
    let customer = phone_of(&mut office, "101", ENCRYPTED, CUSTOMER_HZ);
    dials(&office);
    eventually("they talk", SOON, || {
        (office.server.get("/calls")["items"][0]["state"] == "answered").then_some(())
    });
    sleep(Duration::from_millis(2_000));
    customer.hang_up();
    phone.wait_closed(SOON);
    is_recorded_both_ways(&office);
    for (heard, hz) in [(phone.heard(), CUSTOMER_HZ), (customer.heard(), AGENT_HZ)] {
        assert!(heard[0].tone_in(0, hz) > 0.1, "{}", heard[0].tone_in(0, hz));
    }
}

#[test]
fn required_encryption_refuses_a_caller_and_a_phone_without_it() {
    let mut office = Office::open_with(Answer::Manual, "[media]\nsrtp = \"required\"\n");
    let call = Customer::new(office.pbx.address(), b"+78312123456").call(NUMBER);
    assert_eq!(call.wait_final(SOON), 488);
    let refused = office.server.ended_interaction();
    assert_eq!((&refused["outcome"], &refused["sip_status"]), (&json!("failed"), &json!(488)), "{refused}");
    let id = refused["id"].as_str().expect("an id");
    let why = office.server.explain(id);
    assert!(why.contains("media.srtp"), "{why}");
    assert_eq!(office.phone.count("CALL_INCOMING"), 0, "nobody is rung for it");

    let plain = agents_phone(&mut office, "PCMA/8000/1");
    let customer = phone_of(&mut office, "101", ENCRYPTED, CUSTOMER_HZ);
    dials(&office);
    let outcome = eventually("the call is over", SOON, || {
        let list = office.server.get("/interactions?direction=outbound");
        let it = list["items"][0].clone();
        (it["state"] == "ended").then_some(it)
    });
    assert_eq!(outcome["outcome"], "failed", "the agent's phone cannot: {outcome}");
    assert_eq!(plain.count("CALL_ESTABLISHED"), 0);
    assert_eq!(customer.count("CALL_INCOMING"), 0, "and the customer never rings");
}

#[test]
fn optional_encryption_takes_whoever_comes() {
    let mut office = Office::open_with(Answer::Manual, "[media]\nsrtp = \"optional\"\n");
    let phone = agents_phone(&mut office, WILLING);
    let call = Customer::new(office.pbx.address(), b"+78312123456").speaking(CUSTOMER_HZ).call(NUMBER);
    call.wait_talking(SOON);
    call.rtp().wait_received(100, SOON);
    assert!(call.rtp().heard(AGENT_HZ) > 0.1, "the customer hears: {}", call.rtp().heard(AGENT_HZ));
    call.hang_up();
    phone.wait_closed(SOON);
    is_recorded_both_ways(&office);
    assert!(phone.heard()[0].tone_in(0, CUSTOMER_HZ) > 0.1, "the agent hears");
}
