//! schemathesis reads `/api/v1/openapi.json` and tries the real binary, with what the document allows and with what it
//! does not: no answer that the document does not have, no 500, nothing taken that it refuses.

use std::time::Duration;

use serde_json::{Value, json};

use super::Office;
use super::server::{NUMBER, PASSWORD, SOON};
use crate::peers::program::Program;
use crate::peers::{Answer, Customer, eventually};

/// Installed by `cargo verify` or `cargo xtask setup`.
const SCHEMATHESIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/schemathesis/bin/schemathesis");
const CONFIG: &str = include_str!("schemathesis/schemathesis.toml");
const HOOKS: &str = include_str!("schemathesis/hooks.py");

/// How long one role may be tried.
const AT_MOST: Duration = Duration::from_secs(170);

/// An office after a day's work: a call that was recorded, two that were missed.
fn office() -> Office {
    let office = Office::open(Answer::Manual);
    office.knows("Мария Иванова", "+7 831 212-34-56");
    let talk = Customer::new(office.pbx.address(), "+78312123456").speaking(440).call(NUMBER);
    office.phone.wait_ringing(SOON);
    office.phone.answer();
    talk.wait_talking(SOON);
    talk.rtp().wait_received(50, SOON);
    talk.hang_up();
    office.server.closed_recording(&office.server.ended_interaction());
    for caller in ["+79219876543", "+79219876544"] {
        let call = Customer::new(office.pbx.address(), caller).call(NUMBER);
        call.wait_ringing(SOON);
        assert_eq!(call.give_up(), 487);
    }
    eventually("both callers are missed", SOON, || {
        (office.server.get("/missed")["total"] == 2).then_some(())
    });
    office
}

/// What there is to be tried: files of ids.
fn lists(office: &Office) -> Vec<(String, String)> {
    let server = &office.server;
    let company = server.create("/companies", &json!({"name": "Волга"}));
    let user = json!({"login": "tried", "role": "agent", "password": PASSWORD});
    let user = server.create("/users", &user);
    let line = json!({"server": "127.0.0.1:9", "username": "tried", "password": "secret"});
    let line = server.create("/lines", &line);
    let all = |path: &str| server.get(path)["items"].as_array().expect("items").clone();
    let admin = all("/users").into_iter().filter(|user| user["login"] == "admin").collect();
    let lists = [
        ("users", vec![user]),
        ("admin", admin),
        ("lines", vec![line]),
        ("companies", vec![company]),
        ("contacts", all("/contacts")),
        ("interactions", all("/interactions")),
        ("recordings", all("/recordings")),
        ("missed", all("/missed")),
    ];
    let file = |(name, objects): (&str, Vec<Value>)| {
        assert!(!objects.is_empty(), "{name} to be tried");
        let ids = objects.iter().map(|object| format!("{}\n", object["id"])).collect();
        (format!("{name}.txt"), ids)
    };
    lists.map(file).into()
}

#[test]
fn whatever_is_sent_is_answered_as_the_document_says() {
    let office = office();
    let lists = lists(&office);
    for (login, more) in [("maria", &["--phases", "coverage", "--warnings", "off"][..]), ("admin", &[])] {
        let mut trial = Program::new(SCHEMATHESIS, "python3-venv, then cargo xtask setup");
        trial.write("schemathesis.toml", CONFIG);
        trial.write("hooks.py", HOOKS);
        for (file, ids) in &lists {
            trial.write(file, ids);
        }
        let server = format!("http://{}", office.server.http);
        let document = format!("{server}/api/v1/openapi.json");
        let login = format!("Authorization: Bearer {}", office.server.log_in(login));
        let arguments = ["run", "--no-color", "--header", &login, "--url", &server, &document];
        trial.start(&[&arguments, more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>());
        let status = trial.wait(AT_MOST);
        println!("{}", trial.log());
        assert!(status.success(), "{login}: {}", trial.log());
    }
}
