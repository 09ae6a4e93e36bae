//! `/users` and `/users/{id}/devices`.

use serde_json::{Value, json};

use super::clients::{AdminClient, PASSWORD, id, log_in};
use super::server::Server;

#[test]
fn a_user_is_made_changed_and_deleted() {
    let server = Server::start();
    let admin = server.admin();
    let made = admin.create("/users", &json!({"login": "maria", "role": "agent", "password": PASSWORD}));
    assert_eq!(made["ring"], "together");
    assert_eq!(made["ring_timeout_ms"], 20_000);
    assert_eq!(made["allow_call_waiting"], false);
    assert_eq!(made["extension"], Value::Null);
    let path = format!("/users/{}", id(&made));
    assert_eq!(admin.show(&path), made, "what was answered is what is read");

    let wanted = json!({"name": "Мария", "role": "supervisor", "extension": "201", "ring": "in_order",
        "ring_timeout_ms": 30_000, "allow_call_waiting": true});
    let changed = admin.change(&path, &wanted);
    for (field, value) in wanted.as_object().expect("an object") {
        assert_eq!(&changed[field], value, "{field}");
    }
    assert_eq!(changed["login"], "maria", "what was left out stays");
    let cleared = admin.change(&path, &json!({"extension": null}));
    assert_eq!(cleared["extension"], Value::Null, "null clears");

    let version = cleared["version"].as_i64().expect("a version");
    assert_eq!(admin.patch(&path, version - 1, &json!({"name": "X"})).status, 412, "stale");
    assert_eq!(admin.delete(&path, version - 1).status, 412);
    assert_eq!(admin.show(&path), cleared, "neither did anything");
    assert_eq!(admin.delete(&path, version).status, 204);
    assert_eq!(admin.get(&path).status, 404);
    assert_eq!(admin.delete(&path, version).status, 404);
    assert_eq!(log_in(server.http, "maria", PASSWORD, "").status, 401);
}

#[test]
fn a_changed_password_and_a_changed_role_count_at_once() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    let path = format!("/users/{}", agent.id);
    assert_eq!(agent.get("/lines").status, 403);
    admin.change(&path, &json!({"role": "admin"}));
    assert_eq!(agent.get("/lines").status, 200, "the session follows the role");
    admin.change(&path, &json!({"role": "agent", "password": "another password"}));
    assert_eq!(log_in(server.http, "maria", PASSWORD, "").status, 401);
    assert_eq!(log_in(server.http, "MARIA", "another password", "").status, 201, "log-ins ignore case");
    let version = admin.show(&path)["version"].as_i64().expect("a version");
    assert_eq!(admin.delete(&path, version).status, 204);
    assert_eq!(agent.get("/session").status, 401, "with the user goes the session");
}

#[test]
fn an_administrator_cannot_lock_everybody_out() {
    let server = Server::start();
    let admin = server.admin();
    let own = format!("/users/{}", id(&admin.show("/session")["user"]));
    let version = admin.show(&own)["version"].as_i64().expect("a version");
    let demoted = admin.patch(&own, version, &json!({"role": "agent"}));
    assert_eq!((demoted.status, &demoted.json()["field"]), (409, &json!("role")), "{}", demoted.text());
    assert!(demoted.text().contains("the last administrator"), "{}", demoted.text());
    admin.add_user("anna", "admin");
    let removed = admin.delete(&own, version);
    assert_eq!(removed.status, 409, "{}", removed.text());
    assert!(removed.text().contains("you cannot remove yourself"), "{}", removed.text());
    let anna = AdminClient::log_in(server.http, "anna");
    assert_eq!(anna.delete(&own, version).status, 204, "another administrator does it");
    let own = format!("/users/{}", id(&anna.show("/session")["user"]));
    assert_eq!(anna.patch(&own, 1, &json!({"role": "supervisor"})).status, 409);
    anna.add_user("boris", "admin");
    assert_eq!(anna.patch(&own, 1, &json!({"role": "supervisor"})).status, 200);
    assert_eq!(anna.get("/users").status, 403);
}

#[test]
fn a_log_in_is_unique_whatever_its_case() {
    let server = Server::start();
    let admin = server.admin();
    admin.add_user("Мария", "agent");
    let taken = admin.post("/users", &json!({"login": "МАРИЯ", "role": "agent", "password": PASSWORD}));
    assert_eq!((taken.status, &taken.json()["field"]), (409, &json!("login")), "{}", taken.text());
    let other = id(&admin.add_user("olga", "agent"));
    let renamed = admin.patch(&format!("/users/{other}"), 1, &json!({"login": "мария"}));
    assert_eq!((renamed.status, &renamed.json()["field"]), (409, &json!("login")), "{}", renamed.text());
}

#[test]
fn devices_are_added_shown_and_removed() {
    let server = Server::start();
    let admin = server.admin();
    let user = id(&admin.add_user("maria", "agent"));
    let path = format!("/users/{user}/devices");
    let desk = admin.create(&path, &json!({"kind": "sip", "uri": "201"}));
    let direct = admin.create(&path, &json!({"kind": "sip", "uri": "sip:maria@192.0.2.7:5070"}));
    let browser = admin.create(&path, &json!({"kind": "browser"}));
    assert_eq!((&desk["kind"], &desk["uri"]), (&json!("sip"), &json!("201")));
    assert_eq!(browser["kind"], "browser");
    let listed = admin.show(&path);
    assert_eq!(listed["items"], json!([desk, direct, browser]), "in the order in which they ring");
    assert_eq!((&listed["total"], &listed["next"]), (&json!(3), &Value::Null));

    for uri in ["", "sip:", "mailto:a@b.example", "sip:a@b\r\nVia: x", "<sip:a@b>", "maria", "tel:+7831"] {
        let reply = admin.post(&path, &json!({"kind": "sip", "uri": uri}));
        assert_eq!((reply.status, &reply.json()["field"]), (422, &json!("uri")), "{uri:?}: {}", reply.text());
    }
    assert_eq!(admin.post(&path, &json!({"kind": "pager"})).status, 422);

    let device = format!("{path}/{}", id(&direct));
    let other = id(&admin.add_user("olga", "agent"));
    let of_another = format!("/users/{other}/devices/{}", id(&direct));
    assert_eq!(admin.send("DELETE", &of_another, "", "").status, 404, "not that user's");
    assert_eq!(admin.send("DELETE", &device, "", "").status, 204);
    assert_eq!(admin.send("DELETE", &device, "", "").status, 404);
    assert_eq!(admin.show(&path)["items"], json!([desk, browser]));
    let nobody = "/users/01900000-0000-7000-8000-000000000000/devices";
    assert_eq!(admin.get(nobody).status, 404);
    assert_eq!(admin.post(nobody, &json!({"kind": "browser"})).status, 404);
}

#[test]
fn a_telephones_password_is_told_once_and_renewed_and_kept_nowhere() {
    let server = Server::start();
    let admin = server.admin();
    let path = format!("/users/{}/devices", id(&admin.add_user("maria", "agent")));
    let key = "Idempotency-Key: once\r\n";
    let body = json!({"kind": "phone", "name": "Стол"}).to_string();
    let reply = admin.send("POST", &path, &body, key);
    assert_eq!(reply.status, 201, "{}", reply.text());
    let shown = reply.json();
    for field in ["username", "password", "realm", "server"] {
        assert!(shown[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {shown}");
    }
    assert_eq!(shown["port"], json!(server.sip.port()));
    assert_eq!(shown["transports"], json!(["udp", "tcp"]));
    let password = shown["password"].as_str().expect("a password").to_owned();
    assert!(password.len() == 16 && password.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    let listed = admin.show(&path)["items"][0].clone();
    let expected = json!({
        "id": shown["id"], "kind": "phone", "name": "Стол", "username": shown["username"],
        "registrations": [], "last_seen": null,
    });
    assert_eq!(listed, expected);

    let rotate = format!("{path}/{}/rotate", id(&shown));
    let renewed = admin.post(&rotate, &json!({}));
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    assert_eq!(renewed.json()["username"], shown["username"]);
    assert_ne!(renewed.json()["password"], shown["password"]);
    assert!(server.holds(shown["username"].as_str().expect("a name")), "the database is looked at");
    for secret in [&password, renewed.json()["password"].as_str().expect("a password")] {
        assert!(!server.holds(secret), "a password lies in the database");
    }

    let extension = admin.create(&path, &json!({"kind": "sip", "uri": "201"}));
    assert_eq!(admin.post(&format!("{path}/{}/rotate", id(&extension)), &json!({})).status, 409);
    let nobody = format!("{path}/01900000-0000-7000-8000-000000000000/rotate");
    assert_eq!(admin.post(&nobody, &json!({})).status, 404);
    for name in ["", "a\r\nb"] {
        let refused = admin.post(&path, &json!({"kind": "phone", "name": name}));
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("name")), "{}", refused.text());
    }
}

#[test]
fn where_no_telephone_may_register_none_is_added_and_the_key_to_change_is_named() {
    let server = Server::start_with(|config| config.sip.registrar = linecard::config::Registrar::Off);
    let admin = server.admin();
    let path = format!("/users/{}/devices", id(&admin.add_user("maria", "agent")));
    let refused = admin.post(&path, &json!({"kind": "phone"}));
    assert_eq!(
        (refused.status, &refused.json()["key"]),
        (409, &json!("registrar_off")),
        "{}",
        refused.text()
    );
    assert!(refused.text().contains("sip.registrar"), "{}", refused.text());
}
