//! Errors are problem+json (RFC 9457) with `field` where one is to blame, whoever refuses: a handler, the router, or the
//! reading of a body. `/healthz` needs no log-in.

use serde_json::{Value, json};

use super::clients::{Client, id};
use super::server::Server;
use crate::peers::http::{Reply, send};

/// Checks the shape of a refusal and returns the field that it blames.
pub(super) fn blamed(reply: &Reply, status: u16) -> Option<String> {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.header("Content-Type"), Some("application/problem+json"), "{}", reply.text());
    let problem = reply.json();
    assert_eq!(problem["status"], status, "{problem}");
    for field in ["type", "title", "detail"] {
        assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {problem}");
    }
    assert!(problem.get("field").is_some(), "always present, null when nothing is to blame: {problem}");
    problem["field"].as_str().map(str::to_owned)
}

#[test]
fn every_kind_of_refusal_is_a_problem_that_names_its_field() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    let user = format!("/users/{}", agent.id);
    let contact = format!("/contacts/{}", id(&admin.create("/contacts", &json!({"name": "X"}))));
    let nobody = "01900000-0000-7000-8000-000000000000";

    let stranger = Client { http: server.http, token: String::new() };
    assert_eq!(blamed(&stranger.get("/contacts"), 401), None);
    assert_eq!(blamed(&agent.get("/users"), 403), None);
    assert_eq!(blamed(&admin.get(&format!("/users/{nobody}")), 404), None);
    for method in ["GET", "POST", "DELETE"] {
        assert_eq!(blamed(&admin.send(method, "/nothing/here", "{}", ""), 404), None, "{method}");
    }
    assert_eq!(blamed(&admin.send("PUT", "/contacts", "{}", ""), 405), None);
    assert_eq!(blamed(&admin.send("PATCH", &contact, "{}", ""), 428), None);
    assert_eq!(blamed(&admin.send("DELETE", &user, "", ""), 428), None);
    assert_eq!(blamed(&admin.patch(&contact, 7, &json!({})), 412), None);
    assert_eq!(blamed(&admin.delete(&contact, 7), 412), None);
    let odd = admin.send("PATCH", &contact, "{}", "If-Match: \"new\"\r\n");
    assert_eq!(blamed(&odd, 400), None);

    let taken = json!({"login": "maria", "role": "agent", "password": "long enough"});
    assert_eq!(blamed(&admin.post("/users", &taken), 409).as_deref(), Some("login"));
    let cases = [
        (json!({"login": "o", "role": "agent", "password": "short"}), "password"),
        (json!({"login": "o", "role": "agent"}), "password"),
        (json!({"login": "", "role": "agent", "password": "long enough"}), "login"),
        (json!({"login": "a\r\nb", "role": "agent", "password": "long enough"}), "login"),
        (json!({"login": "o", "role": "agent", "password": "long enough", "extension": "2a"}), "extension"),
        (
            json!({"login": "o", "role": "agent", "password": "long enough", "ring_timeout_ms": 5}),
            "ring_timeout_ms",
        ),
        (json!({"login": "o", "role": "agent", "password": "long enough", "shoe": 41}), "shoe"),
    ];
    for (body, field) in cases {
        let reply = admin.post("/users", &body);
        assert_eq!(blamed(&reply, 422).as_deref(), Some(field), "{body}: {}", reply.text());
    }
    assert_eq!(admin.show("/users")["total"], 2, "nobody was added");
}

#[test]
fn a_body_that_cannot_be_read_is_a_problem_too() {
    let server = Server::start();
    let admin = server.admin();
    for body in ["", "{", "nonsense", "\u{0}", "{\"name\": \"X\"} trailing"] {
        assert_eq!(blamed(&admin.send("POST", "/contacts", body, ""), 400), None, "{body:?}");
    }
    for body in ["[]", "7", "null", "\"text\""] {
        blamed(&admin.send("POST", "/contacts", body, ""), 422);
    }
    blamed(&admin.send("POST", "/contacts", &format!("\"{}\"", "x".repeat(2 * 1024 * 1024)), ""), 413);
}

#[test]
fn health_is_told_to_everybody_and_nothing_else_is() {
    let server = Server::start();
    let ask = |path: &str| send(server.http, "GET", path, "", "").expect("an answer");
    assert_eq!(ask("/healthz").status, 200);
    assert_eq!(ask("/").status, 200, "the page on which one logs in");
    for path in ["/api/v1/session", "/api/v1/contacts", "/api/v1/calls"] {
        assert_eq!(ask(path).status, 401, "{path}");
    }
    // Even an answer to nobody is hardened.
    for path in ["/healthz", "/", "/api/v1/session", "/no/such/file"] {
        let reply = ask(path);
        let policy = reply.header("Content-Security-Policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"), "{path}");
    }
    let refused = ask("/api/v1/session").json();
    assert_eq!(refused["field"], Value::Null);
}
