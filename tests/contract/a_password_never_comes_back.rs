//! `/lines`: what is entered, what is shown, and that a password is never among it.

use serde_json::{Value, json};

use super::clients::id;
use super::server::Server;
use crate::peers::{SmallPbx, eventually, net};

const SECRET: &str = "s3cret \"line\" пароль";
const SOON: std::time::Duration = std::time::Duration::from_secs(10);

#[test]
fn a_lines_password_is_in_no_answer_and_changes_nothing_when_left_out() {
    let (server, pbx) = (Server::start(), SmallPbx::start());
    let admin = server.admin();
    let user = id(&admin.add_user("maria", "agent"));
    let entered = json!({"name": "Main", "server": pbx.address().to_string(), "username": "100",
        "password": SECRET, "auth_username": "auth100", "outbound_proxy": pbx.address().to_string(),
        "transport": "udp", "mode": "anchor", "user_id": user, "dial_format": "national", "dial_prefix": "9",
        "caller_id": "+78312000000"});
    let made = admin.post("/lines", &entered);
    assert_eq!(made.status, 201, "{}", made.text());
    let line = made.json();
    for (field, value) in entered.as_object().expect("an object").iter().filter(|(key, _)| *key != "password")
    {
        assert_eq!(&line[field], value, "{field}");
    }
    let path = format!("/lines/{}", id(&line));
    let changed = admin.patch(&path, 1, &json!({"name": "Second", "dial_prefix": null}));
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!((&changed.json()["name"], &changed.json()["dial_prefix"]), (&json!("Second"), &Value::Null));
    let stale = admin.patch(&path, 1, &json!({"password": SECRET}));
    assert_eq!(stale.status, 412);
    let wrong = admin.patch(&path, 2, &json!({"password": format!("{SECRET}\r\n")}));
    assert_eq!((wrong.status, &wrong.json()["field"]), (422, &json!("password")));
    for reply in
        [made, changed, stale, wrong, admin.get(&path), admin.get("/lines"), admin.get("/lines?format=csv")]
    {
        let text = reply.text();
        assert!(!text.contains("s3cret"), "{text}");
        assert!(!text.contains("\"password\":"), "{text}");
    }

    assert_eq!(admin.delete(&path, 2).status, 204);
    assert_eq!(admin.get(&path).status, 404);
    assert_eq!(admin.items("/lines"), Vec::<Value>::new());
}

#[test]
fn a_line_says_how_its_registration_stands() {
    let (server, pbx) = (Server::start(), SmallPbx::start());
    let admin = server.admin();
    let well = format!("/lines/{}", id(&admin.add_line(pbx.address(), "100", None)));
    let ip = net::own_address();
    let nobody = format!("{ip}:{}", net::free_port(ip));
    let away = json!({"server": nobody, "username": "101", "password": "x", "transport": "tcp"});
    let away = format!("/lines/{}", id(&admin.create("/lines", &away)));
    pbx.wait_registered("100");
    eventually("the line is registered", SOON, || {
        let registration = admin.show(&well)["registration"].clone();
        (registration["state"] == "registered").then(|| {
            assert_eq!(registration["reason"], Value::Null);
            assert_eq!(registration["contacts"], 1);
            assert!(
                registration["expires_at"].as_str().is_some_and(|at| at.ends_with('Z')),
                "{registration}"
            );
        })
    });
    eventually("the other says why not", SOON, || {
        let registration = admin.show(&away)["registration"].clone();
        let reason = registration["reason"].as_str()?.to_owned();
        assert_ne!(registration["state"], "registered");
        assert!(reason.contains("does not answer"), "{registration}");
        assert_eq!((&registration["expires_at"], &registration["contacts"]), (&Value::Null, &json!(0)));
        Some(())
    });
}

#[test]
fn a_line_that_cannot_be_served_is_refused_by_its_field() {
    let server = Server::start();
    let admin = server.admin();
    let cases = [
        ("server", json!("")),
        ("server", json!("sip:pbx.example/path")),
        ("outbound_proxy", json!("a b")),
        ("username", json!("")),
        ("dial_prefix", json!("9x")),
        ("caller_id", json!("1\r\n2")),
        ("user_id", json!("01900000-0000-7000-8000-000000000000")),
        ("colour", json!("red")),
    ];
    for (field, value) in cases {
        let mut line = json!({"server": "192.0.2.1", "username": "100", "password": "x"});
        line[field] = value.clone();
        let reply = admin.post("/lines", &line);
        assert_eq!(reply.status, 422, "{field} = {value}: {}", reply.text());
        assert_eq!(reply.json()["field"], field, "{field} = {value}: {}", reply.text());
    }
    assert_eq!(admin.show("/lines")["total"], 0);
}
