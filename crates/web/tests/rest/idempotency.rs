//! A POST that is repeated because its answer was lost.

use std::future::{Future, poll_fn};
use std::task::Poll;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, StatusCode};
use linecard_calls::Role;
use serde_json::{Value, json};

use crate::support::{Answer, Desk, PASSWORD, Person, pass, request};

const DAY_MS: i64 = 24 * 3_600_000;

fn keyed(person: &Person, path: &str, key: &str, body: &Value) -> Request<Body> {
    let mut request = request(Method::POST, path, Some(person), &body.to_string());
    request.headers_mut().insert("idempotency-key", HeaderValue::try_from(key).expect("a header's value"));
    request
}

fn contact(name: &str) -> Value {
    json!({"name": name, "numbers": [{"number": "8 (831) 212-34-56"}]})
}

fn user(login: &str) -> Value {
    json!({"login": login, "role": "agent", "password": PASSWORD})
}

async fn count(desk: &Desk, person: &Person, path: &str) -> Value {
    desk.get(person, path).await.json()["total"].clone()
}

fn is_replay(answer: &Answer, of: &Answer) -> bool {
    assert_eq!((answer.status, &answer.body), (of.status, &of.body));
    assert_eq!(answer.header("content-type"), of.header("content-type"));
    answer.header("idempotency-replayed") == "true"
}

#[tokio::test]
async fn the_same_key_and_body_get_the_same_answer_and_make_one_object() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let first = desk.send(keyed(&admin, "/contacts", "k", &contact("Пётр"))).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (StatusCode::CREATED, ""));
    let again = desk.send(keyed(&admin, "/contacts", "k", &contact("Пётр"))).await;
    assert!(is_replay(&again, &first));
    assert_eq!(count(&desk, &admin, "/contacts").await, 1);
    let other = desk.send(keyed(&admin, "/contacts", "k", &contact("Павел"))).await;
    assert_eq!(other.problem(422).as_deref(), Some("Idempotency-Key"));
    assert_eq!(count(&desk, &admin, "/contacts").await, 1);
    assert_eq!(desk.post(&admin, "/contacts", &contact("Пётр")).await.status, StatusCode::CREATED);
    assert_eq!(count(&desk, &admin, "/contacts").await, 2, "without a key every request is done");
}

#[tokio::test]
async fn a_key_belongs_to_its_user_and_path() {
    let mut desk = Desk::open().await;
    let (admin, anna) = (desk.person("admin", Role::Admin).await, desk.person("anna", Role::Agent).await);
    let body = json!({"name": "Ромашка"});
    let mut answers = Vec::new();
    for (person, path) in [(&admin, "/contacts"), (&anna, "/contacts"), (&admin, "/companies")] {
        let answer = desk.send(keyed(person, path, "k", &body)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{path}");
        answers.push(answer.json()["id"].clone());
    }
    answers.sort_by_key(Value::to_string);
    answers.dedup();
    assert_eq!(answers.len(), 3);
}

#[tokio::test]
async fn a_refusal_that_was_decided_is_given_again_and_one_that_may_pass_is_not() {
    let mut desk = Desk::open().await;
    let (admin, anna) = (desk.person("admin", Role::Admin).await, desk.person("anna", Role::Agent).await);
    let refused = desk.send(keyed(&admin, "/contacts", "k", &contact(""))).await;
    assert_eq!(refused.problem(422).as_deref(), Some("name"));
    assert!(is_replay(&desk.send(keyed(&admin, "/contacts", "k", &contact(""))).await, &refused));
    let taken = desk.send(keyed(&admin, "/users", "k", &user("anna"))).await;
    assert_eq!(taken.problem(409).as_deref(), Some("login"));
    assert!(is_replay(&desk.send(keyed(&admin, "/users", "k", &user("anna"))).await, &taken));
    for _ in 0..2 {
        let forbidden = desk.send(keyed(&anna, "/users", "k", &user("boris"))).await;
        forbidden.problem(403);
        assert_eq!(forbidden.header("idempotency-replayed"), "");
    }
    let call = format!("/calls/{}/hangup", admin.id);
    desk.stop();
    for _ in 0..2 {
        let stopping = desk.send(keyed(&admin, &call, "k", &json!({}))).await;
        stopping.problem(503);
        assert_eq!(stopping.header("idempotency-replayed"), "");
    }
}

#[tokio::test]
async fn while_a_request_is_being_done_its_repetition_is_told_to_wait() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let open = desk.hold_reload();
    let first = desk.send(keyed(&admin, "/users", "k", &user("boris")));
    let second = async {
        while count(&desk, &admin, "/users").await != 2 {
            tokio::task::yield_now().await;
        }
        desk.send(keyed(&admin, "/users", "k", &user("boris"))).await.problem(409);
        let other_key = desk.send(keyed(&admin, "/users", "other", &user("vera"))).await;
        assert_eq!(other_key.status, StatusCode::CREATED, "only its own key waits");
        open.send(()).expect("the first request waits");
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(first.status, StatusCode::CREATED);
    assert!(is_replay(&desk.send(keyed(&admin, "/users", "k", &user("boris"))).await, &first));
    assert_eq!(count(&desk, &admin, "/users").await, 3);
}

#[tokio::test]
async fn a_request_whose_client_hung_up_is_done_and_its_repetition_answered() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let open = desk.hold_reload();
    {
        let mut first = std::pin::pin!(desk.send(keyed(&admin, "/users", "k", &user("boris"))));
        while count(&desk, &admin, "/users").await != 2 {
            let waits = poll_fn(|context| Poll::Ready(first.as_mut().poll(context).is_pending())).await;
            assert!(waits, "the first request stands at the gate");
        }
    }
    open.send(()).expect("the first request goes on without its client");
    let again = loop {
        let again = desk.send(keyed(&admin, "/users", "k", &user("boris"))).await;
        if again.status != StatusCode::CONFLICT || again.json()["field"] != Value::Null {
            break again;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::CREATED, "true"));
    assert_eq!(count(&desk, &admin, "/users").await, 2);
}

#[tokio::test]
async fn a_key_is_good_for_a_day() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    desk.send(keyed(&admin, "/contacts", "k", &contact("Пётр"))).await;
    pass(DAY_MS - 1);
    let admin = desk.log_in("admin", admin.id).await;
    let again = desk.send(keyed(&admin, "/contacts", "k", &contact("Пётр"))).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    pass(2);
    let anew = desk.send(keyed(&admin, "/contacts", "k", &contact("Пётр"))).await;
    assert_eq!((anew.status, anew.header("idempotency-replayed")), (StatusCode::CREATED, ""));
    let again = desk.send(keyed(&admin, "/contacts", "k", &contact("Пётр"))).await;
    assert!(is_replay(&again, &anew), "the new answer has taken the old one's place");
    assert_eq!(count(&desk, &admin, "/contacts").await, 2);
}

#[tokio::test]
async fn a_key_is_short_and_plain_and_there_is_one() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let longest = "k".repeat(255);
    let sound = desk.send(keyed(&admin, "/contacts", &longest, &contact("Пётр"))).await;
    assert_eq!(sound.status, StatusCode::CREATED);
    for key in ["", &"k".repeat(256), "ключ"] {
        let answer = desk.send(keyed(&admin, "/contacts", key, &contact("Павел"))).await;
        assert_eq!(answer.problem(422).as_deref(), Some("Idempotency-Key"), "{key:?}");
    }
    let mut two = keyed(&admin, "/contacts", "a", &contact("Павел"));
    two.headers_mut().append("idempotency-key", HeaderValue::from_static("b"));
    assert_eq!(desk.send(two).await.problem(422).as_deref(), Some("Idempotency-Key"));
    let large = contact(&"x".repeat(1024 * 1024));
    desk.send(keyed(&admin, "/contacts", "large", &large)).await.problem(413);
    assert_eq!(count(&desk, &admin, "/contacts").await, 1);
}

#[tokio::test]
async fn a_log_in_is_never_kept_and_a_key_opens_no_door() {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    let log_in = json!({"login": "admin", "password": PASSWORD});
    let first = desk.send(keyed(&admin, "/session", "k", &log_in)).await;
    let second = desk.send(keyed(&admin, "/session", "k", &log_in)).await;
    assert_eq!((first.status, second.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_ne!(first.json()["token"], second.json()["token"]);
    desk.send(keyed(&admin, "/contacts", "k", &contact("Пётр"))).await;
    let mut stranger = request(Method::POST, "/contacts", None, &contact("Пётр").to_string());
    stranger.headers_mut().insert("idempotency-key", HeaderValue::from_static("k"));
    desk.send(stranger).await.problem(401);
}
