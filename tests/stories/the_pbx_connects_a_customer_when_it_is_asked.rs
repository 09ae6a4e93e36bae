//! A line whose PBX connects the customers that are handed over: it is asked by REFER, the talk leaves the server, and the
//! interaction says so. A PBX that will not leaves it to the server.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::Office;
use super::server::{CUSTOMERS, NUMBER, SOON};
use crate::peers::customer::CustomerCall;
use crate::peers::{Account, Answer, Baresip, Customer, PhoneOptions, eventually};

const CUSTOMER_HZ: u32 = 440;
const OTHER_HZ: u32 = 900;

fn phone(office: &mut Office, account: &Account, answer: Answer, tone_hz: u32) -> Baresip {
    let options = PhoneOptions { answer, tone_hz, expires_s: 60, ..PhoneOptions::default() };
    let phone = Baresip::start(office.pbx.address(), account, &options);
    office.pbx.wait_registered(&account.user, 1, SOON);
    phone
}

fn lets_the_pbx_connect(office: &Office) {
    let changed = office.server.change(&format!("/lines/{}", office.line_id), &json!({"transfer": "pbx"}));
    assert_eq!(changed["transfer"], "pbx", "{changed}");
}

/// Hands the customer of the call under way over to an extension that is no user's; returns the status of the answer.
fn hands_over(office: &Office, to: &str) -> u16 {
    wishes(office, &json!({"to": to, "kind": "blind"}))
}

fn wishes(office: &Office, transfer: &Value) -> u16 {
    let live = office.server.get("/calls");
    let call = live["items"][0]["call_id"].as_str().expect("a call").to_owned();
    office.server.request("POST", &format!("/calls/{call}/transfer"), &transfer.to_string()).status
}

/// Lets the agent ask somebody and then connect the customer with that phone; returns what the PBX was asked for.
fn asks_and_connects(office: &Office, other: &Baresip, customer: &CustomerCall) -> String {
    office.phone.wait_established(SOON);
    customer.wait_talking(SOON);
    assert_eq!(wishes(office, &json!({"to": "203", "kind": "attended"})), 202);
    other.wait_established(SOON);
    eventually("the agent may connect them", SOON, || {
        (wishes(office, &json!({"kind": "attended"})) == 202).then_some(())
    });
    eventually("the PBX is asked", SOON, || {
        let asked = customer.requests().into_iter().find(|(_, message)| message.method() == "REFER");
        asked.map(|(_, message)| message.header("Refer-To").to_owned())
    })
}

fn explained(office: &Office, interaction: &Value) -> String {
    office.server.explain(interaction["id"].as_str().expect("an id"))
}

#[test]
fn the_talk_leaves_the_server_and_the_interaction_says_to_whom() {
    let mut office = Office::open(Answer::Auto);
    lets_the_pbx_connect(&office);
    let other = phone(&mut office, &Account::new("203"), Answer::Auto, OTHER_HZ);
    let account = Account::new("110").with_number(CUSTOMERS[0]);
    let customer = phone(&mut office, &account, Answer::Auto, CUSTOMER_HZ);
    customer.dial(NUMBER);
    office.phone.wait_established(SOON);
    sleep(Duration::from_millis(1_500));
    assert_eq!(hands_over(&office, "203"), 202);
    other.wait_established(SOON);
    office.phone.wait_closed(SOON);
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    assert_eq!(interaction["caller_number"], "110", "the first caller stays: {interaction}");
    let text = explained(&office, &interaction);
    assert!(text.contains("The PBX was asked to connect the customer with 203."), "{text}");
    assert!(text.contains("what follows is neither seen nor recorded here"), "{text}");
    let wav = office.server.closed_recording(&interaction);
    assert!(wav.tone_in(0, CUSTOMER_HZ) > 0.1 && wav.tone_in(1, 700) > 0.1, "what was said here is recorded");
    sleep(Duration::from_millis(1_500));
    other.hang_up();
    other.wait_closed(SOON);
    let heard = other.heard();
    assert!(heard[0].tone_in(0, CUSTOMER_HZ) > 0.1, "the other hears the customer");
    assert_eq!(office.server.get("/interactions")["total"], 1, "one interaction");
}

#[test]
fn a_phone_that_declines_leaves_the_customer_with_the_agent() {
    let mut office = Office::open(Answer::Auto);
    lets_the_pbx_connect(&office);
    let other = phone(&mut office, &Account::new("203"), Answer::Manual, OTHER_HZ);
    let account = Account::new("110").with_number(CUSTOMERS[0]);
    let customer = phone(&mut office, &account, Answer::Auto, CUSTOMER_HZ);
    customer.dial(NUMBER);
    office.phone.wait_established(SOON);
    sleep(Duration::from_millis(1_000));
    assert_eq!(hands_over(&office, "203"), 202);
    other.wait_ringing(SOON);
    assert_eq!(hands_over(&office, "202"), 409, "one at a time");
    other.hang_up();
    let id = office.server.get("/calls")["items"][0]["interaction_id"].clone();
    eventually("the refusal is written down", SOON, || {
        let text = explained(&office, &json!({"id": id}));
        text.contains("The PBX did not connect the customer (486).").then_some(())
    });
    assert_eq!(office.server.get("/calls")["items"][0]["state"], "answered", "the talk goes on");
    assert_eq!(office.phone.count("CALL_CLOSED"), 0);
}

#[test]
fn what_the_pbx_will_not_do_is_done_here() {
    let mut office = Office::open(Answer::Auto);
    lets_the_pbx_connect(&office);
    let other = phone(&mut office, &Account::new("203"), Answer::Auto, OTHER_HZ);
    // This caller's telephone knows no REFER.
    let call = Customer::new(office.pbx.address(), "+78312123456").speaking(CUSTOMER_HZ).call(NUMBER);
    office.phone.wait_established(SOON);
    call.wait_talking(SOON);
    assert_eq!(hands_over(&office, "203"), 202);
    other.wait_established(SOON);
    let from = call.rtp().received_count();
    call.rtp().wait_received(from + 100, SOON);
    assert!(
        call.rtp().heard(OTHER_HZ) > 0.03,
        "the customer hears the other: {}",
        call.rtp().heard(OTHER_HZ)
    );
    call.hang_up();
    let interaction = office.server.ended_interaction();
    let text = explained(&office, &interaction);
    let refused = text.find("The PBX did not connect the customer (405).");
    let here = text.find("The customer is to be connected to 203 at once.");
    assert!(refused.is_some() && refused < here, "{text}");
}

#[test]
fn the_one_who_was_asked_first_gets_the_customer_from_the_pbx_too() {
    let mut office = Office::open(Answer::Auto);
    lets_the_pbx_connect(&office);
    let other = phone(&mut office, &Account::new("203"), Answer::Auto, OTHER_HZ);
    let customer = Customer::new(office.pbx.address(), "+78312123456").obliging().call(NUMBER);
    let place = asks_and_connects(&office, &other, &customer);
    assert!(place.contains("?Replaces=") && place.contains("to-tag%3D"), "{place}");
    assert_eq!(customer.tells("SIP/2.0 200 OK"), 200);
    office.phone.wait_closed(SOON);
    other.wait_closed(SOON);
    customer.wait_hung_up(SOON);
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    let text = explained(&office, &interaction);
    assert!(text.contains("The PBX was asked to connect the customer with 203."), "{text}");
    assert!(text.contains("what follows is neither seen nor recorded here"), "{text}");
}

#[test]
fn a_pbx_that_cannot_put_one_in_the_place_of_another_leaves_that_to_the_server() {
    let mut office = Office::open(Answer::Auto);
    lets_the_pbx_connect(&office);
    let other = phone(&mut office, &Account::new("203"), Answer::Auto, OTHER_HZ);
    let customer =
        Customer::new(office.pbx.address(), "+78312123456").speaking(CUSTOMER_HZ).obliging().call(NUMBER);
    asks_and_connects(&office, &other, &customer);
    assert_eq!(customer.tells("SIP/2.0 481 Call/Transaction Does Not Exist"), 200);
    office.phone.wait_closed(SOON);
    let from = customer.rtp().received_count();
    customer.rtp().wait_received(from + 100, SOON);
    assert!(customer.rtp().heard(OTHER_HZ) > 0.03, "the customer hears the other");
    customer.hang_up();
    let text = explained(&office, &office.server.ended_interaction());
    assert!(text.contains("The PBX did not connect the customer (481)."), "{text}");
}
