//! `/lines/check`: what a PBX lets Linecard do with an account, told as it is found out; of a line too, which goes on
//! undisturbed. One look at a time, and none that nobody wants. A test call rings the account itself and nobody else.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::clients::{AdminClient, id};
use super::server::Server;
use crate::peers::{Desk, Habits, SmallPbx, Switchboard, eventually, net};

const SOON: Duration = Duration::from_secs(10);

/// The findings of a look that has to be accepted, to its end.
fn look(admin: &AdminClient, path: &str, body: &Value) -> Vec<Value> {
    let reply = admin.post(path, body);
    assert_eq!(reply.status, 200, "POST {path}: {}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    reply.text().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn account(server: SocketAddr) -> Value {
    json!({"server": server.to_string(), "username": "100", "password": "pw-5ec2e7"})
}

/// The last step of this name.
fn step<'a>(findings: &'a [Value], name: &str) -> &'a Value {
    let found = findings.iter().rfind(|it| it["type"] == "step" && it["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {findings:#?}"))
}

fn verdict(findings: &[Value]) -> bool {
    let last = findings.last().expect("findings");
    assert_eq!(last["type"], "verdict", "{findings:#?}");
    last["healthy"].as_bool().expect("a verdict")
}

#[test]
fn a_sound_account_is_told_to_the_verdict_and_left_as_it_was() {
    let (server, pbx) = (Server::start(), SmallPbx::start());
    let admin = server.admin();
    let findings = look(&admin, "/lines/check", &account(pbx.address()));
    assert!(verdict(&findings), "{findings:#?}");
    let names: Vec<&str> =
        findings.iter().filter(|it| it["type"] == "step").filter_map(|it| it["name"].as_str()).collect();
    let steps = ["resolve", "port", "register", "server", "abilities", "dialogs", "bindings", "outlook"];
    assert_eq!(names, steps, "no step is taken that was not asked for");
    let plan = findings.iter().find(|it| it["type"] == "plan").expect("a plan");
    assert_eq!(
        (&plan["mode"], plan["sights"].as_array().map(Vec::len)),
        (&json!("anchor"), Some(6)),
        "{plan}"
    );
    let numbers: Vec<u64> =
        findings.iter().filter(|it| it["type"] == "message").filter_map(|it| it["number"].as_u64()).collect();
    assert!(numbers.is_sorted() && numbers.first() == Some(&1), "{numbers:?}");
    let registered = step(&findings, "register");
    assert_eq!((&registered["state"], &registered["key"]), (&json!("good"), &json!("registered")));
    assert_eq!(registered["params"]["user"], "100");
    let sent = |it: &&Value| {
        it["type"] == "message"
            && it["sent"] == true
            && it["text"].as_str().is_some_and(|text| text.starts_with("REGISTER"))
    };
    assert!(findings.iter().filter(sent).count() >= 2, "the exchange is told: {findings:#?}");
    assert_eq!(pbx.contact("100"), None, "the doctor's contact is taken away");

    let row = &admin.items("/audit?action=line_checked")[0];
    assert_eq!(row["subject"], format!("100@{}", pbx.address()));
    assert_eq!(row["login"], "admin");
    let told = serde_json::to_string(&(findings, admin.items("/audit"))).expect("JSON");
    assert!(!told.contains("5ec2e7"), "no password is told");
}

#[test]
fn what_is_wrong_names_its_field_and_what_to_change() {
    let (server, pbx) = (Server::start(), SmallPbx::start());
    let admin = server.admin();
    pbx.refuses(403);
    let ip = net::own_address();
    let closed = SocketAddr::from((ip, net::free_port(ip)));
    let named = json!({"server": "pbx.invalid", "username": "100", "password": "x"});
    let cases = [
        (account(pbx.address()), "register", "forbidden", "username"),
        (account(closed), "port", "port_closed", "server"),
        (named, "resolve", "no_address", "server"),
    ];
    for (account, name, key, field) in cases {
        let findings = look(&admin, "/lines/check", &account);
        assert!(!verdict(&findings), "{findings:#?}");
        let bad = step(&findings, name);
        assert_eq!(
            (&bad["state"], &bad["key"], &bad["field"]),
            (&json!("bad"), &json!(key), &json!(field)),
            "{findings:#?}"
        );
        for words in ["text", "advice"] {
            assert!(bad[words].as_str().is_some_and(|text| !text.is_empty()), "{bad}");
        }
    }
}

#[test]
fn a_line_is_checked_without_its_password_and_keeps_its_place() {
    let (server, pbx) = (Server::start(), SmallPbx::start());
    let admin = server.admin();
    let line = id(&admin.add_line(pbx.address(), "100", None));
    pbx.wait_registered("100");
    eventually("the line says so", SOON, || {
        (admin.show(&format!("/lines/{line}"))["registration"]["state"] == "registered").then_some(())
    });
    let before = pbx.contact("100");
    let findings = look(&admin, &format!("/lines/{line}/check"), &json!({}));
    assert!(verdict(&findings), "{findings:#?}");
    assert_eq!(step(&findings, "register")["key"], "answered");
    assert_eq!(step(&findings, "bindings")["key"], "contacts_only_ours", "{findings:#?}");
    let contacts = findings.iter().filter(|it| it["sent"] == true).filter_map(|it| it["text"].as_str());
    let registers: Vec<&str> = contacts.filter(|text| text.starts_with("REGISTER")).collect();
    assert!(!registers.is_empty(), "{findings:#?}");
    for text in registers {
        assert!(!text.contains("Contact:"), "nothing is registered beside the line: {text}");
    }
    assert_eq!(pbx.contact("100"), before);
    assert_eq!(admin.items("/audit?action=line_checked")[0]["subject"], json!(line));

    let again = admin.post("/lines/check", &account(pbx.address()));
    assert_eq!((again.status, &again.json()["field"]), (422, &json!("username")), "it is a line already");
    let gone = admin.post("/lines/01900000-0000-7000-8000-000000000000/check", &json!({}));
    assert_eq!(gone.status, 404);
}

#[test]
fn an_account_that_cannot_be_one_is_refused_by_its_field() {
    let server = Server::start();
    let admin = server.admin();
    let cases = [
        (json!({"server": "a host", "username": "1", "password": "x"}), "server"),
        (json!({"server": "h", "username": "a\r\nb", "password": "x"}), "username"),
        (json!({"server": "h", "username": "1", "password": "x\ty"}), "password"),
        (json!({"server": "h", "username": "1"}), "password"),
        (json!({"server": "h", "username": "1", "password": "x", "outbound_proxy": "a b"}), "outbound_proxy"),
        (json!({"server": "h", "username": "1", "password": "x", "transport": "sctp"}), "transport"),
        (json!({"server": "h", "username": "1", "password": "x", "mode": "sniff"}), "mode"),
        (json!({"server": "h", "username": "1", "password": "x", "name": "Main"}), "name"),
    ];
    for (account, field) in cases {
        let refused = admin.post("/lines/check", &account);
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!(field)), "{account}");
    }
    assert_eq!(admin.show("/audit?action=line_checked")["total"], 0, "nothing was knocked at");
}

/// Begins a look over a connection of its own and reads until it is about to register.
fn begin(server: &Server, admin: &AdminClient, account: &Value) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(server.http).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let (body, token) = (account.to_string(), &admin.token);
    write!(
        stream,
        "POST /api/v1/lines/check HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        server.http,
        body.len()
    )
    .expect("it is sent");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while !line.contains("\"port\"") {
        line.clear();
        assert!(reader.read_line(&mut line).expect("it is answered") > 0, "the stream ended");
    }
    reader
}

#[test]
fn one_look_at_a_time_and_none_that_nobody_wants() {
    let server = Server::start();
    let (admin, other) = (server.admin(), server.admin());
    admin.create("/users", &json!({"login": "boss", "role": "admin", "password": super::clients::PASSWORD}));
    let boss = AdminClient::log_in(server.http, "boss");
    let silent = UdpSocket::bind((net::own_address(), 0)).expect("a socket");
    let account = account(silent.local_addr().expect("bound"));

    let begun = Instant::now();
    let first = begin(&server, &admin, &account);
    assert!(begun.elapsed() < Duration::from_secs(4), "told while it goes on: {:?}", begun.elapsed());
    let refused = other.post("/lines/check", &account);
    assert_eq!(refused.status, 409, "of this user one runs: {}", refused.text());
    let another = begin(&server, &boss, &account);
    drop(first);
    eventually("the turn is given back when the browser has gone", Duration::from_secs(4), || {
        let busy =
            other.post("/lines/check", &json!({"server": "pbx.invalid", "username": "1", "password": "x"}));
        (busy.status == 200).then_some(())
    });
    silent.set_read_timeout(Some(SOON)).expect("a timeout");
    let mut buffer = [0; 2_048];
    while !buffer.starts_with(b"REGISTER") {
        silent.recv(&mut buffer).expect("it is asked");
    }
    drop(another);

    // Its goodbye is waited for 4 s; a look that goes on asks until 12 s are over.
    let (dropped, mut last_at) = (Instant::now(), Duration::ZERO);
    silent.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    while dropped.elapsed() < Duration::from_secs(11) {
        if silent.recv(&mut buffer).is_ok() {
            last_at = dropped.elapsed();
        }
    }
    assert!(last_at < Duration::from_secs(6), "the doctor goes on for nobody: {last_at:?}");
}

/// What is known of a thing.
fn fact<'a>(findings: &'a [Value], name: &str) -> &'a Value {
    let found = findings.iter().find(|it| it["type"] == "check" && it["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {findings:#?}"))
}

#[test]
fn a_line_is_called_without_a_call_in_the_history_and_beside_a_customers() {
    let server = Server::start();
    let admin = server.admin();
    let pbx = Switchboard::start(Habits {
        desk: Desk::Rings,
        fork: "P-Asserted-Identity: <sip:101@pbx.example>\r\n",
        ..Habits::default()
    });
    let line = id(&admin.add_line(pbx.address(), "101", None));
    eventually("the line is registered", SOON, || {
        (admin.show(&format!("/lines/{line}"))["registration"]["state"] == "registered").then_some(())
    });
    let path = format!("/lines/{line}/check");
    let findings = look(&admin, &path, &json!({"test_call": true, "language": "ru"}));
    assert_eq!(step(&findings, "call")["key"], "call_both", "{findings:#?}");
    assert_eq!(fact(&findings, "fork")["outcome"], "seen");
    assert_eq!(fact(&findings, "caller_asserted")["outcome"], "seen");
    let invites = pbx.received("INVITE");
    assert_eq!(invites.len(), 1, "one telephone is rung, once");
    assert!(invites[0].header("From").contains("Linecard: проверка"), "{}", invites[0].header("From"));
    assert!(
        invites[0].start.starts_with("INVITE sip:101@"),
        "nobody but the line's own: {}",
        invites[0].start
    );
    assert_eq!(pbx.contacts().len(), 1, "nothing is registered beside the line");
    assert_eq!(admin.show("/interactions")["total"], 0, "it is no call of the line");
    assert_eq!(admin.show("/missed")["total"], 0);
    assert_eq!(admin.items("/audit?action=line_test_called")[0]["subject"], json!(line));
    assert_eq!(admin.show("/audit?action=line_checked")["total"], 0);

    // Without one nobody is rung, and the line takes calls as ever.
    look(&admin, &path, &json!({}));
    assert_eq!(pbx.received("INVITE").len(), 1);
    let contact = pbx.contacts().first().cloned().expect("the line's contact");
    pbx.ring(&contact, "\"Linecard test\" <sip:+78312123456@pbx.example>");
    eventually("a customer's call is one, whatever name it has", SOON, || {
        (admin.show("/interactions")["total"] == 1).then_some(())
    });
}

#[test]
fn test_calls_are_few_and_one_at_a_time_and_ring_nobody_else() {
    let server = Server::start();
    let (admin, other) = (server.admin(), server.admin());
    admin.create("/users", &json!({"login": "boss", "role": "admin", "password": super::clients::PASSWORD}));
    let boss = AdminClient::log_in(server.http, "boss");
    let unknown = [
        (json!({"server": "h", "username": "1", "password": "x", "test_call": "yes"}), "test_call"),
        (json!({"server": "h", "username": "1", "password": "x", "language": "de"}), "language"),
        (json!({"server": "h", "username": "1", "password": "x", "to": "+79000000000"}), "to"),
    ];
    for (account, field) in unknown {
        let refused = admin.post("/lines/check", &account);
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!(field)), "{account}");
    }

    let pbx = Switchboard::start(Habits { refuses: 486, ..Habits::default() });
    let account = |name: &str| json!({"server": pbx.address().to_string(), "username": name, "password": "x", "test_call": true});
    let silent = UdpSocket::bind((net::own_address(), 0)).expect("a socket");
    let unanswered = json!({"server": silent.local_addr().expect("bound").to_string(), "username": "1",
        "password": "x", "test_call": true});
    let first = begin(&server, &admin, &unanswered);
    let refused = boss.post("/lines/check", &account("101"));
    assert_eq!((refused.status, &refused.json()["key"]), (409, &json!("test_call_busy")));
    drop(first);
    eventually("the turn is given back", SOON, || {
        (other
            .post("/lines/check", &json!({"server": "pbx.invalid", "username": "1", "password": "x"}))
            .status
            == 200)
            .then_some(())
    });
    for name in ["101", "102", "103"] {
        let findings = look(&boss, "/lines/check", &account(name));
        assert_eq!(step(&findings, "call")["key"], "call_refused", "{findings:#?}");
    }
    let refused = boss.post("/lines/check", &account("104"));
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    let called: Vec<String> = pbx.received("INVITE").iter().map(|invite| invite.start.clone()).collect();
    assert_eq!(called.len(), 3, "{called:?}");
    let rung = |name: &str| called.iter().any(|start| start.starts_with(&format!("INVITE sip:{name}@")));
    assert!(["101", "102", "103"].iter().all(|name| rung(name)), "{called:?}");
    assert_eq!(admin.show("/audit?action=line_test_called")["total"], 4);
}

#[test]
fn a_browser_that_goes_away_ends_the_ringing() {
    let server = Server::start();
    let admin = server.admin();
    let pbx = Switchboard::start(Habits { forks: false, ..Habits::default() });
    let account =
        json!({"server": pbx.address().to_string(), "username": "101", "password": "x", "test_call": true});
    let reader = begin(&server, &admin, &account);
    eventually("the call is under way", SOON, || (!pbx.received("INVITE").is_empty()).then_some(()));
    assert!(pbx.received("CANCEL").is_empty());
    // By itself it would be given up after 6 s.
    drop(reader);
    eventually("it is cancelled", Duration::from_secs(3), || {
        (!pbx.received("CANCEL").is_empty()).then_some(())
    });
    eventually("nothing stays", SOON, || pbx.contacts().is_empty().then_some(()));
}
