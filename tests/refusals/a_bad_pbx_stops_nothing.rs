//! A PBX that is away, a name without an address, a wrong password: the server starts and serves, says so in its log and
//! in `/lines`, and another line is registered meanwhile.

use std::time::Duration;

use serde_json::{Value, json};

use crate::peers::{Account, Kamailio, eventually, net};
use crate::stories::Linecard;

const SOON: Duration = Duration::from_secs(20);

/// The reason that a line gives, once it has one.
fn reason(server: &Linecard, line: &Value) -> String {
    eventually("the line says why it is not registered", SOON, || {
        let shown = server.get(&format!("/lines/{}", line["id"].as_str().expect("an id")));
        assert_ne!(shown["registration"]["state"], "registered", "{shown}");
        shown["registration"]["reason"].as_str().map(str::to_owned)
    })
}

#[test]
fn lines_that_cannot_register_say_why_and_hold_up_no_other() {
    let mut pbx = Kamailio::start(&[Account::new("100"), Account::new("101")]);
    let server = Linecard::start();
    let ip = net::own_address();
    let line = |name: &str, place: &str, username: &str, password: &str, transport: Value| {
        let line = json!({"name": name, "server": place, "username": username, "password": password,
            "transport": transport});
        server.create("/lines", &line)
    };
    let at_pbx = pbx.address().to_string();
    let closed = format!("{ip}:{}", net::free_port(ip));
    let away = line("Away", &closed, "100", "secret-100", json!("tcp"));
    let nameless = line("Nameless", "pbx.invalid", "100", "secret-100", Value::Null);
    let wrong = line("Wrong password", &at_pbx, "100", "not it", Value::Null);
    let unknown = line("Unknown user", &at_pbx, "999", "secret-999", Value::Null);
    let good = line("Good", &at_pbx, "101", "secret-101", Value::Null);
    pbx.wait_registered("101", 1, SOON);
    eventually("the good line says so", SOON, || {
        let shown = server.get(&format!("/lines/{}", good["id"].as_str().expect("an id")));
        (shown["registration"]["state"] == "registered").then_some(())
    });

    let cases = [
        (&away, "Away", "does not answer"),
        (&nameless, "pbx.invalid", "has no address"),
        (&wrong, "Wrong password", "password"),
        (&unknown, "Unknown user", ""),
    ];
    for (line, name, why) in cases {
        let reason = reason(&server, line);
        assert!(reason.contains(why), "{name}: {reason}");
        let log = eventually("the log says it", SOON, || {
            let log = server.program.log();
            let told = log.lines().find(|it| it.contains("WARN") && it.contains(name) && it.contains(why));
            told.map(str::to_owned)
        });
        assert!(log.contains("check"), "{name}: it says what to change: {log}");
    }
    let log = server.program.log();
    for secret in ["secret-100", "not it", "secret-999", "secret-101"] {
        assert!(!log.contains(secret), "no password in the log: {secret}");
    }
    assert_eq!(server.get("/contacts")["total"], 0, "it serves all the while");
    assert_eq!(pbx.registered("100"), Vec::<String>::new());
}

#[test]
fn a_server_starts_with_lines_that_cannot_register() {
    let mut server = Linecard::start();
    let ip = net::own_address();
    let away = json!({"server": format!("{ip}:{}", net::free_port(ip)), "username": "100", "password": "x",
        "transport": "tcp"});
    server.create("/lines", &away);
    let nameless =
        server.create("/lines", &json!({"server": "pbx.invalid", "username": "100", "password": "x"}));
    server.program.kill();
    let begun = std::time::Instant::now();
    server.launch();
    assert!(begun.elapsed() < Duration::from_secs(10), "it serves after {:?}", begun.elapsed());
    assert!(reason(&server, &nameless).contains("has no address"));
    assert_eq!(server.get("/lines")["total"], 2);
}
