//! `/session`: a cookie that scripts and other sites cannot use, or a bearer token; the same answer and the same time
//! for a wrong password and an unknown log-in.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::clients::{Client, PASSWORD, log_in};
use super::server::Server;
use crate::peers::http::{Reply, send};

/// What the browser sends back of a `Set-Cookie`.
fn cookie_of(reply: &Reply) -> String {
    let cookie = reply.header("Set-Cookie").expect("a cookie");
    cookie.split(';').next().expect("name and value").to_owned()
}

fn with_cookie(server: &Server, method: &str, path: &str, cookie: &str, more: &str) -> Reply {
    let headers = format!("Cookie: other=1; {cookie}\r\n{more}");
    send(server.http, method, &format!("/api/v1{path}"), "{\"name\":\"X\"}", &headers).expect("an answer")
}

#[test]
fn a_log_in_sets_a_cookie_that_only_its_own_page_can_use() {
    let server = Server::start();
    let reply = log_in(server.http, "admin", PASSWORD, "");
    assert_eq!(reply.status, 201);
    let cookie = reply.header("Set-Cookie").expect("a cookie").to_ascii_lowercase();
    let attributes: Vec<&str> = cookie.split(';').map(str::trim).collect();
    for wanted in ["httponly", "samesite=strict", "path=/"] {
        assert!(attributes.contains(&wanted), "{wanted} in {cookie}");
    }
    assert!(!attributes.contains(&"secure"), "plain HTTP: the browser would not send it back: {cookie}");
    assert_eq!(reply.json()["user"]["login"], "admin");

    let pair = cookie_of(&reply);
    let own = format!("Origin: http://{}\r\n", server.http);
    let foreign = "Origin: http://evil.example\r\n";
    assert_eq!(with_cookie(&server, "GET", "/session", &pair, "").status, 200);
    assert_eq!(with_cookie(&server, "POST", "/contacts", &pair, &own).status, 201, "its own page");
    for origin in [foreign, "Origin: null\r\n", "Origin: http://127.0.0.1.evil.example\r\n"] {
        let reply = with_cookie(&server, "POST", "/contacts", &pair, origin);
        assert_eq!(reply.status, 403, "{origin}: {}", reply.text());
        assert_eq!(log_in(server.http, "admin", PASSWORD, origin).status, 403, "{origin}");
    }
    assert_eq!(with_cookie(&server, "DELETE", "/session", &pair, foreign).status, 403);
    assert_eq!(with_cookie(&server, "GET", "/session", &pair, "").status, 200, "it was not ended");
    let contacts = with_cookie(&server, "GET", "/contacts", &pair, "").json();
    assert_eq!(contacts["total"], 1, "only the allowed one was written: {contacts}");
}

#[test]
fn under_tls_the_cookie_is_secure() {
    let server = Server::start_with(|config| config.server.public_url = "https://desk.example".to_owned());
    let reply = log_in(server.http, "admin", PASSWORD, "Origin: https://desk.example\r\n");
    assert_eq!(reply.status, 201, "{}", reply.text());
    let cookie = reply.header("Set-Cookie").expect("a cookie").to_ascii_lowercase();
    assert!(cookie.split(';').any(|part| part.trim() == "secure"), "{cookie}");
}

#[test]
fn behind_a_proxy_the_proxy_says_whether_the_cookie_is_secure() {
    let server = Server::start_with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
    });
    let stranger = Server::start();
    let is_secure = |server: &Server, proto: &str| {
        let reply = log_in(server.http, "admin", PASSWORD, &format!("X-Forwarded-Proto: {proto}\r\n"));
        reply.header("Set-Cookie").expect("a cookie").to_ascii_lowercase().contains("; secure")
    };
    assert!(is_secure(&server, "https") && !is_secure(&server, "http"));
    assert!(!is_secure(&stranger, "https"), "nobody is believed who is no proxy");
}

#[test]
fn a_bearer_token_needs_no_origin_and_ends_with_its_session() {
    let server = Server::start();
    let (admin, other) = (server.admin(), server.admin());
    assert_eq!(admin.show("/session")["user"]["login"], "admin");
    let from_elsewhere = "Origin: http://evil.example\r\n";
    let reply = admin.send("POST", "/contacts", "{\"name\":\"X\"}", from_elsewhere);
    assert_eq!(reply.status, 201, "a token is no cookie, no page can borrow it: {}", reply.text());

    let gone = admin.send("DELETE", "/session", "", "");
    assert_eq!(gone.status, 204);
    assert!(gone.header("Set-Cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")));
    assert_eq!(admin.get("/session").status, 401, "the token is dead");
    let pair = format!("linecard_session={}", admin.token);
    assert_eq!(with_cookie(&server, "GET", "/session", &pair, "").status, 401, "and the cookie");
    assert_eq!(other.get("/session").status, 200, "another session of the same user lives");
    for token in ["", "x", &"0".repeat(64)] {
        let stranger = Client { http: server.http, token: token.to_owned() };
        assert_eq!(stranger.get("/session").status, 401, "{token:?}");
    }
}

#[test]
fn an_unknown_log_in_and_a_wrong_password_cannot_be_told_apart() {
    // Every attempt comes from elsewhere: none is locked out.
    let server = Server::start_with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    });
    let attempts = std::cell::Cell::new(0_u8);
    let ask = |login: &str| {
        attempts.set(attempts.get() + 1);
        let source = format!("X-Forwarded-For: 203.0.113.{}\r\n", attempts.get());
        let begun = Instant::now();
        let reply = log_in(server.http, login, "a wrong password", &source);
        (begun.elapsed(), reply)
    };
    let (_, wrong) = ask("admin");
    let (_, unknown) = ask("nobody");
    assert_eq!((wrong.status, unknown.status), (401, 401));
    assert_eq!(wrong.json(), unknown.json());
    assert_eq!(wrong.json()["field"], Value::Null, "no field is blamed");
    assert!(wrong.header("Set-Cookie").is_none() && unknown.header("Set-Cookie").is_none());

    // The least of several is what the work takes, whatever else the machine does; asked in turn, until it shows.
    let (mut wrong, mut unknown) = (Duration::MAX, Duration::MAX);
    let alike = |wrong: Duration, unknown: Duration| {
        let (short, long) = (wrong.min(unknown), wrong.max(unknown));
        short > Duration::from_millis(2) && long < short * 2
    };
    for round in 0..60 {
        wrong = wrong.min(ask("admin").0);
        unknown = unknown.min(ask("nobody").0);
        if round >= 4 && alike(wrong, unknown) {
            return;
        }
    }
    panic!("a wrong password takes {wrong:?}, an unknown log-in {unknown:?}");
}
