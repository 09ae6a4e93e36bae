//! Story: an agent cannot see another's recordings by any route or frame; a supervisor can; the audit shows it.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::Office;
use super::server::{NUMBER, PASSWORD, SOON};
use crate::peers::http::{Reply, send};
use crate::peers::{Answer, Browser, Customer, Tab, eventually, root};

/// Who talks to Maria, and whom she misses.
const CALLER: &str = "+78312123456";
const MISSED: &str = "+79219876543";

/// Somebody who asks the server for things.
struct Person {
    http: SocketAddr,
    bearer: String,
}

impl Person {
    fn log_in(office: &Office, login: &str) -> Self {
        let bearer = format!("Authorization: Bearer {}\r\n", office.server.log_in(login));
        Self { http: office.server.http, bearer }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        let headers = if method == "PATCH" || method == "DELETE" {
            format!("{}If-Match: \"1\"\r\n", self.bearer)
        } else {
            self.bearer.clone()
        };
        send(self.http, method, &format!("/api/v1{path}"), body, &headers).expect("an answer")
    }

    fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "")
    }
}

/// What is Maria's: ids of every kind, and the numbers of her callers.
struct Secrets {
    ids: Vec<String>,
    recording: String,
    interaction: String,
}

impl Secrets {
    fn told_in(&self, text: &str) -> Vec<&str> {
        let numbers = [CALLER, MISSED].map(|number| number.trim_start_matches('+'));
        self.ids.iter().map(String::as_str).chain(numbers).filter(|secret| text.contains(secret)).collect()
    }
}

fn adds(office: &Office, login: &str, role: &str) {
    let user = json!({"login": login, "name": login, "role": role, "password": PASSWORD});
    office.server.create("/users", &user);
}

/// The frames that a desk was sent, as texts.
fn heard(desk: &Tab<'_>) -> Vec<String> {
    desk.frames().into_iter().map(|(_, frame)| frame.to_string()).collect()
}

/// Every route below `/api/v1` with an id in it and its methods, as the router's text has them.
fn routes_with_an_id() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("crates/web/src/router.rs")).expect("the router");
    let mut routes = Vec::new();
    for statement in text.split(".route(").skip(1) {
        let statement = statement.split("\n        .").next().unwrap_or_default();
        let path = statement.split('"').nth(1).expect("a path in quotes");
        for method in ["get", "post", "patch", "delete"] {
            let named = [" ", "."].iter().any(|mark| statement.contains(&format!("{mark}{method}(")));
            if named && path.contains("{id}") {
                routes.push((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    routes
}

/// A talk of Maria's that is recorded, while Olga tries to end it, and a caller whom she misses.
fn maria_works(office: &Office, marias: &Tab<'_>, olga: &Person) -> Secrets {
    let call = Customer::new(office.pbx.address(), CALLER).speaking(440).call(NUMBER);
    office.phone.wait_ringing(SOON);
    office.phone.answer();
    call.wait_talking(SOON);
    call.rtp().wait_received(50, SOON);
    let live = office.server.get("/calls")["items"][0].clone();
    let call_id = live["call_id"].as_str().expect("an id").to_owned();
    assert_eq!(olga.ask("POST", &format!("/calls/{call_id}/hangup"), "").status, 404);
    assert_eq!(olga.get("/calls").json()["total"], 0, "nor does she see that it runs");
    assert_eq!(office.server.get("/calls")["items"][0]["state"], live["state"], "the talk goes on");
    call.hang_up();
    let interaction = office.server.ended_interaction();

    let missed = Customer::new(office.pbx.address(), MISSED).call(NUMBER);
    missed.wait_ringing(SOON);
    missed.give_up();
    let item = eventually("the missed caller is an item", SOON, || {
        office.server.get("/missed")["items"].as_array()?.first().cloned()
    });
    let pops = marias.frames().into_iter().filter(|(_, frame)| frame["type"] == "pop.shown");
    let pop = pops.map(|(_, frame)| frame["data"]["pop_id"].clone()).next().expect("a pop was shown");
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    let (interaction_id, recording) = (text(&interaction["id"]), text(&interaction["recording_ids"][0]));
    let ids = vec![
        call_id,
        interaction_id.clone(),
        recording.clone(),
        text(&pop),
        text(&item["id"]),
        text(&item["interaction_id"]),
    ];
    Secrets { ids, recording, interaction: interaction_id }
}

/// Olga knows every id and asks every route for it.
fn olga_gets_nothing(olga: &Person, maria_id: &str, secrets: &Secrets) {
    let routes = routes_with_an_id();
    for needed in [
        "/recordings/{id}/media",
        "/recordings/{id}/peaks",
        "/interactions/{id}/explain",
        "/missed/{id}/claim",
    ] {
        assert!(routes.iter().any(|(_, path)| path == needed), "{needed} in {routes:?}");
    }
    for (method, path) in &routes {
        for id in &secrets.ids {
            let asked = path.replace("{id}", id).replace("{device}", id);
            let body = match (method.as_str(), path.as_str()) {
                ("PATCH", "/interactions/{id}") => r#"{"notes":"mine now"}"#,
                ("PATCH", _) => r#"{"name":"mine now"}"#,
                ("POST", "/users/{id}/devices") => r#"{"kind":"sip","uri":"202"}"#,
                ("POST", "/calls/{id}/transfer") => r#"{"kind":"blind","to":"202"}"#,
                ("POST", "/calls/{id}/dtmf") => r#"{"digits":"1"}"#,
                _ => "",
            };
            let reply = olga.ask(method, &asked, body);
            assert!(
                [403, 404].contains(&reply.status),
                "{method} {asked}: {} {}",
                reply.status,
                reply.text()
            );
            let others: Vec<&str> =
                secrets.told_in(&reply.text()).into_iter().filter(|told| told != id).collect();
            assert!(others.is_empty(), "{method} {asked} tells {others:?}: {}", reply.text());
        }
    }
    for list in ["/calls", "/interactions", "/recordings", "/missed"] {
        let queries = [
            String::new(),
            format!("user_id={maria_id}"),
            format!("number={}", CALLER.replace('+', "%2B")),
            "format=csv".to_owned(),
        ];
        for query in queries {
            let reply = olga.get(&format!("{list}?{query}"));
            assert_eq!(reply.status, 200, "{list}?{query}: {}", reply.text());
            assert_eq!(secrets.told_in(&reply.text()), [] as [&str; 0], "{list}?{query}");
        }
    }
    for list in ["/reports/load", "/audit", "/users", "/lines"] {
        assert_eq!(olga.get(list).status, 403, "{list}");
    }
    for list in ["/people", "/lines/standings", "/contacts"] {
        assert_eq!(secrets.told_in(&olga.get(list).text()), [] as [&str; 0], "{list}");
    }
}

fn listens(office: &Office) -> Vec<Value> {
    let rows = office.server.get("/audit?action=recording_played");
    rows["items"].as_array().expect("rows").clone()
}

#[test]
fn an_agent_sees_nothing_of_anothers_talk_and_a_supervisor_hears_it_in_the_open() {
    let office = Office::open(Answer::Manual);
    adds(&office, "olga", "agent");
    adds(&office, "anna", "supervisor");
    let browser = Browser::start();
    let marias = office.desk(&browser, "maria");
    let olgas = Office::desk_of(&browser, "olga", "olga", office.server.http);
    let annas = Office::desk_of(&browser, "anna", "anna", office.server.http);
    let (olga, anna) = (Person::log_in(&office, "olga"), Person::log_in(&office, "anna"));

    let secrets = maria_works(&office, &marias, &olga);
    for (desk, whose) in [(&marias, "Maria's"), (&annas, "Anna's")] {
        eventually("all of it is told to those who may know", SOON, || {
            let told = heard(desk).concat();
            secrets.ids.iter().all(|id| told.contains(id)).then_some(())
        });
        assert!(!heard(desk).is_empty(), "{whose} desk was told");
    }
    olga_gets_nothing(&olga, &office.agent_id, &secrets);
    olgas.reload();
    olgas.wait_for("[data-testid=connection][data-state=online]", SOON);
    olgas.go_to(&format!("http://{}/recordings", office.server.http));
    olgas.wait_text("Записей пока нет", SOON);
    olgas.go_to(&format!("http://{}/history/{}", office.server.http, secrets.interaction));
    olgas.wait_for("[data-testid=detail] [role=alert]", SOON);
    let frames = heard(&olgas);
    assert!(frames.iter().any(|frame| frame.contains("\"snapshot\"")), "she is connected: {frames:?}");
    for frame in &frames {
        assert_eq!(secrets.told_in(frame), [] as [&str; 0], "{frame}");
    }
    assert_eq!(listens(&office), [] as [Value; 0], "nobody has listened");

    annas.go_to(&format!("http://{}/recordings", office.server.http));
    let row = format!("[data-testid=recording-row][data-recording-id=\"{}\"]", secrets.recording);
    annas.wait_for(&row, SOON);
    assert_eq!(anna.get(&format!("/recordings/{}/peaks", secrets.recording)).status, 200);
    assert_eq!(listens(&office), [] as [Value; 0], "to see is not to listen");
    annas.click(&format!("{row} [data-testid=play-button]"));
    annas.wait_for("[data-testid=waveform][data-parts=\"2000\"]", SOON);
    let rows =
        eventually("the listen is audited", SOON, || Some(listens(&office)).filter(|rows| !rows.is_empty()));
    let [row] = rows.as_slice() else { panic!("one listen, one row: {rows:?}") };
    assert_eq!((&row["login"], &row["subject"]), (&json!("anna"), &json!(secrets.recording)), "{row}");
    let media = anna.get(&format!("/recordings/{}/media", secrets.recording));
    let file = std::fs::read(office.server.recording_file(&secrets.recording)).expect("the file");
    assert_eq!((media.status, media.body == file), (200, true), "it is the recording, byte by byte");
}
