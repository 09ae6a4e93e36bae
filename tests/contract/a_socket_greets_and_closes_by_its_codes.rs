//! `/events`: hello at once, the ways to log in, the origins, and each close code.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::clients::{PASSWORD, log_in};
use super::server::Server;
use super::socket::{EventSocket, Heard, SOON, cursor};

fn own_origin(server: &Server) -> String {
    format!("http://{}", server.http)
}

#[test]
fn hello_comes_at_once_and_names_session_epoch_and_heartbeat() {
    let server = Server::start();
    let admin = server.admin();
    let begun = Instant::now();
    let (_, first) = EventSocket::greeted(server.http, "", &[]);
    assert!(begun.elapsed() < Duration::from_secs(2), "before any log-in: {:?}", begun.elapsed());
    let (_, second) = EventSocket::greeted(server.http, "", &[]);
    assert!(first["heartbeat_ms"].as_u64().is_some_and(|ms| (1_000..=60_000).contains(&ms)), "{first}");
    assert_eq!(first["epoch"], second["epoch"], "one numbering");
    assert_ne!(first["session"], second["session"], "two sockets");
    let (_, snapshot) = EventSocket::logged_in(&admin);
    let epoch = first["epoch"].as_str().expect("an epoch");
    assert_eq!(cursor(&snapshot), format!("{epoch}:{}", snapshot["seq"]), "{snapshot}");
    let data = snapshot["data"].clone();
    assert_eq!(
        data,
        json!({"calls": [], "pops": [], "agents": [], "missed_open": 0}),
        "nothing has happened"
    );
}

#[test]
fn a_cookie_logs_in_from_an_allowed_page_and_from_nowhere_else() {
    let server = Server::start_with(|config| {
        config.server.allowed_origins = vec!["https://crm.example".to_owned()];
    });
    let admin = server.admin();
    let cookie = format!("linecard_session={}", admin.token);
    let own = own_origin(&server);
    let same_host = own.clone();
    for origin in [own.as_str(), same_host.as_str(), "https://crm.example"] {
        let headers = [("Cookie", cookie.as_str()), ("Origin", origin)];
        let (mut socket, _) = EventSocket::greeted(server.http, "", &headers);
        assert_eq!(socket.frame()["type"], "snapshot", "{origin}");
    }
    for origin in ["http://evil.example", "null", "https://crm.example.evil.example", "http://crm.example"] {
        let headers = [("Cookie", cookie.as_str()), ("Origin", origin)];
        assert_eq!(EventSocket::open(server.http, "", &headers).err(), Some(403), "{origin}");
        assert_eq!(EventSocket::open(server.http, "", &[("Origin", origin)]).err(), Some(403), "{origin}");
    }
    // Without Origin the cookie does not count, a token does.
    let (mut socket, _) = EventSocket::greeted(server.http, "", &[("Cookie", &cookie)]);
    assert_eq!(socket.hear(Duration::from_millis(500)), Heard::Nothing, "nobody is logged in");
    socket.send(&json!({"type": "auth", "token": admin.token}));
    assert_eq!(socket.frame()["type"], "snapshot");
    // A token in the URL is no log-in.
    let (mut socket, _) = EventSocket::greeted(server.http, &format!("?token={}", admin.token), &[]);
    assert_eq!(socket.hear(Duration::from_millis(500)), Heard::Nothing);
    // A dead cookie leaves the way of the token open.
    let dead = format!("linecard_session={}", "0".repeat(64));
    let (mut socket, _) = EventSocket::greeted(server.http, "", &[("Cookie", &dead), ("Origin", &own)]);
    socket.send(&json!({"type": "auth", "token": admin.token}));
    assert_eq!(socket.frame()["type"], "snapshot");
}

#[test]
fn who_does_not_log_in_within_5_s_is_closed_with_4001() {
    let server = Server::start();
    let begun = Instant::now();
    let (mut silent, _) = EventSocket::greeted(server.http, "", &[]);
    let (mut beating, _) = EventSocket::greeted(server.http, "", &[]);
    let (mut eager, _) = EventSocket::greeted(server.http, "", &[]);
    eager.send(&json!({"type": "resume", "cursor": "e:1"}));
    assert_eq!(eager.closed(SOON), 4001, "it speaks before it logs in");
    for _ in 0..8 {
        beating.send(&json!({"type": "heartbeat"}));
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(silent.closed(SOON), 4001);
    let waited = begun.elapsed();
    assert!((Duration::from_millis(4_500)..Duration::from_secs(8)).contains(&waited), "{waited:?}");
    assert_eq!(beating.closed(SOON), 4001, "a heartbeat is no log-in");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn a_wrong_token_is_closed_with_4002() {
    let server = Server::start();
    let admin = server.admin();
    let agent = server.agent(&admin, "maria");
    for token in ["", "x", &"0".repeat(64)] {
        let (mut socket, _) = EventSocket::greeted(server.http, "", &[]);
        socket.send(&json!({"type": "auth", "token": token}));
        assert_eq!(socket.closed(SOON), 4002, "{token:?}");
    }
    // In band: a new token of the same user is taken, another user's is not.
    let (mut socket, _) = EventSocket::logged_in(&agent);
    let again = log_in(server.http, "maria", PASSWORD, "").json();
    socket.send(&json!({"type": "auth", "token": again["token"]}));
    assert_eq!(agent.send("DELETE", "/session", "", "").status, 204);
    socket.send(&json!({"type": "auth", "token": again["token"]}));
    assert_eq!(socket.hear(Duration::from_millis(300)), Heard::Nothing, "it goes on under the new one");
    socket.send(&json!({"type": "auth", "token": admin.token}));
    assert_eq!(socket.closed(SOON), 4002, "a socket stays its user's");
}

#[test]
fn a_session_ended_elsewhere_closes_its_sockets_with_4003() {
    let server = Server::start();
    let admin = server.admin();
    let (agent, other) = (server.agent(&admin, "maria"), server.agent(&admin, "olga"));
    let (mut ended, _) = EventSocket::logged_in(&agent);
    let (mut deleted, _) = EventSocket::logged_in(&other);
    let (mut kept, hello) = EventSocket::greeted(server.http, "", &[]);
    kept.send(&json!({"type": "auth", "token": admin.token}));
    assert_eq!(agent.send("DELETE", "/session", "", "").status, 204);
    assert_eq!(admin.delete(&format!("/users/{}", other.id), 1).status, 204);
    // Within one heartbeat.
    let within = Duration::from_millis(hello["heartbeat_ms"].as_u64().expect("ms")) + Duration::from_secs(5);
    assert_eq!(ended.closed(within), 4003);
    assert_eq!(deleted.closed(within), 4003, "with the user goes the session");
    let heartbeat = loop {
        match kept.hear(within) {
            Heard::Frame(frame) if frame["type"] == "heartbeat" => break frame,
            Heard::Frame(_) => {}
            other => panic!("the administrator's socket lives: {other:?}"),
        }
    };
    assert_eq!(heartbeat, json!({"type": "heartbeat"}), "it carries no number");
    kept.send(&json!({"type": "heartbeat"}));
    assert_eq!(kept.hear(Duration::from_millis(300)), Heard::Nothing, "ours is taken in silence");
}

#[test]
fn what_is_no_frame_of_the_protocol_is_closed_with_4004() {
    let server = Server::start();
    let admin = server.admin();
    let nonsense = [
        Message::binary(vec![1, 2, 3]),
        Message::text("not JSON"),
        Message::text("[]"),
        Message::text("{}"),
        Message::text(json!({"type": "auth"}).to_string()),
        Message::text(json!({"type": "pop.ack", "pop_id": 1}).to_string()),
        Message::text(json!({"type": "resume", "cursor": "no-number"}).to_string()),
        Message::text(json!({"type": "resume", "cursor": "e:-1"}).to_string()),
        Message::text(json!({"type": "launch.rockets"}).to_string()),
    ];
    for message in nonsense {
        let (mut socket, _) = EventSocket::logged_in(&admin);
        socket.send_message(message.clone());
        assert_eq!(socket.closed(SOON), 4004, "{message:?}");
    }
    for message in [Message::binary(vec![0]), Message::text("{")] {
        let (mut socket, _) = EventSocket::greeted(server.http, "", &[]);
        socket.send_message(message.clone());
        assert_eq!(socket.closed(SOON), 4004, "before the log-in too: {message:?}");
    }
    // What is larger than any frame of ours is cut, and nobody else notices.
    let (mut other, _) = EventSocket::logged_in(&admin);
    let (mut socket, _) = EventSocket::logged_in(&admin);
    socket.send_message(Message::text(format!("\"{}\"", "x".repeat(200_000))));
    assert!([1006, 1009, 4004].contains(&socket.closed(SOON)));
    assert_eq!(other.hear(Duration::from_millis(100)), Heard::Nothing);
    // More fields than we know are no fault, nor is an acknowledgement of a pop that is gone.
    other.send(&json!({"type": "heartbeat", "mood": "fine"}));
    other.send(&json!({"type": "pop.ack", "pop_id": "gone", "version": 1, "rendered_ms": 5}));
    assert_eq!(other.hear(Duration::from_millis(300)), Heard::Nothing);
}

#[test]
fn a_server_that_stops_says_so_and_is_found_again() {
    let mut server = Server::start();
    let admin = server.admin();
    let (mut socket, _) = EventSocket::logged_in(&admin);
    server.stop();
    assert!([1001, 1006].contains(&socket.closed(SOON)));
    server.launch();
    assert_ne!(admin.show("/session")["user"], Value::Null, "a session outlives a restart");
    EventSocket::logged_in(&admin);
}
