//! `linecard doctor --test-call`: the account calls itself, the real telephone rings for a moment under a name that says
//! so, nothing is answered and nothing stays. What the call shows is said with the message that shows it; what it does
//! not show is not claimed.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::server::SOON;
use super::the_doctor_says_what_it_saw::{examine, step};
use crate::peers::{Account, Answer, Baresip, Desk, Habits, Kamailio, PhoneOptions, Switchboard, eventually};

/// A look with a test call at an account of this PBX.
fn called(server: &str, username: &str, password: &str) -> Value {
    let (_, text) = examine(server, username, password, &["--test-call", "--json", "--exchange"]);
    serde_json::from_str(&text).expect("JSON")
}

fn at_switchboard(habits: Habits) -> (Value, Switchboard) {
    let pbx = Switchboard::start(habits);
    let report = called(&pbx.address().to_string(), "101", "any");
    (report, pbx)
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name} in {report:#}"))
}

fn told(report: &Value, name: &str) -> (String, String) {
    let check = check(report, name);
    let word = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
    (word("outcome"), word("key"))
}

fn sight<'a>(report: &'a Value, name: &str) -> &'a Value {
    let sights = report["plan"]["sights"].as_array().expect("sights");
    sights.iter().find(|sight| sight["name"] == name).unwrap_or_else(|| panic!("{name} in {report:#}"))
}

/// Each claim names a message of the exchange, and what it quotes stands in that message.
fn claims_stand_in_the_exchange(report: &Value) {
    let messages = report["messages"].as_array().expect("messages");
    let text = |number: &Value| {
        let message = messages.iter().find(|message| message["number"] == *number);
        message
            .and_then(|message| message["text"].as_str())
            .unwrap_or_else(|| panic!("{number} in {report:#}"))
    };
    for check in report["checks"].as_array().expect("checks") {
        for evidence in check["evidence"].as_array().into_iter().flatten() {
            if evidence["message"].is_null() {
                continue;
            }
            let (place, value) = (evidence["place"].as_str().expect("a place"), &evidence["value"]);
            let text = text(&evidence["message"]);
            if let Some(line) = text.lines().find(|line| line.starts_with(&format!("{place}:"))) {
                let first = value.as_str().expect("a value").split(';').next().expect("a beginning");
                assert!(line.contains(first.trim()), "{evidence} in {line}");
            }
        }
        for number in check["messages"].as_array().into_iter().flatten() {
            text(number);
        }
    }
}

#[test]
fn the_real_telephone_rings_as_a_test_and_nothing_stays() {
    let account = Account::new("201");
    let mut pbx = Kamailio::start(std::slice::from_ref(&account));
    let options =
        PhoneOptions { answer: Answer::Manual, tone_hz: 700, expires_s: 60, ..PhoneOptions::default() };
    let phone = Baresip::start(pbx.address(), &account, &options);
    pbx.wait_registered("201", 1, SOON);
    let server = pbx.address().to_string();

    let report = called(&server, "201", "secret-201");
    let rang = phone.wait_ringing(SOON);
    assert_eq!(rang.peer_name, "Linecard test", "the display says what it is");
    phone.wait_closed(SOON);
    assert_eq!((phone.count("CALL_INCOMING"), phone.count("CALL_ESTABLISHED")), (1, 0));
    pbx.wait_registered("201", 1, SOON);

    assert_eq!(step(&report, "call")["key"], "call_both", "{report:#}");
    let seen = |key: &str| ("seen".to_owned(), key.to_owned());
    assert_eq!(told(&report, "ringing"), seen("rang"));
    assert_eq!(told(&report, "fork"), seen("forked"));
    assert_eq!(told(&report, "caller"), seen("caller_kept"));
    assert_eq!(told(&report, "reason"), seen("reason_told"), "a proxy hands the reason on");
    assert_eq!(told(&report, "auto_answer"), seen("wish_passed"));
    assert_eq!(told(&report, "expiry"), seen("expiry"));
    assert_eq!(told(&report, "caller_asserted"), ("not_seen".into(), "asserted_not".into()));
    assert_eq!(told(&report, "diversion"), ("not_seen".into(), "diversion_not".into()));
    assert_eq!(
        told(&report, "codecs"),
        ("not_seen".into(), "offer_passed_on".into()),
        "that is our own offer"
    );
    assert_eq!(told(&report, "srtp"), ("not_seen".into(), "offer_passed_on".into()));
    assert_eq!(told(&report, "tls"), ("not_seen".into(), "tls_refused".into()));
    claims_stand_in_the_exchange(&report);

    assert_eq!(report["plan"]["mode"], "shadow", "{:#}", report["plan"]);
    assert_eq!(sight(&report, "ringing")["view"], "proven");
    assert_eq!(sight(&report, "end")["view"], "hidden", "kamailio tells nothing of calls here");
    let told = report.to_string();
    assert!(!told.contains("secret-201") && !told.contains("response=\\\""), "no digest is told");
    assert!(told.contains("Authorization: (left out)"));
}

#[test]
fn what_a_real_pbx_tells_of_the_call_is_seen_while_it_rings() {
    let account = Account::new("105");
    let mut pbx = Kamailio::start_telling(std::slice::from_ref(&account));
    let options =
        PhoneOptions { answer: Answer::Manual, tone_hz: 700, expires_s: 60, ..PhoneOptions::default() };
    let phone = Baresip::start(pbx.address(), &account, &options);
    pbx.wait_registered("105", 1, SOON);
    let report = called(&pbx.address().to_string(), "105", "secret-105");
    phone.wait_closed(SOON);
    assert_eq!(told(&report, "dialog_events"), ("seen".into(), "dialogs_named".into()), "{report:#}");
    assert_eq!(
        (&report["plan"]["mode"], sight(&report, "end")["view"].as_str()),
        (&json!("shadow"), Some("proven"))
    );
    assert_eq!(sight(&report, "dialled_on_phone")["view"], "expected", "nothing was dialled there");
    claims_stand_in_the_exchange(&report);
}

#[test]
fn without_a_test_call_nobody_is_rung_and_nothing_of_it_is_claimed() {
    let pbx = Switchboard::start(Habits { desk: Desk::Rings, ..Habits::default() });
    let (_, text) = examine(&pbx.address().to_string(), "101", "any", &["--json"]);
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(pbx.received("INVITE").len(), 0);
    let only_by_call = [
        "ringing",
        "fork",
        "caller",
        "caller_asserted",
        "diversion",
        "reason",
        "auto_answer",
        "codecs",
        "srtp",
    ];
    for name in only_by_call {
        assert_eq!(told(&report, name), ("not_asked".into(), "ask_by_call".into()));
    }
    assert_eq!(report["messages"], json!([]), "the exchange is told on demand");
    assert_eq!(sight(&report, "ringing")["view"], "unknown");
    assert_eq!(report["plan"]["mode"], "shadow");
}

#[test]
fn what_a_pbx_writes_into_a_call_is_seen() {
    let offer = "v=0\r\no=pbx 7 7 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                 m=audio 9 RTP/SAVP 9 8 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\n\
                 a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:30\r\n\
                 a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let (report, pbx) = at_switchboard(Habits {
        desk: Desk::Rings,
        from: "\"Linecard test\" <sip:+78312000101@pbx.example>",
        fork: "P-Asserted-Identity: \"Anna\" <sip:101@pbx.example>\r\nDiversion: <sip:100@pbx.example>;reason=no-answer\r\n\
               Session-Expires: 1800\r\nMin-SE: 90\r\nSupported: timer, replaces, 100rel\r\nAllow: INVITE, ACK, CANCEL, BYE, REFER\r\n",
        offer,
        cancel: "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n",
        options: Some("Allow-Events: dialog, presence\r\n"),
        register: "P-Associated-URI: <sip:+78312000101@pbx.example>\r\nPath: <sip:edge.example;lr>\r\n",
        ..Habits::default()
    });
    let seen = |name: &str, key: &str| assert_eq!(told(&report, name), ("seen".to_owned(), key.to_owned()));
    seen("ringing", "rang");
    seen("fork", "forked");
    seen("caller", "caller_renumbered");
    seen("caller_asserted", "asserted");
    seen("diversion", "diversion");
    seen("reason", "reason_told");
    seen("session_timers", "timers_wanted");
    seen("replaces", "announced");
    seen("reliable", "announced");
    seen("refer", "announced");
    seen("codecs", "codecs_offered");
    seen("srtp", "srtp_offered");
    seen("events", "events");
    seen("own_numbers", "numbers");
    seen("paths", "paths_told");
    assert_eq!(told(&report, "auto_answer"), ("not_seen".into(), "wish_not_passed".into()));
    assert_eq!(told(&report, "dialog_events"), ("not_seen".into(), "dialogs_none".into()));
    let codecs = &check(&report, "codecs")["evidence"][0]["value"];
    assert_eq!(*codecs, json!("G722/8000, PCMA/8000; 30 ms a packet"));
    claims_stand_in_the_exchange(&report);
    let entered = |name: &str| {
        let fields = report["plan"]["fields"].as_array().expect("fields");
        fields.iter().find(|field| field["name"] == name).map(|field| field["value"].clone())
    };
    assert_eq!(entered("dial_format"), Some(json!("plus")));
    assert_eq!(entered("media.srtp"), Some(json!("optional")));
    assert_eq!(pbx.received("BYE").len(), 0, "nothing was answered");
    assert_eq!(pbx.received("CANCEL").len(), 1);
    assert_eq!(pbx.contacts(), Vec::<String>::new());
    let reason = pbx.received("CANCEL")[0].header("Reason").to_owned();
    assert!(reason.contains("cause=200"), "a phone writes no missed call down: {reason}");
}

#[test]
fn what_is_not_in_a_call_is_told_as_not_seen() {
    let (report, _pbx) = at_switchboard(Habits::default());
    assert_eq!(step(&report, "call")["key"], "call_here", "{report:#}");
    let not_seen = |name: &str, key: &str| {
        assert_eq!(told(&report, name), ("not_seen".to_owned(), key.to_owned()), "{name}");
    };
    not_seen("ringing", "rang_only_here");
    not_seen("caller_asserted", "asserted_not");
    not_seen("diversion", "diversion_not");
    not_seen("reason", "reason_not");
    not_seen("auto_answer", "wish_not_passed");
    not_seen("srtp", "srtp_not");
    not_seen("refer", "untold");
    not_seen("replaces", "untold");
    not_seen("session_timers", "untold");
    not_seen("own_numbers", "numbers_untold");
    assert_eq!(told(&report, "codecs"), ("seen".into(), "codecs_offered".into()));
    assert_eq!(report["plan"]["mode"], "anchor");
    assert_eq!(sight(&report, "ringing")["view"], "proven");
    claims_stand_in_the_exchange(&report);
}

#[test]
fn a_contact_that_is_registered_and_never_forked_is_told_and_costs_the_mode() {
    let (report, pbx) = at_switchboard(Habits { desk: Desk::Rings, forks: false, ..Habits::default() });
    assert_eq!(step(&report, "call")["key"], "call_elsewhere", "{report:#}");
    assert_eq!(told(&report, "fork"), ("not_seen".into(), "unforked".into()));
    for name in ["caller", "caller_asserted", "diversion", "reason", "auto_answer", "codecs", "srtp"] {
        assert_eq!(told(&report, name), ("silent".into(), "no_fork".into()), "{name}");
    }
    let outlook = step(&report, "outlook");
    assert_eq!(
        (&report["healthy"], &outlook["key"]),
        (&json!(false), &json!("outlook_unforked")),
        "{outlook}"
    );
    assert_eq!(sight(&report, "ringing")["key"], "sight_once_alone");
    assert_eq!(
        (&report["plan"]["mode"], &report["plan"]["key"]),
        (&json!("anchor"), &json!("plan_anchor_unforked"))
    );
    assert_eq!(pbx.received("CANCEL").len(), 1);
}

#[test]
fn a_pbx_that_tells_of_a_ring_before_it_rings_anybody_is_not_taken_for_one_that_forks_nobody() {
    let (report, pbx) =
        at_switchboard(Habits { desk: Desk::Rings, forks_after_ms: 300, ..Habits::default() });
    assert_eq!(step(&report, "call")["key"], "call_both", "{report:#}");
    assert_eq!(told(&report, "fork"), ("seen".into(), "forked".into()));
    assert_eq!(report["plan"]["mode"], "shadow");
    assert_eq!(pbx.received("CANCEL").len(), 1);
}

#[test]
fn a_call_that_is_refused_is_told_as_what_it_is() {
    for status in [403_u16, 482, 486] {
        let (report, pbx) = at_switchboard(Habits { refuses: status, ..Habits::default() });
        let call = step(&report, "call");
        assert_eq!(
            (&call["key"], &call["params"]["status"]),
            (&json!("call_refused"), &json!(status.to_string()))
        );
        assert_eq!(told(&report, "fork"), ("silent".into(), "fork_refused".into()));
        assert_eq!(told(&report, "ringing"), ("not_seen".into(), "rang_not_before".into()));
        assert_eq!((pbx.received("CANCEL").len(), pbx.received("ACK").len()), (0, 1), "{status}");
    }
}

#[test]
fn silence_is_told_as_silence() {
    let (report, _pbx) = at_switchboard(Habits { refuses: 1, options: None, ..Habits::default() });
    assert_eq!(step(&report, "call")["key"], "call_nowhere", "{report:#}");
    assert_eq!(told(&report, "fork"), ("silent".into(), "fork_silent".into()));
    assert_eq!(told(&report, "ringing"), ("silent".into(), "rang_silent".into()));
    for name in ["refer", "replaces", "session_timers", "reliable", "events"] {
        assert_eq!(told(&report, name), ("silent".into(), "untold_silent".into()), "{name}");
    }
    claims_stand_in_the_exchange(&report);
}

#[test]
fn whatever_answers_is_hung_up_at_once() {
    for desk in [Desk::Answers, Desk::AnswersTooLate] {
        let (report, pbx) = at_switchboard(Habits { desk, forks: false, ..Habits::default() });
        assert_eq!(step(&report, "call")["key"], "call_answered", "{desk:?}: {report:#}");
        assert_eq!((pbx.received("ACK").len(), pbx.received("BYE").len()), (1, 1), "{desk:?}");
    }
}

/// Starts a look with a test call and does not wait for its end.
fn begin(server: &str) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_linecard"))
        .args(["doctor", "--server", server, "--username", "101", "--password-stdin", "--test-call"])
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    writeln!(child.stdin.take().expect("a pipe"), "any").expect("it reads");
    child
}

#[test]
fn an_interrupted_look_leaves_no_call_and_no_contact() {
    let pbx = Switchboard::start(Habits::default());
    let mut child = begin(&pbx.address().to_string());
    eventually("the call is under way", SOON, || (!pbx.received("INVITE").is_empty()).then_some(()));
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process")).expect("a process");
    kill_process(pid, Signal::INT).expect("it is told");
    let begun = Instant::now();
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(1));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(pbx.received("CANCEL").len(), 1, "the call is cancelled");
    assert_eq!(pbx.contacts(), Vec::<String>::new(), "the contact is taken away");
}

#[test]
fn a_call_that_comes_meanwhile_is_not_taken_for_the_test() {
    let (report, pbx) = at_switchboard(Habits {
        desk: Desk::Rings,
        from: "\"Maria\" <sip:+78312123456@pbx.example>",
        ..Habits::default()
    });
    assert_eq!(told(&report, "fork"), ("not_seen".into(), "unforked".into()), "{report:#}");
    assert_eq!(pbx.received("INVITE").len(), 1);
    let refusals = pbx.answers("INVITE");
    assert!(refusals.contains(&480), "it is left to the other contacts: {refusals:?}");
}
