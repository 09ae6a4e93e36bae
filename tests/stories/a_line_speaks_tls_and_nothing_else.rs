//! A line under TLS: it registers at the PBX that proves to be the right one, calls with sound come along that very
//! connection, it is back within 30 s after the PBX was restarted, and each reason why not stands at the line. It never
//! says a word in clear.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{NUMBER, SOON, Storage, accounts};
use super::{Linecard, Office};
use crate::peers::tls::{Authority, Identity};
use crate::peers::{Account, Answer, Customer, Kamailio, eventually, net};

/// The configuration of a server that trusts one authority, whose certificate lies in `folder`.
fn trusting(authority: &Authority, folder: &tempfile::TempDir) -> String {
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority.pem()).expect("a file");
    format!("tls_roots = {:?}\n", file)
}

/// Writes a certificate and its key and returns the configuration that shows it to PBXes.
fn showing(identity: &Identity, folder: &tempfile::TempDir) -> String {
    let [certificate, key] = ["client.pem", "client.key"].map(|file| folder.path().join(file));
    std::fs::write(&certificate, &identity.certificate).expect("a file");
    std::fs::write(&key, &identity.key).expect("a file");
    format!("tls_client_cert = {certificate:?}\ntls_client_key = {key:?}\n")
}

/// A line of account 100 at an address, under TLS; returns its path.
fn line_at(server: &Linecard, address: SocketAddr) -> String {
    let draft = json!({
        "name": "Main", "server": address.to_string(), "username": "100", "password": "secret-100",
        "transport": "tls",
    });
    format!("/lines/{}", server.create("/lines", &draft)["id"].as_str().expect("an id"))
}

/// Waits until the line says why it is not registered, or that it is; returns what it says.
fn standing(server: &Linecard, line: &str) -> Value {
    eventually("the line stands somehow", SOON, || {
        let registration = server.get(line)["registration"].clone();
        let decided = registration["state"] == "registered" || !registration["reason_key"].is_null();
        decided.then_some(registration)
    })
}

#[test]
fn calls_come_along_the_connection_that_registered_and_the_line_is_back_after_a_restart() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a folder"));
    let ip = net::own_address();
    let pbx = Kamailio::start_secure_at(ip, &accounts(), &authority.issue(&ip.to_string()), None);
    let line = json!({"server": pbx.tls_address().to_string(), "transport": "tls"});
    let more = trusting(&authority, &folder);
    let mut office = Office::open_at(pbx, &line, Answer::Auto, Storage::of_the_run(), &more);
    let contact = office.pbx.registered("100").remove(0);
    assert!(contact.contains(";transport=tls"), "{contact}");

    let call = Customer::new(office.pbx.address(), b"+78312123456").speaking(440).call(NUMBER);
    call.wait_talking(SOON);
    call.rtp().wait_received(150, SOON);
    assert!(call.rtp().heard(700) > 0.1, "the customer hears the agent");
    call.hang_up();
    let interaction = office.server.ended_interaction();
    assert_eq!(interaction["outcome"], "answered", "{interaction}");
    let wav = office.server.closed_recording(&interaction);
    assert!(wav.tone_in(0, 440) > 0.1 && wav.tone_in(1, 700) > 0.1, "both are recorded");

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
fn a_pbx_that_opens_the_connection_itself_is_served_at_our_own_socket() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a folder"));
    let [pbx_ip, own_ip] = [net::own_address(), net::own_address()];
    let pbx = Kamailio::start_secure_at(pbx_ip, &accounts(), &authority.issue(&pbx_ip.to_string()), None);
    let own = SocketAddr::from((own_ip, net::free_port(own_ip)));
    let plain = SocketAddr::from((own_ip, net::free_port(own_ip)));
    let identity = authority.issue(&own_ip.to_string());
    let [certificate, key] = ["own.pem", "own.key"].map(|file| folder.path().join(file));
    std::fs::write(&certificate, &identity.certificate).expect("a file");
    std::fs::write(&key, &identity.key).expect("a file");
    let more = format!(
        "listen = [\"udp://{plain}\", \"tls://{own}\"]\ntls_cert = {certificate:?}\ntls_key = {key:?}\n{}",
        trusting(&authority, &folder)
    );
    let line = json!({"server": pbx.tls_address().to_string(), "transport": "tls"});
    let mut office = Office::open_at(pbx, &line, Answer::Auto, Storage::of_the_run(), &more);
    let contact = office.pbx.registered("100").remove(0);
    assert!(contact.ends_with(&format!("@{own};transport=tls")), "{contact}");
    let call = Customer::new(office.pbx.address(), b"+78312123456").speaking(440).call(NUMBER);
    call.wait_talking(SOON);
    call.rtp().wait_received(100, SOON);
    assert!(call.rtp().heard(700) > 0.1, "the customer hears the agent");
    call.hang_up();
    assert_eq!(office.server.ended_interaction()["outcome"], "answered");
}

#[test]
fn the_doctor_shows_the_fingerprint_and_says_where_to_write_it() {
    let own = Identity::self_signed("some-pbx");
    let ip = net::own_address();
    let mut pbx = Kamailio::start_secure_at(ip, &[Account::new("100")], &own, None);
    let address = pbx.tls_address().to_string();
    let look =
        ["doctor", "--server", &address, "--username", "100", "--transport", "tls", "--password-stdin"];

    let server = Linecard::start();
    let (code, text) = server.ask(&look, "secret-100");
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(&own.fingerprint()) && text.contains("sip.tls_pins"), "{text}");
    drop(server);
    let server = Linecard::start_with(&format!("tls_pins = [{:?}]\n", own.fingerprint()));
    let (code, text) = server.ask(&look, "secret-100");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("speaks TLS") && text.contains("registered as 100 over TLS"), "{text}");
    pbx.wait_registered("100", 0, SOON);
}

#[test]
fn a_certificate_that_proves_nothing_is_refused_by_its_reason() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a folder"));
    let server = Linecard::start_with(&trusting(&authority, &folder));
    let ip = net::own_address();
    let host = ip.to_string();
    let own = Identity::self_signed(&host);
    let stranger = Authority::new().issue(&host);
    let cases = [
        (authority.issue("pbx.example"), "tls_wrong_name"),
        (authority.issue_expired(&host), "tls_not_valid"),
        (stranger, "tls_untrusted"),
        (own, "tls_untrusted"),
    ];
    for (identity, why) in cases {
        let mut pbx = Kamailio::start_secure_at(ip, &[Account::new("100")], &identity, None);
        let line = line_at(&server, pbx.tls_address());
        let said = standing(&server, &line);
        assert_eq!(said["reason_key"], why, "{said}");
        assert_eq!(said["reason_params"]["fingerprint"], identity.fingerprint(), "{said}");
        assert_eq!(pbx.registered("100"), Vec::<String>::new());
    }
}

#[test]
fn a_pinned_certificate_is_taken_whoever_signed_it_and_another_one_is_not() {
    let own = Identity::self_signed("some-pbx");
    let server = Linecard::start_with(&format!("tls_pins = [{:?}]\n", own.fingerprint()));
    let ip = net::own_address();
    let mut pbx = Kamailio::start_secure_at(ip, &[Account::new("100")], &own, None);
    let line = line_at(&server, pbx.tls_address());
    let said = standing(&server, &line);
    assert_eq!(said["state"], "registered", "{said}");
    pbx.wait_registered("100", 1, SOON);

    let other = Identity::self_signed("some-pbx");
    pbx.kill();
    pbx.shows(&other);
    pbx.restart_empty();
    let said = eventually("the other certificate is refused", Duration::from_secs(30), || {
        let registration = server.get(&line)["registration"].clone();
        (registration["reason_key"] == "tls_untrusted").then_some(registration)
    });
    assert_eq!(said["reason_params"]["fingerprint"], other.fingerprint(), "{said}");
    assert_eq!(pbx.registered("100"), Vec::<String>::new());
}

#[test]
fn a_pbx_that_wants_our_certificate_gets_it_or_the_line_says_so() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a folder"));
    let ip = net::own_address();
    let identity = authority.issue(&ip.to_string());
    let mut pbx = Kamailio::start_secure_at(ip, &[Account::new("100")], &identity, Some(&authority));
    let trusted = trusting(&authority, &folder);

    let server = Linecard::start_with(&trusted);
    let said = standing(&server, &line_at(&server, pbx.tls_address()));
    assert_eq!(said["reason_key"], "tls_client_wanted", "{said}");
    drop(server);
    let stranger = Authority::new().issue("linecard");
    let server = Linecard::start_with(&(trusted.clone() + &showing(&stranger, &folder)));
    let said = standing(&server, &line_at(&server, pbx.tls_address()));
    assert_eq!(said["reason_key"], "tls_client_refused", "{said}");
    drop(server);
    assert_eq!(pbx.registered("100"), Vec::<String>::new());

    let server = Linecard::start_with(&(trusted + &showing(&authority.issue("linecard"), &folder)));
    let said = standing(&server, &line_at(&server, pbx.tls_address()));
    assert_eq!(said["state"], "registered", "{said}");
}

#[test]
fn where_no_tls_is_spoken_nothing_is_said_in_clear() {
    let ip = net::own_address();
    let address = SocketAddr::from((ip, net::free_port(ip)));
    let (streams, datagrams) =
        (TcpListener::bind(address).expect("a port"), UdpSocket::bind(address).expect("a port"));
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = streams.accept().expect("a connection");
        let mut bytes = [0; 4_096];
        let length = stream.read(&mut bytes).expect("bytes");
        bytes[..length].to_vec()
    });
    let server = Linecard::start();
    let said = standing(&server, &line_at(&server, address));
    assert_eq!(said["reason_key"], "no_tls", "{said}");
    let heard = heard.join().expect("bytes");
    assert_eq!(heard[..2], [0x16, 0x03], "a ClientHello and nothing before it");
    assert!(!heard.windows(8).any(|window| window == b"REGISTER"), "{heard:?}");
    datagrams.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    assert!(datagrams.recv(&mut [0; 16]).is_err(), "no datagram came");
}
