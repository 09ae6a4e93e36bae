//! Story: calls that never run through the server. A real PBX tells of its extensions' calls (RFC 4235): the screen shows
//! who calls while the desk phone rings, calls dialled on the desk phone are written down, a missed one waits to be
//! called back, and nobody's phone was touched.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Office;
use super::server::{CUSTOMERS, Linecard, NUMBER, OTHER_NUMBER, PASSWORD, SOON};
use crate::peers::customer::CustomerCall;
use crate::peers::http::request;
use crate::peers::{Account, Answer, Baresip, Browser, Customer, Kamailio, PhoneOptions, eventually};

/// Two desk phones at a PBX that tells of them, and a server that has no phone there.
struct Watched {
    pbx: Kamailio,
    phones: [Baresip; 2],
    server: Linecard,
    users: [String; 2],
}

impl Watched {
    fn open() -> Self {
        let accounts = [
            Account::new("105").with_number(NUMBER),
            Account::new("106").with_number(OTHER_NUMBER),
            Account::new("110").with_number(CUSTOMERS[0]),
        ];
        let mut pbx = Kamailio::start_telling(&accounts);
        let options =
            PhoneOptions { answer: Answer::Manual, tone_hz: 700, expires_s: 60, ..PhoneOptions::default() };
        let phones = [0, 1].map(|n| Baresip::start(pbx.address(), &accounts[n], &options));
        pbx.wait_registered("106", 1, SOON);
        let server = Linecard::start();
        let users = [("anna", "105"), ("boris", "106")].map(|(login, extension)| {
            let user = json!({"login": login, "name": login, "role": "agent", "password": PASSWORD});
            let user = server.create("/users", &user)["id"].as_str().expect("an id").to_owned();
            let line = server.create(
                "/lines",
                &json!({
                    "server": pbx.address().to_string(), "username": extension, "mode": "dialog_info",
                    "password": format!("secret-{extension}"), "user_id": user,
                }),
            );
            let path = format!("/lines/{}", line["id"].as_str().expect("an id"));
            eventually("the extension is watched", SOON, || {
                (server.get(&path)["registration"]["state"] == "registered").then_some(())
            });
            user
        });
        Self { pbx, phones, server, users }
    }

    /// A customer talks with the first phone, and it is seen.
    fn talks(&self) -> CustomerCall {
        let call = Customer::new(self.pbx.address(), "+79101234567").call(NUMBER);
        self.phones[0].wait_ringing(SOON);
        self.phones[0].answer();
        call.wait_talking(SOON);
        eventually("the talk is seen", SOON, || (self.live_calls()[0]["state"] == "answered").then_some(()));
        call
    }

    fn live_calls(&self) -> Value {
        self.server.get("/calls")["items"].clone()
    }
}

#[test]
fn a_customer_who_rings_a_desk_phone_is_shown_and_the_talk_is_written_down() {
    let mut office = Watched::open();
    let contact = json!({"name": "Мария Иванова", "numbers": [{"number": "8 (831) 212-34-56"}]});
    let contact = office.server.create("/contacts", &contact)["id"].clone();
    let browser = Browser::start();
    let desk = Office::desk_of(&browser, "desk", "anna", office.server.http);

    let call = Customer::new(office.pbx.address(), "+78312123456").call(NUMBER);
    office.phones[0].wait_ringing(SOON);
    desk.wait_for("[data-testid=panel-state][data-state=ringing]", SOON);
    desk.wait_text("Мария Иванова", SOON);
    let live = office.live_calls();
    assert_eq!((&live[0]["watched"], &live[0]["state"]), (&json!(true), &json!("ringing")), "{live}");
    let id = live[0]["call_id"].as_str().expect("an id").to_owned();
    office.phones[0].answer();
    call.wait_talking(SOON);
    desk.wait_for("[data-testid=panel-state][data-state=talking]", SOON);
    assert_eq!(
        desk.count("[data-testid=hangup-button]"),
        0,
        "what does not run through the server is not ended here"
    );
    let token = office.server.log_in("anna");
    let refused =
        request(office.server.http, "POST", &format!("/api/v1/calls/{id}/hangup"), "", Some(&token));
    let refused = refused.expect("an answer");
    assert_eq!(refused.status, 409);
    assert!(refused.json()["detail"].as_str().expect("text").contains("on the phone itself"));
    sleep(Duration::from_millis(2_500));
    call.hang_up();
    office.phones[0].wait_closed(SOON);
    desk.wait_for("[data-testid=panel-state][data-state=ended]", SOON);

    let it = office.server.ended_interaction();
    assert_eq!((&it["outcome"], &it["direction"]), (&json!("answered"), &json!("inbound")), "{it}");
    assert_eq!((&it["user_id"], &it["contact_id"]), (&json!(office.users[0]), &contact), "{it}");
    assert_eq!(it["caller_number"], "+78312123456");
    let talk_ms = it["talk_ms"].as_i64().expect("ms");
    assert!((2_200..4_500).contains(&talk_ms), "{talk_ms}");
    assert_eq!(it["recording_ids"], json!([]));
    let path = format!("/interactions/{}/explain", it["id"].as_str().expect("an id"));
    assert_eq!(office.server.get(&path)["rule"], "seen_talking");
    office.server.command(&["replay"], "");
    assert_eq!(office.pbx.registered("105").len(), 1, "the desk phone has its extension for itself");
}

#[test]
fn a_call_that_a_desk_phone_misses_waits_to_be_called_back() {
    let mut office = Watched::open();
    let call = Customer::new(office.pbx.address(), "+79101234567").call(NUMBER);
    office.phones[0].wait_ringing(SOON);
    eventually("the call is seen", SOON, || (office.live_calls() != json!([])).then_some(()));
    sleep(Duration::from_millis(800));
    call.give_up();
    let it = office.server.ended_interaction();
    assert_eq!((&it["outcome"], &it["user_id"]), (&json!("abandoned"), &json!(office.users[0])), "{it}");
    let missed = eventually("the caller waits", SOON, || {
        let missed = office.server.get("/missed");
        (missed["total"] == 1).then_some(missed)
    });
    assert_eq!(missed["items"][0]["number"], "+79101234567");

    // Called back on the desk phone: reached, and the item is closed.
    let customer = Account::new("110");
    let options =
        PhoneOptions { answer: Answer::Auto, tone_hz: 440, expires_s: 60, ..PhoneOptions::default() };
    let _customer = Baresip::start(office.pbx.address(), &customer, &options);
    office.pbx.wait_registered("110", 1, SOON);
    let call = Customer::new(office.pbx.address(), CUSTOMERS[0]).call(OTHER_NUMBER);
    office.phones[1].wait_ringing(SOON);
    eventually("the second call is seen", SOON, || (office.live_calls() != json!([])).then_some(()));
    call.give_up();
    eventually("two callers wait", SOON, || (office.server.get("/missed")["total"] == 2).then_some(()));
    office.phones[1].dial(&format!("sip:{}@{}", CUSTOMERS[0], office.pbx.address()));
    office.phones[1].wait_established(SOON);
    let closed = eventually("the item is closed", SOON, || {
        let items = office.server.get("/missed?state=closed")["items"].clone();
        (items[0]["number"] == CUSTOMERS[0]).then(|| items[0].clone())
    });
    assert_eq!(closed["closed_by"], json!(office.users[1]), "{closed}");
    office.phones[1].hang_up();
    let outbound = eventually("the outbound call is written down", SOON, || {
        let items = office.server.get("/interactions?direction=outbound")["items"].clone();
        (items[0]["state"] == "ended").then(|| items[0].clone())
    });
    assert_eq!(
        (&outbound["outcome"], &outbound["callee_number"]),
        (&json!("answered"), &json!(CUSTOMERS[0]))
    );
    assert_eq!(outbound["user_id"], json!(office.users[1]));
    office.server.command(&["replay"], "");
}

#[test]
fn colleagues_who_call_each_other_leave_one_internal_interaction() {
    let office = Watched::open();
    office.phones[0].dial(&format!("sip:106@{}", office.pbx.address()));
    office.phones[1].wait_ringing(SOON);
    office.phones[1].answer();
    office.phones[0].wait_established(SOON);
    sleep(Duration::from_millis(1_000));
    office.phones[0].hang_up();
    let it = office.server.ended_interaction();
    let ends = (&it["direction"], &it["caller_number"], &it["callee_number"], &it["user_id"]);
    assert_eq!(ends, (&json!("internal"), &json!("105"), &json!("106"), &json!(office.users[0])), "{it}");
    assert_eq!(office.server.get("/interactions")["total"], 1);
    assert_eq!(office.server.get("/missed")["total"], 0);
}

#[test]
fn an_account_that_only_is_to_be_watched_is_checked_without_registering() {
    let account = Account::new("105");
    let mut pbx = Kamailio::start_telling(std::slice::from_ref(&account));
    let options =
        PhoneOptions { answer: Answer::Manual, tone_hz: 700, expires_s: 60, ..PhoneOptions::default() };
    let _phone = Baresip::start(pbx.address(), &account, &options);
    pbx.wait_registered("105", 1, SOON);
    let server = Linecard::start();
    let body = json!({
        "server": pbx.address().to_string(), "username": "105", "password": "secret-105", "mode": "dialog_info",
    });
    let reply = server.request("POST", "/lines/check", &body.to_string());
    let told: Vec<Value> = String::from_utf8_lossy(&reply.body)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let key = |name: &str| told.iter().find(|it| it["name"] == name).map(|it| it["key"].clone());
    assert_eq!(key("bindings"), Some(json!("contacts_watched")), "{told:#?}");
    assert_eq!(key("outlook"), Some(json!("outlook_watch")), "{told:#?}");
    assert_eq!(told.last().expect("a verdict")["healthy"], true);
    let sent = told.iter().filter(|it| it["type"] == "message" && it["sent"] == true);
    for text in sent.filter_map(|it| it["text"].as_str()).filter(|text| text.starts_with("REGISTER")) {
        assert!(!text.contains("Contact:"), "{text}");
    }
}

#[test]
fn a_server_that_dies_loses_no_call_that_goes_on_without_it() {
    let mut office = Watched::open();
    let call = office.talks();
    // What was seen is safe within 100 ms.
    sleep(Duration::from_millis(300));
    office.server.program.kill();
    sleep(Duration::from_millis(1_500));
    office.server.launch();
    let live = office.live_calls();
    assert_eq!((&live[0]["state"], &live[1]), (&json!("answered"), &Value::Null), "{live}");
    sleep(Duration::from_millis(3_000));
    call.hang_up();
    office.phones[0].wait_closed(SOON);
    let it = office.server.ended_interaction();
    assert_eq!(it["outcome"], "answered", "{it}");
    assert!(it["talk_ms"].as_i64().expect("ms") > 4_000, "{it}");
    assert_eq!(office.server.get("/interactions")["total"], 1, "one call, before and after");
}

#[test]
fn a_stop_waits_for_no_call_that_goes_on_without_the_server() {
    let mut office = Watched::open();
    let call = office.talks();
    let stopped = Instant::now();
    office.server.program.signal(rustix::process::Signal::TERM);
    let status = office.server.program.wait(SOON);
    assert!(
        status.success() && stopped.elapsed() < Duration::from_secs(6),
        "{status} {:?}",
        stopped.elapsed()
    );
    office.server.launch();
    eventually("it is the same call", SOON, || (office.live_calls()[0]["state"] == "answered").then_some(()));
    call.hang_up();
    assert_eq!(office.server.ended_interaction()["outcome"], "answered");
    assert_eq!(office.server.get("/interactions")["total"], 1);
}
