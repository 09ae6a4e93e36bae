//! Who guesses passwords waits: ten failures for a log-in from one source, fifty from a source, in 15 minutes.

use serde_json::Value;

use super::clients::{PASSWORD, log_in};
use super::server::Server;
use crate::peers::http::Reply;

/// A server behind a proxy that the tests play, so that a test has as many sources as it likes.
fn behind_a_proxy() -> Server {
    Server::start_with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
}

fn from(source: &str) -> String {
    format!("X-Forwarded-For: {source}\r\n")
}

fn fail(server: &Server, login: &str, headers: &str, times: usize) {
    for time in 1..=times {
        let reply = log_in(server.http, login, "a wrong password", headers);
        assert_eq!(reply.status, 401, "failure {time} of {login}: {}", reply.text());
    }
}

/// Checks that an attempt has to wait, and returns for how many seconds.
fn waits(reply: &Reply) -> i64 {
    assert_eq!(reply.status, 429, "{}", reply.text());
    assert_eq!(reply.header("Content-Type"), Some("application/problem+json"));
    assert!(reply.header("Set-Cookie").is_none(), "no session");
    let problem = reply.json();
    assert_eq!((&problem["status"], &problem["field"]), (&429.into(), &Value::Null), "{problem}");
    reply.header("Retry-After").and_then(|text| text.parse().ok()).expect("Retry-After in seconds")
}

#[test]
fn after_ten_failures_the_right_password_waits_too() {
    let server = Server::start();
    let admin = server.admin();
    let maria = server.agent(&admin, "maria");
    fail(&server, "maria", "", 10);
    for spelling in ["maria", "MARIA", " maria "] {
        let wait_s = waits(&log_in(server.http, spelling, PASSWORD, ""));
        assert!((800..=900).contains(&wait_s), "until the first failure is 15 min old: {wait_s}");
    }
    assert_eq!(maria.get("/session").status, 200, "who is logged in stays so");
    assert_eq!(log_in(server.http, "admin", PASSWORD, "").status, 201, "another log-in from the same source");
    fail(&server, "nobody", "", 10);
    waits(&log_in(server.http, "nobody", PASSWORD, ""));

    let rows = admin.items("/audit?action=login_locked");
    assert_eq!(rows.len(), 2, "one row a lock, not one an attempt: {rows:?}");
    assert_eq!((&rows[0]["user_id"], &rows[0]["login"]), (&Value::Null, &Value::Null), "nobody is nobody");
    assert_eq!(
        (rows[1]["user_id"].as_str(), rows[1]["login"].as_str()),
        (Some(maria.id.as_str()), Some("maria"))
    );
    assert_eq!(admin.show("/audit?action=login_failed")["total"], 20, "refused ones were not tried");
}

#[test]
fn a_stranger_locks_out_the_stranger_and_not_the_agent() {
    let server = behind_a_proxy();
    let (stranger, desk) = (from("203.0.113.7"), from("192.0.2.1"));
    fail(&server, "admin", &stranger, 10);
    waits(&log_in(server.http, "admin", PASSWORD, &stranger));
    assert_eq!(log_in(server.http, "admin", PASSWORD, &desk).status, 201);
    waits(&log_in(server.http, "admin", PASSWORD, &from("198.51.100.1, 203.0.113.7")));
}

#[test]
fn after_fifty_failures_the_source_waits_whatever_the_log_in() {
    let server = behind_a_proxy();
    let stranger = from("203.0.113.7");
    for number in 0..10 {
        fail(&server, &format!("user{number}"), &stranger, 5);
    }
    waits(&log_in(server.http, "admin", PASSWORD, &stranger));
    waits(&log_in(server.http, "never seen", PASSWORD, &stranger));
    assert_eq!(log_in(server.http, "admin", PASSWORD, &from("192.0.2.1")).status, 201);
}

#[test]
fn who_is_no_proxy_cannot_pretend_to_be_many() {
    let server = Server::start();
    for number in 1..=10 {
        fail(&server, "admin", &from(&format!("203.0.113.{number}")), 1);
    }
    waits(&log_in(server.http, "admin", PASSWORD, &from("203.0.113.99")));
}

#[test]
fn attempts_at_once_learn_no_more_than_attempts_in_a_row() {
    let server = Server::start();
    let http = server.http;
    let attempts: Vec<_> = (0..40)
        .map(|_| std::thread::spawn(move || log_in(http, "admin", "a wrong password", "").status))
        .collect();
    let told: Vec<u16> = attempts.into_iter().map(|it| it.join().expect("an answer")).collect();
    assert_eq!(told.iter().filter(|status| **status == 401).count(), 10, "{told:?}");
    assert_eq!(told.iter().filter(|status| **status == 429).count(), 30, "{told:?}");
}
