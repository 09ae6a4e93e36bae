//! Story 4: two devices ring together: one interaction, the other stops at once. The same in order.

use std::time::Duration;

use serde_json::{Value, json};

use super::Office;
use super::server::{NUMBER, SOON};
use crate::peers::{Account, Answer, Baresip, Customer, PhoneOptions};

/// How soon "at once" is, on a loaded machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// An office whose agent has a second phone at extension 202.
fn with_second_phone() -> (Office, Baresip, String) {
    let mut office = Office::open(Answer::Manual);
    let options =
        PhoneOptions { answer: Answer::Manual, tone_hz: 900, expires_s: 60, ..PhoneOptions::default() };
    let second = Baresip::start(office.pbx.address(), &Account::new("202"), &options);
    office.pbx.wait_registered("202", 1, SOON);
    let device = office.adds_device("202");
    (office, second, device)
}

/// The legs to the agent's devices.
fn device_legs(interaction: &Value) -> Vec<&Value> {
    let legs = interaction["legs"].as_array().expect("legs");
    legs.iter().filter(|leg| leg["party"] == "agent").collect()
}

/// The only live call.
fn live_call(office: &Office) -> Value {
    let live = office.server.get("/calls");
    assert_eq!(live["items"].as_array().map(Vec::len), Some(1), "one call: {live}");
    live["items"][0].clone()
}

/// One device was answered, by the id of `second` or not, and the other was not.
fn one_answered(interaction: &Value, second: &str, other_ended: &str) {
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    let legs = device_legs(interaction);
    assert_eq!(legs.len(), 2, "{interaction}");
    let (answered, others): (Vec<_>, Vec<_>) =
        legs.into_iter().partition(|leg| leg["answered_at"] != Value::Null);
    assert_eq!(answered.len(), 1, "one device was answered: {interaction}");
    assert_eq!(answered[0]["device_id"], second, "{interaction}");
    assert_eq!(answered[0]["sip_status"], 200, "{interaction}");
    assert_ne!(others[0]["device_id"], second, "{interaction}");
    assert_eq!(others[0]["state"], other_ended, "{interaction}");
}

#[test]
fn two_devices_ring_together_and_one_stops_when_the_other_is_answered() {
    let (office, second, device) = with_second_phone();
    let call = Customer::new(office.pbx.address(), "+78312123456").speaking(440).call(NUMBER);
    let first_rang = office.phone.wait_ringing(SOON).at;
    let second_rang = second.wait_ringing(SOON).at;
    let apart = first_rang.max(second_rang) - first_rang.min(second_rang);
    assert!(apart < AT_ONCE, "they ring together: {apart:?}");
    live_call(&office);

    second.answer();
    let answered = second.wait_established(SOON).at;
    let stopped = office.phone.wait_closed(SOON).at;
    assert!(stopped < answered + AT_ONCE, "the other stopped {:?} later", stopped - answered);
    call.wait_talking(SOON);
    call.rtp().wait_received(100, SOON);
    assert!(call.rtp().heard(900) > 0.1, "the customer hears the phone that was answered");
    assert_eq!(office.phone.count("CALL_ESTABLISHED"), 0, "the other phone was never connected");
    let live = live_call(&office);
    assert_eq!(live["state"], "answered", "{live}");

    call.hang_up();
    second.wait_closed(SOON);
    one_answered(&office.server.ended_interaction(), &device, "cancelled");
    assert_eq!((office.phone.count("CALL_INCOMING"), second.count("CALL_INCOMING")), (1, 1));
    office.server.command(&["replay"], "");
}

#[test]
fn the_second_device_rings_when_the_ring_time_of_the_first_is_over() {
    let (office, second, device) = with_second_phone();
    office.rings(&json!({"ring": "in_order", "ring_timeout_ms": 3_000}));
    let call = Customer::new(office.pbx.address(), "+78312123456").speaking(440).call(NUMBER);
    let first_rang = office.phone.wait_ringing(SOON).at;
    call.wait_ringing(SOON);
    assert_eq!(second.count("CALL_INCOMING"), 0, "the second waits");
    let second_rang = second.wait_ringing(SOON).at;
    let later = second_rang - first_rang;
    assert!(later > Duration::from_millis(2_500) && later < Duration::from_secs(5), "{later:?} later");
    let stopped = office.phone.wait_closed(SOON).at;
    assert!(stopped < second_rang + AT_ONCE, "the first stopped when the second rang");
    live_call(&office);

    second.answer();
    call.wait_talking(SOON);
    call.hang_up();
    second.wait_closed(SOON);
    let interaction = office.server.ended_interaction();
    one_answered(&interaction, &device, "cancelled");
    let text = office.server.explain(interaction["id"].as_str().expect("an id"));
    assert!(text.contains("The leg was cancelled: the ring time was over"), "{text}");
    assert_eq!((office.phone.count("CALL_INCOMING"), second.count("CALL_INCOMING")), (1, 1));
    office.server.command(&["replay"], "");
}
