//! A line whose server is a domain: NAPTR and SRV records say where it is (RFC 3263). A host that is silent is passed by, the
//! transport is what the domain prefers, and under TLS the domain is proved and not the host that it names.

use std::time::Duration;

use serde_json::json;

use super::server::{NUMBER, SOON, Storage, accounts};
use super::{Linecard, Office};
use crate::peers::tls::Authority;
use crate::peers::{Account, Answer, Customer, Dns, Kamailio, Zone, eventually, net};

/// A registration over UDP gives a place up after 32 s (RFC 3261 timer F).
const PASSED_BY: Duration = Duration::from_secs(45);

/// Adds a line of account 100 at a domain and returns its path.
fn line_at(server: &Linecard, domain: &str, transport: Option<&str>) -> String {
    let draft = json!({
        "name": "Main", "server": domain, "username": "100", "password": "secret-100", "transport": transport,
    });
    format!("/lines/{}", server.create("/lines", &draft)["id"].as_str().expect("an id"))
}

fn wait_registered(server: &Linecard, line: &str, at_most: Duration) {
    eventually("the line is registered", at_most, || {
        (server.get(line)["registration"]["state"] == "registered").then_some(())
    });
}

#[test]
fn a_silent_host_is_passed_by_and_calls_go_the_way_of_the_registration() {
    let pbx = Kamailio::start(&accounts());
    let silent = net::udp_socket(net::own_address());
    let (ip, port) = (net::ipv4(pbx.address()), pbx.address().port());
    let silent_at = silent.local_addr().expect("bound");
    let zone = Zone::default()
        .service("_sip._udp.pbx.test", 10, silent_at.port(), "first.pbx.test")
        .service("_sip._udp.pbx.test", 20, port, "second.pbx.test")
        .host("first.pbx.test", net::ipv4(silent_at))
        .host("second.pbx.test", ip);
    let dns = Dns::start(zone);
    let line = json!({"server": "pbx.test"});
    let office =
        Office::open_within(PASSED_BY, pbx, &line, Answer::Auto, Storage::of_the_run(), &dns.configured());
    let mut bytes = [0; 2_048];
    let length = silent.recv(&mut bytes).expect("the better host was asked first");
    assert!(bytes[..length].starts_with(b"REGISTER sip:pbx.test SIP/2.0"));

    let call = Customer::new(office.pbx.address(), b"+78312123456").speaking(440).call(NUMBER);
    call.wait_talking(Duration::from_secs(5));
    call.rtp().wait_received(100, SOON);
    assert!(call.rtp().heard(700) > 0.1, "the agent's phone was called through the host that answers");
    call.hang_up();
    assert_eq!(office.server.ended_interaction()["outcome"], "answered");
}

#[test]
fn what_the_domain_prefers_is_spoken_when_the_line_leaves_it_open() {
    let mut pbx = Kamailio::start(&[Account::new("100")]);
    let zone = Zone::default()
        .prefers("pbx.test", 10, "SIP+D2T", "_sip._tcp.pbx.test")
        .prefers("pbx.test", 20, "SIP+D2U", "_sip._udp.pbx.test")
        .service("_sip._tcp.pbx.test", 1, pbx.address().port(), "host.pbx.test")
        .service("_sip._udp.pbx.test", 1, pbx.address().port(), "host.pbx.test")
        .host("host.pbx.test", net::ipv4(pbx.address()));
    let dns = Dns::start(zone);
    let server = Linecard::start_with(&dns.configured());
    wait_registered(&server, &line_at(&server, "pbx.test", None), SOON);
    let contact = pbx.registered("100").remove(0);
    assert!(contact.ends_with(";transport=tcp"), "{contact}");

    let look = ["doctor", "--server", "pbx.test", "--username", "100", "--password-stdin"];
    let (code, text) = server.ask(&look, "secret-100");
    assert_eq!(code, 0, "{text}");
}

#[test]
fn under_tls_the_domain_is_proved_and_not_the_host_behind_it() {
    let authority = Authority::new();
    let ip = net::own_address();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority.pem()).expect("a file");
    for (name, registers) in [("pbx.test", true), ("host.provider.test", false)] {
        let pbx = Kamailio::start_secure_at(ip, &[Account::new("100")], &authority.issue(name), None);
        let zone = Zone::default()
            .service("_sips._tcp.pbx.test", 1, pbx.tls_address().port(), "host.provider.test")
            .host("host.provider.test", ip);
        let dns = Dns::start(zone);
        let server = Linecard::start_with(&format!("tls_roots = {file:?}\n{}", dns.configured()));
        let line = line_at(&server, "pbx.test", Some("tls"));
        if registers {
            wait_registered(&server, &line, SOON);
            continue;
        }
        let said = eventually("the line says why not", SOON, || {
            let registration = server.get(&line)["registration"].clone();
            (!registration["reason_key"].is_null()).then_some(registration)
        });
        assert_eq!(said["reason_key"], "tls_wrong_name", "{said}");
        assert_eq!(said["reason_params"]["name"], "pbx.test", "{said}");
    }
}
