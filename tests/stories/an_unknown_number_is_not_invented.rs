//! Story 2: an unknown number is shown as it is, and a withheld one as withheld; nobody is invented for either.

use serde_json::{Value, json};

use super::Office;
use super::server::{NUMBER, SOON};
use crate::peers::{Answer, Customer};

#[test]
fn an_unknown_number_stays_unknown() {
    let office = Office::open(Answer::Manual);
    office.knows("Мария Иванова", "8 (831) 212-34-56");
    // One digit off, and the name of somebody who is known.
    let customer = Customer::new(office.pbx.address(), "88312123457").named("Мария Иванова");
    let call = customer.call(NUMBER);
    call.wait_ringing(SOON);
    let live = office.server.get("/calls");
    assert_eq!(live["items"][0]["number"], "+78312123457", "{live}");
    assert_eq!(live["items"][0]["contact_id"], Value::Null, "{live}");
    call.give_up();
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["caller_number"], "+78312123457", "{interaction}");
    assert_eq!(interaction["caller_dialled"], "88312123457", "{interaction}");
    assert_eq!(interaction["contact_id"], Value::Null, "{interaction}");
    let found = office.server.get("/contacts/match?number=%2B78312123457");
    assert_eq!(found["candidates"], json!([]), "{found}");
    let contacts = office.server.get("/contacts");
    assert_eq!(contacts["total"], 1, "nobody was added: {contacts}");
    let text = office.server.explain(interaction["id"].as_str().expect("an id"));
    assert!(text.contains("Nobody is known by this number."), "{text}");
    office.server.command(&["replay"], "");
}

#[test]
fn a_withheld_number_stays_withheld() {
    let office = Office::open(Answer::Manual);
    office.knows("Anonymous", "8 (831) 212-34-56");
    // The provider knows who it is and says so; the caller does not want it shown (RFC 3325 section 7).
    let customer = Customer::new(office.pbx.address(), "anonymous").named("Anonymous");
    let customer = customer.with_header("P-Asserted-Identity: <sip:+78312123456@provider.example>");
    let call = customer.with_header("Privacy: id").call(NUMBER);
    call.wait_ringing(SOON);
    let live = office.server.get("/calls");
    assert_eq!(live["items"][0]["number"], Value::Null, "{live}");
    call.give_up();
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["caller_number"], Value::Null, "{interaction}");
    assert_eq!(interaction["contact_id"], Value::Null, "{interaction}");
    assert_eq!(interaction["outcome"], "abandoned", "{interaction}");
    let text = office.server.explain(interaction["id"].as_str().expect("an id"));
    assert!(text.contains("withheld"), "{text}");
    office.server.command(&["replay"], "");
}
