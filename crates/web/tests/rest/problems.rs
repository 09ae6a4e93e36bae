//! What cannot be done is told as problem+json, with the field to blame, whoever noticed it.

use axum::http::{HeaderValue, Method, StatusCode, header};
use linecard_calls::{RecordingState, Role};
use serde_json::json;

use crate::support::{Desk, Person, add_recorded, request};

const UNKNOWN: &str = "01999999-9999-7999-8999-999999999999";

/// Every path with a variable, with each method that it takes.
fn paths_with_an_id(id: &str) -> Vec<(Method, String)> {
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    vec![
        (get.clone(), format!("/users/{id}")),
        (patch.clone(), format!("/users/{id}")),
        (delete.clone(), format!("/users/{id}")),
        (get.clone(), format!("/users/{id}/devices")),
        (post.clone(), format!("/users/{id}/devices")),
        (delete.clone(), format!("/users/{id}/devices/{id}")),
        (post.clone(), format!("/users/{id}/devices/{id}/rotate")),
        (delete.clone(), format!("/sessions/{id}")),
        (get.clone(), format!("/lines/{id}")),
        (patch.clone(), format!("/lines/{id}")),
        (delete.clone(), format!("/lines/{id}")),
        (post.clone(), format!("/lines/{id}/check")),
        (post.clone(), format!("/lines/{id}/put-back")),
        (get.clone(), format!("/contacts/{id}")),
        (patch.clone(), format!("/contacts/{id}")),
        (delete.clone(), format!("/contacts/{id}")),
        (get.clone(), format!("/companies/{id}")),
        (patch.clone(), format!("/companies/{id}")),
        (delete, format!("/companies/{id}")),
        (post.clone(), format!("/calls/{id}/hangup")),
        (post.clone(), format!("/calls/{id}/hold")),
        (post.clone(), format!("/calls/{id}/retrieve")),
        (post.clone(), format!("/calls/{id}/transfer")),
        (post.clone(), format!("/calls/{id}/dtmf")),
        (get.clone(), format!("/missed/{id}")),
        (post.clone(), format!("/missed/{id}/claim")),
        (post, format!("/missed/{id}/close")),
        (get.clone(), format!("/interactions/{id}")),
        (patch, format!("/interactions/{id}")),
        (get.clone(), format!("/interactions/{id}/explain")),
        (get.clone(), format!("/interactions/{id}/recorded-sessions")),
        (get.clone(), format!("/recordings/{id}")),
        (get.clone(), format!("/recordings/{id}/media")),
        (get, format!("/recordings/{id}/peaks")),
    ]
}

async fn open() -> (Desk, Person) {
    let mut desk = Desk::open().await;
    let admin = desk.person("admin", Role::Admin).await;
    (desk, admin)
}

#[tokio::test]
async fn an_id_that_names_nothing_or_is_none_is_not_found() {
    let (desk, admin) = open().await;
    let router = include_str!("../../src/router.rs");
    let variables = router.matches("{id}").count();
    let mut paths: Vec<_> = paths_with_an_id("x").into_iter().map(|(_, path)| path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), variables, "a path with an id is missing here");
    for id in [UNKNOWN, "5", "not-a-uuid", "%FF", "..%2f..%2fetc"] {
        for (method, path) in paths_with_an_id(id) {
            let body = match (&method, path.rsplit('/').next().unwrap_or_default()) {
                (&Method::POST, "devices") => r#"{"kind": "browser"}"#,
                (&Method::POST, "dtmf") => r#"{"digits": "1"}"#,
                (&Method::POST, "transfer") => r#"{"kind": "blind", "to": "105"}"#,
                (&Method::PATCH, _) => "{}",
                _ => "",
            };
            let mut asked = request(method.clone(), &path, Some(&admin), body);
            asked.headers_mut().insert(header::IF_MATCH, HeaderValue::from_static("\"1\""));
            let answer = desk.send(asked).await;
            assert_eq!(answer.problem(404), None, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_query_that_cannot_be_used_names_its_parameter() {
    let (desk, admin) = open().await;
    let lists = ["/users", "/lines", "/contacts", "/companies", "/calls", "/interactions", "/recordings"];
    for list in lists {
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("limit=-1", "limit"),
            ("limit=many", "limit"),
            ("limit=", "limit"),
            ("limit=1&limit=2", "limit"),
            ("cursor=nonsense", "cursor"),
            ("cursor=", "cursor"),
            ("format=xml", "format"),
        ] {
            let answer = desk.get(&admin, &format!("{list}?{query}")).await;
            assert_eq!(answer.problem(422).as_deref(), Some(field), "{list}?{query}");
        }
    }
    for (query, field) in [
        ("from=yesterday", "from"),
        ("until=2026-13-01T00:00:00Z", "until"),
        ("direction=sideways", "direction"),
        ("outcome=ANSWERED", "outcome"),
        ("user_id=me", "user_id"),
        ("contact_id=5", "contact_id"),
        ("recorded=yes", "recorded"),
    ] {
        let answer = desk.get(&admin, &format!("/interactions?{query}")).await;
        assert_eq!(answer.problem(422).as_deref(), Some(field), "{query}");
    }
    assert_eq!(desk.get(&admin, "/contacts/match").await.problem(422).as_deref(), Some("number"));
}

#[tokio::test]
async fn a_body_that_cannot_be_used_names_its_field() {
    let (desk, admin) = open().await;
    let cases = [
        ("/contacts", json!({}), "name"),
        ("/contacts", json!({"name": 5}), "name"),
        ("/contacts", json!({"name": "a\r\nb"}), "name"),
        ("/contacts", json!({"name": "a", "phone": "1"}), "phone"),
        ("/contacts", json!({"name": "a", "numbers": [{"label": "x"}]}), "numbers[0].number"),
        ("/contacts", json!({"name": "a", "responsible_id": "me"}), "responsible_id"),
        ("/contacts", json!({"name": "a", "responsible_id": UNKNOWN}), "responsible_id"),
        ("/contacts", json!({"name": "a", "company_id": UNKNOWN}), "company_id"),
        ("/companies", json!({"name": " "}), "name"),
        ("/users", json!({"login": "a", "role": "boss", "password": "long enough"}), "role"),
        ("/users", json!({"login": "a", "role": "agent"}), "password"),
        ("/users", json!({"login": "a", "role": "agent", "password": "short"}), "password"),
        ("/lines", json!({"server": "a b", "username": "u", "password": "p"}), "server"),
        ("/lines", json!({"server": "a", "username": "u", "password": "p", "user_id": UNKNOWN}), "user_id"),
    ];
    for (path, body, field) in cases {
        let answer = desk.post(&admin, path, &body).await;
        assert_eq!(answer.problem(422).as_deref(), Some(field), "{path} {body}");
    }
    let devices = format!("/users/{}/devices", admin.id);
    for (body, field) in
        [(json!({"kind": "fax"}), "kind"), (json!({}), "kind"), (json!({"kind": "sip"}), "uri")]
    {
        assert_eq!(desk.post(&admin, &devices, &body).await.problem(422).as_deref(), Some(field), "{body}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_much_of_it_is_refused() {
    let (desk, admin) = open().await;
    let post = |body: &str| request(Method::POST, "/contacts", Some(&admin), body);
    let deep = format!("{{\"name\": \"a\", \"custom\": {{\"k\": {}", "[".repeat(10_000));
    for body in ["{", "имя=Пётр", "{\"name\": \"a\"} {}", &deep] {
        desk.send(post(body)).await.problem(400);
    }
    desk.send(post("[]")).await.problem(422);
    desk.send(post(&format!("\"{}\"", "x".repeat(1024 * 1024)))).await.problem(413);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/xml; charset=utf-8", ""] {
        let mut asked = post("{\"name\": \"Пётр\"}");
        asked.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        desk.send(asked).await.problem(415);
    }
    let mut asked = post("{\"name\": \"Пётр\"}");
    asked
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("Application/JSON; charset=utf-8"));
    assert_eq!(desk.send(asked).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_version_must_be_named_and_be_the_newest() {
    let (desk, admin) = open().await;
    let contact = desk.post(&admin, "/contacts", &json!({"name": "Пётр"})).await.json();
    let company = desk.post(&admin, "/companies", &json!({"name": "Ромашка"})).await.json();
    let objects = [
        ("contacts", contact["id"].clone()),
        ("companies", company["id"].clone()),
        ("users", json!(admin.id)),
    ];
    for (kind, id) in objects {
        let path = format!("/{kind}/{}", id.as_str().expect("an id"));
        for method in [Method::PATCH, Method::DELETE] {
            let send = |version: Option<&'static str>| {
                let mut asked = request(method.clone(), &path, Some(&admin), r#"{"name": "a"}"#);
                if let Some(version) = version {
                    asked.headers_mut().insert(header::IF_MATCH, HeaderValue::from_static(version));
                }
                desk.send(asked)
            };
            send(None).await.problem(428);
            send(Some("\"99\"")).await.problem(412);
            send(Some("newest")).await.problem(400);
        }
    }
}

#[tokio::test]
async fn an_unknown_path_or_method_is_a_problem_too() {
    let (desk, admin) = open().await;
    for path in ["/nothing", "/contacts/a/b", "", "/", "/../v2/contacts", "/session/x"] {
        for method in [Method::GET, Method::POST] {
            let answer = desk.send(request(method.clone(), path, Some(&admin), "")).await;
            let status = answer.status.as_u16();
            assert!(status == 404 || status == 405, "{method} {path}: {status}");
            answer.problem(status);
        }
        desk.get(&admin, path).await.problem(404);
    }
    for (method, path, allowed) in [
        (Method::PUT, "/contacts", "GET,HEAD,POST"),
        (Method::DELETE, "/calls", "GET,HEAD,POST"),
        (Method::GET, "/calls/x/hangup", "POST"),
        (Method::POST, "/events", "GET,HEAD"),
    ] {
        let answer = desk.send(request(method.clone(), path, Some(&admin), "")).await;
        answer.problem(405);
        assert_eq!(answer.header(header::ALLOW), allowed, "{method} {path}");
    }
    desk.get(&admin, "/events").await.problem(400);
}

#[tokio::test]
async fn nobody_and_the_wrong_role_are_told_so_before_anything_else() {
    let (mut desk, _) = open().await;
    let agent = desk.person("agent", Role::Agent).await;
    for (method, path) in paths_with_an_id("not-an-id") {
        desk.send(request(method.clone(), &path, None, "")).await.problem(401);
        if path.starts_with("/users") || path.starts_with("/lines") {
            desk.send(request(method, &path, Some(&agent), "")).await.problem(403);
        }
    }
    for path in ["/users?limit=0", "/lines?format=xml"] {
        desk.send(request(Method::GET, path, None, "")).await.problem(401);
        desk.get(&agent, path).await.problem(403);
    }
}

#[tokio::test]
async fn a_recording_that_cannot_be_heard_says_why() {
    let (mut desk, admin) = open().await;
    let agent = desk.person("agent", Role::Agent).await;
    let (_, writing) = add_recorded(&mut desk, &admin, RecordingState::Recording).await;
    desk.get(&admin, &format!("/recordings/{writing}/media")).await.problem(409);
    let (_, finished) = add_recorded(&mut desk, &admin, RecordingState::Finished).await;
    let media = format!("/recordings/{finished}/media");
    desk.get(&admin, &media).await.problem(404);
    std::fs::write(desk.dir.path().join(format!("{finished}.wav")), [7; 100]).expect("a file");
    assert_eq!(desk.get(&admin, &media).await.body, [7; 100]);
    desk.get(&agent, &media).await.problem(404);
    let mut behind = request(Method::GET, &media, Some(&admin), "");
    behind.headers_mut().insert(header::RANGE, HeaderValue::from_static("bytes=100-"));
    let answer = desk.send(behind).await;
    answer.problem(416);
    assert_eq!(answer.header(header::CONTENT_RANGE), "bytes */100");
}
