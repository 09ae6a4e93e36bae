//! What serde and axum refuse while they read a path, a query or a body is a problem like any other, and blames the field
//! and not the value in it.

use serde_json::{Value, json};

use super::errors_say_what_to_write::blamed;
use super::server::Server;

const NOBODY: &str = "01900000-0000-7000-8000-000000000000";

#[test]
fn a_path_that_holds_no_id_is_a_problem() {
    let server = Server::start();
    let admin = server.admin();
    for path in [
        "/users/x",
        "/lines/x",
        "/contacts/x",
        "/companies/x",
        "/interactions/x",
        "/recordings/x",
        "/interactions/x/explain",
        "/recordings/x/media",
        "/users/x/devices",
    ] {
        let reply = admin.get(path);
        assert!([400, 404, 422].contains(&reply.status), "{path}: {}", reply.text());
        blamed(&reply, reply.status);
    }
    let reply = admin.post("/calls/x/hangup", &json!({}));
    assert!([400, 404, 422].contains(&reply.status), "{}", reply.text());
    blamed(&reply, reply.status);
}

#[test]
fn a_query_that_cannot_be_read_names_its_parameter() {
    let server = Server::start();
    let admin = server.admin();
    let queries = [
        ("/contacts?limit=0", "limit"),
        ("/contacts?limit=501", "limit"),
        ("/contacts?limit=-1", "limit"),
        ("/contacts?limit=many", "limit"),
        ("/companies?limit=4294967296", "limit"),
        ("/users?cursor=made-up", "cursor"),
        ("/interactions?direction=up", "direction"),
        ("/interactions?outcome=great", "outcome"),
        ("/interactions?user_id=x", "user_id"),
        ("/interactions?contact_id=x", "contact_id"),
        ("/interactions?recorded=maybe", "recorded"),
        ("/interactions?from=yesterday", "from"),
        ("/contacts/match", "number"),
    ];
    for (path, field) in queries {
        let reply = admin.get(path);
        assert!([400, 422].contains(&reply.status), "{path}: {} {}", reply.status, reply.text());
        assert_eq!(blamed(&reply, reply.status).as_deref(), Some(field), "{path}: {}", reply.text());
    }
}

#[test]
fn a_value_of_the_wrong_kind_blames_its_field() {
    let server = Server::start();
    let admin = server.admin();
    let user = json!({"login": "o", "role": "agent", "password": "long enough"});
    let line = json!({"server": "192.0.2.1", "username": "100", "password": "x"});
    let contact = json!({"name": "X"});
    let cases: [(&str, &Value, &str, Value); 14] = [
        ("/users", &user, "login", json!(7)),
        ("/users", &user, "role", json!("boss")),
        ("/users", &user, "ring", json!("later")),
        ("/users", &user, "ring_timeout_ms", json!("soon")),
        ("/lines", &line, "server", json!("pbx.example\r\nX: y")),
        ("/lines", &line, "username", json!("1\n2")),
        ("/lines", &line, "transport", json!("sctp")),
        ("/lines", &line, "mode", json!("sniff")),
        ("/lines", &line, "dial_format", json!("roman")),
        ("/contacts", &contact, "company_id", json!(NOBODY)),
        ("/contacts", &contact, "responsible_id", json!(NOBODY)),
        ("/contacts", &contact, "responsible_id", json!("x")),
        ("/contacts", &contact, "emails", json!("a@example.com")),
        ("/contacts", &contact, "custom", json!([])),
    ];
    for (path, sound, field, value) in cases {
        let mut body = sound.clone();
        body[field] = value;
        let reply = admin.post(path, &body);
        assert_eq!(blamed(&reply, 422).as_deref(), Some(field), "{body}: {}", reply.text());
    }
}
