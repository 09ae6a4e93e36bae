//! A fleet of simulated PBXes calls at the real binary and compares what came of each call with what happened; and the
//! scorecard is no flatterer: what was taken away is missed.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::Linecard;
use super::server::PASSWORD;

/// Runs a command of the program beside a server, for longer than others may: the runner of the tests bounds it.
fn patiently(server: &Linecard, words: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linecard"));
    command.arg("--config").arg(server.config()).args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().expect("the command starts");
    // One that ends without reading it is no failure of the test.
    let _ = writeln!(running.stdin.take().expect("piped"), "{PASSWORD}");
    let ended = running.wait_with_output().expect("the command ends");
    let said = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (ended.status.code().unwrap_or(-1), said.concat())
}

/// Runs `linecard simulate` at a server.
fn simulate(server: &Linecard, more: &[&str]) -> (i32, String) {
    let url = format!("http://{}", server.http);
    // The machine has other work, and the server is a debug build: what comes out is judged, not how fast.
    let fixed = ["simulate", "--url", &url, "--login", "admin", "--password-stdin", "--slack", "3000"];
    patiently(server, &[&fixed, more].concat())
}

#[test]
fn the_fleet_finds_no_wrong_call() {
    let server = Linecard::start();
    for (calls, rate, faults) in [("400", "20", "none"), ("2000", "18", "mild")] {
        let world = ["--calls", calls, "--rate", rate, "--seed", "20", "--faults", faults];
        let (code, text) = simulate(&server, &world);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("all is right"), "{text}");
        assert!(!text.contains("handed over   0,"), "customers are handed over: {text}");
    }
    let users = server.get("/users")["items"].as_array().expect("a list").len();
    assert_eq!(users, 1, "what was simulated is gone but for its history");
    for words in [&["recording", "verify", "--all"][..], &["replay"]] {
        let (code, text) = patiently(&server, words);
        assert!(code == 0 && !text.contains("FAULT"), "{words:?}: {text}");
    }
}

#[test]
fn a_scorecard_is_read_by_programs_and_a_seed_gives_the_same_calls() {
    let server = Linecard::start();
    let world = ["--calls", "40", "--rate", "10", "--seed", "7", "--profile", "kamailio", "--json"];
    let cards = [(), ()].map(|()| {
        let (code, text) = simulate(&server, &world);
        assert_eq!(code, 0, "{text}");
        let json = text.find('{').map_or("", |from| &text[from..=text.rfind('}').unwrap_or(from)]);
        serde_json::from_str::<Value>(json).unwrap_or_else(|error| panic!("{error}: {text}"))
    });
    for name in ["calls", "interactions_right", "pops_right", "recordings_complete", "missed_right"] {
        assert_eq!(cards[0][name], cards[1][name], "{name}");
        assert!(cards[0][name].as_u64() > Some(0), "{name}: {}", cards[0]);
    }
}

#[test]
fn a_server_that_records_nothing_is_not_right() {
    let server = Linecard::start_with("[recording]\ndefault = \"none\"\n");
    let (code, text) = simulate(&server, &["--calls", "30", "--rate", "10", "--seed", "3"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("recording missing, call"), "{text}");
    assert!(text.contains("NOT RIGHT") && text.contains("linecard explain"), "{text}");
}

#[test]
fn wrong_wishes_are_named() {
    let server = Linecard::start();
    for (wish, named) in [
        (["--calls", "0"], "--calls"),
        (["--rate", "501"], "--rate"),
        (["--profile", "nortel"], "--profile"),
        (["--url", "ftp://a"], "--url"),
    ] {
        let (code, text) = simulate(&server, &wish);
        assert_eq!(code, 2, "{text}");
        assert!(text.contains(named), "{text}");
    }
}
