//! A customer is put on hold, taken back and handed over: in the interface and by the agent's own phone; one interaction
//! with one recording, whoever talks.

use std::time::Duration;

use serde_json::{Value, json};

use super::Office;
use super::server::{CUSTOMERS, NUMBER, SOON};
use crate::peers::customer::CustomerCall;
use crate::peers::http::request;
use crate::peers::sip_text::Message;
use crate::peers::{Answer, Baresip, Browser, Customer, Wav, eventually};

const CALLER: &str = "+78312123456";

/// The agent talks (700 Hz) with a customer (440 Hz).
fn talking(office: &Office) -> (CustomerCall, String) {
    let call = Customer::new(office.pbx.address(), CALLER).speaking(440).call(NUMBER);
    office.phone.wait_established(SOON);
    call.wait_talking(SOON);
    call.rtp().wait_received(50, SOON);
    let id = live(office)["call_id"].as_str().expect("an id").to_owned();
    (call, id)
}

fn live(office: &Office) -> Value {
    let live = office.server.get("/calls");
    assert_eq!(live["items"].as_array().map(Vec::len), Some(1), "one call: {live}");
    live["items"][0].clone()
}

fn wait_live(office: &Office, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    eventually(what, SOON, || Some(live(office)).filter(&is))
}

fn post(office: &Office, path: &str, body: &Value) -> Value {
    let reply = office.server.request("POST", path, &body.to_string());
    assert_eq!(reply.status, 202, "{path}: {}", reply.text());
    reply.json()
}

/// How the last session description of the server's own re-INVITEs to the customer's side is directed.
fn told(call: &CustomerCall) -> Vec<&'static str> {
    let reinvites = call.requests().into_iter().map(|(_, message)| message);
    reinvites
        .filter(|message: &Message| message.method() == "INVITE")
        .map(|message| direction(&message))
        .collect()
}

fn direction(message: &Message) -> &'static str {
    ["sendonly", "recvonly", "inactive"]
        .into_iter()
        .find(|word| message.body.contains(&format!("a={word}")))
        .unwrap_or("sendrecv")
}

/// A side of the recording near its end, as the level of a tone.
fn at_the_end(wav: &Wav, side: usize, hz: u32) -> f64 {
    let length = wav.duration_ms();
    wav.tone_between(side, hz, length - 1_200, length - 200)
}

fn second_agent(office: &mut Office, answer: Answer) -> (String, Baresip) {
    let (user, phone) = office.hires("irina", "202", "101", answer);
    office.server.change(&format!("/users/{user}"), &json!({"name": "Ирина", "extension": "202"}));
    (user, phone)
}

#[test]
fn a_customer_on_hold_is_told_so_and_hears_the_agent_again_afterwards() {
    let office = Office::open(Answer::Auto);
    let (call, id) = talking(&office);
    let held = post(&office, &format!("/calls/{id}/hold"), &json!({}));
    assert_eq!((&held["state"], &held["held_by"]), (&json!("held"), &json!("agent")), "{held}");
    eventually("the customer's side is told", SOON, || (told(&call) == ["sendonly"]).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    let before = call.rtp().received_count();
    std::thread::sleep(Duration::from_millis(1_500));
    let on_hold = &call.rtp().received()[before..];
    assert!(on_hold.len() > 40, "a sign that the customer is not forgotten: {} packets", on_hold.len());
    assert_eq!(
        office.server.request("POST", &format!("/calls/{id}/hold"), "{}").status,
        202,
        "twice is once"
    );

    let back = post(&office, &format!("/calls/{id}/retrieve"), &json!({}));
    assert_eq!((&back["state"], &back["held_by"]), (&json!("answered"), &Value::Null), "{back}");
    eventually("the customer's side is told", SOON, || {
        (told(&call) == ["sendonly", "sendrecv"]).then_some(())
    });
    call.rtp().wait_received(call.rtp().received_count() + 75, SOON);
    assert!(call.rtp().heard(700) > 0.05, "the agent again");
    call.hang_up();

    let interaction = office.server.ended_interaction();
    let hold_ms = interaction["hold_ms"].as_i64().expect("ms");
    assert!((1_700..4_000).contains(&hold_ms), "{interaction}");
    office.server.closed_recording(&interaction);
    let recording = &office.server.get("/recordings")["items"][0];
    let spans = recording["spans"].as_array().expect("spans");
    assert!(spans.iter().any(|span| span["kind"] == "hold"), "{recording}");
    office.server.command(&["replay"], "");
}

#[test]
fn a_colleague_takes_the_customer_over_at_once_and_it_stays_one_recording() {
    let mut office = Office::open(Answer::Auto);
    let (colleague, second) = second_agent(&mut office, Answer::Auto);
    let (call, id) = talking(&office);
    std::thread::sleep(Duration::from_millis(800));
    let asked =
        post(&office, &format!("/calls/{id}/transfer"), &json!({"user_id": colleague, "kind": "blind"}));
    assert_eq!(asked["transfer"]["user_id"], colleague, "{asked}");
    second.wait_established(SOON);
    office.phone.wait_closed(SOON);
    let now = wait_live(&office, "the colleague talks", |live| live["user_id"] == colleague.as_str());
    assert_eq!((&now["state"], &now["transfer"]), (&json!("answered"), &Value::Null), "{now}");
    let from = call.rtp().received_count();
    call.rtp().wait_received(from + 100, SOON);
    assert_eq!(second.count("CALL_ESTABLISHED"), 1);
    call.hang_up();
    second.wait_closed(SOON);

    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    assert_eq!(interaction["user_id"], office.agent_id.as_str(), "who took it first: {interaction}");
    assert_eq!(interaction["legs"].as_array().map(Vec::len), Some(3), "{interaction}");
    assert_eq!(interaction["recording_ids"].as_array().map(Vec::len), Some(1), "{interaction}");
    let wav = office.server.closed_recording(&interaction);
    assert!(wav.tone_between(1, 700, 200, 1_200) > 0.1, "the first agent at the beginning");
    assert!(at_the_end(&wav, 1, 900) > 0.1, "the second at the end");
    assert!(at_the_end(&wav, 1, 700) < 0.02, "and the first no more");
    assert!(at_the_end(&wav, 0, 440) > 0.1, "the customer throughout");
    let text = office.server.explain(interaction["id"].as_str().expect("an id"));
    assert!(text.contains("The customer is to be connected to Ирина at once."), "{text}");
    let hers = office.server.log_in("irina");
    for list in ["/interactions", "/recordings"] {
        let found = request(office.server.http, "GET", &format!("/api/v1{list}"), "", Some(&hers));
        let found = found.expect("an answer").json();
        assert_eq!(found["total"], 1, "the colleague finds the call too: {list} {found}");
    }
    office.server.command(&["replay"], "");
}

#[test]
fn a_colleague_is_asked_first_and_hears_only_the_agent_until_they_are_connected() {
    let mut office = Office::open(Answer::Auto);
    let (_, second) = second_agent(&mut office, Answer::Auto);
    let (call, id) = talking(&office);
    let path = format!("/calls/{id}/transfer");
    // An internal number of a colleague is that colleague, not a call to the PBX.
    post(&office, &path, &json!({"to": "202", "kind": "attended"}));
    second.wait_established(SOON);
    wait_live(&office, "the agent asks", |live| live["transfer"]["stage"] == "talking");
    assert_eq!(live(&office)["held_by"], "agent");
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(call.rtp().heard(900) < 0.02, "the customer hears nothing of it");
    post(&office, &path, &json!({"kind": "attended"}));
    office.phone.wait_closed(SOON);
    wait_live(&office, "the colleague talks", |live| {
        live["transfer"].is_null() && live["state"] == "answered"
    });
    let from = call.rtp().received_count();
    call.rtp().wait_received(from + 100, SOON);
    assert!(call.rtp().heard(900) > 0.05, "the customer hears the colleague");
    eventually("the customer's side is told", SOON, || {
        (told(&call) == ["sendonly", "sendrecv"]).then_some(())
    });
    second.hang_up();
    call.wait_hung_up(SOON);
    let interaction = office.server.ended_interaction();
    assert!(interaction["hold_ms"].as_i64().expect("ms") > 1_000, "{interaction}");
    let wav = office.server.closed_recording(&interaction);
    assert!(at_the_end(&wav, 1, 900) > 0.1, "the colleague is recorded");
    office.server.command(&["replay"], "");
}

#[test]
fn nobody_comes_and_the_agent_has_the_customer_back() {
    let office = Office::open(Answer::Auto);
    let (call, id) = talking(&office);
    let path = format!("/calls/{id}/transfer");
    // Nobody is registered there: the PBX says so at once.
    post(&office, &path, &json!({"to": "203", "kind": "blind"}));
    let back = wait_live(&office, "the customer is back", |live| live["transfer"].is_null());
    assert_eq!((&back["state"], &back["user_id"]), (&json!("answered"), &json!(office.agent_id)), "{back}");
    let from = call.rtp().received_count();
    call.rtp().wait_received(from + 100, SOON);
    assert!(call.rtp().heard(700) > 0.1, "they talk again");
    for (body, status, key) in [
        (json!({"kind": "attended"}), 409, "no_transfer"),
        (json!({"user_id": office.agent_id, "kind": "blind"}), 409, "same_user"),
        (json!({"to": "+1 212 555 01 00", "kind": "blind"}), 403, "barred"),
        (json!({"kind": "blind"}), 422, ""),
        (json!({"to": "105", "user_id": office.agent_id, "kind": "blind"}), 422, ""),
    ] {
        let reply = office.server.request("POST", &path, &body.to_string());
        let said = reply.json();
        assert_eq!((reply.status, said["key"].as_str().unwrap_or_default()), (status, key), "{body}: {said}");
    }
    call.hang_up();
    assert_eq!(office.server.ended_interaction()["outcome"], "answered");
}

#[test]
fn the_agents_own_phone_hands_the_customer_over_by_refer() {
    let mut office = Office::open(Answer::Auto);
    let (colleague, second) = second_agent(&mut office, Answer::Auto);
    let (call, _) = talking(&office);
    office.phone.transfer("202");
    second.wait_established(SOON);
    wait_live(&office, "the colleague talks", |live| live["user_id"] == colleague.as_str());
    office.phone.wait_closed(SOON);
    let from = call.rtp().received_count();
    call.rtp().wait_received(from + 100, SOON);
    assert_eq!(office.server.get("/interactions")["total"], 1, "one interaction");
    call.hang_up();
    let interaction = office.server.ended_interaction();
    let text = office.server.explain(interaction["id"].as_str().expect("an id"));
    assert!(text.contains("The customer is to be connected to Ирина at once."), "{text}");
}

#[test]
fn digits_reach_the_customers_side_between_the_sound() {
    let office = Office::open(Answer::Auto);
    let (call, id) = talking(&office);
    let before = call.rtp().received_count();
    post(&office, &format!("/calls/{id}/dtmf"), &json!({"digits": "7#"}));
    call.rtp().wait_received(before + 75, SOON);
    let packets = call.rtp().received();
    let events: Vec<_> = packets.iter().filter(|packet| packet.payload_type == 101).collect();
    let codes: Vec<u8> = events.iter().map(|packet| packet.payload[0]).collect();
    assert_eq!(codes, [[7_u8; 11], [11; 11]].concat());
    let numbers: Vec<u16> = packets.iter().map(|packet| packet.sequence).collect();
    let gaps = numbers.windows(2).filter(|two| two[1] != two[0].wrapping_add(1)).count();
    assert_eq!(gaps, 0, "one stream without a gap");
    let refused = office.server.request("POST", &format!("/calls/{id}/dtmf"), r#"{"digits": "1x"}"#);
    assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("digits")));
    call.hang_up();
    let interaction = office.server.ended_interaction();
    let text = office.server.explain(interaction["id"].as_str().expect("an id"));
    assert!(text.contains("2 digit(s) were sent to the customer."), "{text}");
    assert!(!text.contains("7#"), "which ones is nobody's business: {text}");
}

/// The tag of an address header.
fn tag(value: &str) -> &str {
    value.split("tag=").nth(1).and_then(|rest| rest.split(';').next()).expect("a tag")
}

#[test]
fn another_phone_takes_the_customers_place_in_the_same_call_and_recording() {
    let office = Office::open(Answer::Auto);
    let (call, _) = talking(&office);
    let answers = call.answers();
    let (_, answer) = answers.iter().find(|(_, answer)| answer.status() == Some(200)).expect("a 200");
    let (ours, theirs) = (tag(answer.header("To")), tag(answer.header("From")));
    let replaces = |to: &str| format!("Replaces: {};to-tag={to};from-tag={theirs}", call.call_id());
    let other = |to: &str| {
        Customer::new(office.pbx.address(), "+78319998877").with_header(replaces(to)).speaking(1_000)
    };
    assert_eq!(other("unknown").call(NUMBER).wait_final(SOON), 481);
    assert_eq!(office.server.get("/interactions")["total"], 1, "no call of its own");

    let second = other(ours).call(NUMBER);
    second.wait_talking(SOON);
    call.wait_hung_up(SOON);
    let from = second.rtp().received_count();
    second.rtp().wait_received(from + 100, SOON);
    assert!(second.rtp().heard(700) > 0.1, "it hears the agent");
    let now = live(&office);
    assert_eq!((&now["state"], &now["number"]), (&json!("answered"), &json!(CALLER)), "{now}");
    second.hang_up();
    office.phone.wait_closed(SOON);
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["caller_number"], CALLER, "the first caller stays: {interaction}");
    let wav = office.server.closed_recording(&interaction);
    assert!(wav.tone_between(0, 440, 300, 900) > 0.1, "first the one");
    assert!(at_the_end(&wav, 0, 1_000) > 0.1, "then the other, in one file");
    let text = office.server.explain(interaction["id"].as_str().expect("an id"));
    assert!(text.contains("Another phone took this party's place."), "{text}");
    office.server.command(&["replay"], "");
}

#[test]
fn on_the_desk_a_customer_is_held_and_handed_to_a_colleague_who_reads_what_was_noted() {
    let mut office = Office::open(Answer::Manual);
    let (_, second) = second_agent(&mut office, Answer::Manual);
    let browser = Browser::start();
    let (desk, call) = office.talks_to_maria(&browser);
    let hers = Office::desk_of(&browser, "hers", "irina", office.server.http);
    desk.wait_for("[data-testid=panel-state][data-state=talking]", SOON);
    desk.click("[data-testid=hold-button]");
    desk.wait_for("[data-testid=panel-state][data-state=held]", SOON);
    desk.wait_text("Клиент на удержании", SOON);
    desk.click("[data-testid=hold-button]");
    desk.wait_for("[data-testid=panel-state][data-state=talking]", SOON);

    desk.fill("[data-testid=call-panel] [data-testid=note-input]", "Просит счёт за ноябрь");
    desk.click("[data-testid=transfer-button]");
    desk.fill("[data-testid=transfer-field]", "ири");
    desk.wait_for("[data-testid=transfer-option]", SOON);
    desk.click("[data-testid=transfer-option]");
    desk.click("[data-testid=transfer-now]");
    hers.wait_for("[data-testid=pop][data-pop-state=ringing]", SOON);
    hers.wait_for("[data-testid=transferred-by]", SOON);
    assert!(hers.text("[data-testid=transferred-by]").contains("Мария"));
    hers.wait_text("Просит счёт за ноябрь", SOON);
    second.wait_ringing(SOON);
    second.answer();
    hers.wait_for("[data-testid=pop][data-pop-state=mine]", SOON);
    desk.wait_for("[data-testid=pop][data-pop-state=ended]", SOON);
    let from = call.rtp().received_count();
    call.rtp().wait_received(from + 100, SOON);
    assert!(call.rtp().heard(900) > 0.05, "the customer hears the colleague");
    call.hang_up();
    hers.wait_for("[data-testid=pop][data-pop-state=ended]", SOON);
    for tab in [&desk, &hers] {
        // Asked whether somebody is logged in, before anybody was.
        let problems = tab.problems().into_iter().filter(|problem| !problem.contains("401"));
        assert_eq!(problems.collect::<Vec<_>>(), Vec::<String>::new());
    }
}

#[test]
fn customers_are_handed_to_numbers_outside_as_often_as_calls_are_allowed_and_each_is_audited() {
    let office = Office::open_with(Answer::Auto, "[dialplan]\ncalls_per_minute = 1\n");
    let (call, id) = talking(&office);
    let path = format!("/calls/{id}/transfer");
    let to = json!({"to": CUSTOMERS[0], "kind": "attended"}).to_string();
    assert_eq!(office.server.request("POST", &path, &to).status, 202);
    // Nobody serves that number, so the customer is back at once.
    wait_live(&office, "the customer is back", |live| live["transfer"].is_null());
    let refused = office.server.request("POST", &path, &to);
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.header("Retry-After").is_some());
    assert_eq!(
        office.server.request("POST", &path, r#"{"to": "203", "kind": "attended"}"#).status,
        202,
        "inside"
    );
    let audit = office.server.get("/audit?action=call_dialled");
    assert_eq!(audit["total"], 1, "{audit}");
    assert_eq!(office.server.get("/audit?action=call_barred")["items"][0]["subject"], CUSTOMERS[0]);
    call.hang_up();
}
