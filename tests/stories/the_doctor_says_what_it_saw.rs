//! `linecard doctor` on a real PBX: a sound account with the desk phone beside it, and each thing that can be wrong with
//! what to change. Nothing of it is left behind.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::SOON;
use crate::peers::{Account, Answer, Baresip, Customer, Kamailio, PhoneOptions, SmallPbx, net};

/// How long a look may take.
const AT_MOST: Duration = Duration::from_secs(50);

/// Runs the doctor and returns its exit code and what it printed.
pub(super) fn examine(server: &str, username: &str, password: &str, more: &[&str]) -> (i32, String) {
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_linecard"))
        .args(["doctor", "--server", server, "--username", username, "--password-stdin"])
        .args(more)
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the program starts");
    writeln!(child.stdin.take().expect("a pipe"), "{password}").expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(begun.elapsed() < AT_MOST, "the doctor took {:?}", begun.elapsed());
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The step of this name in a JSON report.
pub(super) fn step<'a>(report: &'a Value, name: &str) -> &'a Value {
    let steps = report["steps"].as_array().expect("steps");
    steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("{name} in {report:#}"))
}

#[test]
fn a_sound_account_is_seen_with_its_desk_phone() {
    let account = Account::new("201");
    let mut pbx = Kamailio::start(&[Account::new("100"), account.clone()]);
    let options =
        PhoneOptions { answer: Answer::Manual, tone_hz: 700, expires_s: 60, ..PhoneOptions::default() };
    let _phone = Baresip::start(pbx.address(), &account, &options);
    pbx.wait_registered("201", 1, SOON);
    let server = pbx.address().to_string();

    let (code, text) = examine(&server, "201", "secret-201", &["--json"]);
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &report["healthy"]), (0, &Value::Bool(true)), "{report:#}");
    assert!(
        step(&report, "register")["text"].as_str().expect("text").starts_with("registered as 201 over UDP")
    );
    assert_eq!(step(&report, "port")["state"], "good");
    let bindings = step(&report, "bindings");
    assert_eq!(bindings["state"], "good", "{bindings}");
    let said = bindings["text"].as_str().expect("text");
    assert!(said.starts_with("at least 2 contacts are possible, this one is number "), "{said}");
    assert!(said.contains("; the other phone stayed: sip:201"), "{said}");
    assert!(step(&report, "server")["text"].as_str().expect("text").contains("office-pbx"), "{report:#}");
    pbx.wait_registered("201", 1, SOON);

    let (code, text) = examine(&server, "100", "secret-100", &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("no other phone uses this account"), "{text}");
    assert!(text.ends_with("Linecard can serve this account.\n"), "{text}");
    pbx.wait_registered("100", 0, SOON);
}

#[test]
fn a_phone_that_the_doctor_pushes_out_is_told_and_gets_its_place_back() {
    let account = Account::new("201");
    let mut pbx = Kamailio::start_with(std::slice::from_ref(&account), &[("ONE_CONTACT", "1")]);
    let options =
        PhoneOptions { answer: Answer::Manual, tone_hz: 700, expires_s: 600, ..PhoneOptions::default() };
    let _phone = Baresip::start(pbx.address(), &account, &options);
    pbx.wait_registered("201", 1, SOON);
    let phone = pbx.registered("201");
    let (code, text) = examine(&pbx.address().to_string(), "201", "secret-201", &["--json"]);
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let bindings = step(&report, "bindings");
    assert_eq!((code, &bindings["key"]), (1, &json!("contacts_pushed_out")), "{report:#}");
    assert_eq!(bindings["params"]["gone"], json!(phone[0]));
    assert_eq!(pbx.registered("201"), phone, "nothing of the doctor is left behind");
}

#[test]
fn what_is_wrong_is_named_with_what_to_change() {
    let pbx = Kamailio::start(&[Account::new("100")]);
    let server = pbx.address().to_string();
    let ip = net::own_address();
    let nobody = SocketAddr::from((ip, net::free_port(ip))).to_string();
    let cases = [
        (server.as_str(), "100", "pw-73ab1", "refused over UDP", "check username and password"),
        (server.as_str(), "nobody", "pw-73ab2", "refused over UDP", "check username and password"),
        (nobody.as_str(), "100", "secret-100", "nobody listens at", "check the port"),
        ("no-such-name.invalid", "100", "secret-100", "has no address", "check how the server is spelt"),
        ("not a host", "100", "secret-100", "", ""),
    ];
    for (server, username, password, seen, advice) in cases {
        let (code, text) = examine(server, username, password, &[]);
        if seen.is_empty() {
            assert_eq!((code, text.as_str()), (2, ""), "wrong usage has no report");
            continue;
        }
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(seen) && text.contains(advice), "{seen:?} and {advice:?} in {text}");
        assert!(text.ends_with("Linecard cannot serve this account yet.\n"), "{text}");
        assert!(!text.contains(password), "no password is printed: {text}");
    }
}

#[test]
fn a_real_pbx_tells_of_a_call_that_goes_on() {
    let account = Account::new("105").with_number("+78312000000");
    let mut pbx = Kamailio::start_telling(std::slice::from_ref(&account));
    let options =
        PhoneOptions { answer: Answer::Manual, tone_hz: 700, expires_s: 60, ..PhoneOptions::default() };
    let phone = Baresip::start(pbx.address(), &account, &options);
    pbx.wait_registered("105", 1, SOON);
    let server = pbx.address().to_string();
    let look = || {
        let (code, text) = examine(&server, "105", "secret-105", &["--json"]);
        let report: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(code, 0, "{report:#}");
        step(&report, "dialogs").clone()
    };
    assert_eq!(look()["key"], json!("dialogs_silent"), "no call, and nothing is said");
    let call = Customer::new(pbx.address(), "+78312123456").call("+78312000000");
    phone.wait_ringing(SOON);
    let told = look();
    assert_eq!((&told["state"], &told["params"]["count"]), (&json!("good"), &json!("1")), "{told}");
    call.give_up();
}

#[test]
fn what_a_pbx_tells_of_calls_is_asked_once_and_given_back() {
    let pbx = SmallPbx::start();
    let server = pbx.address().to_string();
    let look = || {
        let (code, text) = examine(&server, "105", "any", &["--json"]);
        let report: Value = serde_json::from_str(&text).expect("JSON");
        (code, step(&report, "dialogs").clone())
    };
    let (code, dialogs) = look();
    assert_eq!(
        (code, &dialogs["state"], &dialogs["key"]),
        (0, &json!("noted"), &json!("dialogs_none")),
        "{dialogs}"
    );

    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpora/dialog-info/");
    let document = |name: &str| {
        let path = format!("{corpus}{name}.xml");
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("the corpus file {path} is needed: {error}"))
    };
    pbx.tells(&document("two-dialogs-call-waiting"));
    let (code, dialogs) = look();
    assert_eq!(
        (code, &dialogs["state"], &dialogs["params"]["count"]),
        (0, &json!("good"), &json!("2")),
        "{dialogs}"
    );
    assert_eq!(pbx.asked_for().as_deref(), Some("0"), "the subscription was given back");

    pbx.tells(&document("asterisk-idle"));
    let (_, dialogs) = look();
    assert_eq!(dialogs["params"]["count"], json!("0"), "a dialog that is over is no call: {dialogs}");

    pbx.tells(&document("hostile-billion-laughs"));
    let (code, dialogs) = look();
    assert_eq!(
        (code, &dialogs["key"]),
        (0, &json!("dialogs_unreadable")),
        "the account is sound all the same: {dialogs}"
    );
}
