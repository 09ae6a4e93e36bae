//! `Idempotency-Key` on POST: the same key and body get the same answer and are done once; another body gets 422.

use std::sync::Barrier;

use serde_json::{Value, json};

use super::clients::Client;
use super::server::Server;
use crate::peers::http::Reply;

fn post(client: &Client, path: &str, key: &str, body: &Value) -> Reply {
    client.send("POST", path, &body.to_string(), &format!("Idempotency-Key: {key}\r\n"))
}

#[test]
fn the_same_key_and_body_get_the_same_answer_and_are_done_once() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    let cases = [
        ("/contacts", json!({"name": "Пётр", "numbers": [{"number": "88312123456"}]})),
        ("/companies", json!({"name": "ООО"})),
        ("/lines", json!({"server": "192.0.2.1", "username": "100", "password": "x"})),
        ("/users", json!({"login": "olga", "role": "agent", "password": "long enough"})),
        (&format!("/users/{}/devices", agent.id), json!({"kind": "sip", "uri": "201"})),
    ];
    for (path, body) in cases {
        let before = admin.show(path)["total"].as_i64().expect("total");
        let key = format!("key-{}", path.replace('/', "-"));
        let first = post(&admin, path, &key, &body);
        let again = post(&admin, path, &key, &body);
        assert_eq!(first.status, 201, "{path}: {}", first.text());
        assert_eq!((again.status, again.json()), (201, first.json()), "{path}");
        assert_eq!(again.header("Content-Type"), first.header("Content-Type"), "{path}");
        assert_eq!(admin.show(path)["total"], before + 1, "{path}: done once");
    }
}

#[test]
fn another_body_under_the_same_key_is_refused() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    let first = post(&admin, "/contacts", "k1", &json!({"name": "A"}));
    assert_eq!(first.status, 201);
    let other = post(&admin, "/contacts", "k1", &json!({"name": "B"}));
    assert_eq!(other.status, 422, "{}", other.text());
    assert_eq!(other.header("Content-Type"), Some("application/problem+json"));
    let elsewhere = post(&admin, "/companies", "k1", &json!({"name": "A"}));
    assert_eq!(elsewhere.status, 201, "another path has keys of its own: {}", elsewhere.text());
    assert_eq!(admin.show("/contacts")["total"], 1);
    assert_eq!(admin.show("/companies")["total"], 1);
    let of_agent = post(&agent, "/contacts", "k1", &json!({"name": "B"}));
    assert_eq!(of_agent.status, 201, "another user's keys are its own: {}", of_agent.text());
    let without = admin.post("/contacts", &json!({"name": "A"}));
    assert_ne!(without.json()["id"], first.json()["id"], "without a key every POST is done");
    assert_eq!(
        post(&admin, "/contacts", "k2", &json!({"name": "A"})).status,
        201,
        "a new key is a new request"
    );
}

#[test]
fn a_refusal_is_not_done_later_and_a_key_must_be_one() {
    let server = Server::start();
    let admin = server.admin();
    let refused = post(&admin, "/contacts", "k1", &json!({"name": ""}));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!(refused.json()["field"], "name");
    let again = post(&admin, "/contacts", "k1", &json!({"name": ""}));
    assert_eq!((again.status, again.json()), (422, refused.json()), "the same answer");
    assert_eq!(admin.show("/contacts")["total"], 0);
    let long = post(&admin, "/contacts", &"k".repeat(1_000), &json!({"name": "A"}));
    assert!((400..500).contains(&long.status), "{}", long.text());
    assert_eq!(admin.show("/contacts")["total"], 0);
}

#[test]
fn ten_at_once_under_one_key_are_done_once() {
    let server = Server::start();
    let admin = server.admin();
    let (barrier, body) = (Barrier::new(10), json!({"name": "Пётр"}));
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            post(&admin, "/contacts", "at-once", &body)
        };
        let asking: Vec<_> = (0..10).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|it| it.join().expect("an answer")).collect()
    });
    assert_eq!(admin.show("/contacts")["total"], 1, "done once");
    let made: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 201).collect();
    assert!(!made.is_empty());
    assert!(made.iter().all(|reply| reply.json() == made[0].json()), "one object");
    // Who comes while the first is at work may be told to wait.
    assert!(replies.iter().all(|reply| [201, 409].contains(&reply.status)), "{replies:?}");
}
