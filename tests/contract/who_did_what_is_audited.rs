//! `/audit`: log-ins, changes of users and lines, and each listen to a recording, once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use linecard_calls::Recording;
use serde_json::{Value, json};

use super::clients::{AdminClient, Client, PASSWORD, id, log_in};
use super::server::Server;
use super::socket::SOON;
use crate::peers::eventually;

/// A recording of an agent's call that can be played.
fn record(server: &Server, agent_id: &str) -> Recording {
    let mut evidence = server.evidence();
    let mut call = evidence.call(agent_id, 0);
    let recording = evidence.record(&mut call, 250);
    evidence.save(&call, vec![recording.clone()]);
    recording
}

fn play(client: &Client, recording: &Recording, range: &str) -> u16 {
    let headers = if range.is_empty() { String::new() } else { format!("Range: {range}\r\n") };
    client.send("GET", &format!("/recordings/{}/media", recording.id), "", &headers).status
}

fn rows(admin: &AdminClient, action: &str) -> Vec<Value> {
    admin.items(&format!("/audit?action={action}"))
}

#[test]
fn each_listen_has_one_row_however_many_pieces_it_is_fetched_in() {
    let server = Server::start();
    let admin = server.admin();
    let maria = server.agent(&admin, "maria");
    let recording = record(&server, &maria.id);
    let listens = || rows(&admin, "recording_played");
    for (range, status) in
        [("bytes=0-43", 206), ("bytes=44-999", 206), ("bytes=1000-", 206), ("bytes=-9", 206)]
    {
        assert_eq!(play(&maria, &recording, range), status, "{range}");
    }
    let found = listens();
    assert_eq!(found.len(), 1, "{found:?}");
    let row = &found[0];
    assert_eq!(row["subject"], json!(recording.id.to_string()), "{row}");
    assert_eq!((&row["user_id"], &row["login"]), (&json!(maria.id), &json!("maria")), "{row}");
    assert_eq!(row["source"], "127.0.0.1", "{row}");

    assert_eq!(play(&maria, &recording, ""), 200);
    assert_eq!(listens().len(), 2, "from the beginning once more");
    assert_eq!(play(&admin, &recording, "bytes=44-"), 206);
    assert_eq!(listens().len(), 3, "somebody else, from within");
    assert_eq!(play(&maria, &recording, "bytes=999999-"), 416);
    let head = maria.send("HEAD", &format!("/recordings/{}/media", recording.id), "", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    let olga = server.agent(&admin, "olga");
    assert_eq!(play(&olga, &recording, ""), 404);
    assert_eq!(listens().len(), 3, "what gave no sound is no listen");
}

#[test]
fn a_recording_that_is_saved_as_a_file_is_an_export() {
    let server = Server::start();
    let admin = server.admin();
    let maria = server.agent(&admin, "maria");
    let recording = record(&server, &maria.id);
    let saved = maria.get(&format!("/recordings/{}/media?download=true", recording.id));
    assert_eq!(saved.status, 200);
    let named = format!("attachment; filename=\"{}.wav\"", recording.id);
    assert_eq!(saved.header("Content-Disposition"), Some(named.as_str()));
    assert_eq!(rows(&admin, "recording_exported").len(), 1);
    assert_eq!(rows(&admin, "recording_played").len(), 0);
    let played = maria.get(&format!("/recordings/{}/media", recording.id));
    assert!(played.header("Content-Disposition").is_none());
    let refused = maria.get(&format!("/recordings/{}/media?download=perhaps", recording.id));
    assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("download")));
}

#[test]
fn what_was_typed_as_a_log_in_is_written_nowhere() {
    let server = Server::start();
    let admin = server.admin();
    let evidence = server.evidence();
    let lock = evidence.lock();
    assert_eq!(log_in(server.http, "my secret password", "maria", "").status, 401);
    let spool = std::fs::read_to_string(server.data_dir().join("spool/audit.jsonl")).expect("the spool");
    assert_eq!(spool.lines().count(), 1, "{spool}");
    assert!(!spool.contains("secret"), "{spool}");
    drop(lock);
    eventually("the row is in the database", SOON, || {
        let text = admin.get("/audit?action=login_failed").text();
        assert!(!text.contains("secret"), "{text}");
        text.contains("\"total\":1").then_some(())
    });
}

#[test]
fn log_ins_and_changes_name_who_and_what() {
    let server = Server::start();
    let admin = server.admin();
    let admin_id = admin.show("/session")["user"]["id"].clone();
    assert_eq!(log_in(server.http, "admin", "a wrong password", "").status, 401);
    assert_eq!(log_in(server.http, "nobody", "a wrong password", "").status, 401);
    let maria = server.agent(&admin, "maria");
    let line = id(&admin.add_line(server.http, "100", None));
    admin.change(&format!("/users/{}", maria.id), &json!({"name": "Мария"}));
    admin.change(&format!("/lines/{line}"), &json!({"name": "Офис"}));
    let device = id(&admin.create(&format!("/users/{}/devices", maria.id), &json!({"kind": "browser"})));
    assert_eq!(admin.send("DELETE", &format!("/users/{}/devices/{device}", maria.id), "", "").status, 204);
    assert_eq!(maria.send("DELETE", "/session", "", "").status, 204);
    let version = admin.show(&format!("/users/{}", maria.id))["version"].as_i64().expect("a version");
    assert_eq!(admin.delete(&format!("/users/{}", maria.id), version).status, 204);
    assert_eq!(
        admin.post("/users", &json!({"login": "admin", "role": "agent", "password": PASSWORD})).status,
        409
    );

    let told: Vec<(String, Value, Value)> = admin
        .items("/audit")
        .into_iter()
        .rev()
        .map(|row| {
            let action = row["action"].as_str().expect("an action").to_owned();
            (action, row["user_id"].clone(), row["subject"].clone())
        })
        .collect();
    let by_admin = |action: &str, subject: &str| (action.to_owned(), admin_id.clone(), json!(subject));
    let own = |action: &str, user: &Value| (action.to_owned(), user.clone(), Value::Null);
    let expected = [
        own("login", &admin_id),
        own("login_failed", &admin_id),
        own("login_failed", &Value::Null),
        by_admin("user_changed", &maria.id),
        own("login", &json!(maria.id)),
        by_admin("line_changed", &line),
        by_admin("user_changed", &maria.id),
        by_admin("line_changed", &line),
        by_admin("user_changed", &maria.id),
        by_admin("user_changed", &maria.id),
        own("logout", &json!(maria.id)),
        by_admin("user_changed", &maria.id),
    ];
    assert_eq!(told, expected);
    let maria_was = admin.items(&format!("/audit?user_id={}&action=logout", maria.id));
    assert_eq!(maria_was[0]["login"], "maria", "a row outlives its user");
    assert!(!admin.get("/audit?format=csv").text().contains("password"));
}

#[test]
fn who_hangs_up_on_a_change_is_audited_all_the_same() {
    let server = Server::start();
    let admin = server.admin();
    let evidence = server.evidence();
    let lock = evidence.lock();
    let body = json!({"login": "ghost", "role": "admin", "password": PASSWORD}).to_string();
    let mut stream = TcpStream::connect(server.http).expect("a connection");
    write!(
        stream,
        "POST /api/v1/users HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
        server.http,
        admin.token,
        body.len()
    )
    .expect("the request is sent");
    // Long enough that the new user waits for the lock when nobody waits for the answer any more.
    assert!(stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok() && stream.read(&mut [0]).is_err());
    drop(stream);
    assert_eq!(admin.show("/users")["total"], 1, "it was not done before");
    drop(lock);
    eventually("the user is there", SOON, || (admin.show("/users")["total"] == 2).then_some(()));
    eventually("and the row", SOON, || (rows(&admin, "user_changed").len() == 1).then_some(()));
}

#[test]
fn the_audit_is_found_by_who_what_and_when() {
    let server = Server::start();
    let admin = server.admin();
    let maria = server.agent(&admin, "maria");
    let all = admin.show("/audit");
    assert_eq!(all["total"], 3, "two log-ins and a new user: {all}");
    let by_maria = admin.items(&format!("/audit?user_id={}", maria.id));
    assert_eq!((by_maria.len(), &by_maria[0]["action"]), (1, &json!("login")));
    let at = by_maria[0]["at"].as_str().expect("a time").to_owned();
    let until = admin.show(&format!("/audit?until={at}"))["total"].as_i64().expect("a number");
    let from = admin.show(&format!("/audit?from={at}"))["total"].as_i64().expect("a number");
    assert_eq!((until + from, from >= 1), (3, true), "the two halves are the whole");
    for (query, field) in
        [("action=listened", "action"), ("from=yesterday", "from"), ("user_id=5", "user_id")]
    {
        let refused = admin.get(&format!("/audit?{query}"));
        assert_eq!((refused.status, refused.json()["field"].as_str()), (422, Some(field)), "{query}");
    }
    let walked = admin.show("/audit?limit=2");
    let next = walked["next"].as_str().expect("more").replace(':', "%3A");
    assert_eq!(admin.items(&format!("/audit?limit=2&cursor={next}")).len(), 1);
    assert_eq!(admin.get("/audit?format=csv").text().lines().count(), 4);
}

#[test]
fn a_locked_database_delays_no_listen_and_loses_no_row() {
    let server = Server::start();
    let admin = server.admin();
    let maria = server.agent(&admin, "maria");
    let recording = record(&server, &maria.id);
    let evidence = server.evidence();
    let lock = evidence.lock();
    let begun = Instant::now();
    assert_eq!(play(&maria, &recording, ""), 200);
    // The database's own patience is 5 s.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(rows(&admin, "recording_played").len(), 0, "nothing can be written");
    let spool = std::fs::read_to_string(server.data_dir().join("spool/audit.jsonl")).expect("the spool");
    assert_eq!(spool.lines().count(), 1, "the row is on the disk: {spool}");
    drop(lock);
    let found = eventually("the row is in the database", SOON, || {
        Some(rows(&admin, "recording_played")).filter(|rows| !rows.is_empty())
    });
    assert_eq!((found.len(), &found[0]["login"]), (1, &json!("maria")), "{found:?}");
    eventually("the spool is empty", SOON, || {
        let length = std::fs::metadata(server.data_dir().join("spool/audit.jsonl")).expect("the spool").len();
        (length == 0).then_some(())
    });
}
