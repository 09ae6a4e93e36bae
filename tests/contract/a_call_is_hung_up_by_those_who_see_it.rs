//! `/calls`: the live ones, and hanging up; another's call is as if it did not exist.

use serde_json::{Value, json};

use super::clients::Client;
use super::desk::{CALLER, Desk};
use super::socket::SOON;
use crate::peers::eventually;

fn ringing_call(client: &Client) -> Value {
    eventually("the call rings", SOON, || {
        client.items("/calls").into_iter().find(|call| call["state"] == "ringing")
    })
}

#[test]
fn a_live_call_is_shown_to_its_agent_and_to_supervisors_and_ended_by_them() {
    let desk = Desk::open();
    let other = desk.server.agent(&desk.admin, "olga");
    let supervisor = desk.server.supervisor(&desk.admin, "anna");
    let contact = json!({"name": "Пётр", "numbers": [{"number": CALLER}]});
    let contact = desk.admin.create("/contacts", &contact);
    assert_eq!(desk.agent.show("/calls"), json!({"items": [], "total": 0, "next": null}));

    let customer = desk.customer_calls(CALLER);
    customer.wait_ringing(SOON);
    let call = ringing_call(&desk.agent);
    assert_eq!(call["direction"], "inbound");
    assert_eq!((&call["number"], &call["user_id"]), (&json!(CALLER), &json!(desk.agent.id)));
    assert_eq!(call["line_id"], json!(desk.line_id));
    assert_eq!(call["legs"][0]["party"], "customer", "the customer's leg is first: {call}");
    eventually("the contact is settled", SOON, || {
        (ringing_call(&desk.agent)["contact_id"] == contact["id"]).then_some(())
    });
    assert_eq!(supervisor.items("/calls").len(), 1);
    assert_eq!(other.items("/calls"), Vec::<Value>::new());

    let hang_up = format!("/calls/{}/hangup", call["call_id"].as_str().expect("an id"));
    let refused = other.post(&hang_up, &json!({}));
    assert_eq!(refused.status, 404, "another's call: {}", refused.text());
    assert_eq!(desk.agent.items("/calls").len(), 1, "and it still rings");
    let ended = desk.agent.post(&hang_up, &json!({}));
    assert_eq!(ended.status, 202, "{}", ended.text());
    assert_eq!(ended.json()["call_id"], call["call_id"]);
    assert!(customer.wait_final(SOON) >= 400, "the customer is told");
    eventually("it is over", SOON, || desk.agent.items("/calls").is_empty().then_some(()));
    assert_eq!(desk.agent.post(&hang_up, &json!({})).status, 404);
    let nobody = "/calls/01900000-0000-7000-8000-000000000000/hangup";
    assert_eq!(desk.agent.post(nobody, &json!({})).status, 404);

    let second = desk.customer_calls(CALLER);
    second.wait_ringing(SOON);
    let call = ringing_call(&supervisor);
    let hang_up = format!("/calls/{}/hangup", call["call_id"].as_str().expect("an id"));
    assert_eq!(supervisor.post(&hang_up, &json!({})).status, 202, "a supervisor may");
    assert!(second.wait_final(SOON) >= 400);
}
