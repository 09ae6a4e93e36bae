//! A PBX that offers SIP by WebSocket: the line is entered by the WebSocket's address, registers along it, has its calls with
//! sound there, is back after the PBX was restarted, and says why when nobody takes a WebSocket. It never falls back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{NUMBER, SOON, Storage, accounts};
use super::{Linecard, Office};
use crate::peers::tls::{Authority, Identity};
use crate::peers::{Account, Answer, Customer, Kamailio, eventually, net};

const PATH: (&str, &str) = ("WEBSOCKET_PATH", "\"/sip\"");

fn trusting(authority: &Authority, folder: &tempfile::TempDir) -> String {
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority.pem()).expect("a file");
    format!("tls_roots = {file:?}\n")
}

fn is_talked_and_recorded(office: &Office) {
    let call = Customer::new(office.pbx.address(), b"+78312123456").speaking(440).call(NUMBER);
    call.wait_talking(SOON);
    call.rtp().wait_received(150, SOON);
    assert!(call.rtp().heard(700) > 0.1, "the customer hears the agent");
    office.phone.hang_up();
    call.wait_hung_up(SOON);
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    assert_eq!(interaction["hangup_by"], "agent", "{interaction}");
    let wav = office.server.closed_recording(&interaction);
    assert!(wav.tone_in(0, 440) > 0.1 && wav.tone_in(1, 700) > 0.1, "both are recorded");
}

fn is_back_after_a_restart(office: &mut Office) {
    office.pbx.kill();
    eventually("the line is not registered any more", SOON, || {
        let line = office.server.get(&format!("/lines/{}", office.line_id));
        (line["registration"]["state"] != "registered").then_some(())
    });
    office.pbx.restart_empty();
    let back_at = Instant::now();
    office.pbx.wait_registered("100", 1, Duration::from_secs(30));
    assert!(back_at.elapsed() < Duration::from_secs(30), "registered after {:?}", back_at.elapsed());
    // The PBX has forgotten the agent's phone too, so this call is only seen.
    let _call = Customer::new(office.pbx.address(), b"+78312123457").call(NUMBER);
    eventually("the next call comes along the new connection", SOON, || {
        (office.server.get("/interactions")["items"].as_array()?.len() == 2).then_some(())
    });
}

#[test]
fn calls_come_along_the_websocket_and_the_line_is_back_after_a_restart() {
    let pbx = Kamailio::start_with(&accounts(), &[PATH]);
    let host = pbx.address().to_string();
    let line = json!({"server": format!("ws://{host}/sip")});
    let mut office = Office::open_at(pbx, &line, Answer::Auto, Storage::of_the_run(), "");
    let shown = office.server.get(&format!("/lines/{}", office.line_id));
    let kept = (&shown["server"], &shown["transport"], &shown["websocket_path"]);
    assert_eq!(kept, (&json!(host), &json!("ws"), &json!("/sip")));
    let contact = office.pbx.registered("100").remove(0);
    assert!(contact.ends_with(".invalid;transport=ws"), "nobody can open a WebSocket to us: {contact}");
    is_talked_and_recorded(&office);
    is_back_after_a_restart(&mut office);
}

#[test]
fn under_tls_the_pbx_has_to_prove_who_it_is() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a folder"));
    let ip = net::own_address();
    let identity = authority.issue(&ip.to_string());
    let pbx = Kamailio::start_secure_with(ip, &accounts(), &identity, None, &[PATH]);
    let address = format!("wss://{}/sip", pbx.tls_address());
    let line = json!({"server": address});
    let more = trusting(&authority, &folder);
    let mut office = Office::open_at(pbx, &line, Answer::Auto, Storage::of_the_run(), &more);
    is_talked_and_recorded(&office);
    is_back_after_a_restart(&mut office);
    let check = ["doctor", "--server", &address, "--username", "202", "--password-stdin"];
    let (code, text) = office.server.ask(&check, "secret-202");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("registered as 202 over WSS"), "{text}");

    let stranger = Identity::self_signed(&ip.to_string());
    office.pbx.kill();
    office.pbx.shows(&stranger);
    office.pbx.restart_empty();
    let said = eventually("the other certificate is refused", Duration::from_secs(30), || {
        let registration = office.server.get(&format!("/lines/{}", office.line_id))["registration"].clone();
        (registration["reason_key"] == "tls_untrusted").then_some(registration)
    });
    assert_eq!(said["reason_params"]["fingerprint"], stranger.fingerprint(), "{said}");
    assert_eq!(office.pbx.registered("100"), Vec::<String>::new(), "nothing is said in another way");
}

/// Waits until a line at an address says why it is not registered.
fn refused(server: &Linecard, address: &str) -> Value {
    let draft = json!({"name": address, "server": address, "username": "100", "password": "secret-100"});
    let line = format!("/lines/{}", server.create("/lines", &draft)["id"].as_str().expect("an id"));
    eventually("the line says why not", SOON, || {
        let registration = server.get(&line)["registration"].clone();
        assert_ne!(registration["state"], "registered", "{registration}");
        (!registration["reason_key"].is_null()).then_some(registration)
    })
}

#[test]
fn where_no_websocket_is_taken_the_line_says_so_and_does_not_fall_back() {
    let mut pbx = Kamailio::start_with(&[Account::new("100")], &[PATH]);
    let server = Linecard::start();
    let said = refused(&server, &format!("ws://{}/other", pbx.address()));
    assert_eq!(said["reason_key"], "no_websocket", "{said}");
    assert_eq!(said["reason_params"]["status"], "404", "{said}");
    let said = refused(&server, &format!("ws://{}/api/v1/events", server.http));
    assert_eq!(said["reason_key"], "websocket_no_sip", "{said}");
    let said = refused(&server, &format!("wss://{}/sip", pbx.address()));
    assert_eq!(said["reason_key"], "no_tls", "{said}");
    assert_eq!(
        pbx.registered("100"),
        Vec::<String>::new(),
        "the PBX takes UDP and TCP, and nobody came by them"
    );
    for (draft, field) in [
        (json!({"server": "https://pbx.example/ws", "username": "100"}), "server"),
        (json!({"server": "ws://pbx.example/ws", "username": "100", "transport": "udp"}), "transport"),
        (json!({"server": "ws://pbx.example/ws", "username": "100", "mode": "siprec"}), "transport"),
    ] {
        let reply = server.request("POST", "/lines", &draft.to_string());
        assert_eq!((reply.status, &reply.json()["field"]), (422, &json!(field)), "{draft}");
    }
}
