//! Agents' phones register at Linecard itself, where a PBX takes one contact an account: they ring for customers who call
//! through the PBX, talk and are recorded; they ring at once after a restart; a guesser is kept out and they are not.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use xtask::phone::G711;

use super::Office;
use super::server::{Linecard, NUMBER, OTHER_NUMBER, SOON};
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

/// A customer's phone, reached by [`OTHER_NUMBER`].
fn customer(office: &mut Office, answer: Answer) -> Baresip {
    let options = PhoneOptions { answer, tone_hz: CUSTOMER_HZ, expires_s: 60, ..PhoneOptions::default() };
    let account = Account::new("101").with_number(OTHER_NUMBER);
    let phone = Baresip::start(office.pbx.address(), &account, &options);
    office.pbx.wait_registered("101", 1, SOON);
    phone
}

/// Waits for the end of the call that was dialled, and checks how it went.
fn dialled_as(office: &Office, outcome: &str, status: Value) -> Value {
    let it = office.server.ended_interaction();
    let found = (&it["direction"], &it["outcome"], &it["sip_status"], &it["callee_number"]);
    assert_eq!(found, (&json!("outbound"), &json!(outcome), &status, &json!(OTHER_NUMBER)), "{it}");
    assert_eq!(it["user_id"], json!(office.agent_id));
    office.server.command(&["replay"], "");
    it
}

fn audited(office: &Office, action: &str) -> usize {
    let rows = office.server.get(&format!("/audit?action={action}"));
    rows["items"].as_array().expect("rows").len()
}

#[test]
fn a_number_dialled_on_the_phone_goes_out_by_the_users_line_and_is_recorded() {
    let mut office = Office::open(Answer::Manual);
    let contact = office.knows("Пётр Ильич", OTHER_NUMBER);
    let shown = with_phone(&office);
    let phone = shown.entered("udp", Answer::Manual);
    let customer = customer(&mut office, Answer::Manual);
    phone.dial(&format!("sip:88312000001@{}", shown.server()));
    customer.wait_ringing(SOON);
    phone.wait_nth("CALL_RINGING", 1, SOON);
    assert_eq!(phone.count("CALL_ESTABLISHED"), 0, "nobody has answered yet");
    customer.answer();
    phone.wait_established(SOON);
    sleep(Duration::from_millis(2_500));
    customer.hang_up();
    phone.wait_closed(SOON);
    let it = dialled_as(&office, "answered", json!(200));
    assert_eq!((&it["contact_id"], &it["hangup_by"]), (&json!(contact), &json!("callee")));
    let wav = office.server.closed_recording(&it);
    assert!(wav.tone_in(0, CUSTOMER_HZ) > 0.1 && wav.tone_in(1, AGENT_HZ) > 0.1, "both are recorded");
    assert_eq!(audited(&office, "call_dialled"), 1);
}

#[test]
fn a_phone_that_dials_a_busy_customer_hears_486_and_one_that_gives_up_lets_the_customer_be() {
    let mut office = Office::open(Answer::Manual);
    let shown = with_phone(&office);
    let phone = shown.entered("tcp", Answer::Manual);
    let busy = customer(&mut office, Answer::Busy);
    phone.dial(&format!("sip:{OTHER_NUMBER}@{}", shown.server()));
    phone.wait_closed(SOON);
    dialled_as(&office, "busy", json!(486));
    drop(busy);

    let mut office = Office::open(Answer::Manual);
    let shown = with_phone(&office);
    let phone = shown.entered("udp", Answer::Manual);
    let rung = customer(&mut office, Answer::Manual);
    phone.dial(&format!("sip:{OTHER_NUMBER}@{}", shown.server()));
    rung.wait_ringing(SOON);
    phone.hang_up();
    rung.wait_closed(SOON);
    let it = dialled_as(&office, "canceled", json!(487));
    assert_eq!(it["hangup_by"], "agent");
}

#[test]
fn a_barred_number_is_refused_on_the_phone_and_audited_and_too_many_are_counted() {
    let office = Office::open_with(Answer::Manual, "[dialplan]\ncalls_per_minute = 1\n");
    let shown = with_phone(&office);
    let phone = shown.entered("udp", Answer::Manual);
    phone.dial(&format!("sip:81049301234567@{}", shown.server()));
    phone.wait_closed(SOON);
    assert_eq!(audited(&office, "call_barred"), 1);
    for nth in [2, 3] {
        phone.dial(&format!("sip:{OTHER_NUMBER}@{}", shown.server()));
        phone.wait_nth("CALL_CLOSED", nth, SOON);
    }
    assert_eq!(audited(&office, "call_barred"), 2, "the second one within the minute");
    let listed = office.server.get("/interactions")["items"].as_array().expect("items").clone();
    assert_eq!(listed.len(), 1, "what was refused is no call: {listed:?}");
}

#[test]
fn a_call_for_help_goes_out_where_another_call_would_have_to_choose_a_line() {
    let mut office = Office::open(Answer::Manual);
    let shown = with_phone(&office);
    office.server.change(&format!("/lines/{}", office.line_id), &json!({"user_id": null}));
    let other = json!({
        "name": "Second", "server": office.pbx.address().to_string(), "username": "102", "password": "secret-102",
    });
    office.server.create("/lines", &other);
    office.pbx.wait_registered("102", 1, SOON);
    let phone = shown.entered("udp", Answer::Manual);
    phone.dial(&format!("sip:{OTHER_NUMBER}@{}", shown.server()));
    phone.wait_nth("CALL_CLOSED", 1, SOON);
    phone.dial(&format!("sip:112@{}", shown.server()));
    phone.wait_nth("CALL_CLOSED", 2, SOON);
    let it = office.server.ended_interaction();
    // The PBX of this test knows nobody there, and says so itself.
    let found = (&it["direction"], &it["callee_number"], &it["sip_status"]);
    assert_eq!(found, (&json!("outbound"), &json!("112"), &json!(404)), "{it}");
    let listed = office.server.get("/interactions")["items"].as_array().expect("items").clone();
    assert_eq!(listed.len(), 1, "the other one could not go out: {listed:?}");
    assert_eq!(audited(&office, "call_dialled"), 1);
}
