//! Two real phones talk through a network that is good at first and then is not: what is stored of each leg is what the
//! network did, both ways, in REST, in the explanation and in the figures; the talk that goes on says that it is bad.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::Office;
use super::server::{OTHER_NUMBER, SOON};
use crate::peers::bad_network::{BadNetwork, Treatment, Way};
use crate::peers::http::request;
use crate::peers::{Account, Answer, Baresip, PhoneOptions, eventually};

/// As long as two reports of a phone and two windows take.
const TALK: Duration = Duration::from_secs(26);

fn office(network: &BadNetwork) -> (Office, Baresip) {
    let mut office = Office::open_with(Answer::Auto, &network.configuration());
    let options =
        PhoneOptions { answer: Answer::Auto, tone_hz: 440, expires_s: 60, ..PhoneOptions::default() };
    let account = Account::new("101").with_number(OTHER_NUMBER);
    let customer = Baresip::start(office.pbx.address(), &account, &options);
    office.pbx.wait_registered("101", 1, SOON);
    (office, customer)
}

fn begin(office: &Office) {
    let token = office.server.log_in("maria");
    let wish = json!({"to": OTHER_NUMBER}).to_string();
    let reply = request(office.server.http, "POST", "/api/v1/calls", &wish, Some(&token)).expect("an answer");
    assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
    eventually("they talk", SOON, || {
        (office.server.get("/calls")["items"][0]["state"] == "answered").then_some(())
    });
}

/// Waits until both legs have been measured to their ends, and returns them, the customer's first.
fn measured(office: &Office) -> Vec<Value> {
    eventually("both legs say how they were heard", SOON, || {
        let interaction = office.server.ended_interaction();
        let legs = interaction["legs"].as_array()?.clone();
        // What was measured when something turned is not all of it.
        let whole = |leg: &Value| leg["quality"]["received"]["packets"].as_u64().is_some_and(|it| it > 1_000);
        (legs.len() == 2 && legs.iter().all(whole)).then_some(legs)
    })
}

fn figure(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a figure: {value}"))
}

#[test]
fn a_clean_talk_is_good_on_every_way() {
    let network = BadNetwork::begin();
    let (office, customer) = office(&network);
    begin(&office);
    sleep(TALK);
    customer.hang_up();
    for leg in measured(&office) {
        let quality = &leg["quality"];
        for way in ["received", "sent"] {
            let path = &quality[way];
            assert_eq!(path["grade"], "good", "{way}: {quality}");
            assert!(figure(&path["mos"]) > 4.3, "{way}: {quality}");
            assert!(figure(&path["loss_percent"]) < 1.0, "{way}: {quality}");
        }
        assert!(figure(&quality["round_trip_ms"]) < 100.0, "{quality}");
    }
}

#[test]
fn a_lossy_talk_is_stored_as_the_network_was_and_told_while_it_goes_on() {
    let network = BadNetwork::begin();
    let (office, customer) = office(&network);
    // Packets that are late by chance within 18 ms differ from their neighbours by 6 ms on average.
    let to = Treatment { lost_percent: 8, delay_ms: 30, uneven_ms: 18 };
    let from = Treatment { lost_percent: 18, delay_ms: 30, uneven_ms: 0 };
    network.treat(Way::ToServer, to);
    network.treat(Way::FromServer, from);
    begin(&office);
    eventually("a party is said to hear badly", TALK, || {
        let call = office.server.get("/calls")["items"][0].clone();
        let legs = call["legs"].as_array()?;
        legs.iter().any(|leg| !leg["bad_sent"].is_null()).then_some(())
    });
    sleep(TALK);
    customer.hang_up();
    for leg in measured(&office) {
        let quality = &leg["quality"];
        let (received, sent) = (&quality["received"], &quality["sent"]);
        let loss = [received, sent].map(|path| figure(&path["loss_percent"]));
        assert!((loss[0] - 8.0).abs() <= 1.0, "what came: {quality}");
        assert!((loss[1] - 18.0).abs() <= 1.0, "what left: {quality}");
        let jitter_ms = figure(&received["jitter_ms"]);
        assert!((4.0..20.0).contains(&jitter_ms), "jitter of 6 ms and what a busy machine adds: {quality}");
        let round_trip_ms = figure(&quality["round_trip_ms"]);
        assert!((60.0..120.0).contains(&round_trip_ms), "30 ms each way: {quality}");
        assert_eq!((&received["grade"], &sent["grade"]), (&json!("fair"), &json!("poor")), "{quality}");
        assert!(figure(&received["worst"]["mos"]) <= figure(&received["mos"]) + 0.05, "{quality}");
    }
    let id = office.server.ended_interaction()["id"].as_str().expect("an id").to_owned();
    let told = office.server.explain(&id);
    assert!(told.contains("This party came through fairly") && told.contains("poorly"), "{told}");
    let page = request(office.server.http, "GET", "/metrics", "", None).expect("an answer");
    let page = String::from_utf8_lossy(&page.body).into_owned();
    let line = &office.line_id;
    for way in ["received", "sent"] {
        for name in ["leg_mos", "leg_jitter_ms", "leg_loss_percent"] {
            let count = format!("linecard_{name}_count{{line=\"{line}\",direction=\"{way}\"}} 2");
            assert!(page.lines().any(|it| it == count), "{count}\n{page}");
        }
    }
    office.server.command(&["replay"], "");
}
