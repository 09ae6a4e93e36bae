//! `/interactions`: filters, amendments, and why one is what it is.

use linecard_calls::{Direction, Outcome};
use serde_json::{Value, json};

use super::clients::{Client, id};
use super::desk::{CALLER, Desk};
use super::evidence::LONG_AGO;
use super::server::Server;
use super::socket::{EventSocket, SOON};
use crate::peers::eventually;

/// Which of the named calls a query finds, in the order of the answer.
fn found(client: &Client, named: &[(&'static str, String)], query: &str) -> Vec<&'static str> {
    let name = |item: &Value| {
        let known = named.iter().find(|(_, id)| item["id"] == json!(id));
        known.unwrap_or_else(|| panic!("nobody made {item}")).0
    };
    client.items(&format!("/interactions?{query}")).iter().map(name).collect()
}

#[test]
fn interactions_are_found_by_what_they_are() {
    let server = Server::start();
    let admin = server.admin();
    let (maria, olga) = (server.agent(&admin, "maria"), server.agent(&admin, "olga"));
    let petr = id(&admin.create("/contacts", &json!({"name": "Пётр"})));
    let mut evidence = server.evidence();

    let mut first = evidence.call(&maria.id, 0);
    first.contact_id = Some(petr.parse().expect("an id"));
    let recording = evidence.record(&mut first, 100);
    let mut second = evidence.call(&olga.id, 60);
    second.outcome = Some(Outcome::Abandoned);
    second.caller_number = None;
    let mut third = evidence.call(&maria.id, 120);
    third.direction = Direction::Outbound;
    third.outcome = Some(Outcome::Busy);
    third.caller_number = Some("100".to_owned());
    third.callee_number = Some("+79030000001".to_owned());
    evidence.save(&first, vec![recording]);
    evidence.save(&second, Vec::new());
    evidence.save(&third, Vec::new());
    let named =
        [("first", first.id.to_string()), ("second", second.id.to_string()), ("third", third.id.to_string())];

    let at = |after_s: i64| LONG_AGO.plus_ms(after_s * 1_000).to_string();
    let cases: [(String, &[&str]); 17] = [
        (String::new(), &["third", "second", "first"]),
        ("sort=oldest".into(), &["first", "second", "third"]),
        (format!("from={}", at(60)), &["third", "second"]),
        (format!("until={}", at(60)), &["first"]),
        (format!("from={}&until={}", at(60), at(120)), &["second"]),
        ("direction=outbound".into(), &["third"]),
        ("direction=internal".into(), &[]),
        ("outcome=abandoned".into(), &["second"]),
        ("outcome=answered&direction=outbound".into(), &[]),
        (format!("user_id={}", olga.id), &["second"]),
        (format!("contact_id={petr}"), &["first"]),
        ("number=%2B78312123456".into(), &["first"]),
        ("number=8%20(831)%20212-34-56".into(), &["first"]),
        ("number=89030000001".into(), &["third"]),
        ("number=100".into(), &["third", "second", "first"]),
        ("recorded=true".into(), &["first"]),
        ("recorded=false".into(), &["third", "second"]),
    ];
    for (query, expected) in cases {
        assert_eq!(found(&admin, &named, &query), expected, "{query}");
    }
    assert_eq!(found(&maria, &named, ""), ["third", "first"], "an agent sees its own");
    assert_eq!(
        found(&maria, &named, &format!("user_id={}", olga.id)),
        ["third", "first"],
        "whatever it asks"
    );
    assert_eq!(maria.show("/interactions")["total"], 2, "and no count of others");
    assert_eq!(maria.get(&format!("/interactions/{}", second.id)).status, 404);
    assert_eq!(maria.get(&format!("/interactions/{}/explain", second.id)).status, 404);
    let amended = maria.patch(&format!("/interactions/{}", second.id), 1, &json!({"notes": "mine"}));
    assert_eq!(amended.status, 404);
    assert_eq!(admin.show(&format!("/interactions/{}", second.id))["notes"], Value::Null);

    for field in ["from", "until"] {
        let reply = admin.get(&format!("/interactions?{field}=yesterday"));
        assert_eq!((reply.status, &reply.json()["field"]), (422, &json!(field)), "{}", reply.text());
    }
}

#[test]
fn an_ended_call_is_explained_and_amended() {
    let desk = Desk::open();
    let petr = id(&desk.admin.create("/contacts", &json!({"name": "Пётр"})));
    let customer = desk.customer_calls(CALLER);
    customer.wait_ringing(SOON);
    let live = eventually("the live interaction is listed", SOON, || {
        desk.agent.items("/interactions").into_iter().next()
    });
    let path = format!("/interactions/{}", id(&live));
    assert_eq!((&live["state"], &live["outcome"]), (&json!("live"), &Value::Null), "{live}");
    let noted = desk.agent.patch(&path, 1, &json!({"notes": "written while it rings"}));
    assert_eq!(noted.status, 200, "{}", noted.text());
    assert_eq!(noted.json()["notes"], "written while it rings");

    customer.give_up();
    let ended =
        eventually("it has ended", SOON, || Some(desk.agent.show(&path)).filter(|it| it["state"] == "ended"));
    assert_eq!((&ended["outcome"], &ended["hangup_by"]), (&json!("abandoned"), &json!("caller")), "{ended}");
    assert_eq!((&ended["talk_ms"], &ended["sip_status"]), (&json!(0), &json!(487)), "{ended}");
    assert_eq!(ended["notes"], "written while it rings");

    let wanted = json!({"notes": "перезвонить", "disposition": "callback", "contact_id": petr});
    let amended = desk.agent.patch(&path, 1, &wanted);
    assert_eq!(amended.status, 200, "{}", amended.text());
    for (field, value) in wanted.as_object().expect("an object") {
        assert_eq!(&amended.json()[field], value, "{field}");
    }
    assert_eq!(desk.agent.show(&path), amended.json(), "what was answered is what is read");
    let partly = desk.agent.patch(&path, 1, &json!({"disposition": null})).json();
    assert_eq!((&partly["disposition"], &partly["notes"]), (&Value::Null, &json!("перезвонить")));
    let freed = desk.agent.patch(&path, 1, &json!({"contact_id": null})).json();
    assert_eq!(freed["contact_id"], Value::Null, "{freed}");

    let nobody = "01900000-0000-7000-8000-000000000000";
    let cases = [
        ("contact_id", json!(nobody)),
        ("notes", json!("я".repeat(20_001))),
        ("disposition", json!("я".repeat(201))),
        ("outcome", json!("answered")),
    ];
    for (field, value) in cases {
        let reply = desk.agent.patch(&path, 1, &json!({ field: value }));
        assert_eq!((reply.status, &reply.json()["field"]), (422, &json!(field)), "{}", reply.text());
    }
    assert_eq!(desk.agent.show(&path), freed, "none of it was done");

    let explained = desk.agent.show(&format!("{path}/explain"));
    assert_eq!(explained["outcome"], "abandoned", "{explained}");
    assert_eq!(explained["interaction_id"], freed["id"]);
    let sentences = explained["sentences"].as_array().expect("sentences");
    let times: Vec<&str> = sentences.iter().map(|it| it["at"].as_str().expect("at")).collect();
    assert!(times.len() > 4 && times.is_sorted(), "in order: {explained}");
    assert!(explained["verdict"].as_str().is_some_and(|verdict| !verdict.is_empty()), "{explained}");
}

#[test]
fn what_is_told_as_closed_is_read_as_ended_even_before_it_is_saved() {
    let desk = Desk::open();
    let (mut socket, _) = EventSocket::logged_in(&desk.agent);
    let customer = desk.customer_calls(CALLER);
    customer.wait_ringing(SOON);
    let live = eventually("the live interaction is saved", SOON, || {
        desk.agent.items("/interactions").into_iter().next()
    });
    let evidence = desk.server.evidence();
    let lock = evidence.lock();
    customer.give_up();
    let closed = socket.until_type("interaction.closed");
    let closed = &closed[closed.len() - 1]["data"];
    assert_eq!(&desk.agent.show(&format!("/interactions/{}", id(&live))), closed);
    assert_eq!(&desk.agent.items("/interactions")[0], closed);
    drop(lock);
}
