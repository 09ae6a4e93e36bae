//! Click-to-dial: the agent's phone rings first, the customer only once the agent is there; what the agent hears when
//! nobody is reached; one codec for both; one interaction with its recording, or with the reason why there is none.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::Office;
use super::server::{OTHER_NUMBER, SOON};
use crate::peers::http::{Reply, request};
use crate::peers::{Account, Answer, Baresip, Browser, PhoneOptions, Scenario, Sipp, eventually};

const AGENT_HZ: u32 = 700;
const CUSTOMER_HZ: u32 = 440;
/// The region's tones are all of this pitch.
const TONE_HZ: u32 = 425;

/// A number in the card of a contact.
const CARD_NUMBER: &str = "button[data-testid=card-number]";

/// Asks for a call as the agent.
fn asks_for(office: &Office, body: &Value) -> Reply {
    let token = office.server.log_in("maria");
    request(office.server.http, "POST", "/api/v1/calls", &body.to_string(), Some(&token)).expect("an answer")
}

fn dials(office: &Office, number: &str) -> Value {
    let reply = asks_for(office, &json!({"to": number}));
    assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()
}

/// A customer's phone, reached by [`OTHER_NUMBER`].
fn customer(office: &mut Office, answer: Answer) -> Baresip {
    let options = PhoneOptions { answer, tone_hz: CUSTOMER_HZ, expires_s: 60, ..PhoneOptions::default() };
    let account = Account::new("101").with_number(OTHER_NUMBER);
    let phone = Baresip::start(office.pbx.address(), &account, &options);
    office.pbx.wait_registered("101", 1, SOON);
    phone
}

fn ended_as(office: &Office, outcome: &str, status: Value, by: &str) -> Value {
    let it = office.server.ended_interaction();
    let found = (&it["direction"], &it["outcome"], &it["sip_status"], &it["hangup_by"]);
    assert_eq!(found, (&json!("outbound"), &json!(outcome), &status, &json!(by)), "{it}");
    assert_eq!((&it["callee_number"], &it["user_id"]), (&json!(OTHER_NUMBER), &json!(office.agent_id)));
    office.server.command(&["replay"], "");
    it
}

#[test]
fn the_agent_answers_then_the_customer_and_the_talk_is_recorded() {
    let mut office = Office::open(Answer::Manual);
    let contact = office.knows("Пётр Ильич", OTHER_NUMBER);
    let customer = customer(&mut office, Answer::Manual);
    let first = dials(&office, "8 (831) 200-00-01");
    assert_eq!(dials(&office, OTHER_NUMBER), first, "a second click is the same call");
    let shown = office.phone.wait_ringing(SOON);
    assert!(shown.peer_name.contains("200-00-01"), "the agent's phone shows who is called: {shown:?}");
    sleep(Duration::from_millis(800));
    assert_eq!(customer.count("CALL_INCOMING"), 0, "the customer rings only for an agent who is there");
    office.phone.answer();
    customer.wait_ringing(SOON);
    sleep(Duration::from_millis(1_500));
    customer.answer();
    customer.wait_established(SOON);
    sleep(Duration::from_millis(2_500));
    customer.hang_up();
    office.phone.wait_closed(SOON);

    let it = ended_as(&office, "answered", json!(200), "callee");
    assert_eq!(it["contact_id"], json!(contact));
    let (talk_ms, ringing_ms) = (it["talk_ms"].as_i64().expect("ms"), it["ringing_ms"].as_i64().expect("ms"));
    assert!((2_300..4_500).contains(&talk_ms) && ringing_ms > 2_000, "{it}");
    let wav = office.server.closed_recording(&it);
    wav.is_as_long_as(&it);
    assert!(wav.tone_in(0, CUSTOMER_HZ) > 0.1 && wav.tone_in(0, AGENT_HZ) < 0.02, "customer left");
    assert!(wav.tone_in(1, AGENT_HZ) > 0.1 && wav.tone_in(1, CUSTOMER_HZ) < 0.02, "agent right");
    let heard = office.phone.heard();
    assert!(
        heard[0].tone_in(0, TONE_HZ) > 0.01,
        "the agent heard that it rings: {}",
        heard[0].tone_in(0, TONE_HZ)
    );
    assert!(heard[0].tone_in(0, CUSTOMER_HZ) > 0.02, "and then the customer");
    let lines = office.server.rows("SELECT action FROM audit WHERE action = 'call_dialled'");
    assert_eq!(lines.len(), 2, "each click is audited");
}

#[test]
fn a_busy_customer_is_told_by_tone_and_word() {
    let mut office = Office::open(Answer::Auto);
    let _customer = customer(&mut office, Answer::Busy);
    dials(&office, OTHER_NUMBER);
    office.phone.wait_established(SOON);
    office.phone.wait_closed(SOON);
    let it = ended_as(&office, "busy", json!(486), "callee");
    assert_eq!((&it["talk_ms"], &it["recording_ids"]), (&json!(0), &json!([])));
    let heard = office.phone.heard();
    assert!(heard[0].tone_in(0, TONE_HZ) > 0.05, "the busy tone: {}", heard[0].tone_in(0, TONE_HZ));
    assert!(heard[0].duration_ms() > 3_000, "long enough to be heard: {} ms", heard[0].duration_ms());
}

#[test]
fn a_customer_who_declines_and_one_who_is_not_there_have_their_outcomes() {
    for (scenario, outcome, status, by) in
        [(Some(Scenario::Declines), "rejected", 603, "callee"), (None, "no_answer", 480, "system")]
    {
        let mut office = Office::open(Answer::Auto);
        let phone = scenario.map(Sipp::phone);
        if let Some(phone) = &phone {
            office.pbx.bind("101", &phone.uri());
        }
        dials(&office, OTHER_NUMBER);
        ended_as(&office, outcome, json!(status), by);
        office.phone.wait_closed(SOON);
    }
}

#[test]
fn an_agent_who_does_not_pick_up_rings_no_customer() {
    let mut office = Office::open(Answer::Manual);
    office.rings(&json!({"ring_timeout_ms": 2_000}));
    let customer = customer(&mut office, Answer::Auto);
    dials(&office, OTHER_NUMBER);
    office.phone.wait_closed(SOON);
    ended_as(&office, "canceled", Value::Null, "system");
    assert_eq!(customer.count("CALL_INCOMING"), 0);
}

#[test]
fn an_agent_who_hangs_up_while_it_rings_cancels_the_customer() {
    let mut office = Office::open(Answer::Auto);
    let customer = customer(&mut office, Answer::Manual);
    dials(&office, OTHER_NUMBER);
    customer.wait_ringing(SOON);
    office.phone.hang_up();
    customer.wait_closed(SOON);
    ended_as(&office, "canceled", json!(487), "agent");
}

#[test]
fn a_customer_of_another_codec_talks_in_that_one() {
    let mut office = Office::open(Answer::Auto);
    let customer = Sipp::phone(Scenario::SpeaksEarlyInMuLaw);
    office.pbx.bind("101", &customer.uri());
    let call = dials(&office, OTHER_NUMBER);
    let id = call["call_id"].as_str().expect("an id").to_owned();
    eventually("they talk", SOON, || {
        let calls = office.server.get("/calls");
        (calls["items"][0]["state"] == "answered").then_some(())
    });
    sleep(Duration::from_millis(2_500));
    assert_eq!(office.server.request("POST", &format!("/calls/{id}/hangup"), "").status, 202);
    office.phone.wait_closed(SOON);
    let it = ended_as(&office, "answered", json!(200), "agent");
    let wav = office.server.closed_recording(&it);
    assert!(wav.tone_in(1, AGENT_HZ) > 0.1, "the agent speaks: {}", wav.tone_in(1, AGENT_HZ));
    assert!(wav.tone_in(0, AGENT_HZ) > 0.05, "and is returned by the customer's phone in the same codec");
    let messages = customer.messages();
    assert!(!messages.contains("P-Asserted-Identity"), "the line shows no other number");
    assert!(!customer.errors().contains("nexpected"), "{}", customer.errors());
}

#[test]
fn what_the_network_plays_before_the_answer_is_heard() {
    let mut office = Office::open(Answer::Auto);
    let customer = Sipp::phone(Scenario::SpeaksEarlyInALaw);
    office.pbx.bind("101", &customer.uri());
    dials(&office, OTHER_NUMBER);
    office.phone.wait_established(SOON);
    sleep(Duration::from_millis(2_000));
    office.phone.hang_up();
    ended_as(&office, "canceled", json!(487), "agent");
    office.phone.wait_closed(SOON);
    let heard = office.phone.heard();
    assert!(
        heard[0].tone_in(0, AGENT_HZ) > 0.05,
        "what the customer's side returned: {}",
        heard[0].tone_in(0, AGENT_HZ)
    );
}

#[test]
fn the_agents_phone_is_asked_to_pick_up_by_itself_and_the_line_shows_its_number() {
    let mut office = Office::open(Answer::Auto);
    let phone = Sipp::phone(Scenario::Answers);
    let path = format!("/users/{}/devices", office.agent_id);
    for device in office.server.get(&path)["items"].as_array().expect("devices") {
        let id = device["id"].as_str().expect("an id");
        assert_eq!(office.server.request("DELETE", &format!("{path}/{id}"), "").status, 204);
    }
    office.adds_device(&phone.uri());
    office.server.change(
        &format!("/lines/{}", office.line_id),
        &json!({"caller_id": "8 831 200-00-00", "dial_format": "plus"}),
    );
    let customer = Sipp::phone(Scenario::Answers);
    office.pbx.bind("101", &customer.uri());
    office.pbx.wait_registered("100", 1, SOON);
    let call = dials(&office, OTHER_NUMBER);
    eventually("they talk", SOON, || {
        (office.server.get("/calls")["items"][0]["state"] == "answered").then_some(())
    });
    let id = call["call_id"].as_str().expect("an id");
    office.server.request("POST", &format!("/calls/{id}/hangup"), "");
    office.server.ended_interaction();
    let agents = phone.messages();
    for header in ["answer-after=0", "info=alert-autoanswer", "Answer-Mode: Auto"] {
        assert!(agents.contains(header), "{header} in {agents}");
    }
    let customers = customer.messages();
    assert!(customers.contains("P-Asserted-Identity: <sip:+78312000000@"), "{customers}");
    assert!(!customers.contains("answer-after"), "the customer's phone rings");
}

#[test]
fn what_may_not_be_dialled_is_refused_in_words() {
    let office = Office::open(Answer::Manual);
    let refused = |body: Value, status: u16, field: Value, words: &str| {
        let reply = asks_for(&office, &body);
        let problem = reply.json();
        assert_eq!((reply.status, &problem["field"]), (status, &field), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{problem}");
    };
    refused(json!({"to": "Ирина"}), 422, json!("to"), "write digits");
    refused(json!({"to": "+375 29 123-45-67"}), 403, json!("to"), "abroad");
    refused(json!({"to": "8 809 505-12-34"}), 403, json!("to"), "premium");
    let nobody = "01900000-0000-7000-8000-000000000000";
    refused(json!({"to": "112", "line_id": nobody}), 422, json!("line_id"), "no such line");
    refused(json!({"to": "112", "contact_id": nobody}), 422, json!("contact_id"), "no such contact");
    let barred = office.server.rows("SELECT subject FROM audit WHERE action = 'call_barred' ORDER BY at, id");
    assert_eq!(barred, ["+375291234567", "+78095051234"], "who tried is known, and what");
    assert_eq!(office.server.get("/interactions")["items"], json!([]), "nothing was dialled");
    assert_eq!(office.phone.count("CALL_INCOMING"), 0);
}

/// A click in the contact's card, in a real browser: what the agent sees at each step, and the call in the card at its end.
#[test]
fn a_click_on_a_number_of_a_card_calls_it() {
    let mut office = Office::open(Answer::Manual);
    let contact = office.knows("Пётр Ильич", OTHER_NUMBER);
    let customer = customer(&mut office, Answer::Manual);
    let browser = Browser::start();
    let desk = office.desk(&browser, "desk");
    desk.click("[data-testid=nav-contacts]");
    desk.click(&format!("[data-id=\"{contact}\"] a"));
    desk.wait_for(CARD_NUMBER, SOON);
    // A double click dials once.
    desk.evaluate(&format!(
        "(() => {{ const it = document.querySelector('{CARD_NUMBER}'); it.click(); it.click(); }})()"
    ));
    desk.wait_text("Снимите трубку", SOON);
    office.phone.wait_ringing(SOON);
    assert_eq!(customer.count("CALL_INCOMING"), 0);
    office.phone.answer();
    customer.wait_ringing(SOON);
    desk.wait_text("Идут гудки", SOON);
    customer.answer();
    desk.wait_for("[data-testid=panel-state][data-state=talking]", SOON);
    desk.wait_for("[data-testid=rec-mark]", SOON);
    assert_eq!(desk.text("[data-testid=pop-name]"), "Пётр Ильич");
    sleep(Duration::from_millis(1_500));
    desk.click("[data-testid=hangup-button]");
    customer.wait_closed(SOON);
    desk.wait_for("[data-testid=panel-state][data-state=ended]", SOON);
    let it = ended_as(&office, "answered", json!(200), "agent");
    assert_eq!(it["contact_id"], json!(contact));
    assert_eq!(it["recording_ids"].as_array().map(Vec::len), Some(1), "{it}");
    let problems = desk.problems();
    assert!(problems.iter().all(|text| text.contains("401")), "{problems:?}");
}
