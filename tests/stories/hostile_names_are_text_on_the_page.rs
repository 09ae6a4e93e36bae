//! Story 10 on the screen: hostile names of contacts and callers are text in the pop, the card, the history and the
//! explanation; no markup of theirs becomes an element, nothing of theirs runs.

use std::time::Duration;

use serde_json::{Value, json};

use super::Office;
use super::hostile_callers_are_shown_as_text::corpus;
use super::server::{NUMBER, SOON};
use crate::peers::{Answer, Browser, Customer, Tab, eventually};

/// What no page of ours contains: elements and handlers that only markup in a name could bring.
const FOREIGN: &str = "img[src=x], iframe, object, embed, textarea + script, body script, [onload], [onerror], a[href^=javascript], a[href^=data]";

/// The text of the first element found, as it stands in the document.
fn written(tab: &Tab<'_>, test_id: &str) -> String {
    let script = format!("document.querySelector('[data-testid={test_id}]')?.textContent ?? ''");
    tab.evaluate(&script).as_str().expect("text").trim().to_owned()
}

/// Nothing ran, nothing was refused by the policy, no element came of a name.
fn is_whole(tab: &Tab<'_>, what: &str) {
    assert_eq!(tab.count(FOREIGN), 0, "{what}: {}", tab.html());
    let log_in = "status of 401 (Unauthorized)";
    let problems: Vec<String> = tab.problems().into_iter().filter(|text| !text.contains(log_in)).collect();
    assert_eq!(problems, Vec::<String>::new(), "{what}");
}

#[test]
fn markup_in_names_is_shown_and_never_runs() {
    let office = Office::open(Answer::Manual);
    let browser = Browser::start();
    let desk = office.desk(&browser, "desk");
    let mut called = 0;
    for (index, name) in corpus("display-names.jsonl", "display_name").iter().enumerate() {
        let number = format!("+7831212{index:04}");
        let contact = json!({"name": name, "numbers": [{"number": number}]});
        let reply = office.server.request("POST", "/contacts", &contact.to_string());
        let refused =
            name.chars().any(char::is_control) || name.trim().is_empty() || name.chars().count() > 300;
        assert_eq!(reply.status, if refused { 422 } else { 201 }, "{name:?}: {}", reply.json());
        if refused {
            assert_eq!(reply.json()["field"], "name", "{name:?}");
            continue;
        }
        called += 1;
        calls_and_is_shown(&office, &desk, &number, name);
    }
    assert!(called > 25, "most names are names: {called}");
    the_history_is_text(&office, &desk, called);
}

fn calls_and_is_shown(office: &Office, desk: &Tab<'_>, number: &str, name: &str) {
    let spoken: String = name.chars().take(200).collect();
    let call = Customer::new(office.pbx.address(), number).named(&spoken).call(NUMBER);
    desk.wait_for("[data-testid=panel-state][data-state=ringing]", SOON);
    eventually(&format!("the pop shows {name:?}"), Duration::from_secs(5), || {
        (written(desk, "pop-name") == name.trim()).then_some(())
    });
    is_whole(desk, name);
    call.give_up();
    desk.wait_for("[data-testid=panel-state]:not([data-state=ringing])", SOON);
}

/// Every row and one explanation after the other, as the agent would look at them.
fn the_history_is_text(office: &Office, desk: &Tab<'_>, calls: usize) {
    desk.click("[data-testid=nav-history]");
    desk.wait_for("[data-testid=history-row]", SOON);
    is_whole(desk, "the history");
    let list = eventually("all calls have ended", SOON, || {
        let list = office.server.get("/interactions?limit=500");
        (list["total"] == calls && list["items"].as_array()?.iter().all(|it| it["state"] == "ended"))
            .then_some(list)
    });
    for interaction in list["items"].as_array().expect("items").iter().step_by(4) {
        let id = interaction["id"].as_str().expect("an id");
        desk.go_to(&format!("http://{}/history/{id}", office.server.http));
        desk.wait_for(&format!("[data-testid=detail][data-interaction-id=\"{id}\"]"), SOON);
        desk.wait_for("[data-testid=explain]", SOON);
        is_whole(desk, &Value::to_string(interaction));
    }
}
