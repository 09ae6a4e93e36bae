//! `/sessions` and `/session/password`: where oneself is logged in, the end of it there, and another password.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::clients::{Client, PASSWORD, log_in};
use super::server::Server;
use crate::peers::http::{Reply, send};

/// Logs in once more, with a browser's name.
fn once_more(http: SocketAddr, login: &str, browser: &str) -> Client {
    let reply = log_in(http, login, PASSWORD, &format!("User-Agent: {browser}\r\n"));
    assert_eq!(reply.status, 201, "{}", reply.text());
    Client { http, token: reply.json()["token"].as_str().expect("a token").to_owned() }
}

fn change(client: &Client, old: &str, new: &str) -> Reply {
    client.post("/session/password", &json!({"old_password": old, "new_password": new}))
}

fn lives(client: &Client) -> bool {
    client.get("/session").status == 200
}

#[test]
fn everybody_sees_the_own_sessions_and_ends_them() {
    let server = Server::start();
    let admin = server.admin();
    let maria = server.agent(&admin, "maria");
    let (phone, tablet) =
        (once_more(server.http, "maria", "Phone/1"), once_more(server.http, "maria", "Tablet/1"));
    let listed = maria.items("/sessions");
    let browsers: Vec<&Value> = listed.iter().map(|session| &session["user_agent"]).collect();
    assert_eq!(browsers, [&json!("Tablet/1"), &json!("Phone/1"), &Value::Null], "newest first: {listed:?}");
    let marked: Vec<bool> = listed.iter().map(|session| session["current"] == true).collect();
    assert_eq!(marked, [false, false, true]);
    assert_eq!(listed[0]["source"], "127.0.0.1");
    assert!(listed[0]["created_at"].as_str() < listed[0]["expires_at"].as_str(), "{listed:?}");
    let text = maria.get("/sessions").text();
    assert!(!text.contains(&phone.token) && !text.contains("token"), "no session opens a door: {text}");

    let of_phone = format!("/sessions/{}", listed[1]["id"].as_str().expect("an id"));
    assert_eq!(admin.send("DELETE", &of_phone, "", "").status, 404, "not the administrator's own");
    assert!(lives(&phone));
    assert_eq!(maria.send("DELETE", &of_phone, "", "").status, 204);
    assert_eq!(maria.send("DELETE", &of_phone, "", "").status, 404);
    assert_eq!((lives(&phone), lives(&tablet), lives(&maria)), (false, true, true));
    assert_eq!(tablet.send("DELETE", "/sessions", "", "").status, 204);
    assert_eq!((lives(&tablet), lives(&maria), lives(&admin)), (true, false, true));
    let rows = admin.items("/audit?action=session_ended");
    assert_eq!((rows.len(), &rows[0]["subject"], &rows[1]["subject"]), (2, &Value::Null, &listed[1]["id"]));
    assert_eq!(rows[1]["user_id"], json!(maria.id));
}

#[test]
fn a_page_of_another_origin_ends_no_session_and_changes_no_password() {
    let server = Server::start();
    let admin = server.admin();
    let other = server.admin();
    let headers = format!("Cookie: linecard_session={}\r\nOrigin: http://evil.example\r\n", admin.token);
    let body = json!({"old_password": PASSWORD, "new_password": "another password"}).to_string();
    for (method, path, body) in [("POST", "/session/password", body.as_str()), ("DELETE", "/sessions", "")] {
        let reply = send(server.http, method, &format!("/api/v1{path}"), body, &headers).expect("an answer");
        assert_eq!(reply.status, 403, "{path}: {}", reply.text());
    }
    assert!(lives(&other));
    assert_eq!(log_in(server.http, "admin", PASSWORD, "").status, 201);
}

#[test]
fn a_new_password_wants_the_old_one_and_ends_the_other_sessions() {
    let server = Server::start();
    let admin = server.admin();
    let maria = server.agent(&admin, "maria");
    let phone = once_more(server.http, "maria", "Phone/1");
    let short = change(&maria, PASSWORD, "short");
    assert_eq!((short.status, &short.json()["field"]), (422, &json!("new_password")), "{}", short.text());
    let wrong = change(&maria, "a wrong password", "another password");
    assert_eq!((wrong.status, &wrong.json()["field"]), (403, &json!("old_password")), "{}", wrong.text());
    assert!(lives(&phone), "nothing was changed");
    assert_eq!(change(&maria, PASSWORD, "another password").status, 204);
    assert_eq!((lives(&maria), lives(&phone)), (true, false));
    assert_eq!(log_in(server.http, "maria", PASSWORD, "").status, 401);
    assert_eq!(log_in(server.http, "maria", "another password", "").status, 201);
    let rows = admin.items("/audit?action=password_changed");
    assert_eq!(
        (rows.len(), &rows[0]["user_id"], &rows[0]["subject"]),
        (1, &json!(maria.id), &json!(maria.id))
    );
    let text = admin.get("/audit").text();
    assert!(!text.contains("another password") && !text.contains(PASSWORD), "{text}");
}

#[test]
fn who_guesses_at_the_old_password_of_an_open_desk_waits() {
    let server = Server::start();
    let admin = server.admin();
    let maria = server.agent(&admin, "maria");
    for time in 1..=10 {
        assert_eq!(change(&maria, "a wrong password", "another password").status, 403, "{time}");
    }
    let waits = change(&maria, PASSWORD, "another password");
    assert_eq!(waits.status, 429, "{}", waits.text());
    assert!(waits.header("Retry-After").is_some());
    assert_eq!(log_in(server.http, "maria", PASSWORD, "").status, 429, "it is one count");
    assert_eq!(admin.show("/audit?action=login_failed")["total"], 10);
    assert_eq!(admin.show("/audit?action=login_locked")["total"], 1);
}

#[test]
fn an_administrator_who_sets_a_password_ends_the_sessions_under_the_old_one() {
    let server = Server::start();
    let admin = server.admin();
    let maria = server.agent(&admin, "maria");
    let path = format!("/users/{}", maria.id);
    admin.change(&path, &json!({"name": "Мария"}));
    assert!(lives(&maria));
    admin.change(&path, &json!({"password": "another password"}));
    assert!(!lives(&maria));
    let rows = admin.items("/audit?action=password_changed");
    let admin_id = admin.show("/session")["user"]["id"].clone();
    assert_eq!((rows.len(), &rows[0]["user_id"], &rows[0]["subject"]), (1, &admin_id, &json!(maria.id)));
}
