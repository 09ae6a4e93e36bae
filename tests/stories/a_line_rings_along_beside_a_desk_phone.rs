//! Story: a line that is registered beside the desk phone of its extension. The call rings at both, the screen shows it at
//! once, the phone answers as ever; what the PBX tells of the end decides how it counts. A phone that is pushed out by it
//! gets its place back.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Linecard, NUMBER, PASSWORD, SOON};
use crate::peers::{Account, Answer, Baresip, Customer, Kamailio, PhoneOptions, eventually};

/// A desk phone, and a server with a line beside it.
struct Beside {
    pbx: Kamailio,
    phone: Baresip,
    server: Linecard,
    user: String,
    line: String,
}

fn account() -> Account {
    Account::new("105").with_number(NUMBER)
}

impl Beside {
    fn open(pbx: Kamailio) -> Self {
        let mut pbx = pbx;
        let options =
            PhoneOptions { answer: Answer::Manual, tone_hz: 700, expires_s: 600, ..PhoneOptions::default() };
        let phone = Baresip::start(pbx.address(), &account(), &options);
        pbx.wait_registered("105", 1, SOON);
        let server = Linecard::start();
        let user = json!({"login": "anna", "role": "agent", "password": PASSWORD});
        let user = server.create("/users", &user)["id"].as_str().expect("an id").to_owned();
        let line = server.create(
            "/lines",
            &json!({
                "server": pbx.address().to_string(), "username": "105", "password": "secret-105",
                "mode": "shadow", "user_id": user,
            }),
        );
        let line = line["id"].as_str().expect("an id").to_owned();
        Self { pbx, phone, server, user, line }
    }

    fn wait_standing(&self, state: &str) -> Value {
        eventually(&format!("the line is {state}"), SOON, || {
            let line = self.server.get(&format!("/lines/{}", self.line));
            (line["registration"]["state"] == state).then(|| line["registration"].clone())
        })
    }

    fn ready(pbx: Kamailio) -> Self {
        let mut office = Self::open(pbx);
        office.wait_standing("registered");
        office.pbx.wait_registered("105", 2, SOON);
        office
    }

    fn rule(&self, interaction: &Value) -> Value {
        let path = format!("/interactions/{}/explain", interaction["id"].as_str().expect("an id"));
        self.server.get(&path)["rule"].clone()
    }

    fn wait_seen(&self) -> Value {
        eventually("the call is seen", SOON, || {
            let items = self.server.get("/calls")["items"].clone();
            (items != json!([])).then(|| items[0].clone())
        })
    }
}

#[test]
fn the_desk_phone_answers_and_the_call_counts_as_answered_elsewhere() {
    let office = Beside::ready(Kamailio::start(&[account()]));
    let call = Customer::new(office.pbx.address(), "+78312123456").speaking(440).call(NUMBER);
    let seen = office.wait_seen();
    assert_eq!((&seen["number"], &seen["watched"]), (&json!("+78312123456"), &json!(true)), "{seen}");
    office.phone.wait_ringing(SOON);
    sleep(Duration::from_millis(1_000));
    office.phone.answer();
    call.wait_talking(SOON);
    let it = office.server.ended_interaction();
    assert_eq!((&it["outcome"], office.rule(&it)), (&json!("answered"), json!("answered_elsewhere")), "{it}");
    assert_eq!(it["user_id"], json!(office.user));
    call.rtp().wait_received(100, SOON);
    assert_eq!(office.phone.count("CALL_CLOSED"), 0, "the talk goes on");
    call.hang_up();
    assert_eq!(office.server.get("/missed")["total"], 0);
    office.server.command(&["replay"], "");
}

#[test]
fn a_caller_who_gives_up_is_missed() {
    let office = Beside::ready(Kamailio::start(&[account()]));
    let call = Customer::new(office.pbx.address(), "+79101234567").call(NUMBER);
    office.wait_seen();
    call.wait_ringing(SOON);
    sleep(Duration::from_millis(500));
    assert_eq!(call.give_up(), 487);
    let it = office.server.ended_interaction();
    assert_eq!((&it["outcome"], office.rule(&it)), (&json!("abandoned"), json!("seen_unanswered")), "{it}");
    eventually("the caller waits", SOON, || (office.server.get("/missed")["total"] == 1).then_some(()));
}

#[test]
fn with_what_the_pbx_tells_beside_it_the_talk_is_known_too_and_it_is_one_call() {
    let office = Beside::ready(Kamailio::start_telling(&[account()]));
    let call = Customer::new(office.pbx.address(), "+78312123456").call(NUMBER);
    office.wait_seen();
    office.phone.wait_ringing(SOON);
    office.phone.answer();
    call.wait_talking(SOON);
    sleep(Duration::from_millis(2_000));
    call.hang_up();
    office.phone.wait_closed(SOON);
    let it = office.server.ended_interaction();
    assert_eq!((&it["outcome"], office.rule(&it)), (&json!("answered"), json!("seen_talking")), "{it}");
    assert!((1_700..4_000).contains(&it["talk_ms"].as_i64().expect("ms")), "{it}");
    assert_eq!(office.server.get("/interactions")["total"], 1);
}

#[test]
fn a_phone_that_is_pushed_out_is_told_and_gets_its_place_back() {
    let mut office = Beside::open(Kamailio::start_with(&[account()], &[("ONE_CONTACT", "1")]));
    let standing = office.wait_standing("failed");
    assert_eq!(standing["reason_key"], "pushed_out", "{standing}");
    let contacts = standing["reason_params"]["contacts"].as_str().expect("contacts").to_owned();
    office.pbx.wait_registered("105", 0, SOON);
    let alarms = || office.server.get("/server")["alarms"].clone();
    eventually("an alarm stands", SOON, || (alarms()[0]["alarm"] == "phone_pushed_out").then_some(()));
    let put_back = office.server.request("POST", &format!("/lines/{}/put-back", office.line), "");
    assert_eq!(put_back.status, 202, "{}", String::from_utf8_lossy(&put_back.body));
    eventually("the alarm is cleared", SOON, || (alarms() == json!([])).then_some(()));
    office.pbx.wait_registered("105", 1, SOON);
    assert_eq!(office.pbx.registered("105"), [contacts], "the phone and nobody else");
    let call = Customer::new(office.pbx.address(), "+79101234567").call(NUMBER);
    office.phone.wait_ringing(SOON);
    call.give_up();
}

#[test]
fn a_pbx_that_never_rings_the_line_is_noticed() {
    let accounts = [account()];
    let mut office = Beside::ready(Kamailio::start_telling_with(&accounts, &[("RING_ALL", "0")]));
    for n in 0..3 {
        let call = Customer::new(office.pbx.address(), format!("+7910123456{n}")).call(NUMBER);
        office.phone.wait_nth("CALL_INCOMING", n + 1, SOON);
        sleep(Duration::from_millis(300));
        call.give_up();
        office.phone.wait_nth("CALL_CLOSED", n + 1, SOON);
    }
    let standing = eventually("it is said", SOON, || {
        let standing = office.wait_standing("registered");
        (standing["reason_key"] == "never_forked").then_some(standing)
    });
    assert!(standing["advice"].as_str().expect("advice").contains("PJSIP_DIAL_CONTACTS"));
    office.pbx.kill();
}
