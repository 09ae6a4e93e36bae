//! Agents' phones register at Linecard itself, where a PBX takes one contact an account: they ring for customers who call
//! through the PBX, talk and are recorded; they ring at once after a restart; a guesser is kept out and they are not.

use std::net::SocketAddr;

use serde_json::{Value, json};
use xtask::phone::G711;

use super::Office;
use super::server::{Linecard, NUMBER, SOON};
use crate::peers::customer::CustomerCall;
use crate::peers::{Account, Answer, Baresip, Customer, PhoneOptions, eventually};

const CUSTOMER_HZ: u32 = 440;
const AGENT_HZ: u32 = 900;

/// A telephone's account, as it was shown once.
struct Shown(Value);

impl Shown {
    fn text(&self, field: &str) -> String {
        self.0[field].as_str().unwrap_or_else(|| panic!("{field}: {}", self.0)).to_owned()
    }

    fn account(&self) -> Account {
        Account { user: self.text("username"), password: self.text("password"), numbers: Vec::new() }
    }

    fn server(&self) -> SocketAddr {
        format!("{}:{}", self.text("server"), self.0["port"]).parse().expect("an address")
    }

    /// A phone on which it was entered.
    fn entered(&self, transport: &'static str, answer: Answer) -> Baresip {
        let options = PhoneOptions { answer, tone_hz: AGENT_HZ, expires_s: 120, transport };
        Baresip::start(self.server(), &self.account(), &options)
    }
}

fn devices(office: &Office) -> String {
    format!("/users/{}/devices", office.agent_id)
}

/// Takes the agent's extension away and gives a telephone that registers here.
fn with_phone(office: &Office) -> Shown {
    let path = devices(office);
    let device = office.server.get(&path)["items"][0]["id"].as_str().expect("a device").to_owned();
    assert_eq!(office.server.request("DELETE", &format!("{path}/{device}"), "").status, 204);
    Shown(office.server.create(&path, &json!({"kind": "phone", "name": "Стол"})))
}

fn registrations(server: &Linecard, path: &str) -> Vec<Value> {
    let items = server.get(path)["items"].as_array().expect("devices").clone();
    let phone = items.into_iter().find(|device| device["kind"] == "phone").expect("the telephone");
    assert_eq!(phone["name"], "Стол");
    phone["registrations"].as_array().expect("registrations").clone()
}

fn calls(office: &Office) -> CustomerCall {
    Customer::new(office.pbx.address(), b"+78312123456").speaking(CUSTOMER_HZ).call(NUMBER)
}

fn figure(office: &Office, name: &str) -> u64 {
    let text = String::from_utf8(
        crate::peers::http::send(office.server.http, "GET", "/metrics", "", "").expect("figures").body,
    );
    let text = text.expect("text");
    let line = text.lines().find(|line| line.starts_with(&format!("linecard_{name} ")));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{name}: {text}"))
}

fn rings_talks_and_is_recorded(transport: &'static str) {
    let office = Office::open(Answer::Manual);
    let shown = with_phone(&office);
    let call = calls(&office);
    assert_eq!(call.wait_final(SOON), 480, "nobody is there");
    let missed = office.server.ended_interaction();
    assert_eq!((&missed["outcome"], &missed["direction"]), (&json!("no_answer"), &json!("inbound")));
    let why = office.server.get(&format!("/interactions/{}/explain", missed["id"].as_str().expect("an id")));
    assert!(why.to_string().contains("not registered"), "{why}");

    let phone = shown.entered(transport, Answer::Manual);
    let known = registrations(&office.server, &devices(&office));
    assert_eq!(known.len(), 1, "{known:?}");
    assert!(known[0]["user_agent"].as_str().is_some_and(|agent| agent.contains("baresip")), "{known:?}");
    assert_eq!(known[0]["transport"], transport);
    let call = calls(&office);
    let rung = phone.wait_ringing(SOON);
    assert!(rung.peer.contains("+78312123456"), "a telephone calls back what it shows: {rung:?}");
    phone.answer();
    call.wait_talking(SOON);
    call.rtp().wait_received(150, SOON);
    assert!(call.rtp().heard(AGENT_HZ) > 0.1, "the customer hears the agent's tone");
    call.hang_up();
    phone.wait_closed(SOON);
    let answered = eventually("the second call has ended", SOON, || {
        let items = office.server.get("/interactions")["items"].as_array()?.clone();
        items.into_iter().find(|it| it["outcome"] == "answered" && it["state"] == "ended")
    });
    assert_eq!(answered["user_id"], json!(office.agent_id));
    let wav = office.server.closed_recording(&answered);
    assert!(wav.tone_in(0, CUSTOMER_HZ) > 0.1 && wav.tone_in(1, AGENT_HZ) > 0.1, "both are recorded");
    office.server.command(&["replay"], "");
}

#[test]
fn a_phone_rings_talks_and_is_recorded_by_udp() {
    rings_talks_and_is_recorded("udp");
}

#[test]
fn a_phone_rings_talks_and_is_recorded_by_tcp() {
    rings_talks_and_is_recorded("tcp");
}

#[test]
fn a_phone_rings_at_once_after_the_server_was_killed() {
    let mut office = Office::open(Answer::Manual);
    let shown = with_phone(&office);
    let phone = shown.entered("udp", Answer::Auto);
    let before = registrations(&office.server, &devices(&office));
    office.server.program.kill();
    office.server.launch();
    let after = registrations(&office.server, &devices(&office));
    assert_eq!(after.len(), 1, "{after:?}");
    assert_eq!(after[0]["since"], before[0]["since"], "it has been there all the time");
    office.pbx.wait_registered("100", 1, SOON);
    let call = calls(&office);
    phone.wait_established(SOON);
    call.wait_talking(SOON);
    call.hang_up();
    phone.wait_closed(SOON);
    let it = office.server.ended_interaction();
    assert_eq!(it["outcome"], "answered", "{it}");
}

#[test]
fn two_phones_of_one_device_ring_together_and_one_talks() {
    let office = Office::open(Answer::Manual);
    office.rings(&json!({"ring": "in_order"}));
    let shown = with_phone(&office);
    let (desk, hall) = (shown.entered("udp", Answer::Manual), shown.entered("tcp", Answer::Manual));
    let known = registrations(&office.server, &devices(&office));
    assert_eq!(known.len(), 2, "{known:?}");
    let call = calls(&office);
    desk.wait_ringing(SOON);
    hall.wait_ringing(SOON);
    hall.answer();
    call.wait_talking(SOON);
    desk.wait_closed(SOON);
    call.hang_up();
    hall.wait_closed(SOON);
    let it = office.server.ended_interaction();
    assert_eq!((&it["outcome"], it["legs"].as_array().map(Vec::len)), (&json!("answered"), Some(3)), "{it}");
}

#[test]
fn a_phone_with_a_wrong_password_stays_out_and_another_password_ends_what_the_old_one_opened() {
    let office = Office::open(Answer::Manual);
    let shown = with_phone(&office);
    let right = shown.entered("udp", Answer::Auto);
    let account = Account { password: "a guess".to_owned(), ..shown.account() };
    let guesser = Baresip::launch(G711, shown.server(), &account, &PhoneOptions::default());
    eventually("a guess is counted", SOON, || {
        (figure(&office, "phone_requests_refused_total{fate=\"wrong\"}") > 0).then_some(())
    });
    assert_eq!(registrations(&office.server, &devices(&office)).len(), 1);
    assert_eq!(figure(&office, "phones_registered"), 1);
    let call = calls(&office);
    right.wait_established(SOON);
    assert_eq!(guesser.count("CALL_INCOMING"), 0);
    call.wait_talking(SOON);
    call.hang_up();
    right.wait_closed(SOON);

    let path = format!("{}/{}/rotate", devices(&office), shown.text("id"));
    let reply = office.server.request("POST", &path, "");
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let renewed = Shown(reply.json());
    assert_eq!(renewed.text("username"), shown.text("username"));
    assert_ne!(renewed.text("password"), shown.text("password"));
    assert!(registrations(&office.server, &devices(&office)).is_empty(), "gone with the old password");
    let _again = renewed.entered("udp", Answer::Manual);
    assert_eq!(registrations(&office.server, &devices(&office)).len(), 1);
    assert_eq!(
        office.server.request("DELETE", &format!("{}/{}", devices(&office), shown.text("id")), "").status,
        204
    );
    assert_eq!(figure(&office, "phones_registered"), 0);
}
