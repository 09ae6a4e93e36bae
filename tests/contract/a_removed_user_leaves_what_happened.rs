//! Whoever removes a user is told what comes of it: the talk under way goes on and is kept, the line is nobody's and its
//! calls are missed, a missed call that the user took can be closed, the log-in is over at once.

use serde_json::{Value, json};

use super::clients::id;
use super::desk::{CALLER, Desk};
use super::socket::SOON;
use crate::peers::eventually;

fn remove_agent(desk: &Desk) {
    let path = format!("/users/{}", desk.agent.id);
    let version = desk.admin.show(&path)["version"].as_i64().expect("a version");
    assert_eq!(desk.admin.delete(&path, version).status, 204);
}

#[test]
fn the_talk_under_way_goes_on_and_is_kept() {
    let desk = Desk::open();
    desk.pbx.answers();
    let customer = desk.customer_calls(CALLER);
    customer.wait_talking(SOON);
    remove_agent(&desk);
    assert_eq!(desk.agent.get("/session").status, 401, "logged out at once");
    let calls = desk.admin.items("/calls");
    assert_eq!((calls.len(), &calls[0]["state"]), (1, &json!("answered")), "{calls:?}");
    assert_eq!(desk.admin.show(&format!("/lines/{}", desk.line_id))["user_id"], Value::Null);
    assert_eq!(customer.hang_up(), 200, "the talk was still there");
    let ended = eventually("the interaction is there", SOON, || {
        desk.admin.items("/interactions").into_iter().find(|it| it["state"] == "ended")
    });
    assert_eq!(
        (&ended["outcome"], &ended["user_id"]),
        (&json!("answered"), &json!(desk.agent.id)),
        "{ended}"
    );
    let recording = ended["recording_ids"][0].as_str().expect("a recording");
    eventually("the recording can be played", SOON, || {
        (desk.admin.get(&format!("/recordings/{recording}/media")).status == 200).then_some(())
    });
}

#[test]
fn calls_to_the_line_are_missed_and_what_was_claimed_can_be_closed() {
    let desk = Desk::open();
    let customer = desk.customer_calls(CALLER);
    customer.wait_ringing(SOON);
    customer.give_up();
    let missed = eventually("the caller is missed", SOON, || desk.agent.items("/missed").pop());
    let path = format!("/missed/{}", id(&missed));
    assert_eq!(desk.agent.post(&format!("{path}/claim"), &json!({})).status, 200);
    remove_agent(&desk);
    assert_eq!(desk.admin.show(&path)["owner_id"], json!(desk.agent.id), "it stays whose it was");
    assert_eq!(desk.admin.post(&format!("{path}/claim"), &json!({})).status, 409);
    assert_eq!(desk.admin.post(&format!("{path}/close"), &json!({})).status, 200);

    let customer = desk.customer_calls("+78312999999");
    assert_eq!(customer.wait_final(SOON), 480, "no phone rings");
    let second = eventually("this one is missed, too", SOON, || {
        desk.admin.items("/missed?state=open").into_iter().find(|it| it["number"] == "+78312999999")
    });
    assert_eq!(second["owner_id"], Value::Null, "{second}");
}
