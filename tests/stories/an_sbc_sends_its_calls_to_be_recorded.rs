//! Story: an SBC sends its calls to be recorded (SIPREC). Who calls is shown, the talk is recorded left and right through
//! pause and transfer, and what the SBC tells is kept as it was sent: one interaction, one file.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Linecard, NUMBER, PASSWORD, SOON};
use crate::peers::recording_client::{RecordingClient, Session, Told, audio_ports, document, handed_over};
use crate::peers::{Account, Answer, Baresip, Customer, Kamailio, PhoneOptions, eventually};

const CUSTOMER: Told<'_> = Told {
    id: "p1",
    aor: "sip:+78312123456@trunk.example;user=phone",
    name: "Иван &amp; &lt;b&gt;",
    label: "1",
    since: "2026-11-30T09:00:00Z",
};
const ANNA: Told<'_> =
    Told { id: "p2", aor: "sip:201@pbx.example", name: "Anna", label: "2", since: "2026-11-30T09:00:05Z" };
const BORIS: Told<'_> =
    Told { id: "p3", aor: "sip:202@pbx.example", name: "Boris", label: "2", since: "2026-11-30T09:01:00Z" };

/// A server with two agents, a line for an SBC, and the SBC.
struct Office {
    sbc: RecordingClient,
    server: Linecard,
    anna: String,
    boris: String,
    contact: String,
    line: String,
}

impl Office {
    fn open(more: &str) -> Self {
        let (sbc, server) = (RecordingClient::start(), Linecard::start_with(more));
        let id = |value: Value| value["id"].as_str().expect("an id").to_owned();
        let agent = |login: &str, extension: &str| {
            let user = json!({"login": login, "role": "agent", "password": PASSWORD, "extension": extension});
            id(server.create("/users", &user))
        };
        let (anna, boris) = (agent("anna", "201"), agent("boris", "202"));
        let numbers = json!([{"number": "8 (831) 212-34-56", "label": "work"}]);
        let contact = id(server.create("/contacts", &json!({"name": "Иван", "numbers": numbers})));
        let line = json!({"server": sbc.address().to_string(), "username": "rec", "mode": "siprec"});
        let line = id(server.create("/lines", &line));
        Self { sbc, server, anna, boris, contact, line }
    }

    fn standing(&self) -> Value {
        self.server.get(&format!("/lines/{}", self.line))["registration"].clone()
    }

    fn two_streams(&self) -> Session<'_> {
        let streams = vec![self.sbc.stream("1"), self.sbc.stream("2")];
        self.sbc.session(self.server.sip(), "rec", streams)
    }

    fn call(&self) -> Value {
        eventually("a call is seen", SOON, || {
            let calls = self.server.get("/calls")["items"].clone();
            (calls.as_array()?.len() == 1).then(|| calls[0].clone())
        })
    }

    fn sessions(&self, interaction: &Value) -> Value {
        let id = interaction["id"].as_str().expect("an id");
        self.server.get(&format!("/interactions/{id}/recorded-sessions"))["items"].clone()
    }
}

#[test]
fn a_talk_is_recorded_left_and_right_through_pause_and_transfer_and_leaves_one_interaction() {
    let office = Office::open("");
    eventually("the SBC is greeted", SOON, || office.sbc.asked("OPTIONS").first().cloned());
    let standing = office.standing();
    assert_eq!((&standing["state"], &standing["last_session_at"]), (&json!("registered"), &Value::Null));
    let mut session = office.two_streams();
    let told = document(&[CUSTOMER, ANNA]);
    let answer = session.begin(&told, &[440, 700]);
    assert_eq!(answer.status(), Some(200), "{answer:?}");
    assert!(answer.header("Contact").contains("+sip.srs"), "{answer:?}");
    assert!(answer.header("Supported").contains("siprec"), "{answer:?}");
    assert_eq!(answer.body.matches("a=recvonly").count(), 2, "{}", answer.body);
    assert_eq!(answer.body.matches("a=record:on").count(), 2, "{}", answer.body);
    assert!(answer.body.contains("m=video 0 "), "{}", answer.body);

    let call = office.call();
    assert_eq!((&call["number"], &call["watched"]), (&json!("+78312123456"), &json!(true)), "{call}");
    assert_eq!((&call["state"], &call["user_id"]), (&json!("answered"), &json!(office.anna)), "{call}");
    let hang_up = format!("/calls/{}/hangup", call["call_id"].as_str().expect("an id"));
    assert_eq!(office.server.request("POST", &hang_up, "").status, 409, "it is hung up on the phone");
    sleep(Duration::from_millis(1_500));

    session.streams.iter().for_each(|stream| stream.rtp.fall_silent());
    let paused = session.offer_again("inactive");
    assert_eq!(paused.body.matches("a=record:paused").count(), 2, "{}", paused.body);
    eventually("the call is held", SOON, || (office.call()["state"] == "held").then_some(()));
    sleep(Duration::from_millis(1_000));
    let again = session.offer_again("sendonly");
    assert_eq!(audio_ports(&again.body), audio_ports(&answer.body), "the ports stay");
    for (stream, (port, hz)) in
        session.streams.iter().zip(audio_ports(&again.body).into_iter().zip([440, 700]))
    {
        stream.rtp.talk((office.server.sip().ip(), port).into(), hz);
    }
    eventually("the call goes on", SOON, || (office.call()["state"] == "answered").then_some(()));
    sleep(Duration::from_millis(1_000));

    let moved = handed_over("p2", &BORIS);
    assert_eq!(session.send("UPDATE", &Session::told(&moved)).status(), Some(200));
    session.streams[1].rtp.set_tone(1_200);
    eventually("Boris has the call", SOON, || {
        (office.call()["user_id"] == office.boris.as_str()).then_some(())
    });
    sleep(Duration::from_millis(1_500));
    let last =
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>partial</datamode></recording>";
    assert_eq!(session.end(last).status(), Some(200));

    let it = office.server.ended_interaction();
    assert_eq!((&it["outcome"], &it["direction"]), (&json!("answered"), &json!("inbound")), "{it}");
    assert_eq!((&it["user_id"], &it["contact_id"]), (&json!(office.anna), &json!(office.contact)), "{it}");
    assert_eq!((&it["caller_number"], &it["line_id"]), (&json!("+78312123456"), &json!(office.line)), "{it}");
    assert!((900..1_800).contains(&it["hold_ms"].as_i64().expect("ms")), "{it}");
    assert_eq!(it["recording_ids"].as_array().map(Vec::len), Some(1), "{it}");
    hear(&office, &it);
    kept_as_sent(&office, &it, &[&told, &moved, last]);
    office.server.command(&["replay"], "");
    let standing = office.standing();
    assert!(standing["last_session_at"].is_string() && standing["contacts"] == 0, "{standing}");
}

/// Each voice on its side, the second agent's behind the first one's, and the marks.
fn hear(office: &Office, it: &Value) {
    let wav = office.server.closed_recording(it);
    let ends = wav.duration_ms();
    assert!((5_000..9_000).contains(&ends), "{ends} ms");
    for (channel, hz, from_ms, until_ms) in [
        (0, 440, 300, 1_300),
        (1, 700, 300, 1_300),
        (0, 440, ends - 1_200, ends - 300),
        (1, 1_200, ends - 1_200, ends - 300),
    ] {
        let loud = wav.tone_between(channel, hz, from_ms, until_ms);
        assert!(loud > 0.2, "channel {channel} has {hz} Hz from {from_ms} to {until_ms}: {loud}");
    }
    assert!(wav.tone_between(0, 700, 300, 1_300) < 0.01, "nothing of the agent is heard left");
    let id = it["recording_ids"][0].as_str().expect("an id");
    let recording = office.server.get(&format!("/recordings/{id}"));
    assert_eq!(recording["state"], "finished", "{recording}");
    let span = |kind: &str| {
        let spans = recording["spans"].as_array().expect("spans").clone();
        spans.into_iter().find(|span| span["kind"] == kind).unwrap_or_else(|| panic!("a {kind}: {recording}"))
    };
    let hold = span("hold");
    let held_ms = hold["until_ms"].as_u64().expect("ms") - hold["from_ms"].as_u64().expect("ms");
    assert!((900..1_800).contains(&held_ms), "{hold}");
    span("transfer");
    office.server.command(&["recording", "verify", "--all"], "");
}

fn kept_as_sent(office: &Office, it: &Value, documents: &[&str]) {
    let sessions = office.sessions(it);
    let session = &sessions[0];
    assert_eq!(
        (sessions.as_array().map(Vec::len), &session["session"]),
        (Some(1), &json!("s1")),
        "{sessions}"
    );
    let kept: Vec<&str> = session["documents"]
        .as_array()
        .expect("documents")
        .iter()
        .map(|document| document["content"].as_str().expect("text"))
        .collect();
    assert_eq!(kept, documents);
    let party = |n: usize, field: &str| session["parties"][n][field].clone();
    assert_eq!([party(0, "name"), party(0, "role")], [json!("Иван & <b>"), json!("customer")]);
    assert_eq!([party(1, "user_id"), party(2, "user_id")], [json!(office.anna), json!(office.boris)]);
    assert_eq!(party(1, "disassociated_at"), json!("2026-11-30T09:01:00.000Z"), "{session}");
    assert_eq!(session["direction_by"], "joined_first", "{session}");
    let id = it["id"].as_str().expect("an id");
    let explained = office.server.get(&format!("/interactions/{id}/explain"));
    let sentences = explained["sentences"].as_array().expect("sentences");
    assert!(sentences.iter().any(|it| it["key"] == "session_told"), "{explained}");
    let token = office.server.log_in("anna");
    let path = format!("/api/v1/interactions/{id}/recorded-sessions");
    let refused = crate::peers::http::request(office.server.http, "GET", &path, "", Some(&token));
    assert_eq!(refused.expect("an answer").status, 403, "agents do not read it");
}

#[test]
fn one_mixed_stream_is_heard_on_both_sides() {
    let office = Office::open("");
    let mut session = office.sbc.session(office.server.sip(), "rec", vec![office.sbc.stream("1")]);
    let told = document(&[CUSTOMER, Told { label: "1", ..ANNA }]);
    assert_eq!(session.begin(&told, &[600]).status(), Some(200));
    sleep(Duration::from_millis(1_500));
    session.end("");
    let it = office.server.ended_interaction();
    assert_eq!(office.sessions(&it)[0]["voices"], "mixed");
    let wav = office.server.closed_recording(&it);
    for channel in [0, 1] {
        assert!(wav.tone_between(channel, 600, 300, 1_200) > 0.2, "channel {channel}");
    }
}

#[test]
fn what_is_not_right_is_refused_with_what_to_change() {
    let office = Office::open("");
    eventually("the SBC is greeted", SOON, || office.sbc.asked("OPTIONS").first().cloned());
    let mut without = office.two_streams();
    let media = without.media();
    let answer = without.send("INVITE", &media);
    assert_eq!(answer.status(), Some(400));
    assert!(answer.header("Warning").contains("application/rs-metadata+xml"), "{answer:?}");
    let mut broken = office.two_streams();
    let answer = broken.begin("<recording", &[]);
    assert_eq!(answer.status(), Some(400));
    assert!(answer.header("Warning").starts_with("399 Linecard \"the metadata is not XML"), "{answer:?}");
    let mut elsewhere = office.sbc.session(office.server.sip(), "nobody", vec![office.sbc.stream("1")]);
    // Only a line that records takes the extension.
    assert_eq!(elsewhere.begin(&document(&[CUSTOMER, ANNA]), &[]).status(), Some(420));
    let mut silent = office.two_streams();
    silent.streams.iter_mut().for_each(|stream| stream.codec = "96 opus/48000");
    let answer = silent.begin(&document(&[CUSTOMER, ANNA]), &[]);
    assert_eq!(answer.status(), Some(488));
    assert!(answer.header("Warning").contains("no common codec"), "{answer:?}");
    assert_eq!(office.server.get("/interactions")["total"], 0);
}

#[test]
fn without_ports_a_session_is_refused_and_the_next_one_is_taken() {
    let office = Office::open("[media]\nport_min = 16384\nport_max = 16389\n");
    let told = document(&[CUSTOMER, ANNA]);
    let mut first = office.two_streams();
    assert_eq!(first.begin(&told, &[440, 700]).status(), Some(200));
    assert_eq!(office.two_streams().begin(&told, &[440, 700]).status(), Some(503), "one pair is left");
    sleep(Duration::from_millis(300));
    first.end("");
    sleep(Duration::from_millis(2_500));
    let mut next = office.two_streams();
    assert_eq!(next.begin(&told, &[440, 700]).status(), Some(200));
    next.end("");
}

#[test]
fn a_client_that_dies_leaves_a_whole_recording_within_a_minute() {
    let office = Office::open("[media]\nrtp_timeout_s = 5\n");
    let mut session = office.two_streams();
    assert_eq!(session.begin(&document(&[CUSTOMER, ANNA]), &[440, 700]).status(), Some(200));
    sleep(Duration::from_millis(1_500));
    office.sbc.vanish();
    session.streams.iter().for_each(|stream| stream.rtp.fall_silent());
    let it = eventually("the interaction is over", Duration::from_secs(60), || {
        let items = office.server.get("/interactions")["items"].clone();
        (items[0]["state"] == "ended").then(|| items[0].clone())
    });
    assert_eq!((&it["outcome"], &it["hangup_by"]), (&json!("answered"), &json!("system")), "{it}");
    office.server.closed_recording(&it);
    office.server.command(&["recording", "verify", "--all"], "");
}

#[test]
fn a_killed_server_repairs_the_recording_and_knows_the_dialog_no_more() {
    let mut office = Office::open("");
    let told = document(&[CUSTOMER, ANNA]);
    let sip = office.server.sip();
    let sbc = RecordingClient::start();
    let streams = vec![sbc.stream("1"), sbc.stream("2")];
    office
        .server
        .create("/lines", &json!({"server": sbc.address().to_string(), "username": "rec", "mode": "siprec"}));
    let mut session = sbc.session(sip, "rec", streams);
    assert_eq!(session.begin(&told, &[440, 700]).status(), Some(200));
    sleep(Duration::from_millis(2_500));
    office.server.program.kill();
    office.server.launch();
    eventually("the session is hung up", SOON, || sbc.asked("BYE").first().cloned());
    assert_eq!(session.offer_again("sendonly").status(), Some(481));
    let it = office.server.ended_interaction();
    assert_eq!(it["outcome"], "interrupted", "{it}");
    let wav = office.server.closed_recording(&it);
    assert!(wav.tone_between(0, 440, 300, 1_200) > 0.2);
    let id = it["recording_ids"][0].as_str().expect("an id");
    assert_eq!(office.server.get(&format!("/recordings/{id}"))["state"], "repaired");
    office.server.command(&["recording", "verify", "--all"], "");
}

#[test]
fn what_a_pbx_tells_of_the_same_call_is_the_same_call() {
    let account = Account::new("105").with_number(NUMBER);
    let mut pbx = Kamailio::start_telling(std::slice::from_ref(&account));
    let options = PhoneOptions { answer: Answer::Manual, tone_hz: 700, expires_s: 60, transport: "udp" };
    let phone = Baresip::start(pbx.address(), &account, &options);
    pbx.wait_registered("105", 1, SOON);
    let office = Office::open("");
    let server = pbx.address().to_string();
    let watching = json!({"server": server, "username": "105", "password": "secret-105", "mode": "dialog_info",
                          "user_id": office.boris});
    let line = office.server.create("/lines", &watching);
    let path = format!("/lines/{}", line["id"].as_str().expect("an id"));
    eventually("the extension is watched", SOON, || {
        (office.server.get(&path)["registration"]["state"] == "registered").then_some(())
    });
    let customer = Customer::new(pbx.address(), "+78312123456").call(NUMBER);
    phone.wait_ringing(SOON);
    phone.answer();
    customer.wait_talking(SOON);
    eventually("the talk is seen", SOON, || (office.call()["state"] == "answered").then_some(()));
    let mut session = office.two_streams();
    let agent = Told { id: "p2", aor: "sip:105@10.0.0.9", ..ANNA };
    assert_eq!(session.begin(&document(&[CUSTOMER, agent]), &[440, 700]).status(), Some(200));
    sleep(Duration::from_millis(1_500));
    assert_eq!(office.call()["user_id"], json!(office.boris), "it is one call");
    customer.hang_up();
    phone.wait_closed(SOON);
    sleep(Duration::from_millis(500));
    session.end("");
    let it = office.server.ended_interaction();
    assert_eq!((&it["outcome"], &it["user_id"]), (&json!("answered"), &json!(office.boris)), "{it}");
    assert_eq!(it["recording_ids"].as_array().map(Vec::len), Some(1), "{it}");
    assert_eq!(office.sessions(&it)[0]["direction_by"], "seen_elsewhere");
    office.server.closed_recording(&it);
    office.server.command(&["replay"], "");
}

#[test]
fn a_server_that_stops_hangs_its_sessions_up_and_keeps_what_was_said() {
    let mut office = Office::open("");
    let sbc = RecordingClient::start();
    let line = json!({"server": sbc.address().to_string(), "username": "rec", "mode": "siprec"});
    office.server.create("/lines", &line);
    let streams = vec![sbc.stream("1"), sbc.stream("2")];
    let mut session = sbc.session(office.server.sip(), "rec", streams);
    assert_eq!(session.begin(&document(&[CUSTOMER, ANNA]), &[440, 700]).status(), Some(200));
    sleep(Duration::from_millis(1_500));
    office.server.program.signal(rustix::process::Signal::TERM);
    eventually("the session is hung up", SOON, || sbc.asked("BYE").first().cloned());
    assert!(office.server.program.wait(SOON).success(), "it ends well");
    office.server.launch();
    let it = office.server.ended_interaction();
    assert_eq!((&it["outcome"], &it["hangup_by"]), (&json!("answered"), &json!("system")), "{it}");
    let wav = office.server.closed_recording(&it);
    assert!(wav.tone_between(0, 440, 300, 1_200) > 0.2);
    office.server.command(&["recording", "verify", "--all"], "");
}

#[test]
fn a_line_with_a_password_takes_nothing_without_it() {
    let office = Office::open("");
    let password = json!({"password": "a secret"});
    office.server.change(&format!("/lines/{}", office.line), &password);
    eventually("the SBC is greeted again", SOON, || (office.sbc.asked("OPTIONS").len() > 1).then_some(()));
    let answer = office.two_streams().begin(&document(&[CUSTOMER, ANNA]), &[]);
    assert_eq!(answer.status(), Some(401));
    assert_eq!(answer.all("WWW-Authenticate").count(), 2, "SHA-256 and MD5: {answer:?}");
    assert_eq!(office.server.get("/interactions")["total"], 0);
}
