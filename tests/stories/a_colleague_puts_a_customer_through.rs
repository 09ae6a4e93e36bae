//! A colleague calls, asks, and puts a customer through on the PBX: screen, telephone and interaction know the customer,
//! and what the PBX hands over with the call arrives.

use serde_json::json;

use super::Office;
use super::server::{NUMBER, SOON};
use crate::peers::{Answer, Browser, Customer, Scenario, Sipp, eventually};

const NAMED: &str = "P-Asserted-Identity: \"Trunk\" <sip:+79161234567@pbx.example>";
const TICKET: &str = "0454696b6574203435;encoding=hex;purpose=isdn-uui";

#[test]
fn the_customer_is_on_the_screen_and_on_the_telephone_and_is_found_by_the_own_number() {
    let office = Office::open(Answer::Manual);
    let phone = Sipp::phone(Scenario::IsToldWhoIsThere);
    office.adds_device(&phone.uri());
    let maria = office.knows("Мария Иванова", "8 916 123-45-67");
    let browser = Browser::start();
    let desk = office.desk(&browser, "desk");
    let call = Customer::new(office.pbx.address(), "305")
        .with_header(format!("User-to-User: {TICKET}"))
        .call(NUMBER);
    call.wait_talking(SOON);
    desk.wait_text("Передано со звонком: Tiket 45", SOON);

    assert_eq!(call.names(NAMED), 200);
    desk.wait_text("Мария Иванова", SOON);
    desk.wait_text("Соединили с номера 305", SOON);
    let live = office.server.get("/calls")["items"][0].clone();
    assert_eq!((&live["number"], &live["contact_id"]), (&json!("+79161234567"), &json!(maria)), "{live}");
    assert_eq!(call.names(NAMED), 200, "the same again");
    call.hang_up();
    let seen = eventually("the telephone is hung up", SOON, || {
        Some(phone.messages()).filter(|seen| seen.contains("BYE sip:phone"))
    });
    assert_eq!(phone.errors(), "");
    let told = seen.split("UPDATE sip:phone").nth(1).expect("an UPDATE");
    assert!(told.contains("+79161234567@"), "the telephone shows the customer: {told}");
    assert!(seen.contains(&format!("User-to-User: {TICKET}")), "handed on as it came: {seen}");

    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["caller_number"], "305", "who called stays: {interaction}");
    assert_eq!(interaction["customer_number"], "+79161234567", "{interaction}");
    assert_eq!(
        (&interaction["contact_id"], &interaction["user_to_user"]),
        (&json!(maria), &json!(["Tiket 45"]))
    );
    office.server.closed_recording(&interaction);
    let found = office.server.get("/interactions?number=%2B79161234567");
    assert_eq!(found["items"][0]["id"], interaction["id"], "{found}");
    let text = office.server.explain(interaction["id"].as_str().expect("an id"));
    assert_eq!(text.matches("is connected with +79161234567").count(), 1, "{text}");
    office.server.command(&["replay"], "");
}

#[test]
fn a_customer_put_through_while_it_rings_is_missed_by_the_own_number() {
    let office = Office::open(Answer::Manual);
    let call = Customer::new(office.pbx.address(), "305").call(NUMBER);
    office.phone.wait_ringing(SOON);
    call.wait_ringing(SOON);
    assert_eq!(call.names(NAMED), 200);
    call.give_up();
    let missed = eventually("somebody is missed", SOON, || {
        office.server.get("/missed")["items"]
            .as_array()
            .filter(|items| !items.is_empty())
            .map(|items| items[0].clone())
    });
    assert_eq!((&missed["number"], &missed["attempts"]), (&json!("+79161234567"), &json!(1)), "{missed}");
}
