//! An agent's phone is set to send its calls on: the call follows through the line, but to no number that may not be dialled.

use super::Office;
use super::server::{NUMBER, SOON};
use crate::peers::{Answer, Customer, Scenario, Sipp};

fn open(forward: &'static str) -> (Office, Sipp) {
    let office = Office::open(Answer::Auto);
    let path = format!("/users/{}/devices", office.agent_id);
    let devices = office.server.get(&path);
    let own = devices["items"][0]["id"].as_str().expect("a device").to_owned();
    assert_eq!(office.server.request("DELETE", &format!("{path}/{own}"), "").status, 204);
    let phone = Sipp::phone(Scenario::Forwards(forward));
    office.adds_device(&phone.uri());
    (office, phone)
}

#[test]
fn a_call_that_a_phone_sends_on_is_answered_there_and_counts_as_the_agents() {
    let (office, phone) = open("201");
    let call = Customer::new(office.pbx.address(), "+78312123456").speaking(440).call(NUMBER);
    office.phone.wait_established(SOON);
    call.wait_talking(SOON);
    call.rtp().wait_received(50, SOON);
    call.hang_up();
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    assert_eq!(interaction["user_id"], office.agent_id.as_str(), "{interaction}");
    assert_eq!(interaction["legs"].as_array().map(Vec::len), Some(2), "one leg that went on: {interaction}");
    let wav = office.server.closed_recording(&interaction);
    assert!(wav.tone_between(1, 700, 200, 800) > 0.1, "the phone that took it is heard");
    let text = office.server.explain(interaction["id"].as_str().expect("an id"));
    assert!(text.contains("The phone sent the call on to 201."), "{text}");
    office.server.command(&["replay"], "");
    assert_eq!(phone.errors(), "");
}

#[test]
fn a_call_is_not_sent_on_to_a_number_that_may_not_be_dialled() {
    // Abroad is barred unless it is allowed, and what a phone says allows nothing.
    let (office, _phone) = open("+442071838750");
    let call = Customer::new(office.pbx.address(), "+78312123456").call(NUMBER);
    assert!(call.wait_final(SOON) >= 400);
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "no_answer", "{interaction}");
    assert_eq!(interaction["legs"][1]["sip_status"], 302, "{interaction}");
    let text = office.server.explain(interaction["id"].as_str().expect("an id"));
    assert!(!text.contains("sent the call on"), "{text}");
}
