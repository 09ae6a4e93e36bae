//! `/missed`: one item a caller, seen by those whose line was called and by supervisors, claimed by one, closed by any
//! answered call or by hand; the events tell the same.

use serde_json::{Value, json};

use super::clients::{Client, id};
use super::desk::{CALLER, Desk};
use super::socket::{EventSocket, Heard, SOON, cursor};
use crate::peers::{Customer, eventually};

const ITEM: &[&str] =
    &["id", "number", "contact_id", "attempts", "first_at", "last_at", "owner_id", "state", "closed_by"];

/// A call that the customer gives up while it rings; yields the event that told the item.
fn misses(desk: &Desk, socket: &mut EventSocket, number: &str) -> Value {
    let customer = desk.customer_calls(number);
    customer.wait_ringing(SOON);
    customer.give_up();
    let told = socket.until_type("call.ended");
    let of_item = |frame: &&Value| frame["type"].as_str().is_some_and(|kind| kind.starts_with("missed."));
    told.iter().find(of_item).unwrap_or_else(|| panic!("the item comes before the end: {told:?}")).clone()
}

fn act(client: &Client, item: &Value, deed: &str, status: u16) -> Value {
    let reply = client.post(&format!("/missed/{}/{deed}", id(item)), &json!({}));
    assert_eq!(reply.status, status, "{deed}: {}", reply.text());
    reply.json()
}

#[test]
fn two_missed_calls_are_one_item_that_one_agent_claims() {
    let desk = Desk::open();
    let other = desk.server.agent(&desk.admin, "olga");
    let supervisor = desk.server.supervisor(&desk.admin, "anna");
    let (mut mine, _) = EventSocket::logged_in(&desk.agent);
    let (mut others, before) = EventSocket::logged_in(&other);
    assert_eq!(desk.agent.show("/missed"), json!({"items": [], "total": 0, "next": null}));

    let opened = misses(&desk, &mut mine, CALLER);
    assert_eq!((opened["type"].as_str(), &opened["data"]["attempts"]), (Some("missed.opened"), &json!(1)));
    let again = misses(&desk, &mut mine, CALLER);
    assert_eq!((again["type"].as_str(), &again["data"]["attempts"]), (Some("missed.opened"), &json!(2)));
    let items = desk.agent.items("/missed");
    let [item] = items.as_slice() else { panic!("one caller, one item: {items:?}") };
    assert_eq!(item, &again["data"], "REST and events say the same");
    for field in ITEM {
        assert!(item.get(field).is_some(), "{field} in {item}");
    }
    assert_eq!((&item["number"], &item["state"]), (&json!(CALLER), &json!("open")));
    assert!(item["first_at"].as_str() < item["last_at"].as_str(), "{item}");
    assert_eq!(item["user_ids"], json!([desk.agent.id]));
    assert_eq!(desk.agent.show(&format!("/missed/{}", id(item))), *item);

    assert_eq!(other.items("/missed"), Vec::<Value>::new(), "an agent never sees another's");
    assert_eq!(other.get(&format!("/missed/{}", id(item))).status, 404);
    for deed in ["claim", "close"] {
        act(&other, item, deed, 404);
    }
    assert_eq!(others.hear(std::time::Duration::from_millis(300)), Heard::Nothing);
    let mut resumed = EventSocket::resumed(&other, &cursor(&before));
    assert_eq!(resumed.hear(std::time::Duration::from_millis(300)), Heard::Nothing, "nor when it resumes");
    for (client, open) in [(&*desk.agent, 1), (&*other, 0), (&*supervisor, 1)] {
        let (_, snapshot) = EventSocket::logged_in(client);
        assert_eq!(snapshot["data"]["missed_open"], json!(open), "{snapshot}");
    }

    let claimed = act(&desk.agent, item, "claim", 200);
    assert_eq!((&claimed["state"], &claimed["owner_id"]), (&json!("claimed"), &json!(desk.agent.id)));
    assert_eq!(mine.until_type("missed.claimed").last().expect("a frame")["data"], claimed);
    assert_eq!(act(&desk.agent, item, "claim", 200), claimed, "once more changes nothing");
    act(&supervisor, item, "claim", 409);
    assert_eq!(supervisor.items("/missed?state=claimed"), [claimed]);
    assert_eq!(supervisor.items("/missed?state=open"), Vec::<Value>::new());
    let closed = act(&supervisor, item, "close", 200);
    assert_eq!((&closed["state"], &closed["closed_by"].is_string()), (&json!("closed"), &true));
    assert_eq!(mine.until_type("missed.closed").last().expect("a frame")["data"], closed);
    assert_eq!(act(&desk.agent, item, "close", 200), closed);
    act(&desk.agent, item, "claim", 409);
    let refused = desk.agent.get("/missed?state=lost");
    assert_eq!(refused.status, 422, "{}", refused.text());

    let next = misses(&desk, &mut mine, CALLER);
    assert_ne!(next["data"]["id"], closed["id"], "a later miss opens a new one");
    assert_eq!(next["data"]["attempts"], json!(1));
    let csv = supervisor.get("/missed?format=csv").text();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.contains("attempts") && csv.contains(&id(item)), "{csv}");
}

#[test]
fn withheld_numbers_and_callers_without_one_are_kept_one_by_one() {
    let desk = Desk::open();
    let (mut mine, _) = EventSocket::logged_in(&desk.agent);
    for caller in ["anonymous", "anonymous", "ivan.petrov"] {
        misses(&desk, &mut mine, caller);
    }
    let items = desk.agent.items("/missed?state=open");
    assert_eq!(items.len(), 3, "{items:?}");
    assert!(items.iter().all(|item| item["number"].is_null() && item["attempts"] == json!(1)), "{items:?}");
    assert_eq!(items[0]["number_dialled"], "ivan.petrov", "the last comes first: {items:?}");
}

#[test]
fn nobody_need_be_logged_in_and_a_restart_forgets_nothing() {
    let mut desk = Desk::open();
    let customer = desk.customer_calls(CALLER);
    customer.wait_ringing(SOON);
    customer.give_up();
    let found = eventually("the item is there", SOON, || desk.agent.items("/missed").first().cloned());
    let claimed = act(&desk.agent, &found, "claim", 200);
    desk.server.stop();
    desk.server.launch();
    assert_eq!(desk.agent.items("/missed"), std::slice::from_ref(&claimed));
    let closed = act(&desk.agent, &claimed, "close", 200);
    assert_eq!((&closed["state"], &closed["owner_id"]), (&json!("closed"), &claimed["owner_id"]));
    desk.server.stop();
    desk.server.launch();
    assert_eq!(act(&desk.agent, &claimed, "close", 200), closed, "closed and forgotten is closed");
    act(&desk.agent, &claimed, "claim", 409);
    let (_, snapshot) = EventSocket::logged_in(&desk.agent);
    assert_eq!(snapshot["data"]["missed_open"], json!(0));
}

#[test]
fn an_amended_call_changes_the_contact_of_its_item_alone() {
    let desk = Desk::open();
    let (mut mine, _) = EventSocket::logged_in(&desk.agent);
    let opened = misses(&desk, &mut mine, CALLER);
    let interaction = mine.until_type("interaction.closed").pop().expect("a frame")["data"].clone();
    let contact = desk.admin.create("/contacts", &json!({"name": "Пётр", "numbers": []}));
    let body = json!({"contact_id": contact["id"], "notes": "перезвонить"});
    let path = format!("/interactions/{}", id(&interaction));
    let reply = desk.agent.send("PATCH", &path, &body.to_string(), "");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let mut expected = opened["data"].clone();
    expected["contact_id"] = contact["id"].clone();
    let items = eventually("the contact is taken over", SOON, || {
        let items = desk.agent.items("/missed");
        (items.first()?["contact_id"] == contact["id"]).then_some(items)
    });
    assert_eq!(items, std::slice::from_ref(&expected));
    let told =
        mine.until(|frame| frame["data"]["contact_id"] == contact["id"] && frame["type"] == "missed.opened");
    assert_eq!(told.last().expect("a frame")["data"], expected);
    let claimed = act(&desk.agent, &expected, "claim", 200);
    assert_eq!(claimed["contact_id"], contact["id"], "and what is done later keeps it");
}

#[test]
fn a_locked_database_hides_no_missed_call() {
    let desk = Desk::open();
    let evidence = desk.server.evidence();
    let (mut mine, _) = EventSocket::logged_in(&desk.agent);
    let lock = evidence.lock();
    let opened = misses(&desk, &mut mine, CALLER);
    assert_eq!(desk.agent.items("/missed"), [opened["data"].clone()], "shown while it is not written");
    let (_, snapshot) = EventSocket::logged_in(&desk.agent);
    assert_eq!(snapshot["data"]["missed_open"], json!(1));
    let claimed = act(&desk.agent, &opened["data"], "claim", 200);
    assert_eq!(desk.agent.items("/missed?state=claimed"), std::slice::from_ref(&claimed));
    assert_eq!(desk.agent.items("/missed?state=open"), Vec::<Value>::new());
    drop(lock);
    eventually("the database has it", SOON, || (evidence.missed(&id(&claimed))? == claimed).then_some(()));
    assert_eq!(desk.agent.items("/missed"), [claimed]);
}

#[test]
fn a_colleagues_answer_on_another_line_leaves_no_phantom() {
    let desk = Desk::open();
    let olga = desk.server.agent(&desk.admin, "olga");
    desk.admin.create(&format!("/users/{}/devices", olga.id), &json!({"kind": "sip", "uri": "202"}));
    desk.admin.add_line(desk.pbx.address(), "102", Some(&olga.id));
    let hers = desk.pbx.wait_registered("102");
    let (mut watching, _) = EventSocket::logged_in(&desk.admin);

    let mine = desk.customer_calls(CALLER);
    mine.wait_ringing(SOON);
    desk.pbx.answers();
    let fork = Customer::new(desk.server.sip, CALLER).call(&hers);
    fork.wait_talking(SOON);
    mine.give_up();
    let told = watching.until(|frame| frame["type"] == "call.missed");
    assert!(!told.iter().any(|frame| frame["type"] == "missed.opened"), "{told:?}");
    assert_eq!(desk.admin.items("/missed"), Vec::<Value>::new());
}
