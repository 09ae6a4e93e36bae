//! What `cargo demo` starts, with the program under test: customers who really speak call, agents answer, and each call
//! leaves its interaction and its recording.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use xtask::demo;

use super::server::SOON;
use crate::peers::eventually;
use crate::peers::http::request;

/// Two customers have called, talked and hung up by then.
const TWO_CALLS: Duration = Duration::from_secs(75);

#[test]
fn customers_call_and_agents_answer_until_it_is_over() {
    let home = tempfile::tempdir().expect("a folder");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_linecard"));
    let mut office = demo::Office::open(home.path(), program).expect("the office opens");
    let http = office.http();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let calling = scope.spawn(|| office.receive_calls(&over));
        let seen = std::panic::catch_unwind(|| two_calls(http));
        over.store(true, Ordering::Relaxed);
        calling.join().expect("the customers stop");
        seen.expect("the calls are there");
    });
    drop(office);
    assert!(TcpStream::connect(http).is_err(), "nothing is left running");
}

fn two_calls(http: std::net::SocketAddr) {
    let (login, password) = demo::admin();
    let body = json!({"login": login, "password": password}).to_string();
    let session = request(http, "POST", "/api/v1/session", &body, None).expect("an answer").json();
    let token = session["token"].as_str().expect("a token");
    let get = |path: &str| request(http, "GET", path, "", Some(token)).expect("an answer").json();
    let talks = eventually("two customers have talked with an agent", TWO_CALLS, || {
        let list = get("/api/v1/interactions");
        let items = list["items"].as_array()?;
        let answered = |it: &&Value| it["outcome"] == "answered" && it["state"] == "ended";
        let answered = items.iter().filter(answered).cloned();
        Some(answered.collect::<Vec<Value>>()).filter(|talks| talks.len() >= 2)
    });
    for talk in talks {
        assert!(talk["talk_ms"].as_i64().expect("talk_ms") > 3_000, "{talk}");
        let path = format!("/api/v1/recordings/{}", talk["recording_ids"][0].as_str().expect("one"));
        eventually("the recording is finished", SOON, || (get(&path)["state"] == "finished").then_some(()));
        let caller =
            get(&format!("/api/v1/contacts/{}", talk["contact_id"].as_str().expect("a known customer")));
        assert_eq!(caller["numbers"][0]["e164"], talk["caller_number"], "{caller}");
    }
}
